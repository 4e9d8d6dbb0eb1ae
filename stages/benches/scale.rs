//! Time per recorded event with 25, 100, 400 and 1,000 rules: frames of real recordings through a real shard, in one thread.
//!
//! `PEREGRINE_CORPUS` adds the captures of another program. `all`: every frame, per frame; `asked`: only frames of types that the
//! thousand rules ask for and those that carry the process table, as the kernel gives them to such rules, per frame that is asked for. 0 rules: what
//! is not evaluation.

#[path = "../../rules/benches/common/official_like.rs"]
mod official_like;
#[path = "../../rules/benches/common/random.rs"]
mod random;

use std::fmt::Write;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use bus::{BatchLimits, Key, LaneTx, Rx, WaitLimits, Waiter, Watermark, alert_lane, lane};
use capture::CaptureMeters;
use capture::savefile::{EVT_NUM_SHIFT, Header, Replay, event_key};
use criterion::{BatchSize, Criterion, Throughput};
use event::{EventSet, EventType, FrameHeader};
use rules::{Alert, Options, RuleMatching, Ruleset, Source};
use stages::{Lineage, LineageLimits, Progress, Shard, ShardConfig, ShardMeters, Users};

const N_RULES: [usize; 5] = [0, 25, 100, 400, 1_000];
const MAX_ALERTS_PER_EVENT: usize = 20;
const LIMITS: BatchLimits = BatchLimits { max_frames: 256, max_bytes: 128 << 10 };
/// Frames of these types carry the process table; the kernel side gives them whatever the rules ask for.
const STATE: [EventType; 7] = [
    EventType::CLONE_20_X,
    EventType::FORK_20_X,
    EventType::VFORK_20_X,
    EventType::CLONE3_X,
    EventType::EXECVE_19_X,
    EventType::EXECVEAT_X,
    EventType::PROCEXIT_1_E,
];

struct Recording {
    name: String,
    /// Processes from before the recording, then events; keys are those of a replay.
    frames: Vec<(Key, Vec<u8>)>,
    n_seeds: usize,
    users: Arc<Users>,
}

impl Recording {
    /// Reads a savefile as a replay does.
    fn read(path: &Path) -> Self {
        let replay = Replay::open(path).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
        let n_seeds = replay.n_seeds() as usize;
        let users = Arc::new(users(replay.header()));
        let (tx, mut rx) = lane(4, LIMITS);
        let waker = Waiter::new(WaitLimits::default()).unparker();
        let watermark = Arc::new(Watermark::new());
        let mut thread = replay.start(vec![(tx, waker)], None, watermark, CaptureMeters::default());
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
        let name = path.file_name().expect("a file").to_string_lossy();
        let name = name.split('.').next().expect("a name").to_owned();
        Self { name, frames, n_seeds, users }
    }

    fn seeds(&self) -> &[(Key, Vec<u8>)] {
        &self.frames[..self.n_seeds]
    }

    /// Events, all or those of some types.
    fn events(&self, types: &EventSet) -> Vec<&(Key, Vec<u8>)> {
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

fn load(text: String) -> Arc<Ruleset> {
    let source = Source { name: "rules.yaml".into(), text };
    let options = Options { matching: RuleMatching::All, ..Options::default() };
    Arc::new(Ruleset::load(vec![source], options).unwrap_or_else(|e| panic!("{}", e[0])))
}

/// A shard that knows the processes from before and has every event in its lane.
struct Ready {
    shard: Shard,
    raised: Rx<Alert>,
}

impl Ready {
    fn new(
        recording: &Recording,
        events: &[&(Key, Vec<u8>)],
        ruleset: &Arc<Ruleset>,
        alert_capacity: usize,
    ) -> Self {
        let n_bytes: usize = recording.frames.iter().map(|(_, f)| f.len()).sum();
        let n_batches = recording.frames.len() / LIMITS.max_frames + 2 * n_bytes / LIMITS.max_bytes;
        let (mut tx, rx) = lane(n_batches + 2, LIMITS);
        let watermark = Arc::new(Watermark::new());
        let (alerts, raised) = alert_lane(alert_capacity);
        let mut shard = Shard::new(ShardConfig {
            index: 0,
            lanes: vec![rx],
            watermarks: vec![Arc::clone(&watermark)],
            sources: Vec::new(),
            lineage: Arc::new(Lineage::new(1, |_, _| 0, LineageLimits::default())),
            peers: Vec::new(),
            waiter: Waiter::new(WaitLimits::default()),
            ruleset: Arc::clone(ruleset),
            matching: RuleMatching::All,
            alerts,
            output: None,
            meters: ShardMeters::default(),
            hostname: "host".into(),
            users: Arc::clone(&recording.users),
            clock_offset_ns: 0,
            utc_offset_s: 0,
            evt_num_shift: EVT_NUM_SHIFT,
            late_after: None,
        });
        push(&mut tx, recording.seeds());
        watermark.publish(event_key(1).prev());
        while shard.poll_once() == Progress::Worked {}
        push(&mut tx, events.iter().copied());
        watermark.publish(Key::MAX);
        Self { shard, raised }
    }

    /// What is measured: from the first event to the last.
    fn run(mut self) -> Self {
        while self.shard.poll_once() == Progress::Worked {}
        assert!(self.shard.is_finished(), "there is room for every alert");
        self
    }

    fn n_alerts(mut self) -> usize {
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

/// Alerts of the rules one by one, against which those of all together are held.
fn n_alerts_alone(text: &str, recording: &Recording, events: &[&(Key, Vec<u8>)]) -> usize {
    let (shared, rules) = text.split_at(text.find("- rule:").unwrap_or(text.len()));
    rules
        .split_inclusive("priority: WARNING\n")
        .map(|rule| {
            let set = load(format!("{shared}{rule}"));
            Ready::new(recording, events, &set, events.len()).run().n_alerts()
        })
        .sum()
}

fn measure(c: &mut Criterion, recording: &Recording) {
    let longest = load(official_like::rules(N_RULES[N_RULES.len() - 1])).interest();
    let all = recording.events(&EventSet::all());
    let n_asked = recording.events(&longest).len();
    let asked = recording.events(&longest.union(&STATE.into_iter().collect()));
    let name = &recording.name;
    eprintln!(
        "{name}: {} events, {n_asked} of types that are asked for, {} with those of state",
        all.len(),
        asked.len()
    );
    for n in N_RULES {
        let text = official_like::rules(n);
        let set = load(text.clone());
        let pass = |events, alert_capacity| {
            Ready::new(recording, events, &set, alert_capacity).run().n_alerts()
        };
        let n_alerts = pass(&all, all.len() * MAX_ALERTS_PER_EVENT);
        eprintln!("{name}: {n_alerts} alerts with {n} rules");
        assert_eq!(pass(&asked, n_alerts), n_alerts, "{name} with {n} rules");
        if n <= 100 {
            let alone = n_alerts_alone(&text, recording, &all);
            assert_eq!(n_alerts, alone, "{name} with {n} rules");
        }
        for (which, events, n_counted) in [("all", &all, all.len()), ("asked", &asked, n_asked)] {
            if n_counted == 0 {
                continue;
            }
            let mut group = c.benchmark_group(format!("{name}/{which}"));
            group.throughput(Throughput::Elements(n_counted as u64));
            group.bench_function(n.to_string(), |b| {
                b.iter_batched(
                    || Ready::new(recording, events, &set, n_alerts),
                    Ready::run,
                    BatchSize::PerIteration,
                );
            });
            group.finish();
        }
    }
}

/// Files that a folder holds, by name.
fn recordings(dir: &Path, ends: &str) -> Vec<PathBuf> {
    let entries = fs::read_dir(dir).unwrap_or_else(|e| panic!("{}: {e}", dir.display()));
    let mut paths: Vec<PathBuf> = entries.map(|e| e.expect("an entry").path()).collect();
    paths.retain(|p| p.to_string_lossy().ends_with(ends));
    paths.sort();
    assert!(!paths.is_empty(), "{} holds no {ends}", dir.display());
    paths
}

fn main() {
    let mut c = Criterion::default()
        .sample_size(20)
        .warm_up_time(Duration::from_millis(200))
        .measurement_time(Duration::from_millis(500))
        .configure_from_args();
    let own = Path::new(env!("CARGO_MANIFEST_DIR")).join("../testdata/recordings");
    let mut paths = recordings(&own, ".scap.gz");
    match std::env::var_os("PEREGRINE_CORPUS") {
        Some(corpus) => paths.extend(recordings(&Path::new(&corpus).join("scap"), ".scap")),
        None => eprintln!("skipped: captures of another program: PEREGRINE_CORPUS is not set"),
    }
    for path in paths {
        measure(&mut c, &Recording::read(&path));
    }
    c.final_summary();
}
