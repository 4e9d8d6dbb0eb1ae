//! What a comparison computes from an event: a field, or a transformer over fields and constants.

use crate::schema::{Arity, FieldRef};

/// One side of a comparison. `val(field)` is the field itself.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) enum Expr {
    Field(FieldRef),
}

impl Expr {
    /// The field, where the expression is nothing else.
    pub(crate) fn as_field(&self) -> Option<&FieldRef> {
        match self {
            Self::Field(field) => Some(field),
        }
    }

    /// Every field that is read.
    pub(crate) fn fields(&self) -> impl Iterator<Item = &FieldRef> {
        match self {
            Self::Field(field) => std::iter::once(field),
        }
    }

    /// Number of values that a comparison looks at.
    pub(crate) fn arity(&self) -> Arity {
        match self {
            Self::Field(field) => field.arity(),
        }
    }
}

/// Room for values that are computed, kept between events so that evaluation does not allocate.
#[derive(Clone, Debug, Default)]
pub(crate) struct Buffers {}
