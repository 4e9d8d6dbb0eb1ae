//! Limits: what is too large is refused with an error that says so, what is just below is dealt with, and neither takes long.

mod cpu_time;

use std::time::Duration;

use event::EventType;
use rules::{Catalog, FieldRef, Fields, Options, Ruleset, Source, Value};

/// CPU time for anything here, in a build that is hardly optimised.
const BOUND: Duration = Duration::from_secs(5);

fn lines(n: usize, line: impl Fn(usize) -> String) -> String {
    (0..n).map(line).collect()
}

fn rule(name: &str, condition: &str, output: &str) -> String {
    format!(
        "- rule: {name}\n  desc: d\n  condition: {condition}\n  output: {output}\n  priority: INFO\n"
    )
}

fn macro_(i: usize, condition: &str) -> String {
    format!("- macro: m{i}\n  condition: {condition}\n")
}

/// Loads a text, also for the commands that explain; `expected` is a part of the first error, or nothing where there must be none.
fn check(name: &str, text: &str, expected: &str) {
    let source = || vec![Source { name: "t.yaml".into(), text: text.to_owned() }];
    let (set, took) = cpu_time::of(|| Ruleset::load(source(), Options::default()));
    let (catalog, took_catalog) = cpu_time::of(|| {
        let catalog = Catalog::load(source(), &Options::default());
        catalog.map(|c| c.describe().text().len())
    });
    eprintln!("{name}: loaded in {took:?}, described in {took_catalog:?}");
    match (set, expected) {
        (Ok(_), "") => assert!(catalog.is_ok(), "{name}"),
        (Err(errors), "") => panic!("{name}: {}", errors[0]),
        (Ok(_), expected) => panic!("{name}: nothing says {expected}"),
        (Err(errors), expected) => {
            let said = errors[0].to_string();
            assert!(said.contains(expected), "{name}: {said}");
        }
    }
    assert!(took < BOUND && took_catalog < BOUND, "{name}: {took:?} and {took_catalog:?}");
}

/// A rule about opens with this check.
fn one(check: &str) -> String {
    rule("r", &format!("'evt.type = open and {}'", check.replace('\'', "''")), "o")
}

#[test]
fn transformers_nest_up_to_a_bound() {
    let nested = |n| one(&format!("{}proc.name{} = x", "tolower(".repeat(n), ")".repeat(n)));
    check("60 transformers", &nested(60), "");
    check("100 transformers", &nested(100), "64");
    check("100,000 transformers", &nested(100_000), "64");
    let wide = one(&format!("join(\",\", ({})) = x", vec!["proc.name"; 5000].join(", ")));
    check("5,000 joined", &wide, "");
}

#[test]
fn patterns_have_a_size() {
    let long = "a".repeat(255);
    for operator in ["regex", "glob", "contains", "pmatch"] {
        let of = |text: &str| match operator {
            "pmatch" => one(&format!("fd.name pmatch ({text})")),
            operator => one(&format!("proc.name {operator} {text}")),
        };
        check(operator, &of(&long), "");
        check(operator, &of(&format!("{long}a")), "255");
    }
    for pattern in
        ["(((a{1,99}){1,99}){1,99}){1,99}", "a{1000}{1000}", "(.{1,500}){1,500}", "a{1001}"]
    {
        check(pattern, &one(&format!("proc.name regex \"{pattern}\"")), "regex");
    }
}

#[test]
fn many_patterns_are_compiled_soon() {
    let all = |n, of: &dyn Fn(usize) -> String| {
        lines(n, |i| rule(&format!("r{i}"), &format!("'evt.type = open and {}'", of(i)), "o"))
    };
    check(
        "100 regexes",
        &all(100, &|i| format!("proc.name regex \"(a|b{i})*[a-z]+x{{1,50}}\"")),
        "",
    );
    check("5,000 globs", &all(5000, &|i| format!("fd.name glob \"/x{i}/*/[a-z]?*\"")), "");
    check("5,000 contains", &all(5000, &|i| format!("proc.cmdline icontains \"word {i}\"")), "");
    check("5,000 prefixes", &all(5000, &|i| format!("fd.name startswith /dir{i}/")), "");
    check(
        "5,000 networks",
        &all(5000, &|i| format!("fd.snet = 10.{}.{}.0/24", i / 256, i % 256)),
        "",
    );
}

#[test]
fn lists_have_a_size() {
    let list = |n| format!("- list: l\n  items: [{}]\n", vec!["x"; n].join(", "));
    let used = one("proc.name in (l)");
    check("100,000 items", &(list(100_000) + &used), "");
    check("100,001 items", &(list(100_001) + &used), "100000");
    let different = lines(60_000, |i| format!("item{i}, "));
    let text = format!("- list: l\n  items: [{different}]\n") + &used;
    check("60,000 different items", &text, "");
}

#[test]
fn lists_whose_names_are_no_words_are_few() {
    let odd = |n| lines(n, |i| format!("- list: a {i}\n  items: [x]\n"));
    let rules = lines(3000, |i| {
        rule(&format!("r{i}"), &format!("evt.type = open and proc.name = a{i}"), "o")
    });
    check("100 lists with odd names", &(odd(100) + &rules), "");
    check("101 lists with odd names", &(odd(101) + &rules), "more than 100 lists");
}

#[test]
fn exceptions_have_a_size() {
    let values = |n: usize, width: usize| {
        let value = format!("[{}]", vec!["v".repeat(60); width].join(", "));
        vec![value; n].join(", ")
    };
    let fields = vec!["proc.name"; 50].join(", ");
    let text = |n| {
        one("proc.pid = 1")
            + &format!(
                "  exceptions: [{{name: e, fields: [{fields}], values: [{}]}}]\n",
                values(n, 50)
            )
    };
    check("100 tuples of 50", &text(100), "");
    check("1,000 tuples of 50", &text(1000), "grows beyond 1048576 bytes");
}

#[test]
fn many_definitions_are_dealt_with_or_refused() {
    let rules = |n| {
        lines(n, |i| {
            rule(&format!("r{i}"), &format!("evt.type = open and proc.pid = {i}"), "\"%proc.name\"")
        })
    };
    check("20,000 rules", &rules(20_000), "");
    check("20,001 rules", &rules(20_001), "20000");
    let lists = lines(10_000, |i| format!("- list: list_{i}\n  items: [a{i}]\n"));
    let using = lines(10_000, |i| {
        rule(&format!("r{i}"), &format!("evt.type = open and proc.name in (list_{i})"), "o")
    });
    check("10,000 lists in 10,000 rules", &(lists + &using), "");
    let macros = lines(10_000, |i| macro_(i, &format!("proc.pid = {i}")));
    let using =
        lines(10_000, |i| rule(&format!("r{i}"), &format!("evt.type = open and m{i}"), "o"));
    check("10,000 macros in 10,000 rules", &(macros + &using), "");
}

#[test]
fn macros_cost_what_is_written() {
    let doubling = |n: usize| {
        macro_(0, "proc.name = a or fd.name = b")
            + &lines(n, |i| {
                macro_(i + 1, &format!("(m{i} and proc.pid = {i}) or (m{i} and fd.num = {i})"))
            })
            + &one(&format!("m{n}"))
    };
    check("200 macros that double each other", &doubling(200), "");
    let wide = doubling(16) + &lines(5000, |i| macro_(i + 100, &format!("m16 and proc.pid = {i}")));
    check("5,000 macros of a large one", &wide, "");
    let chain = macro_(0, "proc.pid = 0")
        + &lines(10_000, |i| macro_(i + 1, &format!("m{i} and proc.pid = {i}")))
        + &one("m10000");
    check("a chain of 10,000 macros", &chain, "");
}

#[test]
fn conditions_and_outputs_may_be_long() {
    let many = lines(20_000, |i| format!(" or proc.pid = {i}"));
    check("20,000 alternatives", &one(&format!("(fd.num = 1{many})")), "");
    let outputs = format!("\"{}\"", "%proc.name ".repeat(10_000));
    check("10,000 fields of an output", &rule("r", "evt.type = open", &outputs), "");
    let items = lines(9000, |i| format!("x{i}, "));
    check("9,000 values", &one(&format!("proc.name in ({items}y)")), "");
    check("many anyof", &one(&format!("proc.name startswith oneof ({items}y)")), "");
}

#[test]
fn appending_again_and_again_is_bounded() {
    let append = |i: usize| {
        format!("- rule: r\n  condition: or proc.pid = {i}\n  tags: [t{i}]\n  override: {{condition: append}}\n")
            .replace(&format!("  tags: [t{i}]\n"), "")
    };
    check("10,000 appended conditions", &(one("fd.num = 1") + &lines(10_000, append)), "");
    let long = lines(3000, |i| {
        format!(
            "- rule: r\n  condition: or proc.name = {}{i}\n  override: {{condition: append}}\n",
            "x".repeat(240)
        )
    });
    check("3,000 long appended conditions", &(one("fd.num = 1") + &long), "");
    let items = lines(10_000, |i| {
        format!("- list: l\n  items: [a{i}, b{i}]\n  override: {{items: append}}\n")
    });
    let list = "- list: l\n  items: [x]\n".to_owned();
    check("10,000 appended items", &(list + &items + &one("proc.name in (l)")), "");
    let values = lines(900, |i| {
        format!(
            "- rule: r\n  exceptions: [{{name: e, values: [v{i}]}}]\n  override: {{exceptions: append}}\n"
        )
    });
    let text =
        one("fd.num = 1") + "  exceptions: [{name: e, fields: proc.name, values: [x]}]\n" + &values;
    check("900 appended exceptions", &text, "");
}

#[test]
fn many_mistakes_are_told_soon() {
    let macros = lines(10_000, |i| macro_(i, &format!("proc.pid = {i}")));
    let using =
        lines(15_000, |i| rule(&format!("r{i}"), &format!("evt.type = open and mm{i}"), "o"));
    check("10,000 misspelt macros", &(macros + &using), "mm0");
    let wrong = |of: &dyn Fn(usize) -> String| {
        lines(4000, |i| rule(&format!("r{i}"), &format!("evt.type = open and {}", of(i)), "o"))
    };
    check("4,000 misspelt fields", &wrong(&|i| format!("proc.nmae{i} = 1")), "proc.nmae0");
    check("4,000 misspelt types", &wrong(&|i| format!("evt.type = opnat{i}")), "opnat0");
    check(
        "4,000 wrong outputs",
        &lines(4000, |i| rule(&format!("r{i}"), "evt.type = open", "\"%fd.nmae\"")),
        "fd.nmae",
    );
}

/// An event whose texts are long and all the same letter.
struct Long(Vec<u8>);

impl Fields for Long {
    fn get(&self, field: &FieldRef) -> Option<Value<'_>> {
        match field.field.name() {
            "fd.num" | "proc.pid" => Some(Value::I64(1)),
            "evt.type" => Some(Value::Bytes(b"open")),
            _ => Some(Value::Bytes(&self.0)),
        }
    }
}

#[test]
fn no_text_makes_a_pattern_slow() {
    let event = Long(vec![b'a'; 60_000]);
    let stars = "*a".repeat(60);
    for check in [
        format!("proc.name glob \"{stars}*b\""),
        format!("proc.name iglob \"{}b\"", "*[a-z]".repeat(40)),
        "proc.name regex \"(a|aa)*(a|aa)*(a|aa)*b\"".to_owned(),
        "proc.name regex \".*.*.*.*.*.*x.*y\"".to_owned(),
        format!("proc.name contains {}b", "a".repeat(200)),
        format!("proc.name icontains {}b", "A".repeat(200)),
        format!("fd.name pmatch (/{}b)", "*/".repeat(100)),
        "tolower(toupper(proc.name)) = x and b64(proc.name) contains y".to_owned(),
    ] {
        let source = Source { name: "t.yaml".into(), text: one(&check) };
        let set = Ruleset::load(vec![source], Options::default()).expect("it loads");
        let mut scratch = set.scratch();
        let (n, took) =
            cpu_time::of(|| set.evaluate(EventType::OPEN_X, &event, &mut scratch).len());
        eprintln!("{check:.40}: {took:?}");
        assert_eq!(n, 0, "{check}");
        assert!(took < Duration::from_millis(500), "{check}: {took:?}");
    }
}

/// Warnings are cut at a thousand, what is known of macros is not.
#[test]
fn what_is_unused_is_known_of_any_number() {
    let text = lines(1500, |i| macro_(i, "proc.pid = 1")) + &one("m1400");
    let source = Source { name: "t.yaml".into(), text };
    let catalog = Catalog::load(vec![source], &Options::default()).expect("it loads");
    let used = catalog.macros.iter().filter(|m| m.used).map(|m| &*m.name);
    assert_eq!(used.collect::<Vec<_>>(), ["m1400"]);
    assert!(catalog.warnings.len() < 1500, "{} warnings", catalog.warnings.len());
}
