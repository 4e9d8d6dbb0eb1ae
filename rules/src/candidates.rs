//! The rules that an event can match at all: what many rules need is asked first, once for all of them.
//!
//! A bit per rule of the event's type, in load order. Each step asks what some rules need, a comparison or a lookup, and strikes out those that did
//! not get it; what is left runs. A lookup's hit names the rules it satisfies (`Cells`), so that a step costs the same for ten rules and for a thousand.

use std::collections::{BTreeMap, BTreeSet};

use event::EventType;

use crate::cells::Cells;
use crate::clauses::{Asked, Clause, Clauses, Literal};
use crate::eval::Memory;
use crate::group::Group;
use crate::ir::{Ir, IrId, IrNode};
use crate::predicate::Predicate;
use crate::program::{Code, GROUP, Program};
use crate::schema::Arity;
use crate::value::Fields;

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
/// Steps of one type; the best are taken.
const MAX_STEPS: usize = 48;
/// Words of a mask that are taken at once.
const MAX_LANES: usize = 16;
/// Numbers that the lookups of all types may take, 4 bytes each. Types that come behind do without.
const MAX_NUMBERS: usize = 1 << 24;

/// How the rules of one event type are sorted out.
#[derive(Debug, Default)]
pub(crate) struct Candidates {
    steps: Vec<Step>,
    /// Words of a mask.
    pub(crate) n_words: usize,
}

/// Strikes out those of `concerned` that did not get what they need.
#[derive(Debug)]
struct Step {
    concerned: Box<[u64]>,
    needs: Needs,
}

#[derive(Debug)]
enum Needs {
    One(Ask),
    /// Any part.
    Any(Box<[Part]>),
}

#[derive(Debug)]
struct Part {
    concerned: Box<[u64]>,
    ask: Ask,
}

#[derive(Debug)]
enum Ask {
    /// The lookup of a group: for each of its rows the rules that it satisfies.
    Lookup { group: u32, satisfied: Cells },
    /// Code, which satisfies all concerned or none.
    Code(u32),
}

/// Steps before their code is written.
#[derive(Debug, Default)]
pub(crate) struct Plan {
    steps: Vec<PlannedStep>,
    n_rules: usize,
}

#[derive(Debug, Default)]
struct PlannedStep {
    lookups: BTreeMap<u32, BTreeSet<(u32, u32)>>,
    singles: BTreeMap<Literal, BTreeSet<u32>>,
    cost: u32,
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
    pub(crate) n_numbers: usize,
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

impl<'a> Planner<'a> {
    pub(crate) fn new(
        ir: &'a Ir,
        groups: &'a [Group],
        tests: &'a [u32],
        rows: &'a [(usize, Vec<Vec<u32>>)],
    ) -> Self {
        Self { ir, groups, tests, rows, n_numbers: 0 }
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
    pub(crate) fn plan(&mut self, clauses: &Clauses<'_>, roots: &[IrId]) -> Plan {
        let n_rules = roots.len();
        if n_rules < MIN_RULES {
            return Plan { n_rules, ..Plan::default() };
        }
        let mut of_part: BTreeMap<Literal, Option<Clause>> = BTreeMap::new();
        let mut of_group: BTreeMap<u32, ByRule> = BTreeMap::new();
        let mut of_single: BTreeMap<Literal, ByRule> = BTreeMap::new();
        let mut others = ByRule::new();
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
                        keep_rarest(&mut others, rule, clause);
                    }
                    _ => {}
                }
            }
        }
        for of in of_group.values().filter(|of| of.len() < MIN_CONCERNED) {
            for (&rule, clause) in of {
                keep_rarest(&mut others, rule, clause.clone());
            }
        }
        let singles = of_single.into_values().map(|of| (true, of));
        let lookups = of_group.into_values().chain([others]).map(|of| (false, of));
        let steps = self.best_steps(singles.chain(lookups).collect(), n_rules);
        let mut steps: Vec<PlannedStep> = steps.iter().map(|of| self.step(of)).collect();
        self.n_numbers += steps.iter().map(|s| self.n_numbers(s)).sum::<usize>();
        if self.n_numbers > MAX_NUMBERS {
            steps.clear();
        }
        Plan { steps, n_rules }
    }

    /// Orders steps by what they strike out for their cost, each given those before it. A rule that is struck out often enough by then takes no
    /// part in further lookups, so that none is made for its sake; the code of a single literal always concerns all who need it, who do
    /// not ask it again.
    fn best_steps(&self, mut open: Vec<(bool, ByRule)>, n_rules: usize) -> Vec<ByRule> {
        let mut left = vec![1.0f32; n_rules];
        let mut steps = Vec::new();
        let mut costs: Vec<u32> = open.iter().map(|(_, of)| self.step(of).cost).collect();
        while steps.len() < MAX_STEPS {
            let gain = |of: &ByRule| -> f32 {
                of.iter().map(|(&rule, c)| left[rule as usize] * (1.0 - c.share)).sum()
            };
            let worth = open.iter().enumerate().map(|(n, (_, of))| (n, gain(of)));
            let worth = worth.filter(|&(_, gain)| gain >= MIN_GAIN);
            let best = worth
                .map(|(n, gain)| (n, gain / costs[n] as f32))
                .max_by(|(_, a), (_, b)| a.total_cmp(b));
            let Some((best, _)) = best else { break };
            costs.swap_remove(best);
            let (is_single, mut of) = open.swap_remove(best);
            if !is_single {
                of.retain(|&rule, _| left[rule as usize] >= MIN_LEFT);
            }
            for (&rule, clause) in &of {
                left[rule as usize] *= clause.share.max(MIN_SHARE);
            }
            steps.push(of);
        }
        steps
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
            let Group { kind, arity, .. } = self.groups[g as usize];
            kind.cost() * if arity == Arity::Ancestors { 8 } else { 1 }
        };
        let of_single = |l: &Literal| match self.ir.nodes[l.node as usize] {
            IrNode::Test(p) => Predicate::cost(&self.ir.predicates[p as usize]),
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
        let Plan { steps, n_rules } = plan;
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
        Candidates { steps: steps.collect(), n_words }
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

/// Masks have a multiple of `N` words.
fn meet<const N: usize>(a: &[u64], b: &[u64]) -> bool {
    let mut met = [0; N];
    for (a, b) in a.as_chunks::<N>().0.iter().zip(b.as_chunks::<N>().0) {
        for n in 0..N {
            met[n] |= a[n] & b[n];
        }
    }
    met != [0; N]
}

/// Takes those of `concerned` that are not in `kept` out of `mask`.
fn strike<const N: usize>(mask: &mut [u64], concerned: &[u64], kept: &[u64]) {
    let masks = mask.as_chunks_mut::<N>().0;
    let concerned = concerned.as_chunks::<N>().0;
    for ((mask, concerned), kept) in masks.iter_mut().zip(concerned).zip(kept.as_chunks::<N>().0) {
        for n in 0..N {
            mask[n] &= !concerned[n] | kept[n];
        }
    }
}

fn strike_all<const N: usize>(mask: &mut [u64], concerned: &[u64]) {
    let masks = mask.as_chunks_mut::<N>().0;
    for (mask, concerned) in masks.iter_mut().zip(concerned.as_chunks::<N>().0) {
        for n in 0..N {
            mask[n] &= !concerned[n];
        }
    }
}

impl Candidates {
    /// Leaves in `mask` the rules that can match. `mask` and `kept` have [`Candidates::n_words`] words, which are not 0.
    pub(crate) fn sort_out<F: Fields>(
        &self,
        program: &Program,
        at: (&Code, EventType),
        fields: &F,
        memory: &mut Memory,
        (mask, kept): (&mut [u64], &mut [u64]),
    ) {
        // With the length known the loops over words are gone.
        match mask.len() {
            1 => self.take_steps::<F, 1>(
                program,
                at,
                fields,
                memory,
                (&mut mask[..1], &mut kept[..1]),
            ),
            4 => self.take_steps::<F, 4>(
                program,
                at,
                fields,
                memory,
                (&mut mask[..4], &mut kept[..4]),
            ),
            8 => self.take_steps::<F, 8>(
                program,
                at,
                fields,
                memory,
                (&mut mask[..8], &mut kept[..8]),
            ),
            _ => self.take_steps::<F, MAX_LANES>(program, at, fields, memory, (mask, kept)),
        }
    }

    #[expect(clippy::inline_always, reason = "its callers know the length")]
    #[inline(always)]
    fn take_steps<F: Fields, const N: usize>(
        &self,
        program: &Program,
        (code, ty): (&Code, EventType),
        fields: &F,
        memory: &mut Memory,
        (mask, kept): (&mut [u64], &mut [u64]),
    ) {
        let n = mask.len();
        for step in &self.steps {
            let all_concerned = &step.concerned[..n];
            if !meet::<N>(mask, all_concerned) {
                continue;
            }
            match &step.needs {
                Needs::One(Ask::Code(start)) => {
                    if !program.holds(code, *start, ty, fields, memory) {
                        strike_all::<N>(mask, all_concerned);
                    }
                    continue;
                }
                Needs::One(Ask::Lookup { group, satisfied }) => {
                    program.look_up(*group as usize, fields, memory);
                    match memory.hits[*group as usize].rows() {
                        None => continue,
                        // Most values hit nothing.
                        Some([]) => {
                            strike_all::<N>(mask, all_concerned);
                            continue;
                        }
                        Some(rows) => {
                            kept.fill(0);
                            for &row in rows {
                                satisfied.add_to(row, kept);
                            }
                        }
                    }
                }
                Needs::Any(parts) => {
                    kept.fill(0);
                    for Part { concerned, ask } in parts {
                        let concerned = &concerned[..n];
                        if !meet::<N>(mask, concerned) {
                            continue;
                        }
                        let all = match ask {
                            Ask::Code(start) => program.holds(code, *start, ty, fields, memory),
                            Ask::Lookup { group, satisfied } => {
                                program.look_up(*group as usize, fields, memory);
                                let rows = memory.hits[*group as usize].rows();
                                for &row in rows.unwrap_or_default() {
                                    satisfied.add_to(row, kept);
                                }
                                rows.is_none()
                            }
                        };
                        if all {
                            kept.iter_mut().zip(concerned).for_each(|(kept, c)| *kept |= c);
                        }
                    }
                }
            }
            strike::<N>(mask, all_concerned, kept);
        }
    }
}
