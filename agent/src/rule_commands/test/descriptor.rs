//! What the kernel knows of the descriptor that a call makes or uses: the sections behind the parameters of a live frame.

use std::net::{IpAddr, SocketAddr};

use anyhow::{Context as _, Result, bail};
use event::{
    FileFacts, FileKind, SectionKind, SockAddr, SockFacts, SockTuple, file_flags, sock_flags,
};

use super::value::ends;
use super::written::{File, FileKindName, RoleName, Socket, SocketKeys};

const AF_UNIX: u16 = 1;
const AF_INET: u16 = 2;
const AF_INET6: u16 = 10;
const AF_NETLINK: u16 = 16;
const AF_PACKET: u16 = 17;
/// The device on which files lie that say nothing else, as `stat` encodes it.
const DEVICE: u32 = 0x801;

/// What is behind a descriptor.
#[derive(Clone, Debug)]
pub(super) enum Object {
    File(FileId),
    Socket(SocketId),
}

/// A file, a directory, or something else with a name.
#[derive(Clone, Debug)]
pub(super) struct FileId {
    pub(super) path: String,
    pub(super) ino: u64,
    pub(super) dev: u32,
    pub(super) flags: u16,
    pub(super) kind: FileKind,
}

/// A socket.
#[derive(Clone, Debug, Default)]
pub(super) struct SocketId {
    pub(super) family: u16,
    pub(super) ty: u16,
    pub(super) proto: u16,
    pub(super) local: Option<SocketAddr>,
    pub(super) remote: Option<SocketAddr>,
    pub(super) path: String,
    pub(super) flags: u8,
}

impl FileId {
    /// A regular file, unless its name tells that it is something else.
    pub(super) fn named(path: &str) -> Self {
        let kind = match path {
            p if p.starts_with("pipe:[") => FileKind::Fifo,
            p if p.starts_with('[') || p.starts_with("anon_inode:") => FileKind::AnonInode,
            p if p.starts_with("/memfd:") => FileKind::Memfd,
            p if p.len() > 1 && p.ends_with('/') => FileKind::Directory,
            _ => FileKind::Regular,
        };
        let path = match kind {
            FileKind::Directory => path.trim_end_matches('/').to_owned(),
            _ => path.to_owned(),
        };
        Self { ino: inode(&path), path, dev: DEVICE, flags: 0, kind }
    }

    pub(super) fn directory(path: &str) -> Self {
        Self { kind: FileKind::Directory, ..Self::named(path) }
    }

    /// As written; `path` is the one to take where none is given.
    pub(super) fn read(file: &File, path: Option<&str>) -> Result<Self> {
        let keys = &file.0;
        let path = keys.path.as_ref().map(|p| p.0.as_str()).or(path);
        let named = Self::named(path.context("the file needs a `path`")?);
        let flag = |is: bool, bit: u16| if is { bit } else { 0 };
        let kind = keys.kind.map_or(named.kind, |kind| match kind {
            FileKindName::File => FileKind::Regular,
            FileKindName::Directory => FileKind::Directory,
            FileKindName::Symlink => FileKind::Symlink,
            FileKindName::CharDevice => FileKind::CharDevice,
            FileKindName::BlockDevice => FileKind::BlockDevice,
            FileKindName::Pipe => FileKind::Fifo,
            FileKindName::Memfd => FileKind::Memfd,
            FileKindName::AnonInode => FileKind::AnonInode,
        });
        let is_gone = keys.deleted && !named.path.ends_with(" (deleted)");
        Ok(Self {
            path: if is_gone { format!("{} (deleted)", named.path) } else { named.path },
            ino: keys.ino.unwrap_or(named.ino),
            dev: keys.dev.unwrap_or(named.dev),
            flags: flag(keys.created, file_flags::CREATED)
                | flag(keys.deleted, file_flags::UNHASHED)
                | flag(keys.upper_layer, file_flags::UPPER_LAYER)
                | flag(keys.lower_layer, file_flags::LOWER_LAYER)
                | flag(keys.outside_root, file_flags::OUTSIDE_ROOT),
            kind,
        })
    }

    fn body(&self) -> Vec<u8> {
        let Self { path, ino, dev, flags, kind } = self;
        let facts = FileFacts { ino: *ino, dev: *dev, flags: *flags, kind: *kind, path: b"" };
        [&facts.fixed_bytes()[..], path.as_bytes()].concat()
    }

    /// The section of a directory that a name starts from.
    pub(super) fn section(&self, kind: SectionKind) -> (SectionKind, Vec<u8>) {
        (kind, self.body())
    }
}

/// A number that is the same for the same name in every run.
fn inode(path: &str) -> u64 {
    path.bytes()
        .fold(0xcbf2_9ce4u64, |n, b| (n ^ u64::from(b)).wrapping_mul(0x0100_0193) & 0xffff_ffff)
}

impl SocketId {
    /// TCP, UDP and so on between two ends.
    pub(super) fn of_proto(proto: &str) -> Result<Self> {
        let (family, ty, number) = match proto {
            "tcp" => (AF_INET, 1, 6),
            "udp" => (AF_INET, 2, 17),
            "icmp" => (AF_INET, 3, 1),
            "raw" => (AF_INET, 3, 255),
            "unix" => (AF_UNIX, 1, 0),
            "netlink" => (AF_NETLINK, 3, 0),
            "packet" => (AF_PACKET, 3, 0),
            _ => bail!("`{proto}` is none of tcp, udp, icmp, raw, unix, netlink, packet"),
        };
        Ok(Self { family, ty, proto: number, ..Self::default() })
    }

    /// As written. The arrow of a line points away from who sends or connects: of an inbound call the source is the other end.
    pub(super) fn read(written: &Socket, is_inbound: bool) -> Result<Self> {
        let line = match written {
            Socket::Full(keys) => return Self::of_keys(keys),
            Socket::Line(line) => line.trim(),
        };
        let (proto, rest) = line.split_once(' ').unwrap_or((line, ""));
        let mut socket = Self::of_proto(proto)?;
        if proto == "unix" {
            rest.trim().clone_into(&mut socket.path);
        } else if let Some((source, dest)) = ends(rest) {
            socket.connect(source, dest, is_inbound);
        } else if !rest.is_empty() {
            let local = rest.trim().parse::<SocketAddr>();
            let local =
                local.with_context(|| format!("`{rest}` is no address and no connection"))?;
            socket.local = Some(local);
            socket.fit_family();
        }
        Ok(socket)
    }

    fn of_keys(keys: &SocketKeys) -> Result<Self> {
        let proto =
            keys.proto.as_ref().map_or(if keys.path.is_some() { "unix" } else { "tcp" }, |p| &p.0);
        let mut socket = Self::of_proto(proto)?;
        let addr = |text: &Option<super::shapes::Text>| -> Result<Option<SocketAddr>> {
            let Some(text) = text else { return Ok(None) };
            let addr = text.0.parse();
            Ok(Some(
                addr.with_context(|| format!("`{}` is no address such as 1.2.3.4:443", text.0))?,
            ))
        };
        (socket.local, socket.remote) = (addr(&keys.local)?, addr(&keys.remote)?);
        socket.path = keys.path.as_ref().map(|p| p.0.clone()).unwrap_or_default();
        socket.fit_family();
        socket.flags = match keys.role {
            Some(RoleName::Client) => sock_flags::CLIENT,
            Some(RoleName::Server) => sock_flags::SERVER,
            None => 0,
        };
        if keys.connected.unwrap_or(socket.remote.is_some()) {
            socket.flags |= sock_flags::CONNECTED;
        }
        if keys.peer_changed {
            socket.flags |= sock_flags::PEER_CHANGED;
        }
        Ok(socket)
    }

    /// Takes the ends of a tuple.
    pub(super) fn connect(&mut self, source: SocketAddr, dest: SocketAddr, is_inbound: bool) {
        let (local, remote) = if is_inbound { (dest, source) } else { (source, dest) };
        (self.local, self.remote) = (Some(local), Some(remote));
        self.flags |= sock_flags::CONNECTED;
        self.fit_family();
    }

    /// The family is that of the addresses.
    pub(super) fn fit_family(&mut self) {
        if let Some(addr) = self.local.or(self.remote) {
            self.family = if addr.is_ipv4() { AF_INET } else { AF_INET6 };
        }
    }

    /// The tuple as a call has it.
    pub(super) fn tuple(&self, is_inbound: bool) -> Option<SockTuple<'_>> {
        if self.family == AF_UNIX {
            return Some(SockTuple::Unix { source: 0, dest: 0, path: self.path.as_bytes() });
        }
        let (local, remote) = (self.local?, self.remote?);
        Some(if is_inbound {
            SockTuple::Inet { source: remote, dest: local }
        } else {
            SockTuple::Inet { source: local, dest: remote }
        })
    }

    /// The address that a call passes: of `bind` its own, else the other end's.
    pub(super) fn addr(&self, is_bind: bool) -> Option<SockAddr<'_>> {
        if self.family == AF_UNIX {
            return Some(SockAddr::Unix(self.path.as_bytes()));
        }
        (if is_bind { self.local } else { self.remote }).map(SockAddr::Inet)
    }

    fn body(&self) -> Vec<u8> {
        let Self { family, ty, proto, local, remote, path, flags } = self;
        let octets = |addr: &Option<SocketAddr>| match addr.map(|a| a.ip()) {
            Some(IpAddr::V4(ip)) => {
                let mut all = [0; 16];
                all[..4].copy_from_slice(&ip.octets());
                all
            }
            Some(IpAddr::V6(ip)) => ip.octets(),
            None => [0; 16],
        };
        let facts = SockFacts {
            cookie: 0,
            family: *family,
            ty: *ty,
            proto: *proto,
            local_port: local.map_or(0, |a| a.port()),
            remote_port: remote.map_or(0, |a| a.port()),
            state: if flags & sock_flags::CONNECTED != 0 { 1 } else { 7 },
            flags: *flags,
            local: octets(local),
            remote: octets(remote),
            path: b"",
        };
        [&facts.fixed_bytes()[..], path.as_bytes()].concat()
    }
}

impl Object {
    /// Its section of a frame.
    pub(super) fn section(&self) -> (SectionKind, Vec<u8>) {
        match self {
            Self::File(file) => (SectionKind::File, file.body()),
            Self::Socket(socket) => (SectionKind::Sock, socket.body()),
        }
    }
}

/// `name` from `dir`, with `.`, `..` and repeated slashes resolved as text.
pub(super) fn joined(dir: &str, name: &str) -> String {
    let dir = if name.starts_with('/') { "" } else { dir };
    let mut parts: Vec<&str> = Vec::new();
    for part in dir.split('/').chain(name.split('/')) {
        match part {
            "" | "." => {}
            ".." => drop(parts.pop()),
            part => parts.push(part),
        }
    }
    format!("/{}", parts.join("/"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_of_sockets_are_read() {
        let read = |line: &str, is_inbound| SocketId::read(&Socket::Line(line.into()), is_inbound);
        let out = read("udp 10.0.0.1:4000->1.2.3.4:53", false).unwrap();
        assert_eq!((out.ty, out.local.unwrap().port(), out.remote.unwrap().port()), (2, 4000, 53));
        let inbound = read("tcp [::2]:4000->[::1]:22", true).unwrap();
        assert_eq!((inbound.family, inbound.local.unwrap().port()), (AF_INET6, 22));
        assert_eq!(read("unix /run/x.sock", false).unwrap().path, "/run/x.sock");
        assert!(read("sctp", false).is_err() && read("tcp here", false).is_err());
    }

    #[test]
    fn names_are_joined_as_text() {
        for (dir, name, whole) in [
            ("/home/ann", "x", "/home/ann/x"),
            ("/home/ann", "../bob/./x", "/home/bob/x"),
            ("/", "/etc//shadow", "/etc/shadow"),
            ("/", "../..", "/"),
        ] {
            assert_eq!(joined(dir, name), whole);
        }
    }
}
