//! A trace of the running kernel: `KernelSource -> Tracer -> LineFormat -> Output`, beside a command that it started or by itself.

use std::process::ExitStatus;
use std::sync::mpsc::{Receiver, Sender, TryRecvError, channel};
use std::time::{Duration, Instant};

use anyhow::Result;
use bus::Unparker;
use containers::LookupThread;
use perf::Registry;
use stages::{DeferralLimits, Numbering, Step, Tracer, Users};

use super::Run;
use super::command::{Ender, Running, Waiting, exit_code, is_exec_of};
use super::live_demand::probe_options;
use super::live_recording::{LiveRecording, head};
use super::recording::Fate;
use super::source::{KernelSource, LoadedSource, SourceCounts};
use crate::run::say;
use crate::signals::{self, EndWaiter, Ending, Stdout};
use crate::{container_lookups, container_notes};

/// How long a command has to end by itself after a signal: a terminal gives it Ctrl-C, too.
const PATIENCE: Duration = Duration::from_secs(1);

/// What other threads have to tell.
enum News {
    Ending(Ending),
    CommandEnded(std::io::Result<ExitStatus>),
}

/// What a trace waits for beside events.
struct Wishes {
    news: Receiver<News>,
    /// When to end whatever comes.
    deadline: Option<Instant>,
    /// The command while it runs.
    command: Option<Ender>,
    status: Option<ExitStatus>,
    /// After a signal: when the command shall be asked to end, and then be left alone.
    patience: Option<Instant>,
    was_asked: bool,
}

/// What there is to do.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Wish {
    GoOn,
    /// Capture no more, and show what was captured.
    Stop,
    /// Nobody reads any more.
    Leave,
}

impl Run<'_> {
    /// Traces until there is a reason to end.
    pub(super) fn live(&mut self) -> Result<()> {
        let options = self.options;
        let command = options.command.as_deref().map(Waiting::new).transpose()?;
        let pid = command.as_ref().map(Waiting::pid);
        let stdout = if options.quiet || options.output.is_some() {
            Stdout::Unused
        } else {
            Stdout::Watched
        };
        let (ending, _end) = signals::install(stdout)?;
        let loaded = LoadedSource::load(probe_options(options, pid))?;
        // Whoever may not capture leaves no empty file.
        let mut recording = options.live_recording()?;
        for (program, why) in loaded.refused() {
            say(&format!("peregrine: {program} is not seen: the kernel refused it: {why}\n"));
        }
        let offset_ns = perf::realtime_offset_ns();
        let mut source = loaded.attach(|seeds| match &mut recording {
            Some(recording) => recording.begin(offset_ns, pid, seeds),
            None => Ok(()),
        })?;
        let users = if options.exclude_users { Users::new() } else { crate::host::users() };
        let hostname = crate::host::hostname();
        let mut tracer = self.tracer(users, &hostname, Numbering::Counted, offset_ns)?;
        let _runtimes = self.ask_runtimes(&mut tracer, recording.as_mut())?;
        let (tell, news) = channel();
        watch(ending, tell.clone(), source.unparker());
        let command = command.map(Waiting::release).transpose()?;
        let command = command.map(|c| wait_for(c, tell, source.unparker())).transpose()?;
        let max = options.max_ns.map(Duration::from_nanos);
        let mut wishes = Wishes {
            news,
            deadline: max.and_then(|max| Instant::now().checked_add(max)),
            command,
            status: None,
            patience: None,
            was_asked: false,
        };
        let mut look = Look { tracer: &mut tracer, recording, offset_ns, hidden_until: pid };
        let done = self.read(&mut source, &mut look, &mut wishes);
        self.source_counts = source.finish();
        let written = look.recording.as_mut().map_or(Ok(()), LiveRecording::finish);
        tell_drops(&self.source_counts);
        let flushed = self.out.flush();
        wishes.wait_for_command();
        self.code = wishes.code();
        done.and(written).and(flushed.map(drop))
    }

    /// Starts the thread that asks container runtimes, where something reads what only they know, or is to be read from the recording.
    fn ask_runtimes(
        &self,
        tracer: &mut Tracer,
        recording: Option<&mut LiveRecording>,
    ) -> Result<Option<LookupThread>> {
        let Some(runtimes) = &self.options.runtimes else { return Ok(None) };
        tracer.wait_for_containers(DeferralLimits::default().max_wait);
        // Nobody looks at the counts of a trace.
        let mut counts = Registry::new();
        let (lineage, runtimes) = (tracer.lineage(), runtimes.clone());
        let told = recording.map(|recording| {
            let (told, notes) = container_notes::channel();
            recording.tell_containers(notes);
            told
        });
        container_lookups::start(runtimes, lineage, Vec::new(), told, &mut counts).map(Some)
    }

    /// Shows what comes until there is a reason to end, then what came before that.
    fn read(
        &mut self,
        source: &mut KernelSource,
        look: &mut Look<'_>,
        wishes: &mut Wishes,
    ) -> Result<()> {
        let mut is_stopped = false;
        loop {
            let has_frames = source.fill();
            if has_frames && !self.window(source, look)? {
                return Ok(());
            }
            // Whoever looks on sees each line when it has happened.
            if !self.out.flush()? {
                return Ok(());
            }
            if is_stopped {
                if !has_frames && source.is_finished() {
                    return Ok(());
                }
            } else {
                match wishes.next() {
                    Wish::GoOn => {}
                    Wish::Leave => return Ok(()),
                    Wish::Stop => {
                        source.stop();
                        is_stopped = true;
                    }
                }
            }
            if !has_frames {
                source.idle();
            }
        }
    }

    /// Shows and writes the frames at hand; `false` where no more are wanted.
    fn window(&mut self, source: &KernelSource, look: &mut Look<'_>) -> Result<bool> {
        for (key, frame) in source.frames() {
            let Look { tracer, recording, offset_ns, hidden_until } = &mut *look;
            let Some((ty, ts)) = head(frame) else {
                self.n_malformed += 1;
                continue;
            };
            if let Some(pid) = *hidden_until {
                if !is_exec_of(frame, pid) {
                    self.n_malformed += u64::from(tracer.follow(key, frame).is_err());
                    if let Some(recording) = recording {
                        recording.before_all(frame)?;
                    }
                    continue;
                }
                *hidden_until = None;
            }
            let epoch_ns = perf::to_epoch_ns(ts, *offset_ns);
            let is_due = recording.as_ref().is_some_and(|r| r.is_due(epoch_ns));
            // Of a process that ends with it a file has to know, too.
            let before = (is_due && tracer.may_change_state(ty)).then(|| tracer.processes());
            let mut is_reading = true;
            let fate = match tracer.step(key, frame) {
                Ok(Step::Passed(event)) => {
                    is_reading = self.show(&event)?;
                    Fate::Passed
                }
                Ok(Step::Suppressed) => {
                    self.n_suppressed += 1;
                    Fate::Rejected
                }
                Ok(Step::Rejected) => Fate::Rejected,
                Ok(Step::StateOnly) => Fate::StateOnly,
                Err(_) => {
                    self.n_malformed += 1;
                    continue;
                }
            };
            if let Some(recording) = recording {
                recording.frame(fate, frame, || before.unwrap_or_else(|| tracer.processes()))?;
            }
            let is_last = fate == Fate::Passed && self.options.max_events == Some(self.n_passed);
            if !is_reading || is_last {
                return Ok(false);
            }
        }
        Ok(true)
    }
}

/// Where a live trace stands.
struct Look<'t> {
    tracer: &'t mut Tracer,
    recording: Option<LiveRecording>,
    offset_ns: i64,
    /// Nothing is shown before this process has become the command.
    hidden_until: Option<u32>,
}

impl Wishes {
    fn next(&mut self) -> Wish {
        let now = Instant::now();
        if self.deadline.is_some_and(|deadline| now >= deadline) {
            return Wish::Stop;
        }
        match self.news.try_recv() {
            Ok(News::Ending(Ending::ReaderGone)) => return Wish::Leave,
            Ok(News::Ending(Ending::Signal)) if self.command.is_none() => return Wish::Stop,
            Ok(News::Ending(Ending::Signal)) => self.patience = Some(now + PATIENCE),
            Ok(News::CommandEnded(status)) => {
                self.ended(status);
                return Wish::Stop;
            }
            Err(TryRecvError::Empty) => {}
            Ok(News::Ending(Ending::SourceEnded | Ending::EventsDropped))
            | Err(TryRecvError::Disconnected) => {
                return Wish::Stop;
            }
        }
        if self.is_out_of_patience(now) { Wish::Stop } else { Wish::GoOn }
    }

    fn ended(&mut self, status: std::io::Result<ExitStatus>) {
        self.command = None;
        self.status = status.ok();
    }

    /// Whether the command neither ends after a signal nor when it is asked to, which happens here.
    fn is_out_of_patience(&mut self, now: Instant) -> bool {
        let (Some(until), Some(command)) = (self.patience, &self.command) else { return false };
        if now < until {
            return false;
        }
        if !self.was_asked {
            command.terminate();
            self.was_asked = true;
            self.patience = Some(now + PATIENCE);
            return false;
        }
        true
    }

    /// Where the trace has ended before the command: its user wants its work done, and its exit code.
    fn wait_for_command(&mut self) {
        while self.command.is_some() && !self.is_out_of_patience(Instant::now()) {
            match self.news.recv_timeout(PATIENCE / 10) {
                Ok(News::CommandEnded(status)) => self.ended(status),
                Ok(News::Ending(Ending::Signal)) => {
                    self.patience = Some(Instant::now() + PATIENCE);
                }
                Ok(News::Ending(_)) | Err(_) => {}
            }
        }
    }

    fn code(&self) -> u8 {
        match (&self.command, self.status) {
            (_, Some(status)) => exit_code(status),
            (None, None) => 0,
            // It goes on.
            (Some(_), None) => 1,
        }
    }
}

/// Waits for reasons to end on a thread of its own, which ends with the process.
fn watch(mut ending: EndWaiter, tell: Sender<News>, waker: Unparker) {
    drop(std::thread::spawn(move || {
        loop {
            let why = ending.wait();
            if why == Ending::ReaderGone {
                ending.forget_stdout();
            }
            let is_over = tell.send(News::Ending(why)).is_err() || why == Ending::SourceEnded;
            waker.wake();
            if is_over {
                return;
            }
        }
    }));
}

/// Waits for a command on a thread of its own.
fn wait_for(command: Running, tell: Sender<News>, waker: Unparker) -> Result<Ender> {
    let ender = command.ender()?;
    drop(std::thread::spawn(move || {
        let _nobody_waits = tell.send(News::CommandEnded(command.wait()));
        waker.wake();
    }));
    Ok(ender)
}

/// Says what was lost: it is never silent.
fn tell_drops(counts: &SourceCounts) {
    if counts.drops.is_empty() {
        return;
    }
    let causes: Vec<String> = counts.drops.iter().map(|(why, n)| format!("{why} {n}")).collect();
    say(&format!(
        "peregrine: {} events were lost beside the {} that were captured: {}. A filter that names event types, or a faster reader, loses fewer\n",
        counts.n_drops(),
        counts.n_events,
        causes.join(", ")
    ));
}
