//! What the program measures about itself: counters, latencies, clock and pinning, and the tables made of them.
//!
//! `Counter, Gauge, Tally, Latency (written by their threads) + external sources -> Registry -> Snapshot -> table | JSON | difference`
//!
//! Everything a hot path writes has one writer and is made when the topology is built: recording neither locks nor allocates nor calls the
//! system. Reading is for snapshots, and may do all three.
//!
//! ```
//! use perf::{Equation, Hop, Moment, Registry};
//!
//! // Where the topology is built, in the direction of flow:
//! let mut registry = Registry::new();
//! registry.external(["kernel.written", "kernel.ring_full"], |out| {
//!     out.count("kernel.written", 90);
//!     out.loss("kernel.ring_full", Some(1), "openat", 10);
//! });
//! let read = registry.counter("capture.read"); // Arc<Counter>, one per thread; equal names are summed
//! let routed = registry.counter("capture.routed");
//! let open = registry.gauge("capture.open");
//! let parse = registry.latency("parse", 64); // fed 1 in 64, see Sampler
//! registry.hop(Hop::new("kernel").output("kernel.written").dropped("ring_full", "kernel.ring_full"));
//! registry.hop(Hop::new("capture").input("capture.read").output("capture.routed").depth("capture.open"));
//! registry.equation(Equation::new("ring: written = read").left("kernel.written").right("capture.read"));
//!
//! // On the hot path:
//! read.add(90);
//! routed.add(87);
//! open.set(3);
//! parse.record(250);
//!
//! // Where somebody asks:
//! let first = registry.snapshot(Moment::Final); // or Moment::Running
//! assert_eq!(first.get("kernel.ring_full"), Some(10));
//! assert!(first.equations.iter().any(|e| e.title == "capture: in = out + depth" && e.holds));
//! print!("{}", first.table());
//!
//! // `peregrine stats --interval`: the difference of two.
//! read.add(10);
//! let second = registry.snapshot(Moment::Running).since(&first);
//! assert_eq!(second.get("capture.read"), Some(10));
//! ```

#![deny(unsafe_code)]

#[expect(unsafe_code, reason = "GlobalAlloc is an unsafe trait; the file only passes calls on")]
mod alloc;
mod clock;
mod counter;
mod equation;
mod hop;
mod latency;
mod load;
mod pin;
mod registry;
#[expect(unsafe_code, reason = "two system calls that no crate wraps for a thread's slice")]
mod slice;
mod snapshot;
mod table;

pub use alloc::{CountingAlloc, thread_allocs};
pub use clock::{boot_now_ns, realtime_offset_ns, to_epoch_ns};
pub use counter::{Counter, Gauge, Tally};
pub use equation::{Equation, EquationReport, Term};
pub use hop::{Hop, HopReport, Reason};
pub use latency::{Buckets, Latency, Sampler};
pub use load::{LoadReport, ThreadTime};
pub use pin::{allowed_cpus, pin_to_cpus};
pub use registry::{CellName, Readings, Registry};
pub use slice::ask_for_short_slice;
pub use snapshot::{LatencyReport, Loss, Moment, SetAside, Snapshot};
