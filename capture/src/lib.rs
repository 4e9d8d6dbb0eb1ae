//! Frames out of the kernel, out of a savefile, or synthetic, into lanes.

#![deny(unsafe_code)]

mod meters;
mod outlet;
mod process;
mod procfs;
mod ring;
mod route;
pub mod savefile;
mod thread;
#[expect(unsafe_code, reason = "system calls that sleep on descriptors")]
mod waker;

pub use meters::{CaptureMeters, LATENCY_EVERY};
pub use process::ProcessEntry;
pub use procfs::Seeds;
pub use ring::{Peek, Ring};
pub use route::{owner, route};
pub use thread::{CaptureParts, CaptureThread, GUARD_NS, Peer, Progress, TimeSource};
