//! Which conditions compile: those recorded from Falco (found through `PEREGRINE_CORPUS`), and a table of our own with
//! a row for each statement of the language.

use rules::{Options, RuleError, Ruleset, Source};

fn load(condition: &str) -> Result<Ruleset, Vec<RuleError>> {
    // JSON strings are YAML strings.
    let condition = serde_json::to_string(condition).unwrap();
    let text =
        format!("- rule: r\n  desc: d\n  condition: {condition}\n  output: o\n  priority: INFO\n");
    Ruleset::load(vec![Source { name: "t".into(), text }], Options::default())
}

/// Empty where the outcome is as expected.
fn mismatch(condition: &str, compiles: bool) -> Option<String> {
    match (load(condition), compiles) {
        (Ok(_), true) | (Err(_), false) => None,
        (Ok(_), false) => Some(format!("compiles, and should not: {condition}")),
        (Err(errors), true) => {
            let why: Vec<String> = errors.iter().map(RuleError::one_line).collect();
            Some(format!("should compile: {condition}\n    {}", why.join("\n    ")))
        }
    }
}

#[test]
fn recorded_conditions_compile_or_are_refused_as_recorded() {
    let Some(corpus) = std::env::var_os("PEREGRINE_CORPUS") else {
        eprintln!("skipped: rules/tests/conditions.rs: PEREGRINE_CORPUS is not set");
        return;
    };
    let path = std::path::Path::new(&corpus).join("conditions.json");
    let recorded: Vec<serde_json::Value> =
        serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap();
    let compiles = |entry: &serde_json::Value| entry["compiles"].as_bool().unwrap();
    let wrong: Vec<String> = recorded
        .iter()
        .filter_map(|e| mismatch(e["condition"].as_str().unwrap(), compiles(e)))
        .collect();
    let n_refused = recorded.iter().filter(|e| !compiles(e)).count();
    assert!(recorded.len() >= 225 && n_refused >= 78, "{} recorded", recorded.len());
    assert!(wrong.is_empty(), "{} of {}:\n{}", wrong.len(), recorded.len(), wrong.join("\n"));
}
