//! Keys: a frame's place in the one total order, and how live keys are made from timestamps.

/// A frame's place in the one total order. Keys have no ties.
///
/// Replay: the ordinal of the frame. Live: `ticks << cpu_bits | cpu`, made by [`KeyClock`]. As a watermark or as `applied` it means "everything
/// up to and including this key".
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(transparent)]
pub struct Key(pub u64);

impl Key {
    /// Before every frame.
    pub const MIN: Self = Self(0);
    /// After every frame. As a watermark: the source has ended.
    pub const MAX: Self = Self(u64::MAX);

    /// The key just below; [`Key::MIN`] stays.
    #[must_use]
    pub const fn prev(self) -> Self {
        Self(self.0.saturating_sub(1))
    }

    /// The key just above; [`Key::MAX`] stays.
    #[must_use]
    pub const fn next(self) -> Self {
        Self(self.0.saturating_add(1))
    }
}

impl std::fmt::Display for Key {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.0.fmt(f)
    }
}

/// How live keys are laid out: `ticks << cpu_bits | cpu`, where `ticks` is the boot time since an epoch in units of a quantum.
///
/// `cpu_bits` holds every possible CPU. The quantum is 1 ns for up to 128 CPUs and doubles with each further bit, so that 57 bits of ns,
/// four and a half years, always fit. Past those the clock stands at its last tick.
///
/// ```
/// use bus::{Key, KeyClock, RingKeys};
///
/// let clock = KeyClock::new(2, 1_000);
/// let mut ring = RingKeys::new(clock, 1);
/// let first = ring.stamp(1_500, Key::MIN);
/// assert_eq!(first, clock.key(500, 1));
/// assert!(ring.stamp(1_400, Key::MIN) > first, "a ring's keys only grow");
/// assert_eq!(ring.n_clamped(), 1);
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct KeyClock {
    epoch_ns: u64,
    cpu_bits: u32,
    quantum_bits: u32,
}

impl KeyClock {
    /// Bits of ns that always fit: four and a half years.
    const SPAN_BITS: u32 = 57;

    /// Keys for CPUs `0..n_possible_cpus` from boot time `epoch_ns` on. Make the epoch a second before the start, so that small keys are
    /// free for what is known from before.
    #[must_use]
    pub const fn new(n_possible_cpus: usize, epoch_ns: u64) -> Self {
        // CPU numbers are 16 bits wide in a frame, so more than 16 bits are never needed.
        let n_cpus = if n_possible_cpus > 1 << 16 { 1 << 16 } else { n_possible_cpus };
        let cpu_bits = if n_cpus <= 1 { 0 } else { (n_cpus - 1).ilog2() + 1 };
        let quantum_bits = (Self::SPAN_BITS + cpu_bits).saturating_sub(u64::BITS);
        Self { epoch_ns, cpu_bits, quantum_bits }
    }

    /// Ticks of a boot time; 0 before the epoch.
    #[inline]
    #[must_use]
    pub const fn ticks_of(&self, boot_ns: u64) -> u64 {
        boot_ns.saturating_sub(self.epoch_ns) >> self.quantum_bits
    }

    /// The key of a tick on a CPU. Ticks past the last one count as the last, which stays below [`Key::MAX`].
    #[inline]
    #[must_use]
    pub const fn key(&self, ticks: u64, cpu: u16) -> Key {
        let last = (u64::MAX >> self.cpu_bits) - 1;
        let ticks = if ticks < last { ticks } else { last };
        let cpu = cpu as u64 & ((1 << self.cpu_bits) - 1);
        Key(ticks << self.cpu_bits | cpu)
    }

    /// Ticks of a key.
    #[inline]
    #[must_use]
    pub const fn ticks(&self, key: Key) -> u64 {
        key.0 >> self.cpu_bits
    }

    /// The largest key below every key, on any CPU, of a record made at `boot_ns` or later: a ring's bound for a clock value.
    #[inline]
    #[must_use]
    pub const fn below(&self, boot_ns: u64) -> Key {
        self.key(self.ticks_of(boot_ns), 0).prev()
    }
}

/// Gives one ring's records their keys: strictly increasing, above every watermark already published.
#[derive(Debug)]
pub struct RingKeys {
    clock: KeyClock,
    cpu: u16,
    /// The lowest tick the next key may have.
    next_ticks: u64,
    n_clamped: u64,
}

impl RingKeys {
    /// Keys for the ring of `cpu`.
    #[must_use]
    pub const fn new(clock: KeyClock, cpu: u16) -> Self {
        Self { clock, cpu, next_ticks: 0, n_clamped: 0 }
    }

    /// The key of a record stamped `boot_ns`, where `watermark` is the last one that this ring's thread published. A timestamp that is not
    /// above both the ring's last key and the watermark is raised, and counted.
    #[inline]
    pub fn stamp(&mut self, boot_ns: u64, watermark: Key) -> Key {
        let ticks = self.clock.ticks_of(boot_ns);
        let above_watermark = match watermark {
            Key::MIN => 0,
            w => self.clock.ticks(w) + 1,
        };
        // A watermark made by `below` ends at the last key of a tick, and the next tick is free. Any other key in its tick may be taken, so
        // its tick is left as well.
        let at_least = self.next_ticks.max(above_watermark);
        self.n_clamped += u64::from(ticks < at_least);
        let ticks = ticks.max(at_least);
        self.next_ticks = ticks + 1;
        self.clock.key(ticks, self.cpu)
    }

    /// How many timestamps were raised.
    #[must_use]
    pub const fn n_clamped(&self) -> u64 {
        self.n_clamped
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn the_quantum_grows_only_when_the_span_would_not_fit() {
        let check = |n_cpus, cpu_bits, quantum_bits| {
            let c = KeyClock::new(n_cpus, 0);
            assert_eq!((c.cpu_bits, c.quantum_bits), (cpu_bits, quantum_bits), "{n_cpus} CPUs");
            let span = 4 * 366 * 86_400 * 1_000_000_000;
            assert_eq!(c.ticks(c.key(c.ticks_of(span), 0)), span >> quantum_bits);
        };
        check(0, 0, 0);
        check(1, 0, 0);
        check(2, 1, 0);
        check(3, 2, 0);
        check(16, 4, 0);
        check(128, 7, 0);
        check(129, 8, 1);
        check(8192, 13, 6);
        check(usize::MAX, 16, 9);
    }

    #[test]
    fn the_clock_stands_at_its_end() {
        let c = KeyClock::new(256, 0);
        assert!(c.key(u64::MAX, 255) < Key::MAX);
        assert_eq!(c.key(u64::MAX, 3), c.key(u64::MAX - 1, 3));
    }

    #[test]
    fn a_time_before_the_epoch_is_tick_zero() {
        let c = KeyClock::new(4, 1_000);
        assert_eq!(c.ticks_of(3), 0);
        assert_eq!(c.below(3), Key::MIN);
    }

    proptest! {
        #[test]
        fn keys_of_a_ring_grow_and_pass_every_watermark(
            n_cpus in 1usize..300,
            steps in prop::collection::vec((0u64..2_000, prop::option::of(0u64..2_000)), 1..50),
        ) {
            let clock = KeyClock::new(n_cpus, 100);
            let mut ring = RingKeys::new(clock, (n_cpus - 1) as u16);
            let (mut last, mut watermark) = (None, Key::MIN);
            for (ts, publish) in steps {
                if let Some(at) = publish {
                    watermark = watermark.max(clock.below(at));
                }
                let key = ring.stamp(ts, watermark);
                prop_assert!(watermark == Key::MIN || key > watermark);
                prop_assert!(last < Some(key));
                prop_assert!(clock.ticks(key) >= clock.ticks_of(ts));
                last = Some(key);
            }
        }

        #[test]
        fn a_bound_is_below_every_later_record(n_cpus in 1usize..300, cpu: u16, at in 0u64..1 << 56, later in 0u64..1 << 20) {
            let clock = KeyClock::new(n_cpus, 77);
            let key = RingKeys::new(clock, cpu).stamp(at + later, Key::MIN);
            prop_assert!(clock.below(at) < key || key == Key::MIN);
        }
    }
}
