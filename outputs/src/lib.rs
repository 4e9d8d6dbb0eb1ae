//! Delivers alerts: prints each once as Falco's line or Falco's JSON object, and gives it to every sink.
//!
//! `alert lanes (one per shard) -> Delivery -> bounded queue -> SinkThread (stdout, file, http)`, a queue and a thread for each sink
//!
//! Conservation: received + reports = emitted + suppressed(duplicate, rule rate, rate), and for each sink emitted = delivered + lost(queue full, closed, refused, gave up, unfinished) + waiting.
//!
//! ```
//! use std::time::Duration;
//! use outputs::{AlertTimes, Delivery, Format, Formatter, Outputs, Progress, RateControl, Sink, SinkLimits};
//!
//! let (shard, lane) = bus::alert_lane(64);
//! let mut registry = perf::Registry::new();
//! let outputs = Outputs {
//!     sinks: vec![Sink::stdout(SinkLimits::default()).unwrap()],
//!     outbox: None,
//!     formatter: Formatter::new(Format::default(), "node-1"),
//!     rate_control: RateControl::default(),
//!     output_timeout: Duration::from_secs(2),
//!     ends_by: Box::new(|| None),
//!     notices: Box::new(|line| eprintln!("{line}")),
//! };
//! let waiter = bus::Waiter::new(bus::WaitLimits::default());
//! let times = AlertTimes::Replayed;
//! let (mut delivery, sinks) = Delivery::new(vec![lane], outputs, times, waiter, &mut registry);
//! let threads: Vec<_> = sinks.into_iter().map(|s| std::thread::spawn(|| s.run())).collect();
//! assert_eq!(delivery.poll_once(), Progress::Idle);
//! drop(shard);
//! assert!(delivery.is_finished());
//! assert!(delivery.finish().is_empty());
//! threads.into_iter().for_each(|t| t.join().unwrap());
//! ```

#![forbid(unsafe_code)]

mod delivery;
mod format;
mod json;
mod message;
mod outbox;
mod queue;
mod rate;
mod sink;
#[cfg(test)]
mod testing;

pub use delivery::{AlertTimes, Delivery, EndsBy, MAX_ROUND, Outputs, Progress, RaisedUpTo};
pub use format::{Format, Formatter, Notes, local_offset};
pub use message::{AlertId, Message};
pub use outbox::{
    Counts as OutboxCounts, Fill, Fsync, MIN_SEGMENT_BYTES, Next, OpenError, Opened, Outbox,
    OutboxGauge, OutboxSettings, Reader, Record, Recovery, Refused, SinkCounts, UncleanStop,
};
pub use queue::QueueLimits;
pub use rate::{Rate, RateControl};
pub use sink::{
    AddressError, Batch, BatchForm, Facility, HeaderText, HostPort, HttpOptions, HttpUrl, Identity,
    KeptOpen, Lives, ProgramSettings, Retry, Sink, SinkError, SinkLimits, SinkThread,
    SyslogAddress, SyslogSettings, Tls, TlsError, TlsPart, Trust, UrlError,
};
