//! What the history of a savefile tells of a thread.

/// A thread and its name. Threads of one process may have names of their own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TaskFacts<'a> {
    /// Thread id.
    pub tid: u32,
    /// Its name (`comm`).
    pub comm: &'a [u8],
}

impl<'a> TaskFacts<'a> {
    pub(crate) fn from_bytes(b: &'a [u8]) -> Option<Self> {
        let (tid, comm) = b.split_first_chunk::<4>()?;
        Some(Self { tid: u32::from_le_bytes(*tid), comm })
    }

    /// The part before the name: `u32 thread id`.
    #[must_use]
    pub fn fixed_bytes(&self) -> [u8; 4] {
        self.tid.to_le_bytes()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn facts_survive_their_bytes() {
        let facts = TaskFacts { tid: 1 << 20, comm: b"gmain" };
        let bytes = [&facts.fixed_bytes()[..], facts.comm].concat();
        assert_eq!(TaskFacts::from_bytes(&bytes), Some(facts));
        assert_eq!(TaskFacts::from_bytes(&bytes[..3]), None);
    }
}
