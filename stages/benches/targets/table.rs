//! Each change of the process table, by a shard without rules: merged, parsed and applied.

use std::sync::Arc;

use bench_harness::Pass;
use bench_harness::samples::{self, At};
use bus::{BatchLimits, Key, LaneTx, Watermark, alert_lane, lane};
use event::EventType;
use rules::{Options, Ruleset};
use stages::{Progress, Shard, ShardConfig, ShardMeters};

use crate::alone;

const N: u64 = 1000;
const LIMITS: BatchLimits = BatchLimits { max_frames: 1024, max_bytes: 4 << 20 };
/// Everything descends from this process.
const SHELL: At = At { ts: 1, cpu: 0, tgid: 4_000, parent: 1 };

pub(crate) fn fork() -> Pass {
    changes(Born::Measured, samples::fork)
}

pub(crate) fn exec() -> Pass {
    changes(Born::Before, |at| samples::exec(at, false))
}

pub(crate) fn chdir() -> Pass {
    changes(Born::Before, |at| samples::call(at, EventType::CHDIR_X))
}

pub(crate) fn setsid() -> Pass {
    changes(Born::Before, |at| samples::call(at, EventType::SETSID_X))
}

pub(crate) fn exit() -> Pass {
    changes(Born::Before, samples::exit)
}

/// When the processes of a pass are made.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Born {
    /// Before what is measured.
    Before,
    /// By what is measured.
    Measured,
}

struct Table {
    tx: LaneTx,
    watermark: Arc<Watermark>,
    shard: Shard,
    meters: Arc<perf::Counter>,
    key: u64,
    n_passes: u64,
}

impl Table {
    fn new() -> Self {
        let (tx, rx) = lane(4, LIMITS);
        let watermark = Arc::new(Watermark::new());
        let meters = ShardMeters::default();
        let applied = Arc::clone(&meters.parsed);
        let ruleset = Ruleset::load(Vec::new(), Options::default()).expect("no rules load");
        let config = alone::config(rx, &watermark, Arc::new(ruleset), alert_lane(1).0);
        let shard = Shard::new(ShardConfig { meters, ..config });
        let mut table = Self { tx, watermark, shard, meters: applied, key: 0, n_passes: 0 };
        table.push([samples::exec(SHELL, true)]);
        table.work();
        table
    }

    fn push(&mut self, frames: impl IntoIterator<Item = Vec<u8>>) {
        let mut batch = self.tx.take().expect("every batch came home");
        for frame in frames {
            self.key += 1;
            batch.push(Key(self.key), &frame).expect("a batch holds a pass");
        }
        self.tx.push(batch).expect("the lane has room");
        self.watermark.publish(Key(self.key));
    }

    fn work(&mut self) {
        while self.shard.poll_once() == Progress::Worked {}
    }

    /// The processes of a pass, each pass its own.
    fn processes(pass: u64) -> impl Iterator<Item = At> {
        (0..N).map(move |i| At {
            ts: 1000 + pass * N + i,
            cpu: 0,
            tgid: 10_000 + (pass * N + i) as u32,
            parent: SHELL.tgid,
        })
    }
}

/// `change` of a thousand processes, which end before the next thousand.
fn changes(born: Born, change: impl Fn(At) -> Vec<u8> + 'static) -> Pass {
    let prepare = move |t: &mut Table| {
        if let Some(before) = t.n_passes.checked_sub(1) {
            t.push(Table::processes(before).map(samples::exit));
            t.work();
        }
        if born == Born::Before {
            t.push(Table::processes(t.n_passes).map(samples::fork));
            t.work();
        }
        t.push(Table::processes(t.n_passes).map(&change));
        t.n_passes += 1;
    };
    Pass::prepared(N, Table::new(), prepare, |t| {
        let before = t.meters.get();
        t.work();
        assert_eq!(t.meters.get() - before, N, "every change was taken");
    })
}
