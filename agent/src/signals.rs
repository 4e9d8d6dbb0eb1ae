//! Why the agent ends: a signal, a reader that is gone, or a replay that is through. All three arrive as bytes on one socket pair.

use std::io::{Read as _, Write as _};
use std::os::unix::net::UnixStream;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

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

/// Where the main thread waits for the end.
#[derive(Debug)]
pub(crate) struct EndWaiter(UnixStream);

/// Tells the main thread to end.
#[derive(Debug)]
pub(crate) struct EndSender(UnixStream);

/// Installs the signal handlers. A second SIGINT or SIGTERM, while the first is being answered, ends the process at once.
pub(crate) fn install() -> Result<(EndWaiter, EndSender)> {
    let (rx, tx) = UnixStream::pair().context("cannot make a socket pair")?;
    let armed = Arc::new(AtomicBool::new(false));
    for signal in [SIGINT, SIGTERM] {
        // In this order: the first signal finds the flag down, raises it and is told; the second finds it up and exits.
        signal_hook::flag::register_conditional_shutdown(signal, 1, Arc::clone(&armed))
            .and_then(|_| signal_hook::flag::register(signal, Arc::clone(&armed)))
            .and_then(|_| signal_hook::low_level::pipe::register(signal, tx.try_clone()?))
            .context("cannot install a signal handler")?;
    }
    Ok((EndWaiter(rx), EndSender(tx)))
}

impl EndWaiter {
    /// Blocks until there is a reason to end.
    pub(crate) fn wait(&self) -> Ending {
        let mut byte = [0];
        loop {
            match (&self.0).read(&mut byte) {
                Ok(1) => match byte[0] {
                    READER_GONE => return Ending::ReaderGone,
                    SOURCE_ENDED => return Ending::SourceEnded,
                    _ => return Ending::Signal,
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
        let mut fds = [PollFd::new(&self.0, PollFlags::IN)];
        let ready = poll(&mut fds, Some(&Timespec { tv_sec: 0, tv_nsec: 0 }));
        matches!(ready, Ok(1..)).then(|| self.wait())
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
        let (waiter, sender) = (EndWaiter(rx), EndSender(tx));
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
