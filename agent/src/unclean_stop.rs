//! Says that the run before did not come to its own end, and which alerts may lack for it: `Peregrine internal: unclean stop`.

use std::fmt::Write as _;
use std::sync::Arc;

use outputs::{Outbox, Recovery, UncleanStop};
use perf::Registry;
use rules::{Alert, AlertValue, Priority};

use crate::internal_alerts::{self, InternalAlerts};

/// Alerts of this kind that the outputs have received or still have to.
pub(crate) const RAISED: &str = "outbox.alerts";

const RULE: &str = "Peregrine internal: unclean stop";

/// Raises the alert, as the first of the run. `in_lanes`: alerts that the lanes to the outputs had room for.
pub(crate) fn raise(
    stop: &UncleanStop,
    in_lanes: u64,
    mut internal: InternalAlerts,
    registry: &mut Registry,
) {
    let raised = registry.counter(RAISED);
    if internal.raise(alert(stop, in_lanes)) {
        raised.add(1);
    }
}

fn alert(stop: &UncleanStop, in_lanes: u64) -> Alert {
    let UncleanStop { last, last_ns, found_ns, max_lost, torn_bytes } = stop;
    let max_lost = max_lost + in_lanes;
    let mut text = format!("{RULE}: the run before was killed, or its machine stopped; ");
    let mut fields: Vec<(Arc<str>, AlertValue)> = Vec::new();
    match last {
        Some(id) => {
            let seconds = found_ns.saturating_sub(*last_ns) as f64 / 1e9;
            let _infallible = write!(
                text,
                "the last alert that is kept is {id}, {seconds:.1} s before this start; "
            );
            fields.push(("last_id".into(), AlertValue::Text(id.to_string())));
            fields.push(("last_time_ns".into(), AlertValue::U64(*last_ns)));
        }
        None => text.push_str("no alert of it is kept; "),
    }
    let _infallible = write!(
        text,
        "what happened since may lack one, and {max_lost} alerts at most were in memory"
    );
    fields.push(("found_time_ns".into(), AlertValue::U64(*found_ns)));
    fields.push(("max_lost".into(), AlertValue::U64(max_lost)));
    fields.push(("torn_bytes".into(), AlertValue::U64(*torn_bytes)));
    internal_alerts::alert(RULE, Priority::Warning, text, fields, *found_ns)
}

/// What is to be said at the start of what was found in the outbox.
pub(crate) fn found(outbox: &Outbox) -> Option<String> {
    let Recovery { n_corrupt, corrupt_bytes, n_lost_cursors, .. } = *outbox.recovery();
    let mut parts = Vec::new();
    if n_corrupt > 0 {
        parts.push(format!("{corrupt_bytes} bytes in {n_corrupt} places are damaged and skipped"));
    }
    if n_lost_cursors > 0 {
        parts.push(format!("{n_lost_cursors} outputs get again whatever it has"));
    }
    (!parts.is_empty()).then(|| format!("outbox: {}", parts.join("; ")))
}

#[cfg(test)]
mod tests {
    use outputs::AlertId;

    use super::*;

    #[test]
    fn it_says_how_far_the_gap_reaches() {
        let stop = UncleanStop {
            last: Some(AlertId { epoch: 255, sequence: 7 }),
            last_ns: 1_500_000_000,
            found_ns: 4_000_000_000,
            max_lost: 100,
            torn_bytes: 3,
        };
        let text = alert(&stop, 20).output;
        assert_eq!(
            text,
            "Peregrine internal: unclean stop: the run before was killed, or its machine stopped; the last alert that is kept is ff-7, \
             2.5 s before this start; what happened since may lack one, and 120 alerts at most were in memory"
        );
        let none = alert(&UncleanStop { last: None, ..stop }, 0);
        assert!(none.output.contains("no alert of it is kept"), "{}", none.output);
        assert_eq!(none.fields.len(), 3);
    }
}
