//! Started, reloading, ending: the one place that knows where a run stands, and thus where the service manager is told.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::{Duration, Instant};

use crate::run::say;
use crate::supervisor;

/// Where a run stands. Of reloads there is one at a time, none before everything runs, and none once the end has begun.
#[derive(Debug)]
pub(crate) struct Lifecycle {
    turn: Mutex<()>,
    is_running: AtomicBool,
    end_within: Duration,
    ends_by: OnceLock<Instant>,
}

/// How long an end may take.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Patience {
    /// As the configuration says.
    Bounded,
    /// As long as sinks need for all of a recording.
    Unbounded,
}

/// The turn of one reload; it is over when this is dropped.
#[derive(Debug)]
pub(crate) struct Reloading<'a> {
    of: &'a Lifecycle,
    _turn: MutexGuard<'a, ()>,
}

impl Drop for Reloading<'_> {
    fn drop(&mut self) {
        if self.of.is_running() {
            supervisor::ready();
        }
    }
}

impl Lifecycle {
    /// A run that has so long for its end.
    pub(crate) fn new(end_within: Duration) -> Self {
        let (turn, ends_by) = (Mutex::new(()), OnceLock::new());
        Self { turn, is_running: AtomicBool::new(false), end_within, ends_by }
    }

    /// Everything runs, and what there is to say of it.
    pub(crate) fn started(&self, block: &str) {
        // Relaxed, here and below: nothing else is communicated by it.
        self.is_running.store(true, Ordering::Relaxed);
        say(block);
        supervisor::ready();
    }

    /// A reload begins, once those before it are over; none where the run has not started, or ends.
    pub(crate) fn reloading(&self) -> Option<Reloading<'_>> {
        // It protects no value that a panic could leave half changed.
        let turn = self.turn.lock().unwrap_or_else(PoisonError::into_inner);
        if !self.is_running() {
            return None;
        }
        supervisor::reloading();
        Some(Reloading { of: self, _turn: turn })
    }

    /// The run ends: what was captured is still evaluated and delivered, where it is bounded until the moment that is given.
    pub(crate) fn ending(&self, patience: Patience) -> Option<Instant> {
        if patience == Patience::Bounded {
            // Only once: the first wish counts.
            self.ends_by.get_or_init(|| Instant::now() + self.end_within);
        }
        if self.is_running.swap(false, Ordering::Relaxed) {
            supervisor::stopping();
        }
        self.ends_by()
    }

    /// Until when the end may take; none where it is not bounded, or has not begun.
    pub(crate) fn ends_by(&self) -> Option<Instant> {
        self.ends_by.get().copied()
    }

    /// Whether it has started and does not end yet.
    pub(crate) fn is_running(&self) -> bool {
        self.is_running.load(Ordering::Relaxed)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::mpsc::channel;

    use super::*;

    #[test]
    fn reloads_take_turns_and_the_end_lets_none_begin() {
        let lifecycle = Arc::new(Lifecycle::new(Duration::ZERO));
        assert!(lifecycle.reloading().is_none());
        lifecycle.started("");
        let first = lifecycle.reloading().unwrap();
        let (tell, told) = channel();
        let other = Arc::clone(&lifecycle);
        let second = std::thread::spawn(move || tell.send(other.reloading().is_some()).unwrap());
        assert!(told.recv_timeout(Duration::from_millis(50)).is_err(), "it waits");
        drop(first);
        assert_eq!(told.recv(), Ok(true));
        second.join().unwrap();
        assert_eq!(lifecycle.ending(Patience::Unbounded), None);
        assert!(lifecycle.reloading().is_none());
        let end = lifecycle.ending(Patience::Bounded);
        assert!(end.is_some() && lifecycle.ending(Patience::Bounded) == end);
    }
}
