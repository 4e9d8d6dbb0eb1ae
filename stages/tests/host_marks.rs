//! What the kernel side is told of processes on the host: by the version that was made of the frame with the stamp, and of no other.

mod support;

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use bus::Key;
use event::mark::{self, HostMarks};
use rules::RuleMatching;
use stages::Progress;
use support::*;

const INIT: Proc = Proc { tgid: 1, start: 10 };
const ONE: Proc = Proc { tgid: 100, start: 1_000 };
const TWO: Proc = Proc { tgid: 101, start: 2_000 };

/// A pipeline, and the table as the kernel side sees it.
struct Bench {
    p: Pipeline,
    words: &'static [AtomicU64],
    marks: HostMarks,
    n: u64,
}

impl Bench {
    fn new() -> Self {
        let text =
            "- rule: r\n  desc: d\n  condition: evt.type = openat\n  output: o\n  priority: INFO\n";
        let rules = ruleset(text, RuleMatching::All);
        let p = pipeline(&Setup::new(2, 1, &rules));
        let words: Vec<AtomicU64> = (0..mark::N * mark::WORDS).map(|_| AtomicU64::new(0)).collect();
        let words: &'static [AtomicU64] = Box::leak(words.into_boxed_slice());
        let marks = HostMarks::new(words).unwrap();
        p.lineage.tell_host_marks(marks);
        Self { p, words, marks, n: 0 }
    }

    /// What the kernel side does at a fork or exec: the stamp, then the frame, which arrives some time later.
    fn stamp(&mut self, of: Proc, frame: Vec<u8>) -> Vec<u8> {
        self.n += 1;
        let stamp = mark::stamp(of.tgid, 0, self.n);
        self.words[mark::place(of.tgid) * mark::WORDS + mark::STAMP].store(stamp, Relaxed);
        stamped(frame, stamp)
    }

    fn send(&mut self, frame: &[u8]) {
        self.n += 1;
        let tgid = event::FrameHeader::from_bytes(frame.first_chunk().unwrap()).tgid;
        let n_shards = self.p.shards.len();
        let tx = &mut self.p.lanes[0][owner(tgid, n_shards)];
        let mut batch = tx.take().unwrap();
        batch.push(Key(self.n), frame).unwrap();
        tx.push(batch).unwrap();
        self.p.watermarks[0].publish(Key(self.n));
        let mut worked = true;
        while worked {
            worked = false;
            for shard in &mut self.p.shards {
                worked |= !matches!(shard.poll_once(), Progress::Idle | Progress::Ended);
            }
        }
    }

    /// Whether the process is on the host for certain after the frame came at once.
    fn after(&mut self, of: Proc, frame: Vec<u8>) -> bool {
        let frame = self.stamp(of, frame);
        assert!(!self.marks.is_on_host(of.tgid), "from the stamp on nothing is known");
        self.send(&frame);
        self.marks.is_on_host(of.tgid)
    }
}

#[test]
fn forks_and_execs_tell_where_their_process_is() {
    let mut bench = Bench::new();
    bench.send(&seed(INIT, INIT, "init"));
    assert!(bench.after(ONE, fork(ONE, INIT, INIT, "one")), "its creator is on the host");
    assert!(bench.after(ONE, exec(ONE, INIT, "one", "")));
    assert!(!bench.after(ONE, exec_in(ONE, INIT, "one", 7)));
    assert!(!bench.after(TWO, fork(TWO, ONE, ONE, "two")), "its creator is in a container");
    assert!(bench.after(TWO, exec(TWO, ONE, "two", "")), "it has left the container");
    // An exec that failed has no stamp.
    bench.send(&no_exec(TWO, ONE, "none"));
    assert!(bench.marks.is_on_host(TWO.tgid));
    // So have calls.
    bench.send(&open(TWO, "/x", None, Some("/x")));
    assert!(bench.marks.is_on_host(TWO.tgid));
}

#[test]
fn a_frame_tells_of_its_own_stamp_alone() {
    let mut bench = Bench::new();
    bench.send(&seed(INIT, INIT, "init"));
    let of_fork = bench.stamp(ONE, fork(ONE, INIT, INIT, "one"));
    let of_exec = bench.stamp(ONE, exec_in(ONE, INIT, "one", 7));
    bench.send(&of_fork);
    assert!(!bench.marks.is_on_host(ONE.tgid), "the exec is under way, or lost");
    bench.send(&of_exec);
    assert!(!bench.marks.is_on_host(ONE.tgid));
    let of_exec = bench.stamp(ONE, exec(ONE, INIT, "one", ""));
    let lost = bench.stamp(ONE, exec_in(ONE, INIT, "one", 7));
    bench.send(&of_exec);
    drop(lost);
    assert!(!bench.marks.is_on_host(ONE.tgid));
}

#[test]
fn processes_from_before_are_told_of_until_they_are_looked_at_again() {
    let mut bench = Bench::new();
    bench.send(&seed(INIT, INIT, "init"));
    bench.send(&seed(ONE, INIT, "one"));
    bench.send(&looked(exec_in(TWO, INIT, "two", 7)));
    let is_on_host = |bench: &Bench, of: Proc| bench.marks.is_on_host(of.tgid);
    assert!(is_on_host(&bench, INIT) && is_on_host(&bench, ONE) && !is_on_host(&bench, TWO));
    // A look finds it in another container than its last exec, of which it was told.
    bench.marks.withdraw(ONE.tgid);
    bench.send(&looked(exec_in(ONE, INIT, "one", 7)));
    assert!(!is_on_host(&bench, ONE));
    bench.marks.withdraw(ONE.tgid);
    bench.send(&seed(ONE, INIT, "one"));
    assert!(!is_on_host(&bench, ONE), "an exec may be under way");
    assert!(bench.after(ONE, exec(ONE, INIT, "one", "")));
}

#[test]
fn a_process_that_is_not_entered_is_told_of_by_nobody_else() {
    let mut bench = Bench::new();
    bench.send(&seed(INIT, INIT, "init"));
    assert!(bench.after(ONE, fork(ONE, INIT, INIT, "one")));
    bench.send(&exit(ONE, INIT));
    // Another process of the same id, whose fork was lost.
    let again = proc(ONE.tgid, ONE.start + 1);
    drop(bench.stamp(again, fork(again, INIT, INIT, "again")));
    assert!(!bench.marks.is_on_host(again.tgid));
}
