//! Comparisons of two values of one event, and of lists element by element.

use crate::buffers::Scalar;
use crate::expr::Expr;
use crate::glob;
use crate::predicate::{AgainstOp, BytesTest, Cmp};
use crate::test::bits;
use crate::transform::Evaluator;
use crate::value::{Fields, Value};

/// Longest pattern that is taken from an event: as long as one in a condition. A longer one matches nothing.
const MAX_PATTERN: usize = 255;

/// Whether the comparison holds between two sides of an event; where one has no value it does not.
pub(crate) fn against<'f, F: Fields>(
    evaluator: &mut Evaluator<'f, '_, F>,
    left: &'f Expr,
    op: AgainstOp,
    right: &'f Expr,
    signed: bool,
) -> bool {
    let holds = match op {
        AgainstOp::Test(test) => scalars(evaluator, left, right).map(|(left, right)| {
            let (left, right) = (evaluator.computed.value(left), evaluator.computed.value(right));
            between(left, test, right, signed)
        }),
        AgainstOp::In | AgainstOp::Intersects => {
            lists(evaluator, left, right).map(|(left, right)| {
                let computed = &*evaluator.computed;
                let is_there = |l| {
                    computed
                        .values(right.clone())
                        .any(|r| between(l, BytesTest::Cmp(Cmp::Eq), r, signed))
                };
                let mut left = computed.values(left);
                if op == AgainstOp::In { left.all(is_there) } else { left.any(is_there) }
            })
        }
    };
    holds.unwrap_or(false)
}

fn scalars<'f, F: Fields>(
    evaluator: &mut Evaluator<'f, '_, F>,
    left: &'f Expr,
    right: &'f Expr,
) -> Option<(Scalar<'f>, Scalar<'f>)> {
    Some((evaluator.scalar(left)?, evaluator.scalar(right)?))
}

type Items = std::ops::Range<usize>;

fn lists<'f, F: Fields>(
    evaluator: &mut Evaluator<'f, '_, F>,
    left: &'f Expr,
    right: &'f Expr,
) -> Option<(Items, Items)> {
    Some((evaluator.list_or_one(left)?, evaluator.list_or_one(right)?))
}

fn between(left: Value<'_>, test: BytesTest, right: Value<'_>, signed: bool) -> bool {
    match (left, test, right) {
        (Value::Bytes(l), test, Value::Bytes(r)) => texts(l, test, r),
        (Value::Bool(l), BytesTest::Cmp(cmp), Value::Bool(r)) => cmp.holds(&l, &r),
        (Value::Ip(l), BytesTest::Cmp(cmp), Value::Ip(r)) => cmp.holds(&l, &r),
        (l, BytesTest::Cmp(cmp), r) => match (bits(l), bits(r)) {
            (Some(l), Some(r)) if signed => cmp.holds(&(l as i64), &(r as i64)),
            (Some(l), Some(r)) => cmp.holds(&l, &r),
            _ => false,
        },
        _ => false,
    }
}

fn texts(left: &[u8], test: BytesTest, right: &[u8]) -> bool {
    match test {
        BytesTest::Cmp(cmp) => cmp.holds(left, right),
        BytesTest::Contains => memchr::memmem::find(left, right).is_some(),
        BytesTest::IContains => icontains(left, right),
        BytesTest::StartsWith => left.starts_with(right),
        BytesTest::EndsWith => left.ends_with(right),
        BytesTest::Glob | BytesTest::IGlob => {
            right.len() <= MAX_PATTERN && glob::matches(right, left, test == BytesTest::IGlob)
        }
        // A pattern is a constant.
        BytesTest::Regex => false,
    }
}

fn icontains(text: &[u8], part: &[u8]) -> bool {
    part.is_empty() || text.windows(part.len()).any(|w| w.eq_ignore_ascii_case(part))
}

/// Whether a list is there, and how many of its elements satisfy `test`.
pub(crate) fn count<'f, F: Fields>(
    evaluator: &mut Evaluator<'f, '_, F>,
    list: &'f Expr,
    mut test: impl FnMut(Value<'_>) -> bool,
) -> (bool, usize) {
    if let Expr::Field(field) = list {
        let mut n = 0;
        let is_there = evaluator.fields.elements(field, |v| n += usize::from(test(v)));
        return (is_there, n);
    }
    match evaluator.list(list) {
        Some(items) => (true, evaluator.computed.values(items).filter(|&v| test(v)).count()),
        None => (false, 0),
    }
}
