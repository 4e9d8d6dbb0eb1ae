//! Takes the time of the engine's parts on this machine: what the costs of the simulation are made of.

use std::hint::black_box;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

use bench_harness::samples::{self, At};
use bus::{
    BatchLimits, Key, KeyClock, LaneTx, Sleeping, Unparker, WaitLimits, Waiter, Watermark,
    alert_lane, lane,
};
use capture::{CaptureMeters, CaptureParts, CaptureThread, TimeSource, synthetic_ring};
use rules::{DEFAULT_RULES, Options, RuleMatching, Ruleset, Source};
use stages::{
    DeferralLimits, Lineage, LineageLimits, Merge, Shard, ShardConfig, ShardMeters, Users,
};

const N_ROUNDS: usize = 300;
const LIMITS: BatchLimits = BatchLimits { max_frames: 512, max_bytes: 512 << 10 };
const WINDOW: u64 = 256;
const MAKE: At = At { ts: 2, cpu: 0, tgid: 4_242, parent: 4_000 };

/// Prints ns of each part, the least of many rounds: whatever else runs here only adds.
pub(crate) fn measure() {
    for n_lanes in [1, 2, 4, 8, 16] {
        println!("merge, {n_lanes:>2} lanes: {:>7.1} ns a frame", merge(n_lanes));
    }
    for n_rings in [1, 2, 4, 8, 16, 32, 64] {
        let (idle, frame) = capture(n_rings, 8);
        println!(
            "capture thread, {n_rings:>2} rings, 8 lanes: {idle:>7.1} ns an idle poll, {frame:>6.1} ns a frame"
        );
    }
    for n_lanes in [1, 16, 64] {
        let (idle, frame) = capture(8, n_lanes);
        println!(
            "capture thread, 8 rings, {n_lanes:>2} lanes: {idle:>7.1} ns an idle poll, {frame:>6.1} ns a frame"
        );
    }
    let kinds: [(&str, FrameOf); 4] = [
        ("open", |at| samples::open(At { ts: at.ts, ..MAKE })),
        ("fork", samples::fork),
        ("exec", |at| samples::exec(at, false)),
        ("exit", samples::exit),
    ];
    for (name, frame) in kinds {
        println!(
            "shard, {name}, 41 rules, windows of {WINDOW}: {:>7.1} ns a frame",
            shard(frame, WINDOW, 1) / WINDOW as f64
        );
    }
    for n_shards in [1, 8, 16, 64] {
        println!(
            "shard of {n_shards}, open, windows of 1: {:>7.1} ns a window",
            shard(kinds[0].1, 1, n_shards)
        );
    }
}

type FrameOf = fn(At) -> Vec<u8>;

/// The least time that `work` takes behind `prepare`.
fn least_ns<S>(state: &mut S, prepare: impl Fn(&mut S), work: impl Fn(&mut S)) -> f64 {
    let round = |_| {
        prepare(state);
        let begin = Instant::now();
        work(state);
        begin.elapsed().as_nanos() as f64
    };
    (0..N_ROUNDS).map(round).fold(f64::INFINITY, f64::min)
}

/// A window of frames that alternate between the lanes.
fn merge(n_lanes: u64) -> f64 {
    let frame = samples::open(MAKE);
    let (mut txs, rxs): (Vec<LaneTx>, Vec<_>) = (0..n_lanes).map(|_| lane(4, LIMITS)).unzip();
    let watermark = Arc::new(Watermark::new());
    let merge = Merge::new(rxs, vec![Arc::clone(&watermark)], WINDOW as usize);
    let mut state = (merge, 0);
    let txs = std::cell::RefCell::new(&mut txs);
    let prepare = |(_, key): &mut (Merge, u64)| {
        for (n, tx) in (1..).zip(txs.borrow_mut().iter_mut()) {
            let mut batch = tx.take().expect("every batch came home");
            for i in 0..WINDOW / n_lanes {
                let _whole = batch.push(Key(*key + i * n_lanes + n), &frame);
            }
            let _room = tx.push(batch);
        }
        *key += WINDOW;
        watermark.publish(Key(*key));
    };
    let work = |(merge, _): &mut (Merge, u64)| {
        let bound = merge.bound();
        merge.fill(bound);
        assert_eq!(merge.len() as u64, WINDOW);
        black_box(merge.frames().filter(|(_, bytes)| bytes.len() > 8).count());
        merge.clear();
    };
    least_ns(&mut state, prepare, work) / WINDOW as f64
}

/// ns of a poll that finds nothing, and of each frame of a poll that finds 512, dealt to all rings in turns.
fn capture(n_rings: usize, n_lanes: usize) -> (f64, f64) {
    const N: usize = 512;
    let time = Arc::new(AtomicU64::new(1_000_000));
    let (txs, rings): (Vec<_>, Vec<_>) =
        (0..n_rings).map(|cpu| synthetic_ring(cpu as u16, N + 1).expect("an eventfd")).unzip();
    let (lanes, mut readers): (Vec<_>, Vec<_>) = (0..n_lanes)
        .map(|_| {
            let (tx, rx) = lane(8, LIMITS);
            ((tx, Waiter::new(WaitLimits::default()).unparker()), rx)
        })
        .unzip();
    let mut thread = CaptureThread::new(
        rings,
        CaptureParts {
            clock: KeyClock::new(n_rings, 0),
            lanes,
            recorder: None,
            watermark: Arc::new(Watermark::new()),
            meters: CaptureMeters::default(),
            seeds: None,
            time: TimeSource::Manual(Arc::clone(&time)),
            wait: WaitLimits::default(),
        },
    )
    .expect("an eventfd");
    let readers = std::cell::RefCell::new(&mut readers);
    let empty = || {
        for rx in readers.borrow_mut().iter_mut() {
            while let Some(batch) = rx.pop() {
                rx.recycle(batch);
            }
        }
    };
    let idle = least_ns(
        &mut thread,
        |_| (),
        |thread| {
            for _ in 0..100 {
                black_box(thread.poll_once());
            }
        },
    ) / 100.0;
    let busy = least_ns(
        &mut thread,
        |_| {
            empty();
            // Later than what was seen before, and long past when it is read.
            let begin = time.load(Ordering::Relaxed);
            for i in 0..N {
                let (ts, tgid) = (begin + 100 * i as u64, 1 + i as u32);
                let frame = samples::open(At { ts, cpu: 0, tgid, parent: 1 });
                txs[i % n_rings].push(&frame).expect("room for a round");
            }
            time.store(begin + 1_000_000, Ordering::Release);
        },
        |thread| while thread.poll_once() == capture::Progress::Worked {},
    );
    (idle, busy / N as f64)
}

/// ns of a window of so many frames on one of so many shards, the others awake and idle.
fn shard(frame: FrameOf, n_frames: u64, n_shards: usize) -> f64 {
    let source = Source { name: "default.yaml".into(), text: DEFAULT_RULES.into() };
    let Ok(ruleset) = Ruleset::load(vec![source], Options::default()) else {
        unreachable!("the shipped rules load")
    };
    let (tx, rx) = lane(8, LIMITS);
    let watermark = Arc::new(Watermark::new());
    let (alerts, _raised) = alert_lane(1024);
    let awake = || Unparker::new(Arc::new(Sleeping::new()), || ());
    let shard = Shard::new(ShardConfig {
        index: 0,
        lanes: vec![rx],
        watermarks: vec![Arc::clone(&watermark)],
        sources: Vec::new(),
        lineage: Arc::new(Lineage::new(n_shards, |_, _| 0, LineageLimits::default())),
        peers: (0..n_shards).map(|_| awake()).collect(),
        waiter: Waiter::new(WaitLimits::default()),
        ruleset: Arc::new(ruleset),
        matching: RuleMatching::First,
        alerts,
        output: None,
        meters: ShardMeters::default(),
        hostname: "host".into(),
        users: Arc::new(Users::from_files(b"user:x:1000:1000::/home/user:/bin/sh\n", b"")),
        clock_offset_ns: 0,
        utc_offset_s: 0,
        evt_num_shift: 0,
        buffers: stages::BufferFormat::default(),
        late_after: None,
        deferral: DeferralLimits::default(),
    });
    let push = |tx: &mut LaneTx, frames: &[Vec<u8>], first: u64| {
        let mut batch = tx.take().expect("every batch came home");
        for (key, frame) in (first..).zip(frames) {
            if batch.push(Key(key), frame).is_err() {
                let full = std::mem::replace(&mut batch, tx.take().expect("batches are left"));
                let _room = tx.push(full);
                let _whole = batch.push(Key(key), frame);
            }
        }
        let _room = tx.push(batch);
        watermark.publish(Key(first + frames.len() as u64 - 1));
    };
    let shell = At { ts: 1, cpu: 0, tgid: MAKE.parent, parent: 1 };
    let mut state = (shard, tx, 1);
    push(&mut state.1, &[samples::exec(shell, true), samples::exec(MAKE, true)], 1);
    state.2 += 2;
    while state.0.poll_once() == stages::Progress::Worked {}
    least_ns(
        &mut state,
        |(_, tx, key)| {
            let at =
                |key: u64| At { ts: key, cpu: 0, tgid: 10_000 + key as u32, parent: MAKE.tgid };
            let frames: Vec<_> = (*key..*key + n_frames).map(|key| frame(at(key))).collect();
            push(tx, &frames, *key);
            *key += n_frames;
        },
        |(shard, ..)| while shard.poll_once() == stages::Progress::Worked {},
    )
}
