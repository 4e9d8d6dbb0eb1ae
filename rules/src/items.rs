//! Items of a rule file: which kind a map is, and typed access to its keys.

use std::sync::Arc;

use crate::error::{Code, Diag, Diags, ItemKind, Problem, closest};
use crate::source::{Files, Span, Traced};
use crate::yaml::{Kind, Node};

/// One item of a file, its keys not read yet.
pub(crate) enum Item<'a> {
    EngineVersion(&'a Node),
    PluginVersions(&'a Node),
    Named { kind: ItemKind, name: Arc<str>, map: Map<'a> },
}

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
    nodes.iter().filter_map(|node| item(files, node, diags)).collect()
}

fn item<'a>(files: &'a Files, node: &'a Node, diags: &mut Diags) -> Option<Item<'a>> {
    let Kind::Map(pairs) = &node.kind else {
        let problem = Problem::NotAnItem(node.kind_name());
        diags.push(Diag::new(Code::YamlValidate, problem, node.span));
        return None;
    };
    let map = Map { files, pairs, span: node.span };
    if let Some(version) = map.get("required_engine_version") {
        return Some(Item::EngineVersion(version));
    }
    if let Some(versions) = map.get("required_plugin_versions") {
        return Some(Item::PluginVersions(versions));
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
    for (key, _) in pairs.iter() {
        let text = key.scalar().unwrap_or_default();
        if !keys.contains(&text) {
            let problem = Problem::UnknownKey(text.to_owned());
            let diag = Diag::new(Code::UnknownKey, problem, key.span)
                .did_you_mean(closest(text, keys.iter().copied()));
            diags.push(diag.of(kind, &name));
        }
    }
    Some(Item::Named { kind, name, map })
}

/// The keys of an item.
#[derive(Clone, Copy)]
pub(crate) struct Map<'a> {
    files: &'a Files,
    pairs: &'a [(Node, Node)],
    pub(crate) span: Span,
}

impl<'a> Map<'a> {
    /// The value of a key; the first one where a key stands twice.
    pub(crate) fn get(&self, key: &str) -> Option<&'a Node> {
        self.pairs.iter().find(|(k, _)| k.scalar() == Some(key)).map(|(_, v)| v)
    }

    pub(crate) fn keys(&self) -> impl Iterator<Item = (&'a str, Span)> + use<'a> {
        self.pairs.iter().filter_map(|(k, _)| Some((k.scalar()?, k.span)))
    }

    fn wrong(node: &Node, key: &'static str, expected: &'static str) -> Diag {
        Diag::new(Code::YamlValidate, Problem::WrongType { key, expected }, node.span)
    }

    pub(crate) fn missing(&self, key: &'static str) -> Diag {
        Diag::new(Code::YamlValidate, Problem::MissingKey(key), self.span)
    }

    /// Text of a key, trimmed.
    pub(crate) fn text(&self, key: &'static str) -> Result<Option<Traced>, Diag> {
        let Some(node) = self.get(key) else { return Ok(None) };
        match node.traced(self.files) {
            Some(text) => Ok(Some(text.trimmed())),
            None => Err(Self::wrong(node, key, "text")),
        }
    }

    /// Text of a key that may not be empty or absent.
    pub(crate) fn require_text(&self, key: &'static str) -> Result<Traced, Diag> {
        let text = self.text(key)?.ok_or_else(|| self.missing(key))?;
        if text.len() == 0 {
            let span = self.get(key).map_or(self.span, |n| n.span);
            let problem = Problem::WrongType { key, expected: "text that is not empty" };
            return Err(Diag::new(Code::YamlValidate, problem, span));
        }
        Ok(text)
    }

    pub(crate) fn bool(&self, key: &'static str) -> Result<Option<bool>, Diag> {
        let Some(node) = self.get(key) else { return Ok(None) };
        let text = node.scalar().unwrap_or_default().to_ascii_lowercase();
        match text.as_str() {
            "true" | "yes" | "on" | "y" => Ok(Some(true)),
            "false" | "no" | "off" | "n" => Ok(Some(false)),
            _ => Err(Self::wrong(node, key, "true or false")),
        }
    }

    /// A sequence of scalars.
    pub(crate) fn texts(&self, key: &'static str) -> Result<Option<Vec<(String, Span)>>, Diag> {
        let Some(node) = self.get(key) else { return Ok(None) };
        match &node.kind {
            Kind::Seq(nodes) => nodes
                .iter()
                .map(|n| match n.scalar() {
                    Some(text) => Ok((text.to_owned(), n.span)),
                    None => Err(Self::wrong(n, key, "a sequence of texts")),
                })
                .collect::<Result<_, _>>()
                .map(Some),
            _ if node.is_null() => Ok(Some(Vec::new())),
            _ => Err(Self::wrong(node, key, "a sequence of texts")),
        }
    }

    /// A map of texts, in its order.
    pub(crate) fn text_map(&self, key: &'static str) -> Result<Option<TextMap<'a>>, Diag> {
        let Some(node) = self.get(key) else { return Ok(None) };
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

/// Key, value and where the key stands.
pub(crate) type TextMap<'a> = Vec<(&'a str, &'a str, Span)>;
