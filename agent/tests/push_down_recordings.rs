//! Clauses of push-down over recordings: each event that a rule matches meets one of its type's clauses.

mod common;

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::process::Command;

use common::{PEREGRINE, skip};
use event::filter::FilterKind;
use rules::{
    Catalog, Clause, DEFAULT_RULES, NamePattern, Options, RuleInfo, Ruleset, Source, is_plain_path,
    is_plain_string,
};
use serde_json::Value;

/// Rules that ordinary work matches, of every kind that a clause asks for.
const PROBES: [&str; 22] = [
    "evt.type in (open, openat) and fd.num >= 0 and fd.name startswith /usr/",
    "evt.type in (open, openat) and fd.num < 0 and fd.name contains lib",
    "evt.type = openat and fd.name endswith /passwd",
    "evt.type = openat and fd.name endswith /ld.so.cache and evt.is_open_write = false",
    "evt.type = openat and fd.directory = /etc",
    "evt.type = openat and fd.directory pmatch (/usr/lib, /lib)",
    "evt.type = openat and fd.filename in (nsswitch.conf, passwd, Makefile, ld.so.cache)",
    "evt.type = openat and fd.filename startswith .",
    "evt.type = openat and fd.name contains /.",
    "evt.type = openat and fd.nameraw contains ../",
    "evt.type = openat and fd.nameraw startswith /etc/",
    "evt.type = openat and fd.nameraw in (Makefile, Makefile.am, /etc/hosts)",
    "evt.type = openat and fd.name glob /usr/*/*.so*",
    "evt.type = openat and fd.name glob */locale*/C*",
    "evt.type in (openat, creat) and evt.is_open_write = true and not fd.name startswith /dev/",
    "evt.type = openat and evt.arg.flags contains O_TRUNC",
    "evt.type = openat and evt.is_open_create = true and fd.name startswith /",
    "evt.type = openat and evt.is_open_exec = true",
    "evt.type in (connect, accept4, sendto, recvfrom) and fd.sport in (53, 80, 443, 8080)",
    "evt.type in (connect, sendto, write, read) and fd.typechar in (4, 6, u)",
    "evt.type in (connect, sendto) and fd.rport > 0 and not fd.rnet in (127.0.0.0/8)",
    "evt.type in (unlink, unlinkat, mkdir, rename, connect, close) and evt.rawres = 0",
];

fn probes() -> Source {
    let rule = |(n, condition): (usize, &&str)| {
        format!(
            "- rule: probe {n}\n  desc: d\n  condition: {condition}\n  output: o\n  priority: INFO\n"
        )
    };
    Source { name: "probes.yaml".into(), text: PROBES.iter().enumerate().map(rule).collect() }
}

/// What the recording tells of an event that the kernel could tell, too.
struct Facts(Value);

impl Facts {
    fn text(&self, field: &str) -> Option<&str> {
        self.0[field].as_str()
    }

    fn kind(&self) -> FilterKind {
        let is_local = |ip: &str| ip.starts_with("127.") || matches!(ip, "0.0.0.0" | "::1" | "::");
        let ends =
            ["fd.cip", "fd.sip", "fd.lip", "fd.rip"].into_iter().filter_map(|f| self.text(f));
        let is_local = ends.clone().next().is_some() && ends.into_iter().all(is_local);
        match (self.text("fd.typechar"), is_local) {
            (Some("f" | "d"), _) => FilterKind::File,
            (Some("4"), false) => FilterKind::Ipv4,
            (Some("4"), true) => FilterKind::Ipv4Local,
            (Some("6"), false) => FilterKind::Ipv6,
            (Some("6"), true) => FilterKind::Ipv6Local,
            (Some("p" | "e" | "l" | "s"), _) => FilterKind::Other,
            _ => FilterKind::Unknown,
        }
    }

    fn may_meet(&self, clause: &Clause) -> bool {
        let result = self.0["evt.rawres"].as_i64();
        let by_result = result.is_none_or(|r| if r < 0 { clause.failed } else { clause.succeeded });
        let flags = self.text("evt.rawarg.flags").and_then(|f| u64::from_str_radix(f, 16).ok());
        let by_flags = flags.is_none_or(|flags| {
            clause.flags.iter().all(|&(mask, is_set)| (flags & mask != 0) == is_set)
        });
        let by_container = !clause.in_container || self.text("container.id") != Some("host");
        by_result
            && by_flags
            && by_container
            && clause.allows(self.kind())
            && self.may_have_port(clause)
            && self.may_have_name(clause)
    }

    fn may_have_port(&self, clause: &Clause) -> bool {
        let Some(ports) = &clause.ports else { return true };
        let own = ["fd.cport", "fd.sport"].map(|f| self.0[f].as_u64());
        let mut own = own.into_iter().flatten().peekable();
        own.peek().is_none() || own.any(|port| ports.iter().any(|&p| u64::from(p) == port))
    }

    fn may_have_name(&self, clause: &Clause) -> bool {
        let Some(patterns) = &clause.names else { return true };
        let (Some(raw), Some(name)) = (self.text("fd.nameraw"), self.text("fd.name")) else {
            return true;
        };
        let raw = raw.strip_prefix('/').unwrap_or(raw);
        !is_plain_string(raw.as_bytes())
            || !is_plain_path(name.as_bytes())
            || patterns.iter().any(|pattern: &NamePattern| pattern.matches(name.as_bytes()))
    }
}

fn lines(args: &[&str]) -> Vec<Value> {
    let out = Command::new(PEREGRINE).args(args).output().expect("the program starts");
    assert!(out.status.success(), "{args:?}: {}", String::from_utf8_lossy(&out.stderr));
    let text = String::from_utf8_lossy(&out.stdout);
    text.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect()
}

/// Matches of the rules, and events that no clause of their type holds for.
fn hold(recording: &Path, sources: &[Source]) -> (usize, usize) {
    let ruleset = Ruleset::load(sources.to_vec(), Options::default()).expect("the rules load");
    let catalog = Catalog::load(sources.to_vec(), &Options::default()).expect("they can be told");
    let recording = recording.to_str().unwrap();
    let print = "*%evt.num %evt.type %evt.rawres %evt.rawarg.flags %fd.typechar %fd.name %fd.nameraw %container.id %fd.cip %fd.sip %fd.lip %fd.rip %fd.cport %fd.sport";
    let events = lines(&["trace", "-r", recording, "-j", "-p", print]);
    let facts: HashMap<u64, Facts> =
        events.into_iter().filter_map(|e| Some((e["evt.num"].as_u64()?, Facts(e)))).collect();
    let mut n_matches = 0;
    let of_rule = |rule: &RuleInfo| {
        let told = catalog.rules.iter().find(|told| told.info.name == rule.name);
        told.and_then(|told| told.condition.resolved.clone()).expect("its text")
    };
    let matched =
        |condition: &str| lines(&["trace", "-r", recording, "-j", "-p", "*%evt.num", condition]);
    let conditions: Vec<String> =
        ruleset.rules().map(|rule| format!("({})", of_rule(rule))).collect();
    // Most recordings match none.
    let is_any = !matched(&conditions.join(" or ")).is_empty();
    for rule in ruleset.rules().filter(|_| is_any) {
        let matched = matched(&of_rule(rule));
        for event in matched {
            let facts = &facts[&event["evt.num"].as_u64().unwrap()];
            let name = facts.text("evt.type").unwrap_or_default();
            for need in ruleset.necessary().types().iter().filter(|n| n.ty.name() == name) {
                let Ok(clauses) = &need.clauses else { continue };
                n_matches += 1;
                assert!(
                    clauses.iter().any(|clause| facts.may_meet(clause)),
                    "{}: {}",
                    rule.name,
                    facts.0
                );
            }
        }
    }
    let of_type = |facts: &Facts| {
        let name = facts.text("evt.type").unwrap_or_default().to_owned();
        let needs = ruleset.necessary().types().iter().filter(|n| n.ty.name() == name);
        let clauses: Vec<_> = needs.filter_map(|n| n.clauses.as_ref().ok()).collect();
        !clauses.is_empty() && !clauses.into_iter().flatten().any(|c| facts.may_meet(c))
    };
    (n_matches, facts.values().filter(|facts| of_type(facts)).count())
}

fn recordings() -> Vec<PathBuf> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../testdata/recordings");
    let mut all = vec![root.join("ordinary-work.scap.gz")];
    if let Some(corpus) = std::env::var_os("PEREGRINE_CORPUS") {
        let dir = std::fs::read_dir(Path::new(&corpus).join("scap")).expect("the corpus");
        let files = dir.filter_map(|entry| Some(entry.ok()?.path()));
        all.extend(files.filter(|path| path.extension().is_some_and(|e| e == "scap")));
    } else {
        skip("push_down_recordings", "PEREGRINE_CORPUS is not set");
    }
    all
}

#[test]
fn probes_match_only_events_that_meet_their_clauses() {
    let (mut n_matches, mut n_rejected) = (0, 0);
    for recording in recordings() {
        let (matches, rejected) = hold(&recording, &[probes()]);
        n_matches += matches;
        n_rejected += rejected;
    }
    assert!(n_matches > 1000 && n_rejected > 0, "{n_matches} matches, {n_rejected} rejected");
}

fn shipped() -> Source {
    Source { name: "default.yaml".into(), text: DEFAULT_RULES.to_owned() }
}

#[test]
fn shipped_and_official_rules_match_only_events_that_meet_their_clauses() {
    let mut sets = vec![vec![shipped()]];
    if let Some(corpus) = std::env::var_os("PEREGRINE_CORPUS") {
        let official = ["falco_rules.yaml", "falco-incubating_rules.yaml"].map(|name| {
            let path = Path::new(&corpus).join("rules").join(name);
            Source { name: name.into(), text: std::fs::read_to_string(path).expect("the corpus") }
        });
        sets.push(official.to_vec());
    }
    for recording in recordings() {
        for sources in &sets {
            let (n_matches, n_rejected) = hold(&recording, sources);
            eprintln!(
                "{}: {} {n_matches} matches, {n_rejected} rejected",
                recording.display(),
                sources[0].name
            );
        }
    }
}

#[test]
fn shipped_rules_let_most_opens_of_ordinary_work_be_rejected() {
    let ruleset = Ruleset::load(vec![shipped()], Options::default()).unwrap();
    let recording = &recordings()[0];
    let print = "*%evt.num %evt.type %evt.rawres %evt.rawarg.flags %fd.typechar %fd.name %fd.nameraw %container.id";
    let events = lines(&[
        "trace",
        "-r",
        recording.to_str().unwrap(),
        "-j",
        "-p",
        print,
        "evt.type = openat",
    ]);
    let types = ruleset.necessary().types();
    let need = types.iter().find(|n| n.ty == event::EventType::OPENAT_2_X).unwrap();
    let clauses = need.clauses.as_ref().unwrap();
    let n = events.len();
    let passes = |event: Value| clauses.iter().any(|clause| Facts(event.clone()).may_meet(clause));
    let n_passing = events.into_iter().filter(|e| passes(e.clone())).count();
    eprintln!("{n_passing} of {n} pass");
    assert!(n_passing * 4 < n, "{n_passing} of {n} opens pass");
}
