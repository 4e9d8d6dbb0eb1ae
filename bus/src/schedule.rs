//! Schedules: in test builds threads wait a random short while at every hand-over, so that few runs go alike.
//!
//! Without the feature `schedule`, as in every build that is shipped, nothing of this exists: [`point`] is empty and [`strays`] is `false`. With it,
//! `PEREGRINE_SCHEDULE=SEED` in the environment makes a schedule; without that variable nothing happens either. What a thread draws depends on the
//! seed and its name alone, when it draws depends on the machine: a seed stands for a mix of delays, not for one interleaving.

/// Where a thread hands something over, or looks at what another one handed over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Place {
    /// Before a batch goes into a lane.
    LanePush,
    /// Before a batch is taken out of a lane.
    LanePop,
    /// Before a batch goes home.
    BatchHome,
    /// Before an empty batch is taken.
    BatchTake,
    /// Before a batch is sealed.
    BatchSeal,
    /// Before a watermark is published.
    WatermarkPublish,
    /// After a watermark was read, before anything follows from it.
    WatermarkRead,
    /// Before `applied` is published.
    AppliedPublish,
    /// After `applied` was read: once for every look at another shard's process.
    AppliedRead,
    /// Before `done` is published.
    DonePublish,
    /// After `done` was read.
    DoneRead,
    /// Before a thread is woken.
    Wake,
    /// Where a frame that may go to any shard is given one.
    Route,
    /// Before an alert goes into its lane.
    AlertPush,
    /// Before an alert is taken out of its lane.
    AlertPop,
}

/// A hand-over: waits as the schedule has it. Nothing without the feature.
#[cfg(not(feature = "schedule"))]
#[inline]
pub fn point(_place: Place) {}

/// Whether the thread shall do here what it may do and mostly does not: seal a batch early, publish the `n`th watermark later, give a
/// frame of the `n`th shard to another. Never without the feature.
#[cfg(not(feature = "schedule"))]
#[inline]
#[must_use]
pub fn strays(_place: Place, _n: usize) -> bool {
    false
}

#[cfg(feature = "schedule")]
pub use random::{point, strays};

#[cfg(feature = "schedule")]
mod random {
    use std::cell::Cell;
    use std::sync::OnceLock;
    use std::thread;
    use std::time::Duration;

    use super::Place;

    /// The variable that a seed is taken from.
    const SEED: &str = "PEREGRINE_SCHEDULE";
    /// A place that threads pass once an event or oftener has so much smaller odds than those that they pass once a batch.
    const PER_EVENT: u64 = 32;

    fn is_per_event(place: Place) -> bool {
        matches!(place, Place::AppliedRead | Place::AlertPush | Place::AlertPop)
    }

    /// How a thread dallies: so many of 65,536 hand-overs each, and its longest sleep.
    #[derive(Clone, Copy, Debug, PartialEq, Eq)]
    struct Temper {
        spins: u64,
        yields: u64,
        sleeps: u64,
        longest_us: u64,
    }

    /// Hardly ever late.
    const BRISK: Temper = Temper { spins: 1024, yields: 256, sleeps: 8, longest_us: 100 };
    /// Now and then.
    const UNEVEN: Temper = Temper { spins: 4096, yields: 2048, sleeps: 128, longest_us: 200 };
    /// Often.
    const SLOW: Temper = Temper { spins: 4096, yields: 8192, sleeps: 2048, longest_us: 200 };
    /// As on a CPU that somebody else has.
    const STARVED: Temper = Temper { spins: 0, yields: 16_384, sleeps: 8192, longest_us: 400 };

    /// One thread's draws.
    #[derive(Clone, Copy, Debug)]
    struct Dice {
        state: u64,
        temper: Temper,
    }

    impl Dice {
        /// Those of a thread under a seed.
        fn of(seed: u64, name: &str) -> Self {
            // FNV-1a, by Fowler, Noll and Vo.
            let fold =
                |hash: u64, &byte: &u8| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3);
            let state = name.as_bytes().iter().fold(seed ^ 0xcbf2_9ce4_8422_2325, fold);
            let mut dice = Self { state, temper: BRISK };
            dice.temper = match dice.draw() % 8 {
                0..=2 => BRISK,
                3..=5 => UNEVEN,
                6 => SLOW,
                _ => STARVED,
            };
            dice
        }

        /// SplitMix64, by Steele, Lea and Flood (2014).
        fn draw(&mut self) -> u64 {
            self.state = self.state.wrapping_add(0x9e37_79b9_7f4a_7c15);
            let z = (self.state ^ (self.state >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
            let z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
            z ^ (z >> 31)
        }

        fn wait(&mut self, place: Place) {
            let Temper { spins, yields, sleeps, longest_us } = self.temper;
            let one_of = if is_per_event(place) { PER_EVENT } else { 1 };
            let drawn = self.draw();
            let how_long = drawn >> 32;
            let drawn = (drawn % 65_536).saturating_mul(one_of);
            if drawn < sleeps {
                thread::sleep(Duration::from_micros(how_long % longest_us));
            } else if drawn < sleeps + yields {
                thread::yield_now();
            } else if drawn < sleeps + yields + spins {
                (0..how_long % 512).for_each(|_| std::hint::spin_loop());
            }
        }
    }

    thread_local! {
        static DICE: Cell<Option<Dice>> = const { Cell::new(None) };
    }

    fn seed() -> Option<u64> {
        static READ: OnceLock<Option<u64>> = OnceLock::new();
        *READ.get_or_init(|| std::env::var(SEED).ok()?.parse().ok())
    }

    fn with_dice<T>(seed: u64, body: impl FnOnce(&mut Dice) -> T) -> T {
        DICE.with(|kept| {
            let mut dice = kept
                .take()
                .unwrap_or_else(|| Dice::of(seed, thread::current().name().unwrap_or_default()));
            let result = body(&mut dice);
            kept.set(Some(dice));
            result
        })
    }

    /// A hand-over: waits as the schedule has it.
    #[inline]
    pub fn point(place: Place) {
        if let Some(seed) = seed() {
            with_dice(seed, |dice| dice.wait(place));
        }
    }

    /// Whether the thread shall do here what it may do and mostly does not: seal a batch early, publish the `n`th watermark later, give a frame of
    /// the `n`th shard to another. Of those that `n` counts one in eight is wont to: three times of four.
    #[must_use]
    pub fn strays(place: Place, n: usize) -> bool {
        let Some(seed) = seed() else { return false };
        let state = seed ^ ((place as u64) << 32 | n as u64);
        let is_wont = Dice { state, temper: BRISK }.draw().is_multiple_of(8);
        with_dice(seed, |dice| dice.draw() % 16 < if is_wont { 12 } else { 1 })
    }

    #[cfg(test)]
    mod tests {
        use super::*;

        #[test]
        fn a_seed_and_a_name_make_the_draws() {
            let draws = |seed, name| {
                let mut dice = Dice::of(seed, name);
                (dice.temper, [dice.draw(), dice.draw()])
            };
            assert_eq!(draws(1, "shard-0"), draws(1, "shard-0"));
            assert_ne!(draws(1, "shard-0"), draws(2, "shard-0"));
            assert_ne!(draws(1, "shard-0"), draws(1, "shard-1"));
        }

        #[test]
        fn of_many_threads_some_starve_and_most_do_not() {
            let names: Vec<String> = (0..1000).map(|n| format!("shard-{n}")).collect();
            let tempers: Vec<Temper> = names.iter().map(|name| Dice::of(7, name).temper).collect();
            let n_of = |temper| tempers.iter().filter(|&&t| t == temper).count();
            for (temper, n) in [(BRISK, 375), (UNEVEN, 375), (SLOW, 125), (STARVED, 125)] {
                assert!(n_of(temper).abs_diff(n) < n / 4, "{temper:?}: {} of 1000", n_of(temper));
            }
        }
    }
}
