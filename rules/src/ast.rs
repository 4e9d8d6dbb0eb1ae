//! The tree of a condition, with the place of everything in its text. [`crate::canonical`] prints comparisons.

use std::ops::Range;

use crate::expr::Function;
use crate::lex::Literal;

/// A condition: nodes in an arena, children before parents, the root last. Never empty.
#[derive(Debug)]
pub(crate) struct Ast {
    pub(crate) nodes: Vec<AstNode>,
}

/// Index of a node in its arena.
pub(crate) type AstId = u32;

#[derive(Debug)]
pub(crate) enum AstNode {
    /// Two or more, in the order written. A child may be an `And` itself where parentheses made it one.
    And(Vec<AstId>),
    Or(Vec<AstId>),
    /// One negation; an even number of `not` in a row leaves none.
    Not(AstId),
    Check(Box<Check>),
    Macro {
        name: String,
        range: Range<usize>,
    },
}

/// A comparison.
#[derive(Debug)]
pub(crate) struct Check {
    pub(crate) left: Operand,
    pub(crate) op: Op,
    /// The operator as written: `==` stays what it is.
    pub(crate) op_text: &'static str,
    pub(crate) op_range: Range<usize>,
    pub(crate) right: Right,
}

/// A side of a comparison, or an argument of a transformer. Nests at most [`crate::expr::MAX_EXPR_DEPTH`] deep, so
/// that recursion over it is bounded.
#[derive(Debug)]
pub(crate) enum Operand {
    Field(FieldText),
    /// Quoted text or a number, only as an argument.
    Constant(Literal),
    /// `(a, b)`, only as an argument.
    List {
        of: Vec<Operand>,
        range: Range<usize>,
    },
    Call(Call),
    /// `val(field)`, only as the right side itself.
    Val {
        field: FieldText,
        range: Range<usize>,
    },
}

/// A transformer with its arguments.
#[derive(Debug)]
pub(crate) struct Call {
    pub(crate) function: Function,
    pub(crate) args: Vec<Operand>,
    /// What stands in brackets behind it.
    pub(crate) selector: Option<Literal>,
    pub(crate) range: Range<usize>,
}

impl Operand {
    pub(crate) fn range(&self) -> Range<usize> {
        match self {
            Self::Field(field) => field.range.clone(),
            Self::Constant(literal) => literal.range.clone(),
            Self::Call(call) => call.range.clone(),
            Self::List { range, .. } | Self::Val { range, .. } => range.clone(),
        }
    }
}

/// A field as written.
#[derive(Debug)]
pub(crate) struct FieldText {
    pub(crate) name: String,
    pub(crate) arg: Option<Literal>,
    pub(crate) range: Range<usize>,
}

/// Right side of a comparison.
#[derive(Debug)]
pub(crate) enum Right {
    /// Of `exists`.
    None,
    Value(Literal),
    /// Of a list operator, or behind a modifier.
    List {
        modifier: Option<Modifier>,
        values: Values,
    },
    /// Other fields of the event.
    Operand(Operand),
}

/// The values of a list.
#[derive(Debug)]
pub(crate) struct Values {
    pub(crate) of: Vec<Literal>,
    /// Else it is one bare word.
    pub(crate) in_parentheses: bool,
}

/// How many operands have to satisfy the operator.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Modifier {
    One,
    Any,
    All,
}

impl Modifier {
    pub(crate) const EACH: [Self; 3] = [Self::One, Self::Any, Self::All];

    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::One => "oneof",
            Self::Any => "anyof",
            Self::All => "allof",
        }
    }
}

/// An operator.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Op {
    Exists,
    Lt,
    Le,
    Gt,
    Ge,
    Eq,
    Ne,
    Glob,
    IGlob,
    Contains,
    IContains,
    BContains,
    StartsWith,
    BStartsWith,
    EndsWith,
    Regex,
    Intersects,
    In,
    PMatch,
}

/// In the order in which they are tried: a longer token before its beginning.
pub(crate) const NUMERIC: [(&str, Op); 4] =
    [("<=", Op::Le), ("<", Op::Lt), (">=", Op::Ge), (">", Op::Gt)];
pub(crate) const SYMBOLS: [(&str, Op); 3] = [("==", Op::Eq), ("=", Op::Eq), ("!=", Op::Ne)];
/// These need a blank behind them.
pub(crate) const WORDS: [(&str, Op); 9] = [
    ("glob", Op::Glob),
    ("iglob", Op::IGlob),
    ("contains", Op::Contains),
    ("icontains", Op::IContains),
    ("bcontains", Op::BContains),
    ("startswith", Op::StartsWith),
    ("bstartswith", Op::BStartsWith),
    ("endswith", Op::EndsWith),
    ("regex", Op::Regex),
];
pub(crate) const LISTS: [(&str, Op); 3] =
    [("intersects", Op::Intersects), ("in", Op::In), ("pmatch", Op::PMatch)];

/// Names of the transformers; the parenthesis follows at once.
pub(crate) const TRANSFORMERS: [(&str, Function); 8] = [
    ("tolower", Function::ToLower),
    ("toupper", Function::ToUpper),
    ("b64", Function::B64),
    ("basename", Function::Basename),
    ("len", Function::Len),
    ("join", Function::Join),
    ("concat", Function::Concat),
    ("getopt", Function::GetOpt),
];

/// The name of a transformer.
pub(crate) fn transformer_name(function: Function) -> &'static str {
    TRANSFORMERS.iter().find(|(_, f)| *f == function).map_or("", |(name, _)| name)
}
