//! What the agent tells of itself to those who watch it: as text for Prometheus, and as Falco's snapshots.
//!
//! `Registry, rules at work, progress of threads, /proc -> Observed -> exposition (/metrics) | snapshots (alerts, file)`

mod exposition;
mod falco;
mod families;
mod resources;
mod snapshots;

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use perf::{Moment, Registry, boot_now_ns};

pub(crate) use self::exposition::CONTENT_TYPE;
pub(crate) use self::snapshots::{
    RAISED, SnapshotAlerts, SnapshotFile, Taking, start as take_snapshots,
};

use crate::config::Detail;
use crate::host;
use crate::live::WRITTEN_BY_CPU;
use crate::progress::{Progress, Watch};
use crate::rules_at_work::RulesAtWork;

/// Everything that is told.
pub(crate) struct Observed {
    registry: Arc<Registry>,
    rules: Arc<RulesAtWork>,
    watch: Mutex<Watch>,
    detail: Detail,
    facts: Facts,
}

/// What does not change while the agent runs.
struct Facts {
    hostname: String,
    kernel: String,
    n_cpus: usize,
    started: SystemTime,
    begin: Instant,
}

impl Facts {
    fn started_s(&self) -> f64 {
        self.started.duration_since(UNIX_EPOCH).map_or(0.0, |d| d.as_secs_f64())
    }
}

impl Observed {
    pub(crate) fn new(
        registry: Arc<Registry>,
        rules: Arc<RulesAtWork>,
        progress: Vec<Progress>,
        detail: Detail,
    ) -> Self {
        let facts = Facts {
            hostname: host::hostname(),
            kernel: rustix::system::uname().release().to_string_lossy().into_owned(),
            n_cpus: host::n_possible_cpus(),
            started: SystemTime::now(),
            begin: Instant::now(),
        };
        Self { registry, rules, watch: Mutex::new(Watch::new(progress)), detail, facts }
    }

    fn watch(&self) -> MutexGuard<'_, Watch> {
        // A look that panicked has changed nothing that the next one does not set.
        self.watch.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Looks how far threads have come; once a second.
    pub(crate) fn look(&self) {
        self.watch().look(boot_now_ns());
    }

    /// Why events are not taken in or not evaluated; none where they are.
    pub(crate) fn trouble(&self) -> Option<String> {
        self.watch().trouble()
    }

    /// Everything as text for Prometheus.
    pub(crate) fn text(&self, web: &WebCounts) -> String {
        exposition::text(self, web)
    }

    fn counts(&self) -> perf::Snapshot {
        self.registry.counts(Moment::Running)
    }

    fn ran_for(&self) -> Duration {
        self.facts.begin.elapsed()
    }
}

/// Meters that belong to a switch of the configuration.
const OF_KERNEL: [&str; 2] = ["kernel.", "seeds"];
const OF_STATE: [&str; 4] = ["lineage.", "repair.", "containers.", "names."];

/// Whether a counter or level is to be told.
fn is_told(meter: &str, detail: Detail) -> bool {
    let of = |heads: &[&str]| heads.iter().any(|head| meter.starts_with(head));
    (detail.kernel || !of(&OF_KERNEL))
        && (detail.state || !of(&OF_STATE))
        && (detail.per_cpu || !of(&[WRITTEN_BY_CPU]))
}

/// What the web server counts of its own work.
#[derive(Clone, Debug, Default)]
pub(crate) struct WebCounts {
    pub(crate) n_connections: u64,
    pub(crate) n_displaced: u64,
    /// By status.
    pub(crate) answers: std::collections::BTreeMap<u16, u64>,
}
