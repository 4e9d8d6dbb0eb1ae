//! The running kernel as a source: what is captured, the kernel's counters, and when programs run.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use anyhow::Result;
use bus::KeyClock;
use capture::{
    Filters, KernelCounters, KernelRing, Losses, Probe, ProbeError, ProbeOptions, ProbeReport,
    Room, Seeds, Wanted,
};
use event::{EventType, Outcome, mark::HostMarks};
use perf::{Equation, Hop, Readings, Registry};
use rules::Ruleset;
use rustix::thread::{MembarrierCommand, membarrier};

use crate::config::Config;
use crate::need::Need;

/// Events that the process table lives on; captured whatever the rules ask for.
pub(crate) const STATE_EVENTS: [EventType; 6] = [
    EventType::CLONE_20_X,
    EventType::FORK_20_X,
    EventType::VFORK_20_X,
    EventType::CLONE3_X,
    EventType::EXECVE_19_X,
    EventType::PROCEXIT_1_E,
];

/// The caller's side of these is captured only where a rule or a recording asks for it.
pub(crate) const FORK_EVENTS: [EventType; 4] =
    [EventType::CLONE_20_X, EventType::FORK_20_X, EventType::VFORK_20_X, EventType::CLONE3_X];

/// Smallest record: header and ring header. Bounds how many records a ring holds.
const MIN_RECORD_BYTES: usize = event::HEADER_LEN + 8;

/// The kernel side. Dropping it detaches the programs.
#[derive(Clone)]
pub(crate) struct Kernel(Arc<Mutex<Probe>>);

/// Programs that are loaded and do not run yet.
pub(crate) struct Loaded {
    pub(crate) kernel: Kernel,
    pub(crate) clock: KeyClock,
    /// What the kernel side notes of losses.
    pub(crate) losses: Losses,
    /// Where it is told which processes are on the host.
    pub(crate) host_marks: HostMarks,
}

/// What the rules and the configuration ask the kernel for.
pub(crate) fn options(config: &Config, ruleset: &Ruleset) -> ProbeOptions {
    let Wanted { interest, generic_calls, fork_sides, asked } = Need::of(config, ruleset).wanted();
    ProbeOptions {
        interest,
        generic_calls,
        fork_sides,
        asked,
        // Rules may be replaced while programs run.
        room: Room::ForAll,
        tables: config.limits.tables,
        scope_pid: config.scope_pid,
        self_tgid: Some(std::process::id()),
        ring_bytes: config.ring_bytes,
        simulate_drops: config.simulate_drops,
        ..ProbeOptions::default()
    }
}

impl Kernel {
    /// Loads the programs; none runs yet.
    pub(crate) fn load(options: ProbeOptions) -> Result<Loaded, ProbeError> {
        let mut probe = Probe::load(options)?;
        // A second of room: keys of what is known from before lie below all keys of records.
        let epoch_ns = perf::boot_now_ns().saturating_sub(1_000_000_000);
        // One number more than there are CPUs: for frames that no ring has.
        let clock = KeyClock::new(probe.n_possible_cpus() + 1, epoch_ns);
        let losses = probe.losses()?;
        let host_marks = probe.host_marks()?;
        Ok(Loaded { kernel: Self(Arc::new(Mutex::new(probe))), clock, losses, host_marks })
    }

    fn lock(&self) -> MutexGuard<'_, Probe> {
        // A thread that panicked while it read counters has changed nothing.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Makes the rings, once, before anything is attached.
    pub(crate) fn rings(&self) -> Result<Vec<KernelRing>> {
        Ok(self.lock().rings()?)
    }

    /// Attaches the programs, then looks at the processes that are there: in this order no process is missed.
    pub(crate) fn attach(&self) -> Result<Seeds> {
        let mut probe = self.lock();
        probe.attach()?;
        Ok(probe.seeds()?)
    }

    /// Detaches the programs; what they wrote stays in the rings.
    pub(crate) fn detach(&self) {
        self.lock().detach();
    }

    /// Captures what is wanted besides what is captured. From the return on nothing of it is missed; gives what of it cannot be had.
    pub(crate) fn widen(&self, wanted: &Wanted) -> Result<Vec<String>> {
        let before = self.lock().wanted();
        let wider = before.union(wanted);
        if wider == before {
            return Ok(self.out_of_reach(wanted));
        }
        let was_refused = self.report().not_covered;
        if self.lock().lacks_programs(&wider) {
            // Whoever asks for counters gets them in between.
            while self.lock().load_one(&wider) {
                std::thread::sleep(BETWEEN_PROGRAMS);
            }
        }
        self.change(&wider, &before)?;
        wait_for_programs();
        let mut missing = self.out_of_reach(wanted);
        let refused = self.report().not_covered;
        missing.extend(refused.into_iter().filter(|what| !was_refused.contains(what)));
        Ok(missing)
    }

    fn out_of_reach(&self, wanted: &Wanted) -> Vec<String> {
        let what = self.lock().out_of_reach(wanted);
        what.iter()
            .map(|what| format!("{what}: fixed at the start, which takes a restart"))
            .collect()
    }

    /// Captures what is wanted and nothing else.
    pub(crate) fn narrow(&self, wanted: &Wanted) -> Result<()> {
        let before = self.lock().wanted();
        if before == *wanted { Ok(()) } else { self.change(wanted, &before) }
    }

    fn change(&self, to: &Wanted, back: &Wanted) -> Result<()> {
        let mut probe = self.lock();
        Ok(probe.change(to).inspect_err(|_| {
            // What made the first change fail may make this one fail too; then the kernel captures something between the two.
            drop(probe.change(back));
        })?)
    }

    /// Rejects what these say, in place of what is rejected now.
    pub(crate) fn set_filters(&self, filters: &Filters) -> Result<()> {
        Ok(self.lock().set_filters(filters)?)
    }

    /// Rejects nothing. From the return on no event is held against what was rejected before.
    pub(crate) fn clear_filters(&self) -> Result<()> {
        Ok(self.lock().clear_filters()?)
    }

    /// What is covered and what is not.
    pub(crate) fn report(&self) -> ProbeReport {
        self.lock().report()
    }

    /// Its counters.
    pub(crate) fn counters(&self) -> KernelCounters {
        self.lock().counters()
    }

    /// Registers the kernel's counters and what must balance; before everything downstream.
    pub(crate) fn register(&self, registry: &mut Registry, ring_bytes: usize, seeds: &Seeds) {
        let kernel = self.clone();
        let names = Outcome::ALL.into_iter().map(counter_name);
        registry.external(
            names.chain(
                [RECURSION_MISSES, NOTES_LOST, SCOPE_FULL, SOCKETS_FORGOTTEN, UNMAPPED]
                    .map(str::to_owned),
            ),
            move |to| {
                readings(&kernel.lock(), to);
            },
        );
        let mut hop = Hop::new("kernel")
            .input(&counter_name(Outcome::Seen))
            .output(&counter_name(Outcome::Written))
            .aside("filtered", &counter_name(Outcome::Filtered))
            .aside("rejected", &counter_name(Outcome::Rejected));
        for outcome in Outcome::ALL.into_iter().filter(|o| o.is_drop()) {
            hop = hop.dropped(outcome.name(), &counter_name(outcome));
        }
        // Programs that are in the middle of one event on each CPU.
        registry.hop(hop.slack(1024));
        registry.counter("seeds").add(seeds.len() as u64);
        let n_rings = crate::host::n_possible_cpus();
        registry.equation(
            Equation::new("rings: written + seeds + injected = read")
                .left(&counter_name(Outcome::Written))
                .left("seeds")
                .left("capture.injected")
                .right("capture.read")
                .slack((n_rings * ring_bytes / MIN_RECORD_BYTES + seeds.len()) as u64),
        );
        for what in self.report().not_covered {
            registry.note(format!("not covered: {what}"));
        }
    }
}

/// Waits until no program runs that began before: each runs inside a read section of the kernel's RCU, and the barrier over all threads of the
/// machine waits for a grace period (`MEMBARRIER_CMD_GLOBAL`, kernel/sched/membarrier.c).
fn wait_for_programs() {
    if membarrier(MembarrierCommand::Global).is_err() {
        // Not offered where CPUs run without ticks. A program takes microseconds.
        std::thread::sleep(Duration::from_millis(20));
    }
}

/// Pause between two programs that are loaded while others wait for the probe.
const BETWEEN_PROGRAMS: Duration = Duration::from_micros(50);

/// Times the kernel itself skipped a program because it was running on that CPU already: no program can see it.
const RECURSION_MISSES: &str = "kernel.recursion_misses";
/// Times there was no room to note a descriptor at the start of a call.
pub(crate) const NOTES_LOST: &str = "kernel.notes_lost";

/// Processes that the scope had no room for: neither they nor what they start is captured.
const SCOPE_FULL: &str = "kernel.scope_full";
/// Sockets whose past was forgotten for want of room.
const SOCKETS_FORGOTTEN: &str = "kernel.sockets_forgotten";

/// Events that are in a ring.
pub(crate) const WRITTEN: &str = "kernel.written";

/// Before the number of a CPU, what went into its ring.
pub(crate) const WRITTEN_BY_CPU: &str = "kernel.written.cpu.";

/// Calls whose number is in no table: nobody can ask for them. They are among the filtered.
const UNMAPPED: &str = "kernel.unmapped";

fn counter_name(outcome: Outcome) -> String {
    format!("kernel.{}", outcome.name())
}

fn readings(probe: &Probe, to: &mut Readings) {
    let counters = probe.counters();
    for outcome in Outcome::ALL {
        if !outcome.is_drop() && outcome != Outcome::Rejected {
            to.count(&counter_name(outcome), counters.total(outcome));
        }
    }
    let mut written = vec![0; counters.n_cpus()];
    for (cpu, ty, outcome, n) in counters.cells() {
        if outcome == Outcome::Written {
            written[cpu] += n;
        }
        let (name, cpu) = (counter_name(outcome), cpu as u16);
        if outcome.is_drop() {
            to.loss(&name, Some(cpu), ty.name(), n);
        } else if outcome == Outcome::Rejected {
            to.set_aside(&name, cpu, ty.name(), n);
        }
    }
    for (cpu, n) in written.into_iter().enumerate() {
        to.count(&format!("{WRITTEN_BY_CPU}{cpu}"), n);
    }
    for (program, n) in &counters.recursion_misses {
        to.loss(RECURSION_MISSES, None, program, *n);
    }
    to.count(UNMAPPED, counters.unmapped);
    to.count(SOCKETS_FORGOTTEN, counters.sockets_forgotten);
    if counters.scope_full != 0 {
        to.loss(SCOPE_FULL, None, "sched_process_fork", counters.scope_full);
    }
    if counters.notes_lost != 0 {
        to.loss(NOTES_LOST, None, "sys_enter", counters.notes_lost);
    }
}
