//! A capture thread and shards of bounded speed: a hot process is spread and comes back, a shard that lags gets less, state stays with the owner.

use std::sync::{
    Arc,
    atomic::{AtomicU64, Ordering},
};

use bus::{BatchLimits, KeyClock, LaneRx, WaitLimits, Waiter, Watermark, lane};
use capture::{
    CaptureMeters, CaptureParts, CaptureThread, GUARD_NS, Spread, SyntheticRing, SyntheticTx,
    TimeSource, owner, synthetic_ring,
};
use event::{EventType, FrameHeader, FrameWriter, HEADER_LEN};

const EPOCH: u64 = 1_000_000_000;
const N_SHARDS: usize = 4;
const CAPACITY: usize = 8;
const BATCH_FRAMES: usize = 64;
const HOT: u32 = 1000;
const N_THREADS: u32 = 8;

/// How many frames a shard got in a round.
#[derive(Clone, Copy, Debug, Default)]
struct Got {
    /// Of the hot process, without state.
    hot: usize,
    /// Of the hot process, with state.
    state: usize,
    others: usize,
}

struct Rig {
    time: Arc<AtomicU64>,
    tx: SyntheticTx,
    thread: CaptureThread<SyntheticRing>,
    meters: CaptureMeters,
    lanes: Vec<LaneRx>,
    n_frames: u32,
}

impl Rig {
    fn new() -> Self {
        let time = Arc::new(AtomicU64::new(EPOCH));
        let (mut out, mut lanes) = (Vec::new(), Vec::new());
        for _ in 0..N_SHARDS {
            let limits = BatchLimits { max_frames: BATCH_FRAMES, max_bytes: 16 << 10 };
            let (tx, rx) = lane(CAPACITY, limits);
            out.push((tx, Waiter::new(WaitLimits::default()).unparker()));
            lanes.push(rx);
        }
        let (tx, ring) = synthetic_ring(0, 1 << 14).unwrap();
        let meters = CaptureMeters::default();
        let parts = CaptureParts {
            clock: KeyClock::new(1, EPOCH),
            lanes: out,
            recorder: None,
            watermark: Arc::new(Watermark::new()),
            meters: meters.clone(),
            seeds: None,
            time: TimeSource::Manual(Arc::clone(&time)),
            wait: WaitLimits::default(),
        };
        let thread = CaptureThread::new(vec![ring], parts).unwrap();
        Self { time, tx, thread, meters, lanes, n_frames: 0 }
    }

    fn push(&mut self, ty: EventType, tgid: u32, tid: u32) {
        let ts = self.time.fetch_add(GUARD_NS, Ordering::AcqRel);
        let header =
            FrameHeader { ts, event_type: ty.0, tid, tgid, start_ns: 1, ..FrameHeader::default() };
        let mut buf = [0; 128];
        let mut w = FrameWriter::new(&mut buf, header);
        w.i64(0);
        self.tx.push(w.finish().unwrap()).unwrap();
    }

    /// A round: so many frames of the hot process, from its threads in turn, one of 50 with state, and 64 of others. Then each shard takes up
    /// to `speed` batches.
    fn round(&mut self, n_hot: u32, speed: [usize; N_SHARDS]) -> [Got; N_SHARDS] {
        for n in 0..n_hot {
            self.n_frames += 1;
            let ty = if n % 50 == 0 { EventType::CHDIR_X } else { EventType::WRITE_X };
            self.push(ty, HOT, HOT + self.n_frames % N_THREADS);
        }
        for n in 0..64 {
            self.n_frames += 1;
            self.push(EventType::WRITE_X, 2000 + n, 2000 + n);
        }
        let mut got = [Got::default(); N_SHARDS];
        // It is stopped by full lanes, not by the number of its polls.
        for _ in 0..4 {
            self.thread.poll_once();
        }
        for ((shard, speed), got) in speed.into_iter().enumerate().zip(&mut got) {
            for _ in 0..speed {
                let Some(batch) = self.lanes[shard].pop() else { break };
                for (_, bytes) in batch.frames() {
                    let header =
                        FrameHeader::from_bytes(bytes.first_chunk::<HEADER_LEN>().unwrap());
                    let is_own = shard == owner(header.tgid, N_SHARDS);
                    assert!(is_own || !header.carries_state(), "state goes to the owner");
                    match header.tgid {
                        HOT if header.carries_state() => got.state += 1,
                        HOT => got.hot += 1,
                        _ => got.others += 1,
                    }
                }
                self.lanes[shard].recycle(batch);
            }
        }
        got
    }

    fn rounds(&mut self, n: usize, n_hot: u32, speed: [usize; N_SHARDS]) -> [Got; N_SHARDS] {
        let mut sum = [Got::default(); N_SHARDS];
        for _ in 0..n {
            for (sum, got) in sum.iter_mut().zip(self.round(n_hot, speed)) {
                sum.hot += got.hot;
                sum.state += got.state;
                sum.others += got.others;
            }
        }
        sum
    }
}

/// Each shard takes two batches of 64 frames a round, and there are 320 frames: too much for one shard, not for four.
const FAST: [usize; N_SHARDS] = [2; N_SHARDS];
const HEAT: u32 = 256;

fn share_of_busiest(got: &[Got]) -> f64 {
    let n = |got: &Got| got.hot + got.state + got.others;
    let all: usize = got.iter().map(n).sum();
    got.iter().map(n).max().unwrap() as f64 / all as f64
}

#[test]
fn a_hot_process_spreads_over_the_shards_and_comes_back() {
    let mut rig = Rig::new();
    rig.rounds(30, HEAT, FAST);
    let got = rig.rounds(50, HEAT, FAST);
    assert!(share_of_busiest(&got) < 0.4, "{got:?}");
    assert!(got.iter().all(|got| got.hot > 1000), "{got:?}");
    let own = owner(HOT, N_SHARDS);
    let n_state: usize = got.iter().map(|got| got.state).sum();
    assert!(n_state > 200 && got[own].state == n_state, "{got:?}");
    assert!(rig.meters.hot.get() == 1 && rig.meters.spread.get() > 5000);

    // The heat is over: what is left of its frames goes to its owner again.
    rig.rounds(400, 8, FAST);
    assert_eq!(rig.meters.hot.get(), 0);
    let n_spread = rig.meters.spread.get();
    let got = rig.rounds(50, 8, FAST);
    assert_eq!(got[own].hot, got.iter().map(|got| got.hot).sum::<usize>());
    assert_eq!(rig.meters.spread.get(), n_spread);
}

#[test]
fn one_hot_thread_is_spread_too() {
    let mut rig = Rig::new();
    for n in 0..60 {
        for _ in 0..HEAT {
            rig.push(EventType::WRITE_X, HOT, HOT);
        }
        if n == 10 {
            assert_eq!(rig.meters.hot.get(), 1);
        }
        rig.rounds(1, 0, FAST);
    }
    let got = rig.rounds(5, HEAT, FAST);
    assert!(share_of_busiest(&got) < 0.4, "{got:?}");
}

#[test]
fn a_lagging_shard_gets_less_of_the_hot_process() {
    let mut rig = Rig::new();
    let slow = (owner(HOT, N_SHARDS) + 1) % N_SHARDS;
    let mut speed = [3; N_SHARDS];
    speed[owner(HOT, N_SHARDS)] = 2;
    rig.rounds(80, HEAT, speed);
    assert_eq!(rig.meters.hot.get(), 1);
    speed[slow] = 1;
    rig.rounds(20, HEAT, speed);
    let got = rig.rounds(50, HEAT, speed);
    let of_others: Vec<usize> = (0..N_SHARDS).filter(|&n| n != slow).map(|n| got[n].hot).collect();
    assert!(of_others.iter().all(|&n| n > got[slow].hot), "{got:?}");
}

#[test]
fn spreading_can_be_switched_off() {
    let mut rig = Rig::new();
    rig.thread.set_spread(Spread::Off);
    let got = rig.rounds(40, HEAT, FAST);
    let own = owner(HOT, N_SHARDS);
    assert_eq!(got[own].hot, got.iter().map(|got| got.hot).sum::<usize>());
    assert_eq!((rig.meters.spread.get(), rig.meters.hot.get()), (0, 0));
}
