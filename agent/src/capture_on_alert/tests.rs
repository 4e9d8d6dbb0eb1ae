//! From synthetic frames and alerts to files, by a clock of the test's own.

use std::path::Path;
use std::time::Duration;

use bus::{Rx, Sleeping};
use capture::savefile::Reader;
use event::{EventType, FrameHeader, FrameWriter};
use perf::Moment;

use super::*;

/// Boot clock to epoch.
const OFFSET: i64 = 1_000_000_000_000_000;
const MS: u64 = 1_000_000;

struct Rig {
    capture: AlertCapture,
    tell: Teller,
    internal: Rx<Alert>,
    registry: Registry,
    dir: tempfile::TempDir,
}

fn rig(change: impl FnOnce(&mut CaptureOnAlert)) -> Rig {
    let dir = tempfile::tempdir().unwrap();
    let mut config = CaptureOnAlert {
        path_prefix: dir.path().join("alert"),
        every_rule: false,
        default_duration: Duration::from_millis(100),
        max_file_mb: None,
        before: Duration::from_millis(50),
        before_bytes: 1 << 20,
    };
    change(&mut config);
    let waker = || Unparker::new(Arc::new(Sleeping::new()), || {});
    let (lane, internal) = bus::alert_lane(4);
    let alerts = InternalAlerts::new(lane, waker());
    let mut registry = Registry::new();
    let (capture, tell) = AlertCapture::new(
        &config,
        Means {
            realtime_offset_ns: OFFSET,
            internal: alerts,
            recorder: waker(),
            slack: 0,
            outside: Outside::start().unwrap(),
            give_back: GiveBack { all: || (), of_this_thread: || () },
        },
        &mut registry,
    );
    Rig { capture, tell, internal, registry, dir }
}

fn frame_of(ms: u64, n_bytes: usize) -> Vec<u8> {
    let mut buf = vec![0; n_bytes + 256];
    let header = FrameHeader {
        ts: ms * MS,
        event_type: EventType::READ_X.0,
        tid: 7,
        tgid: 7,
        ..FrameHeader::default()
    };
    let mut writer = FrameWriter::new(&mut buf, header);
    writer.bytes(&0i64.to_le_bytes()).bytes(&3i64.to_le_bytes());
    writer.bytes(&0u32.to_le_bytes()).bytes(&vec![b'x'; n_bytes]);
    writer.finish().unwrap().to_vec()
}

fn alert(ms: u64, captures: bool, duration_ms: u64) -> Alert {
    let mut alert = limit_reached(0, 0, ms * MS + OFFSET as u64);
    alert.evt_num = ms;
    let mut rule = (*alert.rule).clone();
    rule.source = "syscall".into();
    (rule.capture, rule.capture_duration_ms) = (captures, duration_ms);
    Alert { rule: Arc::new(rule), ..alert }
}

impl Rig {
    /// A frame for every millisecond, whose key is that.
    fn frames(&mut self, ms: std::ops::Range<u64>) {
        for ms in ms {
            self.capture.frame(Key(ms), &frame_of(ms, 8));
        }
    }

    fn alert(&mut self, ms: u64, captures: bool, duration_ms: u64) {
        (self.tell)(&alert(ms, captures, duration_ms));
        self.capture.step(ms * MS, false);
    }

    /// Until lists are written.
    fn settle(&mut self) {
        while matches!(self.capture.state, State::Beginning { .. }) {
            std::thread::sleep(Duration::from_millis(1));
            self.capture.step(0, false);
        }
    }

    fn is_waiting(&self) -> bool {
        matches!(self.capture.state, State::Waiting)
    }

    fn count(&self, name: &str) -> u64 {
        self.registry.snapshot(Moment::Final).get(name).unwrap()
    }

    fn files(&self) -> Vec<PathBuf> {
        let mut all: Vec<_> =
            std::fs::read_dir(self.dir.path()).unwrap().map(|e| e.unwrap().path()).collect();
        all.sort();
        all
    }

    /// Ends, and gives the files.
    fn finish(self) -> (Vec<PathBuf>, Registry, tempfile::TempDir) {
        let files = self.files();
        let Self { capture, tell, registry, dir, .. } = self;
        drop(tell);
        capture.finish();
        let snapshot = registry.snapshot(Moment::Final);
        assert!(snapshot.balances(), "{}", snapshot.table());
        (files, registry, dir)
    }
}

/// The times of a file's events, in milliseconds.
fn times(path: &Path) -> Vec<u64> {
    let mut reader = Reader::open(path).unwrap();
    let mut all = Vec::new();
    while let Some(event) = reader.next_event().unwrap() {
        // Not the starts, which are made of them.
        if event.event_type == EventType::READ_X {
            all.push((event.ts - OFFSET as u64) / MS);
        }
    }
    all
}

fn range(times: &[u64]) -> (u64, u64) {
    assert!(times.windows(2).all(|w| w[1] == w[0] + 1), "{times:?}");
    (*times.first().unwrap(), *times.last().unwrap())
}

#[test]
fn a_file_has_what_came_before_the_alert_and_what_comes_until_its_time_is_over() {
    let mut rig = rig(|_| {});
    rig.frames(0..1000);
    rig.alert(990, true, 0);
    // They wait while lists are written.
    rig.frames(1000..1020);
    rig.settle();
    rig.frames(1020..1200);
    assert!(rig.is_waiting(), "the time is over");
    assert_eq!((rig.count("captures.begun"), rig.count("captures.ended_by_time")), (1, 1));
    assert_eq!((rig.count("captures.open"), rig.count("captures.without_alert")), (0, 0));
    assert!(rig.count("captures.evicted") > 0);
    let (files, registry, _dir) = rig.finish();
    assert_eq!(files.len(), 1);
    let name = files[0].file_name().unwrap().to_str().unwrap();
    assert_eq!(name, "alert_00001000000990000000_00000000000000000990.scap");
    assert_eq!(range(&times(&files[0])), (940, 1090));
    let written = registry.snapshot(Moment::Final).get("captures.written");
    assert_eq!(written, Some(1090 - 940 + 1));
    let reader = Reader::open(&files[0]).unwrap();
    let me = i64::from(std::process::id());
    assert!(reader.header().processes.iter().any(|p| p.pid == me));
}

#[test]
fn what_is_known_of_containers_stands_before_the_events() {
    let mut rig = rig(|_| {});
    let told = |id: &str| Arc::new(::containers::Details::of_id(::containers::Kind::Docker, id));
    let (tx, mut notes) = crate::container_notes::channel();
    tx.send(told(&"a".repeat(64))).unwrap();
    rig.capture.container(notes.next(MS).unwrap());
    rig.frames(0..1000);
    rig.alert(990, true, 100);
    rig.settle();
    tx.send(told(&"b".repeat(64))).unwrap();
    rig.capture.container(notes.next(1000 * MS).unwrap());
    rig.frames(1000..1010);
    let (files, _, _dir) = rig.finish();
    let mut reader = Reader::open(&files[0]).unwrap();
    let (mut n_events, mut places) = (0, Vec::new());
    while let Some(event) = reader.next_event().unwrap() {
        if event.event_type == EventType(324) {
            places.push(n_events);
        }
        n_events += 1;
    }
    assert!(places.len() == 2 && places[0] == 0 && places[1] > 1, "{places:?}");
    assert!(places[1] + 1 < n_events);
}

#[test]
fn any_further_alert_prolongs_it_and_one_file_is_written_at_a_time() {
    let mut rig = rig(|_| {});
    rig.frames(0..100);
    rig.alert(99, false, 5000);
    assert!(rig.is_waiting(), "that rule asks for no capture");
    rig.alert(99, true, 20);
    rig.settle();
    rig.frames(100..110);
    rig.alert(109, false, 200);
    rig.alert(109, true, 1);
    rig.frames(110..400);
    assert!(rig.is_waiting());
    rig.alert(399, true, 20);
    rig.settle();
    rig.frames(400..500);
    let (files, _, _dir) = rig.finish();
    assert_eq!(files.len(), 2);
    assert_eq!(range(&times(&files[0])), (49, 309));
    assert_eq!(range(&times(&files[1])), (349, 419), "each has what came before its alert");
}

#[test]
fn every_rule_begins_one_where_that_is_configured() {
    let mut rig = rig(|c| c.every_rule = true);
    rig.frames(0..10);
    (rig.tell)(&limit_reached(1, 2, 5 * MS + OFFSET as u64));
    rig.capture.step(0, false);
    assert!(rig.is_waiting(), "the program's own alerts count for nothing");
    rig.alert(9, false, 0);
    assert!(!rig.is_waiting());
    let (files, registry, _dir) = rig.finish();
    assert_eq!(range(&times(&files[0])), (0, 9), "the end of the run ends it");
    assert_eq!(registry.snapshot(Moment::Final).get("captures.ended_by_stop"), Some(1));
}

#[test]
fn without_events_it_ends_by_the_clock() {
    let mut rig = rig(|_| {});
    rig.frames(0..10);
    rig.alert(9, true, 0);
    rig.settle();
    assert!(!rig.capture.step(109 * MS + GRACE_NS, true));
    assert!(!rig.capture.step(110 * MS + GRACE_NS, false), "frames are on their way");
    assert!(rig.capture.step(110 * MS + GRACE_NS, true));
    assert!(rig.is_waiting());
    assert_eq!(range(&times(&rig.files()[0])), (0, 9));
}

#[test]
fn a_file_that_is_too_large_ends_with_an_alert() {
    let mut rig = rig(|c| c.max_file_mb = Some(1));
    rig.alert(0, true, 1_000_000);
    rig.settle();
    for ms in 0..200 {
        rig.capture.frame(Key(ms), &frame_of(ms, 20_000));
    }
    assert!(rig.is_waiting());
    let alert = rig.internal.pop().unwrap();
    assert_eq!(&*alert.rule.name, "Falco internal: capture size limit reached");
    let size = std::fs::metadata(&rig.files()[0]).unwrap().len();
    assert!(size > 1 << 20 && size < (1 << 20) + 70_000, "{size}");
    let fields = [
        ("max_file_size_mb".into(), AlertValue::U64(1)),
        ("written_bytes".into(), AlertValue::U64(size)),
    ];
    assert_eq!(alert.fields, fields);
    assert_eq!((rig.count("captures.ended_by_size"), rig.count(RAISED)), (1, 1));
    assert!(rig.internal.pop().is_none());
}

#[test]
fn what_is_complete_was_not_cut_short() {
    let mut rig = rig(|c| c.max_file_mb = Some(1));
    rig.alert(0, true, 10);
    rig.settle();
    let n_bytes = |rig: &Rig| match &rig.capture.state {
        State::Recording { writer, .. } => writer.n_bytes(),
        _ => panic!("it goes on"),
    };
    while n_bytes(&rig) < 1 << 20 {
        rig.capture.frame(Key(5), &frame_of(5, 60_000));
    }
    rig.frames(11..12);
    assert_eq!((rig.count("captures.ended_by_time"), rig.count("captures.ended_by_size")), (1, 0));
}

#[test]
fn a_file_that_cannot_be_made_is_counted_and_the_next_alert_tries_again() {
    let mut rig = rig(|_| {});
    let prefix = std::mem::replace(&mut rig.capture.config.path_prefix, "/nowhere/alert".into());
    rig.frames(0..10);
    rig.alert(8, true, 0);
    rig.alert(9, true, 0);
    assert!(rig.is_waiting());
    assert_eq!((rig.count("captures.begun"), rig.count("captures.failed")), (2, 2));
    rig.capture.config.path_prefix = prefix;
    rig.alert(9, true, 0);
    assert!(!rig.is_waiting());
    let (files, _, _dir) = rig.finish();
    assert_eq!(range(&times(&files[0])), (0, 9));
}

#[test]
fn a_full_disk_ends_the_file_and_nothing_else() {
    let mut rig = rig(|_| {});
    rig.alert(0, true, 0);
    rig.settle();
    let full = std::fs::OpenOptions::new().write(true).open("/dev/full").unwrap();
    let State::Recording { writer, .. } = &mut rig.capture.state else { panic!("it goes on") };
    **writer = file::begin(Path::new("/x"), full.try_clone().unwrap(), OFFSET)
        .unwrap_or_else(|_| recorder_to(full));
    for ms in 0..50 {
        rig.capture.frame(Key(ms), &frame_of(ms, 20_000));
    }
    assert!(rig.is_waiting());
    assert_eq!((rig.count("captures.failed"), rig.count("captures.open")), (1, 0));
    rig.finish();
}

/// A writer whose buffer is larger than the lists, so that it fails at an event.
fn recorder_to(file: std::fs::File) -> FileWriter {
    let out = std::io::BufWriter::with_capacity(1 << 18, file);
    crate::recorder::begun(out, capture::savefile::Compression::None, false, OFFSET).unwrap()
}

#[test]
fn an_alert_whose_event_has_left_the_window_is_counted() {
    let mut rig = rig(|_| {});
    rig.frames(0..2000);
    rig.alert(500, true, 5000);
    rig.settle();
    assert_eq!(rig.count("captures.without_alert"), 1);
}
