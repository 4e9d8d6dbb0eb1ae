//! Where alerts go, and which are held back.

use std::path::PathBuf;
use std::time::Duration;

use anyhow::Result;
use outputs::{
    Fsync, KeptOpen, Lives, OutboxSettings, ProgramSettings, QueueLimits, Rate, RateControl, Retry,
    SinkLimits,
};

use super::http::{self as to_http, HttpOutput};
use super::schema::number;
use super::syslog::{self as to_syslog, SyslogOutput};
use super::trouble::wrong;
use super::written::{self, OutboxSection, ProgramSection, RateSection, SinkBounds, SinkSections};

/// Alerts that wait for a sink where nothing says how many.
const DEFAULT_QUEUE: u64 = 16_384;

/// Where alerts wait on disk where nothing says where.
const DEFAULT_OUTBOX: &str = "/var/lib/peregrine/outbox";

/// All sinks that are on.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Outputs {
    /// Standard output.
    pub(crate) stdout: Option<SinkLimits>,
    /// A file.
    pub(crate) file: Option<FileOutput>,
    /// A server that alerts are posted to.
    pub(crate) http: Option<HttpOutput>,
    pub(crate) syslog: Option<SyslogOutput>,
    pub(crate) program: Option<ProgramOutput>,
    /// Where alerts for durable sinks wait.
    pub(crate) outbox: OutboxSettings,
    /// What is held back of them.
    pub(crate) rate_control: RateControl,
    /// A sink that is blocked for longer is told of.
    pub(crate) timeout: Duration,
}

impl Outputs {
    /// Whether alerts wait on disk for any of them.
    pub(crate) fn is_any_durable(&self) -> bool {
        let Self { stdout, file, http, syslog, program, .. } = self;
        let limits = [
            *stdout,
            file.as_ref().map(|sink| sink.limits),
            http.as_ref().map(|sink| sink.limits),
            syslog.as_ref().map(|sink| sink.limits),
            program.as_ref().map(|sink| sink.limits),
        ];
        limits.into_iter().flatten().any(|limits| limits.is_durable)
    }

    /// TCP ports that are connected to.
    pub(crate) fn ports(&self) -> impl Iterator<Item = u16> {
        let syslog = self.syslog.as_ref().and_then(|sink| sink.settings.address.tcp_port());
        self.http.as_ref().map(HttpOutput::port).into_iter().chain(syslog)
    }
}

/// `file_output` when it is on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct FileOutput {
    /// Path, appended to.
    pub(crate) filename: PathBuf,
    /// Whether it is written on when it was moved away.
    pub(crate) kept: KeptOpen,
    pub(crate) limits: SinkLimits,
}

/// `program_output` when it is on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct ProgramOutput {
    pub(crate) settings: ProgramSettings,
    pub(crate) limits: SinkLimits,
}

/// The keys that say where alerts go, as written.
pub(super) struct OutputKeys {
    pub(super) stdout: written::StdoutOutput,
    pub(super) file: written::FileOutput,
    pub(super) http: written::HttpOutput,
    pub(super) syslog: written::SyslogOutput,
    pub(super) program: written::ProgramOutput,
    pub(super) outputs_queue: written::OutputsQueue,
    pub(super) timeout_ms: Option<u64>,
    pub(super) sections: SinkSections,
    pub(super) outbox: OutboxSection,
    pub(super) rate: RateSection,
}

pub(super) fn resolve(keys: OutputKeys) -> Result<Outputs> {
    let OutputKeys {
        stdout,
        file,
        http,
        syslog,
        program,
        outputs_queue,
        timeout_ms,
        sections,
        outbox,
        rate,
    } = keys;
    let SinkSections {
        stdout: of_stdout,
        file: of_file,
        http: of_http,
        syslog: of_syslog,
        program: of_program,
    } = sections;
    let timeout = ms("output_timeout", timeout_ms)?;
    let default_queue = outputs_queue.capacity.filter(|&n| n > 0);
    let limits = |sink: &str, bounds: &SinkBounds| limits(sink, bounds, default_queue);
    let file = match file {
        written::FileOutput { enabled: Some(true), filename, keep_alive } => {
            let Some(filename) = filename.filter(|f| !f.is_empty()) else {
                let why = "is true, but file_output.filename is not set";
                return Err(wrong("file_output.enabled", why));
            };
            let kept = match keep_alive {
                Some(true) => KeptOpen::UntilReopened,
                _ => KeptOpen::WhileNamed,
            };
            Some(FileOutput { filename: filename.into(), kept, limits: limits("file", &of_file)? })
        }
        _ => None,
    };
    let http = if http.enabled == Some(true) {
        let limits = limits("http", &of_http.bounds)?;
        Some(to_http::resolve(http, &of_http, limits)?)
    } else {
        None
    };
    let syslog = if syslog.enabled == Some(true) {
        let limits = limits("syslog", &of_syslog.bounds)?;
        Some(SyslogOutput { settings: to_syslog::settings(of_syslog)?, limits })
    } else {
        None
    };
    let program = match program {
        written::ProgramOutput { enabled: Some(true), keep_alive, program } => {
            let Some(command) = program.filter(|p| !p.trim().is_empty()) else {
                let why = "is true, but program_output.program is not set";
                return Err(wrong("program_output.enabled", why));
            };
            let ProgramSection { bounds, timeout_ms } = of_program;
            let settings = ProgramSettings {
                command,
                lives: if keep_alive == Some(true) { Lives::OnAndOn } else { Lives::ForOne },
                timeout: ms("peregrine.outputs.program.timeout_ms", timeout_ms)?,
                output_timeout: timeout,
            };
            Some(ProgramOutput { settings, limits: limits("program", &bounds)? })
        }
        _ => None,
    };
    Ok(Outputs {
        stdout: stdout.enabled.unwrap_or(true).then(|| limits("stdout", &of_stdout)).transpose()?,
        file,
        http,
        syslog,
        program,
        outbox: self::outbox(outbox)?,
        rate_control: rate_control(&rate)?,
        timeout,
    })
}

/// A number of milliseconds.
pub(super) fn ms(key: &str, given: Option<u64>) -> Result<Duration> {
    Ok(Duration::from_millis(number(key, given)? as u64))
}

fn outbox(written: OutboxSection) -> Result<OutboxSettings> {
    let OutboxSection { directory, fsync, fsync_interval_ms, max_bytes, segment_bytes } = written;
    let max_bytes = number("peregrine.outbox.max_bytes", max_bytes)? as u64;
    let segment_bytes = number("peregrine.outbox.segment_bytes", segment_bytes)? as u64;
    if segment_bytes > max_bytes / 2 {
        let why = format!("of {segment_bytes} bytes no two have room in {max_bytes}");
        return Err(wrong("peregrine.outbox.segment_bytes", why));
    }
    let interval_ms = number("peregrine.outbox.fsync_interval_ms", fsync_interval_ms)?;
    Ok(OutboxSettings {
        directory: directory.unwrap_or_else(|| DEFAULT_OUTBOX.into()),
        max_bytes,
        segment_bytes,
        fsync: match fsync.as_deref() {
            Some("never") => Fsync::Never,
            Some("interval") => Fsync::Interval(Duration::from_millis(interval_ms as u64)),
            _ => Fsync::Always,
        },
    })
}

fn rate_control(written: &RateSection) -> Result<RateControl> {
    let RateSection {
        burst,
        max_remembered,
        per_second,
        report_ms,
        rule_burst,
        rule_per_second,
        same_within_ms,
    } = *written;
    Ok(RateControl {
        of_rule: rate(rule_per_second, rule_burst),
        of_all: rate(per_second, burst),
        same_within: ms("peregrine.rate.same_within_ms", same_within_ms)?,
        max_windows: number("peregrine.rate.max_remembered", max_remembered)?,
        report_every: ms("peregrine.rate.report_ms", report_ms)?,
    })
}

fn rate(per_second: Option<f64>, burst: Option<f64>) -> Option<Rate> {
    let per_second = per_second.filter(|&n| n > 0.0)?;
    Some(Rate { per_second, burst: burst.unwrap_or(per_second.max(1.0)) })
}

fn limits(sink: &str, bounds: &SinkBounds, default_queue: Option<u64>) -> Result<SinkLimits> {
    let SinkBounds {
        durable,
        max_attempts,
        queue_alerts,
        queue_bytes,
        retry_first_ms,
        retry_longest_ms,
    } = *bounds;
    let number = |key: &str, given| number(&format!("peregrine.outputs.{sink}.{key}"), given);
    let n_alerts = queue_alerts.or(default_queue).unwrap_or(DEFAULT_QUEUE);
    let ms = |n: usize| Duration::from_millis(n as u64);
    let first = ms(number("retry_first_ms", retry_first_ms)?);
    let longest = ms(number("retry_longest_ms", retry_longest_ms)?);
    if longest < first {
        let why = format!(
            "{} ms is shorter than the first wait, {} ms",
            longest.as_millis(),
            first.as_millis()
        );
        return Err(wrong(&format!("peregrine.outputs.{sink}.retry_longest_ms"), why));
    }
    Ok(SinkLimits {
        queue: QueueLimits {
            n_alerts: number("queue_alerts", Some(n_alerts))?,
            n_bytes: number("queue_bytes", queue_bytes)?,
        },
        retry: Retry { first, longest, max_attempts: number("max_attempts", max_attempts)? as u32 },
        is_durable: durable.unwrap_or(false),
    })
}
