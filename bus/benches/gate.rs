//! Gate target: one hop over a lane, from an open batch to its return.

use std::hint::black_box;

use bench_harness::{Pass, TargetFn, run_targets};
use bus::{BatchLimits, Key, Watermark, lane};
use perf::CountingAlloc;

#[global_allocator]
static ALLOC: CountingAlloc = CountingAlloc::system();

const N_BATCHES: u64 = 8;
const N_FRAMES: u64 = 256;

/// Frames into a batch, the batch over the lane, the watermark, every frame looked at, the batch home.
fn lane_hop() -> Pass {
    let limits = BatchLimits { max_frames: 256, max_bytes: 64 * 1024 };
    let (mut tx, mut rx) = lane(4, limits);
    let watermark = Watermark::new();
    let frame = [7u8; 168];
    let mut key = 0;
    Pass::new(N_BATCHES * N_FRAMES, move || {
        let mut n_seen = 0;
        for _ in 0..N_BATCHES {
            let mut batch = tx.take().expect("every batch came home");
            for _ in 0..N_FRAMES {
                key += 1;
                batch.push(Key(key), black_box(&frame)).expect("the batch has room");
            }
            tx.push(batch).expect("the lane has room");
            watermark.publish(Key(key));
            let released = watermark.get();
            let batch = rx.pop().expect("the batch is there");
            for (key, frame) in batch.frames() {
                assert!(key <= released && black_box(frame).len() == 168);
                n_seen += 1;
            }
            rx.recycle(batch);
        }
        assert_eq!(n_seen, N_BATCHES * N_FRAMES);
    })
}

fn main() {
    let targets: [TargetFn; 1] =
        [("lane_hop", "bus::Batch::push, LaneTx::push, LaneRx::pop", lane_hop)];
    run_targets(&targets, std::env::args().skip(1));
}
