//! Gate targets: the threads in front of the shards: one that reads a file, one that makes frames of its events, one that empties rings.

use std::io::{Cursor, Read as _};
use std::os::fd::RawFd;
use std::path::Path;
use std::rc::Rc;
use std::sync::Arc;

use bench_harness::samples::{self, At};
use bench_harness::{Pass, TargetFn, run_targets};
use bus::{BatchLimits, KeyClock, LaneRx, WaitLimits, Waiter, Watermark, lane};
use capture::savefile::{Reader, Replay, ReplayFeed, ReplayThread};
use capture::{CaptureMeters, CaptureParts, CaptureThread, Peek, Progress, Ring, TimeSource};
use event::EventSet;
use flate2::read::GzDecoder;
use perf::CountingAlloc;

#[global_allocator]
static ALLOC: CountingAlloc = CountingAlloc::system();

const LIMITS: BatchLimits = BatchLimits { max_frames: 512, max_bytes: 256 << 10 };
/// Batches of a lane, which is emptied when it is full.
const CAPACITY: usize = 8;
/// Records of a ring.
const N_RECORDS: u64 = 1000;

/// Ordinary work as it was recorded, unpacked.
fn recording() -> Rc<[u8]> {
    let path =
        Path::new(env!("CARGO_MANIFEST_DIR")).join("../testdata/recordings/ordinary-work.scap.gz");
    let packed = std::fs::read(&path).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
    let mut bytes = Vec::new();
    GzDecoder::new(&packed[..]).read_to_end(&mut bytes).expect("the recording is whole");
    bytes.into()
}

fn reader(recording: &Rc<[u8]>) -> Reader {
    Reader::new(Cursor::new(recording.to_vec())).expect("the recording has a header")
}

fn n_events(mut reader: Reader) -> u64 {
    let mut n = 0;
    while reader.next_event().expect("the recording is whole").is_some() {
        n += 1;
    }
    n
}

/// Blocks found and checked, from the first event to the last.
fn read_events() -> Pass {
    let recording = recording();
    let n = n_events(reader(&recording));
    let prepare = move |state: &mut Option<Reader>| *state = Some(reader(&recording));
    Pass::prepared(n, None, prepare, move |state| {
        assert_eq!(state.take().map(n_events), Some(n), "every event was read");
    })
}

/// A thread that fills a lane, and the lane's other end.
struct Filling {
    thread: ReplayThread,
    rx: LaneRx,
}

impl Filling {
    fn of(recording: &Rc<[u8]>, looked_into: &EventSet) -> Self {
        let mut replay = Replay::new(reader(recording));
        replay.look_into(looked_into);
        let (tx, rx) = lane(CAPACITY, LIMITS);
        let lanes = vec![(tx, Waiter::new(WaitLimits::default()).unparker())];
        let (watermark, meters) = (Arc::new(Watermark::new()), CaptureMeters::default());
        let feed = ReplayFeed { lanes, recorder: None, watermark, meters };
        Self { thread: replay.start(vec![feed]), rx }
    }

    /// Runs to the end; gives the number of frames.
    fn run(mut self) -> u64 {
        let mut n = 0;
        loop {
            let progress = self.thread.poll_once();
            n += emptied(&mut self.rx);
            if progress == Progress::Ended {
                return n;
            }
        }
    }
}

/// Takes what is in a lane, as a shard would; gives the number of frames.
fn emptied(rx: &mut LaneRx) -> u64 {
    let mut n = 0;
    while let Some(batch) = rx.pop() {
        n += batch.len() as u64;
        rx.recycle(batch);
    }
    n
}

/// Reading, converting and filling batches, for rules that read all of each event, or of none.
fn replay(looked_into: fn() -> EventSet) -> Pass {
    let recording = recording();
    let n = Filling::of(&recording, &looked_into()).run();
    let prepare = move |state: &mut Option<Filling>| {
        *state = Some(Filling::of(&recording, &looked_into()));
    };
    Pass::prepared(n, None, prepare, move |state| {
        assert_eq!(state.take().map(Filling::run), Some(n), "every event has a frame");
    })
}

/// A ring that has the same records again as often as it is filled.
struct FullRing {
    records: Vec<Vec<u8>>,
    at: usize,
}

impl Ring for FullRing {
    fn cpu(&self) -> u16 {
        0
    }
    fn peek(&mut self) -> Peek<'_> {
        match self.records.get(self.at) {
            Some(frame) => Peek::Record { frame, end: self.at as u64 },
            None => Peek::Empty,
        }
    }
    fn advance(&mut self) {
        self.at += 1;
    }
    fn release(&mut self) {}
    fn is_drained(&self) -> bool {
        self.at == self.records.len()
    }
    fn set_sleeping(&self, _: bool) {}
    fn fd(&self) -> Option<RawFd> {
        None
    }
}

/// Records out of a ring into batches: opens, and a fork and an exec among them.
fn capture_thread() -> Pass {
    let record = |n: u64| {
        let at = At { ts: 1000 + n, cpu: 0, tgid: 4000 + n as u32 % 50, parent: 1 };
        match n % 50 {
            0 => samples::fork(at),
            1 => samples::exec(at, false),
            _ => samples::open(at),
        }
    };
    let records: Vec<Vec<u8>> = (0..N_RECORDS).map(record).collect();
    let start = move || {
        let (tx, rx) = lane(CAPACITY, LIMITS);
        let parts = CaptureParts {
            clock: KeyClock::new(1, 0),
            lanes: vec![(tx, Waiter::new(WaitLimits::default()).unparker())],
            recorder: None,
            watermark: Arc::new(Watermark::new()),
            meters: CaptureMeters::default(),
            seeds: None,
            time: TimeSource::Boot,
            wait: WaitLimits::default(),
        };
        let ring = FullRing { records: records.clone(), at: 0 };
        (CaptureThread::new(vec![ring], parts).expect("an eventfd can be made"), rx)
    };
    let prepare = move |state: &mut Option<_>| *state = Some(start());
    Pass::prepared(N_RECORDS, None, prepare, |state| {
        let (thread, rx) = state.as_mut().expect("it was prepared");
        let mut n = 0;
        while n < N_RECORDS {
            assert_ne!(thread.poll_once(), Progress::Idle, "records are left");
            n += emptied(rx);
        }
        assert_eq!(n, N_RECORDS, "every record was moved");
    })
}

fn main() {
    let targets: [TargetFn; 4] = [
        ("read_events", "capture::savefile::Reader::next_event", read_events),
        ("replay_whole", "capture::savefile::ReplayThread::poll_once (all is looked into)", || {
            replay(EventSet::all)
        }),
        ("replay_heads", "capture::savefile::ReplayThread::poll_once (state alone)", || {
            replay(|| EventSet::EMPTY)
        }),
        ("capture_thread", "capture::CaptureThread::poll_once", capture_thread),
    ];
    run_targets(&targets, std::env::args().skip(1));
}
