//! Comparisons against the schema: fields are looked up, operators judged by type, operands read.

use std::collections::BTreeSet;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::ops::Range;

use event::{EventType, N_EVENT_TYPES};

use crate::error::{Code, Diag, Problem, closest};
use crate::expr::Expr;
use crate::lex::Literal;
use crate::lookup::field_ref;
use crate::parse::{Check, Op, Quantifier, Right};
use crate::predicate::{BytesTest, Cmp, Net, PredicateKey, TestKey};
use crate::schema::{Arity, Field, FieldRef, FieldType};
use crate::services::service_port;
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
    check: &Check,
    warnings: &mut Vec<Diag>,
) -> Result<Checked, Diag> {
    let field = field_ref(text, &check.field)?;
    let at = Checker { text, field, op: check.op, op_range: check.op_range.clone() };
    if check.op == Op::Regex {
        let problem = Problem::Unsupported(format!("the operator `{}`", check.op.as_str()));
        return Err(at.error(problem, &check.op_range));
    }
    at.operator()?;
    at.irregular(warnings);
    match &check.right {
        Right::None => Ok(Checked::One(at.key(TestKey::Exists))),
        Right::Value(value) => {
            at.field_as_value(value, warnings);
            Ok(Checked::One(at.key(at.single(value)?)))
        }
        Right::List(values) => Ok(Checked::One(at.key(at.list(values)?))),
        Right::Quantified(_, values) if values.is_empty() => {
            Ok(Checked::One(at.key(TestKey::Never)))
        }
        Right::Quantified(quantifier, values) => {
            // These fields compare on their own and look at the first operand only.
            let values = if at.field.arity() == Arity::One { values } else { &values[..1] };
            let keys =
                values.iter().map(|v| Ok(at.key(at.single(v)?))).collect::<Result<_, _>>()?;
            Ok(match quantifier {
                Quantifier::Any => Checked::Any(keys),
                Quantifier::All => Checked::All(keys),
            })
        }
    }
}

struct Checker<'a> {
    text: &'a Traced,
    field: FieldRef,
    op: Op,
    op_range: Range<usize>,
}

impl Checker<'_> {
    fn error(&self, problem: Problem, range: &Range<usize>) -> Diag {
        Diag::new(Code::CompileCondition, problem, self.text.span(range.clone()))
    }

    fn key(&self, test: TestKey) -> PredicateKey {
        PredicateKey { left: Expr::Field(self.field.clone()), test }
    }

    fn ty(&self) -> FieldType {
        self.field.ty()
    }

    /// Whether the operator is for fields of this type.
    fn operator(&self) -> Result<(), Diag> {
        let ty = self.ty();
        let fits = match self.op {
            Op::Exists => true,
            Op::Eq | Op::Ne | Op::In | Op::Intersects => ty != FieldType::Opaque,
            Op::Lt | Op::Le | Op::Gt | Op::Ge => ty.is_numeric() || ty.is_text(),
            Op::Contains | Op::StartsWith | Op::EndsWith => ty.is_text() || ty == FieldType::Buffer,
            Op::BContains | Op::BStartsWith => ty == FieldType::Buffer,
            Op::Glob | Op::IGlob | Op::IContains | Op::Regex | Op::PMatch => ty.is_text(),
        };
        if fits {
            return Ok(());
        }
        let (op, field) = (self.op.as_str(), self.field.to_string());
        Err(self.error(Problem::OperatorType { op, class: ty.class(), field }, &self.op_range))
    }

    /// Fields that do not behave as their operator suggests.
    fn irregular(&self, warnings: &mut Vec<Diag>) {
        let does = match (self.field.field, self.op) {
            (Field::FdIp, Op::In | Op::Intersects) => {
                "never matches; use fd.sip, fd.cip, fd.lip or fd.rip"
            }
            (Field::FdNet, Op::In | Op::Intersects) => {
                "looks at the first network only; use fd.snet, fd.cnet, fd.lnet or fd.rnet"
            }
            _ => return,
        };
        let problem =
            Problem::Irregular { field: self.field.to_string(), op: self.op.as_str(), does };
        warnings.push(Diag::new(
            Code::MisusedCondition,
            problem,
            self.text.span(self.op_range.clone()),
        ));
    }

    fn field_as_value(&self, value: &Literal, warnings: &mut Vec<Diag>) {
        let text = value.text();
        if !value.quoted && Field::by_name(&text).is_some() {
            let problem = Problem::FieldAsValue(text);
            let span = self.text.span(value.range.clone());
            warnings.push(Diag::new(Code::MisusedCondition, problem, span));
        }
    }

    /// The test against one operand.
    fn single(&self, value: &Literal) -> Result<TestKey, Diag> {
        let cmp = match self.op {
            Op::Ne => Cmp::Ne,
            Op::Lt => Cmp::Lt,
            Op::Le => Cmp::Le,
            Op::Gt => Cmp::Gt,
            Op::Ge => Cmp::Ge,
            _ => Cmp::Eq,
        };
        let negated = cmp == Cmp::Ne;
        Ok(match self.ty() {
            ty if ty.is_text() || matches!(ty, FieldType::Buffer | FieldType::Opaque) => {
                self.known_event(value)?;
                let test = match self.op {
                    Op::Glob => BytesTest::Glob,
                    Op::IGlob => BytesTest::IGlob,
                    Op::Contains => BytesTest::Contains,
                    Op::IContains => BytesTest::IContains,
                    Op::StartsWith => BytesTest::StartsWith,
                    Op::EndsWith => BytesTest::EndsWith,
                    Op::BContains => {
                        return Ok(TestKey::Bytes(BytesTest::Contains, self.hex(value)?));
                    }
                    Op::BStartsWith => {
                        return Ok(TestKey::Bytes(BytesTest::StartsWith, self.hex(value)?));
                    }
                    _ => BytesTest::Cmp(cmp),
                };
                if self.field.field == Field::EvtType && matches!(self.op, Op::Eq | Op::Ne) {
                    let names = BTreeSet::from([value.bytes.clone()]);
                    return Ok(TestKey::EvtType { names, negated });
                }
                TestKey::Bytes(test, value.bytes.clone())
            }
            FieldType::Bool => TestKey::Bool { is: self.truth(value)?, negated },
            FieldType::Ip => TestKey::Ip { addr: self.addr(value)?, negated },
            FieldType::Net => TestKey::Net { net: self.net(value)?, negated },
            ty => TestKey::Number { cmp, bits: self.number(value)?, signed: ty.is_signed() },
        })
    }

    /// The test against a list.
    fn list(&self, values: &[Literal]) -> Result<TestKey, Diag> {
        let texts = || values.iter().map(|v| v.bytes.clone()).collect::<BTreeSet<_>>();
        if self.op == Op::PMatch {
            return Ok(TestKey::PathPrefix(texts()));
        }
        Ok(match self.ty() {
            ty if ty.is_text() || matches!(ty, FieldType::Buffer | FieldType::Opaque) => {
                values.iter().try_for_each(|v| self.known_event(v))?;
                if self.field.field == Field::EvtType {
                    TestKey::EvtType { names: texts(), negated: false }
                } else {
                    TestKey::BytesIn(texts())
                }
            }
            FieldType::Bool => {
                let truths = values.iter().map(|v| self.truth(v)).collect::<Result<Vec<_>, _>>()?;
                TestKey::BoolIn {
                    with_true: truths.contains(&true),
                    with_false: truths.contains(&false),
                }
            }
            FieldType::Ip => {
                let addrs = values.iter().map(|v| self.addr(v)).collect::<Result<_, _>>()?;
                if self.field.field == Field::FdIp { TestKey::Never } else { TestKey::IpIn(addrs) }
            }
            FieldType::Net => {
                let nets: Vec<Net> =
                    values.iter().map(|v| self.net(v)).collect::<Result<_, _>>()?;
                let n = if self.field.field == Field::FdNet { 1 } else { nets.len() };
                TestKey::NetIn(nets.into_iter().take(n).collect())
            }
            _ => {
                TestKey::NumberIn(values.iter().map(|v| self.number(v)).collect::<Result<_, _>>()?)
            }
        })
    }

    /// Whatever the operator, `evt.type` and `syscall.type` compare with names that exist.
    fn known_event(&self, value: &Literal) -> Result<(), Diag> {
        let name = value.text();
        let known = match self.field.field {
            Field::EvtType => is_event(&name) || event::syscall_id(&name).is_some(),
            Field::SyscallType => event::syscall_id(&name).is_some(),
            _ => true,
        };
        if known {
            return Ok(());
        }
        let names = event_names().chain(event::syscall_names());
        let near = closest(&name, names);
        Err(self.error(Problem::UnknownEventType(name.clone()), &value.range).did_you_mean(near))
    }

    fn bad(&self, value: &Literal, expected: &'static str) -> Diag {
        self.error(Problem::BadValue { value: value.text(), expected }, &value.range)
    }

    /// Pairs of hexadecimal digits.
    fn hex(&self, value: &Literal) -> Result<Vec<u8>, Diag> {
        let digit = |b: &u8| char::from(*b).to_digit(16);
        let pairs = value.bytes.chunks(2).map(|pair| match pair {
            [high, low] => Some((digit(high)? << 4 | digit(low)?) as u8),
            _ => None,
        });
        let bytes: Option<Vec<u8>> = pairs.collect();
        bytes
            .filter(|b| !b.is_empty())
            .ok_or_else(|| self.bad(value, "pairs of hexadecimal digits"))
    }

    fn truth(&self, value: &Literal) -> Result<bool, Diag> {
        match value.bytes.as_slice() {
            b"true" => Ok(true),
            b"false" => Ok(false),
            _ => Err(self.bad(value, "`true` or `false`")),
        }
    }

    /// Decimal digits with an optional sign; what is out of range wraps into the field's type.
    fn number(&self, value: &Literal) -> Result<u64, Diag> {
        let ty = self.ty();
        let text = value.text();
        let digits = text.trim_start_matches([' ', '\t', '\n', '\r', '\x0b', '\x0c']);
        let (negative, digits) = match digits.strip_prefix(['-', '+']) {
            Some(rest) => (digits.starts_with('-'), rest),
            None => (false, digits),
        };
        if digits.is_empty() || !digits.bytes().all(|b| b.is_ascii_digit()) {
            if ty == FieldType::Port {
                let port = service_port(&text);
                return port.map(u64::from).ok_or_else(|| self.bad(value, "a port or a service"));
            }
            return Err(self.bad(value, "a decimal number"));
        }
        let magnitude: u64 = digits.parse().unwrap_or(u64::MAX);
        let wide = if ty.is_signed() {
            let limit = i64::MAX as u64 + u64::from(negative);
            let magnitude = magnitude.min(limit);
            if negative { magnitude.wrapping_neg() } else { magnitude }
        } else if negative {
            magnitude.wrapping_neg()
        } else {
            magnitude
        };
        if ty == FieldType::Double {
            return Ok((wide as i64 as f64).to_bits());
        }
        Ok(match (ty.bits(), ty.is_signed()) {
            (Some(16), true) => i64::from(wide as i16) as u64,
            (Some(32), true) => i64::from(wide as i32) as u64,
            (Some(8), _) => u64::from(wide as u8),
            (Some(16), false) => u64::from(wide as u16),
            (Some(32), false) => u64::from(wide as u32),
            _ => wide,
        })
    }

    fn addr(&self, value: &Literal) -> Result<IpAddr, Diag> {
        addr(&value.text()).ok_or_else(|| self.bad(value, "an IP address"))
    }

    fn net(&self, value: &Literal) -> Result<Net, Diag> {
        let text = value.text();
        let net = text.split_once('/').and_then(|(a, len)| {
            let addr = addr(a)?;
            let digits = !len.is_empty() && len.bytes().all(|b| b.is_ascii_digit());
            let len: u8 = digits.then(|| len.parse().ok()).flatten()?;
            let valid = if addr.is_ipv4() { len <= 32 } else { (1..=128).contains(&len) };
            valid.then(|| Net::new(addr, len))
        });
        net.ok_or_else(|| self.bad(value, "a network such as 10.0.0.0/8"))
    }
}

fn addr(text: &str) -> Option<IpAddr> {
    // The mapped form `::ffff:1.2.3.4` also holds a dot, and is refused as IPv4 text.
    if text.contains('.') {
        text.parse::<Ipv4Addr>().ok().map(IpAddr::V4)
    } else {
        text.parse::<Ipv6Addr>().ok().map(IpAddr::V6)
    }
}

fn is_event(name: &str) -> bool {
    event_names().any(|n| n == name)
}

fn event_names() -> impl Iterator<Item = &'static str> {
    (0..N_EVENT_TYPES as u16).map(|n| EventType(n).name())
}
