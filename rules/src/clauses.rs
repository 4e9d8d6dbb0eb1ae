//! What a rule needs to match: of each part of its conjunction, comparisons of which at least one must hold.
//!
//! A part that contains other things than comparisons joined by "or" is weakened: of an inner conjunction the rarest member stands for all. So a
//! clause may hold where its part does not, never the other way round.

use std::collections::HashSet;

use crate::ir::{Ir, IrId, IrNode};
use crate::pmatch::components;
use crate::predicate::{BytesTest, Cmp, PredicateKey, TestKey};
use crate::schema::Field;

/// Comparisons of one clause that no lookup answers.
const MAX_SINGLES: u32 = 8;

/// A clause that holds for a larger share of all events is not worth asking.
const MAX_SHARE: f32 = 0.9;

/// A node, or its negation.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Literal {
    pub(crate) node: IrId,
    pub(crate) negated: bool,
}

/// One of the literals holds wherever the rule matches.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Clause {
    /// In order, none twice: comparisons, or one other node.
    pub(crate) literals: Vec<Literal>,
    /// Guess at the share of events for which it holds.
    pub(crate) share: f32,
}

/// What is guessed of the clause that a node amounts to.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Guess {
    share: f32,
    n_singles: u32,
}

/// The clauses of all nodes for one event type.
pub(crate) struct Clauses<'a> {
    ir: &'a Ir,
    known: &'a [Option<bool>],
    /// Of each node, and of each node negated; `None` where there is none worth asking.
    guesses: [Vec<Option<Guess>>; 2],
}

impl<'a> Clauses<'a> {
    /// `is_grouped` tells of each comparison whether a lookup answers it.
    pub(crate) fn new(
        ir: &'a Ir,
        known: &'a [Option<bool>],
        is_grouped: impl Fn(u32) -> bool,
    ) -> Self {
        let n = ir.nodes.len();
        let guesses = [Vec::with_capacity(n), Vec::with_capacity(n)];
        let mut out = Self { ir, known, guesses };
        for (id, node) in ir.nodes.iter().enumerate() {
            let both = if known[id].is_some() {
                [None, None]
            } else {
                match node {
                    IrNode::Test(p) => {
                        let share = share(&ir.predicates[*p as usize]);
                        let single = |share| Guess { share, n_singles: 1 };
                        let n_singles = u32::from(!is_grouped(*p));
                        [Some(Guess { share, n_singles }), Some(single(1.0 - share))]
                    }
                    &IrNode::Not(of) => [out.guess(of, true), out.guess(of, false)],
                    IrNode::And(of) => [out.rarest(of, false), out.any(of, true)],
                    IrNode::Or(of) => [out.any(of, false), out.rarest(of, true)],
                }
            };
            for (all, guess) in out.guesses.iter_mut().zip(both) {
                all.push(guess.filter(|g| g.share <= MAX_SHARE));
            }
        }
        out
    }

    fn guess(&self, node: IrId, negated: bool) -> Option<Guess> {
        self.guesses[usize::from(negated)][node as usize]
    }

    fn open<'n>(&'n self, of: &'n [IrId]) -> impl Iterator<Item = IrId> + 'n {
        of.iter().copied().filter(|&c| self.known[c as usize].is_none())
    }

    /// The operand that stands for a conjunction.
    fn rarest_of(&self, of: &[IrId], negated: bool) -> Option<(IrId, Guess)> {
        let rank = |g: &Guess| (g.share, g.n_singles);
        self.open(of).filter_map(|c| Some((c, self.guess(c, negated)?))).min_by(|(_, a), (_, b)| {
            rank(a).partial_cmp(&rank(b)).unwrap_or(std::cmp::Ordering::Equal)
        })
    }

    fn rarest(&self, of: &[IrId], negated: bool) -> Option<Guess> {
        self.rarest_of(of, negated).map(|(_, guess)| guess)
    }

    fn any(&self, of: &[IrId], negated: bool) -> Option<Guess> {
        let mut sum = Guess { share: 0.0, n_singles: 0 };
        for c in self.open(of) {
            let guess = self.guess(c, negated)?;
            sum.share += guess.share;
            sum.n_singles += guess.n_singles;
        }
        (sum.n_singles <= MAX_SINGLES).then_some(sum)
    }

    /// The parts of a rule's conjunction. An explicit stack: conditions may be deep.
    pub(crate) fn conjuncts(&self, root: IrId) -> Vec<Literal> {
        let mut out = Vec::new();
        let mut seen = HashSet::new();
        let mut left = vec![Literal { node: root, negated: false }];
        while let Some(at @ Literal { node, negated }) = left.pop() {
            if self.known[node as usize].is_some() || !seen.insert(at) {
                continue;
            }
            match &self.ir.nodes[node as usize] {
                &IrNode::Not(of) => left.push(Literal { node: of, negated: !negated }),
                IrNode::And(of) if !negated => {
                    left.extend(of.iter().map(|&node| Literal { node, negated }));
                }
                IrNode::Or(of) if negated => {
                    left.extend(of.iter().map(|&node| Literal { node, negated }));
                }
                _ => out.push(at),
            }
        }
        out
    }

    /// The parts of a rule's conjunction that are still to be asked where those that `asked` names hold. Parts of a part stay together unless one
    /// of them was asked.
    pub(crate) fn left_of(&self, root: IrId, asked: &Asked) -> Vec<Literal> {
        let mut out = Vec::new();
        let mut seen = HashSet::new();
        let mut left = vec![Literal { node: root, negated: false }];
        while let Some(at @ Literal { node, negated }) = left.pop() {
            if self.known[node as usize].is_some() || !seen.insert(at) {
                continue;
            }
            if !asked.within(at) {
                out.push(at);
                continue;
            }
            match &self.ir.nodes[node as usize] {
                &IrNode::Not(of) => left.push(Literal { node: of, negated: !negated }),
                IrNode::And(of) | IrNode::Or(of) if !asked.is(at) => {
                    left.extend(of.iter().map(|&node| Literal { node, negated }));
                }
                _ => {}
            }
        }
        out.sort_unstable_by_key(|&Literal { node, negated }| {
            let negated = negated || matches!(self.ir.nodes[node as usize], IrNode::Not(_));
            (negated, self.ir.cost(node), node)
        });
        out
    }

    /// The clause of a part, if there is one.
    pub(crate) fn of(&self, part: Literal) -> Option<Clause> {
        let share = self.guess(part.node, part.negated)?.share;
        let mut literals = Vec::new();
        let mut seen = HashSet::new();
        let mut left = vec![part];
        while let Some(at @ Literal { node, negated }) = left.pop() {
            if !seen.insert(at) {
                continue;
            }
            let (of, is_conjunction) = match &self.ir.nodes[node as usize] {
                IrNode::Test(_) => {
                    literals.push(at);
                    continue;
                }
                &IrNode::Not(of) => {
                    left.push(Literal { node: of, negated: !negated });
                    continue;
                }
                IrNode::And(of) => (of, !negated),
                IrNode::Or(of) => (of, negated),
            };
            if is_conjunction {
                let (node, _) = self.rarest_of(of, negated)?;
                left.push(Literal { node, negated });
            } else {
                left.extend(self.open(of).map(|node| Literal { node, negated }));
            }
        }
        literals.sort_unstable();
        Some(Clause { literals, share })
    }
}

/// Literals that were asked before a rule is run.
pub(crate) struct Asked {
    literals: HashSet<Literal>,
    /// Of each node, and of each node negated: whether it is one of them or a conjunction with one of them.
    within: [Vec<bool>; 2],
}

impl Asked {
    pub(crate) fn new(ir: &Ir, literals: HashSet<Literal>) -> Self {
        let mut within = [vec![false; ir.nodes.len()], vec![false; ir.nodes.len()]];
        if !literals.is_empty() {
            for (id, node) in ir.nodes.iter().enumerate() {
                for (n, negated) in [false, true].into_iter().enumerate() {
                    within[n][id] = literals.contains(&Literal { node: id as IrId, negated })
                        || match node {
                            IrNode::Test(_) => false,
                            &IrNode::Not(of) => within[1 - n][of as usize],
                            IrNode::And(of) => {
                                !negated && of.iter().any(|&c| within[0][c as usize])
                            }
                            IrNode::Or(of) => negated && of.iter().any(|&c| within[1][c as usize]),
                        };
                }
            }
        }
        Self { literals, within }
    }

    fn is(&self, literal: Literal) -> bool {
        self.literals.contains(&literal)
    }

    fn within(&self, literal: Literal) -> bool {
        self.within[usize::from(literal.negated)][literal.node as usize]
    }
}

/// A guess at the share of events that satisfy a test: only the order of such guesses matters.
fn share(key: &PredicateKey) -> f32 {
    if key.left.as_field().is_some_and(|f| is_coarse(f.field)) {
        return 0.5;
    }
    let test = &key.test;
    let n = |len: usize| len as f32;
    match test {
        TestKey::Exists => 0.95,
        TestKey::Bytes(BytesTest::Cmp(Cmp::Eq), _) | TestKey::Ip { negated: false, .. } => 0.02,
        TestKey::BytesIn(of) => (0.02 * n(of.len())).min(0.4),
        TestKey::PathPrefix(of) => of.iter().map(|p| below(components(p).count())).sum(),
        TestKey::Bytes(BytesTest::StartsWith | BytesTest::EndsWith, text) => match text.len() {
            0 => 1.0,
            1 => 0.5,
            2..=4 => 0.2,
            _ => 0.05,
        },
        TestKey::Bytes(BytesTest::Contains | BytesTest::IContains, text) => match text.len() {
            0 => 1.0,
            1 => 0.5,
            2..=4 => 0.15,
            _ => 0.03,
        },
        TestKey::Bytes(BytesTest::Glob | BytesTest::IGlob, _) => 0.05,
        TestKey::Number { cmp: Cmp::Eq, .. } => 0.1,
        TestKey::NumberIn(of) => (0.1 * n(of.len())).min(0.4),
        TestKey::IpIn(of) => (0.02 * n(of.len())).min(0.4),
        _ => 0.5,
    }
}

/// Whether the field has few values, so that a test of it says little.
fn is_coarse(field: Field) -> bool {
    matches!(
        field,
        Field::FdTypechar
            | Field::FdType
            | Field::FdL4proto
            | Field::FdSockfamily
            | Field::FdNum
            | Field::EvtRes
            | Field::EvtRawres
            | Field::EvtDir
            | Field::EvtCategory
            | Field::SyscallType
            | Field::EvtType
            | Field::ContainerId
            | Field::UserName
            | Field::UserUid
            | Field::ProcTty
    )
}

/// Share of names below a directory of so many components.
fn below(n_components: usize) -> f32 {
    match n_components {
        0 => 1.0,
        1 => 0.3,
        2 => 0.1,
        _ => 0.03,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::expr::Expr;
    use crate::schema::{Arg, FieldRef};

    fn test(ir: &mut Ir, field: Field, text: &str) -> IrId {
        let left = Expr::Field(FieldRef { field, arg: Arg::None });
        let test = TestKey::Bytes(BytesTest::Cmp(Cmp::Eq), text.as_bytes().to_vec());
        ir.test(PredicateKey { left, test }).unwrap()
    }

    #[test]
    fn a_clause_follows_from_its_part() {
        let mut ir = Ir::default();
        let [a, b, c, d] = ["a", "b", "c", "d"].map(|t| test(&mut ir, Field::ProcName, t));
        let not_d = ir.not(d).unwrap();
        let both = ir.and(vec![b, not_d]).unwrap();
        let either = ir.or(vec![a, both]).unwrap();
        let root = ir.and(vec![either, c, not_d]).unwrap();
        let known = vec![None; ir.nodes.len()];
        let clauses = Clauses::new(&ir, &known, |_| true);
        let yes = |node| Literal { node, negated: false };
        let mut parts = clauses.conjuncts(root);
        parts.sort();
        assert_eq!(parts, [yes(c), Literal { node: d, negated: true }, yes(either)]);
        let clause = |part| clauses.of(part).map(|c| c.literals);
        // Of "b and not d" the rarer half stays.
        assert_eq!(clause(yes(either)), Some(vec![yes(a), yes(b)]));
        assert_eq!(clause(yes(c)), Some(vec![yes(c)]));
        // Holds nearly always.
        assert_eq!(clause(Literal { node: d, negated: true }), None);
    }
}
