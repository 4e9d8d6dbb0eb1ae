//! Shell patterns as `fnmatch` without flags has them: `*` also matches `/` and a leading dot.

/// A compiled pattern. Matching neither allocates nor recurses: O(pattern * text) at worst.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Glob {
    tokens: Box<[Token]>,
    fold_case: bool,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
enum Token {
    Byte(u8),
    AnyByte,
    AnyText,
    /// One bit per byte value.
    Set(Box<[u64; 4]>),
}

impl Glob {
    pub(crate) fn new(pattern: &[u8], fold_case: bool) -> Self {
        let mut tokens = Vec::new();
        let mut i = 0;
        while i < pattern.len() {
            let (token, len) = match pattern[i] {
                b'*' => (Token::AnyText, 1),
                b'?' => (Token::AnyByte, 1),
                b'[' => match set(&pattern[i..], fold_case) {
                    Some((set, len)) => (Token::Set(Box::new(set)), len),
                    // Without its closing bracket it is a bracket.
                    None => (Token::Byte(b'['), 1),
                },
                b'\\' if i + 1 < pattern.len() => (Token::Byte(pattern[i + 1]), 2),
                b => (Token::Byte(b), 1),
            };
            let token = match token {
                Token::Byte(b) if fold_case => Token::Byte(b.to_ascii_lowercase()),
                token => token,
            };
            if token != Token::AnyText || tokens.last() != Some(&Token::AnyText) {
                tokens.push(token);
            }
            i += len;
        }
        Self { tokens: tokens.into(), fold_case }
    }

    /// Whether the whole text matches.
    pub(crate) fn matches(&self, text: &[u8]) -> bool {
        let tokens = &self.tokens;
        let (mut t, mut i) = (0, 0);
        // Where to go on after a mismatch: the last `*`, and the text it has taken so far.
        let mut star: Option<(usize, usize)> = None;
        loop {
            match tokens.get(t) {
                Some(Token::AnyText) => {
                    star = Some((t + 1, i));
                    t += 1;
                    continue;
                }
                Some(token) if i < text.len() && self.accepts(token, text[i]) => {
                    t += 1;
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

    fn accepts(&self, token: &Token, byte: u8) -> bool {
        match token {
            Token::Byte(b) if self.fold_case => *b == byte.to_ascii_lowercase(),
            Token::Byte(b) => *b == byte,
            Token::AnyByte => true,
            Token::Set(set) => set[usize::from(byte >> 6)] >> (byte & 63) & 1 == 1,
            Token::AnyText => false,
        }
    }
}

/// Reads `[...]` at the start of `pattern`: the set and its length, `None` without closing bracket.
fn set(pattern: &[u8], fold_case: bool) -> Option<([u64; 4], usize)> {
    let mut set = [0u64; 4];
    let mut add = |b: u8| set[usize::from(b >> 6)] |= 1 << (b & 63);
    let mut i = 1;
    let negated = matches!(pattern.get(i), Some(b'!' | b'^'));
    i += usize::from(negated);
    let first = i;
    loop {
        let mut low = *pattern.get(i)?;
        if low == b']' && i > first {
            break;
        }
        if low == b'['
            && pattern.get(i + 1) == Some(&b':')
            && let Some((class, len)) = class(&pattern[i..])
        {
            (0..=u8::MAX).filter(|b| class(*b)).for_each(&mut add);
            i += len;
            continue;
        }
        if low == b'\\' {
            i += 1;
            low = *pattern.get(i)?;
        }
        i += 1;
        let range = pattern.get(i) == Some(&b'-') && pattern.get(i + 1).is_some_and(|&b| b != b']');
        if range {
            i += 1;
            let mut high = *pattern.get(i)?;
            if high == b'\\' {
                i += 1;
                high = *pattern.get(i)?;
            }
            i += 1;
            (low..=high).for_each(&mut add);
        } else {
            add(low);
        }
    }
    if fold_case {
        for b in b'a'..=b'z' {
            let has = |set: &[u64; 4], b: u8| set[usize::from(b >> 6)] >> (b & 63) & 1 == 1;
            if has(&set, b) || has(&set, b.to_ascii_uppercase()) {
                for b in [b, b.to_ascii_uppercase()] {
                    set[usize::from(b >> 6)] |= 1 << (b & 63);
                }
            }
        }
    }
    if negated {
        set = set.map(|w| !w);
    }
    Some((set, i + 1))
}

type ByteClass = fn(u8) -> bool;

/// Reads `[:name:]`: the test and its length.
fn class(pattern: &[u8]) -> Option<(ByteClass, usize)> {
    let end = memchr::memmem::find(pattern, b":]")?;
    let test: ByteClass = match pattern.get(2..end)? {
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
    };
    Some((test, end + 2))
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
        ] {
            check(pattern, text, expected);
        }
    }

    #[test]
    fn case_folds_on_demand() {
        assert!(Glob::new(b"*Miner[X-z]", true).matches(b"xMINERY"));
        assert!(!Glob::new(b"*Miner", false).matches(b"xminer"));
    }

    #[test]
    fn many_stars_stay_polynomial() {
        let pattern = "*a".repeat(100);
        assert!(!Glob::new(pattern.as_bytes(), false).matches(&[b'b'; 4096]));
    }
}
