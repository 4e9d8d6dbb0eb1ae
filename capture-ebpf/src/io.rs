//! Plain reading and writing: vectors of buffers, and file positions.

use aya_ebpf::helpers::generated::bpf_probe_read_user;
use event::{flags, recipe::Width};

use crate::{
    call::FIRST_X32,
    dispatch::is_ia32,
    mem::{bound, read_user},
    plain::{load, number, user_number},
    record::{Record, TEXT_MAX},
};

/// Buffers of a vector whose bytes are gathered.
const MAX_GATHERED: u64 = 32;
/// Buffers of a vector whose sizes are added up.
const MAX_ADDED: u64 = 128;
/// ia32 `sendfile`, whose position has 4 bytes (`sendfile64` has 8).
const IA32_SENDFILE: u64 = 187;
/// Set beside a count where pointers have 4 bytes.
pub const NARROW: u64 = 1 << 32;
/// Set beside a sum that is not whole.
const FAULT: u64 = 1 << 63;

/// One buffer of a vector.
struct Buffer {
    at: u64,
    len: u64,
}

impl Buffer {
    /// `struct iovec`, or `struct compat_iovec`.
    #[inline(always)]
    fn read(vector: u64, n: u64, is_narrow: bool) -> Option<Self> {
        if is_narrow {
            let both = read_user::<u64>(vector.wrapping_add(8 * n))?;
            return Some(Self { at: both & 0xffff_ffff, len: both >> 32 });
        }
        let [at, len] = read_user::<[u64; 2]>(vector.wrapping_add(16 * n))?;
        Some(Self { at, len })
    }
}

/// [`NARROW`] where the current plain call has structures of 32 bits.
#[inline(always)]
fn narrow(rec: &Record) -> u64 {
    if is_ia32() || load(rec.base, 6) >= FIRST_X32 { NARROW } else { 0 }
}

/// Gathers the bytes of a vector at `here`, at most `limit` and the snap length; gives how many, and flags above.
#[unsafe(no_mangle)]
#[inline(never)]
pub extern "C" fn peregrine_gather(
    slot: u64,
    state: u64,
    vector: u64,
    count: u64,
    limit: u64,
) -> u64 {
    let Some(rec) = Record::resume(slot as u32, state) else { return 0 };
    let most = rec.snaplen();
    let limit = if limit > most { most } else { limit };
    let slot = slot & 0xffff_ffff | count & NARROW;
    let count = u64::from(count as u32);
    let at = rec.mark();
    let mut got = 0;
    for n in 0..MAX_GATHERED {
        if n >= count || got >= limit {
            break;
        }
        let more = peregrine_gather_one(slot, at + got, vector, n, limit - got);
        if more & FAULT != 0 {
            return got | u64::from(flags::FAULTED) << 32;
        }
        got += more;
    }
    got
}

/// Copies the bytes of buffer `n` of a vector to `to` of the frame, at most `room`; gives how many, [`FAULT`] where they cannot be read.
#[unsafe(no_mangle)]
#[inline(never)]
pub extern "C" fn peregrine_gather_one(slot: u64, to: u64, vector: u64, n: u64, room: u64) -> u64 {
    let Some(rec) = Record::resume(slot as u32, to) else { return FAULT };
    let Some(buffer) = Buffer::read(vector, n, slot & NARROW != 0) else { return FAULT };
    let len = bound::<0x1fff>(if buffer.len > room { room } else { buffer.len });
    if len > TEXT_MAX {
        return FAULT;
    }
    if len == 0 {
        return 0;
    }
    // SAFETY: at most `TEXT_MAX` bytes; room as `Record::here` says.
    let r = unsafe { bpf_probe_read_user(rec.here().cast(), len as u32, buffer.at as *const _) };
    if r < 0 { FAULT } else { len }
}

/// Adds up the sizes of a vector's buffers; [`FAULT`] where it cannot be read.
#[unsafe(no_mangle)]
#[inline(never)]
pub extern "C" fn peregrine_vector_size(vector: u64, count: u64) -> u64 {
    let is_narrow = count & NARROW != 0;
    let count = u64::from(count as u32);
    let mut sum = 0u64;
    for n in 0..MAX_ADDED {
        if n >= count {
            break;
        }
        let Some(buffer) = Buffer::read(vector, n, is_narrow) else { return FAULT };
        sum = sum.wrapping_add(buffer.len);
    }
    sum & !FAULT
}

/// The same for a vector of known width; gives the length of the parameter.
#[inline(always)]
pub fn gather(rec: &mut Record, vector: u64, count: u64, limit: u64) -> u64 {
    if vector == 0 || limit as i64 == 0 {
        return 0;
    }
    let got = peregrine_gather(u64::from(rec.slot), rec.state(), vector, count, limit);
    rec.flags |= (got >> 32) as u32;
    bound::<0x1fff>(got)
}

/// A parameter of the bytes of a plain call's vector; gives its length.
#[inline(always)]
pub fn vector(rec: &mut Record, vector: u64, count: u64, limit: u64) -> u64 {
    let count = u64::from(count as u32) | narrow(rec);
    gather(rec, vector, count, limit)
}

/// Size of a vector as a call tells it; `None` where it cannot be read. One with very many buffers holds at least what was moved.
#[inline(always)]
pub fn size_of_vector(vector: u64, count: u64, ret: i64) -> Option<u64> {
    let sum = peregrine_vector_size(vector, count);
    if sum & FAULT != 0 {
        return None;
    }
    Some(if ret > 0 && ret as u64 > sum { ret as u64 } else { sum })
}

/// A parameter of the size of a plain call's vector; gives its length.
#[inline(always)]
pub fn vector_size(rec: &mut Record, vector: u64, count: u64, ret: i64) -> u64 {
    let count = u64::from(count as u32) | narrow(rec);
    let Some(size) = size_of_vector(vector, count, ret) else {
        rec.flags |= flags::FAULTED;
        return 0;
    };
    number(rec, size, Width::U32 as u64)
}

/// A parameter of the position that an argument points to; gives its length.
#[inline(always)]
pub fn offset(rec: &mut Record, at: u64) -> u64 {
    if at == 0 {
        return number(rec, 0, Width::U64 as u64);
    }
    if is_ia32() && load(rec.base, 6) == IA32_SENDFILE {
        let Some(offset) = read_user::<u32>(at) else {
            rec.flags |= flags::FAULTED;
            return 0;
        };
        return number(rec, u64::from(offset), Width::U64 as u64);
    }
    user_number(rec, at, Width::U64 as u64)
}
