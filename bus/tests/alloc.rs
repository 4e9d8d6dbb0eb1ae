//! Lanes, batches, watermarks and waiting do not allocate once they are made.
#![cfg(not(loom))]

use std::time::Duration;

use bus::{BatchLimits, Key, KeyClock, RingKeys, WaitLimits, Waiter, Watermark, alert_lane, lane};
use perf::CountingAlloc;

#[global_allocator]
static ALLOC: CountingAlloc = CountingAlloc::system();

#[test]
fn a_million_frames_through_a_lane_allocate_nothing() {
    let (mut tx, mut rx) = lane(2, BatchLimits { max_frames: 64, max_bytes: 16 * 1024 });
    let (mut alerts, mut out) = alert_lane::<u64>(8);
    let watermark = Watermark::new();
    let mut keys = RingKeys::new(KeyClock::new(8, 0), 3);
    let mut waiter = Waiter::new(WaitLimits {
        n_spins: 1,
        n_yields: 1,
        min_sleep: Duration::from_nanos(1),
        max_sleep: Duration::from_nanos(2),
    });
    let unparker = waiter.unparker();
    let frame = [7; 1024];
    let before = perf::thread_allocs();
    assert!(before > 0, "the allocator counts");

    // Warm-up is the construction above: the first round is as the last.
    let mut n = 0_usize;
    while n < 1_000_000 {
        let mut batch = tx.take().expect("the last one came home");
        while batch.push(keys.stamp(n as u64, Key::MIN), &frame[..n % frame.len()]).is_ok() {
            n += 1;
        }
        watermark.publish(batch.last_key().expect("frames"));
        tx.push(batch).expect("the lane is empty");
        unparker.wake();
        let batch = rx.pop().expect("just pushed");
        assert_eq!(batch.frames().map(|(key, _)| key).max(), Some(watermark.get()));
        rx.recycle(batch);
        alerts.push(1).expect("the lane is empty");
        assert_eq!(out.pop(), Some(1));
        (0..5).for_each(|_| waiter.idle());
        waiter.reset();
    }
    assert_eq!(perf::thread_allocs(), before);
}
