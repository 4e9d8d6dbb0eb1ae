//! Blocks off a byte stream: bounded, counted, gzip undone.

use std::io::{BufRead, BufReader, Read};

use flate2::bufread::MultiGzDecoder;

use super::{SavefileError, kind};

/// Largest body of a block of machine data; the process list of 20,000 processes with full environments is below a third of it.
const MAX_META_LEN: u32 = 256 << 20;
/// Largest body of an event block that is kept; events beyond it are read over.
const MAX_EVENT_LEN: u32 = 128 << 10;
const HEAD_LEN: u32 = 8;
const TRAILER_LEN: u32 = 4;

/// Head of the block that was read last; its body lies in the stream's buffer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct BlockHead {
    pub(super) kind: u32,
    /// Offset of the block in the uncompressed stream.
    pub(super) offset: u64,
    /// The body was larger than is kept: the buffer is empty.
    pub(super) is_skipped: bool,
}

/// Reads blocks one by one into one buffer.
pub(super) struct BlockStream {
    input: Box<dyn Read + Send>,
    offset: u64,
    body: Vec<u8>,
    n_meta: u64,
}

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

fn damaged(offset: u64, what: impl Into<String>) -> SavefileError {
    SavefileError::Damaged { offset, what: what.into() }
}

/// Reads until the buffer is full or the input ends; gives the number of bytes.
fn read_up_to(input: &mut dyn Read, buf: &mut [u8]) -> std::io::Result<usize> {
    let mut n = 0;
    while n < buf.len() {
        match input.read(&mut buf[n..]) {
            Ok(0) => break,
            Ok(more) => n += more,
            Err(e) if e.kind() == std::io::ErrorKind::Interrupted => {}
            Err(e) => return Err(e),
        }
    }
    Ok(n)
}

impl BlockStream {
    /// Looks at the first bytes to tell gzip from plain.
    pub(super) fn new(input: impl Read + Send + 'static) -> Result<Self, SavefileError> {
        let mut input = BufReader::with_capacity(128 << 10, input);
        let start = input
            .fill_buf()
            .map_err(|source| SavefileError::Io { action: "reading".into(), source })?;
        let input: Box<dyn Read + Send> = if start.starts_with(&[0x1f, 0x8b]) {
            Box::new(BufReader::with_capacity(128 << 10, MultiGzDecoder::new(input)))
        } else {
            Box::new(input)
        };
        Ok(Self { input, offset: 0, body: Vec::new(), n_meta: 0 })
    }

    /// Body of the block that was read last, without padding removed.
    pub(super) fn body(&self) -> &[u8] {
        &self.body
    }

    fn exactly(&mut self, at: u64, buf: &mut [u8], what: &str) -> Result<(), SavefileError> {
        let n = read_up_to(&mut *self.input, buf)
            .map_err(|e| damaged(at, format!("{what} cannot be read: {e}")))?;
        self.offset += n as u64;
        if n < buf.len() {
            return Err(damaged(at, format!("the file ends inside {what}")));
        }
        Ok(())
    }

    /// The next block, `None` at the end of the file.
    pub(super) fn next(&mut self) -> Result<Option<BlockHead>, SavefileError> {
        let offset = self.offset;
        let mut head = [0; HEAD_LEN as usize];
        let n = read_up_to(&mut *self.input, &mut head)
            .map_err(|e| damaged(offset, format!("block head cannot be read: {e}")))?;
        self.offset += n as u64;
        if n == 0 {
            return Ok(None);
        }
        if n < head.len() {
            return Err(damaged(offset, "the file ends inside a block head"));
        }
        let kind = u32::from_le_bytes([head[0], head[1], head[2], head[3]]);
        let total = u32::from_le_bytes([head[4], head[5], head[6], head[7]]);
        let len = total.checked_sub(HEAD_LEN + TRAILER_LEN).ok_or_else(|| {
            damaged(offset, format!("block of type {kind:#x} has a length of {total}"))
        })?;
        let is_event = is_event(kind);
        self.body.clear();
        if is_event && len > MAX_EVENT_LEN {
            let n =
                std::io::copy(&mut (&mut *self.input).take(u64::from(len)), &mut std::io::sink())
                    .map_err(|e| damaged(offset, format!("block body cannot be read: {e}")))?;
            self.offset += n;
            if n < u64::from(len) {
                return Err(damaged(offset, "the file ends inside a block body"));
            }
            self.exactly(offset, &mut [0; TRAILER_LEN as usize], "a block trailer")?;
            return Ok(Some(BlockHead { kind, offset, is_skipped: true }));
        }
        if !is_event {
            self.n_meta += u64::from(len);
            if self.n_meta > u64::from(MAX_META_LEN) {
                let what = format!(
                    "block of type {kind:#x} claims {len} bytes; {MAX_META_LEN} are the limit before the events"
                );
                return Err(damaged(offset, what));
            }
        }
        // Grows only as bytes arrive, so a false length costs nothing.
        let n = (&mut *self.input)
            .take(u64::from(len))
            .read_to_end(&mut self.body)
            .map_err(|e| damaged(offset, format!("block body cannot be read: {e}")))?;
        self.offset += n as u64;
        if n < len as usize {
            return Err(damaged(offset, format!("block of {len} bytes ends after {n}")));
        }
        let mut trailer = [0; TRAILER_LEN as usize];
        self.exactly(offset, &mut trailer, "a block trailer")?;
        let trailer = u32::from_le_bytes(trailer);
        if !is_event && trailer != total {
            let what = format!(
                "block of type {kind:#x} begins with length {total} and ends with {trailer}"
            );
            return Err(damaged(offset, what));
        }
        Ok(Some(BlockHead { kind, offset, is_skipped: false }))
    }
}

impl std::fmt::Debug for BlockStream {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("BlockStream").field("offset", &self.offset).finish_non_exhaustive()
    }
}
