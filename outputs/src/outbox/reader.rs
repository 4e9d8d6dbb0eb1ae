//! What a sink takes alerts from: memory as long as it keeps up, files once it is behind; and how far it got, on disk.

use std::collections::VecDeque;
use std::fs::File;
use std::sync::{Arc, PoisonError};
use std::time::{Duration, Instant};

use super::AlertId;
use super::disk::Disk;
use super::notes::Cursor;
use super::record::{Item, Record, Scanner};
use super::segment;
use super::state::{Outcome, Shared, Source};

/// How long what a sink has done may be known to memory only: after a kill so much is delivered again.
const SAVE_EVERY: Duration = Duration::from_secs(1);

/// What a wait for alerts ended with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Next {
    /// There are some in [`Reader::batch`].
    Batch,
    /// The time is up.
    Nothing,
    /// There will be no more in this run.
    End,
}

/// One sink's place in the outbox. What it was given it says what became of, in order; dropping it saves the place.
#[derive(Debug)]
pub struct Reader {
    end: ReaderEnd,
    pub(super) disk: Arc<Disk>,
    shared: Arc<Shared>,
    sink: usize,
    /// Taken and not done with.
    batch: VecDeque<Arc<Record>>,
    place: Option<Place>,
    saved_at: Instant,
}

/// What ends a reader from outside, should its thread be stuck.
#[derive(Clone, Debug)]
pub(crate) struct ReaderEnd {
    shared: Arc<Shared>,
    disk: Arc<Disk>,
    sink: usize,
    cursor_file: String,
}

impl ReaderEnd {
    /// The reader takes nothing more, and what it says from now on is not heard. What it was not done with waits for the next run.
    pub(crate) fn end(&self) {
        self.save();
        self.shared.lock().end_sink(self.sink);
        self.remove_done();
    }

    /// Wakes the reader.
    pub(crate) fn wake(&self) {
        // Under the lock: whoever looked before and waits is then waiting.
        drop(self.shared.lock());
        self.shared.for_readers.notify_all();
    }

    /// Alerts that the sink is not done with.
    pub(crate) fn n_pending(&self) -> u64 {
        self.shared.lock().sinks[self.sink].counts.pending
    }

    /// Writes down how far the sink is.
    fn save(&self) {
        let mut state = self.shared.lock();
        let progress = &mut state.sinks[self.sink];
        if progress.is_saved {
            return;
        }
        progress.is_saved = true;
        let cursor = progress.cursor;
        drop(state);
        if self.disk.set_note(&self.cursor_file, &cursor.encode()).is_err() {
            let mut state = self.shared.lock();
            state.sinks[self.sink].is_saved = false;
            state.count_cursor_error();
        }
    }

    /// Removes the segments that no sink needs any more.
    fn remove_done(&self) {
        let done = self.shared.lock().done_segments();
        for &number in &done {
            // One that stays is found at the next start, and passed over.
            drop(self.disk.remove(&segment::file_name(number)));
        }
        if !done.is_empty() {
            self.shared.for_writer.notify_one();
        }
    }
}

/// In which file a reader is.
#[derive(Debug)]
struct Place {
    number: u64,
    /// `None` where the file cannot be opened: then it is one without records.
    scanner: Option<Scanner<File>>,
    /// Bytes that the scanner was told of.
    len: u64,
}

impl Reader {
    pub(super) fn new(shared: &Arc<Shared>, disk: &Arc<Disk>, sink: usize, name: &str) -> Self {
        let (shared, disk) = (Arc::clone(shared), Arc::clone(disk));
        let end = ReaderEnd {
            shared: Arc::clone(&shared),
            disk: Arc::clone(&disk),
            sink,
            cursor_file: Cursor::file_name(name),
        };
        let (batch, place, saved_at) = (VecDeque::new(), None, Instant::now());
        Self { end, disk, shared, sink, batch, place, saved_at }
    }

    /// What ends it from outside.
    pub(crate) fn end(&self) -> ReaderEnd {
        self.end.clone()
    }

    /// The oldest alerts that the sink was given and is not done with.
    #[must_use]
    pub fn batch(&self) -> impl ExactSizeIterator<Item = &Arc<Record>> {
        self.batch.iter()
    }

    /// Waits for alerts, if the sink is done with those that it has. At most `max_records` are given, of `max_bytes` of text; one in any case.
    pub fn next(&mut self, max_records: usize, max_bytes: usize, wait: Duration) -> Next {
        let (max_records, max_bytes) = (max_records.max(1), max_bytes.max(1));
        let until = Instant::now() + wait;
        while self.batch.is_empty() {
            let source = self.shared.lock().next_for(self.sink, max_records, max_bytes);
            match source {
                Source::Tail(records) if records.is_empty() => {
                    if self.shared.lock().is_over_for(self.sink) {
                        return Next::End;
                    }
                    if !self.wait(until) {
                        return Next::Nothing;
                    }
                }
                Source::Tail(records) => {
                    self.place = None;
                    self.batch.extend(records);
                }
                Source::Files => self.read_files(max_records, max_bytes),
            }
        }
        Next::Batch
    }

    /// `false` once the time is up.
    fn wait(&mut self, until: Instant) -> bool {
        let now = Instant::now();
        let save_at = self.saved_at + SAVE_EVERY;
        let mut state = self.shared.lock();
        if state.has_news_for(self.sink) {
            return true;
        }
        if now >= until {
            return false;
        }
        let is_saved = state.sinks[self.sink].is_saved;
        if is_saved || now < save_at {
            let wake = if is_saved { until } else { until.min(save_at) };
            let waited = self.shared.for_readers.wait_timeout(state, wake - now);
            state = waited.unwrap_or_else(PoisonError::into_inner).0;
        }
        drop(state);
        self.save_if_due();
        true
    }

    /// Waits for alerts or a wake, or for so long.
    pub(crate) fn idle(&mut self, longest: Duration) {
        self.wait(Instant::now() + longest);
    }

    /// Waits for anything to happen, or for so long.
    pub(crate) fn pause(&mut self, longest: Duration) {
        self.save_if_due();
        let state = self.shared.lock();
        drop(self.shared.for_readers.wait_timeout(state, longest.min(SAVE_EVERY)));
    }

    /// Whether no more alerts come than those that are there.
    pub(crate) fn is_ended(&self) -> bool {
        self.shared.lock().is_closed
    }

    fn save_if_due(&mut self) {
        if self.saved_at.elapsed() >= SAVE_EVERY {
            self.saved_at = Instant::now();
            self.end.save();
        }
    }

    /// The receiver has the `n` oldest of the batch.
    pub fn delivered(&mut self, n: usize) {
        self.done(n, Outcome::Delivered);
    }

    /// The receiver will never take the `n` oldest of the batch.
    pub fn refused(&mut self, n: usize) {
        self.done(n, Outcome::Refused);
    }

    fn done(&mut self, n: usize, outcome: Outcome) {
        let n = n.min(self.batch.len());
        let Some(last) = self.batch.drain(..n).next_back() else { return };
        let cursor = Cursor { id: last.id, time_ns: last.time_ns };
        self.shared.lock().acked(self.sink, n as u64, cursor, outcome);
        self.end.remove_done();
        self.save_if_due();
    }

    /// Takes records out of the files until there are enough or there is no further file.
    fn read_files(&mut self, max_records: usize, max_bytes: usize) {
        let mut n_bytes = 0;
        while self.batch.len() < max_records && n_bytes < max_bytes {
            let Some(record) = self.next_in_files() else { return };
            n_bytes += record.text.len();
            self.shared.lock().taken_from_file(self.sink, record.id);
            self.batch.push_back(Arc::new(record));
        }
    }

    fn next_in_files(&mut self) -> Option<Record> {
        loop {
            let taken = self.shared.lock().sinks[self.sink].taken;
            if let Some(Place { scanner: Some(scanner), .. }) = &mut self.place {
                match scanner.next() {
                    Ok(Some(Item::Record(record))) if record.id > taken => return Some(record),
                    Ok(Some(_)) => continue,
                    Ok(None) | Err(_) => {}
                }
            }
            if !self.move_on(taken) {
                return None;
            }
        }
    }

    /// To more of this file or to the next one; `false` where there is none.
    fn move_on(&mut self, taken: AlertId) -> bool {
        let mut state = self.shared.lock();
        let number = self.place.as_ref().map(|p| p.number);
        let next = state
            .segments
            .iter()
            .find(|s| {
                let is_here = number == Some(s.number);
                let has_grown = self.place.as_ref().is_some_and(|p| is_here && s.len > p.len);
                has_grown || !is_here && number.is_none_or(|n| s.number > n) && s.last > taken
            })
            .cloned();
        let Some(next) = next else {
            state.files_read(self.sink);
            drop(state);
            self.place = None;
            return false;
        };
        drop(state);
        match &mut self.place {
            Some(place) if place.number == next.number => {
                if let Some(scanner) = &mut place.scanner {
                    scanner.extend(next.len - place.len);
                }
                place.len = next.len;
            }
            place => {
                let scanner = segment::open(&self.disk, next.number, next.len);
                *place = Some(Place { number: next.number, scanner: scanner.ok(), len: next.len });
            }
        }
        true
    }
}

impl Drop for Reader {
    fn drop(&mut self) {
        self.end.end();
    }
}
