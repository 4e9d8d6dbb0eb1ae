//! The filter of the agent's own calls: refuses what it never does once it watches.
//!
//! A list of what is refused, not of what may be: the C library, the allocator and runtimes call what the next version of them likes, and an agent
//! whose `malloc` is refused watches nobody. Calls that are younger than the list are answered as by a kernel that does not have them, which
//! libraries expect. What is refused fails with an error; nothing ends the process.
//!
//! The kernel remembers which calls pass whatever their arguments are, and does not run the filter for these (5.11, `seccomp_cache_check_allow`
//! in kernel/seccomp.c).

use libc::{EAFNOSUPPORT, ENOSYS, EPERM, c_long};
use seccompiler::sock_filter;

#[cfg(target_arch = "x86_64")]
const ARCH: u32 = 0xc000_003e;
#[cfg(target_arch = "aarch64")]
const ARCH: u32 = 0xc000_00b7;

/// `open_tree_attr` (467), `file_getattr`, `file_setattr` of 6.17 are the last ones that this list was held against; numbers are the same on all
/// architectures from 424 on.
const LAST_KNOWN: u32 = 469;

/// Calls of the x32 ABI have this bit, and pass for x86-64.
#[cfg(target_arch = "x86_64")]
const X32: u32 = 0x4000_0000;

/// Numbers that the library has no names for.
const OPEN_TREE_ATTR: c_long = 467;
const QUOTACTL_FD: c_long = 443;
const SETXATTRAT: c_long = 463;
const REMOVEXATTRAT: c_long = 466;
const FILE_SETATTR: c_long = 469;

/// What is never called after the start.
#[rustfmt::skip]
const REFUSED: &[c_long] = &[
    // Code of the kernel, and another kernel.
    libc::SYS_init_module, libc::SYS_finit_module, libc::SYS_delete_module, libc::SYS_kexec_load, libc::SYS_kexec_file_load, libc::SYS_reboot,
    // Mounts and roots.
    libc::SYS_mount, libc::SYS_umount2, libc::SYS_pivot_root, libc::SYS_chroot, libc::SYS_move_mount, libc::SYS_fsopen, libc::SYS_fsconfig,
    libc::SYS_fsmount, libc::SYS_fspick, libc::SYS_open_tree, libc::SYS_mount_setattr, OPEN_TREE_ATTR, libc::SYS_swapon, libc::SYS_swapoff,
    libc::SYS_quotactl, QUOTACTL_FD, libc::SYS_acct,
    // Other processes.
    libc::SYS_ptrace, libc::SYS_process_vm_readv, libc::SYS_process_vm_writev, libc::SYS_process_madvise, libc::SYS_process_mrelease, libc::SYS_kcmp,
    libc::SYS_pidfd_getfd, libc::SYS_move_pages, libc::SYS_migrate_pages, libc::SYS_rt_sigqueueinfo, libc::SYS_rt_tgsigqueueinfo, libc::SYS_tkill,
    // Namespaces; those of `clone` below.
    libc::SYS_setns, libc::SYS_unshare,
    // Other programs, and what others would take for its own.
    libc::SYS_execve, libc::SYS_execveat, libc::SYS_personality,
    // The clock and the machine's names.
    libc::SYS_settimeofday, libc::SYS_clock_settime, libc::SYS_clock_adjtime, libc::SYS_adjtimex, libc::SYS_sethostname, libc::SYS_setdomainname,
    // Keys, and ways around other filters.
    libc::SYS_add_key, libc::SYS_request_key, libc::SYS_keyctl, libc::SYS_io_uring_setup, libc::SYS_io_uring_enter, libc::SYS_io_uring_register,
    libc::SYS_userfaultfd, libc::SYS_perf_event_open, libc::SYS_open_by_handle_at, libc::SYS_fanotify_init, libc::SYS_syslog, libc::SYS_vhangup,
    // Modes and attributes of files, which Landlock leaves alone: of what root owns, a bit makes anybody root.
    libc::SYS_fchmod, libc::SYS_fchmodat, libc::SYS_fchmodat2, libc::SYS_setxattr, libc::SYS_lsetxattr, libc::SYS_fsetxattr, SETXATTRAT,
    libc::SYS_removexattr, libc::SYS_lremovexattr, libc::SYS_fremovexattr, REMOVEXATTRAT, FILE_SETATTR,
    #[cfg(target_arch = "x86_64")] libc::SYS_chmod,
    // Users, owners, privileges, devices.
    libc::SYS_setuid, libc::SYS_setgid, libc::SYS_setreuid, libc::SYS_setregid, libc::SYS_setresuid, libc::SYS_setresgid, libc::SYS_setgroups,
    libc::SYS_setfsuid, libc::SYS_setfsgid, libc::SYS_capset, libc::SYS_fchown, libc::SYS_fchownat, libc::SYS_mknodat,
    #[cfg(target_arch = "x86_64")] libc::SYS_chown,
    #[cfg(target_arch = "x86_64")] libc::SYS_lchown,
    #[cfg(target_arch = "x86_64")] libc::SYS_mknod,
    // Of x86 alone: ports, segments, libraries of old.
    #[cfg(target_arch = "x86_64")] libc::SYS_ioperm,
    #[cfg(target_arch = "x86_64")] libc::SYS_iopl,
    #[cfg(target_arch = "x86_64")] libc::SYS_modify_ldt,
    #[cfg(target_arch = "x86_64")] libc::SYS_uselib,
];

/// Flags of `clone` that make a namespace. Of `clone3` they lie in memory, which no filter sees; the C library asks again with `clone`.
const NEW_NAMESPACES: u32 = (libc::CLONE_NEWNS
    | libc::CLONE_NEWCGROUP
    | libc::CLONE_NEWUTS
    | libc::CLONE_NEWIPC
    | libc::CLONE_NEWUSER
    | libc::CLONE_NEWPID
    | libc::CLONE_NEWNET) as u32;

/// Commands to a terminal that type into it, as if its user did (TIOCSTI, TIOCLINUX of include/uapi/asm-generic/ioctls.h).
const TYPE_INTO_TERMINAL: [u32; 2] = [0x5412, 0x541c];

/// Families of sockets that it makes: outputs, runtimes, resolver.
const FAMILIES: [i32; 4] = [libc::AF_UNIX, libc::AF_INET, libc::AF_INET6, libc::AF_NETLINK];

// Of include/uapi/linux/seccomp.h.
const ALLOW: u32 = 0x7fff_0000;
const ERRNO: u32 = 0x0005_0000;
/// Offsets in `struct seccomp_data`; the low half of the first argument on little endian.
const NUMBER: u32 = 0;
const MACHINE: u32 = 4;
const FIRST_ARGUMENT: u32 = 16;
const SECOND_ARGUMENT: u32 = 24;

// Of include/uapi/linux/{bpf_common,filter}.h.
const LOAD: u16 = 0x20;
const IF_EQUAL: u16 = 0x15;
const IF_AT_LEAST: u16 = 0x35;
const IF_ABOVE: u16 = 0x25;
const IF_ANY_BIT: u16 = 0x45;
const RETURN: u16 = 0x06;

fn error(errno: i32) -> u32 {
    ERRNO | errno as u32
}

/// Assembles; blocks end with a return, so that jumps lead over one instruction.
#[derive(Default)]
struct Filter(Vec<sock_filter>);

impl Filter {
    fn push(&mut self, code: u16, (jt, jf): (u8, u8), k: u32) {
        self.0.push(sock_filter { code, jt, jf, k });
    }

    fn load(&mut self, offset: u32) {
        self.push(LOAD, (0, 0), offset);
    }

    fn end(&mut self, action: u32) {
        self.push(RETURN, (0, 0), action);
    }

    /// Ends with the action where the test holds.
    fn end_if(&mut self, test: u16, k: u32, action: u32) {
        self.push(test, (0, 1), k);
        self.end(action);
    }

    fn end_unless(&mut self, test: u16, k: u32, action: u32) {
        self.push(test, (1, 0), k);
        self.end(action);
    }

    /// What becomes of one call, by an argument.
    fn of_call(&mut self, call: c_long, argument: u32, rest: u32, known: (u32, &[u32])) {
        let mut block = Self::default();
        block.load(argument);
        let (action, values) = known;
        for &value in values {
            block.end_if(IF_EQUAL, value, action);
        }
        block.end(rest);
        self.push(IF_EQUAL, (0, block.0.len() as u8), call as u32);
        self.0.append(&mut block.0);
    }
}

/// Whom the threads may signal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Signals {
    /// Each other.
    Own,
    /// Programs that were started, too, whose numbers nobody knows beforehand.
    Programs,
}

fn filter(signals: Signals) -> Vec<sock_filter> {
    let (own, refused) = (std::process::id(), error(EPERM));
    let mut filter = Filter::default();
    filter.load(MACHINE);
    // Calls of 32-bit programs have numbers of their own.
    filter.end_unless(IF_EQUAL, ARCH, refused);
    filter.load(NUMBER);
    #[cfg(target_arch = "x86_64")]
    filter.end_if(IF_AT_LEAST, X32, refused);
    for &number in REFUSED {
        filter.end_if(IF_EQUAL, number as u32, refused);
    }
    filter.end_if(IF_EQUAL, libc::SYS_clone3 as u32, error(ENOSYS));
    filter.end_if(IF_ABOVE, LAST_KNOWN, error(ENOSYS));
    // Other calls pass over the next three.
    filter.push(IF_EQUAL, (0, 4), libc::SYS_clone as u32);
    filter.load(FIRST_ARGUMENT);
    filter.end_if(IF_ANY_BIT, NEW_NAMESPACES, refused);
    filter.end(ALLOW);
    filter.of_call(
        libc::SYS_socket,
        FIRST_ARGUMENT,
        error(EAFNOSUPPORT),
        (ALLOW, &FAMILIES.map(|family| family as u32)),
    );
    filter.of_call(libc::SYS_bpf, FIRST_ARGUMENT, refused, (ALLOW, &capture::BPF_COMMANDS));
    filter.of_call(libc::SYS_ioctl, SECOND_ARGUMENT, ALLOW, (refused, &TYPE_INTO_TERMINAL));
    // Nobody's limits but its own.
    filter.of_call(libc::SYS_prlimit64, FIRST_ARGUMENT, refused, (ALLOW, &[0, own]));
    filter.of_call(libc::SYS_tgkill, FIRST_ARGUMENT, refused, (ALLOW, &[own]));
    if signals == Signals::Own {
        filter.of_call(libc::SYS_kill, FIRST_ARGUMENT, refused, (ALLOW, &[own]));
        filter.end_if(IF_EQUAL, libc::SYS_pidfd_send_signal as u32, refused);
    }
    filter.end(ALLOW);
    filter.0
}

/// Refuses them to every thread of this process, which starts no programs, for good; gives how many.
///
/// # Errors
/// The kernel has no such filters, or one thread has another one than the rest.
pub(super) fn refuse() -> Result<usize, seccompiler::Error> {
    seccompiler::apply_filter_all_threads(&filter(Signals::Own))?;
    Ok(REFUSED.len())
}

/// Refuses them to the threads that helped at the start and wait for more.
///
/// # Errors
/// The kernel has no such filters.
pub(super) fn refuse_in_pool() -> Result<(), seccompiler::Error> {
    rayon::broadcast(|_| refuse_here()).into_iter().try_for_each(|refused| refused.map(drop))
}

/// Refuses them to the calling thread and those that it starts from here on, of a process that starts programs; gives how many.
///
/// # Errors
/// The kernel has no such filters.
pub(super) fn refuse_here() -> Result<usize, seccompiler::Error> {
    seccompiler::apply_filter(&filter(Signals::Programs))?;
    Ok(REFUSED.len())
}

#[cfg(test)]
mod tests {
    use std::io;
    use std::os::unix::fs::PermissionsExt as _;
    use std::process::Command;

    use super::*;

    /// What the kernel would do with a call.
    fn verdict(arch: u32, number: u32, first: u32) -> u32 {
        verdict_of(&filter(Signals::Own), arch, number, [first, 0])
    }

    fn verdict_of(filter: &[sock_filter], arch: u32, number: u32, arguments: [u32; 2]) -> u32 {
        let (mut at, mut value) = (0, 0);
        loop {
            let sock_filter { code, jt, jf, k } = filter[at];
            let holds = match code {
                LOAD => {
                    value = match k {
                        NUMBER => number,
                        MACHINE => arch,
                        FIRST_ARGUMENT => arguments[0],
                        SECOND_ARGUMENT => arguments[1],
                        other => panic!("offset {other}"),
                    };
                    at += 1;
                    continue;
                }
                IF_EQUAL => value == k,
                IF_AT_LEAST => value >= k,
                IF_ABOVE => value > k,
                IF_ANY_BIT => value & k != 0,
                RETURN => return k,
                other => panic!("code {other}"),
            };
            at += 1 + usize::from(if holds { jt } else { jf });
        }
    }

    #[test]
    fn each_call_is_refused_or_passes() {
        let of = |number: c_long| verdict(ARCH, number as u32, 0);
        for &number in REFUSED {
            assert_eq!(of(number), error(EPERM), "{number}");
        }
        let by_argument = [
            libc::SYS_clone3,
            libc::SYS_socket,
            libc::SYS_kill,
            libc::SYS_tgkill,
            libc::SYS_pidfd_send_signal,
        ];
        for number in 0..=LAST_KNOWN {
            let is_refused =
                REFUSED.iter().chain(&by_argument).any(|&refused| refused == c_long::from(number));
            assert_eq!(verdict(ARCH, number, 0) == ALLOW, !is_refused, "{number}");
        }
        for number in [libc::SYS_bpf, libc::SYS_openat, libc::SYS_futex, libc::SYS_exit_group] {
            assert_eq!(of(number), ALLOW);
        }
        assert_eq!(of(libc::SYS_clone3), error(ENOSYS));
        assert_eq!(of(c_long::from(LAST_KNOWN) + 1), error(ENOSYS));
    }

    #[test]
    fn calls_of_other_machines_are_refused() {
        // AUDIT_ARCH_I386: there 1 is exit, 5 is open.
        for number in 0..512 {
            assert_eq!(verdict(0x4000_0003, number, 0), error(EPERM));
            #[cfg(target_arch = "x86_64")]
            assert_eq!(verdict(ARCH, X32 | number, 0), error(EPERM));
        }
    }

    #[test]
    fn arguments_of_clone_and_socket_decide() {
        let clone = |flags: i32| verdict(ARCH, libc::SYS_clone as u32, flags as u32);
        let thread = libc::CLONE_VM | libc::CLONE_THREAD | libc::CLONE_SIGHAND | libc::CLONE_FILES;
        assert_eq!((clone(thread), clone(libc::SIGCHLD)), (ALLOW, ALLOW));
        for flag in [libc::CLONE_NEWUSER, libc::CLONE_NEWNS, libc::CLONE_NEWNET] {
            assert_eq!(clone(flag | libc::SIGCHLD), error(EPERM));
        }
        let socket = |family: i32| verdict(ARCH, libc::SYS_socket as u32, family as u32);
        assert!(FAMILIES.map(socket).iter().all(|&verdict| verdict == ALLOW));
        for family in [libc::AF_PACKET, libc::AF_ALG, libc::AF_VSOCK, libc::AF_BLUETOOTH] {
            assert_eq!(socket(family), error(EAFNOSUPPORT));
        }
    }

    #[test]
    fn arguments_of_bpf_ioctl_and_of_what_changes_others_decide() {
        let own = std::process::id();
        let of = |number: c_long, first: u32| verdict(ARCH, number as u32, first);
        // BPF_MAP_CREATE, BPF_PROG_LOAD, BPF_LINK_CREATE; then objects of others: pinned, by number, listed.
        assert!([0, 5, 28].map(|command| of(libc::SYS_bpf, command)).iter().all(|&v| v == ALLOW));
        for command in [6, 7, 11, 13, 14, 19, 20, 30, 32, 36, 99] {
            assert_eq!(of(libc::SYS_bpf, command), error(EPERM), "{command}");
        }
        for call in [libc::SYS_kill, libc::SYS_tgkill, libc::SYS_prlimit64] {
            assert_eq!((of(call, own), of(call, 1)), (ALLOW, error(EPERM)), "{call}");
        }
        assert_eq!(of(libc::SYS_prlimit64, 0), ALLOW);
        let kills = filter(Signals::Programs);
        for call in [libc::SYS_kill, libc::SYS_pidfd_send_signal] {
            assert_eq!(verdict_of(&kills, ARCH, call as u32, [1, 9]), ALLOW);
        }
        let ioctl =
            |command| verdict_of(&filter(Signals::Own), ARCH, libc::SYS_ioctl as u32, [0, command]);
        assert_eq!(ioctl(libc::FIONBIO as u32), ALLOW);
        assert_eq!(ioctl(libc::TIOCSTI as u32), error(EPERM));
    }

    const IN_CHILD: &str = "PEREGRINE_TEST_CALLS_IN_CHILD";

    /// In a process of its own, since a filter stays.
    #[test]
    fn the_kernel_refuses_them_and_threads_start() {
        if std::env::var_os(IN_CHILD).is_none() {
            let name = "sandbox::calls::tests::the_kernel_refuses_them_and_threads_start";
            let mut child = Command::new(std::env::current_exe().unwrap());
            child.args(["--exact", name, "--test-threads=1"]).env(IN_CHILD, "1");
            let out = child.output().unwrap();
            let said = String::from_utf8_lossy(&out.stdout);
            assert!(out.status.success() && said.contains("1 passed"), "{said}");
            return;
        }
        refuse().unwrap();
        let code = |e: io::Error| e.raw_os_error();
        let thread = std::thread::spawn(move || {
            [
                Command::new("/bin/true").status().map(drop).map_err(code),
                std::os::unix::fs::chroot("/").map_err(code),
                std::os::unix::fs::chown("/", Some(0), None).map_err(code),
                std::fs::set_permissions("/tmp", std::fs::Permissions::from_mode(0o1777))
                    .map_err(code),
                rustix::process::test_kill_process(rustix::process::Pid::INIT)
                    .map_err(|e| code(e.into())),
            ]
        });
        assert_eq!(thread.join().unwrap(), [Err(Some(EPERM)); 5]);
        let status = std::fs::read_to_string("/proc/thread-self/status").unwrap();
        assert!(
            status.contains("Seccomp:\t2\n") && status.contains("NoNewPrivs:\t1\n"),
            "{status}"
        );
        assert!(std::net::UdpSocket::bind("127.0.0.1:0").is_ok());
    }
}
