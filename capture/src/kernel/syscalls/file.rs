//! The open family.

use event::{EventType, Slot};

use super::Row;

pub(super) const ROWS: &[Row] = &[
    Row::own(EventType::OPEN_X, Slot::Open, 2, 5),
    Row::own(EventType::OPENAT_2_X, Slot::Openat, 257, 295),
    Row::own(EventType::OPENAT2_X, Slot::Openat2, 437, 437),
    Row::own(EventType::CREAT_X, Slot::Creat, 85, 8),
    Row::own(EventType::OPEN_BY_HANDLE_AT_X, Slot::OpenByHandleAt, 304, 342),
];
