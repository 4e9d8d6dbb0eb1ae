//! Who waits for whose progress, so that a thread that moves on wakes those who wait for that and nobody else.

use crossbeam_utils::CachePadded;

use crate::Key;
use crate::sync::{AtomicU64, Ordering, fence};

/// What a word says of a thread that waits for nobody.
const NOBODY: u64 = u64::MAX;

/// One entry for each of some threads, which publish how far they are ([`crate::Watermark`] or the like) and wait for each other.
///
/// Who waits **posts it, then looks once more** how far the other one is. Who moves on **publishes that, then looks at the board**. Both have a full
/// fence between the two steps, so at least one of them sees the other. The same pairing is behind [`crate::Sleeping`]; with both, a thread that
/// sleeps is woken once, when what it waits for is there.
#[derive(Debug)]
pub struct WaitBoard(Box<[CachePadded<Entry>]>);

/// Written by the thread that waits. What is read of it may be of two waits: then the thread is woken for nothing, or it has yet to look.
#[derive(Debug)]
struct Entry {
    whom: AtomicU64,
    until: AtomicU64,
}

impl WaitBoard {
    /// A board on which nobody waits.
    #[must_use]
    pub fn new(n_threads: usize) -> Self {
        let entry = || Entry { whom: AtomicU64::new(NOBODY), until: AtomicU64::new(0) };
        Self((0..n_threads).map(|_| CachePadded::new(entry())).collect())
    }

    /// `waiter` waits until `whom` has reached `until`. It must look after this how far that one is, and not sleep where it is far enough.
    pub fn post(&self, waiter: usize, whom: usize, until: Key) {
        if let Some(entry) = self.0.get(waiter) {
            entry.until.store(until.0, Ordering::Relaxed);
            // Release: pairs with the Acquire in `reached`; who sees for whom it waits sees until when, or a later wait.
            entry.whom.store(whom as u64, Ordering::Release);
        }
        // Pairs with the fence in `reached`.
        fence(Ordering::SeqCst);
    }

    /// `waiter` waits no more.
    pub fn clear(&self, waiter: usize) {
        if let Some(entry) = self.0.get(waiter) {
            // Relaxed: who sees the wait that is over wakes once too often.
            entry.whom.store(NOBODY, Ordering::Relaxed);
        }
    }

    /// Whether anybody waits for `whom` to get beyond `key`.
    #[must_use]
    pub fn is_awaited(&self, whom: usize, key: Key) -> bool {
        // Acquire: pairs with the Release in `post`.
        let is_for = |entry: &Entry| entry.whom.load(Ordering::Acquire) == whom as u64;
        self.0.iter().any(|entry| is_for(entry) && entry.until.load(Ordering::Relaxed) > key.0)
    }

    /// Who waits for `whom` to reach `key` or less; to be called after it was published. A fence, and one line of each thread.
    pub fn reached(&self, whom: usize, key: Key) -> impl Iterator<Item = usize> {
        // Pairs with the fence in `post`.
        fence(Ordering::SeqCst);
        let waits = move |entry: &Entry| {
            // Acquire: pairs with the Release in `post`.
            entry.whom.load(Ordering::Acquire) == whom as u64
                && entry.until.load(Ordering::Relaxed) <= key.0
        };
        self.0.iter().enumerate().filter(move |(_, entry)| waits(entry)).map(|(n, _)| n)
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    #[test]
    fn who_waits_for_less_is_told() {
        let board = WaitBoard::new(4);
        board.post(0, 3, Key(10));
        board.post(1, 3, Key(11));
        board.post(2, 0, Key(1));
        let told = |whom, key| board.reached(whom, Key(key)).collect::<Vec<_>>();
        assert_eq!(told(3, 9), [0; 0]);
        assert_eq!(told(3, 10), [0]);
        assert_eq!(told(3, 11), [0, 1]);
        assert_eq!(told(0, 11), [2]);
        assert!(board.is_awaited(3, Key(10)) && !board.is_awaited(3, Key(11)));
        assert!(!board.is_awaited(1, Key(0)));
        board.post(0, 2, Key(12));
        board.clear(1);
        assert_eq!(told(3, 20), [0; 0]);
    }
}
