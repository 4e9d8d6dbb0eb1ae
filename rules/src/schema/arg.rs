//! Arguments of fields: what may stand in brackets or behind a dot, and how it is read.

use event::{EventType, N_EVENT_TYPES};

use super::field_ref::event_params;
use super::{Field, FieldRef};
use crate::error::{Diag, Problem, closest};

/// What may stand in brackets, or behind a dot, after a field's name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ArgKind {
    /// Nothing.
    None,
    /// A non-negative number, or nothing.
    OptionalIndex,
    /// A key such as the name of an environment variable, or nothing.
    OptionalKey,
    /// A key, a number, or nothing.
    OptionalKeyOrIndex,
    /// A key.
    RequiredKey,
    /// The place in a list, or a key.
    RequiredPlaceOrKey,
    /// A parameter of the event: `evt.arg.NAME` or `evt.arg[N]`.
    EventParam,
    /// A parameter of the event by its name: `evt.rawarg.NAME`. The type of the values is that of the parameter.
    RawParam,
    /// `.src`, `.dst` or nothing.
    OptionalSide,
    /// Name or number of an event type: `evt.type.is.NAME`.
    EventType,
    /// Name of a control group's subsystem: `thread.cgroup.NAME`.
    Subsystem,
    /// A point in time, nanoseconds since the epoch.
    Timestamp,
    /// A key of the configuration: `static.KEY`.
    StaticKey,
}

impl ArgKind {
    /// Whether the argument stands behind a dot.
    #[must_use]
    pub const fn is_dotted(self) -> bool {
        matches!(
            self,
            Self::EventParam
                | Self::RawParam
                | Self::OptionalSide
                | Self::EventType
                | Self::Subsystem
                | Self::StaticKey
        )
    }

    /// Whether the field needs an argument.
    #[must_use]
    pub const fn is_required(self) -> bool {
        !matches!(
            self,
            Self::None
                | Self::OptionalIndex
                | Self::OptionalKey
                | Self::OptionalKeyOrIndex
                | Self::OptionalSide
        )
    }

    /// How the argument is written behind the name, empty where there is none.
    #[must_use]
    pub const fn syntax(self) -> &'static str {
        match self {
            Self::None => "",
            Self::OptionalIndex => "[N]",
            Self::OptionalKey | Self::RequiredKey => "[key]",
            Self::OptionalKeyOrIndex | Self::RequiredPlaceOrKey => "[N or key]",
            Self::EventParam => ".name or [N]",
            Self::RawParam | Self::Subsystem => ".name",
            Self::OptionalSide => ".src or .dst",
            Self::EventType => ".event",
            Self::Timestamp => "[ns]",
            Self::StaticKey => ".key",
        }
    }

    /// What an error says that the field takes.
    const fn takes(self) -> &'static str {
        match self {
            Self::None => "no argument",
            Self::OptionalIndex => "a number in brackets",
            Self::OptionalKey | Self::RequiredKey => "a key in brackets",
            Self::OptionalKeyOrIndex | Self::RequiredPlaceOrKey => "a number or a key in brackets",
            Self::EventParam => "a parameter: `evt.arg.name` or `evt.arg[0]`",
            Self::RawParam => "a parameter by name: `evt.rawarg.name`",
            Self::OptionalSide => "`.src`, `.dst` or nothing",
            Self::EventType => "an event's name: `evt.type.is.open`",
            Self::Subsystem => "a subsystem: `thread.cgroup.cpu`",
            Self::Timestamp => "a time in nanoseconds in brackets",
            Self::StaticKey => "a key of `static_fields`: `static.key`",
        }
    }
}

/// Argument of a field as written in a rule.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Arg {
    /// No argument.
    #[default]
    None,
    /// `proc.aname[3]`, `evt.arg[0]`.
    Index(u32),
    /// `proc.env[PATH]`, `evt.arg.flags`.
    Key(Box<str>),
}

/// Fields whose argument stands behind a dot.
const DOTTED: [Field; 6] = [
    Field::EvtArg,
    Field::EvtRawarg,
    Field::EvtAbspath,
    Field::EvtTypeIs,
    Field::ThreadCgroup,
    Field::Static,
];

/// A field that rules of a source may name, from its name and the text in its brackets.
pub(super) fn resolve_field(
    source: &str,
    name: &str,
    arg: Option<&str>,
) -> Result<FieldRef, Problem> {
    let unknown = || Problem::UnknownField(name.to_owned());
    let (field, dotted) = match Field::by_name(name) {
        Some(field) => (field, None),
        None => DOTTED.iter().find_map(|f| after_dot(*f, name)).ok_or_else(unknown)?,
    };
    if !field.info().class.is_of(source) {
        return Err(unknown());
    }
    let arg = match dotted {
        Some(key) => dotted_arg(field, key, arg)?,
        None => bracket_arg(field, arg)?,
    };
    Ok(FieldRef { field, arg })
}

fn after_dot(field: Field, name: &str) -> Option<(Field, Option<&str>)> {
    let key = name.strip_prefix(field.name())?.strip_prefix('.')?;
    Some((field, Some(key)))
}

fn bad_argument(field: Field) -> Problem {
    Problem::BadArgument { field: field.name(), takes: field.info().arg.takes() }
}

fn dotted_arg(field: Field, key: &str, brackets: Option<&str>) -> Result<Arg, Problem> {
    let fits = match field.info().arg {
        ArgKind::EventParam | ArgKind::RawParam => {
            if brackets.is_some() || !event_params().any(|p| p.name == key) {
                return Err(Problem::UnknownEventArg(key.to_owned()));
            }
            true
        }
        ArgKind::EventType => {
            if !is_event_type(key) {
                return Err(Problem::UnknownEventType(key.to_owned()));
            }
            true
        }
        ArgKind::OptionalSide => matches!(key, "src" | "dst"),
        ArgKind::Subsystem => {
            !key.is_empty() && key.bytes().all(|b| b.is_ascii_alphabetic() || b == b'_')
        }
        // Whether the configuration defines it is the scope's to say.
        ArgKind::StaticKey => !key.is_empty(),
        ArgKind::None
        | ArgKind::OptionalIndex
        | ArgKind::OptionalKey
        | ArgKind::OptionalKeyOrIndex
        | ArgKind::RequiredKey
        | ArgKind::RequiredPlaceOrKey
        | ArgKind::Timestamp => false,
    };
    if fits && brackets.is_none() { Ok(Arg::Key(key.into())) } else { Err(bad_argument(field)) }
}

/// The number or name of an event type.
fn is_event_type(key: &str) -> bool {
    match number::<u16>(key) {
        Some(n) => usize::from(n) < N_EVENT_TYPES,
        None => EventType::all_named(key).next().is_some(),
    }
}

fn bracket_arg(field: Field, arg: Option<&str>) -> Result<Arg, Problem> {
    let bad = || bad_argument(field);
    let kind = field.info().arg;
    let Some(arg) = arg else {
        return if kind.is_required() { Err(bad()) } else { Ok(Arg::None) };
    };
    match kind {
        ArgKind::OptionalIndex | ArgKind::EventParam => number(arg).map(Arg::Index).ok_or_else(bad),
        // A key of digits only counts as an index, which this field ignores.
        ArgKind::OptionalKey if number::<u32>(arg).is_some() => Ok(Arg::None),
        ArgKind::OptionalKey | ArgKind::RequiredKey => Ok(Arg::Key(arg.into())),
        ArgKind::OptionalKeyOrIndex | ArgKind::RequiredPlaceOrKey => {
            Ok(number(arg).map_or_else(|| Arg::Key(arg.into()), Arg::Index))
        }
        ArgKind::Timestamp if number::<u64>(arg).is_some() => Ok(Arg::Key(arg.into())),
        ArgKind::None
        | ArgKind::RawParam
        | ArgKind::OptionalSide
        | ArgKind::EventType
        | ArgKind::Subsystem
        | ArgKind::Timestamp
        | ArgKind::StaticKey => Err(bad()),
    }
}

/// Digits and nothing else.
fn number<T: std::str::FromStr>(text: &str) -> Option<T> {
    let digits = !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
    digits.then(|| text.parse().ok())?
}

/// Adds to an error of [`resolve_field`] what may be meant instead.
pub(super) fn field_hint(diag: Diag, source: &str, name: &str) -> Diag {
    let near = match &*diag.problem {
        Problem::UnknownField(_) => {
            let there = Field::by_name(name).map(|f| f.info().class);
            if let Some(class) = there.filter(|class| !class.is_of(source)) {
                let of = class.sources();
                return diag.hint(format!(
                    "it is a field of other sources ({of}); this rule is of {source}"
                ));
            }
            Field::closest_name(name, source).map(str::to_owned)
        }
        Problem::UnknownEventArg(param) => {
            let class = name.strip_suffix(param.as_str()).unwrap_or_default();
            closest(param, event_params().map(|p| p.name)).map(|near| format!("{class}{near}"))
        }
        _ => return diag,
    };
    diag.did_you_mean(near.as_deref())
}
