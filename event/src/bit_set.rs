//! Sets of what has a small number: a bitmap of a fixed size.

/// `Set of N Member`: a set of members, tuples of one number below `N`. A member above is not representable and is ignored.
macro_rules! bit_set {
    ($(#[$doc:meta])* $set:ident of $n:ident $member:ident) => {
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, Hash)]
        pub struct $set([u64; $n.div_ceil(64)]);

        impl $set {
            /// The empty set.
            pub const EMPTY: Self = Self([0; $n.div_ceil(64)]);

            /// Everything there is.
            #[must_use]
            pub const fn all() -> Self {
                let mut words = [u64::MAX; $n.div_ceil(64)];
                if !$n.is_multiple_of(64) {
                    words[$n / 64] = (1 << ($n % 64)) - 1;
                }
                Self(words)
            }

            /// Adds a member.
            pub const fn insert(&mut self, member: $member) {
                let n = member.0 as usize;
                if n < $n {
                    self.0[n / 64] |= 1 << (n % 64);
                }
            }

            /// Whether it is in the set.
            #[must_use]
            pub const fn contains(&self, member: $member) -> bool {
                let n = member.0 as usize;
                n < $n && self.0[n / 64] & (1 << (n % 64)) != 0
            }

            /// Number of members.
            #[must_use]
            pub fn len(&self) -> usize {
                self.0.iter().map(|w| w.count_ones() as usize).sum()
            }

            /// Whether nothing is in the set.
            #[must_use]
            pub fn is_empty(&self) -> bool {
                *self == Self::EMPTY
            }

            /// What is in both sets.
            #[must_use]
            pub fn intersection(&self, other: &Self) -> Self {
                Self(core::array::from_fn(|i| self.0[i] & other.0[i]))
            }

            /// What is in either set.
            #[must_use]
            pub fn union(&self, other: &Self) -> Self {
                Self(core::array::from_fn(|i| self.0[i] | other.0[i]))
            }

            /// What is not in the set.
            #[must_use]
            pub fn complement(&self) -> Self {
                let all = Self::all();
                Self(core::array::from_fn(|i| all.0[i] & !self.0[i]))
            }
        }

        impl FromIterator<$member> for $set {
            fn from_iter<I: IntoIterator<Item = $member>>(iter: I) -> Self {
                let mut set = Self::EMPTY;
                for member in iter {
                    set.insert(member);
                }
                set
            }
        }
    };
}

pub(crate) use bit_set;
