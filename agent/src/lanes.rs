//! The lanes between capture threads and their readers, and how those wait.

use std::sync::Arc;
use std::time::Duration;

use bus::{BatchLimits, LaneRx, WaitLimits, Waiter, Watermark};
use capture::CaptureMeters;
use perf::Registry;

use crate::capture_threads::Feed;
use crate::config::{CaptureSource, Config};
use crate::plan::Plan;
use crate::thread_loads::ThreadTimes;

/// How late the recorder may notice that a time is over.
const RECORDER_LOOKS_EVERY: Duration = Duration::from_millis(100);

/// Every lane between capture threads and their readers, by who holds which end.
pub(crate) struct Lanes {
    /// By capture thread.
    pub(crate) feeds: Vec<Feed>,
    /// By shard.
    pub(crate) from_capture: Vec<Vec<LaneRx>>,
    pub(crate) recorded: Vec<LaneRx>,
    pub(crate) watermarks: Vec<Arc<Watermark>>,
    pub(crate) shard_waiters: Vec<Waiter>,
    pub(crate) recorder_waiter: Waiter,
    pub(crate) thread_times: ThreadTimes,
}

impl Lanes {
    pub(crate) fn new(
        config: &Config,
        plan: &Plan,
        recording: bool,
        registry: &mut Registry,
    ) -> Self {
        let limits = BatchLimits { max_frames: config.batch_frames, max_bytes: config.batch_bytes };
        let new_lane = || bus::lane(config.lane_capacity, limits);
        // What wakes the readers, before they exist: capture threads are made first.
        let reader_limits = reader_limits(config, plan);
        let new_waiter = || Waiter::new(reader_limits);
        let shard_waiters: Vec<Waiter> = (0..plan.n_shards).map(|_| new_waiter()).collect();
        // It ends recordings by the clock.
        let recorder_waiter = Waiter::new(reader_limits.looking_every(RECORDER_LOOKS_EVERY));
        let mut from_capture: Vec<Vec<LaneRx>> = (0..plan.n_shards).map(|_| Vec::new()).collect();
        let mut meters_of_shard = vec![Vec::new(); plan.n_shards];
        let (mut feeds, mut recorded, mut meters) = (Vec::new(), Vec::new(), Vec::new());
        for _ in 0..plan.n_capture {
            let mut lanes = Vec::new();
            for (n, (waiter, lanes_of_shard)) in
                shard_waiters.iter().zip(&mut from_capture).enumerate()
            {
                let (tx, rx) = new_lane();
                meters.push(tx.meters());
                meters_of_shard[n].push(tx.meters());
                lanes.push((tx, waiter.unparker()));
                lanes_of_shard.push(rx);
            }
            let recorder = recording.then(|| {
                let (tx, rx) = new_lane();
                recorded.push(rx);
                (tx, recorder_waiter.unparker())
            });
            let watermark = Arc::new(Watermark::new());
            feeds.push(Feed {
                lanes,
                recorder,
                watermark,
                meters: CaptureMeters::register(registry),
            });
        }
        registry.hop(CaptureMeters::hop(plan.n_capture));
        register_lanes(meters, registry);
        let thread_times = ThreadTimes::register(&feeds, meters_of_shard, registry);
        let watermarks = feeds.iter().map(|f| Arc::clone(&f.watermark)).collect();
        Self {
            feeds,
            from_capture,
            recorded,
            watermarks,
            shard_waiters,
            recorder_waiter,
            thread_times,
        }
    }
}

/// How those who read lanes wait. Live, when a wake comes some work has gathered, and more comes later than any spin lasts. In a replay, where threads outnumber
/// CPUs, whoever spins or yields keeps those from running whom it waits for; what a reader waits for wakes it, so it sleeps almost at once, and not for a
/// moment only.
fn reader_limits(config: &Config, plan: &Plan) -> WaitLimits {
    if matches!(config.source, CaptureSource::Live) {
        // Of several capture threads one may come to what a shard waits for without having been asked for just that.
        let min_sleep = Duration::from_millis(if plan.n_capture > 1 { 1 } else { 1000 });
        return WaitLimits { min_sleep, ..WaitLimits::WOKEN };
    }
    // One thread reads the file.
    if plan.n_shards < perf::allowed_cpus().len() {
        return WaitLimits::default();
    }
    let min_sleep = Duration::from_millis(1);
    WaitLimits { n_spins: 0, n_yields: 1, min_sleep, ..WaitLimits::default() }
}

/// All lanes together: pushed = popped + depth.
fn register_lanes(lanes: Vec<bus::LaneMeters>, registry: &mut Registry) {
    for lane in &lanes {
        registry.add_counter("lanes.pushed", Arc::clone(&lane.pushed));
        registry.add_counter("lanes.popped", Arc::clone(&lane.popped));
    }
    registry.level("lanes.depth", move || lanes.iter().map(bus::LaneMeters::depth).sum());
    registry.hop(
        perf::Hop::new("lanes").input("lanes.pushed").output("lanes.popped").depth("lanes.depth"),
    );
}
