//! Holds events against the rules, over each spelling of their name, and raises alerts.

use std::sync::Arc;

use bus::Tx;
use event::flags;
use rules::{Alert, AlertFacts, AlertMarks, NameView, RuleMatching, Ruleset};

use crate::engine::Engine;
use crate::fields::{Chain, EventFields, Lacking, Names, Surroundings};
use crate::meters::ShardMeters;
use crate::parse::Event;
use crate::state::{ContainerEntry, Wait};

/// A shard's evaluating half.
pub(crate) struct Detector {
    /// The rules; between two windows others may take their place.
    pub(crate) engine: Box<Engine>,
    utc_offset_s: i32,
    chain: Chain,
    /// Alerts of the event at hand, until all of them could be made.
    drafts: Vec<Alert>,
    alerts: Tx<Alert>,
    when_full: WhenFull,
    has_raised: bool,
}

/// What becomes of alerts for which the lane to the outputs has no room.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum WhenFull {
    /// They are lost, and counted: live, a shard never waits for an output.
    Lose,
    /// The shard waits: a replay loses nothing.
    Wait,
}

/// Why an event is decided though a container's runtime has not told what it asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Unanswered {
    /// It was waited for long enough.
    TimeOver,
    /// Too many wait.
    NoRoom,
    /// What it is held against, or the shard, ends.
    Cut,
}

/// What became of an event.
pub(crate) enum Decision {
    /// It was held against the rules.
    Made,
    /// Nothing was counted or raised: its container's runtime is still to answer.
    Awaits(Arc<ContainerEntry>),
}

impl Detector {
    pub(crate) fn new(
        ruleset: Arc<Ruleset>,
        matching: RuleMatching,
        utc_offset_s: i32,
        alerts: Tx<Alert>,
        when_full: WhenFull,
    ) -> Self {
        Self {
            engine: Box::new(Engine::new(ruleset, matching)),
            utc_offset_s,
            chain: Chain::default(),
            drafts: Vec::new(),
            alerts,
            when_full,
            has_raised: false,
        }
    }

    /// Whether somebody asks what the rules cost.
    pub(crate) fn is_profiled(&self) -> bool {
        self.engine.profiler.is_some()
    }

    /// The fields of an event that was evaluated.
    pub(crate) fn fields<'e>(
        &'e mut self,
        at: Surroundings<'e>,
        event: &'e Event<'e>,
    ) -> EventFields<'e> {
        EventFields::new(at, event, &mut self.chain)
    }

    /// Seconds by which local time is ahead of UTC.
    pub(crate) fn utc_offset_s(&self) -> i32 {
        self.utc_offset_s
    }

    /// Whether an alert went out since the last call.
    pub(crate) fn take_raised(&mut self) -> bool {
        std::mem::take(&mut self.has_raised)
    }

    /// Lets go of the processes that were met, so that what has died can be used again.
    pub(crate) fn let_go(&mut self) {
        self.chain.let_go();
    }

    /// Evaluates one event and raises its alerts. Where it has to wait for another shard nothing was counted or raised, and the call is made
    /// again; nor where it asks what a container's runtime is still to tell, unless `by_now` says why it is decided all the same. `PROFILED`: a
    /// profile is asked for.
    pub(crate) fn detect<const PROFILED: bool>(
        &mut self,
        at: Surroundings<'_>,
        event: &Event<'_>,
        by_now: Option<Unanswered>,
        meters: &ShardMeters,
    ) -> Result<Decision, Wait> {
        let Self { engine, utc_offset_s, chain, drafts, alerts, when_full, has_raised } = self;
        if event.is_state_only() {
            meters.state_only.add(1);
            return Ok(Decision::Made);
        }
        let ty = event.frame.event_type();
        if !engine.interest.contains(ty) {
            meters.evaluated.add(1);
            return Ok(Decision::Made);
        }
        // A frame without state may come to any shard.
        at.lineage.readable(at.shard, event.header().tgid, event.key)?;
        engine.matched.clear();
        drafts.clear();
        let fields = EventFields::new(at, event, chain);
        let reads_names = engine.reads_names;
        let mut evaluate = |view| engine.evaluate::<PROFILED>(ty, &fields, view);
        let names = if reads_names { fields.names() } else { Names::None };
        match names {
            Names::None => evaluate(None)?,
            Names::One(view) => evaluate(Some(view))?,
            Names::Two => {
                evaluate(Some(NameView::Lexical))?;
                evaluate(Some(NameView::Kernel))?;
                engine.matched.sort_unstable_by_key(|(rule, _)| *rule);
                if engine.matching == RuleMatching::First {
                    engine.matched.truncate(1);
                }
            }
        }
        if let Some(container) = fields.awaited()
            && by_now.is_none()
        {
            return Ok(Decision::Awaits(Arc::clone(container)));
        }
        for &(rule, view) in &engine.matched {
            fields.set_view(view.unwrap_or(NameView::Both));
            let mut facts = AlertFacts {
                evt_num: fields.evt_num(),
                ts_ns: fields.epoch_ns(),
                utc_offset_s: *utc_offset_s,
                marks: AlertMarks::default(),
            };
            let mut alert = engine.ruleset.alert(rule, &fields, facts);
            let lineage_unknown = fields.lineage_unknown(engine.ruleset.ancestor_read(rule));
            let lineage_incomplete = fields.lineage_incomplete(engine.ruleset.ancestor_read(rule));
            let container_unknown = engine.ruleset.asks_runtime(rule) && fields.container_unknown();
            if let Some(wait) = fields.take_wait() {
                return Err(wait);
            }
            if let Some(container) = fields.awaited()
                && by_now.is_none()
            {
                return Ok(Decision::Awaits(Arc::clone(container)));
            }
            facts.marks = AlertMarks {
                late: event.is_late(),
                lineage_unknown,
                lineage_incomplete,
                container_unknown,
                truncated: event.frame.has(flags::TRUNCATED),
                faulted: event.frame.has(flags::FAULTED),
                fd_raced: event.frame.has(flags::FD_RACED),
                name_view: view.filter(|v| match v {
                    NameView::Both => true,
                    // There is no other where the process passed none.
                    NameView::Kernel => fields.has_passed_name(),
                    NameView::Lexical => names == Names::Two,
                }),
            };
            alert.marks = facts.marks;
            drafts.push(alert);
        }
        if *when_full == WhenFull::Wait && !alerts.has_room(drafts.len()) {
            // For no other shard: the outputs empty the lane by themselves.
            *has_raised = true;
            return Err(Wait { shard: at.shard, until: event.key.prev() });
        }
        meters.evaluated.add(1);
        for (rule, _) in &engine.matched {
            engine.n_matches.add(rule.0 as usize, 1);
        }
        if matches!(fields.lacking(), Lacking::Outstanding | Lacking::Overdue) {
            match by_now.unwrap_or(Unanswered::TimeOver) {
                Unanswered::TimeOver => meters.deferral_timeout.add(1),
                Unanswered::NoRoom => meters.deferral_full.add(1),
                Unanswered::Cut => meters.deferral_cut.add(1),
            }
        }
        count_doubts(&fields, meters);
        for alert in drafts.drain(..) {
            *has_raised = true;
            meters.matched.add(1);
            match alerts.push(alert) {
                Ok(()) => meters.alerts.add(1),
                Err(_lost) => meters.alerts_lost.add(1),
            }
        }
        Ok(Decision::Made)
    }
}

/// Counts an event of whose process nothing is known, or not all.
fn count_doubts(fields: &EventFields<'_>, meters: &ShardMeters) {
    if !fields.has_process() {
        meters.lineage_unknown.add(1);
        fields.ask_for_process();
    } else if !fields.is_whole() {
        meters.lineage_incomplete.add(1);
    }
}
