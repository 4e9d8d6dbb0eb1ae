//! The connection family, and the identity of sockets: family, type, protocol, both endpoints, the name of a Unix socket.

use event::{EventType, FileKind, KernelField as F, SectionKind, sock_flags};

use crate::{
    Ctx,
    call::Call,
    enter::Entry,
    file::{File, Inode, file_of},
    maps::Cpu,
    mem::{field, get, has, ptr, read, read_user},
    record::Record,
    task::Task,
};

const AF_UNIX: u16 = 1;
const AF_INET: u16 = 2;
const AF_INET6: u16 = 10;
const TCP_LISTEN: u8 = 10;
const EINPROGRESS: i64 = 115;
const SOCK_NONBLOCK: u32 = 0o4000;
const SOCK_CLOEXEC: u32 = 0o2_000_000;
const PPM_O_NONBLOCK: u32 = 0x40;
const PPM_O_CLOEXEC: u32 = 0x1000;
/// Longest Unix path with a NUL behind it.
const UNIX_PATH: u64 = 109;

/// One end: the address in network order (IPv4 in the first four bytes), the port in host order.
#[derive(Clone, Copy, Default)]
struct End {
    addr: [u64; 2],
    port: u16,
}

/// Address of a `struct sock`, 0 where the descriptor is no socket.
#[derive(Clone, Copy)]
struct Sock {
    at: u64,
    family: u16,
    ty: u16,
}

impl Sock {
    #[inline(always)]
    fn of(file: File) -> Self {
        if file.0 == 0 || Inode::at(ptr(file.0, F::FileInode)).kind() != FileKind::Socket {
            return Self { at: 0, family: 0, ty: 0 };
        }
        let socket = ptr(file.0, F::FilePrivate);
        let at = ptr(socket, F::SocketSk);
        Self { at, family: get(at, F::SockFamily), ty: get(socket, F::SocketType) }
    }

    #[inline(always)]
    fn protocol(self) -> u16 {
        if has(F::SockProtocolWidth) && field(F::SockProtocolWidth) == 1 {
            return u16::from(get::<u8>(self.at, F::SockProtocol));
        }
        get(self.at, F::SockProtocol)
    }

    #[inline(always)]
    fn local(self) -> End {
        let port = get(self.at, F::SockNum);
        End { addr: self.addr(F::SockRcvSaddr, F::SockV6RcvSaddr), port }
    }

    #[inline(always)]
    fn remote(self) -> End {
        let port = u16::from_be(get(self.at, F::SockDport));
        End { addr: self.addr(F::SockDaddr, F::SockV6Daddr), port }
    }

    #[inline(always)]
    fn addr(self, v4: F, v6: F) -> [u64; 2] {
        match self.family {
            AF_INET => [u64::from(get::<u32>(self.at, v4)), 0],
            AF_INET6 => get(self.at, v6),
            _ => [0; 2],
        }
    }

    #[inline(always)]
    fn is_inet(self) -> bool {
        self.family == AF_INET || self.family == AF_INET6
    }

    /// Other end of a Unix socket.
    #[inline(always)]
    fn unix_peer(self) -> u64 {
        ptr(self.at, F::UnixPeer)
    }
}

/// Address of the bound name of a Unix socket, 0 where it has none. An abstract name is given without its leading NUL.
#[inline(always)]
fn unix_name(sk: u64) -> u64 {
    let addr = ptr(sk, F::UnixAddr);
    if addr == 0 {
        return 0;
    }
    let path = addr + field(F::UnixAddrName) + 2;
    if read::<u8>(path) == 0 { path + 1 } else { path }
}

/// The address that the process passed.
#[derive(Clone, Copy)]
struct Passed {
    at: u64,
    family: u16,
    end: End,
    lies: Lies,
}

/// Where an address lies.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Lies {
    /// In the memory of the process.
    User,
    /// In a copy of it that was made when the call started.
    Kernel,
}

impl Passed {
    #[inline(always)]
    fn read(at: u64, len: u64, lies: Lies) -> Self {
        let mut this = Self { at, family: 0, end: End::default(), lies };
        if at == 0 || (len as i32) < 2 {
            return this;
        }
        this.family = this.part::<u16>(0);
        match this.family {
            AF_INET => {
                this.end.addr[0] = u64::from(this.part::<u32>(4));
            }
            AF_INET6 => this.end.addr = this.part(8),
            _ => return this,
        }
        this.end.port = u16::from_be(this.part(2));
        this
    }

    /// What the call was handed: as it was at its start where that was noted, since another thread can rewrite it.
    #[inline(always)]
    fn of(noted: Option<Entry>, at: u64, len: u64) -> Self {
        match noted {
            Some(entry) => {
                let (at, len) = entry.passed();
                Self::read(at, len, Lies::Kernel)
            }
            None => Self::read(at, len, Lies::User),
        }
    }

    /// A part of the address, 0 where it faults.
    #[inline(always)]
    fn part<T: Copy + Default>(self, offset: u64) -> T {
        if self.lies == Lies::Kernel {
            read(self.at + offset)
        } else {
            read_user(self.at + offset).unwrap_or_default()
        }
    }

    /// Appends a Unix path, without the leading NUL of an abstract one, and without ending a parameter; gives its length.
    #[inline(always)]
    fn unix_text(self, rec: &mut Record) -> u64 {
        let path = self.at + 2 + u64::from(self.part::<u8>(2) == 0);
        if self.lies == Lies::Kernel {
            rec.short_kernel_text(path, UNIX_PATH)
        } else {
            rec.short_user_text(path, UNIX_PATH)
        }
    }

    /// Appends a `SOCKADDR` parameter.
    #[inline(always)]
    fn param(self, rec: &mut Record, n: usize) {
        let mark = rec.mark();
        match self.family {
            0 => {}
            AF_INET | AF_INET6 => {
                rec.push8(self.family as u8);
                push_end(rec, self.family, self.end);
            }
            AF_UNIX => {
                rec.push8(AF_UNIX as u8);
                let len = self.unix_text(rec);
                rec.advance(len);
            }
            other => rec.push8(other as u8),
        }
        rec.end_from(n, mark);
    }
}

#[inline(always)]
fn push_end(rec: &mut Record, family: u16, end: End) {
    if family == AF_INET {
        rec.push32(end.addr[0] as u32);
    } else {
        rec.push64(end.addr[0]);
        rec.push64(end.addr[1]);
    }
    rec.push16(end.port);
}

/// Which end the process is.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Role {
    Client,
    Server,
}

/// A `SOCKTUPLE` parameter: client, then server.
#[inline(always)]
fn tuple(rec: &mut Record, n: usize, sock: Sock, role: Role, passed: Passed) {
    let mark = rec.mark();
    if sock.is_inet() {
        let local = sock.local();
        let mut remote = sock.remote();
        if remote.port == 0 && role == Role::Client && passed.family == sock.family {
            remote = passed.end;
        }
        let (source, dest) = match role {
            Role::Client => (local, remote),
            Role::Server => (remote, local),
        };
        rec.push8(sock.family as u8);
        push_end(rec, sock.family, source);
        push_end(rec, sock.family, dest);
    } else if sock.family == AF_UNIX {
        rec.push8(AF_UNIX as u8);
        let peer = sock.unix_peer();
        let (source, dest) = match role {
            Role::Client => (sock.at, peer),
            Role::Server => (peer, sock.at),
        };
        rec.push64(source);
        rec.push64(dest);
        let name = unix_name(dest);
        let len = if name != 0 {
            rec.short_kernel_text(name, UNIX_PATH)
        } else if role == Role::Client && passed.family == AF_UNIX {
            passed.unix_text(rec)
        } else {
            0
        };
        rec.advance(len);
    }
    rec.end_from(n, mark);
}

/// The `Sock` section.
#[inline(always)]
fn section(rec: &mut Record, sock: Sock, passed: Passed, accepted: u8) {
    if sock.at == 0 {
        return;
    }
    let state: u8 = get(sock.at, F::SockState);
    let mut remote = sock.remote();
    let mut flags = accepted;
    if sock.family == AF_UNIX {
        if sock.unix_peer() != 0 {
            flags |= sock_flags::CONNECTED;
        }
    } else if remote.port != 0 {
        flags |= sock_flags::CONNECTED;
    } else if passed.family == sock.family {
        remote = passed.end;
    }
    if state == TCP_LISTEN {
        flags |= sock_flags::LISTENING;
    }
    let local = sock.local();
    let at = rec.section();
    rec.push64(get(sock.at, F::SockCookie));
    rec.push16(sock.family);
    rec.push16(sock.ty);
    rec.push16(sock.protocol());
    rec.push16(local.port);
    rec.push16(remote.port);
    rec.push16(u16::from(state) | u16::from(flags) << 8);
    rec.push32(0);
    rec.push64(local.addr[0]);
    rec.push64(local.addr[1]);
    rec.push64(remote.addr[0]);
    rec.push64(remote.addr[1]);
    if sock.family == AF_UNIX {
        let own = unix_name(sock.at);
        let name = if own != 0 { own } else { unix_name(sock.unix_peer()) };
        let len = if name != 0 { rec.short_kernel_text(name, UNIX_PATH) } else { 0 };
        rec.advance(if len > 0 { len - 1 } else { 0 });
    }
    rec.end_section(SectionKind::Sock, at);
}

/// The `Sock` section of a descriptor that the call used.
#[inline(always)]
pub fn descriptor_section(rec: &mut Record, file: File) {
    section(rec, Sock::of(file), NOTHING, 0);
}

/// The `Sock` section of a descriptor at the start of a call, with the address that was passed and copied to `at`.
#[inline(always)]
pub fn section_at_start(rec: &mut Record, file: File, at: u64, len: u64) {
    section(rec, Sock::of(file), Passed::read(at, len, Lies::Kernel), 0);
}

const NOTHING: Passed =
    Passed { at: 0, family: 0, end: End { addr: [0; 2], port: 0 }, lies: Lies::User };

#[inline(always)]
fn begin(ctx: Ctx, ty: EventType, n_params: u16) -> Option<(Record, Call, Task)> {
    let cpu = Cpu::current()?;
    let call = Call::at_exit(ctx);
    let mut rec = Record::begin(cpu, ty, n_params)?;
    rec.flags |= call.abi;
    rec.i64(0, call.ret);
    Some((rec, call, Task::current()))
}

/// `socket(domain, type, protocol)`.
#[inline(always)]
pub fn socket(ctx: Ctx) -> Option<()> {
    let (mut rec, call, task) = begin(ctx, EventType::SOCKET_X, 5)?;
    let ty = call.a1() as u32;
    rec.u32(1, call.a0() as u32);
    rec.u32(2, ty);
    rec.u32(3, call.a2() as u32);
    let mut flags = 0;
    if ty & SOCK_NONBLOCK != 0 {
        flags |= PPM_O_NONBLOCK;
    }
    if ty & SOCK_CLOEXEC != 0 {
        flags |= PPM_O_CLOEXEC;
    }
    rec.u32(4, flags);
    rec.begin_trailer();
    section(&mut rec, Sock::of(file_of(task, call.ret)), NOTHING, 0);
    rec.submit::<true>(&task.who_is_current());
    None
}

/// `connect(fd, addr, len)`. Of a descriptor that was exchanged under way there is no tuple: what the call did to the socket of its start is
/// not known any more.
#[inline(always)]
pub fn connect(ctx: Ctx) -> Option<()> {
    let (mut rec, call, task) = begin(ctx, EventType::CONNECT_X, 4)?;
    let fd = Call::fd(call.a0());
    let noted = Entry::take(&rec, call, EventType::CONNECT_X);
    let file = file_of(task, fd);
    let raced = matches!(noted, Some(entry) if entry.raced(&mut rec, file));
    let sock = Sock::of(file);
    let passed = Passed::of(noted, call.a1(), call.a2());
    if !raced && (call.ret == 0 || call.ret == -EINPROGRESS) {
        tuple(&mut rec, 1, sock, Role::Client, passed);
    } else {
        rec.empty(1);
    }
    rec.i64(2, fd);
    passed.param(&mut rec, 3);
    rec.begin_trailer();
    match noted {
        Some(entry) if raced => entry.append_section(&mut rec),
        _ => section(&mut rec, sock, passed, 0),
    }
    rec.submit::<true>(&task.who_is_current());
    None
}

/// `accept(fd, addr, len)` and `accept4(fd, addr, len, flags)`.
#[inline(always)]
pub fn accept<const FLAGS: bool>(ctx: Ctx) -> Option<()> {
    let (ty, n) = if FLAGS { (EventType::ACCEPT4_6_X, 6) } else { (EventType::ACCEPT_5_X, 5) };
    let (mut rec, call, task) = begin(ctx, ty, n)?;
    let listener = Sock::of(file_of(task, Call::fd(call.a0())));
    let sock = if call.ret >= 0 { Sock::of(file_of(task, call.ret)) } else { listener };
    if call.ret >= 0 {
        tuple(&mut rec, 1, sock, Role::Server, NOTHING);
    } else {
        rec.empty(1);
    }
    let len: u32 = get(listener.at, F::SockAckBacklog);
    let max: u32 = get(listener.at, F::SockMaxAckBacklog);
    rec.u8(2, if max == 0 { 0 } else { (u64::from(len) * 100 / u64::from(max)) as u8 });
    rec.u32(3, len);
    rec.u32(4, max);
    if FLAGS {
        rec.u32(5, call.a3() as u32);
    }
    rec.begin_trailer();
    section(&mut rec, sock, NOTHING, if call.ret >= 0 { sock_flags::ACCEPTED } else { 0 });
    rec.submit::<true>(&task.who_is_current());
    None
}

/// `bind(fd, addr, len)`.
#[inline(always)]
pub fn bind(ctx: Ctx) -> Option<()> {
    let (mut rec, call, task) = begin(ctx, EventType::BIND_X, 3)?;
    let fd = Call::fd(call.a0());
    Passed::read(call.a1(), call.a2(), Lies::User).param(&mut rec, 1);
    rec.i64(2, fd);
    rec.begin_trailer();
    section(&mut rec, Sock::of(file_of(task, fd)), NOTHING, 0);
    rec.submit::<true>(&task.who_is_current());
    None
}

/// `listen(fd, backlog)`.
#[inline(always)]
pub fn listen(ctx: Ctx) -> Option<()> {
    let (mut rec, call, task) = begin(ctx, EventType::LISTEN_X, 3)?;
    let fd = Call::fd(call.a0());
    rec.i64(1, fd);
    rec.u32(2, call.a1() as u32);
    rec.begin_trailer();
    section(&mut rec, Sock::of(file_of(task, fd)), NOTHING, 0);
    rec.submit::<true>(&task.who_is_current());
    None
}
