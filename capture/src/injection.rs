//! A way into a capture thread for frames that no ring has: what a look at `/proc` found, and that something was lost.
//!
//! The thread stamps such a frame like one of its own, with the clock and above everything that it has put into lanes, and merges it with its rings
//! by key. Its keys have a CPU number of their own, behind those of all CPUs, so that there are no ties.

use bus::{Key, KeyClock, RingKeys};
use rtrb::{Consumer, Producer, RingBuffer};

/// The sending end.
#[derive(Debug)]
pub struct Injector {
    to: Producer<Vec<u8>>,
    capacity: usize,
}

/// The receiving end, for one capture thread.
#[derive(Debug)]
pub struct Injection {
    from: Consumer<Vec<u8>>,
    keys: RingKeys,
    /// Key of the first frame that waits, once it has one.
    head: Option<Key>,
}

/// A queue of so many frames. `clock` is that of the threads; it must have room for the CPU number `cpu`, which no ring has.
#[must_use]
pub fn injection(capacity: usize, clock: KeyClock, cpu: u16) -> (Injector, Injection) {
    let (to, from) = RingBuffer::new(capacity);
    let keys = RingKeys::new(clock, cpu);
    (Injector { to, capacity }, Injection { from, keys, head: None })
}

impl Injector {
    /// Hands a frame over; gives it back where the queue is full.
    ///
    /// # Errors
    /// The frame.
    pub fn push(&mut self, frame: Vec<u8>) -> Result<(), Vec<u8>> {
        self.to.push(frame).map_err(|rtrb::PushError::Full(frame)| frame)
    }

    /// Whether every frame has its key and lies in a lane.
    #[must_use]
    pub fn is_drained(&self) -> bool {
        self.to.slots() == self.capacity
    }

    /// Whether the thread has ended.
    #[must_use]
    pub fn is_abandoned(&self) -> bool {
        self.to.is_abandoned()
    }
}

impl Injection {
    /// Whether no frame waits.
    pub(crate) fn is_empty(&self) -> bool {
        self.from.is_empty()
    }

    /// The key of the first frame that waits: of now, and above `floor`.
    pub(crate) fn head(
        &mut self,
        now: impl FnOnce() -> u64,
        floor: impl FnOnce() -> Key,
    ) -> Option<Key> {
        if self.head.is_none() && !self.from.is_empty() {
            self.head = Some(self.keys.stamp(now(), floor()));
        }
        self.head
    }

    /// The key that the first frame has got.
    pub(crate) fn stamped(&self) -> Option<Key> {
        self.head
    }

    /// The first frame that waits.
    pub(crate) fn frame(&self) -> Option<&[u8]> {
        self.from.peek().ok().map(Vec::as_slice)
    }

    /// Lets go of it, once it lies in a lane.
    pub(crate) fn advance(&mut self) {
        self.head = None;
        drop(self.from.pop());
    }
}
