//! Clauses in words, and comparisons as people write them, cut short.

use std::collections::BTreeSet;
use std::fmt;

use event::EventType;
use event::filter::FilterKind;

use super::Clause;
use super::names::NamePattern;
use crate::expr::Expr;
use crate::predicate::{BytesTest, Cmp, PredicateKey, TestKey};

/// Operands that are told of a list.
const MAX_OPERANDS: usize = 3;
/// Patterns that are told of a clause; the rest is counted.
const MAX_PATTERNS: usize = 8;

/// Kinds of descriptors in words. Those of which the kernel says nothing are allowed always.
const KINDS: [(FilterKind, &str); 7] = [
    (FilterKind::File, "a file"),
    (FilterKind::Ipv4, "an IPv4 socket"),
    (FilterKind::Ipv4Local, "an IPv4 socket within the machine"),
    (FilterKind::Ipv6, "an IPv6 socket"),
    (FilterKind::Ipv6Local, "an IPv6 socket within the machine"),
    (FilterKind::Unix, "a Unix socket"),
    (FilterKind::Other, "something else"),
];

/// In words: `succeeds, opened with O_WRONLY, name is /etc/shadow or begins with /etc/ssh/`.
impl fmt::Display for Clause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { rules: _, failed, succeeded, flags, kinds: _, names, ports, in_container } =
            self;
        let mut parts: Vec<String> = Vec::new();
        match (failed, succeeded) {
            (true, false) => parts.push("fails".to_owned()),
            (false, true) => parts.push("succeeds".to_owned()),
            _ => {}
        }
        if *in_container {
            parts.push("in a container".to_owned());
        }
        for (mask, is_set) in flags {
            let with = if *is_set { "with" } else { "without" };
            parts.push(format!("{with} {}", flag_names(*mask)));
        }
        let allowed: Vec<&str> = KINDS
            .into_iter()
            .filter(|(kind, _)| self.allows(*kind))
            .map(|(_, name)| name)
            .collect();
        if allowed.len() < KINDS.len() {
            parts.push(format!("on {}", allowed.join(" or ")));
        }
        if let Some(ports) = ports {
            let ports: Vec<String> = ports.iter().map(u16::to_string).collect();
            parts.push(format!("with port {}", ports.join(" or ")));
        }
        match names {
            None => {}
            Some(names) if names.is_empty() => {
                parts.push("name has a part that begins with a dot, or is not normal".to_owned());
            }
            Some(names) => parts.push(format!("name {}", patterns(names))),
        }
        if parts.is_empty() { f.write_str("anything") } else { f.write_str(&parts.join(", ")) }
    }
}

/// Names of flags of opens.
fn flag_names(mask: u64) -> String {
    let params = EventType::OPENAT_2_X.info().map_or(&[][..], |info| info.params);
    let set = params.iter().find(|p| p.name == "flags").and_then(|p| p.flags);
    let names = set.map_or(&[][..], |set| set.names());
    let has = |bits: u32| bits.is_power_of_two() && mask & u64::from(bits) != 0;
    let names: Vec<&str> =
        names.iter().filter(|(_, bits)| has(*bits)).map(|(name, _)| *name).collect();
    names.join(" or ")
}

fn patterns(names: &BTreeSet<NamePattern>) -> String {
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    let mut words: Vec<String> = names
        .iter()
        .take(MAX_PATTERNS)
        .map(|pattern| match pattern {
            NamePattern::Whole(name) => format!("is {}", text(name)),
            NamePattern::Last(name) => format!("ends with /{}", text(name)),
            NamePattern::Prefix(name) => format!("begins with {}", text(name)),
        })
        .collect();
    if let n_more @ 1.. = names.len().saturating_sub(MAX_PATTERNS) {
        words.push(format!("has one of {n_more} more"));
    }
    words.join(" or ")
}

/// As in a condition; long lists end in dots.
pub(super) fn of_test(key: &PredicateKey) -> String {
    let left = match &key.left {
        Expr::Field(field) => field.to_string(),
        other => {
            let fields: Vec<String> = other.fields().map(ToString::to_string).collect();
            format!("something made of {}", fields.join(", "))
        }
    };
    let text = |bytes: &Vec<u8>| String::from_utf8_lossy(bytes).into_owned();
    match &key.test {
        TestKey::Bytes(test, operand) => format!("{left} {} {}", operator(*test), text(operand)),
        TestKey::BytesIn(of) => format!("{left} in {}", list(of.iter().map(text))),
        TestKey::PathPrefix(of) => format!("{left} pmatch {}", list(of.iter().map(text))),
        TestKey::NumberIn(of) => format!("{left} in {}", list(of.iter().map(u64::to_string))),
        TestKey::IpIn(of) => format!("{left} in {}", list(of.iter().map(ToString::to_string))),
        TestKey::Number { cmp, bits, signed } => {
            let n = if *signed { (*bits as i64).to_string() } else { bits.to_string() };
            format!("{left} {} {n}", order(*cmp))
        }
        TestKey::Bool { is, negated } => {
            format!("{left} {} {is}", if *negated { "!=" } else { "=" })
        }
        TestKey::Exists => format!("{left} exists"),
        _ => left,
    }
}

fn list(of: impl Iterator<Item = String>) -> String {
    let mut of: Vec<String> = of.take(MAX_OPERANDS + 1).collect();
    if of.len() > MAX_OPERANDS {
        of.truncate(MAX_OPERANDS);
        of.push("...".to_owned());
    }
    format!("({})", of.join(", "))
}

fn operator(test: BytesTest) -> &'static str {
    match test {
        BytesTest::Cmp(cmp) => order(cmp),
        BytesTest::Contains => "contains",
        BytesTest::IContains => "icontains",
        BytesTest::StartsWith => "startswith",
        BytesTest::EndsWith => "endswith",
        BytesTest::Glob => "glob",
        BytesTest::IGlob => "iglob",
        BytesTest::Regex => "regex",
    }
}

fn order(cmp: Cmp) -> &'static str {
    match cmp {
        Cmp::Eq => "=",
        Cmp::Ne => "!=",
        Cmp::Lt => "<",
        Cmp::Le => "<=",
        Cmp::Gt => ">",
        Cmp::Ge => ">=",
    }
}
