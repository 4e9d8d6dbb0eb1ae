//! Modules, BPF, `io_uring`, tracing, descriptors of processes, keys and filters of calls on the running kernel. What would change the
//! machine is called only in ways that must fail.

mod live;

use std::{fs::File, os::fd::AsRawFd};

use event::{EventType, Frame};
use live::{
    Live,
    raw::{Waiting, at, call, is_absent},
    tid,
};

const NO_FD: u64 = 9_999;
const NO_PID: u64 = 0x7fff_fff0;

fn wait_for_stop(pid: u64) {
    let mut status = 0;
    // SAFETY: `status` outlives the call.
    let got = unsafe { libc::waitpid(pid as i32, &raw mut status, libc::__WALL) };
    assert_eq!(got, pid as i32);
    assert!(libc::WIFSTOPPED(status), "{status:#x}");
}

/// A number behind its tag.
fn tagged(tag: u8, value: u64) -> Vec<u8> {
    [&[tag][..], &value.to_le_bytes()].concat()
}

#[test]
fn ptrace() {
    const TY: EventType = EventType::PTRACE_X;
    let Some(mut live) = Live::start(&[TY]) else { return };
    let child = Waiting::start();
    let pid = child.pid();
    let seized = live.made(TY, libc::SYS_ptrace, &[u64::from(libc::PTRACE_SEIZE), pid, 0, 0]);
    assert_eq!((seized.res, seized.number(3), seized.i64(4)), (0, 0x14, pid as i64));
    live.made(TY, libc::SYS_ptrace, &[u64::from(libc::PTRACE_INTERRUPT), pid, 0, 0]);
    wait_for_stop(pid);

    // The last word of a stack is zero, the one before it ends the program's name.
    let place = child.stack().1 - 16;
    let found = [0u64];
    let peeked = live.made(
        TY,
        libc::SYS_ptrace,
        &[u64::from(libc::PTRACE_PEEKDATA), pid, place, at(&found)],
    );
    assert_eq!((peeked.res, peeked.number(3)), (0, 3));
    // SAFETY: the kernel wrote the word.
    let word = unsafe { (&raw const found[0]).read_volatile() };
    assert_eq!((peeked.bytes(1), peeked.bytes(2)), (tagged(0, place), tagged(0, word)));
    let poke = [u64::from(libc::PTRACE_POKEDATA), pid, place, word];
    let poked = live.made(TY, libc::SYS_ptrace, &poke);
    assert_eq!((poked.number(3), poked.bytes(2)), (6, tagged(0, word)));

    let detached = live.made(TY, libc::SYS_ptrace, &[u64::from(libc::PTRACE_DETACH), pid, 0, 0]);
    assert_eq!((detached.res, detached.number(3)), (0, 0xc));
    assert_eq!(detached.bytes(2), [1, 0], "a signal to go on with");

    let cont = [u64::from(libc::PTRACE_CONT), pid, 0x1234, 9];
    let untraced = live.failing(TY, libc::SYS_ptrace, &cont, libc::ESRCH);
    assert_eq!((untraced.number(3), untraced.bytes(1)), (8, tagged(0, 0)));
    assert_eq!(untraced.bytes(2), tagged(0, 0));
    let own = [u64::from(libc::PTRACE_ATTACH), u64::from(tid()), 0, 0];
    let own = live.failing(TY, libc::SYS_ptrace, &own, libc::EPERM);
    assert_eq!((own.number(3), own.i64(4)), (0xb, i64::from(tid())));
    drop(child);
    live.finish();
}

#[test]
fn bpf() {
    const TY: EventType = EventType::BPF_2_X;
    let Some(mut live) = Live::start(&[TY]) else { return };
    let mut attr = [0u32; 32];
    attr[..4].copy_from_slice(&[2, 4, 4, 1]);
    let made = live.made(TY, libc::SYS_bpf, &[0, at(&attr), 72]);
    if !is_absent(&made, TY) {
        assert_eq!((made.i64(0), made.number(1)), (made.res, 0));
        call(libc::SYS_close, &[made.res as u64]);
    }
    attr[..4].copy_from_slice(&[NO_FD as u32, 0, 0, 0]);
    let bad = live.failing(TY, libc::SYS_bpf, &[1, at(&attr), 72], libc::EBADF);
    assert_eq!(bad.number(1), 1);
    let unknown = live.failing(TY, libc::SYS_bpf, &[4_321, at(&attr), 72], libc::EINVAL);
    assert_eq!(unknown.number(1), 4_321);
    live.finish();
}

#[test]
fn init_module() {
    const TY: EventType = EventType::INIT_MODULE_X;
    let Some(mut live) = Live::start(&[TY]) else { return };
    let image = [b'x'; 200];
    let args = c"answer=42";
    let call = [at(&image), 200, at(args)];
    let garbage = live.failing(TY, libc::SYS_init_module, &call, libc::ENOEXEC);
    assert_eq!(garbage.bytes(1), [b'x'; 80], "cut to the snap length");
    assert_eq!((garbage.number(2), garbage.text(3)), (200, "answer=42".to_owned()));
    let faulting = live.failing(TY, libc::SYS_init_module, &[8, 200, 0], libc::EFAULT);
    assert_eq!((faulting.bytes(1), faulting.bytes(3)), (vec![], vec![]));
    live.finish();
}

#[test]
fn finit_module() {
    const TY: EventType = EventType::FINIT_MODULE_X;
    let Some(mut live) = Live::start(&[TY]) else { return };
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().canonicalize().unwrap().join("no-module.ko");
    std::fs::write(&path, [b'x'; 200]).unwrap();
    let file = File::open(&path).unwrap();
    let fd = file.as_raw_fd() as u64;
    let call = [fd, at(c"a=b"), 2];
    let garbage = live.failing(TY, libc::SYS_finit_module, &call, libc::ENOEXEC);
    assert_eq!((garbage.i64(1), garbage.text(2)), (fd as i64, "a=b".to_owned()));
    assert_eq!((garbage.number(3), garbage.file()), (2, path.display().to_string()));
    let call = [fd, at(c""), 0x40];
    let flags = live.failing(TY, libc::SYS_finit_module, &call, libc::EINVAL);
    assert_eq!(flags.number(3), 0, "the schema has no such flag");
    live.failing(TY, libc::SYS_finit_module, &[NO_FD, at(c""), 0], libc::EBADF);
    live.finish();
}

#[test]
fn delete_module() {
    const TY: EventType = EventType::DELETE_MODULE_X;
    let Some(mut live) = Live::start(&[TY]) else { return };
    let call = [at(c"no_such_module"), (libc::O_NONBLOCK | libc::O_TRUNC) as u64];
    let absent = live.failing(TY, libc::SYS_delete_module, &call, libc::ENOENT);
    assert_eq!((absent.text(1), absent.number(2)), ("no_such_module".to_owned(), 3));
    let faulting = live.failing(TY, libc::SYS_delete_module, &[8, 0], libc::EFAULT);
    assert_eq!((faulting.bytes(1), faulting.number(2)), (vec![], 0));
    live.finish();
}

#[test]
fn io_uring_setup() {
    const TY: EventType = EventType::IO_URING_SETUP_X;
    const CLAMP: u32 = 0x10;
    let Some(mut live) = Live::start(&[TY]) else { return };
    let mut params = [0u32; 30];
    params[2] = CLAMP;
    let made = live.made(TY, libc::SYS_io_uring_setup, &[3, at(&params)]);
    if !is_absent(&made, TY) {
        assert_eq!(
            (made.number(1), made.number(2), made.number(3)),
            (3, 4, 8),
            "as the kernel filled in"
        );
        assert_eq!(made.number(4), 0x20);
        // IORING_FEAT_SINGLE_MMAP is as old as the oldest kernel supported.
        assert_eq!(made.number(7) & 1, 1);
        assert!(made.file().contains("io_uring"), "{}", made.file());
        call(libc::SYS_close, &[made.res as u64]);
    }
    let none = live.failing(TY, libc::SYS_io_uring_setup, &[0, at(&params)], libc::EINVAL);
    assert_eq!(none.number(1), 0);
    let faulting = live.failing(TY, libc::SYS_io_uring_setup, &[3, 8], libc::EFAULT);
    assert_eq!((faulting.number(1), faulting.number(2)), (3, 0));
    live.finish();
}

/// A ring of its own for the test, `None` where the kernel gives none.
fn ring() -> Option<u64> {
    let params = [0u32; 30];
    let fd = call(libc::SYS_io_uring_setup, &[4, at(&params)]);
    if fd < 0 {
        eprintln!("skipped: no ring here, error {}", -fd);
    }
    u64::try_from(fd).ok()
}

#[test]
fn io_uring_enter() {
    const TY: EventType = EventType::IO_URING_ENTER_X;
    const GETEVENTS: u64 = 1;
    const REGISTERED_RING: u64 = 0x10;
    let Some(mut live) = Live::start(&[TY]) else { return };
    if let Some(fd) = ring() {
        let made = live.made(TY, libc::SYS_io_uring_enter, &[fd, 0, 0, GETEVENTS, 0, 8]);
        assert_eq!((made.res, made.i64(1), made.number(4)), (0, fd as i64, 1));
        assert!(made.file().contains("io_uring"), "{}", made.file());
        call(libc::SYS_close, &[fd]);
    }
    let bad = live.failing(TY, libc::SYS_io_uring_enter, &[NO_FD, 7, 9, 0, 0, 0], libc::EBADF);
    assert_eq!((bad.i64(1), bad.number(2), bad.number(3)), (NO_FD as i64, 7, 9));
    let file = File::open("/etc/passwd").unwrap();
    let fd = file.as_raw_fd() as u64;
    let other = live.failing(TY, libc::SYS_io_uring_enter, &[fd, 0, 0, 0, 0, 0], libc::EOPNOTSUPP);
    assert_eq!(other.file(), "/etc/passwd");
    let index = [0, 0, 0, REGISTERED_RING, 0, 0];
    let index = live.made(TY, libc::SYS_io_uring_enter, &index);
    assert!(index.frame().trailer().file().is_none(), "0 is an index, not a descriptor");
    live.finish();
}

#[test]
fn io_uring_register() {
    const TY: EventType = EventType::IO_URING_REGISTER_X;
    const PROBE: u64 = 8;
    let Some(mut live) = Live::start(&[TY]) else { return };
    if let Some(fd) = ring() {
        let probe = [0u64; 2];
        let made = live.made(TY, libc::SYS_io_uring_register, &[fd, PROBE, at(&probe), 0]);
        assert_eq!((made.res, made.i64(1), made.number(2)), (0, fd as i64, 8));
        assert_eq!((made.number(3), made.number(4)), (at(&probe), 0));
        assert!(made.file().contains("io_uring"), "{}", made.file());
        call(libc::SYS_close, &[fd]);
    }
    let bad = live.failing(TY, libc::SYS_io_uring_register, &[NO_FD, 2, 64, 3], libc::EBADF);
    assert_eq!((bad.number(2), bad.number(3), bad.number(4)), (2, 64, 3));
    let file = File::open("/etc/passwd").unwrap();
    let fd = file.as_raw_fd() as u64;
    live.failing(TY, libc::SYS_io_uring_register, &[fd, 2, 0, 0], libc::EOPNOTSUPP);
    live.finish();
}

#[test]
fn pidfd_open() {
    const TY: EventType = EventType::PIDFD_OPEN_X;
    let Some(mut live) = Live::start(&[TY]) else { return };
    let own = u64::from(std::process::id());
    let made = live.made(TY, libc::SYS_pidfd_open, &[own, libc::O_NONBLOCK as u64]);
    if !is_absent(&made, TY) {
        assert_eq!((made.i64(1), made.number(2)), (own as i64, 1));
        assert!(made.file().contains("pidfd"), "{}", made.file());
        call(libc::SYS_close, &[made.res as u64]);
    }
    let gone = live.failing(TY, libc::SYS_pidfd_open, &[NO_PID, 0], libc::ESRCH);
    assert_eq!((gone.i64(1), gone.number(2)), (NO_PID as i64, 0));
    live.failing(TY, libc::SYS_pidfd_open, &[own, 1], libc::EINVAL);
    live.finish();
}

#[test]
fn pidfd_getfd() {
    const TY: EventType = EventType::PIDFD_GETFD_X;
    let Some(mut live) = Live::start(&[TY]) else { return };
    let own = u64::from(std::process::id());
    let pidfd = call(libc::SYS_pidfd_open, &[own, 0]);
    let file = File::open("/etc/hostname").or_else(|_| File::open("/etc/passwd")).unwrap();
    let target = file.as_raw_fd() as u64;
    let made = live.made(TY, libc::SYS_pidfd_getfd, &[pidfd as u64, target, 0]);
    if !is_absent(&made, TY) {
        assert_eq!((made.i64(1), made.i64(2), made.number(3)), (pidfd, target as i64, 0));
        assert!(made.file().starts_with("/etc/"), "{}", made.file());
        call(libc::SYS_close, &[made.res as u64]);
    }
    live.failing(TY, libc::SYS_pidfd_getfd, &[NO_FD, 0, 0], libc::EBADF);
    let flags = live.failing(TY, libc::SYS_pidfd_getfd, &[pidfd as u64, target, 5], libc::EINVAL);
    assert_eq!(flags.number(3), 5);
    live.finish();
}

#[test]
fn seccomp() {
    const TY: EventType = EventType::SECCOMP_X;
    let Some(mut live) = Live::start(&[TY]) else { return };
    let action = libc::SECCOMP_RET_ALLOW;
    let asked = live.made(TY, libc::SYS_seccomp, &[2, 0, at(&action)]);
    if !is_absent(&asked, TY) {
        assert_eq!((asked.number(1), asked.number(2)), (2, 0));
    }
    let unknown = live.failing(TY, libc::SYS_seccomp, &[77, 0, 0], libc::EINVAL);
    assert_eq!(unknown.number(1), 77);
    // SECCOMP_FILTER_FLAG_LOG, and no filter.
    let faulting = live.failing(TY, libc::SYS_seccomp, &[1, 2, 0], libc::EFAULT);
    assert_eq!((faulting.number(1), faulting.number(2)), (1, 2));
    live.finish();
}

#[test]
fn keyctl() {
    const TY: EventType = EventType::KEYCTL_X;
    const SESSION: u64 = -3i64 as u64;
    let Some(mut live) = Live::start(&[TY]) else { return };
    let id = live.made(TY, libc::SYS_keyctl, &[0, SESSION, 0, 77, 77]);
    if !is_absent(&id, TY) {
        assert_eq!((id.number(1), id.bytes(2)), (0, tagged(0, SESSION)));
        assert_eq!(id.bytes(4), tagged(0, 0), "the operation takes two");
        // A keyring of this thread's own, which ends with it.
        let ring = live.made(TY, libc::SYS_keyctl, &[0, -1i64 as u64, 1]);
        assert!(ring.res > 0);
        let (ty, name) = (c"user", c"no such key");
        let search = [10, ring.res as u64, at(ty), at(name), 0];
        let none = live.failing(TY, libc::SYS_keyctl, &search, libc::ENOKEY);
        assert_eq!((none.number(1), none.bytes(2)), (10, tagged(0, ring.res as u64)));
        assert_eq!(none.bytes(3), b"\x01user\0");
        assert_eq!(none.bytes(4), b"\x01no such key\0");
        assert_eq!(none.bytes(5), tagged(0, 0));
    }
    let unknown = live.failing(TY, libc::SYS_keyctl, &[999, 5, 6], libc::EOPNOTSUPP);
    assert_eq!((unknown.number(1), unknown.bytes(2)), (999, tagged(0, 0)));
    live.finish();
}

/// Calls without an event type of their own say which they are, and no result.
#[test]
fn kexec_load() {
    const TY: EventType = EventType::GENERIC_X;
    let Some(mut live) = Live::start(&[TY]) else { return };
    for (name, nr, args) in [
        // Flags that mean nothing, once natively and once with a descriptor that is none.
        ("kexec_load", libc::SYS_kexec_load, [0, 0, 0, 0xffff, 0]),
        ("kexec_file_load", libc::SYS_kexec_file_load, [NO_FD, NO_FD, 0, 0, 0xffff]),
    ] {
        let res = call(nr, &args);
        assert!(res < 0, "{name} gave {res}");
        let id = event::syscall_id(name).unwrap();
        let bytes = live
            .wait(name, |f| f.header().tid == tid() && f.param(0) == Some(&id.to_le_bytes()[..]));
        let frame = Frame::parse(&bytes).unwrap();
        assert_eq!(frame.param(1), Some(&(nr as u16).to_le_bytes()[..]));
        assert_eq!(frame.header().tgid, std::process::id());
    }
    live.finish();
}
