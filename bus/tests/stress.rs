//! The protocol on real threads: lanes of capacity 1, two capture threads of several rings, shards that wait for watermarks and for each other's
//! `applied`. A sleep lasts an hour unless it is ended by a wake, so one lost wake and the test does not get through.
#![cfg(not(loom))]

mod protocol;

use std::collections::VecDeque;
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use bus::WaitLimits;
use protocol::{Rings, topology};

const HOUR: Duration = Duration::from_hours(1);

/// Deals keys `1..=n_frames` to rings and shards, by a generator that is fixed by `seed`.
fn deal(
    n_frames: u64,
    n_captures: usize,
    n_rings: usize,
    n_shards: usize,
    seed: u64,
) -> Vec<Rings> {
    let mut state = seed;
    let mut draw = |n: usize| {
        // SplitMix64, by Steele, Lea and Flood (2014).
        state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let z = (state ^ (state >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((z ^ (z >> 31)) % n as u64) as usize
    };
    let mut rings = vec![vec![VecDeque::new(); n_rings]; n_captures];
    let (mut capture, mut ring, mut shard) = (0, 0, 0);
    for key in 1..=n_frames {
        // Runs of one kind, so that lanes fill up while others stay empty.
        if draw(4) == 0 {
            (capture, ring, shard) = (draw(n_captures), draw(n_rings), draw(n_shards));
        }
        rings[capture][ring].push_back((key, shard));
    }
    rings
}

fn check(n_frames: u64, n_captures: usize, n_rings: usize, n_shards: usize, n_spins: u32) {
    let limits = WaitLimits { n_spins, n_yields: n_spins, min_sleep: HOUR, max_sleep: HOUR };
    let rings = deal(n_frames, n_captures, n_rings, n_shards, n_frames);
    let (captures, shards) = topology(rings, n_shards, limits);
    let (done, ended) = mpsc::channel();
    let n_threads = captures.len() + shards.len();
    for capture in captures {
        let done = done.clone();
        thread::spawn(move || {
            capture.run();
            done.send((Vec::new(), Vec::new()))
        });
    }
    for (shard, keys) in shards {
        let done = done.clone();
        thread::spawn(move || done.send((shard.run(), keys)));
    }
    for n in 0..n_threads {
        let (seen, keys) = ended
            .recv_timeout(Duration::from_mins(2))
            .unwrap_or_else(|_| panic!("{n} of {n_threads} threads ended"));
        assert!(
            seen == keys,
            "a shard saw {} frames of {}, or not in order",
            seen.len(),
            keys.len()
        );
    }
}

#[test]
fn two_captures_and_two_shards_that_sleep_at_once_get_through() {
    check(30_000, 2, 3, 2, 0);
}

#[test]
fn three_captures_and_four_shards_that_sleep_at_once_get_through() {
    check(20_000, 3, 2, 4, 0);
}

#[test]
fn threads_that_spin_first_get_through() {
    check(30_000, 2, 2, 3, 3);
}
