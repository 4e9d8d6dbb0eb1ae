//! When cycles are due: a schedule that is fixed before the first call, so that a call that takes long makes none of the others wait.

use std::hint::spin_loop;
use std::time::Duration;

use rustix::thread::clock_nanosleep_absolute;
use rustix::time::{ClockId, Timespec, clock_gettime};

use crate::signals;

/// Below this a thread does not sleep: it would wake up too late.
const SHORT_NS: u64 = 50_000;
/// A thread that sleeps looks this often whether it is asked to end.
const LONGEST_NS: u64 = 100_000_000;

/// The monotonic clock, which is read without a system call where the kernel's clock source allows.
#[inline]
pub(crate) fn now_ns() -> u64 {
    to_ns(clock_gettime(ClockId::Monotonic))
}

/// CPU time of the calling thread, user and system. A system call.
pub(crate) fn thread_cpu_ns() -> u64 {
    to_ns(clock_gettime(ClockId::ThreadCPUTime))
}

#[inline]
fn to_ns(time: Timespec) -> u64 {
    time.tv_sec as u64 * 1_000_000_000 + time.tv_nsec as u64
}

/// Cycles a second of a whole storm, in bursts that its threads make in turn.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Pace {
    pub(crate) rate: u64,
    pub(crate) burst: u64,
    pub(crate) n_threads: u64,
}

impl Pace {
    /// When a thread's burst is due, after the start: bursts of the storm follow one another at `burst / rate`, and each thread has every
    /// `n_threads`th.
    pub(crate) fn due_ns(self, thread: u64, n: u64) -> u64 {
        let Self { rate, burst, n_threads } = self;
        let before =
            (u128::from(n) * u128::from(n_threads) + u128::from(thread)) * u128::from(burst);
        u64::try_from(before * 1_000_000_000 / u128::from(rate)).unwrap_or(u64::MAX)
    }
}

/// Waits for a moment, or until the storm is to end. Gives the time then, and how often it slept.
pub(crate) fn wait_until(due_ns: u64) -> (u64, u64) {
    let mut n_sleeps = 0;
    loop {
        let now = now_ns();
        let left = due_ns.saturating_sub(now);
        if left == 0 || signals::is_asked_to_end() {
            return (now, n_sleeps);
        }
        if left < SHORT_NS {
            spin_loop();
            continue;
        }
        n_sleeps += 1;
        let until = Duration::from_nanos(due_ns.min(now + LONGEST_NS));
        let until =
            Timespec { tv_sec: until.as_secs() as i64, tv_nsec: i64::from(until.subsec_nanos()) };
        // Interrupted, it is seen above why.
        clock_nanosleep_absolute(ClockId::Monotonic, &until).unwrap_or_default();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::number::MAX_CYCLES;

    #[test]
    fn threads_take_turns_and_the_rate_is_that_of_all() {
        let pace = Pace { rate: 1000, burst: 1, n_threads: 2 };
        let due = |thread, n| pace.due_ns(thread, n) / 1_000_000;
        assert_eq!([due(0, 0), due(1, 0), due(0, 1), due(1, 1), due(0, 2)], [0, 1, 2, 3, 4]);
    }

    #[test]
    fn bursts_keep_the_rate() {
        let pace = Pace { rate: 600_000, burst: 300, n_threads: 1 };
        assert_eq!(pace.due_ns(0, 1), 500_000);
        assert_eq!(pace.due_ns(0, 40_000), 20_000_000_000);
    }

    #[test]
    fn no_number_of_bursts_is_too_large() {
        // The bounds of the command line.
        let pace = Pace { rate: 1, burst: 1_000_000_000, n_threads: 256 };
        assert_eq!(pace.due_ns(255, MAX_CYCLES), u64::MAX);
    }

    #[test]
    fn nobody_is_early() {
        let due = now_ns() + 3_000_000;
        let (now, n_sleeps) = wait_until(due);
        assert!(now >= due && n_sleeps >= 1, "{now} {due} {n_sleeps}");
        assert_eq!(wait_until(due).1, 0);
    }
}
