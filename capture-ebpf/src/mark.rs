//! Which processes the agent holds to be on the host, see [`event::mark`]: stamped anew where a frame tells of their cgroups, and asked where a clause
//! is for processes in containers alone.

use aya_ebpf::helpers::generated::bpf_get_current_pid_tgid;
use event::{cpu_layout, mark};

use crate::maps::{Cpu, HOST_MARKS};

/// A new stamp for a process, 0 for none. From here on nothing counts that was told of the entry before.
#[inline(always)]
pub fn of_process(tgid: u32) -> u64 {
    peregrine_stamp(u64::from(tgid))
}

#[unsafe(no_mangle)]
#[inline(never)]
pub extern "C" fn peregrine_stamp(tgid: u64) -> u64 {
    let tgid = tgid as u32;
    let Some(entry) = HOST_MARKS.get_ptr_mut(mark::place(tgid) as u32) else { return 0 };
    let stamp = match Cpu::current() {
        Some(cpu) => {
            let word = cpu.word(cpu_layout::STAMPS);
            // SAFETY: this CPU's word, see `Cpu::count`.
            let n = unsafe {
                *word = (*word).wrapping_add(1);
                *word
            };
            mark::stamp(tgid, cpu.n, n)
        }
        None => mark::withdrawn(tgid),
    };
    // SAFETY: a word of the entry, which the agent reads and exchanges: one store.
    unsafe { entry.cast::<u64>().add(mark::STAMP).write_volatile(stamp) };
    stamp
}

/// Whether the current process is on the host for certain.
#[inline(always)]
pub fn is_on_host() -> bool {
    peregrine_is_on_host() != 0
}

#[unsafe(no_mangle)]
#[inline(never)]
pub extern "C" fn peregrine_is_on_host() -> u64 {
    // SAFETY: a helper without arguments.
    let tgid = (unsafe { bpf_get_current_pid_tgid() } >> 32) as u32;
    let Some(entry) = HOST_MARKS.get_ptr(mark::place(tgid) as u32) else { return 0 };
    let entry = entry.cast::<u64>();
    // SAFETY: words of the entry; the agent writes one of them at any time, in one store.
    let (stamp, on_host) = unsafe {
        (entry.add(mark::STAMP).read_volatile(), entry.add(mark::ON_HOST).read_volatile())
    };
    u64::from(stamp == on_host && mark::is_of(stamp, tgid))
}
