//! Mappings.

use event::{Outcome, recipe::head};

use crate::{
    Ctx,
    call::Call,
    maps::{Cpu, RECIPES},
    plain,
};

const PROT_EXEC: u64 = 4;
/// ia32 number of the `mmap` whose arguments lie in memory (`old_mmap`).
const NR_IA32_MMAP: u64 = 90;
/// Results from here on are errors (`MAX_ERRNO`, include/linux/err.h).
const LEAST_ERROR: i64 = -4095;

/// `mmap` and `mmap2`, of which only those are captured that ask for `PROT_EXEC`, unless every call is asked for: the rest, by far the most, is
/// counted as filtered.
///
/// That holds for an agent's recordings, too. No state follows from a mapping, and allocators make so many of them that a recording of all would
/// lose other events; a rule can ask for nothing about a mapping without execution that it could not ask better of the open.
#[inline(always)]
pub fn mmap(ctx: Ctx) -> Option<()> {
    let cpu = Cpu::current()?;
    let mut call = Call::at_exit(ctx);
    if call.is_ia32() {
        if call.nr() == NR_IA32_MMAP {
            call = call.with_vector(call.a0());
        }
        // An address of the upper half is no error.
        if call.ret < LEAST_ERROR {
            call.ret &= 0xffff_ffff;
        }
    }
    let ty = u64::from(cpu.event_type().0);
    let asked = RECIPES.get(ty as u32)?[0];
    if call.a2() & PROT_EXEC == 0 && asked & head::ALL_MAPPINGS == 0 {
        cpu.count(ty, Outcome::Filtered);
        return None;
    }
    plain::follow(cpu, call)
}
