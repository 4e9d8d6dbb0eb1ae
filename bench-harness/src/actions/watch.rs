//! The agent under test, as its user has it: a process that prints alerts and ends on Ctrl-C.

use std::fs::{self, File};
use std::io::{BufRead as _, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::thread::{sleep, spawn};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use rustix::process::{Pid, Signal, kill_process};
use serde::Deserialize;
use serde_json::{Map, Value};
use tempfile::TempDir;

/// How long it may take to start, and to end.
const LIMIT: Duration = Duration::from_secs(30);

/// A running agent.
pub(crate) struct Watch {
    child: Child,
    stderr: Receiver<String>,
    said: Vec<String>,
    dir: TempDir,
}

/// An alert, as the agent prints it.
#[derive(Debug, Clone, Deserialize)]
pub(crate) struct Alert {
    pub(crate) rule: String,
    pub(crate) output: String,
    pub(crate) output_fields: Map<String, Value>,
}

impl Alert {
    /// Nanoseconds since 1970 of the event.
    pub(crate) fn time_ns(&self) -> Option<u64> {
        self.output_fields.get("evt.time")?.as_u64()
    }

    /// A field as text.
    pub(crate) fn field(&self, name: &str) -> Option<String> {
        match self.output_fields.get(name)? {
            Value::Null => None,
            Value::String(text) => Some(text.clone()),
            other => Some(other.to_string()),
        }
    }
}

impl Watch {
    /// Starts the agent for one process and what that starts, and waits until it is attached. It reads no configuration
    /// but what `more` says, so that the shipped rules are what is tried.
    pub(crate) fn start(program: &Path, scope: u32, more: &[String]) -> Result<Self> {
        let dir = tempfile::Builder::new().prefix("peregrine-actions-agent-").tempdir()?;
        let path = |name: &str| dir.path().join(name);
        fs::write(path("none.yaml"), "")?;
        let mut command = Command::new(program);
        crate::sys::end_with_us(&mut command);
        let mut child = command
            .arg("-c")
            .arg(path("none.yaml"))
            .args(["--json", "--scope-pid", &scope.to_string(), "--socket"])
            .arg(path("control.sock"))
            .args(more)
            .stdin(Stdio::null())
            .stdout(File::create(path("stdout"))?)
            .stderr(Stdio::piped())
            .spawn()
            .with_context(|| format!("{} cannot be run", program.display()))?;
        let (tx, stderr) = channel();
        let reader = BufReader::new(child.stderr.take().context("stderr is a pipe")?);
        spawn(move || {
            for line in reader.lines().map_while(std::io::Result::ok) {
                if tx.send(line).is_err() {
                    return;
                }
            }
        });
        let mut watch = Self { child, stderr, said: Vec::new(), dir };
        let end = Instant::now() + LIMIT;
        // The last line that every start block has.
        while !watch.said.last().is_some_and(|l| l.starts_with("  stats ")) {
            let left = end.saturating_duration_since(Instant::now());
            match watch.stderr.recv_timeout(left) {
                Ok(line) => watch.said.push(line),
                Err(_) => bail!(
                    "the agent did not say that it is attached; it said:\n{}",
                    watch.said.join("\n")
                ),
            }
        }
        Ok(watch)
    }

    /// Ctrl-C; gives every alert that it printed.
    pub(crate) fn finish(mut self) -> Result<Vec<Alert>> {
        kill_process(Pid::from_child(&self.child), Signal::INT).context("the agent is gone")?;
        let end = Instant::now() + LIMIT;
        let status = loop {
            if let Some(status) = self.child.try_wait()? {
                break status;
            }
            ensure!(Instant::now() < end, "the agent does not end");
            sleep(Duration::from_millis(2));
        };
        self.said.extend(self.stderr.iter());
        ensure!(status.success(), "the agent: {status}\n{}", self.said.join("\n"));
        if let Some(broken) = self.said.iter().find(|l| l.contains("  UNEXPLAINED ")) {
            bail!("the agent lost something: {broken}");
        }
        let text = fs::read_to_string(self.dir.path().join("stdout"))?;
        let alert = |line: &str| {
            serde_json::from_str(line).with_context(|| format!("not an alert: {line}"))
        };
        text.lines().map(alert).collect()
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        // Both fail where it has ended.
        drop(self.child.kill());
        drop(self.child.wait());
    }
}
