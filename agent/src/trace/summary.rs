//! How often which event came: the table of `-S`, and the counts of `-v`.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use event::{Direction, EventType, N_EVENT_TYPES};
use rules::{Arg, Field, FieldRef, Fields as _, Value};
use stages::TracedEvent;

/// Rows of the table.
const MAX_ROWS: usize = 100;
/// Width of a name in the table.
const NAME_WIDTH: usize = 16;
const RULE: &str = "----------------------\n";

/// Counts by type.
pub(super) struct Summary {
    by_type: Vec<u64>,
    /// Calls without an event of their own, by direction and name.
    generic: BTreeMap<(char, String), u64>,
    name: FieldRef,
}

impl Summary {
    pub(super) fn new() -> Self {
        let name = FieldRef { field: Field::EvtType, arg: Arg::None };
        Self { by_type: vec![0; N_EVENT_TYPES], generic: BTreeMap::new(), name }
    }

    pub(super) fn count(&mut self, event: &TracedEvent<'_>) {
        let ty = event.event_type();
        if ty > EventType::GENERIC_X {
            if let Some(n) = self.by_type.get_mut(usize::from(ty.0)) {
                *n += 1;
            }
        } else if let Some(Value::Bytes(name)) = event.get(&self.name) {
            let name = String::from_utf8_lossy(name).into_owned();
            *self.generic.entry((direction(ty), name)).or_default() += 1;
        }
    }

    /// The table, most frequent first.
    pub(super) fn text(&self) -> String {
        let mut rows: BTreeMap<(char, &str), u64> = BTreeMap::new();
        for (n, &count) in (0..).zip(&self.by_type) {
            let ty = EventType(n);
            *rows.entry((direction(ty), ty.name())).or_default() += count;
        }
        for ((direction, name), count) in &self.generic {
            *rows.entry((*direction, name)).or_default() += count;
        }
        let mut rows: Vec<_> = rows.into_iter().filter(|(_, count)| *count > 0).collect();
        rows.sort_by_key(|(_, count)| std::cmp::Reverse(*count));
        let mut out = format!("{RULE}Event           #Calls\n{RULE}");
        for ((direction, name), count) in rows.into_iter().take(MAX_ROWS) {
            // Writing to a string cannot fail.
            let _infallible = writeln!(out, "{direction} {name:NAME_WIDTH$.NAME_WIDTH$}{count}");
        }
        out
    }
}

fn direction(ty: EventType) -> char {
    match ty.info().map(|i| i.direction) {
        Some(Direction::Exit) => '<',
        Some(Direction::Enter) | None => '>',
    }
}
