//! The program's own alerts: they go to the outputs as those of rules do, by a lane of their own.

use std::sync::Arc;

use bus::{Tx, Unparker};
use rules::{Alert, AlertMarks, AlertValue, Priority, RuleInfo};

/// What becomes of the program's own alerts.
pub(crate) struct InternalAlerts {
    lane: Tx<Alert>,
    /// Behind the lane: fields are dropped in their order.
    outputs: Outputs,
}

/// The outputs, which end when all lanes to them are gone, and may sleep.
struct Outputs(Unparker);

impl Drop for Outputs {
    fn drop(&mut self) {
        self.0.wake();
    }
}

impl InternalAlerts {
    /// By a lane to the outputs, and what wakes them.
    pub(crate) fn new(lane: Tx<Alert>, outputs: Unparker) -> Self {
        Self { lane, outputs: Outputs(outputs) }
    }

    /// Gives an alert to the outputs; `false` where they have no room for it.
    pub(crate) fn raise(&mut self, alert: Alert) -> bool {
        let Self { lane, outputs } = self;
        let has_room = lane.push(alert).is_ok();
        if has_room {
            outputs.0.wake();
        }
        has_room
    }
}

/// An alert without a rule or an event.
pub(crate) fn alert(
    name: &str,
    priority: Priority,
    output: String,
    fields: Vec<(Arc<str>, AlertValue)>,
    ts_ns: u64,
) -> Alert {
    let rule = RuleInfo::internal(name, priority);
    Alert { rule: Arc::new(rule), evt_num: 0, ts_ns, output, fields, marks: AlertMarks::default() }
}
