//! Calls that have no event type of their own, on the running kernel.

mod live;

use event::{EventType, Frame, syscall_id};
use live::call::{gettid, in_own_directory, raw};

/// Name, number, and arguments with which it does nothing but fail.
const CALLS: &[(&str, i64, [i64; 4])] = &[
    ("truncate", libc::SYS_truncate, [8, 0, 0, 0]),
    ("ftruncate", libc::SYS_ftruncate, [-1, 0, 0, 0]),
    ("setgroups", libc::SYS_setgroups, [1, 8, 0, 0]),
    ("pivot_root", libc::SYS_pivot_root, [8, 8, 0, 0]),
    ("utimensat", libc::SYS_utimensat, [-100, 8, 0, 0]),
    ("kexec_load", libc::SYS_kexec_load, [0, 8, 8, -1]),
    ("kexec_file_load", libc::SYS_kexec_file_load, [-1, -1, 0, 0]),
    ("open_tree", libc::SYS_open_tree, [-1, 8, 0, 0]),
    ("move_mount", libc::SYS_move_mount, [-1, 8, -1, 8]),
    ("fsopen", libc::SYS_fsopen, [8, 0, 0, 0]),
    ("fsmount", libc::SYS_fsmount, [-1, 0, 0, 0]),
    ("fspick", libc::SYS_fspick, [-1, 8, 0, 0]),
    ("mount_setattr", libc::SYS_mount_setattr, [-1, 8, 0, 0]),
    ("fchmodat2", 452, [-1, 8, 0, 0]),
    ("readlink", libc::SYS_readlink, [8, 8, 8, 0]),
    ("preadv2", libc::SYS_preadv2, [-1, 8, 1, 0]),
    ("epoll_pwait", libc::SYS_epoll_pwait, [-1, 8, 1, 0]),
    ("faccessat2", libc::SYS_faccessat2, [-1, 8, 0, 0]),
    ("statx", libc::SYS_statx, [-1, 8, 0, 0]),
    ("waitid", libc::SYS_waitid, [99, 0, 0, 0]),
    ("cachestat", 451, [-1, 8, 8, 0]),
    ("futex_wake", 454, [8, 0, 0, -1]),
    ("statmount", 457, [8, 8, 8, 0]),
    ("lsm_list_modules", 461, [8, 8, 1, 0]),
    ("mseal", 462, [1, 1, 1, 1]),
    ("setxattrat", 463, [-1, 8, -1, 8]),
    ("open_tree_attr", 467, [-1, 8, -1, 8]),
    ("file_getattr", 468, [-1, 8, 8, 0]),
];

#[test]
fn each_call_is_known_by_its_name_and_number() {
    in_own_directory(&[EventType::GENERIC_X], |_, live| {
        let me = gettid();
        for &(name, nr, args) in CALLS {
            live.drain();
            live.frames.clear();
            let res = raw(nr, &args);
            if res == -38 {
                eprintln!("skipped: {name}: this kernel lacks the call");
                continue;
            }
            assert!(res < 0, "{name} itself");
            let of = |f: &Frame<'_>| f.event_type() == EventType::GENERIC_X && f.header().tid == me;
            let bytes = live.wait(name, of);
            let frame = Frame::parse(&bytes).unwrap();
            let number = |n: usize| frame.param(n).map(<[u8]>::to_vec);
            let id = syscall_id(name).expect("the schema has it").to_le_bytes();
            assert_eq!(number(0).as_deref(), Some(id.as_slice()), "{name}");
            let nr = u16::try_from(nr).unwrap().to_le_bytes();
            assert_eq!(number(1).as_deref(), Some(nr.as_slice()), "{name}");
        }
    });
}
