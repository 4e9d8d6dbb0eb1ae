//! YAML for others than rules: a tree whose nodes know their places, read within the limits of rule files.

use std::collections::HashMap;

use crate::error::RuleError;
use crate::source::{Files, Source};
use crate::yaml::{self, Kind, Node};

/// A node of a YAML document, and where it stands.
///
/// ```
/// use rules::{Source, YamlNode, YamlValue};
///
/// let source = Source { name: "a.yaml".into(), text: "a: 1\nb: 'x'\n".into() };
/// let documents = YamlNode::read(source).unwrap();
/// let YamlValue::Map(pairs) = &documents[0].value else { panic!("a map") };
/// let (key, value) = &pairs[1];
/// assert_eq!((key.line, key.column, value.column), (2, 1, 4));
/// assert_eq!(value.value, YamlValue::Scalar { text: "x".into(), is_plain: false });
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct YamlNode {
    /// Line, from 1.
    pub line: u32,
    /// Column, from 1, in characters.
    pub column: u32,
    /// What stands there.
    pub value: YamlValue,
}

/// What a node is. Scalars are as written: what a plain one means is the reader's affair.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum YamlValue {
    /// A text, number, truth value or nothing.
    Scalar {
        /// The text, escapes replaced.
        text: String,
        /// It stands without quotes.
        is_plain: bool,
    },
    /// A list.
    Sequence(Vec<YamlNode>),
    /// A map, in the order of the text; a key may come twice.
    Map(Vec<(YamlNode, YamlNode)>),
}

impl YamlNode {
    /// The documents of a file; aliases are copies of what they name.
    ///
    /// # Errors
    /// The text is no YAML, too long, nested too deeply, or too large once aliases are replaced; with its place.
    pub fn read(source: Source) -> Result<Vec<Self>, Box<RuleError>> {
        let mut files = Files::default();
        let file = files.add(source);
        let documents = yaml::read(&files, file).map_err(|diag| diag.draw(&files))?;
        let mut places = Places::new(files.text(file));
        Ok(documents.iter().map(|node| places.tree(node)).collect())
    }
}

/// Lines and columns of offsets, told in one pass over the text: nodes come in the order of the text, but for those that an alias names, which
/// came before.
struct Places<'a> {
    text: &'a str,
    at: usize,
    line: u32,
    column: u32,
    known: HashMap<usize, (u32, u32)>,
}

impl<'a> Places<'a> {
    fn new(text: &'a str) -> Self {
        Self { text, at: 0, line: 1, column: 1, known: HashMap::new() }
    }

    fn place(&mut self, offset: usize) -> (u32, u32) {
        if let Some(&known) = self.known.get(&offset) {
            return known;
        }
        for c in self.text.get(self.at..offset).unwrap_or_default().chars() {
            if c == '\n' {
                (self.line, self.column) = (self.line + 1, 1);
            } else {
                self.column += 1;
            }
        }
        self.at = self.at.max(offset);
        let place = (self.line, self.column);
        self.known.insert(offset, place);
        place
    }

    /// Recursion is as deep as the reader lets documents be.
    fn tree(&mut self, node: &Node) -> YamlNode {
        let (line, column) = self.place(node.span.start.offset as usize);
        let value = match &node.kind {
            Kind::Scalar { text, style, .. } => YamlValue::Scalar {
                text: text.to_string(),
                is_plain: *style == saphyr_parser::ScalarStyle::Plain,
            },
            Kind::Seq(nodes) => YamlValue::Sequence(nodes.iter().map(|n| self.tree(n)).collect()),
            Kind::Map(pairs) => {
                YamlValue::Map(pairs.iter().map(|(k, v)| (self.tree(k), self.tree(v))).collect())
            }
        };
        YamlNode { line, column, value }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<Vec<YamlNode>, Box<RuleError>> {
        YamlNode::read(Source { name: "t.yaml".into(), text: text.into() })
    }

    #[test]
    fn places_are_those_of_the_text_through_aliases() {
        let text = "键: &a [甲, 乙]\nb:\n  - *a\n  - c: d\n";
        let documents = read(text).unwrap();
        let YamlValue::Map(pairs) = &documents[0].value else { panic!("a map") };
        let places = |nodes: &YamlNode| match &nodes.value {
            YamlValue::Sequence(all) => all.iter().map(|n| (n.line, n.column)).collect::<Vec<_>>(),
            _ => panic!("a list"),
        };
        assert_eq!(places(&pairs[0].1), [(1, 8), (1, 11)]);
        let YamlValue::Sequence(b) = &pairs[1].1.value else { panic!("a list") };
        assert_eq!(places(&b[0]), [(1, 8), (1, 11)]);
        let YamlValue::Map(c) = &b[1].value else { panic!("a map") };
        assert_eq!(((c[0].0.line, c[0].0.column), (c[0].1.line, c[0].1.column)), ((4, 5), (4, 8)));
    }

    #[test]
    fn what_is_too_deep_or_no_yaml_has_its_place() {
        let e = read(&"[".repeat(100)).unwrap_err();
        assert_eq!((e.line, e.column), (1, 33), "{}", e.problem);
        let e = read("a: 1\nb: [1\n").unwrap_err();
        assert_eq!(e.line, 3, "{}", e.problem);
    }
}
