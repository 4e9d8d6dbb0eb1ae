//! A record on disk, and the scanner that finds records in whatever bytes there are.
//!
//! `magic 4 | crc 4 | length 4 | epoch 8 | sequence 8 | time 8 | text`, little endian; the CRC-32 covers all that follows it.

use std::io::{self, Read};

use super::AlertId;

/// Bytes that never occur in UTF-8, in which the text is: what an alert says cannot pass for a record, however much of it is damaged.
const MAGIC: [u8; 4] = [0xff, 0xf9, 0xfe, 0xf5];
const HEADER_LEN: usize = 36;
/// Where what the checksum covers begins.
const COVERED_AT: usize = 8;
/// Text of one record.
pub(super) const MAX_TEXT_BYTES: usize = 1 << 20;
/// Read from a file at a time.
const CHUNK_BYTES: usize = 64 << 10;
/// Of candidates that turn out not to be records. Damage costs a few of them; only bytes made for the purpose cost more, and what follows
/// then is skipped.
const MAX_WASTED_BYTES: u64 = 256 << 20;

/// One alert in the log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Record {
    /// The same however often it is delivered.
    pub id: AlertId,
    /// When it was received; ns since the epoch.
    pub time_ns: u64,
    /// What its producer gave.
    pub text: String,
}

impl Record {
    /// Bytes in a segment.
    pub(super) fn encoded_len(&self) -> u64 {
        (HEADER_LEN + self.text.len()) as u64
    }

    pub(super) fn encode(&self, to: &mut Vec<u8>) {
        let Self { id: AlertId { epoch, sequence }, time_ns, text } = self;
        let start = to.len();
        to.extend_from_slice(&MAGIC);
        to.extend_from_slice(&[0; 4]);
        to.extend_from_slice(&(text.len() as u32).to_le_bytes());
        for word in [epoch, sequence, time_ns] {
            to.extend_from_slice(&word.to_le_bytes());
        }
        to.extend_from_slice(text.as_bytes());
        let crc = crc32fast::hash(&to[start + COVERED_AT..]);
        to[start + MAGIC.len()..start + COVERED_AT].copy_from_slice(&crc.to_le_bytes());
    }
}

pub(super) fn u32_at(bytes: &[u8], at: usize) -> u32 {
    bytes[at..].first_chunk().map_or(0, |b| u32::from_le_bytes(*b))
}

pub(super) fn u64_at(bytes: &[u8], at: usize) -> u64 {
    bytes[at..].first_chunk().map_or(0, |b| u64::from_le_bytes(*b))
}

/// What the scanner came across.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Item {
    Record(Record),
    /// So many bytes that belong to no whole record.
    Skipped(u64),
}

/// Finds the records in the bytes up to a limit, and goes on behind whatever is none. Memory: one record and a chunk.
#[derive(Debug)]
pub(super) struct Scanner<R> {
    source: R,
    buf: Vec<u8>,
    /// Bytes of `buf` that are done with.
    at: usize,
    /// Bytes up to the limit that were not read yet.
    n_unread: u64,
    n_skipped: u64,
    n_wasted: u64,
}

impl<R: Read> Scanner<R> {
    pub(super) fn new(source: R, n_bytes: u64) -> Self {
        Self { source, buf: Vec::new(), at: 0, n_unread: n_bytes, n_skipped: 0, n_wasted: 0 }
    }

    /// There are `n_bytes` more now.
    pub(super) fn extend(&mut self, n_bytes: u64) {
        self.n_unread += n_bytes;
    }

    /// The next record or stretch of damage; `None` at the limit.
    pub(super) fn next(&mut self) -> io::Result<Option<Item>> {
        loop {
            if !self.has(HEADER_LEN)? {
                let n_rest = (self.buf.len() - self.at) + self.n_unread as usize;
                // Read, so that the source is at the limit.
                self.has(n_rest)?;
                self.n_skipped += (self.buf.len() - self.at) as u64;
                self.buf.clear();
                self.at = 0;
                return Ok(self.take_skipped());
            }
            if let Some((record, len)) = self.candidate()? {
                if let Some(skipped) = self.take_skipped() {
                    return Ok(Some(skipped));
                }
                self.at += len;
                return Ok(Some(Item::Record(record)));
            }
            let next = self.buf[self.at + 1..].iter().position(|&b| b == MAGIC[0]);
            let n = next.map_or(self.buf.len() - self.at, |n| n + 1);
            self.at += n;
            self.n_skipped += n as u64;
        }
    }

    fn take_skipped(&mut self) -> Option<Item> {
        let n = std::mem::take(&mut self.n_skipped);
        (n > 0).then_some(Item::Skipped(n))
    }

    /// The record that begins here, with its length, if one does.
    fn candidate(&mut self) -> io::Result<Option<(Record, usize)>> {
        let header = &self.buf[self.at..];
        let text_len = u32_at(header, COVERED_AT) as usize;
        let is_one = header.starts_with(&MAGIC) && text_len <= MAX_TEXT_BYTES;
        let len = HEADER_LEN + text_len;
        if !is_one || self.n_wasted > MAX_WASTED_BYTES || !self.has(len)? {
            return Ok(None);
        }
        let bytes = &self.buf[self.at..self.at + len];
        let is_whole = crc32fast::hash(&bytes[COVERED_AT..]) == u32_at(bytes, MAGIC.len());
        let id = AlertId { epoch: u64_at(bytes, 12), sequence: u64_at(bytes, 20) };
        let text = std::str::from_utf8(&bytes[HEADER_LEN..]);
        match text {
            Ok(text) if is_whole && id.is_plausible() => {
                let time_ns = u64_at(bytes, 28);
                Ok(Some((Record { id, time_ns, text: text.to_owned() }, len)))
            }
            _ => {
                self.n_wasted += len as u64;
                Ok(None)
            }
        }
    }

    /// Whether there are `n` bytes in front, which are then in the buffer.
    fn has(&mut self, n: usize) -> io::Result<bool> {
        let n_held = self.buf.len() - self.at;
        if n_held >= n {
            return Ok(true);
        }
        if n_held as u64 + self.n_unread < n as u64 {
            return Ok(false);
        }
        self.buf.drain(..self.at);
        self.at = 0;
        let n_wanted = ((n - n_held).max(CHUNK_BYTES) as u64).min(self.n_unread);
        let n_read = (&mut self.source).take(n_wanted).read_to_end(&mut self.buf)? as u64;
        // A file that is shorter than it was has nothing more.
        self.n_unread = if n_read < n_wanted { 0 } else { self.n_unread - n_read };
        Ok(self.buf.len() >= n)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn record(sequence: u64, text: &str) -> Record {
        Record { id: AlertId { epoch: 1, sequence }, time_ns: sequence * 10, text: text.to_owned() }
    }

    fn encoded(records: &[Record]) -> Vec<u8> {
        let mut bytes = Vec::new();
        for record in records {
            record.encode(&mut bytes);
        }
        bytes
    }

    fn scanned(bytes: &[u8]) -> Vec<Item> {
        let mut scanner = Scanner::new(bytes, bytes.len() as u64);
        std::iter::from_fn(|| scanner.next().unwrap()).collect()
    }

    fn three() -> (Vec<Record>, Vec<u8>) {
        let records = vec![record(1, "one"), record(2, "zwei \u{20ac}"), record(3, "")];
        let bytes = encoded(&records);
        (records, bytes)
    }

    #[test]
    fn what_was_encoded_is_found() {
        let (records, bytes) = three();
        assert_eq!(scanned(&bytes), records.into_iter().map(Item::Record).collect::<Vec<_>>());
    }

    #[test]
    fn a_bit_that_is_wrong_anywhere_costs_one_record() {
        let (records, bytes) = three();
        let (first, second) = (records[0].encoded_len() as usize, records[1].encoded_len());
        for bit in 0..second * 8 {
            let mut damaged = bytes.clone();
            damaged[first + bit as usize / 8] ^= 1 << (bit % 8);
            let expected = vec![
                Item::Record(records[0].clone()),
                Item::Skipped(second),
                Item::Record(records[2].clone()),
            ];
            assert_eq!(scanned(&damaged), expected, "bit {bit}");
        }
    }

    #[test]
    fn a_torn_end_is_skipped_and_nothing_else() {
        let (records, bytes) = three();
        for len in 0..bytes.len() {
            let mut ends = 0;
            let whole = |r: &&Record| {
                ends += r.encoded_len() as usize;
                ends <= len
            };
            let mut expected: Vec<_> =
                records.iter().take_while(whole).cloned().map(Item::Record).collect();
            let n_whole: u64 = records[..expected.len()].iter().map(Record::encoded_len).sum();
            if n_whole < len as u64 {
                expected.push(Item::Skipped(len as u64 - n_whole));
            }
            assert_eq!(scanned(&bytes[..len]), expected, "{len} bytes");
        }
    }

    #[test]
    fn a_source_that_grows_is_read_on() {
        let (records, bytes) = three();
        let first = records[0].encoded_len();
        let mut scanner = Scanner::new(&*bytes, first);
        assert_eq!(scanner.next().unwrap(), Some(Item::Record(records[0].clone())));
        assert_eq!(scanner.next().unwrap(), None);
        scanner.extend(bytes.len() as u64 - first);
        assert_eq!(scanner.next().unwrap(), Some(Item::Record(records[1].clone())));
    }

    #[test]
    fn a_source_shorter_than_said_ends() {
        let (records, bytes) = three();
        let mut scanner = Scanner::new(&bytes[..bytes.len() - 1], 10 << 20);
        for record in &records[..2] {
            assert_eq!(scanner.next().unwrap(), Some(Item::Record(record.clone())));
        }
        assert_eq!(scanner.next().unwrap(), Some(Item::Skipped(HEADER_LEN as u64 - 1)));
        assert_eq!(scanner.next().unwrap(), None);
    }

    #[test]
    fn bytes_made_to_cost_time_are_given_up() {
        // Each header claims a megabyte that does not fit its checksum.
        let (_, mut one) = three();
        one.truncate(HEADER_LEN);
        one[8..12].copy_from_slice(&(MAX_TEXT_BYTES as u32).to_le_bytes());
        let bytes = one.repeat((4 << 20) / HEADER_LEN);
        let started = std::time::Instant::now();
        assert_eq!(scanned(&bytes), [Item::Skipped(bytes.len() as u64)]);
        assert!(started.elapsed().as_secs() < 20, "{:?}", started.elapsed());
    }
}
