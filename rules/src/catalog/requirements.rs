//! The versions that rule files require, collected for descriptions.

use super::describe::RequiredPlugin;
use crate::items::yaml_number;
use crate::source::Files;
use crate::yaml::{Kind, Node, read};

/// The highest required version of the engine, and the required plugins, of files that load.
pub(super) fn requirements(files: &Files, n_files: u32) -> (String, Vec<RequiredPlugin>) {
    let mut engine = (0, 0, 0);
    let mut plugins = Vec::new();
    for doc in (0..n_files).flat_map(|file| read(files, file).unwrap_or_default()) {
        for item in elements(&doc) {
            if let Some(text) = text(item, "required_engine_version") {
                engine = engine.max(version(text));
            } else if let Some(entries) = value(item, "required_plugin_versions") {
                plugins.extend(elements(entries).iter().map(|entry| {
                    let others = value(entry, "alternatives").map_or(&[][..], elements);
                    let alternatives = Some(others.iter().map(plugin).collect());
                    RequiredPlugin { alternatives, ..plugin(entry) }
                }));
            }
        }
    }
    (format!("{}.{}.{}", engine.0, engine.1, engine.2), plugins)
}

fn plugin(entry: &Node) -> RequiredPlugin {
    let of = |key| text(entry, key).unwrap_or_default().to_owned();
    RequiredPlugin { alternatives: None, name: of("name"), version: of("version") }
}

/// A number N stands for `0.N.0`.
fn version(text: &str) -> (u64, u64, u64) {
    if let Some(n) = yaml_number(text) {
        return (0, u64::from(n), 0);
    }
    let digits = |part: &str| {
        let end = part.find(|c: char| !c.is_ascii_digit()).unwrap_or(part.len());
        part[..end].parse().unwrap_or(0)
    };
    let mut parts = text.split('.').map(digits);
    let mut next = || parts.next().unwrap_or(0);
    (next(), next(), next())
}

fn elements(node: &Node) -> &[Node] {
    match &node.kind {
        Kind::Seq(nodes) => nodes,
        _ => &[],
    }
}

fn value<'a>(map: &'a Node, key: &str) -> Option<&'a Node> {
    let Kind::Map(pairs) = &map.kind else { return None };
    pairs.iter().find(|(k, _)| k.scalar() == Some(key)).map(|(_, v)| v)
}

fn text<'a>(map: &'a Node, key: &str) -> Option<&'a str> {
    value(map, key).and_then(Node::scalar)
}
