//! Which event types a condition can match at all.

use event::{EventSet, EventType};

use crate::predicate::{Cmp, PredicateKey, TestKey};
use crate::schema::Field;

/// Event types for which a part of a condition can be true, and those for which it can be false.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Types {
    pub(crate) when_true: EventSet,
    pub(crate) when_false: EventSet,
}

impl Types {
    /// What nothing is known of.
    pub(crate) fn any() -> Self {
        Self { when_true: EventSet::all(), when_false: EventSet::all() }
    }

    fn only(set: EventSet) -> Self {
        Self { when_true: set, when_false: set.complement() }
    }

    /// The types with some names. A call without an event of its own stands for all generic events, on both sides: what a
    /// condition rules out so it does not see at all.
    fn named<'a>(names: impl Iterator<Item = &'a Vec<u8>>) -> Self {
        Self::only(codes(names))
    }

    pub(crate) fn not(self) -> Self {
        Self { when_true: self.when_false, when_false: self.when_true }
    }

    pub(crate) fn and(self, other: &Self) -> Self {
        Self {
            when_true: self.when_true.intersection(&other.when_true),
            when_false: self.when_false.union(&other.when_false),
        }
    }

    pub(crate) fn or(self, other: &Self) -> Self {
        self.not().and(&other.not()).not()
    }

    /// The types of one comparison.
    pub(crate) fn of(key: &PredicateKey) -> Self {
        let Some(left) = key.left.as_field() else { return Self::any() };
        match (left.field, &key.test) {
            (Field::EvtType, TestKey::EvtType { names, negated }) => {
                let set = Self::named(names.iter());
                if *negated { set.not() } else { set }
            }
            (Field::SyscallType, TestKey::BytesIn(names)) => Self::named(names.iter()),
            (Field::SyscallType, TestKey::Bytes(crate::predicate::BytesTest::Cmp(cmp), name)) => {
                let set = Self::named(std::iter::once(name));
                match cmp {
                    Cmp::Eq => set,
                    Cmp::Ne => set.not(),
                    _ => Self::any(),
                }
            }
            (Field::EvtType | Field::SyscallType, TestKey::Exists) => Self::only(EventSet::all()),
            // Numbers of events start at 1, so that these stand for "always" and "never".
            (Field::EvtNum, &TestKey::Number { cmp, bits, .. }) => match (cmp, bits) {
                (Cmp::Ge, 0 | 1) | (Cmp::Gt | Cmp::Ne, 0) => Self::only(EventSet::all()),
                (Cmp::Eq | Cmp::Le, 0) | (Cmp::Lt, 0 | 1) => Self::only(EventSet::EMPTY),
                _ => Self::any(),
            },
            (Field::EvtNum, TestKey::NumberIn(of)) if of.iter().all(|&n| n == 0) => {
                Self::only(EventSet::EMPTY)
            }
            _ => Self::any(),
        }
    }
}

/// The two types of calls without an event of their own.
pub(crate) fn generic() -> EventSet {
    [EventType(EventType::GENERIC_X.0 - 1), EventType::GENERIC_X].into_iter().collect()
}

/// The calls without an event of their own that a comparison names.
pub(crate) fn generic_names(key: &PredicateKey) -> Vec<&str> {
    let Some(left) = key.left.as_field() else { return Vec::new() };
    let names: Vec<&Vec<u8>> = match (left.field, &key.test) {
        (Field::EvtType, TestKey::EvtType { names, .. })
        | (Field::SyscallType, TestKey::BytesIn(names)) => names.iter().collect(),
        (Field::SyscallType, TestKey::Bytes(_, name)) => vec![name],
        _ => return Vec::new(),
    };
    let texts = names.into_iter().filter_map(|n| std::str::from_utf8(n).ok());
    texts
        .filter(|n| event::syscall_id(n).is_some() && EventType::all_named(n).next().is_none())
        .collect()
}

/// Every type with one of the names; a call without an event of its own travels as a generic one.
fn codes<'a>(names: impl Iterator<Item = &'a Vec<u8>>) -> EventSet {
    let mut set = EventSet::EMPTY;
    for name in names.filter_map(|n| std::str::from_utf8(n).ok()) {
        let mut found = false;
        for ty in EventType::all_named(name) {
            set.insert(ty);
            found = true;
        }
        if !found && event::syscall_id(name).is_some() {
            set = set.union(&generic());
        }
    }
    set
}
