//! The kernel side's counters, read from shared memory without a system call.

use std::sync::Arc;

use event::{EventType, N_EVENT_TYPES, Outcome, cpu_layout};

use super::{
    bpf::{Place, recursion_misses},
    load::Probe,
    sys::{Mapping, load},
};

/// Counters of every CPU at one moment.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct KernelCounters {
    n_cpus: usize,
    /// `[cpu][type][outcome]`, types up to [`N_EVENT_TYPES`].
    cells: Vec<u64>,
    /// How often the kernel itself skipped a program, by program; programs cannot see that loss.
    pub recursion_misses: Vec<(String, u64)>,
    /// Calls whose descriptor could not be noted at their start for want of room: their events carry what it was at the end only.
    pub notes_lost: u64,
    /// Processes that there was no room for in the scope: neither they nor what they start is captured.
    pub scope_full: u64,
    /// Sockets whose past was kept.
    pub sockets_noted: u64,
    /// How many of them there was no room for beside the others, so that the one unused for longest was forgotten. At least: the kernel may forget
    /// one a little earlier.
    pub sockets_forgotten: u64,
    /// Calls that returned and whose number is in no table of this build: the kernel is newer than that, or a filter answered them.
    pub unmapped: u64,
}

impl KernelCounters {
    pub(crate) fn read(
        cpus: &Arc<Mapping>,
        n_cpus: usize,
        recursion_misses: Vec<(String, u64)>,
        max_sockets: u32,
    ) -> Self {
        let mut cells = Vec::with_capacity(n_cpus * N_EVENT_TYPES * cpu_layout::N_OUTCOMES);
        for cpu in 0..n_cpus {
            let entry = cpu * cpu_layout::WORDS;
            for cell in 0..N_EVENT_TYPES * cpu_layout::N_OUTCOMES {
                cells.push(load(cpus.word(8 * (entry + cell))));
            }
        }
        let sum =
            |word| (0..n_cpus).map(|n| load(cpus.word(8 * (n * cpu_layout::WORDS + word)))).sum();
        let notes_lost = sum(cpu_layout::NOTES_LOST);
        let scope_full = sum(cpu_layout::SCOPE_FULL);
        let sockets_noted: u64 = sum(cpu_layout::SOCKETS_NOTED);
        let unmapped = sum(cpu_layout::UNMAPPED);
        let sockets_forgotten = sockets_noted.saturating_sub(max_sockets.into());
        Self {
            n_cpus,
            cells,
            recursion_misses,
            notes_lost,
            scope_full,
            sockets_noted,
            sockets_forgotten,
            unmapped,
        }
    }

    /// Possible CPUs.
    #[must_use]
    pub fn n_cpus(&self) -> usize {
        self.n_cpus
    }

    /// One counter; 0 for a CPU or type that does not exist.
    #[must_use]
    pub fn get(&self, cpu: usize, ty: EventType, outcome: Outcome) -> u64 {
        if cpu >= self.n_cpus || usize::from(ty.0) >= N_EVENT_TYPES {
            return 0;
        }
        let row = (cpu * N_EVENT_TYPES + usize::from(ty.0)) * cpu_layout::N_OUTCOMES;
        self.cells[row + outcome as usize]
    }

    /// Sum over CPUs.
    #[must_use]
    pub fn of_type(&self, ty: EventType, outcome: Outcome) -> u64 {
        (0..self.n_cpus).map(|cpu| self.get(cpu, ty, outcome)).sum()
    }

    /// Sum over CPUs and types.
    #[must_use]
    pub fn total(&self, outcome: Outcome) -> u64 {
        self.cells.iter().skip(outcome as usize).step_by(cpu_layout::N_OUTCOMES).sum()
    }

    /// Sum of every drop.
    #[must_use]
    pub fn n_drops(&self) -> u64 {
        Outcome::ALL.into_iter().filter(|o| o.is_drop()).map(|o| self.total(o)).sum()
    }

    /// Every counter that is not 0: CPU, type, outcome, value.
    pub fn cells(&self) -> impl Iterator<Item = (usize, EventType, Outcome, u64)> + '_ {
        let rows =
            (0..self.n_cpus).flat_map(|cpu| (0u16..).take(N_EVENT_TYPES).map(move |t| (cpu, t)));
        rows.flat_map(|(cpu, t)| Outcome::ALL.into_iter().map(move |o| (cpu, EventType(t), o)))
            .map(|(cpu, ty, o)| (cpu, ty, o, self.get(cpu, ty, o)))
            .filter(|&(.., n)| n != 0)
    }

    /// `seen - filtered - rejected - written - drops`: events under way at the moment of reading, 0 once programs are detached.
    #[must_use]
    pub fn unexplained(&self) -> i64 {
        let accounted: u64 =
            Outcome::ALL.into_iter().filter(|&o| o != Outcome::Seen).map(|o| self.total(o)).sum();
        self.total(Outcome::Seen).cast_signed() - accounted.cast_signed()
    }
}

impl Probe {
    /// Counters as they stand.
    #[must_use]
    pub fn counters(&self) -> KernelCounters {
        let mut misses = Vec::new();
        for (name, place, fd) in self.object.loaded() {
            if let (Place::Tracepoint(_), Some(n)) = (place, recursion_misses(fd)) {
                misses.push((name.to_owned(), n));
            }
        }
        misses.sort();
        let max_sockets = self.options.tables.sockets;
        let mut counters =
            KernelCounters::read(&self.cpus, self.n_cpus as usize, misses, max_sockets);
        counters.scope_full += self.n_out_of_scope;
        counters
    }
}
