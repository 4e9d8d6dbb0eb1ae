//! Recordings of the run: one more lane per capture thread, merged by key into the savefile of `-w FILE` and for the recordings around alerts.

use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::{Context as _, Result, anyhow};
use bus::{LaneRx, Waiter, Watermark};
use capture::savefile::{
    Compression, DescriptorList, DescriptorTarget, Group, Machine, SavefileError, User, Writer,
};
use capture::{OpenDescriptors, Seeds};
use event::{Frame, FrameHeader, flags};
use perf::{Counter, Hop, Registry};
use stages::Merge;

use crate::capture_on_alert::AlertCapture;
use crate::container_notes::ContainerNotes;
use crate::run::say;
use crate::savefile_errors;

/// Types of descriptors in a list: files, the last that every reader knows, and what has no type of its own.
const LAST_KNOWN_TO_ALL: u8 = 16;
const UNSUPPORTED: u8 = 10;

/// Frames that are merged before they are written.
pub(crate) const WINDOW: usize = 1024;

/// Records what the capture threads copy into its lanes.
pub(crate) struct Recorder {
    merge: Merge,
    waiter: Waiter,
    whole_run: Option<WholeRun>,
    on_alert: Option<AlertCapture>,
    containers: Option<ContainerNotes>,
    /// Time of the last event; none before the first.
    last_ts: Option<u64>,
}

/// `-w FILE`.
pub(crate) struct WholeRun {
    writer: Option<Writer<BufWriter<File>>>,
    meters: RecorderMeters,
    path: PathBuf,
    error: Option<String>,
}

#[derive(Debug)]
struct RecorderMeters {
    received: Arc<Counter>,
    written: Arc<Counter>,
    bad_frame: Arc<Counter>,
    write_error: Arc<Counter>,
}

/// What a recorder found when it was done.
#[derive(Debug)]
pub(crate) struct RecorderEnd {
    /// The first thing that went wrong.
    pub(crate) error: Option<String>,
}

impl RecorderMeters {
    fn register(registry: &mut Registry) -> Self {
        let meters = Self {
            received: registry.counter("recorder.received"),
            written: registry.counter("recorder.written"),
            bad_frame: registry.counter("recorder.bad_frame"),
            write_error: registry.counter("recorder.write_error"),
        };
        registry.hop(
            Hop::new("recorder")
                .input("recorder.received")
                .output("recorder.written")
                .dropped("bad_frame", "recorder.bad_frame")
                .dropped("write_error", "recorder.write_error")
                .slack(WINDOW as u64),
        );
        meters
    }
}

/// A recorder's file, before there are lanes to record from.
pub(crate) struct RecorderParts {
    path: PathBuf,
    file: File,
    writer: Option<Writer<BufWriter<File>>>,
}

impl RecorderParts {
    /// Creates the file.
    pub(crate) fn create(path: &Path) -> Result<Self> {
        let file = File::create(path)
            .with_context(|| format!("cannot write the savefile {}", path.display()))?;
        Ok(Self { path: path.to_owned(), file, writer: None })
    }

    /// Writes what stands before the first event.
    pub(crate) fn begin(self, realtime_offset_ns: i64, seeds: &Seeds) -> Result<Self> {
        let Self { path, file, writer: _ } = self;
        let context = || format!("cannot write the savefile {}", path.display());
        let out = BufWriter::with_capacity(256 << 10, file.try_clone().with_context(context)?);
        let broken = |e: SavefileError| anyhow!(savefile_errors::of_recording(&path, &e));
        let mut writer = begun(out, Compression::None, true, realtime_offset_ns).map_err(broken)?;
        writer.threads(seeds.threads());
        writer.open_descriptors(open_descriptors(&seeds.pids()));
        Ok(Self { path, file, writer: Some(writer) })
    }
}

impl WholeRun {
    pub(crate) fn new(parts: RecorderParts, registry: &mut Registry) -> Self {
        let RecorderParts { path, file: _, writer } = parts;
        let meters = RecorderMeters::register(registry);
        Self { writer, meters, path, error: None }
    }

    fn frame(&mut self, bytes: &[u8]) {
        let Self { writer, meters, path, error } = self;
        let Ok(frame) = Frame::parse(bytes) else {
            meters.bad_frame.add(1);
            return;
        };
        match writer.as_mut().map(|w| w.frame(&frame)) {
            Some(Ok(())) => meters.written.add(1),
            None => meters.write_error.add(1),
            Some(Err(e)) => {
                meters.write_error.add(1);
                *error = Some(savefile_errors::of_recording(path, &e));
                // The file ends with its last whole block; alerting goes on.
                *writer = None;
            }
        }
    }

    /// Writes what a runtime told of a container.
    fn container(&mut self, bytes: &[u8]) {
        let Self { writer, path, error, meters: _ } = self;
        let Ok(frame) = Frame::parse(bytes) else { return };
        if let Some(Err(e)) = writer.as_mut().map(|w| w.frame(&frame)) {
            *error = Some(savefile_errors::of_recording(path, &e));
            *writer = None;
        }
    }

    fn finish(self) -> RecorderEnd {
        let Self { writer, path, mut error, .. } = self;
        if let Some(Err(e)) = writer.map(Writer::finish) {
            error = Some(savefile_errors::of_recording(&path, &e));
        }
        RecorderEnd { error }
    }
}

impl Recorder {
    pub(crate) fn new(
        whole_run: Option<WholeRun>,
        on_alert: Option<AlertCapture>,
        containers: Option<ContainerNotes>,
        lanes: Vec<LaneRx>,
        watermarks: Vec<Arc<Watermark>>,
        waiter: Waiter,
    ) -> Self {
        let merge = Merge::new(lanes, watermarks, WINDOW);
        Self { merge, waiter, whole_run, on_alert, containers, last_ts: None }
    }

    /// Records a window of frames; gives whether there was anything to do.
    pub(crate) fn poll_once(&mut self) -> bool {
        let Self { merge, whole_run, on_alert, containers, last_ts, waiter: _ } = self;
        let bound = merge.bound();
        merge.fill(bound);
        let is_idle = merge.is_empty();
        let heard = on_alert.as_mut().is_some_and(|c| c.step(perf::boot_now_ns(), is_idle));
        if is_idle {
            return heard;
        }
        if let Some(whole_run) = whole_run {
            whole_run.meters.received.add(merge.len() as u64);
            for (_, bytes) in merge.frames() {
                whole_run.frame(bytes);
            }
        }
        if let Some(on_alert) = on_alert {
            for (key, bytes) in merge.frames() {
                on_alert.frame(key, bytes);
            }
        }
        *last_ts = merge.frames().filter_map(|(_, bytes)| event_time(bytes)).last().or(*last_ts);
        merge.clear();
        // Not among the processes from before, which make a list.
        if let (Some(containers), Some(ts)) = (containers, *last_ts) {
            while let Some(frame) = containers.next(ts) {
                if let Some(whole_run) = whole_run {
                    whole_run.container(frame);
                }
                if let Some(on_alert) = on_alert {
                    on_alert.container(frame);
                }
            }
        }
        true
    }

    /// Whether every capture thread has ended and every frame is recorded. Once it says so, it raises no alert of its own any more.
    pub(crate) fn is_finished(&mut self) -> bool {
        let is_finished = self.merge.is_finished();
        if let (true, Some(on_alert)) = (is_finished, &mut self.on_alert) {
            on_alert.no_more_frames();
        }
        is_finished
    }

    /// Records until every capture thread has ended, then closes the files.
    pub(crate) fn run(mut self) -> RecorderEnd {
        loop {
            if self.poll_once() {
                self.waiter.reset();
            } else if self.is_finished() {
                return self.finish();
            } else {
                self.waiter.idle();
            }
        }
    }

    /// Closes the files, once whoever delivers alerts has ended.
    pub(crate) fn finish(self) -> RecorderEnd {
        let Self { whole_run, on_alert, .. } = self;
        if let Some(on_alert) = on_alert {
            on_alert.finish();
        }
        whole_run.map_or(RecorderEnd { error: None }, WholeRun::finish)
    }
}

/// Time of a frame on the boot clock, unless it is of before the events.
fn event_time(bytes: &[u8]) -> Option<u64> {
    let header = FrameHeader::from_bytes(bytes.first_chunk()?);
    (header.flags & flags::SEED == 0).then_some(header.ts)
}

/// What processes have open, for the lists of a recording. Types that came later are listed as one that all readers of the format know:
/// the older Sysdig refuses the whole file for one bpf descriptor.
pub(crate) fn open_descriptors(pids: &[u32]) -> Vec<DescriptorList> {
    let OpenDescriptors { mut lists, n_left_out } = OpenDescriptors::of(pids);
    if let Some(line) = savefile_errors::unlisted(n_left_out) {
        say(&format!("{line}\n"));
    }
    for entry in lists.iter_mut().flat_map(|list| &mut list.entries) {
        if let DescriptorTarget::Named { number, .. } = &mut entry.target
            && *number > LAST_KNOWN_TO_ALL
        {
            *number = UNSUPPORTED;
        }
    }
    lists
}

/// Begins a recording of the running machine, whose calls have starts: all that stands before processes and descriptors.
pub(crate) fn begun<W: Write>(
    out: W,
    compression: Compression,
    has_users: bool,
    realtime_offset_ns: i64,
) -> Result<Writer<W>, SavefileError> {
    // The offset is that of a clock started at boot, so it is positive on any machine whose clock is set.
    let offset = realtime_offset_ns.max(0) as u64;
    let (users, groups) = if has_users { accounts() } else { Default::default() };
    let writer = Writer::new(out, compression, &machine(offset), &users, &groups, offset)?;
    let mut writer = writer.with_enters();
    // Without interfaces a recording is one all the same.
    writer.interfaces(&capture::interfaces().unwrap_or_default())?;
    Ok(writer)
}

fn machine(boot_ts_epoch_ns: u64) -> Machine {
    let read_number = |path: &str| {
        std::fs::read_to_string(path).ok().and_then(|s| s.trim().parse().ok()).unwrap_or(0)
    };
    let memory_kib = std::fs::read_to_string("/proc/meminfo").ok().and_then(|text| {
        text.lines().find_map(|l| {
            l.strip_prefix("MemTotal:")?.split_whitespace().next()?.parse::<u64>().ok()
        })
    });
    Machine {
        n_cpus: std::thread::available_parallelism().map_or(1, |n| n.get() as u32),
        memory_bytes: memory_kib.unwrap_or(0) * 1024,
        max_pid: read_number("/proc/sys/kernel/pid_max"),
        hostname: crate::host::hostname().into_bytes(),
        boot_ts_epoch_ns,
    }
}

fn accounts() -> (Vec<User>, Vec<Group>) {
    let lines = |path: &str| std::fs::read_to_string(path).unwrap_or_default();
    let users = lines("/etc/passwd");
    let users = users.lines().filter_map(|line| {
        let mut part = line.split(':');
        let (name, _, uid, gid) = (part.next()?, part.next()?, part.next()?, part.next()?);
        let (_, home, shell) = (part.next()?, part.next()?, part.next().unwrap_or_default());
        Some(User {
            uid: uid.parse().ok()?,
            gid: gid.parse().ok()?,
            name: name.into(),
            home: home.into(),
            shell: shell.into(),
        })
    });
    let groups = lines("/etc/group");
    let groups = groups.lines().filter_map(|line| {
        let mut part = line.split(':');
        let (name, _, gid) = (part.next()?, part.next()?, part.next()?);
        Some(Group { gid: gid.parse().ok()?, name: name.into() })
    });
    (users.collect(), groups.collect())
}
