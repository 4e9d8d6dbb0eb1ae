//! A container's identity.

use crate::cgroup::{Found, find};

/// Which runtime made a container, by the way its cgroup is named.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Kind {
    /// None: the process runs on the host.
    Host,
    /// Docker.
    Docker,
    /// Podman (libpod).
    Podman,
    /// containerd, through its own client or through CRI.
    Containerd,
    /// CRI-O.
    CriO,
    /// A pod's container whose cgroup name does not say which runtime made it.
    Cri,
    /// LXC.
    Lxc,
    /// systemd-nspawn.
    Nspawn,
}

impl Kind {
    /// Text of `container.type`.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Host => "host",
            Self::Docker => "docker",
            Self::Podman => "podman",
            Self::Containerd => "containerd",
            Self::CriO => "cri-o",
            Self::Cri => "cri",
            Self::Lxc => "lxc",
            Self::Nspawn => "systemd-nspawn",
        }
    }
}

/// Bytes of a hexadecimal id that `container.id` shows.
const SHORT_LEN: usize = 12;

/// A container, or the host.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Container {
    kind: Kind,
    full_id: Box<str>,
    short_len: usize,
}

impl Container {
    /// The host itself.
    #[must_use]
    pub fn host() -> Self {
        Self { kind: Kind::Host, full_id: "host".into(), short_len: 4 }
    }

    /// The container that the cgroups of a process name (`subsys=path`, each NUL-terminated), else the host.
    #[must_use]
    pub fn of_cgroups(cgroups: &[u8]) -> Self {
        find(cgroups).map_or_else(Self::host, Self::from)
    }

    /// Whether the cgroups name this same container. No allocation.
    #[must_use]
    pub fn is_of_cgroups(&self, cgroups: &[u8]) -> bool {
        match find(cgroups) {
            None => self.kind == Kind::Host,
            Some(found) => self.kind == found.kind && *self.full_id == *found.id,
        }
    }

    /// Which runtime made it.
    #[must_use]
    pub fn kind(&self) -> Kind {
        self.kind
    }

    /// Whether it is no container at all.
    #[must_use]
    pub fn is_host(&self) -> bool {
        self.kind == Kind::Host
    }

    /// The id as `container.id` shows it: twelve digits of a hexadecimal id, a name as it is, `host` for none.
    #[must_use]
    pub fn id(&self) -> &str {
        &self.full_id[..self.short_len]
    }

    /// The whole id.
    #[must_use]
    pub fn full_id(&self) -> &str {
        &self.full_id
    }
}

impl From<Found<'_>> for Container {
    fn from(found: Found<'_>) -> Self {
        let hex = found.id.len() > SHORT_LEN && found.id.bytes().all(|b| b.is_ascii_hexdigit());
        let short_len = if hex { SHORT_LEN } else { found.id.len() };
        Self { kind: found.kind, full_id: found.id.into(), short_len }
    }
}
