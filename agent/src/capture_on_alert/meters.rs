//! What is counted of recordings around alerts.

use std::sync::Arc;

use perf::{Counter, Equation, Gauge, Hop, Registry};

/// The program's own alerts: raised by the recorder, received by the outputs.
pub(crate) const RAISED: &str = "captures.alerts";

#[derive(Debug)]
pub(super) struct Meters {
    pub(super) received: Arc<Counter>,
    pub(super) evicted: Arc<Counter>,
    pub(super) from_before: Arc<Counter>,
    pub(super) bad_frame: Arc<Counter>,
    pub(super) kept: Arc<Gauge>,
    pub(super) begun: Arc<Counter>,
    pub(super) by_time: Arc<Counter>,
    pub(super) by_size: Arc<Counter>,
    pub(super) by_stop: Arc<Counter>,
    pub(super) failed: Arc<Counter>,
    pub(super) open: Arc<Gauge>,
    pub(super) written: Arc<Counter>,
    pub(super) without_alert: Arc<Counter>,
    pub(super) raised: Arc<Counter>,
    pub(super) unheard: Arc<Counter>,
    /// Containers that the next recordings do not begin with.
    pub(super) containers_forgotten: Arc<Counter>,
}

impl Meters {
    /// `slack`: frames that are counted on one side first.
    pub(super) fn register(registry: &mut Registry, slack: u64) -> Self {
        let meters = Self {
            received: registry.counter("captures.received"),
            evicted: registry.counter("captures.evicted"),
            from_before: registry.counter("captures.from_before"),
            bad_frame: registry.counter("captures.bad_frame"),
            kept: registry.gauge("captures.kept"),
            begun: registry.counter("captures.begun"),
            by_time: registry.counter("captures.ended_by_time"),
            by_size: registry.counter("captures.ended_by_size"),
            by_stop: registry.counter("captures.ended_by_stop"),
            failed: registry.counter("captures.failed"),
            open: registry.gauge("captures.open"),
            written: registry.counter("captures.written"),
            without_alert: registry.counter("captures.without_alert"),
            raised: registry.counter(RAISED),
            unheard: registry.counter("captures.unheard"),
            containers_forgotten: registry.counter("captures.containers_forgotten"),
        };
        registry.hop(
            Hop::new("captures")
                .input("captures.received")
                .aside("evicted", "captures.evicted")
                .aside("from_before", "captures.from_before")
                .dropped("bad_frame", "captures.bad_frame")
                .depth("captures.kept")
                .slack(slack),
        );
        registry.equation(
            Equation::new("captures: begun = ended + failed + open")
                .left("captures.begun")
                .right("captures.ended_by_time")
                .right("captures.ended_by_size")
                .right("captures.ended_by_stop")
                .right("captures.failed")
                .in_flight("captures.open")
                .slack(1),
        );
        meters
    }
}
