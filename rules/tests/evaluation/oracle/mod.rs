//! The slow, obvious evaluator: walks a condition's tree and asks each comparison afresh. No sharing, no index, no
//! compiled form; what the fast one has to agree with.

mod compare;
mod regex;
mod side;

use std::collections::BTreeMap;
use std::fmt;
use std::net::IpAddr;

use event::EventType;
use rules::{Field, FieldRef, Fields, Value};

pub(crate) use regex::Regex;
pub(crate) use side::Side;

/// An event: some values for some fields. Fields with several values in a comparison, and lists, have several here.
#[derive(Clone, Default)]
pub(crate) struct Event(BTreeMap<FieldRef, Vec<Owned>>);

#[derive(Clone, PartialEq)]
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

    pub(crate) fn ip(s: &str) -> Self {
        Self::Ip(s.parse().unwrap())
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

    fn bytes(&self) -> &[u8] {
        let Self::Bytes(bytes) = self else { panic!("{self:?} is no text") };
        bytes
    }
}

impl fmt::Debug for Owned {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Bytes(b) => write!(f, "\"{}\"", b.escape_ascii()),
            other => write!(f, "{:?}", other.value()),
        }
    }
}

impl fmt::Debug for Event {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let values: Vec<String> = self.0.iter().map(|(k, v)| format!("{k}={v:?}")).collect();
        f.write_str(&values.join(" "))
    }
}

impl fmt::Debug for Cond {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self}")
    }
}

impl Event {
    pub(crate) fn with(mut self, field: impl Into<FieldRef>, value: Owned) -> Self {
        self.0.entry(field.into()).or_default().push(value);
        self
    }

    /// A list, which may be empty.
    pub(crate) fn with_list(mut self, field: impl Into<FieldRef>, of: &[&str]) -> Self {
        self.0.insert(field.into(), of.iter().map(|t| Owned::text(t)).collect());
        self
    }

    /// The same done by the process of another event.
    pub(crate) fn done_by(&self, other: &Self) -> Self {
        let is_of_process = |f: &FieldRef| {
            let name = f.field.info().name;
            ["proc.", "thread.", "user.", "group.", "container."]
                .iter()
                .any(|c| name.starts_with(c))
        };
        let own = self.0.iter().filter(|(f, _)| !is_of_process(f));
        let others = other.0.iter().filter(|(f, _)| is_of_process(f));
        Self(own.chain(others).map(|(f, values)| (f.clone(), values.clone())).collect())
    }
}

impl Fields for Event {
    fn get(&self, field: &FieldRef) -> Option<Value<'_>> {
        assert!(!field.is_list(), "{field} is asked for one value");
        self.0.get(field)?.first().map(Owned::value)
    }

    fn any<P: FnMut(Value<'_>) -> bool>(&self, field: &FieldRef, pred: P) -> bool {
        self.0.get(field).is_some_and(|values| values.iter().map(Owned::value).any(pred))
    }

    fn elements<P: FnMut(Value<'_>)>(&self, field: &FieldRef, each: P) -> bool {
        let values = self.0.get(field);
        values.into_iter().flatten().map(Owned::value).for_each(each);
        values.is_some()
    }
}

/// A condition.
#[derive(Clone)]
pub(crate) enum Cond {
    And(Vec<Cond>),
    Or(Vec<Cond>),
    Not(Box<Cond>),
    Check { left: Side, op: &'static str, right: Right },
}

/// What a comparison compares with.
#[derive(Clone)]
pub(crate) enum Right {
    /// As many as the operator takes; none for `exists`.
    Constants(Vec<String>),
    Patterns(Vec<Regex>),
    Side(Side),
}

impl Cond {
    pub(crate) fn check(field: impl Into<FieldRef>, op: &'static str, operands: &[&str]) -> Self {
        Self::of(Side::Field(field.into()), op, operands)
    }

    pub(crate) fn of(left: Side, op: &'static str, operands: &[&str]) -> Self {
        let operands = operands.iter().map(|&o| o.to_owned()).collect();
        Self::Check { left, op, right: Right::Constants(operands) }
    }

    pub(crate) fn against(left: Side, op: &'static str, right: Side) -> Self {
        Self::Check { left, op, right: Right::Side(right) }
    }

    /// Whether a rule with the condition matches an event of a type: only the types that the condition names are tried.
    pub(crate) fn matches(&self, ty: EventType, event: &Event) -> bool {
        self.is_tried(ty, true) && self.holds(event)
    }

    /// Whether the condition says of a type that it can be as wanted. What does not name types can be either way. Calls without an event
    /// of their own are all one type.
    fn is_tried(&self, ty: EventType, wanted: bool) -> bool {
        let (left, op, right) = match self {
            Self::And(of) if wanted => return of.iter().all(|c| c.is_tried(ty, wanted)),
            Self::Or(of) if !wanted => return of.iter().all(|c| c.is_tried(ty, wanted)),
            Self::And(of) | Self::Or(of) => return of.iter().any(|c| c.is_tried(ty, wanted)),
            Self::Not(of) => return of.is_tried(ty, !wanted),
            Self::Check { left, op, right } => (left, *op, right),
        };
        let is_type = matches!(left, Side::Field(f) if f.field == Field::EvtType);
        let Right::Constants(names) = right else { return true };
        let is_own = |name: &str| EventType::all_named(name).next().is_some();
        let is_named = names.iter().any(|name| {
            let mut types = EventType::all_named(name);
            if is_own(name) { types.any(|named| named == ty) } else { ty == EventType::GENERIC_X }
        });
        if matches!(left, Side::Field(f) if f.field == Field::EvtNum) && names.len() == 1 {
            // Events are counted from 1.
            match (op, names[0].as_str()) {
                (">=", "0" | "1") | (">" | "!=", "0") => return wanted,
                ("=" | "<=", "0") | ("<", "0" | "1") => return !wanted,
                _ => {}
            }
        }
        match op {
            "exists" if is_type => wanted,
            "=" | "in" if is_type => is_named == wanted,
            "!=" if is_type => is_named != wanted,
            _ => true,
        }
    }

    /// Whether the event satisfies the condition.
    pub(crate) fn holds(&self, event: &Event) -> bool {
        match self {
            Self::And(of) => of.iter().all(|c| c.holds(event)),
            Self::Or(of) => of.iter().any(|c| c.holds(event)),
            Self::Not(of) => !of.holds(event),
            Self::Check { left, op, right } => compare::check(left, op, right, event),
        }
    }
}

pub(crate) fn quoted(text: &str) -> String {
    format!("'{}'", text.replace('\\', "\\\\").replace('\'', "\\'"))
}

/// The condition as a rule would have it.
impl fmt::Display for Cond {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let group = |f: &mut fmt::Formatter<'_>, of: &[Cond], word: &str| {
            let parts: Vec<String> = of.iter().map(ToString::to_string).collect();
            write!(f, "({})", parts.join(word))
        };
        let (left, op, right) = match self {
            Self::And(of) => return group(f, of, " and "),
            Self::Or(of) => return group(f, of, " or "),
            Self::Not(of) => return write!(f, "not ({of})"),
            Self::Check { left, op, right } => (left, *op, right),
        };
        let texts: Vec<String> = match right {
            Right::Constants(of) => of.iter().map(|o| quoted(o)).collect(),
            Right::Patterns(of) => of.iter().map(|p| quoted(&p.to_string())).collect(),
            Right::Side(side) => vec![side.on_the_right()],
        };
        let is_list = matches!(op, "in" | "intersects" | "pmatch") || op.contains(' ');
        match right {
            _ if op == "exists" => write!(f, "{left} exists"),
            Right::Constants(_) | Right::Patterns(_) if is_list => {
                write!(f, "{left} {op} ({})", texts.join(", "))
            }
            // An order takes a number without quotes.
            Right::Constants(of) if op.starts_with(['<', '>']) => {
                write!(f, "{left} {op} {}", of[0])
            }
            _ => write!(f, "{left} {op} {}", texts[0]),
        }
    }
}

/// A field by its name and argument text, for tables.
pub(crate) fn field(name: &str) -> FieldRef {
    use rules::Arg;
    if let Some(param) = name.strip_prefix("evt.rawarg.") {
        return FieldRef { field: Field::EvtRawarg, arg: Arg::Key(param.into()) };
    }
    if let Some((name, arg)) = name.strip_suffix(']').and_then(|n| n.split_once('[')) {
        let field = Field::by_name(name).unwrap();
        let arg = arg.parse().map_or_else(|_| Arg::Key(arg.into()), Arg::Index);
        return FieldRef { field, arg };
    }
    Field::by_name(name).unwrap().into()
}
