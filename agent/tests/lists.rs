//! `peregrine fields`, `peregrine events` and Falco's options for them: golden text for people's formats (`REWRITE_GOLDEN=1`
//! writes it anew), and what the lists promise.

mod common;

use std::path::Path;
use std::process::Command;

use common::PEREGRINE;
use serde_json::json;

fn run(args: &[&str]) -> (String, String, bool) {
    let output = Command::new(PEREGRINE).args(args).output().expect("the program starts");
    let text = |bytes| String::from_utf8(bytes).expect("lists are text");
    (text(output.stdout), text(output.stderr), output.status.success())
}

fn list(args: &[&str]) -> String {
    let (out, err, ok) = run(args);
    assert!(ok && err.is_empty(), "{args:?}: {err}");
    out
}

fn check(args: &[&str], file: &str) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/lists").join(file);
    let out = list(args);
    if std::env::var_os("REWRITE_GOLDEN").is_some() {
        std::fs::write(&path, &out).expect("golden text can be written");
    }
    let golden = std::fs::read_to_string(&path).unwrap_or_default();
    let differs = golden.lines().zip(out.lines()).position(|(a, b)| a != b);
    assert!(
        golden == out,
        "{file} differs from {args:?} (line {differs:?}); REWRITE_GOLDEN=1 accepts"
    );
}

#[test]
fn lists_are_as_they_were_read() {
    for (args, file) in [
        (&["fields"][..], "fields.txt"),
        (&["fields", "--format", "markdown"], "fields.md"),
        (&["fields", "--source", "k8s_audit", "-N"], "fields_k8s_audit.names"),
        (&["events"], "events.txt"),
        (&["events", "--format", "markdown"], "events.md"),
    ] {
        check(args, file);
    }
}

#[test]
fn falcos_options_are_the_same_lists() {
    for (falcos, ours) in [
        (&["--list"][..], &["fields"][..]),
        (&["--list=syscall"], &["fields", "--source", "syscall"]),
        (&["--list=k8s_audit", "-N"], &["fields", "--source", "k8s_audit", "-N"]),
        (&["--list", "--markdown"], &["fields", "--format", "markdown"]),
        (&["--list", "--format", "json"], &["fields", "--json"]),
        (&["--list-events"], &["events"]),
        (&["--list-events", "--format", "markdown"], &["events", "--format", "markdown"]),
        (&["--list-events", "--format", "json"], &["events", "--json"]),
        (&["--list-events", "-N"], &["events", "-N"]),
    ] {
        assert!(list(falcos) == list(ours), "{falcos:?} and {ours:?} differ");
    }
}

#[test]
fn hidden_fields_are_not_listed_and_each_other_once() {
    let names = list(&["fields", "-N"]);
    let mut names: Vec<&str> = names.lines().collect();
    // 426 of Falco, less 18 for tables, one for output only and one of a hidden class, and one of ours.
    assert_eq!(names.len(), 426 - 18 - 1 - 1 + 2);
    names.sort_unstable();
    names.dedup();
    assert_eq!(names.len(), 408);
    for hidden in ["evt.buflen.in", "thread.nametid", "evt.outputtime", "util.cnt"] {
        assert!(!names.contains(&hidden), "{hidden}");
    }
}

#[test]
fn json_tells_types_arguments_and_what_is_extracted() {
    let value: serde_json::Value = serde_json::from_str(&list(&["fields", "--json"])).unwrap();
    let fields = || {
        value["classes"].as_array().unwrap().iter().flat_map(|c| c["fields"].as_array().unwrap())
    };
    let field = |name: &str| fields().find(|f| f["name"] == name).unwrap();
    assert_eq!(field("proc.pid")["type"], "INT64");
    assert_eq!(field("proc.aname")["argument"]["required"], false);
    assert_eq!(field("evt.arg")["argument"]["required"], true);
    assert_eq!(
        *field("fd.types"),
        json!({
            "name": "fd.types",
            "type": "CHARBUF",
            "description": "fd.type of every descriptor of the process, or of one by its number.",
            "list": true,
            "argument": { "syntax": "[N]", "required": false },
            "extracted": true,
            "deprecated": false,
            "conditions_only": false,
            "right_side": false,
            "transformers": true,
            "suggested": false,
        })
    );
    assert_eq!(field("fd.ip")["conditions_only"], true);
    assert_eq!(field("proc.name")["extracted"], true);
    assert_eq!(field("k8s.rc.name")["extracted"], false);
    assert_eq!(fields().count(), 408);
}

#[test]
fn events_tell_which_are_seen_live() {
    let value: serde_json::Value = serde_json::from_str(&list(&["events", "--json"])).unwrap();
    let event =
        |id: u64| value["events"].as_array().unwrap().iter().find(|e| e["id"] == id).unwrap();
    assert_eq!((&event(307)["name"], &event(307)["live"]), (&"openat".into(), &true.into()));
    assert_eq!(
        *event(5),
        json!({
            "id": 5,
            "name": "close",
            "direction": "<",
            "kind": "syscall",
            "category": "IO-other",
            "live": true,
            "flags": ["uses_fd", "destroys_fd", "modifies_state"],
            "params": [{ "name": "res", "type": "ERRNO" }, { "name": "fd", "type": "FD" }],
        })
    );
    assert_eq!(event(234)["live"], false);
    let generic = value["generic"].as_array().unwrap();
    let truncate = generic.iter().find(|g| g["name"] == "truncate").unwrap();
    assert_eq!(truncate["live"], true);
    assert!(!generic.iter().any(|g| g["name"] == "openat"), "openat has a type of its own");
}

#[test]
fn a_source_that_is_not_known_is_refused() {
    let (out, err, ok) = run(&["--list=sycall"]);
    assert!(!ok && out.is_empty());
    assert_eq!(
        err,
        "Error: no fields of a source `sycall` are known; sources are syscall and k8s_audit\n"
    );
    assert!(!run(&["--list", "--list-events"]).2);
}
