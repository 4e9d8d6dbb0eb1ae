//! Event type numbers, and the set of them.

use crate::bit_set::bit_set;
use crate::table::N_EVENT_TYPES;

/// Number of an event type in the `.scap` schema: even for enter and meta events, odd for exits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(transparent)]
pub struct EventType(pub u16);

macro_rules! event_types {
    ($($name:ident = $n:literal;)*) => {
        /// The types that this build captures or writes, named as in the schema (`_E` enter, `_X` exit).
        #[expect(missing_docs, reason = "the table describes them")]
        impl EventType { $(pub const $name: Self = Self($n);)* }
    };
}

event_types! {
    GENERIC_X = 1;
    OPEN_X = 3;
    CLOSE_X = 5;
    READ_X = 7;
    WRITE_X = 9;
    SOCKET_X = 19;
    BIND_X = 21;
    CONNECT_X = 23;
    LISTEN_X = 25;
    SEND_X = 29;
    SENDTO_X = 31;
    RECV_X = 33;
    RECVFROM_X = 35;
    SHUTDOWN_X = 37;
    GETSOCKNAME_X = 39;
    GETPEERNAME_X = 41;
    SOCKETPAIR_X = 43;
    SETSOCKOPT_X = 45;
    GETSOCKOPT_X = 47;
    SENDMSG_X = 49;
    SENDMMSG_X = 51;
    RECVMSG_X = 53;
    RECVMMSG_X = 55;
    CREAT_X = 59;
    PIPE_X = 61;
    EVENTFD_X = 63;
    FUTEX_X = 65;
    STAT_X = 67;
    LSTAT_X = 69;
    FSTAT_X = 71;
    STAT64_X = 73;
    LSTAT64_X = 75;
    FSTAT64_X = 77;
    EPOLL_WAIT_X = 79;
    POLL_X = 81;
    SELECT_X = 83;
    LSEEK_X = 87;
    LLSEEK_X = 89;
    GETCWD_X = 93;
    CHDIR_X = 95;
    FCHDIR_X = 97;
    PREAD_X = 113;
    PWRITE_X = 115;
    READV_X = 117;
    WRITEV_X = 119;
    PREADV_X = 121;
    PWRITEV_X = 123;
    SIGNALFD_X = 127;
    KILL_X = 129;
    TKILL_X = 131;
    TGKILL_X = 133;
    NANOSLEEP_X = 135;
    TIMERFD_CREATE_X = 137;
    INOTIFY_INIT_X = 139;
    GETRLIMIT_X = 141;
    SETRLIMIT_X = 143;
    PRLIMIT_X = 145;
    FCNTL_X = 151;
    SWITCH_6_E = 152;
    BRK_4_X = 159;
    MMAP_X = 161;
    MMAP2_X = 163;
    MUNMAP_X = 165;
    SPLICE_X = 167;
    PTRACE_X = 169;
    IOCTL_3_X = 171;
    RENAME_X = 175;
    RENAMEAT_X = 177;
    SYMLINK_X = 179;
    SYMLINKAT_X = 181;
    PROCEXIT_1_E = 186;
    SENDFILE_X = 189;
    QUOTACTL_X = 191;
    SETRESUID_X = 193;
    SETRESGID_X = 195;
    SETUID_X = 199;
    SETGID_X = 201;
    GETUID_X = 203;
    GETEUID_X = 205;
    GETGID_X = 207;
    GETEGID_X = 209;
    GETRESUID_X = 211;
    GETRESGID_X = 213;
    CLONE_20_X = 223;
    FORK_20_X = 225;
    VFORK_20_X = 227;
    SIGNALDELIVER_E = 232;
    PROCINFO_1_E = 234;
    GETDENTS_X = 237;
    GETDENTS64_X = 239;
    SETNS_X = 241;
    FLOCK_X = 243;
    ACCEPT_5_X = 247;
    SEMOP_X = 251;
    SEMCTL_X = 253;
    PPOLL_X = 255;
    MOUNT_X = 257;
    SEMGET_X = 263;
    ACCESS_X = 265;
    CHROOT_X = 267;
    SETSID_X = 275;
    MKDIR_2_X = 277;
    RMDIR_2_X = 279;
    UNSHARE_X = 285;
    PAGE_FAULT_E = 290;
    EXECVE_19_X = 293;
    SETPGID_X = 295;
    SECCOMP_X = 299;
    UNLINK_2_X = 301;
    UNLINKAT_2_X = 303;
    MKDIRAT_X = 305;
    OPENAT_2_X = 307;
    LINK_2_X = 309;
    LINKAT_2_X = 311;
    FCHMODAT_X = 313;
    CHMOD_X = 315;
    FCHMOD_X = 317;
    RENAMEAT2_X = 319;
    USERFAULTFD_X = 321;
    OPENAT2_X = 327;
    MPROTECT_X = 329;
    EXECVEAT_X = 331;
    COPY_FILE_RANGE_X = 333;
    CLONE3_X = 335;
    OPEN_BY_HANDLE_AT_X = 337;
    IO_URING_SETUP_X = 339;
    IO_URING_ENTER_X = 341;
    IO_URING_REGISTER_X = 343;
    MLOCK_X = 345;
    MUNLOCK_X = 347;
    MLOCKALL_X = 349;
    MUNLOCKALL_X = 351;
    CAPSET_X = 353;
    DUP2_X = 363;
    DUP3_X = 365;
    DUP_1_X = 367;
    BPF_2_X = 369;
    MLOCK2_X = 371;
    FSCONFIG_X = 373;
    EPOLL_CREATE_X = 375;
    EPOLL_CREATE1_X = 377;
    CHOWN_X = 379;
    LCHOWN_X = 381;
    FCHOWN_X = 383;
    FCHOWNAT_X = 385;
    UMOUNT_1_X = 387;
    ACCEPT4_6_X = 389;
    UMOUNT2_X = 391;
    PIPE2_X = 393;
    INOTIFY_INIT1_X = 395;
    EVENTFD2_X = 397;
    SIGNALFD4_X = 399;
    PRCTL_X = 401;
    MEMFD_CREATE_X = 405;
    PIDFD_GETFD_X = 407;
    PIDFD_OPEN_X = 409;
    INIT_MODULE_X = 411;
    FINIT_MODULE_X = 413;
    MKNOD_X = 415;
    MKNODAT_X = 417;
    NEWFSTATAT_X = 419;
    PROCESS_VM_READV_X = 421;
    PROCESS_VM_WRITEV_X = 423;
    DELETE_MODULE_X = 425;
    SETREUID_X = 427;
    SETREGID_X = 429;
    CLOSE_RANGE_X = 451;
    KEYCTL_X = 453;
}

bit_set! {
    /// A set of event types: a fixed bitmap, O(1) everywhere.
    EventSet of N_EVENT_TYPES EventType
}

impl EventSet {
    /// The types in ascending order.
    pub fn iter(&self) -> impl Iterator<Item = EventType> + '_ {
        (0u16..).take(N_EVENT_TYPES).map(EventType).filter(|&t| self.contains(t))
    }
}

impl core::fmt::Debug for EventSet {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_set().entries(self.iter()).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn set_algebra_stays_inside_the_table() {
        let one: EventSet = [EventType::OPENAT_2_X].into_iter().collect();
        let rest = one.complement();
        assert_eq!(one.len() + rest.len(), N_EVENT_TYPES);
        assert!(one.intersection(&rest).is_empty());
        assert_eq!(one.union(&rest), EventSet::all());
        assert!(!EventSet::all().contains(EventType(u16::MAX)));
    }
}
