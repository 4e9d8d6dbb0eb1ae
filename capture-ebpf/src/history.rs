//! What only the past of a socket tells: which end the process is, and the last peer of a datagram socket.
//!
//! Kept in a bounded map by address of the `struct sock` and inode number of the socket. The kernel's cookie would be the natural key, but
//! it is given when somebody first asks for it, so the key of a living socket would change and its past be lost. An address is used again
//! soon, an inode number of the socket file system only after four thousand million others.
//!
//! A TCP socket shows by itself which end it is while it has a peer. It gets an entry where it does not: when it is bound or listens, from a connect that
//! goes on behind its call, from a disconnect, and when its listener lets nobody wait.

use event::{
    cpu_layout, note,
    sock_flags::{CLIENT, PEER_CHANGED, SERVER},
};

/// `BPF_NOEXIST`: an entry that is there stays.
const BPF_NOEXIST: u64 = 1;

use crate::{
    maps::{Cpu, SOCKETS},
    record::NOTE_AT,
    sock::{End, Sock, role_of_stream},
};

/// Which socket.
#[derive(Clone, Copy)]
#[repr(C)]
pub struct Key {
    pub sk: u64,
    pub ino: u64,
}

impl Key {
    #[inline(always)]
    pub fn of(sock: Sock) -> Self {
        Self { sk: sock.at, ino: u64::from(sock.ino) }
    }
}

/// What is kept: the last peer, and which end the process is.
#[derive(Clone, Copy)]
#[repr(C)]
pub struct Past {
    addr: [u64; 2],
    port: u32,
    role: u32,
}

/// What a call shows of a socket's past.
#[derive(Clone, Copy, PartialEq, Eq)]
#[repr(u64)]
pub enum Seen {
    /// Nothing: it is only looked up.
    Nothing = 0,
    Connect = 1,
    Accept = 2,
    Listen = 3,
    /// Bound to a port.
    Bind = 4,
    Send = 5,
    Receive = 6,
    /// A connect that goes on behind the call.
    ConnectBegun = 7,
}

#[inline(always)]
fn is_connect(seen: u64) -> bool {
    seen == Seen::Connect as u64 || seen == Seen::ConnectBegun as u64
}

/// What the past says.
pub struct Known {
    /// Bits of the section.
    pub flags: u8,
    /// The last peer.
    pub peer: End,
}

/// The role that a call shows: one that is certain replaces what was known, one that is guessed does not.
#[inline(always)]
fn role_after(seen: u64, known: u32, is_datagram: bool) -> u32 {
    if is_connect(seen) {
        return u32::from(CLIENT);
    }
    if seen == Seen::Accept as u64 || seen == Seen::Listen as u64 || seen == Seen::Bind as u64 {
        return u32::from(SERVER);
    }
    if known != 0 || !is_datagram {
        return known;
    }
    if seen == Seen::Send as u64 {
        u32::from(CLIENT)
    } else if seen == Seen::Receive as u64 {
        u32::from(SERVER)
    } else {
        0
    }
}

/// Where a key and a value for the map are put together: the room on the stack is needed by those who call this.
const PLACE_AT: usize = NOTE_AT + note::LEN;

/// Notes what a socket that was there before shows of its past; what calls have shown since stays. `slot` is the iterator's.
#[inline(always)]
pub fn assume(slot: *mut u8, key: Key, role: u8, remote: End) {
    // SAFETY: inside the slot, as in `note`; a key and a value that were written just now.
    unsafe {
        let place = slot.add(PLACE_AT).cast::<Key>();
        let value = place.add(1).cast::<Past>();
        place.write_volatile(key);
        (&raw mut (*value).addr[0]).write_volatile(remote.addr[0]);
        (&raw mut (*value).addr[1]).write_volatile(remote.addr[1]);
        (&raw mut (*value).port).write_volatile(u32::from(remote.port));
        (&raw mut (*value).role).write_volatile(u32::from(role));
        if SOCKETS.insert(&*place, &*value, BPF_NOEXIST).is_ok() {
            count_noted();
        }
    }
}

#[inline(always)]
fn count_noted() {
    if let Some(cpu) = Cpu::current() {
        cpu.count_word(cpu_layout::SOCKETS_NOTED);
    }
}

/// Which end the process is as a TCP socket itself shows it, as long as it has a peer: most of them need no entry.
#[derive(Clone, Copy)]
pub struct Shown(u32);

impl Shown {
    pub const NOTHING: Self = Self(0);

    #[inline(always)]
    pub fn by(sock: Sock) -> Self {
        if !sock.is_tcp() {
            return Self::NOTHING;
        }
        Self(u32::from(role_of_stream(sock, sock.remote())))
    }

    /// Whether it shows all that a call does, and goes on showing it: a connection that is on its way may fail, which takes the peer away.
    #[inline(always)]
    fn is_all(self, seen: u64, role: u32) -> bool {
        role != 0 && self.0 == role && seen != Seen::ConnectBegun as u64
    }
}

/// Whether a call makes the other end the last peer.
#[inline(always)]
fn names_peer(sock: Sock, seen: u64, remote: End) -> bool {
    sock.is_inet()
        && remote.port != 0
        && (is_connect(seen)
            || seen == Seen::Accept as u64
            || (sock.is_datagram() && (seen == Seen::Send as u64 || seen == Seen::Receive as u64)))
}

/// An entry of the map. One that is replaced meanwhile gives the past of another socket once, as the kernel's LRU map does.
#[inline(always)]
fn load(entry: *const Past) -> (End, u32) {
    // SAFETY: callers pass an entry.
    unsafe {
        let addr = [
            (&raw const (*entry).addr[0]).read_volatile(),
            (&raw const (*entry).addr[1]).read_volatile(),
        ];
        let port = (&raw const (*entry).port).read_volatile() as u16;
        (End { addr, port }, (&raw const (*entry).role).read_volatile())
    }
}

/// Whether a call tells nothing that is not known of its socket: then it need not be noted.
#[inline(always)]
pub fn is_known(sock: Sock, seen: u64, remote: End) -> bool {
    let [high, low] = remote.addr;
    let seen = seen | u64::from(remote.port) << 8;
    peregrine_is_known(sock.at, sock.packed(0), seen, high, low) != 0
}

/// A function that is verified by itself: whatever may have become of the ends would be followed through all of it.
#[unsafe(no_mangle)]
#[inline(never)]
extern "C" fn peregrine_is_known(sk: u64, packed: u64, seen: u64, high: u64, low: u64) -> u64 {
    let sock = Sock::unpacked(sk, packed);
    let (remote, seen) = (End { addr: [high, low], port: (seen >> 8) as u16 }, seen & 0xff);
    // What was accepted just now has no entry.
    if seen == Seen::Accept as u64 {
        return u64::from(Shown::by(sock).is_all(seen, u32::from(SERVER)));
    }
    let key = Key::of(sock);
    let Some(entry) = SOCKETS.get_ptr(&key) else {
        let shown = Shown::by(sock);
        return u64::from(shown.is_all(seen, role_after(seen, shown.0, sock.is_datagram())));
    };
    let (peer, role) = load(entry);
    let has_role = role_after(seen, role, sock.is_datagram()) == role;
    u64::from(has_role && (!names_peer(sock, seen, remote) || remote == peer))
}

/// Looks a socket up and notes what a call showed of it. `remote` is the other end as of this call, port 0 where it has none.
#[inline(always)]
pub fn note(slot: *mut u8, sock: Sock, seen: u64, remote: End, shown: Shown) -> Known {
    // SAFETY: inside the slot, behind the note of the call's start.
    let (place, value) = unsafe {
        let place = slot.add(PLACE_AT).cast::<Key>();
        (place, place.add(1).cast::<Past>())
    };
    // SAFETY: as above; a key is two words.
    let found = unsafe {
        place.write_volatile(Key::of(sock));
        SOCKETS.get_ptr_mut(&*place)
    };
    let (mut peer, mut role) = (End { addr: [0; 2], port: 0 }, shown.0);
    if let Some(p) = found {
        (peer, role) = load(p);
    }
    let new_role = role_after(seen, role, sock.is_datagram());
    let changed = names_peer(sock, seen, remote) && remote != peer;
    let flags = new_role as u8 | if changed { PEER_CHANGED } else { 0 };
    let is_told = changed || new_role != role;
    if is_told && (found.is_some() || !shown.is_all(seen, new_role)) {
        let end = if changed { remote } else { peer };
        let to = found.unwrap_or(value);
        // SAFETY: an entry of the map as above, or the place of the value in the slot.
        unsafe {
            (&raw mut (*to).addr[0]).write_volatile(end.addr[0]);
            (&raw mut (*to).addr[1]).write_volatile(end.addr[1]);
            (&raw mut (*to).port).write_volatile(u32::from(end.port));
            (&raw mut (*to).role).write_volatile(new_role);
        }
        if found.is_none() {
            // SAFETY: a key and a value in the slot. Where it fails the past stays unknown, which is what the flags say.
            let _ = unsafe { SOCKETS.insert(&*place, &*value, 0) };
            count_noted();
        }
    }
    Known { flags, peer }
}
