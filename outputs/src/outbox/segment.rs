//! Segments: files of records, each with a header; the log appends to the newest and never to one that it did not begin.

use std::fs::File;
use std::io::{self, Read as _, Seek as _, SeekFrom};
use std::sync::Arc;

use super::disk::Disk;
use super::record::{Record, Scanner, u32_at, u64_at};

const MAGIC: [u8; 8] = *b"\xffPGRNOB\n";
const VERSION: u32 = 1;
pub(super) const HEADER_LEN: usize = 32;
/// Where what the header's checksum covers begins.
const COVERED_AT: usize = 12;
/// What a file takes on disk at least. Many short runs thus stay within the bound as well.
pub(super) const MIN_FILE_BYTES: u64 = 4096;

/// `magic 8 | crc 4 | version 4 | epoch 8 | number 8`.
fn header(epoch: u64, number: u64) -> Vec<u8> {
    let mut bytes = MAGIC.to_vec();
    bytes.extend_from_slice(&[0; 4]);
    bytes.extend_from_slice(&VERSION.to_le_bytes());
    bytes.extend_from_slice(&epoch.to_le_bytes());
    bytes.extend_from_slice(&number.to_le_bytes());
    let crc = crc32fast::hash(&bytes[COVERED_AT..]);
    bytes[MAGIC.len()..COVERED_AT].copy_from_slice(&crc.to_le_bytes());
    bytes
}

/// What a file begins with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Header {
    /// Of the run with this epoch.
    Epoch(u64),
    /// A header of another version of this format.
    Version(u32),
    /// None that is whole; the records behind it can still be.
    Damaged,
}

impl Header {
    /// Reads the header; the file is then behind it.
    pub(super) fn read(file: &mut File) -> io::Result<Self> {
        let mut bytes = Vec::with_capacity(HEADER_LEN);
        file.take(HEADER_LEN as u64).read_to_end(&mut bytes)?;
        let is_whole = bytes.len() == HEADER_LEN
            && bytes.starts_with(&MAGIC)
            && crc32fast::hash(&bytes[COVERED_AT..]) == u32_at(&bytes, MAGIC.len());
        Ok(if !is_whole {
            Self::Damaged
        } else if u32_at(&bytes, COVERED_AT) == VERSION {
            Self::Epoch(u64_at(&bytes, COVERED_AT + 4))
        } else {
            Self::Version(u32_at(&bytes, COVERED_AT))
        })
    }
}

/// Finds the records in the first `len` bytes of segment `number`.
pub(super) fn open(disk: &Disk, number: u64, len: u64) -> io::Result<Scanner<File>> {
    let mut file = disk.read(&file_name(number))?;
    let start = match Header::read(&mut file)? {
        // There can be records in what should be the header.
        Header::Damaged => 0,
        Header::Epoch(_) | Header::Version(_) => HEADER_LEN as u64,
    };
    file.seek(SeekFrom::Start(start))?;
    Ok(Scanner::new(file, len.saturating_sub(start)))
}

pub(super) fn file_name(number: u64) -> String {
    format!("{number:020}.seg")
}

/// The number of a segment by the name of its file.
pub(super) fn number(file_name: &str) -> Option<u64> {
    let digits = file_name.strip_suffix(".seg")?;
    let is_one = digits.len() == 20 && digits.bytes().all(|b| b.is_ascii_digit());
    digits.parse().ok().filter(|&n| is_one && n < u64::MAX)
}

/// Appends records to segments.
#[derive(Debug)]
pub(super) struct Log {
    disk: Arc<Disk>,
    epoch: u64,
    segment_bytes: u64,
    next_number: u64,
    active: Option<Active>,
    scratch: Vec<u8>,
}

#[derive(Debug)]
struct Active {
    number: u64,
    file: File,
    /// Up to the end of the last record.
    len: u64,
    is_synced: bool,
}

/// The segment that took the records, and how long it is with them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Appended {
    pub(super) number: u64,
    pub(super) len: u64,
}

/// When a batch is forced to the disk.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Sync {
    Now,
    Later,
}

impl Log {
    pub(super) fn new(disk: Arc<Disk>, epoch: u64, segment_bytes: u64, next_number: u64) -> Self {
        Self { disk, epoch, segment_bytes, next_number, active: None, scratch: Vec::new() }
    }

    /// What `n_bytes` of records add to what the segments take.
    pub(super) fn cost(&self, n_bytes: u64) -> u64 {
        match &self.active {
            Some(active) if active.len + n_bytes <= self.segment_bytes => {
                let size = |len: u64| len.max(MIN_FILE_BYTES);
                size(active.len + n_bytes) - size(active.len)
            }
            _ => (HEADER_LEN as u64 + n_bytes).max(MIN_FILE_BYTES),
        }
    }

    /// Appends a batch to one segment, a new one where the last has no room. After an error none of it counts as written, and the next
    /// batch begins a new segment: behind a torn record nothing is appended.
    pub(super) fn append(&mut self, batch: &[Arc<Record>], sync: Sync) -> io::Result<Appended> {
        self.scratch.clear();
        for record in batch {
            record.encode(&mut self.scratch);
        }
        let n_bytes = self.scratch.len() as u64;
        if self.active.as_ref().is_some_and(|a| a.len + n_bytes > self.segment_bytes) {
            self.seal()?;
        }
        let Self { disk, scratch, .. } = self;
        let (disk, scratch) = (Arc::clone(disk), std::mem::take(scratch));
        let appended = self.active().and_then(|active| {
            disk.append(&mut active.file, &scratch)?;
            active.is_synced = false;
            if sync == Sync::Now {
                disk.sync(&active.file)?;
                active.is_synced = true;
            }
            active.len += scratch.len() as u64;
            Ok(Appended { number: active.number, len: active.len })
        });
        self.scratch = scratch;
        if appended.is_err()
            && let Some(Active { file, len, .. }) = self.active.take()
        {
            // Best effort, for the room it takes; what stays is skipped when the file is read.
            drop(file.set_len(len));
        }
        appended
    }

    fn active(&mut self) -> io::Result<&mut Active> {
        if self.active.is_none() {
            let number = self.next_number;
            self.next_number += 1;
            let name = file_name(number);
            let mut file = self.disk.create(&name)?;
            let header = header(self.epoch, number);
            let begun =
                self.disk.append(&mut file, &header).and_then(|()| self.disk.sync_directory());
            if let Err(e) = begun {
                drop(self.disk.remove(&name));
                return Err(e);
            }
            self.active = Some(Active { number, file, len: header.len() as u64, is_synced: false });
        }
        self.active.as_mut().ok_or_else(|| io::Error::other("no segment"))
    }

    /// Forces to the disk what is not there yet.
    pub(super) fn sync(&mut self) -> io::Result<()> {
        if let Some(active) = &mut self.active
            && !active.is_synced
        {
            if let Err(e) = self.disk.sync(&active.file) {
                // The kernel may have dropped the pages: nothing goes behind them.
                self.active = None;
                return Err(e);
            }
            active.is_synced = true;
        }
        Ok(())
    }

    /// Ends the newest segment; the next batch begins another.
    pub(super) fn seal(&mut self) -> io::Result<()> {
        let synced = self.sync();
        self.active = None;
        synced
    }

    /// The segment that the next batch may go to.
    pub(super) fn active_number(&self) -> Option<u64> {
        self.active.as_ref().map(|a| a.number)
    }
}
