//! What the look at the processes that are there costs: forks a number of processes that sleep, takes the snapshot several times, ends them.
//!
//! `cargo run --release -p capture --example start_cost -- [PROCESSES [ROUNDS]]`, as root; 2,000 processes and 5 rounds unless told
//! otherwise. A process of them takes about 100 KB of the kernel. `-- hold PROCESSES` keeps them for as long as its standard input is open,
//! for measuring another program's start.

use std::{
    fs,
    io::Read as _,
    process::ExitCode,
    time::{Duration, Instant},
};

use capture::{Probe, ProbeOptions, Seeds};
use event::EventSet;

/// Processes that one parent has.
const FAMILY: usize = 250;

/// Parents of families; their children end with them.
struct Crowd(Vec<libc::pid_t>);

impl Crowd {
    fn of(n: usize) -> Self {
        let mut parents = Vec::new();
        let mut left = n;
        while left > 0 {
            let family = left.min(FAMILY);
            left -= family;
            let mut ready = [0; 2];
            // SAFETY: the child has one thread, and calls nothing but system calls until it ends.
            let pid = unsafe {
                assert_eq!(libc::pipe(ready.as_mut_ptr()), 0, "pipe");
                libc::fork()
            };
            assert!(pid >= 0, "fork: {}", std::io::Error::last_os_error());
            if pid == 0 {
                head_of_family(family, ready);
            }
            parents.push(pid);
            let mut byte = [0u8];
            // SAFETY: descriptors of this process; a byte of room.
            let got = unsafe {
                libc::close(ready[1]);
                let got = libc::read(ready[0], byte.as_mut_ptr().cast(), 1);
                libc::close(ready[0]);
                got
            };
            assert_eq!(got, 1, "not all of a family could be forked");
        }
        Self(parents)
    }
}

/// Forks the rest of the family, says so, and sleeps.
fn head_of_family(family: usize, ready: [libc::c_int; 2]) -> ! {
    // SAFETY: system calls of a process with one thread.
    unsafe {
        libc::prctl(libc::PR_SET_PDEATHSIG, libc::SIGKILL);
        let head = libc::getpid();
        for _ in 1..family {
            match libc::fork() {
                0 => {
                    libc::prctl(libc::PR_SET_PDEATHSIG, libc::SIGKILL);
                    // The head may have ended before that.
                    if libc::getppid() != head {
                        libc::_exit(1);
                    }
                    libc::close(ready[0]);
                    libc::close(ready[1]);
                    loop {
                        libc::pause();
                    }
                }
                pid if pid < 0 => libc::_exit(1),
                _ => {}
            }
        }
        libc::write(ready[1], c"!".as_ptr().cast(), 1);
        libc::close(ready[1]);
        loop {
            libc::pause();
        }
    }
}

impl Drop for Crowd {
    fn drop(&mut self) {
        for &pid in &self.0 {
            // SAFETY: own children, which are waited for below.
            unsafe {
                libc::kill(pid, libc::SIGKILL);
                libc::waitpid(pid, std::ptr::null_mut(), 0);
            }
        }
    }
}

/// Processor time of all threads of this process.
fn cpu_time() -> Duration {
    let mut t = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: room for the answer.
    unsafe { libc::clock_gettime(libc::CLOCK_PROCESS_CPUTIME_ID, &raw mut t) };
    Duration::new(t.tv_sec.cast_unsigned(), t.tv_nsec as u32)
}

fn measure(what: &str, rounds: usize, mut take: impl FnMut() -> usize) {
    let mut times = Vec::new();
    let mut n = 0;
    for _ in 0..rounds {
        let (wall, cpu) = (Instant::now(), cpu_time());
        n = take();
        times.push((wall.elapsed(), cpu_time().saturating_sub(cpu)));
    }
    times.sort_unstable();
    let (wall, cpu) = times[times.len() / 2];
    println!(
        "{what:<24} {n:>6} processes {:>9.1} ms, least {:>9.1} ms, processor {:>9.1} ms",
        wall.as_secs_f64() * 1e3,
        times[0].0.as_secs_f64() * 1e3,
        cpu.as_secs_f64() * 1e3
    );
}

fn main() -> ExitCode {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let holds = args.first().is_some_and(|a| a == "hold");
    let numbers: Vec<usize> = args.iter().filter_map(|a| a.parse().ok()).collect();
    let n = numbers.first().copied().unwrap_or(2_000);
    let limit = fs::read_to_string("/proc/sys/kernel/pid_max").unwrap_or_default();
    if limit.trim().parse().is_ok_and(|limit: usize| n + 2_000 > limit) {
        eprintln!("{n} processes do not fit, pid_max is {}", limit.trim());
        return ExitCode::FAILURE;
    }
    let begin = Instant::now();
    let _crowd = Crowd::of(n);
    println!("{n} processes forked in {:.1} s", begin.elapsed().as_secs_f64());
    if holds {
        let mut all = Vec::new();
        drop(std::io::stdin().read_to_end(&mut all));
        return ExitCode::SUCCESS;
    }
    let rounds = numbers.get(1).copied().unwrap_or(5).max(1);
    measure("out of /proc", rounds, || Seeds::snapshot().expect("/proc can be listed").len());
    let begin = Instant::now();
    let options = ProbeOptions { interest: EventSet::EMPTY, ..ProbeOptions::default() };
    match Probe::load(options) {
        Err(e) => eprintln!("not out of the kernel: {e}"),
        Ok(mut probe) => {
            println!("programs loaded in {:.1} ms", begin.elapsed().as_secs_f64() * 1e3);
            measure("out of the kernel", rounds, || probe.seeds().expect("a snapshot").len());
            println!("{:?}", probe.report().warnings);
        }
    }
    ExitCode::SUCCESS
}
