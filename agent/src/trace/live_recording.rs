//! What a live trace lets through as a recording (`-w`): events with the starts of their calls, behind the lists of what was there.
//!
//! A file that is not the first begins with the processes as the trace knows them before its first event; what they have open, and what
//! the trace does not keep of them, `/proc` tells a moment later.

use std::borrow::Cow;
use std::collections::{BTreeMap, HashMap};
use std::fs::{self, File};
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};

use capture::savefile::{Compression, DescriptorList, NextFile, Rotation, SavefileError, Writer};
use capture::{ProcessEntry, Seeds};
use event::{EventType, Frame, FrameHeader, flags};
use stages::LivingProcess;

use super::recording::{Extent, Fate, changes_state};
use super::refusal::Refusal;
use super::snapshot;
use crate::container_notes::ContainerNotes;
use crate::recorder;
use crate::savefile_errors;

type FileWriter = Writer<BufWriter<Box<dyn Write>>>;

/// Where the flags of a frame's header stand.
const FLAGS_AT: usize = 20;
/// Standard input, output and error.
const STANDARD: std::ops::RangeInclusive<i64> = 0..=2;

/// A live recording under way.
pub(super) struct LiveRecording {
    path: PathBuf,
    rotation: Option<Rotation>,
    /// A file that has no lists yet.
    made: Option<BufWriter<Box<dyn Write>>>,
    writer: Option<FileWriter>,
    compression: Compression,
    extent: Extent,
    has_users: bool,
    realtime_offset_ns: i64,
    /// Process that will be a command: it gets this program's standard descriptors.
    command: Option<u32>,
    /// What runtimes told of containers, to be written before the next event.
    containers: Option<ContainerNotes>,
    /// Time of the last event, on the boot clock.
    last_ts: u64,
}

impl LiveRecording {
    /// Makes the file, or sees to it that files can be named; before anything is attached.
    pub(super) fn create(
        path: &Path,
        rotation: Option<Rotation>,
        compression: Compression,
        extent: Extent,
        has_users: bool,
    ) -> anyhow::Result<Self> {
        let made = if rotation.is_some() { None } else { Some(made(path)?) };
        Ok(Self {
            path: path.to_owned(),
            rotation,
            made,
            writer: None,
            compression,
            extent,
            has_users,
            realtime_offset_ns: perf::realtime_offset_ns(),
            command: None,
            containers: None,
            last_ts: 0,
        })
    }

    /// Writes what stands in front of the processes, which come as frames.
    pub(super) fn begin(
        &mut self,
        realtime_offset_ns: i64,
        command: Option<u32>,
        seeds: &Seeds,
    ) -> anyhow::Result<()> {
        self.realtime_offset_ns = realtime_offset_ns;
        self.command = command;
        let Some(out) = self.made.take() else { return Ok(()) };
        let mut writer = self.begun(out)?;
        writer.threads(seeds.threads());
        writer.open_descriptors(self.open(&seeds.pids()));
        self.writer = Some(writer);
        Ok(())
    }

    /// From now on what comes there is written between the events.
    pub(super) fn tell_containers(&mut self, notes: ContainerNotes) {
        self.containers = Some(notes);
    }

    fn begun(&self, out: BufWriter<Box<dyn Write>>) -> anyhow::Result<FileWriter> {
        let Self { compression, has_users, realtime_offset_ns, .. } = self;
        self.told(recorder::begun(out, *compression, *has_users, *realtime_offset_ns))
    }

    /// What processes have open.
    fn open(&self, pids: &[u32]) -> Vec<DescriptorList> {
        let mut lists = recorder::open_descriptors(pids);
        let (own, command) = (i64::from(std::process::id()), self.command.map(i64::from));
        let standard = lists.iter().find(|list| list.tid == own).map(|list| list.entries.clone());
        if let (Some(mut entries), Some(list)) =
            (standard, lists.iter_mut().find(|list| Some(list.tid) == command))
        {
            entries.retain(|entry| STANDARD.contains(&entry.fd));
            list.entries = entries;
        }
        lists
    }

    fn told<T>(&self, done: Result<T, SavefileError>) -> anyhow::Result<T> {
        done.map_err(|e| anyhow::anyhow!(savefile_errors::of_recording(&self.path, &e)))
    }

    /// Whether an event at this time goes into another file, should it be written.
    pub(super) fn is_due(&self, epoch_ns: u64) -> bool {
        self.rotation.as_ref().is_some_and(|r| r.is_due(epoch_ns, self.n_bytes()))
    }

    fn n_bytes(&self) -> u64 {
        self.writer.as_ref().map_or(0, Writer::n_bytes)
    }

    /// Writes a frame, as far as it is wanted. `processes` gives those that lived before it.
    pub(super) fn frame(
        &mut self,
        fate: Fate,
        bytes: &[u8],
        processes: impl FnOnce() -> Vec<LivingProcess>,
    ) -> anyhow::Result<()> {
        let Ok(frame) = Frame::parse(bytes) else { return Ok(()) };
        if frame.has(flags::SEED) {
            return self.seed(&frame);
        }
        let bytes = match (self.extent, fate) {
            (Extent::All, _) | (_, Fate::Passed) => Cow::Borrowed(bytes),
            (Extent::PassedAndState, _) if changes_state(frame.event_type().info()) => {
                Cow::Owned(hidden(bytes))
            }
            (Extent::Passed | Extent::PassedAndState, _) => return Ok(()),
        };
        self.last_ts = frame.header().ts;
        self.rotate(processes)?;
        self.containers()?;
        let (Some(writer), Ok(frame)) = (&mut self.writer, Frame::parse(&bytes)) else {
            return Ok(());
        };
        let done = writer.frame(&frame);
        self.told(done)
    }

    /// Writes what runtimes have told up to now.
    fn containers(&mut self) -> anyhow::Result<()> {
        let Self { containers: Some(notes), writer: Some(writer), last_ts, .. } = self else {
            return Ok(());
        };
        let mut done = Ok(());
        while let Some(note) = notes.next(*last_ts).filter(|_| done.is_ok()) {
            // It is a frame of our own making.
            done = Frame::parse(note).map_or(Ok(()), |note| writer.frame(&note));
        }
        self.told(done)
    }

    /// Writes what is known of the containers that processes live in.
    fn containers_of(
        &mut self,
        living: &[LivingProcess],
        writer: &mut FileWriter,
    ) -> Result<(), SavefileError> {
        let Some(notes) = &mut self.containers else { return Ok(()) };
        let known: BTreeMap<String, _> = living
            .iter()
            .filter_map(|process| process.version.container.known())
            .map(|details| (details.full_id.clone(), details))
            .collect();
        for details in known.values() {
            if let Some(Ok(note)) = notes.again(self.last_ts, details).map(Frame::parse) {
                writer.frame(&note)?;
            }
        }
        Ok(())
    }

    /// Writes a frame of before the first event, as far as lists have it.
    pub(super) fn before_all(&mut self, bytes: &[u8]) -> anyhow::Result<()> {
        match Frame::parse(bytes) {
            Ok(frame) if frame.has(flags::SEED) => self.seed(&frame),
            Ok(_) | Err(_) => Ok(()),
        }
    }

    /// A process from before the first event; a file of several lists those that live when it begins.
    fn seed(&mut self, frame: &Frame<'_>) -> anyhow::Result<()> {
        let done = self.writer.as_mut().map_or(Ok(()), |writer| writer.frame(frame));
        self.told(done)
    }

    /// Begins the next file where the event at hand belongs into it.
    fn rotate(&mut self, processes: impl FnOnce() -> Vec<LivingProcess>) -> anyhow::Result<()> {
        let epoch_ns = perf::to_epoch_ns(self.last_ts, self.realtime_offset_ns);
        let n_bytes = self.n_bytes();
        let Some(rotation) = &mut self.rotation else { return Ok(()) };
        let next = rotation.before_event(epoch_ns, n_bytes);
        let Some(NextFile { path, obsolete }) = next.map_err(|e| Refusal::new(e.to_string()))?
        else {
            return Ok(());
        };
        self.finish()?;
        if let Some(obsolete) = obsolete {
            // Somebody else may have taken it away.
            let _gone = fs::remove_file(obsolete);
        }
        self.path = path;
        let mut writer = self.begun(made(&self.path)?)?;
        let living = processes();
        let listed = self.list(&living, &mut writer);
        self.told(listed)?;
        let known = self.containers_of(&living, &mut writer);
        self.told(known)?;
        self.writer = Some(writer);
        Ok(())
    }

    /// Lists the processes that live, with what `/proc` has of them now.
    fn list(&self, living: &[LivingProcess], writer: &mut FileWriter) -> Result<(), SavefileError> {
        let now = Seeds::snapshot().unwrap_or_default();
        let listed = now.iter().filter_map(|bytes| {
            Frame::parse(&bytes).ok().map(|frame| ProcessEntry::from_seed(&frame))
        });
        let of_proc: HashMap<i64, ProcessEntry> = listed.map(|e| (e.pid, e)).collect();
        writer.threads(now.threads());
        let mut pids = Vec::with_capacity(living.len());
        for process in living {
            match of_proc.get(&i64::from(process.tgid)) {
                None if process.version.is_stand_in => continue,
                Some(listed) if process.version.is_stand_in => writer.process(listed)?,
                listed => writer.process(&snapshot::entry(process, listed))?,
            }
            pids.push(process.tgid);
        }
        writer.open_descriptors(self.open(&pids));
        Ok(())
    }

    /// Writes what is held back.
    pub(super) fn finish(&mut self) -> anyhow::Result<()> {
        if self.last_ts != 0 {
            self.containers()?;
        }
        let done = self.writer.take().map_or(Ok(()), |writer| writer.finish().map(drop));
        self.told(done)
    }
}

fn made(path: &Path) -> Result<BufWriter<Box<dyn Write>>, Refusal> {
    let out: Box<dyn Write> = if path == Path::new("-") {
        Box::new(io::stdout())
    } else {
        Box::new(File::create(path).map_err(|e| {
            Refusal::new(format!("can't open {}", path.display())).with(&e.to_string())
        })?)
    };
    Ok(BufWriter::with_capacity(256 << 10, out))
}

/// The frame, marked as one that is not shown.
fn hidden(frame: &[u8]) -> Vec<u8> {
    let mut out = frame.to_vec();
    if let Some(word) = out.get_mut(FLAGS_AT..).and_then(|rest| rest.first_chunk_mut()) {
        *word = (u32::from_le_bytes(*word) | flags::STATE_ONLY).to_le_bytes();
    }
    out
}

/// Type of a frame, and its time on the boot clock.
pub(super) fn head(frame: &[u8]) -> Option<(EventType, u64)> {
    let header = FrameHeader::from_bytes(frame.first_chunk()?);
    Some((EventType(header.event_type), header.ts))
}

#[cfg(test)]
mod tests {
    use event::FrameWriter;

    use super::*;

    #[test]
    fn a_hidden_frame_is_the_same_but_for_its_mark() {
        let mut buf = [0; 256];
        let header = FrameHeader {
            event_type: EventType::LISTEN_X.0,
            flags: flags::TRUNCATED,
            tid: 7,
            ..FrameHeader::default()
        };
        let bytes = FrameWriter::new(&mut buf, header).finish().unwrap().to_vec();
        let marked = hidden(&bytes);
        let header = FrameHeader::from_bytes(marked.first_chunk().unwrap());
        assert_eq!(header.flags, flags::TRUNCATED | flags::STATE_ONLY);
        assert_eq!((header.tid, marked.len()), (7, bytes.len()));
    }
}
