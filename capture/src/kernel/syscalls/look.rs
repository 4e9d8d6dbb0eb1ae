//! Files and directories: looked at without an open, or gone through.

use event::{
    EventType,
    recipe::{
        NO_DIR, Step,
        Width::{U8, U32},
    },
};

use super::{Row, flag_maps};

const STAT: &[Step] = &[Step::RESULT, Step::text(0), Step::dir(NO_DIR, 0)];
const OF_DESCRIPTOR: &[Step] = &[Step::RESULT, Step::fd(0), Step::descriptor(0)];

pub(super) const ROWS: &[Row] = &[
    Row::plain(EventType::STAT_X, 4, 106, STAT),
    Row::plain(EventType::LSTAT_X, 6, 107, STAT),
    Row::plain(EventType::FSTAT_X, 5, 108, OF_DESCRIPTOR),
    Row::plain(EventType::STAT64_X, 0, 195, STAT),
    Row::plain(EventType::LSTAT64_X, 0, 196, STAT),
    // The schema has no room for the descriptor.
    Row::plain(EventType::FSTAT64_X, 0, 197, &[Step::RESULT]),
    // `fstatat64` in ia32.
    Row::plain(
        EventType::NEWFSTATAT_X,
        262,
        300,
        &[
            Step::RESULT,
            Step::fd(0),
            Step::text(1),
            Step::flags(3, U32, flag_maps::FSTATAT),
            Step::dir(0, 1),
        ],
    ),
    Row::plain(
        EventType::ACCESS_X,
        21,
        33,
        &[
            Step::RESULT,
            Step::text(0),
            Step::flags(1, U32, flag_maps::LOW_THREE),
            Step::dir(NO_DIR, 0),
        ],
    ),
    Row::plain(EventType::GETCWD_X, 79, 183, &[Step::RESULT, Step::text_on_success(0)]),
    Row::plain(EventType::GETDENTS_X, 78, 141, OF_DESCRIPTOR),
    Row::plain(EventType::GETDENTS64_X, 217, 220, OF_DESCRIPTOR),
    // The schema numbers the first three as the kernel does, and knows no others.
    Row::plain(
        EventType::LSEEK_X,
        8,
        19,
        &[Step::RESULT, Step::fd(0), Step::signed_long(1), Step::arg(2, U8), Step::descriptor(0)],
    ),
    Row::plain(
        EventType::LLSEEK_X,
        0,
        140,
        &[
            Step::RESULT,
            Step::fd(0),
            Step::position_in_halves(2, 1),
            Step::arg(4, U8),
            Step::descriptor(0),
        ],
    ),
];
