//! Recordings in several files (`peregrine trace -w` with `-C`, `-G`, `-e`, `-W`): their names, and that each stands on its own.

mod common;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use common::PEREGRINE;

/// All but the event's number: what the event says, and what its process and descriptors are known to be.
const FORMAT: &str = "*%evt.rawtime %evt.cpu %evt.type %proc.name %proc.exepath %proc.args %proc.ppid %proc.pname %thread.tid cwd=%proc.cwd; %user.uid %user.name %group.gid %container.id %fd.num %fd.type %fd.name %evt.info";

fn ours() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../testdata/recordings/ordinary-work.scap.gz")
}

/// The corpus's recordings, where it is.
fn corpus() -> Vec<PathBuf> {
    let Some(dir) = std::env::var_os("PEREGRINE_CORPUS") else {
        eprintln!("SKIPPED: PEREGRINE_CORPUS is not set");
        return Vec::new();
    };
    let files = fs::read_dir(Path::new(&dir).join("scap")).expect("the corpus has recordings");
    let mut files: Vec<_> = files.map(|f| f.expect("an entry").path()).collect();
    files.retain(|f| f.extension().is_some_and(|e| e == "scap"));
    files.sort();
    files
}

fn trace(file: &Path, args: &[&str]) -> Output {
    let mut command = Command::new(PEREGRINE);
    command.arg("trace").arg("-r").arg(file).args(args).env("TZ", "UTC");
    command.output().expect("the program runs")
}

fn lines(file: &Path, args: &[&str]) -> Vec<String> {
    let ended = trace(file, args);
    assert!(ended.status.success(), "{}", String::from_utf8_lossy(&ended.stderr));
    String::from_utf8_lossy(&ended.stdout).lines().map(str::to_owned).collect()
}

/// Writes a recording into files of a new directory, and gives them in the order of their names.
fn written(file: &Path, name: &str, args: &[&str]) -> (tempfile::TempDir, Vec<PathBuf>) {
    let dir = tempfile::tempdir().expect("a directory");
    let out = dir.path().join(name);
    lines(file, &[&["-w", out.to_str().expect("a name in UTF-8")], args].concat());
    let mut files: Vec<_> = fs::read_dir(dir.path())
        .expect("the directory")
        .map(|f| f.expect("an entry").path())
        .collect();
    files.sort_by_key(|f| (f.as_os_str().len(), f.clone()));
    (dir, files)
}

fn names(files: &[PathBuf]) -> Vec<&str> {
    files.iter().map(|f| f.file_name().and_then(|n| n.to_str()).expect("a name")).collect()
}

#[test]
fn files_are_named_as_sysdig_names_them() {
    let whole = lines(&ours(), &["-D", "-p", "%evt.rawtime.s"]);
    let half = (whole.len() * 3 / 5).to_string();
    let (_dir, files) = written(&ours(), "a.scap", &["-e", &half]);
    assert_eq!(names(&files), ["a.scap0", "a.scap1"]);
    let (_dir, files) = written(&ours(), "a.scap", &["-e", "1000", "-W", "10"]);
    assert!(names(&files).iter().all(|n| n.starts_with("a.scap0")), "{files:?}");
    let (_dir, files) = written(&ours(), "a.scap", &["-G", "1000000"]);
    assert_eq!(names(&files), ["a.scap0"]);
    let (_dir, files) = written(&ours(), "at-%s.scap", &["-G", "1000000"]);
    assert_eq!(names(&files), [format!("at-{}.scap", whole[0])]);
    let (_dir, files) = written(&ours(), "a.scap", &["-C", "1"]);
    assert!(files.len() >= 2 && names(&files)[1] == "a.scap1", "{files:?}");
    let sizes: Vec<u64> = files.iter().map(|f| fs::metadata(f).expect("a file").len()).collect();
    let (last, full) = sizes.split_last().expect("files");
    assert!(full.iter().all(|s| (1_000_000..1_200_000).contains(s)), "{sizes:?}");
    assert!(*last < 1_200_000, "{sizes:?}");
    let (_dir, files) = written(&ours(), "a.scap", &["-W", "3"]);
    assert_eq!(names(&files), ["a.scap"], "without a bound there is one file");
}

#[test]
fn a_ring_keeps_the_last_files() {
    let each = |args: &[&str]| written(&ours(), "a.scap", &[&["-e", "1000"], args].concat());
    let (_all, all) = each(&[]);
    assert!(all.len() > 4, "{all:?}");
    let (_ring, ring) = each(&["-W", "3"]);
    assert_eq!(names(&ring), ["a.scap0", "a.scap1", "a.scap2"]);
    for (n, file) in all.iter().enumerate().skip(all.len() - 3) {
        assert_eq!(fs::read(file).unwrap(), fs::read(&ring[n % 3]).unwrap(), "file {n}");
    }
    let (_dir, timed) = written(&ours(), "a%s.scap", &["-G", "1", "-W", "1"]);
    assert_eq!(timed.len(), 1, "{timed:?}");
}

/// Every event's line in its own file is that of the whole; the files together have all of them.
fn stand_on_their_own(file: &Path, args: &[&str]) -> usize {
    let print = ["-p", FORMAT];
    let filter: Vec<&str> = args.iter().copied().filter(|a| a.contains('=')).collect();
    // A process list cannot leave a directory open: one that is not known is the root there, as other readers take it.
    let rooted = |line: &String| line.replace("cwd=;", "cwd=/;");
    let whole: Vec<_> = lines(file, &[&print[..], &filter].concat()).iter().map(rooted).collect();
    let (_dir, files) = written(file, "a.scap", args);
    let parts: Vec<String> =
        files.iter().flat_map(|f| lines(f, &print)).map(|l| rooted(&l)).collect();
    let differences: Vec<_> = whole.iter().zip(&parts).filter(|(a, b)| a != b).take(5).collect();
    assert!(differences.is_empty(), "{}: {differences:#?}", file.display());
    assert_eq!(whole.len(), parts.len(), "{}", file.display());
    files.len()
}

#[test]
fn each_file_stands_on_its_own() {
    assert!(stand_on_their_own(&ours(), &["-e", "97"]) > 40);
    assert!(stand_on_their_own(&ours(), &["-C", "1", "-z"]) > 1);
    assert!(stand_on_their_own(&ours(), &["-e", "200", "-F", "evt.type=openat"]) > 3);
}

#[test]
fn each_file_of_the_corpus_stands_on_its_own() {
    for file in corpus() {
        let n_events = lines(&file, &["-D", "-p", "%evt.num"]).len();
        let each = (n_events / 5).max(1).to_string();
        assert!(stand_on_their_own(&file, &["-e", &each]) >= 5, "{}", file.display());
    }
}

#[test]
fn sysdig_reads_each_file() {
    if Command::new("sysdig").arg("--version").output().is_err() {
        eprintln!("SKIPPED: sysdig cannot be run; apt-get install sysdig");
        return;
    }
    for file in [vec![ours()], corpus()].concat() {
        let (_dir, files) = written(&file, "a.scap", &["-e", "3000", "-z"]);
        for file in files {
            let ended = Command::new("sysdig").arg("-r").arg(&file).output().expect("sysdig runs");
            let said = String::from_utf8_lossy(&ended.stderr);
            assert!(ended.status.success(), "{}: {said}", file.display());
            assert!(!ended.stdout.is_empty(), "{}: {said}", file.display());
        }
    }
}
