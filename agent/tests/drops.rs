//! More than the agent can take, on the running kernel: what is dropped is counted and told, and what is not is complete and in order.

mod common;

use std::fs::{self, File};
use std::io::Write as _;
use std::path::Path;
use std::thread;
use std::time::{Duration, Instant};

use common::{Agent, Ended, Shell, alone, can_run_live};
use perf::Snapshot;
use rustix::process::Signal;
use serde_json::Value;

/// Tells `child_actor` how many opens each of its threads makes at most, and the folder to make them in.
const ACT: &str = "PEREGRINE_STORM";
const N_THREADS: usize = 2;
/// A storm ends after so long, however many opens are left.
const LIMIT: Duration = Duration::from_secs(2);
/// The smallest ring there is: a storm fills it before anybody can have looked.
const SMALL_RING: &str = "peregrine.ring_bytes=65536";

/// Not a test by itself: the storm. Each thread asks for files that are not there, with its own number and that of the call in their names.
#[test]
fn child_actor() {
    let Ok(act) = std::env::var(ACT) else { return };
    let (count, dir) = act.split_once(' ').expect("a number and a folder");
    let count: usize = count.parse().expect("a number");
    // Opened before: nothing but the storm is opened while events are dropped.
    let mut said = File::create(Path::new(dir).join("said")).expect("a file");
    let deadline = Instant::now() + LIMIT;
    let made: Vec<usize> = thread::scope(|s| {
        let threads: Vec<_> = (0..N_THREADS)
            .map(|thread| {
                s.spawn(move || {
                    let mut n = 0;
                    while n < count && (n % 64 > 0 || Instant::now() < deadline) {
                        File::open(format!("{dir}/storm-{thread}-{n}")).expect_err("no such file");
                        n += 1;
                    }
                    n
                })
            })
            .collect();
        threads.into_iter().map(|t| t.join().expect("a thread of the storm")).collect()
    });
    let made: Vec<String> = made.iter().map(usize::to_string).collect();
    said.write_all(made.join(" ").as_bytes()).expect("it is open");
}

/// A folder, an agent that watches a shell, and the shell.
struct Stage {
    dir: tempfile::TempDir,
    shell: Shell,
    agent: Agent,
}

impl Stage {
    /// `condition` is that of the one rule; `DIR` stands for the folder.
    fn set(condition: &str, more: &[&str]) -> Self {
        let dir = tempfile::tempdir().expect("a folder");
        let rules = dir.path().join("rules.yaml");
        let condition = condition.replace("DIR", dir.path().to_str().expect("UTF-8"));
        let rule = format!(
            "- rule: storm\n  desc: a test\n  condition: {condition}\n  output: at=%evt.num name=%evt.arg.name\n  priority: NOTICE\n"
        );
        fs::write(&rules, rule).expect("a file");
        let shell = Shell::start();
        let pid = shell.pid();
        let rules = rules.to_str().expect("UTF-8");
        let args = ["--scope-pid", &pid, "-r", rules, "-o", "peregrine.alert_lane_capacity=262144"];
        let agent = Agent::start(&[&args[..], more].concat());
        Self { dir, shell, agent }
    }

    /// How many opens each thread made.
    fn storm(&mut self, count: usize) -> Vec<usize> {
        let program = std::env::current_exe().expect("a path");
        let dir = self.dir.path().display();
        let command =
            format!("{ACT}='{count} {dir}' {} child_actor --exact --nocapture", program.display());
        assert_eq!(self.shell.run(&command), 0, "the storm failed; by hand: {command}");
        let said = fs::read_to_string(self.dir.path().join("said")).expect("the storm's words");
        said.split(' ').map(|n| n.parse().expect("a number")).collect()
    }

    /// The same while the agent stands still, so that its rings overflow on any machine.
    fn storm_unread(&mut self, count: usize) {
        self.agent.signal(Signal::STOP);
        self.storm(count);
        self.agent.signal(Signal::CONT);
    }
}

/// What was dropped in the kernel, by a test of CPU and type.
fn n_dropped(stats: &Snapshot, is_meant: impl Fn(Option<u16>, &str) -> bool) -> u64 {
    let losses = stats.losses.iter().filter(|l| l.name != "kernel.notes_lost");
    losses.filter(|l| is_meant(l.cpu, &l.event_type)).map(|l| l.n).sum()
}

/// Number of the event, thread of the storm, number of the open.
fn storm_alert(line: &str) -> Option<(u64, usize, usize)> {
    let (_, said) = line.split_once("Notice at=")?;
    let (at, name) = said.split_once(" name=")?;
    let mut parts = name.rsplit('-');
    let (n, thread) = (parts.next()?, parts.next()?);
    Some((at.parse().ok()?, thread.parse().ok()?, n.parse().ok()?))
}

/// Storms, prints the drop rate, and holds what arrived to what was made.
fn assert_complete_and_in_order(name: &str, count: usize, more: &[&str]) -> u64 {
    let mut stage =
        Stage::set("evt.type in (open, openat) and evt.arg.name startswith DIR/storm-", more);
    let begin = Instant::now();
    let made = stage.storm(count);
    let took = begin.elapsed();
    let stats = stage.agent.at_rest();
    let ended = stage.agent.interrupt();
    ended.assert_balanced();
    let mut alerts: Vec<_> = ended.stdout.lines().filter_map(storm_alert).collect();
    let n_made = made.iter().sum::<usize>() as u64;
    let n_dropped = n_dropped(&stats, |_, ty| ty == "openat" || ty == "open");
    let n_unraised = stats.get("shard.alerts_lost").unwrap_or(0);
    // Not `println!`: the test harness keeps what that prints by a test that passes.
    let printed = writeln!(
        std::io::stderr(),
        "{name}: {n_made} opens in {took:.1?}, {} told, {n_dropped} dropped ({:.2} %), {n_unraised} alerts lost",
        alerts.len(),
        100.0 * n_dropped as f64 / n_made as f64
    );
    printed.expect("stderr is open");
    assert_eq!(alerts.len() as u64 + n_dropped + n_unraised, n_made, "{}", stats.table());
    if !more.contains(&"--shards") {
        assert!(alerts.is_sorted(), "one shard tells in the order of events");
    }
    // Each shard tells in order, the outputs wait for none of them.
    alerts.sort_unstable();
    for (thread, made) in made.into_iter().enumerate() {
        let of_thread = alerts.iter().filter(|&&(_, of, _)| of == thread);
        let numbers: Vec<usize> = of_thread.map(|&(.., n)| n).collect();
        let pair = numbers.windows(2).find(|pair| pair[0] >= pair[1]);
        assert_eq!(pair, None, "thread {thread}: twice, or the wrong way round");
        assert!(numbers.last().is_none_or(|&last| last < made));
    }
    n_dropped
}

#[test]
fn beside_two_threads_that_storm_what_is_not_dropped_is_complete_and_in_order() {
    let test = "beside_two_threads_that_storm_what_is_not_dropped_is_complete_and_in_order";
    if !can_run_live(test) {
        return;
    }
    let _alone = alone();
    assert_complete_and_in_order("as it comes", 30_000, &[]);
    let more = ["--shards", "2", "--capture-threads", "2", "-o", SMALL_RING];
    // The agent may keep up with one storm where the machine has little time for it.
    let mut storms = (0..5).map(|_| assert_complete_and_in_order("small rings", 30_000, &more));
    assert!(storms.any(|n_dropped| n_dropped > 0), "64 KiB hold everything?");
}

/// The alerts about dropped events.
fn told(ended: &Ended) -> Vec<Value> {
    let alerts = ended.stdout.lines().map(|line| serde_json::from_str(line).expect("JSON"));
    alerts.filter(|v: &Value| v["rule"] == "Peregrine internal: events dropped").collect()
}

/// Sum of a field over all alerts.
fn sum(alerts: &[Value], name: &str) -> u64 {
    alerts.iter().filter_map(|a| a["output_fields"][name].as_u64()).sum()
}

/// Nobody asks for the storm's files, but for opens.
const QUIET: &str = "evt.type in (open, openat) and evt.arg.name = DIR/nothing";

fn actions(names: &[&str]) -> Vec<String> {
    let names = names.iter().map(|name| format!("syscall_event_drops.actions[]={name}"));
    let keys = ["syscall_event_drops.threshold=0", SMALL_RING].map(str::to_owned);
    keys.into_iter().chain(names).flat_map(|key| ["-o".to_owned(), key]).collect()
}

#[test]
fn dropped_events_raise_an_alert_whose_sums_are_those_of_the_counters() {
    let test = "dropped_events_raise_an_alert_whose_sums_are_those_of_the_counters";
    if !can_run_live(test) {
        return;
    }
    let _alone = alone();
    let mut keys = actions(&["alert"]);
    keys.push("--json".to_owned());
    let keys: Vec<&str> = keys.iter().map(String::as_str).collect();
    let mut stage = Stage::set(QUIET, &[&keys[..], &["--shards", "2"]].concat());
    stage.storm_unread(30_000);
    stage.agent.wait_for_lines(1);
    // The bucket has nothing for these: the last look tells them.
    stage.storm_unread(20_000);
    let stats = stage.agent.at_rest();
    let ended = stage.agent.interrupt();
    ended.assert_balanced();
    let alerts = told(&ended);
    // By the first look and the last; where the machine is slow the bucket may have something in between.
    assert!((2..=4).contains(&alerts.len()), "{}", ended.stdout);
    let n_drops = n_dropped(&stats, |_, _| true);
    assert!(n_drops > 0, "{}", stats.table());
    let n_evts = n_drops + stats.get("kernel.written").unwrap_or(0);
    assert_eq!(sum(&alerts, "n_evts"), n_evts, "{alerts:?}");
    assert_eq!(sum(&alerts, "n_drops"), n_drops, "{alerts:?}");
    for loss in &stats.losses {
        let cause = format!("n_drops.cause.{}", loss.name);
        let of_cause: u64 = stats.losses.iter().filter(|l| l.name == loss.name).map(|l| l.n).sum();
        assert_eq!(sum(&alerts, &cause), of_cause, "{alerts:?}");
        let ty = format!("n_drops.type.{}", loss.event_type);
        assert_eq!(sum(&alerts, &ty), n_dropped(&stats, |_, t| t == loss.event_type));
        if let Some(cpu) = loss.cpu {
            let name = format!("n_drops.cpu.{cpu}");
            assert_eq!(sum(&alerts, &name), n_dropped(&stats, |c, _| c == Some(cpu)));
        }
    }
    assert_eq!(alerts[0]["priority"], "Debug");
    assert_eq!(alerts[0]["source"], "internal");
    assert!(!ended.stderr.contains("peregrine: Peregrine internal"), "{}", ended.stderr);
}

#[test]
fn dropped_events_are_logged_or_end_the_run() {
    let test = "dropped_events_are_logged_or_end_the_run";
    if !can_run_live(test) {
        return;
    }
    let _alone = alone();
    let line = "peregrine: Peregrine internal: events dropped: ";
    let keys = actions(&["log"]);
    let mut keys: Vec<&str> = keys.iter().map(String::as_str).collect();
    keys.push("--single-thread");
    let mut stage = Stage::set(QUIET, &keys);
    stage.storm_unread(10_000);
    assert!(n_dropped(&stage.agent.at_rest(), |_, _| true) > 0);
    let ended = stage.agent.interrupt();
    ended.assert_balanced();
    // Where the storm goes on behind a look, the last one tells the rest.
    let n_told = ended.stderr.matches(line).count();
    assert!((1..=2).contains(&n_told), "{}", ended.stderr);
    assert_eq!(ended.stdout, "");

    let keys = actions(&["exit", "alert"]);
    let keys: Vec<&str> = keys.iter().map(String::as_str).collect();
    let mut stage = Stage::set(QUIET, &keys);
    stage.storm_unread(10_000);
    let ended = stage.agent.wait();
    assert_eq!(ended.status.code(), Some(1), "{}", ended.stderr);
    assert!(ended.stderr.contains(line), "{}", ended.stderr);
    let why = "Error: ended because events were dropped (syscall_event_drops.actions)\n";
    assert!(ended.stderr.ends_with(why), "{}", ended.stderr);
    let n_told = ended.stdout.matches("events dropped").count();
    assert!((1..=2).contains(&n_told), "{}", ended.stdout);
}

#[test]
fn simulated_drops_are_told_every_second_and_counted_nowhere() {
    let test = "simulated_drops_are_told_every_second_and_counted_nowhere";
    if !can_run_live(test) {
        return;
    }
    let _alone = alone();
    let keys = ["simulate_drops=true", "threshold=1", "rate=100", "actions[]=alert"];
    let keys: Vec<String> = keys.iter().map(|key| format!("syscall_event_drops.{key}")).collect();
    let mut args = vec!["--json"];
    args.extend(keys.iter().flat_map(|key| ["-o", key]));
    let stage = Stage::set(QUIET, &args);
    stage.agent.wait_for_lines(2);
    let stats = stage.agent.at_rest();
    assert_eq!(n_dropped(&stats, |_, _| true), 0, "{}", stats.table());
    let ended = stage.agent.interrupt();
    ended.assert_balanced();
    let alerts = told(&ended);
    assert_eq!(sum(&alerts, "n_drops.cause.simulated"), alerts.len() as u64, "{}", ended.stdout);
}
