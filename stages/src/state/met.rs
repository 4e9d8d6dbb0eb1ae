//! The processes that a shard met lately, each as of its last event: most events are of a process that was met a moment ago, and whether it has
//! changed since is one load.

use std::sync::Arc;

use bus::Key;
use event::{FrameHeader, flags};

use super::lineage::Lineage;
use super::node::{Start, Version};

/// Processes that are kept at most, a power of two.
const N_PLACES: usize = 128;

#[derive(Debug)]
struct Place {
    tgid: u32,
    start: Start,
    version: Arc<Version>,
}

/// Processes, by id; each has one place, and the last one there stays until all are let go of. What is held here cannot be used again.
#[derive(Debug)]
pub(crate) struct Met {
    places: Box<[Option<Place>]>,
    /// Places that are taken.
    taken: Vec<u8>,
}

impl Default for Met {
    fn default() -> Self {
        Self { places: (0..N_PLACES).map(|_| None).collect(), taken: Vec::with_capacity(N_PLACES) }
    }
}

impl Met {
    /// The place of the process that a frame is about, as of its key; as [`Lineage::process_of`], and where that may be asked.
    #[inline]
    pub(crate) fn place_of(
        &mut self,
        lineage: &Lineage,
        header: &FrameHeader,
        key: Key,
    ) -> Option<usize> {
        let at = header.tgid as usize % N_PLACES;
        let start = Start::of(header);
        // Nobody else is the one with this id and start while it lives: who takes over an id ends the one before.
        let is_here = |p: &Place| {
            p.tgid == header.tgid
                && p.start == start
                && p.version.is_as_of(key)
                && p.version.is_alive()
                && header.flags & flags::REFUSED == 0
        };
        if self.places[at].as_ref().is_some_and(is_here) {
            return Some(at);
        }
        self.meet(at, lineage, header, key)
    }

    #[inline(never)]
    fn meet(
        &mut self,
        at: usize,
        lineage: &Lineage,
        header: &FrameHeader,
        key: Key,
    ) -> Option<usize> {
        let version = lineage.process_of(header, key)?;
        let place = Place { tgid: header.tgid, start: Start::of(header), version };
        if self.places[at].replace(place).is_none() {
            self.taken.push(at as u8);
        }
        Some(at)
    }

    /// The process at a place that was given for the event at hand.
    #[inline]
    pub(crate) fn at(&self, place: usize) -> Option<&Version> {
        Some(&self.places.get(place)?.as_ref()?.version)
    }

    /// Lets go of all of them, so that what has died can be used again.
    pub(crate) fn let_go(&mut self) {
        for at in self.taken.drain(..) {
            self.places[usize::from(at)] = None;
        }
    }
}

const _: () = assert!(N_PLACES.is_power_of_two() && N_PLACES <= 1 << u8::BITS);
