//! What every process of a storm knows: the folder, the names of programs, the counts.

use std::ffi::{CString, OsStr};
use std::os::fd::OwnedFd;
use std::os::unix::ffi::OsStrExt as _;
use std::path::{Path, PathBuf};

use rustix::process::{Pid, Signal, WaitOptions, set_parent_process_death_signal, wait, waitpid};

use super::chance::Chance;
use super::counts::{Counts, Kind};
use super::role::Role;
use super::sys::{self, Side};

/// Names that this program executes itself under. Some of them are names that rules know.
pub(crate) const NAMES: [&str; 12] = [
    "alpha",
    "beta",
    "gamma",
    "delta",
    "nginx",
    "mysqld",
    "cron",
    "sshd",
    "bash",
    "sh",
    "python3",
    "a-program-with-a-long-name",
];

/// Where a storm happens.
#[derive(Clone, Debug)]
pub(crate) struct Scene {
    pub(crate) counts: &'static Counts,
    /// The descriptor of the counts, which stays open over an exec.
    counts_fd: i32,
    dir: PathBuf,
}

impl Scene {
    pub(crate) fn new(counts: &'static Counts, counts_fd: i32, dir: &Path) -> Self {
        Self { counts, counts_fd, dir: dir.to_owned() }
    }

    /// Counts a call that was made; its result, if it has one.
    pub(crate) fn made<T, E>(&self, kind: Kind, result: Result<T, E>) -> Option<T> {
        self.counts.add(kind);
        result.ok()
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.dir.join(name)
    }

    pub(crate) fn close(&self, kind: Kind, fd: OwnedFd) {
        self.counts.add(kind);
        sys::close(fd);
    }

    /// Where one of the names is executed.
    pub(crate) fn program(&self, name: &str) -> PathBuf {
        self.dir.join("bin").join(name)
    }

    /// Path and arguments of this program under a random name in a role.
    pub(crate) fn command(&self, role: Role, chance: &mut Chance) -> (CString, Vec<CString>) {
        let name = NAMES[chance.below(NAMES.len() as u64) as usize];
        let text = |s: &OsStr| CString::new(s.as_bytes()).unwrap_or_default();
        let mut args = vec![CString::new(name).unwrap_or_default()];
        args.extend(role.to_args().iter().map(|arg| text(OsStr::new(arg))));
        let seed = chance.next();
        args.extend([
            text(OsStr::new(&format!("{seed}"))),
            text(OsStr::new(&format!("{}", self.counts_fd))),
        ]);
        args.push(text(self.dir.as_os_str()));
        (text(self.program(name).as_os_str()), args)
    }

    /// Becomes this program under another name; ends where that cannot be.
    pub(crate) fn become_other(&self, role: Role, chance: &mut Chance) -> ! {
        let (path, args) = self.command(role, chance);
        self.counts.add(Kind::Exec);
        sys::exec(&path, &args);
        self.counts.fail();
        self.leave()
    }

    /// Ends this process.
    pub(crate) fn leave(&self) -> ! {
        self.counts.add(Kind::Exit);
        sys::end()
    }

    /// Makes a process that does something and ends. It ends with its parent, too, unless it is to outlive it. Gives its id.
    pub(crate) fn child(&self, then: Then, act: impl FnOnce()) -> Option<i32> {
        self.made_child(Kind::Fork, &sys::fork(), then, act)
    }

    /// What follows one of the calls that make processes.
    pub(crate) fn made_child(
        &self,
        kind: Kind,
        side: &std::io::Result<Side>,
        then: Then,
        act: impl FnOnce(),
    ) -> Option<i32> {
        match side {
            Ok(Side::Child) => {
                if then == Then::EndsWithParent {
                    self.end_with_parent();
                }
                act();
                self.leave()
            }
            &Ok(Side::Parent(pid)) => {
                self.counts.add(kind);
                Some(pid)
            }
            Err(_) => {
                self.counts.fail();
                None
            }
        }
    }

    pub(crate) fn end_with_parent(&self) {
        self.made(Kind::Process, set_parent_process_death_signal(Some(Signal::KILL)));
    }

    /// Waits for one child.
    pub(crate) fn wait_for(&self, pid: Option<i32>) {
        if let Some(pid) = pid.and_then(Pid::from_raw) {
            self.made(Kind::Process, waitpid(Some(pid), WaitOptions::empty()));
        }
    }

    /// Waits until there are no children.
    pub(crate) fn wait_for_all(&self) {
        while self.made(Kind::Process, wait(WaitOptions::empty())).is_some() {}
    }
}

/// What becomes of a child when its parent ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Then {
    EndsWithParent,
    OutlivesParent,
}
