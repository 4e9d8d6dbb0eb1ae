//! Lanes into one sorted stream: a loser tree over the lanes' heads, released up to the smallest watermark.

use std::sync::Arc;

use bus::{Batch, Key, LaneRx, Watermark};

/// Where a frame of the window lies.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Entry {
    /// Place in the order of state.
    pub(crate) key: Key,
    /// Key it came with.
    pub(crate) own_key: Key,
    slot: u32,
    index: u32,
}

/// A batch in use, and the lane it goes back to.
struct Held {
    lane: usize,
    batch: Batch,
}

/// How far the sources of a [`Merge`] are.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Bounds {
    /// The smallest watermark.
    pub(crate) smallest: Key,
    /// The smallest of those that are no stragglers: nothing of theirs up to here is missing.
    pub(crate) waited_for: Key,
}

struct Lane {
    rx: LaneRx,
    /// The batch that is being read: its place in `held`, and the next frame in it.
    open: Option<(usize, usize)>,
}

/// Merges sorted lanes by key.
///
/// `fill` takes a window of frames, `frames` reads them as often as need be, `clear` lets them go. The smallest watermark bounds a window: the
/// watermarks are read before the lanes are popped, so a lane that is then empty holds nothing below the bound.
pub struct Merge {
    lanes: Vec<Lane>,
    watermarks: Vec<Arc<Watermark>>,
    /// Which of them are not waited for, because they stood still for too long.
    stragglers: Vec<bool>,
    held: Vec<Option<Held>>,
    free: Vec<usize>,
    /// Places in `held` whose last frame is in the window.
    spent: Vec<usize>,
    tree: LoserTree,
    entries: Vec<Entry>,
    /// Everything up to here has been released.
    released: Key,
    n_late: u64,
    /// When the batches opened since the last look were sealed.
    sealed: Vec<u64>,
}

impl Merge {
    /// Merges these lanes under these watermarks; windows hold at most `max_frames`.
    #[must_use]
    pub fn new(lanes: Vec<LaneRx>, watermarks: Vec<Arc<Watermark>>, max_frames: usize) -> Self {
        let n = lanes.len();
        Self {
            lanes: lanes.into_iter().map(|rx| Lane { rx, open: None }).collect(),
            stragglers: vec![false; watermarks.len()],
            watermarks,
            held: Vec::new(),
            free: Vec::new(),
            spent: Vec::with_capacity(2 * n),
            tree: LoserTree::new(n),
            entries: Vec::with_capacity(max_frames.max(1)),
            released: Key::MIN,
            n_late: 0,
            sealed: Vec::with_capacity(4 * n),
        }
    }

    /// The smallest watermark. Everything up to it has been pushed.
    #[must_use]
    pub fn bound(&self) -> Key {
        self.watermarks.iter().map(|w| w.get()).min().unwrap_or(Key::MAX)
    }

    /// Takes a window of frames with keys up to `bound`, at most as many as were asked for at the start, and says up to which key nothing is
    /// missing. `bound` must have been read before (see [`Merge::bound`]). The last window must have been cleared.
    ///
    /// A frame at or below what was already released (only possible where a bound above the watermarks was given) is late: it gets the next
    /// key that is free.
    pub fn fill(&mut self, bound: Key) -> Key {
        debug_assert!(self.entries.is_empty(), "the window before was cleared");
        for lane in 0..self.lanes.len() {
            let key = self.head(lane);
            self.tree.set(lane, key);
        }
        self.tree.rebuild();
        let max = self.entries.capacity();
        while self.entries.len() < max {
            let Some((lane, _)) = self.tree.winner().filter(|(_, key)| *key <= bound) else {
                break;
            };
            let Some((slot, index)) = self.lanes[lane].open else { break };
            let Some(index) = self.take(slot, index, bound) else { break };
            let head = self.go_to(lane, slot, index);
            self.tree.replace_winner(head);
        }
        if self.entries.len() < max {
            self.released = self.released.max(bound);
        }
        self.released
    }

    /// Key of a lane's first frame, a batch being opened if need be.
    fn head(&mut self, lane: usize) -> Option<Key> {
        if let Some((slot, index)) = self.lanes[lane].open {
            return self.key_at(slot, index);
        }
        loop {
            let batch = self.lanes[lane].rx.pop()?;
            let Some(first) = batch.first_key() else {
                self.lanes[lane].rx.recycle(batch);
                continue;
            };
            if self.sealed.len() < self.sealed.capacity() {
                self.sealed.push(batch.sealed_at());
            }
            let held = Some(Held { lane, batch });
            let slot = if let Some(slot) = self.free.pop() {
                self.held[slot] = held;
                slot
            } else {
                self.held.push(held);
                self.held.len() - 1
            };
            self.lanes[lane].open = Some((slot, 0));
            return Some(first);
        }
    }

    fn key_at(&self, slot: usize, index: usize) -> Option<Key> {
        self.held.get(slot)?.as_ref()?.batch.key(index)
    }

    /// Takes the first frame of the winner's open batch into the window, and where there is no other lane all that follow up to `bound`. Gives the place
    /// of the next one.
    fn take(&mut self, slot: usize, index: usize, bound: Key) -> Option<usize> {
        let is_alone = self.lanes.len() == 1;
        let Self { held, entries, released, n_late, .. } = self;
        let batch = &held.get(slot)?.as_ref()?.batch;
        let first = index;
        let mut index = index;
        while let Some(own_key) = batch.key(index)
            && own_key <= bound
            && (index == first || is_alone)
            && entries.len() < entries.capacity()
        {
            let key = if own_key > *released {
                own_key
            } else {
                *n_late += 1;
                released.next()
            };
            *released = key;
            entries.push(Entry { key, own_key, slot: slot as u32, index: index as u32 });
            index += 1;
        }
        Some(index)
    }

    /// Goes on to this frame of a lane's open batch, or to its next batch; gives the key.
    fn go_to(&mut self, lane: usize, slot: usize, index: usize) -> Option<Key> {
        if let Some(key) = self.key_at(slot, index) {
            self.lanes[lane].open = Some((slot, index));
            return Some(key);
        }
        self.spent.push(slot);
        self.lanes[lane].open = None;
        self.head(lane)
    }

    pub(crate) fn entries(&self) -> &[Entry] {
        &self.entries
    }

    pub(crate) fn bytes(&self, entry: &Entry) -> &[u8] {
        let held = self.held.get(entry.slot as usize).and_then(Option::as_ref);
        held.and_then(|h| h.batch.get(entry.index as usize)).map_or(&[], |(_, bytes)| bytes)
    }

    /// The frames of the window, in order, each with its place in the order of state.
    pub fn frames(&self) -> impl Iterator<Item = (Key, &[u8])> {
        self.entries.iter().map(|e| (e.key, self.bytes(e)))
    }

    /// Frames in the window.
    #[must_use]
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// Whether the window is empty.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// Lets the window go: batches whose last frame was in it go home.
    pub fn clear(&mut self) {
        self.entries.clear();
        for slot in self.spent.drain(..) {
            if let Some(Held { lane, batch }) = self.held[slot].take() {
                self.lanes[lane].rx.recycle(batch);
                self.free.push(slot);
            }
        }
    }

    /// When the batches opened since the last call were sealed, where they say; as many as there is room for.
    pub(crate) fn drain_sealed(&mut self) -> impl Iterator<Item = u64> {
        self.sealed.drain(..).filter(|&ns| ns != 0)
    }

    /// Late frames so far.
    #[must_use]
    pub fn n_late(&self) -> u64 {
        self.n_late
    }

    /// Everything up to this key has been released.
    #[must_use]
    pub fn released(&self) -> Key {
        self.released
    }

    /// Whether any lane has a frame that was not released yet.
    #[must_use]
    pub fn has_waiting(&mut self) -> bool {
        (0..self.lanes.len()).any(|lane| self.head(lane).is_some())
    }

    /// Whether the sources have ended and every frame was released.
    pub fn is_finished(&mut self) -> bool {
        self.bound() == Key::MAX && self.entries.is_empty() && !self.has_waiting()
    }

    /// How far the sources are. A straggler is waited for again once it has passed what was released without it.
    pub(crate) fn bounds(&mut self) -> Bounds {
        let Self { watermarks, stragglers, released, .. } = self;
        let mut bounds = Bounds { smallest: Key::MAX, waited_for: Key::MAX };
        for (watermark, is_straggler) in watermarks.iter().zip(&mut *stragglers) {
            let watermark = watermark.get();
            bounds.smallest = bounds.smallest.min(watermark);
            *is_straggler &= watermark <= *released;
            if !*is_straggler {
                bounds.waited_for = bounds.waited_for.min(watermark);
            }
        }
        if bounds.waited_for > bounds.smallest && bounds.waited_for == Key::MAX {
            // The others have ended: nothing that came after `MAX` could be told apart.
            bounds.waited_for = self.newest_at_hand().unwrap_or(self.released);
        }
        bounds
    }

    /// Waits no more for the sources that hold up what lies at hand.
    pub(crate) fn give_up_stragglers(&mut self) {
        for (watermark, is_straggler) in self.watermarks.iter().zip(&mut self.stragglers) {
            *is_straggler |= watermark.get() <= self.released;
        }
    }

    fn newest_at_hand(&self) -> Option<Key> {
        let open = self.lanes.iter().filter_map(|lane| {
            let (slot, _) = lane.open?;
            self.held[slot].as_ref()?.batch.last_key()
        });
        open.max()
    }
}

/// A tournament over the lanes' heads: each inner node keeps the loser of its match, the root the winner. One path of `log2(lanes)` matches
/// per frame.
struct LoserTree {
    /// Head of each lane; `None` is after everything.
    heads: Vec<Option<Key>>,
    /// `losers[0]` is the winner, `losers[1..]` the inner nodes.
    losers: Vec<usize>,
}

impl LoserTree {
    fn new(n: usize) -> Self {
        Self { heads: vec![None; n], losers: vec![0; n] }
    }

    fn set(&mut self, lane: usize, head: Option<Key>) {
        self.heads[lane] = head;
    }

    /// Whether lane `a` goes before lane `b`.
    fn before(&self, a: usize, b: usize) -> bool {
        match (self.heads[a], self.heads[b]) {
            (Some(a), Some(b)) => a < b,
            (Some(_), None) => true,
            (None, _) => false,
        }
    }

    /// Plays every match anew. O(lanes).
    fn rebuild(&mut self) {
        if !self.heads.is_empty() {
            let winner = self.play(1);
            self.losers[0] = winner;
        }
    }

    /// Plays the subtree under an inner node and gives its winner. Leaves are numbered `n..2n`.
    fn play(&mut self, node: usize) -> usize {
        let n = self.heads.len();
        if node >= n {
            return node - n;
        }
        let (a, b) = (self.play(2 * node), self.play(2 * node + 1));
        let (winner, loser) = if self.before(b, a) { (b, a) } else { (a, b) };
        self.losers[node] = loser;
        winner
    }

    fn winner(&self) -> Option<(usize, Key)> {
        let lane = *self.losers.first()?;
        Some((lane, self.heads[lane]?))
    }

    /// Gives the winner's lane a new head and plays its path to the root.
    fn replace_winner(&mut self, head: Option<Key>) {
        let mut winner = self.losers[0];
        self.heads[winner] = head;
        // The parent of leaf `n + winner`.
        let mut node = usize::midpoint(winner, self.heads.len());
        while node >= 1 {
            let loser = self.losers[node];
            if self.before(loser, winner) {
                self.losers[node] = winner;
                winner = loser;
            }
            node /= 2;
        }
        self.losers[0] = winner;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use bus::{BatchLimits, LaneTx, lane};
    use proptest::prelude::*;

    const LIMITS: BatchLimits = BatchLimits { max_frames: 3, max_bytes: 1 << 12 };

    fn send(tx: &mut LaneTx, keys: &[u64]) {
        for chunk in keys.chunks(3) {
            let mut batch = tx.take().unwrap();
            for &k in chunk {
                batch.push(Key(k), &k.to_le_bytes()).unwrap();
            }
            tx.push(batch).unwrap();
        }
    }

    fn drain(merge: &mut Merge, bound: Key) -> Vec<u64> {
        let mut all = Vec::new();
        loop {
            merge.fill(bound);
            if merge.is_empty() {
                return all;
            }
            for (key, bytes) in merge.frames() {
                assert_eq!(bytes, key.0.to_le_bytes());
                all.push(key.0);
            }
            merge.clear();
        }
    }

    #[test]
    fn nothing_above_the_smallest_watermark_is_released() {
        let (mut tx0, rx0) = lane(4, LIMITS);
        let (mut tx1, rx1) = lane(4, LIMITS);
        let w: Vec<_> = (0..2).map(|_| Arc::new(Watermark::new())).collect();
        let mut merge = Merge::new(vec![rx0, rx1], w.clone(), 2);
        send(&mut tx0, &[1, 4, 9]);
        send(&mut tx1, &[2, 3]);
        let bound = merge.bound();
        assert!(drain(&mut merge, bound).is_empty());
        w[0].publish(Key(9));
        w[1].publish(Key(5));
        let bound = merge.bound();
        assert_eq!(drain(&mut merge, bound), [1, 2, 3, 4]);
        assert_eq!(merge.released(), Key(5));
        assert!(!merge.is_finished());
        for watermark in &w {
            watermark.publish(Key::MAX);
        }
        let bound = merge.bound();
        assert_eq!(drain(&mut merge, bound), [9]);
        assert!(merge.is_finished());
    }

    #[test]
    fn a_late_frame_gets_the_next_free_key() {
        let (mut tx0, rx0) = lane(4, LIMITS);
        let (mut tx1, rx1) = lane(4, LIMITS);
        let w: Vec<_> = (0..2).map(|_| Arc::new(Watermark::new())).collect();
        let mut merge = Merge::new(vec![rx0, rx1], w.clone(), 8);
        send(&mut tx0, &[10, 20]);
        w[0].publish(Key(20));
        assert_eq!(merge.bounds().waited_for, Key::MIN);
        assert!(merge.has_waiting());
        merge.give_up_stragglers();
        let bound = merge.bounds().waited_for;
        assert_eq!(merge.fill(bound), Key(20));
        assert_eq!(merge.len(), 2);
        merge.clear();
        send(&mut tx1, &[5, 15, 30]);
        w[0].publish(Key(40));
        w[1].publish(Key(40));
        let bound = merge.bound();
        merge.fill(bound);
        let keys: Vec<_> = merge.entries().iter().map(|e| (e.key.0, e.own_key.0)).collect();
        assert_eq!(keys, [(21, 5), (22, 15), (30, 30)]);
        assert_eq!(merge.n_late(), 2);
    }

    #[test]
    fn a_straggler_is_waited_for_again_once_it_has_caught_up() {
        let (mut tx0, rx0) = lane(4, LIMITS);
        let (_tx1, rx1) = lane(4, LIMITS);
        let w: Vec<_> = (0..3).map(|_| Arc::new(Watermark::new())).collect();
        let (_tx2, rx2) = lane(4, LIMITS);
        let mut merge = Merge::new(vec![rx0, rx1, rx2], w.clone(), 8);
        send(&mut tx0, &[10, 20, 30]);
        w[0].publish(Key(30));
        w[2].publish(Key(15));
        assert!(merge.has_waiting());
        merge.give_up_stragglers();
        assert_eq!(merge.bounds().waited_for, Key(15), "the third one is waited for");
        assert_eq!(drain(&mut merge, Key(15)), [10]);
        w[1].publish(Key(15));
        w[2].publish(Key(40));
        assert_eq!(merge.bounds().waited_for, Key(30), "behind, still");
        w[1].publish(Key(16));
        assert_eq!(merge.bounds().waited_for, Key(16));
        merge.give_up_stragglers();
        assert_eq!(merge.bounds().waited_for, Key(16), "it holds up nothing");
        for n in [0, 2] {
            w[n].publish(Key::MAX);
        }
        assert!(drain(&mut merge, Key(16)).is_empty());
        assert_eq!(merge.bounds().waited_for, Key(16));
        merge.give_up_stragglers();
        assert_eq!(merge.bounds().waited_for, Key(30), "not the end");
        assert_eq!(drain(&mut merge, Key(30)), [20, 30]);
        assert!(!merge.is_finished());
        w[1].publish(Key::MAX);
        assert_eq!(merge.bounds().waited_for, Key::MAX);
        assert!(merge.is_finished());
    }

    proptest! {
        #[test]
        fn the_merge_sorts(parts in prop::collection::vec(0usize..5, 0..200), max in 1usize..9) {
            let n = 5;
            let (mut txs, rxs): (Vec<_>, Vec<_>) = (0..n).map(|_| lane(80, LIMITS)).unzip();
            let mut keys = vec![Vec::new(); n];
            for (k, &part) in parts.iter().enumerate() {
                keys[part].push(k as u64 + 1);
            }
            for (tx, keys) in txs.iter_mut().zip(&keys) {
                send(tx, keys);
            }
            let mut merge = Merge::new(rxs, vec![], max);
            let expected: Vec<u64> = (1..=parts.len() as u64).collect();
            prop_assert_eq!(drain(&mut merge, Key::MAX), expected);
        }
    }
}
