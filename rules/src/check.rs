//! Comparisons against the schema: which operators a type takes, which operands an operator takes, and the tests that
//! a comparison becomes.

use std::collections::BTreeSet;
use std::ops::Range;

use event::{EventType, N_EVENT_TYPES};

use crate::ast::{Check, Modifier, Op, Operand, Right};
use crate::error::{Code, Diag, Problem, closest};
use crate::expr::Expr;
use crate::lex::Literal;
use crate::literal::{self, Expected};
use crate::misuse::doubts;
use crate::operand::{expr, transforms_event_type, type_name};
use crate::predicate::{AgainstOp, BytesTest, Cmp, PredicateKey, TestKey};
use crate::regex;
use crate::schema::{Arity, Field, FieldType, Scope};
use crate::source::Traced;

/// A comparison understood.
pub(crate) enum Checked {
    One(PredicateKey),
    /// `OP anyof (...)`: one of these.
    Any(Vec<PredicateKey>),
    /// `OP allof (...)`: each of these.
    All(Vec<PredicateKey>),
}

/// Judges a comparison; doubts that do not stop it go to `warnings`.
pub(crate) fn check(
    text: &Traced,
    scope: &Scope,
    check: &Check,
    warnings: &mut Vec<Diag>,
) -> Result<Checked, Diag> {
    let left = expr(text, scope, &check.left)?;
    let at = Checker { text, scope, left, check };
    at.operator()?;
    at.irregular(warnings);
    let constants = match &check.right {
        Right::None | Right::Operand(_) => &[][..],
        Right::Value(value) => std::slice::from_ref(value),
        Right::List { values, .. } => &values.of,
    };
    for value in constants {
        at.known_event(value)?;
        doubts(text, scope, check.op, value, warnings);
    }
    match &check.right {
        Right::None => Ok(Checked::One(at.key(TestKey::Exists))),
        Right::Value(value) => Ok(Checked::One(at.key(at.single(value)?))),
        Right::List { modifier: None, values } => Ok(Checked::One(at.key(at.list(&values.of)?))),
        Right::List { modifier: Some(modifier), values } => at.quantified(*modifier, &values.of),
        Right::Operand(right) => Ok(Checked::One(at.key(at.against(right)?))),
    }
}

struct Checker<'a> {
    text: &'a Traced,
    scope: &'a Scope,
    left: Expr,
    check: &'a Check,
}

impl Checker<'_> {
    fn error(&self, problem: Problem, range: &Range<usize>) -> Diag {
        Diag::new(Code::CompileCondition, problem, self.text.span(range.clone()))
    }

    fn key(&self, test: TestKey) -> PredicateKey {
        PredicateKey { left: self.left.clone(), test }
    }

    fn ty(&self) -> FieldType {
        self.left.ty()
    }

    /// The left side where it is nothing but a field.
    fn field(&self) -> Option<Field> {
        self.left.as_field().map(|f| f.field)
    }

    fn op(&self) -> Op {
        self.check.op
    }

    /// Whether the operator is for values of the left side's type.
    fn operator(&self) -> Result<(), Diag> {
        let ty = self.ty();
        let fits = match self.op() {
            Op::Exists => true,
            Op::In | Op::Intersects => !matches!(ty, FieldType::Opaque | FieldType::Dyn),
            _ if self.left.is_list() => false,
            Op::Eq | Op::Ne => !matches!(ty, FieldType::Opaque | FieldType::Dyn),
            Op::Lt | Op::Le | Op::Gt | Op::Ge => ty.is_numeric() || ty.is_text(),
            Op::Contains | Op::StartsWith | Op::EndsWith => ty.is_text() || ty == FieldType::Buffer,
            Op::BContains | Op::BStartsWith => ty == FieldType::Buffer,
            Op::Glob | Op::IGlob | Op::IContains | Op::Regex | Op::PMatch => ty.is_text(),
        };
        if !fits {
            let class = if self.left.is_list() { "list" } else { ty.class() };
            let (op, field) = (self.check.op_text, self.check.left.to_string());
            let problem = Problem::OperatorType { op, class, field };
            return Err(self.error(problem, &self.check.op_range));
        }
        let decides_types = matches!(self.op(), Op::Eq | Op::Ne | Op::In | Op::Exists);
        match transforms_event_type(&self.left) {
            Some(field) if decides_types => {
                let problem = Problem::EventTypeTransformed(field.name());
                Err(self.error(problem, &self.check.left.range()))
            }
            _ => Ok(()),
        }
    }

    /// Fields that do not behave as their operator suggests.
    fn irregular(&self, warnings: &mut Vec<Diag>) {
        let op = self.check.op_text;
        let (op, does) = match (self.field(), self.op(), &self.check.right) {
            (Some(Field::FdIp), Op::In | Op::Intersects, _) => {
                (op, "never matches; use fd.sip, fd.cip, fd.lip or fd.rip")
            }
            (Some(Field::FdNet), Op::In | Op::Intersects, _) => {
                (op, "looks at the first network only; use fd.snet, fd.cnet, fd.lnet or fd.rnet")
            }
            (Some(Field::FdPort), Op::Intersects, _) => (op, "never matches; use `in`"),
            (_, Op::In | Op::Intersects, _) if self.never_member() => {
                (op, "never matches; compare with single values")
            }
            (_, _, Right::List { modifier: Some(modifier), values })
                if values.of.len() > 1 && self.sees_first_operand_only() =>
            {
                (modifier.as_str(), "looks at the first operand only")
            }
            _ => return,
        };
        let problem = Problem::Irregular { field: self.check.left.to_string(), op, does };
        let span = self.text.span(self.check.op_range.clone());
        warnings.push(Diag::new(Code::MisusedCondition, problem, span));
    }

    /// Whether only the first of several operands counts: these fields compare on their own.
    fn sees_first_operand_only(&self) -> bool {
        self.left.arity() != Arity::One || self.ty() == FieldType::Net
    }

    fn read<T>(
        &self,
        value: &Literal,
        read: impl Fn(&Literal) -> Result<T, Expected>,
    ) -> Result<T, Diag> {
        read(value).map_err(|expected| {
            self.error(Problem::BadValue { value: value.text(), expected }, &value.range)
        })
    }

    /// The test against one operand.
    fn single(&self, value: &Literal) -> Result<TestKey, Diag> {
        let cmp = cmp(self.op()).unwrap_or(Cmp::Eq);
        let negated = cmp == Cmp::Ne;
        Ok(match self.ty() {
            FieldType::Bool => TestKey::Bool { is: self.read(value, literal::truth)?, negated },
            FieldType::Ip => TestKey::Ip { addr: self.read(value, literal::addr)?, negated },
            FieldType::Net => TestKey::Net { net: self.read(value, literal::net)?, negated },
            ty if ty.is_numeric() => {
                let bits = self.read(value, |v| literal::number(v, ty))?;
                TestKey::Number { cmp, bits, signed: ty.is_signed() }
            }
            _ if self.field() == Some(Field::EvtType)
                && matches!(cmp, Cmp::Eq | Cmp::Ne)
                && matches!(self.op(), Op::Eq | Op::Ne)
                && matches!(self.check.right, Right::Value(_)) =>
            {
                TestKey::EvtType { names: BTreeSet::from([value.bytes.clone()]), negated }
            }
            _ => {
                let bytes = match self.op() {
                    Op::BContains | Op::BStartsWith => self.read(value, literal::hex)?,
                    Op::Regex => self.pattern(value)?,
                    _ => value.bytes.clone(),
                };
                TestKey::Bytes(bytes_test(self.op()), bytes)
            }
        })
    }

    /// A regular expression that compiles.
    fn pattern(&self, value: &Literal) -> Result<Vec<u8>, Diag> {
        match regex::check(&value.bytes) {
            Ok(()) => Ok(value.bytes.clone()),
            Err(why) => {
                let problem = Problem::BadPattern { pattern: value.text(), why };
                Err(self.error(problem, &value.range))
            }
        }
    }

    /// The test against a list.
    fn list(&self, values: &[Literal]) -> Result<TestKey, Diag> {
        let test = self.member(values)?;
        Ok(match (self.op(), self.left.is_list()) {
            (Op::In, true) => TestKey::EachElement(Box::new(test)),
            (Op::Intersects, true) => TestKey::AnyElement(Box::new(test)),
            _ if self.never_member() => TestKey::Never,
            (Op::Intersects, false) => self.open_to_all_types(test),
            _ => test,
        })
    }

    /// The same test, from which no event types are told: of the comparisons with `syscall.type` only `=`, `!=` and `in` with values tell them.
    fn open_to_all_types(&self, test: TestKey) -> TestKey {
        if self.field() == Some(Field::SyscallType) { TestKey::OneOf(vec![test]) } else { test }
    }

    /// Fields of which no value is ever found in a list.
    fn never_member(&self) -> bool {
        match self.field() {
            Some(Field::FdIp) => true,
            Some(Field::FdPort) => self.op() == Op::Intersects,
            Some(Field::EvtRawarg) => !self.ty().is_text() && self.ty() != FieldType::Buffer,
            _ => false,
        }
    }

    /// The test of one value against a list.
    fn member(&self, values: &[Literal]) -> Result<TestKey, Diag> {
        let texts = || values.iter().map(|v| v.bytes.clone()).collect::<BTreeSet<_>>();
        if self.op() == Op::PMatch {
            return Ok(TestKey::PathPrefix(texts()));
        }
        Ok(match self.ty() {
            FieldType::Bool => {
                let truths = self.read_all(values, literal::truth)?;
                TestKey::BoolIn {
                    with_true: truths.contains(&true),
                    with_false: truths.contains(&false),
                }
            }
            FieldType::Ip => {
                TestKey::IpIn(self.read_all(values, literal::addr)?.into_iter().collect())
            }
            FieldType::Net => {
                let nets = self.read_all(values, literal::net)?;
                let n = if self.field() == Some(Field::FdNet) { 1 } else { nets.len() };
                TestKey::NetIn(nets.into_iter().take(n).collect())
            }
            ty if ty.is_numeric() => {
                let bits = self.read_all(values, |v| literal::number(v, ty))?;
                TestKey::NumberIn(bits.into_iter().collect())
            }
            _ if self.field() == Some(Field::EvtType) && self.op() == Op::In => {
                TestKey::EvtType { names: texts(), negated: false }
            }
            _ => TestKey::BytesIn(texts()),
        })
    }

    fn read_all<T>(
        &self,
        values: &[Literal],
        read: impl Fn(&Literal) -> Result<T, Expected>,
    ) -> Result<Vec<T>, Diag> {
        values.iter().map(|v| self.read(v, &read)).collect()
    }

    /// `OP oneof (...)` and its like: one test for each operand.
    fn quantified(&self, modifier: Modifier, values: &[Literal]) -> Result<Checked, Diag> {
        let mut tests =
            values.iter().map(|v| self.single(v)).collect::<Result<Vec<TestKey>, _>>()?;
        if self.sees_first_operand_only() {
            tests.truncate(1);
        }
        let key = |test| self.key(self.open_to_all_types(test));
        let keys = |tests: Vec<TestKey>| tests.into_iter().map(key).collect();
        Ok(match (modifier, tests.len()) {
            (_, 0) => Checked::One(self.key(TestKey::Never)),
            (_, 1) => Checked::One(key(tests.swap_remove(0))),
            (Modifier::Any, _) => Checked::Any(keys(tests)),
            (Modifier::All, _) => Checked::All(keys(tests)),
            (Modifier::One, _) => Checked::One(self.key(TestKey::OneOf(tests))),
        })
    }

    /// The test against other fields of the event.
    fn against(&self, written: &Operand) -> Result<TestKey, Diag> {
        let right = expr(self.text, self.scope, written)?;
        let range = written.range();
        if matches!(self.op(), Op::Regex | Op::PMatch) {
            return Err(self.error(Problem::NoFieldOnTheRight(self.check.op_text), &range));
        }
        let left_type = self.field().filter(|f| matches!(f, Field::EvtType | Field::SyscallType));
        if let Some(field) = left_type
            && matches!(self.op(), Op::Eq | Op::Ne | Op::In)
        {
            return Err(self.error(Problem::EventTypeAgainstField(field.name()), &range));
        }
        let sides = [(&self.left, self.check.left.range()), (&right, range.clone())];
        for (side, range) in sides {
            let refuses = |f: Field| f.info().no_rhs() || f.info().ty == FieldType::Net;
            if let Some(field) = side.innermost().as_field().filter(|f| refuses(f.field)) {
                return Err(self.error(Problem::NoFieldComparison(field.to_string()), &range));
            }
        }
        if right.ty() != self.ty() || right.is_list() != self.left.is_list() {
            let problem = Problem::TypesDiffer {
                left: self.check.left.to_string(),
                left_is: type_name(&self.left),
                right_is: type_name(&right),
            };
            return Err(self.error(problem, &range));
        }
        let op = match self.op() {
            Op::In => AgainstOp::In,
            Op::Intersects => AgainstOp::Intersects,
            op => AgainstOp::Test(bytes_test(op)),
        };
        Ok(TestKey::Against { op, right })
    }

    /// Whatever the operator, `evt.type` is compared with names that exist, also through transformers.
    fn known_event(&self, value: &Literal) -> Result<(), Diag> {
        let name = value.text();
        let field = self.left.innermost().as_field();
        let is_event_type = field.is_some_and(|f| f.field == Field::EvtType);
        if !is_event_type || is_event(&name) || event::Call::named(&name).is_some() {
            return Ok(());
        }
        let near = closest(&name, event_names().chain(event::Call::every().map(event::Call::name)));
        Err(self.error(Problem::UnknownEventType(name.clone()), &value.range).did_you_mean(near))
    }
}

/// The order that an operator asks for.
fn cmp(op: Op) -> Option<Cmp> {
    Some(match op {
        Op::Eq => Cmp::Eq,
        Op::Ne => Cmp::Ne,
        Op::Lt => Cmp::Lt,
        Op::Le => Cmp::Le,
        Op::Gt => Cmp::Gt,
        Op::Ge => Cmp::Ge,
        _ => return None,
    })
}

/// What an operator with one operand asks of bytes.
fn bytes_test(op: Op) -> BytesTest {
    match op {
        Op::Glob => BytesTest::Glob,
        Op::IGlob => BytesTest::IGlob,
        Op::Contains | Op::BContains => BytesTest::Contains,
        Op::IContains => BytesTest::IContains,
        Op::StartsWith | Op::BStartsWith => BytesTest::StartsWith,
        Op::EndsWith => BytesTest::EndsWith,
        Op::Regex => BytesTest::Regex,
        op => BytesTest::Cmp(cmp(op).unwrap_or(Cmp::Eq)),
    }
}

/// Name of the event that the container engine sends, which no table lists.
const CONTAINER_EVENT: &str = "container";

fn is_event(name: &str) -> bool {
    name == CONTAINER_EVENT || event_names().any(|n| n == name)
}

fn event_names() -> impl Iterator<Item = &'static str> {
    (0..N_EVENT_TYPES as u16).map(|n| EventType(n).name())
}
