//! The replay promise under a fuzzer of schedules: byte-identical alerts for every number of shards and capture lanes, whatever the threads' timing.
//!
//! `cargo test` runs three schedules; `bench-harness/schedules` runs the long form, through the variables below.

#[path = "../common/mod.rs"]
mod common;
mod run;
mod storm;

use std::fs;
use std::io::Write as _;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::time::{Duration, Instant};

use common::{can_run_live, skip};
use run::{Case, Run, Topology};
use tempfile::TempDir;

/// Every event, with what it reads of its process, its ancestors, and what it keeps of the past. Its arguments are left out: to print them took a third
/// of a run.
const TELL_ALL: &str = r#"
- rule: Everything
  desc: Every event, with its lineage.
  condition: evt.type exists
  output: "%evt.num %evt.type %proc.name %proc.exepath %proc.cmdline %proc.pid %proc.ppid %proc.pname %proc.pcmdline %proc.aname[2] %proc.aname[3] %proc.sname %proc.sid %proc.cwd %container.id %user.name %thread.tid %fd.num %fd.name %fd.type"
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

/// Schedules of a case that is not the main one.
const FEW_SCHEDULES: u64 = 20;

/// How often the long form says how far it is.
const TELL_EVERY: Duration = Duration::from_mins(1);

/// A storm takes no longer, however few events the machine has made by then.
const LONGEST_STORM: Duration = Duration::from_mins(10);

/// A number from the environment.
fn number(name: &str) -> Option<u64> {
    let text = std::env::var(name).ok()?;
    Some(text.parse().unwrap_or_else(|_| panic!("{name} is to be a number, not {text:?}")))
}

/// Random schedules for each topology; more than three make the long form.
fn schedules() -> Range<u64> {
    let first = number("PEREGRINE_FIRST_SCHEDULE").unwrap_or(1);
    first..first + number("PEREGRINE_SCHEDULES").unwrap_or(3)
}

fn is_long() -> bool {
    number("PEREGRINE_SCHEDULES").is_some()
}

/// Replays beside each other. They wait for most of their time, and a busy machine makes for further interleavings.
fn n_beside() -> usize {
    number("PEREGRINE_RUNS_BESIDE").unwrap_or(6) as usize
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

/// Records a storm of about so many events, and gives how many it has. A machine that cannot make them in time has fewer, which is told.
fn recorded(file: &Path, n_events: u64) -> u64 {
    let began = Instant::now();
    let storm::Recorded { n_events: n_recorded, n_drops } =
        storm::record(file, n_events, 1, LONGEST_STORM);
    if is_long() {
        let took = began.elapsed().as_secs();
        tell(&format!("recorded {n_recorded} of {n_events} events in {took} s, {n_drops} lost"));
    }
    assert!(n_recorded >= n_events / 10, "{n_recorded} events recorded, {n_drops} lost");
    n_recorded
}

/// In the long form all topologies, else those that are picked by their place and what they are.
fn topologies(is_picked: impl Fn(usize, Topology) -> bool) -> Vec<Topology> {
    let all = Topology::all().into_iter().enumerate();
    all.filter(|&(at, t)| is_long() || is_picked(at, t)).map(|(_, t)| t).collect()
}

/// Holds every schedule of each topology to one thread. Where one differs, the folder with the storm and the rules is kept.
fn check(case: &Case, dir: &mut TempDir, schedules: Range<u64>, topologies: &[Topology]) {
    // A topology after the other under each seed, so that a run cut short has tried all of them.
    let runs: Vec<Run> =
        schedules.flat_map(|seed| topologies.iter().map(move |&t| (t, seed))).collect();
    let began = Instant::now();
    let told = Mutex::new(began);
    let tell_some = |n_alike: usize| {
        let mut told = told.lock().expect("nobody panics while it is held");
        if is_long() && (n_alike == runs.len() || told.elapsed() > TELL_EVERY) {
            *told = Instant::now();
            let (name, n_runs, took) = (case.name(), runs.len(), began.elapsed().as_secs());
            tell(&format!("{name}: {n_alike} of {n_runs} runs alike, {took} s"));
        }
    };
    let differing = case.differing(&runs, None, (n_beside(), 1), tell_some);
    if !differing.is_empty() {
        dir.disable_cleanup(true);
        panic!("{}\nstorm and rules are kept in {}", differing.join("\n"), dir.path().display());
    }
}

/// In how many schedules a mutant shows, of how many tried: all in the long form, else until it does.
fn seen(case: &Case, mutant: &str) -> (usize, usize) {
    let topologies = [(3, 2), (2, 1), (8, 4)];
    let (mut n_seen, mut n_tried) = (0, 0);
    for seed in schedules() {
        let runs =
            topologies.map(|(n_shards, n_captures)| (Topology { n_shards, n_captures }, seed));
        n_tried += runs.len();
        n_seen += case.differing(&runs, Some(mutant), (n_beside(), runs.len()), |_| ()).len();
        if n_seen > 0 && !is_long() {
            break;
        }
    }
    (n_seen, n_tried)
}

#[test]
fn a_storm_of_processes_gives_the_same_alerts_under_every_schedule() {
    let mut dir = tempfile::tempdir().expect("a temporary directory");
    let file = dir.path().join("generated.scap");
    let n_events = number("PEREGRINE_STORM_EVENTS").unwrap_or(1200);
    storm::generate(&file, n_events, 1);
    let case = Case::new(&file, &rules_in(dir.path(), TELL_ALL));
    assert!(case.n_alerts() as u64 >= n_events, "{}", case.n_alerts());
    let all = schedules();
    // Beside the storm of real calls it is a second case; without root it is the only one.
    let few = all.start..all.end.min(all.start + FEW_SCHEDULES);
    let has_other = is_long() && can_run_live("the storm of real calls, which is the main one");
    check(&case, &mut dir, if has_other { few } else { all }, &Topology::all());
}

#[test]
fn a_storm_of_real_calls_gives_the_same_alerts_under_every_schedule() {
    let test = "a_storm_of_real_calls_gives_the_same_alerts_under_every_schedule";
    if !can_run_live(test) {
        return;
    }
    let mut dir = tempfile::tempdir().expect("a temporary directory");
    let file = dir.path().join("recorded.scap");
    let n_events = number("PEREGRINE_STORM_EVENTS").unwrap_or(1200);
    let n_recorded = recorded(&file, n_events);
    let case = Case::new(&file, &rules_in(dir.path(), TELL_ALL));
    assert!(case.n_alerts() as u64 >= n_recorded, "{} of {n_recorded}", case.n_alerts());
    check(&case, &mut dir, schedules(), &topologies(|_, t| t.n_shards == 3));
}

#[test]
fn captures_of_the_corpus_give_the_same_alerts_under_every_schedule() {
    let test = "captures_of_the_corpus_give_the_same_alerts_under_every_schedule";
    let Some(corpus) = std::env::var_os("PEREGRINE_CORPUS").map(PathBuf::from) else {
        return skip(test, "PEREGRINE_CORPUS is not set");
    };
    let mut dir = tempfile::tempdir().expect("a temporary directory");
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
        // In the short form each file has two topologies of its own: together they have all.
        let own = topologies(|at, _| at % 9 == n % 9);
        check(&case, &mut dir, schedules(), &own);
    }
}

#[test]
fn a_large_storm_gives_the_same_alerts_under_every_schedule() {
    let mut dir = tempfile::tempdir().expect("a temporary directory");
    let file = dir.path().join("large.scap");
    let n_events = number("PEREGRINE_LARGE_EVENTS").unwrap_or(10_000);
    let n_events =
        if is_long() && can_run_live("the large storm of real calls, a generated one instead") {
            recorded(&file, n_events)
        } else {
            storm::generate(&file, n_events, 2);
            n_events
        };
    let case = Case::new(&file, &rules_in(dir.path(), TELL_FEW));
    let n_alerts = case.n_alerts() as u64;
    assert!((n_events / 50..n_events / 2).contains(&n_alerts), "{n_alerts} of {n_events}");
    check(&case, &mut dir, schedules(), &topologies(|_, t| t.n_shards == 4));
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
