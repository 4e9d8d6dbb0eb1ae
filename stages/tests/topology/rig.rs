//! Real capture threads over rings of a test, real shards, and the lanes between them.

use std::os::fd::RawFd;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::mpsc::channel;
use std::sync::{Arc, Condvar, Mutex};
use std::thread;
use std::time::{Duration, Instant};

use bus::{BatchLimits, KeyClock, Rx, Unparker, WaitLimits, Waiter, Watermark, alert_lane, lane};
use capture::{
    CaptureMeters, CaptureParts, CaptureThread, Peek, Ring, SyntheticRing, SyntheticTx, TimeSource,
    owner, synthetic_ring,
};
use event::FrameHeader;
use perf::{Counter, Moment, Registry, Snapshot};
use rules::{Alert, RuleMatching, Ruleset};
use stages::{DeferralLimits, Lineage, LineageLimits, Shard, ShardConfig, ShardMeters};

use crate::support::users;

/// Longer than any test waits: who sleeps so long without being woken is seen.
pub(crate) const HOUR: Duration = Duration::from_hours(1);
/// How long a test waits for what has to come.
pub(crate) const DEADLINE: Duration = Duration::from_secs(100);

/// A ring whose reader stops in the middle of a look, as a thread does that is not given a CPU.
#[derive(Debug)]
pub(crate) struct Gated {
    ring: SyntheticRing,
    gate: Arc<Gate>,
}

#[derive(Debug, Default)]
pub(crate) struct Gate {
    is_closed: Mutex<bool>,
    changed: Condvar,
}

impl Gate {
    pub(crate) fn close(&self) {
        *self.is_closed.lock().unwrap() = true;
    }

    pub(crate) fn open(&self) {
        *self.is_closed.lock().unwrap() = false;
        self.changed.notify_all();
    }

    fn pass(&self) {
        let mut is_closed = self.is_closed.lock().unwrap();
        while *is_closed {
            is_closed = self.changed.wait(is_closed).unwrap();
        }
    }
}

impl Ring for Gated {
    fn cpu(&self) -> u16 {
        self.ring.cpu()
    }
    fn peek(&mut self) -> Peek<'_> {
        self.gate.pass();
        self.ring.peek()
    }
    fn advance(&mut self) {
        self.ring.advance();
    }
    fn release(&mut self) {
        self.ring.release();
    }
    fn is_drained(&self) -> bool {
        self.ring.is_drained()
    }
    fn set_sleeping(&self, sleeping: bool) {
        self.ring.set_sleeping(sleeping);
    }
    fn fd(&self) -> Option<RawFd> {
        self.ring.fd()
    }
}

/// What a topology is made of.
#[derive(Clone)]
pub(crate) struct Shape {
    pub(crate) n_captures: usize,
    /// Rings of each capture thread; the CPUs of thread `n` begin at `n * rings_each`.
    pub(crate) rings_each: usize,
    pub(crate) n_shards: usize,
    pub(crate) lane_capacity: usize,
    pub(crate) batch_frames: usize,
    pub(crate) late_after: Duration,
    pub(crate) time: TimeSource,
    /// Whether capture threads may nap in the place of sleeping until they are woken.
    pub(crate) naps: bool,
}

/// Threads that sleep almost at once, and until they are woken.
const SLEEPERS: WaitLimits =
    WaitLimits { n_spins: 2, n_yields: 1, min_sleep: HOUR, max_sleep: HOUR };

/// A topology that does not run.
pub(crate) struct Rig {
    pub(crate) feed: Feed,
    pub(crate) captures: Vec<CaptureThread<Gated>>,
    pub(crate) shards: Vec<Shard>,
    pub(crate) read: Read,
}

/// What makes records.
pub(crate) struct Feed {
    /// By CPU.
    pub(crate) rings: Vec<SyntheticTx>,
    /// By capture thread.
    pub(crate) gates: Vec<Arc<Gate>>,
    pub(crate) clock: KeyClock,
}

/// What comes out, and what was counted.
pub(crate) struct Read {
    alerts: Vec<Rx<Alert>>,
    pub(crate) registry: Registry,
    done: Vec<Arc<Counter>>,
    late: Vec<Arc<Counter>>,
}

pub(crate) fn rig(shape: &Shape, rules: &Arc<Ruleset>, wait: WaitLimits, epoch: u64) -> Rig {
    let &Shape {
        n_captures, rings_each, n_shards, lane_capacity, batch_frames, late_after, ..
    } = shape;
    let mut registry = Registry::new();
    let lineage = Arc::new(Lineage::new(n_shards, owner, LineageLimits::default()));
    let clock = KeyClock::new(n_captures * rings_each, epoch);
    let waiters: Vec<_> = (0..n_shards).map(|_| Waiter::new(wait)).collect();
    let peers: Vec<_> = waiters.iter().map(Waiter::unparker).collect();
    let watermarks: Vec<_> = (0..n_captures).map(|_| Arc::new(Watermark::new())).collect();
    let limits = BatchLimits { max_frames: batch_frames, max_bytes: 16 << 10 };
    let mut lanes: Vec<Vec<_>> = (0..n_shards).map(|_| Vec::new()).collect();
    let (mut rings, mut gates, mut captures) = (Vec::new(), Vec::new(), Vec::new());
    for (n, watermark) in watermarks.iter().enumerate() {
        let gate = Arc::new(Gate::default());
        let mut own = Vec::new();
        for cpu in n * rings_each..(n + 1) * rings_each {
            let (tx, ring) = synthetic_ring(cpu as u16, 1 << 12).unwrap();
            rings.push(tx);
            own.push(Gated { ring, gate: Arc::clone(&gate) });
        }
        let mut out = Vec::new();
        for (lanes, peer) in lanes.iter_mut().zip(&peers) {
            let (tx, rx) = lane(lane_capacity, limits);
            out.push((tx, peer.clone()));
            lanes.push(rx);
        }
        let parts = CaptureParts {
            clock,
            lanes: out,
            recorder: None,
            watermark: Arc::clone(watermark),
            meters: CaptureMeters::register(&mut registry),
            seeds: None,
            time: shape.time.clone(),
            wait,
        };
        gates.push(gate);
        let mut capture = CaptureThread::new(own, parts).unwrap();
        if !shape.naps {
            capture.never_nap();
        }
        captures.push(capture);
    }
    CaptureThread::connect(&mut captures);
    registry.hop(CaptureMeters::hop(watermarks.len()));
    let sources: Vec<_> = captures.iter().map(CaptureThread::unparker).collect();
    let users = Arc::new(users());
    let (mut shards, mut alerts) = (Vec::new(), Vec::new());
    let (mut done, mut late) = (Vec::new(), Vec::new());
    for (index, (lanes, waiter)) in lanes.into_iter().zip(waiters).enumerate() {
        let (tx, rx) = alert_lane(1 << 16);
        alerts.push(rx);
        let own = ShardMeters::register(&mut registry);
        done.extend([Arc::clone(&own.evaluated), Arc::clone(&own.state_only)]);
        late.push(Arc::clone(&own.late));
        shards.push(Shard::new(ShardConfig {
            index,
            lanes,
            watermarks: watermarks.clone(),
            sources: sources.clone(),
            lineage: Arc::clone(&lineage),
            peers: peers.clone(),
            waiter,
            ruleset: Arc::clone(rules),
            matching: RuleMatching::All,
            alerts: tx,
            output: None,
            meters: own,
            hostname: "node".into(),
            users: Arc::clone(&users),
            clock_offset_ns: 0,
            utc_offset_s: 0,
            evt_num_shift: 0,
            buffers: stages::BufferFormat::default(),
            late_after: Some(late_after),
            deferral: DeferralLimits::default(),
        }));
    }
    ShardMeters::register_hops(&mut registry, n_shards);
    Rig {
        feed: Feed { rings, gates, clock },
        captures,
        shards,
        read: Read { alerts, registry, done, late },
    }
}

impl Feed {
    /// Puts a frame into the ring of a CPU, with this time.
    pub(crate) fn push(&self, cpu: usize, ts: u64, frame: &[u8]) {
        let frame = stamped(frame, cpu, ts);
        let deadline = Instant::now() + DEADLINE;
        while self.rings[cpu].push(&frame).is_err() {
            assert!(Instant::now() < deadline, "ring {cpu} stays full");
            thread::sleep(Duration::from_micros(50));
        }
    }
}

fn stamped(frame: &[u8], cpu: usize, ts: u64) -> Vec<u8> {
    let mut frame = frame.to_vec();
    let header = FrameHeader::from_bytes(frame.first_chunk().unwrap());
    let header = FrameHeader { ts, cpu: cpu as u16, ..header };
    frame[..event::HEADER_LEN].copy_from_slice(&header.to_bytes());
    frame
}

impl Read {
    /// Frames that shards are done with.
    pub(crate) fn n_done(&self) -> u64 {
        self.done.iter().map(|n| n.get()).sum()
    }

    pub(crate) fn n_late(&self) -> u64 {
        self.late.iter().map(|n| n.get()).sum()
    }

    /// Waits until shards are done with so many frames.
    pub(crate) fn wait_until_done(&self, n: u64) {
        let deadline = Instant::now() + DEADLINE;
        while self.n_done() < n {
            assert!(Instant::now() < deadline, "{} of {n}: {}", self.n_done(), self.table());
            thread::sleep(Duration::from_micros(50));
        }
    }

    pub(crate) fn table(&self) -> String {
        self.registry.snapshot(Moment::Running).table()
    }

    /// The alerts since the last call, sorted by event.
    pub(crate) fn alerts(&mut self) -> Vec<Alert> {
        let mut all: Vec<_> =
            self.alerts.iter_mut().flat_map(|rx| std::iter::from_fn(|| rx.pop())).collect();
        all.sort_by(|a, b| (a.evt_num, &a.rule.name).cmp(&(b.evt_num, &b.rule.name)));
        all
    }

    /// What was counted, once everything has ended: nothing is missing.
    pub(crate) fn end(&self, n_frames: u64) -> Snapshot {
        let snapshot = self.registry.snapshot(Moment::Final);
        assert!(snapshot.balances(), "{}", snapshot.table());
        for hop in ["capture.read", "capture.routed", "shard.received", "shard.parsed"] {
            assert_eq!(snapshot.get(hop), Some(n_frames), "{hop}: {}", snapshot.table());
        }
        assert_eq!(self.n_done(), n_frames);
        assert_eq!(snapshot.get("shard.alerts_lost"), Some(0));
        snapshot
    }
}

/// A topology that runs on threads, which sleep until they are woken.
pub(crate) struct Running {
    pub(crate) feed: Feed,
    pub(crate) read: Read,
    stop: Arc<AtomicBool>,
    wakers: Vec<Unparker>,
    ended: std::sync::mpsc::Receiver<()>,
    n_threads: usize,
}

pub(crate) fn start(shape: &Shape, rules: &Arc<Ruleset>, epoch: u64) -> Running {
    // Where somebody has to see that time has passed, sleeps have an end.
    let max_sleep = shape.late_after.min(HOUR) / 8;
    let wait = if shape.late_after < HOUR {
        WaitLimits { min_sleep: max_sleep, max_sleep, ..SLEEPERS }
    } else {
        SLEEPERS
    };
    let Rig { feed, captures, shards, read } = rig(shape, rules, wait, epoch);
    let stop = Arc::new(AtomicBool::new(false));
    let wakers = captures.iter().map(CaptureThread::unparker).collect();
    let n_threads = captures.len() + shards.len();
    let (done, ended) = channel();
    for capture in captures {
        let (done, stop) = (done.clone(), Arc::clone(&stop));
        thread::spawn(move || {
            capture.run(&stop);
            done.send(())
        });
    }
    for shard in shards {
        let done = done.clone();
        thread::spawn(move || {
            shard.run(&AtomicBool::new(false));
            done.send(())
        });
    }
    Running { feed, read, stop, wakers, ended, n_threads }
}

impl Running {
    /// Lets everything run out.
    pub(crate) fn end(self) -> Read {
        let Self { feed: _feed, read, stop, wakers, ended, n_threads } = self;
        stop.store(true, Ordering::Release);
        for waker in wakers {
            waker.wake();
        }
        for n in 0..n_threads {
            ended.recv_timeout(DEADLINE).unwrap_or_else(|e| {
                panic!("{n} of {n_threads} threads have ended: {e}: {}", read.table())
            });
        }
        read
    }
}

/// A clock that a test sets.
#[derive(Clone)]
pub(crate) struct Time(Arc<AtomicU64>);

impl Time {
    pub(crate) fn new(ns: u64) -> Self {
        Self(Arc::new(AtomicU64::new(ns)))
    }

    pub(crate) fn source(&self) -> TimeSource {
        TimeSource::Manual(Arc::clone(&self.0))
    }

    pub(crate) fn set(&self, ns: u64) {
        self.0.store(ns, Ordering::Release);
    }

    pub(crate) fn now(&self) -> u64 {
        self.0.load(Ordering::Acquire)
    }
}
