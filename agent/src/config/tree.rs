//! The configuration as it is written: a tree of texts, each with the place it comes from. What a text means is the schema's affair.

use std::collections::HashMap;
use std::fmt;
use std::io::Read as _;
use std::path::Path;
use std::sync::Arc;

use anyhow::{Context as _, Result, anyhow, bail};
use rules::{Source, YamlNode, YamlValue};

use super::environment::Environment;

/// A configuration file above this size is refused unread: Falco's own has 60 KB.
pub(super) const MAX_FILE_BYTES: u64 = 1 << 20;

/// Where a value comes from.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) enum Origin {
    /// Nobody gave it.
    Default,
    /// A file; line and column from 1.
    File { file: Arc<str>, line: u32, column: u32 },
    /// An option of the command line.
    Option(Arc<str>),
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Default => f.write_str("default"),
            Self::File { file, line, column } => {
                write!(f, "{}:{line}:{column}", printable(file))
            }
            Self::Option(text) => write!(f, "-o {}", printable(text)),
        }
    }
}

/// Text of files and command lines as it is put into messages: one line, without control characters, and not endless.
pub(super) fn printable(text: &str) -> String {
    const MOST: usize = 200;
    let mut out = String::new();
    for (n, c) in text.chars().enumerate() {
        if n == MOST {
            out.push_str("...");
            break;
        }
        if c.is_control() { out.extend(c.escape_default()) } else { out.push(c) }
    }
    out
}

/// A value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Node {
    pub(super) origin: Origin,
    pub(super) value: Tree,
}

/// What a value is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Tree {
    Scalar(Scalar),
    List(Vec<Node>),
    Map(Vec<Entry>),
}

/// A text, number, truth value or nothing.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Scalar {
    pub(super) text: String,
    /// It stands without quotes.
    pub(super) is_plain: bool,
    /// Variables of the environment that it was made of.
    pub(super) variables: Vec<String>,
}

/// A key of a map.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Entry {
    pub(super) name: String,
    pub(super) origin: Origin,
    pub(super) node: Node,
}

impl Node {
    /// Nothing.
    pub(super) fn null(origin: Origin) -> Self {
        let value = Tree::Scalar(Scalar { is_plain: true, ..Scalar::default() });
        Self { origin, value }
    }

    pub(super) fn empty_map(origin: Origin) -> Self {
        Self { origin, value: Tree::Map(Vec::new()) }
    }

    /// A key without a value is as good as none. A variable that is not set gives an empty text, not that.
    pub(super) fn is_null(&self) -> bool {
        matches!(&self.value, Tree::Scalar(Scalar { text, is_plain: true, variables })
            if variables.is_empty() && matches!(text.as_str(), "" | "~" | "null" | "Null" | "NULL"))
    }

    pub(super) fn scalar(&self) -> Option<&str> {
        match &self.value {
            Tree::Scalar(scalar) if !self.is_null() => Some(&scalar.text),
            _ => None,
        }
    }

    pub(super) fn entries(&self) -> &[Entry] {
        match &self.value {
            Tree::Map(entries) => entries,
            Tree::Scalar(_) | Tree::List(_) => &[],
        }
    }

    /// The value of a key of a map.
    pub(super) fn get(&self, name: &str) -> Option<&Self> {
        self.entries().iter().find(|e| e.name == name).map(|e| &e.node)
    }

    /// The value at a path such as `rules[0].enable`, or as much of the way to it as there is.
    pub(super) fn nearest(&self, path: &str) -> &Self {
        let mut at = self;
        for step in path.split(['.', '[']) {
            let next = match &at.value {
                Tree::Map(_) => at.get(step),
                Tree::List(nodes) => {
                    step.strip_suffix(']').and_then(|n| nodes.get(n.parse::<usize>().ok()?))
                }
                Tree::Scalar(_) => None,
            };
            let Some(next) = next else { break };
            at = next;
        }
        at
    }

    /// What kind of value it is, for messages.
    pub(super) fn shown(&self) -> String {
        match &self.value {
            Tree::Scalar(_) if self.is_null() => "nothing".to_owned(),
            Tree::Scalar(scalar) => format!("{:?}", printable(&scalar.text)),
            Tree::List(_) => "a list".to_owned(),
            Tree::Map(_) => "a map".to_owned(),
        }
    }

    /// Reads one YAML document; `place` makes the origin of a line and a column.
    pub(super) fn read(
        name: &str,
        text: String,
        place: &dyn Fn(u32, u32) -> Origin,
        environment: &mut Environment<'_>,
    ) -> Result<Self> {
        let documents = YamlNode::read(Source { name: name.to_owned(), text })
            .map_err(|e| anyhow!("{}: {}", place(e.line, e.column), e.message()))?;
        let mut documents = documents.into_iter();
        let Some(first) = documents.next() else { return Ok(Self::empty_map(place(1, 1))) };
        if let Some(second) = documents.next() {
            let place = place(second.line, second.column);
            bail!("{place}: a second document (---); a configuration is one");
        }
        convert(first, place, environment)
    }
}

fn convert(
    node: YamlNode,
    place: &dyn Fn(u32, u32) -> Origin,
    environment: &mut Environment<'_>,
) -> Result<Node> {
    let origin = place(node.line, node.column);
    let mut count = |n_bytes| environment.count(n_bytes).map_err(|e| anyhow!("{origin}: {e}"));
    let value = match node.value {
        YamlValue::Scalar { text, is_plain } => {
            count(text.len())?;
            let (text, variables) =
                environment.expand(text).map_err(|e| anyhow!("{origin}: {e}"))?;
            Tree::Scalar(Scalar { text, is_plain, variables })
        }
        YamlValue::Sequence(nodes) => {
            count(0)?;
            let nodes = nodes.into_iter().map(|n| convert(n, place, environment));
            Tree::List(nodes.collect::<Result<_>>()?)
        }
        YamlValue::Map(pairs) => {
            count(0)?;
            let mut seen: HashMap<String, Origin> = HashMap::new();
            let mut entries = Vec::with_capacity(pairs.len());
            for (key, node) in pairs {
                let origin = place(key.line, key.column);
                let YamlValue::Scalar { text: name, .. } = key.value else {
                    bail!("{origin}: a key must be a text");
                };
                environment.count(name.len()).map_err(|e| anyhow!("{origin}: {e}"))?;
                if let Some(first) = seen.insert(name.clone(), origin.clone()) {
                    bail!(
                        "{origin}: the key {:?} is there twice, first at {first}; remove one of them",
                        printable(&name)
                    );
                }
                entries.push(Entry { name, origin, node: convert(node, place, environment)? });
            }
            Tree::Map(entries)
        }
    };
    Ok(Node { origin, value })
}

/// Reads a configuration file.
///
/// # Errors
/// It cannot be read, is too large, no UTF-8, no YAML or no map, with the place.
pub(super) fn read_file(path: &Path, environment: &mut Environment<'_>) -> Result<Node> {
    let name: Arc<str> = path.display().to_string().into();
    let shown = printable(&name);
    let mut bytes = Vec::new();
    std::fs::File::open(path)
        .and_then(|file| file.take(MAX_FILE_BYTES + 1).read_to_end(&mut bytes))
        .with_context(|| format!("cannot read the configuration file {shown}"))?;
    if bytes.len() as u64 > MAX_FILE_BYTES {
        bail!("{shown}: a configuration file of more than {MAX_FILE_BYTES} bytes");
    }
    let source = Source::from_bytes(&shown, bytes)
        .map_err(|e| anyhow!("{shown}:{}:{}: {}", e.line, e.column, e.message()))?;
    let place = |line: u32, column: u32| {
        let file = Arc::clone(&name);
        Origin::File { file, line: line.max(1), column: column.max(1) }
    };
    let node = Node::read(&shown, source.text, &place, environment)?;
    match node.value {
        Tree::Map(_) => Ok(node),
        Tree::Scalar(_) if node.is_null() => Ok(Node::empty_map(node.origin)),
        Tree::Scalar(_) | Tree::List(_) => {
            bail!("{}: must be a map of keys, this is {}", node.origin, node.shown())
        }
    }
}
