//! Rules at work on one shard: the compiled rules, the memory that evaluating them takes, and how often each matched.

use std::sync::Arc;

use event::{EventSet, EventType, carries_state};
use perf::Tally;
use rules::{MatchScratch, NameView, RuleId, RuleMatching, Ruleset};

use crate::fields::EventFields;
use crate::profile::Profiler;
use crate::state::Wait;

/// What a shard evaluates events with; replaced as a whole.
pub(crate) struct Engine {
    pub(crate) ruleset: Arc<Ruleset>,
    pub(crate) interest: EventSet,
    /// Types of the events that are more than a header: rules ask for them, or they change state.
    pub(crate) looked_into: EventSet,
    /// Whether any rule reads a file's name, so that both spellings count.
    pub(crate) reads_names: bool,
    /// Whether any rule reads names of addresses, so that answers of name servers count.
    pub(crate) reads_host_names: bool,
    pub(crate) matching: RuleMatching,
    pub(crate) scratch: MatchScratch,
    /// Rules that matched the event at hand, with the spelling that made them.
    pub(crate) matched: Vec<(RuleId, Option<NameView>)>,
    /// How often each rule matched; the shard alone writes it.
    pub(crate) n_matches: Arc<Tally>,
    /// Where a profile is asked for.
    pub(crate) profiler: Option<Box<Profiler>>,
}

impl Engine {
    pub(crate) fn new(ruleset: Arc<Ruleset>, matching: RuleMatching) -> Self {
        let n_rules = ruleset.rules().len();
        let reads_host_names = ruleset.fields_used().any(|f| f.field.is_host_name());
        let all = EventSet::all();
        let changing = all.iter().filter(|&ty| carries_state(ty)).collect::<EventSet>();
        Self {
            interest: ruleset.interest(),
            looked_into: ruleset.interest().union(&changing),
            reads_names: ruleset.uses_fd_name(),
            reads_host_names,
            matching,
            scratch: ruleset.scratch(),
            matched: Vec::with_capacity(n_rules),
            n_matches: Arc::new(Tally::new(n_rules)),
            profiler: None,
            ruleset,
        }
    }

    /// Adds the rules that an event matches, read in one spelling of its name where it has any. `PROFILED`: a profile is asked for.
    #[inline]
    pub(crate) fn evaluate<const PROFILED: bool>(
        &mut self,
        ty: EventType,
        fields: &EventFields<'_>,
        view: Option<NameView>,
    ) -> Result<(), Wait> {
        let Self { ruleset, scratch, matched, profiler, .. } = self;
        if let Some(view) = view {
            fields.set_view(view);
        }
        let profiler = if PROFILED { profiler.as_mut() } else { None };
        let found = match profiler.and_then(|p| p.sampled()) {
            Some(costs) => ruleset.evaluate_timed(ty, fields, scratch, perf::boot_now_ns, costs),
            None => ruleset.evaluate(ty, fields, scratch),
        };
        if let Some(wait) = fields.take_wait() {
            return Err(wait);
        }
        for &rule in found {
            match matched.iter_mut().find(|(known, _)| *known == rule) {
                Some((_, both)) => *both = Some(NameView::Both),
                None => matched.push((rule, view)),
            }
        }
        Ok(())
    }
}
