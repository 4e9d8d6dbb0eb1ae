//! Conditions to lists of asks: a conjunction of lists is every choice of one of each, a disjunction all of them, and "not" is pushed down to the
//! comparisons. Lists that grow too long are joined, which only makes them hold more often.

use std::collections::{BTreeSet, HashMap, HashSet};
use std::rc::Rc;

use super::ask::{Ask, reduced};
use super::literal::{self, TypeFacts};
use crate::ir::{Ir, IrId, IrNode};
use crate::predicate::PredicateKey;

/// Asks of one node.
const MAX_OF_NODE: usize = 24;
/// Asks of a type.
pub(super) const MAX_OF_TYPE: usize = 24;
/// Steps for all types of a ruleset together; types that are left when they are spent have no clauses.
const MAX_STEPS: usize = 1 << 21;

/// A node, or its negation.
type Signed = (IrId, bool);

/// One ruleset's conditions.
pub(super) struct Derivation<'a> {
    ir: &'a Ir,
    n_steps: usize,
}

/// What the rules need of a type, or the first rule that needs nothing.
pub(super) enum Derived {
    Asks(Vec<(Ask, BTreeSet<u32>)>),
    Nothing(u32),
    TooMuch,
}

impl<'a> Derivation<'a> {
    pub(super) fn new(ir: &'a Ir) -> Self {
        Self { ir, n_steps: 0 }
    }

    /// What events of a type need to match one of the rules, given by number and root.
    pub(super) fn of_type(&mut self, facts: TypeFacts, roots: &[(u32, IrId)]) -> Derived {
        let mut known = HashMap::new();
        let mut all: Vec<(Ask, BTreeSet<u32>)> = Vec::new();
        for &(rule, root) in roots {
            let Some(asks) = self.of_root(facts, (root, false), &mut known) else {
                return Derived::TooMuch;
            };
            if asks.iter().any(Ask::asks_nothing) {
                return Derived::Nothing(rule);
            }
            all.extend(asks.iter().map(|ask| (ask.clone(), BTreeSet::from([rule]))));
        }
        let all = self.reduce(all, MAX_OF_TYPE);
        // Joined ones may ask nothing where none did.
        match all.iter().find(|(ask, _)| ask.asks_nothing()) {
            Some((_, rules)) => {
                rules.first().map_or(Derived::TooMuch, |&rule| Derived::Nothing(rule))
            }
            None => Derived::Asks(all),
        }
    }

    fn reduce<N: Extend<u32> + IntoIterator<Item = u32>>(
        &mut self,
        asks: Vec<(Ask, N)>,
        max: usize,
    ) -> Vec<(Ask, N)> {
        let (asks, n_steps) = reduced(asks, max);
        self.n_steps += n_steps;
        asks
    }

    /// `None` where there is no end to it. An explicit order instead of recursion: conditions may be deep.
    fn of_root(
        &mut self,
        facts: TypeFacts,
        root: Signed,
        known: &mut HashMap<Signed, Rc<[Ask]>>,
    ) -> Option<Rc<[Ask]>> {
        let mut order = Vec::new();
        let mut seen = HashSet::from([root]);
        let mut left = vec![root];
        while let Some(at) = left.pop() {
            if known.contains_key(&at) {
                continue;
            }
            order.push(at);
            if self.by_type(facts, at).is_none() {
                left.extend(self.children(at).into_iter().filter(|&child| seen.insert(child)));
            }
        }
        // Children come before parents.
        order.sort_unstable();
        for at in order {
            self.n_steps += 1;
            if self.n_steps > MAX_STEPS {
                return None;
            }
            let asks = self.of_node(facts, at, known);
            known.insert(at, asks.into());
        }
        known.get(&root).cloned()
    }

    /// Whether the type alone decides a node.
    fn by_type(&self, facts: TypeFacts, (node, negated): Signed) -> Option<bool> {
        let types = &self.ir.types[node as usize];
        let (mut may, mut may_not) =
            (types.when_true.contains(facts.ty), types.when_false.contains(facts.ty));
        if negated {
            std::mem::swap(&mut may, &mut may_not);
        }
        if !may {
            Some(false)
        } else if !may_not {
            Some(true)
        } else {
            None
        }
    }

    fn children(&self, (node, negated): Signed) -> Vec<Signed> {
        match &self.ir.nodes[node as usize] {
            IrNode::Test(_) => Vec::new(),
            &IrNode::Not(of) => vec![(of, !negated)],
            IrNode::And(of) | IrNode::Or(of) => of.iter().map(|&child| (child, negated)).collect(),
        }
    }

    fn of_node(
        &mut self,
        facts: TypeFacts,
        at: Signed,
        known: &HashMap<Signed, Rc<[Ask]>>,
    ) -> Vec<Ask> {
        let (node, negated) = at;
        match self.by_type(facts, at) {
            Some(true) => return vec![Ask::any()],
            Some(false) => return Vec::new(),
            None => {}
        }
        let children = self.children(at);
        let any = [Ask::any()];
        let of_child = |child| known.get(child).map_or(&any[..], |asks| asks);
        let mut lists: Vec<&[Ask]> = children.iter().map(of_child).collect();
        match &self.ir.nodes[node as usize] {
            IrNode::Test(test) => {
                let key = &self.ir.predicates[*test as usize];
                literal::ask(facts, key, negated).into_iter().collect()
            }
            IrNode::Not(_) => lists.concat(),
            IrNode::And(_) if !negated => self.product(&mut lists),
            IrNode::Or(_) if negated => self.product(&mut lists),
            IrNode::And(_) | IrNode::Or(_) => {
                if lists.iter().any(|list| list.iter().any(Ask::is_any)) {
                    return vec![Ask::any()];
                }
                let all = lists.into_iter().flatten().cloned().collect();
                self.shortened(all)
            }
        }
    }

    fn shortened(&mut self, asks: Vec<Ask>) -> Vec<Ask> {
        // Inside of a condition nobody asks where an ask comes from.
        let asks: Vec<(Ask, Vec<u32>)> = asks.into_iter().map(|ask| (ask, Vec::new())).collect();
        self.reduce(asks, MAX_OF_NODE).into_iter().map(|(ask, _)| ask).collect()
    }

    fn product(&mut self, lists: &mut [&[Ask]]) -> Vec<Ask> {
        // What can be is found out first, and what needs nothing changes nothing.
        lists.sort_by_key(|list| list.len());
        let mut all = vec![Ask::any()];
        for list in lists.iter().filter(|list| !list.iter().any(Ask::is_any)) {
            self.n_steps += all.len() * list.len();
            let both = |a: &Ask| list.iter().filter_map(|b| a.meet(b)).collect::<Vec<_>>();
            all = all.iter().flat_map(both).collect();
            if list.len() > 1 {
                all = self.shortened(all);
            }
        }
        all
    }

    /// Comparisons with fields for which `is_asked` that the rule makes of events of a type, and does not negate.
    pub(super) fn tests(
        &self,
        facts: TypeFacts,
        root: IrId,
        is_asked: impl Fn(&PredicateKey) -> bool,
    ) -> Vec<&'a PredicateKey> {
        let mut out = Vec::new();
        let mut seen = HashSet::from([(root, false)]);
        let mut left = vec![(root, false)];
        while let Some(at) = left.pop() {
            if self.by_type(facts, at).is_some() {
                continue;
            }
            if let (IrNode::Test(test), false) = (&self.ir.nodes[at.0 as usize], at.1) {
                let key = &self.ir.predicates[*test as usize];
                if is_asked(key) && !key.test.is_never() {
                    out.push(key);
                }
            }
            left.extend(self.children(at).into_iter().filter(|&child| seen.insert(child)));
        }
        out.reverse();
        out
    }
}
