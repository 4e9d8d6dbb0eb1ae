//! `peregrine-bench measure`: every benchmark with every engine, in turns.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Result, bail};
use clap::Args;

use super::bars;
use super::definition::{Bench, Definitions, Engine};
use super::machine::{self, Machine};
use super::record::{Recorded, Writer};
use super::report;
use super::rounds::interleaved;
use super::sample::Sample;
use super::values::Values;
use super::work::{Extent, Work};
use crate::process::output;

/// Options of `peregrine-bench measure`.
#[derive(Args, Debug)]
pub(crate) struct Measure {
    #[command(flatten)]
    options: Options,
    /// Where the runs are written
    #[arg(long, value_name = "DIR", default_value = "target/bench")]
    out: PathBuf,
    /// List benchmarks and engines, run nothing
    #[arg(long)]
    list: bool,
}

/// What is measured, and with what.
#[derive(Args, Debug)]
pub(crate) struct Options {
    /// Only these benchmarks, by name or how it begins; all where none is given
    names: Vec<String>,
    /// Only these engines, by name or how it begins; repeatable
    #[arg(long = "engine", value_name = "NAME")]
    engines: Vec<String>,
    /// Folder of definitions
    #[arg(long, value_name = "DIR", default_value = concat!(env!("CARGO_MANIFEST_DIR"), "/definitions"))]
    definitions: PathBuf,
    /// Rounds in place of those that the definitions say
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=1000))]
    rounds: Option<u32>,
    /// A try of a few seconds: one round, a hundredth of the counts; its figures mean little, and no bar is held
    #[arg(long)]
    quick: bool,
    /// What {NAME} stands for in definitions; repeatable
    #[arg(long = "set", value_name = "NAME=VALUE")]
    set: Vec<String>,
}

impl Measure {
    /// Measures and prints; false where a run went wrong, or a bar was missed by more than a try.
    ///
    /// # Errors
    /// The definitions are wrong, or nothing can be written.
    pub(crate) fn run(&self) -> Result<bool> {
        if self.list {
            let definitions = Definitions::read(&self.options.definitions)?;
            for bench in self.options.wanted(&definitions)? {
                println!("{}: {} rounds of {}", bench.name, bench.rounds, bench.engines.join(", "));
            }
            return Ok(true);
        }
        let recorded = self.options.measure(Machine::here(), &self.out)?;
        print!("{}", report::tables(&recorded));
        let is_missed = bars::all(&recorded).iter().any(|b| b.is_met() == Some(false));
        Ok(recorded.is_sound() && (self.options.quick || !is_missed))
    }
}

fn is_chosen(chosen: &[String], name: &str) -> bool {
    chosen.is_empty() || chosen.iter().any(|c| name.starts_with(c.as_str()))
}

impl Options {
    fn wanted<'a>(&self, definitions: &'a Definitions) -> Result<Vec<&'a Bench>> {
        let benches = definitions.benches.iter();
        let wanted: Vec<&Bench> = benches.filter(|b| is_chosen(&self.names, &b.name)).collect();
        if wanted.is_empty() {
            bail!("no benchmark is called {}; --list names them", self.names.join(" or "));
        }
        Ok(wanted)
    }

    /// Measures into a folder.
    ///
    /// # Errors
    /// The definitions are wrong, or the folder cannot be written.
    pub(crate) fn measure(&self, mut machine: Machine, dir: &Path) -> Result<Recorded> {
        let definitions = Definitions::read(&self.definitions)?;
        let wanted = self.wanted(&definitions)?;
        let values = Values::given(&self.set)?;
        let mut values = values.with("definitions", self.definitions.canonicalize()?.display());
        machine.is_quick = self.quick;
        let mut there = BTreeMap::new();
        for name in wanted.iter().flat_map(|b| &b.engines) {
            let is_new = !there.contains_key(name.as_str()) && !machine.missing.contains_key(name);
            if !is_new || !is_chosen(&self.engines, name) {
                continue;
            }
            let engine = &definitions.engines[name];
            match look_at(engine, &mut values, &mut machine) {
                Ok(()) => drop(there.insert(name.as_str(), engine)),
                Err(e) => {
                    println!("skipped: {name}: {e:#}");
                    machine.missing.insert(name.clone(), format!("{e:#}"));
                }
            }
        }
        let mut writer = Writer::new(dir, &self.definitions)?;
        let mut samples = Vec::new();
        for bench in wanted {
            let names = bench.engines.iter().filter_map(|n| there.get(n.as_str()));
            let engines: Vec<&Engine> = names.copied().collect();
            if let Err(e) = self.bench(bench, &engines, &values, |sample| {
                writer.add(&sample)?;
                samples.push(sample);
                Ok(())
            }) {
                println!("skipped: {}: {e:#}", bench.name);
                machine.missing.insert(bench.name.clone(), format!("{e:#}"));
            }
        }
        machine.load_after = machine::load();
        writer.end(&machine)?;
        Ok(Recorded { machine, samples, definitions })
    }

    fn bench(
        &self,
        bench: &Bench,
        engines: &[&Engine],
        values: &Values,
        mut keep: impl FnMut(Sample) -> Result<()>,
    ) -> Result<()> {
        let extent = if self.quick { Extent::Quick } else { Extent::Whole };
        let work = Work::prepare(bench, engines, values, extent)?;
        let rounds = self.rounds.unwrap_or(if self.quick { 1 } else { bench.rounds });
        for (round, place) in interleaved(engines.len(), rounds) {
            let sample = work.run(bench, engines[place], round)?;
            println!("{}", line(&sample));
            keep(sample)?;
        }
        Ok(())
    }
}

/// Whether the engine is there: finds what its command lines need, asks its version and what its rules need.
fn look_at(engine: &Engine, values: &mut Values, machine: &mut Machine) -> Result<()> {
    let Engine { name, command, scoped, stats, version, needed, .. } = engine;
    values.find([command, scoped, stats, version, needed].into_iter().flatten())?;
    let ask = |command: &[String]| -> Result<Option<String>> {
        let words = values.fill(command)?;
        let Some((program, args)) = words.split_first() else { return Ok(None) };
        output(Command::new(program).args(args)).map(Some)
    };
    if let Some(version) = ask(version)? {
        let first = version.lines().next().unwrap_or_default();
        machine.engines.insert(name.clone(), first.trim().to_owned());
    }
    if let Some(needed) = ask(needed)? {
        machine.needed.insert(name.clone(), needed);
    }
    Ok(())
}

/// A run in one line.
fn line(sample: &Sample) -> String {
    let Sample { bench, engine, round, figures, counts: _, drops, wrong } = sample;
    let mut text = format!("{bench} {engine} #{}:", round + 1);
    for (name, n) in figures {
        let _infallible = write!(text, " {name} {}", report::number(*n));
    }
    let n_dropped: u64 = drops.values().sum();
    if n_dropped > 0 {
        let _infallible = write!(text, " DROPPED {n_dropped}");
    }
    if !wrong.is_empty() {
        let _infallible = write!(text, " WRONG: {}", wrong.join("; "));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_chosen_by_how_they_begin() {
        let chosen = ["storms/udp".to_owned()];
        assert!(is_chosen(&chosen, "storms/udpconnect") && !is_chosen(&chosen, "storms/tcp"));
        assert!(is_chosen(&[], "x"));
    }
}
