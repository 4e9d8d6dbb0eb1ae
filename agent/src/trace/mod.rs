//! `peregrine trace`: the events of the running kernel, or of recordings, as lines.
//!
//! `TraceArgs -> Options -> KernelSource | for each file: Playback -> Tracer (state, filter) -> LineFormat -> Output`
//!
//! One thread does it, but for reading files. Where all of a file is shown, its frames are made by a second one ([`ahead`]): it is as much
//! work as the lines. With a filter most events are passed over by their heads, which only who knows the processes can say.

mod ahead;
mod args;
mod command;
mod format;
mod live;
mod live_demand;
mod live_recording;
mod options;
mod output;
mod progress;
mod record;
mod recording;
mod refusal;
mod snapshot;
mod source;
mod summary;

use std::fs::File;
use std::path::Path;
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use anyhow::{Context as _, Result};
use capture::savefile::{
    EVT_NUM_SHIFT, Findings, Playback, Reader, ReaderCounts, ReplayEnd, SavefileError,
};
use event::{EventSet, FrameError};
use rules::LineScratch;
use signal_hook::consts::{SIGINT, SIGTERM};
use stages::{Numbering, Step, TracedEvent, Tracer, TracerConfig, Users};

pub(crate) use args::TraceArgs;
pub(crate) use command::NotRun;
pub(crate) use record::RecordArgs;
pub(crate) use refusal::Refusal;

use crate::config::Limits;
use crate::events_command::{self, EventsArgs};
use crate::fields_command::{self, FieldsArgs};
use crate::rule_commands::unless_reader_gone;
use crate::run::say;
use crate::savefile_errors::{self, LeftOut};
use crate::visible::Visible;
use ahead::{Ahead, FramesAhead};
use format::{RESET, Wanted};
use options::{Options, may_colour};
use output::Output;
use progress::Progress;
use recording::{Fate, Recording};
use source::SourceCounts;
use summary::Summary;

/// Why reading ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum End {
    /// The file is through, or as many events as were asked for have come.
    Through,
    /// SIGINT or SIGTERM.
    Interrupted,
    /// Nobody reads stdout any more.
    ReaderGone,
}

/// What all files of a run have in common.
struct Run<'o> {
    options: &'o Options,
    out: Output,
    scratch: LineScratch,
    summary: Option<Summary>,
    recording: Option<Recording>,
    /// Raised by SIGINT and SIGTERM.
    stop: Arc<AtomicBool>,
    n_passed: u64,
    n_suppressed: u64,
    /// What is no frame, and is not shown.
    n_malformed: u64,
    source_counts: SourceCounts,
    /// Exit code: that of the command which was traced.
    code: u8,
}

/// Runs the command.
///
/// # Errors
/// [`Refusal`] where the arguments or a file cannot be used; else what went wrong.
pub(crate) fn run(args: &TraceArgs) -> Result<ExitCode> {
    if args.list {
        let fields = FieldsArgs::default();
        unless_reader_gone(fields_command::run(&fields, &mut Visible(std::io::stdout().lock())))?;
        return Ok(ExitCode::SUCCESS);
    }
    if args.list_events {
        let events = EventsArgs::default();
        unless_reader_gone(events_command::run(&events, &mut Visible(std::io::stdout().lock())))?;
        return Ok(ExitCode::SUCCESS);
    }
    let wanted = Wanted::of(args.print.as_deref(), may_colour(args));
    if wanted.is_shown {
        let mut out = Output::new(None, true)?;
        out.buf.extend_from_slice(wanted.text().as_bytes());
        return out.end_line().map(|_| ExitCode::SUCCESS);
    }
    let options = Options::of(args)?;
    let mut run = Run {
        options: &options,
        out: Output::new(options.output.as_deref(), options.unbuffered)?,
        scratch: LineScratch::default(),
        summary: options.summary.then(Summary::new),
        recording: None,
        stop: Arc::default(),
        n_passed: 0,
        n_suppressed: 0,
        n_malformed: 0,
        source_counts: SourceCounts::default(),
        code: 0,
    };
    let ended = if options.files.is_empty() { run.live() } else { run.files() };
    // What was printed before something went wrong is not lost, and neither are the counts.
    let written = run.recording.as_mut().map_or(Ok(()), Recording::finish);
    let told = run.tell_counts();
    ended.and(written).and(told)?;
    Ok(ExitCode::from(run.code))
}

/// A flag that the first SIGINT or SIGTERM raises; the second ends the process.
fn stop_flag() -> Result<Arc<AtomicBool>> {
    let stop = Arc::new(AtomicBool::new(false));
    for signal in [SIGINT, SIGTERM] {
        signal_hook::flag::register_conditional_shutdown(signal, 1, Arc::clone(&stop))
            .and_then(|_| signal_hook::flag::register(signal, Arc::clone(&stop)))
            .context("cannot install a signal handler")?;
    }
    Ok(stop)
}

impl Run<'_> {
    fn files(&mut self) -> Result<()> {
        self.stop = stop_flag()?;
        self.recording = self.options.recording()?;
        for path in &self.options.files {
            let ended = self.file(path);
            let is_reading = self.out.flush()?;
            if ended? != End::Through || !is_reading {
                break;
            }
        }
        Ok(())
    }

    fn file(&mut self, path: &Path) -> Result<End> {
        let (mut playback, mut progress) =
            self.open(path).map_err(|e| Refusal::of_file(path, &e))?;
        let Limits { rooms, .. } = self.options.bounds;
        playback.set_process_limits(self.options.bounds.of_recording());
        let header = playback.header();
        let exclude_users = self.options.exclude_users;
        let users = if exclude_users { Users::new() } else { crate::savefile_users::users(header) };
        let users = users.bounded(rooms.users());
        let hostname = header.machine.as_ref().map(|m| String::from_utf8_lossy(&m.hostname));
        let hostname = hostname.as_deref().unwrap_or("unknown");
        let numbering = Numbering::Keys { shift: EVT_NUM_SHIFT };
        let mut tracer = self.tracer(users, hostname, numbering, 0)?;
        playback.set_demand(|ty| self.options.demands.of(ty));
        if let Some(recording) = &mut self.recording {
            recording.begin(path, &mut playback)?;
        } else {
            // Starts of calls are shown with their returns.
            playback.look_into(EventSet::all());
        }
        let has_cpus = std::thread::available_parallelism().is_ok_and(|n| n.get() > 1);
        if has_cpus && self.shows_all() {
            return self.events_ahead(path, playback, &mut tracer);
        }
        if has_cpus {
            playback.read_ahead();
        }
        let ended = self.events(path, &mut playback, &mut tracer, progress.as_mut());
        if let Some(progress) = &progress {
            progress.end();
        }
        tell_left_out(path, playback.counts(), playback.findings(), &tracer);
        ended
    }

    /// Whether every frame of the file is made and nothing else is asked of it: then another thread makes them.
    fn shows_all(&self) -> bool {
        let Options { filter, write, progress, unbuffered, max_events, max_ns, .. } = self.options;
        let has_end = max_events.is_some() || max_ns.is_some();
        filter.trim().is_empty() && write.is_none() && !has_end && !progress && !unbuffered
    }

    fn open(&self, path: &Path) -> Result<(Playback, Option<Progress>), SavefileError> {
        if !self.options.progress {
            return Ok((Playback::open_within(path, self.options.bounds.rooms)?, None));
        }
        let io =
            |source| SavefileError::Io { action: format!("opening {}", path.display()), source };
        let (progress, input) = File::open(path).and_then(Progress::of).map_err(io)?;
        let reader = Reader::within(input, self.options.bounds.rooms)?;
        Ok((Playback::new(reader), Some(progress)))
    }

    fn tracer(
        &self,
        users: Users,
        hostname: &str,
        numbering: Numbering,
        clock_offset_ns: i64,
    ) -> Result<Tracer> {
        let Options { suppressed, time, buffers, ports, bounds, .. } = self.options;
        let filter = self.options.compiled_filter()?;
        let asked = filter.iter().flat_map(rules::Filter::fields_used);
        let hears = asked.chain(self.options.format.fields_used()).any(|f| f.field.is_host_name());
        let tracer = Tracer::new(TracerConfig {
            filter,
            suppressed: suppressed.clone(),
            users: Arc::new(users),
            hostname: hostname.into(),
            numbering,
            clock_offset_ns,
            time: *time,
            utc_offset: outputs::local_offset(),
            buffers: *buffers,
            ports: *ports,
            limits: bounds.lineage,
        });
        Ok(if hears { tracer.hearing_answers() } else { tracer })
    }

    fn events(
        &mut self,
        path: &Path,
        playback: &mut Playback,
        tracer: &mut Tracer,
        mut progress: Option<&mut Progress>,
    ) -> Result<End> {
        let Options { max_events, max_ns, .. } = self.options;
        let mut n_passed = 0;
        let mut first_ts = None;
        // Relaxed: the flag says all there is to say.
        while !self.stop.load(Ordering::Relaxed) {
            // What is written on needs every frame.
            let is_written = self.recording.is_some();
            let is_there = playback
                .advance_unless(|header| !is_written && tracer.passes_over(header))
                .with_context(|| path.display().to_string())?;
            if !is_there {
                if let Some(recording) = &mut self.recording {
                    recording.end_of_file(playback)?;
                }
                return Ok(End::Through);
            }
            if let Some(progress) = &mut progress {
                progress.event();
            }
            let Some(played) = playback.last_frame() else { continue };
            let step = tracer.step(played.key, played.frame);
            let Some(fate) = self.count(&step) else { continue };
            let event = match step {
                Ok(Step::Passed(event)) => Some(event),
                _ => None,
            };
            if let Some(event) = &event {
                let ts = event.header().ts;
                let first_ts = *first_ts.get_or_insert(ts);
                if max_ns.is_some_and(|max| ts.saturating_sub(first_ts) >= max) {
                    return Ok(End::Through);
                }
            }
            if let Some(recording) = &mut self.recording {
                recording.frame(playback, fate, played.frame)?;
            }
            let Some(event) = event else { continue };
            n_passed += 1;
            if !self.show(&event)? {
                return Ok(End::ReaderGone);
            }
            if *max_events == Some(n_passed) {
                return Ok(End::Through);
            }
        }
        Ok(End::Interrupted)
    }

    /// The same with the frames made on another thread.
    fn events_ahead(
        &mut self,
        path: &Path,
        playback: Playback,
        tracer: &mut Tracer,
    ) -> Result<End> {
        let mut ahead = FramesAhead::start(playback)?;
        let ended = self.show_ahead(&mut ahead, tracer);
        let ReplayEnd { counts, findings, error, .. } = ahead.finish()?;
        tell_left_out(path, counts, &findings, tracer);
        match (ended?, error) {
            // What came before it is shown.
            (End::Through, Some(e)) => Err(e).with_context(|| path.display().to_string()),
            (end, _) => Ok(end),
        }
    }

    fn show_ahead(&mut self, ahead: &mut FramesAhead, tracer: &mut Tracer) -> Result<End> {
        // Relaxed: the flag says all there is to say.
        while !self.stop.load(Ordering::Relaxed) {
            let batch = match ahead.next() {
                Ahead::Frames(batch) => batch,
                Ahead::None => continue,
                Ahead::End => return Ok(End::Through),
            };
            for (key, frame) in batch.frames() {
                let step = tracer.step(key, frame);
                self.count(&step);
                if let Ok(Step::Passed(event)) = step
                    && !self.show(&event)?
                {
                    return Ok(End::ReaderGone);
                }
            }
            ahead.give_back(batch);
        }
        Ok(End::Interrupted)
    }

    /// Counts what is not shown; says what became of a frame, where it was one.
    #[inline]
    fn count(&mut self, step: &Result<Step<'_>, FrameError>) -> Option<Fate> {
        match step {
            Ok(Step::Passed(_)) => Some(Fate::Passed),
            Ok(Step::Suppressed) => {
                self.n_suppressed += 1;
                Some(Fate::Rejected)
            }
            Ok(Step::Rejected) => Some(Fate::Rejected),
            Ok(Step::StateOnly) => Some(Fate::StateOnly),
            Err(_) => {
                self.n_malformed += 1;
                None
            }
        }
    }

    /// Counts and prints an event that passed; `false` where nobody reads any more.
    #[inline]
    fn show(&mut self, event: &TracedEvent<'_>) -> Result<bool> {
        let Options { quiet, debug, json, format, .. } = self.options;
        self.n_passed += 1;
        if let Some(summary) = &mut self.summary {
            summary.count(event);
        }
        if *quiet || !*debug && event.is_internal() {
            return Ok(true);
        }
        let (out, shown, offset_s) = (&mut self.out.buf, event.shown(), event.utc_offset_s());
        let is_printed = if *json {
            format.print_json(out, &shown, offset_s, &mut self.scratch)
        } else {
            format.print(out, &shown, offset_s, &mut self.scratch)
        };
        if !is_printed {
            return Ok(true);
        }
        event.was_printed();
        self.out.end_line()
    }

    /// What comes at the end: the table of `-S` on stdout, the counts of `-v` on stderr.
    fn tell_counts(&mut self) -> Result<()> {
        if self.options.has_colours {
            self.out.buf.extend_from_slice(RESET);
        }
        if let Some(summary) = &self.summary {
            self.out.buf.extend_from_slice(summary.text().as_bytes());
        }
        let flushed = self.out.flush();
        if self.n_malformed > 0 {
            say(&format!("{} malformed frames were not shown\n", self.n_malformed));
        }
        if self.options.verbose {
            let seconds = cpu_seconds();
            let SourceCounts { n_events, .. } = self.source_counts;
            say(&format!(
                "Driver Events:{n_events}\nDriver Drops:{}\nSuppressed by Comm:{}\nElapsed time: {seconds:.3}, Captured Events: {}, {:.2} eps\n",
                self.source_counts.n_drops(),
                self.n_suppressed,
                self.n_passed,
                self.n_passed as f64 / seconds.max(1e-9),
            ));
        }
        flushed.map(drop)
    }
}

/// Says what of a file could not be read.
fn tell_left_out(path: &Path, counts: ReaderCounts, findings: &Findings, tracer: &Tracer) {
    let left_out = LeftOut { counts, findings, notes: tracer.left_out_notes() };
    if let Some(line) = savefile_errors::left_out(path, left_out) {
        say(&format!("{line}\n"));
    }
}

/// CPU time that the program took.
fn cpu_seconds() -> f64 {
    let t = rustix::time::clock_gettime(rustix::time::ClockId::ProcessCPUTime);
    t.tv_sec as f64 + t.tv_nsec as f64 / 1e9
}
