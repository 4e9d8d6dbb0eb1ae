//! Predicates: one value of an event against one operand, the unit that rules share.

use std::collections::BTreeSet;
use std::net::IpAddr;

use event::EventType;

use crate::buffers::{Buffers, Needs, OfBits};
use crate::compare;
use crate::compile::fields_read;
use crate::expr::{Expr, Function};
use crate::schema::{Arity, Field, FieldRef};
use crate::test::Test;
use crate::transform::Evaluator;
use crate::value::{Fields, Value};

/// A comparison in the form in which equal ones are found equal.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct PredicateKey {
    pub(crate) left: Expr,
    pub(crate) test: TestKey,
}

/// What is asked of a value.
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
            Self::AnyElement(of) => of.is_never(),
            Self::OneOf(of) => of.iter().all(Self::is_never),
            _ => false,
        }
    }
}

/// A comparison of two values of an event.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) enum AgainstOp {
    /// Between two scalars. [`BytesTest::Cmp`] is for values of every type, the others are for bytes.
    Test(BytesTest),
    /// Every element of the left side is one of the right side's. A scalar is a list of one.
    In,
    /// Some element of the left side is one of the right side's.
    Intersects,
}

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
    pub(crate) fn holds<T: Ord + ?Sized>(self, a: &T, b: &T) -> bool {
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

    pub(crate) fn contains(self, addr: IpAddr) -> bool {
        self.addr.is_ipv4() == addr.is_ipv4() && mask(addr, self.len) == self.addr
    }

    /// Whether every address of the other is one of this.
    pub(crate) fn covers(self, other: Self) -> bool {
        self.len <= other.len && self.contains(other.addr)
    }

    /// Whether the two have an address in common.
    pub(crate) fn overlaps(self, other: Self) -> bool {
        self.contains(other.addr) || other.contains(self.addr)
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
    /// Whether more has to be done than to hand the field's value to the test.
    is_computed: bool,
    /// Its place among those that may be asked of flags, whose text need not be made anew where they are as in the event before.
    of_bits: Option<usize>,
    test: Test,
}

impl Predicate {
    /// `n_of_bits`: how many before it may be asked of flags.
    pub(crate) fn new(key: &PredicateKey, n_of_bits: usize) -> Self {
        let PredicateKey { left, test } = key;
        let (left, test) = match folded(left, test) {
            Some((field, test)) => (Expr::Field(field.clone()), test),
            None => (left.clone(), Test::new(test, left.ty())),
        };
        let is_computed = left.as_field().is_none() || left.is_list() || test.asks_the_event();
        let is_of_bits = !is_computed && left.as_field().is_some_and(|f| f.field == Field::EvtArg);
        let of_bits = is_of_bits.then_some(n_of_bits);
        Self { arity: left.arity(), left, is_computed, of_bits, test }
    }

    /// The room that it takes.
    pub(crate) fn needs(&self) -> Needs {
        Needs {
            computes: self.is_computed,
            n_states: self.test.n_states(),
            n_of_bits: usize::from(self.of_bits.is_some()),
        }
    }

    /// Whether the event satisfies it. A missing value satisfies nothing. `buffers` fit what it needs.
    #[expect(
        clippy::inline_always,
        reason = "one caller; a call saves and restores what is worth 15 instructions"
    )]
    #[inline(always)]
    pub(crate) fn holds<F: Fields>(
        &self,
        ty: EventType,
        fields: &F,
        buffers: &mut Buffers,
    ) -> bool {
        let Expr::Field(field) = &self.left else { return self.computed(fields, buffers) };
        if self.is_computed {
            return self.computed(fields, buffers);
        }
        if let Test::EvtType { types, .. } = &self.test
            // The two generic types carry calls without an event of their own, told apart by name only.
            && ty.0 > EventType::GENERIC_X.0
        {
            return types.contains(ty);
        }
        if let Some(place) = self.of_bits
            && let Some(bits) = fields.bits(field)
        {
            return self.of_bits((ty, bits), place, || fields.get(field), buffers);
        }
        let sets = &mut buffers.sets;
        match self.arity {
            Arity::One => fields.get(field).is_some_and(|v| self.test.accepts(v, sets)),
            Arity::Ancestors => fields.any(field, |v| self.test.accepts(v, sets)),
            // "not equal" means that none of them is equal.
            Arity::Ends if self.test.is_not_equal() => {
                fields.any(field, |_| true) && !fields.any(field, |v| !self.test.accepts(v, sets))
            }
            Arity::Ends => fields.any(field, |v| self.test.accepts(v, sets)),
        }
    }

    /// The same of a text that bits make: with the bits of the event before it is the same text.
    fn of_bits<'f>(
        &self,
        of: (EventType, u64),
        place: usize,
        text: impl FnOnce() -> Option<Value<'f>>,
        buffers: &mut Buffers,
    ) -> bool {
        let Buffers { of_bits, sets, .. } = buffers;
        let Some(known) = of_bits.get_mut(place) else {
            return text().is_some_and(|v| self.test.accepts(v, sets));
        };
        if known.asked != Some(of) {
            let answer = text().is_some_and(|v| self.test.accepts(v, sets));
            *known = OfBits { asked: Some(of), answer };
        }
        known.answer
    }

    /// The same where transformers, lists or two fields are involved.
    #[inline(never)]
    fn computed<F: Fields>(&self, fields: &F, buffers: &mut Buffers) -> bool {
        let Buffers { computed, sets, .. } = buffers;
        computed.clear();
        let mut evaluator = Evaluator { fields, computed };
        match &self.test {
            Test::Exists => evaluator.exists(&self.left),
            Test::Against { op, right, signed } => {
                compare::against(&mut evaluator, &self.left, *op, right, *signed)
            }
            Test::EachElement(test) => {
                let (is_there, n_failing) =
                    compare::count(&mut evaluator, &self.left, |v| !test.accepts(v, sets));
                is_there && n_failing == 0
            }
            Test::AnyElement(test) => {
                compare::count(&mut evaluator, &self.left, |v| test.accepts(v, sets)).1 > 0
            }
            test => evaluator
                .scalar(&self.left)
                .is_some_and(|v| test.accepts(evaluator.computed.value(v), sets)),
        }
    }

    /// Rough cost of a call, to try the cheap ones first.
    pub(crate) fn cost(key: &PredicateKey) -> u32 {
        let test = test_cost(&key.test);
        if matches!(key.test, TestKey::Never | TestKey::EvtType { .. }) {
            return 0;
        }
        let values = match key.left.arity() {
            Arity::One => 1,
            Arity::Ends => 2,
            Arity::Ancestors => 8,
        };
        let lookup: u32 = fields_read(key).into_iter().map(FieldRef::cost).sum();
        // A value is made and copied.
        let computed = if key.left.as_field().is_some() { 0 } else { 16 };
        2 + lookup + computed + test * values
    }
}

fn test_cost(test: &TestKey) -> u32 {
    match test {
        TestKey::Never
        | TestKey::EvtType { .. }
        | TestKey::Exists
        | TestKey::Bool { .. }
        | TestKey::BoolIn { .. }
        | TestKey::Number { .. }
        | TestKey::NumberIn(_) => 1,
        // Membership is mostly answered together with others, see `group`.
        TestKey::BytesIn(_)
        | TestKey::Ip { .. }
        | TestKey::Net { .. }
        | TestKey::Bytes(BytesTest::Cmp(_) | BytesTest::StartsWith | BytesTest::EndsWith, _) => 2,
        TestKey::PathPrefix(_) | TestKey::IpIn(_) => 4,
        TestKey::Bytes(BytesTest::Contains | BytesTest::IContains, _) | TestKey::NetIn(_) => 8,
        TestKey::Bytes(BytesTest::Glob | BytesTest::IGlob, _) | TestKey::Against { .. } => 16,
        TestKey::Bytes(BytesTest::Regex, _) => 64,
        TestKey::OneOf(of) => of.iter().fold(0, |sum, t| test_cost(t).saturating_add(sum)),
        TestKey::EachElement(of) | TestKey::AnyElement(of) => test_cost(of).saturating_mul(8),
    }
}

/// `tolower(field)` and `toupper(field)` against a constant ask the field itself: no copy has to be made.
fn folded<'k>(left: &'k Expr, test: &TestKey) -> Option<(&'k FieldRef, Test)> {
    let Expr::Call { function, args, .. } = left else { return None };
    let (Some(field), TestKey::Bytes(test, operand)) = (args.first()?.as_field(), test) else {
        return None;
    };
    if field.is_list() {
        return None;
    }
    // A letter in the other case is never there.
    let is_possible = match function {
        Function::ToLower => !operand.iter().any(u8::is_ascii_uppercase),
        Function::ToUpper => !operand.iter().any(u8::is_ascii_lowercase),
        _ => return None,
    };
    let test = match test {
        BytesTest::Cmp(Cmp::Ne) if !is_possible => Test::Exists,
        BytesTest::Cmp(Cmp::Eq)
        | BytesTest::Contains
        | BytesTest::StartsWith
        | BytesTest::EndsWith
            if !is_possible =>
        {
            Test::Never
        }
        BytesTest::Cmp(cmp @ (Cmp::Eq | Cmp::Ne)) => {
            Test::Folded { text: operand.as_slice().into(), negated: *cmp == Cmp::Ne }
        }
        BytesTest::Contains => Test::IContains(operand.to_ascii_lowercase().into()),
        BytesTest::StartsWith => Test::FoldedStart(operand.as_slice().into()),
        BytesTest::EndsWith => Test::FoldedEnd(operand.as_slice().into()),
        _ => return None,
    };
    Some((field, test))
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
}
