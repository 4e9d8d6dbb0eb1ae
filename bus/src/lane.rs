//! Lanes: bounded queues between two threads, of batches with a way back for the empty ones, and of alerts.

use std::sync::Arc;

use perf::Counter;

use crate::batch::{Batch, BatchLimits};
use crate::schedule::{self, Place};
use crate::sync::{Consumer, Producer, ring};

/// A lane of batches: at most `capacity` (at least 1) are on their way, and `capacity + 2` exist, so that each end can hold one in hand.
///
/// All memory is allocated here: `(capacity + 2) * (limits.max_bytes + limits.max_frames * 24)` bytes and little more.
///
/// ```
/// use bus::{BatchLimits, Key, lane};
///
/// let (mut tx, mut rx) = lane(1, BatchLimits::default());
/// let mut batch = tx.take().unwrap();
/// batch.push(Key(1), b"frame").unwrap();
/// tx.push(batch).unwrap();
///
/// let next = tx.take().unwrap();
/// let refused = tx.push(next).unwrap_err(); // a full lane gives the batch back
///
/// let batch = rx.pop().unwrap();
/// assert_eq!(batch.frames().count(), 1);
/// rx.recycle(batch); // cleared, and on its way to `take`
/// tx.push(refused).unwrap();
/// ```
#[must_use]
pub fn lane(capacity: usize, limits: BatchLimits) -> (LaneTx, LaneRx) {
    let capacity = capacity.max(1);
    let (forward, incoming) = ring(capacity);
    let (mut home, returned) = ring(capacity + 2);
    for _ in 0..capacity + 2 {
        if home.push(Batch::new(limits)).is_err() {
            unreachable!("the return lane has room for every batch there is");
        }
    }
    let meters = LaneMeters::default();
    (LaneTx { forward, returned, meters: meters.clone() }, LaneRx { incoming, home, meters })
}

/// The frames that went through a lane, counted once per batch.
#[derive(Clone, Debug, Default)]
pub struct LaneMeters {
    /// Frames pushed; written by the sending thread.
    pub pushed: Arc<Counter>,
    /// Frames popped; written by the receiving thread.
    pub popped: Arc<Counter>,
}

impl LaneMeters {
    /// Frames on their way.
    #[must_use]
    pub fn depth(&self) -> u64 {
        // Popped first: a frame is counted as pushed before it can be popped, so the difference is never negative.
        let popped = self.popped.get();
        self.pushed.get().saturating_sub(popped)
    }
}

/// The sending end of a lane.
#[derive(Debug)]
pub struct LaneTx {
    forward: Producer<Batch>,
    returned: Consumer<Batch>,
    meters: LaneMeters,
}

impl LaneTx {
    /// An empty batch to fill. `None` while all are on their way or in the receiver's hands: backpressure, as with a full lane.
    pub fn take(&mut self) -> Option<Batch> {
        schedule::point(Place::BatchTake);
        self.returned.pop()
    }

    /// Sends a batch.
    ///
    /// # Errors
    /// Gives the batch back if the lane is full.
    pub fn push(&mut self, batch: Batch) -> Result<(), Batch> {
        // Only this end fills the lane, so what is free stays free until the push; and the count has to come first (see `depth`).
        if self.forward.free() == 0 {
            return Err(batch);
        }
        schedule::point(Place::LanePush);
        self.meters.pushed.add(batch.len() as u64);
        self.forward.push(batch)
    }

    /// Whether a push would be refused.
    #[must_use]
    pub fn is_full(&self) -> bool {
        self.forward.free() == 0
    }

    /// Batches on their way.
    #[must_use]
    pub fn depth(&self) -> usize {
        self.forward.capacity() - self.forward.free()
    }

    /// Batches that can be on their way at once.
    #[must_use]
    pub fn capacity(&self) -> usize {
        self.forward.capacity()
    }

    /// Whether the receiver is gone: what is pushed is never read.
    #[must_use]
    pub fn is_abandoned(&self) -> bool {
        self.forward.is_abandoned()
    }

    /// The lane's counters, for the registry.
    #[must_use]
    pub fn meters(&self) -> LaneMeters {
        self.meters.clone()
    }
}

/// The receiving end of a lane.
#[derive(Debug)]
pub struct LaneRx {
    incoming: Consumer<Batch>,
    home: Producer<Batch>,
    meters: LaneMeters,
}

impl LaneRx {
    /// The next batch.
    pub fn pop(&mut self) -> Option<Batch> {
        schedule::point(Place::LanePop);
        let batch = self.incoming.pop()?;
        self.meters.popped.add(batch.len() as u64);
        Some(batch)
    }

    /// Sends a batch home, cleared. Do it as soon as its last frame is done and before any wait: a batch kept in hand holds the sender up.
    pub fn recycle(&mut self, mut batch: Batch) {
        batch.clear();
        schedule::point(Place::BatchHome);
        if let Err(stray) = self.home.push(batch) {
            // Room is there for every batch of this lane, so this one is from elsewhere, and its memory was never part of the lane's.
            drop(stray);
        }
    }

    /// Batches on their way.
    #[must_use]
    pub fn depth(&self) -> usize {
        self.incoming.len()
    }

    /// Whether the sender is gone. What it pushed before can still be popped: pop once more after this says so.
    #[must_use]
    pub fn is_abandoned(&self) -> bool {
        self.incoming.is_abandoned()
    }

    /// The lane's counters, for the registry.
    #[must_use]
    pub fn meters(&self) -> LaneMeters {
        self.meters.clone()
    }
}

/// A lane of single values from a shard to the outputs: at most `capacity` (at least 1) wait in it. The sender never blocks on it; a value that
/// comes back is the sender's to count as lost.
#[must_use]
pub fn alert_lane<T: Send>(capacity: usize) -> (Tx<T>, Rx<T>) {
    let (tx, rx) = ring(capacity.max(1));
    (Tx(tx), Rx(rx))
}

/// The sending end of [`alert_lane`].
#[derive(Debug)]
pub struct Tx<T>(Producer<T>);

impl<T> Tx<T> {
    /// Sends a value.
    ///
    /// # Errors
    /// Gives the value back if the lane is full.
    pub fn push(&mut self, value: T) -> Result<(), T> {
        schedule::point(Place::AlertPush);
        self.0.push(value)
    }

    /// Whether the next `n` pushes will be taken; of more than the lane can hold, whether it is empty.
    #[must_use]
    pub fn has_room(&self, n: usize) -> bool {
        self.0.free() >= n.min(self.0.capacity())
    }

    /// Values on their way.
    #[must_use]
    pub fn depth(&self) -> usize {
        self.0.capacity() - self.0.free()
    }

    /// Whether the receiver is gone.
    #[must_use]
    pub fn is_abandoned(&self) -> bool {
        self.0.is_abandoned()
    }
}

/// The receiving end of [`alert_lane`].
#[derive(Debug)]
pub struct Rx<T>(Consumer<T>);

impl<T> Rx<T> {
    /// The next value.
    pub fn pop(&mut self) -> Option<T> {
        schedule::point(Place::AlertPop);
        self.0.pop()
    }

    /// Values on their way.
    #[must_use]
    pub fn depth(&self) -> usize {
        self.0.len()
    }

    /// Whether the sender is gone. Pop once more after this says so.
    #[must_use]
    pub fn is_abandoned(&self) -> bool {
        self.0.is_abandoned()
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;
    use crate::Key;

    fn small() -> BatchLimits {
        BatchLimits { max_frames: 4, max_bytes: 256 }
    }

    #[test]
    fn full_lane_returns_the_batch() {
        let (mut tx, mut rx) = lane(1, small());
        let mut a = tx.take().unwrap();
        a.push(Key(1), b"a").unwrap();
        tx.push(a).unwrap();
        assert!(tx.is_full());
        let mut b = tx.take().unwrap();
        b.push(Key(2), b"b").unwrap();
        let b = tx.push(b).unwrap_err();
        assert_eq!(b.first_key(), Some(Key(2)));
        assert_eq!((tx.depth(), rx.depth(), rx.meters().depth()), (1, 1, 1));
        let a = rx.pop().unwrap();
        tx.push(b).unwrap();
        assert_eq!(a.first_key(), Some(Key(1)));
        assert_eq!(rx.pop().unwrap().first_key(), Some(Key(2)));
        assert!(rx.pop().is_none());
        assert_eq!(tx.meters().pushed.get(), 2, "a refused push is not counted");
    }

    #[test]
    fn batches_run_out_until_one_is_recycled() {
        let (mut tx, mut rx) = lane(1, small());
        let [a, b, c] = [(); 3].map(|()| tx.take().unwrap());
        assert!(tx.take().is_none());
        tx.push(a).unwrap();
        let a = rx.pop().unwrap();
        rx.recycle(a);
        assert!(tx.take().unwrap().is_empty());
        drop((b, c));
    }

    #[test]
    fn a_stray_batch_does_not_grow_the_lane() {
        let (mut tx, mut rx) = lane(1, small());
        rx.recycle(Batch::new(small()));
        assert_eq!(std::iter::from_fn(|| tx.take()).count(), 3);
    }

    #[test]
    fn ends_see_each_other_go() {
        let (tx, rx) = lane(1, small());
        assert!(!tx.is_abandoned() && !rx.is_abandoned());
        drop(rx);
        assert!(tx.is_abandoned());
        let (mut tx, mut rx) = alert_lane(2);
        tx.push(1).unwrap();
        drop(tx);
        assert!(rx.is_abandoned());
        assert_eq!((rx.pop(), rx.pop()), (Some(1), None));
    }

    #[test]
    fn full_alert_lane_returns_the_value() {
        let (mut tx, mut rx) = alert_lane(0);
        tx.push("first").unwrap();
        assert!(!tx.has_room(1) && tx.has_room(0));
        assert_eq!(tx.push("second"), Err("second"));
        assert_eq!((tx.depth(), rx.depth()), (1, 1));
        assert_eq!(rx.pop(), Some("first"));
        tx.push("second").unwrap();
    }
}
