//! The program as its user has it: a process with arguments, two output streams and signals.
#![allow(dead_code, reason = "each test binary uses its part")]

use std::fs::File;
use std::io::{BufRead as _, BufReader, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, ExitStatus, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use perf::Snapshot;

/// How long anything may take before a test gives up on it.
pub(crate) const DEADLINE: Duration = Duration::from_secs(20);

pub(crate) const PEREGRINE: &str = env!("CARGO_BIN_EXE_peregrine");

/// The program that an [`Agent`] runs: `PEREGRINE_PROGRAM`, an absolute path of a release build, where a test is to judge what is shipped.
pub(crate) fn program() -> String {
    std::env::var("PEREGRINE_PROGRAM").unwrap_or_else(|_| PEREGRINE.to_owned())
}

/// One live test at a time: they measure CPU and latency, and share two cores.
pub(crate) fn alone() -> MutexGuard<'static, ()> {
    static LOCK: Mutex<()> = Mutex::new(());
    LOCK.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Waits until most of the CPU time is free; says so where that does not come.
pub(crate) fn is_machine_quiet(test: &str) -> bool {
    let idle_and_all = || -> (u64, u64) {
        let text = std::fs::read_to_string("/proc/stat").expect("/proc/stat");
        let line = text.lines().next().unwrap_or_default();
        let n: Vec<u64> = line.split_whitespace().skip(1).filter_map(|f| f.parse().ok()).collect();
        (n.iter().skip(3).take(2).sum(), n.iter().sum())
    };
    let deadline = Instant::now() + DEADLINE / 2;
    while Instant::now() < deadline {
        let before = idle_and_all();
        std::thread::sleep(Duration::from_millis(300));
        let after = idle_and_all();
        if (after.0 - before.0) * 10 >= (after.1 - before.1) * 7 {
            return true;
        }
    }
    skip(test, "it measures time, and the machine is busy with something else");
    false
}

/// Says that a test did not run, and why, in the form that CI counts.
pub(crate) fn skip(test: &str, why: &str) {
    // Not `eprintln!`: the test harness keeps what that prints by a test that passes.
    drop(writeln!(std::io::stderr(), "skipped: {test}: {why}"));
}

/// Whether live tests can run here; says so where not.
pub(crate) fn can_run_live(test: &str) -> bool {
    if !rustix::process::geteuid().is_root() {
        skip(test, "needs root to attach programs to the kernel");
        return false;
    }
    if !Path::new("/sys/kernel/btf/vmlinux").exists() {
        skip(test, "this kernel has no BTF");
        return false;
    }
    true
}

/// A program of `bench-harness`, which is built where it is not there.
pub(crate) fn bench_program(name: &str) -> PathBuf {
    let program = Path::new(PEREGRINE).with_file_name(name);
    if !program.exists() {
        let target = program.parent().and_then(Path::parent).expect("a target folder");
        let is_release = program.parent().is_some_and(|dir| dir.ends_with("release"));
        let status = Command::new(env!("CARGO"))
            .current_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/.."))
            .args(["build", "-p", "bench-harness", "--bin", name, "--target-dir"])
            .arg(target)
            .args(is_release.then_some("--release"))
            .status()
            .expect("cargo runs");
        assert!(status.success(), "{status}");
    }
    program
}

/// A child that ends with whoever holds this, also where a test fails half way.
pub(crate) struct Running(pub(crate) Child);

impl Drop for Running {
    fn drop(&mut self) {
        // Both fail where it was waited for.
        drop(self.0.kill());
        drop(self.0.wait());
    }
}

/// A running agent. Its stdout goes to a file, so that it never waits for the test.
pub(crate) struct Agent {
    child: Running,
    dir: tempfile::TempDir,
    stderr: Receiver<String>,
    start_block: String,
    pub(crate) started_in: Duration,
}

/// What an agent left when it ended.
pub(crate) struct Ended {
    pub(crate) status: ExitStatus,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
    dir: tempfile::TempDir,
}

impl Agent {
    /// Starts the program and waits until it says that it is attached.
    pub(crate) fn start(args: &[&str]) -> Self {
        let dir = tempfile::tempdir().expect("a temporary directory");
        let stdout = File::create(dir.path().join("stdout")).expect("a file");
        Self::start_into(args, Stdio::from(stdout), dir)
    }

    pub(crate) fn start_into(args: &[&str], stdout: Stdio, dir: tempfile::TempDir) -> Self {
        let begin = Instant::now();
        let mut child = Command::new(program())
            .args(args)
            .arg("--socket")
            .arg(dir.path().join("control.sock"))
            .env("TZ", "UTC")
            .stdin(Stdio::null())
            .stdout(stdout)
            .stderr(Stdio::piped())
            .spawn()
            .expect("the program starts");
        let (tx, stderr) = channel();
        let reader = BufReader::new(child.stderr.take().expect("stderr is a pipe"));
        std::thread::spawn(move || {
            for line in reader.lines().map_while(Result::ok) {
                if tx.send(line).is_err() {
                    return;
                }
            }
        });
        let mut agent = Self {
            child: Running(child),
            dir,
            stderr,
            start_block: String::new(),
            started_in: Duration::ZERO,
        };
        loop {
            let line = agent.next_line(begin + DEADLINE).unwrap_or_else(|| {
                panic!("not attached; it said:\n{}", agent.start_block);
            });
            agent.start_block.push_str(&line);
            agent.start_block.push('\n');
            // The last line that every start block has.
            if line.starts_with("  stats ") {
                break;
            }
        }
        agent.started_in = begin.elapsed();
        agent
    }

    fn next_line(&mut self, deadline: Instant) -> Option<String> {
        let left = deadline.saturating_duration_since(Instant::now());
        self.stderr.recv_timeout(left).ok()
    }

    pub(crate) fn start_block(&self) -> &str {
        &self.start_block
    }

    pub(crate) fn pid(&self) -> u32 {
        self.child.0.id()
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    pub(crate) fn socket(&self) -> PathBuf {
        self.path("control.sock")
    }

    /// `peregrine stats --json` of this agent.
    pub(crate) fn stats(&self) -> Snapshot {
        let out = Command::new(PEREGRINE)
            .args(["stats", "--json", "--socket"])
            .arg(self.socket())
            .output()
            .expect("the program starts");
        assert!(out.status.success(), "{}", String::from_utf8_lossy(&out.stderr));
        serde_json::from_slice(&out.stdout).expect("a snapshot")
    }

    /// The counters once everything that was captured has reached the outputs.
    pub(crate) fn at_rest(&self) -> Snapshot {
        let deadline = Instant::now() + DEADLINE;
        loop {
            let stats = self.stats();
            let n = |name: &str| stats.get(name).unwrap_or_else(|| panic!("no counter {name}"));
            let is_read = n("kernel.written") + n("seeds") == n("capture.read");
            let is_done = n("shard.parsed") == n("capture.read")
                && n("shard.alerts") <= n("outputs.received")
                && stats.get("outputs.stdout.waiting").unwrap_or(0) == 0;
            if is_read && is_done {
                return stats;
            }
            assert!(Instant::now() < deadline, "it does not come to rest:\n{}", stats.table());
            std::thread::sleep(Duration::from_millis(50));
        }
    }

    /// What stdout has so far.
    pub(crate) fn stdout(&self) -> String {
        std::fs::read_to_string(self.path("stdout")).unwrap_or_default()
    }

    /// Waits until stdout has this many lines.
    pub(crate) fn wait_for_lines(&self, n: usize) -> String {
        let deadline = Instant::now() + DEADLINE;
        loop {
            let text = self.stdout();
            if text.lines().count() >= n {
                return text;
            }
            assert!(Instant::now() < deadline, "{n} lines wanted, got:\n{text}");
            std::thread::sleep(Duration::from_millis(2));
        }
    }

    /// CPU time that the process has used.
    pub(crate) fn cpu_time(&self) -> Duration {
        let stat = std::fs::read_to_string(format!("/proc/{}/stat", self.pid())).expect("stat");
        let fields = stat.rsplit(')').next().expect("the name ends").split_whitespace();
        let ticks: u64 = fields.skip(11).take(2).map(|f| f.parse::<u64>().expect("ticks")).sum();
        Duration::from_millis(ticks * 10)
    }

    pub(crate) fn signal(&self, signal: rustix::process::Signal) {
        let pid = rustix::process::Pid::from_child(&self.child.0);
        rustix::process::kill_process(pid, signal).expect("the agent runs");
    }

    /// Ctrl-C, then everything that it said.
    pub(crate) fn interrupt(self) -> Ended {
        self.signal(rustix::process::Signal::INT);
        self.wait()
    }

    /// Waits for the end.
    pub(crate) fn wait(mut self) -> Ended {
        let deadline = Instant::now() + DEADLINE;
        let status = loop {
            if let Some(status) = self.child.0.try_wait().expect("the agent is our child") {
                break status;
            }
            if Instant::now() >= deadline {
                self.child.0.kill().expect("the agent runs");
                panic!("the agent does not end; it said:\n{}", self.drain_stderr());
            }
            std::thread::sleep(Duration::from_millis(2));
        };
        let stderr = self.drain_stderr();
        let stdout = self.stdout();
        let Self { dir, .. } = self;
        Ended { status, stdout, stderr, dir }
    }

    fn drain_stderr(&mut self) -> String {
        let mut text = std::mem::take(&mut self.start_block);
        while let Some(line) = self.next_line(Instant::now() + Duration::from_secs(5)) {
            text.push_str(&line);
            text.push('\n');
        }
        text
    }
}

impl Ended {
    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    /// The alerts, sorted.
    pub(crate) fn alerts(&self) -> Vec<String> {
        let mut lines: Vec<String> = self.stdout.lines().map(str::to_owned).collect();
        lines.sort();
        lines
    }

    /// Ended well, with a table in which every equation holds and nothing was lost.
    pub(crate) fn assert_balanced(&self) {
        assert!(self.status.success(), "{}: {}", self.status, self.stderr);
        self.assert_equations();
    }

    /// However it ended.
    pub(crate) fn assert_equations(&self) {
        let equations = self.equations();
        assert!(equations.len() >= 6, "{}", self.stderr);
        for line in equations {
            assert!(line.contains(" holds "), "{line}\n{}", self.stderr);
        }
    }

    fn equations(&self) -> Vec<&str> {
        let lines = self.stderr.lines().skip_while(|l| !l.starts_with("equation "));
        lines.skip(1).take_while(|l| !l.is_empty() && !l.starts_with("note:")).collect()
    }
}

/// A shell that the agent is scoped to; it lives before the agent does.
pub(crate) struct Shell {
    child: Running,
    stdin: ChildStdin,
    stdout: BufReader<std::process::ChildStdout>,
    n_commands: u32,
}

impl Shell {
    pub(crate) fn start() -> Self {
        let mut child = Command::new("/bin/sh")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .expect("/bin/sh starts");
        let stdin = child.stdin.take().expect("stdin is a pipe");
        let stdout = BufReader::new(child.stdout.take().expect("stdout is a pipe"));
        let mut shell = Self { child: Running(child), stdin, stdout, n_commands: 0 };
        // Its start is over before anything is scoped to it.
        shell.run(":");
        shell
    }

    pub(crate) fn pid(&self) -> String {
        self.child.0.id().to_string()
    }

    /// Runs a command line, waits for its end and gives its exit code.
    pub(crate) fn run(&mut self, command: &str) -> i32 {
        self.n_commands += 1;
        let mark = format!("done-{}", self.n_commands);
        writeln!(self.stdin, "{{ {command}\n}} </dev/null >/dev/null 2>&1; echo {mark} $?")
            .expect("the shell reads");
        let mut line = String::new();
        loop {
            line.clear();
            let n = self.stdout.read_line(&mut line).expect("the shell writes");
            assert!(n > 0, "the shell ended in: {command}");
            if let Some(code) = line.strip_prefix(&mark) {
                return code.trim().parse().expect("an exit code");
            }
        }
    }
}

/// Runs the program to its end with a socket of its own.
pub(crate) fn run(args: &[&str]) -> Ended {
    let dir = tempfile::tempdir().expect("a temporary directory");
    let socket = dir.path().join("control.sock");
    let mut command = Command::new(PEREGRINE);
    command.args(args).arg("--socket").arg(socket);
    run_command(command, dir)
}

pub(crate) fn run_command(mut command: Command, dir: tempfile::TempDir) -> Ended {
    let file = |name: &str| File::create(dir.path().join(name)).expect("a file");
    let command = command.env("TZ", "UTC").stdin(Stdio::null());
    let command = command.stdout(file("stdout")).stderr(file("stderr"));
    let mut child = Running(command.spawn().expect("the program starts"));
    let deadline = Instant::now() + DEADLINE;
    let status = loop {
        if let Some(status) = child.0.try_wait().expect("the program is our child") {
            break status;
        }
        if Instant::now() >= deadline {
            let said = std::fs::read_to_string(dir.path().join("stderr")).unwrap_or_default();
            panic!("{command:?} does not end; it said:\n{said}");
        }
        std::thread::sleep(Duration::from_millis(2));
    };
    let text = |name: &str| {
        let bytes = std::fs::read(dir.path().join(name)).expect("the file is there");
        String::from_utf8_lossy(&bytes).into_owned()
    };
    let (stdout, stderr) = (text("stdout"), text("stderr"));
    Ended { status, stdout, stderr, dir }
}

/// The time of an alert's line cut off.
pub(crate) fn without_time(line: &str) -> &str {
    line.split_once(": ").map_or(line, |(_, rest)| rest)
}

/// Reads all of a pipe.
pub(crate) fn read_all(mut from: impl std::io::Read) -> String {
    let mut text = String::new();
    from.read_to_string(&mut text).expect("text");
    text
}
