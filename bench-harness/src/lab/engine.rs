//! An engine as a process that stays: started, waited for until it is attached, asked, ended.

use std::fs::{self, File};
use std::io::{BufRead as _, BufReader, Read, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::thread::{self, JoinHandle, sleep};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use anyhow::{Context as _, Result, bail};
use perf::Snapshot;
use rustix::process::{Pid, Signal, kill_process};

use super::definition::{Engine, Ready};
use super::procfs;
use super::values::Values;
use crate::process::output;

/// How long an engine may take to attach, and to end.
const DEADLINE: Duration = Duration::from_secs(30);
/// An engine that uses less than this of a core has dealt with what a storm left it.
const QUIET: f64 = 0.02;
/// How long it may take for that.
const QUIET_WITHIN: Duration = Duration::from_secs(10);
const LOOK_EVERY: Duration = Duration::from_millis(20);

/// What becomes of what an engine prints.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Alerts {
    /// It goes to a file that nobody reads.
    Kept,
    /// Each line gets the time at which it came.
    Stamped,
}

/// A line of stdout.
#[derive(Clone, Debug)]
pub(crate) struct Arrival {
    /// Nanoseconds since the epoch.
    pub(crate) at_ns: u64,
    pub(crate) line: String,
}

/// An engine that is attached.
#[derive(Debug)]
pub(crate) struct Running {
    name: String,
    child: Child,
    reader: Option<JoinHandle<()>>,
    arrivals: Option<JoinHandle<Vec<Arrival>>>,
    stats: Vec<String>,
    stderr: PathBuf,
    started: Duration,
}

impl Running {
    /// Starts the engine and waits until it is attached and has settled. Its output goes to files in `dir`, which is `{dir}` too; with a
    /// scope it looks at that process and what descends from it, if it can.
    ///
    /// # Errors
    /// It cannot be started, ends, or does not attach: then with the last lines that it said.
    pub(crate) fn start(
        engine: &Engine,
        values: &Values,
        dir: &Path,
        scope: Option<u32>,
        alerts: Alerts,
    ) -> Result<Self> {
        let values = values.with("dir", dir.display());
        let mut words = values.fill(&engine.command)?;
        if let Some(pid) = scope {
            words.extend(values.with("scope", pid).fill(&engine.scoped)?);
        }
        let (program, args) = words.split_first().context("the engine has no command")?;
        let (stdout, stderr) = (dir.join("stdout"), dir.join("stderr"));
        let says_so = matches!(engine.ready, Some(Ready::Stdout(_)));
        if says_so && alerts == Alerts::Stamped {
            bail!(
                "{} says on stdout that it is ready, so its alerts cannot be stamped",
                engine.name
            );
        }
        let is_stamped = alerts == Alerts::Stamped;
        let begin = Instant::now();
        let mut child = Command::new(program)
            .args(args)
            .current_dir(dir)
            // Some end when it closes, and nobody waits for a person.
            .stdin(Stdio::piped())
            .stdout(pipe_or_file(&stdout, says_so || is_stamped)?)
            .stderr(pipe_or_file(&stderr, matches!(engine.ready, Some(Ready::Stderr(_))))?)
            .spawn()
            .with_context(|| format!("cannot start {program}"))?;
        let (tell, told) = channel();
        let reader = match engine.ready.clone().context("the engine is never ready")? {
            Ready::Stdout(line) => {
                follow(child.stdout.take().context("it is a pipe")?, &stdout, line, tell)?
            }
            Ready::Stderr(line) => {
                follow(child.stderr.take().context("it is a pipe")?, &stderr, line, tell)?
            }
        };
        let arrivals = child.stdout.take().filter(|_| is_stamped);
        let mut running = Self {
            arrivals: arrivals.map(|stdout| thread::spawn(|| stamp(stdout))),
            name: engine.name.clone(),
            child,
            reader: Some(reader),
            stats: values.fill(&engine.stats)?,
            stderr,
            started: Duration::ZERO,
        };
        running.started = running.wait_until_ready(&told)?.duration_since(begin);
        sleep(Duration::from_millis(engine.settle_ms));
        Ok(running)
    }

    fn wait_until_ready(&mut self, told: &Receiver<Instant>) -> Result<Instant> {
        match told.recv_timeout(DEADLINE) {
            Ok(at) => Ok(at),
            Err(RecvTimeoutError::Timeout) => {
                bail!("{} did not attach within {DEADLINE:?}{}", self.name, self.last_words())
            }
            Err(RecvTimeoutError::Disconnected) => {
                self.wait(DEADLINE)?;
                bail!("{} ended before it was attached{}", self.name, self.last_words())
            }
        }
    }

    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }

    /// From the start of the process until it said that it is attached.
    pub(crate) fn started_after(&self) -> Duration {
        self.started
    }

    /// Asks for its counters; `None` where it has none.
    ///
    /// # Errors
    /// It does not answer.
    pub(crate) fn stats(&self) -> Result<Option<Snapshot>> {
        let Some((program, args)) = self.stats.split_first() else { return Ok(None) };
        let text = output(Command::new(program).args(args))?;
        serde_json::from_str(&text).map(Some).context("the answer is no snapshot")
    }

    /// Waits until it uses no CPU to speak of, without asking it anything, which would cost it some; false where it goes on for long, because
    /// others keep it busy.
    ///
    /// # Errors
    /// It ends.
    pub(crate) fn wait_until_quiet(&self) -> Result<bool> {
        let deadline = Instant::now() + QUIET_WITHIN;
        let mut last = (Instant::now(), procfs::cpu_time(self.pid())?);
        let mut n_quiet = 0;
        while n_quiet < 2 {
            if Instant::now() >= deadline {
                return Ok(false);
            }
            sleep(LOOK_EVERY);
            let now = (Instant::now(), procfs::cpu_time(self.pid())?);
            let used = now.1.saturating_sub(last.1).as_secs_f64();
            let share = used / now.0.duration_since(last.0).as_secs_f64();
            n_quiet = if share < QUIET { n_quiet + 1 } else { 0 };
            last = now;
        }
        Ok(true)
    }

    /// Ends it as Ctrl-C does, and gives what it printed where that was stamped.
    ///
    /// # Errors
    /// It had ended before, ends badly or not at all.
    pub(crate) fn end(mut self) -> Result<Vec<Arrival>> {
        if let Some(status) = self.child.try_wait()? {
            bail!("{} ended while it was measured, {status}{}", self.name, self.last_words());
        }
        kill_process(Pid::from_child(&self.child), Signal::INT)
            .with_context(|| format!("{} is gone", self.name))?;
        let status = self.wait(DEADLINE)?;
        let by_signal = std::os::unix::process::ExitStatusExt::signal(&status);
        if !status.success() && by_signal != Some(Signal::INT.as_raw()) {
            bail!("{}: {status}{}", self.name, self.last_words());
        }
        let arrivals = self.arrivals.take().map(JoinHandle::join);
        Ok(arrivals.transpose().ok().flatten().unwrap_or_default())
    }

    fn wait(&mut self, within: Duration) -> Result<ExitStatus> {
        let deadline = Instant::now() + within;
        let status = loop {
            if let Some(status) = self.child.try_wait()? {
                break status;
            }
            if Instant::now() >= deadline {
                self.child.kill()?;
                self.child.wait()?;
                bail!("{} did not end within {within:?}", self.name);
            }
            sleep(Duration::from_millis(5));
        };
        if let Some(reader) = self.reader.take() {
            drop(reader.join());
        }
        Ok(status)
    }

    fn last_words(&self) -> String {
        let bytes = fs::read(&self.stderr).unwrap_or_default();
        let text = String::from_utf8_lossy(&bytes);
        let lines: Vec<&str> = text.lines().filter(|l| !l.trim().is_empty()).collect();
        let last = lines[lines.len().saturating_sub(5)..].join("\n");
        if last.is_empty() { String::new() } else { format!(": {last}") }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // Does nothing to one that was waited for.
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

fn pipe_or_file(path: &Path, is_pipe: bool) -> Result<Stdio> {
    if is_pipe {
        return Ok(Stdio::piped());
    }
    let file = File::create(path).with_context(|| format!("cannot make {}", path.display()))?;
    Ok(file.into())
}

/// Takes lines until the end, each with the time at which it was there.
fn stamp(stream: impl Read) -> Vec<Arrival> {
    let mut arrivals = Vec::new();
    let mut lines = BufReader::new(stream);
    let mut line = String::new();
    while lines.read_line(&mut line).is_ok_and(|n| n > 0) {
        let now = SystemTime::now().duration_since(UNIX_EPOCH);
        let at_ns = now.map_or(0, |d| d.as_nanos() as u64);
        arrivals.push(Arrival { at_ns, line: std::mem::take(&mut line) });
    }
    arrivals
}

/// Writes what comes to a file, and tells when the line came that has this in it.
fn follow(
    stream: impl Read + Send + 'static,
    path: &Path,
    ready: String,
    tell: Sender<Instant>,
) -> Result<JoinHandle<()>> {
    let mut file = File::create(path).with_context(|| format!("cannot make {}", path.display()))?;
    Ok(thread::spawn(move || {
        let mut tell = Some(tell);
        let mut lines = BufReader::new(stream);
        let mut line = Vec::new();
        while lines.read_until(b'\n', &mut line).is_ok_and(|n| n > 0) {
            if tell.is_some() && String::from_utf8_lossy(&line).contains(&ready) {
                // Nobody listens where the deadline has passed.
                let _too_late = tell.take().map(|tell| tell.send(Instant::now()));
            }
            drop(file.write_all(&line));
            line.clear();
        }
    }))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn engine(script: &str, ready: Ready) -> Engine {
        let command = ["/bin/sh", "-c", script].map(str::to_owned).to_vec();
        Engine {
            name: "fake".to_owned(),
            command,
            scoped: vec!["{scope}".to_owned()],
            ready: Some(ready),
            settle_ms: 0,
            stats: Vec::new(),
            version: Vec::new(),
            needed: Vec::new(),
            said: None,
            prints: false,
        }
    }

    fn start(script: &str, ready: Ready) -> Result<Running> {
        let dir = tempfile::tempdir()?;
        let engine = engine(script, ready);
        Running::start(&engine, &Values::default(), dir.path(), Some(77), Alerts::Kept)
    }

    #[test]
    fn an_engine_is_ready_when_it_says_so_and_ends_when_told() {
        let script = "echo soon >&2; sleep 0.1; echo up 0=$0 >&2; read x; exit 3";
        let running = start(script, Ready::Stderr("up 0=77".to_owned())).unwrap();
        assert!(running.started_after() >= Duration::from_millis(100));
        assert!(running.stats().unwrap().is_none());
        assert!(running.wait_until_quiet().unwrap());
        running.end().unwrap();
    }

    #[test]
    fn an_engine_that_ends_too_soon_is_told_with_its_words() {
        let e = start("echo no root >&2; exit 1", Ready::Stdout("up".to_owned())).unwrap_err();
        assert_eq!(e.to_string(), "fake ended before it was attached: no root");
        let script = "trap 'exit 4' INT; echo up; while :; do sleep 0.01; done";
        let e = start(script, Ready::Stdout("up".to_owned())).unwrap().end().unwrap_err();
        assert_eq!(e.to_string(), "fake: exit status: 4");
    }
}
