//! What travels over the control socket: a request is one line of JSON, the response another.

use std::collections::BTreeMap;
use std::path::PathBuf;

use perf::Snapshot;
use serde::{Deserialize, Serialize};

/// What a client may ask.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "ask")]
pub(crate) enum Request {
    /// What was seen, lost and delivered.
    Stats,
    /// To replace the rules.
    Reload(ReloadRequest),
    /// What the rules cost.
    Profile(ProfileRequest),
    /// What passes, for an onlooker that asks again and again.
    Watch(WatchRequest),
}

/// Which rules to load in place of those in force.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct ReloadRequest {
    /// Files and directories, absolute; none: those of the agent's own configuration.
    pub(crate) files: Vec<PathBuf>,
    /// Options that select rules, each as `-o` has it.
    pub(crate) options: Vec<String>,
}

/// How to measure.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct ProfileRequest {
    /// How long.
    pub(crate) millis: u64,
    /// One evaluation in so many is timed.
    pub(crate) every: u32,
}

/// What an onlooker asks for.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct WatchRequest {
    /// Who asks; the same number each time.
    pub(crate) id: u64,
    /// A condition that picks the events of the sample; empty: all.
    pub(crate) filter: String,
    /// Number of the last alert that it has.
    pub(crate) alerts_after: u64,
    /// How long the agent goes on collecting without another request.
    pub(crate) lease_ms: u64,
}

/// What the agent answers.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Response {
    /// To [`Request::Stats`].
    Stats(Box<AgentStats>),
    /// To [`Request::Reload`]: the new rules are in force.
    Reloaded(Box<Reloaded>),
    /// To [`Request::Reload`]: the rules in force stay, since these are wrong.
    Refused(Refused),
    /// To [`Request::Profile`].
    Profile(Box<ProfileReport>),
    /// To [`Request::Watch`].
    Watched(Box<Watched>),
    /// The request was not understood, or cannot be met now.
    Error(String),
}

/// Counts, and the rules that they were made with.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct AgentStats {
    /// Boot-clock ns at which the agent began to answer: another one means another agent, whose counts begin anew.
    pub(crate) began_ns: u64,
    #[serde(flatten)]
    pub(crate) snapshot: Snapshot,
    pub(crate) rules: RulesInForce,
}

/// What an onlooker sees. Counts of `stats` are since the start, the sample is since its last request.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Watched {
    pub(crate) stats: AgentStats,
    pub(crate) sampled: Sampled,
    /// Number of the last alert that there was.
    pub(crate) last_alert: u64,
    /// Those that it does not have, as far as they are kept; the last one last.
    pub(crate) alerts: Vec<AlertLine>,
}

/// A sample of the events that the shards evaluated. Counts are scaled up to all events.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Sampled {
    pub(crate) interval_ns: u64,
    /// All events, and those that pass the filter; the lists are of these alone.
    pub(crate) n_events: u64,
    pub(crate) n_passed: u64,
    /// Events that were looked at, not scaled.
    pub(crate) n_looked: u64,
    /// Those of them of which the filter's answer was not to be had.
    pub(crate) n_undecided: u64,
    /// Events that passed while nobody could look.
    pub(crate) n_missed: u64,
    pub(crate) processes: Vec<SampledProcess>,
    pub(crate) calls: Vec<SampledCall>,
    pub(crate) containers: Vec<SampledContainer>,
}

/// A process of the sample.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct SampledProcess {
    pub(crate) pid: u32,
    pub(crate) name: String,
    pub(crate) user: String,
    /// `host` outside of a container; empty where it is not known.
    pub(crate) container: String,
    pub(crate) n: u64,
    /// By how many `n` may be too large.
    pub(crate) over: u64,
}

/// A kind of event of the sample.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct SampledCall {
    pub(crate) name: String,
    pub(crate) n: u64,
    pub(crate) over: u64,
    pub(crate) n_failed: u64,
}

/// A container of the sample.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct SampledContainer {
    pub(crate) id: String,
    pub(crate) name: String,
    pub(crate) image: String,
    pub(crate) n: u64,
    pub(crate) over: u64,
}

/// An alert, as an onlooker sees it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct AlertLine {
    /// They are numbered as they come, from 1.
    pub(crate) n: u64,
    /// Since the epoch.
    pub(crate) ts_ns: u64,
    pub(crate) priority: String,
    pub(crate) rule: String,
    /// The first 512 bytes.
    pub(crate) output: String,
}

/// The rules at work.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct RulesInForce {
    pub(crate) n_rules: usize,
    /// 1 for those of the start, one more with each reload.
    pub(crate) generation: u64,
    /// When they came into force, seconds since the epoch.
    pub(crate) since_epoch_s: u64,
    pub(crate) in_force_s: u64,
    /// Reloads that were refused; the rules that were in force stayed.
    pub(crate) n_refused: u64,
    /// How often each of them has matched, those that never did left out.
    pub(crate) matches: BTreeMap<String, u64>,
    /// What they ask for since a reload, and do not get.
    pub(crate) not_covered: Vec<String>,
}

/// What a reload changed.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Reloaded {
    pub(crate) n_rules: usize,
    pub(crate) generation: u64,
    /// Names of rules.
    pub(crate) added: Vec<String>,
    pub(crate) removed: Vec<String>,
    pub(crate) changed: Vec<String>,
    /// Event types that are asked of the source from now on.
    pub(crate) newly_asked: Vec<String>,
    /// Event types that are no longer asked of it.
    pub(crate) no_longer_asked: Vec<String>,
    /// What the new rules ask for and do not get.
    pub(crate) not_covered: Vec<String>,
    /// Keys of the configuration that have changed and take a restart, each with where it is set.
    #[serde(default)]
    pub(crate) needs_restart: Vec<String>,
    /// Drawn warnings of the loader, then others.
    pub(crate) warnings: Vec<String>,
    /// Time to read and compile the files, to change what is captured, and to change the rules of every shard.
    pub(crate) compile_ms: u64,
    pub(crate) capture_ms: u64,
    pub(crate) swap_ms: u64,
}

/// Why rules were refused.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Refused {
    /// Drawn, or one line.
    pub(crate) errors: Vec<String>,
    /// Rules that stay in force.
    pub(crate) n_rules: usize,
}

/// What rules cost, measured while the agent ran.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct ProfileReport {
    pub(crate) generation: u64,
    pub(crate) seconds: f64,
    /// One evaluation in so many was timed.
    pub(crate) sampled_1_in: u32,
    pub(crate) n_evaluations: u64,
    pub(crate) n_timed: u64,
    /// Cost of one reading of the clock; it is subtracted from the times.
    pub(crate) clock_ns: f64,
    /// Per evaluation, on average: all of it, and the part that rules have in common.
    pub(crate) ns_per_evaluation: f64,
    pub(crate) shared_ns_per_evaluation: f64,
    /// Cores that evaluating kept busy, 1 for one of them.
    pub(crate) cores: f64,
    /// Shards whose figures are missing, since they did not answer in time.
    pub(crate) n_missing_shards: usize,
    /// Whether the rules were replaced meanwhile: figures are those up to then.
    pub(crate) is_cut_short: bool,
    /// The most expensive first.
    pub(crate) rules: Vec<RuleCostLine>,
}

/// What one rule cost.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct RuleCostLine {
    pub(crate) rule: String,
    /// Part of the time of all rules, the part that they have in common left out; 0 to 1.
    pub(crate) share: f64,
    /// Cores that it kept busy: its time, scaled up from the sample, by the time that was measured.
    pub(crate) cores: f64,
    /// Time for one run of its condition.
    pub(crate) ns_per_run: f64,
    /// Runs of its condition, scaled up from the sample.
    pub(crate) n_runs: u64,
    /// Runs that were timed.
    pub(crate) n_timed: u64,
    /// All matches, not a sample.
    pub(crate) n_matches: u64,
}
