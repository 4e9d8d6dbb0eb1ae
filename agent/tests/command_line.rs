//! The command line, word for word: each case's output is `golden/command_line/NAME.txt`. `REWRITE_GOLDEN=1` writes the texts anew, and the diff is
//! the review.

#[path = "common/golden.rs"]
mod golden;

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

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
    ("source_enabled", "-c none.yaml -r any.yaml --dry-run --enable-source syscall"),
    ("source_unknown", "-c none.yaml -r any.yaml --enable-source k8s_audit"),
    ("source_unknown_disabled", "-c none.yaml -r any.yaml --disable-source k8s_audit"),
    ("source_none_left", "-c none.yaml -r any.yaml --disable-source syscall"),
    ("source_both", "--enable-source syscall --disable-source syscall"),
    ("unknown_flag", "--list-plugin"),
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
    let recording =
        Path::new(env!("CARGO_MANIFEST_DIR")).join("../testdata/captures/sections.scap");
    let child = Command::new(env!("CARGO_BIN_EXE_peregrine"))
        .args(["-c", "/dev/null", "-o", "engine.kind=replay", "-o"])
        .arg(format!("engine.replay.capture_file={}", recording.display()))
        .arg("--socket")
        .arg(directory.join("socket"))
        .args(arguments)
        .stdout(std::process::Stdio::piped())
        .stderr(std::process::Stdio::piped())
        .spawn()
        .expect("the program starts");
    (child.id(), child.wait_with_output().expect("it ends"))
}

#[test]
fn the_pidfile_has_the_id_and_one_that_cannot_be_written_has_an_exit_code_of_its_own() {
    let dir = tempfile::tempdir().expect("a folder");
    let file = dir.path().join("pid");
    let (id, out) = replay(&["-P", file.to_str().unwrap()], dir.path());
    assert!(out.status.success(), "{}", text(&out.stderr));
    assert_eq!(std::fs::read_to_string(file).unwrap(), format!("{id}\n"));
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
