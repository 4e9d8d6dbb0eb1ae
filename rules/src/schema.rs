//! The fields that conditions and outputs may name: type, argument and how many values they have.

use std::fmt;

use event::{EF_UNUSED, EventType, N_EVENT_TYPES, Param, ParamFormat, ParamType};

use crate::error::closest;

/// Type of a field, which decides the operators it takes and how literals are read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum FieldType {
    /// Signed number.
    I16,
    /// Signed number.
    I32,
    /// Signed number, process ids and descriptors included.
    I64,
    /// Unsigned number; literals wrap into it.
    U32,
    /// Unsigned number; literals wrap into it.
    U64,
    /// Port number.
    Port,
    /// Duration in nanoseconds, unsigned.
    RelTime,
    /// Point in time in nanoseconds since the epoch, unsigned.
    AbsTime,
    /// `true` or `false`.
    Bool,
    /// Bytes, as a rule UTF-8.
    Text,
    /// What a call read or wrote.
    Buffer,
    /// Something that can only be asked whether it is there.
    Opaque,
    /// IPv4 or IPv6 address.
    Ip,
    /// Address compared with networks.
    Net,
}

impl FieldType {
    /// Whether the type is compared as a number.
    #[must_use]
    pub const fn is_numeric(self) -> bool {
        !matches!(
            self,
            Self::Bool | Self::Text | Self::Buffer | Self::Opaque | Self::Ip | Self::Net
        )
    }

    /// Whether numbers of the type have a sign.
    #[must_use]
    pub const fn is_signed(self) -> bool {
        matches!(self, Self::I16 | Self::I32 | Self::I64)
    }

    /// The word that error texts use for the class of the type.
    #[must_use]
    pub const fn class(self) -> &'static str {
        match self {
            Self::I16
            | Self::I32
            | Self::I64
            | Self::U32
            | Self::U64
            | Self::Port
            | Self::RelTime
            | Self::AbsTime => "numeric",
            Self::Bool => "boolean",
            Self::Text => "string",
            Self::Buffer => "byte buffer",
            Self::Opaque => "opaque",
            Self::Ip => "address",
            Self::Net => "network",
        }
    }
}

/// What may stand in brackets behind a field's name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ArgKind {
    /// Nothing.
    None,
    /// A non-negative number, or nothing.
    OptionalIndex,
    /// A key such as the name of an environment variable, or nothing.
    OptionalKey,
    /// A parameter of the event: `evt.arg.NAME` or `evt.arg[N]`.
    EventParam,
    /// A parameter of the event by its name: `evt.rawarg.NAME`. The type of the values is that of the parameter.
    RawParam,
    /// `.src`, `.dst` or nothing.
    OptionalSide,
}

/// How many values a field without an argument has in a comparison.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Arity {
    /// One.
    One,
    /// One per ancestor: a comparison holds if any of them satisfies it, `!=` included.
    Ancestors,
    /// One per end of a connection: `=` holds if either is equal, `!=` only if neither is.
    Ends,
}

/// How a value is printed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Format {
    /// Text as it is, numbers in decimal.
    Plain,
    /// Upper-case hexadecimal without prefix; text in JSON.
    Hex,
    /// Octal without prefix; text in JSON.
    Oct,
    /// Local time of day with nanoseconds.
    TimeOfDay,
    /// Local time of day.
    TimeOfDaySeconds,
    /// UTC date and time, `2026-01-31T23:59:59.000000000+0000`.
    Iso8601,
    /// Local date and time with nanoseconds.
    DateTime,
    /// Never printed: `<NA>`.
    FilterOnly,
}

/// One row of the schema.
#[derive(Clone, Copy, Debug)]
pub struct FieldInfo {
    /// Dotted name.
    pub name: &'static str,
    /// Type of its values.
    pub ty: FieldType,
    /// Argument it takes.
    pub arg: ArgKind,
    /// Values it has in a comparison when written without an argument.
    pub arity: Arity,
    /// How a value is printed.
    pub format: Format,
}

macro_rules! fields {
    ($($variant:ident $name:literal $ty:ident $arg:ident $arity:ident $format:ident;)*) => {
        /// A field of the schema; the variant is the dotted name in camel case.
        #[expect(missing_docs, reason = "the dotted names document them")]
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum Field { $($variant,)* }

        const FIELDS: &[(Field, FieldInfo)] = &[$((Field::$variant, FieldInfo {
            name: $name,
            ty: FieldType::$ty,
            arg: ArgKind::$arg,
            arity: Arity::$arity,
            format: Format::$format,
        }),)*];
    };
}

fields! {
    EvtNum "evt.num" U64 None One Plain;
    EvtTime "evt.time" Text None One TimeOfDay;
    EvtTimeS "evt.time.s" Text None One TimeOfDaySeconds;
    EvtTimeIso8601 "evt.time.iso8601" Text None One Iso8601;
    EvtDatetime "evt.datetime" Text None One DateTime;
    EvtRawtime "evt.rawtime" AbsTime None One Plain;
    EvtType "evt.type" Text None One Plain;
    EvtDir "evt.dir" Text None One Plain;
    EvtCategory "evt.category" Text None One Plain;
    EvtCpu "evt.cpu" I16 None One Plain;
    EvtArg "evt.arg" Text EventParam One Plain;
    EvtRawarg "evt.rawarg" Text RawParam One Plain;
    EvtArgs "evt.args" Text None One Plain;
    EvtInfo "evt.info" Text None One Plain;
    EvtRes "evt.res" Text None One Plain;
    EvtRawres "evt.rawres" I64 None One Plain;
    EvtFailed "evt.failed" Bool None One Plain;
    EvtIsOpenRead "evt.is_open_read" Bool None One Plain;
    EvtIsOpenWrite "evt.is_open_write" Bool None One Plain;
    EvtIsOpenExec "evt.is_open_exec" Bool None One Plain;
    EvtIsOpenCreate "evt.is_open_create" Bool None One Plain;
    EvtBuffer "evt.buffer" Buffer None One Plain;
    EvtBuflen "evt.buflen" U64 None One Plain;
    EvtBuflenIn "evt.buflen.in" U64 None One Plain;
    EvtBuflenOut "evt.buflen.out" U64 None One Plain;
    EvtBuflenFile "evt.buflen.file" U64 None One Plain;
    EvtBuflenFileIn "evt.buflen.file.in" U64 None One Plain;
    EvtBuflenFileOut "evt.buflen.file.out" U64 None One Plain;
    EvtBuflenNet "evt.buflen.net" U64 None One Plain;
    EvtBuflenNetIn "evt.buflen.net.in" U64 None One Plain;
    EvtBuflenNetOut "evt.buflen.net.out" U64 None One Plain;
    EvtIsIo "evt.is_io" Bool None One Plain;
    EvtIsIoRead "evt.is_io_read" Bool None One Plain;
    EvtIsIoWrite "evt.is_io_write" Bool None One Plain;
    EvtIoDir "evt.io_dir" Text None One Plain;
    EvtIsWait "evt.is_wait" Bool None One Plain;
    EvtIsSyslog "evt.is_syslog" Bool None One Plain;
    EvtAbspath "evt.abspath" Text OptionalSide One Plain;
    EvtHostname "evt.hostname" Text None One Plain;
    EvtSource "evt.source" Text None One Plain;
    SyscallType "syscall.type" Text None One Plain;
    ProcExe "proc.exe" Text None One Plain;
    ProcPexe "proc.pexe" Text None One Plain;
    ProcAexe "proc.aexe" Text OptionalIndex Ancestors Plain;
    ProcExepath "proc.exepath" Text None One Plain;
    ProcPexepath "proc.pexepath" Text None One Plain;
    ProcAexepath "proc.aexepath" Text OptionalIndex Ancestors Plain;
    ProcName "proc.name" Text None One Plain;
    ProcPname "proc.pname" Text None One Plain;
    ProcAname "proc.aname" Text OptionalIndex Ancestors Plain;
    ProcArgs "proc.args" Text OptionalIndex One Plain;
    ProcCmdline "proc.cmdline" Text None One Plain;
    ProcPcmdline "proc.pcmdline" Text None One Plain;
    ProcAcmdline "proc.acmdline" Text OptionalIndex Ancestors Plain;
    ProcCmdnargs "proc.cmdnargs" U64 None One Plain;
    ProcCmdlenargs "proc.cmdlenargs" U64 None One Plain;
    ProcExeline "proc.exeline" Text None One Plain;
    ProcEnv "proc.env" Text OptionalKey One Plain;
    ProcCwd "proc.cwd" Text None One Plain;
    ProcLoginshellid "proc.loginshellid" I64 None One Plain;
    ProcTty "proc.tty" U32 None One Plain;
    ProcPid "proc.pid" I64 None One Plain;
    ProcPpid "proc.ppid" I64 None One Plain;
    ProcApid "proc.apid" I64 OptionalIndex Ancestors Plain;
    ProcVpid "proc.vpid" I64 None One Plain;
    ProcSid "proc.sid" I64 None One Plain;
    ProcSname "proc.sname" Text None One Plain;
    ProcSidExe "proc.sid.exe" Text None One Plain;
    ProcSidExepath "proc.sid.exepath" Text None One Plain;
    ProcVpgid "proc.vpgid" I64 None One Plain;
    ProcVpgidName "proc.vpgid.name" Text None One Plain;
    ProcPgid "proc.pgid" I64 None One Plain;
    ProcPgidName "proc.pgid.name" Text None One Plain;
    ProcIsExeWritable "proc.is_exe_writable" Bool None One Plain;
    ProcIsExeUpperLayer "proc.is_exe_upper_layer" Bool None One Plain;
    ProcIsExeLowerLayer "proc.is_exe_lower_layer" Bool None One Plain;
    ProcIsExeFromMemfd "proc.is_exe_from_memfd" Bool None One Plain;
    ProcIsSidLeader "proc.is_sid_leader" Bool None One Plain;
    ProcIsVpgidLeader "proc.is_vpgid_leader" Bool None One Plain;
    ProcExeIno "proc.exe_ino" I64 None One Plain;
    ProcExeInoCtime "proc.exe_ino.ctime" AbsTime None One Plain;
    ProcExeInoMtime "proc.exe_ino.mtime" AbsTime None One Plain;
    ProcDuration "proc.duration" RelTime None One Plain;
    ThreadTid "thread.tid" I64 None One Plain;
    ThreadVtid "thread.vtid" I64 None One Plain;
    ThreadIsmain "thread.ismain" Bool None One Plain;
    ThreadCapPermitted "thread.cap_permitted" Text None One Plain;
    ThreadCapInheritable "thread.cap_inheritable" Text None One Plain;
    ThreadCapEffective "thread.cap_effective" Text None One Plain;
    UserUid "user.uid" U32 None One Plain;
    UserName "user.name" Text None One Plain;
    UserHomedir "user.homedir" Text None One Plain;
    UserShell "user.shell" Text None One Plain;
    UserLoginuid "user.loginuid" I64 None One Plain;
    UserLoginname "user.loginname" Text None One Plain;
    GroupGid "group.gid" U32 None One Plain;
    GroupName "group.name" Text None One Plain;
    FdNum "fd.num" I64 None One Plain;
    FdType "fd.type" Text None One Plain;
    FdTypechar "fd.typechar" Text None One Plain;
    FdName "fd.name" Text None One Plain;
    FdNameraw "fd.nameraw" Text None One Plain;
    FdNameView "fd.name_view" Text None One Plain;
    FdDirectory "fd.directory" Text None One Plain;
    FdFilename "fd.filename" Text None One Plain;
    FdIp "fd.ip" Ip None Ends FilterOnly;
    FdCip "fd.cip" Ip None One Plain;
    FdSip "fd.sip" Ip None One Plain;
    FdLip "fd.lip" Ip None One Plain;
    FdRip "fd.rip" Ip None One Plain;
    FdPort "fd.port" Port None Ends FilterOnly;
    FdCport "fd.cport" Port None One Plain;
    FdSport "fd.sport" Port None One Plain;
    FdLport "fd.lport" Port None One Plain;
    FdRport "fd.rport" Port None One Plain;
    FdL4proto "fd.l4proto" Text None One Plain;
    FdSockfamily "fd.sockfamily" Text None One Plain;
    FdIsServer "fd.is_server" Bool None One Plain;
    FdUid "fd.uid" Text None One Plain;
    FdContainername "fd.containername" Text None One Plain;
    FdContainerdirectory "fd.containerdirectory" Text None One Plain;
    FdProto "fd.proto" Port None Ends FilterOnly;
    FdCproto "fd.cproto" Text None One Plain;
    FdSproto "fd.sproto" Text None One Plain;
    FdLproto "fd.lproto" Text None One Plain;
    FdRproto "fd.rproto" Text None One Plain;
    FdNet "fd.net" Net None Ends FilterOnly;
    FdCnet "fd.cnet" Net None One FilterOnly;
    FdSnet "fd.snet" Net None One FilterOnly;
    FdLnet "fd.lnet" Net None One FilterOnly;
    FdRnet "fd.rnet" Net None One FilterOnly;
    FdConnected "fd.connected" Bool None One Plain;
    FdNameChanged "fd.name_changed" Bool None One Plain;
    FdDev "fd.dev" I32 None One Hex;
    FdDevMajor "fd.dev.major" I32 None One Plain;
    FdDevMinor "fd.dev.minor" I32 None One Plain;
    FdIno "fd.ino" I64 None One Plain;
    FdIsUpperLayer "fd.is_upper_layer" Bool None One Plain;
    FdIsLowerLayer "fd.is_lower_layer" Bool None One Plain;
    FsPathName "fs.path.name" Text None One Plain;
    FsPathNameraw "fs.path.nameraw" Text None One Plain;
    FsPathSource "fs.path.source" Text None One Plain;
    FsPathSourceraw "fs.path.sourceraw" Text None One Plain;
    FsPathTarget "fs.path.target" Text None One Plain;
    FsPathTargetraw "fs.path.targetraw" Text None One Plain;
    ContainerId "container.id" Text None One Plain;
    ContainerFullId "container.full_id" Text None One Plain;
    ContainerType "container.type" Text None One Plain;
    ContainerName "container.name" Text None One Plain;
    ContainerImageRepository "container.image.repository" Text None One Plain;
    ContainerImageTag "container.image.tag" Text None One Plain;
}

// `info` indexes the table by discriminant.
const _: () = {
    let mut i = 0;
    while i < FIELDS.len() {
        assert!(FIELDS[i].0 as usize == i);
        i += 1;
    }
};

impl Field {
    /// Every field in schema order.
    pub fn all() -> impl Iterator<Item = Field> {
        FIELDS.iter().map(|&(f, _)| f)
    }

    /// The row of this field. O(1).
    #[must_use]
    pub fn info(self) -> &'static FieldInfo {
        &FIELDS[self as usize].1
    }

    /// Dotted name.
    #[must_use]
    pub fn name(self) -> &'static str {
        self.info().name
    }

    /// The field with this dotted name.
    #[must_use]
    pub fn by_name(name: &str) -> Option<Field> {
        FIELDS.iter().find(|(_, i)| i.name == name).map(|&(f, _)| f)
    }

    /// The known name that is nearest to a misspelt one, where one is near.
    #[must_use]
    pub fn closest_name(name: &str) -> Option<&'static str> {
        closest(name, FIELDS.iter().map(|(_, i)| i.name))
    }
}

/// Argument of a field as written in a rule.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Arg {
    /// No argument.
    #[default]
    None,
    /// `proc.aname[3]`, `evt.arg[0]`.
    Index(u32),
    /// `proc.env[PATH]`, `evt.arg.flags`.
    Key(Box<str>),
}

/// A field with its argument: what a rule reads from an event.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct FieldRef {
    /// The field.
    pub field: Field,
    /// Its argument.
    pub arg: Arg,
}

impl FieldRef {
    /// The field without an argument.
    #[must_use]
    pub const fn plain(field: Field) -> Self {
        Self { field, arg: Arg::None }
    }

    /// Type of the values: the schema's, or for `evt.rawarg` that of the first parameter with the name.
    #[must_use]
    pub fn ty(&self) -> FieldType {
        self.param().map_or(self.field.info().ty, |p| raw_type(p.ty))
    }

    /// How a value is printed.
    #[must_use]
    pub fn format(&self) -> Format {
        match self.param().map(|p| p.format) {
            None => self.field.info().format,
            Some(ParamFormat::Hex) => Format::Hex,
            Some(ParamFormat::Oct) => Format::Oct,
            Some(ParamFormat::Na | ParamFormat::Dec) => Format::Plain,
        }
    }

    /// The parameter that `evt.rawarg` names. O(event table).
    fn param(&self) -> Option<&'static Param> {
        match &self.arg {
            Arg::Key(name) if self.field == Field::EvtRawarg => {
                event_params().find(|p| p.name == &**name)
            }
            _ => None,
        }
    }

    /// Number of values that a comparison looks at: an argument picks one.
    #[must_use]
    pub fn arity(&self) -> Arity {
        if self.arg == Arg::None { self.field.info().arity } else { Arity::One }
    }
}

/// Every parameter of every event in use, in the order of the event table.
pub(crate) fn event_params() -> impl Iterator<Item = &'static Param> {
    (0..N_EVENT_TYPES as u16)
        .filter_map(|n| EventType(n).info())
        .filter(|i| i.flags & EF_UNUSED == 0)
        .flat_map(|i| i.params)
}

/// How rules see a parameter that is not made into text.
fn raw_type(ty: ParamType) -> FieldType {
    match ty {
        ParamType::I16 => FieldType::I16,
        ParamType::I32 | ParamType::Fd32 | ParamType::Pid32 => FieldType::I32,
        ParamType::I64 | ParamType::Fd | ParamType::Pid | ParamType::Errno => FieldType::I64,
        ParamType::U8
        | ParamType::U16
        | ParamType::U32
        | ParamType::Flags8
        | ParamType::Flags16
        | ParamType::Flags32
        | ParamType::EnumFlags8
        | ParamType::EnumFlags16
        | ParamType::EnumFlags32
        | ParamType::Mode
        | ParamType::SyscallId
        | ParamType::SigType
        | ParamType::SigSet
        | ParamType::Uid
        | ParamType::Gid => FieldType::U32,
        ParamType::U64 => FieldType::U64,
        ParamType::Port => FieldType::Port,
        ParamType::RelTime => FieldType::RelTime,
        ParamType::AbsTime => FieldType::AbsTime,
        ParamType::CharBuf | ParamType::FsPath | ParamType::FsRelPath => FieldType::Text,
        ParamType::ByteBuf => FieldType::Buffer,
        ParamType::CharBufArray
        | ParamType::CharBufPairArray
        | ParamType::Ipv4
        | ParamType::Ipv6
        | ParamType::SockAddr
        | ParamType::SockTuple
        | ParamType::FdList
        | ParamType::Dyn => FieldType::Opaque,
    }
}

impl From<Field> for FieldRef {
    fn from(field: Field) -> Self {
        Self::plain(field)
    }
}

/// As in a rule: `proc.aname[3]`, `evt.arg.flags`.
impl fmt::Display for FieldRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = self.field.name();
        match &self.arg {
            Arg::None => f.write_str(name),
            Arg::Index(i) => write!(f, "{name}[{i}]"),
            Arg::Key(k)
                if matches!(
                    self.field.info().arg,
                    ArgKind::EventParam | ArgKind::RawParam | ArgKind::OptionalSide
                ) =>
            {
                write!(f, "{name}.{k}")
            }
            Arg::Key(k) if k.bytes().any(|b| b" \t\"'[]".contains(&b)) => {
                write!(f, "{name}[\"{k}\"]")
            }
            Arg::Key(k) => write!(f, "{name}[{k}]"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_unique_and_found() {
        for f in Field::all() {
            assert_eq!(Field::by_name(f.name()), Some(f));
        }
    }

    #[test]
    fn a_misspelt_name_finds_its_neighbour() {
        assert_eq!(Field::closest_name("proc.nam"), Some("proc.name"));
        assert_eq!(Field::closest_name("completely.different.thing"), None);
    }

    #[test]
    fn a_raw_parameter_has_the_type_of_the_table() {
        for (name, ty, format) in [
            ("res", FieldType::I64, Format::Plain),
            ("flags", FieldType::U32, Format::Hex),
            ("mode", FieldType::U32, Format::Oct),
            ("name", FieldType::Text, Format::Plain),
            ("data", FieldType::Buffer, Format::Plain),
            ("tuple", FieldType::Opaque, Format::Plain),
        ] {
            let field = FieldRef { field: Field::EvtRawarg, arg: Arg::Key(name.into()) };
            assert_eq!((field.ty(), field.format()), (ty, format), "{name}");
        }
    }

    #[test]
    fn field_text_is_as_written() {
        let r = |field, arg| FieldRef { field, arg }.to_string();
        assert_eq!(r(Field::ProcAname, Arg::Index(3)), "proc.aname[3]");
        assert_eq!(r(Field::EvtArg, Arg::Key("flags".into())), "evt.arg.flags");
        assert_eq!(r(Field::EvtAbspath, Arg::Key("src".into())), "evt.abspath.src");
        assert_eq!(r(Field::ProcEnv, Arg::Key("A B".into())), "proc.env[\"A B\"]");
    }
}
