//! The blocks that frames were made of, as they stand in the file, for whoever writes them on.

use std::collections::HashMap;
use std::ops::Range;

use event::{Direction, EventType};

use super::SavedEvent;

/// Bytes of enters that wait for their exits; with more all of them are forgotten, and their exits are written without.
const MAX_WAITING: usize = 64 << 20;

/// The blocks behind the frame that was given last.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct SavedBlocks<'a> {
    /// Every block since the frame before, one after the other in the file's order: the event's own is the last one. Whoever passes on
    /// every event writes these; at the end of the file they are what came behind
    /// the last frame. What a section before the last one has behind its last frame (starts of calls that never returned) is left out.
    pub all: &'a [u8],
    /// The event's own.
    pub own: &'a [u8],
    /// Where the event is the return of a call whose start the file has: that block, which may be far before. Whoever passes on some
    /// events writes it in front of the event's own.
    pub enter: Option<&'a [u8]>,
    /// Where that block stands: how many events' blocks come before it in the section.
    pub enter_at: u64,
    /// How many come before `all`.
    pub n_before: u64,
}

/// Collects blocks.
#[derive(Debug, Default)]
pub(super) struct BlockKeeper {
    all: Vec<u8>,
    own: Range<usize>,
    enter: Option<Vec<u8>>,
    enter_at: u64,
    /// The last start of a call by thread, and where it stands.
    waiting: HashMap<i64, (EventType, u64, Vec<u8>)>,
    n_waiting: usize,
    n_blocks: u64,
    n_before: u64,
}

impl BlockKeeper {
    /// A new frame is wanted.
    pub(super) fn begin(&mut self) {
        self.all.clear();
        self.own = 0..0;
        self.enter = None;
        self.n_before = self.n_blocks;
    }

    /// Takes the block of an event as it was recorded.
    pub(super) fn add(&mut self, event: &SavedEvent<'_>) {
        let (start, place) = (self.all.len(), self.n_blocks);
        self.n_blocks += 1;
        self.all.extend_from_slice(event.block());
        self.own = start..self.all.len();
        self.enter = None;
        let EventType(number) = event.event_type;
        let is_enter = event.event_type.info().is_some_and(|i| i.direction == Direction::Enter);
        if !is_enter {
            if let Some((ty, enter_at, block)) = self.waiting.remove(&event.tid) {
                self.n_waiting -= block.len();
                self.enter_at = enter_at;
                self.enter = (ty.0 + 1 == number).then_some(block);
            }
            return;
        }
        let is_call = EventType(number + 1)
            .info()
            .is_some_and(|i| i.direction == Direction::Exit && i.name == event.event_type.name());
        if !is_call {
            return;
        }
        if self.n_waiting > MAX_WAITING {
            self.waiting.clear();
            self.n_waiting = 0;
        }
        let (ty, at, block) =
            self.waiting.entry(event.tid).or_insert_with(|| (event.event_type, place, Vec::new()));
        (*ty, *at) = (event.event_type, place);
        self.n_waiting -= block.len();
        block.clear();
        block.extend_from_slice(event.block());
        self.n_waiting += block.len();
    }

    /// Another section begins: its threads are others, and its blocks belong behind a header of their own.
    pub(super) fn restart(&mut self) {
        self.n_blocks = 0;
        self.begin();
        self.waiting.clear();
        self.n_waiting = 0;
    }

    pub(super) fn blocks(&self) -> SavedBlocks<'_> {
        SavedBlocks {
            all: &self.all,
            own: &self.all[self.own.clone()],
            enter: self.enter.as_deref(),
            enter_at: self.enter_at,
            n_before: self.n_before,
        }
    }
}
