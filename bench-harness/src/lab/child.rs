//! Runs a program to its end and says what it used. Everything `unsafe` of this program is here.
#![expect(
    unsafe_code,
    reason = "wait4(2), which no crate here wraps, gives the memory that a process had at most"
)]

use std::io::{Error, ErrorKind};
use std::mem::MaybeUninit;
use std::os::unix::process::ExitStatusExt as _;
use std::process::{Command, ExitStatus};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result};

/// What a program used until its end.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Used {
    pub(crate) status: ExitStatus,
    pub(crate) took: Duration,
    /// User and system time of all its threads, and of children that it waited for.
    pub(crate) cpu: Duration,
    /// The most memory that it had. Never less than this program had when it started it: the kernel counts from before the exec.
    pub(crate) peak_kb: u64,
}

/// Runs the command to its end.
///
/// # Errors
/// It cannot be started.
pub(crate) fn run(command: &mut Command) -> Result<Used> {
    let begin = Instant::now();
    let program = command.get_program().to_string_lossy().into_owned();
    let child = command.spawn().with_context(|| format!("cannot start {program}"))?;
    let pid = child.id() as libc::pid_t;
    let mut status = 0;
    let mut usage = MaybeUninit::<libc::rusage>::uninit();
    loop {
        // SAFETY: both pointers are to variables of the types that the call writes, which outlive it. The child is ours and nobody else
        // waits for it: `child` is not used again, and dropping it does not wait.
        let got = unsafe { libc::wait4(pid, &raw mut status, 0, usage.as_mut_ptr()) };
        if got == pid {
            break;
        }
        let e = Error::last_os_error();
        if e.kind() != ErrorKind::Interrupted {
            return Err(e).with_context(|| format!("cannot wait for {program}"));
        }
    }
    let took = begin.elapsed();
    // SAFETY: the call returned the child's id, so it has filled the structure.
    let usage = unsafe { usage.assume_init() };
    let time = |t: libc::timeval| Duration::new(t.tv_sec as u64, t.tv_usec as u32 * 1000);
    Ok(Used {
        status: ExitStatus::from_raw(status),
        took,
        cpu: time(usage.ru_utime) + time(usage.ru_stime),
        peak_kb: usage.ru_maxrss as u64,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_program_says_how_it_ended_and_what_it_used() {
        let script = "i=0; while [ $i -lt 20000 ]; do i=$((i+1)); done; exit 3";
        let used = run(Command::new("/bin/sh").args(["-c", script])).unwrap();
        assert_eq!(used.status.code(), Some(3));
        assert!(used.cpu > Duration::ZERO && used.took > Duration::ZERO, "{used:?}");
        assert!(used.peak_kb > 100, "{used:?}");
        let e = run(&mut Command::new("/nowhere")).unwrap_err();
        assert_eq!(e.to_string(), "cannot start /nowhere");
    }
}
