//! A child of which its creator's return tells first, or alone: a frame that makes it known, as its own return would.

use event::{FrameHeader, MAX_FRAME_LEN, SectionKind, flags};

use super::{SavedEvent, tracker::Born};

const PARAM_RES: usize = 0;
const PARAM_TID: usize = 3;
const PARAM_PID: usize = 4;
const PARAM_PTID: usize = 5;

impl Born {
    /// The header of the child's frame.
    pub(super) fn header(&self, of_creator: &FrameHeader) -> FrameHeader {
        let &Self { tgid, incarnation, creator: _ } = self;
        // What is said of the creator's own frame is not said of the child's.
        let flags = of_creator.flags & flags::FROM_FILE | flags::SEED;
        FrameHeader { tid: tgid, tgid, start_ns: incarnation, flags, ..*of_creator }
    }
}

/// The frame of a child, while it has not been given.
#[derive(Debug, Default)]
pub(super) struct BornChild {
    buf: Vec<u8>,
    len: usize,
    is_due: bool,
}

impl BornChild {
    /// Makes the frame of the creator's return: what is not said of the child is as its creator has it. One that finds no room is none.
    #[cold]
    pub(super) fn make(&mut self, event: &SavedEvent<'_>, header: FrameHeader, born: Born) {
        let Born { tgid, incarnation: _, creator } = born;
        self.buf.resize(MAX_FRAME_LEN, 0);
        let ty = event.event_type;
        let (vtid, vpid) = (ty.param_index("vtid"), ty.param_index("vpid"));
        let own_id = i64::from(tgid).to_le_bytes();
        let creator_id = i64::from(creator.creator_tid).to_le_bytes();
        let mut frame = event::FrameWriter::with_params(&mut self.buf, header, event.n_params());
        for (n, param) in event.params().enumerate() {
            frame.bytes(match n {
                PARAM_RES => &[0; 8],
                PARAM_TID | PARAM_PID => &own_id,
                PARAM_PTID => &creator_id,
                n if Some(n) == vtid || Some(n) == vpid => &own_id,
                _ => param,
            });
        }
        frame.section(SectionKind::Creator, &[&creator.to_bytes()]);
        if let Ok(frame) = frame.finish() {
            self.len = frame.len();
            self.is_due = true;
        }
    }

    /// Whether a frame has to be given now; it is not again.
    pub(super) fn take(&mut self) -> bool {
        std::mem::take(&mut self.is_due)
    }

    pub(super) fn frame(&self) -> &[u8] {
        &self.buf[..self.len]
    }
}
