//! The blocks that frames were made of, as they stand in the file, for whoever writes them on.

use std::collections::HashMap;
use std::ops::Range;

use event::{Direction, EventType};

use super::{Rooms, SavedEvent};

/// The blocks behind the frame that was given last.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct SavedBlocks<'a> {
    /// Every block since the frame before, one after the other in the file's order: the event's own is the last one. Whoever passes on
    /// every event writes these; at the end of the file they are what came behind
    /// the last frame. What a section before the last one has behind its last frame (starts of calls that never returned) is left out.
    /// Those beyond their room are counted instead ([`ReaderCounts::n_dropped_blocks`](super::ReaderCounts)).
    pub all: &'a [u8],
    /// The event's own.
    pub own: &'a [u8],
    /// Where the event is the return of a call whose start the file has: that block, which may be far before. Whoever passes on some
    /// events writes it in front of the event's own.
    pub enter: Option<&'a [u8]>,
    /// Where that block stands: how many events' blocks come before it in the section. `None` where it was one of those that are not passed on.
    pub enter_at: Option<u64>,
    /// How many come before `all`.
    pub n_before: u64,
}

/// The start of a call.
#[derive(Debug)]
struct Start {
    event_type: EventType,
    /// Where it stands, unless it was left out of the blocks.
    at: Option<u64>,
    block: Vec<u8>,
}

/// Collects blocks.
#[derive(Debug)]
pub(super) struct BlockKeeper {
    max_before: usize,
    max_waiting: usize,
    all: Vec<u8>,
    own: Range<usize>,
    enter: Option<Vec<u8>>,
    enter_at: Option<u64>,
    /// The last start of a call by thread.
    waiting: HashMap<i64, Start>,
    /// The thread whose call the block before began.
    began: Option<i64>,
    n_waiting: usize,
    n_blocks: u64,
    n_before: u64,
    /// Blocks for which there was no room.
    n_dropped: u64,
    /// Starts of calls that were forgotten.
    n_forgotten: u64,
}

impl BlockKeeper {
    /// Of more blocks before a frame the last ones before its own are left out; of more enters that wait for their exits all are forgotten, and
    /// their exits written without.
    pub(super) fn within(rooms: Rooms) -> Self {
        Self::with_room(rooms.blocks(), rooms.waiting_blocks())
    }

    fn with_room(max_before: usize, max_waiting: usize) -> Self {
        Self {
            max_before,
            max_waiting,
            all: Vec::new(),
            own: 0..0,
            enter: None,
            waiting: HashMap::new(),
            n_waiting: 0,
            enter_at: None,
            began: None,
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
            self.drop_last();
        }
        self.began = None;
        let (start, place) = (self.all.len(), self.n_blocks);
        self.n_blocks += 1;
        self.all.extend_from_slice(event.block());
        self.own = start..self.all.len();
        self.enter = None;
        let EventType(number) = event.event_type;
        let is_enter = event.event_type.info().is_some_and(|i| i.direction == Direction::Enter);
        if !is_enter {
            if let Some(Start { event_type, at, block }) = self.waiting.remove(&event.tid) {
                self.n_waiting -= block.len();
                self.enter_at = at;
                self.enter = (event_type.0 + 1 == number).then_some(block);
            }
            return;
        }
        let is_call = EventType(number + 1)
            .info()
            .is_some_and(|i| i.direction == Direction::Exit && i.name == event.event_type.name());
        if !is_call {
            return;
        }
        if self.n_waiting > self.max_waiting {
            self.n_forgotten += self.waiting.len() as u64;
            self.waiting.clear();
            self.n_waiting = 0;
        }
        let event_type = event.event_type;
        let start = || Start { event_type, at: None, block: Vec::new() };
        let Start { event_type, at, block } = self.waiting.entry(event.tid).or_insert_with(start);
        (*event_type, *at) = (event.event_type, Some(place));
        self.began = Some(event.tid);
        self.n_waiting -= block.len();
        block.clear();
        block.extend_from_slice(event.block());
        self.n_waiting += block.len();
    }

    /// Leaves out the block that came last.
    #[cold]
    fn drop_last(&mut self) {
        self.all.truncate(self.own.start);
        self.n_dropped += 1;
        if let Some(start) = self.began.and_then(|tid| self.waiting.get_mut(&tid)) {
            start.at = None;
        }
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

    /// Room for all that a test has.
    const ENOUGH: usize = 1 << 20;
    use crate::savefile::{Compression, Machine, Reader, Writer};

    /// A recording of events of these types and threads.
    fn reader(events: &[(EventType, u32)]) -> Reader {
        let mut w =
            Writer::new(Vec::new(), Compression::None, &Machine::default(), &[], &[], 0).unwrap();
        for &(ty, tid) in events {
            let header = FrameHeader { event_type: ty.0, tid, ..FrameHeader::default() };
            let mut buf = [0; 256];
            let mut frame = FrameWriter::new(&mut buf, header);
            if ty == RETURN {
                frame.i64(0);
            }
            frame.i64(3).u32(5);
            w.frame(&Frame::parse(frame.finish().unwrap()).unwrap()).unwrap();
        }
        Reader::new(Cursor::new(w.finish().unwrap())).unwrap()
    }

    const START: EventType = EventType(EventType::LISTEN_X.0 - 1);
    const RETURN: EventType = EventType::LISTEN_X;

    #[test]
    fn blocks_before_a_frame_are_bounded_and_its_own_is_there() {
        let mut reader = reader(&[(RETURN, 5); 10]);
        let mut keeper = BlockKeeper::with_room(250, ENOUGH);
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

    #[test]
    fn a_start_that_was_left_out_stands_nowhere() {
        // The start of 7 is within the room, that of 6 is not.
        let events = [(START, 7), (START, 5), (START, 5), (START, 6), (START, 5)];
        let mut reader = reader(&[&events[..], &[(RETURN, 6), (RETURN, 7)]].concat());
        let mut keeper = BlockKeeper::with_room(170, ENOUGH);
        let mut places = Vec::new();
        while let Some(event) = reader.next_event().unwrap() {
            keeper.add(&event);
            if keeper.blocks().enter.is_some() {
                places.push((event.tid, keeper.blocks().enter_at));
            }
        }
        assert!(keeper.n_dropped() > 0);
        assert_eq!(places, [(6, None), (7, Some(0))]);
    }

    #[test]
    fn starts_that_wait_are_bounded_and_counted() {
        let starts: Vec<_> = (1..=20).map(|tid| (START, tid)).collect();
        let mut reader = reader(&starts);
        let mut keeper = BlockKeeper::with_room(ENOUGH, 500);
        while let Some(event) = reader.next_event().unwrap() {
            keeper.begin();
            keeper.add(&event);
            let held: usize = keeper.waiting.values().map(|start| start.block.len()).sum();
            assert!(held == keeper.n_waiting && held <= 500 + event.block().len());
        }
        assert!(keeper.n_forgotten() > 5);
        assert_eq!(keeper.n_forgotten() + keeper.waiting.len() as u64, 20);
    }
}
