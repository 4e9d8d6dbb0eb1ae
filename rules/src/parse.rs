//! Text of a condition to its tree. Parentheses use an explicit stack instead of recursion: depth costs memory, bounded,
//! not stack. Calls of transformers recurse, and nest a few levels only.

use crate::ast::{
    Ast, AstId, AstNode, Call, Check, FieldText, LISTS, Modifier, NUMERIC, Op, Operand, Right,
    SYMBOLS, TRANSFORMERS, Values, WORDS,
};
use crate::error::{Diag, Problem, closest};
use crate::expr::MAX_EXPR_DEPTH;
use crate::lex::{Cursor, Literal};
use crate::source::Traced;

/// Levels of a condition's tree, and nesting of parentheses.
pub(crate) const MAX_DEPTH: usize = 1000;

const EXISTS_IN_EXCEPTION: &str = "`exists` takes no value, and an exception has one: write `and not FIELD exists` into the condition instead";

/// What stands between one open parenthesis and its close, as far as it was read.
#[derive(Default)]
struct Frame {
    ors: Vec<AstId>,
    ands: Vec<AstId>,
    negated: bool,
}

/// Parses a whole condition.
pub(crate) fn parse(text: &Traced) -> Result<Ast, Diag> {
    Parser { cursor: Cursor::new(text), nodes: Vec::new(), depths: Vec::new() }.condition()
}

/// The transformer that stands at a place of a text, as in an output, and where it ends.
pub(crate) fn transformer_at(text: &Traced, at: usize) -> Result<Option<(Operand, usize)>, Diag> {
    let mut cursor = Cursor::new(text);
    cursor.at = at;
    let mut parser = Parser { cursor, nodes: Vec::new(), depths: Vec::new() };
    let operand = parser.field_or_call(1)?;
    Ok(operand.map(|operand| (operand, parser.cursor.at)))
}

struct Parser<'a> {
    cursor: Cursor<'a>,
    nodes: Vec<AstNode>,
    /// Levels below each node, itself included.
    depths: Vec<u32>,
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
            let id = self.push(check, 1)?;
            self.operand(&mut frame, id)?;
            // What follows an operand: closing parentheses, then a connective or the end.
            loop {
                self.cursor.blanks();
                if self.cursor.rest().is_empty() {
                    if !outer.is_empty() {
                        return Err(self.cursor.expected("`and`, `or` or `)`"));
                    }
                    self.close(frame)?;
                    return Ok(Ast { nodes: self.nodes });
                }
                if self.cursor.rest().starts_with(')') {
                    let Some(parent) = outer.pop() else {
                        return Err(self
                            .cursor
                            .expected("`and`, `or` or the end of the condition"));
                    };
                    self.cursor.at += 1;
                    let id = self.close(frame)?;
                    frame = parent;
                    self.operand(&mut frame, id)?;
                    continue;
                }
                if self.cursor.keyword("and") {
                    break;
                }
                if self.cursor.keyword("or") {
                    self.fold_ands(&mut frame)?;
                    break;
                }
                let diag = self.cursor.expected(if outer.is_empty() {
                    "`and`, `or` or the end of the condition"
                } else {
                    "`and`, `or` or `)`"
                });
                return Err(match self.nodes.last() {
                    Some(AstNode::Macro { name, .. }) if name.eq_ignore_ascii_case("not") => {
                        diag.hint("`and`, `or` and `not` are written in lower case")
                    }
                    // Text that was put in for something else has got a hint.
                    _ if self.is_behind_exists() => match diag.hint {
                        Some(_) => diag.hint(EXISTS_IN_EXCEPTION),
                        None => diag.hint("`exists` takes no value"),
                    },
                    _ => diag,
                });
            }
        }
    }

    /// Whether nothing but blanks stands between an `exists` and the cursor.
    fn is_behind_exists(&self) -> bool {
        let end = self.cursor.before().trim_end().len();
        self.nodes.iter().rev().take(2).any(|node| {
            matches!(node, AstNode::Check(check) if check.op == Op::Exists && check.op_range.end == end)
        })
    }

    fn push(&mut self, node: AstNode, depth: u32) -> Result<AstId, Diag> {
        if depth as usize > MAX_DEPTH {
            let at = self.cursor.at;
            return Err(self.cursor.error(Problem::NestedTooDeep { limit: MAX_DEPTH }, at..at));
        }
        self.nodes.push(node);
        self.depths.push(depth);
        Ok(self.nodes.len() as AstId - 1)
    }

    /// Pushes the parent of these nodes.
    fn parent(&mut self, node: AstNode, of: &[AstId]) -> Result<AstId, Diag> {
        let below = of.iter().map(|&c| self.depths[c as usize]).max().unwrap_or(0);
        self.push(node, below + 1)
    }

    fn operand(&mut self, frame: &mut Frame, id: AstId) -> Result<(), Diag> {
        let negated = std::mem::take(&mut frame.negated);
        let id = if negated { self.parent(AstNode::Not(id), &[id])? } else { id };
        frame.ands.push(id);
        Ok(())
    }

    fn fold_ands(&mut self, frame: &mut Frame) -> Result<(), Diag> {
        let ands = std::mem::take(&mut frame.ands);
        let id = self.group(ands, AstNode::And)?;
        frame.ors.push(id);
        Ok(())
    }

    fn close(&mut self, mut frame: Frame) -> Result<AstId, Diag> {
        self.fold_ands(&mut frame)?;
        self.group(frame.ors, AstNode::Or)
    }

    /// The only member, or the node of several.
    fn group(&mut self, of: Vec<AstId>, node: fn(Vec<AstId>) -> AstNode) -> Result<AstId, Diag> {
        if let [one] = of[..] {
            return Ok(one);
        }
        let children = of.clone();
        self.parent(node(of), &children)
    }

    fn check(&mut self) -> Result<AstNode, Diag> {
        let start = self.cursor.at;
        if let Some(left) = self.field_or_call(1)? {
            return self.comparison(left);
        }
        match self.cursor.identifier() {
            Some("and" | "or" | "not") | None => {
                self.cursor.at = start;
                Err(self.cursor.expected("a field, a macro, a transformer, `not` or `(`"))
            }
            Some("val") if self.cursor.rest().starts_with('(') => {
                self.cursor.at = start;
                let diag = self.cursor.expected("a field, a macro, a transformer, `not` or `(`");
                Err(diag
                    .hint("`val(field)` is for the right side; on the left the field stands alone"))
            }
            Some(name) => {
                let range = start..self.cursor.at;
                self.cursor.blanks();
                if !self.cursor.rest().starts_with('(') {
                    return Ok(AstNode::Macro { name: name.to_owned(), range });
                }
                let is_apart = self.cursor.at > range.end;
                let diag = self.cursor.expected("`and`, `or` or the end of the condition");
                let known = TRANSFORMERS.iter().map(|(t, _)| *t);
                Err(if is_apart && known.clone().any(|t| t == name) {
                    diag.hint(format!("no blank between `{name}` and its parenthesis"))
                } else {
                    diag.did_you_mean(closest(name, known))
                })
            }
        }
    }

    /// A field, or a transformer over something, if one stands here. `depth` is its own level.
    fn field_or_call(&mut self, depth: usize) -> Result<Option<Operand>, Diag> {
        if let Some(field) = self.field()? {
            return Ok(Some(Operand::Field(field)));
        }
        let start = self.cursor.at;
        let rest = self.cursor.rest();
        let named = TRANSFORMERS
            .iter()
            .find(|(name, _)| rest.strip_prefix(name).is_some_and(|r| r.starts_with('(')));
        let Some(&(name, function)) = named else { return Ok(None) };
        if depth >= MAX_EXPR_DEPTH {
            let problem = Problem::NestedTooDeep { limit: MAX_EXPR_DEPTH };
            return Err(self.cursor.error(problem, start..start + name.len()));
        }
        self.cursor.at += name.len() + 1;
        let args = self.arguments(depth + 1)?;
        let selector = self.cursor.field_arg()?;
        let range = start..self.cursor.at;
        Ok(Some(Operand::Call(Call { function, args, selector, range })))
    }

    fn field(&mut self) -> Result<Option<FieldText>, Diag> {
        let start = self.cursor.at;
        let Some(name) = self.cursor.field_name() else { return Ok(None) };
        let arg = self.cursor.field_arg()?;
        Ok(Some(FieldText { name: name.to_owned(), arg, range: start..self.cursor.at }))
    }

    /// One or more, up to the closing parenthesis; the open one is read.
    fn arguments(&mut self, depth: usize) -> Result<Vec<Operand>, Diag> {
        let mut args = Vec::new();
        loop {
            self.cursor.blanks();
            args.push(self.argument(depth)?);
            self.cursor.blanks();
            if self.cursor.symbol(")") {
                return Ok(args);
            }
            if !self.cursor.symbol(",") {
                return Err(self.cursor.expected("`,` or `)`"));
            }
        }
    }

    fn argument(&mut self, depth: usize) -> Result<Operand, Diag> {
        const EXPECTED: &str =
            "a field, a transformer, a quoted text, a number or a list in parentheses";
        if let Some(operand) = self.field_or_call(depth)? {
            return Ok(operand);
        }
        let start = self.cursor.at;
        match self.cursor.rest().as_bytes().first() {
            Some(b'\'' | b'"') => Ok(Operand::Constant(self.cursor.value(EXPECTED)?)),
            Some(b'(') => {
                if depth >= MAX_EXPR_DEPTH {
                    let problem = Problem::NestedTooDeep { limit: MAX_EXPR_DEPTH };
                    return Err(self.cursor.error(problem, start..start + 1));
                }
                self.cursor.at += 1;
                let of = self.arguments(depth + 1)?;
                Ok(Operand::List { of, range: start..self.cursor.at })
            }
            Some(b'0'..=b'9' | b'+' | b'-') => Ok(Operand::Constant(self.cursor.number(EXPECTED)?)),
            _ => {
                let diag = self.cursor.expected(EXPECTED);
                Err(if self.cursor.rest().starts_with("val(") {
                    diag.hint("`val(...)` stands around no argument; write the field alone")
                } else {
                    diag.hint("text needs quotes here")
                })
            }
        }
    }

    fn comparison(&mut self, left: Operand) -> Result<AstNode, Diag> {
        self.cursor.blanks();
        let start = self.cursor.at;
        let cursor = &mut self.cursor;
        let (op_text, op, right) = if cursor.symbol("exists") {
            ("exists", Op::Exists, Right::None)
        } else if let Some(&(text, op)) = NUMERIC.iter().find(|(s, _)| cursor.symbol(s)) {
            (text, op, self.number_right()?)
        } else if let Some(&(text, op)) = SYMBOLS
            .iter()
            .find(|(s, _)| cursor.symbol(s))
            .or_else(|| WORDS.iter().find(|(s, _)| cursor.word_and_blank(s)))
        {
            (text, op, self.string_right()?)
        } else if let Some(&(text, op)) = LISTS.iter().find(|(s, _)| cursor.symbol(s)) {
            (text, op, self.list_right()?)
        } else {
            let diag = self.cursor.expected("an operator");
            let rest = self.cursor.rest();
            let glued = WORDS.iter().find(|(word, _)| rest.starts_with(word));
            return Err(match glued {
                Some((word, _)) => diag.hint(format!("`{word}` needs a blank behind it")),
                None => diag,
            });
        };
        let op_range = start..start + op_text.len();
        Ok(AstNode::Check(Box::new(Check { left, op, op_text, op_range, right })))
    }

    fn number_right(&mut self) -> Result<Right, Diag> {
        self.cursor.blanks();
        match self.right_operand()? {
            Some(operand) => Ok(Right::Operand(operand)),
            None => Ok(Right::Value(self.cursor.number("a number")?)),
        }
    }

    fn string_right(&mut self) -> Result<Right, Diag> {
        self.cursor.blanks();
        for modifier in Modifier::EACH {
            if self.cursor.word_and_blank(modifier.as_str()) {
                return Ok(Right::List { modifier: Some(modifier), values: self.values()? });
            }
            let rest = self.cursor.rest();
            if rest.strip_prefix(modifier.as_str()).is_some_and(|r| r.starts_with('(')) {
                self.cursor.at += modifier.as_str().len();
                return Err(self.cursor.expected("a blank between the modifier and its list"));
            }
        }
        match self.right_operand()? {
            Some(operand) => Ok(Right::Operand(operand)),
            None => Ok(Right::Value(self.cursor.value("a value")?)),
        }
    }

    fn list_right(&mut self) -> Result<Right, Diag> {
        self.cursor.blanks();
        match self.right_operand()? {
            Some(operand) => Ok(Right::Operand(operand)),
            None => Ok(Right::List { modifier: None, values: self.values()? }),
        }
    }

    /// `val(field)` or a transformer, if one stands here; a bare field name is a value.
    fn right_operand(&mut self) -> Result<Option<Operand>, Diag> {
        let start = self.cursor.at;
        if self.cursor.symbol("val(") {
            self.cursor.blanks();
            let Some(field) = self.field()? else {
                return Err(self.cursor.expected("a field: `val` takes nothing else"));
            };
            self.cursor.blanks();
            if !self.cursor.symbol(")") {
                return Err(self.cursor.expected("`)`"));
            }
            return Ok(Some(Operand::Val { field, range: start..self.cursor.at }));
        }
        let is_call = TRANSFORMERS.iter().any(|(name, _)| {
            self.cursor.rest().strip_prefix(name).is_some_and(|r| r.starts_with('('))
        });
        if is_call { self.field_or_call(1) } else { Ok(None) }
    }

    /// `(a, b)`, `()` or one bare identifier.
    fn values(&mut self) -> Result<Values, Diag> {
        self.cursor.blanks();
        if !self.cursor.symbol("(") {
            let start = self.cursor.at;
            return match self.cursor.identifier() {
                Some(name) => {
                    let bytes = name.as_bytes().to_vec();
                    let literal = Literal { bytes, quoted: false, range: start..self.cursor.at };
                    Ok(Values { of: vec![literal], in_parentheses: false })
                }
                None => Err(self.cursor.expected("a list in parentheses")),
            };
        }
        let mut of = Vec::new();
        self.cursor.blanks();
        if self.cursor.symbol(")") {
            return Ok(Values { of, in_parentheses: true });
        }
        loop {
            self.cursor.blanks();
            of.push(self.cursor.value("a value")?);
            self.cursor.blanks();
            if self.cursor.symbol(")") {
                return Ok(Values { of, in_parentheses: true });
            }
            if !self.cursor.symbol(",") {
                return Err(self.cursor.expected("`,` or `)`"));
            }
        }
    }
}
