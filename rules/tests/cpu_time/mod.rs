//! How long something takes, whatever else the machine does.

use std::time::Duration;

/// CPU time that the calling thread has had.
fn of_this_thread() -> Duration {
    let text = std::fs::read_to_string("/proc/thread-self/schedstat").expect("a Linux kernel");
    let ns = text.split(' ').next().and_then(|n| n.parse().ok()).expect("nanoseconds on a CPU");
    Duration::from_nanos(ns)
}

/// What the call gives, and the CPU time that it took.
pub(crate) fn of<T>(call: impl FnOnce() -> T) -> (T, Duration) {
    let before = of_this_thread();
    let given = call();
    (given, of_this_thread().saturating_sub(before))
}
