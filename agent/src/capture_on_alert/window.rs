//! What came last: frames of the last seconds, bounded in time and bytes, in a ring of bytes that grows to its bound and never beyond.
//!
//! `[free | oldest .. | .. newest | free]`, or once round `[.. newest | free | oldest .. | left over]`. A frame is never split: what is left over
//! at the end of the ring stays empty until the oldest frame is at the front again.

use std::ops::Range;

use bus::Key;

/// What the ring begins with; a quiet machine needs no more.
const FIRST_BYTES: usize = 64 * 1024;

/// How much of the past is kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct WindowLimits {
    /// Time between the oldest frame and the newest.
    pub(crate) span_ns: u64,
    /// Frames and their places, in bytes.
    pub(crate) max_bytes: usize,
}

/// A frame that is kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Kept<'w> {
    pub(crate) key: Key,
    /// Boot clock, ns.
    pub(crate) ts: u64,
    pub(crate) bytes: &'w [u8],
}

/// Before each frame in the ring: its key, its time and its length.
#[derive(Clone, Copy, Debug)]
struct Place {
    key: Key,
    ts: u64,
    n_bytes: usize,
}

impl Place {
    const SIZE: usize = 3 * size_of::<u64>();

    fn to_bytes(self) -> [u8; Self::SIZE] {
        let mut bytes = [0; Self::SIZE];
        for (to, n) in bytes.chunks_exact_mut(8).zip([self.key.0, self.ts, self.n_bytes as u64]) {
            to.copy_from_slice(&n.to_ne_bytes());
        }
        bytes
    }

    fn from_bytes(bytes: &[u8]) -> Self {
        let mut numbers = [0; 3];
        for (n, from) in numbers.iter_mut().zip(bytes.chunks_exact(8)) {
            *n = from.try_into().map_or(0, u64::from_ne_bytes);
        }
        let [key, ts, n_bytes] = numbers;
        Self { key: Key(key), ts, n_bytes: n_bytes as usize }
    }
}

/// The frames of the last seconds.
#[derive(Debug)]
pub(crate) struct Window {
    limits: WindowLimits,
    ring: Vec<u8>,
    /// Where the oldest frame begins, and where the newest ends.
    oldest: usize,
    newest: usize,
    /// Once frames go on at the front of the ring: where those before them end.
    turns_at: Option<usize>,
    n_frames: usize,
}

impl Window {
    pub(crate) fn new(limits: WindowLimits) -> Self {
        Self { limits, ring: Vec::new(), oldest: 0, newest: 0, turns_at: None, n_frames: 0 }
    }

    /// Frames in it.
    pub(crate) fn len(&self) -> usize {
        self.n_frames
    }

    /// Every frame, oldest first.
    pub(crate) fn frames(&self) -> impl Iterator<Item = Kept<'_>> {
        let mut at = self.oldest;
        (0..self.n_frames).map(move |_| {
            let (frame, next) = self.frame(at);
            at = next;
            frame
        })
    }

    /// Keeps a frame; gives how many left for it, itself where it is larger than all there may be. While `holds`, only the bound in bytes counts.
    pub(crate) fn push(&mut self, frame: Kept<'_>, holds: bool) -> usize {
        let Kept { key, ts, bytes } = frame;
        let mut n_evicted = 0;
        while !holds && self.is_oldest_beyond_the_span(ts) {
            n_evicted += self.evict();
        }
        let room = loop {
            if let Some(room) = self.room(Place::SIZE + bytes.len()) {
                break room;
            }
            if self.ring.len() < self.limits.max_bytes {
                self.grow();
            } else if self.n_frames > 0 {
                n_evicted += self.evict();
            } else {
                return n_evicted + 1;
            }
        };
        let place = Place { key, ts, n_bytes: bytes.len() };
        self.newest = room.end;
        let (head, body) = self.ring[room].split_at_mut(Place::SIZE);
        head.copy_from_slice(&place.to_bytes());
        body.copy_from_slice(bytes);
        self.n_frames += 1;
        n_evicted
    }

    /// Lets everything go; gives how many frames that were.
    pub(crate) fn clear(&mut self) -> usize {
        let n = self.n_frames;
        *self = Self { ring: std::mem::take(&mut self.ring), ..Self::new(self.limits) };
        n
    }

    /// The frame that begins there, and where the one after it does.
    fn frame(&self, at: usize) -> (Kept<'_>, usize) {
        let (head, rest) = self.ring[at..].split_at(Place::SIZE);
        let Place { key, ts, n_bytes } = Place::from_bytes(head);
        let end = at + Place::SIZE + n_bytes;
        let next = if self.turns_at == Some(end) { 0 } else { end };
        (Kept { key, ts, bytes: &rest[..n_bytes] }, next)
    }

    /// Where so many bytes have room beside what is kept; goes on at the front where the end has too little.
    fn room(&mut self, n_bytes: usize) -> Option<Range<usize>> {
        let end = if self.turns_at.is_some() { self.oldest } else { self.ring.len() };
        if self.newest + n_bytes <= end {
            return Some(self.newest..self.newest + n_bytes);
        }
        (self.turns_at.is_none() && n_bytes <= self.oldest).then(|| {
            self.turns_at = Some(self.newest);
            0..n_bytes
        })
    }

    /// Doubles the ring, up to its bound, with the oldest frame at its front.
    fn grow(&mut self) {
        let n_bytes = (self.ring.len() * 2).max(FIRST_BYTES).min(self.limits.max_bytes);
        let mut ring = vec![0; n_bytes];
        let parts = match self.turns_at {
            Some(turn) => [self.oldest..turn, 0..self.newest],
            None => [self.oldest..self.newest, 0..0],
        };
        let mut end = 0;
        for part in parts {
            let from = &self.ring[part];
            ring[end..end + from.len()].copy_from_slice(from);
            end += from.len();
        }
        *self = Self { ring, oldest: 0, newest: end, turns_at: None, ..*self };
    }

    fn is_oldest_beyond_the_span(&self, now: u64) -> bool {
        self.n_frames > 0 && now.saturating_sub(self.frame(self.oldest).0.ts) > self.limits.span_ns
    }

    /// Lets the oldest frame go; gives how many that were.
    fn evict(&mut self) -> usize {
        if self.n_frames <= 1 {
            return self.clear();
        }
        let next = self.frame(self.oldest).1;
        if next < self.oldest {
            self.turns_at = None;
        }
        self.oldest = next;
        self.n_frames -= 1;
        1
    }
}

#[cfg(test)]
mod tests {
    use std::collections::VecDeque;

    use super::*;

    const LIMITS: WindowLimits = WindowLimits { span_ns: 1600, max_bytes: 16 * 1024 };

    fn kept(key: u64, ts: u64, bytes: &[u8]) -> Kept<'_> {
        Kept { key: Key(key), ts, bytes }
    }

    fn keys(window: &Window) -> Vec<u64> {
        window.frames().map(|f| f.key.0).collect()
    }

    #[test]
    fn frames_come_back_as_they_were_put() {
        let mut window = Window::new(LIMITS);
        for n in 0..5u8 {
            assert_eq!(window.push(kept(n.into(), n.into(), &[n; 3]), false), 0);
        }
        let all: Vec<_> = window.frames().map(|f| (f.key.0, f.ts, f.bytes.to_vec())).collect();
        let expected: Vec<_> = (0..5u8).map(|n| (n.into(), n.into(), vec![n; 3])).collect();
        assert_eq!(all, expected);
    }

    #[test]
    fn what_is_older_than_the_span_leaves() {
        let mut window = Window::new(LIMITS);
        let mut n_evicted = 0;
        for n in 0..100 {
            n_evicted += window.push(kept(n, n * 100, b"frame"), false);
        }
        let keys = keys(&window);
        assert_eq!(keys.last(), Some(&99));
        assert_eq!(keys[0], 99 - 16, "{keys:?}");
        assert_eq!((n_evicted + keys.len(), window.len()), (100, keys.len()));
    }

    #[test]
    fn bytes_bound_it_even_while_it_is_held() {
        let mut window = Window::new(LIMITS);
        let mut n_evicted = 0;
        for n in 0..1000 {
            n_evicted += window.push(kept(n, n * 100_000, &[0; 100]), true);
        }
        let keys = keys(&window);
        assert!(keys.iter().copied().eq(1000 - keys.len() as u64..1000), "{keys:?}");
        assert!(keys.len() > 120, "held beyond its time: {}", keys.len());
        assert_eq!(n_evicted, 1000 - keys.len());
        assert_eq!(window.clear(), keys.len());
        assert_eq!(window.len(), 0);
    }

    /// Under a load of changing kinds: frames of all sizes, in any mix, come back as they were put, and the memory for them is what was said.
    #[test]
    fn whatever_comes_the_memory_is_bounded() {
        let mut window = Window::new(LIMITS);
        let mut expected = VecDeque::new();
        for n in 0..200_000_u64 {
            // Mixes that change, with many small ones, then few large ones.
            let len = (n * 7919 % if n / 10_000 % 2 == 0 { 40 } else { 3000 }) as usize;
            let bytes = vec![n as u8; len];
            let n_evicted = window.push(kept(n, n * 10, &bytes), n % 5000 < 1000);
            expected.push_back((n, n * 10, bytes));
            expected.drain(..n_evicted);
            assert!(window.ring.capacity() <= LIMITS.max_bytes);
            if n % 997 == 0 {
                let frames = window.frames().map(|f| (f.key.0, f.ts, f.bytes.to_vec()));
                assert!(frames.eq(expected.iter().cloned()), "after {n}");
            }
        }
        assert_eq!(window.len(), expected.len());
        assert!(!expected.is_empty());
    }

    #[test]
    fn a_few_frames_take_little_memory() {
        let mut window = Window::new(WindowLimits { max_bytes: 8 << 20, ..LIMITS });
        for n in 0..100_000 {
            window.push(kept(n, n * 10, &[0; 40]), false);
        }
        assert_eq!(window.ring.capacity(), FIRST_BYTES);
    }

    #[test]
    fn a_frame_larger_than_all_there_may_be_is_not_kept() {
        let mut window = Window::new(LIMITS);
        assert_eq!(window.push(kept(1, 1, b"small"), false), 0);
        assert_eq!(window.push(kept(2, 2, &vec![7; LIMITS.max_bytes]), false), 2);
        assert_eq!(window.push(kept(3, 3, &[7; 8000]), false), 0);
        assert_eq!(window.push(kept(4, 4, &vec![7; LIMITS.max_bytes - Place::SIZE]), false), 1);
        assert_eq!(keys(&window), [4]);
    }
}
