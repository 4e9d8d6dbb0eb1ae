//! Started, reloading, ending: the one place that knows where a run stands, and thus where a supervisor would be told.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

use crate::run::say;

/// Where a run stands. Of reloads there is one at a time, none before everything runs, and none once the end has begun.
#[derive(Debug, Default)]
pub(crate) struct Lifecycle {
    turn: Mutex<()>,
    is_running: AtomicBool,
}

/// The turn of one reload; it is over when this is dropped.
#[derive(Debug)]
pub(crate) struct Reloading<'a>(#[expect(dead_code, reason = "it is held")] MutexGuard<'a, ()>);

impl Lifecycle {
    /// Everything runs, and what there is to say of it.
    pub(crate) fn started(&self, block: &str) {
        // Relaxed, here and below: nothing else is communicated by it.
        self.is_running.store(true, Ordering::Relaxed);
        say(block);
    }

    /// A reload begins, once those before it are over; none where the run has not started, or ends.
    pub(crate) fn reloading(&self) -> Option<Reloading<'_>> {
        // It protects no value that a panic could leave half changed.
        let turn = self.turn.lock().unwrap_or_else(PoisonError::into_inner);
        self.is_running().then_some(Reloading(turn))
    }

    /// The run ends: what was captured is still evaluated and delivered.
    pub(crate) fn ending(&self) {
        self.is_running.store(false, Ordering::Relaxed);
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
    use std::time::Duration;

    use super::*;

    #[test]
    fn reloads_take_turns_and_the_end_lets_none_begin() {
        let lifecycle = Arc::new(Lifecycle::default());
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
        lifecycle.ending();
        assert!(lifecycle.reloading().is_none());
    }
}
