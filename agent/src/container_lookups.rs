//! Joins the shards, which meet containers, to the thread that asks runtimes of them.

use std::sync::Arc;

use anyhow::{Context as _, Result};
use bus::Unparker;
use containers::{Answer, LookupConfig, LookupThread};
use perf::Registry;
use stages::{Lineage, LiveContainers};

/// Starts the thread. From now on it is asked for every container that a process is found in, and its answers wake the shards.
pub(crate) fn start(
    config: LookupConfig,
    lineage: &Arc<Lineage>,
    wakers: Vec<Unparker>,
    registry: &mut Registry,
) -> Result<LookupThread> {
    let told = Arc::clone(lineage);
    let answer = move |answer| match answer {
        Answer::Known(details) => {
            let full_id = details.full_id.clone();
            told.live_containers().answer(&full_id, Some(Arc::from(details)));
        }
        Answer::Unknown { full_id, why: _ } => told.live_containers().answer(&full_id, None),
    };
    let (asker, thread) = containers::start(config, answer)
        .context("cannot start the thread that asks container runtimes")?;
    thread.register(registry);
    LiveContainers::register(lineage, registry);
    lineage.live_containers().ask_by(move |kind, full_id| asker.ask(kind, full_id), wakers);
    Ok(thread)
}
