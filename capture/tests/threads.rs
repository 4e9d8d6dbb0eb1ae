//! Capture threads as threads: wake-up, idling, stress, and no allocation.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    thread,
    time::{Duration, Instant},
};

use bus::{BatchLimits, Key, KeyClock, LaneRx, Unparker, WaitLimits, Waiter, Watermark, lane};
use capture::{
    CaptureMeters, CaptureParts, CaptureThread, Seeds, SyntheticRing, SyntheticTx, TimeSource,
    synthetic_ring,
};
use event::{EventType, Frame, FrameHeader, FrameWriter};

#[global_allocator]
static ALLOC: perf::CountingAlloc<std::alloc::System> =
    perf::CountingAlloc::new(std::alloc::System);

fn frame_into(buf: &mut [u8], cpu: u16, tgid: u32, number: u64) -> &[u8] {
    let header = FrameHeader {
        ts: perf::boot_now_ns(),
        event_type: EventType::LISTEN_X.0,
        cpu,
        tid: tgid,
        tgid,
        start_ns: number,
        ..Default::default()
    };
    let mut w = FrameWriter::new(buf, header);
    w.i64(0).i64(3).i32(5);
    w.finish().unwrap()
}

struct Shard {
    waiter: Waiter,
    lanes: Vec<LaneRx>,
    watermarks: Vec<Arc<Watermark>>,
}

struct Rig {
    txs: Vec<SyntheticTx>,
    threads: Vec<CaptureThread<SyntheticRing>>,
    meters: Vec<CaptureMeters>,
    shards: Vec<Shard>,
    recorder: Option<LaneRx>,
}

fn rig(
    n_threads: usize,
    rings_each: usize,
    n_shards: usize,
    capacity: usize,
    limits: BatchLimits,
) -> Rig {
    let clock = KeyClock::new(n_threads * rings_each, perf::boot_now_ns() - 1_000_000_000);
    let new_shard = || Shard {
        waiter: Waiter::new(WaitLimits::default()),
        lanes: Vec::new(),
        watermarks: Vec::new(),
    };
    let mut rig = Rig {
        txs: Vec::new(),
        threads: Vec::new(),
        meters: Vec::new(),
        shards: (0..n_shards).map(|_| new_shard()).collect(),
        recorder: None,
    };
    for t in 0..n_threads {
        let watermark = Arc::new(Watermark::new());
        let mut out: Vec<(bus::LaneTx, Unparker)> = Vec::new();
        for shard in &mut rig.shards {
            let (tx, rx) = lane(capacity, limits);
            out.push((tx, shard.waiter.unparker()));
            shard.lanes.push(rx);
            shard.watermarks.push(Arc::clone(&watermark));
        }
        let mut rings = Vec::new();
        for r in 0..rings_each {
            let (tx, ring) = synthetic_ring((t * rings_each + r) as u16, 256).unwrap();
            rig.txs.push(tx);
            rings.push(ring);
        }
        let recorder = (t == 0).then(|| {
            let (tx, rx) = lane(64, limits);
            rig.recorder = Some(rx);
            (tx, Waiter::new(WaitLimits::default()).unparker())
        });
        let meters = CaptureMeters::default();
        let parts = CaptureParts {
            clock,
            lanes: out,
            recorder,
            watermark,
            meters: meters.clone(),
            seeds: None,
            time: TimeSource::Boot,
            wait: WaitLimits::default(),
        };
        rig.threads.push(CaptureThread::new(rings, parts).unwrap());
        rig.meters.push(meters);
    }
    CaptureThread::connect(&mut rig.threads);
    rig
}

/// Reads as a shard does, until every source has ended: watermarks first, then the lanes; gives the number of frames.
fn consume(mut shard: Shard, mut on_frame: impl FnMut(Key, &[u8], Key)) -> u64 {
    let mut n = 0;
    let mut last = vec![Key::MIN; shard.lanes.len()];
    let mut floor = vec![Key::MIN; shard.lanes.len()];
    loop {
        let marks: Vec<Key> = shard.watermarks.iter().map(|w| w.get()).collect();
        let mut has_worked = false;
        for (at, rx) in shard.lanes.iter_mut().enumerate() {
            while let Some(batch) = rx.pop() {
                for (key, bytes) in batch.frames() {
                    assert!(
                        key > last[at] && key > floor[at],
                        "{key} after {} and watermark {}",
                        last[at],
                        floor[at]
                    );
                    last[at] = key;
                    n += 1;
                    on_frame(key, bytes, *marks.iter().min().unwrap());
                }
                rx.recycle(batch);
                has_worked = true;
            }
        }
        floor.clone_from(&marks);
        if has_worked {
            shard.waiter.reset();
        } else if marks.iter().all(|&m| m == Key::MAX) {
            return n;
        } else {
            shard.waiter.idle();
        }
    }
}

#[test]
fn order_and_counts_hold_under_stress_with_lanes_of_one_batch() {
    const EACH: u64 = 20_000;
    let limits = BatchLimits { max_frames: 16, max_bytes: 8192 };
    let Rig { txs, threads, meters, shards, recorder, .. } = rig(2, 2, 3, 1, limits);
    let stop = AtomicBool::new(false);
    let done_recording = AtomicBool::new(false);
    let total: u64 = thread::scope(|s| {
        let consumers: Vec<_> =
            shards.into_iter().map(|shard| s.spawn(move || consume(shard, |_, _, _| {}))).collect();
        let recorder = s.spawn(|| {
            let (mut rx, mut n, mut last) = (recorder.unwrap(), 0, Key::MIN);
            loop {
                let is_done = done_recording.load(Ordering::Acquire);
                while let Some(batch) = rx.pop() {
                    assert!(batch.first_key().unwrap() > last);
                    last = batch.last_key().unwrap();
                    n += batch.len() as u64;
                    rx.recycle(batch);
                }
                if is_done {
                    return n;
                }
                thread::yield_now();
            }
        });
        let captures: Vec<_> = threads.into_iter().map(|t| s.spawn(|| t.run(&stop))).collect();
        let producers: Vec<_> = txs
            .into_iter()
            .enumerate()
            .map(|(cpu, tx)| {
                s.spawn(move || {
                    let mut buf = [0; 256];
                    for n in 0..EACH {
                        // Reserved before the clock is read, as the kernel side does.
                        let room = loop {
                            match tx.reserve() {
                                Ok(room) => break room,
                                Err(_) => thread::yield_now(),
                            }
                        };
                        room.submit(frame_into(&mut buf, cpu as u16, (n % 97) as u32, n));
                        if n % 512 == 0 {
                            thread::sleep(Duration::from_micros(300));
                        }
                    }
                })
            })
            .collect();
        for p in producers {
            p.join().unwrap();
        }
        stop.store(true, Ordering::Release);
        for c in captures {
            c.join().unwrap();
        }
        done_recording.store(true, Ordering::Release);
        assert_eq!(
            recorder.join().unwrap(),
            2 * EACH,
            "the recorder of thread 0 has all of its frames"
        );
        consumers.into_iter().map(|c| c.join().unwrap()).sum()
    });
    assert_eq!(total, 4 * EACH);
    for m in meters {
        assert_eq!((m.read.get(), m.routed.get(), m.abandoned.get()), (2 * EACH, 2 * EACH, 0));
        assert!(m.kernel_to_capture.max_ns() > 0);
    }
}

/// Nanoseconds of CPU that the calling thread has used.
fn thread_cpu_ns() -> u64 {
    let text = std::fs::read_to_string("/proc/thread-self/schedstat").unwrap();
    text.split_whitespace().next().unwrap().parse().unwrap()
}

#[test]
fn an_idle_thread_sleeps_and_its_first_record_releases_at_once() {
    let Rig { txs, threads, meters, mut shards, recorder, .. } =
        rig(2, 1, 1, 4, BatchLimits::default());
    drop(recorder);
    let stop = AtomicBool::new(false);
    let shard = shards.pop().unwrap();
    thread::scope(|s| {
        let captures: Vec<_> = threads
            .into_iter()
            .map(|t| {
                s.spawn(|| {
                    let before = thread_cpu_ns();
                    t.run(&stop);
                    thread_cpu_ns() - before
                })
            })
            .collect();
        let releaser = s.spawn(move || {
            // A frame is released once the smallest watermark, the sleeping thread's included, has passed it.
            let mut shard = shard;
            let (mut held, mut delays) = (Vec::new(), Vec::new());
            loop {
                let mark = shard.watermarks.iter().map(|w| w.get()).min().unwrap();
                let mut has_worked = false;
                for rx in &mut shard.lanes {
                    while let Some(batch) = rx.pop() {
                        held.extend(
                            batch.frames().map(|(k, b)| (k, Frame::parse(b).unwrap().header().ts)),
                        );
                        rx.recycle(batch);
                        has_worked = true;
                    }
                }
                held.retain(|&(key, ts)| {
                    if key <= mark {
                        delays.push(perf::boot_now_ns().saturating_sub(ts));
                        has_worked = true;
                    }
                    key > mark
                });
                if has_worked {
                    shard.waiter.reset();
                } else if mark == Key::MAX {
                    return delays;
                } else {
                    shard.waiter.idle();
                }
            }
        });
        let start = Instant::now();
        let mut buf = [0; 256];
        for n in 0..40 {
            thread::sleep(Duration::from_millis(50));
            txs[n % 2].push(frame_into(&mut buf, (n % 2) as u16, 1, n as u64)).unwrap();
        }
        let elapsed = start.elapsed();
        thread::sleep(Duration::from_millis(50));
        stop.store(true, Ordering::Release);
        for c in captures {
            let used = Duration::from_nanos(c.join().unwrap());
            assert!(used < elapsed / 50, "a nearly idle thread used {used:?} of {elapsed:?}");
        }
        let mut delays = releaser.join().unwrap();
        assert_eq!(delays.len(), 40);
        delays.sort_unstable();
        assert!(
            delays[20] < 1_000_000,
            "record to release: p50 {} ns, max {} ns",
            delays[20],
            delays[39]
        );
    });
    assert!(meters.iter().all(|m| m.sleeps.get() > 0));
}

#[test]
fn moving_frames_allocates_nothing_after_warm_up() {
    let limits = BatchLimits { max_frames: 32, max_bytes: 16 << 10 };
    let Rig { txs, mut threads, mut shards, recorder, meters } = rig(1, 2, 2, 2, limits);
    let mut recorder = recorder.unwrap();
    let mut buf = [0; 256];
    let mut n = 0u64;
    let mut round = |n: &mut u64| {
        for _ in 0..50 {
            for (cpu, tx) in txs.iter().enumerate() {
                tx.push(frame_into(&mut buf, cpu as u16, (*n % 31) as u32, *n)).unwrap();
                *n += 1;
            }
            threads[0].poll_once();
            for rx in shards.iter_mut().flat_map(|s| &mut s.lanes).chain([&mut recorder]) {
                while let Some(batch) = rx.pop() {
                    rx.recycle(batch);
                }
            }
        }
    };
    for _ in 0..5 {
        round(&mut n);
    }
    let before = perf::thread_allocs();
    for _ in 0..100 {
        round(&mut n);
    }
    assert_eq!(perf::thread_allocs() - before, 0, "after {n} frames");
    assert!(meters[0].routed.get() > 9_000);
}

#[test]
fn seeds_come_before_every_frame_of_a_ring() {
    let seeds = Seeds::snapshot().unwrap();
    let n_seeds = seeds.len() as u64;
    let (lane_tx, mut rx) = lane(1024, BatchLimits::default());
    let watermark = Arc::new(Watermark::new());
    let (tx, ring) = synthetic_ring(0, 8).unwrap();
    let meters = CaptureMeters::default();
    let parts = CaptureParts {
        clock: KeyClock::new(1, perf::boot_now_ns() - 1_000_000_000),
        lanes: vec![(lane_tx, Waiter::new(WaitLimits::default()).unparker())],
        recorder: None,
        watermark,
        meters: meters.clone(),
        seeds: Some(seeds),
        time: TimeSource::Boot,
        wait: WaitLimits::default(),
    };
    let mut buf = [0; 256];
    tx.push(frame_into(&mut buf, 0, 1, 7)).unwrap();
    CaptureThread::new(vec![ring], parts).unwrap().finish();
    let mut keys = Vec::new();
    while let Some(batch) = rx.pop() {
        keys.extend(batch.frames().map(|f| f.0.0));
    }
    assert_eq!(keys.len() as u64, n_seeds + 1);
    assert!(keys[..n_seeds as usize].iter().copied().eq(1..=n_seeds));
    assert!(keys[n_seeds as usize] > n_seeds);
}

/// A reader takes what the watermark has released, as a shard does, and the lane holds a fraction of the seeds.
#[test]
fn seeds_pass_a_small_lane_while_a_frame_waits_in_the_ring() {
    let seeds = Seeds::snapshot().unwrap();
    let n_seeds = seeds.len() as u64;
    let (lane_tx, mut rx) = lane(1, BatchLimits { max_frames: 2, ..BatchLimits::default() });
    let watermark = Arc::new(Watermark::new());
    let (tx, ring) = synthetic_ring(0, 8).unwrap();
    let parts = CaptureParts {
        clock: KeyClock::new(1, perf::boot_now_ns() - 1_000_000_000),
        lanes: vec![(lane_tx, Waiter::new(WaitLimits::default()).unparker())],
        recorder: None,
        watermark: Arc::clone(&watermark),
        meters: CaptureMeters::default(),
        seeds: Some(seeds),
        time: TimeSource::Boot,
        wait: WaitLimits::default(),
    };
    let mut buf = [0; 256];
    tx.push(frame_into(&mut buf, 0, 1, 7)).unwrap();
    let mut thread = CaptureThread::new(vec![ring], parts).unwrap();
    let (mut n_read, mut next) = (0, None);
    for _ in 0..10 * n_seeds {
        thread.poll_once();
        next = next.or_else(|| rx.pop());
        if let Some(batch) = next.take_if(|b| b.last_key() <= Some(watermark.get())) {
            n_read += batch.len() as u64;
            rx.recycle(batch);
        }
    }
    assert!(n_read >= n_seeds, "{n_read} of {n_seeds}");
}

#[test]
fn frames_for_a_shard_that_is_gone_are_counted() {
    let Rig { txs, threads, shards, meters, recorder } = rig(1, 1, 1, 2, BatchLimits::default());
    drop((shards, recorder));
    let mut buf = [0; 256];
    for n in 0..100 {
        txs[0].push(frame_into(&mut buf, 0, 1, n)).unwrap();
    }
    for t in threads {
        t.finish();
    }
    let m = &meters[0];
    assert_eq!((m.routed.get(), m.abandoned.get(), m.unrecorded.get()), (100, 100, 100));
}
