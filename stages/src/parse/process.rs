//! fork, exec and exit.

use event::{CreatorFacts, ExitFacts, Frame, ProcFacts, flags};

use super::{i64_of, id_of, params, text, u32_of, u64_of};

/// `PPM_CL_CLONE_PARENT`: the creator is the child's sibling.
const CLONE_PARENT: u32 = 1 << 8;
/// `PPM_CL_CLONE_THREAD`: the child is a thread of its creator's process.
const CLONE_THREAD: u32 = 1 << 13;

/// One side of a fork.
#[derive(Clone, Copy, Debug)]
pub struct Fork<'a> {
    /// 0 on the child's side, the child's id (or an errno) on the caller's.
    pub res: i64,
    /// `argv[0]`.
    pub exe: &'a [u8],
    /// Arguments, NUL-terminated each; empty where the frame has none.
    pub args: &'a [u8],
    /// Name of the thread.
    pub comm: &'a [u8],
    /// Working directory.
    pub cwd: &'a [u8],
    /// `subsys=path`, NUL-terminated each.
    pub cgroups: &'a [u8],
    /// Thread id of the parent.
    pub ptid: Option<u32>,
    /// `PPM_CL_*`.
    pub flags: u32,
    /// Effective user.
    pub uid: Option<u32>,
    /// Effective group.
    pub gid: Option<u32>,
    /// Process id in the child's own pid namespace.
    pub vpid: Option<u32>,
    /// Who forked; live frames only.
    pub creator: Option<CreatorFacts>,
    /// Ids of the child; live frames only.
    pub proc: Option<ProcFacts>,
    /// A thread of an existing process came, not a process.
    pub is_thread: bool,
}

impl<'a> Fork<'a> {
    pub(super) fn parse(frame: &Frame<'a>) -> Self {
        let p: [&[u8]; 21] = params(frame);
        let header = frame.header();
        let flags = u32_of(p[15]).unwrap_or(0);
        Self {
            res: i64_of(p[0]).unwrap_or(-1),
            exe: text(p[1]),
            args: p[2],
            comm: text(p[13]),
            cwd: text(p[6]),
            cgroups: p[14],
            ptid: id_of(p[5]),
            flags,
            uid: u32_of(p[16]),
            gid: u32_of(p[17]),
            vpid: id_of(p[19]),
            creator: frame.trailer().creator(),
            proc: frame.trailer().proc(),
            is_thread: flags & CLONE_THREAD != 0 || header.tid != header.tgid,
        }
    }

    /// Whether this is the side of the child.
    #[must_use]
    pub fn is_child(&self) -> bool {
        self.res == 0
    }

    /// Whether the creator is the child's sibling rather than its parent.
    #[must_use]
    pub fn has_creators_parent(&self) -> bool {
        self.flags & CLONE_PARENT != 0
    }
}

/// An exec, or a seed.
#[derive(Clone, Copy, Debug)]
#[expect(missing_docs, reason = "the names are those of the event table")]
pub struct Exec<'a> {
    /// 0, or an errno.
    pub res: i64,
    /// `argv[0]`.
    pub exe: &'a [u8],
    /// `argv[1..]`, NUL-terminated each.
    pub args: &'a [u8],
    /// Thread id of the parent.
    pub ptid: Option<u32>,
    pub cwd: &'a [u8],
    pub comm: &'a [u8],
    pub cgroups: &'a [u8],
    pub env: &'a [u8],
    pub tty: Option<u32>,
    pub vpgid: Option<u32>,
    pub loginuid: Option<u32>,
    /// `EXE_*`.
    pub flags: u32,
    pub cap_inheritable: u64,
    pub cap_permitted: u64,
    pub cap_effective: u64,
    pub exe_ino: u64,
    pub exe_ino_ctime: u64,
    pub exe_ino_mtime: u64,
    pub uid: Option<u32>,
    pub gid: Option<u32>,
    /// The kernel's path of the program.
    pub exepath: &'a [u8],
    /// The path that the process passed.
    pub filename: &'a [u8],
    pub pgid: Option<u32>,
    /// Ids of the process; live frames and seeds.
    pub proc: Option<ProcFacts>,
}

impl<'a> Exec<'a> {
    pub(super) fn parse(frame: &Frame<'a>) -> Self {
        let p: [&[u8]; 31] = params(frame);
        Self {
            res: i64_of(p[0]).unwrap_or(-1),
            exe: text(p[1]),
            args: p[2],
            ptid: id_of(p[5]),
            cwd: text(p[6]),
            comm: text(p[13]),
            cgroups: p[14],
            env: p[15],
            tty: u32_of(p[16]),
            vpgid: id_of(p[17]),
            loginuid: u32_of(p[18]),
            flags: u32_of(p[19]).unwrap_or(0),
            cap_inheritable: u64_of(p[20]).unwrap_or(0),
            cap_permitted: u64_of(p[21]).unwrap_or(0),
            cap_effective: u64_of(p[22]).unwrap_or(0),
            exe_ino: u64_of(p[23]).unwrap_or(0),
            exe_ino_ctime: u64_of(p[24]).unwrap_or(0),
            exe_ino_mtime: u64_of(p[25]).unwrap_or(0),
            uid: u32_of(p[26]),
            exepath: text(p[27]),
            pgid: id_of(p[28]),
            gid: u32_of(p[29]),
            filename: text(p[30]),
            proc: frame.trailer().proc(),
        }
    }
}

/// A thread left.
#[derive(Clone, Copy, Debug)]
pub struct Exit {
    /// It was the last one of its process, as far as the frame knows.
    pub is_group_dead: bool,
    /// Who gets the children; live frames only.
    pub reaper: Option<ExitFacts>,
    /// Thread id of who gets the children.
    pub reaper_tid: Option<u32>,
}

impl Exit {
    pub(super) fn parse(frame: &Frame<'_>) -> Self {
        Self {
            is_group_dead: frame.has(flags::GROUP_DEAD),
            reaper: frame.trailer().exit(),
            reaper_tid: frame.param(4).and_then(id_of),
        }
    }
}
