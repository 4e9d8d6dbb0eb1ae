//! Why the agent ends: a signal, a reader that is gone, a replay that is through, or dropped events. All arrive as bytes on one socket pair,
//! as do SIGUSR1, by which outputs are opened anew, and SIGHUP, by which rules are read anew.

use std::io::{Read as _, Write as _};
use std::os::unix::net::UnixStream;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use anyhow::{Context as _, Result};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM, SIGUSR1};

/// Why the agent ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Ending {
    /// SIGINT or SIGTERM.
    Signal,
    /// Nobody reads stdout any more.
    ReaderGone,
    /// The source has no more frames.
    SourceEnded,
    /// Events were dropped, and the configuration asks to end then.
    EventsDropped,
}

// signal-hook writes another byte, `X`.
const READER_GONE: u8 = b'r';
const SOURCE_ENDED: u8 = b'e';
const EVENTS_DROPPED: u8 = b'd';

/// How long after the first signal a second one is still the same wish: `timeout` and some supervisors signal the process and then its
/// group, and a terminal signals everybody at once.
const SAME_WISH: Duration = Duration::from_secs(1);

/// Where the main thread waits for the end.
pub(crate) struct EndWaiter {
    reasons: UnixStream,
    stdout: Stdout,
    wishes: Wishes,
    reopen: Box<dyn Fn() + Send>,
    reload: Box<dyn Fn() + Send>,
    /// Raised once a further signal shall end the process at once.
    impatient: Arc<AtomicBool>,
}

/// What signals asked for. Every signal writes the same byte.
#[derive(Debug, Default)]
struct Wishes {
    end: Arc<AtomicBool>,
    reopen: Arc<AtomicBool>,
    reload: Arc<AtomicBool>,
}

/// Whether the reader of stdout is watched.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Stdout {
    /// It is a sink: a pipe whose reader leaves ends the run, without waiting for the next alert to find out.
    Watched,
    /// Nothing is written to it.
    Unused,
}

/// Tells the main thread to end.
#[derive(Debug)]
pub(crate) struct EndSender(UnixStream);

/// Installs the signal handlers. A second SIGINT or SIGTERM, more than [`SAME_WISH`] after the first and while that is being answered,
/// ends the process at once.
pub(crate) fn install(stdout: Stdout) -> Result<(EndWaiter, EndSender)> {
    let (rx, tx) = UnixStream::pair().context("cannot make a socket pair")?;
    let impatient = Arc::new(AtomicBool::new(false));
    let wishes = Wishes::default();
    for signal in [SIGINT, SIGTERM, SIGUSR1] {
        let wish = if signal == SIGUSR1 { &wishes.reopen } else { &wishes.end };
        let is_last = if signal == SIGUSR1 { Arc::default() } else { Arc::clone(&impatient) };
        signal_hook::flag::register_conditional_shutdown(signal, 1, is_last)
            .and_then(|_| signal_hook::flag::register(signal, Arc::clone(wish)))
            .and_then(|_| signal_hook::low_level::pipe::register(signal, tx.try_clone()?))
            .context("cannot install a signal handler")?;
    }
    let [reopen, reload] = [(); 2].map(|()| Box::new(|| {}) as Box<dyn Fn() + Send>);
    let waiter = EndWaiter { reasons: rx, stdout, wishes, reopen, reload, impatient };
    Ok((waiter, EndSender(tx)))
}

impl EndWaiter {
    /// SIGUSR1 calls this, on the thread that waits for the end.
    pub(crate) fn when_told_to_reopen(&mut self, f: impl Fn() + Send + 'static) {
        self.reopen = Box::new(f);
    }

    /// SIGHUP calls this, on the thread that waits for the end, instead of ending the process. `tx` is of the same pair.
    pub(crate) fn when_told_to_reload(
        &mut self,
        tx: &EndSender,
        f: impl Fn() + Send + 'static,
    ) -> Result<()> {
        self.reload = Box::new(f);
        signal_hook::flag::register(SIGHUP, Arc::clone(&self.wishes.reload))
            .and_then(|_| signal_hook::low_level::pipe::register(SIGHUP, tx.0.try_clone()?))
            .context("cannot install a signal handler")?;
        Ok(())
    }

    /// From now on whoever reads stdout may leave.
    pub(crate) fn forget_stdout(&mut self) {
        self.stdout = Stdout::Unused;
    }

    /// The source has ended and nobody asks for reasons any more: what is left is to deliver, and the first signal ends the process.
    pub(crate) fn end_at_once(&self) {
        // Relaxed: the flag says all there is to say.
        self.impatient.store(true, Ordering::Relaxed);
    }

    /// Blocks until there is a reason to end.
    pub(crate) fn wait(&self) -> Ending {
        loop {
            if let Some(ending) = self.look(None) {
                return ending;
            }
        }
    }

    /// A reason to end, if there is one already.
    pub(crate) fn poll(&self) -> Option<Ending> {
        self.wait_for(Duration::ZERO)
    }

    /// Blocks until there is a reason to end, but not for longer than this.
    pub(crate) fn wait_for(&self, limit: Duration) -> Option<Ending> {
        self.look(Some(&Timespec::try_from(limit).unwrap_or_default()))
    }

    fn look(&self, timeout: Option<&Timespec>) -> Option<Ending> {
        let stdout = std::io::stdout();
        // Without an event to ask for, poll still tells that the other end of a pipe is gone.
        let mut fds =
            [PollFd::new(&self.reasons, PollFlags::IN), PollFd::new(&stdout, PollFlags::empty())];
        let n_fds = if self.stdout == Stdout::Watched { 2 } else { 1 };
        match poll(&mut fds[..n_fds], timeout) {
            Ok(_) | Err(rustix::io::Errno::INTR) => {}
            // Nothing can be waited for any more.
            Err(_) => return Some(Ending::SourceEnded),
        }
        if !fds[0].revents().is_empty() {
            return self.read();
        }
        // Any of them would make every further poll return at once.
        let gone = PollFlags::ERR | PollFlags::HUP | PollFlags::NVAL;
        fds[1].revents().intersects(gone).then_some(Ending::ReaderGone)
    }

    fn read(&self) -> Option<Ending> {
        let mut byte = [0];
        match (&self.reasons).read(&mut byte) {
            Ok(1) => Some(match byte[0] {
                READER_GONE => Ending::ReaderGone,
                SOURCE_ENDED => Ending::SourceEnded,
                EVENTS_DROPPED => Ending::EventsDropped,
                _ => return self.signalled(),
            }),
            Err(e) if e.kind() == std::io::ErrorKind::Interrupted => None,
            // Every sender is gone: nothing is left that could run.
            Ok(_) | Err(_) => Some(Ending::SourceEnded),
        }
    }

    /// A signal's handler raises its flag before it writes the byte, so that what was asked for is seen here.
    fn signalled(&self) -> Option<Ending> {
        if self.wishes.reopen.swap(false, Ordering::SeqCst) {
            (self.reopen)();
        }
        if self.wishes.reload.swap(false, Ordering::SeqCst) {
            (self.reload)();
        }
        self.wishes.end.load(Ordering::SeqCst).then(|| {
            self.lose_patience_later();
            Ending::Signal
        })
    }

    fn lose_patience_later(&self) {
        let impatient = Arc::clone(&self.impatient);
        // Relaxed: the flag says all there is to say. The thread ends with the process.
        drop(std::thread::spawn(move || {
            std::thread::sleep(SAME_WISH);
            impatient.store(true, Ordering::Relaxed);
        }));
    }
}

impl EndSender {
    /// Another sender.
    pub(crate) fn try_clone(&self) -> Result<Self> {
        Ok(Self(self.0.try_clone().context("cannot clone a descriptor")?))
    }

    /// Says that nobody reads stdout any more.
    pub(crate) fn reader_gone(&self) {
        self.send(READER_GONE);
    }

    /// Says that the source has no more frames.
    pub(crate) fn source_ended(&self) {
        self.send(SOURCE_ENDED);
    }

    /// Says that events were dropped and that this is to end the run.
    pub(crate) fn events_dropped(&self) {
        self.send(EVENTS_DROPPED);
    }

    fn send(&self, byte: u8) {
        // It fails only if the main thread, which holds the other end, is gone; then everything is.
        drop((&self.0).write_all(&[byte]));
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::AtomicU64;

    use super::*;

    #[test]
    fn reasons_arrive_in_order() {
        let (rx, tx) = UnixStream::pair().unwrap();
        let wishes = Wishes::default();
        let (end, reopen) = (Arc::clone(&wishes.end), Arc::clone(&wishes.reopen));
        let n_reopened = Arc::new(AtomicU64::new(0));
        let count = Arc::clone(&n_reopened);
        let mut waiter = EndWaiter {
            reasons: rx,
            stdout: Stdout::Unused,
            wishes,
            reopen: Box::new(|| {}),
            reload: Box::new(|| {}),
            impatient: Arc::default(),
        };
        waiter.when_told_to_reopen(move || {
            count.fetch_add(1, Ordering::Relaxed);
        });
        let sender = EndSender(tx);
        assert_eq!(waiter.poll(), None);
        sender.try_clone().unwrap().reader_gone();
        sender.source_ended();
        sender.events_dropped();
        end.store(true, Ordering::SeqCst);
        (&sender.0).write_all(b"X").unwrap();
        assert_eq!(waiter.poll(), Some(Ending::ReaderGone));
        assert_eq!(waiter.wait(), Ending::SourceEnded);
        assert_eq!(waiter.wait(), Ending::EventsDropped);
        assert_eq!(waiter.wait(), Ending::Signal);
        end.store(false, Ordering::SeqCst);
        reopen.store(true, Ordering::SeqCst);
        (&sender.0).write_all(b"XX").unwrap();
        assert_eq!((waiter.poll(), waiter.poll(), waiter.poll()), (None, None, None));
        assert_eq!(n_reopened.load(Ordering::Relaxed), 1);
        drop(sender);
        assert_eq!(waiter.wait(), Ending::SourceEnded);
    }
}
