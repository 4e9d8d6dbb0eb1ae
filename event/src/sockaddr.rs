//! Socket addresses and tuples as parameters encode them.
//!
//! `SOCKADDR` = `u8 family` + (IPv4: `ip[4], u16 port` | IPv6: `ip[16], u16 port` | Unix: path and NUL);
//! `SOCKTUPLE` = `u8 family` + (IPv4: `sip[4] u16 sport dip[4] u16 dport` | IPv6 alike | Unix: `u64 src, u64 dst`, path and NUL).
//! Addresses are in network order, ports in host order. "Source" is the client's side.

use core::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

const AF_UNIX: u8 = 1;
const AF_INET: u8 = 2;
const AF_INET6: u8 = 10;

/// A decoded socket address.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SockAddr<'a> {
    /// IPv4 or IPv6.
    Inet(SocketAddr),
    /// Unix path, without NUL.
    Unix(&'a [u8]),
    /// Another family, its number.
    Other(u8),
}

/// A decoded socket tuple.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SockTuple<'a> {
    /// IPv4 or IPv6; both ends are of one family.
    Inet {
        /// Client.
        source: SocketAddr,
        /// Server.
        dest: SocketAddr,
    },
    /// Unix: kernel addresses of both ends, and the path.
    Unix {
        /// Client.
        source: u64,
        /// Server.
        dest: u64,
        /// Path without NUL.
        path: &'a [u8],
    },
    /// Another family, its number.
    Other(u8),
}

const MAX_HEAD: usize = 37;

fn unix_path(b: &[u8]) -> &[u8] {
    b.strip_suffix(&[0]).unwrap_or(b)
}

fn v4_at(b: &[u8], at: usize) -> Option<SocketAddr> {
    let ip: [u8; 4] = *b.get(at..at + 4)?.as_array()?;
    let port = u16::from_le_bytes(*b.get(at + 4..at + 6)?.as_array()?);
    Some(SocketAddr::new(IpAddr::V4(Ipv4Addr::from(ip)), port))
}

fn v6_at(b: &[u8], at: usize) -> Option<SocketAddr> {
    let ip: [u8; 16] = *b.get(at..at + 16)?.as_array()?;
    let port = u16::from_le_bytes(*b.get(at + 16..at + 18)?.as_array()?);
    Some(SocketAddr::new(IpAddr::V6(Ipv6Addr::from(ip)), port))
}

fn put_inet(head: &mut [u8; MAX_HEAD], at: usize, addr: SocketAddr) -> usize {
    let end = match addr.ip() {
        IpAddr::V4(ip) => {
            head[at..at + 4].copy_from_slice(&ip.octets());
            at + 4
        }
        IpAddr::V6(ip) => {
            head[at..at + 16].copy_from_slice(&ip.octets());
            at + 16
        }
    };
    head[end..end + 2].copy_from_slice(&addr.port().to_le_bytes());
    end + 2
}

fn family_of(addr: SocketAddr) -> u8 {
    if addr.is_ipv4() { AF_INET } else { AF_INET6 }
}

impl<'a> SockAddr<'a> {
    /// Decodes a parameter; `None` where it is empty or cut.
    #[must_use]
    pub fn decode(b: &'a [u8]) -> Option<Self> {
        let (&family, rest) = b.split_first()?;
        Some(match family {
            AF_INET => Self::Inet(v4_at(rest, 0)?),
            AF_INET6 => Self::Inet(v6_at(rest, 0)?),
            AF_UNIX => Self::Unix(unix_path(rest)),
            other => Self::Other(other),
        })
    }

    /// Fixed part, its length, and the path that follows it (without its NUL, which the writer adds).
    pub(crate) fn encode(&self) -> ([u8; MAX_HEAD], usize, &'a [u8]) {
        let mut head = [0; MAX_HEAD];
        match *self {
            Self::Inet(addr) => {
                head[0] = family_of(addr);
                let n = put_inet(&mut head, 1, addr);
                (head, n, b"")
            }
            Self::Unix(path) => {
                head[0] = AF_UNIX;
                (head, 1, path)
            }
            Self::Other(family) => {
                head[0] = family;
                (head, 1, b"")
            }
        }
    }
}

impl<'a> SockTuple<'a> {
    /// Decodes a parameter; `None` where it is empty or cut.
    #[must_use]
    pub fn decode(b: &'a [u8]) -> Option<Self> {
        let (&family, rest) = b.split_first()?;
        Some(match family {
            AF_INET => Self::Inet { source: v4_at(rest, 0)?, dest: v4_at(rest, 6)? },
            AF_INET6 => Self::Inet { source: v6_at(rest, 0)?, dest: v6_at(rest, 18)? },
            AF_UNIX => Self::Unix {
                source: u64::from_le_bytes(*rest.get(0..8)?.as_array()?),
                dest: u64::from_le_bytes(*rest.get(8..16)?.as_array()?),
                path: unix_path(rest.get(16..)?),
            },
            other => Self::Other(other),
        })
    }

    pub(crate) fn encode(&self) -> ([u8; MAX_HEAD], usize, &'a [u8]) {
        let mut head = [0; MAX_HEAD];
        match *self {
            Self::Inet { source, dest } => {
                head[0] = family_of(source);
                let n = put_inet(&mut head, 1, source);
                let n = put_inet(&mut head, n, dest);
                (head, n, b"")
            }
            Self::Unix { source, dest, path } => {
                head[0] = AF_UNIX;
                head[1..9].copy_from_slice(&source.to_le_bytes());
                head[9..17].copy_from_slice(&dest.to_le_bytes());
                (head, 17, path)
            }
            Self::Other(family) => {
                head[0] = family;
                (head, 1, b"")
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tuples_round_trip_for_both_families() {
        for (source, dest) in [("10.0.0.5:40000", "1.2.3.4:443"), ("[::1]:9", "[fe80::2]:65535")] {
            let tuple =
                SockTuple::Inet { source: source.parse().unwrap(), dest: dest.parse().unwrap() };
            let (head, n, _) = tuple.encode();
            assert_eq!(SockTuple::decode(&head[..n]), Some(tuple));
            for cut in 1..n {
                assert_eq!(SockTuple::decode(&head[..cut]), None);
            }
        }
        assert_eq!(SockTuple::decode(b""), None);
    }

    #[test]
    fn unix_paths_lose_their_nul() {
        assert_eq!(SockAddr::decode(b"\x01/run/x\0"), Some(SockAddr::Unix(b"/run/x")));
        assert_eq!(SockAddr::decode(b"\x10"), Some(SockAddr::Other(16)));
    }
}
