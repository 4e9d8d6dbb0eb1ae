//! Frames out of a savefile, in its order: what the blocks say, made whole by what came before them.
//!
//! [`Reader`] gives events as they were recorded, the [`Converter`] those of the current schema, and the [`Tracker`] says whose thread
//! made them. What comes out are frames like those of the kernel side, so everything behind has one parser and keeps no tables of its own for files.

use std::{path::Path, sync::Arc};

use bus::Key;
use event::{
    Direction, EventInfo, EventSet, EventType, FrameHeader, FrameTooLarge, FrameWriter,
    MAX_FRAME_LEN, N_EVENT_TYPES, SectionKind, flags,
};
use perf::{Latency, Sampler, boot_now_ns};

use super::{
    DescriptorList, Findings, Header, LivingThread, Reader, Rooms, SavefileError,
    born::BornChild,
    convert::Converter,
    ledger::{Ledger, ProcessLimits},
    processes::task_id,
    reader::ReaderCounts,
    resources::Resources,
    saved_blocks::{BlockKeeper, SavedBlocks},
    saved_event::SavedEvent,
    threads::Threads,
    tracker::{Facts, Tracker},
};
use crate::{
    process::{SeedIds, parents_first},
    seeds::Seeds,
};

/// Low bits of a replay's keys. An event's key is its number (`evt.num`) above so many zeros; the processes of a list that stands before
/// it are counted in them.
pub const EVT_NUM_SHIFT: u32 = 24;

/// Key of an event by its number.
#[must_use]
pub fn event_key(evt_num: u64) -> Key {
    Key(evt_num << EVT_NUM_SHIFT)
}

/// What of the file's state is put behind the frames of an event type. Descriptors are followed either way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(clippy::struct_excessive_bools, reason = "four questions that are asked or not")]
pub struct PlaybackDemand {
    /// The descriptor that a call returned or used: somebody asks for `fd.*`.
    pub own: bool,
    /// Every descriptor that parameters name: somebody shows parameters.
    pub all: bool,
    /// What the thread and its process use: somebody asks for memory, CPU time, or numbers of threads and descriptors. Not followed
    /// where nobody does of any type.
    pub resources: bool,
    /// The process's whole table: somebody asks for its standard descriptors, or for the kinds of all.
    pub table: bool,
}

impl PlaybackDemand {
    /// Nobody asks for anything.
    pub const NOTHING: Self = Self { own: false, all: false, resources: false, table: false };
}

impl Default for PlaybackDemand {
    fn default() -> Self {
        Self { own: true, all: true, resources: true, table: true }
    }
}

/// Where frames may be made, so that they are not copied.
pub(super) trait FrameRoom {
    /// Room for the longest frame, since what has no room is left out of a frame: for that of an event, as far as its header is known before.
    /// `None` where it has to be made in a buffer of its own.
    fn room(&mut self, header: &FrameHeader) -> Option<&mut [u8]>;
}

/// Every frame is made in a buffer of its own.
struct NoRoom;

impl FrameRoom for NoRoom {
    fn room(&mut self, _: &FrameHeader) -> Option<&mut [u8]> {
        None
    }
}

/// Bit of an event's category: it is a system call.
const EC_SYSCALL: u16 = 0x200;
/// Blocks up to this length fit a frame whatever is put behind them, so that their events may be passed over without trying.
const MAX_PASSED_OVER: usize = MAX_FRAME_LEN / 4;

/// A savefile that is opened and read up to its first event, and gives frame after frame.
#[derive(Debug)]
pub struct Playback {
    reader: Reader,
    converter: Converter,
    tracker: Tracker,
    ledger: Ledger,
    threads: Threads,
    resources: Option<Resources>,
    /// By event type.
    demands: Box<[PlaybackDemand]>,
    /// Types of the events of which more is read than the header.
    looked_into: EventSet,
    /// Types of starts of calls, of which as state nothing is read but the header: what they tell is followed here.
    starts: EventSet,
    seeds: Seeds,
    n_seeded: usize,
    /// Seeds of sections before this one with no event behind them: they have the keys below this section's.
    n_seeded_before: u64,
    /// Number of the last event of the sections before.
    evt_num_before: u64,
    /// Number of the event read last.
    evt_num: u64,
    n_impossible: u64,
    buf: Vec<u8>,
    last: Last,
    /// A child that the event read last tells of.
    born: BornChild,
    /// Number of the last event that told of one.
    birth: u64,
    times: Option<Times>,
    blocks: Option<BlockKeeper>,
    n_sections: u64,
}

/// The frame that was given last.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Last {
    None,
    Seed,
    /// A child, behind the event that told of it.
    Child,
    /// An event, whose frame of this length is in the buffer.
    Event(usize),
    /// An event, whose frame of this length lies where there was room for it.
    Made(usize),
}

/// Where the times of some events go.
#[derive(Debug)]
struct Times {
    sampler: Sampler,
    read: Arc<Latency>,
    convert: Arc<Latency>,
}

/// A frame and its place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PlayedFrame<'a> {
    /// Its key: see [`EVT_NUM_SHIFT`].
    pub key: Key,
    /// The frame.
    pub frame: &'a [u8],
}

impl Playback {
    /// Opens a file.
    ///
    /// # Errors
    /// As [`Reader::open`].
    pub fn open(path: &Path) -> Result<Self, SavefileError> {
        Ok(Self::new(Reader::open(path)?))
    }

    /// The same within so much memory.
    ///
    /// # Errors
    /// As [`Reader::open`].
    pub fn open_within(path: &Path, rooms: Rooms) -> Result<Self, SavefileError> {
        Ok(Self::new(Reader::open_within(path, rooms)?))
    }

    /// Plays what a reader gives, which has given nothing yet.
    #[must_use]
    pub fn new(reader: Reader) -> Self {
        let rooms = reader.rooms();
        let mut tracker = Tracker::within(rooms);
        tracker.seed(reader.header());
        let threads = Threads::new(reader.header());
        let resources = Some(Resources::new(reader.header(), rooms));
        let mut ledger = Ledger::new(ProcessLimits::default());
        let seeds = seeds(reader.header(), &tracker, &mut ledger);
        let buf = vec![0; MAX_FRAME_LEN];
        Self {
            reader,
            converter: Converter::within(rooms),
            tracker,
            ledger,
            threads,
            resources,
            demands: vec![PlaybackDemand::default(); N_EVENT_TYPES].into(),
            looked_into: EventSet::all(),
            starts: EventSet::EMPTY,
            seeds,
            n_seeded: 0,
            n_seeded_before: 0,
            evt_num_before: 0,
            evt_num: 0,
            n_impossible: 0,
            buf,
            last: Last::None,
            born: BornChild::default(),
            birth: 0,
            times: None,
            blocks: None,
            n_sections: 1,
        }
    }

    /// Says what is wanted of events of each type; without this, all is. Comes before the first frame.
    pub fn set_demand(&mut self, of_type: impl Fn(EventType) -> PlaybackDemand) {
        self.demands = (0..N_EVENT_TYPES as u16).map(|n| of_type(EventType(n))).collect();
        let has_resources = self.demands.iter().any(|demand| demand.resources);
        self.tracker.count_resources(has_resources);
        self.resources =
            has_resources.then(|| Resources::new(self.reader.header(), self.reader.rooms()));
    }

    /// Says of which types of events more is read than the header: the frames of others have neither parameters nor sections, unless they
    /// carry state; nor have starts of calls that are state alone. Without this, of all. Comes before the first frame.
    pub fn look_into(&mut self, types: EventSet) {
        self.looked_into = types;
        self.starts = (0..N_EVENT_TYPES as u16).map(EventType).filter(|&ty| is_start(ty)).collect();
    }

    /// Bounds the table of processes: beyond them frames say that there is no room for theirs. Comes before the first frame.
    pub fn set_process_limits(&mut self, limits: ProcessLimits) {
        self.ledger = Ledger::new(limits);
        self.seeds = seeds(self.reader.header(), &self.tracker, &mut self.ledger);
    }

    /// What the processes that were let in take.
    #[cfg(test)]
    pub(super) fn n_ledger_bytes(&self) -> u64 {
        self.ledger.n_bytes()
    }

    /// See [`Reader::read_ahead`].
    pub fn read_ahead(&mut self) {
        self.reader.read_ahead();
    }

    /// Times one event in `every`: its reading, and what is then made of it.
    pub(super) fn time(&mut self, every: u32, read: Arc<Latency>, convert: Arc<Latency>) {
        self.times = Some(Times { sampler: Sampler::new(every), read, convert });
    }

    /// Keeps the blocks that frames are made of, for [`Playback::last_blocks`]. Comes before the first frame.
    pub fn keep_blocks(&mut self) {
        self.blocks = Some(BlockKeeper::within(self.reader.rooms()));
    }

    /// The blocks behind the frame given last, as they stand in the file; nothing without [`Playback::keep_blocks`].
    #[must_use]
    pub fn last_blocks(&self) -> SavedBlocks<'_> {
        self.blocks.as_ref().map(BlockKeeper::blocks).unwrap_or_default()
    }

    /// The threads beside the first of their process that live after the last frame, by id.
    #[must_use]
    pub fn living_threads(&self) -> Vec<LivingThread> {
        let threads = self.tracker.further_threads();
        threads.map(|(tid, tgid)| self.threads.living(tid, tgid)).collect()
    }

    /// What each process has open after the last frame, by process id, as a file's own lists tell it.
    #[must_use]
    pub fn open_descriptors(&self) -> Vec<DescriptorList> {
        self.tracker.open_descriptors()
    }

    /// Sections of the file so far, the one at hand included. It has a header of its own.
    #[must_use]
    pub fn n_sections(&self) -> u64 {
        self.n_sections
    }

    /// What the section at hand says before its first event.
    #[must_use]
    pub fn header(&self) -> &Header {
        self.reader.header()
    }

    /// Number of processes that the list of the section at hand makes known.
    #[must_use]
    pub fn n_seeds(&self) -> u64 {
        self.seeds.len() as u64
    }

    /// Number of the event that was given last; 0 before the first.
    #[must_use]
    pub fn evt_num(&self) -> u64 {
        self.evt_num
    }

    /// Events that no frame can hold.
    pub(super) fn n_impossible(&self) -> u64 {
        self.n_impossible
    }

    /// What was passed over so far.
    #[must_use]
    pub fn counts(&self) -> ReaderCounts {
        let mut counts = self.reader.counts();
        counts.n_too_large += self.n_impossible;
        counts.n_trimmed += self.converter.n_trimmed();
        counts.n_dropped_descriptors = self.tracker.n_dropped_descriptors();
        counts.n_dropped_dirs = self.tracker.n_dropped_dirs();
        counts.n_dropped_interfaces = self.tracker.n_dropped_interfaces();
        counts.n_dropped_threads = self.threads.n_dropped();
        if let Some(resources) = &self.resources {
            counts.n_dropped_cgroups = resources.n_dropped_cgroups();
            counts.n_dropped_changes = resources.n_dropped_changes();
        }
        counts.n_forgotten_starts =
            self.converter.n_forgotten() + self.tracker.n_forgotten_enters();
        if let Some(blocks) = &self.blocks {
            counts.n_forgotten_starts += blocks.n_forgotten();
            counts.n_dropped_blocks = blocks.n_dropped();
        }
        counts
    }

    /// What was not as it should be before the events and was read around.
    #[must_use]
    pub fn findings(&self) -> &Findings {
        self.reader.findings()
    }

    /// The frame that was given last, again; none of an event that was passed over.
    #[must_use]
    #[inline]
    pub fn last_frame(&self) -> Option<PlayedFrame<'_>> {
        let (key, frame) = match self.last {
            Last::None | Last::Made(_) => return None,
            Last::Event(len) => (event_key(self.evt_num), &self.buf[..len]),
            Last::Child => (Key(event_key(self.evt_num).0 + 1), self.born.frame()),
            Last::Seed => {
                let n = self.n_seeded_before + self.n_seeded as u64;
                let key = Key(event_key(self.evt_num).0 + n);
                (key, self.seeds.whole(self.n_seeded.checked_sub(1)?)?)
            }
        };
        Some(PlayedFrame { key, frame })
    }

    #[cold]
    fn begin_section(&mut self) {
        self.n_sections += 1;
        if let Some(blocks) = &mut self.blocks {
            blocks.restart();
        }
        self.converter.restart();
        self.tracker.restart();
        self.tracker.seed(self.reader.header());
        self.threads.seed(self.reader.header());
        if let Some(resources) = &mut self.resources {
            resources.seed(self.reader.header());
        }
        let has_events = self.evt_num > self.evt_num_before;
        self.n_seeded_before = if has_events {
            u64::from(self.birth == self.evt_num)
        } else {
            self.n_seeded_before + self.n_seeded as u64
        };
        self.evt_num_before = self.evt_num;
        self.n_seeded = 0;
        self.seeds = seeds(self.reader.header(), &self.tracker, &mut self.ledger);
        if self.n_seeded_before + self.seeds.len() as u64 >= 1 << EVT_NUM_SHIFT {
            // Section after section of nothing but processes is no recording; there are no keys left for them.
            self.seeds = Seeds::default();
        }
    }

    /// The next frame: first those of the process list, then the events; then the same of further sections, whose processes are others
    /// and whose events are numbered on. `None` at the end of the file.
    ///
    /// # Errors
    /// As [`Reader::next_event`].
    #[inline]
    pub fn next_frame(&mut self) -> Result<Option<PlayedFrame<'_>>, SavefileError> {
        self.advance_unless(|_| false)?;
        Ok(self.last_frame())
    }

    /// Goes on to the next frame, which [`Playback::last_frame`] gives then, unless the header of its event is unwanted: such an event is
    /// followed and numbered as ever, but made no frame. The header does not say yet how long the frame would be and how many parameters it
    /// would have. Seeds and very long events are not asked for. `false` at the end of the file.
    ///
    /// # Errors
    /// As [`Reader::next_event`].
    #[inline]
    pub fn advance_unless(
        &mut self,
        is_unwanted: impl FnMut(&FrameHeader) -> bool,
    ) -> Result<bool, SavefileError> {
        self.advance(is_unwanted, &mut NoRoom)
    }

    /// Goes on to the next frame, which is made where there is room for it. [`Playback::last_made`] tells of it then, else
    /// [`Playback::last_frame`]. `false` at the end of the file.
    ///
    /// # Errors
    /// As [`Reader::next_event`].
    #[inline]
    pub(super) fn advance_into(
        &mut self,
        rooms: &mut impl FrameRoom,
    ) -> Result<bool, SavefileError> {
        self.advance(|_| false, rooms)
    }

    /// Key and length of the frame that was made last in the room that there was for it.
    #[inline]
    pub(super) fn last_made(&self) -> Option<(Key, usize)> {
        match self.last {
            Last::Made(len) => Some((event_key(self.evt_num), len)),
            Last::None | Last::Seed | Last::Child | Last::Event(_) => None,
        }
    }

    #[inline]
    fn advance(
        &mut self,
        mut is_unwanted: impl FnMut(&FrameHeader) -> bool,
        rooms: &mut impl FrameRoom,
    ) -> Result<bool, SavefileError> {
        if let Some(blocks) = &mut self.blocks {
            blocks.begin();
        }
        let mut clock = self.times.as_mut().and_then(Times::start);
        loop {
            self.last = Last::None;
            if self.n_seeded < self.seeds.len() {
                self.n_seeded += 1;
                self.last = Last::Seed;
                return Ok(true);
            }
            if self.born.take() {
                self.last = Last::Child;
                return Ok(true);
            }
            let Some(mut event) = self.reader.next_event()? else {
                if self.reader.next_section()? {
                    self.begin_section();
                    continue;
                }
                return Ok(false);
            };
            clock.iter_mut().for_each(Clock::has_read);
            if let Some(blocks) = &mut self.blocks {
                blocks.add(&event);
            }
            if !self.converter.convert(&mut event) {
                clock.iter_mut().for_each(Clock::has_converted);
                continue;
            }
            self.evt_num += 1;
            let mut header = event.frame_header();
            let facts = self.tracker.follow(&event, &mut header);
            self.ledger.follow(&event, facts, self.tracker.changed_cwd_len(), &mut header);
            if let Facts::Child(born) = facts {
                let mut of_child = born.header(&header);
                self.ledger.fork(&event, Some(born.creator.creator_tgid), &mut of_child);
                self.born.make(&event, of_child, born);
                self.birth = self.evt_num;
            }
            self.threads.follow(&event, &header);
            if let Some(resources) = &mut self.resources {
                resources.follow(&event, &header);
            }
            let is_short = event.block().len() <= MAX_PASSED_OVER;
            if is_short && is_unwanted(&header) {
                return Ok(true);
            }
            let is_asked_for = if header.flags & flags::STATE_ONLY == 0 {
                self.looked_into.contains(event.event_type)
            } else {
                !self.starts.contains(event.event_type)
            };
            let asked = Asked {
                demand: self.demands[usize::from(event.event_type.0)],
                is_looked_into: !is_short || is_asked_for || header.carries_state(),
                tracker: &self.tracker,
                threads: &self.threads,
                resources: self.resources.as_ref(),
            };
            let room = rooms.room(&header);
            let is_made = room.is_some();
            let room = room.unwrap_or(&mut self.buf);
            let Ok(len) = asked.write(&event, header, facts, room) else {
                // A frame that cannot be keeps its number.
                self.n_impossible += 1;
                continue;
            };
            self.last = if is_made { Last::Made(len) } else { Last::Event(len) };
            if let (Some(clock), Some(times)) = (clock, &self.times) {
                times.record(clock);
            }
            return Ok(true);
        }
    }
}

/// Whether events of the type are starts of calls.
fn is_start(ty: EventType) -> bool {
    let is_call = |info: &EventInfo| info.category & EC_SYSCALL != 0;
    ty.info().is_some_and(|info| info.direction == Direction::Enter && is_call(info))
}

/// What is asked of an event, and who knows it.
struct Asked<'a> {
    demand: PlaybackDemand,
    is_looked_into: bool,
    tracker: &'a Tracker,
    threads: &'a Threads,
    resources: Option<&'a Resources>,
}

impl Asked<'_> {
    /// Makes the event's frame; gives its length.
    #[inline]
    fn write(
        &self,
        event: &SavedEvent<'_>,
        header: FrameHeader,
        facts: Facts,
        buf: &mut [u8],
    ) -> Result<usize, FrameTooLarge> {
        let &Self { demand, is_looked_into, tracker, threads, resources } = self;
        if !is_looked_into {
            return FrameWriter::with_params(buf, header, 0).finish().map(<[u8]>::len);
        }
        let mut frame = event.start_frame(header, buf);
        match facts {
            Facts::None | Facts::Child(_) => {}
            Facts::Creator(creator) => {
                frame.section(SectionKind::Creator, &[&creator.to_bytes()]);
            }
            Facts::Exit(exit) => {
                frame.section(SectionKind::Exit, &[&exit.to_bytes()]);
            }
        }
        tracker.describe(event, demand, &mut frame);
        threads.describe(&header, &mut frame);
        if let Some(resources) = resources.filter(|_| demand.resources) {
            resources.describe(&header, tracker.counts(), &mut frame);
        }
        frame.finish().map(<[u8]>::len)
    }
}

impl Times {
    /// A clock, where the frame at hand is of the sample.
    fn start(&mut self) -> Option<Clock> {
        self.sampler.due().then(|| Clock { since: boot_now_ns(), read_ns: 0, convert_ns: 0 })
    }

    fn record(&self, mut clock: Clock) {
        clock.has_converted();
        self.read.record(clock.read_ns);
        self.convert.record(clock.convert_ns);
    }
}

/// Times what becomes one frame, events that vanish on the way included.
#[derive(Debug)]
struct Clock {
    since: u64,
    read_ns: u64,
    convert_ns: u64,
}

impl Clock {
    fn lap(&mut self) -> u64 {
        let now = boot_now_ns();
        now.saturating_sub(std::mem::replace(&mut self.since, now))
    }

    fn has_read(&mut self) {
        self.read_ns += self.lap();
    }

    fn has_converted(&mut self) {
        self.convert_ns += self.lap();
    }
}

/// Frames of the process list, parents first.
fn seeds(header: &Header, tracker: &Tracker, ledger: &mut Ledger) -> Seeds {
    let processes: Vec<_> = header.processes.iter().filter(|p| p.is_main_thread()).collect();
    let ids: Vec<(i64, i64)> = processes.iter().map(|p| (p.pid, p.ptid)).collect();
    let mut seeds = Seeds::default();
    let mut buf = vec![0; MAX_FRAME_LEN];
    for at in parents_first(&ids) {
        let entry = processes[at];
        let tgid = task_id(entry.pid);
        let start_ns = tracker.incarnation(tgid);
        let ids = SeedIds {
            ts: 0,
            start_ns,
            parent_start_ns: tracker.incarnation(task_id(entry.ptid)),
            flags: flags::FROM_FILE | ledger.seed(tgid, start_ns, entry),
        };
        if let Ok(frame) = entry.to_frame(ids, &mut buf) {
            seeds.push(frame);
        }
    }
    seeds
}
