//! What commands print, with nothing in it that a terminal would obey.
//!
//! Names of rules, texts of files, paths and answers of the agent reach messages from many places. Here, at the edge of the process, their control
//! characters become escapes, whoever forgot to.

use std::fmt::Write as _;
use std::io::{self, Write};

/// A writer in which control characters, but for line breaks and tabs, become `\u001b`, as they do in alerts and as JSON has them. A text has to come
/// in whole characters, which `write!` and strings do.
pub(crate) struct Visible<W>(pub(crate) W);

/// Length of the control character that `bytes` begin with. Those from U+0080 on, which some terminals obey, too, have two bytes.
fn control_len(bytes: &[u8]) -> usize {
    match bytes {
        [b'\n' | b'\t', ..] => 0,
        [0..b' ' | 0x7f, ..] => 1,
        [0xc2, 0x80..0xa0, ..] => 2,
        _ => 0,
    }
}

impl<W: Write> Write for Visible<W> {
    fn write(&mut self, text: &[u8]) -> io::Result<usize> {
        let Self(to) = self;
        let mut rest = text;
        while let Some(at) = (0..rest.len()).find(|&at| control_len(&rest[at..]) > 0) {
            let (plain, special) = rest.split_at(at);
            let (c, behind) = special.split_at(control_len(special));
            to.write_all(plain)?;
            // The second byte of two is the character.
            write!(to, "\\u{:04x}", c.last().copied().unwrap_or_default())?;
            rest = behind;
        }
        to.write_all(rest)?;
        Ok(text.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.0.flush()
    }
}

/// One line of text: line breaks and tabs become escapes, too.
pub(crate) fn in_a_line(text: &str) -> String {
    let mut line = String::with_capacity(text.len());
    for c in text.chars() {
        if c.is_control() {
            let _infallible = write!(line, "\\u{:04x}", u32::from(c));
        } else {
            line.push(c);
        }
    }
    line
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_that_a_terminal_obeys_comes_through() {
        let text = "a\tb\n\x1b[31m\r\x07\x7f\u{9b}K\u{80}\u{a0}é\u{1f980}\u{9f}";
        let mut out = Visible(Vec::new());
        write!(out, "{text}").unwrap();
        let expected =
            "a\tb\n\\u001b[31m\\u000d\\u0007\\u007f\\u009bK\\u0080\u{a0}é\u{1f980}\\u009f";
        assert_eq!(String::from_utf8(out.0).unwrap(), expected);
        assert_eq!(in_a_line("a\tb\n\u{9b}é"), "a\\u0009b\\u000a\\u009bé");
    }
}
