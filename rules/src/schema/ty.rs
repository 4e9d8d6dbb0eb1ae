//! Types of fields: which operators they take, how literals are read, which two may be compared with each other.

use event::ParamType;

/// Type of a field's values, as finely as two fields that are compared with each other must agree.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[expect(missing_docs, reason = "the names are those of the schema")]
pub enum FieldType {
    I16,
    I32,
    I64,
    U8,
    U16,
    /// Literals wrap into unsigned types.
    U32,
    U64,
    /// The bits of a number that is not negative ([`f64::to_bits`], as `I64`): their order is that of the numbers.
    Double,
    Pid,
    /// Descriptor.
    Fd,
    /// Result of a call; negative is an error.
    Errno,
    Uid,
    Gid,
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
    /// Port number, or the name of a service.
    Port,
    /// Duration in nanoseconds, unsigned.
    RelTime,
    /// Point in time in nanoseconds since the epoch, unsigned.
    AbsTime,
    /// `true` or `false`.
    Bool,
    /// Bytes, as a rule UTF-8.
    Text,
    FsPath,
    FsRelPath,
    /// What a call read or wrote.
    Buffer,
    /// IPv4 or IPv6 address.
    Ip,
    /// Address compared with networks.
    Net,
    /// Something that can only be asked whether it is there.
    Opaque,
    /// What the argument says: `evt.rawarg`.
    Dyn,
}

impl FieldType {
    /// Whether the type is compared as a number.
    #[must_use]
    pub const fn is_numeric(self) -> bool {
        self.bits().is_some()
    }

    /// Whether the type is text: string operators and transformers of text take it.
    #[must_use]
    pub const fn is_text(self) -> bool {
        matches!(self, Self::Text | Self::FsPath | Self::FsRelPath)
    }

    /// Whether numbers of the type have a sign.
    #[must_use]
    pub const fn is_signed(self) -> bool {
        use FieldType as T;
        matches!(self, T::I16 | T::I32 | T::I64 | T::Double | T::Pid | T::Fd | T::Errno)
    }

    /// Width of a number of the type, into which literals wrap; `None` for what is no number.
    #[must_use]
    pub const fn bits(self) -> Option<u32> {
        use FieldType as T;
        Some(match self {
            T::U8 | T::Flags8 | T::EnumFlags8 | T::SigType => 8,
            T::I16 | T::U16 | T::Flags16 | T::EnumFlags16 | T::SyscallId | T::Port => 16,
            T::I32
            | T::U32
            | T::Uid
            | T::Gid
            | T::Flags32
            | T::EnumFlags32
            | T::Mode
            | T::SigSet => 32,
            T::I64 | T::U64 | T::Double | T::Pid | T::Fd | T::Errno | T::RelTime | T::AbsTime => 64,
            T::Bool
            | T::Text
            | T::FsPath
            | T::FsRelPath
            | T::Buffer
            | T::Ip
            | T::Net
            | T::Opaque
            | T::Dyn => return None,
        })
    }

    /// The word that error texts use for the class of the type.
    #[must_use]
    pub const fn class(self) -> &'static str {
        match self {
            Self::Bool => "boolean",
            Self::Text | Self::FsPath | Self::FsRelPath => "string",
            Self::Buffer => "byte buffer",
            Self::Opaque | Self::Dyn => "opaque",
            Self::Ip => "address",
            Self::Net => "network",
            _ => "numeric",
        }
    }

    /// Name of the type as Falco writes it.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::I16 => "INT16",
            Self::I32 => "INT32",
            Self::I64 => "INT64",
            Self::U8 => "UINT8",
            Self::U16 => "UINT16",
            Self::U32 => "UINT32",
            Self::U64 => "UINT64",
            Self::Double => "DOUBLE",
            Self::Pid => "PID",
            Self::Fd => "FD",
            Self::Errno => "ERRNO",
            Self::Uid => "UID",
            Self::Gid => "GID",
            Self::Flags8 => "FLAGS8",
            Self::Flags16 => "FLAGS16",
            Self::Flags32 => "FLAGS32",
            Self::EnumFlags8 => "ENUMFLAGS8",
            Self::EnumFlags16 => "ENUMFLAGS16",
            Self::EnumFlags32 => "ENUMFLAGS32",
            Self::Mode => "MODE",
            Self::SyscallId => "SYSCALLID",
            Self::SigType => "SIGTYPE",
            Self::SigSet => "SIGSET",
            Self::Port => "PORT",
            Self::RelTime => "RELTIME",
            Self::AbsTime => "ABSTIME",
            Self::Bool => "BOOL",
            Self::Text => "CHARBUF",
            Self::FsPath => "FSPATH",
            Self::FsRelPath => "FSRELPATH",
            Self::Buffer => "BYTEBUF",
            Self::Ip => "IPADDR",
            Self::Net => "IPNET",
            Self::Opaque => "OPAQUE",
            Self::Dyn => "DYN",
        }
    }
}

/// How rules see a parameter that is not made into text.
impl From<ParamType> for FieldType {
    fn from(ty: ParamType) -> Self {
        match ty {
            ParamType::I16 => Self::I16,
            ParamType::I32 => Self::I32,
            ParamType::I64 => Self::I64,
            ParamType::U8 => Self::U8,
            ParamType::U16 => Self::U16,
            ParamType::U32 => Self::U32,
            ParamType::U64 => Self::U64,
            ParamType::Fd | ParamType::Fd32 => Self::Fd,
            ParamType::Pid | ParamType::Pid32 => Self::Pid,
            ParamType::Errno => Self::Errno,
            ParamType::Uid => Self::Uid,
            ParamType::Gid => Self::Gid,
            ParamType::Flags8 => Self::Flags8,
            ParamType::Flags16 => Self::Flags16,
            ParamType::Flags32 => Self::Flags32,
            ParamType::EnumFlags8 => Self::EnumFlags8,
            ParamType::EnumFlags16 => Self::EnumFlags16,
            ParamType::EnumFlags32 => Self::EnumFlags32,
            ParamType::Mode => Self::Mode,
            ParamType::SyscallId => Self::SyscallId,
            ParamType::SigType => Self::SigType,
            ParamType::SigSet => Self::SigSet,
            ParamType::Port => Self::Port,
            ParamType::RelTime => Self::RelTime,
            ParamType::AbsTime => Self::AbsTime,
            ParamType::CharBuf => Self::Text,
            ParamType::FsPath => Self::FsPath,
            ParamType::FsRelPath => Self::FsRelPath,
            ParamType::ByteBuf => Self::Buffer,
            ParamType::CharBufArray
            | ParamType::CharBufPairArray
            | ParamType::Ipv4
            | ParamType::Ipv6
            | ParamType::SockAddr
            | ParamType::SockTuple
            | ParamType::FdList
            | ParamType::Dyn => Self::Opaque,
        }
    }
}
