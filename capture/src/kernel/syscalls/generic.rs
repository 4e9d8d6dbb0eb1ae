//! Calls without an event type of their own: a generic event names them by the schema's number.

use event::{EventType, Slot, recipe::Step};

use super::Row;

const fn generic(name: &'static str, native: u16, ia32: u16) -> Row {
    Row {
        ty: EventType::GENERIC_X,
        program: Slot::Plain,
        native,
        ia32,
        ia32_old: 0,
        x32: 0,
        steps: &[Step::CALL_ID, Step::CALL_NUMBER],
        name: Some(name),
    }
}

pub(super) const ROWS: &[Row] = &[
    generic("truncate", 76, 92).ia32_too(193),
    generic("ftruncate", 77, 93).ia32_too(194),
    generic("setgroups", 116, 206).ia32_too(81),
    generic("pivot_root", 155, 217),
    generic("kexec_load", 246, 283).x32(528),
    generic("utimensat", 280, 320).ia32_too(412),
    generic("kexec_file_load", 320, 0),
    generic("open_tree", 428, 428),
    generic("move_mount", 429, 429),
    generic("fsopen", 430, 430),
    generic("fsmount", 432, 432),
    generic("fspick", 433, 433),
    generic("mount_setattr", 442, 442),
    generic("fchmodat2", 452, 452),
];
