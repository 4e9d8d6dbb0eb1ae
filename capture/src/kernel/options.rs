//! What to capture, of whom, and what to attach to it.

use std::path::PathBuf;

use event::{CallSet, EventSet, lost, note};

use super::syscalls::{ForkSides, on_demand};

/// What is attached to the events beyond their plain parameters.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Asked {
    /// Events that carry the identity of the descriptor they use.
    pub descriptors: EventSet,
    /// Events that carry the bytes they read or write.
    pub buffers: EventSet,
    /// Events whose descriptor is looked at when the call starts, too.
    pub entry: EventSet,
    /// Bytes of a buffer that are kept, at most [`MAX_SNAPLEN`].
    pub snaplen: usize,
    /// Calls that are captured where they receive from a name server, whoever asks for them else; of those, bytes are kept whole.
    pub answers: EventSet,
    /// Whether `mmap` is captured whatever the mapping is for, not only where it can be executed: somebody wants to see every call.
    pub all_mappings: bool,
}

/// Bytes of a buffer that are kept unless told otherwise, as in Falco.
pub const DEFAULT_SNAPLEN: usize = 80;
/// Most bytes of a buffer that can be kept.
pub const MAX_SNAPLEN: usize = 4096;

impl Default for Asked {
    /// Everything but the look at the start, which costs every call.
    fn default() -> Self {
        Self {
            descriptors: EventSet::all(),
            buffers: EventSet::all(),
            entry: EventSet::EMPTY,
            snaplen: DEFAULT_SNAPLEN,
            answers: EventSet::EMPTY,
            all_mappings: false,
        }
    }
}

/// What is captured, which may change while programs run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Wanted {
    /// Event types that are captured.
    pub interest: EventSet,
    /// Of the calls without an event type of their own, those that are captured where `interest` has their generic event.
    pub generic_calls: CallSet,
    /// Sides of a fork that are captured.
    pub fork_sides: ForkSides,
    /// What is attached to the events.
    pub asked: Asked,
}

impl Wanted {
    /// All that either asks for.
    #[must_use]
    pub fn union(&self, other: &Self) -> Self {
        let Self { interest, generic_calls, fork_sides, asked } = self;
        Self {
            interest: interest.union(&other.interest),
            generic_calls: generic_calls.union(&other.generic_calls),
            fork_sides: if *fork_sides == ForkSides::Both { *fork_sides } else { other.fork_sides },
            asked: Asked {
                descriptors: asked.descriptors.union(&other.asked.descriptors),
                buffers: asked.buffers.union(&other.asked.buffers),
                entry: asked.entry.union(&other.asked.entry),
                snaplen: asked.snaplen,
                answers: asked.answers.union(&other.asked.answers),
                all_mappings: asked.all_mappings || other.asked.all_mappings,
            },
        }
    }
}

/// What the kernel side's tables have room for, which is decided when it is loaded.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Room {
    /// What is wanted at the load.
    #[default]
    AsWanted,
    /// Whatever may be wanted later; about 10 MB more.
    ForAll,
}

/// Where it is looked at which socket a call with an address uses, and at the address.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum SocketLooks {
    /// At hooks of sockets, where the kernel has them and lets this process attach to them (6.7); else when the call starts.
    #[default]
    AtHooks,
    /// When the call starts, which costs every call of the machine.
    AtStart,
}

/// Entries of the kernel side's tables, which are made when it is loaded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TableLimits {
    /// Processes of a scope, some 60 bytes each. One more and what it starts are not captured.
    pub scope_processes: u32,
    /// Calls under way whose descriptor at their start is noted, some 800 bytes each. Of one more it is not known. Twice as many threads can have a note
    /// of the socket that a call of theirs uses, 250 bytes each.
    pub noted_calls: u32,
    /// Sockets whose past is kept, some 100 bytes each; the one unused for longest goes first.
    pub sockets: u32,
    /// Processes of which a frame was lost that tells of a change of them, some 80 bytes each. One more puts all in doubt.
    pub lost_processes: u32,
}

impl Default for TableLimits {
    fn default() -> Self {
        Self {
            scope_processes: 65_536,
            noted_calls: note::N,
            sockets: 32_768,
            lost_processes: lost::N,
        }
    }
}

/// What to capture, and how.
#[derive(Clone, Debug)]
pub struct ProbeOptions {
    /// Event types that are captured.
    pub interest: EventSet,
    /// Of the calls without an event type of their own, those that are captured where `interest` has their generic event.
    pub generic_calls: CallSet,
    /// Sides of a fork that are captured.
    pub fork_sides: ForkSides,
    /// What is attached to the events.
    pub asked: Asked,
    /// Where sockets are looked at.
    pub socket_looks: SocketLooks,
    /// What tables have room for.
    pub room: Room,
    /// Entries of those tables.
    pub tables: TableLimits,
    /// Only this process and its descendants.
    pub scope_pid: Option<u32>,
    /// Process whose own events are left out: the agent.
    pub self_tgid: Option<u32>,
    /// Bytes of each CPU's ring; rounded up to a power of two of at least a page.
    pub ring_bytes: usize,
    /// Of the frames that tell of changes of processes one in so many is dropped, to see what comes of it; 0 for none.
    pub simulate_drops: u32,
    /// Object to load in place of the built-in one.
    pub object: Option<PathBuf>,
}

impl ProbeOptions {
    /// The part that may change while programs run.
    #[must_use]
    pub fn wanted(&self) -> Wanted {
        let Self { interest, generic_calls, fork_sides, asked, .. } = self;
        Wanted {
            interest: *interest,
            generic_calls: *generic_calls,
            fork_sides: *fork_sides,
            asked: asked.clone(),
        }
    }
}

impl Default for ProbeOptions {
    /// Everything that need not be asked for by name, of every process but this one, 4 MiB a ring; the object of `PEREGRINE_KERNEL_OBJECT` where that is set.
    fn default() -> Self {
        Self {
            interest: EventSet::all().intersection(&on_demand().complement()),
            generic_calls: CallSet::all(),
            fork_sides: ForkSides::Child,
            asked: Asked::default(),
            socket_looks: SocketLooks::default(),
            room: Room::default(),
            tables: TableLimits::default(),
            scope_pid: None,
            self_tgid: Some(std::process::id()),
            ring_bytes: 4 << 20,
            simulate_drops: 0,
            object: std::env::var_os("PEREGRINE_KERNEL_OBJECT").map(PathBuf::from),
        }
    }
}
