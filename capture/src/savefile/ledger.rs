//! Which processes of a savefile there is room for in the table of processes: decided by the thread that reads the file, in the file's
//! order, and told to the shards by flags of the frames. So every number of shards turns away the same ones.
//!
//! It counts what the shards will make of the frames, with texts as long as they may get, and holds no text itself.

use std::collections::HashMap;
use std::hash::BuildHasher as _;

use event::{EF_SKIPS_THREAD, EventType, FrameHeader, flags};
use foldhash::fast::RandomState;

use super::SavedEvent;
use super::tracker::Facts;
use crate::ProcessEntry;

/// What a process takes at least. `stages` (state/pool.rs) has the same number.
const PROCESS_BYTES: u64 = 1024;
/// What a program or directory takes beside its texts.
const TEXT_BYTES: u64 = 256;

const PARAM_EXE: usize = 1;
const PARAM_ARGS: usize = 2;
const PARAM_CWD: usize = 6;
const PARAM_COMM: usize = 13;

/// Bounds of the table of processes in a replay.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ProcessLimits {
    /// Processes that live at once.
    pub max_processes: u64,
    /// Memory that they, what they run and where they are may take.
    pub max_bytes: u64,
}

impl Default for ProcessLimits {
    /// 262,144 processes, as Falco's thread table has it; 256 MiB.
    fn default() -> Self {
        Self { max_processes: 262_144, max_bytes: 256 << 20 }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Role {
    Fork,
    Exec,
    Exit,
    Other,
}

/// What is known of events of a type.
#[derive(Clone, Copy, Debug)]
struct Kind {
    role: Role,
    /// Of a thread that nobody told of they make a process. `stages` (`Event::is_of_nobody`) has the same rule.
    makes_known: bool,
}

fn kind(n: u16) -> Kind {
    let Some(info) = EventType(n).info() else {
        return Kind { role: Role::Other, makes_known: false };
    };
    let role = match EventType(n) {
        EventType::CLONE_20_X
        | EventType::FORK_20_X
        | EventType::VFORK_20_X
        | EventType::CLONE3_X => Role::Fork,
        EventType::EXECVE_19_X | EventType::EXECVEAT_X => Role::Exec,
        EventType::PROCEXIT_1_E => Role::Exit,
        _ => Role::Other,
    };
    let is_silent = matches!(info.name, "switch" | "clone" | "clone3" | "fork" | "vfork");
    Kind { role, makes_known: info.flags & EF_SKIPS_THREAD == 0 && !is_silent }
}

/// A program that processes run, by forks more than one.
#[derive(Debug)]
struct Text {
    n_bytes: u64,
    n_holders: u32,
    /// Of name and arguments, which a fork tells again.
    hash: u64,
}

#[derive(Clone, Copy, Debug)]
struct Entry {
    /// Its incarnation; 0 where nothing is known but that its thread made an event.
    start: u64,
    /// Place of what it runs; none where that is kept in short.
    text: Option<u32>,
    cwd_bytes: u64,
}

/// The processes that were let in.
#[derive(Debug)]
pub(super) struct Ledger {
    limits: ProcessLimits,
    /// By event type.
    kinds: Box<[Kind]>,
    entries: HashMap<u32, Entry, RandomState>,
    texts: Vec<Text>,
    free: Vec<u32>,
    n_bytes: u64,
    /// Some were turned away, so that every event is asked whose it is.
    has_refused: bool,
}

/// What a program takes with these texts, each line of the arguments once more.
fn text_bytes(n_all: usize, exe: usize, args: usize, comm: usize) -> u64 {
    TEXT_BYTES + (n_all + exe + comm + 3 * args) as u64
}

fn strip(text: &[u8]) -> &[u8] {
    text.strip_suffix(&[0]).unwrap_or(text)
}

impl Ledger {
    pub(super) fn new(limits: ProcessLimits) -> Self {
        Self {
            limits,
            kinds: (0..event::N_EVENT_TYPES as u16).map(kind).collect(),
            entries: HashMap::default(),
            texts: Vec::new(),
            free: Vec::new(),
            n_bytes: 0,
            has_refused: false,
        }
    }

    #[cfg(test)]
    pub(super) fn n_bytes(&self) -> u64 {
        self.n_bytes
    }

    /// Decides of a process of the file's list; gives the flags of its frame.
    pub(super) fn seed(&mut self, tgid: u32, start: u64, entry: &ProcessEntry) -> u32 {
        let ProcessEntry { comm, exe, exepath, args, env, cwd, .. } = entry;
        let n_all = comm.len() + exe.len() + exepath.len() + args.len() + env.len();
        let text = Text {
            n_bytes: text_bytes(n_all, exe.len(), args.len(), comm.len()),
            n_holders: 0,
            hash: self.hash(comm, exe, args),
        };
        let mut header = FrameHeader { tgid, start_ns: start, ..FrameHeader::default() };
        self.enter(&mut header, Program::New(text), cwd.len());
        header.flags
    }

    /// Decides of what the event tells, and says so in its header, which says already whose it is. `cwd_len` is the length of the directory that
    /// it changed to.
    #[inline]
    pub(super) fn follow(
        &mut self,
        event: &SavedEvent<'_>,
        facts: Facts,
        cwd_len: Option<usize>,
        header: &mut FrameHeader,
    ) {
        let Kind { role, makes_known } = self.kinds[usize::from(event.event_type.0)];
        let is_plain = role == Role::Other && cwd_len.is_none();
        if is_plain && (header.start_ns != 0 || !makes_known) && !self.has_refused {
            return;
        }
        self.decide(event, facts, cwd_len, header, Kind { role, makes_known });
    }

    #[cold]
    fn decide(
        &mut self,
        event: &SavedEvent<'_>,
        facts: Facts,
        cwd_len: Option<usize>,
        header: &mut FrameHeader,
        kind: Kind,
    ) {
        if header.start_ns == 0
            && kind.makes_known
            && header.tgid != u32::MAX
            && !self.knows(header)
        {
            self.enter(header, Program::Short, 0);
        }
        match kind.role {
            Role::Fork if is_child_side(event, header) => {
                let creator = match facts {
                    Facts::Creator(creator) => Some(creator.creator_tgid),
                    Facts::None | Facts::Exit(_) | Facts::Child(_) => None,
                };
                self.fork(event, creator, header);
            }
            Role::Exec if event.param_i64(0) == Some(0) => {
                let told = Program::New(self.told(event));
                let cwd_bytes = self.entries.get(&header.tgid).map_or(0, |e| e.cwd_bytes);
                self.enter(header, told, cwd_bytes as usize);
            }
            _ if !self.knows(header) => self.flag_refused(header),
            Role::Exit if header.flags & flags::GROUP_DEAD != 0 || header.start_ns == 0 => {
                self.remove(header.tgid);
            }
            Role::Fork | Role::Exec | Role::Exit | Role::Other => {}
        }
        if let Some(len) = cwd_len {
            self.move_to(header, len);
        }
    }

    /// Decides of a child, with the program that a clone tells of.
    pub(super) fn fork(
        &mut self,
        event: &SavedEvent<'_>,
        creator: Option<u32>,
        header: &mut FrameHeader,
    ) {
        let inherited = creator.and_then(|id| self.entries.get(&id)?.text);
        let told = self.told(event);
        let silence = self.hash(b"", b"", b"");
        let is_same = |n: &u32| [silence, self.texts[*n as usize].hash].contains(&told.hash);
        let same = inherited.filter(is_same);
        let program = match (same, inherited) {
            (Some(n), _) => Program::Shared(n),
            (None, Some(n)) => {
                // The environment is inherited whatever was told.
                let n_bytes = told.n_bytes + self.texts[n as usize].n_bytes;
                Program::New(Text { n_bytes, ..told })
            }
            (None, None) => Program::New(told),
        };
        self.enter(header, program, event.param(PARAM_CWD).map_or(0, <[u8]>::len));
    }

    fn flag_refused(&self, header: &mut FrameHeader) {
        if self.has_refused {
            header.flags |= flags::REFUSED;
        }
    }

    /// Whether the process was let in.
    fn knows(&self, header: &FrameHeader) -> bool {
        let agrees = |e: &Entry| e.start == header.start_ns || e.start == 0 || header.start_ns == 0;
        self.entries.get(&header.tgid).is_some_and(agrees)
    }

    fn has_room(&self, n_bytes: u64) -> bool {
        self.n_bytes + n_bytes <= self.limits.max_bytes
    }

    fn hash(&self, comm: &[u8], exe: &[u8], args: &[u8]) -> u64 {
        self.entries.hasher().hash_one((strip(comm), strip(exe), args))
    }

    /// The program that a clone or an exec tells of.
    fn told(&self, event: &SavedEvent<'_>) -> Text {
        let of = |n| event.param(n).unwrap_or_default();
        let (comm, exe, args) = (of(PARAM_COMM), of(PARAM_EXE), of(PARAM_ARGS));
        let n_bytes = text_bytes(event.block().len(), exe.len(), args.len(), comm.len());
        Text { n_bytes, n_holders: 0, hash: self.hash(comm, exe, args) }
    }

    /// Lets a process in, or replaces what is known of it.
    fn enter(&mut self, header: &mut FrameHeader, program: Program, cwd_len: usize) {
        if self.knows(header) {
            self.let_go_of_text(header.tgid);
        } else {
            // Another one had the id: it has ended.
            self.remove(header.tgid);
            let is_full = self.entries.len() as u64 >= self.limits.max_processes;
            if is_full || !self.has_room(PROCESS_BYTES) {
                self.has_refused = true;
                header.flags |= flags::REFUSED;
                return;
            }
            let entry = Entry { start: header.start_ns, text: None, cwd_bytes: 0 };
            self.entries.insert(header.tgid, entry);
            self.n_bytes += PROCESS_BYTES;
        }
        let text = match program {
            Program::Short => None,
            Program::Shared(n) => {
                self.texts[n as usize].n_holders += 1;
                Some(n)
            }
            Program::New(text) if self.has_room(text.n_bytes) => Some(self.keep(text)),
            Program::New(_) => {
                header.flags |= flags::SHORTENED;
                None
            }
        };
        if let Some(entry) = self.entries.get_mut(&header.tgid) {
            entry.text = text;
        }
        self.move_to(header, cwd_len);
    }

    fn keep(&mut self, mut text: Text) -> u32 {
        self.n_bytes += text.n_bytes;
        text.n_holders = 1;
        if let Some(n) = self.free.pop() {
            self.texts[n as usize] = text;
            return n;
        }
        self.texts.push(text);
        self.texts.len() as u32 - 1
    }

    fn move_to(&mut self, header: &mut FrameHeader, cwd_len: usize) {
        let Some(entry) = self.entries.get_mut(&header.tgid) else { return };
        let before = entry.cwd_bytes;
        let n_bytes = if cwd_len <= 1 { 0 } else { cwd_len as u64 };
        // A directory that a fork hands on is counted for each who has it.
        if self.n_bytes - before + n_bytes <= self.limits.max_bytes {
            entry.cwd_bytes = n_bytes;
        } else {
            entry.cwd_bytes = 0;
            header.flags |= flags::SHORTENED;
        }
        self.n_bytes = self.n_bytes - before + entry.cwd_bytes;
    }

    fn let_go_of_text(&mut self, tgid: u32) {
        let Some(n) = self.entries.get_mut(&tgid).and_then(|e| e.text.take()) else { return };
        let text = &mut self.texts[n as usize];
        text.n_holders -= 1;
        if text.n_holders == 0 {
            self.n_bytes -= text.n_bytes;
            self.free.push(n);
        }
    }

    fn remove(&mut self, tgid: u32) {
        self.let_go_of_text(tgid);
        if let Some(entry) = self.entries.remove(&tgid) {
            self.n_bytes -= PROCESS_BYTES + entry.cwd_bytes;
        }
    }
}

/// What a process runs.
enum Program {
    /// Nothing that has texts of its own.
    Short,
    /// What another one runs.
    Shared(u32),
    New(Text),
}

/// Whether it is the first thing that a new process does.
fn is_child_side(event: &SavedEvent<'_>, header: &FrameHeader) -> bool {
    event.param_i64(0) == Some(0) && header.tid == header.tgid
}

#[cfg(test)]
mod tests {
    use event::{Frame, FrameWriter};

    use super::*;
    use crate::savefile::{Compression, Machine, Playback, Reader, Writer};

    fn frame(ty: EventType, tid: u32, build: impl FnOnce(&mut FrameWriter<'_>)) -> Vec<u8> {
        let mut buf = vec![0; event::MAX_FRAME_LEN];
        let header = FrameHeader { event_type: ty.0, tid, ..FrameHeader::default() };
        let mut w = FrameWriter::new(&mut buf, header);
        build(&mut w);
        w.finish().unwrap().to_vec()
    }

    /// A child's side of a clone, which tells the arguments of its parent.
    fn fork(child: u32, parent: u32, args: &[u8]) -> Vec<u8> {
        frame(EventType::CLONE_20_X, child, |w| {
            w.i64(0)
                .str(b"tool")
                .bytes(args)
                .i64(child.into())
                .i64(child.into())
                .i64(parent.into());
            w.str(b"/").i64(0).u64(0).u64(0).u32(0).u32(0).u32(0).str(b"tool").bytes(b"").u32(0);
            w.u32(0).u32(0).i64(child.into()).i64(child.into()).u64(0);
        })
    }

    fn exec(p: u32, args: &[u8]) -> Vec<u8> {
        frame(EventType::EXECVE_19_X, p, |w| {
            w.i64(0).str(b"tool").bytes(args).i64(p.into()).i64(p.into()).i64(1).str(b"/");
            w.u64(0).u64(0).u64(0).u32(0).u32(0).u32(0).str(b"tool").bytes(b"").bytes(b"");
        })
    }

    fn exit(p: u32) -> Vec<u8> {
        frame(EventType::PROCEXIT_1_E, p, |w| {
            w.i64(0).i64(0).u8(0).u8(0).i64(1);
        })
    }

    fn close(p: u32) -> Vec<u8> {
        frame(EventType::CLOSE_X, p, |w| {
            w.i64(0).i64(3);
        })
    }

    /// The ids whose frames are refused or shortened, in the order of the frames; and what is kept in the end.
    fn follow(limits: ProcessLimits, frames: &[Vec<u8>]) -> (Vec<u32>, Vec<u32>, u64) {
        let machine = Machine::default();
        let mut w = Writer::new(Vec::new(), Compression::None, &machine, &[], &[], 0).unwrap();
        for frame in frames {
            w.frame(&Frame::parse(frame).unwrap()).unwrap();
        }
        let reader = Reader::new(std::io::Cursor::new(w.finish().unwrap())).unwrap();
        let mut playback = Playback::new(reader);
        playback.set_process_limits(limits);
        let (mut refused, mut shortened) = (Vec::new(), Vec::new());
        while let Some(next) = playback.next_frame().unwrap() {
            let header = FrameHeader::from_bytes(next.frame.first_chunk().unwrap());
            refused.extend(Some(header.tid).filter(|_| header.flags & flags::REFUSED != 0));
            shortened.extend(Some(header.tid).filter(|_| header.flags & flags::SHORTENED != 0));
        }
        (refused, shortened, playback.n_ledger_bytes())
    }

    #[test]
    fn the_newcomer_is_refused_until_somebody_ends() {
        let limits = ProcessLimits { max_processes: 3, ..ProcessLimits::default() };
        let frames = [
            exec(10, b""),
            fork(11, 10, b""),
            // Of nobody: known from now on, as one that stands in.
            close(12),
            fork(13, 10, b""),
            close(13),
            close(11),
            exit(13),
            exit(12),
            // Tried again when it executes.
            fork(14, 10, b""),
            close(14),
            fork(15, 10, b""),
            exit(14),
            exec(15, b""),
            close(15),
        ];
        let (refused, shortened, _) = follow(limits, &frames);
        assert_eq!(refused, [13, 13, 13, 15]);
        assert_eq!(shortened, [0; 0]);
    }

    #[test]
    fn what_has_no_room_is_shortened_and_what_ends_gives_its_room_back() {
        let long = [b'x'; 8000];
        let limits = ProcessLimits { max_bytes: 64 << 10, ..ProcessLimits::default() };
        let mut frames = vec![exec(10, &long)];
        // They run what it runs, so that it counts once.
        frames.extend((11..20).map(|n| fork(n, 10, &long)));
        frames.push(exec(11, &long));
        let (refused, shortened, _) = follow(limits, &frames);
        assert_eq!((refused.len(), shortened), (0, vec![11]));
        frames.extend((10..20).map(exit));
        assert_eq!(follow(limits, &frames).2, 0);
        // What executes again lets go of what it ran.
        let again: Vec<_> =
            (0..1000).map(|n| exec(30 + n % 3, &long[..(n as usize % 90)])).collect();
        let (refused, shortened, n_bytes) = follow(limits, &again);
        assert_eq!((refused.len(), shortened.len()), (0, 0));
        assert!(n_bytes < 8000, "{n_bytes}");
    }
}
