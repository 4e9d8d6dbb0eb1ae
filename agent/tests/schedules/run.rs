//! Replays under a schedule, held to one on one thread.

use std::fmt::Write as _;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{RecvTimeoutError, channel};
use std::time::Duration;
use std::{fs, io, thread};

use rustix::process::{Pid, Signal, kill_process};

use crate::common::PEREGRINE;
use crate::storm::Draws;

/// Numbers of shards and of capture lanes.
pub(crate) const N_SHARDS: [usize; 6] = [1, 2, 3, 4, 8, 16];
pub(crate) const N_CAPTURES: [usize; 3] = [1, 2, 4];

/// How many threads a replay has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Topology {
    pub(crate) n_shards: usize,
    pub(crate) n_captures: usize,
}

impl Topology {
    pub(crate) fn all() -> Vec<Self> {
        let of = |n_shards| N_CAPTURES.map(|n_captures| Self { n_shards, n_captures });
        N_SHARDS.into_iter().flat_map(of).collect()
    }

    /// What it is called with under a seed, which decides how large lanes and batches are, too.
    fn args(self, seed: u64) -> Vec<String> {
        let mut draws = Draws(seed);
        let mut one_of = |sizes: [u32; 4]| sizes[draws.below(4) as usize];
        let mut args = vec!["--shards".to_owned(), self.n_shards.to_string()];
        for (key, n) in [
            ("capture_threads", self.n_captures as u32),
            ("lane_capacity", one_of([1, 2, 8, 8])),
            ("batch_frames", one_of([5, 64, 512, 512])),
            ("alert_lane_capacity", one_of([8, 256, 4096, 4096])),
        ] {
            args.extend(["-o".to_owned(), format!("peregrine.{key}={n}")]);
        }
        args
    }
}

/// A replay: its topology, and the seed of its schedule.
pub(crate) type Run = (Topology, u64);

/// A file in a folder of its own, the rules that it is held against, and what one thread gives.
pub(crate) struct Case {
    file: PathBuf,
    rules: Vec<PathBuf>,
    oracle: Vec<u8>,
}

/// How a run differs from that of one thread.
pub(crate) type Difference = String;

impl Case {
    pub(crate) fn new(file: &Path, rules: &[PathBuf]) -> Self {
        let mut case = Self { file: file.to_owned(), rules: rules.to_owned(), oracle: Vec::new() };
        let mut command = case.command();
        command.arg("--single-thread");
        case.oracle = watched(command, SILENCE, |stdout| {
            let mut all = Vec::new();
            stdout.read_to_end(&mut all).expect("the pipe is read");
            all
        })
        .unwrap_or_else(|why| panic!("{}: on one thread: {why}", file.display()));
        case
    }

    /// Alerts of one thread.
    pub(crate) fn n_alerts(&self) -> usize {
        self.oracle.split(|&byte| byte == b'\n').count().saturating_sub(1)
    }

    pub(crate) fn name(&self) -> String {
        self.file.file_name().unwrap_or_default().to_string_lossy().into_owned()
    }

    fn command(&self) -> Command {
        let mut command = Command::new(PEREGRINE);
        command.arg("replay").arg(&self.file).args(["-o", "rule_matching=all"]).env("TZ", "UTC");
        for rules in &self.rules {
            command.arg("-r").arg(rules);
        }
        command
    }

    /// Makes some runs, so many beside each other, and gives how those went that differ, of which it looks for no more than `max_differing`. Tells
    /// `done` of each that is alike, with their number.
    pub(crate) fn differing(
        &self,
        runs: &[Run],
        mutant: Option<&str>,
        (n_beside, max_differing): (usize, usize),
        done: impl Fn(usize) + Sync,
    ) -> Vec<Difference> {
        let (next, n_alike) = (AtomicUsize::new(0), AtomicUsize::new(0));
        let differing = Mutex::new(Vec::new());
        let found = || differing.lock().expect("no run panics while it is held");
        thread::scope(|scope| {
            for _ in 0..n_beside.min(runs.len()) {
                scope.spawn(|| {
                    while found().len() < max_differing
                        && let Some(&(topology, seed)) =
                            runs.get(next.fetch_add(1, Ordering::Relaxed))
                    {
                        match self.check(topology, seed, mutant) {
                            Ok(()) => done(n_alike.fetch_add(1, Ordering::Relaxed) + 1),
                            Err(difference) => found().push(difference),
                        }
                    }
                });
            }
        });
        differing.into_inner().expect("no run panicked")
    }

    /// Replays in a topology under a schedule, with or without a mutant: the same, byte for byte, or what is not.
    fn check(&self, topology: Topology, seed: u64, mutant: Option<&str>) -> Result<(), Difference> {
        let mut command = self.command();
        let args = topology.args(seed);
        command.args(&args).env("PEREGRINE_SCHEDULE", seed.to_string());
        if let Some(mutant) = mutant {
            command.env("PEREGRINE_MUTANT", mutant);
        }
        let found = match watched(command, SILENCE, |stdout| self.compare(stdout)) {
            Ok(None) => return Ok(()),
            Ok(Some(found)) => found,
            Err(why) => why,
        };
        let mut told = format!("{} with {}", self.file.display(), args.join(" "));
        let _infallible = write!(told, ", PEREGRINE_SCHEDULE={seed}: {found}");
        Err(told)
    }

    /// What in the alerts differs first.
    fn compare(&self, stdout: &mut dyn Read) -> Option<String> {
        let (mut at, mut buf) = (0, vec![0; 256 << 10]);
        let mut differs_at = None;
        let mut line = Vec::new();
        loop {
            let n = stdout.read(&mut buf).expect("the pipe is read");
            if n == 0 {
                break;
            }
            // What comes after a difference is read all the same, so that the run can end.
            if differs_at.is_none() {
                let expected = &self.oracle[at.min(self.oracle.len())..];
                let same =
                    buf[..n].iter().zip(expected).take_while(|(ours, theirs)| ours == theirs);
                let same = if expected.starts_with(&buf[..n]) { n } else { same.count() };
                if same < n {
                    differs_at = Some(at + same);
                    line = buf[same..n].to_vec();
                }
            }
            at += n;
        }
        let at = differs_at.or((at < self.oracle.len()).then_some(at))?;
        let begin = self.oracle[..at].iter().rposition(|&b| b == b'\n').map_or(0, |n| n + 1);
        let text = |bytes: &[u8]| {
            let line = bytes.split(|&b| b == b'\n').next().unwrap_or_default();
            String::from_utf8_lossy(line).into_owned()
        };
        let expected = text(&self.oracle[begin..]);
        let ours = text(&self.oracle[begin..at]) + &text(&line);
        Some(format!("an alert differs\n  one thread: {expected}\n  here:       {ours}"))
    }
}

/// A run that prints nothing for so long, and does not end, hangs. How long it takes in all says nothing: the machine may be busy with others.
const SILENCE: Duration = Duration::from_mins(3);

/// Counts what is read.
struct Counted<'a, R>(R, &'a AtomicUsize);

impl<R: Read> Read for Counted<'_, R> {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        let n = self.0.read(buf)?;
        self.1.fetch_add(n, Ordering::Relaxed);
        Ok(n)
    }
}

/// Runs a program while `read` has its output; what went wrong if it fails, or is silent for so long.
fn watched<T>(
    mut command: Command,
    silence: Duration,
    read: impl FnOnce(&mut dyn Read) -> T,
) -> Result<T, Difference> {
    let mut child = command
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("the program starts");
    let n_read = &AtomicUsize::new(0);
    let mut stdout = Counted(child.stdout.take().expect("stdout is a pipe"), n_read);
    let mut stderr = child.stderr.take().expect("stderr is a pipe");
    let pid = Pid::from_child(&child);
    let (read, hung, said) = thread::scope(|scope| {
        let said = scope.spawn(move || {
            let mut said = String::new();
            stderr.read_to_string(&mut said).map(|_| said)
        });
        let (done, is_done) = channel::<()>();
        let watchdog = scope.spawn(move || {
            let mut n_before = 0;
            while is_done.recv_timeout(silence) == Err(RecvTimeoutError::Timeout) {
                let n = n_read.load(Ordering::Relaxed);
                if std::mem::replace(&mut n_before, n) == n {
                    let threads = threads_of(pid);
                    kill_process(pid, Signal::KILL).expect("it is our child, and runs");
                    return Some(threads);
                }
            }
            None
        });
        let read = read(&mut stdout);
        drop(done);
        let hung = watchdog.join().expect("the watchdog");
        (read, hung, said.join().expect("the reader").unwrap_or_default())
    });
    let status = child.wait().expect("it is our child");
    if let Some(threads) = hung {
        return Err(format!(
            "nothing came for {silence:?}; its threads:\n{threads}it said:\n{said}"
        ));
    }
    if !status.success() {
        return Err(format!("{status}; it said:\n{said}"));
    }
    Ok(read)
}

/// Each thread of a process: its name, its state, where in the kernel it waits, and what CPU time it has had.
fn threads_of(pid: Pid) -> String {
    let mut told = String::new();
    let Ok(tasks) = fs::read_dir(format!("/proc/{}/task", pid.as_raw_nonzero())) else {
        return told;
    };
    for task in tasks.filter_map(Result::ok) {
        let file = |name| fs::read_to_string(task.path().join(name)).unwrap_or_default();
        let stat = file("stat");
        let fields: Vec<&str> =
            stat.rsplit(')').next().unwrap_or_default().split_whitespace().collect();
        let field = |n: usize| fields.get(n).copied().unwrap_or_default();
        let (name, at) = (file("comm"), file("wchan"));
        let _infallible = writeln!(
            told,
            "  {} {} {at} user {} system {} ticks",
            name.trim_end(),
            field(0),
            field(11),
            field(12)
        );
    }
    told
}

#[test]
fn who_is_silent_for_too_long_hangs() {
    let shell = |script| {
        let mut command = Command::new("sh");
        command.args(["-c", script]);
        watched(command, Duration::from_secs(1), |stdout| io::copy(stdout, &mut io::sink()))
    };
    let why = shell("echo; exec sleep 600").expect_err("it sleeps for ten minutes");
    assert!(why.contains("nothing came for 1s; its threads:\n  sleep S"), "{why}");
    assert!(shell("exit 3").expect_err("it fails").contains("exit status: 3"));
    assert!(matches!(shell("echo"), Ok(Ok(1))));
}
