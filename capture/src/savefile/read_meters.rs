//! What a replay counts of what it left out, so that it can be asked for while it runs.

use std::sync::Arc;

use perf::{Counter, Registry};

use super::ReaderCounts;

/// Counters of a replay, by kind of what was left out.
#[derive(Debug)]
pub struct ReadMeters {
    counters: [Arc<Counter>; N],
    /// What they have.
    posted: ReaderCounts,
}

const N: usize = 12;

/// Each kind with its counter's name.
fn kinds(counts: &ReaderCounts) -> [(&'static str, u64); N] {
    let &ReaderCounts {
        n_unknown_types,
        n_too_large,
        n_trimmed,
        // They are no events, and nobody misses them.
        n_skipped_blocks: _,
        n_dropped_entries,
        n_dropped_descriptors,
        n_dropped_dirs,
        n_dropped_interfaces,
        n_dropped_threads,
        n_dropped_changes,
        n_dropped_cgroups,
        n_forgotten_starts,
        n_dropped_blocks,
    } = counts;
    [
        ("savefile.unknown_types", n_unknown_types),
        ("savefile.too_large", n_too_large),
        ("savefile.trimmed", n_trimmed),
        ("savefile.dropped_entries", n_dropped_entries),
        ("savefile.dropped_descriptors", n_dropped_descriptors),
        ("savefile.dropped_dirs", n_dropped_dirs),
        ("savefile.dropped_interfaces", n_dropped_interfaces),
        ("savefile.dropped_threads", n_dropped_threads),
        ("savefile.dropped_changes", n_dropped_changes),
        ("savefile.dropped_cgroups", n_dropped_cgroups),
        ("savefile.forgotten_starts", n_forgotten_starts),
        ("savefile.dropped_blocks", n_dropped_blocks),
    ]
}

impl ReadMeters {
    /// Registers them, all zero.
    #[must_use]
    pub fn register(registry: &mut Registry) -> Self {
        let posted = ReaderCounts::default();
        Self { counters: kinds(&posted).map(|(name, _)| registry.counter(name)), posted }
    }

    /// Adds what has come since the last time.
    pub(super) fn post(&mut self, counts: ReaderCounts) {
        if counts == self.posted {
            return;
        }
        let before = kinds(&std::mem::replace(&mut self.posted, counts));
        for ((counter, (_, before)), (_, now)) in
            self.counters.iter().zip(before).zip(kinds(&counts))
        {
            // A section without resources has no such counts of its own.
            counter.add(now.saturating_sub(before));
        }
    }
}

#[cfg(test)]
mod tests {
    use perf::Moment;

    use super::*;

    #[test]
    fn what_is_posted_twice_is_counted_once() {
        let mut registry = Registry::new();
        let mut meters = ReadMeters::register(&mut registry);
        let counts = ReaderCounts { n_dropped_dirs: 3, n_trimmed: 1, ..ReaderCounts::default() };
        meters.post(counts);
        meters.post(counts);
        meters.post(ReaderCounts { n_dropped_dirs: 5, ..counts });
        let snapshot = registry.snapshot(Moment::Final);
        let get = |name| snapshot.get(name);
        assert_eq!(get("savefile.dropped_dirs"), Some(5));
        assert_eq!(get("savefile.trimmed"), Some(1));
        assert_eq!(get("savefile.dropped_entries"), Some(0));
    }
}
