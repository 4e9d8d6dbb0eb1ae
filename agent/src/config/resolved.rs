//! The configuration resolved: defaults filled in, flags applied, every value checked. Nothing behind it asks where a value came from.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Result, bail};
use capture::{DEFAULT_SNAPLEN, MAX_SNAPLEN, Spread};
use outputs::Format;
use rules::{Priority, SelectBy, Selection};

use super::capture::{self as on_alert, CaptureOnAlert};
use super::containers::{self, Containers};
use super::custom_set::CustomSet;
use super::drops::{self, EventDrops};
use super::limits::{self, Limits};
use super::written::{self, Written};
use crate::cli::{ConfigSource, Settings, Switch};

/// Where the running agent listens unless told otherwise.
const DEFAULT_SOCKET: &str = "/run/peregrine/peregrine.sock";

/// Threads beyond this are a typing error, not a machine.
const MAX_THREADS: u64 = 1024;

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

/// `file_output` when it is on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct FileOutput {
    /// Path, appended to.
    pub(crate) filename: PathBuf,
}

/// What the agent runs with.
#[derive(Clone, Debug, PartialEq, Eq)]
#[expect(clippy::struct_excessive_bools, reason = "independent switches, each a key of the file")]
pub(crate) struct Config {
    /// The file it was read from; none: built in.
    pub(crate) file: Option<PathBuf>,
    /// What to tell the user about the configuration.
    pub(crate) warnings: Vec<String>,
    /// Where frames come from.
    pub(crate) source: CaptureSource,
    /// Where rules come from.
    pub(crate) rules: RuleInputs,
    /// Least severe priority whose rules are loaded.
    pub(crate) min_priority: Priority,
    /// Rules enabled and disabled on top of their own `enabled`.
    pub(crate) selections: Vec<Selection>,
    /// Values of the fields `static.KEY`, by key.
    pub(crate) static_fields: Arc<BTreeMap<String, String>>,
    /// Which matches raise alerts.
    pub(crate) matching: Matching,
    /// How an alert is printed.
    pub(crate) format: Format,
    /// Whether alerts go to stdout.
    pub(crate) stdout: bool,
    /// Whether alerts go to a file.
    pub(crate) file_output: Option<FileOutput>,
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
    /// Savefile to write while alerting.
    pub(crate) write: Option<PathBuf>,
    /// Recordings around alerts; none: off.
    pub(crate) on_alert: Option<CaptureOnAlert>,
    /// What to do when events are dropped.
    pub(crate) event_drops: EventDrops,
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
    /// The run ends after so long; a replay goes by the times of its events.
    pub(crate) ends_after: Option<Duration>,
}

impl Config {
    /// The same with the rules that another one selects: all that can change while the agent runs.
    pub(crate) fn with_rules_of(self, other: &Self) -> Self {
        let Self { rules, min_priority, matching, selections, static_fields, .. } = other.clone();
        Self { rules, min_priority, selections, static_fields, matching, ..self }
    }
}

pub(super) struct Origin {
    pub(super) file: Option<PathBuf>,
    pub(super) warnings: Vec<String>,
}

#[expect(clippy::too_many_lines, reason = "one key after the other, each once")]
pub(super) fn resolve(
    written: Written,
    source: &ConfigSource,
    set: &Settings,
    origin: Origin,
) -> Result<Config> {
    let Written {
        capture: capture_on_alert,
        container_engines,
        base_syscalls,
        engine,
        falco_libs,
        file_output,
        json_include_message_property,
        json_include_output_fields_property,
        json_include_output_property,
        json_include_tags_property,
        json_output,
        peregrine,
        priority,
        rule_matching,
        rules,
        rules_file,
        rules_files,
        static_fields,
        stdout_output,
        syscall_event_drops,
        time_format_iso_8601,
    } = written;
    let capture = match engine.kind.as_deref() {
        _ if set.capture_file.is_some() => {
            CaptureSource::Replay(set.capture_file.clone().unwrap_or_default())
        }
        None | Some("modern_ebpf") => CaptureSource::Live,
        Some("replay") => match engine.replay.capture_file.filter(|f| !f.is_empty()) {
            Some(file) => CaptureSource::Replay(file.into()),
            None => bail!("engine.kind is replay, but engine.replay.capture_file is not set"),
        },
        Some(kind) => bail!("engine.kind: {kind:?} is not one of modern_ebpf, replay"),
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
    let mut warnings = origin.warnings;
    let mut on_alert = on_alert::resolve(capture_on_alert, &peregrine.capture)?;
    if on_alert.is_some() && matches!(capture, CaptureSource::Replay(_)) {
        warnings.push("capture: nothing is recorded of a replay".to_owned());
        on_alert = None;
    }
    if base_syscalls.repair.unwrap_or(false) {
        warnings.push(
            "base_syscalls.repair: nothing to repair, what rules read of processes is always followed".to_owned(),
        );
    }
    if base_syscalls.all.unwrap_or(false) {
        warnings.push(
            "base_syscalls.all: no call that a rule asks for is left out anyway; peregrine.all_syscalls captures every call".to_owned(),
        );
    }
    let (custom_set, doubts) = CustomSet::read(&base_syscalls.custom_set.unwrap_or_default());
    warnings.extend(doubts);
    let rules_files = match (rules_files, rules_file) {
        (Some(_), Some(_)) => bail!("rules_files and rules_file are both set"),
        (None, Some(files)) => {
            warnings.push("rules_file: deprecated; the key is rules_files".to_owned());
            Some(files)
        }
        (files, None) => files,
    };
    let selections = selections(rules.unwrap_or_default())?;
    let rules = if set.rules.is_empty() {
        rules_files.map_or(RuleInputs::BuiltIn, |files| RuleInputs::Configured(files.paths()))
    } else {
        RuleInputs::Given(set.rules.clone())
    };
    let min_priority = match priority {
        None => Priority::Debug,
        Some(text) => text.parse().map_err(|_| {
            let all: Vec<_> = Priority::ALL.iter().map(|p| p.as_str()).collect();
            anyhow::anyhow!("priority: {text:?} is not one of {}", all.join(", "))
        })?,
    };
    let matching = match rule_matching.as_deref() {
        None | Some("first") => Matching::First,
        Some("all") => Matching::All,
        Some(text) => bail!("rule_matching: {text:?} is not one of first, all"),
    };
    let file_output = if file_output.enabled.unwrap_or(false) {
        match file_output.filename.filter(|f| !f.is_empty()) {
            Some(filename) => Some(FileOutput { filename: filename.into() }),
            None => bail!("file_output.enabled is true, but file_output.filename is not set"),
        }
    } else {
        None
    };
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
    Ok(Config {
        file: origin.file,
        warnings,
        source: capture,
        rules,
        min_priority,
        selections,
        static_fields: Arc::new(static_fields),
        matching,
        format,
        stdout: stdout_output.enabled.unwrap_or(true),
        file_output,
        shards: threads("shards", set.shards.or(peregrine.shards))?,
        capture_threads: threads(
            "capture-threads",
            set.capture_threads.or(peregrine.capture_threads),
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
        write,
        on_alert,
        event_drops: drops::resolve(syscall_event_drops)?,
        repair_rate: within("repair.rate", peregrine.repair.rate, 200, 0..=100_000)? as u32,
        simulate_drops: within(
            "repair.simulate_drops",
            peregrine.repair.simulate_drops,
            0,
            0..=1 << 30,
        )? as u32,
        ring_bytes: ring_bytes(peregrine.ring_bytes)?,
        lane_capacity: within("lane_capacity", peregrine.lane_capacity, 8, 1..=4096)?,
        batch_frames: within("batch_frames", peregrine.batch_frames, 512, 1..=65_536)?,
        // A batch must hold the largest frame.
        batch_bytes: within(
            "batch_bytes",
            peregrine.batch_bytes,
            256 << 10,
            (event::MAX_FRAME_LEN as u64)..=(64 << 20),
        )?,
        alert_lane_capacity: within(
            "alert_lane_capacity",
            peregrine.alert_lane_capacity,
            4096,
            1..=1 << 20,
        )?,
        containers: containers::resolve(
            peregrine.containers,
            container_engines,
            limits.container_questions,
        )?,
        late_after_ms: within("late_after_ms", peregrine.late_after_ms, 1000, 1..=60_000)? as u64,
        spread: if peregrine.spread.unwrap_or(true) { Spread::Auto } else { Spread::Off },
        pinning: if peregrine.pinning.unwrap_or(true) { Pinning::Auto } else { Pinning::Off },
        ends_after: set.seconds.map(Duration::from_secs),
    })
}

/// Falco's `rules`: an entry that names a rule and a tag counts as two.
fn selections(written: Vec<written::Selection>) -> Result<Vec<Selection>> {
    let mut out = Vec::new();
    for (i, entry) in written.into_iter().enumerate() {
        let (enable, selected) = match (entry.enable, entry.disable) {
            (Some(selected), None) => (true, selected),
            (None, Some(selected)) => (false, selected),
            _ => bail!("rules[{i}]: must be `enable` or `disable`, one of them"),
        };
        let written::Selected { rule, tag } = selected;
        let by = [rule.map(SelectBy::Rule), tag.map(SelectBy::Tag)];
        if by.iter().all(Option::is_none) {
            bail!("rules[{i}]: names neither a `rule` nor a `tag`");
        }
        out.extend(by.into_iter().flatten().map(|by| Selection { enable, by }));
    }
    Ok(out)
}

fn threads(name: &str, n: Option<u64>) -> Result<Option<usize>> {
    match n {
        None => Ok(None),
        Some(n) if (1..=MAX_THREADS).contains(&n) => Ok(Some(n as usize)),
        Some(n) => bail!("{name}: {n} is out of range; it must lie between 1 and {MAX_THREADS}"),
    }
}

pub(super) fn within(
    name: &str,
    n: Option<u64>,
    default: u64,
    range: std::ops::RangeInclusive<u64>,
) -> Result<usize> {
    let n = n.unwrap_or(default);
    if !range.contains(&n) {
        let (low, high) = (range.start(), range.end());
        bail!("peregrine.{name}: {n} is out of range; it must lie between {low} and {high}");
    }
    Ok(n as usize)
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

/// The kernel wants a power of two of whole pages.
fn ring_bytes(n: Option<u64>) -> Result<usize> {
    let n = within("ring_bytes", n, 8 << 20, 64 << 10..=1 << 30)?;
    if !n.is_power_of_two() {
        bail!("peregrine.ring_bytes: {n} is not a power of two");
    }
    Ok(n)
}
