//! `peregrine events --needed-by`: what would be captured, and why; and that the agent captures just that.

mod common;

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::Command;

use common::{Agent, PEREGRINE, Shell, alone, can_run_live};
use serde_json::{Value, json};

const RULES: &str = r#"
- rule: Opens
  desc: d
  condition: evt.type in (open, openat) and fd.name = /nowhere
  output: "%proc.cwd"
  priority: NOTICE
- rule: Cuts
  desc: d
  condition: evt.type in (ftruncate, setgroups) and proc.name = truncate
  output: "cut by %proc.name with %evt.type"
  priority: NOTICE
- rule: Leaves the CPU
  desc: d
  condition: evt.type = switch and proc.name = sleep
  output: "left by %proc.name, %evt.arg.vm_size KiB"
  priority: NOTICE
- rule: Faults
  desc: d
  condition: evt.type = page_fault and proc.name = sleep
  output: "fault of %proc.name: %evt.arg.error"
  priority: NOTICE
"#;

/// Events that hooks tell, by the hook.
const TOLD_BY: &[(&str, &[&str])] = &[
    ("bind4", &[]),
    ("bind6", &[]),
    ("connect4", &[]),
    ("connect6", &[]),
    ("connect_unix", &[]),
    ("page_fault_kernel", &["page_fault"]),
    ("page_fault_user", &["page_fault"]),
    ("sched_process_exec", &["execve"]),
    ("sched_process_exit", &["procexit"]),
    ("sched_process_fork", &["clone", "clone3", "fork", "vfork"]),
    ("sched_switch", &["switch"]),
    ("sendmsg4", &[]),
    ("sendmsg6", &[]),
    ("sendmsg_unix", &[]),
    ("signal_deliver", &["signaldeliver"]),
    ("sys_enter", &[]),
    ("sys_exit", &[]),
];

fn events(args: &[&str]) -> (String, String, bool) {
    let out = Command::new(PEREGRINE).arg("events").args(args).output().expect("it starts");
    let text = |bytes| String::from_utf8(bytes).expect("text");
    (text(out.stdout), text(out.stderr), out.status.success())
}

fn needed(args: &[&str]) -> String {
    let (out, err, ok) = events(args);
    assert!(ok && err.is_empty(), "{args:?}: {err}");
    out
}

fn file(dir: &tempfile::TempDir, rules: &str) -> PathBuf {
    let path = dir.path().join("rules.yaml");
    std::fs::write(&path, rules).expect("a file");
    path
}

#[test]
fn the_default_rules_need_what_was_read() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let rules = root.join("../rules/rulesets/default.yaml");
    let golden = root.join("tests/lists/needed_by_default.txt");
    let out = needed(&["-c", "/dev/null", "--needed-by", rules.to_str().unwrap()]);
    if std::env::var_os("REWRITE_GOLDEN").is_some() {
        std::fs::write(&golden, &out).expect("golden text can be written");
    }
    let expected = std::fs::read_to_string(&golden).unwrap_or_default();
    assert!(expected == out, "REWRITE_GOLDEN=1 accepts:\n{out}");
}

#[test]
fn each_event_says_who_asks_and_what_is_attached() {
    let dir = tempfile::tempdir().unwrap();
    let rules = file(&dir, RULES);
    let rules = rules.to_str().unwrap();
    let of = |args: &[&str]| -> Value {
        let args = [&["-c", "/dev/null", "--json", "--needed-by", rules], args].concat();
        serde_json::from_str(&needed(&args)).expect("JSON")
    };
    let told = of(&[]);
    let all = |told: &Value| told["captured"].as_array().unwrap().clone();
    let row = |told: &Value, name: &str| {
        all(told).into_iter().find(|row| row["name"] == name).unwrap_or(Value::Null)
    };
    assert_eq!(told["n_rules"], 4);
    assert_eq!(
        row(&told, "openat"),
        json!({
            "name": "openat", "attached": ["descriptor"], "narrowed": true,
            "because": [{"rules": ["Opens"]}],
        })
    );
    assert_eq!(
        row(&told, "fchdir"),
        json!({
            "name": "fchdir", "attached": ["descriptor"],
            "because": [{"state": {"fields": ["proc.cwd"], "read_by": ["Opens"]}}],
        })
    );
    assert_eq!(
        row(&told, "setgroups"),
        json!({"name": "setgroups", "because": [{"rules": ["Cuts"]}]})
    );
    assert_eq!(row(&told, "switch")["because"], json!([{"rules": ["Leaves the CPU"]}]));
    assert_eq!(row(&told, "clone"), json!({"name": "clone", "because": ["lineage"]}));
    assert_eq!(row(&told, "read"), Value::Null);
    let more = of(&["--all-syscalls", "-o", "base_syscalls.custom_set[]=!ftruncate"]);
    assert_eq!(row(&more, "read")["because"], json!(["all_syscalls"]));
    assert_eq!(row(&more, "openat")["narrowed"], Value::Null);
    assert_eq!(row(&more, "truncate")["because"], json!(["all_syscalls"]));
    assert_eq!(row(&more, "setgroups")["because"], json!(["all_syscalls", {"rules": ["Cuts"]}]));
    assert_eq!(row(&more, "clone")["attached"], json!(["the caller's side"]));
    assert_eq!(row(&more, "ftruncate"), Value::Null);
    let names = needed(&["-c", "/dev/null", "-N", "--needed-by", rules]);
    let rows = all(&told);
    let rows: Vec<&str> = rows.iter().filter_map(|row| row["name"].as_str()).collect();
    assert_eq!(names.lines().collect::<Vec<_>>(), rows);
}

#[test]
fn what_is_wrong_is_said() {
    let dir = tempfile::tempdir().unwrap();
    let wrong = file(&dir, "- rule: x\n  condition: evt.type = open\n");
    let (_, err, ok) = events(&["--needed-by", wrong.to_str().unwrap()]);
    let drawn = format!("  --> {}:1:3 (rule `x`)\n", wrong.display());
    assert!(!ok && err.contains(&drawn) && err.contains("Error: 1 error in the rules"), "{err}");
    let (_, err, ok) = events(&["--needed-by", "/nowhere.yaml"]);
    assert!(!ok && err.contains("/nowhere.yaml") && err.lines().count() == 1, "{err}");
    let (_, err, ok) = events(&["-o", "a=b"]);
    assert!(!ok && err.contains("--needed-by"), "{err}");
}

#[test]
fn the_agent_captures_what_is_printed() {
    if !can_run_live("the_agent_captures_what_is_printed") {
        return;
    }
    let _alone = alone();
    let dir = tempfile::tempdir().unwrap();
    let rules = file(&dir, RULES);
    let rules = rules.to_str().unwrap();
    let printed = needed(&["-c", "/dev/null", "-N", "--needed-by", rules]);
    let mut shell = Shell::start();
    let agent = Agent::start(&["-c", "/dev/null", "-r", rules, "--scope-pid", &shell.pid()]);
    let attached = attached(&agent);
    let told = |name: &'_ str| -> Vec<String> {
        let hook = TOLD_BY.iter().find(|(hook, _)| *hook == name);
        hook.map_or_else(
            || vec![name.to_owned()],
            |(_, events)| events.iter().map(|&event| event.to_owned()).collect(),
        )
    };
    let captured: BTreeSet<String> = attached.split(' ').flat_map(told).collect();
    let printed: BTreeSet<String> = printed.lines().map(str::to_owned).collect();
    assert_eq!(captured, printed);
    let cut = format!("truncate -s 0 {}/cut", dir.path().display());
    assert_eq!(shell.run(&cut), 0);
    assert_eq!(shell.run("sleep 0.01"), 0);
    agent.wait_for_lines(3);
    let ended = agent.interrupt();
    ended.assert_balanced();
    let alerts = ended.alerts();
    for part in
        ["cut by truncate with ftruncate", "left by sleep, ", "fault of sleep: PAGE_NOT_PRESENT|"]
    {
        assert!(alerts.iter().any(|alert| alert.contains(part)), "{part}\n{alerts:?}");
    }
}

/// Names of hooks and calls.
fn attached(agent: &Agent) -> &str {
    let line = agent.start_block().lines().find(|l| l.starts_with("  attached")).unwrap();
    line.split_once("hooks: ").unwrap().1
}

/// Every call of the machine would pay for it.
#[test]
fn common_rules_leave_the_start_of_calls_alone() {
    if !can_run_live("common_rules_leave_the_start_of_calls_alone") {
        return;
    }
    let _alone = alone();
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
    let shipped = root.join("rules/rulesets/default.yaml");
    let stable = std::env::var_os("PEREGRINE_CORPUS")
        .map(|corpus| PathBuf::from(corpus).join("rules/falco_rules.yaml"));
    for rules in [Some(shipped), stable].into_iter().flatten() {
        let shell = Shell::start();
        let args = ["-c", "/dev/null", "-r", rules.to_str().unwrap(), "--scope-pid", &shell.pid()];
        let agent = Agent::start(&args);
        let hooks: Vec<&str> = attached(&agent).split(' ').collect();
        if hooks.contains(&"connect4") {
            assert!(hooks.contains(&"sendmsg_unix") && !hooks.contains(&"sys_enter"), "{hooks:?}");
        } else {
            eprintln!("skipped: no hooks of sockets here");
        }
        agent.interrupt().assert_balanced();
    }
}
