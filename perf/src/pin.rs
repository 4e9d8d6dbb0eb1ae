//! Pinning threads to CPUs.

use core_affinity::CoreId;
use rustix::thread::{CpuSet, sched_setaffinity};

/// The CPUs this process may run on, in order. Empty where the system does not say.
#[must_use]
pub fn allowed_cpus() -> Vec<usize> {
    let mut cpus: Vec<usize> =
        core_affinity::get_core_ids().unwrap_or_default().into_iter().map(|c| c.id).collect();
    cpus.sort_unstable();
    cpus
}

/// Pins the calling thread to these CPUs, among which the scheduler chooses. `false` where the system refuses (CPUs that are offline, or outside the
/// process's cpuset): the thread then runs where it might before, which costs speed and nothing else.
#[expect(clippy::must_use_candidate, reason = "a refusal may be ignored")]
pub fn pin_to_cpus(cpus: &[usize]) -> bool {
    // Sets end at 1024; both crates would write past what they may index.
    if cpus.iter().any(|&cpu| cpu >= CpuSet::MAX_CPU) {
        return false;
    }
    if let [cpu] = cpus {
        return core_affinity::set_for_current(CoreId { id: *cpu });
    }
    let mut set = CpuSet::new();
    for &cpu in cpus {
        set.set(cpu);
    }
    sched_setaffinity(None, &set).is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_thread_pins_to_allowed_cpus_and_not_to_those_that_are_not_there() {
        let all = allowed_cpus();
        let last = *all.last().unwrap();
        std::thread::spawn(move || {
            assert!(pin_to_cpus(&[last]));
            assert_eq!(allowed_cpus(), [last]);
            assert!(pin_to_cpus(&all));
            assert_eq!(allowed_cpus(), all);
            assert!(
                !pin_to_cpus(&[1000]) && !pin_to_cpus(&[usize::MAX, last]) && !pin_to_cpus(&[])
            );
        })
        .join()
        .unwrap();
    }
}
