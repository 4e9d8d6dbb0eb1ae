//! Canonical text of resolved conditions.

use event::EventType;
use proptest::prelude::*;
use rules::{Catalog, Field, FieldRef, Fields, Options, Ruleset, Source, Value};

fn resolved(macros: &[(&str, &str)], condition: &str) -> String {
    let json = |text: &str| serde_json::to_string(text).unwrap();
    let macros = macros.iter().map(|(n, c)| format!("- macro: {n}\n  condition: {}\n", json(c)));
    let rule = format!(
        "- rule: r\n  desc: d\n  condition: {}\n  output: o\n  priority: INFO\n",
        json(condition)
    );
    let text = macros.collect::<Vec<_>>().concat() + &rule;
    let source = Source { name: "t".into(), text };
    let catalog = Catalog::load(vec![source], &Options::default())
        .unwrap_or_else(|errors| panic!("{condition}\n{}", errors[0]));
    catalog.rules[0].condition.resolved.clone().unwrap()
}

#[test]
fn text_is_canonical_and_stays_so() {
    for (text, expected) in [
        ("  proc.name=c  ", "proc.name = c"),
        ("proc.pid = 1 and proc.ppid = 2", "(proc.pid = 1 and proc.ppid = 2)"),
        (
            "proc.pid = 1 and (proc.ppid = 2 and fd.num = 3)",
            "(proc.pid = 1 and proc.ppid = 2 and fd.num = 3)",
        ),
        ("(proc.pid=1 or proc.ppid=2)or fd.num=3", "(proc.pid = 1 or proc.ppid = 2 or fd.num = 3)"),
        (
            "proc.pid=1 and proc.ppid=2 or fd.num=3",
            "((proc.pid = 1 and proc.ppid = 2) or fd.num = 3)",
        ),
        ("not not not proc.name exists", "not proc.name exists"),
        ("not(proc.name exists and fd.num exists)", "not (proc.name exists and fd.num exists)"),
        (
            "evt.type = open and not proc.name = 'proc.pname '",
            "(evt.type = open and not proc.name = \"proc.pname \")",
        ),
        ("proc.name in(x,y , 'z z')", "proc.name in (x, y, \"z z\")"),
        ("tolower( proc.name )==toupper(proc.pname)", "tolower(proc.name) == toupper(proc.pname)"),
    ] {
        assert_eq!(resolved(&[], text), expected, "{text}");
        assert_eq!(resolved(&[], expected), expected, "{text} again");
    }
    assert_eq!(resolved(&[], "not (not proc.name exists)"), "not not proc.name exists");
}

#[test]
fn macros_are_put_in_and_made_flat() {
    let macros = [
        ("n", "proc.ppid = 2 and fd.num = 3"),
        ("m", "proc.pid = 1 and n"),
        ("o", "proc.name = x or m"),
    ];
    for (text, expected) in [
        ("m", "(proc.pid = 1 and proc.ppid = 2 and fd.num = 3)"),
        ("m and fd.num = 4", "(proc.pid = 1 and proc.ppid = 2 and fd.num = 3 and fd.num = 4)"),
        ("not m", "not (proc.pid = 1 and proc.ppid = 2 and fd.num = 3)"),
        (
            "o or fd.num = 4",
            "(proc.name = x or (proc.pid = 1 and proc.ppid = 2 and fd.num = 3) or fd.num = 4)",
        ),
    ] {
        assert_eq!(resolved(&macros, text), expected, "{text}");
    }
}

/// A process with this name.
struct Named<'a>(&'a [u8]);

impl Fields for Named<'_> {
    fn get(&self, field: &FieldRef) -> Option<Value<'_>> {
        (field.field == Field::ProcName).then_some(Value::Bytes(self.0))
    }
}

fn matches(condition: &str, name: &[u8]) -> bool {
    let condition = serde_json::to_string(condition).unwrap();
    let text =
        format!("- rule: r\n  desc: d\n  condition: {condition}\n  output: o\n  priority: INFO\n");
    let set = Ruleset::load(vec![Source { name: "t".into(), text }], Options::default())
        .unwrap_or_else(|errors| panic!("{}", errors[0]));
    !set.evaluate(EventType::OPEN_X, &Named(name), &mut set.scratch()).is_empty()
}

/// Quoted by hand: everything that is not a letter as its code.
fn quoted(bytes: &[u8]) -> String {
    let codes = bytes.iter().map(|b| match b {
        b'a'..=b'z' => char::from(*b).to_string(),
        b => format!("\\x{b:02x}"),
    });
    format!("'{}'", codes.collect::<Vec<_>>().concat())
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn values_survive(values in prop::collection::vec(prop::collection::vec(
        prop::sample::select(b"ab \t\n\x0b\x0c\x08\"'\\=(),[]%-.\x01\xc3\xa9\xff".to_vec()), 0..6), 1..4)) {
        let value = &values[0];
        let equal = resolved(&[], &format!("proc.name = {}", quoted(value)));
        prop_assert!(matches(&equal, value), "{}", equal);
        let list: Vec<String> = values.iter().map(|v| quoted(v)).collect();
        let listed = resolved(&[], &format!("proc.name in ({})", list.join(", ")));
        prop_assert!(values.iter().all(|v| matches(&listed, v)), "{}", listed);
        let joined = resolved(&[], &format!("concat(proc.name, {}) = {}", list[0], list[0]));
        prop_assert!(matches(&joined, b""), "{}", joined);
        prop_assert_eq!(resolved(&[], &joined), joined);
    }
}
