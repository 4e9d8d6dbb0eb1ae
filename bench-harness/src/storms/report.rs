//! What a storm came to: one object, or one line for people.

use std::collections::BTreeMap;
use std::fmt::{self, Display, Formatter};

use perf::LatencyReport;
use serde::Serialize;

use crate::cycle::Calls;
use crate::run::{Done, Plan};

/// A storm's figures.
#[derive(Debug, Serialize)]
pub(crate) struct Report {
    kind: &'static str,
    /// Cycles made.
    count: u64,
    /// Whether these are fewer than were asked for.
    pub(crate) ended_early: bool,
    threads: u64,
    calls_per_cycle: u64,
    /// Calls of all cycles.
    n_calls: u64,
    ns_per_call: f64,
    cpu_ns_per_call: f64,
    /// CPU time of the processes that were made and waited for, by cycle.
    #[serde(skip_serializing_if = "Option::is_none")]
    children_cpu_ns_per_cycle: Option<f64>,
    /// From the first thread's begin to the last one's end.
    elapsed_ns: u64,
    cycles_per_second: f64,
    #[serde(skip_serializing_if = "Option::is_none")]
    rate: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    burst: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    lateness_ns: Option<Lateness>,
    /// Calls by name: those of the cycles, and what pacing and moving took.
    calls: BTreeMap<&'static str, u64>,
    cpus: Vec<OnCpu>,
    by_thread: Vec<OfThread>,
}

/// How late bursts began after they were due.
#[derive(Debug, Serialize)]
pub(crate) struct Lateness {
    n: u64,
    p50: u64,
    p99: u64,
    p999: u64,
    max: u64,
}

impl Lateness {
    pub(crate) fn of(report: &LatencyReport) -> Self {
        let &LatencyReport { n, p50_ns, p99_ns, p999_ns, max_ns, .. } = report;
        Self { n, p50: p50_ns, p99: p99_ns, p999: p999_ns, max: max_ns }
    }
}

#[derive(Debug, Serialize)]
struct OnCpu {
    cpu: usize,
    cycles: u64,
    calls: BTreeMap<&'static str, u64>,
}

#[derive(Debug, Serialize)]
struct OfThread {
    tid: i32,
    /// The number of its first cycle.
    first: u64,
    cycles: u64,
    busy_ns: u64,
    cpu_ns: u64,
}

fn by_name(calls: &Calls, n_cycles: u64) -> BTreeMap<&'static str, u64> {
    calls.iter().map(|&(name, n)| (name, n * n_cycles)).collect()
}

fn part(whole: u64, n: u64) -> f64 {
    (whole as f64 / n.max(1) as f64 * 100.0).round() / 100.0
}

impl Report {
    pub(crate) fn new(
        plan: &Plan,
        calls: &Calls,
        cpus: &[usize],
        all: &[Done],
        lateness_ns: Option<Lateness>,
    ) -> Self {
        let sum = |of: fn(&Done) -> u64| all.iter().map(of).sum::<u64>();
        let count = sum(|done| done.n_cycles);
        let calls_per_cycle = calls.iter().map(|(_, n)| n).sum();
        let n_calls = count * calls_per_cycle;
        let began_ns = all.iter().map(|done| done.began_ns).min().unwrap_or(0);
        let ended_ns = all.iter().map(|done| done.ended_ns).max().unwrap_or(0);
        let elapsed_ns = ended_ns - began_ns;
        let mut by_call = by_name(calls, count);
        if plan.pace.is_some() {
            by_call.insert("clock_nanosleep", sum(|done| done.n_sleeps));
        }
        if plan.moves_after.is_some() {
            by_call.insert("sched_setaffinity", sum(|done| done.n_moves));
        }
        let on_cpu = |(at, &cpu): (usize, &usize)| {
            let cycles = all.iter().map(|done| done.by_cpu[at]).sum();
            OnCpu { cpu, cycles, calls: by_name(calls, cycles) }
        };
        let of_thread = |done: &Done| OfThread {
            tid: done.tid,
            first: done.first,
            cycles: done.n_cycles,
            busy_ns: done.busy_ns,
            cpu_ns: done.cpu_ns,
        };
        let children_cpu_ns = all.iter().map(|done| done.children_cpu_ns).sum::<Option<u64>>();
        Self {
            kind: plan.kind,
            count,
            ended_early: count < plan.count,
            threads: plan.n_threads,
            calls_per_cycle,
            n_calls,
            ns_per_call: part(sum(|done| done.busy_ns), n_calls),
            cpu_ns_per_call: part(sum(|done| done.cpu_ns), n_calls),
            children_cpu_ns_per_cycle: children_cpu_ns.map(|ns| part(ns, count)),
            elapsed_ns,
            cycles_per_second: part(count * 1_000_000_000, elapsed_ns),
            rate: plan.pace.map(|pace| pace.rate),
            burst: plan.pace.map(|pace| pace.burst),
            lateness_ns,
            calls: by_call,
            cpus: cpus.iter().enumerate().map(on_cpu).filter(|on| on.cycles > 0).collect(),
            by_thread: all.iter().map(of_thread).collect(),
        }
    }
}

impl Display for Report {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let names: Vec<String> = self.calls.iter().map(|(name, n)| format!("{n} {name}")).collect();
        write!(
            f,
            "{}: {} cycles by {} threads in {:.3} s: {} ns a call, {} ns of CPU time a call ({})",
            self.kind,
            self.count,
            self.threads,
            self.elapsed_ns as f64 / 1e9,
            self.ns_per_call,
            self.cpu_ns_per_call,
            names.join(", ")
        )?;
        if let (Some(rate), Some(late)) = (self.rate, &self.lateness_ns) {
            let us = |ns: u64| ns as f64 / 1e3;
            write!(
                f,
                "; {rate} cycles a second were due, {} were made, late by p50 {:.1} us, p99 {:.1} us, at most {:.1} us",
                self.cycles_per_second,
                us(late.p50),
                us(late.p99),
                us(late.max)
            )?;
        }
        Ok(())
    }
}
