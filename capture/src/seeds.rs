//! The processes that were there before the capture, as frames.
//!
//! What the kernel tells of a process comes in two parts: a frame without what lies in the process's own memory, and that. They are put together when
//! somebody asks for the seed, and each text is kept once: processes that were forked and have not executed anything since have the command line and the
//! environment of their parent, which are most of a seed.

use std::{
    borrow::Cow,
    collections::{HashMap, hash_map::RandomState},
    hash::BuildHasher,
};

use event::{Frame, FrameHeader, FrameTooLarge, FrameWriter, MAX_FRAME_LEN, SectionKind, flags};

use crate::{
    process::{MAX_LIST_LEN, clip_list},
    procfs::{Memory, command_line},
};

/// Bytes of frames, or of texts, that are freed together; what is longer has a chunk of its own.
const CHUNK: usize = 256 << 10;

/// Bytes of a command line that the kernel side keeps; `COMMAND_LINE_MAX` of capture-ebpf, iter.rs.
const COMMAND_LINE_MAX: usize = 8190;
const N_PARAMS: usize = 31;
const EXE: usize = 1;
const ARGS: usize = 2;
const ENV: usize = 15;
/// What padding and a last NUL may add where a seed is put together.
const PADDING: usize = 64;

/// The snapshot: seed frames, parents before children, and what to say about it.
#[derive(Debug, Default)]
pub struct Seeds {
    /// Frames of the kernel's iterator.
    told: Chunks,
    /// What was copied: whole frames, and texts.
    kept: Chunks,
    /// Where each seed lies, in order.
    places: Vec<Seed>,
    /// Where one is put together.
    buf: Vec<u8>,
    pub(crate) threads: Vec<(u32, u32)>,
    pub(crate) n_vanished: u64,
    pub(crate) n_too_large: u64,
}

/// Pieces of memory that are freed one by one.
#[derive(Debug, Default)]
struct Chunks(Vec<Chunk>);

/// Frames or texts one behind the other.
#[derive(Debug)]
struct Chunk {
    bytes: Vec<u8>,
    /// Seeds of which something lies here and that nobody has forgotten.
    n_seeds: usize,
}

/// Where a frame or a text lies. That of an empty text is nowhere.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Place {
    chunk: u32,
    start: u32,
    len: u32,
}

/// Where a seed lies.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Seed {
    /// As it is.
    Whole(Place),
    /// In parts.
    Told {
        /// The frame that the kernel's iterator gave.
        process: Place,
        /// What is in the process's memory.
        memory: ToldMemory,
    },
}

/// What the kernel told of a process's own memory.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct ToldMemory {
    pub(crate) line: Place,
    pub(crate) env: Place,
}

/// Collects texts, each once.
#[derive(Debug, Default)]
pub(crate) struct Texts {
    chunks: Chunks,
    /// By their hash. Of two different ones with the same hash the second is not found again.
    known: HashMap<u64, Place>,
    hasher: RandomState,
}

impl Texts {
    /// Copies a text, unless it is there. O(length).
    pub(crate) fn keep(&mut self, text: &[u8]) -> Place {
        if text.is_empty() {
            return Place::default();
        }
        let hash = self.hasher.hash_one(text);
        match self.known.get(&hash) {
            Some(place) if self.chunks.get(*place) == Some(text) => *place,
            _ => {
                let place = self.chunks.keep(text);
                self.known.insert(hash, place);
                place
            }
        }
    }
}

impl Chunks {
    fn keep(&mut self, bytes: &[u8]) -> Place {
        let has_room = |c: &Chunk| bytes.len() <= c.bytes.capacity() - c.bytes.len();
        if !self.0.last().is_some_and(has_room) {
            let bytes = Vec::with_capacity(CHUNK.max(bytes.len()));
            self.0.push(Chunk { bytes, n_seeds: 0 });
        }
        let n = self.0.len() - 1;
        let chunk = &mut self.0[n];
        let start = chunk.bytes.len();
        chunk.bytes.extend_from_slice(bytes);
        Place { chunk: n as u32, start: start as u32, len: bytes.len() as u32 }
    }

    fn get(&self, place: Place) -> Option<&[u8]> {
        let Place { chunk, start, len } = place;
        if len == 0 {
            return Some(&[]);
        }
        self.0.get(chunk as usize)?.bytes.get(start as usize..)?.get(..len as usize)
    }

    fn use_for_seed(&mut self, place: Place) {
        if place.len > 0 {
            self.0[place.chunk as usize].n_seeds += 1;
        }
    }

    fn forget(&mut self, place: Place) {
        if place.len > 0 {
            let chunk = &mut self.0[place.chunk as usize];
            chunk.n_seeds = chunk.n_seeds.saturating_sub(1);
            chunk.free_unused();
        }
    }
}

impl Chunk {
    fn free_unused(&mut self) {
        if self.n_seeds == 0 {
            self.bytes = Vec::new();
        }
    }
}

impl Place {
    /// In a piece of those that [`Seeds::put_in_order`] takes.
    pub(crate) fn in_piece(piece: usize, range: &std::ops::Range<usize>) -> Self {
        Self { chunk: piece as u32, start: range.start as u32, len: range.len() as u32 }
    }
}

impl Seeds {
    /// None yet, but texts for some.
    pub(crate) fn of_texts(texts: Texts) -> Self {
        Self { kept: texts.chunks, ..Self::default() }
    }

    /// Adds a frame as the last one.
    pub(crate) fn push(&mut self, frame: &[u8]) {
        let place = self.keep(frame);
        self.add(Seed::Whole(place));
    }

    /// Copies a frame whose turn is told later, by [`Seeds::put_in_order`].
    pub(crate) fn keep(&mut self, frame: &[u8]) -> Place {
        self.kept.keep(frame)
    }

    /// Adds seeds, in this order, of which those in parts lie in `pieces`. What none of them lies in is freed.
    pub(crate) fn put_in_order(
        &mut self,
        pieces: Vec<Vec<u8>>,
        seeds: Vec<Result<Seed, FrameTooLarge>>,
    ) {
        self.told.0.extend(pieces.into_iter().map(|bytes| Chunk { bytes, n_seeds: 0 }));
        let mut buf = Vec::new();
        for seed in seeds {
            match seed {
                Ok(seed) if self.fits(seed, &mut buf) => self.add(seed),
                _ => self.n_too_large += 1,
            }
        }
        self.told.0.iter_mut().chain(&mut self.kept.0).for_each(Chunk::free_unused);
    }

    /// Whether a seed in parts is no longer than a frame may be.
    fn fits(&self, seed: Seed, buf: &mut Vec<u8>) -> bool {
        let Seed::Told { process, memory: ToldMemory { line, env } } = seed else { return true };
        let at_most = process.len as usize + line.len as usize + 2 * env.len as usize + PADDING;
        at_most <= MAX_FRAME_LEN || self.put_together(seed, buf).is_some_and(|put| put.is_ok())
    }

    fn add(&mut self, seed: Seed) {
        match seed {
            Seed::Whole(place) => self.kept.use_for_seed(place),
            Seed::Told { process, memory: ToldMemory { line, env } } => {
                self.told.use_for_seed(process);
                self.kept.use_for_seed(line);
                self.kept.use_for_seed(env);
            }
        }
        self.places.push(seed);
    }

    /// Number of seeds. Their keys are 1 to this number.
    #[must_use]
    pub fn len(&self) -> usize {
        self.places.len()
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.places.is_empty()
    }

    /// Seed `n`, counted from 0; `None` behind the last, and where it may be forgotten. O(length).
    #[must_use]
    pub fn get(&mut self, n: usize) -> Option<&[u8]> {
        let seed = *self.places.get(n)?;
        if let Seed::Whole(place) = seed {
            return self.kept.get(place);
        }
        let mut buf = std::mem::take(&mut self.buf);
        let len = self.put_together(seed, &mut buf).and_then(Result::ok).map(<[u8]>::len);
        self.buf = buf;
        self.buf.get(..len?)
    }

    /// Seed `n` of a snapshot that has none in parts: one out of `/proc`, or of a savefile. O(1).
    pub(crate) fn whole(&self, n: usize) -> Option<&[u8]> {
        match *self.places.get(n)? {
            Seed::Whole(place) => self.kept.get(place),
            Seed::Told { .. } => None,
        }
    }

    /// Nothing where it may be forgotten.
    fn put_together<'b>(
        &self,
        seed: Seed,
        buf: &'b mut Vec<u8>,
    ) -> Option<Result<&'b [u8], FrameTooLarge>> {
        let Seed::Told { process, memory: ToldMemory { line, env } } = seed else { return None };
        let frame = Frame::parse(self.told.get(process)?).ok()?;
        let memory = memory_of(self.kept.get(line)?, self.kept.get(env)?);
        buf.resize(MAX_FRAME_LEN, 0);
        Some(whole(&frame, &memory, buf))
    }

    /// Says that nobody needs seed `n` any more, once for each: memory is freed as the seeds go, not when all have gone.
    pub(crate) fn forget(&mut self, n: usize) {
        match self.places.get(n) {
            Some(&Seed::Whole(place)) => self.kept.forget(place),
            Some(&Seed::Told { process, memory: ToldMemory { line, env } }) => {
                self.told.forget(process);
                self.kept.forget(line);
                self.kept.forget(env);
            }
            None => {}
        }
    }

    /// Every seed in order.
    pub fn iter(&self) -> impl Iterator<Item = Cow<'_, [u8]>> {
        self.places.iter().filter_map(|&seed| match seed {
            Seed::Whole(place) => self.kept.get(place).map(Cow::Borrowed),
            Seed::Told { .. } => {
                let mut buf = Vec::new();
                let len = self.put_together(seed, &mut buf)?.ok()?.len();
                buf.truncate(len);
                Some(Cow::Owned(buf))
            }
        })
    }

    /// Ids of the processes, in the seeds' order.
    #[must_use]
    pub fn pids(&self) -> Vec<u32> {
        let frame = |seed: &Seed| match *seed {
            Seed::Whole(place) => self.kept.get(place),
            Seed::Told { process, .. } => self.told.get(process),
        };
        let tgid = |frame: &[u8]| Some(FrameHeader::from_bytes(frame.first_chunk()?).tgid);
        self.places.iter().filter_map(|seed| tgid(frame(seed)?)).collect()
    }

    /// Threads `(tid, tgid)` beside the first of each process; a recording needs them.
    #[must_use]
    pub fn threads(&self) -> &[(u32, u32)] {
        &self.threads
    }

    /// Processes that ended while they were read.
    #[must_use]
    pub fn n_vanished(&self) -> u64 {
        self.n_vanished
    }

    /// Processes left out because their frame would be larger than any may be; 0 unless the limits of the texts are wrong.
    #[must_use]
    pub fn n_too_large(&self) -> u64 {
        self.n_too_large
    }
}

/// The command line and the environment as `/proc` gives them.
fn memory_of(line: &[u8], env: &[u8]) -> Memory {
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
pub(crate) fn whole<'b>(
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn seeds_come_in_the_order_that_was_told_and_go_chunk_by_chunk() {
        let mut seeds = Seeds::default();
        let frame = |n: u8| vec![n; CHUNK / 2];
        let kept: Vec<Place> = (0..4).map(|n| seeds.keep(&frame(n))).collect();
        let long = seeds.keep(&vec![4; CHUNK + 1]);
        let order = [kept[1], kept[2], kept[0], kept[3], long];
        let order = order.map(|place| Ok(Seed::Whole(place)));
        seeds.put_in_order(Vec::new(), order.into());
        assert_eq!((seeds.len(), seeds.kept.0.len()), (5, 3));
        let first = |s: &Seeds| -> Vec<Option<u8>> {
            (0..s.len()).map(|n| s.whole(n).map(|frame| frame[0])).collect()
        };
        assert_eq!(first(&seeds), [Some(1), Some(2), Some(0), Some(3), Some(4)]);
        seeds.forget(0);
        seeds.forget(1);
        assert_eq!(first(&seeds), [Some(1), Some(2), Some(0), Some(3), Some(4)]);
        seeds.forget(2);
        assert_eq!(first(&seeds), [None, Some(2), None, Some(3), Some(4)]);
        assert!(seeds.n_bytes() < 3 * CHUNK, "{}", seeds.n_bytes());
    }

    impl Seeds {
        /// Bytes of memory that frames and texts take.
        fn n_bytes(&self) -> usize {
            self.told.0.iter().chain(&self.kept.0).map(|c| c.bytes.capacity()).sum()
        }
    }

    /// What the kernel's iterator of processes gives of one.
    fn told(tgid: u32, comm: &[u8]) -> Vec<u8> {
        let header = FrameHeader { tid: tgid, tgid, ..FrameHeader::default() };
        let mut buf = vec![0; MAX_FRAME_LEN];
        let mut w = FrameWriter::with_params(&mut buf, header, N_PARAMS);
        for n in 0..N_PARAMS {
            w.bytes(if n == 0 { comm } else { b"" });
        }
        w.finish().unwrap().to_vec()
    }

    #[test]
    fn what_many_processes_have_is_kept_once_and_each_seed_says_it() {
        let (mut texts, mut piece, mut all) = (Texts::default(), Vec::new(), Vec::new());
        let env = b"A=1\0".repeat(1000);
        for tgid in 1..=1000 {
            let frame = told(tgid, b"sleep\0");
            let memory = match tgid {
                // A kernel thread.
                1 => ToldMemory::default(),
                _ => ToldMemory { line: texts.keep(b"sleep\09\0"), env: texts.keep(&env) },
            };
            let range = piece.len()..piece.len() + frame.len();
            all.push(Ok(Seed::Told { process: Place::in_piece(0, &range), memory }));
            piece.extend(frame);
        }
        let n_told = piece.len();
        let mut seeds = Seeds::of_texts(texts);
        seeds.put_in_order(vec![piece, vec![0; 1 << 20]], all);
        assert!(seeds.n_bytes() <= 2 * n_told + CHUNK, "{} bytes", seeds.n_bytes());
        assert_eq!((seeds.len(), seeds.n_too_large()), (1000, 0));
        assert_eq!(seeds.pids(), (1..=1000).collect::<Vec<_>>());
        let copies: Vec<Vec<u8>> = seeds.iter().map(Cow::into_owned).collect();
        for (n, copy) in copies.iter().enumerate() {
            let seed = seeds.get(n).unwrap();
            assert_eq!(seed, copy);
            let frame = Frame::parse(seed).unwrap();
            assert!(frame.has(flags::SEED) && frame.header().tgid == n as u32 + 1);
            let said = [EXE, ARGS, ENV].map(|n| frame.param(n).unwrap());
            if n == 0 {
                assert!(said.iter().all(|s| s.len() <= 1), "{said:?}");
            } else {
                assert_eq!(said, [&b"sleep\0"[..], b"9\0", &env]);
            }
            seeds.forget(n);
        }
        assert_eq!(seeds.n_bytes(), 0);
        assert!(seeds.get(0).is_none());
    }

    #[test]
    fn a_seed_that_would_be_longer_than_a_frame_is_left_out() {
        let mut texts = Texts::default();
        let long = told(7, &vec![b'x'; MAX_FRAME_LEN - 1000]);
        let memory = ToldMemory { line: texts.keep(b"sleep\0"), env: texts.keep(&[b'x'; 3000]) };
        let process = Place::in_piece(0, &(0..long.len()));
        let mut seeds = Seeds::of_texts(texts);
        let all = vec![Ok(Seed::Told { process, memory }), Err(FrameTooLarge)];
        seeds.put_in_order(vec![long], all);
        assert_eq!((seeds.len(), seeds.n_too_large(), seeds.n_bytes()), (0, 2, 0));
    }
}
