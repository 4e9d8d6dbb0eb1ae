//! Sockets: made, connected, accepted, bound.

use event::{EventType, Slot};

use super::Row;

pub(super) const ROWS: &[Row] = &[
    Row::own(EventType::SOCKET_X, Slot::Socket, 41, 359),
    Row::own(EventType::CONNECT_X, Slot::Connect, 42, 362),
    Row::own(EventType::ACCEPT_5_X, Slot::Accept, 43, 0),
    Row::own(EventType::ACCEPT4_6_X, Slot::Accept4, 288, 364),
    Row::own(EventType::BIND_X, Slot::Bind, 49, 361),
    Row::own(EventType::LISTEN_X, Slot::Listen, 50, 363),
];

/// Number in ia32 `socketcall`, event, program.
pub(super) const SOCKETCALLS: &[(usize, EventType, Slot)] = &[
    (1, EventType::SOCKET_X, Slot::Socket),
    (2, EventType::BIND_X, Slot::Bind),
    (3, EventType::CONNECT_X, Slot::Connect),
    (4, EventType::LISTEN_X, Slot::Listen),
    (5, EventType::ACCEPT_5_X, Slot::Accept),
    (18, EventType::ACCEPT4_6_X, Slot::Accept4),
];
