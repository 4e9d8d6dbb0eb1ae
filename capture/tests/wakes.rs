//! How often a capture thread naps and sleeps where records come often.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    thread,
    time::{Duration, Instant},
};

use bus::{BatchLimits, KeyClock, WaitLimits, Waiter, Watermark, lane};
use capture::{
    CaptureMeters, CaptureParts, CaptureThread, NAP, Peek, Ring, SyntheticRing, SyntheticTx,
    TimeSource, synthetic_ring,
};
use event::{EventType, FrameHeader, FrameWriter};

fn push(tx: &SyntheticTx, ts: u64) {
    let header = FrameHeader {
        ts,
        event_type: EventType::LISTEN_X.0,
        tid: 1,
        tgid: 1,
        ..Default::default()
    };
    let mut buf = [0; 256];
    let mut w = FrameWriter::new(&mut buf, header);
    w.i64(0).i64(3).i32(5);
    tx.push(w.finish().unwrap()).unwrap();
}

/// Records every 20 us: forty for each nap.
/// Gives how long it took, how many there were, and how often the thread napped and slept.
fn steady(may_wait: Duration) -> (Duration, u64, u64, u64) {
    let (tx, ring) = synthetic_ring(0, 1 << 16).unwrap();
    let (lane_tx, mut rx) = lane(64, BatchLimits::default());
    let meters = CaptureMeters::default();
    let parts = CaptureParts {
        clock: KeyClock::new(1, perf::boot_now_ns() - 1_000_000_000),
        lanes: vec![(lane_tx, Waiter::new(WaitLimits::WOKEN).unparker())],
        recorder: None,
        watermark: Arc::new(Watermark::new()),
        meters: meters.clone(),
        seeds: None,
        time: TimeSource::Boot,
        wait: WaitLimits::WOKEN,
    };
    let thread = CaptureThread::new(vec![Roomy(ring, may_wait)], parts).unwrap();
    let stop = AtomicBool::new(false);
    let start = Instant::now();
    let mut n = 0;
    let n_read = thread::scope(|s| {
        let waker = thread.unparker();
        let capture = s.spawn(|| thread.run(&stop));
        let mut n_read = 0;
        while n < 10_000 {
            let next = start + Duration::from_micros(20 * n);
            while Instant::now() < next {
                std::hint::spin_loop();
            }
            push(&tx, perf::boot_now_ns());
            n += 1;
            while let Some(batch) = rx.pop() {
                n_read += batch.len() as u64;
                rx.recycle(batch);
            }
        }
        stop.store(true, Ordering::Release);
        waker.wake();
        capture.join().unwrap();
        while let Some(batch) = rx.pop() {
            n_read += batch.len() as u64;
        }
        n_read
    });
    assert_eq!(n_read, n);
    (start.elapsed(), n, meters.naps.get(), meters.sleeps.get())
}

/// A ring whose reader may look away for so long.
#[derive(Debug)]
struct Roomy(SyntheticRing, Duration);

impl Ring for Roomy {
    fn cpu(&self) -> u16 {
        self.0.cpu()
    }
    fn peek(&mut self) -> Peek<'_> {
        self.0.peek()
    }
    fn advance(&mut self) {
        self.0.advance();
    }
    fn release(&mut self) {
        self.0.release();
    }
    fn is_drained(&self) -> bool {
        self.0.is_drained()
    }
    fn set_sleeping(&self, sleeping: bool) {
        self.0.set_sleeping(sleeping);
    }
    fn fd(&self) -> Option<std::os::fd::RawFd> {
        self.0.fd()
    }
    fn may_wait(&self) -> Duration {
        self.1
    }
}

#[test]
fn frequent_records_wake_a_thread_no_more_than_its_naps_allow() {
    let (took, n, n_naps, n_sleeps) = steady(Duration::MAX);
    // Whatever else runs on the machine: naps end at multiples of their period, and of two sleeps in a row the first is longer than half of that.
    let n_periods = (took.as_nanos() / NAP.as_nanos()) as u64 + 2;
    assert!(n_naps > 0 && n_naps <= n_periods, "{n_naps} naps in {n_periods} periods");
    assert!(n_sleeps <= n_naps + 2 * n_periods, "{n_sleeps} sleeps in {n_periods} periods");
    println!("{n} records in {took:?}: {n_naps} naps, {n_sleeps} sleeps");
}

#[test]
fn a_small_ring_is_not_napped_over() {
    let (_, _, n_naps, n_sleeps) = steady(Duration::from_micros(16));
    assert_eq!(n_naps, 0);
    assert!(n_sleeps > 0);
}
