//! System calls with arguments that no safe interface would pass, each of them one call and nothing else. Everything `unsafe` of the counted
//! storms is here.
#![expect(unsafe_code, reason = "raw system calls are the point of it")]

use std::ffi::{CStr, c_long};
use std::io::Error;
use std::{fmt, process};

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

/// Interrupts what a thread of this process waits in.
pub(crate) fn interrupt(tid: i32) {
    // SAFETY: takes numbers. An id that was used again is one of this process's threads, and the handler of the signal only stores.
    unsafe { libc::syscall(libc::SYS_tgkill, process::id(), tid, libc::SIGTERM) };
}
