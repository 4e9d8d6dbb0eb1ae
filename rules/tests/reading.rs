//! What files mean once they are read, told by the conditions that come out: the statements of the language about lists, macros, changes and
//! exceptions, one row each.

use rules::{Catalog, GivenItems, Options, RuleError, Source};

fn load(files: &[&str]) -> Result<Catalog, Vec<RuleError>> {
    let source = |(i, text): (usize, &&str)| Source {
        name: format!("{}.yaml", i + 1),
        text: (*text).to_owned(),
    };
    Catalog::load(files.iter().enumerate().map(source).collect(), &Options::default())
}

/// A rule `r` in one line.
fn rule(condition: &str) -> String {
    format!("- {{rule: r, desc: d, condition: {condition:?}, output: o, priority: INFO}}\n")
}

/// The resolved condition of the rule `r` of these files, or the first error on one line.
fn resolved(files: &[&str]) -> String {
    match load(files) {
        Ok(catalog) => catalog.rule("r").unwrap().condition.resolved.clone().unwrap(),
        Err(errors) => errors[0].one_line(),
    }
}

/// A table: the items before the rule, the rule's condition, what comes out.
fn check(table: &[(&str, &str, &str)]) {
    for (items, condition, expected) in table {
        let text = format!("{items}\n{}", rule(&format!("evt.type = open and {condition}")));
        let actual = resolved(&[&text]);
        let actual = actual
            .strip_prefix("(evt.type = open and ")
            .map_or(&*actual, |rest| rest.strip_suffix(')').unwrap_or(rest));
        assert_eq!(actual, *expected, "{items} {condition}");
    }
}

#[test]
fn who_loads_the_rules_may_know_items_of_lists_that_are_there() {
    let lists = "- {list: beside, items: [a, b]}\n- {list: instead, items: [0]}\n";
    let rule = rule("proc.name in (beside) and proc.pid = instead");
    let file = Source { name: "1.yaml".into(), text: format!("{lists}{rule}") };
    let items = |items: &[&str]| items.iter().map(|&i| i.to_owned()).collect();
    let given = [
        ("beside", GivenItems::Beside(items(&["c", "\"d e\""]))),
        ("instead", GivenItems::Instead(items(&["7"]))),
        ("not_there", GivenItems::Beside(items(&["x"]))),
    ];
    let given = given.into_iter().map(|(name, items)| (name.to_owned(), items)).collect();
    let options = Options { list_items: std::sync::Arc::new(given), ..Options::default() };
    let catalog = Catalog::load(vec![file], &options).unwrap();
    assert_eq!(
        catalog.rule("r").unwrap().condition.resolved.as_deref(),
        Some("(proc.name in (a, b, c, \"d e\") and proc.pid = 7)")
    );
}

#[test]
fn lists_are_put_in_as_text() {
    check(&[
        ("- {list: foo, items: [x]}", "proc.name = foo", "proc.name = x"),
        (
            "- {list: foo, items: [x, y]}",
            "proc.cmdline contains 'a foo b'",
            "proc.cmdline contains \"a x, y b\"",
        ),
        ("- {list: foo, items: [x, y]}", "proc.name in (foo)", "proc.name in (x, y)"),
        ("- {list: foo, items: [x]}", "proc.name in foo", "proc.name in x"),
        (
            "- {list: foo, items: [x]}",
            "proc.name in (foobar, a-foo)",
            "proc.name in (foobar, a-foo)",
        ),
        ("- {list: foo, items: [1, 2]}", "proc.pid in (foo)", "proc.pid in (1, 2)"),
        ("- {list: foo, items: [a b]}", "proc.name in (foo)", "proc.name in (\"a b\")"),
        ("- {list: foo, items: [\"'a b'\"]}", "proc.name in (foo)", "proc.name in (\"a b\")"),
        ("- {list: foo, items: ['\"(x)\"']}", "proc.name in (foo)", "proc.name in (\"(x)\")"),
        ("- {list: foo, items: []}", "proc.name in (foo, b)", "proc.name in (b)"),
        ("- {list: foo, items: []}", "proc.name in (b, foo)", "proc.name in (b)"),
        ("- {list: foo, items: []}", "proc.name in (foo)", "proc.name in ()"),
        ("- {list: foo, items: ['']}", "proc.name in (foo, b)", "proc.name in (b)"),
        ("- {list: foo, items: ['', x, '']}", "proc.name in (foo)", "proc.name in (x)"),
    ]);
}

#[test]
fn list_items_that_break_the_condition_do_so() {
    for items in ["['(x)']", "['a,b)']", "[\"a'\"]"] {
        let text = format!("- {{list: foo, items: {items}}}\n{}", rule("proc.name in (foo)"));
        assert!(resolved(&[&text]).contains("LOAD_ERR_COMPILE_CONDITION"), "{items}");
    }
    let two = "- {list: foo, items: [x, y]}\n".to_owned() + &rule("proc.name in foo");
    assert!(resolved(&[&two]).contains("LOAD_ERR_COMPILE_CONDITION"));
    let both = "- {list: foo, items: [x, y]}\n- {macro: foo, condition: proc.pid = 1}\n".to_owned();
    assert!(resolved(&[&(both + &rule("evt.type = open and foo"))]).contains("LOAD_ERR"));
}

#[test]
fn lists_nest_as_far_as_one_pass_goes() {
    check(&[
        (
            "- {list: inner, items: [x]}\n- {list: outer, items: [inner, y]}",
            "proc.name in (outer)",
            "proc.name in (x, y)",
        ),
        (
            "- {list: outer, items: [inner, y]}\n- {list: inner, items: [x]}",
            "proc.name in (outer)",
            "proc.name in (x, y)",
        ),
        (
            "- {list: a, items: [x]}\n- {list: b, items: [a]}\n- {list: c, items: [b]}",
            "proc.name in (c)",
            "proc.name in (a)",
        ),
        (
            "- {list: c, items: [b]}\n- {list: b, items: [a]}\n- {list: a, items: [x]}",
            "proc.name in (c)",
            "proc.name in (x)",
        ),
        // A list that is defined anew keeps its place and may merge what stands before the new definition.
        (
            "- {list: a, items: [y]}\n- {list: b, items: [x]}\n- {list: a, items: [b]}",
            "proc.name in (a)",
            "proc.name in (x)",
        ),
    ]);
}

#[test]
fn lists_and_macros_are_redefined_appended_and_replaced() {
    check(&[
        (
            "- {list: l, items: [a]}\n- {list: l, items: [b]}",
            "proc.name in (l)",
            "proc.name in (b)",
        ),
        (
            "- {list: l, items: [a]}\n- {list: l, items: [b], append: true}\n- {list: l, items: [c], append: no}",
            "proc.name in (l)",
            "proc.name in (c)",
        ),
        (
            "- {list: l, items: [a]}\n- {list: l, items: [b], append: Yes}",
            "proc.name in (l)",
            "proc.name in (a, b)",
        ),
        (
            "- {list: l, items: [a]}\n- {list: l, items: [b], override: {items: append}}",
            "proc.name in (l)",
            "proc.name in (a, b)",
        ),
        (
            "- {list: l, items: [a]}\n- {list: l, items: [b], override: {items: replace}}",
            "proc.name in (l)",
            "proc.name in (b)",
        ),
        (
            "- {macro: m, condition: proc.name = a}\n- {macro: m, condition: or proc.name = b, append: true}",
            "m",
            "(proc.name = a or proc.name = b)",
        ),
        (
            "- {macro: m, condition: proc.name = a}\n- {macro: m, condition: or proc.name = b, override: {condition: append}}",
            "not m",
            "not (proc.name = a or proc.name = b)",
        ),
        (
            "- {macro: m, condition: proc.name = a}\n- {macro: m, condition: proc.name = b, override: {condition: replace}}",
            "m",
            "proc.name = b",
        ),
        ("- {macro: m, condition: proc.name = a, override: {}}", "m", "proc.name = a"),
        // The first of two keys counts.
        ("- {macro: m, condition: proc.name = a, condition: proc.name = b}", "m", "proc.name = a"),
        // An item with several kinds of keys is what comes first of list, macro, rule.
        ("- {macro: m, rule: x, condition: proc.name = a}", "m", "proc.name = a"),
        // Empty entries and documents are nothing.
        (
            "-\n---\n# nothing\n---\n- {macro: m, condition: proc.name = a}\n---",
            "m",
            "proc.name = a",
        ),
    ]);
}

#[test]
fn macros_see_what_was_defined_before_them() {
    let (m, n) = ("- {macro: m, condition: n}\n", "- {macro: n, condition: proc.name = a}\n");
    let r = rule("evt.type = open and m");
    let fine = "(evt.type = open and proc.name = a)";
    let unknown = "unknown macro `n`; `n` is defined further down; define it before its use";
    for (files, expected) in [
        // A rule may stand before what it uses.
        (vec![format!("{r}{n}{m}")], fine.to_owned()),
        (vec![format!("{n}{m}{r}")], fine.to_owned()),
        (vec![format!("{m}{n}{r}")], format!("1.yaml:1:25: LOAD_ERR_VALIDATE: {unknown}")),
        // Defined again it sees more.
        (vec![format!("{m}{n}{m}{r}")], fine.to_owned()),
        (vec![format!("{n}{m}{n}{r}")], fine.to_owned()),
        (
            vec!["- {macro: m, condition: m}\n".to_owned() + &r],
            "1.yaml:1:25: LOAD_ERR_VALIDATE: unknown macro `m`; a macro cannot use itself"
                .to_owned(),
        ),
    ] {
        let files: Vec<&str> = files.iter().map(String::as_str).collect();
        assert_eq!(resolved(&files), expected, "{files:?}");
    }
}

#[test]
fn rules_are_changed_key_by_key() {
    let first = rule("evt.type = open and proc.name = a");
    for (second, expected) in [
        (
            "condition: and proc.pid = 1 or proc.pid = 2, override: {condition: append}",
            "((evt.type = open and proc.name = a and proc.pid = 1) or proc.pid = 2)",
        ),
        (
            "condition: or evt.type = close, append: true, tags: [a], enabled: false, priority: none",
            "((evt.type = open and proc.name = a) or evt.type = close)",
        ),
        ("condition: evt.type = close, override: {condition: replace}", "evt.type = close"),
        ("desc: e, condition: evt.type = close, output: p, priority: ERROR", "evt.type = close"),
        (
            "exceptions: [{name: e, fields: proc.pid, values: [1, 2]}], override: {exceptions: append}",
            "(evt.type = open and proc.name = a and not proc.pid in (1, 2))",
        ),
        (
            "exceptions: [{name: e, fields: [proc.pid], values: [[1], [2]]}], append: true",
            "(evt.type = open and proc.name = a and not (proc.pid = 1 or proc.pid = 2))",
        ),
        (
            "exceptions: [{name: e, fields: proc.pid, values: [1]}], condition: or evt.type = close, override: {exceptions: replace, condition: append}",
            "(((evt.type = open and proc.name = a) or evt.type = close) and not proc.pid in (1))",
        ),
    ] {
        let text = format!("{first}- {{rule: r, {second}}}\n");
        assert_eq!(resolved(&[&text]), expected, "{second}");
        assert_eq!(resolved(&[&first, &text[first.len()..]]), expected, "{second}, in two files");
    }
}

#[test]
fn every_key_of_a_rule_is_replaced_or_appended() {
    let first = rule("evt.type = open");
    let second = "- rule: r
  output: p
  desc: e
  tags: [z, a]
  priority: ERROR
  enabled: off
  warn_evttypes: no
  skip-if-unknown-filter: ON
  capture: y
  capture_duration: 250
  override: {output: append, desc: append, tags: append, priority: replace, enabled: replace, warn_evttypes: replace,
    skip-if-unknown-filter: replace, capture: replace, capture_duration: replace}
";
    let catalog = load(&[&first, second]).unwrap();
    let r = catalog.rule("r").unwrap();
    let info = &r.info;
    assert_eq!((info.output.as_str(), info.desc.as_str()), ("o p", "d e"));
    let tags: Vec<&str> = info.tags.iter().map(|t| &**t).collect();
    assert_eq!((tags, info.priority.as_str(), r.enabled), (vec!["a", "z"], "Error", false));
    assert_eq!((info.capture, info.capture_duration_ms), (true, 250));
    let third = "- {rule: r, tags: [m], override: {tags: append}}\n- {rule: r, desc: f, output: q, override: {desc: replace, output: replace}}\n";
    let catalog = load(&[&first, second, third]).unwrap();
    let info = &catalog.rule("r").unwrap().info;
    let tags: Vec<&str> = info.tags.iter().map(|t| &**t).collect();
    assert_eq!((tags, info.output.as_str(), info.desc.as_str()), (vec!["a", "m", "z"], "q", "f"));
    // A definition replaces everything; what is not given is as by default again.
    let catalog = load(&[&first, second, &first]).unwrap();
    let r = catalog.rule("r").unwrap();
    assert_eq!((r.info.output.as_str(), r.info.tags.len(), r.enabled), ("o", 0, true));
    assert_eq!((r.info.capture, r.info.capture_duration_ms), (false, 0));
}

#[test]
fn exceptions_take_lists_by_name() {
    let lists = "- {list: l, items: [x, y]}\n";
    let with = |fields: &str, comps: &str, values: &str| {
        let text = format!(
            "{lists}- {{rule: r, desc: d, condition: evt.type = open, output: o, priority: INFO, exceptions: [{{name: e, fields: {fields}, comps: {comps}, values: {values}}}]}}\n"
        );
        resolved(&[&text])
    };
    let same = "(evt.type = open and not proc.name in (x, y))";
    for value in ["l", "[l]", "(l)"] {
        assert_eq!(with("[proc.name]", "[in]", &format!("[[{value}]]")), same, "{value}");
    }
    assert_eq!(with("proc.name", "in", "[l]"), same);
    assert_eq!(
        with("proc.name", "startswith anyof", "[l, z]"),
        "(evt.type = open and not proc.name startswith anyof (x, y, z))"
    );
    // Transformers stand on both sides; what is quoted is text.
    assert_eq!(
        with(
            "[toupper(proc.name), proc.name]",
            "[=, =]",
            r"[[toupper(proc.pname), val(proc.pname)]]"
        ),
        "(evt.type = open and not (toupper(proc.name) = toupper(proc.pname) and proc.name = val(proc.pname)))"
    );
    assert_eq!(
        with("[proc.name]", "[=]", r#"[["'val(proc.pname)'"]]"#),
        "(evt.type = open and not proc.name = \"val(proc.pname)\")"
    );
}

#[test]
fn yaml_knows_several_words_for_true_and_false() {
    let with = |word: &str| {
        let text = rule("evt.type = open").replace("rule: r", &format!("rule: r, enabled: {word}"));
        load(&[&text]).map(|c| c.rule("r").unwrap().enabled).map_err(|e| e[0].one_line())
    };
    for word in ["true", "True", "TRUE", "yes", "Yes", "YES", "on", "On", "ON", "y", "Y", "'true'"]
    {
        assert_eq!(with(word), Ok(true), "{word}");
    }
    for word in ["false", "False", "FALSE", "no", "No", "NO", "off", "Off", "OFF", "n", "N"] {
        assert_eq!(with(word), Ok(false), "{word}");
    }
    for word in ["tRUE", "yEs", "1", "0", "''", "~", "[true]"] {
        assert!(with(word).is_err(), "{word}");
    }
}

#[test]
fn numbers_have_the_bases_of_falcos_reader() {
    let text = "- required_engine_version: 0x1f\n- required_engine_version: 017\n".to_owned()
        + "- {rule: r, desc: d, condition: evt.type = open, output: o, priority: INFO, capture_duration: 0x10}\n";
    let catalog = load(&[&text]).unwrap();
    assert_eq!(catalog.required_engine_version, "0.31.0");
    assert_eq!(catalog.rule("r").unwrap().info.capture_duration_ms, 16);
}
