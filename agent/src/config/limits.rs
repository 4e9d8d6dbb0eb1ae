//! Bounds of what is kept of processes and names: `peregrine.limits`, and Falco's size of the thread table.

use anyhow::{Result, bail};
use capture::TableLimits;
use capture::savefile::ProcessLimits;
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
    let lineage = LineageLimits {
        max_processes,
        max_bytes: bytes("process_table_bytes", own.process_table_bytes, 256 << 20)? as u64,
        max_name_bytes: bytes("address_names_bytes", own.address_names_bytes, 16 << 20)?,
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
    Ok(Limits { lineage, tables })
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
    }

    #[test]
    fn every_key_counts() {
        let own = "{process_table_bytes: 65536, address_names_bytes: 70000, scope_processes: 1, noted_calls: 2, sockets: 3, lost_processes: 4}";
        let Limits { lineage, tables } = of_yaml(own, "{thread_table_size: 7}").unwrap();
        let expected = LineageLimits { max_processes: 7, max_bytes: 65536, max_name_bytes: 70000 };
        assert_eq!(lineage, expected);
        let expected =
            TableLimits { scope_processes: 1, noted_calls: 2, sockets: 3, lost_processes: 4 };
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
