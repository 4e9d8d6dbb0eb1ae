//! Conditions of all rules in one graph: equal parts are one node, whoever wrote them.

use std::collections::{HashMap, HashSet};
use std::hash::Hash;

use crate::predicate::{Predicate, PredicateKey};
use crate::types::Types;

/// Nodes of one ruleset.
const MAX_NODES: usize = 1 << 20;

/// Index of a node.
pub(crate) type IrId = u32;

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) enum IrNode {
    /// Index into [`Ir::predicates`].
    Test(u32),
    Not(IrId),
    /// Two or more, none twice; what rules out comes last, else the cheapest first. Reordering is sound because nothing has a side effect.
    And(Box<[IrId]>),
    Or(Box<[IrId]>),
}

/// The graph; children come before parents.
#[derive(Debug, Default)]
pub(crate) struct Ir {
    pub(crate) nodes: Vec<IrNode>,
    pub(crate) types: Vec<Types>,
    pub(crate) predicates: Vec<PredicateKey>,
    costs: Vec<u32>,
    node_ids: HashMap<IrNode, IrId>,
    predicate_ids: HashMap<PredicateKey, u32>,
}

/// The ruleset's conditions have too many distinct parts.
#[derive(Debug)]
pub(crate) struct TooManyParts {
    pub(crate) limit: usize,
}

impl Ir {
    pub(crate) fn test(&mut self, key: PredicateKey) -> Result<IrId, TooManyParts> {
        let (types, cost) = (Types::of(&key), Predicate::cost(&key));
        let next = self.predicates.len() as u32;
        let id = *self.predicate_ids.entry(key.clone()).or_insert(next);
        if id == next {
            self.predicates.push(key);
        }
        self.node(IrNode::Test(id), types, cost)
    }

    pub(crate) fn not(&mut self, of: IrId) -> Result<IrId, TooManyParts> {
        if let IrNode::Not(inner) = self.nodes[of as usize] {
            return Ok(inner);
        }
        let (types, cost) = (self.types[of as usize].not(), self.costs[of as usize]);
        self.node(IrNode::Not(of), types, cost)
    }

    /// `children` is not empty.
    pub(crate) fn and(&mut self, children: Vec<IrId>) -> Result<IrId, TooManyParts> {
        self.group(children, true)
    }

    /// `children` is not empty.
    pub(crate) fn or(&mut self, children: Vec<IrId>) -> Result<IrId, TooManyParts> {
        self.group(children, false)
    }

    /// Rough cost of asking a node.
    pub(crate) fn cost(&self, node: IrId) -> u32 {
        self.costs[node as usize]
    }

    /// Every comparison of the condition at `root`.
    pub(crate) fn tests(&self, root: IrId) -> Vec<&PredicateKey> {
        let mut tests = Vec::new();
        let mut seen = HashSet::from([root]);
        let mut left = vec![root];
        while let Some(id) = left.pop() {
            let children: &[IrId] = match &self.nodes[id as usize] {
                IrNode::Test(p) => {
                    tests.push(&self.predicates[*p as usize]);
                    &[]
                }
                IrNode::Not(of) => std::slice::from_ref(of),
                IrNode::And(of) | IrNode::Or(of) => of,
            };
            left.extend(children.iter().filter(|&&c| seen.insert(c)));
        }
        tests
    }

    /// The comparisons of the conditions at `roots`, each with the indices of those that make it, in order.
    pub(crate) fn shared(&self, roots: &[IrId]) -> HashMap<&PredicateKey, Vec<usize>> {
        let mut shared: HashMap<&PredicateKey, Vec<usize>> = HashMap::new();
        for (i, &root) in roots.iter().enumerate() {
            for test in self.tests(root) {
                shared.entry(test).or_default().push(i);
            }
        }
        shared
    }

    /// What a conjunction rules out by "not": it holds for most events and so ends little.
    fn is_exception(&self, id: IrId) -> bool {
        matches!(self.nodes[id as usize], IrNode::Not(_))
    }

    fn group(&mut self, mut children: Vec<IrId>, is_and: bool) -> Result<IrId, TooManyParts> {
        children
            .sort_unstable_by_key(|&c| (is_and && self.is_exception(c), self.costs[c as usize], c));
        children.dedup();
        if let [one] = children[..] {
            return Ok(one);
        }
        let mut types = self.types[children[0] as usize];
        let mut cost = self.costs[children[0] as usize];
        for &c in &children[1..] {
            let other = &self.types[c as usize];
            types = if is_and { types.and(other) } else { types.or(other) };
            cost = cost.saturating_add(self.costs[c as usize]);
        }
        let children = children.into_boxed_slice();
        let node = if is_and { IrNode::And(children) } else { IrNode::Or(children) };
        self.node(node, types, cost)
    }

    fn node(&mut self, node: IrNode, types: Types, cost: u32) -> Result<IrId, TooManyParts> {
        if let Some(&id) = self.node_ids.get(&node) {
            return Ok(id);
        }
        if self.nodes.len() >= MAX_NODES {
            return Err(TooManyParts { limit: MAX_NODES });
        }
        let id = self.nodes.len() as IrId;
        self.nodes.push(node.clone());
        self.types.push(types);
        self.costs.push(cost);
        self.node_ids.insert(node, id);
        Ok(id)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::expr::Expr;
    use crate::predicate::TestKey;
    use crate::schema::{Arg, Field, FieldRef};

    #[test]
    fn a_comparison_knows_which_rules_ask_it() {
        let mut ir = Ir::default();
        let key = |field| PredicateKey {
            left: Expr::Field(FieldRef { field, arg: Arg::None }),
            test: TestKey::Exists,
        };
        let [name, uid, tty] = [Field::ProcName, Field::UserUid, Field::ProcTty]
            .map(|field| ir.test(key(field)).unwrap());
        let not_uid = ir.not(uid).unwrap();
        let roots = [ir.and(vec![name, uid]).unwrap(), not_uid, ir.or(vec![tty, name]).unwrap()];
        let expected = [
            (&key(Field::ProcName), vec![0, 2]),
            (&key(Field::UserUid), vec![0, 1]),
            (&key(Field::ProcTty), vec![2]),
        ];
        assert_eq!(ir.shared(&roots), expected.into_iter().collect());
    }
}
