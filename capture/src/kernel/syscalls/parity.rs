//! Every call that the kernel side is meant to capture, by family: none is forgotten, and none is here by accident.

use std::collections::BTreeSet;

use event::{Call, EventType};

/// Calls that have an event type of their own, by the file that has their rows.
const FAMILIES: &[(&str, &[&str])] = &[
    ("attributes", &["chmod", "chown", "fchmod", "fchmodat", "fchown", "fchownat", "lchown"]),
    (
        "credentials",
        &["capset", "setgid", "setregid", "setresgid", "setresuid", "setreuid", "setuid"],
    ),
    (
        "descriptor",
        &[
            "close",
            "close_range",
            "dup",
            "dup2",
            "dup3",
            "epoll_create",
            "epoll_create1",
            "eventfd",
            "eventfd2",
            "fcntl",
            "inotify_init",
            "inotify_init1",
            "pipe",
            "pipe2",
            "signalfd",
            "signalfd4",
            "timerfd_create",
        ],
    ),
    ("directory", &["chdir", "chroot", "fchdir"]),
    ("file", &["creat", "open", "open_by_handle_at", "openat", "openat2"]),
    (
        "io",
        &[
            "copy_file_range",
            "pread",
            "preadv",
            "pwrite",
            "pwritev",
            "read",
            "readv",
            "sendfile",
            "splice",
            "write",
            "writev",
        ],
    ),
    (
        "memory",
        &[
            "memfd_create",
            "mmap",
            "mmap2",
            "mprotect",
            "process_vm_readv",
            "process_vm_writev",
            "userfaultfd",
        ],
    ),
    ("mount", &["fsconfig", "mount", "umount", "umount2"]),
    ("namespace", &["setns", "unshare"]),
    (
        "network",
        &[
            "accept",
            "accept4",
            "bind",
            "connect",
            "listen",
            "recv",
            "recvfrom",
            "recvmmsg",
            "recvmsg",
            "send",
            "sendmmsg",
            "sendmsg",
            "sendto",
            "shutdown",
            "socket",
            "socketpair",
        ],
    ),
    (
        "process",
        &[
            "clone", "clone3", "execve", "execveat", "fork", "procexit", "setpgid", "setsid",
            "vfork",
        ],
    ),
    ("limits", &["prlimit", "setrlimit"]),
    ("sched", &["page_fault", "switch"]),
    ("signal", &["kill", "signaldeliver", "tgkill", "tkill"]),
    (
        "system",
        &[
            "bpf",
            "delete_module",
            "finit_module",
            "init_module",
            "io_uring_enter",
            "io_uring_register",
            "io_uring_setup",
            "keyctl",
            "pidfd_getfd",
            "pidfd_open",
            "prctl",
            "ptrace",
            "seccomp",
        ],
    ),
    (
        "tree",
        &[
            "link",
            "linkat",
            "mkdir",
            "mkdirat",
            "mknod",
            "mknodat",
            "rename",
            "renameat",
            "renameat2",
            "rmdir",
            "symlink",
            "symlinkat",
            "unlink",
            "unlinkat",
        ],
    ),
];

/// Calls that are generic events.
const GENERIC: &[&str] = &[
    "fchmodat2",
    "fsmount",
    "fsopen",
    "fspick",
    "ftruncate",
    "kexec_file_load",
    "kexec_load",
    "mount_setattr",
    "move_mount",
    "open_tree",
    "pivot_root",
    "setgroups",
    "truncate",
    "utimensat",
];

/// Names on one side only.
fn differences<'a>(listed: &BTreeSet<&'a str>, captured: &BTreeSet<&'a str>) -> Vec<String> {
    let missing = listed.difference(captured).map(|name| format!("{name} is not captured"));
    let new = captured.difference(listed).map(|name| format!("{name} is not in the list"));
    missing.chain(new).collect()
}

#[test]
fn every_family_is_whole() {
    let listed: BTreeSet<&str> = FAMILIES.iter().flat_map(|(_, names)| *names).copied().collect();
    let captured = super::capturable();
    let captured: BTreeSet<&str> =
        captured.iter().filter(|ty| *ty != EventType::GENERIC_X).map(EventType::name).collect();
    let wrong = differences(&listed, &captured);
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn every_generic_call_is_there() {
    let listed = GENERIC.iter().copied().collect();
    let captured = super::generic_calls();
    let captured = captured.iter().map(Call::name).collect();
    let wrong = differences(&listed, &captured);
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}
