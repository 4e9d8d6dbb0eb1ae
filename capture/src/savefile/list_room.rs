//! Memory for the lists that stand before a section's events: entries are small in the file and large in memory.

/// What the allocation of a text takes beside its bytes.
const ALLOCATION_LEN: usize = 16;

/// An entry of such a list.
pub(super) trait ListEntry {
    /// Texts and lists that it may have.
    const N_TEXTS: usize;
}

/// What is left of the memory.
#[derive(Debug)]
pub(super) struct ListRoom {
    n_left: usize,
    /// Entries that found no room.
    n_dropped: u64,
}

impl ListRoom {
    #[cfg(test)]
    pub(super) fn new() -> Self {
        Self::of(super::Rooms::default().lists())
    }

    pub(super) fn of(n_left: usize) -> Self {
        Self { n_left, n_dropped: 0 }
    }

    pub(super) fn n_dropped(&self) -> u64 {
        self.n_dropped
    }

    /// Keeps an entry that takes `n_bytes` in the file, unless there is no room for it.
    pub(super) fn keep<T: ListEntry>(&mut self, list: &mut Vec<T>, entry: T, n_bytes: usize) {
        if self.take::<T>(n_bytes) {
            list.push(entry);
        }
    }

    /// Takes the room of an entry that takes `n_bytes` in the file; gives whether there was so much.
    pub(super) fn take<T: ListEntry>(&mut self, n_bytes: usize) -> bool {
        // A vector that doubles has room for twice what is in it.
        let n_memory = 2 * size_of::<T>() + n_bytes + T::N_TEXTS * ALLOCATION_LEN;
        let left = self.n_left.checked_sub(n_memory);
        match left {
            Some(n_left) => self.n_left = n_left,
            None => self.n_dropped += 1,
        }
        left.is_some()
    }
}
