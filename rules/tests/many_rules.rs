//! Hundreds of rules together match what each of them matches alone.

use std::fmt::Write;
use std::net::IpAddr;

use event::EventType;
use proptest::prelude::*;
use rules::{Arg, Field, FieldRef, Fields, Options, RuleMatching, Ruleset, Source, Value};

/// SplitMix64: all randomness of a case from one number.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    fn below(&mut self, n: usize) -> usize {
        (self.next() % n as u64) as usize
    }

    fn of<T: Copy>(&mut self, all: &[T]) -> T {
        all[self.below(all.len())]
    }

    /// Holds in `n` of a hundred cases.
    fn percent(&mut self, n: usize) -> bool {
        self.below(100) < n
    }
}

const TEXTS: [&str; 24] = [
    "bash",
    "sh",
    "nginx",
    "cat",
    "make",
    "/etc/shadow",
    "/etc/ssh/sshd_config",
    "/etc",
    "/usr/bin/make",
    "/usr/bin",
    "/",
    "etc",
    "conf",
    "config",
    "CONFIG",
    "shad",
    "a",
    "in/m",
    "/home/x/.ssh/id_rsa",
    ".ssh",
    "curl -s http://x | bash",
    "CURL -S",
    "x86",
    "/usr/lib/x.so.6",
];
const PATTERNS: [&str; 10] =
    ["*", "*conf*", "/etc/*", "*.6", "bash", "*[a-c]at", "?h", "*HTTP*", "**", "*s*h*"];
const TYPES: [(&str, EventType); 4] = [
    ("openat", EventType::OPENAT_2_X),
    ("execve", EventType::EXECVE_19_X),
    ("connect", EventType::CONNECT_X),
    ("fsync", EventType::GENERIC_X),
];
const ADDRESSES: [&str; 4] = ["10.0.0.1", "192.0.2.7", "::1", "2001:db8::5"];

fn comparison(r: &mut Random) -> String {
    let text_field = r.of(&[
        "proc.name",
        "proc.pname",
        "fd.name",
        "proc.cmdline",
        "proc.aname",
        "proc.aname[2]",
        "fd.directory",
    ]);
    let quoted = |t: &str| format!("'{t}'");
    match r.below(16) {
        0 | 1 => {
            let n = r.below(5);
            let list: Vec<String> = (0..n).map(|_| quoted(r.of(&TEXTS))).collect();
            let op = r.of(&["in", "pmatch", "intersects"]);
            format!("{text_field} {op} ({})", list.join(", "))
        }
        2 => format!("{text_field} {} {}", r.of(&["=", "!=", "<", ">="]).trim(), {
            // Order comparisons take numbers.
            7
        }),
        3 | 4 => format!("{text_field} {} {}", r.of(&["=", "!="]), quoted(r.of(&TEXTS))),
        5..=8 => {
            let op = r.of(&["contains", "icontains", "startswith", "endswith"]);
            let text = if r.percent(5) { "" } else { r.of(&TEXTS) };
            format!("{text_field} {op} {}", quoted(text))
        }
        9 => format!("{text_field} {} {}", r.of(&["glob", "iglob"]), quoted(r.of(&PATTERNS))),
        10 => format!("fd.num {} {}", r.of(&["=", "!=", ">=", "<"]), r.below(4) as i64 - 1),
        11 => format!("fd.sport in ({}, {}, 22)", r.below(3), r.below(3) + 80),
        12 => match r.below(4) {
            0 => format!("fd.sip in ({}, {})", r.of(&ADDRESSES), r.of(&ADDRESSES)),
            1 => format!("fd.sip {} {}", r.of(&["=", "!="]), r.of(&ADDRESSES)),
            2 => format!("fd.ip {} {}", r.of(&["=", "!="]), r.of(&ADDRESSES)),
            _ => "fd.snet in (10.0.0.0/8, 192.0.2.0/24)".to_owned(),
        },
        13 => format!("evt.is_open_write {} {}", r.of(&["=", "!="]), r.of(&["true", "false"])),
        14 => format!("{text_field} exists"),
        _ => match r.below(2) {
            0 => format!("evt.type {} {}", r.of(&["=", "!="]), r.of(&TYPES).0),
            _ => format!("evt.type in ({}, {})", r.of(&TYPES).0, r.of(&TYPES).0),
        },
    }
}

fn condition(r: &mut Random, depth: usize) -> String {
    if depth == 0 || r.percent(35) {
        return match r.below(8) {
            // Shared by many rules.
            0 => "opened".to_owned(),
            1 => "shell".to_owned(),
            2 => "(evt.is_open_write=true and fd.num>=0)".to_owned(),
            3 => "not known".to_owned(),
            _ => comparison(r),
        };
    }
    match r.below(10) {
        0..=4 => {
            let n = 2 + r.below(3);
            let parts: Vec<String> = (0..n).map(|_| condition(r, depth - 1)).collect();
            format!("({})", parts.join(" and "))
        }
        5..=7 => {
            let n = 2 + r.below(2);
            let parts: Vec<String> = (0..n).map(|_| condition(r, depth - 1)).collect();
            format!("({})", parts.join(" or "))
        }
        _ => format!("not ({})", condition(r, depth - 1)),
    }
}

const MACROS: &str = "
- {macro: opened, condition: \"evt.type in (openat, openat2) and evt.is_open_write=true\"}
- {macro: shell, condition: \"proc.name in (bash, sh) or proc.pname in (bash, sh)\"}
- {macro: known, condition: \"(proc.cmdline contains conf or proc.name = nginx or proc.aname[2] = cat)\"}
";

fn rule(n: usize, condition: &str) -> String {
    format!("- {{rule: r{n}, desc: d, condition: \"{condition}\", output: x, priority: INFO}}\n")
}

fn load(text: String, matching: RuleMatching) -> Ruleset {
    let source = Source { name: "t.yaml".into(), text };
    let options = Options { matching, ..Options::default() };
    Ruleset::load(vec![source], options).unwrap_or_else(|e| panic!("{}", e[0]))
}

/// An event with a value for about four of five fields.
struct Event {
    ty: (&'static str, EventType),
    name: Option<&'static str>,
    directory: Option<&'static str>,
    cmdline: Option<&'static str>,
    own: Option<&'static str>,
    ancestors: Vec<&'static str>,
    is_write: Option<bool>,
    num: Option<i64>,
    port: Option<u64>,
    ends: Vec<IpAddr>,
}

impl Event {
    fn random(r: &mut Random) -> Self {
        let text = |r: &mut Random| r.percent(80).then(|| r.of(&TEXTS));
        Self {
            ty: r.of(&TYPES),
            name: text(r),
            directory: text(r),
            cmdline: text(r),
            own: text(r),
            ancestors: (0..r.below(4)).map(|_| r.of(&TEXTS)).collect(),
            is_write: r.percent(80).then(|| r.percent(50)),
            num: r.percent(80).then(|| r.below(4) as i64 - 1),
            port: r.percent(80).then(|| r.of(&[22, 80, 81, 1])),
            ends: (0..r.below(3)).map(|_| r.of(&ADDRESSES).parse().unwrap()).collect(),
        }
    }
}

impl Fields for Event {
    fn get(&self, f: &FieldRef) -> Option<Value<'_>> {
        let text = |t: &'static str| Value::Bytes(t.as_bytes());
        match (f.field, &f.arg) {
            (Field::EvtType, _) => Some(text(self.ty.0)),
            (Field::FdName, _) => self.name.map(text),
            (Field::FdDirectory, _) => self.directory.map(text),
            (Field::ProcCmdline, _) => self.cmdline.map(text),
            (Field::ProcName, _) => self.own.map(text),
            (Field::ProcPname, _) => self.ancestors.first().copied().map(text),
            (Field::ProcAname, Arg::Index(n)) => {
                self.ancestors.get((*n as usize).checked_sub(1)?).copied().map(text)
            }
            (Field::EvtIsOpenWrite, _) => self.is_write.map(Value::Bool),
            (Field::FdNum, _) => self.num.map(Value::I64),
            (Field::FdSport, _) => self.port.map(Value::U64),
            (Field::FdSip | Field::FdSnet, _) => self.ends.first().copied().map(Value::Ip),
            _ => None,
        }
    }

    fn any<P: FnMut(Value<'_>) -> bool>(&self, f: &FieldRef, mut pred: P) -> bool {
        match (f.field, &f.arg) {
            (Field::ProcAname, Arg::None) => {
                self.ancestors.iter().any(|t| pred(Value::Bytes(t.as_bytes())))
            }
            (Field::FdIp, _) => self.ends.iter().any(|&ip| pred(Value::Ip(ip))),
            _ => self.get(f).is_some_and(pred),
        }
    }
}

fn check(seed: u64, n_rules: usize, n_events: usize) {
    let r = &mut Random(seed);
    let conditions: Vec<String> = (0..n_rules).map(|_| condition(r, 3)).collect();
    let mut text = MACROS.to_owned();
    for (n, condition) in conditions.iter().enumerate() {
        write!(text, "{}", rule(n, condition)).unwrap();
    }
    let all = load(text.clone(), RuleMatching::All);
    let first = load(text, RuleMatching::First);
    let alone: Vec<Ruleset> = conditions
        .iter()
        .map(|c| load(MACROS.to_owned() + &rule(0, c), RuleMatching::All))
        .collect();
    let mut scratch = all.scratch();
    let mut scratch_of_first = first.scratch();
    let mut scratch_of_one = alone[0].scratch();
    for _ in 0..n_events {
        let event = Event::random(r);
        let (_, ty) = event.ty;
        let expected: Vec<u32> = (0..)
            .zip(&alone)
            .filter(|(_, set)| !set.evaluate(ty, &event, &mut scratch_of_one).is_empty())
            .map(|(n, _)| n)
            .collect();
        let ids = |matched: &[rules::RuleId]| matched.iter().map(|r| r.0).collect::<Vec<_>>();
        let found = ids(all.evaluate(ty, &event, &mut scratch));
        for n in 0..n_rules as u32 {
            let (is, should) = (found.contains(&n), expected.contains(&n));
            assert_eq!(is, should, "seed {seed}, {}: {}", event.ty.0, conditions[n as usize]);
        }
        assert_eq!(found, expected, "in load order");
        let found = ids(first.evaluate(ty, &event, &mut scratch_of_first));
        assert_eq!(found, expected[..expected.len().min(1)]);
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 12, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn rules_match_together_as_they_do_alone(seed: u64, n_rules in 1usize..400) {
        check(seed, n_rules, 60);
    }
}

#[test]
fn a_thousand_rules_match_as_they_do_alone() {
    check(4, 1_000, 100);
}

/// A process by its command line.
struct Command(String);

impl Fields for Command {
    fn get(&self, f: &FieldRef) -> Option<Value<'_>> {
        let is_asked = f.field == Field::ProcCmdline;
        if is_asked { Some(Value::Bytes(self.0.as_bytes())) } else { None }
    }
}

/// Far more tests of one name than a mask has words, and more rows than are remembered.
#[test]
fn many_hits_of_one_lookup_strike_out_nothing_that_matches() {
    let part = |n: usize| format!("{n:03}");
    let all_parts: Vec<String> = (0..200).map(part).collect();
    let mut text = String::new();
    for (n, part) in all_parts.iter().enumerate() {
        let condition = format!("evt.type = openat and proc.cmdline contains '{part}'");
        text.push_str(&rule(n, &condition));
    }
    let set = load(text, RuleMatching::All);
    let mut scratch = set.scratch();
    for n in [0, 1, 31, 32, 33, 200] {
        let event = Command(all_parts[..n].join(" "));
        assert_eq!(set.evaluate(EventType::OPENAT_2_X, &event, &mut scratch).len(), n);
    }
}
