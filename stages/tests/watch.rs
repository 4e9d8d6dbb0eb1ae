//! What who looks is shown of a shard's events: whose they are, which, what a filter picks; that alerts are the same; and that looking allocates nothing
//! on the shard.

mod support;

use std::sync::Arc;
use std::time::Duration;

use bus::Key;
use event::EventType;
use perf::CountingAlloc;
use rules::RuleMatching;
use stages::{LookError, Looked, MAX_ONLOOKERS, Progress, Watches};
use support::*;

#[global_allocator]
static ALLOC: CountingAlloc = CountingAlloc::system();

const RULES: &str = "- rule: r\n  desc: d\n  condition: evt.type in (openat, kill) and fd.name = /a\n  output: x\n  priority: INFO\n";
const LEASE: Duration = Duration::from_mins(1);
const INIT: Proc = Proc { tgid: 1, start: 10 };
const BUSY: Proc = Proc { tgid: 50, start: 20 };
const CALM: Proc = Proc { tgid: 51, start: 30 };

/// Three of four events are opens of `BUSY`, the fourth is a call of `CALM` that fails.
fn frames(n: usize) -> Vec<Vec<u8>> {
    let mut all =
        vec![seed(INIT, proc(0, 0), "init"), seed(BUSY, INIT, "busy"), seed(CALM, INIT, "calm")];
    for n in 0..n {
        all.push(match n % 4 {
            0 => call(EventType::KILL_X, CALM, |w| {
                w.i64(-1).i64(50).u8(15);
            }),
            _ => open(BUSY, "/b", None, Some("/b")),
        });
    }
    all
}

/// The events in windows of so many frames, looked at once before and once behind; with what was raised, and what the shards allocated meanwhile.
fn looked(n_shards: usize, n: usize, window: usize, filter: &str) -> (Looked, Vec<String>, u64) {
    let rules = ruleset(RULES, RuleMatching::All);
    let mut p = pipeline(&Setup::new(n_shards, 1, &rules));
    let watches = Arc::new(Watches::new(n_shards));
    let shards = std::mem::take(&mut p.shards).into_iter();
    let mut shards: Vec<_> = shards.map(|s| s.watched(Arc::clone(&watches))).collect();
    assert!(!watches.is_watched());
    assert_eq!(watches.look(7, filter, LEASE).unwrap(), Looked::default());
    assert!(watches.is_watched());
    let frames = frames(n);
    let mut keys: Vec<_> = (1..).map(Key).zip(frames.iter().map(|f| &f[..])).collect();
    keys.push((Key(frames.len() as u64 + 1), &frames[3]));
    let watermark = Arc::clone(&p.watermarks[0]);
    let mut feeder = Feeder { frames: keys, at: 0, lanes: p.lanes.remove(0), watermark };
    let mut allocated = 0;
    let mut more = true;
    while more {
        more = feeder.step(window);
        let before = perf::thread_allocs();
        let step = |s: &mut stages::Shard| s.poll_once() == Progress::Worked;
        while shards.iter_mut().map(step).fold(false, |any, worked| any | worked) {}
        if feeder.at > frames.len() / 2 {
            allocated += perf::thread_allocs() - before;
        }
    }
    (watches.look(7, filter, LEASE).unwrap(), texts(&mut p.alerts), allocated)
}

#[test]
fn small_windows_are_counted_whole() {
    for n_shards in [1, 3] {
        let (looked, _, allocated) = looked(n_shards, 400, 5, "");
        assert_eq!((looked.n_events, looked.n_looked, looked.n_passed), (401, 401, 401));
        assert_eq!((looked.n_undecided, looked.n_missed, allocated), (0, 0, 0));
        let processes: Vec<_> = looked
            .processes
            .iter()
            .map(|p| (p.pid, &*p.name, &*p.container, p.n, p.over))
            .collect();
        assert_eq!(processes, [(50, "busy", "host", 300, 0), (51, "calm", "host", 101, 0)]);
        let calls: Vec<_> = looked.calls.iter().map(|c| (&*c.name, c.n, c.n_failed)).collect();
        assert_eq!(calls, [("openat", 300, 0), ("kill", 101, 101)]);
        assert_eq!((&*looked.containers[0].id, looked.containers[0].n), ("host", 401));
        assert!(looked.interval_ns > 0);
    }
}

#[test]
fn of_large_windows_a_part_stands_for_all() {
    let rules = ruleset(RULES, RuleMatching::All);
    let mut p = pipeline(&Setup::new(1, 1, &rules));
    let watches = Arc::new(Watches::new(1));
    let mut shard = p.shards.remove(0).watched(Arc::clone(&watches));
    watches.look(7, "", LEASE).unwrap();
    let frames = frames(64_000);
    let keyed: Vec<_> = (1..).map(Key).zip(&frames).collect();
    // What the lane of the test holds.
    for window in keyed.chunks(4 * LIMITS.max_frames) {
        for frames in window.chunks(LIMITS.max_frames) {
            let mut batch = p.lanes[0][0].take().unwrap();
            for (key, frame) in frames {
                batch.push(*key, frame).unwrap();
            }
            p.lanes[0][0].push(batch).unwrap();
        }
        p.watermarks[0].publish(window.last().unwrap().0);
        while shard.poll_once() == Progress::Worked {}
    }
    let looked = watches.look(7, "", LEASE).unwrap();
    assert!(looked.n_looked.abs_diff(32_000) < 100, "{looked:?}");
    let near = |found: u64, n: u64| found.abs_diff(n) < n / 20;
    assert!(near(looked.n_events, 64_000), "{looked:?}");
    assert!(near(looked.processes[0].n, 48_000) && near(looked.calls[1].n, 16_000), "{looked:?}");
}

#[test]
fn a_filter_picks() {
    let (looked, _, allocated) = looked(1, 400, 5, "evt.type = openat and proc.pname = init");
    assert_eq!((looked.n_events, looked.n_passed, allocated), (401, 300, 0));
    assert_eq!(looked.calls.len(), 1);
    let watches = Watches::new(1);
    let Err(LookError::Filter(error)) = watches.look(1, "proc.nane = x", LEASE) else {
        panic!("it names no field")
    };
    assert_eq!(error.to_string(), "unknown field `proc.nane`");
    assert!(!watches.is_watched());
}

#[test]
fn onlookers_are_few_and_leave_with_their_lease() {
    let watches = Watches::new(1);
    let short = Duration::from_millis(200);
    for id in 0..MAX_ONLOOKERS as u64 {
        watches.look(id, "", if id == 0 { short } else { LEASE }).unwrap();
        // The same one again, and with another filter.
        watches.look(id, "evt.type = open", if id == 0 { short } else { LEASE }).unwrap();
    }
    assert!(matches!(watches.look(99, "", LEASE), Err(LookError::Full)));
    std::thread::sleep(short);
    watches.look(99, "", LEASE).unwrap();
}
