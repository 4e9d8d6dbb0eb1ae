//! What a call passes of a socket address, what it uses of a socket, and the parameters and sections that tell both.

use aya_ebpf::helpers::generated::{bpf_probe_read_kernel, bpf_probe_read_user};
use event::{EventType, KernelField as F, SectionKind, feature, flags, recipe::head, sock_flags};

use crate::{
    call::Call,
    enter::Entry,
    file::File,
    history::{self, Seen, Shown},
    hook::{Addressed, peregrine_addressed},
    maps::SCRATCH,
    mem::{bound, feature_word, get, ptr, read_user, st64},
    record::{Record, SNAPLEN_AT},
    sock::{
        AF_INET, AF_INET6, AF_UNIX, End, NO_SOCK, Sock, TCP_CLOSE, TCP_LISTEN, TCP_SYN_SENT,
        unix_name,
    },
};

pub const EINPROGRESS: i64 = 115;
/// Longest Unix path with a NUL behind it.
const UNIX_PATH: u64 = 109;

/// Bytes of an address that are kept; `struct sockaddr_un` has 110.
const MAX_PASSED: u64 = 128;
/// Words for its length, itself and a NUL.
const PASSED_WORDS: usize = 2 + MAX_PASSED as usize / 8;
/// Where it is kept in a scratch slot.
pub const PASSED_AT: usize = SNAPLEN_AT - 8 * PASSED_WORDS;
/// Bytes of `struct sockaddr_in`.
const INET_LEN: u64 = 16;

/// The address that the process passed, or that the kernel wrote for it; copied once into the slot, so that what is checked is what is told.
#[derive(Clone, Copy)]
pub struct Passed {
    /// Its length, then itself.
    place: *mut u8,
    pub family: u16,
    len: u64,
}

/// The end that an address means to a socket, if it does. Not an `Option`: the verifier refuses a copy of one that is `None`, since its end was never written.
#[derive(Clone, Copy, Default)]
pub struct There {
    pub end: End,
    pub is_there: bool,
}

/// Where an address lies.
#[derive(Clone, Copy, PartialEq, Eq)]
#[repr(u64)]
enum Lies {
    /// In the memory of the process.
    User = 0,
    /// In the slot, in a copy of it that was made when the call started: the address is a place in the slot.
    Slot = 1,
}

/// Copies an address into the slot. Gives [`flags`] for the record.
#[unsafe(no_mangle)]
#[inline(never)]
pub extern "C" fn peregrine_passed(slot: u64, at: u64, len: u64, lies: u64) -> u64 {
    let Some(base) = SCRATCH.get_ptr_mut(slot as u32) else { return 0 };
    // SAFETY: `PASSED_AT` has room for the length, the address and a NUL.
    let place = unsafe { base.cast::<u8>().add(PASSED_AT) };
    // What is read of an address whatever its length: that of IPv6 is the longest.
    let mut n = 0;
    while n < 5 {
        // SAFETY: as above.
        unsafe { st64(place.add(8 * n), 0) };
        n += 1;
    }
    if at == 0 || (len as i32) < 2 {
        return 0;
    }
    let len = bound::<0xff>(if len > MAX_PASSED { MAX_PASSED } else { len });
    if len > MAX_PASSED {
        return 0;
    }
    // SAFETY: at most `MAX_PASSED` bytes behind the length.
    let r = unsafe {
        if lies == Lies::Slot as u64 {
            let copy = base.cast::<u8>().add(bound::<0xffff>(at) as usize);
            bpf_probe_read_kernel(place.add(8).cast(), len as u32, copy.cast())
        } else {
            bpf_probe_read_user(place.add(8).cast(), len as u32, at as *const _)
        }
    };
    if r < 0 {
        return u64::from(flags::FAULTED);
    }
    // SAFETY: as above; eight bytes behind the longest address belong to the place.
    unsafe {
        st64(place.add(8 + bound::<0xff>(len) as usize), 0);
        st64(place, len);
    }
    0
}

#[inline(always)]
fn keep(rec: &mut Record, at: u64, len: u64, lies: Lies) {
    if at == 0 {
        // SAFETY: a word of the slot. Nothing else is read of an address without length.
        return unsafe { rec.base.add(PASSED_AT).cast::<u64>().write_volatile(0) };
    }
    rec.flags |= peregrine_passed(u64::from(rec.slot), at, len, lies as u64) as u32;
}

/// Keeps the address that a call has in its arguments, for the tuple and the section of the record.
#[inline(always)]
pub fn pass(rec: &mut Record, at: u64, len: u64) {
    keep(rec, at, len, Lies::User);
}

/// The same for one that was handed to the kernel: as it was noted where it was, since another thread can rewrite it.
#[inline(always)]
pub fn pass_noted(rec: &mut Record, noted: Noted, at: u64, len: u64) {
    if let Some(hook) = noted.hook {
        // SAFETY: the place has room for the length, the address and a NUL.
        return hook.copy_passed(unsafe { rec.base.add(PASSED_AT) });
    }
    match noted.start {
        Some(entry) => {
            let (at, len) = entry.passed();
            keep(rec, at, len, Lies::Slot);
        }
        None => keep(rec, at, len, Lies::User),
    }
}

/// What was noted of a call before its exit: by a hook while it used its socket, or when it started.
#[derive(Clone, Copy)]
pub struct Noted {
    hook: Option<Addressed>,
    start: Option<Entry>,
}

impl Noted {
    /// Takes the note of this thread's call.
    #[inline(always)]
    pub fn take(rec: &Record, call: Call, ty: EventType) -> Self {
        let hook = Addressed::look(ty);
        if let Some(note) = hook {
            note.drop_note();
        }
        Self { hook, start: Entry::take(rec, call, ty) }
    }

    /// The note, which stays for the next frame of the same call; by the call's number with the bit of its table.
    #[inline(always)]
    pub fn look(rec: &Record, nr: u64, ty: EventType) -> Self {
        Self { hook: Addressed::look(ty), start: Entry::look(rec, nr, ty) }
    }

    /// Drops the note of this thread's call.
    #[inline(always)]
    pub fn forget(ty: EventType) {
        if let Some(note) = Addressed::look(ty) {
            note.drop_note();
        }
        Entry::drop_note(ty);
    }
}

/// Who knows the socket that a call used.
#[derive(Clone, Copy, PartialEq, Eq)]
#[repr(u64)]
enum Knows {
    /// Its descriptor, which is what it was.
    Descriptor = 0,
    /// The note of the start, which is in the slot.
    Start = 1,
    /// The note of a hook, which was put into the slot.
    Hook = 2,
}

/// A socket that a call uses: what was noted of it, and what its descriptor is now.
#[derive(Clone, Copy)]
pub struct Used {
    /// Now; none where the rules are to see that of a note.
    pub sock: Sock,
    knows: Knows,
}

impl Used {
    #[inline(always)]
    pub fn of(rec: &mut Record, noted: Noted, file: File) -> Self {
        if let Some(hook) = noted.hook {
            if !hook.differs(file) {
                return Self { sock: Sock::of(file), knows: Knows::Descriptor };
            }
            rec.flags |= flags::FD_RACED;
            hook.keep(rec);
            return Self { sock: NO_SOCK, knows: Knows::Hook };
        }
        if matches!(noted.start, Some(entry) if entry.raced(rec, file)) {
            return Self { sock: NO_SOCK, knows: Knows::Start };
        }
        Self { sock: Sock::of(file), knows: Knows::Descriptor }
    }

    /// The section: that of the note where the descriptor was exchanged under way.
    #[inline(always)]
    pub fn section(self, rec: &mut Record, seen: Seen) {
        match self.knows {
            Knows::Descriptor => section(rec, self.sock, seen),
            Knows::Start => Entry::in_slot(rec).append_section(rec),
            Knows::Hook => {
                let slot = u64::from(rec.slot);
                rec.take_over(peregrine_addressed(slot, rec.state(), seen as u64));
            }
        }
    }

    /// For a call that makes no frame: what it showed of the past of its socket.
    #[inline(always)]
    pub fn tell_past(self, rec: &mut Record, seen: Seen) {
        if self.knows == Knows::Descriptor {
            tell_past(rec, self.sock, seen);
        } else {
            self.section(rec, seen);
        }
    }
}

impl Passed {
    /// What [`pass`] kept.
    #[inline(always)]
    pub fn of(rec: &Record) -> Self {
        // SAFETY: the slot has it there.
        Self::at(unsafe { rec.base.add(PASSED_AT) })
    }

    /// One that lies behind its length, with room for that of IPv6.
    #[inline(always)]
    pub fn at(place: *mut u8) -> Self {
        // SAFETY: two words, as the caller says.
        let (len, family) = unsafe {
            (place.cast::<u64>().read_volatile(), place.add(8).cast::<u16>().read_volatile())
        };
        Self { place, family: if len < 2 { 0 } else { family }, len }
    }

    #[inline(always)]
    fn word<T: Copy>(self, at: usize) -> T {
        // SAFETY: constants within the address, each at its own alignment.
        unsafe { self.place.add(8 + at).cast::<T>().read_volatile() }
    }

    /// The address as one of a family.
    #[inline(always)]
    fn end(self, family: u16) -> End {
        let port = u16::from_be(self.word(2));
        if family == AF_INET6 {
            return End { addr: [self.word(8), self.word(16)], port };
        }
        End { addr: [u64::from(self.word::<u32>(4)), 0], port }
    }

    /// The address as the kernel takes it for a socket: one of IPv4 on an IPv6 socket is mapped, and one without a family on an IPv4
    /// datagram socket is one of IPv4 (`udp_sendmsg`, net/ipv4/udp.c).
    #[inline(always)]
    pub fn end_for(self, sock: Sock) -> Option<End> {
        if !sock.is_inet() || self.len < INET_LEN {
            return None;
        }
        if self.family == sock.family {
            return Some(self.end(sock.family));
        }
        if sock.family == AF_INET6 && self.family == AF_INET {
            let v4 = self.end(AF_INET);
            return Some(End { addr: [0, 0xffff_0000 | v4.addr[0] << 32], port: v4.port });
        }
        if sock.family == AF_INET && self.family == 0 && sock.is_datagram() {
            return Some(self.end(AF_INET));
        }
        None
    }

    #[inline(always)]
    pub fn there(self, sock: Sock) -> There {
        self.end_for(sock).map_or_else(There::default, |end| There { end, is_there: true })
    }

    /// Address of a Unix path in the slot, without the leading NUL of an abstract one; 0 where there is none.
    #[inline(always)]
    pub fn unix_path(self) -> u64 {
        if self.family != AF_UNIX || self.len <= 2 {
            return 0;
        }
        let path = self.place as u64 + 8 + 2;
        if self.word::<u8>(2) == 0 { path + 1 } else { path }
    }

    /// Appends a `SOCKADDR` parameter.
    #[inline(always)]
    pub fn param(self, rec: &mut Record, n: usize) {
        let mark = rec.mark();
        match self.family {
            0 => {}
            AF_INET | AF_INET6 => {
                rec.push8(self.family as u8);
                push_end(rec, self.family, self.end(self.family));
            }
            AF_UNIX => {
                rec.push8(AF_UNIX as u8);
                let path = self.unix_path();
                let len = if path != 0 { rec.short_kernel_text(path, UNIX_PATH) } else { 0 };
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

/// Which way a tuple goes.
#[derive(Clone, Copy, PartialEq, Eq)]
#[repr(u64)]
pub enum Way {
    /// From the local end to the remote one.
    Out = 0,
    /// From the remote end to the local one.
    In = 1,
}

/// The other end: the socket's own peer, or the address in the slot where the socket has none or each message may have another. And whether
/// it is the socket's own.
#[inline(always)]
fn remote_end(sock: Sock, passed: Passed) -> (End, bool) {
    remote_of(sock, sock.remote(), passed.there(sock))
}

/// The same of the two.
#[inline(always)]
pub fn remote_of(sock: Sock, own: End, there: There) -> (End, bool) {
    if (own.port == 0 || sock.is_datagram()) && there.is_there && there.end != own {
        return (there.end, false);
    }
    (own, own.port != 0)
}

/// A `SOCKTUPLE` parameter, its number in the high half of `place`. Gives the record's state.
#[unsafe(no_mangle)]
#[inline(never)]
pub extern "C" fn peregrine_tuple(place: u64, state: u64, sk: u64, packed: u64) -> u64 {
    let Some(mut rec) = Record::resume(place as u32, state) else { return state };
    let sock = Sock::unpacked(sk, packed);
    let is_out = packed >> 16 & 0xff == Way::Out as u64;
    let passed = Passed::of(&rec);
    let mark = rec.mark();
    if sock.is_inet() {
        let local = sock.local();
        let (remote, _) = remote_end(sock, passed);
        let (source, dest) = if is_out { (local, remote) } else { (remote, local) };
        rec.push8(sock.family as u8);
        push_end(&mut rec, sock.family, source);
        push_end(&mut rec, sock.family, dest);
    } else if sock.family == AF_UNIX {
        rec.push8(AF_UNIX as u8);
        let peer = sock.unix_peer();
        let (source, dest) = if is_out { (sock.at, peer) } else { (peer, sock.at) };
        rec.push64(source);
        rec.push64(dest);
        let mut name = unix_name(dest);
        if name == 0 && is_out {
            name = passed.unix_path();
        }
        let len = if name != 0 { rec.short_kernel_text(name, UNIX_PATH) } else { 0 };
        rec.advance(len);
    }
    rec.end_since(place >> 32, mark);
    rec.state()
}

/// The `Sock` section. Gives the record's state.
#[unsafe(no_mangle)]
#[inline(never)]
pub extern "C" fn peregrine_sock(slot: u64, state: u64, sk: u64, packed: u64) -> u64 {
    let Some(mut rec) = Record::resume(slot as u32, state) else { return state };
    let sock = Sock::unpacked(sk, packed);
    let passed = Passed::of(&rec);
    let seen = packed >> 16 & 0xff;
    let mut out = if seen == Seen::Accept as u64 { sock_flags::ACCEPTED } else { 0 };
    let state: u8 = get(sock.at, F::SockState);
    let (mut remote, is_own) = remote_end(sock, passed);
    // A connection under way and one that failed have a peer, too.
    let is_up = state != TCP_SYN_SENT && state != TCP_CLOSE;
    if (is_own && is_up) || (sock.family == AF_UNIX && sock.unix_peer() != 0) {
        out |= sock_flags::CONNECTED;
    }
    if state == TCP_LISTEN {
        out |= sock_flags::LISTENING;
    }
    if feature_word(feature::SOCKET_HISTORY) != 0 {
        let past = history::note(rec.base, sock, seen, remote, Shown::by(sock));
        out |= past.flags;
        if remote.port == 0 {
            remote = past.peer;
        }
    }
    let at = rec.section();
    let cookie = get(sock.at, F::SockCookie);
    let (protocol, local) = (sock.protocol(), sock.local());
    push_facts(&mut rec, sock, &Facts { cookie, protocol, local, remote, state, out });
    if sock.family == AF_UNIX {
        let mut name = unix_name(sock.at);
        if name == 0 {
            name = unix_name(sock.unix_peer());
        }
        if name == 0 {
            name = passed.unix_path();
        }
        if name != 0 {
            push_unix_name(&mut rec, name);
        }
    }
    rec.end_section(SectionKind::Sock, at);
    rec.state()
}

/// Notes what a call showed of the past of its socket, and nothing else.
#[unsafe(no_mangle)]
#[inline(never)]
pub extern "C" fn peregrine_past(slot: u64, sk: u64, packed: u64) -> u64 {
    let Some(rec) = Record::resume(slot as u32, 0) else { return 0 };
    let sock = Sock::unpacked(sk, packed);
    let (remote, _) = remote_end(sock, Passed::of(&rec));
    let seen = packed >> 16 & 0xff;
    history::note(rec.base, sock, seen, remote, Shown::by(sock));
    0
}

/// The same of a socket. The address that goes with it was kept by [`pass`].
#[inline(always)]
pub fn tell_past(rec: &Record, sock: Sock, seen: Seen) {
    if feature_word(feature::SOCKET_HISTORY) != 0 && sock.at != 0 {
        peregrine_past(u64::from(rec.slot), sock.at, sock.packed(seen as u64));
    }
}

/// What a `Sock` section tells of a socket beside what a [`Sock`] is.
pub struct Facts {
    pub cookie: u64,
    pub protocol: u16,
    pub local: End,
    pub remote: End,
    pub state: u8,
    /// Bits of [`sock_flags`].
    pub out: u8,
}

/// The part of a `Sock` section before the name.
#[inline(always)]
pub fn push_facts(rec: &mut Record, sock: Sock, facts: &Facts) {
    rec.push64(facts.cookie);
    rec.push16(sock.family);
    rec.push16(sock.ty);
    rec.push16(facts.protocol);
    rec.push16(facts.local.port);
    rec.push16(facts.remote.port);
    rec.push16(u16::from(facts.state) | u16::from(facts.out) << 8);
    rec.push32(0);
    rec.push64(facts.local.addr[0]);
    rec.push64(facts.local.addr[1]);
    rec.push64(facts.remote.addr[0]);
    rec.push64(facts.remote.addr[1]);
}

/// The name of a Unix socket at the end of a `Sock` section, without a NUL.
#[inline(always)]
pub fn push_unix_name(rec: &mut Record, name: u64) {
    let len = rec.short_kernel_text(name, UNIX_PATH);
    rec.advance(if len > 0 { len - 1 } else { 0 });
}

/// Port of name servers, and what is kept of their answers: more than they put into a datagram unless told to (RFC 9715).
const DOMAIN: u16 = 53;
const ANSWER_LEN: u64 = 2048;

/// Whether a call that receives is to make a frame, for one that is asked for the answers of name servers; then those are kept whole. The
/// address that goes with it was kept by [`pass`].
#[inline(always)]
pub fn hears(rec: &Record, asked: u32, sock: Sock) -> bool {
    if feature_word(feature::ANSWERS) == 0 || asked & head::ANSWERS == 0 {
        return true;
    }
    if sock.at != 0 && sock.is_inet() && remote_end(sock, Passed::of(rec)).0.port == DOMAIN {
        rec.keep(ANSWER_LEN);
        return true;
    }
    asked & head::ONLY_ANSWERS == 0
}

/// Whether a message that was received is certainly not of a name server: one for which `hears` finds another port, without a copy of the address, which
/// lies at `at`, 0 for nowhere.
#[inline(always)]
pub fn is_no_answer(file: File, at: u64) -> bool {
    if file.0 == 0 || !file.is_socket() {
        return false;
    }
    let sk = ptr(ptr(file.0, F::FilePrivate), F::SocketSk);
    if u16::from_be(get(sk, F::SockDport)) == DOMAIN {
        return false;
    }
    // Family and port.
    at == 0 || read_user::<u32>(at).is_some_and(|word| u16::from_be((word >> 16) as u16) != DOMAIN)
}

/// Parameter `n`: a tuple; empty where the descriptor is no socket. The address that goes with it was kept by [`pass`].
#[inline(always)]
pub fn tuple(rec: &mut Record, n: u64, sock: Sock, way: Way) {
    if sock.at == 0 {
        return rec.end_at(n, 0);
    }
    let place = u64::from(rec.slot) | n << 32;
    rec.take_over(peregrine_tuple(place, rec.state(), sock.at, sock.packed(way as u64)));
}

/// The `Sock` section of a call at which something was seen of the socket. The address that goes with it was kept by [`pass`].
#[inline(always)]
pub fn section(rec: &mut Record, sock: Sock, seen: Seen) {
    if sock.at == 0 {
        return;
    }
    let slot = u64::from(rec.slot);
    rec.take_over(peregrine_sock(slot, rec.state(), sock.at, sock.packed(seen as u64)));
}

/// The `Sock` section of a descriptor that the call used.
#[inline(always)]
pub fn descriptor_section(rec: &mut Record, file: File) {
    pass(rec, 0, 0);
    section(rec, Sock::of(file), Seen::Nothing);
}

/// The `Sock` section of a descriptor at the start of a call, with the address that was passed and copied to a place in the slot.
#[inline(always)]
pub fn section_at_start(rec: &mut Record, file: File, at: u64, len: u64) {
    keep(rec, at, len, Lies::Slot);
    section(rec, Sock::of(file), Seen::Nothing);
}
