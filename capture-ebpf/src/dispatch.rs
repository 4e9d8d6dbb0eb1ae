//! The one program at every syscall exit: wanted or not, whose, and on to the call's own program.

use aya_ebpf::helpers::generated::{bpf_get_current_pid_tgid, bpf_get_current_task, bpf_tail_call};
use event::{EventType, KernelField as F, Outcome, cpu_layout, syscall_entry};

use crate::{
    Ctx,
    call::{X32_BIT, pt_reg},
    maps::{Cpu, PROGRAMS, SOCKETCALLS, SYSCALLS, control_words, passes},
    mem,
};

const GENERIC: u64 = EventType::GENERIC_X.0 as u64;
/// `TS_COMPAT` of arch/x86/include/asm/thread_info.h.
pub const TS_COMPAT: u32 = 2;

/// Whether the current call came through the ia32 table.
#[inline(always)]
pub fn is_ia32() -> bool {
    // SAFETY: a helper without arguments.
    let task = unsafe { bpf_get_current_task() };
    mem::get::<u32>(task, F::TaskStatus) & TS_COMPAT != 0
}

/// `-ENOSYS`.
const NO_SUCH_CALL: i32 = -38;

/// The entry of the call in the tables; without `WANTED` where nobody asks for it, then only its [`syscall_entry::UNMAPPED`] counts.
#[inline(always)]
pub fn entry_of(regs: u64, nr: u64) -> u64 {
    let low = nr & !X32_BIT;
    if low >= syscall_entry::N as u64 {
        // All ones: no call, where a tracer took it away or `sigreturn` put other registers in place.
        let is_none = nr as u32 == u32::MAX;
        return if is_none { 0 } else { u64::from(syscall_entry::UNMAPPED) };
    }
    let entries = SYSCALLS.get(low as u32).copied().unwrap_or(0);
    if entries == 0 {
        return 0;
    }
    let ia32 = is_ia32();
    let mut entry = if ia32 { entries >> 32 } else { entries & 0xffff_ffff };
    if entry & u64::from(syscall_entry::SOCKETCALL) != 0 {
        entry = u64::from(SOCKETCALLS.get(pt_reg(regs, F::RegsBx) as u32).copied().unwrap_or(0));
    }
    let unmapped = u64::from(syscall_entry::UNMAPPED);
    if entry & u64::from(syscall_entry::X32_ONLY) != 0 {
        if nr & X32_BIT == 0 {
            return entry & unmapped;
        }
        entry &= !unmapped;
    }
    if entry & u64::from(syscall_entry::WANTED) == 0 { entry & unmapped } else { entry }
}

/// The event type of an entry.
#[inline(always)]
pub fn type_of(entry: u64) -> u64 {
    entry & 0xffff
}

/// Counts a call whose number is in no table. What the kernel does not know either is no call.
#[inline(always)]
fn count_unmapped(cpu: Cpu, ret: i32) {
    if ret != NO_SUCH_CALL {
        let word = cpu.word(cpu_layout::UNMAPPED);
        // SAFETY: this CPU's word, see `Cpu::count`.
        unsafe { *word = (*word).wrapping_add(1) };
    }
}

#[inline(always)]
pub fn sys_exit(ctx: Ctx) -> Option<()> {
    let cpu = Cpu::current()?;
    let regs = ctx.arg(0);
    let entry = entry_of(regs, pt_reg(regs, F::RegsOrigAx));
    if entry & u64::from(syscall_entry::WANTED) == 0 {
        cpu.count(GENERIC, Outcome::Seen);
        cpu.count(GENERIC, Outcome::Filtered);
        if entry != 0 {
            count_unmapped(cpu, ctx.arg(1) as i32);
        }
        return None;
    }
    let ty = type_of(entry);
    cpu.count(ty, Outcome::Seen);
    // SAFETY: a helper without arguments.
    let tgid = (unsafe { bpf_get_current_pid_tgid() } >> 32) as u32;
    if !passes(control_words()?, tgid) {
        cpu.count(ty, Outcome::Filtered);
        return None;
    }
    let slot = (entry >> 16) & 0xff;
    cpu.set_event_type(ty);
    // SAFETY: the context is ours; a call that succeeds does not return.
    unsafe { bpf_tail_call(ctx.0.cast(), (&raw const PROGRAMS).cast_mut().cast(), slot as u32) };
    cpu.count(ty, Outcome::TailCallMiss);
    None
}
