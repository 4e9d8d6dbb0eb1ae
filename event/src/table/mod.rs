//! What an event type is called and which parameters it carries.

mod flag_sets;
mod kernel_calls;
mod rows;
mod syscall_names;

use crate::{EventType, flags};

pub use kernel_calls::CallTable;

/// Number of event types of the schema; a type at or above it is unknown to this build.
pub const N_EVENT_TYPES: usize = rows::EVENTS.len();

/// Whether the event is recorded when a call starts or when it returns.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Direction {
    /// Start of a call, or an event that is not a call.
    Enter,
    /// Return of a call.
    Exit,
}

/// How the bytes of a parameter are encoded (little-endian, as in a `.scap` event block).
#[expect(missing_docs, reason = "the names are those of the schema; sizes are given by `size`")]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ParamType {
    I16,
    I32,
    I64,
    U8,
    U16,
    U32,
    U64,
    /// Descriptor, 8 bytes signed.
    Fd,
    Fd32,
    /// Result of a call, 8 bytes signed; negative is an errno.
    Errno,
    /// Process or thread id, 8 bytes signed.
    Pid,
    Pid32,
    Uid,
    Gid,
    /// Text with its final NUL.
    CharBuf,
    CharBufArray,
    CharBufPairArray,
    /// Raw bytes; `args`, `env` and `cgroups` hold NUL-terminated strings.
    ByteBuf,
    /// Path with its final NUL.
    FsPath,
    /// Path relative to a directory descriptor, with its final NUL.
    FsRelPath,
    Flags8,
    Flags16,
    Flags32,
    EnumFlags8,
    EnumFlags16,
    EnumFlags32,
    Mode,
    SyscallId,
    SigType,
    SigSet,
    Port,
    Ipv4,
    Ipv6,
    /// See [`crate::SockAddr`].
    SockAddr,
    /// See [`crate::SockTuple`].
    SockTuple,
    FdList,
    RelTime,
    AbsTime,
    Dyn,
}

impl ParamType {
    /// Size in bytes of a present value, `None` where it varies.
    #[must_use]
    pub const fn size(self) -> Option<usize> {
        Some(match self {
            Self::U8 | Self::Flags8 | Self::EnumFlags8 | Self::SigType => 1,
            Self::I16
            | Self::U16
            | Self::Flags16
            | Self::EnumFlags16
            | Self::SyscallId
            | Self::Port => 2,
            Self::I32
            | Self::U32
            | Self::Fd32
            | Self::Pid32
            | Self::Uid
            | Self::Gid
            | Self::Flags32
            | Self::EnumFlags32
            | Self::Mode
            | Self::SigSet
            | Self::Ipv4 => 4,
            Self::I64
            | Self::U64
            | Self::Fd
            | Self::Errno
            | Self::Pid
            | Self::RelTime
            | Self::AbsTime => 8,
            Self::Ipv6 => 16,
            Self::CharBuf
            | Self::CharBufArray
            | Self::CharBufPairArray
            | Self::ByteBuf
            | Self::FsPath
            | Self::FsRelPath
            | Self::SockAddr
            | Self::SockTuple
            | Self::FdList
            | Self::Dyn => return None,
        })
    }
}

/// How a number is printed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ParamFormat {
    /// Not a number.
    Na,
    /// Decimal.
    Dec,
    /// Upper-case hexadecimal without prefix.
    Hex,
    /// Octal.
    Oct,
}

/// Names of the bits (or values) of a parameter, in the order in which they are printed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FlagSet(&'static [(&'static str, u32)]);

impl FlagSet {
    /// Every name with its value.
    #[must_use]
    pub const fn names(self) -> &'static [(&'static str, u32)] {
        self.0
    }

    /// The names that make up `value`, walked in table order: an entry that equals the whole value ends the walk,
    /// an entry all of whose bits are left is taken and cleared, an entry of 0 stands for the value 0 only.
    pub fn walk(self, value: u32) -> impl Iterator<Item = &'static str> {
        let mut left = value;
        let mut done = false;
        self.0.iter().filter_map(move |&(name, bits)| {
            if done {
                None
            } else if bits == value {
                done = true;
                Some(name)
            } else if bits != 0 && left & bits == bits {
                left &= !bits;
                Some(name)
            } else {
                None
            }
        })
    }
}

/// One parameter of an event type.
#[derive(Clone, Copy, Debug)]
pub struct Param {
    /// Name as rules use it in `evt.arg.NAME`.
    pub name: &'static str,
    /// Encoding.
    pub ty: ParamType,
    /// Rendering of numbers.
    pub format: ParamFormat,
    /// Names of its bits or values, where it has any.
    pub flags: Option<FlagSet>,
}

/// One row of the event table.
#[derive(Clone, Copy, Debug)]
pub struct EventInfo {
    /// Name as rules use it in `evt.type`; several types (versions, directions) share one.
    pub name: &'static str,
    /// Start or return of the call.
    pub direction: Direction,
    /// Category word: low bits class, 0x100 internal, 0x200 syscall, 0x400 tracepoint, 0x1000 meta.
    pub category: u16,
    /// Flag word, see the `EF_` constants.
    pub flags: u16,
    /// Parameters in order.
    pub params: &'static [Param],
}

/// The event creates a descriptor.
pub const EF_CREATES_FD: u16 = 1;
/// The event destroys a descriptor.
pub const EF_DESTROYS_FD: u16 = 2;
/// The event uses a descriptor.
pub const EF_USES_FD: u16 = 4;
/// The event changes state that later events are read against.
pub const EF_MODIFIES_STATE: u16 = 0x20;
/// The type number is not in use.
pub const EF_UNUSED: u16 = 0x40;
/// Bit: the event is not about the thread that is named in its header.
pub const EF_SKIPS_THREAD: u16 = 0x100;
/// The type is an old version of another.
pub const EF_OLD_VERSION: u16 = 0x200;
/// Parameter lengths are 32 bits wide.
pub const EF_LARGE_PAYLOAD: u16 = 0x800;

/// Numbers of system calls in the schema (`ppm_sc`), counted from 0; not every one is used.
pub(crate) const N_SYSCALL_IDS: usize = syscall_names::NAMES.len();

/// Name of a system call by its number in the schema (`ppm_sc`), as generic events carry it; `None` where the number is not used.
#[must_use]
pub fn syscall_name(id: u16) -> Option<&'static str> {
    syscall_names::NAMES.get(usize::from(id)).copied().filter(|name| !name.is_empty())
}

/// Name of a system call by the kernel's number, which generic events carry besides the schema's, in the table that the flags of the event's
/// frame tell. O(1).
#[must_use]
pub fn kernel_syscall_name(number: u16, frame_flags: u32) -> Option<&'static str> {
    if frame_flags & flags::IA32 != 0 {
        return CallTable::Ia32.name(number);
    }
    let x32 = || CallTable::X32.name(number).filter(|_| frame_flags & flags::X32 != 0);
    CallTable::Native.name(number).or_else(x32)
}

/// Number in the schema (`ppm_sc`) of a system call. O(number of calls).
#[must_use]
pub fn syscall_id(name: &str) -> Option<u16> {
    let found = syscall_names::NAMES.iter().position(|&n| !n.is_empty() && n == name)?;
    u16::try_from(found).ok()
}

/// Every name that [`syscall_id`] knows.
pub fn syscall_names() -> impl Iterator<Item = &'static str> {
    syscall_names::NAMES.iter().copied().filter(|name| !name.is_empty())
}

impl EventType {
    /// The row of this type, `None` above the table. O(1).
    #[must_use]
    pub fn info(self) -> Option<&'static EventInfo> {
        rows::EVENTS.get(usize::from(self.0))
    }

    /// Name as in `evt.type`; `NA` above the table.
    #[must_use]
    pub fn name(self) -> &'static str {
        self.info().map_or("NA", |i| i.name)
    }

    /// Every type with this name, old versions and both directions included.
    pub fn all_named(name: &str) -> impl Iterator<Item = EventType> {
        (0u16..)
            .zip(rows::EVENTS.iter())
            .filter(move |(_, e)| e.name == name && e.flags & EF_UNUSED == 0)
            .map(|(n, _)| EventType(n))
    }

    /// Position of the parameter with this name.
    #[must_use]
    pub fn param_index(self, name: &str) -> Option<usize> {
        self.info()?.params.iter().position(|p| p.name == name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn table_rows_stand_where_the_schema_has_them() {
        for (ty, name, n) in [
            (EventType::OPENAT_2_X, "openat", 7),
            (EventType::EXECVE_19_X, "execve", 31),
            (EventType::CLONE_20_X, "clone", 21),
            (EventType::PROCEXIT_1_E, "procexit", 5),
            (EventType::ACCEPT4_6_X, "accept4", 6),
        ] {
            let info = ty.info().unwrap();
            assert_eq!((info.name, info.params.len()), (name, n));
        }
        assert_eq!(N_EVENT_TYPES, 454);
    }

    #[test]
    fn calls_have_the_kernels_numbers() {
        let native = [
            (0, "read"),
            (221, "fadvise64"),
            (334, "rseq"),
            (336, "uprobe"),
            (424, "pidfd_send_signal"),
            (437, "openat2"),
            (462, "mseal"),
            (469, "file_setattr"),
        ];
        for (number, name) in native {
            assert_eq!(kernel_syscall_name(number, 0), Some(name));
        }
        let ia32 = [(0, "restart_syscall"), (224, "gettid"), (422, "futex_time64"), (462, "mseal")];
        for (number, name) in ia32 {
            assert_eq!(kernel_syscall_name(number, flags::IA32), Some(name));
        }
        assert_eq!(kernel_syscall_name(512, flags::X32), Some("rt_sigaction"));
        assert_eq!(kernel_syscall_name(547, flags::X32), Some("pwritev2"));
        assert_eq!(kernel_syscall_name(39, flags::X32), Some("getpid"));
        for number in [337, 423, 472, 512, 548, 1000] {
            assert_eq!(kernel_syscall_name(number, 0), None, "{number}");
        }
        for number in [222, 415, 472] {
            assert_eq!(kernel_syscall_name(number, flags::IA32), None, "ia32 {number}");
        }
    }

    #[test]
    fn flag_walk_follows_table_order() {
        let flags = EventType::OPENAT_2_X.info().unwrap().params[3].flags.unwrap();
        let names = |v| flags.walk(v).collect::<std::vec::Vec<_>>();
        assert_eq!(names(0x1001), ["O_RDONLY", "O_CLOEXEC"]);
        assert_eq!(names(0x3), ["O_RDWR"]);
        assert_eq!(names(0x106), ["O_TRUNC", "O_CREAT", "O_WRONLY"]);
        assert_eq!(names(0), ["O_NONE"]);
    }

    #[test]
    fn calls_have_numbers_and_names() {
        assert_eq!(syscall_name(57), Some("truncate"));
        assert_eq!(syscall_id("truncate"), Some(57));
        assert_eq!(
            (syscall_name(u16::MAX), syscall_id("no such call"), syscall_id("")),
            (None, None, None)
        );
    }

    #[test]
    fn a_name_finds_every_version() {
        let all: std::vec::Vec<_> = EventType::all_named("openat").collect();
        assert!(all.contains(&EventType::OPENAT_2_X) && all.contains(&EventType(102)));
    }
}
