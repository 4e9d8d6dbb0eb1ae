//! Namespaces: left and entered.

use event::{
    EventType,
    recipe::{Step, Width::U32},
};

use super::{Row, flag_maps};

const fn clone_flags(n: u8) -> Step {
    Step::flags(n, U32, flag_maps::CLONE)
}

pub(super) const ROWS: &[Row] = &[
    Row::plain(
        EventType::SETNS_X,
        308,
        346,
        &[Step::RESULT, Step::fd(0), clone_flags(1), Step::descriptor(0)],
    ),
    Row::plain(EventType::UNSHARE_X, 272, 310, &[Step::RESULT, clone_flags(0)]),
];
