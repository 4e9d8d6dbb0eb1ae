//! What rules cost on running shards, measured on a sample of their events while somebody asks for it.

use std::sync::Arc;

use perf::Tally;
use rules::{RuleCost, RuleCosts, Ruleset};

/// Measures on one shard, of one ruleset.
pub(crate) struct Profiler {
    every: u32,
    left: u32,
    n_evaluations: u64,
    costs: RuleCosts,
    /// The shard's matches, and what they were at the start.
    matches: Arc<Tally>,
    before: Vec<u64>,
}

impl Profiler {
    /// Times one evaluation in `every`.
    pub(crate) fn new(ruleset: &Ruleset, every: u32, matches: Arc<Tally>) -> Self {
        let mut before = vec![0; ruleset.rules().len()];
        add(&mut before, &matches);
        let (every, costs) = (every.max(1), ruleset.costs());
        Self { every, left: 0, n_evaluations: 0, costs, matches, before }
    }

    /// Where to put the costs of the evaluation at hand, if it is one of the sample.
    #[inline]
    pub(crate) fn sampled(&mut self) -> Option<&mut RuleCosts> {
        self.n_evaluations += 1;
        let is_due = self.left == 0;
        self.left = if is_due { self.every } else { self.left } - 1;
        is_due.then_some(&mut self.costs)
    }
}

fn add(to: &mut [u64], matches: &Tally) {
    for (rule, n) in matches.cells() {
        if let Some(sum) = to.get_mut(rule) {
            *sum += n;
        }
    }
}

/// What a profile found, on all shards together.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RuleProfile {
    /// Evaluations while it was measured, timed or not. An event is evaluated once for each spelling of its name, and again where it had to wait
    /// for another shard.
    pub n_evaluations: u64,
    /// Costs of those that were timed, the readings of the clock included.
    pub costs: RuleCosts,
    /// Matches by rule, all of them.
    pub matches: Vec<u64>,
    /// Shards that have not answered.
    pub n_missing: usize,
}

impl RuleProfile {
    pub(crate) fn add(&mut self, profiler: &Profiler) {
        let Profiler { n_evaluations, costs, matches, before, .. } = profiler;
        self.n_evaluations += n_evaluations;
        if self.costs.rules.len() < costs.rules.len() {
            self.costs.rules.resize(costs.rules.len(), RuleCost::default());
            self.matches.resize(costs.rules.len(), 0);
        }
        self.costs.add(costs);
        add(&mut self.matches, matches);
        for (sum, before) in self.matches.iter_mut().zip(before) {
            *sum -= before;
        }
    }
}
