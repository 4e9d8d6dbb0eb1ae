//! Where the instructions and allocations of one run were spent, by function of the source, out of callgrind's file.
//!
//! Much is inlined, so that symbols alone say little: an instruction counts for the function of ours whose line it was made of, and where
//! that line is a library's, for the symbol that it ended up in.

use std::collections::{BTreeMap, HashMap, HashSet};

use super::sources::Sources;

/// What allocates: symbols of `perf::CountingAlloc`.
const ALLOCATING: [&str; 3] = ["::alloc", "::alloc_zeroed", "::realloc"];

/// Counts of one run.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Profile {
    /// Instructions by function, those of callees left out.
    pub(crate) own: BTreeMap<String, u64>,
    /// Calls that led to an allocation, by the function of ours that made them.
    pub(crate) allocating: BTreeMap<String, u64>,
}

/// A call from one symbol to another.
struct Call {
    caller: String,
    callee: String,
    /// Where it stands, if that is in a function of ours.
    place: Option<String>,
    n: u64,
}

/// The parser's place in the file.
#[derive(Default)]
struct Cursor {
    /// Texts that stand for numbers: `(7) text` the first time, `(7)` from then on.
    files: HashMap<u64, String>,
    symbols: HashMap<u64, String>,
    file: String,
    symbol: String,
    /// Whether the symbol begins in a source of ours.
    is_ours: bool,
    line: u64,
}

/// `(7) text` or `(7)`, with what the number stands for.
fn named(names: &mut HashMap<u64, String>, text: &str) -> Option<String> {
    let (number, name) = text.strip_prefix('(')?.split_once(')')?;
    let number = number.parse().ok()?;
    match name.trim_start() {
        "" => names.get(&number).cloned(),
        name => {
            names.insert(number, name.to_owned());
            Some(name.to_owned())
        }
    }
}

/// A symbol without what only this build has: its hash, and the mark of a recursion.
fn plain(symbol: &str) -> String {
    let symbol = symbol.split('\'').next().unwrap_or(symbol);
    let is_hash = |tail: &str| tail.len() == 16 && tail.bytes().all(|b| b.is_ascii_hexdigit());
    match symbol.rsplit_once("::h") {
        Some((head, tail)) if is_hash(tail) => head.to_owned(),
        _ => symbol.to_owned(),
    }
}

impl Cursor {
    /// `12 345`, `+3 345`, `-3 345` or `* 345`: moves to the line, and gives the cost.
    fn cost(&mut self, text: &str) -> Option<u64> {
        let (at, cost) = text.split_once(' ')?;
        self.line = match at.split_at_checked(1)? {
            ("*", "") => self.line,
            ("+", by) => self.line.checked_add(by.parse().ok()?)?,
            ("-", by) => self.line.checked_sub(by.parse().ok()?)?,
            _ => at.parse().ok()?,
        };
        cost.split(' ').next()?.parse().ok()
    }
}

impl Profile {
    /// Reads callgrind's file, written with one position (the line) and one event (instructions).
    pub(crate) fn parse(text: &str, sources: &mut Sources) -> Self {
        let mut at = Cursor::default();
        let mut own = BTreeMap::new();
        let mut calls = Vec::new();
        let mut callee = String::new();
        let mut n_calls = None;
        for line in text.lines() {
            match line.split_once('=') {
                Some(("fl" | "fi" | "fe", name)) => {
                    at.file = named(&mut at.files, name).unwrap_or_default();
                }
                Some(("fn", name)) => {
                    at.symbol = plain(&named(&mut at.symbols, name).unwrap_or_default());
                    at.is_ours = sources.place(&at.file, 0).is_some();
                }
                Some(("cfn", name)) => {
                    callee = plain(&named(&mut at.symbols, name).unwrap_or_default());
                }
                Some(("cfl" | "cfi", name)) => {
                    named(&mut at.files, name);
                }
                Some(("calls", counts)) => {
                    n_calls = counts.split(' ').next().and_then(|n| n.parse::<u64>().ok());
                }
                _ => {
                    let Some(cost) = at.cost(line) else { continue };
                    let place = sources.place(&at.file, at.line);
                    // What follows `calls=` is the callee's, everything it calls included.
                    if let Some(n) = n_calls.take() {
                        let (caller, callee) = (at.symbol.clone(), callee.clone());
                        // The line that names the allocator is in no function.
                        let place = match place {
                            Some(place) => Some(place).filter(|p| p.contains(": ")),
                            None => at.is_ours.then(|| caller.clone()),
                        };
                        calls.push(Call { caller, callee, place, n });
                    } else if cost > 0 {
                        *own.entry(place.unwrap_or_else(|| at.symbol.clone())).or_default() += cost;
                    }
                }
            }
        }
        Self { own, allocating: allocating(&calls) }
    }
}

/// Calls into the allocator, or into a library's function that came to call it, by the function of ours that made them.
fn allocating(calls: &[Call]) -> BTreeMap<String, u64> {
    let mut found = BTreeMap::new();
    let is_allocator =
        |s: &str| s.contains("CountingAlloc") && ALLOCATING.iter().any(|end| s.ends_with(end));
    let all = calls.iter().map(|c| c.callee.as_str());
    let mut ahead: Vec<&str> = all.filter(|s| is_allocator(s)).collect();
    let mut seen: HashSet<&str> = ahead.iter().copied().collect();
    ahead = seen.iter().copied().collect();
    while let Some(symbol) = ahead.pop() {
        for call in calls.iter().filter(|c| c.callee == symbol) {
            match &call.place {
                Some(place) => *found.entry(place.clone()).or_default() += call.n,
                None if seen.insert(&call.caller) => ahead.push(&call.caller),
                None => {}
            }
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Two functions of ours, `second` inlined into `first`, and an allocation by way of a library.
    const FILE: &str = "\
events: Ir
fl=(1) /w/event/src/frame.rs
fn=(1) event::frame::first::h0123456789abcdef
2 100
+1 20
fi=(2) /rustc/1/library/core/src/slice/mod.rs
900 7
fe=(1)
7 40
cfi=(3) /rustc/1/library/alloc/src/raw_vec.rs
cfn=(2) alloc::raw_vec::grow
calls=3 50
* 600

fl=(3)
fn=(2)
50 30
cfn=(3) <perf::alloc::CountingAlloc as core::alloc::global::GlobalAlloc>::realloc
calls=3 9
-8 570
+1 2

totals: 769
";

    fn sources() -> Sources {
        Sources::of(
            "/w/event/src/frame.rs",
            "pub fn first() {\n  a\n  b\n}\nimpl X {\n  fn second() {\n  c\n}\n",
        )
    }

    #[test]
    fn instructions_count_for_the_function_whose_line_they_are_of() {
        let Profile { own, .. } = Profile::parse(FILE, &mut sources());
        let expected = [
            ("alloc::raw_vec::grow", 32),
            ("event/src/frame.rs: first", 120),
            ("event/src/frame.rs: second", 40),
            ("event::frame::first", 7),
        ];
        assert_eq!(own, expected.map(|(name, n)| (name.to_owned(), n)).into());
    }

    #[test]
    fn an_allocation_is_of_the_function_of_ours_that_asked_for_it() {
        let Profile { allocating, .. } = Profile::parse(FILE, &mut sources());
        assert_eq!(allocating, [("event/src/frame.rs: second".to_owned(), 3)].into());
    }

    #[test]
    fn symbols_lose_what_only_one_build_has() {
        assert_eq!(plain("a::b'2"), "a::b");
        assert_eq!(plain("a::h0123456789abcdef"), "a");
        assert_eq!(plain("a::heap"), "a::heap");
    }
}
