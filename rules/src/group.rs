//! Tests of one field that one lookup answers together: equality, membership in sets, prefixes of paths.
//!
//! A hundred rules that each hold a file's name against a list of their own cost one hash lookup and one walk over the name's components,
//! whatever the number of lists; then each test is one bit.

use std::collections::HashMap;

use event::EventType;
use foldhash::fast::FixedState;

use crate::pmatch::{components, has_wildcard};
use crate::predicate::{BytesTest, Cmp, PredicateKey, TestKey};
use crate::schema::{Arity, FieldRef};
use crate::value::{Fields, Value};

/// Tests of a group: as many as an op can name.
const MAX_TESTS: usize = 1 << 16;

/// The tests of one field.
#[derive(Clone, Debug)]
pub(crate) struct Group {
    field: FieldRef,
    arity: Arity,
    n_tests: usize,
    /// Texts to places in `rows`.
    texts: Lookup,
    /// Path components to nodes; the root is the first. Empty where no test is a prefix.
    nodes: Vec<Node>,
    /// Answers of all tests, `n_words` words each; the first row is all "no".
    rows: Vec<u64>,
}

/// A map that most keys need not be hashed for.
#[derive(Clone, Debug, Default)]
struct Lookup {
    map: HashMap<Box<[u8]>, u32, FixedState>,
    /// Lengths that some key has, from 63 on in one bit.
    lens: u64,
    /// Low six bits of the last bytes that some key has.
    ends: u64,
}

fn end_bit(text: &[u8]) -> u64 {
    1 << (text.last().copied().unwrap_or(0) & 63)
}

impl Lookup {
    fn insert(&mut self, text: &[u8], value: u32) {
        self.lens |= 1 << text.len().min(63);
        self.ends |= end_bit(text);
        self.map.insert(text.into(), value);
    }

    #[inline]
    fn get(&self, text: &[u8]) -> Option<u32> {
        let may_be = self.lens >> text.len().min(63) & 1 == 1 && self.ends & end_bit(text) != 0;
        if may_be { self.map.get(text).copied() } else { None }
    }
}

#[derive(Clone, Debug, Default)]
struct Node {
    children: Lookup,
    /// Place in `rows`: tests whose prefix ends here or above.
    row: u32,
}

/// Whether a lookup for many can answer the test.
pub(crate) fn is_groupable(key: &PredicateKey) -> bool {
    key.left.as_field().is_some_and(|f| f.arity() != Arity::Ends)
        && match &key.test {
            TestKey::Bytes(BytesTest::Cmp(Cmp::Eq), _) | TestKey::BytesIn(_) => true,
            TestKey::PathPrefix(prefixes) => !prefixes.iter().any(|p| has_wildcard(p)),
            _ => false,
        }
}

impl Group {
    /// A group of the groupable tests of one field; the place of a test is its bit. `None` where they are too many.
    pub(crate) fn new(tests: &[&PredicateKey]) -> Option<Self> {
        let field = tests.first()?.left.as_field()?;
        if tests.len() > MAX_TESTS {
            return None;
        }
        let n_words = tests.len().div_ceil(64);
        let mut group = Self {
            field: field.clone(),
            arity: field.arity(),
            n_tests: tests.len(),
            texts: Lookup::default(),
            nodes: Vec::new(),
            rows: vec![0; n_words],
        };
        for (bit, key) in tests.iter().enumerate() {
            match &key.test {
                TestKey::Bytes(_, text) => group.add_text(text, bit),
                TestKey::BytesIn(texts) => {
                    for text in texts {
                        group.add_text(text, bit);
                    }
                }
                TestKey::PathPrefix(prefixes) => {
                    for prefix in prefixes {
                        group.add_prefix(prefix, bit);
                    }
                }
                _ => {}
            }
        }
        // What a path's directory satisfies, the path satisfies. Children come behind their parents.
        for at in 0..group.nodes.len() {
            let above = group.nodes[at].row as usize;
            let children: Vec<u32> = group.nodes[at].children.map.values().copied().collect();
            for child in children {
                let row = group.nodes[child as usize].row as usize;
                for word in 0..n_words {
                    group.rows[row + word] |= group.rows[above + word];
                }
            }
        }
        Some(group)
    }

    fn new_row(&mut self) -> u32 {
        let row = self.rows.len() as u32;
        self.rows.resize(self.rows.len() + self.n_words(), 0);
        row
    }

    fn set(&mut self, row: u32, bit: usize) {
        self.rows[row as usize + bit / 64] |= 1 << (bit % 64);
    }

    fn add_text(&mut self, text: &[u8], bit: usize) {
        let row = self.texts.get(text).unwrap_or_else(|| {
            let row = self.new_row();
            self.texts.insert(text, row);
            row
        });
        self.set(row, bit);
    }

    fn new_node(&mut self) -> u32 {
        let row = self.new_row();
        self.nodes.push(Node { children: Lookup::default(), row });
        self.nodes.len() as u32 - 1
    }

    fn add_prefix(&mut self, prefix: &[u8], bit: usize) {
        if self.nodes.is_empty() {
            self.new_node();
        }
        let mut at = 0;
        for part in components(prefix) {
            let child = self.nodes[at].children.get(part).unwrap_or_else(|| {
                let next = self.new_node();
                self.nodes[at].children.insert(part, next);
                next
            });
            at = child as usize;
        }
        self.set(self.nodes[at].row, bit);
    }

    /// Words that the answers take.
    pub(crate) fn n_words(&self) -> usize {
        self.n_tests.div_ceil(64)
    }

    /// Asks all tests of the event. `answers` has [`Group::n_words`] words.
    pub(crate) fn ask<F: Fields>(&self, fields: &F, answers: &mut [u64]) {
        answers.fill(0);
        match self.arity {
            Arity::Ancestors => {
                fields.any(&self.field, |value| {
                    self.add_answers(value, answers);
                    false
                });
            }
            Arity::One | Arity::Ends => {
                if let Some(value) = fields.get(&self.field) {
                    self.add_answers(value, answers);
                }
            }
        }
    }

    fn add_answers(&self, value: Value<'_>, answers: &mut [u64]) {
        let Value::Bytes(text) = value else { return };
        if let Some(row) = self.texts.get(text) {
            self.add_row(row, answers);
        }
        let Some(mut node) = self.nodes.first() else { return };
        for part in components(text) {
            match node.children.get(part) {
                Some(next) => node = &self.nodes[next as usize],
                None => break,
            }
        }
        self.add_row(node.row, answers);
    }

    fn add_row(&self, row: u32, answers: &mut [u64]) {
        for (answer, &word) in answers.iter_mut().zip(&self.rows[row as usize..]) {
            *answer |= word;
        }
    }
}

/// The value of a test of the event's type, where the type alone decides it: the two generic types carry calls without an event of their
/// own, told apart by name only.
pub(crate) fn known_by_type(test: &TestKey, ty: EventType) -> Option<bool> {
    let TestKey::EvtType { names, negated } = test else { return None };
    (ty.0 > EventType::GENERIC_X.0).then(|| names.contains(ty.name().as_bytes()) != *negated)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::buffers::Buffers;
    use crate::expr::Expr;
    use crate::predicate::Predicate;
    use crate::schema::Field;

    struct Name(Option<&'static [u8]>);

    impl Fields for Name {
        fn get(&self, _: &FieldRef) -> Option<Value<'_>> {
            self.0.map(Value::Bytes)
        }
    }

    #[test]
    fn a_group_answers_as_its_tests_do_one_by_one() {
        let field = FieldRef { field: Field::FdName, arg: crate::Arg::None };
        let texts = |texts: &[&str]| texts.iter().map(|t| t.as_bytes().to_vec()).collect();
        let tests = [
            TestKey::Bytes(BytesTest::Cmp(Cmp::Eq), b"/etc/shadow".to_vec()),
            TestKey::BytesIn(texts(&["/etc/passwd", "/etc/shadow", ""])),
            TestKey::PathPrefix(texts(&["/etc", "/usr/bin"])),
            TestKey::PathPrefix(texts(&["/"])),
            TestKey::PathPrefix(texts(&["/etc/ssh", "/usr"])),
            TestKey::BytesIn(texts(&[])),
        ];
        let keys: Vec<PredicateKey> = tests
            .into_iter()
            .cycle()
            .take(90)
            .map(|test| PredicateKey { left: Expr::Field(field.clone()), test })
            .collect();
        let group = Group::new(&keys.iter().collect::<Vec<_>>()).unwrap();
        let mut answers = vec![u64::MAX; group.n_words()];
        for value in [
            None,
            Some("/etc/shadow"),
            Some("/etc/ssh/x"),
            Some("/etc//ssh"),
            Some("/usr/bin/make"),
            Some("/usr/lib"),
            Some("/home/x"),
            Some(""),
            Some("etc"),
        ] {
            let fields = Name(value.map(str::as_bytes));
            group.ask(&fields, &mut answers);
            for (bit, key) in keys.iter().enumerate() {
                let alone = Predicate::new(key).holds(
                    EventType::OPENAT_2_X,
                    &fields,
                    &mut Buffers::default(),
                );
                let together = answers[bit / 64] >> (bit % 64) & 1 == 1;
                assert_eq!(together, alone, "{value:?} {:?}", key.test);
            }
        }
    }
}
