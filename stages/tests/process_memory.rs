//! Memory of a process that is known: what a fork takes, what an exec, and that the table counts no less.

mod support;

use std::alloc::{GlobalAlloc, Layout, System};
use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use bus::Key;
use rules::RuleMatching;
use stages::Progress;
use support::*;

/// Bytes that are allocated and not given back. Relaxed: a count, read when nothing else runs.
static N_LIVE: AtomicI64 = AtomicI64::new(0);

struct CountingBytes;

// SAFETY: the system's allocator does the work; counting allocates nothing.
unsafe impl GlobalAlloc for CountingBytes {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        N_LIVE.fetch_add(layout.size() as i64, Ordering::Relaxed);
        // SAFETY: the caller's promise, passed on.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, ptr: *mut u8, layout: Layout) {
        N_LIVE.fetch_sub(layout.size() as i64, Ordering::Relaxed);
        // SAFETY: the caller's promise, passed on.
        unsafe { System.dealloc(ptr, layout) }
    }
}

#[global_allocator]
static ALLOC: CountingBytes = CountingBytes;

/// One test at a time: they count what the program allocates.
static ALONE: Mutex<()> = Mutex::new(());

const INIT: Proc = Proc { tgid: 1, start: 10 };
const N: u32 = 20_000;
/// What a process takes that was forked and runs what its parent runs.
const FORKED_BYTES: i64 = 360;
/// The same of one that runs a program of its own, with a command line of 40 bytes.
const EXECUTED_BYTES: i64 = 740;

fn child(n: u32) -> Proc {
    Proc { tgid: 100 + n, start: 1_000 + u64::from(n) }
}

/// Bytes by process.
#[derive(Debug)]
struct Left {
    /// That are allocated and were not before.
    really: i64,
    /// By which the table's own count grew.
    counted: i64,
}

/// What the frames leave behind once they are applied; the first has this key.
fn left_by(p: &mut Pipeline, first_key: u64, frames: &[Vec<u8>]) -> Left {
    let frames: Vec<_> = (first_key..).map(Key).zip(frames.iter().map(|f| &f[..])).collect();
    let n = frames.len() as i64;
    let (lanes, watermark) = (p.lanes.remove(0), Arc::clone(&p.watermarks[0]));
    let mut feeder = Feeder { frames, at: 0, lanes, watermark };
    let now = |p: &Pipeline| (N_LIVE.load(Ordering::Relaxed), p.lineage.n_bytes() as i64);
    let before = now(p);
    let mut more = true;
    while more {
        more = feeder.step(5);
        while p.shards[0].poll_once() == Progress::Worked {}
    }
    let after = now(p);
    p.lanes.push(feeder.lanes);
    Left { really: (after.0 - before.0) / n, counted: (after.1 - before.1) / n }
}

#[test]
fn a_process_takes_little_and_no_more_than_the_table_counts() {
    let _alone = ALONE.lock().unwrap_or_else(PoisonError::into_inner);
    let rules = ruleset(rules::DEFAULT_RULES, RuleMatching::First);
    let mut p = pipeline(&Setup::new(1, 1, &rules));
    left_by(&mut p, 1, &[seed(INIT, proc(0, 0), "init")]);

    let forks: Vec<_> = (0..N).map(|n| fork(child(n), INIT, INIT, "init")).collect();
    let forked = left_by(&mut p, 2, &forks);
    assert_eq!(p.lineage.n_processes(), u64::from(N) + 1);
    assert!(forked.really <= FORKED_BYTES && forked.really <= forked.counted, "{forked:?}");

    let execs: Vec<_> = (0..N)
        .map(|n| exec(child(n), INIT, &format!("program-{n}"), "--an-option --another=17"))
        .collect();
    let executed = left_by(&mut p, 2 + u64::from(N), &execs);
    let really = forked.really + executed.really;
    assert!(really <= EXECUTED_BYTES, "{forked:?}, {executed:?}");
    // A process pays for a short program when it is let in.
    assert!(really <= forked.counted + executed.counted, "{forked:?}, {executed:?}");
}

#[test]
fn a_seed_that_says_what_its_parent_said_takes_as_little_as_a_fork() {
    let _alone = ALONE.lock().unwrap_or_else(PoisonError::into_inner);
    let rules = ruleset(rules::DEFAULT_RULES, RuleMatching::First);
    let mut p = pipeline(&Setup::new(1, 1, &rules));
    left_by(&mut p, 1, &[seed(INIT, proc(0, 0), "init")]);
    let seeds: Vec<_> = (0..N).map(|n| seed(child(n), INIT, "init")).collect();
    let forked = left_by(&mut p, 2, &seeds);
    assert_eq!(p.lineage.n_processes(), u64::from(N) + 1);
    assert!(forked.really <= FORKED_BYTES && forked.really <= forked.counted, "{forked:?}");
}
