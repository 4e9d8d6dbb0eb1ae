//! What a process has used so far, as `/proc` tells it.

use std::fs;
use std::time::Duration;

use anyhow::{Context as _, Result};

/// CPU time of all threads that are there. In nanoseconds where `/proc/PID/stat` has hundredths of a second; a thread that has ended is
/// not among them, so this is for programs whose threads stay.
///
/// # Errors
/// The process is gone.
pub(crate) fn cpu_time(pid: u32) -> Result<Duration> {
    // The first number of schedstat: proc_pid_schedstat in Documentation/scheduler/sched-stats.rst.
    let of_thread = |text: String| text.split(' ').next().and_then(|n| n.parse::<u64>().ok());
    Ok(Duration::from_nanos(of_threads(pid, "schedstat", of_thread)?))
}

/// How often threads went to sleep.
///
/// # Errors
/// The process is gone.
pub(crate) fn n_sleeps(pid: u32) -> Result<u64> {
    of_threads(pid, "status", |text| number(&text, "voluntary_ctxt_switches:"))
}

fn of_threads(pid: u32, file: &str, read: impl Fn(String) -> Option<u64>) -> Result<u64> {
    let dir = format!("/proc/{pid}/task");
    let threads = fs::read_dir(&dir).with_context(|| format!("process {pid} is gone"))?;
    let mut sum = 0;
    for thread in threads.flatten() {
        // A thread may end while the others are read.
        let text = fs::read_to_string(thread.path().join(file)).unwrap_or_default();
        sum += read(text).unwrap_or(0);
    }
    Ok(sum)
}

/// Memory in kB that is resident now, and at most was.
///
/// # Errors
/// The process is gone.
pub(crate) fn memory_kb(pid: u32) -> Result<(u64, u64)> {
    let text = fs::read_to_string(format!("/proc/{pid}/status"))
        .with_context(|| format!("process {pid} is gone"))?;
    let get = |key| number(&text, key).with_context(|| format!("process {pid} has no {key}"));
    Ok((get("VmRSS:")?, get("VmHWM:")?))
}

fn number(text: &str, key: &str) -> Option<u64> {
    let line = text.lines().find_map(|l| l.strip_prefix(key))?;
    line.split_whitespace().next()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_process_can_be_asked_about_itself() {
        let pid = std::process::id();
        let before = cpu_time(pid).unwrap();
        let mut n = 0u64;
        while cpu_time(pid).unwrap() < before + Duration::from_millis(2) {
            n = std::hint::black_box(n + 1);
        }
        let (now, peak) = memory_kb(pid).unwrap();
        assert!(now > 100 && peak >= now, "{now} {peak}");
        let slept = n_sleeps(pid).unwrap();
        std::thread::sleep(Duration::from_millis(1));
        assert!(n_sleeps(pid).unwrap() > slept);
    }

    #[test]
    fn who_is_gone_is_an_error() {
        // Above the largest id that Linux gives, 2^22.
        let e = cpu_time(5_000_000).unwrap_err().to_string();
        assert_eq!(e, "process 5000000 is gone");
        assert!(memory_kb(5_000_000).is_err());
    }
}
