//! Several files, order, and which rules are tried.

use event::{Call, EventType};
use rules::{
    Field, FieldRef, Fields, Options, Priority, Problem, RuleError, RuleMatching, Ruleset,
    SelectBy, Selection, Source, Value,
};

struct Named(&'static str);

impl Fields for Named {
    fn get(&self, field: &FieldRef) -> Option<Value<'_>> {
        (field.field == Field::ProcName).then_some(Value::Bytes(self.0.as_bytes()))
    }
}

fn load_with(files: &[&str], options: Options) -> Result<Ruleset, Vec<RuleError>> {
    let names = ["first.yaml", "second.yaml", "third.yaml"];
    let source =
        |(name, text): (&&str, &&str)| Source { name: (*name).into(), text: (*text).into() };
    Ruleset::load(names.iter().zip(files).map(source).collect(), options)
}

fn load(files: &[&str]) -> Result<Ruleset, Vec<RuleError>> {
    load_with(files, Options { matching: RuleMatching::All, ..Options::default() })
}

fn rule(name: &str, condition: &str, more: &str) -> String {
    format!(
        "- rule: {name}\n  desc: d\n  condition: {condition}\n  output: o\n  priority: NOTICE\n{more}"
    )
}

fn matched(set: &Ruleset, name: &'static str) -> Vec<String> {
    let mut scratch = set.scratch();
    let ids = set.evaluate(EventType::OPEN_X, &Named(name), &mut scratch);
    ids.iter().map(|&id| set.rule(id).name.to_string()).collect()
}

#[test]
fn later_files_see_and_change_what_earlier_ones_define() {
    let first = "- list: names\n  items: [cat]\n- macro: named\n  condition: proc.name in (names)\n"
        .to_owned() + &rule("a", "evt.type = open and named", "");
    let second = rule("b", "evt.type = open and not named", "");
    let set = load(&[&first, &second]).unwrap();
    assert_eq!((matched(&set, "cat"), matched(&set, "dog")), (vec!["a".into()], vec!["b".into()]));
    let third = "- list: names\n  items: [dog]\n- macro: named\n  condition: or proc.name = bird\n  append: true\n";
    let set = load(&[&first, &second, third]).unwrap();
    assert_eq!(matched(&set, "cat"), ["b"]);
    assert_eq!(matched(&set, "dog"), ["a"]);
    assert_eq!(matched(&set, "bird"), ["a"]);
}

#[test]
fn a_name_of_a_later_file_is_unknown() {
    let first = rule("a", "evt.type = open and named", "");
    let second = "- macro: named\n  condition: proc.name = cat\n";
    let errors = load(&[&first, second]).unwrap_err();
    assert_eq!(errors.len(), 1);
    assert_eq!(errors[0].problem, Problem::UnknownMacro("named".into()));
    assert_eq!((&*errors[0].file, errors[0].line, errors[0].column), ("first.yaml", 3, 34));
    assert!(load(&[second, &first]).is_ok());
    // A list of a later file is not put in: its name is a value like any other.
    let first = rule("a", "evt.type = open and proc.name in (names)", "");
    let set = load(&[&first, "- list: names\n  items: [cat]\n"]).unwrap();
    assert!(matched(&set, "cat").is_empty() && matched(&set, "names") == ["a"]);
}

#[test]
fn a_redefined_rule_keeps_its_place() {
    let first =
        rule("a", "evt.type = open and proc.name = cat", "") + &rule("b", "evt.type = open", "");
    let second = rule("a", "evt.type = open and proc.name = dog", "");
    let set = load(&[&first, &second]).unwrap();
    assert_eq!(matched(&set, "dog"), ["a", "b"]);
    assert_eq!(matched(&set, "cat"), ["b"]);
}

#[test]
fn the_first_match_wins_on_demand() {
    let text =
        rule("a", "evt.type = open and proc.name = cat", "") + &rule("b", "evt.type = open", "");
    let set = load_with(&[&text], Options::default()).unwrap();
    assert_eq!(matched(&set, "cat"), ["a"]);
    assert_eq!(matched(&set, "dog"), ["b"]);
}

#[test]
fn disabled_and_less_severe_rules_are_checked_but_not_tried() {
    let disabled = rule("a", "evt.type = connect and proc.pname = x", "  enabled: false\n");
    let set = load(&[&disabled]).unwrap();
    assert_eq!(set.rules().len(), 0);
    assert!(set.interest().is_empty() && !set.uses(Field::ProcPname));
    assert!(load(&[&disabled.replace("pname", "pnane")]).is_err());
    let options = Options { min_priority: Priority::Warning, ..Options::default() };
    let text = rule("a", "evt.type = open", "")
        + &rule("b", "evt.type = open", "").replace("NOTICE", "ERROR");
    let set = load_with(&[&text], options).unwrap();
    assert_eq!(matched(&set, "x"), ["b"]);
}

#[test]
fn a_scratch_serves_another_ruleset() {
    let small = load(&[&rule("a", "evt.type = open and proc.name = cat", "")]).unwrap();
    let text: String = (0..40)
        .map(|i| rule(&format!("r{i}"), &format!("evt.type = open and proc.name != n{i}"), ""))
        .collect();
    let large = load(&[&text]).unwrap();
    let mut scratch = small.scratch();
    for _ in 0..3 {
        assert_eq!(small.evaluate(EventType::OPEN_X, &Named("cat"), &mut scratch).len(), 1);
        assert_eq!(large.evaluate(EventType::OPEN_X, &Named("n7"), &mut scratch).len(), 39);
        assert_eq!(small.evaluate(EventType::OPEN_X, &Named("dog"), &mut scratch).len(), 0);
    }
}

#[test]
fn no_files_and_empty_files_are_no_rules() {
    assert_eq!(load(&[]).unwrap().rules().len(), 0);
    assert_eq!(load(&["", "# nothing\n", "---\n---\n"]).unwrap().rules().len(), 0);
}

#[test]
fn a_call_without_its_own_event_stands_for_all_generic_events() {
    let all = [
        rule("named", "evt.type = truncate", ""),
        rule("not named", "not evt.type = truncate", ""),
        rule("listed", "syscall.type in (truncate, sync)", ""),
        rule("mixed", "evt.type in (truncate, open)", ""),
        rule("opens", "evt.type = open", ""),
    ];
    let interests = all.each_ref().map(|text| load(&[text]).unwrap().interest());
    assert_eq!(
        interests.map(|types| types.contains(EventType::GENERIC_X)),
        [true, false, true, true, false]
    );
    let set = load(&[&all.concat()]).unwrap();
    let given = [EventType::GENERIC_X, EventType::OPEN_X].into_iter().collect();
    let blind = |calls: &[&str]| -> Vec<String> {
        let calls = calls.iter().filter_map(|name| Call::named(name)).collect();
        let all = set.blind_to(&given, &calls);
        all.map(|r| r.name.to_string()).collect()
    };
    assert_eq!(blind(&["truncate"]), [""; 0]);
    assert_eq!(blind(&["sync"]), ["named"]);
    assert_eq!(blind(&["setgroups"]), ["named", "listed"]);
}

#[test]
fn what_a_rule_reads_counts_for_its_events_only() {
    let reads_name = "evt.type = open and (proc.name = x or not fd.name = y)";
    let set = load(&[&[rule("a", reads_name, ""), rule("b", "evt.type = close", "")].concat()]);
    let set = set.unwrap();
    let asked = set.events_reading(|f| f.field == Field::FdName);
    assert!(asked.contains(EventType::OPEN_X) && !asked.contains(EventType::CLOSE_X));
    assert!(set.events_reading(|f| f.field == Field::FdNum).is_empty());
}

fn select(enable: bool, by: SelectBy) -> Selection {
    Selection { enable, by }
}

fn rules_named(pattern: &str) -> SelectBy {
    SelectBy::Rule(pattern.into())
}

fn tagged(tag: &str) -> SelectBy {
    SelectBy::Tag(tag.into())
}

#[test]
fn the_last_selection_that_fits_decides() {
    let text = rule("shell one", "evt.type = open", "  tags: [shell, host]\n")
        + &rule("shell two", "evt.type = open", "  tags: [shell]\n  enabled: false\n")
        + &rule("other", "evt.type = open", "  tags: [host]\n");
    let tried = |selections: Vec<Selection>| {
        let options = Options { selections, ..Options::default() };
        let set = load_with(&[&text], options).unwrap();
        assert!(set.idle_selections().is_empty());
        set.rules().map(|r| r.name.to_string()).collect::<Vec<_>>()
    };
    assert_eq!(tried(vec![]), ["shell one", "other"]);
    assert_eq!(
        tried(vec![select(true, rules_named("shell*"))]),
        ["shell one", "shell two", "other"]
    );
    assert_eq!(tried(vec![select(false, tagged("shell"))]), ["other"]);
    let all_but = |last| vec![select(false, rules_named("*")), select(true, last)];
    assert_eq!(tried(all_but(tagged("shell"))), ["shell one", "shell two"]);
    assert_eq!(tried(all_but(rules_named("shell two"))), ["shell two"]);
    assert_eq!(tried(all_but(rules_named("*o*"))), ["shell one", "shell two", "other"]);
    let reversed: Vec<_> = all_but(tagged("host")).into_iter().rev().collect();
    assert_eq!(tried(reversed), [""; 0]);
}

#[test]
fn a_less_severe_rule_is_not_enabled_by_name() {
    let selections = vec![select(true, rules_named("a"))];
    let options = Options { selections, min_priority: Priority::Error, ..Options::default() };
    let set = load_with(&[&rule("a", "evt.type = open", "")], options).unwrap();
    assert_eq!(set.rules().len(), 0);
}

#[test]
fn a_selection_without_rules_names_the_nearest() {
    let text = rule("Terminal shell", "evt.type = open", "  tags: [network]\n");
    let selections = vec![
        select(false, rules_named("Terminal shel")),
        select(true, tagged("netwrok")),
        select(true, rules_named("x*")),
        select(true, tagged("network")),
    ];
    let set = load_with(&[&text], Options { selections, ..Options::default() }).unwrap();
    let idle: Vec<String> = set.idle_selections().iter().map(ToString::to_string).collect();
    assert_eq!(
        idle,
        [
            "disable rule \"Terminal shel\": no rule has this name; did you mean \"Terminal shell\"?",
            "enable tag \"netwrok\": no rule has this tag; did you mean \"network\"?",
            "enable rule \"x*\": no rule has this name",
        ]
    );
}

#[test]
fn an_exception_keeps_a_rule_from_matching() {
    let exception = "  exceptions:\n    - name: e\n      fields: [proc.name]\n      comps: [in]\n      values: [[[cat, dog]]]\n";
    let first = rule("a", "evt.type = close or evt.type = open", exception);
    let set = load(&[&first]).unwrap();
    assert_eq!((matched(&set, "cat"), matched(&set, "bird")), (vec![], vec!["a".into()]));
    let more = "- rule: a\n  exceptions:\n    - name: e\n      values: [[bird]]\n  override: {exceptions: append}\n";
    let set = load(&[&first, more]).unwrap();
    assert!(matched(&set, "bird").is_empty());
    assert_eq!(set.rules().next().unwrap().exceptions, ["e".into()]);
}

#[test]
fn required_plugins_are_taken_for_granted_with_their_sources() {
    let text = "- required_plugin_versions:\n    - {name: k8saudit, version: 0.7.0, alternatives: [{name: k8saudit-eks, version: 0.4.0}]}\n    - {name: json, version: 0.7.0, alternatives: [{name: container, version: 9.0.0}]}\n".to_owned()
        + &rule("a", "evt.type = open", "");
    let Err(errors) = load(&[&text]) else { panic!("no such plugin is built in") };
    let lines: Vec<String> = errors.iter().map(RuleError::one_line).collect();
    let needed = "plugin requirement not satisfied, must load one of: k8saudit (>= 0.7.0), k8saudit-eks (>= 0.4.0)";
    assert_eq!(lines, [format!("first.yaml:2:7: LOAD_ERR_VALIDATE: {needed}")]);
    let options = Options { sources: vec!["k8s_audit".into()], ..Options::default() };
    assert!(load_with(&[&text], options).is_ok());
}
