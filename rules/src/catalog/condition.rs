//! A condition with every macro and list put in, as canonical text and laid out for reading.

use std::cell::Cell;
use std::collections::HashSet;
use std::fmt::Write as _;

use crate::predicate::PredicateKey;
use crate::types::Types;

/// Longest text that is made of a condition; macros that double each other would fill any memory.
const MAX_TEXT_BYTES: usize = 256 << 10;
/// Text that is made of all conditions of a load together: many that are each below the other limit would fill it too.
const MAX_ALL_TEXT_BYTES: usize = 32 << 20;
/// Nesting to which text is made, which bounds the recursion.
const MAX_HEIGHT: u32 = 2000;
/// What is not longer stays on one line.
const LINE_CHARS: usize = 100;

/// Nodes, children before parents, the root last. Macros used twice are one node.
#[derive(Debug, Default)]
pub(crate) struct Condition {
    nodes: Vec<Node>,
    sizes: Vec<Size>,
    types: Vec<Types>,
    /// Text that was made so far.
    spent: Cell<usize>,
}

#[derive(Debug)]
pub(crate) enum Node {
    And(Vec<u32>),
    Or(Vec<u32>),
    Not(u32),
    Check(Box<Leaf>),
}

/// A comparison.
#[derive(Debug)]
pub(crate) struct Leaf {
    /// In canonical form.
    pub(crate) text: String,
    /// What is evaluated for it.
    pub(crate) keys: Vec<PredicateKey>,
    /// The event types for which it can be true and false.
    pub(crate) types: Types,
}

/// Upper bounds of what printing a node takes.
#[derive(Clone, Copy, Debug)]
struct Size {
    bytes: usize,
    height: u32,
}

impl Condition {
    /// Adds a node whose children are there already.
    pub(crate) fn push(&mut self, node: Node) -> u32 {
        let of = |ids: &[u32]| {
            let inner = ids.iter().map(|&id| self.sizes[id as usize]);
            inner.fold(Size { bytes: 2, height: 0 }, |sum, one| Size {
                bytes: sum.bytes.saturating_add(one.bytes).saturating_add(5),
                height: sum.height.max(one.height),
            })
        };
        let Size { bytes, height } = match &node {
            Node::And(ids) | Node::Or(ids) => of(ids),
            Node::Not(id) => of(&[*id]),
            Node::Check(leaf) => Size { bytes: leaf.text.len(), height: 0 },
        };
        let of = |ids: &[u32], join: fn(Types, &Types) -> Types| {
            let types = ids.iter().map(|&id| self.types[id as usize]);
            types.reduce(|a, b| join(a, &b)).unwrap_or_else(Types::any)
        };
        let types = match &node {
            Node::And(ids) => of(ids, Types::and),
            Node::Or(ids) => of(ids, Types::or),
            Node::Not(id) => self.types[*id as usize].not(),
            Node::Check(leaf) => leaf.types,
        };
        self.nodes.push(node);
        self.types.push(types);
        self.sizes.push(Size { bytes, height: height.saturating_add(1) });
        self.nodes.len() as u32 - 1
    }

    /// The event types for which a node can be true and false.
    pub(crate) fn types(&self, root: u32) -> Types {
        self.types[root as usize]
    }

    /// The comparisons below a node, each once.
    pub(crate) fn leaves(&self, root: u32) -> Vec<&Leaf> {
        let mut seen = HashSet::new();
        let mut leaves = Vec::new();
        let mut left = vec![root];
        while let Some(id) = left.pop() {
            if !seen.insert(id) {
                continue;
            }
            match &self.nodes[id as usize] {
                Node::Check(leaf) => leaves.push(&**leaf),
                Node::Not(of) => left.push(*of),
                Node::And(of) | Node::Or(of) => left.extend(of.iter().rev()),
            }
        }
        leaves
    }

    /// Canonical text: groups in parentheses, nested ones of one operator made flat. `None` where it would be too large.
    pub(crate) fn text(&self, root: u32) -> Option<String> {
        self.can_print(root).then(|| {
            let mut out = String::new();
            self.write(root, &mut out);
            out
        })
    }

    /// The same over several lines, without the outermost parentheses.
    pub(crate) fn lines(&self, root: u32) -> Option<Vec<String>> {
        self.can_print(root).then(|| {
            let mut out = Vec::new();
            match self.group(root) {
                Some((of, word)) => self.members(&of, word, 0, &mut out),
                None => self.line(root, 0, "", &mut out),
            }
            out
        })
    }

    fn can_print(&self, root: u32) -> bool {
        let Size { bytes, height } = self.sizes[root as usize];
        if bytes > MAX_TEXT_BYTES || height > MAX_HEIGHT {
            return false;
        }
        let spent = self.spent.get().saturating_add(bytes);
        let is_left = spent <= MAX_ALL_TEXT_BYTES;
        if is_left {
            self.spent.set(spent);
        }
        is_left
    }

    /// Members of a conjunction or disjunction, those of nested ones of the same kind among them, and the word between them.
    fn group(&self, id: u32) -> Option<(Vec<u32>, &'static str)> {
        let (of, is_and) = match &self.nodes[id as usize] {
            Node::And(of) => (of, true),
            Node::Or(of) => (of, false),
            Node::Not(_) | Node::Check(_) => return None,
        };
        let mut members = Vec::new();
        let mut left: Vec<u32> = of.iter().rev().copied().collect();
        while let Some(id) = left.pop() {
            match (&self.nodes[id as usize], is_and) {
                (Node::And(of), true) | (Node::Or(of), false) => left.extend(of.iter().rev()),
                _ => members.push(id),
            }
        }
        Some((members, if is_and { "and" } else { "or" }))
    }

    fn write(&self, id: u32, out: &mut String) {
        match &self.nodes[id as usize] {
            Node::Check(leaf) => out.push_str(&leaf.text),
            Node::Not(of) => {
                out.push_str("not ");
                self.write(*of, out);
            }
            Node::And(_) | Node::Or(_) => {
                let Some((of, word)) = self.group(id) else { return };
                for (i, id) in of.into_iter().enumerate() {
                    out.push(if i == 0 { '(' } else { ' ' });
                    if i > 0 {
                        out.push_str(word);
                        out.push(' ');
                    }
                    self.write(id, out);
                }
                out.push(')');
            }
        }
    }

    fn members(&self, of: &[u32], word: &str, indent: usize, out: &mut Vec<String>) {
        for (i, &id) in of.iter().enumerate() {
            let prefix = if i == 0 { String::new() } else { format!("{word} ") };
            self.line(id, indent, &prefix, out);
        }
    }

    /// A member, on its line or over several.
    fn line(&self, id: u32, indent: usize, prefix: &str, out: &mut Vec<String>) {
        let mut text = format!("{:indent$}{prefix}", "");
        let mut inner = id;
        while let Node::Not(of) = &self.nodes[inner as usize] {
            text.push_str("not ");
            inner = *of;
        }
        let group = self.group(inner);
        let mut rest = String::new();
        // What is far too long for a line is not written out once more for every level.
        let is_long = group.is_some() && self.sizes[inner as usize].bytes > 32 * LINE_CHARS;
        if !is_long {
            self.write(inner, &mut rest);
        }
        match group {
            Some((of, word)) if is_long || text.len() + rest.chars().count() > LINE_CHARS => {
                out.push(text + "(");
                self.members(&of, word, indent + 2, out);
                out.push(format!("{:indent$})", ""));
            }
            _ => wrap(&text, &rest, indent + 4, out),
        }
    }
}

/// Breaks a long line behind commas.
fn wrap(start: &str, rest: &str, indent: usize, out: &mut Vec<String>) {
    let mut line = start.to_owned();
    let mut n_chars = line.chars().count();
    for part in rest.split_inclusive(", ") {
        let n = part.chars().count();
        if n_chars + n > LINE_CHARS && n_chars > indent && !line.trim().is_empty() {
            out.push(line.trim_end().to_owned());
            line = " ".repeat(indent);
            n_chars = indent;
        }
        // Writing to a string cannot fail.
        line.write_str(part).expect("a String takes all text");
        n_chars += n;
    }
    out.push(line);
}

#[cfg(test)]
mod tests {
    use super::*;

    fn leaf(tree: &mut Condition, text: &str) -> u32 {
        tree.push(Node::Check(Box::new(Leaf {
            text: text.to_owned(),
            keys: Vec::new(),
            types: Types::any(),
        })))
    }

    #[test]
    fn groups_of_one_operator_are_flat() {
        let mut tree = Condition::default();
        let [a, b, c] = ["a = 1", "b = 2", "c = 3"].map(|t| leaf(&mut tree, t));
        let inner = tree.push(Node::And(vec![b, c]));
        let root = tree.push(Node::And(vec![a, inner]));
        assert_eq!(tree.text(root).unwrap(), "(a = 1 and b = 2 and c = 3)");
        let not = tree.push(Node::Not(inner));
        let or = tree.push(Node::Or(vec![a, not]));
        assert_eq!(tree.text(or).unwrap(), "(a = 1 or not (b = 2 and c = 3))");
        assert_eq!(tree.lines(or).unwrap(), ["a = 1", "or not (b = 2 and c = 3)"]);
    }

    #[test]
    fn long_groups_and_lists_are_laid_out() {
        let mut tree = Condition::default();
        let long = format!("proc.name in ({})", ["something"; 12].join(", "));
        let [a, b] = ["evt.type = open", &long].map(|t| leaf(&mut tree, t));
        let both = tree.push(Node::Or(vec![a, b]));
        let not = tree.push(Node::Not(both));
        let root = tree.push(Node::And(vec![a, not]));
        let nine = ["something"; 7].join(", ");
        assert_eq!(
            tree.lines(root).unwrap().join("\n"),
            format!(
                "evt.type = open\nand not (\n  evt.type = open\n  or proc.name in ({nine},\n      {})\n)",
                ["something"; 5].join(", ")
            )
        );
    }

    #[test]
    fn macros_that_double_each_other_are_not_printed() {
        let mut tree = Condition::default();
        let mut last = leaf(&mut tree, "a = 1");
        for i in 0..60 {
            let both = vec![last, last];
            last = tree.push(if i % 2 == 0 { Node::And(both) } else { Node::Or(both) });
        }
        assert_eq!((tree.text(last), tree.lines(last)), (None, None));
        assert_eq!(tree.leaves(last).len(), 1);
    }
}
