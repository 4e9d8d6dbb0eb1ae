//! A row for each statement about operators and values.

use std::cell::Cell;

use event::EventType;
use rules::{Field, FieldRef, Fields, Value};

use crate::oracle::{Cond, Event, Owned, field};
use crate::{compiled, load, rule};

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
fn bytes_of_a_buffer() {
    let data = Owned::Bytes(b"GET \x00\xff".to_vec());
    for (op, operand, expected) in [
        ("=", "GET", false),
        ("!=", "GET", true),
        ("contains", "ET", true),
        ("startswith", "GET", true),
        ("endswith", "GET", false),
        ("bcontains", "00ff", true),
        ("bcontains", "ff00", false),
        ("bstartswith", "474554", true),
        ("bstartswith", "00", false),
    ] {
        check("evt.buffer", op, &[operand], &data, expected);
    }
    check("evt.buffer", "in", &["GET", "x"], &Owned::text("GET"), true);
    check("evt.buffer", "intersects", &["GET", "x"], &Owned::text("PUT"), false);
}

#[test]
fn brackets_of_patterns() {
    for (op, pattern, value, expected) in [
        ("glob", "[a-c]x", "bx", true),
        ("glob", "[!a-c]x", "bx", false),
        ("glob", "*.[ch]", "/src/a.h", true),
        ("iglob", "[A-C]X", "bx", true),
    ] {
        check("fd.name", op, &[pattern], &Owned::text(value), expected);
    }
    for (condition, value, expected) in [
        ("fd.name glob '[[:digit:]]*'", "7up", true),
        ("fd.name glob '[^]a]'", "]", false),
        ("fd.name glob '\\\\*'", "*", true),
        ("fd.name glob '\\\\*'", "a", false),
        ("fd.name glob '['", "[", true),
        ("fd.name glob 'a\\\\'", "a", false),
        ("fd.name pmatch ('/home/*/.ssh', '/[eu]*/x')", "/home/me/.ssh/id", true),
        ("fd.name pmatch ('/home/*/.ssh', '/[eu]*/x')", "/usr/x", true),
        ("fd.name pmatch ('/home/*/.ssh', '/[eu]*/x')", "/usr/bin/x", false),
    ] {
        let event = Event::default().with(Field::FdName, Owned::text(value));
        assert_eq!(compiled(condition, &event), expected, "{condition} over {value}");
    }
}

#[test]
fn regular_expressions_match_the_whole_value() {
    for (pattern, value, expected) in [
        ("ca", &b"cat"[..], false),
        ("ca.*", b"cat", true),
        ("c[[:alpha:]]+", b"cat", true),
        ("(cat|dog)s?", b"dogs", true),
        ("c.t", b"c\xfft", true),
        ("c.t", b"c\xff\xfft", false),
        ("c\\\\.t", b"cat", false),
        ("a{2,3}", b"aaaa", false),
    ] {
        let event = Event::default().with(Field::ProcName, Owned::Bytes(value.to_vec()));
        let condition = format!("proc.name regex '{pattern}'");
        assert_eq!(compiled(&condition, &event), expected, "{condition} over {value:?}");
    }
    let condition = "proc.name regex oneof ('c.*', '.*t', 'x')";
    for (value, expected) in [("cat", false), ("cab", true), ("dog", false)] {
        let event = Event::default().with(Field::ProcName, Owned::text(value));
        assert_eq!(compiled(condition, &event), expected, "{condition} over {value}");
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
        ("= oneof", &["b", "a"], "b", true),
        ("= oneof", &["b", "b"], "b", false),
        ("startswith oneof", &["b", "bc"], "bc", false),
        ("startswith oneof", &["b", "bc"], "b", true),
        ("endswith anyof", &["b", "c"], "abc", true),
        ("contains allof", &["b", "c"], "abc", true),
        ("contains allof", &["b", "d"], "abc", false),
        ("glob anyof", &["x*", "a?c"], "abc", true),
        ("icontains oneof", &["B", "C"], "ab", true),
        ("= oneof", &[], "b", false),
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
    let ip = Owned::ip;
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
    check("fd.sip", "!= allof", &["10.0.0.1", "10.0.0.2"], &ip("10.0.0.2"), false);
    check("fd.sip", "= anyof", &["10.0.0.1", "10.0.0.2"], &ip("10.0.0.2"), true);
    check("fd.sip", "intersects", &["10.0.0.1"], &ip("10.0.0.1"), true);
    check("fd.snet", "intersects", &["11.0.0.0/8", "10.0.0.0/8"], &ip("10.0.0.1"), true);
    // The first network is the only one that counts.
    check("fd.snet", "= anyof", &["11.0.0.0/8", "10.0.0.0/8"], &ip("10.0.0.1"), false);
    check("fd.snet", "= anyof", &["10.0.0.0/8", "11.0.0.0/8"], &ip("10.0.0.1"), true);
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
        ("fd.ip intersects (10.0.0.1)", false),
        ("fd.port intersects (80)", false),
        ("fd.ip = anyof (10.0.0.3, 10.0.0.1)", false),
        ("fd.ip = anyof (10.0.0.1, 10.0.0.3)", true),
        ("fd.port = anyof (81, 80)", false),
        ("fd.port = oneof (80, 50000)", true),
        ("fd.port >= 50000", true),
    ] {
        assert_eq!(compiled(condition, &event), expected, "{condition}");
    }
    let nets = Event::default()
        .with(Field::FdNet, Owned::ip("10.0.0.1"))
        .with(Field::FdNet, Owned::ip("192.168.0.1"));
    for (condition, expected) in [
        ("fd.net = 192.168.0.0/16", true),
        ("fd.net != 192.168.0.0/16", false),
        ("fd.net != 172.16.0.0/12", true),
        ("fd.net in (192.168.0.0/16, 172.16.0.0/12)", true),
        ("fd.net in (172.16.0.0/12, 192.168.0.0/16)", false),
        ("fd.net intersects (172.16.0.0/12, 192.168.0.0/16)", false),
        ("fd.net = anyof (172.16.0.0/12, 192.168.0.0/16)", false),
    ] {
        assert_eq!(compiled(condition, &nets), expected, "{condition}");
    }
}

#[test]
fn a_raw_number_is_in_no_list() {
    let res = field("evt.rawarg.res");
    let event = Event::default()
        .with(res, Owned::I64(-2))
        .with(field("evt.rawarg.name"), Owned::text("/x"));
    for (condition, expected) in [
        ("evt.rawarg.res = -2", true),
        ("evt.rawarg.res < 0", true),
        ("evt.rawarg.res in (-2)", false),
        ("evt.rawarg.res intersects (-2)", false),
        ("evt.rawarg.res exists", true),
        ("evt.rawarg.name in (/x)", true),
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
        ("proc.aname intersects (sshd, x)", true),
        ("proc.aname = anyof (x, sshd)", false),
        ("proc.aname = anyof (sshd, x)", true),
        ("proc.aname pmatch (sshd)", true),
        ("proc.aname regex 's.*'", true),
        ("proc.aname[2] = anyof (x, sshd)", true),
        ("proc.apid > 0", false),
    ] {
        assert_eq!(compiled(condition, &event), expected, "{condition}");
    }
}

#[test]
fn any_ancestor_has_the_variable_whatever_the_argument_says() {
    for name in ["proc.aenv", "proc.aenv[3]", "proc.aenv[A]"] {
        let variables = ["A=b", "C=d"].map(Owned::text);
        let event = variables.into_iter().fold(Event::default(), |e, v| e.with(field(name), v));
        for (test, expected) in
            [("= 'C=d'", true), ("!= 'C=d'", true), ("exists", true), ("= d", false)]
        {
            let condition = format!("{name} {test}");
            assert_eq!(compiled(&condition, &event), expected, "{condition}");
        }
    }
}

#[test]
fn quotes_do_not_make_text_of_a_number() {
    check("proc.pid", "=", &["030"], &Owned::I64(30), true);
    let event = Event::default().with(Field::ProcPid, Owned::I64(30));
    for condition in ["proc.pid = '30'", "proc.pid = \"+30\"", "proc.pid in ('30', 7)"] {
        assert!(compiled(condition, &event), "{condition}");
    }
}

#[test]
fn a_call_whose_event_has_another_name_never_matches() {
    let pread = EventType::all_named("pread").last().unwrap();
    let event = Event::default().with(Field::EvtType, Owned::text("pread"));
    for (condition, expected) in [
        ("evt.type = pread", true),
        ("evt.type = pread64", false),
        ("evt.type in (pread64, pwrite64)", false),
        ("evt.type in (pread64, pread)", true),
        ("evt.type != pread64", true),
        ("evt.type startswith pread", true),
    ] {
        let set = load(&rule("r", condition));
        let n_matches = set.evaluate(pread, &event, &mut set.scratch()).len();
        assert_eq!(n_matches == 1, expected, "{condition}");
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
        ("proc.name != oneof (a, b)", false),
        ("proc.name != allof (a, b)", false),
        ("not tolower(proc.name) != a", true),
        ("proc.name != val(proc.pname)", false),
        ("tolower(proc.name) exists", false),
        ("len(proc.name) >= 0", false),
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

/// Flags whose text is counted.
struct Flags<'a> {
    bits: Option<u64>,
    text: &'a str,
    n_texts: Cell<usize>,
}

impl Fields for Flags<'_> {
    fn get(&self, _: &FieldRef) -> Option<Value<'_>> {
        self.n_texts.set(self.n_texts.get() + 1);
        Some(Value::Bytes(self.text.as_bytes()))
    }

    fn bits(&self, _: &FieldRef) -> Option<u64> {
        self.bits
    }
}

#[test]
fn flags_are_put_into_words_where_they_differ_from_those_before() {
    let set = load(
        &(rule("open", "evt.type = openat and evt.arg.flags contains O_TRUNC")
            + &rule("clone", "evt.type = clone and evt.arg.flags contains O_TRUNC")),
    );
    let mut scratch = set.scratch();
    let mut check = |ty, bits, text, n_texts, is_match| {
        let flags = Flags { bits, text, n_texts: Cell::new(0) };
        let n_matched = set.evaluate(ty, &flags, &mut scratch).len();
        assert_eq!((flags.n_texts.get(), n_matched), (n_texts, usize::from(is_match)), "{text}");
    };
    let openat = EventType::OPENAT_2_X;
    check(openat, Some(1), "O_RDONLY", 1, false);
    check(openat, Some(1), "not asked for", 0, false);
    check(openat, Some(5), "O_RDONLY|O_TRUNC", 1, true);
    check(openat, Some(5), "not asked for", 0, true);
    check(EventType::CLONE_20_X, Some(5), "CLONE_FILES", 1, false);
    check(openat, Some(5), "O_TRUNC", 1, true);
    check(openat, None, "O_RDONLY", 1, false);
    check(openat, None, "O_TRUNC", 1, true);
}
