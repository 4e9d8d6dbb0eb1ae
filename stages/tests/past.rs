//! Past versions of processes while a shard is behind: they take so much memory and no more, and nothing is told otherwise for it.

mod support;

use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::Duration;

use bus::Key;
use event::{FrameHeader, flags};
use rules::{RuleMatching, Ruleset};
use stages::{LineageLimits, Progress};
use support::*;

const INIT: Proc = Proc { tgid: 1, start: 10 };
const NOBODY: Proc = Proc { tgid: 0, start: 0 };
const TABLE_BYTES: u64 = 64 << 10;
/// The bound, an eighth for past versions, and what the window at hand makes before anybody looks again.
const MOST_BYTES: u64 = TABLE_BYTES + TABLE_BYTES / 8 + (16 << 10);

fn rules() -> Arc<Ruleset> {
    let text = "- rule: r\n  desc: d\n  condition: evt.type = openat\n  \
                output: \"%proc.cmdline<%proc.pcmdline\"\n  priority: INFO\n";
    ruleset(text, RuleMatching::All)
}

/// As a savefile has it: what there is no memory for is decided by who reads it, and nobody has decided so here.
fn saved(mut frame: Vec<u8>) -> Vec<u8> {
    let mut header = FrameHeader::from_bytes(frame.first_chunk().unwrap());
    header.flags |= flags::FROM_FILE;
    frame[..event::HEADER_LEN].copy_from_slice(&header.to_bytes());
    frame
}

fn look(p: Proc) -> Vec<u8> {
    open(p, "/x", None, Some("/x"))
}

/// Processes, each the child of the one before, that execute again and again.
fn busy(n_processes: u32, n_execs: usize) -> Vec<Vec<u8>> {
    let all: Vec<Proc> = (0..n_processes).map(|n| proc(50 + n, 100 + u64::from(n))).collect();
    let parent = |n: usize| n.checked_sub(1).map_or(INIT, |n| all[n]);
    let mut frames = vec![seed(INIT, NOBODY, "init")];
    frames.extend(all.iter().enumerate().map(|(n, &p)| fork(p, parent(n), parent(n), "p")));
    for round in 0..n_execs {
        let n = round % all.len();
        frames.push(exec(all[n], parent(n), "tool", &format!("-n {round}")));
        frames.push(look(all[(round * 7 + 3) % all.len()]));
    }
    frames.into_iter().map(saved).collect()
}

fn setup(rules: &Arc<Ruleset>, n_shards: usize, max_bytes: u64) -> Pipeline {
    let limits = LineageLimits { max_bytes, ..LineageLimits::default() };
    pipeline(&Setup { limits, ..Setup::new(n_shards, 1, rules) })
}

fn feeder<'f>(p: &mut Pipeline, frames: &'f [Vec<u8>]) -> Feeder<'f> {
    let frames: Vec<_> = (1..).map(Key).zip(frames.iter().map(|f| &f[..])).collect();
    Feeder { frames, at: 0, lanes: p.lanes.remove(0), watermark: p.watermarks[0].clone() }
}

/// The alerts of one shard, which nobody holds back.
fn alone(rules: &Arc<Ruleset>, frames: &[Vec<u8>]) -> Vec<String> {
    let mut p = setup(rules, 1, u64::MAX);
    let mut feeder = feeder(&mut p, frames);
    loop {
        feeder.step(8);
        if p.shards[0].poll_once() == Progress::Ended {
            return texts(&mut p.alerts);
        }
    }
}

fn n_held(p: &Pipeline) -> u64 {
    p.registry.snapshot(perf::Moment::Final).get("shard.held_back").unwrap()
}

#[test]
fn a_shard_that_does_not_move_stops_the_growth_and_loses_nothing() {
    let rules = rules();
    // All of one shard.
    let owned = (50..100).find(|&tgid| owner(tgid, 2) == 0).unwrap();
    let p = proc(owned, 100);
    let mut frames = vec![seed(INIT, NOBODY, "init"), fork(p, INIT, INIT, "p")];
    for n in 0..3000 {
        frames.extend([exec(p, INIT, "tool", &format!("-n {n}")), look(p)]);
    }
    let frames: Vec<_> = frames.into_iter().map(saved).collect();
    let mut pipeline = setup(&rules, 2, TABLE_BYTES);
    let mut feeder = feeder(&mut pipeline, &frames);
    let mut n_idle = 0;
    while n_idle < 100 {
        feeder.step(8);
        let is_idle = pipeline.shards[0].poll_once() == Progress::Idle;
        n_idle = if is_idle { n_idle + 1 } else { 0 };
        let n_bytes = pipeline.lineage.n_bytes();
        assert!(n_bytes <= MOST_BYTES, "{n_bytes} bytes");
    }
    assert!(feeder.at < frames.len() / 2, "{} frames were taken", feeder.at);
    assert!(n_held(&pipeline) > 0);
    let mut n_ended = 0;
    while n_ended < 2 {
        feeder.step(8);
        n_ended = 0;
        for shard in &mut pipeline.shards {
            n_ended += usize::from(shard.poll_once() == Progress::Ended);
        }
        assert!(pipeline.lineage.n_bytes() <= MOST_BYTES);
    }
    assert_eq!(texts(&mut pipeline.alerts), alone(&rules, &frames));
    let snapshot = pipeline.registry.snapshot(perf::Moment::Final);
    assert_eq!(snapshot.get("shard.received"), Some(frames.len() as u64));
    assert!(snapshot.balances(), "{}", snapshot.table());
}

#[test]
fn live_a_shard_that_stands_still_is_not_waited_for_for_ever() {
    let rules = rules();
    let owned = (50..100).find(|&tgid| owner(tgid, 2) == 0).unwrap();
    let p = proc(owned, 100);
    let mut frames = vec![seed(INIT, NOBODY, "init"), fork(p, INIT, INIT, "p")];
    frames.extend((0..600).map(|n| exec(p, INIT, "tool", &format!("-n {n}"))));
    let limits = LineageLimits { max_bytes: TABLE_BYTES, ..LineageLimits::default() };
    let late_after = Some(Duration::from_millis(4));
    let mut pipeline = support::pipeline(&Setup { late_after, limits, ..Setup::new(2, 1, &rules) });
    let mut feeder = feeder(&mut pipeline, &frames);
    let mut n_polls = 0;
    while feeder.at < frames.len() {
        feeder.step(8);
        pipeline.shards[0].poll_once();
        n_polls += 1;
    }
    assert!(n_held(&pipeline) > 1 && n_polls > frames.len() / 8);
}

#[test]
fn shards_that_hold_back_for_each_other_come_to_an_end_with_the_same_alerts() {
    let rules = rules();
    let frames = busy(12, 4000);
    let expected = alone(&rules, &frames);
    for n_shards in [2, 3, 5] {
        let mut p = setup(&rules, n_shards, TABLE_BYTES / 8);
        let mut feeder = feeder(&mut p, &frames);
        let stop = AtomicBool::new(false);
        std::thread::scope(|s| {
            s.spawn(move || {
                while feeder.step(7) {
                    std::thread::yield_now();
                }
            });
            for shard in p.shards.drain(..) {
                s.spawn(|| shard.run(&stop));
            }
        });
        assert_eq!(texts(&mut p.alerts), expected, "{n_shards} shards");
    }
}
