//! YAML text to a tree of nodes with positions, within limits.

use std::collections::HashMap;
use std::ops::Range;
use std::rc::Rc;

use saphyr_parser::{Event, Marker, Parser, ScalarStyle, Span as YamlSpan};

use crate::error::{Code, Diag, Problem};
use crate::source::{Files, Pos, Span, Traced};

/// A rule file of more bytes than that is refused.
pub const MAX_FILE_BYTES: usize = 8 << 20;
/// Nodes of one file once aliases are replaced: what stops alias bombs.
pub(crate) const MAX_NODES: usize = 1_000_000;
/// Bytes of the scalars of one file once aliases are replaced: a long text named often is a bomb too.
pub(crate) const MAX_EXPANDED_BYTES: usize = 16 << 20;
/// Nesting of sequences and maps.
pub(crate) const MAX_DEPTH: usize = 32;

/// A node and where it stands. Shared, because an alias is the node it names.
#[derive(Debug, Clone)]
pub(crate) struct Node {
    pub(crate) kind: Kind,
    pub(crate) span: Span,
}

#[derive(Debug, Clone)]
pub(crate) enum Kind {
    Scalar { text: Rc<str>, style: ScalarStyle, anchored: bool },
    Seq(Rc<[Node]>),
    Map(Rc<[(Node, Node)]>),
}

impl Node {
    pub(crate) fn kind_name(&self) -> &'static str {
        match self.kind {
            Kind::Scalar { .. } => "scalar",
            Kind::Seq(_) => "sequence",
            Kind::Map(_) => "map",
        }
    }

    pub(crate) fn scalar(&self) -> Option<&str> {
        match &self.kind {
            Kind::Scalar { text, .. } => Some(text),
            _ => None,
        }
    }

    /// A scalar that stands for "nothing".
    pub(crate) fn is_null(&self) -> bool {
        matches!(&self.kind, Kind::Scalar { text, style: ScalarStyle::Plain, .. }
            if matches!(&**text, "" | "~" | "null" | "Null" | "NULL"))
    }

    /// The scalar's text with the position of each byte: exact for whatever is written on one line or in a literal
    /// block; elsewhere exact for every character that is not a blank or an escape.
    pub(crate) fn traced(&self, files: &Files) -> Option<Traced> {
        let Kind::Scalar { text, style, anchored } = &self.kind else { return None };
        let file = self.span.start.file;
        let (start, end) = (self.span.start.offset as usize, self.span.end.offset as usize);
        let raw = &files.text(file)[start..end];
        let offsets = align(raw, text, *style, *anchored);
        let mut out = Traced::empty(self.span.start);
        out.push_with(text, |i| Pos { file, offset: (start + offsets[i]) as u32 });
        Some(out)
    }
}

/// For each byte of `text` its offset in `raw`, the way it is written.
fn align(raw: &str, text: &str, style: ScalarStyle, anchored: bool) -> Vec<usize> {
    let bytes = raw.as_bytes();
    let mut at = if anchored { skip_properties(bytes) } else { 0 };
    let quote = match style {
        ScalarStyle::SingleQuoted => b'\'',
        ScalarStyle::DoubleQuoted => b'"',
        ScalarStyle::Plain | ScalarStyle::Literal | ScalarStyle::Folded => 0,
    };
    if quote != 0 && bytes.get(at) == Some(&quote) {
        at += 1;
    }
    let mut out = Vec::with_capacity(text.len());
    for c in text.chars() {
        let mut start = at.min(bytes.len());
        let mut buf = [0; 4];
        let c_bytes = c.encode_utf8(&mut buf).as_bytes();
        if c.is_ascii_whitespace() {
            // One blank of the value stands for one written blank, or for a line end with its indentation.
            match bytes.get(at) {
                Some(b'\\') if quote == b'"' => at += escape_len(&bytes[at..]),
                Some(b) if b.is_ascii_whitespace() => at += 1,
                _ => {}
            }
        } else {
            while bytes.get(at).is_some_and(u8::is_ascii_whitespace)
                || (quote == b'"' && bytes[at.min(bytes.len())..].starts_with(b"\\\n"))
            {
                at += 1;
            }
            start = at.min(bytes.len());
            if quote == b'"' && bytes.get(at) == Some(&b'\\') {
                at += escape_len(&bytes[at..]);
            } else if bytes[start..].starts_with(c_bytes) {
                at += c_bytes.len();
                if quote == b'\'' && c == '\'' {
                    at += 1;
                }
            }
        }
        out.extend(
            (0..c_bytes.len()).map(|i| start + if at - start >= c_bytes.len() { i } else { 0 }),
        );
    }
    out
}

/// Length of `&anchor` and `!tag` with the blanks behind them.
fn skip_properties(raw: &[u8]) -> usize {
    let mut at = 0;
    while matches!(raw.get(at), Some(b'&' | b'!')) {
        while raw.get(at).is_some_and(|b| !b.is_ascii_whitespace()) {
            at += 1;
        }
        while raw.get(at).is_some_and(u8::is_ascii_whitespace) {
            at += 1;
        }
    }
    at
}

/// Length of an escape sequence of a double-quoted scalar.
fn escape_len(raw: &[u8]) -> usize {
    let len = match raw.get(1) {
        Some(b'x') => 4,
        Some(b'u') => 6,
        Some(b'U') => 10,
        _ => 2,
    };
    len.min(raw.len())
}

/// Reads every document of a file. The first error ends the file.
pub(crate) fn read(files: &Files, file: u32) -> Result<Vec<Node>, Diag> {
    let text = files.text(file);
    let whole = |range: Range<usize>| Span {
        start: Pos { file, offset: range.start as u32 },
        end: Pos { file, offset: range.end as u32 },
    };
    if text.len() > MAX_FILE_BYTES {
        let problem = Problem::FileTooLarge { bytes: text.len(), limit: MAX_FILE_BYTES };
        return Err(Diag::new(Code::YamlParse, problem, whole(0..0)));
    }
    let (marks, anchors) = (Marks::default(), HashMap::new());
    Reader { text, file, marks, size: Size::default(), anchors }.documents()
}

struct Reader<'a> {
    text: &'a str,
    file: u32,
    marks: Marks,
    size: Size,
    /// Finished anchors with the size of what they stand for.
    anchors: HashMap<usize, (Node, Size)>,
}

/// How large a file is once aliases are replaced.
#[derive(Clone, Copy, Debug, Default)]
struct Size {
    n_nodes: usize,
    n_bytes: usize,
}

/// A sequence or map that is still open.
struct Open {
    is_map: bool,
    nodes: Vec<Node>,
    anchor: usize,
    start: Pos,
    before: Size,
}

impl Reader<'_> {
    fn documents(mut self) -> Result<Vec<Node>, Diag> {
        let mut parser = Parser::new_from_str(self.text);
        let mut docs = Vec::new();
        let mut open: Vec<Open> = Vec::new();
        while let Some(event) = parser.next_event() {
            let (event, at) = event.map_err(|e| {
                let pos = self.pos(*e.marker());
                let problem = Problem::Yaml(e.info().to_owned());
                Diag::new(Code::YamlParse, problem, Span { start: pos, end: pos })
            })?;
            let span = self.span(at);
            let before = self.size;
            let (node, anchor, before) = match event {
                Event::Nothing | Event::StreamStart | Event::DocumentEnd => continue,
                // Anchors end with their document.
                Event::DocumentStart(_) => {
                    self.anchors.clear();
                    continue;
                }
                Event::StreamEnd => break,
                Event::SequenceStart(anchor, _) | Event::MappingStart(anchor, _) => {
                    self.count(Size { n_nodes: 1, n_bytes: 0 }, span)?;
                    if open.len() >= MAX_DEPTH {
                        let problem = Problem::NestedTooDeep { limit: MAX_DEPTH };
                        return Err(Diag::new(Code::YamlParse, problem, span));
                    }
                    open.push(Open {
                        is_map: matches!(event, Event::MappingStart(..)),
                        nodes: Vec::new(),
                        anchor,
                        start: span.start,
                        before,
                    });
                    continue;
                }
                Event::Scalar(text, style, anchor, tag) => {
                    self.count(Size { n_nodes: 1, n_bytes: text.len() }, span)?;
                    let anchored = anchor != 0 || tag.is_some();
                    let kind = Kind::Scalar { text: text.into(), style, anchored };
                    (Node { kind, span }, anchor, before)
                }
                Event::Alias(id) => {
                    let Some((node, size)) = self.anchors.get(&id).cloned() else {
                        return Err(Diag::new(Code::YamlParse, Problem::AliasInsideItself, span));
                    };
                    self.count(size, span)?;
                    (node, 0, before)
                }
                Event::SequenceEnd | Event::MappingEnd => {
                    let Some(done) = open.pop() else { continue };
                    let span = Span { start: done.start, end: span.end };
                    let kind = if done.is_map {
                        let mut nodes = done.nodes.into_iter();
                        let mut pairs = Vec::new();
                        while let (Some(k), Some(v)) = (nodes.next(), nodes.next()) {
                            pairs.push((k, v));
                        }
                        Kind::Map(pairs.into())
                    } else {
                        Kind::Seq(done.nodes.into())
                    };
                    (Node { kind, span }, done.anchor, done.before)
                }
            };
            if anchor != 0 {
                let size = Size {
                    n_nodes: self.size.n_nodes - before.n_nodes,
                    n_bytes: self.size.n_bytes - before.n_bytes,
                };
                self.anchors.insert(anchor, (node.clone(), size));
            }
            match open.last_mut() {
                Some(o) => o.nodes.push(node),
                None => docs.push(node),
            }
        }
        Ok(docs)
    }

    fn count(&mut self, more: Size, span: Span) -> Result<(), Diag> {
        let Size { n_nodes, n_bytes } = &mut self.size;
        *n_nodes = n_nodes.saturating_add(more.n_nodes);
        *n_bytes = n_bytes.saturating_add(more.n_bytes);
        let problem = if *n_nodes > MAX_NODES {
            Problem::TooManyNodes { limit: MAX_NODES }
        } else if *n_bytes > MAX_EXPANDED_BYTES {
            Problem::TooManyBytes { limit: MAX_EXPANDED_BYTES }
        } else {
            return Ok(());
        };
        Err(Diag::new(Code::YamlParse, problem, span))
    }

    fn pos(&mut self, marker: Marker) -> Pos {
        Pos { file: self.file, offset: self.marks.byte(self.text, marker.index()) as u32 }
    }

    fn span(&mut self, at: YamlSpan) -> Span {
        let start = self.pos(at.start);
        let end = self.pos(at.end);
        Span { start, end: if end.offset < start.offset { start } else { end } }
    }
}

/// Character index to byte offset; remembers the last answer because markers mostly move forward.
#[derive(Default)]
struct Marks {
    chars: usize,
    bytes: usize,
}

impl Marks {
    fn byte(&mut self, text: &str, chars: usize) -> usize {
        if chars < self.chars {
            // A span's start lies before the last span's end: walk back over the few characters between.
            let back = self.chars - chars;
            self.bytes =
                text[..self.bytes].char_indices().rev().nth(back - 1).map_or(0, |(i, _)| i);
        } else {
            let rest = &text[self.bytes..];
            let step = rest.char_indices().nth(chars - self.chars).map_or(rest.len(), |(i, _)| i);
            self.bytes += step;
        }
        self.chars = chars;
        self.bytes
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::source::Source;

    fn files(text: &str) -> Files {
        let mut files = Files::default();
        files.add(Source { name: "t".into(), text: text.into() });
        files
    }

    /// The value of the only map entry, each character with the text that stands at its position.
    fn written(text: &str) -> (String, String) {
        let files = files(text);
        let docs = read(&files, 0).unwrap();
        let Kind::Map(pairs) = &docs[0].kind else { panic!("a map") };
        let traced = pairs[0].1.traced(&files).unwrap();
        let value = traced.as_str().to_owned();
        let at = value
            .char_indices()
            .map(|(i, _)| text[traced.pos(i).offset as usize..].chars().next().unwrap_or('$'))
            .collect();
        (value, at)
    }

    #[test]
    fn every_scalar_style_keeps_positions() {
        for (text, value, at) in [
            ("k: a bc", "a bc", "a bc"),
            ("k: &x a bc", "a bc", "a bc"),
            ("k: 'it''s'", "it's", "it's"),
            ("k: \"a\\tb \\x41\\\n   c\"", "a\tb Ac", "a\\b \\c"),
            ("k: |\n  a\n   b\n\n  c\n", "a\n b\n\nc\n", "a\n b\n\nc\n"),
            ("k: >\n  é a\n  b\n", "é a b\n", "é a\nb\n"),
            ("k: plain\n   two", "plain two", "plain\ntwo"),
        ] {
            assert_eq!(written(text), (value.into(), at.into()), "{text:?}");
        }
    }

    fn problem(text: &str) -> Problem {
        *read(&files(text), 0).unwrap_err().problem
    }

    #[test]
    fn an_alias_bomb_is_refused() {
        let line = |i: usize| match i {
            0 => "- &a0 [x, x, x, x, x, x, x, x, x, x]\n".to_owned(),
            i => format!("- &a{i} [{}]\n", vec![format!("*a{}", i - 1); 10].join(", ")),
        };
        let text: String = (0..10).map(line).collect();
        assert!(matches!(problem(&text), Problem::TooManyNodes { .. }));
    }

    #[test]
    fn a_long_text_named_often_is_refused() {
        let text = format!("- &a {}\n{}", "x".repeat(1 << 20), "- *a\n".repeat(20));
        assert!(matches!(problem(&text), Problem::TooManyBytes { .. }));
    }

    #[test]
    fn deep_nesting_is_refused() {
        assert!(matches!(problem(&"[".repeat(100)), Problem::NestedTooDeep { .. }));
    }

    #[test]
    fn an_alias_inside_its_anchor_is_refused() {
        assert!(matches!(problem("- &a [*a]"), Problem::AliasInsideItself));
    }
}
