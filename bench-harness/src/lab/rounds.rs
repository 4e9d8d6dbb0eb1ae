//! In which order engines are measured: in turns, so that what changes on the machine meanwhile meets them all alike.

/// Places of `n_engines` in each of `n_rounds`; every other round goes backwards, so that nobody always comes behind the same one.
pub(crate) fn interleaved(n_engines: usize, n_rounds: u32) -> Vec<(u32, usize)> {
    let round = |n: u32| {
        let order: Vec<usize> = if n.is_multiple_of(2) {
            (0..n_engines).collect()
        } else {
            (0..n_engines).rev().collect()
        };
        order.into_iter().map(move |engine| (n, engine))
    };
    (0..n_rounds).flat_map(round).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_engine_has_its_turn_in_every_round() {
        let want = [(0, 0), (0, 1), (0, 2), (1, 2), (1, 1), (1, 0), (2, 0), (2, 1), (2, 2)];
        assert_eq!(interleaved(3, 3), want);
        assert_eq!(interleaved(0, 3), []);
    }
}
