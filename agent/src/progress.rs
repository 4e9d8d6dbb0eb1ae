//! Whether the threads that take events in and evaluate them get on: each publishes how far it has come in the order of events, also while
//! nothing happens, so that one that stands still is stuck, not idle.

use std::sync::Arc;
use std::time::Duration;

use bus::Watermark;
use stages::Lineage;

/// How long a thread may stand still. At rest it publishes about once a second; what a busy machine keeps from running for longer than this is
/// not watching it.
pub(crate) const STALLED_AFTER: Duration = Duration::from_secs(10);

/// The most that counts between two looks. A machine that slept, or a program that was stopped as a whole, looks again before its threads have run.
const LONGEST_STEP: Duration = Duration::from_secs(2);

/// What a thread has published when it has ended.
const ENDED: u64 = u64::MAX;

/// How far a thread has come.
pub(crate) struct Progress {
    /// The thread's name.
    pub(crate) name: String,
    /// A number that grows, [`ENDED`] once there is nothing left to do.
    pub(crate) reached: Box<dyn Fn() -> u64 + Send + Sync>,
}

/// Those of a pipeline: what capture threads have handed on, and what shards have applied.
pub(crate) fn of(watermarks: &[Arc<Watermark>], lineage: &Arc<Lineage>) -> Vec<Progress> {
    let capture = watermarks.iter().cloned().enumerate().map(|(n, watermark)| Progress {
        name: format!("cap-{n}"),
        reached: Box::new(move || watermark.get().0),
    });
    let shards = (0..lineage.n_shards()).map(|n| {
        let lineage = Arc::clone(lineage);
        Progress { name: format!("shard-{n}"), reached: Box::new(move || lineage.applied(n).0) }
    });
    capture.chain(shards).collect()
}

/// Looks at all of them in turn.
pub(crate) struct Watch {
    watched: Vec<Watched>,
    looked_at_ns: Option<u64>,
}

struct Watched {
    progress: Progress,
    reached: u64,
    still: Duration,
}

/// How long a thread has stood still.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Still {
    pub(crate) name: String,
    pub(crate) still: Duration,
}

impl Still {
    pub(crate) fn is_stalled(&self) -> bool {
        self.still >= STALLED_AFTER
    }
}

impl Watch {
    pub(crate) fn new(all: Vec<Progress>) -> Self {
        let watch = |progress| Watched { progress, reached: 0, still: Duration::ZERO };
        Self { watched: all.into_iter().map(watch).collect(), looked_at_ns: None }
    }

    /// Looks at each, about once a second.
    pub(crate) fn look(&mut self, now_ns: u64) {
        let Self { watched, looked_at_ns } = self;
        let since = now_ns.saturating_sub(looked_at_ns.unwrap_or(now_ns));
        let step = Duration::from_nanos(since).min(LONGEST_STEP);
        *looked_at_ns = Some(now_ns);
        for Watched { progress, reached, still } in watched {
            let now = (progress.reached)();
            *still = if now == *reached && now != ENDED { *still + step } else { Duration::ZERO };
            *reached = now;
        }
    }

    /// How long each stands still, as of the last look.
    pub(crate) fn all(&self) -> impl Iterator<Item = Still> {
        self.watched.iter().map(|w| Still { name: w.progress.name.clone(), still: w.still })
    }

    /// Why events are not taken in, or not evaluated; none where they are.
    pub(crate) fn trouble(&self) -> Option<String> {
        let stalled: Vec<_> = self
            .all()
            .filter(Still::is_stalled)
            .map(|s| format!("{} has not moved for {} s", s.name, s.still.as_secs()))
            .collect();
        (!stalled.is_empty()).then(|| stalled.join(", "))
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicU64, Ordering};

    use super::*;

    const SECOND_NS: u64 = 1_000_000_000;

    fn watch(names: [&str; 2]) -> ([Arc<AtomicU64>; 2], Watch) {
        let words: [Arc<AtomicU64>; 2] = Default::default();
        let progress = |(name, word): (&str, &Arc<AtomicU64>)| {
            let word = Arc::clone(word);
            Progress {
                name: name.to_owned(),
                reached: Box::new(move || word.load(Ordering::Relaxed)),
            }
        };
        let all = names.into_iter().zip(&words).map(progress).collect();
        (words, Watch::new(all))
    }

    #[test]
    fn who_stands_still_is_named_until_it_moves() {
        let ([cap, shard], mut watch) = watch(["cap-0", "shard-0"]);
        for second in 1..=12 {
            cap.store(second, Ordering::Relaxed);
            watch.look(second * SECOND_NS);
            assert_eq!(watch.trouble().is_some(), second > 10, "{second}");
        }
        assert_eq!(watch.trouble().unwrap(), "shard-0 has not moved for 11 s");
        shard.store(1, Ordering::Relaxed);
        watch.look(13 * SECOND_NS);
        assert_eq!(watch.trouble(), None);
    }

    #[test]
    fn a_machine_that_slept_is_not_held_against_its_threads() {
        let ([cap, _], mut watch) = watch(["cap-0", "shard-0"]);
        cap.store(7, Ordering::Relaxed);
        watch.look(SECOND_NS);
        watch.look(3600 * SECOND_NS);
        assert_eq!(watch.trouble(), None);
        let stood: Vec<_> = watch.all().map(|s| s.still.as_secs()).collect();
        assert_eq!(stood, [2, 2]);
    }

    #[test]
    fn who_has_ended_does_not_stand() {
        let (words, mut watch) = watch(["cap-0", "shard-0"]);
        for word in &words {
            word.store(ENDED, Ordering::Relaxed);
        }
        for second in 1..100 {
            watch.look(second * SECOND_NS);
        }
        assert_eq!(watch.trouble(), None);
    }
}
