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

use event::{Frame, FrameHeader, FrameTooLarge, FrameWriter, MAX_FRAME_LEN, SectionKind, flags};
use rayon::prelude::*;

use super::{
    bpf,
    load::{For, Probe},
    loaded::Program,
};
use crate::{
    process::{MAX_LIST_LEN, clip_list, parents_first},
    procfs::{Found, Memory, command_line},
    seeds::{Place, Seeds},
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

/// Bytes of a command line that the kernel side keeps; `COMMAND_LINE_MAX` of capture-ebpf, iter.rs.
const COMMAND_LINE_MAX: usize = 8190;
const N_PARAMS: usize = 31;
const EXE: usize = 1;
const ARGS: usize = 2;
const ENV: usize = 15;
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
        let read = |file: Result<File, String>| {
            file.and_then(|file| read_all(file).map_err(|e| e.to_string()))
        };
        // Each has its own place to build records in. A thread that stays, as those of a pool do, would keep what others free of its memory.
        let (tasks, memory) = std::thread::scope(|scope| {
            let tasks = scope.spawn(|| read(tasks));
            let memory = read(memory);
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
        assemble(&tasks, memory.ok())
    }

    /// Fills the kernel side's memory of sockets with those that are open; what calls have shown meanwhile stays.
    pub(super) fn seed_sockets(&mut self) {
        if !self.room.history || self.iterators.sockets.is_some() {
            return;
        }
        let read = self.open(SOCKETS.0).and_then(|f| read_all(f).map_err(|e| e.to_string()));
        self.iterators.sockets = read.err();
    }
}

/// Reads all that an iterator writes, in pieces of whole frames.
fn read_all(mut file: impl Read) -> io::Result<Vec<Vec<u8>>> {
    let mut pieces = Vec::new();
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
        pieces.push(std::mem::replace(&mut piece, next));
        n = rest;
        if more == 0 {
            return Ok(pieces);
        }
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
    Kernel(Frame<'a>),
    Proc(Box<Found>),
}

impl Known<'_> {
    fn start_ns(&self) -> u64 {
        match self {
            Self::Kernel(frame) => frame.header().start_ns,
            Self::Proc(found) => found.start_ns,
        }
    }

    /// Itself and its parent.
    fn ids(&self) -> (i64, i64) {
        match self {
            Self::Kernel(frame) => {
                let parent = frame.trailer().proc().map_or(0, |p| p.parent_tgid);
                (i64::from(frame.header().tgid), i64::from(parent))
            }
            Self::Proc(found) => (found.entry.pid, found.entry.ptid),
        }
    }

    /// What `/proc` tells of its memory, where the kernel told of the process.
    fn memory_in_proc(&self) -> Option<Memory> {
        match self {
            Self::Kernel(frame) => Some(Memory::of(frame.header().tgid)),
            Self::Proc(_) => None,
        }
    }
}

/// Processes of which the iterators do not tell, or not enough: kernels may hide those that have more capabilities than this one. Nothing where
/// `/proc` has other ids than the kernel, in a pid namespace.
fn left_out(told: &[Frame<'_>]) -> io::Result<Vec<Found>> {
    let own = std::process::id();
    let is_outermost = told
        .iter()
        .any(|f| f.header().tgid == own && f.trailer().proc().is_some_and(|p| p.vpid == own));
    if !is_outermost {
        return Ok(Vec::new());
    }
    let known: HashSet<u32> = told.iter().map(|f| f.header().tgid).collect();
    Found::beside(&known)
}

fn assemble(tasks: &[Vec<u8>], memory: Option<Vec<Vec<u8>>>) -> io::Result<Seeds> {
    let mut seeds = Seeds::default();
    let mut by_kernel = Vec::new();
    for piece in tasks {
        for (header, place) in frames(piece) {
            if header.tid == header.tgid {
                by_kernel.extend(Frame::parse(&piece[place]));
            } else {
                seeds.threads.push((header.tid, header.tgid));
            }
        }
    }
    // The first thread of a process may have ended, and with it what the kernel's iterator looks at; `/proc` asks another one.
    let with_others: HashSet<u32> = seeds.threads.iter().map(|&(_, tgid)| tgid).collect();
    by_kernel.retain(|f| {
        let has_program = f.param(EXEPATH).is_some_and(|path| !matches!(path, [] | [0]));
        has_program || !with_others.contains(&f.header().tgid)
    });
    let by_proc = left_out(&by_kernel)?.into_iter().map(|found| Known::Proc(Box::new(found)));
    let mut all: Vec<Known<'_>> = by_kernel.into_iter().map(Known::Kernel).chain(by_proc).collect();
    all.sort_unstable_by_key(|known| (known.start_ns(), known.ids().0));
    let ids: Vec<(i64, i64)> = all.iter().map(Known::ids).collect();
    let starts: HashMap<i64, u64> =
        all.iter().map(|known| (known.ids().0, known.start_ns())).collect();
    let mut places: Vec<Option<Place>> = vec![None; all.len()];
    let mut buf = vec![0; MAX_FRAME_LEN];
    let mut keep = |seeds: &mut Seeds, at: usize, memory: &Memory| {
        let whole = match &all[at] {
            Known::Kernel(frame) => whole(frame, memory, &mut buf),
            Known::Proc(found) => found.to_frame(starts.get(&found.entry.ptid).copied(), &mut buf),
        };
        match whole {
            Ok(frame) => places[at] = Some(seeds.keep(frame)),
            Err(FrameTooLarge) => seeds.n_too_large += 1,
        }
    };
    let mut untold: Vec<bool> = vec![true; all.len()];
    if let Some(pieces) = memory {
        let by_kernel =
            all.iter().enumerate().filter(|(_, known)| matches!(known, Known::Kernel(_)));
        let by_start: HashMap<(i64, u64), usize> =
            by_kernel.map(|(at, known)| ((known.ids().0, known.start_ns()), at)).collect();
        // In the order of the telling: the seeds take the place of what was told, piece by piece.
        for piece in pieces {
            for told in frames(&piece).filter_map(|(_, place)| Frame::parse(&piece[place]).ok()) {
                let of = (i64::from(told.header().tgid), told.header().start_ns);
                if let Some(&at) = by_start.get(&of)
                    && std::mem::take(&mut untold[at])
                {
                    keep(&mut seeds, at, &memory_of(&told));
                }
            }
        }
    } else {
        let read: Vec<Option<Memory>> = all.par_iter().map(Known::memory_in_proc).collect();
        for (at, memory) in read.iter().enumerate() {
            if let Some(memory) = memory {
                untold[at] = false;
                keep(&mut seeds, at, memory);
            }
        }
    }
    for at in (0..all.len()).filter(|&at| untold[at]) {
        keep(&mut seeds, at, &Memory::default());
    }
    seeds.put_in_order(parents_first(&ids).into_iter().filter_map(|at| places[at]));
    for known in &all {
        if let Known::Proc(found) = known {
            let pid = found.entry.pid as u32;
            seeds.threads.extend(found.threads.iter().map(|&tid| (tid, pid)));
        }
    }
    Ok(seeds)
}

/// The command line and the environment as `/proc` gives them.
fn memory_of(told: &Frame<'_>) -> Memory {
    let line = told.param(0).unwrap_or_default();
    let env = told.param(1).unwrap_or_default();
    // Of one that is longer than what is kept nobody has seen the end.
    let last = line.last().filter(|_| line.len() < COMMAND_LINE_MAX);
    let (exe, args) = match last {
        // A process that wrote a title over its arguments, perhaps on into its environment (`get_mm_proctitle`, fs/proc/base.c).
        Some(&last) if last != 0 => {
            let until_nul = |text: &[u8]| text.iter().position(|&c| c == 0);
            let title = match until_nul(line) {
                Some(end) => line[..end].to_vec(),
                None => [line, &env[..until_nul(env).unwrap_or(env.len())]].concat(),
            };
            command_line(&title)
        }
        _ => command_line(line),
    };
    Memory { exe, args, env: env.to_vec() }
}

/// The seed: the frame with what lies in the process's own memory put in.
fn whole<'b>(
    frame: &Frame<'_>,
    memory: &Memory,
    buf: &'b mut [u8],
) -> Result<&'b [u8], FrameTooLarge> {
    let Memory { exe, args, env } = memory;
    let is_cut = args.len() > MAX_LIST_LEN || env.len() > MAX_LIST_LEN;
    let mut header = *frame.header();
    header.flags |= flags::SEED | if is_cut { flags::TRUNCATED } else { 0 };
    let mut list = Vec::new();
    let mut w = FrameWriter::with_params(buf, header, N_PARAMS);
    // The last one, the path as given to exec, is not known any more: it stays empty.
    for n in 0..N_PARAMS {
        match n {
            EXE => {
                w.str(exe);
            }
            ARGS => {
                clip_list(args, MAX_LIST_LEN, &mut list);
                w.bytes(&list);
            }
            ENV => {
                clip_list(env, MAX_LIST_LEN, &mut list);
                w.bytes(&list);
            }
            _ => {
                w.bytes(frame.param(n).unwrap_or_default());
            }
        }
    }
    if let Some(facts) = frame.trailer().proc() {
        w.section(SectionKind::Proc, &[&facts.to_bytes()]);
    }
    w.finish()
}
