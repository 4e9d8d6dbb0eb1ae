//! Savefiles: the `.scap` format of Falco and sysdig, read and written.
//!
//! A file is a sequence of blocks `u32 type, u32 total length, body, u32 total length`, plain or inside gzip, little-endian and
//! packed: section header, machine, interfaces, users, processes, descriptors, then events. [`Reader`] distrusts every length;
//! [`Writer`] writes the current versions; [`Playback`] makes frames of what a reader gives; [`Replay`] pushes them
//! into the shards' lanes.

mod block;
mod born;
mod bytes;
mod convert;
mod descriptor_list;
mod descriptors;
mod enter_recipes;
mod header;
mod interface_list;
mod ledger;
mod list_room;
mod playback;
mod process_list;
mod processes;
mod read_ahead;
mod read_meters;
mod reader;
mod replay;
mod resources;
mod rooms;
mod rotation;
mod saved_blocks;
mod saved_event;
mod threads;
mod tracker;
mod writer;

pub use descriptor_list::{DescriptorEntry, DescriptorList, DescriptorTarget};
pub use header::{Findings, Header};
pub use interface_list::Interface;
pub use ledger::ProcessLimits;
pub use playback::{EVT_NUM_SHIFT, Playback, PlaybackDemand, PlayedFrame, event_key};
pub use read_meters::ReadMeters;
pub use reader::{Reader, ReaderCounts};
pub use replay::{FrameListener, Replay, ReplayEnd, ReplayFeed, ReplayThread};
pub use rooms::Rooms;
pub use rotation::{BadFileName, FileLimits, NextFile, Rotation};
pub use saved_blocks::SavedBlocks;
pub use saved_event::SavedEvent;
pub use threads::LivingThread;
pub use writer::{Compression, Writer};

/// Block types.
mod kind {
    pub(super) const SECTION: u32 = 0x0A0D_0D0A;
    pub(super) const MACHINE: u32 = 0x201;
    pub(super) const MACHINE_OLD: u32 = 0x8002_ABCD;
    pub(super) const EVENT_V1: u32 = 0x204;
    pub(super) const EVENT_V1_OLD: u32 = 0x8010_ABCD;
    pub(super) const EVENT_FLAGS_V1: u32 = 0x208;
    pub(super) const EVENT: u32 = 0x216;
    pub(super) const EVENT_FLAGS: u32 = 0x217;
    pub(super) const EVENT_LARGE: u32 = 0x221;
    pub(super) const EVENT_FLAGS_LARGE: u32 = 0x222;
    pub(super) const USERS_V1: u32 = 0x206;
    pub(super) const USERS_V1_OLD: u32 = 0x8012_ABCD;
    pub(super) const USERS: u32 = 0x220;
    pub(super) const INTERFACES_V1: u32 = 0x205;
    pub(super) const INTERFACES_V1_OLD: u32 = 0x8011_ABCD;
    pub(super) const INTERFACES: u32 = 0x219;
    pub(super) const DESCRIPTORS_V1: u32 = 0x203;
    pub(super) const DESCRIPTORS_V1_OLD: u32 = 0x8001_ABCD;
    pub(super) const DESCRIPTORS: u32 = 0x218;
    pub(super) const PROCESSES: u32 = 0x215;

    /// Version 1 to 9 of a process list block.
    pub(super) fn process_list_version(kind: u32) -> Option<u8> {
        Some(match kind {
            0x202 | 0x8000_ABCD => 1,
            0x207 | 0x8013_ABCD => 2,
            0x209 | 0x8014_ABCD => 3,
            0x210 => 4,
            0x211 => 5,
            0x212 => 6,
            0x213 => 7,
            0x214 => 8,
            PROCESSES => 9,
            _ => return None,
        })
    }
}

const SECTION_MAGIC: u32 = 0x1A2B_3C4D;
const VERSION_MAJOR: u16 = 1;
const VERSION_MINOR: u16 = 2;
const MACHINE_LEN: usize = 172 + 8;
const HOSTNAME_LEN: usize = 128;
/// Bit of an event block's flags: update state, do not show.
const STATE_ONLY: u32 = 1;

/// The machine that a file was recorded on.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Machine {
    /// Number of CPUs.
    pub n_cpus: u32,
    /// Memory in bytes.
    pub memory_bytes: u64,
    /// Largest process id.
    pub max_pid: u64,
    /// Host name, at most 127 bytes.
    pub hostname: Vec<u8>,
    /// Time of boot in ns since the epoch, 0 in old files.
    pub boot_ts_epoch_ns: u64,
}

/// A user of the recorded machine.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct User {
    /// Id.
    pub uid: u32,
    /// Primary group.
    pub gid: u32,
    /// Name.
    pub name: Vec<u8>,
    /// Home directory.
    pub home: Vec<u8>,
    /// Login shell.
    pub shell: Vec<u8>,
}

/// A group of the recorded machine.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Group {
    /// Id.
    pub gid: u32,
    /// Name.
    pub name: Vec<u8>,
}

/// A place in a savefile.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Place {
    /// Byte offset.
    pub offset: u64,
    /// The file is gzip; the offset counts what it holds unpacked.
    pub is_unpacked: bool,
    /// Events of the file before it.
    pub n_events: u64,
}

impl std::fmt::Display for Place {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { offset, is_unpacked, n_events } = self;
        let of = if *is_unpacked { " of the unpacked file" } else { "" };
        match n_events {
            0 => write!(f, "byte {offset}{of}, before the first event"),
            1 => write!(f, "byte {offset}{of}, behind the first event"),
            n => write!(f, "byte {offset}{of}, behind {n} events"),
        }
    }
}

/// Why a savefile cannot be read or written.
#[derive(Debug, thiserror::Error)]
pub enum SavefileError {
    /// Opening, reading or writing failed.
    #[error("{action} failed: {source}")]
    Io {
        /// What was tried.
        action: String,
        /// Why it failed.
        source: std::io::Error,
    },
    /// It does not begin with a section header.
    #[error("not a .scap file: {why}")]
    NotSavefile {
        /// What was found instead.
        why: String,
    },
    /// The bytes break the format. Everything before was delivered.
    #[error("damaged at {at}: {what}")]
    Damaged {
        /// Where the damaged block begins.
        at: Place,
        /// What is wrong with it.
        what: String,
    },
    /// It is whole, but nothing happens in it.
    #[error(
        "no events in the file, only the machine's state ({n_processes} processes); the recording may have ended before anything was captured"
    )]
    NoEvents {
        /// Processes that it lists.
        n_processes: usize,
    },
    /// The seeds of a recording have to come before its events.
    #[error("process {tgid} came after {n_events} events; the process list is already written")]
    LateSeed {
        /// Process id of the seed.
        tgid: u32,
        /// Events written so far.
        n_events: u64,
    },
}
