//! What occurs most, in few places: space saving (Metwally, Agrawal, El Abbadi 2005).

/// One of those that are counted.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Place<K, V> {
    pub(crate) key: K,
    /// At least the true count.
    pub(crate) n: u64,
    /// By how much `n` may be too large: what had been counted of those that stood here before.
    pub(crate) over: u64,
    pub(crate) value: V,
}

/// Counts by key. Once all places are taken a new key takes that of the one with the smallest count and counts on from there, so whatever made more
/// than `total / capacity` has a place.
#[derive(Debug)]
pub(crate) struct Table<K, V> {
    places: Vec<Place<K, V>>,
    capacity: usize,
}

impl<K: Copy + Eq, V> Table<K, V> {
    /// Allocates all that it will ever hold.
    pub(crate) fn new(capacity: usize) -> Self {
        Self { places: Vec::with_capacity(capacity), capacity }
    }

    /// Counts `n` for the key, whose value is made where it is new here. O(capacity).
    pub(crate) fn add(&mut self, key: K, n: u64, value: impl FnOnce() -> V) -> Option<&mut V> {
        let known = self.places.iter().position(|p| p.key == key);
        let at = if let Some(at) = known {
            self.places[at].n += n;
            at
        } else if self.places.len() < self.capacity {
            self.places.push(Place { key, n, over: 0, value: value() });
            self.places.len() - 1
        } else {
            let least = self.places.iter().enumerate().min_by_key(|(_, p)| p.n);
            let (at, over) = least.map(|(at, p)| (at, p.n))?;
            self.places[at] = Place { key, n: over + n, over, value: value() };
            at
        };
        self.places.get_mut(at).map(|p| &mut p.value)
    }

    pub(crate) fn clear(&mut self) {
        self.places.clear();
    }

    pub(crate) fn places(&self) -> &[Place<K, V>] {
        &self.places
    }
}

#[cfg(test)]
mod tests {
    use proptest::collection::vec;
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn what_occurs_most_has_a_place_and_its_count_within_what_is_said() {
        let mut table = Table::new(4);
        for n in 0..1_000_u32 {
            table.add(n % 97 + 10, 1, || ());
            table.add(1, 1, || ());
            if n % 2 == 0 {
                table.add(2, 1, || ());
            }
        }
        let of = |key| table.places().iter().find(|p| p.key == key).unwrap();
        for (key, n) in [(1, 1_000), (2, 500)] {
            let place = of(key);
            assert!(place.n >= n && place.n - place.over <= n, "{place:?}");
        }
        assert_eq!(table.places().len(), 4);
    }

    proptest! {
        #[test]
        fn counts_are_bounds(keys in vec(0_u16..64, 0..200), capacity in 1_usize..20) {
            let mut table = Table::new(capacity);
            for &key in &keys {
                table.add(key, 1, || ());
            }
            let mut sum = 0;
            for place in table.places() {
                let n = keys.iter().filter(|&&k| k == place.key).count() as u64;
                prop_assert!(n <= place.n && place.n - place.over <= n);
                sum += place.n;
            }
            prop_assert_eq!(sum, keys.len() as u64);
            for key in 0..64 {
                let n = keys.iter().filter(|&&k| k == key).count();
                let is_there = table.places().iter().any(|p| p.key == key);
                prop_assert!(is_there || n * capacity <= keys.len());
            }
        }
    }
}
