//! Sending and receiving over sockets: single buffers, message headers, and arrays of them.

use aya_ebpf::helpers::generated::{bpf_probe_read_user, bpf_tail_call};
use event::{
    EventType, Outcome, Slot, cpu_layout, feature, flags,
    recipe::{RET, head},
};

use crate::{
    Ctx,
    call::Call,
    file::file_of,
    filter,
    history::Seen,
    io::{NARROW, gather, size_of_vector},
    maps::{Cpu, PROGRAMS, RECIPES},
    mem::{bound, feature_word, forget, read_user},
    network::{self, Noted, Used, Way},
    plain::{keep, load, store, user_bytes},
    record::{FORGET_AT, Record, TEXT_MAX},
    sock::Sock,
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

/// Bytes of the header of a name server's answer (RFC 1035).
const ANSWER_MIN: i64 = 12;

#[inline(always)]
fn asked(ty: EventType) -> u32 {
    RECIPES.get(u32::from(ty.0)).map_or(0, |recipe| recipe[0])
}

/// What a sending call shows of its socket.
#[inline(always)]
pub fn seen(is_send: bool, res: i64) -> Seen {
    if res < 0 {
        Seen::Nothing
    } else if is_send {
        Seen::Send
    } else {
        Seen::Receive
    }
}

/// A number that the verifier knows nothing of, so that it follows what comes next once, not once for each way here.
#[inline(always)]
fn unknown(rec: &Record, x: u64) -> u64 {
    // SAFETY: a word of the slot.
    forget(unsafe { rec.base.add(FORGET_AT) }, x)
}

#[inline(always)]
fn settle_flags(rec: &mut Record) {
    rec.flags = unknown(rec, u64::from(rec.flags)) as u32;
}

#[inline(always)]
fn settle_socket(rec: &Record, used: &mut Used) {
    let packed = unknown(rec, used.sock.packed(0));
    used.sock = Sock::unpacked(unknown(rec, used.sock.at), packed);
}

/// A call of one buffer, its arguments in the slot as [`keep`] puts them. They are read again wherever they are asked: a branch on what the
/// verifier knows from an earlier branch would make it follow all that lies between the two once more.
#[derive(Clone, Copy)]
struct Buffered(*mut u8);

impl Buffered {
    /// In place of the call's number.
    const BITS: u64 = 6;
    /// There is an address in the arguments.
    const HAS_ADDRESS: u64 = 1;

    #[inline(always)]
    fn begin(cpu: Cpu, ty: EventType, call: Call) -> Option<(Record, Self)> {
        let mut rec = Record::begin(cpu, ty, 5)?;
        rec.flags |= call.abi;
        keep(&rec, call);
        let has_address = ty == EventType::SENDTO_X || ty == EventType::RECVFROM_X;
        store(rec.base, Self::BITS, if has_address { Self::HAS_ADDRESS } else { 0 });
        settle_flags(&mut rec);
        let this = Self(rec.base);
        Some((rec, this))
    }

    #[inline(always)]
    fn result(self) -> i64 {
        load(self.0, u64::from(RET)) as i64
    }

    #[inline(always)]
    fn fd(self) -> i64 {
        Call::fd(load(self.0, 0))
    }

    /// Address and length of the buffer.
    #[inline(always)]
    fn buffer(self) -> (u64, u64) {
        (load(self.0, 1), load(self.0, 2))
    }

    /// The last two arguments.
    #[inline(always)]
    fn address(self) -> (u64, u64) {
        (load(self.0, 4), load(self.0, 5))
    }

    #[inline(always)]
    fn is(self, bit: u64) -> bool {
        load(self.0, Self::BITS) & bit != 0
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
    let (mut rec, this) = Buffered::begin(cpu, ty, call)?;
    let asked = asked(ty);
    let noted = Noted::take(&rec, call, ty);
    let mut used = Used::of(&mut rec, noted, file_of(task, this.fd()));
    settle_socket(&rec, &mut used);
    let (at, len) = if this.is(Buffered::HAS_ADDRESS) { this.address() } else { (0, 0) };
    network::pass_noted(&mut rec, noted, at, len);
    settle_flags(&mut rec);
    if filter::rejects_socket(&rec, ty, this.result(), used.sock) {
        if asked & head::DESCRIPTOR != 0 {
            used.tell_past(&mut rec, seen(true, this.result()));
        }
        filter::discard(cpu, rec, ty);
        return None;
    }
    rec.i64(0, this.result());
    let mut len = 0;
    if asked & head::BUFFER != 0 {
        let (at, size) = this.buffer();
        let sent = this.result();
        len = user_bytes(&mut rec, at, if sent > 0 { sent as u64 } else { size });
    }
    let len = unknown(&rec, len);
    settle_flags(&mut rec);
    rec.end_at(1, len);
    rec.i64(2, this.fd());
    rec.u32(3, this.buffer().1 as u32);
    network::tuple(&mut rec, 4, used.sock, Way::Out);
    if asked & head::DESCRIPTOR != 0 {
        rec.begin_trailer();
        used.section(&mut rec, seen(true, this.result()));
    }
    rec.submit::<true>(&task.who_is_current());
    None
}

/// Whether nobody asks for a call of one buffer but for the answers of name servers, and this is none for certain.
#[inline(always)]
fn is_no_answer(ty: EventType, call: Call, asked: u32) -> bool {
    if feature_word(feature::ANSWERS) == 0 || asked & head::ONLY_ANSWERS == 0 {
        return false;
    }
    // Shorter than a header: stages/src/parse/answer.rs makes nothing of it.
    if call.ret < ANSWER_MIN {
        return true;
    }
    let at = if ty == EventType::RECVFROM_X { call.a4() } else { 0 };
    network::is_no_answer(file_of(Task::current(), Call::fd(call.a0())), at)
}

/// `recvfrom(fd, buf, len, flags, addr, addrlen)` and `recv`.
#[inline(always)]
pub fn recv(ctx: Ctx) -> Option<()> {
    let cpu = Cpu::current()?;
    let ty = cpu.event_type();
    let call = Call::at_exit(ctx);
    let asked = asked(ty);
    if asked & head::ANSWERS == 0
        && !filter::tells_past(call.ret)
        && filter::rejects_result(cpu, ty, call.ret)
    {
        Noted::forget(ty);
        return None;
    }
    if is_no_answer(ty, call, asked) {
        Noted::forget(ty);
        cpu.count(u64::from(ty.0), Outcome::Filtered);
        return None;
    }
    let task = Task::current();
    let (mut rec, this) = Buffered::begin(cpu, ty, call)?;
    let (mut at, mut len) = (0, 0);
    if this.is(Buffered::HAS_ADDRESS) && this.result() >= 0 {
        let (place, len_at) = this.address();
        if place != 0 {
            (at, len) = (place, u64::from(read_user::<u32>(len_at).unwrap_or(0)));
        }
    }
    network::pass(&mut rec, at, len);
    settle_flags(&mut rec);
    let noted = Noted::take(&rec, call, ty);
    let mut used = Used::of(&mut rec, noted, file_of(task, this.fd()));
    settle_socket(&rec, &mut used);
    settle_flags(&mut rec);
    let asked = unknown(&rec, u64::from(asked)) as u32;
    if !network::hears(&rec, asked, used.sock) {
        rec.discard();
        cpu.count(u64::from(ty.0), Outcome::Filtered);
        return None;
    }
    let asked = unknown(&rec, u64::from(asked)) as u32;
    if asked & head::ANSWERS == 0 && filter::rejects_socket(&rec, ty, this.result(), used.sock) {
        if asked & head::DESCRIPTOR != 0 {
            used.tell_past(&mut rec, seen(false, this.result()));
        }
        filter::discard(cpu, rec, ty);
        return None;
    }
    let asked = unknown(&rec, u64::from(asked)) as u32;
    rec.i64(0, this.result());
    let mut len = 0;
    if asked & head::BUFFER != 0 && this.result() > 0 {
        len = user_bytes(&mut rec, this.buffer().0, this.result() as u64);
    }
    let len = unknown(&rec, len);
    settle_flags(&mut rec);
    rec.end_at(1, len);
    // `recv` has the tuple last.
    let mut n = 2;
    if !this.is(Buffered::HAS_ADDRESS) {
        n = descriptor_and_size(&mut rec, n, this);
    }
    let n = unknown(&rec, n);
    if this.result() > 0 {
        network::tuple(&mut rec, n, used.sock, Way::In);
    } else {
        rec.end_at(n, 0);
    }
    if this.is(Buffered::HAS_ADDRESS) {
        descriptor_and_size(&mut rec, 3, this);
    }
    if asked & head::DESCRIPTOR != 0 {
        rec.begin_trailer();
        used.section(&mut rec, seen(false, this.result()));
    }
    rec.submit::<true>(&task.who_is_current());
    None
}

/// Parameters `n` and the next; gives the number of the one behind them.
#[inline(always)]
fn descriptor_and_size(rec: &mut Record, n: u64, call: Buffered) -> u64 {
    number(rec, n, call.fd() as u64, 8);
    number(rec, n + 1, call.buffer().1 & 0xffff_ffff, 4);
    n + 2
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
    /// The header that was read.
    #[inline(always)]
    fn of(rec: &Record) -> Self {
        // SAFETY: words of the slot.
        Self(unsafe { rec.base.add(HEADER_AT).cast() })
    }

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
/// The call receives.
const IS_RECV: u64 = 1 << 18;
/// The call has one message.
const IS_ONE: u64 = 1 << 19;

/// What a call is to [`peregrine_message`]: bits of the header, and the number with the bit of its table above.
#[inline(always)]
fn packed(call: Call) -> u64 {
    u64::from(call.abi) | (call.nr_with_table() & 0xffff_ffff) << 32
}

/// What is known of a message, in words of the slot. It is read again wherever it is asked: a branch on what the verifier knows from an earlier
/// branch would make it follow all that lies between the two once more.
#[derive(Clone, Copy)]
struct Message(*mut u8);

impl Message {
    const WHAT: u64 = 0;
    const AT: u64 = 1;
    const FD: u64 = 2;
    const RESULT: u64 = 3;
    const ASKED: u64 = 4;
    /// The socket, and [`Sock::packed`].
    const SOCKET: u64 = 5;
    const PACKED: u64 = 6;
    const SIZE: u64 = 7;

    #[inline(always)]
    fn put(rec: &Record, what: u64, at: u64, fd: u64, res: u64) -> Self {
        store(rec.base, Self::WHAT, what);
        store(rec.base, Self::AT, at);
        store(rec.base, Self::FD, fd);
        store(rec.base, Self::RESULT, res);
        store(rec.base, Self::ASKED, u64::from(asked(EventType(what as u16))));
        Self(rec.base)
    }

    /// Whether any of these bits is set.
    #[inline(always)]
    fn is(self, bits: u64) -> bool {
        load(self.0, Self::WHAT) & bits != 0
    }

    #[inline(always)]
    fn ty(self) -> EventType {
        EventType(load(self.0, Self::WHAT) as u16)
    }

    /// What it shows of the past of its socket.
    #[inline(always)]
    fn seen(self) -> Seen {
        if self.is_there() { seen(!self.is(IS_RECV), self.result()) } else { Seen::Nothing }
    }

    /// Whether there is one: not where the call failed, or moved none.
    #[inline(always)]
    fn is_there(self) -> bool {
        load(self.0, Self::AT) != 0
    }

    #[inline(always)]
    fn fd(self) -> i64 {
        load(self.0, Self::FD) as i64
    }

    #[inline(always)]
    fn result(self) -> i64 {
        load(self.0, Self::RESULT) as i64
    }

    #[inline(always)]
    fn sock(self) -> Sock {
        Sock::unpacked(load(self.0, Self::SOCKET), load(self.0, Self::PACKED))
    }

    #[inline(always)]
    fn size(self) -> u64 {
        load(self.0, Self::SIZE)
    }

    /// Bits of [`head`].
    #[inline(always)]
    fn asked(self) -> u32 {
        load(self.0, Self::ASKED) as u32
    }
}

/// One frame for one message. `at` is 0 where there is no message: the call failed, or moved none.
#[unsafe(no_mangle)]
#[inline(never)]
pub extern "C" fn peregrine_message(what: u64, call: u64, at: u64, fd: u64, res: u64) -> u64 {
    let ty = EventType(what as u16);
    let Some(cpu) = Cpu::current() else { return 0 };
    let n_params = 5 + u16::from(what & IS_RECV != 0);
    let Some(mut rec) = Record::begin(cpu, ty, n_params) else { return 0 };
    rec.flags |= call as u32;
    rec.advance(0);
    let message = Message::put(&rec, what, at, fd, res);
    // Without a message the address is 0, which reads as zeroes.
    let (head, is_read) = Header::read(&rec, at, what & IS_NARROW != 0);
    if !is_read && message.is_there() {
        rec.flags |= flags::FAULTED;
    }
    settle_flags(&mut rec);
    let task = Task::current();
    let noted = Noted::look(&rec, call >> 32, ty);
    if message.is(IS_LAST) {
        Noted::forget(ty);
    }
    let mut used = Used::of(&mut rec, noted, file_of(task, message.fd()));
    settle_socket(&rec, &mut used);
    let (name, len) = head.name();
    if message.ty() == EventType::SENDMSG_X {
        network::pass_noted(&mut rec, noted, name, len);
    } else if message.is(IS_RECV) && message.result() < 0 {
        network::pass(&mut rec, 0, 0);
    } else {
        network::pass(&mut rec, name, len);
    }
    settle_flags(&mut rec);
    if message.is(IS_RECV) && !network::hears(&rec, message.asked(), used.sock) {
        rec.discard();
        cpu.count(u64::from(ty.0), Outcome::Filtered);
        return 0;
    }
    if message.asked() & head::ANSWERS == 0
        && filter::rejects_socket(&rec, ty, message.result(), used.sock)
    {
        if message.asked() & head::DESCRIPTOR != 0 {
            used.tell_past(&mut rec, message.seen());
        }
        filter::discard(cpu, rec, ty);
        return 0;
    }
    store(rec.base, Message::SOCKET, used.sock.at);
    store(rec.base, Message::PACKED, used.sock.packed(0));
    rec.take_over(peregrine_message_params(u64::from(rec.slot), rec.state()));
    if message.asked() & head::DESCRIPTOR != 0 {
        rec.begin_trailer();
        used.section(&mut rec, message.seen());
    }
    rec.submit::<true>(&task.who_is_current());
    0
}

/// The parameters of a message, in the order of its event. Gives the record's state.
#[unsafe(no_mangle)]
#[inline(never)]
pub extern "C" fn peregrine_message_params(slot: u64, state: u64) -> u64 {
    let Some(mut rec) = Record::resume(slot as u32, state) else { return state };
    let message = Message(rec.base);
    let head = Header::of(&rec);
    number(&mut rec, 0, message.result() as u64, 8);
    let mut n = 1;
    if !message.is(IS_ONE) {
        number(&mut rec, n, message.fd() as u64, 8);
        n += 1;
    }
    let n = unknown(&rec, n);
    let mut size = 0;
    if message.is(IS_RECV) {
        if message.result() > 0 {
            size = message.result() as u64;
        }
    } else if head.vector() != 0 {
        let count = head.count(load(rec.base, Message::WHAT));
        match size_of_vector(head.vector(), count, message.result()) {
            Some(sum) => size = sum,
            None => rec.flags |= flags::FAULTED,
        }
    }
    store(rec.base, Message::SIZE, size & 0xffff_ffff);
    let mut n = n;
    if message.ty() != EventType::SENDMSG_X {
        number(&mut rec, n, message.size(), 4);
        n += 1;
    }
    let n = unknown(&rec, n);
    let mut limit = rec.snaplen();
    let moved = message.result();
    if moved > 0 && (moved as u64) < limit {
        limit = moved as u64;
    } else if moved <= 0 && message.is(IS_RECV) {
        limit = 0;
    }
    let limit = unknown(&rec, limit);
    let mut len = 0;
    if message.asked() & head::BUFFER != 0 {
        let count = head.count(load(rec.base, Message::WHAT));
        len = gather(&mut rec, head.vector(), count, limit);
    }
    let len = unknown(&rec, len);
    settle_flags(&mut rec);
    rec.end_at(n, len);
    let mut n = n + 1;
    if message.ty() == EventType::SENDMSG_X {
        number(&mut rec, n, message.fd() as u64, 8);
        number(&mut rec, n + 1, message.size(), 4);
        n += 2;
    }
    let n = unknown(&rec, n);
    if message.is_there() && (!message.is(IS_RECV) || message.result() > 0) {
        let way = if message.is(IS_RECV) { Way::In } else { Way::Out };
        network::tuple(&mut rec, n, message.sock(), way);
    } else {
        rec.end_at(n, 0);
    }
    if message.is(IS_RECV) {
        let (place, len) = head.control();
        let len = if message.result() > 0 { control(&mut rec, place, len) } else { 0 };
        rec.end_at(n + 1, len);
    }
    if message.ty() == EventType::RECVMSG_X {
        number(&mut rec, n + 2, message.fd() as u64, 8);
    }
    rec.state()
}

/// `sendmsg(fd, msg, flags)` and `recvmsg`: one frame. `sendmmsg(fd, vec, n, flags)` and `recvmmsg`: a frame for each message that was moved, one where
/// none was. A run goes through a block of them and calls itself for the next: a loop over all takes the verifier minutes on a slow machine, one inside
/// another too much stack.
#[inline(always)]
pub fn messages(ctx: Ctx) -> Option<()> {
    let cpu = Cpu::current()?;
    let call = Call::at_exit(ctx);
    let ty = cpu.event_type();
    let is_one = ty == EventType::SENDMSG_X || ty == EventType::RECVMSG_X;
    let is_recv = ty == EventType::RECVMSG_X || ty == EventType::RECVMMSG_X;
    let mut what = u64::from(ty.0);
    for (is, bit) in [(call.is_narrow(), IS_NARROW), (is_one, IS_ONE), (is_recv, IS_RECV)] {
        what |= if is { bit } else { 0 };
    }
    let ty = u64::from(ty.0);
    let packed = packed(call);
    let fd = Call::fd(call.a0()) as u64;
    if is_one || call.ret <= 0 {
        let at = if is_one { call.a1() } else { 0 };
        peregrine_message(what | IS_LAST, packed, at, fd, call.ret as u64);
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
