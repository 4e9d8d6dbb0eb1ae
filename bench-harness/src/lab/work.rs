//! What a benchmark does, as much of it as is wanted, with all that its runs share.

use std::collections::BTreeMap;

use anyhow::{Context as _, Result};
use tempfile::TempDir;

use super::definition::{Bench, Engine, Idle, Kind, Replay, Storm};
use super::sample::Sample;
use super::values::Values;
use super::{idle, replay, storm};

/// A try makes so many times less.
const QUICK: u64 = 100;
/// Less is over before the clock has moved.
const LEAST: u64 = 1_000;

/// A benchmark that can be run.
#[derive(Debug)]
pub(crate) struct Work {
    what: What,
    values: Values,
    /// Files that all runs read.
    _kept: TempDir,
}

#[derive(Debug)]
enum What {
    Storm(Storm),
    Idle(Idle),
    /// With the lines that engines print of it.
    Replay(Replay, BTreeMap<String, u64>),
}

/// All of what a definition says, or a try of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Extent {
    Whole,
    Quick,
}

impl Extent {
    fn of(self, n: u64) -> u64 {
        match self {
            Self::Whole => n,
            Self::Quick => (n / QUICK).max(LEAST.min(n)),
        }
    }
}

impl Work {
    /// Finds and makes what the runs need.
    ///
    /// # Errors
    /// It is not to be had.
    pub(crate) fn prepare(
        bench: &Bench,
        engines: &[&Engine],
        values: &Values,
        extent: Extent,
    ) -> Result<Self> {
        let mut values = values.clone();
        let kept = folder()?;
        let what = match bench.kind() {
            Kind::Storm(storm) => {
                values.find(storm.command.iter())?;
                let storm = Storm { count: extent.of(storm.count), ..storm.clone() };
                let (storm, paced) = storm::paced(&storm, &values, kept.path())?;
                values = paced;
                What::Storm(storm)
            }
            Kind::Idle(idle) => What::Idle(idle.clone()),
            Kind::Replay(replay) => {
                values.find(replay.record.iter())?;
                let replay = Replay { events: extent.of(replay.events), ..replay.clone() };
                values = replay::prepare(&replay, &values, kept.path())?;
                let mut lines = BTreeMap::new();
                for engine in engines.iter().filter(|e| e.prints) {
                    let n = replay::n_lines(engine, &values, kept.path())?;
                    lines.insert(engine.name.clone(), n);
                }
                What::Replay(replay, lines)
            }
        };
        Ok(Self { what, values, _kept: kept })
    }

    /// One run; what fails is a sample, too.
    ///
    /// # Errors
    /// There is no room for a folder.
    pub(crate) fn run(&self, bench: &Bench, engine: &Engine, round: u32) -> Result<Sample> {
        let Self { what, values, _kept } = self;
        let dir = folder()?;
        let done = match what {
            What::Storm(storm) => storm::run(storm, engine, values, dir.path()),
            What::Idle(idle) => idle::run(idle, engine, values, dir.path()),
            What::Replay(replay, lines) => {
                let lines = lines.get(&engine.name).copied();
                replay::run(replay, engine, values, dir.path(), lines)
            }
        };
        let failed = |e| Sample { wrong: vec![format!("{e:#}")], ..Sample::default() };
        let sample = done.unwrap_or_else(failed);
        Ok(Sample { bench: bench.name.clone(), engine: engine.name.clone(), round, ..sample })
    }
}

/// A folder that goes with who has it.
fn folder() -> Result<TempDir> {
    let dir = tempfile::Builder::new().prefix("peregrine-bench.").tempdir();
    dir.context("no folder can be made for a run")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_try_is_a_hundredth_but_not_nothing() {
        for (n, want) in [(5_000_000, 50_000), (3_000, 1_000), (200, 200)] {
            assert_eq!((Extent::Whole.of(n), Extent::Quick.of(n)), (n, want));
        }
    }
}
