//! Mounts.

use event::{
    EventType,
    recipe::{NO_DIR, Step, Width::U32},
};

use super::Row;

/// Values of `enum fsconfig_command` (include/uapi/linux/mount.h) whose value is text: a string, a path, a path that may be empty.
const FSCONFIG_TEXTS: u8 = 1 << 1 | 1 << 3 | 1 << 4;
/// The one whose value is bytes, as many as the last argument says.
const FSCONFIG_BINARY: u8 = 1 << 2;

pub(super) const ROWS: &[Row] = &[
    // The mount point's directory is the relative path's: where the mount came from may be no path at all.
    Row::plain(
        EventType::MOUNT_X,
        165,
        21,
        &[
            Step::RESULT,
            Step::text(0),
            Step::text(1),
            Step::text(2),
            Step::mount_flags(3),
            Step::dir(NO_DIR, 1),
        ],
    ),
    // Only the ia32 table has a call without flags.
    Row::plain(EventType::UMOUNT_1_X, 0, 22, &[Step::RESULT, Step::text(0), Step::dir(NO_DIR, 0)]),
    Row::plain(
        EventType::UMOUNT2_X,
        166,
        52,
        &[Step::RESULT, Step::text(0), Step::arg(1, U32), Step::dir(NO_DIR, 0)],
    ),
    Row::plain(
        EventType::FSCONFIG_X,
        431,
        431,
        &[
            Step::RESULT,
            Step::fd(0),
            Step::arg(1, U32),
            Step::text(2),
            Step::bytes_where(3, 4, 1, FSCONFIG_BINARY),
            Step::text_where(3, 1, FSCONFIG_TEXTS),
            Step::arg(4, U32),
            Step::descriptor(0),
        ],
    ),
];
