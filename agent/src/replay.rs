//! `peregrine replay FILE`: the rules over a capture, and where the time goes.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::PathBuf;

use clap::Args;
use perf::Snapshot;
use serde::Serialize;

use crate::cli::{ConfigSource, Settings};
use crate::request::ProfileReport;
use crate::rule_commands::profile_table;

/// One event in so many is timed while it is read and converted, and one evaluation in so many.
pub(crate) const PROFILE_EVERY: u32 = 16;

/// Options of `peregrine replay`.
#[derive(Debug, Args)]
pub(crate) struct ReplayArgs {
    /// Capture (.scap) whose events are held against the rules
    file: PathBuf,

    /// Options that say where the configuration comes from; its `engine` is not looked at.
    #[command(flatten)]
    source: ConfigSource,

    /// Rule file, or directory of rule files; repeatable, read in order; replaces `rules_files`
    #[arg(short = 'r', value_name = "RULES")]
    rules: Vec<PathBuf>,

    /// Print each alert, and the profile, as one JSON object a line
    #[arg(long)]
    json: bool,

    /// Number of shards; without it chosen from the number of CPUs
    #[arg(long, value_name = "N")]
    shards: Option<u64>,

    /// Run the reader, shards and outputs on one thread
    #[arg(long)]
    single_thread: bool,

    /// End once events are SECONDS later than the first
    #[arg(short = 'M', value_name = "SECONDS", value_parser = clap::value_parser!(u64).range(1..))]
    seconds: Option<u64>,

    /// Say at the end, on stderr, what each stage and each rule cost
    #[arg(long)]
    profile: bool,
}

impl ReplayArgs {
    /// The same in the words of a run.
    pub(crate) fn into_parts(self) -> (ConfigSource, Settings, Wishes) {
        let Self { file, source, rules, json, shards, single_thread, seconds, profile } = self;
        let set = Settings {
            rules,
            json,
            shards,
            single_thread,
            seconds,
            capture_file: Some(file),
            ..Settings::default()
        };
        (source, set, Wishes { is_profiled: profile, is_command: true })
    }
}

/// What a run shall do beside raising alerts.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Wishes {
    /// Say what stages and rules cost.
    pub(crate) is_profiled: bool,
    /// It is a command that ends, not the agent: nobody asks it anything unless a socket is given.
    pub(crate) is_command: bool,
}

/// What a stage cost.
#[derive(Clone, Debug, PartialEq, Serialize)]
struct StageCost {
    stage: &'static str,
    ns_per_event: f64,
    /// Part of the time of all stages, 0 to 1.
    share: f64,
    /// Times that were measured.
    n_timed: u64,
}

/// Where the time of a replay went.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub(crate) struct ReplayProfile {
    n_events: u64,
    seconds: f64,
    events_per_second: f64,
    stages: Vec<StageCost>,
    /// What was not read, by counter; nothing that is zero.
    left_out: BTreeMap<String, u64>,
    rules: ProfileReport,
}

/// Each stage with the name of its latency.
const STAGES: [(&str, &str); 5] = [
    ("read", "read"),
    ("convert", "convert"),
    ("parse", "parse"),
    ("state", "state"),
    ("detect", "detect"),
];

impl ReplayProfile {
    pub(crate) fn new(snapshot: &Snapshot, rules: ProfileReport) -> Self {
        let n_events = snapshot.counters.get("shard.received").copied().unwrap_or(0);
        let mut stages: Vec<StageCost> = STAGES
            .iter()
            .map(|&(stage, name)| {
                let report = snapshot.latencies.iter().find(|l| l.name == name);
                let mean = report.and_then(perf::LatencyReport::decode).map_or(0.0, |h| h.mean());
                let clock_ns =
                    if matches!(stage, "read" | "convert") { rules.clock_ns } else { 0.0 };
                StageCost {
                    stage,
                    ns_per_event: (mean - clock_ns).max(0.0),
                    share: 0.0,
                    n_timed: report.map_or(0, |r| r.n),
                }
            })
            .collect();
        let all: f64 = stages.iter().map(|s| s.ns_per_event).sum();
        for stage in &mut stages {
            stage.share = if all > 0.0 { stage.ns_per_event / all } else { 0.0 };
        }
        let seconds = rules.seconds;
        let events_per_second = if seconds > 0.0 { n_events as f64 / seconds } else { 0.0 };
        let is_left_out = |(name, n): &(&String, &u64)| name.starts_with("savefile.") && **n > 0;
        let left_out = snapshot.counters.iter().filter(is_left_out);
        let left_out = left_out.map(|(name, n)| (name.clone(), *n)).collect();
        Self { n_events, seconds, events_per_second, stages, left_out, rules }
    }

    /// The profile as text, or as one line of JSON.
    pub(crate) fn text(&self, json: bool) -> anyhow::Result<String> {
        if json {
            return Ok(serde_json::to_string(self)? + "\n");
        }
        let Self { n_events, seconds, events_per_second, stages, left_out, rules } = self;
        let mut text = format!(
            "{n_events} frames in {seconds:.3} s, {:.2} million a second\n\nstage     ns/event  share\n",
            events_per_second / 1e6
        );
        for StageCost { stage, ns_per_event, share, n_timed: _ } in stages {
            let _infallible =
                writeln!(text, "{stage:<9} {ns_per_event:>8.1} {:>5.1}%", share * 100.0);
        }
        text.push_str(
            "read: blocks of the file; convert: to the current schema, whose thread and which descriptor; parse, state, detect: in the shards.\n\n",
        );
        if !left_out.is_empty() {
            let all: Vec<_> = left_out.iter().map(|(name, n)| format!("{name} {n}")).collect();
            let _infallible = writeln!(text, "left out: {}\n", all.join(", "));
        }
        text.push_str(&profile_table(rules));
        Ok(text)
    }
}

#[cfg(test)]
mod tests {
    use perf::{Moment, Registry};

    use super::*;

    #[test]
    fn stages_are_told_with_their_shares() {
        let mut registry = Registry::new();
        registry.latency("read", PROFILE_EVERY).record_n(30, 10);
        registry.latency("parse", PROFILE_EVERY).record_n(60, 10);
        registry.counter("shard.received").add(1000);
        registry.counter("savefile.trimmed");
        registry.counter("savefile.dropped_dirs").add(3);
        let rules = ProfileReport { seconds: 0.001, clock_ns: 10.0, ..ProfileReport::default() };
        let profile = ReplayProfile::new(&registry.snapshot(Moment::Final), rules);
        let text = profile.text(false).unwrap();
        assert!(text.starts_with("1000 frames in 0.001 s, 1.00 million a second\n"), "{text}");
        assert!(text.contains("read          20.0  25.0%\n"), "{text}");
        assert!(text.contains("\nleft out: savefile.dropped_dirs 3\n"), "{text}");
        assert!(text.contains("parse         60.0  75.0%\n"), "{text}");
        let json: serde_json::Value = serde_json::from_str(&profile.text(true).unwrap()).unwrap();
        assert_eq!(json["stages"][2]["stage"], "parse");
    }
}
