//! Alerts to a file that logrotate moves away under the running agent, and beside a stdout that nobody reads.

#[path = "common/alerts.rs"]
mod alerts;
mod common;

use std::fs;
use std::net::TcpListener;
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use alerts::{Opens, wait_for_count, wait_for_lines};
use common::{DEADLINE, alone, can_run_live, skip};
use rustix::process::Signal;

const LOGROTATE: &str = "/usr/sbin/logrotate";

fn lines(path: &Path) -> Vec<String> {
    fs::read_to_string(path).unwrap_or_default().lines().map(str::to_owned).collect()
}

/// Rotates once in between; `told` is what logrotate does afterwards.
fn check(keep_alive: bool, told: impl Fn(u32) -> String) {
    let mut opens = Opens::new();
    let (file, moved) = (opens.path("alerts"), opens.path("alerts.1"));
    let agent = opens.agent(&[
        "file_output.enabled=true".to_owned(),
        format!("file_output.filename={}", file.display()),
        format!("file_output.keep_alive={keep_alive}"),
    ]);
    opens.raise(8);
    wait_for_lines(&file, 8);
    let config = format!(
        "{} {{\n  rotate 3\n  nocompress\n  nocreate\n  su root root\n{}}}\n",
        file.display(),
        told(agent.pid())
    );
    fs::write(opens.path("logrotate"), config).expect("a file");
    let rotated = Command::new(LOGROTATE)
        .args(["-f", "-s"])
        .arg(opens.path("state"))
        .arg(opens.path("logrotate"))
        .output()
        .expect("logrotate runs");
    assert!(rotated.status.success(), "{}", String::from_utf8_lossy(&rotated.stderr));
    assert_eq!(lines(&moved).len(), 8);
    // The signal is on its way; what comes before it still goes into the file that was moved.
    while !file.exists() {
        opens.raise(1);
        wait_for_count(&agent, "outputs.file.delivered", |n| n == opens.n() as u64);
    }
    opens.raise(8);
    wait_for_count(&agent, "outputs.file.delivered", |n| n == opens.n() as u64);
    let ended = agent.interrupt();
    ended.assert_balanced();
    let (before, after) = (lines(&moved), lines(&file));
    assert!(before.len() >= 8 && after.len() >= 8, "{} and {}", before.len(), after.len());
    let all: Vec<String> = ended.stdout.lines().map(str::to_owned).collect();
    assert_eq!([before, after].concat(), all, "each line is in one file, in order");
}

#[test]
fn a_file_that_is_rotated_loses_no_line() {
    let test = "a_file_that_is_rotated_loses_no_line";
    if !can_run_live(test) {
        return;
    }
    if !Path::new(LOGROTATE).exists() {
        skip(test, "there is no logrotate; apt-get install logrotate");
        return;
    }
    let _alone = alone();
    check(true, |pid| format!("  postrotate\n    kill -USR1 {pid}\n  endscript\n"));
    check(false, |_| String::new());
}

#[test]
fn a_stdout_that_nobody_reads_costs_the_file_nothing() {
    if !can_run_live("a_stdout_that_nobody_reads_costs_the_file_nothing") {
        return;
    }
    let _alone = alone();
    let mut opens = Opens::new();
    let file = opens.path("alerts");
    let (unread, stdout) = std::io::pipe().expect("a pipe");
    let options = [
        "file_output.enabled=true".to_owned(),
        format!("file_output.filename={}", file.display()),
        "peregrine.outputs.stdout.queue_alerts=50".to_owned(),
        "output_timeout=300".to_owned(),
        "peregrine.end_within_ms=300".to_owned(),
    ];
    let agent = opens.agent_into(&options, stdout.into());
    // More than the pipe and the queue together have room for.
    opens.raise_long(300, 1000);
    wait_for_lines(&file, 300);
    let stats = wait_for_count(&agent, "outputs.stdout.stalls", |n| n == 1);
    let n = |name: &str| stats.get(name).expect(name);
    assert_eq!((n("outputs.file.delivered"), n("outputs.file.lost_queue_full")), (300, 0));
    let n_lost = n("outputs.stdout.lost_queue_full");
    assert!(n_lost > 0, "{}", stats.table());
    let ended = agent.interrupt();
    assert!(!ended.status.success(), "{}", ended.stderr);
    for said in [
        "output stdout: blocked for more than 300 ms; ",
        "output stdout: ",
        " alerts could not be delivered before the end",
    ] {
        assert!(ended.stderr.contains(said), "{}", ended.stderr);
    }
    drop(unread);
}

/// Of one run: a sink that hangs, one that is dead, one whose queue is full, and one that works.
#[test]
fn the_end_delivers_what_it_can_within_its_deadline_and_counts_the_rest() {
    if !can_run_live("the_end_delivers_what_it_can_within_its_deadline_and_counts_the_rest") {
        return;
    }
    let _alone = alone();
    let mut opens = Opens::new();
    let file = opens.path("alerts");
    let silent = TcpListener::bind("127.0.0.1:0").expect("a port");
    // Nobody listens on a port that was just let go of.
    let dead = TcpListener::bind("127.0.0.1:0").and_then(|l| l.local_addr()).expect("a port");
    let options = [
        "file_output.enabled=true".to_owned(),
        format!("file_output.filename={}", file.display()),
        "http_output.enabled=true".to_owned(),
        format!("http_output.url=http://{}/", silent.local_addr().expect("an address")),
        "syslog_output.enabled=true".to_owned(),
        format!("peregrine.outputs.syslog.address=tcp://{dead}"),
        "program_output.enabled=true".to_owned(),
        "program_output.program=exec sleep 1000".to_owned(),
        "program_output.keep_alive=true".to_owned(),
        "peregrine.outputs.program.queue_alerts=20".to_owned(),
        "output_timeout=300".to_owned(),
        "peregrine.end_within_ms=1500".to_owned(),
    ];
    let agent = opens.agent(&options);
    opens.raise_long(300, 1000);
    wait_for_lines(&file, 300);
    let stats = wait_for_count(&agent, "outputs.program.lost_queue_full", |n| n > 0);
    assert!(stats.balances(), "{}", stats.table());
    let begin = Instant::now();
    agent.signal(Signal::TERM);
    let ended = agent.wait();
    let took = begin.elapsed();
    assert!(took >= Duration::from_millis(1400) && took < DEADLINE / 2, "{took:?}");
    assert!(!ended.status.success(), "{}", ended.stderr);
    assert_eq!((lines(&file).len(), ended.stdout.lines().count()), (300, 300));
    for said in [
        "output http: 300 alerts could not be delivered before the end",
        "output syslog: 300 alerts could not be delivered before the end",
        "output program: ",
    ] {
        assert!(ended.stderr.contains(said), "{said}: {}", ended.stderr);
    }
    ended.assert_equations();
}

/// A part that nobody can give up: the file of a recording that takes nothing.
#[test]
fn an_end_that_is_stuck_is_ended() {
    if !can_run_live("an_end_that_is_stuck_is_ended") {
        return;
    }
    let _alone = alone();
    let mut opens = Opens::new();
    let pipe = opens.path("recording");
    assert!(Command::new("mkfifo").arg(&pipe).status().expect("mkfifo").success());
    // For both directions opening it waits for nobody.
    let unread = fs::File::options().read(true).write(true).open(&pipe).expect("a pipe");
    let options =
        [format!("peregrine.write={}", pipe.display()), "peregrine.end_within_ms=500".to_owned()];
    let agent = opens.agent(&options);
    opens.raise_long(300, 1000);
    agent.wait_for_lines(300);
    let begin = Instant::now();
    agent.signal(Signal::TERM);
    let ended = agent.wait();
    assert!(begin.elapsed() < DEADLINE / 2, "{:?}", begin.elapsed());
    assert_eq!(ended.status.code(), Some(1), "{}", ended.stderr);
    let said = "Error: not at the end within peregrine.end_within_ms: 0 events read and not evaluated, 0 alerts raised and not given to outputs";
    assert!(ended.stderr.contains(said), "{}", ended.stderr);
    drop(unread);
}
