//! What keys are set to, and where: which of those that changed a running agent cannot take, and which files it reads.

use std::path::{Path, PathBuf};

use serde_yaml::Value;

use super::DEFAULT_FILE;
use super::check::{default_of, value_of};
use super::schema::{Key, keys};
use super::show::{given, place};
use super::tree::{Node, Tree};
use crate::cli::ConfigSource;

/// Keys that a reload takes: what rules there are, what alerts look like, and which files tell of that. All others take a restart.
const LIVE: [&str; 16] = [
    "append_output",
    "buffer_format_base64",
    "config_files",
    "json_include_message_property",
    "json_include_output_fields_property",
    "json_include_output_property",
    "json_include_tags_property",
    "json_output",
    "priority",
    "rule_matching",
    "rules",
    "rules_file",
    "rules_files",
    "static_fields",
    "time_format_iso_8601",
    "watch_config_files",
];

/// A configuration's keys and files.
#[derive(Clone, Debug, Default)]
pub(crate) struct Given {
    /// Those that take a restart: typed value, and where it comes from.
    keys: Vec<(&'static str, Option<Value>, String)>,
    /// The main file, and what `config_files` names, whether it is there or not.
    files: Vec<PathBuf>,
}

impl Given {
    pub(super) fn of(tree: &Node, source: &ConfigSource) -> Self {
        let key = |key: &'static Key| {
            let node = given(tree, key).unwrap_or_else(|| default_of(key));
            (key.path, value_of(key, &node), place(&node))
        };
        let keys = keys().filter(|key| key.is_read() && !LIVE.contains(&key.path)).map(key);
        let mut files = vec![source.config.clone().unwrap_or_else(|| DEFAULT_FILE.into())];
        files.extend(tree.get("config_files").into_iter().flat_map(included));
        Self { keys: keys.collect(), files }
    }

    /// Keys that have another value than before, each with where it is set now.
    pub(crate) fn changed_since(&self, before: &Self) -> Vec<String> {
        let both = self.keys.iter().zip(&before.keys);
        let changed = both.filter(|((_, now, _), (_, before, _))| now != before);
        changed.map(|((key, _, place), _)| format!("{key} ({place})")).collect()
    }

    /// The files and directories that it is read from.
    pub(crate) fn files(&self) -> impl Iterator<Item = &Path> {
        self.files.iter().map(PathBuf::as_path)
    }
}

/// The paths of `config_files`.
fn included(node: &Node) -> Vec<PathBuf> {
    let path = |entry: &Node| {
        let path = entry.scalar().or_else(|| entry.get("path")?.scalar());
        path.map(PathBuf::from)
    };
    match &node.value {
        Tree::List(nodes) => nodes.iter().filter_map(path).collect(),
        Tree::Scalar(_) | Tree::Map(_) => path(node).into_iter().collect(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::environment::Environment;
    use crate::config::schema::key;
    use crate::config::tree::Origin;

    fn of(text: &str) -> Given {
        let place = |line, column| Origin::File { file: "p.yaml".into(), line, column };
        let mut environment = Environment::new(&|_| None);
        let tree = Node::read("p.yaml", text.to_owned(), &place, &mut environment).unwrap();
        Given::of(&tree, &ConfigSource::default())
    }

    #[test]
    fn live_keys_are_keys() {
        for path in LIVE {
            assert!(key(path).is_some(), "{path}");
        }
    }

    #[test]
    fn changed_keys_are_told_with_their_place() {
        let before = of("priority: error\nperegrine: {shards: 2, spread: true}\n");
        let same = of("peregrine:\n  shards: 2\nrules_files: [/a]\njson_output: true\n");
        assert_eq!(same.changed_since(&before), Vec::<String>::new());
        let now = of("output_timeout: 100\nperegrine:\n  shards: 3\n");
        assert_eq!(
            now.changed_since(&before),
            ["output_timeout (p.yaml:1)", "peregrine.shards (p.yaml:3)"]
        );
        assert_eq!(of("{}").changed_since(&before), ["peregrine.shards (default)"]);
    }

    #[test]
    fn files_are_those_that_may_be_read() {
        let files = |text: &str| of(text).files;
        let default = PathBuf::from(DEFAULT_FILE);
        assert_eq!(files("{}"), std::slice::from_ref(&default));
        assert_eq!(
            files("config_files: [/a, {path: /b, strategy: override}, {}]"),
            [default.clone(), "/a".into(), "/b".into()]
        );
        assert_eq!(files("config_files: /a"), [default, "/a".into()]);
    }
}
