//! A command to trace: it is there before anything is attached, and runs when everything is, so that its first call is seen.

use std::ffi::{OsStr, OsString};
use std::fmt;
use std::io::Read as _;
use std::os::fd::{AsFd as _, OwnedFd};
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::net::UnixStream;
use std::os::unix::process::ExitStatusExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};

use anyhow::{Context as _, Result};
use event::{EventType, Frame, flags};
use rustix::fs::Access;
use rustix::io::Errno;
use rustix::process::{Pid, PidfdFlags, Signal, pidfd_open, pidfd_send_signal};

use crate::launch::{self, LAUNCH};

/// Where programs are looked for without `PATH`.
const USUAL_PATH: &str = "/usr/local/bin:/usr/bin:/bin";
/// Exit codes as shells have them.
const NOT_FOUND: u8 = 127;
const NOT_EXECUTABLE: u8 = 126;

/// A command that waits for its start.
pub(super) struct Waiting {
    name: OsString,
    child: Child,
    line: UnixStream,
}

/// A command that runs.
pub(super) struct Running {
    child: Child,
    pidfd: OwnedFd,
}

/// The means to end a command, whoever waits for it.
pub(super) struct Ender(OwnedFd);

/// A command cannot be executed: the message is whole, the code is what a shell would give.
#[derive(Debug)]
pub(crate) struct NotRun {
    text: String,
    pub(crate) code: u8,
}

impl NotRun {
    fn new(name: &OsStr, why: impl fmt::Display, code: u8) -> Self {
        Self { text: format!("cannot run {}: {why}", name.display()), code }
    }
}

impl fmt::Display for NotRun {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl std::error::Error for NotRun {}

impl Waiting {
    /// Starts what will become the command.
    ///
    /// # Errors
    /// [`NotRun`] where there is no such program.
    pub(super) fn new(command: &[OsString]) -> Result<Self> {
        let name = command.first().context("no command")?;
        let path = program(name)?;
        let (line, theirs) = UnixStream::pair().context("cannot make a socket pair")?;
        let child = Command::new("/proc/self/exe")
            .arg(LAUNCH)
            .arg("--")
            .arg(path)
            .args(command)
            .stdin(Stdio::from(OwnedFd::from(theirs)))
            .spawn()
            .context("cannot start a process for the command")?;
        Ok(Self { name: name.clone(), child, line })
    }

    pub(super) fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Lets it become the command.
    ///
    /// # Errors
    /// [`NotRun`] where the kernel refuses to execute it.
    pub(super) fn release(self) -> Result<Running> {
        let Self { name, mut child, mut line } = self;
        let pidfd = pidfd_open(Pid::from_child(&child), PidfdFlags::empty())?;
        launch::send(&line, std::io::stdin().as_fd()).context("the command's process is gone")?;
        let mut why = Vec::new();
        line.read_to_end(&mut why).context("the command's process does not answer")?;
        let Some(errno) = why.first_chunk() else { return Ok(Running { child, pidfd }) };
        child.wait()?;
        let errno = Errno::from_raw_os_error(i32::from_le_bytes(*errno));
        let code = if errno == Errno::NOENT { NOT_FOUND } else { NOT_EXECUTABLE };
        let why = std::io::Error::from(errno);
        Err(NotRun::new(&name, why, code).into())
    }
}

impl Running {
    /// Waits for its end.
    pub(super) fn wait(mut self) -> std::io::Result<ExitStatus> {
        self.child.wait()
    }

    pub(super) fn ender(&self) -> Result<Ender> {
        Ok(Ender(self.pidfd.try_clone()?))
    }
}

impl Ender {
    /// Asks the command to end.
    pub(super) fn terminate(&self) {
        // It fails only where it has ended.
        let _gone = pidfd_send_signal(&self.0, Signal::TERM);
    }
}

/// Exit code of whoever ran the command, as shells have it.
pub(super) fn exit_code(status: ExitStatus) -> u8 {
    let code = status.code().or_else(|| status.signal().map(|signal| 128 + signal));
    code.and_then(|code| u8::try_from(code).ok()).unwrap_or(u8::MAX)
}

/// Whether the frame says that the process has become another program.
pub(super) fn is_exec_of(frame: &[u8], pid: u32) -> bool {
    Frame::parse(frame).is_ok_and(|frame| {
        frame.event_type() == EventType::EXECVE_19_X
            && !frame.has(flags::SEED)
            && frame.header().tgid == pid
            && frame.param_i64(0) == Some(0)
    })
}

/// The program that a command's name means, as a shell finds it.
fn program(name: &OsStr) -> Result<PathBuf, NotRun> {
    let can_run = |path: &Path| path.is_file() && rustix::fs::access(path, Access::EXEC_OK).is_ok();
    if name.as_bytes().contains(&b'/') {
        // The kernel says what is wrong with it.
        return Ok(PathBuf::from(name));
    }
    let path = std::env::var_os("PATH").unwrap_or_else(|| USUAL_PATH.into());
    let mut is_there = false;
    for folder in std::env::split_paths(&path) {
        let folder = if folder.as_os_str().is_empty() { PathBuf::from(".") } else { folder };
        let candidate = folder.join(name);
        if can_run(&candidate) {
            return Ok(candidate);
        }
        is_there |= candidate.is_file();
    }
    Err(if is_there {
        NotRun::new(name, "permission denied", NOT_EXECUTABLE)
    } else {
        NotRun::new(name, "not found in PATH", NOT_FOUND)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn programs_are_found_as_a_shell_finds_them() {
        assert!(program(OsStr::new("sh")).unwrap().ends_with("sh"));
        assert_eq!(program(OsStr::new("./x")).unwrap(), Path::new("./x"));
        let refused = program(OsStr::new("no-such-program")).unwrap_err();
        assert_eq!(refused.to_string(), "cannot run no-such-program: not found in PATH");
        assert_eq!(refused.code, 127);
    }

    #[test]
    fn exit_codes_are_those_of_a_shell() {
        assert_eq!(exit_code(ExitStatus::from_raw(3 << 8)), 3);
        assert_eq!(exit_code(ExitStatus::from_raw(15)), 143);
    }
}
