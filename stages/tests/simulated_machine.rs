//! 64 CPUs and 64 shards in virtual time: load spreads, nothing is lost, nothing is out of order. Long form: the example of the same name.

#![allow(dead_code, reason = "the example uses the rest of the model")]

#[path = "../examples/simulated_machine/model/mod.rs"]
mod model;

use bus::{BatchLimits, WaitLimits};
use capture::Spread;
use model::costs::Costs;
use model::engine::{Room, Topology};
use model::load::Shape;
use model::machine::{Pace, Placement, Setup, run};
use model::report::Outcome;

/// 64 CPUs with 8 capture threads and 64 shards.
fn setup(shape: Shape, pace: Pace) -> Setup {
    Setup {
        n_cpus: 64,
        shape,
        topology: Topology { n_capture: 8, n_shards: 64 },
        placement: Placement::First,
        pace,
        open_ns: 3_000,
        duration_ns: 10_000_000,
        room: Room {
            ring: 1_000,
            lane: 4,
            batch: BatchLimits { max_frames: 64, max_bytes: 64 << 10 },
        },
        wait: WaitLimits::default(),
        spread: Spread::Auto,
        costs: Costs::default(),
    }
}

fn check(setup: Setup) -> Outcome {
    let outcome = run(setup).unwrap();
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
    let outcome = check(setup(Shape::Even, Pace::Events(10_000.0)));
    assert!(outcome.n_offered_in_all > 5_000, "{}", outcome.n_offered_in_all);
    // Sixteen processes for each shard, thrown at random.
    assert!(outcome.imbalance() < 2.5, "{}", outcome.imbalance());
}

#[test]
fn a_build_spreads_evenly() {
    let outcome = check(setup(Shape::Build, Pace::Events(8_000.0)));
    assert!(outcome.imbalance() < 3.0, "{}", outcome.imbalance());
}

/// A process with a thread on each CPU makes half of 6.4 million events a second: three times what one shard evaluates.
fn hot_process(spread: Spread) -> Outcome {
    let base = setup(Shape::HotProcess, Pace::Events(100_000.0));
    let room = Room::default();
    check(Setup { spread, room, open_ns: 500, duration_ns: 16_000_000, ..base })
}

/// What was evaluated of what was made in the same time.
fn throughput(outcome: &Outcome) -> f64 {
    outcome.n_evaluated() as f64 / outcome.n_offered as f64
}

/// Whether no shard is a bottleneck.
fn keeps_up(outcome: &Outcome) -> bool {
    throughput(outcome) > 0.95 && outcome.imbalance() < 3.0 && outcome.latency_us(0.99) < 1_000.0
}

#[test]
fn a_hot_process_spreads_over_all_shards() {
    let outcome = hot_process(Spread::Auto);
    assert!(keeps_up(&outcome), "{:?}", outcome.n_by_shard);
    let least = outcome.n_by_shard.iter().min();
    assert!(least > Some(&100), "each shard has some of it: {:?}", outcome.n_by_shard);
}

#[test]
fn a_hot_process_that_stays_with_its_owner_is_not_kept_up_with() {
    let outcome = hot_process(Spread::Off);
    assert!(!keeps_up(&outcome), "else the test above shows nothing");
    assert!(throughput(&outcome) < 0.7, "{}", throughput(&outcome));
    assert!(outcome.imbalance() > 20.0, "{:?}", outcome.n_by_shard);
}
