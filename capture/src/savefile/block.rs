//! Blocks off a byte stream: bounded, gzip undone, read where they lie in one large buffer.

use std::io::{BufReader, ErrorKind, Read};

use flate2::bufread::MultiGzDecoder;

use super::{
    Place, SavefileError, kind,
    read_ahead::{HEADROOM, ReadAhead},
    saved_event::Layout,
};

/// What is read at once. Half of a second-level cache: what was read is still there when it is parsed.
const CHUNK_LEN: usize = 256 << 10;
/// Largest body of the blocks before the events together; the process list of 20,000 processes with full environments is below a third of it.
const MAX_META_LEN: u32 = 256 << 20;
/// Largest body of an event block that is kept; events beyond it are read over.
const MAX_EVENT_LEN: u32 = 128 << 10;
/// Interfaces that a list may have whose block claims too few bytes.
const MAX_SHORT_INTERFACES: usize = 4096;
pub(super) const HEAD_LEN: usize = 8;
pub(super) const TRAILER_LEN: usize = 4;
const FRAME_LEN: u32 = (HEAD_LEN + TRAILER_LEN) as u32;

/// A block that lies in the stream's buffer until the next one is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct BlockHead {
    pub(super) kind: u32,
    /// Offset of the block in the uncompressed stream.
    pub(super) offset: u64,
    /// Where it begins in the buffer, and its whole length.
    start: usize,
    len: usize,
    /// The body was larger than is kept: the block is empty.
    pub(super) is_skipped: bool,
    /// The block is longer than it says by so many bytes.
    pub(super) n_unclaimed: usize,
}

enum Source {
    Plain(Box<dyn Read + Send>),
    Gzip(Box<MultiGzDecoder<BufReader<Box<dyn Read + Send>>>>),
    Ahead(ReadAhead),
}

/// Reads blocks one by one.
pub(super) struct BlockStream {
    source: Source,
    is_packed: bool,
    buf: Vec<u8>,
    /// The part of the buffer that is read and not given yet.
    at: usize,
    end: usize,
    /// Offset in the stream of the buffer's first byte; wraps where the buffer begins before the stream.
    base: u64,
    /// Why nothing more can be read; given where the bytes are missed.
    failure: Option<std::io::Error>,
    is_ended: bool,
    n_meta: u64,
}

#[inline]
pub(super) fn is_event(kind: u32) -> bool {
    matches!(
        kind,
        kind::EVENT
            | kind::EVENT_FLAGS
            | kind::EVENT_LARGE
            | kind::EVENT_FLAGS_LARGE
            | kind::EVENT_V1
            | kind::EVENT_V1_OLD
            | kind::EVENT_FLAGS_V1
    )
}

impl Source {
    /// What reads it here and now.
    fn into_read(self) -> Option<Box<dyn Read + Send>> {
        match self {
            Self::Plain(input) => Some(input),
            Self::Gzip(input) => Some(input),
            Self::Ahead(_) => None,
        }
    }
}

impl BlockStream {
    /// Looks at the first bytes to tell gzip from plain.
    pub(super) fn new(input: impl Read + Send + 'static) -> Result<Self, SavefileError> {
        let mut input: Box<dyn Read + Send> = Box::new(input);
        let mut start = [0; 2];
        let mut n = 0;
        while n < start.len() {
            match input.read(&mut start[n..]) {
                Ok(0) => break,
                Ok(more) => n += more,
                Err(e) if e.kind() == ErrorKind::Interrupted => {}
                Err(source) => {
                    return Err(SavefileError::Io { action: "reading".into(), source });
                }
            }
        }
        let mut buf = vec![0; CHUNK_LEN];
        let is_packed = start == [0x1f, 0x8b];
        let (source, end) = if is_packed {
            let whole: Box<dyn Read + Send> = Box::new(std::io::Cursor::new(start).chain(input));
            let packed = BufReader::with_capacity(CHUNK_LEN / 2, whole);
            (Source::Gzip(Box::new(MultiGzDecoder::new(packed))), 0)
        } else {
            buf[..n].copy_from_slice(&start[..n]);
            (Source::Plain(input), n)
        };
        Ok(Self {
            source,
            is_packed,
            buf,
            at: 0,
            end,
            base: 0,
            failure: None,
            is_ended: false,
            n_meta: 0,
        })
    }

    /// Goes on reading and unpacking on a thread of its own.
    pub(super) fn read_ahead(&mut self) {
        let nothing = Source::Plain(Box::new(std::io::empty()));
        let Some(input) = std::mem::replace(&mut self.source, nothing).into_read() else { return };
        match ReadAhead::start(input, CHUNK_LEN) {
            Ok(ahead) => self.source = Source::Ahead(ahead),
            Err(e) => {
                self.failure = Some(e);
                self.is_ended = true;
            }
        }
    }

    /// The limit of what stands before the events counts from here.
    pub(super) fn begin_section(&mut self) {
        self.n_meta = 0;
    }

    /// Where a block is, for people. Counts no events.
    pub(super) fn place(&self, offset: u64) -> Place {
        Place { offset, is_unpacked: self.is_packed, n_events: 0 }
    }

    fn damaged(&self, offset: u64, what: impl Into<String>) -> SavefileError {
        SavefileError::Damaged { at: self.place(offset), what: what.into() }
    }

    /// The buffer, which a block's parts are offsets of.
    #[inline]
    pub(super) fn bytes(&self) -> &[u8] {
        &self.buf
    }

    /// Where a block's body begins and ends in the buffer, padding included.
    #[inline]
    pub(super) fn body_range(head: BlockHead) -> std::ops::Range<usize> {
        if head.is_skipped {
            return 0..0;
        }
        head.start + HEAD_LEN..head.start + head.len - TRAILER_LEN
    }

    /// A block's body, padding included.
    pub(super) fn body(&self, head: BlockHead) -> &[u8] {
        &self.buf[Self::body_range(head)]
    }

    fn u32_at(&self, at: usize) -> Option<u32> {
        Some(u32::from_le_bytes(*self.buf[..self.end].get(at..at + 4)?.as_array()?))
    }

    /// Reads on until `n` bytes are there or the stream ends; gives how many are. The buffer grows only as bytes arrive, so a false
    /// length costs nothing.
    fn want(&mut self, n: usize) -> usize {
        let has = self.end - self.at;
        if has >= n || self.is_ended {
            return has;
        }
        if let Source::Ahead(_) = self.source {
            return self.take_chunks(n);
        }
        self.buf.copy_within(self.at..self.end, 0);
        self.base = self.base.wrapping_add(self.at as u64);
        (self.at, self.end) = (0, has);
        if self.buf.len() > CHUNK_LEN && n.max(has) <= CHUNK_LEN {
            // The one large list is over.
            self.buf.truncate(CHUNK_LEN);
            self.buf.shrink_to_fit();
        }
        while self.end < n {
            if self.end == self.buf.len() {
                let len = n.min(self.buf.len() * 2);
                self.buf.resize(len, 0);
            }
            let room = self.buf.len().min(self.end + CHUNK_LEN);
            let into = &mut self.buf[self.end..room];
            let read = match &mut self.source {
                Source::Plain(input) => input.read(into),
                Source::Gzip(input) => input.read(into),
                Source::Ahead(_) => Ok(0),
            };
            match read {
                Ok(0) => {
                    self.is_ended = true;
                    break;
                }
                Ok(more) => self.end += more,
                Err(e) if e.kind() == ErrorKind::Interrupted => {}
                Err(e) => {
                    self.failure = Some(e);
                    self.is_ended = true;
                    break;
                }
            }
        }
        self.end
    }

    /// As [`Self::want`], of a stream that is read ahead: chunks take the buffer's place, what was left of it in front.
    fn take_chunks(&mut self, n: usize) -> usize {
        let Self { source: Source::Ahead(ahead), buf, at, end, base, failure, is_ended, .. } = self
        else {
            return self.end - self.at;
        };
        while *end - *at < n && !*is_ended {
            let chunk = match ahead.next() {
                Ok(Some(chunk)) => chunk,
                Ok(None) => {
                    *is_ended = true;
                    break;
                }
                Err(e) => {
                    *failure = Some(e);
                    *is_ended = true;
                    break;
                }
            };
            let left = *at..*end;
            *base = base.wrapping_add(*at as u64);
            if let Some(start) = HEADROOM.checked_sub(left.len()) {
                let mut bytes = chunk.bytes;
                bytes[start..HEADROOM].copy_from_slice(&buf[left]);
                ahead.give_back(std::mem::replace(buf, bytes));
                (*at, *end) = (start, chunk.end);
                *base = base.wrapping_sub(start as u64);
            } else {
                // One block of many chunks.
                buf.truncate(left.end);
                buf.drain(..left.start);
                buf.extend_from_slice(&chunk.bytes[HEADROOM..chunk.end]);
                (*at, *end) = (0, buf.len());
                ahead.give_back(chunk.bytes);
            }
        }
        *end - *at
    }

    /// Why bytes are missing behind the block at `offset`.
    fn missing(&mut self, offset: u64, what: String) -> SavefileError {
        let why = match self.failure.take() {
            Some(e) => format!("{what}: {e}"),
            None => what,
        };
        self.damaged(offset, why)
    }

    /// The first bytes of what comes next; `None` where it has fewer.
    pub(super) fn peek(&mut self) -> Option<[u8; 4]> {
        self.want(HEAD_LEN);
        self.buf[self.at..self.end].first_chunk().copied()
    }

    /// Takes the next block where it is an undamaged event that lies in the buffer.
    #[inline]
    pub(super) fn take_event(&mut self) -> Option<Layout> {
        let (layout, next) = Layout::find_whole(&self.buf, self.at, self.end)?;
        self.at = next;
        Some(layout)
    }

    /// The next block, `None` at the end of the file.
    #[inline]
    pub(super) fn next(&mut self) -> Result<Option<BlockHead>, SavefileError> {
        if let Some(rest) = self.buf.get(self.at..self.end)
            && let Some((kind, rest_of_head)) = rest.split_first_chunk()
            && let Some(len) = rest_of_head.first_chunk()
            && let (kind, len) = (u32::from_le_bytes(*kind), u32::from_le_bytes(*len))
            && len >= FRAME_LEN
            && len as usize <= rest.len()
            && is_event(kind)
        {
            return Ok(Some(self.take(kind, len as usize)));
        }
        self.next_slowly()
    }

    #[inline]
    fn take(&mut self, kind: u32, len: usize) -> BlockHead {
        let start = self.at;
        self.at += len;
        let offset = self.base.wrapping_add(start as u64);
        BlockHead { kind, offset, start, len, is_skipped: false, n_unclaimed: 0 }
    }

    /// A block that is no event, or that the buffer does not hold whole.
    #[cold]
    fn next_slowly(&mut self) -> Result<Option<BlockHead>, SavefileError> {
        let has = self.want(HEAD_LEN);
        let offset = self.base.wrapping_add(self.at as u64);
        let (Some(kind), Some(len)) = (self.u32_at(self.at), self.u32_at(self.at + 4)) else {
            if has == 0 && self.failure.is_none() {
                return Ok(None);
            }
            return Err(self.missing(offset, "the file ends inside a block head".into()));
        };
        let Some(n_body) = len.checked_sub(FRAME_LEN) else {
            return Err(
                self.damaged(offset, format!("block of type {kind:#x} has a length of {len}"))
            );
        };
        let is_event = is_event(kind);
        if is_event && n_body > MAX_EVENT_LEN {
            self.pass_over(u64::from(len), offset)?;
            let head =
                BlockHead { kind, offset, start: 0, len: 0, is_skipped: true, n_unclaimed: 0 };
            return Ok(Some(head));
        }
        if !is_event {
            self.n_meta += u64::from(n_body);
            if self.n_meta > u64::from(MAX_META_LEN) {
                let what = format!(
                    "block of type {kind:#x} claims {n_body} bytes; {MAX_META_LEN} are the limit before the events"
                );
                return Err(self.damaged(offset, what));
            }
        }
        let len = len as usize;
        let has = self.want(len);
        if has < len {
            let what = format!("block of {len} bytes ends after {has}");
            return Err(self.missing(offset, what));
        }
        let trailer = self.u32_at(self.at + len - TRAILER_LEN);
        if is_event || trailer == Some(len as u32) {
            return Ok(Some(self.take(kind, len)));
        }
        if kind == kind::INTERFACES
            && let Some(n_unclaimed) = self.unclaimed_interfaces(len)
        {
            let head = BlockHead { n_unclaimed, ..self.take(kind, len + n_unclaimed) };
            return Ok(Some(head));
        }
        let what = format!(
            "block of type {kind:#x} begins with length {len} and ends with {}",
            trailer.unwrap_or_default()
        );
        Err(self.damaged(offset, what))
    }

    /// Other programs, rewriting a file with an interface list of version 1, count it without the four bytes that each entry has gained. By
    /// how much the block at hand is longer than it says, if that is what is wrong with it.
    fn unclaimed_interfaces(&mut self, len: usize) -> Option<usize> {
        let mut entry = HEAD_LEN;
        for n in 1..=MAX_SHORT_INTERFACES {
            if self.want(entry + 4) < entry + 4 {
                return None;
            }
            entry += 4 + usize::try_from(self.u32_at(self.at + entry)?)
                .ok()
                .filter(|&n| n < CHUNK_LEN)?;
            let whole = len + 4 * n;
            let trailer = whole - TRAILER_LEN;
            if trailer < entry || trailer - entry > 3 {
                continue;
            }
            return if self.want(whole) >= whole && self.u32_at(self.at + trailer)? as usize == len {
                Some(4 * n)
            } else {
                None
            };
        }
        None
    }

    fn pass_over(&mut self, mut n: u64, offset: u64) -> Result<(), SavefileError> {
        while n > 0 {
            let has = self.want(n.min(CHUNK_LEN as u64) as usize);
            if has == 0 {
                return Err(self.missing(offset, "the file ends inside a block body".into()));
            }
            let step = (has as u64).min(n);
            self.at += step as usize;
            n -= step;
        }
        Ok(())
    }
}

impl std::fmt::Debug for BlockStream {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("BlockStream")
            .field("offset", &self.base.wrapping_add(self.at as u64))
            .finish_non_exhaustive()
    }
}
