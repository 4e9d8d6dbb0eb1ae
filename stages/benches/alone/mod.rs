//! A shard by itself, on the thread that runs a bench: it has no peers, nobody wakes it, and nobody takes from it but the bench.

use std::sync::Arc;

use bus::{LaneRx, Tx, WaitLimits, Waiter, Watermark};
use rules::{Alert, RuleMatching, Ruleset};
use stages::{DeferralLimits, Lineage, LineageLimits, ShardConfig, ShardMeters, Users};

/// What it is made of; a bench replaces what it looks at.
pub(crate) fn config(
    lane: LaneRx,
    watermark: &Arc<Watermark>,
    ruleset: Arc<Ruleset>,
    alerts: Tx<Alert>,
) -> ShardConfig {
    ShardConfig {
        index: 0,
        lanes: vec![lane],
        watermarks: vec![Arc::clone(watermark)],
        sources: Vec::new(),
        lineage: Arc::new(Lineage::new(1, |_, _| 0, LineageLimits::default())),
        peers: Vec::new(),
        waiter: Waiter::new(WaitLimits::default()),
        ruleset,
        matching: RuleMatching::First,
        alerts,
        output: None,
        meters: ShardMeters::default(),
        hostname: "host".into(),
        users: Arc::new(Users::from_files(b"", b"")),
        clock_offset_ns: 0,
        utc_offset_s: 0,
        evt_num_shift: 0,
        buffers: stages::BufferFormat::default(),
        late_after: None,
        deferral: DeferralLimits::default(),
    }
}
