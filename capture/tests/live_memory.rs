//! Executable, foreign and nameless memory on the running kernel.

mod live;

use std::{fs::File, os::fd::AsRawFd};

use capture::{Asked, ProbeOptions};
use event::{EventType, Outcome};
use live::{
    Live,
    raw::{Waiting, at, call, in_child, is_absent},
};

const PAGE: u64 = 4096;
const NO_FD: u64 = 9_999;
const NO_PID: u64 = 0x7fff_fff0;
/// `PROT_READ` and `PROT_EXEC`, `MAP_PRIVATE`.
const READ_EXEC: u64 = 5;
const PRIVATE: u64 = 2;

/// A page of this test's own, not executable.
fn page() -> u64 {
    let anonymous = (libc::MAP_PRIVATE | libc::MAP_ANONYMOUS) as u64;
    u64::try_from(call(libc::SYS_mmap, &[0, PAGE, 3, anonymous, u64::MAX, 0])).unwrap()
}

#[test]
fn mmap() {
    const TY: EventType = EventType::MMAP_X;
    let Some(mut live) = Live::start(&[TY]) else { return };
    let path = std::env::current_exe().unwrap().canonicalize().unwrap();
    let file = File::open(&path).unwrap();
    let fd = file.as_raw_fd() as u64;
    let made = live.made(TY, libc::SYS_mmap, &[0, 2 * PAGE, READ_EXEC, PRIVATE, fd, PAGE]);
    assert!(made.res > 0);
    assert!(made.number(1) > made.number(2) && made.number(2) > 0, "virtual and resident KiB");
    assert_eq!((made.number(4), made.number(5)), (0, 2 * PAGE));
    assert_eq!((made.number(6), made.number(7)), (5, 2));
    assert_eq!((made.i64(8), made.number(9)), (fd as i64, PAGE));
    assert_eq!(made.file(), path.display().to_string());
    call(libc::SYS_munmap, &[made.res as u64, 2 * PAGE]);

    // Descriptor 0 means nothing to an anonymous mapping.
    let anonymous = (libc::MAP_PRIVATE | libc::MAP_ANONYMOUS | libc::MAP_NORESERVE) as u64;
    let made = live.made(TY, libc::SYS_mmap, &[0, PAGE, 7, anonymous, 0, 0]);
    assert!(made.res > 0);
    assert_eq!((made.number(6), made.number(7), made.i64(8)), (7, 0x4a, 0));
    assert!(made.frame().trailer().file().is_none());
    call(libc::SYS_munmap, &[made.res as u64, PAGE]);

    let bad = live.failing(TY, libc::SYS_mmap, &[0, PAGE, 4, PRIVATE, NO_FD, 0], libc::EBADF);
    assert_eq!((bad.i64(8), bad.number(6)), (NO_FD as i64, 4));
    let empty = live.failing(TY, libc::SYS_mmap, &[0, 0, READ_EXEC, PRIVATE, fd, 0], libc::EINVAL);
    assert_eq!(empty.number(5), 0);
    live.finish();
}

#[test]
fn who_asks_for_every_mapping_gets_those_that_cannot_be_executed() {
    const TY: EventType = EventType::MMAP_X;
    let asked = Asked { all_mappings: true, ..Asked::default() };
    let interest = [TY].into_iter().collect();
    let options = ProbeOptions { interest, asked, ..ProbeOptions::default() };
    let Some(mut live) = Live::with(options) else { return };
    let anonymous = (libc::MAP_PRIVATE | libc::MAP_ANONYMOUS) as u64;
    let made = live.made(TY, libc::SYS_mmap, &[0, 3 * PAGE, 3, anonymous, u64::MAX, 0]);
    assert_eq!((made.number(5), made.number(6)), (3 * PAGE, 3));
    call(libc::SYS_munmap, &[made.res as u64, 3 * PAGE]);
    live.finish();
}

#[test]
fn a_mapping_that_cannot_be_executed_is_filtered() {
    const TY: EventType = EventType::MMAP_X;
    const N: u64 = 100;
    let Some(mut live) = Live::start(&[TY]) else { return };
    let before = live.probe.counters().of_type(TY, Outcome::Filtered);
    for _ in 0..N {
        let at = page();
        call(libc::SYS_munmap, &[at, PAGE]);
    }
    let anonymous = (libc::MAP_PRIVATE | libc::MAP_ANONYMOUS) as u64;
    live.made(TY, libc::SYS_mmap, &[0, PAGE, READ_EXEC, anonymous, u64::MAX, 0]);
    let after = live.probe.counters().of_type(TY, Outcome::Filtered);
    assert!(after - before >= N, "{before} {after}");
    assert!(live.frames.iter().all(|f| {
        let frame = event::Frame::parse(f).unwrap();
        frame.event_type() != TY || frame.param_u32(6).unwrap() & 4 != 0
    }));
    live.finish();
}

#[test]
fn mprotect() {
    const TY: EventType = EventType::MPROTECT_X;
    let Some(mut live) = Live::start(&[TY]) else { return };
    let at = page();
    let made = live.made(TY, libc::SYS_mprotect, &[at, PAGE, READ_EXEC]);
    assert_eq!((made.res, made.number(1), made.number(2)), (0, at, PAGE));
    assert_eq!(made.number(3), 5);
    let odd = live.failing(TY, libc::SYS_mprotect, &[at + 1, PAGE, 1], libc::EINVAL);
    assert_eq!(odd.number(1), at + 1);
    // PROT_GROWSDOWN has another bit in the schema.
    let down = live.failing(TY, libc::SYS_mprotect, &[at, PAGE, 0x100_0001], libc::EINVAL);
    assert_eq!(down.number(3), 0x11);
    call(libc::SYS_munmap, &[at, PAGE]);
    live.failing(TY, libc::SYS_mprotect, &[PAGE, PAGE, 1], libc::ENOMEM);
    live.finish();
}

#[test]
fn memfd_create() {
    const TY: EventType = EventType::MEMFD_CREATE_X;
    let Some(mut live) = Live::start(&[TY]) else { return };
    let made = live.made(TY, libc::SYS_memfd_create, &[at(c"nameless"), 3]);
    assert!(made.res >= 0);
    assert_eq!((made.text(1), made.number(2)), ("nameless".to_owned(), 3));
    assert!(made.file().contains("memfd:nameless"), "{}", made.file());
    call(libc::SYS_close, &[made.res as u64]);
    let flags = live.failing(TY, libc::SYS_memfd_create, &[at(c"x"), 0x8000], libc::EINVAL);
    assert_eq!((flags.text(1), flags.number(2)), ("x".to_owned(), 0));
    let faulting = live.failing(TY, libc::SYS_memfd_create, &[8, 1], libc::EFAULT);
    assert_eq!((faulting.bytes(1), faulting.number(2)), (vec![], 1));
    assert!(faulting.frame().has(event::flags::FAULTED));
    live.finish();
}

#[test]
fn userfaultfd() {
    const TY: EventType = EventType::USERFAULTFD_X;
    let Some(mut live) = Live::start(&[TY]) else { return };
    let cloexec = (libc::O_CLOEXEC | libc::O_NONBLOCK) as u64;
    let made = live.made(TY, libc::SYS_userfaultfd, &[cloexec]);
    if !is_absent(&made, TY) {
        assert_eq!(made.number(1), 0x1040, "as the schema has open flags");
        assert!(made.file().contains("userfaultfd"), "{}", made.file());
        call(libc::SYS_close, &[made.res as u64]);
    }
    let flags = live.failing(TY, libc::SYS_userfaultfd, &[0x4000_0000], libc::EINVAL);
    assert_eq!(flags.number(1), 0);
    let child = in_child(vec![(libc::SYS_setuid, vec![1234]), (libc::SYS_userfaultfd, vec![0])]);
    let other = live.wait(TY.name(), |f| f.event_type() == TY && f.header().tid == child);
    let other = event::Frame::parse(&other).unwrap();
    match other.param_i64(0).unwrap() {
        -1 => assert_eq!((other.header().uid, other.param_u32(1)), (1234, Some(0))),
        res => eprintln!("skipped: userfaultfd: EPERM is not seen here, {res}"),
    }
    live.finish();
}

/// `struct iovec`.
#[repr(C)]
struct Vector(u64, u64);

#[test]
fn process_vm_writev() {
    both_ways(EventType::PROCESS_VM_WRITEV_X, libc::SYS_process_vm_writev);
}

#[test]
fn process_vm_readv() {
    both_ways(EventType::PROCESS_VM_READV_X, libc::SYS_process_vm_readv);
}

/// Copies between this process and the bottom of a child's stack, which it does not use.
fn both_ways(ty: EventType, nr: libc::c_long) {
    let Some(mut live) = Live::start(&[ty]) else { return };
    let child = Waiting::start();
    let (bottom, _) = child.stack();
    let (first, second) = ([b'a'; 3], [b'b'; 200]);
    let local = [Vector(at(&first), 3), Vector(at(&second), 200)];
    let remote = [Vector(bottom, 203)];
    let set = call(libc::SYS_process_vm_writev, &[child.pid(), at(&local), 2, at(&remote), 1, 0]);
    assert_eq!(set, 203);
    live.drain();
    live.frames.clear();
    let made = live.made(ty, nr, &[child.pid(), at(&local), 2, at(&remote), 1, 0]);
    assert_eq!((made.res, made.i64(1)), (203, child.pid() as i64));
    let expected = [&b"aaa"[..], &[b'b'; 77]].concat();
    assert_eq!(made.bytes(2), expected, "cut to the snap length");
    let gone = live.failing(ty, nr, &[NO_PID, at(&local), 2, at(&remote), 1, 0], libc::ESRCH);
    assert_eq!((gone.i64(1), gone.bytes(2)), (NO_PID as i64, vec![]));
    let nowhere = [Vector(8, 203)];
    let bad = [child.pid(), at(&local), 2, at(&nowhere), 1, 0];
    live.failing(ty, nr, &bad, libc::EFAULT);
    live.failing(ty, nr, &[child.pid(), at(&local), 2, at(&remote), 1, 1], libc::EINVAL);
    drop(child);
    live.finish();
}

#[test]
fn brk() {
    const TY: EventType = EventType::BRK_4_X;
    let Some(mut live) = Live::start(&[TY]) else { return };
    let made = live.made(TY, libc::SYS_brk, &[8]);
    assert!(made.res > 0x1000, "where the heap ends");
    assert!(made.number(1) > made.number(2) && made.number(2) > 0, "virtual and resident KiB");
    assert_eq!(made.number(4), 8);
    live.finish();
}

#[test]
fn munmap() {
    const TY: EventType = EventType::MUNMAP_X;
    let Some(mut live) = Live::start(&[TY]) else { return };
    let page = page();
    let made = live.made(TY, libc::SYS_munmap, &[page, PAGE]);
    assert!(made.number(1) > made.number(2) && made.number(2) > 0, "virtual and resident KiB");
    assert_eq!((made.res, made.number(4), made.number(5)), (0, page, PAGE));
    let odd = live.failing(TY, libc::SYS_munmap, &[page + 1, 3], libc::EINVAL);
    assert_eq!((odd.number(4), odd.number(5)), (page + 1, 3));
    live.finish();
}

#[test]
fn locks() {
    const LOCK: EventType = EventType::MLOCK_X;
    const LOCK_2: EventType = EventType::MLOCK2_X;
    const UNLOCK: EventType = EventType::MUNLOCK_X;
    let Some(mut live) = Live::start(&[LOCK, LOCK_2, UNLOCK]) else { return };
    let page = page();
    for (ty, nr) in [(LOCK, libc::SYS_mlock), (UNLOCK, libc::SYS_munlock)] {
        let made = live.made(ty, nr, &[page, PAGE]);
        assert_eq!((made.res, made.number(1), made.number(2)), (0, page, PAGE));
        let wrong = live.failing(ty, nr, &[PAGE, PAGE], libc::ENOMEM);
        assert_eq!((wrong.number(1), wrong.number(2)), (PAGE, PAGE));
    }
    let made = live.made(LOCK_2, libc::SYS_mlock2, &[page, PAGE, 1]);
    assert_eq!((made.number(1), made.number(2), made.number(3)), (page, PAGE, 1));
    let wrong = live.failing(LOCK_2, libc::SYS_mlock2, &[page, PAGE, 8], libc::EINVAL);
    assert_eq!(wrong.number(3), 0);
    call(libc::SYS_munmap, &[page, PAGE]);
    live.finish();
}

#[test]
fn locks_of_all() {
    const LOCK: EventType = EventType::MLOCKALL_X;
    const UNLOCK: EventType = EventType::MUNLOCKALL_X;
    let Some(mut live) = Live::start(&[LOCK, UNLOCK]) else { return };
    let child = in_child(vec![
        (libc::SYS_munlockall, vec![]),
        (libc::SYS_mlockall, vec![4]),
        (libc::SYS_mlockall, vec![2]),
    ]);
    live.taken_of(UNLOCK, child, &[0]);
    let wrong = live.taken_of(LOCK, child, &[-22]);
    assert_eq!(wrong.number(1), 4);
    assert_eq!(live.taken_of(LOCK, child, &[0]).number(1), 2);
    live.finish();
}
