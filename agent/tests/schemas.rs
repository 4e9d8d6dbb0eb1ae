//! The JSON schemas that the program prints, held against files that are good and files that are not.

mod common;

use std::path::{Path, PathBuf};
use std::process::Command;

use common::{PEREGRINE, skip};
use jsonschema::Validator;
use serde_json::Value;

fn schema(flag: &str) -> Validator {
    let out = Command::new(PEREGRINE).arg(flag).output().expect("the program starts");
    assert!(out.status.success(), "{}", String::from_utf8_lossy(&out.stderr));
    let schema: Value = serde_json::from_slice(&out.stdout).expect("JSON");
    assert!(jsonschema::meta::is_valid(&schema), "{flag} prints no schema");
    jsonschema::draft7::new(&schema).expect("a schema")
}

fn repository(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..").join(path)
}

fn errors(schema: &Validator, file: &Path) -> Vec<String> {
    let text = std::fs::read_to_string(file).expect("the file is there");
    let value: Value = serde_yaml::from_str(&text).expect("YAML");
    schema.iter_errors(&value).map(|e| format!("{}: {e}", e.instance_path())).collect()
}

#[test]
fn configurations_fit_the_schema_or_are_refused() {
    let schema = schema("--config-schema");
    let good = [
        "docs/peregrine.yaml",
        "agent/tests/golden/config/shipped.yaml",
        "agent/tests/golden/config/main.yaml",
    ];
    for file in good {
        assert_eq!(errors(&schema, &repository(file)), [""; 0], "{file}");
    }
    let wrong = errors(&schema, &repository("agent/tests/golden/config/falco.yaml"));
    assert_eq!(wrong.len(), 2, "{wrong:?}");
    assert!(wrong[0].starts_with("/json_output: \"maybe\""), "{wrong:?}");
    assert!(wrong[1].starts_with("/peregrine: ") && wrong[1].contains("'shrads'"), "{wrong:?}");
}

#[test]
fn rule_files_fit_the_schema_or_are_refused() {
    let schema = schema("--rule-schema");
    let mut good = vec![
        repository("rules/rulesets/default.yaml"),
        repository("agent/tests/golden/rules/web.yaml"),
    ];
    match std::env::var_os("PEREGRINE_CORPUS") {
        Some(corpus) => {
            let folder =
                std::fs::read_dir(Path::new(&corpus).join("rules")).expect("the corpus has rules");
            let official = folder.map(|entry| entry.expect("it can be read").path());
            let official: Vec<_> =
                official.filter(|p| p.extension().is_some_and(|e| e == "yaml")).collect();
            assert!(official.len() >= 2, "{official:?}");
            good.extend(official);
        }
        None => skip("rule_files_fit_the_schema_or_are_refused", "PEREGRINE_CORPUS is not set"),
    }
    for file in good {
        assert_eq!(errors(&schema, &file), [""; 0], "{}", file.display());
    }
    let wrong = errors(&schema, &repository("agent/tests/golden/rules/mistake.yaml"));
    assert_eq!(wrong.len(), 1, "{wrong:?}");
    assert!(wrong[0].contains("'tag'"), "{wrong:?}");
}

/// What validation says of a file's shape is what the schema says.
#[test]
fn the_schema_says_what_validation_says() {
    let schema = schema("--rule-schema");
    let dir = tempfile::tempdir().expect("a folder");
    for (n, (text, is_good)) in [
        ("- list: l\n  items: [a, 5, true, null]\n", true),
        ("- list: l\n  items: a\n", false),
        ("- rule: r\n  priority: warning\n", false),
        ("- rule: r\n  priority: INFO\n  enabled: false\n  capture_duration: 5\n", true),
        ("- rule: r\n  enabled: 'yes'\n", false),
        ("- rule: r\n  capture_duration: 1.5\n", false),
        ("- rule: r\n  exceptions: [{name: a, fields: b, values: [[c]]}]\n", true),
        ("- rule: r\n  exceptions: [{fields: b}]\n", false),
        ("- rule: r\n  override: {}\n", false),
        ("- rule: r\n  override: {tags: append}\n", true),
        ("- rule: r\n  override: {tags: add}\n", false),
        ("- required_plugin_versions: [{name: a, version: 1, alternatives: [{name: b, version: 2}]}]\n", true),
        ("- required_plugin_versions: [{name: a}]\n", false),
        ("- rul: r\n", false),
        ("rule: r\n", false),
    ]
    .into_iter()
    .enumerate()
    {
        let file = dir.path().join(format!("{n}.yaml"));
        std::fs::write(&file, text).expect("it can be written");
        assert_eq!(errors(&schema, &file).is_empty(), is_good, "{text}");
        let source = rules::Source { name: "f.yaml".into(), text: text.into() };
        let told = rules::validate(vec![Ok(source)], &rules::Options::default());
        let told = serde_json::to_value(&told[0]).expect("JSON");
        assert_eq!(told["schema_warnings"] == serde_json::json!(["ok"]), is_good, "{told}");
    }
}
