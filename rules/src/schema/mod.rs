//! The fields that conditions and outputs may name: type, argument, how many values they have, and whether this build extracts them.

mod arg;
mod cost;
mod field_ref;
mod host_names;
mod of_process;
mod of_recordings;
#[macro_use]
mod rows;
mod scope;
mod table;
mod ty;

pub use arg::{Arg, ArgKind};
pub use field_ref::FieldRef;
pub(crate) use scope::Scope;
pub use table::{
    ContainerField, EvtField, Extracted, FdField, FdListField, Field, FsPathField, ProcField,
    UserField,
};
pub use ty::FieldType;

/// The source of rules that name none.
pub(crate) const SYSCALL: &str = "syscall";

/// How many values a field without an argument has in a comparison.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Arity {
    /// One.
    One,
    /// One per ancestor: a comparison holds if any of them satisfies it, `!=` included.
    Ancestors,
    /// One per end of a connection, or per name of an address: `=` holds if any is equal, `!=` only if none is.
    Ends,
}

/// How a value is printed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Format {
    /// Text as it is, numbers in decimal.
    Plain,
    /// Decimal in at least nine digits; text in JSON.
    Padded,
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
    /// Local date and time.
    DateTimeSeconds,
}

/// Bits of [`FieldInfo`].
mod flag {
    pub(super) const LIST: u16 = 1;
    pub(super) const DEPRECATED: u16 = 1 << 1;
    pub(super) const HIDDEN: u16 = 1 << 2;
    pub(super) const PRINT_ONLY: u16 = 1 << 3;
    pub(super) const FILTER_ONLY: u16 = 1 << 4;
    pub(super) const NO_RHS: u16 = 1 << 5;
    pub(super) const NO_TRANSFORMER: u16 = 1 << 6;
    pub(super) const SUGGESTED: u16 = 1 << 7;
    pub(super) const NEVER: u16 = 1 << 8;
    pub(super) const OURS: u16 = 1 << 9;
}

/// Group of fields, as listings show them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Class {
    /// `evt`: fields of events of every source.
    AnyEvent,
    /// `evt` and `syscall`.
    Syscall,
    /// `proc` and `thread`.
    Process,
    /// `user`.
    User,
    /// `group`.
    Group,
    /// `fd`.
    Fd,
    /// `fs.path`.
    FsPath,
    /// `util`.
    Util,
    /// `fdlist`.
    FdList,
    /// `static`: constants of the configuration.
    Static,
    /// `container` and `k8s`.
    Container,
    /// `k8smeta`.
    K8sMeta,
    /// `ka`.
    K8sAudit,
    /// `json` and `jevt`.
    Json,
}

impl Class {
    /// Every class, in the order of listings.
    pub const ALL: [Self; 14] = [
        Self::AnyEvent,
        Self::Syscall,
        Self::Process,
        Self::User,
        Self::Group,
        Self::Fd,
        Self::FsPath,
        Self::Util,
        Self::FdList,
        Self::Static,
        Self::Container,
        Self::K8sMeta,
        Self::K8sAudit,
        Self::Json,
    ];

    /// Name in listings, which is Falco's.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::AnyEvent => "evt (All event types)",
            Self::Syscall => "evt (Syscall events only)",
            Self::Process => "process",
            Self::User => "user",
            Self::Group => "group",
            Self::Fd => "fd",
            Self::FsPath => "fs.path",
            Self::Util => "util",
            Self::FdList => "fdlist",
            Self::Static => "static",
            Self::Container => "container",
            Self::K8sMeta => "k8smeta",
            Self::K8sAudit => "k8s_audit",
            Self::Json => "json",
        }
    }

    /// What the fields of the class are about.
    #[must_use]
    pub const fn about(self) -> &'static str {
        match self {
            Self::AnyEvent => "What every event has, whatever its source.",
            Self::Syscall => "The system call: its type, parameters and result.",
            Self::Process => "The process and thread that made the call, and their ancestors.",
            Self::User => "The user that the process runs as, and the one that logged in.",
            Self::Group => "The group that the process runs as.",
            Self::Fd => {
                "The descriptor that the call made, used or closed: a file, a socket or something else."
            }
            Self::FsPath => {
                "The paths that calls on the file system name, whether or not they use a descriptor."
            }
            Self::Util => "Small help for outputs.",
            Self::FdList => "The descriptors that poll was asked about.",
            Self::Static => "Constants that the configuration defines.",
            Self::Container => {
                "The container of the process, and its pod (Falco's `container` plugin)."
            }
            Self::K8sMeta => {
                "What the Kubernetes API server knows of the pod (Falco's `k8smeta` plugin)."
            }
            Self::K8sAudit => "Events of the Kubernetes audit log (Falco's `k8saudit` plugin).",
            Self::Json => "Events that are JSON (Falco's `json` plugin).",
        }
    }

    /// Whether rules of this source may name the class's fields.
    #[must_use]
    pub fn is_of(self, source: &str) -> bool {
        match self {
            Self::AnyEvent | Self::Static => true,
            Self::Syscall
            | Self::Process
            | Self::User
            | Self::Group
            | Self::Fd
            | Self::FsPath
            | Self::Util
            | Self::FdList
            | Self::Container
            | Self::K8sMeta => source == SYSCALL,
            Self::K8sAudit => source == "k8s_audit",
            Self::Json => source != SYSCALL,
        }
    }

    /// The sources whose rules may name the class's fields, for people.
    #[must_use]
    pub const fn sources(self) -> &'static str {
        match self {
            Self::AnyEvent | Self::Static => "all",
            Self::K8sAudit => "k8s_audit",
            Self::Json => "all but syscall",
            _ => SYSCALL,
        }
    }
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
    /// Group it belongs to.
    pub class: Class,
    /// What it tells, in one line.
    pub about: &'static str,
    flags: u16,
}

impl FieldInfo {
    /// Whether it has a list of values: `in` and `intersects` look at every one.
    #[must_use]
    pub const fn is_list(&self) -> bool {
        self.flags & flag::LIST != 0
    }

    /// Whether rules should no longer use it.
    #[must_use]
    pub const fn is_deprecated(&self) -> bool {
        self.flags & flag::DEPRECATED != 0
    }

    /// Whether listings leave it out.
    #[must_use]
    pub const fn is_hidden(&self) -> bool {
        self.flags & (flag::HIDDEN | flag::PRINT_ONLY) != 0
    }

    /// Whether only outputs may name it.
    #[must_use]
    pub const fn is_print_only(&self) -> bool {
        self.flags & flag::PRINT_ONLY != 0
    }

    /// Whether only conditions have a use for it: outputs print `<NA>`.
    #[must_use]
    pub const fn is_filter_only(&self) -> bool {
        self.flags & flag::FILTER_ONLY != 0
    }

    /// Whether it may not stand on the right side of a comparison.
    #[must_use]
    pub const fn no_rhs(&self) -> bool {
        self.flags & flag::NO_RHS != 0
    }

    /// Whether no transformer takes it.
    #[must_use]
    pub const fn no_transformer(&self) -> bool {
        self.flags & flag::NO_TRANSFORMER != 0
    }

    /// Whether `suggested_output` appends it to outputs.
    #[must_use]
    pub const fn is_suggested(&self) -> bool {
        self.flags & flag::SUGGESTED != 0
    }

    /// Whether it never has a value in Falco either.
    #[must_use]
    pub const fn is_never_known(&self) -> bool {
        self.flags & flag::NEVER != 0
    }

    /// Whether Falco does not have it.
    #[must_use]
    pub const fn is_ours(&self) -> bool {
        self.flags & flag::OURS != 0
    }
}
