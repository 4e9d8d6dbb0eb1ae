//! Every operator, one value at a time.

use std::net::IpAddr;

use rules::{Arity, Field, FieldRef, FieldType};

use super::{Event, Owned, Right, Side};

/// Whether a comparison holds for an event.
pub(super) fn check(left: &Side, op: &str, right: &Right, event: &Event) -> bool {
    let ty = left.ty();
    if let Side::Field(field) = left
        && field.arity() != Arity::One
    {
        return several(field, op, right, event);
    }
    let Some(value) = left.value(event) else { return false };
    if op == "exists" {
        return true;
    }
    let elements = value.elements();
    if let Right::Side(right) = right {
        let Some(right) = right.value(event) else { return false };
        let right = right.elements();
        return match op {
            "in" => elements.iter().all(|l| right.contains(l)),
            "intersects" => elements.iter().any(|l| right.contains(l)),
            _ => between(&elements[0], op, &right[0]),
        };
    }
    match op {
        // The bytes of a number are compared with those of another width.
        "in" | "intersects" if is_raw_number(left) => false,
        "in" => elements.iter().all(|v| is_member(ty, v, right)),
        "intersects" => elements.iter().any(|v| is_member(ty, v, right)),
        _ => one(ty, &elements[0], op, right),
    }
}

fn is_raw_number(left: &Side) -> bool {
    matches!(left, Side::Field(f) if f.field == Field::EvtRawarg) && left.ty().is_numeric()
}

fn is_member(ty: FieldType, value: &Owned, right: &Right) -> bool {
    let Right::Constants(of) = right else { unreachable!("a list of constants") };
    of.iter().any(|o| compare(ty, value, "=", o))
}

/// Fields with a value for each end or ancestor, which look at the first of several operands only.
fn several(field: &FieldRef, op: &str, right: &Right, event: &Event) -> bool {
    let ty = field.ty();
    let Some(values) = event.0.get(field).filter(|v| !v.is_empty()) else { return false };
    let first = match right {
        Right::Constants(of) => Right::Constants(of.iter().take(1).cloned().collect()),
        other => other.clone(),
    };
    match (field.field, op) {
        (_, "exists") => true,
        (Field::FdIp, "in" | "intersects") | (Field::FdPort, "intersects") => false,
        (Field::FdNet, "in" | "intersects") => values.iter().any(|v| is_member(ty, v, &first)),
        (_, "in" | "intersects") => values.iter().any(|v| is_member(ty, v, right)),
        // Neither end is equal; some ancestor is another.
        (_, "!=") if field.arity() == Arity::Ends => values.iter().all(|v| one(ty, v, op, right)),
        (_, op) if op.contains(' ') => {
            let Right::Constants(of) = &first else { unreachable!("a list of constants") };
            let single = op.split(' ').next().unwrap();
            !of.is_empty() && several(field, single, &first, event)
        }
        _ => values.iter().any(|v| one(ty, v, op, right)),
    }
}

/// One value against one operand, or several with a modifier.
fn one(ty: FieldType, value: &Owned, op: &str, right: &Right) -> bool {
    let (op, modifier) = op.split_once(' ').unwrap_or((op, ""));
    let answers: Vec<bool> = match right {
        Right::Constants(of) if op == "pmatch" => {
            return of.iter().any(|prefix| below(value.bytes(), prefix.as_bytes()));
        }
        Right::Constants(of) => of.iter().map(|o| compare(ty, value, op, o)).collect(),
        Right::Patterns(of) => of.iter().map(|p| p.matches(value.bytes())).collect(),
        Right::Side(_) => unreachable!("constants"),
    };
    let n_true = answers.iter().filter(|&&a| a).count();
    match modifier {
        "" => answers[0],
        // A network sees the first operand only.
        _ if ty == FieldType::Net => answers.first() == Some(&true),
        "oneof" => n_true == 1,
        "anyof" => n_true > 0,
        "allof" => n_true == answers.len() && n_true > 0,
        _ => unreachable!("no modifier: {modifier}"),
    }
}

fn compare(ty: FieldType, value: &Owned, op: &str, operand: &str) -> bool {
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

/// Two values of one event.
fn between(left: &Owned, op: &str, right: &Owned) -> bool {
    match (left, right) {
        (Owned::Bytes(l), Owned::Bytes(r)) => text_compare(l, op, r),
        (Owned::Bool(l), Owned::Bool(r)) => order(op, l, r),
        (Owned::I64(l), Owned::I64(r)) => order(op, l, r),
        (Owned::U64(l), Owned::U64(r)) => order(op, l, r),
        (Owned::Ip(l), Owned::Ip(r)) => order(op, l, r),
        _ => panic!("two types: {left:?}, {right:?}"),
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

/// The operand is taken modulo the width of the field's type.
fn number_compare(ty: FieldType, value: i128, op: &str, operand: &str) -> bool {
    let operand: i128 = operand.parse().unwrap();
    let size = 1 << ty.bits().unwrap();
    let wrapped = operand.rem_euclid(size);
    let is_negative = ty.is_signed() && wrapped >= size / 2;
    order(op, &value, &(if is_negative { wrapped - size } else { wrapped }))
}

fn order<T: Ord>(op: &str, a: &T, b: &T) -> bool {
    match op {
        "=" | "==" => a == b,
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
        "bcontains" => contains(text, &hex(operand)),
        "bstartswith" => text.starts_with(&hex(operand)),
        "glob" => glob(text, operand),
        "iglob" => glob(&lower(text), &lower(operand)),
        _ => order(op, &text, &operand),
    }
}

fn hex(digits: &[u8]) -> Vec<u8> {
    let text = |pair| std::str::from_utf8(pair).unwrap();
    digits.chunks(2).map(|pair| u8::from_str_radix(text(pair), 16).unwrap()).collect()
}

fn contains(text: &[u8], part: &[u8]) -> bool {
    part.is_empty() || text.windows(part.len()).any(|w| w == part)
}

/// `*`, `?`, simple brackets and plain bytes; the corners of brackets have a table of their own beside the matcher.
fn glob(text: &[u8], pattern: &[u8]) -> bool {
    match (pattern.first(), text.first()) {
        (None, None) => true,
        (Some(b'*'), _) => {
            glob(text, &pattern[1..]) || (!text.is_empty() && glob(&text[1..], pattern))
        }
        (Some(b'?'), Some(_)) => glob(&text[1..], &pattern[1..]),
        (Some(b'['), t) if let Some(end) = pattern.iter().position(|&b| b == b']') => {
            let members = &pattern[1..end];
            let (members, negated) = match members.strip_prefix(b"!") {
                Some(members) => (members, true),
                None => (members, false),
            };
            let is_member = |t: u8| match *members {
                [low, b'-', high] => (low..=high).contains(&t),
                _ => members.contains(&t),
            };
            t.is_some_and(|&t| is_member(t) != negated) && glob(&text[1..], &pattern[end + 1..])
        }
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
