//! Compares instructions and allocations per event with a committed baseline. Counts repeat where times do not.
//!
//! `benches/gate.rs of each crate -> callgrind -> measures -> baseline.toml -> verdicts`

mod baseline;
mod measure;

use std::collections::BTreeMap;
use std::fs::{self, OpenOptions};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

use anyhow::{Context, Result, ensure};
use clap::Args;

use self::baseline::{Baseline, Conditions, Measure, Verdict, percent};
use self::measure::{Target, targets};
use crate::process::{cargo_executables, output, which};

/// rustix looks for the kernel's clock page by itself, which valgrind hides only from libc: the program would crash.
const RUSTFLAGS: &str = "--cfg=rustix_use_libc";

/// Options of `peregrine-bench gate`.
#[derive(Args, Debug)]
pub(crate) struct Gate {
    /// Only measures whose names contain this
    #[arg(long, value_name = "TEXT")]
    only: Option<String>,
    /// Record what is measured now as the baseline
    #[arg(long, requires = "reason", conflicts_with = "only")]
    update: bool,
    /// Why the baseline changes; goes to reasons.log beside it
    #[arg(long, value_name = "TEXT", requires = "update")]
    reason: Option<String>,
    /// The baseline
    #[arg(long, value_name = "FILE", default_value = concat!(env!("CARGO_MANIFEST_DIR"), "/gate/baseline.toml"))]
    baseline: PathBuf,
    /// Target programs to measure; built from the workspace's benches where none is given
    #[arg(long, value_name = "FILE")]
    program: Vec<PathBuf>,
}

impl Gate {
    /// Measures, prints, and says whether every measure held.
    ///
    /// # Errors
    /// Where there is no valgrind, a target cannot be built or run, or a file cannot be read or written.
    pub(crate) fn run(&self) -> Result<bool> {
        which("valgrind")
            .context("the gate counts instructions with valgrind (package valgrind)")?;
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
        if self.update {
            return self.record(conditions, now).map(|()| true);
        }
        let text = fs::read_to_string(&self.baseline)
            .with_context(|| format!("cannot read {}", self.baseline.display()))?;
        let mut baseline = Baseline::parse(&text)?;
        if self.only.is_some() {
            baseline.measure.retain(|name, _| now.contains_key(name));
        }
        Ok(print(&baseline, &conditions, &now, &all, &dir.0))
    }

    fn record(&self, conditions: Conditions, measure: BTreeMap<String, Measure>) -> Result<()> {
        let reason = self.reason.as_deref().unwrap_or_default().trim();
        ensure!(!reason.is_empty(), "a new baseline needs a reason");
        let was = fs::read_to_string(&self.baseline).ok().and_then(|t| Baseline::parse(&t).ok());
        let mut log = format!("{reason} [{}]\n", conditions.rustc);
        for (name, now) in &measure {
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
        let baseline = Baseline { conditions, measure };
        fs::write(&self.baseline, baseline.to_text()?)
            .with_context(|| format!("cannot write {}", self.baseline.display()))?;
        let path = self.baseline.with_file_name("reasons.log");
        OpenOptions::new()
            .create(true)
            .append(true)
            .open(&path)
            .and_then(|mut f| f.write_all(log.as_bytes()))
            .with_context(|| format!("cannot write {}", path.display()))
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

fn print(
    baseline: &Baseline,
    conditions: &Conditions,
    now: &BTreeMap<String, Measure>,
    all: &[Target],
    dir: &Path,
) -> bool {
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
        return true;
    }
    let (mut passed, mut failed) = (0, 0);
    for (name, verdict) in baseline.compare(now) {
        match verdict {
            Verdict::Held => passed += 1,
            Verdict::Better => {
                passed += 1;
                println!(
                    "{name} is better than its baseline: record it with gate --update --reason TEXT"
                );
            }
            Verdict::Failed(why) => {
                failed += 1;
                println!("FAILED: {name}: {why}");
                for line in all.iter().filter(|t| t.name == name).flat_map(|t| t.hottest(dir, 5)) {
                    println!("    {line}");
                }
            }
        }
    }
    println!("gate: {passed} passed, {failed} failed, 0 skipped");
    failed == 0
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
