//! Threads whose events a filter does not let through, as long as nothing changes: what asks of processes alone need not ask again.

/// Threads remembered; another one with the same place takes it.
const N_PLACES: usize = 1 << 12;

/// What a filter that asks of processes alone has rejected.
#[derive(Debug)]
pub(super) struct Verdicts {
    /// Counts changes of what is known of processes.
    epoch: u64,
    /// Thread, and the epoch in which it was rejected.
    rejected: Box<[(u32, u64)]>,
}

impl Verdicts {
    pub(super) fn new() -> Self {
        Self { epoch: 1, rejected: vec![(0, 0); N_PLACES].into_boxed_slice() }
    }

    /// Something of some process has changed.
    pub(super) fn forget(&mut self) {
        self.epoch += 1;
    }

    pub(super) fn is_rejected(&self, tid: u32) -> bool {
        self.rejected[tid as usize % N_PLACES] == (tid, self.epoch)
    }

    pub(super) fn reject(&mut self, tid: u32) {
        self.rejected[tid as usize % N_PLACES] = (tid, self.epoch);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_verdict_holds_until_something_changes() {
        let mut verdicts = Verdicts::new();
        let same_place = 7 + N_PLACES as u32;
        verdicts.reject(7);
        assert!(verdicts.is_rejected(7) && !verdicts.is_rejected(same_place));
        verdicts.reject(same_place);
        assert!(!verdicts.is_rejected(7) && verdicts.is_rejected(same_place));
        verdicts.forget();
        assert!(!verdicts.is_rejected(same_place) && !verdicts.is_rejected(0));
    }
}
