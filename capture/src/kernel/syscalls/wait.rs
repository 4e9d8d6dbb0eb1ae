//! Waiting: for descriptors, for other threads, for time.

use event::{
    EventType,
    recipe::{
        Step,
        Width::{I32, U16, U32, U64, Z32},
    },
};

use super::{Row, flag_maps};

pub(super) const ROWS: &[Row] = &[
    Row::plain(EventType::EPOLL_WAIT_X, 232, 256, &[Step::RESULT, Step::arg(2, I32)]),
    Row::plain(EventType::POLL_X, 7, 168, &[Step::RESULT, Step::fd_list(0, 1), Step::arg(2, I32)]),
    // What is left of the time, where the call was given one; then `ppoll_time64`.
    Row::plain(
        EventType::PPOLL_X,
        271,
        309,
        &[Step::RESULT, Step::fd_list(0, 1), Step::interval(2), Step::memory(3, U32, 0)],
    )
    .ia32_too(414),
    // `_newselect`, and the old call whose arguments lie in memory.
    Row::plain(EventType::SELECT_X, 23, 142, &[Step::RESULT]).ia32_too(82),
    // Then `futex_time64`.
    Row::plain(
        EventType::FUTEX_X,
        202,
        240,
        &[
            Step::RESULT,
            Step::arg(0, U64),
            Step::flags(1, U16, flag_maps::FUTEX),
            Step::arg(2, Z32),
        ],
    )
    .ia32_too(422),
    Row::plain(EventType::NANOSLEEP_X, 35, 162, &[Step::RESULT, Step::interval(0)]),
];
