//! The blocks that frames were made of, as they stand in the file, for whoever writes them on.

use std::collections::HashMap;
use std::ops::Range;

use event::{Direction, EventType};

use super::SavedEvent;

/// Bytes of enters that wait for their exits; with more all of them are forgotten, and their exits are written without.
const MAX_WAITING: usize = 64 << 20;

/// Bytes of blocks before a frame that are passed on; of more the last ones before the frame's own are left out.
const MAX_BEFORE: usize = 64 << 20;

/// The blocks behind the frame that was given last.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct SavedBlocks<'a> {
    /// Every block since the frame before, one after the other in the file's order: the event's own is the last one. Whoever passes on
    /// every event writes these; at the end of the file they are what came behind
    /// the last frame. What a section before the last one has behind its last frame (starts of calls that never returned) is left out.
    /// More than 64 MiB of them are counted instead ([`ReaderCounts::n_dropped_blocks`](super::ReaderCounts)).
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
#[derive(Debug)]
pub(super) struct BlockKeeper {
    max_before: usize,
    all: Vec<u8>,
    own: Range<usize>,
    enter: Option<Vec<u8>>,
    enter_at: u64,
    /// The last start of a call by thread, and where it stands.
    waiting: HashMap<i64, (EventType, u64, Vec<u8>)>,
    n_waiting: usize,
    n_blocks: u64,
    n_before: u64,
    /// Blocks for which there was no room.
    n_dropped: u64,
    /// Starts of calls that were forgotten.
    n_forgotten: u64,
}

impl BlockKeeper {
    pub(super) fn new() -> Self {
        Self::with_room(MAX_BEFORE)
    }

    fn with_room(max_before: usize) -> Self {
        Self {
            max_before,
            all: Vec::new(),
            own: 0..0,
            enter: None,
            waiting: HashMap::new(),
            n_waiting: 0,
            enter_at: 0,
            n_blocks: 0,
            n_before: 0,
            n_dropped: 0,
            n_forgotten: 0,
        }
    }

    pub(super) fn n_dropped(&self) -> u64 {
        self.n_dropped
    }

    pub(super) fn n_forgotten(&self) -> u64 {
        self.n_forgotten
    }

    /// A new frame is wanted.
    pub(super) fn begin(&mut self) {
        self.all.clear();
        self.own = 0..0;
        self.enter = None;
        self.n_before = self.n_blocks;
    }

    /// Takes the block of an event as it was recorded.
    pub(super) fn add(&mut self, event: &SavedEvent<'_>) {
        if !self.all.is_empty() && self.all.len() + event.block().len() > self.max_before {
            self.all.truncate(self.own.start);
            self.n_dropped += 1;
        }
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
            self.n_forgotten += self.waiting.len() as u64;
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

#[cfg(test)]
mod tests {
    use std::io::Cursor;

    use event::{Frame, FrameHeader, FrameWriter};

    use super::*;
    use crate::savefile::{Compression, Machine, Reader, Writer};

    #[test]
    fn blocks_before_a_frame_are_bounded_and_its_own_is_there() {
        let mut w =
            Writer::new(Vec::new(), Compression::None, &Machine::default(), &[], &[], 0).unwrap();
        for fd in 0..10 {
            let header =
                FrameHeader { event_type: EventType::LISTEN_X.0, tid: 5, ..FrameHeader::default() };
            let mut buf = [0; 256];
            let mut frame = FrameWriter::new(&mut buf, header);
            frame.i64(0).i64(fd).u32(5);
            w.frame(&Frame::parse(frame.finish().unwrap()).unwrap()).unwrap();
        }
        let mut reader = Reader::new(Cursor::new(w.finish().unwrap())).unwrap();
        let mut keeper = BlockKeeper::with_room(250);
        let mut first = Vec::new();
        while let Some(event) = reader.next_event().unwrap() {
            keeper.add(&event);
            let blocks = keeper.blocks();
            assert_eq!(blocks.own, event.block());
            assert!(blocks.all.len() <= 250 && blocks.all.ends_with(blocks.own));
            if first.is_empty() {
                first = event.block().to_vec();
            }
            assert!(blocks.all.starts_with(&first));
        }
        let n_kept = keeper.blocks().all.len() / first.len();
        assert!(n_kept > 1);
        assert_eq!(keeper.n_dropped(), 10 - n_kept as u64);
    }
}
