//! Pinning threads to CPUs.

use core_affinity::CoreId;

/// The CPUs this process may run on, in order. Empty where the system does not say.
#[must_use]
pub fn allowed_cpus() -> Vec<usize> {
    let mut cpus: Vec<usize> =
        core_affinity::get_core_ids().unwrap_or_default().into_iter().map(|c| c.id).collect();
    cpus.sort_unstable();
    cpus
}

/// Pins the calling thread to one CPU. `false` where the system refuses (a CPU that is offline, or outside the process's cpuset): the
/// thread then runs where the scheduler puts it, which costs speed and nothing else.
#[expect(clippy::must_use_candidate, reason = "a refusal may be ignored")]
pub fn pin_to_cpu(cpu: usize) -> bool {
    // `cpu_set_t` ends at 1024; the crate would write past what it may index.
    cpu < 1024 && core_affinity::set_for_current(CoreId { id: cpu })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_thread_pins_to_an_allowed_cpu_and_not_to_one_that_is_not_there() {
        let cpu = *allowed_cpus().last().unwrap();
        std::thread::spawn(move || {
            assert!(pin_to_cpu(cpu));
            assert_eq!(allowed_cpus(), [cpu]);
            assert!(!pin_to_cpu(1000) && !pin_to_cpu(usize::MAX));
        })
        .join()
        .unwrap();
    }
}
