//! The slow, obvious evaluator: walks a condition's tree and asks each comparison afresh. No sharing, no index, no
//! compiled form; what the fast one has to agree with.

use std::collections::BTreeMap;
use std::fmt;
use std::net::IpAddr;

use rules::{Arity, Field, FieldRef, FieldType, Fields, Value};

/// An event: some values for some fields. Fields with several values in a comparison have several here.
#[derive(Clone, Debug, Default)]
pub(crate) struct Event(pub(crate) BTreeMap<FieldRef, Vec<Owned>>);

#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Owned {
    Bytes(Vec<u8>),
    I64(i64),
    U64(u64),
    Bool(bool),
    Ip(IpAddr),
}

impl Owned {
    pub(crate) fn text(s: &str) -> Self {
        Self::Bytes(s.as_bytes().to_vec())
    }

    fn value(&self) -> Value<'_> {
        match self {
            Self::Bytes(b) => Value::Bytes(b),
            &Self::I64(v) => Value::I64(v),
            &Self::U64(v) => Value::U64(v),
            &Self::Bool(v) => Value::Bool(v),
            &Self::Ip(v) => Value::Ip(v),
        }
    }
}

impl Event {
    pub(crate) fn with(mut self, field: impl Into<FieldRef>, value: Owned) -> Self {
        self.0.entry(field.into()).or_default().push(value);
        self
    }
}

impl Fields for Event {
    fn get(&self, field: &FieldRef) -> Option<Value<'_>> {
        self.0.get(field)?.first().map(Owned::value)
    }

    fn any<P: FnMut(Value<'_>) -> bool>(&self, field: &FieldRef, pred: P) -> bool {
        self.0.get(field).is_some_and(|values| values.iter().map(Owned::value).any(pred))
    }
}

/// A condition.
#[derive(Clone, Debug)]
pub(crate) enum Cond {
    And(Vec<Cond>),
    Or(Vec<Cond>),
    Not(Box<Cond>),
    Check { field: FieldRef, op: &'static str, operands: Vec<String> },
}

impl Cond {
    pub(crate) fn check(field: impl Into<FieldRef>, op: &'static str, operands: &[&str]) -> Self {
        let operands = operands.iter().map(|&o| o.to_owned()).collect();
        Self::Check { field: field.into(), op, operands }
    }

    /// Whether the event satisfies the condition.
    pub(crate) fn holds(&self, event: &Event) -> bool {
        match self {
            Self::And(of) => of.iter().all(|c| c.holds(event)),
            Self::Or(of) => of.iter().any(|c| c.holds(event)),
            Self::Not(of) => !of.holds(event),
            Self::Check { field, op, operands } => check(field, op, operands, event),
        }
    }
}

fn quoted(text: &str) -> String {
    format!("'{}'", text.replace('\\', "\\\\").replace('\'', "\\'"))
}

/// The condition as a rule would have it.
impl fmt::Display for Cond {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let group = |f: &mut fmt::Formatter<'_>, of: &[Cond], word: &str| {
            let parts: Vec<String> = of.iter().map(ToString::to_string).collect();
            write!(f, "({})", parts.join(word))
        };
        match self {
            Self::And(of) => group(f, of, " and "),
            Self::Or(of) => group(f, of, " or "),
            Self::Not(of) => write!(f, "not ({of})"),
            Self::Check { field, op, operands } => match *op {
                "exists" => write!(f, "{field} exists"),
                "in" | "intersects" | "pmatch" | "= anyof" | "= allof" | "!= anyof"
                | "!= allof" => {
                    let list: Vec<String> = operands.iter().map(|o| quoted(o)).collect();
                    write!(f, "{field} {op} ({})", list.join(", "))
                }
                "<" | "<=" | ">" | ">=" => write!(f, "{field} {op} {}", operands[0]),
                _ => write!(f, "{field} {op} {}", quoted(&operands[0])),
            },
        }
    }
}

fn check(field: &FieldRef, op: &str, operands: &[String], event: &Event) -> bool {
    let Some(values) = event.0.get(field).filter(|v| !v.is_empty()) else { return false };
    let one = field.arity() == Arity::One;
    let values = if one { &values[..1] } else { values };
    if op == "exists" {
        return true;
    }
    if let Some(single) = op.strip_suffix(" anyof") {
        return operands.iter().any(|o| check(field, single, std::slice::from_ref(o), event));
    }
    if let Some(single) = op.strip_suffix(" allof") {
        return !operands.is_empty()
            && operands.iter().all(|o| check(field, single, std::slice::from_ref(o), event));
    }
    let ty = field.field.info().ty;
    if field.arity() == Arity::Ends && op == "!=" {
        return values.iter().all(|v| compare(ty, v, "!=", operands));
    }
    values.iter().any(|v| compare(ty, v, op, operands))
}

fn compare(ty: FieldType, value: &Owned, op: &str, operands: &[String]) -> bool {
    if op == "in" || op == "intersects" {
        return operands.iter().any(|o| compare(ty, value, "=", std::slice::from_ref(o)));
    }
    if op == "pmatch" {
        let Owned::Bytes(path) = value else { return false };
        return operands.iter().any(|prefix| below(path, prefix.as_bytes()));
    }
    let operand = operands[0].as_str();
    match value {
        Owned::Bytes(text) => text_compare(text, op, operand.as_bytes()),
        Owned::Bool(b) => order(op, b, &(operand == "true")),
        &Owned::I64(v) => number_compare(ty, i128::from(v), op, operand),
        &Owned::U64(v) => number_compare(ty, i128::from(v), op, operand),
        Owned::Ip(ip) => match operand.split_once('/') {
            None => order(op, ip, &operand.parse().unwrap()),
            Some((net, len)) => {
                (op == "=") == in_net(*ip, net.parse().unwrap(), len.parse().unwrap())
            }
        },
    }
}

/// Bit by bit.
fn in_net(ip: IpAddr, net: IpAddr, len: usize) -> bool {
    let bits = |ip: IpAddr| -> Vec<bool> {
        let bytes = match ip {
            IpAddr::V4(a) => a.octets().to_vec(),
            IpAddr::V6(a) => a.octets().to_vec(),
        };
        bytes.iter().flat_map(|b| (0..8).rev().map(move |i| b >> i & 1 == 1)).collect()
    };
    ip.is_ipv4() == net.is_ipv4() && bits(ip)[..len] == bits(net)[..len]
}

fn number_compare(ty: FieldType, value: i128, op: &str, operand: &str) -> bool {
    let operand: i128 = operand.parse().unwrap();
    let wrapped = match ty {
        FieldType::I16 => i128::from(operand as i16),
        FieldType::I32 => i128::from(operand as i32),
        FieldType::I64 => i128::from(operand as i64),
        FieldType::Port => i128::from(operand as u16),
        FieldType::U32 => i128::from(operand as u32),
        _ => i128::from(operand as u64),
    };
    order(op, &value, &wrapped)
}

fn order<T: Ord>(op: &str, a: &T, b: &T) -> bool {
    match op {
        "=" => a == b,
        "!=" => a != b,
        "<" => a < b,
        "<=" => a <= b,
        ">" => a > b,
        ">=" => a >= b,
        _ => unreachable!("no order operator: {op}"),
    }
}

fn text_compare(text: &[u8], op: &str, operand: &[u8]) -> bool {
    let lower = |b: &[u8]| b.to_ascii_lowercase();
    match op {
        "contains" => contains(text, operand),
        "icontains" => contains(&lower(text), &lower(operand)),
        "startswith" => text.starts_with(operand),
        "endswith" => text.ends_with(operand),
        "glob" => glob(text, operand),
        "iglob" => glob(&lower(text), &lower(operand)),
        _ => order(op, &text, &operand),
    }
}

fn contains(text: &[u8], part: &[u8]) -> bool {
    part.is_empty() || text.windows(part.len()).any(|w| w == part)
}

/// `*`, `?` and plain bytes only; brackets have a table of their own beside the matcher.
fn glob(text: &[u8], pattern: &[u8]) -> bool {
    match (pattern.first(), text.first()) {
        (None, None) => true,
        (Some(b'*'), _) => {
            glob(text, &pattern[1..]) || (!text.is_empty() && glob(&text[1..], pattern))
        }
        (Some(b'?'), Some(_)) => glob(&text[1..], &pattern[1..]),
        (Some(p), Some(t)) => p == t && glob(&text[1..], &pattern[1..]),
        _ => false,
    }
}

fn below(path: &[u8], prefix: &[u8]) -> bool {
    let parts = |p: &[u8]| -> Vec<Vec<u8>> {
        p.split(|&b| b == b'/').filter(|c| !c.is_empty()).map(<[u8]>::to_vec).collect()
    };
    let (path, prefix) = (parts(path), parts(prefix));
    prefix.len() <= path.len() && prefix.iter().zip(&path).all(|(p, c)| glob(c, p))
}

/// A field by its name and argument text, for tables.
pub(crate) fn field(name: &str) -> FieldRef {
    use rules::Arg;
    if let Some((name, arg)) = name.strip_suffix(']').and_then(|n| n.split_once('[')) {
        let field = Field::by_name(name).unwrap();
        let arg = arg.parse().map_or_else(|_| Arg::Key(arg.into()), Arg::Index);
        return FieldRef { field, arg };
    }
    Field::by_name(name).unwrap().into()
}
