//! A trace of the running kernel: `KernelSource -> Tracer -> LineFormat -> Output`.

use std::sync::mpsc::{Receiver, TryRecvError, channel};
use std::time::{Duration, Instant};

use anyhow::Result;
use stages::{Numbering, Step, Tracer};

use super::Run;
use super::live_demand::probe_options;
use super::source::{KernelSource, LoadedSource, SourceCounts};
use crate::run::say;
use crate::signals::{self, EndWaiter, Ending, Stdout};

/// What a live trace has come to.
struct Reading<'s> {
    source: &'s mut KernelSource,
    endings: Receiver<Ending>,
    /// When to end.
    deadline: Option<Instant>,
    /// No more is captured; what was is being read.
    is_stopped: bool,
}

impl Run<'_> {
    /// Traces until there is a reason to end.
    pub(super) fn live(&mut self) -> Result<()> {
        let options = self.options;
        let stdout = if options.quiet { Stdout::Unused } else { Stdout::Watched };
        let (ending, _end) = signals::install(stdout)?;
        let loaded = LoadedSource::load(probe_options(options, None))?;
        for (program, why) in loaded.refused() {
            say(&format!(
                "peregrine: {program} is not seen, the kernel refused its program: {why}\n"
            ));
        }
        let offset_ns = perf::realtime_offset_ns();
        let mut source = loaded.attach(|_seeds| Ok(()))?;
        let users = if options.exclude_users { stages::Users::new() } else { crate::host::users() };
        let hostname = crate::host::hostname();
        let mut tracer = self.tracer(users, &hostname, Numbering::Counted, offset_ns)?;
        let endings = watch(ending, &source);
        let max = options.max_ns.map(Duration::from_nanos);
        let deadline = max.and_then(|max| Instant::now().checked_add(max));
        let reading = Reading { source: &mut source, endings, deadline, is_stopped: false };
        let done = self.read(reading, &mut tracer);
        let counts = source.finish();
        tell_drops(&counts);
        self.source_counts = counts;
        done
    }

    /// Shows what comes until there is a reason to end, then what came before that.
    fn read(&mut self, mut reading: Reading<'_>, tracer: &mut Tracer) -> Result<()> {
        loop {
            let has_frames = reading.source.fill();
            if has_frames && !self.window(reading.source, tracer)? {
                return Ok(());
            }
            // Whoever looks on sees each line when it has happened.
            if !self.out.flush()? {
                return Ok(());
            }
            if !has_frames && reading.is_stopped && reading.source.is_finished() {
                return Ok(());
            }
            match reading.ending() {
                Some(Ending::ReaderGone) => return Ok(()),
                Some(Ending::Signal | Ending::SourceEnded) => reading.stop(),
                None if !has_frames => reading.source.idle(),
                None => {}
            }
        }
    }

    /// Shows the frames at hand; `false` where no more are wanted.
    fn window(&mut self, source: &KernelSource, tracer: &mut Tracer) -> Result<bool> {
        for (key, frame) in source.frames() {
            match tracer.step(key, frame) {
                Ok(Step::Passed(event)) => {
                    if !self.show(&event)? {
                        return Ok(false);
                    }
                    if self.options.max_events == Some(self.n_passed) {
                        return Ok(false);
                    }
                }
                Ok(Step::Suppressed) => self.n_suppressed += 1,
                Ok(Step::Rejected | Step::StateOnly) => {}
                Err(_) => self.n_malformed += 1,
            }
        }
        Ok(true)
    }
}

impl Reading<'_> {
    /// A reason to end, once.
    fn ending(&mut self) -> Option<Ending> {
        if self.is_stopped {
            return None;
        }
        if self.deadline.is_some_and(|deadline| Instant::now() >= deadline) {
            return Some(Ending::SourceEnded);
        }
        match self.endings.try_recv() {
            Ok(ending) => Some(ending),
            Err(TryRecvError::Empty) => None,
            Err(TryRecvError::Disconnected) => Some(Ending::SourceEnded),
        }
    }

    fn stop(&mut self) {
        self.source.stop();
        self.is_stopped = true;
    }
}

/// Waits for reasons to end on a thread of its own, which ends with the process.
fn watch(ending: EndWaiter, source: &KernelSource) -> Receiver<Ending> {
    let (tx, endings) = channel();
    let waker = source.unparker();
    drop(std::thread::spawn(move || {
        loop {
            let why = ending.wait();
            let is_last = why != Ending::Signal;
            if tx.send(why).is_err() || is_last {
                waker.wake();
                return;
            }
            waker.wake();
        }
    }));
    endings
}

/// Says what was lost: it is never silent.
fn tell_drops(counts: &SourceCounts) {
    if counts.drops.is_empty() {
        return;
    }
    let causes: Vec<String> = counts.drops.iter().map(|(why, n)| format!("{why} {n}")).collect();
    say(&format!(
        "peregrine: {} events were lost, {} were read ({}): a filter that names event types, or a reader that is faster, leaves fewer\n",
        counts.n_drops(),
        counts.n_events,
        causes.join(", ")
    ));
}
