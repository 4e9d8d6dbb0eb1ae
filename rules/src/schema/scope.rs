//! What rules of one source may name.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::{Arg, Field, FieldRef, SYSCALL, arg};
use crate::error::{Diag, Problem, closest};

/// What rules of one source may name: the schema's fields of the source, and the constants of the configuration.
#[derive(Clone, Debug)]
pub(crate) struct Scope {
    pub(crate) source: String,
    /// Values of `static.KEY` by key. `None` where they are not known and every key counts.
    constants: Option<Arc<BTreeMap<String, String>>>,
}

impl Scope {
    pub(crate) fn new(source: &str, constants: &Arc<BTreeMap<String, String>>) -> Self {
        Self { source: source.to_owned(), constants: Some(Arc::clone(constants)) }
    }

    /// The system calls' scope where the configuration is not at hand.
    pub(crate) fn syscall() -> Self {
        Self { source: SYSCALL.to_owned(), constants: None }
    }

    /// A field from its name and the text in its brackets.
    pub(crate) fn field(&self, name: &str, arg: Option<&str>) -> Result<FieldRef, Problem> {
        let field = arg::resolve_field(&self.source, name, arg)?;
        match (&field.arg, &self.constants) {
            (Arg::Key(key), Some(known))
                if field.field == Field::Static && !known.contains_key(&**key) =>
            {
                Err(Problem::UnknownField(name.to_owned()))
            }
            _ => Ok(field),
        }
    }

    /// The value of a field that the configuration defines.
    pub(crate) fn constant(&self, field: &FieldRef) -> Option<&str> {
        match &field.arg {
            Arg::Key(key) if field.field == Field::Static => {
                Some(self.constants.as_ref()?.get(&**key)?)
            }
            _ => None,
        }
    }

    /// Adds to an error of [`Scope::field`] what may be meant instead.
    pub(crate) fn hint(&self, diag: Diag, name: &str) -> Diag {
        let Some(key) = name.strip_prefix("static.") else {
            return arg::field_hint(diag, &self.source, name);
        };
        let known = self.constants.iter().flat_map(|c| c.keys()).map(String::as_str);
        match closest(key, known) {
            Some(near) => diag.did_you_mean(Some(&format!("static.{near}"))),
            None => diag.hint("`static_fields` of the configuration defines no such key"),
        }
    }
}
