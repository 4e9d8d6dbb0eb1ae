//! Texts that were looked up lately, with what they hit: command lines come again and again while their processes run.

use crate::group::Hits;

/// Texts that are kept per group.
const N_TEXTS: usize = 32;
/// Longer texts are not kept.
const MAX_LEN: usize = 256;

/// A text has one place that it can be in; the last one there stays.
#[derive(Clone, Debug, Default)]
pub(crate) struct Recent {
    entries: Vec<Entry>,
}

#[derive(Clone, Debug)]
struct Entry {
    text: [u8; MAX_LEN],
    /// More than there is room for where the place is free.
    len: usize,
    hits: Hits,
}

impl Entry {
    fn text(&self) -> Option<&[u8]> {
        self.text.get(..self.len)
    }
}

impl Recent {
    /// Forgets all texts, with room for those to come where `is_used`.
    pub(crate) fn reset(&mut self, is_used: bool) {
        if is_used && self.entries.is_empty() {
            let free = Entry { text: [0; MAX_LEN], len: usize::MAX, hits: Hits::default() };
            self.entries.resize(N_TEXTS, free);
        }
        for entry in &mut self.entries {
            entry.len = usize::MAX;
        }
    }

    /// What the text hit.
    #[inline]
    pub(crate) fn get(&self, text: &[u8]) -> Option<&Hits> {
        let entry = self.entries.get(place(text))?;
        (entry.text()? == text).then_some(&entry.hits)
    }

    /// Keeps what the text hit.
    pub(crate) fn put(&mut self, text: &[u8], hits: &Hits) {
        if let Some(entry) = self.entries.get_mut(place(text))
            && let Some(room) = entry.text.get_mut(..text.len())
        {
            room.copy_from_slice(text);
            entry.len = text.len();
            entry.hits.copy(hits);
        }
    }
}

/// By length and both ends, which costs the same for every text.
fn place(text: &[u8]) -> usize {
    let end = |word: Option<&[u8; 8]>| word.map_or(0, |w| u64::from_le_bytes(*w));
    let mixed =
        end(text.first_chunk()) ^ end(text.last_chunk()).rotate_left(29) ^ text.len() as u64;
    (mixed.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 59) as usize
}

const _: () = assert!(N_TEXTS == 1 << (64 - 59));

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_is_found_until_another_takes_its_place() {
        let mut recent = Recent::default();
        let hits = Hits::default();
        recent.put(b"x", &hits);
        assert!(recent.get(b"x").is_none(), "no room was asked for");
        recent.reset(true);
        assert!(recent.get(b"").is_none());
        let texts: Vec<String> = (0..1000).map(|n| format!("make -C dir{n} all")).collect();
        for text in &texts {
            recent.put(text.as_bytes(), &hits);
            assert!(recent.get(text.as_bytes()).is_some());
        }
        let n_kept = texts.iter().filter(|t| recent.get(t.as_bytes()).is_some()).count();
        assert!((2..=N_TEXTS).contains(&n_kept), "{n_kept}");
        recent.put(&[b'x'; MAX_LEN + 1], &hits);
        assert!(recent.get(&[b'x'; MAX_LEN + 1]).is_none());
        recent.reset(true);
        assert!(texts.iter().all(|t| recent.get(t.as_bytes()).is_none()));
    }
}
