//! Taking the steps that sort out an event's rules: a bit per rule, and each step strikes out those that did not get what they need.

use event::EventType;

use crate::cells::Cells;
use crate::eval::Memory;
use crate::program::{Code, Program};
use crate::value::Fields;

/// Words of a mask that are taken at once.
pub(crate) const MAX_LANES: usize = 16;

/// How the rules of one event type are sorted out.
#[derive(Debug, Default)]
pub(crate) struct Candidates {
    /// Those that ask of the process alone come first.
    pub(crate) steps: Vec<Step>,
    pub(crate) n_of_process: usize,
    /// 0, 1, 2, ...
    pub(crate) in_turn: Vec<u16>,
    /// All of them in the order that is best for one event.
    pub(crate) by_worth: Vec<u16>,
    /// Words of a mask.
    pub(crate) n_words: usize,
}

/// Which steps are taken.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Which {
    All,
    OfProcess,
    Others,
}

/// Strikes out those of `concerned` that did not get what they need.
#[derive(Debug)]
pub(crate) struct Step {
    pub(crate) concerned: Box<[u64]>,
    pub(crate) needs: Needs,
}

#[derive(Debug)]
pub(crate) enum Needs {
    One(Ask),
    /// Any part.
    Any(Box<[Part]>),
}

#[derive(Debug)]
pub(crate) struct Part {
    pub(crate) concerned: Box<[u64]>,
    pub(crate) ask: Ask,
}

#[derive(Debug)]
pub(crate) enum Ask {
    /// The lookup of a group: for each of its rows the rules that it satisfies.
    Lookup { group: u32, satisfied: Cells },
    /// Code, which satisfies all concerned or none.
    Code(u32),
}

/// What asks an event.
struct Run<'r, F> {
    program: &'r Program,
    at: (&'r Code, EventType),
    fields: &'r F,
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
    /// Strikes out of `mask` what steps strike out. `mask` and `kept` have [`Candidates::n_words`] words, which are not 0.
    pub(crate) fn sort_out<F: Fields>(
        &self,
        program: &Program,
        at: (&Code, EventType),
        which: Which,
        fields: &F,
        memory: &mut Memory,
        (mask, kept): (&mut [u64], &mut [u64]),
    ) {
        if mask.iter().all(|&word| word == 0) {
            return;
        }
        let run = Run { program, at, fields };
        // With the length known the loops over words are gone.
        match mask.len() {
            1 => self.take_steps::<F, 1>(run, which, memory, &mut mask[..1], &mut kept[..1]),
            4 => self.take_steps::<F, 4>(run, which, memory, &mut mask[..4], &mut kept[..4]),
            8 => self.take_steps::<F, 8>(run, which, memory, &mut mask[..8], &mut kept[..8]),
            _ => self.take_steps::<F, MAX_LANES>(run, which, memory, mask, kept),
        }
    }

    #[expect(clippy::inline_always, reason = "its callers know the length")]
    #[inline(always)]
    fn take_steps<F: Fields, const N: usize>(
        &self,
        Run { program, at, fields }: Run<'_, F>,
        which: Which,
        memory: &mut Memory,
        mask: &mut [u64],
        kept: &mut [u64],
    ) {
        let n = mask.len();
        let order = match which {
            Which::All => &self.by_worth,
            Which::OfProcess => &self.in_turn[..self.n_of_process],
            Which::Others => &self.in_turn[self.n_of_process..],
        };
        for &step in order {
            let step = &self.steps[usize::from(step)];
            let all_concerned = &step.concerned[..n];
            if !meet::<N>(mask, all_concerned) {
                continue;
            }
            match &step.needs {
                Needs::One(Ask::Code(start)) => {
                    if !program.holds(at, *start, fields, memory) {
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
                            Ask::Code(start) => program.holds(at, *start, fields, memory),
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
