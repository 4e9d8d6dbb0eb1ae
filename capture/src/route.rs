//! Which shard owns a process.

use event::FrameHeader;

/// The shard that a frame goes to: the owner of its process. O(1).
#[must_use]
pub fn route(header: &FrameHeader, n_shards: usize) -> usize {
    owner(header.tgid, n_shards)
}

/// The shard that owns process `tgid`, one of `n_shards` (at least 1). O(1).
///
/// Multiplicative hashing: neighbouring ids, which a build or a fork storm hands out one after the other, go to different shards.
#[must_use]
pub fn owner(tgid: u32, n_shards: usize) -> usize {
    let hash = u64::from(tgid).wrapping_mul(0x9E37_79B9_7F4A_7C15) >> 32;
    ((hash * n_shards as u64) >> 32) as usize
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn neighbouring_ids_spread_over_all_shards() {
        for n_shards in 1..=16 {
            let mut n = vec![0u32; n_shards];
            for tgid in 0..16_000 {
                n[owner(tgid, n_shards)] += 1;
            }
            let fair = 16_000 / n_shards as u32;
            assert!(n.iter().all(|&n| n > fair / 2 && n < fair * 2), "{n:?}");
        }
        let header = FrameHeader { tgid: u32::MAX, ..FrameHeader::default() };
        assert_eq!(route(&header, 1), 0);
    }
}
