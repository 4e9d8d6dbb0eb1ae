//! When a shard wakes who takes its alerts: live for each window; in a replay for many windows at a time, but always before it has nothing to do.

mod support;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::mpsc::channel;
use std::thread;
use std::time::{Duration, Instant};

use bus::{Key, Sleeping, Unparker, WaitLimits, Waiter};
use rules::{RuleMatching, Ruleset};
use stages::Progress;
use support::*;

const RULES: &str = "- rule: r\n  desc: d\n  condition: evt.type = openat and fd.name = /a\n  output: x\n  priority: INFO\n";

fn rules() -> Arc<Ruleset> {
    ruleset(RULES, RuleMatching::All)
}

/// A thread that always sleeps, and how often it was woken.
fn sleeper() -> (Unparker, Arc<AtomicU64>) {
    let sleeping = Arc::new(Sleeping::new());
    sleeping.raise();
    let n = Arc::new(AtomicU64::new(0));
    let (flag, counter) = (Arc::clone(&sleeping), Arc::clone(&n));
    let wake = move || {
        counter.fetch_add(1, Ordering::Relaxed);
        flag.raise();
    };
    (Unparker::new(sleeping, wake), n)
}

/// Alerts of one shard, a window for each frame, and wakes after so many windows.
fn wakes(late_after: Option<Duration>, names: &[&str]) -> Vec<u64> {
    let rules = rules();
    let (unparker, n_wakes) = sleeper();
    let setup = Setup { late_after, output: Some(unparker), ..Setup::new(1, 1, &rules) };
    let mut p = pipeline(&setup);
    let mut after = Vec::new();
    for (key, name) in (1..).map(Key).zip(names) {
        let mut batch = p.lanes[0][0].take().unwrap();
        batch.push(key, &open(proc(5, 5), name, None, Some(name))).unwrap();
        p.lanes[0][0].push(batch).unwrap();
        p.watermarks[0].publish(key);
        assert_eq!(p.shards[0].poll_once(), Progress::Worked);
        after.push(n_wakes.load(Ordering::Relaxed));
    }
    assert_eq!(p.shards[0].poll_once(), Progress::Idle);
    after.push(n_wakes.load(Ordering::Relaxed));
    assert_eq!(p.shards[0].poll_once(), Progress::Idle);
    after.push(n_wakes.load(Ordering::Relaxed));
    after
}

#[test]
fn live_each_window_with_an_alert_wakes() {
    assert_eq!(wakes(Some(Duration::from_hours(1)), &["/a", "/b", "/a"]), [1, 1, 2, 2, 2]);
}

#[test]
fn in_a_replay_many_windows_wake_once_and_the_last_one_does() {
    assert_eq!(wakes(None, &["/a", "/b", "/a"]), [0, 0, 0, 1, 1], "when there is nothing to do");
    let busy = wakes(None, &["/a"; 70]);
    assert_eq!((busy[30], busy[31], busy[62], busy[63], busy[69]), (0, 1, 1, 2, 2));
    assert_eq!(busy[70..], [3, 3], "the rest, and then no more");
    assert_eq!(wakes(None, &["/b"; 70])[71], 0, "no alert, no wake");
}

#[test]
fn who_gets_on_with_its_window_does_not_wait_for_longer_each_time() {
    let rules = rules();
    let mut p = pipeline(&Setup { alert_capacity: 1, ..Setup::new(1, 1, &rules) });
    let mut batch = p.lanes[0][0].take().unwrap();
    for key in 1..=8 {
        batch.push(Key(key), &open(proc(5, 5), "/a", None, Some("/a"))).unwrap();
    }
    p.lanes[0][0].push(batch).unwrap();
    p.watermarks[0].publish(Key(8));
    for n in 1..8 {
        assert_eq!(p.shards[0].poll_once(), Progress::Worked, "alert {n} went out");
        let waiting = p.shards[0].poll_once();
        assert!(matches!(waiting, Progress::Waiting(_)), "no room for the next: {waiting:?}");
        assert!(p.alerts[0].pop().is_some());
    }
    assert_eq!(p.shards[0].poll_once(), Progress::Worked);
    assert_eq!(p.shards[0].poll_once(), Progress::Idle);
}

fn wake_all(threads: &[Unparker]) {
    for thread in threads {
        thread.wake();
    }
}

/// Who takes alerts sleeps for an hour unless it is woken.
#[test]
fn every_alert_of_a_replay_is_taken_before_and_at_its_end() {
    const DEADLINE: Duration = Duration::from_secs(100);
    let rules = rules();
    let hour = Duration::from_hours(1);
    let mut waiter =
        Waiter::new(WaitLimits { n_spins: 0, n_yields: 0, min_sleep: hour, max_sleep: hour });
    // Two shards; fewer alerts fit in a lane than come in a row, so that shards wait for room.
    let setup =
        Setup { alert_capacity: 5, output: Some(waiter.unparker()), ..Setup::new(2, 1, &rules) };
    let mut p = pipeline(&setup);
    let taken = Arc::new(AtomicU64::new(0));
    let theirs = Arc::clone(&taken);
    let mut alerts = std::mem::take(&mut p.alerts);
    let (done, ended) = channel();
    thread::spawn(move || {
        loop {
            // What was sent before its sender went is taken after that was seen.
            let is_over = alerts.iter().all(bus::Rx::is_abandoned);
            let n =
                alerts.iter_mut().map(|rx| std::iter::from_fn(|| rx.pop()).count()).sum::<usize>();
            theirs.fetch_add(n as u64, Ordering::Release);
            match n {
                0 if is_over => break,
                0 => waiter.idle(),
                _ => waiter.reset(),
            }
        }
        done.send(())
    });
    for shard in p.shards.drain(..) {
        thread::spawn(move || shard.run(&AtomicBool::new(false)));
    }
    let frame = |n: u32| open(proc(n, 5), "/a", None, Some("/a"));
    let deadline = Instant::now() + DEADLINE;
    let (mut key, mut lanes) = (0, p.lanes.remove(0));
    for burst in [1, 3, 60, 1, 200, 7] {
        for n in 0..burst {
            key += 1;
            let frame = frame(n);
            let lane = &mut lanes[owner(n, 2)];
            let mut batch = loop {
                let room = if lane.is_full() { None } else { lane.take() };
                if let Some(batch) = room {
                    break batch;
                }
                wake_all(&p.wakers);
                assert!(Instant::now() < deadline, "no room");
            };
            batch.push(Key(key), &frame).unwrap();
            lane.push(batch).unwrap();
            p.watermarks[0].publish(Key(key));
        }
        wake_all(&p.wakers);
        while taken.load(Ordering::Acquire) < key {
            assert!(Instant::now() < deadline, "{taken:?} of {key} while nothing happens");
            thread::sleep(Duration::from_micros(100));
        }
    }
    p.watermarks[0].publish(Key::MAX);
    wake_all(&p.wakers);
    ended.recv_timeout(DEADLINE).expect("it ends with the shards");
    assert_eq!(taken.load(Ordering::Acquire), key);
}
