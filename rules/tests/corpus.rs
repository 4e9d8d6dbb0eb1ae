//! The official rule files: not everything they use is there yet, but nothing else may be wrong with them.

use std::path::Path;

use rules::{Options, Problem, Ruleset, Source};

#[test]
fn official_files_fail_only_for_what_is_not_supported() {
    let Some(corpus) = std::env::var_os("PEREGRINE_CORPUS") else {
        eprintln!("skipped: PEREGRINE_CORPUS is not set");
        return;
    };
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
            let expected =
                matches!(error.problem, Problem::UnknownField(_) | Problem::Unsupported(_));
            assert!(expected, "{error}");
        }
    }
}
