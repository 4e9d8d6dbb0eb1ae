//! Who may do what with a file, and whose it is.

use event::{
    EventType,
    recipe::{
        NO_DIR, Step,
        Width::{self, U32},
    },
};

use super::Row;

/// Permission bits: the schema's are the kernel's.
const fn mode(n: u8) -> Step {
    Step::arg(n, Width::U32)
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
        EventType::FCHOWN_X,
        93,
        207,
        &[Step::RESULT, Step::fd(0), Step::arg(1, U32), Step::arg(2, U32), Step::descriptor(0)],
    ),
];
