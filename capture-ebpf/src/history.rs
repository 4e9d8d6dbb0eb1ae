//! What only the past of a socket tells: which end the process is, and the last peer of a datagram socket.
//!
//! Kept in a bounded map by address of the `struct sock` and inode number of the socket. The kernel's cookie would be the natural key, but
//! it is given when somebody first asks for it, so the key of a living socket would change and its past be lost. An address is used again
//! soon, an inode number of the socket file system only after four thousand million others.

use event::sock_flags::{CLIENT, PEER_CHANGED, SERVER};

use crate::{maps::SOCKETS, network::End};

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

/// Looks a socket up and notes what a call showed of it. `remote` is the other end as of this call, port 0 where it has none.
#[inline(always)]
pub fn note(key: Key, seen: u64, is_datagram: bool, is_inet: bool, remote: End) -> Known {
    let found = SOCKETS.get_ptr_mut(key);
    let mut past = Past { addr: [0; 2], port: 0, role: 0 };
    if let Some(p) = found {
        // SAFETY: an entry of the map; one that is replaced meanwhile gives the past of another socket once, as the kernel's LRU map does.
        past = unsafe { p.read_volatile() };
    }
    let known = End { addr: past.addr, port: past.port as u16 };
    let role = role_after(seen, past.role, is_datagram);
    let names_peer = is_inet
        && remote.port != 0
        && (seen == Seen::Connect as u64
            || seen == Seen::Accept as u64
            || (is_datagram && (seen == Seen::Send as u64 || seen == Seen::Receive as u64)));
    let changed = names_peer && remote != known;
    let out = role as u8 | if changed { PEER_CHANGED } else { 0 };
    if changed {
        past.addr = remote.addr;
        past.port = u32::from(remote.port);
    }
    if changed || role != past.role {
        past.role = role;
        match found {
            // SAFETY: as above.
            Some(p) => unsafe { p.write_volatile(past) },
            // Where it fails the past stays unknown, which is what the flags say.
            None => {
                let _ = SOCKETS.insert(key, past, 0);
            }
        }
    }
    Known { flags: out, peer: known }
}
