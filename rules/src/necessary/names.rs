//! What a test of a file's name says of the name as a prefix, a whole name, or a last component.
//!
//! Only of plain names ([`is_plain_string`], [`is_plain_path`]): all others count as matching, so that a test which no plain name passes asks for an empty set of patterns.

use std::collections::BTreeSet;
use std::iter;

use event::filter::{NAME_LAST_MAX, is_odd_pair};

use crate::pmatch::{components, has_wildcard};
use crate::predicate::{BytesTest, Cmp, TestKey};
use crate::schema::Field;

/// Patterns of one clause; more ask nothing.
const MAX_PATTERNS: usize = 1024;

/// Something that a plain name begins with, ends with, or is.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum NamePattern {
    /// The whole name.
    Whole(Box<[u8]>),
    /// What stands behind the last slash.
    Last(Box<[u8]>),
    /// What the name begins with, within a component too.
    Prefix(Box<[u8]>),
}

impl NamePattern {
    /// Whether a name matches. It is absolute.
    #[must_use]
    pub fn matches(&self, name: &[u8]) -> bool {
        match self {
            Self::Whole(whole) => **whole == *name,
            Self::Prefix(prefix) => name.starts_with(prefix),
            Self::Last(last) => name.rsplit(|&b| b == b'/').next() == Some(last),
        }
    }
}

/// Whether patterns speak of a string that a process passed: it is not empty, begins with no dot, ends with no slash, and has no two of `//`, `/.`
/// and `./`. O(length).
#[must_use]
pub fn is_plain_string(passed: &[u8]) -> bool {
    !passed.is_empty()
        && !passed.starts_with(b".")
        && !passed.ends_with(b"/")
        && !passed.windows(2).any(|pair| is_odd_pair(pair[0], pair[1]))
}

/// Whether patterns speak of a name as the kernel tells it, or as a string and its directory make it: it is absolute, and each component is there
/// and begins with no dot. O(length).
#[must_use]
pub fn is_plain_path(path: &[u8]) -> bool {
    path.starts_with(b"/")
        && !path.ends_with(b"/")
        && !path.windows(2).any(|pair| pair[0] == b'/' && is_odd_pair(pair[0], pair[1]))
}

/// Names that pass a test, as far as patterns tell: `None` for all.
pub(super) type NameSet = Option<BTreeSet<NamePattern>>;

/// What a field gives of the name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Part {
    /// All of it.
    Name,
    /// What the process passed: all of it, or what follows a directory.
    Raw,
    /// It, or what stands before its last slash.
    Directory,
    /// What stands behind its last slash.
    Last,
}

fn part(field: Field) -> Option<Part> {
    Some(match field {
        Field::FdName | Field::FsPathName => Part::Name,
        Field::FdNameraw | Field::FsPathNameraw => Part::Raw,
        Field::FdDirectory => Part::Directory,
        Field::FdFilename => Part::Last,
        _ => return None,
    })
}

/// Whether the field is made of the name of an opened file, so that a test of it can say something of the name.
pub(super) fn is_of_name(field: Field) -> bool {
    part(field).is_some()
}

/// The names of opened files for which the test of the field holds; `None` where patterns cannot tell them.
pub(super) fn of_test(field: Field, test: &TestKey) -> NameSet {
    let part = part(field)?;
    let set: BTreeSet<NamePattern> = match test {
        TestKey::Bytes(test, operand) => of_bytes(part, *test, operand)?,
        TestKey::BytesIn(of) => {
            let sets = of.iter().map(|text| equal(part, text));
            sets.collect::<Option<Vec<_>>>()?.into_iter().flatten().collect()
        }
        TestKey::PathPrefix(of) => {
            let sets = of.iter().map(|prefix| below(part, prefix));
            sets.collect::<Option<Vec<_>>>()?.into_iter().flatten().collect()
        }
        _ => return None,
    };
    (set.len() <= MAX_PATTERNS).then_some(set)
}

fn of_bytes(part: Part, test: BytesTest, operand: &[u8]) -> NameSet {
    match test {
        BytesTest::Cmp(Cmp::Eq) => equal(part, operand),
        BytesTest::StartsWith => begins(part, operand),
        BytesTest::EndsWith => ends(part, operand),
        BytesTest::Contains | BytesTest::IContains => has(part, operand),
        BytesTest::Glob => glob(part, operand),
        BytesTest::Regex => begins(part, head_of_regex(operand)),
        BytesTest::IGlob | BytesTest::Cmp(_) => None,
    }
}

/// No plain name.
const NOTHING: NameSet = Some(BTreeSet::new());

/// Whether only names that are not plain have the text in the part. What was passed is looked at for itself; kernel names may end a component
/// with a dot and still pass as plain.
fn is_odd(part: Part, text: &[u8]) -> bool {
    text.windows(2)
        .any(|pair| is_odd_pair(pair[0], pair[1]) && (pair[0] == b'/' || part == Part::Raw))
}

/// As [`NamePattern::Last`], where that can be looked up.
fn last(text: &[u8]) -> NameSet {
    match text {
        [] | [b'.', ..] => NOTHING,
        _ if text.len() > NAME_LAST_MAX => None,
        _ => Some(BTreeSet::from([NamePattern::Last(text.into())])),
    }
}

/// The part is the text.
fn equal(part: Part, text: &[u8]) -> NameSet {
    if is_odd(part, text) {
        return NOTHING;
    }
    match (part, text) {
        (Part::Last, _) if text.contains(&b'/') => NOTHING,
        (Part::Last, _) => last(text),
        // Of what lies in the root.
        (Part::Directory, b"/") => None,
        (Part::Name | Part::Raw, [b'/', .., b'/'] | b"/") => NOTHING,
        (Part::Name | Part::Raw, [b'/', ..]) => {
            Some(BTreeSet::from([NamePattern::Whole(text.into())]))
        }
        (Part::Directory, [b'/', ..]) => {
            let whole = NamePattern::Whole(text.into());
            Some(BTreeSet::from([whole, NamePattern::Prefix([text, b"/"].concat().into())]))
        }
        (Part::Raw, _) => ends(part, &[b"/", text].concat()),
        // Kernel names of what has no place in a tree.
        (Part::Name | Part::Directory, _) => NOTHING,
    }
}

/// The part begins with the text.
fn begins(part: Part, text: &[u8]) -> NameSet {
    match (part, text) {
        (_, []) => None,
        (Part::Last, [b'.', ..]) => NOTHING,
        (Part::Last, _) if text.contains(&b'/') => NOTHING,
        (Part::Last, _) => None,
        _ if is_odd(part, text) => NOTHING,
        // All of them do.
        (_, b"/") => None,
        (_, [b'/', ..]) => Some(BTreeSet::from([NamePattern::Prefix(text.into())])),
        (Part::Raw, text) if !text.starts_with(b".") => None,
        _ => NOTHING,
    }
}

/// The part ends with the text.
fn ends(part: Part, text: &[u8]) -> NameSet {
    if is_odd(part, text) {
        return NOTHING;
    }
    let slash = text.iter().rposition(|&b| b == b'/');
    match (part, slash) {
        (Part::Last, Some(_)) => NOTHING,
        // The directory `/` of names in the root.
        (Part::Directory, Some(at)) if at + 1 == text.len() && text.len() > 1 => NOTHING,
        (Part::Directory | Part::Last, _) | (_, None) => None,
        (Part::Name | Part::Raw, Some(at)) => last(&text[at + 1..]),
    }
}

/// The text is somewhere in the part.
fn has(part: Part, text: &[u8]) -> NameSet {
    match part {
        Part::Last if text.contains(&b'/') => NOTHING,
        _ if is_odd(part, text) => NOTHING,
        _ => None,
    }
}

/// The whole part matches the pattern.
fn glob(part: Part, pattern: &[u8]) -> NameSet {
    let is_special = |b: &u8| b"*?[]\\".contains(b);
    let Some(first) = pattern.iter().position(is_special) else { return equal(part, pattern) };
    let last = pattern.iter().rposition(is_special).unwrap_or(first);
    let (head, tail) = (&pattern[..first], &pattern[last + 1..]);
    // Where nothing is escaped or in brackets every stretch between two wildcards stands for itself.
    let is_simple = !pattern.iter().any(|b| b"[]\\".contains(b));
    let stretches = pattern.split(is_special).filter(|_| is_simple);
    let asked = stretches
        .chain([head, tail])
        .map(|text| has(part, text))
        .chain([begins(part, head)])
        .chain(iter::once_with(|| ends(part, tail)));
    asked.flatten().reduce(|a, b| if is_rarer(&b, &a) { b } else { a })
}

/// The part begins with the components of the prefix.
fn below(part: Part, prefix: &[u8]) -> NameSet {
    let is_special = |b: &u8| b"*?[]\\".contains(b);
    let is_literal = !has_wildcard(prefix);
    let mut path = Vec::new();
    for component in components(prefix) {
        if component.starts_with(b".") {
            return NOTHING;
        }
        path.push(b'/');
        path.extend_from_slice(component);
    }
    if path.is_empty() {
        return None;
    }
    match part {
        Part::Last if is_literal => {
            // The one component that it is.
            if path[1..].contains(&b'/') { NOTHING } else { last(&path[1..]) }
        }
        Part::Raw | Part::Last => None,
        Part::Name | Part::Directory if is_literal => {
            let whole = NamePattern::Whole(path.as_slice().into());
            Some(BTreeSet::from([whole, NamePattern::Prefix([&path[..], b"/"].concat().into())]))
        }
        Part::Name | Part::Directory => {
            let head = path.iter().position(is_special).map_or(&path[..], |at| &path[..at]);
            begins(part, head)
        }
    }
}

/// What every text begins with that the regular expression matches as a whole.
fn head_of_regex(pattern: &[u8]) -> &[u8] {
    if pattern.contains(&b'|') {
        return &[];
    }
    let is_plain = |b: &u8| b.is_ascii_alphanumeric() || b"/_-".contains(b);
    let len = pattern.iter().position(|b| !is_plain(b)).unwrap_or(pattern.len());
    // What follows may say how often the last letter comes.
    let is_counted = matches!(pattern.get(len), Some(b'*' | b'+' | b'?' | b'{' | b'\\'));
    &pattern[..len.saturating_sub(usize::from(is_counted))]
}

/// Whether fewer names are in the first of two sets, as far as can be guessed.
pub(super) fn is_rarer(a: &BTreeSet<NamePattern>, b: &BTreeSet<NamePattern>) -> bool {
    let commonness = |set: &BTreeSet<NamePattern>| {
        let of = |pattern: &NamePattern| match pattern {
            NamePattern::Whole(_) => 1,
            NamePattern::Last(_) => 2,
            // A directory of many components has fewer names below it.
            NamePattern::Prefix(text) => {
                let n_components = components(text).count();
                12_usize.saturating_sub(2 * n_components).max(3)
            }
        };
        (set.iter().map(of).max(), set.len())
    };
    commonness(a) < commonness(b)
}
