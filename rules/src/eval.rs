//! Evaluation: which rules match an event. Cannot fail, does not recurse, allocates nothing once its scratch fits.

use std::sync::Arc;

use event::EventType;

use crate::buffers::Buffers;
use crate::costs::Meter;
use crate::group::Hits;
use crate::masks::{Known, Masks};
use crate::program::{CALL, Code, GROUP, ONCE, Op, Program, RETURN_FALSE, RETURN_TRUE, RuleCode};
use crate::recent::Recent;
use crate::steps::Which;
use crate::value::Fields;

/// Index of a rule in its ruleset, in order of first definition.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RuleId(pub u32);

/// Working memory of one evaluating thread, kept between events. Made by [`crate::Ruleset::scratch`]; with another
/// ruleset it adapts, which may allocate once.
#[derive(Clone, Debug, Default)]
pub struct MatchScratch {
    /// The program that it fits and whose lookups it remembers.
    program: Option<Arc<()>>,
    memory: Memory,
    /// Rules of the event's type that can still match, and those that one step keeps.
    mask: Vec<u64>,
    kept: Vec<u64>,
    masks: Masks,
    pub(crate) matched: Vec<RuleId>,
}

/// What has been asked of the event.
#[derive(Clone, Debug, Default)]
pub(crate) struct Memory {
    /// Answer per slot: generation of the event it belongs to, shifted left, and the answer in the low bit. A slot
    /// of another generation is unknown, so that nothing has to be cleared between events.
    memo: Vec<u32>,
    generation: u32,
    /// Generation of the event that each group was asked for, the answers of its tests, and the rows that were hit.
    asked: Vec<u32>,
    answers: Vec<u64>,
    pub(crate) hits: Vec<Hits>,
    /// Per group.
    recent: Vec<Recent>,
    /// Open calls: the op that called.
    calls: Vec<u32>,
    buffers: Buffers,
}

const MAX_GENERATION: u32 = u32::MAX >> 1;

impl MatchScratch {
    pub(crate) fn fit(&mut self, program: &Program) {
        let Self { program: program_of, memory, masks, mask, kept, matched } = self;
        grow(&mut memory.memo, program.n_slots());
        grow(&mut memory.asked, program.groups.len());
        grow(&mut memory.answers, program.n_group_words);
        grow(&mut memory.hits, program.groups.len());
        grow(&mut memory.recent, program.groups.len());
        for (recent, group) in memory.recent.iter_mut().zip(&program.groups) {
            recent.reset(group.keeps_recent());
        }
        *program_of = Some(Arc::clone(&program.identity));
        memory.buffers.fit(program.needs);
        memory.calls.clear();
        memory.calls.reserve(program.max_depth);
        grow(mask, program.n_words);
        grow(kept, program.n_words);
        masks.reset(program.n_words);
        matched.clear();
        matched.reserve(program.n_rules);
    }

    fn fits(&self, program: &Program) -> bool {
        self.program.as_ref().is_some_and(|mine| Arc::ptr_eq(mine, &program.identity))
    }
}

impl Memory {
    /// Forgets all answers. O(1) but for one event in 2^31.
    fn next_event(&mut self) {
        if self.generation == MAX_GENERATION {
            self.memo.fill(0);
            self.asked.fill(0);
            self.generation = 0;
        }
        self.generation += 1;
    }

    fn known(&self, slot: usize) -> Option<bool> {
        let m = self.memo[slot];
        (m >> 1 == self.generation).then_some(m & 1 == 1)
    }

    fn note(&mut self, slot: usize, answer: bool) {
        self.memo[slot] = self.generation << 1 | u32::from(answer);
    }
}

/// Sets the bits of so many rules.
fn fill(mask: &mut [u64], n_rules: usize) {
    mask.fill(0);
    mask[..n_rules / 64].fill(u64::MAX);
    if let odd @ 1.. = n_rules % 64 {
        mask[n_rules / 64] = u64::MAX >> (64 - odd);
    }
}

/// The places of the bits that are set, in order.
fn places(mask: &[u64]) -> impl Iterator<Item = usize> + '_ {
    mask.iter().enumerate().flat_map(|(n, &word)| {
        std::iter::successors(Some(word), |left| Some(left & left.wrapping_sub(1)))
            .take_while(|&left| left != 0)
            .map(move |left| n * 64 + left.trailing_zeros() as usize)
    })
}

fn grow<T: Clone + Default>(to: &mut Vec<T>, len: usize) {
    if to.len() < len {
        to.resize(len, T::default());
    }
}

impl Program {
    /// Tries the rules for the event's type in order and leaves those that match in `scratch.matched`.
    pub(crate) fn run<F: Fields, M: Meter>(
        &self,
        first_only: bool,
        ty: EventType,
        fields: &F,
        scratch: &mut MatchScratch,
        meter: &mut M,
    ) {
        if !scratch.fits(self) {
            scratch.fit(self);
        }
        let MatchScratch { program: _, memory, masks, mask, kept, matched } = scratch;
        memory.next_event();
        matched.clear();
        meter.event();
        let code = self.code(ty);
        let at = (code, ty);
        let n_words = code.candidates.n_words;
        if n_words == 0 {
            meter.shared();
            for &RuleCode { rule, of_process, others } in &code.rules {
                let matches = self.holds(at, others, fields, memory)
                    && self.holds(at, of_process, fields, memory);
                meter.rule(rule);
                if matches {
                    matched.push(rule);
                    if first_only {
                        return;
                    }
                }
            }
            return;
        }
        let mask = &mut mask[..n_words];
        let kept = &mut kept[..n_words];
        let knows_process = self.sort_out(at, fields, memory, masks, (mask, kept));
        meter.shared();
        for place in places(mask) {
            let RuleCode { rule, of_process, others } = code.rules[place];
            let matches = self.holds(at, others, fields, memory)
                && (knows_process || self.holds(at, of_process, fields, memory));
            meter.rule(rule);
            if matches {
                matched.push(rule);
                if first_only {
                    return;
                }
            }
        }
    }

    /// Leaves in `mask` the rules that can match. Whether they were asked all that is asked of the process alone.
    #[inline]
    fn sort_out<F: Fields>(
        &self,
        at: (&Code, EventType),
        fields: &F,
        memory: &mut Memory,
        masks: &mut Masks,
        (mask, kept): (&mut [u64], &mut [u64]),
    ) -> bool {
        let (code, _) = at;
        let Code { candidates, rules, .. } = code;
        let process = if code.asks_of_process { fields.process() } else { None };
        let known = process.map(|process| masks.get(process, code.number, mask.len()));
        match known.unwrap_or(Known::Nothing) {
            Known::Nothing => {
                fill(mask, rules.len());
                candidates.sort_out(self, at, Which::All, fields, memory, (mask, kept));
                return false;
            }
            Known::Seen(words) => {
                fill(mask, rules.len());
                candidates.sort_out(self, at, Which::OfProcess, fields, memory, (mask, kept));
                words.copy_from_slice(mask);
                for place in places(mask) {
                    if !self.holds(at, rules[place].of_process, fields, memory) {
                        words[place / 64] &= !(1 << (place % 64));
                    }
                }
                mask.copy_from_slice(words);
            }
            Known::Mask(words) => mask.copy_from_slice(words),
        }
        candidates.sort_out(self, at, Which::Others, fields, memory, (mask, kept));
        true
    }

    /// Runs code from an op to its end.
    pub(crate) fn holds<F: Fields>(
        &self,
        (code, ty): (&Code, EventType),
        start: u32,
        fields: &F,
        s: &mut Memory,
    ) -> bool {
        let mut pc = start;
        if pc >= RETURN_FALSE {
            return pc == RETURN_TRUE;
        }
        loop {
            let Op { what, if_true, if_false } = code.ops[pc as usize];
            let answer = if what & GROUP != 0 {
                self.of_group(what, fields, s)
            } else if what & CALL == 0 {
                self.of_predicate(what, ty, fields, s)
            } else {
                let block = (what & !CALL) as usize;
                let Some(answer) = s.known(self.predicates.len() + block) else {
                    s.calls.push(pc);
                    pc = code.blocks[block];
                    continue;
                };
                answer
            };
            pc = if answer { if_true } else { if_false };
            // A block that ended answers the op that called it, which may end its own block.
            while pc >= RETURN_FALSE {
                let answer = pc == RETURN_TRUE;
                let Some(caller) = s.calls.pop() else { return answer };
                let Op { what, if_true, if_false } = code.ops[caller as usize];
                s.note(self.predicates.len() + (what & !CALL) as usize, answer);
                pc = if answer { if_true } else { if_false };
            }
        }
    }

    #[inline]
    fn of_group<F: Fields>(&self, what: u32, fields: &F, s: &mut Memory) -> bool {
        let group = ((what & !GROUP) >> 16) as usize;
        let bit = (what & 0xffff) as usize;
        self.look_up(group, fields, s);
        let start = self.group_words[group] as usize;
        let hits = &mut s.hits[group];
        let group = &self.groups[group];
        group.answer(bit, &mut s.answers[start..start + group.n_words()], hits)
    }

    /// Asks a group, unless the event was asked before.
    #[inline]
    pub(crate) fn look_up<F: Fields>(&self, group: usize, fields: &F, s: &mut Memory) {
        if s.asked[group] != s.generation {
            s.asked[group] = s.generation;
            let start = self.group_words[group] as usize;
            let (hits, recent) = (&mut s.hits[group], &mut s.recent[group]);
            let group = &self.groups[group];
            let answers = &mut s.answers[start..start + group.n_words()];
            group.ask(fields, answers, hits, recent);
        }
    }

    #[inline]
    fn of_predicate<F: Fields>(
        &self,
        what: u32,
        ty: EventType,
        fields: &F,
        s: &mut Memory,
    ) -> bool {
        let slot = (what & !ONCE) as usize;
        let is_kept = what & ONCE == 0;
        let kept = if is_kept { s.known(slot) } else { None };
        kept.unwrap_or_else(|| {
            let answer = self.predicates[slot].holds(ty, fields, &mut s.buffers);
            if is_kept {
                s.note(slot, answer);
            }
            answer
        })
    }
}
