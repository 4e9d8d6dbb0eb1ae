//! Sleeping on descriptors: an eventfd that wakes, and `poll(2)` over it and the rings. Holds system calls, so the file is unsafe.

use std::{
    io,
    os::fd::{AsRawFd, FromRawFd, OwnedFd, RawFd},
    time::Duration,
};

/// A descriptor that anyone can make readable.
#[derive(Debug)]
pub(crate) struct EventFd(OwnedFd);

impl EventFd {
    pub(crate) fn new() -> io::Result<Self> {
        // SAFETY: the call takes no pointer.
        let fd = unsafe { libc::eventfd(0, libc::EFD_CLOEXEC | libc::EFD_NONBLOCK) };
        if fd < 0 {
            return Err(io::Error::last_os_error());
        }
        // SAFETY: the descriptor was just made and nobody else owns it.
        Ok(Self(unsafe { OwnedFd::from_raw_fd(fd) }))
    }

    /// Makes it readable.
    pub(crate) fn raise(&self) {
        let one = 1u64.to_ne_bytes();
        // SAFETY: `one` is readable for its whole length. A full counter is readable already, so a refusal changes nothing.
        unsafe { libc::write(self.0.as_raw_fd(), one.as_ptr().cast(), one.len()) };
    }

    /// Makes it unreadable again.
    pub(crate) fn lower(&self) {
        let mut count = [0u8; 8];
        // SAFETY: `count` is writable for its whole length. The descriptor does not block.
        unsafe { libc::read(self.0.as_raw_fd(), count.as_mut_ptr().cast(), count.len()) };
    }

    pub(crate) fn fd(&self) -> RawFd {
        self.0.as_raw_fd()
    }
}

/// A list of descriptors to wait for, allocated once.
#[derive(Debug)]
pub(crate) struct PollList(Vec<libc::pollfd>);

impl PollList {
    pub(crate) fn new(fds: impl IntoIterator<Item = RawFd>) -> Self {
        Self(
            fds.into_iter()
                .map(|fd| libc::pollfd { fd, events: libc::POLLIN, revents: 0 })
                .collect(),
        )
    }

    /// Sleeps until one is readable or the time is over, and says whether the first one is. An interrupted sleep ends early.
    pub(crate) fn wait(&mut self, timeout: Duration) -> bool {
        let timeout = libc::timespec {
            tv_sec: timeout.as_secs() as libc::time_t,
            tv_nsec: libc::c_long::from(timeout.subsec_nanos() as i32),
        };
        // SAFETY: the list is valid for its length, and so is the timeout; no signal mask is given.
        let n_readable = unsafe {
            libc::ppoll(
                self.0.as_mut_ptr(),
                self.0.len() as libc::nfds_t,
                &raw const timeout,
                std::ptr::null(),
            )
        };
        // Where it failed the events are those of another call.
        n_readable > 0 && self.0.first().is_some_and(|first| first.revents != 0)
    }
}

#[cfg(test)]
mod tests {
    use std::time::Instant;

    use super::*;

    #[test]
    fn a_raised_eventfd_ends_the_sleep_until_it_is_lowered() {
        let fd = EventFd::new().unwrap();
        let mut list = PollList::new([fd.fd()]);
        fd.raise();
        let start = Instant::now();
        assert!(list.wait(Duration::from_mins(1)));
        assert!(start.elapsed() < Duration::from_secs(30));
        fd.lower();
        let start = Instant::now();
        assert!(!list.wait(Duration::from_millis(5)));
        assert!(start.elapsed() >= Duration::from_millis(5));
    }
}
