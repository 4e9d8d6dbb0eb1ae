//! `evt.*` and `syscall.type`.

use event::{Direction, EventInfo, EventType};
use rules::{Arg, Field, FieldRef, Value};

use super::EventFields;
use super::errno::errno_name;
use crate::parse::{Body, open_flags};

/// Category bits (see the event table): what a syscall is, and where events come from.
const EC_CLASS: u16 = 0xff;
const EC_IO_READ: u16 = 32;
const EC_IO_WRITE: u16 = 33;
const EC_IO_OTHER: u16 = 34;
const EC_INTERNAL: u16 = 0x100;
const EC_SYSCALL: u16 = 0x200;

/// Flags of the event table that only fields ask for: bytes come from a descriptor, go to one, the call may wait.
const EF_READS_FROM_FD: u16 = 8;
const EF_WRITES_TO_FD: u16 = 0x10;
const EF_WAITS: u16 = 0x80;

fn category_name(category: u16) -> &'static str {
    if category & EC_INTERNAL != 0 {
        return "internal";
    }
    match category & EC_CLASS {
        1 => "other",
        2 => "file",
        3 => "net",
        4 => "IPC",
        5 => "memory",
        6 => "process",
        7 => "sleep",
        8 => "system",
        9 => "signal",
        10 => "user",
        11 => "time",
        32 => "IO-read",
        33 => "IO-write",
        34 => "IO-other",
        64 => "wait",
        128 => "scheduler",
        _ => "unknown",
    }
}

impl EventFields<'_> {
    fn info(&self) -> Option<&'static EventInfo> {
        self.event.frame.event_type().info()
    }

    /// The call's result: its first parameter, where that is one.
    pub(super) fn result(&self) -> Option<i64> {
        let info = self.info()?;
        // Old files have the start of a call as well, which has no result.
        let first = info.params.first().filter(|_| info.direction == Direction::Exit)?;
        matches!(first.name, "res" | "fd").then(|| self.event.frame.param_i64(0))?
    }

    pub(super) fn evt(&self, field: &FieldRef) -> Option<Value<'_>> {
        let text = |t: &'static str| Some(Value::Bytes(t.as_bytes()));
        let ty = self.event.frame.event_type();
        match field.field {
            Field::EvtNum => Some(Value::U64(self.evt_num())),
            Field::EvtTime
            | Field::EvtTimeS
            | Field::EvtTimeIso8601
            | Field::EvtDatetime
            | Field::EvtRawtime => Some(Value::U64(self.epoch_ns())),
            Field::EvtType => text(self.call_name()),
            Field::EvtDir => text("<"),
            Field::EvtCategory => text(category_name(self.info()?.category)),
            Field::EvtCpu => Some(Value::I64(i64::from(self.event.header().cpu))),
            Field::EvtArg => {
                let n = match &field.arg {
                    Arg::Index(n) => *n as usize,
                    Arg::Key(name) => ty.param_index(name)?,
                    Arg::None => return None,
                };
                self.arg(n).map(Value::Bytes)
            }
            Field::EvtArgs | Field::EvtInfo => Some(Value::Bytes(self.all_args())),
            Field::EvtRes => match self.result()? {
                0.. => text("SUCCESS"),
                errno => errno_name(errno.checked_neg()?).and_then(text),
            },
            Field::EvtRawres => self.result().map(Value::I64),
            Field::EvtFailed => self.result().map(|res| Value::Bool(res < 0)),
            Field::EvtIsOpenRead => Some(Value::Bool(self.opens_with(open_flags::RDONLY))),
            Field::EvtIsOpenWrite => Some(Value::Bool(self.opens_with(open_flags::WRONLY))),
            Field::EvtIsOpenExec => Some(Value::Bool(self.makes_executable())),
            Field::EvtIsOpenCreate => Some(Value::Bool(self.created())),
            Field::EvtHostname => Some(Value::Bytes(self.at.hostname.as_bytes())),
            Field::EvtSource => text("syscall"),
            Field::SyscallType if self.info()?.category & EC_SYSCALL != 0 => text(self.call_name()),
            Field::EvtRawarg => match &field.arg {
                Arg::Key(name) => self.raw_arg(ty.param_index(name)?),
                Arg::None | Arg::Index(_) => None,
            },
            Field::EvtBuffer => self.event.frame.param(ty.param_index("data")?).map(Value::Bytes),
            Field::EvtBuflen
            | Field::EvtBuflenIn
            | Field::EvtBuflenOut
            | Field::EvtBuflenFile
            | Field::EvtBuflenFileIn
            | Field::EvtBuflenFileOut
            | Field::EvtBuflenNet
            | Field::EvtBuflenNetIn
            | Field::EvtBuflenNetOut => self.buflen(field.field),
            Field::EvtIsIo => self.flagged(EF_READS_FROM_FD | EF_WRITES_TO_FD),
            Field::EvtIsIoRead => self.flagged(EF_READS_FROM_FD),
            Field::EvtIsIoWrite => self.flagged(EF_WRITES_TO_FD),
            Field::EvtIoDir => match self.info()?.flags {
                flags if flags & EF_WRITES_TO_FD != 0 => text("write"),
                flags if flags & EF_READS_FROM_FD != 0 => text("read"),
                _ => None,
            },
            Field::EvtIsWait => self.flagged(EF_WAITS),
            Field::EvtIsSyslog => {
                let is_write = self.info()?.flags & EF_WRITES_TO_FD != 0;
                Some(Value::Bool(is_write && self.descriptor_is_syslog()))
            }
            Field::EvtAbspath => self.abspath(&field.arg).map(Value::Bytes),
            _ => None,
        }
    }

    /// Name of the call: that of the event, but for calls without an event of their own.
    fn call_name(&self) -> &'static str {
        let frame = &self.event.frame;
        let ty = frame.event_type();
        if ty.0 > EventType::GENERIC_X.0 {
            return ty.name();
        }
        let id = frame.param(0).and_then(|b| Some(u16::from_le_bytes(*b.as_array()?)));
        id.and_then(event::syscall_name).unwrap_or("unknown")
    }

    fn flagged(&self, flags: u16) -> Option<Value<'_>> {
        Some(Value::Bool(self.info()?.flags & flags != 0))
    }

    fn descriptor_is_syslog(&self) -> bool {
        let name = self.fd(Field::FdName);
        matches!(name, Some(Value::Bytes(name)) if name.windows(8).any(|w| w == b"/dev/log"))
    }

    /// How many bytes went through a known descriptor, in the direction and to the kind of descriptor that the field asks for.
    fn buflen(&self, field: Field) -> Option<Value<'_>> {
        use Field::{
            EvtBuflenFile, EvtBuflenFileIn, EvtBuflenFileOut, EvtBuflenIn, EvtBuflenNet,
            EvtBuflenNetIn, EvtBuflenNetOut, EvtBuflenOut,
        };
        let class = self.info()?.category & EC_CLASS;
        let fits = match field {
            EvtBuflenIn | EvtBuflenFileIn | EvtBuflenNetIn => class == EC_IO_READ,
            EvtBuflenOut | EvtBuflenFileOut | EvtBuflenNetOut => class == EC_IO_WRITE,
            _ => (EC_IO_READ..=EC_IO_OTHER).contains(&class),
        } && match field {
            EvtBuflenFile | EvtBuflenFileIn | EvtBuflenFileOut => self.uses_file(),
            EvtBuflenNet | EvtBuflenNetIn | EvtBuflenNetOut => self.uses_inet_socket(),
            _ => self.has_descriptor(),
        };
        let n = u64::try_from(self.result()?).ok()?;
        fits.then_some(Value::U64(n))
    }

    fn opens_with(&self, flag: u32) -> bool {
        matches!(self.event.body, Body::Open(open) if open.flags & flag != 0)
    }

    /// A file is made (or may be) with a permission to execute.
    fn makes_executable(&self) -> bool {
        const CREAT_OR_TMPFILE: u32 = 0x4 | open_flags::TMPFILE;
        const ANY_X: u32 = 0o111;
        matches!(self.event.body, Body::Open(open)
            if open.flags & CREAT_OR_TMPFILE != 0 && open.mode.unwrap_or(0) & ANY_X != 0)
    }

    /// The open made the file: known from the kernel, not from the flags.
    fn created(&self) -> bool {
        matches!(self.event.body, Body::Open(open)
            if open.flags & open_flags::F_CREATED != 0
                || open.flags & open_flags::TMPFILE != 0 && open.fd >= 0
                || open.file.is_some_and(|f| f.flags & event::file_flags::CREATED != 0))
    }
}
