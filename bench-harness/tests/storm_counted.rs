//! Counted storms: they make what they announce, where they announce it, when it is due, and leave nothing.

use std::fs;
use std::path::Path;
use std::process::{Command, Output};

use serde_json::Value;

const STORM: &str = env!("CARGO_BIN_EXE_peregrine-storm");

/// Each kind with the calls of a cycle.
const KINDS: [(&str, &[(&str, u64)]); 4] = [
    ("getpid", &[("getpid", 1)]),
    ("openclose", &[("openat", 1), ("close", 1)]),
    ("readwrite", &[("read", 1), ("write", 1)]),
    ("rename", &[("rename", 1)]),
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
        let storm = object(&[kind, "--count", "1001", "--threads", "3"]);
        assert_eq!(storm["kind"], kind);
        assert_eq!((number(&storm, "count"), number(&storm, "threads")), (1001, 3));
        assert_eq!(storm["ended_early"], false);
        let per_cycle: u64 = calls.iter().map(|(_, n)| n).sum();
        assert_eq!(number(&storm, "calls_per_cycle"), per_cycle);
        assert_eq!(number(&storm, "n_calls"), 1001 * per_cycle);
        let expected: serde_json::Map<String, Value> =
            calls.iter().map(|&(name, n)| (name.to_owned(), (1001 * n).into())).collect();
        assert_eq!(storm["calls"], Value::Object(expected), "{kind}");
        assert_eq!(sum(&storm["cpus"], "cycles"), 1001);
        let first: Vec<u64> =
            storm["by_thread"].as_array().unwrap().iter().map(|t| number(t, "first")).collect();
        assert_eq!(first, [0, 334, 668], "{kind}");
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
