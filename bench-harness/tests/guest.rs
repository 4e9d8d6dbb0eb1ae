//! What goes into the guests of `peregrine-bench kernels` is right before anything is booted.

use std::process::Command;

#[test]
fn the_guests_rules_load() {
    let text = include_str!("../guest/rules.yaml").to_owned();
    let source = rules::Source { name: "rules.yaml".into(), text };
    let rules = rules::Ruleset::load(vec![source], rules::Options::default());
    let rules = rules.map_err(|e| e.iter().map(ToString::to_string).collect::<String>());
    let rules = rules.unwrap_or_else(|e| panic!("{e}"));
    assert_eq!(rules.rules().len(), 4);
}

#[test]
fn the_guests_script_is_a_script() {
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/guest/init");
    let status = Command::new("sh").arg("-n").arg(script).status().unwrap();
    assert!(status.success());
}
