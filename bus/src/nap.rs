//! Naps: sleeps that nobody has to end, for a thread whose next piece of work is near.

use std::time::Duration;

/// Decides whether a thread that has nothing to do naps or sleeps until it is woken.
///
/// A wake costs whoever makes it, and it costs the machine two switches. Where work comes rarely it buys latency; where it comes oftener than twice in a
/// period the thread **naps**: it sleeps up to a multiple of the period, tells nobody, and finds at its end what has gathered. Work that was there within half a
/// period of the last rest's begin says that more is near, and so does a nap that brought two pieces. After another nap the thread sleeps until it is woken.
///
/// The end of a nap lies at a multiple of the period, so threads with one clock and one period look at their work at the same moments, and waits of one for
/// the other do not add up. A nap is between a quarter of the period and a quarter more than it.
///
/// ```
/// use std::time::Duration;
/// use bus::Naps;
///
/// let us = |n: u64| n * 1_000;
/// let mut naps = Naps::new(Duration::from_micros(800));
/// naps.worked(us(1_000_000), 1);
/// assert_eq!(naps.rest(us(1_000_010)), None, "nothing is known yet: it sleeps until it is woken");
/// naps.worked(us(1_000_050), 1); // woken after 40 us
/// assert_eq!(naps.rest(us(1_000_060)), Some(Duration::from_micros(740)));
/// assert_eq!(naps.rest(us(1_000_800)), None, "the nap brought nothing");
/// ```
#[derive(Clone, Copy, Debug)]
pub struct Naps {
    period_ns: u64,
    /// Since when there is nothing to do, and whether the thread has only napped since.
    rest: Option<(u64, IsNap)>,
    is_work_near: bool,
}

type IsNap = bool;

impl Naps {
    /// Naps up to multiples of this; none where it is zero.
    #[must_use]
    pub fn new(period: Duration) -> Self {
        let period_ns = u64::try_from(period.as_nanos()).unwrap_or(u64::MAX);
        Self { period_ns, rest: None, is_work_near: false }
    }

    /// Call after a look for work that found `n` pieces.
    #[inline]
    pub fn worked(&mut self, now_ns: u64, n: u64) {
        if let Some((since, is_nap)) = self.rest.take() {
            self.is_work_near =
                if is_nap { n > 1 } else { now_ns.saturating_sub(since) < self.period_ns / 2 };
        }
    }

    /// Call when there is nothing left to do, and after each further look that found nothing. `Some`: nap so long, then look again. `None`: sleep until you
    /// are woken.
    #[inline]
    pub fn rest(&mut self, now_ns: u64) -> Option<Duration> {
        let naps = self.rest.is_none() && self.is_work_near && self.period_ns > 0;
        let (_, is_nap) = self.rest.get_or_insert((now_ns, naps));
        *is_nap = naps;
        naps.then(|| Duration::from_nanos(self.until_end(now_ns)))
    }

    fn until_end(&self, now_ns: u64) -> u64 {
        // Of a shorter nap little would be left once the timer is set.
        let least = self.period_ns / 4;
        least + (self.period_ns - (now_ns + least) % self.period_ns)
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    const PERIOD: u64 = 800_000;

    fn naps() -> Naps {
        Naps::new(Duration::from_nanos(PERIOD))
    }

    /// Pieces of work at these times, each done at once, for a thread that is woken, or whose nap ends, without delay; gives how often it sleeps, how
    /// often it naps, and the longest time that a piece waited.
    fn run(work: impl IntoIterator<Item = u64>) -> (u64, u64, u64) {
        let (mut naps, mut n_sleeps, mut n_naps, mut longest) = (naps(), 0, 0, 0);
        let mut work = work.into_iter().peekable();
        let mut now = 0;
        while let Some(&next) = work.peek() {
            if let Some(nap) = naps.rest(now) {
                n_naps += 1;
                now += nap.as_nanos() as u64;
                assert_eq!(now % PERIOD, 0, "naps end together");
            } else {
                n_sleeps += 1;
                now = now.max(next);
            }
            let mut n = 0;
            while let Some(at) = work.next_if(|&at| at <= now) {
                longest = longest.max(now - at);
                n += 1;
            }
            if n > 0 {
                naps.worked(now, n);
            }
        }
        (n_sleeps, n_naps, longest)
    }

    #[test]
    fn rare_work_is_waited_for() {
        let n = 1000;
        assert_eq!(run((1..=n).map(|n| n * (PERIOD / 2 + 1))), (n, 0, 0));
    }

    #[test]
    fn frequent_work_wakes_nobody_and_waits_for_a_nap_at_most() {
        for each in [100, 3_000, 70_000, 150_000] {
            let n = 400 * PERIOD / each;
            let (n_sleeps, n_naps, longest) = run((1..=n).map(|n| n * each));
            assert!(n_sleeps <= 2, "{n_sleeps} sleeps where work comes every {each} ns");
            assert!(n_naps.abs_diff(400) <= 2, "{n_naps} naps where work comes every {each} ns");
            assert!(longest <= PERIOD / 4 * 5, "{longest} ns");
        }
    }

    #[test]
    fn in_pauses_between_bursts_it_naps_once() {
        let burst = |n: u64| (0..50).map(move |i| (n + 1) * 100 * PERIOD + i * 1_000);
        let (n_sleeps, n_naps, _) = run((0..100).flat_map(burst));
        assert!(n_sleeps <= 200 && n_naps <= 200, "{n_sleeps} sleeps, {n_naps} naps");
    }

    #[test]
    fn without_a_period_nobody_naps() {
        let mut naps = Naps::new(Duration::ZERO);
        for now in 0..100 {
            assert_eq!(naps.rest(now), None);
            naps.worked(now, 9);
        }
    }

    #[test]
    fn a_nap_that_brings_one_piece_is_the_last() {
        let mut naps = naps();
        naps.rest(0);
        naps.worked(1, 1);
        assert!(naps.rest(2).is_some());
        naps.worked(PERIOD, 2);
        assert!(naps.rest(PERIOD).is_some());
        naps.worked(2 * PERIOD, 1);
        assert!(naps.rest(2 * PERIOD).is_none());
    }

    #[test]
    fn a_nap_ends_at_a_multiple_and_is_no_wink() {
        let naps = naps();
        for now in (0..3 * PERIOD).step_by(777) {
            let nap = naps.until_end(now);
            assert_eq!((now + nap) % PERIOD, 0, "{now}");
            assert!((PERIOD / 4..=PERIOD / 4 * 5).contains(&nap), "{now}: {nap}");
        }
    }
}
