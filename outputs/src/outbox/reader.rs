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
    shared: Arc<Shared>,
    pub(super) disk: Arc<Disk>,
    sink: usize,
    cursor_file: String,
    /// Taken and not done with.
    batch: VecDeque<Arc<Record>>,
    place: Option<Place>,
    /// Of the newest record that the sink is done with.
    cursor: Cursor,
    is_saved: bool,
    saved_at: Instant,
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
    pub(super) fn new(
        shared: Arc<Shared>,
        disk: Arc<Disk>,
        sink: usize,
        name: &str,
        cursor: Cursor,
    ) -> Self {
        Self {
            shared,
            disk,
            sink,
            cursor_file: Cursor::file_name(name),
            batch: VecDeque::new(),
            place: None,
            cursor,
            is_saved: true,
            saved_at: Instant::now(),
        }
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
        let save_at = self.saved_at + SAVE_EVERY;
        let now = Instant::now();
        if !self.is_saved && now >= save_at {
            self.save();
        }
        if now >= until {
            return false;
        }
        let wake = if self.is_saved { until } else { until.min(save_at) };
        let mut state = self.shared.lock();
        // Once more under the lock: what came since has already told those that wait.
        if state.has_news_for(self.sink) {
            return true;
        }
        state = self
            .shared
            .for_readers
            .wait_timeout(state, wake.saturating_duration_since(now))
            .unwrap_or_else(PoisonError::into_inner)
            .0;
        drop(state);
        true
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
        self.cursor = Cursor { id: last.id, time_ns: last.time_ns };
        self.is_saved = false;
        self.shared.lock().acked(self.sink, n as u64, last.id, outcome);
        self.remove_done();
        if self.saved_at.elapsed() >= SAVE_EVERY {
            self.save();
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

    fn save(&mut self) {
        let saved = self.disk.set_note(&self.cursor_file, &self.cursor.encode());
        self.is_saved = saved.is_ok();
        self.saved_at = Instant::now();
        if saved.is_err() {
            self.shared.lock().count_cursor_error();
        }
    }
}

impl Drop for Reader {
    fn drop(&mut self) {
        if !self.is_saved {
            self.save();
        }
        self.shared.lock().end_sink(self.sink);
        self.remove_done();
    }
}
