//! Events that need what only a container's runtime knows wait for it, within bounds, and are decided as if it had been known at once.

mod support;

use std::collections::HashMap;
use std::sync::atomic::AtomicBool;
use std::sync::mpsc::{self, Receiver, RecvTimeoutError};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};

use bus::Key;
use containers::Details;
use event::EventType;
use perf::{Moment, Snapshot};
use rules::{RuleMatching, Ruleset};
use stages::{DeferralLimits, Lineage, Progress, RuleSwap};
use support::*;

const INIT: Proc = Proc { tgid: 1, start: 10 };
const N_CONTAINERS: u64 = 12;

const RULES: &str = r#"
- rule: image
  desc: d
  condition: evt.type = openat and container.image.repository in (image-1, image-2, image-7)
  output: "%container.name %proc.name %proc.pname %proc.aname[2] %proc.cwd %fd.name"
  priority: INFO
- rule: not that image
  desc: d
  condition: evt.type in (openat, procexit) and container.id != host and not container.image.repository = image-3
  output: "%proc.name %container.image.repository %container.privileged"
  priority: INFO
- rule: in the output
  desc: d
  condition: evt.type = execve and proc.name startswith c
  output: "%container.id %container.name %container.label[app]"
  priority: INFO
- rule: id
  desc: d
  condition: evt.type = openat and container.id != host
  output: "%container.id %proc.name"
  priority: INFO
"#;

/// The rules, and others that match nothing, so that what is known of a process is kept.
fn rules() -> Arc<Ruleset> {
    let quiet = |n: usize| {
        let own = ["proc.pname", "proc.aname[2]", "proc.name", "container.name", "proc.aname"];
        let own = own[n % own.len()];
        format!(
            "- rule: quiet {n}\n  desc: d\n  condition: evt.type in (openat, execve, procexit) and {own} = none-{n}\n  output: x\n  priority: INFO\n"
        )
    };
    ruleset(&(RULES.to_owned() + &(0..30).map(quiet).collect::<String>()), RuleMatching::All)
}

fn worker(n: u32) -> Proc {
    proc(60 + n, 1_000 + u64::from(n))
}

/// Processes that enter containers, open files, have children and die, their ids used again before anybody could answer.
fn frames(n_rounds: u64) -> Vec<Vec<u8>> {
    let mut frames = vec![seed(INIT, proc(0, 0), "init")];
    frames.extend((0..7).map(|n| seed(worker(n), INIT, &format!("w{n}"))));
    for round in 0..n_rounds {
        let by = worker(round as u32 % 7);
        let child = proc(200 + (round % 9) as u32, 10_000 + round * 10);
        let grandchild = proc(300 + (round % 5) as u32, 10_001 + round * 10);
        let n = round * 31 % N_CONTAINERS;
        frames.push(fork(child, by, by, "runc"));
        frames.push(open(child, "/before", None, Some("/before")));
        frames.push(exec_in(child, by, &format!("c{n}"), n));
        frames.push(open(child, &format!("/f{round}"), None, None));
        frames.push(call(EventType::CHDIR_X, child, |w| {
            w.i64(0).str(format!("/d{round}").as_bytes());
        }));
        frames.push(fork(grandchild, child, child, &format!("g{n}")));
        frames.push(open(grandchild, "/g", None, None));
        frames.push(open(child, "/after", None, None));
        frames.push(exit(grandchild, child));
        frames.push(exit(child, INIT));
    }
    frames
}

/// What the runtime of the tests tells of a container: one in five it does not know.
fn told(full_id: &str) -> Option<Arc<Details>> {
    let n = u64::from_str_radix(full_id, 16).unwrap();
    let labels = [("app".to_owned(), format!("app-{n}"))].into();
    (n % 5 != 4).then(|| {
        Arc::new(Details {
            full_id: full_id.to_owned(),
            name: format!("name-{n}"),
            image_repository: format!("image-{n}"),
            privileged: n.is_multiple_of(2),
            labels,
            ..Details::default()
        })
    })
}

/// Answers what is asked for after delays of up to 3 ms, in an order of its own; ends with who asks.
fn answer_late(asked: &Receiver<String>, lineage: &Lineage, mut random: u64) {
    let mut pending: HashMap<String, Instant> = HashMap::new();
    loop {
        random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        match asked.recv_timeout(Duration::from_micros(100)) {
            Ok(id) => {
                let delay = Duration::from_micros((random >> 33) % 3_000);
                assert!(pending.insert(id, Instant::now() + delay).is_none(), "asked twice");
            }
            Err(RecvTimeoutError::Disconnected) if pending.is_empty() => return,
            Err(RecvTimeoutError::Timeout | RecvTimeoutError::Disconnected) => {}
        }
        let now = Instant::now();
        let due: Vec<_> = pending.extract_if(|_, due| *due <= now).collect();
        for (id, _) in due {
            lineage.live_containers().answer(&id, told(&id));
        }
    }
}

fn feeders<'f>(p: &mut Pipeline, frames: &'f [Vec<u8>]) -> Vec<Feeder<'f>> {
    let n_lanes = p.lanes.len();
    let lanes: Vec<_> = p.lanes.drain(..).collect();
    let of_lane = |lane: usize| {
        let keyed = (1..).map(Key).zip(frames.iter().map(|f| &f[..]));
        keyed.skip(lane).step_by(n_lanes).collect()
    };
    lanes
        .into_iter()
        .enumerate()
        .map(|(n, lanes)| Feeder {
            frames: of_lane(n),
            at: 0,
            lanes,
            watermark: Arc::clone(&p.watermarks[n]),
        })
        .collect()
}

/// Whose turn it is to get a frame without state.
const SPREAD: [u8; 7] = [3, 0, 5, 1, 6, 2, 4];

/// Runs each part on a thread of its own.
fn run(mut p: Pipeline, frames: &[Vec<u8>]) -> (Vec<String>, Snapshot) {
    let feeders = feeders(&mut p, frames);
    let stop = AtomicBool::new(false);
    thread::scope(|scope| {
        for shard in p.shards.drain(..) {
            scope.spawn(|| shard.run(&stop));
        }
        for mut feeder in feeders {
            scope.spawn(move || {
                while feeder.step_spread(3, &SPREAD) {
                    thread::yield_now();
                }
            });
        }
    });
    let snapshot = p.registry.snapshot(Moment::Final);
    assert!(snapshot.balances(), "{}", snapshot.table());
    assert_eq!(snapshot.get("shard.received"), Some(frames.len() as u64));
    assert_eq!(snapshot.get("shard.orphans"), Some(0), "{}", snapshot.table());
    (texts(&mut p.alerts), snapshot)
}

fn patient() -> DeferralLimits {
    DeferralLimits { max_wait: Duration::from_mins(1), ..DeferralLimits::default() }
}

/// With a runtime that answers before `ask` has returned: nothing ever waits.
fn at_once(frames: &[Vec<u8>]) -> Vec<String> {
    let rules = rules();
    let p = pipeline(&Setup::new(1, 1, &rules));
    let lineage = Arc::downgrade(&p.lineage);
    let ask = move |_, id: &str| {
        lineage.upgrade().unwrap().live_containers().answer(id, told(id));
        true
    };
    p.lineage.live_containers().ask_by(ask, Vec::new());
    let (alerts, snapshot) = run(p, frames);
    assert_eq!(snapshot.get("shard.deferred"), Some(0));
    alerts
}

fn with_delays(n_shards: usize, frames: &[Vec<u8>], seed: u64) -> (Vec<String>, Snapshot) {
    let rules = rules();
    let p = pipeline(&Setup { deferral: patient(), ..Setup::new(n_shards, 3, &rules) });
    let (ask, asked) = mpsc::channel();
    let ask = Mutex::new(Some(ask));
    let ask = Arc::new(ask);
    let asking = Arc::clone(&ask);
    let by = move |_, id: &str| {
        asking.lock().unwrap().as_ref().is_some_and(|tx| tx.send(id.to_owned()).is_ok())
    };
    p.lineage.live_containers().ask_by(by, p.wakers.clone());
    let lineage = Arc::clone(&p.lineage);
    thread::scope(|scope| {
        scope.spawn(move || answer_late(&asked, &lineage, seed));
        let result = run(p, frames);
        ask.lock().unwrap().take();
        result
    })
}

#[test]
fn late_answers_give_the_alerts_of_answers_at_once_on_any_number_of_shards() {
    let frames = frames(240);
    let expected = at_once(&frames);
    assert!(expected.iter().any(|a| a.contains("} name-7 g7 c7 ")), "{expected:#?}");
    assert!(expected.iter().any(|a| a.contains("container_unknown: true")));
    for n_shards in [1, 2, 3, 8] {
        for seed in 0..4 {
            let (alerts, snapshot) = with_delays(n_shards, &frames, seed * 7919 + 1);
            let get = |name: &str| snapshot.get(name).unwrap();
            assert_eq!(alerts, expected, "{n_shards} shards");
            assert_eq!(get("shard.deferral_timeout") + get("shard.deferral_full"), 0);
            assert!(get("shard.deferred") > 0, "{}", snapshot.table());
            assert_eq!(get("shard.evaluated"), frames.len() as u64 - 8);
        }
    }
}

/// One shard, whose runtime stays silent.
fn silent(deferral: DeferralLimits, rules: &Arc<Ruleset>) -> Pipeline {
    let p = pipeline(&Setup { deferral, ..Setup::new(1, 1, rules) });
    p.lineage.live_containers().ask_by(|_, _| true, Vec::new());
    p
}

/// Pushes everything and steps until nothing moves.
fn settle(p: &mut Pipeline, frames: &[Vec<u8>]) {
    let mut feeder = feeders(p, frames).remove(0);
    while feeder.step(5) | (p.shards[0].poll_once() == Progress::Worked) {}
}

fn get(p: &Pipeline, name: &str) -> u64 {
    let snapshot = p.registry.snapshot(Moment::Final);
    assert!(snapshot.balances(), "{}", snapshot.table());
    snapshot.get(name).unwrap()
}

#[test]
fn over_time_events_are_decided_with_what_is_known_and_their_alerts_say_so() {
    let frames = frames(20);
    let rules = rules();
    let limits = DeferralLimits { max_wait: Duration::from_millis(30), ..patient() };
    let (alerts, snapshot) = run(silent(limits, &rules), &frames);
    let deferred = snapshot.get("shard.deferred").unwrap();
    let timeout = snapshot.get("shard.deferral_timeout").unwrap();
    assert!(deferred > 0 && timeout >= deferred, "{}", snapshot.table());
    let (of_runtime, of_id): (Vec<_>, Vec<_>) =
        alerts.iter().partition(|a| !a.split(' ').nth(1).unwrap().starts_with("id"));
    assert_eq!((of_runtime.len(), of_id.len()), (20 * 6, 20 * 3), "{alerts:#?}");
    assert!(of_runtime.iter().all(|a| a.contains("container_unknown: true")), "{alerts:#?}");
    assert!(of_id.iter().all(|a| a.contains("container_unknown: false")), "{alerts:#?}");
}

#[test]
fn what_there_is_no_room_for_is_decided_at_once() {
    let frames = frames(20);
    let rules = rules();
    for limits in [
        DeferralLimits { max_events: 3, ..patient() },
        DeferralLimits { max_bytes: 600, ..patient() },
    ] {
        let mut p = silent(limits, &rules);
        settle(&mut p, &frames);
        let deferred = get(&p, "shard.deferred");
        assert!((2..=5).contains(&deferred), "{deferred} of {limits:?}");
        assert_eq!(get(&p, "shard.deferral_waiting"), deferred);
        assert!(get(&p, "shard.deferral_full") > 100);
        assert_eq!(get(&p, "shard.deferral_timeout"), 0);
        assert!(!p.shards[0].is_finished(), "some still wait");
    }
}

#[test]
fn who_waits_holds_back_what_may_be_forgotten_and_an_answer_lets_go() {
    let frames = frames(20);
    let rules = rules();
    let mut p = silent(patient(), &rules);
    settle(&mut p, &frames);
    // The first event in a container is the third of the first round, behind eight seeds.
    assert_eq!(p.lineage.done(0), Key(10));
    for n in 0..N_CONTAINERS {
        let id = format!("{n:064x}");
        p.lineage.live_containers().answer(&id, told(&id));
    }
    assert_eq!(p.shards[0].poll_once(), Progress::Worked);
    assert_eq!(p.shards[0].poll_once(), Progress::Ended);
    assert_eq!(p.lineage.done(0), Key::MAX);
    assert_eq!(texts(&mut p.alerts), at_once(&frames));
    assert!(get(&p, "shard.deferral_decided") > 100);
}

#[test]
fn new_rules_come_after_the_old_ones_have_decided_what_waits() {
    let frames = frames(4);
    let old = rules();
    let mut p = silent(patient(), &old);
    let swap = Arc::new(RuleSwap::new(1, p.watermarks.clone(), Vec::new()));
    p.shards = p.shards.into_iter().map(|shard| shard.following(Arc::clone(&swap))).collect();
    let mut feeder = feeders(&mut p, &frames).remove(0);
    while feeder.at < 30 {
        feeder.step(1);
        p.shards[0].poll_once();
    }
    while p.shards[0].poll_once() == Progress::Worked {}
    let waiting = get(&p, "shard.deferral_waiting");
    assert!(waiting > 0);
    let new =
        "- rule: new\n  desc: d\n  condition: evt.type = openat\n  output: x\n  priority: INFO\n";
    let at = swap.install(&ruleset(new, RuleMatching::All), RuleMatching::All, Key::MIN).unwrap();
    while feeder.step(5) | (p.shards[0].poll_once() == Progress::Worked) {}
    assert!(swap.settle(Duration::ZERO));
    assert_eq!(get(&p, "shard.deferral_cut"), waiting);
    assert_eq!(get(&p, "shard.deferral_waiting"), 0);
    for alert in texts(&mut p.alerts) {
        let (key, rest) = alert.split_once(' ').unwrap();
        assert_eq!(Key(key.parse().unwrap()) > at, rest.starts_with("new "), "{alert}");
    }
}
