//! Nodes to ops: short-circuit jumps, written without recursion.

use crate::clauses::Literal;
use crate::ir::{Ir, IrId, IrNode};
use crate::program::{CALL, Op, RETURN_FALSE, RETURN_TRUE, children};

/// Writes blocks.
pub(crate) struct Emit<'a> {
    pub(crate) ir: &'a Ir,
    pub(crate) known: &'a [Option<bool>],
    /// What an op says to ask each test.
    pub(crate) tests: &'a [u32],
    pub(crate) block_of: &'a [u32],
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
    /// Writes the code of a block and gives its first op. A block calls the blocks of its shared parts, and is called itself only by name, so
    /// that its own node is written out here.
    pub(crate) fn block(&self, root: IrId, ops: &mut Vec<Op>) -> u32 {
        self.all(&[Literal { node: root, negated: false }], ops)
    }

    /// Writes code that asks whether all of `parts` hold and gives its first op.
    pub(crate) fn all(&self, parts: &[Literal], ops: &mut Vec<Op>) -> u32 {
        if parts.is_empty() {
            return RETURN_TRUE;
        }
        let start = ops.len() as u32;
        let mut labels: Vec<u32> = Vec::new();
        let mut jumps: Vec<(Target, Target)> = Vec::new();
        let mut tasks = Vec::new();
        let mut next = Target::Return(true);
        // The stack turns the order round.
        for (i, &Literal { node, negated }) in parts.iter().enumerate().rev() {
            let (if_true, if_false) = (next, Target::Return(false));
            let (if_true, if_false) =
                if negated { (if_false, if_true) } else { (if_true, if_false) };
            tasks.push(Task::Node { id: node, if_true, if_false });
            if i > 0 {
                next = Target::Label(labels.len() as u32);
                tasks.push(Task::Bind(labels.len() as u32));
                labels.push(0);
            }
        }
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
                IrNode::Test(p) => self.tests[*p as usize],
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
