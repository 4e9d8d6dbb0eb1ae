//! Processes: made, replaced, grouped and limited. Their ends, and the child's side of forks, come from tracepoints of the scheduler.

use event::{
    EventType, Slot,
    recipe::{
        Step,
        Width::{U8, U32, U64},
    },
};

use super::{Row, flag_maps};

pub(super) const ROWS: &[Row] = &[
    Row::own(EventType::EXECVE_19_X, Slot::Execve, 59, 11).x32(520),
    Row::own(EventType::EXECVEAT_X, Slot::Execveat, 322, 358).x32(545),
    Row::plain(EventType::SETSID_X, 112, 66, &[Step::RESULT]),
    Row::plain(EventType::SETPGID_X, 109, 57, &[Step::RESULT, Step::pid(0), Step::pid(1)]),
    Row::plain(
        EventType::SETRLIMIT_X,
        160,
        75,
        &[Step::RESULT, Step::long(1, 0), Step::long(1, 1), Step::flags(0, U8, flag_maps::RLIMIT)],
    ),
    // `ugetrlimit`, and the old call that knows smaller limits only.
    Row::plain(
        EventType::GETRLIMIT_X,
        97,
        191,
        &[
            Step::RESULT,
            Step::long_on_success(1, 0),
            Step::long_on_success(1, 1),
            Step::flags(0, U8, flag_maps::RLIMIT),
        ],
    )
    .ia32_too(76),
    // What was there before is written only by a call that succeeds.
    Row::plain(
        EventType::PRLIMIT_X,
        302,
        340,
        &[
            Step::RESULT,
            Step::memory(2, U64, 0),
            Step::memory(2, U64, 8),
            Step::memory_or_zero(3, U64, 0),
            Step::memory_or_zero(3, U64, 8),
            Step::pid(0),
            Step::flags(1, U8, flag_maps::RLIMIT),
        ],
    ),
    Row::plain(
        EventType::PRCTL_X,
        157,
        172,
        &[Step::RESULT, Step::arg(0, U32), Step::PRCTL_TEXT, Step::PRCTL_NUMBER],
    ),
];

/// Calls that make tasks; their caller's side is captured when asked for.
pub(super) const FORKS: &[Row] = &[
    Row::own(EventType::CLONE_20_X, Slot::Clone, 56, 120),
    Row::own(EventType::CLONE3_X, Slot::Clone, 435, 435),
    Row::own(EventType::FORK_20_X, Slot::Clone, 57, 2),
    Row::own(EventType::VFORK_20_X, Slot::Clone, 58, 190),
];
