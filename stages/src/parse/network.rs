//! socket, connect, accept, accept4, bind, listen.

use event::{EventType, Frame, SockAddr, SockFacts, SockTuple};

use super::{i64_of, params, u32_of};

/// Which end of a connection the process is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// It connected: the remote end is the server.
    Client,
    /// It accepted, or listens: the local end is the server.
    Server,
    /// The call does not tell.
    Unknown,
}

/// A call that makes or uses a socket.
#[derive(Clone, Copy, Debug)]
pub struct Socket<'a> {
    /// Result of the call: for socket and accept the descriptor, or an errno.
    pub res: i64,
    /// The descriptor that was made or used.
    pub fd: i64,
    /// Which end the process is.
    pub role: Role,
    /// Domain, type and protocol that socket was called with.
    pub made: Option<(u32, u32, u32)>,
    /// The connection as the parameters have it.
    pub tuple: Option<SockTuple<'a>>,
    /// The address that the process passed.
    pub addr: Option<SockAddr<'a>>,
    /// The socket itself; live frames only.
    pub sock: Option<SockFacts<'a>>,
    /// The source of the tuple is the peer: something was received, or the process is the server.
    pub is_inbound: bool,
}

impl<'a> Socket<'a> {
    pub(super) fn parse(frame: &Frame<'a>) -> Self {
        let p: [&[u8]; 5] = params(frame);
        let res = i64_of(p[0]).unwrap_or(-1);
        let fd_at = |n: usize| i64_of(p[n]).unwrap_or(-1);
        let base = Self {
            res,
            fd: res,
            role: Role::Unknown,
            made: None,
            tuple: None,
            addr: None,
            sock: frame.trailer().sock(),
            is_inbound: false,
        };
        match frame.event_type() {
            EventType::SOCKET_X => {
                let made = u32_of(p[1]).zip(u32_of(p[2])).zip(u32_of(p[3]));
                Self { made: made.map(|((domain, ty), proto)| (domain, ty, proto)), ..base }
            }
            EventType::BIND_X => {
                Self { fd: fd_at(2), role: Role::Server, addr: SockAddr::decode(p[1]), ..base }
            }
            EventType::CONNECT_X => Self {
                fd: fd_at(2),
                role: Role::Client,
                tuple: SockTuple::decode(p[1]),
                addr: SockAddr::decode(p[3]),
                ..base
            },
            EventType::LISTEN_X => Self { fd: fd_at(1), role: Role::Server, ..base },
            _ => Self {
                role: Role::Server,
                tuple: SockTuple::decode(p[1]),
                is_inbound: true,
                ..base
            },
        }
    }
}
