//! The thread `reload`: asks for a reload where a signal wishes one, or files have changed.
//!
//! Files are given time: a reload comes when nothing has changed for [`QUIET`], or [`LONGEST`] after the first change where they never rest. What is
//! wished while a reload goes on is one more reload after it.

use std::io::{ErrorKind, Read as _, Write as _};
use std::os::unix::net::UnixStream;
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result};
use rustix::event::{PollFd, PollFlags, Timespec, poll};

use crate::rules_at_work::{AskedBy, RulesAtWork};
use crate::run::say;
use crate::watched_files::{Contents, FileWatch, Watched};

/// How long files have to be at rest, as in Falco.
const QUIET: Duration = Duration::from_millis(100);
/// Files that are never at rest are read all the same.
const LONGEST: Duration = Duration::from_secs(2);

const RELOAD: u8 = b'r';
const LOOK: u8 = b'l';

/// Tells the thread what is wished.
#[derive(Debug)]
pub(crate) struct ReloadWisher(UnixStream);

impl ReloadWisher {
    /// A reload.
    pub(crate) fn reload(&self) {
        self.send(RELOAD);
    }

    /// That it looks which files are to be watched.
    pub(crate) fn look(&self) {
        self.send(LOOK);
    }

    fn send(&self, byte: u8) {
        // Where there is no room for it, thousands of wishes are waiting.
        drop((&self.0).write(&[byte]));
    }

    pub(crate) fn try_clone(&self) -> Result<Self> {
        Ok(Self(self.0.try_clone().context("cannot clone a descriptor")?))
    }
}

/// What the thread hears wishes by.
#[derive(Debug)]
pub(crate) struct Wishes(UnixStream);

/// A wish and who hears it.
pub(crate) fn channel() -> Result<(ReloadWisher, Wishes)> {
    let (tx, rx) = UnixStream::pair().context("cannot make a socket pair")?;
    for end in [&tx, &rx] {
        end.set_nonblocking(true).context("cannot make a socket pair")?;
    }
    Ok((ReloadWisher(tx), Wishes(rx)))
}

/// When files that change are read.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Debounce {
    /// The first change that is not read yet, and the last.
    changes: Option<(Instant, Instant)>,
}

impl Debounce {
    fn note(&mut self, now: Instant) {
        let first = self.changes.map_or(now, |(first, _)| first);
        self.changes = Some((first, now));
    }

    fn due(&self) -> Option<Instant> {
        self.changes.map(|(first, last)| (last + QUIET).min(first + LONGEST))
    }
}

/// What has happened.
enum News {
    /// A signal wishes a reload.
    Wished,
    /// Nothing changes any more, or it has for too long.
    Due,
    /// The run ends.
    Ended,
}

/// The thread; it ends when it is dropped, after the reload that it is at.
pub(crate) struct ReloadThread {
    wisher: ReloadWisher,
    thread: Option<JoinHandle<()>>,
}

impl ReloadThread {
    /// Starts it.
    ///
    /// # Errors
    /// The thread cannot be made.
    pub(crate) fn start(
        rules: Arc<RulesAtWork>,
        wisher: ReloadWisher,
        wishes: Wishes,
    ) -> Result<Self> {
        let mut reloader = Reloader {
            wishes,
            files: None,
            watched: Vec::new(),
            debounce: Debounce::default(),
            rules,
        };
        // What changes from here on is noticed; what has changed since the start is found.
        reloader.watch();
        reloader.debounce.note(Instant::now());
        let thread = std::thread::Builder::new()
            .name("reload".to_owned())
            .spawn(move || reloader.run())
            .context("cannot start the thread that reloads")?;
        Ok(Self { wisher, thread: Some(thread) })
    }
}

impl Drop for ReloadThread {
    fn drop(&mut self) {
        drop(self.wisher.0.shutdown(std::net::Shutdown::Both));
        if let Some(thread) = self.thread.take() {
            drop(thread.join());
        }
    }
}

struct Reloader {
    wishes: Wishes,
    files: Option<FileWatch>,
    watched: Vec<Watched>,
    debounce: Debounce,
    rules: Arc<RulesAtWork>,
}

impl Reloader {
    fn run(mut self) {
        loop {
            let asked_by = match self.wait() {
                News::Ended => return,
                News::Wished => AskedBy::Signal,
                News::Due => {
                    // Links may lead elsewhere now.
                    self.watch();
                    if Contents::of(&self.watched) == self.rules.contents() {
                        continue;
                    }
                    AskedBy::Files
                }
            };
            self.rules.reload_own(asked_by);
            self.watch();
        }
    }

    /// Watches what the configuration says now.
    fn watch(&mut self) {
        let watched = self.rules.watched();
        if watched != self.watched {
            // One of these may have changed before it was watched.
            self.debounce.note(Instant::now());
            self.watched = watched;
        }
        if self.watched.is_empty() {
            self.files = None;
            return;
        }
        if self.files.is_none() {
            self.files = FileWatch::new()
                .map_err(|e| say(&format!("peregrine: changed files are not noticed: {e}\n")))
                .ok();
        }
        for dir in self.files.iter_mut().flat_map(|files| files.set(&self.watched)) {
            say(&format!("peregrine: changes of files in {} are not noticed\n", dir.display()));
        }
    }

    fn wait(&mut self) -> News {
        loop {
            let due = self.debounce.due();
            let left = due.map(|due| due.saturating_duration_since(Instant::now()));
            if left == Some(Duration::ZERO) {
                self.debounce = Debounce::default();
                return News::Due;
            }
            let mut fds = vec![PollFd::new(&self.wishes.0, PollFlags::IN)];
            let files = self.files.as_ref().map(FileWatch::fd);
            fds.extend(files.map(|fd| PollFd::from_borrowed_fd(fd, PollFlags::IN)));
            let timeout = left.map(|left| Timespec::try_from(left).unwrap_or_default());
            match poll(&mut fds, timeout.as_ref()) {
                Ok(_) | Err(rustix::io::Errno::INTR) => {}
                Err(_) => return News::Ended,
            }
            let [has_wishes, has_files] =
                [0, 1].map(|n| fds.get(n).is_some_and(|fd| !fd.revents().is_empty()));
            if has_files && self.files.as_ref().is_some_and(FileWatch::has_changed) {
                self.debounce.note(Instant::now());
            }
            if has_wishes {
                match self.read() {
                    Some(News::Wished) => {
                        self.debounce = Debounce::default();
                        return News::Wished;
                    }
                    Some(news) => return news,
                    None => self.watch(),
                }
            }
        }
    }

    /// All wishes that wait, as one.
    fn read(&self) -> Option<News> {
        let (mut bytes, mut is_wished) = ([0; 256], false);
        loop {
            match (&self.wishes.0).read(&mut bytes) {
                Ok(0) => return Some(News::Ended),
                Ok(n) => is_wished |= bytes[..n].contains(&RELOAD),
                Err(e) if e.kind() == ErrorKind::Interrupted => {}
                Err(_) => return is_wished.then_some(News::Wished),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn changes_are_read_when_they_rest_or_do_not_end() {
        let start = Instant::now();
        let at = |ms| start + Duration::from_millis(ms);
        let mut debounce = Debounce::default();
        assert_eq!(debounce.due(), None);
        debounce.note(at(0));
        debounce.note(at(30));
        assert_eq!(debounce.due(), Some(at(130)));
        for ms in (80..5000).step_by(50) {
            debounce.note(at(ms));
        }
        assert_eq!(debounce.due(), Some(at(2000)));
    }
}
