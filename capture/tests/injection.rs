//! Frames that no ring has, in a capture thread: in order with those of its rings, below no watermark, and not lost where the queue is full.

use std::os::fd::RawFd;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use bus::{BatchLimits, Key, KeyClock, LaneRx, WaitLimits, Waiter, Watermark, lane};
use capture::{
    CaptureMeters, CaptureParts, CaptureThread, GUARD_NS, Injector, Peek, Progress, Ring,
    SyntheticRing, SyntheticTx, TimeSource, injection, synthetic_ring,
};
use event::{EventType, Frame, FrameHeader, FrameWriter};

const EPOCH: u64 = 1_000_000_000;

/// A ring beside which time passes: whenever it is found empty, as much as `passes` says.
struct Slow {
    ring: SyntheticRing,
    time: Arc<AtomicU64>,
    passes: Arc<AtomicU64>,
}

impl Ring for Slow {
    fn cpu(&self) -> u16 {
        self.ring.cpu()
    }
    fn peek(&mut self) -> Peek<'_> {
        self.ring.peek()
    }
    fn advance(&mut self) {
        self.ring.advance();
    }
    fn release(&mut self) {
        self.ring.release();
    }
    fn is_drained(&self) -> bool {
        self.time.fetch_add(self.passes.load(Ordering::Relaxed), Ordering::AcqRel);
        self.ring.is_drained()
    }
    fn set_sleeping(&self, sleeping: bool) {
        self.ring.set_sleeping(sleeping);
    }
    fn fd(&self) -> Option<RawFd> {
        self.ring.fd()
    }
}

struct Rig {
    time: Arc<AtomicU64>,
    passes: Arc<AtomicU64>,
    txs: Vec<SyntheticTx>,
    injector: Injector,
    thread: CaptureThread<Slow>,
    lane: LaneRx,
    watermark: Arc<Watermark>,
    meters: CaptureMeters,
    /// No frame may come any more with a key up to this.
    floor: Key,
}

/// One thread with two rings, a queue of `capacity` frames and one shard.
fn rig(capacity: usize, n_batches: usize) -> Rig {
    let time = Arc::new(AtomicU64::new(EPOCH + 1_000_000));
    let passes = Arc::new(AtomicU64::new(0));
    let clock = KeyClock::new(3, EPOCH);
    let (tx, lane) = lane(n_batches, BatchLimits { max_frames: 2, max_bytes: 4096 });
    let (txs, rings): (Vec<_>, Vec<_>) = (0..2)
        .map(|cpu| {
            let (tx, ring) = synthetic_ring(cpu, 64).unwrap();
            (tx, Slow { ring, time: Arc::clone(&time), passes: Arc::clone(&passes) })
        })
        .unzip();
    let (watermark, meters) = (Arc::new(Watermark::new()), CaptureMeters::default());
    let parts = CaptureParts {
        clock,
        lanes: vec![(tx, Waiter::new(WaitLimits::default()).unparker())],
        recorder: None,
        watermark: Arc::clone(&watermark),
        meters: meters.clone(),
        seeds: None,
        time: TimeSource::Manual(Arc::clone(&time)),
        wait: WaitLimits::default(),
    };
    let mut thread = CaptureThread::new(rings, parts).unwrap();
    let (injector, injected) = injection(capacity, clock, 2);
    thread.take_injections(injected);
    let floor = Key::MIN;
    Rig { time, passes, txs, injector, thread, lane, watermark, meters, floor }
}

fn frame(ts: u64, number: u32) -> Vec<u8> {
    let header =
        FrameHeader { ts, event_type: EventType::LISTEN_X.0, tid: number, ..Default::default() };
    let mut buf = [0; 128];
    let mut w = FrameWriter::new(&mut buf, header);
    w.i64(0).i64(3).i32(5);
    w.finish().unwrap().to_vec()
}

impl Rig {
    fn now(&self) -> u64 {
        self.time.load(Ordering::Acquire)
    }

    fn pass(&self, ns: u64) {
        self.time.fetch_add(ns, Ordering::AcqRel);
    }

    /// A frame of a ring, made now.
    fn push(&self, ring: usize, number: u32) {
        self.txs[ring].push(&frame(self.now(), number)).unwrap();
    }

    /// What has arrived, by number; all of it in order and above every watermark that was published before.
    fn pop_all(&mut self) -> Vec<u32> {
        let mut numbers = Vec::new();
        let watermark = self.watermark.get();
        while let Some(batch) = self.lane.pop() {
            for (key, bytes) in batch.frames() {
                assert!(key > self.floor, "{key} comes after {}", self.floor);
                self.floor = key;
                numbers.push(Frame::parse(bytes).unwrap().header().tid);
            }
            self.lane.recycle(batch);
        }
        self.floor = self.floor.max(watermark);
        numbers
    }

    /// Polls until nothing is left, as time passes.
    fn settle(&mut self) -> Vec<u32> {
        let mut numbers = Vec::new();
        for _ in 0..1000 {
            self.pass(GUARD_NS);
            let progress = self.thread.poll_once();
            numbers.extend(self.pop_all());
            if progress == Progress::Idle {
                return numbers;
            }
        }
        panic!("it does not come to rest: {numbers:?}");
    }
}

#[test]
fn it_goes_between_what_was_before_and_what_comes_after() {
    let mut rig = rig(4, 8);
    rig.push(0, 1);
    rig.push(1, 2);
    rig.pass(GUARD_NS);
    rig.injector.push(frame(0, 3)).unwrap();
    rig.injector.push(frame(0, 4)).unwrap();
    rig.thread.poll_once();
    rig.pass(1);
    rig.push(1, 5);
    assert!(!rig.injector.is_drained());
    assert_eq!(rig.settle(), [1, 2, 3, 5, 4], "each gets its key when the one before has gone");
    assert!(rig.injector.is_drained());
    assert_eq!((rig.meters.injected.get(), rig.meters.routed.get()), (2, 5));
}

/// Nothing was lost at the bound: whoever hands over has the frame again.
#[test]
fn a_full_queue_gives_the_frame_back() {
    let mut rig = rig(2, 1);
    for n in 1..=2 {
        rig.injector.push(frame(0, n)).unwrap();
    }
    let third = frame(0, 3);
    assert_eq!(rig.injector.push(third.clone()), Err(third));
    assert_eq!(rig.settle(), [1, 2]);
    rig.injector.push(frame(0, 3)).unwrap();
    assert_eq!(rig.settle(), [3]);
    assert!(!rig.injector.is_abandoned());
    rig.thread.finish();
    assert!(rig.injector.is_abandoned());
}

/// While the first of the queue waits for room, or for the rings' bounds, the watermark stays below it.
#[test]
fn the_watermark_stays_below_a_frame_that_waits() {
    let mut rig = rig(8, 1);
    for n in 1..=8 {
        rig.injector.push(frame(0, n)).unwrap();
    }
    for _ in 0..50 {
        rig.pass(GUARD_NS);
        rig.thread.poll_once();
    }
    assert!(
        !rig.injector.is_drained(),
        "the lane has room for a batch of two, and there are two spare"
    );
    let held = rig.watermark.get();
    rig.pass(1_000 * GUARD_NS);
    rig.thread.poll_once();
    assert_eq!(rig.watermark.get(), held, "time alone does not move it");
    assert_eq!(rig.settle(), [1, 2, 3, 4, 5, 6, 7, 8]);
    assert!(rig.watermark.get() > held);
}

/// A watermark that was published by the clock, and keys that its rings have raised above it, are no place for what comes now.
#[test]
fn its_key_lies_above_everything_that_went_before() {
    let mut rig = rig(1, 8);
    // Two records of one moment: the second one's key is raised.
    for n in 1..=20 {
        rig.push(0, n);
    }
    rig.injector.push(frame(0, 21)).unwrap();
    rig.pass(GUARD_NS + 10);
    let numbers = rig.settle();
    assert_eq!(numbers.len(), 21);
    let clock = KeyClock::new(3, EPOCH);
    rig.time.store(EPOCH + 500_000, Ordering::Release);
    rig.injector.push(frame(0, 22)).unwrap();
    // The clock went back, and keys do not.
    let watermark = rig.watermark.get();
    rig.thread.poll_once();
    assert!(watermark > clock.below(rig.now()));
    assert_eq!(rig.settle(), [22]);
    assert!(rig.floor > watermark);
}

/// Time passes between the look at the bounds for the frame and that for the record behind it.
#[test]
fn a_record_behind_it_does_not_go_first() {
    let mut rig = rig(1, 8);
    rig.injector.push(frame(0, 1)).unwrap();
    rig.thread.poll_once();
    rig.pass(1);
    rig.push(0, 2);
    rig.passes.store(3 * GUARD_NS, Ordering::Relaxed);
    rig.thread.poll_once();
    rig.passes.store(0, Ordering::Relaxed);
    assert_eq!(rig.settle(), [1, 2]);
}

/// A record that its producer reserved and never submits holds up the end for a moment only.
#[test]
fn the_end_waits_for_nobody_for_ever() {
    let (tx, mut rx) = lane(8, BatchLimits::default());
    let (txs, rings): (Vec<_>, Vec<_>) = (0..2).map(|cpu| synthetic_ring(cpu, 8).unwrap()).unzip();
    let clock = KeyClock::new(3, perf::boot_now_ns() - EPOCH);
    let parts = CaptureParts {
        clock,
        lanes: vec![(tx, Waiter::new(WaitLimits::default()).unparker())],
        recorder: None,
        watermark: Arc::new(Watermark::new()),
        meters: CaptureMeters::default(),
        seeds: None,
        time: TimeSource::Boot,
        wait: WaitLimits::default(),
    };
    let mut thread = CaptureThread::new(rings, parts).unwrap();
    let (mut injector, injected) = injection(1, clock, 2);
    thread.take_injections(injected);
    let never = txs[0].reserve().unwrap();
    txs[1].push(&frame(perf::boot_now_ns(), 1)).unwrap();
    injector.push(frame(0, 2)).unwrap();
    let (done, ended) = std::sync::mpsc::channel();
    let finishing = std::thread::spawn(move || {
        thread.finish();
        done.send(()).unwrap();
    });
    ended.recv_timeout(Duration::from_mins(1)).expect("it ends");
    finishing.join().unwrap();
    drop(never);
    let frames: Vec<_> = std::iter::from_fn(|| rx.pop())
        .flat_map(|batch| {
            let tid = |(_, bytes)| Frame::parse(bytes).unwrap().header().tid;
            batch.frames().map(tid).collect::<Vec<_>>()
        })
        .collect();
    assert_eq!(frames, [1, 2]);
}
