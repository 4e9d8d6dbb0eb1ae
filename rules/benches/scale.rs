//! Time per event with 25, 100, 400 and 1,000 rules.
//!
//! Over events of made-up hosts and, where `PEREGRINE_CORPUS` is set, over recorded ones; of both those that some rule asks for.

mod common;
#[path = "common/recorded.rs"]
mod recorded;

use std::hint::black_box;
use std::path::PathBuf;
use std::time::Duration;

use common::events::{self, Event};
use common::official_like;
use criterion::{Criterion, Throughput};
use rules::{Options, RuleMatching, Ruleset, Source};

const N_RULES: [usize; 4] = [25, 100, 400, 1_000];

fn load(text: String) -> Ruleset {
    let source = Source { name: "rules.yaml".into(), text };
    let options = Options { matching: RuleMatching::All, ..Options::default() };
    Ruleset::load(vec![source], options).unwrap_or_else(|e| panic!("{}", e[0]))
}

/// Matches of the rules one by one, against which those of all together are held.
fn matches_alone(text: &str, events: &[Event]) -> usize {
    let (shared, rules) = text.split_at(text.find("- rule:").expect("there are rules"));
    rules
        .split_inclusive("priority: WARNING\n")
        .map(|rule| {
            let set = load(format!("{shared}{rule}"));
            let mut scratch = set.scratch();
            events.iter().map(|e| set.evaluate(e.ty, e, &mut scratch).len()).sum::<usize>()
        })
        .sum()
}

fn measure(c: &mut Criterion, name: &str, events: &[Event]) {
    let mut group = c.benchmark_group(name);
    for n in N_RULES {
        let text = official_like::rules(n);
        let set = load(text.clone());
        let asked: Vec<&Event> = events.iter().filter(|e| set.interest().contains(e.ty)).collect();
        group.throughput(Throughput::Elements(asked.len() as u64));
        let mut scratch = set.scratch();
        let mut pass = move || {
            let mut n_matches = 0;
            for &event in &asked {
                n_matches +=
                    set.evaluate(black_box(event.ty), black_box(event), &mut scratch).len();
            }
            n_matches
        };
        let n_matches = pass();
        if n <= 100 {
            assert_eq!(n_matches, matches_alone(&text, events), "{name} with {n} rules");
        }
        group.bench_function(n.to_string(), |b| b.iter(|| assert_eq!(pass(), n_matches)));
    }
    group.finish();
}

fn main() {
    let mut c = Criterion::default()
        .warm_up_time(Duration::from_millis(500))
        .measurement_time(Duration::from_secs(2))
        .configure_from_args();
    measure(&mut c, "made_up", &events::made_up());
    match std::env::var_os("PEREGRINE_CORPUS").map(PathBuf::from) {
        Some(corpus) => measure(&mut c, "recorded", &recorded::events(&corpus)),
        None => eprintln!("skipped: recorded events: PEREGRINE_CORPUS is not set"),
    }
    c.final_summary();
}
