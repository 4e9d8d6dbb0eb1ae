//! What is found when the outbox is opened: what earlier runs left, how the last one ended, and what is damaged.

use std::collections::VecDeque;
use std::io::ErrorKind;
use std::path::Path;

use super::disk::{Disk, is_no_room};
use super::notes::{Cursor, Run};
use super::record::Item;
use super::segment::{self, Header};
use super::state::{MAX_TAIL_RECORDS, Segment};
use super::{AlertId, OpenError, now_ns};

/// What an outbox had in it when it was opened.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Recovery {
    /// Whole records, delivered ones of unfinished segments among them.
    pub n_records: u64,
    /// Numbers missing between records of one run: damaged, or never written.
    pub n_missing: u64,
    /// Stretches within segments that are no records.
    pub n_corrupt: u64,
    /// Their bytes.
    pub corrupt_bytes: u64,
    /// Bytes at the end of segments that are no whole record: what was being written when the program or the machine stopped.
    pub torn_bytes: u64,
    /// Cursors that could not be read: their sinks get everything again that is there.
    pub n_lost_cursors: u64,
    /// The last run did not come to its own end.
    pub unclean_stop: Option<UncleanStop>,
}

/// A run that was killed, crashed, or lost its machine.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UncleanStop {
    /// The newest alert that is known of: everything up to it is delivered or will be.
    pub last: Option<AlertId>,
    /// When it was received; ns since the epoch, 0 if there is none.
    pub last_ns: u64,
    /// When this run began; ns since the epoch. What happened since the last alert may lack one.
    pub found_ns: u64,
    /// Alerts that may have been in memory only: so many at most.
    pub max_lost: u64,
    /// Bytes of records that were being written.
    pub torn_bytes: u64,
}

/// What the new run goes on from.
#[derive(Debug)]
pub(super) struct Found {
    pub(super) epoch: u64,
    /// The disk knows of the new run.
    pub(super) is_begun: bool,
    pub(super) next_number: u64,
    pub(super) segments: VecDeque<Segment>,
    /// For each sink its cursor and the records behind it.
    pub(super) cursors: Vec<(Cursor, u64)>,
}

/// Reads everything once and begins a new run.
pub(super) fn recover(
    disk: &Disk,
    directory: &Path,
    sinks: &[&str],
) -> Result<(Found, Recovery), OpenError> {
    let failed = |reason| OpenError::Io { path: directory.to_owned(), reason };
    let names = disk.names().map_err(failed)?;
    let mut numbers: Vec<_> = names.iter().filter_map(|name| segment::number(name)).collect();
    numbers.sort_unstable();
    let mut recovery = Recovery::default();
    let mut cursors = Vec::new();
    for sink in sinks {
        let name = Cursor::file_name(sink);
        let cursor = disk.note(&name).and_then(|text| Cursor::decode(&text));
        recovery.n_lost_cursors += u64::from(cursor.is_none() && names.contains(&name));
        cursors.push((cursor.unwrap_or_default(), 0));
    }
    let newest_cursor = cursors.iter().map(|&(cursor, _)| cursor).max_by_key(|c| c.id);
    let mut newest = newest_cursor.unwrap_or_default();
    let mut epoch = newest.id.epoch;
    let mut segments = VecDeque::new();
    let mut last = Cursor::default();
    for &number in &numbers {
        let path = disk.path(&segment::file_name(number));
        let failed = |reason| OpenError::Io { path: path.clone(), reason };
        let mut file = disk.read(&segment::file_name(number)).map_err(failed)?;
        let len = file.metadata().map_err(failed)?.len();
        match Header::read(&mut file).map_err(failed)? {
            Header::Version(version) => return Err(OpenError::Version { path, version }),
            Header::Epoch(of_file) => epoch = epoch.max(of_file.min(u64::MAX >> 2)),
            Header::Damaged => {}
        }
        let mut scanner = segment::open(disk, number, len).map_err(failed)?;
        let mut skipped = 0;
        // A part of the disk that cannot be read ends the file.
        while let Ok(Some(item)) = scanner.next() {
            match item {
                Item::Skipped(n) => skipped += n,
                Item::Record(record) => {
                    if skipped > 0 {
                        recovery.n_corrupt += 1;
                        recovery.corrupt_bytes += std::mem::take(&mut skipped);
                    }
                    // What was written twice, after an error, comes once.
                    if record.id > last.id {
                        recovery.n_records += 1;
                        if record.id.epoch == last.id.epoch {
                            recovery.n_missing += record.id.sequence - last.id.sequence - 1;
                        }
                        last = Cursor { id: record.id, time_ns: record.time_ns };
                        let behind = cursors.iter_mut().filter(|(c, _)| c.id < record.id);
                        behind.for_each(|(_, n)| *n += 1);
                    }
                }
            }
        }
        recovery.torn_bytes += skipped;
        segments.push_back(Segment { number, last: last.id, len });
    }
    if last.id > newest.id {
        newest = last;
    }
    epoch = epoch.max(newest.id.epoch);
    let run = disk.note(Run::FILE_NAME);
    let before = run.as_deref().and_then(Run::decode);
    epoch = epoch.max(before.map_or(0, |run| run.epoch));
    // Neither a run nor anything of one: a new outbox.
    let is_new = run.is_none() && numbers.is_empty() && newest == Cursor::default();
    let found_ns = now_ns();
    // A later run than the one that the note is about had no room for its own.
    if !is_new && !before.is_some_and(|run| run.has_ended && run.epoch >= epoch) {
        recovery.unclean_stop = Some(UncleanStop {
            last: (newest.id != AlertId::default()).then_some(newest.id),
            last_ns: newest.time_ns,
            found_ns,
            max_lost: MAX_TAIL_RECORDS as u64,
            torn_bytes: recovery.torn_bytes,
        });
    }
    let epoch = (found_ns / 1_000_000).clamp(1, u64::MAX >> 2).max(epoch + 1);
    let begun = disk.set_note_at_all(Run::FILE_NAME, &Run { epoch, has_ended: false }.encode());
    let is_begun = match begun {
        // Time has given an epoch of its own.
        Err(e) if is_no_room(&e) || e.kind() == ErrorKind::NotFound => false,
        begun => begun.map(|()| true).map_err(failed)?,
    };
    let next_number = numbers.last().map_or(1, |n| n + 1);
    Ok((Found { epoch, is_begun, next_number, segments, cursors }, recovery))
}
