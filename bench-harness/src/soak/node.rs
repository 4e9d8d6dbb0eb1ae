//! An agent as on a node: a file that is rotated, a durable output whose receiver is down at times, metrics that are scraped, recordings around
//! alerts, rules that are changed; and what is sampled of it.

use std::fs;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::thread::sleep;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result};
use perf::Snapshot;
use rustix::process::Signal;
use serde::Serialize;

use super::load::{MARKER, STREAM};
use super::receiver::{Receiver, get};
use crate::watched::{Agent, Ended};

/// How long everything may take to arrive once the load is over.
const ARRIVES_WITHIN: Duration = Duration::from_mins(1);

/// Things that are done now and then, so often in a run: long enough after one another not to meet.
const N_ROTATIONS: u32 = 40;
const N_RELOADS: u32 = 30;
const N_OUTAGES: u32 = 8;
/// Of the time between two outages one takes a fifth.
const OUTAGE_PART: u32 = 5;

/// Whether there are recordings around alerts. With them the kernel side lets through what no rule can match.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Recordings {
    AroundAlerts,
    None,
}

/// The agent at a moment.
#[derive(Debug, Clone, Serialize)]
pub(super) struct Sample {
    /// Seconds since the load began.
    pub(super) at_s: f64,
    pub(super) resident_kb: u64,
    pub(super) anonymous_kb: u64,
    pub(super) n_descriptors: u64,
    pub(super) n_threads: u64,
    /// CPU time since its start.
    pub(super) cpu_ms: u64,
    /// Since its start.
    pub(super) n_seen: u64,
    pub(super) n_captured: u64,
    pub(super) n_lost: u64,
    /// Known processes, and alerts that the durable output has yet to deliver.
    pub(super) n_processes: u64,
    pub(super) n_waiting: u64,
    pub(super) outbox_kb: u64,
}

/// What was sampled and done while the load went on.
#[derive(Debug, Default, Serialize)]
pub(super) struct During {
    pub(super) samples: Vec<Sample>,
    pub(super) n_asked: u64,
    pub(super) n_scrapes: u64,
    pub(super) n_rotations: u64,
    pub(super) n_reloads: u64,
    pub(super) n_outages: u64,
    pub(super) n_recordings: u64,
    /// Lines of the file, of all its generations.
    pub(super) n_in_file: u64,
    pub(super) troubles: Vec<String>,
}

/// What came out of a run.
#[derive(Debug, Serialize)]
pub(super) struct End {
    #[serde(flatten)]
    pub(super) during: During,
    #[serde(skip)]
    pub(super) last_words: Ended,
    /// Alerts that the receiver took, each once, and those that came again.
    pub(super) n_received: u64,
    pub(super) n_again: u64,
    /// Most that was ever resident.
    pub(super) peak_kb: u64,
    /// Counters of alerts that were lost.
    pub(super) lost: Vec<(String, u64)>,
}

/// Something that is due again and again.
#[derive(Debug)]
struct Due {
    every: Duration,
    next: Instant,
}

impl Due {
    fn new(begin: Instant, every: Duration) -> Self {
        Self { every, next: begin + every }
    }

    /// Whether it is due now; what was missed is not made up for.
    fn is_now(&mut self) -> bool {
        let now = Instant::now();
        let is_due = now >= self.next;
        if is_due {
            self.next = now.max(self.next + self.every);
        }
        is_due
    }
}

/// The running agent, and all around it.
#[derive(Debug)]
pub(super) struct Node {
    agent: Agent,
    logs: PathBuf,
    web: SocketAddr,
    receiver: Receiver,
    begin: Instant,
    sample: Due,
    rotation: Due,
    reload: Due,
    outage: Due,
    outage_ends: Option<Instant>,
    generation: u64,
    /// Of the first scrape and of the last.
    generations: (u64, u64),
    n_markers: u64,
    during: During,
}

impl Node {
    /// Writes the configuration and starts the agent, which ends by itself after a time.
    ///
    /// # Errors
    /// It does not start, or says no address of its web server.
    pub(super) fn start(
        program: &Path,
        logs: &Path,
        scope: u32,
        lives_for_s: u64,
        duration: Duration,
        recordings: Recordings,
    ) -> Result<Self> {
        let receiver = Receiver::start()?;
        for folder in ["outbox", "recordings"] {
            let folder = logs.join(folder);
            if folder.exists() {
                fs::remove_dir_all(&folder)?;
            }
            fs::create_dir(&folder)?;
        }
        for file in ["alerts.log", "alerts.log.1"] {
            fs::write(logs.join(file), "")?;
        }
        let config = logs.join("peregrine.yaml");
        fs::write(&config, configuration(logs, &receiver.url(), recordings))?;
        write_rules(logs, 0)?;
        let config = config.to_str().context("the folder of logs is not UTF-8")?;
        let seconds = lives_for_s.to_string();
        let agent = Agent::start(program, 0, logs, scope, &["-c", config, "-M", &seconds])?;
        let web = web_address(&agent.said()?)?;
        let begin = Instant::now();
        let in_all = |n: u32| Due::new(begin, duration / n);
        let every = (duration / 360).max(Duration::from_millis(400));
        Ok(Self {
            agent,
            logs: logs.to_owned(),
            web,
            receiver,
            begin,
            sample: Due::new(begin, every),
            rotation: in_all(N_ROTATIONS),
            reload: in_all(N_RELOADS),
            outage: in_all(N_OUTAGES),
            outage_ends: None,
            generation: 0,
            generations: (0, 0),
            n_markers: 0,
            during: During::default(),
        })
    }

    /// Does what is due.
    ///
    /// # Errors
    /// The agent is gone, or does not answer.
    pub(super) fn step(&mut self) -> Result<()> {
        if self.sample.is_now() {
            self.look()?;
        }
        if self.rotation.is_now() {
            self.rotate()?;
        }
        if self.reload.is_now() {
            self.generation += 1;
            self.during.n_reloads += 1;
            write_rules(&self.logs, self.generation)?;
            self.agent.signal(Signal::HUP)?;
        }
        if self.outage_ends.is_some_and(|ends| Instant::now() >= ends) {
            self.outage_ends = None;
            self.receiver.set_down(false);
        }
        if self.outage.is_now() {
            self.outage_ends = Some(Instant::now() + self.outage.every / OUTAGE_PART);
            self.during.n_outages += 1;
            self.receiver.set_down(true);
        }
        sleep(Duration::from_millis(20));
        Ok(())
    }

    /// Takes a sample, asks for the figures, and scrapes. The process is looked at first: questions take descriptors.
    fn look(&mut self) -> Result<()> {
        let at_s = self.begin.elapsed().as_secs_f64();
        let process = Process::of(self.agent.pid())?;
        let cpu_ms = self.agent.cpu_time()?.as_millis() as u64;
        let snapshot = self.asked()?;
        let get = |name: &str| snapshot.get(name).unwrap_or(0);
        self.during.samples.push(Sample {
            at_s,
            resident_kb: process.resident_kb,
            anonymous_kb: process.anonymous_kb,
            n_descriptors: process.n_descriptors,
            n_threads: process.n_threads,
            cpu_ms,
            n_seen: get("kernel.seen"),
            n_captured: get("kernel.written"),
            n_lost: snapshot.losses.iter().map(|l| l.n).sum(),
            n_processes: get("lineage.processes"),
            n_waiting: get("outbox.http.pending"),
            outbox_kb: get("outbox.bytes") / 1024,
        });
        self.scrape()
    }

    /// The agent's figures; an equation that does not hold is trouble.
    fn asked(&mut self) -> Result<Snapshot> {
        let snapshot = self.agent.stats()?;
        self.during.n_asked += 1;
        let broken = snapshot.equations.iter().filter(|e| !e.holds);
        let at = self.begin.elapsed().as_secs();
        self.during.troubles.extend(
            broken.map(|e| format!("after {at} s: {}: {} unexplained", e.title, e.unexplained)),
        );
        Ok(snapshot)
    }

    fn scrape(&mut self) -> Result<()> {
        let at = self.begin.elapsed().as_secs();
        let (health, said) = get(self.web, "/healthz").context("/healthz")?;
        if !health.contains(" 200 ") {
            self.during.troubles.push(format!("after {at} s: /healthz: {health}: {said}"));
        }
        let (_, page) = get(self.web, "/metrics").context("/metrics")?;
        let generation = page.lines().find_map(|l| l.strip_prefix("peregrine_rules_generation "));
        let generation = generation.and_then(|n| n.trim().parse().ok());
        let generation = generation.context("/metrics without peregrine_rules_generation")?;
        if self.during.n_scrapes == 0 {
            self.generations.0 = generation;
        }
        self.generations.1 = generation;
        self.during.n_scrapes += 1;
        Ok(())
    }

    /// As logrotate does: away with the file, the signal, and later away with the old one. The agent makes the new one with the next alert; until
    /// then there is nothing to rotate. Recordings go, too.
    fn rotate(&mut self) -> Result<()> {
        if self.logs.join("alerts.log").exists() {
            self.count_file("alerts.log.1")?;
            fs::rename(self.logs.join("alerts.log"), self.logs.join("alerts.log.1"))?;
            self.agent.signal(Signal::USR1)?;
            self.during.n_rotations += 1;
        }
        self.during.n_recordings += self.remove_recordings()?;
        Ok(())
    }

    fn count_file(&mut self, name: &str) -> Result<()> {
        let text = fs::read_to_string(self.logs.join(name))?;
        self.during.n_in_file += text.lines().count() as u64;
        let is_marker = |l: &&str| l.contains("\"rule\":\"Soak marker\"");
        self.n_markers += text.lines().filter(is_marker).count() as u64;
        Ok(())
    }

    /// All but the newest, which may still be written; gives how many. The last one is never counted.
    fn remove_recordings(&self) -> Result<u64> {
        let entries = fs::read_dir(self.logs.join("recordings"))?;
        let mut files: Vec<PathBuf> = entries.flatten().map(|e| e.path()).collect();
        // The names have the time.
        files.sort();
        files.pop();
        for file in &files {
            fs::remove_file(file)?;
        }
        Ok(files.len() as u64)
    }

    /// Waits until everything has arrived, ends the agent, and holds what arrived against what it says.
    ///
    /// # Errors
    /// It does not end as it should.
    pub(super) fn end(mut self, n_markers: u64) -> Result<End> {
        self.receiver.set_down(false);
        let until = Instant::now() + ARRIVES_WITHIN;
        let at_rest = |s: &Snapshot| {
            let get = |name: &str| s.get(name).unwrap_or(0);
            (get("outbox.http.pending") == 0).then(|| {
                [get("outbox.received"), get("outputs.file.delivered"), get("kernel.written")]
            })
        };
        let mut before = None;
        let last = loop {
            let snapshot = self.asked()?;
            let now = at_rest(&snapshot);
            if now.is_some() && now == before {
                break snapshot;
            }
            if Instant::now() > until {
                let waiting = snapshot.get("outbox.http.pending").unwrap_or(0);
                self.during.troubles.push(format!(
                    "not at rest {ARRIVES_WITHIN:?} after the load: {waiting} alerts wait in the outbox"
                ));
                break snapshot;
            }
            before = now;
            sleep(Duration::from_millis(400));
        };
        self.look()?;
        let peak_kb = Process::of(self.agent.pid())?.peak_kb;
        self.count_file("alerts.log.1")?;
        if self.logs.join("alerts.log").exists() {
            self.count_file("alerts.log")?;
        }
        self.during.n_recordings += self.remove_recordings()?;
        let Self { agent, receiver, mut during, generations, n_markers: n_told, .. } = self;
        let (n_received, n_again) = receiver.n_alerts();
        let last_words = agent.end()?;
        let troubles = &mut during.troubles;
        let get = |name: &str| last.get(name).unwrap_or(0);
        for (what, arrived, told) in [
            ("alerts in the file", during.n_in_file, get("outputs.file.delivered")),
            ("alerts at the receiver", n_received, get("outbox.http.delivered")),
            ("alerts of the marker", n_told, n_markers),
        ] {
            if arrived != told {
                troubles.push(format!("{what}: {arrived} arrived, and there were {told}"));
            }
        }
        if n_markers == 0 {
            troubles.push("the load came to no marker".to_owned());
        }
        let (from, to) = generations;
        // Two changes that meet are one reload.
        if to - from < during.n_reloads / 2 {
            let n = during.n_reloads;
            troubles.push(format!(
                "rules were changed {n} times, their generation went from {from} to {to}"
            ));
        }
        let (n_equations, broken) = last_words.equations();
        troubles.extend(broken.into_iter().map(|l| format!("at the end: {l}")));
        if n_equations == 0 {
            troubles.push("the agent ended without its equations".to_owned());
        }
        let is_loss = |name: &str| {
            ["lost_", "refused_", "alerts_lost"].iter().any(|part| name.contains(part))
        };
        let lost = last.counters.iter().filter(|(name, n)| is_loss(name) && **n > 0);
        let lost = lost.map(|(name, n)| (name.clone(), *n)).collect();
        Ok(End { during, last_words, n_received, n_again, peak_kb, lost })
    }
}

/// What /proc tells of a process.
#[derive(Debug)]
struct Process {
    resident_kb: u64,
    anonymous_kb: u64,
    peak_kb: u64,
    n_threads: u64,
    n_descriptors: u64,
}

impl Process {
    fn of(pid: u32) -> Result<Self> {
        let status = fs::read_to_string(format!("/proc/{pid}/status"))
            .with_context(|| format!("the agent ({pid}) is gone"))?;
        let get = |key: &str| {
            let line = status.lines().find_map(|l| l.strip_prefix(key));
            let number = line.and_then(|l| l.split_whitespace().next()?.parse().ok());
            number.with_context(|| format!("the agent ({pid}) has ended: no {key}"))
        };
        Ok(Self {
            resident_kb: get("VmRSS:")?,
            anonymous_kb: get("RssAnon:")?,
            peak_kb: get("VmHWM:")?,
            n_threads: get("Threads:")?,
            n_descriptors: fs::read_dir(format!("/proc/{pid}/fd"))?.count() as u64,
        })
    }
}

fn web_address(said: &str) -> Result<SocketAddr> {
    let line = said.lines().find_map(|l| l.trim().strip_prefix("web "));
    let url = line.and_then(|l| l.trim().strip_prefix("http://"));
    let address = url.and_then(|u| u.split('/').next());
    let address = address.with_context(|| format!("no address of the web server in {said}"))?;
    address.parse().with_context(|| format!("no address: {address}"))
}

fn configuration(logs: &Path, url: &str, recordings: Recordings) -> String {
    let has_recordings = recordings == Recordings::AroundAlerts;
    let logs = logs.display();
    let default = concat!(env!("CARGO_MANIFEST_DIR"), "/../rules/rulesets/default.yaml");
    format!(
        "rules_files: [{default}, {logs}/rules.yaml]
json_output: true
stdout_output: {{enabled: false}}
file_output: {{enabled: true, keep_alive: true, filename: {logs}/alerts.log}}
http_output: {{enabled: true, url: '{url}'}}
webserver: {{enabled: true, listen_port: 0, prometheus_metrics_enabled: true}}
metrics: {{enabled: true, interval: 30s, output_file: {logs}/metrics.jsonl}}
capture: {{enabled: {has_recordings}, path_prefix: {logs}/recordings/alert, mode: rules}}
peregrine:
  outputs:
    http: {{durable: true, batch_alerts: 64}}
  outbox: {{directory: {logs}/outbox, segment_bytes: 1048576}}
"
    )
}

/// Rules beside the default ones, another list of them each time.
fn write_rules(logs: &Path, generation: u64) -> Result<()> {
    let text = format!(
        "- list: soak_names
  items: [generation-{generation}, soak]
- rule: Soak marker
  desc: The file that the load opens after its quiet.
  condition: evt.type in (open, openat, openat2) and fd.name endswith /{MARKER} and not proc.name in (soak_names)
  output: marker opened (file=%fd.name command=%proc.cmdline)
  priority: NOTICE
  capture: true
  capture_duration: 500
- rule: Soak stream
  desc: A file that the load opens again and again, so that there are alerts all the time.
  condition: evt.type in (open, openat, openat2) and fd.name endswith /{STREAM} and not proc.name in (soak_names)
  output: opened (file=%fd.name command=%proc.cmdline number=%evt.arg.dirfd)
  priority: NOTICE
"
    );
    let (new, file) = (logs.join("rules.yaml.new"), logs.join("rules.yaml"));
    fs::write(&new, text)?;
    fs::rename(&new, &file).with_context(|| format!("cannot make {}", file.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_web_server_is_found_where_it_says() {
        let said = "  web         http://127.0.0.1:4711/healthz /versions /metrics\n  stats  x\n";
        assert_eq!(web_address(said).unwrap().port(), 4711);
        assert!(web_address("  stats  x\n").is_err());
    }

    #[test]
    fn what_is_due_comes_once_in_its_time() {
        let begin = Instant::now();
        let mut due = Due::new(begin, Duration::from_hours(1));
        assert!(!due.is_now());
        let mut due = Due::new(begin.checked_sub(Duration::from_hours(2)).unwrap(), due.every);
        assert!(due.is_now());
    }
}
