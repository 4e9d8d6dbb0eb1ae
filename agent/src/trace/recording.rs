//! What a trace lets through as a recording of its own (`-w`): the blocks of the file that is read, unchanged.

use std::borrow::Cow;
use std::fs::{self, File};
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};

use capture::savefile::{
    Compression, Header, NextFile, Playback, Rotation, SavedBlocks, SavefileError, Writer,
};
use event::{
    Direction, EF_CREATES_FD, EF_DESTROYS_FD, EF_MODIFIES_STATE, EventInfo, EventType, FrameHeader,
};

use super::refusal::Refusal;
use super::snapshot::Moment;
use crate::config::Limits;
use crate::run::say;
use crate::savefile_errors;

/// Bit of an event's category: it is a system call.
const EC_SYSCALL: u16 = 0x200;
/// Types of event blocks, each with the one whose blocks have flags.
const WITH_FLAGS: [(u32, u32); 3] = [(0x204, 0x208), (0x216, 0x217), (0x221, 0x222)];
/// Flag of a block: update state, do not show.
const STATE_ONLY: u32 = 1;
/// Before the flags stand the block's type, its length and the CPU.
const FLAGS_AT: usize = 10;

/// Types that tell of containers, users and groups, which a header does not know.
const TELLING: [EventType; 6] = [
    EventType(324),
    EventType(354),
    EventType(356),
    EventType(358),
    EventType(360),
    EventType(402),
];
/// Bytes of such events that every file begins with, at most.
const MAX_TOLD: usize = 16 << 20;

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
    path: PathBuf,
    rotation: Option<Rotation>,
    writer: Option<Writer<BufWriter<Box<dyn Write>>>>,
    compression: Compression,
    extent: Extent,
    has_users: bool,
    bounds: Limits,
    n_sections: u64,
    /// No event of the section has come yet, so all that its header says is true still.
    is_section_new: bool,
    /// Events of the section whose blocks stand before the file at hand.
    n_before: u64,
    /// The file that is read once more, for what is there when a file begins.
    moment: Option<Moment>,
    /// What the section's events told of users and containers so far, hidden.
    told_before: Vec<u8>,
    /// There was no room for some, which was said.
    has_untold: bool,
}

impl Recording {
    /// A file that is made when the first header is there, or several, each when its first event is.
    pub(super) fn new(
        path: &Path,
        rotation: Option<Rotation>,
        compression: Compression,
        extent: Extent,
        has_users: bool,
        bounds: Limits,
    ) -> Self {
        Self {
            path: path.to_owned(),
            rotation,
            writer: None,
            compression,
            extent,
            has_users,
            bounds,
            n_sections: 0,
            is_section_new: true,
            n_before: 0,
            moment: None,
            told_before: Vec::new(),
            has_untold: false,
        }
    }

    /// Begins with a file that is read: another section of what is written, or its first.
    pub(super) fn begin(&mut self, path: &Path, playback: &mut Playback) -> anyhow::Result<()> {
        playback.keep_blocks();
        self.moment = self.rotation.is_some().then(|| Moment::before_all(path, self.bounds));
        self.section(playback)
    }

    fn section(&mut self, playback: &Playback) -> anyhow::Result<()> {
        self.n_sections = playback.n_sections();
        self.is_section_new = true;
        self.n_before = 0;
        self.told_before.clear();
        let header = self.header(playback.header());
        if let Some(writer) = &mut self.writer {
            let done = writer.section(&header);
            return self.told(done);
        }
        if self.rotation.is_some() { Ok(()) } else { self.file(&header) }
    }

    /// What is written of a header.
    fn header(&self, header: &Header) -> Header {
        let mut header = header.clone();
        if !self.has_users {
            header.users.clear();
            header.groups.clear();
        }
        header
    }

    /// Ends the file at hand and begins the one at the path.
    fn file(&mut self, header: &Header) -> anyhow::Result<()> {
        self.finish()?;
        let out: Box<dyn Write> = if self.path == Path::new("-") {
            Box::new(io::stdout())
        } else {
            Box::new(File::create(&self.path).map_err(|e| {
                Refusal::new(format!("can't open {}", self.path.display())).with(&e.to_string())
            })?)
        };
        let made = Writer::with_header(BufWriter::new(out), self.compression, header);
        self.writer = Some(self.told(made)?);
        Ok(())
    }

    fn told<T>(&self, done: Result<T, SavefileError>) -> anyhow::Result<T> {
        done.map_err(|e| anyhow::anyhow!(savefile_errors::of_recording(&self.path, &e)))
    }

    /// Goes on in another file where the frame that was given last belongs into one.
    fn rotate(&mut self, playback: &Playback, ts: u64) -> anyhow::Result<()> {
        let Some(rotation) = &mut self.rotation else { return Ok(()) };
        let n_bytes = self.writer.as_ref().map_or(0, Writer::n_bytes);
        let next = rotation.before_event(ts, n_bytes).map_err(|e| Refusal::new(e.to_string()))?;
        let Some(NextFile { path, obsolete }) = next else { return Ok(()) };
        self.finish()?;
        if let Some(obsolete) = obsolete {
            // Somebody else may have taken it away.
            let _gone = fs::remove_file(obsolete);
        }
        self.path = path;
        let header = match &mut self.moment {
            Some(moment) if !self.is_section_new => {
                self.n_before = playback.last_blocks().n_before;
                moment.before_event(playback.evt_num())?
            }
            _ => playback.header().clone(),
        };
        self.file(&self.header(&header))?;
        if let Some(writer) = &mut self.writer
            && !self.told_before.is_empty()
        {
            let done = writer.saved_blocks(&self.told_before);
            self.told(done)?;
        }
        Ok(())
    }

    /// Writes the frame that was given last, as far as it is wanted.
    pub(super) fn frame(
        &mut self,
        playback: &Playback,
        fate: Fate,
        frame: &[u8],
    ) -> anyhow::Result<()> {
        if self.n_sections != playback.n_sections() {
            self.section(playback)?;
        }
        let blocks = playback.last_blocks();
        let Some(header) = frame.first_chunk().map(FrameHeader::from_bytes) else { return Ok(()) };
        if blocks.own.is_empty() {
            return Ok(());
        }
        let ty = EventType(header.event_type);
        let wanted = self.wanted(&blocks, fate, ty.info());
        if !wanted.iter().all(|block| block.is_empty()) {
            self.rotate(playback, header.ts)?;
        }
        self.is_section_new = false;
        if self.rotation.is_some() && TELLING.contains(&ty) {
            let hidden = hidden(blocks.own);
            if self.told_before.len() + hidden.len() <= MAX_TOLD {
                self.told_before.extend_from_slice(&hidden);
            } else if !self.has_untold {
                self.has_untold = true;
                say(
                    "peregrine: events tell of more users and containers than 16 MiB: the files that follow begin without the further ones\n",
                );
            }
        }
        let Some(writer) = &mut self.writer else { return Ok(()) };
        let done = wanted
            .iter()
            .filter(|block| !block.is_empty())
            .try_for_each(|block| writer.saved_blocks(block));
        self.told(done)
    }

    /// The blocks to write of those behind a frame.
    fn wanted<'b>(
        &self,
        blocks: &SavedBlocks<'b>,
        fate: Fate,
        info: Option<&EventInfo>,
    ) -> [Cow<'b, [u8]>; 2] {
        let enter = blocks.enter.unwrap_or_default();
        match (self.extent, fate) {
            // A start that went to the file before, or to none, comes once more.
            (Extent::All, _) if blocks.enter_at.is_none_or(|at| at < self.n_before) => {
                [enter.into(), blocks.all.into()]
            }
            (Extent::All, _) => [Cow::default(), blocks.all.into()],
            (_, Fate::Passed) => [enter.into(), blocks.own.into()],
            (_, Fate::StateOnly) if !is_call(info) => [Cow::default(), blocks.own.into()],
            // The start of a call comes with its return.
            (_, Fate::StateOnly) if is_start(info) => Default::default(),
            // Hidden returns are those of a recording that was written so itself.
            (Extent::PassedAndState, Fate::StateOnly | Fate::Rejected) if changes_state(info) => {
                [enter, blocks.own].map(|block| hidden(block).into())
            }
            (Extent::Passed | Extent::PassedAndState, Fate::StateOnly | Fate::Rejected) => {
                Default::default()
            }
        }
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

pub(super) fn changes_state(info: Option<&EventInfo>) -> bool {
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
