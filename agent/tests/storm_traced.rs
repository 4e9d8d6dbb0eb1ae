//! Counted storms under a trace: every call that is announced is seen on the thread and the CPU that it was announced for, with its number, and
//! a storm's threads make no others.

mod common;

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::process::Command;

use common::{PEREGRINE, alone, bench_program, can_run_live};
use serde_json::Value;

/// What a trace shows of each event, in columns.
const FORMAT: &str = "*%thread.tid\t%evt.cpu\t%evt.type\t%evt.rawarg.dirfd\t%evt.arg.newpath\t%evt.arg.data\t%fd.sip\t%proc.args";
const DIRFD: usize = 3;
const NEWPATH: usize = 4;
const DATA: usize = 5;
const SIP: usize = 6;
const ARGS: usize = 7;

/// Cycles of each storm.
const COUNT: u64 = 300;

type Lines = Vec<Vec<String>>;

/// Traces storms, one after the other: what each announced, and what was seen of all.
fn traced(filter: &str, storms: &[&str]) -> (Vec<Value>, Lines) {
    let dir = tempfile::tempdir().expect("a folder");
    let out = dir.path().join("trace");
    let storm = bench_program("peregrine-storm");
    let line = |args: &&str| format!("{} {args} --count {COUNT} --json", storm.display());
    let lines: Vec<String> = storms.iter().map(line).collect();
    let ended = Command::new(PEREGRINE)
        .args(["trace", "-p", FORMAT, "-o"])
        .arg(&out)
        .args([filter, "--", "sh", "-e", "-c", &lines.join("; ")])
        .output()
        .expect("it runs");
    let said = String::from_utf8_lossy(&ended.stderr);
    assert!(ended.status.success(), "{said}");
    let announced = String::from_utf8(ended.stdout).expect("text");
    let announced = announced.lines().map(|line| serde_json::from_str(line).expect("JSON"));
    let seen = fs::read_to_string(&out).expect("lines");
    let columns = |line: &str| line.split('\t').map(str::to_owned).collect();
    (announced.collect(), seen.lines().map(columns).collect())
}

/// A storm, and what was seen of its threads.
struct Traced {
    storm: Value,
    lines: Lines,
}

impl Traced {
    fn of(storm: Value, all: &Lines) -> Self {
        let threads = storm["by_thread"].as_array().expect("threads");
        let of = |thread: &Value| {
            let tid = thread["tid"].to_string();
            all.iter().filter(move |line| line[0] == tid).cloned().collect::<Vec<_>>()
        };
        Self { lines: threads.iter().flat_map(of).collect(), storm }
    }

    fn is(&self, kind: &str) -> bool {
        self.storm["kind"] == kind
    }

    /// How often each call was made on each CPU, as it was announced and as it was seen.
    fn announced_and_seen(&self) -> [BTreeMap<(String, String), u64>; 2] {
        let [mut announced, mut seen] = [BTreeMap::new(), BTreeMap::new()];
        for on in self.storm["cpus"].as_array().expect("CPUs") {
            for (name, n) in on["calls"].as_object().expect("calls") {
                announced
                    .insert((on["cpu"].to_string(), name.clone()), n.as_u64().expect("a number"));
            }
        }
        for line in &self.lines {
            *seen.entry((line[1].clone(), line[2].clone())).or_default() += 1;
        }
        [announced, seen]
    }

    /// Holds a column of a call to the numbers of the cycles.
    fn check(&self, call: &str, column: usize, text: impl Fn(u64) -> String) {
        let lines = self.lines.iter().filter(|line| line[2] == call);
        let seen: Vec<&str> = lines.map(|line| line[column].as_str()).collect();
        let announced: Vec<String> = (0..COUNT).map(text).collect();
        assert_eq!(seen, announced, "{call} of {}", self.storm["kind"]);
    }
}

fn digits(number: u64) -> String {
    format!("{number:010}")
}

#[test]
fn every_call_is_seen_where_it_was_announced_with_its_number() {
    if !can_run_live("every_call_is_seen_where_it_was_announced_with_its_number") {
        return;
    }
    let _alone = alone();
    let kinds =
        ["getpid", "openclose", "readwrite", "rename", "udp", "udpconnect", "tcp", "forkexec"];
    // exit_group does not return, and is seen as the end of its process.
    let filter = "evt.type in (getpid, openat, close, read, write, rename, sendto, recvfrom, socket, connect, accept4, clone, \
                  execve, wait4) or (evt.type = procexit and proc.name = true)";
    let storms = kinds.map(|kind| format!("{kind} --threads 2"));
    let (announced, all) = traced(filter, &storms.each_ref().map(String::as_str));
    assert_eq!(announced.len(), kinds.len());
    for storm in announced {
        let traced = Traced::of(storm, &all);
        let [mut announced, seen] = traced.announced_and_seen();
        // Those of the programs are not the threads'.
        announced.retain(|(_, call), _| !["execve", "exit_group"].contains(&call.as_str()));
        assert_eq!(seen, announced, "{}", traced.storm["kind"]);
        assert_eq!(seen.values().sum::<u64>() % COUNT, 0, "{seen:?}");
        if traced.is("openclose") {
            traced.check("openat", DIRFD, |n| n.to_string());
        } else if traced.is("readwrite") {
            let is_shown = |line: &&Vec<String>| line[2] == "write";
            let seen: Vec<&str> =
                traced.lines.iter().filter(is_shown).map(|l| l[DATA].as_str()).collect();
            // Other bytes are shown as dots.
            for byte in (b'A'..=b'Z').chain(b'a'..=b'z') {
                assert_eq!(seen[usize::from(byte)], char::from(byte).to_string(), "{seen:?}");
            }
        } else if traced.is("rename") {
            let seen: Vec<&str> = traced.lines.iter().map(|line| line[NEWPATH].as_str()).collect();
            assert!((0..).zip(&seen).all(|(n, path)| path.ends_with(&digits(n))), "{seen:?}");
        } else if traced.is("udp") {
            traced.check("sendto", DATA, digits);
            traced.check("recvfrom", DATA, digits);
        } else if traced.is("udpconnect") || traced.is("tcp") {
            let host = |n: u64| format!("127.0.{}.{}", (n + 1) / 256, (n + 1) % 256);
            traced.check("connect", SIP, host);
        }
    }
    for call in ["execve", "procexit"] {
        let lines = all
            .iter()
            .filter(|line| line[2] == call && line.get(ARGS).is_some_and(|args| args.len() == 10));
        let mut args: Vec<&str> = lines.map(|line| line[ARGS].as_str()).collect();
        args.sort_unstable();
        assert_eq!(args, (0..COUNT).map(digits).collect::<Vec<_>>(), "{call}");
    }
}

#[test]
fn threads_that_move_are_where_they_say_and_make_no_other_calls() {
    if !can_run_live("threads_that_move_are_where_they_say_and_make_no_other_calls") {
        return;
    }
    let _alone = alone();
    let storm = "openclose --threads 2 --migrate=7 --rate 20000 --burst 10";
    let (mut announced, all) = traced("evt.type exists", &[storm]);
    let traced = Traced::of(announced.pop().expect("a storm"), &all);
    let [announced, mut seen] = traced.announced_and_seen();
    let mut others = BTreeMap::new();
    seen.retain(|(_, call), n| {
        let is_cycle = ["openat", "close"].contains(&call.as_str());
        if !is_cycle {
            *others.entry(call.clone()).or_insert(0) += *n;
        }
        is_cycle
    });
    assert_eq!(seen, announced);
    let counted = |call: &str| traced.storm["calls"][call].as_u64().expect("a number");
    // On a busy machine none may be early enough to sleep.
    assert_eq!(others.remove("clock_nanosleep").unwrap_or(0), counted("clock_nanosleep"));
    // Each thread is pinned before it begins.
    let n_moves = counted("sched_setaffinity");
    assert_eq!(others.remove("sched_setaffinity"), Some(n_moves + 2));
    // An event, and no call.
    others.remove("procexit");
    let help =
        Command::new(bench_program("peregrine-storm")).arg("--help").output().expect("it runs");
    let help = String::from_utf8_lossy(&help.stdout).into_owned();
    let words: BTreeSet<&str> =
        help.split(|c: char| !c.is_ascii_alphanumeric() && c != '_').collect();
    let untold: Vec<_> = others.keys().filter(|call| !words.contains(call.as_str())).collect();
    assert!(untold.is_empty(), "the help says nothing of {untold:?}");
}
