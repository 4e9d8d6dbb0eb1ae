//! Parts of texts: one pass over a value finds every part that it contains, however many there are.

use std::collections::HashMap;

use aho_corasick::automaton::Automaton;
use aho_corasick::{Anchored, MatchKind, StartKind, dfa, nfa::contiguous};

/// Bytes of all parts up to which a table per state is made: some 10 MiB at most.
const MAX_DFA_BYTES: usize = 1 << 14;
/// Bytes of all parts that one automaton takes.
pub(crate) const MAX_BYTES: usize = 1 << 20;

/// Finds parts, those that ignore case and those that do not at once.
#[derive(Clone, Debug)]
pub(crate) struct Parts {
    machine: Machine,
    parts: Vec<Part>,
}

#[derive(Clone, Debug)]
enum Machine {
    Table(dfa::DFA),
    Compact(contiguous::NFA),
}

#[derive(Clone, Debug)]
struct Part {
    row: u32,
    /// Where the machine ignores case and the part does not: its text.
    exact: Option<Box<[u8]>>,
}

/// Parts being collected.
#[derive(Debug, Default)]
pub(crate) struct PartsBuilder {
    rows: HashMap<(Vec<u8>, bool), u32>,
    /// Text, whether its case counts, row.
    parts: Vec<(Vec<u8>, bool, u32)>,
    n_bytes: usize,
}

impl PartsBuilder {
    /// The row of a part, which `new_row` makes where there is none yet; `None` where there is no more room. `text` is not empty.
    pub(crate) fn row(
        &mut self,
        text: &[u8],
        is_exact: bool,
        new_row: impl FnOnce() -> u32,
    ) -> Option<u32> {
        let text = if is_exact { text.to_vec() } else { text.to_ascii_lowercase() };
        if let Some(&row) = self.rows.get(&(text.clone(), is_exact)) {
            return Some(row);
        }
        if self.n_bytes + text.len() > MAX_BYTES {
            return None;
        }
        self.n_bytes += text.len();
        let row = new_row();
        self.rows.insert((text.clone(), is_exact), row);
        self.parts.push((text, is_exact, row));
        Some(row)
    }

    /// `None` where the crate's own bounds are exceeded.
    pub(crate) fn build(self) -> Option<Parts> {
        let ignores_case = self.parts.iter().any(|&(_, is_exact, _)| !is_exact);
        let texts = self.parts.iter().map(|(text, ..)| text);
        let machine = if self.n_bytes <= MAX_DFA_BYTES {
            let mut builder = dfa::DFA::builder();
            builder
                .match_kind(MatchKind::Standard)
                .start_kind(StartKind::Unanchored)
                .ascii_case_insensitive(ignores_case)
                .prefilter(false);
            Machine::Table(builder.build(texts).ok()?)
        } else {
            let mut builder = contiguous::NFA::builder();
            builder
                .match_kind(MatchKind::Standard)
                .ascii_case_insensitive(ignores_case)
                .prefilter(false);
            Machine::Compact(builder.build(texts).ok()?)
        };
        let parts = self.parts.into_iter().map(|(text, is_exact, row)| {
            let exact = (is_exact && ignores_case).then(|| text.into_boxed_slice());
            Part { row, exact }
        });
        Some(Parts { machine, parts: parts.collect() })
    }
}

impl Parts {
    /// Gives the rows of all parts that `value` contains, some more than once.
    #[inline]
    pub(crate) fn find(&self, value: &[u8], hit: impl FnMut(u32)) {
        match &self.machine {
            Machine::Table(machine) => self.walk(machine, value, hit),
            Machine::Compact(machine) => self.walk(machine, value, hit),
        }
    }

    #[inline]
    fn walk<A: Automaton>(&self, machine: &A, value: &[u8], mut hit: impl FnMut(u32)) {
        let Ok(mut state) = machine.start_state(Anchored::No) else { return };
        for (i, &byte) in value.iter().enumerate() {
            state = machine.next_state(Anchored::No, state, byte);
            if !machine.is_special(state) || !machine.is_match(state) {
                continue;
            }
            for n in 0..machine.match_len(state) {
                let part = &self.parts[machine.match_pattern(state, n).as_usize()];
                if part.exact.as_ref().is_none_or(|text| value[..=i].ends_with(text)) {
                    hit(part.row);
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(padding: usize) {
        let mut builder = PartsBuilder::default();
        let parts = [("he", true), ("she", true), ("HERS", false), ("He", true), ("é", false)];
        for (row, (text, is_exact)) in (0..).zip(parts) {
            assert_eq!(builder.row(text.as_bytes(), is_exact, || row), Some(row));
        }
        assert_eq!(builder.row(b"hErs", false, || 99), Some(2));
        for n in 0..padding {
            builder.row(format!("{n:0>100}").as_bytes(), true, || 1000);
        }
        let parts = builder.build().unwrap();
        assert_eq!(matches!(parts.machine, Machine::Table(_)), padding == 0);
        let found = |value: &str| {
            let mut rows = Vec::new();
            parts.find(value.as_bytes(), |row| rows.push(row));
            rows.sort_unstable();
            rows
        };
        assert_eq!(found("ushers"), [0, 1, 2]);
        assert_eq!(found("usHErs"), [2]);
        assert_eq!(found("He É é"), [3, 4]);
        assert_eq!(found(""), [0; 0]);
    }

    #[test]
    fn every_part_is_found_in_its_case() {
        check(0);
        check(200);
    }

    #[test]
    fn room_is_bounded() {
        let mut builder = PartsBuilder::default();
        assert!(builder.row(&vec![b'x'; MAX_BYTES], true, || 0).is_some());
        assert_eq!(builder.row(b"y", true, || 1), None);
    }
}
