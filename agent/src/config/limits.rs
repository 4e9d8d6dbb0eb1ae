//! Bounds of what is kept of processes and names: `peregrine.limits`, and Falco's size of the thread table.

use anyhow::{Result, bail};
use capture::TableLimits;
use capture::savefile::{ProcessLimits, Rooms};
use stages::LineageLimits;

use super::resolved::within;
use super::written;

/// Falco's, for its thread table; here of processes.
const DEFAULT_PROCESSES: u64 = 262_144;
/// As many as Linux has.
const MAX_PROCESSES: u64 = 4 << 20;

/// Entries of a table of the kernel side: memory of the kernel, taken at the start.
const MAX_ENTRIES: u64 = 4 << 20;

/// What is kept at most.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Limits {
    /// Of the process table, and names of addresses.
    pub(crate) lineage: LineageLimits,
    /// Of the kernel side's tables.
    pub(crate) tables: TableLimits,
    /// Of what is kept of a recording beside the process table.
    pub(crate) rooms: Rooms,
    /// Questions to container runtimes that wait.
    pub(crate) container_questions: usize,
    /// Names that the machine's resolver is asked for.
    pub(crate) host_names: usize,
}

impl Limits {
    /// The same for who reads a recording.
    pub(crate) fn of_recording(&self) -> ProcessLimits {
        let LineageLimits { max_processes, max_bytes, .. } = self.lineage;
        ProcessLimits { max_processes, max_bytes }
    }
}

pub(super) fn resolve(own: &written::Limits, falco: &written::FalcoLibs) -> Result<Limits> {
    let max_processes = falco.thread_table_size.unwrap_or(DEFAULT_PROCESSES);
    if !(1..=MAX_PROCESSES).contains(&max_processes) {
        bail!(
            "falco_libs.thread_table_size: {max_processes} is out of range; it must lie between 1 and {MAX_PROCESSES}"
        );
    }
    let bytes = |name: &str, n, default| {
        within(&format!("limits.{name}"), n, default, (64 << 10)..=(1 << 40))
    };
    // Each part of it holds what a block of the file may have, at least.
    let range = (8 << 20)..=(1 << 40);
    let rooms = within("limits.recording_bytes", own.recording_bytes, 2 << 30, range)?;
    let rooms = Rooms::of(rooms);
    let lineage = LineageLimits {
        max_processes,
        max_bytes: bytes("process_table_bytes", own.process_table_bytes, 256 << 20)? as u64,
        max_name_bytes: bytes("address_names_bytes", own.address_names_bytes, 16 << 20)?,
        max_containers: within("limits.containers", own.containers, 16 << 10, 1..=MAX_ENTRIES)?,
        max_container_bytes: bytes("container_bytes", own.container_bytes, 64 << 20)?,
        max_note_bytes: rooms.containers(),
    };
    let entries = |name: &str, n, default: u32| -> Result<u32> {
        let n = within(&format!("limits.{name}"), n, default.into(), 1..=MAX_ENTRIES)?;
        Ok(n as u32)
    };
    let built_in = TableLimits::default();
    let tables = TableLimits {
        scope_processes: entries("scope_processes", own.scope_processes, built_in.scope_processes)?,
        noted_calls: entries("noted_calls", own.noted_calls, built_in.noted_calls)?,
        sockets: entries("sockets", own.sockets, built_in.sockets)?,
        lost_processes: entries("lost_processes", own.lost_processes, built_in.lost_processes)?,
    };
    let number =
        |name: &str, n, default| within(&format!("limits.{name}"), n, default, 1..=1 << 20);
    Ok(Limits {
        lineage,
        tables,
        rooms,
        container_questions: number("container_questions", own.container_questions, 4096)?,
        host_names: number("host_names", own.host_names, 1024)?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of_yaml(own: &str, falco: &str) -> Result<Limits> {
        resolve(&serde_yaml::from_str(own).unwrap(), &serde_yaml::from_str(falco).unwrap())
    }

    #[test]
    fn what_is_not_given_is_built_in_and_the_same_live_and_in_a_replay() {
        let built_in = of_yaml("{}", "{}").unwrap();
        assert_eq!(built_in.lineage, LineageLimits::default());
        assert_eq!(built_in.of_recording(), ProcessLimits::default());
        assert_eq!(built_in.tables, TableLimits::default());
        assert_eq!(built_in.rooms, Rooms::default());
        let lookups = containers::LookupConfig::default();
        assert_eq!(built_in.container_questions, lookups.max_queued);
    }

    #[test]
    fn every_key_counts() {
        let own = "{process_table_bytes: 65536, address_names_bytes: 70000, scope_processes: 1, noted_calls: 2, sockets: 3, lost_processes: 8, \
                   containers: 4, container_bytes: 80000, container_questions: 5, host_names: 6, recording_bytes: 33554432}";
        let Limits { lineage, tables, rooms, container_questions, host_names } =
            of_yaml(own, "{thread_table_size: 7}").unwrap();
        let expected = LineageLimits {
            max_processes: 7,
            max_bytes: 65536,
            max_name_bytes: 70000,
            max_containers: 4,
            max_container_bytes: 80000,
            max_note_bytes: 2 << 20,
        };
        assert_eq!(lineage, expected);
        assert_eq!((rooms, container_questions, host_names), (Rooms::of(32 << 20), 5, 6));
        let expected =
            TableLimits { scope_processes: 1, noted_calls: 2, sockets: 3, lost_processes: 8 };
        assert_eq!(tables, expected);
    }

    #[test]
    fn wrong_values_name_the_key_and_the_range() {
        for (own, falco, message) in [
            (
                "{process_table_bytes: 9}",
                "{}",
                "peregrine.limits.process_table_bytes: 9 is out of range; it must lie between 65536 and 1099511627776",
            ),
            (
                "{address_names_bytes: 0}",
                "{}",
                "peregrine.limits.address_names_bytes: 0 is out of range; it must lie between 65536 and 1099511627776",
            ),
            (
                "{sockets: 0}",
                "{}",
                "peregrine.limits.sockets: 0 is out of range; it must lie between 1 and 4194304",
            ),
            (
                "{}",
                "{thread_table_size: 0}",
                "falco_libs.thread_table_size: 0 is out of range; it must lie between 1 and 4194304",
            ),
        ] {
            assert_eq!(of_yaml(own, falco).unwrap_err().to_string(), message);
        }
    }
}
