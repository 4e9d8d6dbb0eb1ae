//! `config_files`: further files, and how they are put into what is there.

use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, bail};

use super::environment::Environment;
use super::tree::{Entry, Node, Tree, printable, read_file};
use super::trouble::Trouble;
use super::verdict::ReadFile;

const KEY: &str = "config_files";

/// More files than that are a mistake.
const MAX_FILES: usize = 256;

/// How the keys of a file meet those that are there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Strategy {
    /// Lists are joined, everything else is replaced.
    Append,
    /// Everything is replaced.
    Override,
    /// What is there stays.
    AddOnly,
}

/// What was read beside the main file.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Included {
    pub(super) files: Vec<ReadFile>,
    /// Entries that are not there.
    pub(super) missing: Vec<PathBuf>,
}

/// Puts the files of `config_files` into the tree.
///
/// # Errors
/// A directory cannot be read; the configuration is too large as a whole; a file is the main one, or has `config_files` of its own; or an entry is neither a
/// path nor a map. A file that cannot be read is among the troubles.
pub(super) fn include(
    tree: &mut Node,
    main: Option<&Path>,
    environment: &mut Environment<'_>,
    troubles: &mut Vec<Trouble>,
) -> Result<Included> {
    let mut included = Included::default();
    let Some(node) = tree.get(KEY).cloned() else { return Ok(included) };
    let entries = match node.value {
        Tree::List(nodes) => nodes,
        Tree::Scalar(_) if node.is_null() => return Ok(included),
        // One alone may stand without its list, as in Falco.
        Tree::Scalar(_) | Tree::Map(_) => vec![node],
    };
    let main = main.and_then(|path| path.canonicalize().ok());
    for entry in entries {
        let (path, strategy) = entry_of(&entry, troubles)?;
        for file in files(&path).with_context(|| entry.origin.to_string())? {
            if main.is_some() && file.canonicalize().ok() == main {
                bail!(
                    "{}: config_files names the main file, {}; remove it",
                    entry.origin,
                    printable(&file.display().to_string())
                );
            }
            if included.files.len() == MAX_FILES {
                bail!("{}: config_files comes to more than {MAX_FILES} files", entry.origin);
            }
            let read = match read_file(&file, environment) {
                Ok(read) => read,
                Err(e) if environment.is_full() => return Err(e),
                Err(e) => {
                    // What is wrong with the others is told all the same.
                    let text = format!("{KEY}: {}", printable(&format!("{e:#}")));
                    troubles.push(Trouble::error(&entry.origin, text));
                    included.files.push(ReadFile::unread(file));
                    continue;
                }
            };
            included.files.push(ReadFile::new(file, &read));
            let Tree::Map(entries) = read.value else { continue };
            for entry in entries {
                if entry.name == KEY {
                    bail!(
                        "{}: config_files stands in a file that config_files includes; name all files in the main one",
                        entry.origin
                    );
                }
                merge(tree, entry, strategy);
            }
        }
        if !path.exists() {
            included.missing.push(path);
        }
    }
    Ok(included)
}

fn entry_of(entry: &Node, troubles: &mut Vec<Trouble>) -> Result<(PathBuf, Strategy)> {
    if let Some(path) = entry.scalar() {
        return Ok((path.into(), Strategy::Append));
    }
    for key in entry.entries().iter().filter(|e| e.name != "path" && e.name != "strategy") {
        troubles.push(Trouble::unknown_key(
            &key.origin,
            &format!("{KEY}[].{}", key.name),
            &["path", "strategy"],
        ));
    }
    let Some(path) = entry.get("path").and_then(Node::scalar) else {
        bail!(
            "{}: {KEY}: an entry is a path, or a map with the keys path and strategy; this is {}",
            entry.origin,
            entry.shown()
        );
    };
    let strategy = match entry.get("strategy") {
        None => Strategy::Append,
        Some(node) => match node.scalar() {
            Some("append") => Strategy::Append,
            Some("override") => Strategy::Override,
            Some("add-only") => Strategy::AddOnly,
            _ => {
                let text = format!(
                    "{KEY}: {} is no strategy; it is read as append, the others are override and add-only",
                    node.shown()
                );
                troubles.push(Trouble::doubt(&node.origin, text));
                Strategy::Append
            }
        },
    };
    Ok((path.into(), strategy))
}

/// The file, the files of the directory sorted by name, or none where there is nothing.
fn files(path: &Path) -> Result<Vec<PathBuf>> {
    if !path.is_dir() {
        return Ok(if path.exists() { vec![path.to_path_buf()] } else { Vec::new() });
    }
    let shown = printable(&path.display().to_string());
    let context = || format!("cannot read the configuration directory {shown}");
    let mut files = Vec::new();
    for entry in std::fs::read_dir(path).with_context(context)? {
        let file = entry.with_context(context)?.path();
        if file.is_file() {
            files.push(file);
        }
        if files.len() > MAX_FILES {
            bail!("the configuration directory {shown} has more than {MAX_FILES} files");
        }
    }
    files.sort();
    Ok(files)
}

fn merge(tree: &mut Node, new: Entry, strategy: Strategy) {
    let Tree::Map(entries) = &mut tree.value else { return };
    let Some(old) = entries.iter_mut().find(|e| e.name == new.name) else {
        entries.push(new);
        return;
    };
    match (strategy, &mut old.node.value, new) {
        (Strategy::AddOnly, ..) => {}
        (
            Strategy::Append,
            Tree::List(list),
            Entry { node: Node { value: Tree::List(more), .. }, .. },
        ) => list.extend(more),
        (Strategy::Append | Strategy::Override, _, new) => *old = new,
    }
}

#[cfg(test)]
mod tests {
    use super::super::tree::Origin;
    use super::*;

    fn read(text: &str) -> Node {
        let mut environment = Environment::new(&|_| None);
        Node::read("t", text.into(), &|_, _| Origin::Default, &mut environment).unwrap()
    }

    fn check(strategy: Strategy, expected: &str) {
        let mut tree = read("{l: [a], m: {x: 1, y: 2}, s: old, k: v}");
        let new = read("{l: [b, c], m: {x: 3}, s: new, n: {z: 1}}");
        let Tree::Map(entries) = new.value else { panic!("a map") };
        for entry in entries {
            merge(&mut tree, entry, strategy);
        }
        assert_eq!(tree, read(expected), "{strategy:?}");
    }

    #[test]
    fn strategies_are_of_the_top_level() {
        check(Strategy::Append, "{l: [a, b, c], m: {x: 3}, s: new, k: v, n: {z: 1}}");
        check(Strategy::Override, "{l: [b, c], m: {x: 3}, s: new, k: v, n: {z: 1}}");
        check(Strategy::AddOnly, "{l: [a], m: {x: 1, y: 2}, s: old, k: v, n: {z: 1}}");
    }

    #[test]
    fn a_list_replaces_what_is_none_and_the_other_way_round() {
        for (old, new) in [("{a: x}", "{a: [y]}"), ("{a: [y]}", "{a: x}")] {
            let (mut tree, Tree::Map(entries)) = (read(old), read(new).value) else {
                panic!("a map")
            };
            for entry in entries {
                merge(&mut tree, entry, Strategy::Append);
            }
            assert_eq!(tree, read(new));
        }
    }
}
