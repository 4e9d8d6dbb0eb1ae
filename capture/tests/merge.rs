//! The merge of a capture thread over random ring timings: order, soundness of the watermark, conservation, backpressure.

use std::sync::{
    Arc,
    atomic::{AtomicU64, Ordering},
};

use bus::{BatchLimits, Key, KeyClock, LaneRx, WaitLimits, Waiter, Watermark, lane};
use capture::{
    CaptureMeters, CaptureParts, CaptureThread, GUARD_NS, Injector, Progress, Reservation,
    SyntheticRing, SyntheticTx, TimeSource, injection, owner, synthetic_ring,
};
use event::{EventType, Frame, FrameHeader, FrameWriter};
use proptest::prelude::*;

const EPOCH: u64 = 1_000_000_000;

fn frame(ts: u64, cpu: u16, tgid: u32, number: u64) -> Vec<u8> {
    let header = FrameHeader {
        ts,
        event_type: EventType::LISTEN_X.0,
        cpu,
        tid: tgid,
        tgid,
        start_ns: number,
        ..Default::default()
    };
    let mut buf = [0; 128];
    let mut w = FrameWriter::new(&mut buf, header);
    w.i64(0).i64(3).i32(5);
    w.finish().unwrap().to_vec()
}

/// Keys for so many rings, and for what is injected.
fn clock(n_rings: usize) -> KeyClock {
    KeyClock::new(n_rings + 1, EPOCH)
}

struct Rig {
    time: Arc<AtomicU64>,
    txs: Vec<SyntheticTx>,
    threads: Vec<CaptureThread<SyntheticRing>>,
    watermarks: Vec<Arc<Watermark>>,
    meters: Vec<CaptureMeters>,
    /// `lanes[thread][shard]`.
    lanes: Vec<Vec<LaneRx>>,
    /// Into the first thread.
    injector: Injector,
}

fn rig(
    n_threads: usize,
    rings_each: usize,
    n_shards: usize,
    capacity: usize,
    max_frames: usize,
) -> Rig {
    let time = Arc::new(AtomicU64::new(EPOCH + 1_000_000));
    let clock = clock(n_threads * rings_each);
    let (injector, injected) = injection(256, clock, (n_threads * rings_each) as u16);
    let mut rig = Rig {
        time: Arc::clone(&time),
        txs: Vec::new(),
        threads: Vec::new(),
        watermarks: Vec::new(),
        meters: Vec::new(),
        lanes: Vec::new(),
        injector,
    };
    for t in 0..n_threads {
        let (mut out, mut rxs, mut rings) = (Vec::new(), Vec::new(), Vec::new());
        for _ in 0..n_shards {
            let (tx, rx) = lane(capacity, BatchLimits { max_frames, max_bytes: 4096 });
            out.push((tx, Waiter::new(WaitLimits::default()).unparker()));
            rxs.push(rx);
        }
        for r in 0..rings_each {
            let (tx, ring) = synthetic_ring((t * rings_each + r) as u16, 4096).unwrap();
            rig.txs.push(tx);
            rings.push(ring);
        }
        let watermark = Arc::new(Watermark::new());
        let meters = CaptureMeters::default();
        let parts = CaptureParts {
            clock,
            lanes: out,
            recorder: None,
            watermark: Arc::clone(&watermark),
            meters: meters.clone(),
            seeds: None,
            time: TimeSource::Manual(Arc::clone(&time)),
            wait: WaitLimits::default(),
        };
        rig.threads.push(CaptureThread::new(rings, parts).unwrap());
        rig.watermarks.push(watermark);
        rig.meters.push(meters);
        rig.lanes.push(rxs);
    }
    rig.threads[0].take_injections(injected);
    CaptureThread::connect(&mut rig.threads);
    rig
}

#[derive(Clone, Debug)]
enum Step {
    /// Time passes.
    Pass(u64),
    /// A record on a ring, stamped this much before the present.
    Push {
        ring: usize,
        tgid: u32,
        skew: u64,
    },
    /// A record is reserved and stamped, and submitted later.
    Begin {
        ring: usize,
        tgid: u32,
    },
    /// The oldest such record is submitted.
    Submit,
    /// A frame that no ring has.
    Inject(u32),
    Poll(usize),
    /// Everything that is pushed is popped and checked.
    Pop(usize),
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    prop::collection::vec(
        prop_oneof![
            2 => (0u64..3 * GUARD_NS).prop_map(Step::Pass),
            4 => (0usize..4, 0u32..6, 0u64..GUARD_NS - 2).prop_map(|(ring, tgid, skew)| Step::Push { ring, tgid, skew }),
            1 => (0usize..4, 0u32..6).prop_map(|(ring, tgid)| Step::Begin { ring, tgid }),
            1 => Just(Step::Submit),
            1 => (0u32..6).prop_map(Step::Inject),
            3 => (0usize..2).prop_map(Step::Poll),
            2 => (0usize..2).prop_map(Step::Pop),
        ],
        1..200,
    )
}

/// What was popped from one thread's lanes, checked as it comes.
#[derive(Default)]
struct Seen {
    /// No frame that comes later may have a key up to this.
    floor: Key,
    last: Vec<Key>,
    /// Key, cpu, number, timestamp.
    frames: Vec<(Key, u16, u64, u64)>,
}

impl Seen {
    fn pop_all(
        &mut self,
        watermark: &Watermark,
        lanes: &mut [LaneRx],
    ) -> Result<(), TestCaseError> {
        self.last.resize(lanes.len(), Key::MIN);
        // The order that every reader keeps: the watermark first.
        let watermark = watermark.get();
        for (shard, rx) in lanes.iter_mut().enumerate() {
            while let Some(batch) = rx.pop() {
                for (key, bytes) in batch.frames() {
                    let frame = Frame::parse(bytes).unwrap();
                    prop_assert!(
                        key > self.last[shard],
                        "lane {shard} goes from {} to {key}",
                        self.last[shard]
                    );
                    prop_assert!(key > self.floor, "frame {key} after watermark {}", self.floor);
                    let h = frame.header();
                    prop_assert!(
                        owner(h.tgid, 3) == shard || !h.carries_state(),
                        "{h:?} at {shard}"
                    );
                    self.last[shard] = key;
                    self.frames.push((key, h.cpu, h.start_ns, h.ts));
                }
                rx.recycle(batch);
            }
        }
        self.floor = self.floor.max(watermark);
        Ok(())
    }
}

fn run(steps: Vec<Step>, capacity: usize, max_frames: usize) -> Result<(), TestCaseError> {
    let mut rig = rig(2, 2, 3, capacity, max_frames);
    let mut seen = [Seen::default(), Seen::default()];
    let mut open: Vec<(Reservation, Vec<u8>)> = Vec::new();
    let mut n_pushed = [0u64; 5];
    let mut number = 0;
    let now = |rig: &Rig| rig.time.load(Ordering::Acquire);
    for step in steps {
        match step {
            Step::Pass(ns) => {
                rig.time.fetch_add(ns, Ordering::AcqRel);
            }
            Step::Push { ring, tgid, skew } => {
                number += 1;
                n_pushed[ring] += 1;
                rig.txs[ring].push(&frame(now(&rig) - skew, ring as u16, tgid, number)).unwrap();
            }
            Step::Begin { ring, tgid } => {
                number += 1;
                n_pushed[ring] += 1;
                let reservation = rig.txs[ring].reserve().unwrap();
                open.push((reservation, frame(now(&rig), ring as u16, tgid, number)));
            }
            Step::Submit if !open.is_empty() => {
                let (reservation, bytes) = open.remove(0);
                reservation.submit(&bytes);
            }
            Step::Submit => {}
            Step::Inject(tgid) => {
                number += 1;
                n_pushed[4] += 1;
                rig.injector.push(frame(0, 4, tgid, number)).unwrap();
            }
            Step::Poll(t) => {
                rig.threads[t].poll_once();
            }
            Step::Pop(t) => seen[t].pop_all(&rig.watermarks[t], &mut rig.lanes[t])?,
        }
    }
    for (reservation, bytes) in open {
        reservation.submit(&bytes);
    }
    rig.time.fetch_add(10 * GUARD_NS, Ordering::AcqRel);
    for (t, seen) in seen.iter_mut().enumerate() {
        for _ in 0..10_000 {
            if rig.threads[t].poll_once() == Progress::Idle {
                break;
            }
            // What is injected gets its key now, and goes when that has passed.
            rig.time.fetch_add(2 * GUARD_NS, Ordering::AcqRel);
            seen.pop_all(&rig.watermarks[t], &mut rig.lanes[t])?;
        }
    }
    for thread in rig.threads {
        thread.finish();
    }
    for (t, seen) in seen.iter_mut().enumerate() {
        prop_assert_eq!(rig.watermarks[t].get(), Key::MAX);
        // The floor is the last one before the end: `Key::MAX` comes with the last frames.
        seen.pop_all(&Watermark::new(), &mut rig.lanes[t])?;
        let m = &rig.meters[t];
        prop_assert_eq!(m.read.get(), m.routed.get());
        let n_injected = if t == 0 { n_pushed[4] } else { 0 };
        prop_assert_eq!(m.routed.get(), n_pushed[2 * t] + n_pushed[2 * t + 1] + n_injected);
        prop_assert_eq!(m.injected.get(), n_injected);
        prop_assert_eq!(seen.frames.len() as u64, m.routed.get());
    }
    let mut all: Vec<_> = seen.iter().flat_map(|s| &s.frames).copied().collect();
    all.sort_unstable();
    for cpu in 0..5 {
        let own: Vec<_> = all.iter().filter(|f| f.1 == cpu).collect();
        prop_assert!(own.is_sorted_by_key(|f| f.2), "a ring's own order is kept: {own:?}");
        if cpu == 4 {
            // Those get the time at which they are read.
            continue;
        }
        // Clocks differ by less than the guard, so no watermark ever raises a key: only the ring's own order does.
        let clock = clock(4);
        let mut next = 0;
        for (key, _, number, ts) in own {
            let ticks = clock.ticks_of(*ts).max(next);
            prop_assert_eq!(*key, clock.key(ticks, cpu), "frame {}", number);
            next = ticks + 1;
        }
    }
    all.dedup_by_key(|f| f.0);
    prop_assert_eq!(all.len() as u64, number, "keys have no ties");
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn order_watermark_and_counts_hold_for_any_timing(steps in steps(), max_frames in 1usize..5) {
        run(steps, 64, max_frames)?;
    }

    #[test]
    fn they_hold_with_lanes_of_one_batch(steps in steps(), max_frames in 1usize..3) {
        run(steps, 1, max_frames)?;
    }
}

#[test]
fn a_full_lane_does_not_hold_up_the_others() {
    let mut rig = rig(1, 1, 3, 1, 1);
    let tgids: Vec<u32> =
        (0..3).map(|shard| (1..1000).find(|&t| owner(t, 3) == shard).unwrap()).collect();
    let start = rig.time.load(Ordering::Acquire);
    // Shard 0 takes one batch on its lane and one in the thread's hand; its third frame has to wait.
    for (n, shard) in [0, 1, 0, 2, 0, 1].into_iter().enumerate() {
        rig.txs[0].push(&frame(start + n as u64, 0, tgids[shard], n as u64)).unwrap();
    }
    rig.time.fetch_add(10 * GUARD_NS, Ordering::AcqRel);
    rig.threads[0].poll_once();
    assert_eq!(rig.threads[0].poll_once(), Progress::Blocked);
    let depth: Vec<usize> = rig.lanes[0].iter().map(LaneRx::depth).collect();
    assert_eq!(depth, [1, 1, 1], "what could be pushed is pushed");
    let held = rig.watermarks[0].get();
    let first = rig.lanes[0][0].pop().unwrap();
    let mut last_released = first.last_key().unwrap();
    for rx in &mut rig.lanes[0][1..] {
        last_released = last_released.max(rx.pop().unwrap().last_key().unwrap());
    }
    assert!(held >= first.last_key().unwrap() && held < last_released);
    rig.lanes[0][0].recycle(first);
    while rig.threads[0].poll_once() != Progress::Idle {
        for rx in &mut rig.lanes[0] {
            if let Some(batch) = rx.pop() {
                rx.recycle(batch);
            }
        }
    }
    assert_eq!(rig.meters[0].routed.get(), 6);
}

#[test]
fn a_bad_record_is_counted_and_stepped_over() {
    let mut rig = rig(1, 1, 1, 8, 8);
    let now = rig.time.load(Ordering::Acquire);
    let good = frame(now, 0, 1, 1);
    let mut long = good.clone();
    long[8..12].copy_from_slice(&4096u32.to_le_bytes());
    let mut padded = good.clone();
    padded.extend_from_slice(&[0; 40]);
    for record in [&b"short"[..], &long, &padded, &good] {
        rig.txs[0].push(record).unwrap();
    }
    rig.time.fetch_add(10 * GUARD_NS, Ordering::AcqRel);
    while rig.threads[0].poll_once() != Progress::Idle {}
    let m = &rig.meters[0];
    assert_eq!(
        (m.read.get(), m.routed.get(), m.bad_header.get(), m.bad_length.get()),
        (4, 2, 1, 1)
    );
    let batch = rig.lanes[0][0].pop().unwrap();
    assert!(
        batch.frames().all(|(_, bytes)| bytes.len() == good.len()),
        "padding of the record is left behind"
    );
    assert_eq!(m.clamps.get(), 1, "two records of one tick");
}
