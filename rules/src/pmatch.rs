//! Path prefixes by whole components: what `pmatch` looks through.

use std::collections::HashMap;

use foldhash::fast::FixedState;

use crate::glob::Glob;

/// A set of path prefixes. A lookup walks the value's components once, however many prefixes there are; those with
/// wildcards are tried one by one.
#[derive(Clone, Debug, Default)]
pub(crate) struct Prefixes {
    nodes: Vec<Node>,
    globs: Vec<Vec<Glob>>,
}

#[derive(Clone, Debug, Default)]
struct Node {
    children: HashMap<Box<[u8]>, u32, FixedState>,
    is_end: bool,
}

/// The parts between slashes; empty ones do not count.
pub(crate) fn components(path: &[u8]) -> impl Iterator<Item = &[u8]> {
    path.split(|&b| b == b'/').filter(|c| !c.is_empty())
}

/// Whether some part of a prefix is a pattern.
pub(crate) fn has_wildcard(prefix: &[u8]) -> bool {
    prefix.iter().any(|b| b"?*[".contains(b))
}

impl Prefixes {
    pub(crate) fn new<'a>(prefixes: impl Iterator<Item = &'a [u8]>) -> Self {
        let mut out = Self { nodes: vec![Node::default()], globs: Vec::new() };
        for prefix in prefixes {
            if has_wildcard(prefix) {
                out.globs.push(components(prefix).map(|c| Glob::new(c, false)).collect());
                continue;
            }
            let mut at = 0;
            for c in components(prefix) {
                let next = out.nodes.len() as u32;
                let child = *out.nodes[at].children.entry(c.into()).or_insert(next);
                if child == next {
                    out.nodes.push(Node::default());
                }
                at = child as usize;
            }
            out.nodes[at].is_end = true;
        }
        out
    }

    pub(crate) fn matches(&self, path: &[u8]) -> bool {
        self.literal(path) || self.globs.iter().any(|g| starts_with(g, path))
    }

    fn literal(&self, path: &[u8]) -> bool {
        let Some(mut node) = self.nodes.first() else { return false };
        for c in components(path) {
            if node.is_end {
                return true;
            }
            match node.children.get(c) {
                Some(&next) => node = &self.nodes[next as usize],
                None => return false,
            }
        }
        node.is_end
    }
}

fn starts_with(pattern: &[Glob], path: &[u8]) -> bool {
    let mut parts = components(path);
    pattern.iter().all(|g| parts.next().is_some_and(|c| g.matches(c)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn prefixes_match_whole_components() {
        for (prefixes, path, expected) in [
            (&["/bin"][..], "/bin/x", true),
            (&["/bin"], "/bin", true),
            (&["/bi"], "/bin/x", false),
            (&["/usr/bin/"], "//usr///bin/x", true),
            (&["/"], "anything", true),
            (&["/"], "", true),
            (&[], "/x", false),
            (&["/home/*/.ssh"], "/home/me/.ssh/id", true),
            (&["/home/*/.ssh"], "/home/me/x/.ssh", false),
            (&["/usr/bin", "/usr"], "/usr/lib", true),
        ] {
            let set = Prefixes::new(prefixes.iter().map(|p| p.as_bytes()));
            assert_eq!(set.matches(path.as_bytes()), expected, "{prefixes:?} {path}");
        }
    }
}
