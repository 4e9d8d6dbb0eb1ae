//! The command line, word for word: each case's output is `golden/command_line/NAME.txt`. `REWRITE_GOLDEN=1` writes the texts anew, and the diff is
//! the review.

#[path = "common/golden.rs"]
mod golden;

use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output};
use std::time::{Duration, Instant};

use serde_json::Value;

/// Name of the case, and arguments separated by blanks.
const CASES: &[(&str, &str)] = &[
    ("help", "--help"),
    ("help_config", "config --help"),
    ("help_config_check", "config check --help"),
    ("version", "-c none.yaml --version"),
    ("version_json", "-c none.yaml --version -o json_output=true"),
    ("version_broken_configuration", "-c missing.yaml --version"),
    ("ignored", "-i"),
    ("dry_run", "-c none.yaml -r any.yaml --dry-run -U -v"),
    ("dry_run_wrong_rules", "-c none.yaml -r none.yaml -r missing.yaml --dry-run"),
    (
        "dry_run_missing_recording",
        "-c none.yaml --dry-run -o engine.kind=replay -o engine.replay.capture_file=missing.scap",
    ),
    ("dry_run_extra_output", "-c none.yaml -r any.yaml --dry-run -pk"),
    ("dry_run_wrong_extra_output", "-c none.yaml -r any.yaml --dry-run -p %proc.nane"),
    ("list_plugins", "-c none.yaml --list-plugins"),
    ("plugin_info", "-c none.yaml --plugin-info k8saudit"),
    ("plugin_info_built_in", "-c none.yaml --plugin-info container"),
    ("source_enabled", "-c none.yaml -r any.yaml --dry-run --enable-source syscall"),
    ("source_unknown", "-c none.yaml -r any.yaml --enable-source k8s_audit"),
    ("source_unknown_disabled", "-c none.yaml -r any.yaml --disable-source k8s_audit"),
    ("source_none_left", "-c none.yaml -r any.yaml --disable-source syscall"),
    ("source_both", "--enable-source syscall --disable-source syscall"),
    ("unknown_flag", "--list-plugs"),
    ("unknown_shell", "completions tcsh"),
    ("ends_at_once", "-c none.yaml -M 0"),
    ("ends_at_once_replay", "replay none.scap -M 0"),
];

fn folder() -> PathBuf {
    golden::folder("command_line")
}

fn run<'a>(arguments: impl IntoIterator<Item = &'a str>) -> Output {
    golden::run(&folder(), arguments)
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

#[test]
fn commands_print_what_is_written() {
    let told = |arguments: &str| golden::told(arguments, &run(arguments.split(' ')));
    golden::check(&folder(), CASES.iter().map(|(name, arguments)| (*name, told(arguments))));
}

#[test]
fn flags_of_falco_are_all_there() {
    let help = text(&run(["--help"]).stdout);
    for flag in [
        "-c",
        "-r",
        "-o",
        "-L",
        "-l",
        "--list",
        "--list-events",
        "-M",
        "-P",
        "-V",
        "--dry-run",
        "--support",
        "--version",
        "-U",
        "-v",
        "-i",
        "--enable-source",
        "--disable-source",
        "--format",
        "--markdown",
        "-N",
        "--page-size",
        "--config-schema",
        "--rule-schema",
        "--list-plugins",
        "--plugin-info",
        "-p",
    ] {
        let is_there = |line: &str| line.split([' ', ',', '[', '=']).any(|word| word == flag);
        assert!(help.lines().any(is_there), "{flag}\n{help}");
    }
}

#[test]
fn support_tells_versions_machine_configuration_and_rules() {
    let arguments = ["-c", "none.yaml", "-r", "any.yaml", "--support", "-o", "priority=info"];
    let out = run(arguments);
    assert!(out.status.success(), "{}", text(&out.stderr));
    let told: Value = serde_json::from_slice(&out.stdout).expect("JSON");
    assert_eq!(told["version"], env!("CARGO_PKG_VERSION"));
    assert!(told["cmdline"].as_str().unwrap().ends_with(&arguments.join(" ")));
    assert!(told["config"].as_str().unwrap().contains("priority: info  # -o priority=info\n"));
    assert_eq!(told["engine_info"]["engine_version"], "63");
    assert_eq!(told["system_info"]["sysname"], "Linux");
    assert_eq!(told["rules_files"][0]["name"], "any.yaml");
    let rules = std::fs::read_to_string(folder().join("any.yaml")).unwrap();
    assert_eq!(told["rules_files"][0]["variants"][0]["content"], rules);
}

#[test]
fn the_size_of_a_page_is_a_number() {
    let out = run(["--page-size"]);
    assert_eq!(text(&out.stdout).trim().parse(), Ok(rustix::param::page_size()));
}

/// Replays a recording with these arguments before its own.
fn replay(arguments: &[&str], directory: &Path) -> (u32, Output) {
    let child = start_replay(arguments, directory);
    (child.id(), child.wait_with_output().expect("it ends"))
}

fn start_replay(arguments: &[&str], directory: &Path) -> Child {
    let recording =
        Path::new(env!("CARGO_MANIFEST_DIR")).join("../testdata/captures/sections.scap");
    Command::new(env!("CARGO_BIN_EXE_peregrine"))
        .args(["-c", "/dev/null", "-o", "engine.kind=replay", "-o"])
        .arg(format!("engine.replay.capture_file={}", recording.display()))
        .arg("--socket")
        .arg(directory.join("socket"))
        .args(arguments)
        .stdout(std::process::Stdio::piped())
        .stderr(std::process::Stdio::piped())
        .spawn()
        .expect("the program starts")
}

/// A rule that every event matches, and whose alert is longer than a pipe.
fn rule_with_long_alerts(directory: &Path) -> PathBuf {
    let path = directory.join("long.yaml");
    let rule = format!(
        "- rule: Any\n  desc: d\n  condition: evt.num >= 0\n  output: x{}\n  priority: INFO\n",
        "y".repeat(200_000)
    );
    std::fs::write(&path, rule).expect("it can be written");
    path
}

#[test]
fn the_pidfile_has_the_id_while_it_runs_and_stays_where_another_process_has_taken_it() {
    let dir = tempfile::tempdir().expect("a folder");
    let (file, rules) = (dir.path().join("pid"), rule_with_long_alerts(dir.path()));
    let arguments = ["-P", file.to_str().unwrap(), "-r", rules.to_str().unwrap()];
    // It waits for the reader of its alerts.
    let child = start_replay(&arguments, dir.path());
    let expected = format!("{}\n", child.id());
    let deadline = Instant::now() + Duration::from_secs(20);
    while std::fs::read_to_string(&file).ok().as_deref() != Some(&expected) {
        assert!(Instant::now() < deadline, "no id in the file");
        std::thread::sleep(Duration::from_millis(5));
    }
    std::fs::write(&file, "1\n").expect("it can be written");
    let out = child.wait_with_output().expect("it ends");
    assert!(out.status.success(), "{}", text(&out.stderr));
    assert_eq!(std::fs::read_to_string(&file).unwrap(), "1\n");
}

#[test]
fn what_is_printed_in_addition_ends_every_output() {
    let dir = tempfile::tempdir().expect("a folder");
    let rules = dir.path().join("two.yaml");
    std::fs::write(
        &rules,
        "- rule: 甲\n  desc: d\n  condition: evt.num = 1\n  output: 一\n  priority: INFO\n\
         - rule: B\n  desc: d\n  condition: evt.num = 1\n  output: two %evt.num\n  priority: INFO\n",
    )
    .expect("it can be written");
    let arguments =
        ["-r", rules.to_str().unwrap(), "-o", "rule_matching=all", "-p", "and 多 %evt.num"];
    let (_, out) = replay(&arguments, dir.path());
    let alerts = text(&out.stdout);
    let ends: Vec<&str> =
        alerts.lines().filter_map(|l| Some(l.split_once("Informational ")?.1)).collect();
    assert_eq!(ends, ["一 and 多 1", "two 1 and 多 1"], "{alerts}{}", text(&out.stderr));
}

#[test]
fn the_pidfile_goes_with_the_run_and_one_that_cannot_be_written_has_an_exit_code_of_its_own() {
    let dir = tempfile::tempdir().expect("a folder");
    let file = dir.path().join("pid");
    let (id, out) = replay(&["-P", file.to_str().unwrap()], dir.path());
    assert!(out.status.success(), "{}", text(&out.stderr));
    assert!(!file.exists(), "{id} has ended");
    let (_, out) = replay(&["-P", "/no/such/pid"], dir.path());
    assert_eq!(out.status.code(), Some(255));
    let expected =
        "Error: cannot write the pidfile /no/such/pid: No such file or directory (os error 2)\n";
    assert_eq!(text(&out.stderr), expected);
}

#[test]
fn a_dry_run_starts_nothing() {
    let dir = tempfile::tempdir().expect("a folder");
    let file = dir.path().join("pid");
    let (_, out) = replay(&["--dry-run", "-P", file.to_str().unwrap()], dir.path());
    assert!(out.status.success(), "{}", text(&out.stderr));
    assert!(out.stdout.is_empty() && !file.exists());
}

#[test]
fn each_shell_has_completions() {
    for shell in ["bash", "zsh", "fish", "elvish", "powershell"] {
        let out = run(["completions", shell]);
        let text = text(&out.stdout);
        assert!(out.status.success() && text.contains("single-thread"), "{shell}");
        assert!(text.contains("peregrine") && text.contains("sample"), "{shell}");
    }
    let script = tempfile::NamedTempFile::new().expect("a file");
    std::fs::write(script.path(), run(["completions", "bash"]).stdout).expect("it can be written");
    let read = Command::new("bash").arg("-n").arg(script.path()).status().expect("a shell");
    assert!(read.success(), "the shell cannot read it");
}

#[test]
fn each_command_has_its_page_of_the_manual() {
    let dir = tempfile::tempdir().expect("a folder");
    let pages = dir.path().join("man/man1");
    let out = run(["man", pages.to_str().unwrap()]);
    assert!(out.status.success(), "{}", text(&out.stderr));
    let mut names: Vec<String> = std::fs::read_dir(&pages)
        .expect("the folder was made")
        .map(|e| e.expect("it can be read").file_name().to_string_lossy().into_owned())
        .collect();
    names.sort();
    for name in
        ["peregrine.1", "peregrine-config-check.1", "peregrine-rules-reload.1", "peregrine-trace.1"]
    {
        assert!(names.iter().any(|n| n == name), "{names:?}");
        let page = std::fs::read_to_string(pages.join(name)).expect("it is there");
        assert!(page.contains(".TH ") && page.contains(".SH OPTIONS"), "{page}");
    }
    assert!(!names.iter().any(|n| n.contains("launch")), "{names:?}");
    let out = run(["man", "/dev/null/x"]);
    assert_eq!(out.status.code(), Some(1));
    assert!(text(&out.stderr).starts_with("Error: cannot write manual pages to /dev/null/x: "));
}
