//! What passed between two looks: the difference of two answers of the agent, as the screen and `--json` have it.

use std::collections::{BTreeMap, VecDeque};

use perf::{HopReport, LatencyReport, LoadReport, Loss, Snapshot};
use serde::Serialize;

use crate::request::{AgentStats, AlertLine, Sampled, Watched};

/// Alerts that the screen keeps.
const MAX_ALERTS: usize = 200;

/// One interval. Counts are those of the interval; levels, `waiting` and `depth` are those of its end.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub(super) struct Sight {
    /// Seconds since the epoch, as the asker has it.
    pub(super) at_epoch_s: u64,
    pub(super) interval_ns: u64,
    pub(super) hops: Vec<HopReport>,
    pub(super) threads: Vec<LoadReport>,
    pub(super) latencies: Vec<LatencyReport>,
    pub(super) losses: Vec<Loss>,
    pub(super) rules: RulesSeen,
    pub(super) sampled: Sampled,
    /// New ones, the last one last; on the screen those of before, too.
    pub(super) alerts: VecDeque<AlertLine>,
    /// Alerts of the interval that were too many to be kept.
    pub(super) n_alerts_missed: u64,
    /// By rule, since the rules are in force.
    #[serde(skip)]
    pub(super) matched_before: BTreeMap<String, u64>,
    /// Since the start.
    #[serde(skip)]
    pub(super) n_lost_before: u64,
    /// Which agent it is of.
    #[serde(skip)]
    began_ns: u64,
}

/// The rules in force.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub(super) struct RulesSeen {
    pub(super) n_rules: usize,
    pub(super) generation: u64,
    pub(super) in_force_s: u64,
    /// Matches of the interval by rule, those without any left out.
    pub(super) matches: BTreeMap<String, u64>,
}

/// Makes sights of answers.
#[derive(Default)]
pub(super) struct Sights {
    before: Option<AgentStats>,
    last_alert: u64,
    /// Alerts of the first answer, which is no interval yet.
    early: VecDeque<AlertLine>,
}

impl Sights {
    /// Number of the last alert that there was at the last look.
    pub(super) fn last_alert(&self) -> u64 {
        self.last_alert
    }

    /// The interval that this answer ends; none where it is the first.
    pub(super) fn next(&mut self, answer: Watched, at_epoch_s: u64) -> Option<Sight> {
        let Watched { stats, sampled, last_alert, alerts } = answer;
        let n_new = last_alert.saturating_sub(std::mem::replace(&mut self.last_alert, last_alert));
        let n_alerts_missed = n_new.saturating_sub(alerts.len() as u64);
        self.early.extend(alerts);
        let before = self.before.replace(stats.clone())?;
        if before.began_ns != stats.began_ns {
            // The counts of another agent begin anew, and its alerts have other numbers.
            return None;
        }
        let n_lost_before = n_lost(&stats.snapshot);
        let Snapshot { interval_ns, hops, loads, mut latencies, losses, .. } =
            stats.snapshot.since(&before.snapshot);
        for latency in &mut latencies {
            // Percentiles say it.
            latency.histogram.clear();
        }
        let is_same = stats.rules.generation == before.rules.generation;
        let matches = stats.rules.matches.iter().filter_map(|(rule, &n)| {
            let known = if is_same { before.rules.matches.get(rule).copied() } else { None };
            let n = n.saturating_sub(known.unwrap_or(0));
            (n > 0).then(|| (rule.clone(), n))
        });
        Some(Sight {
            at_epoch_s,
            interval_ns: interval_ns.unwrap_or(0),
            hops,
            threads: loads,
            latencies,
            losses,
            rules: RulesSeen {
                n_rules: stats.rules.n_rules,
                generation: stats.rules.generation,
                in_force_s: stats.rules.in_force_s,
                matches: matches.collect(),
            },
            sampled,
            alerts: std::mem::take(&mut self.early),
            n_alerts_missed,
            matched_before: stats.rules.matches,
            n_lost_before,
            began_ns: stats.began_ns,
        })
    }
}

fn n_lost(snapshot: &Snapshot) -> u64 {
    snapshot.hops.iter().map(HopReport::n_dropped).sum()
}

impl Sight {
    /// Adds the alerts of the intervals before, up to a bound, and how many of them were too many to be kept.
    pub(super) fn after(mut self, before: Option<&Self>) -> Self {
        let Some(before) = before.filter(|b| b.began_ns == self.began_ns) else { return self };
        let n_room = MAX_ALERTS.saturating_sub(self.alerts.len());
        for alert in before.alerts.iter().rev().take(n_room) {
            self.alerts.push_front(alert.clone());
        }
        self.n_alerts_missed += before.n_alerts_missed;
        self
    }

    /// So many in the interval, a second.
    pub(super) fn per_second(&self, n: u64) -> f64 {
        per_second(n, self.interval_ns)
    }

    /// So many of the sample, a second.
    pub(super) fn sampled_per_second(&self, n: u64) -> f64 {
        per_second(n, self.sampled.interval_ns)
    }

    /// A hop by name.
    pub(super) fn hop(&self, name: &str) -> Option<&HopReport> {
        self.hops.iter().find(|h| h.name == name)
    }

    /// Losses of the interval, at all hops.
    pub(super) fn n_lost(&self) -> u64 {
        self.hops.iter().map(HopReport::n_dropped).sum()
    }
}

fn per_second(n: u64, interval_ns: u64) -> f64 {
    if interval_ns == 0 { 0.0 } else { n as f64 * 1e9 / interval_ns as f64 }
}
