//! Asking runtimes: questions from any thread, one thread that asks, answers to a callback.

mod config;
mod counters;
mod sources;
mod worker;

use std::io;
use std::sync::Arc;
use std::thread::JoinHandle;

use perf::Registry;
use tokio::sync::{mpsc, oneshot};

pub use config::LookupConfig;
use counters::Counters;
pub(crate) use counters::Shared;

use crate::{Details, Kind};

/// What a question came to. Every question that was accepted gets one, unless the thread ends before; the same id asked for again while the
/// first question is open shares its answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Answer {
    /// A runtime knows the container, or its state on disk tells.
    Known(Box<Details>),
    /// Nobody could tell.
    Unknown {
        /// The id as it was asked for.
        full_id: String,
        /// Why not.
        why: Why,
    },
}

/// Why nothing is known of a container.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Why {
    /// No runtime of its kind answers on any socket, and none has left state on disk.
    NoRuntime,
    /// A runtime answers, and has no such container.
    NotFound,
    /// The runtime did not answer in time.
    TimedOut,
    /// The answer could not be read.
    BadAnswer,
}

impl Why {
    /// All reasons, in the order of their numbers.
    pub const ALL: [Self; 4] = [Self::NoRuntime, Self::NotFound, Self::TimedOut, Self::BadAnswer];

    /// As counters name it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::NoRuntime => "no_runtime",
            Self::NotFound => "not_found",
            Self::TimedOut => "timed_out",
            Self::BadAnswer => "bad_answer",
        }
    }

    /// Of the reasons that two sources have, the one that says more.
    pub(crate) const fn or(self, other: Self) -> Self {
        match (self, other) {
            (Self::TimedOut, _) | (_, Self::TimedOut) => Self::TimedOut,
            (Self::BadAnswer, _) | (_, Self::BadAnswer) => Self::BadAnswer,
            (Self::NotFound, _) | (_, Self::NotFound) => Self::NotFound,
            (Self::NoRuntime, Self::NoRuntime) => Self::NoRuntime,
        }
    }
}

/// A question on its way.
#[derive(Debug)]
struct Question {
    kind: Kind,
    full_id: String,
}

/// Where to put questions; cheap to clone, one for each thread that asks.
#[derive(Clone, Debug)]
pub struct Asker {
    questions: mpsc::Sender<Question>,
    counters: Arc<Counters>,
}

impl Asker {
    /// Asks for a container. Never waits. `false` where too many questions are open, or the thread has ended: no answer will come.
    #[must_use]
    pub fn ask(&self, kind: Kind, full_id: &str) -> bool {
        let question = Question { kind, full_id: full_id.to_owned() };
        // Counted before it is sent, so that no snapshot sees an answer without its question.
        self.counters.asked.add(1);
        self.counters.open.add(1);
        let is_accepted = self.questions.try_send(question).is_ok();
        if !is_accepted {
            self.counters.refused.add(1);
            self.counters.open.sub(1);
        }
        is_accepted
    }
}

/// The thread that asks. Dropping it ends the thread; questions still open then are counted as abandoned.
#[derive(Debug)]
pub struct LookupThread {
    stop: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
    counters: Arc<Counters>,
}

/// Starts the thread. `answer` is called on it, and should be quick.
///
/// # Errors
///
/// When the thread or its runtime cannot be made.
pub fn start(
    config: LookupConfig,
    answer: impl Fn(Answer) + Send + 'static,
) -> io::Result<(Asker, LookupThread)> {
    let counters = Arc::new(Counters::default());
    let (questions, queue) = mpsc::channel(config.max_queued.max(1));
    let (stop, stopped) = oneshot::channel();
    let runtime = worker::runtime()?;
    let for_thread = Arc::clone(&counters);
    let thread = std::thread::Builder::new()
        .name("containers".to_owned())
        .spawn(move || worker::run(runtime, &config, queue, stopped, &for_thread, answer))?;
    let asker = Asker { questions, counters: Arc::clone(&counters) };
    Ok((asker, LookupThread { stop: Some(stop), thread: Some(thread), counters }))
}

impl LookupThread {
    /// Makes its counters known: `containers.asked` and what became of it, and for each source what was asked of it.
    pub fn register(&self, registry: &mut Registry) {
        counters::register(&self.counters, registry);
    }
}

impl Drop for LookupThread {
    fn drop(&mut self) {
        drop(self.stop.take());
        if let Some(thread) = self.thread.take() {
            // A panic of the callback has been reported by its thread already.
            drop(thread.join());
        }
    }
}
