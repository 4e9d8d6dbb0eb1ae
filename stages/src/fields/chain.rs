//! An event's process, and its ancestors, looked up when first asked for and kept for the event.

use std::cell::{Cell, OnceCell, RefCell};
use std::sync::Arc;

use bus::Key;
use event::FrameHeader;

use crate::state::{Chains, Descent, Lineage, Met, Version};

/// One ancestor.
#[derive(Debug)]
pub(super) enum Link {
    /// It lives: its id, what it was as of the event, and whether it is certain that it is the parent.
    Known(u32, Arc<Version>, Descent),
    /// There is one, of which at most the id is known.
    Unknown(Option<u32>),
    /// The process above has no parent.
    End,
}

#[derive(Debug, Default)]
struct Place {
    link: OnceCell<Link>,
    above: OnceCell<Box<Place>>,
}

/// Scratch for ancestors, kept between events: places are made when a depth is first reached and only emptied afterwards.
#[derive(Debug, Default)]
pub(crate) struct Chain {
    parent: Place,
    n_used: Cell<usize>,
    pub(super) numbers: RefCell<Chains>,
    met: Met,
    /// The place of the event's process.
    own: Option<usize>,
}

impl Chain {
    /// Turns to the next event.
    #[inline]
    pub(super) fn turn_to(&mut self, lineage: &Lineage, header: &FrameHeader, key: Key) {
        self.clear();
        self.own = self.met.place_of(lineage, header, key);
    }

    /// The event's process as of its key, where that is known.
    #[inline]
    pub(super) fn process(&self) -> Option<&Version> {
        self.met.at(self.own?)
    }

    /// Lets go of every process, so that what has died can be used again.
    pub(crate) fn let_go(&mut self) {
        self.clear();
        self.own = None;
        self.met.let_go();
        self.numbers.get_mut().let_go();
    }

    /// The ancestor `level` steps above the process (1 is its parent), found by `find` from the one below where it was not asked for yet.
    /// `find` gives `None` where the answer is not to be had now.
    pub(super) fn get(
        &self,
        level: usize,
        mut find: impl FnMut(Option<&Version>) -> Option<Link>,
    ) -> Option<&Link> {
        let mut place = &self.parent;
        let mut below: Option<&Version> = None;
        for step in 1..=level {
            let link = if let Some(link) = place.link.get() {
                link
            } else {
                let found = find(below)?;
                self.n_used.set(self.n_used.get().max(step));
                place.link.get_or_init(|| found)
            };
            if step == level {
                return Some(link);
            }
            let Link::Known(_, version, _) = link else { return Some(&Link::End) };
            below = Some(version);
            place = place.above.get_or_init(Box::default);
        }
        None
    }

    /// Empties the places of the ancestors.
    #[inline]
    fn clear(&mut self) {
        let mut place = Some(&mut self.parent);
        for _ in 0..self.n_used.take() {
            let Some(p) = place else { return };
            p.link.take();
            place = p.above.get_mut().map(|b| &mut **b);
        }
    }
}
