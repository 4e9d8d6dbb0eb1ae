//! What a savefile tells of the thread that made an event, where it is not the first of its process.

/// Bits of [`ThreadFacts::known`].
pub mod thread_facts {
    /// [`super::ThreadFacts::vtid`] is known.
    pub const VTID: u32 = 1;
    /// [`super::ThreadFacts::uid`] is known.
    pub const UID: u32 = 1 << 1;
    /// [`super::ThreadFacts::gid`] is known.
    pub const GID: u32 = 1 << 2;
    /// [`super::ThreadFacts::comm`] is known.
    pub const COMM: u32 = 1 << 3;
}

/// A thread of a savefile, as far as it may differ from the first one of its process.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ThreadFacts<'a> {
    /// Which of the others are known: see [`thread_facts`].
    pub known: u32,
    /// Its id in its own pid namespace.
    pub vtid: u32,
    /// Effective user.
    pub uid: u32,
    /// Effective group.
    pub gid: u32,
    /// Its name.
    pub comm: &'a [u8],
}

impl<'a> ThreadFacts<'a> {
    /// Bytes before the name.
    pub const FIXED_LEN: usize = 16;

    pub(crate) fn from_bytes(b: &'a [u8]) -> Option<Self> {
        let (b, comm) = b.split_first_chunk::<{ ThreadFacts::FIXED_LEN }>()?;
        let at = |n: usize| u32::from_le_bytes([b[n], b[n + 1], b[n + 2], b[n + 3]]);
        Some(Self { known: at(0), vtid: at(4), uid: at(8), gid: at(12), comm })
    }

    /// The part before the name: `u32 known, u32 vtid, u32 uid, u32 gid`.
    #[must_use]
    pub fn fixed_bytes(&self) -> [u8; ThreadFacts::FIXED_LEN] {
        let mut b = [0; ThreadFacts::FIXED_LEN];
        b[0..4].copy_from_slice(&self.known.to_le_bytes());
        b[4..8].copy_from_slice(&self.vtid.to_le_bytes());
        b[8..12].copy_from_slice(&self.uid.to_le_bytes());
        b[12..16].copy_from_slice(&self.gid.to_le_bytes());
        b
    }

    /// Whether all of these bits are known.
    #[must_use]
    pub fn knows(&self, bits: u32) -> bool {
        self.known & bits == bits
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn facts_survive_their_bytes() {
        let facts = ThreadFacts {
            known: thread_facts::UID | thread_facts::COMM,
            vtid: 7,
            uid: 1 << 31,
            gid: 9,
            comm: b"gmain",
        };
        let bytes = [&facts.fixed_bytes()[..], facts.comm].concat();
        assert_eq!(ThreadFacts::from_bytes(&bytes), Some(facts));
        assert_eq!(ThreadFacts::from_bytes(&bytes[..15]), None);
    }
}
