//! The rules that an event can match at all: what many rules need is asked first, once for all of them. Here it is planned, see `steps`.
//!
//! A bit per rule of the event's type, in load order. Each step asks what some rules need, a comparison or a lookup, and strikes out those that did
//! not get it; what is left runs. A lookup's hit names the rules it satisfies (`Cells`), so that a step costs the same for ten rules and for a thousand.
//!
//! Steps that ask of the process alone strike out the same rules for all its events while it stays as it is: what they leave is kept (`Masks`).

use std::collections::{BTreeMap, BTreeSet};

use event::EventType;

use crate::cells::Cells;
use crate::clauses::{Asked, Clause, Clauses, Literal};
use crate::compile::fields_read;
use crate::group::Group;
use crate::ir::{Ir, IrId, IrNode};
use crate::predicate::Predicate;
use crate::program::GROUP;
use crate::schema::{Arity, FieldRef};
use crate::steps::{Ask, Candidates, MAX_LANES, Needs, Part, Step};

/// Rules of a type from which on it is worth while.
const MIN_RULES: usize = 4;
/// Rules that a step of its own must concern.
const MIN_CONCERNED: usize = 2;
/// Rules that a step is expected to strike out.
const MIN_GAIN: f32 = 0.8;
/// A rule that survives less often than this, by the guesses, takes no part in further lookups.
const MIN_LEFT: f32 = 0.02;
/// Guesses are not trusted below this.
const MIN_SHARE: f32 = 0.1;
/// Steps of one type that ask of the process alone, and others; the best are taken.
const MAX_STEPS: usize = 48;
/// Numbers that the lookups of all types may take, 4 bytes each. Types that come behind do without.
const MAX_NUMBERS: usize = 1 << 24;

/// Steps before their code is written.
#[derive(Debug, Default)]
pub(crate) struct Plan {
    steps: Vec<PlannedStep>,
    /// So many of them come first, which ask of the process alone.
    n_of_process: usize,
    /// All of them in the order that is best for one event.
    by_worth: Vec<u16>,
    n_rules: usize,
}

#[derive(Debug, Default)]
struct PlannedStep {
    lookups: BTreeMap<u32, BTreeSet<(u32, u32)>>,
    singles: BTreeMap<Literal, BTreeSet<u32>>,
    cost: u32,
}

/// A step that could be taken.
struct Open {
    of: ByRule,
    is_single: bool,
    is_of_process: bool,
}

/// What the planning of all types has in common.
pub(crate) struct Planner<'a> {
    pub(crate) ir: &'a Ir,
    pub(crate) groups: &'a [Group],
    /// What an op says to ask each test.
    pub(crate) tests: &'a [u32],
    /// Of each group its rows, and the rows of each of its tests.
    pub(crate) rows: &'a [(usize, Vec<Vec<u32>>)],
    /// Of [`MAX_NUMBERS`].
    n_numbers: usize,
    /// The type that is planned for.
    ty: EventType,
    /// Of each comparison of the graph: whether it asks of the process alone.
    of_process: Vec<bool>,
}

/// Clauses that are asked by one lookup, by rule; of several the rarest.
type ByRule = BTreeMap<u32, Clause>;

fn keep_rarest(to: &mut ByRule, rule: u32, clause: Clause) {
    match to.get(&rule) {
        Some(other) if other.share <= clause.share => {}
        _ => {
            to.insert(rule, clause);
        }
    }
}

/// Rules that a step is expected to strike out of those that are left.
fn gain(of: &ByRule, left: &[f32]) -> f32 {
    of.iter().map(|(&rule, c)| left[rule as usize] * (1.0 - c.share)).sum()
}

fn take(of: &ByRule, left: &mut [f32]) {
    for (&rule, clause) in of {
        left[rule as usize] *= clause.share.max(MIN_SHARE);
    }
}

impl<'a> Planner<'a> {
    pub(crate) fn new(
        ir: &'a Ir,
        groups: &'a [Group],
        tests: &'a [u32],
        rows: &'a [(usize, Vec<Vec<u32>>)],
    ) -> Self {
        let is_of_process = |key| fields_read(key).iter().all(|f| f.field.is_of_process());
        let of_process = ir.predicates.iter().map(is_of_process).collect();
        Self { ir, groups, tests, rows, n_numbers: 0, ty: EventType(0), of_process }
    }

    /// Of each node whether it asks of the process alone, for a type for which the value of some is known.
    pub(crate) fn of_process(&self, known: &[Option<bool>]) -> Vec<bool> {
        let mut out: Vec<bool> = Vec::with_capacity(known.len());
        for (node, known) in self.ir.nodes.iter().zip(known) {
            out.push(match node {
                _ if known.is_some() => true,
                IrNode::Test(p) => self.of_process[*p as usize],
                &IrNode::Not(of) => out[of as usize],
                IrNode::And(of) | IrNode::Or(of) => of.iter().all(|&c| out[c as usize]),
            });
        }
        out
    }

    /// The group and the bit of a literal, where a lookup answers it.
    fn grouped(&self, literal: Literal) -> Option<(u32, u32)> {
        let IrNode::Test(p) = self.ir.nodes[literal.node as usize] else { return None };
        let what = self.tests[p as usize];
        (!literal.negated && what != u32::MAX && what & GROUP != 0)
            .then_some(((what & !GROUP) >> 16, what & 0xffff))
    }

    /// The clauses of all nodes, for a type for which the value of some is known.
    pub(crate) fn clauses<'k>(&self, known: &'k [Option<bool>]) -> Clauses<'k>
    where
        'a: 'k,
    {
        Clauses::new(self.ir, known, |p| self.tests[p as usize] & GROUP != 0)
    }

    /// Plans the steps for rules, whose bits are their places.
    pub(crate) fn plan(
        &mut self,
        ty: EventType,
        clauses: &Clauses<'_>,
        roots: &[IrId],
        of_process: &[bool],
    ) -> Plan {
        self.ty = ty;
        let is_of_process =
            |clause: &Clause| clause.literals.iter().all(|l| of_process[l.node as usize]);
        let n_rules = roots.len();
        if n_rules < MIN_RULES {
            return Plan { n_rules, ..Plan::default() };
        }
        let mut of_part: BTreeMap<Literal, Option<Clause>> = BTreeMap::new();
        let mut of_group: BTreeMap<u32, ByRule> = BTreeMap::new();
        let mut of_single: BTreeMap<Literal, ByRule> = BTreeMap::new();
        // Of several groups, of the process alone and else.
        let mut others = [ByRule::new(), ByRule::new()];
        for (rule, &root) in (0..).zip(roots) {
            for part in clauses.conjuncts(root) {
                let clause = of_part.entry(part).or_insert_with(|| clauses.of(part));
                let Some(clause) = clause.clone().or_else(|| self.whole(part)) else { continue };
                let mut groups = clause.literals.iter().map(|&l| self.grouped(l));
                match (clause.literals.as_slice(), groups.next().flatten()) {
                    (_, Some((group, _))) if groups.all(|g| g.is_some_and(|(g, _)| g == group)) => {
                        keep_rarest(of_group.entry(group).or_default(), rule, clause);
                    }
                    (&[single], None) => {
                        keep_rarest(of_single.entry(single).or_default(), rule, clause);
                    }
                    _ if clause.literals.iter().all(|&l| self.grouped(l).is_some()) => {
                        keep_rarest(
                            &mut others[usize::from(!is_of_process(&clause))],
                            rule,
                            clause,
                        );
                    }
                    _ => {}
                }
            }
        }
        for of in of_group.values().filter(|of| of.len() < MIN_CONCERNED) {
            for (&rule, clause) in of {
                let others = &mut others[usize::from(!is_of_process(clause))];
                keep_rarest(others, rule, clause.clone());
            }
        }
        let singles = of_single.into_values().map(|of| (true, of));
        let lookups = of_group.into_values().chain(others).map(|of| (false, of));
        let open = singles.chain(lookups).filter(|(_, of)| !of.is_empty());
        let mut open: Vec<Open> = open
            .map(|(is_single, of)| {
                let is_of_process = of.values().all(is_of_process);
                Open { of, is_single, is_of_process }
            })
            .collect();
        let mut left = vec![1.0f32; n_rules];
        let mut steps = self.best_steps(open.extract_if(.., |o| o.is_of_process), &mut left);
        let n_of_process = steps.len();
        steps.extend(self.best_steps(open.into_iter(), &mut left));
        let by_worth = self.by_worth(&steps, n_rules);
        let steps: Vec<PlannedStep> = steps.iter().map(|of| self.step(of)).collect();
        self.n_numbers += steps.iter().map(|s| self.n_numbers(s)).sum::<usize>();
        if self.n_numbers > MAX_NUMBERS {
            return Plan { n_rules, ..Plan::default() };
        }
        Plan { steps, n_of_process, by_worth, n_rules }
    }

    /// Orders steps by what they strike out for their cost, each given those before it. A rule that is struck out often enough by then takes no
    /// part in further lookups, so that none is made for its sake; the code of a single literal always concerns all who need it, who do
    /// not ask it again.
    fn best_steps(&self, open: impl Iterator<Item = Open>, left: &mut [f32]) -> Vec<ByRule> {
        let mut open: Vec<(Open, u32)> =
            open.map(|o| (self.step(&o.of).cost, o)).map(|(cost, o)| (o, cost)).collect();
        let mut steps = Vec::new();
        while steps.len() < MAX_STEPS {
            let worth = open.iter().enumerate().map(|(n, (o, cost))| (n, gain(&o.of, left), cost));
            let worth = worth.filter(|&(_, gain, _)| gain >= MIN_GAIN);
            let best = worth
                .map(|(n, gain, &cost)| (n, gain / cost as f32))
                .max_by(|(_, a), (_, b)| a.total_cmp(b));
            let Some((best, _)) = best else { break };
            let (Open { mut of, is_single, .. }, _) = open.swap_remove(best);
            if !is_single {
                of.retain(|&rule, _| left[rule as usize] >= MIN_LEFT);
            }
            take(&of, left);
            steps.push(of);
        }
        steps
    }

    /// The order that is best for one event.
    fn by_worth(&self, steps: &[ByRule], n_rules: usize) -> Vec<u16> {
        let costs: Vec<u32> = steps.iter().map(|of| self.step(of).cost).collect();
        let mut left = vec![1.0f32; n_rules];
        let mut open: Vec<usize> = (0..steps.len()).collect();
        let mut order = Vec::new();
        while !open.is_empty() {
            let worth = open.iter().enumerate();
            let worth = worth.map(|(at, &n)| (at, gain(&steps[n], &left) / costs[n] as f32));
            let Some((at, _)) = worth.max_by(|(_, a), (_, b)| a.total_cmp(b)) else { break };
            let best = open.swap_remove(at);
            take(&steps[best], &mut left);
            order.push(best as u16);
        }
        order
    }

    /// A part as a clause by itself, where it is not one that rules out little.
    fn whole(&self, part: Literal) -> Option<Clause> {
        let is_group = !matches!(self.ir.nodes[part.node as usize], IrNode::Test(_));
        (is_group && !part.negated).then(|| Clause { literals: vec![part], share: 0.5 })
    }

    fn step(&self, of: &ByRule) -> PlannedStep {
        let mut step = PlannedStep::default();
        for (&rule, Clause { literals, .. }) in of {
            for &literal in literals {
                match self.grouped(literal) {
                    Some((group, bit)) => {
                        step.lookups.entry(group).or_default().insert((bit, rule));
                    }
                    None => {
                        step.singles.entry(literal).or_default().insert(rule);
                    }
                }
            }
        }
        let of_group = |&g: &u32| {
            let Group { kind, arity, field, .. } = &self.groups[g as usize];
            kind.cost() * if *arity == Arity::Ancestors { 8 } else { 1 } + field.cost_for(self.ty)
        };
        let of_single = |l: &Literal| match self.ir.nodes[l.node as usize] {
            IrNode::Test(p) => {
                let key = &self.ir.predicates[p as usize];
                let more = |f: &FieldRef| f.cost_for(self.ty) - f.cost();
                Predicate::cost(key) + fields_read(key).into_iter().map(more).sum::<u32>()
            }
            _ => self.ir.cost(l.node),
        };
        step.cost = step.lookups.keys().map(of_group).sum::<u32>()
            + step.singles.keys().map(of_single).sum::<u32>();
        step.cost = step.cost.max(1);
        step
    }

    /// Numbers that the step takes.
    fn n_numbers(&self, step: &PlannedStep) -> usize {
        let of_lookup = |(&group, of): (&u32, &BTreeSet<(u32, u32)>)| {
            let (n_rows, rows) = &self.rows[group as usize];
            n_rows + of.iter().map(|&(bit, _)| 4 * rows[bit as usize].len()).sum::<usize>()
        };
        step.lookups.iter().map(of_lookup).sum()
    }

    /// The steps, once the code of the plan's nodes is written.
    pub(crate) fn candidates(
        &self,
        plan: Plan,
        mut code_of: impl FnMut(Literal) -> u32,
    ) -> Candidates {
        let Plan { steps, n_of_process, by_worth, n_rules } = plan;
        let n_words = match n_rules.div_ceil(64) {
            _ if steps.is_empty() => 0,
            1 => 1,
            2..=4 => 4,
            5..=8 => 8,
            n => n.next_multiple_of(MAX_LANES),
        };
        let mask = |rules: &mut dyn Iterator<Item = u32>| {
            let mut words = vec![0u64; n_words].into_boxed_slice();
            for rule in rules {
                words[rule as usize / 64] |= 1 << (rule % 64);
            }
            words
        };
        let steps = steps.into_iter().map(|step| {
            let mut parts = Vec::new();
            for (literal, rules) in step.singles {
                let concerned = mask(&mut rules.into_iter());
                parts.push(Part { concerned, ask: Ask::Code(code_of(literal)) });
            }
            for (group, of) in step.lookups {
                let concerned = mask(&mut of.iter().map(|&(_, rule)| rule));
                let (n_rows, rows) = &self.rows[group as usize];
                let mut satisfied = vec![Vec::new(); *n_rows];
                for (bit, rule) in of {
                    for &row in &rows[bit as usize] {
                        satisfied[row as usize].push(rule);
                    }
                }
                let satisfied = Cells::new(satisfied);
                parts.push(Part { concerned, ask: Ask::Lookup { group, satisfied } });
            }
            let mut concerned = mask(&mut std::iter::empty());
            for part in &parts {
                concerned.iter_mut().zip(&part.concerned).for_each(|(all, word)| *all |= word);
            }
            let needs = match parts.pop() {
                Some(one) if parts.is_empty() => Needs::One(one.ask),
                last => Needs::Any(parts.into_iter().chain(last).collect()),
            };
            Step { concerned, needs }
        });
        let steps: Vec<Step> = steps.collect();
        let in_turn = (0..steps.len() as u16).collect();
        Candidates { steps, n_of_process, in_turn, by_worth, n_words }
    }
}

impl Plan {
    /// What the steps ask by code.
    pub(crate) fn singles(&self) -> impl Iterator<Item = Literal> {
        self.steps.iter().flat_map(|s| s.singles.keys().copied())
    }

    /// What holds for every rule that comes through the steps and needs it.
    pub(crate) fn asked(&self, ir: &Ir) -> Asked {
        Asked::new(ir, self.singles().collect())
    }
}
