//! Options of sockets: their names, and values as wide as the name says.
//!
//! Parts of `peregrine_param`: each appends one parameter and gives its length.

use event::recipe::Width;

use crate::{
    dispatch::is_ia32,
    plain::{load, number, tagged, user_bytes, user_value},
    record::Record,
};

const U32: u64 = Width::U32 as u64;
const U64: u64 = Width::U64 as u64;

/// Tags of the value (`PPM_SOCKOPT_IDX_*` of the schema).
const TAG_BYTES: u64 = 0;
const TAG_ERRNO: u64 = 1;
const TAG_U32: u64 = 2;
const TAG_U64: u64 = 3;
const TAG_TIME: u64 = 4;

/// `SOL_SOCKET`: the schema knows the options of this level only.
const SOCKET: u64 = 1;

/// Names of include/uapi/asm-generic/socket.h that mean something by themselves here.
const ERROR: u64 = 4;
const RCVTIMEO_OLD: u64 = 20;
const SNDTIMEO_OLD: u64 = 21;
const ATTACH_BPF: u64 = 50;
const COOKIE: u64 = 57;
const RCVTIMEO_NEW: u64 = 66;
const SNDTIMEO_NEW: u64 = 67;
const NETNS_COOKIE: u64 = 71;

/// Names whose value is an `int`, a bit each: those that the schema knows, then those behind 63.
const INTS: u64 = bits(&[
    1, 2, 3, 5, 6, 7, 8, 9, 10, 11, 12, 14, 15, 16, 18, 19, 27, 29, 30, 32, 33, 34, 35, 36, 37, 38,
    39, 40, 41, 42, 43, 44, 45, 46, 47, 48, 49, 50, 52, 56, 60, 63,
]);
/// From 64 on: `SO_TIMESTAMPNS_NEW`, `SO_PREFER_BUSY_POLL` to `SO_PASSPIDFD` without the cookie of the namespace.
const LATER_INTS: u64 = bits(&[0, 5, 6, 8, 9, 10, 11, 12]);

const fn bits(names: &[u32]) -> u64 {
    let mut all = 0;
    let mut i = 0;
    while i < names.len() {
        all |= 1 << names[i];
        i += 1;
    }
    all
}

#[inline(always)]
fn is_int(name: u64) -> bool {
    if name < 64 { INTS >> name & 1 != 0 } else { name < 128 && LATER_INTS >> (name & 63) & 1 != 0 }
}

#[inline(always)]
fn is_time(name: u64) -> bool {
    name == RCVTIMEO_OLD || name == SNDTIMEO_OLD || name == RCVTIMEO_NEW || name == SNDTIMEO_NEW
}

/// Level and name.
#[inline(always)]
fn which(rec: &Record) -> (u64, u64) {
    (load(rec.base, 1) & 0xffff_ffff, load(rec.base, 2) & 0xffff_ffff)
}

/// The schema's number of the name, 0 for those that it does not know. Up to `SO_ATTACH_BPF` they are the kernel's; names of the same option
/// with times of 64 bits are the option's.
#[inline(always)]
pub fn name(rec: &Record) -> u64 {
    let (level, name) = which(rec);
    let known = if level != SOCKET {
        0
    } else if name <= ATTACH_BPF {
        name
    } else {
        match name {
            55 => 0x34,
            COOKIE => 0x35,
            59 => 0x33,
            63 => 0x1d,
            64 => 0x23,
            65 => 0x25,
            RCVTIMEO_NEW => 0x14,
            SNDTIMEO_NEW => 0x15,
            _ => 0,
        }
    };
    number(rec, known, Width::U8 as u64)
}

/// The value behind its tag: bytes where the option is not one of those that are a number, or where the value is shorter than that.
#[inline(always)]
pub fn value(rec: &mut Record, len_is_behind: u64) -> u64 {
    let (level, name) = which(rec);
    let at = load(rec.base, 3);
    let len = load(rec.base, 4);
    let len = if len_is_behind != 0 && len != 0 { user_value(rec, len, U32) } else { len };
    let len = i64::from(len as i32);
    let has_old_time = is_ia32() && (name == RCVTIMEO_OLD || name == SNDTIMEO_OLD);
    if level == SOCKET && at != 0 {
        if is_int(name) && len >= 4 {
            let value = user_value(rec, at, U32);
            return tagged(rec, TAG_U32, value, U32);
        }
        if name == ERROR && len >= 4 {
            let value = user_value(rec, at, U32);
            return tagged(rec, TAG_ERRNO, i64::from(value as i32).wrapping_neg() as u64, U64);
        }
        if (name == COOKIE || name == NETNS_COOKIE) && len >= 8 {
            let value = user_value(rec, at, U64);
            return tagged(rec, TAG_U64, value, U64);
        }
        if is_time(name) && len >= if has_old_time { 8 } else { 16 } {
            let width = if has_old_time { 4 } else { 8 };
            let kind = if has_old_time { U32 } else { U64 };
            let seconds = user_value(rec, at, kind);
            let micros = user_value(rec, at.wrapping_add(width), kind);
            let ns = seconds.wrapping_mul(1_000_000_000).wrapping_add(micros.wrapping_mul(1000));
            return tagged(rec, TAG_TIME, ns, U64);
        }
    }
    rec.push8(TAG_BYTES as u8);
    let n = user_bytes(rec, at, len as u64);
    rec.unpush8();
    n + 1
}
