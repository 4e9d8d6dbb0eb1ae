//! Where a process stands: its working directory and its root.

use event::{
    EventType,
    recipe::{NO_DIR, Step},
};

use super::Row;

pub(super) const ROWS: &[Row] = &[
    Row::plain(
        EventType::CHDIR_X,
        80,
        12,
        &[Step::RESULT, Step::text(0), Step::working_directory(0)],
    ),
    Row::plain(EventType::FCHDIR_X, 81, 133, &[Step::RESULT, Step::fd(0), Step::descriptor(0)]),
    Row::plain(EventType::CHROOT_X, 161, 61, &[Step::RESULT, Step::text(0), Step::dir(NO_DIR, 0)]),
];
