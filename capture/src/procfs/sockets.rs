//! The tables of sockets of one network namespace, out of `/proc/PID/net`.

use std::{
    collections::HashMap,
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr},
    path::Path,
};

use super::{number, with_file};
use crate::savefile::DescriptorTarget;

/// Largest table that is read; a table of the kernel has 150 bytes for each socket.
const MAX_TABLE: usize = 32 << 20;
const NETLINK: u8 = 15;
/// Tables of sockets with addresses, and the number of their transport.
const INET: [(&str, u8); 6] =
    [("tcp", 2), ("tcp6", 2), ("udp", 3), ("udp6", 3), ("raw", 5), ("raw6", 5)];

/// Takes a line of a table, by words.
type TakeLine<'t> = &'t dyn Fn(&[&[u8]]) -> Option<(u64, DescriptorTarget)>;

/// Sockets by inode.
#[derive(Debug, Default)]
pub(super) struct Sockets(HashMap<u64, DescriptorTarget>);

impl Sockets {
    /// Reads the tables of a namespace; one that cannot be read is empty.
    pub(super) fn read(net: &Path) -> Self {
        let mut sockets = Self::default();
        let mut table = |name: &str, take: TakeLine<'_>| {
            let lines = |text: &[u8]| {
                // The first line names the columns.
                for line in text.split(|&c| c == b'\n').skip(1) {
                    let words: Vec<&[u8]> =
                        line.split(u8::is_ascii_whitespace).filter(|w| !w.is_empty()).collect();
                    sockets.0.extend(take(&words));
                }
            };
            // A namespace without the protocol has no table.
            with_file(&net.join(name), MAX_TABLE, lines).unwrap_or_default();
        };
        for (name, l4) in INET {
            table(name, &|words| inet(words, l4));
        }
        table("unix", &unix);
        table("netlink", &|words| {
            let target = DescriptorTarget::Named { number: NETLINK, name: Vec::new() };
            Some((number(words.last()?)?, target))
        });
        sockets
    }

    pub(super) fn get(&self, ino: u64) -> Option<&DescriptorTarget> {
        self.0.get(&ino)
    }
}

/// `sl: local remote state queues timer retransmits uid timeout inode ...`
fn inet(words: &[&[u8]], l4: u8) -> Option<(u64, DescriptorTarget)> {
    let (local, remote) = (address(words.get(1)?)?, address(words.get(2)?)?);
    let ino = number(words.get(9)?)?;
    let target = if remote.ip().is_unspecified() {
        DescriptorTarget::Server { at: local, l4 }
    } else {
        // Other programs write the own end first, whoever began.
        DescriptorTarget::Socket { client: local, server: remote, l4 }
    };
    Some((ino, target))
}

/// `0100007F:0016`: words of 32 bits in the machine's order, and a port.
fn address(text: &[u8]) -> Option<SocketAddr> {
    let text = std::str::from_utf8(text).ok()?;
    let (ip, port) = text.split_once(':')?;
    let port = u16::from_str_radix(port, 16).ok()?;
    let word = |n: usize| {
        let digits = ip.get(8 * n..8 * n + 8)?;
        Some(u32::from_str_radix(digits, 16).ok()?.to_ne_bytes())
    };
    let ip = match ip.len() {
        8 => IpAddr::V4(Ipv4Addr::from(word(0)?)),
        32 => {
            let words = [word(0)?, word(1)?, word(2)?, word(3)?];
            IpAddr::V6(Ipv6Addr::from(*words.as_flattened().as_array()?))
        }
        _ => return None,
    };
    Some(SocketAddr::new(ip, port))
}

/// `Num: RefCount Protocol Flags Type St Inode [Path]`
fn unix(words: &[&[u8]]) -> Option<(u64, DescriptorTarget)> {
    let num = std::str::from_utf8(words.first()?.strip_suffix(b":")?).ok()?;
    let source = u64::from_str_radix(num, 16).ok()?;
    let path = words.get(7).map(|p| p.to_vec()).unwrap_or_default();
    Some((number(words.get(6)?)?, DescriptorTarget::Unix { source, destination: 0, path }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tables_are_read_line_by_line() {
        let dir = tempfile::tempdir().unwrap();
        let write = |name: &str, text: &str| std::fs::write(dir.path().join(name), text).unwrap();
        write(
            "tcp",
            "  sl  local_address rem_address   st\n   0: 0100007F:0016 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 21 1\n   1: 0100007F:0016 0200000A:9C40 01 00000000:00000000 00:00000000 00000000     0        0 22 1\n   2: cut\n",
        );
        write(
            "udp6",
            "head\n 5: 00000000000000000000000001000000:0035 00000000000000000000000000000000:0000 07 0:0 0:0 0 0 0 23 1\n",
        );
        write(
            "unix",
            "head\nffff888000000001: 00000002 00000000 00010000 0001 01 24 /run/x\n0: 3 0 0 1 3 25\n",
        );
        write("netlink", "head\n0 0 1 0 0 0 2 0 26\n");
        let sockets = Sockets::read(dir.path());
        let addr = |text: &str| text.parse::<SocketAddr>().unwrap();
        let expected = [
            (21, DescriptorTarget::Server { at: addr("127.0.0.1:22"), l4: 2 }),
            (
                22,
                DescriptorTarget::Socket {
                    client: addr("127.0.0.1:22"),
                    server: addr("10.0.0.2:40000"),
                    l4: 2,
                },
            ),
            (23, DescriptorTarget::Server { at: addr("[::1]:53"), l4: 3 }),
            (
                24,
                DescriptorTarget::Unix {
                    source: 0xffff_8880_0000_0001,
                    destination: 0,
                    path: b"/run/x".to_vec(),
                },
            ),
            (25, DescriptorTarget::Unix { source: 0, destination: 0, path: Vec::new() }),
            (26, DescriptorTarget::Named { number: NETLINK, name: Vec::new() }),
        ];
        assert_eq!(sockets.0.len(), expected.len());
        for (ino, target) in expected {
            assert_eq!(sockets.get(ino), Some(&target));
        }
    }
}
