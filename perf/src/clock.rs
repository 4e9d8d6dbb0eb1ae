//! The clocks: boot time orders and times everything, real time is only added for people.

use rustix::time::{ClockId, clock_gettime};

fn now_ns(clock: ClockId) -> i64 {
    let t = clock_gettime(clock);
    t.tv_sec.wrapping_mul(1_000_000_000).wrapping_add(t.tv_nsec)
}

/// `CLOCK_BOOTTIME` in ns: the clock that kernel frames are stamped with (`bpf_ktime_get_boot_ns`). A vDSO call, about 25 ns.
#[must_use]
pub fn boot_now_ns() -> u64 {
    now_ns(ClockId::Boottime) as u64
}

/// What to add to a boot time to get ns since the epoch: the narrowest of eight looks, so that a preemption between the two clocks does
/// not end up in every timestamp. Moves when the wall clock is set; read it once at start and again at leisure.
#[must_use]
pub fn realtime_offset_ns() -> i64 {
    let look = |_| {
        let before = now_ns(ClockId::Boottime);
        let real = now_ns(ClockId::Realtime);
        let after = now_ns(ClockId::Boottime);
        let width = after.wrapping_sub(before);
        (width, real.wrapping_sub(before.wrapping_add(width / 2)))
    };
    (0..8).map(look).min().map_or(0, |(_, offset)| offset)
}

/// Nanoseconds since the epoch of a boot time, given [`realtime_offset_ns`].
#[must_use]
pub fn to_epoch_ns(boot_ns: u64, offset_ns: i64) -> u64 {
    boot_ns.saturating_add_signed(offset_ns)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_clock_runs_forward() {
        let first = boot_now_ns();
        assert!(boot_now_ns() >= first && first > 0);
    }

    #[test]
    fn boot_time_plus_offset_is_real_time() {
        let offset = realtime_offset_ns();
        let real = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap();
        let ours = to_epoch_ns(boot_now_ns(), offset);
        assert!(ours.abs_diff(real.as_nanos() as u64) < 1_000_000_000);
    }

    #[test]
    fn an_offset_cannot_wrap() {
        assert_eq!(to_epoch_ns(5, -9), 0);
        assert_eq!(to_epoch_ns(u64::MAX, 9), u64::MAX);
    }
}
