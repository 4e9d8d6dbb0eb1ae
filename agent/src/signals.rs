//! Why the agent ends: a signal, a reader that is gone, or a replay that is through. All three arrive as bytes on one socket pair.

use std::io::{Read as _, Write as _};
use std::os::unix::net::UnixStream;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use anyhow::{Context as _, Result};
use signal_hook::consts::{SIGINT, SIGTERM};

/// Why the agent ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Ending {
    /// SIGINT or SIGTERM.
    Signal,
    /// Nobody reads stdout any more.
    ReaderGone,
    /// The source has no more frames.
    SourceEnded,
}

// signal-hook writes another byte, `X`.
const READER_GONE: u8 = b'r';
const SOURCE_ENDED: u8 = b'e';

/// How long after the first signal a second one is still the same wish: `timeout` and some supervisors signal the process and then its
/// group, and a terminal signals everybody at once.
const SAME_WISH: Duration = Duration::from_secs(1);

/// Where the main thread waits for the end.
#[derive(Debug)]
pub(crate) struct EndWaiter {
    reasons: UnixStream,
    /// Raised once a further signal shall end the process at once.
    impatient: Arc<AtomicBool>,
}

/// Tells the main thread to end.
#[derive(Debug)]
pub(crate) struct EndSender(UnixStream);

/// Installs the signal handlers. A second SIGINT or SIGTERM, more than [`SAME_WISH`] after the first and while that is being answered,
/// ends the process at once.
pub(crate) fn install() -> Result<(EndWaiter, EndSender)> {
    let (rx, tx) = UnixStream::pair().context("cannot make a socket pair")?;
    let impatient = Arc::new(AtomicBool::new(false));
    for signal in [SIGINT, SIGTERM] {
        signal_hook::flag::register_conditional_shutdown(signal, 1, Arc::clone(&impatient))
            .and_then(|_| signal_hook::low_level::pipe::register(signal, tx.try_clone()?))
            .context("cannot install a signal handler")?;
    }
    Ok((EndWaiter { reasons: rx, impatient }, EndSender(tx)))
}

impl EndWaiter {
    /// Blocks until there is a reason to end.
    pub(crate) fn wait(&self) -> Ending {
        let mut byte = [0];
        loop {
            match (&self.reasons).read(&mut byte) {
                Ok(1) => match byte[0] {
                    READER_GONE => return Ending::ReaderGone,
                    SOURCE_ENDED => return Ending::SourceEnded,
                    _ => {
                        self.lose_patience_later();
                        return Ending::Signal;
                    }
                },
                Err(e) if e.kind() == std::io::ErrorKind::Interrupted => {}
                // Every sender is gone: nothing is left that could run.
                Ok(_) | Err(_) => return Ending::SourceEnded,
            }
        }
    }

    /// A reason to end, if there is one already.
    pub(crate) fn poll(&self) -> Option<Ending> {
        use rustix::event::{PollFd, PollFlags, Timespec, poll};
        let mut fds = [PollFd::new(&self.reasons, PollFlags::IN)];
        let ready = poll(&mut fds, Some(&Timespec { tv_sec: 0, tv_nsec: 0 }));
        matches!(ready, Ok(1..)).then(|| self.wait())
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

    fn send(&self, byte: u8) {
        // It fails only if the main thread, which holds the other end, is gone; then everything is.
        drop((&self.0).write_all(&[byte]));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reasons_arrive_in_order() {
        let (rx, tx) = UnixStream::pair().unwrap();
        let waiter = EndWaiter { reasons: rx, impatient: Arc::default() };
        let sender = EndSender(tx);
        assert_eq!(waiter.poll(), None);
        sender.try_clone().unwrap().reader_gone();
        sender.source_ended();
        (&sender.0).write_all(b"X").unwrap();
        assert_eq!(waiter.poll(), Some(Ending::ReaderGone));
        assert_eq!(waiter.wait(), Ending::SourceEnded);
        assert_eq!(waiter.wait(), Ending::Signal);
        drop(sender);
        assert_eq!(waiter.wait(), Ending::SourceEnded);
    }
}
