//! Sending and receiving over sockets: single buffers, message headers, and arrays of them.

use aya_ebpf::helpers::generated::{bpf_probe_read_user, bpf_tail_call};
use event::{
    EventType, Outcome, Slot, cpu_layout, flags,
    recipe::{self, head},
};

use crate::{
    Ctx,
    call::Call,
    file::file_of,
    filter,
    history::Seen,
    io::{NARROW, gather, size_of_vector},
    maps::{Cpu, PROGRAMS, RECIPES},
    mem::{bound, read_user},
    network::{self, Noted, Used, Way},
    plain::user_bytes,
    record::{Record, TEXT_MAX},
    task::Task,
};

/// Most bytes of control messages: more than an `SCM_RIGHTS` of 253 descriptors.
const MAX_CONTROL: u64 = 2048;
/// Messages of one call that become frames; `sendmmsg` takes no more (`UIO_MAXIOV`).
const MAX_MESSAGES: u64 = 1024;
/// Messages that one run goes through: a program is called behind itself 32 times at most.
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
    if !filter::tells_past(call.ret) && filter::rejects_result(cpu, ty, call.ret) {
        Noted::forget(ty);
        return None;
    }
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
    let noted = Noted::take(&rec, call, ty);
    let used = Used::of(&mut rec, noted, file_of(task, fd));
    network::pass_noted(&mut rec, noted, at, len);
    let is_rejected = filter::rejects_socket(&rec, ty, call.ret, used.sock);
    if is_rejected && !filter::tells_past(call.ret) {
        filter::discard(cpu, rec, ty);
        return None;
    }
    network::tuple(&mut rec, 4, used.sock, Way::Out);
    if asked & head::DESCRIPTOR != 0 {
        rec.begin_trailer();
        used.section(&mut rec, seen(true, call.ret));
    }
    if is_rejected {
        filter::discard(cpu, rec, ty);
        return None;
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
    let asked = asked(ty);
    let hears = asked & head::ANSWERS != 0;
    if !hears && !filter::tells_past(call.ret) && filter::rejects_result(cpu, ty, call.ret) {
        Noted::forget(ty);
        return None;
    }
    let task = Task::current();
    let mut rec = Record::begin(cpu, ty, 5)?;
    rec.flags |= call.abi;
    let fd = Call::fd(call.a0());
    let has_source = ty == EventType::RECVFROM_X;
    let at = if has_source && call.ret >= 0 { call.a4() } else { 0 };
    let len = if at == 0 { 0 } else { u64::from(read_user::<u32>(call.a5()).unwrap_or(0)) };
    network::pass(&mut rec, at, len);
    let noted = Noted::take(&rec, call, ty);
    let used = Used::of(&mut rec, noted, file_of(task, fd));
    if !network::hears(&rec, asked, used.sock) {
        rec.discard();
        cpu.count(u64::from(ty.0), Outcome::Filtered);
        return None;
    }
    let is_rejected = !hears && filter::rejects_socket(&rec, ty, call.ret, used.sock);
    if is_rejected && !filter::tells_past(call.ret) {
        filter::discard(cpu, rec, ty);
        return None;
    }
    rec.i64(0, call.ret);
    let len = if asked & head::BUFFER == 0 || call.ret <= 0 {
        0
    } else {
        user_bytes(&mut rec, call.a1(), call.ret as u64)
    };
    rec.end_at(1, len);
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
    if is_rejected {
        filter::discard(cpu, rec, ty);
        return None;
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

/// Where a message's header lies in a scratch slot while its frame is made: the stack has no room for it.
const HEADER_AT: usize = network::PASSED_AT - 8 * 9;

/// `struct user_msghdr` in the slot, each member a word.
#[derive(Clone, Copy)]
struct Header(*mut u64);

impl Header {
    /// The header, of zeroes where it cannot be read; and whether it could.
    #[inline(always)]
    fn read(rec: &Record, at: u64, is_narrow: bool) -> (Self, bool) {
        // SAFETY: nine words of the slot: six members, and the six half as wide behind them.
        let (words, halves) = unsafe {
            let words = rec.base.add(HEADER_AT).cast::<u64>();
            (words, words.add(6).cast::<u32>())
        };
        if !is_narrow {
            // SAFETY: as above.
            let r = unsafe { bpf_probe_read_user(words.cast(), 48, at as *const _) };
            return (Self(words), r >= 0);
        }
        // SAFETY: as above.
        let r = unsafe {
            let r = bpf_probe_read_user(halves.cast(), 24, at as *const _);
            let mut n = 0;
            while n < 6 {
                words.add(n).write_volatile(u64::from(halves.add(n).read_volatile()));
                n += 1;
            }
            r
        };
        (Self(words), r >= 0)
    }

    #[inline(always)]
    fn word(self, n: usize) -> u64 {
        // SAFETY: callers pass constants below six.
        unsafe { self.0.add(n).read_volatile() }
    }

    #[inline(always)]
    fn name(self) -> (u64, u64) {
        (self.word(0), self.word(1) & 0xffff_ffff)
    }

    #[inline(always)]
    fn vector(self) -> u64 {
        self.word(2)
    }

    /// Buffers of the vector, with [`NARROW`] where it applies.
    #[inline(always)]
    fn count(self, what: u64) -> u64 {
        self.word(3) & 0xffff_ffff | if what & IS_NARROW != 0 { NARROW } else { 0 }
    }

    #[inline(always)]
    fn control(self) -> (u64, u64) {
        (self.word(4), self.word(5))
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
    // Without a message the address is 0, which reads as zeroes.
    let (head, is_read) = Header::read(&rec, at, what & IS_NARROW != 0);
    if at != 0 && !is_read {
        rec.flags |= flags::FAULTED;
    }
    let task = Task::current();
    let noted = Noted::look(&rec, call >> 32, ty);
    if what & IS_LAST != 0 {
        Noted::forget(ty);
    }
    let used = Used::of(&mut rec, noted, file_of(task, fd));
    let (name, len) = head.name();
    if ty == EventType::SENDMSG_X {
        network::pass_noted(&mut rec, noted, name, len);
    } else {
        network::pass(&mut rec, if is_recv && res < 0 { 0 } else { name }, len);
    }
    if is_recv && !network::hears(&rec, asked, used.sock) {
        rec.discard();
        cpu.count(u64::from(ty.0), Outcome::Filtered);
        return 0;
    }
    let hears = asked & head::ANSWERS != 0;
    let is_rejected = !hears && filter::rejects_socket(&rec, ty, res, used.sock);
    if is_rejected && !filter::tells_past(res) {
        filter::discard(cpu, rec, ty);
        return 0;
    }
    number(&mut rec, 0, res as u64, 8);
    let mut n = 1;
    if !is_one {
        number(&mut rec, n, fd as u64, 8);
        n += 1;
    }
    let mut size = if is_recv && res > 0 { res as u64 } else { 0 };
    if !is_recv && head.vector() != 0 {
        match size_of_vector(head.vector(), head.count(what), res) {
            Some(sum) => size = sum,
            None => rec.flags |= flags::FAULTED,
        }
    }
    let size = size & 0xffff_ffff;
    if ty != EventType::SENDMSG_X {
        number(&mut rec, n, size, 4);
        n += 1;
    }
    let most = rec.snaplen();
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
        gather(&mut rec, head.vector(), head.count(what), limit)
    };
    rec.end_at(n, len);
    n += 1;
    if ty == EventType::SENDMSG_X {
        number(&mut rec, n, fd as u64, 8);
        number(&mut rec, n + 1, size, 4);
        n += 2;
    }
    if at != 0 && (!is_recv || res > 0) {
        network::tuple(&mut rec, n, used.sock, if is_recv { Way::In } else { Way::Out });
    } else {
        rec.end_at(n, 0);
    }
    n += 1;
    if is_recv {
        let (place, len) = head.control();
        let len = if res > 0 { control(&mut rec, place, len) } else { 0 };
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
    if is_rejected {
        filter::discard(cpu, rec, ty);
        return 0;
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

/// `sendmmsg(fd, vec, n, flags)` and `recvmmsg`: a frame for each message that was moved, one where none was. A run goes through a block of
/// them and calls itself for the next: a loop over all takes the verifier minutes on a slow machine, one inside another too much stack.
#[inline(always)]
pub fn messages(ctx: Ctx) -> Option<()> {
    let cpu = Cpu::current()?;
    let call = Call::at_exit(ctx);
    let ty = u64::from(cpu.event_type().0);
    let what = ty | if call.is_narrow() { IS_NARROW } else { 0 };
    let packed = packed(call);
    let fd = Call::fd(call.a0()) as u64;
    if call.ret <= 0 {
        peregrine_message(what | IS_LAST, packed, 0, fd, call.ret as u64);
        return None;
    }
    let total = call.ret as u64;
    let next = cpu.word(cpu_layout::NEXT_MESSAGE);
    // SAFETY: this CPU's word, which no other program uses; see `Cpu::set_event_type`.
    let first = unsafe { next.read_volatile() };
    let (stride, len_at) = if what & IS_NARROW != 0 { COMPAT_MMSGHDR } else { MMSGHDR };
    let mut at = call.a1().wrapping_add(first.wrapping_mul(stride));
    for i in 0..BLOCK {
        let n = first + i;
        if n >= total {
            break;
        }
        // The dispatcher has counted the first.
        if n > 0 {
            cpu.count(ty, Outcome::Seen);
        }
        let len = read_user::<u32>(at.wrapping_add(len_at)).unwrap_or(0);
        let last = if n + 1 == total || n + 1 == MAX_MESSAGES { IS_LAST } else { 0 };
        peregrine_message(what | last, packed, at, fd, u64::from(len));
        at = at.wrapping_add(stride);
    }
    let done = first + BLOCK;
    if done < total && done < MAX_MESSAGES {
        // SAFETY: as above; the context is ours, and a call that succeeds does not return.
        unsafe {
            next.write_volatile(done);
            let programs = (&raw const PROGRAMS).cast_mut().cast();
            bpf_tail_call(ctx.0.cast(), programs, Slot::Messages as u32);
        }
    }
    // SAFETY: as above.
    unsafe { next.write_volatile(0) };
    if done < total {
        // `recvmmsg` alone can move more than are gone through: what is left out is one loss.
        cpu.count(ty, Outcome::Seen);
        cpu.count(ty, Outcome::TooLarge);
    }
    None
}
