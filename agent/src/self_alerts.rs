//! Says what is done to the agent itself and no rule can see: `Peregrine internal: control socket refused`, `outbox nearly full`, `outbox full`,
//! `outbox directory changed`.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use capture::SocketPeer;
use perf::{Counter, Registry, boot_now_ns, to_epoch_ns};
use rules::{AlertValue, Priority};

use crate::internal_alerts::{self, InternalAlerts};
use crate::start::count;

/// Alerts of this kind that the outputs have received or still have to.
pub(crate) const RAISED: &str = "self.alerts";
/// Clients of the control socket that may not ask.
const REFUSED: &str = "control.refused";

/// Of refused clients no more than one alert in so long.
const REFUSALS_EVERY: Duration = Duration::from_mins(1);

/// Raises the alerts, until the end is told. Shared by whoever has something to say.
#[derive(Clone)]
pub(crate) struct SelfAlerts(Arc<Mutex<Option<Raising>>>, Arc<Counter>);

struct Raising {
    internal: InternalAlerts,
    realtime_offset_ns: i64,
    raised: Arc<Counter>,
    refusals: Refusals,
}

/// What an alert says.
#[derive(Debug, PartialEq)]
pub(crate) struct Said {
    /// Behind `Peregrine internal: `.
    pub(crate) what: &'static str,
    pub(crate) priority: Priority,
    pub(crate) text: String,
    pub(crate) fields: Vec<(&'static str, AlertValue)>,
}

impl SelfAlerts {
    pub(crate) fn new(
        internal: InternalAlerts,
        realtime_offset_ns: i64,
        registry: &mut Registry,
    ) -> Self {
        let raised = registry.counter(RAISED);
        let refusals = Refusals::default();
        let raising = Raising { internal, realtime_offset_ns, raised, refusals };
        Self(Arc::new(Mutex::new(Some(raising))), registry.counter(REFUSED))
    }

    /// Raises an alert; `false` where the outputs have no room for it, or have ended.
    pub(crate) fn raise(&self, said: Said) -> bool {
        // Nothing that can panic happens between its changes.
        let mut raising = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        raising.as_mut().is_some_and(|raising| raising.raise(said))
    }

    /// Counts a client that may not ask, and tells of it unless that was told of another a moment ago.
    pub(crate) fn refused(&self, peer: SocketPeer) {
        self.1.add(1);
        let mut raising = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(raising) = raising.as_mut()
            && let Some(said) = raising.refusals.tell(peer, Instant::now())
            && !raising.raise(said)
        {
            // Still owed: the next one tells of this one too.
            raising.refusals.was_not_told();
        }
    }

    /// Raises no more: the outputs end when nobody can raise any.
    pub(crate) fn end(&self) {
        drop(self.0.lock().unwrap_or_else(PoisonError::into_inner).take());
    }
}

impl Raising {
    fn raise(&mut self, said: Said) -> bool {
        let Said { what, priority, text, fields } = said;
        let rule = format!("Peregrine internal: {what}");
        let fields = fields.into_iter().map(|(name, value)| (name.into(), value)).collect();
        let text = format!("{rule}: {text}");
        let ts_ns = to_epoch_ns(boot_now_ns(), self.realtime_offset_ns);
        let has_room =
            self.internal.raise(internal_alerts::alert(&rule, priority, text, fields, ts_ns));
        if has_room {
            self.raised.add(1);
        }
        has_room
    }
}

/// Clients that were refused, and when that was told last.
#[derive(Debug, Default)]
struct Refusals {
    told_at: Option<Instant>,
    n_untold: u64,
}

impl Refusals {
    fn tell(&mut self, peer: SocketPeer, now: Instant) -> Option<Said> {
        if self.told_at.is_some_and(|at| now.saturating_duration_since(at) < REFUSALS_EVERY) {
            self.n_untold += 1;
            return None;
        }
        self.told_at = Some(now);
        let n_before = std::mem::take(&mut self.n_untold);
        let SocketPeer { pid, uid } = peer;
        let before = match n_before {
            0 => String::new(),
            n => format!(", and {} since this was last told", count(n as usize, "other")),
        };
        Some(Said {
            what: "control socket refused",
            priority: Priority::Critical,
            text: format!("user {uid} asked by process {pid} and may not{before}"),
            fields: vec![
                ("uid", AlertValue::U64(uid.into())),
                ("pid", AlertValue::I64(pid.into())),
                ("n_others", AlertValue::U64(n_before)),
            ],
        })
    }

    fn was_not_told(&mut self) {
        self.told_at = None;
        self.n_untold += 1;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn refusals_are_told_once_a_minute_and_none_is_forgotten() {
        let mut refusals = Refusals::default();
        let (begin, peer) = (Instant::now(), SocketPeer { pid: 7, uid: 1000 });
        let mut text = |second: u64| {
            let said = refusals.tell(peer, begin + Duration::from_secs(second));
            said.map(|said| said.text)
        };
        assert_eq!(text(0).as_deref(), Some("user 1000 asked by process 7 and may not"));
        assert_eq!((text(1), text(59)), (None, None));
        assert_eq!(
            text(60).as_deref(),
            Some("user 1000 asked by process 7 and may not, and 2 others since this was last told")
        );
        assert_eq!(text(61), None);
    }

    #[test]
    fn what_the_outputs_had_no_room_for_is_told_with_the_next() {
        let mut refusals = Refusals::default();
        let (now, peer) = (Instant::now(), SocketPeer { pid: 7, uid: 1000 });
        assert!(refusals.tell(peer, now).is_some());
        refusals.was_not_told();
        let again = refusals.tell(peer, now).unwrap();
        assert!(again.text.ends_with(", and 1 other since this was last told"), "{}", again.text);
    }
}
