//! The calls that no safe interface has. Everything `unsafe` of this program is here.
#![expect(unsafe_code, reason = "raw system calls are the point of it")]

use std::ffi::c_long;
use std::io::{Error, Result};
use std::mem::{size_of, zeroed};
use std::os::fd::{AsRawFd, FromRawFd as _, OwnedFd};
use std::os::unix::process::CommandExt as _;
use std::process::Command;

use rustix::process::Pid;

/// The result of a raw call.
fn checked(result: c_long) -> Result<c_long> {
    if result < 0 { Err(Error::last_os_error()) } else { Ok(result) }
}

/// Leaves the namespaces of these kinds (`libc::CLONE_NEW*`) for new ones.
pub(crate) fn unshare(flags: i32) -> Result<()> {
    // SAFETY: takes a number. None of the flags used separates memory or descriptors from other threads.
    checked(c_long::from(unsafe { libc::unshare(flags) })).map(drop)
}

/// Interrupts the program that the command starts when this process ends before it, however it ends.
pub(crate) fn end_with_us(command: &mut Command) {
    let ask = || {
        // SAFETY: takes numbers only, and is async-signal-safe.
        let result = unsafe { libc::prctl(libc::PR_SET_PDEATHSIG, libc::SIGINT) };
        checked(c_long::from(result)).map(drop)
    };
    // SAFETY: between fork and exec the closure makes one system call and allocates nothing.
    unsafe { command.pre_exec(ask) };
}

/// Lets Ctrl-C end what this process started, but not this process, which then cleans up.
pub(crate) fn outlive_interrupts() -> Result<()> {
    extern "C" fn nothing(_: libc::c_int) {}
    let handler: extern "C" fn(libc::c_int) = nothing;
    // SAFETY: the handler does nothing, so it may run at any point. Programs started from here get the default again.
    let before = unsafe { libc::signal(libc::SIGINT, handler as libc::sighandler_t) };
    if before == libc::SIG_ERR { Err(Error::last_os_error()) } else { Ok(()) }
}

/// Asks the kernel to load a module out of a file.
pub(crate) fn finit_module(file: &impl AsRawFd) -> Result<()> {
    // SAFETY: the parameters are a live NUL-terminated string; the descriptor is open.
    checked(unsafe { libc::syscall(libc::SYS_finit_module, file.as_raw_fd(), c"".as_ptr(), 0) })
        .map(drop)
}

/// Becomes the tracer of a process, which goes on running.
pub(crate) fn seize(process: Pid) -> Result<()> {
    let pid = process.as_raw_nonzero().get();
    // SAFETY: PTRACE_SEIZE takes numbers only and touches no memory of this process.
    checked(unsafe { libc::ptrace(libc::PTRACE_SEIZE, pid, 0, 0) }).map(drop)
}

/// Takes all rights from this process, which has one thread.
pub(crate) fn become_nobody() -> Result<()> {
    const NOBODY: libc::uid_t = 65_534;
    // SAFETY: takes numbers only.
    checked(c_long::from(unsafe { libc::setresuid(NOBODY, NOBODY, NOBODY) })).map(drop)
}

/// Has the command run on a terminal of its own, which ends with what is given.
pub(crate) fn on_a_terminal(command: &mut Command) -> Result<OwnedFd> {
    let flags = rustix::pty::OpenptFlags::RDWR | rustix::pty::OpenptFlags::NOCTTY;
    let terminal = rustix::pty::openpt(flags | rustix::pty::OpenptFlags::CLOEXEC)?;
    rustix::pty::grantpt(&terminal)?;
    rustix::pty::unlockpt(&terminal)?;
    let name = rustix::pty::ptsname(&terminal, Vec::new())?;
    let take = move || {
        // SAFETY: a NUL-terminated name that lives as long as the closure; both calls are async-signal-safe. A leader of a session without a
        // terminal gets the one that it opens.
        unsafe {
            checked(c_long::from(libc::setsid()))?;
            checked(c_long::from(libc::open(name.as_ptr(), libc::O_RDWR | libc::O_CLOEXEC)))?;
        }
        Ok(())
    };
    // SAFETY: between fork and exec the closure makes two system calls and allocates nothing.
    unsafe { command.pre_exec(take) };
    Ok(terminal)
}

/// A BPF map by its number.
pub(crate) fn bpf_map_by_id(id: u32) -> Result<OwnedFd> {
    const BPF_MAP_GET_FD_BY_ID: c_long = 14;
    /// The start of `union bpf_attr` for it (include/uapi/linux/bpf.h): number, next number, flags.
    type Get = [u32; 3];
    let get: Get = [id, 0, 0];
    // SAFETY: the attribute lives until the call returns; its size is given.
    let fd = checked(unsafe {
        libc::syscall(libc::SYS_bpf, BPF_MAP_GET_FD_BY_ID, get.as_ptr(), size_of::<Get>())
    })?;
    // SAFETY: the kernel made this descriptor for us, and nobody else owns it.
    Ok(unsafe { OwnedFd::from_raw_fd(fd as i32) })
}

/// Makes the parent the tracer of this process.
pub(crate) fn trace_me() -> Result<()> {
    // SAFETY: takes nothing else.
    checked(unsafe { libc::ptrace(libc::PTRACE_TRACEME, 0, 0, 0) }).map(drop)
}

/// Loads a program of two instructions, `r0 = 0; exit`, that is attached to nothing.
pub(crate) fn load_bpf() -> Result<OwnedFd> {
    /// The start of `union bpf_attr` for `BPF_PROG_LOAD` (include/uapi/linux/bpf.h).
    #[repr(C)]
    struct Load {
        prog_type: u32,
        insn_cnt: u32,
        insns: u64,
        license: u64,
        log_level: u32,
        log_size: u32,
        log_buf: u64,
        kern_version: u32,
        prog_flags: u32,
    }
    const BPF_PROG_LOAD: c_long = 5;
    const SOCKET_FILTER: u32 = 1;
    let insns: [u64; 2] = [0x0000_0000_0000_00b7, 0x0000_0000_0000_0095];
    let load = Load {
        prog_type: SOCKET_FILTER,
        insn_cnt: 2,
        insns: insns.as_ptr() as u64,
        license: c"GPL".as_ptr() as u64,
        log_level: 0,
        log_size: 0,
        log_buf: 0,
        kern_version: 0,
        prog_flags: 0,
    };
    // SAFETY: the attribute and what it points to live until the call returns; its size is given.
    let fd = checked(unsafe {
        libc::syscall(libc::SYS_bpf, BPF_PROG_LOAD, &raw const load, size_of::<Load>())
    })?;
    // SAFETY: the kernel made this descriptor for us, and nobody else owns it.
    Ok(unsafe { OwnedFd::from_raw_fd(fd as i32) })
}

/// Sets up an io_uring of one entry.
pub(crate) fn io_uring_setup() -> Result<OwnedFd> {
    /// Size of `struct io_uring_params` (include/uapi/linux/io_uring.h).
    const PARAMS_LEN: usize = 120;
    let mut params = [0_u64; PARAMS_LEN / 8];
    // SAFETY: the parameters have the size that the kernel reads and writes.
    let fd =
        checked(unsafe { libc::syscall(libc::SYS_io_uring_setup, 1_u32, params.as_mut_ptr()) })?;
    // SAFETY: the kernel made this descriptor for us, and nobody else owns it.
    Ok(unsafe { OwnedFd::from_raw_fd(fd as i32) })
}

/// An `ifreq` with a name.
fn request(name: &str) -> libc::ifreq {
    // SAFETY: all zeroes is a valid `ifreq`.
    let mut request: libc::ifreq = unsafe { zeroed() };
    for (to, from) in request.ifr_name.iter_mut().zip(name.bytes().take(libc::IFNAMSIZ - 1)) {
        *to = from as libc::c_char;
    }
    request
}

/// Gives an interface an IPv4 address.
pub(crate) fn set_address(
    socket: &impl AsRawFd,
    interface: &str,
    address: std::net::Ipv4Addr,
) -> Result<()> {
    let mut request = request(interface);
    let address = libc::sockaddr_in {
        sin_family: libc::AF_INET as u16,
        sin_port: 0,
        sin_addr: libc::in_addr { s_addr: u32::from(address).to_be() },
        sin_zero: [0; 8],
    };
    // SAFETY: `sockaddr_in` and `sockaddr` have the same size and any bytes are valid in the latter.
    request.ifr_ifru.ifru_addr =
        unsafe { std::mem::transmute::<libc::sockaddr_in, libc::sockaddr>(address) };
    // SAFETY: the request is a whole `ifreq`.
    let result = unsafe { libc::ioctl(socket.as_raw_fd(), libc::SIOCSIFADDR, &raw mut request) };
    checked(c_long::from(result)).map(drop)
}

/// Switches an interface on.
pub(crate) fn set_up(socket: &impl AsRawFd, interface: &str) -> Result<()> {
    let mut request = request(interface);
    request.ifr_ifru.ifru_flags = (libc::IFF_UP | libc::IFF_RUNNING) as libc::c_short;
    // SAFETY: the request is a whole `ifreq`.
    let result = unsafe { libc::ioctl(socket.as_raw_fd(), libc::SIOCSIFFLAGS, &raw mut request) };
    checked(c_long::from(result)).map(drop)
}
