//! Reads a savefile: what stands before the first event at once, then event by event.

use std::{fs::File, io::Read, path::Path};

use event::{EF_LARGE_PAYLOAD, EventType, FrameHeader, FrameTooLarge, FrameWriter, flags};

use super::{
    Header, STATE_ONLY, SavefileError,
    block::{BlockHead, BlockStream, is_event},
    bytes::{Bytes, cut},
    kind,
};

const EVENT_HEAD_V1: usize = 22;
const EVENT_HEAD_V2: usize = 26;

/// Lengths of an event's parameters, as wide as its type has them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Lens<'a> {
    Narrow(&'a [[u8; 2]]),
    Wide(&'a [[u8; 4]]),
}

impl Lens<'_> {
    fn count(&self) -> usize {
        match self {
            Self::Narrow(l) => l.len(),
            Self::Wide(l) => l.len(),
        }
    }

    fn get(&self, n: usize) -> usize {
        match self {
            Self::Narrow(l) => usize::from(u16::from_le_bytes(l[n])),
            Self::Wide(l) => u32::from_le_bytes(l[n]) as usize,
        }
    }

    fn first(self, n: usize) -> Self {
        match self {
            Self::Narrow(l) => Self::Narrow(&l[..n]),
            Self::Wide(l) => Self::Wide(&l[..n]),
        }
    }
}

/// One event of a savefile, borrowed from the reader's buffer; its lengths are checked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SavedEvent<'a> {
    /// CPU that recorded it.
    pub cpu: u16,
    /// Whether it only updates state and is not shown.
    pub is_state_only: bool,
    /// ns since the epoch.
    pub ts: u64,
    /// Thread; -1 for some events that no thread made.
    pub tid: i64,
    /// Type, always one of the table.
    pub event_type: EventType,
    lens: Lens<'a>,
    data: &'a [u8],
    /// Parameters that follow the recorded ones: their lengths, and their bytes.
    added_lens: &'a [u16],
    added: &'a [u8],
}

impl<'a> SavedEvent<'a> {
    /// Number of parameters.
    #[must_use]
    pub fn n_params(&self) -> usize {
        self.lens.count() + self.added_lens.len()
    }

    /// Bytes of parameter `n`. O(n).
    #[must_use]
    pub fn param(&self, n: usize) -> Option<&'a [u8]> {
        let n_recorded = self.lens.count();
        if n < n_recorded {
            let at: usize = (0..n).map(|i| self.lens.get(i)).sum();
            return self.data.get(at..at + self.lens.get(n));
        }
        let n = n - n_recorded;
        let len = usize::from(*self.added_lens.get(n)?);
        let at: usize = self.added_lens[..n].iter().map(|&len| usize::from(len)).sum();
        self.added.get(at..at + len)
    }

    /// All parameters in order.
    pub fn params(&self) -> impl Iterator<Item = &'a [u8]> {
        let Self { lens, data, added_lens, added, .. } = *self;
        let recorded = (0..lens.count()).scan(data, move |rest, n| {
            let (param, tail) = rest.split_at_checked(lens.get(n))?;
            *rest = tail;
            Some(param)
        });
        let added = added_lens.iter().scan(added, |rest, &len| {
            let (param, tail) = rest.split_at_checked(usize::from(len))?;
            *rest = tail;
            Some(param)
        });
        recorded.chain(added)
    }

    /// The event with its first recorded parameters alone.
    pub(super) fn with_first_params(self, n: usize) -> Self {
        Self {
            lens: self.lens.first(n.min(self.lens.count())),
            added_lens: &[],
            added: &[],
            ..self
        }
    }

    /// The event with parameters behind the recorded ones.
    pub(super) fn with_added_params(self, lens: &'a [u16], bytes: &'a [u8]) -> Self {
        Self { added_lens: lens, added: bytes, ..self }
    }

    pub(super) fn param_i64(&self, n: usize) -> Option<i64> {
        Some(i64::from_le_bytes(*self.param(n)?.as_array()?))
    }

    /// The header of its frame, as far as the event itself tells.
    pub(super) fn frame_header(&self) -> FrameHeader {
        FrameHeader {
            ts: self.ts,
            event_type: self.event_type.0,
            cpu: self.cpu,
            flags: flags::FROM_FILE | if self.is_state_only { flags::STATE_ONLY } else { 0 },
            tid: self.tid as u32,
            tgid: self.tid as u32,
            ..FrameHeader::default()
        }
    }

    /// Starts the frame: header and parameters.
    pub(super) fn start_frame<'b>(
        &self,
        header: FrameHeader,
        buf: &'b mut [u8],
    ) -> FrameWriter<'b> {
        let mut w = FrameWriter::with_params(buf, header, self.n_params());
        for param in self.params() {
            w.bytes(param);
        }
        w
    }

    /// Writes the event as a frame with the facts of its block alone: process id and start time are not known.
    ///
    /// # Errors
    /// [`FrameTooLarge`] where the buffer is too small, or a parameter of the plugin types is longer than 65,535 bytes.
    pub fn to_frame<'b>(&self, buf: &'b mut [u8]) -> Result<&'b [u8], FrameTooLarge> {
        self.start_frame(self.frame_header(), buf).finish()
    }
}

/// Counts of what a reader passed over.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ReaderCounts {
    /// Events whose type this build does not know.
    pub n_unknown_types: u64,
    /// Events larger than any frame.
    pub n_too_large: u64,
    /// Events with more parameters than the schema, which were left out.
    pub n_trimmed: u64,
    /// Blocks between events that are not events.
    pub n_skipped_blocks: u64,
}

/// Reads a `.scap` file, plain or gzip.
#[derive(Debug)]
pub struct Reader {
    stream: BlockStream,
    header: Header,
    /// The first event block was read while the header was and waits in the buffer.
    first: Option<BlockHead>,
    counts: ReaderCounts,
    is_done: bool,
}

impl Reader {
    /// Opens a file and reads it up to its first event.
    ///
    /// # Errors
    /// [`SavefileError`] where the file cannot be read, is none, or is damaged before its first event.
    pub fn open(path: &Path) -> Result<Self, SavefileError> {
        let file = File::open(path).map_err(|source| SavefileError::Io {
            action: format!("opening {}", path.display()),
            source,
        })?;
        Self::new(file)
    }

    /// Reads a stream up to its first event.
    ///
    /// # Errors
    /// As [`Reader::open`].
    pub fn new(input: impl Read + Send + 'static) -> Result<Self, SavefileError> {
        let mut stream = BlockStream::new(input)?;
        let mut header = section(&mut stream)?;
        let mut first = None;
        while let Some(head) = stream.next()? {
            if is_event(head.kind) {
                first = Some(head);
                break;
            }
            if head.kind == kind::SECTION {
                return Err(SavefileError::SecondSection { offset: head.offset });
            }
            header.add(head, stream.body())?;
        }
        let is_done = first.is_none();
        Ok(Self { stream, header, first, counts: ReaderCounts::default(), is_done })
    }

    /// What the file says before its first event.
    #[must_use]
    pub fn header(&self) -> &Header {
        &self.header
    }

    /// What was passed over so far.
    #[must_use]
    pub fn counts(&self) -> ReaderCounts {
        self.counts
    }

    /// The next event, `None` at the end of the file. Events of unknown type are counted and passed over, as other readers do.
    ///
    /// # Errors
    /// [`SavefileError::Damaged`] with the place, [`SavefileError::SecondSection`]; nothing can be read behind either.
    pub fn next_event(&mut self) -> Result<Option<SavedEvent<'_>>, SavefileError> {
        loop {
            if self.is_done {
                return Ok(None);
            }
            let head = match self.first.take() {
                Some(head) => head,
                None => match self.stream.next() {
                    Ok(Some(head)) => head,
                    end => {
                        self.is_done = true;
                        return end.map(|_| None);
                    }
                },
            };
            if head.kind == kind::SECTION {
                self.is_done = true;
                return Err(SavefileError::SecondSection { offset: head.offset });
            }
            if !is_event(head.kind) {
                self.counts.n_skipped_blocks += 1;
                continue;
            }
            if head.is_skipped {
                self.counts.n_too_large += 1;
                continue;
            }
            // Asked twice because a reference that is returned from a loop outlives it.
            match event(head, self.stream.body()) {
                Ok(Some(_)) => {}
                Ok(None) => {
                    self.counts.n_unknown_types += 1;
                    continue;
                }
                Err(e) => {
                    self.is_done = true;
                    return Err(e);
                }
            }
            return event(head, self.stream.body());
        }
    }
}

fn section(stream: &mut BlockStream) -> Result<Header, SavefileError> {
    let foreign = |why: String| SavefileError::NotSavefile { why };
    let head = match stream.next() {
        Ok(Some(head)) => head,
        Ok(None) => return Err(foreign("it is empty".into())),
        Err(SavefileError::Damaged { what, .. }) => return Err(foreign(what)),
        Err(e) => return Err(e),
    };
    if head.kind != kind::SECTION {
        return Err(foreign(format!("it begins with {:#010x}", head.kind)));
    }
    Header::of_section(stream.body())
}

/// Decodes an event block; `None` where the table does not have the type.
fn event(head: BlockHead, body: &[u8]) -> Result<Option<SavedEvent<'_>>, SavefileError> {
    let damaged = |what: String| SavefileError::Damaged { offset: head.offset, what };
    let cut = cut(head.offset, "event");
    let mut b = Bytes(body);
    let cpu = b.u16().map_err(cut)?;
    let has_flags =
        matches!(head.kind, kind::EVENT_FLAGS | kind::EVENT_FLAGS_V1 | kind::EVENT_FLAGS_LARGE);
    let block_flags = if has_flags { b.u32().map_err(cut)? } else { 0 };
    let start = b.0;
    let (ts, tid) = (b.u64().map_err(cut)?, b.i64().map_err(cut)?);
    let mut len = b.u32().map_err(cut)? as usize;
    let event_type = EventType(b.u16().map_err(cut)?);
    let Some(info) = event_type.info() else { return Ok(None) };
    let is_v1 = matches!(head.kind, kind::EVENT_V1 | kind::EVENT_V1_OLD | kind::EVENT_FLAGS_V1);
    if is_v1 && matches!(event_type.0, 280 | 286) {
        // Their writers counted three bytes too many.
        len = len.saturating_sub(3);
    }
    let whole = start
        .get(..len)
        .ok_or_else(|| damaged(format!("event of {len} bytes in a block of {}", start.len())))?;
    let is_wide = info.flags & EF_LARGE_PAYLOAD != 0;
    let width = if is_wide { 4 } else { 2 };
    let (head_len, n_params) = if is_v1 {
        let n =
            (0..=info.params.len()).rev().find(|&n| v1_fits(whole, n, width)).ok_or_else(|| {
                damaged(format!(
                    "event of type {} and {len} bytes fits no number of parameters",
                    event_type.0
                ))
            })?;
        (EVENT_HEAD_V1, n)
    } else {
        (EVENT_HEAD_V2, b.u32().map_err(cut)? as usize)
    };
    let overrun = || damaged(format!("event of {len} bytes claims {n_params} parameters"));
    let rest = whole.get(head_len..).ok_or_else(overrun)?;
    let n_lens = n_params.checked_mul(width).ok_or_else(overrun)?;
    let (lens, data) = rest.split_at_checked(n_lens).ok_or_else(overrun)?;
    let lens =
        if is_wide { Lens::Wide(lens.as_chunks().0) } else { Lens::Narrow(lens.as_chunks().0) };
    let n_data: usize = (0..n_params).map(|n| lens.get(n)).sum();
    let data = data
        .get(..n_data)
        .ok_or_else(|| damaged(format!("parameters of {n_data} bytes in an event of {len}")))?;
    let is_state_only = block_flags & STATE_ONLY != 0;
    Ok(Some(SavedEvent {
        cpu,
        is_state_only,
        ts,
        tid,
        event_type,
        lens,
        data,
        added_lens: &[],
        added: &[],
    }))
}

/// Whether a version 1 event, which does not say how many parameters it has, has `n` of them.
fn v1_fits(whole: &[u8], n: usize, width: usize) -> bool {
    let Some(lens) = whole.get(EVENT_HEAD_V1..EVENT_HEAD_V1 + n * width) else { return false };
    let sum: usize = lens
        .chunks_exact(width)
        .map(|l| l.iter().rev().fold(0, |sum, &b| sum << 8 | usize::from(b)))
        .sum();
    EVENT_HEAD_V1 + n * width + sum == whole.len()
}
