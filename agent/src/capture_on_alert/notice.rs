//! How the thread that delivers alerts tells the recorder of them: a bounded channel that never blocks.

use std::sync::Arc;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::time::Duration;

use bus::Unparker;
use perf::Counter;
use rules::{Alert, RuleInfo};

use crate::config::CaptureOnAlert;

/// Alerts that the recorder has not heard of yet.
const MAX_WAITING: usize = 1024;

/// An alert, as far as a recording goes by it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Notice {
    /// Number of the event, which live is its key.
    pub(super) evt_num: u64,
    /// Since the epoch.
    pub(super) ts_ns: u64,
    /// The recording goes on until then.
    pub(super) until_ns: u64,
    /// Whether it begins a recording where none is under way.
    pub(super) begins: bool,
}

impl Notice {
    pub(super) fn of(alert: &Alert, config: &CaptureOnAlert) -> Option<Self> {
        let Alert { rule, evt_num, ts_ns, .. } = alert;
        if &*rule.source == RuleInfo::INTERNAL {
            return None;
        }
        let duration = match rule.capture_duration_ms {
            0 => config.default_duration,
            ms => Duration::from_millis(ms),
        };
        let until_ns = ts_ns.saturating_add(u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX));
        let begins = config.every_rule || rule.capture;
        Some(Self { evt_num: *evt_num, ts_ns: *ts_ns, until_ns, begins })
    }
}

/// What is called with every alert.
pub(crate) type Teller = Box<dyn FnMut(&Alert) + Send>;

/// The end that is called with every alert, and the recorder's. `recorder` is woken; an alert without room is counted and not heard of.
pub(super) fn channel(
    config: CaptureOnAlert,
    recorder: Unparker,
    unheard: Arc<Counter>,
) -> (Teller, Receiver<Notice>) {
    let (tx, rx): (SyncSender<Notice>, _) = sync_channel(MAX_WAITING);
    let tell = move |alert: &Alert| {
        let Some(notice) = Notice::of(alert, &config) else { return };
        if tx.try_send(notice).is_ok() {
            recorder.wake();
        } else {
            unheard.add(1);
        }
    };
    (Box::new(tell), rx)
}
