//! Every call that has an event type of its own is captured as that, and nothing is captured by accident.

use event::{Direction, EF_OLD_VERSION, EF_UNUSED, EventSet, EventType, N_EVENT_TYPES};

/// Category of an event that is a system call.
const EC_SYSCALL: u16 = 0x200;

/// Types of the table that tell of a call's end, in its newest version.
fn calls() -> EventSet {
    let is_call = |ty: &EventType| {
        let info = ty.info().expect("below the table's end");
        info.direction == Direction::Exit
            && info.category & EC_SYSCALL != 0
            && info.flags & (EF_OLD_VERSION | EF_UNUSED) == 0
    };
    (0..N_EVENT_TYPES as u16).map(EventType).filter(is_call).collect()
}

fn names(set: &EventSet) -> Vec<&'static str> {
    set.iter().map(EventType::name).collect()
}

#[test]
fn every_event_type_of_a_call_is_captured() {
    let missing = calls().intersection(&super::capturable().complement());
    assert_eq!(names(&missing), Vec::<&str>::new());
}

#[test]
fn what_is_captured_besides_is_no_call() {
    let mut besides = names(&super::capturable().intersection(&calls().complement()));
    besides.sort_unstable();
    assert_eq!(besides, ["page_fault", "procexit", "signaldeliver", "switch"]);
}
