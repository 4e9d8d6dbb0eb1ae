//! Semaphores and locks of files on the running kernel.

mod live;

use std::{fs::File, os::fd::AsRawFd};

use event::EventType;
use live::{
    Live,
    raw::{Made, at},
};

/// `struct sembuf`.
#[repr(C)]
#[derive(Clone, Copy)]
struct Operation {
    num: u16,
    op: i16,
    flags: i16,
}

fn numbers(made: &Made, of: std::ops::RangeInclusive<usize>) -> Vec<u64> {
    of.map(|n| made.number(n)).collect()
}

const RMID: u64 = 0;
const STAT: u64 = 2;
const GETVAL: u64 = 12;
const SETVAL: u64 = 16;

#[test]
fn semaphores() {
    const GET: EventType = EventType::SEMGET_X;
    const OP: EventType = EventType::SEMOP_X;
    const CTL: EventType = EventType::SEMCTL_X;
    let Some(mut live) = Live::start(&[GET, OP, CTL]) else { return };
    let flags = (libc::IPC_CREAT | libc::IPC_EXCL | 0o600).cast_unsigned();
    let key = 0x5eed_0000 | std::process::id() & 0xffff;
    let made = live.made(GET, libc::SYS_semget, &[key.into(), 2, flags.into()]);
    assert_eq!(numbers(&made, 1..=3), [key.into(), 2, 0x6000]);
    let id = made.res.cast_unsigned();
    live.failing(GET, libc::SYS_semget, &[key.into(), 2, flags.into()], libc::EEXIST);

    let set = live.made(CTL, libc::SYS_semctl, &[id, 1, SETVAL, 5]);
    assert_eq!((set.res, numbers(&set, 1..=4)), (0, vec![id, 1, 0x1000, 5]));
    let got = live.made(CTL, libc::SYS_semctl, &[id, 1, GETVAL, 5]);
    assert_eq!((got.res, numbers(&got, 1..=4)), (5, vec![id, 1, 0x200, 0]), "5 is no value here");

    let wait = Operation { num: 1, op: -2, flags: 0x1000 };
    let more = Operation { num: 0, op: 3, flags: 0o4000 };
    let one = live.made(OP, libc::SYS_semop, &[id, at(&[wait, more]), 1]);
    let minus_two = u64::from((-2i16).cast_unsigned());
    assert_eq!((one.res, numbers(&one, 1..=8)), (0, vec![1, 1, minus_two, 2, 0, 0, 0, id]));
    let two = live.made(OP, libc::SYS_semop, &[id, at(&[wait, more]), 2]);
    assert_eq!(numbers(&two, 1..=8), [2, 1, minus_two, 2, 0, 3, 1, id]);
    let never = Operation { num: 1, op: -100, flags: 0o4000 };
    let never = live.failing(OP, libc::SYS_semop, &[id, at(&[never]), 1], libc::EAGAIN);
    assert_eq!(numbers(&never, 1..=8), [1, 0, 0, 0, 0, 0, 0, id]);

    let gone = live.made(CTL, libc::SYS_semctl, &[id, 0, RMID]);
    assert_eq!((gone.res, gone.number(3)), (0, 4));
    let none = live.failing(CTL, libc::SYS_semctl, &[id, 0, STAT, 8], libc::EINVAL);
    assert_eq!((none.number(1), none.number(3)), (id, 1));
    live.finish();
}

#[test]
fn flock() {
    const TY: EventType = EventType::FLOCK_X;
    let Some(mut live) = Live::start(&[TY]) else { return };
    let path = std::env::current_exe().unwrap().canonicalize().unwrap();
    let file = File::open(&path).unwrap();
    let fd = file.as_raw_fd().cast_unsigned().into();
    let shared = (libc::LOCK_SH | libc::LOCK_NB).cast_unsigned();
    let made = live.made(TY, libc::SYS_flock, &[fd, shared.into()]);
    assert_eq!((made.res, numbers(&made, 1..=2)), (0, vec![fd, 5]));
    assert_eq!(made.file(), path.to_str().unwrap());
    live.failing(TY, libc::SYS_flock, &[9_999, 2], libc::EBADF);
    live.finish();
}

#[test]
fn ioctl() {
    const TY: EventType = EventType::IOCTL_3_X;
    /// `FIONREAD`, `TCGETS`.
    const READABLE: u64 = 0x541b;
    const TERMINAL: u64 = 0x5401;
    let Some(mut live) = Live::start(&[TY]) else { return };
    let path = std::env::current_exe().unwrap().canonicalize().unwrap();
    let file = File::open(&path).unwrap();
    let fd = file.as_raw_fd().cast_unsigned().into();
    let to = [0u32];
    let made = live.made(TY, libc::SYS_ioctl, &[fd, READABLE, at(&to)]);
    assert_eq!((made.res, numbers(&made, 1..=3)), (0, vec![fd, READABLE, at(&to)]));
    assert_eq!(made.file(), path.to_str().unwrap());
    live.failing(TY, libc::SYS_ioctl, &[fd, TERMINAL, 8], libc::ENOTTY);
    live.finish();
}

/// Where nothing is the device, a quota cannot be read: what was asked is there all the same.
#[test]
fn quotactl() {
    const TY: EventType = EventType::QUOTACTL_X;
    const NR: i64 = libc::SYS_quotactl;
    let command = |command: u64, ty: u64| command << 8 | ty;
    let Some(mut live) = Live::start(&[TY]) else { return };
    let device = at(c"/dev/none");
    // Limits of blocks, times of inodes.
    let block = [1u64, 2, 3, 4, 5, 6, 7, 8, 1 | 1 << 5];
    let set = live.made(TY, NR, &[command(0x80_0008, 1), device, 77, at(&block)]);
    assert!(set.res < 0);
    if set.res == -i64::from(libc::ENOSYS) {
        eprintln!("skipped: this kernel has no quotas: only what a command passes is seen");
    }
    assert_eq!((set.text(1), set.bytes(2)), ("/dev/none".to_owned(), vec![]));
    assert_eq!(numbers(&set, 3..=11), [1, 2, 0, 0, 0, 0, 8, 0, 0]);
    assert_eq!(numbers(&set, 12..=17), [0, 1, 0x40, 2, 77, 1]);
    let info = [10u64, 11, 1 | 7 << 32];
    let set = live.made(TY, NR, &[command(0x80_0006, 0), device, 77, at(&info)]);
    assert_eq!(numbers(&set, 3..=11), [0, 0, 0, 0, 0, 0, 0, 10, 11]);
    assert_eq!(numbers(&set, 12..=17), [2, 1, 0x10, 1, 0, 1]);
    let on = live.made(TY, NR, &[command(0x80_0002, 0), device, 4, at(c"/aquota.user")]);
    assert_eq!(on.text(2), "/aquota.user");
    assert_eq!(numbers(&on, 12..=17), [0, 1, 1, 1, 0, 8]);
    let get = live.made(TY, NR, &[command(0x80_0007, 0), device, 5, at(&block)]);
    assert_eq!(numbers(&get, 3..=11), [0; 9], "what the call did not write is not there");
    assert_eq!(numbers(&get, 14..=16), [0x20, 1, 5]);
    let sync = live.made(TY, NR, &[command(0x80_0001, 1), 0, 0, 0]);
    assert_eq!((sync.bytes(1), sync.number(14), sync.number(15)), (vec![], 0x80, 2));
    assert!(!sync.frame().has(event::flags::FAULTED));
    live.finish();
}
