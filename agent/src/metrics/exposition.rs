//! Everything in Prometheus's text format (version 0.0.4, which Falco speaks, and every scraper reads).

use std::collections::BTreeMap;

use perf::{Buckets, Snapshot};
use prometheus::TextEncoder;
use prometheus::proto::{Bucket, Counter, Gauge, Histogram, LabelPair, Metric, MetricFamily};

use super::falco::{self, Scap};
use super::families::{self, Family, Kind};
use super::resources::Resources;
use super::{Observed, WebCounts, is_told};
use crate::config::Detail;
use crate::file_digests::{FileDigest, FileDigests};

/// What the answer is.
pub(crate) const CONTENT_TYPE: &str = prometheus::TEXT_FORMAT;

/// Bounds of buckets: from what one event takes to what no alert should.
const BOUNDS_NS: [u64; 26] = [
    50,
    100,
    250,
    500,
    1_000,
    2_500,
    5_000,
    10_000,
    25_000,
    50_000,
    100_000,
    250_000,
    500_000,
    1_000_000,
    2_500_000,
    5_000_000,
    10_000_000,
    25_000_000,
    50_000_000,
    100_000_000,
    250_000_000,
    500_000_000,
    1_000_000_000,
    2_500_000_000,
    5_000_000_000,
    10_000_000_000,
];

pub(super) fn text(observed: &Observed, web: &WebCounts) -> String {
    let mut page = Page::default();
    let snapshot = observed.counts();
    page.agent(observed, web);
    page.hops(&snapshot, observed.detail);
    for buckets in observed.registry.buckets(&BOUNDS_NS) {
        page.latency(&buckets);
    }
    page.meters(&snapshot, observed.detail);
    if observed.detail.rules {
        page.rules(observed);
    }
    page.falco(observed, &snapshot);
    page.text()
}

/// Families in the order of their names.
#[derive(Default)]
struct Page(BTreeMap<String, MetricFamily>);

impl Page {
    fn push(&mut self, name: &str, kind: Kind, help: &str, metric: Metric) {
        let Self(families) = self;
        if !families.contains_key(name) {
            let mut family = MetricFamily::default();
            family.set_name(name.to_owned());
            family.set_help(help.to_owned());
            family.set_field_type(kind.in_text());
            families.insert(name.to_owned(), family);
        }
        if let Some(family) = families.get_mut(name) {
            family.mut_metric().push(metric);
        }
    }

    fn family(&mut self, family: &Family, labels: &[&str], value: f64) {
        let pairs = family.labels.iter().copied().zip(labels.iter().copied());
        let labels: Vec<_> = pairs.collect();
        self.push(family.name, family.kind, family.help, metric(family.kind, &labels, value));
    }

    /// A metric of a family that the table has.
    fn add(&mut self, name: &str, labels: &[&str], value: f64) {
        let family = families::by_name(name);
        self.family(
            family.unwrap_or_else(|| unreachable!("{name} is in the table")),
            labels,
            value,
        );
    }

    fn text(self) -> String {
        let families: Vec<_> = self.0.into_values().collect();
        // It refuses a family without a name, or without metrics, which `push` makes none of.
        TextEncoder::new().encode_to_string(&families).unwrap_or_default()
    }

    fn agent(&mut self, observed: &Observed, web: &WebCounts) {
        self.add("peregrine_start_time_seconds", &[], observed.facts.started_s());
        for still in observed.watch().all() {
            self.add("peregrine_thread_still_seconds", &[&still.name], still.still.as_secs_f64());
        }
        let WebCounts { n_connections, n_displaced, answers } = web;
        self.add("peregrine_web_connections_total", &[], *n_connections as f64);
        self.add("peregrine_web_displaced_total", &[], *n_displaced as f64);
        for (code, n) in answers {
            self.add("peregrine_web_answers_total", &[&code.to_string()], *n as f64);
        }
    }

    fn hops(&mut self, snapshot: &Snapshot, detail: Detail) {
        for load in &snapshot.loads {
            self.add("peregrine_thread_frames_total", &[&load.name], load.n_frames as f64);
            if let Some(ns) = load.cpu_ns {
                self.add("peregrine_thread_cpu_seconds_total", &[&load.name], seconds(ns));
            }
            if let Some(n) = load.waiting {
                self.add("peregrine_thread_waiting_frames", &[&load.name], n as f64);
            }
        }
        for hop in &snapshot.hops {
            self.add("peregrine_hop_in_total", &[&hop.name], hop.input as f64);
            self.add("peregrine_hop_out_total", &[&hop.name], hop.output as f64);
            for aside in &hop.aside {
                self.add("peregrine_hop_aside_total", &[&hop.name, &aside.reason], aside.n as f64);
            }
            for lost in &hop.dropped {
                self.add("peregrine_hop_dropped_total", &[&hop.name, &lost.reason], lost.n as f64);
            }
            if let Some(depth) = hop.depth {
                self.add("peregrine_hop_depth", &[&hop.name], depth as f64);
            }
        }
        for equation in &snapshot.equations {
            let (title, holds) = (&*equation.title, f64::from(u8::from(equation.holds)));
            self.add("peregrine_equation_holds", &[title], holds);
            self.add("peregrine_equation_unexplained", &[title], equation.unexplained as f64);
        }
        if !detail.kernel {
            return;
        }
        let losses = snapshot.losses.iter().map(|l| (&*l.name, l.cpu, &*l.event_type, l.n));
        self.by_type("peregrine_lost_events_total", losses, detail);
        let aside = snapshot.set_aside.iter().map(|a| (&*a.name, Some(a.cpu), &*a.event_type, a.n));
        self.by_type("peregrine_set_aside_events_total", aside, detail);
    }

    fn by_type<'a>(
        &mut self,
        name: &str,
        cells: impl Iterator<Item = (&'a str, Option<u16>, &'a str, u64)>,
        detail: Detail,
    ) {
        let mut sums: BTreeMap<(&str, Option<u16>, &str), u64> = BTreeMap::new();
        for (counter, cpu, event_type, n) in cells {
            *sums.entry((counter, cpu.filter(|_| detail.per_cpu), event_type)).or_default() += n;
        }
        for ((counter, cpu, event_type), n) in sums {
            let (hop, reason) = counter.split_once('.').unwrap_or((counter, ""));
            // An empty label is none.
            let cpu = cpu.map(|cpu| cpu.to_string()).unwrap_or_default();
            self.add(name, &[hop, reason, &cpu, event_type], n as f64);
        }
    }

    fn latency(&mut self, buckets: &Buckets) {
        let Buckets { name, sampled_1_in, n_up_to, n, sum_ns } = buckets;
        let (family, of) = match name.split_once('.') {
            Some(("delivery", sink)) => ("peregrine_sink_delivery_seconds", sink),
            Some(("end_to_end", sink)) => ("peregrine_sink_end_to_end_seconds", sink),
            _ => {
                let every = f64::from(*sampled_1_in);
                self.add("peregrine_stage_latency_sampled_one_in", &[name], every);
                ("peregrine_stage_latency_seconds", &**name)
            }
        };
        let mut histogram = Histogram::default();
        histogram.set_sample_count(*n);
        histogram.set_sample_sum(seconds(*sum_ns));
        let bucket = |(bound, n): (&u64, &u64)| {
            let mut bucket = Bucket::default();
            bucket.set_upper_bound(seconds(*bound));
            bucket.set_cumulative_count(*n);
            bucket
        };
        histogram.set_bucket(BOUNDS_NS.iter().zip(n_up_to).map(bucket).collect());
        let Some(family) = families::by_name(family) else { return };
        let label = family.labels.first().copied().unwrap_or_default();
        let mut metric = Metric::from_label(labels(&[(label, of)]));
        metric.set_histogram(histogram);
        self.push(family.name, family.kind, family.help, metric);
    }

    fn meters(&mut self, snapshot: &Snapshot, detail: Detail) {
        let counters = snapshot.counters.iter().map(|(name, n)| (name, *n, Kind::Counter));
        let levels = snapshot.levels.iter().map(|(name, n)| (name, *n, Kind::Gauge));
        for (name, n, kind) in counters.chain(levels).filter(|(name, ..)| is_told(name, detail)) {
            if let Some((family, labels)) = families::of_meter(name) {
                self.family(family, &labels, n as f64);
            } else {
                // Better told without a word on it than not at all; a test finds it.
                let end = if kind == Kind::Counter { "_total" } else { "" };
                let family = format!("peregrine_{}{end}", name.replace('.', "_"));
                let help = format!("{name} of `peregrine stats`.");
                self.push(&family, kind, &help, metric(kind, &[], n as f64));
            }
        }
    }

    fn rules(&mut self, observed: &Observed) {
        let in_force = observed.rules.stats();
        self.add("peregrine_rules_loaded", &[], in_force.n_rules as f64);
        self.add("peregrine_rules_generation", &[], in_force.generation as f64);
        self.add("peregrine_rules_loaded_time_seconds", &[], in_force.since_epoch_s as f64);
        self.add("peregrine_rules_reloads_refused_total", &[], in_force.n_refused as f64);
        let Some(falco) = families::by_name("falcosecurity_falco_rules_matches_total") else {
            return;
        };
        for (rule, n) in observed.rules.matches() {
            self.add("peregrine_rule_matches_total", &[&rule.name], n as f64);
            let priority = (rule.priority as u8).to_string();
            let tags: Vec<_> =
                rule.tags.iter().map(|tag| format!("tag_{}", label_name(tag))).collect();
            let mut pairs = vec![
                ("rule_name", &*rule.name),
                ("priority", &*priority),
                ("source", &*rule.source),
            ];
            for tag in &tags {
                // Two tags may come to one name.
                if !pairs.iter().any(|(name, _)| name == tag) {
                    pairs.push((tag, "true"));
                }
            }
            self.push(falco.name, falco.kind, falco.help, metric(falco.kind, &pairs, n as f64));
        }
    }

    fn falco(&mut self, observed: &Observed, snapshot: &Snapshot) {
        let (facts, detail) = (&observed.facts, observed.detail);
        self.add("falcosecurity_falco_version_info", &[env!("CARGO_PKG_VERSION")], 1.0);
        self.add("falcosecurity_falco_kernel_release_info", &[&facts.kernel], 1.0);
        self.add("falcosecurity_evt_hostname_info", &[&facts.hostname], 1.0);
        let FileDigests { rules, config } = observed.rules.digests();
        for (family, files) in [("rules", rules), ("config", config)] {
            for FileDigest { name, sha256 } in files {
                let family = format!("falcosecurity_falco_sha256_{family}_files_info");
                self.add(&family, &[&name, &sha256], 1.0);
            }
        }
        self.add("falcosecurity_scap_engine_name_info", &["modern_bpf", "syscall"], 1.0);
        let ran = observed.ran_for().as_secs_f64();
        self.add("falcosecurity_falco_duration_seconds_total", &[], ran);
        self.add("falcosecurity_falco_host_num_cpus_total", &[], facts.n_cpus as f64);
        let queues = falco::n_queue_drops(snapshot);
        self.add("falcosecurity_falco_outputs_queue_num_drops_total", &[], queues as f64);
        if detail.resources {
            let r = Resources::read();
            self.add("falcosecurity_falco_cpu_usage_ratio", &[], r.cpu_ratio);
            self.add("falcosecurity_falco_memory_rss_bytes", &[], r.rss_bytes as f64);
            self.add("falcosecurity_falco_memory_vsz_bytes", &[], r.vsz_bytes as f64);
            self.add("falcosecurity_falco_memory_pss_bytes", &[], r.pss_bytes as f64);
            let container = r.container_bytes as f64;
            self.add("falcosecurity_falco_container_memory_used_bytes", &[], container);
            self.add("falcosecurity_falco_host_cpu_usage_ratio", &[], r.host_cpu_ratio);
            let host_memory = r.host_memory_bytes as f64;
            self.add("falcosecurity_falco_host_memory_used_bytes", &[], host_memory);
        }
        if detail.kernel {
            let scap = Scap::of(snapshot);
            self.add("falcosecurity_scap_n_evts_total", &[], scap.n_evts as f64);
            self.add("falcosecurity_scap_n_drops_total", &[], scap.n_drops as f64);
            for (group, n) in scap.by_group {
                self.add("falcosecurity_scap_n_drops_buffer_total", &[group, "exit"], n as f64);
            }
            let scratch = scap.n_drops_scratch as f64;
            self.add("falcosecurity_scap_n_drops_scratch_map_total", &[], scratch);
            for (cpu, (n_evts, n_drops)) in scap.by_cpu.iter().filter(|_| detail.per_cpu) {
                let cpu = cpu.to_string();
                self.add("falcosecurity_scap_n_evts_cpu_total", &[&cpu], *n_evts as f64);
                self.add("falcosecurity_scap_n_drops_cpu_total", &[&cpu], *n_drops as f64);
            }
        }
    }
}

fn seconds(ns: u64) -> f64 {
    ns as f64 / 1e9
}

/// What may be a label's name: others of its characters are replaced.
fn label_name(tag: &str) -> String {
    tag.chars().map(|c| if c.is_ascii_alphanumeric() { c } else { '_' }).collect()
}

fn labels(pairs: &[(&str, &str)]) -> Vec<LabelPair> {
    let pair = |(name, value): &(&str, &str)| {
        let mut pair = LabelPair::default();
        pair.set_name((*name).to_owned());
        pair.set_value((*value).to_owned());
        pair
    };
    pairs.iter().filter(|(_, value)| !value.is_empty()).map(pair).collect()
}

fn metric(kind: Kind, pairs: &[(&str, &str)], value: f64) -> Metric {
    let mut metric = Metric::from_label(labels(pairs));
    match kind {
        Kind::Counter => {
            let mut counter = Counter::default();
            counter.set_value(value);
            metric.set_counter(counter);
        }
        Kind::Gauge | Kind::Histogram => {
            let mut gauge = Gauge::default();
            gauge.set_value(value);
            metric.set_gauge(gauge);
        }
    }
    metric
}
