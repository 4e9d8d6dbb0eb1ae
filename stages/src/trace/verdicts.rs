//! Threads whose events a filter does not let through, as long as nothing changes: what asks of processes alone need not ask again.

use event::FrameHeader;

/// Threads remembered; another one with the same place takes it. And processes whose changes are told apart.
const N_PLACES: usize = 1 << 12;

/// A thread of a process, and how much had changed when it was rejected.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Verdict {
    tid: u32,
    tgid: u32,
    epoch: u64,
}

/// What a filter that asks of processes alone has rejected.
#[derive(Debug)]
pub(super) struct Verdicts {
    /// The filter asks of the event's own process, so that a change of another one is none.
    is_of_own: bool,
    /// Counts changes of which everybody has to hear.
    n_of_all: u64,
    /// The same of those of one process, or of several with one place.
    n_of_one: Box<[u64]>,
    rejected: Box<[Verdict]>,
}

fn place(id: u32) -> usize {
    id as usize % N_PLACES
}

impl Verdicts {
    /// `is_of_own`: the filter asks nothing of ancestors.
    pub(super) fn new(is_of_own: bool) -> Self {
        Self {
            is_of_own,
            n_of_all: 1,
            n_of_one: vec![0; N_PLACES].into_boxed_slice(),
            rejected: vec![Verdict::default(); N_PLACES].into_boxed_slice(),
        }
    }

    /// Something of some process, or of users or containers, has changed.
    pub(super) fn forget_all(&mut self) {
        self.n_of_all += 1;
    }

    /// Something of the process of this event has changed.
    pub(super) fn forget(&mut self, header: &FrameHeader) {
        if self.is_of_own {
            self.n_of_one[place(header.tgid)] += 1;
        } else {
            self.forget_all();
        }
    }

    /// A verdict of now. Both counts only grow, so their sum is another one after any change.
    fn of(&self, header: &FrameHeader) -> Verdict {
        let &FrameHeader { tid, tgid, .. } = header;
        Verdict { tid, tgid, epoch: self.n_of_all + self.n_of_one[place(tgid)] }
    }

    #[inline]
    pub(super) fn is_rejected(&self, header: &FrameHeader) -> bool {
        self.rejected[place(header.tid)] == self.of(header)
    }

    pub(super) fn reject(&mut self, header: &FrameHeader) {
        self.rejected[place(header.tid)] = self.of(header);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(tid: u32, tgid: u32) -> FrameHeader {
        FrameHeader { tid, tgid, ..FrameHeader::default() }
    }

    #[test]
    fn a_verdict_holds_until_something_changes() {
        let mut verdicts = Verdicts::new(false);
        let (thread, same_place) = (of(7, 7), of(7 + N_PLACES as u32, 7));
        verdicts.reject(&thread);
        assert!(verdicts.is_rejected(&thread) && !verdicts.is_rejected(&same_place));
        verdicts.reject(&same_place);
        assert!(!verdicts.is_rejected(&thread) && verdicts.is_rejected(&same_place));
        verdicts.forget(&of(9, 9));
        assert!(!verdicts.is_rejected(&same_place) && !verdicts.is_rejected(&of(0, 0)));
    }

    #[test]
    fn what_is_asked_of_the_own_process_alone_outlives_changes_of_others() {
        let mut verdicts = Verdicts::new(true);
        let (thread, of_another) = (of(8, 7), of(8, 9));
        verdicts.forget(&of(7, 7));
        verdicts.reject(&thread);
        verdicts.forget(&of(9, 9));
        assert!(verdicts.is_rejected(&thread), "another process has changed");
        assert!(!verdicts.is_rejected(&of_another), "the id is a thread of another process now");
        verdicts.forget(&of(7, 7));
        assert!(!verdicts.is_rejected(&thread));
        verdicts.reject(&thread);
        verdicts.forget_all();
        assert!(!verdicts.is_rejected(&thread));
    }
}
