//! The way out of a source: one open batch for each shard's lane, and one for the recorder's.

use std::sync::Arc;

use bus::{Batch, BatchFull, Key, LaneTx, Unparker, Watermark};
use event::{FrameHeader, MAX_FRAME_LEN};

use crate::route::{Router, Way};

/// What became of a frame that was put.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Put {
    /// It lies in a batch.
    Taken,
    /// Its lane is full: put it again later.
    Full,
    /// It is larger than any batch, or empty batches cannot hold it: it can never be put.
    TooLarge,
}

/// The sending end of one lane.
#[derive(Debug)]
struct Outlet {
    lane: LaneTx,
    open: Option<Batch>,
    /// The open batch is full and could not be pushed yet.
    is_sealed: bool,
    waker: Unparker,
    /// Last key that was pushed.
    pushed: Key,
    /// Watermark at which the reader was woken last.
    woken_at: Key,
}

impl Outlet {
    fn new((lane, waker): (LaneTx, Unparker)) -> Self {
        Self { lane, open: None, is_sealed: false, waker, pushed: Key::MIN, woken_at: Key::MIN }
    }

    /// Pushes the open batch; gives `false` where the lane is full. A batch for a reader that is gone is counted and dropped.
    fn push_open(&mut self, now: u64, n_abandoned: &mut u64) -> bool {
        let Some(mut batch) = self.open.take() else { return true };
        let Some(last) = batch.last_key() else {
            self.open = Some(batch);
            return true;
        };
        let n_frames = batch.len() as u64;
        batch.set_sealed_at(now);
        let refused =
            if self.lane.is_abandoned() { Some(batch) } else { self.lane.push(batch).err() };
        match refused {
            None => self.pushed = last,
            Some(mut batch) if self.lane.is_abandoned() => {
                batch.clear();
                *n_abandoned += n_frames;
                self.open = Some(batch);
            }
            Some(batch) => {
                self.open = Some(batch);
                self.is_sealed = true;
                return false;
            }
        }
        self.is_sealed = false;
        true
    }

    fn put(&mut self, key: Key, frame: &[u8], now: u64, n_abandoned: &mut u64) -> Put {
        loop {
            if self.is_sealed && !self.push_open(now, n_abandoned) {
                return Put::Full;
            }
            if self.open.is_none() {
                self.open = self.lane.take();
            }
            let Some(batch) = &mut self.open else {
                if self.lane.is_abandoned() {
                    // Its batches went with the reader.
                    *n_abandoned += 1;
                    return Put::Taken;
                }
                return Put::Full;
            };
            match batch.push(key, frame) {
                Ok(()) => return Put::Taken,
                Err(BatchFull::TooLong { .. }) => return Put::TooLarge,
                Err(_) if batch.is_empty() => return Put::TooLarge,
                Err(_) => self.is_sealed = true,
            }
        }
    }

    /// Room for the longest frame in the open batch, where there is any without waiting.
    #[inline]
    fn room(&mut self) -> Option<&mut [u8]> {
        if self.is_sealed {
            return None;
        }
        if self.open.is_none() {
            self.open = self.lane.take();
        }
        self.open.as_mut()?.room(MAX_FRAME_LEN)
    }

    fn oldest(&self) -> Option<Key> {
        self.open.as_ref()?.first_key()
    }

    /// Batches that are full and that the reader has not taken.
    fn load(&self) -> usize {
        self.lane.depth() + usize::from(self.is_sealed)
    }
}

/// All lanes of one source, and its watermark.
#[derive(Debug)]
pub(crate) struct Outlets {
    shards: Vec<Outlet>,
    router: Router,
    recorder: Option<Outlet>,
    /// Where the frame goes that is being made in a batch.
    way: Way,
    /// Key of the frame that the recorder has already and its shard has not.
    recorded: Option<Key>,
    watermark: Arc<Watermark>,
    /// Last key that was pushed when the watermark was published.
    pushed: Key,
    /// Frames that were lost because their shard is gone.
    pub(crate) n_abandoned: u64,
    /// Frames that were not recorded because the recorder is gone.
    pub(crate) n_unrecorded: u64,
    /// Frames that another shard got than the owner of their process.
    pub(crate) n_spread: u64,
}

impl Outlets {
    /// `lanes[n]` leads to shard `n`.
    pub(crate) fn new(
        lanes: Vec<(LaneTx, Unparker)>,
        recorder: Option<(LaneTx, Unparker)>,
        watermark: Arc<Watermark>,
    ) -> Self {
        let capacity = lanes.iter().map(|(lane, _)| lane.capacity()).min().unwrap_or(1);
        Self {
            router: Router::new(lanes.len(), capacity),
            shards: lanes.into_iter().map(Outlet::new).collect(),
            recorder: recorder.map(Outlet::new),
            way: Way { shard: 0, owner: 0 },
            recorded: None,
            watermark,
            pushed: Key::MIN,
            n_abandoned: 0,
            n_unrecorded: 0,
            n_spread: 0,
        }
    }

    pub(crate) fn router(&mut self) -> &mut Router {
        &mut self.router
    }

    pub(crate) fn n_shards(&self) -> usize {
        self.shards.len()
    }

    pub(crate) fn watermark(&self) -> &Arc<Watermark> {
        &self.watermark
    }

    /// Copies a frame into the open batch of the shard that the router gives it to, and of the recorder. All or nothing from the caller's view:
    /// after `Full` the same frame has to be put again before any other.
    pub(crate) fn put(&mut self, header: &FrameHeader, key: Key, frame: &[u8], now: u64) -> Put {
        if let Some(recorder) = &mut self.recorder
            && self.recorded != Some(key)
        {
            match recorder.put(key, frame, now, &mut self.n_unrecorded) {
                Put::Taken => self.recorded = Some(key),
                other => return other,
            }
        }
        let Self { shards, router, n_abandoned, n_spread, .. } = self;
        let mut way = router.route(header, |shard| shards[shard].load());
        let mut put = shards[way.shard].put(key, frame, now, n_abandoned);
        if put == Put::Full
            && let Some(other) = router.relieve(header, way, |shard| shards[shard].load())
        {
            way = other;
            put = shards[way.shard].put(key, frame, now, n_abandoned);
        }
        if put == Put::Taken && way.is_spread() {
            *n_spread += 1;
        }
        put
    }

    /// Room for the frame of this header, however long, in the batch that it goes into, to be made there; `None` where it has to be made elsewhere and put.
    #[inline]
    pub(crate) fn room(&mut self, header: &FrameHeader) -> Option<&mut [u8]> {
        if self.recorder.is_some() {
            return None;
        }
        let Self { shards, router, way, .. } = self;
        *way = router.route(header, |shard| shards[shard].load());
        shards[way.shard].room()
    }

    /// Takes in the frame that was made in the first `len` bytes of [`Outlets::room`].
    #[inline]
    pub(crate) fn take_in(&mut self, key: Key, len: usize) {
        let Self { shards, way, n_spread, .. } = self;
        *n_spread += u64::from(way.is_spread());
        if let Some(batch) = &mut shards[way.shard].open {
            batch.take_in(key, len);
        }
    }

    /// Pushes every open batch that has frames. Gives `false` where some lane is full; the others are pushed all the same.
    pub(crate) fn flush(&mut self, now: u64) -> bool {
        let mut is_clear =
            self.recorder.as_mut().is_none_or(|r| r.push_open(now, &mut self.n_unrecorded));
        for outlet in &mut self.shards {
            is_clear &= outlet.push_open(now, &mut self.n_abandoned);
        }
        is_clear
    }

    /// Publishes the watermark: `bound`, or just below the oldest frame that is not pushed yet. Gives the last key that was pushed since it was
    /// called before. Readers are to be woken after it.
    pub(crate) fn publish(&mut self, bound: Key) -> Option<Key> {
        let all = || self.shards.iter().chain(&self.recorder);
        let oldest = all().filter_map(Outlet::oldest).min();
        let watermark = oldest.map_or(bound, |key| bound.min(key.prev()));
        self.watermark.publish(watermark);
        let pushed = self.shards.iter().chain(&self.recorder).map(|o| o.pushed).max();
        pushed.filter(|&key| std::mem::replace(&mut self.pushed, key) < key)
    }

    /// Wakes the readers that can go on now.
    pub(crate) fn wake_readers(&mut self) {
        let watermark = self.watermark.get();
        for outlet in self.shards.iter_mut().chain(&mut self.recorder) {
            if outlet.woken_at < outlet.pushed && outlet.woken_at < watermark {
                outlet.woken_at = watermark;
                outlet.waker.wake();
            }
        }
    }

    /// Wakes the readers whose lanes are full.
    pub(crate) fn wake_held_up(&self) {
        for outlet in self.shards.iter().chain(&self.recorder).filter(|o| o.is_sealed) {
            outlet.waker.wake();
        }
    }

    /// Wakes every reader: some wait for this watermark to release what others pushed.
    pub(crate) fn wake_all(&self) {
        for outlet in self.shards.iter().chain(&self.recorder) {
            outlet.waker.wake();
        }
    }

    /// Says that no frame will follow.
    pub(crate) fn end(&mut self) {
        self.watermark.publish(Key::MAX);
        self.wake_all();
    }
}

#[cfg(test)]
mod tests {
    use bus::{BatchLimits, WaitLimits, Waiter};

    use super::*;

    #[test]
    fn a_reader_that_goes_with_every_batch_holds_up_nobody() {
        let (tx, mut rx) = bus::lane(1, BatchLimits { max_frames: 1, max_bytes: 64 });
        let waiter = Waiter::new(WaitLimits::default());
        let watermark = Arc::new(Watermark::new());
        let mut out = Outlets::new(vec![(tx, waiter.unparker())], None, watermark);
        let (mut n_put, mut held) = (0, Vec::new());
        let header = FrameHeader::default();
        while matches!(out.put(&header, Key(n_put + 1), b"frame", 0), Put::Taken) {
            n_put += 1;
            out.flush(0);
            held.extend(rx.pop());
            assert!(n_put < 100, "a lane has so many batches and no more");
        }
        drop((rx, held));
        for n in 0..10 {
            let key = Key(n_put + 1 + n);
            assert!(matches!(out.put(&header, key, b"frame", 0), Put::Taken), "{n}");
            out.flush(0);
        }
        assert_eq!(out.n_abandoned, 10);
    }
}
