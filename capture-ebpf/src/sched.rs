//! What happens to a process without a call of its own: it leaves its CPU, or touches a page that is not there.
//!
//! Both are frequent, and attached only where somebody asks for them by name.

use event::{EventType, KernelField as F, Outcome, control, cpu_layout};

use crate::{
    Ctx,
    maps::Cpu,
    mem::get,
    process::{memory, wanted},
    record::Record,
    task::Task,
};

/// `sched_switch(preempt, prev, next)`: the thread that leaves its CPU is still the current one. The kernel's own threads are of no process;
/// a thread that is about to end goes on to its exit, behind which nothing is told of it.
#[inline(always)]
pub fn switch(ctx: Ctx) -> Option<()> {
    const TY: EventType = EventType::SWITCH_6_E;
    let (cpu, _) = wanted(TY, control::SWITCH)?;
    let task = Task::current();
    if task.is_kernel_thread() || task.is_ending() {
        cpu.count(u64::from(TY.0), Outcome::Filtered);
        return None;
    }
    let next = Task(ctx.number(2));
    let mut rec = Record::begin(cpu, TY, 6)?;
    rec.u64(0, u64::from(next.tid()));
    memory(&mut rec, 1, task);
    rec.submit::<true>(&task.who_is_current());
    None
}

/// Bits of the error code that x86 pushes (arch/x86/include/asm/trap_pf.h).
const PRESENT: u64 = 1;
const WRITE: u64 = 2;
const USER: u64 = 4;
const RESERVED: u64 = 8;
const INSTRUCTION: u64 = 16;

/// The error as the schema has it, which names both answers of a question.
#[inline(always)]
fn error_flags(code: u64) -> u32 {
    let mut flags = if code & PRESENT != 0 { 0x1 } else { 0x2 };
    flags |= if code & WRITE != 0 { 0x4 } else { 0x8 };
    flags |= if code & USER != 0 { 0x10 } else { 0x20 };
    flags |= if code & RESERVED != 0 { 0x40 } else { 0 };
    flags | if code & INSTRUCTION != 0 { 0x80 } else { 0 }
}

/// `page_fault_user(address, regs, error_code)`, and `page_fault_kernel`, where the kernel touched the page for the process.
#[inline(always)]
pub fn page_fault(ctx: Ctx) -> Option<()> {
    const TY: EventType = EventType::PAGE_FAULT_E;
    let (cpu, _) = wanted(TY, control::PAGE_FAULT)?;
    let task = Task::current();
    if task.is_kernel_thread() || is_our_own_look(cpu) {
        cpu.count(u64::from(TY.0), Outcome::Filtered);
        return None;
    }
    let mut rec = Record::begin(cpu, TY, 3)?;
    rec.u64(0, ctx.number(0));
    rec.u64(1, get(ctx.number(1), F::RegsIp));
    rec.u32(2, error_flags(ctx.number(2)));
    rec.submit::<true>(&task.who_is_current());
    None
}

/// Whether a program of ours is building a record on this CPU: then it was the one that touched the page.
#[inline(always)]
fn is_our_own_look(cpu: Cpu) -> bool {
    // SAFETY: this CPU's word.
    unsafe { core::ptr::read_volatile(cpu.word(cpu_layout::DEPTH)) != 0 }
}
