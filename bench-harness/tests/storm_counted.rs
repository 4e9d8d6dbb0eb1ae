//! Counted storms: they make what they announce, where they announce it, when it is due, and leave nothing.

use std::fs;
use std::path::Path;
use std::process::{Child, Command, Output, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;

const STORM: &str = env!("CARGO_BIN_EXE_peregrine-storm");

/// Each kind with the calls of a cycle.
const KINDS: [(&str, &[(&str, u64)]); 8] = [
    ("getpid", &[("getpid", 1)]),
    ("openclose", &[("openat", 1), ("close", 1)]),
    ("readwrite", &[("read", 1), ("write", 1)]),
    ("rename", &[("rename", 1)]),
    ("udp", &[("sendto", 1), ("recvfrom", 1)]),
    ("udpconnect", &[("socket", 1), ("connect", 1), ("close", 1)]),
    ("tcp", &[("socket", 1), ("connect", 1), ("accept4", 1), ("close", 2)]),
    ("forkexec", &[("clone", 1), ("execve", 1), ("exit_group", 1), ("wait4", 1)]),
];

fn run(args: &[&str], tmp: &Path) -> Output {
    let out = Command::new(STORM).args(args).env("TMPDIR", tmp).output().expect("it runs");
    assert_eq!(fs::read_dir(tmp).expect("the folder").count(), 0, "{args:?} left something");
    out
}

/// The object that a storm prints, and nothing else.
fn object(args: &[&str]) -> Value {
    let tmp = tempfile::tempdir().expect("a folder");
    let out = run(&[args, &["--json"]].concat(), tmp.path());
    let text = String::from_utf8_lossy(&out.stdout);
    assert!(out.status.success(), "{args:?}: {text}{}", String::from_utf8_lossy(&out.stderr));
    assert_eq!(text.lines().count(), 1, "{text}");
    serde_json::from_str(&text).expect("JSON")
}

fn number(object: &Value, name: &str) -> u64 {
    object[name].as_u64().unwrap_or_else(|| panic!("no number {name} in {object}"))
}

fn sum(list: &Value, name: &str) -> u64 {
    list.as_array().expect("a list").iter().map(|one| number(one, name)).sum()
}

#[test]
fn every_kind_announces_what_it_made() {
    for (kind, calls) in KINDS {
        let storm = object(&[kind, "--count", "100", "--threads", "3"]);
        assert_eq!(storm["kind"], kind);
        assert_eq!((number(&storm, "count"), number(&storm, "threads")), (100, 3));
        assert_eq!(storm["ended_early"], false);
        let per_cycle: u64 = calls.iter().map(|(_, n)| n).sum();
        assert_eq!(number(&storm, "calls_per_cycle"), per_cycle);
        assert_eq!(number(&storm, "n_calls"), 100 * per_cycle);
        let expected: serde_json::Map<String, Value> =
            calls.iter().map(|&(name, n)| (name.to_owned(), (100 * n).into())).collect();
        assert_eq!(storm["calls"], Value::Object(expected), "{kind}");
        assert_eq!(sum(&storm["cpus"], "cycles"), 100);
        let first: Vec<u64> =
            storm["by_thread"].as_array().unwrap().iter().map(|t| number(t, "first")).collect();
        assert_eq!(first, [0, 34, 67], "{kind}");
        assert!(storm["ns_per_call"].as_f64().is_some_and(|ns| ns > 1.0), "{storm}");
        assert!(storm["cpu_ns_per_call"].as_f64().is_some_and(|ns| ns > 1.0), "{storm}");
    }
}

#[test]
fn people_get_a_line() {
    let tmp = tempfile::tempdir().expect("a folder");
    let out = run(&["openclose", "--count", "10"], tmp.path());
    let text = String::from_utf8_lossy(&out.stdout);
    assert!(text.starts_with("openclose: 10 cycles by 1 threads in "), "{text}");
    assert!(text.ends_with("(10 close, 10 openat)\n"), "{text}");
}

/// A storm that runs, in a folder of its own for what it makes.
fn begun(args: &[&str], tmp: &Path) -> Child {
    let mut command = Command::new(STORM);
    command.args(args).arg("--json").env("TMPDIR", tmp).stdout(Stdio::piped());
    command.stderr(Stdio::null()).spawn().expect("it runs")
}

fn send(storm: &Child, signal: Signal) {
    kill_process(Pid::from_child(storm), signal).expect("it runs");
}

/// Its object, and whether it made all that was asked for.
fn ended(storm: Child) -> (Value, bool) {
    let out = storm.wait_with_output().expect("it ends");
    (serde_json::from_slice(&out.stdout).expect("JSON"), out.status.success())
}

/// Waits for something that comes soon.
fn until(what: &str, mut is_so: impl FnMut() -> bool) {
    let deadline = Instant::now() + Duration::from_secs(20);
    while !is_so() {
        assert!(Instant::now() < deadline, "not within 20 s: {what}");
        sleep(Duration::from_millis(5));
    }
}

/// Children of all threads of a process.
fn children(pid: u32) -> Vec<u32> {
    let threads = fs::read_dir(format!("/proc/{pid}/task")).into_iter().flatten().flatten();
    let lists =
        threads.filter_map(|thread| fs::read_to_string(thread.path().join("children")).ok());
    lists
        .flat_map(|list| list.split_whitespace().flat_map(str::parse).collect::<Vec<_>>())
        .collect()
}

#[test]
fn nothing_is_made_before_it_is_due() {
    let args =
        ["openclose", "--count", "1000", "--rate", "4000", "--burst", "20", "--threads", "2"];
    let storm = object(&args);
    // The last of 50 bursts is due after 49 intervals of 5 ms.
    assert!(number(&storm, "elapsed_ns") >= 245_000_000, "{storm}");
    assert!(storm["cycles_per_second"].as_f64().is_some_and(|rate| rate < 4100.0), "{storm}");
    assert_eq!((number(&storm, "rate"), number(&storm, "burst")), (4000, 20));
    let late = &storm["lateness_ns"];
    assert_eq!(number(late, "n"), 50);
    assert!(number(late, "p50") <= number(late, "p99"), "{late}");
    assert!(number(late, "p99") <= number(late, "max"), "{late}");
    assert!(number(&storm["calls"], "clock_nanosleep") > 0, "{storm}");
    assert_eq!(number(&storm["calls"], "openat"), 1000);
}

#[test]
fn what_was_due_meanwhile_is_made_at_once_and_counts_as_late() {
    let tmp = tempfile::tempdir().expect("a folder");
    let storm = begun(&["openclose", "--count", "2000", "--rate", "1000"], tmp.path());
    until("its file", || fs::read_dir(tmp.path()).expect("the folder").count() > 0);
    sleep(Duration::from_millis(100));
    send(&storm, Signal::STOP);
    sleep(Duration::from_millis(800));
    send(&storm, Signal::CONT);
    let (storm, is_whole) = ended(storm);
    assert!(is_whole, "{storm}");
    let late = &storm["lateness_ns"];
    assert!(number(late, "max") >= 700_000_000, "{late}");
    // Of 2,000 cycles some 800 were due while it stood still, with a lateness of every length up to all of it.
    let (p99, max) = (number(late, "p99"), number(late, "max"));
    assert!(p99 >= 500_000_000 && p99 <= max, "{late}");
    // A schedule that waits for the storm would have ended 0.8 s later.
    assert!(number(&storm, "elapsed_ns") < 2_700_000_000, "{storm}");
}

#[test]
fn threads_move_when_they_said() {
    let storm = object(&["getpid", "--count", "1000", "--threads", "2", "--migrate=50"]);
    let n_cpus = std::thread::available_parallelism().expect("CPUs").get();
    if n_cpus == 1 {
        assert_eq!(number(&storm["calls"], "sched_setaffinity"), 0);
        return;
    }
    // Each has 10 stretches of 50 cycles, each on another CPU than the one before.
    assert_eq!(number(&storm["calls"], "sched_setaffinity"), 18);
    let on = storm["cpus"].as_array().expect("CPUs");
    assert_eq!(on.len(), n_cpus.min(11), "{storm}");
    if n_cpus == 2 {
        assert!(on.iter().all(|cpu| number(cpu, "cycles") == 500), "{storm}");
    }
}

#[test]
fn the_end_comes_when_asked_for_and_with_the_children() {
    let tmp = tempfile::tempdir().expect("a folder");
    // Its last argument is the time to sleep: the numbers of the second thread begin at 50,000.
    let args = ["forkexec", "--path", "/bin/sleep", "--count", "100000", "--threads", "2"];
    let storm = begun(&args, tmp.path());
    let sleeping = || {
        let is_sleep = |pid: &u32| {
            let name = fs::read_to_string(format!("/proc/{pid}/cmdline"));
            name.is_ok_and(|name| name.starts_with("/bin/sleep\x00000005"))
        };
        children(storm.id()).into_iter().find(is_sleep)
    };
    until("a child that sleeps", || sleeping().is_some());
    let child = sleeping().expect("it sleeps for hours");
    send(&storm, Signal::TERM);
    let (storm, is_whole) = ended(storm);
    assert!(!is_whole && storm["ended_early"] == true, "{storm}");
    assert!(number(&storm, "count") < 100_000, "{storm}");
    assert!(!Path::new(&format!("/proc/{child}")).exists(), "{child} was left");
    let begun_rename = begun(&["rename", "--count", "9000000000", "--rate", "10"], tmp.path());
    until("its file", || fs::read_dir(tmp.path()).expect("the folder").count() > 0);
    send(&begun_rename, Signal::TERM);
    assert!(!ended(begun_rename).1);
    assert_eq!(fs::read_dir(tmp.path()).expect("the folder").count(), 0);
}

#[test]
fn the_time_is_a_bound() {
    let began = Instant::now();
    let tmp = tempfile::tempdir().expect("a folder");
    let storm = begun(&["readwrite", "--count", "9000000000", "--seconds", "1"], tmp.path());
    let (storm, is_whole) = ended(storm);
    assert!(!is_whole && storm["ended_early"] == true, "{storm}");
    assert!(began.elapsed() >= Duration::from_secs(1));
}

#[test]
fn what_cannot_be_is_said() {
    let tmp = tempfile::tempdir().expect("a folder");
    for (args, why) in [
        (&["openclose", "--path", "/no/such"][..], "cannot open /no/such: No such file"),
        (&["forkexec", "--path", "/no/such"], "cannot execute /no/such: No such file"),
        (&["forkexec", "--path", "/bin/false"], "forkexec failed: execve: ended with status 0x100"),
        (&["forkexec", "--path", "/dev/null"], "forkexec failed: execve: cannot be executed"),
    ] {
        let out = run(&[args, &["--count", "5"]].concat(), tmp.path());
        let said = String::from_utf8_lossy(&out.stderr);
        assert!(!out.status.success() && said.contains(why), "{args:?}: {said}");
        assert!(out.stdout.is_empty());
    }
}
