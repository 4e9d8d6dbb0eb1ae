//! Kind `idle`: how soon an engine is there, and what it takes while nothing happens.

use std::path::Path;
use std::thread::sleep;
use std::time::{Duration, Instant};

use anyhow::Result;

use super::definition::{Engine, Idle};
use super::engine::{Alerts, Running};
use super::procfs;
use super::sample::Sample;
use super::values::Values;
use crate::watched::Shell;

/// One start, and one window with nothing to do.
///
/// # Errors
/// The engine does not run.
pub(crate) fn run(idle: &Idle, engine: &Engine, values: &Values, dir: &Path) -> Result<Sample> {
    let shell = Shell::start(dir, &[])?;
    let scope = idle.scoped.then_some(shell.pid());
    let running = Running::start(engine, values, dir, scope, Alerts::Kept)?;
    let pid = running.pid();
    let (begin, cpu, n_sleeps) = (Instant::now(), procfs::cpu_time(pid)?, procfs::n_sleeps(pid)?);
    sleep(Duration::from_millis(idle.window_ms));
    let lasted = begin.elapsed().as_secs_f64();
    let cpu = procfs::cpu_time(pid)?.saturating_sub(cpu).as_secs_f64();
    let n_sleeps = procfs::n_sleeps(pid)?.saturating_sub(n_sleeps);
    let (resident, peak) = procfs::memory_kb(pid)?;
    let started = running.started_after();
    running.end()?;
    let figures = [
        ("start_ms", started.as_secs_f64() * 1e3),
        ("resident_kb", resident as f64),
        ("peak_kb", peak as f64),
        ("idle_cpu_percent", 100.0 * cpu / lasted),
        ("idle_wakes_per_s", n_sleeps as f64 / lasted),
    ];
    let figures = figures.map(|(name, n)| (name.to_owned(), n)).into();
    Ok(Sample { figures, ..Sample::default() })
}
