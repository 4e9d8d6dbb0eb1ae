//! Sockets as the kernel has them: family, type, protocol, both endpoints, and what one shows of its past.

use event::{KernelField as F, sock_flags};

use crate::{
    file::File,
    mem::{field, get, has, ptr, read},
};

pub const AF_UNIX: u16 = 1;
pub const AF_INET: u16 = 2;
pub const AF_INET6: u16 = 10;
pub const AF_NETLINK: u16 = 16;
/// States of include/net/tcp_states.h; a connected datagram socket is `TCP_ESTABLISHED`, one without a peer `TCP_CLOSE`.
pub const TCP_SYN_SENT: u8 = 2;
pub const TCP_CLOSE: u8 = 7;
pub const TCP_LISTEN: u8 = 10;
const SOCK_STREAM: u16 = 1;
const SOCK_SEQPACKET: u16 = 5;

/// One end: the address in network order (IPv4 in the first four bytes), the port in host order.
#[derive(Clone, Copy, Default, PartialEq, Eq)]
pub struct End {
    pub addr: [u64; 2],
    pub port: u16,
}

/// A `struct sock`, and what says which one it is; `at` is 0 where the descriptor is no socket.
#[derive(Clone, Copy)]
pub struct Sock {
    pub at: u64,
    pub family: u16,
    pub ty: u16,
    /// Inode number of the socket.
    pub ino: u32,
}

pub const NO_SOCK: Sock = Sock { at: 0, family: 0, ty: 0, ino: 0 };

impl Sock {
    #[inline(always)]
    pub fn of(file: File) -> Self {
        if file.0 == 0 || !file.is_socket() {
            return NO_SOCK;
        }
        Self::of_socket(ptr(file.0, F::FilePrivate), ptr(file.0, F::FileInode))
    }

    /// Of a `struct socket` and its inode.
    #[inline(always)]
    pub fn of_socket(socket: u64, inode: u64) -> Self {
        let at = ptr(socket, F::SocketSk);
        let ino = get::<u64>(inode, F::InodeIno) as u32;
        Self { at, family: get(at, F::SockFamily), ty: get(socket, F::SocketType), ino }
    }

    /// What it is in one word, as a hook's note has it.
    #[inline(always)]
    pub fn what(self) -> u64 {
        u64::from(self.ino) | u64::from(self.family) << 32 | u64::from(self.ty) << 48
    }

    /// The reverse of [`Sock::what`].
    #[inline(always)]
    pub fn noted(at: u64, what: u64) -> Self {
        Self { at, family: (what >> 32) as u16, ty: (what >> 48) as u16, ino: what as u32 }
    }

    /// All but the address in one number, for a global function.
    #[inline(always)]
    pub fn packed(self, more: u64) -> u64 {
        u64::from(self.family & 0xff)
            | u64::from(self.ty & 0xff) << 8
            | more << 16
            | u64::from(self.ino) << 32
    }

    /// The reverse of [`Sock::packed`].
    #[inline(always)]
    pub fn unpacked(at: u64, packed: u64) -> Self {
        let family = (packed & 0xff) as u16;
        Self { at, family, ty: (packed >> 8 & 0xff) as u16, ino: (packed >> 32) as u32 }
    }

    /// Whether every message may have another peer.
    #[inline(always)]
    pub fn is_datagram(self) -> bool {
        self.ty != SOCK_STREAM && self.ty != SOCK_SEQPACKET
    }

    #[inline(always)]
    pub fn protocol(self) -> u16 {
        if has(F::SockProtocolWidth) && field(F::SockProtocolWidth) == 1 {
            return u16::from(get::<u8>(self.at, F::SockProtocol));
        }
        get(self.at, F::SockProtocol)
    }

    #[inline(always)]
    pub fn local(self) -> End {
        let port = get(self.at, F::SockNum);
        End { addr: self.addr(F::SockRcvSaddr, F::SockV6RcvSaddr), port }
    }

    #[inline(always)]
    pub fn remote(self) -> End {
        let port = u16::from_be(get(self.at, F::SockDport));
        End { addr: self.addr(F::SockDaddr, F::SockV6Daddr), port }
    }

    #[inline(always)]
    fn addr(self, v4: F, v6: F) -> [u64; 2] {
        match self.family {
            AF_INET => [u64::from(get::<u32>(self.at, v4)), 0],
            AF_INET6 => get(self.at, v6),
            _ => [0; 2],
        }
    }

    #[inline(always)]
    pub fn is_inet(self) -> bool {
        self.family == AF_INET || self.family == AF_INET6
    }

    /// Other end of a Unix socket.
    #[inline(always)]
    pub fn unix_peer(self) -> u64 {
        ptr(self.at, F::UnixPeer)
    }
}

/// `IPPROTO_TCP`.
const TCP: u16 = 6;

impl Sock {
    #[inline(always)]
    pub fn is_tcp(self) -> bool {
        self.is_inet() && self.ty == SOCK_STREAM && self.protocol() == TCP
    }
}

/// `SOCK_BINDPORT_LOCK` (include/net/sock.h): bound to a port that the process chose.
const BINDPORT_LOCK: u32 = 8;

/// What a socket itself shows of its past: which end the process is, 0 where that cannot be told, and its peer.
///
/// A socket out of `accept` is a copy of its listener, bound and with the listener's backlog (`sk_clone`, net/core/sock.c); one that
/// connects has none. A Unix socket out of `accept` has its listener's name (`unix_stream_connect`, net/unix/af_unix.c).
#[inline(always)]
pub fn past_of(sock: Sock) -> (u8, End) {
    let state: u8 = get(sock.at, F::SockState);
    let remote = if sock.is_inet() { sock.remote() } else { End::default() };
    let role = if state == TCP_LISTEN {
        sock_flags::SERVER
    } else if sock.family == AF_UNIX {
        let peer = sock.unix_peer();
        if peer == 0 {
            0
        } else if ptr(sock.at, F::UnixAddr) != 0 && !sock.is_datagram() {
            sock_flags::SERVER
        } else if ptr(peer, F::UnixAddr) != 0 {
            sock_flags::CLIENT
        } else {
            0
        }
    } else if !sock.is_inet() {
        0
    } else if sock.is_datagram() {
        let locks = u32::from(get::<u8>(sock.at, F::SockUserlocksByte));
        let chose_port = has(F::SockUserlocksBit)
            && locks >> (field(F::SockUserlocksBit) & 7) & BINDPORT_LOCK != 0;
        if remote.port != 0 {
            sock_flags::CLIENT
        } else if chose_port {
            sock_flags::SERVER
        } else if get::<u16>(sock.at, F::SockNum) != 0 {
            // Sending gave it one.
            sock_flags::CLIENT
        } else {
            0
        }
    } else {
        role_of_stream(sock, remote)
    };
    (role, remote)
}

/// Which end of a connection of a stream socket the process is.
#[inline(always)]
pub fn role_of_stream(sock: Sock, remote: End) -> u8 {
    if remote.port == 0 {
        0
    } else if get::<u32>(sock.at, F::SockMaxAckBacklog) != 0 {
        sock_flags::SERVER
    } else {
        sock_flags::CLIENT
    }
}

/// Address of the bound name of a Unix socket, 0 where it has none. An abstract name is given without its leading NUL.
#[inline(always)]
pub fn unix_name(sk: u64) -> u64 {
    let addr = ptr(sk, F::UnixAddr);
    if addr == 0 {
        return 0;
    }
    let path = addr + field(F::UnixAddrName) + 2;
    if read::<u8>(path) == 0 { path + 1 } else { path }
}
