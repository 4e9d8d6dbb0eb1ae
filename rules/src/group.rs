//! Tests of one field that one lookup answers together: equality and membership, beginnings and ends, parts, numbers, addresses.
//!
//! A hundred rules that each hold a file's name against a list of their own cost one hash lookup and one walk over the name's components,
//! whatever the number of lists; then each test is one bit.

use std::collections::HashMap;
use std::net::IpAddr;

use event::EventType;
use foldhash::fast::FixedState;

use crate::affix::{Trie, TrieBuilder};
use crate::cells::Cells;
use crate::contains::{Parts, PartsBuilder};
use crate::glob::Glob;
use crate::pmatch::{components, has_wildcard};
use crate::predicate::{BytesTest, Cmp, PredicateKey, TestKey};
use crate::recent::Recent;
use crate::schema::{Arity, FieldRef};
use crate::value::{Fields, Value};

/// Tests of a group: as many as an op can name.
const MAX_TESTS: usize = 1 << 16;

/// Rows that one event can hit and rules still be sorted out by them.
const MAX_HITS: usize = 32;

/// How a lookup goes. Tests of a field that are looked up alike are one group.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum Kind {
    /// A hash of the text, a walk over its components.
    Name,
    /// A walk from either end.
    Affix,
    /// A pass over the text.
    Part,
    /// A hash of the number.
    Number,
    /// A hash of the address.
    Address,
}

impl Kind {
    /// The kind of the lookup that can answer the test among others.
    pub(crate) fn of(key: &PredicateKey) -> Option<Self> {
        let field = key.left.as_field()?;
        if field.arity() == Arity::Ends || field.is_list() {
            return None;
        }
        Some(match &key.test {
            TestKey::BytesIn(_) => Self::Name,
            TestKey::PathPrefix(prefixes) if !prefixes.iter().any(|p| has_wildcard(p)) => {
                Self::Name
            }
            TestKey::Bytes(BytesTest::Glob, text)
                if simplest(BytesTest::Glob, text).is_none() && anchor(text).is_some() =>
            {
                Self::Affix
            }
            TestKey::Bytes(test, text) => match simplest(*test, text)? {
                (BytesTest::Cmp(_), _) => Self::Name,
                // What every text has is not looked for.
                (_, []) => return None,
                (BytesTest::StartsWith | BytesTest::EndsWith, _) => Self::Affix,
                _ => Self::Part,
            },
            TestKey::Number { cmp: Cmp::Eq, .. } | TestKey::NumberIn(_) => Self::Number,
            TestKey::Ip { negated: false, .. } | TestKey::IpIn(_) => Self::Address,
            _ => return None,
        })
    }

    /// Tests from which on a lookup for all is better than each by itself.
    pub(crate) fn min_tests(self) -> usize {
        match self {
            Self::Name | Self::Number | Self::Address => 2,
            Self::Affix => 3,
            Self::Part => 4,
        }
    }

    /// Rough cost of a lookup, in the unit of [`crate::predicate::Predicate::cost`].
    pub(crate) fn cost(self) -> u32 {
        match self {
            Self::Number | Self::Address => 4,
            Self::Name => 6,
            Self::Affix => 8,
            Self::Part => 24,
        }
    }
}

/// A test that can be looked up, a pattern as what it amounts to: `*x*` is a part.
pub(crate) fn simplest(test: BytesTest, text: &[u8]) -> Option<(BytesTest, &[u8])> {
    match test {
        BytesTest::Cmp(Cmp::Eq)
        | BytesTest::StartsWith
        | BytesTest::EndsWith
        | BytesTest::Contains
        | BytesTest::IContains => Some((test, text)),
        BytesTest::Glob | BytesTest::IGlob => {
            let (open_start, inner) =
                text.strip_prefix(b"*").map_or((false, text), |rest| (true, rest));
            let (open_end, inner) =
                inner.strip_suffix(b"*").map_or((false, inner), |rest| (true, rest));
            if has_wildcard(inner) || inner.contains(&b'\\') {
                return None;
            }
            let test = match (test, open_start, open_end) {
                (BytesTest::Glob, true, true) => BytesTest::Contains,
                (BytesTest::Glob, true, false) => BytesTest::EndsWith,
                (BytesTest::Glob, false, true) => BytesTest::StartsWith,
                (BytesTest::Glob, false, false) => BytesTest::Cmp(Cmp::Eq),
                (_, true, true) => BytesTest::IContains,
                _ => return None,
            };
            Some((test, inner))
        }
        _ => None,
    }
}

/// What every text that matches a pattern begins or ends with.
fn anchor(pattern: &[u8]) -> Option<(BytesTest, &[u8])> {
    let is_special = |b: &u8| b"?*[]\\".contains(b);
    let start = pattern.iter().position(is_special)?;
    let end = pattern.iter().rposition(is_special)? + 1;
    match (&pattern[..start], &pattern[end..]) {
        ([], []) => None,
        ([], end) => Some((BytesTest::EndsWith, end)),
        (start, _) => Some((BytesTest::StartsWith, start)),
    }
}

/// The tests of one field that are looked up alike.
#[derive(Clone, Debug)]
pub(crate) struct Group {
    pub(crate) kind: Kind,
    pub(crate) field: FieldRef,
    pub(crate) arity: Arity,
    n_tests: usize,
    lookup: Lookup,
    /// The tests that hold where a row is hit.
    rows: Cells,
}

#[derive(Clone, Debug)]
enum Lookup {
    Name { texts: Texts, nodes: Vec<Node> },
    Affix { starts: Trie, ends: Trie, globs: Vec<Vec<(Glob, u32)>> },
    Part(Box<Parts>),
    Number(HashMap<u64, u32, FixedState>),
    Address(HashMap<IpAddr, u32, FixedState>),
}

/// A map that most keys need not be hashed for.
#[derive(Clone, Debug, Default)]
struct Texts {
    map: HashMap<Box<[u8]>, u32, FixedState>,
    /// Lengths that some key has, from 63 on in one bit.
    lens: u64,
    /// Low six bits of the last bytes that some key has.
    ends: u64,
}

fn end_bit(text: &[u8]) -> u64 {
    1 << (text.last().copied().unwrap_or(0) & 63)
}

impl Texts {
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

/// A path component; the root is the first.
#[derive(Clone, Debug, Default)]
struct Node {
    children: Texts,
    /// Tests whose prefix ends here.
    row: Option<u32>,
}

/// The rows that an event hit.
#[derive(Clone, Debug)]
pub(crate) struct Hits {
    rows: [u32; MAX_HITS],
    /// More than there is room for where they were too many.
    n: usize,
    /// Whether the answers say the same.
    is_spread: bool,
}

impl Default for Hits {
    fn default() -> Self {
        Self { rows: [0; MAX_HITS], n: 0, is_spread: false }
    }
}

impl Hits {
    /// `None` where they were too many.
    #[inline]
    pub(crate) fn rows(&self) -> Option<&[u32]> {
        self.rows.get(..self.n)
    }

    /// Takes over what others hit, who were not too many.
    #[inline]
    pub(crate) fn copy(&mut self, from: &Self) {
        self.n = from.n;
        self.is_spread = false;
        for (to, from) in self.rows.iter_mut().zip(from.rows().unwrap_or_default()) {
            *to = *from;
        }
    }

    /// Whether there was room.
    #[inline]
    fn add(&mut self, row: u32) -> bool {
        let Some(known) = self.rows() else { return false };
        if known.contains(&row) {
            return true;
        }
        let free = self.rows.get_mut(self.n);
        self.n += 1;
        free.map(|free| *free = row).is_some()
    }
}

/// A group being made.
struct Builder {
    rows: Vec<Vec<u32>>,
    texts: Texts,
    nodes: Vec<Node>,
    starts: TrieBuilder,
    ends: TrieBuilder,
    /// By row of the anchor.
    globs: Vec<Vec<(Glob, u32)>>,
    parts: PartsBuilder,
    numbers: HashMap<u64, u32, FixedState>,
    addresses: HashMap<IpAddr, u32, FixedState>,
}

fn new_row(rows: &mut Vec<Vec<u32>>) -> u32 {
    rows.push(Vec::new());
    rows.len() as u32 - 1
}

impl Builder {
    fn new() -> Self {
        Self {
            rows: Vec::new(),
            texts: Texts::default(),
            nodes: Vec::new(),
            starts: TrieBuilder::new(),
            ends: TrieBuilder::new(),
            globs: Vec::new(),
            parts: PartsBuilder::default(),
            numbers: HashMap::default(),
            addresses: HashMap::default(),
        }
    }

    /// Whether there was room for the test.
    fn add(&mut self, test: &TestKey, bit: u32) -> bool {
        let rows: Vec<Option<u32>> = match test {
            TestKey::Bytes(test, text) => match simplest(*test, text) {
                Some((test, text)) => vec![self.bytes(test, text)],
                None => vec![self.glob(text)],
            },
            TestKey::BytesIn(texts) => texts.iter().map(|t| Some(self.text(t))).collect(),
            TestKey::PathPrefix(prefixes) => {
                prefixes.iter().map(|p| Some(self.prefix(p))).collect()
            }
            TestKey::Number { bits, .. } => vec![Some(self.number(*bits))],
            TestKey::NumberIn(all) => all.iter().map(|&bits| Some(self.number(bits))).collect(),
            TestKey::Ip { addr, .. } => vec![Some(self.address(*addr))],
            TestKey::IpIn(all) => all.iter().map(|&addr| Some(self.address(addr))).collect(),
            _ => return false,
        };
        if rows.contains(&None) {
            return false;
        }
        for row in rows.into_iter().flatten() {
            self.rows[row as usize].push(bit);
        }
        true
    }

    fn bytes(&mut self, test: BytesTest, text: &[u8]) -> Option<u32> {
        let rows = &mut self.rows;
        let new_row = || new_row(rows);
        match test {
            BytesTest::StartsWith => Some(self.starts.row(text.iter().copied(), new_row)),
            BytesTest::EndsWith => Some(self.ends.row(text.iter().rev().copied(), new_row)),
            BytesTest::Contains => self.parts.row(text, true, new_row),
            BytesTest::IContains => self.parts.row(text, false, new_row),
            _ => Some(self.text(text)),
        }
    }

    /// A row of its own, to be held against values that hit the row of its anchor.
    fn glob(&mut self, pattern: &[u8]) -> Option<u32> {
        let (test, text) = anchor(pattern)?;
        let at = self.bytes(test, text)? as usize;
        let row = new_row(&mut self.rows);
        if self.globs.len() <= at {
            self.globs.resize(at + 1, Vec::new());
        }
        self.globs[at].push((Glob::new(pattern, false), row));
        Some(row)
    }

    fn text(&mut self, text: &[u8]) -> u32 {
        self.texts.get(text).unwrap_or_else(|| {
            let row = new_row(&mut self.rows);
            self.texts.insert(text, row);
            row
        })
    }

    fn prefix(&mut self, prefix: &[u8]) -> u32 {
        if self.nodes.is_empty() {
            self.nodes.push(Node::default());
        }
        let mut at = 0;
        for part in components(prefix) {
            at = self.nodes[at].children.get(part).unwrap_or_else(|| {
                self.nodes.push(Node::default());
                let next = self.nodes.len() as u32 - 1;
                self.nodes[at].children.insert(part, next);
                next
            }) as usize;
        }
        *self.nodes[at].row.get_or_insert_with(|| new_row(&mut self.rows))
    }

    fn number(&mut self, bits: u64) -> u32 {
        *self.numbers.entry(bits).or_insert_with(|| new_row(&mut self.rows))
    }

    fn address(&mut self, addr: IpAddr) -> u32 {
        *self.addresses.entry(addr).or_insert_with(|| new_row(&mut self.rows))
    }

    fn build(self, kind: Kind) -> Option<(Lookup, Vec<Vec<u32>>)> {
        let lookup = match kind {
            Kind::Name => Lookup::Name { texts: self.texts, nodes: self.nodes },
            Kind::Affix => {
                let (starts, ends) = (self.starts.build(), self.ends.build());
                Lookup::Affix { starts, ends, globs: self.globs }
            }
            Kind::Part => Lookup::Part(Box::new(self.parts.build()?)),
            Kind::Number => Lookup::Number(self.numbers),
            Kind::Address => Lookup::Address(self.addresses),
        };
        Some((lookup, self.rows))
    }
}

impl Group {
    /// A group of tests of one field and kind. Gives it with the places of those tests that it answers, whose order is that of their bits, and the
    /// tests of each row. `None` where there is nothing to gain.
    pub(crate) fn new(tests: &[&PredicateKey]) -> Option<(Self, Vec<usize>, Vec<Vec<u32>>)> {
        let kind = Kind::of(tests.first()?)?;
        let field = tests[0].left.as_field()?;
        let mut builder = Builder::new();
        let mut taken = Vec::new();
        for (place, key) in tests.iter().enumerate().take(MAX_TESTS) {
            if builder.add(&key.test, taken.len() as u32) {
                taken.push(place);
            }
        }
        if taken.len() < kind.min_tests() {
            return None;
        }
        let (lookup, rows) = builder.build(kind)?;
        let group = Self {
            kind,
            field: field.clone(),
            arity: field.arity(),
            n_tests: taken.len(),
            lookup,
            rows: Cells::new(rows.clone()),
        };
        Some((group, taken, rows))
    }

    /// Whether it is worth while to keep what values hit.
    pub(crate) fn keeps_recent(&self) -> bool {
        self.kind == Kind::Part && self.arity == Arity::One
    }

    /// Words that the answers take.
    pub(crate) fn n_words(&self) -> usize {
        self.n_tests.div_ceil(64)
    }

    /// Asks all tests of the event. `answers` has [`Group::n_words`] words.
    pub(crate) fn ask<F: Fields>(
        &self,
        fields: &F,
        answers: &mut [u64],
        hits: &mut Hits,
        recent: &mut Recent,
    ) {
        hits.n = 0;
        hits.is_spread = false;
        match self.arity {
            Arity::Ancestors => {
                fields.any(&self.field, |value| {
                    self.look_up(value, answers, hits);
                    false
                });
            }
            Arity::One | Arity::Ends => {
                let Some(value) = fields.get(&self.field) else { return };
                match (&self.lookup, value) {
                    (Lookup::Part(_), Value::Bytes(text)) => {
                        if let Some(known) = recent.get(text) {
                            hits.copy(known);
                            return;
                        }
                        self.look_up(value, answers, hits);
                        if hits.rows().is_some() {
                            recent.put(text, hits);
                        }
                    }
                    _ => self.look_up(value, answers, hits),
                }
            }
        }
    }

    /// The answer of a test, once the group was asked.
    #[inline]
    pub(crate) fn answer(&self, bit: usize, answers: &mut [u64], hits: &mut Hits) -> bool {
        // Most values hit nothing.
        if hits.n == 0 {
            return false;
        }
        if !hits.is_spread {
            if let Some(&[row]) = hits.rows() {
                return self.rows.contains(row, bit);
            }
            self.spread(answers, hits);
        }
        answers[bit / 64] >> (bit % 64) & 1 == 1
    }

    /// Puts the tests of the rows that were hit into the answers.
    fn spread(&self, answers: &mut [u64], hits: &mut Hits) {
        answers.fill(0);
        for &row in &hits.rows[..hits.n.min(MAX_HITS)] {
            self.rows.add_to(row, answers);
        }
        hits.is_spread = true;
    }

    fn look_up(&self, value: Value<'_>, answers: &mut [u64], hits: &mut Hits) {
        let mut hit = |row| {
            if !hits.add(row) {
                // From here on only the answers know.
                if !hits.is_spread {
                    self.spread(answers, hits);
                }
                self.rows.add_to(row, answers);
            }
        };
        match (&self.lookup, value) {
            (Lookup::Name { texts, nodes }, Value::Bytes(text)) => {
                texts.get(text).into_iter().for_each(&mut hit);
                let Some(mut node) = nodes.first() else { return };
                node.row.into_iter().for_each(&mut hit);
                for part in components(text) {
                    let Some(next) = node.children.get(part) else { break };
                    node = &nodes[next as usize];
                    node.row.into_iter().for_each(&mut hit);
                }
            }
            (Lookup::Affix { starts, ends, globs }, Value::Bytes(text)) => {
                let mut hit = |row: u32| {
                    hit(row);
                    for (glob, own) in globs.get(row as usize).into_iter().flatten() {
                        if glob.matches(text) {
                            hit(*own);
                        }
                    }
                };
                starts.find(text.iter().copied(), &mut hit);
                ends.find(text.iter().rev().copied(), &mut hit);
            }
            (Lookup::Part(parts), Value::Bytes(text)) => parts.find(text, hit),
            (Lookup::Number(numbers), Value::I64(v)) => {
                numbers.get(&(v as u64)).copied().into_iter().for_each(hit);
            }
            (Lookup::Number(numbers), Value::U64(v)) => {
                numbers.get(&v).copied().into_iter().for_each(hit);
            }
            (Lookup::Address(addresses), Value::Ip(v)) => {
                addresses.get(&v).copied().into_iter().for_each(hit);
            }
            // A value of another type than the schema says satisfies nothing.
            _ => {}
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
    use crate::schema::{Arg, Field};

    struct One<'a>(Option<Value<'a>>);

    impl Fields for One<'_> {
        fn get(&self, _: &FieldRef) -> Option<Value<'_>> {
            self.0
        }
    }

    fn texts(texts: &[&str]) -> std::collections::BTreeSet<Vec<u8>> {
        texts.iter().map(|t| t.as_bytes().to_vec()).collect()
    }

    /// Holds a group of `tests` to each of them by itself.
    fn check(field: Field, tests: Vec<TestKey>, values: &[Option<Value<'_>>]) {
        let left = Expr::Field(FieldRef { field, arg: Arg::None });
        let n = tests.len() * 20;
        let keys: Vec<PredicateKey> = tests
            .into_iter()
            .cycle()
            .take(n)
            .map(|test| PredicateKey { left: left.clone(), test })
            .collect();
        let (group, taken, _) = Group::new(&keys.iter().collect::<Vec<_>>()).unwrap();
        assert_eq!(taken, (0..n).collect::<Vec<_>>());
        let mut answers = vec![u64::MAX; group.n_words()];
        let mut hits = Hits::default();
        let mut recent = Recent::default();
        recent.reset(true);
        for value in values.iter().chain(values) {
            let fields = One(*value);
            group.ask(&fields, &mut answers, &mut hits, &mut recent);
            for (bit, key) in keys.iter().enumerate() {
                let together = group.answer(bit, &mut answers, &mut hits);
                let mut buffers = Buffers::default();
                let alone =
                    Predicate::new(key, 0).holds(EventType::OPENAT_2_X, &fields, &mut buffers);
                assert_eq!(together, alone, "{value:?} {:?}", key.test);
            }
        }
    }

    const PATHS: [Option<&str>; 10] = [
        None,
        Some("/etc/shadow"),
        Some("/etc/ssh/x"),
        Some("/etc//ssh"),
        Some("/usr/bin/make"),
        Some("/usr/lib"),
        Some("/home/x.CONF"),
        Some("x.conf"),
        Some(""),
        Some("etc"),
    ];

    fn paths() -> Vec<Option<Value<'static>>> {
        PATHS.iter().map(|p| p.map(|p| Value::Bytes(p.as_bytes()))).collect()
    }

    #[test]
    fn names_answer_as_they_do_one_by_one() {
        let tests = vec![
            TestKey::Bytes(BytesTest::Cmp(Cmp::Eq), b"/etc/shadow".to_vec()),
            TestKey::Bytes(BytesTest::Glob, b"/usr/lib".to_vec()),
            TestKey::BytesIn(texts(&["/etc/passwd", "/etc/shadow", ""])),
            TestKey::PathPrefix(texts(&["/etc", "/usr/bin"])),
            TestKey::PathPrefix(texts(&["/"])),
            TestKey::PathPrefix(texts(&["/etc/ssh", "/usr"])),
            TestKey::BytesIn(texts(&[])),
        ];
        check(Field::FdName, tests, &paths());
    }

    #[test]
    fn affixes_and_parts_answer_as_they_do_one_by_one() {
        let of = |test, text: &str| TestKey::Bytes(test, text.as_bytes().to_vec());
        let affixes = vec![
            of(BytesTest::StartsWith, "/etc"),
            of(BytesTest::StartsWith, "/etc/ssh/x"),
            of(BytesTest::Glob, "/us*"),
            of(BytesTest::EndsWith, "conf"),
            of(BytesTest::EndsWith, "/etc/shadow"),
            of(BytesTest::Glob, "*e"),
            of(BytesTest::Glob, "/etc/*/?"),
            of(BytesTest::Glob, "/u*/[a-m]*"),
            of(BytesTest::Glob, "*[a-z].c?nf"),
        ];
        check(Field::FdName, affixes, &paths());
        let parts = vec![
            of(BytesTest::Contains, "etc"),
            of(BytesTest::Contains, "conf"),
            of(BytesTest::IContains, "conf"),
            of(BytesTest::Glob, "*//*"),
            of(BytesTest::IGlob, "*SH*"),
        ];
        check(Field::FdName, parts, &paths());
    }

    #[test]
    fn numbers_and_addresses_answer_as_they_do_one_by_one() {
        let number = |bits| TestKey::Number { cmp: Cmp::Eq, bits: bits as u64, signed: true };
        let tests = vec![
            number(-1i64),
            number(7),
            TestKey::NumberIn([u64::MAX, 8].into_iter().collect()),
            TestKey::NumberIn([].into_iter().collect()),
        ];
        let values = [-1, 7, 8, 9]
            .map(|v| Some(Value::I64(v)))
            .into_iter()
            .chain([None])
            .collect::<Vec<_>>();
        check(Field::FdNum, tests, &values);
        let addr = |text: &str| text.parse::<IpAddr>().unwrap();
        let tests = vec![
            TestKey::Ip { addr: addr("10.0.0.1"), negated: false },
            TestKey::IpIn([addr("::1"), addr("10.0.0.2")].into_iter().collect()),
        ];
        let values = ["10.0.0.1", "10.0.0.2", "::1", "::2"].map(|v| Some(Value::Ip(addr(v))));
        check(Field::FdSip, tests, &values);
    }

    #[test]
    fn patterns_are_what_they_amount_to() {
        for (pattern, expected) in [
            ("*x*", Some((BytesTest::Contains, "x"))),
            ("*x", Some((BytesTest::EndsWith, "x"))),
            ("x*", Some((BytesTest::StartsWith, "x"))),
            ("x", Some((BytesTest::Cmp(Cmp::Eq), "x"))),
            ("*", Some((BytesTest::EndsWith, ""))),
            ("x*y", None),
            ("x\\*", None),
            ("[x]*", None),
            ("**x", None),
        ] {
            let expected = expected.map(|(test, text)| (test, text.as_bytes()));
            assert_eq!(simplest(BytesTest::Glob, pattern.as_bytes()), expected, "{pattern}");
        }
    }

    #[test]
    fn too_many_hits_are_told() {
        let mut hits = Hits::default();
        for row in (0..MAX_HITS as u32).chain([3, 5]) {
            assert!(hits.add(row));
        }
        assert_eq!(hits.rows().map(<[u32]>::len), Some(MAX_HITS));
        assert!(!hits.add(90));
        assert!(!hits.add(3));
        assert_eq!(hits.rows(), None);
    }
}
