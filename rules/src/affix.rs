//! Beginnings and ends of texts: one walk over a value finds every one that it has, however many there are.

use std::collections::BTreeMap;

/// No row, or no node.
const NONE: u32 = u32::MAX;

/// A trie over bytes. Each end of a text gives a row.
#[derive(Clone, Debug)]
pub(crate) struct Trie {
    /// Node behind each first byte: most values part here.
    first: Box<[u32; 256]>,
    nodes: Vec<Node>,
    bytes: Vec<u8>,
    targets: Vec<u32>,
}

#[derive(Clone, Copy, Debug)]
struct Node {
    row: u32,
    /// Its edges in `bytes` and `targets`.
    start: u32,
    len: u16,
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
            nodes: Vec::with_capacity(self.nodes.len()),
            bytes: Vec::with_capacity(self.nodes.len()),
            targets: Vec::with_capacity(self.nodes.len()),
        };
        for (&byte, &target) in &self.nodes[0].1 {
            out.first[usize::from(byte)] = target;
        }
        for (row, edges) in &self.nodes {
            let start = out.bytes.len() as u32;
            out.nodes.push(Node { row: *row, start, len: edges.len() as u16 });
            out.bytes.extend(edges.keys());
            out.targets.extend(edges.values());
        }
        out
    }
}

impl Trie {
    /// Gives the rows of all texts that `value` begins with.
    #[inline]
    pub(crate) fn find(&self, mut value: impl Iterator<Item = u8>, mut hit: impl FnMut(u32)) {
        let Some(byte) = value.next() else { return };
        let mut at = self.first[usize::from(byte)];
        while at != NONE {
            let node = self.nodes[at as usize];
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
        check(&[b'w', 17], &[67]);
        check(&[b'w', 20], &[]);
    }
}
