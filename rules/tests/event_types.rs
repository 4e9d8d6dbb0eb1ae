//! The event types that a condition can match, against a second, plain implementation of the rules for them.

use std::collections::BTreeSet;

use event::{Call, EventSet, EventType, N_EVENT_TYPES};
use proptest::prelude::*;
use rules::{Options, Ruleset, Source};

type Set = BTreeSet<u16>;
type Names = BTreeSet<&'static str>;

fn all() -> Set {
    (0..N_EVENT_TYPES as u16).filter(|&n| EventSet::all().contains(EventType(n))).collect()
}

/// Every type with the name; a call without one of its own is one of the two generic ones.
fn codes(name: &str) -> Set {
    let named: Set = all().into_iter().filter(|&n| EventType(n).name() == name).collect();
    if named.is_empty() && Call::named(name).is_some() {
        return [EventType::GENERIC_X.0 - 1, EventType::GENERIC_X.0].into();
    }
    named
}

fn generic_calls() -> Names {
    let calls = Call::every().map(Call::name);
    calls.filter(|name| !all().iter().any(|&n| EventType(n).name() == *name)).collect()
}

/// A condition.
#[derive(Clone, Debug)]
enum Cond {
    And(Vec<Cond>),
    Or(Vec<Cond>),
    Not(Box<Cond>),
    /// A macro of its own with this condition.
    Macro(Box<Cond>),
    /// `FIELD OP names`, as a list where `in`.
    Type {
        field: &'static str,
        op: &'static str,
        names: Vec<&'static str>,
    },
    /// The text of a comparison that is always true, never true, or says nothing.
    Known(&'static str, Option<bool>),
}

impl Cond {
    /// The types for which the condition, or its negation, can be true.
    fn types(&self, negated: bool) -> Set {
        let complement = |set: Set| all().difference(&set).copied().collect::<Set>();
        match self {
            Self::Not(of) => of.types(!negated),
            Self::Macro(of) => of.types(negated),
            Self::And(of) | Self::Or(of) => {
                let sets = of.iter().map(|c| c.types(negated));
                let meets = matches!(self, Self::And(_)) != negated;
                sets.reduce(|a, b| if meets { &a & &b } else { &a | &b }).unwrap()
            }
            Self::Type { op, names, .. } => {
                let named = names.iter().flat_map(|n| codes(n)).collect();
                if (*op == "!=") == negated { named } else { complement(named) }
            }
            Self::Known(_, None) => all(),
            Self::Known(_, Some(truth)) => {
                if *truth == negated {
                    Set::new()
                } else {
                    all()
                }
            }
        }
    }

    /// The calls without an event type of their own for which the condition, or its negation, can be true, were it asked for them.
    fn calls(&self, negated: bool) -> Names {
        match self {
            Self::Not(of) => of.calls(!negated),
            Self::Macro(of) => of.calls(negated),
            Self::And(of) | Self::Or(of) => {
                let sets = of.iter().map(|c| c.calls(negated));
                let meets = matches!(self, Self::And(_)) != negated;
                sets.reduce(|a, b| if meets { &a & &b } else { &a | &b }).unwrap()
            }
            Self::Type { op, names, .. } => {
                let named = &names.iter().copied().collect::<Names>() & &generic_calls();
                if (*op == "!=") == negated { named } else { &generic_calls() - &named }
            }
            Self::Known(_, Some(truth)) if *truth == negated => Names::new(),
            Self::Known(..) => generic_calls(),
        }
    }

    /// The text, its macros appended to `macros`.
    fn text(&self, macros: &mut Vec<String>) -> String {
        let mut join = |of: &[Self], word| {
            let of: Vec<String> = of.iter().map(|c| format!("({})", c.text(macros))).collect();
            of.join(word)
        };
        match self {
            Self::And(of) => join(of, " and "),
            Self::Or(of) => join(of, " or "),
            Self::Not(of) => format!("not ({})", of.text(macros)),
            Self::Macro(of) => {
                let text = of.text(macros);
                macros.push(text);
                format!("m{}", macros.len() - 1)
            }
            Self::Type { field, op: "in", names } => format!("{field} in ({})", names.join(", ")),
            Self::Type { field, op, names } => format!("{field} {op} {}", names[0]),
            Self::Known(text, _) => (*text).to_owned(),
        }
    }
}

fn ruleset(condition: &str, macros: &[String]) -> Ruleset {
    let macros =
        macros.iter().enumerate().map(|(i, m)| format!("- macro: m{i}\n  condition: {m}\n"));
    let rule =
        format!("- rule: r\n  desc: d\n  condition: {condition}\n  output: o\n  priority: INFO\n");
    let text = macros.collect::<Vec<_>>().concat() + &rule;
    let source = Source { name: "t".into(), text: text.clone() };
    Ruleset::load(vec![source], Options::default())
        .unwrap_or_else(|errors| panic!("{text}\n{}", errors[0]))
}

fn loaded(condition: &str, macros: &[String]) -> Set {
    let interest = ruleset(condition, macros).interest();
    all().into_iter().filter(|&n| interest.contains(EventType(n))).collect()
}

fn asked_calls(set: &Ruleset) -> Names {
    set.generic_calls().iter().filter(|call| call.is_generic()).map(Call::name).collect()
}

#[test]
fn calls_without_an_event_of_their_own_are_asked_for_by_name() {
    let none = Names::new;
    let only = |names: &[&'static str]| names.iter().copied().collect::<Names>();
    let but = |names: &[&'static str]| &generic_calls() - &only(names);
    for (condition, expected) in [
        ("evt.type = getpid", only(&["getpid"])),
        ("evt.type = vserver", only(&["vserver"])),
        ("evt.type in (getpid, open, mseal)", only(&["getpid", "mseal"])),
        ("syscall.type = getpid", only(&["getpid"])),
        ("syscall.type in (getpid, open)", only(&["getpid"])),
        ("evt.type = getpid and evt.type = getppid", none()),
        ("evt.type = getpid or evt.type = getppid", only(&["getpid", "getppid"])),
        ("evt.type = open", none()),
        ("evt.type != open", but(&[])),
        ("not evt.type in (open, close)", but(&[])),
        ("proc.name = x", but(&[])),
        ("evt.type = open or proc.name = x", but(&[])),
        // What a condition rules out, it sees no generic event for at all.
        ("evt.type != getpid", none()),
        ("not evt.type in (getpid, open)", none()),
        ("evt.type = getppid or evt.type != getpid", but(&["getpid"])),
        ("evt.type glob getppid", but(&[])),
        ("evt.num = 0", none()),
    ] {
        assert_eq!(asked_calls(&ruleset(condition, &[])), expected, "{condition}");
    }
}

#[test]
fn types_follow_the_table() {
    let none = Set::new;
    let only = |names: &[&str]| names.iter().flat_map(|n| codes(n)).collect::<Set>();
    let but = |names: &[&str]| &all() - &only(names);
    for (condition, expected) in [
        ("evt.type = open", only(&["open"])),
        ("evt.type == 'open'", only(&["open"])),
        ("evt.type != open", but(&["open"])),
        ("not evt.type = open", but(&["open"])),
        ("not evt.type != open", only(&["open"])),
        ("not not evt.type = open", only(&["open"])),
        ("evt.type in (open, close)", only(&["open", "close"])),
        ("not evt.type in (open, close)", but(&["open", "close"])),
        ("evt.type in ()", none()),
        ("not evt.type in ()", all()),
        ("syscall.type in (open)", only(&["open"])),
        ("evt.type = open and evt.type = close", none()),
        ("evt.type = open or evt.type = close", only(&["open", "close"])),
        ("not (evt.type = open or evt.type = close)", but(&["open", "close"])),
        ("not (evt.type = open and evt.type = close)", all()),
        ("evt.type = open and proc.name = x", only(&["open"])),
        ("evt.type = open and not proc.name = x", only(&["open"])),
        ("evt.type = open or proc.name = x", all()),
        ("not (evt.type = open and proc.name = x)", all()),
        ("not (evt.type != open or proc.name = x)", only(&["open"])),
        ("evt.type exists", all()),
        ("not evt.type exists", none()),
        // A call without an event of its own.
        ("evt.type = fsync", only(&["fsync"])),
        ("evt.type != fsync", but(&["fsync"])),
        ("not evt.type in (open, fsync)", but(&["open", "fsync"])),
        ("evt.type = pread64", only(&["pread64"])),
        // What says nothing says nothing under negation either.
        ("evt.type startswith open", all()),
        ("not evt.type glob open", all()),
        ("evt.type intersects (open)", all()),
        ("evt.type = anyof (open)", all()),
        ("syscall.type intersects (open)", all()),
        ("not syscall.type intersects (fsync)", all()),
        ("syscall.type = anyof (open)", all()),
        ("not syscall.type = anyof (fsync, open)", all()),
        ("evt.type != allof (open, close)", all()),
        ("not tolower(evt.type) startswith open", all()),
        ("not evt.type startswith val(proc.name)", all()),
        // Events are numbered from one.
        ("evt.num = 0", none()),
        ("not evt.num = 0", all()),
        ("evt.num in (0, 0)", none()),
        ("evt.num in ()", none()),
        ("evt.num in (0, 1)", all()),
        ("not evt.num >= 1", none()),
        ("not evt.num > 0", none()),
        ("evt.num < 1", none()),
        ("evt.num <= 0", none()),
        ("not evt.num != 0", none()),
        ("evt.num > 1", all()),
        ("not evt.num > 1", all()),
        ("evt.num = -1", all()),
    ] {
        assert_eq!(loaded(condition, &[]), expected, "{condition}");
    }
}

fn any_leaf() -> impl Strategy<Value = Cond> {
    let names =
        || prop::sample::select(vec!["open", "openat", "close", "fsync", "sync", "pread64"]);
    let field = || prop::sample::select(vec!["evt.type", "syscall.type"]);
    let single = (field(), prop::sample::select(vec!["=", "==", "!="]), names())
        .prop_map(|(field, op, name)| Cond::Type { field, op, names: vec![name] });
    let list = (field(), prop::collection::vec(names(), 0..4))
        .prop_map(|(field, names)| Cond::Type { field, op: "in", names });
    let known = prop::sample::select(vec![
        ("evt.type exists", Some(true)),
        ("evt.num >= 1", Some(true)),
        ("evt.num != 0", Some(true)),
        ("evt.num < 1", Some(false)),
        ("evt.num in (0)", Some(false)),
        ("evt.num > 7", None),
        ("proc.name = x", None),
        ("proc.name in ()", None),
        ("proc.name = anyof ()", None),
        ("fd.ip in (1.2.3.4)", None),
        ("evt.type glob open", None),
        ("evt.type = oneof (open, close)", None),
        ("toupper(proc.name) = X", None),
        ("proc.name = val(proc.pname)", None),
        ("evt.type startswith val(proc.name)", None),
    ])
    .prop_map(|(text, truth)| Cond::Known(text, truth));
    prop_oneof![3 => single, 2 => list, 3 => known]
}

fn any_cond() -> impl Strategy<Value = Cond> {
    any_leaf().prop_recursive(6, 40, 4, |inner| {
        let several = || prop::collection::vec(inner.clone(), 1..4);
        prop_oneof![
            several().prop_map(Cond::And),
            several().prop_map(Cond::Or),
            inner.clone().prop_map(|c| Cond::Not(Box::new(c))),
            inner.clone().prop_map(|c| Cond::Macro(Box::new(c))),
        ]
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 500, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn types_are_those_of_the_plain_implementation(cond in any_cond()) {
        let mut macros = Vec::new();
        let text = cond.text(&mut macros);
        prop_assert_eq!(loaded(&text, &macros), cond.types(false), "{}", text);
        let sees_any = cond.types(false).contains(&EventType::GENERIC_X.0);
        let calls = if sees_any { cond.calls(false) } else { Names::new() };
        prop_assert_eq!(asked_calls(&ruleset(&text, &macros)), calls, "{}", text);
    }
}
