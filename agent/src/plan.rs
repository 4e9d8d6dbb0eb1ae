//! How many threads, and on which CPUs: decided before anything is made.

use crate::config::{CaptureSource, Config, Pinning};
use crate::start::count;

/// The threads of a run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Plan {
    /// Capture threads; in a replay what one thread feeds in their stead.
    pub(crate) n_capture: usize,
    /// Shards.
    pub(crate) n_shards: usize,
    /// All of it on one thread.
    pub(crate) single_thread: bool,
    /// CPUs of each capture thread; empty where they are not bound.
    cpus: Vec<Vec<usize>>,
    /// One line for people: how many, and why.
    pub(crate) why: String,
}

/// CPUs whose rings one capture thread reads unless told otherwise.
///
/// This and the next two: the topology that takes least of the machine among those that lose nothing with every CPU busy. Each thread
/// more makes windows smaller and wakes more frequent, for every event (docs/journal/2026-11-22-topology.md).
const CPUS_PER_CAPTURE_THREAD: usize = 16;
/// CPUs for each shard unless told otherwise, where one shard is too few.
const CPUS_PER_SHARD: usize = 4;
/// Up to so many CPUs one shard keeps up.
const MAX_CPUS_FOR_ONE_SHARD: usize = 8;
/// Shards that one reader of a file can feed.
const MAX_REPLAY_SHARDS: usize = 4;
/// Up to so many CPUs the choice was measured live, above it was simulated.
const MAX_MEASURED_CPUS: usize = 2;

impl Plan {
    /// Plans for this program's CPUs, given by id.
    pub(crate) fn new(config: &Config, allowed_cpus: &[usize]) -> Self {
        let n_cpus = allowed_cpus.len().max(1);
        let is_replay = matches!(config.source, CaptureSource::Replay(_));
        let n_capture = match config.capture_threads {
            n if is_replay => n.unwrap_or(1),
            // A capture thread owns the rings of at least one CPU.
            Some(n) => n.min(n_cpus),
            None => n_cpus.div_ceil(CPUS_PER_CAPTURE_THREAD),
        };
        let n_shards = config.shards.unwrap_or_else(|| {
            if is_replay {
                // Nothing else wants the CPUs.
                n_cpus.saturating_sub(1).clamp(1, MAX_REPLAY_SHARDS)
            } else if n_cpus <= MAX_CPUS_FOR_ONE_SHARD {
                1
            } else {
                n_cpus.div_ceil(CPUS_PER_SHARD)
            }
        });
        // One thread that reads all rings may run anywhere.
        let is_bound =
            config.pinning == Pinning::Auto && !config.single_thread && !is_replay && n_capture > 1;
        let cpus = if is_bound { by_ring(allowed_cpus, n_capture) } else { Vec::new() };
        let ground = match (is_replay, n_cpus) {
            (_, ..=MAX_MEASURED_CPUS) => "best measured",
            (true, _) => "no more than one reader feeds",
            (false, _) => "best simulated: least that loses no open with every CPU busy",
        };
        let chosen = match (config.shards, config.capture_threads) {
            (None, None) => format!("the default for {} ({ground})", count(n_cpus, "CPU")),
            (Some(_), Some(_)) => "as configured".to_owned(),
            (Some(_), None) => "shards as configured".to_owned(),
            (None, Some(_)) => "capture threads as configured".to_owned(),
        };
        let source = if is_replay && n_capture > 1 {
            format!("1 replay thread in the place of {n_capture} capture threads")
        } else if is_replay {
            "1 replay thread".to_owned()
        } else {
            count(n_capture, "capture thread")
        };
        let shards = count(n_shards, "shard");
        let why = if config.single_thread {
            format!("one thread for everything, with {shards} (--single-thread)")
        } else {
            let bound = if is_bound { ", each beside its rings" } else { "" };
            format!("{source}{bound}, {shards}, 1 output thread: {chosen}")
        };
        Self { n_capture, n_shards, single_thread: config.single_thread, cpus, why }
    }

    /// CPUs of a capture thread; none where it may run anywhere.
    pub(crate) fn capture_cpus(&self, n: usize) -> Vec<usize> {
        self.cpus.get(n).cloned().unwrap_or_default()
    }
}

/// The CPUs whose rings each of so many capture threads reads. Within them the scheduler puts a thread where nobody else runs; bound to one of them it
/// would take its time from whoever runs there while the next one idles (docs/journal/2026-11-23-waking.md). Shards and the outputs are not bound at all.
fn by_ring(cpus: &[usize], n_capture: usize) -> Vec<Vec<usize>> {
    let first_of = |n: usize| n * cpus.len() / n_capture;
    (0..n_capture).map(|n| cpus[first_of(n)..first_of(n + 1)].to_vec()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::{ConfigSource, Settings};

    fn plan(options: &[&str], cpus: usize) -> Plan {
        let options = options.iter().map(|&o| o.to_owned()).collect();
        let source = ConfigSource { options, ..ConfigSource::default() };
        let config = crate::config::load(&source, &Settings::default()).unwrap();
        Plan::new(&config, &(0..cpus).collect::<Vec<_>>())
    }

    #[test]
    fn the_machine_decides_unless_told() {
        for (cpus, n_capture, n_shards) in
            [(1, 1, 1), (2, 1, 1), (4, 1, 1), (8, 1, 1), (16, 1, 4), (64, 4, 16), (256, 16, 64)]
        {
            let p = plan(&[], cpus);
            assert_eq!((p.n_capture, p.n_shards), (n_capture, n_shards), "{cpus} CPUs");
            let bound: Vec<usize> = p.cpus.concat();
            let all: Vec<usize> = if n_capture > 1 { (0..cpus).collect() } else { Vec::new() };
            assert_eq!(bound, all, "{cpus} CPUs: each has one thread");
        }
    }

    #[test]
    fn it_says_how_many_and_on_what_ground() {
        let simulated = "best simulated: least that loses no open with every CPU busy";
        for (cpus, threads, n_cpus, ground) in [
            (1, "1 capture thread, 1 shard", "1 CPU", "best measured"),
            (2, "1 capture thread, 1 shard", "2 CPUs", "best measured"),
            (4, "1 capture thread, 1 shard", "4 CPUs", simulated),
            (64, "4 capture threads, each beside its rings, 16 shards", "64 CPUs", simulated),
        ] {
            let p = plan(&[], cpus);
            let why = format!("{threads}, 1 output thread: the default for {n_cpus} ({ground})");
            assert_eq!(p.why, why);
            assert!(!p.single_thread);
        }
        assert_eq!(
            plan(&["peregrine.shards=3"], 64).why,
            "4 capture threads, each beside its rings, 3 shards, 1 output thread: shards as configured"
        );
        assert_eq!(
            plan(&["peregrine.capture_threads=2"], 64).why,
            "2 capture threads, each beside its rings, 16 shards, 1 output thread: capture threads as configured"
        );
    }

    #[test]
    fn a_capture_thread_is_bound_to_the_cpus_whose_rings_it_reads() {
        let p = plan(&["peregrine.capture_threads=3"], 8);
        assert_eq!(p.cpus, [vec![0, 1], vec![2, 3, 4], vec![5, 6, 7]]);
        let p = plan(&["peregrine.capture_threads=4"], 4);
        assert_eq!(p.capture_cpus(2), [2], "one for each CPU");
        let p = plan(&["peregrine.capture_threads=4", "peregrine.pinning=false"], 4);
        assert!(p.capture_cpus(2).is_empty());
    }

    #[test]
    fn a_capture_thread_has_at_least_one_ring() {
        let p = plan(&["peregrine.shards=2", "peregrine.capture_threads=9"], 4);
        assert_eq!(
            (p.n_capture, p.n_shards),
            (4, 2),
            "a capture thread has at least one CPU's ring"
        );
    }

    #[test]
    fn a_replay_has_one_reader_for_any_number_of_capture_lanes() {
        let replay = ["engine.kind=replay", "engine.replay.capture_file=x"];
        let p = plan(&replay, 64);
        assert_eq!((p.n_capture, p.cpus.len()), (1, 0));
        let p = plan(&[&replay[..], &["peregrine.capture_threads=4"]].concat(), 2);
        assert_eq!((p.n_capture, p.cpus.len()), (4, 0));
        assert!(
            p.why.starts_with("1 replay thread in the place of 4 capture threads, "),
            "{}",
            p.why
        );
    }
}
