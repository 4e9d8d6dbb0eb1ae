//! Kind `storm`: what a storm of system calls takes longer with an engine beside it, and what that costs the engine.

use std::fs;
use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};
use perf::Snapshot;
use serde::Deserialize;

use super::definition::{Engine, Storm};
use super::engine::{Alerts, Running};
use super::latency;
use super::procfs;
use super::sample::{Sample, Window};
use super::values::Values;
use crate::watched::Shell;

/// What a storm prints; there may be more.
#[derive(Clone, Copy, Debug, PartialEq, Deserialize)]
struct Told {
    count: u64,
    ns_per_call: f64,
    cpu_ns_per_call: f64,
    cycles_per_second: Option<f64>,
}

/// What an engine had used and counted at one moment.
struct Mark {
    at: Instant,
    cpu: Duration,
    stats: Option<Snapshot>,
}

/// One storm, with the engine beside it if it is one.
///
/// # Errors
/// The storm or the engine does not run to its end, or the storm did not do what it was told.
pub(crate) fn run(storm: &Storm, engine: &Engine, values: &Values, dir: &Path) -> Result<Sample> {
    let values = values.with("dir", dir.display()).with("count", storm.count);
    let command = values.fill(&storm.command)?;
    // Lives before the engine does, so that the engine can be scoped to it.
    let mut shell = Shell::start(dir, &[])?;
    let scope = storm.scoped.then_some(shell.pid());
    let running = if engine.command.is_empty() {
        None
    } else {
        let alerts = if storm.alerts.is_some() { Alerts::Stamped } else { Alerts::Kept };
        Some(Running::start(engine, &values, dir, scope, alerts)?)
    };
    let before = running.as_ref().map(|r| mark(r, true)).transpose()?;
    let told = blow(&mut shell, &command, dir)?;
    let mut sample = Sample::default();
    if told.count != storm.count {
        sample.wrong.push(format!("the storm made {} of {}", told.count, storm.count));
    }
    sample.figures.insert("ns_per_call".to_owned(), told.ns_per_call);
    sample.figures.insert("cpu_ns_per_call".to_owned(), told.cpu_ns_per_call);
    if let Some(rate) = told.cycles_per_second {
        sample.figures.insert("cycles_per_s".to_owned(), rate);
    }
    sample.counts.insert("storm".to_owned(), told.count);
    sample.counts.extend(storm.rate.map(|rate| ("rate".to_owned(), rate)));
    if let (Some(running), Some(before)) = (running, before) {
        let lasted = before.at.elapsed();
        let is_quiet = running.wait_until_quiet()?;
        let after = mark(&running, false)?;
        let (resident, peak) = procfs::memory_kb(running.pid())?;
        let arrivals = running.end()?;
        if let Some(per_count) = storm.alerts {
            latency::account(&mut sample, &arrivals, storm.count * per_count);
        }
        sample.figures.insert("resident_kb".to_owned(), resident as f64);
        sample.figures.insert("peak_kb".to_owned(), peak as f64);
        let cpu = after.cpu.saturating_sub(before.cpu).as_secs_f64();
        if is_quiet {
            let percent = 100.0 * cpu / lasted.as_secs_f64();
            sample.figures.insert("engine_cpu_percent".to_owned(), percent);
        }
        if let (Some(before), Some(after)) = (&before.stats, &after.stats) {
            let window = account(&mut sample, storm, &engine.name, before, after)?;
            // Where nothing is expected the events are other people's.
            let is_own = storm.expect.contains_key(&engine.name) && window.n_written > 0;
            if is_quiet && is_own {
                let ns = 1e9 * cpu / window.n_written as f64;
                sample.figures.insert("engine_cpu_ns_per_event".to_owned(), ns);
            }
            let n_dropped: u64 = window.drops.values().sum();
            sample.figures.insert("dropped_events".to_owned(), n_dropped as f64);
            sample.drops = window.drops;
        }
    }
    Ok(sample)
}

/// The same storm at a rate, if there is one: at what is asked for, or at a share of what the storm reaches alone. Its values have `{rate}`.
///
/// # Errors
/// The storm does not run to its end, or does not say how fast it was.
pub(crate) fn paced(storm: &Storm, values: &Values, dir: &Path) -> Result<(Storm, Values)> {
    let Some(asked) = storm.rate else { return Ok((storm.clone(), values.clone())) };
    let mut rate = asked;
    if let Some(share) = storm.share_of_most {
        // About a second, at a rate that nothing reaches.
        let count = asked.min(storm.count);
        let values = values.with("rate", 1_000_000_000).with("count", count);
        let values = values.with("dir", dir.display());
        let told = blow(&mut Shell::start(dir, &[])?, &values.fill(&storm.command)?, dir)?;
        let most = told.cycles_per_second.context("the storm does not say how fast it was")?;
        rate = rate.min((most * share) as u64).max(1);
    }
    let count = (u128::from(storm.count) * u128::from(rate) / u128::from(asked)).max(1) as u64;
    let paced = Storm { count, rate: Some(rate), ..storm.clone() };
    Ok((paced, values.with("rate", rate)))
}

/// Asking costs the engine CPU time, so that of a window is taken between the first answer and the second question.
fn mark(running: &Running, is_first: bool) -> Result<Mark> {
    let cpu = || procfs::cpu_time(running.pid());
    if is_first {
        let stats = running.stats()?;
        return Ok(Mark { cpu: cpu()?, at: Instant::now(), stats });
    }
    Ok(Mark { at: Instant::now(), cpu: cpu()?, stats: running.stats()? })
}

/// What came of the storm at the engine, held to what the definition expects.
fn account(
    sample: &mut Sample,
    storm: &Storm,
    engine: &str,
    before: &Snapshot,
    after: &Snapshot,
) -> Result<Window> {
    let window = Window::between(before, after)?;
    let counts =
        [("seen", window.n_seen()), ("written", window.n_written), ("rejected", window.n_rejected)];
    sample.counts.extend(counts.map(|(name, n)| (name.to_owned(), n)));
    let broken = after.equations.iter().filter(|e| !e.holds);
    sample.wrong.extend(broken.map(|e| format!("{}: {} unexplained", e.title, e.unexplained)));
    if let Some(per_count) = storm.expect.get(engine) {
        let least = (storm.count as f64 * per_count) as u64;
        let n = window.n_seen();
        // Where the engine looks at everything, others may have made events too.
        let is_too_many = storm.scoped && n > least + storm.beside;
        if n < least || is_too_many {
            sample.wrong.push(format!("{n} events of the storm were seen, not {least}"));
        }
    }
    Ok(window)
}

/// Runs the storm in the shell and reads what it says.
fn blow(shell: &mut Shell, command: &[String], dir: &Path) -> Result<Told> {
    let line: Vec<String> = command.iter().map(|w| quoted(w)).collect();
    let files = ["storm.out", "storm.err"].map(|name| dir.join(name));
    let [out, err] = files.each_ref().map(|f| quoted(&f.to_string_lossy()));
    let code = shell.run(&format!("{} >{out} 2>{err}", line.join(" ")))?;
    let said = fs::read_to_string(&files[1]).unwrap_or_default();
    ensure!(code == 0, "the storm failed with exit code {code}: {}", said.trim());
    let out = fs::read_to_string(&files[0]).context("the storm left no output")?;
    let last = out.lines().last().unwrap_or_default();
    serde_json::from_str(last)
        .with_context(|| format!("the storm's answer is not understood: {last}"))
}

/// A word that a shell takes as it is.
fn quoted(word: &str) -> String {
    format!("'{}'", word.replace('\'', r"'\''"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_reach_the_storm_as_they_are() {
        let dir = tempfile::tempdir().unwrap();
        let mut shell = Shell::start(dir.path(), &[]).unwrap();
        let words = ["/bin/sh", "-c", "echo noise; echo \"$1\"", "sh"].map(str::to_owned);
        let told = r#"{"kind":"it's $(x)","count":3,"ns_per_call":1.5,"cpu_ns_per_call":1}"#;
        let command = [&words[..], &[told.to_owned()]].concat();
        let want =
            Told { count: 3, ns_per_call: 1.5, cpu_ns_per_call: 1.0, cycles_per_second: None };
        assert_eq!(blow(&mut shell, &command, dir.path()).unwrap(), want);
        let bad = ["/bin/sh", "-c", "echo no such file >&2; exit 5"].map(str::to_owned);
        let e = blow(&mut shell, &bad, dir.path()).unwrap_err().to_string();
        assert_eq!(e, "the storm failed with exit code 5: no such file");
    }
}
