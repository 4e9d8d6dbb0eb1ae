//! Delivers alerts: prints each as Falco's line or Falco's JSON object, and writes it to every sink.
//!
//! `alert lanes (one per shard) -> Delivery -> Formatter -> Sink (stdout, file)`
//!
//! Conservation: received = delivered + lost (closed, write error), per sink.
//!
//! ```
//! use outputs::{AlertTimes, Delivery, Format, Formatter, Progress, Sink};
//!
//! let (shard, lane) = bus::alert_lane(64);
//! let mut registry = perf::Registry::new();
//! let formatter = Formatter::new(Format::default(), "node-1");
//! let sinks = vec![Sink::stdout()];
//! let waiter = bus::Waiter::new(bus::WaitLimits::default());
//! let times = AlertTimes::Replayed;
//! let mut delivery = Delivery::new(vec![lane], sinks, formatter, times, waiter, &mut registry);
//! assert_eq!(delivery.poll_once(), Progress::Idle);
//! drop(shard);
//! assert!(delivery.is_finished());
//! ```

#![forbid(unsafe_code)]

mod delivery;
mod format;
mod json;
mod sink;
#[cfg(test)]
mod testing;

pub use delivery::{AlertTimes, Delivery, Progress, RaisedUpTo};
pub use format::{Format, Formatter, local_offset};
pub use sink::{MAX_IN_HAND, Sink, SinkError};
