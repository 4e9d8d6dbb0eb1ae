//! What is dead is given back: any number of processes one after the other takes no more memory than a few.

mod support;

use std::alloc::{GlobalAlloc, Layout, System};
use std::sync::atomic::{AtomicIsize, Ordering::Relaxed};

use bus::Key;
use rules::RuleMatching;
use stages::Progress;
use support::*;

const N_SHARDS: usize = 4;
const INIT: Proc = Proc { tgid: 1, start: 10 };
/// Ids go round, as Linux gives them.
const N_IDS: u32 = 8000;

/// Counts the bytes that are allocated.
struct Counting;

static N_BYTES: AtomicIsize = AtomicIsize::new(0);

// SAFETY: the system's allocator does the work; sizes are those of its layouts.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        N_BYTES.fetch_add(layout.size() as isize, Relaxed);
        // SAFETY: passed on as it came.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, at: *mut u8, layout: Layout) {
        N_BYTES.fetch_sub(layout.size() as isize, Relaxed);
        // SAFETY: passed on as it came.
        unsafe { System.dealloc(at, layout) }
    }
}

#[global_allocator]
static COUNTING: Counting = Counting;

struct Bench {
    p: Pipeline,
    key: u64,
}

impl Bench {
    /// A process that makes a child, which outlives it; some of them execute.
    fn live_and_die(&mut self, n: u32) {
        let p = proc(100 + 2 * n % N_IDS, 1000 + u64::from(n));
        let child = proc(p.tgid + 1, p.start);
        self.send(&fork(p, INIT, INIT, "init"));
        if n.is_multiple_of(8) {
            self.send(&exec(p, INIT, ["a", "b", "c"][n as usize % 3], "x y"));
        }
        self.send(&fork(child, p, p, "a"));
        self.send(&exit(p, INIT));
        if n.is_multiple_of(8) {
            self.send(&exec(child, INIT, "orphan", ""));
        }
        self.send(&exit(child, INIT));
    }

    fn send(&mut self, frame: &[u8]) {
        self.key += 1;
        let tgid = event::FrameHeader::from_bytes(frame.first_chunk().unwrap()).tgid;
        let shard = owner(tgid, N_SHARDS);
        let mut batch = loop {
            let tx = &mut self.p.lanes[0][shard];
            if !tx.is_full()
                && let Some(batch) = tx.take()
            {
                break batch;
            }
            self.turn();
        };
        batch.push(Key(self.key), frame).unwrap();
        self.p.lanes[0][shard].push(batch).unwrap();
        self.p.watermarks[0].publish(Key(self.key));
    }

    /// Gives every shard a turn; whether any had work.
    fn turn(&mut self) -> bool {
        let worked = |shard: &mut stages::Shard| {
            !matches!(shard.poll_once(), Progress::Idle | Progress::Ended)
        };
        self.p.shards.iter_mut().fold(false, |any, shard| worked(shard) | any)
    }

    fn settle(&mut self) {
        while self.turn() {}
        // A shard gives back with its next frames what all shards were done with before.
        for tgid in (2..10).chain(2..10) {
            self.send(&call(event::EventType::GETCWD_X, proc(tgid, 5), |w| {
                w.i64(0);
            }));
            while self.turn() {}
        }
    }
}

#[test]
fn two_hundred_thousand_processes_leave_as_much_as_a_few() {
    let rules = ruleset(
        "- rule: r\n  desc: d\n  condition: evt.type = openat and proc.aname = x\n  output: o\n  priority: INFO\n",
        RuleMatching::All,
    );
    let mut bench = Bench { p: pipeline(&Setup::new(N_SHARDS, 1, &rules)), key: 0 };
    bench.send(&seed(INIT, proc(0, 0), "init"));
    // Pages of ids, pools and lanes have their size then.
    (0..2 * N_IDS).for_each(|n| bench.live_and_die(n));
    bench.settle();
    let before = N_BYTES.load(Relaxed);
    (2 * N_IDS..100_000).for_each(|n| bench.live_and_die(n));
    bench.settle();
    let grown = N_BYTES.load(Relaxed) - before;
    assert_eq!(bench.p.lineage.n_processes(), 1, "all but the first process are given back");
    // The writers' pools may fill meanwhile, to 1 MiB each; nodes and versions of so many processes would be over 50 MiB.
    assert!(grown < 4 << 20, "{grown} bytes more after 168,000 processes");
    let count = |name| bench.p.registry.snapshot(perf::Moment::Final).get(name);
    assert_eq!(count("shard.orphans"), Some(0));
    assert_eq!(count("shard.reaper_unknown"), Some(0));
    assert_eq!(count("lineage.refused"), Some(0));
}
