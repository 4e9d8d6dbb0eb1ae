//! Measures and checks of whole programs; this library is what the gate's targets in the crates' `benches/gate.rs` are made with.
//!
//! `a target = named passes over fixed input -> run under callgrind by "peregrine-bench gate" -> instructions and allocations per event`
//!
//! ```
//! use bench_harness::Pass;
//!
//! fn sum() -> Pass {
//!     let input: Vec<u64> = (0..1000).collect();
//!     Pass::new(1000, move || assert_eq!(std::hint::black_box(&input).iter().sum::<u64>(), 499_500))
//! }
//!
//! bench_harness::run_targets(&[("sum", "Iterator::sum", sum)], ["sum".to_owned()]);
//! ```

#![forbid(unsafe_code)]

pub mod samples;
mod target;

pub use target::{Pass, TargetFn, run_target, run_targets};
