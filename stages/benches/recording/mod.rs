//! A recording, and a shard that has it before it.

use std::fmt::Write;
use std::path::Path;
use std::sync::Arc;

use bus::{BatchLimits, Key, LaneTx, Rx, WaitLimits, Waiter, Watermark, alert_lane, lane};
use capture::CaptureMeters;
use capture::savefile::{EVT_NUM_SHIFT, Header, Replay, ReplayFeed, event_key};
use event::{EventSet, EventType, FrameHeader};
use rules::{Alert, Options, RuleMatching, Ruleset, Source};
use stages::{Progress, Shard, ShardConfig, Users};

use crate::alone;

const LIMITS: BatchLimits = BatchLimits { max_frames: 256, max_bytes: 128 << 10 };

pub(crate) struct Recording {
    /// Processes from before the recording, then events; keys are those of a replay.
    pub(crate) frames: Vec<(Key, Vec<u8>)>,
    pub(crate) n_seeds: usize,
    pub(crate) users: Arc<Users>,
}

impl Recording {
    /// Reads a savefile as a replay does.
    pub(crate) fn read(path: &Path) -> Self {
        let replay = Replay::open(path).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
        let n_seeds = replay.n_seeds() as usize;
        let users = Arc::new(users(replay.header()));
        let (tx, mut rx) = lane(4, LIMITS);
        let waker = Waiter::new(WaitLimits::default()).unparker();
        let watermark = Arc::new(Watermark::new());
        let meters = CaptureMeters::default();
        let lanes = vec![(tx, waker)];
        let mut thread =
            replay.start(vec![ReplayFeed { lanes, recorder: None, watermark, meters }]);
        let mut frames = Vec::new();
        loop {
            let progress = thread.poll_once();
            while let Some(batch) = rx.pop() {
                frames.extend(batch.frames().map(|(key, bytes)| (key, bytes.to_vec())));
                rx.recycle(batch);
            }
            if progress == capture::Progress::Ended {
                break;
            }
        }
        if let Some(e) = thread.end().error {
            panic!("{}: {e}", path.display());
        }
        Self { frames, n_seeds, users }
    }

    fn seeds(&self) -> &[(Key, Vec<u8>)] {
        &self.frames[..self.n_seeds]
    }

    /// Events, all or those of some types.
    pub(crate) fn events(&self, types: &EventSet) -> Vec<&(Key, Vec<u8>)> {
        self.frames[self.n_seeds..].iter().filter(|(_, f)| types.contains(ty(f))).collect()
    }
}

fn ty(frame: &[u8]) -> EventType {
    EventType(FrameHeader::from_bytes(frame.first_chunk().expect("a frame")).event_type)
}

fn users(header: &Header) -> Users {
    let (mut passwd, mut group) = (String::new(), String::new());
    for user in &header.users {
        let name = String::from_utf8_lossy(&user.name);
        writeln!(passwd, "{name}:x:{}:{}:::", user.uid, user.gid).expect("a string takes all");
    }
    for g in &header.groups {
        let name = String::from_utf8_lossy(&g.name);
        writeln!(group, "{name}:x:{}:", g.gid).expect("a string takes all");
    }
    Users::from_files(passwd.as_bytes(), group.as_bytes())
}

pub(crate) fn load(text: String) -> Arc<Ruleset> {
    let source = Source { name: "rules.yaml".into(), text };
    let options = Options { matching: RuleMatching::All, ..Options::default() };
    Arc::new(Ruleset::load(vec![source], options).unwrap_or_else(|e| panic!("{}", e[0])))
}

/// A shard that knows the processes from before and has every event in its lane.
pub(crate) struct Ready {
    pub(crate) shard: Shard,
    raised: Rx<Alert>,
}

impl Ready {
    pub(crate) fn new(
        recording: &Recording,
        events: &[&(Key, Vec<u8>)],
        ruleset: &Arc<Ruleset>,
        matching: RuleMatching,
        alert_capacity: usize,
    ) -> Self {
        let n_bytes: usize = recording.frames.iter().map(|(_, f)| f.len()).sum();
        let n_batches = recording.frames.len() / LIMITS.max_frames + 2 * n_bytes / LIMITS.max_bytes;
        let (mut tx, rx) = lane(n_batches + 2, LIMITS);
        let watermark = Arc::new(Watermark::new());
        let (alerts, raised) = alert_lane(alert_capacity);
        let mut shard = Shard::new(ShardConfig {
            matching,
            users: Arc::clone(&recording.users),
            evt_num_shift: EVT_NUM_SHIFT,
            buffers: stages::BufferFormat::default(),
            ..alone::config(rx, &watermark, Arc::clone(ruleset), alerts)
        });
        push(&mut tx, recording.seeds());
        watermark.publish(event_key(1).prev());
        while shard.poll_once() == Progress::Worked {}
        push(&mut tx, events.iter().copied());
        watermark.publish(Key::MAX);
        Self { shard, raised }
    }

    /// What is measured: from the first event to the last.
    pub(crate) fn run(mut self) -> Self {
        while self.shard.poll_once() == Progress::Worked {}
        assert!(self.shard.is_finished(), "there is room for every alert");
        self
    }

    pub(crate) fn n_alerts(mut self) -> usize {
        std::iter::from_fn(|| self.raised.pop()).count()
    }
}

fn push<'a>(tx: &mut LaneTx, frames: impl IntoIterator<Item = &'a (Key, Vec<u8>)>) {
    let mut open = tx.take().expect("a batch for every frame");
    for (key, frame) in frames {
        if open.push(*key, frame).is_ok() {
            continue;
        }
        tx.push(open).expect("room for every batch");
        open = tx.take().expect("a batch for every frame");
        open.push(*key, frame).expect("an empty batch takes any frame");
    }
    tx.push(open).expect("room for every batch");
}
