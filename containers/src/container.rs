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
            Some(found) => self.kind == found.kind && is_same_id(&self.full_id, found),
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

/// The bytes of an id, in which systemd writes some as `\xHH`.
fn unescaped(id: &str) -> impl Iterator<Item = u8> {
    let mut rest = id.as_bytes();
    std::iter::from_fn(move || {
        if let [b'\\', b'x', high, low, after @ ..] = rest
            && let (Some(high), Some(low)) =
                (char::from(*high).to_digit(16), char::from(*low).to_digit(16))
        {
            rest = after;
            return Some((high << 4 | low) as u8);
        }
        let (first, after) = rest.split_first()?;
        rest = after;
        Some(*first)
    })
}

/// Whether a cgroup's id is a container's own. Only names of machines are escaped.
fn is_same_id(full_id: &str, found: Found<'_>) -> bool {
    match found.kind {
        Kind::Nspawn => full_id.bytes().eq(unescaped(found.id)),
        _ => full_id == found.id,
    }
}

impl From<Found<'_>> for Container {
    fn from(found: Found<'_>) -> Self {
        // What is no text once it is unescaped stays as it is written.
        let name = (found.kind == Kind::Nspawn && found.id.contains('\\'))
            .then(|| String::from_utf8(unescaped(found.id).collect()).ok());
        if let Some(Some(name)) = name {
            return Self { kind: found.kind, short_len: name.len(), full_id: name.into() };
        }
        let hex = found.id.len() > SHORT_LEN && found.id.bytes().all(|b| b.is_ascii_hexdigit());
        let short_len = if hex { SHORT_LEN } else { found.id.len() };
        Self { kind: found.kind, full_id: found.id.into(), short_len }
    }
}
