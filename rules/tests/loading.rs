//! Loading is quick, and twice the rules take little more than twice the time.

#[path = "../benches/common/official_like.rs"]
mod official_like;
#[path = "../benches/common/random.rs"]
mod random;

use std::path::PathBuf;
use std::time::{Duration, Instant};

use rules::{Options, Ruleset, Source};

/// Release builds are held to the figures in `docs/journal/2026-11-22-thousand-rules.md`; a debug build on a busy machine gets this much more.
const SLACK: u32 = if cfg!(debug_assertions) { 20 } else { 3 };

/// The best of three loads.
fn load_time(sources: &[Source]) -> Duration {
    let time = |_| {
        let sources = sources.to_vec();
        let start = Instant::now();
        let set = Ruleset::load(sources, Options::default());
        let taken = start.elapsed();
        let set = set.unwrap_or_else(|e| panic!("{}", e[0]));
        assert!(set.rules().len() > 0);
        taken
    };
    (0..3).map(time).min().expect("three loads")
}

fn generated(n: usize) -> Duration {
    let source = Source { name: "many.yaml".into(), text: official_like::rules(n) };
    load_time(&[source])
}

#[test]
fn a_thousand_rules_load_within_a_second() {
    let (quarter, whole) = (generated(250), generated(1_000));
    eprintln!("250 rules: {quarter:?}, 1,000 rules: {whole:?}");
    assert!(whole <= Duration::from_secs(1) * SLACK, "{whole:?}");
    // Fourfold; a quadratic part would make it sixteenfold.
    assert!(whole <= quarter * 10, "250 rules: {quarter:?}, 1,000 rules: {whole:?}");
}

#[test]
fn the_official_rules_load_within_a_tenth_of_a_second() {
    let Some(corpus) = std::env::var_os("PEREGRINE_CORPUS").map(PathBuf::from) else {
        eprintln!("skipped: rules/tests/loading.rs: PEREGRINE_CORPUS is not set");
        return;
    };
    let sources = ["falco_rules.yaml", "falco-incubating_rules.yaml"].map(|name| Source {
        name: name.into(),
        text: std::fs::read_to_string(corpus.join("rules").join(name)).expect("the corpus has it"),
    });
    let taken = load_time(&sources);
    eprintln!("official rules: {taken:?}");
    assert!(taken <= Duration::from_millis(100) * SLACK, "{taken:?}");
}
