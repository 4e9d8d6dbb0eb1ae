//! What figures there are, and what many rounds of one come to.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// Whether less or more of a figure is better.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Better {
    Less,
    More,
}

/// A figure by name; its unit is in its name.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Figure {
    pub(crate) name: &'static str,
    pub(crate) better: Better,
    /// What a report says of it.
    pub(crate) about: &'static str,
}

const fn less(name: &'static str, about: &'static str) -> Figure {
    Figure { name, better: Better::Less, about }
}

const fn more(name: &'static str, about: &'static str) -> Figure {
    Figure { name, better: Better::More, about }
}

/// All of them, in the order of a report.
pub(crate) const FIGURES: [Figure; 19] = [
    more("events_per_s", "events of a recording that the engine reads, a second"),
    more(
        "events_per_cpu_s",
        "the same, a second of CPU time of all its threads: what one core does",
    ),
    more("lines_per_s", "lines that it prints of them, a second"),
    more("lines_per_cpu_s", "the same, a second of CPU time of all its threads"),
    less("ns_per_event", "time of the engine for each event of the recording"),
    less(
        "alert_p50_us",
        "from the time of an event until its alert came out of stdout, half of all",
    ),
    less("alert_p99_us", "the same, 99 of 100"),
    less("alert_p999_us", "the same, 999 of 1,000"),
    less("ns_per_call", "time of a storm for each of its calls"),
    less("cpu_ns_per_call", "CPU time of a storm for each of its calls"),
    more("cycles_per_s", "what a storm counts, a second, of all its threads"),
    less("dropped_events", "events that the engine lost during a storm"),
    less("engine_cpu_ns_per_event", "CPU time of the engine for each event that it was given"),
    less("engine_cpu_percent", "CPU time of the engine, of one core, while the storm lasted"),
    less("start_ms", "from the start of the program until it says that it is attached"),
    less("resident_kb", "memory of the engine at the end of the run"),
    less("peak_kb", "the most memory that the engine had"),
    less("idle_cpu_percent", "CPU time of the engine, of one core, with nothing to do"),
    less("idle_wakes_per_s", "times a second that a thread of the engine went to sleep"),
];

/// The figure of a name.
pub(crate) fn find(name: &str) -> Option<&'static Figure> {
    FIGURES.iter().find(|f| f.name == name)
}

/// What of many rounds is meant.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Statistic {
    /// The least of what should be little, the most of what should be much.
    Best,
    Median,
    Worst,
}

/// One figure over all rounds.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Summary {
    /// In rising order.
    rounds: Vec<f64>,
    better: Better,
}

impl Summary {
    /// `None` where there is no round.
    pub(crate) fn of(mut rounds: Vec<f64>, better: Better) -> Option<Self> {
        if rounds.is_empty() {
            return None;
        }
        rounds.sort_by(f64::total_cmp);
        Some(Self { rounds, better })
    }

    pub(crate) fn n(&self) -> usize {
        self.rounds.len()
    }

    /// Of an even number of rounds the median lies between the middle two.
    pub(crate) fn get(&self, statistic: Statistic) -> f64 {
        let (first, last) = (self.rounds[0], self.rounds[self.rounds.len() - 1]);
        match (statistic, self.better) {
            (Statistic::Median, _) => {
                let middle = self.rounds.len() / 2;
                if self.rounds.len() % 2 == 1 {
                    self.rounds[middle]
                } else {
                    f64::midpoint(self.rounds[middle - 1], self.rounds[middle])
                }
            }
            (Statistic::Best, Better::Less) | (Statistic::Worst, Better::More) => first,
            (Statistic::Best, Better::More) | (Statistic::Worst, Better::Less) => last,
        }
    }

    /// How far best and worst lie apart, as a part of the median.
    pub(crate) fn spread(&self) -> f64 {
        let (best, worst) = (self.get(Statistic::Best), self.get(Statistic::Worst));
        let median = self.get(Statistic::Median);
        if median == 0.0 { 0.0 } else { (worst - best).abs() / median }
    }
}

/// What one run gave, by the figure's name.
pub(crate) type Figures = BTreeMap<String, f64>;

#[cfg(test)]
mod tests {
    use super::*;

    fn check(rounds: &[f64], better: Better, want: [f64; 4]) {
        let s = Summary::of(rounds.to_vec(), better).unwrap();
        let got =
            [s.get(Statistic::Best), s.get(Statistic::Median), s.get(Statistic::Worst), s.spread()];
        for (got, want) in got.iter().zip(want) {
            assert!((got - want).abs() < 1e-9, "{rounds:?}: {got} is not {want}");
        }
    }

    #[test]
    fn rounds_come_to_best_median_worst_and_spread() {
        check(&[5.0, 4.0, 7.0], Better::Less, [4.0, 5.0, 7.0, 0.6]);
        check(&[5.0, 4.0, 7.0], Better::More, [7.0, 5.0, 4.0, 0.6]);
        check(&[3.0, 1.0, 2.0, 10.0], Better::Less, [1.0, 2.5, 10.0, 3.6]);
        check(&[2.0], Better::More, [2.0, 2.0, 2.0, 0.0]);
        check(&[0.0, 0.0], Better::Less, [0.0; 4]);
        assert_eq!(Summary::of(Vec::new(), Better::Less), None);
    }

    #[test]
    fn every_figure_is_there_once() {
        for figure in FIGURES {
            assert_eq!(FIGURES.iter().filter(|f| f.name == figure.name).count(), 1);
        }
    }
}
