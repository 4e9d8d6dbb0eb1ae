//! What came of a run.

use rules::Alert;

use super::engine::Topology;
use super::load::{Kind, Load, Shape};
use super::machine::{Pace, Setup};

/// Counts of a run. Those without `in_all` are of the time that is measured.
#[derive(Debug)]
pub(crate) struct Outcome {
    pub(crate) shape: Shape,
    pub(crate) n_cpus: usize,
    pub(crate) topology: Topology,
    pace: Pace,
    open_ns: u64,
    kernel_ns: f64,
    measured_ns: u64,
    /// Events that the machine's processes made.
    pub(crate) n_offered: u64,
    pub(crate) n_dropped: u64,
    /// Forks, execs and exits among those dropped.
    pub(crate) n_state_dropped: u64,
    pub(crate) n_offered_in_all: u64,
    pub(crate) n_dropped_in_all: u64,
    pub(crate) n_evaluated_in_all: u64,
    /// Frames that capture threads read, seeds not counted.
    pub(crate) n_read: u64,
    pub(crate) n_seeded: u64,
    pub(crate) n_by_shard: Vec<u64>,
    pub(crate) latencies_ns: Vec<u64>,
    /// Time of each engine thread on a CPU.
    pub(crate) busy_ns: Vec<u64>,
    pub(crate) n_wakes: u64,
    pub(crate) n_sleeps: u64,
    pub(crate) n_waits: u64,
    pub(crate) n_windows: u64,
    /// Events that a shard evaluated after one with a larger key.
    pub(crate) n_out_of_order: u64,
    /// Events whose process had not the parent that it has.
    pub(crate) n_wrong_parent: u64,
    last_key: Vec<u64>,
    work_ns: u64,
}

impl Outcome {
    pub(crate) fn new(setup: &Setup) -> Self {
        let n_shards = setup.topology.n_shards;
        Self {
            shape: setup.shape,
            n_cpus: setup.n_cpus,
            topology: setup.topology,
            pace: setup.pace,
            open_ns: setup.open_ns,
            kernel_ns: setup.costs.get(super::costs::Cost::KernelWrite),
            measured_ns: setup.duration_ns - setup.duration_ns / 4,
            n_offered: 0,
            n_dropped: 0,
            n_state_dropped: 0,
            n_offered_in_all: 0,
            n_dropped_in_all: 0,
            n_evaluated_in_all: 0,
            n_read: 0,
            n_seeded: 0,
            n_by_shard: vec![0; n_shards],
            latencies_ns: Vec::new(),
            busy_ns: vec![0; setup.topology.n_capture + n_shards],
            n_wakes: 0,
            n_sleeps: 0,
            n_waits: 0,
            n_windows: 0,
            n_out_of_order: 0,
            n_wrong_parent: 0,
            last_key: vec![0; n_shards],
            work_ns: 0,
        }
    }

    pub(crate) fn offered(&mut self, is_measured: bool, is_taken: bool, kind: Kind) {
        self.n_offered_in_all += 1;
        self.n_dropped_in_all += u64::from(!is_taken);
        self.n_state_dropped += u64::from(!is_taken && kind != Kind::Open);
        if is_measured {
            self.n_offered += 1;
            self.n_dropped += u64::from(!is_taken);
            self.work_ns += Load::work_ns(kind, self.open_ns) + self.kernel_ns as u64;
        }
    }

    pub(crate) fn evaluated(
        &mut self,
        is_measured: bool,
        shard: usize,
        end: u64,
        alert: &Alert,
        load: &Load,
    ) {
        self.n_evaluated_in_all += 1;
        let last = std::mem::replace(&mut self.last_key[shard], alert.evt_num);
        self.n_out_of_order += u64::from(last >= alert.evt_num);
        let mut ids = alert.output.split(' ').map(str::parse::<u32>);
        let is_right = match (ids.next(), ids.next()) {
            (Some(Ok(tgid)), Some(Ok(parent))) => load.parent(tgid) == Some(parent),
            _ => false,
        };
        self.n_wrong_parent += u64::from(!is_right || alert.marks.lineage_unknown);
        if is_measured {
            self.n_by_shard[shard] += 1;
            self.latencies_ns.push(end.saturating_sub(alert.ts_ns));
        }
    }

    pub(crate) fn n_evaluated(&self) -> u64 {
        self.n_by_shard.iter().sum()
    }

    /// Load of the busiest shard over the mean.
    pub(crate) fn imbalance(&self) -> f64 {
        let busiest = self.n_by_shard.iter().max().copied().unwrap_or(0) as f64;
        let mean = self.n_evaluated() as f64 / self.n_by_shard.len() as f64;
        busiest / mean.max(1.0)
    }

    /// The latency that so large a share of events does not exceed, in us.
    pub(crate) fn latency_us(&self, share: f64) -> f64 {
        let at = (self.latencies_ns.len() as f64 * share) as usize;
        let last = self.latencies_ns.len().saturating_sub(1);
        self.latencies_ns.get(at.min(last)).map_or(0.0, |&ns| ns as f64 / 1e3)
    }

    /// Share of time that threads had a CPU: mean and largest.
    fn busy(&self, threads: &[u64]) -> (f64, f64) {
        let of = |ns: u64| ns as f64 / self.measured_ns as f64;
        let mean = threads.iter().map(|&ns| of(ns)).sum::<f64>() / threads.len() as f64;
        (mean, threads.iter().map(|&ns| of(ns)).fold(0.0, f64::max))
    }

    pub(crate) fn capture_busy(&self) -> (f64, f64) {
        self.busy(&self.busy_ns[..self.topology.n_capture])
    }

    pub(crate) fn shards_busy(&self) -> (f64, f64) {
        self.busy(&self.busy_ns[self.topology.n_capture..])
    }

    /// CPU time of the engine for each event that was evaluated.
    pub(crate) fn engine_ns_per_event(&self) -> f64 {
        self.busy_ns.iter().sum::<u64>() as f64 / self.n_evaluated().max(1) as f64
    }

    /// CPUs that the engine took.
    pub(crate) fn engine_cpus(&self) -> f64 {
        self.busy_ns.iter().sum::<u64>() as f64 / self.measured_ns as f64
    }

    /// Share of the machine that its own processes got.
    pub(crate) fn work_share(&self) -> f64 {
        self.work_ns as f64 / (self.measured_ns as f64 * self.n_cpus as f64)
    }

    pub(crate) const HEADING: &str = "| shape | CPUs | load of a CPU | capture + shards | events/s in millions: made, evaluated | lost | busiest / mean shard | capture busy: mean, most | shards busy: mean, most | ns of engine an event | CPUs of engine | own work | frames a window | waits / 1000 | p50 us | p99 us |\n|---|---|---|---|---|---|---|---|---|---|---|---|---|---|---|---|";

    pub(crate) fn row(&self) -> String {
        let seconds = self.measured_ns as f64 / 1e9;
        let millions = |n: u64| n as f64 / seconds / 1e6;
        let load = match self.pace {
            Pace::Events(n) => format!("{:.0}k/s", n / 1e3),
            Pace::Saturated => format!("all, {} us each", self.open_ns as f64 / 1e3),
        };
        let (capture, most_capture) = self.capture_busy();
        let (shards, most_shards) = self.shards_busy();
        format!(
            "| {} | {} | {load} | {} + {} | {:.2}, {:.2} | {:.1} % | {:.2} | {:.0} %, {:.0} % | {:.0} %, {:.0} % | {:.0} | {:.2} | {:.1} % | {:.1} | {:.1} | {:.0} | {:.0} |",
            self.shape.name(),
            self.n_cpus,
            self.topology.n_capture,
            self.topology.n_shards,
            millions(self.n_offered),
            millions(self.n_evaluated()),
            100.0 * self.n_dropped as f64 / self.n_offered.max(1) as f64,
            self.imbalance(),
            100.0 * capture,
            100.0 * most_capture,
            100.0 * shards,
            100.0 * most_shards,
            self.engine_ns_per_event(),
            self.engine_cpus(),
            100.0 * self.work_share(),
            self.n_evaluated_in_all as f64 / self.n_windows.max(1) as f64,
            1000.0 * self.n_waits as f64 / self.n_evaluated_in_all.max(1) as f64,
            self.latency_us(0.5),
            self.latency_us(0.99),
        )
    }
}
