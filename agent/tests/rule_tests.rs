//! `peregrine rules test` as its user has it: the handbook's examples, the tests of the shipped rules, those of the official rules.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;

const PEREGRINE: &str = env!("CARGO_BIN_EXE_peregrine");
const HANDBOOK: &str = include_str!("../../docs/rule-tests.md");

fn testdata(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../testdata/rule-tests").join(name)
}

/// Runs `peregrine` in a folder; both streams, and whether it succeeded.
fn run(folder: &Path, args: &[&str]) -> (String, String, bool) {
    let out = Command::new(PEREGRINE).current_dir(folder).args(args).output().expect("it starts");
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    (text(&out.stdout), text(&out.stderr), out.status.success())
}

/// The handbook's blocks of a kind.
fn blocks(kind: &str) -> impl Iterator<Item = &'static str> {
    let fence = format!("```{kind}\n");
    let blocks: Vec<_> = HANDBOOK.split(&*fence).skip(1).collect();
    blocks.into_iter().map(|rest| rest.split("```").next().expect("a block ends"))
}

/// A folder with the handbook's files, each block named by its first line.
fn handbook() -> tempfile::TempDir {
    let folder = tempfile::tempdir().expect("a folder");
    for block in blocks("yaml") {
        let name = block.lines().next().and_then(|l| l.strip_prefix("# ")).expect("a file's name");
        fs::write(folder.path().join(name), block).expect("a file");
    }
    folder
}

#[test]
fn a_rule_file_is_no_test_file_and_the_message_says_so() {
    let folder = handbook();
    let (stdout, _, is_success) = run(folder.path(), &["rules", "test", "notes.yaml"]);
    let expected = "BROKEN  notes.yaml:2: invalid type: sequence, expected a test file: a map with `tests` and `rules`\n";
    assert_eq!((&*stdout, is_success), (expected, false));
}

#[test]
fn an_id_that_a_process_asks_for_is_given_to_no_other() {
    let folder = tempfile::tempdir().expect("a folder");
    let rule = "- rule: R\n  desc: d\n  condition: evt.type = openat and proc.pid = 100\n  output: \"%proc.ppid\"\n  priority: INFO\n";
    fs::write(folder.path().join("rules.yaml"), rule).expect("a file");
    let test = "rules: rules.yaml\ntests:\n  - name: t\n    processes:\n      - bash\n      - {name: cat, parent: bash, pid: 100}\n    events: [openat: /x]\n    alerts: {rule: R, output: '101'}\n";
    fs::write(folder.path().join("pid-test.yaml"), test).expect("a file");
    let (stdout, stderr, _) = run(folder.path(), &["rules", "test", "pid-test.yaml"]);
    assert_eq!(stdout + &stderr, "1 passed, 0 failed\n");
}

#[test]
fn what_cannot_be_is_refused() {
    let folder = tempfile::tempdir().expect("a folder");
    let outcome = |process: &str, event: &str| {
        let text = format!(
            "tests:\n- {{name: t, processes: {process}, events: [{event}], alerts: none}}\n"
        );
        fs::write(folder.path().join("a-test.yaml"), text).expect("a file");
        let (stdout, stderr, _) =
            run(folder.path(), &["rules", "test", "-c", "none.yaml", "a-test.yaml"]);
        stdout + &stderr
    };
    fs::write(folder.path().join("none.yaml"), "").expect("a file");
    let max = u64::MAX;
    let child = outcome("cat", "{fork: , child: {as: kid, user: root}}");
    let expected = "BROKEN  a-test.yaml:2: of a child only `as` and `pid` can be said: the rest is its parent's\n";
    assert!(child.starts_with(expected), "{child}");
    assert_eq!(outcome("cat", "{fork: , child: {as: kid, pid: 7}}"), "1 passed, 0 failed\n");
    let late = outcome("cat", &format!("{{getpid: , after: {max}ns}}"));
    let expected =
        "BROKEN  a-test.yaml:2: the events of a test are spread over more than 584 years\n";
    assert!(late.starts_with(expected), "{late}");
    let exec = outcome(&format!("{{name: cat, exe_ino: {max}}}"), "execve: /bin/ls");
    assert_eq!(exec, "1 passed, 0 failed\n");
}

#[test]
fn what_a_test_file_does_not_say_is_as_configured() {
    let folder = tempfile::tempdir().expect("a folder");
    let rule = |name| {
        format!(
            "- rule: {name}\n  desc: d\n  condition: evt.type = openat and static.zone = dmz\n  output: {name} in %static.zone\n  priority: INFO\n"
        )
    };
    fs::write(folder.path().join("rules.yaml"), rule("A") + &rule("B")).expect("a file");
    let test = |alerts: &str| {
        let text = format!(
            "rules: rules.yaml\ntests: [{{name: t, processes: cat, events: [openat: /x], alerts: {alerts}}}]\n"
        );
        fs::write(folder.path().join("a-test.yaml"), text).expect("a file");
    };
    let outcome = |options: &[&str]| {
        let (stdout, stderr, _) =
            run(folder.path(), &[&["rules", "test", "a-test.yaml"], options].concat());
        stdout + &stderr
    };
    let passed = "1 passed, 0 failed\n";
    test("[{rule: A, output: A in dmz}, {rule: B, output: B in dmz}]");
    let zone = ["-o", "static_fields.zone=dmz"];
    assert!(outcome(&[]).contains("unknown field `static.zone`"), "{}", outcome(&[]));
    assert_ne!(outcome(&zone), passed);
    assert_eq!(outcome(&[&zone[..], &["-o", "rule_matching=all"]].concat()), passed);
    test("{rule: B, output: B in dmz}");
    assert_eq!(outcome(&[&zone[..], &["-o", "rules[].disable.rule=A"]].concat()), passed);
    test("none");
    assert_eq!(outcome(&[&zone[..], &["-o", "priority=error"]].concat()), passed);
}

#[test]
fn the_handbooks_examples_run_as_it_shows() {
    let folder = handbook();
    let mut n_run = 0;
    for block in blocks("console") {
        let (command, expected) = block.split_once('\n').expect("a command, then its output");
        let args: Vec<&str> =
            command.strip_prefix("$ peregrine ").expect("a command").split(' ').collect();
        let (stdout, stderr, _) = run(folder.path(), &args);
        assert_eq!(stdout + &stderr, expected, "{command}");
        n_run += 1;
    }
    assert!(n_run >= 4, "{n_run} commands");
}

/// A wrong key makes the program say which keys there are.
#[test]
fn the_handbook_has_every_key() {
    let folder = tempfile::tempdir().expect("a folder");
    let test = |text: &str| format!("tests: [{{name: x, events: [], alerts: none, {text}}}]");
    let of_alert = "tests: [{name: x, events: [], alerts: {rule: r, zzzzzzzz: 1}}]".to_owned();
    for text in [
        "zzzzzzzz: 1".to_owned(),
        test("zzzzzzzz: 1"),
        "users: {0: {zzzzzzzz: 1}}".to_owned(),
        "containers: {3ad7b26ded6d: {zzzzzzzz: 1}}".to_owned(),
        "processes: {zzzzzzzz: 1}".to_owned(),
        "tests: [{events: {openat: x, file: {zzzzzzzz: 1}}}]".to_owned(),
        "tests: [{events: {openat: x, file: {kind: zzzzzzzz}}}]".to_owned(),
        "tests: [{events: {connect: x, connection: {zzzzzzzz: 1}}}]".to_owned(),
        "tests: [{events: {connect: x, marks: zzzzzzzz}}]".to_owned(),
        of_alert,
    ] {
        fs::write(folder.path().join("t.yaml"), &text).expect("a file");
        let (stdout, _, is_ok) = run(folder.path(), &["rules", "test", "t.yaml"]);
        let known = stdout.split("known are ").nth(1).unwrap_or_else(|| panic!("{text}: {stdout}"));
        assert!(!is_ok);
        for key in known.trim().split(", ") {
            assert!(HANDBOOK.contains(&format!("`{key}`")), "`{key}` is not in the handbook");
        }
    }
}

#[test]
fn mistakes_name_their_line_and_what_was_meant() {
    let folder = tempfile::tempdir().expect("a folder");
    let event = |text: &str| {
        format!("tests:\n  - name: x\n    alerts: none\n    events:\n      - {text}\n")
    };
    for (text, expected) in [
        (
            event("opnat: /x"),
            "t.yaml:5: tests[0].events[0]: `opnat` is no call and no key of an event, did you mean `openat`?",
        ),
        (
            event("openat: {nmae: /x}"),
            "t.yaml:5: unknown parameter of openat `nmae`, did you mean `name`? (it has fd, dirfd, name, flags, mode, dev, ino)",
        ),
        (
            event("openat: {flags: O_CRAET}"),
            "t.yaml:5: parameter `flags` of openat: unknown flag `O_CRAET`, did you mean `O_CREAT`?",
        ),
        (
            event("{openat: /x, by: cta}\n    processes: cat"),
            "t.yaml:5: unknown process `cta`, did you mean `cat`?",
        ),
        (
            event("connect: here"),
            "t.yaml:5: parameter `addr` of connect: `here` is no address such as 1.2.3.4:443, [::1]:443 or /run/x.sock",
        ),
        (event("openat: /x\n        child: y"), "t.yaml:6: only a fork or clone has a `child`"),
        (
            event("procexit:\n      - openat: /x"),
            "t.yaml:6: the process that did the last event has exited: say `by` whom",
        ),
        (
            event("openat: /x\n    processes: [{name: systemd-executor}]"),
            "t.yaml:6: the kernel cuts the name of a process after 15 bytes: `systemd-executo` instead of `systemd-executor`",
        ),
        (
            event("openat: /x\n    processes: [{name: x, parent: y}]"),
            "t.yaml:6: unknown process `y`",
        ),
        (
            event("openat: /x\n    processes: [{name: x, parent: x}]"),
            "t.yaml:6: `x` is its own ancestor",
        ),
        (
            event("openat: /x\n    processes: [{name: x, container: web}]"),
            "t.yaml:6: `web` is no container's id: hexadecimal digits, or `host`",
        ),
        ("tests: []\npriority: low\n".into(), "t.yaml:2: unknown priority `low`"),
        (
            "tests: []\nrules: gone.yaml\n".into(),
            "t.yaml:2: cannot read the rule file gone.yaml: No such file or directory (os error 2)",
        ),
        ("tests: [\n".into(), "t.yaml:2: did not find expected node content"),
    ] {
        fs::write(folder.path().join("t.yaml"), &text).expect("a file");
        let (stdout, stderr, _) = run(folder.path(), &["rules", "test", "t.yaml"]);
        assert_eq!(stdout, format!("BROKEN  {expected}\n"), "{text}");
        assert_eq!(stderr, "Error: 0 passed, 0 failed, 1 not read\n");
    }
}

#[test]
fn each_shipped_rule_is_tried_on_what_it_catches_and_on_what_it_leaves_alone() {
    let (stdout, stderr, is_ok) = run(&testdata(""), &["rules", "test", "--json", "default"]);
    assert!(is_ok, "{stdout}{stderr}");
    let tests: Vec<Value> =
        stdout.lines().map(|l| serde_json::from_str(l).expect("JSON")).collect();
    let rules_of = |test: &Value| -> Vec<String> {
        let alerts = test["alerts"].as_array().expect("a list");
        alerts.iter().map(|a| a["rule"].as_str().expect("a name").to_owned()).collect()
    };
    let mut tried = BTreeSet::new();
    for file in tests.chunk_by(|a, b| a["file"] == b["file"]) {
        // What a rule leaves alone is told right behind what it catches.
        let mut caught: Option<String> = None;
        for test in file {
            let rules = rules_of(test);
            let Some(first) = rules.first() else {
                tried.extend(caught.take());
                continue;
            };
            assert!(rules.iter().all(|r| r == first), "{test}: one rule at a time");
            assert!(
                caught.is_none() || caught.as_ref() == Some(first),
                "{test}: what of {caught:?}?"
            );
            caught = Some(first.clone());
        }
    }
    let source = rules::Source { name: "default.yaml".into(), text: rules::DEFAULT_RULES.into() };
    let shipped = rules::Ruleset::load(vec![source], rules::Options::default()).expect("they load");
    let shipped: BTreeSet<String> = shipped.rules().map(|r| r.name.to_string()).collect();
    assert_eq!(tried, shipped);
}

#[test]
fn official_rules_work_on_real_events() {
    let Some(corpus) = std::env::var_os("PEREGRINE_CORPUS") else {
        eprintln!("skipped: official_rules_work_on_real_events: PEREGRINE_CORPUS is not set");
        return;
    };
    let rules = Path::new(&corpus).join("rules/falco_rules.yaml");
    let rules = rules.to_str().expect("a name");
    let (stdout, stderr, is_ok) = run(&testdata(""), &["rules", "test", "-r", rules, "official"]);
    assert!(is_ok, "{stdout}{stderr}");
    let n_passed = stdout.split(' ').next().and_then(|n| n.parse().ok());
    assert!(n_passed >= Some(25), "{stdout}");
}
