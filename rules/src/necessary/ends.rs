//! What a test of a descriptor's kind, addresses or ports leaves of the kinds that the kernel tells apart.

use std::collections::BTreeSet;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use event::filter::FilterKind;

use super::literal::Concrete;
use crate::predicate::{Cmp, Net, PredicateKey, TestKey};
use crate::schema::Field;
use crate::value::Value;

/// Ports of one clause; more ask nothing.
const MAX_PORTS: usize = 256;

/// Ways in which the ends of a local socket can lie: each is missing, the first or the second of its family's local addresses, and either the local
/// or the remote one is the server's.
const N_STATES: u32 = 18;
const ALL_STATES: u32 = (1 << N_STATES) - 1;

/// Descriptors that a clause allows.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[expect(clippy::struct_excessive_bools, reason = "one for each kind of descriptor")]
pub(super) struct Ends {
    /// Anything without addresses that is no Unix socket.
    others: bool,
    unix: bool,
    ipv4: bool,
    ipv6: bool,
    /// Bits of states of a socket with local addresses alone.
    local4: u32,
    local6: u32,
}

impl Ends {
    pub(super) const ALL: Self = Self {
        others: true,
        unix: true,
        ipv4: true,
        ipv6: true,
        local4: ALL_STATES,
        local6: ALL_STATES,
    };

    fn has_none(&self) -> bool {
        let Self { others, unix, ipv4, ipv6, local4, local6 } = *self;
        !others && !unix && !ipv4 && !ipv6 && local4 == 0 && local6 == 0
    }

    /// What both allow; `None` where that is nothing.
    pub(super) fn meet(&self, other: &Self) -> Option<Self> {
        let both = Self {
            others: self.others && other.others,
            unix: self.unix && other.unix,
            ipv4: self.ipv4 && other.ipv4,
            ipv6: self.ipv6 && other.ipv6,
            local4: self.local4 & other.local4,
            local6: self.local6 & other.local6,
        };
        (!both.has_none()).then_some(both)
    }

    /// What either allows.
    pub(super) fn join(&self, other: &Self) -> Self {
        Self {
            others: self.others || other.others,
            unix: self.unix || other.unix,
            ipv4: self.ipv4 || other.ipv4,
            ipv6: self.ipv6 || other.ipv6,
            local4: self.local4 | other.local4,
            local6: self.local6 | other.local6,
        }
    }

    /// As the kernel tells kinds apart: a bit for each [`FilterKind`]. Fifos and the like may be one of two, and a socket of IPv6 that has
    /// addresses of IPv4 counts as IPv4 for rules.
    pub(super) fn kinds(&self) -> u8 {
        let Self { others, unix, ipv4, ipv6, local4, local6 } = *self;
        [
            (FilterKind::File, others),
            (FilterKind::Ipv4, ipv4),
            (FilterKind::Ipv4Local, local4 != 0),
            (FilterKind::Ipv6, ipv6 || ipv4 || local4 != 0),
            (FilterKind::Ipv6Local, local6 != 0),
            (FilterKind::Unix, unix),
            (FilterKind::Other, others),
            (FilterKind::Unknown, true),
        ]
        .into_iter()
        .fold(0, |bits, (kind, is_allowed)| bits | u8::from(is_allowed) << kind as u32)
    }

    /// The same for every kind of socket with addresses.
    fn of(others: bool, unix: bool, inet: bool) -> Self {
        let states = if inet { ALL_STATES } else { 0 };
        Self { others, unix, ipv4: inet, ipv6: inet, local4: states, local6: states }
    }
}

/// `fd.type`, `fd.typechar` of what is no socket. The kernel may count some as files.
const OTHERS: [(&str, &str); 16] = [
    ("file", "f"),
    ("directory", "d"),
    ("pipe", "p"),
    ("event", "e"),
    ("signalfd", "s"),
    ("eventpoll", "l"),
    ("inotify", "i"),
    ("timerfd", "t"),
    ("bpf", "b"),
    ("userfaultfd", "u"),
    ("io_uring", "r"),
    ("memfd", "m"),
    ("pidfd", "P"),
    ("<NA>", "X"),
    ("netlink", "n"),
    ("unknown", "o"),
];

/// What the literal leaves of all descriptors.
pub(super) fn of_literal(field: Field, key: &PredicateKey, negated: bool) -> Ends {
    match field {
        Field::FdType => of_kind(|(name, _)| name, key, negated),
        Field::FdTypechar => of_kind(|(_, letter)| letter, key, negated),
        Field::FdSockfamily => {
            let test = Concrete::new(key);
            let holds = |text: &str| test.may(Some(Value::Bytes(text.as_bytes())), negated);
            let none = test.may(None, negated);
            Ends::of(none, holds("unix") || none, holds("ip") || none)
        }
        _ => match End::of(field) {
            Some(end) => of_end(field, end, key, negated),
            None => Ends::ALL,
        },
    }
}

fn of_kind(
    text: fn((&'static str, &'static str)) -> &'static str,
    key: &PredicateKey,
    negated: bool,
) -> Ends {
    let test = Concrete::new(key);
    let holds = |kind: (&'static str, &'static str)| {
        test.may(Some(Value::Bytes(text(kind).as_bytes())), negated)
    };
    // A call that failed may have none, and a socket of which little is known is a file for rules.
    let any = test.may(None, negated) || holds(OTHERS[0]);
    let states = |holds: bool| if holds { ALL_STATES } else { 0 };
    let (v4, v6) = (any || holds(("ipv4", "4")), any || holds(("ipv6", "6")));
    Ends {
        others: any || OTHERS.into_iter().any(holds),
        unix: any || holds(("unix", "u")),
        ipv4: v4,
        ipv6: v6,
        local4: states(v4),
        local6: states(v6),
    }
}

/// Which ends a field tells of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum End {
    Client,
    Server,
    Local,
    Remote,
    Both,
}

impl End {
    fn of(field: Field) -> Option<Self> {
        Some(match field {
            Field::FdCip | Field::FdCnet | Field::FdCport => Self::Client,
            Field::FdSip | Field::FdSnet | Field::FdSport => Self::Server,
            Field::FdLip | Field::FdLnet | Field::FdLport => Self::Local,
            Field::FdRip | Field::FdRnet | Field::FdRport => Self::Remote,
            Field::FdIp | Field::FdNet | Field::FdPort => Self::Both,
            _ => return None,
        })
    }

    /// The ends in a state: 0 for one that is missing, 1 and 2 for the local addresses of the family.
    fn places(self, state: u32) -> Vec<u32> {
        let (local, remote, is_server) = (state % 3, state / 3 % 3, state / 9 == 1);
        match self {
            Self::Local => vec![local],
            Self::Remote => vec![remote],
            Self::Server => vec![if is_server { local } else { remote }],
            Self::Client => vec![if is_server { remote } else { local }],
            Self::Both => vec![local, remote],
        }
    }
}

fn is_port(field: Field) -> bool {
    matches!(
        field,
        Field::FdCport | Field::FdSport | Field::FdLport | Field::FdRport | Field::FdPort
    )
}

/// Whether only sockets have the field.
pub(super) fn is_of_socket(field: Field) -> bool {
    field == Field::FdSockfamily || End::of(field).is_some()
}

/// What of an address or a port, or of both ends', a test asks.
fn of_end(field: Field, end: End, key: &PredicateKey, negated: bool) -> Ends {
    let is_not_equal = match key.test {
        TestKey::Ip { negated, .. } | TestKey::Net { negated, .. } => negated,
        TestKey::Number { cmp, .. } => cmp == Cmp::Ne,
        _ => false,
    };
    let local = |addresses: [Block; 2]| {
        let state_may_hold = |state: &u32| {
            let places = end.places(*state).into_iter().filter(|&place| place != 0);
            // Whether each end may pass the test, and may fail it.
            let answers: Vec<(bool, bool)> = places
                .map(|place| {
                    if is_port(field) {
                        (true, true)
                    } else {
                        asked(&key.test, addresses[place as usize - 1])
                    }
                })
                .collect();
            let may_pass = |&(pass, _): &(bool, bool)| pass;
            let may_fail = |&(_, fail): &(bool, bool)| fail;
            // As the evaluator has it for two ends; for one it is the same.
            match (is_not_equal, negated) {
                (true, false) => !answers.is_empty() && answers.iter().all(may_pass),
                (true, true) => answers.is_empty() || answers.iter().any(may_fail),
                (false, false) => answers.iter().any(may_pass),
                (false, true) => answers.iter().all(may_fail),
            }
        };
        (0..N_STATES).filter(state_may_hold).fold(0, |bits, state| bits | 1 << state)
    };
    let v4 = [Block::net(Ipv4Addr::LOCALHOST.into(), 8), Block::one(Ipv4Addr::UNSPECIFIED.into())];
    let v6 = [Block::one(Ipv6Addr::LOCALHOST.into()), Block::one(Ipv6Addr::UNSPECIFIED.into())];
    // What has no addresses has no value for it.
    let others = negated;
    Ends { others, unix: others, ipv4: true, ipv6: true, local4: local(v4), local6: local(v6) }
}

/// Addresses one of which an end has.
#[derive(Clone, Copy)]
struct Block {
    net: Net,
    is_one: bool,
}

impl Block {
    fn net(first: IpAddr, len: u8) -> Self {
        Self { net: Net::new(first, len), is_one: false }
    }

    fn one(addr: IpAddr) -> Self {
        let len = if addr.is_ipv4() { 32 } else { 128 };
        Self { net: Net::new(addr, len), is_one: true }
    }
}

/// Whether an address of the block may pass the test, and may fail it.
fn asked(test: &TestKey, block: Block) -> (bool, bool) {
    let addr = |is_in: bool| (is_in, !(is_in && block.is_one));
    let of_net = |net: Net| {
        let overlaps = net.overlaps(block.net);
        (overlaps, !(overlaps && net.covers(block.net)))
    };
    let swapped =
        |(pass, fail): (bool, bool), swap: bool| if swap { (fail, pass) } else { (pass, fail) };
    match test {
        TestKey::Ip { addr: a, negated } => swapped(addr(block.net.contains(*a)), *negated),
        TestKey::IpIn(of) => addr(of.iter().any(|a| block.net.contains(*a))),
        TestKey::Net { net, negated } => swapped(of_net(*net), *negated),
        TestKey::NetIn(of) => {
            let answers = || of.iter().map(|net| of_net(*net));
            (answers().any(|(pass, _)| pass), answers().all(|(_, fail)| fail))
        }
        TestKey::Exists => (true, false),
        _ => (true, true),
    }
}

/// The ports one of which some end has where the test holds; `None` where that is not told.
pub(super) fn ports(field: Field, test: &TestKey) -> Option<BTreeSet<u16>> {
    if !is_port(field) {
        return None;
    }
    let ports: BTreeSet<u16> = match test {
        TestKey::Number { cmp: Cmp::Eq, bits, .. } => u16::try_from(*bits).into_iter().collect(),
        TestKey::NumberIn(of) => of.iter().filter_map(|&n| u16::try_from(n).ok()).collect(),
        _ => return None,
    };
    (ports.len() <= MAX_PORTS).then_some(ports)
}
