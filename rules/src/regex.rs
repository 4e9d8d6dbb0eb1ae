//! The `regex` operator: the whole value has to match, and bytes that are no UTF-8 count as U+FFFD.
//!
//! A pattern becomes a table with one lookup per byte where that stays small, else a set of states is followed through the value. Either way
//! matching takes time in the length of the value, and no memory.

use regex_automata::dfa::Automaton;
use regex_automata::dfa::{StartKind, dense};
use regex_automata::nfa::thompson::{NFA, State, WhichCaptures};
use regex_automata::util::look::Look;
use regex_automata::util::primitives::StateID;
use regex_automata::util::start;
use regex_automata::{Anchored, MatchKind};

use crate::posix;

/// Memory of the states that a pattern may have, in bytes.
const MAX_NFA_BYTES: usize = 1 << 20;
/// Memory of a table, and of what is kept while it is made; bounds the time that this takes too.
const MAX_TABLE_BYTES: usize = 256 << 10;
const REPLACEMENT: &[u8] = "\u{fffd}".as_bytes();

/// A compiled pattern.
#[derive(Clone, Debug)]
pub(crate) struct Regex(Engine);

#[derive(Clone, Debug)]
enum Engine {
    Table { dfa: Box<dense::DFA<Vec<u32>>>, start: StateID },
    States(NFA),
}

/// The states that a value has led to, for patterns without a table.
#[derive(Clone, Debug, Default)]
pub(crate) struct StateSets {
    now: Vec<StateID>,
    next: Vec<StateID>,
    open: Vec<StateID>,
    /// The position at which a state was last followed, and the one for which it was last noted.
    followed: Vec<u64>,
    noted: Vec<u64>,
    position: u64,
}

/// Whether a pattern is one of RE2's POSIX mode and small enough. The error is for people.
pub(crate) fn check(pattern: &[u8]) -> Result<(), String> {
    states(pattern).map(|_| ())
}

fn states(pattern: &[u8]) -> Result<NFA, String> {
    let hir = posix::parse(pattern)?;
    let config =
        NFA::config().nfa_size_limit(Some(MAX_NFA_BYTES)).which_captures(WhichCaptures::None);
    let nfa = NFA::compiler().configure(config).build_from_hir(&hir);
    nfa.map_err(|_| "the pattern is too large".to_owned())
}

impl Regex {
    /// Compiles a pattern that [`check`] accepts.
    pub(crate) fn new(pattern: &[u8]) -> Result<Self, String> {
        let nfa = states(pattern)?;
        let config = dense::Config::new()
            .accelerate(false)
            .match_kind(MatchKind::All)
            .start_kind(StartKind::Anchored)
            .dfa_size_limit(Some(MAX_TABLE_BYTES))
            .determinize_size_limit(Some(MAX_TABLE_BYTES));
        let table = dense::Builder::new().configure(config).build_from_nfa(&nfa);
        let at_start = start::Config::new().anchored(Anchored::Yes);
        Ok(Self(match table.ok().and_then(|dfa| Some((dfa.start_state(&at_start).ok()?, dfa))) {
            Some((start, dfa)) => Engine::Table { dfa: Box::new(dfa), start },
            None => Engine::States(nfa),
        }))
    }

    /// States for which [`StateSets`] needs room.
    pub(crate) fn n_states(&self) -> usize {
        match &self.0 {
            Engine::Table { .. } => 0,
            Engine::States(nfa) => nfa.states().len(),
        }
    }

    /// Whether the whole text matches. `sets` has room for [`Regex::n_states`].
    pub(crate) fn matches(&self, text: &[u8], sets: &mut StateSets) -> bool {
        match &self.0 {
            Engine::Table { dfa, start } => {
                let mut state = *start;
                for byte in utf8(text) {
                    state = dfa.next_state(state, byte);
                    if dfa.is_dead_state(state) {
                        return false;
                    }
                }
                dfa.is_match_state(dfa.next_eoi_state(state))
            }
            Engine::States(nfa) => sets.matches(nfa, text),
        }
    }
}

/// The bytes of the text with what is no UTF-8 replaced.
fn utf8(text: &[u8]) -> impl Iterator<Item = u8> {
    text.utf8_chunks().flat_map(|chunk| {
        let replacement = if chunk.invalid().is_empty() { &[] } else { REPLACEMENT };
        chunk.valid().bytes().chain(replacement.iter().copied())
    })
}

impl StateSets {
    /// Makes room for patterns of `n_states`.
    pub(crate) fn fit(&mut self, n_states: usize) {
        if self.fits(n_states) {
            return;
        }
        for list in [&mut self.now, &mut self.next, &mut self.open] {
            list.clear();
            list.reserve_exact(n_states);
        }
        for marks in [&mut self.followed, &mut self.noted] {
            marks.resize(n_states, 0);
        }
    }

    pub(crate) fn fits(&self, n_states: usize) -> bool {
        self.followed.len() >= n_states
    }

    fn matches(&mut self, nfa: &NFA, text: &[u8]) -> bool {
        let mut bytes = utf8(text);
        let mut before = None;
        self.now.clear();
        self.now.push(nfa.start_anchored());
        loop {
            let at = bytes.next();
            // Positions are never reused, so that marks need no clearing.
            self.position += 1;
            self.next.clear();
            if self.step(nfa, before, at) {
                return true;
            }
            if at.is_none() || self.next.is_empty() {
                return false;
            }
            std::mem::swap(&mut self.now, &mut self.next);
            before = at;
        }
    }

    /// Leads the states in `now` over the byte `at` to those in `next`; whether the pattern ends with the text, where that ends.
    fn step(&mut self, nfa: &NFA, before: Option<u8>, at: Option<u8>) -> bool {
        let Self { now, next, open, followed, noted, position } = self;
        for &start in now.iter() {
            if mark(followed, start, *position) {
                open.push(start);
            }
            // Each state is opened once per position, which bounds the list.
            while let Some(id) = open.pop() {
                let mut follow = |id| {
                    if mark(followed, id, *position) {
                        open.push(id);
                    }
                };
                let target = match nfa.state(id) {
                    State::ByteRange { trans } => {
                        at.filter(|&b| trans.matches_byte(b)).map(|_| trans.next)
                    }
                    State::Sparse(sparse) => at.and_then(|b| sparse.matches_byte(b)),
                    State::Dense(dense) => at.and_then(|b| dense.matches_byte(b)),
                    State::Look { look, next } => {
                        if holds(*look, before, at) {
                            follow(*next);
                        }
                        None
                    }
                    State::Union { alternates } => {
                        alternates.iter().copied().for_each(follow);
                        None
                    }
                    State::BinaryUnion { alt1, alt2 } => {
                        follow(*alt1);
                        follow(*alt2);
                        None
                    }
                    State::Capture { next, .. } => {
                        follow(*next);
                        None
                    }
                    State::Fail => None,
                    State::Match { .. } => {
                        if at.is_none() {
                            open.clear();
                            return true;
                        }
                        None
                    }
                };
                if let Some(target) = target
                    && mark(noted, target, *position)
                {
                    next.push(target);
                }
            }
        }
        false
    }
}

/// Marks a state for a position; whether it was not yet.
fn mark(marks: &mut [u64], state: StateID, position: u64) -> bool {
    std::mem::replace(&mut marks[state.as_usize()], position) != position
}

/// The two assertions that POSIX syntax has.
fn holds(look: Look, before: Option<u8>, at: Option<u8>) -> bool {
    let is_line_end = |b: Option<u8>| b.is_none_or(|b| b == b'\n');
    match look {
        Look::StartLF => is_line_end(before),
        Look::EndLF => is_line_end(at),
        _ => false,
    }
}

/// Whether a pattern does what `=`, `contains`, `startswith` or `endswith` do at less cost: but for an anchor or something like `.*` at
/// either end it is plain text. For a warning.
pub(crate) fn is_simple(pattern: &[u8]) -> bool {
    let n = pattern.len();
    let mut i = 0;
    while i < n {
        let is_anchor = i == 0 && pattern[i] == b'^' || i + 1 == n && pattern[i] == b'$';
        let is_any = (i == 0 || i + 2 == n)
            && pattern[i] == b'.'
            && pattern.get(i + 1).is_some_and(|b| b"+*?".contains(b));
        if is_any {
            i += 1;
        } else if !is_anchor && b".+*?^$()[]{}|\\".contains(&pattern[i]) {
            return false;
        }
        i += 1;
    }
    true
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What both engines say.
    fn matches(pattern: &str, text: &[u8]) -> bool {
        let regex = Regex::new(pattern.as_bytes()).unwrap_or_else(|e| panic!("{pattern}: {e}"));
        let mut sets = StateSets::default();
        sets.fit(regex.n_states());
        let answer = regex.matches(text, &mut sets);
        let nfa =
            NFA::compiler().build_from_hir(&posix::parse(pattern.as_bytes()).unwrap()).unwrap();
        let by_states = Regex(Engine::States(nfa));
        sets.fit(by_states.n_states());
        assert_eq!(by_states.matches(text, &mut sets), answer, "{pattern} {text:?}");
        answer
    }

    #[test]
    fn the_whole_value_has_to_match() {
        for (pattern, text, expected) in [
            ("", "", true),
            ("", "a", false),
            ("ab", "ab", true),
            ("ab", "xab", false),
            ("a|ab", "ab", true),
            ("(a|b)*c", "ababc", true),
            ("a{2,3}", "aaa", true),
            ("a{2,3}", "aaaa", false),
            ("a{2}", "aa", true),
            ("a{2,}", "aaaaa", true),
            ("a{0}b", "b", true),
            ("a{,2}", "a{,2}", true),
            ("a{02}", "a{02}", true),
            ("a{", "a{", true),
            ("x*?y", "y", true),
            ("a+?", "", true),
            ("a**", "aaa", true),
            ("^*a", "a", true),
            ("a||b", "", true),
            ("()", "", true),
            ("[[:alpha:]]+", "abC", true),
            ("[[:alpha:]]+", "ab1", false),
            ("[[:^digit:]x]+", "abx", true),
            ("[[:word:]]", "_", true),
            ("[]a]+", "]a", true),
            ("[^]a]", "]", false),
            ("[a-]", "-", true),
            ("[-a]", "-", true),
            ("[a-c\\]]+", "ab]", true),
            ("[[:alpha]", "[", true),
            ("[^a]", "\n", true),
            (".", "\n", false),
            (".", "é", true),
            ("[à-é]", "é", true),
            ("\\.\\_\\/", "._/", true),
            ("\\x41\\x{1F600}\\101\\0", "A\u{1f600}A\0", true),
            ("\\n\\t\\a\\f\\v\\r", "\n\t\x07\x0c\x0b\r", true),
            ("\\x{d800}", "\u{fffd}", false),
            ("[\\x{d000}-\\x{e000}]", "\u{e000}", true),
            ("^a$", "a", true),
            ("a$\n^b", "a\nb", true),
            ("a^b", "ab", false),
            ("(a*)*b", "aaab", true),
        ] {
            assert_eq!(matches(pattern, text.as_bytes()), expected, "{pattern:?} {text:?}");
        }
    }

    #[test]
    fn what_is_no_utf8_counts_as_the_replacement_character() {
        assert!(matches("a.b", b"a\xffb"));
        assert!(matches("a\u{fffd}b", b"a\xffb"));
        assert!(!matches("a.b", b"a\xff\xffb"));
        assert!(matches("[^a]+", b"\xc3(\x80"));
    }

    #[test]
    fn what_posix_syntax_lacks_is_refused() {
        for (pattern, error) in [
            ("\\d", "unknown escape `\\d`"),
            ("\\bx", "unknown escape `\\b`"),
            ("\\w+", "unknown escape `\\w`"),
            ("\\pN", "unknown escape `\\p`"),
            ("\\1", "unknown escape `\\1`"),
            ("\\8", "unknown escape `\\8`"),
            ("\\é", "unknown escape `\\é`"),
            ("\\x4", "unknown escape `\\x`"),
            ("\\x{110000}", "unknown escape `\\x`"),
            ("a\\", "a backslash at the end"),
            ("(?i)a", "nothing before `?` to repeat"),
            ("(?:a)", "nothing before `?` to repeat"),
            ("*", "nothing before `*` to repeat"),
            ("a|+", "nothing before `+` to repeat"),
            ("{2}", "nothing before `{2}` to repeat"),
            ("a{3,2}", "`{3,2}` is no count of repetitions; 1000 at most"),
            ("a{1001}", "`{1001}` is no count of repetitions; 1000 at most"),
            ("(a{100}){11}", "`{11}` is no count of repetitions; 1000 at most"),
            ("(a", "a `(` without its `)`"),
            ("a)", "a `)` without its `(`"),
            ("[a", "a `[` without its `]`"),
            ("[]", "a `[` without its `]`"),
            ("[a-\\d]", "unknown escape `\\d`"),
            ("[z-a]", "a range in a class that runs backwards"),
            ("[a-c-e]", "a `-` in the middle of a class"),
            ("[[:nosuch:]]", "unknown class `[:nosuch:]`"),
        ] {
            assert_eq!(check(pattern.as_bytes()).unwrap_err(), error, "{pattern}");
        }
        assert_eq!(check(b"a\xff").unwrap_err(), "no valid UTF-8");
        assert_eq!(check(&[b'a'; 256]).unwrap_err(), "256 bytes long, 255 at most");
    }

    #[test]
    fn large_patterns_match_without_a_table_and_larger_ones_are_refused() {
        let regex = Regex::new(b".{1000}").unwrap();
        assert!(regex.n_states() > 0);
        let mut sets = StateSets::default();
        sets.fit(regex.n_states());
        assert!(regex.matches("é".repeat(1000).as_bytes(), &mut sets));
        assert!(!regex.matches("é".repeat(1001).as_bytes(), &mut sets));
        // Its table would double with each letter behind the `a`.
        let regex = Regex::new(b"(.*a.{20})(.*a.{20})").unwrap();
        assert!(regex.n_states() > 0);
        sets.fit(regex.n_states());
        assert!(regex.matches(&[b'a'; 100], &mut sets));
        assert!(!regex.matches(&[b'b'; 100], &mut sets));
        let huge = format!("({}){{1000}}", ".".repeat(200));
        assert_eq!(check(huge.as_bytes()).unwrap_err(), "the pattern is too large");
    }

    #[test]
    fn plain_text_between_anchors_is_simple() {
        for (pattern, expected) in [
            ("abc", true),
            ("^abc$", true),
            (".*abc", true),
            ("abc.+", true),
            (".*abc.*", true),
            ("a.c", false),
            ("^.*abc", false),
            ("ab|c", false),
            ("", true),
            (".", false),
        ] {
            assert_eq!(is_simple(pattern.as_bytes()), expected, "{pattern}");
        }
    }

    proptest::proptest! {
        #![proptest_config(proptest::prelude::ProptestConfig { cases: 300, failure_persistence: None, ..Default::default() })]

        /// Whatever is written, reading it ends, and the two engines agree on what it matches.
        #[test]
        fn the_engines_agree_on_any_pattern(
            pattern in r"([ab.*+?|()^$\-]|\[|\]|[{}0-9,]|\\[nx41a]|\[:(alpha|space):\]|é|\n){0,12}",
            texts in proptest::collection::vec("[abé\n\\-1]{0,6}", 1..4),
        ) {
            if check(pattern.as_bytes()).is_ok() {
                for text in texts {
                    matches(&pattern, text.as_bytes());
                }
            }
        }
    }
}
