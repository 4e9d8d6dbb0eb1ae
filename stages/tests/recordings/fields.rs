//! `fields.json.gz`: what Falco says of sampled events, field by field.

use std::collections::HashMap;

use flate2::read::GzDecoder;
use serde_json::{Map, Value};

use crate::differences::Differences;
use crate::replayed::{CAPTURES, Values, corpus, replayed};

/// Least share of values that have to be equal, in percent.
const MIN_EQUAL: usize = 99;

/// Compares the fields whose names begin with one of these, and all that tell an event.
fn compare(test: &str, families: &[&str]) {
    let Some(corpus) = corpus() else { return };
    let file = std::fs::File::open(corpus.join("fields.json.gz")).unwrap();
    let samples: HashMap<String, Vec<Map<String, Value>>> =
        serde_json::from_reader(GzDecoder::new(file)).unwrap();
    let mut differences = Differences::of(test);
    let (mut n, mut n_equal) = (0, 0);
    for capture in CAPTURES {
        let samples = &samples[&format!("{capture}.scap")];
        let is_ours = |name: &&str| families.iter().any(|f| name.starts_with(f));
        let fields: Vec<&str> = samples[0].keys().map(String::as_str).filter(is_ours).collect();
        let mut ours: HashMap<_, Values> = HashMap::new();
        for (id, values) in replayed(&corpus.join(format!("scap/{capture}.scap")), &fields) {
            ours.entry(id).or_insert(values);
        }
        for sample in samples {
            let number = |name: &str| sample[name].as_u64().unwrap();
            let ty = sample["evt.type"].as_str().unwrap();
            let id = (number("evt.time"), number("thread.tid"), ty.to_owned());
            n += fields.len();
            let Some(values) = ours.get(&id) else {
                differences.add([capture, ty, "-"], || format!("  no event {id:?}"));
                continue;
            };
            for &field in &fields {
                let (theirs, ours) = (&sample[field], &values[field]);
                if theirs == ours {
                    n_equal += 1;
                } else {
                    differences.add([capture, ty, field], || {
                        format!("  event {}\n  theirs {theirs}\n  ours   {ours}", sample["evt.num"])
                    });
                }
            }
        }
    }
    eprintln!("{test}: {n_equal} of {n} values are equal");
    differences.check();
    assert!(n_equal * 100 >= n * MIN_EQUAL, "{n_equal} of {n} values are equal");
}

#[test]
fn events_and_descriptors_have_the_values_that_falco_gives() {
    compare("events", &["evt.", "fd.", "fs.path."]);
}

#[test]
fn processes_and_users_have_the_values_that_falco_gives() {
    compare("processes", &["proc.", "thread.", "user.", "group."]);
}
