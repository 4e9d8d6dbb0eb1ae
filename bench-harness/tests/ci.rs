//! The parts of `.ci/run` that can be tried without running all of it.

use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::{env, fs};

fn script(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../.ci").join(name)
}

fn tally(log: &str) -> String {
    let file =
        env::temp_dir().join(format!("peregrine-tally-{}-{}", std::process::id(), log.len()));
    fs::write(&file, log).unwrap();
    let out = Command::new("bash").arg(script("tally")).arg(&file).output().unwrap();
    fs::remove_file(file).unwrap();
    assert!(out.status.success(), "{}", String::from_utf8_lossy(&out.stderr));
    String::from_utf8(out.stdout).unwrap()
}

#[test]
fn results_of_all_kinds_are_added_up() {
    let log = "\
test result: ok. 12 passed; 0 failed; 1 ignored; 0 measured; 0 filtered out; finished in 0.00s
test result: FAILED. 3 passed; 2 failed; 0 ignored; 0 measured; 0 filtered out; finished in 0.00s
gate: 9 passed, 1 failed, 0 skipped
kernels: 12 passed, 0 failed, 1 skipped
quiet: 5 passed, 1 failed, 0 skipped
storm: 3 passed, 0 failed, 0 skipped
soak: 1 passed, 0 failed, 0 skipped
actions: 1 passed, 0 failed, 1 skipped
step: passed format
step: failed docs
";
    assert_eq!(tally(log), "47 passed, 5 failed, 3 skipped\n");
}

#[test]
fn a_skipped_test_is_not_a_passed_one() {
    let log = "\
---- live stdout ----
skipped: live: not root
test result: ok. 4 passed; 0 failed; 0 ignored; 0 measured; 0 filtered out; finished in 0.00s
skipped: kernel 6.1: no such package
kernels: 5 passed, 0 failed, 1 skipped
skipped: quiet debootstrap: no mirror: none
quiet: 2 passed, 0 failed, 1 skipped
skipped: soak: stress-ng is not installed
soak: 0 passed, 0 failed, 1 skipped
";
    let want = "not run:\n  live: not root\n  kernel 6.1: no such package\n  \
                quiet debootstrap: no mirror: none\n  soak: stress-ng is not installed\n10 passed, 0 failed, 4 skipped\n";
    assert_eq!(tally(log), want);
}

fn run(args: &[&str], corpus: bool) -> Output {
    // A copy without anything beside it: there is no ../shared/corpus to be found.
    let dir = env::temp_dir().join(format!(
        "peregrine-ci-{}-{}-{corpus}",
        std::process::id(),
        args.len()
    ));
    fs::create_dir_all(dir.join("repo/.ci")).unwrap();
    fs::copy(script("run"), dir.join("repo/.ci/run")).unwrap();
    let mut command = Command::new("bash");
    command.arg(dir.join("repo/.ci/run")).args(args).env_remove("PEREGRINE_CORPUS");
    if corpus {
        command.env("PEREGRINE_CORPUS", &dir);
    }
    let out = command.output().unwrap();
    fs::remove_dir_all(dir).unwrap();
    out
}

#[test]
fn without_a_corpus_nothing_starts_unless_asked_for() {
    // The step fails either way (there is no object here); only the first complains of the corpus.
    let no_corpus = |out: &Output| String::from_utf8_lossy(&out.stderr).contains("no test corpus");
    assert!(no_corpus(&run(&["--step", "object_hash"], false)));
    assert!(!no_corpus(&run(&["--without-corpus", "--step", "object_hash"], false)));
    assert!(!no_corpus(&run(&["--step", "object_hash", "--without-corpus"], true)));
}

#[test]
fn an_unknown_step_is_refused() {
    let out = run(&["--without-corpus", "--step", "nonsense", "--without-corpus"], false);
    assert_eq!(out.status.code(), Some(2), "{}", String::from_utf8_lossy(&out.stderr));
}
