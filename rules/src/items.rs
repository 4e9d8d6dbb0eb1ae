//! Items of a rule file: which kind a map is, and typed access to its keys.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::sync::Arc;

use crate::error::{Code, Diag, Diags, ItemKind, Problem, closest};
use crate::source::{Files, Span, Traced};
use crate::yaml::{Kind, Node};

/// One item of a file, its keys not read yet.
pub(crate) enum Item<'a> {
    EngineVersion(Map<'a>),
    PluginVersions(Map<'a>),
    Named { kind: ItemKind, name: Arc<str>, map: Map<'a> },
}

const ENGINE_VERSION: &str = "required_engine_version";
const PLUGIN_VERSIONS: &str = "required_plugin_versions";
const NOT_EMPTY: &str = "text that is not empty";
const LIST_KEYS: &[&str] = &["list", "items", "append", "override"];
const MACRO_KEYS: &[&str] = &["macro", "condition", "append", "override"];
const RULE_KEYS: &[&str] = &[
    "rule",
    "desc",
    "condition",
    "output",
    "priority",
    "source",
    "enabled",
    "tags",
    "exceptions",
    "warn_evttypes",
    "skip-if-unknown-filter",
    "capture",
    "capture_duration",
    "append",
    "override",
];

/// Splits a document into items; what is none is noted and skipped.
pub(crate) fn items<'a>(files: &'a Files, doc: &'a Node, diags: &mut Diags) -> Vec<Item<'a>> {
    let Kind::Seq(nodes) = &doc.kind else {
        // A document of comments only.
        if !doc.is_null() {
            let problem = Problem::NotASequence(doc.kind_name());
            diags.push(Diag::new(Code::YamlValidate, problem, doc.span));
        }
        return Vec::new();
    };
    nodes.iter().filter(|n| !n.is_null()).filter_map(|node| item(files, node, diags)).collect()
}

fn item<'a>(files: &'a Files, node: &'a Node, diags: &mut Diags) -> Option<Item<'a>> {
    let Some(map) = Map::new(files, node) else {
        let problem = Problem::NotAnItem(node.kind_name());
        diags.push(Diag::new(Code::YamlValidate, problem, node.span));
        return None;
    };
    for (key, item) in
        [(ENGINE_VERSION, Item::EngineVersion(map)), (PLUGIN_VERSIONS, Item::PluginVersions(map))]
    {
        if map.get(key).is_some() {
            unknown_keys(&map, &[key]).for_each(|d| diags.push(d));
            return Some(item);
        }
    }
    let (kind, keys) = if map.get("list").is_some() {
        (ItemKind::List, LIST_KEYS)
    } else if map.get("macro").is_some() {
        (ItemKind::Macro, MACRO_KEYS)
    } else if map.get("rule").is_some() {
        (ItemKind::Rule, RULE_KEYS)
    } else {
        diags.push(Diag::new(Code::UnknownItem, Problem::UnknownItem, node.span));
        return None;
    };
    let name = diags.keep(map.require_text(kind.as_str()))?;
    let name: Arc<str> = name.as_str().into();
    unknown_keys(&map, keys).for_each(|d| diags.push(d.of(kind, &name)));
    Some(Item::Named { kind, name, map })
}

/// A warning for each key that does nothing: it is not one of these, or stands there a second time.
pub(crate) fn unknown_keys(map: &Map<'_>, known: &[&str]) -> impl Iterator<Item = Diag> {
    let files = map.files;
    let mut first: HashMap<&str, Span> = HashMap::new();
    map.pairs.iter().filter_map(move |(key, _)| {
        let (key, span) = (key.scalar().unwrap_or_default(), key.span);
        if !known.contains(&key) {
            let diag = Diag::new(Code::UnknownKey, Problem::UnknownKey(key.to_owned()), span);
            return Some(diag.did_you_mean(closest(key, known.iter().copied())));
        }
        match first.entry(key) {
            Entry::Vacant(place) => {
                place.insert(span);
                None
            }
            Entry::Occupied(first) => {
                let line = files.place(*first.get()).line;
                let problem = Problem::KeyTwice { key: key.to_owned(), line };
                Some(Diag::new(Code::UnknownKey, problem, span))
            }
        }
    })
}

/// The keys of an item.
#[derive(Clone, Copy)]
pub(crate) struct Map<'a> {
    pub(crate) files: &'a Files,
    pairs: &'a [(Node, Node)],
    pub(crate) span: Span,
}

impl<'a> Map<'a> {
    pub(crate) fn new(files: &'a Files, node: &'a Node) -> Option<Self> {
        let Kind::Map(pairs) = &node.kind else { return None };
        Some(Self { files, pairs, span: node.span })
    }

    /// The value of a key; the first one where a key stands twice.
    pub(crate) fn get(&self, key: &str) -> Option<&'a Node> {
        self.pairs.iter().find(|(k, _)| k.scalar() == Some(key)).map(|(_, v)| v)
    }

    pub(crate) fn keys(&self) -> impl Iterator<Item = (&'a str, Span)> + use<'a> {
        self.pairs.iter().filter_map(|(k, _)| Some((k.scalar()?, k.span)))
    }

    pub(crate) fn wrong(node: &Node, key: &'static str, expected: &'static str) -> Diag {
        Diag::new(Code::YamlValidate, Problem::WrongType { key, expected }, node.span)
    }

    pub(crate) fn missing(&self, key: &'static str) -> Diag {
        Diag::new(Code::YamlValidate, Problem::MissingKeys(vec![key]), self.span)
    }

    /// Names all of these keys that the map lacks.
    pub(crate) fn require(&self, keys: &[&'static str]) -> Result<(), Diag> {
        let missing: Vec<_> = keys.iter().copied().filter(|key| self.get(key).is_none()).collect();
        if missing.is_empty() {
            return Ok(());
        }
        Err(Diag::new(Code::YamlValidate, Problem::MissingKeys(missing), self.span))
    }

    /// Text of a key, trimmed; where the key stands, so must text.
    pub(crate) fn text(&self, key: &'static str) -> Result<Option<Traced>, Diag> {
        let Some(node) = self.get(key) else { return Ok(None) };
        match node.traced(self.files) {
            Some(text) if text.len() > 0 && !node.is_null() => Ok(Some(text.trimmed())),
            Some(_) => Err(Self::wrong(node, key, NOT_EMPTY)),
            None => Err(Self::wrong(node, key, "text")),
        }
    }

    /// Text of a key that may not be empty or absent.
    pub(crate) fn require_text(&self, key: &'static str) -> Result<Traced, Diag> {
        let text = self.text(key)?.ok_or_else(|| self.missing(key))?;
        if text.len() == 0 {
            let span = self.get(key).map_or(self.span, |n| n.span);
            let problem = Problem::WrongType { key, expected: NOT_EMPTY };
            return Err(Diag::new(Code::YamlValidate, problem, span));
        }
        Ok(text)
    }

    pub(crate) fn bool(&self, key: &'static str) -> Result<Option<bool>, Diag> {
        let Some(node) = self.get(key) else { return Ok(None) };
        let text = node.scalar().and_then(yaml_bool);
        text.map(Some).ok_or_else(|| Self::wrong(node, key, "true or false"))
    }

    /// A whole number.
    pub(crate) fn number(&self, key: &'static str) -> Result<Option<u32>, Diag> {
        let Some(node) = self.get(key) else { return Ok(None) };
        let number = node.scalar().and_then(yaml_number);
        number
            .map(Some)
            .ok_or_else(|| Self::wrong(node, key, "a whole number from 0 to 4294967295"))
    }

    /// A sequence of scalars.
    pub(crate) fn texts(&self, key: &'static str) -> Result<Option<Vec<String>>, Diag> {
        let Some(node) = self.get(key) else { return Ok(None) };
        let wrong = |n: &Node| Self::wrong(n, key, "a sequence of texts");
        let Kind::Seq(nodes) = &node.kind else { return Err(wrong(node)) };
        let text = |n: &Node| match n.scalar() {
            Some(text) if !n.is_null() => Ok(text.to_owned()),
            _ => Err(wrong(n)),
        };
        nodes.iter().map(text).collect::<Result<_, _>>().map(Some)
    }

    /// A map of texts, in its order.
    pub(crate) fn text_map(&self, key: &'static str) -> Result<Option<TextMap<'a>>, Diag> {
        let Some(node) = self.get(key).filter(|n| !n.is_null()) else { return Ok(None) };
        let Kind::Map(pairs) = &node.kind else { return Err(Self::wrong(node, key, "a map")) };
        pairs
            .iter()
            .map(|(k, v)| match (k.scalar(), v.scalar()) {
                (Some(k_text), Some(v_text)) => Ok((k_text, v_text, k.span)),
                _ => Err(Self::wrong(v, key, "a map of texts")),
            })
            .collect::<Result<_, _>>()
            .map(Some)
    }
}

/// YAML's words for true and false: in lower case, upper case, or with one capital.
fn yaml_bool(text: &str) -> Option<bool> {
    let lower = text.to_ascii_lowercase();
    let tail = text.get(1..)?;
    let is_written_so = tail == &lower[1..] || text == text.to_ascii_uppercase();
    match lower.as_str() {
        "true" | "yes" | "on" | "y" if is_written_so => Some(true),
        "false" | "no" | "off" | "n" if is_written_so => Some(false),
        _ => None,
    }
}

/// A whole number: hexadecimal behind `0x`, octal behind `0`, else decimal, as Falco's reader takes it.
pub(crate) fn yaml_number(text: &str) -> Option<u32> {
    let unsigned = text.strip_prefix('+').unwrap_or(text);
    let (digits, radix) = match unsigned.strip_prefix('0') {
        Some(rest) => match rest.strip_prefix(['x', 'X']) {
            Some(digits) => (digits, 16),
            None if rest.is_empty() => (unsigned, 10),
            None => (rest, 8),
        },
        None => (unsigned, 10),
    };
    // Here no second sign may follow.
    if digits.starts_with('+') { None } else { u32::from_str_radix(digits, radix).ok() }
}

/// Key, value and where the key stands.
pub(crate) type TextMap<'a> = Vec<(&'a str, &'a str, Span)>;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_have_the_bases_of_yaml_cpp() {
        for (text, number) in [
            ("0", Some(0)),
            ("16", Some(16)),
            ("+16", Some(16)),
            ("0x10", Some(16)),
            ("0XfF", Some(255)),
            ("020", Some(16)),
            ("4294967295", Some(u32::MAX)),
            ("4294967296", None),
            ("-1", None),
            ("++1", None),
            ("0x+1", None),
            ("0+1", None),
            ("08", None),
            ("0x", None),
            ("", None),
            ("+", None),
            ("1.5", None),
            ("1 2", None),
        ] {
            assert_eq!(yaml_number(text), number, "{text:?}");
        }
    }
}
