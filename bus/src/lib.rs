//! Lanes of batches between threads, one total order over what they carry, and waiting without lost wakes. Knows nothing of events.
//!
//! `capture thread ─ take Batch, push frames by Key, LaneTx::push, Watermark::publish, Unparker::wake ─▶ shard ─ Watermark::get, LaneRx::pop,
//! release up to the smallest watermark, LaneRx::recycle ─ alert_lane ─▶ outputs`
//!
//! ```
//! use std::sync::Arc;
//! use bus::{BatchLimits, Key, WaitLimits, Waiter, Watermark, lane};
//!
//! let (mut tx, mut rx) = lane(4, BatchLimits { max_frames: 2, max_bytes: 4096 });
//! let watermark = Arc::new(Watermark::new());
//! let mut waiter = Waiter::new(WaitLimits::default());
//! let (theirs, unparker) = (Arc::clone(&watermark), waiter.unparker());
//!
//! let capture = std::thread::spawn(move || {
//!     let mut open = tx.take().unwrap();
//!     open.push(Key(1), b"exec").unwrap();
//!     open.push(Key(2), b"open").unwrap();
//!     tx.push(open).unwrap();
//!     theirs.publish(Key::MAX); // after the push: nothing up to here is missing, and nothing follows
//!     unparker.wake(); // after both
//! });
//!
//! let mut seen = Vec::new();
//! loop {
//!     let released = watermark.get(); // first the watermark,
//!     let Some(batch) = rx.pop() else { // then the lane
//!         if released == Key::MAX {
//!             break;
//!         }
//!         waiter.idle();
//!         continue;
//!     };
//!     waiter.reset();
//!     seen.extend(batch.frames().map(|(key, frame)| (key, frame.to_vec())));
//!     rx.recycle(batch);
//! }
//! capture.join().unwrap();
//! assert_eq!(seen, [(Key(1), b"exec".to_vec()), (Key(2), b"open".to_vec())]);
//! ```
//!
//! # Why it cannot deadlock
//!
//! There are three things a thread waits for, and these rules:
//!
//! 1. A **capture thread** waits for room: its lane to a shard is full, or no empty batch has come home. Meanwhile it pushes to its other lanes
//!    whatever it can, and its watermark stands just below its oldest frame that is not yet pushed. A thread that holds no such frame
//!    publishes its clock (a replay: the last key read), and at the end [`Key::MAX`].
//! 2. A **shard** waits for the watermarks of all capture threads. It releases every frame up to the smallest, and sends a batch home as soon as
//!    the last of its frames is done.
//! 3. A shard that looks at another one's state as of key *k* waits until that one has **applied** everything below *k*. It has published its own
//!    `applied` before, and it applies a released window before it looks at anything.
//! 4. No shard waits for an output: a full alert lane gives the alert back, and it is counted as lost.
//!
//! Suppose that nobody can move, and that some capture thread waits for room. Of all frames that such threads hold, let *f* with key *k* be the
//! one with the smallest key, and let it be meant for lane *L* from thread *c* to shard *s*. By rule 1 every watermark reaches *k* - 1, sooner or
//! later: those of threads that hold frames are just below frames with keys of *k* or more, and the others run with the clock. So every frame
//! below *k* has been pushed, and every shard may release all of them. Waits for `applied` among these frames point to smaller keys only, and keys
//! have no ties: they form no circle, and the smallest one waits for nothing. So every shard gets through all its frames below *k*. Now a
//! lane is sorted, so all frames in *L*, and all frames of its batches in the hands of *s*, were pushed before *f* and have keys below *k*:
//! *s* gets through all of them, sends their batches home, and *L* has room. That is a contradiction: the oldest full lane can always be
//! released.
//!
//! If no capture thread waits for room, all watermarks advance and every frame is released. What is left is that no wake is lost: see
//! [`Sleeping`]. Who has to wake whom: a capture thread wakes a shard after a push and all shards after its watermark has moved; a shard wakes the
//! capture thread after sending a batch home; after publishing `applied` those shards that wait for it ([`WaitBoard`]); before it waits for another
//! shard that one, once, since its watermarks may have moved while it slept; and, when frames wait for nothing but the watermark of a thread that
//! may be asleep, that thread. `tests/loom.rs` explores small cases of this protocol.

#![deny(unsafe_code)]

#[expect(unsafe_code, reason = "entries point into the arena that the batch owns")]
mod batch;
mod board;
mod key;
mod lane;
pub mod schedule;
mod sync;
mod turn;
mod wait;
mod watermark;

pub use batch::{Batch, BatchFull, BatchLimits};
pub use board::WaitBoard;
pub use key::{Key, KeyClock, RingKeys};
pub use lane::{LaneMeters, LaneRx, LaneTx, Rx, Tx, alert_lane, lane};
pub use turn::{Order, Turn};
pub use wait::{Backoff, Sleeping, Unparker, WaitLimits, Waiter};
pub use watermark::Watermark;
