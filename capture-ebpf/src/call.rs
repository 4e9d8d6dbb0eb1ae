//! The arguments of the current call, whichever table it came through.

use event::{KernelField as F, flags};

use crate::{Ctx, dispatch::is_ia32, mem};

/// `__X32_SYSCALL_BIT`.
pub const X32_BIT: u64 = 0x4000_0000;
/// First number that only the x32 table has (syscall_64.tbl).
pub const FIRST_X32: u64 = 512;
/// ia32 number of `socketcall`.
const IA32_SOCKETCALL: u64 = 102;

/// A register of the saved set. A plain load: the verifier knows the pointer's type and the offset's value.
#[inline(always)]
pub fn pt_reg(regs: u64, f: F) -> u64 {
    // SAFETY: the verifier checks the access against `struct pt_regs`.
    unsafe { core::ptr::read_volatile((regs + mem::field(f)) as *const u64) }
}

/// A call at its exit or its start.
#[derive(Clone, Copy)]
pub struct Call {
    regs: u64,
    /// Result; negative is an errno.
    pub ret: i64,
    /// [`flags::IA32`] or [`flags::X32`].
    pub abi: u32,
    /// Address of the argument vector of `socketcall` and its like, else 0.
    vector: u64,
}

impl Call {
    /// Of a program at `sys_exit`.
    #[inline(always)]
    pub fn at_exit(ctx: Ctx) -> Self {
        Self::with(ctx.arg(0), ctx.arg(1) as i64)
    }

    /// Of the program at `sys_enter`: there is no result.
    #[inline(always)]
    pub fn at_start(ctx: Ctx) -> Self {
        Self::with(ctx.arg(0), 0)
    }

    #[inline(always)]
    fn with(regs: u64, ret: i64) -> Self {
        let nr = pt_reg(regs, F::RegsOrigAx);
        if is_ia32() {
            let vector =
                if nr == IA32_SOCKETCALL { pt_reg(regs, F::RegsCx) & 0xffff_ffff } else { 0 };
            return Self { regs, ret: i64::from(ret as i32), abi: flags::IA32, vector };
        }
        let abi = if nr & X32_BIT != 0 { flags::X32 } else { 0 };
        Self { regs, ret, abi, vector: 0 }
    }

    /// The call with its arguments in a vector of the caller's, as old calls of ia32 have them.
    #[inline(always)]
    pub fn with_vector(self, vector: u64) -> Self {
        Self { vector, ..self }
    }

    #[inline(always)]
    fn pick(self, native: F, ia32: F, n: u64) -> u64 {
        if self.abi & flags::IA32 == 0 {
            return pt_reg(self.regs, native);
        }
        if self.vector != 0 {
            return u64::from(mem::read_user::<u32>(self.vector + 4 * n).unwrap_or(0));
        }
        pt_reg(self.regs, ia32) & 0xffff_ffff
    }

    #[inline(always)]
    pub fn a0(self) -> u64 {
        self.pick(F::RegsDi, F::RegsBx, 0)
    }
    #[inline(always)]
    pub fn a1(self) -> u64 {
        self.pick(F::RegsSi, F::RegsCx, 1)
    }
    #[inline(always)]
    pub fn a2(self) -> u64 {
        self.pick(F::RegsDx, F::RegsDx, 2)
    }
    #[inline(always)]
    pub fn a3(self) -> u64 {
        self.pick(F::RegsR10, F::RegsSi, 3)
    }
    #[inline(always)]
    pub fn a4(self) -> u64 {
        self.pick(F::RegsR8, F::RegsDi, 4)
    }
    #[inline(always)]
    pub fn a5(self) -> u64 {
        self.pick(F::RegsR9, F::RegsBp, 5)
    }
    /// A descriptor argument: 32 bits, signed.
    #[inline(always)]
    pub fn fd(arg: u64) -> i64 {
        i64::from(arg as i32)
    }

    /// The number as this table has it.
    #[inline(always)]
    pub fn nr(self) -> u64 {
        pt_reg(self.regs, F::RegsOrigAx) & !X32_BIT
    }

    /// The number with the bit of the x32 table.
    #[inline(always)]
    pub fn nr_with_table(self) -> u64 {
        pt_reg(self.regs, F::RegsOrigAx)
    }

    /// Whether structures of the process have the layout of 32 bits: ia32, and the numbers that only the x32 table has.
    #[inline(always)]
    pub fn is_narrow(self) -> bool {
        self.is_ia32() || (self.abi & flags::X32 != 0 && self.nr() >= FIRST_X32)
    }

    #[inline(always)]
    pub fn is_ia32(self) -> bool {
        self.abi & flags::IA32 != 0
    }
}
