//! Names in the tree: made, moved, linked, removed.

use event::{
    EventType,
    recipe::{NO_DIR, Step, Width::U32},
};

use super::{Row, flag_maps};

/// The caller's device number is in the encoding of `stat`, as everywhere else here.
const fn dev(n: u8) -> Step {
    Step::arg(n, U32)
}

pub(super) const ROWS: &[Row] = &[
    Row::plain(
        EventType::RENAME_X,
        82,
        38,
        &[Step::RESULT, Step::text(0), Step::text(1), Step::dir(NO_DIR, 0), Step::dir2(NO_DIR, 1)],
    ),
    Row::plain(
        EventType::RENAMEAT_X,
        264,
        302,
        &[
            Step::RESULT,
            Step::fd(0),
            Step::text(1),
            Step::fd(2),
            Step::text(3),
            Step::dir(0, 1),
            Step::dir2(2, 3),
        ],
    ),
    Row::plain(
        EventType::RENAMEAT2_X,
        316,
        353,
        &[
            Step::RESULT,
            Step::fd(0),
            Step::text(1),
            Step::fd(2),
            Step::text(3),
            Step::arg(4, U32),
            Step::dir(0, 1),
            Step::dir2(2, 3),
        ],
    ),
    Row::plain(EventType::UNLINK_2_X, 87, 10, &[Step::RESULT, Step::text(0), Step::dir(NO_DIR, 0)]),
    Row::plain(
        EventType::UNLINKAT_2_X,
        263,
        301,
        &[
            Step::RESULT,
            Step::fd(0),
            Step::text(1),
            Step::flags(2, U32, flag_maps::UNLINKAT),
            Step::dir(0, 1),
        ],
    ),
    Row::plain(EventType::RMDIR_2_X, 84, 40, &[Step::RESULT, Step::text(0), Step::dir(NO_DIR, 0)]),
    Row::plain(
        EventType::MKDIR_2_X,
        83,
        39,
        &[Step::RESULT, Step::text(0), Step::arg(1, U32), Step::dir(NO_DIR, 0)],
    ),
    Row::plain(
        EventType::MKDIRAT_X,
        258,
        296,
        &[Step::RESULT, Step::fd(0), Step::text(1), Step::arg(2, U32), Step::dir(0, 1)],
    ),
    Row::plain(
        EventType::LINK_2_X,
        86,
        9,
        &[Step::RESULT, Step::text(0), Step::text(1), Step::dir(NO_DIR, 0), Step::dir2(NO_DIR, 1)],
    ),
    Row::plain(
        EventType::LINKAT_2_X,
        265,
        303,
        &[
            Step::RESULT,
            Step::fd(0),
            Step::text(1),
            Step::fd(2),
            Step::text(3),
            Step::flags(4, U32, flag_maps::LINKAT),
            Step::dir(0, 1),
            Step::dir2(2, 3),
        ],
    ),
    // What a symbolic link points to is text, whether it names a file or not: the path is the link's.
    Row::plain(
        EventType::SYMLINK_X,
        88,
        83,
        &[Step::RESULT, Step::text(0), Step::text(1), Step::dir(NO_DIR, 1)],
    ),
    Row::plain(
        EventType::SYMLINKAT_X,
        266,
        304,
        &[Step::RESULT, Step::text(0), Step::fd(1), Step::text(2), Step::dir(1, 2)],
    ),
    Row::plain(
        EventType::MKNOD_X,
        133,
        14,
        &[
            Step::RESULT,
            Step::text(0),
            Step::flags(1, U32, flag_maps::MODE),
            dev(2),
            Step::dir(NO_DIR, 0),
        ],
    ),
    Row::plain(
        EventType::MKNODAT_X,
        259,
        297,
        &[
            Step::RESULT,
            Step::fd(0),
            Step::text(1),
            Step::flags(2, U32, flag_maps::MODE),
            dev(3),
            Step::dir(0, 1),
        ],
    ),
];
