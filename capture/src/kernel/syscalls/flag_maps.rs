//! How the kernel's flags and enumerations become those of the schema.

use event::recipe::{FLAG_PAIRS, FlagMap};

/// One translation.
pub(super) struct Map {
    /// The whole value is looked up.
    pub(super) is_enum: bool,
    /// The schema's value where nothing fits.
    pub(super) other: u32,
    /// (kernel, schema).
    pub(super) pairs: &'static [(u32, u32)],
}

impl Map {
    pub(super) fn packed(&self) -> FlagMap {
        let mut packed = [0; 2 + 2 * FLAG_PAIRS];
        (packed[0], packed[1]) = (u32::from(self.is_enum), self.other);
        for (to, &(kernel, schema)) in packed[2..].chunks_exact_mut(2).zip(self.pairs) {
            to.copy_from_slice(&[kernel, schema]);
        }
        packed
    }
}

/// Open flags.
pub(super) const OPEN: u8 = 0;
/// Flags of `pipe2`.
pub(super) const PIPE: u8 = 7;
/// Flags of `epoll_create1`.
pub(super) const EPOLL: u8 = 8;
/// Commands of `fcntl`.
pub(super) const FCNTL: u8 = 9;
/// Flags of `close_range`.
pub(super) const CLOSE_RANGE: u8 = 10;

/// Permission bits of a mode.
pub(super) const PERMISSIONS: u8 = 1;
/// A mode with the type of file.
pub(super) const MODE: u8 = 2;
/// Flags of `unlinkat`.
pub(super) const UNLINKAT: u8 = 3;
/// Flags of `linkat`.
pub(super) const LINKAT: u8 = 4;
/// Flags of `fchownat`.
pub(super) const FCHOWNAT: u8 = 5;
/// Flags of `clone`, of which `unshare` and `setns` take some.
pub(super) const CLONE: u8 = 6;

/// `S_I*`: the schema's are the kernel's.
const PERMISSION_PAIRS: &[(u32, u32)] = &[
    (0o1, 0x1),
    (0o2, 0x2),
    (0o4, 0x4),
    (0o10, 0x8),
    (0o20, 0x10),
    (0o40, 0x20),
    (0o100, 0x40),
    (0o200, 0x80),
    (0o400, 0x100),
    (0o1000, 0x200),
    (0o2000, 0x400),
    (0o4000, 0x800),
];

/// Requests of `ptrace`.
pub(super) const PTRACE: u8 = 11;
/// Resources of `setrlimit`.
pub(super) const RLIMIT: u8 = 12;
/// Protection of memory.
pub(super) const PROT: u8 = 13;
/// Flags of `mmap`.
pub(super) const MMAP: u8 = 14;
/// Flags of `memfd_create`, and those of `finit_module`: three bits that are the schema's.
pub(super) const LOW_THREE: u8 = 15;
/// Flags of `pidfd_open`.
pub(super) const PIDFD: u8 = 16;
/// Flags of `delete_module`.
pub(super) const DELETE_MODULE: u8 = 17;
/// Flags of `io_uring_setup`.
pub(super) const URING_SETUP: u8 = 18;
/// Features of `io_uring_setup`.
pub(super) const URING_FEATURES: u8 = 19;
/// Flags of `io_uring_enter`.
pub(super) const URING_ENTER: u8 = 20;

/// Operations of `flock`.
pub(super) const FLOCK: u8 = 21;
/// Flags of `semget`.
pub(super) const SEMGET: u8 = 22;
/// Commands of `semctl`.
pub(super) const SEMCTL: u8 = 23;
/// Operations of `futex` with their flags.
pub(super) const FUTEX: u8 = 24;
/// Levels of socket options.
pub(super) const SOCKET_LEVEL: u8 = 25;
/// Commands of `quotactl`, above the type.
pub(super) const QUOTA_COMMAND: u8 = 26;
/// Types of quotas.
pub(super) const QUOTA_TYPE: u8 = 27;
/// Flags of `newfstatat`.
pub(super) const FSTATAT: u8 = 28;
/// Flags of `mlock2`: one bit that is the schema's.
pub(super) const LOWEST: u8 = 29;

/// Every map; the constants above are places in it.
pub(super) const MAPS: &[Map] = &[
    // PPM_O_*: what the calls that make descriptors take besides an open: O_CLOEXEC and O_NONBLOCK are the same bits for all of them.
    Map { is_enum: false, other: 0, pairs: &[(0o2_000_000, 0x1000), (0o4000, 0x40)] },
    Map { is_enum: false, other: 0, pairs: PERMISSION_PAIRS },
    // The type's four bits are looked at one by one: together they are what they were.
    Map {
        is_enum: false,
        other: 0,
        pairs: &[
            (0o1, 0x1),
            (0o2, 0x2),
            (0o4, 0x4),
            (0o10, 0x8),
            (0o20, 0x10),
            (0o40, 0x20),
            (0o100, 0x40),
            (0o200, 0x80),
            (0o400, 0x100),
            (0o1000, 0x200),
            (0o2000, 0x400),
            (0o4000, 0x800),
            (0o10_000, 0x1000),
            (0o20_000, 0x2000),
            (0o60_000, 0x6000),
            (0o100_000, 0x8000),
            (0o140_000, 0xc000),
        ],
    },
    Map { is_enum: false, other: 0, pairs: &[(0x200, 0x200)] },
    Map { is_enum: false, other: 0, pairs: &[(0x400, 0x400), (0x1000, 0x1000)] },
    // AT_SYMLINK_NOFOLLOW is 0x100 in the kernel, 0x400 in this set of the schema.
    Map { is_enum: false, other: 0, pairs: &[(0x100, 0x400), (0x1000, 0x1000)] },
    // VM, FS, FILES, SIGHAND, PTRACE, VFORK, PARENT, THREAD, NEWNS, SYSVSEM, SETTLS, PARENT_SETTID, CHILD_CLEARTID, UNTRACED,
    // CHILD_SETTID, NEWCGROUP, NEWUTS, NEWIPC, NEWUSER, NEWPID, NEWNET, IO.
    Map {
        is_enum: false,
        other: 0,
        pairs: &[
            (0x100, 0x8000),
            (0x200, 0x2),
            (0x400, 0x1),
            (0x800, 0x800),
            (0x2000, 0x400),
            (0x4000, 0x800_0000),
            (0x8000, 0x100),
            (0x1_0000, 0x2000),
            (0x2_0000, 0x20),
            (0x4_0000, 0x1000),
            (0x8_0000, 0x200_0000),
            (0x10_0000, 0x200),
            (0x20_0000, 0x80_0000),
            (0x80_0000, 0x4000),
            (0x100_0000, 0x100_0000),
            (0x200_0000, 0x1000_0000),
            (0x400_0000, 0x80),
            (0x800_0000, 0x8),
            (0x1000_0000, 0x10_0000),
            (0x2000_0000, 0x40),
            (0x4000_0000, 0x10),
            (0x8000_0000, 0x4),
        ],
    },
    Map {
        is_enum: false,
        other: 0,
        pairs: &[(0o2_000_000, 0x1000), (0o4000, 0x40), (0o40000, 0x200)],
    },
    Map { is_enum: false, other: 0, pairs: &[(0o2_000_000, 1)] },
    // F_* of include/uapi/asm-generic/fcntl.h, 12 to 14 in the ia32 table only, those from 1024 on of include/uapi/linux/fcntl.h.
    Map {
        is_enum: true,
        other: 0,
        pairs: &[
            (0, 0x1),
            (1, 0x2),
            (2, 0x3),
            (3, 0x4),
            (4, 0x5),
            (5, 0x6),
            (6, 0x8),
            (7, 0x9),
            (8, 0xa),
            (9, 0xc),
            (10, 0xd),
            (11, 0xf),
            (12, 0x11),
            (13, 0x12),
            (14, 0x13),
            (15, 0x15),
            (16, 0x16),
            (36, 0x1e),
            (37, 0x1f),
            (38, 0x20),
            (1024, 0x17),
            (1025, 0x18),
            (1026, 0x1b),
            (1029, 0x19),
            (1030, 0x1a),
            (1031, 0x1c),
            (1032, 0x1d),
        ],
    },
    Map { is_enum: false, other: 0, pairs: &[(2, 2), (4, 4)] },
    // PTRACE_* of include/uapi/linux/ptrace.h and arch/x86/include/uapi/asm/ptrace-abi.h.
    Map {
        is_enum: true,
        other: 0,
        pairs: &[
            (0, 0x1),
            (1, 0x2),
            (2, 0x3),
            (3, 0x4),
            (4, 0x5),
            (5, 0x6),
            (6, 0x7),
            (7, 0x8),
            (8, 0x9),
            (9, 0xa),
            (12, 0x1a),
            (13, 0x1b),
            (14, 0x1c),
            (15, 0x1d),
            (16, 0xb),
            (17, 0xc),
            (18, 0x1e),
            (19, 0x1f),
            (21, 0x20),
            (24, 0xd),
            (25, 0x21),
            (26, 0x22),
            (30, 0x23),
            (31, 0x24),
            (32, 0x25),
            (33, 0x26),
            (0x4200, 0xe),
            (0x4201, 0xf),
            (0x4202, 0x10),
            (0x4203, 0x11),
            (0x4204, 0x12),
            (0x4205, 0x13),
            (0x4206, 0x14),
            (0x4207, 0x15),
            (0x4208, 0x16),
            (0x4209, 0x17),
            (0x420a, 0x18),
            (0x420b, 0x19),
        ],
    },
    // RLIMIT_* of include/uapi/asm-generic/resource.h.
    Map {
        is_enum: true,
        other: 0xff,
        pairs: &[
            (0, 0),
            (1, 1),
            (2, 2),
            (3, 3),
            (4, 4),
            (5, 5),
            (6, 6),
            (7, 7),
            (8, 8),
            (9, 9),
            (10, 10),
            (11, 11),
            (12, 12),
            (13, 13),
            (14, 14),
            (15, 15),
        ],
    },
    Map {
        is_enum: false,
        other: 0,
        pairs: &[(1, 1), (2, 2), (4, 4), (8, 8), (0x100_0000, 0x10), (0x200_0000, 0x20)],
    },
    // MAP_* of include/uapi/asm-generic/mman.h.
    Map {
        is_enum: false,
        other: 0,
        pairs: &[
            (0x1, 0x1),
            (0x2, 0x2),
            (0x10, 0x4),
            (0x20, 0x8),
            (0x40, 0x10),
            (0x100, 0x200),
            (0x800, 0x400),
            (0x1000, 0x800),
            (0x2000, 0x4000),
            (0x4000, 0x40),
            (0x8000, 0x80),
            (0x1_0000, 0x100),
        ],
    },
    Map { is_enum: false, other: 0, pairs: &[(1, 1), (2, 2), (4, 4)] },
    Map { is_enum: false, other: 0, pairs: &[(0o4000, 1)] },
    // O_TRUNC, O_NONBLOCK.
    Map { is_enum: false, other: 0, pairs: &[(0o1000, 1), (0o4000, 2)] },
    // The schema counts IORING_SQ_NEED_WAKEUP among them, with 4, so that the bits behind it are one higher.
    Map {
        is_enum: false,
        other: 0,
        pairs: &[
            (0x1, 0x1),
            (0x2, 0x2),
            (0x4, 0x8),
            (0x8, 0x10),
            (0x10, 0x20),
            (0x20, 0x40),
            (0x40, 0x80),
        ],
    },
    Map {
        is_enum: false,
        other: 0,
        pairs: &[
            (0x1, 0x1),
            (0x2, 0x2),
            (0x4, 0x4),
            (0x8, 0x8),
            (0x10, 0x10),
            (0x20, 0x20),
            (0x40, 0x40),
            (0x80, 0x80),
            (0x100, 0x100),
            (0x200, 0x200),
            (0x400, 0x400),
        ],
    },
    Map { is_enum: false, other: 0, pairs: &[(1, 1), (2, 2), (4, 4), (8, 8)] },
    Map { is_enum: false, other: 0, pairs: &[(1, 1), (2, 2), (4, 4), (8, 8)] },
    // IPC_CREAT, IPC_EXCL.
    Map { is_enum: false, other: 0, pairs: &[(0o1000, 0x2000), (0o2000, 0x4000)] },
    // IPC_* of include/uapi/linux/ipc.h, the others of include/uapi/linux/sem.h.
    Map {
        is_enum: true,
        other: 0,
        pairs: &[
            (0, 0x4),
            (1, 0x2),
            (2, 0x1),
            (3, 0x8),
            (11, 0x100),
            (12, 0x200),
            (13, 0x40),
            (14, 0x80),
            (15, 0x400),
            (16, 0x1000),
            (17, 0x800),
            (18, 0x20),
            (19, 0x10),
        ],
    },
    // The schema's operations are the kernel's up to 12, and so are the two flags.
    Map {
        is_enum: false,
        other: 0,
        pairs: &[(1, 1), (2, 2), (4, 4), (8, 8), (0x80, 0x80), (0x100, 0x100)],
    },
    // SOL_SOCKET, SOL_TCP.
    Map { is_enum: true, other: 0, pairs: &[(1, 1), (6, 2)] },
    // Q_* of include/uapi/linux/quota.h, then Q_X* of include/uapi/linux/dqblk_xfs.h.
    Map {
        is_enum: true,
        other: 0,
        pairs: &[
            (0x80_0001, 0x80),
            (0x80_0002, 0x1),
            (0x80_0003, 0x2),
            (0x80_0004, 0x4),
            (0x80_0005, 0x8),
            (0x80_0006, 0x10),
            (0x80_0007, 0x20),
            (0x80_0008, 0x40),
            (0x5801, 0x100),
            (0x5802, 0x200),
            (0x5803, 0x400),
            (0x5804, 0x800),
            (0x5805, 0x1000),
            (0x5806, 0x2000),
            (0x5807, 0x4000),
        ],
    },
    Map { is_enum: true, other: 0, pairs: &[(0, 1), (1, 2)] },
    // AT_SYMLINK_NOFOLLOW, AT_NO_AUTOMOUNT, AT_EMPTY_PATH.
    Map { is_enum: false, other: 0, pairs: &[(0x100, 0x100), (0x800, 0x800), (0x1000, 0x1000)] },
    Map { is_enum: false, other: 0, pairs: &[(1, 1)] },
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_map_fits() {
        assert!(MAPS.len() <= event::recipe::N_FLAG_MAPS);
        for map in MAPS {
            assert!(map.pairs.len() < FLAG_PAIRS, "a zero pair ends the map");
            let no_bit = map.pairs.iter().any(|&(kernel, _)| kernel == 0);
            assert!(map.is_enum || !no_bit, "no bits are set in every value");
        }
    }
}
