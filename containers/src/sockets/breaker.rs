//! What stands between questions and something that may hang: few at a time, each with a limit, and none at all while it does not answer.

use std::future::Future;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::Semaphore;
use tokio::time::{Instant, timeout};

use crate::Why;
use crate::lookup::Shared;

/// Requests to one socket at the same time.
const MAX_REQUESTS: usize = 16;
/// Failures in a row after which nothing is asked for a while.
const MAX_FAILURES: u32 = 3;
const FIRST_PAUSE: Duration = Duration::from_secs(1);
const LONGEST_PAUSE: Duration = Duration::from_secs(30);

/// What was asked of one source, and what came of it.
#[derive(Debug, Default)]
pub(crate) struct GuardCounters {
    pub(crate) asked: Shared,
    pub(crate) known: Shared,
    pub(crate) not_found: Shared,
    pub(crate) absent: Shared,
    pub(crate) timed_out: Shared,
    pub(crate) bad_answer: Shared,
    /// Not asked, since it had not answered before.
    pub(crate) skipped: Shared,
}

/// Guards one source.
#[derive(Debug)]
pub(crate) struct Guard {
    limit: Duration,
    permits: Semaphore,
    state: Mutex<State>,
    counters: Arc<GuardCounters>,
}

#[derive(Debug)]
struct State {
    n_failures: u32,
    /// When it may be tried again, where it is not asked now.
    closed_until: Option<Instant>,
    pause: Duration,
}

impl Guard {
    pub(crate) fn new(limit: Duration, counters: Arc<GuardCounters>) -> Self {
        let state = State { n_failures: 0, closed_until: None, pause: FIRST_PAUSE };
        Self { limit, permits: Semaphore::new(MAX_REQUESTS), state: Mutex::new(state), counters }
    }

    /// Runs a request, within the limit of time.
    pub(crate) async fn run<T>(
        &self,
        request: impl Future<Output = Result<T, Why>>,
    ) -> Result<T, Why> {
        let Ok(_permit) = self.permits.acquire().await else { return Err(Why::TimedOut) };
        let counters = &self.counters;
        if !self.may_ask() {
            counters.skipped.add(1);
            return Err(Why::TimedOut);
        }
        counters.asked.add(1);
        let outcome = timeout(self.limit, request).await.unwrap_or(Err(Why::TimedOut));
        let (counter, is_failure) = match &outcome {
            Ok(_) => (&counters.known, false),
            Err(Why::NotFound) => (&counters.not_found, false),
            // These cost no time, and the next container's may be a good one.
            Err(Why::NoRuntime) => (&counters.absent, false),
            Err(Why::TimedOut) => (&counters.timed_out, true),
            Err(Why::BadAnswer) => (&counters.bad_answer, false),
        };
        counter.add(1);
        self.note(is_failure);
        outcome
    }

    /// Whether it may be asked now. Of those that wait for a pause to end, one tries.
    fn may_ask(&self) -> bool {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        match state.closed_until {
            None => true,
            Some(until) if Instant::now() < until => false,
            Some(_) => {
                state.closed_until = Some(Instant::now() + self.limit + state.pause);
                true
            }
        }
    }

    fn note(&self, is_failure: bool) {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        if !is_failure {
            *state = State { n_failures: 0, closed_until: None, pause: FIRST_PAUSE };
            return;
        }
        state.n_failures += 1;
        if state.n_failures >= MAX_FAILURES {
            state.closed_until = Some(Instant::now() + state.pause);
            if state.n_failures > MAX_FAILURES {
                state.pause = (state.pause * 2).min(LONGEST_PAUSE);
            }
        }
    }
}
