//! Sending and receiving over sockets on the running kernel: what was moved, between whom, and what the past tells.

#[path = "live/calls.rs"]
mod calls;
mod live;

use std::{
    io::IoSlice,
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpListener, TcpStream, UdpSocket},
    os::{
        fd::{AsRawFd, RawFd},
        unix::net::UnixDatagram,
    },
    sync::atomic::{AtomicU32, Ordering},
    time::Instant,
};

use calls::{address, call, fd};
use capture::{Asked, ProbeOptions};
use event::{EventSet, EventType, Frame, SockFacts, SockTuple, flags, sock_flags};
use live::{Live, tid};

const EBADF: i64 = -9;
const EAGAIN: i64 = -11;
const EFAULT: i64 = -14;
const EPIPE: i64 = -32;
const ENOTSOCK: i64 = -88;
const EDESTADDRREQ: i64 = -89;
const ENOTCONN: i64 = -107;
/// Nothing is mapped here.
const NOWHERE: u64 = 8;
const NO_FD: RawFd = -1;
const SNAPLEN: usize = 12;

fn start(types: &[EventType]) -> Option<Live> {
    let interest: EventSet = types.iter().copied().collect();
    let asked = Asked { snaplen: SNAPLEN, ..Asked::default() };
    let live = Live::with(ProbeOptions { interest, asked, ..ProbeOptions::default() })?;
    assert_eq!(live.probe.report().refused, []);
    Some(live)
}

/// Which parameter is the descriptor.
fn fd_at(ty: EventType) -> usize {
    match ty {
        EventType::SENDMMSG_X | EventType::RECVMMSG_X | EventType::SHUTDOWN_X => 1,
        EventType::RECVFROM_X => 3,
        EventType::RECVMSG_X => 5,
        _ => 2,
    }
}

/// The first frame of this thread's call with this result on this descriptor.
fn frame_of(live: &mut Live, ty: EventType, n: RawFd, res: i64) -> Vec<u8> {
    let me = tid();
    live.wait(&format!("{ty:?} with result {res}"), |f| {
        f.event_type() == ty
            && f.header().tid == me
            && f.param_i64(0) == Some(res)
            && f.param_i64(fd_at(ty)) == Some(i64::from(n))
    })
}

fn ends(sock: &SockFacts<'_>) -> (SocketAddr, SocketAddr) {
    let ip = |bytes: &[u8; 16]| match sock.family {
        10 => IpAddr::V6(Ipv6Addr::from(*bytes)),
        _ => IpAddr::V4(Ipv4Addr::new(bytes[0], bytes[1], bytes[2], bytes[3])),
    };
    let local = SocketAddr::new(ip(&sock.local), sock.local_port);
    (local, SocketAddr::new(ip(&sock.remote), sock.remote_port))
}

fn tuple_of(frame: &Frame<'_>, n: usize) -> Option<(SocketAddr, SocketAddr)> {
    match SockTuple::decode(frame.param(n)?)? {
        SockTuple::Inet { source, dest } => Some((source, dest)),
        _ => None,
    }
}

/// An address as the kernel takes it.
fn raw(addr: SocketAddr) -> Vec<u8> {
    let mut out = Vec::new();
    match addr.ip() {
        IpAddr::V4(ip) => {
            out.extend(2u16.to_ne_bytes());
            out.extend(addr.port().to_be_bytes());
            out.extend(ip.octets());
            out.extend([0; 8]);
        }
        IpAddr::V6(ip) => {
            out.extend(10u16.to_ne_bytes());
            out.extend(addr.port().to_be_bytes());
            out.extend([0; 4]);
            out.extend(ip.octets());
            out.extend([0; 4]);
        }
    }
    out
}

/// `struct user_msghdr`.
fn header(name: &[u8], slices: &[[u64; 2]], control: &[u64]) -> [u64; 7] {
    let name_at = if name.is_empty() { 0 } else { address(name) };
    let control_at = if control.is_empty() { 0 } else { address(control) };
    let lens = [name.len() as u64, slices.len() as u64, 8 * control.len() as u64];
    [name_at, lens[0], address(slices), lens[1], control_at, lens[2], 0]
}

fn slice(bytes: &[u8]) -> [u64; 2] {
    [address(bytes), bytes.len() as u64]
}

fn has_ipv6() -> bool {
    let has = UdpSocket::bind("[::1]:0").is_ok();
    if !has {
        eprintln!("skipped: no IPv6 loopback here");
    }
    has
}

fn loopbacks() -> Vec<&'static str> {
    if has_ipv6() { vec!["127.0.0.1:0", "[::1]:0"] } else { vec!["127.0.0.1:0"] }
}

const DATAGRAMS: [EventType; 3] = [EventType::SENDTO_X, EventType::RECVFROM_X, EventType::BIND_X];

#[test]
fn unconnected_datagrams_name_both_ends() {
    for bind in loopbacks() {
        let Some(mut live) = start(&DATAGRAMS) else { return };
        let server = UdpSocket::bind(bind).unwrap();
        let client = UdpSocket::bind(bind).unwrap();
        let (to, from) = (server.local_addr().unwrap(), client.local_addr().unwrap());
        let text = b"a message of many bytes";
        client.send_to(text, to).unwrap();
        let bytes = frame_of(&mut live, EventType::SENDTO_X, client.as_raw_fd(), 23);
        let frame = Frame::parse(&bytes).unwrap();
        assert_eq!(frame.param(1), Some(&text[..SNAPLEN]));
        assert_eq!(frame.param_u32(3), Some(23));
        assert_eq!(tuple_of(&frame, 4), Some((from, to)));
        let sock = frame.trailer().sock().unwrap();
        assert_eq!(ends(&sock), (from, to));
        assert_eq!((sock.ty, sock.proto), (2, 17));
        let out = sock_flags::CLIENT | sock_flags::PEER_CHANGED;
        assert_eq!(sock.flags, out, "unconnected, first to send, first peer");

        let mut buffer = [0; 100];
        server.recv_from(&mut buffer).unwrap();
        let bytes = frame_of(&mut live, EventType::RECVFROM_X, server.as_raw_fd(), 23);
        let frame = Frame::parse(&bytes).unwrap();
        assert_eq!(frame.param(1), Some(&text[..SNAPLEN]));
        assert_eq!(frame.param_u32(4), Some(100));
        // From the sender to the receiver.
        assert_eq!(tuple_of(&frame, 2), Some((from, to)));
        let sock = frame.trailer().sock().unwrap();
        assert_eq!(ends(&sock), (to, from));
        assert_eq!(sock.flags, sock_flags::SERVER | sock_flags::PEER_CHANGED);
        live.finish();
    }
}

#[test]
fn a_changed_peer_is_told_once() {
    let Some(mut live) = start(&DATAGRAMS) else { return };
    let servers = [(), ()].map(|()| UdpSocket::bind("127.0.0.1:0").unwrap());
    let client = UdpSocket::bind("127.0.0.1:0").unwrap();
    let n = client.as_raw_fd();
    for (to, len, changed) in [(0, 1, true), (0, 2, false), (1, 3, true), (0, 4, true)] {
        client.send_to(&b"1234"[..len], servers[to].local_addr().unwrap()).unwrap();
        let bytes = frame_of(&mut live, EventType::SENDTO_X, n, i64::try_from(len).unwrap());
        let frame = Frame::parse(&bytes).unwrap();
        let sock = frame.trailer().sock().unwrap();
        assert_eq!(sock.flags & sock_flags::PEER_CHANGED != 0, changed, "message {len}");
        assert_eq!(ends(&sock).1, servers[to].local_addr().unwrap());
    }
    // Another socket that gets the same number has no past.
    drop(client);
    let again = UdpSocket::bind("127.0.0.1:0").unwrap();
    again.send_to(b"12345", servers[0].local_addr().unwrap()).unwrap();
    let bytes = frame_of(&mut live, EventType::SENDTO_X, again.as_raw_fd(), 5);
    let frame = Frame::parse(&bytes).unwrap();
    assert_ne!(frame.trailer().sock().unwrap().flags & sock_flags::PEER_CHANGED, 0);
    live.finish();
}

#[test]
fn a_connected_datagram_socket_that_sends_elsewhere_says_so() {
    let Some(mut live) = start(&[EventType::CONNECT_X, EventType::SENDTO_X]) else { return };
    let servers = [(), ()].map(|()| UdpSocket::bind("127.0.0.1:0").unwrap());
    let [near, far] = [0, 1].map(|n| servers[n].local_addr().unwrap());
    let client = UdpSocket::bind("127.0.0.1:0").unwrap();
    client.connect(near).unwrap();
    client.send(b"1").unwrap();
    client.send_to(b"12", far).unwrap();
    let from = client.local_addr().unwrap();
    let bytes = frame_of(&mut live, EventType::CONNECT_X, client.as_raw_fd(), 0);
    let sock = Frame::parse(&bytes).unwrap().trailer().sock().unwrap().flags;
    let known = sock_flags::CONNECTED | sock_flags::CLIENT;
    assert_eq!(sock, known | sock_flags::PEER_CHANGED);
    let bytes = frame_of(&mut live, EventType::SENDTO_X, client.as_raw_fd(), 1);
    let frame = Frame::parse(&bytes).unwrap();
    assert_eq!(tuple_of(&frame, 4), Some((from, near)));
    assert_eq!(frame.trailer().sock().unwrap().flags, known);
    let bytes = frame_of(&mut live, EventType::SENDTO_X, client.as_raw_fd(), 2);
    let frame = Frame::parse(&bytes).unwrap();
    assert_eq!(tuple_of(&frame, 4), Some((from, far)));
    let sock = frame.trailer().sock().unwrap();
    assert_eq!(ends(&sock).1, far);
    assert_eq!(sock.flags, sock_flags::CLIENT | sock_flags::PEER_CHANGED);
    live.finish();
}

/// Families that the kernel takes for another do not hide the peer.
#[test]
fn addresses_of_odd_families_are_taken_as_the_kernel_takes_them() {
    let Some(mut live) = start(&[EventType::SENDTO_X]) else { return };
    let server = UdpSocket::bind("127.0.0.1:0").unwrap();
    let to = server.local_addr().unwrap();
    let client = UdpSocket::bind("127.0.0.1:0").unwrap();
    let mut name = raw(to);
    name[..2].copy_from_slice(&[0, 0]);
    let n = client.as_raw_fd();
    let args = [fd(n), address(b"123"), 3, 0, address(&name), 16];
    assert_eq!(call(libc::SYS_sendto, args), 3);
    let bytes = frame_of(&mut live, EventType::SENDTO_X, n, 3);
    let frame = Frame::parse(&bytes).unwrap();
    assert_eq!(tuple_of(&frame, 4).unwrap().1, to);

    if has_ipv6() {
        let n = i32::try_from(call(libc::SYS_socket, [10, 2, 0])).unwrap();
        let name = raw(to);
        let args = [fd(n), address(b"1234"), 4, 0, address(&name), 16];
        assert_eq!(call(libc::SYS_sendto, args), 4);
        let bytes = frame_of(&mut live, EventType::SENDTO_X, n, 4);
        let frame = Frame::parse(&bytes).unwrap();
        let mapped = SocketAddr::new("::ffff:127.0.0.1".parse().unwrap(), to.port());
        assert_eq!(tuple_of(&frame, 4).unwrap().1, mapped);
        assert_eq!(call(libc::SYS_close, [fd(n)]), 0);
    }
    live.finish();
}

#[test]
fn failing_sendto_and_recvfrom() {
    let Some(mut live) = start(&DATAGRAMS) else { return };
    let file = std::fs::File::open("Cargo.toml").unwrap();
    let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
    socket.set_nonblocking(true).unwrap();
    let text = *b"hello";
    let sends = [
        (NO_FD, address(&text), EBADF),
        (file.as_raw_fd(), address(&text), ENOTSOCK),
        (socket.as_raw_fd(), address(&text), EDESTADDRREQ),
    ];
    for (n, at, res) in sends {
        assert_eq!(call(libc::SYS_sendto, [fd(n), at, 5, 0, 0, 0]), res);
        let bytes = frame_of(&mut live, EventType::SENDTO_X, n, res);
        let frame = Frame::parse(&bytes).unwrap();
        assert_eq!((frame.param(1), frame.param_u32(3)), (Some(&text[..]), Some(5)));
        assert_eq!(frame.trailer().sock().is_some(), n == socket.as_raw_fd());
    }
    let name = raw(socket.local_addr().unwrap());
    let n = socket.as_raw_fd();
    assert_eq!(call(libc::SYS_sendto, [fd(n), NOWHERE, 5, 0, address(&name), 16]), EFAULT);
    let bytes = frame_of(&mut live, EventType::SENDTO_X, n, EFAULT);
    let frame = Frame::parse(&bytes).unwrap();
    assert!(frame.has(flags::FAULTED));
    assert_eq!(frame.param(1), Some(&[][..]));
    let sock = frame.trailer().sock().unwrap();
    assert_eq!(sock.flags & sock_flags::PEER_CHANGED, 0, "a failing call changes nothing");
    for (n, res) in [(NO_FD, EBADF), (n, EAGAIN)] {
        assert_eq!(call(libc::SYS_recvfrom, [fd(n), address(&text), 5, 0, 0, 0]), res);
        let bytes = frame_of(&mut live, EventType::RECVFROM_X, n, res);
        let frame = Frame::parse(&bytes).unwrap();
        assert_eq!((frame.param(1), frame.param(2)), (Some(&[][..]), Some(&[][..])));
        assert_eq!(frame.param_u32(4), Some(5));
    }
    live.finish();
}

#[test]
fn sendmsg_and_recvmsg_have_buffers_names_and_control() {
    for bind in loopbacks() {
        let Some(mut live) = start(&[EventType::SENDMSG_X, EventType::RECVMSG_X]) else { return };
        let server = UdpSocket::bind(bind).unwrap();
        let client = UdpSocket::bind(bind).unwrap();
        let (to, from) = (server.local_addr().unwrap(), client.local_addr().unwrap());
        let name = raw(to);
        let parts = [slice(b"one "), slice(b"two "), slice(b"three")];
        let msg = header(&name, &parts, &[]);
        let n = client.as_raw_fd();
        assert_eq!(call(libc::SYS_sendmsg, [fd(n), address(&msg), 0]), 13);
        let bytes = frame_of(&mut live, EventType::SENDMSG_X, n, 13);
        let frame = Frame::parse(&bytes).unwrap();
        assert_eq!((frame.param(1), frame.param_u32(3)), (Some(&b"one two thre"[..]), Some(13)));
        assert_eq!(tuple_of(&frame, 4), Some((from, to)));
        let sock = frame.trailer().sock().unwrap();
        assert_eq!(ends(&sock), (from, to));
        assert_eq!(sock.flags, sock_flags::CLIENT | sock_flags::PEER_CHANGED);

        let (room, source) = ([[0u8; 6]; 3], [0u8; 28]);
        let parts = [slice(&room[0]), slice(&room[1]), slice(&room[2])];
        let msg = header(&source, &parts, &[]);
        let n = server.as_raw_fd();
        assert_eq!(call(libc::SYS_recvmsg, [fd(n), address(&msg), 0]), 13);
        let bytes = frame_of(&mut live, EventType::RECVMSG_X, n, 13);
        let frame = Frame::parse(&bytes).unwrap();
        assert_eq!((frame.param_u32(1), frame.param(2)), (Some(13), Some(&b"one two thre"[..])));
        assert_eq!(tuple_of(&frame, 3), Some((from, to)));
        assert_eq!(frame.param(4), Some(&[][..]));
        let sock = frame.trailer().sock().unwrap();
        assert_eq!(ends(&sock), (to, from));
        assert_eq!(sock.flags, sock_flags::SERVER | sock_flags::PEER_CHANGED);
        live.finish();
    }
}

#[test]
fn descriptors_that_are_sent_are_in_the_control_bytes() {
    let Some(mut live) = start(&[EventType::SENDMSG_X, EventType::RECVMSG_X]) else { return };
    let (mine, other) = UnixDatagram::pair().unwrap();
    // `struct cmsghdr`: length, SOL_SOCKET, SCM_RIGHTS, one descriptor.
    let rights = [20, 1 | 1 << 32, fd(mine.as_raw_fd()) & 0xffff_ffff];
    let parts = [slice(b"take it")];
    let msg = header(&[], &parts, &rights);
    assert_eq!(call(libc::SYS_sendmsg, [fd(mine.as_raw_fd()), address(&msg), 0]), 7);
    let bytes = frame_of(&mut live, EventType::SENDMSG_X, mine.as_raw_fd(), 7);
    assert_eq!(Frame::parse(&bytes).unwrap().trailer().sock().unwrap().family, 1);
    let (room, control) = ([0u8; 16], [0u64; 8]);
    let parts = [slice(&room)];
    let msg = header(&[], &parts, &control);
    assert_eq!(call(libc::SYS_recvmsg, [fd(other.as_raw_fd()), address(&msg), 0]), 7);
    let bytes = frame_of(&mut live, EventType::RECVMSG_X, other.as_raw_fd(), 7);
    let frame = Frame::parse(&bytes).unwrap();
    assert_eq!(frame.param(2), Some(&b"take it"[..]));
    let got = frame.param(4).unwrap();
    assert!(got.len() >= 20, "{got:?}");
    assert_eq!(got[8..16], (1u64 | 1 << 32).to_ne_bytes());
    let new = i32::from_ne_bytes(got[16..20].try_into().unwrap());
    assert_eq!(call(libc::SYS_close, [fd(new)]), 0);
    live.finish();
}

#[test]
fn failing_sendmsg_and_recvmsg() {
    let Some(mut live) = start(&[EventType::SENDMSG_X, EventType::RECVMSG_X]) else { return };
    let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
    socket.set_nonblocking(true).unwrap();
    let text = *b"hello";
    let parts = [slice(&text)];
    let msg = header(&[], &parts, &[]);
    let n = socket.as_raw_fd();
    for (n, res) in [(NO_FD, EBADF), (n, EDESTADDRREQ)] {
        assert_eq!(call(libc::SYS_sendmsg, [fd(n), address(&msg), 0]), res);
        let bytes = frame_of(&mut live, EventType::SENDMSG_X, n, res);
        let frame = Frame::parse(&bytes).unwrap();
        assert_eq!((frame.param(1), frame.param_u32(3)), (Some(&text[..]), Some(5)));
    }
    assert_eq!(call(libc::SYS_sendmsg, [fd(n), NOWHERE, 0]), EFAULT);
    let bytes = frame_of(&mut live, EventType::SENDMSG_X, n, EFAULT);
    let frame = Frame::parse(&bytes).unwrap();
    assert!(frame.has(flags::FAULTED));
    assert_eq!((frame.param(1), frame.param_u32(3)), (Some(&[][..]), Some(0)));
    for (n, res) in [(NO_FD, EBADF), (n, EAGAIN)] {
        assert_eq!(call(libc::SYS_recvmsg, [fd(n), address(&msg), 0]), res);
        let bytes = frame_of(&mut live, EventType::RECVMSG_X, n, res);
        let frame = Frame::parse(&bytes).unwrap();
        assert_eq!(frame.param_u32(1), Some(0));
        assert_eq!([2, 3, 4].map(|n| frame.param(n)), [Some(&[][..]); 3]);
    }
    live.finish();
}

/// Three messages to three peers and one array of them.
#[test]
fn each_message_of_sendmmsg_and_recvmmsg_is_an_event() {
    let Some(mut live) = start(&[EventType::SENDMMSG_X, EventType::RECVMMSG_X]) else { return };
    let servers = [(), (), ()].map(|()| UdpSocket::bind("127.0.0.1:0").unwrap());
    let client = UdpSocket::bind("127.0.0.1:0").unwrap();
    let from = client.local_addr().unwrap();
    let names: Vec<Vec<u8>> = servers.iter().map(|s| raw(s.local_addr().unwrap())).collect();
    let texts: [&[u8]; 3] = [b"a", b"bb", b"ccc"];
    let parts: Vec<[[u64; 2]; 1]> = texts.iter().map(|t| [slice(t)]).collect();
    let vector = |names: &[Vec<u8>], parts: &[[[u64; 2]; 1]]| -> Vec<[u64; 8]> {
        let headers = names.iter().zip(parts).map(|(name, parts)| header(name, parts, &[]));
        headers.map(|h| [h[0], h[1], h[2], h[3], h[4], h[5], h[6], 0]).collect()
    };
    let sent = vector(&names, &parts);
    let n = client.as_raw_fd();
    assert_eq!(call(libc::SYS_sendmmsg, [fd(n), address(&sent), 3, 0]), 3);
    for (text, server) in texts.iter().zip(&servers) {
        let len = i64::try_from(text.len()).unwrap();
        let bytes = frame_of(&mut live, EventType::SENDMMSG_X, n, len);
        let frame = Frame::parse(&bytes).unwrap();
        assert_eq!((frame.param_u32(2), frame.param(3)), (u32::try_from(len).ok(), Some(*text)));
        let to = server.local_addr().unwrap();
        assert_eq!(tuple_of(&frame, 4), Some((from, to)));
        let sock = frame.trailer().sock().unwrap();
        assert_eq!(ends(&sock), (from, to));
        assert_ne!(sock.flags & sock_flags::PEER_CHANGED, 0);
    }
    let server = &servers[0];
    for text in &texts[1..] {
        client.send_to(text, server.local_addr().unwrap()).unwrap();
    }
    let (rooms, sources) = ([[0u8; 8]; 3], [const { [0u8; 16] }; 3].map(Vec::from));
    let parts: Vec<[[u64; 2]; 1]> = rooms.iter().map(|r| [slice(r)]).collect();
    let received = vector(&sources, &parts);
    let n = server.as_raw_fd();
    assert_eq!(call(libc::SYS_recvmmsg, [fd(n), address(&received), 3, 0, 0]), 3);
    for text in texts {
        let len = i64::try_from(text.len()).unwrap();
        let bytes = frame_of(&mut live, EventType::RECVMMSG_X, n, len);
        let frame = Frame::parse(&bytes).unwrap();
        assert_eq!((frame.param_u32(2), frame.param(3)), (u32::try_from(len).ok(), Some(text)));
        assert_eq!(tuple_of(&frame, 4), Some((from, server.local_addr().unwrap())));
    }
    for (ty, nr) in
        [(EventType::SENDMMSG_X, libc::SYS_sendmmsg), (EventType::RECVMMSG_X, libc::SYS_recvmmsg)]
    {
        for (n, at, res) in [(NO_FD, address(&received), EBADF), (n, NOWHERE, EFAULT)] {
            assert_eq!(call(nr, [fd(n), at, 3, 0x40, 0]), res);
            let bytes = frame_of(&mut live, ty, n, res);
            let frame = Frame::parse(&bytes).unwrap();
            assert_eq!(frame.param_u32(2), Some(0));
            assert_eq!([3, 4].map(|n| frame.param(n)), [Some(&[][..]); 2]);
        }
    }
    live.finish();
}

#[test]
fn roles_of_a_connection_are_kept() {
    let types = [
        EventType::CONNECT_X,
        EventType::ACCEPT4_6_X,
        EventType::LISTEN_X,
        EventType::SENDTO_X,
        EventType::RECVFROM_X,
        EventType::WRITE_X,
        EventType::SHUTDOWN_X,
    ];
    let Some(mut live) = start(&types) else { return };
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let client = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
    let (server, _) = listener.accept().unwrap();
    let (from, to) = (client.local_addr().unwrap(), listener.local_addr().unwrap());
    let (c, s) = (client.as_raw_fd(), server.as_raw_fd());
    let bytes = frame_of(&mut live, EventType::CONNECT_X, c, 0);
    let changed = Frame::parse(&bytes).unwrap().trailer().sock().unwrap().flags;
    let known = sock_flags::CONNECTED | sock_flags::CLIENT;
    assert_eq!(changed, known | sock_flags::PEER_CHANGED);
    let text = *b"hello";
    assert_eq!(call(libc::SYS_sendto, [fd(c), address(&text), 5, 0, 0, 0]), 5);
    let bytes = frame_of(&mut live, EventType::SENDTO_X, c, 5);
    let frame = Frame::parse(&bytes).unwrap();
    assert_eq!(tuple_of(&frame, 4), Some((from, to)));
    assert_eq!(frame.trailer().sock().unwrap().flags, known);
    assert_eq!(call(libc::SYS_recvfrom, [fd(s), address(&text), 5, 0, 0, 0]), 5);
    let bytes = frame_of(&mut live, EventType::RECVFROM_X, s, 5);
    let frame = Frame::parse(&bytes).unwrap();
    assert_eq!(tuple_of(&frame, 2), Some((from, to)));
    let sock = frame.trailer().sock().unwrap();
    assert_eq!(ends(&sock), (to, from));
    assert_eq!(sock.flags, sock_flags::CONNECTED | sock_flags::SERVER);
    // A plain write knows the role, too.
    assert_eq!(call(libc::SYS_write, [fd(s), address(&text), 4]), 4);
    let bytes = frame_of(&mut live, EventType::WRITE_X, s, 4);
    let sock = Frame::parse(&bytes).unwrap().trailer().sock().unwrap().flags;
    assert_eq!(sock, sock_flags::CONNECTED | sock_flags::SERVER);

    assert_eq!(call(libc::SYS_shutdown, [fd(c), 1]), 0);
    let bytes = frame_of(&mut live, EventType::SHUTDOWN_X, c, 0);
    let frame = Frame::parse(&bytes).unwrap();
    assert_eq!(frame.param(2), Some(&[1][..]));
    assert_eq!(ends(&frame.trailer().sock().unwrap()), (from, to));
    assert_eq!(call(libc::SYS_sendto, [fd(c), address(&text), 5, 0x4000, 0, 0]), EPIPE);
    let bytes = frame_of(&mut live, EventType::SENDTO_X, c, EPIPE);
    assert_eq!(Frame::parse(&bytes).unwrap().param(1), Some(&text[..]));
    let idle = UdpSocket::bind("127.0.0.1:0").unwrap();
    for (n, res) in [(NO_FD, EBADF), (idle.as_raw_fd(), ENOTCONN)] {
        assert_eq!(call(libc::SYS_shutdown, [fd(n), 2]), res);
        let bytes = frame_of(&mut live, EventType::SHUTDOWN_X, n, res);
        assert_eq!(Frame::parse(&bytes).unwrap().param(2), Some(&[2][..]));
    }
    live.finish();
}

#[test]
fn unix_datagrams_name_the_path() {
    let Some(mut live) = start(&DATAGRAMS) else { return };
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("in");
    let server = UnixDatagram::bind(&path).unwrap();
    let client = UnixDatagram::unbound().unwrap();
    client.send_to(b"to a path", &path).unwrap();
    let name = path.to_str().unwrap().as_bytes();
    let bytes = frame_of(&mut live, EventType::SENDTO_X, client.as_raw_fd(), 9);
    let frame = Frame::parse(&bytes).unwrap();
    let Some(SockTuple::Unix { path: dest, source, .. }) =
        SockTuple::decode(frame.param(4).unwrap())
    else {
        panic!("no Unix tuple");
    };
    assert_eq!(dest, name);
    assert_ne!(source, 0);
    assert_eq!(frame.trailer().sock().unwrap().path, name);
    let mut buffer = [0; 20];
    server.recv_from(&mut buffer).unwrap();
    let bytes = frame_of(&mut live, EventType::RECVFROM_X, server.as_raw_fd(), 9);
    let frame = Frame::parse(&bytes).unwrap();
    assert_eq!(frame.param(1), Some(&b"to a path"[..]));
    assert_eq!(frame.trailer().sock().unwrap().path, name);
    live.finish();
}

#[test]
fn socketpair_has_both_ends() {
    let ty = EventType::SOCKETPAIR_X;
    let Some(mut live) = start(&[ty]) else { return };
    let fds = [0i32; 2];
    assert_eq!(call(libc::SYS_socketpair, [1, 1, 0, address(&fds)]), 0);
    // The kernel wrote behind the compiler's back.
    let [a, b] = std::hint::black_box(&fds).map(i64::from);
    let me = tid();
    let bytes = live.wait("socketpair", |f| {
        f.event_type() == ty && f.header().tid == me && f.param_i64(0) == Some(0)
    });
    let frame = Frame::parse(&bytes).unwrap();
    assert_eq!((frame.param_i64(1), frame.param_i64(2)), (Some(a), Some(b)));
    assert!(frame.param_u64(3) != frame.param_u64(4) && frame.param_u64(4) != Some(0));
    assert_eq!([5, 6, 7].map(|n| frame.param_u32(n)), [Some(1), Some(1), Some(0)]);
    let sock = frame.trailer().sock().unwrap();
    assert_eq!((sock.family, sock.flags), (1, sock_flags::CONNECTED));
    for (args, res) in [([1, 1, 0, NOWHERE], EFAULT), ([1, 99, 0, address(&fds)], -22)] {
        assert_eq!(call(libc::SYS_socketpair, args), res);
        let bytes = live.wait("failing socketpair", |f| {
            f.event_type() == ty && f.header().tid == me && f.param_i64(0) == Some(res)
        });
        let frame = Frame::parse(&bytes).unwrap();
        assert_eq!((frame.param_i64(1), frame.param_i64(2)), (Some(-1), Some(-1)));
        assert_eq!((frame.param_u64(3), frame.param_u64(4)), (Some(0), Some(0)));
        assert_eq!(u64::from(frame.param_u32(6).unwrap()), args[1]);
    }
    for n in [a, b] {
        assert_eq!(call(libc::SYS_close, [n.cast_unsigned()]), 0);
    }
    live.finish();
}

#[test]
fn without_descriptors_no_past_is_kept() {
    let interest: EventSet = [EventType::SENDTO_X].into_iter().collect();
    let asked = Asked {
        descriptors: EventSet::EMPTY,
        buffers: EventSet::EMPTY,
        snaplen: SNAPLEN,
        ..Asked::default()
    };
    let options = ProbeOptions { interest, asked, ..ProbeOptions::default() };
    let Some(mut live) = Live::with(options) else { return };
    let server = UdpSocket::bind("127.0.0.1:0").unwrap();
    let client = UdpSocket::bind("127.0.0.1:0").unwrap();
    client.send_to(b"hello", server.local_addr().unwrap()).unwrap();
    let bytes = frame_of(&mut live, EventType::SENDTO_X, client.as_raw_fd(), 5);
    let frame = Frame::parse(&bytes).unwrap();
    assert_eq!(frame.param(1), Some(&[][..]));
    assert_eq!(tuple_of(&frame, 4).unwrap().1, server.local_addr().unwrap());
    assert_eq!(frame.trailer().sections().count(), 0);
    live.finish();
}

#[test]
fn vectors_of_a_message_are_bounded() {
    let Some(mut live) = start(&[EventType::SENDMSG_X]) else { return };
    let (mine, _other) = UnixDatagram::pair().unwrap();
    let slices: Vec<IoSlice<'_>> = (0..200).map(|_| IoSlice::new(b"x")).collect();
    let parts: Vec<[u64; 2]> = slices.iter().map(|s| slice(s)).collect();
    let msg = header(&[], &parts, &[]);
    assert_eq!(call(libc::SYS_sendmsg, [fd(mine.as_raw_fd()), address(&msg), 0]), 200);
    let bytes = frame_of(&mut live, EventType::SENDMSG_X, mine.as_raw_fd(), 200);
    let frame = Frame::parse(&bytes).unwrap();
    assert_eq!((frame.param(1), frame.param_u32(3)), (Some(&[b'x'; SNAPLEN][..]), Some(200)));
    live.finish();
}

/// Waits until a thread of this process sleeps in the kernel.
fn wait_asleep(tid: u32) {
    let start = Instant::now();
    loop {
        let stat = std::fs::read_to_string(format!("/proc/self/task/{tid}/stat")).unwrap();
        if stat.rsplit(") ").next().unwrap().starts_with('S') {
            return;
        }
        assert!(start.elapsed() < live::DEADLINE, "thread {tid} does not sleep: {stat}");
        std::thread::yield_now();
    }
}

/// A descriptor that is exchanged while a receiving call waits: the socket of the start counts.
#[test]
fn a_socket_exchanged_during_a_receive_does_not_hide_it() {
    let types = [EventType::RECVFROM_X, EventType::RECVMSG_X, EventType::RECVMMSG_X];
    for (ty, nr) in
        types.into_iter().zip([libc::SYS_recvfrom, libc::SYS_recvmsg, libc::SYS_recvmmsg])
    {
        let interest: EventSet = types.into_iter().collect();
        let asked = Asked { entry: interest, ..Asked::default() };
        let options = ProbeOptions { interest, asked, ..ProbeOptions::default() };
        let Some(mut live) = Live::with(options) else { return };
        assert_eq!(live.probe.report().refused, []);
        let server = UdpSocket::bind("127.0.0.1:0").unwrap();
        let to = server.local_addr().unwrap();
        // The socket lives on behind another descriptor, so that it can be sent to.
        let copy = server.try_clone().unwrap();
        let decoy = UdpSocket::bind("127.0.0.1:0").unwrap();
        let n = server.as_raw_fd();
        let caller = AtomicU32::new(0);
        std::thread::scope(|scope| {
            scope.spawn(|| {
                let room = [0u8; 16];
                let parts = [slice(&room)];
                let mut msg = [0; 8];
                msg[..7].copy_from_slice(&header(&[], &parts, &[]));
                let msgs = [msg];
                caller.store(tid(), Ordering::Release);
                let args = match ty {
                    EventType::RECVFROM_X => [fd(n), address(&room), 16, 0, 0, 0],
                    EventType::RECVMSG_X => [fd(n), address(&msgs), 0, 0, 0, 0],
                    _ => [fd(n), address(&msgs), 1, 0, 0, 0],
                };
                assert!(call(nr, args) > 0);
            });
            while caller.load(Ordering::Acquire) == 0 {
                std::thread::yield_now();
            }
            wait_asleep(caller.load(Ordering::Acquire));
            let args = [fd(decoy.as_raw_fd()), fd(n)];
            assert_eq!(call(libc::SYS_dup2, args), i64::from(n));
            decoy.send_to(b"late", to).unwrap();
        });
        let caller = caller.into_inner();
        let bytes = live.wait("the receive", |f| {
            f.event_type() == ty && f.header().tid == caller && f.param_i64(0) == Some(4)
        });
        let frame = Frame::parse(&bytes).unwrap();
        assert!(frame.has(flags::FD_RACED), "{ty:?}");
        assert_eq!(ends(&frame.trailer().sock().unwrap()).0, to);
        drop(copy);
        assert_eq!(live.probe.n_noted().unwrap(), 0, "the note was taken back");
        live.finish();
    }
}

/// An undisturbed call has the same frame with and without the look at its start.
#[test]
fn a_noted_send_names_both_ends() {
    let interest: EventSet = [EventType::SENDTO_X, EventType::SENDMSG_X].into_iter().collect();
    let asked = Asked { entry: interest, ..Asked::default() };
    let options = ProbeOptions { interest, asked, ..ProbeOptions::default() };
    let Some(mut live) = Live::with(options) else { return };
    let server = UdpSocket::bind("127.0.0.1:0").unwrap();
    let client = UdpSocket::bind("127.0.0.1:0").unwrap();
    let (to, from) = (server.local_addr().unwrap(), client.local_addr().unwrap());
    let n = client.as_raw_fd();
    client.send_to(b"12345", to).unwrap();
    let name = raw(to);
    let parts = [slice(b"123456")];
    let msg = header(&name, &parts, &[]);
    assert_eq!(call(libc::SYS_sendmsg, [fd(n), address(&msg), 0]), 6);
    for (ty, res, changed) in [(EventType::SENDTO_X, 5, true), (EventType::SENDMSG_X, 6, false)] {
        let bytes = frame_of(&mut live, ty, n, res);
        let frame = Frame::parse(&bytes).unwrap();
        assert!(!frame.has(flags::FD_RACED) && !frame.has(flags::FAULTED));
        assert_eq!(tuple_of(&frame, 4), Some((from, to)));
        let sock = frame.trailer().sock().unwrap();
        assert_eq!(ends(&sock), (from, to));
        assert_eq!(sock.flags & sock_flags::PEER_CHANGED != 0, changed);
    }
    live.finish();
}

/// More messages than one function of the kernel side goes through.
#[test]
fn many_messages_of_one_call_are_as_many_events() {
    let Some(mut live) = start(&[EventType::SENDMMSG_X]) else { return };
    let server = UdpSocket::bind("127.0.0.1:0").unwrap();
    let mine = UdpSocket::bind("127.0.0.1:0").unwrap();
    mine.connect(server.local_addr().unwrap()).unwrap();
    let text = [b'x'; 100];
    let parts: Vec<[[u64; 2]; 1]> = (1..=100).map(|len| [slice(&text[..len])]).collect();
    let mut msgs = vec![[0u64; 8]; parts.len()];
    for (msg, parts) in msgs.iter_mut().zip(&parts) {
        msg[..7].copy_from_slice(&header(&[], parts, &[]));
    }
    let n = mine.as_raw_fd();
    assert_eq!(call(libc::SYS_sendmmsg, [fd(n), address(&msgs), 100, 0]), 100);
    for len in 1..=100 {
        let bytes = frame_of(&mut live, EventType::SENDMMSG_X, n, len);
        assert_eq!(Frame::parse(&bytes).unwrap().param_u32(2), u32::try_from(len).ok());
    }
    live.drain();
    assert!(live.frames.is_empty());
    live.finish();
}

/// Calls that nobody asks for make no frame, and tell the past all the same.
#[test]
fn roles_are_known_without_events_of_connect_and_accept() {
    let Some(mut live) = start(&[EventType::WRITE_X]) else { return };
    assert!(!live.probe.report().attached.iter().any(|name| name == "connect"));
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let client = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
    let (server, _) = listener.accept().unwrap();
    for (socket, len, role) in [(&client, 3, sock_flags::CLIENT), (&server, 4, sock_flags::SERVER)]
    {
        let n = socket.as_raw_fd();
        assert_eq!(call(libc::SYS_write, [fd(n), address(b"1234"), len]), len.cast_signed());
        let bytes = frame_of(&mut live, EventType::WRITE_X, n, len.cast_signed());
        let sock = Frame::parse(&bytes).unwrap().trailer().sock().unwrap().flags;
        assert_eq!(sock, sock_flags::CONNECTED | role);
    }
    live.drain();
    let others = live
        .frames
        .iter()
        .filter(|f| Frame::parse(f).unwrap().event_type() != EventType::WRITE_X)
        .count();
    assert_eq!(others, 0);
    live.finish();
}

/// Of calls that are asked for the answers of name servers alone, those from port 53 that have room for a header.
#[test]
fn only_answers_of_name_servers_are_told() {
    let answers: EventSet = [EventType::RECVFROM_X, EventType::RECV_X].into_iter().collect();
    let asked = Asked { answers, ..Asked::default() };
    let interest = [EventType::SENDTO_X].into_iter().collect();
    let Some(mut live) = Live::with(ProbeOptions { interest, asked, ..ProbeOptions::default() })
    else {
        return;
    };
    let (client, other) =
        (UdpSocket::bind("127.0.0.1:0").unwrap(), UdpSocket::bind("127.0.0.1:0").unwrap());
    let server = UdpSocket::bind("127.53.53.1:53").unwrap();
    let to = client.local_addr().unwrap();
    let mut got = [0; 64];
    for (from, message) in [
        (&other, &b"from another port than theirs"[..]),
        (&server, b"too short"),
        (&server, b"long enough for a header"),
    ] {
        from.send_to(message, to).unwrap();
        assert_eq!(client.recv_from(&mut got).unwrap().0, message.len());
    }
    client.connect(server.local_addr().unwrap()).unwrap();
    server.send_to(b"to one that is connected", to).unwrap();
    assert_eq!(client.recv(&mut got).unwrap(), 24);
    for _ in 0..2 {
        let (me, fd) = (tid(), i64::from(client.as_raw_fd()));
        let bytes = live.wait("answer", |f| {
            f.header().tid == me
                && answers.contains(f.event_type())
                && f.param_i64(fd_at(f.event_type())) == Some(fd)
        });
        let frame = Frame::parse(&bytes).unwrap();
        assert_eq!((frame.param_i64(0), frame.param(1).map(<[u8]>::len)), (Some(24), Some(24)));
    }
    live.drain();
    let is_answer = |f: &Vec<u8>| {
        let frame = Frame::parse(f).unwrap();
        frame.header().tid == tid() && answers.contains(frame.event_type())
    };
    assert!(!live.frames.iter().any(is_answer), "another was told");
    live.finish();
}
