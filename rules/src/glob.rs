//! Shell patterns as `fnmatch` without flags has them: `*` also matches `/` and a leading dot.

use crate::byte_bits::ByteBits;

/// A compiled pattern. Matching neither allocates nor recurses: O(pattern * text) at worst.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Glob {
    tokens: Box<[Token]>,
    fold_case: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Token {
    Byte(u8),
    AnyByte,
    AnyText,
    /// One bit per byte value.
    Set(ByteBits),
}

impl Glob {
    pub(crate) fn new(pattern: &[u8], fold_case: bool) -> Self {
        let mut tokens = Vec::new();
        let mut i = 0;
        while let Some((token, len)) = token(pattern.get(i..).unwrap_or(&[]), fold_case) {
            if token != Token::AnyText || tokens.last() != Some(&Token::AnyText) {
                tokens.push(token);
            }
            i += len;
        }
        Self { tokens: tokens.into(), fold_case }
    }

    /// Whether the whole text matches.
    pub(crate) fn matches(&self, text: &[u8]) -> bool {
        walk(text, self.fold_case, |at| self.tokens.get(at).map(|&token| (token, 1)))
    }
}

/// Whether the whole text matches a pattern that only the event gives.
pub(crate) fn matches(pattern: &[u8], text: &[u8], fold_case: bool) -> bool {
    walk(text, fold_case, |at| token(pattern.get(at..).unwrap_or(&[]), fold_case))
}

/// Matches the tokens that `token_at` gives, each with the distance to the next.
fn walk(text: &[u8], fold_case: bool, token_at: impl Fn(usize) -> Option<(Token, usize)>) -> bool {
    let (mut t, mut i) = (0, 0);
    // Where to go on after a mismatch: the last `*`, and the text it has taken so far.
    let mut star: Option<(usize, usize)> = None;
    loop {
        match token_at(t) {
            Some((Token::AnyText, len)) => {
                t += len;
                star = Some((t, i));
                continue;
            }
            Some((token, len)) if i < text.len() && token.accepts(text[i], fold_case) => {
                t += len;
                i += 1;
                continue;
            }
            None if i == text.len() => return true,
            _ => {}
        }
        match star {
            Some((after, taken)) if taken < text.len() => {
                star = Some((after, taken + 1));
                t = after;
                i = taken + 1;
            }
            _ => return false,
        }
    }
}

/// The first token of a pattern, in lower case on demand, and its length.
fn token(pattern: &[u8], fold_case: bool) -> Option<(Token, usize)> {
    let fold = |b: u8| Token::Byte(if fold_case { b.to_ascii_lowercase() } else { b });
    Some(match *pattern {
        [] => return None,
        [b'*', ..] => (Token::AnyText, 1),
        [b'?', ..] => (Token::AnyByte, 1),
        [b'[', ..] => bracket(pattern, fold_case),
        // Nothing to escape.
        [b'\\'] => (Token::Set(ByteBits::EMPTY), 1),
        [b'\\', b, ..] => (fold(b), 2),
        [b, ..] => (fold(b), 1),
    })
}

impl Token {
    fn accepts(self, byte: u8, fold_case: bool) -> bool {
        match self {
            Self::Byte(b) if fold_case => b == byte.to_ascii_lowercase(),
            Self::Byte(b) => b == byte,
            Self::AnyByte => true,
            Self::Set(set) => set.has(byte),
            Self::AnyText => false,
        }
    }
}

/// Reads `[...]` at the start of a pattern as glibc does, in the C locale.
fn bracket(pattern: &[u8], fold_case: bool) -> (Token, usize) {
    let fold = |b: u8| if fold_case { b.to_ascii_lowercase() } else { b };
    // Bytes written out count in either case; classes do not.
    let (mut written, mut named) = (ByteBits::EMPTY, ByteBits::EMPTY);
    let mut i = 1;
    let negated = matches!(pattern.get(i), Some(b'!' | b'^'));
    i += usize::from(negated);
    let first = i;
    // Where members behind an unknown class begin: these are never looked at.
    let mut is_cut = false;
    let broken = (Token::Set(ByteBits::EMPTY), pattern.len());
    loop {
        let rest = pattern.get(i..).unwrap_or(&[]);
        let low = match member(rest) {
            Member::End if is_cut => return broken,
            // Without its closing bracket it is a bracket.
            Member::End => return (Token::Byte(b'['), 1),
            Member::Close if i > first => break,
            Member::Close => {
                i += 1;
                b']'
            }
            Member::Broken => return broken,
            Member::Class { class, len } => {
                i += len;
                match class {
                    Some(class) if !is_cut => {
                        (0..=u8::MAX).filter(|&b| class(b)).for_each(|b| named.add(b));
                    }
                    Some(_) => {}
                    None => is_cut = true,
                }
                continue;
            }
            Member::Byte { byte, len } => {
                i += len;
                byte
            }
        };
        let high = match pattern.get(i..).unwrap_or(&[]) {
            [b'-', b']', ..] => low,
            [b'-', b'\\', high, ..] => {
                i += 3;
                *high
            }
            [b'-'] | [b'-', b'\\'] => return broken,
            [b'-', high, ..] => {
                i += 2;
                *high
            }
            _ => low,
        };
        if !is_cut {
            (fold(low)..=fold(high)).for_each(|b| written.add(b));
        }
    }
    let mut set = ByteBits::EMPTY;
    for b in 0..=u8::MAX {
        let is_member = written.has(fold(b)) || named.has(b);
        if is_member != negated && !(is_cut && negated) {
            set.add(b);
        }
    }
    (Token::Set(set), i + 1)
}

type ByteClass = fn(u8) -> bool;

/// What stands next inside of brackets.
enum Member {
    End,
    Close,
    Byte {
        byte: u8,
        len: usize,
    },
    /// `None` where it has no such name.
    Class {
        class: Option<ByteClass>,
        len: usize,
    },
    /// The pattern matches nothing.
    Broken,
}

fn member(rest: &[u8]) -> Member {
    match *rest {
        [] => Member::End,
        [b']', ..] => Member::Close,
        [b'\\', byte, ..] => Member::Byte { byte, len: 2 },
        [b'[', b'=', byte, b'=', b']', ..] | [b'[', b'.', byte, b'.', b']', ..] => {
            Member::Byte { byte, len: 5 }
        }
        [b'\\'] | [b'[', b'.', ..] => Member::Broken,
        [b'[', b':', ref name @ ..] => {
            let n = name.iter().take_while(|b| b.is_ascii_lowercase()).count();
            if name[n..].starts_with(b":]") {
                Member::Class { class: class(&name[..n]), len: n + 4 }
            } else {
                Member::Byte { byte: b'[', len: 1 }
            }
        }
        [byte, ..] => Member::Byte { byte, len: 1 },
    }
}

fn class(name: &[u8]) -> Option<ByteClass> {
    Some(match name {
        b"alnum" => |b| b.is_ascii_alphanumeric(),
        b"alpha" => |b| b.is_ascii_alphabetic(),
        b"blank" => |b| b == b' ' || b == b'\t',
        b"cntrl" => |b| b.is_ascii_control(),
        b"digit" => |b| b.is_ascii_digit(),
        b"graph" => |b| b.is_ascii_graphic(),
        b"lower" => |b| b.is_ascii_lowercase(),
        b"print" => |b| b.is_ascii_graphic() || b == b' ',
        b"punct" => |b| b.is_ascii_punctuation(),
        b"space" => |b| b.is_ascii_whitespace() || b == 0x0b,
        b"upper" => |b| b.is_ascii_uppercase(),
        b"xdigit" => |b| b.is_ascii_hexdigit(),
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(pattern: &str, text: &str, expected: bool) {
        assert_eq!(
            Glob::new(pattern.as_bytes(), false).matches(text.as_bytes()),
            expected,
            "{pattern} {text}"
        );
    }

    #[test]
    fn patterns_match_as_fnmatch_does() {
        for (pattern, text, expected) in [
            ("", "", true),
            ("", "a", false),
            ("*", "", true),
            ("*", "/a/.b", true),
            ("/e*c/*", "/etc/shadow", true),
            ("a?c", "abc", true),
            ("a?c", "ac", false),
            ("*.so*", "/lib/x.so.6", true),
            ("a*b*c", "axxbyyc", true),
            ("a*b*c", "axxbyy", false),
            ("[a-c]x", "bx", true),
            ("[!a-c]x", "bx", false),
            ("[^a-c]x", "dx", true),
            ("[]x]", "]", true),
            ("[a", "[a", true),
            ("[[:digit:]]*", "7up", true),
            ("[[:digit:]]*", "up", false),
            ("\\*", "*", true),
            ("\\*", "a", false),
            ("[a-]", "-", true),
            ("[", "[", true),
            ("[]", "[]", true),
            ("[!]", "[!]", true),
            ("[]-a]", "^", true),
            ("[--0]", ".", true),
            ("[z-a]", "z", false),
            ("[a-b-c]", "-", true),
            ("[\\a-\\c]", "b", true),
            ("[a\\]]", "]", true),
            ("[[:alpha:]", "[a", true),
            ("[[:digit]", ":", true),
            ("[[:d1:]]", "d]", true),
            ("[a-[:digit:]]", "5", false),
            ("[[=a=]]", "a", true),
            ("[[.-.]]", "-", true),
            ("[[=]", "=", true),
            ("[[:space:]]", "\x0b", true),
            // These lose, whatever the text.
            ("a\\", "a\\", false),
            ("[a\\", "[a\\", false),
            ("[a-", "[a-", false),
            ("[[.", "[[.", false),
            ("[[:foo:]]", "f]", false),
            ("[[:foo:]a]", "a", false),
            ("[a[:foo:]]", "a", true),
            ("[![:foo:]a]", "b", false),
        ] {
            check(pattern, text, expected);
            assert_eq!(matches(pattern.as_bytes(), text.as_bytes(), false), expected, "{pattern}");
        }
    }

    #[test]
    fn case_folds_on_demand() {
        assert!(Glob::new(b"*Miner[X-z]", true).matches(b"xMINERY"));
        assert!(!Glob::new(b"*Miner", false).matches(b"xminer"));
        for (pattern, text, expected) in [
            ("[X-z]", "B", false),
            ("[A-_]", "_", false),
            ("[[:upper:]]", "a", false),
            ("[[:upper:]]", "A", true),
            ("[!A]", "a", false),
        ] {
            let (pattern, text) = (pattern.as_bytes(), text.as_bytes());
            assert_eq!(matches(pattern, text, true), expected, "{pattern:?} {text:?}");
            assert_eq!(Glob::new(pattern, true).matches(text), expected);
        }
    }

    #[test]
    fn many_stars_stay_polynomial() {
        let pattern = "*a".repeat(100);
        assert!(!Glob::new(pattern.as_bytes(), false).matches(&[b'b'; 4096]));
    }

    proptest::proptest! {
        #![proptest_config(proptest::prelude::ProptestConfig { cases: 500, failure_persistence: None, ..Default::default() })]

        /// Whatever is written, reading it ends, and a pattern means the same compiled or not.
        #[test]
        fn a_pattern_means_the_same_from_a_rule_and_from_an_event(
            pattern in r"([abB*?!^\\.=:-]|\[|\]|\[:(digit|upper|nosuch):\]){0,12}",
            text in "[aAbB\\]\\[*1-]{0,6}",
            fold_case: bool,
        ) {
            let (pattern, text) = (pattern.as_bytes(), text.as_bytes());
            let compiled = Glob::new(pattern, fold_case).matches(text);
            proptest::prop_assert_eq!(compiled, matches(pattern, text, fold_case));
        }
    }
}
