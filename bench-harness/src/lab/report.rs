//! `peregrine-bench report`: a record as Markdown, with a chart of each benchmark.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result};
use clap::Args;

use super::bars;
use super::definition::Bench;
use super::figure::{FIGURES, Figure, Statistic, Summary};
use super::machine::Machine;
use super::record::Recorded;
use super::sample::{Sample, summary};
use super::svg;

/// Options of `peregrine-bench report`.
#[derive(Args, Debug)]
pub(crate) struct Report {
    /// Folder of a record
    record: PathBuf,
}

impl Report {
    /// Writes `report.md` and the charts into the record.
    ///
    /// # Errors
    /// It is no record, or it cannot be written.
    pub(crate) fn run(&self) -> Result<bool> {
        write(&Recorded::read(&self.record)?, &self.record)?;
        println!("{}", self.record.join("report.md").display());
        Ok(true)
    }
}

/// Writes the files.
///
/// # Errors
/// They cannot be written.
pub(crate) fn write(recorded: &Recorded, dir: &Path) -> Result<()> {
    let put = |name: &str, text: &str| {
        let file = dir.join(name);
        fs::write(&file, text).with_context(|| format!("cannot write {}", file.display()))
    };
    for bench in measured(recorded) {
        if let Some(chart) = chart(recorded, bench) {
            put(&chart_name(bench), &chart)?;
        }
    }
    put("report.md", &markdown(recorded))
}

fn measured(recorded: &Recorded) -> impl Iterator<Item = &Bench> {
    let has_run = |b: &&Bench| recorded.samples.iter().any(|s| s.bench == b.name);
    recorded.definitions.benches.iter().filter(has_run)
}

fn chart_name(bench: &Bench) -> String {
    format!("{}.svg", bench.name.replace('/', "-"))
}

/// The first figure that the benchmark has, in the order of all figures.
fn chart(recorded: &Recorded, bench: &Bench) -> Option<String> {
    let rows = |figure: &Figure| -> Vec<(&str, Summary)> {
        let of = |engine| summary(&recorded.samples, &bench.name, engine, figure.name);
        bench.engines.iter().filter_map(|e| Some((e.as_str(), of(e)?))).collect()
    };
    let (figure, rows) = FIGURES.iter().map(|f| (f, rows(f))).find(|(_, r)| !r.is_empty())?;
    Some(svg::chart(&format!("{}: {}", bench.name, figure.name), &rows))
}

fn markdown(recorded: &Recorded) -> String {
    let mut text = format!("# Record of {}\n\n", recorded.machine.date);
    text += &machine(&recorded.machine);
    text += &bars_table(recorded);
    for bench in measured(recorded) {
        let _infallible = write!(text, "## {}\n\n{}\n\n", bench.name, bench.analysis.trim());
        if chart(recorded, bench).is_some() {
            let _infallible = write!(text, "![{}]({})\n\n", bench.name, chart_name(bench));
        }
        text += &figures_table(recorded, bench);
        text += &counts_table(recorded, bench);
        text += &wrong(recorded, bench);
    }
    text += &legend(recorded);
    for (engine, needed) in &recorded.machine.needed {
        let _infallible = write!(
            text,
            "## What the rules of {engine} ask for\n\n```text\n{}\n```\n\n",
            needed.trim_end()
        );
    }
    text.truncate(text.trim_end().len());
    text + "\n"
}

/// What `measure` prints at its end: bars and figures.
pub(crate) fn tables(recorded: &Recorded) -> String {
    let mut text = format!("\n{}", bars_table(recorded));
    for bench in measured(recorded) {
        let _infallible = write!(text, "## {}\n\n", bench.name);
        text += &figures_table(recorded, bench);
        text += &counts_table(recorded, bench);
        text += &wrong(recorded, bench);
    }
    text
}

fn machine(machine: &Machine) -> String {
    let Machine {
        date: _,
        kernel,
        cpu,
        n_cpus,
        is_virtual,
        memory_kb,
        mitigations,
        load_before,
        load_after,
        is_quick,
        engines,
        missing,
        needed: _,
    } = machine;
    let mut text = String::new();
    if *is_quick {
        text += "**A try with small counts (`--quick`): its figures mean little.**\n\n";
    }
    text += "| machine | |\n|---|---|\n";
    let kind = if *is_virtual { ", a virtual machine" } else { "" };
    let mut row = |name: &str, value: &str| {
        let _infallible = writeln!(text, "| {name} | {value} |");
    };
    row("CPU", &format!("{n_cpus} x {cpu}{kind}"));
    row("memory", &format!("{} MB", memory_kb / 1024));
    row("kernel", kernel);
    let at_work = mitigations.iter().filter(|(_, m)| *m != "Not affected");
    let at_work: Vec<String> = at_work.map(|(name, m)| format!("{name}: {m}")).collect();
    row("mitigations", &at_work.join("; "));
    row("load before, after", &format!("{load_before}; {load_after}"));
    for (engine, version) in engines {
        row(engine, version);
    }
    for (engine, why) in missing {
        row(engine, &format!("not measured: {}", why.replace('\n', " ")));
    }
    text + "\n"
}

fn bars_table(recorded: &Recorded) -> String {
    let held = bars::all(recorded);
    if held.is_empty() {
        return String::new();
    }
    let mut text =
        "## Bars\n\n| benchmark | engine | what | must | is | |\n|---|---|---|---|---|---|\n"
            .to_owned();
    for bar in held {
        let is = bar.is.map_or("-".to_owned(), number);
        let _infallible = writeln!(
            text,
            "| {} | {} | {} | {} | {is} | {} |",
            bar.bench,
            bar.bar.engine,
            bar.bar.what,
            bar.must(),
            bar.verdict()
        );
    }
    text + "\n"
}

/// What the figures that there are mean.
fn legend(recorded: &Recorded) -> String {
    let mut text = "## Figures\n\nBest, median and spread are over all rounds; the spread is (worst - best) / median.\n\n".to_owned();
    for Figure { name, better: _, about } in &FIGURES {
        if recorded.samples.iter().any(|s| s.figures.contains_key(*name)) {
            let _infallible = writeln!(text, "- `{name}`: {about}");
        }
    }
    text + "\n"
}

fn figures_table(recorded: &Recorded, bench: &Bench) -> String {
    let first = &bench.engines[0];
    let has_figures = |s: &Sample| s.bench == bench.name && s.wrong.is_empty();
    if !recorded.samples.iter().any(has_figures) {
        return String::new();
    }
    let mut text = format!(
        "| figure | engine | best | median | spread | rounds | of {first} |\n|---|---|---|---|---|---|---|\n"
    );
    for figure in &FIGURES {
        let of = |engine: &str| summary(&recorded.samples, &bench.name, engine, figure.name);
        let base = of(first).map(|s| s.get(Statistic::Best));
        for engine in &bench.engines {
            let Some(summary) = of(engine) else { continue };
            let best = summary.get(Statistic::Best);
            let ratio = match base {
                Some(base) if engine != first && base > 0.0 => format!("{:.3}", best / base),
                _ => "-".to_owned(),
            };
            let _infallible = writeln!(
                text,
                "| {} | {engine} | {} | {} | {:.1} % | {} | {ratio} |",
                figure.name,
                number(best),
                number(summary.get(Statistic::Median)),
                100.0 * summary.spread(),
                summary.n()
            );
        }
    }
    text + "\n"
}

/// Counts of all rounds together that went right.
fn counts_table(recorded: &Recorded, bench: &Bench) -> String {
    let mut text = String::new();
    for engine in &bench.engines {
        let mut counts: BTreeMap<String, u64> = BTreeMap::new();
        for sample in of(recorded, bench, engine) {
            let drops = sample.drops.iter().map(|(reason, n)| (format!("dropped ({reason})"), n));
            for (name, n) in sample.counts.iter().map(|(name, n)| (name.clone(), n)).chain(drops) {
                *counts.entry(name).or_insert(0) += n;
            }
        }
        let counts: Vec<String> =
            counts.iter().map(|(name, n)| format!("{name} {}", grouped(*n))).collect();
        if !counts.is_empty() {
            let _infallible = writeln!(text, "- {engine}, all rounds: {}", counts.join(", "));
        }
    }
    if text.is_empty() { text } else { text + "\n" }
}

fn of<'a>(recorded: &'a Recorded, bench: &Bench, engine: &str) -> Vec<&'a Sample> {
    let is_of = |s: &&Sample| s.bench == bench.name && s.engine == engine && s.wrong.is_empty();
    recorded.samples.iter().filter(is_of).collect()
}

fn wrong(recorded: &Recorded, bench: &Bench) -> String {
    let mut text = String::new();
    for sample in recorded.samples.iter().filter(|s| s.bench == bench.name) {
        for wrong in &sample.wrong {
            let (engine, round) = (&sample.engine, sample.round + 1);
            let _infallible = writeln!(text, "- **{engine}, round {round}, not counted:** {wrong}");
        }
    }
    if text.is_empty() { text } else { text + "\n" }
}

/// Three digits that mean something, and all before the point.
pub(crate) fn number(n: f64) -> String {
    match n.abs() {
        a if a >= 1000.0 && n > 0.0 => grouped(n.round() as u64),
        a if a >= 100.0 => format!("{n:.0}"),
        a if a >= 10.0 => format!("{n:.1}"),
        _ => format!("{n:.2}"),
    }
}

fn grouped(n: u64) -> String {
    let digits = n.to_string();
    let mut text = String::new();
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}
