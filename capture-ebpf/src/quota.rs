//! `quotactl`: what its arguments mean to each command.

use event::recipe::{RET, Width, quota};

use crate::{
    plain::{load, number, user_value},
    record::Record,
};

const U8: u64 = Width::U8 as u64;
const U32: u64 = Width::U32 as u64;
const U64: u64 = Width::U64 as u64;

/// Commands (include/uapi/linux/quota.h, include/uapi/linux/dqblk_xfs.h), above the type of the quota.
const QUOTAON: u64 = 0x80_0002;
const GETFMT: u64 = 0x80_0004;
const GETINFO: u64 = 0x80_0005;
const SETINFO: u64 = 0x80_0006;
const GETQUOTA: u64 = 0x80_0007;
const SETQUOTA: u64 = 0x80_0008;
const XGETQUOTA: u64 = 0x5803;
const XSETQLIM: u64 = 0x5804;

/// Where `struct if_dqblk` and `struct if_dqinfo` say which members hold something.
const BLOCK_VALID: u64 = 64;
const INFO_VALID: u64 = 20;

/// A format as the schema has it; 1 is none that it knows.
#[inline(always)]
fn format(kernel: u64) -> u64 {
    match kernel & 0xffff_ffff {
        1 => 2,
        2 => 4,
        4 => 8,
        _ => 1,
    }
}

/// Appends a parameter that means something to some commands only, and gives its length. What a failed call was to write is not there.
#[inline(always)]
pub fn parameter(rec: &mut Record, what: u64, offset: u64, bit: u64) -> u64 {
    let what = what as u8;
    let command = load(rec.base, 0) >> 8 & 0xff_ffff;
    let id = load(rec.base, 2);
    let at = load(rec.base, 3);
    let failed = (load(rec.base, u64::from(RET)) as i64) < 0;
    let is_block = (command == GETQUOTA && !failed) || command == SETQUOTA;
    let is_info = (command == GETINFO && !failed) || command == SETINFO;
    match what {
        quota::BLOCK | quota::INFO | quota::FLAGS => {
            let of_block = what == quota::BLOCK;
            let mut value = 0;
            if if of_block { is_block } else { is_info } {
                let valid = if of_block { BLOCK_VALID } else { INFO_VALID };
                let valid = user_value(rec, at.wrapping_add(valid), U32);
                if valid >> (bit & 31) & 1 != 0 {
                    let width = if what == quota::FLAGS { U32 } else { U64 };
                    value = user_value(rec, at.wrapping_add(offset), width);
                    if what == quota::FLAGS {
                        // V1_DQF_RSQUASH, or none.
                        value = if value & 1 != 0 { 2 } else { 1 };
                    }
                }
            }
            number(rec, value, if what == quota::FLAGS { U8 } else { U64 })
        }
        quota::FORMAT_FOUND => {
            let found = command == GETFMT && !failed;
            let value = if found { format(user_value(rec, at, U32)) } else { format(0) };
            number(rec, value, U8)
        }
        quota::FORMAT => number(rec, if command == QUOTAON { format(id) } else { format(0) }, U8),
        quota::ID => {
            let has_id = command == GETQUOTA
                || command == SETQUOTA
                || command == XGETQUOTA
                || command == XSETQLIM;
            number(rec, if has_id { id } else { 0 }, U32)
        }
        _ if command == QUOTAON && at != 0 => rec.user_text(at),
        _ => 0,
    }
}
