//! Whether a series of samples stays where it was.
//!
//! Two rules, since there are two kinds of levels. Memory comes and goes with the load, so its *trend* is judged. Descriptors and threads go back
//! to the same number whenever nothing is under way, so their *floor* is judged, and one more is one too many.

use serde::Serialize;

/// A level at a time, in seconds.
pub(super) type Point = (f64, f64);

/// What was judged, and how it came out.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub(super) struct Verdict {
    pub(super) what: &'static str,
    pub(super) holds: bool,
    /// The level of the first third, and that of the last.
    pub(super) first: f64,
    pub(super) last: f64,
    /// What was found and what may be, for people.
    pub(super) found: String,
}

/// A line through the samples may rise by so much less than what has to be found, since samples that scatter move it, too.
const OF_THE_LIMIT: f64 = 0.8;

/// What the upper quarter may grow by, in parts of what has to be found: it is made of bursts, and scatters by more than a median.
const BURSTS: f64 = 2.0;

/// More descriptors or threads than the most of the first third that may be there for a moment.
const FOR_A_MOMENT: f64 = 4.0;

/// Judges a level that follows the load. A steady growth of `limit_percent` from the first sample to the last is found.
///
/// - The slope of all samples (Theil and Sen: the median of the slopes of all pairs, which nothing moves that befalls fewer than 29 % of them),
///   over the whole time.
/// - The median of the last third above that of the first: a step that stays.
/// - The upper quartile of the last third above that of the first: bursts that need more and more. What befalls fewer samples is not judged: a
///   queue that fills while a receiver is down makes peaks of any height, early or late in a run.
pub(super) fn follows_the_load(
    what: &'static str,
    points: &[Point],
    limit_percent: f64,
) -> Verdict {
    let Some([first, last]) = thirds(points) else { return too_few(what) };
    let (from, to) = (quantile(first, 0.5), quantile(last, 0.5));
    let of_first = |n: f64| n / from.max(f64::MIN_POSITIVE) * 100.0;
    let duration = points[points.len() - 1].0 - points[0].0;
    let by_slope = of_first(slope(points) * duration);
    let by_step = of_first(to - from);
    let by_bursts = of_first(quantile(last, 0.75) - quantile(first, 0.75));
    let limit = limit_percent * OF_THE_LIMIT;
    let burst_limit = limit_percent * BURSTS;
    Verdict {
        what,
        holds: by_slope < limit && by_step < limit && by_bursts < burst_limit,
        first: from,
        last: to,
        found: format!(
            "trend {by_slope:+.2} %, medians of thirds {by_step:+.2} % (below {limit} %), bursts {by_bursts:+.2} % (below {burst_limit} %)"
        ),
    }
}

/// Judges a level that goes back to the same number: the least of the last third is not above that of the first, and no moment has many more.
pub(super) fn goes_back(what: &'static str, points: &[Point]) -> Verdict {
    let Some([first, last]) = thirds(points) else { return too_few(what) };
    let (most_first, most_last) = (most(first), most(last));
    let floor = is_emptied(what, points);
    let found = format!("{}, most {most_first} and {most_last}", floor.found);
    Verdict { holds: floor.holds && most_last <= most_first + FOR_A_MOMENT, found, ..floor }
}

/// Judges a queue, which may be of any length for a while: the least of the last third is not above that of the first.
pub(super) fn is_emptied(what: &'static str, points: &[Point]) -> Verdict {
    let Some([first, last]) = thirds(points) else { return too_few(what) };
    let (from, to) = (least(first), least(last));
    let found = format!("least of thirds {from} and {to}");
    Verdict { what, holds: to <= from, first: from, last: to, found }
}

fn too_few(what: &'static str) -> Verdict {
    let found = "too few samples to judge".to_owned();
    Verdict { what, holds: false, first: 0.0, last: 0.0, found }
}

/// The first third and the last.
fn thirds(points: &[Point]) -> Option<[&[Point]; 2]> {
    let n = points.len() / 3;
    (n >= 3).then(|| [&points[..n], &points[points.len() - n..]])
}

fn quantile(points: &[Point], part: f64) -> f64 {
    at(part, points.iter().map(|&(_, level)| level).collect())
}

/// The value that so great a part of them is not above.
fn at(part: f64, mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values.get((values.len() as f64 * part) as usize).copied().unwrap_or(0.0)
}

fn most(points: &[Point]) -> f64 {
    points.iter().map(|p| p.1).fold(f64::MIN, f64::max)
}

fn least(points: &[Point]) -> f64 {
    points.iter().map(|p| p.1).fold(f64::MAX, f64::min)
}

/// The median of the slopes of all pairs, by the second.
fn slope(points: &[Point]) -> f64 {
    let after = |(i, &(t, level)): (usize, &Point)| {
        points[i + 1..].iter().map(move |&(t2, level2)| (level2 - level) / (t2 - t))
    };
    at(0.5, points.iter().enumerate().flat_map(after).filter(|s| s.is_finite()).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// 25 minutes, a sample every five seconds.
    const N: usize = 300;

    /// Levels around 30,000 with what noise a load that comes and goes makes: bursts of half a minute, and a scatter that repeats exactly.
    fn series(extra: impl Fn(f64) -> f64) -> Vec<Point> {
        let mut random = 12345u64;
        (0..N)
            .map(|i| {
                random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
                let scatter = (random >> 33) as f64 / f64::from(1u32 << 31) * 600.0 - 300.0;
                let burst = if i % 6 < 2 { 900.0 } else { 0.0 };
                let part = i as f64 / (N - 1) as f64;
                (i as f64 * 5.0, 30_000.0 + burst + scatter + extra(part))
            })
            .collect()
    }

    fn check(extra: impl Fn(f64) -> f64, holds: bool) {
        let verdict = follows_the_load("memory", &series(extra), 5.0);
        assert_eq!(verdict.holds, holds, "{verdict:?}");
    }

    #[test]
    fn noise_is_no_leak() {
        check(|_| 0.0, true);
        // What shrinks, and what grows by a hundredth.
        check(|part| -3_000.0 * part, true);
        check(|part| 300.0 * part, true);
        // Peaks of any height, late in the run alone.
        check(|part| if (0.8..0.87).contains(&part) { 20_000.0 } else { 0.0 }, true);
    }

    #[test]
    fn a_leak_of_five_per_cent_is_found() {
        check(|part| 1_500.0 * part, false);
        // In steps, as a table doubles.
        check(|part| (part * 4.0).floor() * 400.0, false);
        // Once, in the middle, for good.
        check(|part| if part > 0.5 { 1_500.0 } else { 0.0 }, false);
        // Bursts alone.
        check(
            |part| if ((part * 100.0) as u32).is_multiple_of(3) { 6_000.0 * part } else { 0.0 },
            false,
        );
    }

    #[test]
    fn one_descriptor_that_stays_is_found() {
        let series = |extra: fn(usize) -> f64| -> Vec<Point> {
            (0..90).map(|i| (i as f64, 40.0 + f64::from(u8::from(i % 7 < 3)) + extra(i))).collect()
        };
        assert!(goes_back("descriptors", &series(|_| 0.0)).holds);
        assert!(goes_back("descriptors", &series(|i| f64::from(u8::from(i == 80)) * 3.0)).holds);
        assert!(!goes_back("descriptors", &series(|i| f64::from(u8::from(i > 40)))).holds);
        assert!(!goes_back("descriptors", &series(|i| f64::from(u8::from(i == 80)) * 60.0)).holds);
        assert!(!goes_back("descriptors", &series(|i| (i / 9) as f64)).holds);
    }

    #[test]
    fn a_queue_that_is_never_emptied_is_found() {
        let series = |floor: fn(usize) -> f64| -> Vec<Point> {
            (0..90).map(|i| (i as f64, (i % 20) as f64 * 50.0 + floor(i))).collect()
        };
        assert!(is_emptied("queue", &series(|_| 0.0)).holds);
        assert!(!is_emptied("queue", &series(|i| i as f64)).holds);
    }

    #[test]
    fn few_samples_prove_nothing() {
        let few: Vec<Point> = (0..8).map(|i| (f64::from(i), 1.0)).collect();
        assert!(!follows_the_load("memory", &few, 5.0).holds);
        assert!(!goes_back("threads", &few).holds);
    }
}
