//! Memory that the process table takes: counted where something is made, given back where it is dropped.
//!
//! Each shard counts what it makes in a word of its own. Who asks whether there is room for more looks at all of them, but only once it
//! has made a share of what was left: so no word is written by two shards in turn, and the bound may be overshot by a sixteenth.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use crossbeam_utils::CachePadded;

/// What all shards together may take before they look again, as a part of the bound.
const UNLOOKED: u64 = 16;

/// What past versions may take beyond the bound, as a part of it, before shards hold back.
const FOR_THE_PAST: u64 = 8;

/// What one shard made that is still there, in bytes. Written by that shard, and by others where they are the last who held something.
type Word = Arc<CachePadded<AtomicU64>>;

/// Memory that something takes, until it is dropped.
#[derive(Debug, Default)]
pub(super) struct Charge {
    word: Option<Word>,
    n_bytes: u64,
}

impl Charge {
    /// Whether somebody counts it.
    pub(super) fn is_counted(&self) -> bool {
        self.word.is_some()
    }

    /// Gives back what it took.
    pub(super) fn clear(&mut self) {
        if let Some(word) = self.word.take() {
            // Relaxed: a count that orders nothing, here and below.
            word.fetch_sub(self.n_bytes, Ordering::Relaxed);
        }
    }
}

impl Drop for Charge {
    fn drop(&mut self) {
        self.clear();
    }
}

/// Who counts what a shard makes.
#[derive(Clone, Debug, Default)]
pub(super) struct Room {
    word: Word,
}

impl Room {
    /// Takes so many bytes.
    pub(super) fn charge(&self, n_bytes: usize) -> Charge {
        let n_bytes = n_bytes as u64;
        self.word.fetch_add(n_bytes, Ordering::Relaxed);
        Charge { word: Some(Arc::clone(&self.word)), n_bytes }
    }

    fn n_bytes(&self) -> u64 {
        self.word.load(Ordering::Relaxed)
    }
}

/// The rooms of all shards, and what they may take together.
#[derive(Debug)]
pub(super) struct Rooms {
    by_shard: Box<[Room]>,
    max_bytes: u64,
}

impl Rooms {
    pub(super) fn new(n_shards: usize, max_bytes: u64) -> Self {
        Self { by_shard: (0..n_shards).map(|_| Room::default()).collect(), max_bytes }
    }

    pub(super) fn of(&self, shard: usize) -> Room {
        self.by_shard.get(shard).cloned().unwrap_or_default()
    }

    /// What all take. O(shards).
    pub(super) fn n_bytes(&self) -> u64 {
        self.by_shard.iter().map(Room::n_bytes).sum()
    }

    /// Whether past versions have taken what they may: nothing else grows beyond the bound and a sixteenth. O(shards).
    pub(super) fn is_short(&self) -> bool {
        self.n_bytes() > self.max_bytes.saturating_add(self.max_bytes / FOR_THE_PAST)
    }
}

/// What a shard may still take before it looks at what the others took.
#[derive(Debug, Default)]
pub(super) struct Allowance {
    n_left: u64,
}

impl Allowance {
    /// Whether there is room for so many bytes more. O(1), and now and then O(shards).
    pub(super) fn has(&mut self, n_bytes: usize, rooms: &Rooms) -> bool {
        let n_bytes = n_bytes as u64;
        if n_bytes > self.n_left {
            let n_free = rooms.max_bytes.saturating_sub(rooms.n_bytes());
            let n_shards = rooms.by_shard.len() as u64;
            self.n_left = n_free.min(rooms.max_bytes / UNLOOKED) / n_shards;
            if n_bytes > self.n_left {
                self.n_left = 0;
                return n_bytes <= n_free;
            }
        }
        self.n_left -= n_bytes;
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_dropped_anywhere_is_given_back_to_who_counted_it() {
        let rooms = Rooms::new(2, 1000);
        let mut first = rooms.of(0).charge(300);
        let second = rooms.of(1).charge(500);
        assert_eq!((rooms.n_bytes(), rooms.of(0).n_bytes()), (800, 300));
        std::thread::spawn(move || drop(second)).join().unwrap();
        assert_eq!(rooms.n_bytes(), 300);
        first.clear();
        first.clear();
        assert_eq!(rooms.n_bytes(), 0);
    }

    #[test]
    fn shards_that_take_what_they_are_allowed_overshoot_by_a_sixteenth_at_most() {
        for n_shards in [1, 2, 3, 8] {
            let max_bytes = 160_000;
            let rooms = Rooms::new(n_shards, max_bytes);
            let mut allowances: Vec<_> = (0..n_shards).map(|_| Allowance::default()).collect();
            let mut held = Vec::new();
            for n in 0..40_000 {
                let shard = (n * 7 + n / 13) % n_shards;
                let n_bytes = 1 + n * 31 % 200;
                if allowances[shard].has(n_bytes, &rooms) {
                    held.push(rooms.of(shard).charge(n_bytes));
                }
            }
            let n = rooms.n_bytes();
            assert!(n <= max_bytes + max_bytes / UNLOOKED, "{n} bytes with {n_shards} shards");
            assert!(n > max_bytes - 200, "{n} bytes with {n_shards} shards");
        }
    }
}
