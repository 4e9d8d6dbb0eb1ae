//! A change that takes effect at one key for every reader of some watermarks, whatever they have released by then.
//!
//! Who makes the change **announces it, then looks how far the watermarks are**: the largest is the last key of what was before. A reader **takes its
//! bound from the watermarks, then looks for an announcement**. Both have a full fence between the two steps: a reader that misses the announcement has
//! released nothing behind that key, and one that sees it releases nothing more until the key is known.

use std::sync::Arc;

use crossbeam_utils::CachePadded;

use crate::sync::{AtomicU64, Ordering, fence};
use crate::{Key, Watermark};

/// Announces changes to the readers of some watermarks. One thread at a time may make them; any number may look.
#[derive(Debug)]
pub struct Turn {
    /// Grows with each order. Odd: a change is announced, its key is not known yet.
    orders: CachePadded<AtomicU64>,
    /// The largest key that a reader released beyond its watermarks.
    far: AtomicU64,
    watermarks: Vec<Arc<Watermark>>,
}

/// What a reader finds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Order {
    /// A change is announced, and its key is not known yet.
    Undecided,
    /// The last order; the same number means that there was none since.
    Number(u64),
}

impl Turn {
    /// For the readers of these watermarks.
    #[must_use]
    pub fn new(watermarks: Vec<Arc<Watermark>>) -> Self {
        Self { orders: CachePadded::new(AtomicU64::new(0)), far: AtomicU64::new(0), watermarks }
    }

    /// Announces a change and gives the largest key that any reader can have released. Whoever calls it makes what belongs to the change visible,
    /// then calls [`Turn::decide`].
    pub fn announce(&self) -> Key {
        // Relaxed: only the thread that makes a change writes it. Release: pairs with the Acquire in `order`.
        self.orders.store(self.orders.load(Ordering::Relaxed) + 1, Ordering::Release);
        // Pairs with the fence in `order`: a reader that has not seen the announcement read its watermarks before they are read here.
        fence(Ordering::SeqCst);
        let reached = self.watermarks.iter().map(|w| w.get()).max().unwrap_or(Key::MIN);
        // Relaxed: the fences order it, too.
        reached.max(Key(self.far.load(Ordering::Relaxed)))
    }

    /// What was announced is known. Readers see what was done before this.
    pub fn decide(&self) {
        // Relaxed and Release as in `announce`.
        self.orders.store(self.orders.load(Ordering::Relaxed) + 1, Ordering::Release);
    }

    /// An order that takes effect at no key: readers only have to look.
    pub fn call(&self) {
        // Relaxed and Release as in `announce`.
        self.orders.store(self.orders.load(Ordering::Relaxed) + 2, Ordering::Release);
    }

    /// For a reader, after it has taken its bound and before it releases anything up to it. A fence and a load.
    #[inline]
    #[must_use]
    pub fn order(&self) -> Order {
        // Pairs with the fence in `announce`.
        fence(Ordering::SeqCst);
        // Acquire: pairs with the Release in `announce` and `decide`.
        match self.orders.load(Ordering::Acquire) {
            announced if announced % 2 == 1 => Order::Undecided,
            number => Order::Number(number),
        }
    }

    /// A reader is about to release what lies beyond its watermarks; before [`Turn::order`].
    pub fn goes_beyond(&self, bound: Key) {
        // Relaxed: the fence in `order` pairs with that in `announce`, as for watermarks.
        self.far.fetch_max(bound.0, Ordering::Relaxed);
    }
}
