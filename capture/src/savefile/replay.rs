//! The replay: pushes a savefile's processes and events into the shards' lanes, waiting where a lane is full.
//!
//! One thread reads. It stands in for as many capture threads as it has [`ReplayFeed`]s, each with lanes, batches and a watermark of its own: a frame
//! goes to the feed of its CPU, so shards merge what N live capture threads would give them.
//!
//! # Why nobody waits in a circle
//! The reader waits only where a lane of some feed is full. Before it does it has sealed and pushed whatever it could to every other lane of every
//! feed, and each feed's watermark stands just below that feed's oldest frame that is not pushed, or at the frame read last where there is none.
//! Of all frames not pushed let *k* be the smallest key, in the lane from feed *c* to shard *s*. Every watermark is at least *k* - 1, so every
//! shard may release all below *k*; waits for `applied` among those point to smaller keys only. The lane is sorted: what fills it lies below *k*, so *s*
//! gets through it and the lane has room again. This is the argument of `bus` with one thread in the place of several, whose own reading never
//! holds a watermark back: a feed without frames to push is published at the reader's position, though its CPU may be silent for the rest of the file.

use std::{
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use bus::schedule::{self, Place};
use bus::{Backoff, Key, LaneTx, Sleeping, Unparker, WaitLimits, Watermark};
use event::{EventSet, EventType, FrameHeader, HEADER_LEN, flags};
use perf::Latency;

use super::{
    Findings, Header, ProcessLimits, ReadMeters, Reader, Rooms, SavefileError,
    playback::{FrameRoom, Playback, PlaybackDemand, PlayedFrame},
    reader::ReaderCounts,
};
use crate::{
    meters::{CaptureMeters, MAX_UNCOUNTED, Tally},
    outlet::{Outlets, Put},
    route::Spread,
    thread::Progress,
};

/// Event types that tell of what is no process: containers, users and groups.
const NOTICES: [u16; 6] = [324, 354, 356, 358, 360, 402];

/// How long it sleeps where lanes are full; nobody wakes it. Half of what full lanes keep a shard busy for: it is never without work.
const LONGEST_SLEEP: Duration = Duration::from_micros(100);

/// What is called with a key and a frame.
pub type FrameListener = Box<dyn FnMut(Key, &[u8]) + Send>;

/// Who hears of notices, before any shard gets their frames.
struct Listener(FrameListener);

impl std::fmt::Debug for Listener {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Listener")
    }
}

/// A savefile that is opened and read up to its first event.
#[derive(Debug)]
pub struct Replay {
    playback: Playback,
    limit_ns: Option<u64>,
}

impl Replay {
    /// Opens a file.
    ///
    /// # Errors
    /// As [`Reader::open`].
    pub fn open(path: &Path) -> Result<Self, SavefileError> {
        Self::open_within(path, Rooms::default())
    }

    /// The same within so much memory.
    ///
    /// # Errors
    /// As [`Reader::open`].
    pub fn open_within(path: &Path, rooms: Rooms) -> Result<Self, SavefileError> {
        Ok(Self::of(Playback::open_within(path, rooms)?))
    }

    /// Replays what a reader gives, which has given nothing yet.
    #[must_use]
    pub fn new(reader: Reader) -> Self {
        Self::of(Playback::new(reader))
    }

    /// Replays what has given no frame yet.
    #[must_use]
    pub fn of(playback: Playback) -> Self {
        Self { playback, limit_ns: None }
    }

    /// What the file says before its first event.
    #[must_use]
    pub fn header(&self) -> &Header {
        self.playback.header()
    }

    /// Number of processes that the file's list makes known.
    #[must_use]
    pub fn n_seeds(&self) -> u64 {
        self.playback.n_seeds()
    }

    /// Ends once events are so much later than the first.
    pub fn end_after(&mut self, limit: Duration) {
        self.limit_ns = u64::try_from(limit.as_nanos()).ok();
    }

    /// See [`Playback::set_process_limits`].
    pub fn set_process_limits(&mut self, limits: ProcessLimits) {
        self.playback.set_process_limits(limits);
    }

    /// See [`Playback::set_demand`].
    pub fn set_demand(&mut self, of_type: impl Fn(EventType) -> PlaybackDemand) {
        self.playback.set_demand(of_type);
    }

    /// See [`Playback::look_into`]. Events that tell of what is no process are looked into either way.
    pub fn look_into(&mut self, types: &EventSet) {
        let notices = NOTICES.into_iter().map(EventType).collect();
        self.playback.look_into(types.union(&notices));
    }

    /// Times one event in `every`: its reading, and what is then made of it.
    pub fn time(&mut self, every: u32, read: Arc<Latency>, convert: Arc<Latency>) {
        self.playback.time(every, read, convert);
    }

    /// Joins the replay to its lanes. Frames of CPU `n` go to feed `n` modulo their number; without any feed the file is read and nobody has it.
    #[must_use]
    pub fn start(self, feeds: Vec<ReplayFeed>) -> ReplayThread {
        ReplayThread {
            playback: self.playback,
            limit_ns: self.limit_ns,
            first_ts: None,
            listener: None,
            feeds: feeds.into_iter().map(Feed::new).collect(),
            is_blocked: false,
            last: Key::MIN,
            n_impossible: 0,
            n_too_large: 0,
            error: None,
            left_out: None,
            state: State::Reading,
            backoff: Backoff::new(
                WaitLimits { max_sleep: LONGEST_SLEEP, ..WaitLimits::default() },
                Arc::new(Sleeping::new()),
            ),
        }
    }
}

/// What one capture thread would have: a lane to each shard, and a watermark.
#[derive(Debug)]
pub struct ReplayFeed {
    /// `lanes[n]` leads to shard `n`, with what wakes that shard.
    pub lanes: Vec<(LaneTx, Unparker)>,
    /// Gets a copy of all.
    pub recorder: Option<(LaneTx, Unparker)>,
    /// What is pushed, as far as this feed goes.
    pub watermark: Arc<Watermark>,
    /// What it counts.
    pub meters: CaptureMeters,
}

/// The sending ends of a [`ReplayFeed`].
#[derive(Debug)]
struct Feed {
    out: Outlets,
    meters: CaptureMeters,
    tally: Tally,
}

impl Feed {
    fn new(feed: ReplayFeed) -> Self {
        let ReplayFeed { lanes, recorder, watermark, meters } = feed;
        Self { out: Outlets::new(lanes, recorder, watermark), meters, tally: Tally::default() }
    }
}

/// The open batches of all feeds, as far as frames may be made in them.
struct OpenBatches<'a> {
    feeds: &'a mut [Feed],
    /// Whether nobody asks about a frame before it lies in its batch.
    is_unasked: bool,
    /// The feed that gave room last.
    at: usize,
}

impl FrameRoom for OpenBatches<'_> {
    #[inline]
    fn room(&mut self, header: &FrameHeader) -> Option<&mut [u8]> {
        if !self.is_unasked || NOTICES.contains(&header.event_type) {
            return None;
        }
        self.at = usize::from(header.cpu) % self.feeds.len().max(1);
        self.feeds.get_mut(self.at)?.out.room(header)
    }
}

/// How a replay ended.
#[derive(Debug)]
pub struct ReplayEnd {
    /// Events read, the number of the last one.
    pub n_events: u64,
    /// What the reader passed over.
    pub counts: ReaderCounts,
    /// What was not as it should be before the events and was read around.
    pub findings: Findings,
    /// What stopped it before the end of the file.
    pub error: Option<SavefileError>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Reading,
    /// Everything is read, not everything is pushed.
    Draining,
    Ended,
}

/// A replay that feeds lanes.
#[derive(Debug)]
pub struct ReplayThread {
    playback: Playback,
    /// It ends with the first event that is so much later than the first of all.
    limit_ns: Option<u64>,
    first_ts: Option<u64>,
    listener: Option<Listener>,
    feeds: Vec<Feed>,
    /// The frame that was read last found its lane full.
    is_blocked: bool,
    /// Key of the last frame that was put or lost.
    last: Key,
    /// Frames of the playback that could not be, as far as they are counted.
    n_impossible: u64,
    n_too_large: u64,
    error: Option<SavefileError>,
    left_out: Option<ReadMeters>,
    state: State,
    backoff: Backoff,
}

impl ReplayThread {
    /// Whether frames may go to other shards than the owner of their process; [`Spread::Auto`] unless told.
    pub fn set_spread(&mut self, spread: Spread) {
        self.feeds.iter_mut().for_each(|feed| feed.out.router().set_spread(spread));
    }

    /// Who is told of the frames about containers, users and groups, before they are put into a lane.
    pub fn tell(&mut self, listener: FrameListener) {
        self.listener = Some(Listener(listener));
    }

    /// What counts what is left out, while it is read.
    pub fn count_by(&mut self, left_out: ReadMeters) {
        self.left_out = Some(left_out);
    }

    /// See [`Reader::read_ahead`]: for a replay that has a thread of its own.
    pub fn read_ahead(&mut self) {
        self.playback.read_ahead();
    }

    /// Reads and routes a bounded number of frames, and publishes the watermarks. Never waits.
    pub fn poll_once(&mut self) -> Progress {
        // A frame's wait in its lane is timed from here.
        let now = perf::boot_now_ns();
        let mut is_full = false;
        let mut n_read = 0;
        while self.state == State::Reading && n_read < MAX_UNCOUNTED {
            if !self.put_next(now) {
                is_full = true;
                break;
            }
            n_read += 1;
        }
        if let Some(left_out) = &mut self.left_out {
            left_out.post(self.playback.counts());
        }
        let n_impossible = self.playback.n_impossible();
        let n_lost = n_impossible - std::mem::replace(&mut self.n_impossible, n_impossible);
        if let Some(first) = self.feeds.first_mut() {
            first.tally.n_read += n_lost;
            first.tally.n_too_large += n_lost;
        }
        if is_full || self.state == State::Draining {
            // All of them, whichever is full: see above.
            let mut is_clear = true;
            for feed in &mut self.feeds {
                is_clear &= feed.out.flush(now);
            }
            if is_clear && self.state == State::Draining {
                self.state = State::Ended;
            }
        }
        for (n, Feed { out, meters, tally }) in self.feeds.iter_mut().enumerate() {
            if schedule::strays(Place::BatchSeal, n) {
                // A lane that is full keeps what it has, as ever.
                out.flush(now);
            }
            if !schedule::strays(Place::WatermarkPublish, n) {
                out.publish(self.last);
                out.wake_readers();
            }
            tally.post(meters, out);
        }
        if self.state == State::Ended {
            self.feeds.iter_mut().for_each(|feed| feed.out.end());
            Progress::Ended
        } else if n_read + n_lost > 0 {
            Progress::Worked
        } else {
            Progress::Blocked
        }
    }

    /// Puts the frame that was blocked, or else the next of the file. Gives `false` where its lane is full.
    fn put_next(&mut self, now: u64) -> bool {
        let Self { playback, listener, feeds, is_blocked, limit_ns, last, .. } = self;
        let next = if *is_blocked {
            Ok(playback.last_frame())
        } else {
            let mut open = OpenBatches { feeds, is_unasked: limit_ns.is_none(), at: 0 };
            match playback.advance_into(&mut open) {
                Ok(true) => {
                    if let Some((key, len)) = playback.last_made() {
                        let Feed { out, tally, .. } = &mut open.feeds[open.at];
                        out.take_in(key, len);
                        tally.n_routed += 1;
                        tally.n_read += 1;
                        *last = key;
                        return true;
                    }
                    Ok(playback.last_frame())
                }
                Ok(false) => Ok(None),
                Err(e) => Err(e),
            }
        };
        let PlayedFrame { key, frame } = match next {
            Ok(Some(next)) => next,
            end => {
                self.error = end.err();
                self.state = State::Draining;
                return true;
            }
        };
        let Some(head) = frame.first_chunk::<HEADER_LEN>() else {
            unreachable!("a frame has a header")
        };
        let header = FrameHeader::from_bytes(head);
        if let Some(limit_ns) = self.limit_ns
            && header.flags & flags::SEED == 0
        {
            let first_ts = *self.first_ts.get_or_insert(header.ts);
            if header.ts.saturating_sub(first_ts) >= limit_ns {
                self.state = State::Draining;
                return true;
            }
        }
        if let Some(Listener(tell)) = listener
            && NOTICES.contains(&header.event_type)
            && !*is_blocked
        {
            tell(key, frame);
        }
        let n_feeds = feeds.len().max(1);
        if let Some(Feed { out, tally, .. }) = feeds.get_mut(usize::from(header.cpu) % n_feeds) {
            match out.put(&header, key, frame, now) {
                Put::Full => {
                    *is_blocked = true;
                    return false;
                }
                Put::TooLarge => {
                    self.n_too_large += 1;
                    tally.n_too_large += 1;
                }
                Put::Taken => tally.n_routed += 1,
            }
            tally.n_read += 1;
        }
        self.last = key;
        self.is_blocked = false;
        true
    }

    /// Runs to the end of the file, or until told to stop; what was read by then is pushed either way.
    pub fn run(mut self, stop: &AtomicBool) -> ReplayEnd {
        loop {
            // Relaxed: the flag orders nothing; an extra round is harmless.
            if self.state == State::Reading && !self.is_blocked && stop.load(Ordering::Relaxed) {
                self.state = State::Draining;
            }
            match self.poll_once() {
                Progress::Ended => return self.end(),
                Progress::Worked => self.backoff.reset(),
                Progress::Idle | Progress::Blocked => {
                    if let Some(timeout) = self.backoff.step() {
                        std::thread::sleep(timeout);
                    }
                }
            }
        }
    }

    /// What became of it, after [`Progress::Ended`].
    #[must_use]
    pub fn end(self) -> ReplayEnd {
        let mut counts = self.playback.counts();
        counts.n_too_large += self.n_too_large;
        let findings = self.playback.findings().clone();
        ReplayEnd { n_events: self.playback.evt_num(), counts, findings, error: self.error }
    }
}
