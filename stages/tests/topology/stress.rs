//! Lanes of one batch between capture threads and shards that sleep until they are woken: everybody gets through, and the alerts are those of one shard.

use capture::GUARD_NS;

use crate::rig::{HOUR, Shape, Time, start};
use crate::storm::{in_order, rules, storm};
use crate::support::lines;

const EPOCH: u64 = 1_000_000_000;
const START: u64 = EPOCH + 1_000_000;

/// How many frames went to other shards than their process's.
fn check(n_captures: usize, n_shards: usize, batch_frames: usize, n_frames: usize) -> u64 {
    // Without naps every wake has to come; with them some wait meanwhile, and others are left out.
    let check = |naps| check_naps(naps, n_captures, n_shards, batch_frames, n_frames);
    check(false) + check(true)
}

fn check_naps(
    naps: bool,
    n_captures: usize,
    n_shards: usize,
    batch_frames: usize,
    n_frames: usize,
) -> u64 {
    let rules = rules();
    let time = Time::new(START);
    let shape = Shape {
        n_captures,
        rings_each: 2,
        n_shards,
        lane_capacity: 1,
        batch_frames,
        late_after: HOUR,
        time: time.source(),
        naps,
    };
    let made = storm(n_frames, 2 * n_captures, START, (n_captures * n_shards) as u64);
    let running = start(&shape, &rules, EPOCH);
    let clock = running.feed.clock;
    for (n, made) in made.iter().enumerate() {
        time.set(made.ts);
        running.feed.push(made.cpu, made.ts, &made.frame);
        if made.is_last_of_burst {
            // Everybody comes to rest, and has to be woken again.
            time.set(made.ts + 3 * GUARD_NS);
            running.read.wait_until_done(n as u64 + 1);
        }
    }
    time.set(time.now() + 3 * GUARD_NS);
    let mut read = running.end();
    let snapshot = read.end(n_frames as u64);
    for never in ["shard.late", "shard.orphans", "shard.lineage_unknown", "capture.clamps"] {
        assert_eq!(snapshot.get(never), Some(0), "{never}: {}", snapshot.table());
    }
    let keys = made.iter().map(|m| clock.key(clock.ticks_of(m.ts), m.cpu as u16));
    let frames: Vec<_> = keys.zip(made.iter().map(|m| &m.frame[..])).collect();
    let expected = in_order(&rules, &frames);
    let alerts = lines(read.alerts());
    assert!(expected.len() > n_frames / 2, "{}", expected.len());
    assert!(
        alerts == expected,
        "{n_captures} x {n_shards}: {}",
        first_difference(&alerts, &expected)
    );
    snapshot.get("capture.spread").unwrap()
}

fn first_difference(alerts: &[String], expected: &[String]) -> String {
    let n = alerts.iter().zip(expected).take_while(|(a, e)| a == e).count();
    format!("alert {n} of {}: {:?} for {:?}", expected.len(), alerts.get(n), expected.get(n))
}

#[test]
fn one_capture_thread_and_two_shards() {
    check(1, 2, 1, 5_000);
}

#[test]
fn two_capture_threads_and_three_shards() {
    let n_spread = check(2, 3, 4, 15_000);
    assert!(n_spread > 0, "one process makes a third of the frames, and lanes are full");
}

#[test]
fn four_capture_threads_and_four_shards() {
    check(4, 4, 2, 15_000);
}

#[test]
fn four_capture_threads_and_one_shard() {
    check(4, 1, 1, 5_000);
}
