//! Waiting: lists of descriptors, and spans of time.
//!
//! Parts of `peregrine_param`: each appends one parameter and gives its length.

use event::{flags, recipe::Width};

use crate::{
    dispatch::is_ia32,
    mem::read_user,
    plain::{load, number},
    record::Record,
};

/// Descriptors of a list that are kept, as libscap does.
const MAX_POLLED: u64 = 16;
/// `clock_gettime64`, the first call of ia32 whose times have 64 bits (syscall_32.tbl).
const FIRST_IA32_TIME64: u64 = 403;
const NS: u64 = 1_000_000_000;

/// Whether times of the current plain call have 32 bits.
#[inline(always)]
fn has_narrow_times(rec: &Record) -> bool {
    is_ia32() && load(rec.base, 6) < FIRST_IA32_TIME64
}

/// A `timespec` in nanoseconds; all ones where there is none.
#[inline(always)]
pub fn interval(rec: &mut Record, at: u64) -> u64 {
    let read = if at == 0 {
        Some(u64::MAX)
    } else if has_narrow_times(rec) {
        let read = read_user::<[i32; 2]>(at);
        read.map(|[s, ns]| {
            (i64::from(s) as u64).wrapping_mul(NS).wrapping_add(i64::from(ns) as u64)
        })
    } else {
        read_user::<[u64; 2]>(at).map(|[s, ns]| s.wrapping_mul(NS).wrapping_add(ns))
    };
    if read.is_none() {
        rec.flags |= flags::FAULTED;
    }
    number(rec, read.unwrap_or(0), Width::U64 as u64)
}

/// Events of `poll` as the schema has them: `POLLRDHUP` in the place of bit 3, all behind it one higher.
#[inline(always)]
fn events(kernel: u64) -> u64 {
    kernel & 0x7 | (kernel & 0x3f8) << 1 | (kernel >> 13 & 1) << 3
}

/// Appends the entries of a `pollfd` array, each a descriptor and what it returned. Gives the record's state.
#[unsafe(no_mangle)]
#[inline(never)]
pub extern "C" fn peregrine_fd_list(slot: u64, state: u64, at: u64, count: u64) -> u64 {
    let Some(mut rec) = Record::resume(slot as u32, state) else { return state };
    for n in 0..MAX_POLLED {
        if n >= count {
            break;
        }
        let Some(entry) = read_user::<u64>(at.wrapping_add(8 * n)) else {
            rec.flags |= flags::FAULTED;
            break;
        };
        rec.push64(i64::from(entry as i32) as u64);
        rec.push16(events(entry >> 48) as u16);
        rec.advance(0);
    }
    rec.state()
}

/// A list of descriptors behind their number; gives the length of all. One that cannot be read is empty.
#[inline(always)]
pub fn fd_list(rec: &mut Record, at: u64, count: u64) -> u64 {
    let count = count & 0xffff_ffff;
    let kept = if count > MAX_POLLED { MAX_POLLED } else { count };
    if kept < count {
        rec.flags |= flags::TRUNCATED;
    }
    let mark = rec.mark();
    rec.push16(kept as u16);
    rec.take_over(peregrine_fd_list(u64::from(rec.slot), rec.state(), at, kept));
    let len = rec.since(mark);
    rec.rewind(mark);
    if len == 2 + 10 * kept { len } else { 0 }
}
