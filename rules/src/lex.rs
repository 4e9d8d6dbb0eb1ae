//! Tokens of a condition. The language has no separate lexer: which token may stand somewhere depends on the place,
//! so the parser asks for one kind at a time.

use crate::error::{Code, Diag, Problem};
use crate::source::Traced;
use std::ops::Range;

/// Longest value, in bytes.
pub(crate) const MAX_VALUE_BYTES: usize = 255;

/// A value as written, unescaped if it was quoted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Literal {
    pub(crate) bytes: Vec<u8>,
    pub(crate) quoted: bool,
    pub(crate) range: Range<usize>,
}

impl Literal {
    /// For messages and for values that have to be text.
    pub(crate) fn text(&self) -> String {
        String::from_utf8_lossy(&self.bytes).into_owned()
    }
}

/// A place in a condition's text.
pub(crate) struct Cursor<'a> {
    traced: &'a Traced,
    text: &'a str,
    pub(crate) at: usize,
}

impl<'a> Cursor<'a> {
    pub(crate) fn new(traced: &'a Traced) -> Self {
        Self { traced, text: traced.as_str(), at: 0 }
    }

    pub(crate) fn rest(&self) -> &'a str {
        &self.text[self.at..]
    }

    pub(crate) fn before(&self) -> &'a str {
        &self.text[..self.at]
    }

    pub(crate) fn error(&self, problem: Problem, range: Range<usize>) -> Diag {
        let from_list = self.traced.is_put_in(range.start);
        let diag = Diag::new(Code::CompileCondition, problem, self.traced.span(range));
        if from_list {
            return diag.hint("this comes from an item of a list or a value of an exception; with `(`, `)`, `,`, `=` it needs inner quotes: '\"(x)\"'");
        }
        diag
    }

    /// "expected X, found ..." here.
    pub(crate) fn expected(&self, expected: &'static str) -> Diag {
        let rest = self.rest();
        let len = rest.find(|c: char| is_blank(c) || "(),".contains(c)).unwrap_or(rest.len());
        let len = if len == 0 { rest.chars().next().map_or(0, char::len_utf8) } else { len };
        let found = match rest[..len].char_indices().nth(40) {
            _ if len == 0 => "the end of the condition".to_owned(),
            Some((cut, _)) => format!("`{}...`", &rest[..cut]),
            None => format!("`{}`", &rest[..len]),
        };
        let diag = self.error(Problem::Syntax { expected, found }, self.at..self.at + len);
        let word = &rest[..len];
        if rest.starts_with(',') && expected.starts_with("`and`") && self.traced.is_put_in(self.at)
        {
            return diag.hint("a list of several items needs parentheses around its name");
        }
        if ["and", "or", "not"].iter().any(|w| *w != word && w.eq_ignore_ascii_case(word)) {
            return diag.hint("`and`, `or` and `not` are written in lower case");
        }
        diag
    }

    pub(crate) fn blanks(&mut self) {
        self.at += self.rest().len() - self.rest().trim_start_matches(is_blank).len();
    }

    /// Takes `symbol` if it stands here.
    pub(crate) fn symbol(&mut self, symbol: &str) -> bool {
        let found = self.rest().starts_with(symbol);
        if found {
            self.at += symbol.len();
        }
        found
    }

    /// Takes a word that needs a blank behind it, and the blank.
    pub(crate) fn word_and_blank(&mut self, word: &str) -> bool {
        let found = self.rest().strip_prefix(word).is_some_and(|r| r.starts_with(is_blank));
        if found {
            self.at += word.len() + 1;
        }
        found
    }

    /// Takes `and`, `or` or `not`, which need a blank or a parenthesis behind them; at the end of the text it is what
    /// follows that is missing.
    pub(crate) fn keyword(&mut self, word: &str) -> bool {
        let found = self
            .rest()
            .strip_prefix(word)
            .is_some_and(|r| r.is_empty() || r.starts_with(|c| is_blank(c) || c == '('));
        if found {
            self.at += word.len();
        }
        found
    }

    /// Takes `[a-zA-Z][a-zA-Z0-9_]*`.
    pub(crate) fn identifier(&mut self) -> Option<&'a str> {
        let len = identifier_len(self.rest());
        let found = &self.rest()[..len];
        self.at += len;
        (len > 0).then_some(found)
    }

    /// Takes two or more identifiers joined by dots.
    pub(crate) fn field_name(&mut self) -> Option<&'a str> {
        let rest = self.rest();
        let mut len = identifier_len(rest);
        let first = len;
        while let Some(more) = rest[len..].strip_prefix('.') {
            match identifier_len(more) {
                0 => break,
                n => len += 1 + n,
            }
        }
        if len == first {
            return None;
        }
        self.at += len;
        Some(&rest[..len])
    }

    /// Takes `[argument]` if a bracket stands here.
    pub(crate) fn field_arg(&mut self) -> Result<Option<Literal>, Diag> {
        let start = self.at;
        if !self.symbol("[") {
            return Ok(None);
        }
        let arg = if self.rest().starts_with(['\'', '"']) {
            self.quoted()?
        } else {
            let rest = self.rest();
            let len = rest.find(|c: char| is_blank(c) || "[]\"'".contains(c)).unwrap_or(rest.len());
            self.at += len;
            if len == 0 {
                return Err(self.expected("an argument"));
            }
            Literal { bytes: rest.as_bytes()[..len].to_vec(), quoted: false, range: start..self.at }
        };
        if self.symbol("]") {
            return Ok(Some(arg));
        }
        let diag = self.expected("`]`");
        let is_cut = self.rest().starts_with(is_blank);
        Err(if is_cut { diag.hint("an argument with a blank in it needs quotes") } else { diag })
    }

    /// Takes a value: quoted text, or everything up to a blank or one of `()"'=,`.
    pub(crate) fn value(&mut self, expected: &'static str) -> Result<Literal, Diag> {
        if self.rest().starts_with(['\'', '"']) {
            return self.quoted();
        }
        let (start, rest) = (self.at, self.rest());
        let len = rest.find(|c: char| is_space(c) || "()\"'=,".contains(c)).unwrap_or(rest.len());
        if len == 0 {
            return Err(self.expected(expected));
        }
        self.at += len;
        self.literal(rest.as_bytes()[..len].to_vec(), false, start)
    }

    /// Takes a number token: hexadecimal, or decimal with optional fraction and exponent.
    pub(crate) fn number(&mut self, expected: &'static str) -> Result<Literal, Diag> {
        let (start, rest) = (self.at, self.rest());
        let len = number_len(rest.as_bytes());
        if len == 0 {
            return Err(self.expected(expected));
        }
        self.at += len;
        self.literal(rest.as_bytes()[..len].to_vec(), false, start)
    }

    fn quoted(&mut self) -> Result<Literal, Diag> {
        let start = self.at;
        let bytes = self.rest().as_bytes();
        let quote = bytes[0];
        let mut out = Vec::new();
        let mut i = 1;
        loop {
            let fail =
                |why, len| Err(self.error(Problem::BadString(why), start + i..start + i + len));
            match bytes.get(i) {
                None => {
                    let why = "a quoted text without its closing quote";
                    return Err(self.error(Problem::BadString(why), start..start + 1));
                }
                Some(&b) if b == quote => break,
                Some(b'\\') => {
                    let (byte, len) = match bytes.get(i + 1) {
                        Some(b'b') => (8, 2),
                        Some(b'f') => (12, 2),
                        Some(b'n') => (b'\n', 2),
                        Some(b'r') => (b'\r', 2),
                        Some(b't') => (b'\t', 2),
                        Some(b' ' | b'\\') => (b'\\', 2),
                        Some(b'/') => (b'/', 2),
                        Some(&b) if b == quote => (quote, 2),
                        Some(b'x') => match (hex(bytes.get(i + 2)), hex(bytes.get(i + 3))) {
                            (Some(0), Some(0)) => {
                                return fail("a value cannot contain a NUL byte", 4);
                            }
                            (Some(high), Some(low)) => (high << 4 | low, 4),
                            _ => return fail("`\\x` needs two hexadecimal digits", 2),
                        },
                        _ => return fail("unknown escape; a backslash is written `\\\\`", 1),
                    };
                    out.push(byte);
                    i += len;
                }
                Some(0) => return fail("a value cannot contain a NUL byte", 1),
                Some(&b) => {
                    out.push(b);
                    i += 1;
                }
            }
        }
        self.at += i + 1;
        self.literal(out, true, start)
    }

    fn literal(&self, bytes: Vec<u8>, quoted: bool, start: usize) -> Result<Literal, Diag> {
        if bytes.len() > MAX_VALUE_BYTES {
            let problem = Problem::ValueTooLong { len: bytes.len(), limit: MAX_VALUE_BYTES };
            return Err(self.error(problem, start..self.at));
        }
        if bytes.contains(&0) {
            let problem = Problem::BadString("a value cannot contain a NUL byte");
            return Err(self.error(problem, start..self.at));
        }
        Ok(Literal { bytes, quoted, range: start..self.at })
    }
}

/// A blank of the condition language.
fn is_blank(c: char) -> bool {
    matches!(c, ' ' | '\t' | '\r' | '\n' | '\x08')
}

/// What ends a bare value: blanks and the other ASCII spaces.
fn is_space(c: char) -> bool {
    is_blank(c) || c == '\x0b' || c == '\x0c'
}

fn hex(digit: Option<&u8>) -> Option<u8> {
    char::from(*digit?).to_digit(16).map(|d| d as u8)
}

pub(crate) fn identifier_len(text: &str) -> usize {
    let bytes = text.as_bytes();
    if !bytes.first().is_some_and(u8::is_ascii_alphabetic) {
        return 0;
    }
    bytes.iter().take_while(|b| b.is_ascii_alphanumeric() || **b == b'_').count()
}

fn number_len(text: &[u8]) -> usize {
    let digits = |from: usize| text[from..].iter().take_while(|b| b.is_ascii_digit()).count();
    if text.starts_with(b"0x") {
        let n = text[2..].iter().take_while(|b| b.is_ascii_hexdigit()).count();
        if n > 0 {
            return 2 + n;
        }
    }
    let sign = usize::from(matches!(text.first(), Some(b'+' | b'-')));
    let whole = digits(sign);
    if whole == 0 {
        return 0;
    }
    let mut len = sign + whole;
    if text.get(len) == Some(&b'.') {
        len += 1;
        len += digits(len);
    }
    if matches!(text.get(len), Some(b'e' | b'E')) && matches!(text.get(len + 1), Some(b'+' | b'-'))
    {
        let exponent = digits(len + 2);
        if exponent > 0 {
            len += 2 + exponent;
        }
    }
    len
}
