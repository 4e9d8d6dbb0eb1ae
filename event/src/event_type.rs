//! Event type numbers, and the set of them.

use crate::table::N_EVENT_TYPES;

/// Number of an event type in the `.scap` schema: even for enter and meta events, odd for exits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(transparent)]
pub struct EventType(pub u16);

macro_rules! event_types {
    ($($name:ident = $n:literal;)*) => {
        /// The types that this build captures or writes, named as in the schema (`_E` enter, `_X` exit).
        #[expect(missing_docs, reason = "the table describes them")]
        impl EventType { $(pub const $name: Self = Self($n);)* }
    };
}

event_types! {
    GENERIC_X = 1;
    OPEN_X = 3;
    SOCKET_X = 19;
    BIND_X = 21;
    CONNECT_X = 23;
    LISTEN_X = 25;
    CREAT_X = 59;
    PROCEXIT_1_E = 186;
    CLONE_20_X = 223;
    FORK_20_X = 225;
    VFORK_20_X = 227;
    ACCEPT_5_X = 247;
    EXECVE_19_X = 293;
    OPENAT_2_X = 307;
    OPENAT2_X = 327;
    EXECVEAT_X = 331;
    CLONE3_X = 335;
    ACCEPT4_6_X = 389;
}

const WORDS: usize = N_EVENT_TYPES.div_ceil(64);

/// A set of event types: a fixed bitmap, O(1) everywhere.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct EventSet([u64; WORDS]);

impl EventSet {
    /// The empty set.
    pub const EMPTY: Self = Self([0; WORDS]);

    /// Every type of the table.
    #[must_use]
    pub const fn all() -> Self {
        let mut words = [u64::MAX; WORDS];
        if !N_EVENT_TYPES.is_multiple_of(64) {
            words[WORDS - 1] = (1 << (N_EVENT_TYPES % 64)) - 1;
        }
        Self(words)
    }

    /// Adds a type; one above the table is not representable and is ignored.
    pub const fn insert(&mut self, ty: EventType) {
        let n = ty.0 as usize;
        if n < N_EVENT_TYPES {
            self.0[n / 64] |= 1 << (n % 64);
        }
    }

    /// Whether the type is in the set.
    #[must_use]
    pub const fn contains(&self, ty: EventType) -> bool {
        let n = ty.0 as usize;
        n < N_EVENT_TYPES && self.0[n / 64] & (1 << (n % 64)) != 0
    }

    /// Number of types in the set.
    #[must_use]
    pub fn len(&self) -> usize {
        self.0.iter().map(|w| w.count_ones() as usize).sum()
    }

    /// Whether no type is in the set.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0 == [0; WORDS]
    }

    /// Types in both sets.
    #[must_use]
    pub fn intersection(&self, other: &Self) -> Self {
        Self(core::array::from_fn(|i| self.0[i] & other.0[i]))
    }

    /// Types in either set.
    #[must_use]
    pub fn union(&self, other: &Self) -> Self {
        Self(core::array::from_fn(|i| self.0[i] | other.0[i]))
    }

    /// Types of the table that are not in the set.
    #[must_use]
    pub fn complement(&self) -> Self {
        let all = Self::all();
        Self(core::array::from_fn(|i| all.0[i] & !self.0[i]))
    }

    /// The types in ascending order.
    pub fn iter(&self) -> impl Iterator<Item = EventType> + '_ {
        (0u16..).take(N_EVENT_TYPES).map(EventType).filter(|&t| self.contains(t))
    }
}

impl FromIterator<EventType> for EventSet {
    fn from_iter<I: IntoIterator<Item = EventType>>(iter: I) -> Self {
        let mut set = Self::EMPTY;
        for ty in iter {
            set.insert(ty);
        }
        set
    }
}

impl core::fmt::Debug for EventSet {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_set().entries(self.iter()).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn set_algebra_stays_inside_the_table() {
        let one: EventSet = [EventType::OPENAT_2_X].into_iter().collect();
        let rest = one.complement();
        assert_eq!(one.len() + rest.len(), N_EVENT_TYPES);
        assert!(one.intersection(&rest).is_empty());
        assert_eq!(one.union(&rest), EventSet::all());
        assert!(!EventSet::all().contains(EventType(u16::MAX)));
    }
}
