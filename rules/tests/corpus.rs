//! The official rule files and the recorded conditions: not everything they use is there yet, but nothing else may be
//! wrong with them. The corpus is found through `PEREGRINE_CORPUS`.

use std::path::{Path, PathBuf};

use rules::{Options, Problem, RuleError, Ruleset, Source};

fn corpus() -> Option<PathBuf> {
    let dir = std::env::var_os("PEREGRINE_CORPUS").map(PathBuf::from);
    if dir.is_none() {
        eprintln!("skipped: rules/tests/corpus.rs: PEREGRINE_CORPUS is not set");
    }
    dir
}

/// What later versions bring.
fn is_to_come(error: &RuleError) -> bool {
    matches!(error.problem, Problem::UnknownField(_))
}

#[test]
fn official_files_fail_only_for_what_is_to_come() {
    let Some(corpus) = corpus() else { return };
    let source = |name: &str| Source {
        name: name.into(),
        text: std::fs::read_to_string(Path::new(&corpus).join("rules").join(name)).unwrap(),
    };
    let official = ["falco_rules.yaml", "falco-incubating_rules.yaml"];
    for names in [&official[..1], &official[1..], &official[..]] {
        let sources = names.iter().map(|n| source(n)).collect();
        let Err(errors) = Ruleset::load(sources, Options::default()) else { continue };
        for error in errors {
            // A macro that failed fails its users silently, so that these are all causes.
            assert!(is_to_come(&error), "{error}");
        }
    }
}

#[test]
fn recorded_conditions_compile_or_are_refused_as_recorded() {
    let Some(corpus) = corpus() else { return };
    let text = std::fs::read_to_string(corpus.join("conditions.json")).unwrap();
    let recorded: Vec<serde_json::Value> = serde_json::from_str(&text).unwrap();
    let (mut n_compiled, mut n_refused, mut n_to_come) = (0, 0, 0);
    for entry in &recorded {
        let condition = entry["condition"].as_str().unwrap();
        // JSON strings are YAML strings.
        let quoted = serde_json::to_string(condition).unwrap();
        let text =
            format!("- rule: r\n  desc: d\n  condition: {quoted}\n  output: o\n  priority: INFO\n");
        let source = Source { name: "recorded".into(), text };
        match (
            entry["compiles"].as_bool().unwrap(),
            Ruleset::load(vec![source], Options::default()),
        ) {
            (true, Ok(_)) => n_compiled += 1,
            (false, Err(errors)) if errors.iter().any(|e| !is_to_come(e)) => n_refused += 1,
            (_, Err(errors)) if errors.iter().all(is_to_come) => n_to_come += 1,
            (expected, result) => panic!("{condition}: compiles should be {expected}: {result:?}"),
        }
    }
    eprintln!("{n_compiled} compiled, {n_refused} refused, {n_to_come} use what is to come");
    assert!(n_compiled >= 100 && n_refused >= 30, "{n_compiled} compiled, {n_refused} refused");
}
