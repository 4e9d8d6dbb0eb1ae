//! Semaphores.

use event::{
    flags,
    recipe::{RET, Width, sembuf},
};

use crate::{
    mem::read_user,
    plain::{load, number},
    record::Record,
};

/// `sizeof(struct sembuf)`, the same in every table: three numbers of 16 bits.
const LEN: u64 = 6;

/// A member of an entry of a `sembuf` array, 0 where the call failed or the array has no such entry. Appends it and gives its length.
#[inline(always)]
pub fn sembuf(rec: &mut Record, args: u64, index: u64, member: u64) -> u64 {
    let count = load(rec.base, args >> 4) & 0xffff_ffff;
    let at = load(rec.base, args).wrapping_add(LEN * index + 2 * member);
    let mut value = 0;
    if load(rec.base, u64::from(RET)) as i64 == 0 && index < count {
        value = match read_user::<u16>(at) {
            Some(value) => u64::from(value),
            None => {
                rec.flags |= flags::FAULTED;
                0
            }
        };
    }
    if member == u64::from(sembuf::FLG) {
        // IPC_NOWAIT, SEM_UNDO.
        value = value >> 11 & 1 | (value >> 12 & 1) << 1;
    }
    number(rec, value, Width::U16 as u64)
}
