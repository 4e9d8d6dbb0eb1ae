//! The graph to code: for every event type its own, in which the type is known and what it decides is gone; short-circuit jumps, one block per
//! rule and per part that several places share.

use std::collections::HashMap;

use event::{EventSet, EventType, N_EVENT_TYPES};

use crate::buffers::Needs;
use crate::eval::RuleId;
use crate::group::{Group, is_groupable, known_by_type};
use crate::ir::{Ir, IrId, IrNode};
use crate::predicate::{Predicate, PredicateKey, TestKey};

/// Target of a jump that ends its block with "true".
pub(crate) const RETURN_TRUE: u32 = u32::MAX;
/// Target of a jump that ends its block with "false"; whatever is not below it ends a block.
pub(crate) const RETURN_FALSE: u32 = u32::MAX - 1;
/// Set in [`Op::what`] for a call of a block.
pub(crate) const CALL: u32 = 1 << 31;
/// Set in [`Op::what`] for a test of a group: index of the group and, in the low half, the test's bit.
pub(crate) const GROUP: u32 = 1 << 30;
/// Set in [`Op::what`] for a predicate that is asked in one place only, whose answer need not be kept.
pub(crate) const ONCE: u32 = 1 << 29;
/// Groups that an op can name.
const MAX_GROUPS: usize = 1 << 13;

/// Ask a predicate, a test of a group or a shared block, then jump.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Op {
    /// [`CALL`] and the index of the block; or [`GROUP`], group and bit; or the index of the predicate, perhaps with [`ONCE`].
    pub(crate) what: u32,
    pub(crate) if_true: u32,
    pub(crate) if_false: u32,
}

/// All rules.
#[derive(Debug, Default)]
pub(crate) struct Program {
    pub(crate) predicates: Vec<Predicate>,
    pub(crate) groups: Vec<Group>,
    /// First word of each group's answers.
    pub(crate) group_words: Vec<u32>,
    /// Words that the answers of all groups take.
    pub(crate) n_group_words: usize,
    codes: Vec<Code>,
    /// Index of each event type's code; the first is empty.
    code_of: Vec<u16>,
    /// Blocks of the code that has most.
    pub(crate) n_blocks: usize,
    /// Calls that can be open at once.
    pub(crate) max_depth: usize,
    /// Rules.
    pub(crate) n_rules: usize,
    /// Room in the buffers that its predicates take.
    pub(crate) needs: Needs,
}

/// Code of the rules that can match an event type, or of several types for which it is the same.
#[derive(Debug, Default)]
pub(crate) struct Code {
    pub(crate) ops: Vec<Op>,
    /// First op of each shared block.
    pub(crate) blocks: Vec<u32>,
    /// Rules in order, with the first op of each.
    pub(crate) rules: Vec<(RuleId, u32)>,
    max_depth: usize,
}

impl Program {
    /// Answers that are kept for the length of one event: predicates, then blocks.
    pub(crate) fn n_slots(&self) -> usize {
        self.predicates.len() + self.n_blocks
    }

    /// The code for an event type.
    pub(crate) fn code(&self, ty: EventType) -> &Code {
        let n = self.code_of.get(usize::from(ty.0)).copied().unwrap_or(0);
        &self.codes[usize::from(n)]
    }

    /// Compiles rules, each with the event types that it can match.
    pub(crate) fn compile(ir: &Ir, rules: &[(IrId, EventSet)]) -> Self {
        let mut out = Self {
            codes: vec![Code::default()],
            code_of: vec![0; N_EVENT_TYPES],
            n_rules: rules.len(),
            ..Self::default()
        };
        let tests = out.add_tests(ir, rules);
        let type_tests: Vec<&TestKey> = ir
            .predicates
            .iter()
            .map(|p| &p.test)
            .filter(|t| matches!(t, TestKey::EvtType { .. }))
            .collect();
        let mut same: HashMap<(Vec<Option<bool>>, Vec<usize>), u16> = HashMap::new();
        for n in 0..N_EVENT_TYPES as u16 {
            let ty = EventType(n);
            let of_type: Vec<usize> =
                (0..rules.len()).filter(|&i| rules[i].1.contains(ty)).collect();
            if of_type.is_empty() {
                continue;
            }
            let decided = type_tests.iter().map(|t| known_by_type(t, ty)).collect();
            let next = out.codes.len() as u16;
            let roots = of_type.iter().map(|&i| (RuleId(i as u32), rules[i].0)).collect::<Vec<_>>();
            let code = *same.entry((decided, of_type)).or_insert(next);
            if code == next {
                let code = Code::compile(ir, ty, &roots, &tests);
                out.n_blocks = out.n_blocks.max(code.blocks.len());
                out.max_depth = out.max_depth.max(code.max_depth);
                out.codes.push(code);
            }
            out.code_of[usize::from(n)] = code;
        }
        out
    }

    /// Makes predicates and groups of the tests that some rule asks; gives for each test of the graph what an op says to ask it.
    fn add_tests(&mut self, ir: &Ir, rules: &[(IrId, EventSet)]) -> Vec<u32> {
        let mut what = vec![u32::MAX; ir.predicates.len()];
        let mut of_field: HashMap<_, Vec<usize>> = HashMap::new();
        let mut fields = Vec::new();
        let asked = asked(ir, rules);
        for (n, key) in ir.predicates.iter().enumerate().filter(|&(n, _)| asked[n]) {
            if is_groupable(key) {
                of_field
                    .entry(&key.left)
                    .or_insert_with(|| {
                        fields.push(&key.left);
                        Vec::new()
                    })
                    .push(n);
            }
        }
        for field in fields {
            let members = &of_field[field];
            // One test by itself is better off without.
            if members.len() < 2 || self.groups.len() == MAX_GROUPS {
                continue;
            }
            let keys: Vec<&PredicateKey> = members.iter().map(|&n| &ir.predicates[n]).collect();
            let Some(group) = Group::new(&keys) else { continue };
            for (bit, &n) in members.iter().enumerate() {
                what[n] = GROUP | (self.groups.len() as u32) << 16 | bit as u32;
            }
            self.group_words.push(self.n_group_words as u32);
            self.n_group_words += group.n_words();
            self.groups.push(group);
        }
        for (n, key) in ir.predicates.iter().enumerate().filter(|&(n, _)| asked[n]) {
            if what[n] == u32::MAX {
                what[n] = self.predicates.len() as u32;
                let predicate = Predicate::new(key);
                self.needs = self.needs.or(predicate.needs());
                self.predicates.push(predicate);
            }
        }
        what
    }
}

/// Which tests of the graph some rule asks.
fn asked(ir: &Ir, rules: &[(IrId, EventSet)]) -> Vec<bool> {
    let known = known(ir, None);
    let mut reachable = vec![false; ir.nodes.len()];
    for &(root, _) in rules {
        reachable[root as usize] = known[root as usize].is_none();
    }
    let mut asked = vec![false; ir.predicates.len()];
    for (i, node) in ir.nodes.iter().enumerate().rev().filter(|&(i, _)| known[i].is_none()) {
        if reachable[i] {
            children(node, &known).for_each(|c| reachable[c as usize] = true);
            if let IrNode::Test(p) = node {
                asked[*p as usize] = true;
            }
        }
    }
    asked
}

impl Code {
    fn compile(ir: &Ir, ty: EventType, rules: &[(RuleId, IrId)], tests: &[u32]) -> Self {
        let known = known(ir, Some(ty));
        let children = |node| children(node, &known);
        let mut n_users = vec![0u32; ir.nodes.len()];
        let mut reachable = vec![false; ir.nodes.len()];
        for &(_, root) in rules.iter().filter(|(_, root)| known[*root as usize].is_none()) {
            n_users[root as usize] += 1;
            reachable[root as usize] = true;
        }
        // Parents come after children, so that one pass from the back sees every user first.
        for (i, node) in ir.nodes.iter().enumerate().rev() {
            if reachable[i] {
                // What is no block of its own is written out wherever it is used, and its operands with it.
                let is_inlined = matches!(node, IrNode::Not(_)) || is_alone(node, &known);
                let n = if is_inlined { n_users[i] } else { 1 };
                for c in children(node) {
                    n_users[c as usize] = n_users[c as usize].saturating_add(n);
                    reachable[c as usize] = true;
                }
            }
        }
        let mut out = Self::default();
        let mut what = vec![u32::MAX; ir.predicates.len()];
        let mut block_of = vec![u32::MAX; ir.nodes.len()];
        let mut depth = vec![0usize; ir.nodes.len()];
        for (i, node) in ir.nodes.iter().enumerate().filter(|&(i, _)| reachable[i]) {
            let inner = children(node).map(|c| depth[c as usize]).max().unwrap_or(0);
            depth[i] = inner;
            match node {
                IrNode::Test(p) => {
                    let test = tests[*p as usize];
                    // Equal tests are one node, so that each comes by once.
                    let once = if n_users[i] == 1 && test & GROUP == 0 { ONCE } else { 0 };
                    what[*p as usize] = test | once;
                }
                IrNode::And(_) | IrNode::Or(_) if n_users[i] > 1 && !is_alone(node, &known) => {
                    depth[i] = inner + 1;
                    let emit = Emit { ir, known: &known, tests: &what, block_of: &block_of };
                    let start = emit.block(i as IrId, &mut out.ops);
                    block_of[i] = out.blocks.len() as u32;
                    out.blocks.push(start);
                }
                IrNode::And(_) | IrNode::Or(_) | IrNode::Not(_) => {}
            }
        }
        for &(rule, root) in rules {
            let emit = Emit { ir, known: &known, tests: &what, block_of: &block_of };
            match known[root as usize] {
                Some(true) => out.rules.push((rule, RETURN_TRUE)),
                Some(false) => {}
                None => {
                    let start = emit.block(root, &mut out.ops);
                    out.rules.push((rule, start));
                }
            }
            out.max_depth = out.max_depth.max(depth[root as usize]);
        }
        out
    }
}

/// For each node its value where that does not depend on the event, or follows from its type, with which most rules begin.
fn known(ir: &Ir, ty: Option<EventType>) -> Vec<Option<bool>> {
    let mut known: Vec<Option<bool>> = Vec::with_capacity(ir.nodes.len());
    for node in &ir.nodes {
        let of = |c: &IrId| known[*c as usize];
        known.push(match node {
            IrNode::Test(p) => match &ir.predicates[*p as usize].test {
                test if test.is_never() => Some(false),
                test => ty.and_then(|ty| known_by_type(test, ty)),
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

/// Whether only one child decides a node, so that the node is that child.
fn is_alone(node: &IrNode, known: &[Option<bool>]) -> bool {
    matches!(node, IrNode::And(_) | IrNode::Or(_)) && children(node, known).count() == 1
}

struct Emit<'a> {
    ir: &'a Ir,
    known: &'a [Option<bool>],
    /// What an op says to ask each test.
    tests: &'a [u32],
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
