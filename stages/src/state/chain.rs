//! A number for each state of a process and its ancestors.

use bus::Key;

use super::lineage::{Lineage, Wait};
use super::node::{Parent, State, Version};

/// Processes whose numbers are kept.
const N_CHAINS: usize = 256;
/// Ancestors, tombstones included, above which a process gets no number.
const MAX_ANCESTORS: usize = 24;

#[derive(Debug, Default)]
struct Chain {
    /// Serial of the process's own version; 0 where the place is free.
    own: u64,
    /// Serials of its ancestors, and of tombstones on the way to them.
    ancestors: [u64; MAX_ANCESTORS],
    n_ancestors: usize,
    number: u64,
}

/// The numbers of the processes that a shard met last. A version has one place that its chain can be in; the last one there stays.
#[derive(Debug)]
pub(crate) struct Chains {
    chains: Box<[Chain]>,
    n_numbers: u64,
}

impl Default for Chains {
    fn default() -> Self {
        Self { chains: (0..N_CHAINS).map(|_| Chain::default()).collect(), n_numbers: 0 }
    }
}

impl Chains {
    /// The number of a process, as of `key`, at which `own` is its version: none that was given before unless all ancestors are what they were
    /// then. `None` where there are too many of them, or one is not to be had now. O(ancestors).
    pub(crate) fn number(
        &mut self,
        lineage: &Lineage,
        reader: usize,
        own: &Version,
        key: Key,
    ) -> Option<u64> {
        let mut found = [0; MAX_ANCESTORS];
        let found = collect(lineage, reader, own, key, &mut found).ok()??;
        let chain = &mut self.chains[place(own.serial)];
        if chain.own != own.serial || chain.ancestors[..chain.n_ancestors] != *found {
            self.n_numbers += 1;
            chain.number = self.n_numbers;
            chain.own = own.serial;
            chain.ancestors[..found.len()].copy_from_slice(found);
            chain.n_ancestors = found.len();
        }
        Some(chain.number)
    }
}

/// Collects the serials of the ancestors that are known. `None` where there is no room for all.
fn collect<'f>(
    lineage: &Lineage,
    reader: usize,
    own: &Version,
    key: Key,
    found: &'f mut [u64; MAX_ANCESTORS],
) -> Result<Option<&'f [u64]>, Wait> {
    let mut n = 0;
    let mut held;
    let mut version = own;
    loop {
        let next = match (&version.state, &version.parent) {
            // The version of an exit is the process's own.
            (State::Dead(reaper), _) if n > 0 => reaper.as_ref(),
            (_, Parent::Node(node)) => Some(node),
            (_, Parent::None | Parent::Unknown(_)) => None,
        };
        let Some(node) = next else { return Ok(Some(&found[..n])) };
        lineage.readable(reader, node.tgid, key)?;
        let (Some(place), Some(next)) = (found.get_mut(n), node.peek(key)) else { return Ok(None) };
        held = next;
        version = &held;
        *place = version.serial;
        n += 1;
    }
}

fn place(serial: u64) -> usize {
    (serial.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 56) as usize
}

const _: () = assert!(N_CHAINS == 1 << (64 - 56));
