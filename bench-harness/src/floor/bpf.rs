//! Two commands of bpf(2), of which no crate here has a safe form without the rest of a loader. Everything `unsafe` of this program is here.
#![expect(unsafe_code, reason = "bpf(2) takes a union by its address")]

use std::ffi::CStr;
use std::io::{Error, Result};
use std::mem::size_of;
use std::os::fd::{AsRawFd as _, FromRawFd as _, OwnedFd};

/// Numbers of `enum bpf_cmd` and `enum bpf_prog_type`, include/uapi/linux/bpf.h.
const BPF_PROG_LOAD: libc::c_int = 5;
const BPF_RAW_TRACEPOINT_OPEN: libc::c_int = 17;
const BPF_PROG_TYPE_RAW_TRACEPOINT: u32 = 17;

/// `r0 = 0; exit`: `struct bpf_insn` is opcode, registers, offset, immediate; BPF_ALU64 | BPF_MOV | BPF_K is 0xb7, BPF_JMP | BPF_EXIT 0x95.
const RETURN_0: [[u8; 8]; 2] = [[0xb7, 0, 0, 0, 0, 0, 0, 0], [0x95, 0, 0, 0, 0, 0, 0, 0]];

/// The head of `union bpf_attr` as BPF_PROG_LOAD reads it; what is left out counts as zero.
#[repr(C)]
struct ProgLoad {
    prog_type: u32,
    insn_cnt: u32,
    insns: u64,
    license: u64,
    log_level: u32,
    log_size: u32,
    log_buf: u64,
}

/// The same for BPF_RAW_TRACEPOINT_OPEN.
#[repr(C)]
struct RawTracepointOpen {
    name: u64,
    prog_fd: u32,
    padding: u32,
}

/// Gives the descriptor that the command made.
fn bpf<T>(command: libc::c_int, attr: &T) -> Result<OwnedFd> {
    let address: *const T = attr;
    // SAFETY: the kernel reads as many bytes at the address as it is told, which are those of `attr`; the addresses inside are of
    // constants, or of a string that the caller holds.
    let fd = unsafe { libc::syscall(libc::SYS_bpf, command, address, size_of::<T>()) };
    if fd < 0 {
        return Err(Error::last_os_error());
    }
    // SAFETY: both commands return a new descriptor, which nobody else has.
    Ok(unsafe { OwnedFd::from_raw_fd(fd as i32) })
}

/// Loads a raw tracepoint program that returns at once.
///
/// # Errors
/// The kernel's: not allowed, or none of these programs.
pub(crate) fn load_program_that_returns() -> Result<OwnedFd> {
    bpf(
        BPF_PROG_LOAD,
        &ProgLoad {
            prog_type: BPF_PROG_TYPE_RAW_TRACEPOINT,
            insn_cnt: RETURN_0.len() as u32,
            insns: RETURN_0.as_ptr() as u64,
            license: c"Apache-2.0".as_ptr() as u64,
            log_level: 0,
            log_size: 0,
            log_buf: 0,
        },
    )
}

/// Attaches a program to a raw tracepoint; it stays until the descriptor is closed.
///
/// # Errors
/// The kernel's: no such tracepoint.
pub(crate) fn attach(program: &OwnedFd, tracepoint: &CStr) -> Result<OwnedFd> {
    let prog_fd = program.as_raw_fd() as u32;
    let name = tracepoint.as_ptr() as u64;
    bpf(BPF_RAW_TRACEPOINT_OPEN, &RawTracepointOpen { name, prog_fd, padding: 0 })
}
