//! Rules at work on one shard: the compiled rules, the memory that evaluating them takes, and how often each matched.

use std::sync::Arc;

use event::EventSet;
use perf::Tally;
use rules::{MatchScratch, NameView, RuleId, RuleMatching, Ruleset};

/// What a shard evaluates events with; replaced as a whole.
pub(crate) struct Engine {
    pub(crate) ruleset: Arc<Ruleset>,
    pub(crate) interest: EventSet,
    /// Whether any rule reads a file's name, so that both spellings count.
    pub(crate) reads_names: bool,
    pub(crate) matching: RuleMatching,
    pub(crate) scratch: MatchScratch,
    /// Rules that matched the event at hand, with the spelling that made them.
    pub(crate) matched: Vec<(RuleId, Option<NameView>)>,
    /// How often each rule matched; the shard alone writes it.
    pub(crate) n_matches: Arc<Tally>,
}

impl Engine {
    pub(crate) fn new(ruleset: Arc<Ruleset>, matching: RuleMatching) -> Self {
        let n_rules = ruleset.rules().len();
        Self {
            interest: ruleset.interest(),
            reads_names: ruleset.uses_fd_name(),
            matching,
            scratch: ruleset.scratch(),
            matched: Vec::with_capacity(n_rules),
            n_matches: Arc::new(Tally::new(n_rules)),
            ruleset,
        }
    }
}
