//! The replay promise under a fuzzer of schedules: byte-identical alerts for every number of shards and capture lanes, whatever the threads' timing.
//!
//! `cargo test` runs three schedules; `bench-harness/schedules` runs the long form, through the variables below.

#[path = "../common/mod.rs"]
mod common;
mod run;
mod storm;

use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::time::Instant;

use common::{can_run_live, skip};
use run::{Case, Topology};

/// Every event, with what it reads of its process, its ancestors, and what it keeps of the past.
const TELL_ALL: &str = r#"
- rule: Everything
  desc: Every event, with its lineage.
  condition: evt.type exists
  output: "%evt.num %evt.type %proc.name %proc.exepath %proc.cmdline %proc.pid %proc.ppid %proc.pname %proc.pcmdline %proc.aname[2] %proc.acmdline[2] %proc.aname[3] %proc.sname %proc.sid %proc.cwd %container.id %user.name %thread.tid %fd.num %fd.name %fd.type %fs.path.name %evt.res %evt.args"
  priority: INFO
"#;

/// What decides by the lineage of every event, and tells of few.
const TELL_FEW: &str = r#"
- rule: Ancestors
  desc: Events whose processes have certain ancestors.
  condition: >
    (proc.name endswith 7 or proc.pcmdline contains 77 or proc.aname[2] in (nginx, sshd, prog-7) or proc.sname = mysqld or proc.cwd contains 99)
    and (evt.type in (execve, clone, clone3, fork, vfork, procexit, chdir, setsid, connect) or proc.apid[3] > 1 or fd.name contains 1)
    and not proc.pname in (alpha, beta, gamma, delta)
  output: "%evt.num %evt.type %proc.name %proc.cmdline %proc.pname %proc.pcmdline %proc.aname[2] %proc.aname[3] %proc.sname %proc.cwd %container.id %fd.name"
  priority: INFO
"#;

/// A number from the environment.
fn number(name: &str) -> Option<u64> {
    let text = std::env::var(name).ok()?;
    Some(text.parse().unwrap_or_else(|_| panic!("{name} is to be a number, not {text:?}")))
}

/// Random schedules for each topology; more than three make the long form.
fn schedules() -> std::ops::Range<u64> {
    let first = number("PEREGRINE_FIRST_SCHEDULE").unwrap_or(1);
    first..first + number("PEREGRINE_SCHEDULES").unwrap_or(3)
}

fn is_long() -> bool {
    number("PEREGRINE_SCHEDULES").is_some()
}

fn tell(line: &str) {
    // Not `eprintln!`: the test harness keeps what that prints.
    drop(writeln!(std::io::stderr(), "schedules: {line}"));
}

fn rules_in(dir: &Path, text: &str) -> Vec<PathBuf> {
    [("default.yaml", rules::DEFAULT_RULES), ("lineage.yaml", text)]
        .map(|(name, text)| {
            let path = dir.join(name);
            fs::write(&path, text).expect("a file");
            path
        })
        .to_vec()
}

/// Holds every schedule of each topology to one thread.
fn check(case: &Case, topologies: impl Iterator<Item = Topology>) {
    let mut n_runs = 0;
    let began = Instant::now();
    for topology in topologies {
        for seed in schedules() {
            case.check(topology, seed, None).unwrap_or_else(|why| panic!("{why}"));
            n_runs += 1;
        }
        if is_long() {
            let Topology { n_shards, n_captures } = topology;
            tell(&format!(
                "{}: {n_shards} shards, {n_captures} capture lanes: alike; {n_runs} runs, {:.0} s",
                case.name(),
                began.elapsed().as_secs_f64()
            ));
        }
    }
}

/// In how many schedules a mutant shows, of how many tried: all in the long form, else until it does.
fn seen(case: &Case, mutant: &str) -> (usize, usize) {
    let (mut n_seen, mut n_tried) = (0, 0);
    let topologies = [(3, 2), (2, 1), (8, 4)];
    for seed in schedules() {
        for (n_shards, n_captures) in topologies {
            n_tried += 1;
            let topology = Topology { n_shards, n_captures };
            if case.check(topology, seed, Some(mutant)).is_err() {
                n_seen += 1;
                if !is_long() {
                    return (n_seen, n_tried);
                }
            }
        }
    }
    (n_seen, n_tried)
}

#[test]
fn a_storm_of_processes_gives_the_same_alerts_under_every_schedule() {
    let dir = tempfile::tempdir().expect("a temporary directory");
    let file = dir.path().join("generated.scap");
    let n_events = number("PEREGRINE_STORM_EVENTS").unwrap_or(1200);
    storm::generate(&file, n_events, 1);
    let case = Case::new(&file, &rules_in(dir.path(), TELL_ALL));
    assert!(case.n_alerts() as u64 >= n_events, "{}", case.n_alerts());
    check(&case, Topology::all());
}

#[test]
fn a_storm_of_real_calls_gives_the_same_alerts_under_every_schedule() {
    let test = "a_storm_of_real_calls_gives_the_same_alerts_under_every_schedule";
    if !can_run_live(test) {
        return;
    }
    let dir = tempfile::tempdir().expect("a temporary directory");
    let file = dir.path().join("recorded.scap");
    let n_events = number("PEREGRINE_STORM_EVENTS").unwrap_or(1200);
    storm::record(&file, n_events, 1);
    let case = Case::new(&file, &rules_in(dir.path(), TELL_ALL));
    assert!(case.n_alerts() as u64 >= n_events / 2, "{}", case.n_alerts());
    let few = Topology::all().filter(|t| is_long() || t.n_shards == 3);
    check(&case, few);
}

#[test]
fn captures_of_the_corpus_give_the_same_alerts_under_every_schedule() {
    let test = "captures_of_the_corpus_give_the_same_alerts_under_every_schedule";
    let Some(corpus) = std::env::var_os("PEREGRINE_CORPUS").map(PathBuf::from) else {
        return skip(test, "PEREGRINE_CORPUS is not set");
    };
    let dir = tempfile::tempdir().expect("a temporary directory");
    let rules = rules_in(dir.path(), TELL_ALL);
    let own = Path::new(env!("CARGO_MANIFEST_DIR")).join("../testdata/recordings");
    let entries = [corpus.join("scap"), own].map(|dir| fs::read_dir(dir).expect("recordings"));
    let mut files: Vec<PathBuf> =
        entries.into_iter().flatten().map(|e| e.expect("an entry").path()).collect();
    files.retain(|file| file.to_string_lossy().contains(".scap"));
    files.sort();
    assert!(files.len() >= 9, "{files:?}");
    for (n, file) in files.iter().enumerate() {
        let case = Case::new(file, &rules);
        assert!(case.n_alerts() > 0, "{}", case.name());
        // In the short form each file has a topology of its own: together they have half of them.
        let own = Topology::all().skip(2 * n % Topology::all().count()).take(1);
        if is_long() {
            check(&case, Topology::all());
        } else {
            check(&case, own);
        }
    }
}

#[test]
fn a_large_storm_gives_the_same_alerts_under_every_schedule() {
    let dir = tempfile::tempdir().expect("a temporary directory");
    let file = dir.path().join("large.scap");
    let n_events = number("PEREGRINE_LARGE_EVENTS").unwrap_or(10_000);
    storm::generate(&file, n_events, 2);
    let case = Case::new(&file, &rules_in(dir.path(), TELL_FEW));
    let n_alerts = case.n_alerts() as u64;
    assert!((n_events / 50..n_events / 2).contains(&n_alerts), "{n_alerts} of {n_events}");
    let few = Topology::all().filter(|t| is_long() || t.n_shards == 4);
    check(&case, few);
}

#[test]
fn who_reads_the_latest_version_is_seen() {
    mutant_is_seen("latest");
}

#[test]
fn who_does_not_wait_for_applied_is_seen() {
    mutant_is_seen("no-wait");
}

fn mutant_is_seen(mutant: &str) {
    let dir = tempfile::tempdir().expect("a temporary directory");
    let file = dir.path().join("generated.scap");
    storm::generate(&file, 2000, 1);
    let case = Case::new(&file, &rules_in(dir.path(), TELL_ALL));
    let (n_seen, n_tried) = seen(&case, mutant);
    if is_long() {
        tell(&format!("mutant {mutant}: seen in {n_seen} of {n_tried} runs"));
    }
    assert!(n_seen > 0, "{mutant} shows in none of {n_tried} runs");
}
