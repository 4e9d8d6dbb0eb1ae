//! Which end of a socket a process is, of sockets that were open before the programs were attached, and of TCP sockets, which show it themselves.

mod live;

use std::{
    net::{Ipv4Addr, SocketAddrV4, TcpListener, TcpStream, UdpSocket},
    os::{
        fd::{AsRawFd, FromRawFd, OwnedFd, RawFd},
        unix::net::{UnixListener, UnixStream},
    },
};

use capture::{Asked, ProbeOptions, TableLimits};
use event::{EventSet, EventType, Frame, sock_flags};
use live::Live;

/// Flags of the socket that a byte is written to.
fn flags_of(live: &mut Live, fd: RawFd) -> u8 {
    live.drain();
    live.frames.clear();
    // SAFETY: a byte to an open descriptor.
    assert_eq!(unsafe { libc::write(fd, c"x".as_ptr().cast(), 1) }, 1);
    let me = live::tid();
    let bytes = live.wait("write", |f| {
        let facts = f.trailer().sock();
        f.event_type() == EventType::WRITE_X && f.header().tid == me && facts.is_some()
    });
    Frame::parse(&bytes).unwrap().trailer().sock().unwrap().flags
}

fn start() -> Option<Live> {
    start_with(TableLimits::default())
}

fn start_with(tables: TableLimits) -> Option<Live> {
    let types: EventSet = [EventType::WRITE_X].into_iter().collect();
    Live::with(ProbeOptions {
        interest: types,
        asked: Asked { descriptors: types, ..Asked::default() },
        tables,
        ..ProbeOptions::default()
    })
}

#[test]
fn both_ends_of_a_connection_are_known() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let client = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
    let (server, _) = listener.accept().unwrap();
    let six = TcpListener::bind("[::1]:0").unwrap();
    let client_six = TcpStream::connect(six.local_addr().unwrap()).unwrap();
    let (server_six, _) = six.accept().unwrap();
    // Its listener is gone.
    drop(six);
    let Some(mut live) = start() else { return };
    let connected = sock_flags::CONNECTED;
    for (stream, role) in [
        (&client, sock_flags::CLIENT),
        (&server, sock_flags::SERVER),
        (&client_six, sock_flags::CLIENT),
        (&server_six, sock_flags::SERVER),
    ] {
        let flags = flags_of(&mut live, stream.as_raw_fd());
        assert_eq!(flags, connected | role);
    }
    live.finish();
}

#[test]
fn ends_of_unix_and_datagram_sockets_are_known() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("socket");
    let listener = UnixListener::bind(&path).unwrap();
    let client = UnixStream::connect(&path).unwrap();
    let (server, _) = listener.accept().unwrap();
    let (one, other) = UnixStream::pair().unwrap();
    let udp = UdpSocket::bind("127.0.0.1:0").unwrap();
    let to_udp = UdpSocket::bind("127.0.0.1:0").unwrap();
    to_udp.connect(udp.local_addr().unwrap()).unwrap();
    let Some(mut live) = start() else { return };
    for (stream, role) in
        [(&client, sock_flags::CLIENT), (&server, sock_flags::SERVER), (&one, 0), (&other, 0)]
    {
        let flags = flags_of(&mut live, stream.as_raw_fd());
        assert_eq!(flags, sock_flags::CONNECTED | role);
    }
    let flags = flags_of(&mut live, to_udp.as_raw_fd());
    assert_eq!(flags, sock_flags::CONNECTED | sock_flags::CLIENT);
    live.finish();
}

/// More of them than there is room for in the table of the past of sockets.
#[test]
fn ends_of_tcp_connections_need_no_entry() {
    let tables = TableLimits { sockets: 8, ..TableLimits::default() };
    let Some(mut live) = start_with(tables) else { return };
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let before = live.probe.counters().sockets_forgotten;
    let ends: Vec<_> = (0..100)
        .map(|_| {
            let client = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
            (client, listener.accept().unwrap().0)
        })
        .collect();
    assert_eq!(live.probe.counters().sockets_forgotten, before);
    for (client, server) in &ends {
        let connected = sock_flags::CONNECTED;
        let flags = [client, server].map(|end| flags_of(&mut live, end.as_raw_fd()));
        assert_eq!(flags, [connected | sock_flags::CLIENT, connected | sock_flags::SERVER]);
    }
    live.finish();
}

/// What was accepted from a listener that lets nobody wait looks like what connected, and what was bound before it connected is a server until then.
#[test]
fn tcp_sockets_that_show_another_end_have_an_entry() {
    let Some(mut live) = start() else { return };
    let stream = || {
        // SAFETY: a descriptor of its own, or -1, which is refused.
        unsafe {
            let fd = libc::socket(libc::AF_INET, libc::SOCK_STREAM | libc::SOCK_CLOEXEC, 0);
            assert!(fd >= 0);
            OwnedFd::from_raw_fd(fd)
        }
    };
    let len = size_of::<libc::sockaddr_in>() as u32;
    let address = |port: u16| {
        // SAFETY: all zeroes is an address.
        let mut out: libc::sockaddr_in = unsafe { std::mem::zeroed() };
        out.sin_family = libc::AF_INET as u16;
        out.sin_port = port.to_be();
        out.sin_addr.s_addr = u32::from(Ipv4Addr::LOCALHOST).to_be();
        out
    };
    // One that is free now.
    let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    // SAFETY: makes the queue of an open socket shorter.
    assert_eq!(unsafe { libc::listen(listener.as_raw_fd(), 0) }, 0);
    let client = stream();
    let own = address(port);
    // SAFETY: an address of that length.
    assert_eq!(unsafe { libc::bind(client.as_raw_fd(), (&raw const own).cast(), len) }, 0);
    let to = address(listener.local_addr().unwrap().port());
    // SAFETY: as above.
    assert_eq!(unsafe { libc::connect(client.as_raw_fd(), (&raw const to).cast(), len) }, 0);
    let (server, peer) = listener.accept().unwrap();
    assert_eq!(peer, SocketAddrV4::new(Ipv4Addr::LOCALHOST, port).into());
    let flags = [client.as_raw_fd(), server.as_raw_fd()].map(|fd| flags_of(&mut live, fd));
    let connected = sock_flags::CONNECTED;
    assert_eq!(flags, [connected | sock_flags::CLIENT, connected | sock_flags::SERVER]);
    live.finish();
}
