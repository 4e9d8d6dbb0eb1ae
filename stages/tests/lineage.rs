//! The process table as rules see it: ids used again, reapers, owners that are behind, bounds.

mod support;

use std::sync::Arc;
use std::time::Duration;

use bus::Key;
use rules::{RuleMatching, Ruleset};
use stages::{LineageLimits, Progress};
use support::*;

const INIT: Proc = Proc { tgid: 1, start: 10 };
const NOBODY: Proc = Proc { tgid: 0, start: 0 };

fn rules() -> Arc<Ruleset> {
    let text = "- rule: r\n  desc: d\n  condition: evt.type = openat and proc.aname != x\n  \
                output: \"%proc.name<%proc.aname> %proc.ppid\"\n  priority: INFO\n";
    ruleset(text, RuleMatching::All)
}

/// One pipeline with a lane that the test fills frame by frame.
struct Bench {
    p: Pipeline,
    n: u64,
}

impl Bench {
    fn new(n_shards: usize) -> Self {
        Self { p: pipeline(&Setup::new(n_shards, 1, &rules())), n: 0 }
    }

    fn send(&mut self, frame: &[u8]) {
        self.n += 1;
        self.send_as(self.n, 0, frame);
    }

    fn send_as(&mut self, key: u64, lane: usize, frame: &[u8]) {
        let tgid = event::FrameHeader::from_bytes(frame.first_chunk().unwrap()).tgid;
        let n_shards = self.p.shards.len();
        let tx = &mut self.p.lanes[lane][owner(tgid, n_shards)];
        let mut batch = tx.take().unwrap();
        batch.push(Key(key), frame).unwrap();
        tx.push(batch).unwrap();
        self.p.watermarks[lane].publish(Key(key));
    }

    /// Sends frames and lets every shard finish them.
    fn run(&mut self, frames: &[Vec<u8>]) -> Vec<String> {
        for frame in frames {
            self.send(frame);
            self.settle();
        }
        self.outputs()
    }

    fn settle(&mut self) {
        let mut worked = true;
        while worked {
            worked = false;
            for shard in &mut self.p.shards {
                worked |= !matches!(shard.poll_once(), Progress::Idle | Progress::Ended);
            }
        }
    }

    fn outputs(&mut self) -> Vec<String> {
        let all = texts(&mut self.p.alerts);
        all.iter().map(|a| a.rsplit("} ").next().unwrap().to_owned()).collect()
    }

    fn count(&self, name: &str) -> u64 {
        self.p.registry.snapshot(perf::Moment::Final).get(name).unwrap()
    }
}

fn check(frames: &[Vec<u8>], expected: &[&str]) {
    for n_shards in [1, 2, 5] {
        let mut bench = Bench::new(n_shards);
        assert_eq!(bench.run(frames), expected, "{n_shards} shards");
        assert_eq!(bench.count("shard.lineage_unknown"), 0);
    }
}

fn look(p: Proc) -> Vec<u8> {
    open(p, "/x", None, Some("/x"))
}

#[test]
fn an_id_that_is_used_again_is_another_process() {
    let (old, new) = (proc(60, 1_000_000), proc(60, 1_000_500));
    let (a, b) = (proc(61, 2_000_000), proc(62, 2_000_001));
    check(
        &[
            seed(INIT, NOBODY, "init"),
            fork(old, INIT, INIT, "init"),
            exec(old, INIT, "old", ""),
            fork(a, old, old, "old"),
            exit(old, INIT),
            fork(new, INIT, INIT, "init"),
            exec(new, INIT, "new", ""),
            fork(b, new, new, "new"),
            look(a),
            look(b),
            look(new),
        ],
        &["old<init> 1", "new<new init> 60", "new<init> 1"],
    );
}

#[test]
fn orphans_go_to_the_reaper_of_the_reaper() {
    let [sub, subsub, p, child] = [70, 71, 72, 73].map(|n| proc(n, u64::from(n) * 100));
    check(
        &[
            seed(INIT, NOBODY, "init"),
            seed(sub, INIT, "sub"),
            seed(subsub, sub, "subsub"),
            fork(p, subsub, subsub, "p"),
            fork(child, p, p, "child"),
            look(child),
            exit(p, subsub),
            look(child),
            exit(subsub, sub),
            look(child),
            exit(sub, INIT),
            look(child),
        ],
        &[
            "child<p subsub sub init> 72",
            "child<subsub sub init> 71",
            "child<sub init> 70",
            "child<init> 1",
        ],
    );
}

#[test]
fn a_clone_with_the_creators_parent_is_its_sibling() {
    let (maker, made) = (proc(80, 5), proc(81, 6));
    check(
        &[
            seed(INIT, NOBODY, "init"),
            seed(maker, INIT, "maker"),
            fork(made, maker, INIT, "maker"),
            look(made),
        ],
        &["maker<init> 1"],
    );
}

#[test]
fn threads_stay_in_their_process() {
    let p = proc(90, 5);
    check(
        &[
            seed(INIT, NOBODY, "init"),
            seed(p, INIT, "many"),
            thread(p, 91),
            exit_thread(p, 90),
            look(p),
            exit_thread(p, 91),
            // A thread that was not the first called exec: it goes on under the process's id.
            exec(p, INIT, "one", ""),
            look(p),
        ],
        &["many<init> 1", "one<init> 1"],
    );
}

#[test]
fn a_scanned_process_whose_creator_was_gone_keeps_what_the_scan_saw() {
    let (gone, p) = (proc(93, 5), proc(94, 6));
    check(
        &[
            seed(INIT, NOBODY, "init"),
            seed(p, INIT, "after"),
            fork(p, gone, gone, "before"),
            look(p),
        ],
        &["after<init> 1"],
    );
}

#[test]
fn a_process_seen_by_scan_and_by_fork_is_one() {
    let p = proc(95, 25_000_123);
    let frames = [
        seed(INIT, NOBODY, "init"),
        coarse_seed(p, INIT, "after"),
        fork(p, INIT, INIT, "init"),
        look(p),
    ];
    check(&frames, &["init<init> 1"]);
    let mut bench = Bench::new(1);
    bench.run(&frames);
    assert_eq!(bench.p.lineage.n_processes(), 2);
}

/// The parent's owner is behind, then ahead: neither shows.
#[test]
fn a_reader_sees_the_parent_as_of_its_own_event() {
    let (parent, child) = (proc(3, 5), proc(6, 6));
    let mut bench = Bench::new(2);
    assert_ne!(owner(3, 2), owner(6, 2));
    let (first, second) = (owner(3, 2), owner(6, 2));
    bench.send(&seed(INIT, NOBODY, "init"));
    bench.send(&seed(parent, INIT, "zero"));
    bench.send(&seed(child, parent, "child"));
    bench.settle();
    let n_waits = bench.count("shard.waits");
    bench.send(&exec(parent, INIT, "one", ""));
    bench.send(&look(child));
    bench.send(&exec(parent, INIT, "two", ""));
    bench.send(&look(child));
    let Progress::Waiting(wait) = bench.p.shards[second].poll_once() else {
        panic!("the parent's owner has applied nothing")
    };
    assert_eq!((wait.shard, wait.until), (first, Key(4)));
    assert_eq!(bench.p.shards[first].poll_once(), Progress::Worked);
    assert_eq!(bench.p.shards[second].poll_once(), Progress::Worked);
    assert_eq!(bench.outputs(), ["child<one init> 3", "child<two init> 3"]);
    assert_eq!(bench.count("shard.waits"), n_waits + 1);
}

#[test]
fn a_fork_waits_for_the_creators_owner() {
    let (parent, child) = (proc(3, 5), proc(6, 6));
    let mut bench = Bench::new(2);
    bench.send(&seed(INIT, NOBODY, "init"));
    bench.send(&seed(parent, INIT, "parent"));
    bench.send(&fork(child, parent, parent, ""));
    bench.send(&look(child));
    let waiting = bench.p.shards[owner(6, 2)].poll_once();
    assert!(matches!(waiting, Progress::Waiting(_)), "{waiting:?}");
    bench.settle();
    assert_eq!(bench.outputs(), ["parent<parent init> 3"]);
}

#[test]
fn the_dead_are_given_back() {
    let mut bench = Bench::new(3);
    bench.run(&[seed(INIT, NOBODY, "init")]);
    for n in 0..20_000u32 {
        let p = proc(100 + n % 500, 1000 + u64::from(n));
        for frame in [fork(p, INIT, INIT, "init"), exec(p, INIT, "x", ""), exit(p, INIT)] {
            bench.send(&frame);
        }
        bench.settle();
    }
    assert!(bench.p.lineage.n_processes() < 10, "{}", bench.p.lineage.n_processes());
    assert_eq!(bench.count("shard.orphans"), 0);
}

#[test]
fn a_table_at_its_bound_counts_whom_it_turns_away() {
    let limits = LineageLimits { max_processes: 2, ..LineageLimits::default() };
    let p = pipeline(&Setup { limits, ..Setup::new(1, 1, &rules()) });
    let mut bench = Bench { p, n: 0 };
    let more: Vec<_> = (2..7).map(|n| seed(proc(n, u64::from(n)), INIT, "p")).collect();
    bench.run(&[seed(INIT, NOBODY, "init")]);
    bench.run(&more);
    assert_eq!(bench.p.lineage.n_processes(), 2);
    assert_eq!(bench.count("lineage.refused"), 4);
    bench.send(&look(proc(6, 6)));
    bench.settle();
    assert_eq!(bench.count("shard.lineage_unknown"), 1);
}

/// A table with room for so many bytes, on so many shards.
fn tight(n_shards: usize, max_bytes: u64) -> Bench {
    let text = "- rule: r\n  desc: d\n  condition: evt.type = openat\n  \
                output: \"%proc.cmdline %proc.cwd\"\n  priority: INFO\n";
    let limits = LineageLimits { max_bytes, ..LineageLimits::default() };
    let rules = ruleset(text, RuleMatching::All);
    Bench { p: pipeline(&Setup { limits, ..Setup::new(n_shards, 1, &rules) }), n: 0 }
}

#[test]
fn a_table_without_memory_turns_newcomers_away_and_gives_what_it_lets_go_of_to_others() {
    for n_shards in [1, 3] {
        let mut bench = tight(n_shards, 64 << 10);
        let all: Vec<_> = (2..200).map(|n| proc(n, u64::from(n))).collect();
        bench.run(&[seed(INIT, NOBODY, "init")]);
        bench.run(&all.iter().map(|&p| seed(p, INIT, "p")).collect::<Vec<_>>());
        let n_bytes = bench.p.lineage.n_bytes();
        assert!(n_bytes <= (64 << 10) + (4 << 10), "{n_bytes} bytes");
        let n = bench.p.lineage.n_processes();
        assert!(n > 40 && bench.count("lineage.refused") == 199 - n, "{n} processes");
        // An unknown one says so, and finds its place once there is one.
        assert_eq!(bench.count("shard.lineage_unknown"), 0);
        bench.run(&[look(all[197])]);
        assert_eq!(bench.count("shard.lineage_unknown"), 1);
        bench.run(&all.iter().map(|&p| exit(p, INIT)).collect::<Vec<_>>());
        assert_eq!(bench.p.lineage.n_processes(), 1);
        let again = proc(9, 5000);
        assert_eq!(
            bench.run(&[exec(again, INIT, "again", "-x"), look(again)]),
            ["again -x /home/u/"]
        );
        bench.run(&[exit(again, INIT)]);
        assert!(bench.p.lineage.n_bytes() < 4096, "{} bytes", bench.p.lineage.n_bytes());
    }
}

#[test]
fn what_a_known_process_executes_is_kept_in_short_where_there_is_no_memory() {
    let mut bench = tight(2, 64 << 10);
    let p = proc(7, 70);
    bench.run(&[seed(INIT, NOBODY, "init"), seed(p, INIT, "p")]);
    let more: Vec<_> = (100..200).map(|n| seed(proc(n, u64::from(n)), INIT, "p")).collect();
    bench.run(&more);
    // Newcomers that find a little room are kept in short before they are turned away.
    let n_before = bench.count("lineage.shortened");
    let long = "y".repeat(3000);
    let shown = bench.run(&[exec(p, INIT, "tool", &format!("-a {long}")), look(p)]);
    assert_eq!(shown, [format!("tool -a {} /home/u/", "y".repeat(45))]);
    assert_eq!(bench.count("lineage.shortened") - n_before, 1);
    let n_bytes = bench.p.lineage.n_bytes();
    assert!(n_bytes <= (64 << 10) + (4 << 10), "{n_bytes} bytes");
    // With room again it is known as ever.
    bench.run(&(100..200).map(|n| exit(proc(n, u64::from(n)), INIT)).collect::<Vec<_>>());
    let shown = bench.run(&[exec(p, INIT, "tool", &long), look(p)]);
    assert_eq!(shown, [format!("tool {long} /home/u/")]);
}

#[test]
fn an_id_that_no_kernel_gives_is_turned_away() {
    let mut bench = Bench::new(2);
    bench.run(&[
        seed(proc(u32::MAX, 5), NOBODY, "x"),
        look(proc(u32::MAX, 5)),
        exit(proc(u32::MAX, 5), INIT),
    ]);
    assert_eq!(bench.count("lineage.refused"), 1);
}

#[test]
fn a_straggler_is_not_waited_for_beyond_the_bound_and_is_marked() {
    let rules = rules();
    let setup = Setup { late_after: Some(Duration::ZERO), ..Setup::new(1, 2, &rules) };
    let mut bench = Bench { p: pipeline(&setup), n: 0 };
    let p = proc(5, 5);
    bench.send_as(10, 0, &seed(INIT, NOBODY, "init"));
    bench.send_as(20, 0, &seed(p, INIT, "p"));
    bench.send_as(30, 0, &look(p));
    bench.settle();
    let on_time = texts(&mut bench.p.alerts);
    assert!(on_time[0].starts_with("30 r AlertMarks { late: false"), "{on_time:?}");
    bench.send_as(15, 1, &look(p));
    bench.settle();
    let late = texts(&mut bench.p.alerts);
    assert!(late[0].starts_with("15 r AlertMarks { late: true"), "{late:?}");
    assert_eq!(bench.count("shard.late"), 1);
}

/// Two processes that name each other as parent, as only a damaged file has them.
#[test]
fn ancestors_in_a_circle_end() {
    let (a, b) = (proc(3, 5), proc(4, 6));
    let mut bench = Bench::new(2);
    bench.run(&[
        exec(a, b, "a", ""),
        exec(b, a, "b", ""),
        exec(a, b, "a", ""),
        exit(b, a),
        exit(a, b),
        look(a),
        look(b),
    ]);
}
