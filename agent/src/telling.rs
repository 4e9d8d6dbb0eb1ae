//! What tells others how the agent is while it runs: the web server, and snapshots of metrics. Made in two steps, so that what can fail does before
//! anything is attached.

use std::sync::Arc;

use anyhow::Result;
use perf::Registry;

use crate::config::{Config, Detail, Snapshots};
use crate::metrics::{self, Observed, SnapshotFile, Taking};
use crate::rules_at_work::RulesAtWork;
use crate::topology::Topology;
use crate::web::{Serving, Sources, WebListener};

/// Bound and opened, not yet running.
pub(crate) struct Opened {
    web: Option<WebListener>,
    snapshots: Option<(Snapshots, Option<SnapshotFile>)>,
}

/// The threads that tell; they end when this is dropped.
pub(crate) struct Telling {
    _web: Option<Serving>,
    snapshots: Option<Taking>,
}

/// Binds the web server's address, and opens the file of snapshots.
///
/// # Errors
/// Either fails; it says which key to look at.
pub(crate) fn open(config: &Config) -> Result<Opened> {
    let web = config.web.as_ref().map(WebListener::bind).transpose()?;
    let snapshots = config.metrics.as_ref().and_then(|metrics| metrics.snapshots.clone());
    let snapshots = match snapshots {
        Some(snapshots) => {
            let file = SnapshotFile::open(&snapshots)?;
            Some((snapshots, file))
        }
        None => None,
    };
    Ok(Opened { web, snapshots })
}

impl Opened {
    /// Where the web server answers, for people.
    pub(crate) fn shown(&self) -> Result<Option<String>> {
        self.web.as_ref().map(WebListener::shown).transpose()
    }

    /// Starts the threads.
    ///
    /// # Errors
    /// A thread cannot be made.
    pub(crate) fn start(
        self,
        config: &Config,
        topology: &mut Topology,
        registry: &Arc<Registry>,
        rules: &Arc<RulesAtWork>,
    ) -> Result<Telling> {
        let Self { web, snapshots } = self;
        let detail = config.metrics.as_ref().map_or(Detail::NONE, |metrics| metrics.detail);
        let (registry, rules) = (Arc::clone(registry), Arc::clone(rules));
        let observed = Arc::new(Observed::new(registry, rules, topology.progress(), detail));
        let alerts = topology.take_snapshot_alerts();
        let snapshots = snapshots.map(|(snapshots, file)| {
            metrics::take_snapshots(snapshots, Arc::clone(&observed), alerts, file)
        });
        let (looked, asked) = (Arc::clone(&observed), Arc::clone(&observed));
        let sources = Sources {
            look: Box::new(move || looked.look()),
            trouble: Box::new(move || asked.trouble()),
            metrics: Box::new(move |web| observed.text(web)),
        };
        let web = web.map(|web| web.serve(sources)).transpose()?;
        Ok(Telling { _web: web, snapshots: snapshots.transpose()? })
    }
}

impl Telling {
    /// Takes no more snapshots: the outputs end when nobody can raise an alert.
    pub(crate) fn end_snapshots(&mut self) {
        drop(self.snapshots.take());
    }
}
