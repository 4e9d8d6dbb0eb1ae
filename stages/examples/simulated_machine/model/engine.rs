//! The engine's threads: real capture threads and shards, each polled in virtual time and charged for what the poll did.

use std::ops::Range;
use std::sync::atomic::AtomicU64;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use bus::{
    Backoff, BatchLimits, KeyClock, LaneMeters, LaneRx, Rx, Sleeping, Unparker, WaitLimits, Waiter,
    Watermark, alert_lane, lane,
};
use capture::{
    CaptureMeters, CaptureParts, CaptureThread, Spread, SyntheticRing, SyntheticTx, TimeSource,
    synthetic_ring,
};
use rules::{Alert, Options, RuleMatching, Ruleset, Source};
use stages::{
    DeferralLimits, Lineage, LineageLimits, MAX_WINDOW, Shard, ShardConfig, ShardMeters, Users,
};

use super::costs::{Cost, Costs};

/// How many of what.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Topology {
    pub(crate) n_capture: usize,
    pub(crate) n_shards: usize,
}

/// Sizes of rings and lanes.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Room {
    /// Records of a CPU's ring.
    pub(crate) ring: usize,
    /// Batches of a lane.
    pub(crate) lane: usize,
    pub(crate) batch: BatchLimits,
}

impl Default for Room {
    /// Lanes as the agent has them. A ring holds an eighth of the frames that 8 MiB do, so that overload shows in a fraction of a second.
    fn default() -> Self {
        Self { ring: 2_400, lane: 8, batch: BatchLimits::default() }
    }
}

/// What a thread does after a poll.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum After {
    Again,
    /// It yields its CPU, then polls again.
    Yield,
    /// It sleeps for at most so long; whether a wake ends that.
    Sleep(Duration, Wakeable),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Wakeable {
    Yes,
    No,
}

/// What a poll did.
#[derive(Debug)]
pub(crate) struct Polled {
    pub(crate) cost_ns: f64,
    pub(crate) after: After,
    /// Threads that it woke.
    pub(crate) woken: Vec<usize>,
    /// Events that it evaluated.
    pub(crate) alerts: Vec<Alert>,
}

/// The back-off of a thread in virtual time: spins and yields are charged, the rest is the real one.
#[derive(Debug)]
struct Patience {
    limits: WaitLimits,
    n_idle: u32,
    backoff: Backoff,
}

impl Patience {
    fn new(limits: WaitLimits, sleeping: Arc<Sleeping>) -> Self {
        let sleeps = WaitLimits { n_spins: 0, n_yields: 0, ..limits };
        Self { limits, n_idle: 0, backoff: Backoff::new(sleeps, sleeping) }
    }

    fn reset(&mut self) {
        self.n_idle = 0;
        self.backoff.reset();
    }

    fn step(&mut self, costs: &Costs, wakeable: Wakeable) -> (f64, After) {
        let WaitLimits { n_spins, n_yields, .. } = self.limits;
        self.n_idle += 1;
        if self.n_idle <= n_spins {
            let n_pauses = 1u32 << (self.n_idle - 1).min(6);
            (f64::from(n_pauses) * costs.get(Cost::Pause), After::Again)
        } else if self.n_idle <= n_spins + n_yields {
            (costs.get(Cost::Yield), After::Yield)
        } else {
            match self.backoff.step() {
                None => (0.0, After::Again),
                Some(limit) => (costs.get(Cost::Sleep), After::Sleep(limit, wakeable)),
            }
        }
    }
}

struct Capturing {
    thread: CaptureThread<SyntheticRing>,
    meters: CaptureMeters,
    watermark: Arc<Watermark>,
    lanes: Vec<LaneMeters>,
    pushed: Vec<u64>,
    n_rings: usize,
    idle: Patience,
    blocked: Patience,
    sleeping: Arc<Sleeping>,
}

struct Sharding {
    shard: Box<Shard>,
    index: usize,
    received: Arc<perf::Counter>,
    waits: Arc<perf::Counter>,
    raised: Rx<Alert>,
    idle: Patience,
    n_received: u64,
    /// Frames of its window that are not evaluated yet.
    n_left: u64,
}

/// Threads that others woke during the poll at hand.
type Woken = Arc<Mutex<Vec<usize>>>;

/// All threads of the engine: the capture threads, then the shards.
pub(crate) struct Engine {
    captures: Vec<Capturing>,
    shards: Vec<Sharding>,
    lineage: Arc<Lineage>,
    woken: Woken,
    /// Virtual time, as capture threads read it.
    pub(crate) clock: Arc<AtomicU64>,
    /// The producer's end of each CPU's ring.
    pub(crate) rings: Vec<SyntheticTx>,
    /// Which capture thread reads a CPU's ring.
    pub(crate) reader: Vec<usize>,
    pub(crate) n_wakes: u64,
    pub(crate) n_windows: u64,
}

/// One rule for each kind of event, each true, each reading the parent: what is raised tells what was evaluated, when, where and with which
/// parent.
const RULES: &str = "
- {rule: open, desc: d, condition: evt.type = openat, output: '%proc.pid %proc.ppid %proc.pname', priority: INFO}
- {rule: fork, desc: d, condition: evt.type = clone, output: '%proc.pid %proc.ppid %proc.pname', priority: INFO}
- {rule: exec, desc: d, condition: evt.type = execve, output: '%proc.pid %proc.ppid %proc.pname', priority: INFO}
- {rule: exit, desc: d, condition: evt.type = procexit, output: '%proc.pid %proc.ppid %proc.pname', priority: INFO}
";

impl Engine {
    /// An engine for so many CPUs, with time standing at 0.
    pub(crate) fn new(
        n_cpus: usize,
        topology: Topology,
        room: Room,
        wait: WaitLimits,
    ) -> std::io::Result<Self> {
        let Topology { n_capture, n_shards } = topology;
        // As in `CaptureThread::new`.
        let blocked = WaitLimits { max_sleep: Duration::from_micros(500), ..wait };
        let clock = Arc::new(AtomicU64::new(0));
        let woken = Woken::default();
        let of_captures = wakers(&woken, 0..n_capture);
        let of_shards = wakers(&woken, n_capture..n_capture + n_shards);
        let (mut rings, mut readers) = (Vec::new(), Vec::new());
        for cpu in 0..n_cpus {
            let (tx, ring) = synthetic_ring(cpu as u16, room.ring)?;
            rings.push(tx);
            readers.push(ring);
        }
        let mut reader = Vec::new();
        let mut readers = readers.into_iter();
        let mut to_shards: Vec<Vec<_>> = (0..n_shards).map(|_| Vec::new()).collect();
        let (mut captures, mut threads) = (Vec::new(), Vec::new());
        for (n, (sleeping, _)) in of_captures.iter().enumerate() {
            // As the agent deals them: neighbours together.
            let n_rings = (n + 1) * n_cpus / n_capture - n * n_cpus / n_capture;
            reader.extend(std::iter::repeat_n(n, n_rings));
            let (mut lanes, mut meters_of_lanes) = (Vec::new(), Vec::new());
            for (rx_of_shard, (_, waker)) in to_shards.iter_mut().zip(&of_shards) {
                let (tx, rx) = lane(room.lane, room.batch);
                meters_of_lanes.push(tx.meters());
                lanes.push((tx, waker.clone()));
                rx_of_shard.push(rx);
            }
            let (watermark, meters) = (Arc::new(Watermark::new()), CaptureMeters::default());
            let parts = CaptureParts {
                clock: KeyClock::new(n_cpus, 0),
                lanes,
                recorder: None,
                watermark: Arc::clone(&watermark),
                meters: meters.clone(),
                seeds: None,
                time: TimeSource::Manual(Arc::clone(&clock)),
                wait: WaitLimits::default(),
            };
            threads.push(CaptureThread::new(readers.by_ref().take(n_rings).collect(), parts)?);
            captures.push((meters, watermark, meters_of_lanes, n_rings, Arc::clone(sleeping)));
        }
        CaptureThread::connect(&mut threads);
        let captures: Vec<Capturing> = threads
            .into_iter()
            .zip(captures)
            .map(|(thread, (meters, watermark, lanes, n_rings, sleeping))| Capturing {
                thread,
                meters,
                watermark,
                pushed: vec![0; lanes.len()],
                lanes,
                n_rings,
                idle: Patience::new(wait, Arc::clone(&sleeping)),
                blocked: Patience::new(blocked, Arc::default()),
                sleeping,
            })
            .collect();
        let watermarks: Vec<_> = captures.iter().map(|c| Arc::clone(&c.watermark)).collect();
        let lineage = Arc::new(Lineage::new(n_shards, capture::owner, LineageLimits::default()));
        let shards = shards(to_shards, &watermarks, &lineage, &of_captures, &of_shards, wait);
        Ok(Self {
            captures,
            shards,
            lineage,
            woken,
            clock,
            rings,
            reader,
            n_wakes: 0,
            n_windows: 0,
        })
    }

    /// Whether frames without state may leave the owner of their process.
    pub(crate) fn set_spread(&mut self, spread: Spread) {
        for capturing in &mut self.captures {
            capturing.thread.set_spread(spread);
        }
    }

    pub(crate) fn n_threads(&self) -> usize {
        self.captures.len() + self.shards.len()
    }

    /// Times that shards waited for each other's state.
    pub(crate) fn n_waits(&self) -> u64 {
        self.shards.iter().map(|s| s.waits.get()).sum()
    }

    /// Frames that capture threads read.
    pub(crate) fn n_read(&self) -> u64 {
        self.captures.iter().map(|c| c.meters.read.get()).sum()
    }

    fn take_woken(&self) -> Vec<usize> {
        std::mem::take(&mut *self.woken.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// One poll of one thread.
    pub(crate) fn poll(&mut self, id: usize, costs: &Costs) -> Polled {
        let mut polled = if id < self.captures.len() {
            self.poll_capture(id, costs)
        } else {
            self.poll_shard(id - self.captures.len(), costs)
        };
        polled.woken = self.take_woken();
        self.n_wakes += polled.woken.len() as u64;
        polled.cost_ns += polled.woken.len() as f64 * costs.get(Cost::Wake);
        polled
    }

    fn poll_capture(&mut self, id: usize, costs: &Costs) -> Polled {
        let c = &mut self.captures[id];
        let before = c.meters.read.get();
        let progress = c.thread.poll_once();
        let n_frames = (c.meters.read.get() - before) as f64;
        let mut n_pushed = 0;
        for (lane, pushed) in c.lanes.iter().zip(&mut c.pushed) {
            let now = lane.pushed.get();
            n_pushed += usize::from(now > *pushed);
            *pushed = now;
        }
        let (n_rings, n_lanes) = (c.n_rings as f64, c.lanes.len() as f64);
        let mut cost_ns = costs.get(Cost::CapturePoll)
            + n_rings * costs.get(Cost::CaptureRing)
            + n_lanes * costs.get(Cost::CaptureOutlet)
            + n_frames
                * (costs.get(Cost::CaptureFrame) + n_rings * costs.get(Cost::CaptureFrameRing))
            + n_pushed as f64 * costs.get(Cost::CaptureBatch);
        cost_ns *= costs.get(Cost::Cold);
        let (more, after) = match progress {
            capture::Progress::Worked => {
                c.idle.reset();
                c.blocked.reset();
                (0.0, After::Again)
            }
            capture::Progress::Idle => {
                c.blocked.reset();
                c.idle.step(costs, Wakeable::Yes)
            }
            capture::Progress::Blocked | capture::Progress::Ended => {
                c.blocked.step(costs, Wakeable::No)
            }
        };
        cost_ns += more;
        if n_pushed > 0 {
            // What `Peer::ask` does: its wake goes to an eventfd that nobody polls here.
            let own = self.captures[id].watermark.get();
            cost_ns += (self.captures.len() - 1) as f64 * costs.get(Cost::ShardPeer);
            for (n, peer) in self.captures.iter().enumerate() {
                if n != id && peer.watermark.get() < own && peer.sleeping.claim() {
                    self.woken.lock().unwrap_or_else(PoisonError::into_inner).push(n);
                }
            }
        }
        Polled { cost_ns, after, woken: Vec::new(), alerts: Vec::new() }
    }

    fn poll_shard(&mut self, n: usize, costs: &Costs) -> Polled {
        let n_peers = self.shards.len() + self.captures.len();
        let s = &mut self.shards[n];
        let applied = self.lineage.applied(s.index);
        let n_waits = s.waits.get();
        let progress = s.shard.poll_once();
        let mut alerts = Vec::new();
        while let Some(alert) = s.raised.pop() {
            alerts.push(alert);
        }
        let n_lanes = self.captures.len() as f64;
        let n_received = s.received.get() - std::mem::replace(&mut s.n_received, s.received.get());
        let by_kind: f64 = alerts.iter().map(|a| costs.get(cost_of(&a.rule.name))).sum();
        let merged = costs.get(Cost::MergeFrame) + n_lanes.log2() * costs.get(Cost::MergeLevel);
        let mut cost_ns = costs.get(Cost::ShardPoll)
            + n_lanes * costs.get(Cost::ShardLane)
            + n_received as f64 * merged
            + by_kind;
        if self.lineage.applied(s.index) > applied {
            cost_ns += n_peers as f64 * costs.get(Cost::ShardPeer);
        }
        if n_received > 0 {
            s.n_left = n_received;
        } else if !alerts.is_empty() || s.waits.get() > n_waits {
            cost_ns += s.n_left as f64 * costs.get(Cost::ParseAgain);
        }
        s.n_left = s.n_left.saturating_sub(alerts.len() as u64);
        cost_ns *= costs.get(Cost::Cold);
        self.n_windows += u64::from(n_received > 0);
        let (more, after) = if progress == stages::Progress::Worked {
            s.idle.reset();
            (0.0, After::Again)
        } else {
            s.idle.step(costs, Wakeable::Yes)
        };
        Polled { cost_ns: cost_ns + more, after, woken: Vec::new(), alerts }
    }
}

/// Flags by which threads say that they sleep, with what notes who is woken.
type Wakers = Vec<(Arc<Sleeping>, Unparker)>;

fn wakers(woken: &Woken, ids: Range<usize>) -> Wakers {
    let one = |id| {
        let (sleeping, woken) = (Arc::new(Sleeping::new()), Arc::clone(woken));
        let wake = move || woken.lock().unwrap_or_else(PoisonError::into_inner).push(id);
        (Arc::clone(&sleeping), Unparker::new(sleeping, wake))
    };
    ids.map(one).collect()
}

fn shards(
    to_shards: Vec<Vec<LaneRx>>,
    watermarks: &[Arc<Watermark>],
    lineage: &Arc<Lineage>,
    of_captures: &Wakers,
    of_shards: &Wakers,
    wait: WaitLimits,
) -> Vec<Sharding> {
    let source = Source { name: "simulated.yaml".into(), text: RULES.into() };
    let options = Options { matching: RuleMatching::All, ..Options::default() };
    let Ok(ruleset) = Ruleset::load(vec![source], options) else {
        unreachable!("the rules above load")
    };
    let ruleset = Arc::new(ruleset);
    to_shards
        .into_iter()
        .enumerate()
        .map(|(index, lanes)| {
            let (alerts, raised) = alert_lane(2 * MAX_WINDOW);
            let meters = ShardMeters::default();
            let (received, waits) = (Arc::clone(&meters.received), Arc::clone(&meters.waits));
            let shard = Shard::new(ShardConfig {
                index,
                lanes,
                watermarks: watermarks.to_vec(),
                sources: of_captures.iter().map(|(_, waker)| waker.clone()).collect(),
                lineage: Arc::clone(lineage),
                peers: of_shards.iter().map(|(_, waker)| waker.clone()).collect(),
                waiter: Waiter::new(WaitLimits::default()),
                ruleset: Arc::clone(&ruleset),
                matching: RuleMatching::All,
                alerts,
                output: None,
                meters,
                hostname: "simulated".into(),
                users: Arc::new(Users::from_files(b"", b"")),
                clock_offset_ns: 0,
                utc_offset_s: 0,
                evt_num_shift: 0,
                buffers: stages::BufferFormat::default(),
                // Late is told by the boot clock, which does not run here.
                late_after: None,
                deferral: DeferralLimits::default(),
            });
            let sleeping = Arc::clone(&of_shards[index].0);
            let idle = Patience::new(wait, sleeping);
            let shard = Box::new(shard);
            Sharding { shard, index, received, waits, raised, idle, n_received: 0, n_left: 0 }
        })
        .collect()
}

fn cost_of(rule: &str) -> Cost {
    match rule {
        "fork" => Cost::Fork,
        "exec" => Cost::Exec,
        "exit" => Cost::Exit,
        _ => Cost::Open,
    }
}
