//! The thread `outside`: starts threads that Landlock does not bound, since it is not bound itself.

use std::io;
use std::sync::mpsc::{Sender, channel, sync_channel};
use std::thread::{Builder, JoinHandle};

use anyhow::{Context as _, Result};

type Start = Box<dyn FnOnce() + Send>;

/// Starts threads on behalf of others; the thread ends when all of these are dropped.
#[derive(Clone, Debug)]
pub(crate) struct Outside(Sender<Start>);

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
        Ok(Self(asker))
    }

    /// Starts a thread that has what this one had when it was started.
    ///
    /// # Errors
    /// The thread cannot be made.
    pub(crate) fn spawn<T: Send + 'static>(
        &self,
        name: &str,
        run: impl FnOnce() -> T + Send + 'static,
    ) -> io::Result<JoinHandle<T>> {
        let (tell, told) = sync_channel(1);
        let builder = Builder::new().name(name.to_owned());
        let start = move || drop(tell.send(builder.spawn(run)));
        let gone = || io::Error::other("the thread that starts others has ended");
        self.0.send(Box::new(start)).map_err(|_| gone())?;
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
