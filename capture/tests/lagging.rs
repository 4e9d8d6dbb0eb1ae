//! Capture threads and shards as threads, and one shard that stands still for a while: the frames without state of its processes go to the
//! others, and come back once it has caught up.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    thread::{self, JoinHandle},
    time::{Duration, Instant},
};

use bus::{BatchLimits, Key, KeyClock, LaneRx, WaitLimits, Waiter, Watermark, lane};
use capture::{
    CaptureMeters, CaptureParts, CaptureThread, SyntheticTx, TimeSource, owner, synthetic_ring,
};
use event::{EventType, FrameHeader, FrameWriter, HEADER_LEN};

const N_SHARDS: usize = 4;
const N_CAPTURE: usize = 2;
/// The shard that stands still.
const SLOW: usize = 2;
const CAPACITY: usize = 16;
const N_PROCESSES: u32 = 64;
const DEADLINE: Duration = Duration::from_secs(30);

/// What shards have received.
#[derive(Default)]
struct Got {
    frames: [AtomicU64; N_SHARDS],
    /// Frames of the slow shard's processes that others received.
    of_slow: AtomicU64,
    /// Frames with state.
    state: AtomicU64,
    stands: AtomicBool,
}

impl Got {
    fn all(&self) -> u64 {
        self.frames.iter().map(|n| n.load(Ordering::Acquire)).sum()
    }
}

/// A shard that reads and counts. Ends with its sources.
fn consume(
    shard: usize,
    mut waiter: Waiter,
    mut lanes: Vec<LaneRx>,
    marks: &[Arc<Watermark>],
    got: &Got,
) {
    loop {
        let is_ended = marks.iter().all(|mark| mark.get() == Key::MAX);
        let mut has_worked = false;
        while shard == SLOW && got.stands.load(Ordering::Acquire) {
            thread::sleep(Duration::from_micros(100));
        }
        for rx in &mut lanes {
            let Some(batch) = rx.pop() else { continue };
            has_worked = true;
            for (_, bytes) in batch.frames() {
                let header = FrameHeader::from_bytes(bytes.first_chunk::<HEADER_LEN>().unwrap());
                let own = owner(header.tgid, N_SHARDS);
                if header.carries_state() {
                    assert_eq!(own, shard, "state goes to the owner");
                    got.state.fetch_add(1, Ordering::Release);
                }
                if own == SLOW && shard != SLOW {
                    got.of_slow.fetch_add(1, Ordering::Release);
                }
                got.frames[shard].fetch_add(1, Ordering::Release);
            }
            rx.recycle(batch);
        }
        match (has_worked, is_ended) {
            (true, _) => waiter.reset(),
            (false, true) => return,
            (false, false) => waiter.idle(),
        }
    }
}

struct Rig {
    rings: Vec<SyntheticTx>,
    meters: Vec<CaptureMeters>,
    got: Arc<Got>,
    stop: Arc<AtomicBool>,
    threads: Vec<JoinHandle<()>>,
    n_pushed: u64,
}

impl Rig {
    fn start() -> Self {
        let (got, stop) = (Arc::new(Got::default()), Arc::new(AtomicBool::new(false)));
        let waiters: Vec<Waiter> =
            (0..N_SHARDS).map(|_| Waiter::new(WaitLimits::default())).collect();
        let mut to_shards: Vec<Vec<LaneRx>> = (0..N_SHARDS).map(|_| Vec::new()).collect();
        let (mut rings, mut captures, mut meters, mut marks) = (vec![], vec![], vec![], vec![]);
        for cpu in 0..N_CAPTURE {
            let mut lanes = Vec::new();
            for (to_shard, waiter) in to_shards.iter_mut().zip(&waiters) {
                let limits = BatchLimits { max_frames: 32, max_bytes: 16 << 10 };
                let (tx, rx) = lane(CAPACITY, limits);
                lanes.push((tx, waiter.unparker()));
                to_shard.push(rx);
            }
            let (tx, ring) = synthetic_ring(cpu as u16, 4096).unwrap();
            rings.push(tx);
            meters.push(CaptureMeters::default());
            marks.push(Arc::new(Watermark::new()));
            let parts = CaptureParts {
                clock: KeyClock::new(N_CAPTURE, perf::boot_now_ns() - 1_000_000_000),
                lanes,
                recorder: None,
                watermark: Arc::clone(&marks[cpu]),
                meters: meters[cpu].clone(),
                seeds: None,
                time: TimeSource::Boot,
                wait: WaitLimits::default(),
            };
            captures.push(CaptureThread::new(vec![ring], parts).unwrap());
        }
        CaptureThread::connect(&mut captures);
        let mut threads = Vec::new();
        for capture in captures {
            let stop = Arc::clone(&stop);
            threads.push(thread::spawn(move || capture.run(&stop)));
        }
        for (shard, (waiter, lanes)) in waiters.into_iter().zip(to_shards).enumerate() {
            let (marks, got) = (marks.clone(), Arc::clone(&got));
            threads.push(thread::spawn(move || consume(shard, waiter, lanes, &marks, &got)));
        }
        Self { rings, meters, got, stop, threads, n_pushed: 0 }
    }

    fn push(&mut self, ty: EventType, tgid: u32) {
        let cpu = self.n_pushed as usize % N_CAPTURE;
        let (ts, cpu_id) = (perf::boot_now_ns(), cpu as u16);
        let head = FrameHeader { ts, event_type: ty.0, cpu: cpu_id, ..FrameHeader::default() };
        let header = FrameHeader { tid: tgid, tgid, start_ns: 1, ..head };
        let mut buf = [0; 128];
        let mut w = FrameWriter::new(&mut buf, header);
        w.i64(0);
        let frame = w.finish().unwrap();
        let deadline = Instant::now() + DEADLINE;
        while self.rings[cpu].push(frame).is_err() {
            assert!(Instant::now() < deadline, "nobody reads the ring: {:?}", self.got.frames);
            thread::yield_now();
        }
        self.n_pushed += 1;
    }

    /// A frame without state of each process.
    fn round(&mut self) {
        (1..=N_PROCESSES).for_each(|tgid| self.push(EventType::WRITE_X, tgid));
    }

    /// Waits until every frame was received.
    fn settle(&self) {
        let deadline = Instant::now() + DEADLINE;
        while self.got.all() < self.n_pushed {
            assert!(Instant::now() < deadline, "{:?} of {}", self.got.frames, self.n_pushed);
            thread::yield_now();
        }
    }

    fn n_spread(&self) -> u64 {
        self.meters.iter().map(|m| m.spread.get()).sum()
    }

    /// Rounds that wait for each other, until nothing has been spread for 2,048 frames of each capture thread: two looks at the lanes.
    fn calm(&mut self) {
        let deadline = Instant::now() + DEADLINE;
        loop {
            let before = (self.n_spread(), self.got.of_slow.load(Ordering::Acquire));
            for _ in 0..64 {
                self.round();
                self.settle();
            }
            if (self.n_spread(), self.got.of_slow.load(Ordering::Acquire)) == before {
                return;
            }
            assert!(Instant::now() < deadline, "frames never stay with their owner");
        }
    }
}

#[test]
fn frames_of_a_shard_that_stands_still_go_elsewhere_and_come_back() {
    let mut rig = Rig::start();
    rig.calm();
    let of_slow = (1..=N_PROCESSES).find(|&tgid| owner(tgid, N_SHARDS) == SLOW).unwrap();

    rig.got.stands.store(true, Ordering::Release);
    rig.push(EventType::CHDIR_X, of_slow);
    let (n_before, n_own) = (rig.n_spread(), rig.got.of_slow.load(Ordering::Acquire));
    let deadline = Instant::now() + DEADLINE;
    while rig.got.of_slow.load(Ordering::Acquire) < n_own + 2_000 {
        assert!(Instant::now() < deadline, "{} spread", rig.n_spread() - n_before);
        rig.round();
    }
    assert!(rig.n_spread() >= n_before + 2_000);
    assert_eq!(rig.got.state.load(Ordering::Acquire), 0, "its state waits for it");

    rig.got.stands.store(false, Ordering::Release);
    rig.settle();
    assert_eq!(rig.got.state.load(Ordering::Acquire), 1);
    rig.calm();

    rig.stop.store(true, Ordering::Release);
    for thread in rig.threads.drain(..) {
        thread.join().unwrap();
    }
    assert_eq!(rig.got.all(), rig.n_pushed, "each frame once");
}
