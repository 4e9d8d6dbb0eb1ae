//! The replay: pushes a savefile's processes and events into the shards' lanes, waiting where a lane is full.
//!
//! Keys are ordinals: the processes of the list have 1 to [`Replay::n_seeds`], event number `n` has `n_seeds + n`. Timestamps order nothing.

use std::{
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use bus::{Backoff, Key, LaneTx, Sleeping, Unparker, WaitLimits, Watermark};
use event::{FrameHeader, HEADER_LEN, MAX_FRAME_LEN, SectionKind, flags};

use super::{
    Header, Reader, SavefileError,
    reader::ReaderCounts,
    tracker::{Facts, Tracker},
};
use crate::{
    meters::{CaptureMeters, MAX_UNCOUNTED, Tally},
    outlet::{Outlets, Put},
    process::{SeedIds, parents_first},
    procfs::Seeds,
    route::route,
    thread::Progress,
};

/// A savefile that is opened and read up to its first event.
#[derive(Debug)]
pub struct Replay {
    reader: Reader,
    tracker: Tracker,
    seeds: Seeds,
}

impl Replay {
    /// Opens a file.
    ///
    /// # Errors
    /// As [`Reader::open`].
    pub fn open(path: &Path) -> Result<Self, SavefileError> {
        Ok(Self::new(Reader::open(path)?))
    }

    /// Replays what a reader gives, which has given nothing yet.
    #[must_use]
    pub fn new(reader: Reader) -> Self {
        let processes: Vec<_> =
            reader.header().processes.iter().filter(|p| p.is_main_thread()).collect();
        let mut tracker = Tracker::new();
        tracker.seed(&reader.header().processes);
        let ids: Vec<(i64, i64)> = processes.iter().map(|p| (p.pid, p.ptid)).collect();
        let mut seeds = Seeds::default();
        let mut buf = vec![0; MAX_FRAME_LEN];
        for at in parents_first(&ids) {
            let entry = processes[at];
            let ids = SeedIds {
                ts: 0,
                start_ns: tracker.incarnation(entry.pid as u32),
                parent_start_ns: tracker.incarnation(entry.ptid as u32),
                flags: flags::FROM_FILE,
            };
            if let Ok(frame) = entry.to_frame(ids, &mut buf) {
                seeds.push(frame);
            }
        }
        Self { reader, tracker, seeds }
    }

    /// What the file says before its first event.
    #[must_use]
    pub fn header(&self) -> &Header {
        self.reader.header()
    }

    /// Number of seeds: what lies between an event's key and its number.
    #[must_use]
    pub fn n_seeds(&self) -> u64 {
        self.seeds.len() as u64
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
        let Self { reader, tracker, seeds } = self;
        ReplayThread {
            reader,
            tracker,
            seeds,
            n_seeded: 0,
            out: Outlets::new(lanes, recorder, watermark),
            meters,
            tally: Tally::default(),
            buf: vec![0; MAX_FRAME_LEN],
            pending: None,
            last: Key::MIN,
            n_events: 0,
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
    reader: Reader,
    tracker: Tracker,
    seeds: Seeds,
    n_seeded: usize,
    out: Outlets,
    meters: CaptureMeters,
    tally: Tally,
    buf: Vec<u8>,
    /// Length of the frame in `buf` that found its lane full.
    pending: Option<usize>,
    /// Key of the last frame that was put or lost.
    last: Key,
    n_events: u64,
    n_too_large: u64,
    error: Option<SavefileError>,
    state: State,
    backoff: Backoff,
}

impl ReplayThread {
    /// Reads and routes a bounded number of frames, and publishes the watermark. Never waits.
    pub fn poll_once(&mut self) -> Progress {
        // A frame's wait in its lane is timed from here.
        let now = perf::boot_now_ns();
        let mut is_full = false;
        while self.state == State::Reading && self.tally.n_read < MAX_UNCOUNTED {
            if self.pending.is_none() && !self.read_next() {
                continue;
            }
            if !self.put_pending(now) {
                is_full = true;
                break;
            }
        }
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

    /// Puts the next frame into `buf`. Gives `false` where there is none this time: the end, or a frame that cannot be.
    fn read_next(&mut self) -> bool {
        if let Some(seed) = self.seeds.get(self.n_seeded) {
            self.buf[..seed.len()].copy_from_slice(seed);
            self.pending = Some(seed.len());
            self.n_seeded += 1;
            return true;
        }
        let event = match self.reader.next_event() {
            Ok(Some(event)) => event,
            end => {
                self.error = end.err();
                self.state = State::Draining;
                return false;
            }
        };
        self.n_events += 1;
        let mut header = event.frame_header();
        let facts = self.tracker.follow(&event, &mut header);
        let mut frame = event.start_frame(header, &mut self.buf);
        match facts {
            Facts::None => {}
            Facts::Creator(creator) => {
                frame.section(SectionKind::Creator, &[&creator.to_bytes()]);
            }
            Facts::Exit(exit) => {
                frame.section(SectionKind::Exit, &[&exit.to_bytes()]);
            }
        }
        if let Ok(frame) = frame.finish() {
            self.pending = Some(frame.len());
            return true;
        }
        self.lose();
        false
    }

    /// A frame that no batch takes keeps its number.
    fn lose(&mut self) {
        self.last = self.last.next();
        self.n_too_large += 1;
        self.tally.n_read += 1;
        self.tally.n_too_large += 1;
    }

    fn put_pending(&mut self, now: u64) -> bool {
        let Some(len) = self.pending else { return true };
        let frame = &self.buf[..len];
        let Some(head) = frame.first_chunk::<HEADER_LEN>() else {
            unreachable!("a frame has a header")
        };
        let shard = route(&FrameHeader::from_bytes(head), self.out.n_shards());
        let key = self.last.next();
        match self.out.put(shard, key, frame, now) {
            Put::Full => return false,
            Put::TooLarge => self.lose(),
            Put::Taken => {
                self.last = key;
                self.tally.n_read += 1;
                self.tally.n_routed += 1;
            }
        }
        self.pending = None;
        true
    }

    /// Runs to the end of the file, or until told to stop; what was read by then is pushed either way.
    pub fn run(mut self, stop: &AtomicBool) -> ReplayEnd {
        loop {
            // Relaxed: the flag orders nothing; an extra round is harmless.
            if self.state == State::Reading
                && self.pending.is_none()
                && stop.load(Ordering::Relaxed)
            {
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
        let mut counts = self.reader.counts();
        counts.n_too_large += self.n_too_large;
        ReplayEnd { n_events: self.n_events, counts, error: self.error }
    }
}
