//! Waiting, on the running kernel.

mod live;

use std::{
    io::Write,
    os::{fd::AsRawFd, unix::net::UnixStream},
};

use event::{EventType, flags};
use live::{
    Live,
    raw::{Made, at},
};

/// `struct pollfd`.
#[repr(C)]
#[derive(Clone, Copy)]
struct Polled {
    fd: i32,
    events: i16,
    returned: i16,
}

const IN: i16 = 1;
const OUT: i16 = 4;

fn polled(fd: i32, events: i16) -> Polled {
    Polled { fd, events, returned: 0 }
}

/// A list as a frame has it: descriptors and what they returned.
fn list(made: &Made) -> Vec<(i64, i16)> {
    let bytes = made.bytes(1);
    let n = usize::from(u16::from_le_bytes([bytes[0], bytes[1]]));
    assert_eq!(bytes.len(), 2 + 10 * n);
    let pair = |b: &[u8]| {
        let fd = i64::from_le_bytes(b[..8].try_into().unwrap());
        (fd, i16::from_le_bytes([b[8], b[9]]))
    };
    bytes[2..].chunks_exact(10).map(pair).collect()
}

#[test]
fn poll() {
    const TY: EventType = EventType::POLL_X;
    let Some(mut live) = Live::start(&[TY]) else { return };
    let (mut one, two) = UnixStream::pair().unwrap();
    one.write_all(b"x").unwrap();
    let (a, b) = (one.as_raw_fd(), two.as_raw_fd());
    let all = [polled(a, IN), polled(b, IN | OUT), polled(-1, IN), polled(9_999, IN)];
    let made = live.made(TY, libc::SYS_poll, &[at(&all), 4, 1000]);
    assert_eq!((made.res, made.i64(2)), (2, 1000));
    // POLLIN and POLLOUT are the schema's, POLLNVAL is one higher.
    assert_eq!(list(&made), [(i64::from(a), 0), (i64::from(b), 5), (-1, 0), (9_999, 0x40)]);
    assert!(!made.frame().has(flags::TRUNCATED));
    drop(two);
    let hung = [polled(a, 0x2000 | IN)];
    let made = live.made(TY, libc::SYS_poll, &[at(&hung), 1, -1i64 as u64]);
    assert_eq!((made.res, made.i64(2)), (1, -1));
    // What was not read is an error: POLLIN, POLLRDHUP, POLLERR, POLLHUP.
    assert_eq!(list(&made), [(i64::from(a), 1 | 8 | 0x10 | 0x20)]);
    let none = live.made(TY, libc::SYS_poll, &[0, 0, 0]);
    assert_eq!((none.res, list(&none)), (0, vec![]));
    let many = [polled(-1, IN); 20];
    let made = live.made(TY, libc::SYS_poll, &[at(&many), 20, 0]);
    assert_eq!(list(&made), [(-1, 0); 16]);
    assert!(made.frame().has(flags::TRUNCATED));
    let bad = live.failing(TY, libc::SYS_poll, &[8, 3, 0], libc::EFAULT);
    assert_eq!(bad.bytes(1), b"");
    assert!(bad.frame().has(flags::FAULTED));
    live.finish();
}

#[test]
fn ppoll() {
    const TY: EventType = EventType::PPOLL_X;
    let Some(mut live) = Live::start(&[TY]) else { return };
    let none = [polled(-1, IN)];
    // What is left of the time, which is none.
    let time = [0i64, 2_000_000];
    let mask = [1u64 << 9 | 1 << 40];
    let made = live.made(TY, libc::SYS_ppoll, &[at(&none), 1, at(&time), at(&mask), 8]);
    assert_eq!((made.res, list(&made)), (0, vec![(-1, 0)]));
    assert_eq!((made.i64(2), made.number(3)), (0, 1 << 9));
    let ready = [polled(9_999, IN)];
    let made = live.made(TY, libc::SYS_ppoll, &[at(&ready), 1, 0, 0, 8]);
    assert_eq!((made.res, list(&made)), (1, vec![(9_999, 0x40)]));
    assert_eq!((made.i64(2), made.number(3)), (-1, 0), "no time and no mask");
    let wrong = [3i64, 1_000_000_000];
    let wrong = live.failing(TY, libc::SYS_ppoll, &[0, 0, at(&wrong), 0, 8], libc::EINVAL);
    assert_eq!(wrong.i64(2), 4_000_000_000);
    live.finish();
}

#[test]
fn select() {
    const TY: EventType = EventType::SELECT_X;
    let Some(mut live) = Live::start(&[TY]) else { return };
    let time = [0i64, 10];
    assert_eq!(live.made(TY, libc::SYS_select, &[0, 0, 0, 0, at(&time)]).res, 0);
    live.failing(TY, libc::SYS_select, &[-1i64 as u64, 0, 0, 0, 0], libc::EINVAL);
    live.finish();
}

#[test]
fn epoll_wait() {
    const TY: EventType = EventType::EPOLL_WAIT_X;
    let Some(mut live) = Live::start(&[TY]) else { return };
    let epoll = live::raw::call(libc::SYS_epoll_create1, &[0]).cast_unsigned();
    let room = [0u64; 32];
    let made = live.made(TY, libc::SYS_epoll_wait, &[epoll, at(&room), 7, 0]);
    assert_eq!((made.res, made.i64(1)), (0, 7));
    let few = [epoll, at(&room), -1i64 as u64, 0];
    assert_eq!(live.failing(TY, libc::SYS_epoll_wait, &few, libc::EINVAL).i64(1), -1);
    live::raw::call(libc::SYS_close, &[epoll]);
    live.finish();
}

#[test]
fn futex() {
    const TY: EventType = EventType::FUTEX_X;
    const WAIT: u64 = 0;
    const WAKE_BITSET: u64 = 10;
    const PRIVATE: u64 = 0x80;
    const REALTIME: u64 = 0x100;
    let Some(mut live) = Live::start(&[TY]) else { return };
    let word = [7u32];
    let args = [at(&word), WAIT | PRIVATE | REALTIME, 0xff00_0000_0000_0008, 0];
    let made = live.failing(TY, libc::SYS_futex, &args, libc::EAGAIN);
    let seen = (made.number(1), made.number(2), made.number(3));
    assert_eq!(seen, (at(&word), 0x180, 8), "32 bits of the value count");
    let args = [at(&word), WAKE_BITSET | PRIVATE, 1, 0, 0, 1];
    let made = live.made(TY, libc::SYS_futex, &args);
    assert_eq!((made.res, made.number(2), made.number(3)), (0, 0x8a, 1));
    let odd = live.failing(TY, libc::SYS_futex, &[at(&word) + 1, 1, 1], libc::EINVAL);
    assert_eq!(odd.number(1), at(&word) + 1);
    live.finish();
}

#[test]
fn nanosleep() {
    const TY: EventType = EventType::NANOSLEEP_X;
    let Some(mut live) = Live::start(&[TY]) else { return };
    let made = live.made(TY, libc::SYS_nanosleep, &[at(&[0i64, 1_000_003]), 0]);
    assert_eq!((made.res, made.i64(1)), (0, 1_000_003));
    let wrong = [5i64, -1];
    let wrong = live.failing(TY, libc::SYS_nanosleep, &[at(&wrong), 0], libc::EINVAL);
    assert_eq!(wrong.i64(1), 4_999_999_999);
    let bad = live.failing(TY, libc::SYS_nanosleep, &[8, 0], libc::EFAULT);
    assert!(bad.i64(1) == 0 && bad.frame().has(flags::FAULTED));
    live.finish();
}
