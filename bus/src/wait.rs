//! Waiting: spin, yield, then sleep, and wake only who sleeps; or nap, and be woken by nobody.

use std::sync::Arc;
use std::time::Duration;

use crossbeam_utils::CachePadded;

use crate::schedule::{self, Place};
use crate::sync::{AtomicBool, Ordering, Parker, fence};

/// How long a thread that finds nothing to do stays awake, and how long it sleeps.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct WaitLimits {
    /// Rounds of spinning, each twice as long as the one before, up to 64 pauses.
    pub n_spins: u32,
    /// Rounds of yielding the CPU after that.
    pub n_yields: u32,
    /// The first sleep; each further one is twice as long.
    pub min_sleep: Duration,
    /// The longest sleep. A wake ends any sleep, so this bounds only how late a thread notices what wakes nobody, such as time passing.
    pub max_sleep: Duration,
}

impl WaitLimits {
    /// For a thread that is woken for whatever it waits for: it sleeps at once, and of itself it wakes up once a second. Spinning and yielding would buy it
    /// some microseconds of latency for more than a wake costs, and short sleeps would only end before the wake.
    pub const WOKEN: Self = Self {
        n_spins: 0,
        n_yields: 0,
        min_sleep: Duration::from_secs(1),
        max_sleep: Duration::from_secs(1),
    };

    /// The same, with sleeps of at most this: for who waits for times to pass as well.
    #[must_use]
    pub fn looking_every(self, longest: Duration) -> Self {
        let Self { min_sleep, max_sleep, .. } = self;
        Self { min_sleep: min_sleep.min(longest), max_sleep: max_sleep.min(longest), ..self }
    }
}

impl Default for WaitLimits {
    /// Six rounds of each, sleeps from 50 us to 100 ms.
    fn default() -> Self {
        Self {
            n_spins: 6,
            n_yields: 6,
            min_sleep: Duration::from_micros(50),
            max_sleep: Duration::from_millis(100),
        }
    }
}

/// The flag by which a thread says that it is about to sleep.
///
/// The sleeper raises the flag, **then looks for work once more**, and sleeps only if there is none. The waker makes work visible, **then looks at
/// the flag**. Both have a full fence between the two steps, so at least one of them sees the other: no wake is lost, and a thread that is
/// awake is never woken.
#[derive(Debug)]
pub struct Sleeping(CachePadded<AtomicBool>);

impl Default for Sleeping {
    fn default() -> Self {
        Self::new()
    }
}

impl Sleeping {
    /// A flag that is down.
    #[must_use]
    pub fn new() -> Self {
        Self(CachePadded::new(AtomicBool::new(false)))
    }

    /// The sleeper, before its last look for work.
    pub fn raise(&self) {
        // A swap here and in `lower`: all writes of the flag are then one chain of read-modify-writes, so that none of them can land after a
        // claim of the round before. It costs nothing that a thread on its way to sleep would notice.
        self.0.swap(true, Ordering::Relaxed);
        // Pairs with the fence in `claim`: either this thread's last look sees the work, or the waker's look sees the flag.
        fence(Ordering::SeqCst);
    }

    /// The sleeper, once it is awake.
    pub fn lower(&self) {
        // Relaxed: a waker that still sees the flag wakes once too often, which is harmless.
        self.0.swap(false, Ordering::Relaxed);
    }

    /// Whether nobody has claimed the wake since the flag was raised. For the sleeper.
    #[must_use]
    pub fn is_raised(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }

    /// The waker, after its work is visible: whether it has to wake the sleeper. Of several wakers one gets `true`.
    #[must_use]
    pub fn claim(&self) -> bool {
        // Pairs with the fence in `raise`.
        fence(Ordering::SeqCst);
        // The load keeps the line shared while nobody sleeps. Relaxed: the wake itself (a parker's token, an eventfd) orders the threads.
        self.0.load(Ordering::Relaxed) && self.0.swap(false, Ordering::Relaxed)
    }
}

/// The other end of a [`Sleeping`] flag: wakes the thread, if it sleeps, by the means that suits how it sleeps.
#[derive(Clone)]
pub struct Unparker {
    sleeping: Arc<Sleeping>,
    wake: Arc<dyn Fn() + Send + Sync>,
}

impl Unparker {
    /// `wake` is called only while the flag is up, and must end a sleep that has begun **or is about to begin** (a token, an eventfd).
    pub fn new(sleeping: Arc<Sleeping>, wake: impl Fn() + Send + Sync + 'static) -> Self {
        Self { sleeping, wake: Arc::new(wake) }
    }

    /// Wakes the thread if it sleeps, and says whether it did. Call it after what the thread waits for is visible. A fence and a load where
    /// nobody sleeps.
    #[expect(clippy::must_use_candidate, reason = "the wake is the point; who asks is a test")]
    pub fn wake(&self) -> bool {
        schedule::point(Place::Wake);
        let asleep = self.sleeping.claim();
        if asleep {
            (self.wake)();
        }
        asleep
    }
}

impl std::fmt::Debug for Unparker {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Unparker").field("sleeping", &self.sleeping).finish_non_exhaustive()
    }
}

/// Decides what a thread does that found no work: the part of [`Waiter`] for threads that sleep in their own way (on descriptors).
///
/// ```
/// use std::sync::Arc;
/// use bus::{Backoff, Sleeping, WaitLimits};
///
/// let mut backoff = Backoff::new(WaitLimits::default(), Arc::new(Sleeping::new()));
/// let mut polls = 0;
/// let timeout = loop {
///     polls += 1; // look for work; if there is some, do it and call `backoff.reset()`
///     if let Some(timeout) = backoff.step() {
///         break timeout; // poll(2) for at most this long
///     }
/// };
/// assert_eq!(timeout, WaitLimits::default().min_sleep);
/// assert_eq!(polls, 14, "six spins, six yields, one look with the flag up, then sleep");
/// ```
#[derive(Debug)]
pub struct Backoff {
    limits: WaitLimits,
    sleeping: Arc<Sleeping>,
    n_idle: u32,
    n_sleeps: u32,
    raised: bool,
}

impl Backoff {
    /// A back-off that raises and lowers `sleeping`.
    #[must_use]
    pub fn new(limits: WaitLimits, sleeping: Arc<Sleeping>) -> Self {
        Self { limits, sleeping, n_idle: 0, n_sleeps: 0, raised: false }
    }

    /// Call after a look for work that found none. `None`: it spun, yielded or raised the flag; look again. `Some`: the flag has been up since
    /// before the last look; sleep now, for at most this long, then look again.
    pub fn step(&mut self) -> Option<Duration> {
        let WaitLimits { n_spins, n_yields, min_sleep, max_sleep } = self.limits;
        if self.n_idle < n_spins {
            for _ in 0..1u32 << self.n_idle.min(6) {
                std::hint::spin_loop();
            }
        } else if self.n_idle < n_spins.saturating_add(n_yields) {
            std::thread::yield_now();
        } else if self.raised && self.sleeping.is_raised() {
            let timeout = min_sleep.saturating_mul(1 << self.n_sleeps.min(30)).min(max_sleep);
            self.n_sleeps = self.n_sleeps.saturating_add(1);
            return Some(timeout);
        } else {
            // Raised for the first time, or again after a waker took it down: what was looked at before does not count.
            self.raised = true;
            self.sleeping.raise();
            return None;
        }
        self.n_idle += 1;
        None
    }

    /// Call after a look for work that found some.
    #[inline]
    pub fn reset(&mut self) {
        self.n_idle = 0;
        self.n_sleeps = 0;
        if self.raised {
            self.raised = false;
            self.sleeping.lower();
        }
    }
}

/// A thread's way to wait for work that other threads announce with an [`Unparker`].
///
/// ```
/// use std::sync::Arc;
/// use std::sync::atomic::{AtomicBool, Ordering};
/// use bus::{WaitLimits, Waiter};
///
/// let mut waiter = Waiter::new(WaitLimits::default());
/// let unparker = waiter.unparker();
/// let work = Arc::new(AtomicBool::new(false));
/// let theirs = Arc::clone(&work);
/// let producer = std::thread::spawn(move || {
///     theirs.store(true, Ordering::Release); // first the work,
///     unparker.wake();                       // then the wake
/// });
/// while !work.load(Ordering::Acquire) {
///     waiter.idle(); // returns after every step: look again
/// }
/// waiter.reset();
/// producer.join().unwrap();
/// ```
#[derive(Debug)]
pub struct Waiter {
    backoff: Backoff,
    parker: Parker,
}

impl Waiter {
    /// A waiter for one thread; it may be made on another one.
    #[must_use]
    pub fn new(limits: WaitLimits) -> Self {
        let backoff = Backoff::new(limits, Arc::new(Sleeping::new()));
        Self { backoff, parker: Parker::default() }
    }

    /// What wakes this waiter's thread. May be cloned for every thread that produces work for it.
    #[must_use]
    pub fn unparker(&self) -> Unparker {
        Unparker::new(Arc::clone(&self.backoff.sleeping), self.parker.unpark_fn())
    }

    /// Waits a little: call after a look for work that found none, then look again.
    pub fn idle(&mut self) {
        self.idle_at_most(Duration::MAX);
    }

    /// The same, for who waits for a time to pass as well: a sleep is no longer than this.
    pub fn idle_at_most(&mut self, longest: Duration) {
        if let Some(timeout) = self.backoff.step() {
            self.parker.park(timeout.min(longest));
        }
    }

    /// Call after a look for work that found some.
    #[inline]
    pub fn reset(&mut self) {
        self.backoff.reset();
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;
    use std::time::Instant;

    #[test]
    fn sleeps_double_up_to_the_longest() {
        let (min_sleep, max_sleep) = (Duration::from_micros(50), Duration::from_micros(300));
        let limits = WaitLimits { n_spins: 1, n_yields: 1, min_sleep, max_sleep };
        let mut b = Backoff::new(limits, Arc::default());
        assert_eq!([b.step(), b.step(), b.step()], [None; 3]);
        assert!(b.sleeping.is_raised());
        let sleeps: Vec<u128> = (0..40).map(|_| b.step().unwrap().as_micros()).collect();
        assert_eq!(sleeps[..5], [50, 100, 200, 300, 300]);
        assert_eq!(sleeps[39], 300);
        b.reset();
        assert!(!b.sleeping.is_raised());
        assert_eq!(b.step(), None);
    }

    #[test]
    fn a_claimed_flag_is_raised_again_before_the_next_sleep() {
        let limits = WaitLimits { n_spins: 0, n_yields: 0, ..WaitLimits::default() };
        let mut b = Backoff::new(limits, Arc::default());
        assert_eq!(b.step(), None);
        assert!(b.sleeping.claim() && !b.sleeping.claim(), "one waker gets the claim");
        assert_eq!(b.step(), None, "the flag was down during the last look");
        assert!(b.step().is_some());
    }

    #[test]
    fn only_a_sleeper_is_woken() {
        let mut w = Waiter::new(WaitLimits { n_spins: 1, n_yields: 0, ..WaitLimits::default() });
        let unparker = w.unparker();
        assert!(!unparker.wake());
        w.idle();
        assert!(!unparker.wake());
        w.idle();
        assert!(unparker.wake());
        assert!(!unparker.wake());
    }

    #[test]
    fn a_wake_ends_a_long_sleep() {
        let hour = Duration::from_hours(1);
        let limits = WaitLimits { n_spins: 0, n_yields: 0, min_sleep: hour, max_sleep: hour };
        let mut w = Waiter::new(limits);
        let unparker = w.unparker();
        let woken = Arc::new(std::sync::atomic::AtomicBool::new(false));
        let flag = Arc::clone(&woken);
        let sleeper = std::thread::spawn(move || {
            let start = Instant::now();
            while !flag.load(std::sync::atomic::Ordering::Acquire) {
                w.idle();
            }
            start.elapsed()
        });
        while !unparker.sleeping.is_raised() {
            std::thread::yield_now();
        }
        woken.store(true, std::sync::atomic::Ordering::Release);
        unparker.wake();
        assert!(sleeper.join().unwrap() < hour);
    }
}
