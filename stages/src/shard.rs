//! One shard: merge a window, parse it, apply its state, evaluate it. Runs to completion, or says for whom it waits.

use std::mem;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use bumpalo::Bump;
use bumpalo::collections::Vec as BumpVec;
use bus::{Key, LaneRx, Tx, Unparker, Waiter, Watermark};
use perf::{Sampler, boot_now_ns};
use rules::{Alert, RuleMatching, Ruleset};

use crate::defer::{Deferral, DeferralLimits};
use crate::detect::{Decision, Detector, Unanswered, WhenFull};
use crate::fields::{BufferFormat, Scene};
use crate::merge::{Bounds, Merge};
use crate::meters::{SAMPLE_EVERY, ShardMeters};
use crate::parse::Event;
use crate::state::{Lineage, StateWriter, Wait};
use crate::swap::{Follower, Limit, RuleSwap};
use crate::users::Users;
use crate::watch::{Watcher, Watches};

/// Frames of a window. Large enough to spread the cost of publishing, small enough that other shards never wait long for its state.
pub const MAX_WINDOW: usize = 256;

/// What the arena keeps from one window to the next. A window of giant frames takes more, and gives it back.
const MAX_ARENA_BYTES: usize = 1 << 20;

/// Longest time that a shard lets others catch up before a window.
const HELD_FOR: Duration = Duration::from_millis(100);

/// How long it sleeps meanwhile: who catches up wakes nobody.
const LOOK_WHILE_HELD: Duration = Duration::from_millis(1);

/// What it sleeps at least where the time of an event that waits for a container's runtime is over, and another shard is behind.
const LOOK_WHILE_OVERDUE: Duration = Duration::from_millis(1);

/// Windows of a replay after which who delivers is told of its alerts, if the shard is never without work.
const ANNOUNCE_EVERY: u32 = 32;

/// What a shard is made of.
pub struct ShardConfig {
    /// Its number, which the lineage's route gives for the processes it owns.
    pub index: usize,
    /// One lane from each capture thread.
    pub lanes: Vec<LaneRx>,
    /// The watermark of each capture thread, in the order of the lanes.
    pub watermarks: Vec<Arc<Watermark>>,
    /// What wakes each capture thread, in the order of the lanes; may be empty where they never sleep for long.
    pub sources: Vec<Unparker>,
    /// The process table of all shards.
    pub lineage: Arc<Lineage>,
    /// What wakes each shard, this one included.
    pub peers: Vec<Unparker>,
    /// How this shard waits.
    pub waiter: Waiter,
    /// The rules.
    pub ruleset: Arc<Ruleset>,
    /// How the rules were loaded: first match or all.
    pub matching: RuleMatching,
    /// Where alerts go.
    pub alerts: Tx<Alert>,
    /// What wakes who delivers them.
    pub output: Option<Unparker>,
    /// Its meters.
    pub meters: ShardMeters,
    /// `evt.hostname`.
    pub hostname: Arc<str>,
    /// Users and groups.
    pub users: Arc<Users>,
    /// Added to the boot clock to get ns since the epoch.
    pub clock_offset_ns: i64,
    /// Local time less UTC.
    pub utc_offset_s: i32,
    /// `evt.num` is the key without so many low bits: 0 live.
    pub evt_num_shift: u32,
    /// How parameters show raw bytes.
    pub buffers: BufferFormat,
    /// How long frames wait for a straggling watermark before the shard goes on without it. `None` in a replay, which never does, and which
    /// waits for room in the lane of its alerts too.
    pub late_after: Option<Duration>,
    /// How long events wait for what a container's runtime has to tell.
    pub deferral: DeferralLimits,
}

/// What a step did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Progress {
    /// It got through a window.
    Worked,
    /// There is nothing to do until a watermark moves.
    Idle,
    /// It waits until another shard has applied what came before.
    Waiting(Wait),
    /// The sources have ended and everything is done.
    Ended,
}

/// A shard.
pub struct Shard {
    index: usize,
    merge: Merge,
    sources: Vec<Unparker>,
    lineage: Arc<Lineage>,
    peers: Vec<Unparker>,
    waiter: Waiter,
    writer: StateWriter,
    detector: Detector,
    rule_swap: Option<Follower>,
    watcher: Option<Watcher>,
    output: Option<Unparker>,
    meters: ShardMeters,
    scene: Scene,
    deferral: Deferral,
    bump: Bump,
    window: Window,
    sampler: Sampler,
    late_after: Option<Duration>,
    stalled_since: Option<u64>,
    /// Since when it lets others catch up.
    held_since: Option<u64>,
    /// What the window at hand waits for.
    waits_for: Option<Wait>,
    n_late: u64,
    /// Windows since who delivers was last told of alerts.
    n_unannounced: u32,
    is_shedding: bool,
}

/// Where the shard stands in its window.
#[derive(Clone, Copy, Debug, Default)]
struct Window {
    /// Nothing up to here is missing.
    end: Key,
    /// Entries whose state is applied.
    n_applied: usize,
    /// Entries that are evaluated.
    n_detected: usize,
    /// Whether its frames were counted.
    is_counted: bool,
    is_timed: bool,
}

impl Shard {
    /// A shard that has seen nothing yet.
    #[must_use]
    pub fn new(config: ShardConfig) -> Self {
        let ShardConfig {
            index,
            lanes,
            watermarks,
            sources,
            lineage,
            peers,
            waiter,
            ruleset,
            matching,
            alerts,
            output,
            meters,
            hostname,
            users,
            clock_offset_ns,
            utc_offset_s,
            evt_num_shift,
            buffers,
            late_after,
            deferral,
        } = config;
        let when_full = if late_after.is_none() { WhenFull::Wait } else { WhenFull::Lose };
        Self {
            index,
            merge: Merge::new(lanes, watermarks, MAX_WINDOW),
            sources,
            writer: StateWriter::new(index, Arc::clone(&lineage)),
            lineage,
            peers,
            waiter,
            detector: Detector::new(ruleset, matching, utc_offset_s, alerts, when_full),
            rule_swap: None,
            watcher: None,
            output,
            meters,
            scene: Scene { shard: index, users, hostname, clock_offset_ns, evt_num_shift, buffers },
            deferral: Deferral::new(deferral),
            bump: Bump::new(),
            window: Window::default(),
            sampler: Sampler::new(SAMPLE_EVERY),
            late_after,
            stalled_since: None,
            held_since: None,
            waits_for: None,
            n_late: 0,
            n_unannounced: 0,
            is_shedding: false,
        }
    }

    /// Makes the shard take part in a swap: its rules can then be replaced while it runs.
    #[must_use]
    pub fn following(mut self, swap: Arc<RuleSwap>) -> Self {
        self.rule_swap = Some(Follower::new(swap, self.index, &self.detector.engine));
        self
    }

    /// Makes the shard show samples of its events to who looks.
    #[must_use]
    pub fn watched(mut self, watches: Arc<Watches>) -> Self {
        self.watcher = Some(Watcher::new(watches, self.index));
        self
    }

    /// Whether the sources have ended and every frame was evaluated.
    pub fn is_finished(&mut self) -> bool {
        self.merge.is_finished() && self.deferral.is_empty()
    }

    /// One step: the next window, or the rest of one that had to wait. Never blocks.
    pub fn poll_once(&mut self) -> Progress {
        if self.merge.is_empty() {
            let by_now = if self.is_shedding {
                Some(Unanswered::Cut)
            } else if !self.deferral.is_empty() && self.lineage.is_short() {
                // What waits holds on to the past of all processes.
                Some(Unanswered::NoRoom)
            } else {
                None
            };
            // What cannot be decided yet is tried again at the next step: nothing waits for it.
            let n_decided = self.decide(by_now).unwrap_or(0);
            match self.next_window() {
                Ok(true) => {}
                Ok(false) if n_decided > 0 => return Progress::Worked,
                Ok(false) if self.is_finished() => return Progress::Ended,
                Ok(false) => {
                    self.wake_output();
                    return Progress::Idle;
                }
                Err(wait) => return Progress::Waiting(wait),
            }
        }
        if let Some(wait) = self.waits_for
            && self.lineage.applied(wait.shard) < wait.until
        {
            // Looked at again and again while it spins: nothing is parsed anew before there is an answer.
            return Progress::Waiting(wait);
        }
        let n_before = self.window.n_detected;
        match self.work() {
            Ok(()) => {
                if self.waits_for.take().is_some() {
                    self.lineage.waits().clear(self.index);
                }
                self.finish_window();
                Progress::Worked
            }
            Err(wait) => {
                self.waits_for = Some(wait);
                self.meters.waits.add(1);
                self.wake_output();
                // Waits for room in its own alert lane do not add up: a window that fills the lane again and again would wait for longer each time.
                let is_anew = wait.shard == self.index && self.window.n_detected > n_before;
                if self.begin_to_wait(wait) && !is_anew {
                    Progress::Waiting(wait)
                } else {
                    Progress::Worked
                }
            }
        }
    }

    /// Posts a wait, and wakes whom it is for: who sleeps may not know yet that its watermarks have moved on. They have, or nothing behind them
    /// would be at hand here, so once is enough. `false` where the wait is over already.
    fn begin_to_wait(&self, wait: Wait) -> bool {
        if wait.shard == self.index {
            // For room in its own alert lane.
            return true;
        }
        self.lineage.waits().post(self.index, wait.shard, wait.until);
        if self.lineage.applied(wait.shard) >= wait.until {
            return false;
        }
        if let Some(peer) = self.peers.get(wait.shard) {
            peer.wake();
        }
        true
    }

    /// Steps until the sources have ended. Once `stop` is set what is left is shed, counted by type, and the shard ends when nothing waits.
    pub fn run(mut self, stop: &AtomicBool) {
        loop {
            // Relaxed: nothing else is communicated by it.
            self.is_shedding = stop.load(Ordering::Relaxed);
            match self.poll_once() {
                Progress::Worked => self.waiter.reset(),
                Progress::Ended => break,
                Progress::Idle if self.is_shedding && self.deferral.is_empty() => break,
                Progress::Idle | Progress::Waiting(_) => self.idle(),
            }
        }
        // Nobody shall wait for a shard that has gone.
        self.lineage.publish_applied(self.index, Key::MAX);
        self.lineage.publish_done(self.index, Key::MAX);
        wake_waiting(&self.lineage, &self.peers, self.index, Key::MAX);
        let output = self.output.clone();
        drop(self);
        // Who delivers ends with the last shard, and may sleep.
        if let Some(output) = output {
            output.wake();
        }
    }

    /// Waits to be woken, or for what comes with time alone.
    fn idle(&mut self) {
        let longest = if self.held_since.is_some() {
            LOOK_WHILE_HELD
        } else if self.stalled_since.is_some() {
            self.late_after.map_or(Duration::MAX, |late_after| late_after / 8)
        } else {
            // An answer wakes it.
            self.deferral.time_left().map_or(Duration::MAX, |left| left.max(LOOK_WHILE_OVERDUE))
        };
        self.waiter.idle_at_most(longest);
    }

    /// Decides events that wait for a container's runtime: those that can be, or, where there is a reason, all.
    fn decide(&mut self, by_now: Option<Unanswered>) -> Result<usize, Wait> {
        if self.deferral.is_empty() {
            return Ok(0);
        }
        let Self { deferral, lineage, scene, bump, detector, meters, .. } = self;
        let decided = deferral.decide(by_now, lineage, scene, bump, detector, meters);
        self.publish_done();
        match &decided {
            Err(wait) => {
                self.meters.waits.add(1);
                // Where it is over, the next step decides.
                self.begin_to_wait(*wait);
            }
            Ok(0) => return decided,
            Ok(_) => self.writer.reclaim(),
        }
        self.wake_output();
        decided
    }

    /// Says how far everything is decided; between windows.
    fn publish_done(&self) {
        self.lineage.publish_done(self.index, self.deferral.done(self.window.end));
    }

    /// Takes the next window; `false` where there is none.
    fn next_window(&mut self) -> Result<bool, Wait> {
        let (mut bound, smallest) = self.bound();
        let released = self.merge.released();
        while let Some(swap) = &mut self.rule_swap {
            let is_awaiting = !self.deferral.is_empty();
            match swap.limit(bound, released, is_awaiting, &mut self.detector.engine) {
                Limit::UpTo(limit) => {
                    bound = limit;
                    break;
                }
                Limit::Undecided => return Ok(false),
                Limit::AfterDeciding => self.decide(Some(Unanswered::Cut))?,
            };
        }
        if self.holds_back() {
            return Ok(false);
        }
        let before = self.window.end;
        let end = self.merge.fill(bound);
        if end > smallest {
            self.lineage.go_beyond(end);
        }
        let n = self.merge.len();
        self.window = Window { end, is_timed: n > 0 && self.sampler.due(), ..Window::default() };
        if n == 0 {
            if end > before {
                self.lineage.publish_applied(self.index, end);
                self.publish_done();
                // Who died last is not kept until something happens again.
                self.writer.reclaim();
                wake_waiting(&self.lineage, &self.peers, self.index, end);
            }
            return Ok(false);
        }
        if let Some(watcher) = &mut self.watcher {
            watcher.begin(n);
        }
        let n_late = self.merge.n_late();
        if n_late > self.n_late {
            self.meters.late.add(n_late - mem::replace(&mut self.n_late, n_late));
        }
        let mut sealed = self.merge.drain_sealed().peekable();
        if sealed.peek().is_some() {
            let now = boot_now_ns();
            for sealed_at in sealed {
                self.meters.lane_wait.record(now.saturating_sub(sealed_at));
            }
        }
        Ok(true)
    }

    /// Whether it lets others catch up before it makes more versions: those that it has made take as much memory as they may, until nobody is so far
    /// behind that they could be asked for.
    ///
    /// Nobody waits in a circle. Who is behind all others does not hold back; where it waits for what another one has to apply it has said so on the
    /// board, and that one goes on. What else it may wait for (room in its alert lane, which in a replay is emptied in the order of all shards) and a
    /// shard that stands still are waited for so long only, for each window.
    #[inline]
    fn holds_back(&mut self) -> bool {
        if self.writer.keeps_past() {
            return self.holds_back_for_the_past();
        }
        self.held_since = None;
        false
    }

    #[inline(never)]
    fn holds_back_for_the_past(&mut self) -> bool {
        let Self { index, lineage, writer, peers, meters, .. } = self;
        let mut is_short = !self.is_shedding && lineage.is_short();
        if is_short {
            // Of what the others were asked for meanwhile some may be done with.
            writer.reclaim();
            is_short = lineage.is_short();
        }
        let is_held = is_short
            && lineage.behind(*index).next().is_some()
            && !lineage.waits().is_awaited(*index, lineage.applied(*index));
        if !is_held {
            self.held_since = None;
            return false;
        }
        let now = boot_now_ns();
        if let Some(since) = self.held_since {
            let held = u128::from(now.saturating_sub(since));
            let max = self.late_after.map_or(HELD_FOR, |late| HELD_FOR.min(late / 4));
            let is_over = held >= max.as_nanos();
            self.held_since = Some(since).filter(|_| !is_over);
            return !is_over;
        }
        self.held_since = Some(now);
        meters.held_back.add(1);
        // Who sleeps does not know yet that it may go on.
        lineage.behind(*index).filter_map(|n| peers.get(n)).for_each(|peer| {
            peer.wake();
        });
        true
    }

    /// Up to which key frames may be released: the smallest watermark, or, once frames have waited too long for it, the smallest of those that are not
    /// behind, here or on another shard. And the smallest watermark.
    #[inline(never)]
    fn bound(&mut self) -> (Key, Key) {
        let Self { merge, lineage, sources, late_after, stalled_since, rule_swap, .. } = self;
        let Bounds { smallest, waited_for } = merge.bounds();
        let mut bound = waited_for.max(lineage.beyond());
        if bound > merge.released() || !merge.has_waiting() {
            *stalled_since = None;
        } else {
            // Frames wait for nothing but a watermark whose thread may be asleep.
            for source in sources {
                source.wake();
            }
            if let Some(late_after) = late_after {
                let now = boot_now_ns();
                let since = *stalled_since.get_or_insert(now);
                if u128::from(now.saturating_sub(since)) >= late_after.as_nanos() {
                    *stalled_since = None;
                    merge.give_up_stragglers();
                    bound = merge.bounds().waited_for;
                }
            }
        }
        if bound > smallest
            && let Some(swap) = rule_swap
        {
            swap.swap().goes_beyond(bound);
        }
        (bound, smallest)
    }

    /// Parses what is left of the window, applies its state, then evaluates it.
    fn work(&mut self) -> Result<(), Wait> {
        let Self {
            index,
            merge,
            lineage,
            peers,
            writer,
            detector,
            meters,
            bump,
            window,
            scene,
            deferral,
            watcher,
            ..
        } = self;
        bump.reset();
        let bump = &*bump;
        let entries = &merge.entries()[window.n_detected..];
        let first = window.n_detected;
        let mut clock = Stopwatch::start(window.is_timed);
        let mut events = BumpVec::with_capacity_in(entries.len(), bump);
        let mut n_rejected = 0;
        let looked_into = &detector.engine.looked_into;
        writer.hears_answers = detector.engine.reads_host_names;
        for entry in entries {
            let bytes = merge.bytes(entry);
            let event = Event::parse_some(entry.key, entry.own_key, bytes, looked_into, bump).ok();
            n_rejected += u64::from(event.is_none());
            events.push(event);
        }
        if !window.is_counted {
            window.is_counted = true;
            meters.received.add(entries.len() as u64);
            meters.parsed.add(entries.len() as u64 - n_rejected);
            meters.rejected.add(n_rejected);
        }
        clock.lap(&meters.parse, events.len());
        let mut is_applied = Ok(());
        let mut applied = window.end;
        while let Some(event) = events.get(window.n_applied.wrapping_sub(first)) {
            if let Some(event) = event
                && let Err(wait) = writer.apply(event, bump, meters)
            {
                // What comes before it is evaluated meanwhile: where forks are many, each shard's window waits for the next one of some
                // other, and only one of them would evaluate at a time.
                is_applied = Err(wait);
                applied = event.key.prev();
                break;
            }
            window.n_applied += 1;
        }
        // Before it waits it tells how far it is: no two shards wait for each other.
        lineage.publish_applied(*index, applied);
        wake_waiting(lineage, peers, *index, applied);
        clock.lap(&meters.state, events.len());
        let at = scene.at(lineage, detector.utc_offset_s(), bump);
        // Looked at once for the window: what is not asked for costs its events nothing.
        let is_profiled = detector.is_profiled();
        let mut is_decided = Ok(());
        for (event, entry) in events.iter().zip(entries).take(window.n_applied - first) {
            let mut detect = |event, by_now| {
                if is_profiled {
                    detector.detect::<true>(at, event, by_now, meters)
                } else {
                    detector.detect::<false>(at, event, by_now, meters)
                }
            };
            match event {
                Some(event) if self.is_shedding && !event.is_state_only() => {
                    meters.shed.add(usize::from(event.header().event_type), 1);
                }
                Some(event) => match detect(event, None) {
                    Ok(Decision::Made) => {}
                    Ok(Decision::Awaits(container)) => {
                        if let Err(why) =
                            deferral.keep(event, merge.bytes(entry), container, meters)
                            && let Err(wait) = detect(event, Some(why))
                        {
                            is_decided = Err(wait);
                            break;
                        }
                    }
                    Err(wait) => {
                        is_decided = Err(wait);
                        break;
                    }
                },
                None => {}
            }
            window.n_detected += 1;
        }
        if let Some(watcher) = watcher
            && watcher.is_on()
        {
            watcher.look(at, &events[..window.n_detected - first], first, detector);
        }
        is_decided?;
        clock.lap(&meters.detect, events.len());
        is_applied
    }

    fn finish_window(&mut self) {
        self.publish_done();
        self.merge.clear();
        self.detector.let_go();
        self.writer.reclaim();
        if self.bump.allocated_bytes() > MAX_ARENA_BYTES {
            self.bump = Bump::new();
        }
        self.n_unannounced += 1;
        // Live an alert goes out at once. A replay's is awaited by nobody, and a thread woken for each window costs more than its alerts.
        if self.late_after.is_some() || self.n_unannounced >= ANNOUNCE_EVERY {
            self.wake_output();
        }
    }

    fn wake_output(&mut self) {
        self.n_unannounced = 0;
        if self.detector.take_raised()
            && let Some(output) = &self.output
        {
            output.wake();
        }
    }
}

impl Drop for Shard {
    fn drop(&mut self) {
        if let Some(swap) = &self.rule_swap {
            swap.hand_in(&mut self.detector.engine);
        }
    }
}

/// Wakes the shards that wait for this one's `applied`, which was published. Nobody else has to know.
fn wake_waiting(lineage: &Lineage, peers: &[Unparker], own: usize, applied: Key) {
    for peer in lineage.waits().reached(own, applied).filter_map(|n| peers.get(n)) {
        peer.wake();
    }
}

/// Times the parts of a window, where the window is one of the timed.
struct Stopwatch(Option<u64>);

impl Stopwatch {
    fn start(is_timed: bool) -> Self {
        Self(is_timed.then(boot_now_ns))
    }

    /// Records the time since the last lap, per event.
    fn lap(&mut self, latency: &perf::Latency, n_events: usize) {
        if let (Some(since), Some(n)) =
            (&mut self.0, u64::try_from(n_events).ok().filter(|&n| n > 0))
        {
            let now = boot_now_ns();
            latency.record_n(now.saturating_sub(mem::replace(since, now)) / n, n);
        }
    }
}
