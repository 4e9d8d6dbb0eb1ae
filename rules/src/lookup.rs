//! Fields as written against the schema: names, arguments, and what was meant by a name that is unknown.

use crate::error::{Code, Diag, Problem, closest};
use crate::lex::Literal;
use crate::parse::FieldText;
use crate::schema::{Arg, ArgKind, Field, FieldRef, event_params};
use crate::source::Traced;

/// Looks a field up with its argument.
pub(crate) fn field_ref(text: &Traced, written: &FieldText) -> Result<FieldRef, Diag> {
    let error =
        |problem| Diag::new(Code::CompileCondition, problem, text.span(written.range.clone()));
    match resolve_field(&written.name, written.arg.as_ref().map(Literal::text).as_deref()) {
        Ok(field) => Ok(field),
        Err(problem @ Problem::UnknownField(_)) => {
            Err(error(problem).did_you_mean(Field::closest_name(&written.name)))
        }
        Err(problem @ Problem::UnknownEventArg(_)) => {
            let (class, param) = written.name.rsplit_once('.').unwrap_or_default();
            let near = closest(param, param_names()).map(|n| format!("{class}.{n}"));
            Err(error(problem).did_you_mean(near.as_deref()))
        }
        Err(problem) => Err(error(problem)),
    }
}

fn param_names() -> impl Iterator<Item = &'static str> {
    event_params().map(|p| p.name)
}

/// A field from its name and the text in its brackets.
pub(crate) fn resolve_field(name: &str, arg: Option<&str>) -> Result<FieldRef, Problem> {
    if let Some(param) = name.strip_prefix("evt.arg.") {
        if !param_names().any(|p| p == param) || arg.is_some() {
            return Err(Problem::UnknownEventArg(param.to_owned()));
        }
        return Ok(FieldRef { field: Field::EvtArg, arg: Arg::Key(param.into()) });
    }
    if let Some(param) = name.strip_prefix("evt.rawarg.") {
        if !param_names().any(|p| p == param) || arg.is_some() {
            return Err(Problem::UnknownEventArg(param.to_owned()));
        }
        return Ok(FieldRef { field: Field::EvtRawarg, arg: Arg::Key(param.into()) });
    }
    if let Some(side @ ("src" | "dst")) = name.strip_prefix("evt.abspath.")
        && arg.is_none()
    {
        return Ok(FieldRef { field: Field::EvtAbspath, arg: Arg::Key(side.into()) });
    }
    let field = Field::by_name(name).ok_or_else(|| Problem::UnknownField(name.to_owned()))?;
    let index = |a: &str| {
        let digits = !a.is_empty() && a.bytes().all(|b| b.is_ascii_digit());
        digits.then(|| a.parse().ok()).flatten()
    };
    let takes = |takes| Problem::BadArgument { field: field.name(), takes };
    let arg = match (field.info().arg, arg) {
        (
            ArgKind::None | ArgKind::OptionalIndex | ArgKind::OptionalKey | ArgKind::OptionalSide,
            None,
        ) => Arg::None,
        (ArgKind::None, Some(_)) => return Err(takes("no argument")),
        (ArgKind::OptionalSide, Some(_)) => {
            return Err(takes("`.src`, `.dst` or nothing"));
        }
        (ArgKind::RawParam, _) => return Err(takes("a parameter by name: `evt.rawarg.name`")),
        (ArgKind::OptionalIndex, Some(a)) => {
            Arg::Index(index(a).ok_or_else(|| takes("a number in brackets"))?)
        }
        // A key of digits only counts as an index, which this field ignores.
        (ArgKind::OptionalKey, Some(a)) if index(a).is_some() => Arg::None,
        (ArgKind::OptionalKey, Some(a)) => Arg::Key(a.into()),
        (ArgKind::EventParam, a) => Arg::Index(
            a.and_then(index)
                .ok_or_else(|| takes("a parameter: `evt.arg.name` or `evt.arg[0]`"))?,
        ),
    };
    Ok(FieldRef { field, arg })
}
