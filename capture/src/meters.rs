//! What a capture thread counts.

use std::sync::Arc;

use perf::{Counter, Gauge, Hop, Latency, Registry};

use crate::outlet::Outlets;

/// One event in this many is timed from its record to its batch.
pub const LATENCY_EVERY: u32 = 16;

/// Counters of one capture thread or replay. Each has one writer; a registry sums those of one name.
///
/// `read = routed + bad_header + bad_length + too_large`.
#[derive(Clone, Debug, Default)]
pub struct CaptureMeters {
    /// Frames read out of rings or a file, seeds included.
    pub read: Arc<Counter>,
    /// Those of them that came out of no ring, but from looks at processes while it runs.
    pub injected: Arc<Counter>,
    /// Frames put into a shard's batch.
    pub routed: Arc<Counter>,
    /// Records too short for a header.
    pub bad_header: Arc<Counter>,
    /// Records whose header says a length that does not fit the record.
    pub bad_length: Arc<Counter>,
    /// Frames larger than a batch.
    pub too_large: Arc<Counter>,
    /// Routed frames that were never pushed because their shard is gone: `routed = pushed into lanes + abandoned`.
    pub abandoned: Arc<Counter>,
    /// Frames that a recording lacks because its writer is gone. Not part of an equation: the shards have them.
    pub unrecorded: Arc<Counter>,
    /// Routed frames that went to another shard than the owner of their process, which was too busy for them. Not a loss.
    pub spread: Arc<Counter>,
    /// Processes whose frames are spread now.
    pub hot: Arc<Gauge>,
    /// Keys raised above their timestamp, to stay above the ring's last key or its bound. Not a loss.
    pub clamps: Arc<Counter>,
    /// Times the thread slept until it was woken.
    pub sleeps: Arc<Counter>,
    /// Times it napped instead, since records came often.
    pub naps: Arc<Counter>,
    /// Record to batch, 1 in [`LATENCY_EVERY`].
    pub kernel_to_capture: Arc<Latency>,
}

impl CaptureMeters {
    /// Meters that a registry shows, as hop `capture`. Call it for each capture thread.
    pub fn register(registry: &mut Registry) -> Self {
        Self {
            read: registry.counter("capture.read"),
            injected: registry.counter("capture.injected"),
            routed: registry.counter("capture.routed"),
            bad_header: registry.counter("capture.bad_header"),
            bad_length: registry.counter("capture.bad_length"),
            too_large: registry.counter("capture.too_large"),
            abandoned: registry.counter("capture.abandoned"),
            unrecorded: registry.counter("capture.unrecorded"),
            spread: registry.counter("capture.spread"),
            hot: registry.gauge("capture.hot"),
            clamps: registry.counter("capture.clamps"),
            sleeps: registry.counter("capture.sleeps"),
            naps: registry.counter("capture.naps"),
            kernel_to_capture: registry.latency("kernel_to_capture", LATENCY_EVERY),
        }
    }

    /// The hop that the counters of so many threads make; add it to the registry once.
    #[must_use]
    pub fn hop(n_threads: usize) -> Hop {
        Hop::new("capture")
            .input("capture.read")
            .output("capture.routed")
            .dropped("bad_header", "capture.bad_header")
            .dropped("bad_length", "capture.bad_length")
            .dropped("too_large", "capture.too_large")
            .slack(n_threads as u64 * MAX_UNCOUNTED)
    }
}

/// Most frames that a poll reads, and may push, before it adds to the shared counters.
pub const MAX_UNCOUNTED: u64 = 1024;

/// Counts of a poll, added to the shared counters at its end.
#[derive(Debug, Default)]
#[expect(clippy::struct_field_names, reason = "counts are named so")]
pub(crate) struct Tally {
    pub(crate) n_read: u64,
    pub(crate) n_routed: u64,
    pub(crate) n_bad_header: u64,
    pub(crate) n_bad_length: u64,
    pub(crate) n_too_large: u64,
    pub(crate) n_injected: u64,
}

impl Tally {
    pub(crate) fn post(&mut self, meters: &CaptureMeters, out: &mut Outlets) {
        let Self { n_read, n_routed, n_bad_header, n_bad_length, n_too_large, n_injected } =
            std::mem::take(self);
        let n_abandoned = std::mem::take(&mut out.n_abandoned);
        let n_unrecorded = std::mem::take(&mut out.n_unrecorded);
        let n_spread = std::mem::take(&mut out.n_spread);
        if n_read != 0 {
            meters.read.add(n_read);
        }
        if n_routed != 0 {
            meters.routed.add(n_routed);
        }
        for (counter, n) in [
            (&meters.bad_header, n_bad_header),
            (&meters.bad_length, n_bad_length),
            (&meters.too_large, n_too_large),
            (&meters.injected, n_injected),
            (&meters.abandoned, n_abandoned),
            (&meters.unrecorded, n_unrecorded),
            (&meters.spread, n_spread),
        ] {
            if n != 0 {
                counter.add(n);
            }
        }
        meters.hot.set(out.router().n_hot() as u64);
    }
}
