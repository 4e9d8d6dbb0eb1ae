//! Regular expressions by the sets of places at which they can end.

use std::collections::BTreeSet;
use std::fmt;

/// A pattern of POSIX syntax.
#[derive(Clone, Debug)]
pub(crate) enum Regex {
    Char(char),
    Dot,
    /// Ranges of a class, and whether it is for all others.
    Class(bool, Vec<(char, char)>),
    Named(bool, &'static str),
    LineStart,
    LineEnd,
    Seq(Vec<Regex>),
    Alt(Vec<Regex>),
    /// At least, at most.
    Repeat(Box<Regex>, usize, Option<usize>),
}

impl Regex {
    /// Whether the whole text matches; what is no UTF-8 counts as U+FFFD.
    pub(crate) fn matches(&self, text: &[u8]) -> bool {
        let text: Vec<char> = String::from_utf8_lossy(text).chars().collect();
        self.ends(&text, 0).contains(&text.len())
    }

    fn ends(&self, text: &[char], at: usize) -> BTreeSet<usize> {
        let one =
            |is_match: bool| if is_match { BTreeSet::from([at + 1]) } else { BTreeSet::new() };
        let none = |is_there: bool| if is_there { BTreeSet::from([at]) } else { BTreeSet::new() };
        let c = text.get(at).copied();
        match self {
            Self::Char(wanted) => one(c == Some(*wanted)),
            Self::Dot => one(c.is_some_and(|c| c != '\n')),
            Self::Class(negated, ranges) => one(c.is_some_and(|c| {
                ranges.iter().any(|(low, high)| (*low..=*high).contains(&c)) != *negated
            })),
            Self::Named(negated, name) => one(c.is_some_and(|c| is_named(c, name) != *negated)),
            Self::LineStart => none(at == 0 || text[at - 1] == '\n'),
            Self::LineEnd => none(c.is_none_or(|c| c == '\n')),
            Self::Seq(of) => of.iter().fold(BTreeSet::from([at]), |starts, part| {
                starts.into_iter().flat_map(|at| part.ends(text, at)).collect()
            }),
            Self::Alt(of) => of.iter().flat_map(|part| part.ends(text, at)).collect(),
            Self::Repeat(of, min, max) => {
                let mut now = BTreeSet::from([at]);
                let mut ends = BTreeSet::new();
                // More rounds than characters reach no new place.
                for round in 0..=max.unwrap_or(min + text.len()) {
                    if round >= *min {
                        ends.extend(now.iter().copied());
                    }
                    now = now.into_iter().flat_map(|at| of.ends(text, at)).collect();
                }
                ends
            }
        }
    }
}

fn is_named(c: char, name: &str) -> bool {
    match name {
        "alpha" => c.is_ascii_alphabetic(),
        "digit" => c.is_ascii_digit(),
        "punct" => c.is_ascii_punctuation(),
        "upper" => c.is_ascii_uppercase(),
        _ => unreachable!("no class: {name}"),
    }
}

impl fmt::Display for Regex {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Char(c) if ".+*?^$()[]{}|\\".contains(*c) => write!(f, "\\{c}"),
            Self::Char(c) => write!(f, "{c}"),
            Self::Dot => f.write_str("."),
            Self::Class(negated, ranges) => {
                f.write_str(if *negated { "[^" } else { "[" })?;
                ranges.iter().try_for_each(|(low, high)| write!(f, "{low}-{high}"))?;
                f.write_str("]")
            }
            Self::Named(negated, name) => {
                write!(f, "[{}[:{name}:]]", if *negated { "^" } else { "" })
            }
            Self::LineStart => f.write_str("^"),
            Self::LineEnd => f.write_str("$"),
            Self::Seq(of) => of.iter().try_for_each(|part| write!(f, "{part}")),
            Self::Alt(of) => {
                let parts: Vec<String> = of.iter().map(ToString::to_string).collect();
                write!(f, "({})", parts.join("|"))
            }
            Self::Repeat(of, min, max) => {
                write!(f, "({of})")?;
                match (min, max) {
                    (0, None) => f.write_str("*"),
                    (1, None) => f.write_str("+"),
                    (0, Some(1)) => f.write_str("?"),
                    (min, None) => write!(f, "{{{min},}}"),
                    (min, Some(max)) if min == max => write!(f, "{{{min}}}"),
                    (min, Some(max)) => write!(f, "{{{min},{max}}}"),
                }
            }
        }
    }
}
