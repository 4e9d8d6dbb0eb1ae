//! Sinks: where alerts go, each with a queue and a thread of its own.
//!
//! `Delivery ─Message, bounded queue─▶ SinkThread { Transport::send, again and again until it is through }`

mod http;
mod lines;
mod program;
mod syslog;
mod tls;
mod way;
mod worker;

use std::fs::File;
use std::os::fd::AsFd as _;
use std::path::{Path, PathBuf};
use std::time::Duration;
use std::{fmt, io};

pub use http::{Batch, BatchForm, HeaderText, HttpOptions, HttpUrl, UrlError};
pub use program::{Lives, ProgramSettings};
pub use syslog::{AddressError, Facility, HostPort, SyslogAddress, SyslogSettings};
pub use tls::{Identity, Tls, TlsError, TlsPart, Trust};
pub use worker::SinkThread;

pub(crate) use way::encode;
pub(crate) use worker::{Handle, Notices, WhenFull, join};

use perf::Registry;

use crate::message::Shared;
use crate::outbox::Reader;
use crate::queue::QueueLimits;
use http::Http;
use lines::{AlertFile, Lines};
use program::Program;
use syslog::Syslog;

/// How messages leave for one place. Called by the sink's thread alone, so that it may block; what it blocks for should end by itself.
pub(crate) trait Transport: Send {
    /// Delivers messages from the oldest on, as many as it can in one go. There is at least one.
    fn send(&mut self, messages: &[Shared]) -> Sent;

    /// A send is to wait for so many messages, or until the oldest is so old.
    fn gathers(&self) -> Option<(usize, Duration)> {
        None
    }

    /// The oldest message that was not delivered is not tried again.
    fn skip(&mut self) {}

    /// Opens anew what is kept open (SIGUSR1).
    fn reopen(&mut self) {}

    /// Nothing is sent any more: closes what is open. Where the end of a run has a deadline, it is not waited for longer than that.
    fn close(&mut self) {}

    /// Registers what it counts beside what every sink does.
    fn register(&mut self, registry: &mut Registry) {
        let _ = registry;
    }
}

/// What became of messages.
#[derive(Debug, Default)]
pub(crate) struct Sent {
    /// So many, from the oldest on, are delivered.
    pub(crate) n_delivered: usize,
    /// Why it is not all of them.
    pub(crate) stop: Option<Stop>,
}

/// Why a transport went no further.
#[derive(Debug)]
pub(crate) enum Stop {
    /// The next ones may be delivered later.
    Later {
        /// What went wrong.
        why: String,
        /// The receiver asks to be left alone for so long.
        after: Option<Duration>,
    },
    /// Of the next ones so many will never be taken.
    Refused {
        /// How many.
        n: usize,
        /// What the receiver says.
        why: String,
    },
    /// Of the next ones so many are not tried again.
    GaveUp {
        /// How many.
        n: usize,
        /// What went wrong.
        why: String,
    },
    /// Nobody will ever take any more.
    Closed,
}

impl Sent {
    /// So many of them; the next may go through later.
    pub(crate) fn until_later(n_delivered: usize, why: impl fmt::Display) -> Self {
        let stop = Stop::Later { why: why.to_string(), after: None };
        Self { n_delivered, stop: Some(stop) }
    }

    /// Messages of which is known what became of them.
    pub(crate) fn n_settled(&self) -> usize {
        let n_lost = match self.stop {
            Some(Stop::Refused { n, .. } | Stop::GaveUp { n, .. }) => n,
            Some(Stop::Later { .. } | Stop::Closed) | None => 0,
        };
        self.n_delivered + n_lost
    }
}

/// How what could not be delivered is tried again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Retry {
    /// Wait before the second attempt; each further one waits twice as long.
    pub first: Duration,
    /// The longest wait. Each is shortened by chance, by half at most.
    pub longest: Duration,
    /// After so many attempts in a row a message is given up; 0: never.
    pub max_attempts: u32,
}

impl Default for Retry {
    /// From 100 ms to 10 s, for as long as the queue has room.
    fn default() -> Self {
        let (first, longest) = (Duration::from_millis(100), Duration::from_secs(10));
        Self { first, longest, max_attempts: 0 }
    }
}

/// Bounds of one sink.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct SinkLimits {
    /// What waits for it.
    pub queue: QueueLimits,
    /// How it tries again.
    pub retry: Retry,
    /// It is to take alerts out of the outbox.
    pub is_durable: bool,
}

/// A sink that cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum SinkError {
    /// A file that cannot be opened.
    #[error("cannot write to the output file {path}: {reason}")]
    File {
        /// The file.
        path: PathBuf,
        /// Why.
        reason: io::Error,
    },
    /// No descriptor of standard output can be had.
    #[error("cannot write to standard output: {0}")]
    Stdout(io::Error),
    /// The kernel gives nothing to wait for a network with.
    #[error("cannot wait for the network: {0}")]
    Network(io::Error),
    /// A file that TLS needs.
    #[error(transparent)]
    Tls(#[from] TlsError),
}

/// What calls when a sink's reader is gone for good.
type OnClosed = Box<dyn FnOnce() + Send>;

/// What ends from outside what a sink's thread left behind when it was not done in time.
type GiveUp = Box<dyn FnOnce() + Send>;

/// One destination of alerts, not yet running.
pub struct Sink {
    name: &'static str,
    transport: Box<dyn Transport>,
    limits: SinkLimits,
    on_closed: Option<OnClosed>,
    give_up: Option<GiveUp>,
    outbox: Option<Reader>,
}

impl Sink {
    /// Standard output.
    ///
    /// # Errors
    /// There is no descriptor of it, or none to be had for this.
    pub fn stdout(limits: SinkLimits) -> Result<Self, SinkError> {
        Ok(Self::new("stdout", Lines::new(unbuffered_stdout()?), limits))
    }

    /// A file that is appended to, created where it does not exist.
    ///
    /// # Errors
    /// The file cannot be opened for appending.
    pub fn file(path: &Path, kept: KeptOpen, limits: SinkLimits) -> Result<Self, SinkError> {
        Ok(Self::new("file", AlertFile::open(path, kept)?, limits))
    }

    /// A server that alerts are posted to.
    ///
    /// # Errors
    /// A file that TLS needs is not there, or not what it should be.
    pub fn http(options: HttpOptions, limits: SinkLimits) -> Result<Self, SinkError> {
        Ok(Self::new("http", Http::new(options, limits.retry.longest)?, limits))
    }

    /// A receiver of syslog, which need not be there yet.
    ///
    /// # Errors
    /// A file of TLS cannot be used.
    pub fn syslog(settings: SyslogSettings, limits: SinkLimits) -> Result<Self, TlsError> {
        Ok(Self::new("syslog", Syslog::new(settings)?, limits))
    }

    /// A program that reads alerts. It is started when there is one.
    #[must_use]
    pub fn program(settings: ProgramSettings, limits: SinkLimits) -> Self {
        let program = Program::new(settings);
        let give_up = Box::new(program.killer());
        Self { give_up: Some(give_up), ..Self::new("program", program, limits) }
    }

    pub(crate) fn new(
        name: &'static str,
        transport: impl Transport + 'static,
        limits: SinkLimits,
    ) -> Self {
        Self {
            name,
            transport: Box::new(transport),
            limits,
            on_closed: None,
            give_up: None,
            outbox: None,
        }
    }

    /// Calls `f` once, when the sink's reader is gone for good. Of the sinks there are only stdout can be.
    #[must_use]
    pub fn when_closed(self, f: impl FnOnce() + Send + 'static) -> Self {
        Self { on_closed: Some(Box::new(f)), ..self }
    }

    /// Whether it is to take alerts out of the outbox.
    #[must_use]
    pub fn is_durable(&self) -> bool {
        self.limits.is_durable
    }

    /// Takes alerts out of the outbox in the place of a queue.
    #[must_use]
    pub fn durable(self, outbox: Reader) -> Self {
        Self { outbox: Some(outbox), ..self }
    }

    /// `stdout`, `file` and so on.
    #[must_use]
    pub fn name(&self) -> &'static str {
        self.name
    }
}

/// What is buffered in between would count as delivered before it is.
fn unbuffered_stdout() -> Result<File, SinkError> {
    let unbuffered = io::stdout().as_fd().try_clone_to_owned().map_err(SinkError::Stdout)?;
    Ok(File::from(unbuffered))
}

impl fmt::Debug for Sink {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { name, transport: _, limits, on_closed: _, give_up: _, outbox } = self;
        f.debug_struct("Sink")
            .field("name", name)
            .field("limits", limits)
            .field("is_durable", &outbox.is_some())
            .finish_non_exhaustive()
    }
}

/// Whether a file that was moved away goes on being written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum KeptOpen {
    /// Until the next [`SinkThread`] is told to reopen it.
    UntilReopened,
    /// No: before each write it is looked whether the path still names it.
    WhileNamed,
}
