//! The kernel side's loader: object and offsets in, rings and counters out.
//!
//! `btf` (offsets of the running kernel) + object -> `load` -> `loaded` (maps, programs); `ring` reads frames in place, `counters` the kernel's books;
//! `filters` says what the kernel may reject, `hooks` are those of sockets.

mod attach;
#[expect(unsafe_code, reason = "bpf(2)")]
mod bpf;
mod btf;
mod capabilities;
mod change;
mod counters;
mod filters;
mod fold;
mod hooks;
mod iterate;
mod load;
mod loaded;
mod losses;
mod machine;
mod object;
mod options;
mod report;
#[expect(unsafe_code, reason = "slices over shared ring memory")]
mod ring;
mod scope;
#[expect(unsafe_code, reason = "mmap, mounts and rlimit calls")]
mod sys;
mod syscalls;
mod verify;

pub use bpf::BPF_COMMANDS;
pub use capabilities::{CAPABILITIES, Capabilities, Capability};
pub use counters::KernelCounters;
pub use filters::{FilterError, Filters};
pub use load::Probe;
pub use losses::{Loss, LossCounts, Losses};
pub use options::{
    Asked, DEFAULT_SNAPLEN, MAX_SNAPLEN, ProbeOptions, Room, SocketLooks, TableLimits, Wanted,
};
pub use report::{ProbeError, ProbeReport};
pub use ring::KernelRing;
pub use sys::{SocketPeer, socket_peer};
pub use syscalls::{ForkSides, capturable, generic_calls, on_demand};
