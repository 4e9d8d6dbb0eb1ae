//! Calls whose arguments mean what the first one says: `ptrace`, `keyctl`, `prctl`.
//!
//! Parts of `peregrine_param`: each appends one parameter and gives its length.

use event::recipe::{RET, Width};

use crate::{
    plain::{load, number, tagged, tagged_text, user_long, user_value},
    record::Record,
};

const U8: u64 = Width::U8 as u64;
const U64: u64 = Width::U64 as u64;

/// Tags of `ptrace`'s `addr` and `data` (`PPM_PTRACE_IDX_*` of the schema).
const TAG_WORD: u64 = 0;
const TAG_SIGNAL: u64 = 1;

/// Requests, as include/uapi/linux/ptrace.h and arch/x86/include/uapi/asm/ptrace-abi.h number them: what lies at an address of the
/// tracee, and going on with a signal.
const PEEKTEXT: u64 = 1;
const PEEKUSR: u64 = 3;
const CONT: u64 = 7;
const SINGLESTEP: u64 = 9;
const DETACH: u64 = 17;
const SYSCALL: u64 = 24;

/// `data`: what a peek found, the signal to go on with, else the word itself; 0 where the call failed.
#[inline(always)]
pub fn ptrace_data(rec: &mut Record, data: u64) -> u64 {
    let ret = load(rec.base, u64::from(RET)) as i64;
    let request = load(rec.base, 0);
    if ret < 0 {
        return tagged(rec, TAG_WORD, 0, U64);
    }
    if request == CONT || request == SINGLESTEP || request == DETACH || request == SYSCALL {
        return tagged(rec, TAG_SIGNAL, data, U8);
    }
    let mut value = data;
    if request >= PEEKTEXT && request <= PEEKUSR {
        value = user_long(rec, data, 0);
    }
    tagged(rec, TAG_WORD, value, U64)
}

/// Tags of `keyctl`'s arguments.
const TAG_NUMBER: u64 = 0;
const TAG_TEXT: u64 = 1;

/// What each operation takes behind itself (include/uapi/linux/keyctl.h, from `KEYCTL_GET_KEYRING_ID` on): number, text, or nothing.
const OPERATIONS: [&[u8; 4]; 33] = [
    b"nn--", // GET_KEYRING_ID
    b"t---", // JOIN_SESSION_KEYRING
    b"nnn-", // UPDATE
    b"n---", // REVOKE
    b"nnn-", // CHOWN
    b"nn--", // SETPERM
    b"nnn-", // DESCRIBE
    b"n---", // CLEAR
    b"nn--", // LINK
    b"nn--", // UNLINK
    b"nttn", // SEARCH
    b"nnn-", // READ
    b"nnnn", // INSTANTIATE
    b"nnn-", // NEGATE
    b"n---", // SET_REQKEY_KEYRING
    b"nn--", // SET_TIMEOUT
    b"n---", // ASSUME_AUTHORITY
    b"nnn-", // GET_SECURITY
    b"----", // SESSION_TO_PARENT
    b"nnnn", // REJECT
    b"nnnn", // INSTANTIATE_IOV
    b"n---", // INVALIDATE
    b"nn--", // GET_PERSISTENT
    b"nnnn", // DH_COMPUTE
    b"nnt-", // PKEY_QUERY
    b"ntnn", // PKEY_ENCRYPT
    b"ntnn", // PKEY_DECRYPT
    b"ntnn", // PKEY_SIGN
    b"ntnn", // PKEY_VERIFY
    b"ntt-", // RESTRICT_KEYRING
    b"nnnn", // MOVE
    b"nn--", // CAPABILITIES
    b"nnn-", // WATCH_KEY
];

/// Operations whose argument at a place has a form, a bit each.
const fn taking(form: u8, place: usize) -> u64 {
    let mut bits = 0;
    let mut i = 0;
    while i < OPERATIONS.len() {
        if OPERATIONS[i][place] == form {
            bits |= 1 << i;
        }
        i += 1;
    }
    bits
}

const NUMBERS: [u64; 4] = [taking(b'n', 0), taking(b'n', 1), taking(b'n', 2), taking(b'n', 3)];
const TEXTS: [u64; 4] = [taking(b't', 0), taking(b't', 1), taking(b't', 2), taking(b't', 3)];

/// An argument of `keyctl`: number or text behind a tag, the number 0 where the operation takes none.
#[inline(always)]
pub fn keyctl(rec: &mut Record, arg: u64, n: u64) -> u64 {
    let operation = load(rec.base, 0) & 0xffff_ffff;
    let (numbers, texts) = match n {
        1 => (NUMBERS[0], TEXTS[0]),
        2 => (NUMBERS[1], TEXTS[1]),
        3 => (NUMBERS[2], TEXTS[2]),
        _ => (NUMBERS[3], TEXTS[3]),
    };
    if operation >= OPERATIONS.len() as u64 {
        return tagged(rec, TAG_NUMBER, 0, U64);
    }
    if texts >> operation & 1 != 0 {
        return tagged_text(rec, TAG_TEXT, arg);
    }
    let value = if numbers >> operation & 1 != 0 { arg } else { 0 };
    tagged(rec, TAG_NUMBER, value, U64)
}

/// `PR_SET_NAME` and `PR_GET_NAME`.
const NAMES: [u64; 2] = [15, 16];
/// `PR_GET_CHILD_SUBREAPER`: the argument points to an `int`.
const GET_CHILD_SUBREAPER: u64 = 37;

/// The second argument of `prctl` in one of two parameters: text, and number. The other one is empty.
#[inline(always)]
pub fn prctl(rec: &mut Record, which: u64) -> u64 {
    let option = load(rec.base, 0) & 0xffff_ffff;
    let arg = load(rec.base, 1);
    let is_text = NAMES.contains(&option);
    if (which == 0) != is_text {
        return 0;
    }
    if is_text {
        return rec.user_text(arg);
    }
    let value =
        if option == GET_CHILD_SUBREAPER { user_value(rec, arg, Width::U32 as u64) } else { arg };
    number(rec, value, U64)
}
