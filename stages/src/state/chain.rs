//! A number for each state of a process and its ancestors.

use std::sync::Arc;

use bus::Key;

use super::lineage::{Lineage, Wait};
use super::node::{Parent, State, Version};

/// Processes whose numbers are kept.
const N_CHAINS: usize = 256;
/// Ancestors, tombstones included, above which a process gets no number.
const MAX_ANCESTORS: usize = 24;

/// Ancestors that are held at most.
const MAX_HELD: usize = 1024;

#[derive(Debug, Default)]
struct Chain {
    /// Serial of the process's own version; 0 where the place is free.
    own: u64,
    /// Serials of its ancestors, and of tombstones on the way to them.
    ancestors: [u64; MAX_ANCESTORS],
    n_ancestors: usize,
    number: u64,
    /// Where in what is held its ancestors begin, and when they were put there.
    held_at: usize,
    held_since: u64,
}

/// The numbers of the processes that a shard met last. A version has one place that its chain can be in; the last one there stays.
#[derive(Debug)]
pub(crate) struct Chains {
    places: Box<[Chain]>,
    n_numbers: u64,
    /// The ancestors of those that were asked for lately, with the shards that own them.
    held: Vec<(usize, Arc<Version>)>,
    /// Counts how often what was held was let go of; from 1 on.
    n_held: u64,
}

impl Default for Chains {
    fn default() -> Self {
        Self {
            places: (0..N_CHAINS).map(|_| Chain::default()).collect(),
            n_numbers: 0,
            held: Vec::with_capacity(MAX_HELD),
            n_held: 1,
        }
    }
}

impl Chains {
    /// The number of a process, as of `key`, at which `own` is its version: none that was given before unless all ancestors are what they were
    /// then. `None` where there are too many of them, or one is not to be had now. O(ancestors): a load each where they are held.
    pub(crate) fn number(
        &mut self,
        lineage: &Lineage,
        reader: usize,
        own: &Version,
        key: Key,
    ) -> Option<u64> {
        let chain = &self.places[place(own.serial)];
        if chain.own == own.serial && chain.held_since == self.n_held {
            let held = &self.held[chain.held_at..chain.held_at + chain.n_ancestors];
            let is_same = |(owner, ancestor): &(usize, Arc<Version>)| {
                lineage.has_applied(reader, *owner, key).is_ok() && ancestor.is_as_of(key)
            };
            if held.iter().all(is_same) {
                return Some(chain.number);
            }
        }
        self.follow(lineage, reader, own, key)
    }

    #[inline(never)]
    fn follow(&mut self, lineage: &Lineage, reader: usize, own: &Version, key: Key) -> Option<u64> {
        if self.held.len() + MAX_ANCESTORS > MAX_HELD {
            self.let_go();
        }
        let held_at = self.held.len();
        if !matches!(collect(lineage, reader, own, key, &mut self.held), Ok(true)) {
            self.held.truncate(held_at);
            return None;
        }
        let found = &self.held[held_at..];
        let chain = &mut self.places[place(own.serial)];
        let known = &chain.ancestors[..chain.n_ancestors];
        if chain.own != own.serial || !known.iter().eq(found.iter().map(|(_, v)| &v.serial)) {
            self.n_numbers += 1;
            chain.number = self.n_numbers;
            chain.own = own.serial;
            for (serial, (_, version)) in chain.ancestors.iter_mut().zip(found) {
                *serial = version.serial;
            }
            chain.n_ancestors = found.len();
        }
        chain.held_at = held_at;
        chain.held_since = self.n_held;
        Some(chain.number)
    }

    /// Lets go of all ancestors, so that what has died can be used again. The numbers stay.
    pub(crate) fn let_go(&mut self) {
        if !self.held.is_empty() {
            self.held.clear();
            self.n_held += 1;
        }
    }
}

/// Adds the ancestors that are known. Whether these are all: there may be too many.
fn collect(
    lineage: &Lineage,
    reader: usize,
    own: &Version,
    key: Key,
    found: &mut Vec<(usize, Arc<Version>)>,
) -> Result<bool, Wait> {
    for n in 0..=MAX_ANCESTORS {
        let version = if n == 0 { own } else { found.last().map_or(own, |(_, v)| v) };
        let next = match (&version.state, &version.parent) {
            // The version of an exit is the process's own.
            (State::Dead(reaper), _) if n > 0 => reaper.as_ref(),
            (_, Parent::Node(node)) => Some(node),
            (_, Parent::None | Parent::Unknown(_)) => None,
        };
        let Some(node) = next else { return Ok(true) };
        let owner = lineage.owner(node.tgid);
        lineage.has_applied(reader, owner, key)?;
        let Some(version) = node.as_of(key) else { return Ok(false) };
        found.push((owner, version));
    }
    Ok(false)
}

fn place(serial: u64) -> usize {
    (serial.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 56) as usize
}

const _: () = assert!(N_CHAINS == 1 << (64 - 56));
