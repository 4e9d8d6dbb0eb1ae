//! What processes have open, as a file's own lists tell it: the other way round than `seed`.
//!
//! A list knows less than a table does: raw names, layers of overlays and processes behind pidfds have no place in it.

use std::net::SocketAddr;

use event::descriptor_flags as flag;

use super::{
    Descriptors, TableId,
    entry::{Descriptor, End, O_CLOEXEC},
    seed::ServerPorts,
    table::MAX_FD,
};
use crate::savefile::descriptor_list::named_number;
use crate::savefile::{DescriptorEntry, DescriptorList, DescriptorTarget};

impl Descriptors {
    /// A process's list. The client's end of a connection comes first, but for those that were accepted on one of the ports.
    pub(in crate::savefile) fn list(
        &self,
        id: TableId,
        tid: u32,
        ports: &ServerPorts,
    ) -> DescriptorList {
        let table = self.table(id);
        let mut list = DescriptorList { tid: i64::from(tid), entries: Vec::new() };
        let mut from = 0;
        while let Some(fd) = table.next(from, MAX_FD, |_| true) {
            from = fd + 1;
            let fd = fd as i64;
            let known = table.get(fd).and_then(|d| Some((d, target(d, ports)?)));
            list.entries.extend(known.map(|(d, target)| DescriptorEntry {
                fd,
                ino: d.ino,
                target,
            }));
        }
        list
    }
}

fn kernel_address(end: End) -> u64 {
    end.addr.first_chunk().map_or(0, |b| u64::from_le_bytes(*b))
}

fn target(d: &Descriptor, ports: &ServerPorts) -> Option<DescriptorTarget> {
    let name = d.name().to_vec();
    let ends =
        || -> (SocketAddr, SocketAddr) { (d.socket_addr(d.client), d.socket_addr(d.server)) };
    Some(match d.kind {
        b'f' => {
            let cloexec = if d.is_close_on_exec { O_CLOEXEC } else { 0 };
            let open_flags = d.open_flags & !O_CLOEXEC | cloexec;
            DescriptorTarget::File { open_flags, path: name, dev: Some(d.dev) }
        }
        b'4' | b'6' if d.has(flag::SERVER_SOCKET) => {
            DescriptorTarget::Server { at: ends().1, l4: d.l4 }
        }
        b'4' | b'6' => {
            let (mut client, mut server) = ends();
            // The local end, by which a reader knows the server's side.
            if d.has(flag::SERVER) && ports.contains(&server.port()) {
                (client, server) = (server, client);
            }
            DescriptorTarget::Socket { client, server, l4: d.l4 }
        }
        b'u' => DescriptorTarget::Unix {
            source: kernel_address(d.client),
            destination: kernel_address(d.server),
            path: name,
        },
        letter => DescriptorTarget::Named { number: named_number(letter)?, name },
    })
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn a_list_survives_the_table() {
        let entry = |fd, target| DescriptorEntry { fd, ino: fd as u64 + 7, target };
        let at = |text: &str| text.parse::<SocketAddr>().expect("an address");
        let entries = vec![
            entry(
                0,
                DescriptorTarget::File {
                    open_flags: O_CLOEXEC | 1,
                    path: b"/etc/hosts".into(),
                    dev: Some(3),
                },
            ),
            entry(1, DescriptorTarget::Named { number: 7, name: b"pipe".into() }),
            entry(2, DescriptorTarget::Server { at: at("0.0.0.0:80"), l4: 2 }),
            // Accepted: the local end is the server's.
            entry(
                70,
                DescriptorTarget::Socket {
                    client: at("10.0.0.1:80"),
                    server: at("10.0.0.2:4"),
                    l4: 2,
                },
            ),
            entry(
                71,
                DescriptorTarget::Socket { client: at("[::1]:9"), server: at("[::2]:80"), l4: 3 },
            ),
            entry(
                72,
                DescriptorTarget::Unix { source: 1 << 60, destination: 5, path: b"/run/x".into() },
            ),
        ];
        let list = DescriptorList { tid: 5, entries };
        let ports = Descriptors::server_ports(std::slice::from_ref(&list));
        assert_eq!(ports, HashSet::from([80]));
        let mut descriptors = Descriptors::within(crate::savefile::Rooms::default());
        let table = descriptors.empty();
        descriptors.seed(table, &list, &ports);
        assert_eq!(descriptors.list(table, 5, &ports), list);
    }
}
