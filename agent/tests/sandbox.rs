//! What the sandbox refuses, and what goes on in it.

#[path = "common/alerts.rs"]
mod alerts;
mod common;

use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;
use std::process::Command;

use alerts::{Opens, wait_for_count, wait_for_lines, wait_until};
use common::{Agent, PEREGRINE, Shell, alone, can_run_live, run, skip};
use rustix::process::Signal;

/// Whether the agent bounds its files here; says so where the kernel cannot.
fn has_landlock(agent: &Agent, test: &str) -> bool {
    let has = agent.start_block().contains("sandbox     Landlock ");
    if !has {
        skip(test, "this kernel has no Landlock");
    }
    has
}

/// Moves the directory of the output to another place, and says whether alerts went on.
fn follows_a_moved_directory(test: &str, landlock: bool) -> Option<bool> {
    let mut opens = Opens::new();
    let elsewhere = tempfile::tempdir().expect("a temporary directory");
    let own = opens.path("own");
    fs::create_dir(&own).expect("a directory");
    let place = opens.path("place");
    symlink(&own, &place).expect("a link");
    let agent = opens.agent(&[
        "file_output.enabled=true".to_owned(),
        format!("file_output.filename={}", place.join("alerts").display()),
        "file_output.keep_alive=true".to_owned(),
        "peregrine.outputs.file.retry_longest_ms=100".to_owned(),
        format!("peregrine.sandbox.landlock={landlock}"),
    ]);
    if landlock && !has_landlock(&agent, test) {
        return None;
    }
    opens.raise(1);
    wait_for_lines(&own.join("alerts"), 1);
    fs::remove_file(&place).expect("it is there");
    symlink(elsewhere.path(), &place).expect("a link");
    agent.signal(Signal::USR1);
    opens.raise(1);
    let moved = elsewhere.path().join("alerts");
    let follows = wait_until(|| {
        let stats = agent.stats();
        match (moved.exists(), stats.get("outputs.file.retries").unwrap_or(0)) {
            (true, _) => Ok(true),
            (false, 1..) => Ok(false),
            (false, 0) => Err(stats.table()),
        }
    });
    // Back where it may be, nothing is lost.
    fs::remove_file(&place).expect("it is there");
    symlink(&own, &place).expect("a link");
    agent.signal(Signal::USR1);
    wait_for_count(&agent, "outputs.file.delivered", |n| n == 2);
    let ended = agent.interrupt();
    ended.assert_balanced();
    if !follows {
        assert_eq!(wait_for_lines(&own.join("alerts"), 2).len(), 2);
        assert!(
            ended.stderr.contains("; the sandbox of the agent goes by the paths"),
            "{}",
            ended.stderr
        );
    }
    Some(follows)
}

#[test]
fn files_are_written_where_the_configuration_had_them() {
    let test = "files_are_written_where_the_configuration_had_them";
    if !can_run_live(test) {
        return;
    }
    let _alone = alone();
    assert_eq!(follows_a_moved_directory(test, false), Some(true));
    assert_ne!(follows_a_moved_directory(test, true), Some(true));
}

/// A program that is started would have the agent's bounds for good.
#[test]
fn programs_that_are_started_have_none_of_it_and_threads_do() {
    let test = "programs_that_are_started_have_none_of_it_and_threads_do";
    if !can_run_live(test) {
        return;
    }
    let _alone = alone();
    let mut opens = Opens::new();
    let elsewhere = tempfile::tempdir().expect("a temporary directory");
    let [alerts, status] = ["alerts", "status"].map(|name| elsewhere.path().join(name));
    let command = format!(
        "cat >> {}; grep Seccomp: /proc/self/status >> {}",
        alerts.display(),
        status.display()
    );
    let agent = opens.agent(&[
        "program_output.enabled=true".to_owned(),
        "program_output.keep_alive=false".to_owned(),
        format!("program_output.program={command}"),
    ]);
    if !has_landlock(&agent, test) {
        return;
    }
    assert!(agent.start_block().contains("seccomp refuses "), "{}", agent.start_block());
    opens.raise(2);
    wait_for_lines(&alerts, 2);
    let own = fs::read_to_string("/proc/self/status").expect("a status");
    let filtered = |status: &str| {
        let line = status.lines().find(|line| line.starts_with("Seccomp:"));
        line.expect("a kernel with seccomp").to_owned()
    };
    assert!(wait_for_lines(&status, 2).iter().all(|line| *line == filtered(&own)));
    let tasks = fs::read_dir(format!("/proc/{}/task", agent.pid())).expect("an agent of ours");
    let free: Vec<String> = tasks
        .flatten()
        .filter_map(|task| {
            let read = |name: &str| fs::read_to_string(task.path().join(name)).ok();
            let is_free = filtered(&read("status")?) != "Seccomp:\t2";
            is_free.then(|| read("comm").unwrap_or_default().trim().to_owned())
        })
        .collect();
    // The thread `outside` has nobody left to start threads for.
    assert_eq!(free, ["out-program"]);
    agent.interrupt().assert_balanced();
}

#[test]
fn rules_from_elsewhere_are_refused_with_what_to_do() {
    let test = "rules_from_elsewhere_are_refused_with_what_to_do";
    if !can_run_live(test) {
        return;
    }
    let _alone = alone();
    let (dir, elsewhere) =
        (tempfile::tempdir().expect("a directory"), tempfile::tempdir().expect("a directory"));
    let rule = "- rule: r\n  desc: d\n  condition: evt.type = sethostname\n  output: o\n  priority: INFO\n";
    let [own, beside, other] = [
        dir.path().join("own.yaml"),
        dir.path().join("beside.yaml"),
        elsewhere.path().join("a.yaml"),
    ];
    for path in [&own, &beside, &other] {
        fs::write(path, rule).expect("a file");
    }
    let scope = std::process::id().to_string();
    let reload = |agent: &Agent, file: &Path| {
        let mut command = Command::new(PEREGRINE);
        command.args(["rules", "reload"]).arg(file).arg("--socket").arg(agent.socket());
        let out = command.output().expect("the program starts");
        (out.status.success(), String::from_utf8_lossy(&out.stderr).into_owned())
    };
    let rules = own.to_str().expect("UTF-8");
    let agent = Agent::start(&["--scope-pid", &scope, "-r", rules]);
    if !has_landlock(&agent, test) {
        return;
    }
    assert!(reload(&agent, &beside).0, "a file beside that of the start");
    let (reloaded, said) = reload(&agent, &other);
    assert!(!reloaded && said.contains("peregrine.sandbox.reads"), "{said}");
    let stats = agent.stats();
    assert!(
        stats.notes.iter().any(|note| note.starts_with("sandbox: Landlock ")),
        "{:?}",
        stats.notes
    );
    let socket = agent.socket();
    let ended = agent.interrupt();
    ended.assert_balanced();
    assert!(!socket.exists(), "its own bounds let it take its socket away");
    let reads = format!("peregrine.sandbox.reads[]={}", elsewhere.path().display());
    let agent = Agent::start(&["--scope-pid", &scope, "-r", rules, "-o", &reads]);
    let (reloaded, said) = reload(&agent, &other);
    assert!(reloaded, "{said}");
    agent.interrupt().assert_balanced();
}

#[test]
fn recordings_tell_of_what_was_there_before() {
    let test = "recordings_tell_of_what_was_there_before";
    if !can_run_live(test) {
        return;
    }
    let _alone = alone();
    let dir = tempfile::tempdir().expect("a temporary directory");
    let at = |name: &str| dir.path().join(name).to_str().expect("UTF-8").to_owned();
    for name in ["held", "marked"] {
        fs::write(at(name), "text\n").expect("a file");
    }
    let rule = |name: &str, condition: &str| {
        let text = format!(
            "- rule: r\n  desc: d\n  condition: {condition}\n  output: \"{name} %proc.exepath\"\n  priority: INFO\n  capture: true\n  capture_duration: 700\n"
        );
        fs::write(at(name), text).expect("a file");
        at(name)
    };
    let mut shell = Shell::start();
    shell.run(&format!("exec 9<{}", at("held")));
    let rules = rule(
        "marked.yaml",
        &format!("evt.type in (open, openat) and evt.arg.name = {}", at("marked")),
    );
    let prefix = format!("capture.path_prefix={}", at("alert"));
    let pid = shell.pid();
    let agent = Agent::start(&[
        "--scope-pid",
        &pid,
        "-r",
        &rules,
        "-o",
        "capture.enabled=true",
        "-o",
        &prefix,
        "--all-syscalls",
    ]);
    shell.run(&format!("cat {}", at("marked")));
    agent.wait_for_lines(1);
    shell.run("read line <&9");
    wait_for_count(&agent, "captures.ended_by_time", |n| n == 1);
    agent.interrupt().assert_balanced();
    let entries = fs::read_dir(dir.path()).expect("a directory").flatten().map(|e| e.path());
    let file = entries.into_iter().find(|path| path.extension().is_some_and(|e| e == "scap"));
    let file = file.expect("a recording");
    let rules = rule(
        "held.yaml",
        &format!("evt.type = read and fd.name = {} and proc.exepath exists", at("held")),
    );
    let replayed = run(&["replay", file.to_str().expect("UTF-8"), "-r", &rules]);
    replayed.assert_balanced();
    assert!(replayed.stdout.contains("held.yaml /"), "{}{}", replayed.stdout, replayed.stderr);
}
