//! The agent's side of a live view: the sample of each onlooker, and the last alerts. Both are kept while somebody looks and no longer.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use rules::Alert;
use stages::{LookError, Looked, MAX_ONLOOKERS, Watches};

use crate::capture_on_alert::Teller;
use crate::request::{
    AlertLine, Sampled, SampledCall, SampledContainer, SampledProcess, WatchRequest,
};

/// Alerts that are kept for onlookers, and bytes of each one's output.
const MAX_ALERTS: usize = 100;
const MAX_OUTPUT_BYTES: usize = 512;

/// Longest time for which an onlooker may leave the agent at work for it.
const LONGEST_LEASE: Duration = Duration::from_mins(5);

/// Who looks at the running pipeline.
pub(crate) struct Onlookers {
    watches: Arc<Watches>,
    recent: Mutex<Recent>,
}

/// What an onlooker sees at a look.
#[derive(Debug)]
pub(crate) struct Seen {
    pub(crate) sampled: Sampled,
    /// Number of the last alert that there was.
    pub(crate) last_alert: u64,
    /// Those that it does not have, as far as they are kept.
    pub(crate) alerts: Vec<AlertLine>,
}

#[derive(Default)]
struct Recent {
    /// Alerts up to now, kept or not.
    n: u64,
    alerts: VecDeque<AlertLine>,
}

impl Onlookers {
    pub(crate) fn new(watches: Arc<Watches>) -> Arc<Self> {
        Arc::new(Self { watches, recent: Mutex::default() })
    }

    /// What is called with every alert: keeps it where somebody looks, and tells `next` of it.
    pub(crate) fn teller(self: &Arc<Self>, mut next: Option<Teller>) -> Teller {
        let onlookers = Arc::clone(self);
        Box::new(move |alert: &Alert| {
            onlookers.recent().count(alert, onlookers.watches.is_watched());
            if let Some(next) = &mut next {
                next(alert);
            }
        })
    }

    /// What has passed since this onlooker's last look.
    ///
    /// # Errors
    /// One line: why it cannot look.
    pub(crate) fn look(&self, request: &WatchRequest) -> Result<Seen, String> {
        let WatchRequest { id, filter, alerts_after, lease_ms } = request;
        if !self.watches.is_watched() {
            // What came between two onlookers is not there.
            self.recent().alerts.clear();
        }
        let lease = Duration::from_millis(*lease_ms).min(LONGEST_LEASE);
        let looked = self.watches.look(*id, filter, lease).map_err(|e| match e {
            LookError::Full => format!("{MAX_ONLOOKERS} others look already"),
            LookError::Filter(e) => format!("filter: {e}"),
        })?;
        let after = |alert: &&AlertLine| alert.n > *alerts_after;
        let recent = self.recent();
        Ok(Seen {
            sampled: sampled(looked),
            last_alert: recent.n,
            alerts: recent.alerts.iter().filter(after).cloned().collect(),
        })
    }

    fn recent(&self) -> MutexGuard<'_, Recent> {
        self.recent.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Recent {
    fn count(&mut self, alert: &Alert, is_kept: bool) {
        let Self { n, alerts } = self;
        *n += 1;
        if !is_kept {
            return;
        }
        if alerts.len() == MAX_ALERTS {
            alerts.pop_front();
        }
        let end = alert.output.floor_char_boundary(MAX_OUTPUT_BYTES);
        alerts.push_back(AlertLine {
            n: *n,
            ts_ns: alert.ts_ns,
            priority: alert.rule.priority.as_str().to_owned(),
            rule: alert.rule.name.to_string(),
            output: alert.output[..end].to_owned(),
        });
    }
}

fn sampled(looked: Looked) -> Sampled {
    let Looked {
        interval_ns,
        n_events,
        n_passed,
        n_looked,
        n_undecided,
        n_missed,
        processes,
        calls,
        containers,
    } = looked;
    let process = |p: stages::SeenProcess| {
        let stages::SeenProcess { pid, start_ns: _, name, user, container, n, over } = p;
        SampledProcess { pid, name, user, container, n, over }
    };
    let call = |c: stages::SeenCall| {
        let stages::SeenCall { name, n, over, n_failed } = c;
        SampledCall { name, n, over, n_failed }
    };
    let container = |c: stages::SeenContainer| {
        let stages::SeenContainer { id, name, image, n, over } = c;
        SampledContainer { id, name, image, n, over }
    };
    Sampled {
        interval_ns,
        n_events,
        n_passed,
        n_looked,
        n_undecided,
        n_missed,
        processes: processes.into_iter().map(process).collect(),
        calls: calls.into_iter().map(call).collect(),
        containers: containers.into_iter().map(container).collect(),
    }
}

#[cfg(test)]
mod tests {
    use rules::{AlertMarks, Priority, RuleInfo};

    use super::*;

    fn alert(n: u64) -> Alert {
        Alert {
            rule: RuleInfo::internal("r", Priority::Notice).into(),
            evt_num: n,
            ts_ns: n,
            output: "é".repeat(400),
            fields: Vec::new(),
            marks: AlertMarks::default(),
        }
    }

    fn request(alerts_after: u64) -> WatchRequest {
        WatchRequest { id: 1, filter: String::new(), alerts_after, lease_ms: 60_000 }
    }

    #[test]
    fn alerts_are_kept_while_somebody_looks_and_no_more_than_so_many() {
        let onlookers = Onlookers::new(Arc::new(Watches::new(1)));
        let heard = Arc::new(Mutex::new(0));
        let hears = Arc::clone(&heard);
        let mut tell = onlookers.teller(Some(Box::new(move |_| *hears.lock().unwrap() += 1)));
        tell(&alert(0));
        let Seen { last_alert, alerts, .. } = onlookers.look(&request(0)).unwrap();
        assert_eq!((last_alert, alerts), (1, vec![]));
        for n in 1..=250 {
            tell(&alert(n));
        }
        let Seen { last_alert, alerts, .. } = onlookers.look(&request(1)).unwrap();
        assert_eq!(last_alert, 251);
        assert_eq!((alerts.len(), alerts[0].ts_ns, alerts[99].ts_ns), (100, 151, 250));
        assert_eq!(alerts[0].output.len(), 512);
        assert_eq!(onlookers.look(&request(249)).unwrap().alerts.len(), 2);
        assert_eq!(*heard.lock().unwrap(), 251);
        let wrong = WatchRequest { filter: "proc.nane=x".to_owned(), ..request(0) };
        assert_eq!(onlookers.look(&wrong).unwrap_err(), "filter: unknown field `proc.nane`");
    }
}
