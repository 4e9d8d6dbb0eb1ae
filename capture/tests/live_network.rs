//! The connection family on the running kernel.

#[path = "live/calls.rs"]
mod calls;
mod live;

use std::{
    net::{IpAddr, SocketAddr, TcpListener, TcpStream},
    os::{
        fd::{AsRawFd, FromRawFd, OwnedFd, RawFd},
        unix::net::{UnixListener, UnixStream},
    },
};

use calls::{address as at, call, fd};
use event::{EventType, Frame, SockAddr, SockTuple, flags, sock_flags};
use live::{Live, tid};

const FAMILY: [EventType; 6] = [
    EventType::SOCKET_X,
    EventType::CONNECT_X,
    EventType::ACCEPT_5_X,
    EventType::ACCEPT4_6_X,
    EventType::BIND_X,
    EventType::LISTEN_X,
];

fn address(bytes: &[u8; 16], port: u16, is_v6: bool) -> SocketAddr {
    if is_v6 {
        SocketAddr::new((*bytes).into(), port)
    } else {
        SocketAddr::new([bytes[0], bytes[1], bytes[2], bytes[3]].into(), port)
    }
}

fn check_tcp(bind: &str) {
    let Some(mut live) = Live::start(&FAMILY) else { return };
    let report = live.probe.report();
    assert_eq!(report.refused, []);
    let me = tid();
    let listener = TcpListener::bind(bind).unwrap();
    let server = listener.local_addr().unwrap();
    let client = TcpStream::connect(server).unwrap();
    let local = client.local_addr().unwrap();
    let (accepted, _) = listener.accept().unwrap();
    let of = |ty: EventType| move |f: &Frame<'_>| f.event_type() == ty && f.header().tid == me;

    let bytes = live.wait("socket", of(EventType::SOCKET_X));
    let socket = Frame::parse(&bytes).unwrap();
    let family = if server.is_ipv6() { 10 } else { 2 };
    assert_eq!(socket.param_u32(1), Some(family));
    assert_eq!(socket.param_u32(2).map(|t| t & 0xf), Some(1));
    assert_eq!(socket.trailer().sock().unwrap().proto, 6);

    let bytes = live.wait("bind", of(EventType::BIND_X));
    let frame = Frame::parse(&bytes).unwrap();
    assert_eq!(frame.param_i64(0), Some(0));
    let asked: SocketAddr = bind.parse().unwrap();
    assert_eq!(SockAddr::decode(frame.param(1).unwrap()), Some(SockAddr::Inet(asked)));
    assert_eq!(frame.trailer().sock().unwrap().local_port, server.port());

    let bytes = live.wait("listen", of(EventType::LISTEN_X));
    let frame = Frame::parse(&bytes).unwrap();
    assert_ne!(frame.trailer().sock().unwrap().flags & sock_flags::LISTENING, 0);

    let bytes = live.wait("connect", of(EventType::CONNECT_X));
    let frame = Frame::parse(&bytes).unwrap();
    assert_eq!(frame.param_i64(0), Some(0));
    let tuple = SockTuple::Inet { source: local, dest: server };
    assert_eq!(SockTuple::decode(frame.param(1).unwrap()), Some(tuple));
    assert_eq!(SockAddr::decode(frame.param(3).unwrap()), Some(SockAddr::Inet(server)));
    let sock = frame.trailer().sock().unwrap();
    assert_eq!(address(&sock.local, sock.local_port, server.is_ipv6()), local);
    assert_eq!(address(&sock.remote, sock.remote_port, server.is_ipv6()), server);
    assert_ne!(sock.flags & sock_flags::CONNECTED, 0);
    assert_eq!((u32::from(sock.family), sock.ty, sock.proto), (family, 1, 6));

    let bytes = live.wait("accept4", of(EventType::ACCEPT4_6_X));
    let frame = Frame::parse(&bytes).unwrap();
    assert_eq!(SockTuple::decode(frame.param(1).unwrap()), Some(tuple));
    let sock = frame.trailer().sock().unwrap();
    assert_eq!(address(&sock.remote, sock.remote_port, server.is_ipv6()), local);
    assert_eq!(sock.flags & sock_flags::ACCEPTED, sock_flags::ACCEPTED);
    drop(accepted);
    live.finish();
}

#[test]
fn tcp_over_ipv4_has_both_ends() {
    check_tcp("127.0.0.1:0");
}

#[test]
fn tcp_over_ipv6_has_both_ends() {
    if TcpListener::bind("[::1]:0").is_err() {
        eprintln!("skipped: no IPv6 loopback here");
        return;
    }
    check_tcp("[::1]:0");
}

#[test]
fn a_refused_connect_says_whom_it_wanted() {
    let Some(mut live) = Live::start(&FAMILY) else { return };
    let me = tid();
    let free = TcpListener::bind("127.0.0.1:0").unwrap();
    let server = free.local_addr().unwrap();
    drop(free);
    TcpStream::connect(server).unwrap_err();
    let bytes =
        live.wait("connect", |f| f.event_type() == EventType::CONNECT_X && f.header().tid == me);
    let frame = Frame::parse(&bytes).unwrap();
    assert_eq!(frame.param_i64(0), Some(-111));
    assert_eq!(frame.param(1), Some(&[][..]));
    assert_eq!(SockAddr::decode(frame.param(3).unwrap()), Some(SockAddr::Inet(server)));
    let sock = frame.trailer().sock().unwrap();
    assert_eq!(address(&sock.remote, sock.remote_port, false), server);
    assert_eq!(sock.flags & sock_flags::CONNECTED, 0);
    live.finish();
}

#[test]
fn unix_sockets_have_their_path() {
    let Some(mut live) = Live::start(&FAMILY) else { return };
    let me = tid();
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("s");
    let listener = UnixListener::bind(&path).unwrap();
    let client = UnixStream::connect(&path).unwrap();
    let (server, _) = listener.accept().unwrap();
    let name = path.to_str().unwrap().as_bytes();
    let bytes =
        live.wait("connect", |f| f.event_type() == EventType::CONNECT_X && f.header().tid == me);
    let frame = Frame::parse(&bytes).unwrap();
    assert_eq!(SockAddr::decode(frame.param(3).unwrap()), Some(SockAddr::Unix(name)));
    let Some(SockTuple::Unix { path: tuple, .. }) = SockTuple::decode(frame.param(1).unwrap())
    else {
        panic!("no Unix tuple");
    };
    assert_eq!(tuple, name);
    assert_eq!(frame.trailer().sock().unwrap().path, name);
    drop((client, server));
    live.finish();
}

/// A socket, whose frame is checked.
fn socket(live: &mut Live, domain: u64, ty: u64, proto: u64) -> OwnedFd {
    let n = call(libc::SYS_socket, [domain, ty, proto]);
    assert!(n >= 0, "socket {domain} {ty} {proto}: {n}");
    let bytes = frame_of(live, EventType::SOCKET_X, n);
    let frame = Frame::parse(&bytes).unwrap();
    assert_eq!(frame.param_u32(1).map(u64::from), Some(domain));
    assert_eq!(frame.param_u32(2).map(u64::from), Some(ty));
    assert_eq!(frame.param_u32(3).map(u64::from), Some(proto));
    let sock = frame.trailer().sock().unwrap();
    assert_eq!((u64::from(sock.family), u64::from(sock.ty)), (domain, ty & 0xf));
    // SAFETY: the descriptor is new and nobody else's.
    unsafe { OwnedFd::from_raw_fd(i32::try_from(n).unwrap()) }
}

fn frame_of(live: &mut Live, ty: EventType, res: i64) -> Vec<u8> {
    let me = tid();
    live.wait(&format!("{ty:?} with result {res}"), |f| {
        f.event_type() == ty && f.header().tid == me && f.param_i64(0) == Some(res)
    })
}

/// `struct sockaddr_in` or `sockaddr_in6`.
fn raw(addr: SocketAddr) -> Vec<u8> {
    let mut out = Vec::from(if addr.is_ipv6() { 10u16 } else { 2 }.to_ne_bytes());
    out.extend(addr.port().to_be_bytes());
    match addr.ip() {
        IpAddr::V4(ip) => out.extend(ip.octets().into_iter().chain([0; 8])),
        IpAddr::V6(ip) => out.extend([0; 4].into_iter().chain(ip.octets()).chain([0; 4])),
    }
    out
}

const NO_FD: RawFd = -1;
const NOWHERE: u64 = 8;
const EBADF: i64 = -9;
const EAGAIN: i64 = -11;
const EFAULT: i64 = -14;
const EINVAL: i64 = -22;
const ENOTSOCK: i64 = -88;
const EADDRINUSE: i64 = -98;
const EAFNOSUPPORT: i64 = -97;
const EINPROGRESS: i64 = -115;

#[test]
fn failing_socket_bind_and_listen() {
    let Some(mut live) = Live::start(&FAMILY) else { return };
    let file = std::fs::File::open("Cargo.toml").unwrap();
    for (domain, ty, res) in [(0xff, 1, EAFNOSUPPORT), (2, 0xf, EINVAL)] {
        assert_eq!(call(libc::SYS_socket, [domain, ty, 0]), res);
        let bytes = frame_of(&mut live, EventType::SOCKET_X, res);
        let frame = Frame::parse(&bytes).unwrap();
        assert_eq!(frame.param_u32(2).map(u64::from), Some(ty));
        assert!(frame.trailer().sock().is_none());
    }
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let addr = taken.local_addr().unwrap();
    let name = raw(addr);
    let free = socket(&mut live, 2, 1, 6);
    let cases = [
        (NO_FD, at(&name), EBADF),
        (free.as_raw_fd(), at(&name), EADDRINUSE),
        (free.as_raw_fd(), NOWHERE, EFAULT),
    ];
    for (n, place, res) in cases {
        assert_eq!(call(libc::SYS_bind, [fd(n), place, 16]), res);
        let bytes = frame_of(&mut live, EventType::BIND_X, res);
        let frame = Frame::parse(&bytes).unwrap();
        assert_eq!(frame.param_i64(2), Some(i64::from(n)));
        let passed = SockAddr::decode(frame.param(1).unwrap());
        assert_eq!(passed, (place != NOWHERE).then_some(SockAddr::Inet(addr)));
        assert_eq!(frame.has(flags::FAULTED), place == NOWHERE);
        assert_eq!(frame.trailer().sock().is_some(), n != NO_FD);
    }
    for (n, res) in [(NO_FD, EBADF), (file.as_raw_fd(), ENOTSOCK)] {
        assert_eq!(call(libc::SYS_listen, [fd(n), 7]), res);
        let bytes = frame_of(&mut live, EventType::LISTEN_X, res);
        let frame = Frame::parse(&bytes).unwrap();
        assert_eq!((frame.param_i64(1), frame.param_u32(2)), (Some(i64::from(n)), Some(7)));
        assert!(frame.trailer().sock().is_none());
    }
    live.finish();
}

#[test]
fn failing_connect_and_accept() {
    let Some(mut live) = Live::start(&FAMILY) else { return };
    let file = std::fs::File::open("Cargo.toml").unwrap();
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    listener.set_nonblocking(true).unwrap();
    let name = raw(listener.local_addr().unwrap());
    for (n, res) in [(NO_FD, EBADF), (file.as_raw_fd(), ENOTSOCK)] {
        assert_eq!(call(libc::SYS_connect, [fd(n), at(&name), 16]), res);
        let bytes = frame_of(&mut live, EventType::CONNECT_X, res);
        let frame = Frame::parse(&bytes).unwrap();
        assert_eq!((frame.param(1), frame.param_i64(2)), (Some(&[][..]), Some(i64::from(n))));
        assert!(SockAddr::decode(frame.param(3).unwrap()).is_some());
    }
    for (n, res) in [(NO_FD, EBADF), (listener.as_raw_fd(), EAGAIN)] {
        for (nr, ty) in
            [(libc::SYS_accept, EventType::ACCEPT_5_X), (libc::SYS_accept4, EventType::ACCEPT4_6_X)]
        {
            assert_eq!(call(nr, [fd(n), 0, 0, 0]), res);
            let bytes = frame_of(&mut live, ty, res);
            let frame = Frame::parse(&bytes).unwrap();
            assert_eq!(frame.param(1), Some(&[][..]));
            // The listener's queue.
            assert_eq!(frame.param_u32(3), Some(0));
            assert_eq!(frame.param_u32(4).unwrap() > 0, n != NO_FD);
            let sock = frame.trailer().sock();
            assert_eq!(sock.is_some_and(|s| s.flags & sock_flags::ACCEPTED == 0), n != NO_FD);
        }
    }
    live.finish();
}

/// A connection under way has both ends and is not made yet.
#[test]
fn a_connect_that_does_not_wait_has_both_ends() {
    let Some(mut live) = Live::start(&FAMILY) else { return };
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    // SAFETY: makes the queue of an open socket shorter.
    assert_eq!(unsafe { libc::listen(listener.as_raw_fd(), 0) }, 0);
    let to = listener.local_addr().unwrap();
    let name = raw(to);
    let nonblocking = 0o4000;
    let sockets: Vec<OwnedFd> = (0..3).map(|_| socket(&mut live, 2, 1 | nonblocking, 6)).collect();
    // The queue takes one; the third has to wait at the latest.
    for s in &sockets {
        call(libc::SYS_connect, [fd(s.as_raw_fd()), at(&name), 16]);
    }
    let last = i64::from(sockets[2].as_raw_fd());
    let me = tid();
    let bytes = live.wait("connect of the third", |f| {
        f.event_type() == EventType::CONNECT_X
            && f.header().tid == me
            && f.param_i64(2) == Some(last)
    });
    let frame = Frame::parse(&bytes).unwrap();
    assert_eq!(frame.param_i64(0), Some(EINPROGRESS));
    let Some(SockTuple::Inet { source, dest }) = SockTuple::decode(frame.param(1).unwrap()) else {
        panic!("no tuple");
    };
    assert_eq!(dest, to);
    let sock = frame.trailer().sock().unwrap();
    assert_eq!(source.port(), sock.local_port);
    assert_eq!(address(&sock.remote, sock.remote_port, false), to);
    assert_eq!(sock.flags, sock_flags::CLIENT | sock_flags::PEER_CHANGED);
    live.finish();
}

/// Families without addresses that we know.
#[test]
fn netlink_and_packet_sockets_are_told() {
    let Some(mut live) = Live::start(&FAMILY) else { return };
    let netlink = socket(&mut live, 16, 3, 0);
    let name = [16u16, 0, 0, 0, 0, 0];
    let args = [fd(netlink.as_raw_fd()), at(&name), 12];
    assert_eq!(call(libc::SYS_connect, args), 0);
    let bytes = frame_of(&mut live, EventType::CONNECT_X, 0);
    let frame = Frame::parse(&bytes).unwrap();
    assert_eq!(SockAddr::decode(frame.param(3).unwrap()), Some(SockAddr::Other(16)));
    assert_eq!(frame.trailer().sock().unwrap().family, 16);
    // ETH_P_ALL in network order.
    let packets = call(libc::SYS_socket, [17, 3, 0x300]);
    if packets < 0 {
        eprintln!("skipped: packet sockets: errno {}", -packets);
        return;
    }
    let bytes = frame_of(&mut live, EventType::SOCKET_X, packets);
    let frame = Frame::parse(&bytes).unwrap();
    assert_eq!((frame.param_u32(1), frame.param_u32(3)), (Some(17), Some(0x300)));
    assert_eq!(frame.trailer().sock().unwrap().family, 17);
    assert_eq!(call(libc::SYS_close, [packets.cast_unsigned()]), 0);
    live.finish();
}
