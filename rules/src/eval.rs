//! Evaluation: which rules match an event. Cannot fail, does not recurse, allocates nothing once its scratch fits.

use event::EventType;

use crate::buffers::Buffers;
use crate::costs::Meter;
use crate::program::{CALL, Code, GROUP, ONCE, Op, Program, RETURN_FALSE, RETURN_TRUE};
use crate::value::Fields;

/// Index of a rule in its ruleset, in order of first definition.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RuleId(pub u32);

/// Working memory of one evaluating thread, kept between events. Made by [`crate::Ruleset::scratch`]; with another
/// ruleset it adapts, which may allocate once.
#[derive(Clone, Debug, Default)]
pub struct MatchScratch {
    /// Answer per slot: generation of the event it belongs to, shifted left, and the answer in the low bit. A slot
    /// of another generation is unknown, so that nothing has to be cleared between events.
    memo: Vec<u32>,
    generation: u32,
    /// Generation of the event that each group was asked for, and the answers of its tests.
    asked: Vec<u32>,
    answers: Vec<u64>,
    /// Open calls: the op that called.
    calls: Vec<u32>,
    buffers: Buffers,
    pub(crate) matched: Vec<RuleId>,
}

const MAX_GENERATION: u32 = u32::MAX >> 1;

impl MatchScratch {
    pub(crate) fn fit(&mut self, program: &Program) {
        grow(&mut self.memo, program.n_slots());
        grow(&mut self.asked, program.groups.len());
        grow(&mut self.answers, program.n_group_words);
        self.buffers.fit(program.needs);
        self.calls.clear();
        self.calls.reserve(program.max_depth);
        self.matched.clear();
        self.matched.reserve(program.n_rules);
    }

    fn fits(&self, program: &Program) -> bool {
        self.memo.len() >= program.n_slots()
            && self.asked.len() >= program.groups.len()
            && self.answers.len() >= program.n_group_words
            && self.calls.capacity() >= program.max_depth
            && self.matched.capacity() >= program.n_rules
            && self.buffers.fits(program.needs)
    }

    /// Forgets all answers. O(1) but for one event in 2^31.
    fn next_event(&mut self) {
        if self.generation == MAX_GENERATION {
            self.memo.fill(0);
            self.asked.fill(0);
            self.generation = 0;
        }
        self.generation += 1;
        self.matched.clear();
    }

    fn known(&self, slot: usize) -> Option<bool> {
        let m = self.memo[slot];
        (m >> 1 == self.generation).then_some(m & 1 == 1)
    }

    fn note(&mut self, slot: usize, answer: bool) {
        self.memo[slot] = self.generation << 1 | u32::from(answer);
    }
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
        scratch.next_event();
        meter.event();
        let code = self.code(ty);
        meter.shared();
        for &(rule, start) in &code.rules {
            let matches = self.rule(code, start, ty, fields, scratch);
            meter.rule(rule);
            if matches {
                scratch.matched.push(rule);
                if first_only {
                    break;
                }
            }
        }
    }

    fn rule<F: Fields>(
        &self,
        code: &Code,
        start: u32,
        ty: EventType,
        fields: &F,
        s: &mut MatchScratch,
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
    fn of_group<F: Fields>(&self, what: u32, fields: &F, s: &mut MatchScratch) -> bool {
        let group = ((what & !GROUP) >> 16) as usize;
        let bit = (what & 0xffff) as usize;
        let start = self.group_words[group] as usize;
        if s.asked[group] != s.generation {
            s.asked[group] = s.generation;
            let group = &self.groups[group];
            group.ask(fields, &mut s.answers[start..start + group.n_words()]);
        }
        s.answers[start + bit / 64] >> (bit % 64) & 1 == 1
    }

    #[inline]
    fn of_predicate<F: Fields>(
        &self,
        what: u32,
        ty: EventType,
        fields: &F,
        s: &mut MatchScratch,
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
