//! Processes: made and replaced. Their ends, and the child's side of forks, come from tracepoints of the scheduler.

use event::{EventType, Slot};

use super::Row;

pub(super) const ROWS: &[Row] = &[
    Row::own(EventType::EXECVE_19_X, Slot::Execve, 59, 11).x32(520),
    Row::own(EventType::EXECVEAT_X, Slot::Execveat, 322, 358).x32(545),
];

/// Calls that make tasks; their caller's side is captured when asked for.
pub(super) const FORKS: &[Row] = &[
    Row::own(EventType::CLONE_20_X, Slot::Clone, 56, 120),
    Row::own(EventType::CLONE3_X, Slot::Clone, 435, 435),
    Row::own(EventType::FORK_20_X, Slot::Clone, 57, 2),
    Row::own(EventType::VFORK_20_X, Slot::Clone, 58, 190),
];
