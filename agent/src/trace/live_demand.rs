//! What a live trace asks the kernel for: the events that its filter can match, what its filter and its lines read of them, and what changes
//! that.

use capture::{Asked, ForkSides, MAX_SNAPLEN, ProbeOptions, Room};
use event::{CallSet, EventSet};
use rules::{FieldRef, Filter};

use super::options::Options;
use crate::demand;
use crate::live::{FORK_EVENTS, STATE_EVENTS};

/// Options for loading the kernel side.
pub(super) fn probe_options(options: &Options, scope_pid: Option<u32>) -> ProbeOptions {
    let filter = options.compiled_filter().ok().flatten();
    // A recording is read by others, who follow descriptors by themselves: where it is to be understood, nothing may be missing.
    let is_all = filter.is_none() || options.fatfile || options.all_syscalls;
    let by_name = filter.as_ref().map_or(EventSet::EMPTY, Filter::types_by_name);
    let (types, generic_calls) = match &filter {
        Some(filter) if !is_all => (filter.interest(), filter.generic_calls()),
        _ => (EventSet::all(), CallSet::all()),
    };
    let wanted = demand::told(&types, &by_name);
    let read = || {
        let asked = filter.iter().flat_map(Filter::fields_used);
        asked.chain(options.format.fields_used().filter(|_| !options.quiet))
    };
    let behind = demand::calls_behind(|field| read().any(|read| read.field == field));
    let forks: EventSet = FORK_EVENTS.into_iter().collect();
    let is_recorded = options.write.is_some();
    let both_sides = is_recorded || !wanted.intersection(&forks).is_empty();
    let state: EventSet = STATE_EVENTS.into_iter().collect();
    ProbeOptions {
        interest: wanted.union(&behind).union(&state),
        generic_calls,
        fork_sides: if both_sides { ForkSides::Both } else { ForkSides::Child },
        asked: asked(read, &wanted, &behind, options, is_recorded),
        room: Room::AsWanted,
        tables: options.bounds.tables,
        scope_pid,
        self_tgid: Some(std::process::id()),
        ..ProbeOptions::default()
    }
}

fn asked<'f, I: Iterator<Item = &'f FieldRef>>(
    read: impl Fn() -> I,
    wanted: &EventSet,
    behind: &EventSet,
    options: &Options,
    is_recorded: bool,
) -> Asked {
    let if_any = |is_any: bool| if is_any { *wanted } else { EventSet::EMPTY };
    let descriptors = if_any(read().any(demand::reads_descriptor)).union(behind);
    let buffers = if_any(is_recorded || read().any(demand::reads_bytes));
    let entry = descriptors.intersection(&demand::LOOKED_AT_TWICE.into_iter().collect());
    let hears = read().any(|f| f.field.is_host_name());
    let answers = if hears { stages::answering() } else { EventSet::EMPTY };
    let snaplen = options.snaplen.min(MAX_SNAPLEN);
    // Who asks for `mmap` wants to see it.
    Asked { descriptors, buffers, entry, snaplen, answers, all_mappings: true }
}
