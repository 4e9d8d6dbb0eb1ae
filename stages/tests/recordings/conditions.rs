//! `conditions.json`: how many events of each capture a condition matches in Falco.

use std::collections::HashMap;
use std::fmt::Write;

use rules::RuleMatching;
use serde::Deserialize;

use crate::differences::Differences;
use crate::replayed::{corpus, raised};
use crate::support::ruleset;

#[derive(Deserialize)]
struct Row {
    condition: String,
    compiles: bool,
    #[serde(default)]
    matches: HashMap<String, usize>,
}

#[test]
fn every_condition_matches_as_many_events_as_in_falco() {
    let Some(corpus) = corpus() else { return };
    let text = std::fs::read_to_string(corpus.join("conditions.json")).unwrap();
    let all: Vec<Row> = serde_json::from_str(&text).unwrap();
    let compiled: Vec<&Row> = all.iter().filter(|row| row.compiles).collect();
    assert!(compiled.len() > 100, "{} conditions", compiled.len());
    let mut text = String::new();
    for (n, row) in compiled.iter().enumerate() {
        let condition = serde_json::to_string(&row.condition).unwrap();
        writeln!(
            text,
            "- rule: \"{n}\"\n  desc: d\n  condition: {condition}\n  output: x\n  priority: INFO\n  warn_evttypes: false"
        )
        .unwrap();
    }
    let rules = ruleset(&text, RuleMatching::All);
    let mut differences = Differences::of("conditions");
    let captures: Vec<&String> = compiled[0].matches.keys().collect();
    assert_eq!(captures.len(), 4);
    let (mut n, mut n_equal) = (0, 0);
    for capture in captures {
        let mut counts = vec![0; compiled.len()];
        for alert in raised(&corpus.join(format!("scap/{capture}.scap")), &rules) {
            counts[alert.rule.name.parse::<usize>().unwrap()] += 1;
        }
        for (row, ours) in compiled.iter().zip(counts) {
            let theirs = row.matches[capture];
            n += 1;
            if ours == theirs {
                n_equal += 1;
            } else {
                differences.add([capture, "*", &row.condition], || {
                    format!("  theirs {theirs}\n  ours   {ours}")
                });
            }
        }
    }
    eprintln!("conditions: {n_equal} of {n} counts are equal");
    differences.check();
}
