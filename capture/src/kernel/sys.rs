//! Shared memory of BPF maps, what the kernel says of a program, programs of hooks of sockets: the unsafe part below the rings, the counters and the hooks.

use std::{
    ffi::CStr,
    io,
    os::fd::{AsRawFd, BorrowedFd, FromRawFd, OwnedFd, RawFd},
    ptr::NonNull,
    sync::atomic::{AtomicU64, Ordering},
    time::Duration,
};

use aya_obj::generated::bpf_insn;

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

/// `BPF_PROG_TYPE_CGROUP_SOCK_ADDR`.
const SOCK_ADDR: u32 = 18;
const BPF_PROG_LOAD: libc::c_long = 5;
const BPF_LINK_CREATE: libc::c_long = 28;
/// Bytes of the verifier's word that are kept.
const LOG_LEN: usize = 64 * 1024;

/// The head of `union bpf_attr` for `BPF_PROG_LOAD`, up to and including the hook.
#[derive(Default)]
#[repr(C, align(8))]
struct LoadRequest {
    ty: u32,
    n_instructions: u32,
    instructions: u64,
    license: u64,
    log_level: u32,
    log_len: u32,
    log: u64,
    kernel_version: u32,
    flags: u32,
    name: [u8; 16],
    interface: u32,
    hook: u32,
}

/// The same for `BPF_LINK_CREATE`.
#[repr(C, align(8))]
struct LinkRequest {
    program: u32,
    target: u32,
    hook: u32,
    flags: u32,
}

/// A descriptor that the kernel made, or its error.
fn new_descriptor(fd: libc::c_long) -> io::Result<OwnedFd> {
    if fd < 0 {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: the kernel has just opened it for this process, and nobody else knows it.
    Ok(unsafe { OwnedFd::from_raw_fd(fd as RawFd) })
}

/// Loads a program for a hook of sockets. An error has the verifier's last line.
pub(crate) fn load_sock_addr(
    instructions: &[bpf_insn],
    license: &CStr,
    hook: u32,
) -> io::Result<OwnedFd> {
    let mut request = LoadRequest {
        ty: SOCK_ADDR,
        n_instructions: instructions.len() as u32,
        instructions: instructions.as_ptr() as u64,
        license: license.as_ptr() as u64,
        name: *b"peregrine_socket",
        hook,
        ..LoadRequest::default()
    };
    request.name[15] = 0;
    let load = |request: &LoadRequest| {
        let len = size_of::<LoadRequest>();
        // SAFETY: instructions, license and log outlive the call, and are as long as is said.
        new_descriptor(unsafe {
            libc::syscall(libc::SYS_bpf, BPF_PROG_LOAD, &raw const *request, len)
        })
    };
    let refused = match load(&request) {
        Ok(program) => return Ok(program),
        Err(e) => e,
    };
    let mut log = vec![0u8; LOG_LEN];
    (request.log_level, request.log_len) = (1, LOG_LEN as u32);
    request.log = log.as_mut_ptr() as u64;
    let again = load(&request);
    let text = String::from_utf8_lossy(log.split(|&b| b == 0).next().unwrap_or_default());
    let said = text.lines().rev().find(|l| !l.is_empty() && !l.starts_with("processed "));
    match (again, said) {
        (Ok(program), _) => Ok(program),
        (Err(_), Some(said)) => Err(io::Error::new(refused.kind(), format!("{refused}: {said}"))),
        (Err(_), None) => Err(refused),
    }
}

/// Attaches a program to a control group.
pub(crate) fn create_link(
    program: BorrowedFd<'_>,
    group: BorrowedFd<'_>,
    hook: u32,
) -> io::Result<OwnedFd> {
    let fd = |fd: BorrowedFd<'_>| fd.as_raw_fd().cast_unsigned();
    let request = LinkRequest { program: fd(program), target: fd(group), hook, flags: 0 };
    let len = size_of::<LinkRequest>();
    // SAFETY: a request of the length that is said.
    new_descriptor(unsafe {
        libc::syscall(libc::SYS_bpf, BPF_LINK_CREATE, &raw const request, len)
    })
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
