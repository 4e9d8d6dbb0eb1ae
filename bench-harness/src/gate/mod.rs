//! Compares instructions and allocations per event with a committed baseline. Counts repeat where times do not.
//!
//! `benches/gate.rs of each crate -> callgrind -> measures -> baseline.toml -> verdicts`

mod baseline;
mod measure;
mod profile;
mod rule_cost;
mod sources;
mod spent;

use std::collections::BTreeMap;
use std::fs::{self, OpenOptions};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

use anyhow::{Context, Result, ensure};
use clap::Args;

use self::baseline::{Baseline, Conditions, Measure, Tolerance, Verdict, percent};
use self::measure::{Target, targets};
use self::rule_cost::RuleArgs;
use self::sources::Sources;
use self::spent::{Functions, Growth, Spent};
use crate::process::{cargo_executables, output, which};

/// rustix looks for the kernel's clock page by itself, which valgrind hides only from libc: the program would crash.
const RUSTFLAGS: &str = "--cfg=rustix_use_libc";
/// The baseline of this workspace's own targets.
const OWN_BASELINE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/gate/baseline.toml");
/// Functions that a failure names.
const N_NAMED: usize = 6;

/// Options of `peregrine-bench gate`.
#[derive(Args, Debug)]
pub(crate) struct Gate {
    /// Only measures whose names contain this
    #[arg(long, value_name = "TEXT", conflicts_with = "rules")]
    only: Option<String>,
    /// Record what is measured now as the baseline
    #[arg(long, requires = "reason", conflicts_with = "only")]
    update: bool,
    /// Why the baseline changes; goes to reasons.log beside it
    #[arg(long, value_name = "TEXT", requires = "update")]
    reason: Option<String>,
    /// The baseline; that of Peregrine's own targets unless --rules is given
    #[arg(long, value_name = "FILE")]
    baseline: Option<PathBuf>,
    /// Target programs to measure; built from the workspace's benches where none is given
    #[arg(long, value_name = "FILE")]
    program: Vec<PathBuf>,
    /// How much worse still passes.
    #[command(flatten)]
    tolerance: Tolerance,
    /// What rule files cost, instead of Peregrine's own targets.
    #[command(flatten)]
    rules: RuleArgs,
}

impl Gate {
    /// Measures and prints: 0 where every measure held, 1 where one got worse, 2 where that cannot be told.
    pub(crate) fn exit(&self) -> ExitCode {
        let held = which("valgrind")
            .context("the gate counts instructions with valgrind (package valgrind)")
            .and_then(|_| if self.rules.are_given() { self.of_rules() } else { self.of_targets() });
        match held {
            Ok(true) => ExitCode::SUCCESS,
            Ok(false) => ExitCode::from(1),
            Err(e) => {
                eprintln!("peregrine-bench: {e:#}");
                ExitCode::from(2)
            }
        }
    }

    fn of_targets(&self) -> Result<bool> {
        let programs = if self.program.is_empty() {
            // The agent has no target, and its tests turn on what no build that is shipped has (feature `schedule`).
            let args =
                ["bench", "--workspace", "--exclude", "agent", "--bench", "gate", "--no-run"];
            cargo_executables(&args, Some(RUSTFLAGS))?
        } else {
            self.program.clone()
        };
        let mut all = Vec::new();
        for program in programs {
            all.extend(targets(&program)?);
        }
        all.retain(|t| self.only.as_ref().is_none_or(|only| t.name.contains(only)));
        ensure!(!all.is_empty(), "there is nothing to measure");
        let dir = tempdir()?;
        let now = measure_all(&all, &dir.0)?;
        let conditions = Conditions::here()?;
        let file = self.baseline.clone().unwrap_or_else(|| OWN_BASELINE.into());
        if self.update {
            let functions = Functions { target: spent(&all, &now, &dir.0)? };
            self.record(&file, &Baseline { conditions, measure: now, dearest: BTreeMap::new() })?;
            return write(&functions_beside(&file), &functions.to_text()?).map(|()| true);
        }
        let mut baseline = Baseline::read(&file)?;
        if self.only.is_some() {
            baseline.measure.retain(|name, _| now.contains_key(name));
        }
        let was = Functions::read(&functions_beside(&file))?;
        let explain = |name: &str| {
            let (target, was) = (all.iter().find(|t| t.name == name), was.target.get(name));
            let (Some(target), Some(was)) = (target, was) else { return Ok(()) };
            let now = target.spent(&dir.0, now[name].n_events, &mut Sources::default())?;
            print_growth("instructions an event", &was.grown(&now));
            print_growth("calls that allocate", &was.allocating_more(&now));
            Ok(())
        };
        print(&baseline, &conditions, &now, self.tolerance, explain)
    }

    /// Writes the baseline, and beside it why.
    fn record(&self, file: &Path, baseline: &Baseline) -> Result<()> {
        let reason = self.reason.as_deref().unwrap_or_default().trim();
        ensure!(!reason.is_empty(), "a new baseline needs a reason");
        let was = fs::read_to_string(file).ok().and_then(|t| Baseline::parse(&t).ok());
        let mut log = format!("{reason} [{}]\n", baseline.conditions.rustc);
        for (name, now) in &baseline.measure {
            let was = was.as_ref().and_then(|w| w.measure.get(name));
            let change = match was {
                Some(was) if was == now => continue,
                Some(was) => format!(
                    "{:.2} -> {:.2} instructions, {} -> {} allocations",
                    was.instructions_per_event,
                    now.instructions_per_event,
                    was.n_allocations,
                    now.n_allocations
                ),
                None => format!(
                    "new, {:.2} instructions, {} allocations",
                    now.instructions_per_event, now.n_allocations
                ),
            };
            log.extend(["    ", name, ": ", &change, "\n"]);
        }
        print!("{log}");
        write(file, &baseline.to_text()?)?;
        let path = file.with_file_name("reasons.log");
        OpenOptions::new()
            .create(true)
            .append(true)
            .open(&path)
            .and_then(|mut f| f.write_all(log.as_bytes()))
            .with_context(|| format!("cannot write {}", path.display()))
    }
}

fn write(file: &Path, text: &str) -> Result<()> {
    fs::write(file, text).with_context(|| format!("cannot write {}", file.display()))
}

fn functions_beside(baseline: &Path) -> PathBuf {
    baseline.with_file_name("functions.toml")
}

/// What the functions of each target spent, those that matter.
fn spent(
    all: &[Target],
    measures: &BTreeMap<String, Measure>,
    dir: &Path,
) -> Result<BTreeMap<String, Spent>> {
    let mut sources = Sources::default();
    let of = |t: &Target| {
        let spent = t.spent(dir, measures[&t.name].n_events, &mut sources)?;
        Ok((t.name.clone(), spent.worth_keeping()))
    };
    all.iter().map(of).collect()
}

fn print_growth(what: &str, growth: &[Growth]) {
    for Growth { function, was, now } in growth.iter().take(N_NAMED) {
        println!("    {:+10.2} {what} ({was:.2} -> {now:.2}) in {function}", now - was);
    }
}

impl Conditions {
    fn here() -> Result<Self> {
        let rustc = output(Command::new("rustc").arg("--version"))?.trim().to_owned();
        let cpu = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
        let avx2 = cpu.lines().any(|l| l.starts_with("flags") && l.contains(" avx2"));
        Ok(Self { rustc, avx2 })
    }
}

/// One callgrind run per target, as many at a time as there are CPUs.
fn measure_all(all: &[Target], dir: &Path) -> Result<BTreeMap<String, Measure>> {
    let next = AtomicUsize::new(0);
    let n_threads = thread::available_parallelism().map_or(1, usize::from).min(all.len());
    let results: Vec<Result<(String, Measure)>> = thread::scope(|s| {
        let work = || {
            let mut mine = Vec::new();
            // Relaxed: the number only deals out the work; the results come back through the join.
            while let Some(t) = all.get(next.fetch_add(1, Ordering::Relaxed)) {
                mine.push(t.measure(dir).map(|m| (t.name.clone(), m)));
            }
            mine
        };
        let threads: Vec<_> = (0..n_threads).map(|_| s.spawn(work)).collect();
        threads.into_iter().flat_map(|t| t.join().expect("measuring does not panic")).collect()
    });
    let measures: BTreeMap<_, _> = results.into_iter().collect::<Result<_>>()?;
    ensure!(measures.len() == all.len(), "two targets have the same name");
    Ok(measures)
}

/// The table, and the verdicts, with what explains those that failed; says whether none did.
fn print(
    baseline: &Baseline,
    conditions: &Conditions,
    now: &BTreeMap<String, Measure>,
    tolerance: Tolerance,
    explain: impl Fn(&str) -> Result<()>,
) -> Result<bool> {
    println!("{:<24} {:>12} {:>12} {:>8} {:>7}", "gate", "baseline", "now", "%", "allocs");
    for (name, m) in now {
        let is = m.instructions_per_event;
        let (was, change) = match baseline.measure.get(name) {
            Some(Measure { instructions_per_event: was, .. }) => {
                (format!("{was:.2}"), format!("{:+.2}", percent(*was, is)))
            }
            None => ("none".to_owned(), "new".to_owned()),
        };
        println!("{name:<24} {was:>12} {is:>12.2} {change:>8} {:>7}", m.n_allocations);
    }
    if baseline.conditions != *conditions {
        let n = now.len();
        println!("skipped: gate: recorded with {:?}, this is {conditions:?}", baseline.conditions);
        println!("gate: 0 passed, 0 failed, {n} skipped");
        return Ok(true);
    }
    let (mut n_passed, mut n_failed) = (0, 0);
    for (name, verdict) in baseline.compare(now, tolerance) {
        match verdict {
            Verdict::Held => n_passed += 1,
            Verdict::Better => {
                n_passed += 1;
                println!(
                    "{name} is better than its baseline: record it with gate --update --reason TEXT"
                );
            }
            Verdict::Failed(why) => {
                println!("FAILED: {name}: {why}");
                n_failed += 1;
                explain(&name)?;
            }
        }
    }
    println!("gate: {n_passed} passed, {n_failed} failed, 0 skipped");
    Ok(n_failed == 0)
}

/// A folder for callgrind's files that goes when the gate has ended.
struct TempDir(PathBuf);

fn tempdir() -> Result<TempDir> {
    let dir = std::env::temp_dir().join(format!("peregrine-gate-{}", std::process::id()));
    fs::create_dir_all(&dir).with_context(|| format!("cannot make {}", dir.display()))?;
    Ok(TempDir(dir))
}

impl Drop for TempDir {
    fn drop(&mut self) {
        fs::remove_dir_all(&self.0).ok();
    }
}
