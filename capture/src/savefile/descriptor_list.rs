//! Descriptor lists, versions 1 and 2: what each process had open when the recording began. One block is one process.
//!
//! Since version 2 a record begins with its own length, so a reader passes over what it does not know.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use super::{
    bytes::{Body, Bytes, Cut},
    list_room::{ListEntry, ListRoom},
};

// Other readers keep a name in 1,024 bytes with its NUL.
const MAX_NAME: usize = 1023;
const IPV4_SOCKET: u8 = 3;
const IPV6_SOCKET: u8 = 4;
const IPV4_SERVER: u8 = 5;
const IPV6_SERVER: u8 = 6;
const UNIX_SOCKET: u8 = 8;
const FILE: u8 = 16;
/// Types that have nothing but a name, and the letter that stands for each.
const NAMED: [(u8, u8); 15] = [
    (1, b'f'),
    (2, b'd'),
    (7, b'p'),
    (9, b'e'),
    (10, b'X'),
    (11, b's'),
    (12, b'l'),
    (13, b'i'),
    (14, b't'),
    (15, b'n'),
    (17, b'b'),
    (18, b'u'),
    (19, b'r'),
    (20, b'm'),
    (21, b'P'),
];

/// The descriptors of one process.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct DescriptorList {
    /// The process, by the id of its main thread.
    pub tid: i64,
    /// Its descriptors, in the file's order.
    pub entries: Vec<DescriptorEntry>,
}

/// A descriptor that was open when the recording began.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DescriptorEntry {
    /// Its number.
    pub fd: i64,
    /// Inode number.
    pub ino: u64,
    /// What it stands for.
    pub target: DescriptorTarget,
}

impl ListEntry for DescriptorList {
    /// Its entries.
    const N_TEXTS: usize = 1;
}

impl ListEntry for DescriptorEntry {
    const N_TEXTS: usize = 1;
}

/// What a listed descriptor stands for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum DescriptorTarget {
    /// A file, as newer files have it.
    File {
        /// `PPM_O_*` that it was opened with.
        open_flags: u32,
        /// Path.
        path: Vec<u8>,
        /// Device, absent in files of version 1 and in short records.
        dev: Option<u32>,
    },
    /// What has only a name: files of old recordings, directories, pipes, event and timer descriptors and the like.
    Named {
        /// Type number of the format; its letter is [`DescriptorEntry::kind`].
        number: u8,
        /// Path or name.
        name: Vec<u8>,
    },
    /// A socket with two ends.
    Socket {
        /// The client's end.
        client: SocketAddr,
        /// The server's end.
        server: SocketAddr,
        /// 0 unknown, 1 not applicable, 2 TCP, 3 UDP, 4 ICMP, 5 raw.
        l4: u8,
    },
    /// A socket that is bound or listens.
    Server {
        /// Where.
        at: SocketAddr,
        /// As for a socket with two ends.
        l4: u8,
    },
    /// A Unix socket.
    Unix {
        /// Kernel address of the client's end.
        source: u64,
        /// Kernel address of the server's end.
        destination: u64,
        /// Path, empty where there is none.
        path: Vec<u8>,
    },
    /// A type that this build does not know.
    Unknown(u8),
}

/// The number of a type that has nothing but a name, by its letter.
pub(super) fn named_number(letter: u8) -> Option<u8> {
    // Files have a type of their own since.
    let named = NAMED.iter().filter(|(_, l)| !matches!(l, b'f' | b'u'));
    named.clone().find(|(_, l)| *l == letter).map(|(number, _)| *number)
}

impl DescriptorEntry {
    /// The letter that `fd.typechar` shows for it.
    #[must_use]
    pub fn kind(&self) -> u8 {
        match &self.target {
            DescriptorTarget::File { .. } => b'f',
            DescriptorTarget::Named { number, .. } => {
                NAMED.iter().find(|(n, _)| n == number).map_or(b'o', |&(_, letter)| letter)
            }
            DescriptorTarget::Socket { server: at, .. } | DescriptorTarget::Server { at, .. } => {
                if at.is_ipv4() {
                    b'4'
                } else {
                    b'6'
                }
            }
            DescriptorTarget::Unix { .. } => b'u',
            DescriptorTarget::Unknown(_) => b'o',
        }
    }
}

fn v4(b: &mut Bytes<'_>) -> Result<IpAddr, Cut> {
    Ok(IpAddr::V4(Ipv4Addr::from(b.array::<4>()?)))
}

fn v6(b: &mut Bytes<'_>) -> Result<IpAddr, Cut> {
    Ok(IpAddr::V6(Ipv6Addr::from(b.array::<16>()?)))
}

type TakeIp = fn(&mut Bytes<'_>) -> Result<IpAddr, Cut>;

fn socket(b: &mut Bytes<'_>, ip: TakeIp) -> Result<DescriptorTarget, Cut> {
    let (client, server) = (ip(b)?, ip(b)?);
    let (client_port, server_port) = (b.u16()?, b.u16()?);
    Ok(DescriptorTarget::Socket {
        client: SocketAddr::new(client, client_port),
        server: SocketAddr::new(server, server_port),
        l4: b.u8()?,
    })
}

fn server(b: &mut Bytes<'_>, ip: TakeIp) -> Result<DescriptorTarget, Cut> {
    let ip = ip(b)?;
    Ok(DescriptorTarget::Server { at: SocketAddr::new(ip, b.u16()?), l4: b.u8()? })
}

/// One record; `None` where its type says nothing of its length.
fn entry(b: &mut Bytes<'_>, is_v2: bool) -> Result<Option<DescriptorEntry>, Cut> {
    let (fd, ino, number) = (b.i64()?, b.u64()?, b.u8()?);
    let target = match number {
        FILE => DescriptorTarget::File {
            open_flags: b.u32()?,
            path: b.text()?,
            dev: if is_v2 && b.len() >= 4 { Some(b.u32()?) } else { None },
        },
        IPV4_SOCKET => socket(b, v4)?,
        IPV6_SOCKET => socket(b, v6)?,
        IPV4_SERVER => server(b, v4)?,
        IPV6_SERVER => server(b, v6)?,
        UNIX_SOCKET => {
            DescriptorTarget::Unix { source: b.u64()?, destination: b.u64()?, path: b.text()? }
        }
        _ if NAMED.iter().any(|(n, _)| *n == number) => {
            DescriptorTarget::Named { number, name: b.text()? }
        }
        _ if is_v2 => DescriptorTarget::Unknown(number),
        _ => return Ok(None),
    };
    Ok(Some(DescriptorEntry { fd, ino, target }))
}

/// What a block's body holds, and whether a version 1 list had to be left at a type that this build does not know.
pub(super) fn parse(
    is_v2: bool,
    body: &[u8],
    room: &mut ListRoom,
) -> Result<(DescriptorList, bool), Cut> {
    let mut b = Bytes(body);
    let mut list = DescriptorList { tid: b.i64()?, entries: Vec::new() };
    // Up to three bytes of padding stand behind the last entry.
    while b.len() >= 4 {
        let n_before = b.len();
        let found = if is_v2 {
            let len = b.u32()? as usize;
            let mut record = Bytes(b.take(len.checked_sub(4).ok_or(Cut)?)?);
            entry(&mut record, true)?
        } else {
            let found = entry(&mut b, false)?;
            if found.is_none() {
                return Ok((list, true));
            }
            found
        };
        if let Some(found) = found {
            room.keep(&mut list.entries, found, n_before - b.len());
        }
    }
    Ok((list, false))
}

fn ip(addr: IpAddr, b: &mut Body) {
    match addr {
        IpAddr::V4(ip) => b.bytes(&ip.octets()),
        IpAddr::V6(ip) => b.bytes(&ip.octets()),
    };
}

/// Writes a list in version 2. What is unknown has no place in it.
pub(super) fn write(list: &DescriptorList, body: &mut Body) {
    body.i64(list.tid);
    for entry in &list.entries {
        let number = match &entry.target {
            DescriptorTarget::File { .. } => FILE,
            DescriptorTarget::Named { number, .. } => *number,
            DescriptorTarget::Socket { client, server, .. }
                if client.is_ipv4() != server.is_ipv4() =>
            {
                continue;
            }
            DescriptorTarget::Socket { server, .. } if server.is_ipv4() => IPV4_SOCKET,
            DescriptorTarget::Socket { .. } => IPV6_SOCKET,
            DescriptorTarget::Server { at, .. } if at.is_ipv4() => IPV4_SERVER,
            DescriptorTarget::Server { .. } => IPV6_SERVER,
            DescriptorTarget::Unix { .. } => UNIX_SOCKET,
            DescriptorTarget::Unknown(_) => continue,
        };
        body.record(|b| {
            b.i64(entry.fd).u64(entry.ino).u8(number);
            match &entry.target {
                DescriptorTarget::File { open_flags, path, dev } => {
                    b.u32(*open_flags).text(path, MAX_NAME);
                    if let Some(dev) = dev {
                        b.u32(*dev);
                    }
                }
                DescriptorTarget::Named { name, .. } => {
                    b.text(name, MAX_NAME);
                }
                DescriptorTarget::Socket { client, server, l4 } => {
                    ip(client.ip(), b);
                    ip(server.ip(), b);
                    b.u16(client.port()).u16(server.port()).u8(*l4);
                }
                DescriptorTarget::Server { at, l4 } => {
                    ip(at.ip(), b);
                    b.u16(at.port()).u8(*l4);
                }
                DescriptorTarget::Unix { source, destination, path } => {
                    b.u64(*source).u64(*destination).text(path, MAX_NAME);
                }
                DescriptorTarget::Unknown(_) => {}
            }
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(is_v2: bool, body: &[u8]) -> Result<(DescriptorList, bool), Cut> {
        parse(is_v2, body, &mut ListRoom::new())
    }

    /// One of every type.
    fn all() -> DescriptorList {
        let named =
            NAMED.map(|(number, letter)| DescriptorTarget::Named { number, name: vec![letter] });
        let v4 = "10.0.0.5:40000".parse().unwrap();
        let v6 = "[fe80::1]:443".parse().unwrap();
        let rest = [
            DescriptorTarget::File {
                open_flags: 0x1001,
                path: b"/etc/hosts".to_vec(),
                dev: Some(0x801),
            },
            DescriptorTarget::File { open_flags: 1, path: b"/old".to_vec(), dev: None },
            DescriptorTarget::Socket { client: v4, server: "1.2.3.4:53".parse().unwrap(), l4: 3 },
            DescriptorTarget::Socket { client: v6, server: "[::1]:80".parse().unwrap(), l4: 2 },
            DescriptorTarget::Server { at: v4, l4: 2 },
            DescriptorTarget::Server { at: v6, l4: 2 },
            DescriptorTarget::Unix { source: 7, destination: 8, path: b"/run/x".to_vec() },
        ];
        let entries = named
            .into_iter()
            .chain(rest)
            .zip(3..)
            .map(|(target, fd)| DescriptorEntry { fd, ino: fd as u64 + 100, target })
            .collect();
        DescriptorList { tid: 77, entries }
    }

    fn bytes(list: &DescriptorList) -> Vec<u8> {
        let mut body = Body::default();
        write(list, &mut body);
        body.0
    }

    #[test]
    fn every_type_survives_version_2() {
        let mut body = bytes(&all());
        body.extend_from_slice(&[0; 3]);
        assert_eq!(parsed(true, &body), Ok((all(), false)));
        let kinds: Vec<u8> = all().entries.iter().map(DescriptorEntry::kind).collect();
        assert_eq!(kinds, b"fdpeXslitnburmPff4646u");
    }

    #[test]
    fn version_1_has_no_lengths_and_no_device() {
        let mut list = all();
        for e in &mut list.entries {
            if let DescriptorTarget::File { dev, .. } = &mut e.target {
                *dev = None;
            }
        }
        let mut v1 = list.tid.to_le_bytes().to_vec();
        let v2 = bytes(&list);
        let mut at = 8;
        while at < v2.len() {
            let len = u32::from_le_bytes(*v2[at..at + 4].as_array().unwrap()) as usize;
            v1.extend_from_slice(&v2[at + 4..at + len]);
            at += len;
        }
        assert_eq!(parsed(false, &v1), Ok((list, false)));
    }

    #[test]
    fn an_unknown_type_is_passed_over_where_it_has_a_length() {
        let mut list = all();
        list.entries.truncate(1);
        let mut body = bytes(&list);
        let mut record = Body::default();
        record.record(|b| {
            b.i64(90).u64(1).u8(99).bytes(&[1; 40]);
        });
        body.extend_from_slice(&record.0);
        body.extend_from_slice(&bytes(&list)[8..]);
        let (read, is_left) = parsed(true, &body).unwrap();
        assert_eq!((read.entries.len(), is_left), (3, false));
        assert_eq!(read.entries[1].target, DescriptorTarget::Unknown(99));
        assert_eq!(read.entries[1].kind(), b'o');
        // The unknown one is not written again.
        assert_eq!(parsed(true, &bytes(&read)).unwrap().0.entries.len(), 2);

        let mut v1 = 5i64.to_le_bytes().to_vec();
        v1.extend_from_slice(&bytes(&list)[12..]);
        v1.extend_from_slice(&record.0[4..]);
        let (read, is_left) = parsed(false, &v1).unwrap();
        assert_eq!((read.entries, is_left), (list.entries, true));
    }

    #[test]
    fn a_length_below_itself_or_beyond_the_block_is_damage() {
        let head = 5i64.to_le_bytes();
        for len in [3u32, 4, 20, 1000, u32::MAX] {
            let body = [&head[..], &len.to_le_bytes(), &[0; 16]].concat();
            assert_eq!(parsed(true, &body), Err(Cut), "{len}");
        }
        assert_eq!(parsed(true, &head[..7]), Err(Cut));
    }
}
