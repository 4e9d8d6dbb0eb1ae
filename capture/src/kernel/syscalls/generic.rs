//! Calls without an event type of their own, which are those that are left of the kernel's tables: a generic event names them by the schema's
//! number and the kernel's.

use std::sync::LazyLock;

use event::{Call, CallTable, EventType, Slot, recipe::Step};

use super::{FAMILIES, FORKS, IA32_SOCKETCALL, Row, ZERO};

/// Calls that pass no exit of a call under their number: two never return, two restore the registers of an earlier moment, which have no
/// number (`restore_sigcontext`, arch/x86/kernel/signal_64.c).
const WITHOUT_EXIT: [&str; 4] = ["exit", "exit_group", "rt_sigreturn", "sigreturn"];

pub(super) static ROWS: LazyLock<Vec<Row>> = LazyLock::new(rest);

/// A call that has no number yet.
const fn generic(name: &'static str) -> Row {
    Row {
        ty: EventType::GENERIC_X,
        program: Slot::Plain,
        native: 0,
        ia32: 0,
        ia32_old: 0,
        x32: 0,
        steps: &[Step::CALL_ID, Step::CALL_NUMBER],
        name: Some(name),
    }
}

/// The numbers of a table that no other row has, each with its call.
fn left(table: CallTable) -> impl Iterator<Item = (u16, &'static str)> {
    let is_taken = move |n: u16| {
        let has = |row: &Row| match table {
            CallTable::Native => row.native() == Some(n),
            CallTable::Ia32 => row.ia32().any(|m| m == n) || usize::from(n) == IA32_SOCKETCALL,
            CallTable::X32 => row.x32 == n,
        };
        FAMILIES.iter().copied().flatten().chain(FORKS).any(has)
    };
    let named = |(n, name)| Some((n, Call::of_kernel(name)?.name()));
    let calls = table.calls().filter(move |&(n, _)| !is_taken(n)).filter_map(named);
    calls.filter(|(_, name)| !WITHOUT_EXIT.contains(name))
}

/// A row for each call, with its numbers in all tables.
fn rest() -> Vec<Row> {
    let mut rows: Vec<Row> = Vec::new();
    for table in [CallTable::Native, CallTable::Ia32, CallTable::X32] {
        for (n, name) in left(table) {
            let place = |row: &mut Row| -> bool {
                let place = match table {
                    CallTable::Native => &mut row.native,
                    CallTable::Ia32 if row.ia32 == 0 => &mut row.ia32,
                    CallTable::Ia32 => &mut row.ia32_old,
                    CallTable::X32 => &mut row.x32,
                };
                let is_free = *place == 0;
                if is_free {
                    *place = if n == 0 { ZERO } else { n };
                }
                is_free
            };
            if !rows.iter_mut().filter(|row| row.name == Some(name)).any(place) {
                let mut row = generic(name);
                place(&mut row);
                rows.push(row);
            }
        }
    }
    rows
}
