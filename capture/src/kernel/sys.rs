//! Shared memory of BPF maps, and what the kernel says of a program: the unsafe part below the rings and the counters.

use std::{
    io,
    os::fd::{AsRawFd, BorrowedFd},
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
        let prot = match access {
            Access::Read => libc::PROT_READ,
            Access::ReadWrite => libc::PROT_READ | libc::PROT_WRITE,
        };
        let offset = libc::off_t::try_from(offset).map_err(io::Error::other)?;
        // SAFETY: a fresh mapping at an address of the kernel's choice.
        let at = unsafe {
            libc::mmap(std::ptr::null_mut(), len, prot, libc::MAP_SHARED, fd.as_raw_fd(), offset)
        };
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

/// Bytes of `struct bpf_prog_info` up to and including `recursion_misses` (include/uapi/linux/bpf.h).
const PROG_INFO_LEN: usize = 224;
const RECURSION_MISSES_AT: usize = 208;
const BPF_OBJ_GET_INFO_BY_FD: libc::c_long = 15;

#[repr(C, align(8))]
struct InfoRequest {
    fd: u32,
    len: u32,
    info: u64,
}

/// How often the kernel skipped a program because it was already running on that CPU; `None` before 5.12, which does not say.
pub(crate) fn recursion_misses(program: BorrowedFd<'_>) -> Option<u64> {
    let mut info = [0u64; PROG_INFO_LEN / 8];
    let mut request = InfoRequest {
        fd: program.as_raw_fd().cast_unsigned(),
        len: PROG_INFO_LEN as u32,
        info: info.as_mut_ptr() as u64,
    };
    // SAFETY: the kernel writes at most `len` bytes to `info`, which is that large.
    let r = unsafe {
        libc::syscall(
            libc::SYS_bpf,
            BPF_OBJ_GET_INFO_BY_FD,
            &raw mut request,
            size_of::<InfoRequest>(),
        )
    };
    if r < 0 || (request.len as usize) < RECURSION_MISSES_AT + 8 {
        return None;
    }
    Some(info[RECURSION_MISSES_AT / 8])
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
