//! Validation results: what each file answers for, and where its findings stand.

use rules::{FileResult, Options, Source, Unread, validate};

fn check(files: &[&str]) -> Vec<FileResult> {
    let source = |(i, text): (usize, &&str)| {
        Ok(Source { name: format!("{i}.yaml"), text: (*text).to_owned() })
    };
    validate(files.iter().enumerate().map(source).collect(), &Options::default())
}

fn codes(result: &FileResult) -> Vec<&'static str> {
    result.errors.iter().chain(&result.warnings).map(|f| f.code).collect()
}

const USES: &str =
    "- rule: r\n  desc: d\n  condition: m and proc.name in (l)\n  output: o\n  priority: INFO\n";
const DEFINES: &str = "- macro: m\n  condition: evt.type = open\n- list: l\n  items: [a]\n";

#[test]
fn a_file_answers_for_all_that_is_known_by_then() {
    let results = check(&[DEFINES, DEFINES, USES]);
    let unused = ["LOAD_UNUSED_MACRO", "LOAD_UNUSED_LIST"];
    assert_eq!(codes(&results[0]), unused);
    assert_eq!(codes(&results[1]), unused);
    assert_eq!(codes(&results[2]), [""; 0]);
    let summaries: Vec<String> = results.iter().map(FileResult::summary).collect();
    assert_eq!(summaries, ["0.yaml: Ok, with warnings", "1.yaml: Ok, with warnings", "2.yaml: Ok"]);
}

#[test]
fn what_a_file_reads_like_is_its_own_affair_and_what_it_compiles_to_everybodys() {
    let misread = "- rule: q\n  desc: d\n";
    let broken = "- rule: b\n  desc: d\n  condition: proc.nam = x\n  output: o\n  priority: INFO\n";
    let fine =
        "- rule: f\n  desc: d\n  condition: evt.type = open\n  output: o\n  priority: INFO\n";
    let results = check(&[misread, fine, broken, fine]);
    assert_eq!(codes(&results[0]), ["LOAD_ERR_YAML_VALIDATE"]);
    assert_eq!(codes(&results[1]), [""; 0]);
    for result in &results[2..] {
        assert_eq!(codes(result), ["LOAD_ERR_COMPILE_CONDITION"]);
        assert_eq!(result.errors[0].context.locations[0].position.name, "2.yaml");
    }
}

#[test]
fn a_rule_of_another_source_is_told_by_its_file() {
    let elsewhere = USES.replace("m and proc.name in (l)", "evt.num > 1") + "  source: cloud\n";
    let results = check(&[&elsewhere, ""]);
    assert_eq!(codes(&results[0]), ["LOAD_UNKNOWN_SOURCE"]);
    assert_eq!(codes(&results[1]), [""; 0]);
}

#[test]
fn a_file_that_cannot_be_read_leaves_the_others_as_they_are() {
    let source = Source { name: "b".to_owned(), text: DEFINES.to_owned() + USES };
    let unread = Unread { name: "a".to_owned(), why: "no".to_owned() };
    let results = validate(vec![Err(unread), Ok(source)], &Options::default());
    assert_eq!(codes(&results[0]), ["LOAD_ERR_FILE_READ"]);
    assert_eq!(results[0].schema_warnings, ["none"]);
    assert_eq!(results[1].summary(), "b: Ok");
}

#[test]
fn keys_are_sorted_and_known() {
    let results =
        check(&["- rule: r\n  desc: d\n  condition: x.y = 1\n  output: o\n  priority: info\n"]);
    let text = serde_json::to_string(&results).unwrap();
    let sorted: serde_json::Value = serde_json::from_str(&text).unwrap();
    assert_eq!(text, sorted.to_string());
    let keys = |v: &serde_json::Value| {
        v.as_object().unwrap().keys().cloned().collect::<Vec<String>>().join(" ")
    };
    let file = &sorted[0];
    assert_eq!(keys(file), "errors name schema_valid schema_warnings successful warnings");
    let error = &file["errors"][0];
    assert_eq!(keys(error), "code codedesc context message");
    assert_eq!(keys(&error["context"]), "locations snippet");
    let location = &error["context"]["locations"][0];
    assert_eq!(keys(location), "item_name item_type position");
    assert_eq!(keys(&location["position"]), "column line name offset");
}

/// Each file has one finding, whose chain is told from the outside in, with the names that links have.
#[test]
fn findings_tell_what_they_stand_in() {
    let rule = |key: &str| {
        format!(
            "- rule: r\n  desc: d\n  condition: evt.type = open\n  output: o\n  priority: INFO\n{key}"
        )
    };
    let after = |more: &str| format!("{}{more}", rule(""));
    for (text, chain) in [
        ("[", "rules content > value for"),
        ("a: b", "rules content"),
        ("- [a]", "rules content > rules content item"),
        ("- nothing: a", "rules content > rules content item"),
        (
            "- required_engine_version: x",
            "rules content > required_engine_version > value for 'required_engine_version'",
        ),
        (
            "- required_plugin_versions:\n  - name: json\n    version: x",
            "rules content > required plugin versions > required plugin versions entry 'json' > value for 'version'",
        ),
        (
            "- required_plugin_versions:\n  - name: json\n    version: 0.1.0\n    alternatives:\n    - name: other\n      version: x",
            "rules content > required plugin versions > required plugin versions entry 'json' \
             > required plugin versions alternative 'other' > value for 'version'",
        ),
        ("- list: l\n  items: [[a]]", "rules content > list 'l' > value for 'items' > list item"),
        (
            "- macro: m\n  condition: evt.type =",
            "rules content > macro 'm' > macro condition > condition expression",
        ),
        (&rule("  enabled: maybe"), "rules content > rule 'r' > value for 'enabled'"),
        (&rule("  tags: [[a]]"), "rules content > rule 'r' > value for 'tags' > list item"),
        (
            &rule("").replace("evt.type = open", "proc.nam = x"),
            "rules content > rule 'r' > rule condition > condition expression",
        ),
        (
            &rule("").replace("evt.type = open", "undefined"),
            "rules content > rule 'r' > condition expression",
        ),
        (
            &rule("").replace("output: o", "output: '%proc.nam'"),
            "rules content > rule 'r' > rule output",
        ),
        (&rule("").replace("INFO", "LOUD"), "rules content > rule 'r' > rule priority"),
        (
            &after("- rule: r\n  desc: e\n  override: {desc: change}"),
            "rules content > rule 'r' > overrides > overrides 'desc'",
        ),
        (
            &after("- rule: r\n  priority: INFO\n  override: {priority: append}"),
            "rules content > rule 'r' > overrides > overrides 'priority'",
        ),
        (&rule("  exceptions: x"), "rules content > rule 'r' > exceptions"),
        (
            &rule("  exceptions:\n  - name: e\n    fields: proc.nam"),
            "rules content > rule 'r' > exceptions > exception 'e' > value for 'fields'",
        ),
        (
            &rule(
                "  exceptions:\n  - name: e\n    fields: [proc.name, proc.pid]\n    values:\n    - [a]",
            ),
            "rules content > rule 'r' > exceptions > exception 'e' > exception values > exception value",
        ),
    ] {
        let results = check(&[text]);
        let findings: Vec<_> = results[0].errors.iter().chain(&results[0].warnings).collect();
        let [finding] = findings[..] else { panic!("{text}: {findings:?}") };
        let links = finding.context.locations.iter().map(|l| match &*l.item_name {
            "" => l.item_type.to_owned(),
            name => format!("{} '{name}'", l.item_type),
        });
        assert_eq!(links.collect::<Vec<_>>().join(" > "), chain, "{text}");
    }
}
