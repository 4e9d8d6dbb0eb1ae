//! Says that a reload was refused: `Peregrine internal: reload failure`, Falco's `hot restart failure`.

use std::sync::Arc;

use perf::{Counter, Registry, boot_now_ns, to_epoch_ns};
use rules::{Alert, AlertValue, Priority};

use crate::internal_alerts::{self, InternalAlerts};
use crate::start::count;

/// Alerts of this kind that the outputs have received or still have to.
pub(crate) const RAISED: &str = "reload.alerts";

const RULE: &str = "Peregrine internal: reload failure";
/// Of the reasons the alert has the first; a drawing of many lines is cut.
const MAX_REASON_BYTES: usize = 2048;

/// A reload that was refused.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Failure<'a> {
    /// Each drawn, or one line.
    pub(crate) errors: &'a [String],
    /// What asked for it.
    pub(crate) asked_by: &'a str,
    /// Rules that stay in force.
    pub(crate) n_rules: usize,
    /// Theirs.
    pub(crate) generation: u64,
}

/// Raises the alerts.
pub(crate) struct ReloadAlerts {
    internal: InternalAlerts,
    realtime_offset_ns: i64,
    raised: Arc<Counter>,
}

impl ReloadAlerts {
    pub(crate) fn new(
        internal: InternalAlerts,
        realtime_offset_ns: i64,
        registry: &mut Registry,
    ) -> Self {
        Self { internal, realtime_offset_ns, raised: registry.counter(RAISED) }
    }

    /// `false` where the outputs have no room for it.
    pub(crate) fn raise(&mut self, failure: &Failure<'_>) -> bool {
        let ts_ns = to_epoch_ns(boot_now_ns(), self.realtime_offset_ns);
        let has_room = self.internal.raise(alert(failure, ts_ns));
        if has_room {
            self.raised.add(1);
        }
        has_room
    }
}

fn alert(failure: &Failure<'_>, ts_ns: u64) -> Alert {
    let Failure { errors, asked_by, n_rules, generation } = *failure;
    let first = errors.first().map_or("", |e| e.as_str());
    let reason = first.get(..first.floor_char_boundary(MAX_REASON_BYTES)).unwrap_or_default();
    let text = format!(
        "{RULE}: {}; {}, asked for by {asked_by}; {} in force, generation {generation}, as before",
        reason.lines().next().unwrap_or_default(),
        count(errors.len(), "error"),
        count(n_rules, "rule"),
    );
    let fields = vec![
        (Arc::from("reason"), AlertValue::Text(reason.to_owned())),
        (Arc::from("n_errors"), AlertValue::U64(errors.len() as u64)),
        (Arc::from("asked_by"), AlertValue::Text(asked_by.to_owned())),
        (Arc::from("n_rules"), AlertValue::U64(n_rules as u64)),
        (Arc::from("generation"), AlertValue::U64(generation)),
    ];
    internal_alerts::alert(RULE, Priority::Critical, text, fields, ts_ns)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_names_the_first_error_and_what_stays() {
        let errors = ["error: no such field\n --> a.yaml:3:14\n".to_owned(), "another".to_owned()];
        let failure =
            Failure { errors: &errors, asked_by: "a changed file", n_rules: 1, generation: 4 };
        let alert = alert(&failure, 7);
        assert_eq!(
            alert.output,
            "Peregrine internal: reload failure: error: no such field; 2 errors, asked for by a changed file; 1 rule in force, generation 4, as before"
        );
        assert_eq!((alert.rule.priority, alert.ts_ns), (Priority::Critical, 7));
        assert_eq!(alert.fields[0].1, AlertValue::Text(errors[0].clone()));
        let long = ["ä".repeat(MAX_REASON_BYTES)];
        let alert = super::alert(&Failure { errors: &long, ..failure }, 7);
        let AlertValue::Text(reason) = &alert.fields[0].1 else { panic!("a text") };
        assert_eq!(reason.len(), MAX_REASON_BYTES);
    }
}
