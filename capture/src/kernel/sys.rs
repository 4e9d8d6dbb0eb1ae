//! Shared memory of BPF maps and of the kernel's types, and a few system calls: the unsafe part below the rings, the counters and the hooks.

use std::{
    fs::File,
    io::{self, Read},
    os::fd::{AsFd, AsRawFd, BorrowedFd, FromRawFd, OwnedFd, RawFd},
    ptr::NonNull,
    sync::atomic::{AtomicU64, Ordering},
    time::Duration,
};

/// A mapping of a BPF map, unmapped on drop.
#[derive(Debug)]
pub(crate) struct Mapping {
    base: NonNull<u8>,
    len: usize,
}

// SAFETY: the memory is the kernel's, valid until `munmap` in `drop`; all access goes through atomics or, for ring data, through slices whose
// bytes the kernel does not write before the consumer position has passed them.
unsafe impl Send for Mapping {}
// SAFETY: as above.
unsafe impl Sync for Mapping {}

/// What a mapping may be used for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Access {
    Read,
    ReadWrite,
    /// For what the kernel shows to whoever promises that nobody can write it.
    ReadPrivately,
}

/// Bytes of a page.
pub(crate) fn page_size() -> usize {
    // SAFETY: no preconditions.
    let n = unsafe { libc::sysconf(libc::_SC_PAGESIZE) };
    usize::try_from(n).unwrap_or(4096)
}

impl Mapping {
    pub(crate) fn new(
        fd: BorrowedFd<'_>,
        len: usize,
        offset: usize,
        access: Access,
    ) -> io::Result<Self> {
        let (prot, flags) = match access {
            Access::Read => (libc::PROT_READ, libc::MAP_SHARED),
            Access::ReadWrite => (libc::PROT_READ | libc::PROT_WRITE, libc::MAP_SHARED),
            Access::ReadPrivately => (libc::PROT_READ, libc::MAP_PRIVATE),
        };
        let offset = libc::off_t::try_from(offset).map_err(io::Error::other)?;
        // SAFETY: a fresh mapping at an address of the kernel's choice.
        let at =
            unsafe { libc::mmap(std::ptr::null_mut(), len, prot, flags, fd.as_raw_fd(), offset) };
        if at == libc::MAP_FAILED {
            return Err(io::Error::last_os_error());
        }
        let base = NonNull::new(at.cast()).ok_or_else(|| io::Error::other("mapped at null"))?;
        Ok(Self { base, len })
    }

    /// The word at a byte offset.
    pub(crate) fn word(&self, offset: usize) -> &AtomicU64 {
        assert!(
            offset.is_multiple_of(8) && offset + 8 <= self.len,
            "word {offset} of {}",
            self.len
        );
        // SAFETY: in bounds and aligned, checked above; a mapping starts at a page.
        unsafe { AtomicU64::from_ptr(self.base.as_ptr().add(offset).cast()) }
    }

    /// All words, for as long as the program runs: the mapping stays.
    pub(crate) fn leak(self) -> &'static [AtomicU64] {
        let this = std::mem::ManuallyDrop::new(self);
        // SAFETY: a mapping starts at a page and is never unmapped; who else writes it does so word by word.
        unsafe { std::slice::from_raw_parts(this.base.as_ptr().cast(), this.len / 8) }
    }

    /// Bytes of the mapping.
    ///
    /// # Safety
    /// Nobody may write them while the slice lives.
    pub(crate) unsafe fn bytes(&self, offset: usize, len: usize) -> &[u8] {
        assert!(offset <= self.len && len <= self.len - offset, "{len} bytes at {offset}");
        // SAFETY: in bounds, checked above; the caller rules out writers.
        unsafe { std::slice::from_raw_parts(self.base.as_ptr().add(offset), len) }
    }
}

impl Drop for Mapping {
    fn drop(&mut self) {
        // SAFETY: the mapping that `new` made; no reference outlives `self`.
        unsafe { libc::munmap(self.base.as_ptr().cast(), self.len) };
    }
}

/// The bytes of a file of the kernel's that nobody can write: mapped where it can be (6.16 for types), and then no memory of this process; else read.
#[derive(Debug)]
pub(crate) enum KernelFile {
    Mapped(Mapping, usize),
    Read(Vec<u8>),
}

impl KernelFile {
    pub(crate) fn open(path: &str) -> io::Result<Self> {
        let mut file = File::open(path)?;
        let len = usize::try_from(file.metadata()?.len()).map_err(io::Error::other)?;
        if let Ok(mapping) = Mapping::new(file.as_fd(), len, 0, Access::ReadPrivately) {
            return Ok(Self::Mapped(mapping, len));
        }
        let mut bytes = Vec::with_capacity(len + 1);
        file.read_to_end(&mut bytes)?;
        Ok(Self::Read(bytes))
    }

    pub(crate) fn bytes(&self) -> &[u8] {
        match self {
            // SAFETY: a private mapping for reading, of what does not change.
            Self::Mapped(mapping, len) => unsafe { mapping.bytes(0, *len) },
            Self::Read(bytes) => bytes,
        }
    }
}

/// A descriptor that the kernel made, or its error.
fn new_descriptor(fd: libc::c_long) -> io::Result<OwnedFd> {
    if fd < 0 {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: the kernel has just opened it for this process, and nobody else knows it.
    Ok(unsafe { OwnedFd::from_raw_fd(fd as RawFd) })
}

const FSCONFIG_CMD_CREATE: libc::c_uint = 6;

/// The hierarchy of control groups, mounted nowhere but here.
pub(crate) fn mount_cgroups() -> io::Result<OwnedFd> {
    // SAFETY: a name that ends in NUL; flags; no pointers where none are asked for.
    unsafe {
        let made =
            libc::syscall(libc::SYS_fsopen, c"cgroup2".as_ptr(), 1 /* FSOPEN_CLOEXEC */);
        let context = new_descriptor(made)?;
        let (context, none) = (context.as_raw_fd(), std::ptr::null::<u8>());
        if libc::syscall(libc::SYS_fsconfig, context, FSCONFIG_CMD_CREATE, none, none, 0) < 0 {
            return Err(io::Error::last_os_error());
        }
        let mount = new_descriptor(libc::syscall(
            libc::SYS_fsmount,
            context,
            1, /* FSMOUNT_CLOEXEC */
            0,
        ))?;
        let flags = libc::O_DIRECTORY | libc::O_RDONLY | libc::O_CLOEXEC;
        new_descriptor(libc::openat(mount.as_raw_fd(), c".".as_ptr(), flags).into())
    }
}

/// Whether this is of a hierarchy of control groups of version 2.
pub(crate) fn is_cgroup2(directory: BorrowedFd<'_>) -> bool {
    // SAFETY: all zeros is a value of the structure, which the kernel fills in.
    unsafe {
        let mut of: libc::statfs = std::mem::zeroed();
        libc::fstatfs(directory.as_raw_fd(), &raw mut of) == 0
            // Of another type in each libc.
            && of.f_type as libc::c_long == libc::CGROUP2_SUPER_MAGIC
    }
}

/// The process at the other end of a socket, as it was when it connected.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SocketPeer {
    /// 0 where this process's pid namespace does not have it: why no crate's type can stand for this, which know no such number.
    pub pid: i32,
    /// Its effective user.
    pub uid: u32,
}

/// Who made the connection, wherever its descriptor has gone since (unix(7), `SO_PEERCRED`).
///
/// # Errors
/// It is no socket.
pub fn socket_peer(socket: impl AsFd) -> io::Result<SocketPeer> {
    let mut peer = libc::ucred { pid: 0, uid: libc::uid_t::MAX, gid: libc::gid_t::MAX };
    let mut len = size_of_val(&peer) as libc::socklen_t;
    let fd = socket.as_fd().as_raw_fd();
    // SAFETY: a structure and its size, which the kernel fills in.
    let result = unsafe {
        libc::getsockopt(
            fd,
            libc::SOL_SOCKET,
            libc::SO_PEERCRED,
            (&raw mut peer).cast(),
            &raw mut len,
        )
    };
    if result < 0 {
        return Err(io::Error::last_os_error());
    }
    Ok(SocketPeer { pid: peer.pid, uid: peer.uid })
}

/// Raises the limit on locked memory, which kernels before 5.11 charge maps to.
pub(crate) fn raise_memlock() -> io::Result<()> {
    let limit = libc::rlimit { rlim_cur: libc::RLIM_INFINITY, rlim_max: libc::RLIM_INFINITY };
    // SAFETY: a valid structure.
    if unsafe { libc::setrlimit(libc::RLIMIT_MEMLOCK, &raw const limit) } < 0 {
        return Err(io::Error::last_os_error());
    }
    Ok(())
}

/// Loads a word that the kernel side counts in.
pub(crate) fn load(word: &AtomicU64) -> u64 {
    word.load(Ordering::Relaxed)
}

/// Stores a word that the kernel side reads, in one go; after what was stored before it.
pub(crate) fn store(word: &AtomicU64, value: u64) {
    word.store(value, Ordering::Release);
}

/// `MEMBARRIER_CMD_GLOBAL` (include/uapi/linux/membarrier.h).
const MEMBARRIER_GLOBAL: libc::c_int = 1;
/// More than a program takes by far.
const LONGEST_RUN: Duration = Duration::from_millis(20);

/// Waits until no program runs that began before: each runs inside a read section of the kernel's RCU, and the barrier over all threads of the
/// machine waits for a grace period (kernel/sched/membarrier.c).
pub(crate) fn wait_for_programs() {
    // SAFETY: no memory is passed.
    if unsafe { libc::syscall(libc::SYS_membarrier, MEMBARRIER_GLOBAL, 0, 0) } != 0 {
        // Not offered where CPUs run without ticks.
        std::thread::sleep(LONGEST_RUN);
    }
}
