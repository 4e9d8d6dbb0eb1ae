//! Signals, as they are sent. Their delivery comes from a tracepoint.

use event::{
    EventType,
    recipe::{Step, Width::U8},
};

use super::Row;

pub(super) const ROWS: &[Row] = &[
    Row::plain(EventType::KILL_X, 62, 37, &[Step::RESULT, Step::pid(0), Step::arg(1, U8)]),
    Row::plain(EventType::TKILL_X, 200, 238, &[Step::RESULT, Step::pid(0), Step::arg(1, U8)]),
    Row::plain(
        EventType::TGKILL_X,
        234,
        270,
        &[Step::RESULT, Step::pid(0), Step::pid(1), Step::arg(2, U8)],
    ),
];
