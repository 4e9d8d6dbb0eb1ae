//! An agent as a process, scoped to a shell: what the shell is told to run is all that the agent sees.

use std::collections::BTreeSet;
use std::fs::{self, File};
use std::io::{BufRead as _, BufReader, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail, ensure};
use perf::Snapshot;
use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;

use crate::process::{cargo_executables, output};

/// How long the agent may take to attach, and to end.
const DEADLINE: Duration = Duration::from_secs(30);

/// Name of the variable that every process of a run has in its environment.
pub(crate) const MARK: &str = "PEREGRINE_RUN";

/// The agent that was given, or the workspace's.
///
/// # Errors
/// It cannot be built.
pub(crate) fn built(given: Option<&Path>) -> Result<PathBuf> {
    if let Some(file) = given {
        return file.canonicalize().with_context(|| format!("no agent at {}", file.display()));
    }
    let made = cargo_executables(&["build", "--release", "--locked", "-p", "agent"], None)?;
    made.into_iter().next_back().context("cargo built no agent")
}

/// Ends processes of a run that are still there, all but one; gives their names.
pub(crate) fn end_leftovers(run: &str, except: u32) -> BTreeSet<String> {
    let mark = format!("{MARK}={run}");
    let mut left = BTreeSet::new();
    let Ok(processes) = fs::read_dir("/proc") else { return left };
    for entry in processes.flatten() {
        let Some(pid) = entry.file_name().to_str().and_then(|n| n.parse::<u32>().ok()) else {
            continue;
        };
        let environment = fs::read(entry.path().join("environ")).unwrap_or_default();
        if pid == except || !environment.split(|b| *b == 0).any(|v| v == mark.as_bytes()) {
            continue;
        }
        let name = fs::read_to_string(entry.path().join("comm")).unwrap_or_default();
        left.insert(format!("{} ({pid})", name.trim()));
        if let Some(pid) = Pid::from_raw(pid as i32) {
            let _already_gone = kill_process(pid, Signal::KILL);
        }
    }
    left
}

/// A running agent. What it says goes to files in its folder.
#[derive(Debug)]
pub(crate) struct Agent {
    child: Child,
    program: PathBuf,
    dir: PathBuf,
    start_block: usize,
}

/// What an agent left behind.
#[derive(Debug)]
pub(crate) struct Ended {
    /// Its alerts, in the order in which they came.
    pub(crate) alerts: Vec<Alert>,
    /// Its last words: the tables of hops, losses, latencies and equations.
    pub(crate) table: String,
}

/// One line of stdout.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Alert {
    pub(crate) rule: String,
    pub(crate) priority: String,
    /// Nanoseconds since the epoch.
    pub(crate) time_ns: u64,
    pub(crate) output: String,
}

impl Alert {
    /// Reads a line of `--json`; the rule's output has to be among its keys.
    fn read(line: &str) -> Result<Self> {
        let v: Value = serde_json::from_str(line).with_context(|| format!("no JSON: {line}"))?;
        let text = |key: &str| {
            let text = v[key].as_str().with_context(|| format!("no {key} in {line}"))?;
            anyhow::Ok(text.to_owned())
        };
        let time_ns = v["output_fields"]["evt.time"].as_u64();
        Ok(Self {
            rule: text("rule")?,
            priority: text("priority")?,
            time_ns: time_ns.with_context(|| format!("no evt.time in {line}"))?,
            output: text("output")?,
        })
    }
}

impl Agent {
    /// Starts `program` scoped to a process, as nice as said, and waits until it is attached.
    ///
    /// # Errors
    /// It cannot be started, or it ends or hangs before it is attached: then with what it said.
    pub(crate) fn start(
        program: &Path,
        niceness: i32,
        dir: &Path,
        scope: u32,
        args: &[&str],
    ) -> Result<Self> {
        let file = |name: &str| {
            let path = dir.join(name);
            File::create(&path).with_context(|| format!("cannot make {}", path.display()))
        };
        let child = Command::new("nice")
            .args(["-n", &niceness.to_string()])
            .arg(program)
            .args(["--json", "--scope-pid", &scope.to_string(), "--socket"])
            .arg(dir.join("control.sock"))
            .args(args)
            .stdin(Stdio::null())
            .stdout(file("stdout")?)
            .stderr(file("stderr")?)
            .spawn()
            .with_context(|| format!("cannot start {}", program.display()))?;
        let mut agent =
            Self { child, program: program.to_owned(), dir: dir.to_owned(), start_block: 0 };
        let deadline = Instant::now() + DEADLINE;
        loop {
            let said = agent.text("stderr")?;
            // The last line that every start block has.
            let mut lines = said.split_inclusive('\n').scan(0, |at, line| {
                *at += line.len();
                Some((*at, line))
            });
            if let Some((end, _)) = lines.find(|(_, l)| l.starts_with("  stats ")) {
                agent.start_block = end;
                return Ok(agent);
            }
            if let Some(status) = agent.child.try_wait()? {
                bail!("the agent ended at its start, {status}: {}", said.trim());
            }
            if Instant::now() >= deadline {
                agent.child.kill()?;
                agent.child.wait()?;
                bail!("the agent did not attach within {DEADLINE:?}: {}", said.trim());
            }
            sleep(Duration::from_millis(5));
        }
    }

    fn text(&self, name: &str) -> Result<String> {
        let path = self.dir.join(name);
        let bytes = fs::read(&path).with_context(|| format!("cannot read {}", path.display()))?;
        Ok(String::from_utf8_lossy(&bytes).into_owned())
    }

    /// Asks it for its figures.
    ///
    /// # Errors
    /// It does not answer.
    pub(crate) fn stats(&self) -> Result<Snapshot> {
        let mut command = Command::new(&self.program);
        command.args(["stats", "--json", "--socket"]).arg(self.dir.join("control.sock"));
        let text = output(&mut command)?;
        serde_json::from_str(&text).context("the answer is no snapshot")
    }

    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }

    /// What it has said on stderr.
    ///
    /// # Errors
    /// The file is gone.
    pub(crate) fn said(&self) -> Result<String> {
        self.text("stderr")
    }

    /// Sends it a signal.
    ///
    /// # Errors
    /// It is gone.
    pub(crate) fn signal(&self, signal: Signal) -> Result<()> {
        kill_process(Pid::from_child(&self.child), signal).context("the agent is gone")
    }

    /// CPU time that it has used so far.
    ///
    /// # Errors
    /// It is gone.
    pub(crate) fn cpu_time(&self) -> Result<Duration> {
        let stat = fs::read_to_string(format!("/proc/{}/stat", self.child.id()))?;
        let fields = stat.rsplit(')').next().unwrap_or_default().split_whitespace();
        // utime and stime in ticks of 1/100 s, proc_pid_stat(5).
        let ticks: u64 = fields.skip(11).take(2).filter_map(|f| f.parse::<u64>().ok()).sum();
        Ok(Duration::from_millis(ticks * 10))
    }

    /// Ends it as Ctrl-C does and reads what it said.
    ///
    /// # Errors
    /// It had ended before, ends badly or not at all, or what it wrote is no alert.
    pub(crate) fn end(mut self) -> Result<Ended> {
        kill_process(Pid::from_child(&self.child), Signal::INT).context("the agent is gone")?;
        let deadline = Instant::now() + DEADLINE;
        let status = loop {
            if let Some(status) = self.child.try_wait()? {
                break status;
            }
            if Instant::now() >= deadline {
                self.child.kill()?;
                self.child.wait()?;
                bail!("the agent did not end within {DEADLINE:?}");
            }
            sleep(Duration::from_millis(5));
        };
        let said = self.text("stderr")?;
        ensure!(status.success(), "the agent: {status}: {}", said.trim());
        let alerts = self.text("stdout")?.lines().map(Alert::read).collect::<Result<_>>()?;
        Ok(Ended { alerts, table: said.get(self.start_block..).unwrap_or_default().to_owned() })
    }
}

impl Drop for Agent {
    fn drop(&mut self) {
        // Does nothing to one that was waited for.
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

impl Ended {
    /// Lines of a table of the last words, without its head.
    pub(crate) fn rows(&self, head: &str) -> Vec<&str> {
        let lines = self.table.lines().skip_while(|l| l.split_whitespace().next() != Some(head));
        lines.skip(1).take_while(|l| !l.is_empty() && !l.starts_with("note:")).collect()
    }

    /// How many equations there are, and those that do not hold.
    pub(crate) fn equations(&self) -> (usize, Vec<&str>) {
        let rows = self.rows("equation");
        (rows.len(), rows.into_iter().filter(|l| !l.contains("  holds  ")).collect())
    }
}

/// A shell that lives before the agent does.
#[derive(Debug)]
pub(crate) struct Shell {
    child: Child,
    stdin: ChildStdin,
    stdout: BufReader<ChildStdout>,
}

impl Shell {
    /// Starts `/bin/sh` in `dir`, with `environment` added to ours.
    ///
    /// # Errors
    /// There is no shell.
    pub(crate) fn start(dir: &Path, environment: &[(&str, &str)]) -> Result<Self> {
        let mut child = Command::new("/bin/sh")
            .current_dir(dir)
            .envs(environment.iter().copied())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .context("cannot start /bin/sh")?;
        let stdin = child.stdin.take().context("stdin is a pipe")?;
        let stdout = BufReader::new(child.stdout.take().context("stdout is a pipe")?);
        let mut shell = Self { child, stdin, stdout };
        // Its start is over before anything is scoped to it.
        shell.run(":")?;
        Ok(shell)
    }

    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Runs a command line, waits for its end and gives its exit code.
    ///
    /// # Errors
    /// The shell is gone.
    pub(crate) fn run(&mut self, command: &str) -> Result<i32> {
        writeln!(self.stdin, "{{ {command}\n}} </dev/null >/dev/null 2>&1; echo $?")?;
        let mut line = String::new();
        let n = self.stdout.read_line(&mut line)?;
        ensure!(n > 0, "the shell ended in: {command}");
        line.trim().parse().with_context(|| format!("no exit code: {line}"))
    }
}

impl Drop for Shell {
    fn drop(&mut self) {
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_alert_is_read_from_its_line() {
        let line = r#"{"output":"x y","output_fields":{"evt.time":17},"priority":"Notice","rule":"R","time":"t"}"#;
        let alert = Alert::read(line).unwrap();
        let want = (17, "R", "Notice", "x y");
        assert_eq!((alert.time_ns, &*alert.rule, &*alert.priority, &*alert.output), want);
        assert!(Alert::read(r#"{"rule":"R"}"#).is_err());
        assert!(Alert::read("12:00: Notice x").is_err());
    }

    #[test]
    fn an_equation_that_does_not_hold_is_found() {
        let table = "hop  in\nkernel  1\n\nequation  verdict  numbers\na: b = c  holds  1 = 1\nd: e = f  UNEXPLAINED 2  3 = 1\n\nnote: x\n";
        let ended = Ended { alerts: Vec::new(), table: table.to_owned() };
        assert_eq!(ended.equations(), (2, vec!["d: e = f  UNEXPLAINED 2  3 = 1"]));
        assert_eq!(ended.rows("hop"), ["kernel  1"]);
    }

    #[test]
    fn a_shell_gives_exit_codes() {
        let mut shell = Shell::start(Path::new("/"), &[("PEREGRINE_X", "4")]).unwrap();
        assert_eq!(shell.run("exit_code() { return $PEREGRINE_X; }; exit_code").unwrap(), 4);
        assert_eq!(shell.run("echo noise; true").unwrap(), 0);
    }
}
