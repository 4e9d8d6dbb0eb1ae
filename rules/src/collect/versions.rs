//! What a file requires: a version of the rule engine, and plugins.

use std::collections::BTreeSet;

use crate::error::{Code, Diag, Diags, Problem};
use crate::items::{Map, yaml_number};
use crate::source::Span;
use crate::yaml::{Kind, Node};

/// The version of Falco's rule engine whose language this is.
pub const ENGINE_VERSION: &str = "0.63.0";
const ENGINE: (u64, u64, u64) = (0, 63, 0);
/// Plugins whose fields are built in, in whatever version.
const BUILT_IN_PLUGINS: &[&str] = &["container"];
/// Required plugins of one load.
const MAX_PLUGINS: usize = 10_000;

/// One entry of `required_plugin_versions`: one of these has to be there.
#[derive(Debug)]
pub(super) struct PluginNeed {
    /// Name and version.
    any_of: Vec<(String, String)>,
    span: Span,
}

/// Checks `required_engine_version`.
pub(super) fn engine(map: &Map<'_>) -> Result<(), Diag> {
    let text = map.require_text("required_engine_version")?;
    let (span, text) = (text.span(0..text.len()), text.as_str());
    let version = yaml_number(text).map(|n| (0, u64::from(n), 0)).or_else(|| version(text));
    let Some(required) = version else {
        return Err(Diag::new(Code::YamlValidate, Problem::BadVersion(text.to_owned()), span)
            .hint("`x.y.z`, or a whole number N for 0.N.0"));
    };
    if required.0 != ENGINE.0 || required > ENGINE {
        let problem = Problem::EngineTooOld { required: text.to_owned(), ours: ENGINE_VERSION };
        return Err(Diag::new(Code::Validate, problem, span));
    }
    Ok(())
}

/// Reads `required_plugin_versions`.
pub(super) fn plugins(map: &Map<'_>, needs: &mut Vec<PluginNeed>) -> Result<(), Diag> {
    const KEY: &str = "required_plugin_versions";
    const ALTERNATIVES: &str = "alternatives";
    let Some(node) = map.get(KEY) else { return Ok(()) };
    for entry in sequence(node, KEY)? {
        let plugin = Map::new(map.files, entry).ok_or_else(|| not_maps(entry, KEY))?;
        let mut any_of = Vec::new();
        let mut names = BTreeSet::new();
        let mut add = |plugin: &Map<'_>| {
            plugin.require(&["name", "version"])?;
            let name = plugin.require_text("name")?;
            let text = plugin.require_text("version")?;
            if version(text.as_str()).is_none() {
                let problem = Problem::BadVersion(text.as_str().to_owned());
                return Err(Diag::new(Code::Validate, problem, text.span(0..text.len()))
                    .hint("versions of plugins are written `x.y.z`"));
            }
            if !names.insert(name.as_str().to_owned()) {
                let problem = Problem::PluginTwice(name.as_str().to_owned());
                return Err(Diag::new(Code::Validate, problem, name.span(0..name.len())));
            }
            any_of.push((name.as_str().to_owned(), text.as_str().to_owned()));
            Ok(())
        };
        add(&plugin)?;
        if let Some(others) = plugin.get(ALTERNATIVES) {
            for other in sequence(others, ALTERNATIVES)? {
                add(&Map::new(map.files, other).ok_or_else(|| not_maps(other, ALTERNATIVES))?)?;
            }
        }
        if needs.len() >= MAX_PLUGINS {
            return Err(super::too_many("required plugins", MAX_PLUGINS, entry.span));
        }
        needs.push(PluginNeed { any_of, span: entry.span });
    }
    Ok(())
}

/// Falco does not start without a plugin that its rules require, even where no rule uses it.
pub(super) fn check_plugins(needs: &[PluginNeed], diags: &mut Diags) {
    let is_there = |(name, _): &(String, String)| BUILT_IN_PLUGINS.contains(&name.as_str());
    for need in needs.iter().filter(|n| !n.any_of.iter().any(is_there)) {
        let names: Vec<String> =
            need.any_of.iter().map(|(name, version)| format!("{name} (>= {version})")).collect();
        let problem = Problem::PluginNeeded(names.join(", "));
        diags.push(Diag::new(Code::Validate, problem, need.span));
    }
}

/// `x.y.z`; text behind it does not count.
fn version(text: &str) -> Option<(u64, u64, u64)> {
    let (major, rest) = text.split_once('.')?;
    let (minor, rest) = rest.split_once('.')?;
    let digits = rest.find(|c: char| !c.is_ascii_digit()).unwrap_or(rest.len());
    let number = |t: &str| t.bytes().all(|b| b.is_ascii_digit()).then(|| t.parse().ok()).flatten();
    Some((number(major)?, number(minor)?, number(&rest[..digits])?))
}

fn sequence<'a>(node: &'a Node, key: &'static str) -> Result<&'a [Node], Diag> {
    match &node.kind {
        Kind::Seq(entries) => Ok(entries),
        _ => Err(not_maps(node, key)),
    }
}

fn not_maps(node: &Node, key: &'static str) -> Diag {
    let problem = Problem::WrongType { key, expected: "a sequence of maps" };
    Diag::new(Code::YamlValidate, problem, node.span)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_have_three_numbers() {
        for (text, expected) in [
            ("0.4.0", Some((0, 4, 0))),
            ("1.2.3-rc1", Some((1, 2, 3))),
            ("1.2.3.4", Some((1, 2, 3))),
            ("1.2", None),
            ("1.2.", None),
            ("1.x.3", None),
            ("-1.2.3", None),
            ("", None),
            ("99999999999999999999.0.0", None),
        ] {
            assert_eq!(version(text), expected, "{text:?}");
        }
    }
}
