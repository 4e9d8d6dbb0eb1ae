//! What is known of processes when frames that told of them were lost: marks, what descendants inherit, looks that repair.

mod support;

use std::sync::{Arc, Mutex};

use bus::Key;
use event::{EventType, FrameHeader, HEADER_LEN, flags};
use rules::{RuleMatching, Ruleset};
use stages::Progress;
use support::*;

const INIT: Proc = Proc { tgid: 1, start: 10 };
const NOBODY: Proc = Proc { tgid: 0, start: 0 };
const SHELL: Proc = Proc { tgid: 20, start: 200 };
const CHILD: Proc = Proc { tgid: 33, start: 300 };
const GRANDCHILD: Proc = Proc { tgid: 47, start: 400 };

fn rules() -> Arc<Ruleset> {
    let text = "- rule: r\n  desc: d\n  condition: evt.type = openat\n  \
                output: \"%evt.lineage_complete %proc.name<%proc.pname %proc.ppid\"\n  priority: INFO\n";
    ruleset(text, RuleMatching::All)
}

/// The frame with another time and further flags.
fn at(ts: u64, extra: u32, mut frame: Vec<u8>) -> Vec<u8> {
    let mut header = FrameHeader::from_bytes(frame.first_chunk().unwrap());
    header.ts = ts;
    header.flags |= extra;
    frame[..HEADER_LEN].copy_from_slice(&header.to_bytes());
    frame
}

fn loss(p: Proc) -> Vec<u8> {
    at(p.start + 1, flags::SEED | flags::STATE_LOST, call(EventType::EXECVE_19_X, p, |_| {}))
}

/// What `/proc` told of a process at a time.
fn look(ts: u64, p: Proc, parent: Proc, comm: &str) -> Vec<u8> {
    at(ts, 0, seed(p, parent, comm))
}

/// A lost exit, found by a look.
fn gone(ts: u64, p: Proc) -> Vec<u8> {
    at(
        ts,
        flags::GROUP_DEAD,
        call(EventType::PROCEXIT_1_E, p, |w| {
            w.i64(0).i64(0).u8(0).u8(0).i64(0);
        }),
    )
}

fn opened(p: Proc) -> Vec<u8> {
    open(p, "/etc/shadow", None, Some("/etc/shadow"))
}

/// A session: init, a shell of its own, and what comes after.
fn begin() -> Vec<Vec<u8>> {
    vec![seed(INIT, NOBODY, "init"), fork(SHELL, INIT, INIT, "init"), exec(SHELL, INIT, "sh", "")]
}

/// Gives what alerts say, with the mark, and which processes were asked for.
fn run(frames: &[Vec<u8>], n_shards: usize) -> (Vec<String>, Vec<(u32, u64)>) {
    let rules = rules();
    let mut p = pipeline(&Setup::new(n_shards, 1, &rules));
    let asked = Arc::new(Mutex::new(Vec::new()));
    let to = Arc::clone(&asked);
    p.lineage.repairs().ask_by(move |tgid, start| {
        to.lock().unwrap().push((tgid, start));
        true
    });
    for (n, frame) in (1..).zip(frames) {
        let tgid = FrameHeader::from_bytes(frame.first_chunk().unwrap()).tgid;
        let tx = &mut p.lanes[0][owner(tgid, n_shards)];
        let mut batch = tx.take().unwrap();
        batch.push(Key(n), frame).unwrap();
        tx.push(batch).unwrap();
        p.watermarks[0].publish(Key(n));
        let mut worked = true;
        while worked {
            worked = false;
            for shard in &mut p.shards {
                worked |= !matches!(shard.poll_once(), Progress::Idle | Progress::Ended);
            }
        }
    }
    let mark = |alert: &str| {
        let of = |name: &str| alert.contains(&format!("{name}: true")).then(|| format!("{name} "));
        [of("lineage_unknown"), of("lineage_incomplete")].into_iter().flatten().collect::<String>()
    };
    let texts = texts(&mut p.alerts);
    let alerts = texts.iter().map(|a| mark(a) + a.rsplit("} ").next().unwrap()).collect();
    let asked = asked.lock().unwrap().clone();
    (alerts, asked)
}

fn check(frames: &[Vec<u8>], expected: &[&str], asked: &[(u32, u64)]) {
    for n_shards in [1, 2, 5] {
        let (alerts, asked_for) = run(&[begin(), frames.to_vec()].concat(), n_shards);
        assert_eq!(alerts, expected, "{n_shards} shards");
        assert_eq!(asked_for, asked, "{n_shards} shards");
    }
}

#[test]
fn a_loss_marks_the_process_and_its_descendants_until_a_look() {
    check(
        &[
            opened(SHELL),
            loss(SHELL),
            opened(SHELL),
            fork(CHILD, SHELL, SHELL, "sh"),
            opened(CHILD),
            look(1000, SHELL, INIT, "bash"),
            opened(SHELL),
            // It was made of what was known at the fork.
            opened(CHILD),
            look(1001, CHILD, SHELL, "bash"),
            opened(CHILD),
        ],
        &[
            "true sh<init 1",
            "lineage_incomplete false sh<init 1",
            "lineage_incomplete false sh<sh 20",
            "true bash<init 1",
            "lineage_incomplete false sh<bash 20",
            "true bash<bash 20",
        ],
        &[(33, 300)],
    );
}

#[test]
fn an_exec_makes_a_process_whole_but_not_its_ancestors() {
    check(
        &[
            loss(SHELL),
            fork(CHILD, SHELL, SHELL, "sh"),
            exec(CHILD, SHELL, "cat", ""),
            opened(CHILD),
            look(1000, SHELL, INIT, "bash"),
            opened(CHILD),
        ],
        &["lineage_incomplete false cat<sh 20", "true cat<bash 20"],
        &[(33, 300)],
    );
}

#[test]
fn frames_of_a_process_that_the_kernel_knows_as_doubtful_are_marked_at_once() {
    check(
        &[
            at(500, flags::STATE_LOST, opened(SHELL)),
            opened(SHELL),
            at(501, flags::STATE_LOST, fork(CHILD, SHELL, SHELL, "sh")),
            opened(CHILD),
        ],
        &[
            "lineage_incomplete false sh<init 1",
            "true sh<init 1",
            "lineage_incomplete false sh<sh 20",
        ],
        &[(33, 300)],
    );
}

#[test]
fn a_look_that_is_older_than_what_is_known_is_passed_over_and_asked_for_anew() {
    check(
        &[
            loss(SHELL),
            at(2000, 0, exec(SHELL, INIT, "zsh", "")),
            loss(SHELL),
            look(1999, SHELL, INIT, "bash"),
            opened(SHELL),
            look(2001, SHELL, INIT, "zsh"),
            opened(SHELL),
        ],
        &["lineage_incomplete false zsh<init 1", "true zsh<init 1"],
        &[(20, 200)],
    );
}

#[test]
fn a_look_that_is_not_whole_repairs_nothing() {
    check(
        &[loss(SHELL), at(1000, flags::FAULTED, look(1000, SHELL, INIT, "bash")), opened(SHELL)],
        &["lineage_incomplete false bash<init 1"],
        &[],
    );
}

/// The child's fork is known, its creator's is not: the creator is found later than the child.
#[test]
fn a_parent_that_is_found_later_than_its_child_becomes_its_parent() {
    check(
        &[
            fork(GRANDCHILD, CHILD, CHILD, "sh"),
            opened(GRANDCHILD),
            look(1000, CHILD, SHELL, "make"),
            look(1001, GRANDCHILD, CHILD, "cc"),
            opened(GRANDCHILD),
        ],
        &["lineage_unknown lineage_incomplete false sh<<NA> 33", "true cc<make 33"],
        &[(47, 400)],
    );
}

#[test]
fn a_process_of_which_nothing_is_known_is_asked_for_once() {
    check(
        &[opened(CHILD), opened(CHILD), look(1000, CHILD, SHELL, "cat"), opened(CHILD)],
        &[
            "lineage_unknown false <NA><<NA> <NA>",
            "lineage_unknown false <NA><<NA> <NA>",
            "true cat<sh 20",
        ],
        &[(33, 300)],
    );
}

/// Who reaped it is not known, so its child's lineage is doubtful until somebody looks at the child.
#[test]
fn a_lost_exit_is_found_and_its_children_are_asked_for() {
    check(
        &[
            fork(CHILD, SHELL, SHELL, "sh"),
            exec(CHILD, SHELL, "make", ""),
            fork(GRANDCHILD, CHILD, CHILD, "make"),
            opened(GRANDCHILD),
            gone(900, CHILD),
            opened(GRANDCHILD),
            look(1000, GRANDCHILD, SHELL, "make"),
            opened(GRANDCHILD),
        ],
        &["true make<make 33", "lineage_incomplete false make<init 1", "true make<sh 20"],
        &[(47, 400)],
    );
    let frames: Vec<_> = [begin(), vec![gone(900, SHELL), gone(901, SHELL)]].concat();
    let rules = rules();
    let p = pipeline(&Setup::new(1, 1, &rules));
    let lineage = Arc::clone(&p.lineage);
    let mut bench = p;
    for (n, frame) in (1..).zip(&frames) {
        let mut batch = bench.lanes[0][0].take().unwrap();
        batch.push(Key(n), frame).unwrap();
        bench.lanes[0][0].push(batch).unwrap();
        bench.watermarks[0].publish(Key(n));
        while bench.shards[0].poll_once() == Progress::Worked {}
    }
    assert_eq!(lineage.n_processes(), 1, "only init is left");
}

/// As only mistaken facts have it: each of two processes is looked at as the other's child.
#[test]
fn looks_that_make_a_circle_end() {
    check(
        &[
            fork(CHILD, SHELL, SHELL, "sh"),
            look(1000, SHELL, CHILD, "a"),
            look(1001, CHILD, SHELL, "b"),
            opened(CHILD),
            gone(1002, SHELL),
            opened(CHILD),
        ],
        &["true b<a 20", "lineage_incomplete false b<init 1"],
        &[(33, 300)],
    );
}
