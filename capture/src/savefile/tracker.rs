//! Whose thread is it: process ids and incarnations, which the events of a savefile do not carry.
//!
//! The process list, the child's side of clones, execs and exits say which thread belongs to which process. An incarnation number stands
//! for the start time: it is unique in a file, so a process id that is used again is another process.

use std::collections::HashMap;

use event::{CreatorFacts, EventType, ExitFacts, FrameHeader, flags};

use super::SavedEvent;
use crate::process::ProcessEntry;

/// Largest number of process ids that Linux has; a file with more threads at once is damaged, and the rest of them stay unknown.
const MAX_THREADS: usize = 1 << 22;
/// `PPM_CL_CLONE_THREAD`.
const CLONE_THREAD: u32 = 1 << 13;

const PARAM_TID: usize = 3;
const PARAM_PID: usize = 4;
const PARAM_PTID: usize = 5;
const PARAM_REAPER: usize = 4;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Role {
    Fork { flags: Option<usize>, vtid: Option<usize> },
    Exec,
    Exit,
    Other,
}

#[derive(Clone, Copy, Debug)]
struct Process {
    incarnation: u64,
    n_threads: u32,
}

/// Facts that the replay adds behind an event's parameters.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Facts {
    None,
    Creator(CreatorFacts),
    Exit(ExitFacts),
}

/// Follows the threads and processes of a file.
#[derive(Debug)]
pub(super) struct Tracker {
    roles: Vec<Role>,
    /// Process of each thread.
    threads: HashMap<u32, u32>,
    processes: HashMap<u32, Process>,
    n_incarnations: u64,
}

impl Tracker {
    pub(super) fn new() -> Self {
        let role = |n: u16| {
            let ty = EventType(n);
            match ty.info() {
                Some(i)
                    if matches!(i.name, "clone" | "fork" | "vfork" | "clone3")
                        && i.params.len() > PARAM_PTID =>
                {
                    Role::Fork { flags: ty.param_index("flags"), vtid: ty.param_index("vtid") }
                }
                Some(i)
                    if matches!(i.name, "execve" | "execveat") && i.params.len() > PARAM_PTID =>
                {
                    Role::Exec
                }
                Some(i) if i.name == "procexit" => Role::Exit,
                _ => Role::Other,
            }
        };
        Self {
            roles: (0..event::N_EVENT_TYPES as u16).map(role).collect(),
            threads: HashMap::new(),
            processes: HashMap::new(),
            n_incarnations: 0,
        }
    }

    /// Forgets everything but how many incarnations there were: another section begins.
    pub(super) fn restart(&mut self) {
        *self = Self { n_incarnations: self.n_incarnations, ..Self::new() };
    }

    fn add_process(&mut self, tgid: u32) {
        if self.threads.len() < MAX_THREADS {
            self.n_incarnations += 1;
            self.threads.insert(tgid, tgid);
            self.processes.insert(tgid, Process { incarnation: self.n_incarnations, n_threads: 1 });
        }
    }

    fn add_thread(&mut self, tid: u32, tgid: u32) {
        if tid == tgid {
            self.add_process(tgid);
        } else if self.threads.len() < MAX_THREADS
            && self.threads.insert(tid, tgid) != Some(tgid)
            && let Some(p) = self.processes.get_mut(&tgid)
        {
            p.n_threads += 1;
        }
    }

    /// Takes in the process list: processes first, then the threads they have beside the first.
    pub(super) fn seed(&mut self, entries: &[ProcessEntry]) {
        for e in entries.iter().filter(|e| e.is_main_thread()) {
            self.add_process(e.pid as u32);
        }
        for e in entries.iter().filter(|e| !e.is_main_thread()) {
            self.add_thread(e.tid as u32, e.pid as u32);
        }
    }

    /// Incarnation of a process, 0 where it is not known.
    pub(super) fn incarnation(&self, tgid: u32) -> u64 {
        self.processes.get(&tgid).map_or(0, |p| p.incarnation)
    }

    fn tgid_of(&self, tid: u32) -> u32 {
        self.threads.get(&tid).copied().unwrap_or(tid)
    }

    /// Fills in process id, incarnation and flags of an event's header, and follows what the event changes.
    pub(super) fn follow(&mut self, event: &SavedEvent<'_>, header: &mut FrameHeader) -> Facts {
        let tid = header.tid;
        let mut facts = Facts::None;
        let mut ends = None;
        match self.roles[usize::from(event.event_type.0)] {
            Role::Fork { flags, vtid } => match event.param_i64(0) {
                Some(0) => {
                    let child_tgid = event.param_i64(PARAM_PID).map_or(tid, |pid| pid as u32);
                    self.add_thread(tid, child_tgid);
                    if let Some(ptid) = event.param_i64(PARAM_PTID) {
                        let parent = self.tgid_of(ptid as u32);
                        let start = self.incarnation(parent);
                        facts = Facts::Creator(CreatorFacts {
                            creator_tid: ptid as u32,
                            creator_tgid: parent,
                            creator_start_ns: start,
                            parent_tgid: parent,
                            parent_start_ns: start,
                        });
                    }
                }
                Some(child) if child > 0 => self.caller_side(event, child as u32, flags, vtid),
                _ => {}
            },
            Role::Exec if event.param_i64(0) == Some(0) => {
                let tgid = event.param_i64(PARAM_PID).map_or(tid, |pid| pid as u32);
                if !self.processes.contains_key(&tgid) {
                    self.add_process(tgid);
                }
                if let Some(own) = event.param_i64(PARAM_TID).map(|own| own as u32)
                    && own != tgid
                {
                    self.add_thread(own, tgid);
                } else if let Some(p) = self.processes.get_mut(&tgid) {
                    // The other threads are gone by the time an exec returns.
                    p.n_threads = 1;
                }
            }
            Role::Exit => ends = Some(tid),
            Role::Exec | Role::Other => {}
        }
        header.tgid = self.tgid_of(tid);
        header.start_ns = self.incarnation(header.tgid);
        if let Some(tid) = ends {
            facts = self.end_thread(tid, event, header);
        }
        facts
    }

    /// The caller's return of a clone makes the child known where the child's own has not come, unless the caller lives in another pid
    /// namespace: then the number it got is not the child's.
    fn caller_side(
        &mut self,
        event: &SavedEvent<'_>,
        child: u32,
        flags: Option<usize>,
        vtid: Option<usize>,
    ) {
        let in_other_namespace =
            vtid.and_then(|n| event.param_i64(n)).is_some_and(|v| v != event.tid);
        if in_other_namespace || self.threads.contains_key(&child) {
            return;
        }
        let clone_flags = flags
            .and_then(|n| event.param(n))
            .and_then(|b| b.as_array().copied())
            .map_or(0, u32::from_le_bytes);
        let tgid =
            if clone_flags & CLONE_THREAD != 0 { self.tgid_of(event.tid as u32) } else { child };
        self.add_thread(child, tgid);
    }

    fn end_thread(&mut self, tid: u32, event: &SavedEvent<'_>, header: &mut FrameHeader) -> Facts {
        let tgid = header.tgid;
        self.threads.remove(&tid);
        let is_last = match self.processes.get_mut(&tgid) {
            Some(p) => {
                p.n_threads = p.n_threads.saturating_sub(1);
                p.n_threads == 0
            }
            None => false,
        };
        if !is_last {
            return Facts::None;
        }
        header.flags |= flags::GROUP_DEAD;
        self.processes.remove(&tgid);
        self.threads.remove(&tgid);
        let reaper = event
            .param_i64(PARAM_REAPER)
            .filter(|&tid| tid > 0)
            .map_or(0, |tid| self.tgid_of(tid as u32));
        Facts::Exit(ExitFacts { reaper_tgid: reaper, reaper_start_ns: self.incarnation(reaper) })
    }
}

#[cfg(test)]
mod tests {
    use event::{Frame, FrameWriter};

    use super::*;
    use crate::savefile::{Compression, Machine, Reader, Writer};

    /// Writes the events, reads them back, and follows them.
    fn follow(
        entries: &[ProcessEntry],
        events: &[(EventType, u32, &[i64])],
    ) -> Vec<(FrameHeader, Facts)> {
        let mut w =
            Writer::new(Vec::new(), Compression::None, &Machine::default(), &[], &[], 0).unwrap();
        for &(ty, tid, params) in events {
            let mut buf = [0; 1024];
            let header = FrameHeader { event_type: ty.0, tid, ..FrameHeader::default() };
            let mut f = FrameWriter::new(&mut buf, header);
            for (n, &v) in params.iter().enumerate() {
                match ty.info().unwrap().params[n].ty.size() {
                    Some(8) => f.i64(v),
                    Some(4) => f.u32(v as u32),
                    Some(1) => f.u8(v as u8),
                    _ => f.empty(),
                };
            }
            w.frame(&Frame::parse(f.finish().unwrap()).unwrap()).unwrap();
        }
        let mut reader = Reader::new(std::io::Cursor::new(w.finish().unwrap())).unwrap();
        let mut tracker = Tracker::new();
        tracker.seed(entries);
        let mut out = Vec::new();
        while let Some(event) = reader.next_event().unwrap() {
            let mut header = event.frame_header();
            let facts = tracker.follow(&event, &mut header);
            out.push((header, facts));
        }
        out
    }

    fn entry(tid: i64, pid: i64) -> ProcessEntry {
        ProcessEntry { tid, pid, ..ProcessEntry::default() }
    }

    const CLONE: EventType = EventType::CLONE_20_X;
    const EXIT: EventType = EventType::PROCEXIT_1_E;

    #[test]
    fn a_reused_id_is_another_incarnation() {
        let out = follow(
            &[entry(5, 5)],
            &[
                (CLONE, 9, &[0, 0, 0, 9, 9, 5]),
                (EXIT, 9, &[0, 0, 0, 0, 5]),
                (CLONE, 9, &[0, 0, 0, 9, 9, 5]),
            ],
        );
        let Facts::Creator(creator) = out[0].1 else { panic!("a fork has a creator") };
        assert_eq!((creator.parent_tgid, creator.parent_start_ns), (5, 1));
        assert!(out[1].0.flags & flags::GROUP_DEAD != 0);
        assert_eq!(out[1].1, Facts::Exit(ExitFacts { reaper_tgid: 5, reaper_start_ns: 1 }));
        assert_eq!(out[0].0.start_ns, out[1].0.start_ns);
        assert_ne!(out[1].0.start_ns, out[2].0.start_ns);
    }

    #[test]
    fn a_process_ends_with_its_last_thread() {
        let out = follow(
            &[entry(5, 5), entry(6, 5)],
            &[(EXIT, 5, &[0; 5]), (EventType::LISTEN_X, 6, &[0, 3, 5]), (EXIT, 6, &[0; 5])],
        );
        let dead = |n: usize| out[n].0.flags & flags::GROUP_DEAD != 0;
        assert_eq!((dead(0), dead(2)), (false, true));
        assert!(out.iter().all(|(h, _)| h.tgid == 5 && h.start_ns == 1));
    }

    #[test]
    fn a_callers_return_stands_in_for_a_missing_child() {
        // Parameter 15 holds the clone flags, 18 the caller's own id in its namespace.
        let caller = |res, vtid| {
            let mut p = [0i64; 19];
            (p[0], p[15], p[18]) = (res, i64::from(CLONE_THREAD), vtid);
            p
        };
        let out = follow(
            &[entry(5, 5)],
            &[
                (CLONE, 5, &caller(8, 5)),
                (EventType::LISTEN_X, 8, &[0, 3, 5]),
                (CLONE, 5, &caller(3, 1)),
                (EventType::LISTEN_X, 3, &[0, 3, 5]),
            ],
        );
        assert_eq!(out[1].0.tgid, 5);
        assert_eq!((out[3].0.tgid, out[3].0.start_ns), (3, 0));
    }
}
