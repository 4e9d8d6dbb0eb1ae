//! A field with its argument: what a rule reads from an event.

use std::fmt;

use event::{EF_UNUSED, EventType, N_EVENT_TYPES, Param, ParamFormat};

use super::{Arg, Arity, Field, FieldType, Format};

/// A field with its argument: what a rule reads from an event.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct FieldRef {
    /// The field.
    pub field: Field,
    /// Its argument.
    pub arg: Arg,
}

impl FieldRef {
    /// The field without an argument.
    #[must_use]
    pub const fn plain(field: Field) -> Self {
        Self { field, arg: Arg::None }
    }

    /// Type of the values: the schema's, or for `evt.rawarg` that of the first parameter with the name.
    #[must_use]
    pub fn ty(&self) -> FieldType {
        self.param().map_or(self.field.info().ty, |p| p.ty.into())
    }

    /// How a value is printed.
    #[must_use]
    pub fn format(&self) -> Format {
        match self.param().map(|p| p.format) {
            None => self.field.info().format,
            Some(ParamFormat::Hex) => Format::Hex,
            Some(ParamFormat::Oct) => Format::Oct,
            Some(ParamFormat::Na | ParamFormat::Dec) => Format::Plain,
        }
    }

    /// The parameter that `evt.rawarg` names. O(event table).
    fn param(&self) -> Option<&'static Param> {
        match &self.arg {
            Arg::Key(name) if self.field == Field::EvtRawarg => {
                event_params().find(|p| p.name == &**name)
            }
            _ => None,
        }
    }

    /// Number of values that a comparison looks at: an argument picks one.
    #[must_use]
    pub fn arity(&self) -> Arity {
        // As in Falco the argument of `proc.aenv` picks nothing in a comparison.
        let picks_one = self.arg != Arg::None && self.field != Field::ProcAenv;
        if picks_one { Arity::One } else { self.field.info().arity }
    }

    /// Whether it has a list of values.
    #[must_use]
    pub fn is_list(&self) -> bool {
        self.field.info().is_list()
    }
}

/// Every parameter of every event in use, in the order of the event table.
pub(super) fn event_params() -> impl Iterator<Item = &'static Param> {
    (0..N_EVENT_TYPES as u16)
        .filter_map(|n| EventType(n).info())
        .filter(|i| i.flags & EF_UNUSED == 0)
        .flat_map(|i| i.params)
}

impl From<Field> for FieldRef {
    fn from(field: Field) -> Self {
        Self::plain(field)
    }
}

/// As in a rule: `proc.aname[3]`, `evt.arg.flags`.
impl fmt::Display for FieldRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = self.field.name();
        match &self.arg {
            Arg::None => f.write_str(name),
            Arg::Index(i) => write!(f, "{name}[{i}]"),
            Arg::Key(k) if self.field.info().arg.is_dotted() => write!(f, "{name}.{k}"),
            Arg::Key(k) if k.is_empty() || k.bytes().any(|b| b" \t\"'[]".contains(&b)) => {
                write!(f, "{name}[\"{k}\"]")
            }
            Arg::Key(k) => write!(f, "{name}[{k}]"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_raw_parameter_has_the_type_of_the_table() {
        for (name, ty, format) in [
            ("res", FieldType::Errno, Format::Plain),
            ("flags", FieldType::Flags32, Format::Hex),
            ("mode", FieldType::U32, Format::Oct),
            ("pid", FieldType::Pid, Format::Plain),
            ("name", FieldType::FsPath, Format::Plain),
            ("data", FieldType::Buffer, Format::Plain),
            ("tuple", FieldType::Opaque, Format::Plain),
        ] {
            let field = FieldRef { field: Field::EvtRawarg, arg: Arg::Key(name.into()) };
            assert_eq!((field.ty(), field.format()), (ty, format), "{name}");
        }
    }

    #[test]
    fn field_text_is_as_written() {
        let r = |field, arg| FieldRef { field, arg }.to_string();
        assert_eq!(r(Field::ProcAname, Arg::Index(3)), "proc.aname[3]");
        assert_eq!(r(Field::EvtArg, Arg::Key("flags".into())), "evt.arg.flags");
        assert_eq!(r(Field::EvtAbspath, Arg::Key("src".into())), "evt.abspath.src");
        assert_eq!(r(Field::ProcEnv, Arg::Key("A B".into())), "proc.env[\"A B\"]");
    }
}
