//! Asking the scheduler for a short time slice, so that a thread that is woken runs soon.

use std::io;

/// `struct sched_attr` of include/uapi/linux/sched/types.h, in its first version (48 bytes).
#[repr(C)]
struct SchedAttr {
    size: u32,
    policy: u32,
    flags: u64,
    nice: i32,
    priority: u32,
    runtime_ns: u64,
    deadline_ns: u64,
    period_ns: u64,
}

const _: () = assert!(size_of::<SchedAttr>() == 48);

/// Shortest slice that the kernel takes (`sched_setattr` clamps to 0.1 ms; kernel/sched/syscalls.c).
const SLICE_NS: u64 = 100_000;

/// Asks for the shortest slice for the calling thread, under the policy and nice value that it has: its share of the CPU stays what it was, only
/// in smaller pieces. Since Linux 6.12 a thread with a shorter slice preempts at its wake-up, where a thread of equal slice waits until the
/// running one has had its own (some ms); older kernels ignore the slice. Needs no privilege.
///
/// # Errors
/// What `sched_setattr` answers; the thread then has its slice as before, which costs latency and nothing else.
pub fn ask_for_short_slice() -> io::Result<()> {
    // SAFETY: no pointers; 0 is the calling thread. It answers -1 for a nice value of -1 too, so errno is not looked at: with these arguments
    // it cannot fail.
    let nice = unsafe { libc::getpriority(libc::PRIO_PROCESS, 0) };
    let attr = SchedAttr {
        size: size_of::<SchedAttr>() as u32,
        policy: libc::SCHED_OTHER as u32,
        flags: 0,
        nice,
        priority: 0,
        runtime_ns: SLICE_NS,
        deadline_ns: 0,
        period_ns: 0,
    };
    // SAFETY: `attr` lives through the call and is as long as its first field says; the kernel only reads it.
    let done = unsafe { libc::syscall(libc::SYS_sched_setattr, 0, &raw const attr, 0) };
    if done == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_slice_is_taken_and_the_nice_value_kept() {
        std::thread::spawn(|| {
            // SAFETY: as in `ask_for_short_slice`.
            let nice = || unsafe { libc::getpriority(libc::PRIO_PROCESS, 0) };
            let before = nice();
            ask_for_short_slice().unwrap();
            assert_eq!(nice(), before);
        })
        .join()
        .unwrap();
    }
}
