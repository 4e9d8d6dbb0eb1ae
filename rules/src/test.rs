//! What a comparison with constants asks of one value.

use std::collections::{BTreeSet, HashSet};
use std::net::IpAddr;

use event::{EventSet, EventType};
use foldhash::fast::FixedState;
use memchr::memmem::Finder;

use crate::expr::Expr;
use crate::glob::Glob;
use crate::pmatch::Prefixes;
use crate::predicate::{AgainstOp, BytesTest, Cmp, Net, TestKey};
use crate::regex::{Regex, StateSets};
use crate::schema::FieldType;
use crate::value::Value;

/// What a [`TestKey`] becomes.
#[derive(Clone, Debug)]
pub(crate) enum Test {
    Never,
    Exists,
    EvtType {
        /// The types that satisfy it.
        types: EventSet,
        names: ByteSet,
        negated: bool,
    },
    Bytes(Cmp, Box<[u8]>),
    /// Equal in ASCII's two cases.
    Folded {
        text: Box<[u8]>,
        negated: bool,
    },
    FoldedStart(Box<[u8]>),
    FoldedEnd(Box<[u8]>),
    Contains(Box<Finder<'static>>),
    IContains(Box<[u8]>),
    StartsWith(Box<[u8]>),
    EndsWith(Box<[u8]>),
    Glob(Glob),
    Regex(Regex),
    BytesIn(ByteSet),
    PathPrefix(Prefixes),
    Signed(Cmp, i64),
    Unsigned(Cmp, u64),
    NumberIn(HashSet<u64, FixedState>),
    Bool {
        with_true: bool,
        with_false: bool,
    },
    Ip {
        addr: IpAddr,
        negated: bool,
    },
    IpIn(HashSet<IpAddr, FixedState>),
    NetIn {
        nets: Box<[Net]>,
        negated: bool,
    },
    OneOf(Box<[Test]>),
    Against {
        op: AgainstOp,
        right: Expr,
        signed: bool,
    },
    EachElement(Box<Test>),
    AnyElement(Box<Test>),
}

/// A set of texts with one hash lookup per question, and none for lengths that no member has.
#[derive(Clone, Debug)]
pub(crate) struct ByteSet {
    lens: u64,
    set: HashSet<Box<[u8]>, FixedState>,
}

impl ByteSet {
    fn new(texts: &BTreeSet<Vec<u8>>) -> Self {
        let mut lens = 0;
        // A capacity set once keeps the table at its final size.
        let mut set = HashSet::with_capacity_and_hasher(texts.len(), FixedState::default());
        for text in texts {
            lens |= 1 << text.len().min(63);
            set.insert(text.as_slice().into());
        }
        Self { lens, set }
    }

    fn contains(&self, text: &[u8]) -> bool {
        self.lens >> text.len().min(63) & 1 == 1 && self.set.contains(text)
    }
}

impl Test {
    /// `ty` is the type of the values that are asked.
    pub(crate) fn new(key: &TestKey, ty: FieldType) -> Self {
        match key {
            TestKey::Never => Self::Never,
            TestKey::Exists => Self::Exists,
            TestKey::EvtType { names, negated } => {
                let named: EventSet = names
                    .iter()
                    .filter_map(|n| std::str::from_utf8(n).ok())
                    .flat_map(EventType::all_named)
                    .collect();
                Self::EvtType {
                    types: if *negated { named.complement() } else { named },
                    names: ByteSet::new(names),
                    negated: *negated,
                }
            }
            TestKey::Bytes(test, operand) => Self::bytes(*test, operand),
            TestKey::BytesIn(texts) => Self::BytesIn(ByteSet::new(texts)),
            TestKey::PathPrefix(texts) => {
                Self::PathPrefix(Prefixes::new(texts.iter().map(Vec::as_slice)))
            }
            &TestKey::Number { cmp, bits, signed: true } => Self::Signed(cmp, bits as i64),
            &TestKey::Number { cmp, bits, signed: false } => Self::Unsigned(cmp, bits),
            TestKey::NumberIn(bits) => Self::NumberIn(bits.iter().copied().collect()),
            &TestKey::Bool { is, negated } => {
                Self::Bool { with_true: is != negated, with_false: is == negated }
            }
            &TestKey::BoolIn { with_true, with_false } => Self::Bool { with_true, with_false },
            &TestKey::Ip { addr, negated } => Self::Ip { addr, negated },
            TestKey::IpIn(addrs) => Self::IpIn(addrs.iter().copied().collect()),
            &TestKey::Net { net, negated } => Self::NetIn { nets: Box::new([net]), negated },
            TestKey::NetIn(nets) => {
                Self::NetIn { nets: nets.iter().copied().collect(), negated: false }
            }
            TestKey::Against { op, right } => {
                Self::Against { op: *op, right: right.clone(), signed: ty.is_signed() }
            }
            TestKey::OneOf(tests) => Self::OneOf(tests.iter().map(|t| Self::new(t, ty)).collect()),
            TestKey::EachElement(test) => Self::EachElement(Box::new(Self::new(test, ty))),
            TestKey::AnyElement(test) => Self::AnyElement(Box::new(Self::new(test, ty))),
        }
    }

    fn bytes(test: BytesTest, operand: &[u8]) -> Self {
        match test {
            BytesTest::Cmp(cmp) => Self::Bytes(cmp, operand.into()),
            BytesTest::Contains => Self::Contains(Box::new(Finder::new(operand).into_owned())),
            BytesTest::IContains => Self::IContains(operand.to_ascii_lowercase().into()),
            BytesTest::StartsWith => Self::StartsWith(operand.into()),
            BytesTest::EndsWith => Self::EndsWith(operand.into()),
            BytesTest::Glob => Self::Glob(Glob::new(operand, false)),
            BytesTest::IGlob => Self::Glob(Glob::new(operand, true)),
            // The check has compiled it before.
            BytesTest::Regex => Regex::new(operand).map_or(Self::Never, Self::Regex),
        }
    }

    /// Whether it asks more of the event than one value.
    pub(crate) fn asks_the_event(&self) -> bool {
        matches!(self, Self::Against { .. } | Self::EachElement(_) | Self::AnyElement(_))
    }

    /// States for which the sets need room.
    pub(crate) fn n_states(&self) -> usize {
        match self {
            Self::Regex(regex) => regex.n_states(),
            Self::OneOf(of) => of.iter().map(Self::n_states).max().unwrap_or(0),
            Self::EachElement(of) | Self::AnyElement(of) => of.n_states(),
            _ => 0,
        }
    }

    /// Whether it asks for a difference, which one of two values that is equal spoils.
    pub(crate) fn is_not_equal(&self) -> bool {
        matches!(
            self,
            Self::Bytes(Cmp::Ne, _)
                | Self::Folded { negated: true, .. }
                | Self::Signed(Cmp::Ne, _)
                | Self::Unsigned(Cmp::Ne, _)
                | Self::Ip { negated: true, .. }
                | Self::NetIn { negated: true, .. }
        )
    }

    /// Whether a value satisfies it.
    #[inline]
    pub(crate) fn accepts(&self, value: Value<'_>, sets: &mut StateSets) -> bool {
        match (self, value) {
            (Self::Exists, _) => true,
            (Self::EvtType { names, negated, .. }, Value::Bytes(v)) => {
                names.contains(v) != *negated
            }
            (Self::Bytes(Cmp::Eq, t), Value::Bytes(v)) => **t == *v,
            (Self::Bytes(cmp, t), Value::Bytes(v)) => cmp.holds::<[u8]>(v, t),
            (Self::Folded { text, negated }, Value::Bytes(v)) => {
                v.eq_ignore_ascii_case(text) != *negated
            }
            (Self::FoldedStart(t), Value::Bytes(v)) => {
                v.get(..t.len()).is_some_and(|v| v.eq_ignore_ascii_case(t))
            }
            (Self::FoldedEnd(t), Value::Bytes(v)) => {
                let start = v.len().checked_sub(t.len());
                start.is_some_and(|start| v[start..].eq_ignore_ascii_case(t))
            }
            (Self::Contains(finder), Value::Bytes(v)) => finder.find(v).is_some(),
            (Self::IContains(lower), Value::Bytes(v)) => icontains(v, lower),
            (Self::StartsWith(t), Value::Bytes(v)) => v.starts_with(t),
            (Self::EndsWith(t), Value::Bytes(v)) => v.ends_with(t),
            (Self::Glob(glob), Value::Bytes(v)) => glob.matches(v),
            (Self::Regex(regex), Value::Bytes(v)) => regex.matches(v, sets),
            (Self::BytesIn(set), Value::Bytes(v)) => set.contains(v),
            (Self::PathPrefix(prefixes), Value::Bytes(v)) => prefixes.matches(v),
            (Self::Signed(cmp, t), v) => bits(v).is_some_and(|v| cmp.holds(&(v as i64), t)),
            (Self::Unsigned(cmp, t), v) => bits(v).is_some_and(|v| cmp.holds(&v, t)),
            (Self::NumberIn(set), v) => bits(v).is_some_and(|v| set.contains(&v)),
            (&Self::Bool { with_true, with_false }, Value::Bool(v)) => {
                if v {
                    with_true
                } else {
                    with_false
                }
            }
            (&Self::Ip { addr, negated }, Value::Ip(v)) => (v == addr) != negated,
            (Self::IpIn(set), Value::Ip(v)) => set.contains(&v),
            (Self::NetIn { nets, negated }, Value::Ip(v)) => {
                nets.iter().any(|n| n.contains(v)) != *negated
            }
            (Self::OneOf(tests), v) => one_of(tests, v, sets),
            // A value of another type than the schema says satisfies nothing.
            _ => false,
        }
    }
}

#[inline(never)]
fn one_of(tests: &[Test], value: Value<'_>, sets: &mut StateSets) -> bool {
    tests.iter().filter(|test| test.accepts(value, sets)).take(2).count() == 1
}

/// A number as the bits that operands are kept in.
pub(crate) fn bits(value: Value<'_>) -> Option<u64> {
    match value {
        Value::I64(v) => Some(v as u64),
        Value::U64(v) => Some(v),
        Value::Bytes(_) | Value::Bool(_) | Value::Ip(_) => None,
    }
}

/// `lower` is in lower case already. Jumps between occurrences of its first byte in either case.
pub(crate) fn icontains(text: &[u8], lower: &[u8]) -> bool {
    let Some(&first) = lower.first() else { return true };
    let Some(last_start) = text.len().checked_sub(lower.len()) else { return false };
    memchr::memchr2_iter(first, first.to_ascii_uppercase(), &text[..=last_start])
        .any(|i| text[i..i + lower.len()].eq_ignore_ascii_case(lower))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn icontains_ignores_ascii_case_only() {
        assert!(icontains(b"xxSTRATUM+tcp", b"stratum+"));
        assert!(icontains(b"", b""));
        assert!(!icontains(b"stra", b"stratum"));
        assert!(!icontains("É".as_bytes(), "é".as_bytes()));
    }
}
