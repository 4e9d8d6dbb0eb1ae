//! What differs from other programs, and why: one file of lines `test, capture, evt.type, field, reason` with tabs between. A star stands
//! for any capture, type or field.

use std::collections::{BTreeMap, BTreeSet};

const LINES: &str = include_str!("differences.tsv");

struct Known {
    place: [&'static str; 3],
    line: usize,
}

/// The differences that a test finds, held against those that are known.
pub(crate) struct Differences {
    known: Vec<Known>,
    seen: BTreeSet<usize>,
    /// Each place with how often it differs, and the first time.
    unknown: BTreeMap<[String; 3], (usize, String)>,
}

impl Differences {
    /// Those that are known to this test.
    pub(crate) fn of(test: &str) -> Self {
        let known = LINES.lines().enumerate().filter(|(_, text)| !text.starts_with('#'));
        let known = known.filter_map(|(line, text)| {
            let parts: Vec<&'static str> = text.split('\t').collect();
            let [of, capture, ty, field, reason] = parts[..] else {
                panic!("differences.tsv:{}: not five columns", line + 1)
            };
            assert!(!reason.is_empty(), "differences.tsv:{}: without a reason", line + 1);
            (of == test).then_some(Known { place: [capture, ty, field], line: line + 1 })
        });
        Self { known: known.collect(), seen: BTreeSet::new(), unknown: BTreeMap::new() }
    }

    /// Takes in a difference.
    pub(crate) fn add(&mut self, place: [&str; 3], what: impl FnOnce() -> String) {
        let fits =
            |known: &&Known| known.place.iter().zip(place).all(|(k, p)| *k == "*" || *k == p);
        if let Some(known) = self.known.iter().find(fits) {
            self.seen.insert(known.line);
            return;
        }
        let entry = self.unknown.entry(place.map(str::to_owned)).or_insert_with(|| (0, what()));
        entry.0 += 1;
    }

    /// Fails for a difference that is not known, and for a known one that is none any more.
    pub(crate) fn check(self) {
        let unknown = self.unknown.iter().map(|([capture, ty, field], (n, what))| {
            format!("{capture}\t{ty}\t{field}\t{n} times, first:\n{what}")
        });
        let gone = self.known.iter().filter(|k| !self.seen.contains(&k.line));
        let gone = gone.map(|k| format!("differences.tsv:{}: there is no such difference", k.line));
        let said: Vec<String> = unknown.chain(gone).collect();
        assert!(said.is_empty(), "{}", said.join("\n"));
    }
}
