//! Named flag and enumeration sets, in the order in which their names are printed (`.scap` schema values, not the kernel's).

use super::FlagSet;

#[rustfmt::skip]
pub(super) static OPEN_FLAGS_NAMES: [(&str, u32); 19] = [("O_LARGEFILE", 0x800), ("O_DIRECTORY", 0x400), ("O_DIRECT", 0x200), ("O_TRUNC", 0x100), ("O_SYNC", 0x80), ("O_NONBLOCK", 0x40), ("O_EXCL", 0x20), ("O_DSYNC", 0x10), ("O_APPEND", 0x8), ("O_CREAT", 0x4), ("O_RDWR", 0x3), ("O_WRONLY", 0x2), ("O_RDONLY", 0x1), ("O_CLOEXEC", 0x1000), ("O_NONE", 0x0), ("O_TMPFILE", 0x2000), ("O_F_CREATED", 0x4000), ("FD_UPPER_LAYER", 0x8000), ("FD_LOWER_LAYER", 0x0001_0000)];
pub(super) const OPEN_FLAGS: FlagSet = FlagSet(&OPEN_FLAGS_NAMES);
#[rustfmt::skip]
pub(super) static CLONE_FLAGS_NAMES: [(&str, u32); 27] = [("CLONE_FILES", 0x1), ("CLONE_FS", 0x2), ("CLONE_IO", 0x4), ("CLONE_NEWIPC", 0x8), ("CLONE_NEWNET", 0x10), ("CLONE_NEWNS", 0x20), ("CLONE_NEWPID", 0x40), ("CLONE_NEWUTS", 0x80), ("CLONE_PARENT", 0x100), ("CLONE_PARENT_SETTID", 0x200), ("CLONE_PTRACE", 0x400), ("CLONE_SIGHAND", 0x800), ("CLONE_SYSVSEM", 0x1000), ("CLONE_THREAD", 0x2000), ("CLONE_UNTRACED", 0x4000), ("CLONE_VM", 0x8000), ("CLONE_INVERTED", 0x0001_0000), ("NAME_CHANGED", 0x0002_0000), ("CLOSED", 0x0004_0000), ("CLONE_NEWUSER", 0x0010_0000), ("CLONE_CHILD_CLEARTID", 0x0080_0000), ("CLONE_CHILD_SETTID", 0x0100_0000), ("CLONE_SETTLS", 0x0200_0000), ("CLONE_STOPPED", 0x0400_0000), ("CLONE_VFORK", 0x0800_0000), ("CLONE_NEWCGROUP", 0x1000_0000), ("CLONE_CHILD_IN_PIDNS", 0x2000_0000)];
pub(super) const CLONE_FLAGS: FlagSet = FlagSet(&CLONE_FLAGS_NAMES);
#[rustfmt::skip]
pub(super) static SOCKET_DOMAIN_NAMES: [(&str, u32); 40] = [("AF_NFC", 0x27), ("AF_ALG", 0x26), ("AF_CAIF", 0x25), ("AF_IEEE802154", 0x24), ("AF_PHONET", 0x23), ("AF_ISDN", 0x22), ("AF_RXRPC", 0x21), ("AF_IUCV", 0x20), ("AF_BLUETOOTH", 0x1f), ("AF_TIPC", 0x1e), ("AF_CAN", 0x1d), ("AF_LLC", 0x1a), ("AF_WANPIPE", 0x19), ("AF_PPPOX", 0x18), ("AF_IRDA", 0x17), ("AF_SNA", 0x16), ("AF_RDS", 0x15), ("AF_ATMSVC", 0x14), ("AF_ECONET", 0x13), ("AF_ASH", 0x12), ("AF_PACKET", 0x11), ("AF_ROUTE", 0x10), ("AF_NETLINK", 0x10), ("AF_KEY", 0xf), ("AF_SECURITY", 0xe), ("AF_NETBEUI", 0xd), ("AF_DECnet", 0xc), ("AF_ROSE", 0xb), ("AF_INET6", 0xa), ("AF_X25", 0x9), ("AF_ATMPVC", 0x8), ("AF_BRIDGE", 0x7), ("AF_NETROM", 0x6), ("AF_APPLETALK", 0x5), ("AF_IPX", 0x4), ("AF_AX25", 0x3), ("AF_INET", 0x2), ("AF_LOCAL", 0x1), ("AF_UNIX", 0x1), ("AF_UNSPEC", 0x0)];
pub(super) const SOCKET_DOMAIN: FlagSet = FlagSet(&SOCKET_DOMAIN_NAMES);
#[rustfmt::skip]
pub(super) static SHUTDOWN_HOW_NAMES: [(&str, u32); 4] = [("SHUT_UNKNOWN", 0xffff), ("SHUT_RDWR", 0x2), ("SHUT_WR", 0x1), ("SHUT_RD", 0x0)];
pub(super) const SHUTDOWN_HOW: FlagSet = FlagSet(&SHUTDOWN_HOW_NAMES);
#[rustfmt::skip]
pub(super) static SETSOCKOPT_LEVEL_NAMES: [(&str, u32); 3] = [("SOL_SOCKET", 0x1), ("SOL_TCP", 0x2), ("UNKNOWN", 0x0)];
pub(super) const SETSOCKOPT_LEVEL: FlagSet = FlagSet(&SETSOCKOPT_LEVEL_NAMES);
#[rustfmt::skip]
pub(super) static SETSOCKOPT_OPTNAME_NAMES: [(&str, u32); 54] = [("SO_COOKIE", 0x35), ("SO_MEMINFO", 0x34), ("SO_PEERGROUPS", 0x33), ("SO_ATTACH_BPF", 0x32), ("SO_INCOMING_CPU", 0x31), ("SO_BPF_EXTENSIONS", 0x30), ("SO_MAX_PACING_RATE", 0x2f), ("SO_BUSY_POLL", 0x2e), ("SO_SELECT_ERR_QUEUE", 0x2d), ("SO_LOCK_FILTER", 0x2c), ("SO_NOFCS", 0x2b), ("SO_PEEK_OFF", 0x2a), ("SO_WIFI_STATUS", 0x29), ("SO_RXQ_OVFL", 0x28), ("SO_DOMAIN", 0x27), ("SO_PROTOCOL", 0x26), ("SO_TIMESTAMPING", 0x25), ("SO_MARK", 0x24), ("SO_TIMESTAMPNS", 0x23), ("SO_PASSSEC", 0x22), ("SO_PEERSEC", 0x1f), ("SO_ACCEPTCONN", 0x1e), ("SO_TIMESTAMP", 0x1d), ("SO_PEERNAME", 0x1c), ("SO_DETACH_FILTER", 0x1b), ("SO_ATTACH_FILTER", 0x1a), ("SO_BINDTODEVICE", 0x19), ("SO_SECURITY_ENCRYPTION_NETWORK", 0x18), ("SO_SECURITY_ENCRYPTION_TRANSPORT", 0x17), ("SO_SECURITY_AUTHENTICATION", 0x16), ("SO_SNDTIMEO", 0x15), ("SO_RCVTIMEO", 0x14), ("SO_SNDLOWAT", 0x13), ("SO_RCVLOWAT", 0x12), ("SO_PEERCRED", 0x11), ("SO_PASSCRED", 0x10), ("SO_REUSEPORT", 0xf), ("SO_BSDCOMPAT", 0xe), ("SO_LINGER", 0xd), ("SO_PRIORITY", 0xc), ("SO_NO_CHECK", 0xb), ("SO_OOBINLINE", 0xa), ("SO_KEEPALIVE", 0x9), ("SO_RCVBUFFORCE", 0x21), ("SO_SNDBUFFORCE", 0x20), ("SO_RCVBUF", 0x8), ("SO_SNDBUF", 0x7), ("SO_BROADCAST", 0x6), ("SO_DONTROUTE", 0x5), ("SO_ERROR", 0x4), ("SO_TYPE", 0x3), ("SO_REUSEADDR", 0x2), ("SO_DEBUG", 0x1), ("UNKNOWN", 0x0)];
pub(super) const SETSOCKOPT_OPTNAME: FlagSet = FlagSet(&SETSOCKOPT_OPTNAME_NAMES);
#[rustfmt::skip]
pub(super) static CREAT_CREAT_FLAGS_NAMES: [(&str, u32); 2] = [("FD_UPPER_LAYER_CREAT", 0x1), ("FD_LOWER_LAYER_CREAT", 0x2)];
pub(super) const CREAT_CREAT_FLAGS: FlagSet = FlagSet(&CREAT_CREAT_FLAGS_NAMES);
#[rustfmt::skip]
pub(super) static FUTEX_OP_NAMES: [(&str, u32); 15] = [("FUTEX_CLOCK_REALTIME", 0x100), ("FUTEX_PRIVATE_FLAG", 0x80), ("FUTEX_CMP_REQUEUE_PI", 0xc), ("FUTEX_WAIT_REQUEUE_PI", 0xb), ("FUTEX_WAKE_BITSET", 0xa), ("FUTEX_WAIT_BITSET", 0x9), ("FUTEX_TRYLOCK_PI", 0x8), ("FUTEX_UNLOCK_PI", 0x7), ("FUTEX_LOCK_PI", 0x6), ("FUTEX_WAKE_OP", 0x5), ("FUTEX_CMP_REQUEUE", 0x4), ("FUTEX_REQUEUE", 0x3), ("FUTEX_FD", 0x2), ("FUTEX_WAKE", 0x1), ("FUTEX_WAIT", 0x0)];
pub(super) const FUTEX_OP: FlagSet = FlagSet(&FUTEX_OP_NAMES);
#[rustfmt::skip]
pub(super) static LSEEK_WHENCE_NAMES: [(&str, u32); 3] = [("SEEK_END", 0x2), ("SEEK_CUR", 0x1), ("SEEK_SET", 0x0)];
pub(super) const LSEEK_WHENCE: FlagSet = FlagSet(&LSEEK_WHENCE_NAMES);
#[rustfmt::skip]
pub(super) static GETRLIMIT_RESOURCE_NAMES: [(&str, u32); 17] = [("RLIMIT_UNKNOWN", 0xff), ("RLIMIT_RTTIME", 0xf), ("RLIMIT_RTPRIO", 0xe), ("RLIMIT_NICE", 0xd), ("RLIMIT_MSGQUEUE", 0xc), ("RLIMIT_SIGPENDING", 0xb), ("RLIMIT_LOCKS", 0xa), ("RLIMIT_AS", 0x9), ("RLIMIT_MEMLOCK", 0x8), ("RLIMIT_NOFILE", 0x7), ("RLIMIT_NPROC", 0x6), ("RLIMIT_RSS", 0x5), ("RLIMIT_CORE", 0x4), ("RLIMIT_STACK", 0x3), ("RLIMIT_DATA", 0x2), ("RLIMIT_FSIZE", 0x1), ("RLIMIT_CPU", 0x0)];
pub(super) const GETRLIMIT_RESOURCE: FlagSet = FlagSet(&GETRLIMIT_RESOURCE_NAMES);
#[rustfmt::skip]
pub(super) static FCNTL_CMD_NAMES: [(&str, u32); 28] = [("F_GETPIPE_SZ", 0x1d), ("F_SETPIPE_SZ", 0x1c), ("F_NOTIFY", 0x1b), ("F_DUPFD_CLOEXEC", 0x1a), ("F_CANCELLK", 0x19), ("F_GETLEASE", 0x18), ("F_SETLEASE", 0x17), ("F_GETOWN_EX", 0x16), ("F_SETOWN_EX", 0x15), ("F_SETLKW64", 0x13), ("F_SETLK64", 0x12), ("F_GETLK64", 0x11), ("F_GETSIG", 0xf), ("F_SETSIG", 0xd), ("F_GETOWN", 0xc), ("F_SETOWN", 0xa), ("F_SETLKW", 0x9), ("F_SETLK", 0x8), ("F_GETLK", 0x6), ("F_SETFL", 0x5), ("F_GETFL", 0x4), ("F_SETFD", 0x3), ("F_GETFD", 0x2), ("F_DUPFD", 0x1), ("F_OFD_GETLK", 0x1e), ("F_OFD_SETLK", 0x1f), ("F_OFD_SETLKW", 0x20), ("UNKNOWN", 0x0)];
pub(super) const FCNTL_CMD: FlagSet = FlagSet(&FCNTL_CMD_NAMES);
#[rustfmt::skip]
pub(super) static MMAP_PROT_NAMES: [(&str, u32); 8] = [("PROT_READ", 0x1), ("PROT_WRITE", 0x2), ("PROT_EXEC", 0x4), ("PROT_SEM", 0x8), ("PROT_GROWSDOWN", 0x10), ("PROT_GROWSUP", 0x20), ("PROT_SAO", 0x40), ("PROT_NONE", 0x0)];
pub(super) const MMAP_PROT: FlagSet = FlagSet(&MMAP_PROT_NAMES);
#[rustfmt::skip]
pub(super) static MMAP_FLAGS_NAMES: [(&str, u32); 15] = [("MAP_SHARED", 0x1), ("MAP_PRIVATE", 0x2), ("MAP_FIXED", 0x4), ("MAP_ANONYMOUS", 0x8), ("MAP_32BIT", 0x10), ("MAP_RENAME", 0x20), ("MAP_NORESERVE", 0x40), ("MAP_POPULATE", 0x80), ("MAP_NONBLOCK", 0x100), ("MAP_GROWSDOWN", 0x200), ("MAP_DENYWRITE", 0x400), ("MAP_EXECUTABLE", 0x800), ("MAP_INHERIT", 0x1000), ("MAP_FILE", 0x2000), ("MAP_LOCKED", 0x4000)];
pub(super) const MMAP_FLAGS: FlagSet = FlagSet(&MMAP_FLAGS_NAMES);
#[rustfmt::skip]
pub(super) static SPLICE_FLAGS_NAMES: [(&str, u32); 4] = [("SPLICE_F_MOVE", 0x1), ("SPLICE_F_NONBLOCK", 0x2), ("SPLICE_F_MORE", 0x4), ("SPLICE_F_GIFT", 0x8)];
pub(super) const SPLICE_FLAGS: FlagSet = FlagSet(&SPLICE_FLAGS_NAMES);
#[rustfmt::skip]
pub(super) static PTRACE_REQUEST_NAMES: [(&str, u32); 39] = [("PTRACE_SINGLEBLOCK", 0x26), ("PTRACE_SYSEMU_SINGLESTEP", 0x25), ("PTRACE_SYSEMU", 0x24), ("PTRACE_ARCH_PRCTL", 0x23), ("PTRACE_SET_THREAD_AREA", 0x22), ("PTRACE_GET_THREAD_AREA", 0x21), ("PTRACE_OLDSETOPTIONS", 0x20), ("PTRACE_SETFPXREGS", 0x1f), ("PTRACE_GETFPXREGS", 0x1e), ("PTRACE_SETFPREGS", 0x1d), ("PTRACE_GETFPREGS", 0x1c), ("PTRACE_SETREGS", 0x1b), ("PTRACE_GETREGS", 0x1a), ("PTRACE_SETSIGMASK", 0x19), ("PTRACE_GETSIGMASK", 0x18), ("PTRACE_PEEKSIGINFO", 0x17), ("PTRACE_LISTEN", 0x16), ("PTRACE_INTERRUPT", 0x15), ("PTRACE_SEIZE", 0x14), ("PTRACE_SETREGSET", 0x13), ("PTRACE_GETREGSET", 0x12), ("PTRACE_SETSIGINFO", 0x11), ("PTRACE_GETSIGINFO", 0x10), ("PTRACE_GETEVENTMSG", 0xf), ("PTRACE_SETOPTIONS", 0xe), ("PTRACE_SYSCALL", 0xd), ("PTRACE_DETACH", 0xc), ("PTRACE_ATTACH", 0xb), ("PTRACE_SINGLESTEP", 0xa), ("PTRACE_KILL", 0x9), ("PTRACE_CONT", 0x8), ("PTRACE_POKEUSR", 0x7), ("PTRACE_POKEDATA", 0x6), ("PTRACE_POKETEXT", 0x5), ("PTRACE_PEEKUSR", 0x4), ("PTRACE_PEEKDATA", 0x3), ("PTRACE_PEEKTEXT", 0x2), ("PTRACE_TRACEME", 0x1), ("PTRACE_UNKNOWN", 0x0)];
pub(super) const PTRACE_REQUEST: FlagSet = FlagSet(&PTRACE_REQUEST_NAMES);
#[rustfmt::skip]
pub(super) static QUOTACTL_CMD_NAMES: [(&str, u32); 15] = [("Q_QUOTAON", 0x1), ("Q_QUOTAOFF", 0x2), ("Q_GETFMT", 0x4), ("Q_GETINFO", 0x8), ("Q_SETINFO", 0x10), ("Q_GETQUOTA", 0x20), ("Q_SETQUOTA", 0x40), ("Q_SYNC", 0x80), ("Q_XQUOTAON", 0x100), ("Q_XQUOTAOFF", 0x200), ("Q_XGETQUOTA", 0x400), ("Q_XSETQLIM", 0x800), ("Q_XGETQSTAT", 0x1000), ("Q_XQUOTARM", 0x2000), ("Q_XQUOTASYNC", 0x4000)];
pub(super) const QUOTACTL_CMD: FlagSet = FlagSet(&QUOTACTL_CMD_NAMES);
#[rustfmt::skip]
pub(super) static QUOTACTL_TYPE_NAMES: [(&str, u32); 2] = [("USRQUOTA", 0x1), ("GRPQUOTA", 0x2)];
pub(super) const QUOTACTL_TYPE: FlagSet = FlagSet(&QUOTACTL_TYPE_NAMES);
#[rustfmt::skip]
pub(super) static QUOTACTL_QUOTA_FMT_NAMES: [(&str, u32); 4] = [("QFMT_NOT_USED", 0x1), ("QFMT_VFS_OLD", 0x2), ("QFMT_VFS_V0", 0x4), ("QFMT_VFS_V1", 0x8)];
pub(super) const QUOTACTL_QUOTA_FMT: FlagSet = FlagSet(&QUOTACTL_QUOTA_FMT_NAMES);
#[rustfmt::skip]
pub(super) static QUOTACTL_DQI_FLAGS_NAMES: [(&str, u32); 2] = [("DQF_NONE", 0x1), ("V1_DQF_RSQUASH", 0x2)];
pub(super) const QUOTACTL_DQI_FLAGS: FlagSet = FlagSet(&QUOTACTL_DQI_FLAGS_NAMES);
#[rustfmt::skip]
pub(super) static FLOCK_OPERATION_NAMES: [(&str, u32); 5] = [("LOCK_SH", 0x1), ("LOCK_EX", 0x2), ("LOCK_NB", 0x4), ("LOCK_UN", 0x8), ("LOCK_NONE", 0x0)];
pub(super) const FLOCK_OPERATION: FlagSet = FlagSet(&FLOCK_OPERATION_NAMES);
#[rustfmt::skip]
pub(super) static SEMOP_SEM_FLG_0_NAMES: [(&str, u32); 2] = [("IPC_NOWAIT", 0x1), ("SEM_UNDO", 0x2)];
pub(super) const SEMOP_SEM_FLG_0: FlagSet = FlagSet(&SEMOP_SEM_FLG_0_NAMES);
#[rustfmt::skip]
pub(super) static SEMCTL_CMD_NAMES: [(&str, u32); 13] = [("IPC_STAT", 0x1), ("IPC_SET", 0x2), ("IPC_RMID", 0x4), ("IPC_INFO", 0x8), ("SEM_INFO", 0x10), ("SEM_STAT", 0x20), ("GETALL", 0x40), ("GETNCNT", 0x80), ("GETPID", 0x100), ("GETVAL", 0x200), ("GETZCNT", 0x400), ("SETALL", 0x800), ("SETVAL", 0x1000)];
pub(super) const SEMCTL_CMD: FlagSet = FlagSet(&SEMCTL_CMD_NAMES);
#[rustfmt::skip]
pub(super) static MOUNT_FLAGS_NAMES: [(&str, u32); 28] = [("RDONLY", 0x1), ("NOSUID", 0x2), ("NODEV", 0x4), ("NOEXEC", 0x8), ("SYNCHRONOUS", 0x10), ("REMOUNT", 0x20), ("MANDLOCK", 0x40), ("DIRSYNC", 0x80), ("NOATIME", 0x400), ("NODIRATIME", 0x800), ("BIND", 0x1000), ("MOVE", 0x2000), ("REC", 0x4000), ("SILENT", 0x8000), ("POSIXACL", 0x0001_0000), ("UNBINDABLE", 0x0002_0000), ("PRIVATE", 0x0004_0000), ("SLAVE", 0x0008_0000), ("SHARED", 0x0010_0000), ("RELATIME", 0x0020_0000), ("KERNMOUNT", 0x0040_0000), ("I_VERSION", 0x0080_0000), ("STRICTATIME", 0x0100_0000), ("LAZYTIME", 0x0200_0000), ("NOSEC", 0x1000_0000), ("BORN", 0x2000_0000), ("ACTIVE", 0x4000_0000), ("NOUSER", 0x8000_0000)];
pub(super) const MOUNT_FLAGS: FlagSet = FlagSet(&MOUNT_FLAGS_NAMES);
#[rustfmt::skip]
pub(super) static UMOUNT_FLAGS_NAMES: [(&str, u32); 4] = [("FORCE", 0x1), ("DETACH", 0x2), ("EXPIRE", 0x4), ("NOFOLLOW", 0x8)];
pub(super) const UMOUNT_FLAGS: FlagSet = FlagSet(&UMOUNT_FLAGS_NAMES);
#[rustfmt::skip]
pub(super) static SEMGET_SEMFLG_NAMES: [(&str, u32); 2] = [("IPC_EXCL", 0x4000), ("IPC_CREAT", 0x2000)];
pub(super) const SEMGET_SEMFLG: FlagSet = FlagSet(&SEMGET_SEMFLG_NAMES);
#[rustfmt::skip]
pub(super) static ACCESS_MODE_NAMES: [(&str, u32); 4] = [("F_OK", 0x0), ("R_OK", 0x4), ("W_OK", 0x2), ("X_OK", 0x1)];
pub(super) const ACCESS_MODE: FlagSet = FlagSet(&ACCESS_MODE_NAMES);
#[rustfmt::skip]
pub(super) static PAGE_FAULT_ERROR_NAMES: [(&str, u32); 8] = [("PROTECTION_VIOLATION", 0x1), ("PAGE_NOT_PRESENT", 0x2), ("WRITE_ACCESS", 0x4), ("READ_ACCESS", 0x8), ("USER_FAULT", 0x10), ("SUPERVISOR_FAULT", 0x20), ("RESERVED_PAGE", 0x40), ("INSTRUCTION_FETCH", 0x80)];
pub(super) const PAGE_FAULT_ERROR: FlagSet = FlagSet(&PAGE_FAULT_ERROR_NAMES);
#[rustfmt::skip]
pub(super) static EXECVE_FLAGS_NAMES: [(&str, u32); 4] = [("EXE_WRITABLE", 0x1), ("EXE_UPPER_LAYER", 0x2), ("EXE_FROM_MEMFD", 0x4), ("EXE_LOWER_LAYER", 0x8)];
pub(super) const EXECVE_FLAGS: FlagSet = FlagSet(&EXECVE_FLAGS_NAMES);
#[rustfmt::skip]
pub(super) static UNLINKAT_FLAGS_NAMES: [(&str, u32); 1] = [("AT_REMOVEDIR", 0x200)];
pub(super) const UNLINKAT_FLAGS: FlagSet = FlagSet(&UNLINKAT_FLAGS_NAMES);
#[rustfmt::skip]
pub(super) static LINKAT_FLAGS_NAMES: [(&str, u32); 2] = [("AT_SYMLINK_FOLLOW", 0x400), ("AT_EMPTY_PATH", 0x1000)];
pub(super) const LINKAT_FLAGS: FlagSet = FlagSet(&LINKAT_FLAGS_NAMES);
#[rustfmt::skip]
pub(super) static FCHMODAT_MODE_NAMES: [(&str, u32); 12] = [("S_IXOTH", 0x1), ("S_IWOTH", 0x2), ("S_IROTH", 0x4), ("S_IXGRP", 0x8), ("S_IWGRP", 0x10), ("S_IRGRP", 0x20), ("S_IXUSR", 0x40), ("S_IWUSR", 0x80), ("S_IRUSR", 0x100), ("S_ISVTX", 0x200), ("S_ISGID", 0x400), ("S_ISUID", 0x800)];
pub(super) const FCHMODAT_MODE: FlagSet = FlagSet(&FCHMODAT_MODE_NAMES);
#[rustfmt::skip]
pub(super) static RENAMEAT2_FLAGS_NAMES: [(&str, u32); 3] = [("RENAME_NOREPLACE", 0x1), ("RENAME_EXCHANGE", 0x2), ("RENAME_WHITEOUT", 0x4)];
pub(super) const RENAMEAT2_FLAGS: FlagSet = FlagSet(&RENAMEAT2_FLAGS_NAMES);
#[rustfmt::skip]
pub(super) static OPENAT2_RESOLVE_NAMES: [(&str, u32); 6] = [("RESOLVE_BENEATH", 0x1), ("RESOLVE_IN_ROOT", 0x2), ("RESOLVE_NO_MAGICLINKS", 0x4), ("RESOLVE_NO_SYMLINKS", 0x8), ("RESOLVE_NO_XDEV", 0x10), ("RESOLVE_CACHED", 0x20)];
pub(super) const OPENAT2_RESOLVE: FlagSet = FlagSet(&OPENAT2_RESOLVE_NAMES);
#[rustfmt::skip]
pub(super) static EXECVEAT_FLAGS_NAMES: [(&str, u32); 2] = [("AT_EMPTY_PATH", 0x1), ("AT_SYMLINK_NOFOLLOW", 0x2)];
pub(super) const EXECVEAT_FLAGS: FlagSet = FlagSet(&EXECVEAT_FLAGS_NAMES);
#[rustfmt::skip]
pub(super) static IO_URING_SETUP_FLAGS_NAMES: [(&str, u32); 8] = [("IORING_SETUP_IOPOLL", 0x1), ("IORING_SETUP_SQPOLL", 0x2), ("IORING_SQ_NEED_WAKEUP", 0x4), ("IORING_SETUP_SQ_AFF", 0x8), ("IORING_SETUP_CQSIZE", 0x10), ("IORING_SETUP_CLAMP", 0x20), ("IORING_SETUP_ATTACH_RW", 0x40), ("IORING_SETUP_R_DISABLED", 0x80)];
pub(super) const IO_URING_SETUP_FLAGS: FlagSet = FlagSet(&IO_URING_SETUP_FLAGS_NAMES);
#[rustfmt::skip]
pub(super) static IO_URING_SETUP_FEATURES_NAMES: [(&str, u32); 11] = [("IORING_FEAT_SINGLE_MMAP", 0x1), ("IORING_FEAT_NODROP", 0x2), ("IORING_FEAT_SUBMIT_STABLE", 0x4), ("IORING_FEAT_RW_CUR_POS", 0x8), ("IORING_FEAT_CUR_PERSONALITY", 0x10), ("IORING_FEAT_FAST_POLL", 0x20), ("IORING_FEAT_POLL_32BITS", 0x40), ("IORING_FEAT_SQPOLL_NONFIXED", 0x80), ("IORING_FEAT_ENTER_EXT_ARG", 0x100), ("IORING_FEAT_NATIVE_WORKERS", 0x200), ("IORING_FEAT_RSRC_TAGS", 0x400)];
pub(super) const IO_URING_SETUP_FEATURES: FlagSet = FlagSet(&IO_URING_SETUP_FEATURES_NAMES);
#[rustfmt::skip]
pub(super) static IO_URING_ENTER_FLAGS_NAMES: [(&str, u32); 4] = [("IORING_ENTER_GETEVENTS", 0x1), ("IORING_ENTER_SQ_WAKEUP", 0x2), ("IORING_ENTER_SQ_WAIT", 0x4), ("IORING_ENTER_EXT_ARG", 0x8)];
pub(super) const IO_URING_ENTER_FLAGS: FlagSet = FlagSet(&IO_URING_ENTER_FLAGS_NAMES);
#[rustfmt::skip]
pub(super) static IO_URING_REGISTER_OPCODE_NAMES: [(&str, u32); 22] = [("IORING_REGISTER_BUFFERS", 0x0), ("IORING_UNREGISTER_BUFFERS", 0x1), ("IORING_REGISTER_FILES", 0x2), ("IORING_UNREGISTER_FILES", 0x3), ("IORING_REGISTER_EVENTFD", 0x4), ("IORING_UNREGISTER_EVENTFD", 0x5), ("IORING_REGISTER_FILES_UPDATE", 0x6), ("IORING_REGISTER_EVENTFD_ASYNC", 0x7), ("IORING_REGISTER_PROBE", 0x8), ("IORING_REGISTER_PERSONALITY", 0x9), ("IORING_UNREGISTER_PERSONALITY", 0xa), ("IORING_REGISTER_RESTRICTIONS", 0xb), ("IORING_REGISTER_ENABLE_RINGS", 0xc), ("IORING_REGISTER_FILES2", 0xd), ("IORING_REGISTER_FILES_UPDATE2", 0xe), ("IORING_REGISTER_BUFFERS2", 0xf), ("IORING_REGISTER_BUFFERS_UPDATE", 0x10), ("IORING_REGISTER_IOWQ_AFF", 0x11), ("IORING_UNREGISTER_IOWQ_AFF", 0x12), ("IORING_REGISTER_IOWQ_MAX_WORKERS", 0x13), ("IORING_REGISTER_RING_FDS", 0x14), ("IORING_UNREGISTER_RING_FDS", 0x15)];
pub(super) const IO_URING_REGISTER_OPCODE: FlagSet = FlagSet(&IO_URING_REGISTER_OPCODE_NAMES);
#[rustfmt::skip]
pub(super) static MLOCKALL_FLAGS_NAMES: [(&str, u32); 3] = [("MCL_CURRENT", 0x1), ("MCL_FUTURE", 0x2), ("MCL_ONFAULT", 0x4)];
pub(super) const MLOCKALL_FLAGS: FlagSet = FlagSet(&MLOCKALL_FLAGS_NAMES);
#[rustfmt::skip]
pub(super) static BPF_CMD_NAMES: [(&str, u32); 37] = [("BPF_MAP_CREATE", 0x0), ("BPF_MAP_LOOKUP_ELEM", 0x1), ("BPF_MAP_UPDATE_ELEM", 0x2), ("BPF_MAP_DELETE_ELEM", 0x3), ("BPF_MAP_GET_NEXT_KEY", 0x4), ("BPF_PROG_LOAD", 0x5), ("BPF_OBJ_PIN", 0x6), ("BPF_OBJ_GET", 0x7), ("BPF_PROG_ATTACH", 0x8), ("BPF_PROG_DETACH", 0x9), ("BPF_PROG_TEST_RUN", 0xa), ("BPF_PROG_RUN", 0xa), ("BPF_PROG_GET_NEXT_ID", 0xb), ("BPF_MAP_GET_NEXT_ID", 0xc), ("BPF_PROG_GET_FD_BY_ID", 0xd), ("BPF_MAP_GET_FD_BY_ID", 0xe), ("BPF_OBJ_GET_INFO_BY_FD", 0xf), ("BPF_PROG_QUERY", 0x10), ("BPF_RAW_TRACEPOINT_OPEN", 0x11), ("BPF_BTF_LOAD", 0x12), ("BPF_BTF_GET_FD_BY_ID", 0x13), ("BPF_TASK_FD_QUERY", 0x14), ("BPF_MAP_LOOKUP_AND_DELETE_ELEM", 0x15), ("BPF_MAP_FREEZE", 0x16), ("BPF_BTF_GET_NEXT_ID", 0x17), ("BPF_MAP_LOOKUP_BATCH", 0x18), ("BPF_MAP_LOOKUP_AND_DELETE_BATCH", 0x19), ("BPF_MAP_UPDATE_BATCH", 0x1a), ("BPF_MAP_DELETE_BATCH", 0x1b), ("BPF_LINK_CREATE", 0x1c), ("BPF_LINK_UPDATE", 0x1d), ("BPF_LINK_GET_FD_BY_ID", 0x1e), ("BPF_LINK_GET_NEXT_ID", 0x1f), ("BPF_ENABLE_STATS", 0x20), ("BPF_ITER_CREATE", 0x21), ("BPF_LINK_DETACH", 0x22), ("BPF_PROG_BIND_MAP", 0x23)];
pub(super) const BPF_CMD: FlagSet = FlagSet(&BPF_CMD_NAMES);
#[rustfmt::skip]
pub(super) static MLOCK2_FLAGS_NAMES: [(&str, u32); 1] = [("MLOCK_ONFAULT", 0x1)];
pub(super) const MLOCK2_FLAGS: FlagSet = FlagSet(&MLOCK2_FLAGS_NAMES);
#[rustfmt::skip]
pub(super) static FSCONFIG_CMD_NAMES: [(&str, u32); 8] = [("FSCONFIG_SET_FLAG", 0x0), ("FSCONFIG_SET_STRING", 0x1), ("FSCONFIG_SET_BINARY", 0x2), ("FSCONFIG_SET_PATH", 0x3), ("FSCONFIG_SET_PATH_EMPTY", 0x4), ("FSCONFIG_SET_FD", 0x5), ("FSCONFIG_CMD_CREATE", 0x6), ("FSCONFIG_CMD_RECONFIGURE", 0x7)];
pub(super) const FSCONFIG_CMD: FlagSet = FlagSet(&FSCONFIG_CMD_NAMES);
#[rustfmt::skip]
pub(super) static EPOLL_CREATE1_FLAGS_NAMES: [(&str, u32); 1] = [("EPOLL_CLOEXEC", 0x1)];
pub(super) const EPOLL_CREATE1_FLAGS: FlagSet = FlagSet(&EPOLL_CREATE1_FLAGS_NAMES);
#[rustfmt::skip]
pub(super) static FCHOWNAT_FLAGS_NAMES: [(&str, u32); 2] = [("AT_SYMLINK_NOFOLLOW", 0x400), ("AT_EMPTY_PATH", 0x1000)];
pub(super) const FCHOWNAT_FLAGS: FlagSet = FlagSet(&FCHOWNAT_FLAGS_NAMES);
#[rustfmt::skip]
pub(super) static PRCTL_OPTION_NAMES: [(&str, u32); 23] = [("PR_GET_DUMPABLE", 0x3), ("PR_SET_DUMPABLE", 0x4), ("PR_GET_KEEPCAPS", 0x7), ("PR_SET_KEEPCAPS", 0x8), ("PR_SET_NAME", 0xf), ("PR_GET_NAME", 0x10), ("PR_GET_SECCOMP", 0x15), ("PR_SET_SECCOMP", 0x16), ("PR_CAPBSET_READ", 0x17), ("PR_CAPBSET_DROP", 0x18), ("PR_GET_SECUREBITS", 0x1b), ("PR_SET_SECUREBITS", 0x1c), ("PR_MCE_KILL", 0x21), ("PR_MCE_KILL", 0x21), ("PR_SET_MM", 0x23), ("PR_SET_CHILD_SUBREAPER", 0x24), ("PR_GET_CHILD_SUBREAPER", 0x25), ("PR_SET_NO_NEW_PRIVS", 0x26), ("PR_GET_NO_NEW_PRIVS", 0x27), ("PR_GET_TID_ADDRESS", 0x28), ("PR_SET_THP_DISABLE", 0x29), ("PR_GET_THP_DISABLE", 0x2a), ("PR_CAP_AMBIENT", 0x2f)];
pub(super) const PRCTL_OPTION: FlagSet = FlagSet(&PRCTL_OPTION_NAMES);
#[rustfmt::skip]
pub(super) static MEMFD_CREATE_FLAGS_NAMES: [(&str, u32); 3] = [("MFD_CLOEXEC", 0x1), ("MFD_ALLOW_SEALING", 0x2), ("MFD_HUGETLB", 0x4)];
pub(super) const MEMFD_CREATE_FLAGS: FlagSet = FlagSet(&MEMFD_CREATE_FLAGS_NAMES);
#[rustfmt::skip]
pub(super) static PIDFD_OPEN_FLAGS_NAMES: [(&str, u32); 1] = [("PIDFD_NONBLOCK", 0x1)];
pub(super) const PIDFD_OPEN_FLAGS: FlagSet = FlagSet(&PIDFD_OPEN_FLAGS_NAMES);
#[rustfmt::skip]
pub(super) static FINIT_MODULE_FLAGS_NAMES: [(&str, u32); 3] = [("MODULE_INIT_IGNORE_MODVERSIONS", 0x1), ("MODULE_INIT_IGNORE_VERMAGIC", 0x2), ("MODULE_INIT_COMPRESSED_FILE", 0x4)];
pub(super) const FINIT_MODULE_FLAGS: FlagSet = FlagSet(&FINIT_MODULE_FLAGS_NAMES);
#[rustfmt::skip]
pub(super) static MKNOD_MODE_NAMES: [(&str, u32); 17] = [("S_IXOTH", 0x1), ("S_IWOTH", 0x2), ("S_IROTH", 0x4), ("S_IXGRP", 0x8), ("S_IWGRP", 0x10), ("S_IRGRP", 0x20), ("S_IXUSR", 0x40), ("S_IWUSR", 0x80), ("S_IRUSR", 0x100), ("S_ISVTX", 0x200), ("S_ISGID", 0x400), ("S_ISUID", 0x800), ("S_IFREG", 0x8000), ("S_IFCHR", 0x2000), ("S_IFBLK", 0x6000), ("S_IFIFO", 0x1000), ("S_IFSOCK", 0xc000)];
pub(super) const MKNOD_MODE: FlagSet = FlagSet(&MKNOD_MODE_NAMES);
#[rustfmt::skip]
pub(super) static NEWFSTATAT_FLAGS_NAMES: [(&str, u32); 3] = [("AT_EMPTY_PATH", 0x1000), ("AT_NO_AUTOMOUNT", 0x800), ("AT_SYMLINK_NOFOLLOW", 0x100)];
pub(super) const NEWFSTATAT_FLAGS: FlagSet = FlagSet(&NEWFSTATAT_FLAGS_NAMES);
#[rustfmt::skip]
pub(super) static DELETE_MODULE_FLAGS_NAMES: [(&str, u32); 2] = [("O_NONBLOCK", 0x2), ("O_TRUNC", 0x1)];
pub(super) const DELETE_MODULE_FLAGS: FlagSet = FlagSet(&DELETE_MODULE_FLAGS_NAMES);
#[rustfmt::skip]
pub(super) static TASK_FILE_ANON_INODE_FD_TYPE_NAMES: [(&str, u32); 14] = [("ANON_INODE_FD_TYPE_UNKNOWN", 0x0), ("ANON_INODE_FD_TYPE_EVENTFD", 0x1), ("ANON_INODE_FD_TYPE_EVENTPOLL", 0x2), ("ANON_INODE_FD_TYPE_INOTIFY", 0x3), ("ANON_INODE_FD_TYPE_SIGNALFD", 0x4), ("ANON_INODE_FD_TYPE_TIMERFD", 0x5), ("ANON_INODE_FD_TYPE_IO_URING", 0x6), ("ANON_INODE_FD_TYPE_USERFAULTFD", 0x7), ("ANON_INODE_FD_TYPE_PIDFD", 0x8), ("ANON_INODE_FD_TYPE_BPF_MAP", 0x9), ("ANON_INODE_FD_TYPE_BPF_PROG", 0xa), ("ANON_INODE_FD_TYPE_BPF_LINK", 0xb), ("ANON_INODE_FD_TYPE_BPF_ITER", 0xc), ("ANON_INODE_FD_TYPE_PERF_EVENT", 0xd)];
pub(super) const TASK_FILE_ANON_INODE_FD_TYPE: FlagSet =
    FlagSet(&TASK_FILE_ANON_INODE_FD_TYPE_NAMES);
#[rustfmt::skip]
pub(super) static CLOSE_RANGE_FLAGS_NAMES: [(&str, u32); 2] = [("CLOSE_RANGE_UNSHARE", 0x2), ("CLOSE_RANGE_CLOEXEC", 0x4)];
pub(super) const CLOSE_RANGE_FLAGS: FlagSet = FlagSet(&CLOSE_RANGE_FLAGS_NAMES);
#[rustfmt::skip]
pub(super) static KEYCTL_OPERATION_NAMES: [(&str, u32); 33] = [("KEYCTL_GET_KEYRING_ID", 0x0), ("KEYCTL_JOIN_SESSION_KEYRING", 0x1), ("KEYCTL_UPDATE", 0x2), ("KEYCTL_REVOKE", 0x3), ("KEYCTL_CHOWN", 0x4), ("KEYCTL_SETPERM", 0x5), ("KEYCTL_DESCRIBE", 0x6), ("KEYCTL_CLEAR", 0x7), ("KEYCTL_LINK", 0x8), ("KEYCTL_UNLINK", 0x9), ("KEYCTL_SEARCH", 0xa), ("KEYCTL_READ", 0xb), ("KEYCTL_INSTANTIATE", 0xc), ("KEYCTL_NEGATE", 0xd), ("KEYCTL_SET_REQKEY_KEYRING", 0xe), ("KEYCTL_SET_TIMEOUT", 0xf), ("KEYCTL_ASSUME_AUTHORITY", 0x10), ("KEYCTL_GET_SECURITY", 0x11), ("KEYCTL_SESSION_TO_PARENT", 0x12), ("KEYCTL_REJECT", 0x13), ("KEYCTL_INSTANTIATE_IOV", 0x14), ("KEYCTL_INVALIDATE", 0x15), ("KEYCTL_GET_PERSISTENT", 0x16), ("KEYCTL_DH_COMPUTE", 0x17), ("KEYCTL_PKEY_QUERY", 0x18), ("KEYCTL_PKEY_ENCRYPT", 0x19), ("KEYCTL_PKEY_DECRYPT", 0x1a), ("KEYCTL_PKEY_SIGN", 0x1b), ("KEYCTL_PKEY_VERIFY", 0x1c), ("KEYCTL_RESTRICT_KEYRING", 0x1d), ("KEYCTL_MOVE", 0x1e), ("KEYCTL_CAPABILITIES", 0x1f), ("KEYCTL_WATCH_KEY", 0x20)];
pub(super) const KEYCTL_OPERATION: FlagSet = FlagSet(&KEYCTL_OPERATION_NAMES);
