//! What a frame costs from the ring's bytes to the shard's hands: `cargo bench -p bus --bench lane`.
//!
//! One thread does both ends, so the numbers are instructions and copies, not the distance between two cores.

use std::hint::black_box;

use bus::{Batch, BatchLimits, Key, KeyClock, RingKeys, Watermark, lane};
use criterion::{Criterion, Throughput, criterion_group, criterion_main};

fn fill(batch: &mut Batch, keys: &mut RingKeys, frame: &[u8]) -> usize {
    let mut n = 0;
    while batch.push(keys.stamp(n, Key::MIN), frame).is_ok() {
        n += 1;
    }
    n as usize
}

fn drain(batch: &Batch) -> u64 {
    batch.frames().map(|(key, frame)| key.0 ^ frame.len() as u64).fold(0, u64::wrapping_add)
}

fn lane_hop(c: &mut Criterion) {
    let limits = BatchLimits::default();
    let mut group = c.benchmark_group("lane_hop");
    for len_bytes in [64, 256, 1024] {
        let frame = vec![7_u8; len_bytes];
        let (mut tx, mut rx) = lane(2, limits);
        let watermark = Watermark::new();
        let mut keys = RingKeys::new(KeyClock::new(8, 0), 1);
        let mut hop = || {
            let mut batch = tx.take().expect("the last one came home");
            let n = fill(&mut batch, &mut keys, black_box(&frame));
            let last = batch.last_key().expect("frames");
            tx.push(batch).expect("the lane is empty");
            watermark.publish(last);
            let released = watermark.get();
            let batch = rx.pop().expect("just pushed");
            assert!(batch.last_key() <= Some(released));
            black_box(drain(&batch));
            rx.recycle(batch);
            n
        };
        // Checked before it is timed: a full batch each time.
        let n = hop();
        assert_eq!(n, limits.max_frames.min(limits.max_bytes / len_bytes));
        group.throughput(Throughput::Elements(n as u64));
        group.bench_function(format!("{len_bytes} B"), |b| b.iter(&mut hop));
    }
    group.finish();
}

criterion_group!(benches, lane_hop);
criterion_main!(benches);
