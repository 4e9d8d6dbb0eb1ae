//! The thread that writes: takes what waits, appends it in batches, forces it to the disk by the policy, and goes on after errors.

use std::sync::{Arc, PoisonError};
use std::time::{Duration, Instant};

use super::Fsync;
use super::disk::Disk;
use super::notes::Run;
use super::record::Record;
use super::segment::{self, Log, Sync};
use super::state::{Failing, Shared};

/// Records of one batch.
pub(super) const MAX_BATCH_RECORDS: usize = 512;
/// Text of one batch; and never more than a segment.
const MAX_BATCH_BYTES: u64 = 1 << 20;
/// How long nothing is tried after an error, or while the spool is full and no segment goes.
const RETRY: Duration = Duration::from_millis(500);

#[derive(Debug)]
pub(super) struct Writer {
    pub(super) shared: Arc<Shared>,
    pub(super) disk: Arc<Disk>,
    pub(super) log: Log,
    pub(super) fsync: Fsync,
    pub(super) max_bytes: u64,
    pub(super) segment_bytes: u64,
    pub(super) epoch: u64,
    /// The disk knows of this run: what follows can tell that it did not end.
    pub(super) is_begun: bool,
    /// The run before did not end as it should, which the first alert tells.
    pub(super) owes_report: bool,
}

impl Writer {
    pub(super) fn run(mut self) {
        let mut synced_at = Instant::now();
        let mut retry_at = None;
        loop {
            let is_last = self.wait(synced_at, &mut retry_at);
            let may_try = is_last || retry_at.is_none_or(|at| Instant::now() >= at);
            let has_written = may_try && self.write();
            if may_try {
                retry_at = (!has_written).then(|| Instant::now() + RETRY);
            }
            if let Fsync::Interval(every) = self.fsync
                && (is_last || synced_at.elapsed() >= every)
            {
                self.sync();
                synced_at = Instant::now();
            }
            if is_last && (!has_written || self.shared.lock().n_waiting() == 0) {
                return self.end();
            }
        }
    }

    /// Waits until there is something to write or to force to the disk. Gives whether nothing more will come.
    fn wait(&self, synced_at: Instant, retry_at: &mut Option<Instant>) -> bool {
        let mut state = self.shared.lock();
        loop {
            if state.is_closed {
                return true;
            }
            if state.failing == Some(Failing::Full) && self.has_room_for_one(state.bytes()) {
                // A segment went.
                *retry_at = None;
            }
            let sync_at = match self.fsync {
                Fsync::Interval(every) if !state.is_synced() => Some(synced_at + every),
                _ => None,
            };
            let now = Instant::now();
            let wants_room = state.n_waiting() > 0 || !self.is_begun;
            let write_at = wants_room.then(|| retry_at.unwrap_or(now));
            let Some(at) = sync_at.into_iter().chain(write_at).min() else {
                let waited = self.shared.for_writer.wait(state);
                state = waited.unwrap_or_else(PoisonError::into_inner);
                continue;
            };
            if at <= now {
                return false;
            }
            let waited = self.shared.for_writer.wait_timeout(state, at - now);
            state = waited.unwrap_or_else(PoisonError::into_inner).0;
        }
    }

    fn has_room_for_one(&self, used: u64) -> bool {
        used + self.log.cost(0) < self.max_bytes
    }

    /// Writes what waits, as much of it as one batch takes and the bound leaves room for. `false` if that has to be tried again later.
    fn write(&mut self) -> bool {
        if !self.is_begun {
            let run = Run { epoch: self.epoch, has_ended: false };
            self.is_begun = self.disk.set_note(Run::FILE_NAME, &run.encode()).is_ok();
        }
        let mut state = self.shared.lock();
        let max_bytes = MAX_BATCH_BYTES.min(self.segment_bytes - segment::HEADER_LEN as u64);
        let batch = state.begin_batch(MAX_BATCH_RECORDS, max_bytes);
        let used = state.bytes();
        drop(state);
        if batch.is_empty() {
            return self.is_begun;
        }
        let mut n_bytes = 0;
        let fits = |r: &&Arc<Record>| {
            n_bytes += r.encoded_len();
            used + self.log.cost(n_bytes) <= self.max_bytes
        };
        let batch = &batch[..batch.iter().take_while(fits).count()];
        let Some(last) = batch.last() else {
            return self.make_room();
        };
        let sync = if self.fsync == Fsync::Always { Sync::Now } else { Sync::Later };
        let appended = self.log.append(batch, sync);
        let mut state = self.shared.lock();
        state.active = self.log.active_number();
        match appended {
            Ok(appended) => {
                let is_synced = sync == Sync::Now;
                state.batch_written(last.id, appended.number, appended.len, is_synced);
            }
            Err(_) => state.batch_failed(Failing::Error),
        }
        self.shared.for_readers.notify_all();
        appended.is_ok() && self.is_begun
    }

    /// The spool is at its bound. What no sink needs any more goes: segments that were delivered while they were the newest, else the newest itself.
    fn make_room(&mut self) -> bool {
        let mut state = self.shared.lock();
        let mut done = state.done_segments();
        if done.is_empty() && state.is_active_done() {
            if self.log.seal().is_err() {
                state.count_write_error();
            }
            state.active = None;
            done = state.done_segments();
        }
        state.batch_failed(Failing::Full);
        if done.is_empty() {
            self.shared.for_readers.notify_all();
            return false;
        }
        // There is room now: the next look finds nothing failing.
        state.failing = None;
        drop(state);
        for number in done {
            drop(self.disk.remove(&segment::file_name(number)));
        }
        true
    }

    fn sync(&mut self) {
        let synced = self.log.sync();
        let mut state = self.shared.lock();
        state.active = self.log.active_number();
        match synced {
            Ok(()) => state.synced_all(),
            Err(_) => state.count_write_error(),
        }
    }

    /// Everything is written that could be. The run ends as it should.
    fn end(mut self) {
        let sealed = match self.fsync {
            Fsync::Never => Ok(()),
            Fsync::Always | Fsync::Interval(_) => self.log.seal(),
        };
        // A run that began nothing leaves the report to the next one.
        let has_ended = !self.owes_report || self.shared.lock().counts().received > 0;
        let run = Run { epoch: self.epoch, has_ended };
        let ended = self.disk.set_note_at_all(Run::FILE_NAME, &run.encode());
        let mut state = self.shared.lock();
        for result in [sealed, ended] {
            if result.is_err() {
                state.count_write_error();
            }
        }
        state.writer_ended();
        self.shared.for_readers.notify_all();
    }
}
