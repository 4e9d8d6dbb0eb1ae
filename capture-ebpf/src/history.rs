//! What only the past of a socket tells: which end the process is, and the last peer of a datagram socket.
//!
//! Kept in a bounded map by address of the `struct sock` and inode number of the socket. The kernel's cookie would be the natural key, but
//! it is given when somebody first asks for it, so the key of a living socket would change and its past be lost. An address is used again
//! soon, an inode number of the socket file system only after four thousand million others.

use event::{
    cpu_layout, note,
    sock_flags::{CLIENT, PEER_CHANGED, SERVER},
};

/// `BPF_NOEXIST`: an entry that is there stays.
const BPF_NOEXIST: u64 = 1;

use crate::{
    maps::{Cpu, SOCKETS},
    record::NOTE_AT,
    sock::End,
};

/// Which socket.
#[derive(Clone, Copy)]
#[repr(C)]
pub struct Key {
    pub sk: u64,
    pub ino: u64,
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
    if seen == Seen::Connect as u64 {
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

/// Looks a socket up and notes what a call showed of it. `remote` is the other end as of this call, port 0 where it has none.
#[inline(always)]
pub fn note(
    slot: *mut u8,
    key: Key,
    seen: u64,
    is_datagram: bool,
    is_inet: bool,
    remote: End,
) -> Known {
    // SAFETY: inside the slot, behind the note of the call's start.
    let (place, value) = unsafe {
        let place = slot.add(PLACE_AT).cast::<Key>();
        (place, place.add(1).cast::<Past>())
    };
    // SAFETY: as above; a key is two words.
    let found = unsafe {
        place.write_volatile(key);
        SOCKETS.get_ptr_mut(&*place)
    };
    let (mut peer, mut role) = (End { addr: [0; 2], port: 0 }, 0);
    if let Some(p) = found {
        // SAFETY: an entry of the map; one that is replaced meanwhile gives the past of another socket once, as the kernel's LRU map does.
        unsafe {
            peer.addr[0] = (&raw const (*p).addr[0]).read_volatile();
            peer.addr[1] = (&raw const (*p).addr[1]).read_volatile();
            peer.port = (&raw const (*p).port).read_volatile() as u16;
            role = (&raw const (*p).role).read_volatile();
        }
    }
    let new_role = role_after(seen, role, is_datagram);
    let names_peer = is_inet
        && remote.port != 0
        && (seen == Seen::Connect as u64
            || seen == Seen::Accept as u64
            || (is_datagram && (seen == Seen::Send as u64 || seen == Seen::Receive as u64)));
    let changed = names_peer && remote != peer;
    let flags = new_role as u8 | if changed { PEER_CHANGED } else { 0 };
    if changed || new_role != role {
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
