//! Frames out of the kernel, out of a savefile, or synthetic, into lanes.
//!
//! `rings (one per CPU) -> capture thread { merge by key, route by process } -> open batch per shard -> lanes`, and
//! `savefile -> replay { number, find the process } -> the same lanes`.
//!
//! ```
//! use std::sync::Arc;
//! use bus::{BatchLimits, Key, KeyClock, WaitLimits, Waiter, Watermark, lane};
//! use capture::{CaptureMeters, CaptureParts, CaptureThread, TimeSource, synthetic_ring};
//! use event::{EventType, FrameHeader, FrameWriter};
//!
//! let (lane_tx, mut lane_rx) = lane(4, BatchLimits::default());
//! let watermark = Arc::new(Watermark::new());
//! let (tx, ring) = synthetic_ring(0, 8).unwrap();
//! let thread = CaptureThread::new(vec![ring], CaptureParts {
//!     clock: KeyClock::new(1, 0),
//!     lanes: vec![(lane_tx, Waiter::new(WaitLimits::default()).unparker())],
//!     recorder: None,
//!     watermark: Arc::clone(&watermark),
//!     meters: CaptureMeters::default(),
//!     seeds: None,
//!     time: TimeSource::Boot,
//!     wait: WaitLimits::default(),
//! }).unwrap();
//!
//! let mut buf = [0; 256];
//! let header = FrameHeader { ts: perf::boot_now_ns(), event_type: EventType::LISTEN_X.0, ..FrameHeader::default() };
//! tx.push(FrameWriter::new(&mut buf, header).finish().unwrap()).unwrap();
//! thread.finish();
//! assert_eq!(lane_rx.pop().unwrap().len(), 1);
//! assert_eq!(watermark.get(), Key::MAX);
//! ```

#![deny(unsafe_code)]

mod injection;
mod kernel;
mod meters;
mod outlet;
mod process;
mod procfs;
mod ring;
mod route;
pub mod savefile;
mod seeds;
mod synthetic;
mod thread;
#[expect(unsafe_code, reason = "system calls that sleep on descriptors")]
mod waker;

pub use injection::{Injection, Injector, injection};
pub use kernel::{
    Asked, BPF_COMMANDS, CAPABILITIES, Capabilities, Capability, DEFAULT_SNAPLEN, FilterError,
    Filters, ForkSides, KernelCounters, KernelRing, Loss, LossCounts, Losses, MAX_SNAPLEN, Probe,
    ProbeError, ProbeOptions, ProbeReport, Room, SocketLooks, SocketPeer, TableLimits, Wanted,
    capturable, generic_calls, on_demand, socket_peer,
};
pub use meters::{CaptureMeters, LATENCY_EVERY, MAX_UNCOUNTED};
pub use process::ProcessEntry;
pub use procfs::{Look, OpenDescriptors, Target, interfaces, listed_processes};
pub use ring::{Peek, Ring};
pub use route::{Router, Spread, Way, owner};
pub use seeds::Seeds;
pub use synthetic::{Reservation, RingFull, SyntheticRing, SyntheticTx, synthetic_ring};
pub use thread::{CaptureParts, CaptureThread, GUARD_NS, NAP, Peer, Progress, TimeSource};
