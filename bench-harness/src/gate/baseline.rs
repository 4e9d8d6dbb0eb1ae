//! The committed baseline and the comparison with it.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use anyhow::{Context, Result};
use clap::Args;
use serde::{Deserialize, Serialize};

/// How much may grow before the gate fails.
#[derive(Args, Clone, Copy, Debug)]
pub(crate) struct Tolerance {
    /// Instructions an event may grow by so much of the baseline
    #[arg(long = "tolerance-percent", value_name = "PERCENT", default_value_t = 2.0)]
    pub(crate) percent: f64,
    /// Allocations of a whole pass may grow by so many
    #[arg(long = "tolerance-allocations", value_name = "N", default_value_t = 0)]
    pub(crate) n_allocations: u64,
}

/// What was measured of one target.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Measure {
    /// The function that the target stands for.
    pub(crate) function: String,
    /// Events of one pass.
    pub(crate) n_events: u64,
    /// Instructions of one pass, everything called included, divided by the events; two decimals.
    pub(crate) instructions_per_event: f64,
    /// Allocations and reallocations of the whole pass.
    pub(crate) n_allocations: u64,
}

/// Instruction counts depend on the compiler and on which variants of library functions the CPU selects.
#[derive(Clone, Debug, Deserialize, PartialEq, Eq, Serialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Conditions {
    /// `rustc --version`.
    pub(crate) rustc: String,
    /// Whether the CPU has AVX2, which string searches select at run time.
    pub(crate) avx2: bool,
}

/// The file `gate/baseline.toml`.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Baseline {
    /// Under which it was recorded.
    pub(crate) conditions: Conditions,
    /// By name.
    pub(crate) measure: BTreeMap<String, Measure>,
    /// With --rules: instructions an event that each of the dearest rules costs.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub(crate) dearest: BTreeMap<String, f64>,
}

/// What the comparison says of one measure.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// Within the tolerance.
    Held,
    /// Better by more than the tolerance: worth recording.
    Better,
    /// Fails the gate; says why, with the function's name.
    Failed(String),
}

impl Baseline {
    /// Reads the file's text.
    ///
    /// # Errors
    /// Where it is no such TOML.
    pub(crate) fn parse(text: &str) -> Result<Self> {
        toml::from_str(text).context("the baseline cannot be read")
    }

    /// Reads the file.
    ///
    /// # Errors
    /// Where it cannot be read, or is no such TOML.
    pub(crate) fn read(file: &Path) -> Result<Self> {
        let text =
            fs::read_to_string(file).with_context(|| format!("cannot read {}", file.display()))?;
        Self::parse(&text)
    }

    /// The file's text.
    ///
    /// # Errors
    /// Never in practice: every value has a TOML form.
    pub(crate) fn to_text(&self) -> Result<String> {
        let body = toml::to_string(self).context("the baseline cannot be written")?;
        Ok(format!(
            "# Recorded by `peregrine-bench gate --update --reason TEXT`; the reasons are in reasons.log.\n{body}"
        ))
    }

    /// Compares every measure of either side, by name.
    pub(crate) fn compare(
        &self,
        now: &BTreeMap<String, Measure>,
        tolerance: Tolerance,
    ) -> Vec<(String, Verdict)> {
        let gone =
            self.measure.iter().filter(|(name, _)| !now.contains_key(*name)).map(|(name, was)| {
                let why = format!("{}: in the baseline, but no longer measured", was.function);
                (name.clone(), Verdict::Failed(why))
            });
        let there = now.iter().map(|(name, now)| {
            let verdict = match self.measure.get(name) {
                Some(was) => compare(was, now, tolerance),
                None => Verdict::Failed(format!("{}: not in the baseline", now.function)),
            };
            (name.clone(), verdict)
        });
        there.chain(gone).collect()
    }
}

fn compare(was: &Measure, now: &Measure, tolerance: Tolerance) -> Verdict {
    let change = percent(was.instructions_per_event, now.instructions_per_event);
    let mut why = Vec::new();
    if now.n_events != was.n_events {
        why.push(format!("{} events a pass, baseline {}", now.n_events, was.n_events));
    }
    if change > tolerance.percent {
        why.push(format!(
            "{:.2} instructions an event, baseline {:.2} ({change:+.2} %)",
            now.instructions_per_event, was.instructions_per_event
        ));
    }
    if now.n_allocations > was.n_allocations + tolerance.n_allocations {
        why.push(format!(
            "{} allocations in {} events, baseline {}",
            now.n_allocations, now.n_events, was.n_allocations
        ));
    }
    if !why.is_empty() {
        return Verdict::Failed(format!("{}: {}", now.function, why.join("; ")));
    }
    if change < -tolerance.percent || now.n_allocations < was.n_allocations {
        return Verdict::Better;
    }
    Verdict::Held
}

/// Growth from `was` to `now` in percent.
pub(crate) fn percent(was: f64, now: f64) -> f64 {
    if was == 0.0 {
        if now == 0.0 { 0.0 } else { f64::INFINITY }
    } else {
        (now - was) * 100.0 / was
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn measure(instructions_per_event: f64, n_allocations: u64) -> Measure {
        Measure {
            function: "event::f".to_owned(),
            n_events: 100,
            instructions_per_event,
            n_allocations,
        }
    }

    const USUAL: Tolerance = Tolerance { percent: 2.0, n_allocations: 0 };

    fn baseline(m: Measure) -> Baseline {
        Baseline {
            conditions: Conditions { rustc: "rustc 1.0".to_owned(), avx2: true },
            measure: BTreeMap::from([("f".to_owned(), m)]),
            dearest: BTreeMap::new(),
        }
    }

    fn check(now: Measure, want: impl Fn(&Verdict) -> bool) {
        let now = BTreeMap::from([("f".to_owned(), now)]);
        let verdicts = baseline(measure(1000.0, 3)).compare(&now, USUAL);
        assert!(matches!(&verdicts[..], [(name, v)] if name == "f" && want(v)), "{verdicts:?}");
    }

    fn failed_with(text: &str) -> impl Fn(&Verdict) -> bool {
        move |v| matches!(v, Verdict::Failed(why) if why.contains(text) && why.contains("event::f"))
    }

    #[test]
    fn two_percent_more_is_held_and_a_little_more_fails() {
        check(measure(1000.0, 3), |v| *v == Verdict::Held);
        check(measure(1020.0, 3), |v| *v == Verdict::Held);
        check(measure(1020.1, 3), failed_with("+2.01 %"));
    }

    #[test]
    fn one_allocation_more_fails_whatever_the_instructions() {
        check(measure(900.0, 4), failed_with("4 allocations"));
        check(measure(1000.0, 2), |v| *v == Verdict::Better);
    }

    #[test]
    fn a_wider_tolerance_holds_more() {
        let wide = Tolerance { percent: 10.0, n_allocations: 2 };
        let now = |m| BTreeMap::from([("f".to_owned(), m)]);
        let baseline = baseline(measure(1000.0, 3));
        assert_eq!(baseline.compare(&now(measure(1100.0, 5)), wide)[0].1, Verdict::Held);
        assert!(failed_with("+10.01 %")(&baseline.compare(&now(measure(1100.1, 3)), wide)[0].1));
        assert!(failed_with("6 alloc")(&baseline.compare(&now(measure(1000.0, 6)), wide)[0].1));
    }

    #[test]
    fn fewer_instructions_are_said() {
        check(measure(979.0, 3), |v| *v == Verdict::Better);
        check(measure(981.0, 3), |v| *v == Verdict::Held);
    }

    #[test]
    fn another_number_of_events_is_not_the_same_measure() {
        check(Measure { n_events: 99, ..measure(1000.0, 3) }, failed_with("99 events"));
    }

    #[test]
    fn a_new_and_a_vanished_measure_fail() {
        let now = BTreeMap::from([("g".to_owned(), measure(1.0, 0))]);
        let verdicts = baseline(measure(1.0, 0)).compare(&now, USUAL);
        assert_eq!(verdicts.len(), 2);
        assert!(failed_with("not in the baseline")(&verdicts[0].1), "{verdicts:?}");
        assert!(failed_with("no longer measured")(&verdicts[1].1), "{verdicts:?}");
    }

    #[test]
    fn the_file_round_trips() {
        let b = baseline(measure(12.34, 0));
        assert_eq!(Baseline::parse(&b.to_text().unwrap()).unwrap(), b);
        assert!(Baseline::parse("[measure.f]\nspeed = 3\n").is_err());
    }
}
