//! The resolved configuration as YAML that can be read again, each value with the place it comes from.

use std::fmt::Write as _;

use super::check::default_of;
use super::environment;
use super::outline::outline;
use super::schema::Key;
use super::tree::{Entry, Node, Origin, Tree, printable};

/// YAML takes longer keys behind a question mark alone.
const MAX_SIMPLE_KEY_CHARS: usize = 1000;

/// Every key with its value.
pub(super) fn show(tree: &Node) -> String {
    let mut out = String::new();
    for line in outline() {
        let indent = "  ".repeat(line.depth);
        match line.key {
            None => put(&mut out, &format!("{indent}{}:\n", line.name)),
            Some(key) => {
                put(&mut out, &format!("{indent}{}:", line.name));
                value(&mut out, &given(tree, key).unwrap_or_else(|| default_of(key)), line.depth);
            }
        }
    }
    out
}

fn put(out: &mut String, text: &str) {
    out.push_str(text);
}

/// The value of a key, where there is one.
pub(super) fn given(tree: &Node, key: &Key) -> Option<Node> {
    let (section, name) = key.path.rsplit_once('.').unwrap_or(("", key.path));
    let names = section.split('.').filter(|name| !name.is_empty());
    let section = names.into_iter().try_fold(tree, |at, name| at.get(name))?;
    let entry = section.entries().iter().find(|e| e.name == name)?;
    (!entry.node.is_null()).then(|| of_entry(entry))
}

/// A value behind its key, with the rest of the line.
fn value(out: &mut String, node: &Node, depth: usize) {
    match &node.value {
        Tree::Scalar(_) if node.is_null() => put(out, " null"),
        Tree::Scalar(scalar) => put(out, &format!(" {}", quoted(&scalar.text))),
        Tree::List(nodes) if nodes.is_empty() => put(out, " []"),
        Tree::Map(entries) if entries.is_empty() => put(out, " {}"),
        Tree::List(_) | Tree::Map(_) => {}
    }
    let indent = "  ".repeat(depth);
    write!(out, "  # {}", place(node)).expect("a String takes all text");
    out.push('\n');
    match &node.value {
        Tree::Scalar(_) => {}
        Tree::List(nodes) => {
            for node in nodes {
                put(out, &format!("{indent}-"));
                value(out, node, depth + 1);
            }
        }
        Tree::Map(entries) => {
            for entry in entries {
                let name = written(&entry.name);
                if name.chars().count() > MAX_SIMPLE_KEY_CHARS {
                    put(out, &format!("{indent}  ? {name}\n{indent}  :"));
                } else {
                    put(out, &format!("{indent}  {name}:"));
                }
                value(out, &of_entry(entry), depth + 1);
            }
        }
    }
}

/// The value of a key. A list stands below its key, which is where one looks for it.
fn of_entry(entry: &Entry) -> Node {
    let origin = match entry.node.value {
        Tree::Scalar(_) => &entry.node.origin,
        Tree::List(_) | Tree::Map(_) => &entry.origin,
    };
    Node { origin: origin.clone(), value: entry.node.value.clone() }
}

/// Where a value comes from, for people.
pub(super) fn place(node: &Node) -> String {
    let mut text = match &node.origin {
        // A column is for editors.
        Origin::File { file, line, .. } => format!("{}:{line}", printable(file)),
        other => other.to_string(),
    };
    if let Tree::Scalar(scalar) = &node.value {
        for name in &scalar.variables {
            text.push_str(" ${");
            text.push_str(&printable(name));
            text.push('}');
        }
    }
    text
}

/// A value as YAML. What looks like a variable would be one; keys have none.
fn quoted(text: &str) -> String {
    written(&environment::escaped(text))
}

/// A text as YAML: plain where nothing in it means something to a reader, else in double quotes.
fn written(text: &str) -> String {
    let is_plain = text.starts_with(|c: char| c.is_ascii_alphanumeric() || "_/.".contains(c))
        && text.chars().all(|c| c.is_ascii_alphanumeric() || "_/.+-".contains(c))
        && !matches!(text, "null" | "Null" | "NULL")
        && !text.starts_with("...");
    if is_plain {
        return text.to_owned();
    }
    let mut out = String::from("\"");
    for c in text.chars() {
        match c {
            '"' | '\\' => out.extend(['\\', c]),
            '\n' => out.push_str("\\n"),
            '\t' => out.push_str("\\t"),
            c if c.is_control() => {
                write!(out, "\\u{:04x}", c as u32).expect("a String takes all text");
            }
            c => out.push(c),
        }
    }
    out.push('"');
    out
}
