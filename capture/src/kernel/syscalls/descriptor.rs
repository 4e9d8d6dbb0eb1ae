//! Descriptors: made, copied, closed. Where a call makes one its section is that of the new one.

use event::{
    EventType,
    recipe::{
        RET, Step,
        Width::{I32, U8, U16, U32, U64, Z32},
    },
};

use super::{
    Row,
    flag_maps::{CLOSE_RANGE, EPOLL, FCNTL, FLOCK, OPEN, PIPE},
};

const NOTHING_8: Step = Step::constant(0, U8);
const NOTHING_32: Step = Step::constant(0, U32);
const FD_1: Step = Step::memory_on_success(0, I32, 0);
const FD_2: Step = Step::memory_on_success(0, I32, 4);

/// Whether a call takes the note of its start although no step says so: copies, whose result is the same object as their first argument, and
/// programs of their own that ask for it.
pub(super) fn takes_a_note(ty: EventType) -> bool {
    matches!(
        ty,
        EventType::DUP_1_X
            | EventType::DUP2_X
            | EventType::DUP3_X
            | EventType::CONNECT_X
            | EventType::BIND_X
            | EventType::SENDTO_X
            | EventType::SEND_X
            | EventType::RECVFROM_X
            | EventType::RECV_X
            | EventType::SENDMSG_X
            | EventType::RECVMSG_X
            | EventType::SENDMMSG_X
            | EventType::RECVMMSG_X
    )
}

/// What the schema has room for and Falco leaves 0 is 0 here too: the mask of `signalfd`, the clock and flags of `timerfd_create`.
pub(super) const ROWS: &[Row] = &[
    Row::plain(EventType::DUP_1_X, 32, 41, &[Step::RESULT, Step::fd(0), Step::descriptor(RET)]),
    Row::plain(
        EventType::DUP2_X,
        33,
        63,
        &[Step::RESULT, Step::fd(0), Step::fd(1), Step::descriptor(RET)],
    ),
    Row::plain(
        EventType::DUP3_X,
        292,
        330,
        &[Step::RESULT, Step::fd(0), Step::fd(1), Step::flags(2, U32, OPEN), Step::descriptor(RET)],
    ),
    Row::plain(EventType::CLOSE_X, 3, 6, &[Step::RESULT, Step::fd(0), Step::closed(0)]),
    Row::plain(
        EventType::CLOSE_RANGE_X,
        436,
        436,
        &[
            Step::RESULT,
            Step::arg(0, U32),
            Step::arg(1, U32),
            Step::flags(2, U32, CLOSE_RANGE),
            Step::closed_range(0, 1),
        ],
    ),
    Row::plain(
        EventType::PIPE_X,
        22,
        42,
        &[Step::RESULT, FD_1, FD_2, Step::inode_behind(0), Step::descriptor_behind(0)],
    ),
    Row::plain(
        EventType::PIPE2_X,
        293,
        331,
        &[
            Step::RESULT,
            FD_1,
            FD_2,
            Step::inode_behind(0),
            Step::flags(1, U32, PIPE),
            Step::descriptor_behind(0),
        ],
    ),
    Row::plain(
        EventType::EVENTFD_X,
        284,
        323,
        &[Step::RESULT, Step::arg(0, Z32), NOTHING_32, Step::descriptor(RET)],
    ),
    Row::plain(
        EventType::EVENTFD2_X,
        290,
        328,
        &[Step::RESULT, Step::flags(1, U16, OPEN), Step::arg(0, Z32), Step::descriptor(RET)],
    ),
    Row::plain(
        EventType::EPOLL_CREATE_X,
        213,
        254,
        &[Step::RESULT, Step::arg(0, U32), Step::descriptor(RET)],
    ),
    Row::plain(
        EventType::EPOLL_CREATE1_X,
        291,
        329,
        &[Step::RESULT, Step::flags(0, U32, EPOLL), Step::descriptor(RET)],
    ),
    Row::plain(
        EventType::INOTIFY_INIT_X,
        253,
        291,
        &[Step::RESULT, NOTHING_8, Step::descriptor(RET)],
    ),
    Row::plain(
        EventType::INOTIFY_INIT1_X,
        294,
        332,
        &[Step::RESULT, Step::flags(0, U16, OPEN), Step::descriptor(RET)],
    ),
    Row::plain(
        EventType::SIGNALFD_X,
        282,
        321,
        &[Step::RESULT, Step::fd(0), NOTHING_32, NOTHING_8, Step::descriptor(RET)],
    ),
    Row::plain(
        EventType::SIGNALFD4_X,
        289,
        327,
        &[Step::RESULT, Step::flags(3, U16, OPEN), Step::fd(0), NOTHING_32, Step::descriptor(RET)],
    ),
    Row::plain(
        EventType::TIMERFD_CREATE_X,
        283,
        322,
        &[Step::RESULT, NOTHING_8, NOTHING_8, Step::descriptor(RET)],
    ),
    Row::plain(EventType::FCNTL_X, 72, 55, FCNTL_STEPS),
    // `fcntl64`.
    Row::plain(EventType::FCNTL_X, 0, 221, FCNTL_STEPS),
    Row::plain(
        EventType::IOCTL_3_X,
        16,
        54,
        &[Step::RESULT, Step::fd(0), Step::arg(1, U64), Step::arg(2, U64), Step::descriptor(0)],
    )
    .x32(514),
    Row::plain(
        EventType::FLOCK_X,
        73,
        143,
        &[Step::RESULT, Step::fd(0), Step::flags(1, U32, FLOCK), Step::descriptor(0)],
    ),
];

const FCNTL_STEPS: &[Step] =
    &[Step::RESULT, Step::fd(0), Step::flags(1, U8, FCNTL), Step::arg(2, U64), Step::descriptor(0)];
