//! What the kernel side and its loader must agree on: outcomes, map layouts, program slots and the kernel fields that the loader resolves.

use crate::table::N_EVENT_TYPES;

/// What became of one event in the kernel: the index of its counter, kept per CPU and event type.
/// Conservation: `Seen = Filtered + Rejected + Written + every drop`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u32)]
pub enum Outcome {
    /// A hook ran.
    Seen = 0,
    /// Nobody asked for it: interest set, scope or self filter.
    Filtered = 1,
    /// A frame went into a ring.
    Written = 2,
    /// Dropped: the ring had no room.
    RingFull = 3,
    /// Dropped: this CPU has no ring.
    NoRing = 4,
    /// Dropped: every scratch slot of this CPU was taken by interrupted programs.
    NoScratch = 5,
    /// Dropped: the tail call found no program.
    TailCallMiss = 6,
    /// Dropped: the frame was larger than the largest record.
    TooLarge = 7,
    /// No rule can match it, by the filters of push-down ([`crate::filter`]).
    Rejected = 8,
}

impl Outcome {
    /// Every outcome, in the order of its number.
    pub const ALL: [Self; 9] = [
        Self::Seen,
        Self::Filtered,
        Self::Written,
        Self::RingFull,
        Self::NoRing,
        Self::NoScratch,
        Self::TailCallMiss,
        Self::TooLarge,
        Self::Rejected,
    ];

    /// Name as counters and reports print it.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Seen => "seen",
            Self::Filtered => "filtered",
            Self::Written => "written",
            Self::RingFull => "ring_full",
            Self::NoRing => "no_ring",
            Self::NoScratch => "no_scratch",
            Self::TailCallMiss => "tail_call_miss",
            Self::TooLarge => "too_large",
            Self::Rejected => "rejected",
        }
    }

    /// Whether it is a drop.
    #[must_use]
    pub const fn is_drop(self) -> bool {
        !matches!(self, Self::Seen | Self::Filtered | Self::Rejected | Self::Written)
    }
}

/// Layout of one CPU's entry of the map `CPUS`: counters, then the words of the kernel side, then the reader's word, each on its own line.
pub mod cpu_layout {
    use super::N_EVENT_TYPES;

    /// Counter rows; a power of two so that the kernel side can bound an index with a mask.
    pub const N_TYPES: usize = 512;
    /// Outcomes of a row, and room for more: a power of two.
    pub const N_OUTCOMES: usize = 16;
    /// Word of the scratch depth: how many programs of this CPU hold a scratch slot.
    pub const DEPTH: usize = N_TYPES * N_OUTCOMES;
    /// Word that the barrier's atomic adds to.
    pub const BARRIER: usize = DEPTH + 1;
    /// Word that the reader sets while it sleeps.
    pub const SLEEPING: usize = DEPTH + 8;
    /// Word in which the dispatcher tells the program behind it which event it is for.
    pub const EVENT_TYPE: usize = DEPTH + 2;
    /// Word that counts notes of `sys_enter` and of hooks of sockets that found no room.
    pub const NOTES_LOST: usize = DEPTH + 3;
    /// Word in which a program that goes through many messages tells its next run where to go on, 0 otherwise.
    pub const NEXT_MESSAGE: usize = DEPTH + 4;
    /// Word that counts calls that returned and whose number is in no table ([`super::syscall_entry::UNMAPPED`]). They are filtered, too.
    pub const UNMAPPED: usize = DEPTH + 5;
    /// Word by which programs know that frames which told of changes of processes were lost: 0 for none. Its byte [`LOSS_OF_SOME`] is up for those of
    /// the processes in the map `LOST`, [`LOSS_OF_ANY`] where there was no room to note whose. The kernel side puts a byte up ([`LOSS_UP`]) on
    /// every CPU. The agent lowers it in two steps: [`LOSS_LOWERING`] is up still, but the next loss puts it up again.
    pub const LOSS: usize = DEPTH + 6;
    /// Word that counts lost frames whose process was noted in `LOST`.
    pub const LOSSES_NOTED: usize = DEPTH + 7;
    /// Word that counts lost frames whose process could not be noted.
    pub const LOSSES_UNNOTED: usize = DEPTH + 9;
    /// Word that counts frames that a simulated loss may take.
    pub const SIMULATED: usize = DEPTH + 10;
    /// Word that counts processes that the map `SCOPE` had no room for, though their creator is in it.
    pub const SCOPE_FULL: usize = DEPTH + 11;
    /// Word that counts sockets that were put into the map `SOCKETS`. Nobody takes one out, so what there are more than entries was forgotten.
    pub const SOCKETS_NOTED: usize = DEPTH + 12;
    /// Word that counts stamps of processes ([`crate::mark`]).
    pub const STAMPS: usize = DEPTH + 13;
    /// Word of the process that was found in scope last, 0 for none: what takes one out of scope takes it out of here, too.
    pub const IN_SCOPE: usize = DEPTH + 14;
    /// Byte of [`LOSS`].
    pub const LOSS_OF_SOME: usize = 0;
    /// Byte of [`LOSS`].
    pub const LOSS_OF_ANY: usize = 1;
    /// Value of a byte of [`LOSS`].
    pub const LOSS_UP: u8 = 1;
    /// Value of a byte of [`LOSS`].
    pub const LOSS_LOWERING: u8 = 2;
    /// Words of an entry.
    pub const WORDS: usize = DEPTH + 16;

    const _: () = assert!(N_EVENT_TYPES <= N_TYPES);
    const _: () = assert!(super::Outcome::ALL.len() <= N_OUTCOMES);
}

/// The map `LOST`: processes of which a frame was lost that told of a change of them.
pub mod lost {
    /// Entries. One more loss is not noted but counted, and every process is in doubt.
    pub const N: u32 = 4096;
    /// Process id, and start of the process.
    pub type Key = [u64; 2];
    /// When the frame was lost, and of which type it was, with the [`super::Outcome`] above it in bits 16 to 31.
    pub type Value = [u64; 2];
}

/// Index of each word of the map `CONTROL`, which the loader may change while programs run.
pub mod control {
    /// Process whose events are filtered (the agent), 0 for none.
    pub const SELF_TGID: usize = 0;
    /// Not 0: only processes of the map `SCOPE` are captured.
    pub const SCOPED: usize = 1;
    /// Wanted events of hooks other than those of calls, bits below.
    pub const PROCESS: usize = 2;
    /// Counts changes of what is captured: what a hook of sockets noted before one is of no use after it.
    pub const CHANGES: usize = 3;
    /// Two words: clauses that ask for last components of names, of any type; written while no type has a filter.
    pub const LASTS: usize = 4;
    /// Words.
    pub const WORDS: usize = 8;

    /// The child's side of `clone`.
    pub const CLONE: u32 = 1;
    /// The child's side of `fork`.
    pub const FORK: u32 = 2;
    /// The child's side of `vfork`.
    pub const VFORK: u32 = 4;
    /// The child's side of `clone3`.
    pub const CLONE3: u32 = 8;
    /// A successful exec.
    pub const EXEC: u32 = 16;
    /// The exit of a thread.
    pub const EXIT: u32 = 32;
    /// A delivered signal.
    pub const SIGNAL: u32 = 64;
    /// A thread that leaves its CPU.
    pub const SWITCH: u32 = 128;
    /// A page fault.
    pub const PAGE_FAULT: u32 = 256;
}

/// One word of the map `SYSCALLS` holds two entries, the native one below and the ia32 one above.
/// An entry lacks `WANTED` where nobody asks for the call, else it is `WANTED | slot << 16 | event type`.
pub mod syscall_entry {
    /// Entries of the map: numbers above it are in no table.
    pub const N: usize = 1024;
    /// Set in an entry that is asked for.
    pub const WANTED: u32 = 1 << 31;
    /// The number means the call only through the x32 table.
    pub const X32_ONLY: u32 = 1 << 30;
    /// The number is in no table of the kernel's that this build knows: there is nothing that anybody could ask for.
    pub const UNMAPPED: u32 = 1 << 28;
    /// ia32 `socketcall`: the first argument selects from the map `SOCKETCALLS`.
    pub const SOCKETCALL: u32 = 1 << 29;
    /// Calls of `socketcall`, plus one.
    pub const N_SOCKETCALLS: usize = 32;

    /// Packs an entry.
    #[must_use]
    pub const fn pack(slot: u32, event_type: u16) -> u32 {
        WANTED | slot << 16 | event_type as u32
    }
}

/// What `sys_enter` notes of a call under way: a value of the map `NOTES`, by thread.
pub mod note {
    use super::syscall_entry;

    /// Address of the `struct file`.
    pub const FILE: usize = 0;
    /// Address of its inode.
    pub const INODE: usize = 8;
    /// Event type, then the call's number above it in the upper 32 bits.
    pub const CALL: usize = 16;
    /// The descriptor.
    pub const FD: usize = 24;
    /// Bytes of the section.
    pub const SECTION_LEN: usize = 32;
    /// Bytes of the socket address.
    pub const ADDRESS_LEN: usize = 40;
    /// The socket address that the call passes, [`ADDRESS_MAX`] bytes.
    pub const ADDRESS: usize = 48;
    /// `sizeof(struct sockaddr_storage)`.
    pub const ADDRESS_MAX: usize = 128;
    /// The section of the descriptor, as in a frame's trailer.
    pub const SECTION: usize = ADDRESS + ADDRESS_MAX;
    /// Bytes of a path's tail that are kept.
    pub const PATH_MAX: usize = 512;
    /// Longest section: head, the part before the path, the path.
    pub const SECTION_MAX: usize = 8 + crate::FileFacts::FIXED_LEN + PATH_MAX;
    /// Bytes of a note.
    pub const LEN: usize = SECTION + SECTION_MAX;
    /// Calls under way that can be noted.
    pub const N: u32 = 8192;

    /// Entries of the object's `NOTED_CALLS`: a byte for each number.
    pub const N_CALLS: usize = syscall_entry::N;
    /// Bit of the native table.
    pub const NATIVE: u8 = 1;
    /// Bit of the ia32 table.
    pub const IA32: u8 = 2;

    // Address, port and the longest Unix path of a socket's section.
    const _: () = assert!(8 + crate::SockFacts::FIXED_LEN + 112 <= SECTION_MAX);
    const _: () = assert!(LEN.is_multiple_of(8));
}

/// What a hook of sockets notes of a call under way: a value of the map `ADDRESSED`, by thread. All are words.
pub mod addressed {
    /// Event type, and the word [`super::control::CHANGES`] in the upper 32 bits; 0 once the note was taken.
    pub const CALL: usize = 0;
    /// Address of the `struct file` of the socket.
    pub const FILE: usize = 8;
    /// Address of the `struct sock`.
    pub const SOCK: usize = 16;
    /// What the socket is: inode number in bits 0 to 31, family in 32 to 47, type above.
    pub const WHAT: usize = 24;
    /// The cookie.
    pub const COOKIE: usize = 32;
    /// The local port, and the protocol above it in bits 16 to 31.
    pub const LOCAL_PORT: usize = 40;
    /// The local address, two words.
    pub const LOCAL: usize = 48;
    /// Bytes of the address that the call passes.
    pub const ADDRESS_LEN: usize = 64;
    /// That address, as the kernel copied it, with zeroes behind it.
    pub const ADDRESS: usize = 72;
    /// Room for it: that of a Unix socket, `sizeof(struct sockaddr_un)`, is the longest.
    pub const ADDRESS_MAX: usize = 112;
    /// Bytes of a note.
    pub const LEN: usize = ADDRESS + ADDRESS_MAX;
    /// Threads that can have a note.
    pub const N: u32 = 16_384;
}

macro_rules! slots {
    ($($(#[$doc:meta])* $name:ident = $n:literal $program:literal;)*) => {
        /// Index of a program in the tail-call map.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        #[repr(u32)]
        pub enum Slot { $($(#[$doc])* $name = $n,)* }

        impl Slot {
            /// Every slot.
            pub const ALL: &[Self] = &[$(Self::$name),*];

            /// Name of its program in the object.
            #[must_use]
            pub const fn program(self) -> &'static str {
                match self { $(Self::$name => $program,)* }
            }
        }
    };
}

slots! {
    /// `open`.
    Open = 0 "x_open";
    /// `openat`.
    Openat = 1 "x_open";
    /// `openat2`.
    Openat2 = 2 "x_open";
    /// `creat`.
    Creat = 3 "x_open";
    /// `socket`.
    Socket = 4 "x_socket";
    /// `connect`.
    Connect = 5 "x_connect";
    /// `accept`.
    Accept = 6 "x_accept";
    /// `accept4`.
    Accept4 = 7 "x_accept";
    /// `bind`.
    Bind = 8 "x_bind";
    /// `listen`.
    Listen = 9 "x_listen";
    /// A failing `execve`.
    Execve = 10 "x_exec";
    /// A failing `execveat`.
    Execveat = 11 "x_exec";
    /// The caller's side of `clone`, `clone3`, `fork` and `vfork`.
    Clone = 12 "x_clone";
    /// Every call whose parameters a recipe reads.
    Plain = 13 "x_plain";
    /// `open_by_handle_at`.
    OpenByHandleAt = 14 "x_open_by_handle_at";
    /// `mmap` and `mmap2`.
    Mmap = 15 "x_mmap";
    /// `sendto` and `send`.
    Send = 16 "x_send";
    /// `recvfrom` and `recv`.
    Recv = 17 "x_recv";
    /// `sendmsg` and `recvmsg`.
    Message = 18 "x_message";
    /// `sendmmsg` and `recvmmsg`.
    Messages = 19 "x_message";
    /// `socketpair`.
    Socketpair = 20 "x_socketpair";
    /// `connect`, behind the program that ends calls on sockets early.
    LateConnect = 21 "x_connect";
    /// Both accepts behind it.
    LateAccept = 22 "x_accept";
    /// `sendto` and `send` behind it.
    LateSend = 23 "x_send";
}

impl Slot {
    /// Slots that the dispatcher calls: those before the ones that only [`Self::EARLY`] does.
    pub const N_DISPATCHED: usize = Self::LateConnect as usize;

    /// Name of the program that stands before those with a [`Self::late`] slot.
    pub const EARLY: &str = "x_early";

    /// Where the slot's program is called once [`Self::EARLY`], which then has its slot, has not ended the call.
    #[must_use]
    pub const fn late(self) -> Option<Self> {
        match self {
            Self::Connect => Some(Self::LateConnect),
            Self::Accept | Self::Accept4 => Some(Self::LateAccept),
            Self::Send => Some(Self::LateSend),
            _ => None,
        }
    }
}

/// Offset of a member that the running kernel lacks.
pub const MISSING_FIELD: u32 = u32::MAX;

macro_rules! kernel_fields {
    ($($name:ident: $what:literal;)*) => {
        /// A fact of the running kernel that the loader takes from its BTF; index into the object's `KERNEL`.
        #[expect(missing_docs, reason = "the path that names it says what it is")]
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        #[repr(usize)]
        pub enum KernelField { $($name,)* }

        impl KernelField {
            /// Every field.
            pub const ALL: &[Self] = &[$(Self::$name),*];

            /// Where it comes from, alternatives (older or newer kernels) separated by `|`:
            /// `struct.member.member` is an offset, `sizeof struct` a size, `enum NAME` a value,
            /// `width struct.member` the size of a member, `stride struct.member` the size of an array's element.
            #[must_use]
            pub const fn path(self) -> &'static str {
                match self { $(Self::$name => $what,)* }
            }
        }

        /// Number of fields.
        pub const N_KERNEL_FIELDS: usize = KernelField::ALL.len();
    };
}

kernel_fields! {
    RegsAx: "pt_regs.ax";
    RegsOrigAx: "pt_regs.orig_ax";
    RegsBx: "pt_regs.bx";
    RegsCx: "pt_regs.cx";
    RegsDx: "pt_regs.dx";
    RegsSi: "pt_regs.si";
    RegsDi: "pt_regs.di";
    RegsBp: "pt_regs.bp";
    RegsR8: "pt_regs.r8";
    RegsR9: "pt_regs.r9";
    RegsR10: "pt_regs.r10";
    RegsIp: "pt_regs.ip";
    RegsSize: "sizeof pt_regs";
    TaskStatus: "task_struct.thread_info.status";
    TaskStack: "task_struct.stack";
    TaskFlags: "task_struct.flags";
    TaskPid: "task_struct.pid";
    TaskTgid: "task_struct.tgid";
    TaskRealParent: "task_struct.real_parent";
    TaskGroupLeader: "task_struct.group_leader";
    TaskStart: "task_struct.start_boottime|task_struct.real_start_time";
    TaskCred: "task_struct.cred";
    TaskRealCred: "task_struct.real_cred";
    TaskMm: "task_struct.mm";
    TaskFs: "task_struct.fs";
    TaskFiles: "task_struct.files";
    TaskSignal: "task_struct.signal";
    TaskThreadPid: "task_struct.thread_pid";
    TaskComm: "task_struct.comm";
    TaskCgroups: "task_struct.cgroups";
    TaskLoginuid: "task_struct.loginuid";
    TaskExitCode: "task_struct.exit_code";
    TaskExitState: "task_struct.exit_state";
    TaskMinFlt: "task_struct.min_flt";
    TaskMajFlt: "task_struct.maj_flt";
    CredUid: "cred.uid";
    CredGid: "cred.gid";
    CredEuid: "cred.euid";
    CredEgid: "cred.egid";
    CredFsuid: "cred.fsuid";
    CredFsgid: "cred.fsgid";
    CredCapInheritable: "cred.cap_inheritable";
    CredCapPermitted: "cred.cap_permitted";
    CredCapEffective: "cred.cap_effective";
    MmArgStart: "mm_struct.arg_start";
    MmArgEnd: "mm_struct.arg_end";
    MmEnvStart: "mm_struct.env_start";
    MmEnvEnd: "mm_struct.env_end";
    MmExeFile: "mm_struct.exe_file";
    MmTotalVm: "mm_struct.total_vm";
    MmRss: "mm_struct.rss_stat";
    MmRssStride: "stride mm_struct.rss_stat|stride mm_struct.rss_stat.count";
    RssCount: "percpu_counter.count";
    SignalLive: "signal_struct.live";
    SignalPids: "signal_struct.pids";
    SignalTty: "signal_struct.tty";
    SignalRlim: "signal_struct.rlim";
    SignalGroupExitCode: "signal_struct.group_exit_code";
    SignalSubreaperByte: "signal_struct.is_child_subreaper";
    SignalSubreaperBit: "bit signal_struct.is_child_subreaper";
    PidTypePgid: "enum PIDTYPE_PGID";
    PidTypeSid: "enum PIDTYPE_SID";
    PidLevel: "pid.level";
    PidNumbers: "pid.numbers";
    UpidSize: "sizeof upid";
    UpidNr: "upid.nr";
    UpidNs: "upid.ns";
    NsChildReaper: "pid_namespace.child_reaper";
    TtyDriver: "tty_struct.driver";
    TtyIndex: "tty_struct.index";
    DriverMajor: "tty_driver.major";
    DriverMinorStart: "tty_driver.minor_start";
    CssSetSubsys: "css_set.subsys";
    CssSetDflCgrp: "css_set.dfl_cgrp";
    CssCgroup: "cgroup_subsys_state.cgroup";
    CgroupKn: "cgroup.kn";
    KnId: "kernfs_node.id";
    KnName: "kernfs_node.name";
    KnParent: "kernfs_node.__parent|kernfs_node.parent";
    CgrpMemory: "enum memory_cgrp_id";
    CgrpCpu: "enum cpu_cgrp_id";
    CgrpCpuset: "enum cpuset_cgrp_id";
    CgrpPids: "enum pids_cgrp_id";
    BprmFilename: "linux_binprm.filename";
    FsRoot: "fs_struct.root";
    FsPwd: "fs_struct.pwd";
    PathMnt: "path.mnt";
    PathDentry: "path.dentry";
    FilesFdt: "files_struct.fdt";
    FdtMax: "fdtable.max_fds";
    FdtFd: "fdtable.fd";
    FilePath: "file.f_path";
    FileInode: "file.f_inode";
    FileMode: "file.f_mode";
    FilePrivate: "file.private_data";
    DentryParent: "dentry.d_parent";
    DentryName: "dentry.d_name.name";
    DentryNameLen: "dentry.d_name.len";
    DentryInode: "dentry.d_inode";
    DentryHashPprev: "dentry.d_hash.pprev";
    VfsmountRoot: "vfsmount.mnt_root";
    MountMnt: "mount.mnt";
    MountParent: "mount.mnt_parent";
    MountMountpoint: "mount.mnt_mountpoint";
    InodeIno: "inode.i_ino";
    InodeMode: "inode.i_mode";
    InodeUid: "inode.i_uid";
    InodeGid: "inode.i_gid";
    InodeSb: "inode.i_sb";
    InodeCtimeSec: "inode.i_ctime_sec|inode.__i_ctime.tv_sec|inode.i_ctime.tv_sec";
    InodeCtimeNsec: "inode.i_ctime_nsec|inode.__i_ctime.tv_nsec|inode.i_ctime.tv_nsec";
    InodeMtimeSec: "inode.i_mtime_sec|inode.__i_mtime.tv_sec|inode.i_mtime.tv_sec";
    InodeMtimeNsec: "inode.i_mtime_nsec|inode.__i_mtime.tv_nsec|inode.i_mtime.tv_nsec";
    SbDev: "super_block.s_dev";
    SbMagic: "super_block.s_magic";
    OvlInodeVfs: "ovl_inode.vfs_inode";
    OvlInodeUpper: "ovl_inode.__upperdentry";
    InodeSize: "sizeof inode";
    SocketSk: "socket.sk";
    SocketType: "socket.type";
    SocketFile: "socket.file";
    SocketInode: "socket_alloc.vfs_inode";
    SockSocket: "sock.sk_socket";
    HookSock: "bpf_sock_addr_kern.sk";
    HookAddress: "bpf_sock_addr_kern.uaddr";
    HookAddressLen: "bpf_sock_addr_kern.uaddrlen";
    SockFamily: "sock.__sk_common.skc_family";
    SockState: "sock.__sk_common.skc_state";
    SockDaddr: "sock.__sk_common.skc_daddr";
    SockRcvSaddr: "sock.__sk_common.skc_rcv_saddr";
    SockDport: "sock.__sk_common.skc_dport";
    SockNum: "sock.__sk_common.skc_num";
    SockV6Daddr: "sock.__sk_common.skc_v6_daddr";
    SockV6RcvSaddr: "sock.__sk_common.skc_v6_rcv_saddr";
    SockCookie: "sock.__sk_common.skc_cookie";
    SockProtocol: "sock.sk_protocol";
    SockProtocolWidth: "width sock.sk_protocol";
    SockAckBacklog: "sock.sk_ack_backlog";
    SockMaxAckBacklog: "sock.sk_max_ack_backlog";
    SockUserlocksByte: "sock.sk_userlocks";
    SockUserlocksBit: "bit sock.sk_userlocks";
    InetSport: "inet_sock.inet_sport";
    InetSaddr: "inet_sock.inet_saddr";
    Inet6Pinet6: "inet_sock.pinet6";
    Ipv6Saddr: "ipv6_pinfo.saddr";
    UnixAddr: "unix_sock.addr";
    UnixPeer: "unix_sock.peer";
    UnixAddrLen: "unix_address.len";
    UnixAddrName: "unix_address.name";
    SigInfoCode: "kernel_siginfo.si_code";
    SigInfoPid: "kernel_siginfo._sifields._kill._pid";
    InodePrivate: "inode.i_private";
    NsOps: "ns_common.ops";
    NsOpsName: "proc_ns_operations.name";
}

/// Index of each word of the object's `FEATURES`: what the running kernel can, fixed at load.
pub mod feature {
    /// `bpf_ringbuf_reserve_dynptr` and its kin (5.19).
    pub const DYNPTR: usize = 0;
    /// `bpf_get_current_task_btf` and `bpf_task_pt_regs` (5.15).
    pub const TASK_PT_REGS: usize = 1;
    /// Bytes of a ring that other events may fill; the rest is kept for process events.
    pub const RING_LIMIT: usize = 2;
    /// Bytes of a kernel stack, for kernels without `bpf_task_pt_regs`.
    pub const STACK_SIZE: usize = 3;
    /// `sched_process_exit` says whether the group is dead.
    pub const EXIT_HAS_GROUP_DEAD: usize = 4;
    /// Bytes of a buffer that are kept.
    pub const SNAPLEN: usize = 5;
    /// Roles and last peers of sockets are kept.
    pub const SOCKET_HISTORY: usize = 6;
    /// `sys_enter` notes what descriptors are.
    pub const ENTRY: usize = 7;
    /// First scratch slot of the iterators, behind those of the CPUs.
    pub const ITERATOR_SLOTS: usize = 8;
    /// Answers of name servers are kept whole where somebody asks.
    pub const ANSWERS: usize = 9;
    /// Of frames that tell of changes of processes one in so many is dropped, to test what comes of it; 0 for none.
    pub const SIMULATE_DROPS: usize = 10;
    /// Possible CPUs.
    pub const N_CPUS: usize = 11;
    /// Type to which addresses are cast before they are read through (its number in the kernel's BTF), 0 where the kernel has no such cast.
    pub const CAST_TYPE: usize = 12;
    /// Hooks of sockets note what calls use.
    pub const HOOKS: usize = 13;
    /// Words.
    pub const WORDS: usize = 16;
}

/// What the object calls in place of `bpf_rdonly_cast`, whose number differs from kernel to kernel: the loader puts that there. No helper has it.
pub const CAST_CALL: i32 = 0x7063_6173;

/// The same in place of `bpf_cast_to_kern_ctx`.
pub const CONTEXT_CALL: i32 = 0x7063_7478;
