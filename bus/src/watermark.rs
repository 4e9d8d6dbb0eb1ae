//! Watermarks: one word that says how far a thread has come in the total order.

use crossbeam_utils::CachePadded;

use crate::Key;
use crate::schedule::{self, Place};
use crate::sync::{AtomicU64, Ordering};

/// "Every frame with a key up to this one has been pushed" (of a capture thread), or "every state change up to this one has been applied" (of a
/// shard). One writer, many readers; it never goes back.
///
/// A reader reads the watermark **first** and pops its lanes **after**: then it has every frame up to the value it read. The other order may miss
/// what was pushed in between.
#[derive(Debug)]
pub struct Watermark(CachePadded<AtomicU64>);

impl Default for Watermark {
    fn default() -> Self {
        Self::new()
    }
}

impl Watermark {
    /// A watermark at [`Key::MIN`].
    #[must_use]
    pub fn new() -> Self {
        Self(CachePadded::new(AtomicU64::new(Key::MIN.0)))
    }

    /// Publishes all that the calling thread did up to `key`. Only one thread may publish. A key at or below the one published is ignored;
    /// returns whether the watermark moved.
    #[inline]
    pub fn publish(&self, key: Key) -> bool {
        // Relaxed: this thread is the only writer.
        let moves = key.0 > self.0.load(Ordering::Relaxed);
        if moves {
            schedule::point(Place::WatermarkPublish);
            // Release: pairs with the Acquire in `get`; whoever sees the key sees what was pushed or applied before.
            self.0.store(key.0, Ordering::Release);
        }
        moves
    }

    /// The last published key.
    #[inline]
    #[must_use]
    pub fn get(&self) -> Key {
        // Acquire: pairs with the Release in `publish`.
        let key = Key(self.0.load(Ordering::Acquire));
        schedule::point(Place::WatermarkRead);
        key
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    #[test]
    fn a_watermark_never_goes_back() {
        let w = Watermark::new();
        assert_eq!(w.get(), Key::MIN);
        assert!(w.publish(Key(5)));
        assert!(!w.publish(Key(5)) && !w.publish(Key(3)));
        assert_eq!(w.get(), Key(5));
        assert!(w.publish(Key::MAX));
        assert_eq!(w.get(), Key::MAX);
    }
}
