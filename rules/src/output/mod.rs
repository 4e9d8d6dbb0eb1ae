//! Output templates: text with `%field` tokens, compiled once, filled in per alert.

mod line;
mod print;

use std::sync::Arc;

use crate::alert::AlertValue;
use crate::ast::TRANSFORMERS;
use crate::buffers::Computed;
use crate::error::{Code, Diag, Problem, closest};
use crate::expr::Expr;
use crate::operand::expr;
use crate::parse::transformer_at;
use crate::schema::{Field, FieldRef, Format, Scope};
use crate::source::Traced;
use crate::transform::Evaluator;
use crate::value::{Fields, Value};

pub use line::{LineFormat, LineScratch};
pub(crate) use print::MISSING;
use print::{ListText, Shown, fit_width};
pub use print::{escape_line, plain_len};

/// A compiled output.
#[derive(Clone, Debug, Default)]
pub(crate) struct Template {
    parts: Vec<Part>,
    /// Fields in order of first mention, those inside transformers among them, with their texts.
    fields: Vec<(FieldRef, Arc<str>)>,
    /// Fields that the configuration defines, with their values.
    constants: Vec<(Arc<str>, String)>,
    /// Texts told beside this one, by name.
    texts: Vec<(Arc<str>, Self)>,
    /// Whether buffers are shown in base64.
    in_base64: bool,
}

#[derive(Clone, Debug)]
enum Part {
    Text(String),
    /// Index into the fields, and the width to pad or cut to; 0 is none.
    Field {
        index: usize,
        width: usize,
    },
    /// A transformer.
    Call {
        expr: Expr,
        width: usize,
    },
}

/// Widest `%<N>field`.
const MAX_WIDTH: usize = 1024;

/// What most texts of alerts need, so that they do not grow piece by piece.
const FILLED_BYTES: usize = 512;

/// What an output may name for compatibility, and prints nothing.
const CONTAINER_INFO: &str = "container.info";

impl Template {
    /// Compiles the output of a rule of this scope; doubts that do not stop it go to `warnings`.
    pub(crate) fn compile(
        text: &Traced,
        scope: &Scope,
        warnings: &mut Vec<Diag>,
    ) -> Result<Self, Diag> {
        let mut out = Self::default();
        let s = text.as_str();
        // The star asks for what is always done: a missing value does not suppress the line.
        let mut at = usize::from(s.starts_with('*'));
        loop {
            let rest = &s[at..];
            let Some(percent) = rest.find('%') else {
                out.text(rest);
                return Ok(out);
            };
            out.text(&rest[..percent]);
            at = out.token(text, scope, at + percent, warnings)?;
        }
    }

    /// Compiles the token whose percent sign stands at `start`, and says where it ends.
    fn token(
        &mut self,
        text: &Traced,
        scope: &Scope,
        start: usize,
        warnings: &mut Vec<Diag>,
    ) -> Result<usize, Diag> {
        let token = &text.as_str()[start + 1..];
        let n_digits = token.bytes().take_while(u8::is_ascii_digit).count();
        let name = &token[n_digits..];
        let name_at = start + 1 + n_digits;
        let diag = |code, problem, len| Diag::new(code, problem, text.span(start..name_at + len));
        let error = |problem, len| diag(Code::CompileOutput, problem, len);
        // More digits than a number has are too many as well.
        let width = match &token[..n_digits] {
            "" => 0,
            digits => digits.parse().unwrap_or(usize::MAX),
        };
        if width > MAX_WIDTH {
            return Err(error(Problem::Output("a width above 1024"), 0));
        }
        if name.starts_with(CONTAINER_INFO) {
            let problem = Problem::Deprecated("%container.info");
            warnings.push(diag(Code::DeprecatedItem, problem, CONTAINER_INFO.len()));
            return Ok(name_at + CONTAINER_INFO.len());
        }
        if let Some(len) = call_name_len(name) {
            let Some((operand, end)) = transformer_at(text, name_at).map_err(of_output)? else {
                let function = &name[..len];
                return Err(if function == "val" {
                    error(Problem::Output("`val()` is for conditions"), len)
                        .hint("in an output the field stands alone")
                } else {
                    let known = TRANSFORMERS.iter().map(|(name, _)| *name);
                    error(Problem::UnknownField(function.to_owned()), len)
                        .did_you_mean(closest(function, known))
                });
            };
            let expr = expr(text, scope, &operand).map_err(of_output)?;
            for field in expr.fields() {
                self.field(field.clone());
            }
            self.parts.push(Part::Call { expr, width });
            return Ok(end);
        }
        let is_name = |b: &u8| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'_');
        let run = name.bytes().take_while(is_name).count();
        let Some((field, len)) = longest_field(scope, name, run) else {
            return Err(if run == 0 {
                error(Problem::Output("`%` is followed by no field"), 0)
                    .hint("a percent sign cannot be written in an output")
            } else {
                let known = name[..run].trim_end_matches('.');
                let problem = scope
                    .field(known, None)
                    .err()
                    .unwrap_or_else(|| Problem::UnknownField(known.to_owned()));
                scope.hint(error(problem, known.len()), known)
            });
        };
        if is_constant(field.field) {
            let problem = Problem::Deprecated(field.field.name());
            warnings.push(diag(Code::DeprecatedItem, problem, len));
        }
        if let Some(value) = scope.constant(&field) {
            self.constant(&field, value, width);
            return Ok(name_at + len);
        }
        let index = self.field(field);
        self.parts.push(Part::Field { index, width });
        Ok(name_at + len)
    }

    fn constant(&mut self, field: &FieldRef, value: &str, width: usize) {
        let mut shown = value.to_owned();
        if width > 0 {
            fit_width(&mut shown, 0, width);
        }
        self.text(&shown);
        let name: Arc<str> = field.to_string().into();
        if self.constants.iter().all(|(known, _)| *known != name) {
            self.constants.push((name, value.to_owned()));
        }
    }

    /// Index of a field, which is added where it is new.
    fn field(&mut self, field: FieldRef) -> usize {
        self.fields.iter().position(|(f, _)| *f == field).unwrap_or_else(|| {
            let name = field.to_string().into();
            self.fields.push((field, name));
            self.fields.len() - 1
        })
    }

    fn text(&mut self, text: &str) {
        if text.is_empty() {
            return;
        }
        match self.parts.last_mut() {
            Some(Part::Text(t)) => t.push_str(text),
            _ => self.parts.push(Part::Text(text.to_owned())),
        }
    }

    /// Shows buffers in base64.
    pub(crate) fn in_base64(self) -> Self {
        let texts = self.texts.into_iter().map(|(name, text)| (name, text.in_base64())).collect();
        Self { in_base64: true, texts, ..self }
    }

    #[inline]
    fn shown(&self, field: &FieldRef, utc_offset_s: i32) -> Shown {
        let Self { in_base64, .. } = *self;
        Shown { ty: field.ty(), format: field.format(), utc_offset_s, in_base64 }
    }

    /// Whether it is the value of a field, and nothing else.
    pub(crate) fn is_one_field(&self) -> bool {
        match (&*self.parts, &*self.constants) {
            ([Part::Field { width: 0, .. }], []) => true,
            ([Part::Text(text)], [(_, value)]) => text == value,
            _ => false,
        }
    }

    /// Tells the fields of another one beside the text.
    pub(crate) fn tell(&mut self, other: &Self) {
        for (field, _) in &other.fields {
            self.field(field.clone());
        }
        for constant in &other.constants {
            if self.constants.iter().all(|(known, _)| *known != constant.0) {
                self.constants.push(constant.clone());
            }
        }
    }

    /// Tells another text beside this one.
    pub(crate) fn tell_text(&mut self, name: Arc<str>, other: Self) {
        self.texts.push((name, other));
    }

    pub(crate) fn fields(&self) -> impl Iterator<Item = &FieldRef> {
        let of_texts = self.texts.iter().flat_map(|(_, text)| &text.fields);
        self.fields.iter().chain(of_texts).map(|(f, _)| f)
    }

    /// The text, and the value of each field where they are told. Times are shifted by `utc_offset_s` where local time is printed.
    pub(crate) fn fill<F: Fields>(
        &self,
        fields: &F,
        utc_offset_s: i32,
        tells_fields: bool,
    ) -> (String, Vec<(Arc<str>, AlertValue)>) {
        let values: Vec<Option<Value<'_>>> =
            self.fields.iter().map(|(f, _)| value(fields, f)).collect();
        let mut out = String::with_capacity(FILLED_BYTES);
        let mut computed = Computed::default();
        for part in &self.parts {
            let start = out.len();
            let width = match part {
                Part::Text(text) => {
                    out.push_str(text);
                    0
                }
                Part::Field { index, width } => {
                    let field = &self.fields[*index].0;
                    let shown = self.shown(field, utc_offset_s);
                    if field.is_list() {
                        print_list(&mut out, fields, field, shown);
                    } else {
                        shown.print(&mut out, values[*index]);
                    }
                    *width
                }
                Part::Call { expr, width } => {
                    computed.clear();
                    print_call(&mut out, fields, expr, &mut computed);
                    *width
                }
            };
            if width > 0 {
                fit_width(&mut out, start, width);
            }
        }
        if !tells_fields {
            return (out, Vec::new());
        }
        let typed = self.fields.iter().zip(values).map(|((field, name), value)| {
            let shown = self.shown(field, utc_offset_s);
            let value =
                if field.is_list() { typed_list(fields, field, shown) } else { shown.typed(value) };
            (name.clone(), value)
        });
        let constants = self.constants.iter();
        let constants = constants.map(|(name, v)| (name.clone(), AlertValue::Text(v.clone())));
        let texts = self.texts.iter().map(|(name, text)| {
            (name.clone(), AlertValue::Text(text.fill(fields, utc_offset_s, false).0))
        });
        let typed = typed.chain(constants).chain(texts).collect();
        (out, typed)
    }
}

fn shown(field: &FieldRef, utc_offset_s: i32) -> Shown {
    Shown { ty: field.ty(), format: field.format(), utc_offset_s, in_base64: false }
}

/// The value of a field that is no list; what only conditions know has none.
fn value<'a, F: Fields>(fields: &'a F, field: &FieldRef) -> Option<Value<'a>> {
    let has_value = !field.field.info().is_filter_only() && !field.is_list();
    if has_value { fields.get(field) } else { None }
}

fn print_list<F: Fields>(out: &mut String, fields: &F, field: &FieldRef, shown: Shown) {
    let start = out.len();
    let mut list = ListText::begin(out);
    let is_there = fields.elements(field, |value| list.push(shown, value));
    list.end();
    if !is_there {
        out.truncate(start);
        out.push_str(MISSING);
    }
}

/// What a transformer computes; its texts need no format.
fn print_call<F: Fields>(out: &mut String, fields: &F, expr: &Expr, computed: &mut Computed) {
    let shown = Shown { ty: expr.ty(), format: Format::Plain, utc_offset_s: 0, in_base64: false };
    let mut evaluator = Evaluator { fields, computed };
    if !expr.is_list() {
        let value = evaluator.scalar(expr);
        return shown.print(out, value.map(|scalar| computed.value(scalar)));
    }
    let Some(items) = evaluator.list(expr) else {
        return shown.print(out, None);
    };
    let mut list = ListText::begin(out);
    computed.values(items).for_each(|value| list.push(shown, value));
    list.end();
}

fn typed_list<F: Fields>(fields: &F, field: &FieldRef, shown: Shown) -> AlertValue {
    let mut all = Vec::new();
    let is_there = fields.elements(field, |value| all.push(shown.typed(Some(value))));
    if is_there { AlertValue::List(all) } else { AlertValue::Missing }
}

/// Whether the field says the same of every event: what it told is no longer measured.
fn is_constant(field: Field) -> bool {
    matches!(
        field,
        Field::EvtLatency
            | Field::EvtLatencyS
            | Field::EvtLatencyNs
            | Field::EvtLatencyHuman
            | Field::EvtWaitLatency
            | Field::EvtDir
    )
}

/// What is said of a part of an output that conditions have as well.
fn of_output(mut diag: Diag) -> Diag {
    if let Problem::Syntax { found, .. } = &mut *diag.problem
        && found == "the end of the condition"
    {
        "the end of the output".clone_into(found);
    }
    Diag { code: Code::CompileOutput, ..diag }
}

/// Length of the name if a call of something stands here.
fn call_name_len(text: &str) -> Option<usize> {
    let len = crate::lex::identifier_len(text);
    (len > 0 && text[len..].starts_with('(')).then_some(len)
}

/// The longest beginning of `text` that is a field of the source, its argument included, and its length.
fn longest_field(scope: &Scope, text: &str, run: usize) -> Option<(FieldRef, usize)> {
    // A name with a bad argument counts without it.
    (1..=run).rev().find_map(|len| {
        let name = &text[..len];
        let bracket = text[len..].strip_prefix('[').and_then(|rest| {
            let first = *rest.as_bytes().first()?;
            let (arg, used) = if matches!(first, b'"' | b'\'') {
                let end = 1 + memchr::memchr(first, &rest.as_bytes()[1..])?;
                (&rest[1..end], end + 1)
            } else {
                let end = rest.find([']', '[', ' ', '"', '\''])?;
                (&rest[..end], end)
            };
            let is_closed = rest[used..].starts_with(']') && used > 0;
            let field = is_closed.then(|| scope.field(name, Some(arg)).ok())??;
            Some((field, len + used + 2))
        });
        bracket.or_else(|| scope.field(name, None).ok().map(|f| (f, len)))
    })
}
