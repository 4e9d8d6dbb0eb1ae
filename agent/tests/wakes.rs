//! How often events wake the agent's threads, on the running kernel.

mod common;

use std::fs;
use std::time::Instant;

use common::{Agent, Shell, alone, can_run_live};

/// Times that a thread of a process has gone to sleep.
fn n_sleeps(pid: u32, name: &str) -> u64 {
    let threads = fs::read_dir(format!("/proc/{pid}/task")).expect("threads");
    let statuses = threads.filter_map(|t| fs::read_to_string(t.ok()?.path().join("status")).ok());
    let of_name = |text: &String| text.lines().next().is_some_and(|l| l.ends_with(name));
    let status = statuses.filter(of_name).last().expect("a thread of that name");
    let line = status.lines().find_map(|l| l.strip_prefix("voluntary_ctxt_switches:"));
    line.and_then(|n| n.trim().parse().ok()).expect("a number")
}

/// Opens come far more often than naps end, whatever share of the CPUs the shell has: each nap finds many, and the shard is woken once for all of them.
#[test]
fn frequent_events_wake_threads_no_more_than_naps_allow() {
    if !can_run_live("frequent_events_wake_threads_no_more_than_naps_allow") {
        return;
    }
    let _alone = alone();
    let mut shell = Shell::start();
    let agent = Agent::start(&["--scope-pid", &shell.pid(), "--push-down", "off"]);
    let before = agent.at_rest();
    let sleeps_before = ["cap-0", "shard-0"].map(|name| n_sleeps(agent.pid(), name));
    let begin = Instant::now();
    shell.run("i=0; while [ $i -lt 30000 ]; do : < /etc/hostname; i=$((i+1)); done");
    let took = begin.elapsed();
    let sleeps = ["cap-0", "shard-0"].map(|name| n_sleeps(agent.pid(), name));
    let after = agent.at_rest();
    agent.interrupt().assert_balanced();
    let n = |name| after.get(name).unwrap_or(0) - before.get(name).unwrap_or(0);
    let (n_events, n_naps) = (n("kernel.written"), n("capture.naps"));
    let n_periods = (took.as_nanos() / capture::NAP.as_nanos()) as u64;
    let sleeps = [0, 1].map(|i| sleeps[i] - sleeps_before[i]);
    eprintln!(
        "{n_events} events in {took:?}, {n_periods} periods: {n_naps} naps, {sleeps:?} sleeps"
    );
    assert!(n_events >= 30_000, "{n_events} events");
    assert!(n_naps > 0, "no naps");
    // A nap and three sleeps for each period at most (two sleeps in a row take half of one), and some for what else the agent does.
    for (name, n_sleeps) in ["cap-0", "shard-0"].iter().zip(sleeps) {
        assert!(n_sleeps <= 4 * n_periods + 100, "{name} slept {n_sleeps} times in {took:?}");
    }
}
