//! Rule files in memory, and text that remembers where each of its bytes came from.

use std::sync::Arc;

use crate::error::{Code, Diag, Problem, RuleError};

/// One rule file, read by the caller.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Source {
    /// Name for messages, as a rule the path.
    pub name: String,
    /// Its text.
    pub text: String,
}

impl Source {
    /// A file's text from its bytes.
    ///
    /// # Errors
    /// The first byte that is not UTF-8, with its place.
    pub fn from_bytes(name: &str, bytes: Vec<u8>) -> Result<Self, Box<RuleError>> {
        String::from_utf8(bytes).map(|text| Self { name: name.to_owned(), text }).map_err(|e| {
            let offset = e.utf8_error().valid_up_to();
            let byte = e.as_bytes()[offset];
            let text = String::from_utf8_lossy(e.as_bytes()).into_owned();
            let mut files = Files::default();
            let file = files.add(Self { name: name.to_owned(), text });
            // What comes before is the same in both texts.
            let start = Pos { file, offset: offset as u32 };
            let problem = Problem::NotUtf8 { byte };
            let diag = Diag::new(Code::YamlParse, problem, Span { start, end: start });
            let is_utf16 = matches!(e.as_bytes(), [0xff, 0xfe, ..] | [0xfe, 0xff, ..]);
            let diag = if is_utf16 {
                diag.hint("it begins as UTF-16 does; save it as UTF-8")
            } else {
                diag
            };
            diag.draw(&files).into()
        })
    }
}

/// Byte offset in one of the loaded files.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Pos {
    pub(crate) file: u32,
    pub(crate) offset: u32,
}

/// A stretch of a file; `end` is exclusive. Both ends may stand in different files after an append, then only `start`
/// counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Span {
    pub(crate) start: Pos,
    pub(crate) end: Pos,
}

/// The files of one load, looked up by [`Pos::file`].
#[derive(Debug, Default)]
pub(crate) struct Files(Vec<File>);

#[derive(Debug)]
struct File {
    name: Arc<str>,
    text: String,
    line_starts: Vec<u32>,
}

/// A position for people.
pub(crate) struct Place<'a> {
    pub(crate) file: &'a Arc<str>,
    /// From 1.
    pub(crate) line: u32,
    /// From 1, in characters.
    pub(crate) column: u32,
    /// The line's text without its end.
    pub(crate) text: &'a str,
    /// Characters from the position to the end of the span, at least 1, not beyond the line.
    pub(crate) width: u32,
}

impl Files {
    pub(crate) fn add(&mut self, source: Source) -> u32 {
        let line_starts = std::iter::once(0)
            .chain(memchr::memchr_iter(b'\n', source.text.as_bytes()).map(|i| i as u32 + 1))
            .collect();
        self.0.push(File { name: source.name.into(), text: source.text, line_starts });
        self.0.len() as u32 - 1
    }

    pub(crate) fn text(&self, file: u32) -> &str {
        &self.0[file as usize].text
    }

    /// A file of which nothing but the name is known; gives its beginning.
    pub(crate) fn add_empty(&mut self, name: &str) -> Pos {
        let file = self.add(Source { name: name.to_owned(), text: String::new() });
        Pos { file, offset: 0 }
    }

    /// A text that is no file, with the position of each of its bytes; none where it is empty.
    pub(crate) fn add_text(&mut self, name: &str, text: &str) -> Option<Traced> {
        if text.is_empty() {
            return None;
        }
        let file = self.add(Source { name: name.to_owned(), text: text.to_owned() });
        let mut traced = Traced::empty(Pos { file, offset: 0 });
        traced.push_with(text, |i| Pos { file, offset: i as u32 });
        Some(traced)
    }

    pub(crate) fn name(&self, file: u32) -> &Arc<str> {
        &self.0[file as usize].name
    }

    /// Line and column, both from 0, the column in characters.
    pub(crate) fn line_and_column(&self, at: Pos) -> (usize, usize) {
        let place = self.place(Span { start: at, end: at });
        (place.line as usize - 1, place.column as usize - 1)
    }

    /// The line of a place without its end.
    pub(crate) fn line_text(&self, at: Pos) -> &str {
        self.place(Span { start: at, end: at }).text
    }

    /// Where a span starts. O(log lines + length of the line).
    pub(crate) fn place(&self, span: Span) -> Place<'_> {
        let file = &self.0[span.start.file as usize];
        let offset = floor_char(&file.text, span.start.offset as usize);
        let line = file.line_starts.partition_point(|&s| s as usize <= offset).max(1) - 1;
        let start = file.line_starts[line] as usize;
        let end = file.line_starts.get(line + 1).map_or(file.text.len(), |&e| e as usize);
        let text = file.text[start..end].trim_end_matches(['\n', '\r']);
        let at = offset.min(start + text.len());
        let stop = if span.end.file == span.start.file {
            floor_char(&file.text, span.end.offset as usize).clamp(at, start + text.len())
        } else {
            at
        };
        Place {
            file: &file.name,
            line: line as u32 + 1,
            column: file.text[start..at].chars().count() as u32 + 1,
            text,
            width: (file.text[at..stop].chars().count() as u32).max(1),
        }
    }
}

fn floor_char(text: &str, offset: usize) -> usize {
    let mut at = offset.min(text.len());
    while !text.is_char_boundary(at) {
        at -= 1;
    }
    at
}

/// Text with the position of each of its bytes, kept through joins and substitutions.
#[derive(Clone, Debug)]
pub(crate) struct Traced {
    text: String,
    origin: Vec<Pos>,
    /// Where the text begins, also when it is empty.
    start: Pos,
}

impl Traced {
    pub(crate) fn empty(start: Pos) -> Self {
        Self { text: String::new(), origin: Vec::new(), start }
    }

    pub(crate) fn as_str(&self) -> &str {
        &self.text
    }

    pub(crate) fn len(&self) -> usize {
        self.text.len()
    }

    /// Appends text whose byte `i` stands at `origin(i)`.
    pub(crate) fn push_with(&mut self, text: &str, origin: impl Fn(usize) -> Pos) {
        self.text.push_str(text);
        self.origin.extend((0..text.len()).map(origin));
    }

    /// Appends text that all stands for one position.
    pub(crate) fn push_at(&mut self, text: &str, at: Pos) {
        self.push_with(text, |_| at);
    }

    /// Appends a part of another text; `range` lies on character boundaries.
    pub(crate) fn push_part(&mut self, other: &Self, range: std::ops::Range<usize>) {
        self.text.push_str(&other.text[range.clone()]);
        self.origin.extend_from_slice(&other.origin[range]);
    }

    /// `self`, a blank, `other`: how the language appends.
    pub(crate) fn join(&mut self, other: &Self) {
        let at = self.pos(self.len());
        self.push_at(" ", at);
        self.push_part(other, 0..other.len());
    }

    /// Without blanks at both ends.
    pub(crate) fn trimmed(&self) -> Self {
        let from = self.len() - self.text.trim_start().len();
        let to = from + self.text.trim().len();
        let mut out = Self::empty(self.pos(from));
        out.push_part(self, from..to);
        out
    }

    /// Where byte `offset` stands; at or behind the end, just behind the last byte.
    pub(crate) fn pos(&self, offset: usize) -> Pos {
        match (self.origin.get(offset), self.origin.last()) {
            (Some(&p), _) => p,
            (None, Some(&last)) => Pos { offset: last.offset + 1, ..last },
            (None, None) => self.start,
        }
    }

    /// Whether the byte belongs to text that was put in for something else, a list's name.
    pub(crate) fn is_put_in(&self, offset: usize) -> bool {
        let same =
            |i: usize, j: usize| self.origin.get(i).is_some_and(|p| Some(p) == self.origin.get(j));
        same(offset, offset + 1) || offset.checked_sub(1).is_some_and(|before| same(before, offset))
    }

    /// Where a range stands: from its first byte to behind its last.
    pub(crate) fn span(&self, range: std::ops::Range<usize>) -> Span {
        let start = self.pos(range.start);
        let last = self.pos(range.end.max(range.start + 1) - 1);
        Span { start, end: Pos { offset: last.offset + 1, ..last } }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn files(text: &str) -> Files {
        let mut files = Files::default();
        files.add(Source { name: "f".into(), text: text.into() });
        files
    }

    #[test]
    fn places_count_characters_from_one() {
        let files = files("ab\nçdé f\r\n");
        let at = |start, end| {
            let p = files.place(Span {
                start: Pos { file: 0, offset: start },
                end: Pos { file: 0, offset: end },
            });
            (p.line, p.column, p.width, p.text.to_owned())
        };
        assert_eq!(at(0, 2), (1, 1, 2, "ab".into()));
        assert_eq!(at(6, 10), (2, 3, 3, "çdé f".into()));
        assert_eq!(at(900, 901), (3, 1, 1, String::new()));
    }

    #[test]
    fn traced_text_keeps_origins_through_joins() {
        let p = |offset| Pos { file: 0, offset };
        let mut a = Traced::empty(p(0));
        a.push_with(" ab ", |i| p(10 + i as u32));
        let mut a = a.trimmed();
        let mut b = Traced::empty(p(0));
        b.push_with("cd", |i| p(50 + i as u32));
        a.join(&b);
        assert_eq!(a.as_str(), "ab cd");
        assert_eq!((a.pos(0), a.pos(1), a.pos(3), a.pos(5)), (p(11), p(12), p(50), p(52)));
    }
}
