//! The keys as a file has them: sections with what lies in them, in the order of the schema.

use super::schema::{self, Does, Key};

/// A line of a file.
pub(super) struct Line {
    pub(super) depth: usize,
    /// The part of the path that stands on the line.
    pub(super) name: &'static str,
    /// None: a section.
    pub(super) key: Option<&'static Key>,
}

/// Every key that there is, without those that Falco has no more.
pub(super) fn outline() -> Vec<Line> {
    let keys: Vec<_> = schema::keys().filter(|k| !matches!(k.does, Does::Removed(_))).collect();
    let mut lines = Vec::new();
    below(&keys, "", 0, &mut lines);
    lines
}

fn below(keys: &[&'static Key], prefix: &str, depth: usize, lines: &mut Vec<Line>) {
    let mut done: Vec<&str> = Vec::new();
    for key in keys {
        let Some(rest) = key.path.strip_prefix(prefix) else { continue };
        let name = rest.split('.').next().unwrap_or(rest);
        if done.contains(&name) {
            continue;
        }
        done.push(name);
        if name == rest {
            lines.push(Line { depth, name, key: Some(key) });
        } else {
            lines.push(Line { depth, name, key: None });
            below(keys, &format!("{prefix}{name}."), depth + 1, lines);
        }
    }
}
