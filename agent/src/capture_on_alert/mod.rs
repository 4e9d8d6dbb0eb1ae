//! Recordings around alerts (`capture.enabled`): the last seconds are kept in memory, and an alert of a rule with `capture: true` makes a
//! file of them that goes on until its time is over.
//!
//! ```text
//! Waiting --an alert that begins one--> Beginning --lists are written--> Recording --time, size, stop, failure--> Waiting
//! ```
//! One recording at a time; every further alert prolongs it. What stands before the events is read by a thread of its own, so the pipeline
//! does not wait for `/proc`; what happens meanwhile stays in the window, which then is bound in bytes alone.

mod containers;
mod file;
mod meters;
mod notice;
mod window;

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::mpsc::Receiver;
use std::thread::JoinHandle;

use bus::{Key, Unparker};
use event::{Frame, flags};
use perf::{Registry, to_epoch_ns};
use rules::{Alert, AlertValue, Priority};

use crate::config::CaptureOnAlert;
use crate::give_back::GiveBack;
use crate::internal_alerts::{self, InternalAlerts};
use crate::run::say;
use crate::sandbox::{Outside, explained};
use crate::savefile_errors;
use containers::KnownContainers;
use file::FileWriter;
use meters::Meters;
pub(crate) use meters::RAISED;
use notice::Notice;
pub(crate) use notice::Teller;
use window::{Kept, Window, WindowLimits};

/// Without events a recording ends by the clock; those that are on their way get this much time.
const GRACE_NS: u64 = 500_000_000;
/// The window is as much longer than what is recorded of it: an alert comes after its event, later still where a runtime was asked.
const ALERT_TAKES_NS: u64 = 1_000_000_000;

/// Why a recording has ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum End {
    Time,
    Size,
    Stop,
}

enum State {
    Waiting,
    Beginning { of: Span, path: PathBuf, lists: JoinHandle<Result<FileWriter, String>> },
    Recording { of: Span, path: PathBuf, writer: Box<FileWriter> },
}

/// What a recording covers, in ns since the epoch.
#[derive(Clone, Copy, Debug)]
struct Span {
    alert: u64,
    from_ns: u64,
    until_ns: u64,
}

/// What recordings are made with.
pub(crate) struct Means {
    pub(crate) realtime_offset_ns: i64,
    pub(crate) internal: InternalAlerts,
    /// Wakes the thread that feeds the capture.
    pub(crate) recorder: Unparker,
    /// Frames that are counted on one side first.
    pub(crate) slack: u64,
    pub(crate) outside: Outside,
    pub(crate) give_back: GiveBack,
}

/// Keeps the window, and records around alerts.
pub(crate) struct AlertCapture {
    config: CaptureOnAlert,
    realtime_offset_ns: i64,
    window: Window,
    containers: KnownContainers,
    state: State,
    alerts: Receiver<Notice>,
    internal: Option<InternalAlerts>,
    meters: Meters,
    has_told_failure: bool,
    /// Lists are of other processes.
    outside: Outside,
    give_back: GiveBack,
}

impl AlertCapture {
    /// Gives beside itself what is to be called with every alert.
    pub(crate) fn new(
        config: &CaptureOnAlert,
        means: Means,
        registry: &mut Registry,
    ) -> (Self, Teller) {
        let Means { realtime_offset_ns, internal, recorder, slack, outside, give_back } = means;
        let meters = Meters::register(registry, slack);
        let (teller, alerts) =
            notice::channel(config.clone(), recorder, Arc::clone(&meters.unheard));
        let window = Window::new(WindowLimits {
            span_ns: u64::try_from(config.before.as_nanos())
                .unwrap_or(u64::MAX)
                .saturating_add(ALERT_TAKES_NS),
            max_bytes: config.before_bytes,
        });
        let capture = Self {
            config: config.clone(),
            realtime_offset_ns,
            window,
            containers: KnownContainers::default(),
            state: State::Waiting,
            alerts,
            internal: Some(internal),
            meters,
            has_told_failure: false,
            outside,
            give_back,
        };
        (capture, teller)
    }

    /// Keeps a frame, and writes it where a recording is under way. Frames come in the order of their keys.
    pub(crate) fn frame(&mut self, key: Key, bytes: &[u8]) {
        let Self { window, state, meters, .. } = self;
        meters.received.add(1);
        let Ok(frame) = Frame::parse(bytes) else {
            meters.bad_frame.add(1);
            return;
        };
        if frame.has(flags::SEED) {
            // Lists have what was there before.
            meters.from_before.add(1);
            return;
        }
        let kept = Kept { key, ts: frame.header().ts, bytes };
        let n_evicted = window.push(kept, matches!(state, State::Beginning { .. }));
        meters.evicted.add(n_evicted as u64);
        meters.kept.set(window.len() as u64);
        self.record(&frame);
    }

    /// Keeps what a runtime told of a container, and writes it where a recording is under way.
    pub(crate) fn container(&mut self, bytes: &[u8]) {
        let n_forgotten = self.containers.keep(bytes);
        self.meters.containers_forgotten.add(n_forgotten);
        if let Ok(frame) = Frame::parse(bytes) {
            self.record(&frame);
        }
    }

    /// Writes a frame where a recording is under way, or ends it.
    fn record(&mut self, frame: &Frame<'_>) {
        let State::Recording { of, writer, .. } = &mut self.state else { return };
        let epoch_ns = to_epoch_ns(frame.header().ts, self.realtime_offset_ns);
        // The time before the size: a file that is complete was not cut short.
        if epoch_ns > of.until_ns {
            self.end(End::Time);
        } else if self.config.max_file_mb.is_some_and(|mb| writer.n_bytes() >= mb << 20) {
            self.end(End::Size);
        } else {
            match writer.frame(frame) {
                Ok(()) => self.meters.written.add(1),
                Err(e) => {
                    let State::Recording { path, .. } =
                        std::mem::replace(&mut self.state, State::Waiting)
                    else {
                        return;
                    };
                    // The file ends with its last whole block.
                    self.fail(&savefile_errors::of_recording(&path, &e));
                }
            }
        }
    }

    /// Hears of alerts and looks after the recording under way; gives whether there was anything to do. `is_idle`: all frames up to this
    /// moment, on the boot clock, were given.
    pub(crate) fn step(&mut self, now_ns: u64, is_idle: bool) -> bool {
        let mut has_worked = false;
        while let Ok(notice) = self.alerts.try_recv() {
            self.heed(notice);
            has_worked = true;
        }
        if matches!(&self.state, State::Beginning { lists, .. } if lists.is_finished()) {
            self.go_on();
            has_worked = true;
        }
        if let State::Recording { of, .. } = &self.state
            && is_idle
            && to_epoch_ns(now_ns, self.realtime_offset_ns) > of.until_ns.saturating_add(GRACE_NS)
        {
            self.end(End::Time);
            has_worked = true;
        }
        has_worked
    }

    /// What an alert asks for.
    fn heed(&mut self, notice: Notice) {
        match &mut self.state {
            State::Beginning { of, .. } | State::Recording { of, .. } => {
                of.until_ns = of.until_ns.max(notice.until_ns);
            }
            State::Waiting if notice.begins => self.begin(notice),
            State::Waiting => {}
        }
    }

    fn begin(&mut self, notice: Notice) {
        let Notice { evt_num, ts_ns, until_ns, begins: _ } = notice;
        let before_ns = u64::try_from(self.config.before.as_nanos()).unwrap_or(u64::MAX);
        let of = Span { alert: evt_num, from_ns: ts_ns.saturating_sub(before_ns), until_ns };
        let path = file::path(&self.config.path_prefix, &notice);
        self.meters.begun.add(1);
        let lists = file::create(&path).and_then(|file| {
            let (path, offset) = (path.clone(), self.realtime_offset_ns);
            self.outside
                .spawn("rec-lists", move || file::begin(&path, file, offset))
                .map_err(|e| format!("cannot start a thread for a recording: {e}"))
        });
        match lists {
            Ok(lists) => {
                self.meters.open.set(1);
                self.state = State::Beginning { of, path, lists };
            }
            Err(why) => self.fail(&why),
        }
    }

    /// The lists are written: from the window on.
    fn go_on(&mut self) {
        let (of, path, lists) = match std::mem::replace(&mut self.state, State::Waiting) {
            State::Beginning { of, path, lists } => (of, path, lists),
            other => {
                self.state = other;
                return;
            }
        };
        let writer = match lists.join() {
            Ok(Ok(writer)) => Box::new(writer),
            Ok(Err(why)) => return self.fail(&why),
            Err(_) => {
                return self
                    .fail(&format!("cannot write {}: reading /proc panicked", path.display()));
            }
        };
        self.state = State::Recording { of, path, writer };
        let window = std::mem::replace(
            &mut self.window,
            Window::new(WindowLimits { span_ns: 0, max_bytes: 0 }),
        );
        if window.frames().next().is_some_and(|oldest| oldest.key.0 > of.alert) {
            self.meters.without_alert.add(1);
        }
        let containers = std::mem::take(&mut self.containers);
        for frame in containers.frames().filter_map(|bytes| Frame::parse(bytes).ok()) {
            self.record(&frame);
        }
        self.containers = containers;
        for Kept { ts, bytes, .. } in window.frames() {
            if to_epoch_ns(ts, self.realtime_offset_ns) >= of.from_ns
                && let Ok(frame) = Frame::parse(bytes)
            {
                self.record(&frame);
            }
        }
        self.window = window;
    }

    fn end(&mut self, why: End) {
        let State::Recording { path, writer, .. } =
            std::mem::replace(&mut self.state, State::Waiting)
        else {
            return;
        };
        let n_bytes = writer.n_bytes();
        if let Err(e) = writer.finish() {
            return self.fail(&savefile_errors::of_recording(&path, &e));
        }
        self.meters.open.set(0);
        self.give_back.after_a_burst();
        match why {
            End::Time => self.meters.by_time.add(1),
            End::Stop => self.meters.by_stop.add(1),
            End::Size => {
                self.meters.by_size.add(1);
                self.raise_limit_reached(n_bytes);
            }
        }
    }

    /// A failure is told once and counted each time; alerting goes on.
    fn fail(&mut self, why: &str) {
        self.meters.open.set(0);
        self.meters.failed.add(1);
        if !std::mem::replace(&mut self.has_told_failure, true) {
            let why = explained(why);
            say(&format!("peregrine: {why}; further failures of `capture` are counted only\n"));
        }
    }

    fn raise_limit_reached(&mut self, n_bytes: u64) {
        let ts_ns = to_epoch_ns(perf::boot_now_ns(), self.realtime_offset_ns);
        let alert = limit_reached(self.config.max_file_mb.unwrap_or(0), n_bytes, ts_ns);
        if self.internal.as_mut().is_some_and(|internal| internal.raise(alert)) {
            self.meters.raised.add(1);
        }
    }

    /// No frame follows, and no alert of this capture.
    pub(crate) fn no_more_frames(&mut self) {
        self.internal = None;
    }

    /// Hears the alerts that are still to come, then closes the file. Whoever tells of alerts ends once [`Self::no_more_frames`] was said.
    pub(crate) fn finish(mut self) {
        self.no_more_frames();
        while let Ok(notice) = self.alerts.recv() {
            self.heed(notice);
        }
        self.go_on();
        self.end(End::Stop);
        let n = self.window.clear();
        self.meters.evicted.add(n as u64);
        self.meters.kept.set(0);
    }
}

/// The alert that says that a file has become too large.
fn limit_reached(max_mb: u64, n_bytes: u64, ts_ns: u64) -> Alert {
    let name = "Falco internal: capture size limit reached";
    let output = format!("{name} (max_file_size_mb={max_mb} written_bytes={n_bytes})");
    let fields = vec![
        ("max_file_size_mb".into(), AlertValue::U64(max_mb)),
        ("written_bytes".into(), AlertValue::U64(n_bytes)),
    ];
    internal_alerts::alert(name, Priority::Informational, output, fields, ts_ns)
}

#[cfg(test)]
mod tests;
