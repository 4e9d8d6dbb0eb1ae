//! How long alerts took: from the time that an event has, which the kernel side gave it, until its line came out of the engine's stdout.

use serde_json::Value;

use super::engine::Arrival;
use super::sample::Sample;

/// Adds the percentiles of all alerts; there have to be as many as `want`.
pub(crate) fn account(sample: &mut Sample, arrivals: &[Arrival], want: u64) {
    let mut us: Vec<f64> = arrivals.iter().filter_map(latency_us).collect();
    us.sort_by(f64::total_cmp);
    sample.counts.insert("alerts".to_owned(), us.len() as u64);
    if us.len() as u64 != want {
        sample.wrong.push(format!("{} alerts with a time came, not {want}", us.len()));
    }
    for (name, part) in [("alert_p50_us", 0.5), ("alert_p99_us", 0.99), ("alert_p999_us", 0.999)] {
        if let Some(us) = percentile(&us, part) {
            sample.figures.insert(name.to_owned(), us);
        }
    }
}

/// `None` for a line that is no alert, or one without `evt.time`.
fn latency_us(arrival: &Arrival) -> Option<f64> {
    let alert: Value = serde_json::from_str(&arrival.line).ok()?;
    let event_ns = alert["output_fields"]["evt.time"].as_u64()?;
    // The clocks of event and arrival may differ by a little.
    Some((arrival.at_ns as i64 - event_ns as i64) as f64 / 1e3)
}

/// The least value that so large a part of all does not exceed.
fn percentile(sorted: &[f64], part: f64) -> Option<f64> {
    let rank = (sorted.len() as f64 * part).ceil() as usize;
    sorted.get(rank.saturating_sub(1)).copied()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn alerts_are_told_by_their_times() {
        let arrival = |ms: u64| Arrival {
            at_ns: 1_700_000_000_000_000_000 + ms * 1_000_000,
            line: r#"{"rule":"r","output_fields":{"evt.time":1700000000000000000}}"#.to_owned(),
        };
        let mut arrivals: Vec<Arrival> = (1..=1000).rev().map(arrival).collect();
        arrivals.push(Arrival { at_ns: 1, line: "Falco initialized".to_owned() });
        let mut sample = Sample::default();
        account(&mut sample, &arrivals, 1000);
        let figures: Vec<f64> = sample.figures.values().copied().collect();
        assert_eq!((figures, sample.wrong.len()), (vec![500_000.0, 999_000.0, 990_000.0], 0));
        account(&mut sample, &arrivals, 1001);
        assert_eq!(sample.wrong, ["1000 alerts with a time came, not 1001"]);
        let mut sample = Sample::default();
        account(&mut sample, &[], 1);
        assert!(sample.figures.is_empty() && !sample.wrong.is_empty());
    }
}
