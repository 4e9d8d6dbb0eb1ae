//! What a trace lets through as a recording of its own (`-w`): the blocks of the file that is read, unchanged.

use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::path::Path;

use capture::savefile::{Compression, Header, Playback, SavefileError, Writer};
use event::{
    Direction, EF_CREATES_FD, EF_DESTROYS_FD, EF_MODIFIES_STATE, EventInfo, EventType, FrameHeader,
};

use super::refusal::Refusal;
use crate::savefile_errors;

/// Bit of an event's category: it is a system call.
const EC_SYSCALL: u16 = 0x200;
/// Types of event blocks, each with the one whose blocks have flags.
const WITH_FLAGS: [(u32, u32); 3] = [(0x204, 0x208), (0x216, 0x217), (0x221, 0x222)];
/// Flag of a block: update state, do not show.
const STATE_ONLY: u32 = 1;
/// Before the flags stand the block's type, its length and the CPU.
const FLAGS_AT: usize = 10;

/// What becomes of a frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Fate {
    /// It passed the filter.
    Passed,
    /// It did not.
    Rejected,
    /// It only carries state.
    StateOnly,
}

/// Which events are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Extent {
    /// All of them: there is no filter.
    All,
    /// Those that passed the filter.
    Passed,
    /// The rest as well, as far as it changes state, marked so that it is not shown.
    PassedAndState,
}

/// A recording under way.
pub(super) struct Recording {
    path: String,
    writer: Option<Writer<BufWriter<Box<dyn Write>>>>,
    compression: Compression,
    extent: Extent,
    has_users: bool,
    n_sections: u64,
}

impl Recording {
    /// A file that is made when the first header is there.
    pub(super) fn new(
        path: &Path,
        compression: Compression,
        extent: Extent,
        has_users: bool,
    ) -> Self {
        let path = path.display().to_string();
        Self { path, writer: None, compression, extent, has_users, n_sections: 0 }
    }

    /// Begins a file, or another section of it.
    pub(super) fn begin(&mut self, playback: &mut Playback) -> anyhow::Result<()> {
        playback.keep_blocks();
        self.n_sections = playback.n_sections();
        self.header(playback.header())
    }

    fn header(&mut self, header: &Header) -> anyhow::Result<()> {
        let mut header = header.clone();
        if !self.has_users {
            header.users.clear();
            header.groups.clear();
        }
        if let Some(writer) = &mut self.writer {
            let done = writer.section(&header);
            return self.told(done);
        }
        let out: Box<dyn Write> = if self.path == "-" {
            Box::new(io::stdout())
        } else {
            Box::new(File::create(&self.path).map_err(|e| {
                Refusal::new(format!("can't open {}", self.path)).with(&e.to_string())
            })?)
        };
        let made = Writer::with_header(BufWriter::new(out), self.compression, &header);
        self.writer = Some(self.told(made)?);
        Ok(())
    }

    fn told<T>(&self, done: Result<T, SavefileError>) -> anyhow::Result<T> {
        let path = Path::new(&self.path);
        done.map_err(|e| anyhow::anyhow!(savefile_errors::of_recording(path, &e)))
    }

    /// Writes the frame that was given last, as far as it is wanted.
    pub(super) fn frame(
        &mut self,
        playback: &Playback,
        fate: Fate,
        frame: &[u8],
    ) -> anyhow::Result<()> {
        if self.n_sections != playback.n_sections() {
            self.n_sections = playback.n_sections();
            self.header(playback.header())?;
        }
        let Some(writer) = &mut self.writer else { return Ok(()) };
        let blocks = playback.last_blocks();
        let header = frame.first_chunk().map(FrameHeader::from_bytes);
        let info = header.and_then(|h| EventType(h.event_type).info());
        let done = match (self.extent, fate) {
            (Extent::All, _) => writer.saved_blocks(blocks.all),
            (_, Fate::Passed) => {
                let enter = blocks.enter.map_or(Ok(()), |enter| writer.saved_blocks(enter));
                enter.and_then(|()| writer.saved_blocks(blocks.own))
            }
            (_, Fate::StateOnly) if !is_call(info) => writer.saved_blocks(blocks.own),
            // The start of a call comes with its return.
            (_, Fate::StateOnly) if is_start(info) => Ok(()),
            // Hidden returns are those of a recording that was written so itself.
            (Extent::PassedAndState, Fate::StateOnly | Fate::Rejected) if changes_state(info) => {
                let hidden = [blocks.enter.unwrap_or_default(), blocks.own].map(hidden);
                hidden.iter().try_for_each(|block| writer.saved_blocks(block))
            }
            (Extent::Passed | Extent::PassedAndState, Fate::StateOnly | Fate::Rejected) => Ok(()),
        };
        self.told(done)
    }

    /// Writes what a file has behind its last event.
    pub(super) fn end_of_file(&mut self, playback: &Playback) -> anyhow::Result<()> {
        match &mut self.writer {
            Some(writer) if self.extent == Extent::All => {
                let done = writer.saved_blocks(playback.last_blocks().all);
                self.told(done)
            }
            _ => Ok(()),
        }
    }

    /// Writes what is held back.
    pub(super) fn finish(&mut self) -> anyhow::Result<()> {
        let done = self.writer.take().map_or(Ok(()), |writer| writer.finish().map(drop));
        self.told(done)
    }
}

fn is_call(info: Option<&EventInfo>) -> bool {
    info.is_some_and(|i| i.category & EC_SYSCALL != 0)
}

fn is_start(info: Option<&EventInfo>) -> bool {
    info.is_some_and(|i| i.direction == Direction::Enter)
}

fn changes_state(info: Option<&EventInfo>) -> bool {
    info.is_some_and(|i| i.flags & (EF_MODIFIES_STATE | EF_CREATES_FD | EF_DESTROYS_FD) != 0)
}

/// The block of an event, marked as one that is not shown.
fn hidden(block: &[u8]) -> Vec<u8> {
    let mut out = block.to_vec();
    let word = |at: usize| block.get(at..at + 4)?.as_array().map(|b| u32::from_le_bytes(*b));
    let (Some(kind), Some(len)) = (word(0), word(4)) else { return out };
    if WITH_FLAGS.iter().any(|(_, with)| *with == kind) && out.len() > FLAGS_AT {
        out[FLAGS_AT] |= STATE_ONLY as u8;
    } else if let Some((_, with)) = WITH_FLAGS.iter().find(|(without, _)| *without == kind)
        && out.len() >= FLAGS_AT + 4
    {
        let longer = (len + 4).to_le_bytes();
        let end = out.len() - 4;
        out[0..4].copy_from_slice(&with.to_le_bytes());
        out[4..8].copy_from_slice(&longer);
        out[end..].copy_from_slice(&longer);
        out.splice(FLAGS_AT..FLAGS_AT, STATE_ONLY.to_le_bytes());
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_hidden_block_has_the_flag_and_is_that_much_longer() {
        let block = |kind: u32, flags: &[u8]| {
            let len = (4 + 4 + 2 + flags.len() + 2 + 4) as u32;
            [&kind.to_le_bytes()[..], &len.to_le_bytes(), b"cc", flags, b"ee", &len.to_le_bytes()]
                .concat()
        };
        for (without, with) in WITH_FLAGS {
            assert_eq!(hidden(&block(without, &[])), block(with, &[1, 0, 0, 0]));
            assert_eq!(hidden(&block(with, &[0; 4])), block(with, &[1, 0, 0, 0]));
        }
        assert_eq!(hidden(&[]), [0; 0]);
        assert_eq!(hidden(b"short"), b"short");
    }
}
