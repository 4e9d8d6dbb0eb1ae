//! Every call that needs no program of its own: a recipe says how its parameters are read.
//!
//! The steps are global functions: the verifier checks each once by itself, whatever the recipe says.

use aya_ebpf::helpers::generated::bpf_probe_read_user;
use event::{
    KernelField as F, Outcome, SectionKind, feature, flags,
    recipe::{BEHIND, MAX_STEPS, NO_DIR, RET, Width, head, kind},
};

use crate::{
    Ctx,
    call::Call,
    credentials,
    dispatch::is_ia32,
    enter::Entry,
    file::{self, AT_FDCWD, file_of},
    filter, io, ipc,
    maps::{CALL_IDS, Cpu, FLAG_MAPS, RECIPES},
    mem::{bound, feature_word, get, ptr, read_user, st8, st16, st32, st64},
    network,
    process::rss_pages,
    quota,
    record::{CALL_AT, Record, TEXT_MAX},
    sock::Sock,
    sockopt, system,
    task::Task,
    wait,
};

/// Bit of a section's slot: a note of the call's start lies in it.
const NOTED: u64 = 1 << 32;
/// `lchown32`, the lowest of the calls of ia32 that take ids of 32 bits (syscall_32.tbl).
const FIRST_IA32_WIDE_ID: u64 = 198;
const MS_MGC_VAL: u64 = 0xc0ed_0000;

/// A word of the call's arguments and result.
#[inline(always)]
fn word(base: *mut u8, n: u64) -> *mut u64 {
    // SAFETY: eight words lie at `CALL_AT`.
    unsafe { base.add(CALL_AT).cast::<u64>().add(bound::<7>(n) as usize) }
}

#[inline(always)]
pub fn load(base: *mut u8, n: u64) -> u64 {
    // SAFETY: see `word`.
    unsafe { word(base, n).read_volatile() }
}

#[inline(always)]
pub fn store(base: *mut u8, n: u64, value: u64) {
    // SAFETY: see `word`.
    unsafe { word(base, n).write_volatile(value) };
}

/// Keeps the arguments, the number and the result of a call in the record's slot, each in the word of its number, the result in [`RET`].
#[inline(always)]
pub fn keep(rec: &Record, call: Call) {
    let args = [call.a0(), call.a1(), call.a2(), call.a3(), call.a4(), call.a5(), call.nr()];
    let mut n = 0;
    while n < args.len() {
        store(rec.base, n as u64, args[n]);
        n += 1;
    }
    store(rec.base, u64::from(RET), call.ret as u64);
}

/// A call whose parameters a recipe reads.
#[inline(always)]
pub fn plain(ctx: Ctx) -> Option<()> {
    follow(Cpu::current()?, Call::at_exit(ctx))
}

/// Makes the frame of a call as its recipe says.
#[inline(always)]
pub fn follow(cpu: Cpu, call: Call) -> Option<()> {
    let ty = cpu.event_type();
    let recipe = RECIPES.get(u32::from(ty.0))?;
    // What name servers answer is for others than the rules.
    if recipe[0] & head::ANSWERS == 0 && filter::rejects_result(cpu, ty, call.ret) {
        Entry::drop_note(ty);
        return None;
    }
    let mut rec = Record::begin(cpu, ty, (recipe[0] & head::N_PARAMS) as u16)?;
    rec.flags |= call.abi;
    let task = Task::current();
    if recipe[0] & head::ANSWERS != 0 && feature_word(feature::ANSWERS) != 0 {
        network::pass(&mut rec, 0, 0);
        let sock = Sock::of(file_of(task, Call::fd(call.a0())));
        if !network::hears(&rec, recipe[0], sock) {
            rec.discard();
            cpu.count(u64::from(ty.0), Outcome::Filtered);
            return None;
        }
    }
    keep(&rec, call);
    // The upper half tells the sections that there is a note.
    let mut slot = u64::from(rec.slot);
    if recipe[0] & head::ENTRY != 0 && Entry::take(&rec, call, ty).is_some() {
        slot |= NOTED;
    }
    let mut in_trailer = false;
    let mut n = 1;
    while n <= MAX_STEPS {
        let step = u64::from(recipe[n]);
        if step == 0 {
            break;
        }
        let what = (step & 0xff) as u32;
        if what < kind::SECTIONS || what >= kind::MORE {
            let place = u64::from(rec.slot) | (n as u64 - 1) << 32;
            rec.take_over(peregrine_param(place, rec.state(), step));
        } else {
            if !in_trailer {
                rec.begin_trailer();
                in_trailer = true;
            }
            rec.take_over(peregrine_section(slot, rec.state(), step, task.0));
        }
        n += 1;
    }
    rec.submit::<true>(&task.who_is_current());
    None
}

/// Appends a number in a width; gives its length.
#[inline(always)]
pub fn number(rec: &Record, value: u64, width: u64) -> u64 {
    // SAFETY: room as `Record::here` says.
    unsafe {
        if width == Width::U8 as u64 {
            st8(rec.here(), value as u8);
            1
        } else if width == Width::U16 as u64 {
            st16(rec.here(), value as u16);
            2
        } else if width == Width::U32 as u64 {
            st32(rec.here(), value as u32);
            4
        } else if width == Width::I32 as u64 {
            st64(rec.here(), i64::from(value as i32) as u64);
            8
        } else if width == Width::Z32 as u64 {
            st64(rec.here(), value & 0xffff_ffff);
            8
        } else {
            st64(rec.here(), value);
            8
        }
    }
}

/// A number in the memory of the process.
#[inline(always)]
pub fn user_number(rec: &mut Record, at: u64, width: u64) -> u64 {
    let value = user_value(rec, at, width);
    number(rec, value, width)
}

/// The value of a number in the memory of the process, 0 where that faults.
#[inline(always)]
pub fn user_value(rec: &mut Record, at: u64, width: u64) -> u64 {
    let value = if width == Width::U8 as u64 {
        read_user::<u8>(at).map(u64::from)
    } else if width == Width::U16 as u64 {
        read_user::<u16>(at).map(u64::from)
    } else if width == Width::U64 as u64 {
        read_user::<u64>(at)
    } else {
        read_user::<u32>(at).map(u64::from)
    };
    if value.is_none() {
        rec.flags |= flags::FAULTED;
    }
    value.unwrap_or(0)
}

/// The `n`-th `long` of the caller's table at an address. All ones mean "no limit" in either width (`COMPAT_RLIM_INFINITY`,
/// arch/x86/include/asm/compat.h).
#[inline(always)]
pub fn user_long(rec: &mut Record, at: u64, n: u64) -> u64 {
    if !is_ia32() {
        return user_value(rec, at.wrapping_add(8 * n), Width::U64 as u64);
    }
    let value = user_value(rec, at.wrapping_add(4 * n), Width::U32 as u64);
    if value == u64::from(u32::MAX) { u64::MAX } else { value }
}

/// A number behind its tag; gives the length of both.
#[inline(always)]
pub fn tagged(rec: &mut Record, tag: u64, value: u64, width: u64) -> u64 {
    rec.push8(tag as u8);
    let n = number(rec, value, width);
    rec.unpush8();
    n + 1
}

/// Text of the process behind its tag; gives the length of both.
#[inline(always)]
pub fn tagged_text(rec: &mut Record, tag: u64, at: u64) -> u64 {
    rec.push8(tag as u8);
    let n = rec.user_text(at);
    rec.unpush8();
    n + 1
}

/// Up to the snap length of the bytes of the process; gives how many.
#[inline(always)]
pub fn user_bytes(rec: &mut Record, at: u64, len: u64) -> u64 {
    let mut len = len;
    if len as i64 <= 0 || at == 0 {
        return 0;
    }
    let most = rec.snaplen();
    if len > most {
        len = most;
    }
    let len = bound::<0x1fff>(len);
    if len > TEXT_MAX {
        return 0;
    }
    // SAFETY: at most `TEXT_MAX` bytes.
    let r = unsafe { bpf_probe_read_user(rec.here().cast(), len as u32, at as *const _) };
    if r < 0 {
        rec.flags |= flags::FAULTED;
        return 0;
    }
    len
}

/// Memory of the current process in KiB.
#[inline(always)]
fn memory_use(which: u64) -> u32 {
    let mm = ptr(Task::current().0, F::TaskMm);
    match which {
        0 => get::<u64>(mm, F::MmTotalVm) as u32 * 4,
        1 => (rss_pages(mm, 0) + rss_pages(mm, 1) + rss_pages(mm, 3)) * 4,
        _ => rss_pages(mm, 2) * 4,
    }
}

/// One parameter: its place in the low half of `place` the slot, in the high half its position among the parameters. Gives the record's state.
#[unsafe(no_mangle)]
#[inline(never)]
pub extern "C" fn peregrine_param(place: u64, state: u64, step: u64) -> u64 {
    let Some(mut rec) = Record::resume(place as u32, state) else { return state };
    let a = step >> 8 & 0xff;
    let b = step >> 16 & 0xff;
    let c = step >> 24 & 0xff;
    let arg = load(rec.base, a);
    let ret = load(rec.base, u64::from(RET)) as i64;
    let mut what = (step & 0xff) as u32;
    if what == kind::TEXT_WHERE || what == kind::BYTES_WHERE {
        let value = load(rec.base, a >> 4);
        what = if ret < 0 || value > 7 || c >> value & 1 == 0 {
            kind::EMPTY
        } else if what == kind::TEXT_WHERE {
            kind::TEXT
        } else {
            kind::BYTES
        };
    }
    let len = match what {
        kind::RESULT => number(&rec, ret as u64, Width::U64 as u64),
        kind::ARG => number(&rec, arg, b),
        // A null pointer is no text, not a fault: not every call insists on one.
        kind::TEXT if arg == 0 => 0,
        kind::TEXT => rec.user_text(arg),
        kind::TEXT_ON_SUCCESS if ret < 0 => 0,
        kind::TEXT_ON_SUCCESS => rec.user_text(arg),
        kind::BYTES => {
            let len = load(rec.base, b);
            user_bytes(&mut rec, arg, len)
        }
        kind::BYTES_PASSED => {
            let len = if ret > 0 { ret as u64 } else { load(rec.base, b) };
            user_bytes(&mut rec, arg, len)
        }
        kind::VECTOR_READ => {
            let count = load(rec.base, b);
            io::vector(&mut rec, arg, count, if ret > 0 { ret as u64 } else { 0 })
        }
        kind::VECTOR_PASSED => {
            let limit = if ret > 0 { ret as u64 } else { u64::MAX };
            let count = load(rec.base, b);
            io::vector(&mut rec, arg, count, limit)
        }
        kind::VECTOR_SIZE => {
            let count = load(rec.base, b);
            io::vector_size(&mut rec, arg, count, ret)
        }
        kind::RESULT_SIZE => number(&rec, if ret > 0 { ret as u64 } else { 0 }, Width::U32 as u64),
        kind::POSITION => {
            let high = if is_ia32() { load(rec.base, b) << 32 } else { 0 };
            number(&rec, arg | high, Width::U64 as u64)
        }
        kind::OFFSET => io::offset(&mut rec, arg),
        // A null pointer means that there is none, not that it faulted.
        kind::MEMORY if arg == 0 => number(&rec, 0, b),
        kind::MEMORY => user_number(&mut rec, arg.wrapping_add(c), b),
        kind::MEMORY_ON_SUCCESS => {
            if ret < 0 {
                number(&rec, u64::MAX, b)
            } else {
                user_number(&mut rec, arg.wrapping_add(c), b)
            }
        }
        kind::MEMORY_OR_ZERO => {
            if ret < 0 || arg == 0 {
                number(&rec, 0, b)
            } else {
                user_number(&mut rec, arg.wrapping_add(c), b)
            }
        }
        kind::MEMORY_FLAGS => {
            let value = user_value(&mut rec, arg.wrapping_add(c), Width::U32 as u64);
            number(&rec, peregrine_flags(b, value), Width::U32 as u64)
        }
        kind::LONG => {
            let value = user_long(&mut rec, arg, b);
            number(&rec, value, Width::U64 as u64)
        }
        kind::LONG_ON_SUCCESS => {
            let value = if ret < 0 { u64::MAX } else { user_long(&mut rec, arg, b) };
            number(&rec, value, Width::U64 as u64)
        }
        kind::ADDRESS_RESULT => {
            let value = if is_ia32() { ret as u64 & 0xffff_ffff } else { ret as u64 };
            number(&rec, value, Width::U64 as u64)
        }
        kind::SIGNED_LONG => {
            let value = if is_ia32() { i64::from(arg as i32) as u64 } else { arg };
            number(&rec, value, Width::U64 as u64)
        }
        kind::INTERVAL => wait::interval(&mut rec, arg),
        kind::FD_LIST => {
            let count = load(rec.base, b);
            wait::fd_list(&mut rec, arg, count)
        }
        kind::ID_BEHIND => {
            let value = if ret < 0 { u64::from(u32::MAX) } else { id_behind(&mut rec, arg) };
            number(&rec, value, Width::U32 as u64)
        }
        kind::SEMBUF => ipc::sembuf(&mut rec, a, b, c),
        kind::ARG_WHERE => {
            let value = if load(rec.base, a >> 4) & 0xffff_ffff == c { arg } else { 0 };
            number(&rec, value, b)
        }
        kind::OPTION_NAME => sockopt::name(&rec),
        kind::OPTION_VALUE => sockopt::value(&mut rec, a),
        kind::FLAGS_ABOVE => number(&rec, peregrine_flags(c, arg >> 8 & 0xff_ffff), b),
        kind::FLAGS_LOWEST => number(&rec, peregrine_flags(c, arg & 0xff), b),
        kind::QUOTA => quota::parameter(&mut rec, a, b, c),
        kind::FLAGS => number(&rec, peregrine_flags(c, arg), b),
        kind::TAGGED => tagged(&mut rec, c, arg, b),
        kind::TAGGED_OR_ZERO => tagged(&mut rec, c, if ret < 0 { 0 } else { arg }, b),
        kind::PTRACE_DATA => system::ptrace_data(&mut rec, arg),
        kind::KEYCTL => system::keyctl(&mut rec, arg, a),
        kind::PRCTL => system::prctl(&mut rec, a),
        kind::CAPABILITIES => {
            let value = credentials::capabilities(Task::current(), a);
            number(&rec, value, Width::U64 as u64)
        }
        kind::TAGGED_TEXT => tagged_text(&mut rec, c, arg),
        kind::MEMORY_USE => number(&rec, u64::from(memory_use(a)), Width::U32 as u64),
        kind::INODE => {
            let file = file_of(Task::current(), descriptor_number(arg, b, ret));
            number(&rec, file.ino(), Width::U64 as u64)
        }
        kind::CALL_ID => number(&rec, call_id(load(rec.base, 6)), Width::U16 as u64),
        kind::CALL_NUMBER => number(&rec, load(rec.base, 6), Width::U16 as u64),
        kind::CONST => number(&rec, a | b << 8, c),
        kind::ID => number(&rec, id(arg, load(rec.base, 6)), Width::U32 as u64),
        kind::MOUNT_FLAGS => number(&rec, mount_flags(arg), Width::U32 as u64),
        _ => 0,
    };
    rec.end_at(place >> 32, len);
    rec.state()
}

/// A user or group id. The calls of ia32 that take 16 bits have numbers below those that take 32; all ones mean "none" in both
/// (`low2highuid`, include/linux/highuid.h).
#[inline(always)]
fn id(arg: u64, nr: u64) -> u64 {
    if has_narrow_ids(nr) {
        let low = arg & 0xffff;
        return if low == 0xffff { u64::from(u32::MAX) } else { low };
    }
    arg
}

#[inline(always)]
fn has_narrow_ids(nr: u64) -> bool {
    nr < FIRST_IA32_WIDE_ID && is_ia32()
}

/// A user or group id that the call wrote.
#[inline(always)]
fn id_behind(rec: &mut Record, at: u64) -> u64 {
    let is_narrow = has_narrow_ids(load(rec.base, 6));
    user_value(rec, at, if is_narrow { Width::U16 as u64 } else { Width::U32 as u64 })
}

/// `flags` of `mount` as `path_mount` (fs/namespace.c) takes them: a magic number in the upper half takes that away.
#[inline(always)]
fn mount_flags(arg: u64) -> u64 {
    if arg & 0xffff_0000 == MS_MGC_VAL { arg & 0xffff } else { arg }
}

/// The descriptor that an argument is, or that lies behind it after a success.
#[inline(always)]
fn descriptor_number(arg: u64, place: u64, ret: i64) -> i64 {
    if place != u64::from(BEHIND) {
        return i64::from(arg as i32);
    }
    if ret < 0 {
        return -1;
    }
    i64::from(read_user::<i32>(arg).unwrap_or(-1))
}

/// The schema's number of a call.
#[inline(always)]
fn call_id(nr: u64) -> u64 {
    let ids = CALL_IDS.get(nr as u32).copied().unwrap_or(0);
    u64::from(if is_ia32() { ids >> 16 } else { ids & 0xffff })
}

/// Flags or an enumeration as the schema has them.
#[unsafe(no_mangle)]
#[inline(never)]
pub extern "C" fn peregrine_flags(map: u64, value: u64) -> u64 {
    let Some(map) = FLAG_MAPS.get(map as u32) else { return 0 };
    let value = value as u32;
    let other = map[1];
    let is_bits = one_if_zero(map[0]);
    // Bits of the value that are compared beyond those of the pair.
    let all = is_bits.wrapping_sub(1);
    let (mut out, mut found) = (0, 0);
    let mut i = 2;
    // The first pair counts even if it is of zeroes.
    loop {
        let (kernel, schema) = (map[i], map[i + 1]);
        let fits = one_if_zero((value & (kernel | all)) ^ kernel);
        out |= schema.wrapping_mul(fits);
        found |= fits;
        i += 2;
        if i >= map.len() || map[i] | map[i + 1] == 0 {
            break;
        }
    }
    u64::from(if found == 0 || out | all == 0 { other } else { out })
}

/// 1 for 0, else 0, without a branch: kernels up to 6.1 would follow each branch of each pair of a map. Nor is it a mask: newer ones (6.19) follow both values
/// of one.
#[inline(always)]
fn one_if_zero(x: u32) -> u32 {
    let top_bit = bound::<0xffff_ffff>(u64::from(x | x.wrapping_neg()));
    1 - (top_bit >> 31) as u32
}

/// One section of the trailer. Gives the record's state.
#[unsafe(no_mangle)]
#[inline(never)]
pub extern "C" fn peregrine_section(slot: u64, state: u64, step: u64, task: u64) -> u64 {
    let Some(mut rec) = Record::resume(slot as u32, state) else { return state };
    let task = Task(task);
    let a = step >> 8 & 0xff;
    let b = step >> 16 & 0xff;
    let arg = load(rec.base, a);
    match (step & 0xff) as u32 {
        kind::DESCRIPTOR => {
            let ret = load(rec.base, u64::from(RET)) as i64;
            let fd = descriptor_number(arg, b, ret);
            if slot & NOTED == 0 {
                descriptor(&mut rec, task, fd);
            } else if ret >= 0 || a != u64::from(RET) {
                let now = file_of(task, fd);
                Entry::in_slot(&rec).descriptor_section(&mut rec, task, now);
            }
        }
        kind::CLOSED => {
            if slot & NOTED != 0
                && (b == u64::from(NO_DIR) || load(rec.base, b) as u32 == arg as u32)
            {
                Entry::in_slot(&rec).append_section(&mut rec);
            }
        }
        kind::DESCRIPTOR_UNLESS => {
            let is_none = load(rec.base, b) >> (step >> 24 & 31) & 1 != 0;
            if !is_none {
                descriptor(&mut rec, task, i64::from(arg as i32));
            }
        }
        kind::DIR | kind::DIR2 => {
            let path = load(rec.base, b);
            let dirfd = if a == u64::from(NO_DIR) { AT_FDCWD } else { i64::from(arg as i32) };
            if file::is_relative(path) {
                let section = if (step & 0xff) as u32 == kind::DIR {
                    SectionKind::Dir
                } else {
                    SectionKind::Dir2
                };
                file::dir_section(&mut rec, task, dirfd, section);
            }
        }
        kind::WORKING_DIRECTORY => {
            let kind = if (load(rec.base, u64::from(RET)) as i64) < 0 {
                SectionKind::Dir
            } else {
                SectionKind::File
            };
            if kind as u32 == SectionKind::File as u32 || file::is_relative(arg) {
                file::dir_section(&mut rec, task, AT_FDCWD, kind);
            }
        }
        _ => {}
    }
    rec.state()
}

/// `File` or `Sock`, whichever the descriptor is.
#[inline(always)]
pub fn descriptor(rec: &mut Record, task: Task, fd: i64) {
    let file = file_of(task, fd);
    if file.0 == 0 {
        return;
    }
    if file.is_socket() {
        network::descriptor_section(rec, file);
    } else {
        file.descriptor_section(rec, task);
    }
}
