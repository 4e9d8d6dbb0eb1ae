//! What came last: frames of the last seconds, bounded in time and bytes, kept in chunks so that nothing is allocated once it is full.

use std::collections::VecDeque;

use bus::Key;

/// A window consists of so many chunks; as much more than its time it may hold.
const N_CHUNKS: usize = 16;

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

#[derive(Clone, Copy, Debug)]
struct Place {
    key: Key,
    ts: u64,
    end: usize,
}

#[derive(Debug, Default)]
struct Chunk {
    bytes: Vec<u8>,
    places: Vec<Place>,
}

impl Chunk {
    fn n_bytes(&self) -> usize {
        self.bytes.len() + self.places.len() * size_of::<Place>()
    }

    fn frames(&self) -> impl Iterator<Item = Kept<'_>> {
        let starts = std::iter::once(0).chain(self.places.iter().map(|p| p.end));
        self.places.iter().zip(starts).map(|(&Place { key, ts, end }, start)| Kept {
            key,
            ts,
            bytes: &self.bytes[start..end],
        })
    }
}

/// The frames of the last seconds.
#[derive(Debug)]
pub(crate) struct Window {
    limits: WindowLimits,
    chunks: VecDeque<Chunk>,
    spare: Vec<Chunk>,
    n_bytes: usize,
    n_frames: usize,
}

impl Window {
    pub(crate) fn new(limits: WindowLimits) -> Self {
        Self { limits, chunks: VecDeque::new(), spare: Vec::new(), n_bytes: 0, n_frames: 0 }
    }

    /// Frames in it.
    pub(crate) fn len(&self) -> usize {
        self.n_frames
    }

    /// Every frame, oldest first.
    pub(crate) fn frames(&self) -> impl Iterator<Item = Kept<'_>> {
        self.chunks.iter().flat_map(Chunk::frames)
    }

    /// Keeps a frame; gives how many left for it. While `holds`, only the bound in bytes counts.
    pub(crate) fn push(&mut self, frame: Kept<'_>, holds: bool) -> usize {
        let Kept { key, ts, bytes } = frame;
        let WindowLimits { span_ns, max_bytes } = self.limits;
        let is_full = self.chunks.back().is_none_or(|c| {
            let first = c.places.first().map_or(ts, |p| p.ts);
            c.n_bytes() + bytes.len() > max_bytes / N_CHUNKS
                || ts.saturating_sub(first) > span_ns / N_CHUNKS as u64
        });
        if is_full {
            self.chunks.push_back(self.spare.pop().unwrap_or_default());
        }
        if let Some(chunk) = self.chunks.back_mut() {
            let before = chunk.n_bytes();
            chunk.bytes.extend_from_slice(bytes);
            chunk.places.push(Place { key, ts, end: chunk.bytes.len() });
            self.n_bytes += chunk.n_bytes() - before;
            self.n_frames += 1;
        }
        let mut n_evicted = 0;
        while self.chunks.len() > 1
            && (self.n_bytes > max_bytes || !holds && self.is_front_older_than(ts, span_ns))
        {
            n_evicted += self.evict();
        }
        n_evicted
    }

    fn is_front_older_than(&self, now: u64, span_ns: u64) -> bool {
        let newest = self.chunks.front().and_then(|c| c.places.last());
        newest.is_some_and(|p| now.saturating_sub(p.ts) > span_ns)
    }

    fn evict(&mut self) -> usize {
        let Some(mut chunk) = self.chunks.pop_front() else { return 0 };
        let n = chunk.places.len();
        self.n_bytes -= chunk.n_bytes();
        self.n_frames -= n;
        chunk.bytes.clear();
        chunk.places.clear();
        if self.spare.len() < N_CHUNKS {
            self.spare.push(chunk);
        }
        n
    }

    /// Lets everything go; gives how many frames that were.
    pub(crate) fn clear(&mut self) -> usize {
        let mut n = 0;
        while !self.chunks.is_empty() {
            n += self.evict();
        }
        n
    }
}

#[cfg(test)]
mod tests {
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
        // A span is kept whole; at most a chunk's time is kept beyond it.
        assert!(keys[0] <= 99 - 16 && keys[0] >= 99 - 18, "{keys:?}");
        assert_eq!((n_evicted + keys.len(), window.len()), (100, keys.len()));
    }

    #[test]
    fn bytes_bound_it_even_while_it_is_held() {
        let mut window = Window::new(LIMITS);
        for n in 0..1000 {
            window.push(kept(n, n * 100_000, &[0; 100]), true);
            assert!(window.n_bytes <= LIMITS.max_bytes);
        }
        let keys = keys(&window);
        assert_eq!(keys.last(), Some(&999));
        assert!(keys.len() > 100, "held beyond its time: {}", keys.len());
        assert_eq!(window.clear(), keys.len());
        assert_eq!((window.len(), window.n_bytes), (0, 0));
    }

    #[test]
    fn a_frame_larger_than_a_chunk_has_room() {
        let mut window = Window::new(LIMITS);
        window.push(kept(1, 1, b"small"), false);
        window.push(kept(2, 2, &[7; 8000]), false);
        window.push(kept(3, 3, b"small"), false);
        assert_eq!(keys(&window), [1, 2, 3]);
    }

    #[test]
    fn a_full_window_allocates_no_more() {
        let mut window = Window::new(LIMITS);
        for n in 0..10_000 {
            window.push(kept(n, n * 10, &[0; 40]), false);
        }
        let capacity = |w: &Window| -> usize {
            w.chunks.iter().chain(&w.spare).map(|c| c.bytes.capacity()).sum()
        };
        let before = capacity(&window);
        for n in 10_000..20_000 {
            window.push(kept(n, n * 10, &[0; 40]), false);
        }
        assert_eq!(capacity(&window), before);
    }
}
