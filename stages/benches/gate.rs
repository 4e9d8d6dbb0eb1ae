//! Gate targets: each hop behind the lanes alone, and a whole shard over ordinary events, default rules loaded, nothing matching.

#[path = "../../rules/benches/common/official_like.rs"]
mod official_like;
#[path = "../../rules/benches/common/random.rs"]
mod random;

mod alone;
mod recording;
mod targets;

use std::hint::black_box;
use std::path::Path;
use std::sync::Arc;

use bench_harness::samples::{self, At};
use bench_harness::{Pass, TargetFn, run_targets};
use bus::{BatchLimits, Key, LaneTx, Rx, Watermark, alert_lane, lane};
use event::EventSet;
use perf::{CountingAlloc, Registry};
use rules::{Alert, DEFAULT_RULES, Options, RuleMatching, Ruleset, Source};
use stages::{Merge, Progress, Shard, ShardConfig, ShardMeters, Users};

use recording::{Ready, Recording, load};

#[global_allocator]
static ALLOC: CountingAlloc = CountingAlloc::system();

const N: u64 = 1000;
const LIMITS: BatchLimits = BatchLimits { max_frames: 256, max_bytes: 512 * 1024 };
/// Batches of a lane: a pass fits into it as a whole.
const CAPACITY: usize = 8;
/// Everything in the samples descends from this process.
const SHELL: At = At { ts: 1, cpu: 0, tgid: 4_000, parent: 1 };
const MAKE: At = At { ts: 2, cpu: 0, tgid: 4_242, parent: 4_000 };

/// One capture thread's end: frames into batches into the lane, the watermark behind them.
struct Feed {
    tx: LaneTx,
    watermark: Arc<Watermark>,
}

impl Feed {
    fn push<'a>(&mut self, frames: impl IntoIterator<Item = (Key, &'a [u8])>) {
        let mut open = self.tx.take().expect("every batch came home");
        let mut last = Key::MIN;
        for (key, frame) in frames {
            last = key;
            if open.push(key, frame).is_ok() {
                continue;
            }
            self.tx.push(open).expect("the lane has room");
            open = self.tx.take().expect("every batch came home");
            open.push(key, frame).expect("an empty batch has room");
        }
        self.tx.push(open).expect("the lane has room");
        self.watermark.publish(last);
    }
}

struct Merging {
    sources: Vec<Feed>,
    merge: Merge,
    key: u64,
}

/// Two lanes whose keys alternate, the worst case of a merge.
fn merge() -> Pass {
    let frame = samples::open(MAKE);
    let (mut sources, mut lanes, mut watermarks) = (Vec::new(), Vec::new(), Vec::new());
    for _ in 0..2 {
        let (tx, rx) = lane(CAPACITY, LIMITS);
        let watermark = Arc::new(Watermark::new());
        sources.push(Feed { tx, watermark: Arc::clone(&watermark) });
        lanes.push(rx);
        watermarks.push(watermark);
    }
    let state = Merging { sources, merge: Merge::new(lanes, watermarks, 256), key: 0 };
    let prepare = move |m: &mut Merging| {
        for (n, source) in (1..).zip(&mut m.sources) {
            let keys = (0..N / 2).map(|i| Key(m.key + 2 * i + n));
            source.push(keys.map(|k| (k, &frame[..])));
        }
        m.key += N;
    };
    Pass::prepared(N, state, prepare, |m| {
        let mut n_seen = 0;
        loop {
            let bound = m.merge.bound();
            m.merge.fill(bound);
            if m.merge.is_empty() {
                break;
            }
            n_seen += m.merge.frames().filter(|(_, bytes)| !black_box(bytes).is_empty()).count();
            m.merge.clear();
        }
        // The last key of the second lane lies above the first one's watermark until the next pass.
        assert!((N as usize - 1..=N as usize).contains(&n_seen), "{n_seen} frames");
    })
}

struct Sharded {
    source: Feed,
    shard: Shard,
    evaluated: Arc<perf::Counter>,
    raised: Rx<Alert>,
    n_prepared: u64,
    key: u64,
}

/// A shard fed with `frames(pass, i)`.
fn shard(frames: impl Fn(u64, u64) -> Vec<u8> + 'static) -> Pass {
    let source = Source { name: "default.yaml".into(), text: DEFAULT_RULES.into() };
    let ruleset = Ruleset::load(vec![source], Options::default()).expect("the default rules load");
    let (tx, rx) = lane(CAPACITY, LIMITS);
    let watermark = Arc::new(Watermark::new());
    let (alerts, raised) = alert_lane(16);
    let meters = ShardMeters::register(&mut Registry::new());
    let evaluated = Arc::clone(&meters.evaluated);
    let users = Users::from_files(b"user:x:1000:1000::/home/user:/bin/sh\n", b"user:x:1000:\n");
    let shard = Shard::new(ShardConfig {
        meters,
        users: Arc::new(users),
        ..alone::config(rx, &watermark, Arc::new(ruleset), alerts)
    });
    let source = Feed { tx, watermark };
    let mut state = Sharded { source, shard, evaluated, raised, n_prepared: 0, key: 2 };
    let seeds = [samples::exec(SHELL, true), samples::exec(MAKE, true)];
    state.source.push((1..).map(Key).zip(seeds.iter().map(Vec::as_slice)));
    while state.shard.poll_once() == Progress::Worked {}

    let prepare = move |s: &mut Sharded| {
        let pass: Vec<Vec<u8>> = (0..N).map(|i| frames(s.n_prepared, i)).collect();
        let keys = (s.key + 1..).map(Key);
        s.source.push(keys.zip(pass.iter().map(Vec::as_slice)));
        s.key += N;
        s.n_prepared += 1;
    };
    Pass::prepared(N, state, prepare, |s| {
        let before = s.evaluated.get();
        while s.shard.poll_once() == Progress::Worked {}
        assert_eq!(s.evaluated.get() - before, N, "every event was evaluated");
        assert!(s.raised.pop().is_none(), "ordinary events raise nothing");
    })
}

fn shard_open() -> Pass {
    shard(|pass, i| samples::open(At { ts: 1000 + pass * N + i, ..MAKE }))
}

fn shard_connect() -> Pass {
    shard(|pass, i| samples::connect(At { ts: 1000 + pass * N + i, ..MAKE }))
}

/// Short lives: a fork, an exec and an exit of each process, and an open to make it four.
fn shard_process() -> Pass {
    shard(|pass, i| {
        let tgid = 10_000 + (pass * N + i / 4) as u32;
        let at = At { ts: 1000 + pass * N + i, tgid, parent: MAKE.tgid, cpu: 0 };
        match i % 4 {
            0 => samples::fork(at),
            1 => samples::exec(at, false),
            2 => samples::open(at),
            _ => samples::exit(at),
        }
    })
}

/// Ordinary work as it was recorded, and many rules in the manner of the official ones, all matches; a new shard for each pass.
fn recorded<const N_RULES: usize>() -> Pass {
    let path =
        Path::new(env!("CARGO_MANIFEST_DIR")).join("../testdata/recordings/ordinary-work.scap.gz");
    let recording = Recording::read(&path);
    let ruleset = load(official_like::rules(N_RULES));
    let n_events = recording.events(&EventSet::all()).len();
    let ready = move || {
        let events = recording.events(&EventSet::all());
        Ready::new(&recording, &events, &ruleset, RuleMatching::All, events.len())
    };
    let n_expected = ready().run().n_alerts();
    let prepare = move |state: &mut Option<Ready>| {
        if let Some(done) = state.replace(ready()) {
            assert_eq!(done.n_alerts(), n_expected, "the same events, the same alerts");
        }
    };
    Pass::prepared(n_events as u64, None, prepare, |state| {
        *state = state.take().map(Ready::run);
    })
}

fn main() {
    let hops: [TargetFn; 13] = [
        ("merge", "stages::Merge::fill", merge),
        ("state_fork", "stages::Shard::poll_once (clone, no rules)", targets::fork),
        ("state_exec", "stages::Shard::poll_once (execve, no rules)", targets::exec),
        ("state_chdir", "stages::Shard::poll_once (chdir, no rules)", targets::chdir),
        ("state_setsid", "stages::Shard::poll_once (setsid, no rules)", targets::setsid),
        ("state_exit", "stages::Shard::poll_once (procexit, no rules)", targets::exit),
        ("shard_open", "stages::Shard::poll_once (openat)", shard_open),
        ("shard_connect", "stages::Shard::poll_once (connect)", shard_connect),
        ("shard_process", "stages::Shard::poll_once (fork, exec, open, exit)", shard_process),
        ("shard_recorded", "stages::Shard::poll_once (recorded, no rules)", recorded::<0>),
        (
            "shard_recorded_100_rules",
            "stages::Shard::poll_once (recorded, 100 rules)",
            recorded::<100>,
        ),
        (
            "shard_recorded_1000_rules",
            "stages::Shard::poll_once (recorded, 1,000 rules)",
            recorded::<1_000>,
        ),
        ("trace_lines", "stages::Tracer::step, rules::LineFormat::print", targets::trace_lines),
    ];
    run_targets(&[&hops[..], &targets::DECODE].concat(), std::env::args().skip(1));
}
