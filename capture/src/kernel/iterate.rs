//! What was there before the programs were attached, out of the kernel's own iterators.
//!
//! `seed_tasks` gives a frame for each process and a header for each further thread, `seed_memory` command lines and environments,
//! `seed_sockets` fills the kernel side's memory of sockets. Where one does not load, `/proc` stands in for it, or nothing does, and the
//! report says so.

use std::{
    collections::{HashMap, HashSet},
    fs::File,
    io::{self, ErrorKind, Read},
    ops::Range,
};

use event::{Frame, FrameHeader, FrameTooLarge, MAX_FRAME_LEN};
use rayon::prelude::*;

use super::{
    bpf,
    load::{For, Probe},
    loaded::Program,
};
use crate::{
    process::parents_first,
    procfs::{Found, Memory},
    seeds::{Place, Seed, Seeds, Texts, ToldMemory, whole},
};

/// Programs, and the iterator that each one is for.
const TASKS: (&str, &str) = ("seed_tasks", "task");
const MEMORY: (&str, &str) = ("seed_memory", "task");
const SOCKETS: (&str, &str) = ("seed_sockets", "task_file");
/// The iterators.
pub(super) const KINDS: [&str; 2] = [TASKS.1, SOCKETS.1];
/// What is read at once; the kernel gives 32 KiB.
const READ: usize = 64 << 10;
/// What is kept, and freed, together.
const PIECE: usize = 256 << 10;

const EXEPATH: usize = 27;

/// Why each iterator is not there, if it is not.
#[derive(Clone, Debug, Default)]
pub(super) struct Iterators {
    tasks: Option<String>,
    memory: Option<String>,
    pub(super) sockets: Option<String>,
}

impl Probe {
    pub(super) fn load_iterators(&mut self) {
        self.iterators.tasks = self.refusal_of(TASKS);
        self.iterators.memory = self.refusal_of(MEMORY);
        if self.room.history {
            self.iterators.sockets = self.refusal_of(SOCKETS);
        }
    }

    fn refusal_of(&mut self, (name, of): (&'static str, &'static str)) -> Option<String> {
        self.load_program(name, For::Iterator(of)).err().map(|e| e.text())
    }

    /// Those that are of use.
    pub(super) fn iterators_to_load(&self) -> impl Iterator<Item = (&'static str, &'static str)> {
        [TASKS, MEMORY].into_iter().chain(self.room.history.then_some(SOCKETS))
    }

    /// What an iterator writes.
    fn open(&mut self, name: &str) -> Result<File, String> {
        let program = self.object.program(name).and_then(Program::fd).ok_or("not in the object")?;
        bpf::iterate(program).map(File::from).map_err(|e| e.to_string())
    }

    /// The processes that are there, to be asked once the programs are attached: then none is missed. Out of the kernel where its iterators
    /// loaded, else out of `/proc`, which the report says.
    ///
    /// # Errors
    /// Where both refuse.
    pub fn seeds(&mut self) -> io::Result<Seeds> {
        let Iterators { tasks, memory, .. } = self.iterators.clone();
        let mut open = |refused: Option<String>, name| refused.map_or_else(|| self.open(name), Err);
        let (tasks, memory) = (open(tasks, TASKS.0), open(memory, MEMORY.0));
        // Each has its own place to build records in. A thread that stays, as those of a pool do, would keep what others free of its memory.
        let (tasks, memory) = std::thread::scope(|scope| {
            let tasks = scope.spawn(|| read(tasks, read_all));
            let memory = read(memory, Told::read);
            (tasks.join().unwrap_or_else(|e| std::panic::resume_unwind(e)), memory)
        });
        let what = "from before the start";
        let tasks = match tasks {
            Ok(tasks) => tasks,
            Err(why) => {
                self.warn(format!("processes {what} are read out of /proc: {why}"));
                return Seeds::snapshot();
            }
        };
        if let Err(why) = &memory {
            self.warn(format!("command lines {what} are read out of /proc: {why}"));
        }
        assemble(tasks, memory.ok())
    }

    /// Fills the kernel side's memory of sockets with those that are open; what calls have shown meanwhile stays.
    pub(super) fn seed_sockets(&mut self) {
        if !self.room.history || self.iterators.sockets.is_some() {
            return;
        }
        self.iterators.sockets = read(self.open(SOCKETS.0), |file| pieces(file, drop)).err();
    }
}

fn read<T>(
    file: Result<File, String>,
    read: impl FnOnce(File) -> io::Result<T>,
) -> Result<T, String> {
    file.and_then(|file| read(file).map_err(|e| e.to_string()))
}

/// Reads all that an iterator writes, in pieces of whole frames.
fn pieces(mut file: impl Read, mut take: impl FnMut(Vec<u8>)) -> io::Result<()> {
    let (mut piece, mut n) = (vec![0; PIECE], 0);
    loop {
        let more = match file.read(&mut piece[n..]) {
            Ok(more) => more,
            // The kernel looked at a million objects and had nothing to say of any.
            Err(e) if matches!(e.kind(), ErrorKind::WouldBlock | ErrorKind::Interrupted) => {
                continue;
            }
            Err(e) => return Err(e),
        };
        n += more;
        if more > 0 && piece.len() - n >= READ {
            continue;
        }
        piece.truncate(n);
        let whole = frames(&piece).last().map_or(0, |(_, place)| place.end);
        let rest = n - whole;
        let mut next = vec![0; PIECE.max(rest + READ)];
        next[..rest].copy_from_slice(&piece[whole..]);
        piece.truncate(whole);
        take(std::mem::replace(&mut piece, next));
        n = rest;
        if more == 0 {
            return Ok(());
        }
    }
}

fn read_all(file: File) -> io::Result<Vec<Vec<u8>>> {
    let mut all = Vec::new();
    pieces(file, |piece| all.push(piece))?;
    Ok(all)
}

/// What the kernel tells of the memory of processes.
#[derive(Default)]
struct Told {
    texts: Texts,
    /// By id and start.
    by_process: HashMap<(u32, u64), ToldMemory>,
}

impl Told {
    /// Reads all, and keeps of it what differs.
    fn read(file: File) -> io::Result<Self> {
        let mut told = Self::default();
        pieces(file, |piece| {
            for frame in frames(&piece).filter_map(|(_, place)| Frame::parse(&piece[place]).ok()) {
                let mut text = |n| told.texts.keep(frame.param(n).unwrap_or_default());
                let memory = ToldMemory { line: text(0), env: text(1) };
                let of = (frame.header().tgid, frame.header().start_ns);
                told.by_process.entry(of).or_insert(memory);
            }
        })?;
        Ok(told)
    }
}

/// The places of the frames one behind the other.
fn frames(bytes: &[u8]) -> impl Iterator<Item = (FrameHeader, Range<usize>)> {
    let mut at = 0;
    std::iter::from_fn(move || {
        let header = FrameHeader::from_bytes(bytes.get(at..)?.first_chunk()?);
        let end = at.checked_add(header.len as usize).filter(|&e| e > at && e <= bytes.len())?;
        let place = at..end;
        at = end;
        Some((header, place))
    })
}

/// A process, and who told of it.
enum Known<'a> {
    /// With the place of its frame.
    Kernel(Frame<'a>, Place),
    Proc(Box<Found>),
}

impl Known<'_> {
    fn start_ns(&self) -> u64 {
        match self {
            Self::Kernel(frame, _) => frame.header().start_ns,
            Self::Proc(found) => found.start_ns,
        }
    }

    /// Itself and its parent.
    fn ids(&self) -> (i64, i64) {
        match self {
            Self::Kernel(frame, _) => {
                let parent = frame.trailer().proc().map_or(0, |p| p.parent_tgid);
                (i64::from(frame.header().tgid), i64::from(parent))
            }
            Self::Proc(found) => (found.entry.pid, found.entry.ptid),
        }
    }

    /// What `/proc` tells of its memory, where the kernel told of the process.
    fn memory_in_proc(&self) -> Option<Memory> {
        match self {
            Self::Kernel(frame, _) => Some(Memory::of(frame.header().tgid)),
            Self::Proc(_) => None,
        }
    }
}

/// Processes of which the iterators do not tell, or not enough: kernels may hide those that have more capabilities than this one. Nothing where
/// `/proc` has other ids than the kernel, in a pid namespace.
fn left_out(told: &[(Frame<'_>, Place)]) -> io::Result<Vec<Found>> {
    let own = std::process::id();
    let is_outermost = told
        .iter()
        .any(|(f, _)| f.header().tgid == own && f.trailer().proc().is_some_and(|p| p.vpid == own));
    if !is_outermost {
        return Ok(Vec::new());
    }
    let known: HashSet<u32> = told.iter().map(|(f, _)| f.header().tgid).collect();
    Found::beside(&known)
}

fn assemble(tasks: Vec<Vec<u8>>, memory: Option<Told>) -> io::Result<Seeds> {
    let mut threads = Vec::new();
    let mut by_kernel = Vec::new();
    for (n, piece) in tasks.iter().enumerate() {
        for (header, range) in frames(piece) {
            if header.tid == header.tgid {
                let place = Place::in_piece(n, &range);
                by_kernel.extend(Frame::parse(&piece[range]).map(|frame| (frame, place)));
            } else {
                threads.push((header.tid, header.tgid));
            }
        }
    }
    // The first thread of a process may have ended, and with it what the kernel's iterator looks at; `/proc` asks another one.
    let with_others: HashSet<u32> = threads.iter().map(|&(_, tgid)| tgid).collect();
    by_kernel.retain(|(f, _)| {
        let has_program = f.param(EXEPATH).is_some_and(|path| !matches!(path, [] | [0]));
        has_program || !with_others.contains(&f.header().tgid)
    });
    let by_proc = left_out(&by_kernel)?.into_iter().map(|found| Known::Proc(Box::new(found)));
    let by_kernel = by_kernel.into_iter().map(|(frame, place)| Known::Kernel(frame, place));
    let mut all: Vec<Known<'_>> = by_kernel.chain(by_proc).collect();
    all.sort_unstable_by_key(|known| (known.start_ns(), known.ids().0));
    let order = parents_first(&all.iter().map(Known::ids).collect::<Vec<_>>());
    let starts: HashMap<i64, u64> =
        all.iter().map(|known| (known.ids().0, known.start_ns())).collect();
    // Where the kernel does not tell of memory, `/proc` does.
    let in_proc: Vec<Option<Memory>> = match &memory {
        Some(_) => Vec::new(),
        None => all.par_iter().map(Known::memory_in_proc).collect(),
    };
    let Told { texts, by_process } = memory.unwrap_or_default();
    let mut seeds = Seeds::of_texts(texts);
    let mut buf = vec![0; MAX_FRAME_LEN];
    let mut keep = |at: usize| -> Result<Seed, FrameTooLarge> {
        let frame = match (&all[at], in_proc.get(at)) {
            (Known::Proc(found), _) => {
                found.to_frame(starts.get(&found.entry.ptid).copied(), &mut buf)?
            }
            (Known::Kernel(frame, _), Some(Some(memory))) => whole(frame, memory, &mut buf)?,
            (Known::Kernel(frame, process), _) => {
                let FrameHeader { tgid, start_ns, .. } = *frame.header();
                let memory = by_process.get(&(tgid, start_ns)).copied().unwrap_or_default();
                return Ok(Seed::Told { process: *process, memory });
            }
        };
        Ok(Seed::Whole(seeds.keep(frame)))
    };
    let kept: Vec<Result<Seed, FrameTooLarge>> = order.into_iter().map(&mut keep).collect();
    for known in &all {
        if let Known::Proc(found) = known {
            let pid = found.entry.pid as u32;
            threads.extend(found.threads.iter().map(|&tid| (tid, pid)));
        }
    }
    drop(all);
    seeds.threads = threads;
    seeds.put_in_order(tasks, kept);
    Ok(seeds)
}
