//! The connection family.

use event::{EventType, KernelField as F, Outcome, flags};

use crate::{
    Ctx,
    call::Call,
    early::is_silent,
    file::file_of,
    filter,
    history::Seen,
    maps::Cpu,
    mem::{get, read_user},
    network::{
        EINPROGRESS, Noted, Passed, Used, Way, descriptor_section, pass, pass_noted, section,
        tell_past, tuple,
    },
    record::Record,
    sock::Sock,
    task::Task,
};

const SOCK_NONBLOCK: u32 = 0o4000;
const SOCK_CLOEXEC: u32 = 0o2_000_000;
const PPM_O_NONBLOCK: u32 = 0x40;
const PPM_O_CLOEXEC: u32 = 0x1000;

#[inline(always)]
fn begin(ctx: Ctx, ty: EventType, n_params: u16) -> Option<(Record, Call, Task)> {
    let cpu = Cpu::current()?;
    let call = Call::at_exit(ctx);
    if !filter::tells_past(call.ret) && filter::rejects_result(cpu, ty, call.ret) {
        Noted::forget(ty);
        return None;
    }
    let mut rec = Record::begin(cpu, ty, n_params)?;
    rec.flags |= call.abi;
    rec.advance(0);
    rec.i64(0, call.ret);
    Some((rec, call, Task::current()))
}

/// Ends a call without a frame.
#[inline(always)]
fn give_up(rec: Record, ty: EventType, is_silent: bool) -> Option<()> {
    rec.discard();
    let outcome = if is_silent { Outcome::Filtered } else { Outcome::Rejected };
    Cpu::current()?.count(u64::from(ty.0), outcome);
    None
}

/// `socket(domain, type, protocol)`.
#[inline(always)]
pub fn socket(ctx: Ctx) -> Option<()> {
    // It shows nothing of the past of a socket.
    if filter::rejects_result(Cpu::current()?, EventType::SOCKET_X, Call::at_exit(ctx).ret) {
        return None;
    }
    let (mut rec, call, task) = begin(ctx, EventType::SOCKET_X, 5)?;
    let ty = call.a1() as u32;
    rec.u32(1, call.a0() as u32);
    rec.u32(2, ty);
    rec.u32(3, call.a2() as u32);
    let mut out = 0;
    if ty & SOCK_NONBLOCK != 0 {
        out |= PPM_O_NONBLOCK;
    }
    if ty & SOCK_CLOEXEC != 0 {
        out |= PPM_O_CLOEXEC;
    }
    rec.u32(4, out);
    rec.begin_trailer();
    descriptor_section(&mut rec, file_of(task, call.ret));
    rec.submit::<true>(&task.who_is_current());
    None
}

/// What a connect shows of its socket.
#[inline(always)]
pub fn seen_of_connect(ret: i64) -> Seen {
    match ret {
        0 => Seen::Connect,
        _ if ret == -EINPROGRESS => Seen::ConnectBegun,
        _ => Seen::Nothing,
    }
}

/// `connect(fd, addr, len)`. Of a descriptor that was exchanged under way there is no tuple: what the call did to the socket of its start is
/// not known any more.
#[inline(always)]
pub fn connect(ctx: Ctx) -> Option<()> {
    let (mut rec, call, task) = begin(ctx, EventType::CONNECT_X, 4)?;
    let fd = Call::fd(call.a0());
    let noted = Noted::take(&rec, call, EventType::CONNECT_X);
    let used = Used::of(&mut rec, noted, file_of(task, fd));
    pass_noted(&mut rec, noted, call.a1(), call.a2());
    let ty = EventType::CONNECT_X;
    let seen = seen_of_connect(call.ret);
    let connects = seen != Seen::Nothing;
    let is_silent = is_silent(ty);
    if is_silent || filter::rejects_socket(&rec, ty, call.ret, used.sock) {
        used.tell_past(&mut rec, seen);
        return give_up(rec, ty, is_silent);
    }
    if connects {
        tuple(&mut rec, 1, used.sock, Way::Out);
    } else {
        rec.empty(1);
    }
    rec.i64(2, fd);
    Passed::of(&rec).param(&mut rec, 3);
    rec.begin_trailer();
    used.section(&mut rec, seen);
    rec.submit::<true>(&task.who_is_current());
    None
}

/// `accept(fd, addr, len)` and `accept4(fd, addr, len, flags)`.
#[inline(always)]
pub fn accept(ctx: Ctx) -> Option<()> {
    let cpu = Cpu::current()?;
    let ty = cpu.event_type();
    let n_params = if ty == EventType::ACCEPT4_6_X { 6 } else { 5 };
    let (mut rec, call, task) = begin(ctx, ty, n_params)?;
    let listener = Sock::of(file_of(task, Call::fd(call.a0())));
    let sock = if call.ret >= 0 { Sock::of(file_of(task, call.ret)) } else { listener };
    pass(&mut rec, 0, 0);
    let seen = if call.ret >= 0 { Seen::Accept } else { Seen::Nothing };
    let is_silent = is_silent(ty);
    // Of a call that failed a rule sees no descriptor.
    if is_silent || call.ret >= 0 && filter::rejects_socket(&rec, ty, call.ret, sock) {
        tell_past(&rec, sock, seen);
        return give_up(rec, ty, is_silent);
    }
    if call.ret >= 0 {
        tuple(&mut rec, 1, sock, Way::In);
    } else {
        rec.empty(1);
    }
    let len: u32 = get(listener.at, F::SockAckBacklog);
    let max: u32 = get(listener.at, F::SockMaxAckBacklog);
    rec.u8(2, if max == 0 { 0 } else { (u64::from(len) * 100 / u64::from(max)) as u8 });
    rec.u32(3, len);
    rec.u32(4, max);
    if cpu.event_type() == EventType::ACCEPT4_6_X {
        rec.u32(5, call.a3() as u32);
    }
    rec.begin_trailer();
    section(&mut rec, sock, seen);
    rec.submit::<true>(&task.who_is_current());
    None
}

/// `bind(fd, addr, len)`.
#[inline(always)]
pub fn bind(ctx: Ctx) -> Option<()> {
    let (mut rec, call, task) = begin(ctx, EventType::BIND_X, 3)?;
    let fd = Call::fd(call.a0());
    let noted = Noted::take(&rec, call, EventType::BIND_X);
    let used = Used::of(&mut rec, noted, file_of(task, fd));
    pass_noted(&mut rec, noted, call.a1(), call.a2());
    let passed = Passed::of(&rec);
    let ty = EventType::BIND_X;
    let serves = call.ret == 0 && passed.end_for(used.sock).is_some_and(|end| end.port != 0);
    let seen = if serves { Seen::Bind } else { Seen::Nothing };
    let is_silent = is_silent(ty);
    if is_silent || filter::rejects_socket(&rec, ty, call.ret, used.sock) {
        pass(&mut rec, 0, 0);
        used.tell_past(&mut rec, seen);
        return give_up(rec, ty, is_silent);
    }
    passed.param(&mut rec, 1);
    rec.i64(2, fd);
    rec.begin_trailer();
    // The address is the socket's own end, not the other one.
    pass(&mut rec, 0, 0);
    used.section(&mut rec, seen);
    rec.submit::<true>(&task.who_is_current());
    None
}

/// `listen(fd, backlog)`.
#[inline(always)]
pub fn listen(ctx: Ctx) -> Option<()> {
    let (mut rec, call, task) = begin(ctx, EventType::LISTEN_X, 3)?;
    let fd = Call::fd(call.a0());
    pass(&mut rec, 0, 0);
    let ty = EventType::LISTEN_X;
    let sock = Sock::of(file_of(task, fd));
    let seen = if call.ret == 0 { Seen::Listen } else { Seen::Nothing };
    let is_silent = is_silent(ty);
    if is_silent || filter::is_rejected(ty, call.ret) {
        tell_past(&rec, sock, seen);
        return give_up(rec, ty, is_silent);
    }
    rec.i64(1, fd);
    rec.u32(2, call.a1() as u32);
    rec.begin_trailer();
    section(&mut rec, sock, seen);
    rec.submit::<true>(&task.who_is_current());
    None
}

/// `socketpair(domain, type, protocol, fds)`.
#[inline(always)]
pub fn socketpair(ctx: Ctx) -> Option<()> {
    let (mut rec, call, task) = begin(ctx, EventType::SOCKETPAIR_X, 8)?;
    let mut fds = [-1i64; 2];
    if call.ret == 0 {
        match read_user::<u64>(call.a3()) {
            Some(both) => fds = [Call::fd(both), Call::fd(both >> 32)],
            None => rec.flags |= flags::FAULTED,
        }
    }
    let sock = Sock::of(file_of(task, fds[0]));
    rec.i64(1, fds[0]);
    rec.i64(2, fds[1]);
    rec.u64(3, sock.at);
    rec.u64(4, if sock.at == 0 { 0 } else { sock.unix_peer() });
    rec.u32(5, call.a0() as u32 & 0xff);
    rec.u32(6, call.a1() as u32);
    rec.u32(7, call.a2() as u32);
    rec.begin_trailer();
    pass(&mut rec, 0, 0);
    section(&mut rec, sock, Seen::Nothing);
    rec.submit::<true>(&task.who_is_current());
    None
}
