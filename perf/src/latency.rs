//! Latency histograms that a hot path can write: atomic log-linear cells, no lock, no allocation.

use std::sync::atomic::{AtomicU64, Ordering};

use hdrhistogram::Histogram;

/// Linear cells per power of two: a value is kept to within 1/64 of itself, and read back as the middle of its cell (under 0.8 % off).
const SUB: u64 = 1 << SUB_BITS;
const SUB_BITS: u32 = 6;

/// Values from here on (73 minutes in ns) count in the last cell; the maximum is kept exactly all the same.
const CEILING: u64 = 1 << CEILING_BITS;
const CEILING_BITS: u32 = 42;

const N_CELLS: usize = ((CEILING_BITS - SUB_BITS + 1) as usize) << SUB_BITS;

/// Durations in ns, written by one thread and read by any. 19 KiB.
///
/// Recording is four plain loads and stores. Percentiles are computed where a snapshot is taken, by an HDR histogram filled from the cells.
#[derive(Debug)]
pub struct Latency {
    cells: Box<[AtomicU64; N_CELLS]>,
    max: AtomicU64,
}

impl Default for Latency {
    fn default() -> Self {
        Self::new()
    }
}

impl Latency {
    /// An empty histogram.
    #[must_use]
    pub fn new() -> Self {
        let cells: Box<[AtomicU64]> = (0..N_CELLS).map(|_| AtomicU64::new(0)).collect();
        let Ok(cells) = cells.try_into() else { unreachable!("the box has N_CELLS cells") };
        Self { cells, max: AtomicU64::new(0) }
    }

    /// Records one duration. Only the thread that owns the histogram may call it.
    #[inline]
    pub fn record(&self, ns: u64) {
        self.record_n(ns, 1);
    }

    /// Records the same duration `n` times: all frames of a batch that waited together.
    #[inline]
    pub fn record_n(&self, ns: u64, n: u64) {
        // Relaxed throughout: a reader needs no order between cells, and a count seen a moment later is as good.
        if let Some(cell) = self.cells.get(cell_of(ns)) {
            cell.store(cell.load(Ordering::Relaxed).wrapping_add(n), Ordering::Relaxed);
        }
        if n != 0 && ns > self.max.load(Ordering::Relaxed) {
            self.max.store(ns, Ordering::Relaxed);
        }
    }

    /// The longest duration recorded, exactly.
    #[must_use]
    pub fn max_ns(&self) -> u64 {
        self.max.load(Ordering::Relaxed)
    }

    /// Adds what was recorded so far to `total`.
    pub(crate) fn add_to(&self, total: &mut Histogram<u64>) {
        for (i, cell) in self.cells.iter().enumerate() {
            let n = cell.load(Ordering::Relaxed);
            if n != 0 {
                total.saturating_record_n(middle_of(i), n);
            }
        }
    }
}

/// What latencies of one name recorded, folded into buckets.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Buckets {
    /// What was timed.
    pub name: String,
    /// 1 in this many was timed.
    pub sampled_1_in: u32,
    /// By bound, how many durations were at or below it. A cell belongs to the bucket that its middle belongs to, so a duration within 1/64 of
    /// a bound may count on either side.
    pub n_up_to: Vec<u64>,
    /// How many were timed.
    pub n: u64,
    /// Their sum, ns: of the middles of their cells, so within 0.8 %. Nothing is added up where they are recorded.
    pub sum_ns: u64,
}

impl Buckets {
    pub(crate) fn new(name: &str, sampled_1_in: u32, n_bounds: usize) -> Self {
        Self { name: name.to_owned(), sampled_1_in, n_up_to: vec![0; n_bounds], n: 0, sum_ns: 0 }
    }

    /// Adds what was recorded so far. Each cell is read once, so that sum, count and buckets are of the same durations.
    pub(crate) fn add(&mut self, latency: &Latency, bounds_ns: &[u64]) {
        let Self { name: _, sampled_1_in: _, n_up_to, n, sum_ns } = self;
        let mut first = 0;
        for (i, cell) in latency.cells.iter().enumerate() {
            let in_cell = cell.load(Ordering::Relaxed);
            if in_cell == 0 {
                continue;
            }
            let middle = middle_of(i);
            while bounds_ns.get(first).is_some_and(|&bound| bound < middle) {
                first += 1;
            }
            for up_to in &mut n_up_to[first..] {
                *up_to += in_cell;
            }
            *n += in_cell;
            *sum_ns = sum_ns.saturating_add(middle.saturating_mul(in_cell));
        }
    }
}

/// An empty HDR histogram wide and fine enough for every [`Latency`].
pub(crate) fn empty_histogram() -> Histogram<u64> {
    // Two digits are 128 cells per power of two, twice as fine as ours. The bounds are constants that the constructor accepts, which the
    // tests below rely on.
    Histogram::new_with_bounds(1, CEILING, 2)
        .unwrap_or_else(|e| unreachable!("constant bounds: {e:?}"))
}

#[inline]
fn cell_of(ns: u64) -> usize {
    if ns < SUB {
        return ns as usize;
    }
    let ns = ns.min(CEILING - 1);
    let octave = ns.ilog2() - SUB_BITS;
    ((u64::from(octave) << SUB_BITS) + (ns >> octave)) as usize
}

fn middle_of(cell: usize) -> u64 {
    let cell = cell as u64;
    if cell < SUB {
        return cell;
    }
    let octave = (cell >> SUB_BITS) - 1;
    let low = (SUB + (cell & (SUB - 1))) << octave;
    low + ((1 << octave) >> 1)
}

/// Decides which events are timed one by one: 1 in `every`. Owned by the thread that records.
///
/// ```
/// let mut sampler = perf::Sampler::new(4);
/// let timed = (0..100).filter(|_| sampler.due()).count();
/// assert_eq!(timed, 25);
/// ```
#[derive(Debug)]
pub struct Sampler {
    every: u32,
    left: u32,
}

impl Sampler {
    /// Times 1 in `every`; 0 counts as 1.
    #[must_use]
    pub fn new(every: u32) -> Self {
        Self { every: every.max(1), left: every.max(1) }
    }

    /// Whether this event is one of the timed. A decrement and a branch.
    #[inline]
    pub fn due(&mut self) -> bool {
        self.left -= 1;
        let due = self.left == 0;
        if due {
            self.left = self.every;
        }
        due
    }

    /// The N of "1 in N".
    #[must_use]
    pub fn every(&self) -> u32 {
        self.every
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn histogram(values: &[u64]) -> Histogram<u64> {
        let l = Latency::new();
        for &v in values {
            l.record(v);
        }
        let mut h = empty_histogram();
        l.add_to(&mut h);
        h
    }

    #[test]
    fn percentiles_are_right_within_the_resolution() {
        let values: Vec<u64> = (1..=100_000).map(|n| n * 37).collect();
        let h = histogram(&values);
        assert_eq!(h.len(), 100_000);
        for p in [0.5, 0.99, 0.999] {
            let exact = values[(p * 100_000.0) as usize - 1] as f64;
            let ours = h.value_at_quantile(p) as f64;
            assert!((ours / exact - 1.0).abs() < 0.02, "p{p}: {ours} for {exact}");
        }
    }

    #[test]
    fn the_maximum_is_exact_even_above_the_ceiling() {
        let l = Latency::new();
        l.record(12_345_678);
        assert_eq!(l.max_ns(), 12_345_678);
        l.record_n(u64::MAX, 0);
        assert_eq!(l.max_ns(), 12_345_678);
        l.record(u64::MAX);
        assert_eq!(l.max_ns(), u64::MAX);
        let mut h = empty_histogram();
        l.add_to(&mut h);
        assert_eq!(h.len(), 2);
    }

    #[test]
    fn buckets_are_cumulative_and_have_their_sum() {
        let l = Latency::new();
        let bounds = [100, 1_000, 1_000_000];
        for (ns, n) in [(7, 3), (100, 1), (900, 2), (2_000_000, 1), (u64::MAX, 1)] {
            l.record_n(ns, n);
        }
        let mut b = Buckets::new("parse", 64, bounds.len());
        b.add(&l, &bounds);
        assert_eq!((b.n_up_to.clone(), b.n), (vec![4, 6, 6], 8));
        let exact = 7 * 3 + 100 + 900 * 2 + 2_000_000 + CEILING;
        assert!((b.sum_ns as f64 / exact as f64 - 1.0).abs() < 0.01, "{b:?}");
        // Another thread's latency of the same name.
        b.add(&l, &bounds);
        assert_eq!((b.n_up_to, b.n), (vec![8, 12, 12], 16));
    }

    #[test]
    fn a_sampler_takes_one_in_n() {
        let mut one = Sampler::new(0);
        assert!(one.due() && one.due());
        let mut s = Sampler::new(3);
        assert_eq!([s.due(), s.due(), s.due(), s.due()], [false, false, true, false]);
    }

    proptest! {
        #[test]
        fn every_value_lands_in_a_cell_near_it(bits in 0u32..64, v: u64) {
            let v = v >> bits;
            let cell = cell_of(v);
            prop_assert!(cell < N_CELLS);
            if v < CEILING {
                prop_assert!(middle_of(cell).abs_diff(v) * 64 <= v);
                prop_assert!(cell_of(middle_of(cell)) == cell);
            }
        }

        #[test]
        fn cells_are_in_the_order_of_values(a: u64, b: u64) {
            prop_assert!(a > b || cell_of(a) <= cell_of(b));
        }

        #[test]
        fn buckets_and_the_durations_themselves_agree(values: Vec<u32>, bounds in prop::collection::btree_set(1u64..1 << 33, 1..20)) {
            let l = Latency::new();
            for &v in &values {
                l.record(v.into());
            }
            let bounds: Vec<u64> = bounds.into_iter().collect();
            let mut b = Buckets::new("", 1, bounds.len());
            b.add(&l, &bounds);
            prop_assert_eq!(b.n, values.len() as u64);
            for (&bound, &n) in bounds.iter().zip(&b.n_up_to) {
                let up_to = |most: u64| values.iter().filter(|&&v| u64::from(v) <= most).count() as u64;
                prop_assert!((up_to(bound - bound / 64)..=up_to(bound + bound / 64)).contains(&n));
            }
            let sum: u64 = values.iter().map(|&v| u64::from(v)).sum();
            prop_assert!(b.sum_ns.abs_diff(sum) * 100 <= sum);
        }

        #[test]
        fn nothing_recorded_is_lost(values: Vec<u64>) {
            prop_assert_eq!(histogram(&values).len(), values.len() as u64);
        }
    }
}
