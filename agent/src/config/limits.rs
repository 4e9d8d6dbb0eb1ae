//! Bounds of what is kept of processes and names: `peregrine.limits`, and Falco's size of the thread table.

use anyhow::Result;
use capture::TableLimits;
use capture::savefile::{ProcessLimits, Rooms};
use stages::LineageLimits;

use super::schema::number;
use super::written;

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
    let own_number = |name: &str, n| number(&format!("peregrine.limits.{name}"), n);
    let rooms = Rooms::of(own_number("recording_bytes", own.recording_bytes)?);
    let lineage = LineageLimits {
        max_processes: number("falco_libs.thread_table_size", falco.thread_table_size)? as u64,
        max_bytes: own_number("process_table_bytes", own.process_table_bytes)? as u64,
        max_name_bytes: own_number("address_names_bytes", own.address_names_bytes)?,
        max_containers: own_number("containers", own.containers)?,
        max_container_bytes: own_number("container_bytes", own.container_bytes)?,
        max_note_bytes: rooms.containers(),
    };
    let entries = |name: &str, n| -> Result<u32> { Ok(own_number(name, n)? as u32) };
    let tables = TableLimits {
        scope_processes: entries("scope_processes", own.scope_processes)?,
        noted_calls: entries("noted_calls", own.noted_calls)?,
        sockets: entries("sockets", own.sockets)?,
        lost_processes: entries("lost_processes", own.lost_processes)?,
    };
    Ok(Limits {
        lineage,
        tables,
        rooms,
        container_questions: own_number("container_questions", own.container_questions)?,
        host_names: own_number("host_names", own.host_names)?,
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
