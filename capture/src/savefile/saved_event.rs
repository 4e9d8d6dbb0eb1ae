//! One event of a savefile: its block is checked once, then its parameters are read where they lie.

use std::ops::Range;

use event::{EF_LARGE_PAYLOAD, EventType, FrameHeader, FrameTooLarge, FrameWriter, flags};

use super::{
    STATE_ONLY,
    block::{HEAD_LEN, TRAILER_LEN},
    bytes::{Bytes, Cut},
    kind,
    processes::task_id,
};

const EVENT_HEAD_V1: usize = 22;
const EVENT_HEAD_V2: usize = 26;

/// Lengths of some parameters, and their bytes.
pub(super) type NarrowParts<'a> = (&'a [[u8; 2]], &'a [u8]);

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
    /// The lengths divide the data without rest.
    lens: Lens<'a>,
    data: &'a [u8],
    /// Parameters that follow the recorded ones: their lengths, and their bytes.
    added_lens: &'a [[u8; 2]],
    added: &'a [u8],
    /// The block that it stands in.
    block: &'a [u8],
}

impl<'a> SavedEvent<'a> {
    /// The block that it stands in, as the file has it.
    #[must_use]
    pub fn block(&self) -> &'a [u8] {
        self.block
    }

    /// Number of parameters.
    #[must_use]
    pub fn n_params(&self) -> usize {
        self.lens.count() + self.added_lens.len()
    }

    /// Bytes of parameter `n`. O(n).
    #[must_use]
    #[inline]
    pub fn param(&self, n: usize) -> Option<&'a [u8]> {
        let Lens::Narrow(lens) = self.lens else { return self.wide_param(n) };
        let Some(len) = lens.get(n) else { return self.added_param(n - lens.len()) };
        let at = narrow_sum(&lens[..n]);
        self.data.get(at..at + usize::from(u16::from_le_bytes(*len)))
    }

    /// The same of the few types with long parameters.
    #[cold]
    fn wide_param(&self, n: usize) -> Option<&'a [u8]> {
        let n_recorded = self.lens.count();
        if n >= n_recorded {
            return self.added_param(n - n_recorded);
        }
        let at: usize = (0..n).map(|i| self.lens.get(i)).sum();
        self.data.get(at..at + self.lens.get(n))
    }

    fn added_param(&self, n: usize) -> Option<&'a [u8]> {
        let len = usize::from(u16::from_le_bytes(*self.added_lens.get(n)?));
        let at = narrow_sum(&self.added_lens[..n]);
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
            let len = usize::from(u16::from_le_bytes(len));
            let (param, tail) = rest.split_at_checked(len)?;
            *rest = tail;
            Some(param)
        });
        recorded.chain(added)
    }

    /// Leaves out all but the first recorded parameters.
    #[inline]
    pub(super) fn keep_first_params(&mut self, n: usize) {
        if n < self.lens.count() {
            let n_data = (0..n).map(|i| self.lens.get(i)).sum();
            self.data = self.data.get(..n_data).unwrap_or_default();
            self.lens = self.lens.first(n);
        }
    }

    /// Puts parameters behind the recorded ones.
    #[inline]
    pub(super) fn set_added_params(&mut self, lens: &'a [[u8; 2]], bytes: &'a [u8]) {
        (self.added_lens, self.added) = (lens, bytes);
    }

    /// Lengths and bytes of the recorded and of the added parameters; `None` for the few types with long parameters.
    #[inline]
    pub(super) fn narrow_parts(&self) -> Option<[NarrowParts<'a>; 2]> {
        match self.lens {
            Lens::Narrow(lens) => Some([(lens, self.data), (self.added_lens, self.added)]),
            Lens::Wide(_) => None,
        }
    }

    #[inline]
    pub(super) fn param_i64(&self, n: usize) -> Option<i64> {
        Some(i64::from_le_bytes(*self.param(n)?.as_array()?))
    }

    /// The header of its frame, as far as the event itself tells.
    #[inline]
    pub(super) fn frame_header(&self) -> FrameHeader {
        FrameHeader {
            ts: self.ts,
            event_type: self.event_type.0,
            cpu: self.cpu,
            flags: flags::FROM_FILE | if self.is_state_only { flags::STATE_ONLY } else { 0 },
            tid: task_id(self.tid),
            tgid: task_id(self.tid),
            ..FrameHeader::default()
        }
    }

    /// Starts the frame: header and parameters.
    #[inline]
    pub(super) fn start_frame<'b>(
        &self,
        header: FrameHeader,
        buf: &'b mut [u8],
    ) -> FrameWriter<'b> {
        if let Some(parts) = self.narrow_parts() {
            return FrameWriter::with_encoded(buf, header, &parts);
        }
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

/// Where the parts of an event block lie in the reader's buffer, all lengths checked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Layout {
    cpu: u16,
    event_type: EventType,
    is_state_only: bool,
    is_wide: bool,
    ts: u64,
    tid: i64,
    lens_at: usize,
    data_at: usize,
    data_end: usize,
    block_at: usize,
    block_end: usize,
}

impl Layout {
    /// The layout of the block that begins at `at`, and where the next one does, if all of it lies before `end` and it is an event of the
    /// current kinds with no damage: nearly every block. What it does not find [`Layout::find`] looks at, and says what is wrong.
    #[inline]
    pub(super) fn find_whole(buf: &[u8], at: usize, end: usize) -> Option<(Self, usize)> {
        /// As far as everything has its place: head of the block, CPU, and the event's own head.
        const FIXED: usize = HEAD_LEN + 2 + EVENT_HEAD_V2;
        let rest = buf.get(at..end)?;
        let (&[k0, k1, k2, k3, l0, l1, l2, l3], _) = rest.split_first_chunk()?;
        let block_len = u32::from_le_bytes([l0, l1, l2, l3]) as usize;
        let n_flags = match u32::from_le_bytes([k0, k1, k2, k3]) {
            kind::EVENT | kind::EVENT_LARGE => 0,
            kind::EVENT_FLAGS | kind::EVENT_FLAGS_LARGE => 4,
            _ => return None,
        };
        let block = rest.get(..block_len)?;
        let fixed = block.get(n_flags..)?.first_chunk::<FIXED>()?;
        let u32_at = |at: usize| fixed[at..].first_chunk().copied().map(u32::from_le_bytes);
        let u64_at = |at: usize| fixed[at..].first_chunk().copied().map(u64::from_le_bytes);
        let event_type = EventType(u16::from_le_bytes([fixed[30], fixed[31]]));
        let (len, n_params) = (u32_at(26)?, u32_at(32)?);
        let is_wide = event_type.info()?.flags & EF_LARGE_PAYLOAD != 0;
        let is_state_only = n_flags > 0 && block[10] & STATE_ONLY as u8 != 0;
        let cpu = u16::from_le_bytes([block[8], block[9]]);
        let lens_at = n_flags + FIXED;
        // An event has at least its head, and ends before the trailer of its block.
        let event_end = (lens_at - EVENT_HEAD_V2).checked_add(len as usize)?;
        let event = block.get(..block_len.checked_sub(TRAILER_LEN)?)?.get(..event_end)?;
        let width = if is_wide { 4 } else { 2 };
        let n_lens = (n_params as usize).checked_mul(width)?;
        let lens = event.get(lens_at..)?.get(..n_lens)?;
        let data_at = lens_at + n_lens;
        let data_end = data_at + sum(lens, is_wide);
        if data_end > event_end {
            return None;
        }
        let layout = Self {
            cpu,
            event_type,
            is_state_only,
            is_wide,
            ts: u64_at(10)?,
            tid: u64_at(18)?.cast_signed(),
            lens_at: at + lens_at,
            data_at: at + data_at,
            data_end: at + data_end,
            block_at: at,
            block_end: at + block_len,
        };
        Some((layout, at + block_len))
    }

    /// The layout of the event block whose body lies at `range`; `None` where the table does not have its type.
    ///
    /// # Errors
    /// What is wrong with it, for people.
    #[inline]
    pub(super) fn find(kind: u32, buf: &[u8], range: Range<usize>) -> Result<Option<Self>, String> {
        let (block_at, end) = (range.start - HEAD_LEN, range.end);
        let mut b = Bytes(buf.get(range).unwrap_or_default());
        let has_flags =
            matches!(kind, kind::EVENT_FLAGS | kind::EVENT_FLAGS_LARGE | kind::EVENT_FLAGS_V1);
        let cut = |Cut| String::from("the block is too short for an event");
        let cpu = b.u16().map_err(cut)?;
        let block_flags = if has_flags { b.u32().map_err(cut)? } else { 0 };
        let start = b;
        let (ts, tid) = (b.u64().map_err(cut)?, b.i64().map_err(cut)?);
        let (len, number) = (b.u32().map_err(cut)? as usize, b.u16().map_err(cut)?);
        let event_type = EventType(number);
        let Some(info) = event_type.info() else { return Ok(None) };
        let is_wide = info.flags & EF_LARGE_PAYLOAD != 0;
        let is_v1 = matches!(kind, kind::EVENT_V1 | kind::EVENT_V1_OLD | kind::EVENT_FLAGS_V1);
        // The writers of these counted three bytes too many.
        let len = if is_v1 && matches!(number, 280 | 286) { len.saturating_sub(3) } else { len };
        let Some(whole) = start.0.get(..len) else {
            return Err(format!("event of {len} bytes in a block that has {}", start.len()));
        };
        let width = if is_wide { 4 } else { 2 };
        let (head_len, n_params, n_data) = if is_v1 {
            let (n, n_data) = v1_params(whole, info.params.len(), is_wide).ok_or_else(|| {
                format!("event of type {number} and {len} bytes fits no number of parameters")
            })?;
            (EVENT_HEAD_V1, n, n_data)
        } else {
            let n = b.u32().map_err(cut)? as usize;
            let lens = n
                .checked_mul(width)
                .and_then(|n_lens| whole.get(EVENT_HEAD_V2..)?.get(..n_lens))
                .ok_or_else(|| format!("event of {len} bytes claims {n} parameters"))?;
            (EVENT_HEAD_V2, n, sum(lens, is_wide))
        };
        let lens_at = end - start.len() + head_len;
        let data_at = lens_at + n_params * width;
        let data_end = data_at + n_data;
        if head_len + n_params * width + n_data > len {
            return Err(format!("parameters of {n_data} bytes in an event of {len}"));
        }
        let is_state_only = block_flags & STATE_ONLY != 0;
        Ok(Some(Self {
            cpu,
            event_type,
            is_state_only,
            is_wide,
            ts,
            tid,
            lens_at,
            data_at,
            data_end,
            block_at,
            block_end: end + TRAILER_LEN,
        }))
    }

    /// The event, in the buffer that the layout was found in.
    #[inline]
    pub(super) fn event(self, buf: &[u8]) -> SavedEvent<'_> {
        let Self {
            cpu,
            event_type,
            is_state_only,
            is_wide,
            ts,
            tid,
            lens_at,
            data_at,
            data_end,
            block_at,
            block_end,
        } = self;
        let lens = &buf[lens_at..data_at];
        let lens =
            if is_wide { Lens::Wide(lens.as_chunks().0) } else { Lens::Narrow(lens.as_chunks().0) };
        let data = &buf[data_at..data_end];
        SavedEvent {
            cpu,
            is_state_only,
            ts,
            tid,
            event_type,
            lens,
            data,
            added_lens: &[],
            added: &[],
            block: &buf[block_at..block_end],
        }
    }
}

/// Sum of an array of lengths; no block is long enough to make it overflow.
#[inline]
fn sum(lens: &[u8], is_wide: bool) -> usize {
    if is_wide {
        lens.as_chunks().0.iter().map(|l| u32::from_le_bytes(*l) as usize).sum()
    } else {
        narrow_sum(lens.as_chunks().0)
    }
}

/// The same of lengths of two bytes, four of them at a time: there are a handful.
#[inline]
fn narrow_sum(lens: &[[u8; 2]]) -> usize {
    const EVERY_OTHER: u64 = 0x0000_ffff_0000_ffff;
    let (fours, rest) = lens.as_flattened().as_chunks::<8>();
    let mut halves = 0;
    for four in fours {
        let four = u64::from_le_bytes(*four);
        halves += (four & EVERY_OTHER) + (four >> 16 & EVERY_OTHER);
    }
    let rest = rest.as_chunks().0.iter().map(|l| usize::from(u16::from_le_bytes(*l)));
    (halves as u32) as usize + (halves >> 32) as usize + rest.sum::<usize>()
}

/// How many parameters a version 1 event has, which does not say it, and their bytes: the one number with which it is as long as it is.
fn v1_params(whole: &[u8], max: usize, is_wide: bool) -> Option<(usize, usize)> {
    let lens = whole.get(EVENT_HEAD_V1..)?;
    let width = if is_wide { 4 } else { 2 };
    let mut n_data = 0;
    for n in 0..=max {
        // Every further parameter makes it longer, if only by its length.
        let left = lens.len().checked_sub(n * width + n_data)?;
        if left == 0 {
            return Some((n, n_data));
        }
        n_data += sum(lens.get(n * width..(n + 1) * width)?, is_wide);
    }
    None
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// A block of an event, whole and undamaged.
    fn block(kind: u32, ty: u16, params: &[Vec<u8>]) -> Vec<u8> {
        let is_wide = EventType(ty).info().is_some_and(|i| i.flags & EF_LARGE_PAYLOAD != 0);
        let mut event = Vec::new();
        event.extend_from_slice(&7u64.to_le_bytes());
        event.extend_from_slice(&9i64.to_le_bytes());
        event.extend_from_slice(&[0; 4]);
        event.extend_from_slice(&ty.to_le_bytes());
        event.extend_from_slice(&(params.len() as u32).to_le_bytes());
        for param in params {
            let len = (param.len() as u32).to_le_bytes();
            event.extend_from_slice(&len[..if is_wide { 4 } else { 2 }]);
        }
        for param in params {
            event.extend_from_slice(param);
        }
        let len = event.len() as u32;
        event[16..20].copy_from_slice(&len.to_le_bytes());
        let mut block = [kind.to_le_bytes(), [0; 4]].concat();
        block.extend_from_slice(&3u16.to_le_bytes());
        if matches!(kind, kind::EVENT_FLAGS | kind::EVENT_FLAGS_LARGE) {
            block.extend_from_slice(&1u32.to_le_bytes());
        }
        block.extend_from_slice(&event);
        block.resize(block.len().next_multiple_of(4), 0);
        let whole = block.len() as u32 + 4;
        block[4..8].copy_from_slice(&whole.to_le_bytes());
        block.extend_from_slice(&whole.to_le_bytes());
        block
    }

    proptest! {
        /// What is found at once is what is found step by step, whatever is wrong with a block; and a block without damage is found at once.
        #[test]
        fn both_ways_find_the_same(
            kind in prop::sample::select(vec![kind::EVENT, kind::EVENT_FLAGS, kind::EVENT_LARGE, kind::EVENT_FLAGS_LARGE, kind::EVENT_V1]),
            ty in prop_oneof![0..event::N_EVENT_TYPES as u16 + 3, Just(324)],
            params in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..40), 0..9),
            damage in prop::option::of((0..60usize, any::<u8>())),
            cut in 0..3usize,
        ) {
            let mut bytes = b"before".to_vec();
            let at = bytes.len();
            bytes.extend(block(kind, ty, &params));
            if let Some(place) = damage.and_then(|(n, byte)| Some((bytes.get_mut(at + n)?, byte))) {
                *place.0 = place.1;
            }
            let end = bytes.len() - cut;
            let head = |n: usize| u32::from_le_bytes(*bytes[at + n..].first_chunk().unwrap());
            let (kind, len) = (head(0), head(4) as usize);
            let is_there = len >= HEAD_LEN + TRAILER_LEN && len <= end - at;
            let body = is_there.then(|| at + HEAD_LEN..at + len - TRAILER_LEN);
            let slowly = body.and_then(|body| Layout::find(kind, &bytes, body).ok().flatten());
            if let Some((layout, next)) = Layout::find_whole(&bytes, at, end) {
                prop_assert_eq!(Some(layout), slowly);
                prop_assert_eq!(next, at + len);
            } else {
                let is_known = matches!(
                    kind,
                    kind::EVENT | kind::EVENT_FLAGS | kind::EVENT_LARGE | kind::EVENT_FLAGS_LARGE
                );
                prop_assert!(!is_known || slowly.is_none(), "{slowly:?}");
            }
        }

        #[test]
        fn lengths_are_summed(lens in prop::collection::vec(any::<u16>(), 0..40)) {
            let bytes: Vec<[u8; 2]> = lens.iter().map(|l| l.to_le_bytes()).collect();
            prop_assert_eq!(narrow_sum(&bytes), lens.iter().map(|&l| usize::from(l)).sum::<usize>());
        }
    }
}
