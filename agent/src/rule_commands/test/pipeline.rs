//! One shard as the agent runs it, fed frame by frame: parse, state, fields, detect.

use std::sync::Arc;

use anyhow::{Result, bail};
use bus::{BatchLimits, Key, LaneTx, Rx, WaitLimits, Waiter, Watermark, alert_lane, lane};
use capture::savefile::{EVT_NUM_SHIFT, event_key};
use rules::{Alert, RuleMatching, Ruleset};
use stages::{
    BufferFormat, Lineage, LineageLimits, Progress, Shard, ShardConfig, ShardMeters, Users,
};

use super::tree::BEGIN_NS;

/// When a test begins: 2026-01-01 00:00:00 UTC, in ns since the epoch.
const BEGIN_EPOCH_NS: i64 = 1_767_225_600 * 1_000_000_000;
/// Alerts of one event that are held until they are taken.
const ALERT_LANE: usize = 256;

/// Rules, and how they are applied.
pub(super) struct Setting {
    pub(super) ruleset: Arc<Ruleset>,
    pub(super) matching: RuleMatching,
    pub(super) hostname: Arc<str>,
}

/// A shard that has seen nothing yet.
pub(super) struct Pipeline {
    lane: LaneTx,
    watermark: Arc<Watermark>,
    shard: Shard,
    lineage: Arc<Lineage>,
    alerts: Rx<Alert>,
    key: Key,
    evt_num: u64,
}

impl Pipeline {
    /// The pipeline of a test. Processes from before it come first ([`Pipeline::seed`]), then its events.
    pub(super) fn new(setting: &Setting, users: Users) -> Self {
        let limits = BatchLimits { max_frames: 1, max_bytes: event::MAX_FRAME_LEN };
        let (tx, rx) = lane(2, limits);
        let (alert_tx, alerts) = alert_lane(ALERT_LANE.max(setting.ruleset.rules().len()));
        let watermark = Arc::new(Watermark::new());
        let limits = LineageLimits { max_processes: 1 << 16, ..LineageLimits::default() };
        let lineage = Arc::new(Lineage::new(1, |_tgid, _n_shards| 0, limits));
        let shard = Shard::new(ShardConfig {
            index: 0,
            lanes: vec![rx],
            watermarks: vec![Arc::clone(&watermark)],
            sources: vec![],
            lineage: Arc::clone(&lineage),
            peers: vec![],
            waiter: Waiter::new(WaitLimits::default()),
            ruleset: Arc::clone(&setting.ruleset),
            matching: setting.matching,
            alerts: alert_tx,
            output: None,
            meters: ShardMeters::default(),
            hostname: Arc::clone(&setting.hostname),
            users: Arc::new(users),
            clock_offset_ns: BEGIN_EPOCH_NS - BEGIN_NS as i64,
            utc_offset_s: 0,
            evt_num_shift: EVT_NUM_SHIFT,
            buffers: BufferFormat::default(),
            late_after: None,
            deferral: stages::DeferralLimits::default(),
        });
        Self { lane: tx, watermark, shard, lineage, alerts, key: Key::MIN, evt_num: 0 }
    }

    /// Makes something known from before the test.
    pub(super) fn tell(&self, known: impl FnOnce(&Lineage) -> Result<()>) -> Result<()> {
        known(&self.lineage)
    }

    /// Makes a process from before the test known.
    pub(super) fn seed(&mut self, frame: &[u8]) -> Result<()> {
        self.send(self.key.next(), frame).map(drop)
    }

    /// Sends the next event through, and gives the alerts that it raised.
    pub(super) fn feed(&mut self, frame: &[u8]) -> Result<Vec<Alert>> {
        self.evt_num += 1;
        self.send(event_key(self.evt_num), frame)
    }

    fn send(&mut self, key: Key, frame: &[u8]) -> Result<Vec<Alert>> {
        self.key = key;
        let Some(mut batch) = self.lane.take() else { bail!("no batch came back") };
        if batch.push(self.key, frame).is_err() || self.lane.push(batch).is_err() {
            bail!("a frame of {} bytes finds no room", frame.len());
        }
        self.watermark.publish(self.key);
        while self.shard.poll_once() == Progress::Worked {}
        let mut raised = Vec::new();
        while let Some(alert) = self.alerts.pop() {
            raised.push(alert);
        }
        Ok(raised)
    }
}
