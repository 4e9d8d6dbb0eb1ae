//! Names and options of sockets on the running kernel.

mod live;

use std::{net::UdpSocket, os::fd::AsRawFd};

use event::{EventType, Frame};
use live::{
    Live,
    raw::{Made, at, call},
};

const SOL_SOCKET: u64 = 1;
const SOL_TCP: u64 = 6;

/// Tag and value.
fn value(made: &Made) -> (u8, Vec<u8>) {
    let bytes = made.bytes(4);
    (bytes[0], bytes[1..].to_vec())
}

fn level_and_name(made: &Made) -> (u64, u64) {
    (made.number(2), made.number(3))
}

/// A socket, and its descriptor as an argument.
fn socket() -> (UdpSocket, u64) {
    let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
    let fd = socket.as_raw_fd().cast_unsigned().into();
    (socket, fd)
}

#[test]
fn setsockopt() {
    const TY: EventType = EventType::SETSOCKOPT_X;
    const NR: i64 = libc::SYS_setsockopt;
    let Some(mut live) = Live::start(&[TY]) else { return };
    let (_socket, fd) = socket();
    let made = live.made(TY, NR, &[fd, SOL_SOCKET, 2, at(&[1u32]), 4]);
    assert_eq!((made.res, made.number(1), level_and_name(&made)), (0, fd, (1, 2)));
    assert_eq!((value(&made), made.number(5)), ((2, vec![1, 0, 0, 0]), 4));
    assert!(made.frame().trailer().sock().is_some(), "the socket");
    // SO_RCVTIMEO, and SO_SNDTIMEO_NEW, which the schema knows as SO_SNDTIMEO.
    for (name, known) in [(20, 0x14), (67, 0x15)] {
        let made = live.made(TY, NR, &[fd, SOL_SOCKET, name, at(&[2i64, 500_000]), 16]);
        assert_eq!(level_and_name(&made), (1, known));
        assert_eq!(value(&made), (4, 2_500_000_000u64.to_le_bytes().to_vec()));
    }
    // SO_LINGER is a structure, SO_BINDTODEVICE a text.
    let made = live.made(TY, NR, &[fd, SOL_SOCKET, 13, at(&[1u32, 3]), 8]);
    assert_eq!(value(&made), (0, vec![1, 0, 0, 0, 3, 0, 0, 0]));
    let made = live.made(TY, NR, &[fd, SOL_SOCKET, 25, at(c"lo"), 3]);
    assert_eq!((value(&made), made.number(5)), ((0, b"lo\0".to_vec()), 3));
    let short = live.failing(TY, NR, &[fd, SOL_SOCKET, 9, at(&[1u32]), 2], libc::EINVAL);
    assert_eq!((value(&short), made.number(5)), ((0, vec![1, 0]), 3), "too short for a number");
    // Options of other levels have no names.
    let tcp = live.made(TY, NR, &[fd, SOL_TCP, 1, at(&[1u32]), 4]);
    assert_eq!((level_and_name(&tcp), value(&tcp)), ((2, 0), (0, vec![1, 0, 0, 0])));
    let ip = live.made(TY, NR, &[fd, 0, 2, at(&[64u32]), 4]);
    assert_eq!((level_and_name(&ip), value(&ip)), ((0, 0), (0, vec![64, 0, 0, 0])));
    let bad = live.failing(TY, NR, &[9_999, SOL_SOCKET, 7, 8, 4], libc::EBADF);
    assert_eq!((bad.number(1), level_and_name(&bad)), (9_999, (1, 7)));
    assert!(bad.frame().has(event::flags::FAULTED));
    live.finish();
}

#[test]
fn getsockopt() {
    const TY: EventType = EventType::GETSOCKOPT_X;
    const NR: i64 = libc::SYS_getsockopt;
    let Some(mut live) = Live::start(&[TY]) else { return };
    let (socket, fd) = socket();
    let room = [0u64; 2];
    let len = [16u32];
    let made = live.made(TY, NR, &[fd, SOL_SOCKET, 3, at(&room), at(&len)]);
    assert_eq!((made.res, level_and_name(&made)), (0, (1, 3)));
    let datagram = (libc::SOCK_DGRAM as u32).to_le_bytes().to_vec();
    assert_eq!((value(&made), made.number(5)), ((2, datagram), 4), "the length is the kernel's");
    // A refused datagram leaves its error behind.
    let refusing = UdpSocket::bind("127.0.0.1:0").unwrap();
    socket.connect(refusing.local_addr().unwrap()).unwrap();
    drop(refusing);
    socket.send(b"x").unwrap();
    let made = live.made(TY, NR, &[fd, SOL_SOCKET, 4, at(&room), at(&[4u32])]);
    let refused = i64::from(-libc::ECONNREFUSED).to_le_bytes().to_vec();
    assert_eq!((level_and_name(&made), value(&made)), ((1, 4), (1, refused)));
    let made = live.made(TY, NR, &[fd, SOL_SOCKET, 57, at(&room), at(&[8u32])]);
    if made.res == 0 {
        // SAFETY: the kernel wrote it.
        let cookie = unsafe { room.as_ptr().read_volatile() };
        let cookie = cookie.to_le_bytes().to_vec();
        assert_eq!((level_and_name(&made), value(&made)), ((1, 0x35), (3, cookie)));
    }
    let time = [fd, SOL_SOCKET, 20, at(&room), at(&[16u32])];
    let time = live.made(TY, NR, &time);
    assert_eq!(value(&time), (4, vec![0; 8]));
    let unknown =
        live.failing(TY, NR, &[fd, SOL_SOCKET, 9_000, at(&room), at(&[4u32])], libc::ENOPROTOOPT);
    assert_eq!((level_and_name(&unknown), unknown.number(5)), ((1, 0), 4));
    assert_eq!(value(&unknown).0, 0);
    live.finish();
}

#[test]
fn names() {
    let types = [EventType::GETSOCKNAME_X, EventType::GETPEERNAME_X];
    let Some(mut live) = Live::start(&types) else { return };
    let (_socket, fd) = socket();
    let room = [0u64; 16];
    for (ty, nr) in types.into_iter().zip([libc::SYS_getsockname, libc::SYS_getpeername]) {
        call(nr, &[fd, at(&room), at(&[128u32])]);
        let me = live::tid();
        let bytes = live.wait(ty.name(), |f| f.event_type() == ty && f.header().tid == me);
        assert_eq!(Frame::parse(&bytes).unwrap().n_params(), 0);
    }
    live.finish();
}
