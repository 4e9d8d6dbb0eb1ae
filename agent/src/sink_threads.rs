//! The sinks, each with a thread of its own.

use anyhow::Result;
use outputs::{Sink, SinkThread};

use crate::capture_threads::{short_sliced, spawn};
use crate::sandbox::Outside;
use crate::signals::EndSender;

/// The sinks; that nobody reads stdout any more ends the run.
pub(crate) fn with_reader(sinks: Vec<Sink>, end: EndSender) -> Vec<Sink> {
    let mut end = Some(end);
    let with_reader = |sink: Sink| match end.take_if(|_| sink.name() == "stdout") {
        Some(end) => sink.when_closed(move || end.reader_gone()),
        None => sink,
    };
    sinks.into_iter().map(with_reader).collect()
}

/// Sinks that are to run.
pub(crate) struct Sinks {
    pub(crate) threads: Vec<SinkThread>,
    pub(crate) outside: Outside,
}

impl Sinks {
    /// A thread for each, which ends once it is done with what the outputs gave it, or with the process: one that is stuck waits for somebody
    /// else. What the programs' sink starts must not have the agent's bounds.
    pub(crate) fn start(self) -> Result<()> {
        for sink in self.threads {
            let name = format!("out-{}", sink.name());
            if sink.name() == "program" {
                drop(self.outside.spawn_free(&name, short_sliced(move || sink.run()))?);
            } else {
                drop(spawn(&name, move || sink.run())?);
            }
        }
        Ok(())
    }
}
