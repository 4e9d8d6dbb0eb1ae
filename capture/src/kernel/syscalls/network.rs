//! Sockets: made, connected, accepted, bound, shut down; sent to and received from; their names and options.

use event::{
    EventType, Slot,
    recipe::{Step, Width},
};

use super::{Row, flag_maps};

/// Option and value, whose length is an argument or lies behind one.
const fn option(value: Step, len: Step) -> [Step; 7] {
    let level = Step::flags(1, Width::U8, flag_maps::SOCKET_LEVEL);
    [Step::RESULT, Step::fd(0), level, Step::OPTION_NAME, value, len, Step::descriptor(0)]
}

const SETSOCKOPT: &[Step] = &option(Step::OPTION_SET, Step::arg(4, Width::U32));
const GETSOCKOPT: &[Step] = &option(Step::OPTION_GOT, Step::memory(4, Width::U32, 0));

pub(super) const ROWS: &[Row] = &[
    Row::own(EventType::SOCKET_X, Slot::Socket, 41, 359),
    Row::own(EventType::CONNECT_X, Slot::Connect, 42, 362),
    Row::own(EventType::ACCEPT_5_X, Slot::Accept, 43, 0),
    Row::own(EventType::ACCEPT4_6_X, Slot::Accept4, 288, 364),
    Row::own(EventType::BIND_X, Slot::Bind, 49, 361),
    Row::own(EventType::LISTEN_X, Slot::Listen, 50, 363),
    Row::plain(
        EventType::SHUTDOWN_X,
        48,
        373,
        // The schema's numbers are the kernel's.
        &[Step::RESULT, Step::fd(0), Step::arg(1, Width::U8), Step::descriptor(0)],
    ),
    Row::own(EventType::SOCKETPAIR_X, Slot::Socketpair, 53, 360),
    Row::own(EventType::SENDTO_X, Slot::Send, 44, 369),
    Row::own(EventType::RECVFROM_X, Slot::Recv, 45, 371).x32(517),
    Row::own(EventType::SENDMSG_X, Slot::Message, 46, 370).x32(518),
    Row::own(EventType::RECVMSG_X, Slot::Message, 47, 372).x32(519),
    Row::own(EventType::RECVMMSG_X, Slot::Messages, 299, 337).x32(537),
    // `recvmmsg_time64`.
    Row::own(EventType::RECVMMSG_X, Slot::Messages, 0, 417),
    Row::own(EventType::SENDMMSG_X, Slot::Messages, 307, 345).x32(538),
    // The schema has no room for the addresses.
    Row::plain(EventType::GETSOCKNAME_X, 51, 367, &[]),
    Row::plain(EventType::GETPEERNAME_X, 52, 368, &[]),
    Row::plain(EventType::SETSOCKOPT_X, 54, 366, SETSOCKOPT).x32(541),
    Row::plain(EventType::GETSOCKOPT_X, 55, 365, GETSOCKOPT).x32(542),
    // ia32 alone has these two, and only behind `socketcall`.
    Row::own(EventType::SEND_X, Slot::Send, 0, 0),
    Row::own(EventType::RECV_X, Slot::Recv, 0, 0),
];

/// Calls that tell which end of a socket a process is.
pub(super) const TELL_PAST: &[EventType] = &[
    EventType::CONNECT_X,
    EventType::ACCEPT_5_X,
    EventType::ACCEPT4_6_X,
    EventType::LISTEN_X,
    EventType::BIND_X,
];

/// Calls on sockets that do not tell it themselves.
pub(super) const READ_PAST: &[EventType] = &[
    EventType::SENDTO_X,
    EventType::SEND_X,
    EventType::SENDMSG_X,
    EventType::SENDMMSG_X,
    EventType::RECVFROM_X,
    EventType::RECV_X,
    EventType::RECVMSG_X,
    EventType::RECVMMSG_X,
    EventType::SHUTDOWN_X,
    EventType::SETSOCKOPT_X,
    EventType::GETSOCKOPT_X,
    EventType::READ_X,
    EventType::WRITE_X,
    EventType::READV_X,
    EventType::WRITEV_X,
    EventType::CLOSE_X,
    EventType::DUP_1_X,
    EventType::DUP2_X,
    EventType::DUP3_X,
];

/// Number in ia32 `socketcall`, event, program.
pub(super) const SOCKETCALLS: &[(usize, EventType, Slot)] = &[
    (1, EventType::SOCKET_X, Slot::Socket),
    (2, EventType::BIND_X, Slot::Bind),
    (3, EventType::CONNECT_X, Slot::Connect),
    (4, EventType::LISTEN_X, Slot::Listen),
    (5, EventType::ACCEPT_5_X, Slot::Accept),
    (6, EventType::GETSOCKNAME_X, Slot::Plain),
    (7, EventType::GETPEERNAME_X, Slot::Plain),
    (8, EventType::SOCKETPAIR_X, Slot::Socketpair),
    (9, EventType::SEND_X, Slot::Send),
    (10, EventType::RECV_X, Slot::Recv),
    (11, EventType::SENDTO_X, Slot::Send),
    (12, EventType::RECVFROM_X, Slot::Recv),
    (13, EventType::SHUTDOWN_X, Slot::Plain),
    (14, EventType::SETSOCKOPT_X, Slot::Plain),
    (15, EventType::GETSOCKOPT_X, Slot::Plain),
    (16, EventType::SENDMSG_X, Slot::Message),
    (17, EventType::RECVMSG_X, Slot::Message),
    (18, EventType::ACCEPT4_6_X, Slot::Accept4),
    (19, EventType::RECVMMSG_X, Slot::Messages),
    (20, EventType::SENDMMSG_X, Slot::Messages),
];
