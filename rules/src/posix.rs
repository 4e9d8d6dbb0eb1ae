//! Regular expressions as RE2 reads them in its POSIX mode, into the syntax tree that matching is built from.
//!
//! POSIX extended syntax, with classes such as `[[:alpha:]]` and C escapes; no classes of letters (`\d`), no word boundaries, no flags.
//! Operators of repetition may be stacked: `a*?` is `(a*)?`. `^` and `$` hold at the ends of lines, `.` is any character but a line feed.

use regex_syntax::hir::{
    Class, ClassUnicode, ClassUnicodeRange, Dot, Hir, Look, Repetition as HirRepetition,
};

/// Longest pattern, in bytes: that of any literal in a condition.
const MAX_PATTERN: usize = 255;
/// Most times that a part can be asked to repeat, nested repetitions multiplied.
const MAX_REPEAT: u32 = 1000;
const MAX_RUNE: u32 = 0x0010_ffff;

/// Reads a pattern. The error is for people.
pub(crate) fn parse(pattern: &[u8]) -> Result<Hir, String> {
    if pattern.len() > MAX_PATTERN {
        return Err(format!("{} bytes long, {MAX_PATTERN} at most", pattern.len()));
    }
    let text = std::str::from_utf8(pattern).map_err(|_| "no valid UTF-8".to_owned())?;
    let mut reader = Reader { rest: text };
    let mut levels = vec![Level::default()];
    while let Some(c) = reader.next() {
        let Some(level) = levels.last_mut() else { break };
        match c {
            '(' => levels.push(Level::default()),
            ')' => {
                let inner = levels.pop().unwrap_or_default().close();
                let outer = levels.last_mut().ok_or("a `)` without its `(`")?;
                outer.sequence.push(inner);
            }
            '|' => level.branch(),
            '^' => level.push(Hir::look(Look::StartLF)),
            '$' => level.push(Hir::look(Look::EndLF)),
            '.' => level.push(Hir::dot(Dot::AnyCharExceptLF)),
            '[' => level.push(Hir::class(Class::Unicode(reader.class()?))),
            '*' => level.repeat(Count { min: 0, max: None }, "*")?,
            '+' => level.repeat(Count { min: 1, max: None }, "+")?,
            '?' => level.repeat(Count { min: 0, max: Some(1) }, "?")?,
            '{' => match reader.count() {
                Some((count, body)) => level.repeat(count, &format!("{{{body}}}"))?,
                // What is no repetition stands for itself.
                None => level.push(literal('{' as u32)),
            },
            '\\' => level.push(literal(reader.escape()?)),
            c => level.push(literal(c as u32)),
        }
    }
    match levels.pop() {
        Some(level) if levels.is_empty() => Ok(level.close().hir),
        _ => Err("a `(` without its `)`".to_owned()),
    }
}

/// A surrogate is no character, so that nothing matches it.
fn literal(rune: u32) -> Hir {
    let mut bytes = [0; 4];
    match char::from_u32(rune) {
        Some(c) => Hir::literal(c.encode_utf8(&mut bytes).as_bytes()),
        None => Hir::fail(),
    }
}

/// A part, and how many copies of something in it nested repetitions ask for.
struct Piece {
    hir: Hir,
    copies: u32,
}

/// What is between two parentheses, as far as it is read.
#[derive(Default)]
struct Level {
    branches: Vec<Piece>,
    sequence: Vec<Piece>,
}

#[derive(Clone, Copy)]
struct Count {
    min: u32,
    max: Option<u32>,
}

impl Level {
    fn push(&mut self, hir: Hir) {
        self.sequence.push(Piece { hir, copies: 1 });
    }

    fn branch(&mut self) {
        let sequence = std::mem::take(&mut self.sequence);
        self.branches.push(join(sequence, Hir::concat));
    }

    fn close(mut self) -> Piece {
        self.branch();
        join(self.branches, Hir::alternation)
    }

    fn repeat(&mut self, count: Count, written: &str) -> Result<(), String> {
        let Piece { hir, copies } =
            self.sequence.pop().ok_or_else(|| format!("nothing before `{written}` to repeat"))?;
        let Count { min, max } = count;
        let most = max.unwrap_or(min).max(min);
        let copies = copies.saturating_mul(most.max(1));
        if max.is_some_and(|max| max < min) || most > MAX_REPEAT || most >= 2 && copies > MAX_REPEAT
        {
            return Err(format!("`{written}` is no count of repetitions; {MAX_REPEAT} at most"));
        }
        let hir = Hir::repetition(HirRepetition { min, max, greedy: true, sub: Box::new(hir) });
        self.sequence.push(Piece { hir, copies });
        Ok(())
    }
}

fn join(pieces: Vec<Piece>, how: fn(Vec<Hir>) -> Hir) -> Piece {
    let copies = pieces.iter().map(|p| p.copies).max().unwrap_or(1);
    Piece { hir: how(pieces.into_iter().map(|p| p.hir).collect()), copies }
}

struct Reader<'a> {
    rest: &'a str,
}

impl<'a> Reader<'a> {
    fn next(&mut self) -> Option<char> {
        let c = self.rest.chars().next()?;
        self.rest = &self.rest[c.len_utf8()..];
        Some(c)
    }

    fn eat(&mut self, prefix: char) -> bool {
        let rest = self.rest.strip_prefix(prefix);
        self.rest = rest.unwrap_or(self.rest);
        rest.is_some()
    }

    /// The rest of `{2}`, `{2,}` or `{2,5}`, and what is between the braces; nothing is read where it is something else.
    fn count(&mut self) -> Option<(Count, &'a str)> {
        let body = self.rest.split_once('}')?.0;
        let (min, max) = match body.split_once(',') {
            None => (body, Some(body)),
            Some((min, "")) => (min, None),
            Some((min, max)) => (min, Some(max)),
        };
        let number = |digits: &str| -> Option<u32> {
            let plain = !digits.is_empty() && digits.bytes().all(|b| b.is_ascii_digit());
            let leads_with_zero = digits.len() > 1 && digits.starts_with('0');
            (plain && !leads_with_zero && digits.len() <= 8).then(|| digits.parse().ok())?
        };
        let count =
            Count { min: number(min)?, max: max.map(number).map_or(Some(None), |m| m.map(Some))? };
        self.rest = &self.rest[body.len() + 1..];
        Some((count, body))
    }

    /// What stands behind a backslash.
    fn escape(&mut self) -> Result<u32, String> {
        let c = self.next().ok_or("a backslash at the end")?;
        let unknown = || format!("unknown escape `\\{c}`");
        Ok(match c {
            '1'..='7' if !self.rest.starts_with(|c| matches!(c, '0'..='7')) => {
                return Err(unknown());
            }
            '0'..='7' => {
                let mut code = c as u32 - '0' as u32;
                for _ in 0..2 {
                    let Some(digit) = self.rest.chars().next().and_then(|c| c.to_digit(8)) else {
                        break;
                    };
                    code = code * 8 + digit;
                    self.next();
                }
                code
            }
            'x' => self.hex().ok_or_else(unknown)?,
            'n' => '\n' as u32,
            'r' => '\r' as u32,
            't' => '\t' as u32,
            'a' => 0x07,
            'f' => 0x0c,
            'v' => 0x0b,
            c if c.is_ascii() && !c.is_ascii_alphanumeric() => c as u32,
            _ => return Err(unknown()),
        })
    }

    /// `41` or `{1F600}` behind `\x`.
    fn hex(&mut self) -> Option<u32> {
        if !self.eat('{') {
            let (high, low) = (self.next()?.to_digit(16)?, self.next()?.to_digit(16)?);
            return Some(high * 16 + low);
        }
        let mut code = self.next()?.to_digit(16)?;
        loop {
            match self.next()? {
                '}' => return Some(code),
                c => code = Some(code * 16 + c.to_digit(16)?).filter(|&code| code <= MAX_RUNE)?,
            }
        }
    }

    /// What stands behind `[`, with the closing bracket.
    fn class(&mut self) -> Result<ClassUnicode, String> {
        const UNCLOSED: &str = "a `[` without its `]`";
        let mut class = ClassUnicode::empty();
        let negated = self.eat('^');
        let mut is_first = true;
        loop {
            if !is_first && self.eat(']') {
                break;
            }
            // Unescaped, it has its place at either end only.
            if !is_first && self.rest.starts_with('-') && !self.rest.starts_with("-]") {
                return Err("a `-` in the middle of a class".to_owned());
            }
            is_first = false;
            if let Some((name, rest)) =
                self.rest.strip_prefix("[:").and_then(|r| r.split_once(":]"))
            {
                add_named(&mut class, name)?;
                self.rest = rest;
                continue;
            }
            let low = self.class_rune().ok_or(UNCLOSED)??;
            let is_range =
                self.rest.starts_with('-') && self.rest.len() > 1 && !self.rest.starts_with("-]");
            let high =
                if is_range && self.eat('-') { self.class_rune().ok_or(UNCLOSED)?? } else { low };
            if high < low {
                return Err("a range in a class that runs backwards".to_owned());
            }
            add_range(&mut class, low, high);
        }
        if negated {
            class.negate();
        }
        Ok(class)
    }

    fn class_rune(&mut self) -> Option<Result<u32, String>> {
        Some(match self.next()? {
            '\\' => self.escape(),
            c => Ok(c as u32),
        })
    }
}

/// Without the surrogates, which are no characters.
fn add_range(class: &mut ClassUnicode, low: u32, high: u32) {
    for (low, high) in [(low, high.min(0xd7ff)), (low.max(0xe000), high)] {
        if let (true, Some(low), Some(high)) =
            (low <= high, char::from_u32(low), char::from_u32(high))
        {
            class.push(ClassUnicodeRange::new(low, high));
        }
    }
}

/// Adds `[:name:]` or `[:^name:]`.
fn add_named(class: &mut ClassUnicode, name: &str) -> Result<(), String> {
    let (plain, negated) = match name.strip_prefix('^') {
        Some(plain) => (plain, true),
        None => (name, false),
    };
    let ranges: &[(char, char)] = match plain {
        "alnum" => &[('0', '9'), ('A', 'Z'), ('a', 'z')],
        "alpha" => &[('A', 'Z'), ('a', 'z')],
        "ascii" => &[('\0', '\x7f')],
        "blank" => &[('\t', '\t'), (' ', ' ')],
        "cntrl" => &[('\0', '\x1f'), ('\x7f', '\x7f')],
        "digit" => &[('0', '9')],
        "graph" => &[('!', '~')],
        "lower" => &[('a', 'z')],
        "print" => &[(' ', '~')],
        "punct" => &[('!', '/'), (':', '@'), ('[', '`'), ('{', '~')],
        "space" => &[('\t', '\r'), (' ', ' ')],
        "upper" => &[('A', 'Z')],
        "word" => &[('0', '9'), ('A', 'Z'), ('_', '_'), ('a', 'z')],
        "xdigit" => &[('0', '9'), ('A', 'F'), ('a', 'f')],
        _ => return Err(format!("unknown class `[:{name}:]`")),
    };
    let mut named = ClassUnicode::new(ranges.iter().map(|&(a, b)| ClassUnicodeRange::new(a, b)));
    if negated {
        named.negate();
    }
    class.union(&named);
    Ok(())
}
