//! The outbox: alerts for durable sinks go to an append-only log on disk first, and from there to each sink, in order and at least once.
//!
//! `Outbox (ids, memory) -> thread out-spool -> segments -> Reader (one per sink, with a cursor on disk)`
//!
//! A reader that keeps up is served from memory, once its records are written; one that is behind reads the segments. While the log cannot
//! be written (no room, an error, a disk that does not answer) alerts are delivered from memory, as far as that goes.
//!
//! Ids are the epoch of the run and a number within it. Epochs rise from run to run and are on the disk before the first id is given, so no
//! id comes twice for two alerts, whatever was lost in between.
//!
//! No crate does this (looked at in November 2026: okaywal, yaque, commitlog, raft-engine, fjall, wal-db, walogs, open-wal): none goes on
//! behind damage in the middle of a file, which they take as the end of the log or as fatal, and none has readers with places of their own
//! or a way on when the disk is full. See `docs/journal/2026-11-23-outbox.md`.

mod disk;
mod notes;
mod reader;
mod record;
mod recovery;
mod segment;
mod state;
#[cfg(test)]
mod tests;
mod writer;

use std::io;
use std::path::PathBuf;
use std::sync::{Arc, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use perf::{Hop, Readings, Registry};

use self::disk::Disk;
pub(crate) use self::reader::ReaderEnd;
pub use self::reader::{Next, Reader};
pub use self::record::Record;
pub use self::recovery::{Recovery, UncleanStop};
use self::segment::Log;
pub use self::state::{Counts, SinkCounts};
use self::state::{Progress, Shared, State};
use self::writer::Writer;
use crate::message::AlertId;

impl AlertId {
    /// Whether an id can have been given. What is larger comes from damaged files.
    fn is_plausible(self) -> bool {
        self.epoch_is_plausible() && (1..u64::MAX >> 1).contains(&self.sequence)
    }

    fn epoch_is_plausible(self) -> bool {
        (1..u64::MAX >> 1).contains(&self.epoch)
    }
}

/// When what is written is forced to the disk.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fsync {
    /// Each batch, before its alerts are delivered.
    Always,
    /// So often.
    Interval(Duration),
    /// When the kernel likes.
    Never,
}

/// How the outbox is made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OutboxSettings {
    /// Where the log is; made if it is not there.
    pub directory: PathBuf,
    /// Of all segments. Beyond it nothing is written until a segment has been delivered to all sinks.
    pub max_bytes: u64,
    /// A segment is about so long.
    pub segment_bytes: u64,
    /// When what is written is forced to the disk.
    pub fsync: Fsync,
}

/// Who waits without an end is woken; this is how long a lost wake would cost.
const LOOK_AGAIN: Duration = Duration::from_secs(1);

/// The smallest [`OutboxSettings::segment_bytes`].
pub const MIN_SEGMENT_BYTES: u64 = 4096;

/// An outbox that cannot be opened.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// The system said no.
    #[error("cannot use the outbox {path}: {reason}")]
    Io {
        /// The file or directory.
        path: PathBuf,
        /// Why.
        reason: io::Error,
    },
    /// Someone has the lock.
    #[error("another agent uses the outbox {directory}")]
    InUse {
        /// The directory.
        directory: PathBuf,
    },
    /// What is in it could be anybody's.
    #[error("others may write to the outbox {directory} (mode {mode:o})")]
    OthersWrite {
        /// The directory.
        directory: PathBuf,
        /// Its permissions.
        mode: u32,
    },
    /// A newer program has been here.
    #[error("the outbox has {path} in format {version}, which this version does not know")]
    Version {
        /// The file.
        path: PathBuf,
        /// Its version.
        version: u32,
    },
    /// Sizes that do not go together.
    #[error(
        "an outbox of {max_bytes} bytes with segments of {segment_bytes}: at least {MIN_SEGMENT_BYTES} a segment, and room for two"
    )]
    Sizes {
        /// As asked for.
        max_bytes: u64,
        /// As asked for.
        segment_bytes: u64,
    },
    /// The thread that writes.
    #[error("cannot start the thread of the outbox: {0}")]
    Thread(io::Error),
}

/// Why an alert was not taken.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refused {
    /// Memory is full of alerts that wait to be written.
    #[error("the outbox has no room in memory")]
    QueueFull,
    /// Longer than a record may be.
    #[error("longer than a record of the outbox")]
    TooLong,
}

/// The way in.
#[derive(Debug)]
pub struct Outbox {
    shared: Arc<Shared>,
    max_bytes: u64,
    last_id: AlertId,
    sinks: Vec<String>,
    recovery: Recovery,
    writer: Option<Writer>,
    thread: Option<JoinHandle<()>>,
}

/// How full an outbox is, for whoever looks from the side.
#[derive(Clone, Debug)]
pub struct OutboxGauge {
    shared: Arc<Shared>,
    max_bytes: u64,
}

/// How full an outbox is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Fill {
    /// Of all segments.
    pub bytes: u64,
    /// The bound.
    pub max_bytes: u64,
    /// Something waits that the bound leaves no room for.
    pub is_full: bool,
}

impl OutboxGauge {
    /// How full it is now. Takes the lock of the outbox for a moment.
    #[must_use]
    pub fn fill(&self) -> Fill {
        let state = self.shared.lock();
        let is_full = state.failing == Some(state::Failing::Full);
        Fill { bytes: state.bytes(), max_bytes: self.max_bytes, is_full }
    }
}

/// An outbox that was opened.
#[derive(Debug)]
pub struct Opened {
    /// The way in.
    pub outbox: Outbox,
    /// The way out of each sink, in the order that they were named in.
    pub readers: Vec<Reader>,
}

impl Outbox {
    /// Opens the log, and starts the thread that writes.
    ///
    /// # Errors
    /// The directory cannot be used, by this program or by this version of it, or the thread cannot be made.
    pub fn open(settings: &OutboxSettings, sinks: &[&str]) -> Result<Opened, OpenError> {
        let mut opened = Self::recover(settings, sinks)?;
        opened.outbox.start()?;
        Ok(opened)
    }

    /// Opens the log and finds what earlier runs left in it for `sinks`. A sink that has no cursor yet gets whatever the log has. Reads every
    /// segment once. What is pushed is written once [`Outbox::start`] was called.
    ///
    /// # Errors
    /// The directory cannot be used, by this program or by this version of it.
    pub fn recover(settings: &OutboxSettings, sinks: &[&str]) -> Result<Opened, OpenError> {
        let OutboxSettings { directory, max_bytes, segment_bytes, .. } = settings;
        if *segment_bytes < MIN_SEGMENT_BYTES || max_bytes / 2 < *segment_bytes {
            return Err(OpenError::Sizes { max_bytes: *max_bytes, segment_bytes: *segment_bytes });
        }
        Self::recover_on(Disk::open(directory)?, settings, sinks)
    }

    fn recover_on(
        disk: Disk,
        settings: &OutboxSettings,
        sinks: &[&str],
    ) -> Result<Opened, OpenError> {
        let &OutboxSettings { ref directory, max_bytes, segment_bytes, fsync } = settings;
        let disk = Arc::new(disk);
        let (found, recovery) = recovery::recover(&disk, directory, sinks)?;
        let recovery::Found { epoch, is_begun, next_number, segments, cursors } = found;
        let start = AlertId { epoch, sequence: 0 };
        let progress = cursors.iter().map(|&(cursor, recovered)| {
            let (taken, acked) = (cursor.id, cursor.id);
            let mut progress =
                Progress { taken, acked, cursor, is_saved: true, ..Progress::default() };
            progress.counts.recovered = recovered;
            progress.counts.pending = recovered;
            if recovered == 0 {
                (progress.taken, progress.acked) = (start, start);
            }
            progress
        });
        let max_record_bytes =
            (segment_bytes - segment::HEADER_LEN as u64).min(record::MAX_TEXT_BYTES as u64);
        let mut state = State::new(start, segments, progress.collect(), max_record_bytes);
        for number in state.done_segments() {
            drop(disk.remove(&segment::file_name(number)));
        }
        let shared = Arc::new(Shared::new(state));
        let readers =
            (0..).zip(sinks).map(|(sink, name)| Reader::new(&shared, &disk, sink, name)).collect();
        let writer = Writer {
            shared: Arc::clone(&shared),
            log: Log::new(Arc::clone(&disk), epoch, segment_bytes, next_number),
            disk,
            fsync,
            max_bytes,
            segment_bytes,
            epoch,
            is_begun,
            owes_report: recovery.unclean_stop.is_some(),
        };
        let outbox = Self {
            shared,
            max_bytes,
            last_id: start,
            sinks: sinks.iter().map(|&sink| sink.to_owned()).collect(),
            recovery,
            writer: Some(writer),
            thread: None,
        };
        Ok(Opened { outbox, readers })
    }

    /// Starts the thread that writes, once.
    ///
    /// # Errors
    /// The thread cannot be made.
    pub fn start(&mut self) -> Result<(), OpenError> {
        if let Some(writer) = self.writer.take() {
            let builder = std::thread::Builder::new().name("out-spool".to_owned());
            let thread = builder.spawn(move || writer.run()).map_err(OpenError::Thread)?;
            self.thread = Some(thread);
        }
        Ok(())
    }

    /// What was found when it was opened.
    #[must_use]
    pub fn recovery(&self) -> &Recovery {
        &self.recovery
    }

    /// What tells how full it is, for as long as it is kept.
    #[must_use]
    pub fn gauge(&self) -> OutboxGauge {
        OutboxGauge { shared: Arc::clone(&self.shared), max_bytes: self.max_bytes }
    }

    /// Registers what is counted, and what must balance: received = appended + unspooled + refused + waiting, and for each sink accepted +
    /// recovered = delivered + lost + pending.
    pub fn register(&self, registry: &mut Registry) {
        register(&self.shared, self.max_bytes, &self.recovery, &self.sinks, registry);
    }

    /// A new id, larger than all before.
    pub fn next_id(&mut self) -> AlertId {
        self.last_id.sequence += 1;
        self.last_id
    }

    /// Takes an alert, to be written and then delivered. Ids must rise. Does not wait for the disk.
    ///
    /// # Errors
    /// It is not taken, and counted as refused.
    pub fn push(&mut self, id: AlertId, text: String) -> Result<(), Refused> {
        let record = Arc::new(Record { id, time_ns: now_ns(), text });
        let mut state = self.shared.lock();
        state.push(record)?;
        let is_read_at_once = state.failing.is_some();
        drop(state);
        self.shared.for_writer.notify_one();
        if is_read_at_once {
            self.shared.for_readers.notify_all();
        }
        Ok(())
    }

    /// What became of the alerts so far.
    #[must_use]
    pub fn counts(&self) -> Counts {
        self.shared.lock().counts()
    }
}

impl Outbox {
    /// Writes what waits, then ends the log as it should end; waits for that until then at most. The readers can go on. `false` if it is
    /// not done, since the disk does not answer.
    #[must_use]
    pub fn finish(mut self, deadline: Option<Instant>) -> bool {
        if self.start().is_err() {
            return false;
        }
        self.close();
        let mut state = self.shared.lock();
        while !state.has_writer_ended {
            let left = deadline.map(|d| d.saturating_duration_since(Instant::now()));
            if left.is_some_and(|left| left.is_zero()) {
                // The thread ends with the program.
                self.thread = None;
                return false;
            }
            let waited = self.shared.for_readers.wait_timeout(state, left.unwrap_or(LOOK_AGAIN));
            state = waited.unwrap_or_else(PoisonError::into_inner).0;
        }
        true
    }

    fn close(&self) {
        self.shared.lock().is_closed = true;
        self.shared.for_writer.notify_one();
    }
}

/// As [`Outbox::finish`], however long it takes.
impl Drop for Outbox {
    fn drop(&mut self) {
        // One that was never started ends the log as it should end, too; where there is no thread for it the next run finds it torn.
        drop(self.start());
        self.close();
        if let Some(thread) = self.thread.take() {
            // The thread does not panic, short of a bug that has been printed by then.
            drop(thread.join());
        }
    }
}

fn now_ns() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |d| d.as_nanos() as u64)
}

fn register(
    shared: &Arc<Shared>,
    max_bytes: u64,
    recovery: &Recovery,
    sinks: &[String],
    registry: &mut Registry,
) {
    let found = [
        ("outbox.found.records", recovery.n_records),
        ("outbox.found.missing", recovery.n_missing),
        ("outbox.found.corrupt", recovery.n_corrupt),
        ("outbox.found.corrupt_bytes", recovery.corrupt_bytes),
        ("outbox.found.torn_bytes", recovery.torn_bytes),
        ("outbox.found.lost_cursors", recovery.n_lost_cursors),
        ("outbox.found.unclean_stops", recovery.unclean_stop.is_some().into()),
    ];
    let names: Vec<_> =
        sinks.iter().flat_map(|sink| SinkCounts::NAMES.map(|n| name(sink, n))).collect();
    let shared = Arc::clone(shared);
    let of_sinks = sinks.to_vec();
    registry.external(Counts::NAMES.into_iter().map(String::from).chain(names), move |out| {
        let state = shared.lock();
        let (counts, of_each) = (state.counts(), state.sinks.iter().map(|s| s.counts).collect());
        drop(state);
        let of_each: Vec<SinkCounts> = of_each;
        for (name, n) in found {
            out.count(name, n);
        }
        counts.read_out(out);
        out.level("outbox.max_bytes", max_bytes);
        of_sinks.iter().zip(of_each).for_each(|(sink, counts)| counts.read_out(sink, out));
    });
    registry.hop(
        Hop::new("outbox")
            .input("outbox.received")
            .output("outbox.appended")
            .aside("unspooled", "outbox.unspooled")
            .dropped("queue_full", "outbox.refused_queue_full")
            .dropped("too_long", "outbox.refused_too_long")
            .depth("outbox.waiting"),
    );
    for sink in sinks {
        registry.hop(
            Hop::new(&format!("outbox {sink}"))
                .input("outbox.accepted")
                .input(&name(sink, "recovered"))
                .output(&name(sink, "delivered"))
                .dropped("refused", &name(sink, "lost_refused"))
                .dropped("unspooled", &name(sink, "lost_unspooled"))
                .dropped("unreadable", &name(sink, "lost_unreadable"))
                .depth(&name(sink, "pending")),
        );
    }
}

fn name(sink: &str, what: &str) -> String {
    format!("outbox.{sink}.{what}")
}

impl Counts {
    const NAMES: [&'static str; 6] = [
        "outbox.received",
        "outbox.accepted",
        "outbox.appended",
        "outbox.unspooled",
        "outbox.refused_queue_full",
        "outbox.refused_too_long",
    ];

    fn read_out(self, out: &mut Readings) {
        let Self {
            received,
            appended,
            unspooled,
            refused_queue_full,
            refused_too_long,
            waiting,
            synced,
            write_errors,
            full,
            cursor_errors,
            bytes,
            segments,
        } = self;
        out.count("outbox.received", received);
        out.count("outbox.accepted", received - refused_queue_full - refused_too_long);
        out.count("outbox.appended", appended);
        out.count("outbox.unspooled", unspooled);
        out.count("outbox.refused_queue_full", refused_queue_full);
        out.count("outbox.refused_too_long", refused_too_long);
        out.level("outbox.waiting", waiting);
        out.count("outbox.synced", synced);
        out.count("outbox.write_errors", write_errors);
        out.count("outbox.full", full);
        out.count("outbox.cursor_errors", cursor_errors);
        out.level("outbox.bytes", bytes);
        out.level("outbox.segments", segments);
    }
}

impl SinkCounts {
    const NAMES: [&'static str; 5] =
        ["recovered", "delivered", "lost_refused", "lost_unspooled", "lost_unreadable"];

    fn read_out(self, sink: &str, out: &mut Readings) {
        let Self { recovered, delivered, lost_refused, lost_unspooled, lost_unreadable, pending } =
            self;
        let counts = [recovered, delivered, lost_refused, lost_unspooled, lost_unreadable];
        for (what, n) in Self::NAMES.into_iter().zip(counts) {
            out.count(&name(sink, what), n);
        }
        out.level(&name(sink, "pending"), pending);
    }
}
