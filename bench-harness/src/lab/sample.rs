//! What one run of one engine gave: a line of a record.

use std::collections::BTreeMap;

use anyhow::{Context as _, Result};
use perf::Snapshot;
use serde::{Deserialize, Serialize};

use super::figure::{Figures, Summary, find};

/// One run.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct Sample {
    pub(crate) bench: String,
    pub(crate) engine: String,
    pub(crate) round: u32,
    /// Measured.
    pub(crate) figures: Figures,
    /// Counted: what the storm did, what the engine was given of it.
    #[serde(default)]
    pub(crate) counts: BTreeMap<String, u64>,
    /// Events that the engine lost, by reason.
    #[serde(default)]
    pub(crate) drops: BTreeMap<String, u64>,
    /// What was not as the definition says; such a run counts for nothing.
    #[serde(default)]
    pub(crate) wrong: Vec<String>,
}

/// What the kernel side of an engine did with the events of a window.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Window {
    /// Given to user space.
    pub(crate) n_written: u64,
    /// Turned away because no rule could match.
    pub(crate) n_rejected: u64,
    pub(crate) drops: BTreeMap<String, u64>,
}

impl Window {
    /// Between two answers.
    ///
    /// # Errors
    /// They do not come from an agent.
    pub(crate) fn between(before: &Snapshot, after: &Snapshot) -> Result<Self> {
        let since = after.since(before);
        let kernel = since.hops.iter().find(|h| h.name == "kernel");
        let kernel = kernel.context("the answer has no hop \"kernel\"")?;
        let rejected = kernel.aside.iter().filter(|r| r.reason == "rejected").map(|r| r.n).sum();
        let drops = kernel.dropped.iter().filter(|r| r.n > 0);
        Ok(Self {
            n_written: kernel.output,
            n_rejected: rejected,
            drops: drops.map(|r| (r.reason.clone(), r.n)).collect(),
        })
    }

    /// What the rules asked for.
    pub(crate) fn n_seen(&self) -> u64 {
        self.n_written + self.n_rejected + self.drops.values().sum::<u64>()
    }
}

/// A figure of an engine in a benchmark over all rounds that are as they should be.
pub(crate) fn summary(
    samples: &[Sample],
    bench: &str,
    engine: &str,
    figure: &str,
) -> Option<Summary> {
    let good = samples.iter().filter(|s| s.wrong.is_empty());
    let of = good.filter(|s| s.bench == bench && s.engine == engine);
    let rounds: Vec<f64> = of.filter_map(|s| s.figures.get(figure).copied()).collect();
    Summary::of(rounds, find(figure)?.better)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::lab::figure::Statistic;

    fn sample(engine: &str, ns: f64, wrong: &str) -> Sample {
        Sample {
            bench: "b".to_owned(),
            engine: engine.to_owned(),
            figures: Figures::from([("ns_per_call".to_owned(), ns)]),
            wrong: if wrong.is_empty() { Vec::new() } else { vec![wrong.to_owned()] },
            ..Sample::default()
        }
    }

    #[test]
    fn runs_that_went_wrong_count_for_nothing() {
        let samples = [sample("e", 3.0, ""), sample("e", 1.0, "x"), sample("f", 2.0, "")];
        let summary = summary(&samples, "b", "e", "ns_per_call").unwrap();
        assert_eq!((summary.n(), summary.get(Statistic::Best).to_bits()), (1, 3f64.to_bits()));
        assert!(super::summary(&samples, "b", "g", "ns_per_call").is_none());
    }

    #[test]
    fn a_window_is_what_came_between_two_answers() {
        let snapshot = |written: u64, full: u64| {
            let mut registry = perf::Registry::new();
            registry.external(["w", "r", "f", "g", "s"], move |out| {
                for (name, n) in [("w", written), ("r", 7), ("f", full), ("g", 0)] {
                    out.count(name, n);
                }
                out.count("s", written + 7 + full);
            });
            let hop = perf::Hop::new("kernel").input("s").output("w").aside("rejected", "r");
            registry.hop(hop.dropped("ring_full", "f").dropped("no_ring", "g"));
            registry.snapshot(perf::Moment::Final)
        };
        let window = Window::between(&snapshot(10, 1), &snapshot(30, 5)).unwrap();
        let drops = BTreeMap::from([("ring_full".to_owned(), 4)]);
        assert_eq!(window, Window { n_written: 20, n_rejected: 0, drops });
        assert_eq!(window.n_seen(), 24);
    }
}
