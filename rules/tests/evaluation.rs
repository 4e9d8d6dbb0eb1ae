//! The compiled evaluator and the slow one agree: on a table of operators, and on random conditions.

mod oracle;

use std::cell::Cell;

use event::EventType;
use oracle::{Cond, Event, Owned, field};
use proptest::prelude::*;
use rules::{Field, FieldRef, Fields, Options, RuleMatching, Ruleset, Source, Value};

fn rule(name: &str, condition: &str) -> String {
    let condition = condition.replace('\\', "\\\\").replace('"', "\\\"");
    format!(
        "- rule: {name}\n  desc: d\n  condition: \"{condition}\"\n  output: o\n  priority: INFO\n  warn_evttypes: false\n"
    )
}

fn load(text: &str) -> Ruleset {
    let options = Options { matching: RuleMatching::All, ..Options::default() };
    let source = Source { name: "t".into(), text: text.into() };
    Ruleset::load(vec![source], options).unwrap_or_else(|errors| {
        let all: Vec<String> = errors.iter().map(ToString::to_string).collect();
        panic!("{text}\n{}", all.join("\n"))
    })
}

fn compiled(condition: &str, event: &Event) -> bool {
    let set = load(&rule("r", condition));
    !set.evaluate(EventType::OPENAT_2_X, event, &mut set.scratch()).is_empty()
}

/// Both evaluators give `expected` for the value, and false where there is none.
fn check(name: &str, op: &'static str, operands: &[&str], value: &Owned, expected: bool) {
    let f = field(name);
    let cond = Cond::check(f.clone(), op, operands);
    let condition = cond.to_string();
    let event = Event::default().with(f, value.clone());
    assert_eq!(cond.holds(&event), expected, "slow: {cond} over {value:?}");
    assert_eq!(compiled(&condition, &event), expected, "compiled: {cond} over {value:?}");
    let none = Event::default();
    assert!(!cond.holds(&none) && !compiled(&condition, &none), "missing: {cond}");
}

#[test]
fn text_operators() {
    for (op, operand, value, expected) in [
        ("=", "cat", "cat", true),
        ("=", "cat", "cat ", false),
        ("!=", "cat", "dog", true),
        ("!=", "cat", "cat", false),
        ("<", "5", "4x", true),
        (">=", "5", "5", true),
        (">", "5", "10", false),
        ("contains", "ha", "shadow", true),
        ("contains", "HA", "shadow", false),
        ("contains", "", "", true),
        ("icontains", "HA", "shadow", true),
        ("icontains", "shadows", "shadow", false),
        ("startswith", "/etc", "/etc/x", true),
        ("startswith", "", "x", true),
        ("startswith", "/etc/x", "/etc", false),
        ("endswith", "x", "/etc/x", true),
        ("endswith", "", "", true),
        ("glob", "/e*w", "/etc/shadow", true),
        ("glob", "/e*w", "/etc/shadow-", false),
        ("glob", "*", ".hidden", true),
        ("iglob", "*SHADOW", "/etc/shadow", true),
    ] {
        check("proc.name", op, &[operand], &Owned::text(value), expected);
    }
}

#[test]
fn text_lists() {
    for (op, operands, value, expected) in [
        ("in", &["a", "b"][..], "b", true),
        ("in", &["a", "b"], "c", false),
        ("in", &[], "c", false),
        ("in", &["", "a b"], "", true),
        ("in", &["", "a b"], "a b", true),
        ("intersects", &["a", "b"], "b", true),
        ("pmatch", &["/etc", "/usr/bin/"], "/usr/bin//x", true),
        ("pmatch", &["/et"], "/etc/x", false),
        ("pmatch", &["/"], "anything", true),
        ("pmatch", &["/h*/.ssh"], "/home/.ssh/id", true),
        ("= anyof", &["a", "b"], "b", true),
        ("!= anyof", &["a", "b"], "b", true),
        ("!= allof", &["a", "b"], "b", false),
        ("= allof", &["b", "b"], "b", true),
        ("= anyof", &[], "b", false),
        ("!= allof", &[], "b", false),
    ] {
        check("fd.name", op, operands, &Owned::text(value), expected);
    }
}

#[test]
fn numbers_have_the_sign_and_width_of_their_field() {
    for (name, op, operand, value, expected) in [
        ("proc.pid", "=", "7", Owned::I64(7), true),
        ("proc.pid", "!=", "7", Owned::I64(7), false),
        ("proc.pid", "<", "0", Owned::I64(-1), true),
        ("proc.pid", ">=", "-1", Owned::I64(-1), true),
        ("fd.num", ">", "4294967295", Owned::I64(3), false),
        ("user.loginuid", "=", "-1", Owned::I64(-1), true),
        ("user.uid", "=", "4294967296", Owned::U64(0), true),
        ("user.uid", ">", "-1", Owned::U64(4_294_967_295), false),
        ("evt.num", ">", "-1", Owned::U64(1), false),
        ("evt.num", "<", "-1", Owned::U64(1), true),
        ("fd.sport", "=", "65616", Owned::U64(80), true),
        ("evt.cpu", "<=", "3", Owned::I64(3), true),
        ("evt.rawres", "=", "007", Owned::I64(7), true),
    ] {
        check(name, op, &[operand], &value, expected);
    }
    check("fd.num", "in", &["3", "4"], &Owned::I64(4), true);
    check("fd.num", "in", &["3", "4"], &Owned::I64(5), false);
    check("fd.num", "intersects", &["3"], &Owned::I64(3), true);
    assert!(compiled("fd.sport = https", &Event::default().with(Field::FdSport, Owned::U64(443))));
}

#[test]
fn truth_values() {
    for (op, operand, value, expected) in [
        ("=", "true", true, true),
        ("=", "false", true, false),
        ("!=", "true", false, true),
        ("!=", "false", false, false),
    ] {
        check("evt.failed", op, &[operand], &Owned::Bool(value), expected);
    }
    check("evt.failed", "in", &["true", "false"], &Owned::Bool(false), true);
    check("evt.failed", "in", &["true"], &Owned::Bool(false), false);
}

#[test]
fn addresses_and_networks() {
    let ip = |s: &str| Owned::Ip(s.parse().unwrap());
    for (name, op, operand, value, expected) in [
        ("fd.sip", "=", "10.0.0.1", "10.0.0.1", true),
        ("fd.sip", "!=", "10.0.0.1", "10.0.0.2", true),
        ("fd.sip", "=", "::1", "127.0.0.1", false),
        ("fd.sip", "!=", "::1", "127.0.0.1", true),
        ("fd.snet", "=", "10.0.0.0/8", "10.9.9.9", true),
        ("fd.snet", "=", "10.1.2.3/8", "10.9.9.9", true),
        ("fd.snet", "!=", "10.0.0.0/8", "10.9.9.9", false),
        ("fd.snet", "!=", "10.0.0.0/8", "::1", true),
        ("fd.snet", "=", "0.0.0.0/0", "1.2.3.4", true),
        ("fd.snet", "=", "fe80::/10", "febf::1", true),
    ] {
        check(name, op, &[operand], &ip(value), expected);
    }
    check("fd.sip", "in", &["::1", "10.0.0.1"], &ip("10.0.0.1"), true);
    check("fd.snet", "in", &["11.0.0.0/8", "10.0.0.0/8"], &ip("10.0.0.1"), true);
}

#[test]
fn either_end_may_be_equal_and_both_must_differ() {
    let event = Event::default()
        .with(Field::FdIp, Owned::Ip("10.0.0.1".parse().unwrap()))
        .with(Field::FdIp, Owned::Ip("10.0.0.2".parse().unwrap()))
        .with(Field::FdPort, Owned::U64(80))
        .with(Field::FdPort, Owned::U64(50_000));
    for (condition, expected) in [
        ("fd.ip = 10.0.0.2", true),
        ("fd.ip = 10.0.0.3", false),
        ("fd.ip != 10.0.0.2", false),
        ("fd.ip != 10.0.0.3", true),
        ("fd.ip in (10.0.0.1)", false),
        ("fd.port = 80", true),
        ("fd.port != 80", false),
        ("fd.port < 100", true),
        ("fd.port in (50000)", true),
        ("fd.ip exists", true),
        ("fd.net exists", false),
        ("fd.net != 10.0.0.0/8", false),
    ] {
        assert_eq!(compiled(condition, &event), expected, "{condition}");
    }
}

#[test]
fn a_condition_over_ancestors_asks_for_any() {
    let event = Event::default()
        .with(Field::ProcAname, Owned::text("bash"))
        .with(Field::ProcAname, Owned::text("sshd"))
        .with(field("proc.aname[2]"), Owned::text("sshd"));
    for (condition, expected) in [
        ("proc.aname = sshd", true),
        ("proc.aname != sshd", true),
        ("not proc.aname = sshd", false),
        ("proc.aname in (sshd, x)", true),
        ("proc.aname in (x)", false),
        ("proc.aname[2] = sshd", true),
        ("proc.aname[2] != sshd", false),
        ("proc.aname[3] exists", false),
    ] {
        assert_eq!(compiled(condition, &event), expected, "{condition}");
    }
}

#[test]
fn missing_values_are_false_and_not_inverts() {
    let none = Event::default();
    for (condition, expected) in [
        ("proc.name != cat", false),
        ("not proc.name = cat", true),
        ("not (not proc.name != cat)", false),
        ("proc.name exists", false),
        ("not proc.name exists", true),
        ("proc.name = ''", false),
        ("proc.name = '<NA>'", false),
        ("not proc.name in (a) and not fd.num > 3", true),
    ] {
        assert_eq!(compiled(condition, &none), expected, "{condition}");
    }
    let empty = Event::default().with(Field::ProcName, Owned::text(""));
    assert!(compiled("proc.name exists and proc.name = ''", &empty));
}

#[test]
fn the_event_type_is_a_bit_and_generic_calls_have_names() {
    let set = load(
        &(rule("open", "evt.type in (open, openat)")
            + &rule("fsync", "evt.type = fsync")
            + &rule("not-open", "evt.type != openat")),
    );
    let mut scratch = set.scratch();
    let mut names = |ty, event: &Event| -> Vec<String> {
        set.evaluate(ty, event, &mut scratch)
            .iter()
            .map(|&r| set.rule(r).name.to_string())
            .collect()
    };
    let none = Event::default();
    assert_eq!(names(EventType::OPENAT_2_X, &none), ["open"]);
    assert_eq!(names(EventType::CONNECT_X, &none), ["not-open"]);
    let fsync = Event::default().with(Field::EvtType, Owned::text("fsync"));
    assert_eq!(names(EventType::GENERIC_X, &fsync), ["fsync", "not-open"]);
    assert_eq!(names(EventType(u16::MAX), &none), Vec::<String>::new());
}

#[test]
fn empty_lists_cost_nothing_and_change_nothing() {
    let set = load(
        &(rule("in", "evt.type = openat and (proc.name in () or fd.name pmatch ())")
            + &rule("not-in", "evt.type = openat and not proc.name in () and not fd.num in ()")
            + &rule("never", "proc.name in ()")
            + &rule("always", "not proc.name in ()")),
    );
    let fields: Vec<String> = set.fields_used().map(ToString::to_string).collect();
    assert_eq!(fields, ["evt.type"]);
    let mut scratch = set.scratch();
    let matched = set.evaluate(EventType::OPENAT_2_X, &Event::default(), &mut scratch);
    let names: Vec<&str> = matched.iter().map(|&r| &*set.rule(r).name).collect();
    assert_eq!(names, ["not-in", "always"]);
}

/// Counts questions.
struct Counting(Cell<usize>);

impl Fields for Counting {
    fn get(&self, _: &FieldRef) -> Option<Value<'_>> {
        self.0.set(self.0.get() + 1);
        Some(Value::Bytes(b"none of them"))
    }
}

#[test]
fn a_predicate_is_asked_at_most_once_per_event() {
    for not in ["", "not "] {
        let mut text = "- macro: m0\n  condition: proc.name = a or fd.name = b\n".to_owned();
        // Each macro uses the one before twice: 2^50 questions for who asks naively.
        for i in 1..50 {
            let m = format!("{not}m{}", i - 1);
            let either = format!("({m} and proc.name = a{i}) or ({m} and fd.name = b{i})");
            text = format!("{text}- macro: m{i}\n  condition: {either}\n");
        }
        for name in ["r1", "r2", "r3"] {
            text += &rule(name, &format!("evt.type = openat and (m49 or proc.name = {name})"));
        }
        let set = load(&text);
        let fields = Counting(Cell::new(0));
        set.evaluate(EventType::OPENAT_2_X, &fields, &mut set.scratch());
        assert!(fields.0.get() <= 2 * 50 + 3, "{} questions", fields.0.get());
    }
}

/// Fields, and for each the operands that are worth comparing with.
fn any_check() -> impl Strategy<Value = Cond> {
    let words = || prop::sample::select(vec!["", "a", "ab", "/a", "/a/b", "b/a", "A", "a b"]);
    let text_fields =
        || prop::sample::select(vec!["proc.name", "fd.name", "proc.aname", "proc.aname[1]"]);
    let numbers = || prop::sample::select(vec!["-1", "0", "1", "2", "4294967295"]);
    let number_fields =
        || prop::sample::select(vec!["proc.pid", "user.uid", "fd.port", "proc.cmdnargs"]);
    // A port has no sign.
    let fit = |f: &str, n: &'static str| if f == "fd.port" { n.trim_start_matches('-') } else { n };
    let single = (
        text_fields(),
        prop::sample::select(vec!["=", "!=", "contains", "icontains", "startswith", "endswith"]),
        words(),
    )
        .prop_map(|(f, op, w)| Cond::check(field(f), op, &[w]));
    let glob = (
        text_fields(),
        prop::sample::select(vec!["glob", "iglob"]),
        prop::sample::select(vec!["*", "a*", "?", "*/?", "*A", "/*/b"]),
    )
        .prop_map(|(f, op, w)| Cond::check(field(f), op, &[w]));
    let lists = (
        text_fields(),
        prop::sample::select(vec!["in", "intersects", "pmatch"]),
        prop::collection::vec(words(), 0..4),
    )
        .prop_map(|(f, op, w)| Cond::check(field(f), op, &w));
    let quantified = (
        prop::sample::select(vec!["proc.name", "fd.name"]),
        prop::sample::select(vec!["= anyof", "= allof", "!= anyof", "!= allof"]),
        prop::collection::vec(words(), 0..4),
    )
        .prop_map(|(f, op, w)| Cond::check(field(f), op, &w));
    let number =
        (number_fields(), prop::sample::select(vec!["=", "!=", "<", "<=", ">", ">="]), numbers())
            .prop_map(move |(f, op, n)| Cond::check(field(f), op, &[fit(f, n)]));
    let number_in =
        (number_fields(), prop::collection::vec(numbers(), 0..4)).prop_map(move |(f, n)| {
            let n: Vec<&str> = n.into_iter().map(|n| fit(f, n)).collect();
            Cond::check(field(f), "in", &n)
        });
    let exists =
        prop::sample::select(vec!["proc.name", "user.uid", "fd.port", "fd.net", "evt.failed"])
            .prop_map(|f| Cond::check(field(f), "exists", &[]));
    let net = (
        prop::sample::select(vec!["fd.net", "fd.snet"]),
        prop::sample::select(vec!["=", "!="]),
        prop::sample::select(vec!["10.0.0.0/8", "0.0.0.0/0", "fe80::/10", "10.0.0.1/32"]),
    )
        .prop_map(|(f, op, n)| Cond::check(field(f), op, &[n]));
    let truth =
        (prop::sample::select(vec!["=", "!="]), prop::sample::select(vec!["true", "false"]))
            .prop_map(|(op, b)| Cond::check(field("evt.failed"), op, &[b]));
    prop_oneof![single, glob, lists, quantified, number, number_in, exists, net, truth]
}

fn any_condition() -> impl Strategy<Value = Cond> {
    any_check().prop_recursive(5, 40, 4, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 1..4).prop_map(Cond::And),
            prop::collection::vec(inner.clone(), 1..4).prop_map(Cond::Or),
            inner.prop_map(|c| Cond::Not(Box::new(c))),
        ]
    })
}

fn any_event() -> impl Strategy<Value = Event> {
    let word = || {
        prop::sample::select(vec!["", "a", "ab", "/a/b", "/a/b/c", "A", "b"]).prop_map(Owned::text)
    };
    let unsigned = || prop::sample::select(vec![0, 1, 2, 4_294_967_295]).prop_map(Owned::U64);
    let signed = prop::sample::select(vec![-1, 0, 1, 4_294_967_295]).prop_map(Owned::I64);
    let ip = || {
        prop::sample::select(vec!["10.0.0.1", "11.0.0.1", "fe80::1", "::1"])
            .prop_map(|s| Owned::Ip(s.parse().unwrap()))
    };
    let entry = prop_oneof![
        (prop::sample::select(vec!["proc.name", "fd.name", "proc.aname", "proc.aname[1]"]), word()),
        (Just("proc.pid"), signed),
        (prop::sample::select(vec!["user.uid", "proc.cmdnargs"]), unsigned()),
        (Just("fd.port"), prop::sample::select(vec![0, 1, 80]).prop_map(Owned::U64)),
        (prop::sample::select(vec!["fd.net", "fd.snet"]), ip()),
        (Just("evt.failed"), any::<bool>().prop_map(Owned::Bool)),
    ];
    prop::collection::vec(entry, 0..12).prop_map(|entries| {
        entries
            .into_iter()
            .fold(Event::default(), |event, (name, value)| event.with(field(name), value))
    })
}

proptest! {
    /// Several rules over several events with one scratch, so that shared predicates, shared parts and answers kept
    /// from the event before all have their chance to go wrong.
    #[test]
    fn random_rules_match_as_the_slow_evaluator_says(
        conditions in prop::collection::vec(any_condition(), 1..6),
        events in prop::collection::vec(any_event(), 1..6),
    ) {
        // A macro that every second rule joins, to have larger shared parts.
        let mut text = format!("- macro: shared\n  condition: \"{}\"\n",
            conditions[0].to_string().replace('\\', "\\\\").replace('"', "\\\""));
        for (i, c) in conditions.iter().enumerate() {
            let joined = if i % 2 == 1 { format!("{c} or not shared") } else { c.to_string() };
            text += &rule(&format!("r{i}"), &joined);
        }
        let set = load(&text);
        let mut scratch = set.scratch();
        for event in &events {
            let matched: Vec<u32> =
                set.evaluate(EventType::OPENAT_2_X, event, &mut scratch).iter().map(|r| r.0).collect();
            let expected: Vec<u32> = (0u32..).zip(&conditions)
                .filter(|(i, c)| c.holds(event) || (i % 2 == 1 && !conditions[0].holds(event)))
                .map(|(i, _)| i)
                .collect();
            prop_assert_eq!(matched, expected, "{:?}", event);
        }
    }
}
