//! One descriptor, and the store that descriptors and their names are taken from and given back to.

use std::{
    io::Write,
    net::{IpAddr, Ipv6Addr, SocketAddr},
    sync::Arc,
};

use event::{DescriptorFacts, SockTuple, descriptor_flags as flag};

/// `PPM_O_CLOEXEC`.
pub(super) const O_CLOEXEC: u32 = 0x1000;

pub(super) const L4_UNKNOWN: u8 = 0;
pub(super) const L4_NOT_APPLICABLE: u8 = 1;
pub(super) const L4_TCP: u8 = 2;
pub(super) const L4_UDP: u8 = 3;
pub(super) const L4_ICMP: u8 = 4;
pub(super) const L4_RAW: u8 = 5;

/// Descriptors that wait to be used again.
const MAX_SPARE: usize = 4096;
/// A name longer than this is not kept for another descriptor.
const MAX_SPARE_NAME: usize = 512;

/// One end of a socket: an address in network order, IPv4 in its first four bytes, and a port.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct End {
    pub(super) addr: [u8; 16],
    pub(super) port: u16,
}

impl End {
    pub(super) fn of(at: SocketAddr) -> Self {
        let mut addr = [0; 16];
        match at.ip() {
            IpAddr::V4(ip) => addr[..4].copy_from_slice(&ip.octets()),
            IpAddr::V6(ip) => addr = ip.octets(),
        }
        Self { addr, port: at.port() }
    }

    /// A Unix socket's address in the kernel.
    pub(super) fn of_kernel(address: u64) -> Self {
        let mut addr = [0; 16];
        addr[..8].copy_from_slice(&address.to_le_bytes());
        Self { addr, port: 0 }
    }
}

/// What is known of one descriptor.
#[derive(Clone, Debug, Default)]
pub(super) struct Descriptor {
    pub(super) ino: u64,
    pub(super) dev: u32,
    pub(super) open_flags: u32,
    /// Process that a pidfd stands for.
    pub(super) pid: u32,
    /// As [`DescriptorFacts::kind`].
    pub(super) kind: u8,
    /// Of a socket, whatever its role.
    pub(super) l4: u8,
    /// See [`event::descriptor_flags`].
    pub(super) flags: u16,
    pub(super) is_close_on_exec: bool,
    pub(super) client: End,
    pub(super) server: End,
    /// The name, then the raw name.
    names: Vec<u8>,
    name_len: usize,
}

impl Descriptor {
    /// Forgets everything but the room that its names had.
    fn reset(&mut self) {
        let mut names = std::mem::take(&mut self.names);
        names.clear();
        *self = Self { names, ..Self::default() };
    }

    pub(super) fn name(&self) -> &[u8] {
        &self.names[..self.name_len]
    }

    pub(super) fn raw_name(&self) -> &[u8] {
        &self.names[self.name_len..]
    }

    pub(super) fn set_name(&mut self, name: &[u8], raw_name: &[u8]) {
        self.names.clear();
        self.names.extend_from_slice(name);
        self.names.extend_from_slice(raw_name);
        self.name_len = name.len();
    }

    pub(super) fn is_inet(&self) -> bool {
        matches!(self.kind, b'4' | b'6')
    }

    /// An internet socket that has, or can have, two ends.
    pub(super) fn is_connection(&self) -> bool {
        self.is_inet() && !self.has(flag::SERVER_SOCKET)
    }

    pub(super) fn has(&self, flags: u16) -> bool {
        self.flags & flags != 0
    }

    pub(super) fn has_role(&self) -> bool {
        self.has(flag::CLIENT | flag::SERVER)
    }

    /// The transport as it is told: not before the socket's role is known, unless it is raw.
    pub(super) fn told_l4(&self) -> u8 {
        let is_told = self.is_inet()
            && (self.has(flag::SERVER_SOCKET) || self.l4 == L4_RAW || self.has_role());
        if is_told { self.l4 } else { L4_NOT_APPLICABLE }
    }

    pub(super) fn swap_ends(&mut self) {
        std::mem::swap(&mut self.client, &mut self.server);
    }

    /// Makes the name that of both ends.
    pub(super) fn name_by_ends(&mut self) {
        let (client, server) = (self.socket_addr(self.client), self.socket_addr(self.server));
        self.names.clear();
        write_tuple(&mut self.names, client, server);
        self.name_len = self.names.len();
    }

    pub(super) fn socket_addr(&self, end: End) -> SocketAddr {
        let ip = if self.kind == b'4' {
            let [a, b, c, d, ..] = end.addr;
            IpAddr::from([a, b, c, d])
        } else {
            IpAddr::from(end.addr)
        };
        SocketAddr::new(ip, end.port)
    }

    pub(super) fn facts(&self, fd: i64, flags: u16) -> DescriptorFacts<'_> {
        DescriptorFacts {
            fd,
            ino: self.ino,
            dev: self.dev,
            open_flags: self.open_flags,
            kind: self.kind,
            l4: self.told_l4(),
            flags: self.flags | flags,
            client_port: self.client.port,
            server_port: self.server.port,
            client: self.client.addr,
            server: self.server.addr,
            name: self.name(),
            raw_name: self.raw_name(),
        }
    }

    fn n_bytes(&self) -> usize {
        size_of::<Self>() + self.names.capacity()
    }
}

/// Writes an address as the C library does: an IPv4 address within an IPv6 one is shown as such.
pub(super) fn write_addr(out: &mut Vec<u8>, at: SocketAddr) {
    let written = match at.ip() {
        IpAddr::V6(ip) if is_compatible(ip) => {
            let [.., a, b, c, d] = ip.octets();
            write!(out, "::{a}.{b}.{c}.{d}:{}", at.port())
        }
        ip => write!(out, "{ip}:{}", at.port()),
    };
    debug_assert!(written.is_ok(), "a vector takes everything");
}

/// Whether the last two of its eight numbers are the only ones, the first of them included.
fn is_compatible(ip: Ipv6Addr) -> bool {
    matches!(ip.segments(), [0, 0, 0, 0, 0, 0, n, _] if n != 0)
}

pub(super) fn write_tuple(out: &mut Vec<u8>, client: SocketAddr, server: SocketAddr) {
    write_addr(out, client);
    out.extend_from_slice(b"->");
    write_addr(out, server);
}

/// IPv4 addresses that IPv6 ones stand for are shown as such where both ends are. What is all zeroes counts as IPv4 too.
pub(super) fn unmapped(at: SocketAddr) -> Option<SocketAddr> {
    let IpAddr::V6(ip) = at.ip() else { return None };
    if ip.is_unspecified() {
        return Some(SocketAddr::new(IpAddr::from([0; 4]), at.port()));
    }
    Some(SocketAddr::new(ip.to_ipv4_mapped()?.into(), at.port()))
}

/// Both ends, as IPv4 where both are mapped.
pub(super) fn plain_ends(source: SocketAddr, dest: SocketAddr) -> (SocketAddr, SocketAddr) {
    match (unmapped(source), unmapped(dest)) {
        (Some(source), Some(dest)) => (source, dest),
        _ => (source, dest),
    }
}

/// Writes a tuple as `evt.arg` shows it.
pub(super) fn write_param(out: &mut Vec<u8>, tuple: &SockTuple<'_>) {
    match *tuple {
        SockTuple::Inet { source, dest } => {
            let (source, dest) = plain_ends(source, dest);
            write_tuple(out, source, dest);
        }
        SockTuple::Unix { source, dest, path } => {
            let written = write!(out, "{source:x}->{dest:x} ");
            debug_assert!(written.is_ok(), "a vector takes everything");
            out.extend_from_slice(path);
        }
        SockTuple::Other(family) => {
            let written = write!(out, "family {family}");
            debug_assert!(written.is_ok(), "a vector takes everything");
        }
    }
}

/// Where descriptors come from and go to, so that a steady recording needs no memory anew; counts what is out.
#[derive(Debug, Default)]
pub(super) struct Store {
    spare: Vec<Arc<Descriptor>>,
    n_bytes: usize,
}

impl Store {
    /// A new descriptor, as `fill` makes it of a blank one.
    pub(super) fn make(&mut self, fill: impl FnOnce(&mut Descriptor)) -> Arc<Descriptor> {
        let mut made = self.spare.pop().unwrap_or_default();
        let descriptor = Arc::get_mut(&mut made).expect("what is spare is held by nobody else");
        fill(descriptor);
        self.n_bytes += descriptor.n_bytes();
        made
    }

    /// A copy of one, for another number or another process.
    pub(super) fn copy(
        &mut self,
        of: &Descriptor,
        change: impl FnOnce(&mut Descriptor),
    ) -> Arc<Descriptor> {
        self.make(|d| {
            let mut names = std::mem::take(&mut d.names);
            names.extend_from_slice(&of.names);
            let &Descriptor {
                ino,
                dev,
                open_flags,
                pid,
                kind,
                l4,
                flags,
                is_close_on_exec,
                client,
                server,
                names: _,
                name_len,
            } = of;
            *d = Descriptor {
                ino,
                dev,
                open_flags,
                pid,
                kind,
                l4,
                flags,
                is_close_on_exec,
                client,
                server,
                names,
                name_len,
            };
            change(d);
        })
    }

    /// Changes one in place, or puts a changed copy in its place where others hold it too.
    pub(super) fn change<R>(
        &mut self,
        slot: &mut Arc<Descriptor>,
        change: impl FnOnce(&mut Descriptor) -> R,
    ) -> R {
        if super::table::is_shared(slot) {
            let own = self.copy(slot, |_| {});
            self.release(std::mem::replace(slot, own));
        }
        let descriptor = Arc::get_mut(slot).expect("a copy of one's own is held by nobody else");
        self.n_bytes -= descriptor.n_bytes();
        let result = change(descriptor);
        self.n_bytes += descriptor.n_bytes();
        result
    }

    /// Takes one back.
    pub(super) fn release(&mut self, mut descriptor: Arc<Descriptor>) {
        if super::table::is_shared(&descriptor) {
            return;
        }
        let Some(last) = Arc::get_mut(&mut descriptor) else { return };
        self.n_bytes -= last.n_bytes();
        if self.spare.len() < MAX_SPARE && last.names.capacity() <= MAX_SPARE_NAME {
            last.reset();
            self.spare.push(descriptor);
        }
    }

    /// Bytes of all descriptors that are out.
    pub(super) fn n_bytes(&self) -> usize {
        self.n_bytes
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written(at: &str) -> String {
        let mut out = Vec::new();
        write_addr(&mut out, at.parse().unwrap());
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn addresses_are_written_as_the_c_library_does() {
        for (at, expected) in [
            ("1.2.3.4:80", "1.2.3.4:80"),
            ("[::]:0", ":::0"),
            ("[::1]:53", "::1:53"),
            ("[::ffff:1.2.3.4]:1", "::ffff:1.2.3.4:1"),
            ("[::1.2.3.4]:1", "::1.2.3.4:1"),
            ("[2001:db8::3]:1234", "2001:db8::3:1234"),
        ] {
            assert_eq!(written(at), expected);
        }
    }

    #[test]
    fn what_is_released_is_used_again_and_not_counted() {
        let mut store = Store::default();
        let a = store.make(|d| d.set_name(b"/a", b"a"));
        let b = Arc::clone(&a);
        let n_bytes = store.n_bytes();
        assert!(n_bytes > 0);
        store.release(a);
        assert_eq!(store.n_bytes(), n_bytes, "it is held by another");
        let place = Arc::as_ptr(&b);
        store.release(b);
        assert_eq!(store.n_bytes(), 0);
        let c = store.make(|_| {});
        assert_eq!(Arc::as_ptr(&c), place);
        assert_eq!((c.name(), c.raw_name()), (&b""[..], &b""[..]));
    }

    #[test]
    fn a_change_leaves_other_holders_alone() {
        let mut store = Store::default();
        let mut a = store.make(|d| d.set_name(b"/a", b""));
        let b = Arc::clone(&a);
        store.change(&mut a, |d| d.set_name(b"/longer", b"raw"));
        assert_eq!((a.name(), b.name()), (&b"/longer"[..], &b"/a"[..]));
        store.release(a);
        store.release(b);
        assert_eq!(store.n_bytes(), 0);
    }
}
