//! The replay: pushes a savefile's processes and events into the shards' lanes, waiting where a lane is full.

use std::{
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use bus::{Backoff, Key, LaneTx, Sleeping, Unparker, WaitLimits, Watermark};
use event::{EventType, FrameHeader, HEADER_LEN, flags};
use perf::Latency;

use super::{
    Findings, Header, Reader, SavefileError,
    playback::{Playback, PlaybackDemand, PlayedFrame},
    reader::ReaderCounts,
};
use crate::{
    meters::{CaptureMeters, MAX_UNCOUNTED, Tally},
    outlet::{Outlets, Put},
    route::route,
    thread::Progress,
};

/// Event types that tell of what is no process: containers, users and groups.
const NOTICES: [u16; 6] = [324, 354, 356, 358, 360, 402];

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
        Ok(Self { playback: Playback::open(path)?, limit_ns: None })
    }

    /// Replays what a reader gives, which has given nothing yet.
    #[must_use]
    pub fn new(reader: Reader) -> Self {
        Self { playback: Playback::new(reader), limit_ns: None }
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

    /// See [`Playback::set_demand`].
    pub fn set_demand(&mut self, of_type: impl Fn(EventType) -> PlaybackDemand) {
        self.playback.set_demand(of_type);
    }

    /// Times one event in `every`: its reading, and what is then made of it.
    pub fn time(&mut self, every: u32, read: Arc<Latency>, convert: Arc<Latency>) {
        self.playback.time(every, read, convert);
    }

    /// Joins the replay to the lanes. `lanes[n]` leads to shard `n`, with what wakes that shard; the recorder's lane gets a copy of all.
    #[must_use]
    pub fn start(
        self,
        lanes: Vec<(LaneTx, Unparker)>,
        recorder: Option<(LaneTx, Unparker)>,
        watermark: Arc<Watermark>,
        meters: CaptureMeters,
    ) -> ReplayThread {
        ReplayThread {
            playback: self.playback,
            limit_ns: self.limit_ns,
            first_ts: None,
            listener: None,
            out: Outlets::new(lanes, recorder, watermark),
            meters,
            tally: Tally::default(),
            is_blocked: false,
            last: Key::MIN,
            n_impossible: 0,
            n_too_large: 0,
            error: None,
            state: State::Reading,
            backoff: Backoff::new(
                WaitLimits { max_sleep: Duration::from_micros(500), ..WaitLimits::default() },
                Arc::new(Sleeping::new()),
            ),
        }
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
    out: Outlets,
    meters: CaptureMeters,
    tally: Tally,
    /// The frame that was read last found its lane full.
    is_blocked: bool,
    /// Key of the last frame that was put or lost.
    last: Key,
    /// Frames of the playback that could not be, as far as they are counted.
    n_impossible: u64,
    n_too_large: u64,
    error: Option<SavefileError>,
    state: State,
    backoff: Backoff,
}

impl ReplayThread {
    /// Who is told of the frames about containers, users and groups, before they are put into a lane.
    pub fn tell(&mut self, listener: FrameListener) {
        self.listener = Some(Listener(listener));
    }

    /// Reads and routes a bounded number of frames, and publishes the watermark. Never waits.
    pub fn poll_once(&mut self) -> Progress {
        // A frame's wait in its lane is timed from here.
        let now = perf::boot_now_ns();
        let mut is_full = false;
        while self.state == State::Reading && self.tally.n_read < MAX_UNCOUNTED {
            if !self.put_next(now) {
                is_full = true;
                break;
            }
        }
        let n_impossible = self.playback.n_impossible();
        let n_lost = n_impossible - std::mem::replace(&mut self.n_impossible, n_impossible);
        self.tally.n_read += n_lost;
        self.tally.n_too_large += n_lost;
        let has_worked = self.tally.n_read > 0;
        if is_full || self.state == State::Draining {
            let is_clear = self.out.flush(now);
            if is_clear && self.state == State::Draining {
                self.state = State::Ended;
            }
        }
        self.out.publish(self.last);
        self.tally.post(&self.meters, &mut self.out);
        if self.state == State::Ended {
            self.out.end();
            Progress::Ended
        } else if has_worked {
            Progress::Worked
        } else {
            Progress::Blocked
        }
    }

    /// Puts the frame that was blocked, or else the next of the file. Gives `false` where its lane is full.
    fn put_next(&mut self, now: u64) -> bool {
        let Self { playback, listener, out, is_blocked, .. } = self;
        let next = if *is_blocked { Ok(playback.last_frame()) } else { playback.next_frame() };
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
        let shard = route(&header, out.n_shards());
        match out.put(shard, key, frame, now) {
            Put::Full => {
                *is_blocked = true;
                return false;
            }
            Put::TooLarge => {
                self.n_too_large += 1;
                self.tally.n_too_large += 1;
            }
            Put::Taken => self.tally.n_routed += 1,
        }
        self.tally.n_read += 1;
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
