//! Lines to a program that the shell runs, as popen(3) does: one process for all alerts, or one for each.
//!
//! A line is delivered when the program has read it, of a process for each alert when that process has ended. The program's process group is its
//! own, and it is what is ended where the program takes too long; nothing else ever is.

use std::fmt;
use std::io::{self, ErrorKind, Write as _};
use std::os::fd::{AsFd as _, OwnedFd};
use std::os::unix::process::{CommandExt as _, ExitStatusExt as _};
use std::process::{Child, ChildStdin, Command, ExitStatus, Stdio};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use perf::{Counter, Registry};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::{Errno, ioctl_fionbio, ioctl_fionread, retry_on_intr};
use rustix::process::{Pid, PidfdFlags, Signal, kill_process_group, pidfd_open};

use super::{Sent, Transport};
use crate::message::Shared;

/// Waits for the program to read what lies in the pipe begin with this and double; the kernel tells when there is room, not when it is empty.
const FIRST_LOOK: Duration = Duration::from_micros(50);
const LONGEST_LOOK: Duration = Duration::from_millis(10);

/// Exit codes with which the shell says that it ran nothing.
const NOT_RUN: [(i32, &str); 2] =
    [(126, "the shell may not run it"), (127, "the shell does not find it")];

/// What is run, and how.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ProgramSettings {
    /// A command line for the shell.
    pub command: String,
    /// How long a process lives.
    pub lives: Lives,
    /// A program that reads nothing for so long, or does not end, is ended.
    pub timeout: Duration,
    /// At the end it has so long.
    pub output_timeout: Duration,
}

/// How long a process of the program lives.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Lives {
    /// As long as the agent, or until it is told to reopen.
    OnAndOn,
    /// For one alert.
    ForOne,
}

/// The process, where there is one. Shared with who ends it from outside.
type Running = Arc<Mutex<Option<Child>>>;

/// Writes to the program.
pub(super) struct Program {
    settings: ProgramSettings,
    running: Running,
    pipe: Option<Pipe>,
    counts: Counts,
}

#[derive(Default)]
struct Counts {
    started: Arc<Counter>,
    killed: Arc<Counter>,
    exit_codes: Arc<Counter>,
}

/// The way to a process.
struct Pipe {
    stdin: ChildStdin,
    process: OwnedFd,
}

/// Why an alert did not go through.
enum Trouble {
    /// The program cannot be started.
    Start(io::Error),
    /// It reads no more, for it has closed its input or ended.
    Closed,
    /// It takes too long.
    Late,
    /// The pipe fails.
    Pipe(io::Error),
    /// It ended as it should not.
    Ended(ExitStatus),
}

impl From<io::Error> for Trouble {
    fn from(e: io::Error) -> Self {
        if e.kind() == ErrorKind::BrokenPipe { Self::Closed } else { Self::Pipe(e) }
    }
}

impl From<Errno> for Trouble {
    fn from(e: Errno) -> Self {
        Self::Pipe(e.into())
    }
}

impl fmt::Display for Trouble {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Start(e) => write!(f, "cannot start the shell: {e}"),
            Self::Closed => f.write_str("the program reads no more"),
            Self::Late => f.write_str("the program takes too long and was killed"),
            Self::Pipe(e) => write!(f, "cannot write to the program: {e}"),
            Self::Ended(status) => {
                let said = NOT_RUN.iter().find(|(code, _)| status.code() == Some(*code));
                match said {
                    Some((code, why)) => write!(f, "{why} (exit code {code})"),
                    None => write!(f, "the program ended: {status}"),
                }
            }
        }
    }
}

fn lock(running: &Running) -> MutexGuard<'_, Option<Child>> {
    running.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Kills the process and its group. It was not waited for, so its number is still its own.
fn kill(child: &Child) {
    // Fails where all of them have ended.
    let _gone = kill_process_group(Pid::from_child(child), Signal::KILL);
}

impl Program {
    pub(super) fn new(settings: ProgramSettings) -> Self {
        Self { settings, running: Running::default(), pipe: None, counts: Counts::default() }
    }

    /// What ends the program from another thread.
    pub(super) fn killer(&self) -> impl FnOnce() + Send + use<> {
        let running = Arc::clone(&self.running);
        move || {
            if let Some(child) = &*lock(&running) {
                kill(child);
            }
        }
    }

    fn start(&self) -> io::Result<Pipe> {
        let mut command = Command::new("/bin/sh");
        command.arg("-c").arg(&self.settings.command).stdin(Stdio::piped());
        // Standard output has our alerts, among which the program's lines could pass for some.
        command.stdout(match io::stderr().as_fd().try_clone_to_owned() {
            Ok(stderr) => stderr.into(),
            Err(_) => Stdio::null(),
        });
        let mut running = lock(&self.running);
        let mut child = command.process_group(0).spawn()?;
        self.counts.started.add(1);
        let stdin = child.stdin.take().expect("it was asked for");
        let made = ioctl_fionbio(&stdin, true)
            .and_then(|()| pidfd_open(Pid::from_child(&child), PidfdFlags::empty()));
        match made {
            Ok(process) => {
                *running = Some(child);
                Ok(Pipe { stdin, process })
            }
            Err(e) => {
                kill(&child);
                drop(child.wait());
                Err(e.into())
            }
        }
    }

    /// Waits until the process has ended, kills it where that takes longer; gives how it ended.
    fn reap(&mut self, pipe: Pipe, by: Instant) -> Result<ExitStatus, Trouble> {
        let Pipe { stdin, process } = pipe;
        drop(stdin);
        let is_late = wait(&mut [PollFd::new(&process, PollFlags::IN)], Some(until(by)))
            .is_ok_and(|n| n == 0);
        if is_late {
            self.counts.killed.add(1);
            self.kill();
            // What was killed ends soon; nothing else is under its number before it was waited for.
            wait(&mut [PollFd::new(&process, PollFlags::IN)], None)?;
        }
        let child = lock(&self.running).take();
        let status = child.map(|mut child| child.wait()).transpose()?;
        match status {
            Some(status) if !is_late => Ok(status),
            _ => Err(Trouble::Late),
        }
    }

    fn kill(&self) {
        if let Some(child) = &*lock(&self.running) {
            kill(child);
        }
    }

    fn timeout(&self) -> Instant {
        Instant::now() + self.settings.timeout
    }

    /// A process for this line alone.
    fn send_one(&mut self, line: &[u8]) -> Result<(), Trouble> {
        let mut pipe = self.start().map_err(Trouble::Start)?;
        let by = self.timeout();
        let written = pipe.write(line, by).map(drop);
        if let Err(Trouble::Late | Trouble::Pipe(_)) = written {
            drop(self.reap(pipe, Instant::now()));
            return written;
        }
        // Who has not read to the end and ends well has read enough.
        let status = self.reap(pipe, by)?;
        let is_run = NOT_RUN.iter().all(|(code, _)| status.code() != Some(*code));
        if status.signal().is_some() || !is_run {
            return Err(Trouble::Ended(status));
        }
        if !status.success() {
            self.counts.exit_codes.add(1);
        }
        Ok(())
    }

    /// Writes lines to the one process; gives how many it has read.
    fn send_on(&mut self, messages: &[Shared]) -> (usize, Result<(), Trouble>) {
        let mut pipe = match self.pipe.take() {
            Some(pipe) => pipe,
            None => match self.start() {
                Ok(pipe) => pipe,
                Err(e) => return (0, Err(Trouble::Start(e))),
            },
        };
        let mut text = Vec::new();
        let ends: Vec<usize> = messages
            .iter()
            .map(|message| {
                text.extend_from_slice(message.line.as_bytes());
                text.len()
            })
            .collect();
        let (n_read, ended) = pipe.write_and_have_read(&text, self.settings.timeout);
        let n = ends.partition_point(|&end| end <= n_read);
        let Err(trouble) = ended else {
            self.pipe = Some(pipe);
            return (n, Ok(()));
        };
        // A program that has closed its input is of no use, even where it goes on.
        let by = if matches!(trouble, Trouble::Closed) { self.timeout() } else { Instant::now() };
        match self.reap(pipe, by) {
            Ok(status) => (n, Err(Trouble::Ended(status))),
            Err(_) => (n, Err(trouble)),
        }
    }

    /// Closes the program's input and waits for its end.
    fn part(&mut self, time: Duration) {
        if let Some(pipe) = self.pipe.take() {
            drop(self.reap(pipe, Instant::now() + time));
        }
    }
}

impl Pipe {
    /// Writes until then; gives how many bytes were written.
    fn write(&mut self, mut bytes: &[u8], by: Instant) -> Result<(), Trouble> {
        while !bytes.is_empty() {
            match self.stdin.write(bytes) {
                Ok(n) => bytes = &bytes[n..],
                Err(e) if e.kind() == ErrorKind::Interrupted => {}
                Err(e) if e.kind() == ErrorKind::WouldBlock => self.wait_for_room(by)?,
                Err(e) => return Err(e.into()),
            }
        }
        Ok(())
    }

    fn wait_for_room(&self, by: Instant) -> Result<(), Trouble> {
        let fds = &mut [PollFd::new(&self.stdin, PollFlags::OUT)];
        if wait(fds, Some(until(by)))? == 0 { Err(Trouble::Late) } else { Ok(()) }
    }

    /// Writes, and waits until all was read. Progress renews the time. Gives how many bytes were read.
    fn write_and_have_read(
        &mut self,
        bytes: &[u8],
        timeout: Duration,
    ) -> (usize, Result<(), Trouble>) {
        let (mut n_written, mut n_read) = (0, 0);
        let mut by = Instant::now() + timeout;
        let mut look = FIRST_LOOK;
        loop {
            let step = self.step(&bytes[n_written..], look);
            // What a process that has ended left in the pipe is lost with it.
            let n_unread = ioctl_fionread(&self.stdin).unwrap_or(0) as usize;
            let before = n_read;
            match step {
                Ok(n) => n_written += n,
                Err(trouble) => return (n_written.saturating_sub(n_unread), Err(trouble)),
            }
            n_read = n_written.saturating_sub(n_unread);
            if n_read == bytes.len() {
                return (n_read, Ok(()));
            }
            if n_read > before {
                (by, look) = (Instant::now() + timeout, FIRST_LOOK);
            } else {
                look = (look * 2).min(LONGEST_LOOK);
            }
            if Instant::now() >= by {
                return (n_read, Err(Trouble::Late));
            }
        }
    }

    /// Writes what there is room for, or waits so long that there may be, or that more was read.
    fn step(&mut self, bytes: &[u8], look: Duration) -> Result<usize, Trouble> {
        if bytes.is_empty() {
            // Of the pipe only the end of its reader is waited for.
            let fds = &mut [PollFd::new(&self.stdin, PollFlags::empty())];
            return if wait(fds, Some(look))? == 0 { Ok(0) } else { Err(Trouble::Closed) };
        }
        match self.stdin.write(bytes) {
            Ok(n) => Ok(n),
            Err(e) if e.kind() == ErrorKind::Interrupted => Ok(0),
            Err(e) if e.kind() == ErrorKind::WouldBlock => {
                match self.wait_for_room(Instant::now() + look) {
                    Ok(()) | Err(Trouble::Late) => Ok(0),
                    Err(e) => Err(e),
                }
            }
            Err(e) => Err(e.into()),
        }
    }
}

fn until(by: Instant) -> Duration {
    by.saturating_duration_since(Instant::now())
}

fn wait(fds: &mut [PollFd<'_>], time: Option<Duration>) -> Result<usize, Errno> {
    let time =
        time.map(|t| Timespec { tv_sec: t.as_secs() as i64, tv_nsec: t.subsec_nanos().into() });
    retry_on_intr(|| poll(fds, time.as_ref()))
}

impl Transport for Program {
    fn send(&mut self, messages: &[Shared]) -> Sent {
        let (n_delivered, ended) = match self.settings.lives {
            Lives::OnAndOn => self.send_on(messages),
            // One at a time: what waits at the end of a run is settled one by one, too.
            Lives::ForOne => match self.send_one(messages[0].line.as_bytes()) {
                Ok(()) => (1, Ok(())),
                Err(trouble) => (0, Err(trouble)),
            },
        };
        match ended {
            Ok(()) => Sent { n_delivered, stop: None },
            Err(trouble) => Sent::until_later(n_delivered, trouble),
        }
    }

    fn reopen(&mut self) {
        self.part(self.settings.timeout);
    }

    fn close(&mut self) {
        self.part(self.settings.output_timeout);
    }

    fn register(&mut self, registry: &mut Registry) {
        let mut counter = |what: &str| registry.counter(&format!("outputs.program.{what}"));
        self.counts = Counts {
            started: counter("started"),
            killed: counter("killed"),
            exit_codes: counter("exit_codes"),
        };
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        // Only where the thread panicked is there still one.
        if let Some(mut child) = lock(&self.running).take() {
            kill(&child);
            drop(child.wait());
        }
    }
}

#[cfg(test)]
mod tests {
    use std::path::{Path, PathBuf};

    use super::*;
    use crate::sink::Stop;
    use crate::testing::message;

    struct Bench {
        dir: tempfile::TempDir,
    }

    impl Bench {
        fn new() -> Self {
            Self { dir: tempfile::tempdir().unwrap() }
        }

        /// In the command line `OUT` is the path of a file.
        fn program(&self, command: &str, lives: Lives, timeout: Duration) -> Program {
            let command = command.replace("OUT", self.path("out").to_str().unwrap());
            Program::new(ProgramSettings { command, lives, timeout, output_timeout: timeout })
        }

        fn path(&self, name: &str) -> PathBuf {
            self.dir.path().join(name)
        }

        fn out(&self) -> String {
            std::fs::read_to_string(self.path("out")).unwrap_or_default()
        }
    }

    const LONG: Duration = Duration::from_secs(10);
    /// What a shell does before it hangs is done by then.
    const SHORT: Duration = Duration::from_secs(2);

    fn messages<const N: usize>(texts: [&str; N]) -> Vec<Shared> {
        texts.map(message).to_vec()
    }

    #[track_caller]
    fn is_later(sent: &Sent, n_delivered: usize, why: &str) {
        let Some(Stop::Later { why: said, .. }) = &sent.stop else { panic!("{sent:?}") };
        assert!(sent.n_delivered == n_delivered && said.contains(why), "{sent:?}");
    }

    /// Whether a process with this number runs.
    fn is_running(pid: &str) -> bool {
        let stat = std::fs::read_to_string(Path::new("/proc").join(pid.trim()).join("stat"));
        stat.is_ok_and(|s| !s.contains(") Z "))
    }

    fn wait_until(what: impl Fn() -> bool) {
        let deadline = Instant::now() + LONG;
        while !what() {
            assert!(Instant::now() < deadline);
            std::thread::sleep(Duration::from_millis(2));
        }
    }

    #[test]
    fn one_process_reads_all_lines_and_ends_with_its_input() {
        let bench = Bench::new();
        let mut to = bench.program("cat > OUT; echo end >> OUT", Lives::OnAndOn, LONG);
        assert_eq!(to.send(&messages(["one", "two"])).n_delivered, 2);
        assert_eq!(to.send(&messages(["three"])).n_delivered, 1);
        assert_eq!(to.counts.started.get(), 1);
        to.close();
        assert_eq!(bench.out(), "one\ntwo\nthree\nend\n");
    }

    #[test]
    fn more_than_the_pipe_holds_goes_through_a_slow_reader() {
        let bench = Bench::new();
        let slow = "while head -c 20000; do sleep 0.02; done > OUT";
        let mut to = bench.program(slow, Lives::OnAndOn, LONG);
        let line = "x".repeat(1999);
        let sent = to.send(&vec![message(&line); 200]);
        assert_eq!((sent.n_delivered, bench.out().len()), (200, 400_000));
    }

    #[test]
    fn each_alert_has_a_process_of_its_own() {
        let bench = Bench::new();
        let mut to = bench.program("cat >> OUT; echo end >> OUT; exit 3", Lives::ForOne, LONG);
        let all = messages(["one", "two"]);
        for n in 0..2 {
            assert_eq!(to.send(&all[n..]).n_delivered, 1);
        }
        assert_eq!(bench.out(), "one\nend\ntwo\nend\n");
        assert_eq!((to.counts.started.get(), to.counts.exit_codes.get()), (2, 2));
    }

    #[test]
    fn who_ends_well_without_reading_has_read_enough() {
        let bench = Bench::new();
        let mut to = bench.program("true", Lives::ForOne, LONG);
        let long = "x".repeat(1 << 20);
        assert_eq!(to.send(&messages([&long])).n_delivered, 1);
    }

    #[test]
    fn who_is_missing_or_killed_has_delivered_nothing() {
        let bench = Bench::new();
        for (command, why) in [
            ("/no/such/program", "the shell does not find it (exit code 127)"),
            ("/etc/passwd", "the shell may not run it (exit code 126)"),
            ("kill -9 $$", "the program ended: signal: 9 (SIGKILL)"),
        ] {
            for lives in [Lives::ForOne, Lives::OnAndOn] {
                let mut to = bench.program(&format!("{command} 2>/dev/null"), lives, LONG);
                is_later(&to.send(&messages(["one"])), 0, why);
            }
        }
    }

    #[test]
    fn who_ends_without_reading_all_gets_the_rest_again() {
        let bench = Bench::new();
        // Reads four lines in one go, and half of the next.
        let mut to = bench.program("head -c 10 >> OUT; echo >> OUT", Lives::OnAndOn, LONG);
        let all = messages(["a", "b", "c", "d", "eeeeeee", "f"]);
        is_later(&to.send(&all), 4, "the program ended: exit status: 0");
        assert_eq!(bench.out(), "a\nb\nc\nd\nee\n");
        // All of it was read; whether the end was seen as well is a matter of time.
        assert_eq!(to.send(&all[4..]).n_delivered, 2);
        to.close();
        assert_eq!(bench.out(), "a\nb\nc\nd\nee\neeeeeee\nf\n\n");
    }

    #[test]
    fn who_does_not_read_is_killed_with_what_it_started() {
        for (lives, command) in [
            (Lives::OnAndOn, "sleep 1000 & echo $! > OUT; wait"),
            (Lives::ForOne, "cat >/dev/null; sleep 1000 & echo $! > OUT; wait"),
        ] {
            let bench = Bench::new();
            let mut to = bench.program(command, lives, SHORT);
            is_later(&to.send(&messages(["one"])), 0, "takes too long and was killed");
            assert_eq!(to.counts.killed.get(), 1);
            assert!(lock(&to.running).is_none());
            let pid = bench.out();
            assert!(!pid.is_empty());
            wait_until(|| !is_running(&pid));
        }
    }

    #[test]
    fn who_closes_its_input_is_given_time_to_end() {
        let bench = Bench::new();
        let mut to = bench.program("exec <&-; sleep 1000", Lives::OnAndOn, SHORT);
        let begin = Instant::now();
        let sent = to.send(&messages(["one"]));
        assert!(sent.n_delivered == 0 && begin.elapsed() >= SHORT);
        is_later(&sent, 0, "the program ");
    }

    #[test]
    fn a_wish_to_reopen_starts_another_one() {
        let bench = Bench::new();
        let mut to = bench.program("cat >> OUT; echo end >> OUT", Lives::OnAndOn, LONG);
        assert_eq!(to.send(&messages(["one"])).n_delivered, 1);
        to.reopen();
        assert_eq!(bench.out(), "one\nend\n");
        assert_eq!(to.send(&messages(["two"])).n_delivered, 1);
        to.close();
        assert_eq!(bench.out(), "one\nend\ntwo\nend\n");
    }

    #[test]
    fn who_ignores_the_end_is_killed() {
        let bench = Bench::new();
        let mut to =
            bench.program("cat >/dev/null; echo $$ > OUT; sleep 1000", Lives::OnAndOn, SHORT);
        assert_eq!(to.send(&messages(["one"])).n_delivered, 1);
        to.close();
        assert_eq!(to.counts.killed.get(), 1);
        assert!(!is_running(&bench.out()));
    }

    #[test]
    fn a_thread_that_waits_for_it_goes_on_when_it_is_killed_from_outside() {
        let bench = Bench::new();
        let mut to = bench.program("echo $$ > OUT; sleep 1000", Lives::OnAndOn, LONG);
        let kill = to.killer();
        let thread = std::thread::spawn(move || {
            let sent = to.send(&messages(["one"]));
            is_later(&sent, 0, "signal: 9");
        });
        wait_until(|| bench.out().ends_with('\n'));
        kill();
        thread.join().unwrap();
        assert!(!is_running(&bench.out()));
    }
}
