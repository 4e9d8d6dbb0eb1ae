//! A fixed record comes to a fixed report, and is held against others. `PEREGRINE_BLESS=1` rewrites the golden files.

use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::{env, fs};

fn fixed() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/record")
}

/// A copy, with the raw lines changed.
fn copy(change: impl Fn(String) -> String) -> tempfile::TempDir {
    let dir = tempfile::tempdir().unwrap();
    fs::create_dir(dir.path().join("definitions")).unwrap();
    for name in ["machine.json", "raw.jsonl", "definitions/storms.toml"] {
        let text = fs::read_to_string(fixed().join(name)).unwrap();
        let text = if name == "raw.jsonl" { change(text) } else { text };
        fs::write(dir.path().join(name), text).unwrap();
    }
    dir
}

fn bench(args: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_peregrine-bench")).args(args).output().unwrap()
}

fn text(out: &Output) -> String {
    format!("{}{}", String::from_utf8_lossy(&out.stdout), String::from_utf8_lossy(&out.stderr))
}

#[test]
fn a_record_has_the_report_that_is_kept() {
    let dir = copy(|text| text);
    let out = bench(&["report", dir.path().to_str().unwrap()]);
    assert!(out.status.success(), "{}", text(&out));
    for name in ["report.md", "storms-getpid.svg"] {
        let got = fs::read_to_string(dir.path().join(name)).unwrap();
        let golden = fixed().join(name);
        if env::var_os("PEREGRINE_BLESS").is_some() {
            fs::write(&golden, &got).unwrap();
        }
        assert_eq!(got, fs::read_to_string(&golden).unwrap(), "{name}");
    }
}

#[test]
fn a_record_is_no_worse_than_itself() {
    let (old, new) = (copy(|text| text), copy(|text| text));
    let out = bench(&["compare", old.path().to_str().unwrap(), new.path().to_str().unwrap()]);
    assert!(out.status.success(), "{}", text(&out));
    assert!(text(&out).contains("compare: 7 figures, 0 worse"), "{}", text(&out));
}

#[test]
fn what_is_worse_by_more_than_the_tolerance_fails() {
    let old = copy(|text| text);
    let new = copy(|text| text.replace("139.0", "150.0"));
    let compare = |more: &[&str]| {
        let args = ["compare", old.path().to_str().unwrap(), new.path().to_str().unwrap()];
        bench(&[&args[..], more].concat())
    };
    // Of 150 and 147 the best is 147, which is 5.8 % over 139.
    let out = compare(&[]);
    assert!(!out.status.success(), "{}", text(&out));
    let row = "| storms/getpid ours ns_per_call | 139 | 147 | 1.058 | WORSE |";
    assert!(text(&out).contains(row), "{}", text(&out));
    assert!(text(&out).contains("compare: 7 figures, 1 worse"), "{}", text(&out));
    assert!(compare(&["--tolerance", "6"]).status.success());
    assert!(compare(&["--figure", "cpu_ns"]).status.success());
    let out = compare(&["--figure", "x"]);
    assert!(!out.status.success() && text(&out).contains("no figure in common"), "{}", text(&out));
}

#[test]
fn what_is_no_record_is_said() {
    let dir = tempfile::tempdir().unwrap();
    let out = bench(&["report", dir.path().to_str().unwrap()]);
    assert!(!out.status.success());
    assert!(text(&out).contains("machine.json is no record"), "{}", text(&out));
}
