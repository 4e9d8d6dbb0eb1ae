//! A trace: one thread takes frame after frame, follows what it changes, and asks a filter whether to show it. Nothing is kept for later, so
//! that every event is shown as it was when it came.
//!
//! `frame ─▶ head ─▶ (what changes state: parsed, applied) ─▶ filter ─▶ TracedEvent, whose fields are looked up when asked for`

mod clock;
mod event;

use std::sync::Arc;

use ::event::{EventSet, EventType, Frame, FrameError, N_EVENT_TYPES};
use bumpalo::Bump;
use bus::Key;
use rules::{Filter, MatchScratch};

pub use clock::{TimeFormat, UtcOffset};
pub use event::{ShownEvent, TracedEvent};

use clock::Clock;

use crate::fields::{BufferFormat, Chain, EventFields, PortFormat, Surroundings};
use crate::meters::ShardMeters;
use crate::parse::{Body, Event};
use crate::state::{Lineage, LineageLimits, StateWriter};
use crate::users::Users;

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
    /// `evt.num` is the key without so many low bits.
    pub evt_num_shift: u32,
    /// What `evt.outputtime` shows.
    pub time: TimeFormat,
    /// Local time.
    pub utc_offset: UtcOffset,
    /// How parameters show raw bytes.
    pub buffers: BufferFormat,
    /// How addresses show ports.
    pub ports: PortFormat,
}

/// What became of a frame.
#[expect(clippy::large_enum_variant, reason = "it is looked at where it is made, not kept")]
pub enum Step<'t> {
    /// It only carries state.
    StateOnly,
    /// It is of a process whose events are not wanted.
    Suppressed,
    /// The filter does not let it through.
    Rejected,
    /// The filter lets it through.
    Passed(TracedEvent<'t>),
}

/// Follows the frames of one source.
pub struct Tracer {
    lineage: Arc<Lineage>,
    writer: StateWriter,
    meters: ShardMeters,
    filter: Option<(Filter, EventSet, MatchScratch)>,
    suppressed: Vec<Box<[u8]>>,
    users: Arc<Users>,
    hostname: Arc<str>,
    evt_num_shift: u32,
    /// Types that may change state.
    changing: EventSet,
    clock: Clock,
    buffers: BufferFormat,
    ports: PortFormat,
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
            evt_num_shift,
            time,
            utc_offset,
            buffers,
            ports,
        } = config;
        let lineage = Arc::new(Lineage::new(1, |_tgid, _n_shards| 0, LineageLimits::default()));
        let with_scratch = |filter: Filter| {
            let (interest, scratch) = (filter.interest(), filter.scratch());
            (filter, interest, scratch)
        };
        Self {
            writer: StateWriter::new(0, Arc::clone(&lineage)),
            lineage,
            meters: ShardMeters::default(),
            filter: filter.map(with_scratch),
            suppressed,
            users,
            hostname,
            evt_num_shift,
            changing: (0..N_EVENT_TYPES as u16)
                .map(EventType)
                .filter(|&ty| Event::may_change_state(ty))
                .collect(),
            clock: Clock::new(time, utc_offset),
            buffers,
            ports,
            chain: Chain::default(),
            bump: Bump::new(),
            until_reclaim: RECLAIM_EVERY,
        }
    }

    /// Time of the first event that is no state alone, ns since the epoch.
    #[must_use]
    pub fn first_ts(&self) -> Option<u64> {
        self.clock.first()
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
        self.bump.reset();
        self.chain.clear();
        let Self {
            lineage,
            writer,
            meters,
            filter,
            suppressed,
            users,
            hostname,
            evt_num_shift,
            changing,
            clock,
            buffers,
            ports,
            chain,
            bump,
            until_reclaim: _,
        } = self;
        let bump: &'t Bump = bump;
        let head = Event { key, own_key: key, frame: Frame::parse(bytes)?, body: Body::Other };
        let ty = head.frame.event_type();
        let is_whole = changing.contains(ty) || head.is_state_only() || head.is_of_nobody();
        let event = if is_whole { head.looked_into(bump) } else { head };
        if is_whole {
            // There is no other shard to wait for.
            let applied = writer.apply(&event, bump, meters);
            debug_assert!(applied.is_ok());
        }
        if event.is_state_only() {
            return Ok(Step::StateOnly);
        }
        clock.tick(event.header().ts);
        if filter.as_ref().is_some_and(|(_, interest, _)| !interest.contains(ty)) {
            return Ok(Step::Rejected);
        }
        let at = Surroundings {
            lineage,
            shard: 0,
            users,
            hostname,
            clock_offset_ns: 0,
            evt_num_shift: *evt_num_shift,
            utc_offset_s: clock.utc_offset_s(),
            buffers: *buffers,
            ports: *ports,
            bump,
        };
        let event: &'t Event<'t> = bump.alloc(event);
        let fields = EventFields::new(at, event, chain);
        let traced = TracedEvent::new(at, event, fields, is_whole, clock);
        if !suppressed.is_empty()
            && let Some(name) = traced.process_name()
            && suppressed.iter().any(|s| **s == *name)
        {
            return Ok(Step::Suppressed);
        }
        if let Some((filter, _, scratch)) = filter
            && !filter.matches(ty, &traced, scratch)
        {
            return Ok(Step::Rejected);
        }
        Ok(Step::Passed(traced))
    }

    fn reclaim(&mut self, key: Key) {
        self.until_reclaim = RECLAIM_EVERY;
        self.lineage.publish_applied(0, key.prev());
        self.lineage.publish_done(0, key.prev());
        self.writer.reclaim();
    }
}
