//! A rule with `capture: true` on the running kernel: the file around its alert, as other commands and another program read it.

mod common;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use common::{Agent, DEADLINE, PEREGRINE, Shell, alone, can_run_live, run, skip};

fn recordings(dir: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(dir).expect("a directory").filter_map(|e| Some(e.ok()?.path()));
    entries.filter(|path| path.extension().is_some_and(|e| e == "scap")).collect()
}

fn printed(mut command: Command) -> String {
    let ended = command.env("TZ", "UTC").output().expect("the program runs");
    assert!(ended.status.success(), "{}", String::from_utf8_lossy(&ended.stderr));
    String::from_utf8_lossy(&ended.stdout).into_owned()
}

#[test]
fn an_alert_leaves_a_file_of_what_was_around_it() {
    let test = "an_alert_leaves_a_file_of_what_was_around_it";
    if !can_run_live(test) {
        return;
    }
    let _alone = alone();
    let dir = tempfile::tempdir().expect("a temporary directory");
    let at = |name: &str| dir.path().join(name).to_str().expect("UTF-8").to_owned();
    for name in ["earlier", "marked", "later", "too-late"] {
        fs::write(at(name), name).expect("a file");
    }
    let rules = at("rules.yaml");
    let text = format!(
        "- rule: marked\n  desc: d\n  condition: evt.type in (open, openat) and evt.arg.name = {}\n  \
         output: name=%evt.arg.name process=%proc.name parent=%proc.pname command=%proc.cmdline\n  \
         priority: INFO\n  capture: true\n  capture_duration: 700\n",
        at("marked")
    );
    fs::write(&rules, text).expect("a file");
    let mut shell = Shell::start();
    let prefix = format!("capture.path_prefix={}", at("alert"));
    let pid = shell.pid();
    let args = ["--scope-pid", &pid, "-r", &rules, "-o", "capture.enabled=true", "-o", &prefix];
    let agent = Agent::start(&args);
    assert!(!agent.start_block().contains("warning     capture"), "{}", agent.start_block());
    for name in ["earlier", "marked", "later"] {
        shell.run(&format!("cat {}", at(name)));
    }
    agent.wait_for_lines(1);
    let begin = Instant::now();
    while agent.stats().get("captures.ended_by_time") != Some(1) {
        assert!(begin.elapsed() < DEADLINE, "the file is not closed");
        std::thread::sleep(Duration::from_millis(50));
    }
    shell.run(&format!("cat {}", at("too-late")));
    let ended = agent.interrupt();
    ended.assert_balanced();
    assert_eq!(ended.alerts().len(), 1, "{}", ended.stdout);
    let files = recordings(dir.path());
    let [file] = &files[..] else { panic!("{files:?}") };

    let mut trace = Command::new(PEREGRINE);
    trace.args(["trace", "-r"]).arg(file).arg("evt.type in (open, openat)");
    let lines = printed(trace);
    let place = |name: &str| lines.find(&at(name)).unwrap_or_else(|| panic!("{name}: {lines}"));
    assert!(place("earlier") < place("marked") && place("marked") < place("later"), "{lines}");
    assert!(!lines.contains("too-late"), "{lines}");

    let replayed = run(&["replay", file.to_str().expect("UTF-8"), "-r", &rules]);
    replayed.assert_balanced();
    assert_eq!(replayed.alerts(), ended.alerts());

    if Command::new("sysdig").arg("--version").output().is_err() {
        skip(test, "sysdig cannot be run; apt-get install sysdig");
        return;
    }
    let mut sysdig = Command::new("sysdig");
    sysdig.arg("-r").arg(file);
    let lines = printed(sysdig);
    assert!(lines.contains(&at("earlier")) && lines.contains(&at("later")), "{lines}");
}

#[test]
fn one_thread_records_too_and_a_prefix_that_cannot_be_written_costs_no_alert() {
    let test = "one_thread_records_too_and_a_prefix_that_cannot_be_written_costs_no_alert";
    if !can_run_live(test) {
        return;
    }
    let _alone = alone();
    let dir = tempfile::tempdir().expect("a temporary directory");
    for (folder, n_files) in [(dir.path().to_owned(), 1), (dir.path().join("nowhere"), 0)] {
        let mut shell = Shell::start();
        let prefix = format!("capture.path_prefix={}/alert", folder.display());
        let pid = shell.pid();
        let all = ["-o", "capture.enabled=true", "-o", "capture.mode=all_rules", "-o", &prefix];
        let agent = Agent::start(&[&["--scope-pid", &pid, "--single-thread"], &all[..]].concat());
        shell.run("cat /etc/shadow");
        shell.run("cat /etc/gshadow");
        agent.wait_for_lines(2);
        let ended = agent.interrupt();
        ended.assert_balanced();
        assert_eq!(ended.alerts().len(), 2, "{}", ended.stdout);
        assert_eq!(recordings(dir.path()).len(), 1, "{}", ended.stderr);
        let n_told = ended.stderr.matches("cannot write the savefile").count();
        assert_eq!(n_told, 1 - n_files, "{}", ended.stderr);
    }
}
