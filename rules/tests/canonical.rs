//! Canonical text of resolved conditions.

use rules::{Catalog, Options, Source};

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
