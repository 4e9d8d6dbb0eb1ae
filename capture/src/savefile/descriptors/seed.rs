//! What processes had open when the recording began.

use std::collections::HashSet;

use event::descriptor_flags as flag;

use super::{
    Descriptors, TableId,
    entry::{Descriptor, End, L4_TCP, O_CLOEXEC, write_addr},
};
use crate::savefile::{DescriptorEntry, DescriptorList, DescriptorTarget, Interface};

/// Interfaces that sockets are held against, each of them at each event; the ends of a file that lists more may be told as remote.
const MAX_INTERFACES: usize = 4096;

/// Ports on which somebody listened, as the lists of all processes tell.
pub(in crate::savefile) type ServerPorts = HashSet<u16>;

impl Descriptors {
    pub(in crate::savefile) fn set_interfaces(&mut self, interfaces: &[Interface]) {
        self.n_dropped_interfaces += interfaces.len().saturating_sub(MAX_INTERFACES) as u64;
        let interfaces = interfaces.iter().take(MAX_INTERFACES);
        self.interfaces = interfaces.map(|i| (i.addr, i.mask)).collect();
    }

    pub(in crate::savefile) fn server_ports(lists: &[DescriptorList]) -> ServerPorts {
        let port = |e: &DescriptorEntry| match &e.target {
            DescriptorTarget::Server { at, .. } => Some(at.port()),
            _ => None,
        };
        lists.iter().flat_map(|l| &l.entries).filter_map(port).collect()
    }

    /// Takes in one process's list.
    pub(in crate::savefile) fn seed(
        &mut self,
        id: TableId,
        list: &DescriptorList,
        ports: &ServerPorts,
    ) {
        let interfaces = std::mem::take(&mut self.interfaces);
        for entry in &list.entries {
            self.put(id, entry.fd, |d| {
                d.ino = entry.ino;
                d.kind = entry.kind();
                fill(d, &entry.target, ports);
                if d.is_connection() {
                    super::sockets::complete(d, &interfaces);
                    d.name_by_ends();
                }
            });
        }
        self.interfaces = interfaces;
    }
}

fn fill(d: &mut Descriptor, target: &DescriptorTarget, ports: &ServerPorts) {
    match target {
        DescriptorTarget::File { open_flags, path, dev } => {
            d.open_flags = *open_flags;
            d.is_close_on_exec = open_flags & O_CLOEXEC != 0;
            d.dev = dev.unwrap_or_default();
            d.set_name(path, b"");
        }
        DescriptorTarget::Named { name, .. } => d.set_name(name, b""),
        DescriptorTarget::Socket { client, server, l4 } => {
            d.l4 = *l4;
            (d.client, d.server) = (End::of(*client), End::of(*server));
            d.flags |= if d.l4 == L4_TCP { flag::CONNECTED } else { 0 };
            // The list has the local end first; where somebody listens on its port, that end is the server's.
            if ports.contains(&client.port()) {
                d.swap_ends();
                d.flags |= flag::SERVER;
            } else {
                d.flags |= flag::CLIENT;
            }
        }
        DescriptorTarget::Server { at, l4 } => {
            d.l4 = *l4;
            d.flags |= flag::SERVER_SOCKET | flag::SERVER;
            d.server = End::of(*at);
            let mut name = Vec::new();
            write_addr(&mut name, *at);
            d.set_name(&name, b"");
        }
        DescriptorTarget::Unix { source, destination, path } => {
            (d.client, d.server) = (End::of_kernel(*source), End::of_kernel(*destination));
            d.set_name(path, b"");
        }
        DescriptorTarget::Unknown(_) => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_list_of_interfaces_without_end_costs_no_event_more() {
        let ip = std::net::IpAddr::from([10, 0, 0, 1]);
        let one = Interface {
            name: b"eth0".to_vec(),
            addr: ip,
            mask: ip,
            broadcast: ip,
            link_speed: None,
        };
        let mut descriptors = Descriptors::within(crate::savefile::Rooms::default());
        descriptors.set_interfaces(&vec![one; MAX_INTERFACES + 1]);
        assert_eq!(descriptors.interfaces.len(), MAX_INTERFACES);
    }
}
