//! Sending and receiving over sockets: single buffers, message headers, and arrays of them.

use aya_ebpf::helpers::generated::bpf_probe_read_user;
use event::{
    EventType, Outcome, feature, flags,
    recipe::{self, head},
};

use crate::{
    Ctx,
    call::Call,
    enter::Entry,
    file::file_of,
    history::Seen,
    io::{NARROW, gather, size_of_vector},
    maps::{Cpu, RECIPES},
    mem::{bound, feature_word, read_user},
    network::{self, Used, Way},
    plain::user_bytes,
    record::{Record, TEXT_MAX},
    task::Task,
};

/// Most bytes of control messages: more than an `SCM_RIGHTS` of 253 descriptors.
const MAX_CONTROL: u64 = 2048;
/// Messages of one call that become frames; `sendmmsg` takes no more (`UIO_MAXIOV`).
const MAX_MESSAGES: u64 = 1024;
/// Messages that one function goes through.
const BLOCK: u64 = 32;
/// Sizes of `struct mmsghdr` and `struct compat_mmsghdr`, and where the length lies in them.
const MMSGHDR: (u64, u64) = (64, 56);
const COMPAT_MMSGHDR: (u64, u64) = (32, 28);

#[inline(always)]
fn asked(ty: EventType) -> u32 {
    RECIPES.get(u32::from(ty.0)).map_or(0, |recipe| recipe[0])
}

/// What a sending call shows of its socket.
#[inline(always)]
fn seen(is_send: bool, res: i64) -> Seen {
    if res < 0 {
        Seen::Nothing
    } else if is_send {
        Seen::Send
    } else {
        Seen::Receive
    }
}

/// `sendto(fd, buf, len, flags, addr, addrlen)` and `send`.
#[inline(always)]
pub fn send(ctx: Ctx) -> Option<()> {
    let cpu = Cpu::current()?;
    let ty = cpu.event_type();
    let call = Call::at_exit(ctx);
    let task = Task::current();
    let mut rec = Record::begin(cpu, ty, 5)?;
    rec.flags |= call.abi;
    let asked = asked(ty);
    let fd = Call::fd(call.a0());
    let size = call.a2();
    rec.i64(0, call.ret);
    let len = if asked & head::BUFFER == 0 {
        0
    } else {
        user_bytes(&mut rec, call.a1(), if call.ret > 0 { call.ret as u64 } else { size })
    };
    rec.end_at(1, len);
    rec.i64(2, fd);
    rec.u32(3, size as u32);
    let (at, len) = if ty == EventType::SENDTO_X { (call.a4(), call.a5()) } else { (0, 0) };
    let noted = Entry::take(&rec, call, ty);
    let used = Used::of(&mut rec, noted, file_of(task, fd));
    network::pass_noted(&mut rec, noted, at, len);
    network::tuple(&mut rec, 4, used.sock, Way::Out);
    if asked & head::DESCRIPTOR != 0 {
        rec.begin_trailer();
        used.section(&mut rec, seen(true, call.ret));
    }
    rec.submit::<true>(&task.who_is_current());
    None
}

/// `recvfrom(fd, buf, len, flags, addr, addrlen)` and `recv`.
#[inline(always)]
pub fn recv(ctx: Ctx) -> Option<()> {
    let cpu = Cpu::current()?;
    let ty = cpu.event_type();
    let call = Call::at_exit(ctx);
    let task = Task::current();
    let mut rec = Record::begin(cpu, ty, 5)?;
    rec.flags |= call.abi;
    let asked = asked(ty);
    let fd = Call::fd(call.a0());
    rec.i64(0, call.ret);
    let len = if asked & head::BUFFER == 0 || call.ret <= 0 {
        0
    } else {
        user_bytes(&mut rec, call.a1(), call.ret as u64)
    };
    rec.end_at(1, len);
    let has_source = ty == EventType::RECVFROM_X;
    let at = if has_source && call.ret >= 0 { call.a4() } else { 0 };
    let len = if at == 0 { 0 } else { u64::from(read_user::<u32>(call.a5()).unwrap_or(0)) };
    network::pass(&mut rec, at, len);
    let noted = Entry::take(&rec, call, ty);
    let used = Used::of(&mut rec, noted, file_of(task, fd));
    // `recv` has the tuple last.
    let n = if has_source { 2 } else { 4 };
    if !has_source {
        number(&mut rec, 2, fd as u64, 8);
        number(&mut rec, 3, call.a2() & 0xffff_ffff, 4);
    }
    if call.ret > 0 {
        network::tuple(&mut rec, n, used.sock, Way::In);
    } else {
        rec.end_at(n, 0);
    }
    if has_source {
        number(&mut rec, 3, fd as u64, 8);
        number(&mut rec, 4, call.a2() & 0xffff_ffff, 4);
    }
    if asked & head::DESCRIPTOR != 0 {
        rec.begin_trailer();
        used.section(&mut rec, seen(false, call.ret));
    }
    rec.submit::<true>(&task.who_is_current());
    None
}

/// Parameter `n` of four or eight bytes.
#[inline(always)]
fn number(rec: &mut Record, n: u64, value: u64, len: u64) {
    // SAFETY: room as `Record::here` says.
    unsafe { crate::mem::st64(rec.here(), value) };
    rec.end_at(n, len);
}

/// `struct user_msghdr`.
#[derive(Clone, Copy, Default)]
struct Header {
    name: u64,
    name_len: u64,
    vector: u64,
    /// With [`NARROW`] where it applies.
    count: u64,
    control: u64,
    control_len: u64,
}

impl Header {
    #[inline(always)]
    fn read(at: u64, is_narrow: bool) -> Option<Self> {
        if is_narrow {
            let [name, name_len, vector, count, control, control_len] = read_user::<[u32; 6]>(at)?;
            return Some(Self {
                name: u64::from(name),
                name_len: u64::from(name_len),
                vector: u64::from(vector),
                count: u64::from(count) | NARROW,
                control: u64::from(control),
                control_len: u64::from(control_len),
            });
        }
        let [name, name_len, vector, count, control, control_len] = read_user::<[u64; 6]>(at)?;
        let (name_len, count) = (name_len & 0xffff_ffff, count & 0xffff_ffff);
        Some(Self { name, name_len, vector, count, control, control_len })
    }
}

/// Control messages, at most [`MAX_CONTROL`] bytes; gives how many.
#[inline(always)]
fn control(rec: &mut Record, at: u64, len: u64) -> u64 {
    if at == 0 || len == 0 {
        return 0;
    }
    let mut len = len;
    if len > MAX_CONTROL {
        len = MAX_CONTROL;
        rec.flags |= flags::TRUNCATED;
    }
    let len = bound::<0xfff>(len);
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

/// In the first word of [`peregrine_message`], beside the event type: the layout is that of 32 bits.
const IS_NARROW: u64 = 1 << 16;
/// There is no further message of the call.
const IS_LAST: u64 = 1 << 17;

/// What a call is to [`peregrine_message`]: bits of the header, and the number with the bit of its table above.
#[inline(always)]
fn packed(call: Call) -> u64 {
    u64::from(call.abi) | (call.nr_with_table() & 0xffff_ffff) << 32
}

/// One frame for one message. `at` is 0 where there is no message: the call failed, or moved none.
#[unsafe(no_mangle)]
#[inline(never)]
pub extern "C" fn peregrine_message(what: u64, call: u64, at: u64, fd: u64, res: u64) -> u64 {
    let ty = EventType(what as u16);
    let is_recv = ty == EventType::RECVMSG_X || ty == EventType::RECVMMSG_X;
    let is_one = ty == EventType::SENDMSG_X || ty == EventType::RECVMSG_X;
    let (fd, res) = (fd as i64, res as i64);
    let Some(cpu) = Cpu::current() else { return 0 };
    let Some(mut rec) = Record::begin(cpu, ty, if is_recv { 6 } else { 5 }) else { return 0 };
    rec.flags |= call as u32;
    let asked = asked(ty);
    let mut head = Header::default();
    if at != 0 {
        match Header::read(at, what & IS_NARROW != 0) {
            Some(read) => head = read,
            None => rec.flags |= flags::FAULTED,
        }
    }
    number(&mut rec, 0, res as u64, 8);
    let mut n = 1;
    if !is_one {
        number(&mut rec, n, fd as u64, 8);
        n += 1;
    }
    let mut size = if is_recv && res > 0 { res as u64 } else { 0 };
    if !is_recv && head.vector != 0 {
        match size_of_vector(head.vector, head.count, res) {
            Some(sum) => size = sum,
            None => rec.flags |= flags::FAULTED,
        }
    }
    let size = size & 0xffff_ffff;
    if ty != EventType::SENDMSG_X {
        number(&mut rec, n, size, 4);
        n += 1;
    }
    let most = feature_word(feature::SNAPLEN);
    let limit = if res > 0 && (res as u64) < most {
        res as u64
    } else if is_recv && res <= 0 {
        0
    } else {
        most
    };
    let len = if asked & recipe::head::BUFFER == 0 {
        0
    } else {
        gather(&mut rec, head.vector, head.count, limit)
    };
    rec.end_at(n, len);
    n += 1;
    if ty == EventType::SENDMSG_X {
        number(&mut rec, n, fd as u64, 8);
        number(&mut rec, n + 1, size, 4);
        n += 2;
    }
    let task = Task::current();
    let noted = Entry::look(&rec, call >> 32, ty);
    if what & IS_LAST != 0 {
        Entry::drop_note();
    }
    let used = Used::of(&mut rec, noted, file_of(task, fd));
    if ty == EventType::SENDMSG_X {
        network::pass_noted(&mut rec, noted, head.name, head.name_len);
    } else {
        let has_name = !is_recv || res >= 0;
        network::pass(&mut rec, if has_name { head.name } else { 0 }, head.name_len);
    }
    if at != 0 && (!is_recv || res > 0) {
        network::tuple(&mut rec, n, used.sock, if is_recv { Way::In } else { Way::Out });
    } else {
        rec.end_at(n, 0);
    }
    n += 1;
    if is_recv {
        let len = if res > 0 { control(&mut rec, head.control, head.control_len) } else { 0 };
        rec.end_at(n, len);
        n += 1;
    }
    if ty == EventType::RECVMSG_X {
        number(&mut rec, n, fd as u64, 8);
    }
    if asked & recipe::head::DESCRIPTOR != 0 {
        rec.begin_trailer();
        used.section(&mut rec, if at == 0 { Seen::Nothing } else { seen(!is_recv, res) });
    }
    rec.submit::<true>(&task.who_is_current());
    0
}

/// `sendmsg(fd, msg, flags)` and `recvmsg`.
#[inline(always)]
pub fn message(ctx: Ctx) -> Option<()> {
    let cpu = Cpu::current()?;
    let call = Call::at_exit(ctx);
    let narrow = if call.is_narrow() { IS_NARROW } else { 0 };
    let what = u64::from(cpu.event_type().0) | narrow | IS_LAST;
    let fd = Call::fd(call.a0()) as u64;
    peregrine_message(what, packed(call), call.a1(), fd, call.ret as u64);
    None
}

/// `sendmmsg(fd, vec, n, flags)` and `recvmmsg`: a frame for each message that was moved, one where none was.
#[inline(always)]
pub fn messages(ctx: Ctx) -> Option<()> {
    let cpu = Cpu::current()?;
    let call = Call::at_exit(ctx);
    let ty = u64::from(cpu.event_type().0);
    let packed = packed(call);
    let narrow = call.is_narrow();
    let what = ty | if narrow { IS_NARROW } else { 0 };
    let fd = Call::fd(call.a0()) as u64;
    if call.ret <= 0 {
        peregrine_message(what | IS_LAST, packed, 0, fd, call.ret as u64);
        return None;
    }
    let ret = call.ret as u64;
    let stride = if narrow { COMPAT_MMSGHDR.0 } else { MMSGHDR.0 };
    for block in 0..MAX_MESSAGES / BLOCK {
        let first = block * BLOCK;
        if first >= ret {
            break;
        }
        let at = call.a1().wrapping_add(first * stride);
        peregrine_messages(what | ret << 32, packed, at, fd, first);
    }
    if ret > MAX_MESSAGES {
        // `recvmmsg` alone can move more: what is left out is one loss.
        cpu.count(ty, Outcome::Seen);
        cpu.count(ty, Outcome::TooLarge);
    }
    None
}

/// The frames of a block of messages, `first` being its first one of as many as the upper half of `what` says. A function of its own, so that
/// the verifier walks through one block, not through all of them.
#[unsafe(no_mangle)]
#[inline(never)]
pub extern "C" fn peregrine_messages(what: u64, call: u64, at: u64, fd: u64, first: u64) -> u64 {
    let Some(cpu) = Cpu::current() else { return 0 };
    let (stride, len_at) = if what & IS_NARROW != 0 { COMPAT_MMSGHDR } else { MMSGHDR };
    let total = what >> 32;
    let mut at = at;
    for i in 0..BLOCK {
        let n = first + i;
        if n >= total {
            break;
        }
        // The dispatcher has counted the first.
        if n > 0 {
            cpu.count(what & 0xffff, Outcome::Seen);
        }
        let len = read_user::<u32>(at.wrapping_add(len_at)).unwrap_or(0);
        let last = if n + 1 == total || n + 1 == MAX_MESSAGES { IS_LAST } else { 0 };
        peregrine_message(what & 0xffff_ffff | last, call, at, fd, u64::from(len));
        at = at.wrapping_add(stride);
    }
    0
}
