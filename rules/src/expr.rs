//! What a comparison computes from an event: a field, or a transformer over fields and constants.

use crate::schema::{Arity, FieldRef, FieldType};

/// Expressions nest at most this deep; what is written deeper does not load. Bounds every recursion over them.
pub(crate) const MAX_EXPR_DEPTH: usize = 64;

/// One side of a comparison. `val(field)` is the field itself.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) enum Expr {
    Field(FieldRef),
    /// A constant, only as an argument. Numbers are their digits.
    Text(Box<[u8]>),
    /// `(a, b)`, only as an argument; no element is a list.
    List(Box<[Expr]>),
    Call {
        function: Function,
        args: Box<[Expr]>,
        /// The option of `getopt(...)[c]`.
        selector: Option<u8>,
    },
}

/// A transformer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) enum Function {
    ToLower,
    ToUpper,
    B64,
    Basename,
    Len,
    Join,
    Concat,
    GetOpt,
}

impl Expr {
    /// The field, where the expression is nothing else.
    pub(crate) fn as_field(&self) -> Option<&FieldRef> {
        match self {
            Self::Field(field) => Some(field),
            Self::Text(_) | Self::List(_) | Self::Call { .. } => None,
        }
    }

    /// What transformers of one argument are applied to. The others make a value of their own, with no limits of the fields in it.
    pub(crate) fn innermost(&self) -> &Self {
        let mut of = self;
        while let Self::Call { function, args, .. } = of
            && !matches!(function, Function::Join | Function::Concat | Function::GetOpt)
            && let Some(arg) = args.first()
        {
            of = arg;
        }
        of
    }

    /// Every field that is read, in the order written.
    pub(crate) fn fields(&self) -> impl Iterator<Item = &FieldRef> {
        let mut left = vec![self];
        std::iter::from_fn(move || {
            while let Some(expr) = left.pop() {
                match expr {
                    Self::Field(field) => return Some(field),
                    Self::Text(_) => {}
                    Self::List(of) | Self::Call { args: of, .. } => left.extend(of.iter().rev()),
                }
            }
            None
        })
    }

    /// Type of the value, or of each element of a list.
    pub(crate) fn ty(&self) -> FieldType {
        match self {
            Self::Field(field) => field.ty(),
            Self::Text(_) | Self::List(_) => FieldType::Text,
            Self::Call { function, args, .. } => match function {
                Function::Len => FieldType::U64,
                Function::Join | Function::Concat | Function::GetOpt => FieldType::Text,
                Function::ToLower | Function::ToUpper | Function::B64 | Function::Basename => {
                    args.first().map_or(FieldType::Text, Self::ty)
                }
            },
        }
    }

    /// Whether the value is a list.
    pub(crate) fn is_list(&self) -> bool {
        match self {
            Self::Field(field) => field.is_list(),
            Self::Text(_) => false,
            Self::List(_) => true,
            Self::Call { function, args, selector } => match function {
                Function::Len | Function::Join | Function::Concat => false,
                Function::GetOpt => selector.is_none(),
                Function::ToLower | Function::ToUpper | Function::B64 | Function::Basename => {
                    args.first().is_some_and(Self::is_list)
                }
            },
        }
    }

    /// Number of values that a comparison looks at.
    pub(crate) fn arity(&self) -> Arity {
        self.as_field().map_or(Arity::One, FieldRef::arity)
    }
}
