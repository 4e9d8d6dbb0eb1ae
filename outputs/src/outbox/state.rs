//! What producer, writer and readers share: the tail in memory, the list of segments, who got how far, and the counts. No input or output here.

use std::collections::VecDeque;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use super::notes::Cursor;
use super::record::Record;
use super::segment::MIN_FILE_BYTES;
use super::{AlertId, Refused};

/// Records in memory: those that are not written yet, and the newest that are.
pub(super) const MAX_TAIL_RECORDS: usize = 8192;
const MAX_TAIL_BYTES: usize = 16 << 20;
/// A write that takes longer holds up nobody any more: alerts are then delivered from memory.
const STALL: Duration = Duration::from_secs(2);

/// A file of records.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Segment {
    pub(super) number: u64,
    /// The newest record in it or before it.
    pub(super) last: AlertId,
    /// Up to the end of that record.
    pub(super) len: u64,
}

impl Segment {
    fn disk_bytes(&self) -> u64 {
        self.len.max(MIN_FILE_BYTES)
    }
}

/// How far a sink is.
#[derive(Clone, Debug, Default)]
pub(super) struct Progress {
    /// The newest record that it was given.
    pub(super) taken: AlertId,
    /// Up to here it is done with all.
    pub(super) acked: AlertId,
    /// The newest record that it is done with, for its file.
    pub(super) cursor: Cursor,
    /// The file has it.
    pub(super) is_saved: bool,
    /// Given and not done with.
    pub(super) n_in_hand: u64,
    /// It is behind the tail, or was when it last looked.
    pub(super) is_in_files: bool,
    pub(super) counts: SinkCounts,
    pub(super) has_ended: bool,
}

/// What became of a sink's alerts.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct SinkCounts {
    /// Found in the spool at the start, and not delivered before.
    pub recovered: u64,
    /// The sink said that they arrived.
    pub delivered: u64,
    /// The receiver will never take them.
    pub lost_refused: u64,
    /// Could not be written, and left memory before the sink took them.
    pub lost_unspooled: u64,
    /// Were written and could not be read back.
    pub lost_unreadable: u64,
    /// Neither delivered nor lost.
    pub pending: u64,
}

/// What became of all alerts.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Given to the outbox.
    pub received: u64,
    /// Written to the spool.
    pub appended: u64,
    /// Never written: they left memory while the spool was full or failed.
    pub unspooled: u64,
    /// Refused: memory was full of alerts that wait to be written.
    pub refused_queue_full: u64,
    /// Refused: longer than a record can be.
    pub refused_too_long: u64,
    /// In memory, to be written.
    pub waiting: u64,
    /// Forced to the disk, of `appended`.
    pub synced: u64,
    /// Attempts to write or force to the disk that failed.
    pub write_errors: u64,
    /// Times that the spool was at its bound.
    pub full: u64,
    /// Cursors that could not be saved.
    pub cursor_errors: u64,
    /// Bytes of all segments.
    pub bytes: u64,
    /// Segments.
    pub segments: u64,
}

/// Why nothing is written at the moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Failing {
    Error,
    Full,
    Stalled,
}

#[derive(Debug)]
pub(super) struct State {
    tail: VecDeque<Arc<Record>>,
    tail_bytes: usize,
    /// The newest record that is in the tail no more; a reader behind it reads files.
    left_tail: AlertId,
    /// Newest record that is written.
    pub(super) written: AlertId,
    /// Newest record that is on the disk for certain.
    synced: AlertId,
    /// Readers may take records up to this one.
    readable: AlertId,
    /// The newest of the batch that is being written, and since when.
    writing: Option<(AlertId, Instant)>,
    pub(super) failing: Option<Failing>,
    pub(super) segments: VecDeque<Segment>,
    /// The segment that the log appends to: it is not deleted.
    pub(super) active: Option<u64>,
    pub(super) sinks: Vec<Progress>,
    counts: Counts,
    /// Nothing more comes.
    pub(super) is_closed: bool,
    /// Nothing more is written.
    pub(super) has_writer_ended: bool,
    /// Longer records are refused.
    max_record_bytes: u64,
}

/// The state, and who waits for it to change.
#[derive(Debug)]
pub(super) struct Shared {
    state: Mutex<State>,
    pub(super) for_writer: Condvar,
    pub(super) for_readers: Condvar,
}

impl Shared {
    pub(super) fn new(state: State) -> Self {
        Self { state: Mutex::new(state), for_writer: Condvar::new(), for_readers: Condvar::new() }
    }

    pub(super) fn lock(&self) -> MutexGuard<'_, State> {
        // Each change is complete before the lock is given back, or the thread that made it has ended the program.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What a reader is given.
#[derive(Debug)]
pub(super) enum Source {
    /// Records from memory, none if there are none yet.
    Tail(Vec<Arc<Record>>),
    /// It is behind the tail: the next segments have what it lacks.
    Files,
}

impl State {
    /// `start` is before all records of this run and behind all of those before; `sinks` are those with what was recovered for them.
    pub(super) fn new(
        start: AlertId,
        segments: VecDeque<Segment>,
        sinks: Vec<Progress>,
        max_record_bytes: u64,
    ) -> Self {
        Self {
            tail: VecDeque::new(),
            tail_bytes: 0,
            left_tail: start,
            written: start,
            synced: start,
            readable: start,
            writing: None,
            failing: None,
            segments,
            active: None,
            sinks,
            counts: Counts::default(),
            is_closed: false,
            has_writer_ended: false,
            max_record_bytes,
        }
    }

    pub(super) fn counts(&self) -> Counts {
        Counts {
            waiting: self.n_waiting() as u64,
            bytes: self.bytes(),
            segments: self.segments.len() as u64,
            ..self.counts
        }
    }

    fn first_waiting(&self) -> usize {
        self.tail.partition_point(|r| r.id <= self.written)
    }

    pub(super) fn n_waiting(&self) -> usize {
        self.tail.len() - self.first_waiting()
    }

    /// Takes a record to be written and delivered.
    pub(super) fn push(&mut self, record: Arc<Record>) -> Result<(), Refused> {
        self.counts.received += 1;
        if record.encoded_len() > self.max_record_bytes {
            self.counts.refused_too_long += 1;
            return Err(Refused::TooLong);
        }
        self.look_for_stall();
        self.make_room(Some(record.text.len()));
        if !self.has_room(record.text.len()) {
            self.counts.refused_queue_full += 1;
            return Err(Refused::QueueFull);
        }
        self.tail_bytes += record.text.len();
        let id = record.id;
        self.tail.push_back(record);
        self.sinks.iter_mut().for_each(|s| s.counts.pending += 1);
        if self.failing.is_some() {
            self.readable = id;
        }
        Ok(())
    }

    fn look_for_stall(&mut self) {
        if self.failing.is_none() && self.writing.is_some_and(|(_, since)| since.elapsed() > STALL)
        {
            self.fail(Failing::Stalled);
        }
    }

    fn has_room(&self, n_bytes: usize) -> bool {
        self.tail.len() < MAX_TAIL_RECORDS && self.tail_bytes + n_bytes <= MAX_TAIL_BYTES
    }

    /// Drops from the tail what nobody needs, then, as long as there is no room for so many bytes more, what is written. While nothing can
    /// be written, the oldest goes: a sink that is behind loses it, the others go on.
    fn make_room(&mut self, n_bytes: Option<usize>) {
        let writing = self.writing.map(|(last, _)| last);
        while let Some(front) = self.tail.front() {
            let (id, is_written) = (front.id, front.id <= self.written);
            let is_done = self.sinks.iter().all(|s| s.has_ended || s.acked >= id);
            let may_go = if is_done || is_written {
                is_written || self.failing.is_some()
            } else {
                self.failing.is_some() && writing.is_none_or(|last| id > last)
            };
            if !may_go || !is_done && n_bytes.is_none_or(|n| self.has_room(n)) {
                return;
            }
            self.pop_front();
        }
    }

    fn pop_front(&mut self) {
        let Some(front) = self.tail.pop_front() else { return };
        self.tail_bytes -= front.text.len();
        self.left_tail = front.id;
        if front.id > self.written {
            self.counts.unspooled += 1;
            for sink in self.sinks.iter_mut().filter(|s| s.taken < front.id) {
                sink.counts.lost_unspooled += 1;
                sink.counts.pending -= 1;
            }
        }
    }

    /// Nothing can be written: what waits can be read at once.
    pub(super) fn fail(&mut self, why: Failing) {
        match why {
            Failing::Error => self.counts.write_errors += 1,
            Failing::Full if self.failing != Some(Failing::Full) => self.counts.full += 1,
            Failing::Full | Failing::Stalled => {}
        }
        self.failing = Some(why);
        if let Some(last) = self.tail.back() {
            self.readable = last.id;
        }
    }

    pub(super) fn count_write_error(&mut self) {
        self.counts.write_errors += 1;
    }

    pub(super) fn count_cursor_error(&mut self) {
        self.counts.cursor_errors += 1;
    }

    /// The oldest records that are not written, up to a bound; nothing if there are none.
    pub(super) fn begin_batch(&mut self, max_records: usize, max_bytes: u64) -> Vec<Arc<Record>> {
        let mut n_bytes = 0;
        let batch: Vec<_> = self
            .tail
            .iter()
            .skip(self.first_waiting())
            .take(max_records)
            .take_while(|r| {
                n_bytes += r.encoded_len();
                n_bytes <= max_bytes || n_bytes == r.encoded_len()
            })
            .cloned()
            .collect();
        self.writing = batch.last().map(|last| (last.id, Instant::now()));
        batch
    }

    /// The batch was not written after all.
    pub(super) fn batch_failed(&mut self, why: Failing) {
        self.writing = None;
        self.fail(why);
    }

    /// The batch up to `last` is in segment `number`, which is now `len` long.
    pub(super) fn batch_written(&mut self, last: AlertId, number: u64, len: u64, is_synced: bool) {
        let before = self.first_waiting();
        self.writing = None;
        self.failing = None;
        self.written = last;
        self.counts.appended += (self.first_waiting() - before) as u64;
        self.readable = self.readable.max(last);
        self.active = Some(number);
        match self.segments.back_mut().filter(|s| s.number == number) {
            Some(segment) => (segment.last, segment.len) = (last, len),
            None => self.segments.push_back(Segment { number, last, len }),
        }
        if is_synced {
            self.synced_all();
        }
    }

    /// What is written is on the disk.
    pub(super) fn synced_all(&mut self) {
        self.synced = self.written;
        self.counts.synced = self.counts.appended;
    }

    pub(super) fn is_synced(&self) -> bool {
        self.synced == self.written
    }

    /// Bytes that the segments take.
    pub(super) fn bytes(&self) -> u64 {
        self.segments.iter().map(Segment::disk_bytes).sum()
    }

    /// Takes segments off the list that no sink needs any more; their files can go.
    pub(super) fn done_segments(&mut self) -> Vec<u64> {
        let acked = self.sinks.iter().map(|s| s.acked).min().unwrap_or_default();
        let mut done = Vec::new();
        while let Some(first) = self.segments.front()
            && first.last <= acked
            && self.active != Some(first.number)
        {
            done.push(first.number);
            self.segments.pop_front();
        }
        done
    }

    /// Whether the newest segment has nothing that a sink still needs, so that it could go if it were not the newest.
    pub(super) fn is_active_done(&self) -> bool {
        let acked = self.sinks.iter().map(|s| s.acked).min().unwrap_or_default();
        self.active.is_some() && self.segments.back().is_some_and(|s| s.last <= acked)
    }

    /// The next records for `sink`.
    pub(super) fn next_for(&mut self, sink: usize, max_records: usize, max_bytes: usize) -> Source {
        self.look_for_stall();
        if self.sinks[sink].taken < self.left_tail {
            self.sinks[sink].is_in_files = true;
            return Source::Files;
        }
        if self.sinks[sink].is_in_files {
            self.is_in_tail_again(sink);
        }
        let progress = &mut self.sinks[sink];
        let first = self.tail.partition_point(|r| r.id <= progress.taken);
        let mut n_bytes = 0;
        let records: Vec<_> = self
            .tail
            .iter()
            .skip(first)
            .take(max_records)
            .take_while(|r| {
                n_bytes += r.text.len();
                r.id <= self.readable && (n_bytes <= max_bytes || n_bytes == r.text.len())
            })
            .cloned()
            .collect();
        if let Some(last) = records.last()
            && !progress.has_ended
        {
            progress.taken = last.id;
            progress.n_in_hand += records.len() as u64;
        }
        Source::Tail(records)
    }

    /// A reader has taken a record out of a file.
    pub(super) fn taken_from_file(&mut self, sink: usize, id: AlertId) {
        let progress = &mut self.sinks[sink];
        if progress.has_ended {
            return;
        }
        progress.taken = id;
        progress.n_in_hand += 1;
    }

    /// A reader has read all files.
    pub(super) fn files_read(&mut self, sink: usize) {
        let left_tail = self.left_tail;
        let progress = &mut self.sinks[sink];
        progress.taken = progress.taken.max(left_tail);
        if progress.n_in_hand == 0 {
            progress.acked = progress.taken;
        }
    }

    /// What a reader should have found in files, and did not, is lost.
    fn is_in_tail_again(&mut self, sink: usize) {
        let progress = &mut self.sinks[sink];
        progress.is_in_files = false;
        let first = self.tail.partition_point(|r| r.id <= progress.taken);
        let n_ahead = (self.tail.len() - first) as u64;
        let counts = &mut progress.counts;
        let n_missing = counts.pending.saturating_sub(progress.n_in_hand + n_ahead);
        counts.lost_unreadable += n_missing;
        counts.pending -= n_missing;
    }

    /// The sink is done with its `n` oldest records, up to `last`.
    pub(super) fn acked(&mut self, sink: usize, n: u64, last: Cursor, outcome: Outcome) {
        let progress = &mut self.sinks[sink];
        if progress.has_ended {
            return;
        }
        progress.acked = last.id;
        (progress.cursor, progress.is_saved) = (last, false);
        progress.n_in_hand -= n;
        if progress.n_in_hand == 0 {
            // Nothing lies between what was taken last and what `files_read` has passed over.
            progress.acked = progress.taken;
        }
        progress.counts.pending -= n;
        match outcome {
            Outcome::Delivered => progress.counts.delivered += n,
            Outcome::Refused => progress.counts.lost_refused += n,
        }
        self.make_room(None);
    }

    /// Whether there will never be more for `sink`, as far as this run goes.
    pub(super) fn is_over_for(&self, sink: usize) -> bool {
        let taken = self.sinks[sink].taken;
        let has_all = self.tail.back().is_none_or(|last| taken >= last.id);
        self.has_writer_ended && has_all && taken >= self.left_tail
    }

    /// Whether `sink` need not wait.
    pub(super) fn has_news_for(&self, sink: usize) -> bool {
        let taken = self.sinks[sink].taken;
        let next = self.tail.get(self.tail.partition_point(|r| r.id <= taken));
        taken < self.left_tail
            || next.is_some_and(|r| r.id <= self.readable)
            || self.is_over_for(sink)
    }

    /// The sink takes nothing more in this run. What is written waits for the next one.
    pub(super) fn end_sink(&mut self, sink: usize) {
        let progress = &mut self.sinks[sink];
        if !progress.has_ended {
            progress.taken = progress.acked;
            progress.n_in_hand = 0;
            progress.has_ended = true;
            self.settle();
        }
    }

    pub(super) fn writer_ended(&mut self) {
        self.has_writer_ended = true;
        self.active = None;
        if let Some(last) = self.tail.back() {
            self.readable = last.id;
        }
        self.settle();
    }

    /// Once nobody writes and nobody reads, what was not written is gone.
    fn settle(&mut self) {
        if self.has_writer_ended && self.sinks.iter().all(|s| s.has_ended) {
            while self.tail.back().is_some_and(|last| last.id > self.written) {
                self.pop_front();
            }
        }
    }
}

/// What became of records that a sink was given.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Outcome {
    Delivered,
    Refused,
}
