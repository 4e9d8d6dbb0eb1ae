//! What is there when a file of a rotated recording begins: processes, threads and descriptors, as a header lists them.
//!
//! By the time an event is known to belong into another file, it has changed all of that already. So the recording is read once more, up to
//! that event and no further: `Playback` -> `Tracer` (state alone) -> `Header`.

use std::collections::{HashMap, HashSet};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use capture::ProcessEntry;
use capture::savefile::{
    DescriptorList, EVT_NUM_SHIFT, Header, LivingThread, Playback, PlaybackDemand,
};
use event::Frame;
use stages::{
    BufferFormat, LineageLimits, LivingProcess, Numbering, PortFormat, TimeFormat, Tracer,
    TracerConfig, Users, exe_flags,
};

use super::refusal::Refusal;
use crate::config::Limits;

const CLONE_FILES: u32 = 1;
/// `PPM_CL_CLONE_THREAD`.
const CLONE_THREAD: u32 = 1 << 13;
/// The name of a process of which only its events tell.
const UNTOLD: &[u8] = b"<NA>";
/// Its directory, as other readers spell it.
const UNTOLD_CWD: &[u8] = b"./";

/// A place in a recording, which moves forward.
pub(super) struct Moment {
    path: PathBuf,
    bounds: Limits,
    reading: Option<Reading>,
}

struct Reading {
    playback: Playback,
    tracer: Tracer,
    limits: LineageLimits,
    n_sections: u64,
    /// Of processes that forked or executed since the section began: the process table keeps the container alone.
    cgroups: HashMap<u32, Vec<u8>>,
}

impl Moment {
    /// The start of a file. It is not opened before it has to be.
    pub(super) fn before_all(path: &Path, bounds: Limits) -> Self {
        Self { path: path.to_owned(), bounds, reading: None }
    }

    /// What is there before the event with the number, which must not be below that of the time before.
    pub(super) fn before_event(&mut self, evt_num: u64) -> anyhow::Result<Header> {
        let reading = match &mut self.reading {
            Some(reading) => reading,
            none => {
                let opened = Playback::open_within(&self.path, self.bounds.rooms);
                let mut playback = opened.map_err(|e| Refusal::of_file(&self.path, &e))?;
                playback.set_process_limits(self.bounds.of_recording());
                // Directories are followed by descriptors, which nobody asks to see.
                playback.set_demand(|_| PlaybackDemand::NOTHING);
                none.insert(Reading::of(playback, self.bounds.lineage))
            }
        };
        while reading.playback.evt_num() + 1 < evt_num && reading.step()? {}
        Ok(reading.header())
    }
}

fn tracer(limits: LineageLimits) -> Tracer {
    Tracer::new(TracerConfig {
        filter: None,
        suppressed: Vec::new(),
        users: Arc::new(Users::new()),
        hostname: "".into(),
        numbering: Numbering::Keys { shift: EVT_NUM_SHIFT },
        clock_offset_ns: 0,
        time: TimeFormat::Number,
        utc_offset: Box::new(|_| 0),
        buffers: BufferFormat::Dotted,
        ports: PortFormat::Number,
        limits,
    })
}

impl Reading {
    fn of(playback: Playback, limits: LineageLimits) -> Self {
        let n_sections = playback.n_sections();
        Self { playback, tracer: tracer(limits), limits, n_sections, cgroups: HashMap::new() }
    }

    fn step(&mut self) -> anyhow::Result<bool> {
        if self.playback.next_frame()?.is_none() {
            return Ok(false);
        }
        if self.playback.n_sections() != self.n_sections {
            // Its processes are others; those of the one before stay in its own table.
            self.n_sections = self.playback.n_sections();
            self.tracer = tracer(self.limits);
            self.cgroups.clear();
        }
        let Some(played) = self.playback.last_frame() else { return Ok(true) };
        if let Ok(frame) = Frame::parse(played.frame)
            && let Some(at) = frame.event_type().param_index("cgroups")
            && let Some(cgroups) = frame.param(at).filter(|c| !c.is_empty())
        {
            self.cgroups.insert(frame.header().tgid, cgroups.to_vec());
        }
        // What is no frame changes nothing.
        let _step = self.tracer.step(played.key, played.frame);
        Ok(true)
    }

    fn header(&self) -> Header {
        let header = self.playback.header();
        let descriptors = self.playback.open_descriptors();
        let processes = self.processes(header, &descriptors);
        let known: HashSet<i64> = processes.iter().map(|p| p.tid).collect();
        // Other readers refuse a list of a process that they do not know.
        let descriptors = descriptors.into_iter().filter(|l| known.contains(&l.tid)).collect();
        Header { processes, descriptors, ..header.clone() }
    }

    fn processes(&self, header: &Header, open: &[DescriptorList]) -> Vec<ProcessEntry> {
        let listed: HashMap<i64, &ProcessEntry> =
            header.processes.iter().map(|entry| (entry.tid, entry)).collect();
        let has_open: HashSet<i64> = open.iter().map(|list| list.tid).collect();
        let mut threads: HashMap<u32, Vec<LivingThread>> = HashMap::new();
        for thread in self.playback.living_threads() {
            threads.entry(thread.tgid).or_default().push(thread);
        }
        let mut entries = Vec::new();
        for process in self.tracer.processes() {
            let id = i64::from(process.tgid);
            if process.version.is_stand_in && !has_open.contains(&id) {
                continue;
            }
            // The low bits of a key are those of a list's processes.
            let is_listed = process.born.0.trailing_zeros() < EVT_NUM_SHIFT;
            let listed_process = listed.get(&id).filter(|_| is_listed).copied();
            let mut entry = entry(&process, listed_process);
            if let Some(cgroups) = self.cgroups.get(&process.tgid) {
                entry.cgroups.clone_from(cgroups);
            }
            let threads = threads.remove(&process.tgid).unwrap_or_default();
            let threads: Vec<_> = threads.into_iter().map(|t| thread(t, &entry)).collect();
            entries.push(entry);
            entries.extend(threads);
        }
        entries
    }
}

/// A process as it is, with what the list says of it that no event changes.
pub(super) fn entry(process: &LivingProcess, listed: Option<&ProcessEntry>) -> ProcessEntry {
    let LivingProcess { tgid, born: _, parent_tgid, version } = process;
    let (ids, image) = (version.ids, &version.image);
    let id = i64::from(*tgid);
    let or_none = |id: u32| if id == u32::MAX { -1 } else { i64::from(id) };
    let text = |text: &[u8]| text.to_vec();
    ProcessEntry {
        tid: id,
        pid: id,
        ptid: i64::from(*parent_tgid),
        sid: or_none(ids.sid),
        vpgid: or_none(ids.vpgid),
        pgid: or_none(ids.pgid),
        comm: if version.is_stand_in { text(UNTOLD) } else { text(image.comm()) },
        exe: text(image.exe()),
        exepath: text(image.exepath()),
        args: text(image.args()),
        env: text(image.env()),
        cwd: if version.is_stand_in { text(UNTOLD_CWD) } else { version.cwd.to_vec() },
        uid: ids.uid,
        gid: ids.gid,
        vtid: if ids.vpid == 0 { id } else { i64::from(ids.vpid) },
        vpid: if ids.vpid == 0 { id } else { i64::from(ids.vpid) },
        tty: ids.tty,
        loginuid: ids.loginuid,
        cap_inheritable: ids.cap_inheritable,
        cap_permitted: ids.cap_permitted,
        cap_effective: ids.cap_effective,
        exe_writable: image.has(exe_flags::WRITABLE),
        exe_upper_layer: image.has(exe_flags::UPPER_LAYER),
        exe_lower_layer: image.has(exe_flags::LOWER_LAYER),
        exe_from_memfd: image.has(exe_flags::FROM_MEMFD),
        exe_ino: image.ino,
        exe_ino_ctime: image.ctime,
        exe_ino_mtime: image.mtime,
        ..listed.cloned().unwrap_or_default()
    }
}

/// A further thread of a process.
fn thread(thread: LivingThread, process: &ProcessEntry) -> ProcessEntry {
    let LivingThread { tid, tgid: _, vtid, uid, gid, comm } = thread;
    let tid = i64::from(tid);
    ProcessEntry {
        tid,
        vtid: vtid.map_or(tid, i64::from),
        uid: uid.unwrap_or(process.uid),
        gid: gid.unwrap_or(process.gid),
        comm: comm.unwrap_or_else(|| process.comm.clone()),
        clone_flags: process.clone_flags | CLONE_FILES | CLONE_THREAD,
        ..process.clone()
    }
}
