//! Bad surroundings: one clear line, exit code 1, nothing half started.

mod common;

use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::UnixListener;
use std::os::unix::process::CommandExt as _;
use std::process::Command;

use common::{Ended, PEREGRINE, can_run_live, run, run_command, skip};

/// Exit code 1, nothing on stdout, and one line on stderr, which is given back.
fn refusal(ended: &Ended) -> &str {
    assert_eq!(ended.status.code(), Some(1), "{}", ended.stderr);
    assert_eq!(ended.stdout, "");
    let line = ended.stderr.trim_end();
    assert!(!line.contains('\n'), "more than one line:\n{line}");
    assert!(!ended.path("control.sock").exists(), "the socket was left behind");
    line.strip_prefix("Error: ").unwrap_or_else(|| panic!("no prefix: {line}"))
}

#[track_caller]
fn check(args: &[&str], expected: &str) {
    assert_eq!(refusal(&run(args)), expected, "{args:?}");
}

#[test]
fn wrong_arguments_are_refused() {
    check(&["--shards", "0"], "--shards: 0 is out of range; it must lie between 1 and 1024");
    check(
        &["--capture-threads", "0"],
        "--capture-threads: 0 is out of range; it must lie between 1 and 1024",
    );
    check(
        &["--shards", "many"],
        "invalid value 'many' for '--shards <N>': invalid digit found in string (peregrine --help lists the options)",
    );
    check(
        &["--no-such-flag"],
        "unexpected argument '--no-such-flag' found (peregrine --help lists the options)",
    );
    check(
        &["-o", "peregrine.shards=two"],
        "-o peregrine.shards=two: peregrine.shards: must be a whole number between 1 and 1024, this is \"two\"",
    );
    check(&["-o", "json_output"], "-o json_output: expected KEY=VALUE");
    check(&["--scope-pid", "0"], "scope_pid: 0 is not a process");
}

#[test]
fn unreadable_files_are_named() {
    check(
        &["-c", "/no/such.yaml"],
        "cannot read the configuration file /no/such.yaml: No such file or directory (os error 2)",
    );
    check(
        &["-r", "/no/such.yaml"],
        "cannot read the rule file /no/such.yaml: No such file or directory (os error 2)",
    );
    let replay = ["-o", "engine.kind=replay", "-o", "engine.replay.capture_file=/no/such.scap"];
    let ended = run(&replay);
    let line = refusal(&ended);
    assert!(line.starts_with("cannot replay /no/such.scap: "), "{line}");
    assert!(line.contains("No such file"), "{line}");
}

#[test]
fn an_unwritable_output_file_is_refused_before_anything_starts() {
    check(
        &["-o", "file_output.enabled=true", "-o", "file_output.filename=/no/such/alerts"],
        "cannot write to the output file /no/such/alerts: No such file or directory (os error 2)",
    );
}

#[test]
fn a_broken_rule_file_is_drawn_and_nothing_starts() {
    let dir = tempfile::tempdir().unwrap();
    let rules = dir.path().join("broken.yaml");
    let text = "- rule: r\n  desc: d\n  condition: evt.type = open and fd.nam = /x\n  output: o\n  priority: INFO\n";
    std::fs::write(&rules, text).unwrap();
    let ended = run(&["-r", rules.to_str().unwrap()]);
    assert_eq!((ended.status.code(), &*ended.stdout), (Some(1), ""));
    assert!(!ended.path("control.sock").exists());
    let lines: Vec<&str> = ended.stderr.lines().collect();
    assert!(ended.stderr.contains("broken.yaml:3:34"), "{}", ended.stderr);
    assert!(ended.stderr.contains("fd.name"), "{}", ended.stderr);
    assert_eq!(lines.last(), Some(&"Error: 1 error in the rules, nothing was started"));
}

#[test]
fn a_damaged_capture_file_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("x.scap");
    std::fs::write(&file, b"this is not a capture file at all").unwrap();
    let key = format!("engine.replay.capture_file={}", file.display());
    let ended = run(&["-o", "engine.kind=replay", "-o", &key]);
    assert!(refusal(&ended).starts_with("cannot replay "), "{}", ended.stderr);
}

#[test]
fn a_second_instance_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    let socket = dir.path().join("other.sock");
    let _listening = UnixListener::bind(&socket).unwrap();
    let mut command = Command::new(PEREGRINE);
    command.arg("--socket").arg(&socket);
    let ended = run_command(command, dir);
    let expected = format!(
        "another instance is listening on {} (--socket PATH chooses another)",
        socket.display()
    );
    assert_eq!(refusal(&ended), expected);
    assert!(socket.exists(), "the other's socket stays");
}

#[test]
fn stats_without_an_agent_says_how_to_start_one() {
    let dir = tempfile::tempdir().unwrap();
    let socket = dir.path().join("none.sock");
    let mut command = Command::new(PEREGRINE);
    command.arg("stats").arg("--socket").arg(&socket);
    let expected = format!(
        "no agent is listening on {} (start peregrine, or say where with --socket PATH)",
        socket.display()
    );
    assert_eq!(refusal(&run_command(command, dir)), expected);
}

#[test]
fn help_and_version_are_no_errors() {
    for (flag, part) in [("--help", "--scope-pid"), ("--version", env!("CARGO_PKG_VERSION"))] {
        let ended = run_command(
            {
                let mut c = Command::new(PEREGRINE);
                c.arg(flag);
                c
            },
            tempfile::tempdir().unwrap(),
        );
        assert!(ended.status.success());
        assert!(ended.stdout.contains(part) && ended.stderr.is_empty(), "{}", ended.stdout);
    }
}

/// A copy that everybody may run, and a directory that everybody may use.
fn public_copy() -> (tempfile::TempDir, std::path::PathBuf) {
    let dir = tempfile::tempdir().unwrap();
    std::fs::set_permissions(dir.path(), PermissionsExt::from_mode(0o777)).unwrap();
    let copy = dir.path().join("peregrine");
    std::fs::copy(PEREGRINE, &copy).unwrap();
    (dir, copy)
}

#[test]
fn without_privileges_the_missing_capability_is_named() {
    let (dir, copy) = public_copy();
    // With the default socket, which it could not make either: the capability is what has to be told.
    let mut command = Command::new(copy);
    if rustix::process::geteuid().is_root() {
        command.uid(65534).gid(65534);
    }
    let ended = run_command(command, dir);
    let line = refusal(&ended);
    assert!(line.contains("CAP_BPF") || line.contains("CAP_SYS_ADMIN"), "{line}");
    assert!(line.contains("root") && line.contains("setcap"), "how to grant it: {line}");
}

/// Runs the program in a mount namespace of its own, prepared by a line of shell. `None` where that cannot be.
fn run_behind(mounts: &str) -> Option<Ended> {
    let dir = tempfile::tempdir().unwrap();
    let socket = dir.path().join("control.sock");
    let script = format!(
        "cd {}; ( {mounts} ) 2>/dev/null || exit 77; exec {PEREGRINE} --socket {}",
        dir.path().display(),
        socket.display()
    );
    let mut command = Command::new("unshare");
    command.args(["--mount", "--propagation", "private", "sh", "-c", &script]);
    let ended = run_command(command, dir);
    let cannot = ended.status.code() == Some(77) || ended.stderr.contains("unshare:");
    (!cannot).then_some(ended)
}

#[test]
fn a_kernel_without_btf_is_named() {
    let test = "a_kernel_without_btf_is_named";
    if !can_run_live(test) {
        return;
    }
    let Some(ended) = run_behind("mount -t tmpfs none /sys/kernel/btf") else {
        return skip(test, "cannot make a mount namespace");
    };
    let line = refusal(&ended);
    assert!(line.contains("has no BTF") && line.contains("CONFIG_DEBUG_INFO_BTF"), "{line}");
}

#[test]
fn an_old_kernel_is_named() {
    let test = "an_old_kernel_is_named";
    if !can_run_live(test) {
        return;
    }
    let mounts = "echo 4.19.0-27-amd64 > old && mount --bind old /proc/sys/kernel/osrelease";
    let Some(ended) = run_behind(mounts) else {
        return skip(test, "cannot make a mount namespace");
    };
    let line = refusal(&ended);
    assert_eq!(line, "kernel 4.19.0-27-amd64 is too old: 5.10 is the oldest supported");
}
