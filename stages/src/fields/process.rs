//! `proc.*` and `thread.*`: the process and its ancestors as of the event.

use std::sync::Arc;

use bumpalo::collections::Vec as BumpVec;
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

#[expect(clippy::unnecessary_wraps, reason = "the arms of one match are options")]
fn id(id: u32) -> Option<Value<'static>> {
    Some(Value::I64(i64::from(id)))
}

impl EventFields<'_> {
    #[expect(clippy::too_many_lines, reason = "an arm for each field, and no catch-all")]
    pub(super) fn proc(&self, field: Field, arg: &Arg) -> Option<Value<'_>> {
        let header = self.event.header();
        // What the header alone tells does not need the process to be known.
        match field {
            Field::ProcPid => return id(header.tgid),
            Field::ThreadTid => return id(header.tid),
            Field::ThreadIsmain => return Some(Value::Bool(header.tid == header.tgid)),
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
            Field::ProcPid | Field::ThreadTid | Field::ThreadIsmain => None,
            Field::ProcExe => own(Text::Exe),
            Field::ProcExepath => own(Text::Exepath),
            Field::ProcName => own(Text::Name),
            Field::ProcCmdline => own(Text::Cmdline),
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
                Arg::None | Arg::Key(_) | Arg::Index(0) => id(header.tgid),
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
            Field::ProcCwd => bytes(&version.cwd),
            Field::ProcLoginshellid => Some(Value::I64(self.login_shell(version))),
            Field::ProcTty => number(u64::from(ids.tty)),
            Field::ProcVpid => id(ids.vpid),
            Field::ProcPvpid => id(self.ancestor(1)?.1.ids.vpid),
            Field::ProcSid => id(ids.sid),
            Field::ProcSname => bytes(Text::Name.of(self.session_leader()?)),
            Field::ProcSidExe => bytes(Text::Exe.of(self.session_leader()?)),
            Field::ProcSidExepath => bytes(Text::Exepath.of(self.session_leader()?)),
            Field::ProcVpgid => id(ids.vpgid),
            Field::ProcPgid => id(ids.pgid),
            Field::ProcVpgidName | Field::ProcPgidName => {
                bytes(Text::Name.of(self.group_leader()?))
            }
            Field::ProcVpgidExe | Field::ProcPgidExe => bytes(Text::Exe.of(self.group_leader()?)),
            Field::ProcVpgidExepath | Field::ProcPgidExepath => {
                bytes(Text::Exepath.of(self.group_leader()?))
            }
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
                // A further thread's id in its own namespace is only known where the namespace is the initial one.
                if header.tid == header.tgid {
                    id(ids.vpid)
                } else {
                    (ids.vpid == header.tgid).then_some(Value::I64(i64::from(header.tid)))
                }
            }
            Field::ThreadNametid => bytes(self.name_and_tid(version)),
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
        text.extend_from_slice_copy(version.image.comm());
        put_decimal(&mut text, u64::from(self.event.header().tid));
        text.into_bump_slice()
    }

    fn parent_id(&self) -> Option<Value<'static>> {
        match self.link(1)? {
            Link::Known(tgid, _) | Link::Unknown(Some(tgid)) => id(*tgid),
            Link::End => id(0),
            Link::Unknown(None) => None,
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

    /// The oldest shell among the process and its ancestors, 0 for none.
    fn login_shell(&self, own: &Version) -> i64 {
        let mut shell =
            if own.image.comm().ends_with(b"sh") { self.event.header().tgid } else { 0 };
        for (tgid, version) in self.ancestors() {
            if version.image.comm().ends_with(b"sh") {
                shell = tgid;
            }
        }
        i64::from(shell)
    }

    fn session_leader(&self) -> Option<&Version> {
        self.leader(&self.session, |v| v.ids.sid)
    }

    fn group_leader(&self) -> Option<&Version> {
        self.leader(&self.group, |v| if v.ids.pgid == 0 { v.ids.vpgid } else { v.ids.pgid })
    }

    /// The process whose id is the session's (or group's); where it has gone, the oldest ancestor in the same one.
    fn leader<'s>(
        &'s self,
        cell: &'s std::cell::OnceCell<Option<Arc<Version>>>,
        id_of: impl Fn(&Version) -> u32,
    ) -> Option<&'s Version> {
        let own = self.version()?;
        let wanted = id_of(own);
        if wanted == self.event.header().tgid {
            return Some(own);
        }
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
            return Some(leader);
        }
        let same = self.ancestors().map(|(_, v)| v).take_while(|v| id_of(v) == wanted).last();
        Some(same.unwrap_or(own))
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
