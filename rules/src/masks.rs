//! The rules that a process can match at all, kept from one of its events to the next.

use crate::value::ProcessId;

/// Masks that are kept.
const N_MASKS: usize = 256;

/// What is known of a process and the rules of one event type.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Known<'m> {
    /// Nothing: this is the first such event, or another took its place.
    Nothing,
    /// It was here before. The mask is to be filled in.
    Seen(&'m mut [u64]),
    /// These rules can match.
    Mask(&'m [u64]),
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Progress {
    #[default]
    Free,
    Seen,
    Kept,
}

#[derive(Clone, Copy, Debug, Default)]
struct Entry {
    process: ProcessId,
    code: u32,
    progress: Progress,
}

/// A process and an event type have one place that their mask can be in; the last one there stays.
#[derive(Clone, Debug, Default)]
pub(crate) struct Masks {
    entries: Vec<Entry>,
    words: Vec<u64>,
    n_words: usize,
}

impl Masks {
    /// Forgets all masks, with room for those to come, which have at most so many words.
    pub(crate) fn reset(&mut self, n_words: usize) {
        let n_masks = if n_words == 0 { 0 } else { N_MASKS };
        self.n_words = n_words;
        self.entries.clear();
        self.entries.resize(n_masks, Entry::default());
        self.words.clear();
        self.words.resize(n_masks * n_words, 0);
    }

    /// What is known, for masks of `n_words` words. It is known better from one call to the next.
    #[inline]
    pub(crate) fn get(&mut self, process: ProcessId, code: u32, n_words: usize) -> Known<'_> {
        let place = place(process, code);
        let Some(entry) = self.entries.get_mut(place) else { return Known::Nothing };
        let start = place * self.n_words;
        let words = &mut self.words[start..start + n_words];
        if entry.process != process || entry.code != code || entry.progress == Progress::Free {
            *entry = Entry { process, code, progress: Progress::Seen };
            return Known::Nothing;
        }
        if entry.progress == Progress::Kept {
            return Known::Mask(words);
        }
        entry.progress = Progress::Kept;
        Known::Seen(words)
    }
}

/// States are numbered as they arise, so that those of one time have places of their own.
fn place(process: ProcessId, code: u32) -> usize {
    let number = process.state.wrapping_add(u64::from(code) << 32);
    (number.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 56) as usize
}

const _: () = assert!(N_MASKS == 1 << (64 - 56));

#[cfg(test)]
mod tests {
    use super::*;

    fn id(state: u64, uid: u32) -> ProcessId {
        ProcessId { state, uid, gid: 0 }
    }

    #[test]
    fn a_mask_is_asked_for_on_the_second_call_and_there_on_the_third() {
        let mut masks = Masks::default();
        assert_eq!(masks.get(id(0, 0), 0, 2), Known::Nothing);
        assert_eq!(masks.get(id(0, 0), 0, 2), Known::Nothing, "no room was asked for");
        masks.reset(4);
        assert_eq!(masks.get(id(0, 0), 0, 2), Known::Nothing, "what is free is nobody's");
        let Known::Seen(words) = masks.get(id(0, 0), 0, 2) else { panic!("it was seen") };
        words.copy_from_slice(&[1, 2]);
        for _ in 0..2 {
            assert_eq!(masks.get(id(0, 0), 0, 2), Known::Mask(&[1, 2]));
        }
        assert_eq!(masks.get(id(0, 0), 1, 4), Known::Nothing, "of another type");
        assert_eq!(masks.get(id(0, 7), 0, 2), Known::Nothing, "of another user");
        masks.reset(4);
        assert_eq!(masks.get(id(0, 0), 0, 2), Known::Nothing);
    }

    #[test]
    fn more_processes_than_places_take_turns() {
        let mut masks = Masks::default();
        masks.reset(1);
        for state in 0..1000 {
            assert_eq!(masks.get(id(state, 0), 3, 1), Known::Nothing);
            let Known::Seen(words) = masks.get(id(state, 0), 3, 1) else { panic!("it was seen") };
            words[0] = state;
        }
        // The last ones are still there; each that is not takes a place.
        let newest_first = (0..1000).rev();
        let mut is_kept = |s: &u64| masks.get(id(*s, 0), 3, 1) == Known::Mask(&[*s]);
        let n_kept = newest_first.take(N_MASKS / 2).filter(|s| is_kept(s)).count();
        assert!(n_kept > N_MASKS / 4, "{n_kept}");
    }
}
