//! The command line of all storms.

use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;
use std::{env, fs};

use anyhow::{Context as _, Result};
use clap::{Args, Parser, Subcommand};
use rustix::process::{Signal, set_parent_process_death_signal};
use tempfile::TempDir;

use crate::cycle::Cycle;
use crate::files::{Getpid, OpenClose, ReadWrite, Rename};
use crate::mixed::Mixed;
use crate::number::MAX_CYCLES;
use crate::pace::Pace;
use crate::processes::ForkExec;
use crate::run::{self, Plan};
use crate::signals;
use crate::sockets::{Tcp, Udp, UdpConnect};

/// Makes bounded storms of known system calls
///
/// Nothing leaves the machine, and nothing is left of a storm.
///
/// A storm, other than the mixed one, is a fixed number of cycles of known calls. Each thread has cycles of its own, numbered on from those of the
/// thread before it, and is pinned to a CPU: those that this process may run on, in turn (`taskset -c 0 peregrine-storm ...` leaves it one). The
/// number of a cycle stands in an argument, where one of its calls has an argument that an event shows; the other calls of a cycle are told by their
/// neighbours, since a thread makes them in the same order always.
///
/// Beside its cycles a thread makes calls only before the first and after the last: those that any thread begins and ends with (clone3, mmap,
/// munmap, mprotect, madvise, prctl, sigaltstack, rseq, set_robust_list, sched_getaffinity, rt_sigprocmask, futex, exit), one sched_setaffinity to
/// be pinned, gettid, and clock_gettime twice for its CPU time. Between them it sleeps (clock_nanosleep) where there is a rate, and goes elsewhere
/// (sched_setaffinity) with --migrate; both are counted. Files, sockets and folders are made and removed by the first thread, which makes no cycles.
#[derive(Parser, Debug)]
#[command(name = "peregrine-storm", version)]
struct Cli {
    #[command(subcommand)]
    storm: Storm,
}

#[derive(Subcommand, Debug)]
enum Storm {
    /// getpid
    ///
    /// A cycle is one call. Its number is in the first argument, which the kernel ignores and no event shows: loss is told by the count alone.
    Getpid(Counted),
    /// openat of an existing file, for reading, and close
    ///
    /// A cycle is two calls. The path is absolute, so the kernel ignores the directory descriptor (`evt.arg.dirfd`): it has the cycle's number.
    Openclose(OnFile),
    /// read of a byte from /dev/zero, and write of a byte to /dev/null
    ///
    /// A cycle is two calls. The byte written (`evt.arg.data`) is the low byte of the cycle's number.
    Readwrite(Counted),
    /// rename of a file to its next name
    ///
    /// A cycle is one call. The new name (`evt.arg.newpath`) ends with the cycle's number, in ten digits, the old one with that of the cycle before.
    /// Each thread has a file of its own in the storm's folder.
    Rename(InFolder),
    /// sendto and recvfrom over UDP
    ///
    /// A cycle is two calls of a socket that sends to itself, at 127.0.0.1. What is sent and received (`evt.arg.data`) is the cycle's number, in ten
    /// digits.
    Udp(Counted),
    /// A UDP socket made, connected and closed
    ///
    /// A cycle is three calls: socket (IPv4, SOCK_DGRAM), connect and close. Nothing is sent. The address connected to (`fd.sip`) is that of the
    /// loopback with the cycle's number: 127.0.0.1 and those behind it, from the first again after 16,777,214; the port is always 9.
    Udpconnect(Counted),
    /// A TCP connection made, accepted, and closed at both ends
    ///
    /// A cycle is five calls: socket (IPv4, SOCK_STREAM), connect, accept4, close of the client's end, close of the other, all of one thread, which
    /// listens for itself. The address connected to (`fd.sip`) is that of the loopback with the cycle's number, as in `udpconnect`; the port is one
    /// that was free, and takes nothing that does not come over the loopback. The end that was accepted closes with a reset (SO_LINGER of 0 s), so
    /// that no connections wait for a minute and their number does not change what the next one costs.
    Tcp(Counted),
    /// A process made, which executes a program; waited for
    ///
    /// A cycle is four calls: clone as fork has it (it returns twice: two events), execve, the program's exit_group, and wait4. The program's only
    /// argument is the cycle's number, in ten digits (`proc.args`). What it does between execve and exit_group is its own and is not counted: the
    /// calls of its loader. It runs on the CPU of the thread that made it; its CPU time is children_cpu_ns_per_cycle.
    Forkexec(OfProgram),
    /// Forks, execs, threads, orphans, sockets, files, and process ids that are used again within a second
    Mixed(Mixed),
}

/// What all counted storms are asked for.
#[derive(Args, Debug)]
struct Counted {
    /// Cycles that all threads make together
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..=MAX_CYCLES))]
    count: u64,
    /// Cycles a second of all threads together; as fast as they can where not given
    ///
    /// The schedule is computed from the start alone: a call that takes long delays what it delays, and those behind it are made at once and
    /// count as late (no coordinated omission). How late they began is reported. A thread sleeps until its next deadline where that is more than
    /// 50 us away, and else spins: --burst leaves more of a CPU to others. ns_per_call leaves waiting out, cpu_ns_per_call cannot.
    #[arg(long, value_name = "R", value_parser = clap::value_parser!(u64).range(1..=1_000_000_000))]
    rate: Option<u64>,
    /// Cycles that a thread makes at once when one is due; the rate stays
    ///
    /// A burst is due every B/R seconds, made by one thread after the other in turn. Lateness is that of the first cycle of each.
    #[arg(long, value_name = "B", default_value_t = 1, requires = "rate", value_parser = clap::value_parser!(u64).range(1..=1_000_000_000))]
    burst: u64,
    /// Threads that make the cycles
    #[arg(long, value_name = "T", default_value_t = 1, value_parser = clap::value_parser!(u64).range(1..=256))]
    threads: u64,
    /// Threads go to the next CPU after so many cycles each, 100 where no number is given, and are not pinned for good
    ///
    /// With the CPUs C that this process may run on, a thread T makes the Nth of its cycles (from 0) on C[(T + N / CYCLES) mod |C|].
    #[arg(long, value_name = "CYCLES", num_args = 0..=1, require_equals = true, default_missing_value = "100", value_parser = clap::value_parser!(u64).range(1..))]
    migrate: Option<u64>,
    /// Ends after so many seconds in any case
    #[arg(long, value_name = "N", default_value_t = 600, value_parser = clap::value_parser!(u64).range(1..=7200))]
    seconds: u64,
    /// Prints one JSON object instead of a line
    ///
    /// kind, count (cycles made), ended_early, threads, calls_per_cycle, n_calls, ns_per_call (time of a thread in its cycles, by call),
    /// cpu_ns_per_call (user and system time of the threads, by call), elapsed_ns, cycles_per_second; rate, burst and lateness_ns where there is a
    /// rate; calls by name; cpus with the cycles and calls made on each; by_thread with the number of its first cycle.
    #[arg(long)]
    json: bool,
}

#[derive(Args, Debug)]
struct Folder {
    /// Where a folder is made for the storm, and removed after it
    #[arg(long, value_name = "DIR")]
    dir: Option<PathBuf>,
}

impl Folder {
    fn make(&self) -> Result<TempDir> {
        let base = self.dir.clone().unwrap_or_else(env::temp_dir);
        tempfile::Builder::new()
            .prefix("peregrine-storm.")
            .tempdir_in(&base)
            .with_context(|| format!("cannot make a folder in {}", base.display()))
    }
}

#[derive(Args, Debug)]
struct InFolder {
    #[command(flatten)]
    counted: Counted,
    #[command(flatten)]
    folder: Folder,
}

#[derive(Args, Debug)]
struct OnFile {
    #[command(flatten)]
    counted: Counted,
    #[command(flatten)]
    folder: Folder,
    /// The file that is opened; one in the storm's folder where not given
    #[arg(long, value_name = "FILE")]
    path: Option<PathBuf>,
}

#[derive(Args, Debug)]
struct OfProgram {
    #[command(flatten)]
    counted: Counted,
    /// The program that is executed
    #[arg(long, value_name = "FILE", default_value = "/bin/true")]
    path: PathBuf,
}

/// Does what the command line says.
///
/// # Errors
/// What the storm needs is not to be had, or a call of it fails.
pub(crate) fn run() -> Result<ExitCode> {
    match Cli::parse().storm {
        Storm::Getpid(counted) => counted.make("getpid", |_| Ok(Getpid)),
        Storm::Openclose(OnFile { counted, folder, path }) => {
            let folder = path.is_none().then(|| folder.make()).transpose()?;
            let path = match (&folder, path) {
                (_, Some(path)) => path,
                (Some(folder), None) => folder.path().join("file"),
                (None, None) => unreachable!("a folder is made where no path is given"),
            };
            if folder.is_some() {
                fs::write(&path, "")?;
            }
            let code = counted.make("openclose", |_| OpenClose::of(&path))?;
            removed(folder)?;
            Ok(code)
        }
        Storm::Readwrite(counted) => counted.make("readwrite", |_| ReadWrite::new()),
        Storm::Rename(InFolder { counted, folder }) => {
            let folder = folder.make()?;
            let code = counted.make("rename", |thread| Rename::new(folder.path(), thread))?;
            removed(Some(folder))?;
            Ok(code)
        }
        Storm::Udp(counted) => counted.make("udp", |_| Udp::new()),
        Storm::Udpconnect(counted) => counted.make("udpconnect", |_| Ok(UdpConnect::new())),
        Storm::Tcp(counted) => counted.make("tcp", |_| Tcp::new()),
        Storm::Forkexec(OfProgram { counted, path }) => {
            counted.make("forkexec", |_| ForkExec::of(&path))
        }
        Storm::Mixed(mixed) => mixed.run().map(|()| ExitCode::SUCCESS),
    }
}

fn removed(folder: Option<TempDir>) -> Result<()> {
    folder.map_or(Ok(()), TempDir::close).context("the folder of the storm cannot be removed")
}

impl Counted {
    /// Makes a storm of cycles, each thread's part by its number, and tells of it.
    fn make<C: Cycle>(
        &self,
        kind: &'static str,
        part: impl FnMut(u64) -> Result<C>,
    ) -> Result<ExitCode> {
        let &Self { count, rate, burst, threads, migrate, seconds, json } = self;
        signals::hear_signals()?;
        set_parent_process_death_signal(Some(Signal::TERM))?;
        let plan = Plan {
            kind,
            count,
            n_threads: threads,
            pace: rate.map(|rate| Pace { rate, burst, n_threads: threads }),
            moves_after: migrate,
            longest: Duration::from_secs(seconds),
        };
        let report = run::storm(&plan, (0..threads).map(part).collect::<Result<_>>()?)?;
        if json {
            println!("{}", serde_json::to_string(&report)?);
        } else {
            println!("{report}");
        }
        if report.ended_early {
            eprintln!("peregrine-storm: ended before all cycles were made");
            return Ok(ExitCode::FAILURE);
        }
        Ok(ExitCode::SUCCESS)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn definition_is_consistent() {
        use clap::CommandFactory as _;
        Cli::command().debug_assert();
    }
}
