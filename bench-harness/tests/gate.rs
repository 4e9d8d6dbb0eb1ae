//! The gate against a target of its own: it holds when nothing changed, and a slowed function fails it by name.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

fn has_valgrind() -> bool {
    Command::new("valgrind").arg("--version").output().is_ok_and(|o| o.status.success())
}

/// Cargo builds a package's examples before its integration tests, beside the binaries.
fn sample() -> PathBuf {
    let bin = Path::new(env!("CARGO_BIN_EXE_peregrine-bench"));
    bin.parent().unwrap().join("examples/gate-sample")
}

fn gate(baseline: &Path, args: &[&str], slowed: &str) -> Output {
    Command::new(env!("CARGO_BIN_EXE_peregrine-bench"))
        .arg("gate")
        .arg("--program")
        .arg(sample())
        .arg("--baseline")
        .arg(baseline)
        .args(args)
        .env("PEREGRINE_GATE_SLOWED", slowed)
        .output()
        .unwrap()
}

fn text(out: &Output) -> String {
    format!("{}{}", String::from_utf8_lossy(&out.stdout), String::from_utf8_lossy(&out.stderr))
}

#[test]
fn a_slowed_function_fails_the_gate_by_name() {
    if !has_valgrind() {
        println!("skipped: a_slowed_function_fails_the_gate_by_name: no valgrind");
        return;
    }
    let dir = std::env::temp_dir().join(format!("peregrine-gate-test-{}", std::process::id()));
    fs::create_dir_all(&dir).unwrap();
    let baseline = dir.join("baseline.toml");

    let out = gate(&baseline, &[], "");
    assert_eq!(out.status.code(), Some(2), "no baseline: {}", text(&out));

    let out = gate(&baseline, &["--update"], "");
    assert!(!out.status.success(), "a reason is needed: {}", text(&out));

    let out = gate(&baseline, &["--update", "--reason", "first"], "");
    assert!(out.status.success(), "{}", text(&out));
    let log = fs::read_to_string(dir.join("reasons.log")).unwrap();
    assert!(log.starts_with("first ") && log.contains("checksum: new"), "{log}");

    let out = gate(&baseline, &[], "");
    assert!(out.status.success(), "the same counts hold: {}", text(&out));
    assert!(text(&out).contains("gate: 2 passed, 0 failed"), "{}", text(&out));

    let out = gate(&baseline, &[], "checksum");
    assert!(!out.status.success(), "{}", text(&out));
    let said = text(&out);
    assert!(said.contains("FAILED: checksum: gate_sample::checksum: "), "{said}");
    assert!(said.contains("instructions an event"), "{said}");
    assert!(said.contains("1 allocations in 64 events, baseline 0"), "{said}");
    assert!(said.contains("gate: 1 passed, 1 failed"), "{said}");

    let out = gate(&baseline, &[], "mixed");
    assert_eq!(out.status.code(), Some(1), "{}", text(&out));
    let said = text(&out);
    assert!(said.contains("FAILED: checksum: gate_sample::checksum: "), "{said}");
    for what in ["instructions an event", "calls that allocate"] {
        let is_named = |l: &str| l.contains(what) && l.contains(" in ") && l.ends_with("mixed");
        assert!(said.lines().any(is_named), "{what}: {said}");
    }

    let out =
        gate(&baseline, &["--tolerance-percent", "900", "--tolerance-allocations", "9"], "mixed");
    assert!(out.status.success(), "{}", text(&out));

    fs::write(&baseline, "speed = 3").unwrap();
    assert_eq!(gate(&baseline, &[], "").status.code(), Some(2), "that is no baseline");

    fs::remove_dir_all(dir).unwrap();
}

#[test]
fn boxes_are_counted_one_by_one() {
    let out = Command::new(sample()).arg("boxes").output().unwrap();
    assert_eq!(text(&out), "measured boxes events=10 allocations=10\n");
}
