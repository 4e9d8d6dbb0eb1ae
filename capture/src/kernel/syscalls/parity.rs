//! Every call that has an event type of its own is captured as that, and nothing is captured by accident.

use event::{
    Call, CallTable, Direction, EF_OLD_VERSION, EF_UNUSED, EventSet, EventType, N_EVENT_TYPES,
};

use super::{FORKS, IA32_SOCKETCALL, Row, rows};

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

/// Numbers of a table that no row has.
fn without_row(table: CallTable, has: impl Fn(&Row, u16) -> bool) -> Vec<&'static str> {
    let is_there = |n: u16| rows().chain(FORKS).any(|row| has(row, n));
    table.calls().filter(|&(n, _)| !is_there(n)).map(|(_, name)| name).collect()
}

#[test]
fn every_number_of_the_kernels_tables_is_captured() {
    let native = without_row(CallTable::Native, |row, n| row.native() == Some(n));
    assert_eq!(native, ["rt_sigreturn", "exit", "exit_group"], "they pass no exit of a call");
    let ia32 = without_row(CallTable::Ia32, |row, n| {
        row.ia32().any(|m| m == n) || usize::from(n) == IA32_SOCKETCALL
    });
    assert_eq!(ia32, ["exit", "sigreturn", "rt_sigreturn", "exit_group"]);
    let x32 = without_row(CallTable::X32, |row, n| row.x32 == n);
    assert_eq!(x32, ["rt_sigreturn"]);
}

#[test]
fn a_generic_call_has_all_its_numbers_in_one_row() {
    let row = |name| {
        let mut found = rows().filter(|row| row.name == Some(name));
        let row = found.next().unwrap_or_else(|| panic!("{name}"));
        assert!(found.next().is_none(), "{name}");
        (row.native(), row.ia32().collect::<Vec<_>>(), row.x32)
    };
    assert_eq!(row("truncate"), (Some(76), vec![92, 193], 0));
    assert_eq!(row("waitid"), (Some(247), vec![284], 529));
    assert_eq!(row("clock_gettime"), (Some(228), vec![265, 403], 0));
    assert_eq!(row("restart_syscall"), (Some(219), vec![0], 0));
    assert_eq!(row("vm86old"), (None, vec![113], 0));
    assert_eq!(row("mseal"), (Some(462), vec![462], 0));
    let calls = super::generic_calls();
    let listed = rows().filter_map(|row| row.name).collect::<Vec<_>>();
    assert_eq!(calls.iter().count(), listed.len(), "each name is a call of its own");
    assert!(listed.iter().all(|name| Call::named(name).is_some()));
}
