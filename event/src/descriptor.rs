//! What the history of a savefile tells of a descriptor: the entry of the table that its opening, binding or connecting made.
//!
//! Live frames carry the kernel's own view instead ([`crate::FileFacts`], [`crate::SockFacts`]).

/// Bits of [`DescriptorFacts::flags`].
pub mod descriptor_flags {
    /// A socket of which the process is the client.
    pub const CLIENT: u16 = 1;
    /// A socket of which the process is the server.
    pub const SERVER: u16 = 1 << 1;
    /// The socket is connected.
    pub const CONNECTED: u16 = 1 << 2;
    /// The event gave the descriptor another name.
    pub const NAME_CHANGED: u16 = 1 << 3;
    /// Lives in the upper (writable) layer of an overlay.
    pub const UPPER_LAYER: u16 = 1 << 4;
    /// Lives in a lower layer of an overlay.
    pub const LOWER_LAYER: u16 = 1 << 5;
    /// A connection under way: `connect` returned `EINPROGRESS`.
    pub const PENDING: u16 = 1 << 6;
    /// A socket that is bound or listens, without a peer: only the server's end is known.
    pub const SERVER_SOCKET: u16 = 1 << 7;
    /// The event closed the descriptor.
    pub const CLOSED: u16 = 1 << 8;
    /// The client's address is one of the recorded machine's own: it is the local end, else the remote one.
    pub const CLIENT_IS_LOCAL: u16 = 1 << 9;
    /// The server's address is one of the recorded machine's own, which `fd.is_server` tells.
    pub const SERVER_IS_LOCAL: u16 = 1 << 10;
    /// The one that the call returned or used, which `fd.*` shows. It stands first. Without a kind it is not known: its number is, and the
    /// name is what the event alone tells (the path of an open that failed).
    pub const OWN: u16 = 1 << 11;
}

/// A descriptor, by the history of a savefile. Addresses are in network order, IPv4 in the first four bytes; ports in host order.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct DescriptorFacts<'a> {
    /// Its number; -1 where the call has none, because it failed or names none.
    pub fd: i64,
    /// Inode number, 0 where unknown.
    pub ino: u64,
    /// Device, 0 where unknown.
    pub dev: u32,
    /// `PPM_O_*` that it was opened with.
    pub open_flags: u32,
    /// Kind, as the character that `fd.typechar` shows; 0 where it is not known. A userfaultfd is `U` here, since it shows as a Unix
    /// socket does.
    pub kind: u8,
    /// Transport of a socket: 0 unknown, 1 not applicable (and before its role is known), 2 TCP, 3 UDP, 4 ICMP, 5 raw.
    pub l4: u8,
    /// See [`descriptor_flags`].
    pub flags: u16,
    /// Port of the client's end.
    pub client_port: u16,
    /// Port of the server's end.
    pub server_port: u16,
    /// Address of the client's end; for a Unix socket the source's kernel address in the first eight bytes, little-endian.
    pub client: [u8; 16],
    /// Address of the server's end; for a Unix socket the destination's.
    pub server: [u8; 16],
    /// `fd.name`.
    pub name: &'a [u8],
    /// `fd.nameraw`: a path as the process passed it. Empty where no call of the file passed one.
    pub raw_name: &'a [u8],
}

impl<'a> DescriptorFacts<'a> {
    /// Bytes before the names.
    pub const FIXED_LEN: usize = 72;

    pub(crate) fn from_bytes(b: &'a [u8]) -> Option<Self> {
        let (b, names) = b.split_first_chunk::<{ DescriptorFacts::FIXED_LEN }>()?;
        let u16_at = |at: usize| u16::from_le_bytes([b[at], b[at + 1]]);
        let (name, raw_name) = names.split_at_checked(usize::from(u16_at(64)))?;
        Some(Self {
            fd: i64::from_le_bytes(*b[0..8].as_array()?),
            ino: u64::from_le_bytes(*b[8..16].as_array()?),
            dev: u32::from_le_bytes(*b[16..20].as_array()?),
            open_flags: u32::from_le_bytes(*b[20..24].as_array()?),
            kind: b[24],
            l4: b[25],
            flags: u16_at(26),
            client_port: u16_at(28),
            server_port: u16_at(30),
            client: *b[32..48].as_array()?,
            server: *b[48..64].as_array()?,
            name,
            raw_name,
        })
    }

    /// The part before the names: `i64 fd, u64 ino, u32 dev, u32 open flags, u8 kind, u8 l4, u16 flags, u16 client port, u16 server port,
    /// client[16], server[16], u16 length of the name, 6 zeros`. Name and raw name follow without anything between; a name beyond 65,535
    /// bytes has to be cut before.
    #[must_use]
    pub fn fixed_bytes(&self) -> [u8; DescriptorFacts::FIXED_LEN] {
        let mut b = [0; DescriptorFacts::FIXED_LEN];
        b[0..8].copy_from_slice(&self.fd.to_le_bytes());
        b[8..16].copy_from_slice(&self.ino.to_le_bytes());
        b[16..20].copy_from_slice(&self.dev.to_le_bytes());
        b[20..24].copy_from_slice(&self.open_flags.to_le_bytes());
        b[24] = self.kind;
        b[25] = self.l4;
        b[26..28].copy_from_slice(&self.flags.to_le_bytes());
        b[28..30].copy_from_slice(&self.client_port.to_le_bytes());
        b[30..32].copy_from_slice(&self.server_port.to_le_bytes());
        b[32..48].copy_from_slice(&self.client);
        b[48..64].copy_from_slice(&self.server);
        b[64..66].copy_from_slice(&(self.name.len() as u16).to_le_bytes());
        b
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn facts_survive_their_bytes() {
        let facts = DescriptorFacts {
            fd: 7,
            ino: 1 << 40,
            dev: 0x801,
            open_flags: 3,
            kind: b'4',
            l4: 2,
            flags: descriptor_flags::CLIENT,
            client_port: 40_000,
            server_port: 443,
            client: [1; 16],
            server: [2; 16],
            name: b"1.1.1.1:40000->2.2.2.2:443",
            raw_name: b"raw",
        };
        let bytes = [&facts.fixed_bytes()[..], facts.name, facts.raw_name].concat();
        assert_eq!(DescriptorFacts::from_bytes(&bytes), Some(facts));
        assert_eq!(DescriptorFacts::from_bytes(&bytes[..80]), None);
        assert_eq!(DescriptorFacts::from_bytes(&bytes[..71]), None);
    }
}
