//! The smallest capture threads and shards that keep the rules of the crate's documentation: what the loom model explores and the stress test runs.

use std::collections::VecDeque;
use std::sync::Arc;

use bus::{
    Batch, BatchLimits, Key, LaneRx, LaneTx, Unparker, WaitBoard, WaitLimits, Waiter, Watermark,
    lane,
};

/// One frame a batch, so that a lane of capacity 1 is full with one frame in it.
pub(crate) const ONE: BatchLimits = BatchLimits { max_frames: 1, max_bytes: 8 };

/// The rings of one capture thread: (key, shard), each sorted by key.
pub(crate) type Rings = Vec<VecDeque<(u64, usize)>>;

pub(crate) fn wake_all(threads: &[Unparker]) {
    for thread in threads {
        thread.wake();
    }
}

/// A batch with one frame, if there is a batch.
pub(crate) fn frame(tx: &mut LaneTx, key: u64) -> Option<Batch> {
    let mut batch = tx.take()?;
    batch.push(Key(key), &key.to_le_bytes()).expect("an empty batch takes one frame");
    Some(batch)
}

/// A capture thread: rings of (key, shard), merged by key, into one lane per shard.
pub(crate) struct Capture {
    rings: Rings,
    lanes: Vec<LaneTx>,
    /// Sealed and refused, per shard.
    held: Vec<Option<Batch>>,
    watermark: Arc<Watermark>,
    shards: Vec<Unparker>,
    waiter: Waiter,
}

impl Capture {
    pub(crate) fn run(mut self) {
        loop {
            for (shard, lane) in self.lanes.iter_mut().enumerate() {
                if let Some(batch) = self.held[shard].take() {
                    match lane.push(batch) {
                        Ok(()) => {
                            self.waiter.reset();
                            self.shards[shard].wake();
                        }
                        Err(refused) => self.held[shard] = Some(refused),
                    }
                }
            }
            let heads = self.rings.iter_mut().filter(|r| !r.is_empty());
            let oldest_read = heads.min_by_key(|r| r[0].0);
            let oldest_key = oldest_read.as_ref().map(|r| Key(r[0].0));
            if let Some(ring) = oldest_read {
                let (key, shard) = ring[0];
                // A shard whose lane is full holds up the ring's head, and with it what comes after.
                if self.held[shard].is_none()
                    && let Some(batch) = frame(&mut self.lanes[shard], key)
                {
                    ring.pop_front();
                    self.held[shard] = Some(batch);
                    continue;
                }
            }
            let oldest_held = self.held.iter().flatten().filter_map(Batch::first_key).min();
            let oldest = oldest_held.into_iter().chain(oldest_key).min();
            if self.watermark.publish(oldest.map_or(Key::MAX, Key::prev)) {
                wake_all(&self.shards);
            }
            if oldest.is_none() {
                break;
            }
            self.waiter.idle();
        }
    }
}

/// A shard: holds one batch of each lane, releases the smallest if the watermarks allow, and first waits until the other shards have applied all that
/// is before it.
pub(crate) struct Shard {
    lanes: Vec<LaneRx>,
    watermarks: Vec<Arc<Watermark>>,
    captures: Vec<Unparker>,
    index: usize,
    board: Arc<WaitBoard>,
    /// Of every shard, this one included.
    applied: Vec<Arc<Watermark>>,
    shards: Vec<Unparker>,
    waiter: Waiter,
}

impl Shard {
    fn publish(&self, applied: Key) {
        if self.applied[self.index].publish(applied) {
            for shard in self.board.reached(self.index, applied) {
                self.shards[shard].wake();
            }
        }
    }

    /// Waits until another shard has applied what is before `key`. That one may sleep, and its watermarks have moved: it is woken once.
    fn wait_for(&mut self, other: usize, key: Key) {
        let until = key.prev();
        if self.applied[other].get() >= until {
            return;
        }
        self.board.post(self.index, other, until);
        if self.applied[other].get() < until {
            self.shards[other].wake();
            while self.applied[other].get() < until {
                self.waiter.idle();
            }
        }
        self.board.clear(self.index);
    }

    pub(crate) fn run(mut self) -> Vec<u64> {
        let mut seen = Vec::new();
        let mut held: Vec<Option<Batch>> = self.lanes.iter().map(|_| None).collect();
        loop {
            let released = self.watermarks.iter().map(|w| w.get()).min().unwrap_or(Key::MAX);
            for (held, lane) in held.iter_mut().zip(&mut self.lanes) {
                if held.is_none() {
                    *held = lane.pop();
                }
            }
            let keys = held
                .iter()
                .enumerate()
                .filter_map(|(from, b)| Some((b.as_ref()?.first_key()?, from)));
            let oldest = keys.min();
            let Some((key, from)) = oldest.filter(|(key, _)| *key <= released) else {
                self.publish(released);
                if released == Key::MAX {
                    return seen;
                }
                if oldest.is_some() {
                    wake_all(&self.captures);
                }
                self.waiter.idle();
                continue;
            };
            self.publish(key);
            for other in 0..self.shards.len() {
                if other != self.index {
                    self.wait_for(other, key);
                }
            }
            self.waiter.reset();
            seen.push(key.0);
            if let Some(batch) = held[from].take() {
                self.lanes[from].recycle(batch);
                self.captures[from].wake();
            }
        }
    }
}

/// Makes the threads: a capture thread per element of `rings`, `n_shards` shards, and a lane of capacity 1 from each to each. A shard's `run` gives
/// the keys it saw; the second value says which it should have seen.
pub(crate) fn topology(
    rings: Vec<Rings>,
    n_shards: usize,
    limits: WaitLimits,
) -> (Vec<Capture>, Vec<(Shard, Vec<u64>)>) {
    let waiters = |n: usize| (0..n).map(|_| Waiter::new(limits)).collect::<Vec<_>>();
    let watermarks = |n: usize| (0..n).map(|_| Arc::new(Watermark::new())).collect::<Vec<_>>();
    let (capture_waiters, shard_waiters) = (waiters(rings.len()), waiters(n_shards));
    let (marks, applied) = (watermarks(rings.len()), watermarks(n_shards));
    let wake_captures: Vec<_> = capture_waiters.iter().map(Waiter::unparker).collect();
    let wake_shards: Vec<_> = shard_waiters.iter().map(Waiter::unparker).collect();

    let board = Arc::new(WaitBoard::new(n_shards));

    let mut keys = vec![Vec::new(); n_shards];
    for &(key, shard) in rings.iter().flatten().flatten() {
        keys[shard].push(key);
    }
    let mut rxs: Vec<Vec<LaneRx>> = (0..n_shards).map(|_| Vec::new()).collect();
    let mut captures = Vec::new();
    for ((rings, waiter), watermark) in rings.into_iter().zip(capture_waiters).zip(&marks) {
        let (lanes, ends): (Vec<_>, Vec<_>) = (0..n_shards).map(|_| lane(1, ONE)).unzip();
        rxs.iter_mut().zip(ends).for_each(|(rxs, rx)| rxs.push(rx));
        let held = lanes.iter().map(|_| None).collect();
        let (watermark, shards) = (Arc::clone(watermark), wake_shards.clone());
        captures.push(Capture { rings, lanes, held, watermark, shards, waiter });
    }
    let mut shards = Vec::new();
    for (n, ((lanes, waiter), mut keys)) in rxs.into_iter().zip(shard_waiters).zip(keys).enumerate()
    {
        keys.sort_unstable();
        let shard = Shard {
            lanes,
            watermarks: marks.clone(),
            captures: wake_captures.clone(),
            index: n,
            board: Arc::clone(&board),
            applied: applied.clone(),
            shards: wake_shards.clone(),
            waiter,
        };
        shards.push((shard, keys));
    }
    (captures, shards)
}
