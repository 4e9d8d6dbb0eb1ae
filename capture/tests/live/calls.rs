//! Calls by number, for those that the standard library makes in its own way or not at all.

use std::os::fd::RawFd;

/// A call by its number; a negative result is an errno.
pub(crate) fn call<const N: usize>(nr: i64, args: [u64; N]) -> i64 {
    let mut all = [0; 6];
    all[..N].copy_from_slice(&args);
    // SAFETY: the callers pass live buffers, or addresses where nothing is mapped.
    let r = unsafe { libc::syscall(nr, all[0], all[1], all[2], all[3], all[4], all[5]) };
    if r < 0 { -i64::from(std::io::Error::last_os_error().raw_os_error().unwrap()) } else { r }
}

/// A descriptor as an argument.
pub(crate) fn fd(n: RawFd) -> u64 {
    i64::from(n).cast_unsigned()
}

/// Where something lies, as an argument.
pub(crate) fn address<T>(of: &[T]) -> u64 {
    of.as_ptr() as u64
}
