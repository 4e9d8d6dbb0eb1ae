//! Which event types a condition can match at all, and which of the calls that have none of their own.

use event::{Call, CallSet, EventSet, EventType};

use crate::predicate::{Cmp, PredicateKey, TestKey};
use crate::schema::Field;

/// Event types for which a part of a condition can be true, and those for which it can be false; the same of calls that travel as generic
/// events, which says something only where the types have those.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Types {
    pub(crate) when_true: EventSet,
    pub(crate) when_false: EventSet,
    calls_when_true: CallSet,
    calls_when_false: CallSet,
}

impl Types {
    /// What nothing is known of.
    pub(crate) fn any() -> Self {
        Self {
            when_true: EventSet::all(),
            when_false: EventSet::all(),
            calls_when_true: CallSet::all(),
            calls_when_false: CallSet::all(),
        }
    }

    fn always() -> Self {
        Self { when_false: EventSet::EMPTY, calls_when_false: CallSet::EMPTY, ..Self::any() }
    }

    /// The types with some names. A call without an event of its own stands for all generic events, on both sides: what a
    /// condition rules out so it does not see at all.
    fn named<'a>(names: impl Iterator<Item = &'a Vec<u8>>) -> Self {
        let (types, calls) = codes(names);
        Self {
            when_true: types,
            when_false: types.complement(),
            calls_when_true: calls,
            calls_when_false: calls.complement(),
        }
    }

    /// The calls without an event of their own for which it can be true.
    pub(crate) fn calls(&self) -> CallSet {
        if self.when_true.contains(EventType::GENERIC_X) {
            self.calls_when_true
        } else {
            CallSet::EMPTY
        }
    }

    pub(crate) fn not(self) -> Self {
        let Self { when_true, when_false, calls_when_true, calls_when_false } = self;
        Self {
            when_true: when_false,
            when_false: when_true,
            calls_when_true: calls_when_false,
            calls_when_false: calls_when_true,
        }
    }

    pub(crate) fn and(self, other: &Self) -> Self {
        Self {
            when_true: self.when_true.intersection(&other.when_true),
            when_false: self.when_false.union(&other.when_false),
            calls_when_true: self.calls_when_true.intersection(&other.calls_when_true),
            calls_when_false: self.calls_when_false.union(&other.calls_when_false),
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
            (Field::EvtType | Field::SyscallType, TestKey::Exists) => Self::always(),
            // Numbers of events start at 1, so that these stand for "always" and "never".
            (Field::EvtNum, &TestKey::Number { cmp, bits, .. }) => match (cmp, bits) {
                (Cmp::Ge, 0 | 1) | (Cmp::Gt | Cmp::Ne, 0) => Self::always(),
                (Cmp::Eq | Cmp::Le, 0) | (Cmp::Lt, 0 | 1) => Self::always().not(),
                _ => Self::any(),
            },
            (Field::EvtNum, TestKey::NumberIn(of)) if of.iter().all(|&n| n == 0) => {
                Self::always().not()
            }
            _ => Self::any(),
        }
    }
}

/// The two types of calls without an event of their own.
pub(crate) fn generic() -> EventSet {
    [EventType(EventType::GENERIC_X.0 - 1), EventType::GENERIC_X].into_iter().collect()
}

/// The event types, and the calls without one of their own, that a comparison names.
pub(crate) fn named(key: &PredicateKey) -> (EventSet, CallSet) {
    let none = (EventSet::EMPTY, CallSet::EMPTY);
    let Some(left) = key.left.as_field() else { return none };
    let names: Vec<&Vec<u8>> = match (left.field, &key.test) {
        (Field::EvtType, TestKey::EvtType { names, .. })
        | (Field::SyscallType, TestKey::BytesIn(names)) => names.iter().collect(),
        (Field::SyscallType, TestKey::Bytes(_, name)) => vec![name],
        _ => return none,
    };
    codes(names.into_iter())
}

/// The same of all comparisons of a condition.
pub(crate) fn all_named(tests: &[&PredicateKey]) -> (EventSet, CallSet) {
    let none = (EventSet::EMPTY, CallSet::EMPTY);
    tests
        .iter()
        .map(|test| named(test))
        .fold(none, |all, one| (all.0.union(&one.0), all.1.union(&one.1)))
}

/// Every type with one of the names; a call without an event of its own travels as a generic one.
fn codes<'a>(names: impl Iterator<Item = &'a Vec<u8>>) -> (EventSet, CallSet) {
    let (mut types, mut calls) = (EventSet::EMPTY, CallSet::EMPTY);
    for name in names.filter_map(|n| std::str::from_utf8(n).ok()) {
        let mut found = false;
        for ty in EventType::all_named(name) {
            types.insert(ty);
            found = true;
        }
        if !found && let Some(call) = Call::named(name) {
            calls.insert(call);
            types = types.union(&generic());
        }
    }
    (types, calls)
}
