//! What each capture thread and each shard carries, for `peregrine stats`.

use std::sync::Arc;

use bus::LaneMeters;
use perf::{Registry, ThreadTime};

use crate::capture_threads::Feed;

/// The times of the threads, by number.
pub(crate) struct ThreadTimes {
    pub(crate) capture: Vec<Arc<ThreadTime>>,
    pub(crate) shards: Vec<Arc<ThreadTime>>,
}

impl ThreadTimes {
    /// Registers a row for each thread: capture threads with the frames that they read, shards with those that came through their lanes.
    pub(crate) fn register(
        feeds: &[Feed],
        lanes_of_shard: Vec<Vec<LaneMeters>>,
        registry: &mut Registry,
    ) -> Self {
        let capture = feeds.iter().enumerate().map(|(n, feed)| {
            let read = Arc::clone(&feed.meters.read);
            registry.load(format!("cap-{n}"), move || read.get(), None)
        });
        let capture = capture.collect();
        let shards = lanes_of_shard.into_iter().enumerate().map(|(n, lanes)| {
            let waiting = lanes.clone();
            let waiting = move || waiting.iter().map(LaneMeters::depth).sum();
            let popped = move || lanes.iter().map(|lane| lane.popped.get()).sum();
            registry.load(format!("shard-{n}"), popped, Some(Box::new(waiting)))
        });
        let shards = shards.collect();
        Self { capture, shards }
    }
}
