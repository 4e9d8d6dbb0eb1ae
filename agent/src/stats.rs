//! `peregrine stats`: asks the running agent and prints what it answers.

use std::io::{ErrorKind, Write};
use std::path::Path;

use anyhow::{Result, bail};
use perf::Snapshot;

use crate::cli::StatsArgs;
use crate::control::{Request, Response, ask};

/// Asks once, or every interval until the reader or the agent is gone.
///
/// # Errors
/// The first request fails, or stdout does.
pub(crate) fn run(args: &StatsArgs, socket: &Path, out: &mut dyn Write) -> Result<()> {
    let mut previous: Option<Snapshot> = None;
    loop {
        let snapshot = match ask(socket, Request::Stats) {
            Ok(Response::Stats(s)) => *s,
            Ok(Response::Error(e)) => bail!("the agent refused: {e}"),
            Err(e) if previous.is_none() => return Err(e),
            // The agent has ended; what it had counted was printed.
            Err(_) => return Ok(()),
        };
        let shown = previous.as_ref().map(|p| snapshot.since(p));
        if !print(out, shown.as_ref().unwrap_or(&snapshot), args.json)? {
            return Ok(());
        }
        let Some(interval) = args.interval else { return Ok(()) };
        previous = Some(snapshot);
        std::thread::sleep(interval);
    }
}

/// Whether the reader is still there.
fn print(out: &mut dyn Write, snapshot: &Snapshot, json: bool) -> Result<bool> {
    let text = if json { serde_json::to_string(snapshot)? + "\n" } else { snapshot.table() };
    match out.write_all(text.as_bytes()).and_then(|()| out.flush()) {
        Ok(()) => Ok(true),
        Err(e) if e.kind() == ErrorKind::BrokenPipe => Ok(false),
        Err(e) => Err(e.into()),
    }
}
