//! What the agent keeps resident beside many processes that sleep, with the rules that it has by itself.
//!
//! Of a test build all counts but the pages of its own file, which is twice as large as a release build's. Of the release build that
//! `PEREGRINE_PROGRAM` names everything counts, and at any moment: the step `memory` of CI.

mod common;

use std::fs;
use std::time::{Duration, Instant};

use common::{Agent, DEADLINE, PEREGRINE, Shell, alone, can_run_live};
use libc::{c_int, pid_t};

/// Children of one head, which end with it.
const FAMILY: usize = 250;
/// A ring as it is by default, mapped once: memory of the kernel, as large as `peregrine.ring_bytes` says, and as much as can overlap.
const RING_KB: u64 = (8 << 10) + 256;
/// The marks of processes on the host, which are written all over.
const MARKS_KB: u64 = (event::mark::N * event::mark::WORDS * 8 / 1024) as u64;
/// Recordings, and what they may leave behind: the window before them, and what was never needed until then.
const N_RECORDINGS: u64 = 10;
const KEPT_OF_RECORDINGS_KB: u64 = 3 << 10;
/// CPUs whose rings the bounds have room for.
const N_CPUS: u64 = 2;

/// Processes that sleep, until this is dropped.
struct Sleepers(Vec<pid_t>);

impl Sleepers {
    fn start(n: usize) -> Self {
        let mut heads = Self(Vec::new());
        for first in (0..n).step_by(FAMILY) {
            let n_children = FAMILY.min(n - first) - 1;
            let mut ready: [c_int; 2] = [0; 2];
            // SAFETY: room for two descriptors.
            assert_eq!(unsafe { libc::pipe2(ready.as_mut_ptr(), libc::O_CLOEXEC) }, 0, "a pipe");
            // SAFETY: the child makes system calls and nothing else.
            let head = unsafe { libc::fork() };
            if head == 0 {
                lead(n_children, ready[1]);
            }
            assert!(head > 0, "a fork");
            heads.0.push(head);
            let mut byte = 0u8;
            // SAFETY: descriptors of this test's own, a byte of room.
            let n_read = unsafe {
                libc::close(ready[1]);
                let n_read = libc::read(ready[0], (&raw mut byte).cast(), 1);
                libc::close(ready[0]);
                n_read
            };
            assert_eq!(n_read, 1, "all of a family were forked");
        }
        heads
    }
}

impl Drop for Sleepers {
    fn drop(&mut self) {
        for &head in &self.0 {
            // SAFETY: a child that nobody has waited for yet, so that its id is nobody else's.
            unsafe {
                libc::kill(head, libc::SIGKILL);
                libc::waitpid(head, std::ptr::null_mut(), 0);
            }
        }
    }
}

/// The head of a family: forks its children, says so, sleeps.
fn lead(n_children: usize, ready: c_int) -> ! {
    // SAFETY: system calls alone, in a process with one thread.
    unsafe {
        let head = libc::getpid();
        libc::prctl(libc::PR_SET_PDEATHSIG, libc::SIGKILL);
        for _ in 0..n_children {
            match libc::fork() {
                0 => {
                    libc::prctl(libc::PR_SET_PDEATHSIG, libc::SIGKILL);
                    if libc::getppid() != head {
                        libc::_exit(1);
                    }
                    libc::close(ready);
                    loop {
                        libc::pause();
                    }
                }
                -1 => libc::_exit(1),
                _ => {}
            }
        }
        libc::write(ready, c"!".as_ptr().cast(), 1);
        loop {
            libc::pause();
        }
    }
}

/// Kilobytes that a process has resident.
#[derive(Debug, Default)]
struct Resident {
    /// Its own: heap, stacks, what it has written to.
    anonymous: u64,
    /// Rings and tables of the kernel, mapped.
    rings: u64,
    /// The program's file, shared with the page cache.
    program: u64,
    /// Libraries and the rest.
    others: u64,
    /// The most that was resident at any moment.
    peak: u64,
}

impl Resident {
    fn of(pid: u32) -> Self {
        let smaps = fs::read_to_string(format!("/proc/{pid}/smaps")).expect("a process of ours");
        let mut all = Self::default();
        let own_file = common::program();
        let (mut name, mut rss) = ("", 0);
        for line in smaps.lines() {
            let mut words = line.split_ascii_whitespace();
            let kb = |words: &mut std::str::SplitAsciiWhitespace<'_>| -> u64 {
                words.next().and_then(|kb| kb.parse().ok()).expect("kilobytes")
            };
            match words.next() {
                Some("Rss:") => rss = kb(&mut words),
                // Behind `Rss` of the same mapping.
                Some("Anonymous:") => {
                    let anonymous = kb(&mut words);
                    all.anonymous += anonymous;
                    *match name {
                        "anon_inode:bpf-map" => &mut all.rings,
                        _ if name == own_file => &mut all.program,
                        _ => &mut all.others,
                    } += rss - anonymous;
                }
                Some(head) if !head.ends_with(':') => name = words.nth(4).unwrap_or_default(),
                _ => {}
            }
        }
        let status = fs::read_to_string(format!("/proc/{pid}/status")).expect("a process of ours");
        let peak = status.lines().find_map(|l| l.strip_prefix("VmHWM:")?.strip_suffix("kB"));
        all.peak = peak.and_then(|kb| kb.trim().parse().ok()).expect("kilobytes");
        all
    }

    /// What the bound is for.
    fn counted(&self) -> u64 {
        let Self { anonymous, rings, program, others, peak } = self;
        if common::program() == PEREGRINE {
            anonymous + rings + others
        } else {
            *peak.max(&(anonymous + rings + program + others))
        }
    }
}

/// Starts an agent that sees the whole machine beside so many sleepers, and holds what is resident after the start, and later, to a bound.
fn check(test: &str, n_processes: usize, max_kb: u64) {
    if !can_run_live(test) {
        return;
    }
    let _alone = alone();
    let sleepers = Sleepers::start(n_processes);
    let agent = Agent::start(&[]);
    let at_start = Resident::of(agent.pid());
    let deadline = Instant::now() + DEADLINE;
    let is_seeded = || agent.stats().counters["shard.received"] >= n_processes as u64;
    while !is_seeded() {
        assert!(Instant::now() < deadline, "not all of {n_processes} processes were taken in");
        std::thread::sleep(Duration::from_millis(100));
    }
    std::thread::sleep(Duration::from_secs(3));
    let later = Resident::of(agent.pid());
    println!("{n_processes} processes, KB: {at_start:?} at the start, then {later:?}");
    agent.interrupt().assert_balanced();
    drop(sleepers);
    let n_cpus = std::thread::available_parallelism().map_or(1, usize::from) as u64;
    let max_kb = max_kb + n_cpus.saturating_sub(N_CPUS) * RING_KB;
    for resident in [at_start, later] {
        assert!(resident.counted() < max_kb, "{resident:?} of {max_kb} KB");
        let mapped_once = n_cpus * RING_KB + MARKS_KB;
        assert!(resident.rings < mapped_once, "each ring is mapped once: {resident:?}");
    }
}

#[test]
fn a_thousand_processes_take_less_than_40_mb() {
    check("a_thousand_processes_take_less_than_40_mb", 1_000, 40 << 10);
}

#[test]
fn twenty_thousand_processes_take_less_than_120_mb() {
    check("twenty_thousand_processes_take_less_than_120_mb", 20_000, 120 << 10);
}

/// Reading what there is takes tens of megabytes for a moment, and each thread that took part would keep some of it.
#[test]
fn what_a_recording_takes_is_given_back() {
    if !can_run_live("what_a_recording_takes_is_given_back") {
        return;
    }
    let _alone = alone();
    let dir = tempfile::tempdir().expect("a temporary directory");
    let at = |name: &str| dir.path().join(name).display().to_string();
    fs::write(at("marked"), "").expect("a file");
    let rule = format!(
        "- rule: marked\n  desc: d\n  condition: evt.type in (open, openat) and evt.arg.name = {}\n  \
         output: marked\n  priority: INFO\n  capture: true\n  capture_duration: 50\n",
        at("marked")
    );
    fs::write(at("rules.yaml"), rule).expect("a file");
    let sleepers = Sleepers::start(1_000);
    let mut shell = Shell::start();
    let (pid, rules) = (shell.pid(), at("rules.yaml"));
    let prefix = format!("capture.path_prefix={}", at("alert"));
    let args = ["--scope-pid", &pid, "-r", &rules, "-o", "capture.enabled=true", "-o", &prefix];
    let agent = Agent::start(&args);
    std::thread::sleep(Duration::from_secs(3));
    let before = Resident::of(agent.pid()).anonymous;
    for n in 1..=N_RECORDINGS {
        shell.run(&format!("cat {}", at("marked")));
        let deadline = Instant::now() + DEADLINE;
        while agent.stats().get("captures.ended_by_time") != Some(n) {
            assert!(Instant::now() < deadline, "recording {n} does not end");
            std::thread::sleep(Duration::from_millis(50));
        }
    }
    std::thread::sleep(Duration::from_millis(500));
    let after = Resident::of(agent.pid()).anonymous;
    println!("{N_RECORDINGS} recordings, KB: {before} before, {after} after");
    agent.interrupt().assert_balanced();
    drop(sleepers);
    assert!(after < before + KEPT_OF_RECORDINGS_KB, "{before} KB, then {after} KB");
}
