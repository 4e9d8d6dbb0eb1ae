//! Builds the shards of a topology.

use std::sync::Arc;
use std::time::Duration;

use bus::{LaneRx, Tx, Unparker, Waiter, Watermark};
use outputs::AlertTimes;
use perf::Registry;
use rules::{Alert, Ruleset};
use stages::{
    BufferFormat, Lineage, Progress, RuleSwap, Shard, ShardConfig, ShardMeters, Users, Watches,
};

use crate::config::Config;
use crate::rule_load;

/// What all shards are made of; the vectors have one entry per shard.
pub(crate) struct Parts<'a> {
    pub(crate) config: &'a Config,
    pub(crate) lanes: Vec<Vec<LaneRx>>,
    pub(crate) watermarks: Vec<Arc<Watermark>>,
    /// What wakes each capture thread.
    pub(crate) sources: Vec<Unparker>,
    pub(crate) waiters: Vec<Waiter>,
    pub(crate) alerts: Vec<Tx<Alert>>,
    /// What wakes who delivers.
    pub(crate) outputs: Unparker,
    pub(crate) ruleset: Arc<Ruleset>,
    pub(crate) users: Arc<Users>,
    pub(crate) hostname: Arc<str>,
    pub(crate) times: AlertTimes,
    pub(crate) utc_offset_s: i32,
    pub(crate) evt_num_shift: u32,
}

/// Shards with what they share.
pub(crate) struct Built {
    pub(crate) shards: Vec<Shard>,
    pub(crate) swap: Arc<RuleSwap>,
    pub(crate) lineage: Arc<Lineage>,
    /// Who looks at their events.
    pub(crate) watches: Arc<Watches>,
    /// What wakes each shard.
    pub(crate) wakers: Vec<Unparker>,
}

/// Makes the shards, their process table, what replaces their rules, and registers their meters.
pub(crate) fn build(parts: Parts<'_>, registry: &mut Registry) -> Built {
    let Parts {
        config,
        lanes,
        watermarks,
        sources,
        waiters,
        alerts,
        outputs,
        ruleset,
        users,
        hostname,
        times,
        utc_offset_s,
        evt_num_shift,
    } = parts;
    let lineage = Arc::new(Lineage::new(lanes.len(), capture::owner, config.limits.lineage));
    let peers: Vec<Unparker> = waiters.iter().map(Waiter::unparker).collect();
    let (clock_offset_ns, late_after) = match times {
        AlertTimes::Live { realtime_offset_ns } => {
            (realtime_offset_ns, Some(Duration::from_millis(config.late_after_ms)))
        }
        // Frames of a file carry times since the epoch, and a replay waits instead of going late.
        AlertTimes::Replayed => (0, None),
    };
    let wakers = sources.iter().chain(&peers).cloned().collect();
    let swap = Arc::new(RuleSwap::new(lanes.len(), watermarks.clone(), wakers));
    let watches = Arc::new(Watches::new(lanes.len()));
    let mut shards = Vec::new();
    for (index, ((lanes, waiter), alerts)) in lanes.into_iter().zip(waiters).zip(alerts).enumerate()
    {
        let shard = Shard::new(ShardConfig {
            index,
            lanes,
            watermarks: watermarks.clone(),
            sources: sources.clone(),
            lineage: Arc::clone(&lineage),
            peers: peers.clone(),
            waiter,
            ruleset: Arc::clone(&ruleset),
            matching: rule_load::matching(config),
            alerts,
            output: Some(outputs.clone()),
            meters: ShardMeters::register(registry),
            hostname: Arc::clone(&hostname),
            users: Arc::clone(&users),
            clock_offset_ns,
            utc_offset_s,
            evt_num_shift,
            buffers: if config.buffers_in_base64 {
                BufferFormat::Base64
            } else {
                BufferFormat::default()
            },
            late_after,
            deferral: config.containers.deferral,
        });
        shards.push(shard.following(Arc::clone(&swap)).watched(Arc::clone(&watches)));
    }
    ShardMeters::register_hops(registry, shards.len());
    let counted = Arc::clone(&lineage);
    registry.level("lineage.processes", move || counted.n_processes());
    let weighed = Arc::clone(&lineage);
    registry.level("lineage.bytes", move || weighed.n_bytes());
    Built { shards, swap, lineage, watches, wakers: peers }
}

/// One step of a shard; gives whether it moved anything.
pub(crate) fn step(shard: &mut Shard) -> bool {
    shard.poll_once() == Progress::Worked
}
