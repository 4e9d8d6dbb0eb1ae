//! The running kernel as a trace reads it: capture threads, a lane from each, and one merge by key.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

use anyhow::Result;
use bus::{BatchLimits, Key, Unparker, WaitLimits, Waiter, Watermark};
use capture::{CaptureMeters, ProbeOptions, Seeds};
use stages::Merge;

use crate::capture_threads::{self, Feed};
use crate::live::{Kernel, Loaded};

/// Frames that are merged before they are shown.
const WINDOW: usize = 1024;
/// Batches in the lane of a capture thread. What does not fit stays in the rings, whose overflow the kernel side counts.
const LANE_CAPACITY: usize = 64;
/// How late the reader may notice that a time is over.
const LOOK_EVERY: Duration = Duration::from_millis(100);
/// CPUs whose rings one capture thread reads.
const CPUS_PER_THREAD: usize = 8;

/// The kernel while it is traced.
pub(super) struct KernelSource {
    kernel: Kernel,
    merge: Option<Merge>,
    waiter: Waiter,
    wakers: Vec<Unparker>,
    stop: Arc<AtomicBool>,
    threads: Vec<JoinHandle<()>>,
    meters: Vec<CaptureMeters>,
}

/// A kernel side that is loaded and does not run yet.
pub(super) struct LoadedSource(Loaded);

/// What became of the events.
#[derive(Clone, Debug, Default)]
pub(super) struct SourceCounts {
    /// Records that the kernel side wrote.
    pub(super) n_events: u64,
    /// Events that it saw and had no room for, by cause.
    pub(super) drops: Vec<(&'static str, u64)>,
}

impl SourceCounts {
    /// Events that were lost.
    pub(super) fn n_drops(&self) -> u64 {
        self.drops.iter().map(|(_, n)| n).sum()
    }
}

impl LoadedSource {
    pub(super) fn load(options: ProbeOptions) -> Result<Self> {
        Ok(Self(Kernel::load(options)?))
    }

    /// What of it this kernel refuses.
    pub(super) fn refused(&self) -> Vec<(String, String)> {
        self.0.kernel.report().refused
    }

    /// Attaches the programs and looks at the processes that are there, for whoever lists them before the first frame.
    pub(super) fn attach(self, listed: impl FnOnce(&Seeds) -> Result<()>) -> Result<KernelSource> {
        let Loaded { kernel, clock, losses: _, host_marks: _ } = self.0;
        let rings = kernel.rings()?;
        let seeds = kernel.attach()?;
        listed(&seeds)?;
        let waiter = Waiter::new(WaitLimits::WOKEN.looking_every(LOOK_EVERY));
        let n_threads = rings.len().div_ceil(CPUS_PER_THREAD).max(1);
        let (mut feeds, mut lanes, mut watermarks, mut meters) =
            (Vec::new(), Vec::new(), Vec::new(), Vec::new());
        for _ in 0..n_threads {
            let (tx, rx) = bus::lane(LANE_CAPACITY, BatchLimits::default());
            let (watermark, counts) = (Arc::new(Watermark::new()), CaptureMeters::default());
            lanes.push(rx);
            watermarks.push(Arc::clone(&watermark));
            meters.push(counts.clone());
            feeds.push(Feed {
                lanes: vec![(tx, waiter.unparker())],
                recorder: None,
                watermark,
                meters: counts,
            });
        }
        let stop = Arc::new(AtomicBool::new(false));
        let (mut threads, mut wakers) = (Vec::new(), Vec::new());
        for (n, thread) in
            capture_threads::join(rings, seeds, clock, feeds)?.into_iter().enumerate()
        {
            wakers.push(thread.unparker());
            threads.push(capture_threads::start(
                n,
                thread,
                Vec::new(),
                &stop,
                Arc::default(),
                || (),
            )?);
        }
        let merge = Some(Merge::new(lanes, watermarks, WINDOW));
        Ok(KernelSource { kernel, merge, waiter, wakers, stop, threads, meters })
    }
}

impl KernelSource {
    /// What wakes whoever waits here.
    pub(super) fn unparker(&self) -> Unparker {
        self.waiter.unparker()
    }

    /// Takes the frames that are next in the order of all CPUs; `false` where there are none now.
    pub(super) fn fill(&mut self) -> bool {
        let Some(merge) = &mut self.merge else { return false };
        merge.clear();
        let bound = merge.bound();
        merge.fill(bound);
        if !merge.is_empty() {
            self.waiter.reset();
            return true;
        }
        if merge.has_waiting() {
            // They wait for a watermark, whose thread may be asleep.
            wake(&self.wakers);
        }
        false
    }

    /// The frames that were taken.
    pub(super) fn frames(&self) -> impl Iterator<Item = (Key, &[u8])> {
        self.merge.iter().flat_map(Merge::frames)
    }

    /// Waits a little for more.
    pub(super) fn idle(&mut self) {
        self.waiter.idle();
    }

    /// Captures no more; what was captured is still to be read.
    pub(super) fn stop(&self) {
        self.kernel.detach();
        // Release: pairs with the Acquire in the capture threads, which then find every record that was written before.
        self.stop.store(true, Ordering::Release);
        wake(&self.wakers);
    }

    /// Whether everything that was captured has been read.
    pub(super) fn is_finished(&mut self) -> bool {
        self.merge.as_mut().is_none_or(Merge::is_finished)
    }

    /// Stops where that was not done, leaves what was not read, and tells the counts.
    pub(super) fn finish(mut self) -> SourceCounts {
        self.stop();
        // Threads whose lanes nobody reads do not wait for room.
        self.merge = None;
        for thread in self.threads.drain(..) {
            // Its panic has been told, and its records are missing from no sum: they count as written.
            let _panic = thread.join();
        }
        let counters = self.kernel.counters();
        let mut drops: Vec<(&'static str, u64)> = event::Outcome::ALL
            .into_iter()
            .filter(|o| o.is_drop())
            .map(|o| (o.name(), counters.total(o)))
            .collect();
        let misses = counters.recursion_misses.iter().map(|(_, n)| n).sum();
        let bad = |m: &CaptureMeters| m.bad_header.get() + m.bad_length.get() + m.too_large.get();
        drops.push(("program_skipped", misses));
        drops.push(("unreadable", self.meters.iter().map(bad).sum()));
        drops.retain(|(_, n)| *n > 0);
        SourceCounts { n_events: counters.total(event::Outcome::Written), drops }
    }
}

fn wake(wakers: &[Unparker]) {
    for waker in wakers {
        waker.wake();
    }
}
