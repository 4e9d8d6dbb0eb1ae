//! Joins the shards, or a trace, which meet containers, to the thread that asks runtimes of them.

use std::sync::Arc;
use std::sync::mpsc::SyncSender;

use anyhow::{Context as _, Result};
use bus::Unparker;
use containers::{Answer, Details, LookupConfig, LookupThread};
use perf::Registry;
use stages::{Lineage, LiveContainers};

/// Starts the thread. From now on it is asked for every container that a process is found in; its answers wake the shards and go to the recorder,
/// where there is one.
pub(crate) fn start(
    config: LookupConfig,
    lineage: &Arc<Lineage>,
    wakers: Vec<Unparker>,
    recorder: Option<SyncSender<Arc<Details>>>,
    registry: &mut Registry,
) -> Result<LookupThread> {
    let told = Arc::clone(lineage);
    let unrecorded = registry.counter("containers.unrecorded");
    let answer = move |answer| match answer {
        Answer::Known(details) => {
            let details: Arc<Details> = Arc::from(details);
            if let Some(recorder) = &recorder {
                // Where too many wait to be written, or writing has ended, the recording lacks it.
                unrecorded.add(u64::from(recorder.try_send(Arc::clone(&details)).is_err()));
            }
            told.live_containers().answer(&details.full_id, Some(Arc::clone(&details)));
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
