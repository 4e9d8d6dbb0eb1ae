//! Values as text in an output, and as they stand in `output_fields`.

use std::fmt::Write as _;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use crate::alert::AlertValue;
use crate::schema::{FieldType, Format};
use crate::time;
use crate::value::Value;

/// What a missing value prints as.
pub(crate) const MISSING: &str = "<NA>";

/// Longest text of raw bytes; a longer one is cut and ends in dots.
const MAX_BYTES_SHOWN: usize = 80;

/// Longest text of a list.
const MAX_LIST_BYTES: usize = 1023;

/// How values of a token are shown.
#[derive(Clone, Copy)]
pub(super) struct Shown {
    pub(super) ty: FieldType,
    pub(super) format: Format,
    /// Added to times where local time is printed.
    pub(super) utc_offset_s: i32,
    /// Raw bytes in base64, whole.
    pub(super) in_base64: bool,
}

/// A list as `(a,b)`, element by element.
pub(super) struct ListText<'o> {
    out: &'o mut String,
    start: usize,
}

impl<'o> ListText<'o> {
    pub(super) fn begin(out: &'o mut String) -> Self {
        let start = out.len();
        out.push('(');
        Self { out, start }
    }

    pub(super) fn push(&mut self, shown: Shown, value: Value<'_>) {
        if self.out.len() > self.start + 1 {
            self.out.push(',');
        }
        shown.print(self.out, Some(value));
    }

    pub(super) fn end(self) {
        self.out.push(')');
        if self.out.len() - self.start > MAX_LIST_BYTES {
            let cut = self.out.floor_char_boundary(self.start + MAX_LIST_BYTES);
            self.out.truncate(cut);
        }
    }
}

impl Shown {
    pub(super) fn print(self, out: &mut String, value: Option<Value<'_>>) {
        let Self { ty, format, utc_offset_s, in_base64 } = self;
        let Some(value) = value.filter(|_| ty != FieldType::Opaque) else {
            out.push_str(MISSING);
            return;
        };
        match (format, value) {
            (_, Value::Bytes(b)) if ty == FieldType::Buffer && in_base64 => {
                STANDARD.encode_string(b, out);
            }
            (_, Value::Bytes(b)) if ty == FieldType::Buffer => push_dotted(out, b),
            (_, Value::Bytes(b)) => push_lossy(out, b),
            (_, Value::Bool(b)) => out.push_str(if b { "true" } else { "false" }),
            (_, Value::Ip(ip)) => write_to(out, format_args!("{ip}")),
            (_, Value::I64(bits)) if ty == FieldType::Double => {
                write_to(out, format_args!("{:.1}", f64::from_bits(bits as u64)));
            }
            (Format::Hex, Value::I64(v)) if ty.bits() == Some(32) => {
                write_to(out, format_args!("{:X}", v as u32));
            }
            (Format::Hex, Value::I64(v)) => write_to(out, format_args!("{v:X}")),
            (Format::Hex, Value::U64(v)) => write_to(out, format_args!("{v:X}")),
            (Format::Padded, Value::U64(v)) => write_to(out, format_args!("{v:09}")),
            (Format::Oct, Value::I64(v)) => write_to(out, format_args!("{v:o}")),
            (Format::Oct, Value::U64(v)) => write_to(out, format_args!("{v:o}")),
            (Format::TimeOfDay, Value::U64(v)) => time::time_of_day(out, v, utc_offset_s, true),
            (Format::TimeOfDaySeconds, Value::U64(v)) => {
                time::time_of_day(out, v, utc_offset_s, false);
            }
            (Format::Iso8601, Value::U64(v)) => time::iso8601(out, v),
            (Format::DateTime, Value::U64(v)) => time::date_time(out, v, utc_offset_s, true),
            (Format::DateTimeSeconds, Value::U64(v)) => {
                time::date_time(out, v, utc_offset_s, false);
            }
            (_, Value::U64(v)) => write_to(out, format_args!("{v}")),
            (_, Value::I64(v)) => write_to(out, format_args!("{v}")),
        }
    }

    /// As in `output_fields`. Only the decimal formats are numbers; times are nanoseconds since the epoch.
    pub(super) fn typed(self, value: Option<Value<'_>>) -> AlertValue {
        let is_plain = !matches!(self.format, Format::Hex | Format::Oct | Format::Padded);
        match value {
            _ if self.ty == FieldType::Opaque => AlertValue::Missing,
            None => AlertValue::Missing,
            Some(Value::Bool(b)) => AlertValue::Bool(b),
            Some(Value::I64(bits)) if self.ty == FieldType::Double => {
                AlertValue::F64(f64::from_bits(bits as u64))
            }
            Some(Value::I64(v)) if is_plain => AlertValue::I64(v),
            Some(Value::U64(v)) if is_plain => AlertValue::U64(v),
            Some(v) => {
                let mut text = String::new();
                self.print(&mut text, Some(v));
                AlertValue::Text(text)
            }
        }
    }
}

/// Pads with blanks or cuts to `width` characters what stands behind `start`.
pub(super) fn fit_width(out: &mut String, start: usize, width: usize) {
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
    // Nearly all names are; the check is much cheaper than a walk from chunk to chunk.
    if let Ok(text) = str::from_utf8(bytes) {
        return out.push_str(text);
    }
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
    let mut rest = text;
    loop {
        let n_plain = plain_len(rest.as_bytes(), |b| b < 0x20 || matches!(b, b'"' | b'\\'));
        // What is escaped is ASCII, so a character begins where it stands.
        let (plain, special) = rest.split_at(n_plain);
        out.push_str(plain);
        let mut special = special.chars();
        let Some(c) = special.next() else { return };
        match c {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            '\x08' => out.push_str("\\b"),
            '\x0c' => out.push_str("\\f"),
            c => write_to(out, format_args!("\\u{:04x}", u32::from(c))),
        }
        rest = special.as_str();
    }
}

/// How many bytes come before the first that is special. Compiled to a comparison of many bytes at once.
#[inline]
pub fn plain_len(bytes: &[u8], is_special: impl Fn(u8) -> bool) -> usize {
    const LANES: usize = 16;
    let (chunks, _) = bytes.as_chunks::<LANES>();
    let is_plain = |chunk: &&[u8; LANES]| !chunk.iter().fold(false, |any, &b| any | is_special(b));
    let at = chunks.iter().take_while(is_plain).count() * LANES;
    at + bytes[at..].iter().position(|&b| is_special(b)).unwrap_or(bytes.len() - at)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// As another writer has it, but for the quotes around.
    fn escaped(text: &str) -> String {
        let quoted = serde_json::to_string(text).unwrap();
        quoted[1..quoted.len() - 1].to_owned()
    }

    #[test]
    fn what_would_forge_a_line_is_escaped_wherever_it_stands() {
        for special in ["", "\n", "\"\\", "\u{1}\u{1f}", "\u{85}\u{7f}", "\u{e4}\n\u{1f980}"] {
            for before in 0..70 {
                for after in [0, 1, 31, 32, 33, 64] {
                    let text = "x".repeat(before) + special + &"y".repeat(after);
                    let mut out = String::from("> ");
                    escape_line(&mut out, &text);
                    assert_eq!(out, "> ".to_owned() + &escaped(&text));
                }
            }
        }
    }
}
