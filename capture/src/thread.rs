//! The capture thread: merges its rings by key and copies each frame into the batch of the shard that owns its process.
//!
//! **Order.** A frame leaves its ring only when its key is at or below the bound of every other ring of the thread, so each lane is sorted.
//!
//! **Bound of a ring.** Every frame that is still to come from it has a larger key. With a record at its head the bound lies just below that
//! record's key. Without one it is the last key drained, raised to the clock (less [`GUARD_NS`]) when the ring is drained: the clock is
//! read first, then the producer's position, behind a fence; a producer reserves first and reads the clock behind a fence, so a record that
//! this thread did not see has a later time.
//!
//! **Waiting.** Where records come rarely the thread sleeps and the first one wakes it. Where they come oftener than twice in [`NAP`] it naps, and nobody has
//! to wake it: each wake would take time from whoever makes records, for a handful of them (docs/journal/2026-11-23-waking.md).
//!
//! **Watermark.** Just below the smallest of the oldest frame not yet pushed and every ring's bound; published after each push and when idle.
//!
//! **Backpressure.** A full lane stops the thread's merge and nothing else: all other batches are pushed, the watermark rises to just below
//! the frame that waits, and the frames behind it stay in their rings.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::Duration,
};

use bus::{
    Backoff, Key, KeyClock, LaneTx, Naps, RingKeys, Sleeping, Unparker, WaitLimits, Watermark,
};
use event::{FrameHeader, HEADER_LEN};
use perf::Sampler;

use crate::{
    injection::Injection,
    meters::{CaptureMeters, LATENCY_EVERY, MAX_UNCOUNTED, Tally},
    outlet::{Outlets, Put},
    ring::{Peek, Ring},
    route::Spread,
    seeds::Seeds,
    waker::{EventFd, PollList},
};

/// How far the clocks of two CPUs may differ, in ns. The kernel keeps the boot clock of all CPUs within a microsecond of each other (an
/// update of its time base may step one reader back by less than that); ten of them are still far below any latency that matters here.
pub const GUARD_NS: u64 = 10_000;
/// Period of naps: what a frame waits for at most, or nearly so, where frames come oftener than twice in it; half of it at the median, which is to stay well below
/// a millisecond. A node with fewer than 2,500 events a second never naps.
pub const NAP: Duration = Duration::from_micros(800);
/// Shorter naps than this cost more than the wakes that they save: small rings are not napped over.
const MIN_NAP: Duration = Duration::from_micros(100);
/// While a frame waits for another ring's bound, which takes [`GUARD_NS`] at most, or for room, which takes longer.
const WHILE_BLOCKED: WaitLimits = WaitLimits {
    n_spins: 8,
    n_yields: 0,
    min_sleep: Duration::from_micros(50),
    max_sleep: Duration::from_micros(500),
};
/// How long the end waits for a record that was reserved and is not submitted.
const MAX_END_WAIT_NS: u64 = 100_000_000;
/// Bytes of seeds that go to a shard at once, though a batch holds more: memory of batches is the system's until it was used, and many a machine
/// never has as many events at once as it has processes at the start.
const SEED_BYTES: usize = 32 << 10;

/// What a poll did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Progress {
    /// Frames moved; there may be more.
    Worked,
    /// There was nothing to do, and nothing is held back.
    Idle,
    /// A lane is full, or a frame waits for another ring's bound.
    Blocked,
    /// The source has ended; its watermark is [`Key::MAX`].
    Ended,
}

/// Where the thread has the time from.
#[derive(Clone, Debug, Default)]
pub enum TimeSource {
    /// The boot clock, as frames of the kernel have it.
    #[default]
    Boot,
    /// A word that a test sets.
    Manual(Arc<AtomicU64>),
}

impl TimeSource {
    fn now(&self) -> u64 {
        match self {
            Self::Boot => perf::boot_now_ns(),
            // Acquire: pairs with the Release of the test's store; a record with a later time is not in the ring yet.
            Self::Manual(ns) => ns.load(Ordering::Acquire),
        }
    }
}

/// What other capture threads ask of this one: a watermark at or above some key.
#[derive(Debug, Default)]
struct Demand {
    /// Largest key that somebody has pushed. Release on raise pairs with the Acquire in `poll_once`.
    key: AtomicU64,
}

/// A handle by which other capture threads say that shards wait for this one's watermark. Without it a sleeping thread would hold up frames
/// that others pushed, until its timeout.
#[derive(Clone, Debug)]
pub struct Peer {
    demand: Arc<Demand>,
    watermark: Arc<Watermark>,
    waker: Unparker,
}

impl Peer {
    fn ask(&self, key: Key) {
        if self.watermark.get() < key {
            self.demand.key.fetch_max(key.0, Ordering::AcqRel);
            self.waker.wake();
        }
    }
}

#[derive(Debug)]
struct Source<R> {
    ring: R,
    keys: RingKeys,
    /// Key of the record at the head, once it was looked at.
    head: Option<Key>,
    /// Every frame to come has a larger key.
    bound: Key,
    needs_release: bool,
}

impl<R: Ring> Source<R> {
    /// Looks at the head, once for each record.
    fn look(&mut self, tally: &mut Tally) {
        if self.head.is_some() {
            return;
        }
        let Peek::Record { frame, .. } = self.ring.peek() else { return };
        let ts = match checked_len(frame) {
            Ok((header, _)) => header.ts,
            Err(bad) => {
                tally.n_read += 1;
                match bad {
                    BadFrame::Header => tally.n_bad_header += 1,
                    BadFrame::Length => tally.n_bad_length += 1,
                }
                self.ring.advance();
                self.needs_release = true;
                return;
            }
        };
        let key = self.keys.stamp(ts, self.bound);
        self.head = Some(key);
        self.bound = key.prev();
    }

    fn step(&mut self, key: Key) {
        self.ring.advance();
        self.head = None;
        self.bound = key;
        self.needs_release = true;
    }

    fn release(&mut self) {
        if std::mem::take(&mut self.needs_release) {
            self.ring.release();
        }
    }
}

enum BadFrame {
    Header,
    Length,
}

/// The header and the frame's true length: a record may be longer than the frame it holds. The shard checks the rest.
fn checked_len(record: &[u8]) -> Result<(FrameHeader, usize), BadFrame> {
    let header =
        FrameHeader::from_bytes(record.first_chunk::<HEADER_LEN>().ok_or(BadFrame::Header)?);
    let len = header.len as usize;
    if len < HEADER_LEN || len > record.len() || !len.is_multiple_of(8) {
        return Err(BadFrame::Length);
    }
    Ok((header, len))
}

/// Everything that a capture thread is made of beside its rings.
#[derive(Debug)]
pub struct CaptureParts {
    /// Makes keys; one for all threads.
    pub clock: KeyClock,
    /// `lanes[n]` leads to shard `n`, with what wakes that shard.
    pub lanes: Vec<(LaneTx, Unparker)>,
    /// A lane that gets a copy of every frame.
    pub recorder: Option<(LaneTx, Unparker)>,
    /// This thread's watermark.
    pub watermark: Arc<Watermark>,
    /// Its counters.
    pub meters: CaptureMeters,
    /// Processes from before the capture; one thread has them.
    pub seeds: Option<Seeds>,
    /// The time.
    pub time: TimeSource,
    /// How it waits when there is nothing to do.
    pub wait: WaitLimits,
}

/// A capture thread, before and while it runs.
#[derive(Debug)]
pub struct CaptureThread<R: Ring> {
    sources: Vec<Source<R>>,
    out: Outlets,
    clock: KeyClock,
    time: TimeSource,
    now: u64,
    meters: CaptureMeters,
    tally: Tally,
    n_clamps: u64,
    sampler: Sampler,
    seeds: Seeds,
    n_seeded: usize,
    injection: Option<Injection>,
    peers: Vec<Peer>,
    demand: Arc<Demand>,
    n_demanded: Key,
    sleeping: Arc<Sleeping>,
    idle: Backoff,
    blocked: Backoff,
    naps: Naps,
    /// Frames that the last poll moved.
    n_moved: u64,
    /// It left nothing that could be moved or has to be.
    has_caught_up: bool,
    eventfd: Arc<EventFd>,
    poll_list: PollList,
}

impl<R: Ring> CaptureThread<R> {
    /// A thread that owns these rings.
    ///
    /// # Errors
    /// Where no eventfd can be made.
    pub fn new(rings: Vec<R>, parts: CaptureParts) -> std::io::Result<Self> {
        let CaptureParts { clock, lanes, recorder, watermark, meters, seeds, time, wait } = parts;
        let eventfd = Arc::new(EventFd::new()?);
        let poll_list =
            PollList::new(std::iter::once(eventfd.fd()).chain(rings.iter().filter_map(Ring::fd)));
        let nap = rings.iter().map(Ring::may_wait).min().unwrap_or(NAP).min(NAP);
        let nap = if nap < MIN_NAP { Duration::ZERO } else { nap };
        let sources = rings
            .into_iter()
            .map(|ring| Source {
                keys: RingKeys::new(clock, ring.cpu()),
                ring,
                head: None,
                bound: Key::MIN,
                needs_release: false,
            })
            .collect();
        let sleeping = Arc::new(Sleeping::new());
        Ok(Self {
            sources,
            out: Outlets::new(lanes, recorder, watermark),
            clock,
            time,
            now: 0,
            meters,
            tally: Tally::default(),
            n_clamps: 0,
            sampler: Sampler::new(LATENCY_EVERY),
            seeds: seeds.unwrap_or_default(),
            n_seeded: 0,
            injection: None,
            peers: Vec::new(),
            demand: Arc::default(),
            n_demanded: Key::MIN,
            idle: Backoff::new(wait, Arc::clone(&sleeping)),
            blocked: Backoff::new(WHILE_BLOCKED, Arc::new(Sleeping::new())),
            naps: Naps::new(nap),
            n_moved: 0,
            has_caught_up: false,
            sleeping,
            eventfd,
            poll_list,
        })
    }

    /// What wakes this thread out of its sleep, for whoever ends it.
    #[must_use]
    pub fn unparker(&self) -> Unparker {
        let eventfd = Arc::clone(&self.eventfd);
        Unparker::new(Arc::clone(&self.sleeping), move || eventfd.raise())
    }

    /// The handle for other capture threads.
    #[must_use]
    pub fn peer(&self) -> Peer {
        Peer {
            demand: Arc::clone(&self.demand),
            watermark: Arc::clone(self.out.watermark()),
            waker: self.unparker(),
        }
    }

    /// Whether frames may go to other shards than the owner of their process; [`Spread::Auto`] unless told.
    pub fn set_spread(&mut self, spread: Spread) {
        self.out.router().set_spread(spread);
    }

    /// Makes this thread sleep until it is woken, however often that is.
    pub fn never_nap(&mut self) {
        self.naps = Naps::new(Duration::ZERO);
    }

    /// Makes this thread take frames that no ring has.
    pub fn take_injections(&mut self, injection: Injection) {
        self.injection = Some(injection);
    }

    /// Makes the threads know each other. Call it once for all threads that feed the same shards, before they run.
    pub fn connect(threads: &mut [Self]) {
        let peers: Vec<Peer> = threads.iter().map(Self::peer).collect();
        for (n, thread) in threads.iter_mut().enumerate() {
            thread.peers =
                peers.iter().enumerate().filter(|&(m, _)| m != n).map(|(_, p)| p.clone()).collect();
        }
    }

    /// Moves what there is, at most a bounded number of frames, and publishes the watermark. Never waits.
    pub fn poll_once(&mut self) -> Progress {
        let n_before = self.tally.n_read;
        debug_assert_eq!(n_before, 0, "counts are posted at the end of each poll");
        // Acquire: pairs with the raise in `Peer::ask`.
        let demanded = Key(self.demand.key.load(Ordering::Acquire));
        self.now = self.time.now();
        let stopped = self.move_frames();
        for source in &mut self.sources {
            source.release();
        }
        self.n_moved = self.tally.n_read;
        let has_worked = self.n_moved > 0;
        let is_clear = match stopped {
            Stopped::Budget => true,
            Stopped::Drained | Stopped::Waiting | Stopped::Full => self.out.flush(self.now),
        };
        self.publish();
        self.tally.post(&self.meters, &mut self.out);
        let n_clamps: u64 = self.sources.iter().map(|s| s.keys.n_clamped()).sum();
        if n_clamps > self.n_clamps {
            self.meters.clamps.add(n_clamps - self.n_clamps);
            self.n_clamps = n_clamps;
        }
        let mut is_met = true;
        if demanded > self.n_demanded {
            is_met = self.out.watermark().get() >= demanded;
            if is_met {
                self.n_demanded = demanded;
                self.out.wake_all();
            }
        }
        let is_drained = matches!(stopped, Stopped::Drained | Stopped::Waiting);
        self.has_caught_up = is_drained && is_clear && is_met;
        if has_worked {
            Progress::Worked
        } else if stopped == Stopped::Drained && is_clear && is_met {
            Progress::Idle
        } else {
            Progress::Blocked
        }
    }

    fn move_frames(&mut self) -> Stopped {
        if let Some(stopped) = self.move_seeds() {
            return stopped;
        }
        let mut n_left = MAX_UNCOUNTED;
        loop {
            if n_left == 0 {
                return Stopped::Budget;
            }
            n_left -= 1;
            let mut least: Option<(Key, usize)> = None;
            for (at, source) in self.sources.iter_mut().enumerate() {
                source.look(&mut self.tally);
                if let Some(key) = source.head
                    && least.is_none_or(|(min, _)| key < min)
                {
                    least = Some((key, at));
                }
            }
            match self.inject(least.map(|(key, _)| key)) {
                Some(Ok(())) => continue,
                Some(Err(stopped)) => return stopped,
                None => {}
            }
            let Some((key, at)) = least else {
                // A bad record was stepped over and another may stand behind it; the next poll looks.
                return Stopped::Drained;
            };
            if !self.is_below_every_bound(key) {
                self.refresh_bounds();
                if !self.is_below_every_bound(key) {
                    return Stopped::Waiting;
                }
            }
            match self.take(key, at) {
                Put::Taken | Put::TooLarge => {}
                Put::Full => return Stopped::Full,
            }
        }
    }

    /// Gives the seeds their keys, 1 and up, before any frame of a ring. `None` once all are put.
    fn move_seeds(&mut self) -> Option<Stopped> {
        let mut n_bytes = 0;
        while let Some(frame) = self.seeds.get(self.n_seeded) {
            if self.tally.n_read == MAX_UNCOUNTED {
                return Some(Stopped::Budget);
            }
            let key = Key(self.n_seeded as u64 + 1);
            // A seed is this program's own work: its header is whole.
            let Ok((header, _)) = checked_len(frame) else { unreachable!("a seed has a header") };
            match self.out.put(&header, key, frame, self.now) {
                Put::Taken => self.tally.n_routed += 1,
                Put::TooLarge => self.tally.n_too_large += 1,
                Put::Full => return Some(Stopped::Full),
            }
            n_bytes += frame.len();
            self.tally.n_read += 1;
            self.seeds.forget(self.n_seeded);
            self.n_seeded += 1;
            if n_bytes >= SEED_BYTES * self.out.n_shards() {
                n_bytes = 0;
                // Where a lane is full, the next one that goes there says so.
                self.out.flush(self.now);
            }
        }
        if self.n_seeded > 0 {
            // Whatever the rings' timestamps say, their frames come after the seeds.
            let last = Key(self.n_seeded as u64);
            for source in &mut self.sources {
                source.bound = source.bound.max(last);
            }
            self.seeds = Seeds::default();
            self.n_seeded = 0;
        }
        None
    }

    /// Copies the head of a ring into its batch and steps past it.
    fn take(&mut self, key: Key, at: usize) -> Put {
        let source = &mut self.sources[at];
        let Peek::Record { frame, .. } = source.ring.peek() else {
            unreachable!("a record stays at the head until it is stepped past")
        };
        let Ok((header, len)) = checked_len(frame) else { unreachable!("the head was checked") };
        let put = self.out.put(&header, key, &frame[..len], self.now);
        match put {
            Put::Full => return put,
            Put::Taken => self.tally.n_routed += 1,
            Put::TooLarge => self.tally.n_too_large += 1,
        }
        self.tally.n_read += 1;
        source.step(key);
        if self.sampler.due() {
            self.meters.kernel_to_capture.record(self.time.now().saturating_sub(header.ts));
        }
        put
    }

    fn has_injections(&self) -> bool {
        self.injection.as_ref().is_some_and(|injection| !injection.is_empty())
    }

    /// Copies a frame that no ring has into its batch; `None` where it is not its turn: `least` is the first key of the rings. A frame of a ring
    /// behind it must not go first, even where its key is below every bound a moment later.
    fn inject(&mut self, least: Option<Key>) -> Option<Result<(), Stopped>> {
        let injection = self.injection.as_mut()?;
        let (sources, out) = (&self.sources, &self.out);
        let floor = || {
            let bound = sources.iter().map(|s| s.bound).max();
            bound.unwrap_or(Key::MIN).max(out.watermark().get())
        };
        let key =
            injection.head(|| self.time.now(), floor).filter(|&k| least.is_none_or(|l| k < l))?;
        if !self.is_below_every_bound(key) {
            self.refresh_bounds();
            if !self.is_below_every_bound(key) {
                return Some(Err(Stopped::Waiting));
            }
        }
        let injection = self.injection.as_mut()?;
        let frame = injection.frame()?;
        // What is injected is this program's own work: its header is whole.
        let Ok((header, _)) = checked_len(frame) else { unreachable!("a seed has a header") };
        match self.out.put(&header, key, frame, self.now) {
            Put::Full => return Some(Err(Stopped::Full)),
            Put::Taken => self.tally.n_routed += 1,
            Put::TooLarge => self.tally.n_too_large += 1,
        }
        self.tally.n_read += 1;
        self.tally.n_injected += 1;
        injection.advance();
        Some(Ok(()))
    }

    fn is_below_every_bound(&self, key: Key) -> bool {
        // The ring that holds the key is bound just below it.
        self.sources.iter().all(|s| s.head.is_some() || s.bound >= key)
    }

    /// Raises the bound of each ring that has nothing. The clock is read before the rings are looked at.
    fn refresh_bounds(&mut self) {
        self.now = self.time.now();
        let bound = self.clock.below(self.now.saturating_sub(GUARD_NS));
        for source in &mut self.sources {
            if source.head.is_none() && source.bound < bound && source.ring.is_drained() {
                source.bound = bound;
            }
        }
    }

    fn publish(&mut self) {
        let demanded = Key(self.demand.key.load(Ordering::Acquire));
        let bound = |sources: &[Source<R>]| sources.iter().map(|s| s.bound).min();
        // A thread without rings bounds nothing; it is never built by the topology.
        let mut least = bound(&self.sources).unwrap_or(Key::MIN);
        if least < self.clock.below(self.now.saturating_sub(GUARD_NS)) || least < demanded {
            self.refresh_bounds();
            least = bound(&self.sources).unwrap_or(Key::MIN);
        }
        if self.n_seeded < self.seeds.len() {
            // Every frame of a ring comes behind the last seed. What waits in the rings meanwhile must not hold the seeds up: where they are more
            // than the lanes hold, nobody could go on.
            least = Key(self.n_seeded as u64);
        }
        if let Some(key) = self.injection.as_ref().and_then(Injection::stamped) {
            least = least.min(key.prev());
        }
        let pushed = self.out.publish(least);
        if let Some(key) = pushed {
            for peer in &self.peers {
                peer.ask(key);
            }
        }
        // Readers come last: one that was woken before the others are asked could sleep again just before another one's watermark passes what it was
        // given, and nobody asks for what has passed, nor wakes anybody for it.
        self.out.wake_readers();
    }

    /// Runs until told to stop, then moves what is left.
    pub fn run(mut self, stop: &AtomicBool) {
        // Acquire: pairs with the Release of whoever stops; what it did before (detaching the programs) has happened.
        while !stop.load(Ordering::Acquire) {
            match self.poll_once() {
                Progress::Worked => {
                    self.idle.reset();
                    self.blocked.reset();
                    self.naps.worked(self.now, self.n_moved);
                    if self.has_caught_up {
                        self.nap();
                    }
                }
                Progress::Idle => {
                    self.blocked.reset();
                    if !self.nap() {
                        self.wait();
                    }
                }
                Progress::Blocked | Progress::Ended => self.wait_for_room(),
            }
        }
        self.finish();
    }

    /// Naps, where more is to be expected soon. Whoever wants something of this thread meanwhile has it at the end of the nap.
    fn nap(&mut self) -> bool {
        let nap = self.naps.rest(self.time.now());
        if let Some(nap) = nap {
            self.meters.naps.add(1);
            std::thread::sleep(nap);
        }
        nap.is_some()
    }

    /// Nothing to do: sleeps on the rings and the eventfd, after spins and yields where the limits have any.
    fn wait(&mut self) {
        let Some(timeout) = self.idle.step() else { return };
        for source in &self.sources {
            source.ring.set_sleeping(true);
        }
        // Each look passes a fence behind the flag, as the producer does between its record and its look at the flag.
        if self.sources.iter().all(|s| s.ring.is_drained()) && !self.has_injections() {
            self.meters.sleeps.add(1);
            // The eventfd comes first. One that is raised later ends the next sleep.
            if self.poll_list.wait(timeout) {
                self.eventfd.lower();
            }
        } else {
            // A record is being written, by an interrupted producer maybe on this very CPU.
            std::thread::yield_now();
        }
        for source in &self.sources {
            source.ring.set_sleeping(false);
        }
    }

    /// A lane is full or another ring's bound is short: whoever empties the lane wakes nobody, so the sleeps are short. Who reads it is woken first. It
    /// may wait for the watermark of a thread that others ask for more, which that one cannot come to, for it has no room either; until it has come to
    /// all that it is asked for it wakes nobody.
    fn wait_for_room(&mut self) {
        if let Some(timeout) = self.blocked.step() {
            self.out.wake_held_up();
            std::thread::sleep(timeout);
        }
    }

    /// Moves everything that is in the rings, waits until it is pushed, and publishes [`Key::MAX`]. Call it after the producers are stopped.
    pub fn finish(mut self) {
        let deadline = self.time.now().saturating_add(MAX_END_WAIT_NS);
        loop {
            match self.poll_once() {
                Progress::Worked => self.blocked.reset(),
                Progress::Idle | Progress::Ended => {
                    // Drained, or a record that its producer never submits.
                    if self.sources.iter().all(|s| s.ring.is_drained())
                        || self.time.now() >= deadline
                    {
                        break;
                    }
                    self.wait_for_room();
                }
                Progress::Blocked => {
                    if self.time.now() >= deadline {
                        // Such a record holds up those of other rings no longer either.
                        self.sources
                            .retain_mut(|s| s.head.is_some() || s.ring.peek() != Peek::Busy);
                    }
                    self.wait_for_room();
                }
            }
        }
        self.out.end();
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stopped {
    /// As many frames were moved as a poll may move.
    Budget,
    /// No ring has a record.
    Drained,
    /// A record waits for another ring's bound.
    Waiting,
    /// A record waits for its lane.
    Full,
}
