//! The one program at every syscall exit: wanted or not, whose, and on to the call's own program.

use core::arch::asm;

use aya_ebpf::helpers::generated::{bpf_get_current_pid_tgid, bpf_get_current_task};
use event::{EventType, KernelField as F, Outcome, Slot, cpu_layout, syscall_entry};

use crate::{
    Ctx,
    call::{X32_BIT, pt_reg},
    maps::{Cpu, PROGRAMS, SOCKETCALLS, SYSCALLS, control_words, passes_again},
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

/// On to the program of a slot, without coming back where there is one. With the slot as a constant the kernel makes a plain jump of it, where one that is
/// computed goes through a table, and on most machines around their speculation.
#[inline(always)]
pub fn go_on_to<const SLOT: u32>(ctx: Ctx) {
    // SAFETY: the registers of a call of `bpf_tail_call`; the context is ours.
    unsafe {
        asm!("r3 = {slot}", "call 12", slot = const SLOT,
            inlateout("r1") ctx.0 => _, inlateout("r2") &raw const PROGRAMS => _,
            lateout("r0") _, lateout("r3") _, lateout("r4") _, lateout("r5") _, options(nostack));
    }
}

macro_rules! slots {
    ($ctx:ident, $slot:ident: $($n:literal)*) => {
        {
            const ALL: [u32; Slot::N_DISPATCHED] = [$($n),*];
            match $slot { $($n => go_on_to::<{ ALL[$n] }>($ctx),)* _ => {} }
        }
    };
}

#[inline(always)]
fn go_on(ctx: Ctx, slot: u64) {
    slots!(ctx, slot: 0 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20);
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
    if !passes_again(cpu, control_words()?, tgid) {
        cpu.count(ty, Outcome::Filtered);
        return None;
    }
    let slot = (entry >> 16) & 0xff;
    cpu.set_event_type(ty);
    go_on(ctx, slot);
    cpu.count(ty, Outcome::TailCallMiss);
    None
}
