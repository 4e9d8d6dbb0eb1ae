//! Text of a condition to its tree. An explicit stack instead of recursion: depth costs memory, bounded, not stack.

use std::ops::Range;

use crate::error::{Diag, Problem};
use crate::lex::{Cursor, Literal};
use crate::source::Traced;

/// Nesting of parentheses.
pub(crate) const MAX_DEPTH: usize = 1000;

/// A condition: nodes in an arena, children before parents, the root last.
#[derive(Debug)]
pub(crate) struct Ast {
    pub(crate) nodes: Vec<AstNode>,
}

/// Index of a node in its arena.
pub(crate) type AstId = u32;

#[derive(Debug)]
pub(crate) enum AstNode {
    And(Vec<AstId>),
    Or(Vec<AstId>),
    Not(AstId),
    Check(Check),
    Macro { name: String, range: Range<usize> },
}

/// A comparison of a field.
#[derive(Debug)]
pub(crate) struct Check {
    pub(crate) field: FieldText,
    pub(crate) op: Op,
    pub(crate) op_range: Range<usize>,
    pub(crate) right: Right,
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
    None,
    Value(Literal),
    List(Vec<Literal>),
    /// `OP anyof (...)` and `OP allof (...)`.
    Quantified(Quantifier, Vec<Literal>),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Quantifier {
    Any,
    All,
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
const NUMERIC: [(&str, Op); 4] = [("<=", Op::Le), ("<", Op::Lt), (">=", Op::Ge), (">", Op::Gt)];
const SYMBOLS: [(&str, Op); 3] = [("==", Op::Eq), ("=", Op::Eq), ("!=", Op::Ne)];
const WORDS: [(&str, Op); 9] = [
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
const LISTS: [(&str, Op); 3] =
    [("intersects", Op::Intersects), ("in", Op::In), ("pmatch", Op::PMatch)];
const TRANSFORMERS: [&str; 9] =
    ["tolower", "toupper", "b64", "basename", "len", "join", "concat", "getopt", "val"];

impl Op {
    /// The operator as written, `==` as `=`.
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Exists => "exists",
            Self::Lt => "<",
            Self::Le => "<=",
            Self::Gt => ">",
            Self::Ge => ">=",
            Self::Eq => "=",
            Self::Ne => "!=",
            Self::Glob => "glob",
            Self::IGlob => "iglob",
            Self::Contains => "contains",
            Self::IContains => "icontains",
            Self::BContains => "bcontains",
            Self::StartsWith => "startswith",
            Self::BStartsWith => "bstartswith",
            Self::EndsWith => "endswith",
            Self::Regex => "regex",
            Self::Intersects => "intersects",
            Self::In => "in",
            Self::PMatch => "pmatch",
        }
    }
}

/// What stands between one open parenthesis and its close, as far as it was read.
#[derive(Default)]
struct Frame {
    ors: Vec<AstId>,
    ands: Vec<AstId>,
    negated: bool,
}

/// Parses a whole condition.
pub(crate) fn parse(text: &Traced) -> Result<Ast, Diag> {
    Parser { cursor: Cursor::new(text), nodes: Vec::new() }.condition()
}

struct Parser<'a> {
    cursor: Cursor<'a>,
    nodes: Vec<AstNode>,
}

impl Parser<'_> {
    fn condition(mut self) -> Result<Ast, Diag> {
        let mut outer: Vec<Frame> = Vec::new();
        let mut frame = Frame::default();
        loop {
            // An operand: any number of `not`, then a check or a parenthesis.
            self.cursor.blanks();
            while self.cursor.keyword("not") {
                frame.negated = !frame.negated;
                self.cursor.blanks();
            }
            if self.cursor.rest().starts_with('(') {
                if outer.len() >= MAX_DEPTH {
                    let at = self.cursor.at;
                    let problem = Problem::NestedTooDeep { limit: MAX_DEPTH };
                    return Err(self.cursor.error(problem, at..at + 1));
                }
                self.cursor.at += 1;
                outer.push(std::mem::take(&mut frame));
                continue;
            }
            let check = self.check()?;
            let id = self.push(check);
            self.operand(&mut frame, id);
            // What follows an operand: closing parentheses, then a connective or the end.
            loop {
                self.cursor.blanks();
                if self.cursor.rest().is_empty() {
                    if !outer.is_empty() {
                        return Err(self.cursor.expected("`and`, `or` or `)`"));
                    }
                    self.close(frame);
                    return Ok(Ast { nodes: self.nodes });
                }
                if self.cursor.rest().starts_with(')') {
                    let Some(parent) = outer.pop() else {
                        return Err(self
                            .cursor
                            .expected("`and`, `or` or the end of the condition"));
                    };
                    self.cursor.at += 1;
                    let id = self.close(frame);
                    frame = parent;
                    self.operand(&mut frame, id);
                    continue;
                }
                if self.cursor.keyword("and") {
                    break;
                }
                if self.cursor.keyword("or") {
                    self.fold_ands(&mut frame);
                    break;
                }
                return Err(self.cursor.expected(if outer.is_empty() {
                    "`and`, `or` or the end of the condition"
                } else {
                    "`and`, `or` or `)`"
                }));
            }
        }
    }

    fn push(&mut self, node: AstNode) -> AstId {
        self.nodes.push(node);
        self.nodes.len() as AstId - 1
    }

    fn operand(&mut self, frame: &mut Frame, id: AstId) {
        let id = if std::mem::take(&mut frame.negated) { self.push(AstNode::Not(id)) } else { id };
        frame.ands.push(id);
    }

    fn fold_ands(&mut self, frame: &mut Frame) {
        let ands = std::mem::take(&mut frame.ands);
        let id = if let [one] = ands[..] { one } else { self.push(AstNode::And(ands)) };
        frame.ors.push(id);
    }

    fn close(&mut self, mut frame: Frame) -> AstId {
        self.fold_ands(&mut frame);
        let ors = frame.ors;
        if let [one] = ors[..] { one } else { self.push(AstNode::Or(ors)) }
    }

    fn check(&mut self) -> Result<AstNode, Diag> {
        let start = self.cursor.at;
        if let Some(name) = self.cursor.field_name() {
            let arg = self.cursor.field_arg()?;
            let field = FieldText { name: name.to_owned(), arg, range: start..self.cursor.at };
            return self.comparison(field);
        }
        match self.cursor.identifier() {
            Some("and" | "or" | "not") | None => {
                self.cursor.at = start;
                Err(self.cursor.expected("a field, a macro, `not` or `(`"))
            }
            Some(name) => {
                self.refuse_transformer(name, start)?;
                Ok(AstNode::Macro { name: name.to_owned(), range: start..self.cursor.at })
            }
        }
    }

    fn refuse_transformer(&self, name: &str, start: usize) -> Result<(), Diag> {
        if TRANSFORMERS.contains(&name) && self.cursor.rest().trim_start().starts_with('(') {
            let problem = Problem::Unsupported(format!("the transformer `{name}`"));
            return Err(self.cursor.error(problem, start..self.cursor.at));
        }
        Ok(())
    }

    fn comparison(&mut self, field: FieldText) -> Result<AstNode, Diag> {
        self.cursor.blanks();
        let start = self.cursor.at;
        let cursor = &mut self.cursor;
        let (op, right) = if cursor.symbol("exists") {
            (Op::Exists, Right::None)
        } else if let Some(&(_, op)) = NUMERIC.iter().find(|(s, _)| cursor.symbol(s)) {
            cursor.blanks();
            self.refuse_transformer_here()?;
            (op, Right::Value(self.cursor.number()?))
        } else if let Some(&(_, op)) = SYMBOLS
            .iter()
            .find(|(s, _)| cursor.symbol(s))
            .or_else(|| WORDS.iter().find(|(s, _)| cursor.word_and_blank(s)))
        {
            (op, self.string_right()?)
        } else if let Some(&(_, op)) = LISTS.iter().find(|(s, _)| cursor.symbol(s)) {
            (op, Right::List(self.list()?))
        } else {
            return Err(self.cursor.expected("an operator"));
        };
        let op_range = start..start + op.as_str().len();
        Ok(AstNode::Check(Check { field, op, op_range, right }))
    }

    fn string_right(&mut self) -> Result<Right, Diag> {
        self.cursor.blanks();
        let start = self.cursor.at;
        if self.cursor.word_and_blank("anyof") {
            return Ok(Right::Quantified(Quantifier::Any, self.list()?));
        }
        if self.cursor.word_and_blank("allof") {
            return Ok(Right::Quantified(Quantifier::All, self.list()?));
        }
        if self.cursor.word_and_blank("oneof") {
            let problem = Problem::Unsupported("the modifier `oneof`".into());
            return Err(self.cursor.error(problem, start..start + 5));
        }
        self.refuse_transformer_here()?;
        Ok(Right::Value(self.cursor.value("a value")?))
    }

    fn refuse_transformer_here(&mut self) -> Result<(), Diag> {
        let start = self.cursor.at;
        let name = self.cursor.identifier();
        let refused = name.map_or(Ok(()), |n| self.refuse_transformer(n, start));
        self.cursor.at = start;
        refused
    }

    /// `(a, b)`, `()` or one bare identifier.
    fn list(&mut self) -> Result<Vec<Literal>, Diag> {
        self.cursor.blanks();
        if !self.cursor.symbol("(") {
            let start = self.cursor.at;
            return match self.cursor.identifier() {
                Some(name) => Ok(vec![Literal {
                    bytes: name.as_bytes().to_vec(),
                    quoted: false,
                    range: start..self.cursor.at,
                }]),
                None => Err(self.cursor.expected("a list in parentheses")),
            };
        }
        let mut values = Vec::new();
        self.cursor.blanks();
        if self.cursor.symbol(")") {
            return Ok(values);
        }
        loop {
            self.cursor.blanks();
            values.push(self.cursor.value("a value")?);
            self.cursor.blanks();
            if self.cursor.symbol(")") {
                return Ok(values);
            }
            if !self.cursor.symbol(",") {
                return Err(self.cursor.expected("`,` or `)`"));
            }
        }
    }
}
