//! Writes a savefile with the current version of each block, so that any reader of the format can take it.

use std::{collections::HashMap, io::Write};

use event::{EF_LARGE_PAYLOAD, EventType, Frame, flags};
use flate2::write::GzEncoder;

use super::{
    DescriptorList, Group, HOSTNAME_LEN, Header, Interface, MACHINE_LEN, Machine, SECTION_MAGIC,
    STATE_ONLY, SavefileError, User, VERSION_MAJOR, VERSION_MINOR, bytes::Body, descriptor_list,
    enter_recipes::EnterRecipes, interface_list, kind, process_list,
};
use crate::process::ProcessEntry;

const MAX_NAME: usize = 255;
const EVENT_HEAD: usize = 26;
/// `PPM_CL_CLONE_THREAD`.
const CLONE_THREAD: u32 = 1 << 13;
/// The last number of a call (`ppm_sc`) that every reader of the format has a name for.
const LAST_CALL_KNOWN_TO_ALL: u16 = 328;
/// A process list longer than this many bytes goes on in another block.
const LIST_BLOCK_LEN: usize = 16 << 20;

/// Whether the file is written through gzip.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Compression {
    /// Plain blocks.
    #[default]
    None,
    /// gzip at its default level.
    Gzip,
}

#[derive(Debug)]
enum Output<W: Write> {
    Plain(W),
    Gzip(Box<GzEncoder<W>>),
}

impl<W: Write> Output<W> {
    fn write_all(&mut self, bytes: &[u8]) -> Result<(), SavefileError> {
        let done = match self {
            Self::Plain(w) => w.write_all(bytes),
            Self::Gzip(w) => w.write_all(bytes),
        };
        done.map_err(|source| SavefileError::Io { action: "writing".into(), source })
    }
}

/// Writes a `.scap` file. Seeds come first and become the process list; the list is closed by the first event.
#[derive(Debug)]
pub struct Writer<W: Write> {
    out: Output<W>,
    processes: Body,
    is_list_open: bool,
    /// One block is put together here.
    block: Body,
    /// Added to a live frame's boot-clock time to make it a time since the epoch.
    boot_to_epoch_ns: u64,
    /// How starts of calls are made, where they are wanted.
    enters: Option<EnterRecipes>,
    n_events: u64,
    n_bytes: u64,
    /// What is open, until the process list is whole.
    open: Vec<DescriptorList>,
    /// Further threads of processes that are still to come, by process.
    threads: HashMap<i64, Vec<i64>>,
}

impl<W: Write> Writer<W> {
    /// Writes section header, machine, users and groups.
    ///
    /// `boot_to_epoch_ns` turns the timestamps of live frames into times since the epoch; frames that came from a file keep theirs.
    ///
    /// # Errors
    /// [`SavefileError::Io`].
    pub fn new(
        out: W,
        compression: Compression,
        machine: &Machine,
        users: &[User],
        groups: &[Group],
        boot_to_epoch_ns: u64,
    ) -> Result<Self, SavefileError> {
        let mut w = Self::of(out, compression, boot_to_epoch_ns);
        w.begin_section(Some(machine), users, groups)?;
        Ok(w)
    }

    /// Writes all that another file says before its first event.
    ///
    /// # Errors
    /// [`SavefileError::Io`].
    pub fn with_header(
        out: W,
        compression: Compression,
        header: &Header,
    ) -> Result<Self, SavefileError> {
        let mut w = Self::of(out, compression, 0);
        w.section(header)?;
        Ok(w)
    }

    /// Begins another section, with all that another file says before its first event: for files of several sections.
    ///
    /// # Errors
    /// [`SavefileError::Io`].
    pub fn section(&mut self, header: &Header) -> Result<(), SavefileError> {
        let Header { machine, interfaces, users, groups, processes, descriptors, .. } = header;
        self.is_list_open = true;
        self.begin_section(machine.as_ref(), users, groups)?;
        if !interfaces.is_empty() {
            self.interfaces(interfaces)?;
        }
        for process in processes {
            self.process(process)?;
        }
        for list in descriptors {
            self.descriptors(list)?;
        }
        self.close_list()
    }

    fn of(out: W, compression: Compression, boot_to_epoch_ns: u64) -> Self {
        let out = match compression {
            Compression::None => Output::Plain(out),
            Compression::Gzip => {
                Output::Gzip(Box::new(GzEncoder::new(out, flate2::Compression::default())))
            }
        };
        Self {
            out,
            processes: Body::default(),
            is_list_open: true,
            block: Body::default(),
            boot_to_epoch_ns,
            enters: None,
            n_events: 0,
            n_bytes: 0,
            threads: HashMap::new(),
            open: Vec::new(),
        }
    }

    /// Writes the start of each call in front of its return, made of what the return says: older programs take a call's descriptor from
    /// there. They have the same time, since a frame knows no other.
    #[must_use]
    pub fn with_enters(mut self) -> Self {
        self.enters = Some(EnterRecipes::new());
        self
    }

    fn begin_section(
        &mut self,
        machine: Option<&Machine>,
        users: &[User],
        groups: &[Group],
    ) -> Result<(), SavefileError> {
        self.block(kind::SECTION, |b| {
            b.u32(SECTION_MAGIC).u16(VERSION_MAJOR).u16(VERSION_MINOR).i64(-1);
        })?;
        if let Some(machine) = machine {
            self.block(kind::MACHINE, |b| machine_body(machine, b))?;
        }
        self.block(kind::USERS, |b| {
            for u in users {
                b.record(|b| {
                    b.u8(0).u32(u.uid).u32(u.gid);
                    b.text(&u.name, MAX_NAME).text(&u.home, MAX_NAME).text(&u.shell, MAX_NAME);
                });
            }
            for g in groups {
                b.record(|b| {
                    b.u8(1).u32(g.gid).text(&g.name, MAX_NAME);
                });
            }
        })
    }

    fn block(&mut self, kind: u32, fill: impl FnOnce(&mut Body)) -> Result<(), SavefileError> {
        let block = &mut self.block;
        block.0.clear();
        block.u32(kind).u32(0);
        fill(block);
        block.0.resize(block.0.len().next_multiple_of(4), 0);
        let total = (block.0.len() + 4) as u32;
        block.0[4..8].copy_from_slice(&total.to_le_bytes());
        block.u32(total);
        self.n_bytes += u64::from(total);
        self.out.write_all(&self.block.0)
    }

    /// Says which further threads `(tid, tgid)` the processes of the list have, so that a reader knows whose events theirs are. Comes
    /// before the seeds, which have one entry for each process.
    pub fn threads(&mut self, threads: &[(u32, u32)]) {
        for &(tid, tgid) in threads {
            self.threads.entry(i64::from(tgid)).or_default().push(i64::from(tid));
        }
    }

    /// Adds a process to the list, with the further threads it is known to have.
    ///
    /// # Errors
    /// [`SavefileError::LateSeed`] after the first event, [`SavefileError::Io`].
    pub fn process(&mut self, entry: &ProcessEntry) -> Result<(), SavefileError> {
        if !self.is_list_open {
            return Err(SavefileError::LateSeed {
                tgid: entry.pid as u32,
                n_events: self.n_events,
            });
        }
        process_list::write(entry, &mut self.processes);
        for tid in self.threads.remove(&entry.pid).unwrap_or_default() {
            let thread = ProcessEntry {
                tid,
                vtid: tid,
                clone_flags: entry.clone_flags | CLONE_THREAD,
                ..entry.clone()
            };
            process_list::write(&thread, &mut self.processes);
        }
        if self.processes.0.len() > LIST_BLOCK_LEN { self.process_block() } else { Ok(()) }
    }

    /// Writes the network interfaces. Comes before the first event.
    ///
    /// # Errors
    /// [`SavefileError::Io`].
    pub fn interfaces(&mut self, interfaces: &[Interface]) -> Result<(), SavefileError> {
        self.block(kind::INTERFACES, |b| interface_list::write(interfaces, b))
    }

    /// Writes what a process has open. Comes behind the process itself, since other readers look it up, and best behind all of them: the
    /// processes so far become a block.
    ///
    /// # Errors
    /// [`SavefileError::LateSeed`] after the first event, [`SavefileError::Io`].
    pub fn descriptors(&mut self, list: &DescriptorList) -> Result<(), SavefileError> {
        if !self.is_list_open {
            return Err(SavefileError::LateSeed { tgid: list.tid as u32, n_events: self.n_events });
        }
        if !self.processes.0.is_empty() {
            self.process_block()?;
        }
        self.block(kind::DESCRIPTORS, |b| descriptor_list::write(list, b))
    }

    /// Says what the processes of the list have open. Comes before the seeds; it is written behind the last of them.
    pub fn open_descriptors(&mut self, lists: Vec<DescriptorList>) {
        self.open = lists;
    }

    fn process_block(&mut self) -> Result<(), SavefileError> {
        let list = std::mem::take(&mut self.processes);
        self.block(kind::PROCESSES, |b| {
            b.bytes(&list.0);
        })
    }

    fn close_list(&mut self) -> Result<(), SavefileError> {
        if !self.is_list_open {
            return Ok(());
        }
        if !self.processes.0.is_empty() {
            self.process_block()?;
        }
        for list in std::mem::take(&mut self.open) {
            self.descriptors(&list)?;
        }
        self.is_list_open = false;
        Ok(())
    }

    /// Writes a frame: a seed into the process list, an event as a block of its own. Frames come in the order of their keys. Trailers
    /// and parameters beyond the schema's are left out, since other readers refuse them.
    ///
    /// # Errors
    /// [`SavefileError::Io`], [`SavefileError::LateSeed`].
    pub fn frame(&mut self, frame: &Frame<'_>) -> Result<(), SavefileError> {
        if frame.has(flags::SEED) {
            return self.process(&ProcessEntry::from_seed(frame));
        }
        self.close_list()?;
        let ty = frame.event_type();
        let Some(info) = ty.info() else { return Ok(()) };
        let enters = self.enters.take();
        if let Some((enter, params)) = enters.as_ref().and_then(|e| e.of(ty)) {
            let params = params.iter().map(|&n| frame.param(usize::from(n)).unwrap_or_default());
            self.event(frame, enter, params)?;
        }
        let is_for_older = enters.is_some();
        self.enters = enters;
        let own =
            |n: usize, param| if n == 0 && is_for_older { known_call(ty, param) } else { param };
        let params = frame.params().take(info.params.len()).enumerate();
        self.event(frame, ty, params.map(|(n, param)| own(n, param)))?;
        self.n_events += 1;
        Ok(())
    }

    /// Writes one block with the header of a frame.
    fn event<'p>(
        &mut self,
        frame: &Frame<'_>,
        ty: EventType,
        params: impl Iterator<Item = &'p [u8]> + Clone,
    ) -> Result<(), SavefileError> {
        let header = *frame.header();
        let is_wide = ty.info().is_some_and(|info| info.flags & EF_LARGE_PAYLOAD != 0);
        let (n_params, n_data) = params.clone().fold((0, 0), |(n, sum), p| (n + 1, sum + p.len()));
        let ts =
            if frame.has(flags::FROM_FILE) { header.ts } else { header.ts + self.boot_to_epoch_ns };
        let tid = if header.tid == u32::MAX { -1 } else { i64::from(header.tid) };
        let len = EVENT_HEAD + n_params * if is_wide { 4 } else { 2 } + n_data;
        let is_state_only = frame.has(flags::STATE_ONLY);
        let kind = match (is_wide, is_state_only) {
            (false, false) => kind::EVENT,
            (false, true) => kind::EVENT_FLAGS,
            (true, false) => kind::EVENT_LARGE,
            (true, true) => kind::EVENT_FLAGS_LARGE,
        };
        self.block(kind, |b| {
            b.u16(header.cpu);
            if is_state_only {
                b.u32(STATE_ONLY);
            }
            b.u64(ts).i64(tid).u32(len as u32).u16(ty.0).u32(n_params as u32);
            for param in params.clone() {
                if is_wide {
                    b.u32(param.len() as u32);
                } else {
                    b.u16(param.len() as u16);
                }
            }
            for param in params {
                b.bytes(param);
            }
        })
    }

    /// Passes blocks of events on as they stand in another file: see [`SavedBlocks`](super::SavedBlocks). They count as one event.
    ///
    /// # Errors
    /// [`SavefileError::Io`].
    pub fn saved_blocks(&mut self, blocks: &[u8]) -> Result<(), SavefileError> {
        self.close_list()?;
        self.n_bytes += blocks.len() as u64;
        self.out.write_all(blocks)?;
        self.n_events += 1;
        Ok(())
    }

    /// Bytes written so far, before they are compressed.
    pub fn n_bytes(&self) -> u64 {
        self.n_bytes
    }

    /// Events written so far.
    pub fn n_events(&self) -> u64 {
        self.n_events
    }

    /// Writes what is held back and gives the output.
    ///
    /// # Errors
    /// [`SavefileError::Io`].
    pub fn finish(mut self) -> Result<W, SavefileError> {
        self.close_list()?;
        let io = |source| SavefileError::Io { action: "writing".into(), source };
        let mut out = match self.out {
            Output::Plain(w) => w,
            Output::Gzip(w) => w.finish().map_err(io)?,
        };
        out.flush().map_err(io)?;
        Ok(out)
    }
}

/// The number of a call without an event type of its own, 0 where an older program would look for its name behind the end of its table:
/// Sysdig 0.29 crashes. The native number, which is the next parameter, tells the call all the same.
fn known_call(ty: EventType, id: &[u8]) -> &[u8] {
    let is_beyond =
        id.as_array().is_some_and(|id| u16::from_le_bytes(*id) > LAST_CALL_KNOWN_TO_ALL);
    if ty == EventType::GENERIC_X && is_beyond { &[0; 2] } else { id }
}

fn machine_body(machine: &Machine, b: &mut Body) {
    let Machine { n_cpus, memory_bytes, max_pid, hostname, boot_ts_epoch_ns } = machine;
    let at = b.0.len();
    let mut name = [0; HOSTNAME_LEN];
    let n = hostname.len().min(HOSTNAME_LEN - 1);
    name[..n].copy_from_slice(&hostname[..n]);
    b.u32(*n_cpus).u64(*memory_bytes).u64(*max_pid).bytes(&name).u64(*boot_ts_epoch_ns);
    b.u64(0).u64(0).u64(0);
    debug_assert_eq!(b.0.len() - at, MACHINE_LEN, "the machine block has one length");
}
