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
//! These are the things a thread waits for, and the rules:
//!
//! 1. A **capture thread** waits for room: its lane to a shard is full, or no empty batch has come home. Meanwhile it pushes to its other lanes
//!    whatever it can, and its watermark stands just below its oldest frame that is not yet pushed, one that was handed to it by another thread
//!    included. A thread that holds no such frame publishes its clock (a replay: the last key read), and at the end [`Key::MAX`]. Which shard a frame
//!    is for does not matter: it goes there in the order of keys, so each lane is sorted.
//! 2. A **shard** waits for the watermarks of all capture threads. It releases every frame up to the smallest, and sends a batch home as soon as
//!    the last of its frames is done. Live it does not wait for ever: past a bound it goes on without those that stand still, tells how far before it
//!    waits for anybody, and every shard may release as much.
//! 3. A shard that looks at another one's state as of key *k* waits until that one has **applied** everything below *k*. It has published its own
//!    `applied` before, up to the frame that it cannot apply.
//! 4. No shard waits for an output, live: a full alert lane gives the alert back, and it is counted as lost. In a replay a shard waits for room, and who
//!    delivers waits for no shard while a lane is full: it takes alerts out before it puts them in order.
//! 5. A shard takes no window between the announcement of a change and its decision ([`Turn`]). Who makes the change waits for nobody in between.
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
//! Without a straggler (rule 2) the argument is the same with the largest key that any shard has released in the place of the watermarks. Late frames
//! get keys just above what their shard has released, which may be those of frames on other shards; a wait for what is *below* the key of a frame
//! still points to a smaller key of the shard that is waited for, and so closes no circle. That shard may have nothing to do, and the straggler's watermark
//! may wait for this very one: so it must follow what others have released, and not its watermarks alone.
//!
//! If no capture thread waits for room, all watermarks advance and every frame is released. What is left is that no wake is lost: see
//! [`Sleeping`]. Who has to wake whom:
//!
//! - A capture thread that has pushed asks the others for their watermarks, waking those that are behind; then it wakes the shards that can go on. Who was
//!   asked wakes all shards once it has come so far. In this order a shard either sees the watermark or is woken for it.
//! - A thread that naps ([`Naps`]) is woken by nobody and looks at everything when the nap ends, so a nap is time that passes and no wait: it delays what others
//!   wait for by its length, and changes nothing in who may go on or who has to wake whom. Only threads that wake up from it by themselves may nap.
//! - Who was asked by several answers when it has come to what the last one asked for. It may have no room, and never come to it before a shard goes
//!   on that waits for less: so who waits for room wakes the reader of its full lane before it sleeps, and sleeps for half a millisecond at most. Nobody
//!   wakes it.
//! - A shard wakes, after publishing `applied`, those shards that wait for it ([`WaitBoard`]); before it waits for another shard that one, once, since its
//!   watermarks may have moved while it slept; and, when frames wait for nothing but the watermark of a thread that may be asleep, that thread.
//!
//! `tests/loom.rs` explores small cases of this protocol; `stages/tests/topology` runs real capture threads and shards over lanes of one batch, none of which
//! wakes by itself.

#![forbid(unsafe_code)]

mod batch;
mod board;
mod key;
mod lane;
mod nap;
pub mod schedule;
mod sync;
mod turn;
mod wait;
mod watermark;

pub use batch::{Batch, BatchFull, BatchLimits};
pub use board::WaitBoard;
pub use key::{Key, KeyClock, RingKeys};
pub use lane::{LaneMeters, LaneRx, LaneTx, Rx, Tx, alert_lane, lane};
pub use nap::Naps;
pub use turn::{Order, Turn};
pub use wait::{Backoff, Sleeping, Unparker, WaitLimits, Waiter};
pub use watermark::Watermark;
