//! The registry: every meter of the program by name, and what must balance. Built with the topology, then only read.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::clock::boot_now_ns;
use crate::counter::{Counter, Gauge, Tally};
use crate::equation::{Equation, Readout};
use crate::hop::Hop;
use crate::latency::{Buckets, Latency, empty_histogram};
use crate::load::{Load, ThreadTime, with_shares};
use crate::snapshot::{LatencyReport, Loss, Moment, SetAside, Snapshot};

/// Turns a tally's cell number into the name of what it counts.
pub type CellName = fn(usize) -> &'static str;

/// All meters of a topology.
///
/// Register in the direction of flow, upstream first. A snapshot reads in the opposite direction, so that while the program runs it never
/// finds more output than input; see [`Equation`].
#[derive(Default)]
pub struct Registry {
    meters: Vec<Meter>,
    latencies: Vec<(String, u32, Vec<Arc<Latency>>)>,
    hops: Vec<Hop>,
    equations: Vec<Equation>,
    loads: Vec<Load>,
    notes: Vec<String>,
}

enum Meter {
    Counter(String, Arc<Counter>),
    Gauge(String, Arc<Gauge>),
    Level(String, Box<dyn Fn() -> u64 + Send + Sync>),
    Tally(String, Arc<Tally>, CellName),
    External(Vec<String>, Box<dyn Fn(&mut Readings) + Send + Sync>),
}

impl Registry {
    /// A registry without meters.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// A new counter called `name`. Asked for again under the same name it gives another counter: each thread has its own and the snapshot
    /// shows their sum.
    pub fn counter(&mut self, name: &str) -> Arc<Counter> {
        let counter = Arc::new(Counter::new());
        self.add_counter(name, Arc::clone(&counter));
        counter
    }

    /// Registers a counter that something else made (a lane, for one), with the same meaning as [`Registry::counter`].
    pub fn add_counter(&mut self, name: &str, counter: Arc<Counter>) {
        self.meters.push(Meter::Counter(name.to_owned(), counter));
    }

    /// A new gauge called `name`; several of one name are summed.
    pub fn gauge(&mut self, name: &str) -> Arc<Gauge> {
        let gauge = Arc::new(Gauge::new());
        self.meters.push(Meter::Gauge(name.to_owned(), Arc::clone(&gauge)));
        gauge
    }

    /// A level that is computed when a snapshot is taken.
    pub fn level(&mut self, name: &str, read: impl Fn() -> u64 + Send + Sync + 'static) {
        self.meters.push(Meter::Level(name.to_owned(), Box::new(read)));
    }

    /// A new row of counters for losses of one kind, split by what was lost: `cell_name(index)`, usually the name of event type `index`.
    /// Its sum is the counter `name`.
    pub fn tally(&mut self, name: &str, n_cells: usize, cell_name: CellName) -> Arc<Tally> {
        let tally = Arc::new(Tally::new(n_cells));
        self.meters.push(Meter::Tally(name.to_owned(), Arc::clone(&tally), cell_name));
        tally
    }

    /// A new latency histogram called `name` that its owner feeds 1 in `every` events (1 = all); several of one name are merged.
    pub fn latency(&mut self, name: &str, every: u32) -> Arc<Latency> {
        let latency = Arc::new(Latency::new());
        let merged = self.latencies.iter_mut().find(|(n, e, _)| n == name && *e == every);
        match merged {
            Some((_, _, all)) => all.push(Arc::clone(&latency)),
            None => self.latencies.push((name.to_owned(), every, vec![Arc::clone(&latency)])),
        }
        latency
    }

    /// Numbers that somebody else keeps (the kernel's maps), asked for when a snapshot is taken, from the thread that takes it. `names` are
    /// those it always has, so that a hop or an equation may refer to them before anything was counted.
    pub fn external(
        &mut self,
        names: impl IntoIterator<Item = impl Into<String>>,
        poll: impl Fn(&mut Readings) + Send + Sync + 'static,
    ) {
        let names = names.into_iter().map(Into::into).collect();
        self.meters.push(Meter::External(names, Box::new(poll)));
    }

    /// Adds a hop, and the equation that it must balance where it has a way in and a way out.
    pub fn hop(&mut self, hop: Hop) {
        self.equations.extend(hop.equation());
        self.hops.push(hop);
    }

    /// Adds an equation between hops.
    pub fn equation(&mut self, equation: Equation) {
        self.equations.push(equation);
    }

    /// A new row for what the thread called `name` carries: the frames that it was given so far, and those that wait for it. Its time is what it
    /// spends in [`ThreadTime::during`].
    pub fn load(
        &mut self,
        name: impl Into<String>,
        frames: impl Fn() -> u64 + Send + Sync + 'static,
        waiting: Option<Box<dyn Fn() -> u64 + Send + Sync>>,
    ) -> Arc<ThreadTime> {
        let time = Arc::new(ThreadTime::default());
        let (name, frames) = (name.into(), Box::new(frames));
        self.loads.push(Load { name, frames, waiting, time: Arc::clone(&time) });
        time
    }

    /// Adds a line that every snapshot repeats, such as what is not covered.
    pub fn note(&mut self, line: impl Into<String>) {
        self.notes.push(line.into());
    }

    /// Reads every meter. Allocates; never call it from a hot path.
    #[must_use]
    pub fn snapshot(&self, moment: Moment) -> Snapshot {
        let latencies = self.latencies.iter().map(|(name, every, all)| {
            let mut total = empty_histogram();
            for latency in all {
                latency.add_to(&mut total);
            }
            let max_ns = all.iter().map(|l| l.max_ns()).max().unwrap_or(0);
            LatencyReport::new(name, *every, &total, max_ns)
        });
        let latencies = latencies.collect();
        Snapshot { latencies, ..self.counts(moment) }
    }

    /// The latencies in buckets up to each of `bounds_ns`, which ascend: for who computes percentiles itself.
    #[must_use]
    pub fn buckets(&self, bounds_ns: &[u64]) -> Vec<Buckets> {
        let folded = self.latencies.iter().map(|(name, every, all)| {
            let mut buckets = Buckets::new(name, *every, bounds_ns.len());
            for latency in all {
                buckets.add(latency, bounds_ns);
            }
            buckets
        });
        folded.collect()
    }

    /// A snapshot without latencies, whose histograms are most of what a snapshot costs.
    #[must_use]
    pub fn counts(&self, moment: Moment) -> Snapshot {
        let Self { meters: _, latencies: _, hops, equations, loads, notes } = self;
        // What an equation's left side had reached before its right side was read. At rest both readings are the same.
        let early = match moment {
            Moment::Running => Some(self.read()),
            Moment::Final => None,
        };
        let late = self.read();
        let early = early.as_ref().unwrap_or(&late);
        let readout = Readout { early: &early.values, late: &late.values };
        let mut notes = notes.clone();
        let equations = equations.iter().map(|e| e.check(&readout, moment, &mut notes)).collect();
        let hops = hops.iter().map(|h| h.report(&late.values)).collect();
        let Readings { values, losses, set_aside } = late;
        let (mut counters, mut levels) = (BTreeMap::new(), BTreeMap::new());
        for (name, value) in values {
            match value {
                Value::Count(n) => counters.insert(name, n),
                Value::Level(n) => levels.insert(name, n),
            };
        }
        let losses = losses.into_iter().map(|((name, cpu, event_type), n)| Loss {
            name,
            cpu,
            event_type,
            n,
        });
        let set_aside = set_aside.into_iter().map(|((name, cpu, event_type), n)| SetAside {
            name,
            cpu,
            event_type,
            n,
        });
        Snapshot {
            at_ns: boot_now_ns(),
            interval_ns: None,
            moment,
            hops,
            loads: with_shares(loads.iter().map(Load::report).collect()),
            latencies: Vec::new(),
            equations,
            losses: losses.collect(),
            set_aside: set_aside.collect(),
            counters,
            levels,
            notes,
        }
    }

    /// What every meter but the latencies reads: for who looks often and wants numbers only. Allocates; never call it from a hot path.
    #[must_use]
    pub fn read(&self) -> Readings {
        let mut out = Readings::default();
        for meter in self.meters.iter().rev() {
            match meter {
                Meter::Counter(name, counter) => out.count(name, counter.get()),
                Meter::Gauge(name, gauge) => out.level(name, gauge.get()),
                Meter::Level(name, read) => out.level(name, read()),
                Meter::Tally(name, tally, cell_name) => {
                    out.count(name, 0);
                    tally.cells().for_each(|(i, n)| out.loss(name, None, cell_name(i), n));
                }
                Meter::External(names, poll) => {
                    for name in names {
                        out.count(name, 0);
                    }
                    poll(&mut out);
                }
            }
        }
        out
    }
}

impl std::fmt::Debug for Registry {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { meters, latencies, hops, equations, loads, notes } = self;
        f.debug_struct("Registry")
            .field("n_meters", &meters.len())
            .field("n_latencies", &latencies.len())
            .field("hops", hops)
            .field("equations", equations)
            .field("n_loads", &loads.len())
            .field("notes", notes)
            .finish()
    }
}

/// A number by name: what only grows, or what goes up and down.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Value {
    Count(u64),
    Level(u64),
}

impl Value {
    pub(crate) fn n(self) -> u64 {
        match self {
            Self::Count(n) | Self::Level(n) => n,
        }
    }
}

pub(crate) type Values = BTreeMap<String, Value>;

/// Numbers of one moment, and where an external source puts its own. The same name given twice is summed.
#[derive(Debug, Default)]
pub struct Readings {
    values: Values,
    losses: BTreeMap<(String, Option<u16>, String), u64>,
    set_aside: BTreeMap<(String, u16, String), u64>,
}

impl Readings {
    /// A number by name, 0 where nothing has it.
    #[must_use]
    pub fn get(&self, name: &str) -> u64 {
        self.values.get(name).map_or(0, |value| value.n())
    }

    /// Losses by counter, CPU and event type, none of them zero.
    pub fn losses(&self) -> impl Iterator<Item = (&str, Option<u16>, &str, u64)> {
        self.losses.iter().map(|((name, cpu, ty), &n)| (&**name, *cpu, &**ty, n))
    }

    fn add(&mut self, name: &str, value: Value) {
        let sum = match self.values.get(name) {
            Some(before) => before.n().saturating_add(value.n()),
            None => value.n(),
        };
        let value = match value {
            Value::Count(_) => Value::Count(sum),
            Value::Level(_) => Value::Level(sum),
        };
        match self.values.get_mut(name) {
            Some(slot) => *slot = value,
            None => drop(self.values.insert(name.to_owned(), value)),
        }
    }

    /// Adds to a number that only grows.
    pub fn count(&mut self, name: &str, n: u64) {
        self.add(name, Value::Count(n));
    }

    /// Adds to a number that goes up and down.
    pub fn level(&mut self, name: &str, n: u64) {
        self.add(name, Value::Level(n));
    }

    /// Counts under `name`, and lists the loss by CPU and event type. Zeroes are not listed.
    pub fn loss(&mut self, name: &str, cpu: Option<u16>, event_type: &str, n: u64) {
        self.count(name, n);
        if n != 0 {
            let key = (name.to_owned(), cpu, event_type.to_owned());
            *self.losses.entry(key).or_default() += n;
        }
    }

    /// Counts under `name`, and lists what was set aside by CPU and event type. Zeroes are not listed.
    pub fn set_aside(&mut self, name: &str, cpu: u16, event_type: &str, n: u64) {
        self.count(name, n);
        if n != 0 {
            let key = (name.to_owned(), cpu, event_type.to_owned());
            *self.set_aside.entry(key).or_default() += n;
        }
    }
}
