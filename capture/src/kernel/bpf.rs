//! bpf(2): programs, their links, what the kernel says of them; types; what aya keeps to itself of maps.

use std::{
    ffi::CStr,
    io,
    os::fd::{AsRawFd, BorrowedFd, FromRawFd, OwnedFd, RawFd},
};

use aya_obj::generated::bpf_insn;
use libc::c_long;

const MAP_CREATE: c_long = 0;
const MAP_UPDATE_ELEM: c_long = 2;
const PROG_LOAD: c_long = 5;
const OBJ_GET_INFO_BY_FD: c_long = 15;
const RAW_TRACEPOINT_OPEN: c_long = 17;
const BTF_LOAD: c_long = 18;
const MAP_FREEZE: c_long = 22;
const MAP_UPDATE_BATCH: c_long = 26;
const LINK_CREATE: c_long = 28;
const ITER_CREATE: c_long = 33;

/// All commands of `bpf(2)` that this crate and aya give, for a filter of calls. None of them reaches what others have loaded.
pub const BPF_COMMANDS: [u32; 17] = [
    // Of elements of maps, by aya: looked up, deleted, gone through, taken, and many at a time.
    1,
    3,
    4,
    21,
    24,
    25,
    27,
    MAP_CREATE as u32,
    MAP_UPDATE_ELEM as u32,
    PROG_LOAD as u32,
    OBJ_GET_INFO_BY_FD as u32,
    RAW_TRACEPOINT_OPEN as u32,
    BTF_LOAD as u32,
    MAP_FREEZE as u32,
    MAP_UPDATE_BATCH as u32,
    LINK_CREATE as u32,
    ITER_CREATE as u32,
];

const MAP_TYPE_ARRAY_OF_MAPS: u32 = 12;
const PROG_TYPE_SOCK_ADDR: u32 = 18;
const PROG_TYPE_TRACING: u32 = 26;
const TRACE_RAW_TP: u32 = 23;
const TRACE_ITER: u32 = 28;
/// `BPF_F_SLEEPABLE`.
const SLEEPABLE: u32 = 1 << 4;
/// Bytes of a name with its NUL.
const NAME_LEN: usize = 16;
/// Bytes of the verifier's word that are asked for, and at most.
const LOG_LEN: usize = 64 << 10;
const MAX_LOG_LEN: usize = 16 << 20;

/// A request: the beginning of `union bpf_attr` (include/uapi/linux/bpf.h) as one command has it. The kernel takes the rest for zeroes.
///
/// # Safety
/// It is of the command's layout and has no bytes between its fields, and what it points to is there for as long as the call takes and as large as it says.
unsafe fn bpf<T>(command: c_long, mut request: T) -> io::Result<c_long> {
    // SAFETY: the caller's; the kernel may write to the request.
    let r = unsafe { libc::syscall(libc::SYS_bpf, command, &raw mut request, size_of::<T>()) };
    if r < 0 { Err(io::Error::last_os_error()) } else { Ok(r) }
}

/// The same for one that makes a descriptor.
///
/// # Safety
/// As above, and the command makes one.
unsafe fn bpf_open<T>(command: c_long, request: T) -> io::Result<OwnedFd> {
    // SAFETY: the caller's; nobody else knows the descriptor.
    unsafe { Ok(OwnedFd::from_raw_fd(bpf(command, request)? as RawFd)) }
}

fn number(fd: BorrowedFd<'_>) -> u32 {
    fd.as_raw_fd().cast_unsigned()
}

fn short_name(name: &str) -> [u8; NAME_LEN] {
    let mut short = [0; NAME_LEN];
    short.iter_mut().zip(name.bytes().take(NAME_LEN - 1)).for_each(|(to, from)| *to = from);
    short
}

/// A program as it is given to the kernel.
#[derive(Debug)]
pub(crate) struct Code {
    pub(crate) name: String,
    pub(crate) instructions: Vec<bpf_insn>,
    pub(crate) license: Box<CStr>,
    /// `struct bpf_func_info` of each of its functions, so many bytes each.
    pub(crate) functions: Vec<u8>,
    pub(crate) function_len: u32,
    /// Whether it may sleep.
    pub(crate) sleeps: bool,
}

/// What a program is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Place {
    /// A tracepoint, by the kernel's number of its type.
    Tracepoint(u32),
    /// An iterator, by the kernel's number of its function.
    Iterator(u32),
    /// A hook of sockets, by its number.
    SockAddr(u32),
}

/// The kernel's no to a program, and the verifier's log.
#[derive(Debug)]
pub(crate) struct Refused {
    pub(crate) error: io::Error,
    pub(crate) log: String,
}

/// `union bpf_attr` for `BPF_PROG_LOAD`, up to and including `core_relo_cnt`.
#[derive(Clone, Copy, Default)]
#[repr(C)]
struct LoadRequest {
    ty: u32,
    n_instructions: u32,
    instructions: u64,
    license: u64,
    log_level: u32,
    log_len: u32,
    log: u64,
    kernel_version: u32,
    flags: u32,
    name: [u8; NAME_LEN],
    interface: u32,
    hook: u32,
    types: u32,
    function_len: u32,
    functions: u64,
    n_functions: u32,
    line_len: u32,
    lines: u64,
    n_lines: u32,
    attach_type_id: u32,
    attach_program: u32,
    n_relocations: u32,
}

/// Has the kernel look at a program; `types` are those of its functions.
pub(crate) fn load_program(
    code: &Code,
    types: Option<BorrowedFd<'_>>,
    place: Place,
) -> Result<OwnedFd, Refused> {
    let Code { name, instructions, license, functions, function_len, sleeps } = code;
    let (ty, hook, attach_type_id) = match place {
        Place::Tracepoint(id) => (PROG_TYPE_TRACING, TRACE_RAW_TP, id),
        Place::Iterator(id) => (PROG_TYPE_TRACING, TRACE_ITER, id),
        Place::SockAddr(hook) => (PROG_TYPE_SOCK_ADDR, hook, 0),
    };
    let mut request = LoadRequest {
        ty,
        n_instructions: instructions.len() as u32,
        instructions: instructions.as_ptr() as u64,
        license: license.as_ptr() as u64,
        flags: if *sleeps { SLEEPABLE } else { 0 },
        name: short_name(name),
        hook,
        attach_type_id,
        ..LoadRequest::default()
    };
    if let Some(types) = types
        && *function_len != 0
    {
        request.types = number(types);
        request.function_len = *function_len;
        request.functions = functions.as_ptr() as u64;
        request.n_functions = functions.len() as u32 / function_len;
    }
    // SAFETY: instructions, license, functions and the log outlive the call, and are as long as is said.
    let load = |request: LoadRequest| unsafe { bpf_open(PROG_LOAD, request) };
    let error = match load(request) {
        Ok(program) => return Ok(program),
        Err(e) => e,
    };
    let mut len = LOG_LEN;
    loop {
        let mut log = vec![0u8; len];
        (request.log_level, request.log_len) = (1, len as u32);
        request.log = log.as_mut_ptr() as u64;
        match load(request) {
            // A moment ago there was no room for it, perhaps.
            Ok(program) => return Ok(program),
            Err(e) if e.raw_os_error() == Some(libc::ENOSPC) && len < MAX_LOG_LEN => len *= 16,
            Err(_) => {
                let text = log.split(|&b| b == 0).next().unwrap_or_default();
                return Err(Refused { error, log: String::from_utf8_lossy(text).into_owned() });
            }
        }
    }
}

/// `struct bpf_prog_info` up to and including `verified_insns`.
const PROG_INFO_LEN: usize = 224;
const RECURSION_MISSES_AT: usize = 208;
const VERIFIED_AT: usize = 216;

/// What the kernel says of a program or a map, in words, and how many bytes of it.
fn info<const N: usize>(of: BorrowedFd<'_>) -> io::Result<([u64; N], usize)> {
    #[repr(C)]
    struct Request {
        fd: u32,
        len: u32,
        info: u64,
    }
    let mut info = [0u64; N];
    let mut request = Request { fd: number(of), len: 8 * N as u32, info: info.as_mut_ptr() as u64 };
    // The kernel writes the length, too.
    let at = &raw mut request;
    // SAFETY: the kernel writes at most `len` bytes to `info`, which is that large.
    let r = unsafe { libc::syscall(libc::SYS_bpf, OBJ_GET_INFO_BY_FD, at, size_of::<Request>()) };
    if r < 0 {
        return Err(io::Error::last_os_error());
    }
    Ok((info, request.len as usize))
}

/// How often the kernel skipped a program because it was already running on that CPU; `None` before 5.12, which does not say.
pub(crate) fn recursion_misses(program: BorrowedFd<'_>) -> Option<u64> {
    let (info, len) = info::<{ PROG_INFO_LEN / 8 }>(program).ok()?;
    (len >= RECURSION_MISSES_AT + 8).then_some(info[RECURSION_MISSES_AT / 8])
}

/// Instructions that the verifier followed; `None` before 5.16, which does not say.
pub(crate) fn verified_instructions(program: BorrowedFd<'_>) -> Option<u32> {
    let (info, len) = info::<{ PROG_INFO_LEN / 8 }>(program).ok()?;
    (len >= VERIFIED_AT + 4).then_some(info[VERIFIED_AT / 8] as u32)
}

/// Attaches a program to the tracepoint that it was loaded for, until the link is closed.
pub(crate) fn attach_tracepoint(program: BorrowedFd<'_>) -> io::Result<OwnedFd> {
    #[repr(C)]
    struct Request {
        name: u64,
        program: u32,
        none: u32,
    }
    let request = Request { name: 0, program: number(program), none: 0 };
    // SAFETY: no name is passed.
    unsafe { bpf_open(RAW_TRACEPOINT_OPEN, request) }
}

#[repr(C)]
struct LinkRequest {
    program: u32,
    target: u32,
    hook: u32,
    flags: u32,
}

/// Attaches a program to a control group.
pub(crate) fn create_link(
    program: BorrowedFd<'_>,
    group: BorrowedFd<'_>,
    hook: u32,
) -> io::Result<OwnedFd> {
    let request = LinkRequest { program: number(program), target: number(group), hook, flags: 0 };
    // SAFETY: numbers alone.
    unsafe { bpf_open(LINK_CREATE, request) }
}

/// Starts an iterator, to be read.
pub(crate) fn iterate(program: BorrowedFd<'_>) -> io::Result<OwnedFd> {
    #[repr(C)]
    struct Request {
        link: u32,
        flags: u32,
    }
    let request = LinkRequest { program: number(program), target: 0, hook: TRACE_ITER, flags: 0 };
    // SAFETY: numbers alone. What is read keeps the link.
    unsafe {
        let link = bpf_open(LINK_CREATE, request)?;
        bpf_open(ITER_CREATE, Request { link: link.as_raw_fd().cast_unsigned(), flags: 0 })
    }
}

/// Hands types to the kernel.
pub(crate) fn load_types(types: &[u8]) -> io::Result<OwnedFd> {
    #[repr(C)]
    struct Request {
        types: u64,
        log: u64,
        len: u32,
        log_len: u32,
        log_level: u32,
        log_true_len: u32,
    }
    let len = types.len() as u32;
    let request = Request {
        types: types.as_ptr() as u64,
        log: 0,
        len,
        log_len: 0,
        log_level: 0,
        log_true_len: 0,
    };
    // SAFETY: as many bytes as is said.
    unsafe { bpf_open(BTF_LOAD, request) }
}

/// Makes an array of maps that are like one.
pub(crate) fn create_array_of_maps(
    name: &str,
    n: u32,
    like: BorrowedFd<'_>,
) -> io::Result<OwnedFd> {
    #[repr(C)]
    struct Request {
        ty: u32,
        key_len: u32,
        value_len: u32,
        n: u32,
        flags: u32,
        inner: u32,
        node: u32,
        name: [u8; NAME_LEN],
        interface: u32,
    }
    let request = Request {
        ty: MAP_TYPE_ARRAY_OF_MAPS,
        key_len: 4,
        value_len: 4,
        n,
        flags: 0,
        inner: number(like),
        node: 0,
        name: short_name(name),
        interface: 0,
    };
    // SAFETY: numbers and a name alone.
    unsafe { bpf_open(MAP_CREATE, request) }
}

/// Whether a map's values are so long; `struct bpf_map_info` begins with type, id, and the lengths of key and value.
fn check_value_len(map: BorrowedFd<'_>, len: usize) -> io::Result<()> {
    let ([_, lens], _) = info::<2>(map)?;
    if lens >> 32 == len as u64 && lens & 0xffff_ffff == 4 {
        return Ok(());
    }
    Err(io::Error::other(format!("no array with values of {len} bytes")))
}

/// Writes one element of an array.
pub(crate) fn update(map: BorrowedFd<'_>, key: u32, value: &[u8]) -> io::Result<()> {
    #[repr(C)]
    struct Request {
        map: u32,
        none: u32,
        key: u64,
        value: u64,
        flags: u64,
    }
    check_value_len(map, value.len())?;
    let request = Request {
        map: number(map),
        none: 0,
        key: &raw const key as u64,
        value: value.as_ptr() as u64,
        flags: 0,
    };
    // SAFETY: key and value are as long as the map's.
    unsafe { bpf(MAP_UPDATE_ELEM, request).map(drop) }
}

/// Writes elements of an array: a value for each key, one behind the other.
pub(crate) fn update_all(map: BorrowedFd<'_>, keys: &[u32], values: &[u8]) -> io::Result<()> {
    #[repr(C)]
    struct Request {
        in_batch: u64,
        out_batch: u64,
        keys: u64,
        values: u64,
        n: u32,
        map: u32,
        element_flags: u64,
        flags: u64,
    }
    if keys.is_empty() {
        return Ok(());
    }
    check_value_len(map, values.len() / keys.len())?;
    let request = Request {
        in_batch: 0,
        out_batch: 0,
        keys: keys.as_ptr() as u64,
        values: values.as_ptr() as u64,
        n: keys.len() as u32,
        map: number(map),
        element_flags: 0,
        flags: 0,
    };
    // SAFETY: as above.
    unsafe { bpf(MAP_UPDATE_BATCH, request).map(drop) }
}

/// Forbids further writes from here.
pub(crate) fn freeze(map: BorrowedFd<'_>) -> io::Result<()> {
    #[repr(C)]
    struct Request {
        map: u32,
    }
    // SAFETY: a number alone.
    unsafe { bpf(MAP_FREEZE, Request { map: number(map) }).map(drop) }
}
