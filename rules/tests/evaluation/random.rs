//! Random rules over random events.

use event::EventType;
use proptest::prelude::*;
use proptest::sample::select;
use rules::{Field, FieldRef, Fields, MatchScratch, ProcessId, RuleMatching, Ruleset, Value};

use crate::oracle::{Cond, Event, Owned, Regex, Right, Side, field};
use crate::{in_yaml, load_with, rule};

const TEXT_FIELDS: &[&str] = &["proc.name", "proc.pname", "proc.exe", "fd.directory"];
const WORDS: &[&str] = &["", "a", "ab", "/a", "/a/b", "b/a", "A", "a b", "YQ==", "-ab", "é"];
const NUMBERS: &[&str] = &["-1", "0", "1", "2", "80", "4294967295", "65616"];
const ORDERS: &[&str] = &["=", "!=", "<", "<=", ">", ">="];
const ADDRESSES: &[&str] = &["10.0.0.1", "11.0.0.1", "fe80::1", "::1"];
const NETS: &[&str] = &["10.0.0.0/8", "0.0.0.0/0", "fe80::/10", "10.0.0.1/32"];
const TYPES: &[&str] = &["openat", "connect", "fsync", "sync"];

fn a_field(names: &'static [&'static str]) -> impl Strategy<Value = Side> + Clone {
    select(names).prop_map(|name| Side::Field(field(name)))
}

fn some(of: &'static [&'static str]) -> impl Strategy<Value = Vec<&'static str>> {
    prop::collection::vec(select(of), 0..4)
}

/// An argument that is text, or a number that becomes text.
fn argument() -> impl Strategy<Value = Side> {
    prop_oneof![
        3 => a_field(TEXT_FIELDS),
        1 => a_field(&["proc.pid", "evt.num"]),
        3 => select(WORDS).prop_map(|w| Side::Text(w.to_owned())),
    ]
}

/// A list; one of constants and fields is an argument only.
fn a_list() -> impl Strategy<Value = Side> {
    let written = prop::collection::vec(argument(), 1..4).prop_map(Side::List);
    prop_oneof![written, Just(Side::Field(Field::FdTypes.into()))]
}

fn options() -> impl Strategy<Value = Side> {
    (a_list(), select(vec!["ab", "a:b", ":b:"]))
        .prop_map(|(of, letters)| Side::call("getopt", vec![of, Side::Text(letters.to_owned())]))
}

/// A list that may stand by itself.
fn list_side() -> impl Strategy<Value = Side> {
    let of = prop_oneof![options(), Just(Side::Field(Field::FdTypes.into()))];
    (of, select(vec!["", "tolower", "toupper", "basename", "b64"]))
        .prop_map(|(of, name)| if name.is_empty() { of } else { Side::call(name, vec![of]) })
}

/// Text from fields and transformers of them.
fn text_side() -> impl Strategy<Value = Side> {
    let words = || select(WORDS).prop_map(|w| Side::Text(w.to_owned()));
    let part = || prop_oneof![a_field(TEXT_FIELDS), words()];
    let plain = a_field(TEXT_FIELDS);
    let made = prop_oneof![
        (part(), part()).prop_map(|(a, b)| Side::call("concat", vec![a, b])),
        (part(), a_list()).prop_map(|(separator, of)| Side::call("join", vec![separator, of])),
        (a_list(), select(vec!['a', 'b'])).prop_map(|(of, letter)| Side::Call {
            name: "getopt",
            args: vec![of, Side::Text("ab:".to_owned())],
            selector: Some(letter),
        }),
        plain.clone(),
    ];
    let names = select(vec!["tolower", "toupper", "basename", "b64"]);
    let nested = (made.clone(), names.clone(), prop::option::of(names)).prop_map(|(of, a, b)| {
        let inner = Side::call(a, vec![of]);
        b.map_or(inner.clone(), |b| Side::call(b, vec![inner]))
    });
    prop_oneof![4 => plain, 1 => made, 3 => nested]
}

fn a_pattern() -> impl Strategy<Value = Regex> {
    let letter = select(vec!['a', 'b', 'A', '/', '.', 'é', '\n', '*']).prop_map(Regex::Char);
    let class = (any::<bool>(), select(vec![('a', 'b'), ('A', 'Z'), ('/', '/'), ('à', 'ÿ')]))
        .prop_map(|(negated, range)| Regex::Class(negated, vec![range]));
    let named = (any::<bool>(), select(vec!["alpha", "digit", "punct", "upper"]))
        .prop_map(|(negated, name)| Regex::Named(negated, name));
    let leaf = prop_oneof![
        4 => letter,
        2 => Just(Regex::Dot),
        1 => class,
        1 => named,
        1 => select(vec![Regex::LineStart, Regex::LineEnd]),
    ];
    leaf.prop_recursive(4, 16, 3, |inner| {
        let counts = select(vec![
            (0, None),
            (1, None),
            (0, Some(1)),
            (2, Some(3)),
            (2, Some(2)),
            (1, Some(2)),
            (2, None),
            (0, Some(0)),
        ]);
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Regex::Seq),
            prop::collection::vec(inner.clone(), 1..3).prop_map(Regex::Alt),
            (inner, counts).prop_map(|(of, (min, max))| Regex::Repeat(Box::new(of), min, max)),
        ]
    })
}

fn text_check() -> impl Strategy<Value = Cond> {
    let sides = || prop_oneof![2 => a_field(&["proc.name", "fd.name", "proc.aname", "proc.aname[1]"]), 1 => text_side()];
    let operators = &["=", "!=", "contains", "icontains", "startswith", "endswith"];
    let single = (sides(), select(operators), select(WORDS))
        .prop_map(|(side, op, word)| Cond::of(side, op, &[word]));
    let order = (sides(), select(&ORDERS[2..]), select(&["0", "5", "-1"]))
        .prop_map(|(side, op, n)| Cond::of(side, op, &[n]));
    let globs = &["*", "a*", "?", "*/?", "*A", "/*/b", "[ab]*", "*[!a]", "[A-B]*", ""];
    let glob = (sides(), select(&["glob", "iglob"]), select(globs))
        .prop_map(|(side, op, word)| Cond::of(side, op, &[word]));
    let lists = (sides(), select(&["in", "intersects", "pmatch"]), some(WORDS))
        .prop_map(|(side, op, words)| Cond::of(side, op, &words));
    let quantified = (
        sides(),
        select(&[
            "= anyof",
            "= allof",
            "= oneof",
            "!= anyof",
            "!= allof",
            "!= oneof",
            "startswith oneof",
            "contains allof",
            "endswith anyof",
            "glob oneof",
        ]),
        some(WORDS),
    )
        .prop_map(|(side, op, words)| Cond::of(side, op, &words));
    let regex = (sides(), a_pattern()).prop_map(|(left, of)| Cond::Check {
        left,
        op: "regex",
        right: Right::Patterns(vec![of]),
    });
    let several = (
        text_side(),
        select(&["regex oneof", "regex anyof", "regex allof"]),
        prop::collection::vec(a_pattern(), 0..3),
    )
        .prop_map(|(left, op, of)| Cond::Check { left, op, right: Right::Patterns(of) });
    let paths = some(&["/", "/a", "/a/b", "//a//", "/*", "/?/b", "b", "/[ab]"]);
    let below = (sides(), paths).prop_map(|(side, of)| Cond::of(side, "pmatch", &of));
    prop_oneof![4 => single, 1 => order, 1 => glob, 3 => lists, 2 => quantified, 2 => regex, 1 => several, 2 => below]
}

fn against_check() -> impl Strategy<Value = Cond> {
    let operators = &[
        "=",
        "!=",
        "<",
        ">=",
        "contains",
        "icontains",
        "startswith",
        "endswith",
        "glob",
        "iglob",
        "in",
        "intersects",
    ];
    let text = (text_side(), select(operators), text_side())
        .prop_map(|(left, op, right)| Cond::against(left, op, right));
    let list = (options(), select(&["in", "intersects"]), options())
        .prop_map(|(left, op, right)| Cond::against(left, op, right));
    let both = |names: &'static [&'static str], operators: &'static [&'static str]| {
        (a_field(names), select(operators), a_field(names))
            .prop_map(|(left, op, right)| Cond::against(left, op, right))
    };
    let len = (text_side(), select(ORDERS), options()).prop_map(|(left, op, right)| {
        Cond::against(Side::call("len", vec![left]), op, Side::call("len", vec![right]))
    });
    prop_oneof![
        4 => text,
        2 => list,
        1 => both(&["proc.pid", "proc.ppid"], ORDERS),
        1 => both(&["fd.sip", "fd.cip"], &["=", "!=", "in"]),
        1 => both(&["evt.failed", "evt.is_open_read"], &["=", "!="]),
        1 => len,
    ]
}

fn list_check() -> impl Strategy<Value = Cond> {
    let lists = (list_side(), select(&["in", "intersects", "exists"]), some(WORDS))
        .prop_map(|(side, op, words)| Cond::of(side, op, &words));
    let len = (prop_oneof![list_side(), text_side()], select(ORDERS), select(&["0", "1", "2"]))
        .prop_map(|(side, op, n)| Cond::of(Side::call("len", vec![side]), op, &[n]));
    prop_oneof![2 => lists, 1 => len]
}

fn other_check() -> impl Strategy<Value = Cond> {
    let numeric =
        &["proc.pid", "user.uid", "proc.cmdnargs", "evt.cpu", "evt.rawarg.res", "evt.num"];
    let number = (a_field(numeric), select(ORDERS), select(NUMBERS))
        .prop_map(|(side, op, n)| Cond::of(side, op, &[n]));
    let number_in = (
        a_field(&numeric[..5]),
        select(&["in", "intersects", "= oneof", "= anyof", "!= allof"]),
        some(NUMBERS),
    )
        .prop_map(|(side, op, n)| Cond::of(side, op, &n));
    let ports = &["fd.port", "fd.sport"];
    // A port has no sign.
    let port = (a_field(ports), select(ORDERS), select(&NUMBERS[1..]))
        .prop_map(|(side, op, n)| Cond::of(side, op, &[n]));
    let port_in = (a_field(ports), select(&["in", "intersects", "= anyof"]), some(&NUMBERS[1..]))
        .prop_map(|(side, op, n)| Cond::of(side, op, &n));
    let exists = a_field(&[
        "proc.name",
        "user.uid",
        "fd.port",
        "fd.net",
        "evt.failed",
        "evt.type",
        "proc.aname",
    ])
    .prop_map(|side| Cond::of(side, "exists", &[]));
    let ips = &["fd.ip", "fd.sip"];
    let ip = (a_field(ips), select(&["=", "!="]), select(ADDRESSES))
        .prop_map(|(side, op, ip)| Cond::of(side, op, &[ip]));
    let ip_in = (
        a_field(ips),
        select(&["in", "intersects", "= anyof", "!= allof", "= oneof"]),
        some(ADDRESSES),
    )
        .prop_map(|(side, op, ip)| Cond::of(side, op, &ip));
    let nets = &["fd.net", "fd.snet"];
    let net = (a_field(nets), select(&["=", "!="]), select(NETS))
        .prop_map(|(side, op, net)| Cond::of(side, op, &[net]));
    let net_in = (
        a_field(nets),
        select(&["in", "intersects", "= anyof", "!= allof", "= oneof"]),
        some(NETS),
    )
        .prop_map(|(side, op, net)| Cond::of(side, op, &net));
    let truth = (select(&["=", "!="]), select(&["true", "false"]))
        .prop_map(|(op, b)| Cond::check(Field::EvtFailed, op, &[b]));
    let truth_in = (select(&["in", "= oneof"]), some(&["true", "false"]))
        .prop_map(|(op, b)| Cond::check(Field::EvtFailed, op, &b));
    let bytes = (select(&["bcontains", "bstartswith"]), select(&["61", "2f61", "ff"]))
        .prop_map(|(op, b)| Cond::check(Field::EvtBuffer, op, &[b]));
    prop_oneof![
        number, number_in, port, port_in, exists, ip, ip_in, net, net_in, truth, truth_in, bytes
    ]
}

fn type_check() -> impl Strategy<Value = Cond> {
    let one = (select(&["=", "!=", "startswith", "contains"]), select(TYPES))
        .prop_map(|(op, ty)| Cond::check(Field::EvtType, op, &[ty]));
    let several = (select(&["in", "= oneof", "!= allof", "intersects"]), some(TYPES))
        .prop_map(|(op, types)| Cond::check(Field::EvtType, op, &types));
    prop_oneof![one, several]
}

fn any_condition() -> impl Strategy<Value = Cond> {
    let check = prop_oneof![
        4 => text_check(),
        2 => against_check(),
        1 => list_check(),
        3 => other_check(),
        2 => type_check(),
    ];
    check.prop_recursive(5, 40, 4, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 1..4).prop_map(Cond::And),
            prop::collection::vec(inner.clone(), 1..4).prop_map(Cond::Or),
            inner.prop_map(|c| Cond::Not(Box::new(c))),
        ]
    })
}

/// A rule as most are: a type of event, something about a name, and exceptions.
fn usual_condition() -> impl Strategy<Value = Cond> {
    let types = (select(&["=", "in"]), select(TYPES), select(TYPES)).prop_map(|(op, a, b)| {
        let names = if op == "in" { &[a, b][..] } else { &[a][..] };
        Cond::check(Field::EvtType, op, names)
    });
    let name = || a_field(&["proc.name", "fd.name", "proc.aname", "proc.pname"]);
    let one = || {
        (
            name(),
            select(&["=", "startswith", "endswith", "contains", "icontains"]),
            select(&WORDS[1..]),
        )
            .prop_map(|(side, op, word)| Cond::of(side, op, &[word]))
    };
    let list = || {
        (name(), select(&["in", "pmatch"]), some(WORDS))
            .prop_map(|(side, op, of)| Cond::of(side, op, &of))
    };
    let number = || {
        let ports =
            (a_field(&["fd.sport", "user.uid"]), select(&["=", "in"]), select(&NUMBERS[1..5]));
        let ip = (a_field(&["fd.sip", "fd.cip"]), select(ADDRESSES));
        prop_oneof![
            ports.prop_map(|(side, op, n)| Cond::of(side, op, &[n])),
            ip.prop_map(|(side, ip)| Cond::of(side, "=", &[ip])),
        ]
    };
    let about = move || prop_oneof![2 => one(), 2 => list(), 1 => number()];
    let needed = prop_oneof![about(), prop::collection::vec(about(), 2..4).prop_map(Cond::Or)];
    let exceptions = prop::collection::vec(about().prop_map(|c| Cond::Not(Box::new(c))), 0..3);
    (types, needed, exceptions).prop_map(|(types, needed, exceptions)| {
        Cond::And([types, needed].into_iter().chain(exceptions).collect())
    })
}

fn any_event() -> impl Strategy<Value = (EventType, Event)> {
    let word = || {
        let texts =
            ["", "a", "ab", "/a/b", "/a/b/c", "A", "b", "YQ==", "-ab", "é", "a\nb", "*", "5"];
        let texts: Vec<Vec<u8>> = texts.iter().map(|t| t.as_bytes().to_vec()).collect();
        prop_oneof![9 => select(texts), 1 => Just(b"a\xff\xe2\x82b".to_vec())]
            .prop_map(Owned::Bytes)
    };
    let unsigned = || select(vec![0, 1, 2, 4_294_967_295]).prop_map(Owned::U64);
    let signed = select(vec![-1, 0, 1, 4_294_967_295]).prop_map(Owned::I64);
    let ip = || select(ADDRESSES).prop_map(Owned::ip);
    let texts = vec![
        "proc.name",
        "proc.pname",
        "proc.exe",
        "fd.directory",
        "fd.name",
        "proc.aname",
        "proc.aname[1]",
        "evt.buffer",
    ];
    let entry = prop_oneof![
        8 => (select(texts), word()),
        2 => (select(vec!["proc.pid", "proc.ppid", "evt.rawarg.res"]), signed),
        1 => (Just("evt.cpu"), select(vec![-1, 0, 80]).prop_map(Owned::I64)),
        2 => (select(vec!["user.uid", "proc.cmdnargs"]), unsigned()),
        2 => (select(vec!["fd.port", "fd.sport"]), select(vec![0, 1, 80]).prop_map(Owned::U64)),
        3 => (select(vec!["fd.net", "fd.snet", "fd.ip", "fd.sip", "fd.cip"]), ip()),
        2 => (select(vec!["evt.failed", "evt.is_open_read"]), any::<bool>().prop_map(Owned::Bool)),
    ];
    let types = select(vec![
        (EventType::OPENAT_2_X, "openat"),
        (EventType::CONNECT_X, "connect"),
        (EventType::GENERIC_X, "fsync"),
        (EventType::GENERIC_X, "sync"),
    ]);
    let list =
        prop::option::of(prop::collection::vec(select(vec!["a", "A", "-ab", "/a/b", "YQ"]), 0..3));
    (types, prop::collection::vec(entry, 0..16), list).prop_map(|((ty, name), entries, list)| {
        let mut event = Event::default()
            .with(Field::EvtType, Owned::text(name))
            .with(Field::EvtNum, Owned::U64(1));
        if let Some(list) = list {
            event = event.with_list(Field::FdTypes, &list);
        }
        for (name, value) in entries {
            event = event.with(field(name), value);
        }
        (ty, event)
    })
}

/// An event that says whose it is.
struct Told<'e> {
    event: &'e Event,
    process: ProcessId,
}

impl Fields for Told<'_> {
    fn get(&self, field: &FieldRef) -> Option<Value<'_>> {
        self.event.get(field)
    }

    fn any<P: FnMut(Value<'_>) -> bool>(&self, field: &FieldRef, pred: P) -> bool {
        self.event.any(field, pred)
    }

    fn elements<P: FnMut(Value<'_>)>(&self, field: &FieldRef, each: P) -> bool {
        self.event.elements(field, each)
    }

    fn process(&self) -> Option<ProcessId> {
        Some(self.process)
    }
}

fn matched(
    set: &Ruleset,
    ty: EventType,
    event: &impl Fields,
    scratch: &mut MatchScratch,
) -> Vec<u32> {
    set.evaluate(ty, event, scratch).iter().map(|r| r.0).collect()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, failure_persistence: None, ..ProptestConfig::default() })]

    /// Several rules over several events with one scratch, so that shared predicates, shared parts and answers kept
    /// from the event before all have their chance to go wrong.
    #[test]
    fn random_rules_match_as_the_slow_evaluator_says(
        conditions in prop::collection::vec(any_condition(), 1..8),
        events in prop::collection::vec(any_event(), 1..8),
    ) {
        // A macro that every second rule joins, to have larger shared parts.
        let shared = &conditions[0];
        let mut text = format!("- macro: shared\n  condition: \"{}\"\n", in_yaml(&shared.to_string()));
        let mut rules = Vec::new();
        for (i, c) in conditions.iter().enumerate() {
            if i % 2 == 1 {
                text += &rule(&format!("r{i}"), &format!("{c} or not shared"));
                rules.push(Cond::Or(vec![c.clone(), Cond::Not(Box::new(shared.clone()))]));
            } else {
                text += &rule(&format!("r{i}"), &c.to_string());
                rules.push(c.clone());
            }
        }
        let all = load_with(&text, RuleMatching::All);
        let first = load_with(&text, RuleMatching::First);
        let mut scratch = all.scratch();
        for (ty, event) in &events {
            let expected: Vec<u32> =
                (0u32..).zip(&rules).filter(|(_, c)| c.matches(*ty, event)).map(|(i, _)| i).collect();
            prop_assert_eq!(&matched(&all, *ty, event, &mut scratch), &expected, "{:?}", event);
            // The same scratch, which adapts.
            let only = matched(&first, *ty, event, &mut scratch);
            prop_assert_eq!(&only, &expected[..expected.len().min(1)], "first of {:?}", event);
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 40, failure_persistence: None, ..ProptestConfig::default() })]

    /// As many rules as it takes for tables over all of them.
    #[test]
    fn many_rules_match_as_the_slow_evaluator_says(
        rules in prop::collection::vec(usual_condition(), 20..120),
        events in prop::collection::vec(any_event(), 8..16),
    ) {
        let text: String =
            rules.iter().enumerate().map(|(i, c)| rule(&format!("r{i}"), &c.to_string())).collect();
        let all = load_with(&text, RuleMatching::All);
        let mut scratch = all.scratch();
        for (ty, event) in &events {
            let of_all = (0u32..).zip(&rules).filter(|(_, c)| c.matches(*ty, event));
            let expected: Vec<u32> = of_all.map(|(i, _)| i).collect();
            prop_assert_eq!(&matched(&all, *ty, event, &mut scratch), &expected, "{:?}", event);
        }
    }
    /// Processes that come again and again, so that what was kept of them is used.
    #[test]
    fn what_is_kept_of_a_process_changes_no_answer(
        rules in prop::collection::vec(usual_condition(), 4..120),
        processes in prop::collection::vec(any_event(), 2..5),
        events in prop::collection::vec(any_event(), 2..5),
        order in prop::collection::vec((any::<prop::sample::Index>(), any::<prop::sample::Index>()), 60),
    ) {
        let text: String =
            rules.iter().enumerate().map(|(i, c)| rule(&format!("r{i}"), &c.to_string())).collect();
        let all = load_with(&text, RuleMatching::All);
        let first = load_with(&text, RuleMatching::First);
        let (mut scratch, mut scratch_of_first) = (all.scratch(), first.scratch());
        for (process, event) in order {
            let process = process.index(processes.len());
            let (ty, event) = event.get(&events);
            let event = &event.done_by(&processes[process].1);
            let of_all = (0u32..).zip(&rules).filter(|(_, c)| c.matches(*ty, event));
            let expected: Vec<u32> = of_all.map(|(i, _)| i).collect();
            // Numbers that share a place, and numbers that are told apart by their user only.
            let state = process as u64 / 2;
            let told = Told { event, process: ProcessId { state, uid: process as u32 % 2, gid: 0 } };
            prop_assert_eq!(&matched(&all, *ty, &told, &mut scratch), &expected, "{:?}", event);
            let only = matched(&first, *ty, &told, &mut scratch_of_first);
            prop_assert_eq!(&only, &expected[..expected.len().min(1)], "first of {:?}", event);
        }
    }
}
