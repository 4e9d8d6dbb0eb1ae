//! Gate targets that the gate's own tests measure. `PEREGRINE_GATE_SLOWED=mixed` makes one of the functions spend more.

use std::hint::black_box;

use bench_harness::{Pass, run_targets};
use perf::CountingAlloc;

#[global_allocator]
static ALLOC: CountingAlloc = CountingAlloc::system();

fn summed(bytes: &[u8]) -> u64 {
    let mut sum = 0;
    for byte in bytes {
        sum += u64::from(*black_box(byte));
    }
    sum
}

fn mixed(bytes: &[u8], spends_more: bool) -> u64 {
    let mut mix = 0_u64;
    for byte in bytes {
        mix = mix.rotate_left(5) ^ u64::from(*black_box(byte));
        if spends_more {
            mix = black_box(mix);
        }
    }
    if spends_more {
        black_box(vec![mix]);
    }
    mix
}

fn checksum() -> Pass {
    let input: Vec<u8> = (0..=255).cycle().take(4096).collect();
    let spends_more = std::env::var("PEREGRINE_GATE_SLOWED").is_ok_and(|name| name == "mixed");
    let expected = mixed(&input, false);
    Pass::new(64, move || {
        assert_eq!(summed(black_box(&input)), 16 * 32_640);
        assert_eq!(mixed(black_box(&input), spends_more), expected);
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
