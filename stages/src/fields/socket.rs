//! `fd.*` of sockets: the ends, who is the server, the protocol.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use bumpalo::collections::Vec as BumpVec;
use event::{EventType, SockAddr, SockFacts, SockTuple, sock_flags};
use rules::{FdField as Field, Value};

use super::EventFields;
use super::digits::{put_addr, put_decimal, put_pair};
use super::user::NA;
use crate::parse::{Body, Role, Socket};

const AF_UNIX: u32 = 1;
const AF_INET: u32 = 2;
const AF_INET6: u32 = 10;
const AF_NETLINK: u32 = 16;
/// `SE_EINPROGRESS`: a connect that goes on.
const EINPROGRESS: i64 = 115;

/// Kind of socket, as `fd.type` tells it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum SockKind {
    Ipv4,
    Ipv6,
    Unix,
    Netlink,
    Other,
}

impl SockKind {
    fn of_family(family: u32) -> Self {
        match family {
            AF_UNIX => Self::Unix,
            AF_INET => Self::Ipv4,
            AF_INET6 => Self::Ipv6,
            AF_NETLINK => Self::Netlink,
            _ => Self::Other,
        }
    }

    pub(super) fn is_inet(self) -> bool {
        matches!(self, Self::Ipv4 | Self::Ipv6)
    }

    pub(super) fn typechar(self) -> &'static [u8] {
        match self {
            SockKind::Ipv4 => b"4",
            SockKind::Ipv6 => b"6",
            SockKind::Unix => b"u",
            SockKind::Netlink => b"n",
            SockKind::Other => b"o",
        }
    }
}

/// The ends of a socket, as far as the call and the kernel tell.
#[derive(Clone, Copy, Debug)]
pub(super) struct Ends {
    pub(super) kind: SockKind,
    local: Option<SocketAddr>,
    remote: Option<SocketAddr>,
    is_server: bool,
    is_connected: bool,
}

impl Ends {
    fn client(&self) -> Option<SocketAddr> {
        if self.is_server { self.remote } else { self.local }
    }

    fn server(&self) -> Option<SocketAddr> {
        if self.is_server { self.local } else { self.remote }
    }

    /// Client and server.
    pub(super) fn pair(&self) -> [Option<(IpAddr, u16)>; 2] {
        [self.client(), self.server()].map(|end| end.map(|end| (end.ip(), end.port())))
    }
}

fn sock_addr(sock: &SockFacts<'_>, ip: &[u8; 16], port: u16) -> Option<SocketAddr> {
    let ip = match u32::from(sock.family) {
        AF_INET => IpAddr::V4(Ipv4Addr::from(*ip.first_chunk::<4>()?)),
        AF_INET6 => IpAddr::V6(Ipv6Addr::from(*ip)),
        _ => return None,
    };
    Some(SocketAddr::new(ip, port))
}

fn is_set(addr: &SocketAddr) -> bool {
    addr.port() != 0 || !addr.ip().is_unspecified()
}

fn ends_of(ty: EventType, call: &Socket<'_>) -> Option<Ends> {
    let failed = call.res < 0 && call.res != -EINPROGRESS;
    if call.fd < 0 {
        return None;
    }
    let mut kind = call.made.map(|(domain, ..)| SockKind::of_family(domain));
    let (mut local, mut remote) = (None, None);
    match call.tuple {
        Some(SockTuple::Inet { source, dest }) => {
            (local, remote) = if call.is_inbound {
                (Some(dest), Some(source))
            } else {
                (Some(source), Some(dest))
            };
            kind = Some(if source.is_ipv4() { SockKind::Ipv4 } else { SockKind::Ipv6 });
        }
        Some(SockTuple::Unix { .. }) => kind = Some(SockKind::Unix),
        Some(SockTuple::Other(family)) => kind = Some(SockKind::of_family(u32::from(family))),
        None => {}
    }
    match call.addr {
        Some(SockAddr::Inet(addr)) => {
            kind = Some(if addr.is_ipv4() { SockKind::Ipv4 } else { SockKind::Ipv6 });
            if ty == EventType::BIND_X {
                local = Some(addr);
            } else if remote.is_none() {
                remote = Some(addr);
            }
        }
        Some(SockAddr::Unix(_)) => kind = kind.or(Some(SockKind::Unix)),
        Some(SockAddr::Other(family)) => {
            kind = kind.or(Some(SockKind::of_family(u32::from(family))));
        }
        None => {}
    }
    if let Some(sock) = &call.sock {
        kind = Some(SockKind::of_family(u32::from(sock.family)));
        let own = sock_addr(sock, &sock.local, sock.local_port).filter(is_set);
        let peer = sock_addr(sock, &sock.remote, sock.remote_port).filter(is_set);
        // Before a successful bind the socket's own address is not the one that was asked for.
        local = if ty == EventType::BIND_X { local.or(own) } else { own.or(local) };
        remote = peer.or(remote);
    }
    let is_lone = matches!(ty, EventType::BIND_X | EventType::LISTEN_X);
    if is_lone {
        remote = None;
    }
    // Addresses of IPv4 in the clothes of IPv6 are shown as IPv4.
    let plain = |a: SocketAddr| SocketAddr::new(a.ip().to_canonical(), a.port());
    let ends: [Option<SocketAddr>; 2] = [local, remote];
    if kind == Some(SockKind::Ipv6)
        && ends.iter().flatten().next().is_some()
        && ends.iter().flatten().all(|a| a.ip().to_canonical().is_ipv4())
    {
        kind = Some(SockKind::Ipv4);
        (local, remote) = (local.map(plain), remote.map(plain));
    }
    // What the kernel side remembers of the socket goes before what the call suggests.
    let is_server = match call.sock.map_or(0, |s| s.flags) {
        f if f & (sock_flags::ACCEPTED | sock_flags::SERVER) != 0 => true,
        f if f & sock_flags::CLIENT != 0 => false,
        _ => call.role == Role::Server,
    };
    let connected = match &call.sock {
        Some(sock) => sock.flags & sock_flags::CONNECTED != 0,
        None => call.res >= 0 && remote.is_some(),
    };
    Some(Ends {
        kind: kind.unwrap_or(SockKind::Other),
        local,
        remote,
        is_server,
        is_connected: connected && !is_lone && !failed,
    })
}

impl<'e> EventFields<'e> {
    pub(super) fn sock_ends(&self) -> Option<Ends> {
        *self.ends.get_or_init(|| {
            self.socket_call().and_then(|call| ends_of(self.event.frame.event_type(), call))
        })
    }

    /// The socket that the call made or used.
    pub(super) fn socket_call(&self) -> Option<&'e Socket<'e>> {
        match self.event.body {
            Body::Socket(call) => Some(call),
            Body::Call(call) => call.socket.as_ref(),
            _ => None,
        }
    }

    pub(super) fn socket(&self, field: Field, call: &'e Socket<'e>) -> Option<Value<'_>> {
        let ends = self.sock_ends()?;
        let ip = |a: Option<SocketAddr>| a.map(|a| Value::Ip(a.ip()));
        let port = |a: Option<SocketAddr>| a.map(|a| Value::U64(u64::from(a.port())));
        let text = |a: Option<SocketAddr>| {
            let mut digits = BumpVec::new_in(self.at.bump);
            put_decimal(&mut digits, u64::from(a?.port()));
            Some(Value::Bytes(digits.into_bump_slice()))
        };
        let is_inet = ends.kind.is_inet();
        match field {
            Field::FdType => Some(Value::Bytes(match ends.kind {
                SockKind::Ipv4 => b"ipv4",
                SockKind::Ipv6 => b"ipv6",
                SockKind::Unix => b"unix",
                SockKind::Netlink => b"netlink",
                SockKind::Other => b"unknown",
            })),
            Field::FdTypechar => Some(Value::Bytes(ends.kind.typechar())),
            Field::FdName => self.socket_name(call).map(Value::Bytes),
            Field::FdCip | Field::FdCnet => ip(ends.client()),
            Field::FdSip | Field::FdSnet => ip(ends.server()),
            Field::FdLip | Field::FdLnet => ip(ends.local),
            Field::FdRip | Field::FdRnet => ip(ends.remote),
            Field::FdCport => port(ends.client()),
            Field::FdSport => port(ends.server()),
            Field::FdLport => port(ends.local),
            Field::FdRport => port(ends.remote),
            // The names of services are not looked up, as in Falco unless it is told to.
            Field::FdCproto => text(ends.client()),
            Field::FdSproto => text(ends.server()),
            Field::FdLproto => text(ends.local),
            Field::FdRproto => text(ends.remote),
            Field::FdL4proto => Some(Value::Bytes(if is_inet { l4proto(call) } else { NA })),
            Field::FdSockfamily => match ends.kind {
                SockKind::Ipv4 | SockKind::Ipv6 => Some(Value::Bytes(b"ip")),
                SockKind::Unix => Some(Value::Bytes(b"unix")),
                SockKind::Netlink | SockKind::Other => None,
            },
            Field::FdIsServer => Some(Value::Bool(ends.is_server)),
            Field::FdNameChanged => {
                call.sock.map(|s| Value::Bool(s.flags & sock_flags::PEER_CHANGED != 0))
            }
            Field::FdConnected => Some(Value::Bool(ends.is_connected)),
            _ => None,
        }
    }

    pub(super) fn socket_name(&self, call: &'e Socket<'e>) -> Option<&'e [u8]> {
        *self.sock_name.get_or_init(|| {
            let ends = self.sock_ends()?;
            if ends.kind == SockKind::Unix {
                return Some(unix_path(call));
            }
            let mut name = BumpVec::with_capacity_in(96, self.at.bump);
            match (ends.client(), ends.server()) {
                (Some(client), Some(server)) => put_pair(&mut name, client, server),
                _ => {
                    if let Some(one) = ends.remote.or(ends.local) {
                        put_addr(&mut name, one);
                    }
                }
            }
            Some(name.into_bump_slice())
        })
    }
}

fn unix_path<'a>(call: &Socket<'a>) -> &'a [u8] {
    let path = match (call.addr, call.tuple) {
        (Some(SockAddr::Unix(path)), _) | (_, Some(SockTuple::Unix { path, .. })) => path,
        _ => b"",
    };
    match &call.sock {
        Some(sock) if path.is_empty() => sock.path,
        _ => path,
    }
}

pub(super) fn l4proto(call: &Socket<'_>) -> &'static [u8] {
    const MASK: u32 = 0xf;
    let (ty, proto) = match (&call.sock, call.made) {
        (Some(sock), _) => (u32::from(sock.ty), u32::from(sock.proto)),
        (None, Some((_, ty, proto))) => (ty & MASK, proto),
        // Files do not say; connections and listeners are TCP unless something says otherwise.
        (None, None) if call.role != Role::Unknown => (1, 6),
        (None, None) => (0, 0),
    };
    match (proto, ty) {
        (1 | 58, _) => b"icmp",
        (17, _) | (_, 2) => b"udp",
        (6, _) | (_, 1) => b"tcp",
        (_, 3) => b"raw",
        _ => NA,
    }
}
