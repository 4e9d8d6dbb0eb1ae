//! The processes that were there before the capture, as frames.

use event::FrameHeader;

/// The snapshot: seed frames, parents before children, and what to say about it.
#[derive(Debug, Default)]
pub struct Seeds {
    pub(crate) bytes: Vec<u8>,
    pub(crate) ends: Vec<usize>,
    pub(crate) threads: Vec<(u32, u32)>,
    pub(crate) n_vanished: u64,
    pub(crate) n_too_large: u64,
}

impl Seeds {
    pub(crate) fn push(&mut self, frame: &[u8]) {
        self.bytes.extend_from_slice(frame);
        self.ends.push(self.bytes.len());
    }

    /// Number of seeds. Their keys are 1 to this number.
    #[must_use]
    pub fn len(&self) -> usize {
        self.ends.len()
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.ends.is_empty()
    }

    /// Seed `n`, counted from 0. O(1).
    #[must_use]
    pub fn get(&self, n: usize) -> Option<&[u8]> {
        let end = *self.ends.get(n)?;
        let start = if n == 0 { 0 } else { self.ends[n - 1] };
        self.bytes.get(start..end)
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
