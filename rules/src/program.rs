//! The graph to code: for every event type its own, in which the type is known and what it decides is gone; short-circuit jumps, one block per
//! rule and per part that several places share.

use std::collections::HashMap;
use std::sync::Arc;

use event::{EventSet, EventType, N_EVENT_TYPES};

use crate::buffers::Needs;
use crate::candidates::Planner;
use crate::clauses::Literal;
use crate::emit::Emit;
use crate::eval::RuleId;
use crate::group::{Group, Kind, known_by_type};
use crate::ir::{Ir, IrId, IrNode};
use crate::predicate::{Predicate, PredicateKey, TestKey};
use crate::steps::Candidates;

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
    /// By its address a scratch knows whether it was made for this program.
    pub(crate) identity: Arc<()>,
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
    /// Words of the largest mask of candidates.
    pub(crate) n_words: usize,
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
    /// Its place among those of the program.
    pub(crate) number: u32,
    /// Rules in order.
    pub(crate) rules: Vec<RuleCode>,
    /// Whether some rule, or some step, asks something of the process alone.
    pub(crate) asks_of_process: bool,
    /// How they are sorted out, their places being their bits.
    pub(crate) candidates: Candidates,
    max_depth: usize,
}

/// A rule, and the first op of what the steps leave to be asked.
#[derive(Clone, Copy, Debug)]
pub(crate) struct RuleCode {
    pub(crate) rule: RuleId,
    /// What is asked of the process alone.
    pub(crate) of_process: u32,
    pub(crate) others: u32,
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
        let (tests, rows) = out.add_tests(ir, rules);
        let groups = std::mem::take(&mut out.groups);
        let mut planner = Planner::new(ir, &groups, &tests, &rows);
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
                let mut code = Code::compile(ir, ty, &roots, &tests, &mut planner);
                code.number = u32::from(next);
                out.n_words = out.n_words.max(code.candidates.n_words);
                out.n_blocks = out.n_blocks.max(code.blocks.len());
                out.max_depth = out.max_depth.max(code.max_depth);
                out.codes.push(code);
            }
            out.code_of[usize::from(n)] = code;
        }
        out.groups = groups;
        out
    }

    /// Makes predicates and groups of the tests that some rule asks; gives for each test of the graph what an op says to ask it, and the rows of
    /// each group.
    fn add_tests(&mut self, ir: &Ir, rules: &[(IrId, EventSet)]) -> (Vec<u32>, Vec<GroupRows>) {
        let mut what = vec![u32::MAX; ir.predicates.len()];
        let mut all_rows = Vec::new();
        let mut place: HashMap<_, usize> = HashMap::new();
        let mut alike: Vec<Vec<usize>> = Vec::new();
        let asked = asked(ir, rules);
        for (n, key) in ir.predicates.iter().enumerate().filter(|&(n, _)| asked[n]) {
            if let Some(kind) = Kind::of(key) {
                let at = *place.entry((&key.left, kind)).or_insert(alike.len());
                if at == alike.len() {
                    alike.push(Vec::new());
                }
                alike[at].push(n);
            }
        }
        for members in alike {
            if self.groups.len() == MAX_GROUPS {
                break;
            }
            let keys: Vec<&PredicateKey> = members.iter().map(|&n| &ir.predicates[n]).collect();
            let Some((group, taken, rows)) = Group::new(&keys) else { continue };
            let mut of_bit = vec![Vec::new(); taken.len()];
            for (row, bits) in (0..).zip(&rows) {
                for &bit in bits {
                    of_bit[bit as usize].push(row);
                }
            }
            for (bit, place) in taken.into_iter().enumerate() {
                what[members[place]] = GROUP | (self.groups.len() as u32) << 16 | bit as u32;
            }
            all_rows.push((rows.len(), of_bit));
            self.group_words.push(self.n_group_words as u32);
            self.n_group_words += group.n_words();
            self.groups.push(group);
        }
        for (n, key) in ir.predicates.iter().enumerate().filter(|&(n, _)| asked[n]) {
            if what[n] == u32::MAX {
                what[n] = self.predicates.len() as u32;
                let predicate = Predicate::new(key, self.needs.n_of_bits);
                self.needs = self.needs.or(predicate.needs());
                self.predicates.push(predicate);
            }
        }
        (what, all_rows)
    }
}

/// Rows of a group, and the rows of each of its tests.
type GroupRows = (usize, Vec<Vec<u32>>);

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
    fn compile(
        ir: &Ir,
        ty: EventType,
        rules: &[(RuleId, IrId)],
        tests: &[u32],
        planner: &mut Planner<'_>,
    ) -> Self {
        let known = known(ir, Some(ty));
        let rules: Vec<(RuleId, IrId)> = rules
            .iter()
            .copied()
            .filter(|(_, root)| known[*root as usize] != Some(false))
            .collect();
        let clauses = planner.clauses(&known);
        let roots: Vec<IrId> = rules.iter().map(|&(_, root)| root).collect();
        let of_process = planner.of_process(&known);
        let plan = planner.plan(ty, &clauses, &roots, &of_process);
        let asked = plan.asked(ir);
        let parts: Vec<Vec<Literal>> = roots.iter().map(|&r| clauses.left_of(r, &asked)).collect();
        let children = |node| children(node, &known);
        let mut n_users = vec![0u32; ir.nodes.len()];
        let mut reachable = vec![false; ir.nodes.len()];
        for Literal { node, .. } in plan.singles().chain(parts.iter().flatten().copied()) {
            n_users[node as usize] += 1;
            reachable[node as usize] = true;
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
        let emit = Emit { ir, known: &known, tests: &what, block_of: &block_of };
        out.candidates = planner.candidates(plan, |literal| {
            out.max_depth = out.max_depth.max(depth[literal.node as usize]);
            emit.all(&[literal], &mut out.ops)
        });
        for ((rule, _), parts) in rules.into_iter().zip(parts) {
            for part in &parts {
                out.max_depth = out.max_depth.max(depth[part.node as usize]);
            }
            let is_of_process = |part: &Literal| of_process[part.node as usize];
            let (own, others): (Vec<_>, Vec<_>) = parts.into_iter().partition(is_of_process);
            out.asks_of_process |= !own.is_empty();
            let of_process = emit.all(&own, &mut out.ops);
            out.rules.push(RuleCode { rule, of_process, others: emit.all(&others, &mut out.ops) });
        }
        out.asks_of_process |= out.candidates.n_of_process > 0;
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
pub(crate) fn children<'a>(
    node: &'a IrNode,
    known: &'a [Option<bool>],
) -> impl Iterator<Item = IrId> + 'a {
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
