//! Batches: an arena with many frames, the unit that travels. The one unsafe file of the crate.

use std::ptr::NonNull;

use bumpalo::Bump;

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

struct Entry {
    key: Key,
    frame: NonNull<[u8]>,
}

/// An arena with frames and their keys, in the order in which they were pushed. Made once, cleared and used again: after construction neither
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
    // One chunk, large enough for `max_bytes` of frames rounded up, so the arena never asks for a second one and `reset` keeps it.
    arena: Bump<ALIGN>,
    entries: Vec<Entry>,
    limits: BatchLimits,
    n_bytes: usize,
    sealed_at: u64,
}

// SAFETY: the pointers in `entries` lead only into `arena`, which the batch owns and which is Send; nothing else holds them, so they may move
// to another thread with it. Not Sync: nothing shares a batch.
unsafe impl Send for Batch {}

impl Batch {
    /// An empty batch; allocates all the memory it will ever use.
    #[must_use]
    pub fn new(limits: BatchLimits) -> Self {
        let max_bytes = limits.max_bytes.next_multiple_of(ALIGN);
        let limits = BatchLimits { max_frames: limits.max_frames.max(1), max_bytes };
        Self {
            arena: Bump::with_min_align_and_capacity(max_bytes),
            entries: Vec::with_capacity(limits.max_frames),
            limits,
            n_bytes: 0,
            sealed_at: 0,
        }
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
        let Ok(copy) = self.arena.try_alloc_slice_copy(frame) else {
            return Err(BatchFull::Bytes { len_bytes, left_bytes });
        };
        self.entries.push(Entry { key, frame: NonNull::from(copy) });
        self.n_bytes += len_bytes.next_multiple_of(ALIGN);
        Ok(())
    }

    /// Frame `i` with its key. O(1).
    #[inline]
    #[must_use]
    pub fn get(&self, i: usize) -> Option<(Key, &[u8])> {
        self.entries.get(i).map(|e| self.view(e))
    }

    /// All frames in order.
    pub fn frames(&self) -> impl ExactSizeIterator<Item = (Key, &[u8])> {
        self.entries.iter().map(|e| self.view(e))
    }

    #[inline]
    #[expect(clippy::unused_self, reason = "ties the frame's lifetime to the batch")]
    fn view<'a>(&'a self, entry: &'a Entry) -> (Key, &'a [u8]) {
        // SAFETY: `frame` came from `arena`, which moves its chunk neither when the batch moves nor when more is pushed. The chunk is reused
        // or freed only by `clear` and by dropping the batch, and both need the batch unborrowed; `clear` drops all entries first. Nothing
        // hands out the bytes mutably.
        (entry.key, unsafe { entry.frame.as_ref() })
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
        self.arena.reset();
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
    fn a_batch_moves_to_another_thread_with_its_frames() {
        let mut b = batch(8, 1024);
        b.push(Key(5), b"over there").unwrap();
        let b = std::thread::spawn(move || b).join().unwrap();
        assert_eq!(b.get(0), Some((Key(5), &b"over there"[..])));
    }

    proptest! {
        #[test]
        fn frames_come_back_as_pushed_aligned_and_within_the_first_chunk(
            rounds in prop::collection::vec(prop::collection::vec(prop::collection::vec(any::<u8>(), 0..300), 0..40), 1..5),
            max_bytes in 0usize..4096,
        ) {
            let mut b = batch(16, max_bytes);
            let capacity = b.arena.allocated_bytes();
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
                prop_assert_eq!(b.arena.allocated_bytes(), capacity);
                prop_assert_eq!(b.get(kept.len()), None);
                b.clear();
            }
        }
    }
}
