//! The graph to code: short-circuit jumps, one block per rule and per part that several places share.

use crate::ir::{Ir, IrId, IrNode};
use crate::predicate::{Predicate, TestKey};

/// Target of a jump that ends its block with "true".
pub(crate) const RETURN_TRUE: u32 = u32::MAX;
/// Target of a jump that ends its block with "false"; whatever is not below it ends a block.
pub(crate) const RETURN_FALSE: u32 = u32::MAX - 1;
/// Set in [`Op::what`] for a call of a block; clear for a predicate.
pub(crate) const CALL: u32 = 1 << 31;
/// Set in [`Op::what`] for a predicate that is asked in one place only, whose answer need not be kept.
pub(crate) const ONCE: u32 = 1 << 30;

/// Ask a predicate or a shared block, then jump.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Op {
    /// Index of the predicate, perhaps with [`ONCE`]; or [`CALL`] and the index of the block.
    pub(crate) what: u32,
    pub(crate) if_true: u32,
    pub(crate) if_false: u32,
}

/// Code of all rules.
#[derive(Debug, Default)]
pub(crate) struct Program {
    pub(crate) ops: Vec<Op>,
    pub(crate) predicates: Vec<Predicate>,
    /// First op of each shared block.
    pub(crate) blocks: Vec<u32>,
    /// First op of each rule.
    pub(crate) rules: Vec<u32>,
    /// Calls that can be open at once.
    pub(crate) max_depth: usize,
}

impl Program {
    /// Answers that are kept for the length of one event: predicates, then blocks.
    pub(crate) fn n_slots(&self) -> usize {
        self.predicates.len() + self.blocks.len()
    }

    pub(crate) fn compile(ir: &Ir, rules: &[IrId]) -> Self {
        let known = known(ir);
        let children = |node| children(node, &known);
        let mut n_users = vec![0u32; ir.nodes.len()];
        let mut reachable = vec![false; ir.nodes.len()];
        for &r in rules.iter().filter(|&&r| known[r as usize].is_none()) {
            n_users[r as usize] += 1;
            reachable[r as usize] = true;
        }
        // Parents come after children, so that one pass from the back sees every user first.
        for (i, node) in ir.nodes.iter().enumerate().rev() {
            if reachable[i] {
                // A negation is written out wherever it is used, and its operand with it.
                let n = if matches!(node, IrNode::Not(_)) { n_users[i] } else { 1 };
                for c in children(node) {
                    n_users[c as usize] = n_users[c as usize].saturating_add(n);
                    reachable[c as usize] = true;
                }
            }
        }
        let mut out = Self::default();
        let mut predicate_of = vec![u32::MAX; ir.predicates.len()];
        let mut block_of = vec![u32::MAX; ir.nodes.len()];
        let mut depth = vec![0usize; ir.nodes.len()];
        for (i, node) in ir.nodes.iter().enumerate().filter(|&(i, _)| reachable[i]) {
            let inner = children(node).map(|c| depth[c as usize]).max().unwrap_or(0);
            depth[i] = inner;
            match node {
                IrNode::Test(p) => {
                    // Equal tests are one node, so that each predicate comes by once.
                    let once = if n_users[i] == 1 { ONCE } else { 0 };
                    predicate_of[*p as usize] = out.predicates.len() as u32 | once;
                    out.predicates.push(Predicate::new(&ir.predicates[*p as usize]));
                }
                IrNode::And(_) | IrNode::Or(_) if n_users[i] > 1 => {
                    depth[i] = inner + 1;
                    let emit = Emit {
                        ir,
                        known: &known,
                        predicate_of: &predicate_of,
                        block_of: &block_of,
                    };
                    let start = emit.block(i as IrId, &mut out.ops);
                    block_of[i] = out.blocks.len() as u32;
                    out.blocks.push(start);
                }
                IrNode::And(_) | IrNode::Or(_) | IrNode::Not(_) => {}
            }
        }
        for &r in rules {
            let emit = Emit { ir, known: &known, predicate_of: &predicate_of, block_of: &block_of };
            out.rules.push(match known[r as usize] {
                Some(true) => RETURN_TRUE,
                Some(false) => RETURN_FALSE,
                None => emit.block(r, &mut out.ops),
            });
            out.max_depth = out.max_depth.max(depth[r as usize]);
        }
        out
    }
}

/// For each node its value where that does not depend on the event: lists left empty for tuning are many.
fn known(ir: &Ir) -> Vec<Option<bool>> {
    let mut known: Vec<Option<bool>> = Vec::with_capacity(ir.nodes.len());
    for node in &ir.nodes {
        let of = |c: &IrId| known[*c as usize];
        known.push(match node {
            IrNode::Test(p) => match &ir.predicates[*p as usize].test {
                TestKey::Never => Some(false),
                TestKey::BytesIn(of) | TestKey::PathPrefix(of) if of.is_empty() => Some(false),
                TestKey::NumberIn(of) if of.is_empty() => Some(false),
                _ => None,
            },
            IrNode::Not(c) => of(c).map(|v| !v),
            IrNode::And(cs) if cs.iter().any(|c| of(c) == Some(false)) => Some(false),
            IrNode::And(cs) if cs.iter().all(|c| of(c) == Some(true)) => Some(true),
            IrNode::Or(cs) if cs.iter().any(|c| of(c) == Some(true)) => Some(true),
            IrNode::Or(cs) if cs.iter().all(|c| of(c) == Some(false)) => Some(false),
            IrNode::And(_) | IrNode::Or(_) => None,
        });
    }
    known
}

/// The children that decide a node; the value of the others is known and makes no difference.
fn children<'a>(node: &'a IrNode, known: &'a [Option<bool>]) -> impl Iterator<Item = IrId> + 'a {
    let slice = match node {
        IrNode::Test(_) => &[][..],
        IrNode::Not(of) => std::slice::from_ref(of),
        IrNode::And(of) | IrNode::Or(of) => of,
    };
    slice.iter().copied().filter(|&c| known[c as usize].is_none())
}

struct Emit<'a> {
    ir: &'a Ir,
    known: &'a [Option<bool>],
    predicate_of: &'a [u32],
    block_of: &'a [u32],
}

/// A jump target while code is written: a return, or a place known later.
#[derive(Clone, Copy)]
enum Target {
    Return(bool),
    Label(u32),
}

enum Task {
    Node { id: IrId, if_true: Target, if_false: Target },
    Bind(u32),
}

impl Emit<'_> {
    /// Writes the code of `root` and gives its first op. A block calls the blocks of its shared parts, and is called
    /// itself only by name, so that its own node is written out here.
    fn block(&self, root: IrId, ops: &mut Vec<Op>) -> u32 {
        let start = ops.len() as u32;
        let mut labels: Vec<u32> = Vec::new();
        let mut jumps: Vec<(Target, Target)> = Vec::new();
        let mut tasks = vec![Task::Node {
            id: root,
            if_true: Target::Return(true),
            if_false: Target::Return(false),
        }];
        while let Some(task) = tasks.pop() {
            let (id, if_true, if_false) = match task {
                Task::Bind(label) => {
                    labels[label as usize] = ops.len() as u32;
                    continue;
                }
                Task::Node { id, if_true, if_false } => (id, if_true, if_false),
            };
            let block = self.block_of[id as usize];
            let what = match &self.ir.nodes[id as usize] {
                _ if block != u32::MAX => CALL | block,
                IrNode::Test(p) => self.predicate_of[*p as usize],
                &IrNode::Not(of) => {
                    tasks.push(Task::Node { id: of, if_true: if_false, if_false: if_true });
                    continue;
                }
                node @ IrNode::And(_) => {
                    self.chain(node, &mut tasks, &mut labels, |id, next| match next {
                        Some(next) => Task::Node { id, if_true: Target::Label(next), if_false },
                        None => Task::Node { id, if_true, if_false },
                    });
                    continue;
                }
                node @ IrNode::Or(_) => {
                    self.chain(node, &mut tasks, &mut labels, |id, next| match next {
                        Some(next) => Task::Node { id, if_true, if_false: Target::Label(next) },
                        None => Task::Node { id, if_true, if_false },
                    });
                    continue;
                }
            };
            ops.push(Op { what, if_true: 0, if_false: 0 });
            jumps.push((if_true, if_false));
        }
        let place = |target| match target {
            Target::Return(true) => RETURN_TRUE,
            Target::Return(false) => RETURN_FALSE,
            Target::Label(l) => labels[l as usize],
        };
        for (op, (if_true, if_false)) in ops[start as usize..].iter_mut().zip(jumps) {
            op.if_true = place(if_true);
            op.if_false = place(if_false);
        }
        start
    }

    /// Queues children so that each goes on to the next; `task` gets the label of the next one.
    fn chain(
        &self,
        node: &IrNode,
        tasks: &mut Vec<Task>,
        labels: &mut Vec<u32>,
        task: impl Fn(IrId, Option<u32>) -> Task,
    ) {
        let mut next = None;
        let of: Vec<IrId> = children(node, self.known).collect();
        // The stack turns the order round.
        for (i, &id) in of.iter().enumerate().rev() {
            tasks.push(task(id, next));
            if i > 0 {
                let label = labels.len() as u32;
                labels.push(0);
                tasks.push(Task::Bind(label));
                next = Some(label);
            }
        }
    }
}
