//! Names as parameters show them: what cannot be printed, or is no UTF-8, is replaced.

use bumpalo::Bump;
use bumpalo::collections::Vec as BumpVec;

use super::text::Text;

/// The name, which most often is printable as it is.
pub(super) fn printable<'b>(bump: &'b Bump, name: &'b [u8]) -> &'b [u8] {
    if is_plain(name) {
        return name;
    }
    let mut out = BumpVec::with_capacity_in(name.len() + 8, bump);
    put_replaced(&mut out, name);
    out.into_bump_slice()
}

/// Appends the name.
pub(super) fn put_printable(out: &mut impl Text, name: &[u8]) {
    if is_plain(name) {
        out.put(name);
    } else {
        put_replaced(out, name);
    }
}

/// Most names end with the first look, of many bytes at once.
fn is_plain(name: &[u8]) -> bool {
    rules::plain_len(name, |b| !matches!(b, b' '..=b'~')) == name.len()
}

fn put_replaced(out: &mut impl Text, name: &[u8]) {
    const REPLACEMENT: &[u8] = "\u{fffd}".as_bytes();
    for chunk in name.utf8_chunks() {
        let mut rest = chunk.valid();
        while let Some((at, bad)) = rest.char_indices().find(|(_, c)| !can_be_printed(*c)) {
            out.put(&rest.as_bytes()[..at]);
            out.put(REPLACEMENT);
            rest = &rest[at + bad.len_utf8()..];
        }
        out.put(rest.as_bytes());
        if !chunk.invalid().is_empty() {
            out.put(REPLACEMENT);
        }
    }
}

/// No control character, and no code point that Unicode keeps free for good.
fn can_be_printed(c: char) -> bool {
    let is_free = matches!(c, '\u{fdd0}'..='\u{fdef}') || u32::from(c) & 0xfffe == 0xfffe;
    !c.is_control() && !is_free
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_cannot_be_printed_is_replaced() {
        let bump = Bump::new();
        for (name, expected) in [
            (&b"/etc/passwd"[..], "/etc/passwd"),
            (b"", ""),
            ("/tmp/\u{e4}\u{1f980}".as_bytes(), "/tmp/\u{e4}\u{1f980}"),
            (b"docker.sock\n", "docker.sock\u{fffd}"),
            (b"\x1b[31m\x7f", "\u{fffd}[31m\u{fffd}"),
            (b"a\xff\xfeb", "a\u{fffd}\u{fffd}b"),
            (b"\xe2\x82", "\u{fffd}"),
            ("\u{85}x\u{fdd0}\u{ffff}".as_bytes(), "\u{fffd}x\u{fffd}\u{fffd}"),
        ] {
            assert_eq!(std::str::from_utf8(printable(&bump, name)), Ok(expected), "{name:?}");
        }
    }
}
