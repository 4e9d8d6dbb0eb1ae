//! Predicates: one field against one operand, the unit that rules share.

use std::collections::{BTreeSet, HashSet};
use std::net::IpAddr;

use event::{EventSet, EventType};
use foldhash::fast::FixedState;
use memchr::memmem::Finder;

use crate::expr::{Buffers, Expr};
use crate::glob::Glob;
use crate::pmatch::Prefixes;
use crate::schema::{Arg, Arity, Field, FieldRef};
use crate::value::{Fields, Value};

/// A comparison in the form in which equal ones are found equal.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct PredicateKey {
    pub(crate) left: Expr,
    pub(crate) test: TestKey,
}

/// What is asked of a value.
#[allow(dead_code, reason = "the check of transformers makes them")]
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) enum TestKey {
    /// False whatever the value.
    Never,
    Exists,
    /// By event type where the type has a name of its own, else by the text.
    EvtType {
        names: BTreeSet<Vec<u8>>,
        negated: bool,
    },
    Bytes(BytesTest, Vec<u8>),
    BytesIn(BTreeSet<Vec<u8>>),
    PathPrefix(BTreeSet<Vec<u8>>),
    /// Operand as the bits of the field's type; `signed` tells how to order them.
    Number {
        cmp: Cmp,
        bits: u64,
        signed: bool,
    },
    NumberIn(BTreeSet<u64>),
    Bool {
        is: bool,
        negated: bool,
    },
    BoolIn {
        with_true: bool,
        with_false: bool,
    },
    Ip {
        addr: IpAddr,
        negated: bool,
    },
    IpIn(BTreeSet<IpAddr>),
    Net {
        net: Net,
        negated: bool,
    },
    NetIn(BTreeSet<Net>),
    /// Compared with another value of the event, of the same type. False where that has none.
    Against {
        op: AgainstOp,
        right: Expr,
    },
    /// `OP oneof (...)`: exactly one of the tests holds; one written twice counts twice.
    OneOf(Vec<TestKey>),
    /// `in` over a list: every element satisfies the test, which an empty list does.
    EachElement(Box<TestKey>),
    /// `intersects` over a list: some element satisfies the test.
    AnyElement(Box<TestKey>),
}

impl TestKey {
    /// Whether nothing satisfies it, whatever the event: lists left empty for tuning are many.
    pub(crate) fn is_never(&self) -> bool {
        match self {
            Self::Never => true,
            Self::BytesIn(of) | Self::PathPrefix(of) => of.is_empty(),
            Self::NumberIn(of) => of.is_empty(),
            _ => false,
        }
    }
}

/// A comparison of two values of an event.
#[allow(dead_code, reason = "the check of transformers makes them")]
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) enum AgainstOp {
    /// Between two scalars. [`BytesTest::Cmp`] is for values of every type, the others are for bytes.
    Test(BytesTest),
    /// Every element of the left side is one of the right side's. A scalar is a list of one.
    In,
    /// Some element of the left side is one of the right side's.
    Intersects,
}

#[allow(dead_code, reason = "the check makes them")]
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) enum BytesTest {
    Cmp(Cmp),
    Contains,
    IContains,
    StartsWith,
    EndsWith,
    Glob,
    IGlob,
    /// The whole value matches.
    Regex,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) enum Cmp {
    Eq,
    Ne,
    Lt,
    Le,
    Gt,
    Ge,
}

impl Cmp {
    fn holds<T: Ord + ?Sized>(self, a: &T, b: &T) -> bool {
        match self {
            Self::Eq => a == b,
            Self::Ne => a != b,
            Self::Lt => a < b,
            Self::Le => a <= b,
            Self::Gt => a > b,
            Self::Ge => a >= b,
        }
    }
}

/// A network: address with the host bits cleared, and prefix length.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct Net {
    addr: IpAddr,
    len: u8,
}

impl Net {
    /// `len` is at most the address's width.
    pub(crate) fn new(addr: IpAddr, len: u8) -> Self {
        Self { addr: mask(addr, len), len }
    }

    fn contains(self, addr: IpAddr) -> bool {
        self.addr.is_ipv4() == addr.is_ipv4() && mask(addr, self.len) == self.addr
    }
}

fn mask(addr: IpAddr, len: u8) -> IpAddr {
    match addr {
        IpAddr::V4(a) => {
            let mask = u32::MAX.checked_shl(32 - u32::from(len.min(32))).unwrap_or(0);
            IpAddr::V4((a.to_bits() & mask).into())
        }
        IpAddr::V6(a) => {
            let mask = u128::MAX.checked_shl(128 - u32::from(len.min(128))).unwrap_or(0);
            IpAddr::V6((a.to_bits() & mask).into())
        }
    }
}

/// A predicate ready to run. Evaluation neither fails nor allocates.
#[derive(Clone, Debug)]
pub(crate) struct Predicate {
    left: Expr,
    arity: Arity,
    test: Test,
}

/// What a [`TestKey`] becomes.
#[derive(Clone, Debug)]
enum Test {
    Never,
    Exists,
    EvtType { types: EventSet, names: ByteSet, negated: bool },
    Bytes(Cmp, Box<[u8]>),
    Contains(Box<Finder<'static>>),
    IContains(Box<[u8]>),
    StartsWith(Box<[u8]>),
    EndsWith(Box<[u8]>),
    Glob(Glob),
    BytesIn(ByteSet),
    PathPrefix(Prefixes),
    Signed(Cmp, i64),
    Unsigned(Cmp, u64),
    NumberIn(HashSet<u64, FixedState>),
    Bool { with_true: bool, with_false: bool },
    Ip { addr: IpAddr, negated: bool },
    IpIn(HashSet<IpAddr, FixedState>),
    NetIn { nets: Box<[Net]>, negated: bool },
}

/// A set of texts with one hash lookup per question, and none for lengths that no member has.
#[derive(Clone, Debug)]
struct ByteSet {
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

impl Predicate {
    pub(crate) fn new(key: &PredicateKey) -> Self {
        let test = match &key.test {
            TestKey::Never => Test::Never,
            TestKey::Exists => Test::Exists,
            TestKey::EvtType { names, negated } => Test::EvtType {
                types: names
                    .iter()
                    .filter_map(|n| std::str::from_utf8(n).ok())
                    .flat_map(EventType::all_named)
                    .collect(),
                names: ByteSet::new(names),
                negated: *negated,
            },
            TestKey::Bytes(test, operand) => {
                let text = operand.as_slice();
                match test {
                    BytesTest::Cmp(cmp) => Test::Bytes(*cmp, text.into()),
                    BytesTest::Contains => Test::Contains(Box::new(Finder::new(text).into_owned())),
                    BytesTest::IContains => Test::IContains(text.to_ascii_lowercase().into()),
                    BytesTest::StartsWith => Test::StartsWith(text.into()),
                    BytesTest::EndsWith => Test::EndsWith(text.into()),
                    BytesTest::Glob => Test::Glob(Glob::new(text, false)),
                    BytesTest::IGlob => Test::Glob(Glob::new(text, true)),
                    BytesTest::Regex => Test::Never,
                }
            }
            TestKey::BytesIn(texts) => Test::BytesIn(ByteSet::new(texts)),
            TestKey::PathPrefix(texts) => {
                Test::PathPrefix(Prefixes::new(texts.iter().map(Vec::as_slice)))
            }
            &TestKey::Number { cmp, bits, signed: true } => Test::Signed(cmp, bits as i64),
            &TestKey::Number { cmp, bits, signed: false } => Test::Unsigned(cmp, bits),
            TestKey::NumberIn(bits) => Test::NumberIn(bits.iter().copied().collect()),
            &TestKey::Bool { is, negated } => {
                Test::Bool { with_true: is != negated, with_false: is == negated }
            }
            &TestKey::BoolIn { with_true, with_false } => Test::Bool { with_true, with_false },
            &TestKey::Ip { addr, negated } => Test::Ip { addr, negated },
            TestKey::IpIn(addrs) => Test::IpIn(addrs.iter().copied().collect()),
            &TestKey::Net { net, negated } => Test::NetIn { nets: Box::new([net]), negated },
            TestKey::NetIn(nets) => {
                Test::NetIn { nets: nets.iter().copied().collect(), negated: false }
            }
            TestKey::Against { .. }
            | TestKey::OneOf(_)
            | TestKey::EachElement(_)
            | TestKey::AnyElement(_) => Test::Never,
        };
        Self { arity: key.left.arity(), left: key.left.clone(), test }
    }

    /// Whether the event satisfies it. A missing value satisfies nothing.
    #[expect(
        clippy::inline_always,
        reason = "one caller; a call saves and restores what is worth 15 instructions"
    )]
    #[inline(always)]
    pub(crate) fn holds<F: Fields>(
        &self,
        ty: EventType,
        fields: &F,
        _buffers: &mut Buffers,
    ) -> bool {
        let Expr::Field(field) = &self.left else { return false };
        if let Test::EvtType { types, names, negated } = &self.test {
            // The two generic types carry calls without an event of their own, told apart by name only.
            let named = if ty.0 <= EventType::GENERIC_X.0 {
                match fields.get(field) {
                    Some(Value::Bytes(name)) => names.contains(name),
                    _ => return false,
                }
            } else {
                types.contains(ty)
            };
            return named != *negated;
        }
        match self.arity {
            Arity::One => fields.get(field).is_some_and(|v| self.test.accepts(v)),
            Arity::Ancestors => fields.any(field, |v| self.test.accepts(v)),
            Arity::Ends => match self.test.inverse() {
                // "not equal" means that neither end is equal.
                Some(equal) => fields.any(field, |_| true) && !fields.any(field, equal),
                None => fields.any(field, |v| self.test.accepts(v)),
            },
        }
    }

    /// Rough cost of a call, to try the cheap ones first.
    pub(crate) fn cost(key: &PredicateKey) -> u32 {
        let test = match &key.test {
            TestKey::Never | TestKey::EvtType { .. } => return 0,
            TestKey::Exists
            | TestKey::Bool { .. }
            | TestKey::BoolIn { .. }
            | TestKey::Number { .. }
            | TestKey::NumberIn(_) => 1,
            // Membership is mostly answered together with others, see `group`.
            TestKey::BytesIn(_)
            | TestKey::Ip { .. }
            | TestKey::Net { .. }
            | TestKey::Bytes(BytesTest::Cmp(_) | BytesTest::StartsWith | BytesTest::EndsWith, _) => {
                2
            }
            TestKey::PathPrefix(_) | TestKey::IpIn(_) => 4,
            TestKey::Bytes(BytesTest::Contains | BytesTest::IContains, _) | TestKey::NetIn(_) => 8,
            TestKey::Bytes(BytesTest::Glob | BytesTest::IGlob, _) | TestKey::Against { .. } => 16,
            TestKey::Bytes(BytesTest::Regex, _)
            | TestKey::OneOf(_)
            | TestKey::EachElement(_)
            | TestKey::AnyElement(_) => 32,
        };
        let values = match key.left.arity() {
            Arity::One => 1,
            Arity::Ends => 2,
            Arity::Ancestors => 8,
        };
        let of_field = |f: &FieldRef| match f.field {
            // Put into words for each event.
            Field::EvtArg | Field::EvtArgs | Field::EvtInfo => 32,
            // A level of ancestry has to be looked up.
            _ if matches!(f.arg, Arg::Index(_)) => 4,
            _ => 0,
        };
        let lookup: u32 = key.left.fields().map(of_field).sum();
        2 + lookup + test * values
    }
}

impl Test {
    #[inline]
    fn accepts(&self, value: Value<'_>) -> bool {
        match (self, value) {
            (Self::Exists, _) => true,
            (Self::Bytes(Cmp::Eq, t), Value::Bytes(v)) => **t == *v,
            (Self::Bytes(cmp, t), Value::Bytes(v)) => cmp.holds::<[u8]>(v, t),
            (Self::Contains(finder), Value::Bytes(v)) => finder.find(v).is_some(),
            (Self::IContains(lower), Value::Bytes(v)) => icontains(v, lower),
            (Self::StartsWith(t), Value::Bytes(v)) => v.starts_with(t),
            (Self::EndsWith(t), Value::Bytes(v)) => v.ends_with(t),
            (Self::Glob(glob), Value::Bytes(v)) => glob.matches(v),
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
            // A value of another type than the schema says satisfies nothing.
            _ => false,
        }
    }

    /// For a "not equal" test the test for "equal".
    fn inverse(&self) -> Option<impl Fn(Value<'_>) -> bool> {
        let is_negative = matches!(
            self,
            Self::Signed(Cmp::Ne, _)
                | Self::Unsigned(Cmp::Ne, _)
                | Self::Ip { negated: true, .. }
                | Self::NetIn { negated: true, .. }
        );
        is_negative.then_some(|v: Value<'_>| !self.accepts(v))
    }
}

/// A number as the bits that operands are kept in.
fn bits(value: Value<'_>) -> Option<u64> {
    match value {
        Value::I64(v) => Some(v as u64),
        Value::U64(v) => Some(v),
        Value::Bytes(_) | Value::Bool(_) | Value::Ip(_) => None,
    }
}

/// `lower` is in lower case already. Jumps between occurrences of its first byte in either case.
fn icontains(text: &[u8], lower: &[u8]) -> bool {
    let Some(&first) = lower.first() else { return true };
    let Some(last_start) = text.len().checked_sub(lower.len()) else { return false };
    memchr::memchr2_iter(first, first.to_ascii_uppercase(), &text[..=last_start])
        .any(|i| text[i..i + lower.len()].eq_ignore_ascii_case(lower))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nets_compare_within_their_family() {
        let net = |a: &str, len| Net::new(a.parse().unwrap(), len);
        let holds = |n: Net, a: &str| n.contains(a.parse().unwrap());
        assert!(holds(net("10.1.2.3", 8), "10.200.0.1"));
        assert!(!holds(net("10.0.0.0", 8), "11.0.0.1"));
        assert!(holds(net("0.0.0.0", 0), "1.2.3.4"));
        assert!(!holds(net("0.0.0.0", 0), "::1"));
        assert!(holds(net("fe80::", 10), "febf::1"));
    }

    #[test]
    fn icontains_ignores_ascii_case_only() {
        assert!(icontains(b"xxSTRATUM+tcp", b"stratum+"));
        assert!(icontains(b"", b""));
        assert!(!icontains(b"stra", b"stratum"));
        assert!(!icontains("É".as_bytes(), "é".as_bytes()));
    }
}
