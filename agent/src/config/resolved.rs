//! The configuration resolved: defaults filled in, flags applied, every value checked. Nothing behind it asks where a value came from.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Result, anyhow, bail};
use capture::{DEFAULT_SNAPLEN, MAX_SNAPLEN, Spread};
use outputs::Format;
use rules::{ExtraField, OutputAppend, Priority, SelectBy, Selection};

use super::capture::{self as on_alert, CaptureOnAlert};
use super::containers::{self, Containers};
use super::custom_set::CustomSet;
use super::drops::{self, EventDrops};
use super::limits::{self, Limits};
use super::schema::number;
use super::sinks::{self, OutputKeys, Outputs};
use super::tree::printable;
use super::trouble::wrong;
use super::web::{self, Metrics, WebServer};
use super::written::{self, Written};
use crate::cli::{ConfigSource, Settings, Switch};
use crate::sandbox::SandboxSettings;

/// What only a run has.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct AsAgent {
    /// Where the process's id is written.
    pub(crate) pid_file: Option<PathBuf>,
}

/// Where the running agent listens unless told otherwise.
const DEFAULT_SOCKET: &str = "/run/peregrine/peregrine.sock";

/// Every rule has a copy of it.
const MAX_EXTRA_OUTPUT_BYTES: usize = 4096;

/// Where frames come from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum CaptureSource {
    /// The running kernel.
    Live,
    /// A savefile.
    Replay(PathBuf),
}

/// Where rules come from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum RuleInputs {
    /// The rules that the binary carries.
    BuiltIn,
    /// Paths of `rules_files`; one that does not exist is skipped, as Falco does.
    Configured(Vec<PathBuf>),
    /// Paths of `-r`; one that does not exist is an error.
    Given(Vec<PathBuf>),
}

/// Directories that the sandbox lets be read besides. A relative one would depend on where the agent happens to be started.
fn sandbox_reads(paths: Vec<PathBuf>) -> Result<Vec<PathBuf>> {
    match paths.iter().find(|path| !path.is_absolute()) {
        None => Ok(paths),
        Some(path) => {
            let shown = printable(&path.to_string_lossy());
            let why =
                format!("{shown} is not an absolute path; it takes directories, as /srv/rules");
            Err(wrong("peregrine.sandbox.reads", why))
        }
    }
}

/// Which of the rules that match an event raise an alert.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Matching {
    /// The first in load order.
    First,
    /// All.
    All,
}

/// Whether threads are bound to CPUs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Pinning {
    /// Where there are CPUs enough for it.
    Auto,
    /// Never.
    Off,
}

/// What the agent runs with.
#[derive(Clone, Debug, PartialEq)]
#[expect(clippy::struct_excessive_bools, reason = "independent switches, each a key of the file")]
pub(crate) struct Config {
    /// The file it was read from, then those that it includes; none: built in.
    pub(crate) files: Vec<PathBuf>,
    /// Keys that do something else here than in Falco, or nothing, and what else there is to say of the configuration.
    pub(crate) warnings: Vec<String>,
    /// Keys that there are not.
    pub(crate) doubts: Vec<String>,
    /// Where frames come from.
    pub(crate) source: CaptureSource,
    /// Where rules come from.
    pub(crate) rules: RuleInputs,
    /// Whether changed files are read anew.
    pub(crate) watches_files: bool,
    /// Least severe priority whose rules are loaded.
    pub(crate) min_priority: Priority,
    /// Rules enabled and disabled on top of their own `enabled`.
    pub(crate) selections: Vec<Selection>,
    /// Values of the fields `static.KEY`, by key.
    pub(crate) static_fields: Arc<BTreeMap<String, String>>,
    /// What is added to outputs of rules.
    pub(crate) appends: Vec<OutputAppend>,
    /// Whether bytes that are read and written are printed in base64.
    pub(crate) buffers_in_base64: bool,
    /// Which matches raise alerts.
    pub(crate) matching: Matching,
    /// How an alert is printed.
    pub(crate) format: Format,
    /// Where alerts go.
    pub(crate) outputs: Outputs,
    /// Shards asked for; none: chosen from the number of CPUs.
    pub(crate) shards: Option<usize>,
    /// Capture threads asked for; none: chosen from the number of CPUs.
    pub(crate) capture_threads: Option<usize>,
    /// Everything on one thread.
    pub(crate) single_thread: bool,
    /// Only this process and what it starts.
    pub(crate) scope_pid: Option<u32>,
    /// Every call is captured, whatever the rules ask for.
    pub(crate) all_syscalls: bool,
    /// Whether the kernel rejects events that no rule can match.
    pub(crate) push_down: bool,
    /// Whether the machine's resolver is asked for the names that rules compare addresses with.
    pub(crate) resolve_names: bool,
    /// Events and calls captured beside what rules ask for, or left out.
    pub(crate) custom_set: CustomSet,
    /// Bytes kept of each buffer that is read or written.
    pub(crate) snaplen: usize,
    /// Control socket.
    pub(crate) socket: PathBuf,
    /// Set where this process is to be the agent, and no command about rules.
    pub(crate) agent: Option<AsAgent>,
    /// Savefile to write while alerting.
    pub(crate) write: Option<PathBuf>,
    /// Recordings around alerts; none: off.
    pub(crate) on_alert: Option<CaptureOnAlert>,
    /// What to do when events are dropped.
    pub(crate) event_drops: EventDrops,
    /// What is told over HTTP; none: nothing, as of a replay.
    pub(crate) web: Option<WebServer>,
    /// What is told of the counters.
    pub(crate) metrics: Option<Metrics>,
    /// Processes looked at in a second after losses; 0: none.
    pub(crate) repair_rate: u32,
    /// Of the frames that tell of changes of processes one in so many is dropped in the kernel; 0: none.
    pub(crate) simulate_drops: u32,
    /// Bytes of each kernel ring.
    pub(crate) ring_bytes: usize,
    /// Batches that a lane holds.
    pub(crate) lane_capacity: usize,
    /// Frames that a batch holds.
    pub(crate) batch_frames: usize,
    /// Bytes that a batch holds.
    pub(crate) batch_bytes: usize,
    /// Alerts that the lane of a shard to the outputs holds.
    pub(crate) alert_lane_capacity: usize,
    /// What it may still do once it watches.
    pub(crate) sandbox: SandboxSettings,
    /// Container runtimes.
    pub(crate) containers: Containers,
    /// What is kept at most of processes and names.
    pub(crate) limits: Limits,
    /// A shard goes on without a capture thread that stays silent this long.
    pub(crate) late_after_ms: u64,
    /// Whether threads are bound to CPUs.
    pub(crate) pinning: Pinning,
    /// Whether frames of a busy process go to several shards.
    pub(crate) spread: Spread,
    /// What is captured when the run ends has so long to be delivered.
    pub(crate) end_within: Duration,
    /// The run ends after so long; a replay goes by the times of its events.
    pub(crate) ends_after: Option<Duration>,
}

impl Config {
    /// The same with what of another one a running agent takes: the rules that it selects, what alerts look like, and which files tell of that.
    pub(crate) fn with_live_keys_of(self, other: &Self) -> Self {
        let Self {
            files,
            rules,
            watches_files,
            min_priority,
            selections,
            static_fields,
            appends,
            buffers_in_base64,
            matching,
            format,
            ..
        } = other.clone();
        Self {
            files,
            rules,
            watches_files,
            min_priority,
            selections,
            static_fields,
            appends,
            buffers_in_base64,
            matching,
            format,
            ..self
        }
    }

    /// The same without what is said of it.
    pub(crate) fn silent(self) -> Self {
        Self { warnings: Vec::new(), doubts: Vec::new(), ..self }
    }

    /// The files that it was read from, for people.
    pub(crate) fn files(&self) -> String {
        let names = self.files.iter().map(|path| printable(&path.display().to_string()));
        let names: Vec<_> = names.collect();
        if names.is_empty() { "built in".to_owned() } else { names.join(", ") }
    }
}

pub(super) struct Origin {
    pub(super) files: Vec<PathBuf>,
    pub(super) warnings: Vec<String>,
    pub(super) doubts: Vec<String>,
}

#[expect(clippy::too_many_lines, reason = "one key after the other, each once")]
pub(super) fn resolve(
    written: Written,
    source: &ConfigSource,
    set: &Settings,
    origin: Origin,
) -> Result<Config> {
    let Written {
        append_output,
        buffer_format_base64,
        capture: capture_on_alert,
        container_engines,
        base_syscalls,
        engine,
        falco_libs,
        file_output,
        program_output,
        http_output,
        json_include_message_property,
        json_include_output_fields_property,
        json_include_output_property,
        json_include_tags_property,
        json_output,
        metrics,
        output_timeout,
        outputs_queue,
        peregrine,
        priority,
        rule_matching,
        rules,
        rules_file,
        rules_files,
        static_fields,
        stdout_output,
        syslog_output,
        syscall_event_drops,
        time_format_iso_8601,
        watch_config_files,
        webserver,
    } = written;
    let mut warnings = origin.warnings;
    let capture = match engine.kind.as_deref() {
        _ if set.capture_file.is_some() => {
            CaptureSource::Replay(set.capture_file.clone().unwrap_or_default())
        }
        Some("replay") => {
            let Some(file) = engine.replay.capture_file.filter(|f| !f.is_empty()) else {
                let why = "is replay, but engine.replay.capture_file is not set";
                return Err(wrong("engine.kind", why));
            };
            CaptureSource::Replay(file.into())
        }
        Some("nodriver") => {
            let why = "nodriver leaves nothing to watch, since there are no plugins that give events; it can be modern_ebpf or replay";
            return Err(wrong("engine.kind", why));
        }
        kind => {
            if let Some(kind @ ("kmod" | "ebpf")) = kind {
                warnings.push(format!("engine.kind: {kind} means modern_ebpf here"));
            }
            CaptureSource::Live
        }
    };
    let live_only = |what: &str| -> Result<()> {
        if matches!(capture, CaptureSource::Replay(_)) {
            bail!("{what} needs the running kernel; it cannot be used with a replay");
        }
        Ok(())
    };
    let scope_pid = set.scope_pid.or(peregrine.scope_pid);
    if scope_pid.is_some() {
        live_only("--scope-pid")?;
    }
    if scope_pid == Some(0) {
        bail!("scope_pid: 0 is not a process");
    }
    let write = set.write.clone().or(peregrine.write.filter(|f| !f.is_empty()).map(Into::into));
    if write.is_some() {
        live_only("-w")?;
    }
    if set.all_syscalls {
        live_only("--all-syscalls")?;
    }
    let mut on_alert = on_alert::resolve(capture_on_alert, &peregrine.capture)?;
    if on_alert.is_some() && matches!(capture, CaptureSource::Replay(_)) {
        warnings.push("capture: nothing is recorded of a replay".to_owned());
        on_alert = None;
    }
    let (custom_set, doubts) = CustomSet::read(&base_syscalls.custom_set.unwrap_or_default());
    warnings.extend(doubts);
    let rules_files = match (rules_files, rules_file) {
        (Some(_), Some(_)) => {
            let why = "rules_files is set, too; move the files there, and remove this key";
            return Err(wrong("rules_file", why));
        }
        (files, old) => files.or(old),
    };
    let selections = selections(rules.unwrap_or_default())?;
    let rules = if set.rules.is_empty() {
        rules_files.map_or(RuleInputs::BuiltIn, RuleInputs::Configured)
    } else {
        RuleInputs::Given(set.rules.clone())
    };
    // The schema lets nothing else through.
    let min_priority = priority.and_then(|text| text.parse().ok()).unwrap_or(Priority::Debug);
    let matching = match rule_matching.as_deref() {
        Some("all") => Matching::All,
        _ => Matching::First,
    };
    let outputs = sinks::resolve(OutputKeys {
        stdout: stdout_output,
        file: file_output,
        syslog: syslog_output,
        program: program_output,
        http: http_output,
        outputs_queue,
        timeout_ms: output_timeout,
        sections: peregrine.outputs,
        outbox: peregrine.outbox,
        rate: peregrine.rate,
    })?;
    let mut appends = appends(append_output);
    match set.print.as_deref().unwrap_or_default() {
        "" => {}
        alias @ ("c" | "container" | "k" | "kubernetes") => warnings.push(format!(
            "-p {alias}: nothing here, as in Falco; outputs name the container.* and k8s.* fields that they are to have"
        )),
        text => appends.push(OutputAppend {
            origin: "-p".to_owned(),
            extra_output: text.to_owned(),
            ..OutputAppend::default()
        }),
    }
    bounded(&appends)?;
    let format = Format {
        json: set.json || json_output.unwrap_or(false),
        iso_time: time_format_iso_8601.unwrap_or(false),
        with_message: json_include_message_property.unwrap_or(false),
        with_output: json_include_output_property.unwrap_or(true),
        with_output_fields: json_include_output_fields_property.unwrap_or(true),
        with_tags: json_include_tags_property.unwrap_or(true),
    };
    let socket = source
        .socket
        .clone()
        .or(peregrine.socket.filter(|s| !s.is_empty()).map(Into::into))
        .unwrap_or_else(|| DEFAULT_SOCKET.into());
    let limits = limits::resolve(&peregrine.limits, &falco_libs)?;
    let is_live = capture == CaptureSource::Live;
    let (web, metrics) = web::resolve(webserver, metrics, is_live, &mut warnings)?;
    Ok(Config {
        files: origin.files,
        warnings,
        doubts: origin.doubts,
        source: capture,
        rules,
        watches_files: watch_config_files.unwrap_or(true),
        min_priority,
        selections,
        static_fields: Arc::new(static_fields),
        appends,
        buffers_in_base64: buffer_format_base64.unwrap_or(false),
        matching,
        format,
        outputs,
        shards: threads("--shards", set.shards, "peregrine.shards", peregrine.shards)?,
        capture_threads: threads(
            "--capture-threads",
            set.capture_threads,
            "peregrine.capture_threads",
            peregrine.capture_threads,
        )?,
        single_thread: set.single_thread || peregrine.single_thread.unwrap_or(false),
        scope_pid,
        resolve_names: peregrine.resolve_names.unwrap_or(true),
        all_syscalls: set.all_syscalls || peregrine.all_syscalls.unwrap_or(false),
        push_down: set
            .push_down
            .map_or(peregrine.push_down.unwrap_or(true), |switch| switch == Switch::On),
        custom_set,
        limits,
        snaplen: snaplen(set.snaplen, falco_libs.snaplen)?,
        socket,
        agent: None,
        write,
        on_alert,
        event_drops: drops::resolve(syscall_event_drops)?,
        web,
        metrics,
        repair_rate: number("peregrine.repair.rate", peregrine.repair.rate)? as u32,
        simulate_drops: number("peregrine.repair.simulate_drops", peregrine.repair.simulate_drops)?
            as u32,
        ring_bytes: ring_bytes(peregrine.ring_bytes, engine.modern_ebpf.buf_size_preset)?,
        lane_capacity: number("peregrine.lane_capacity", peregrine.lane_capacity)?,
        batch_frames: number("peregrine.batch_frames", peregrine.batch_frames)?,
        batch_bytes: number("peregrine.batch_bytes", peregrine.batch_bytes)?,
        alert_lane_capacity: number(
            "peregrine.alert_lane_capacity",
            peregrine.alert_lane_capacity,
        )?,
        sandbox: SandboxSettings {
            landlock: peregrine.sandbox.landlock.unwrap_or(true),
            seccomp: peregrine.sandbox.seccomp.unwrap_or(true),
            reads: sandbox_reads(peregrine.sandbox.reads.unwrap_or_default())?,
        },
        containers: containers::resolve(
            peregrine.containers,
            container_engines,
            limits.container_questions,
        )?,
        late_after_ms: number("peregrine.late_after_ms", peregrine.late_after_ms)? as u64,
        spread: if peregrine.spread.unwrap_or(true) { Spread::Auto } else { Spread::Off },
        pinning: if peregrine.pinning.unwrap_or(true) { Pinning::Auto } else { Pinning::Off },
        end_within: sinks::ms("peregrine.end_within_ms", peregrine.end_within_ms)?,
        ends_after: set.seconds.map(Duration::from_secs),
    })
}

/// Falco's `append_output`.
fn appends(written: Vec<written::Append>) -> Vec<OutputAppend> {
    let append = |(i, entry)| {
        let written::Append { extra_fields, extra_output, matching, suggested_output } = entry;
        let written::AppendMatch { rule, source, tags } = matching.unwrap_or_default();
        let fields = extra_fields.unwrap_or_default().into_iter().flat_map(|field| match field {
            written::ExtraField::Value(field) => vec![ExtraField::Value(field)],
            written::ExtraField::Texts(texts) => {
                texts.into_iter().map(|(name, format)| ExtraField::Text { name, format }).collect()
            }
        });
        OutputAppend {
            origin: format!("append_output[{i}]"),
            source,
            tags: tags.unwrap_or_default(),
            rule,
            extra_output: extra_output.unwrap_or_default(),
            extra_fields: fields.collect(),
            suggests: suggested_output.unwrap_or(false),
        }
    };
    written.into_iter().enumerate().map(append).collect()
}

/// Each rule has a copy of what is added to it.
fn bounded(appends: &[OutputAppend]) -> Result<()> {
    for OutputAppend { origin, extra_output, extra_fields, .. } in appends {
        let of_field = |field: &ExtraField| match field {
            ExtraField::Value(name) => name.len(),
            ExtraField::Text { name, format } => name.len() + format.len(),
        };
        let n = extra_output.len() + extra_fields.iter().map(of_field).sum::<usize>();
        if n > MAX_EXTRA_OUTPUT_BYTES {
            bail!("{origin}: {n} bytes are more than the limit of {MAX_EXTRA_OUTPUT_BYTES}");
        }
    }
    Ok(())
}

/// Falco's `rules`: an entry that names a rule and a tag counts as two.
fn selections(written: Vec<written::Selection>) -> Result<Vec<Selection>> {
    let mut out = Vec::new();
    for (i, entry) in written.into_iter().enumerate() {
        let (enable, selected) = match (entry.enable, entry.disable) {
            (Some(selected), None) => (true, selected),
            (None, Some(selected)) => (false, selected),
            _ => {
                let why = "must be `enable` or `disable`, one of them";
                return Err(wrong(&format!("rules[{i}]"), why));
            }
        };
        let written::Selected { rule, tag } = selected;
        let by = [rule.map(SelectBy::Rule), tag.map(SelectBy::Tag)];
        if by.iter().all(Option::is_none) {
            return Err(wrong(&format!("rules[{i}]"), "names neither a `rule` nor a `tag`"));
        }
        out.extend(by.into_iter().flatten().map(|by| Selection { enable, by }));
    }
    Ok(out)
}

/// A flag, else a key, else nothing.
fn threads(flag: &str, given: Option<u64>, key: &str, n: Option<u64>) -> Result<Option<usize>> {
    match (given, n) {
        (None, None) => Ok(None),
        (None, n) => number(key, n).map(Some),
        (given, _) => {
            let of_flag = |e: anyhow::Error| anyhow!(e.to_string().replace(key, flag));
            number(key, given).map(Some).map_err(of_flag)
        }
    }
}

/// As a key 0 leaves the choice to the program, as in Falco; whoever asks for 0 on the command line means no byte, which nothing here can do.
fn snaplen(flag: Option<u64>, key: Option<u64>) -> Result<usize> {
    let (least, n) = match (flag, key) {
        (Some(n), _) => (1, n),
        (None, None | Some(0)) => return Ok(DEFAULT_SNAPLEN),
        (None, Some(n)) => (0, n),
    };
    if !(least..=MAX_SNAPLEN as u64).contains(&n) {
        bail!(
            "snaplen: {n} is out of range; it must lie between {least} and {MAX_SNAPLEN}, and is {DEFAULT_SNAPLEN} where it is not given"
        );
    }
    Ok(n as usize)
}

/// The kernel wants a power of two of whole pages. Falco's preset 1 is 1 MiB, each step twice as much.
fn ring_bytes(n: Option<u64>, preset: Option<u64>) -> Result<usize> {
    let Some(n) = n else {
        let preset = number("engine.modern_ebpf.buf_size_preset", preset)?;
        return Ok(1 << (19 + preset));
    };
    let n = number("peregrine.ring_bytes", Some(n))?;
    if !n.is_power_of_two() {
        let near = format!("{n} is not a power of two; the next is {}", n.next_power_of_two());
        return Err(wrong("peregrine.ring_bytes", near));
    }
    Ok(n)
}
