//! Sockets: who is at either end, and which end is the process.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use event::{DescriptorFacts, SockAddr, SockTuple, descriptor_flags as flag};

use super::{
    Descriptors, Enter, TableId,
    calls::{number_u32, number_u64},
    entry::{
        Descriptor, End, L4_ICMP, L4_RAW, L4_TCP, L4_UDP, L4_UNKNOWN, plain_ends, unmapped,
        write_addr, write_param,
    },
    table::MAX_FD,
};
use crate::savefile::SavedEvent;

const AF_UNIX: u32 = 1;
const AF_INET: u32 = 2;
const AF_INET6: u32 = 10;
const AF_NETLINK: u32 = 16;
const SOCK_STREAM: u32 = 1;
const SOCK_DGRAM: u32 = 2;
const SOCK_RAW: u32 = 3;
const SOCK_CLOEXEC: u32 = 0x8_0000;
const IPPROTO_IP: u32 = 0;
const IPPROTO_ICMP: u32 = 1;
const IPPROTO_TCP: u32 = 6;
const IPPROTO_UDP: u32 = 17;
const IPPROTO_RAW: u32 = 255;
const EINPROGRESS: i64 = -115;

/// Which way data goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Way {
    In,
    Out,
}

/// Whether ends that are known give way to what a tuple says of the far one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Dest {
    Kept,
    Replaced,
}

fn kind_of(at: SocketAddr) -> u8 {
    if at.is_ipv4() { b'4' } else { b'6' }
}

fn transport(ty: u32, protocol: u32) -> u8 {
    match protocol {
        IPPROTO_RAW => L4_RAW,
        IPPROTO_TCP | IPPROTO_UDP | IPPROTO_ICMP if ty == SOCK_RAW => L4_RAW,
        IPPROTO_TCP => L4_TCP,
        IPPROTO_UDP => L4_UDP,
        IPPROTO_ICMP => L4_ICMP,
        IPPROTO_IP if ty & 0xff == SOCK_STREAM => L4_TCP,
        IPPROTO_IP if ty & 0xff == SOCK_DGRAM => L4_UDP,
        _ => L4_UNKNOWN,
    }
}

fn make_socket(d: &mut Descriptor, domain: u32, ty: u32, protocol: u32) {
    d.kind = match domain {
        AF_UNIX => b'u',
        AF_INET => b'4',
        AF_INET6 => b'6',
        AF_NETLINK => b'n',
        _ => b'o',
    };
    d.is_close_on_exec = ty & SOCK_CLOEXEC != 0;
    if d.is_inet() {
        d.l4 = transport(ty, protocol);
    }
}

/// The ends that a socket gets by a tuple, where that is news.
fn new_ends(d: &Descriptor, source: SocketAddr, dest: SocketAddr, far: Dest) -> Option<(End, End)> {
    let before = if has_other_ends(d, source) {
        (End::default(), End::default())
    } else {
        (d.client, d.server)
    };
    let (source, dest) = (End::of(source), End::of(dest));
    if before == (source, dest) || before == (dest, source) {
        return None;
    }
    let mut after = (source, before.1);
    if far == Dest::Replaced || after.1.addr == [0; 16] {
        after.1.addr = dest.addr;
    }
    if far == Dest::Replaced || after.1.port == 0 {
        after.1.port = dest.port;
    }
    (after != before).then_some(after)
}

/// Whether what it has as ends is a server's one address, or of another family: not what an end is now.
fn has_other_ends(d: &Descriptor, source: SocketAddr) -> bool {
    d.has(flag::SERVER_SOCKET) || d.kind != kind_of(source)
}

/// Makes a socket one with two ends, as a tuple says. Gives whether that is news.
fn set_ends(d: &mut Descriptor, source: SocketAddr, dest: SocketAddr, far: Dest) -> bool {
    let ends = new_ends(d, source, dest, far);
    if has_other_ends(d, source) {
        d.flags &= !flag::SERVER_SOCKET;
        (d.client, d.server) = (End::default(), End::default());
        d.kind = kind_of(source);
    }
    if let Some(ends) = ends {
        (d.client, d.server) = ends;
    }
    ends.is_some()
}

/// Whether a tuple tells of another far end than is known; ends that are known stay.
fn is_news(d: &Descriptor, source: SocketAddr, dest: SocketAddr) -> bool {
    let (source, dest) = plain_ends(source, dest);
    new_ends(d, source, dest, Dest::Kept).is_some()
}

fn set_unix_ends(d: &mut Descriptor, source: u64, dest: u64) {
    (d.client, d.server) = (End::of_kernel(source), End::of_kernel(dest));
}

impl Descriptors {
    pub(super) fn socket(&mut self, event: &SavedEvent<'_>, id: TableId) {
        let Some(fd) = event.param_i64(0).filter(|&fd| fd >= 0) else { return };
        let [domain, ty, protocol] = [1, 2, 3].map(|n| number_u32(event, n).unwrap_or_default());
        self.put(id, fd, |d| make_socket(d, domain, ty, protocol));
    }

    pub(super) fn socketpair(&mut self, event: &SavedEvent<'_>, id: TableId) {
        self.now.own = Some(-1);
        let (Some(fd1), Some(fd2)) = (event.param_i64(1), event.param_i64(2)) else { return };
        if event.param_i64(0).is_none_or(|res| res < 0) || fd1 == fd2 {
            return;
        }
        let [source, peer] = [3, 4].map(|n| number_u64(event, n).unwrap_or_default());
        let is_close_on_exec = number_u32(event, 6).is_some_and(|ty| ty & SOCK_CLOEXEC != 0);
        for fd in [fd1, fd2] {
            self.put(id, fd, |d| {
                d.kind = b'u';
                d.is_close_on_exec = is_close_on_exec;
                set_unix_ends(d, source, peer);
            });
        }
        self.now.own = Some(fd2);
    }

    pub(super) fn bind(&mut self, event: &SavedEvent<'_>, id: TableId) {
        let Some(fd) = self.now.own else { return };
        let Some(addr) = event.param(1).and_then(SockAddr::decode) else { return };
        if event.param_i64(0).is_none_or(|res| res < 0) {
            return;
        }
        let mut name = std::mem::take(&mut self.name_room);
        name.clear();
        match addr {
            SockAddr::Inet(at) => write_addr(&mut name, at),
            SockAddr::Unix(path) => name.extend_from_slice(path),
            SockAddr::Other(family) => {
                name.extend_from_slice(format!("family {family}").as_bytes());
            }
        }
        let changed = self.change(id, fd, |d| {
            // A port says that somebody may come.
            if let SockAddr::Inet(at) = addr
                && at.port() > 0
            {
                let at = unmapped(at).unwrap_or(at);
                d.kind = kind_of(at);
                d.flags |= flag::SERVER_SOCKET;
                set_role(d, flag::SERVER);
                (d.client, d.server) = (End::default(), End::of(at));
            }
            rename(d, &name)
        });
        self.now.name_changed = changed.unwrap_or_default();
        self.name_room = name;
    }

    pub(super) fn connect(&mut self, event: &SavedEvent<'_>, enter: Option<&Enter>, id: TableId) {
        let Some(fd) = self.now.own else { return };
        let result = event.param_i64(0).unwrap_or(-1);
        let tuple = event.param(1).and_then(SockTuple::decode);
        if self.table(id).get(fd).is_none() {
            if let Some(tuple) = &tuple {
                write_param(&mut self.now.name, tuple);
            }
            return;
        }
        let passed = enter.and_then(|e| SockAddr::decode(&e.text));
        let read_at_exit = event.param(3).and_then(SockAddr::decode);
        if result < 0 && result != EINPROGRESS {
            self.now.tried = self
                .table(id)
                .get(fd)
                .filter(|d| d.is_inet())
                .and_then(|d| led_to(d, passed.or(read_at_exit)?));
            return;
        }
        let mut name = std::mem::take(&mut self.name_room);
        name.clear();
        let changed = self.change(id, fd, |d| {
            d.flags |= flag::CONNECTED;
            if result == EINPROGRESS {
                d.flags |= flag::PENDING;
            } else {
                d.flags &= !flag::PENDING;
            }
            match tuple {
                None => connect_to(d, passed, &mut name),
                Some(SockTuple::Inet { source, dest }) => {
                    let dest = match (passed, read_at_exit) {
                        // The tuple only repeats what was read from memory that the process can write to.
                        (Some(SockAddr::Inet(passed)), Some(SockAddr::Inet(read)))
                            if read == dest =>
                        {
                            passed
                        }
                        _ => dest,
                    };
                    let (source, dest) = plain_ends(source, dest);
                    let is_news = set_ends(d, source, dest, Dest::Replaced);
                    if is_news && d.has(flag::SERVER) && d.told_l4() == L4_UDP {
                        d.swap_ends();
                    }
                    end_names(d, &mut name);
                    if !d.has_role() {
                        set_role(d, flag::CLIENT);
                    }
                }
                Some(SockTuple::Unix { source, dest, path }) if d.kind == b'u' => {
                    let path = match (passed, read_at_exit) {
                        (Some(SockAddr::Unix(passed)), Some(SockAddr::Unix(read)))
                            if read == path =>
                        {
                            passed
                        }
                        _ => path,
                    };
                    set_unix_ends(d, source, dest);
                    write_param(&mut name, &SockTuple::Unix { source, dest, path });
                    if !d.has_role() {
                        set_role(d, flag::CLIENT);
                    }
                }
                Some(_) => return false,
            }
            if name.is_empty() { false } else { rename(d, &name) }
        });
        self.now.name_changed = changed.unwrap_or_default();
        self.name_room = name;
    }

    pub(super) fn accept(&mut self, event: &SavedEvent<'_>, id: TableId) {
        let Some(fd) = event.param_i64(0).filter(|&fd| fd >= 0) else {
            // What other readers show for a tuple that is not there.
            self.now.name.extend_from_slice(b"NULL");
            return;
        };
        let tuple = event.param(1).and_then(SockTuple::decode);
        let Some(tuple @ (SockTuple::Inet { .. } | SockTuple::Unix { .. })) = tuple else {
            self.forget(id, fd);
            return;
        };
        let is_close_on_exec =
            number_u32(event, 5).is_some_and(|flags| flags & (SOCK_CLOEXEC | 0x1000) != 0);
        let mut name = std::mem::take(&mut self.name_room);
        name.clear();
        write_param(&mut name, &tuple);
        self.put(id, fd, |d| {
            d.flags = flag::SERVER | flag::CONNECTED;
            d.is_close_on_exec = is_close_on_exec;
            match tuple {
                SockTuple::Inet { source, dest } => {
                    let (source, dest) = plain_ends(source, dest);
                    (d.kind, d.l4) = (kind_of(source), L4_TCP);
                    (d.client, d.server) = (End::of(source), End::of(dest));
                }
                SockTuple::Unix { source, dest, .. } => {
                    d.kind = b'u';
                    set_unix_ends(d, source, dest);
                }
                SockTuple::Other(_) => {}
            }
            d.set_name(&name, b"");
        });
        self.now.name_changed = true;
        self.name_room = name;
    }

    /// A datagram that was sent over a descriptor of which nothing is known tells that it is a datagram socket.
    pub(super) fn infer_datagram_socket(&mut self, event: &SavedEvent<'_>, id: TableId) {
        let Some(fd) = self.now.own.filter(|&fd| self.table(id).get(fd).is_none()) else { return };
        if event.event_type == event::EventType::SENDMMSG_X
            || event.param_i64(0).is_none_or(|res| res < 0)
        {
            return;
        }
        if let Some(SockTuple::Inet { source, .. }) = event.param(4).and_then(SockTuple::decode) {
            let domain = if source.is_ipv4() { AF_INET } else { AF_INET6 };
            self.put(id, fd, |d| make_socket(d, domain, SOCK_DGRAM, IPPROTO_UDP));
        }
    }

    /// Data came or went; on sockets without a lasting connection the tuple says from or to whom.
    pub(super) fn transfer(
        &mut self,
        event: &SavedEvent<'_>,
        id: TableId,
        tuple_at: Option<usize>,
        way: Way,
    ) {
        let Some(fd) = self.now.own else { return };
        let Some(d) = self.table(id).get(fd) else { return };
        if event.param_i64(0).is_none_or(|res| res < 0) {
            return;
        }
        let becomes_connected = d.is_connection() && !d.has(flag::CONNECTED);
        let tuple = tuple_at
            .filter(|_| d.name().is_empty() || d.told_l4() != L4_TCP)
            .and_then(|n| event.param(n))
            .and_then(SockTuple::decode);
        if !becomes_connected && tuple.is_none() {
            return;
        }
        let guess = match tuple {
            Some(SockTuple::Inet { source, dest }) if !d.has_role() && is_news(d, source, dest) => {
                self.guess_role(id, source.port(), dest.port(), way)
            }
            _ => 0,
        };
        let mut name = std::mem::take(&mut self.name_room);
        name.clear();
        let interfaces = std::mem::take(&mut self.interfaces);
        let changed = self.change(id, fd, |d| {
            if becomes_connected {
                d.flags |= flag::CONNECTED;
            }
            match tuple {
                Some(SockTuple::Inet { source, dest }) => {
                    let (source, dest) = plain_ends(source, dest);
                    if !set_ends(d, source, dest, Dest::Kept) {
                        return false;
                    }
                    if d.l4 == L4_UNKNOWN {
                        d.l4 = L4_UDP;
                    }
                    complete(d, &interfaces);
                    if !d.has_role() {
                        set_role(d, guess);
                    }
                    // A tuple goes from the sender; the process is the receiver of what came.
                    let is_turned = match way {
                        Way::In => d.has(flag::CLIENT),
                        Way::Out => d.has(flag::SERVER),
                    };
                    if is_turned {
                        d.swap_ends();
                    }
                    end_names(d, &mut name);
                }
                Some(tuple @ SockTuple::Unix { source, dest, .. }) => {
                    d.kind = b'u';
                    set_unix_ends(d, source, dest);
                    write_param(&mut name, &tuple);
                }
                Some(SockTuple::Other(_)) | None => return false,
            }
            rename(d, &name)
        });
        self.now.name_changed = changed.unwrap_or_default();
        self.interfaces = interfaces;
        self.name_room = name;
    }

    /// A process that is bound to the far port is the server, unless it also uses the near one as a client. O(descriptors), once a socket.
    fn guess_role(&self, id: TableId, source: u16, dest: u16, way: Way) -> u16 {
        let table = self.table(id);
        let any = |is_such: &dyn Fn(&Descriptor) -> bool| table.next(0, MAX_FD, is_such).is_some();
        if !any(&|d| d.is_inet() && d.has(flag::SERVER_SOCKET) && d.server.port == dest) {
            return flag::CLIENT;
        }
        if !any(&|d| d.is_connection() && d.client.port == source) {
            return flag::SERVER;
        }
        match way {
            Way::In => flag::SERVER,
            Way::Out => flag::CLIENT,
        }
    }

    /// The facts, with which ends belong to the recorded machine.
    pub(super) fn located<'a>(
        &self,
        d: &Descriptor,
        mut facts: DescriptorFacts<'a>,
    ) -> DescriptorFacts<'a> {
        if d.is_inet() && !self.interfaces.is_empty() {
            if self.is_local(d.socket_addr(d.client).ip()) {
                facts.flags |= flag::CLIENT_IS_LOCAL;
            }
            if self.is_local(d.socket_addr(d.server).ip()) {
                facts.flags |= flag::SERVER_IS_LOCAL;
            }
        }
        facts
    }

    /// Whether an address is one of an interface; for IPv6 one of its network of 64 bits, as other readers take it.
    fn is_local(&self, ip: IpAddr) -> bool {
        self.interfaces.iter().any(|&(own, _)| match (own, ip) {
            (IpAddr::V4(own), IpAddr::V4(ip)) => own == ip,
            (IpAddr::V6(own), IpAddr::V6(ip)) => is_same_net(own, ip),
            _ => false,
        })
    }
}

fn is_same_net(a: Ipv6Addr, b: Ipv6Addr) -> bool {
    a.segments()[..4] == b.segments()[..4]
}

fn set_role(d: &mut Descriptor, role: u16) {
    d.flags = d.flags & !(flag::CLIENT | flag::SERVER) | role;
}

/// Gives it another name; whether it is one.
fn rename(d: &mut Descriptor, name: &[u8]) -> bool {
    if d.name() == name {
        return false;
    }
    let raw_name: &[u8] = b"";
    d.set_name(name, raw_name);
    true
}

/// The name that both ends make.
fn end_names(d: &Descriptor, name: &mut Vec<u8>) {
    super::entry::write_tuple(name, d.socket_addr(d.client), d.socket_addr(d.server));
}

/// What a socket would be, had its connect reached this address. The table keeps it as it was.
fn led_to(d: &Descriptor, to: SockAddr<'_>) -> Option<Descriptor> {
    let SockAddr::Inet(at) = to else { return None };
    let mut tried = d.clone();
    connect_to(&mut tried, Some(SockAddr::Inet(at)), &mut Vec::new());
    if tried.kind != d.kind {
        tried.client = End::default();
    }
    set_role(&mut tried, flag::CLIENT);
    tried.flags &= !flag::CONNECTED;
    tried.name_by_ends();
    Some(tried)
}

/// A connect that left no tuple: only where it led to is known.
fn connect_to(d: &mut Descriptor, passed: Option<SockAddr<'_>>, name: &mut Vec<u8>) {
    match passed {
        Some(SockAddr::Inet(at)) => {
            let at = unmapped(at).unwrap_or(at);
            d.flags &= !flag::SERVER_SOCKET;
            d.kind = kind_of(at);
            d.server = End::of(at);
        }
        Some(SockAddr::Unix(path)) => name.extend_from_slice(path),
        Some(SockAddr::Other(_)) | None => {}
    }
}

/// An end without an address gets that of the interface through which the other end is reached.
pub(super) fn complete(d: &mut Descriptor, interfaces: &[(IpAddr, IpAddr)]) {
    let (known, is_client_known) = match (d.client.addr == [0; 16], d.server.addr == [0; 16]) {
        (true, _) => (d.server, false),
        (_, true) => (d.client, true),
        _ => return,
    };
    let known = d.socket_addr(known).ip();
    let Some(own) = interface_to(known, interfaces) else { return };
    if own == known && d.client.port == d.server.port {
        return;
    }
    let end = if is_client_known { &mut d.server } else { &mut d.client };
    end.addr = End::of(SocketAddr::new(own, 0)).addr;
}

/// The interface with this address, else one of its network, else the first that is not the loopback.
fn interface_to(ip: IpAddr, interfaces: &[(IpAddr, IpAddr)]) -> Option<IpAddr> {
    let of_family = || interfaces.iter().filter(|(own, _)| own.is_ipv4() == ip.is_ipv4());
    let is_near = |&&(own, mask): &&(IpAddr, IpAddr)| match (own, mask, ip) {
        (IpAddr::V4(own), IpAddr::V4(mask), IpAddr::V4(ip)) => own & mask == ip & mask,
        (IpAddr::V6(own), _, IpAddr::V6(ip)) => is_same_net(own, ip),
        _ => false,
    };
    let is_not_loopback = |&&(own, _): &&(IpAddr, IpAddr)| {
        own != IpAddr::V4(Ipv4Addr::LOCALHOST) && own != IpAddr::V6(Ipv6Addr::LOCALHOST)
    };
    of_family()
        .find(|(own, _)| *own == ip)
        .or_else(|| of_family().find(is_near))
        .or_else(|| of_family().find(is_not_loopback))
        .map(|&(own, _)| own)
}
