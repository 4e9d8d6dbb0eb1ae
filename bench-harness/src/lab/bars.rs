//! What figures must be, and whether they are.

use super::definition::Bar;
use super::figure::Statistic;
use super::record::Recorded;
use super::sample::{Sample, summary};

/// A bar of a benchmark with what was measured.
#[derive(Debug)]
pub(crate) struct Held<'a> {
    pub(crate) bench: &'a str,
    pub(crate) bar: &'a Bar,
    /// `None` where one of the engines was not measured.
    pub(crate) is: Option<f64>,
}

/// The bars of every benchmark of a record of which there is any run.
pub(crate) fn all(recorded: &Recorded) -> Vec<Held<'_>> {
    let Recorded { machine: _, samples, definitions } = recorded;
    let benches = definitions.benches.iter();
    let measured = benches.filter(|b| samples.iter().any(|s| s.bench == b.name));
    let held = measured.flat_map(|bench| {
        let name = bench.name.as_str();
        bench.must.iter().map(move |bar| Held { bench: name, bar, is: value(samples, name, bar) })
    });
    held.collect()
}

fn value(samples: &[Sample], bench: &str, bar: &Bar) -> Option<f64> {
    let statistic = bar.of.unwrap_or(Statistic::Best);
    let of = |engine: &str| Some(summary(samples, bench, engine, &bar.figure)?.get(statistic));
    let own = of(&bar.engine)?;
    Some(match (&bar.against, &bar.minus) {
        (Some(other), _) => own / of(other)?,
        (None, Some(other)) => own - of(other)?,
        (None, None) => own,
    })
}

impl Held<'_> {
    /// `None` where there is nothing to say.
    pub(crate) fn is_met(&self) -> Option<bool> {
        let is = self.is?;
        let Bar { at_most, at_least, .. } = self.bar;
        Some(at_most.is_none_or(|n| is <= n) && at_least.is_none_or(|n| is >= n))
    }

    /// `met`, `MISSED` or `not measured`.
    pub(crate) fn verdict(&self) -> &'static str {
        match self.is_met() {
            Some(true) => "met",
            Some(false) => "MISSED",
            None => "not measured",
        }
    }

    /// `<= 1.40`.
    pub(crate) fn must(&self) -> String {
        let Bar { at_most, at_least, .. } = self.bar;
        match (at_most, at_least) {
            (Some(n), _) => format!("<= {}", super::report::number(*n)),
            (None, n) => format!(">= {}", super::report::number(n.unwrap_or(0.0))),
        }
    }
}
