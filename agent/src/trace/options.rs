//! What the command line of a trace comes to.

use std::ffi::OsString;
use std::fs::Metadata;
use std::io::IsTerminal as _;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

use capture::DEFAULT_SNAPLEN;
use capture::savefile::{Compression, FileLimits, Rotation};
use containers::LookupConfig;
use event::EventSet;
use rules::{Filter, LineFormat};
use stages::{BufferFormat, PortFormat, TimeFormat};

use super::args::TraceArgs;
use super::format::Wanted;
use super::live_recording::LiveRecording;
use super::recording::{Extent, Recording};
use super::refusal::Refusal;
use crate::config::{Limits, limits_of};
use crate::playback_demand::Demands;

/// Bytes of a buffer that are shown unless told otherwise.
const USUAL_SNAPLEN: usize = 80;

/// A trace as asked for.
#[expect(clippy::struct_excessive_bools, reason = "independent switches of the command line")]
pub(super) struct Options {
    /// Recordings to read; without any the running kernel is traced.
    pub(super) files: Vec<PathBuf>,
    /// A command to run and trace, with its arguments.
    pub(super) command: Option<Vec<OsString>>,
    /// The filter's words joined; empty where there is none.
    pub(super) filter: String,
    /// What it and the format ask of descriptors.
    pub(super) demands: Demands,
    pub(super) format: LineFormat,
    pub(super) has_colours: bool,
    pub(super) json: bool,
    pub(super) time: TimeFormat,
    /// Where lines go; none is stdout.
    pub(super) output: Option<PathBuf>,
    pub(super) write: Option<PathBuf>,
    pub(super) compression: Compression,
    pub(super) limits: FileLimits,
    pub(super) fatfile: bool,
    pub(super) buffers: BufferFormat,
    pub(super) ports: PortFormat,
    /// Bytes of a buffer that are captured live.
    pub(super) snaplen: usize,
    /// Everything is captured, whatever the filter asks for.
    pub(super) all_syscalls: bool,
    pub(super) max_events: Option<u64>,
    pub(super) max_ns: Option<u64>,
    pub(super) quiet: bool,
    pub(super) summary: bool,
    pub(super) verbose: bool,
    pub(super) progress: bool,
    pub(super) debug: bool,
    pub(super) suppressed: Vec<Box<[u8]>>,
    pub(super) exclude_users: bool,
    pub(super) unbuffered: bool,
    /// What is kept at most.
    pub(super) bounds: Limits,
    /// The container runtimes that are asked live; none where nothing that is read, printed or written needs them.
    pub(super) runtimes: Option<LookupConfig>,
}

impl Options {
    /// # Errors
    /// The first thing that is wrong.
    pub(super) fn of(args: &TraceArgs) -> Result<Self, Refusal> {
        if [args.ascii, args.hex, args.hex_ascii, args.base64].into_iter().filter(|o| *o).count()
            > 1
        {
            return Err(Refusal::new("you cannot specify more than one output format")
                .with("-A, -x, -X and -b exclude each other"));
        }
        let bounds = limits_of(&args.option).map_err(|e| Refusal::new(format!("{e:#}")))?;
        let wanted = Wanted::of(args.print.as_deref(), may_colour(args));
        let filter = args.filter.join(" ");
        let compiled = compile_filter(&filter)?;
        let format = wanted.compile()?;
        let quiet = args.quiet || (args.write.is_some() && !args.tee);
        let asked = compiled.iter().flat_map(Filter::fields_used);
        // The name of what is quiet is not shown.
        let shown = format.fields_used().filter(|_| !quiet);
        let types = compiled.as_ref().map_or(EventSet::all(), Filter::interest);
        let read: Vec<_> = asked.chain(shown).collect();
        // Who reads a recording can ask nobody any more.
        let asks_runtimes = args.read.is_empty()
            && (args.write.is_some() || read.iter().any(|f| f.field.is_of_runtime()));
        let runtimes = asks_runtimes.then(|| {
            let built_in = LookupConfig::default();
            let host_root = args.host_root.clone().unwrap_or(built_in.host_root);
            let max_queued = bounds.container_questions;
            LookupConfig { host_root, max_queued, ..LookupConfig::default() }
        });
        let demands = Demands::of_fields(&read, types);
        if let Some(written) = &args.write
            && args.read.iter().any(|read| is_same_file(read, written))
        {
            let name = written.display();
            return Err(Refusal::new(format!("cannot write to {name}, which is being read"))
                .with("-w takes another file than -r; what is there would be lost"));
        }
        if !args.read.is_empty() && !args.command.is_empty() {
            return Err(Refusal::new("-r reads what was recorded: no command is run for it")
                .with("a filter stands in front of `--`, a command to trace live behind it"));
        }
        if let Some(output) = &args.output
            && args.read.iter().chain(&args.write).any(|other| is_same_file(other, output))
        {
            let name = output.display();
            return Err(Refusal::new(format!("cannot print to {name}, which is a recording"))
                .with("-o takes another file than -r and -w"));
        }
        let is_to_stdout = args.write.as_deref() == Some(Path::new("-"));
        if is_to_stdout && args.tee && args.output.is_none() {
            return Err(
                Refusal::new("stdout is the recording").with("--tee needs -w FILE or -o FILE")
            );
        }
        let limits = limits(args)?;
        if limits.are_set() && is_to_stdout {
            return Err(Refusal::new("stdout is one file")
                .with("-C, -G and -e go on in further files, which -w FILE names"));
        }
        Ok(Self {
            files: args.read.clone(),
            command: (!args.command.is_empty()).then(|| args.command.clone()),
            filter,
            demands,
            format,
            has_colours: wanted.has_colours,
            json: args.json,
            time: time(args)?,
            output: args.output.clone(),
            write: args.write.clone(),
            compression: if args.compress { Compression::Gzip } else { Compression::None },
            limits,
            fatfile: args.fatfile,
            buffers: buffers(args),
            ports: if args.resolve_ports { PortFormat::Service } else { PortFormat::Number },
            snaplen: args.snaplen.unwrap_or(DEFAULT_SNAPLEN),
            all_syscalls: args.all_syscalls,
            max_events: args.count.as_deref().map(count).transpose()?,
            max_ns: args.seconds.as_deref().map(duration_ns).transpose()?,
            quiet,
            summary: args.summary,
            verbose: args.verbose,
            progress: args.progress || args.write.is_some(),
            debug: args.debug,
            suppressed: args.suppress_comm.iter().map(|c| c.as_bytes().into()).collect(),
            exclude_users: args.exclude_users,
            unbuffered: args.unbuffered,
            bounds,
            runtimes,
        })
    }

    /// The file to write, where one is asked for.
    ///
    /// # Errors
    /// Its name cannot be filled in with a time.
    pub(super) fn recording(&self) -> Result<Option<Recording>, Refusal> {
        let Some(path) = self.write.as_deref() else { return Ok(None) };
        let (rotation, has_users) = (self.rotation(path)?, !self.exclude_users);
        let extent = self.extent();
        Ok(Some(Recording::new(path, rotation, self.compression, extent, has_users, self.bounds)))
    }

    /// The file to write live, where one is asked for.
    pub(super) fn live_recording(&self) -> anyhow::Result<Option<LiveRecording>> {
        let Some(path) = self.write.as_deref() else { return Ok(None) };
        let (rotation, has_users) = (self.rotation(path)?, !self.exclude_users);
        LiveRecording::create(path, rotation, self.compression, self.extent(), has_users).map(Some)
    }

    fn rotation(&self, path: &Path) -> Result<Option<Rotation>, Refusal> {
        let rotation = self.limits.are_set().then(|| Rotation::new(path, self.limits)).transpose();
        rotation.map_err(|e| Refusal::new(e.to_string()))
    }

    /// Which events are written.
    fn extent(&self) -> Extent {
        let is_all = self.filter.trim().is_empty() && self.suppressed.is_empty();
        match (is_all, self.fatfile) {
            (true, _) => Extent::All,
            (false, false) => Extent::Passed,
            (false, true) => Extent::PassedAndState,
        }
    }

    /// The filter, compiled anew for each file.
    pub(super) fn compiled_filter(&self) -> Result<Option<Filter>, Refusal> {
        compile_filter(&self.filter)
    }
}

/// Whether lines may have colours: on a terminal, unless its user asks for none (<https://no-color.org>).
pub(super) fn may_colour(args: &TraceArgs) -> bool {
    !args.json
        && args.output.is_none()
        && std::env::var_os("NO_COLOR").is_none_or(|v| v.is_empty())
        && std::io::stdout().is_terminal()
}

/// Whether both names lead to one file, by links of any kind too.
fn is_same_file(a: &Path, b: &Path) -> bool {
    let id = |path: &Path| {
        std::fs::metadata(path).ok().filter(Metadata::is_file).map(|m| (m.dev(), m.ino()))
    };
    id(a).is_some_and(|a| id(b) == Some(a))
}

fn compile_filter(text: &str) -> Result<Option<Filter>, Refusal> {
    if text.trim().is_empty() {
        return Ok(None);
    }
    Filter::compile(text).map(Some).map_err(|e| Refusal::of_filter(text, &e))
}

fn time(args: &TraceArgs) -> Result<TimeFormat, Refusal> {
    let time = match args.time.as_deref() {
        None | Some("h") => TimeFormat::TimeOfDay,
        Some("a") => TimeFormat::Epoch,
        Some("r") => TimeFormat::SinceFirst,
        Some("d") => TimeFormat::Latency,
        Some("D") => TimeFormat::SincePrinted,
        Some(_) => {
            return Err(
                Refusal::new("invalid modifier for flag -t").with("it takes h, a, r, d or D")
            );
        }
    };
    Ok(if args.json { TimeFormat::Number } else { time })
}

fn buffers(args: &TraceArgs) -> BufferFormat {
    match args {
        TraceArgs { ascii: true, .. } => BufferFormat::Text,
        TraceArgs { hex: true, .. } => BufferFormat::Hex,
        TraceArgs { hex_ascii: true, .. } => BufferFormat::HexText,
        TraceArgs { base64: true, .. } => BufferFormat::Base64,
        TraceArgs { snaplen: Some(n), .. } => BufferFormat::DottedUpTo(*n),
        // A line may be long where no one reads it.
        TraceArgs { verbose: true, .. } | TraceArgs { json: true, .. } => BufferFormat::Dotted,
        _ => BufferFormat::DottedUpTo(USUAL_SNAPLEN),
    }
}

fn count(text: &str) -> Result<u64, Refusal> {
    match text.trim().parse::<i64>() {
        Ok(n) if n > 0 => Ok(n.unsigned_abs()),
        Ok(n) => Err(Refusal::new(format!("invalid event count {n}")).with("-n takes 1 or more")),
        Err(_) => Err(Refusal::new("can't parse the -n argument, make sure it's a number")),
    }
}

/// Bounds of the files that are written.
fn limits(args: &TraceArgs) -> Result<FileLimits, Refusal> {
    let TraceArgs { file_size, file_seconds, file_events, file_limit, .. } = args;
    let number = |text: &Option<String>, refusal: &str, help: &str| {
        let Some(text) = text else { return Ok(None) };
        let n = text.trim().parse::<u32>().ok().filter(|n| *n > 0).map(u64::from);
        let refused = || Refusal::new(format!("{refusal}{text}")).with(help);
        n.map(Some).ok_or_else(refused)
    };
    let megabytes = number(file_size, "invalid file size", "-C takes millions of bytes")?;
    Ok(FileLimits {
        bytes: megabytes.map(|mb| mb * 1_000_000),
        seconds: number(file_seconds, "invalid duration", "-G takes seconds")?,
        events: number(file_events, "invalid parameter 'number of events' ", "-e takes 1 or more")?,
        files: number(file_limit, "invalid file limit", "-W takes 1 or more")?,
    })
}

fn duration_ns(text: &str) -> Result<u64, Refusal> {
    let refused =
        || Refusal::new(format!("invalid duration{text}")).with("-M takes seconds, more than none");
    let seconds = text.trim().parse::<f64>().ok().filter(|s| *s > 0.0 && *s < 1e9);
    seconds.map(|s| (s * 1e9) as u64).ok_or_else(refused)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(change: impl FnOnce(&mut TraceArgs)) -> String {
        let mut args = TraceArgs { read: vec!["x".into()], ..TraceArgs::default() };
        change(&mut args);
        Options::of(&args).err().map_or_else(String::new, |e| e.to_string())
    }

    #[test]
    fn refusals_begin_with_the_words_of_sysdig() {
        let filter = |text: &str| refused(|a| a.filter = vec![text.to_owned()]);
        let print = |text: &str| refused(|a| a.print = Some(text.to_owned()));
        for (said, expected) in [
            (
                filter("evt.nope=1"),
                "filter error at position 8: filter error: unrecognized field evt.nope at pos 0\n  evt.nope=1\n  ^^^^^^^^",
            ),
            (filter("evt.type=opn"), "filter error at position 12: unknown event type opn\n"),
            (filter("evt.type=open and ("), "filter error at position 19: "),
            (print("%evt.nope"), "invalid formatting token evt.nope\n  %evt.nope\n"),
            (print("a %"), "invalid formatting syntax: formatting cannot end with a %\n"),
            (print("%12"), "invalid formatting syntax: formatting cannot end with a number\n"),
            (print(""), "empty formatting token\n"),
            (refused(|a| a.count = Some("0".into())), "invalid event count 0\n"),
            (
                refused(|a| a.count = Some("x".into())),
                "can't parse the -n argument, make sure it's a number",
            ),
            (refused(|a| a.seconds = Some("-4".into())), "invalid duration-4\n"),
            (refused(|a| a.file_size = Some("0".into())), "invalid file size0\n"),
            (refused(|a| a.file_size = Some("x".into())), "invalid file sizex\n"),
            (refused(|a| a.file_seconds = Some("0".into())), "invalid duration0\n"),
            (
                refused(|a| a.file_events = Some("0".into())),
                "invalid parameter 'number of events' 0\n",
            ),
            (refused(|a| a.file_limit = Some("-1".into())), "invalid file limit-1\n"),
            (
                refused(|a| (a.write, a.file_events) = (Some("-".into()), Some("1".into()))),
                "stdout is one file\n",
            ),
            (refused(|a| a.print = Some("m".into())), "-pm is not there: Mesos"),
            (refused(|a| a.time = Some("z".into())), "invalid modifier for flag -t\n"),
            (
                refused(|a| (a.hex, a.ascii) = (true, true)),
                "you cannot specify more than one output format\n",
            ),
        ] {
            assert!(said.starts_with(expected), "{said}\nshould begin with\n{expected}");
        }
        assert_eq!(refused(|_| ()), "");
    }

    #[test]
    fn near_names_are_offered() {
        let said = refused(|a| a.filter = vec!["proc.nam=cat".to_owned()]);
        assert!(said.ends_with("^^^^^^^^ did you mean `proc.name`?"), "{said}");
        let said = refused(|a| a.print = Some("%evt.num %proc.nam".to_owned()));
        assert!(said.ends_with("did you mean `proc.name`?"), "{said}");
    }
}
