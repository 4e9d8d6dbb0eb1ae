//! The scope: the one process tree that is captured, where not all are.

use std::collections::HashSet;

use aya::maps::{HashMap, MapData, MapError};

use event::cpu_layout;

use super::{
    load::{Probe, borrow, map_error},
    machine,
    report::ProbeError,
    sys::{store, wait_for_programs},
};

/// Looks for descendants of the process in scope; in a storm of forks there is always another.
const MAX_SCOPE_LOOKS: usize = 8;

impl Probe {
    /// Puts a process into scope; one that there is no room for is counted, as the kernel side counts those that it meets.
    pub(super) fn add_to_scope(&mut self, pid: u32) -> Result<(), ProbeError> {
        let mut map: HashMap<&mut MapData, u32, u32> = borrow(&mut self.object, "SCOPE")?;
        match map.insert(pid, 1, 0) {
            Err(MapError::SyscallError(e)) if e.io_error.raw_os_error() == Some(libc::E2BIG) => {
                self.n_out_of_scope += 1;
                Ok(())
            }
            put => put.map_err(map_error("SCOPE")),
        }
    }

    /// Restricts the capture to a process and its descendants, or lifts that.
    ///
    /// # Errors
    /// [`ProbeError::Map`] where the kernel refuses the change.
    pub fn set_scope(&mut self, scope_pid: Option<u32>) -> Result<(), ProbeError> {
        let mut map: HashMap<&mut MapData, u32, u32> = borrow(&mut self.object, "SCOPE")?;
        let old: Vec<u32> = map.keys().filter_map(Result::ok).collect();
        for pid in old {
            // A process that ended in between has removed itself.
            let _: Result<(), _> = map.remove(&pid);
        }
        // Programs that found one of them there, and say so to their CPU.
        wait_for_programs();
        for n in 0..self.n_cpus as usize {
            store(self.cpus.word(8 * (n * cpu_layout::WORDS + cpu_layout::IN_SCOPE)), 0);
        }
        self.options.scope_pid = scope_pid;
        if let Some(pid) = scope_pid {
            self.add_to_scope(pid)?;
        }
        self.write_control()?;
        self.scope_descendants()
    }

    /// Puts the descendants that lived before the programs were attached into scope; later ones follow by themselves, but for those that
    /// one not yet in scope forks meanwhile, so it looks again until there is none.
    pub(super) fn scope_descendants(&mut self) -> Result<(), ProbeError> {
        let Some(root) = self.options.scope_pid else { return Ok(()) };
        let mut known = HashSet::new();
        for _ in 0..MAX_SCOPE_LOOKS {
            let n_known = known.len();
            for pid in machine::descendants(root) {
                if known.insert(pid) {
                    self.add_to_scope(pid)?;
                }
            }
            if known.len() == n_known {
                break;
            }
        }
        Ok(())
    }
}
