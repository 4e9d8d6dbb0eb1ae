//! Output templates: text with `%field` tokens, compiled once, filled in per alert.

use std::fmt::Write as _;
use std::sync::Arc;

use crate::alert::AlertValue;
use crate::error::{Code, Diag, Problem};
use crate::schema::{FieldRef, FieldType, Format, SYSCALL, field_hint, resolve_field};
use crate::source::Traced;
use crate::time;
use crate::value::{Fields, Value};

/// What a missing value prints as.
pub(crate) const MISSING: &str = "<NA>";

/// A compiled output.
#[derive(Clone, Debug, Default)]
pub(crate) struct Template {
    parts: Vec<Part>,
    /// Fields in order of first mention, with their texts.
    fields: Vec<(FieldRef, Arc<str>)>,
}

#[derive(Clone, Debug)]
enum Part {
    Text(String),
    /// Index into the fields, and the width to pad or cut to; 0 is none.
    Field {
        index: usize,
        width: usize,
    },
}

/// Longest text of raw bytes; a longer one is cut and ends in dots.
const MAX_BYTES_SHOWN: usize = 80;

/// Widest `%<N>field`.
const MAX_WIDTH: usize = 1024;

impl Template {
    pub(crate) fn compile(text: &Traced) -> Result<Self, Diag> {
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
            at += percent;
            let token = &s[at + 1..];
            let n_digits = token.bytes().take_while(u8::is_ascii_digit).count();
            let width = token[..n_digits].parse().unwrap_or(0);
            let name = &token[n_digits..];
            let name_at = at + 1 + n_digits;
            let error = |problem, len| {
                Diag::new(Code::CompileOutput, problem, text.span(at..name_at + len))
            };
            if let Some(len) = transformer_len(name) {
                let problem = Problem::Unsupported(format!("the transformer `{}`", &name[..len]));
                return Err(error(problem, len));
            }
            if width > MAX_WIDTH {
                return Err(error(Problem::Output("a width above 1024"), 0));
            }
            if name.starts_with("container.info") {
                at = name_at + "container.info".len();
                continue;
            }
            let run = name
                .bytes()
                .take_while(|b| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'_'))
                .count();
            let Some((field, len)) = longest_field(name, run) else {
                return Err(if run == 0 {
                    error(Problem::Output("`%` is followed by no field"), 0)
                        .hint("a percent sign cannot be written in an output")
                } else {
                    let known = name[..run].trim_end_matches('.');
                    field_hint(error(Problem::UnknownField(known.to_owned()), run), SYSCALL, known)
                });
            };
            let known = out.fields.iter().position(|(f, _)| *f == field);
            let index = known.unwrap_or_else(|| {
                let name = field.to_string().into();
                out.fields.push((field, name));
                out.fields.len() - 1
            });
            out.parts.push(Part::Field { index, width });
            at = name_at + len;
        }
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

    pub(crate) fn fields(&self) -> impl Iterator<Item = &FieldRef> {
        self.fields.iter().map(|(f, _)| f)
    }

    /// The text, and the value of each field. Times are shifted by `utc_offset_s` where local time is printed.
    pub(crate) fn fill<F: Fields>(
        &self,
        fields: &F,
        utc_offset_s: i32,
    ) -> (String, Vec<(Arc<str>, AlertValue)>) {
        let values: Vec<Option<Value<'_>>> =
            self.fields.iter().map(|(f, _)| value(fields, f)).collect();
        let mut out = String::new();
        for part in &self.parts {
            match *part {
                Part::Text(ref t) => out.push_str(t),
                Part::Field { index, width } => {
                    let start = out.len();
                    print(&mut out, &self.fields[index].0, values[index], utc_offset_s);
                    if width > 0 {
                        fit_width(&mut out, start, width);
                    }
                }
            }
        }
        let typed = self.fields.iter().zip(values);
        let typed = typed.map(|((f, name), v)| (name.clone(), typed_value(f, v))).collect();
        (out, typed)
    }
}

fn value<'a, F: Fields>(fields: &'a F, field: &FieldRef) -> Option<Value<'a>> {
    if field.field.info().is_filter_only() { None } else { fields.get(field) }
}

/// Length of a transformer's name if a call stands here.
fn transformer_len(text: &str) -> Option<usize> {
    let len = crate::lex::identifier_len(text);
    (len > 0 && text[len..].starts_with('(')).then_some(len)
}

/// The longest beginning of `text` that is a field, its argument included, and its length.
fn longest_field(text: &str, run: usize) -> Option<(FieldRef, usize)> {
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
            is_closed.then(|| {
                resolve_field(SYSCALL, name, Some(arg)).ok().map(|f| (f, len + used + 2))
            })?
        });
        bracket.or_else(|| resolve_field(SYSCALL, name, None).ok().map(|f| (f, len)))
    })
}

fn print(out: &mut String, field: &FieldRef, value: Option<Value<'_>>, utc_offset_s: i32) {
    let Some(value) = value else {
        out.push_str(MISSING);
        return;
    };
    let format = field.format();
    match (format, value) {
        (_, Value::Bytes(b)) if field.ty() == FieldType::Buffer => push_dotted(out, b),
        (_, Value::Bytes(b)) => push_lossy(out, b),
        (_, Value::Bool(b)) => out.push_str(if b { "true" } else { "false" }),
        (_, Value::Ip(ip)) => write_to(out, format_args!("{ip}")),
        (Format::Hex, Value::I64(v)) => write_to(out, format_args!("{:X}", v as u32)),
        (Format::Hex, Value::U64(v)) => write_to(out, format_args!("{v:X}")),
        (Format::Padded, Value::U64(v)) => write_to(out, format_args!("{v:09}")),
        (Format::Oct, Value::I64(v)) => write_to(out, format_args!("{v:o}")),
        (Format::Oct, Value::U64(v)) => write_to(out, format_args!("{v:o}")),
        (Format::TimeOfDay, Value::U64(v)) => time::time_of_day(out, v, utc_offset_s, true),
        (Format::TimeOfDaySeconds, Value::U64(v)) => time::time_of_day(out, v, utc_offset_s, false),
        (Format::Iso8601, Value::U64(v)) => time::iso8601(out, v),
        (Format::DateTime, Value::U64(v)) => time::date_time(out, v, utc_offset_s, true),
        (Format::DateTimeSeconds, Value::U64(v)) => time::date_time(out, v, utc_offset_s, false),
        (_, Value::U64(v)) => write_to(out, format_args!("{v}")),
        (_, Value::I64(v)) => write_to(out, format_args!("{v}")),
    }
}

fn typed_value(field: &FieldRef, value: Option<Value<'_>>) -> AlertValue {
    let is_plain = !matches!(field.format(), Format::Hex | Format::Oct | Format::Padded);
    match value {
        None => AlertValue::Missing,
        Some(Value::Bool(b)) => AlertValue::Bool(b),
        // Only the decimal formats are numbers in JSON; times are nanoseconds since the epoch.
        Some(Value::I64(v)) if is_plain && field.ty() != FieldType::Net => AlertValue::I64(v),
        Some(Value::U64(v)) if is_plain => AlertValue::U64(v),
        Some(v) => {
            let mut text = String::new();
            print(&mut text, field, Some(v), 0);
            AlertValue::Text(text)
        }
    }
}

/// Pads with blanks or cuts to `width` characters what stands behind `start`.
fn fit_width(out: &mut String, start: usize, width: usize) {
    if let Some((cut, _)) = out[start..].char_indices().nth(width) {
        out.truncate(start + cut);
    } else {
        let n = out[start..].chars().count();
        out.extend(std::iter::repeat_n(' ', width - n));
    }
}

/// Appends bytes with dots for what cannot be printed; many are cut.
fn push_dotted(out: &mut String, bytes: &[u8]) {
    if bytes.is_empty() {
        out.push_str("NULL");
        return;
    }
    let shown = if bytes.len() > MAX_BYTES_SHOWN { &bytes[..MAX_BYTES_SHOWN - 3] } else { bytes };
    let dotted = |&b: &u8| if b.is_ascii_graphic() || b == b' ' { char::from(b) } else { '.' };
    out.extend(shown.iter().map(dotted));
    if shown.len() < bytes.len() {
        out.push_str("...");
    }
}

/// Appends bytes as text; what is not UTF-8 becomes U+FFFD.
fn push_lossy(out: &mut String, bytes: &[u8]) {
    for chunk in bytes.utf8_chunks() {
        out.push_str(chunk.valid());
        if !chunk.invalid().is_empty() {
            out.push(char::REPLACEMENT_CHARACTER);
        }
    }
}

/// Writing to a string cannot fail.
fn write_to(out: &mut String, args: std::fmt::Arguments<'_>) {
    out.write_fmt(args).expect("a String takes all text");
}

/// Appends `text` escaped as the inside of a JSON string: what Falco does to a line of text before it prints it, so
/// that no event can forge a line.
pub fn escape_line(out: &mut String, text: &str) {
    for c in text.chars() {
        match c {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            '\x08' => out.push_str("\\b"),
            '\x0c' => out.push_str("\\f"),
            c if u32::from(c) < 0x20 => write_to(out, format_args!("\\u{:04x}", u32::from(c))),
            c => out.push(c),
        }
    }
}
