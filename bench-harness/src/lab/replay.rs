//! Kind `replay`: programs that read a recording to its end.

use std::env;
use std::fs::{self, File};
use std::io::Read as _;
use std::path::Path;
use std::process::{Command, Stdio};

use anyhow::{Context as _, Result, ensure};

use super::child::{self, Used};
use super::definition::{Engine, Replay};
use super::made_rules;
use super::sample::Sample;
use super::values::Values;
use crate::process::output;

/// Makes the long recording that all engines read: `{recording}` where it is given, else what the benchmark's command records. `{input}` is it,
/// `{rules}` the folder of made-up rules.
///
/// # Errors
/// Nothing can be recorded, or the files cannot be written.
pub(crate) fn prepare(replay: &Replay, values: &Values, dir: &Path) -> Result<Values> {
    let short = match values.fill(&["{recording}".to_owned()]) {
        Ok(given) => given.concat().into(),
        Err(_) => dir.join("short.scap"),
    };
    if !short.exists() {
        let values = values.with("file", short.display()).with("dir", dir.display());
        let words = values.fill(&replay.record)?;
        let (program, args) = words.split_first().context("record: is empty")?;
        output(Command::new(program).args(args)).context("nothing was recorded")?;
    }
    let long = dir.join("long.scap");
    // In a process of its own: what this one had in memory, those that it starts are said to have had, too.
    let own = env::current_exe().context("the path of this program is not known")?;
    let mut repeat = Command::new(own);
    repeat.arg("repeat").args([&short, &long]).args(["--events", &replay.events.to_string()]);
    output(&mut repeat).context("no long recording could be made")?;
    fs::remove_file(dir.join("short.scap")).ok();
    let rules = dir.join("rules");
    made_rules::write(&rules, &replay.rules)?;
    Ok(values.with("input", long.display()).with("rules", rules.display()))
}

/// Lines that an engine prints of the recording; not timed.
///
/// # Errors
/// It does not run to its end.
pub(crate) fn n_lines(engine: &Engine, values: &Values, dir: &Path) -> Result<u64> {
    let mut command = command(engine, values, dir)?;
    let mut child = command.stdout(Stdio::piped()).spawn().context("cannot start it")?;
    let mut out = child.stdout.take().context("stdout is a pipe")?;
    let mut bytes = vec![0; 1 << 16];
    let mut n = 0;
    loop {
        let len = out.read(&mut bytes)?;
        if len == 0 {
            break;
        }
        n += bytes[..len].iter().map(|b| u64::from(*b == b'\n')).sum::<u64>();
    }
    let status = child.wait()?;
    ensure!(status.success(), "{}: {status}: {}", engine.name, last_line(dir));
    Ok(n)
}

/// One reading of the whole recording.
///
/// # Errors
/// The engine fails.
pub(crate) fn run(
    replay: &Replay,
    engine: &Engine,
    values: &Values,
    dir: &Path,
    n_lines: Option<u64>,
) -> Result<Sample> {
    let mut command = command(engine, values, dir)?;
    let Used { status, took, cpu, peak_kb } = child::run(command.stdout(Stdio::null()))?;
    ensure!(status.success(), "{}: {status}: {}", engine.name, last_line(dir));
    let (took, cpu, n_events) = (took.as_secs_f64(), cpu.as_secs_f64(), replay.events as f64);
    let mut sample = Sample::default();
    sample.figures.extend([
        ("events_per_s".to_owned(), n_events / took),
        ("events_per_cpu_s".to_owned(), n_events / cpu),
        ("ns_per_event".to_owned(), 1e9 * took / n_events),
        ("engine_cpu_ns_per_event".to_owned(), 1e9 * cpu / n_events),
        ("peak_kb".to_owned(), peak_kb as f64),
    ]);
    sample.counts.insert("events".to_owned(), replay.events);
    if let Some(n) = n_lines {
        sample.figures.insert("lines_per_s".to_owned(), n as f64 / took);
        sample.figures.insert("lines_per_cpu_s".to_owned(), n as f64 / cpu);
        sample.counts.insert("lines".to_owned(), n);
    }
    if let Some(row) = &engine.said {
        match said(&fs::read_to_string(dir.join("stderr"))?, row) {
            Some(n) => drop(sample.counts.insert("said".to_owned(), n)),
            None => sample.wrong.push(format!("it did not say {row:?}")),
        }
    }
    Ok(sample)
}

fn command(engine: &Engine, values: &Values, dir: &Path) -> Result<Command> {
    let words = values.with("dir", dir.display()).fill(&engine.command)?;
    let (program, args) = words.split_first().context("the engine has no command")?;
    let stderr = File::create(dir.join("stderr")).context("cannot keep what it says")?;
    let mut command = Command::new(program);
    command.args(args).current_dir(dir).stdin(Stdio::null()).stderr(stderr);
    Ok(command)
}

/// The first number of the line that begins so.
fn said(text: &str, row: &str) -> Option<u64> {
    let line = text.lines().find_map(|l| l.strip_prefix(row))?;
    line.split_whitespace().find_map(|w| w.parse().ok())
}

fn last_line(dir: &Path) -> String {
    let text = fs::read_to_string(dir.join("stderr")).unwrap_or_default();
    text.lines().rfind(|l| !l.trim().is_empty()).unwrap_or_default().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_an_engine_says_is_a_number_in_a_row() {
        let table = "hop      in   out\ncapture  363  363\nshard   12    9\n";
        assert_eq!(said(table, "capture "), Some(363));
        assert_eq!(said(table, "shard"), Some(12));
        assert_eq!(said(table, "lanes"), None);
    }
}
