//! Makes lineage whole again after losses: one thread that sleeps, looks at one number ten times a second, and reads from `/proc`, at a bounded rate,
//! what was lost of processes.
//!
//! For each process that the kernel side noted: a loss frame first, so that everybody knows from its key on; when that lies in its lane the note is
//! taken off, so that a later loss is noted anew; then the look, and what it found as a seed. A process that is not there any more gets its end.

use std::collections::{HashSet, VecDeque};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, sync_channel};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result};
use bus::{KeyClock, Unparker};
use capture::{CaptureThread, Injector, KernelRing, Look, LossCounts, Losses, Target};
use perf::{Counter, Gauge, Registry};
use stages::Lineage;

use crate::sandbox::Outside;

/// Pause between two looks at the number.
const EVERY: Duration = Duration::from_millis(100);
/// Frames between this thread and the capture thread: a few MiB at most.
const INJECTED: usize = 64;
/// Questions of shards that wait.
const ASKED: usize = 4096;
/// Processes that wait for their look; beyond it notes stay where they are.
const MAX_PENDING: usize = 1 << 18;
/// Ancestors that are looked at with a process.
const MAX_ANCESTORS: usize = 64;
/// How long the capture thread may take to take a frame, which it does within a poll unless a shard stands still.
const MAX_HANDOVER: Duration = Duration::from_secs(1);

/// The thread; dropping it ends it.
pub(crate) struct Repair {
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

/// Starts the thread, which hands what it finds to `capture`. `rate`: looks a second.
pub(crate) fn start(
    losses: Losses,
    clock: KeyClock,
    capture: &mut CaptureThread<KernelRing>,
    lineage: &Arc<Lineage>,
    rate: u32,
    outside: &Outside,
    registry: &mut Registry,
) -> Result<Repair> {
    // The CPU number behind all others: see `Kernel::load`.
    let cpu = u16::try_from(crate::host::n_possible_cpus()).unwrap_or(u16::MAX);
    let (injector, injection) = capture::injection(INJECTED, clock, cpu);
    capture.take_injections(injection);
    let (asker, asked) = sync_channel(ASKED);
    lineage.repairs().ask_by(move |tgid, start_ns| asker.try_send((tgid, start_ns)).is_ok());
    let stop = Arc::new(AtomicBool::new(false));
    let worker = Worker {
        seen: LossCounts::default(),
        is_up: false,
        n_unasked: 0,
        losses,
        injector,
        waker: capture.unparker(),
        lineage: Arc::clone(lineage),
        asked,
        rate: f64::from(rate),
        allowance: 0.0,
        pending: VecDeque::new(),
        is_pending: HashSet::new(),
        meters: Meters::register(registry),
        stop: Arc::clone(&stop),
    };
    let thread = outside
        .spawn("repair", move || worker.run())
        .context("cannot start the thread that repairs lineage")?;
    Ok(Repair { stop, thread: Some(thread) })
}

impl Drop for Repair {
    fn drop(&mut self) {
        // Relaxed: nothing else is communicated by it.
        self.stop.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            thread.thread().unpark();
            // One that panicked has told of it.
            drop(thread.join());
        }
    }
}

struct Meters {
    /// Processes that lost a frame which told of a change of them.
    losses: Arc<Counter>,
    /// Looks at `/proc`.
    looks: Arc<Counter>,
    /// Ends that nobody told of.
    ended: Arc<Counter>,
    /// Times that every process was in doubt.
    all_doubted: Arc<Counter>,
    /// Frames that the capture thread did not take in time, processes beyond the bound, and questions of shards for which there was no room.
    given_up: Arc<Counter>,
    /// Processes that wait for their look.
    pending: Arc<Gauge>,
}

impl Meters {
    fn register(registry: &mut Registry) -> Self {
        Self {
            losses: registry.counter("repair.losses"),
            looks: registry.counter("repair.looks"),
            ended: registry.counter("repair.ended"),
            all_doubted: registry.counter("repair.all_doubted"),
            given_up: registry.counter("repair.given_up"),
            pending: registry.gauge("repair.pending"),
        }
    }
}

struct Worker {
    losses: Losses,
    /// Counts that were dealt with.
    seen: LossCounts,
    /// The kernel side looks into its notes.
    is_up: bool,
    /// Questions without room that were counted.
    n_unasked: u64,
    injector: Injector,
    waker: Unparker,
    lineage: Arc<Lineage>,
    asked: Receiver<(u32, u64)>,
    /// Looks a second.
    rate: f64,
    /// Looks that may be made now.
    allowance: f64,
    pending: VecDeque<Target>,
    is_pending: HashSet<Target>,
    meters: Meters,
    stop: Arc<AtomicBool>,
}

impl Worker {
    fn run(mut self) {
        let mut since = Instant::now();
        while !self.is_stopped() {
            std::thread::park_timeout(EVERY);
            let counts = self.losses.counts();
            let n_unasked = self.lineage.repairs().n_unasked();
            self.meters.given_up.add(n_unasked - std::mem::replace(&mut self.n_unasked, n_unasked));
            if counts.unnoted != self.seen.unnoted && !self.doubt_all() {
                continue;
            }
            if counts != self.seen || self.is_up {
                self.take_notes(counts);
            }
            while let Ok((tgid, start_ns)) = self.asked.try_recv() {
                self.put_off(Target { tgid, start_ns, coarse: false });
            }
            let passed = std::mem::replace(&mut since, Instant::now()).elapsed();
            self.allowance = (self.allowance + self.rate * passed.as_secs_f64()).min(self.rate);
            while self.allowance >= 1.0
                && !self.is_stopped()
                && let Some(target) = self.pending.pop_front()
            {
                self.is_pending.remove(&target);
                self.look(target);
            }
            self.meters.pending.set(self.pending.len() as u64);
        }
    }

    fn is_stopped(&self) -> bool {
        // Relaxed: nothing else is communicated by it.
        self.stop.load(Ordering::Relaxed)
    }

    /// Puts a process on the list of those to be looked at.
    fn put_off(&mut self, target: Target) {
        if self.pending.len() >= MAX_PENDING {
            self.meters.given_up.add(1);
        } else if self.is_pending.insert(target) {
            self.pending.push_back(target);
        }
    }

    /// Hands a frame to the capture thread; `false` where it does not take it.
    fn inject(&mut self, frame: Vec<u8>) -> bool {
        let deadline = Instant::now() + MAX_HANDOVER;
        let mut frame = frame;
        while let Err(back) = self.injector.push(frame) {
            frame = back;
            self.waker.wake();
            if self.is_stopped() || self.injector.is_abandoned() || Instant::now() > deadline {
                self.meters.given_up.add(1);
                return false;
            }
            std::thread::sleep(Duration::from_millis(1));
        }
        self.waker.wake();
        true
    }

    /// Waits until all that was handed over lies in lanes.
    fn settle(&self) -> bool {
        let deadline = Instant::now() + MAX_HANDOVER;
        while !self.injector.is_drained() {
            if self.is_stopped() || self.injector.is_abandoned() || Instant::now() > deadline {
                return false;
            }
            self.waker.wake();
            std::thread::sleep(Duration::from_millis(1));
        }
        true
    }

    /// Tells everybody of the losses that the kernel side noted, and takes them off its notes. What cannot be told stays there.
    fn take_notes(&mut self, counts: LossCounts) {
        self.is_up = true;
        let room = MAX_PENDING.saturating_sub(self.pending.len());
        // A refusal in the middle of a storm of losses: the next look at the number comes soon.
        let Ok(losses) = self.losses.read(room) else { return };
        let mut n_told = 0;
        for loss in &losses {
            let target = Target { tgid: loss.tgid, start_ns: loss.start_ns, coarse: false };
            if !self.inject(target.loss()) {
                break;
            }
            n_told += 1;
        }
        if !self.settle() {
            return;
        }
        for loss in &losses[..n_told] {
            self.losses.remove(loss);
            self.meters.losses.add(1);
            self.put_off(Target { tgid: loss.tgid, start_ns: loss.start_ns, coarse: false });
        }
        self.seen = counts;
        self.is_up = !self.losses.lower(counts);
    }

    /// A loss that may be any process's: all of them are told to be in doubt, and looked at.
    fn doubt_all(&mut self) -> bool {
        self.meters.all_doubted.add(1);
        let mut known = HashSet::new();
        let living: Vec<_> = self.lineage.living_processes().collect();
        for (tgid, start) in living {
            known.insert(tgid);
            let target = Target { tgid, start_ns: start.ns, coarse: start.coarse };
            if !self.inject(target.loss()) {
                return false;
            }
            self.put_off(target);
        }
        for tgid in capture::listed_processes().unwrap_or_default() {
            if !known.contains(&tgid) {
                // Unknown, or known as soon as its shard has come to its start.
                let target = Target { tgid, start_ns: 0, coarse: true };
                if !self.inject(target.loss()) {
                    return false;
                }
                self.put_off(target);
            }
        }
        self.settle()
    }

    /// Looks at a process, and at those of its ancestors that nobody knows, and tells what it found, ancestors first.
    fn look(&mut self, target: Target) {
        let mut found = Vec::new();
        let mut next = Some(target);
        while let Some(target) = next.take()
            && found.len() < MAX_ANCESTORS
        {
            self.allowance -= 1.0;
            self.meters.looks.add(1);
            match target.look(self.lineage.host_marks()) {
                Look::Found { frame, parent } => {
                    found.push(frame);
                    next = parent.filter(|p| !self.lineage.is_known(p.tgid, p.start_ns));
                }
                // The end of a process whose start is not known could be another's.
                Look::Gone(frame) if found.is_empty() && target.start_ns != 0 => {
                    self.meters.ended.add(1);
                    found.push(frame);
                }
                Look::Gone(_) => {}
            }
        }
        for frame in found.into_iter().rev() {
            if !self.inject(frame) {
                // What was to make it whole is not told: it is to be looked at again.
                self.put_off(target);
                return;
            }
        }
    }
}
