//! Tells the service manager that started the agent where it stands (sd_notify(3)), and feeds its watchdog for as long as everything gets on. Where
//! nobody asked to be told (`NOTIFY_SOCKET`, `WATCHDOG_USEC`), nothing is done.

use std::ffi::OsString;
use std::os::linux::net::SocketAddrExt as _;
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::net::{SocketAddr, UnixDatagram};
use std::sync::mpsc::{RecvTimeoutError, Sender, channel};
use std::thread::JoinHandle;
use std::time::Duration;

use anyhow::{Context as _, Result};
use rustix::time::{ClockId, clock_gettime};

use crate::progress::{Progress, Watch};

/// How often is looked whether everything gets on, at most.
const LOOK_EVERY: Duration = Duration::from_secs(1);

/// It watches.
pub(crate) fn ready() {
    tell("READY=1\nSTATUS=watching");
}

/// It reads rules anew, and still watches.
pub(crate) fn reloading() {
    // The time tells the manager that this answers the signal it has just sent.
    let now = clock_gettime(ClockId::Monotonic);
    let us = now.tv_sec * 1_000_000 + now.tv_nsec / 1000;
    tell(&format!("RELOADING=1\nMONOTONIC_USEC={us}\nSTATUS=reading rules anew; watching"));
}

/// It captures no more, and delivers what it has.
pub(crate) fn stopping() {
    tell("STOPPING=1\nSTATUS=delivering what was captured");
}

fn tell(states: &str) {
    let Some(to) = std::env::var_os("NOTIFY_SOCKET") else { return };
    // A manager that is gone, or has no room, must not end the watch, nor hold it up.
    drop(send(&to, states));
}

fn send(to: &OsString, states: &str) -> std::io::Result<()> {
    let address = match to.as_bytes() {
        [b'@', name @ ..] => SocketAddr::from_abstract_name(name)?,
        _ => SocketAddr::from_pathname(to)?,
    };
    let socket = UnixDatagram::unbound()?;
    socket.set_nonblocking(true)?;
    socket.send_to_addr(states.as_bytes(), &address).map(drop)
}

/// How long the manager waits for word, where it does and means this process.
fn watchdog(pid: Option<&str>, usec: Option<&str>) -> Option<Duration> {
    let is_meant = pid.is_none_or(|pid| pid.parse() == Ok(std::process::id()));
    let limit = Duration::from_micros(usec?.parse().ok()?);
    (is_meant && !limit.is_zero()).then_some(limit)
}

/// The thread that feeds the watchdog; it ends when this is dropped.
pub(crate) struct Feeding {
    end: Option<Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

/// Feeds the watchdog while none of these stands still, by the same measure as the web server's health; none where there is no watchdog.
///
/// # Errors
/// The thread cannot be made.
pub(crate) fn feed(progress: Vec<Progress>) -> Result<Option<Feeding>> {
    let [pid, usec] = ["WATCHDOG_PID", "WATCHDOG_USEC"].map(|name| std::env::var(name).ok());
    let Some(limit) = watchdog(pid.as_deref(), usec.as_deref()) else { return Ok(None) };
    // Twice within the limit would be enough; a busy machine may miss one.
    let every = (limit / 4).min(LOOK_EVERY);
    let mut look = Look { watch: Watch::new(progress), told: None };
    let (end, ended) = channel();
    let run = move || {
        loop {
            for words in look.words(perf::boot_now_ns()) {
                tell(&words);
            }
            if ended.recv_timeout(every) != Err(RecvTimeoutError::Timeout) {
                return;
            }
        }
    };
    let thread = std::thread::Builder::new()
        .name("watchdog".to_owned())
        .spawn(run)
        .context("cannot start the thread that feeds the watchdog")?;
    Ok(Some(Feeding { end: Some(end), thread: Some(thread) }))
}

/// Whether everything gets on, and what of that was told.
struct Look {
    watch: Watch,
    told: Option<String>,
}

impl Look {
    /// What there is to tell now.
    fn words(&mut self, now_ns: u64) -> Vec<String> {
        self.watch.look(now_ns);
        let trouble = self.watch.trouble();
        let mut words = Vec::new();
        if trouble.is_none() {
            words.push("WATCHDOG=1".to_owned());
        }
        if trouble != self.told {
            words.push(match &trouble {
                Some(why) => format!("STATUS=stalled: {why}"),
                None => "STATUS=watching".to_owned(),
            });
            self.told = trouble;
        }
        words
    }
}

impl Drop for Feeding {
    fn drop(&mut self) {
        drop(self.end.take());
        if let Some(thread) = self.thread.take() {
            drop(thread.join());
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicU64, Ordering};

    use super::*;

    #[test]
    fn who_stands_still_starves_the_watchdog_until_it_moves() {
        let word = Arc::new(AtomicU64::new(1));
        let reached = Arc::clone(&word);
        let reached = Box::new(move || reached.load(Ordering::Relaxed));
        let progress = Progress { name: "shard-0".to_owned(), reached };
        let mut look = Look { watch: Watch::new(vec![progress]), told: None };
        let mut words = |second: u64| look.words(second * 1_000_000_000);
        for second in 1..=10 {
            assert_eq!(words(second), ["WATCHDOG=1"], "{second}");
        }
        assert_eq!(words(11), ["STATUS=stalled: shard-0 has not moved for 10 s"]);
        assert_eq!(words(12), ["STATUS=stalled: shard-0 has not moved for 11 s"]);
        word.store(2, Ordering::Relaxed);
        assert_eq!(words(13), ["WATCHDOG=1", "STATUS=watching"]);
        assert_eq!(words(14), ["WATCHDOG=1"]);
    }

    #[test]
    fn a_watchdog_is_fed_where_it_watches_this_process() {
        let own = std::process::id().to_string();
        let limit = Some(Duration::from_secs(30));
        assert_eq!(watchdog(Some(&own), Some("30000000")), limit);
        assert_eq!(watchdog(None, Some("30000000")), limit);
        assert_eq!(watchdog(Some("1"), Some("30000000")), None);
        assert_eq!(watchdog(Some(&own), Some("0")), None);
        assert_eq!(watchdog(Some(&own), Some("x")), None);
        assert_eq!(watchdog(Some(&own), None), None);
    }
}
