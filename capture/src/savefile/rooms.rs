//! Memory for what is kept of a savefile while it is read: one number, and what each part may take of it.

/// Parts that it is cut into.
const N_PARTS: usize = 32;

/// What is kept of a savefile beside the table of processes. What finds no room is left out and counted ([`ReaderCounts`](super::ReaderCounts)).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rooms {
    max_bytes: usize,
}

impl Default for Rooms {
    /// 2 GiB.
    fn default() -> Self {
        Self::of(2 << 30)
    }
}

impl Rooms {
    /// So many bytes for all of it.
    #[must_use]
    pub const fn of(max_bytes: usize) -> Self {
        Self { max_bytes }
    }

    const fn parts(self, n: usize) -> usize {
        self.max_bytes / N_PARTS * n
    }

    /// The lists before the events of a section: 512 MiB. Those of 20,000 processes with full environments take a fifth of that.
    pub(super) const fn lists(self) -> usize {
        self.parts(8)
    }

    /// Descriptors and their names: 512 MiB.
    pub(super) const fn descriptors(self) -> usize {
        self.parts(8)
    }

    /// Working directories: 256 MiB.
    pub(super) const fn dirs(self) -> usize {
        self.parts(4)
    }

    /// What events tell of users and groups: 256 MiB.
    #[must_use]
    pub const fn users(self) -> usize {
        self.parts(4)
    }

    /// What events tell of containers: 128 MiB.
    #[must_use]
    pub const fn containers(self) -> usize {
        self.parts(2)
    }

    /// Control groups of threads: 128 MiB.
    pub(super) const fn cgroups(self) -> usize {
        self.parts(2)
    }

    /// Starts of calls under way, as far as descriptors go by them: 64 MiB.
    pub(super) const fn enters(self) -> usize {
        self.parts(1)
    }

    /// The same, as far as their returns are made of them: 64 MiB.
    pub(super) const fn starts(self) -> usize {
        self.parts(1)
    }

    /// The same, of those that are written on: 64 MiB.
    pub(super) const fn waiting_blocks(self) -> usize {
        self.parts(1)
    }

    /// Blocks between two events that are written on: 64 MiB.
    pub(super) const fn blocks(self) -> usize {
        self.parts(1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_parts_make_up_the_whole() {
        let rooms = Rooms::default();
        let kept = rooms.lists() + rooms.descriptors() + rooms.dirs() + rooms.cgroups();
        let noted = rooms.users() + rooms.containers();
        let starts = rooms.enters() + rooms.starts() + rooms.waiting_blocks() + rooms.blocks();
        assert_eq!(kept + noted + starts, 2 << 30);
        assert_eq!((rooms.lists(), rooms.enters()), (512 << 20, 64 << 20));
    }
}
