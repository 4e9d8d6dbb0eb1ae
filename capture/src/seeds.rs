//! The processes that were there before the capture, as frames.

use event::FrameHeader;

/// Bytes of frames that are freed together; a longer frame has a chunk of its own.
const CHUNK: usize = 256 << 10;

/// The snapshot: seed frames, parents before children, and what to say about it.
#[derive(Debug, Default)]
pub struct Seeds {
    chunks: Vec<Chunk>,
    /// Where each seed lies, in order.
    places: Vec<Place>,
    pub(crate) threads: Vec<(u32, u32)>,
    pub(crate) n_vanished: u64,
    pub(crate) n_too_large: u64,
}

/// Frames one behind the other.
#[derive(Debug)]
struct Chunk {
    bytes: Vec<u8>,
    /// Frames that nobody has forgotten.
    n_frames: usize,
}

/// Where a frame lies.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Place {
    chunk: u32,
    start: u32,
    len: u32,
}

impl Seeds {
    /// Adds a frame as the last one.
    pub(crate) fn push(&mut self, frame: &[u8]) {
        let place = self.keep(frame);
        self.places.push(place);
    }

    /// Copies a frame whose turn is told later, by [`Seeds::put_in_order`].
    pub(crate) fn keep(&mut self, frame: &[u8]) -> Place {
        let has_room = |c: &Chunk| frame.len() <= c.bytes.capacity() - c.bytes.len();
        if !self.chunks.last().is_some_and(has_room) {
            let bytes = Vec::with_capacity(CHUNK.max(frame.len()));
            self.chunks.push(Chunk { bytes, n_frames: 0 });
        }
        let n = self.chunks.len() - 1;
        let chunk = &mut self.chunks[n];
        let start = chunk.bytes.len();
        chunk.bytes.extend_from_slice(frame);
        chunk.n_frames += 1;
        Place { chunk: n as u32, start: start as u32, len: frame.len() as u32 }
    }

    /// Adds frames that are kept.
    pub(crate) fn put_in_order(&mut self, places: impl Iterator<Item = Place>) {
        self.places.extend(places);
    }

    /// Number of seeds. Their keys are 1 to this number.
    #[must_use]
    pub fn len(&self) -> usize {
        self.places.len()
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.places.is_empty()
    }

    /// Seed `n`, counted from 0; `None` behind the last, and where it may be forgotten. O(1).
    #[must_use]
    pub fn get(&self, n: usize) -> Option<&[u8]> {
        let &Place { chunk, start, len } = self.places.get(n)?;
        self.chunks[chunk as usize].bytes.get(start as usize..)?.get(..len as usize)
    }

    /// Says that nobody needs seed `n` any more, once for each: memory is freed as the seeds go, not when all have gone.
    pub(crate) fn forget(&mut self, n: usize) {
        let Some(place) = self.places.get(n) else { return };
        let chunk = &mut self.chunks[place.chunk as usize];
        chunk.n_frames = chunk.n_frames.saturating_sub(1);
        if chunk.n_frames == 0 {
            chunk.bytes = Vec::new();
        }
    }

    /// Every seed in order.
    pub fn iter(&self) -> impl Iterator<Item = &[u8]> {
        (0..self.len()).filter_map(|n| self.get(n))
    }

    /// Ids of the processes, in the seeds' order.
    #[must_use]
    pub fn pids(&self) -> Vec<u32> {
        let tgid = |frame: &[u8]| Some(FrameHeader::from_bytes(frame.first_chunk()?).tgid);
        self.iter().filter_map(tgid).collect()
    }

    /// Threads `(tid, tgid)` beside the first of each process; a recording needs them.
    #[must_use]
    pub fn threads(&self) -> &[(u32, u32)] {
        &self.threads
    }

    /// Processes that ended while they were read.
    #[must_use]
    pub fn n_vanished(&self) -> u64 {
        self.n_vanished
    }

    /// Processes left out because their frame would be larger than any may be; 0 unless the limits of the texts are wrong.
    #[must_use]
    pub fn n_too_large(&self) -> u64 {
        self.n_too_large
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn seeds_come_in_the_order_that_was_told_and_go_chunk_by_chunk() {
        let mut seeds = Seeds::default();
        let frame = |n: u8| vec![n; CHUNK / 2];
        let kept: Vec<Place> = (0..4).map(|n| seeds.keep(&frame(n))).collect();
        let long = seeds.keep(&vec![4; CHUNK + 1]);
        let order = [1, 2, 0, 3];
        seeds.put_in_order(order.iter().map(|&n| kept[n]).chain([long]));
        assert_eq!((seeds.len(), seeds.chunks.len()), (5, 3));
        let first = |s: &Seeds| -> Vec<Option<u8>> {
            (0..s.len()).map(|n| s.get(n).map(|frame| frame[0])).collect()
        };
        assert_eq!(first(&seeds), [Some(1), Some(2), Some(0), Some(3), Some(4)]);
        seeds.forget(0);
        seeds.forget(1);
        assert_eq!(first(&seeds), [Some(1), Some(2), Some(0), Some(3), Some(4)]);
        seeds.forget(2);
        assert_eq!(first(&seeds), [None, Some(2), None, Some(3), Some(4)]);
        let n_held = seeds.chunks.iter().map(|c| c.bytes.capacity()).sum::<usize>();
        assert!(n_held < 3 * CHUNK, "{n_held}");
    }
}
