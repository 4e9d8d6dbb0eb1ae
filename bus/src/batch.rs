//! Batches: a stretch of memory with many frames, the unit that travels.

use crate::Key;

/// Frames start at multiples of this many bytes.
const ALIGN: usize = 8;

/// How much a batch may hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BatchLimits {
    /// Frames; at least 1.
    pub max_frames: usize,
    /// Bytes of frames, each rounded up to a multiple of 8. No frame longer than this ever fits.
    pub max_bytes: usize,
}

impl Default for BatchLimits {
    /// 512 frames, 256 KiB: four of the longest frames there are, or 512 of common length.
    fn default() -> Self {
        Self { max_frames: 512, max_bytes: 256 * 1024 }
    }
}

/// Why a frame was not taken into a batch. The batch is as before.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BatchFull {
    /// It holds as many frames as it may.
    Frames {
        /// The limit.
        max_frames: usize,
    },
    /// Too few bytes are left; an empty batch would take it.
    Bytes {
        /// Length of the frame.
        len_bytes: usize,
        /// Bytes left.
        left_bytes: usize,
    },
    /// The frame is longer than any batch of these limits.
    TooLong {
        /// Length of the frame.
        len_bytes: usize,
        /// Bytes that an empty batch has.
        max_bytes: usize,
    },
}

impl std::fmt::Display for BatchFull {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Frames { max_frames } => write!(f, "batch holds {max_frames} frames, its limit"),
            Self::Bytes { len_bytes, left_bytes } => {
                write!(f, "frame of {len_bytes} bytes, batch has {left_bytes} left")
            }
            Self::TooLong { len_bytes, max_bytes } => {
                write!(f, "frame of {len_bytes} bytes, batches take at most {max_bytes}")
            }
        }
    }
}

impl std::error::Error for BatchFull {}

#[derive(Clone, Copy)]
struct Entry {
    key: Key,
    start: u32,
    len: u32,
}

/// Frames and their keys, in the order in which they were pushed. Made once, cleared and used again: after construction neither
/// pushing nor clearing allocates.
///
/// ```
/// use bus::{Batch, BatchLimits, Key};
///
/// let mut batch = Batch::new(BatchLimits::default());
/// batch.push(Key(7), b"frame").unwrap();
/// assert_eq!(batch.get(0), Some((Key(7), &b"frame"[..])));
/// batch.clear();
/// assert!(batch.is_empty());
/// ```
pub struct Batch {
    /// Has room for `max_bytes` from the start on. As long as what was used so far, so that memory which no batch needs is never touched.
    bytes: Vec<u8>,
    /// Where the first frame begins: so many bytes are left out for its address to be a multiple of [`ALIGN`].
    start: usize,
    entries: Vec<Entry>,
    limits: BatchLimits,
    n_bytes: usize,
    sealed_at: u64,
}

impl Batch {
    /// An empty batch; allocates all the memory it will ever use.
    ///
    /// # Panics
    /// Where a batch shall hold 4 GiB.
    #[must_use]
    pub fn new(limits: BatchLimits) -> Self {
        let max_bytes = limits.max_bytes.next_multiple_of(ALIGN);
        assert!(u32::try_from(max_bytes + ALIGN).is_ok(), "a batch is smaller than 4 GiB");
        let limits = BatchLimits { max_frames: limits.max_frames.max(1), max_bytes };
        let mut bytes: Vec<u8> = Vec::with_capacity(max_bytes + ALIGN);
        let start = bytes.as_ptr().align_offset(ALIGN).min(ALIGN);
        bytes.resize(start, 0);
        Self {
            bytes,
            start,
            entries: Vec::with_capacity(limits.max_frames),
            limits,
            n_bytes: 0,
            sealed_at: 0,
        }
    }

    /// So many bytes behind the frames that it holds: a frame can be made there and then taken in. `None` where it has no room for a frame of
    /// that length. O(1), no allocation.
    #[inline]
    pub fn room(&mut self, len: usize) -> Option<&mut [u8]> {
        let has_room = self.entries.len() < self.limits.max_frames
            && len <= self.limits.max_bytes - self.n_bytes;
        has_room.then(|| self.free(len))
    }

    /// So many bytes behind the frames, which there are.
    #[inline]
    fn free(&mut self, len: usize) -> &mut [u8] {
        let at = self.start + self.n_bytes;
        let end = at + len;
        if self.bytes.len() < end {
            self.bytes.resize(end, 0);
        }
        &mut self.bytes[at..end]
    }

    /// Takes in the frame that was made in the first `len` bytes of [`Batch::room`], with nothing taken in since. What is longer than that
    /// room was is cut to it.
    #[inline]
    pub fn take_in(&mut self, key: Key, len: usize) {
        let start = self.start + self.n_bytes;
        let len = len.min(self.bytes.len() - start);
        self.entries.push(Entry { key, start: start as u32, len: len as u32 });
        self.n_bytes += len.next_multiple_of(ALIGN);
    }

    /// Copies a frame into the batch, at an address that is a multiple of 8. One copy, no allocation.
    ///
    /// # Errors
    /// [`BatchFull`] if it does not fit. Only [`BatchFull::TooLong`] would be the answer of an empty batch, too.
    #[inline]
    pub fn push(&mut self, key: Key, frame: &[u8]) -> Result<(), BatchFull> {
        let BatchLimits { max_frames, max_bytes } = self.limits;
        let len_bytes = frame.len();
        if len_bytes > max_bytes {
            return Err(BatchFull::TooLong { len_bytes, max_bytes });
        }
        if self.entries.len() >= max_frames {
            return Err(BatchFull::Frames { max_frames });
        }
        let left_bytes = max_bytes - self.n_bytes;
        if len_bytes > left_bytes {
            return Err(BatchFull::Bytes { len_bytes, left_bytes });
        }
        self.free(len_bytes).copy_from_slice(frame);
        self.take_in(key, len_bytes);
        Ok(())
    }

    /// Frame `i` with its key. O(1).
    #[inline]
    #[must_use]
    pub fn get(&self, i: usize) -> Option<(Key, &[u8])> {
        self.entries.get(i).map(|e| self.view(e))
    }

    /// Key of frame `i`. O(1).
    #[inline]
    #[must_use]
    pub fn key(&self, i: usize) -> Option<Key> {
        Some(self.entries.get(i)?.key)
    }

    /// All frames in order.
    #[must_use]
    pub fn frames(&self) -> impl ExactSizeIterator<Item = (Key, &[u8])> {
        self.entries.iter().map(|e| self.view(e))
    }

    #[inline]
    fn view(&self, &Entry { key, start, len }: &Entry) -> (Key, &[u8]) {
        (key, &self.bytes[start as usize..start as usize + len as usize])
    }

    /// Number of frames.
    #[inline]
    #[must_use]
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// Whether it holds no frame.
    #[inline]
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// Bytes of frames, each rounded up to a multiple of 8.
    #[must_use]
    pub fn n_bytes(&self) -> usize {
        self.n_bytes
    }

    /// Key of the first frame pushed.
    #[inline]
    #[must_use]
    pub fn first_key(&self) -> Option<Key> {
        self.entries.first().map(|e| e.key)
    }

    /// Key of the last frame pushed.
    #[inline]
    #[must_use]
    pub fn last_key(&self) -> Option<Key> {
        self.entries.last().map(|e| e.key)
    }

    /// Forgets all frames and keeps the memory. O(1).
    pub fn clear(&mut self) {
        self.entries.clear();
        self.n_bytes = 0;
        self.sealed_at = 0;
    }

    /// Notes when the batch was sealed, in ns of the writer's clock: where the time it waits in a lane begins.
    #[inline]
    pub fn set_sealed_at(&mut self, ns: u64) {
        self.sealed_at = ns;
    }

    /// When it was sealed; 0 if nobody said.
    #[inline]
    #[must_use]
    pub fn sealed_at(&self) -> u64 {
        self.sealed_at
    }
}

impl std::fmt::Debug for Batch {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Batch")
            .field("n_frames", &self.len())
            .field("n_bytes", &self.n_bytes)
            .field("first_key", &self.first_key())
            .field("last_key", &self.last_key())
            .field("limits", &self.limits)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn batch(max_frames: usize, max_bytes: usize) -> Batch {
        Batch::new(BatchLimits { max_frames, max_bytes })
    }

    #[test]
    fn full_by_frames_or_by_bytes_says_which() {
        let mut b = batch(2, 32);
        b.push(Key(1), &[1; 9]).unwrap();
        assert_eq!(b.n_bytes(), 16);
        let full = BatchFull::Bytes { len_bytes: 17, left_bytes: 16 };
        assert_eq!(b.push(Key(2), &[2; 17]), Err(full));
        assert_eq!(full.to_string(), "frame of 17 bytes, batch has 16 left");
        b.push(Key(2), &[2; 16]).unwrap();
        assert_eq!(b.push(Key(3), &[]), Err(BatchFull::Frames { max_frames: 2 }));
        let long = BatchFull::TooLong { len_bytes: 33, max_bytes: 32 };
        assert_eq!(b.push(Key(3), &[0; 33]), Err(long));
        assert_eq!((b.len(), b.first_key(), b.last_key()), (2, Some(Key(1)), Some(Key(2))));
    }

    #[test]
    fn clearing_keeps_the_memory_where_it_was() {
        let mut b = batch(64, 4096);
        let addresses = |b: &mut Batch| {
            while b.push(Key(b.len() as u64), &[7; 100]).is_ok() {}
            let all: Vec<usize> = b.frames().map(|(_, f)| f.as_ptr().addr()).collect();
            b.set_sealed_at(9);
            b.clear();
            assert_eq!((b.len(), b.n_bytes(), b.sealed_at(), b.first_key()), (0, 0, 0, None));
            all
        };
        let first = addresses(&mut b);
        assert_eq!(first.len(), 4096 / 104);
        for _ in 0..10 {
            assert_eq!(addresses(&mut b), first);
        }
    }

    #[test]
    fn a_frame_can_be_made_where_it_will_lie() {
        let mut b = batch(2, 24);
        b.push(Key(1), &[1; 3]).unwrap();
        assert!(b.room(17).is_none());
        let room = b.room(16).unwrap();
        room[..9].fill(2);
        b.take_in(Key(2), 9);
        assert_eq!((b.get(1), b.n_bytes()), (Some((Key(2), &[2; 9][..])), 24));
        assert_eq!(b.get(0), Some((Key(1), &[1; 3][..])));
        assert!(b.room(0).is_none(), "it holds two");
        b.clear();
        assert_eq!(b.room(8).map(|room| room.len()), Some(8));
    }

    #[test]
    fn a_batch_moves_to_another_thread_with_its_frames() {
        let mut b = batch(8, 1024);
        b.push(Key(5), b"over there").unwrap();
        let b = std::thread::spawn(move || b).join().unwrap();
        assert_eq!(b.get(0), Some((Key(5), &b"over there"[..])));
    }

    proptest! {
        #[test]
        fn frames_come_back_as_pushed_aligned_and_where_the_first_was(
            rounds in prop::collection::vec(prop::collection::vec(prop::collection::vec(any::<u8>(), 0..300), 0..40), 1..5),
            max_bytes in 0usize..4096,
        ) {
            let mut b = batch(16, max_bytes);
            let place = b.bytes.as_ptr().addr();
            for frames in rounds {
                let mut kept = Vec::new();
                for (i, f) in frames.iter().enumerate() {
                    if b.push(Key(i as u64), f).is_ok() {
                        kept.push((Key(i as u64), f.as_slice()));
                    }
                }
                prop_assert!(b.frames().eq(kept.iter().copied()));
                prop_assert!(b.frames().all(|(_, f)| f.as_ptr().addr() % ALIGN == 0));
                prop_assert!(b.n_bytes() <= max_bytes.next_multiple_of(ALIGN) && b.len() <= 16);
                prop_assert_eq!(b.bytes.as_ptr().addr(), place);
                prop_assert_eq!(b.get(kept.len()), None);
                b.clear();
            }
        }
    }
}
