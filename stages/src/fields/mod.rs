//! What rules see of an event: every field of the schema, by class.
//!
//! Values are borrowed from the frame, the process's version, or the window's arena. Nothing here allocates on the heap.

mod buffer;
mod chain;
mod container;
mod digits;
mod errno;
mod evt;
mod fd;
mod fdlist;
mod host_name;
mod names;
mod ports;
mod printable;
mod process;
mod recorded;
mod render;
mod resource;
mod socket;
mod text;
mod times;
mod user;

use std::cell::{Cell, OnceCell};
use std::sync::Arc;
use std::time::Duration;

use bumpalo::Bump;
use containers::Details;
use event::{DescriptorFacts, FrameHeader, ThreadFacts, flags};
use rules::{Arg, Extracted, Field, FieldRef, Fields, NameView, ProcessId, Value};

pub use buffer::BufferFormat;
pub use errno::errno_named;
pub use evt::category_name;
pub use ports::PortFormat;
pub use process::capability_named;
pub use render::signal_named;

pub(crate) use chain::Chain;
use chain::Link;
pub(crate) use container::Lacking;
pub(crate) use digits::{put_decimal, put_nine_digits};
use fd::Source;
pub(crate) use names::Names;
use socket::Ends;
pub(crate) use text::Text;

use crate::parse::Event;
use crate::state::{Ancestor, Descent, Lineage, Version, Wait};
use crate::users::Users;

/// Ancestors above which a lineage counts as incomplete: looking at all of a longer one takes too long.
const MAX_ANCESTORS: usize = 1024;

/// What a shard's events have in common.
#[derive(Clone, Copy)]
pub(crate) struct Surroundings<'e> {
    pub(crate) lineage: &'e Lineage,
    pub(crate) shard: usize,
    pub(crate) users: &'e Users,
    pub(crate) hostname: &'e str,
    /// Added to timestamps to get ns since the epoch.
    pub(crate) clock_offset_ns: i64,
    /// `evt.num` is the key without so many low bits.
    pub(crate) evt_num_shift: u32,
    /// How parameters show local time.
    pub(crate) utc_offset_s: i32,
    /// How parameters show raw bytes.
    pub(crate) buffers: BufferFormat,
    /// How addresses show ports.
    pub(crate) ports: PortFormat,
    /// How long a field waits for what a container's runtime has to tell, from the question on; where there is none it does not.
    pub(crate) container_wait: Option<Duration>,
    pub(crate) bump: &'e Bump,
}

/// What all events of a shard have in common.
pub(crate) struct Scene {
    pub(crate) shard: usize,
    pub(crate) users: Arc<Users>,
    pub(crate) hostname: Arc<str>,
    pub(crate) clock_offset_ns: i64,
    pub(crate) evt_num_shift: u32,
    pub(crate) buffers: BufferFormat,
}

impl Scene {
    pub(crate) fn at<'e>(
        &'e self,
        lineage: &'e Lineage,
        utc_offset_s: i32,
        bump: &'e Bump,
    ) -> Surroundings<'e> {
        let &Self { shard, ref users, ref hostname, clock_offset_ns, evt_num_shift, buffers } =
            self;
        Surroundings {
            lineage,
            shard,
            users,
            hostname,
            clock_offset_ns,
            evt_num_shift,
            utc_offset_s,
            buffers,
            ports: PortFormat::Number,
            container_wait: None,
            bump,
        }
    }
}

/// The fields of one event in one view of its name.
pub(crate) struct EventFields<'e> {
    at: Surroundings<'e>,
    event: &'e Event<'e>,
    process: Option<&'e Version>,
    chain: &'e Chain,
    source: Source<'e>,
    view: Cell<NameView>,
    /// Another shard has to go on before the answers can be had: all of them are void.
    wait: Cell<Option<Wait>>,
    leaders: process::Leaders,
    told: OnceCell<Option<Arc<Details>>>,
    lacking: Cell<Lacking>,
    sandbox: OnceCell<Option<Arc<Details>>>,
    number: OnceCell<Option<u64>>,
    lexical: [OnceCell<Option<&'e [u8]>>; 2],
    ends: OnceCell<Option<Ends>>,
    sock_name: OnceCell<Option<&'e [u8]>>,
    /// What a savefile tells of the event's own descriptor.
    recorded: OnceCell<Option<&'e DescriptorFacts<'e>>>,
}

impl<'e> EventFields<'e> {
    pub(crate) fn new(at: Surroundings<'e>, event: &'e Event<'e>, chain: &'e mut Chain) -> Self {
        chain.turn_to(at.lineage, event.header(), event.key);
        let chain: &'e Chain = chain;
        Self {
            at,
            event,
            process: chain.process(),
            chain,
            source: Source::of(event),
            view: Cell::new(NameView::Both),
            wait: Cell::new(None),
            leaders: process::Leaders::default(),
            told: OnceCell::new(),
            lacking: Cell::default(),
            sandbox: OnceCell::new(),
            number: OnceCell::new(),
            lexical: [OnceCell::new(), OnceCell::new()],
            ends: OnceCell::new(),
            sock_name: OnceCell::new(),
            recorded: OnceCell::new(),
        }
    }

    /// The fields of the same event, of which more is known now.
    pub(crate) fn looked_into(&self, event: &'e Event<'e>) -> Self {
        Self {
            at: self.at,
            event,
            process: self.process,
            chain: self.chain,
            source: Source::of(event),
            view: self.view.clone(),
            wait: Cell::new(None),
            leaders: process::Leaders::default(),
            told: OnceCell::new(),
            lacking: Cell::default(),
            sandbox: OnceCell::new(),
            number: OnceCell::new(),
            lexical: [OnceCell::new(), OnceCell::new()],
            ends: OnceCell::new(),
            sock_name: OnceCell::new(),
            recorded: OnceCell::new(),
        }
    }

    /// A value as outputs that take bytes as they are show it: buffers in their format.
    pub(crate) fn printed<'s>(&'s self, field: &FieldRef, value: Value<'s>) -> Value<'s> {
        match value {
            Value::Bytes(bytes) if field.ty() == rules::FieldType::Buffer => {
                let mut out = bumpalo::collections::Vec::new_in(self.at.bump);
                buffer::put_buffer(&mut out, self.at.buffers, bytes);
                Value::Bytes(out.into_bump_slice())
            }
            value => value,
        }
    }

    /// Who, when and where.
    pub(crate) fn header(&self) -> &'e FrameHeader {
        self.event.header()
    }

    /// Name of the event's own process, where that is known.
    pub(crate) fn process_name(&self) -> Option<&[u8]> {
        Some(self.process?.image.comm())
    }

    /// Whether the event's own process is known.
    pub(crate) fn has_process(&self) -> bool {
        self.process.is_some_and(|v| !v.is_stand_in)
    }

    /// Whether the process, or an ancestor up to this one (1 the parent), is not known.
    pub(crate) fn lineage_unknown(&self, ancestor: usize) -> bool {
        !self.has_process()
            || (1..=ancestor)
                .map_while(|level| self.link(level))
                .find(|link| !matches!(link, Link::Known(..)))
                .is_some_and(|link| matches!(link, Link::Unknown(_)))
    }

    /// Whether all is known of the event's own process.
    pub(crate) fn is_whole(&self) -> bool {
        self.has_process()
            && self.version().is_some_and(|v| v.is_complete)
            && !self.event.frame.has(flags::STATE_LOST)
    }

    /// Whether a change was lost of the process, or of an ancestor up to this one (1 the parent), as far as they are known.
    pub(crate) fn lineage_incomplete(&self, ancestor: usize) -> bool {
        self.has_process()
            && (!self.is_whole()
                || (1..=ancestor)
                    .map_while(|level| self.link(level))
                    .take_while(|link| matches!(link, Link::Known(..)))
                    .any(|link| !self.is_sound(link)))
    }

    /// Whether the ancestor is known, and all of it.
    fn is_sound(&self, link: &Link) -> bool {
        match link {
            Link::Known(_, version, Descent::Certain) => version.is_complete,
            Link::Known(_, _, Descent::Doubtful) => {
                self.ask_for_process();
                false
            }
            Link::Unknown(_) | Link::End => false,
        }
    }

    /// Whether the process and all its ancestors are known, and all of them.
    fn lineage_complete(&self) -> bool {
        self.is_whole()
            && (1..MAX_ANCESTORS)
                .map_while(|level| self.link(level))
                .find(|link| !self.is_sound(link))
                .is_some_and(|link| matches!(link, Link::End))
    }

    /// Asks for the process to be looked at again, where somebody does.
    pub(crate) fn ask_for_process(&self) {
        if !self.is_from_file() {
            let header = self.event.header();
            self.at.lineage.repairs().ask(header.tgid, header.start_ns);
        }
    }

    /// The shard that the answers since the last call have to wait for, if any.
    pub(crate) fn take_wait(&self) -> Option<Wait> {
        self.wait.take()
    }

    /// Chooses the spelling that `fd.name` and what is made of it give.
    pub(crate) fn set_view(&self, view: NameView) {
        self.view.set(view);
    }

    pub(crate) fn is_from_file(&self) -> bool {
        self.event.is_from_file()
    }

    pub(crate) fn evt_num(&self) -> u64 {
        self.event.own_key.0 >> self.at.evt_num_shift
    }

    /// Time of the event, ns since the epoch.
    pub(crate) fn epoch_ns(&self) -> u64 {
        let ts = self.event.header().ts;
        if self.event.is_from_file() { ts } else { perf::to_epoch_ns(ts, self.at.clock_offset_ns) }
    }

    /// What a savefile tells of the event's own thread.
    fn thread(&self) -> Option<ThreadFacts<'e>> {
        let header = self.event.header();
        if header.tid == header.tgid || !self.event.is_from_file() {
            return None;
        }
        self.event.frame.trailer().thread()
    }

    fn version(&self) -> Option<&Version> {
        self.process
    }

    /// The ancestor `level` steps up, 1 the parent.
    fn ancestor(&self, level: usize) -> Option<(u32, &Version)> {
        match self.link(level)? {
            Link::Known(tgid, version, _) => Some((*tgid, version)),
            Link::Unknown(_) | Link::End => None,
        }
    }

    fn link(&self, level: usize) -> Option<&Link> {
        let own = self.version()?;
        self.chain.get(level, |below| {
            let found = self.at.lineage.parent(self.at.shard, below.unwrap_or(own), self.event.key);
            match found {
                Ok(Ancestor::Known(node, version, descent)) => {
                    Some(Link::Known(node.tgid, version, descent))
                }
                Ok(Ancestor::Unknown(tgid)) => Some(Link::Unknown((tgid != 0).then_some(tgid))),
                Ok(Ancestor::None) => Some(Link::End),
                Err(wait) => {
                    self.wait.set(Some(wait));
                    None
                }
            }
        })
    }

    fn ancestors(&self) -> impl Iterator<Item = (u32, &Version)> {
        (1..).map_while(|level| self.ancestor(level))
    }
}

impl Fields for EventFields<'_> {
    fn get(&self, field: &FieldRef) -> Option<Value<'_>> {
        match field.field.extracted()? {
            Extracted::Evt(f) => self.evt(f, &field.arg),
            Extracted::Proc(f) => self.proc(f, &field.arg),
            Extracted::User(f) => self.user(f),
            Extracted::Fd(f) => self.fd(f),
            Extracted::FsPath(f) => self.fs_path(f),
            Extracted::FdList(f) => self.fdlist(f),
            Extracted::Container(f) => self.container(f, &field.arg),
        }
    }

    #[inline]
    fn bits(&self, field: &FieldRef) -> Option<u64> {
        match (field.field, &field.arg) {
            (Field::EvtArg, Arg::Key(name)) => self.flag_bits(name),
            _ => None,
        }
    }

    fn any<P: FnMut(Value<'_>) -> bool>(&self, field: &FieldRef, mut pred: P) -> bool {
        let mut of_ancestors =
            |text: process::Text| self.ancestors().any(|(_, v)| pred(Value::Bytes(text.of(v))));
        match field.field {
            // Whatever the argument says, as in Falco.
            Field::ProcAenv => {
                self.ancestors().any(|(_, v)| pred(Value::Bytes(self.blank_joined(v.image.env()))))
            }
            _ if field.arg != Arg::None => self.get(field).is_some_and(pred),
            Field::ProcAname => of_ancestors(process::Text::Name),
            Field::ProcAexe => of_ancestors(process::Text::Exe),
            Field::ProcAexepath => of_ancestors(process::Text::Exepath),
            Field::ProcAcmdline => of_ancestors(process::Text::Cmdline),
            Field::ProcApid => self.ancestors().any(|(tgid, _)| pred(Value::I64(i64::from(tgid)))),
            Field::FdCipName | Field::FdSipName | Field::FdLipName | Field::FdRipName => {
                self.any_host_name(field.field, |name| pred(Value::Bytes(name.as_bytes())))
            }
            Field::FdIp | Field::FdNet => {
                self.ends().into_iter().flatten().any(|(ip, _)| pred(Value::Ip(ip)))
            }
            Field::FdPort | Field::FdProto => {
                self.ends().into_iter().flatten().any(|(_, port)| pred(Value::U64(u64::from(port))))
            }
            _ => self.get(field).is_some_and(pred),
        }
    }

    fn elements<P: FnMut(Value<'_>)>(&self, field: &FieldRef, each: P) -> bool {
        match field.field {
            Field::FdTypes => self.fd_types(&field.arg, each),
            _ => self.get(field).map(each).is_some(),
        }
    }

    fn process(&self) -> Option<ProcessId> {
        let number = self.number.get_or_init(|| {
            let Surroundings { lineage, shard, .. } = self.at;
            let is_plain = !self.at.users.has_changes()
                && self.thread().is_none()
                && !self.is_about_container();
            let own = self.version().filter(|_| is_plain)?;
            self.chain.numbers.borrow_mut().number(lineage, shard, own, self.event.key)
        });
        let header = self.event.header();
        number.map(|state| ProcessId { state, uid: header.uid, gid: header.gid })
    }
}
