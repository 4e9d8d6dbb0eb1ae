//! A sample of the events of one shard: what made most of them.

use event::EventType;
use rules::{Field, FieldRef, Fields, Filter, MatchScratch, NameView, Value};

use super::table::Table;
use crate::fields::{EventFields, Names};

/// Processes, calls and containers that are counted at once, on each shard.
pub(super) const N_PROCESSES: usize = 96;
pub(super) const N_CALLS: usize = 96;
pub(super) const N_CONTAINERS: usize = 48;

/// A text cut to what it has room for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Short<const N: usize> {
    len: u8,
    bytes: [u8; N],
}

impl<const N: usize> Short<N> {
    fn of(text: &[u8]) -> Self {
        let len = text.len().min(N).min(usize::from(u8::MAX));
        let mut bytes = [0; N];
        bytes[..len].copy_from_slice(&text[..len]);
        Self { len: len as u8, bytes }
    }

    pub(super) fn text(&self) -> String {
        String::from_utf8_lossy(&self.bytes[..usize::from(self.len)]).into_owned()
    }
}

/// A process: its id and its start, so that an id that is used again is another one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct ProcessKey {
    pub(super) pid: u32,
    pub(super) start_ns: u64,
}

#[derive(Clone, Copy, Debug)]
pub(super) struct ProcessFacts {
    pub(super) name: Short<32>,
    pub(super) user: Short<24>,
    pub(super) container: Short<16>,
}

#[derive(Clone, Copy, Debug)]
pub(super) struct ContainerFacts {
    pub(super) name: Short<48>,
    pub(super) image: Short<64>,
}

/// What of an event's fields is read.
#[derive(Debug)]
struct Read {
    user: FieldRef,
    container: FieldRef,
    container_name: FieldRef,
    image: FieldRef,
    call: FieldRef,
    failed: FieldRef,
}

/// How many calls of one name failed.
#[derive(Clone, Copy, Debug)]
pub(super) struct Failed(pub(super) u64);

/// Counts of one shard for one onlooker.
#[derive(Debug)]
pub(super) struct Counts {
    /// Events as far as the sample stands for them, and those of them that pass the filter.
    pub(super) n_events: u64,
    pub(super) n_passed: u64,
    /// Events that were looked at.
    pub(super) n_looked: u64,
    /// Those of them of which another shard had not told yet what was asked.
    pub(super) n_undecided: u64,
    pub(super) processes: Table<ProcessKey, ProcessFacts>,
    pub(super) calls: Table<Short<32>, Failed>,
    pub(super) containers: Table<Short<16>, ContainerFacts>,
}

impl Counts {
    pub(super) fn new() -> Self {
        Self {
            n_events: 0,
            n_passed: 0,
            n_looked: 0,
            n_undecided: 0,
            processes: Table::new(N_PROCESSES),
            calls: Table::new(N_CALLS),
            containers: Table::new(N_CONTAINERS),
        }
    }

    pub(super) fn clear(&mut self) {
        let Self { n_events, n_passed, n_looked, n_undecided, processes, calls, containers } = self;
        (*n_events, *n_passed, *n_looked, *n_undecided) = (0, 0, 0, 0);
        processes.clear();
        calls.clear();
        containers.clear();
    }
}

/// One shard's part of a watch: what it counts, and what counting takes.
#[derive(Debug)]
pub(super) struct Sample {
    pub(super) counts: Counts,
    scratch: MatchScratch,
    read: Read,
}

impl Sample {
    pub(super) fn new(filter: Option<&Filter>) -> Self {
        let read = Read {
            user: FieldRef::plain(Field::UserName),
            container: FieldRef::plain(Field::ContainerId),
            container_name: FieldRef::plain(Field::ContainerName),
            image: FieldRef::plain(Field::ContainerImage),
            call: FieldRef::plain(Field::EvtType),
            failed: FieldRef::plain(Field::EvtFailed),
        };
        let scratch = filter.map(Filter::scratch).unwrap_or_default();
        Self { counts: Counts::new(), scratch, read }
    }

    /// Counts an event of whose process another shard has not told yet.
    pub(super) fn pass_over(&mut self, weight: u64) {
        self.counts.n_events += weight;
        self.counts.n_looked += 1;
        self.counts.n_undecided += 1;
    }

    /// Looks at an event that stands for `weight`.
    pub(super) fn take(&mut self, filter: Option<&Filter>, fields: &EventFields<'_>, weight: u64) {
        let Self { counts, scratch, read } = self;
        counts.n_events += weight;
        counts.n_looked += 1;
        let passes = filter.is_none_or(|filter| passes(filter, fields, scratch));
        if fields.take_wait().is_some() {
            counts.n_undecided += 1;
            return;
        }
        if !passes {
            return;
        }
        counts.n_passed += weight;
        let header = fields.header();
        let container = Short::of(text(fields.get(&read.container)));
        let key = ProcessKey { pid: header.tgid, start_ns: header.start_ns };
        let name = Short::of(fields.process_name().unwrap_or_default());
        let known = counts.processes.add(key, weight, || ProcessFacts {
            name,
            user: Short::of(text(fields.get(&read.user))),
            container,
        });
        if let Some(known) = known {
            // It may have executed since.
            known.name = name;
        }
        let call = Short::of(text(fields.get(&read.call)));
        let has_failed = matches!(fields.get(&read.failed), Some(Value::Bool(true)));
        let failed = counts.calls.add(call, weight, || Failed(0));
        if let Some(Failed(n)) = failed.filter(|_| has_failed) {
            *n += weight;
        }
        counts.containers.add(container, weight, || ContainerFacts {
            name: Short::of(text(fields.get(&read.container_name))),
            image: Short::of(text(fields.get(&read.image))),
        });
    }
}

fn text(value: Option<Value<'_>>) -> &[u8] {
    match value {
        Some(Value::Bytes(bytes)) => bytes,
        _ => b"",
    }
}

/// Whether the event matches in any spelling of its name.
fn passes(filter: &Filter, fields: &EventFields<'_>, scratch: &mut MatchScratch) -> bool {
    let ty = EventType(fields.header().event_type);
    let views = match filter.reads_names().then(|| fields.names()) {
        Some(Names::Two) => &[NameView::Lexical, NameView::Kernel][..],
        Some(Names::One(view)) => {
            fields.set_view(view);
            return filter.matches(ty, fields, scratch);
        }
        Some(Names::None) | None => return filter.matches(ty, fields, scratch),
    };
    views.iter().any(|&view| {
        fields.set_view(view);
        filter.matches(ty, fields, scratch)
    })
}
