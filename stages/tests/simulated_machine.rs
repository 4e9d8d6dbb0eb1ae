//! 64 CPUs and 64 shards in virtual time: load spreads, nothing is lost, nothing is out of order. Long form: the example of the same name.

#![allow(dead_code, reason = "the example uses the rest of the model")]

#[path = "../examples/simulated_machine/model/mod.rs"]
mod model;

use bus::{BatchLimits, WaitLimits};
use model::costs::Costs;
use model::engine::{Room, Topology};
use model::load::Shape;
use model::machine::{Pace, Placement, Setup, run};
use model::report::Outcome;

/// 64 CPUs with 8 capture threads and 64 shards, each CPU making `pace` events a second.
fn check(shape: Shape, pace: f64) -> Outcome {
    let outcome = run(Setup {
        n_cpus: 64,
        shape,
        topology: Topology { n_capture: 8, n_shards: 64 },
        placement: Placement::First,
        pace: Pace::Events(pace),
        open_ns: 3_000,
        duration_ns: 10_000_000,
        room: Room {
            ring: 1_000,
            lane: 4,
            batch: BatchLimits { max_frames: 64, max_bytes: 64 << 10 },
        },
        wait: WaitLimits::default(),
        costs: Costs::default(),
    })
    .unwrap();
    println!("{}\n{}", Outcome::HEADING, outcome.row());
    assert_eq!(outcome.n_dropped_in_all, 0);
    assert_eq!(outcome.n_read, outcome.n_offered_in_all, "read = made");
    assert_eq!(outcome.n_evaluated_in_all, outcome.n_offered_in_all, "evaluated = made");
    assert_eq!(outcome.n_out_of_order, 0);
    assert_eq!(outcome.n_wrong_parent, 0, "each event has the parent of its time");
    outcome
}

#[test]
fn even_load_spreads_evenly() {
    let outcome = check(Shape::Even, 10_000.0);
    assert!(outcome.n_offered_in_all > 5_000, "{}", outcome.n_offered_in_all);
    // Sixteen processes for each shard, thrown at random.
    assert!(outcome.imbalance() < 2.5, "{}", outcome.imbalance());
}

#[test]
fn a_build_spreads_evenly() {
    let outcome = check(Shape::Build, 8_000.0);
    assert!(outcome.imbalance() < 3.0, "{}", outcome.imbalance());
}

#[test]
fn a_hot_process_is_kept_in_order() {
    let outcome = check(Shape::HotProcess, 8_000.0);
    assert!(outcome.imbalance() > 1.0, "{}", outcome.imbalance());
}
