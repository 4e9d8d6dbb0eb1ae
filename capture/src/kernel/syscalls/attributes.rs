//! Who may do what with a file, and whose it is.

use event::{
    EventType,
    recipe::{NO_DIR, Step, Width::U32},
};

use super::{Row, flag_maps};

const fn mode(n: u8) -> Step {
    Step::flags(n, U32, flag_maps::PERMISSIONS)
}

pub(super) const ROWS: &[Row] = &[
    Row::plain(
        EventType::CHMOD_X,
        90,
        15,
        &[Step::RESULT, Step::text(0), mode(1), Step::dir(NO_DIR, 0)],
    ),
    Row::plain(
        EventType::FCHMOD_X,
        91,
        94,
        &[Step::RESULT, Step::fd(0), mode(1), Step::descriptor(0)],
    ),
    Row::plain(
        EventType::FCHMODAT_X,
        268,
        306,
        &[Step::RESULT, Step::fd(0), Step::text(1), mode(2), Step::dir(0, 1)],
    ),
    Row::plain(
        EventType::CHOWN_X,
        92,
        212,
        &[Step::RESULT, Step::text(0), Step::id(1), Step::id(2), Step::dir(NO_DIR, 0)],
    )
    .ia32_too(182),
    Row::plain(
        EventType::LCHOWN_X,
        94,
        198,
        &[Step::RESULT, Step::text(0), Step::id(1), Step::id(2), Step::dir(NO_DIR, 0)],
    )
    .ia32_too(16),
    Row::plain(
        EventType::FCHOWN_X,
        93,
        207,
        &[Step::RESULT, Step::fd(0), Step::id(1), Step::id(2), Step::descriptor(0)],
    )
    .ia32_too(95),
    Row::plain(
        EventType::FCHOWNAT_X,
        260,
        298,
        &[
            Step::RESULT,
            Step::fd(0),
            Step::text(1),
            Step::id(2),
            Step::id(3),
            Step::flags(4, U32, flag_maps::FCHOWNAT),
            Step::dir(0, 1),
        ],
    ),
];
