//! What rules cost: time and runs per rule, counted while a profile is asked for.

use crate::eval::RuleId;

/// What evaluating has cost, by rule in order of definition. Made by [`crate::Ruleset::costs`].
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RuleCosts {
    /// Events that were timed.
    pub n_events: u64,
    /// Time for what rules ask in common, in which most of them are ruled out.
    pub shared_ns: u64,
    /// Per rule.
    pub rules: Vec<RuleCost>,
}

/// What one rule has cost. An answer that several rules need is paid by the one that asks first.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct RuleCost {
    /// Events for which its condition was run, those left out that ruled it out in common with others.
    pub n_runs: u64,
    /// Time of these runs.
    pub ns: u64,
}

impl RuleCosts {
    pub(crate) fn new(n_rules: usize) -> Self {
        Self { rules: vec![RuleCost::default(); n_rules], ..Self::default() }
    }

    /// Adds what another thread has measured with the same ruleset.
    pub fn add(&mut self, other: &Self) {
        let Self { n_events, shared_ns, rules } = other;
        self.n_events += n_events;
        self.shared_ns += shared_ns;
        for (mine, &RuleCost { n_runs, ns }) in self.rules.iter_mut().zip(rules) {
            mine.n_runs += n_runs;
            mine.ns += ns;
        }
    }
}

/// Told what evaluation is at.
pub(crate) trait Meter {
    /// An event begins.
    fn event(&mut self);
    /// What rules ask in common is done.
    fn shared(&mut self);
    /// A rule is done.
    fn rule(&mut self, rule: RuleId);
}

/// Measures nothing and costs nothing.
pub(crate) struct Untimed;

impl Meter for Untimed {
    fn event(&mut self) {}
    fn shared(&mut self) {}
    fn rule(&mut self, _: RuleId) {}
}

/// Adds the time since the last reading to what was done in it.
pub(crate) struct Timed<'c, C> {
    /// Nanoseconds.
    pub(crate) clock: C,
    pub(crate) last_ns: u64,
    pub(crate) costs: &'c mut RuleCosts,
}

impl<C: FnMut() -> u64> Timed<'_, C> {
    fn lap(&mut self) -> u64 {
        let now_ns = (self.clock)();
        now_ns.saturating_sub(std::mem::replace(&mut self.last_ns, now_ns))
    }
}

impl<C: FnMut() -> u64> Meter for Timed<'_, C> {
    fn event(&mut self) {
        self.last_ns = (self.clock)();
        self.costs.n_events += 1;
    }

    fn shared(&mut self) {
        self.costs.shared_ns += self.lap();
    }

    fn rule(&mut self, rule: RuleId) {
        let ns = self.lap();
        if let Some(cost) = self.costs.rules.get_mut(rule.0 as usize) {
            cost.n_runs += 1;
            cost.ns += ns;
        }
    }
}
