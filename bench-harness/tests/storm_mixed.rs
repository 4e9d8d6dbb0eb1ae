//! The mixed storm: it is made of everything it should be, ends by itself, and leaves neither files nor processes.

use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

const STORM: &str = env!("CARGO_BIN_EXE_peregrine-storm");

fn storm(dir: &Path, args: &[&str]) -> Command {
    let mut command = Command::new(STORM);
    command.args(["mixed", "--dir"]).arg(dir).args(args);
    command
}

/// Processes that name the folder, which all of a storm do.
fn processes_of(dir: &Path) -> Vec<String> {
    let name = dir.to_str().expect("UTF-8");
    let all = fs::read_dir("/proc").expect("/proc").flatten();
    all.filter_map(|e| fs::read(e.path().join("cmdline")).ok())
        .map(|bytes| String::from_utf8_lossy(&bytes).into_owned())
        .filter(|line| {
            line.contains(STORM) && line.contains(name)
                || line.contains(&format!("{name}/peregrine-storm."))
        })
        .collect()
}

fn n_files(dir: &Path) -> usize {
    fs::read_dir(dir).expect("the folder").count()
}

/// The number in front of some words.
fn count(out: &str, what: &str) -> u64 {
    let line = out.lines().find(|l| l.trim_end().ends_with(what)).unwrap_or_default();
    line.split_whitespace().next().and_then(|n| n.parse().ok()).unwrap_or(0)
}

#[test]
fn a_storm_has_all_it_should_and_leaves_nothing() {
    let dir = tempfile::tempdir().expect("a folder");
    let out = storm(dir.path(), &["--events", "20000", "--seed", "3"]).output().expect("it runs");
    let text = String::from_utf8_lossy(&out.stdout);
    assert!(out.status.success(), "{text}{}", String::from_utf8_lossy(&out.stderr));
    for what in [
        "forks",
        "vforks",
        "execs",
        "threads",
        "exits",
        "calls on files",
        "calls on sockets",
        "calls on processes",
    ] {
        assert!(count(&text, what) > 0, "no {what}: {text}");
    }
    if text.contains("skipped: ids") {
        println!("skipped: ids used again: not as this user");
    } else {
        assert!(count(&text, "forks with an id used within the second") > 0, "{text}");
    }
    assert!(!text.contains("not to be had"), "{text}");
    assert_eq!((n_files(dir.path()), processes_of(dir.path())), (0, Vec::new()));
}

#[test]
fn a_storm_ends_with_its_parent() {
    let dir = tempfile::tempdir().expect("a folder");
    let command =
        format!("{STORM} mixed --dir {} --events 1000000000 --rate 20000; :", dir.path().display());
    let mut shell = Command::new("sh")
        .args(["-c", &command])
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .expect("sh");
    let until = Instant::now() + Duration::from_secs(20);
    while processes_of(dir.path()).len() < 4 {
        assert!(Instant::now() < until, "the storm did not begin");
        sleep(Duration::from_millis(5));
    }
    shell.kill().expect("it runs");
    shell.wait().expect("it ended");
    while n_files(dir.path()) > 0 || !processes_of(dir.path()).is_empty() {
        assert!(Instant::now() < until, "left: {:?}", processes_of(dir.path()));
        sleep(Duration::from_millis(5));
    }
}

#[test]
fn the_time_is_a_bound() {
    let dir = tempfile::tempdir().expect("a folder");
    let began = Instant::now();
    let args = ["--events", "1000000000", "--seconds", "1", "--rate", "10000"];
    let out = storm(dir.path(), &args).output().expect("it runs");
    assert!(out.status.success(), "{}", String::from_utf8_lossy(&out.stderr));
    assert!(began.elapsed() >= Duration::from_secs(1), "{:?}", began.elapsed());
    let n_events = String::from_utf8_lossy(&out.stdout);
    let n_events =
        n_events.split(" about ").nth(1).and_then(|t| t.split(' ').next()?.parse::<u64>().ok());
    assert!(n_events.is_some_and(|n| n < 60_000), "the rate does not bind: {n_events:?}");
    assert_eq!(n_files(dir.path()), 0);
}

#[test]
fn a_storm_may_tell_of_itself_as_an_object() {
    let dir = tempfile::tempdir().expect("a folder");
    let out =
        storm(dir.path(), &["--count", "3000", "--seed", "5", "--json"]).output().expect("it runs");
    assert!(out.status.success(), "{}", String::from_utf8_lossy(&out.stderr));
    let storm: serde_json::Value = serde_json::from_slice(&out.stdout).expect("JSON");
    assert_eq!((&storm["kind"], &storm["seed"]), (&"mixed".into(), &5.into()), "{storm}");
    assert!(storm["count"].as_u64().is_some_and(|n| n >= 3000), "{storm}");
    for figure in ["ns_per_call", "cpu_ns_per_call"] {
        assert!(storm[figure].as_f64().is_some_and(|ns| ns > 0.0), "{storm}");
    }
    let calls = storm["calls"].as_object().expect("calls");
    assert_eq!(calls.values().filter_map(serde_json::Value::as_u64).sum::<u64>(), storm["n_calls"]);
}
