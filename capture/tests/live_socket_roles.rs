//! Which end of a socket a process is, of sockets that were open before the programs were attached.

mod live;

use std::{
    net::{TcpListener, TcpStream, UdpSocket},
    os::{
        fd::{AsRawFd, RawFd},
        unix::net::{UnixListener, UnixStream},
    },
};

use capture::{Asked, ProbeOptions};
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
    let types: EventSet = [EventType::WRITE_X].into_iter().collect();
    Live::with(ProbeOptions {
        interest: types,
        asked: Asked { descriptors: types, ..Asked::default() },
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
