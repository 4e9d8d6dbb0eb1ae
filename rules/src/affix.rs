//! Beginnings and ends of texts: one walk over a value finds every one that it has, however many there are.

use std::collections::BTreeMap;

/// No row, or no node.
const NONE: u32 = u32::MAX;

/// A trie over bytes, without the nodes at which nothing ends or parts. Each end of a text gives a row.
#[derive(Clone, Debug)]
pub(crate) struct Trie {
    /// Node behind each first byte: most values part here.
    first: Box<[u32; 256]>,
    nodes: Vec<Node>,
    bytes: Vec<u8>,
    targets: Vec<u32>,
    labels: Vec<u8>,
}

#[derive(Clone, Copy, Debug)]
struct Node {
    row: u32,
    /// Its edges in `bytes` and `targets`.
    start: u32,
    len: u16,
    /// What follows the edge to it before it is reached, in `labels`.
    label: u32,
    label_len: u16,
}

/// A trie being made.
#[derive(Debug)]
pub(crate) struct TrieBuilder {
    nodes: Vec<(u32, BTreeMap<u8, u32>)>,
}

impl TrieBuilder {
    pub(crate) fn new() -> Self {
        Self { nodes: vec![(NONE, BTreeMap::new())] }
    }

    /// The row of a text, which `new_row` makes where there is none yet. `text` is not empty.
    pub(crate) fn row(
        &mut self,
        text: impl Iterator<Item = u8>,
        new_row: impl FnOnce() -> u32,
    ) -> u32 {
        let mut at = 0;
        for byte in text {
            let next = self.nodes.len() as u32;
            let child = *self.nodes[at].1.entry(byte).or_insert(next);
            if child == next {
                self.nodes.push((NONE, BTreeMap::new()));
            }
            at = child as usize;
        }
        if self.nodes[at].0 == NONE {
            self.nodes[at].0 = new_row();
        }
        self.nodes[at].0
    }

    pub(crate) fn build(self) -> Trie {
        let mut out = Trie {
            first: Box::new([NONE; 256]),
            nodes: Vec::new(),
            bytes: Vec::new(),
            targets: Vec::new(),
            labels: Vec::new(),
        };
        for (&byte, &child) in &self.nodes[0].1 {
            out.first[usize::from(byte)] = out.reach(&self, child).0;
        }
        // Nodes of the trie, and what they are made from, in the same order.
        let mut sources: Vec<u32> = Vec::new();
        for &child in self.nodes[0].1.values() {
            sources.push(self.end_of_chain(child));
        }
        let mut at = 0;
        while let Some(&source) = sources.get(at) {
            out.nodes[at].start = out.bytes.len() as u32;
            out.nodes[at].len = self.nodes[source as usize].1.len() as u16;
            for (&byte, &child) in &self.nodes[source as usize].1 {
                let (node, end) = out.reach(&self, child);
                out.bytes.push(byte);
                out.targets.push(node);
                sources.push(end);
            }
            at += 1;
        }
        out
    }

    /// The node behind `at` at which a text ends or texts part.
    fn end_of_chain(&self, mut at: u32) -> u32 {
        loop {
            match &self.nodes[at as usize] {
                (NONE, edges) if edges.len() == 1 => {
                    at = edges.values().copied().next().unwrap_or(at);
                }
                _ => return at,
            }
        }
    }
}

impl Trie {
    /// Adds the node that the chain from `at` ends at, without its edges; gives it and what it is made from.
    fn reach(&mut self, builder: &TrieBuilder, mut at: u32) -> (u32, u32) {
        let (label, end) = (self.labels.len(), builder.end_of_chain(at));
        while at != end {
            for (&byte, &next) in &builder.nodes[at as usize].1 {
                self.labels.push(byte);
                at = next;
            }
        }
        let label_len = (self.labels.len() - label) as u16;
        let row = builder.nodes[end as usize].0;
        self.nodes.push(Node { row, start: 0, len: 0, label: label as u32, label_len });
        (self.nodes.len() as u32 - 1, end)
    }

    /// Gives the rows of all texts that `value` begins with.
    #[inline]
    pub(crate) fn find(&self, mut value: impl Iterator<Item = u8>, mut hit: impl FnMut(u32)) {
        let Some(byte) = value.next() else { return };
        let mut at = self.first[usize::from(byte)];
        while at != NONE {
            let node = self.nodes[at as usize];
            let label = node.label as usize;
            let label = &self.labels[label..label + usize::from(node.label_len)];
            if !label.iter().all(|&byte| value.next() == Some(byte)) {
                return;
            }
            if node.row != NONE {
                hit(node.row);
            }
            let Some(byte) = value.next() else { return };
            at = self.child(node, byte);
        }
    }

    #[inline]
    fn child(&self, node: Node, byte: u8) -> u32 {
        let (start, len) = (node.start as usize, usize::from(node.len));
        let edges = &self.bytes[start..start + len];
        let found = if len <= 8 {
            edges.iter().position(|&b| b == byte)
        } else {
            edges.binary_search(&byte).ok()
        };
        found.map_or(NONE, |i| self.targets[start + i])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_finds_all_it_begins_with() {
        let mut builder = TrieBuilder::new();
        let texts = ["/", "/etc", "/etc/", "/etc/ssh", "a", "/ex", "/e\u{ff}"];
        let rows: Vec<u32> =
            (10..).zip(texts).map(|(row, text)| builder.row(text.bytes(), || row)).collect();
        assert_eq!(builder.row("/etc".bytes(), || 99), rows[1]);
        for n in 0..20 {
            builder.row([b'w', n].into_iter(), || 50 + u32::from(n));
        }
        let trie = builder.build();
        let check = |value: &[u8], expected: &[u32]| {
            let mut found = Vec::new();
            trie.find(value.iter().copied(), |row| found.push(row));
            assert_eq!(found, expected, "{value:?}");
        };
        check(b"", &[]);
        check(b"/etc", &[10, 11]);
        check(b"/etc/ssh/x", &[10, 11, 12, 13]);
        check(b"b", &[]);
        check(b"/ettc", &[10]);
        check(b"/etc/ss", &[10, 11, 12]);
        check(&[b'w', 17], &[67]);
        check(&[b'w', 20], &[]);
    }
}
