//! The connection family on the running kernel.

mod live;

use std::net::{SocketAddr, TcpListener, TcpStream};
use std::os::unix::net::{UnixListener, UnixStream};

use event::{EventType, Frame, SockAddr, SockTuple, sock_flags};
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
