//! Single-writer counters: what a hot path writes and a snapshot reads.

use std::sync::atomic::{AtomicU64, Ordering};

use crossbeam_utils::CachePadded;

/// A number that only grows, written by one thread and read by any.
///
/// `add` is a load and a store, not a read-modify-write: two writers would lose counts. Several threads that count the same thing each
/// register a counter of their own under one name (see [`crate::Registry::counter`]), and the snapshot adds them up.
#[derive(Debug, Default)]
pub struct Counter(CachePadded<AtomicU64>);

impl Counter {
    /// A counter at zero.
    #[must_use]
    pub const fn new() -> Self {
        Self(CachePadded::new(AtomicU64::new(0)))
    }

    /// Adds `n`. Only the thread that owns the counter may call it. About 1 ns; no locked instruction.
    #[inline]
    pub fn add(&self, n: u64) {
        // Release: pairs with the Acquire in `get`. Whoever sees this count also sees every count that was made before the work reached
        // this thread, so a snapshot that reads downstream counters first never finds more output than input.
        self.0.store(self.0.load(Ordering::Relaxed).wrapping_add(n), Ordering::Release);
    }

    /// The number so far.
    #[inline]
    #[must_use]
    pub fn get(&self) -> u64 {
        // Acquire: pairs with the Release in `add`.
        self.0.load(Ordering::Acquire)
    }
}

/// A level that goes up and down (a depth, a table's size), written by one thread and read by any.
#[derive(Debug, Default)]
pub struct Gauge(CachePadded<AtomicU64>);

impl Gauge {
    /// A gauge at zero.
    #[must_use]
    pub const fn new() -> Self {
        Self(CachePadded::new(AtomicU64::new(0)))
    }

    /// Sets the level. Only the thread that owns the gauge may call it.
    #[inline]
    pub fn set(&self, level: u64) {
        // Release: pairs with the Acquire in `get`, for the same order as counters have.
        self.0.store(level, Ordering::Release);
    }

    /// The level.
    #[inline]
    #[must_use]
    pub fn get(&self) -> u64 {
        // Acquire: pairs with the Release in `set`.
        self.0.load(Ordering::Acquire)
    }
}

/// A row of counters indexed by a small number, usually the event type: what was lost for one reason, split by what it was.
///
/// One writer, like [`Counter`]. An index past the end counts in the last cell, so a number from outside cannot panic and is not lost.
#[derive(Debug)]
pub struct Tally(Box<[AtomicU64]>);

impl Tally {
    /// A row of `n_cells` counters at zero; at least one.
    #[must_use]
    pub fn new(n_cells: usize) -> Self {
        Self((0..n_cells.max(1)).map(|_| AtomicU64::new(0)).collect())
    }

    /// Adds `n` to cell `index`. Only the thread that owns the row may call it.
    #[inline]
    pub fn add(&self, index: usize, n: u64) {
        if let Some(cell) = self.0.get(index).or(self.0.last()) {
            // Release: pairs with the Acquire in `cells`, as for `Counter`.
            cell.store(cell.load(Ordering::Relaxed).wrapping_add(n), Ordering::Release);
        }
    }

    /// Sum of all cells. O(cells).
    #[must_use]
    pub fn total(&self) -> u64 {
        self.cells().map(|(_, n)| n).sum()
    }

    /// The cells that are not zero, with their index.
    pub fn cells(&self) -> impl Iterator<Item = (usize, u64)> {
        // Acquire: pairs with the Release in `add`.
        self.0.iter().map(|c| c.load(Ordering::Acquire)).enumerate().filter(|&(_, n)| n != 0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counters_add_and_gauges_move() {
        let c = Counter::new();
        c.add(3);
        c.add(4);
        assert_eq!(c.get(), 7);
        let g = Gauge::new();
        g.set(9);
        g.set(2);
        assert_eq!(g.get(), 2);
    }

    #[test]
    fn counters_do_not_share_a_cache_line() {
        assert!(size_of::<Counter>() >= 64 && align_of::<Counter>() >= 64);
    }

    #[test]
    fn an_index_past_the_end_counts_in_the_last_cell() {
        let t = Tally::new(4);
        t.add(1, 5);
        t.add(400, 2);
        assert_eq!(t.cells().collect::<Vec<_>>(), [(1, 5), (3, 2)]);
        assert_eq!(t.total(), 7);
        let t = Tally::new(0);
        t.add(0, 1);
        assert_eq!(t.total(), 1);
    }
}
