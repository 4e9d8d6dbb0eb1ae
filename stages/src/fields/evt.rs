//! `evt.*` and `syscall.type`.

use event::{Direction, EventInfo, EventType};
use rules::{Arg, EvtField as Field, FdField, Value};

use super::EventFields;
use super::errno::errno_name;
use crate::parse::{Body, open_flags};

/// Category bits (see the event table): what a syscall is, and where events come from.
const EC_CLASS: u16 = 0xff;
const EC_MEMORY: u16 = 5;
const EC_IO_READ: u16 = 32;
const EC_IO_WRITE: u16 = 33;
const EC_IO_OTHER: u16 = 34;
const EC_INTERNAL: u16 = 0x100;
const EC_SYSCALL: u16 = 0x200;

/// Flags of the event table that only fields ask for: bytes come from a descriptor, go to one, the call may wait.
const EF_READS_FROM_FD: u16 = 8;
const EF_WRITES_TO_FD: u16 = 0x10;
const EF_WAITS: u16 = 0x80;

/// Group of an event by the category word of its row, for people.
#[must_use]
pub fn category_name(category: u16) -> &'static str {
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

/// Figures of a thread, in old files.
const PROCINFO_E: EventType = EventType(234);
/// An event that was raised on its own.
const ASYNCEVENT_E: EventType = EventType(402);

const NS: u64 = 1_000_000_000;

/// Whether `evt.type.is` with this argument means the type: a number means itself, a name the first pair of the table that
/// has it, as in Falco.
fn is_type(ty: EventType, which: &str) -> bool {
    if let Ok(n) = which.parse::<u16>() {
        return ty.0 == n;
    }
    let first = EventType::all_named(which).next();
    ty.name() == which && first.is_some_and(|first| ty.0 == first.0 || ty.0 == first.0 + 1)
}

fn makes_connection(ty: EventType) -> bool {
    matches!(ty, EventType::ACCEPT_5_X | EventType::ACCEPT4_6_X | EventType::CONNECT_X)
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
        match first.name {
            "res" | "fd" => self.event.frame.param_i64(0),
            // Of getuid and its kin.
            "uid" | "euid" | "gid" | "egid" => self.event.frame.param_u32(0).map(i64::from),
            _ => None,
        }
    }

    #[expect(clippy::too_many_lines, reason = "an arm for each field, and no catch-all")]
    pub(super) fn evt(&self, field: Field, arg: &Arg) -> Option<Value<'_>> {
        let text = |t: &'static str| Some(Value::Bytes(t.as_bytes()));
        let count = |holds: bool| Some(Value::U64(u64::from(holds)));
        let ty = self.event.frame.event_type();
        match field {
            Field::EvtNum => Some(Value::U64(self.evt_num())),
            Field::EvtTime
            | Field::EvtTimeS
            | Field::EvtTimeIso8601
            | Field::EvtDatetime
            | Field::EvtDatetimeS
            | Field::EvtRawtime => Some(Value::U64(self.epoch_ns())),
            Field::EvtRawtimeS => Some(Value::U64(self.epoch_ns() / NS)),
            Field::EvtRawtimeNs => Some(Value::U64(self.epoch_ns() % NS)),
            // Calls are reported once, when they return.
            Field::EvtLatency
            | Field::EvtLatencyS
            | Field::EvtLatencyNs
            | Field::EvtLatencyQuantized
            | Field::EvtWaitLatency => Some(Value::U64(0)),
            Field::EvtLatencyHuman => text("0ns"),
            Field::EvtIsAsync => Some(Value::Bool(ty == ASYNCEVENT_E)),
            Field::EvtAsynctype => self.async_name().map(Value::Bytes),
            Field::EvtType => match self.async_name() {
                Some(name) => Some(Value::Bytes(name)),
                None => text(self.call_name()),
            },
            Field::EvtTypeIs => match arg {
                Arg::Key(which) => count(is_type(ty, which)),
                Arg::None | Arg::Index(_) => None,
            },
            Field::EvtDir => text(match self.info()?.direction {
                Direction::Enter => ">",
                Direction::Exit => "<",
            }),
            Field::EvtCategory => text(self.category(self.info()?.category)),
            Field::EvtCpu => Some(Value::I64(i64::from(self.event.header().cpu))),
            Field::EvtArg => {
                let n = match arg {
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
            Field::EvtLineageComplete => Some(Value::Bool(self.lineage_complete())),
            Field::EvtHostname => Some(Value::Bytes(self.at.hostname.as_bytes())),
            Field::EvtSource => text("syscall"),
            Field::SyscallType => {
                (self.info()?.category & EC_SYSCALL != 0).then(|| text(self.call_name()))?
            }
            Field::EvtRawarg => match arg {
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
            | Field::EvtBuflenNetOut => self.buflen(field),
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
            Field::EvtAbspath => self.abspath(arg).map(Value::Bytes),
            Field::EvtCount => count(true),
            Field::EvtCountError => count(self.result()? < 0),
            Field::EvtCountErrorFile
            | Field::EvtCountErrorNet
            | Field::EvtCountErrorMemory
            | Field::EvtCountErrorOther => {
                let res = self.result()?;
                (self.error_class() == field).then(|| count(res < 0))?
            }
            Field::EvtCountExit => {
                (self.info()?.direction == Direction::Exit).then(|| count(true))?
            }
            Field::EvtCountProcinfo => {
                let header = self.event.header();
                count(ty == PROCINFO_E && header.tid == header.tgid)
            }
            Field::EvtCountThreadinfo => count(ty == PROCINFO_E),
        }
    }

    /// Group of the event: of what reads and writes, that of the descriptor.
    fn category(&self, category: u16) -> &'static str {
        if !(EC_IO_READ..=EC_IO_OTHER).contains(&(category & EC_CLASS)) {
            return category_name(category);
        }
        match self.fd(FdField::FdType) {
            Some(Value::Bytes(b"file" | b"directory")) => "file",
            Some(Value::Bytes(b"ipv4" | b"ipv6")) => "net",
            Some(Value::Bytes(
                b"pipe" | b"unix" | b"event" | b"signalfd" | b"inotify" | b"userfaultfd",
            )) => "ipc",
            _ => "unknown",
        }
    }

    /// Name of an event that was raised on its own.
    fn async_name(&self) -> Option<&[u8]> {
        let frame = &self.event.frame;
        (frame.event_type() == ASYNCEVENT_E).then(|| frame.param_str(1))?
    }

    /// Which of the four `evt.count.error` fields counts the call: by its descriptor or, without one, by the call.
    fn error_class(&self) -> Field {
        let class = self.info().map(|info| info.category & EC_CLASS);
        let ty = self.event.frame.event_type();
        match self.fd(FdField::FdType) {
            Some(Value::Bytes(b"file" | b"directory")) => Field::EvtCountErrorFile,
            Some(Value::Bytes(b"ipv4" | b"ipv6" | b"unix")) => Field::EvtCountErrorNet,
            None if matches!(self.event.body, Body::Open(_)) => Field::EvtCountErrorFile,
            None if makes_connection(ty) => Field::EvtCountErrorNet,
            None if class == Some(EC_MEMORY) => Field::EvtCountErrorMemory,
            _ => Field::EvtCountErrorOther,
        }
    }

    /// Name of the call: that of the event, but for calls without an event of their own.
    fn call_name(&self) -> &'static str {
        let frame = &self.event.frame;
        let ty = frame.event_type();
        if ty.0 > EventType::GENERIC_X.0 {
            return ty.name();
        }
        let number = |n| Some(u16::from_le_bytes(*frame.param(n)?.as_array()?));
        match number(0) {
            // Not known where it was recorded, but for its number there.
            Some(0) | None => {
                number(1).and_then(|n| event::kernel_syscall_name(n, frame.header().flags))
            }
            Some(id) => event::syscall_name(id),
        }
        .unwrap_or("unknown")
    }

    fn flagged(&self, flags: u16) -> Option<Value<'_>> {
        Some(Value::Bool(self.info()?.flags & flags != 0))
    }

    fn descriptor_is_syslog(&self) -> bool {
        let name = self.fd(FdField::FdName);
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
