//! The outbox as a whole: receivers that are down, disks that are full, damaged files, and programs that are killed.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::sync::atomic::Ordering::SeqCst;
use std::time::{Duration, Instant};

use perf::Moment;
use proptest::prelude::*;
use tempfile::TempDir;

use super::record::{Item, Scanner};
use super::*;

const SECOND: Duration = Duration::from_secs(1);
const LONG: Duration = Duration::from_secs(20);

fn settings(directory: &Path) -> OutboxSettings {
    OutboxSettings {
        directory: directory.to_owned(),
        max_bytes: 64 << 20,
        segment_bytes: 64 << 10,
        fsync: Fsync::Never,
    }
}

struct Rig {
    outbox: Option<Outbox>,
    readers: Vec<Option<Reader>>,
    recovery: Recovery,
    registry: Registry,
}

fn rig(settings: &OutboxSettings, sinks: &[&str]) -> Rig {
    rig_with(settings, sinks, u64::MAX)
}

/// One on a disk with so much room.
fn rig_with(settings: &OutboxSettings, sinks: &[&str], room: u64) -> Rig {
    let mut registry = Registry::new();
    let disk = Disk::open(&settings.directory).unwrap();
    disk.faults.room.store(room, SeqCst);
    let Opened { mut outbox, readers } = Outbox::recover_on(disk, settings, sinks).unwrap();
    outbox.start().unwrap();
    outbox.register(&mut registry);
    let recovery = outbox.recovery().clone();
    let readers = readers.into_iter().map(Some).collect();
    Rig { outbox: Some(outbox), readers, recovery, registry }
}

impl Rig {
    fn push(&mut self, text: &str) -> Result<AlertId, Refused> {
        let outbox = self.outbox.as_mut().unwrap();
        let id = outbox.next_id();
        outbox.push(id, text.to_owned()).map(|()| id)
    }

    /// Pushes so many, and waits for the writer when it is behind.
    fn push_all(&mut self, texts: impl IntoIterator<Item = String>) -> Vec<AlertId> {
        let mut ids = Vec::new();
        for text in texts {
            loop {
                match self.push(&text) {
                    Ok(id) => break ids.push(id),
                    Err(Refused::QueueFull) => std::thread::sleep(Duration::from_millis(1)),
                    Err(e) => panic!("{e}"),
                }
            }
        }
        ids
    }

    fn reader(&mut self, sink: usize) -> &mut Reader {
        self.readers[sink].as_mut().unwrap()
    }

    fn faults(&mut self) -> std::sync::Arc<super::disk::Faults> {
        std::sync::Arc::clone(&self.reader(0).disk.faults)
    }

    /// Takes and acknowledges `n` alerts.
    fn take(&mut self, sink: usize, n: usize) -> Vec<(AlertId, String)> {
        let mut taken = Vec::new();
        let until = Instant::now() + LONG;
        while taken.len() < n {
            let reader = self.reader(sink);
            let next = reader.next((n - taken.len()).min(100), 1 << 20, SECOND);
            assert!(next == Next::Batch || Instant::now() < until, "{next:?} at {}", taken.len());
            taken.extend(reader.batch().map(|r| (r.id, r.text.clone())));
            reader.delivered(usize::MAX);
        }
        taken
    }

    /// Takes and acknowledges whatever comes until the end.
    fn take_to_end(&mut self, sink: usize) -> Vec<(AlertId, String)> {
        let mut taken = Vec::new();
        let reader = self.reader(sink);
        while reader.next(100, 1 << 20, LONG) == Next::Batch {
            taken.extend(reader.batch().map(|r| (r.id, r.text.clone())));
            reader.delivered(usize::MAX);
        }
        taken
    }

    fn wait_until(&self, what: impl Fn(Counts) -> bool) {
        let until = Instant::now() + LONG;
        while !what(self.outbox.as_ref().unwrap().counts()) {
            assert!(Instant::now() < until, "{:?}", self.outbox.as_ref().unwrap().counts());
            std::thread::sleep(Duration::from_millis(1));
        }
    }

    fn count(&self, name: &str) -> u64 {
        let s = self.registry.snapshot(Moment::Final);
        s.get(name).unwrap_or_else(|| panic!("no {name} in {}", s.table()))
    }

    fn balances(&self) {
        let s = self.registry.snapshot(Moment::Final);
        assert!(s.balances(), "{}", s.table());
    }

    fn end(mut self) -> Registry {
        self.outbox = None;
        self.readers.clear();
        self.balances();
        self.registry
    }
}

/// A directory as it is left by a program that is killed now.
fn killed(directory: &Path) -> TempDir {
    let copy = tempfile::tempdir().unwrap();
    for entry in fs::read_dir(directory).unwrap() {
        let entry = entry.unwrap();
        fs::copy(entry.path(), copy.path().join(entry.file_name())).unwrap();
    }
    copy
}

fn segments(directory: &Path) -> Vec<std::path::PathBuf> {
    let mut paths: Vec<_> = fs::read_dir(directory)
        .unwrap()
        .map(|e| e.unwrap().path())
        .filter(|p| p.extension().is_some_and(|e| e == "seg"))
        .collect();
    paths.sort();
    paths
}

fn texts(range: std::ops::Range<u32>) -> impl Iterator<Item = String> {
    range.map(|n| format!("alert {n} {}", "x".repeat(100)))
}

fn only_texts(taken: Vec<(AlertId, String)>) -> Vec<String> {
    taken.into_iter().map(|(_, text)| text).collect()
}

#[test]
fn alerts_reach_every_sink_in_order_with_their_ids() {
    for fsync in [Fsync::Always, Fsync::Interval(Duration::from_millis(5)), Fsync::Never] {
        let dir = tempfile::tempdir().unwrap();
        let settings = OutboxSettings { fsync, ..settings(&dir.path().join("deep/outbox")) };
        let mut r = rig(&settings, &["http", "file"]);
        assert_eq!(r.recovery, Recovery::default());
        let ids = r.push_all(texts(0..500));
        assert_eq!((ids[0].sequence, ids[499].sequence), (1, 500));
        for sink in 0..2 {
            let taken = r.take(sink, 500);
            assert!(taken.iter().map(|(id, _)| *id).eq(ids.iter().copied()));
            assert!(taken.into_iter().map(|(_, text)| text).eq(texts(0..500)));
            assert_eq!(r.reader(sink).next(1, 1, Duration::from_millis(1)), Next::Nothing);
        }
        r.wait_until(|c| fsync == Fsync::Never || c.synced == 500);
        let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
        assert_eq!(mode(&settings.directory), 0o700);
        for entry in fs::read_dir(&settings.directory).unwrap() {
            assert_eq!(mode(&entry.unwrap().path()), 0o600);
        }
        r.outbox = None;
        assert_eq!(r.reader(0).next(1, 1, LONG), Next::End);
        let registry = r.end();
        assert_eq!(registry.snapshot(Moment::Final).get("outbox.http.delivered"), Some(500));

        let again = rig(&settings, &["http", "file"]);
        assert_eq!(again.recovery, Recovery::default(), "nothing is left, and the end was clean");
        assert!(segments(&settings.directory).is_empty());
    }
}

#[test]
fn a_sink_that_was_down_gets_everything_from_the_files_and_then_from_memory() {
    let dir = tempfile::tempdir().unwrap();
    let mut r = rig(&settings(dir.path()), &["down", "up"]);
    let n = state::MAX_TAIL_RECORDS as u32 * 2;
    // What the receiver has when it goes down, and what it takes again and again without saying that it arrived.
    r.push_all(texts(0..10));
    r.take(0, 5);
    assert_eq!(r.reader(0).next(3, 1 << 20, LONG), Next::Batch);
    for first in (10..n).step_by(1000) {
        r.push_all(texts(first..(first + 1000).min(n)));
        assert_eq!(r.reader(0).next(3, 1 << 20, LONG), Next::Batch);
        assert!(r.reader(0).batch().map(|r| r.text.clone()).eq(texts(5..8)));
    }
    assert_eq!(only_texts(r.take(1, n as usize)), texts(0..n).collect::<Vec<_>>());
    assert!(segments(dir.path()).len() > 10);
    r.push_all(texts(n..n + 10));
    assert_eq!(only_texts(r.take(0, n as usize + 5)), texts(5..n + 10).collect::<Vec<_>>());
    assert!(segments(dir.path()).len() <= 2, "what all have goes");
    assert_eq!(r.take(1, 10).len(), 10);
    r.push("last").unwrap();
    assert_eq!(only_texts(r.take(0, 1)), ["last"]);
    assert_eq!(r.count("outbox.down.pending"), 0);
    r.end();
}

#[test]
fn a_sink_reads_the_segment_that_is_being_written() {
    let dir = tempfile::tempdir().unwrap();
    let settings =
        OutboxSettings { segment_bytes: 16 << 20, max_bytes: 64 << 20, ..settings(dir.path()) };
    let mut r = rig(&settings, &["slow"]);
    let n = state::MAX_TAIL_RECORDS as u32;
    r.push_all(texts(0..n + 5000));
    assert_eq!(only_texts(r.take(0, 4000)), texts(0..4000).collect::<Vec<_>>());
    r.push_all(texts(n + 5000..2 * n + 10_000));
    let taken = only_texts(r.take(0, 2 * n as usize + 6000));
    assert_eq!(taken, texts(4000..2 * n + 10_000).collect::<Vec<_>>());
    assert_eq!(segments(dir.path()).len(), 1);
    r.end();
}

#[test]
fn what_a_killed_program_left_comes_first_and_again_with_its_ids() {
    let dir = tempfile::tempdir().unwrap();
    let mut r = rig(&settings(dir.path()), &["http"]);
    let ids = r.push_all(texts(0..100));
    r.take(0, 30);
    r.reader(0).next(10, 1 << 20, LONG);
    r.wait_until(|c| c.waiting == 0);
    let copy = killed(dir.path());
    drop(r);

    let mut r = rig(&settings(copy.path()), &["http"]);
    let stop = r.recovery.unclean_stop.clone().unwrap();
    assert_eq!(stop.last, Some(ids[99]));
    assert!(stop.last_ns > 0 && stop.last_ns <= stop.found_ns);
    assert_eq!((stop.max_lost, stop.torn_bytes), (state::MAX_TAIL_RECORDS as u64, 0));
    r.push("new").unwrap();
    // The cursor had not been saved: those that were delivered come again.
    let taken = r.take(0, 101);
    assert!(taken[..100].iter().map(|(id, _)| *id).eq(ids.iter().copied()));
    let (id, text) = &taken[100];
    assert_eq!((id.sequence, &**text), (1, "new"));
    assert!(id.epoch > ids[0].epoch);
    assert_eq!(r.count("outbox.http.recovered"), 100);
    r.end();
    assert!(rig(&settings(copy.path()), &["http"]).recovery.unclean_stop.is_none());
}

#[test]
fn a_program_that_is_killed_again_and_again_gives_no_id_twice() {
    let mut dir = tempfile::tempdir().unwrap();
    let mut seen = std::collections::BTreeMap::new();
    for n in 0..20 {
        let mut r = rig(&settings(dir.path()), &["http"]);
        assert_eq!(r.recovery.unclean_stop.is_some(), n > 0);
        // Unwritten, but delivered.
        r.faults().room.store(0, SeqCst);
        r.push(&format!("first of {n}")).unwrap();
        for (id, text) in r.take(0, 1) {
            assert_eq!(*seen.entry(id).or_insert(text.clone()), text, "{id}");
        }
        let copy = killed(dir.path());
        drop(r);
        dir = copy;
    }
    assert_eq!(seen.len(), 20);
}

#[test]
fn a_full_disk_stops_no_delivery_and_costs_only_who_is_behind() {
    let dir = tempfile::tempdir().unwrap();
    let mut r = rig(&settings(dir.path()), &["dead", "alive"]);
    let faults = r.faults();
    r.push_all(texts(0..20));
    r.wait_until(|c| c.waiting == 0);
    faults.room.store(100, SeqCst);
    let n = state::MAX_TAIL_RECORDS as u32;
    r.push_all(texts(20..n));
    assert_eq!(only_texts(r.take(1, n as usize)), texts(0..n).collect::<Vec<_>>());
    r.wait_until(|c| c.write_errors > 0 && c.appended == 20);
    // Memory is full, of what is written and then of what the dead sink lacks: its oldest go.
    r.push_all(texts(n..n + 100));
    assert_eq!(only_texts(r.take(1, 100)), texts(n..n + 100).collect::<Vec<_>>());
    let n_lost = r.count("outbox.dead.lost_unspooled");
    assert_eq!(n_lost, 80);
    r.balances();
    // Room again: what waits is written, behind the torn record in a segment of its own.
    faults.room.store(u64::MAX, SeqCst);
    r.wait_until(|c| c.waiting == 0);
    let copy = killed(dir.path());
    let n_appended = r.count("outbox.appended");
    let mut again = rig(&settings(copy.path()), &["dead"]);
    assert_eq!(again.recovery.n_records, n_appended);
    assert_eq!(again.recovery.n_corrupt, 0);
    assert_eq!(again.recovery.n_missing, n_lost);
    let n_left = n as usize + 100 - n_lost as usize;
    let taken = only_texts(r.take(0, n_left));
    assert_eq!(taken, only_texts(again.take(0, n_left)));
    assert!(
        taken.iter().eq(&texts(0..n + 100)
            .filter(|t| taken.binary_search_by_key(&number(t), |t| number(t)).is_ok())
            .collect::<Vec<_>>())
    );
    assert_eq!(number(taken.last().unwrap()), n + 99);
    again.end();
    r.end();
}

#[test]
fn a_disk_that_is_full_at_the_start_hides_no_unclean_stop() {
    // What a run that begins on a full disk and is killed leaves, whether or not it has alerts, and there is room for them in the end.
    let left = |dir: &Path, n_alerts, gets_room| {
        let mut r = rig_with(&settings(dir), &["http"], 0);
        let faults = r.faults();
        r.push_all(texts(0..n_alerts));
        r.take(0, n_alerts as usize);
        let run = dir.join("run");
        if gets_room {
            faults.room.store(u64::MAX, SeqCst);
            let until = Instant::now() + LONG;
            while !run.exists() {
                assert!(Instant::now() < until, "it is not noted");
                std::thread::sleep(Duration::from_millis(1));
            }
        }
        let copy = killed(dir);
        let was_told = r.recovery.unclean_stop.is_some();
        faults.room.store(u64::MAX, SeqCst);
        r.end();
        (was_told, rig(&settings(copy.path()), &["http"]).recovery.unclean_stop.is_some())
    };
    for n_alerts in [0, 10] {
        let dir = tempfile::tempdir().unwrap();
        // Nothing can be noted where there is nothing and no room for it; once there is, it is.
        assert_eq!(left(dir.path(), n_alerts, true), (false, true));
        assert_eq!(left(dir.path(), n_alerts, false), (false, true), "that one had ended");
        assert_eq!(left(dir.path(), n_alerts, false), (false, true), "so had that one");
    }
    // A run that ends on a full disk has ended all the same.
    let dir = tempfile::tempdir().unwrap();
    drop(rig(&settings(dir.path()), &["http"]));
    drop(rig_with(&settings(dir.path()), &["http"], 0));
    let mut r = rig(&settings(dir.path()), &["http"]);
    assert!(r.recovery.unclean_stop.is_none());
    // A note of an earlier run that has ended does not speak for a later one, of which there are alerts.
    r.push_all(texts(0..1));
    r.wait_until(|c| c.waiting == 0);
    let copy = killed(dir.path());
    let ended = notes::Run { epoch: 1, has_ended: true };
    fs::write(copy.path().join("run"), ended.encode()).unwrap();
    assert!(rig(&settings(copy.path()), &["http"]).recovery.unclean_stop.is_some());
}

fn number(text: &str) -> u32 {
    text.split(' ').nth(1).unwrap().parse().unwrap()
}

#[test]
fn a_spool_at_its_bound_writes_on_once_the_oldest_is_delivered() {
    let dir = tempfile::tempdir().unwrap();
    let settings =
        OutboxSettings { segment_bytes: 8 << 10, max_bytes: 40 << 10, ..settings(dir.path()) };
    let mut r = rig(&settings, &["slow", "alive"]);
    r.push_all(texts(0..1000));
    r.wait_until(|c| c.full > 0);
    assert_eq!(only_texts(r.take(1, 1000)), texts(0..1000).collect::<Vec<_>>());
    let size =
        |dir: &Path| -> u64 { segments(dir).iter().map(|p| fs::metadata(p).unwrap().len()).sum() };
    assert!(size(dir.path()) <= 40 << 10);
    let n_first = r.count("outbox.appended") as u32;
    assert!((200..300).contains(&n_first), "{n_first}");
    // Nothing was lost: the rest still is in memory, and is written as room comes.
    let taken = only_texts(r.take(0, 500));
    assert_eq!(taken, texts(0..500).collect::<Vec<_>>());
    r.wait_until(|c| c.appended > u64::from(n_first) && c.full > 1);
    assert_eq!(only_texts(r.take(0, 500)), texts(500..1000).collect::<Vec<_>>());
    r.push_all(texts(1000..1100));
    r.wait_until(|c| c.waiting == 0);
    assert_eq!(only_texts(r.take(0, 100)), texts(1000..1100).collect::<Vec<_>>());
    assert_eq!(r.take(1, 100).len(), 100);
    assert!(size(dir.path()) <= 40 << 10);
    let registry = r.end();
    assert_eq!(registry.snapshot(Moment::Final).get("outbox.slow.lost_unspooled"), Some(0));
}

/// Who delivers removes what is done, but the newest segment stays; once it is not the newest, nobody may deliver for hours.
#[test]
fn a_segment_that_was_delivered_while_it_was_the_newest_makes_room() {
    let dir = tempfile::tempdir().unwrap();
    let settings =
        OutboxSettings { segment_bytes: 8 << 10, max_bytes: 40 << 10, ..settings(dir.path()) };
    let mut r = rig(&settings, &["down_later"]);
    let long = |n: u32| format!("{n} {}", "x".repeat(7_900));
    r.push_all([long(0)]);
    r.wait_until(|c| c.waiting == 0);
    assert_eq!(only_texts(r.take(0, 1)), [long(0)]);
    r.push_all((1..6).map(long));
    r.wait_until(|c| c.waiting == 0);
    assert_eq!(segments(dir.path()).len(), 5);
    assert_eq!(only_texts(r.take(0, 5)), (1..6).map(long).collect::<Vec<_>>());
}

#[test]
fn what_a_bounded_spool_holds_stays_when_more_comes() {
    let dir = tempfile::tempdir().unwrap();
    let settings =
        OutboxSettings { segment_bytes: 8 << 10, max_bytes: 16 << 10, ..settings(dir.path()) };
    let mut r = rig(&settings, &["dead"]);
    let n = state::MAX_TAIL_RECORDS as u32 + 500;
    r.push_all(texts(0..n));
    r.wait_until(|c| c.full > 0);
    let n_appended = r.count("outbox.appended");
    r.outbox = None;
    r.readers.clear();
    r.balances();
    let n_lost = r.count("outbox.dead.lost_unspooled");
    assert_eq!(n_lost + n_appended, u64::from(n));
    assert_eq!(r.count("outbox.unspooled"), n_lost);
    let mut again = rig(&settings, &["dead"]);
    let taken = only_texts(again.take(0, n_appended as usize));
    assert_eq!(taken, texts(0..n_appended as u32).collect::<Vec<_>>());
}

#[test]
fn a_sync_that_fails_is_made_up_for_in_another_segment() {
    let dir = tempfile::tempdir().unwrap();
    let settings = OutboxSettings { fsync: Fsync::Always, ..settings(dir.path()) };
    let mut r = rig(&settings, &["http"]);
    r.push("first").unwrap();
    r.wait_until(|c| c.synced == 1);
    r.faults().sync_fails.store(true, SeqCst);
    r.push("second").unwrap();
    // Memory has it, whatever the disk does.
    assert_eq!(only_texts(r.take(0, 1)), ["first"]);
    r.wait_until(|c| c.write_errors > 0);
    assert_eq!(r.reader(0).next(1, 100, LONG), Next::Batch);
    r.faults().sync_fails.store(false, SeqCst);
    r.push("third").unwrap();
    r.wait_until(|c| c.synced == 3);
    assert_eq!(segments(dir.path()).len(), 2);
    let copy = killed(dir.path());
    let mut again = rig(&self::settings(copy.path()), &["other"]);
    assert_eq!(only_texts(again.take(0, 3)), ["first", "second", "third"]);
    assert_eq!(only_texts(r.take(0, 2)), ["second", "third"]);
    again.end();
    r.end();
}

#[test]
fn damage_in_the_middle_costs_what_it_hit() {
    let dir = tempfile::tempdir().unwrap();
    let mut r = rig(&settings(dir.path()), &["http"]);
    let ids = r.push_all(texts(0..1500));
    r.wait_until(|c| c.waiting == 0);
    let copy = killed(dir.path());
    drop(r);
    let path = &segments(copy.path())[1];
    let mut bytes = fs::read(path).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle..middle + 300].fill(0);
    fs::write(path, bytes).unwrap();
    let mut r = rig(&settings(copy.path()), &["http"]);
    let found = r.recovery.clone();
    assert_eq!(found.n_corrupt, 1);
    assert!((300..1000).contains(&found.corrupt_bytes), "{found:?}");
    assert!((2..=4).contains(&found.n_missing), "{found:?}");
    assert_eq!(found.n_records + found.n_missing, 1500);
    r.outbox = None;
    let taken = r.take_to_end(0);
    assert_eq!(taken.len() as u64, found.n_records);
    assert!(taken.iter().map(|(id, _)| id).is_sorted());
    assert!(taken.iter().all(|(id, _)| ids.contains(id)));
    r.end();
}

#[test]
fn a_file_that_vanishes_while_it_is_needed_is_counted() {
    let dir = tempfile::tempdir().unwrap();
    let mut r = rig(&settings(dir.path()), &["http"]);
    let n = state::MAX_TAIL_RECORDS as u32 * 2;
    r.push_all(texts(0..n));
    r.wait_until(|c| c.waiting == 0);
    fs::remove_file(&segments(dir.path())[3]).unwrap();
    r.outbox = None;
    let taken = r.take_to_end(0);
    let n_lost = r.count("outbox.http.lost_unreadable");
    assert!(n_lost > 100, "{n_lost}");
    assert_eq!(taken.len() as u64 + n_lost, u64::from(n));
    assert_eq!(r.count("outbox.http.pending"), 0);
    r.end();
}

#[test]
fn a_receiver_that_refuses_is_counted_and_passed() {
    let dir = tempfile::tempdir().unwrap();
    let mut r = rig(&settings(dir.path()), &["http"]);
    r.push_all(texts(0..3));
    r.wait_until(|c| c.waiting == 0);
    assert_eq!(r.reader(0).next(2, 1 << 20, LONG), Next::Batch);
    r.reader(0).refused(1);
    r.reader(0).delivered(1);
    assert_eq!(only_texts(r.take(0, 1)), texts(2..3).collect::<Vec<_>>());
    assert_eq!((r.count("outbox.http.lost_refused"), r.count("outbox.http.delivered")), (1, 2));
    r.end();
}

#[test]
fn a_cursor_that_is_damaged_or_new_gives_what_there_is() {
    let dir = tempfile::tempdir().unwrap();
    let mut r = rig(&settings(dir.path()), &["http", "dead"]);
    r.push_all(texts(0..10));
    r.take(0, 10);
    r.end();
    let cursor = dir.path().join("http.cursor");
    let text = fs::read_to_string(&cursor).unwrap();
    fs::write(&cursor, &text[..text.len() / 2]).unwrap();
    let mut r = rig(&settings(dir.path()), &["http", "new"]);
    assert_eq!(r.recovery.n_lost_cursors, 1);
    assert_eq!(r.take(0, 10).len(), 10);
    assert_eq!(r.take(1, 10).len(), 10);
    r.end();
    assert_eq!(rig(&settings(dir.path()), &["http"]).recovery.n_records, 0);
}

#[test]
fn what_is_too_long_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    let mut r = rig(&settings(dir.path()), &["http"]);
    assert_eq!(r.push(&"x".repeat(64 << 10)), Err(Refused::TooLong));
    r.push_all([String::from("y")]);
    assert_eq!(only_texts(r.take(0, 1)), ["y"]);
    assert_eq!(r.count("outbox.refused_too_long"), 1);
    r.end();
}

#[test]
fn a_directory_is_one_agents_and_closed_to_others() {
    let dir = tempfile::tempdir().unwrap();
    let settings = settings(dir.path());
    let r = rig(&settings, &["http"]);
    let open = || Outbox::open(&settings, &["http"]).map(drop).unwrap_err();
    let e = open().to_string();
    assert!(e.starts_with("another agent uses the outbox /"), "{e}");
    r.end();
    fs::set_permissions(dir.path(), fs::Permissions::from_mode(0o770)).unwrap();
    let e = open().to_string();
    assert!(e.ends_with("(mode 770)"), "{e}");
    fs::set_permissions(dir.path(), fs::Permissions::from_mode(0o700)).unwrap();
    let sizes = OutboxSettings { max_bytes: 10_000, segment_bytes: 8192, ..settings.clone() };
    let e = Outbox::open(&sizes, &["http"]).map(drop).unwrap_err();
    assert!(matches!(e, OpenError::Sizes { .. }), "{e}");
}

#[test]
fn a_segment_of_a_newer_version_is_left_alone() {
    let dir = tempfile::tempdir().unwrap();
    let mut r = rig(&settings(dir.path()), &["http"]);
    r.push("x").unwrap();
    r.end();
    let path = segments(dir.path()).remove(0);
    let mut bytes = fs::read(&path).unwrap();
    bytes[12] = 9;
    let crc = crc32fast::hash(&bytes[12..32]);
    bytes[8..12].copy_from_slice(&crc.to_le_bytes());
    fs::write(&path, bytes).unwrap();
    let e = Outbox::open(&settings(dir.path()), &["http"]);
    let e = e.map(drop).unwrap_err().to_string();
    assert!(e.ends_with("in format 9, which this version does not know"), "{e}");
}

/// What happens to an outbox.
#[derive(Clone, Debug)]
enum Step {
    Append(Vec<u8>),
    Deliver(u8),
    /// Killed: of what was written since the last sync any number of bytes stays.
    Crash(u16),
    /// Killed, and bytes of a segment are overwritten.
    Damage {
        segment: u8,
        at: u16,
        bytes: Vec<u8>,
    },
    Reopen,
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let step = prop_oneof![
        4 => prop::collection::vec(any::<u8>(), 1..20).prop_map(Step::Append),
        2 => any::<u8>().prop_map(Step::Deliver),
        1 => any::<u16>().prop_map(Step::Crash),
        1 => (any::<u8>(), any::<u16>(), prop::collection::vec(any::<u8>(), 1..200))
            .prop_map(|(segment, at, bytes)| Step::Damage { segment, at, bytes }),
        1 => Just(Step::Reopen),
    ];
    prop::collection::vec(step, 1..25)
}

/// Alerts that are whole in the files, by a search at every byte.
fn whole_in(directory: &Path) -> Vec<AlertId> {
    let mut ids = Vec::new();
    for path in segments(directory) {
        let bytes = fs::read(path).unwrap();
        let mut at = 0;
        while at < bytes.len() {
            if bytes[at] != 0xff {
                at += 1;
                continue;
            }
            let len = u64::from(record::u32_at(&[&bytes[at..], &[0; 12]].concat(), 8));
            let mut scanner = Scanner::new(&bytes[at..], (36 + len).min((bytes.len() - at) as u64));
            match scanner.next().unwrap() {
                Some(Item::Record(record)) if record.text.len() as u64 == len => {
                    at += 36 + len as usize;
                    ids.push(record.id);
                }
                _ => at += 1,
            }
        }
    }
    ids.sort_unstable();
    ids.dedup();
    ids
}

/// Whatever happens, the records that are whole come, in order, until they were delivered.
fn check(steps: Vec<Step>) {
    let mut dir = tempfile::tempdir().unwrap();
    let with = |dir: &Path| OutboxSettings {
        segment_bytes: 4096,
        max_bytes: 1 << 20,
        fsync: Fsync::Always,
        ..settings(dir)
    };
    let mut r = rig(&with(dir.path()), &["http"]);
    let mut given = std::collections::BTreeMap::new();
    // Acknowledged in this run; a crash may forget it.
    let mut acked = AlertId::default();
    for step in steps.into_iter().chain([Step::Reopen]) {
        match step {
            Step::Append(lens) => {
                for len in lens {
                    let text = format!("{} {}", given.len(), "\u{20ac}".repeat(len.into()));
                    let id = r.push(&text).unwrap();
                    assert!(given.insert(id, text).is_none(), "{id} twice");
                }
                r.wait_until(|c| c.waiting == 0);
            }
            Step::Deliver(n) => {
                let reader = r.reader(0);
                if reader.next(n.into(), 1 << 20, Duration::ZERO) == Next::Batch {
                    for record in reader.batch() {
                        assert_eq!(given.get(&record.id), Some(&record.text));
                        assert!(record.id > acked, "in order");
                        acked = record.id;
                    }
                    reader.delivered(usize::MAX);
                }
            }
            Step::Reopen => {
                // A run without an alert has not told of the stop before it.
                let is_told = r.recovery.unclean_stop.is_none() || r.count("outbox.received") > 0;
                r.end();
                r = rig(&with(dir.path()), &["http"]);
                assert_eq!(r.recovery.unclean_stop.is_none(), is_told);
            }
            crash @ (Step::Crash(_) | Step::Damage { .. }) => {
                let copy = killed(dir.path());
                drop(r);
                let files = segments(copy.path());
                match crash {
                    // All is synced: a torn record is one more, cut off.
                    Step::Crash(n) => {
                        if let Some(path) = files.last() {
                            let mut torn = Vec::new();
                            let id = AlertId { epoch: 1, sequence: 1 };
                            Record { id, time_ns: 0, text: "torn".repeat(9) }.encode(&mut torn);
                            torn.truncate(n as usize % torn.len());
                            let mut bytes = fs::read(path).unwrap();
                            bytes.extend(torn);
                            fs::write(path, bytes).unwrap();
                        }
                    }
                    Step::Damage { segment, at, bytes: damage } if !files.is_empty() => {
                        let path = &files[segment as usize % files.len()];
                        let mut bytes = fs::read(path).unwrap();
                        let at = at as usize % bytes.len();
                        for (to, byte) in bytes[at..].iter_mut().zip(damage) {
                            *to = byte;
                        }
                        fs::write(path, bytes).unwrap();
                    }
                    _ => {}
                }
                dir = copy;
                let whole = whole_in(dir.path());
                r = rig(&with(dir.path()), &["http"]);
                assert!(r.recovery.unclean_stop.is_some());
                // A look at all that is whole, without acknowledging: it is what another agent would be given.
                let copy = killed(dir.path());
                let mut look = rig(&with(copy.path()), &["look"]);
                assert_eq!(look.recovery.n_records, whole.len() as u64);
                look.outbox = None;
                let seen = look.take_to_end(0);
                assert!(seen.iter().map(|(id, _)| id).eq(&whole), "{seen:?} {whole:?}");
                acked = AlertId::default();
            }
        }
        r.balances();
    }
    r.outbox = None;
    let rest = r.take_to_end(0);
    for (id, text) in &rest {
        assert_eq!(given.get(id), Some(text));
    }
    assert!(rest.iter().map(|(id, _)| id).is_sorted());
    assert_eq!(r.count("outbox.http.lost_unreadable"), 0);
    r.end();
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 60, ..ProptestConfig::default() })]

    #[test]
    fn every_whole_record_comes_in_order_whatever_happens(steps in steps()) {
        check(steps);
    }
}
