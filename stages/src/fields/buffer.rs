//! Raw bytes as text: what calls read and wrote, arguments, environments.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use super::text::Text;

/// How parameters of raw bytes are shown.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum BufferFormat {
    /// Dots for what cannot be printed.
    #[default]
    Dotted,
    /// The same; a text longer than so many bytes is cut to that length and ends in three dots.
    DottedUpTo(usize),
    /// Only what can be printed, and ends of lines; on a line of its own.
    Text,
    /// Sixteen bytes a line in hexadecimal.
    Hex,
    /// The same with the text beside it.
    HexText,
    /// Base64 with padding.
    Base64,
}

const N_PER_LINE: usize = 16;
/// Bytes that are encoded at once: a multiple of three.
const N_PER_PIECE: usize = 48;

fn is_printable(byte: u8) -> bool {
    byte == b' ' || byte.is_ascii_graphic()
}

fn dotted(bytes: &[u8]) -> impl Iterator<Item = u8> + '_ {
    bytes.iter().map(|&b| if is_printable(b) { b } else { b'.' })
}

/// Appends bytes that are there; of none `NULL` is shown.
pub(super) fn put_buffer<T: Text>(out: &mut T, format: BufferFormat, bytes: &[u8]) {
    if bytes.is_empty() {
        out.put(b"NULL");
        return;
    }
    match format {
        BufferFormat::DottedUpTo(max_len) if bytes.len() > max_len => {
            let n_dots = if max_len > 3 { 3 } else { 0 };
            out.put_all(dotted(&bytes[..max_len - n_dots]));
            out.put(&b"..."[..n_dots]);
        }
        BufferFormat::Dotted | BufferFormat::DottedUpTo(_) => out.put_all(dotted(bytes)),
        BufferFormat::Text => put_text(out, bytes),
        BufferFormat::Hex => put_hex(out, bytes, |_, _| {}),
        BufferFormat::HexText => put_hex(out, bytes, |out, line| {
            let n_missing = (N_PER_LINE - line.len()) / 2;
            out.put_all(std::iter::repeat_n(b' ', n_missing * 5 + 2));
            out.put_all(dotted(line));
        }),
        BufferFormat::Base64 => {
            // Whole groups but for the last, whose padding ends the text.
            for piece in bytes.chunks(N_PER_PIECE) {
                let mut room = [0; N_PER_PIECE / 3 * 4];
                let n = STANDARD.encode_slice(piece, &mut room).unwrap_or_default();
                out.put(&room[..n]);
            }
        }
    }
}

/// A return becomes the end of a line, and swallows the one behind it.
fn put_text(out: &mut impl Text, bytes: &[u8]) {
    out.put_byte(b'\n');
    let mut last = None;
    for &byte in bytes {
        match byte {
            b'\r' => out.put_byte(b'\n'),
            b'\n' if last.is_some_and(|last| last != b'\r') => out.put_byte(b'\n'),
            byte if is_printable(byte) => out.put_byte(byte),
            _ => {}
        }
        last = Some(byte);
    }
}

/// Lines of an offset and eight pairs of bytes; `end` has the last word on each.
fn put_hex<T: Text>(out: &mut T, bytes: &[u8], end: impl Fn(&mut T, &[u8])) {
    for (n, line) in bytes.chunks(N_PER_LINE).enumerate() {
        out.put(b"\n\t0x");
        let offset = n * N_PER_LINE;
        if offset > 0xffff {
            put_hex_digits(out, (offset >> 16) as u16);
        }
        put_hex_digits(out, offset as u16);
        out.put_byte(b':');
        for pair in line.chunks(2) {
            out.put_byte(b' ');
            for byte in pair {
                out.put(&hex_of(*byte));
            }
        }
        end(out, line);
    }
    out.put_byte(b'\n');
}

fn hex_of(byte: u8) -> [u8; 2] {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    [byte >> 4, byte & 0xf].map(|digit| DIGITS[usize::from(digit)])
}

fn put_hex_digits(out: &mut impl Text, n: u16) {
    for byte in n.to_be_bytes() {
        out.put(&hex_of(byte));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(format: BufferFormat, bytes: &[u8], expected: &str) {
        let mut out = Vec::new();
        put_buffer(&mut out, format, bytes);
        assert_eq!(std::str::from_utf8(&out), Ok(expected), "{format:?}");
    }

    #[test]
    fn what_cannot_be_printed_is_a_dot() {
        check(BufferFormat::Dotted, b"a\0b\xff\n c~", "a.b.. c~");
        check(BufferFormat::Dotted, b"", "NULL");
    }

    #[test]
    fn a_long_text_is_cut_to_the_length_that_it_may_have() {
        check(BufferFormat::DottedUpTo(6), b"123456", "123456");
        check(BufferFormat::DottedUpTo(6), b"1234567", "123...");
        check(BufferFormat::DottedUpTo(2), b"1234567", "12");
    }

    #[test]
    fn text_keeps_the_ends_of_its_lines() {
        check(BufferFormat::Text, b"GET /\r\nHost: x\n\n\x01\r\n", "\nGET /\nHost: x\n\n\n");
        check(BufferFormat::Text, b"\na", "\na");
    }

    #[test]
    fn lines_of_sixteen_bytes_in_hexadecimal() {
        let bytes: Vec<u8> = (b'0'..=b'B').collect();
        let expected = "\n\t0x0000: 3031 3233 3435 3637 3839 3a3b 3c3d 3e3f\n\t0x0010: 4041 42\n";
        check(BufferFormat::Hex, &bytes, expected);
        let expected = format!(
            "\n\t0x0000: 3031 3233 3435 3637 3839 3a3b 3c3d 3e3f  0123456789:;<=>?\n\t0x0010: 4041 42{}@AB\n",
            " ".repeat(6 * 5 + 2)
        );
        check(BufferFormat::HexText, &bytes, &expected);
    }

    #[test]
    fn base64_is_padded() {
        check(BufferFormat::Base64, b"a", "YQ==");
        check(BufferFormat::Base64, b"light work.", "bGlnaHQgd29yay4=");
    }
}
