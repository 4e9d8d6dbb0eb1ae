//! The process that performs: it lives in namespaces of its own, is what the agent is scoped to, and runs each action as a
//! child of its own.
//!
//! `Stage (the tool's end) --name--> serve (the stage) --fork, exec--> perform (one action)`

use std::fs;
use std::io::{BufRead as _, BufReader, Write as _};
use std::os::unix::process::CommandExt as _;
use std::path::Path;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use anyhow::{Context, Result, bail, ensure};
use rustix::process::{Pid, Signal, kill_process_group};
use serde::{Deserialize, Serialize};
use tempfile::TempDir;

use crate::action::Action;
use crate::catalogue;
use crate::scene::Scene;

/// First argument of the stage's process, which is this program.
pub(crate) const STAGE: &str = "stage-of-actions";

/// First argument of a process that performs one action.
pub(crate) const PERFORM: &str = "perform-action";

/// How long one action may take.
const LIMIT: Duration = Duration::from_secs(15);

/// Silence between two actions, so that an alert's time tells whose it is even if the clock is being corrected.
pub(crate) const GAP: Duration = Duration::from_millis(20);

/// What the stage says about one action.
#[derive(Debug, Serialize, Deserialize)]
struct Report {
    from_ns: u64,
    to_ns: u64,
    error: Option<String>,
}

/// An action that was performed.
pub(crate) struct Performed {
    /// Which.
    pub(crate) action: &'static Action,
    /// Nanoseconds since 1970 when it began.
    pub(crate) from_ns: u64,
    /// Nanoseconds since 1970 when it had ended.
    pub(crate) to_ns: u64,
    /// Why it did not succeed.
    pub(crate) error: Option<String>,
}

/// The tool's end of the stage.
pub(crate) struct Stage {
    child: Child,
    stdin: Option<ChildStdin>,
    stdout: BufReader<ChildStdout>,
    _dir: TempDir,
}

impl Stage {
    /// Starts the stage's process and waits until it is built.
    pub(crate) fn build() -> Result<Self> {
        // Not where TMPDIR says: that may be a folder which the stage replaces.
        let dir = tempfile::Builder::new().prefix("peregrine-actions-").tempdir_in("/tmp")?;
        let own = std::env::current_exe().context("this program's path is not known")?;
        let mut child = Command::new(own)
            .arg(STAGE)
            .arg(dir.path())
            .current_dir("/")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .context("the stage cannot be started")?;
        let stdin = child.stdin.take();
        let stdout = BufReader::new(child.stdout.take().context("stdout is a pipe")?);
        let mut stage = Self { child, stdin, stdout, _dir: dir };
        match stage.answer()?.trim() {
            "ready" => Ok(stage),
            other => bail!("the stage cannot be built: {other}"),
        }
    }

    /// The process that actions descend from.
    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }

    fn answer(&mut self) -> Result<String> {
        let mut line = String::new();
        let n = self.stdout.read_line(&mut line)?;
        ensure!(n > 0, "the stage ended early");
        Ok(line)
    }

    /// Performs the actions, one after the other, and takes the stage down.
    pub(crate) fn perform_all(mut self, actions: &[&'static Action]) -> Result<Vec<Performed>> {
        let mut done = Vec::new();
        for &action in actions {
            let stdin = self.stdin.as_mut().context("stdin is a pipe")?;
            writeln!(stdin, "{}", action.name).context("the stage does not listen")?;
            let report: Report = serde_json::from_str(&self.answer()?)?;
            let Report { from_ns, to_ns, error } = report;
            done.push(Performed { action, from_ns, to_ns, error });
        }
        drop(self.stdin.take());
        let status = self.child.wait()?;
        ensure!(status.success(), "the stage: {status}");
        Ok(done)
    }
}

impl Drop for Stage {
    fn drop(&mut self) {
        // Both fail where the stage has been taken down.
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

/// Is the stage: builds it in `dir`, then performs what stdin names, one a line, until stdin ends.
pub(crate) fn serve(dir: &Path) -> Result<()> {
    let mut out = std::io::stdout();
    let scene = match Scene::build(dir) {
        Ok(scene) => scene,
        Err(e) => {
            writeln!(out, "{e:#}")?;
            return Ok(());
        }
    };
    writeln!(out, "ready")?;
    for name in std::io::stdin().lines() {
        sleep(GAP);
        let from_ns = now_ns();
        let error = perform_in_child(&scene, &name?).err().map(|e| format!("{e:#}"));
        let report = Report { from_ns, to_ns: now_ns(), error };
        writeln!(out, "{}", serde_json::to_string(&report)?)?;
    }
    Ok(())
}

/// Runs one action in a process group of its own, which is ended at the limit.
fn perform_in_child(scene: &Scene, name: &str) -> Result<()> {
    let said = scene.path("said");
    let mut child = Command::new(scene.own())
        .arg(PERFORM)
        .arg(scene.dir())
        .arg(name)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(fs::File::create(&said)?)
        .process_group(0)
        .spawn()?;
    let end = Instant::now() + LIMIT;
    let status = loop {
        if let Some(status) = child.try_wait()? {
            break status;
        }
        if Instant::now() > end {
            // The child is not waited for yet, so its id is still its own.
            kill_process_group(Pid::from_child(&child), Signal::KILL)?;
            child.wait()?;
            bail!("did not end within {} s", LIMIT.as_secs());
        }
        sleep(Duration::from_millis(1));
    };
    let said = fs::read_to_string(said)?;
    ensure!(status.success(), "{status}: {}", said.trim());
    Ok(())
}

/// Is one action.
pub(crate) fn perform(dir: &Path, name: &str) -> Result<()> {
    let action = catalogue::all().iter().find(|a| a.name == name).context("no such action")?;
    (action.perform)(&Scene::at(dir))
}

fn now_ns() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |d| d.as_nanos() as u64)
}
