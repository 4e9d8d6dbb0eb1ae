//! Sets of bits in one pool, each as the words that are not zero: what a hit of a lookup stands for.

/// A word of a set.
#[derive(Clone, Copy, Debug)]
struct Cell {
    word: u32,
    bits: u64,
}

/// Sets by number. Memory is linear in the members, the cost of a set in its members or the words of the universe, whichever is less.
#[derive(Clone, Debug, Default)]
pub(crate) struct Cells {
    starts: Vec<u32>,
    cells: Vec<Cell>,
}

impl Cells {
    /// Packs sets of bit numbers.
    pub(crate) fn new(mut sets: Vec<Vec<u32>>) -> Self {
        let mut out = Self { starts: Vec::with_capacity(sets.len() + 1), cells: Vec::new() };
        out.starts.push(0);
        for set in &mut sets {
            set.sort_unstable();
            let start = out.cells.len();
            for &bit in &*set {
                let (word, bits) = (bit / 64, 1 << (bit % 64));
                match out.cells[start..].last_mut() {
                    Some(last) if last.word == word => last.bits |= bits,
                    _ => out.cells.push(Cell { word, bits }),
                }
            }
            out.starts.push(out.cells.len() as u32);
        }
        out.cells.shrink_to_fit();
        out
    }

    /// Whether a bit is a member of a set.
    #[inline]
    pub(crate) fn contains(&self, set: u32, bit: usize) -> bool {
        let (from, to) = (self.starts[set as usize], self.starts[set as usize + 1]);
        let mut cells = self.cells[from as usize..to as usize].iter();
        cells.any(|c| c.word as usize == bit / 64 && c.bits >> (bit % 64) & 1 == 1)
    }

    /// Adds the members of a set.
    #[inline]
    pub(crate) fn add_to(&self, set: u32, words: &mut [u64]) {
        let (from, to) = (self.starts[set as usize], self.starts[set as usize + 1]);
        for &Cell { word, bits } in &self.cells[from as usize..to as usize] {
            words[word as usize] |= bits;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sets_keep_their_members() {
        let cells = Cells::new(vec![vec![65, 0, 1, 64, 200, 65], vec![], vec![63]]);
        let members = |set| {
            let mut words = [0; 4];
            cells.add_to(set, &mut words);
            words
        };
        assert_eq!(members(0), [3, 3, 0, 1 << 8]);
        let contained: Vec<usize> = (0..256).filter(|&bit| cells.contains(0, bit)).collect();
        assert_eq!(contained, [0, 1, 64, 65, 200]);
        assert_eq!(members(1), [0; 4]);
        assert_eq!(members(2), [1 << 63, 0, 0, 0]);
        assert_eq!(cells.cells.len(), 4);
    }
}
