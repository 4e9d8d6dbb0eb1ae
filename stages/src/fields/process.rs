//! `proc.*` and `thread.*`: the process and its ancestors as of the event.

use std::cell::OnceCell;
use std::sync::Arc;

use bumpalo::collections::Vec as BumpVec;
use event::thread_facts;
use rules::{Arg, ProcField as Field, Value};

use super::digits::put_decimal;
use super::errno::position;
use super::{EventFields, Link};
use crate::state::{Start, Version, exe_flags, strings};

/// A text that a process has, and fields of its own and of its relatives give (`proc.name`, `proc.pname`, `proc.aname`, ...).
#[derive(Clone, Copy)]
pub(super) enum Text {
    Name,
    Exe,
    Exepath,
    Cmdline,
    Args,
}

impl Text {
    pub(super) fn of(self, version: &Version) -> &[u8] {
        let image = &version.image;
        match self {
            Self::Name => image.comm(),
            Self::Exe => image.exe(),
            Self::Exepath => image.exepath(),
            Self::Cmdline => image.cmdline(),
            Self::Args => image.args_line(),
        }
    }
}

#[expect(clippy::unnecessary_wraps, reason = "the arms of one match are options")]
fn bytes(text: &[u8]) -> Option<Value<'_>> {
    Some(Value::Bytes(text))
}

/// An id; the one that is all ones is none.
#[expect(clippy::unnecessary_wraps, reason = "the arms of one match are options")]
fn id(id: u32) -> Option<Value<'static>> {
    Some(Value::I64(if id == u32::MAX { -1 } else { i64::from(id) }))
}

/// An id where it is known.
fn told(number: u32) -> Option<Value<'static>> {
    (number != 0).then_some(()).and_then(|()| id(number))
}

/// Processes that belong together and have a leader.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Band {
    Session,
    /// By the ids of the host.
    Group,
    /// By the ids of the pid namespace.
    VirtualGroup,
}

/// The leader of each [`Band`], once looked for.
pub(super) type Leaders = [OnceCell<Option<Arc<Version>>>; 3];

impl Band {
    fn id(self, version: &Version) -> u32 {
        match self {
            Self::Session => version.ids.sid,
            Self::Group => version.ids.pgid,
            Self::VirtualGroup => version.ids.vpgid,
        }
    }
}

impl EventFields<'_> {
    #[expect(clippy::too_many_lines, reason = "an arm for each field, and no catch-all")]
    pub(super) fn proc(&self, field: Field, arg: &Arg) -> Option<Value<'_>> {
        let header = self.event.header();
        // What the header alone tells does not need the process to be known.
        let is_told = !self.event.is_from_file();
        match field {
            Field::ProcPid if is_told => return id(header.tgid),
            Field::ThreadTid => return id(header.tid),
            // An idle CPU has no process.
            Field::ThreadExectime => return self.resource(field, arg),
            Field::ThreadIsmain if is_told => {
                return Some(Value::Bool(header.tid == header.tgid));
            }
            _ => {}
        }
        let version = self.version()?;
        let image = &version.image;
        let ids = &version.ids;
        let number = |n: u64| Some(Value::U64(n));
        let flag = |bit| Some(Value::Bool(image.has(bit)));
        let own = |text: Text| bytes(text.of(version));
        let parents = |text: Text| bytes(text.of(self.ancestor(1)?.1));
        match field {
            Field::ProcPid if version.is_stand_in => Some(Value::I64(-1)),
            Field::ProcPid => id(header.tgid),
            Field::ThreadTid => None,
            Field::ThreadIsmain => {
                Some(Value::Bool(header.tid == header.tgid && !version.is_stand_in))
            }
            Field::ProcExe => own(Text::Exe),
            Field::ProcExepath => own(Text::Exepath),
            Field::ProcName => bytes(self.own_name(version)),
            Field::ProcCmdline => bytes(self.own_cmdline(version)),
            Field::ProcPexe => parents(Text::Exe),
            Field::ProcPexepath => parents(Text::Exepath),
            Field::ProcPname => parents(Text::Name),
            Field::ProcPcmdline => parents(Text::Cmdline),
            Field::ProcAexe => self.of_ancestor(Text::Exe, arg),
            Field::ProcAexepath => self.of_ancestor(Text::Exepath, arg),
            Field::ProcAname => self.of_ancestor(Text::Name, arg),
            Field::ProcAcmdline => self.of_ancestor(Text::Cmdline, arg),
            Field::ProcAargs => self.of_ancestor(Text::Args, arg),
            Field::ProcPpid => self.parent_id(),
            Field::ProcApid => match arg {
                // As Falco prints it.
                Arg::None | Arg::Key(_) | Arg::Index(0) => {
                    id(header.tgid).filter(|_| !version.is_stand_in)
                }
                Arg::Index(1) => self.parent_id(),
                Arg::Index(n) => id(self.ancestor(*n as usize)?.0),
            },
            Field::ProcArgs => match arg {
                Arg::Index(n) => bytes(image.arg(*n as usize).unwrap_or_default()),
                Arg::None | Arg::Key(_) => own(Text::Args),
            },
            Field::ProcCmdnargs => number(image.n_args() as u64),
            Field::ProcCmdlenargs => number(image.args_len() as u64),
            Field::ProcExeline => bytes(image.exeline()),
            Field::ProcEnv => match arg {
                Arg::Key(name) => bytes(image.env_var(name).unwrap_or_default()),
                Arg::None | Arg::Index(_) => bytes(self.blank_joined(image.env())),
            },
            Field::ProcAenv => match arg {
                Arg::None => bytes(self.joined_ancestors(|v| self.blank_joined(v.image.env()))),
                Arg::Index(0) => bytes(self.blank_joined(image.env())),
                Arg::Index(n) => {
                    bytes(self.blank_joined(self.ancestor(*n as usize)?.1.image.env()))
                }
                Arg::Key(name) => {
                    let found = self.ancestors().find_map(|(_, v)| v.image.env_var(name));
                    bytes(found.unwrap_or_default())
                }
            },
            Field::ProcCwd => bytes(self.directory(version)),
            Field::ProcLoginshellid => self.login_shell(version).and_then(id),
            Field::ProcTty => number(u64::from(ids.tty)),
            Field::ProcVpid => told(ids.vpid),
            Field::ProcPvpid => told(self.ancestor(1)?.1.ids.vpid),
            Field::ProcSid => id(ids.sid),
            Field::ProcSname => self.of_leader(Band::Session, Text::Name),
            Field::ProcSidExe => self.of_leader(Band::Session, Text::Exe),
            Field::ProcSidExepath => self.of_leader(Band::Session, Text::Exepath),
            Field::ProcVpgid => id(ids.vpgid),
            Field::ProcVpgidName => self.of_leader(Band::VirtualGroup, Text::Name),
            Field::ProcVpgidExe => self.of_leader(Band::VirtualGroup, Text::Exe),
            Field::ProcVpgidExepath => self.of_leader(Band::VirtualGroup, Text::Exepath),
            Field::ProcPgid => id(ids.pgid),
            Field::ProcPgidName => self.of_leader(Band::Group, Text::Name),
            Field::ProcPgidExe => self.of_leader(Band::Group, Text::Exe),
            Field::ProcPgidExepath => self.of_leader(Band::Group, Text::Exepath),
            Field::ProcIsExeWritable => flag(exe_flags::WRITABLE),
            Field::ProcIsExeUpperLayer => flag(exe_flags::UPPER_LAYER),
            Field::ProcIsExeLowerLayer => flag(exe_flags::LOWER_LAYER),
            Field::ProcIsExeFromMemfd => flag(exe_flags::FROM_MEMFD),
            // Both sides as the initial namespace sees them; in a file the session id may be the namespace's own.
            Field::ProcIsSidLeader => {
                let own =
                    ids.sid == header.tgid || self.event.is_from_file() && ids.sid == ids.vpid;
                Some(Value::Bool(own))
            }
            Field::ProcIsVpgidLeader => Some(Value::Bool(ids.vpgid == ids.vpid)),
            // Old files have no id of the host's.
            Field::ProcIsPgidLeader if ids.pgid == 0 => Some(Value::Bool(ids.vpgid == ids.vpid)),
            Field::ProcIsPgidLeader => Some(Value::Bool(ids.pgid == header.tgid)),
            Field::ProcExeIno => Some(Value::I64(image.ino as i64)),
            Field::ProcExeInoCtime => number(image.ctime),
            Field::ProcExeInoMtime => number(image.mtime),
            Field::ProcExeInoCtimeDurationProcStart => number(
                self.started_at(version)?.checked_sub(image.ctime).filter(|_| image.ctime != 0)?,
            ),
            Field::ProcDuration => self.age(version).map(Value::U64),
            Field::ProcPpidDuration => self.age(self.ancestor(1)?.1).map(Value::U64),
            Field::ProcPidTs => self.started_at(version).map(Value::U64),
            Field::ProcPpidTs => self.started_at(self.ancestor(1)?.1).map(Value::U64),
            Field::ThreadVtid => {
                if let Some(own) = self.thread().filter(|t| t.knows(thread_facts::VTID)) {
                    return id(own.vtid);
                }
                // A further thread's id in its own namespace is only known where the namespace is the initial one.
                if header.tid == header.tgid {
                    told(ids.vpid)
                } else {
                    (ids.vpid == header.tgid).then_some(Value::I64(i64::from(header.tid)))
                }
            }
            Field::ThreadNametid => bytes(self.name_and_tid(version)),
            Field::ProcExeInoCtimeDurationPidnsStart => {
                let start = self.pidns_start()?;
                number(image.ctime.checked_sub(start).filter(|&ns| ns != 0)?)
            }
            Field::ProcPidnsInitStartTs => self.pidns_start().map(Value::U64),
            Field::ProcFdopencount
            | Field::ProcFdlimit
            | Field::ProcFdusage
            | Field::ProcVmsize
            | Field::ProcVmrss
            | Field::ProcVmswap
            | Field::ProcNthreads
            | Field::ProcNchilds
            | Field::ThreadPfmajor
            | Field::ThreadPfminor
            | Field::ThreadExectime
            | Field::ThreadTotexectime
            | Field::ThreadCgroups
            | Field::ThreadCgroup
            | Field::ThreadCpu
            | Field::ThreadCpuUser
            | Field::ThreadCpuSystem
            | Field::ThreadVmsize
            | Field::ThreadVmrss
            | Field::ThreadVmsizeB
            | Field::ThreadVmrssB => self.resource(field, arg),
            Field::ProcStdinType => self.standard_type(0),
            Field::ProcStdoutType => self.standard_type(1),
            Field::ProcStderrType => self.standard_type(2),
            Field::ProcStdinName => self.standard_name(0),
            Field::ProcStdoutName => self.standard_name(1),
            Field::ProcStderrName => self.standard_name(2),
            Field::ThreadCapPermitted => bytes(self.capabilities(ids.cap_permitted)),
            Field::ThreadCapInheritable => bytes(self.capabilities(ids.cap_inheritable)),
            Field::ThreadCapEffective => bytes(self.capabilities(ids.cap_effective)),
        }
    }

    /// A text of the ancestor that the argument names; without one those of all.
    fn of_ancestor(&self, text: Text, arg: &Arg) -> Option<Value<'_>> {
        match arg {
            Arg::Index(0) => bytes(text.of(self.version()?)),
            Arg::Index(n) => bytes(text.of(self.ancestor(*n as usize)?.1)),
            Arg::None | Arg::Key(_) => bytes(self.joined_ancestors(|v| text.of(v))),
        }
    }

    /// Nanoseconds that the process has lived.
    fn age(&self, version: &Version) -> Option<u64> {
        (version.started_at != 0).then(|| self.event.header().ts.saturating_sub(version.started_at))
    }

    /// When the process started, in nanoseconds since the epoch.
    fn started_at(&self, version: &Version) -> Option<u64> {
        match version.started_at {
            0 => None,
            ns if self.event.is_from_file() => Some(ns),
            ns => Some(perf::to_epoch_ns(ns, self.at.clock_offset_ns)),
        }
    }

    fn name_and_tid(&self, version: &Version) -> &[u8] {
        let mut text = BumpVec::new_in(self.at.bump);
        text.extend_from_slice_copy(self.own_name(version));
        put_decimal(&mut text, u64::from(self.event.header().tid));
        text.into_bump_slice()
    }

    /// The name of the event's own thread, which need not be that of its process.
    fn own_name<'s>(&'s self, version: &'s Version) -> &'s [u8] {
        let own = self.thread().filter(|t| t.knows(thread_facts::COMM));
        own.map_or(version.image.comm(), |t| t.comm)
    }

    fn own_cmdline<'s>(&'s self, version: &'s Version) -> &'s [u8] {
        let (name, image) = (self.own_name(version), &version.image);
        if name == image.comm() {
            return image.cmdline();
        }
        let args = &image.cmdline()[image.comm().len()..];
        let mut text = BumpVec::with_capacity_in(name.len() + args.len(), self.at.bump);
        text.extend_from_slice_copy(name);
        text.extend_from_slice_copy(args);
        text.into_bump_slice()
    }

    fn parent_id(&self) -> Option<Value<'static>> {
        match self.link(1)? {
            Link::Known(tgid, ..) | Link::Unknown(Some(tgid)) => id(*tgid),
            Link::End | Link::Unknown(None) => None,
        }
    }

    /// Ancestors joined by blanks, nearest first.
    fn joined_ancestors<'s>(&'s self, text: impl Fn(&'s Version) -> &'s [u8]) -> &'s [u8] {
        let mut all = BumpVec::new_in(self.at.bump);
        for (_, version) in self.ancestors() {
            if !all.is_empty() {
                all.push(b' ');
            }
            all.extend_from_slice_copy(text(version));
        }
        all.into_bump_slice()
    }

    pub(super) fn blank_joined(&self, list: &[u8]) -> &[u8] {
        let mut all = BumpVec::with_capacity_in(list.len(), self.at.bump);
        for (n, text) in strings(list).enumerate() {
            if n > 0 {
                all.push(b' ');
            }
            all.extend_from_slice_copy(text);
        }
        all.into_bump_slice()
    }

    /// The working directory with a slash at its end.
    fn directory<'s>(&'s self, version: &'s Version) -> &'s [u8] {
        let cwd = &version.cwd;
        if version.is_stand_in {
            return b"./";
        }
        if cwd.is_empty() || cwd.ends_with(b"/") {
            return cwd;
        }
        let mut all = BumpVec::with_capacity_in(cwd.len() + 1, self.at.bump);
        all.extend_from_slice_copy(cwd);
        all.push(b'/');
        all.into_bump_slice()
    }

    /// The oldest shell among the process and its ancestors.
    fn login_shell(&self, own: &Version) -> Option<u32> {
        let is_shell = |version: &Version| version.image.comm().ends_with(b"sh");
        let own = Some(self.event.header().tgid).filter(|_| is_shell(own));
        self.ancestors().filter(|(_, v)| is_shell(v)).map(|(tgid, _)| tgid).last().or(own)
    }

    /// A text of who leads the process's session or group: the process whose id is the band's; where it has gone, the oldest ancestor
    /// in the same one.
    fn of_leader(&self, band: Band, text: Text) -> Option<Value<'_>> {
        let own = self.version()?;
        let is_told = !self.event.is_from_file();
        // Old files have no id of the host's, and live all ids are known.
        let band = match band {
            Band::Group if own.ids.pgid == 0 => Band::VirtualGroup,
            Band::VirtualGroup if is_told && own.ids.pgid != 0 => Band::Group,
            band => band,
        };
        let wanted = band.id(own);
        // In a namespace of its own the id is not that of the host's process; Falco does not look for it there.
        let is_hosts = is_told || band == Band::Group || own.ids.vpid == self.event.header().tgid;
        if is_hosts && wanted == self.event.header().tgid {
            return bytes(text.of(own));
        }
        if wanted == u32::MAX {
            return bytes(b"");
        }
        if is_hosts {
            let cell = &self.leaders[band as usize];
            if cell.get().is_none() {
                let found =
                    self.at.lineage.living(self.at.shard, wanted, Start::default(), self.event.key);
                match found {
                    Ok(found) => {
                        cell.get_or_init(|| found.map(|(_, version)| version));
                    }
                    Err(wait) => {
                        self.wait.set(Some(wait));
                        return None;
                    }
                }
            }
            if let Some(Some(leader)) = cell.get() {
                return bytes(text.of(leader));
            }
        }
        let same = self.ancestors().map(|(_, v)| v).take_while(|v| band.id(v) == wanted).last();
        bytes(match same {
            Some(leader) => text.of(leader),
            None if is_told => text.of(own),
            None => b"",
        })
    }

    /// Names of the bits, joined by blanks.
    fn capabilities(&self, bits: u64) -> &[u8] {
        let mut all = BumpVec::new_in(self.at.bump);
        for (n, name) in CAPABILITIES.iter().enumerate() {
            if bits & (1 << n) != 0 {
                if !all.is_empty() {
                    all.push(b' ');
                }
                all.extend_from_slice_copy(b"CAP_");
                all.extend_from_slice_copy(name.as_bytes());
            }
        }
        all.into_bump_slice()
    }
}

/// The bit of the capability with this name (`CAP_SYS_ADMIN`).
#[must_use]
pub fn capability_named(name: &str) -> Option<u64> {
    let bit = position(&CAPABILITIES, name.strip_prefix("CAP_")?)?;
    Some(1 << bit)
}

/// Capabilities by bit, without `CAP_` (`include/uapi/linux/capability.h`; the schema numbers them alike).
const CAPABILITIES: [&str; 41] = [
    "CHOWN",
    "DAC_OVERRIDE",
    "DAC_READ_SEARCH",
    "FOWNER",
    "FSETID",
    "KILL",
    "SETGID",
    "SETUID",
    "SETPCAP",
    "LINUX_IMMUTABLE",
    "NET_BIND_SERVICE",
    "NET_BROADCAST",
    "NET_ADMIN",
    "NET_RAW",
    "IPC_LOCK",
    "IPC_OWNER",
    "SYS_MODULE",
    "SYS_RAWIO",
    "SYS_CHROOT",
    "SYS_PTRACE",
    "SYS_PACCT",
    "SYS_ADMIN",
    "SYS_BOOT",
    "SYS_NICE",
    "SYS_RESOURCE",
    "SYS_TIME",
    "SYS_TTY_CONFIG",
    "MKNOD",
    "LEASE",
    "AUDIT_WRITE",
    "AUDIT_CONTROL",
    "SETFCAP",
    "MAC_OVERRIDE",
    "MAC_ADMIN",
    "SYSLOG",
    "WAKE_ALARM",
    "BLOCK_SUSPEND",
    "AUDIT_READ",
    "PERFMON",
    "BPF",
    "CHECKPOINT_RESTORE",
];
