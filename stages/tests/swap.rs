//! Rules replaced while shards run: each event is held against exactly one of them, and which one depends on its key alone.

mod support;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use bus::Key;
use rules::{Alert, RuleMatching, Ruleset};
use stages::{Progress, RuleSwap, SwapError};
use support::*;

const INIT: Proc = Proc { tgid: 1, start: 10 };
const N_PROCS: u32 = 11;
const LONG: Duration = Duration::from_secs(20);

/// Rules whose alerts tell them apart, and that read ancestors which other shards own.
fn rules(name: &str) -> Arc<Ruleset> {
    let text = format!(
        "- rule: other\n  desc: d\n  condition: evt.type = connect\n  output: x\n  priority: INFO\n\
         - rule: r\n  desc: d\n  condition: evt.type = openat and proc.aname = init\n  \
         output: \"{name} %evt.num %proc.name %proc.aname\"\n  priority: INFO\n"
    );
    ruleset(&text, RuleMatching::All)
}

fn worker(n: u32) -> Proc {
    proc(60 + n, 1_000 + u64::from(n))
}

/// A family over all shards, then opens of all of them; keys are 1, 2, ...
fn frames(n_opens: u32) -> Vec<Vec<u8>> {
    let mut frames = vec![seed(INIT, proc(0, 0), "init")];
    for n in 0..N_PROCS {
        let parent = if n == 0 { INIT } else { worker(n - 1) };
        frames.push(fork(worker(n), parent, parent, "worker"));
    }
    frames.extend((0..n_opens).map(|n| open(worker(n % N_PROCS), "/x", None, Some("/x"))));
    frames
}

/// Frames that come before the first open.
const N_BEFORE: u64 = N_PROCS as u64 + 1;

struct Run {
    p: Pipeline,
    swap: Arc<RuleSwap>,
}

fn start(n_shards: usize, first: &Arc<Ruleset>) -> Run {
    let mut p = pipeline(&Setup::new(n_shards, 1, first));
    let swap = Arc::new(RuleSwap::new(n_shards, p.watermarks.clone(), Vec::new()));
    p.shards = p.shards.into_iter().map(|shard| shard.following(Arc::clone(&swap))).collect();
    Run { p, swap }
}

fn feeder<'f>(p: &mut Pipeline, frames: &'f [Vec<u8>]) -> Feeder<'f> {
    let frames: Vec<_> = (1..).map(Key).zip(frames.iter().map(|f| &f[..])).collect();
    Feeder { frames, at: 0, lanes: p.lanes.remove(0), watermark: Arc::clone(&p.watermarks[0]) }
}

fn step_all(p: &mut Pipeline) -> bool {
    let mut all_ended = true;
    for shard in &mut p.shards {
        all_ended &= shard.poll_once() == Progress::Ended;
    }
    all_ended
}

/// Number of the event and name of the rules, of each alert, in order.
fn told(alerts: &mut [bus::Rx<Alert>]) -> Vec<(u64, String)> {
    let mut all = Vec::new();
    for rx in alerts {
        while let Some(a) = rx.pop() {
            all.push((a.evt_num, a.output.split(' ').next().unwrap().to_owned()));
        }
    }
    all.sort();
    all
}

#[test]
fn a_swap_at_a_key_gives_the_same_alerts_on_any_number_of_shards() {
    let frames = frames(400);
    let run = |n_shards: usize| {
        let Run { mut p, swap } = start(n_shards, &rules("old"));
        let at = swap.install(&rules("new"), RuleMatching::All, Key(133)).unwrap();
        assert_eq!(at, Key(133), "nothing was taken yet");
        let mut feeder = feeder(&mut p, &frames);
        loop {
            feeder.step(7);
            if step_all(&mut p) {
                break;
            }
        }
        assert!(swap.settle(Duration::ZERO));
        assert_eq!(swap.matches(), [0, 400 - (133 - N_BEFORE)], "of the new rules");
        let snapshot = p.registry.snapshot(perf::Moment::Final);
        assert!(snapshot.balances(), "{}", snapshot.table());
        texts(&mut p.alerts)
    };
    let one = run(1);
    assert_eq!(one.len(), 400);
    for line in &one {
        let n: u64 = line.split(' ').next().unwrap().parse().unwrap();
        let expected = if n <= 133 { "old " } else { "new " };
        assert!(line.rsplit("} ").next().unwrap().starts_with(expected), "{line}");
    }
    for n_shards in [2, 4] {
        assert_eq!(run(n_shards), one, "{n_shards} shards");
    }
}

#[test]
fn swaps_at_any_moment_lose_nothing_and_split_at_their_key() {
    const N_OPENS: u32 = 60_000;
    let frames = frames(N_OPENS);
    for n_shards in [1, 2, 4] {
        let Run { mut p, swap } = start(n_shards, &rules("g0"));
        let mut feeder = feeder(&mut p, &frames);
        let never = AtomicBool::new(false);
        let mut bounds = Vec::new();
        std::thread::scope(|scope| {
            for shard in p.shards.drain(..) {
                scope.spawn(|| shard.run(&never));
            }
            let feeding = scope.spawn(move || {
                while feeder.step(100) {
                    std::thread::yield_now();
                }
            });
            loop {
                let next = rules(&format!("g{}", bounds.len() + 1));
                match swap.install(&next, RuleMatching::All, Key::MIN) {
                    Ok(at) => bounds.push(at.0),
                    Err(SwapError::Ended) => break,
                    Err(SwapError::Pending) => panic!("the one before was settled"),
                }
                assert!(swap.settle(LONG), "{n_shards} shards");
            }
            feeding.join().unwrap();
        });
        assert!(bounds.is_sorted(), "{bounds:?}");
        let alerts = told(&mut p.alerts);
        let expected: Vec<(u64, String)> = (N_BEFORE + 1..=N_BEFORE + u64::from(N_OPENS))
            .map(|n| (n, format!("g{}", bounds.partition_point(|&at| at < n))))
            .collect();
        assert!(alerts == expected, "{n_shards} shards, swapped at {bounds:?}");
        assert!(bounds.len() > 2, "{n_shards} shards, swapped at {bounds:?}");
        let snapshot = p.registry.snapshot(perf::Moment::Final);
        assert!(snapshot.balances(), "{}", snapshot.table());
        assert_eq!(snapshot.get("shard.evaluated"), Some(frames.len() as u64 - 1));
    }
}

#[test]
fn the_old_rules_are_freed_once_no_shard_uses_them() {
    let first = rules("old");
    let Run { mut p, swap } = start(2, &first);
    let old = Arc::downgrade(&first);
    drop(first);
    swap.install(&rules("new"), RuleMatching::All, Key(5)).unwrap();
    assert!(!swap.settle(Duration::ZERO), "no shard has come to the key");
    assert_eq!(swap.install(&rules("x"), RuleMatching::All, Key(5)), Err(SwapError::Pending));
    assert!(old.upgrade().is_some());
    p.watermarks[0].publish(Key(4));
    step_all(&mut p);
    step_all(&mut p);
    assert!(!swap.settle(Duration::ZERO), "a shard stands just before the key");
    p.watermarks[0].publish(Key(9));
    step_all(&mut p);
    step_all(&mut p);
    assert!(swap.settle(Duration::ZERO));
    assert!(old.upgrade().is_none());
}

#[test]
fn nobody_waits_for_shards_that_have_ended() {
    let Run { mut p, swap } = start(2, &rules("old"));
    swap.install(&rules("new"), RuleMatching::All, Key(1_000)).unwrap();
    p.watermarks[0].publish(Key::MAX);
    assert!(step_all(&mut p));
    drop(p.shards);
    assert!(swap.settle(Duration::ZERO));
    assert_eq!(swap.install(&rules("x"), RuleMatching::All, Key::MIN), Err(SwapError::Ended));
}

#[test]
fn what_was_released_without_a_straggler_stays_with_the_old_rules() {
    let frame = open(worker(0), "/x", None, Some("/x"));
    let first = rules("old");
    let setup = Setup { late_after: Some(Duration::ZERO), ..Setup::new(1, 2, &first) };
    let mut p = pipeline(&setup);
    let swap = Arc::new(RuleSwap::new(1, p.watermarks.clone(), Vec::new()));
    p.shards = p.shards.into_iter().map(|shard| shard.following(Arc::clone(&swap))).collect();
    let mut batch = p.lanes[0][0].take().unwrap();
    batch.push(Key(70), &frame).unwrap();
    p.lanes[0][0].push(batch).unwrap();
    // Neither watermark has come to the frame.
    assert_eq!(p.shards[0].poll_once(), Progress::Worked);
    assert_eq!(swap.install(&rules("new"), RuleMatching::All, Key::MIN), Ok(Key(70)));
}

/// Runs the frames through shards that measure from the start, replacing the rules at a key where one is given.
fn profile(n_shards: usize, frames: &[Vec<u8>], swap_at: Option<Key>) -> stages::RuleProfile {
    let Run { mut p, swap } = start(n_shards, &rules("old"));
    let measured = swap.begin_profile(4).unwrap();
    assert_eq!(measured.rules().len(), 2);
    assert_eq!(swap.begin_profile(4).unwrap_err(), SwapError::Pending);
    if let Some(at) = swap_at {
        swap.install(&rules("new"), RuleMatching::All, at).unwrap();
    }
    let mut feeder = feeder(&mut p, frames);
    loop {
        feeder.step(7);
        if step_all(&mut p) {
            break;
        }
    }
    let shards = std::mem::take(&mut p.shards);
    let is_over = AtomicBool::new(false);
    let stop = &is_over;
    std::thread::scope(|scope| {
        // Shards at the end of their sources still answer.
        let stepping = scope.spawn(move || {
            let mut shards = shards;
            while !stop.load(Ordering::Relaxed) {
                for shard in &mut shards {
                    assert_eq!(shard.poll_once(), Progress::Ended);
                }
            }
        });
        let profile = swap.end_profile(LONG);
        stop.store(true, Ordering::Relaxed);
        stepping.join().unwrap();
        assert_eq!(swap.end_profile(LONG), stages::RuleProfile::default(), "it is over");
        profile
    })
}

#[test]
fn a_profile_counts_every_match_and_times_a_sample() {
    let frames = frames(400);
    for n_shards in [1, 2, 4] {
        let found = profile(n_shards, &frames, None);
        assert_eq!((&found.matches[..], found.n_missing), (&[0, 400][..], 0), "{n_shards} shards");
        // One more for each time that a shard had to wait for another.
        assert!(found.n_evaluations >= 400, "{found:?}");
        let timed = found.costs.n_events;
        let expected = found.n_evaluations / 4;
        assert!((expected..=expected + n_shards as u64).contains(&timed), "{found:?}");
        assert!(found.costs.rules[1].n_runs >= timed && found.costs.rules[1].ns > 0, "{found:?}");
        assert_eq!(found.costs.rules[0].n_runs, 0, "no connect: {found:?}");
    }
}

#[test]
fn a_profile_ends_with_the_rules_that_it_measures() {
    let frames = frames(400);
    for n_shards in [1, 4] {
        let found = profile(n_shards, &frames, Some(Key(133)));
        assert_eq!(found.matches, [0, 133 - N_BEFORE], "{n_shards} shards");
    }
}
