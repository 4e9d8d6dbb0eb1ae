//! What a shard counts and times.

use std::sync::Arc;

use crate::shard::MAX_WINDOW;
use event::{EventType, N_EVENT_TYPES};
use perf::{Counter, Gauge, Hop, Latency, Registry, Tally};

/// Windows of which one is timed.
pub(crate) const SAMPLE_EVERY: u32 = 16;

/// Meters of one shard: one writer, any reader. Shards register under the same names and are summed.
///
/// Conservation: `received = parsed + rejected`, `parsed = evaluated + state_only + shed + deferral_waiting`,
/// `deferred = deferral_decided + deferral_waiting`, `matched = alerts + alerts_lost`.
#[derive(Debug)]
pub struct ShardMeters {
    /// Frames released by the merge.
    pub received: Arc<Counter>,
    /// Frames that were events.
    pub parsed: Arc<Counter>,
    /// Bytes that were no frame.
    pub rejected: Arc<Counter>,
    /// Events held against the rules.
    pub evaluated: Arc<Counter>,
    /// Events that only carry state: processes from before the capture.
    pub state_only: Arc<Counter>,
    /// Events given up unevaluated, by type.
    pub shed: Arc<Tally>,
    /// Alerts raised.
    pub matched: Arc<Counter>,
    /// Alerts handed to the output lane.
    pub alerts: Arc<Counter>,
    /// Alerts lost because that lane was full.
    pub alerts_lost: Arc<Counter>,
    /// Frames behind their window that were given a new key.
    pub late: Arc<Counter>,
    /// Events kept until a container's runtime has told of it.
    pub deferred: Arc<Counter>,
    /// Those of them that were decided.
    pub deferral_decided: Arc<Counter>,
    /// Those of them that wait.
    pub deferral_waiting: Arc<Gauge>,
    /// Events decided without what a container's runtime has to tell, since it took too long.
    pub deferral_timeout: Arc<Counter>,
    /// The same, since too many waited.
    pub deferral_full: Arc<Counter>,
    /// The same, since their rules were replaced, or the shard was to stop.
    pub deferral_cut: Arc<Counter>,
    /// Evaluated events whose process was not known.
    pub lineage_unknown: Arc<Counter>,
    /// Evaluated events whose process was known, though not all of it: a change of it was lost.
    pub lineage_incomplete: Arc<Counter>,
    /// Processes entered without knowing who made them.
    pub orphans: Arc<Counter>,
    /// Processes that died without a known reaper.
    pub reaper_unknown: Arc<Counter>,
    /// Processes not entered because of a bound of the table.
    pub refused: Arc<Counter>,
    /// Programs and directories that are not known, or known in short, because of a bound of the table.
    pub shortened: Arc<Counter>,
    /// Times that the shard had to wait for another one's state.
    pub waits: Arc<Counter>,
    /// Times that the shard let others catch up first, since past versions took too much memory.
    pub held_back: Arc<Counter>,
    /// From the sealing of a batch to its arrival.
    pub lane_wait: Arc<Latency>,
    /// Parsing, per event.
    pub parse: Arc<Latency>,
    /// Applying state, per event.
    pub state: Arc<Latency>,
    /// Evaluating, per event.
    pub detect: Arc<Latency>,
}

fn type_name(index: usize) -> &'static str {
    u16::try_from(index).map_or("NA", |n| EventType(n).name())
}

impl ShardMeters {
    /// Registers one shard's meters.
    #[must_use]
    pub fn register(registry: &mut Registry) -> Self {
        Self {
            received: registry.counter("shard.received"),
            parsed: registry.counter("shard.parsed"),
            rejected: registry.counter("shard.rejected"),
            evaluated: registry.counter("shard.evaluated"),
            state_only: registry.counter("shard.state_only"),
            shed: registry.tally("shard.shed", N_EVENT_TYPES, type_name),
            matched: registry.counter("shard.matched"),
            alerts: registry.counter("shard.alerts"),
            alerts_lost: registry.counter("shard.alerts_lost"),
            late: registry.counter("shard.late"),
            deferred: registry.counter("shard.deferred"),
            deferral_decided: registry.counter("shard.deferral_decided"),
            deferral_waiting: registry.gauge("shard.deferral_waiting"),
            deferral_timeout: registry.counter("shard.deferral_timeout"),
            deferral_full: registry.counter("shard.deferral_full"),
            deferral_cut: registry.counter("shard.deferral_cut"),
            lineage_unknown: registry.counter("shard.lineage_unknown"),
            lineage_incomplete: registry.counter("shard.lineage_incomplete"),
            orphans: registry.counter("shard.orphans"),
            reaper_unknown: registry.counter("shard.reaper_unknown"),
            refused: registry.counter("lineage.refused"),
            shortened: registry.counter("lineage.shortened"),
            waits: registry.counter("shard.waits"),
            held_back: registry.counter("shard.held_back"),
            lane_wait: registry.latency("lane_wait", 1),
            parse: registry.latency("parse", SAMPLE_EVERY),
            state: registry.latency("state", SAMPLE_EVERY),
            detect: registry.latency("detect", SAMPLE_EVERY),
        }
    }

    /// Registers the hops that these meters balance; once per topology, after every shard's meters.
    pub fn register_hops(registry: &mut Registry, n_shards: usize) {
        // A window is parsed as a whole, then evaluated one by one.
        let in_windows = (n_shards * MAX_WINDOW) as u64;
        registry.hop(
            Hop::new("shard")
                .input("shard.received")
                .output("shard.parsed")
                .dropped("rejected", "shard.rejected")
                .slack(in_windows),
        );
        registry.hop(
            Hop::new("detect")
                .input("shard.parsed")
                .output("shard.evaluated")
                .aside("state_only", "shard.state_only")
                .dropped("shed", "shard.shed")
                .depth("shard.deferral_waiting")
                .slack(in_windows),
        );
        registry.hop(
            Hop::new("deferral")
                .input("shard.deferred")
                .output("shard.deferral_decided")
                .depth("shard.deferral_waiting")
                .slack(in_windows),
        );
        registry.hop(
            Hop::new("alert")
                .input("shard.matched")
                .output("shard.alerts")
                .dropped("lane_full", "shard.alerts_lost")
                .slack(n_shards as u64),
        );
    }
}

impl Default for ShardMeters {
    fn default() -> Self {
        Self::register(&mut Registry::new())
    }
}
