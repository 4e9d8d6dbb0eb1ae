//! The threads that take frames out of the kernel: joined to their lanes and started, for whoever reads what they capture.

use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::thread::JoinHandle;

use anyhow::{Context as _, Result};
use bus::{KeyClock, LaneTx, Unparker, WaitLimits, Watermark};
use capture::{CaptureMeters, CaptureParts, CaptureThread, KernelRing, Seeds, TimeSource};
use perf::ThreadTime;

/// What a capture thread feeds, and what it counts.
pub(crate) struct Feed {
    pub(crate) lanes: Vec<(LaneTx, Unparker)>,
    pub(crate) recorder: Option<(LaneTx, Unparker)>,
    pub(crate) watermark: Arc<Watermark>,
    pub(crate) meters: CaptureMeters,
}

/// A thread for each feed, which know each other; none runs yet.
pub(crate) fn join(
    rings: Vec<KernelRing>,
    seeds: Seeds,
    clock: KeyClock,
    feeds: Vec<Feed>,
) -> Result<Vec<CaptureThread<KernelRing>>> {
    // The first thread has the processes from before; their keys lie below those of all records.
    let mut seeds = Some(seeds);
    let mut shares = share(rings, feeds.len()).into_iter();
    let mut threads = Vec::new();
    for Feed { lanes, recorder, watermark, meters } in feeds {
        let parts = CaptureParts {
            clock,
            lanes,
            recorder,
            watermark,
            meters,
            seeds: seeds.take(),
            time: TimeSource::default(),
            wait: WaitLimits::WOKEN,
        };
        let rings = shares.next().unwrap_or_default();
        let thread =
            CaptureThread::new(rings, parts).context("cannot make what wakes a capture thread")?;
        threads.push(thread);
    }
    CaptureThread::connect(&mut threads);
    Ok(threads)
}

/// Starts a thread; once `stop` is set and it is woken it moves what is left, and gives what `end` gives.
pub(crate) fn start<T: Send + 'static>(
    n: usize,
    thread: CaptureThread<KernelRing>,
    cpus: Vec<usize>,
    stop: &Arc<AtomicBool>,
    time: Arc<ThreadTime>,
    end: impl FnOnce() -> T + Send + 'static,
) -> Result<JoinHandle<T>> {
    let stop = Arc::clone(stop);
    let run = move || {
        if !cpus.is_empty() {
            // A refusal costs locality, not correctness; CPUs may have gone offline.
            let _refused = perf::pin_to_cpus(&cpus);
        }
        time.during(|| thread.run(&stop));
        end()
    };
    spawn(&format!("cap-{n}"), run)
}

/// Starts a thread of the pipeline.
pub(crate) fn spawn<T: Send + 'static>(
    name: &str,
    run: impl FnOnce() -> T + Send + 'static,
) -> Result<JoinHandle<T>> {
    std::thread::Builder::new()
        .name(name.to_owned())
        .spawn(short_sliced(run))
        .with_context(|| format!("cannot start the thread {name}"))
}

/// What a thread of the pipeline runs: an event's way to an alert is three wake-ups long, and each would wait for the slice of whoever runs.
pub(crate) fn short_sliced<T>(run: impl FnOnce() -> T) -> impl FnOnce() -> T {
    move || {
        // A refusal costs latency only.
        let _refused = perf::ask_for_short_slice();
        run()
    }
}

/// Deals rings to `n` threads, neighbours together; nobody goes without where there are as many rings as threads.
fn share(rings: Vec<KernelRing>, n: usize) -> Vec<Vec<KernelRing>> {
    let n_rings = rings.len();
    let mut rings = rings.into_iter();
    let of_thread = |i: usize| (i + 1) * n_rings / n - i * n_rings / n;
    (0..n).map(|i| rings.by_ref().take(of_thread(i)).collect()).collect()
}
