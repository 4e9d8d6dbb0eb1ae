//! Sessions, groups, limits and options of processes on the running kernel.

mod live;

use event::EventType;
use live::{
    Live,
    raw::{at, call, in_child},
};

const NO_PID: u64 = 0x7fff_fff0;
const EPERM: i64 = -1;
const ESRCH: i64 = -3;
const EINVAL: i64 = -22;

/// `struct rlimit`.
#[repr(C)]
#[derive(Clone, Copy)]
struct Limit {
    now: u64,
    most: u64,
}

/// The call has one error only, so only one failure is seen.
#[test]
fn setsid() {
    const TY: EventType = EventType::SETSID_X;
    let Some(mut live) = Live::start(&[TY]) else { return };
    let child = in_child(vec![(libc::SYS_setsid, vec![]), (libc::SYS_setsid, vec![])]);
    let made = live.taken_of(TY, child, &[i64::from(child)]);
    assert_eq!(made.header().tgid, child);
    live.taken_of(TY, child, &[EPERM]);
    live.finish();
}

#[test]
fn setpgid() {
    const TY: EventType = EventType::SETPGID_X;
    let Some(mut live) = Live::start(&[TY]) else { return };
    let child = in_child(vec![
        (libc::SYS_setpgid, vec![0, 0]),
        (libc::SYS_setpgid, vec![0, -5i64 as u64]),
        (libc::SYS_setpgid, vec![NO_PID, 3]),
    ]);
    let made = live.taken_of(TY, child, &[0]);
    assert_eq!((made.i64(1), made.i64(2), made.header().tgid), (0, 0, child));
    let negative = live.taken_of(TY, child, &[EINVAL]);
    assert_eq!((negative.i64(1), negative.i64(2)), (0, -5));
    let gone = live.taken_of(TY, child, &[ESRCH]);
    assert_eq!((gone.i64(1), gone.i64(2)), (NO_PID as i64, 3));
    live.finish();
}

#[test]
fn setrlimit() {
    const TY: EventType = EventType::SETRLIMIT_X;
    const CORE: u64 = libc::RLIMIT_CORE as u64;
    let Some(mut live) = Live::start(&[TY]) else { return };
    let limit = Limit { now: 0, most: 0 };
    call(libc::SYS_getrlimit, &[CORE, at(&limit)]);
    // SAFETY: the kernel wrote it.
    let limit = unsafe { (&raw const limit).read_volatile() };
    let made = live.made(TY, libc::SYS_setrlimit, &[CORE, at(&limit)]);
    assert_eq!((made.res, made.number(3)), (0, 4));
    assert_eq!((made.number(1), made.number(2)), (limit.now, limit.most));
    let wrong = Limit { now: 8, most: 7 };
    let wrong = live.failing(TY, libc::SYS_setrlimit, &[CORE, at(&wrong)], libc::EINVAL);
    assert_eq!((wrong.number(1), wrong.number(2), wrong.number(3)), (8, 7, 4));
    let unknown = live.failing(TY, libc::SYS_setrlimit, &[99, at(&limit)], libc::EINVAL);
    assert_eq!(unknown.number(3), 255);
    let faulting = live.failing(TY, libc::SYS_setrlimit, &[CORE, 8], libc::EFAULT);
    assert_eq!((faulting.number(1), faulting.number(2)), (0, 0));
    assert!(faulting.frame().has(event::flags::FAULTED));
    live.finish();
}

#[test]
fn getrlimit() {
    const TY: EventType = EventType::GETRLIMIT_X;
    const FILES: u64 = libc::RLIMIT_NOFILE as u64;
    let Some(mut live) = Live::start(&[TY]) else { return };
    let limit = Limit { now: 0, most: 0 };
    let made = live.made(TY, libc::SYS_getrlimit, &[FILES, at(&limit)]);
    // SAFETY: the kernel wrote it.
    let limit = unsafe { (&raw const limit).read_volatile() };
    assert!(limit.now > 0);
    assert_eq!((made.res, made.number(3)), (0, 7));
    assert_eq!((made.number(1), made.number(2)), (limit.now, limit.most));
    let unknown = live.failing(TY, libc::SYS_getrlimit, &[99, at(&limit)], libc::EINVAL);
    assert_eq!((unknown.i64(1), unknown.i64(2), unknown.number(3)), (-1, -1, 255));
    live.finish();
}

#[test]
fn prlimit() {
    const TY: EventType = EventType::PRLIMIT_X;
    const FILES: u64 = libc::RLIMIT_NOFILE as u64;
    let Some(mut live) = Live::start(&[TY]) else { return };
    let old = Limit { now: 0, most: 0 };
    let asked = live.made(TY, libc::SYS_prlimit64, &[0, FILES, 0, at(&old)]);
    // SAFETY: the kernel wrote it.
    let limit = unsafe { (&raw const old).read_volatile() };
    assert!(limit.now > 0);
    assert_eq!((asked.res, asked.number(1), asked.number(2)), (0, 0, 0), "nothing new");
    assert_eq!((asked.number(3), asked.number(4)), (limit.now, limit.most));
    assert_eq!((asked.i64(5), asked.number(6)), (0, 7));
    assert!(!asked.frame().has(event::flags::FAULTED), "a null pointer is none");
    let own = u64::from(std::process::id());
    let set = live.made(TY, libc::SYS_prlimit64, &[own, FILES, at(&limit), at(&old)]);
    assert_eq!((set.res, set.i64(5)), (0, own as i64));
    assert_eq!((set.number(1), set.number(4)), (limit.now, limit.most));

    let call = [NO_PID, FILES, at(&limit), at(&old)];
    let gone = live.failing(TY, libc::SYS_prlimit64, &call, libc::ESRCH);
    assert_eq!((gone.number(1), gone.number(3), gone.number(4)), (limit.now, 0, 0));
    assert_eq!(gone.i64(5), NO_PID as i64);
    let unknown = live.failing(TY, libc::SYS_prlimit64, &[0, 99, 0, at(&old)], libc::EINVAL);
    assert_eq!(unknown.number(6), 255);
    live.failing(TY, libc::SYS_prlimit64, &[0, FILES, 8, 0], libc::EFAULT);
    live.finish();
}

#[test]
fn prctl() {
    const TY: EventType = EventType::PRCTL_X;
    const SET_NAME: u64 = 15;
    const GET_NAME: u64 = 16;
    const SET_SUBREAPER: u64 = 36;
    const GET_SUBREAPER: u64 = 37;
    let Some(mut live) = Live::start(&[TY]) else { return };
    let named = live.made(TY, libc::SYS_prctl, &[SET_NAME, at(c"renamed")]);
    assert_eq!((named.res, named.number(1)), (0, 15));
    assert_eq!((named.text(2), named.bytes(3)), ("renamed".to_owned(), vec![]));
    let name = [0u8; 16];
    let asked = live.made(TY, libc::SYS_prctl, &[GET_NAME, at(&name)]);
    assert_eq!((asked.text(2), asked.bytes(3)), ("renamed".to_owned(), vec![]));
    let answer = [77u32];
    let reaper = live.made(TY, libc::SYS_prctl, &[GET_SUBREAPER, at(&answer)]);
    assert_eq!((reaper.res, reaper.bytes(2), reaper.i64(3)), (0, vec![], 0));
    let set = live.made(TY, libc::SYS_prctl, &[SET_SUBREAPER, 0]);
    assert_eq!((set.res, set.number(1), set.i64(3)), (0, 36, 0));
    let unknown = live.failing(TY, libc::SYS_prctl, &[7_777, 5], libc::EINVAL);
    assert_eq!((unknown.number(1), unknown.bytes(2), unknown.i64(3)), (7_777, vec![], 5));
    let faulting = live.failing(TY, libc::SYS_prctl, &[SET_NAME, 8], libc::EFAULT);
    assert_eq!((faulting.bytes(2), faulting.bytes(3)), (vec![], vec![]));
    live.finish();
}
