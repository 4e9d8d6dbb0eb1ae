//! Processes made in ways that no safe interface has. Everything `unsafe` of the mixed storm is here.
//!
//! A forked child goes on in this program's memory as it was; every process that forks here has one thread, or its child calls nothing
//! that takes a lock.
#![expect(unsafe_code, reason = "raw system calls are the point of it")]

use std::arch::asm;
use std::ffi::{CStr, CString, c_char, c_long};
use std::io::{Error, Result};
use std::mem::size_of;
use std::os::fd::{IntoRawFd as _, OwnedFd};
use std::ptr;
use std::time::Duration;

use super::counts::Counts;

/// Where a call that makes a process returned.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Side {
    Child,
    /// With the child's id.
    Parent(i32),
}

fn side(result: c_long) -> Result<Side> {
    match result {
        ..0 => Err(Error::last_os_error()),
        0 => Ok(Side::Child),
        pid => Ok(Side::Parent(pid as i32)),
    }
}

/// The C library's `fork`, which calls `clone`.
pub(crate) fn fork() -> Result<Side> {
    // SAFETY: see the head of this file.
    side(c_long::from(unsafe { libc::fork() }))
}

/// The system call `fork`.
pub(crate) fn plain_fork() -> Result<Side> {
    // SAFETY: see the head of this file; the child has a copy of the stack.
    side(unsafe { libc::syscall(libc::SYS_fork) })
}

/// `clone3`, with an id for the child where one is given.
pub(crate) fn clone3(flags: i32, set_tid: Option<i32>) -> Result<Side> {
    let mut ids = [set_tid.unwrap_or(0)];
    // SAFETY: all zeroes is a valid `clone_args`.
    let mut args: libc::clone_args = unsafe { std::mem::zeroed() };
    args.flags = flags as u64;
    // A child that gets its creator's parent gets its signal too.
    args.exit_signal = if flags & libc::CLONE_PARENT == 0 { libc::SIGCHLD as u64 } else { 0 };
    if set_tid.is_some() {
        args.set_tid = ids.as_mut_ptr() as u64;
        args.set_tid_size = 1;
    }
    // SAFETY: the arguments and what they point to live until the call returns; no memory is shared with the child, which has a copy
    // of the stack.
    side(unsafe { libc::syscall(libc::SYS_clone3, &raw const args, size_of::<libc::clone_args>()) })
}

/// A NULL-terminated vector of pointers to strings that outlive it.
struct Vector<'a>(Vec<*const c_char>, std::marker::PhantomData<&'a CStr>);

impl<'a> Vector<'a> {
    fn new(strings: &'a [CString]) -> Self {
        let pointers = strings.iter().map(|s| s.as_ptr());
        Self(pointers.chain([ptr::null()]).collect(), std::marker::PhantomData)
    }
}

/// `vfork`, and `execve` in the child, which ends with 127 where that fails. Gives the child's id.
pub(crate) fn vfork_exec(path: &CStr, args: &[CString]) -> Result<i32> {
    let args = Vector::new(args);
    let no_environment = [ptr::null::<c_char>()];
    let mut result: c_long = libc::SYS_vfork;
    // SAFETY: the child runs on this stack until it executes or ends, touches nothing of it, and calls the kernel only; the strings and
    // vectors live until then, because the parent goes on no earlier.
    unsafe {
        asm!(
            "syscall",
            "test rax, rax",
            "jnz 2f",
            "mov eax, 59",
            "syscall",
            "mov edi, 127",
            "mov eax, 231",
            "syscall",
            "2:",
            inout("rax") result,
            inout("rdi") path.as_ptr() => _,
            in("rsi") args.0.as_ptr(),
            in("rdx") no_environment.as_ptr(),
            out("rcx") _,
            out("r11") _,
        );
    }
    if result < 0 { Err(Error::from_raw_os_error(-result as i32)) } else { Ok(result as i32) }
}

/// Becomes another program; gives why not.
pub(crate) fn exec(path: &CStr, args: &[CString]) -> Error {
    let args = Vector::new(args);
    let no_environment = [ptr::null::<c_char>()];
    // SAFETY: strings and vectors are terminated and live until the call returns, if it does.
    unsafe { libc::execve(path.as_ptr(), args.0.as_ptr(), no_environment.as_ptr()) };
    Error::last_os_error()
}

/// Closes a descriptor and nothing else: where a program is built for debugging, dropping it asks the kernel about it first.
pub(crate) fn close(fd: OwnedFd) {
    // SAFETY: the descriptor was owned, and nobody has it any more.
    unsafe { rustix::io::close(fd.into_raw_fd()) };
}

/// Ends this process at once.
pub(crate) fn end() -> ! {
    // SAFETY: takes a number.
    unsafe { libc::_exit(0) }
}

/// Ends this thread alone, even where it is the process's first.
pub(crate) fn end_thread() -> ! {
    // SAFETY: takes a number; the thread's stack stays, and nothing of it is used any more.
    unsafe { libc::syscall(libc::SYS_exit, 0) };
    unreachable!("the thread has ended")
}

/// The page of counts behind a descriptor.
pub(crate) fn map_counts(fd: i32) -> Result<&'static Counts> {
    let size = size_of::<Counts>();
    let access = libc::PROT_READ | libc::PROT_WRITE;
    // SAFETY: a new mapping that nothing else points to.
    let at = unsafe { libc::mmap(ptr::null_mut(), size, access, libc::MAP_SHARED, fd, 0) };
    if at == libc::MAP_FAILED {
        return Err(Error::last_os_error());
    }
    // SAFETY: the mapping is page-aligned, large enough, never unmapped, and any bytes are valid `Counts`, which are atomics.
    Ok(unsafe { &*at.cast::<Counts>() })
}

/// User and system time of this process and of all that ended below it.
pub(crate) fn cpu_time() -> Duration {
    let of = |whom| {
        // SAFETY: all zeroes is a valid `rusage`, which lives until the call returns.
        let usage = unsafe {
            let mut usage: libc::rusage = std::mem::zeroed();
            libc::getrusage(whom, &raw mut usage);
            usage
        };
        let us = |time: libc::timeval| time.tv_sec as u64 * 1_000_000 + time.tv_usec as u64;
        Duration::from_micros(us(usage.ru_utime) + us(usage.ru_stime))
    };
    of(libc::RUSAGE_SELF) + of(libc::RUSAGE_CHILDREN)
}
