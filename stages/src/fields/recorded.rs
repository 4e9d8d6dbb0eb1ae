//! `fd.*` of savefiles: what the history of the file tells of the descriptor that an event made or used.
//!
//! Falco has a name for descriptors that it knows nothing of, too: that of the call, or an empty one.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use bumpalo::collections::Vec as BumpVec;
use event::{DescriptorFacts, descriptor_flags as flag};
use rules::{FdField as Field, Value};

use super::EventFields;
use super::digits::put_decimal;
use super::fd::{Shown, device};
use super::ports::{PortFormat, with_services};
use super::user::NA;
use crate::path::{directory, file_name};

const L4: [&[u8]; 6] = [NA, NA, b"tcp", b"udp", b"icmp", b"raw"];

/// `fd.type` by the letter of the kind.
pub(super) fn type_name(kind: u8) -> &'static [u8] {
    match kind {
        b'f' => b"file",
        b'd' => b"directory",
        b'4' => b"ipv4",
        b'6' => b"ipv6",
        b'u' => b"unix",
        b'U' => b"userfaultfd",
        b'p' => b"pipe",
        b'e' => b"event",
        b's' => b"signalfd",
        b'l' => b"eventpoll",
        b'i' => b"inotify",
        b't' => b"timerfd",
        b'n' => b"netlink",
        b'b' => b"bpf",
        b'r' => b"io_uring",
        b'm' => b"memfd",
        b'P' => b"pidfd",
        _ => NA,
    }
}

/// `fd.typechar` by the letter of the kind.
pub(super) fn typechar(kind: u8) -> &'static [u8] {
    const LETTERS: &[u8] = b"fd46upesliitnbrmPXo";
    match kind {
        b'U' => b"u",
        kind => LETTERS.iter().position(|&l| l == kind).map_or(b"o", |at| &LETTERS[at..=at]),
    }
}

/// The part of a file's name that a field gives. Falco tells no directory from the root that a name starts with.
fn name_part(field: Field, kind: u8, name: &[u8]) -> Option<&[u8]> {
    match (field, kind) {
        (Field::FdDirectory, b'd') => Some(name),
        // A name that ends in a slash has no other directory than itself.
        (Field::FdDirectory, b'f') if name.len() > 1 && name.ends_with(b"/") => Some(name),
        (Field::FdDirectory, b'f') => Some(directory(name)),
        (Field::FdFilename, b'f') if name.ends_with(b"/") => Some(name),
        (Field::FdFilename, b'f') if !name.contains(&b'/') => Some(b"/"),
        (Field::FdFilename, b'f') => Some(file_name(name)),
        _ => None,
    }
}

/// What a descriptor is to its field.
struct View<'d, 'e>(&'d DescriptorFacts<'e>);

impl View<'_, '_> {
    fn has(&self, flags: u16) -> bool {
        self.0.flags & flags != 0
    }

    fn is_inet(&self) -> bool {
        matches!(self.0.kind, b'4' | b'6')
    }

    fn is_server_socket(&self) -> bool {
        self.is_inet() && self.has(flag::SERVER_SOCKET)
    }

    /// A socket whose ends are told: its process is known to be the client or the server.
    fn has_role(&self) -> bool {
        self.is_inet() && self.has(flag::CLIENT | flag::SERVER)
    }

    fn ip(&self, addr: [u8; 16]) -> IpAddr {
        let [a, b, c, d, ..] = addr;
        if self.0.kind == b'4' {
            IpAddr::V4(Ipv4Addr::new(a, b, c, d))
        } else {
            IpAddr::V6(Ipv6Addr::from(addr))
        }
    }

    fn client(&self) -> Option<(IpAddr, u16)> {
        let has_one = self.is_inet() && !self.has(flag::SERVER_SOCKET);
        has_one.then(|| (self.ip(self.0.client), self.0.client_port))
    }

    fn server(&self) -> Option<(IpAddr, u16)> {
        self.is_inet().then(|| (self.ip(self.0.server), self.0.server_port))
    }

    fn told_client(&self) -> Option<(IpAddr, u16)> {
        self.client().filter(|_| self.has_role())
    }

    fn local(&self) -> Option<(IpAddr, u16)> {
        let client = self.told_client()?;
        if self.has(flag::CLIENT_IS_LOCAL) { Some(client) } else { self.server() }
    }

    fn remote(&self) -> Option<(IpAddr, u16)> {
        let client = self.told_client()?;
        if self.has(flag::CLIENT_IS_LOCAL) { self.server() } else { Some(client) }
    }
}

/// Both ends of a socket, whatever is told of who is which.
pub(super) fn ends(facts: &DescriptorFacts<'_>) -> [Option<(IpAddr, u16)>; 2] {
    let view = View(facts);
    [view.client(), view.server()]
}

/// The descriptor as parameters show it.
pub(super) fn shown<'e>(facts: &DescriptorFacts<'e>) -> Shown<'e> {
    let l4: &[u8] = match (facts.kind, facts.l4) {
        (b'4' | b'6', l4 @ 2..=5) => &L4[usize::from(l4)][..1],
        _ => b"",
    };
    Shown { fd: facts.fd, parts: [typechar(facts.kind), l4, facts.name] }
}

impl<'e> EventFields<'e> {
    /// What the file tells of the event's own descriptor; without a kind it knows only what the event says itself.
    pub(super) fn recorded(&self) -> Option<&'e DescriptorFacts<'e>> {
        *self.recorded.get_or_init(|| {
            // In the arena, since live events have none and would carry the room for it.
            self.event.frame.trailer().descriptor().map(|facts| &*self.at.bump.alloc(facts))
        })
    }

    /// What the file tells of the directory or file behind the event's own descriptor.
    pub(super) fn recorded_file(&self) -> Option<&'e DescriptorFacts<'e>> {
        self.recorded().filter(|facts| matches!(facts.kind, b'f' | b'd'))
    }

    /// The name of the event's own descriptor, as far as the file tells it.
    pub(super) fn recorded_name(&self) -> Option<&'e [u8]> {
        self.recorded().filter(|_| self.event.is_from_file()).map(|facts| facts.name)
    }

    /// What the file tells of any descriptor that the event names.
    pub(super) fn recorded_as(&self, fd: i64) -> Option<DescriptorFacts<'e>> {
        self.event.frame.trailer().descriptors().find(|facts| facts.fd == fd && facts.kind != 0)
    }

    /// The working directory of the process.
    pub(super) fn cwd(&self) -> Option<&[u8]> {
        self.version().map(|version| &**version.cwd)
    }

    /// A field of the event's own descriptor, as far as the file tells it.
    pub(super) fn saved_field(&self, field: Field) -> Option<Value<'_>> {
        match self.recorded()? {
            facts if facts.kind == 0 => unrecorded_field(field, facts),
            facts => self.recorded_field(field, facts),
        }
    }

    fn recorded_field(&self, field: Field, facts: &DescriptorFacts<'e>) -> Option<Value<'_>> {
        let view = View(facts);
        let ip = |end: Option<(IpAddr, u16)>| end.map(|(ip, _)| Value::Ip(ip));
        let port = |end: Option<(IpAddr, u16)>| end.map(|(_, port)| Value::U64(u64::from(port)));
        let text = |end: Option<(IpAddr, u16)>| {
            let mut digits = BumpVec::new_in(self.at.bump);
            put_decimal(&mut digits, u64::from(end?.1));
            Some(Value::Bytes(digits.into_bump_slice()))
        };
        let server = || view.server().filter(|_| view.has_role());
        match field {
            Field::FdType => Some(Value::Bytes(type_name(facts.kind))),
            Field::FdTypechar => Some(Value::Bytes(typechar(facts.kind))),
            Field::FdName if view.is_inet() && self.at.ports == PortFormat::Service => {
                Some(Value::Bytes(with_services(facts.name, self.at.bump)))
            }
            Field::FdName => Some(Value::Bytes(facts.name)),
            Field::FdNameraw => Some(Value::Bytes(facts.raw_name)),
            Field::FdDirectory | Field::FdFilename => {
                name_part(field, facts.kind, facts.name).map(Value::Bytes)
            }
            Field::FdCip | Field::FdCnet => ip(view.told_client()),
            Field::FdSip | Field::FdSnet => ip(server()),
            Field::FdLip | Field::FdLnet => ip(view.local()),
            Field::FdRip | Field::FdRnet => ip(view.remote()),
            Field::FdCport => port(view.told_client()),
            Field::FdSport => port(if view.is_server_socket() { view.server() } else { server() }),
            Field::FdLport => port(view.local()),
            Field::FdRport => port(view.remote()),
            Field::FdCproto => text(view.told_client()),
            Field::FdSproto => text(server()),
            Field::FdLproto => text(view.local()),
            Field::FdRproto => text(view.remote()),
            Field::FdL4proto => Some(Value::Bytes(L4.get(usize::from(facts.l4)).unwrap_or(&NA))),
            Field::FdSockfamily => match facts.kind {
                b'4' | b'6' => Some(Value::Bytes(b"ip")),
                b'u' => Some(Value::Bytes(b"unix")),
                _ => None,
            },
            Field::FdIsServer => Some(Value::Bool(
                view.is_server_socket() || view.is_inet() && view.has(flag::SERVER_IS_LOCAL),
            )),
            Field::FdConnected => Some(Value::Bool(view.has(flag::CONNECTED))),
            Field::FdNameChanged => Some(Value::Bool(view.has(flag::NAME_CHANGED))),
            Field::FdDev | Field::FdDevMajor | Field::FdDevMinor => Some(device(field, facts.dev)),
            Field::FdIno => Some(Value::I64(facts.ino as i64)),
            Field::FdIsUpperLayer => Some(Value::Bool(view.has(flag::UPPER_LAYER))),
            Field::FdIsLowerLayer => Some(Value::Bool(view.has(flag::LOWER_LAYER))),
            // Answered before it is asked what is known: see `fd`.
            Field::FdNum
            | Field::FdTypes
            | Field::FdUid
            | Field::FdNameView
            | Field::FdContainername
            | Field::FdContainerdirectory
            | Field::FdIp
            | Field::FdNet
            | Field::FdPort
            | Field::FdProto
            | Field::FdCipName
            | Field::FdSipName
            | Field::FdLipName
            | Field::FdRipName => None,
        }
    }
}

/// The same of a descriptor that the file knows nothing of: all there is, is what the event says.
fn unrecorded_field<'f>(field: Field, facts: &'f DescriptorFacts<'_>) -> Option<Value<'f>> {
    match field {
        Field::FdName => Some(Value::Bytes(facts.name)),
        Field::FdNameraw => Some(Value::Bytes(facts.raw_name)),
        Field::FdDirectory => name_part(field, b'f', facts.name).map(Value::Bytes),
        Field::FdTypechar => Some(Value::Bytes(typechar(facts.kind))),
        _ => None,
    }
}
