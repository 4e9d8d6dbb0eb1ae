//! Snapshots: what every meter read at one moment, for the table, for the socket and for the difference of two.

use std::collections::BTreeMap;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hdrhistogram::Histogram;
use hdrhistogram::serialization::{Deserializer, Serializer as _, V2DeflateSerializer};
use serde::{Deserialize, Serialize};

use crate::equation::EquationReport;
use crate::hop::{HopReport, Reason};
use crate::load::LoadReport;

/// Whether the program was running when the snapshot was taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Moment {
    /// Threads are counting; equations are checked within what that explains.
    Running,
    /// All threads have ended; equations must hold exactly.
    Final,
}

/// Everything at one moment. As JSON it is what `peregrine stats --json` prints.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Snapshot {
    /// Boot-clock ns at which it was taken.
    pub at_ns: u64,
    /// Length of the interval in ns if this is the difference of two snapshots; then counts are those of the interval.
    pub interval_ns: Option<u64>,
    /// Whether the program was running.
    pub moment: Moment,
    /// The hops in the direction of flow.
    pub hops: Vec<HopReport>,
    /// What each thread carries.
    pub loads: Vec<LoadReport>,
    /// The latencies.
    pub latencies: Vec<LatencyReport>,
    /// What must balance. Always since the start, also in a difference.
    pub equations: Vec<EquationReport>,
    /// Losses by counter, CPU and event type, none of them zero.
    pub losses: Vec<Loss>,
    /// What was set aside, by counter, CPU and event type, none of it zero.
    #[serde(default)]
    pub set_aside: Vec<SetAside>,
    /// Every counter by name.
    pub counters: BTreeMap<String, u64>,
    /// Every level by name.
    pub levels: BTreeMap<String, u64>,
    /// What a reader should know beside the numbers.
    pub notes: Vec<String>,
}

/// How many of an event type were lost, where and why.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Loss {
    /// The counter, which names hop and reason.
    pub name: String,
    /// The CPU, where the loss belongs to one.
    pub cpu: Option<u16>,
    /// The event type's name.
    pub event_type: String,
    /// How many.
    pub n: u64,
}

/// How many of an event type somebody set aside, and where: no loss.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SetAside {
    /// The counter, which names hop and reason.
    pub name: String,
    /// The CPU on which it happened.
    pub cpu: u16,
    /// The event type's name.
    pub event_type: String,
    /// How many.
    pub n: u64,
}

impl Snapshot {
    /// Whether every equation holds.
    #[must_use]
    pub fn balances(&self) -> bool {
        self.equations.iter().all(|e| e.holds)
    }

    /// A counter or level by name.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<u64> {
        self.counters.get(name).or_else(|| self.levels.get(name)).copied()
    }

    /// What happened between `earlier` and this snapshot: counts are subtracted, percentiles are those of the interval, levels, equations
    /// and notes are those of the end. What `earlier` does not know counts from zero.
    #[must_use]
    pub fn since(&self, earlier: &Self) -> Self {
        let Self {
            at_ns,
            interval_ns: _,
            moment,
            hops,
            loads,
            latencies,
            equations,
            losses,
            set_aside,
            counters,
            levels,
            notes,
        } = self;
        let loss = |l: &Loss| {
            let before = earlier
                .losses
                .iter()
                .find(|e| (&e.name, e.cpu, &e.event_type) == (&l.name, l.cpu, &l.event_type));
            let n = l.n.saturating_sub(before.map_or(0, |e| e.n));
            (n != 0).then(|| Loss { n, ..l.clone() })
        };
        let aside = |a: &SetAside| {
            let before = earlier
                .set_aside
                .iter()
                .find(|e| (&e.name, e.cpu, &e.event_type) == (&a.name, a.cpu, &a.event_type));
            let n = a.n.saturating_sub(before.map_or(0, |e| e.n));
            (n != 0).then(|| SetAside { n, ..a.clone() })
        };
        let counter = |(name, n): (&String, &u64)| {
            let before = earlier.counters.get(name).copied().unwrap_or(0);
            (name.clone(), n.saturating_sub(before))
        };
        Self {
            at_ns: *at_ns,
            interval_ns: Some(at_ns.saturating_sub(earlier.at_ns)),
            moment: *moment,
            hops: hops.iter().map(|h| hop_since(h, &earlier.hops)).collect(),
            loads: crate::load::since(loads, &earlier.loads),
            latencies: latencies.iter().map(|l| l.since(&earlier.latencies)).collect(),
            equations: equations.clone(),
            losses: losses.iter().filter_map(loss).collect(),
            set_aside: set_aside.iter().filter_map(aside).collect(),
            counters: counters.iter().map(counter).collect(),
            levels: levels.clone(),
            notes: notes.clone(),
        }
    }

    /// The snapshot as text: hops, losses, latencies and equations, in aligned columns. Ends with a newline.
    #[must_use]
    pub fn table(&self) -> String {
        crate::table::render(self)
    }
}

fn hop_since(now: &HopReport, earlier: &[HopReport]) -> HopReport {
    let HopReport { name, input, output, aside, dropped, depth } = now;
    let before = earlier.iter().find(|h| h.name == *name);
    let reasons = |now: &[Reason], before: Option<&Vec<Reason>>| {
        let since = |r: &Reason| {
            let b = before.and_then(|b| b.iter().find(|b| b.reason == r.reason));
            Reason { reason: r.reason.clone(), n: r.n.saturating_sub(b.map_or(0, |b| b.n)) }
        };
        now.iter().map(since).collect()
    };
    HopReport {
        name: name.clone(),
        input: input.saturating_sub(before.map_or(0, |b| b.input)),
        output: output.saturating_sub(before.map_or(0, |b| b.output)),
        aside: reasons(aside, before.map(|b| &b.aside)),
        dropped: reasons(dropped, before.map(|b| &b.dropped)),
        depth: *depth,
    }
}

/// A latency's percentiles, and the histogram they come from.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LatencyReport {
    /// What was timed.
    pub name: String,
    /// 1 in this many was timed.
    pub sampled_1_in: u32,
    /// How many were timed.
    pub n: u64,
    /// Median, ns.
    pub p50_ns: u64,
    /// 99th percentile, ns.
    pub p99_ns: u64,
    /// 99.9th percentile, ns.
    pub p999_ns: u64,
    /// Longest, ns.
    pub max_ns: u64,
    /// The HDR histogram, V2 with deflate, in base64 (what HdrHistogram's log format calls a histogram); empty if nothing was timed.
    pub histogram: String,
}

impl LatencyReport {
    pub(crate) fn new(name: &str, every: u32, h: &Histogram<u64>, max_ns: u64) -> Self {
        let at = |q| h.value_at_quantile(q).min(max_ns);
        Self {
            name: name.to_owned(),
            sampled_1_in: every,
            n: h.len(),
            p50_ns: at(0.5),
            p99_ns: at(0.99),
            p999_ns: at(0.999),
            max_ns,
            histogram: if h.is_empty() { String::new() } else { encode(h) },
        }
    }

    /// The histogram, for other percentiles or for merging. `None` if nothing was timed, or if the text is not one.
    #[must_use]
    pub fn decode(&self) -> Option<Histogram<u64>> {
        let bytes = STANDARD.decode(&self.histogram).ok()?;
        Deserializer::new().deserialize(&mut bytes.as_slice()).ok()
    }

    fn since(&self, earlier: &[Self]) -> Self {
        let same = |e: &&Self| e.name == self.name && e.sampled_1_in == self.sampled_1_in;
        let before = earlier.iter().find(same).and_then(Self::decode);
        let (Some(mut h), Some(before)) = (self.decode(), before) else { return self.clone() };
        if h.subtract(&before).is_err() {
            // Another program's numbers under the same name: there is no difference to show.
            return self.clone();
        }
        // Cells do not keep a maximum; that of the interval is known to a cell's width, and is no longer than the one since the start.
        let max_ns = h.max().min(self.max_ns);
        Self::new(&self.name, self.sampled_1_in, &h, max_ns)
    }
}

fn encode(h: &Histogram<u64>) -> String {
    let mut bytes = Vec::new();
    match V2DeflateSerializer::new().serialize(h, &mut bytes) {
        Ok(_) => STANDARD.encode(bytes),
        // Writing to memory fails only for counts above i64::MAX; the percentiles stand without the histogram.
        Err(_) => String::new(),
    }
}
