//! Doubts about values that compile: a pattern that needs no pattern, a value that reads like a field or a transformer.
//! All are Falco's LOAD_COMPILE_CONDITION, by its own tests.

use crate::ast::{Check, Op, Operand, Right, TRANSFORMERS};
use crate::error::{Code, Diag, Problem};
use crate::lex::Literal;
use crate::regex::is_simple;
use crate::schema::{Class, Field, FieldInfo, Scope};
use crate::source::Traced;

/// Notes what is doubtful about a constant on the right side.
pub(crate) fn doubts(
    text: &Traced,
    scope: &Scope,
    op: Op,
    value: &Literal,
    warnings: &mut Vec<Diag>,
) {
    let mut warn = |problem| {
        let span = text.span(value.range.clone());
        warnings.push(Diag::new(Code::MisusedCondition, problem, span));
    };
    if op == Op::Regex && is_simple(&value.bytes) {
        warn(Problem::NeedlessRegex(value.text()));
    }
    if !may_read_as_more(&value.bytes) {
        return;
    }
    let written = value.text();
    let packed: String = written.chars().filter(|c| !is_space(*c)).collect();
    if is_field(scope, &packed) {
        warn(Problem::FieldAsValue(written));
    } else if is_transformer(&packed) {
        warn(Problem::TransformerAsValue(written));
    }
}

/// Notes fields of a comparison that Falco has given up.
pub(crate) fn deprecated_fields(text: &Traced, check: &Check, warnings: &mut Vec<Diag>) {
    let mut left = vec![&check.left];
    if let Right::Operand(right) = &check.right {
        left.push(right);
    }
    while let Some(operand) = left.pop() {
        match operand {
            Operand::Field(field) | Operand::Val { field, .. } => {
                let known = Field::by_name(&field.name).map(Field::info);
                let is_given_up = |i: &&FieldInfo| i.is_deprecated() && i.class == Class::Syscall;
                if let Some(info) = known.filter(is_given_up) {
                    let problem = Problem::Deprecated(info.name);
                    let span = text.span(field.range.clone());
                    warnings.push(Diag::new(Code::DeprecatedItem, problem, span));
                }
            }
            Operand::List { of, .. } => left.extend(of),
            Operand::Call(call) => left.extend(&call.args),
            Operand::Constant(_) => {}
        }
    }
}

/// Notes a comparison with the text that stands for "no value": whether a field of an audit log or of JSON has one is not told by that.
pub(crate) fn unsafe_na(text: &Traced, check: &Check, warnings: &mut Vec<Diag>) {
    let Operand::Field(field) = &check.left else { return };
    let is_unsafe = field.name.starts_with("ka.") || field.name.starts_with("jevt.");
    if !is_unsafe || !matches!(check.op, Op::Eq | Op::Ne | Op::In | Op::Intersects | Op::PMatch) {
        return;
    }
    let values = match &check.right {
        Right::Value(value) => std::slice::from_ref(value),
        Right::List { values, .. } => &values.of,
        Right::None | Right::Operand(_) => &[],
    };
    if let Some(value) = values.iter().find(|v| v.bytes == b"<NA>") {
        let problem = Problem::UnsafeNa(field.name.clone());
        warnings.push(
            Diag::new(Code::UnsafeNaCheck, problem, text.span(value.range.clone()))
                .hint(format!("`{} exists` asks whether there is a value", field.name)),
        );
    }
}

/// Whether to look closer: lists of paths and names are long.
fn may_read_as_more(value: &[u8]) -> bool {
    let first = value.iter().find(|&&b| !is_space(char::from(b)));
    first.is_some_and(u8::is_ascii_alphabetic) && value.iter().any(|b| b".(".contains(b))
}

fn is_field(scope: &Scope, text: &str) -> bool {
    match text.split_once('[') {
        None => scope.field(text, None).is_ok(),
        Some((name, rest)) => rest
            .strip_suffix(']')
            .is_some_and(|arg| !arg.is_empty() && scope.field(name, Some(arg)).is_ok()),
    }
}

fn is_transformer(text: &str) -> bool {
    let names = TRANSFORMERS.iter().map(|(name, _)| *name).chain(["val"]);
    let is_call = |name: &str| text.strip_prefix(name).is_some_and(|rest| rest.starts_with('('));
    text.ends_with(')') && names.into_iter().any(is_call)
}

fn is_space(c: char) -> bool {
    c.is_ascii_whitespace() || c == '\x0b'
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_are_recognised_with_their_arguments() {
        for field in ["proc.name", "proc.aname[2]", "evt.arg.flags", "proc.env[HOME]"] {
            assert!(is_field(&Scope::syscall(), field), "{field}");
        }
        for other in ["proc.nam", "proc.name[2]", "proc", "www.example.org", "proc.aname[]", "a[b]"]
        {
            assert!(!is_field(&Scope::syscall(), other), "{other}");
        }
    }

    #[test]
    fn transformers_are_recognised_by_name_and_parentheses() {
        for call in ["tolower(proc.name)", "val(x)", "b64()"] {
            assert!(is_transformer(call), "{call}");
        }
        for other in ["tolower", "lower(proc.name)", "tolower(proc.name", "xtolower(a)"] {
            assert!(!is_transformer(other), "{other}");
        }
    }
}
