//! Loads and stores as the verifier wants to see them, and the offsets that the loader passes in.
//!
//! Stores to unaligned places and the masks that bound an offset are written in assembly: rustc would split the first into bytes, and LLVM
//! would drop the second wherever it knows the bound and the verifier does not.

use core::{arch::asm, mem::MaybeUninit};

use aya_ebpf::helpers::generated::{bpf_probe_read_kernel, bpf_probe_read_user};
use event::{CAST_CALL, KernelField, MISSING_FIELD, N_KERNEL_FIELDS, feature};

/// Offsets, sizes and values of the running kernel, set by the loader before the map is frozen.
#[unsafe(no_mangle)]
pub static KERNEL: [u32; N_KERNEL_FIELDS] = [MISSING_FIELD; N_KERNEL_FIELDS];

/// What the running kernel can, set by the loader.
#[unsafe(no_mangle)]
pub static FEATURES: [u32; feature::WORDS] = [0; feature::WORDS];

/// The value of a kernel field; the verifier knows it as a constant, so branches on it cost nothing.
#[inline(always)]
pub fn field(f: KernelField) -> u64 {
    // SAFETY: the index is below the array's length; volatile because the loader replaces the value.
    u64::from(unsafe {
        core::ptr::read_volatile((&raw const KERNEL).cast::<u32>().add(f as usize))
    })
}

/// Whether the running kernel has the field.
#[inline(always)]
pub fn has(f: KernelField) -> bool {
    field(f) != MISSING_FIELD as u64
}

/// A word of `FEATURES`.
#[inline(always)]
pub fn feature_word(n: usize) -> u64 {
    // SAFETY: callers pass constants of `event::feature`, all below the length.
    u64::from(unsafe { core::ptr::read_volatile((&raw const FEATURES).cast::<u32>().add(n)) })
}

/// Cuts a number to a mask where the verifier can see it.
#[inline(always)]
pub fn bound<const MASK: u32>(mut x: u64) -> u64 {
    // SAFETY: one arithmetic instruction on a register.
    unsafe { asm!("{x} &= {m}", x = inout(reg) x, m = const MASK, options(pure, nomem, nostack)) };
    x
}

/// Passes a number through memory, so that the verifier forgets its range: states that differ only in how far a loop got then count as
/// one. Without it a program with a few loops has more states than the verifier's limit.
#[inline(always)]
pub fn forget(through: *mut u8, x: u64) -> u64 {
    // SAFETY: the caller gives an aligned word of map memory.
    unsafe {
        through.cast::<u64>().write_volatile(x);
        through.cast::<u64>().read_volatile()
    }
}

#[inline(always)]
pub unsafe fn st64(p: *mut u8, v: u64) {
    // SAFETY: the caller gives eight writable bytes; the verifier checks it again.
    unsafe { asm!("*(u64 *)({p} + 0) = {v}", p = in(reg) p, v = in(reg) v, options(nostack)) };
}

/// Eight bytes of map memory from a place of any alignment.
#[inline(always)]
pub unsafe fn ld64(p: *const u8) -> u64 {
    let v: u64;
    // SAFETY: the caller gives eight readable bytes; the verifier checks it again.
    unsafe { asm!("{v} = *(u64 *)({p} + 0)", p = in(reg) p, v = out(reg) v, options(nostack)) };
    v
}

#[inline(always)]
pub unsafe fn st32(p: *mut u8, v: u32) {
    // SAFETY: as `st64`.
    unsafe {
        asm!("*(u32 *)({p} + 0) = {v}", p = in(reg) p, v = in(reg) u64::from(v), options(nostack))
    };
}

#[inline(always)]
pub unsafe fn st16(p: *mut u8, v: u16) {
    // SAFETY: as `st64`.
    unsafe {
        asm!("*(u16 *)({p} + 0) = {v}", p = in(reg) p, v = in(reg) u64::from(v), options(nostack))
    };
}

#[inline(always)]
pub unsafe fn st8(p: *mut u8, v: u8) {
    // SAFETY: as `st64`.
    unsafe {
        asm!("*(u8 *)({p} + 0) = {v}", p = in(reg) p, v = in(reg) u64::from(v), options(nostack))
    };
}

/// Adds without a fetch: kernels before 5.12 refuse an object that contains a fetching atomic, even in dead code. On x86-64 the JIT makes it
/// `lock add`, which is a full barrier.
#[inline(always)]
pub unsafe fn atomic_add64(p: *mut u64, v: u64) {
    // SAFETY: the caller gives an aligned map word.
    unsafe {
        asm!("lock *(u64 *)({p} + 0) += {v}", p = in(reg) p, v = in(reg) v, options(nostack))
    };
}

/// A pointer that may be read through: a load that faults gives zero. `bpf_rdonly_cast` of 6.2, which costs nothing: the verifier takes the call away. The
/// loader puts the running kernel's number of it in place of [`CAST_CALL`], and says as what type it makes the pointer.
#[inline(always)]
fn readable(addr: u64) -> *const u8 {
    let at: u64;
    // SAFETY: the registers of a call.
    unsafe {
        asm!("call {cast}", cast = const CAST_CALL,
            inlateout("r1") addr => _, inlateout("r2") feature_word(feature::CAST_TYPE) => _,
            lateout("r0") at, lateout("r3") _, lateout("r4") _, lateout("r5") _, options(nostack));
    }
    at as *const u8
}

/// Whether addresses can be cast to pointers that may be read through.
#[inline(always)]
pub fn casts() -> bool {
    feature_word(feature::CAST_TYPE) != 0
}

/// Reads kernel memory; zero where it faults. By plain loads where the kernel knows the cast, else by a helper.
#[inline(always)]
pub fn read<T: Copy + Default>(addr: u64) -> T {
    let mut v = MaybeUninit::<T>::uninit();
    let to = v.as_mut_ptr().cast::<u8>();
    // SAFETY: both ways write `size_of::<T>()` bytes, zeroes on a fault; every `T` here is a number or an array of them.
    unsafe {
        if casts() {
            let from = readable(addr);
            match size_of::<T>() {
                1 => to.write(from.read_volatile()),
                2 => to.cast::<u16>().write(from.cast::<u16>().read_volatile()),
                4 => to.cast::<u32>().write(from.cast::<u32>().read_volatile()),
                len => {
                    let mut n = 0;
                    while n < len / 8 {
                        to.cast::<u64>().add(n).write(from.cast::<u64>().add(n).read_volatile());
                        n += 1;
                    }
                }
            }
        } else {
            bpf_probe_read_kernel(to.cast(), size_of::<T>() as u32, addr as *const _);
        }
        v.assume_init()
    }
}

/// Reads a field of a kernel structure; zero where the kernel lacks the field.
#[inline(always)]
pub fn get<T: Copy + Default>(base: u64, f: KernelField) -> T {
    if !has(f) {
        return T::default();
    }
    read(base.wrapping_add(field(f)))
}

/// Reads a pointer.
#[inline(always)]
pub fn ptr(base: u64, f: KernelField) -> u64 {
    get::<u64>(base, f)
}

/// Reads user memory; `None` where it faults.
#[inline(always)]
pub fn read_user<T: Copy + Default>(addr: u64) -> Option<T> {
    let mut v = MaybeUninit::<T>::uninit();
    // SAFETY: as `read`.
    unsafe {
        let r = bpf_probe_read_user(v.as_mut_ptr().cast(), size_of::<T>() as u32, addr as *const _);
        if r < 0 { None } else { Some(v.assume_init()) }
    }
}
