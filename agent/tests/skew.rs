//! A process with many busy threads, on the running kernel: its calls are evaluated by several shards, with the alerts of one.

mod common;

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::thread;

use common::{Agent, Shell, alone, can_run_live};
use perf::Snapshot;

/// Tells `child_actor` the folder to work in.
const ACT: &str = "PEREGRINE_BUSY";
const N_THREADS: usize = 8;
/// Calls of each thread in each of its places.
const EACH: usize = 1_250;
/// Working directories of the process, one after the other.
const PLACES: [&str; 2] = ["first", "second"];
const N_CALLS: usize = N_THREADS * EACH * PLACES.len();
/// Batches and lanes so short that a shard which has more to do than others shows it at once.
const SHORT_LANES: [&str; 4] =
    ["-o", "peregrine.batch_frames=16", "-o", "peregrine.lane_capacity=4"];

/// Not a test by itself: the busy process. Its threads ask for files that are not there, then it goes elsewhere and they do it again.
#[test]
fn child_actor() {
    let Ok(dir) = std::env::var(ACT) else { return };
    for place in PLACES {
        std::env::set_current_dir(format!("{dir}/{place}")).expect("the folder is there");
        thread::scope(|s| {
            for thread in 0..N_THREADS {
                s.spawn(move || {
                    for n in 0..EACH {
                        File::open(format!("busy-{thread}-{n}")).expect_err("no such file");
                    }
                });
            }
        });
    }
}

/// What came of a run.
struct Run {
    /// What alerts say, sorted; their numbers cut off.
    alerts: Vec<String>,
    /// Frames by shard while the process was busy.
    n_by_shard: Vec<u64>,
    n_spread: u64,
}

fn frames_by_shard(stats: &Snapshot) -> Vec<u64> {
    let shards = stats.loads.iter().filter(|load| load.name.starts_with("shard-"));
    shards.map(|load| load.n_frames).collect()
}

/// `Notice at=NUMBER REST`, REST being `name=PLACE/busy-THREAD-N ...`: the number and the rest.
fn numbered(line: &str) -> (u64, &str) {
    let (at, rest) = line
        .split_once("Notice at=")
        .and_then(|(_, said)| said.split_once(' '))
        .unwrap_or_else(|| panic!("no number in {line}"));
    (at.parse().expect("a number"), rest)
}

/// The agent beside the busy process.
fn watch(dir: &str, more: &[&str]) -> Run {
    let mut shell = Shell::start();
    let (pid, rules) = (shell.pid(), format!("{dir}/rules.yaml"));
    let args = ["--scope-pid", &pid, "-r", &rules, "-o", "peregrine.alert_lane_capacity=262144"];
    let agent = Agent::start(&[&args[..], &SHORT_LANES, more].concat());
    let before = frames_by_shard(&agent.at_rest());
    let program = std::env::current_exe().expect("a path");
    let command = format!("{ACT}={dir} {} child_actor --exact --nocapture", program.display());
    assert_eq!(shell.run(&command), 0, "by hand: {command}");
    let stats = agent.at_rest();
    let ended = agent.interrupt();
    ended.assert_balanced();
    assert_eq!(stats.losses, [], "nothing is dropped");
    let get = |name: &str| stats.get(name).unwrap_or_else(|| panic!("no counter {name}"));
    assert_eq!((get("shard.late"), get("shard.alerts_lost")), (0, 0));
    let mut alerts: Vec<(u64, &str)> = ended.stdout.lines().map(numbered).collect();
    alerts.sort_unstable();
    // Of each thread they are in order: the names have numbers.
    let mut last = BTreeMap::new();
    for (_, rest) in &alerts {
        let name = rest.split(' ').next().expect("a name");
        let (thread, n) = name.rsplit_once('-').expect("a number");
        let n: usize = n.parse().expect("a number");
        let before = last.insert(thread, n);
        assert_eq!(before.map_or(0, |last| last + 1), n, "{name}");
    }
    let mut alerts: Vec<String> = alerts.into_iter().map(|(_, rest)| rest.to_owned()).collect();
    alerts.sort_unstable();
    let n_by_shard = frames_by_shard(&stats).into_iter().zip(before).map(|(now, then)| now - then);
    let n_by_shard: Vec<u64> = n_by_shard.collect();
    for load in stats.loads.iter().filter(|load| load.name.starts_with("shard-")) {
        let is_told = load.busy.is_some() && load.waiting == Some(0);
        assert!(is_told && (0.0..=1.0).contains(&load.share), "{load:?}");
    }
    Run { alerts, n_by_shard, n_spread: get("capture.spread") }
}

#[test]
fn a_process_with_many_busy_threads_spreads_over_shards() {
    if !can_run_live("a_process_with_many_busy_threads_spreads_over_shards") {
        return;
    }
    let _alone = alone();
    let folder = tempfile::tempdir().expect("a folder");
    let dir = folder.path().to_str().expect("UTF-8");
    for place in PLACES {
        fs::create_dir(folder.path().join(place)).expect("a folder");
    }
    let rule = "- rule: busy\n  desc: a test\n  condition: evt.type in (open, openat) and evt.arg.name contains /busy-\n  \
                output: at=%evt.num name=%evt.arg.name in %proc.cwd by %proc.name of %proc.pname of %proc.aname[2]\n  \
                priority: NOTICE\n";
    fs::write(folder.path().join("rules.yaml"), rule).expect("a file");

    let one = watch(dir, &["--shards", "1"]);
    assert_eq!(one.alerts.len(), N_CALLS);
    for place in PLACES {
        let there = format!("name={dir}/{place}/busy-");
        assert_eq!(one.alerts.iter().filter(|a| a.starts_with(&there)).count(), N_CALLS / 2);
    }
    let four = watch(dir, &["--shards", "4"]);
    assert!(four.alerts == one.alerts, "not the alerts of one shard");
    let part = N_CALLS as u64 / 20;
    let n_loaded = four.n_by_shard.iter().filter(|&&n| n >= part).count();
    assert!(four.n_spread >= part && n_loaded >= 2, "{:?}", four.n_by_shard);
    let busiest = four.n_by_shard.iter().max();
    assert!(busiest < Some(&(19 * part)), "{:?}", four.n_by_shard);

    let bound = watch(dir, &["--shards", "4", "-o", "peregrine.spread=false"]);
    assert!(bound.alerts == one.alerts, "not the alerts of one shard");
    assert_eq!(bound.n_spread, 0);
    let busiest = bound.n_by_shard.iter().max();
    assert!(busiest >= Some(&(N_CALLS as u64)), "its owner has all of it: {:?}", bound.n_by_shard);
}
