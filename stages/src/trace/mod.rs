//! A trace: one thread takes frame after frame, follows what it changes, and asks a filter whether to show it. Nothing is kept for later, so
//! that every event is shown as it was when it came.
//!
//! `frame ─▶ head ─▶ (what changes state: parsed, applied) ─▶ filter ─▶ TracedEvent, whose fields are looked up when asked for`

mod clock;
mod event;
mod processes;
mod verdicts;

use std::sync::Arc;
use std::time::Duration;

use ::event::{
    EventSet, EventType, Frame, FrameError, FrameHeader, HEADER_LEN, N_EVENT_TYPES, carries_state,
    flags,
};
use bumpalo::Bump;
use bumpalo::boxed::Box as BumpBox;
use bus::Key;
use rules::{Filter, MatchScratch, NameView};

pub use clock::{TimeFormat, UtcOffset};
pub use event::{ShownEvent, TracedEvent};
pub use processes::LivingProcess;

use clock::Clock;
use verdicts::Verdicts;

use crate::fields::{BufferFormat, Chain, EventFields, Names, PortFormat, Surroundings};
use crate::meters::ShardMeters;
use crate::parse::{Body, Event, answering};
use crate::state::{Lineage, LineageLimits, StateWriter};
use crate::users::{LeftOutNotes, Users, left_out_notes};

/// Another thread runs; may be one of the kernel's own.
const SWITCH: EventType = EventType(152);
/// Events between two looks at what nobody can ask for any more.
const RECLAIM_EVERY: u32 = 256;

/// What a trace is made of.
pub struct TracerConfig {
    /// Which events are let through; all where there is none.
    pub filter: Option<Filter>,
    /// Names of processes of which no event is let through.
    pub suppressed: Vec<Box<[u8]>>,
    /// Users and groups.
    pub users: Arc<Users>,
    /// `evt.hostname`.
    pub hostname: Arc<str>,
    /// What `evt.num` is.
    pub numbering: Numbering,
    /// Added to timestamps to get ns since the epoch.
    pub clock_offset_ns: i64,
    /// What `evt.outputtime` shows.
    pub time: TimeFormat,
    /// Local time.
    pub utc_offset: UtcOffset,
    /// How parameters show raw bytes.
    pub buffers: BufferFormat,
    /// How addresses show ports.
    pub ports: PortFormat,
    /// Bounds of what is known of processes, names and containers.
    pub limits: LineageLimits,
}

/// How events are numbered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Numbering {
    /// By their key without so many low bits, as a file has them.
    Keys {
        /// Low bits that are not part of the number.
        shift: u32,
    },
    /// From 1, in the order in which they come; what only carries state has no number.
    Counted,
}

impl Numbering {
    /// The key that an event's number is made of.
    fn own_key(self, key: Key, n_before: u64) -> Key {
        match self {
            Self::Keys { .. } => key,
            Self::Counted => Key(n_before + 1),
        }
    }

    fn shift(self) -> u32 {
        match self {
            Self::Keys { shift } => shift,
            Self::Counted => 0,
        }
    }
}

/// What became of a frame.
pub enum Step<'t> {
    /// It only carries state.
    StateOnly,
    /// It is of a process whose events are not wanted.
    Suppressed,
    /// The filter does not let it through.
    Rejected,
    /// The filter lets it through.
    Passed(BumpBox<'t, TracedEvent<'t>>),
}

/// What is asked of each event.
struct Question {
    filter: Filter,
    interest: EventSet,
    /// Whether the name of a file decides, so that both spellings count.
    reads_names: bool,
    scratch: MatchScratch,
}

impl Question {
    fn of(filter: Filter) -> Self {
        let (interest, scratch) = (filter.interest(), filter.scratch());
        Self { interest, reads_names: filter.reads_names(), filter, scratch }
    }

    /// Whether the event matches in any spelling of its name; it is left in the first that does.
    fn matches(&mut self, event: &TracedEvent<'_>) -> bool {
        let Self { filter, scratch, reads_names, .. } = self;
        let ty = event.event_type();
        let views = match event.names() {
            Names::Two if *reads_names => &[NameView::Lexical, NameView::Kernel][..],
            _ => return filter.matches(ty, event, scratch),
        };
        views.iter().any(|&view| {
            event.set_view(view);
            filter.matches(ty, event, scratch)
        })
    }
}

/// Follows the frames of one source.
pub struct Tracer {
    lineage: Arc<Lineage>,
    writer: StateWriter,
    meters: ShardMeters,
    filter: Option<Question>,
    /// Where the filter asks of processes alone.
    verdicts: Option<Verdicts>,
    suppressed: Vec<Box<[u8]>>,
    users: Arc<Users>,
    hostname: Arc<str>,
    numbering: Numbering,
    /// Events so far, those without a number left out.
    n_events: u64,
    clock_offset_ns: i64,
    /// Types that may change state.
    changing: EventSet,
    /// Types that tell of containers, users and groups.
    noting: EventSet,
    clock: Clock,
    buffers: BufferFormat,
    ports: PortFormat,
    container_wait: Option<Duration>,
    chain: Chain,
    bump: Bump,
    until_reclaim: u32,
}

impl Tracer {
    /// A trace that has seen nothing yet.
    #[must_use]
    pub fn new(config: TracerConfig) -> Self {
        let TracerConfig {
            filter,
            suppressed,
            users,
            hostname,
            numbering,
            clock_offset_ns,
            time,
            utc_offset,
            buffers,
            ports,
            limits,
        } = config;
        let lineage = Arc::new(Lineage::new(1, |_tgid, _n_shards| 0, limits));
        let verdicts = filter.as_ref().filter(|f| f.is_of_process() && suppressed.is_empty());
        let verdicts = verdicts.map(|filter| Verdicts::new(filter.is_of_own_process()));
        Self {
            writer: StateWriter::new(0, Arc::clone(&lineage)),
            lineage,
            meters: ShardMeters::default(),
            filter: filter.map(Question::of),
            verdicts,
            suppressed,
            users,
            hostname,
            numbering,
            n_events: 0,
            clock_offset_ns,
            changing: (0..N_EVENT_TYPES as u16)
                .map(EventType)
                .filter(|&ty| carries_state(ty))
                .collect(),
            noting: [324, 354, 356, 358, 360, 402].map(EventType).into_iter().collect(),
            clock: Clock::new(time, utc_offset),
            buffers,
            ports,
            container_wait: None,
            chain: Chain::default(),
            bump: Bump::new(),
            until_reclaim: RECLAIM_EVERY,
        }
    }

    /// What it knows, for whoever answers what it asks of containers ([`crate::LiveContainers::ask_by`]).
    #[must_use]
    pub fn lineage(&self) -> &Arc<Lineage> {
        &self.lineage
    }

    /// From now on a field that a container's runtime has to tell is waited for: so long from the question on, and once for each container.
    /// Later frames wait behind it.
    pub fn wait_for_containers(&mut self, max_wait: Duration) {
        self.container_wait = Some(max_wait);
    }

    /// Time of the first event that is no state alone, ns since the epoch.
    #[must_use]
    pub fn first_ts(&self) -> Option<u64> {
        self.clock.first()
    }

    /// What frames told of users and containers and was not noted.
    #[must_use]
    pub fn left_out_notes(&self) -> LeftOutNotes {
        left_out_notes(&self.lineage, &self.users)
    }

    /// Takes the next frame, whose key is above that of the one before.
    ///
    /// # Errors
    /// The bytes are no frame.
    pub fn step<'t>(&'t mut self, key: Key, bytes: &'t [u8]) -> Result<Step<'t>, FrameError> {
        self.until_reclaim -= 1;
        if self.until_reclaim == 0 {
            self.reclaim(key);
        }
        if let Some(head) = bytes.first_chunk::<HEADER_LEN>()
            && let header = FrameHeader::from_bytes(head)
            && self.passes_over(&header)
        {
            let is_state = header.flags & flags::STATE_ONLY != 0;
            return Ok(if is_state { Step::StateOnly } else { Step::Rejected });
        }
        self.bump.reset();
        let Self {
            lineage,
            writer,
            meters,
            filter,
            verdicts,
            suppressed,
            users,
            hostname,
            numbering,
            n_events,
            clock_offset_ns,
            changing,
            noting,
            clock,
            buffers,
            ports,
            container_wait,
            chain,
            bump,
            until_reclaim: _,
        } = self;
        let bump: &'t Bump = bump;
        let own_key = numbering.own_key(key, *n_events);
        let head = Event { key, own_key, frame: Frame::parse(bytes)?, body: Body::Other };
        let is_live = !head.is_from_file();
        let ty = head.frame.event_type();
        let is_whole = changing.contains(ty) || head.is_state_only() || head.is_of_nobody();
        // Live without a filter everything is shown, and asked for most of what it says. How many names an event has shows in its body.
        let is_looked_into = is_whole || is_live && filter.as_ref().is_none_or(|f| f.reads_names);
        let event = if is_looked_into { head.looked_into(bump) } else { head };
        if noting.contains(ty) {
            users.note(key, &event.frame);
            lineage.containers().note(key, &event.frame);
            if let Some(verdicts) = verdicts {
                // A filter may ask for the name of a process's user.
                verdicts.forget_all();
            }
        }
        if is_whole {
            // There is no other shard to wait for.
            let applied = writer.apply(&event, bump, meters);
            debug_assert!(applied.is_ok());
            if let Some(verdicts) = verdicts
                && (!event.is_state_only() || event.frame.has(flags::SEED) || changing.contains(ty))
            {
                verdicts.forget(event.header());
            }
        }
        if event.is_state_only() {
            return Ok(Step::StateOnly);
        }
        *n_events += 1;
        clock.tick(perf::to_epoch_ns(event.header().ts, *clock_offset_ns));
        if filter.as_ref().is_some_and(|f| !f.interest.contains(ty)) {
            return Ok(Step::Rejected);
        }
        let at = Surroundings {
            lineage,
            shard: 0,
            users,
            hostname,
            clock_offset_ns: *clock_offset_ns,
            evt_num_shift: numbering.shift(),
            utc_offset_s: clock.utc_offset_s(),
            buffers: *buffers,
            ports: *ports,
            container_wait: *container_wait,
            bump,
        };
        let event: &'t Event<'t> = bump.alloc(event);
        let fields = EventFields::new(at, event, chain);
        // In the arena, because it is large and would be moved again and again.
        let traced = TracedEvent::new(at, event, fields, is_looked_into, clock);
        let traced = BumpBox::new_in(traced, bump);
        if !suppressed.is_empty()
            && let Some(name) = traced.process_name()
            && suppressed.iter().any(|s| **s == *name)
        {
            return Ok(Step::Suppressed);
        }
        if let Some(filter) = filter
            && !filter.matches(&traced)
        {
            if let Some(verdicts) = verdicts {
                verdicts.reject(traced.header());
            }
            return Ok(Step::Rejected);
        }
        Ok(Step::Passed(traced))
    }

    /// Whether a frame with this header changes nothing, and is state alone or rejected by its type or process; the time of such an event is
    /// noted, and the frame need not be made. [`Tracer::step`] asks this too.
    #[inline]
    pub fn passes_over(&mut self, header: &FrameHeader) -> bool {
        let ty = EventType(header.event_type);
        // A thread that nobody told of becomes known by its first event, but for a switch.
        let changes_nothing = header.flags & flags::SEED == 0
            && (header.start_ns != 0 || ty == SWITCH)
            && !self.changing.contains(ty)
            && !self.noting.contains(ty);
        if header.flags & flags::STATE_ONLY != 0 {
            return changes_nothing;
        }
        let Some(Question { interest, .. }) = &self.filter else { return false };
        let is_rejected = changes_nothing
            && (!interest.contains(ty)
                || self.verdicts.as_ref().is_some_and(|v| v.is_rejected(header)));
        if is_rejected {
            self.n_events += 1;
            self.clock.tick(perf::to_epoch_ns(header.ts, self.clock_offset_ns));
        }
        is_rejected
    }

    /// Makes it note what answers of name servers say, for who asks for names of addresses.
    #[must_use]
    pub fn hearing_answers(mut self) -> Self {
        self.writer.hears_answers = true;
        self.changing = self.changing.union(&answering());
        self
    }

    /// Whether events of the type may change what is known of processes.
    #[must_use]
    pub fn may_change_state(&self, ty: EventType) -> bool {
        self.changing.contains(ty)
    }

    /// Takes the next frame for what it changes alone: it has no number, is asked nothing, and is not shown.
    ///
    /// # Errors
    /// The bytes are no frame.
    pub fn follow(&mut self, key: Key, bytes: &[u8]) -> Result<(), FrameError> {
        self.bump.reset();
        let event = Event::parse(key, key, bytes, &self.bump)?;
        // There is no other shard to wait for.
        let applied = self.writer.apply(&event, &self.bump, &self.meters);
        debug_assert!(applied.is_ok());
        if let Some(verdicts) = &mut self.verdicts {
            verdicts.forget(event.header());
        }
        Ok(())
    }

    fn reclaim(&mut self, key: Key) {
        self.until_reclaim = RECLAIM_EVERY;
        self.lineage.publish_applied(0, key.prev());
        self.lineage.publish_done(0, key.prev());
        self.chain.let_go();
        self.writer.reclaim();
    }
}
