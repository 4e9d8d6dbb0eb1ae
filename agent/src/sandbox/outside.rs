//! The thread `outside`: starts threads that Landlock does not bound, since it is not bound itself.
//!
//! Where the agent starts programs, which would inherit the filter of calls, this thread has none; what it starts then filters itself, but for
//! the thread that starts the programs.

use std::io;
use std::sync::mpsc::{Sender, channel, sync_channel};
use std::thread::{Builder, JoinHandle};

use anyhow::{Context as _, Result};

use super::calls;

type Start = Box<dyn FnOnce() + Send>;

/// Starts threads on behalf of others; the thread ends when all of these are dropped.
#[derive(Clone, Debug)]
pub(crate) struct Outside {
    asker: Sender<Start>,
    /// Whether threads that it starts have their calls filtered by themselves.
    filters: bool,
}

impl Outside {
    /// To be called before the calling thread is bounded.
    ///
    /// # Errors
    /// The thread cannot be made.
    pub(crate) fn start() -> Result<Self> {
        let (asker, asked) = channel::<Start>();
        Builder::new()
            .name("outside".to_owned())
            .spawn(move || asked.into_iter().for_each(|start| start()))
            .context("cannot start the thread that starts others")?;
        Ok(Self { asker, filters: false })
    }

    /// Has the threads that it starts from here on filter their calls, all but those of [`Outside::spawn_free`].
    pub(super) fn filter(&mut self) {
        self.filters = true;
    }

    /// Starts a thread that Landlock does not bound.
    ///
    /// # Errors
    /// The thread cannot be made.
    pub(crate) fn spawn<T: Send + 'static>(
        &self,
        name: &str,
        run: impl FnOnce() -> T + Send + 'static,
    ) -> io::Result<JoinHandle<T>> {
        let filters = self.filters;
        self.spawn_free(name, move || {
            if filters {
                // The kernel took the same filter from the thread that asked for it.
                let _same = calls::refuse_here();
            }
            run()
        })
    }

    /// Starts a thread that may do, and have other programs do, all that this one could when it was started.
    ///
    /// # Errors
    /// The thread cannot be made.
    pub(crate) fn spawn_free<T: Send + 'static>(
        &self,
        name: &str,
        run: impl FnOnce() -> T + Send + 'static,
    ) -> io::Result<JoinHandle<T>> {
        let (tell, told) = sync_channel(1);
        let builder = Builder::new().name(name.to_owned());
        let start = move || drop(tell.send(builder.spawn(run)));
        let gone = || io::Error::other("the thread that starts others has ended");
        self.asker.send(Box::new(start)).map_err(|_| gone())?;
        told.recv().map_err(|_| gone())?
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn threads_are_started_by_another_one() {
        let outside = Outside::start().unwrap();
        let name = outside.spawn("by-outside", || std::thread::current().name().map(str::to_owned));
        assert_eq!(name.unwrap().join().unwrap().as_deref(), Some("by-outside"));
    }
}
