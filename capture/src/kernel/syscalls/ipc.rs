//! Semaphores. In ia32 `semop` is behind `ipc` only, which is a generic event.

use event::{
    EventType,
    recipe::{
        Step,
        Width::{U16, U32},
        sembuf::{FLG, NUM, OP},
    },
};

use super::{Row, flag_maps};

/// Number of the command that sets a value.
const SETVAL: u8 = 16;

/// A member of the first or the second operation.
const fn operation(n: u8, member: u8) -> Step {
    Step::sembuf(1, 2, n, member)
}

pub(super) const ROWS: &[Row] = &[
    Row::plain(
        EventType::SEMOP_X,
        65,
        0,
        &[
            Step::RESULT,
            Step::arg(2, U32),
            operation(0, NUM),
            operation(0, OP),
            operation(0, FLG),
            operation(1, NUM),
            operation(1, OP),
            operation(1, FLG),
            Step::arg(0, U32),
        ],
    ),
    Row::plain(
        EventType::SEMGET_X,
        64,
        393,
        &[
            Step::RESULT,
            Step::arg(0, U32),
            Step::arg(1, U32),
            Step::flags(2, U32, flag_maps::SEMGET),
        ],
    ),
    Row::plain(
        EventType::SEMCTL_X,
        66,
        394,
        &[
            Step::RESULT,
            Step::arg(0, U32),
            Step::arg(1, U32),
            Step::flags(2, U16, flag_maps::SEMCTL),
            Step::arg_where(3, U32, 2, SETVAL),
        ],
    ),
];
