//! What the running kernel's verifier has to do before anything is captured: more than all the rest of the start.

mod live;

use capture::{Asked, ForkSides, Probe, ProbeOptions, Room, capturable, generic_calls, on_demand};
use live::can_run;

/// Twice what the dearest program takes on 6.18. One that goes beyond has a branch too many before a loop, or inside one: `--example verifier_cost` says
/// which program, and docs/journal/2026-11-23-start.md what was done about others.
const MOST_OF_ONE: u32 = 90_000;
/// The same of all programs together.
const MOST_OF_ALL: u32 = 700_000;

#[test]
fn the_verifier_follows_few_instructions() {
    if !can_run() {
        return;
    }
    let interest = capturable().union(&on_demand());
    let probe = Probe::load(ProbeOptions {
        interest,
        generic_calls: generic_calls(),
        fork_sides: ForkSides::Both,
        asked: Asked { entry: interest, ..Asked::default() },
        room: Room::ForAll,
        scope_pid: Some(std::process::id()),
        ..ProbeOptions::default()
    });
    let programs = probe.expect("the programs load").verified();
    if programs.is_empty() {
        eprintln!("skipped: this kernel does not say what its verifier followed");
        return;
    }
    assert!(programs.len() > 20, "{programs:?}");
    let dear: Vec<_> = programs.iter().filter(|(_, n)| *n > MOST_OF_ONE).collect();
    assert!(dear.is_empty(), "{dear:?}");
    let all: u32 = programs.iter().map(|(_, n)| n).sum();
    assert!(all < MOST_OF_ALL, "{all}: {programs:?}");
}
