//! `peregrine-bench compare`: two records, figure by figure.

use std::fmt::Write as _;
use std::path::PathBuf;

use anyhow::{Result, ensure};
use clap::Args;

use super::figure::{Better, FIGURES, Statistic};
use super::record::Recorded;
use super::report::number;
use super::sample::summary;

/// Options of `peregrine-bench compare`.
#[derive(Args, Debug)]
pub(crate) struct Compare {
    /// Folder of the older record
    old: PathBuf,
    /// Folder of the newer record
    new: PathBuf,
    /// How much worse a figure may be, in percent
    #[arg(long, value_name = "PERCENT", default_value_t = 5.0)]
    tolerance: f64,
    /// Only figures whose names begin so
    #[arg(long, value_name = "NAME", default_value = "")]
    figure: String,
}

/// A figure that both records have.
#[derive(Debug, PartialEq)]
struct Row {
    name: String,
    old: f64,
    new: f64,
    /// Above 1 is worse, whichever way the figure is better.
    worse: f64,
}

impl Compare {
    /// Prints the rows; false where one is worse by more than the tolerance.
    ///
    /// # Errors
    /// One is no record, or they have nothing in common.
    pub(crate) fn run(&self) -> Result<bool> {
        let (old, new) = (Recorded::read(&self.old)?, Recorded::read(&self.new)?);
        if (&old.machine.cpu, old.machine.n_cpus) != (&new.machine.cpu, new.machine.n_cpus) {
            println!("note: the records are of different machines");
        }
        let mut rows = rows(&old, &new);
        rows.retain(|r| r.name.split(' ').next_back().is_some_and(|f| f.starts_with(&self.figure)));
        ensure!(!rows.is_empty(), "the records have no figure in common");
        let limit = 1.0 + self.tolerance / 100.0;
        print!("{}", table(&rows, limit));
        Ok(rows.iter().all(|r| r.worse <= limit))
    }
}

/// Best rounds, since noise only adds.
fn rows(old: &Recorded, new: &Recorded) -> Vec<Row> {
    let mut rows = Vec::new();
    for bench in &new.definitions.benches {
        for engine in &bench.engines {
            for figure in &FIGURES {
                let of = |r: &Recorded| {
                    let summary = summary(&r.samples, &bench.name, engine, figure.name)?;
                    Some(summary.get(Statistic::Best))
                };
                let (Some(old), Some(new)) = (of(old), of(new)) else { continue };
                let worse = match figure.better {
                    Better::Less => new / old,
                    Better::More => old / new,
                };
                // Nothing has become nothing.
                let worse = if worse.is_nan() { 1.0 } else { worse };
                let name = format!("{} {engine} {}", bench.name, figure.name);
                rows.push(Row { name, old, new, worse });
            }
        }
    }
    rows
}

fn table(rows: &[Row], limit: f64) -> String {
    let mut text = "| figure | old | new | ratio | |\n|---|---|---|---|---|\n".to_owned();
    for Row { name, old, new, worse } in rows {
        let verdict = if *worse > limit { "WORSE" } else { "" };
        let (old, new) = (number(*old), number(*new));
        let _infallible = writeln!(text, "| {name} | {old} | {new} | {worse:.3} | {verdict} |");
    }
    let n_worse = rows.iter().filter(|r| r.worse > limit).count();
    text + &format!("compare: {} figures, {n_worse} worse\n", rows.len())
}
