//! What was made, counted by all processes of a storm in one page that they share.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

/// What a system call was made for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// `fork`, `clone`, `clone3` of a process.
    Fork,
    /// `vfork` and what is made like it.
    Vfork,
    /// `execve`.
    Exec,
    /// A thread.
    Thread,
    /// The end of a process or of a thread that ends alone.
    Exit,
    /// A process that got an id used less than a second before.
    SameId,
    /// Files and folders.
    File,
    /// Sockets.
    Socket,
    /// Sessions, groups, working directories, reapers, waiting.
    Process,
}

impl Kind {
    pub(crate) const ALL: [(Self, &str); 9] = [
        (Self::Fork, "forks"),
        (Self::Vfork, "vforks"),
        (Self::Exec, "execs"),
        (Self::Thread, "threads"),
        (Self::Exit, "exits"),
        (Self::SameId, "forks with an id used within the second"),
        (Self::File, "calls on files"),
        (Self::Socket, "calls on sockets"),
        (Self::Process, "calls on processes"),
    ];
}

/// System calls of a program's start (its loader and its runtime), as `--all-syscalls` shows them.
const N_PER_EXEC: u64 = 70;
/// System calls that make and end a thread, beside the one that is counted.
const N_PER_THREAD: u64 = 9;

/// The page. Any bytes are a valid one; zeroes are a new one.
#[derive(Debug, Default)]
#[repr(C)]
pub(crate) struct Counts {
    made: [AtomicU64; Kind::ALL.len()],
    n_failed: AtomicU64,
    must_stop: AtomicU64,
    no_same_id: AtomicU64,
    no_namespace: AtomicU64,
}

impl Counts {
    pub(crate) fn add(&self, kind: Kind) {
        self.made[kind as usize].fetch_add(1, Relaxed);
    }

    pub(crate) fn of(&self, kind: Kind) -> u64 {
        self.made[kind as usize].load(Relaxed)
    }

    /// Counts a process or program that could not be had.
    pub(crate) fn fail(&self) {
        self.n_failed.fetch_add(1, Relaxed);
    }

    pub(crate) fn n_failed(&self) -> u64 {
        self.n_failed.load(Relaxed)
    }

    /// Calls that the storm itself made.
    pub(crate) fn n_made(&self) -> u64 {
        self.made.iter().map(|n| n.load(Relaxed)).sum()
    }

    /// Events that a capture of all calls has of it, about.
    pub(crate) fn n_events(&self) -> u64 {
        self.n_made()
            + N_PER_EXEC * self.of(Kind::Exec)
            + N_PER_THREAD * self.of(Kind::Thread)
            // The child's side of each, and what the C library does there.
            + 2 * self.of(Kind::Fork)
            + self.of(Kind::Vfork)
            + self.of(Kind::SameId)
    }

    pub(crate) fn stop(&self) {
        self.must_stop.store(1, Relaxed);
    }

    pub(crate) fn must_stop(&self) -> bool {
        self.must_stop.load(Relaxed) != 0
    }

    /// Ids cannot be chosen here.
    pub(crate) fn cannot_choose_ids(&self) {
        self.no_same_id.store(1, Relaxed);
    }

    pub(crate) fn can_choose_ids(&self) -> bool {
        self.no_same_id.load(Relaxed) == 0
    }

    /// Pid namespaces cannot be made here.
    pub(crate) fn cannot_make_namespaces(&self) {
        self.no_namespace.store(1, Relaxed);
    }

    pub(crate) fn can_make_namespaces(&self) -> bool {
        self.no_namespace.load(Relaxed) == 0
    }
}
