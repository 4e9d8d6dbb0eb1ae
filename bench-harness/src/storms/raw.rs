//! System calls with arguments that no safe interface would pass, each of them one call and nothing else. Everything `unsafe` of the counted
//! storms is here.
#![expect(unsafe_code, reason = "raw system calls are the point of it")]

use std::ffi::{CStr, c_char, c_long};
use std::io::{Error, ErrorKind};
use std::mem::size_of;
use std::os::fd::{AsRawFd as _, OwnedFd};
use std::{fmt, process, ptr};

/// A call that did not give what it was made for.
#[derive(Debug)]
pub(crate) struct Failed {
    call: &'static str,
    why: Error,
}

impl fmt::Display for Failed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.call, self.why)
    }
}

impl std::error::Error for Failed {}

impl Failed {
    pub(crate) fn new(call: &'static str, why: impl Into<Error>) -> Self {
        Self { call, why: why.into() }
    }
}

/// What a call gave; negative results are failures.
#[inline]
fn given(call: &'static str, result: c_long) -> Result<c_long, Failed> {
    if result < 0 { Err(Failed::new(call, Error::last_os_error())) } else { Ok(result) }
}

/// `getpid` with an argument, which the kernel ignores.
#[inline]
pub(crate) fn getpid(ignored: u64) {
    // SAFETY: takes nothing that it could misuse.
    unsafe { libc::syscall(libc::SYS_getpid, ignored) };
}

/// `openat` of an absolute path, for reading; the kernel ignores the directory then.
#[inline]
pub(crate) fn openat(ignored_dir: i32, path: &CStr) -> Result<i32, Failed> {
    let flags = libc::O_RDONLY | libc::O_CLOEXEC;
    // SAFETY: the path is terminated and lives until the call returns.
    let fd = unsafe { libc::syscall(libc::SYS_openat, ignored_dir, path.as_ptr(), flags, 0) };
    given("openat", fd).map(|fd| fd as i32)
}

/// `close` of a descriptor that one of the calls here gave.
#[inline]
pub(crate) fn close(fd: i32) -> Result<(), Failed> {
    // SAFETY: nobody else has the descriptor, and nobody uses it after this.
    given("close", unsafe { libc::syscall(libc::SYS_close, fd) }).map(drop)
}

/// `read` of one byte.
#[inline]
pub(crate) fn read_byte(fd: i32) -> Result<u8, Failed> {
    let mut byte = 0u8;
    // SAFETY: the byte lives until the call returns.
    let n = unsafe { libc::syscall(libc::SYS_read, fd, &raw mut byte, 1) };
    given("read", n).map(|_| byte)
}

/// `write` of one byte.
#[inline]
pub(crate) fn write_byte(fd: i32, byte: u8) -> Result<(), Failed> {
    // SAFETY: the byte lives until the call returns.
    given("write", unsafe { libc::syscall(libc::SYS_write, fd, &raw const byte, 1) }).map(drop)
}

/// `rename`.
#[inline]
pub(crate) fn rename(from: &CStr, to: &CStr) -> Result<(), Failed> {
    // SAFETY: the paths are terminated and live until the call returns.
    let result = unsafe { libc::syscall(libc::SYS_rename, from.as_ptr(), to.as_ptr()) };
    given("rename", result).map(drop)
}

/// An address and a port of IPv4.
#[derive(Clone, Copy)]
pub(crate) struct Address(libc::sockaddr_in);

impl Address {
    pub(crate) fn new(host: u32, port: u16) -> Self {
        Self(libc::sockaddr_in {
            sin_family: libc::AF_INET as u16,
            sin_port: port.to_be(),
            sin_addr: libc::in_addr { s_addr: host.to_be() },
            sin_zero: [0; 8],
        })
    }

    #[inline]
    pub(crate) fn set_host(&mut self, host: u32) {
        self.0.sin_addr.s_addr = host.to_be();
    }
}

const ADDRESS_LEN: usize = size_of::<libc::sockaddr_in>();

/// `socket` of IPv4.
#[inline]
pub(crate) fn socket(ty: i32) -> Result<i32, Failed> {
    let ty = ty | libc::SOCK_CLOEXEC;
    // SAFETY: takes numbers.
    let fd = unsafe { libc::syscall(libc::SYS_socket, libc::AF_INET, ty, 0) };
    given("socket", fd).map(|fd| fd as i32)
}

/// `connect`.
#[inline]
pub(crate) fn connect(fd: i32, to: &Address) -> Result<(), Failed> {
    // SAFETY: the address lives until the call returns.
    let result = unsafe { libc::syscall(libc::SYS_connect, fd, &raw const to.0, ADDRESS_LEN) };
    given("connect", result).map(drop)
}

/// `accept4`, whoever it is.
#[inline]
pub(crate) fn accept4(fd: i32) -> Result<i32, Failed> {
    let nowhere = ptr::null_mut::<libc::sockaddr>();
    // SAFETY: the kernel writes no address where there is no place for one.
    let accepted =
        unsafe { libc::syscall(libc::SYS_accept4, fd, nowhere, nowhere, libc::SOCK_CLOEXEC) };
    given("accept4", accepted).map(|fd| fd as i32)
}

/// `sendto`.
#[inline]
pub(crate) fn sendto(fd: i32, bytes: &[u8], to: &Address) -> Result<(), Failed> {
    let (at, len, to) = (bytes.as_ptr(), bytes.len(), &raw const to.0);
    // SAFETY: bytes and address live until the call returns.
    let sent = unsafe { libc::syscall(libc::SYS_sendto, fd, at, len, 0, to, ADDRESS_LEN) };
    given("sendto", sent).map(drop)
}

/// `recvfrom`, with the sender's address.
#[inline]
pub(crate) fn recvfrom(fd: i32, bytes: &mut [u8]) -> Result<(), Failed> {
    let mut from = Address::new(0, 0);
    let mut from_len = ADDRESS_LEN as libc::socklen_t;
    let (at, len) = (bytes.as_mut_ptr(), bytes.len());
    // SAFETY: bytes, address and length live until the call returns, and the kernel writes no more than they say.
    let got = unsafe {
        let (from, from_len) = (&raw mut from.0, &raw mut from_len);
        libc::syscall(libc::SYS_recvfrom, fd, at, len, 0, from, from_len)
    };
    given("recvfrom", got).map(drop)
}

/// Has a socket take only what comes over the loopback.
pub(crate) fn bind_to_loopback(socket: &OwnedFd) -> Result<(), Failed> {
    let name = c"lo".to_bytes_with_nul();
    // SAFETY: the name lives until the call returns.
    let result = unsafe {
        let (at, len) = (name.as_ptr().cast(), name.len() as libc::socklen_t);
        libc::setsockopt(socket.as_raw_fd(), libc::SOL_SOCKET, libc::SO_BINDTODEVICE, at, len)
    };
    given("setsockopt", result.into()).map(drop)
}

/// `clone` of this process as `fork` has it, and `execve` in the child, which ends with 127 where that fails. Gives the child's id.
#[inline]
pub(crate) fn fork_exec(path: &CStr, number: &CStr) -> Result<i32, Failed> {
    let (args, no_environment) =
        ([path.as_ptr(), number.as_ptr(), ptr::null()], [ptr::null::<c_char>()]);
    // SAFETY: the child has a copy of this thread's stack and of all memory, and calls the kernel alone: nothing that another thread had locked.
    let pid = unsafe { libc::syscall(libc::SYS_clone, libc::SIGCHLD, 0, 0, 0, 0) };
    if pid == 0 {
        // SAFETY: strings and vectors are terminated and live until the call returns, if it does.
        unsafe {
            libc::syscall(libc::SYS_execve, path.as_ptr(), args.as_ptr(), no_environment.as_ptr());
            libc::syscall(libc::SYS_exit_group, NOT_EXECUTED);
        }
    }
    given("clone", pid).map(|pid| pid as i32)
}

/// Status of a child that could not execute.
const NOT_EXECUTED: i32 = 127;

/// `wait4` for one child; its CPU time. Where a signal interrupts that, the child is killed and waited for.
#[inline]
pub(crate) fn wait_for(pid: i32) -> Result<u64, Failed> {
    let mut status = 0;
    // SAFETY: all zeroes is a valid `rusage`.
    let mut usage: libc::rusage = unsafe { std::mem::zeroed() };
    let mut wait = || {
        // SAFETY: status and usage live until the call returns.
        let waited =
            unsafe { libc::syscall(libc::SYS_wait4, pid, &raw mut status, 0, &raw mut usage) };
        given("wait4", waited)
    };
    if let Err(failed) = wait() {
        // SAFETY: takes numbers, and nobody else has the id: the child was not waited for.
        unsafe { libc::syscall(libc::SYS_kill, pid, libc::SIGKILL) };
        // Killed, it ends at once, however often this is interrupted.
        while wait().is_err_and(|again| again.why.kind() == ErrorKind::Interrupted) {}
        return Err(failed);
    }
    if status != 0 {
        let why = match libc::WEXITSTATUS(status) {
            NOT_EXECUTED => "cannot be executed".to_owned(),
            _ => format!("ended with status {status:#x}"),
        };
        return Err(Failed::new("execve", Error::other(why)));
    }
    let us = |time: libc::timeval| time.tv_sec as u64 * 1_000_000 + time.tv_usec as u64;
    Ok((us(usage.ru_utime) + us(usage.ru_stime)) * 1000)
}

/// Interrupts what a thread of this process waits in.
pub(crate) fn interrupt(tid: i32) {
    // SAFETY: takes numbers. An id that was used again is one of this process's threads, and the handler of the signal only stores.
    unsafe { libc::syscall(libc::SYS_tgkill, process::id(), tid, libc::SIGTERM) };
}
