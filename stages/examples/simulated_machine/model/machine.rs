//! The machine: CPUs, the load on them and the engine's threads, driven by one queue of events in virtual time.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::sync::atomic::Ordering;

use bus::WaitLimits;
use capture::Spread;

use super::costs::{Cost, Costs};
use super::cpu::{Cpu, Who};
use super::engine::{After, Engine, Room, Topology, Wakeable};
use super::load::{Kind, Load, Shape, Step};
use super::report::Outcome;

/// How busy the machine's processes are.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Pace {
    /// Each CPU makes so many events a second, where it gets the time for it.
    Events(f64),
    /// Each CPU always has work; an event comes after every so many ns of it.
    Saturated,
}

/// Where the engine's threads run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Placement {
    /// On the first CPUs, one each.
    First,
    /// Capture threads on the first CPU of those whose rings they read, shards evenly on the others.
    Spread,
}

/// A run to be simulated.
#[derive(Clone, Debug)]
pub(crate) struct Setup {
    pub(crate) n_cpus: usize,
    pub(crate) shape: Shape,
    pub(crate) topology: Topology,
    pub(crate) placement: Placement,
    pub(crate) pace: Pace,
    /// Work of a process for each open; other calls are multiples of it.
    pub(crate) open_ns: u64,
    /// Virtual time of the run; its first quarter is not measured.
    pub(crate) duration_ns: u64,
    pub(crate) room: Room,
    /// How the engine's threads wait.
    pub(crate) wait: WaitLimits,
    /// Whether frames without state may leave the owner of their process.
    pub(crate) spread: Spread,
    pub(crate) costs: Costs,
}

/// The measure of a virtual run ends here at the latest, where what was captured is not evaluated yet.
const LONGEST_END_NS: u64 = 2_000_000_000;
/// A process that got less time than it wanted does not make up for more than this.
const MAX_BACKLOG_NS: u64 = 10_000_000;
/// Time of the first event: later than the guard of the capture threads' clocks.
const START_NS: u64 = 1_000_000;

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Event {
    /// The unit that a CPU runs ends, or an idle CPU looks for work.
    Turn { cpu: usize, turn: u64 },
    /// The longest sleep of a thread is over.
    Timeout { thread: usize, nap: u64 },
}

#[derive(Clone, Copy, Debug)]
struct Thread {
    cpu: usize,
    /// Whether it sleeps, and what may end that.
    asleep: Option<Wakeable>,
    /// Somebody woke it while it was on its way to sleep.
    woken: bool,
    nap: u64,
    after: After,
}

#[derive(Debug, Default)]
struct Working {
    step: Option<Step>,
    next_at: u64,
    /// Time that others' wakes took from the CPU.
    debt_ns: f64,
    /// When the step at hand ends, while it runs.
    ends_at: u64,
    /// What is left of the step at hand, where a thread of the engine came between.
    left_ns: Option<f64>,
}

/// The machine in the middle of a run.
pub(crate) struct Machine {
    setup: Setup,
    now: u64,
    events: BinaryHeap<Reverse<(u64, u64, Event)>>,
    n_events: u64,
    cpus: Vec<Cpu>,
    work: Vec<Working>,
    threads: Vec<Thread>,
    woken: Vec<Vec<usize>>,
    engine: Engine,
    load: Load,
    out: Outcome,
    frame: Vec<u8>,
}

/// Runs it.
pub(crate) fn run(setup: Setup) -> std::io::Result<Outcome> {
    let mut engine = Engine::new(setup.n_cpus, setup.topology, setup.room, setup.wait)?;
    engine.set_spread(setup.spread);
    let mut machine = Machine::new(setup, engine);
    machine.seed();
    machine.start();
    while machine.step() {}
    Ok(machine.end())
}

impl Machine {
    fn new(setup: Setup, engine: Engine) -> Self {
        let Setup { n_cpus, shape, topology, placement, .. } = setup;
        let mut cpus: Vec<Cpu> = (0..n_cpus).map(|_| Cpu::new()).collect();
        let threads: Vec<Thread> = (0..engine.n_threads())
            .map(|id| {
                let cpu = place(id, topology, n_cpus, placement);
                cpus[cpu].bind(id);
                Thread { cpu, asleep: None, woken: false, nap: 0, after: After::Again }
            })
            .collect();
        Self {
            load: Load::new(shape, n_cpus),
            out: Outcome::new(&setup),
            woken: vec![Vec::new(); threads.len()],
            work: (0..n_cpus).map(|_| Working::default()).collect(),
            setup,
            now: 0,
            events: BinaryHeap::new(),
            n_events: 0,
            cpus,
            threads,
            engine,
            frame: Vec::new(),
        }
    }

    /// Puts the processes from before into the rings and lets the engine take them in, without charge.
    fn seed(&mut self) {
        let n_threads = self.engine.n_threads();
        let Self { engine, load, frame, setup, .. } = self;
        for (n, step) in load.seeds().into_iter().enumerate() {
            // As the agent has them: all through the first capture thread.
            while {
                load.write(step, 1 + n as u64, 0, frame);
                engine.rings[0].push(frame).is_err()
            } {
                engine.clock.store(START_NS / 2, Ordering::Release);
                (0..n_threads).for_each(|id| drop(engine.poll(id, &setup.costs)));
            }
        }
        engine.clock.store(START_NS - 1, Ordering::Release);
        for _ in 0..50 {
            (0..n_threads).for_each(|id| drop(engine.poll(id, &setup.costs)));
        }
        self.out.n_seeded = engine.n_read();
        self.now = START_NS;
    }

    fn at(&mut self, time: u64, event: Event) {
        self.n_events += 1;
        self.events.push(Reverse((time, self.n_events, event)));
    }

    fn start(&mut self) {
        for cpu in 0..self.cpus.len() {
            // CPUs do not tick together.
            self.work[cpu].next_at = self.now + 1_000 * cpu as u64 % 50_000;
            self.look_for_work(cpu, self.now);
        }
    }

    fn look_for_work(&mut self, cpu: usize, time: u64) {
        if self.cpus[cpu].current.is_none() {
            self.cpus[cpu].turn += 1;
            let turn = self.cpus[cpu].turn;
            self.at(time, Event::Turn { cpu, turn });
        }
    }

    fn is_loaded(&self) -> bool {
        self.now < START_NS + self.setup.duration_ns
    }

    fn is_measured(&self) -> bool {
        self.now >= START_NS + self.setup.duration_ns / 4 && self.is_loaded()
    }

    /// The next event; `false` once everything that was captured is evaluated, or never will be.
    fn step(&mut self) -> bool {
        let Some(Reverse((time, _, event))) = self.events.pop() else { return false };
        self.now = time;
        match event {
            Event::Turn { cpu, turn } => {
                if self.cpus[cpu].turn == turn {
                    self.turn(cpu);
                }
            }
            Event::Timeout { thread, nap } => {
                let t = &self.threads[thread];
                if t.nap == nap && t.asleep.is_some() {
                    self.rouse(thread);
                }
            }
        }
        self.is_loaded()
            || (self.out.n_evaluated_in_all + self.out.n_dropped_in_all < self.out.n_offered_in_all
                && self.now < START_NS + self.setup.duration_ns + LONGEST_END_NS)
    }

    fn turn(&mut self, cpu: usize) {
        match self.cpus[cpu].current.take() {
            Some(Who::Work) => self.worked(cpu),
            Some(Who::Engine(id)) => self.polled(id),
            None => {}
        }
        self.dispatch(cpu);
    }

    /// A process made its event: the frame is in the ring, or lost.
    fn worked(&mut self, cpu: usize) {
        let Some(step) = self.work[cpu].step.take() else { return };
        self.load.write(step, self.now, cpu as u16, &mut self.frame);
        let is_taken = self.engine.rings[cpu].push(&self.frame).is_ok();
        self.out.offered(self.is_measured(), is_taken, step.kind);
        let reader = self.engine.reader[cpu];
        if self.wake(reader) {
            self.work[cpu].debt_ns += self.setup.costs.get(Cost::Wake);
        }
        self.load.done(cpu, step);
        let period = match self.setup.pace {
            Pace::Events(per_second) => (1e9 / per_second) as u64,
            Pace::Saturated => 0,
        };
        let earliest = self.now.saturating_sub(MAX_BACKLOG_NS);
        self.work[cpu].next_at = (self.work[cpu].next_at + period).max(earliest);
        if self.setup.shape == Shape::Build
            && let Some(idle) = self.cpus.iter().position(|c| c.current.is_none())
            && idle != cpu
        {
            self.look_for_work(idle, self.now);
        }
    }

    /// A poll is over: whom it woke wakes up, and the thread sleeps where it found nothing.
    fn polled(&mut self, id: usize) {
        for woken in std::mem::take(&mut self.woken[id]) {
            self.wake(woken);
        }
        let thread = &mut self.threads[id];
        let cpu = thread.cpu;
        match thread.after {
            After::Again => {}
            After::Yield => self.cpus[cpu].give_way(Who::Engine(id)),
            After::Sleep(_, Wakeable::Yes) if thread.woken => {}
            After::Sleep(limit, wakeable) => {
                thread.asleep = Some(wakeable);
                thread.nap += 1;
                let nap = thread.nap;
                self.cpus[cpu].sleep(Who::Engine(id));
                self.out.n_sleeps += 1;
                self.at(self.now + limit.as_nanos() as u64, Event::Timeout { thread: id, nap });
            }
        }
    }

    /// Somebody has work for the thread; says whether it slept.
    fn wake(&mut self, id: usize) -> bool {
        match self.threads[id].asleep {
            None => {
                self.threads[id].woken = true;
                false
            }
            Some(Wakeable::No) => false,
            Some(Wakeable::Yes) => {
                self.rouse(id);
                true
            }
        }
    }

    fn rouse(&mut self, id: usize) {
        let thread = &mut self.threads[id];
        thread.asleep = None;
        thread.nap += 1;
        let cpu = thread.cpu;
        self.cpus[cpu].wake(Who::Engine(id));
        if self.cpus[cpu].current == Some(Who::Work) {
            let left = self.work[cpu].ends_at.saturating_sub(self.now);
            if self.cpus[cpu].gives_way(left, Who::Engine(id)) {
                self.work[cpu].left_ns = Some(left as f64);
                self.dispatch(cpu);
            }
            return;
        }
        let latency = self.setup.costs.get(Cost::IdleLatency) as u64;
        self.look_for_work(cpu, self.now + latency);
    }

    /// Lets the CPU run whoever is next.
    fn dispatch(&mut self, cpu: usize) {
        let is_due = self.is_loaded() && self.work[cpu].next_at <= self.now;
        if is_due && self.work[cpu].step.is_none() {
            self.work[cpu].step = self.load.next(cpu);
        }
        if is_due && self.work[cpu].step.is_some() {
            self.cpus[cpu].wake(Who::Work);
        } else {
            self.cpus[cpu].sleep(Who::Work);
        }
        let Some((who, is_new)) = self.cpus[cpu].pick() else {
            let next_at = self.work[cpu].next_at;
            if self.is_loaded() && next_at > self.now {
                self.look_for_work(cpu, next_at);
            }
            return;
        };
        let costs = &self.setup.costs;
        let mut cost_ns = if is_new { costs.get(Cost::Switch) } else { 0.0 };
        match who {
            Who::Work => {
                let kind = self.work[cpu].step.map_or(Kind::Open, |s| s.kind);
                let whole = Load::work_ns(kind, self.setup.open_ns) as f64;
                let work = &mut self.work[cpu];
                cost_ns += work.left_ns.take().unwrap_or(whole + costs.get(Cost::KernelWrite));
                cost_ns += std::mem::take(&mut work.debt_ns);
                work.ends_at = self.now + cost_ns as u64;
            }
            Who::Engine(id) => cost_ns += self.poll(id, cost_ns),
        }
        let cost = (cost_ns as u64).max(1);
        self.cpus[cpu].charge(who, cost);
        self.cpus[cpu].current = Some(who);
        self.cpus[cpu].turn += 1;
        let turn = self.cpus[cpu].turn;
        if let (Who::Engine(id), true) = (who, self.is_measured()) {
            self.out.busy_ns[id] += cost;
        }
        self.at(self.now + cost, Event::Turn { cpu, turn });
    }

    fn poll(&mut self, id: usize, before_ns: f64) -> f64 {
        self.engine.clock.store(self.now, Ordering::Release);
        self.threads[id].woken = false;
        let polled = self.engine.poll(id, &self.setup.costs);
        self.threads[id].after = polled.after;
        self.woken[id] = polled.woken;
        let end = self.now + (before_ns + polled.cost_ns) as u64;
        let shard = id.wrapping_sub(self.setup.topology.n_capture);
        for alert in &polled.alerts {
            self.out.evaluated(self.is_measured(), shard, end, alert, &self.load);
        }
        polled.cost_ns
    }

    fn end(mut self) -> Outcome {
        self.out.n_wakes = self.engine.n_wakes;
        self.out.n_waits = self.engine.n_waits();
        self.out.n_windows = self.engine.n_windows;
        self.out.n_read = self.engine.n_read() - self.out.n_seeded;
        self.out.latencies_ns.sort_unstable();
        self.out
    }
}

/// The CPU of a thread.
fn place(id: usize, topology: Topology, n_cpus: usize, placement: Placement) -> usize {
    let Topology { n_capture, n_shards } = topology;
    if n_capture + n_shards > n_cpus || placement == Placement::First {
        return id % n_cpus;
    }
    let of_capture = |n: usize| n * n_cpus / n_capture;
    if id < n_capture {
        return of_capture(id);
    }
    let others: Vec<usize> =
        (0..n_cpus).filter(|&cpu| !(0..n_capture).any(|n| of_capture(n) == cpu)).collect();
    others[(id - n_capture) * others.len() / n_shards]
}
