//! Which sources know containers of a kind, and in which order they are believed.

use std::sync::Arc;

use tokio::task::spawn_blocking;
use tokio::time::timeout;

use super::{LookupConfig, Why};
use crate::disk::Disk;
use crate::{Details, Kind};

/// All that can be asked.
pub(super) struct Sources {
    config: LookupConfig,
    disk: Arc<Disk>,
}

impl Sources {
    pub(super) fn new(config: LookupConfig) -> Self {
        let disk = Arc::new(Disk::new(&config));
        Self { config, disk }
    }

    pub(super) async fn look_up(&self, kind: Kind, full_id: &str) -> Result<Details, Why> {
        if kind == Kind::Host {
            return Ok(Details::host());
        }
        self.read_disk(kind, full_id).await
    }

    async fn read_disk(&self, kind: Kind, full_id: &str) -> Result<Details, Why> {
        if !self.config.reads_disk {
            return Err(Why::NoRuntime);
        }
        let (disk, id) = (Arc::clone(&self.disk), full_id.to_owned());
        let read = spawn_blocking(move || disk.look_up(kind, &id));
        match timeout(self.config.request_timeout, read).await {
            Ok(Ok(outcome)) => outcome,
            Ok(Err(_)) => Err(Why::BadAnswer),
            Err(_) => Err(Why::TimedOut),
        }
    }
}
