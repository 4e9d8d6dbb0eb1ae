//! What runtimes told of containers, kept for the recordings that are still to come: each begins with it.

use std::collections::VecDeque;

/// Bytes of frames; beyond them the oldest are forgotten.
const MAX_BYTES: usize = 1 << 20;

/// Frames that tell of containers, oldest first.
#[derive(Debug, Default)]
pub(super) struct KnownContainers {
    frames: VecDeque<Box<[u8]>>,
    n_bytes: usize,
}

impl KnownContainers {
    /// Keeps a frame, and gives how many made room for it.
    pub(super) fn keep(&mut self, frame: &[u8]) -> u64 {
        let mut n_forgotten = 0;
        self.n_bytes += frame.len();
        self.frames.push_back(frame.into());
        while self.n_bytes > MAX_BYTES
            && let Some(oldest) = self.frames.pop_front()
        {
            self.n_bytes -= oldest.len();
            n_forgotten += 1;
        }
        n_forgotten
    }

    pub(super) fn frames(&self) -> impl Iterator<Item = &[u8]> {
        self.frames.iter().map(|frame| &**frame)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_newest_are_kept_within_the_bound() {
        let mut known = KnownContainers::default();
        let n_forgotten: u64 = (0..40u8).map(|n| known.keep(&vec![n; 60_000])).sum();
        assert_eq!(n_forgotten, 23);
        let firsts: Vec<u8> = known.frames().map(|f| f[0]).collect();
        assert_eq!(firsts, (23..40).collect::<Vec<u8>>());
    }
}
