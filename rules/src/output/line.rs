//! Formats of lines: the templates of outputs, printed event by event into one buffer that is used again and again.
//!
//! ```
//! use rules::{Field, FieldRef, Fields, LineFormat, LineScratch, Value};
//!
//! struct Cat;
//! impl Fields for Cat {
//!     fn get(&self, f: &FieldRef) -> Option<Value<'_>> {
//!         match f.field {
//!             Field::ProcName => Some(Value::Bytes(b"cat")),
//!             Field::EvtNum => Some(Value::U64(7)),
//!             _ => None,
//!         }
//!     }
//! }
//! let (mut out, mut scratch) = (Vec::new(), LineScratch::default());
//! let format = LineFormat::compile("*%evt.num %5proc.name|%fd.name").unwrap();
//! assert!(format.print(&mut out, &Cat, 0, &mut scratch));
//! assert_eq!(out, b"7 cat  |<NA>");
//! out.clear();
//! assert!(format.print_json(&mut out, &Cat, 0, &mut scratch));
//! assert_eq!(out, br#"{"evt.num":7,"fd.name":null,"proc.name":"cat"}"#);
//!
//! let format = LineFormat::compile("%evt.num %fd.name").unwrap();
//! out.clear();
//! assert!(!format.print(&mut out, &Cat, 0, &mut scratch), "without the star what is missing takes its line with it");
//! assert!(out.is_empty());
//! ```

use super::{ListText, MISSING, Part, Shown, Template, print_call, shown};
use crate::buffers::Computed;
use crate::filter::{TextError, traced};
use crate::schema::{Field, FieldRef, FieldType, Format, Scope};
use crate::value::{Fields, Value};

/// A compiled format: text with `%field` tokens, as Sysdig's `-p` takes it.
///
/// Texts are printed byte by byte as the event has them; buffers too, so that who gives the fields says how they look.
#[derive(Clone, Debug)]
pub struct LineFormat {
    template: Template,
    /// Of each field of the template how it is shown.
    kinds: Vec<Kind>,
    /// Keys of a JSON object, in order, each with a comma before and the colon behind, and the field.
    keys: Vec<(Box<[u8]>, usize)>,
    /// Whether a line with a missing value is printed all the same.
    keeps_missing: bool,
}

#[derive(Clone, Copy, Debug)]
struct Kind {
    ty: FieldType,
    format: Format,
    is_list: bool,
    is_filter_only: bool,
    /// Its text may be written straight into the line.
    is_made: bool,
}

/// Working memory of printing.
#[derive(Clone, Debug, Default)]
pub struct LineScratch {
    text: String,
    computed: Computed,
}

impl LineFormat {
    /// Compiles a format.
    ///
    /// # Errors
    /// The first thing that is wrong with it.
    pub fn compile(text: &str) -> Result<Self, TextError> {
        let template = Template::compile(&traced(text), &Scope::syscall(), &mut Vec::new())
            .map_err(|diag| TextError::of(&diag))?;
        let kinds = template.fields.iter().map(|(field, _)| Kind::of(field)).collect();
        let mut names: Vec<(&str, usize)> =
            template.fields.iter().enumerate().map(|(n, (_, name))| (&**name, n)).collect();
        names.sort_unstable();
        let key = |(at, (name, field)): (usize, (&str, usize))| {
            let mut key = Vec::new();
            if at > 0 {
                key.push(b',');
            }
            push_json_text(&mut key, name.as_bytes());
            key.push(b':');
            (key.into_boxed_slice(), field)
        };
        let keys = names.into_iter().enumerate().map(key).collect();
        Ok(Self { template, kinds, keys, keeps_missing: text.starts_with('*') })
    }

    /// The fields that it names, each once.
    pub fn fields_used(&self) -> impl Iterator<Item = &FieldRef> {
        self.template.fields()
    }

    /// Appends the line of an event, without an end of line; `false` where a value is missing and the format does not begin with a star: then
    /// nothing is appended.
    pub fn print<F: Fields>(
        &self,
        out: &mut Vec<u8>,
        fields: &F,
        utc_offset_s: i32,
        scratch: &mut LineScratch,
    ) -> bool {
        let begin = out.len();
        for part in &self.template.parts {
            let start = out.len();
            let (width, is_there) = match part {
                Part::Text(text) => {
                    match text.as_bytes() {
                        // Most often a blank.
                        [byte] => out.push(*byte),
                        text => out.extend_from_slice(text),
                    }
                    continue;
                }
                Part::Field { index, width } => {
                    let (field, kind) = (&self.template.fields[*index].0, self.kinds[*index]);
                    (*width, print_field(out, fields, field, kind, utc_offset_s, scratch))
                }
                Part::Call { expr, width } => {
                    let LineScratch { text, computed } = scratch;
                    computed.clear();
                    text.clear();
                    print_call(text, fields, expr, computed);
                    out.extend_from_slice(text.as_bytes());
                    (*width, text != MISSING)
                }
            };
            if !is_there && !self.keeps_missing {
                out.truncate(begin);
                return false;
            }
            if width > 0 {
                fit_width(out, start, width);
            }
        }
        true
    }

    /// Appends the fields of an event as one JSON object, sorted by name; `false` as [`LineFormat::print`].
    pub fn print_json<F: Fields>(
        &self,
        out: &mut Vec<u8>,
        fields: &F,
        utc_offset_s: i32,
        scratch: &mut LineScratch,
    ) -> bool {
        let begin = out.len();
        out.push(b'{');
        for (key, index) in &self.keys {
            out.extend_from_slice(key);
            let (field, kind) = (&self.template.fields[*index].0, self.kinds[*index]);
            let start = out.len();
            if !json_field(out, fields, field, kind, utc_offset_s, scratch) {
                if !self.keeps_missing {
                    out.truncate(begin);
                    return false;
                }
                out.truncate(start);
                out.extend_from_slice(b"null");
            }
        }
        out.push(b'}');
        true
    }
}

impl Kind {
    fn of(field: &FieldRef) -> Self {
        let Shown { ty, format, .. } = shown(field, 0);
        let info = field.field.info();
        let is_made = matches!(field.field, Field::EvtArgs | Field::EvtInfo | Field::EvtOutputtime);
        Self {
            ty,
            format,
            is_list: field.is_list(),
            is_filter_only: info.is_filter_only(),
            is_made,
        }
    }

    fn shown(self, utc_offset_s: i32) -> Shown {
        Shown { ty: self.ty, format: self.format, utc_offset_s, in_base64: false }
    }

    fn value<'f, F: Fields>(self, fields: &'f F, field: &FieldRef) -> Option<Value<'f>> {
        if self.is_filter_only || self.ty == FieldType::Opaque { None } else { fields.get(field) }
    }
}

/// Appends a field's text, `<NA>` where it has no value, and says whether it has one.
fn print_field<F: Fields>(
    out: &mut Vec<u8>,
    fields: &F,
    field: &FieldRef,
    kind: Kind,
    utc_offset_s: i32,
    scratch: &mut LineScratch,
) -> bool {
    if kind.is_made && fields.write(field, out) {
        return true;
    }
    if kind.is_list {
        let is_there = list_text(&mut scratch.text, fields, field, kind.shown(utc_offset_s));
        out.extend_from_slice(if is_there { scratch.text.as_bytes() } else { MISSING.as_bytes() });
        return is_there;
    }
    let Some(value) = kind.value(fields, field) else {
        out.extend_from_slice(MISSING.as_bytes());
        return false;
    };
    match (value, kind.format) {
        (Value::Bytes(text), _) => out.extend_from_slice(text),
        (Value::U64(n), Format::Plain) => push_decimal(out, n),
        (Value::I64(n), Format::Plain) if kind.ty != FieldType::Double => {
            if n < 0 {
                out.push(b'-');
            }
            push_decimal(out, n.unsigned_abs());
        }
        _ => {
            scratch.text.clear();
            kind.shown(utc_offset_s).print(&mut scratch.text, Some(value));
            out.extend_from_slice(scratch.text.as_bytes());
        }
    }
    true
}

fn list_text<F: Fields>(text: &mut String, fields: &F, field: &FieldRef, shown: Shown) -> bool {
    text.clear();
    let mut list = ListText::begin(text);
    let is_there = fields.elements(field, |value| list.push(shown, value));
    list.end();
    is_there
}

/// Appends a field's value as in JSON and says whether it has one; numbers and truth values are typed, times are nanoseconds.
fn json_field<F: Fields>(
    out: &mut Vec<u8>,
    fields: &F,
    field: &FieldRef,
    kind: Kind,
    utc_offset_s: i32,
    scratch: &mut LineScratch,
) -> bool {
    if kind.is_list {
        let is_there = list_text(&mut scratch.text, fields, field, kind.shown(utc_offset_s));
        push_json_text(out, scratch.text.as_bytes());
        return is_there;
    }
    let Some(value) = kind.value(fields, field) else { return false };
    let is_number = !matches!(kind.format, Format::Hex | Format::Oct | Format::Padded);
    match value {
        Value::Bytes(text) => push_json_text(out, text),
        Value::U64(n) if is_number => push_decimal(out, n),
        Value::I64(n) if is_number && kind.ty != FieldType::Double => {
            if n < 0 {
                out.push(b'-');
            }
            push_decimal(out, n.unsigned_abs());
        }
        value => {
            scratch.text.clear();
            kind.shown(utc_offset_s).print(&mut scratch.text, Some(value));
            let is_bare =
                matches!(value, Value::Bool(_)) || is_number && kind.ty == FieldType::Double;
            if is_bare {
                out.extend_from_slice(scratch.text.as_bytes());
            } else {
                push_json_text(out, scratch.text.as_bytes());
            }
        }
    }
    true
}

/// Pads with blanks or cuts to `width` characters what stands behind `start`. What is not UTF-8 counts byte by byte, more or less.
fn fit_width(out: &mut Vec<u8>, start: usize, width: usize) {
    let mut begins = out[start..].iter().enumerate().filter(|(_, b)| **b & 0xc0 != 0x80);
    if let Some((cut, _)) = begins.nth(width) {
        out.truncate(start + cut);
    } else {
        let n = out[start..].iter().filter(|b| **b & 0xc0 != 0x80).count();
        out.resize(out.len() + width - n.min(width), b' ');
    }
}

/// Two digits for each number below 100.
static PAIRS: [[u8; 2]; 100] = {
    let mut pairs = [[0; 2]; 100];
    let mut n = 0;
    while n < 100 {
        pairs[n] = [b'0' + (n / 10) as u8, b'0' + (n % 10) as u8];
        n += 1;
    }
    pairs
};

/// Appends a number in decimal, two digits at a time.
fn push_decimal(out: &mut Vec<u8>, mut n: u64) {
    const MAX_DIGITS: usize = 20;
    if n < 10 {
        return out.push(b'0' + n as u8);
    }
    let mut digits = [0; MAX_DIGITS];
    let mut at = MAX_DIGITS;
    while n >= 100 {
        at -= 2;
        digits[at..at + 2].copy_from_slice(&PAIRS[(n % 100) as usize]);
        n /= 100;
    }
    let [tens, ones] = PAIRS[n as usize];
    at -= 1;
    digits[at] = ones;
    if n >= 10 {
        at -= 1;
        digits[at] = tens;
    }
    out.extend_from_slice(&digits[at..]);
}

/// Appends a text in quotation marks, escaped as JSON has it; what is not UTF-8 becomes U+FFFD.
fn push_json_text(out: &mut Vec<u8>, text: &[u8]) {
    out.push(b'"');
    for chunk in text.utf8_chunks() {
        let mut rest = chunk.valid().as_bytes();
        while let Some(at) = rest.iter().position(|&b| b < 0x20 || matches!(b, b'"' | b'\\')) {
            out.extend_from_slice(&rest[..at]);
            let short = match rest[at] {
                b'"' => b'"',
                b'\\' => b'\\',
                b'\n' => b'n',
                b'\r' => b'r',
                b'\t' => b't',
                0x08 => b'b',
                0x0c => b'f',
                _ => 0,
            };
            if short == 0 {
                out.extend_from_slice(b"\\u00");
                out.extend(
                    [rest[at] >> 4, rest[at] & 0xf].map(|d| b"0123456789abcdef"[usize::from(d)]),
                );
            } else {
                out.extend([b'\\', short]);
            }
            rest = &rest[at + 1..];
        }
        out.extend_from_slice(rest);
        if !chunk.invalid().is_empty() {
            out.extend_from_slice("\u{fffd}".as_bytes());
        }
    }
    out.push(b'"');
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_have_all_their_digits() {
        for n in [0, 9, 10, 99, 100, 101, 12_345, u64::MAX] {
            let mut out = Vec::new();
            push_decimal(&mut out, n);
            assert_eq!(String::from_utf8(out), Ok(n.to_string()));
        }
    }

    #[test]
    fn widths_count_characters() {
        let check = |text: &str, width, expected: &str| {
            let mut out = text.as_bytes().to_vec();
            fit_width(&mut out, 1, width);
            assert_eq!(String::from_utf8_lossy(&out), expected);
        };
        check("|é", 3, "|é  ");
        check("|éàü", 2, "|éà");
        check("|abc", 3, "|abc");
    }

    #[test]
    fn json_text_is_escaped() {
        let mut out = Vec::new();
        push_json_text(&mut out, b"a\"\\\n\x01\xff/\x7f");
        assert_eq!(out, "\"a\\\"\\\\\\n\\u0001\u{fffd}/\x7f\"".as_bytes());
    }

    struct Typed;

    impl Fields for Typed {
        fn get(&self, field: &FieldRef) -> Option<Value<'_>> {
            match field.field {
                Field::EvtRawres => Some(Value::I64(-2)),
                Field::EvtIsWait => Some(Value::Bool(true)),
                Field::EvtRawtimeNs => Some(Value::U64(5)),
                Field::EvtTime => Some(Value::U64(1_000_000_005)),
                Field::ProcName => Some(Value::Bytes(b"a b")),
                _ => None,
            }
        }
    }

    fn print(format: &str) -> (String, String) {
        let format = LineFormat::compile(format).unwrap();
        let (mut text, mut json) = (Vec::new(), Vec::new());
        let mut scratch = LineScratch::default();
        format.print(&mut text, &Typed, 3600, &mut scratch);
        format.print_json(&mut json, &Typed, 3600, &mut scratch);
        (String::from_utf8(text).unwrap(), String::from_utf8(json).unwrap())
    }

    #[test]
    fn values_are_typed() {
        let (text, json) =
            print("%evt.rawres %evt.is_wait %evt.rawtime.ns %evt.time %toupper(proc.name)");
        assert_eq!(text, "-2 true 000000005 01:00:01.000000005 A B");
        assert_eq!(
            json,
            r#"{"evt.is_wait":true,"evt.rawres":-2,"evt.rawtime.ns":"000000005","evt.time":1000000005,"proc.name":"a b"}"#
        );
        assert_eq!(print("%toupper(fd.name) %evt.rawres"), (String::new(), String::new()));
    }

    #[test]
    fn errors_say_where() {
        let error = LineFormat::compile("%evt.num %evt.nope").unwrap_err();
        assert_eq!(
            (error.start, error.problem),
            (9, crate::Problem::UnknownField("evt.nope".into()))
        );
    }
}
