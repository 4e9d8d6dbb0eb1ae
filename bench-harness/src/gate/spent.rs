//! What each function spends of a target's instructions and allocations, kept beside the baseline so that a failure can name the one that grew.

use std::cmp::Ordering;
use std::collections::BTreeMap;
use std::fs;
use std::io::ErrorKind;
use std::path::Path;

use anyhow::{Context, Result};
use serde::{Deserialize, Serialize};

use super::profile::Profile;

/// Functions that have less than this part of a target's instructions are not kept.
const KEPT_FROM: f64 = 0.005;

/// By function of a target.
#[derive(Clone, Debug, Default, Deserialize, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Spent {
    /// Instructions of its own per event; two decimals.
    own: BTreeMap<String, f64>,
    /// Calls that led to an allocation, in the whole pass.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    allocating: BTreeMap<String, u64>,
}

/// The file `gate/functions.toml`.
#[derive(Clone, Debug, Default, Deserialize, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Functions {
    /// By name of the target.
    pub(crate) target: BTreeMap<String, Spent>,
}

/// What has become more.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Growth {
    pub(crate) function: String,
    pub(crate) was: f64,
    pub(crate) now: f64,
}

impl Functions {
    /// Reads the file; without one nothing is known of before.
    ///
    /// # Errors
    /// Where it is there and cannot be read.
    pub(crate) fn read(file: &Path) -> Result<Self> {
        match fs::read_to_string(file) {
            Ok(text) => Self::parse(&text),
            Err(e) if e.kind() == ErrorKind::NotFound => Ok(Self::default()),
            Err(e) => Err(e).with_context(|| format!("cannot read {}", file.display())),
        }
    }

    fn parse(text: &str) -> Result<Self> {
        toml::from_str(text).context("the functions beside the baseline cannot be read")
    }

    pub(crate) fn to_text(&self) -> Result<String> {
        let body = toml::to_string(self).context("the functions cannot be written")?;
        Ok(format!(
            "# Written with the baseline, to name the function that grew. Instructions of its own per event; those below {} % of a target are left out.\n{body}",
            KEPT_FROM * 100.0
        ))
    }
}

impl Spent {
    pub(crate) fn of(profile: Profile, n_events: u64) -> Self {
        let Profile { own, allocating } = profile;
        let per_event = |n: u64| (n as f64 / n_events as f64 * 100.0).round() / 100.0;
        Self { own: own.into_iter().map(|(f, n)| (f, per_event(n))).collect(), allocating }
    }

    /// Without functions that have next to nothing.
    pub(crate) fn worth_keeping(mut self) -> Self {
        let least = self.own.values().sum::<f64>() * KEPT_FROM;
        self.own.retain(|_, n| *n >= least);
        self
    }

    /// The functions whose own instructions grew most, most first.
    pub(crate) fn grown(&self, now: &Self) -> Vec<Growth> {
        let growth = now.own.iter().map(|(function, &now)| Growth {
            function: function.clone(),
            was: self.own.get(function).copied().unwrap_or(0.0),
            now,
        });
        most_first(growth)
    }

    /// The functions that allocate more often, most first.
    pub(crate) fn allocating_more(&self, now: &Self) -> Vec<Growth> {
        let growth = now.allocating.iter().map(|(function, &now)| Growth {
            function: function.clone(),
            was: self.allocating.get(function).copied().unwrap_or(0) as f64,
            now: now as f64,
        });
        most_first(growth)
    }
}

impl Growth {
    fn by(&self) -> f64 {
        self.now - self.was
    }
}

fn most_first(growth: impl Iterator<Item = Growth>) -> Vec<Growth> {
    let mut growth: Vec<Growth> = growth.filter(|g| g.by() > 0.0).collect();
    growth.sort_by(|a, b| b.by().partial_cmp(&a.by()).unwrap_or(Ordering::Equal));
    growth
}

#[cfg(test)]
mod tests {
    use super::*;

    fn spent(own: &[(&str, u64)], allocating: &[(&str, u64)]) -> Spent {
        let counts = |all: &[(&str, u64)]| all.iter().map(|&(f, n)| (f.to_owned(), n)).collect();
        Spent::of(Profile { own: counts(own), allocating: counts(allocating) }, 10)
    }

    fn names(growth: &[Growth]) -> Vec<&str> {
        growth.iter().map(|g| g.function.as_str()).collect()
    }

    #[test]
    fn the_function_that_grew_most_comes_first() {
        let was = spent(&[("a", 1000), ("b", 1000), ("c", 1000)], &[("a", 1)]);
        let now = spent(&[("a", 1100), ("b", 900), ("c", 1500), ("d", 200)], &[("a", 1), ("b", 2)]);
        assert_eq!(names(&was.grown(&now)), ["c", "d", "a"]);
        assert_eq!(was.grown(&now)[0], Growth { function: "c".into(), was: 100.0, now: 150.0 });
        assert_eq!(names(&was.allocating_more(&now)), ["b"]);
    }

    #[test]
    fn what_has_next_to_nothing_is_not_kept_and_the_rest_round_trips() {
        let kept = spent(&[("a", 10_000), ("b", 40), ("c", 60)], &[("c", 1)]).worth_keeping();
        let functions = Functions { target: [("t".to_owned(), kept)].into() };
        let text = functions.to_text().unwrap();
        assert!(text.contains("a = 1000.0") && !text.contains("b = "), "{text}");
        assert_eq!(Functions::parse(&text).unwrap(), functions);
    }
}
