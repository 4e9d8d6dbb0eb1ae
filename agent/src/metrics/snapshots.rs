//! Snapshots of the counters, as Falco takes them: alerts, or lines of JSON in a file, under Falco's names where the meaning is the same, and ours
//! below `peregrine.`.

use std::fmt::Write as _;
use std::fs::File;
use std::io::{self, Write as _};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::thread::JoinHandle;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use anyhow::{Context as _, Result, anyhow};
use perf::{Counter, boot_now_ns, to_epoch_ns};
use rules::{AlertValue, Priority};
use serde_json::json;

use super::falco::{self, Scap};
use super::resources::Resources;
use super::{Observed, is_told};
use crate::config::Snapshots;
use crate::file_digests::{FileDigest, FileDigests};
use crate::internal_alerts::{self, InternalAlerts};
use crate::run::say;

/// Alerts of this kind that the outputs have received or still have to.
pub(crate) const RAISED: &str = "metrics.alerts";

/// One of the family of the agent's own alerts, which all begin so; Falco's begins with `Falco internal: `.
const RULE: &str = "Peregrine internal: metrics snapshot";

/// Where snapshots go as alerts.
pub(crate) struct SnapshotAlerts {
    pub(crate) internal: InternalAlerts,
    pub(crate) realtime_offset_ns: i64,
    pub(crate) raised: Arc<Counter>,
}

/// The file that snapshots are appended to, opened once.
pub(crate) struct SnapshotFile(File);

impl SnapshotFile {
    /// # Errors
    /// It cannot be opened.
    pub(crate) fn open(config: &Snapshots) -> Result<Option<Self>> {
        let Some(path) = &config.file else { return Ok(None) };
        let file = File::options().append(true).create(true).open(path);
        let file =
            file.map_err(|e| anyhow!("metrics.output_file: cannot open {}: {e}", path.display()))?;
        Ok(Some(Self(file)))
    }
}

/// The thread that takes them; it ends when this is dropped.
pub(crate) struct Taking {
    stop: Option<Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl Drop for Taking {
    fn drop(&mut self) {
        drop(self.stop.take());
        if let Some(thread) = self.thread.take() {
            drop(thread.join());
        }
    }
}

/// Takes a snapshot every interval.
///
/// # Errors
/// The thread cannot be made.
pub(crate) fn start(
    config: Snapshots,
    observed: Arc<Observed>,
    alerts: Option<SnapshotAlerts>,
    file: Option<SnapshotFile>,
) -> Result<Taking> {
    let (stop, stopped) = channel();
    let taker = Taker { config, observed, alerts, file, before: Before::default(), n_samples: 0 };
    let thread = std::thread::Builder::new()
        .name("metrics".to_owned())
        .spawn(move || taker.run(&stopped))
        .context("cannot start the thread that takes snapshots of metrics")?;
    Ok(Taking { stop: Some(stop), thread: Some(thread) })
}

struct Taker {
    config: Snapshots,
    observed: Arc<Observed>,
    alerts: Option<SnapshotAlerts>,
    file: Option<SnapshotFile>,
    before: Before,
    n_samples: u64,
}

/// What the snapshot before this had reached.
#[derive(Clone, Copy, Debug, Default)]
struct Before {
    at_ns: u64,
    n_evts: u64,
    scap: (u64, u64),
}

impl Taker {
    fn run(mut self, stopped: &Receiver<()>) {
        self.before.at_ns = boot_now_ns();
        while stopped.recv_timeout(self.config.interval) == Err(RecvTimeoutError::Timeout) {
            self.take();
        }
    }

    fn take(&mut self) {
        let now_ns = boot_now_ns();
        let fields = self.fields(now_ns);
        if let Some(file) = &mut self.file
            && let Err(e) = file.write(self.n_samples, &fields)
        {
            // It is not tried again: what stands behind a line that was cut off is no JSON.
            say(&format!(
                "peregrine: metrics.output_file: {e}; no further snapshots are written\n"
            ));
            self.file = None;
        }
        self.n_samples += 1;
        if let Some(SnapshotAlerts { internal, realtime_offset_ns, raised }) = &mut self.alerts {
            let ts_ns = to_epoch_ns(now_ns, *realtime_offset_ns);
            let (text, priority) = (text(&fields), Priority::Informational);
            let alert = internal_alerts::alert(RULE, priority, text, fields, ts_ns);
            // Where the outputs have no room the next one tells as much.
            if internal.raise(alert) {
                raised.add(1);
            }
        }
    }

    fn fields(&mut self, now_ns: u64) -> Vec<(Arc<str>, AlertValue)> {
        let Self { config, observed, before, .. } = self;
        let Observed { facts, detail, rules, .. } = &**observed;
        let mut out = Fields { all: Vec::new(), with_empty: config.with_empty };
        let counts = observed.counts();
        let get = |name| counts.get(name).unwrap_or(0);
        let over = Duration::from_nanos(now_ns.saturating_sub(before.at_ns)).as_secs_f64();
        let rate = |now: u64, before: u64| {
            if over > 0.0 { tenths(now.saturating_sub(before) as f64 / over) } else { 0.0 }
        };
        let epoch =
            |at: SystemTime| at.duration_since(UNIX_EPOCH).map_or(0, |d| d.as_nanos() as u64);
        let now = epoch(SystemTime::now());
        out.always("evt.time", AlertValue::U64(now));
        out.always("evt.hostname", AlertValue::Text(facts.hostname.clone()));
        out.always("evt.source", AlertValue::Text("syscall".to_owned()));
        out.always("falco.version", AlertValue::Text(env!("CARGO_PKG_VERSION").to_owned()));
        out.always("falco.start_ts", AlertValue::U64(epoch(facts.started)));
        out.always("falco.duration_sec", AlertValue::U64(observed.ran_for().as_secs()));
        out.always("falco.kernel_release", AlertValue::Text(facts.kernel.clone()));
        out.always("falco.host_boot_ts", AlertValue::U64(now.saturating_sub(now_ns)));
        out.always("falco.host_num_cpus", AlertValue::U64(facts.n_cpus as u64));
        out.n("falco.outputs_queue_num_drops", falco::n_queue_drops(&counts));
        let FileDigests { rules: rule_files, config: config_files } = rules.digests();
        for (kind, files) in [("rules", rule_files), ("config", config_files)] {
            for FileDigest { name, sha256 } in files {
                let field = format!("falco.sha256_{kind}_file.{}", sanitized(&name));
                out.always(&field, AlertValue::Text(sha256));
            }
        }
        let n_evts = get("shard.received");
        out.n("falco.num_evts", n_evts);
        out.n("falco.num_evts_prev", before.n_evts);
        out.f("falco.evts_rate_sec", rate(n_evts, before.n_evts));
        if detail.rules {
            let matches = rules.matches();
            out.always(
                "falco.reload_ts",
                AlertValue::U64(rules.stats().since_epoch_s * 1_000_000_000),
            );
            out.n("falco.rules.matches_total", matches.iter().map(|(_, n)| n).sum());
            for (rule, n) in matches {
                out.n(&format!("falco.rules.{}", sanitized(&rule.name)), n);
            }
        }
        if detail.resources {
            out.resources(&Resources::read(), config.in_mb);
        }
        let scap = Scap::of(&counts);
        if detail.kernel {
            out.always("scap.engine_name", AlertValue::Text("modern_bpf".to_owned()));
            out.scap(&scap, before.scap, detail.per_cpu, rate);
        }
        for (name, n) in counts.counters.iter().chain(&counts.levels) {
            if is_told(name, *detail) {
                out.n(&format!("peregrine.{name}"), *n);
            }
        }
        *before = Before { at_ns: now_ns, n_evts, scap: (scap.n_evts, scap.n_drops) };
        out.all
    }
}

impl SnapshotFile {
    fn write(&mut self, n: u64, fields: &[(Arc<str>, AlertValue)]) -> io::Result<()> {
        let fields: serde_json::Map<_, _> =
            fields.iter().map(|(name, value)| (name.to_string(), json!(value))).collect();
        let mut line = json!({ "sample": n, "output_fields": fields }).to_string();
        line.push('\n');
        self.0.write_all(line.as_bytes())
    }
}

/// Fields in their order.
struct Fields {
    all: Vec<(Arc<str>, AlertValue)>,
    with_empty: bool,
}

impl Fields {
    fn always(&mut self, name: &str, value: AlertValue) {
        self.all.push((name.into(), value));
    }

    fn n(&mut self, name: &str, n: u64) {
        if n != 0 || self.with_empty {
            self.always(name, AlertValue::U64(n));
        }
    }

    fn f(&mut self, name: &str, n: f64) {
        if n != 0.0 || self.with_empty {
            self.always(name, AlertValue::F64(n));
        }
    }

    fn resources(&mut self, resources: &Resources, in_mb: bool) {
        let Resources {
            cpu_ratio,
            rss_bytes,
            vsz_bytes,
            pss_bytes,
            container_bytes,
            host_cpu_ratio,
            host_memory_bytes,
            host_procs_running,
            host_open_fds,
        } = *resources;
        self.f("falco.cpu_usage_perc", tenths(cpu_ratio * 100.0));
        self.f("falco.host_cpu_usage_perc", tenths(host_cpu_ratio * 100.0));
        for (name, bytes) in [
            ("memory_rss", rss_bytes),
            ("memory_vsz", vsz_bytes),
            ("memory_pss", pss_bytes),
            ("container_memory_used", container_bytes),
            ("host_memory_used", host_memory_bytes),
        ] {
            if in_mb {
                self.f(&format!("falco.{name}_mb"), tenths(bytes as f64 / f64::from(1 << 20)));
            } else {
                self.n(&format!("falco.{name}_kb"), bytes >> 10);
            }
        }
        self.n("falco.host_procs_running", host_procs_running);
        self.n("falco.host_open_fds", host_open_fds);
    }

    fn scap(
        &mut self,
        scap: &Scap,
        before: (u64, u64),
        per_cpu: bool,
        rate: impl Fn(u64, u64) -> f64,
    ) {
        let Scap { n_evts, n_drops, n_drops_buffer, by_group, n_drops_scratch, by_cpu } = scap;
        self.n("scap.n_evts", *n_evts);
        self.n("scap.n_evts_prev", before.0);
        self.f("scap.evts_rate_sec", rate(*n_evts, before.0));
        self.n("scap.n_drops", *n_drops);
        self.n("scap.n_drops_prev", before.1);
        self.f("scap.evts_drop_rate_sec", rate(*n_drops, before.1));
        let (new, new_drops) = (n_evts.saturating_sub(before.0), n_drops.saturating_sub(before.1));
        let share = if new == 0 { 0.0 } else { new_drops as f64 / new as f64 };
        self.f("scap.n_drops_perc", tenths(share * 100.0));
        self.n("scap.n_drops_buffer_total", *n_drops_buffer);
        for (group, n) in by_group {
            self.n(&format!("scap.n_drops_buffer_{group}_exit"), *n);
        }
        self.n("scap.n_drops_scratch_map", *n_drops_scratch);
        for (cpu, (n_evts, n_drops)) in by_cpu.iter().filter(|_| per_cpu) {
            self.n(&format!("scap.n_evts_cpu_{cpu}"), *n_evts);
            self.n(&format!("scap.n_drops_cpu_{cpu}"), *n_drops);
        }
    }
}

fn tenths(n: f64) -> f64 {
    (n * 10.0).round() / 10.0
}

/// As Falco makes a key of a rule's name: what is no letter, digit or underscore becomes one, and of several in a row one is left.
fn sanitized(name: &str) -> String {
    let mut out = String::new();
    for c in name.chars() {
        let c = if c.is_ascii_alphanumeric() { c } else { '_' };
        if c != '_' || !out.ends_with('_') {
            out.push(c);
        }
    }
    out
}

/// As Falco prints an alert of its own: the name, then every field.
fn text(fields: &[(Arc<str>, AlertValue)]) -> String {
    let mut out = format!("{RULE} (");
    for (n, (name, value)) in fields.iter().enumerate() {
        let blank = if n == 0 { "" } else { " " };
        write!(out, "{blank}{name}={}", json!(value)).expect("a String takes all text");
    }
    out.push(')');
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fields(with_empty: bool, fill: impl FnOnce(&mut Fields)) -> Vec<(String, String)> {
        let mut out = Fields { all: Vec::new(), with_empty };
        fill(&mut out);
        out.all.iter().map(|(name, value)| (name.to_string(), json!(value).to_string())).collect()
    }

    fn pairs(of: &[(&str, &str)]) -> Vec<(String, String)> {
        of.iter().map(|(a, b)| ((*a).to_owned(), (*b).to_owned())).collect()
    }

    #[test]
    fn what_is_empty_is_left_out_unless_asked_for() {
        let scap = Scap { n_evts: 200, n_drops: 10, ..Scap::default() };
        let rate = |now: u64, before: u64| (now - before) as f64 / 2.0;
        let told = fields(false, |f| f.scap(&scap, (100, 0), true, rate));
        let expected = [
            ("scap.n_evts", "200"),
            ("scap.n_evts_prev", "100"),
            ("scap.evts_rate_sec", "50.0"),
            ("scap.n_drops", "10"),
            ("scap.evts_drop_rate_sec", "5.0"),
            ("scap.n_drops_perc", "10.0"),
        ];
        assert_eq!(told, pairs(&expected));
        let all = fields(true, |f| f.scap(&scap, (100, 0), true, rate));
        assert!(all.contains(&("scap.n_drops_scratch_map".to_owned(), "0".to_owned())));
    }

    #[test]
    fn memory_has_its_unit_in_its_name() {
        let memory = Resources { rss_bytes: 3 << 19, ..Resources::default() };
        assert_eq!(
            fields(false, |f| f.resources(&memory, true)),
            pairs(&[("falco.memory_rss_mb", "1.5")])
        );
        assert_eq!(
            fields(false, |f| f.resources(&memory, false)),
            pairs(&[("falco.memory_rss_kb", "1536")])
        );
    }

    #[test]
    fn names_of_rules_and_the_text_are_falcos() {
        assert_eq!(
            sanitized("Read sensitive file (untrusted) - 2"),
            "Read_sensitive_file_untrusted_2"
        );
        let fields: Vec<(Arc<str>, AlertValue)> =
            vec![("a".into(), AlertValue::U64(1)), ("b".into(), AlertValue::Text("x".into()))];
        assert_eq!(text(&fields), r#"Peregrine internal: metrics snapshot (a=1 b="x")"#);
    }
}
