//! Whether the kernel's path of a file is the string that the process passed: compared from its end, name by name, without writing the path.
//!
//! That is so for nearly every absolute name, and then one look-up of it is enough.

use event::KernelField as F;

use crate::{
    file::{File, file_of, is_unhashed},
    filter::{LEXICAL_AT, LEXICAL_MAX},
    maps::SCRATCH,
    mem::{bound, casts, field, get, ld64, ptr, read},
    path::{Name, Place, STEPS},
    record::PATH_AT,
    task::Task,
};

/// Bytes before a `/` and behind it, as words of 16 bits have them.
const DOT: u64 = b'.' as u64;
const SLASH: u64 = b'/' as u64;
/// Mask of a place in the string.
const IN_STRING: u32 = LEXICAL_MAX as u32 - 1;

/// Where in the path buffer the last component of the process's string begins, if the string is the kernel's path of a descriptor and has no component
/// that begins or ends with a dot; else, and where more would have to be done to know, 0. `len`: that of the string, with its NUL.
#[unsafe(no_mangle)]
#[inline(never)]
pub extern "C" fn peregrine_same(slot: u64, len: u64, fd: u64) -> u64 {
    // A helper for each word would cost more than writing the path.
    if !casts() {
        return 0;
    }
    let Some(base) = SCRATCH.get_ptr_mut(slot as u32) else { return 0 };
    // SAFETY: in the slot.
    let string = unsafe { base.cast::<u8>().add(PATH_AT + LEXICAL_AT as usize) };
    let task = Task::current();
    let File(file) = file_of(task, fd as i64);
    let Place { mut mnt, mut dentry } = File(file).place();
    let root = Place::root_of(task);
    let mut top = ptr(mnt, F::VfsmountRoot);
    if is_unhashed(dentry) || dentry == top {
        return 0;
    }
    let mut end = len.wrapping_sub(1);
    let last = (LEXICAL_AT + end).wrapping_sub(u64::from(get::<u32>(dentry, F::DentryNameLen)));
    for _ in 0..STEPS {
        if dentry == root.dentry && mnt == root.mnt {
            return if end == 0 { last } else { 0 };
        }
        if dentry == top {
            let mount = mnt.wrapping_sub(field(F::MountMnt));
            let above = ptr(mount, F::MountParent);
            if above == mount || above == 0 {
                return 0;
            }
            dentry = ptr(mount, F::MountMountpoint);
            mnt = above.wrapping_add(field(F::MountMnt));
            top = ptr(mnt, F::VfsmountRoot);
            continue;
        }
        let name = Name::of(dentry);
        // SAFETY: in the string, or up to 32 bytes before it, in the path buffer.
        if end >= LEXICAL_MAX
            || name.parent == dentry
            || !unsafe { ends_with(string.add(bound::<IN_STRING>(end) as usize), &name) }
        {
            return 0;
        }
        // Cut, so that states of the verifier do not differ in how long the name may have been.
        end = u64::from(bound::<0xffff>(bound::<IN_STRING>(end).wrapping_sub(name.len + 1)));
        // SAFETY: in the string, or behind it in the slot.
        let head = unsafe { ld64(string.add(bound::<IN_STRING>(end) as usize)) };
        if head & 0xff != SLASH || head >> 8 & 0xff == DOT {
            return 0;
        }
        dentry = name.parent;
    }
    0
}

/// Whether the bytes before `end` are those of a name of at most 32 bytes that does not end with a dot. Words are compared from the end on; of the
/// first, what is before the name is shifted out.
#[inline(always)]
unsafe fn ends_with(end: *const u8, name: &Name) -> bool {
    let behind = name.at.wrapping_add(name.len);
    // SAFETY: the caller gives 32 bytes.
    let mine = |n: usize| unsafe { ld64(end.sub(8 * n)) };
    let differs = |n: usize| mine(n) ^ read::<u64>(behind.wrapping_sub(8 * n as u64));
    // Of the word that has its first byte.
    let before = (8 * name.len).wrapping_neg() as u32;
    if mine(1) >> 56 == DOT {
        return false;
    }
    let differ = match name.len {
        1..=8 => differs(1).wrapping_shr(before),
        9..=16 => differs(1) | differs(2).wrapping_shr(before),
        17..=24 => differs(1) | differs(2) | differs(3).wrapping_shr(before),
        25..=32 => differs(1) | differs(2) | differs(3) | differs(4).wrapping_shr(before),
        _ => 1,
    };
    differ == 0
}
