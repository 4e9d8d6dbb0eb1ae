//! Alerts to a file that logrotate moves away under the running agent, and beside a stdout that nobody reads.

#[path = "common/alerts.rs"]
mod alerts;
mod common;

use std::ffi::CString;
use std::fs;
use std::io::PipeWriter;
use std::os::fd::AsRawFd as _;
use std::os::unix::ffi::OsStrExt as _;
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use alerts::{Opens, wait_for_count, wait_for_lines};
use common::{Agent, alone, can_run_live, skip};
use libc::pid_t;

const LOGROTATE: &str = "/usr/sbin/logrotate";

fn lines(path: &Path) -> Vec<String> {
    fs::read_to_string(path).unwrap_or_default().lines().map(str::to_owned).collect()
}

/// Rotates once in between; `told` is what logrotate does afterwards.
fn check(keep_alive: bool, told: impl Fn(u32) -> String) {
    let mut opens = Opens::new();
    let (file, moved) = (opens.path("alerts"), opens.path("alerts.1"));
    let agent = opens.agent(&[
        "file_output.enabled=true".to_owned(),
        format!("file_output.filename={}", file.display()),
        format!("file_output.keep_alive={keep_alive}"),
    ]);
    opens.raise(8);
    wait_for_lines(&file, 8);
    let config = format!(
        "{} {{\n  rotate 3\n  nocompress\n  nocreate\n  su root root\n{}}}\n",
        file.display(),
        told(agent.pid())
    );
    fs::write(opens.path("logrotate"), config).expect("a file");
    let rotated = Command::new(LOGROTATE)
        .args(["-f", "-s"])
        .arg(opens.path("state"))
        .arg(opens.path("logrotate"))
        .output()
        .expect("logrotate runs");
    assert!(rotated.status.success(), "{}", String::from_utf8_lossy(&rotated.stderr));
    assert_eq!(lines(&moved).len(), 8);
    // The signal is on its way; what comes before it still goes into the file that was moved.
    while !file.exists() {
        opens.raise(1);
        wait_for_count(&agent, "outputs.file.delivered", |n| n == opens.n() as u64);
    }
    opens.raise(8);
    wait_for_count(&agent, "outputs.file.delivered", |n| n == opens.n() as u64);
    let ended = agent.interrupt();
    ended.assert_balanced();
    let (before, after) = (lines(&moved), lines(&file));
    assert!(before.len() >= 8 && after.len() >= 8, "{} and {}", before.len(), after.len());
    let all: Vec<String> = ended.stdout.lines().map(str::to_owned).collect();
    assert_eq!([before, after].concat(), all, "each line is in one file, in order");
}

#[test]
fn a_file_that_is_rotated_loses_no_line() {
    let test = "a_file_that_is_rotated_loses_no_line";
    if !can_run_live(test) {
        return;
    }
    if !Path::new(LOGROTATE).exists() {
        skip(test, "there is no logrotate; apt-get install logrotate");
        return;
    }
    let _alone = alone();
    check(true, |pid| format!("  postrotate\n    kill -USR1 {pid}\n  endscript\n"));
    check(false, |_| String::new());
}

#[test]
fn a_stdout_that_nobody_reads_costs_the_file_nothing() {
    if !can_run_live("a_stdout_that_nobody_reads_costs_the_file_nothing") {
        return;
    }
    let _alone = alone();
    let mut opens = Opens::new();
    let file = opens.path("alerts");
    let (unread, stdout) = std::io::pipe().expect("a pipe");
    let options = [
        "file_output.enabled=true".to_owned(),
        format!("file_output.filename={}", file.display()),
        "peregrine.outputs.stdout.queue_alerts=50".to_owned(),
        "output_timeout=300".to_owned(),
    ];
    let agent = opens.agent_into(&options, stdout.into());
    // More than the pipe and the queue together have room for.
    opens.raise_long(300, 1000);
    wait_for_lines(&file, 300);
    let stats = wait_for_count(&agent, "outputs.stdout.stalls", |n| n == 1);
    let n = |name: &str| stats.get(name).expect(name);
    assert_eq!((n("outputs.file.delivered"), n("outputs.file.lost_queue_full")), (300, 0));
    let n_lost = n("outputs.stdout.lost_queue_full");
    assert!(n_lost > 0, "{}", stats.table());
    let ended = agent.interrupt();
    assert!(!ended.status.success(), "{}", ended.stderr);
    for said in [
        "output stdout: blocked for more than 300 ms; ",
        "output stdout: ",
        " alerts could not be delivered before the end",
    ] {
        assert!(ended.stderr.contains(said), "{}", ended.stderr);
    }
    drop(unread);
}

/// A child that opens a file so many times a second once it is told to, and then ends.
struct Opener {
    pid: pid_t,
    start: Option<PipeWriter>,
}

impl Opener {
    fn new(file: &Path, per_s: u64, n: u64) -> Self {
        let file = CString::new(file.as_os_str().as_bytes()).expect("no NUL");
        let (wait, start) = std::io::pipe().expect("a pipe");
        // SAFETY: the child makes system calls and nothing else.
        let pid = unsafe { libc::fork() };
        assert!(pid >= 0, "a fork");
        if pid == 0 {
            // SAFETY: system calls alone, in a process with one thread; descriptors and text are the parent's copies.
            unsafe {
                libc::prctl(libc::PR_SET_PDEATHSIG, libc::SIGKILL);
                libc::close(start.as_raw_fd());
                let mut byte = 0u8;
                libc::read(wait.as_raw_fd(), (&raw mut byte).cast(), 1);
                let (begin, mut n_done) = (Instant::now(), 0);
                while n_done < n {
                    let due = begin.elapsed().as_millis() as u64 * per_s / 1000;
                    while n_done < due.min(n) {
                        libc::close(libc::open(file.as_ptr(), libc::O_RDONLY));
                        n_done += 1;
                    }
                    libc::usleep(1000);
                }
                libc::_exit(0);
            }
        }
        Self { pid, start: Some(start) }
    }

    /// Has it begin; gives how long it took.
    fn run(&mut self) -> Duration {
        let begin = Instant::now();
        // It reads until the end.
        self.start = None;
        // SAFETY: a child that nobody has waited for yet.
        assert_eq!(unsafe { libc::waitpid(self.pid, std::ptr::null_mut(), 0) }, self.pid);
        self.pid = 0;
        begin.elapsed()
    }
}

impl Drop for Opener {
    fn drop(&mut self) {
        if self.pid > 0 {
            // SAFETY: a child that nobody has waited for yet, so that its id is nobody else's.
            unsafe {
                libc::kill(self.pid, libc::SIGKILL);
                libc::waitpid(self.pid, std::ptr::null_mut(), 0);
            }
        }
    }
}

/// 20,000 alerts a second for ten seconds, of the program as it is shipped (`cargo test --release -p agent --test file_output`); a test build prints
/// without optimisation, and gets a quarter of that for two seconds.
#[test]
fn what_is_raised_at_a_high_rate_is_in_the_file() {
    if !can_run_live("what_is_raised_at_a_high_rate_is_in_the_file") {
        return;
    }
    let _alone = alone();
    let (per_s, n_s) = if cfg!(debug_assertions) { (5_000, 2) } else { (20_000, 10) };
    let n = per_s * n_s;
    let dir = tempfile::tempdir().expect("a temporary directory");
    let (rules, marker, file) =
        (dir.path().join("rules.yaml"), dir.path().join("marker"), dir.path().join("alerts"));
    let rule = format!(
        "- rule: opened\n  desc: d\n  priority: NOTICE\n  condition: evt.type in (open, openat) and fd.name = {}\n  \
         output: \"%proc.name %proc.pid of %proc.pname opened %fd.name as %user.name\"\n",
        marker.display()
    );
    fs::write(&rules, rule).expect("a file");
    fs::write(&marker, "").expect("a file");
    let mut opener = Opener::new(&marker, per_s, n);
    let agent = Agent::start(&[
        "-r",
        rules.to_str().expect("UTF-8"),
        "--scope-pid",
        &opener.pid.to_string(),
        "-o",
        "stdout_output.enabled=false",
        "-o",
        "json_output=true",
        "-o",
        "file_output.enabled=true",
        "-o",
        &format!("file_output.filename={}", file.display()),
    ]);
    let took = opener.run();
    println!("{n} opens in {took:?}");
    wait_for_count(&agent, "outputs.file.delivered", |delivered| delivered == n);
    let counters = agent.stats().counters;
    for lost in ["kernel.ring_full", "shard.alerts_lost", "outputs.file.lost_queue_full"] {
        assert_eq!(counters[lost], 0, "{lost}");
    }
    agent.interrupt().assert_balanced();
    assert_eq!(lines(&file).len() as u64, n);
}
