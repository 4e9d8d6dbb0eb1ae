//! A gate target that the gate's own tests measure.

use std::hint::black_box;

use bench_harness::{Pass, run_targets};
use perf::CountingAlloc;

#[global_allocator]
static ALLOC: CountingAlloc = CountingAlloc::system();

fn checksum() -> Pass {
    let input: Vec<u8> = (0..=255).cycle().take(4096).collect();
    Pass::new(64, move || {
        let sum: u64 = black_box(&input).iter().map(|b| u64::from(*b)).sum();
        assert_eq!(sum, 16 * 32_640);
    })
}

fn boxes() -> Pass {
    Pass::new(10, || {
        for n in 0..10 {
            black_box(Box::new(black_box(n)));
        }
    })
}

fn main() {
    let targets = [
        ("checksum", "gate_sample::checksum", checksum as fn() -> Pass),
        ("boxes", "gate_sample::boxes", boxes),
    ];
    run_targets(&targets, std::env::args().skip(1));
}
