//! Whose thread is it: process ids and incarnations, which the events of a savefile do not carry; and what the threads of a process share:
//! descriptors and working directory.
//!
//! The process list, the child's side of clones, execs and exits say which thread belongs to which process. An incarnation number stands
//! for the start time: it is unique in a file, so a process id that is used again is another process.

use event::{
    CreatorFacts, EventType, ExitFacts, FileFacts, FileKind, FrameHeader, FrameWriter, ParamType,
    SectionKind, TaskFacts, flags,
};

use super::{
    DescriptorList, Header, Rooms, SavedEvent,
    descriptors::{Descriptors, Enter, ServerPorts, TableId, change_dir},
    playback::PlaybackDemand,
    processes::{Process, Processes, Slot, task_id},
    resources::Counts,
};

const CLONE_FILES: u32 = 1;
const CLONE_NEWPID: u32 = 0x40;
const CLONE_PARENT: u32 = 0x100;
/// `PPM_CL_CLONE_THREAD`.
const CLONE_THREAD: u32 = 1 << 13;
const CLONE_VFORK: u32 = 1 << 27;
const CLONE_CHILD_IN_PIDNS: u32 = 1 << 29;

const PARAM_TID: usize = 3;
const PARAM_PID: usize = 4;
const PARAM_PTID: usize = 5;
const PARAM_CWD: usize = 6;
const PARAM_REAPER: usize = 4;
/// Of every clone and exec.
const PARAM_COMM: usize = 13;

/// The working directory of a process of which nothing is known, as other readers spell it.
const NO_CWD: &[u8] = b"./";
/// Head and padding of a section.
const MAX_SECTION_REST: usize = 8 + 7;
/// The name of such a process.
const NO_COMM: &[u8] = b"<NA>";
/// Longest name that Linux tells of a thread; those of a kernel's workers are longer than others. What is longer in a file is cut.
const MAX_COMM_LEN: usize = 63;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Role {
    Fork {
        flags: Option<u8>,
        vtid: Option<u8>,
        is_vfork: bool,
    },
    Exec,
    Exit,
    /// The start of a call.
    Enter,
    Other,
}

/// Facts that the replay adds behind an event's parameters.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Facts {
    None,
    Creator(CreatorFacts),
    Exit(ExitFacts),
    /// Not of the event's process: of a child that it tells of before the child does.
    Child(Born),
}

/// A process of which only its creator's return tells.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Born {
    pub(super) tgid: u32,
    pub(super) incarnation: u64,
    pub(super) creator: CreatorFacts,
}

/// Follows the threads and processes of a file.
#[derive(Debug)]
pub(super) struct Tracker {
    rooms: Rooms,
    roles: Vec<Role>,
    /// By event type, a bit for each parameter that is a thread.
    task_params: Vec<u32>,
    processes: Processes,
    n_incarnations: u64,
    descriptors: Descriptors,
    /// The event changed the working directory of this process.
    changed_cwd: Option<Slot>,
    counts_resources: bool,
    /// What the process of the event has, where that is known.
    counts: Option<Counts>,
    /// The table of a process that the last event ended.
    left: Option<TableId>,
    path_room: Vec<u8>,
}

fn role(n: u16) -> Role {
    let ty = EventType(n);
    let Some(info) = ty.info() else { return Role::Other };
    let at = |name| ty.param_index(name).and_then(|n| u8::try_from(n).ok());
    match info.name {
        "clone" | "fork" | "vfork" | "clone3" if info.params.len() > PARAM_PTID => {
            Role::Fork { flags: at("flags"), vtid: at("vtid"), is_vfork: info.name == "vfork" }
        }
        "execve" | "execveat" if info.params.len() > PARAM_PTID => Role::Exec,
        "procexit" => Role::Exit,
        _ if Enter::is_of(ty) => Role::Enter,
        _ => Role::Other,
    }
}

/// A bit for each parameter that is a thread or process.
fn task_params(n: u16) -> u32 {
    let params = EventType(n).info().map_or(&[][..], |info| info.params);
    let is_task = |ty| matches!(ty, ParamType::Pid | ParamType::Pid32);
    params.iter().take(32).rev().fold(0, |bits, p| bits << 1 | u32::from(is_task(p.ty)))
}

impl Tracker {
    pub(super) fn within(rooms: Rooms) -> Self {
        Self {
            rooms,
            roles: (0..event::N_EVENT_TYPES as u16).map(role).collect(),
            task_params: (0..event::N_EVENT_TYPES as u16).map(task_params).collect(),
            processes: Processes::within(rooms),
            n_incarnations: 0,
            descriptors: Descriptors::within(rooms),
            changed_cwd: None,
            counts_resources: true,
            counts: None,
            left: None,
            path_room: Vec::new(),
        }
    }

    /// Forgets everything but how many incarnations there were: another section begins.
    pub(super) fn restart(&mut self) {
        let Self { rooms, n_incarnations, counts_resources, .. } = *self;
        let mut descriptors = Descriptors::within(rooms);
        descriptors.take_over(&self.descriptors);
        let processes = self.processes.restarted();
        let new = Self::within(rooms);
        *self = Self { processes, n_incarnations, descriptors, counts_resources, ..new };
    }

    /// Whether somebody asks what processes have.
    pub(super) fn count_resources(&mut self, is_asked: bool) {
        self.counts_resources = is_asked;
    }

    /// Descriptors that stay unknown because there was no room for them.
    pub(super) fn n_dropped_descriptors(&self) -> u64 {
        self.descriptors.n_dropped()
    }

    /// Interfaces that sockets are not held against because there are too many.
    pub(super) fn n_dropped_interfaces(&self) -> u64 {
        self.descriptors.n_dropped_interfaces()
    }

    /// Working directories that are not known because there is no room for them.
    pub(super) fn n_dropped_dirs(&self) -> u64 {
        self.processes.n_dropped_dirs()
    }

    /// Starts of calls that were forgotten because all of them took too much memory.
    pub(super) fn n_forgotten_enters(&self) -> u64 {
        self.processes.n_forgotten_enters()
    }

    fn next_incarnation(&mut self) -> u64 {
        self.n_incarnations += 1;
        self.n_incarnations
    }

    fn put_process(
        &mut self,
        tgid: u32,
        incarnation: u64,
        table: TableId,
        cwd: &[u8],
    ) -> Option<Slot> {
        let before = self.processes.counting(tgid);
        let (slot, unused) = self.processes.put(tgid, incarnation, table, cwd);
        if let Some(before) = before.filter(|_| before != slot) {
            self.end_missed(before, tgid);
        }
        if let Some(table) = unused {
            self.descriptors.release(table);
        }
        slot
    }

    /// Gives a thread its name.
    fn name(&mut self, tid: u32, comm: &[u8]) {
        let comm = &comm[..comm.len().min(MAX_COMM_LEN)];
        if let Some(thread) = self.processes.thread_mut(tid).filter(|t| *t.comm != *comm) {
            thread.comm = comm.into();
        }
    }

    /// The name that a clone or exec tells.
    fn take_name(&mut self, event: &SavedEvent<'_>, tid: u32) {
        let comm = event.param(PARAM_COMM).map(|b| b.strip_suffix(&[0]).unwrap_or(b));
        if let Some(comm) = comm.filter(|comm| !comm.is_empty()) {
            self.name(tid, comm);
        }
    }

    fn add_process(&mut self, tgid: u32) -> Option<Slot> {
        let (incarnation, table) = (self.next_incarnation(), self.descriptors.empty());
        self.put_process(tgid, incarnation, table, b"")
    }

    /// A process that only its events tell of.
    fn add_unknown(&mut self, tgid: u32) -> Option<Slot> {
        let table = self.descriptors.empty();
        let slot = self.put_process(tgid, 0, table, NO_CWD);
        self.name(tgid, NO_COMM);
        slot
    }

    /// A thread beside the first one of its process.
    fn add_thread(&mut self, tid: u32, tgid: u32) {
        let Some(slot) = self.processes.of_id(tgid).or_else(|| self.add_unknown(tgid)) else {
            return;
        };
        let before = self.processes.bind(tid, slot);
        if before == Some(slot) {
            return;
        }
        self.processes.get_mut(slot).n_threads += 1;
        if let Some(before) = before {
            self.end_missed(before, tid);
        }
    }

    /// A thread of this process is another one's now: its exit is missing, or it was taken for a process of its own until now.
    fn end_missed(&mut self, slot: Slot, tid: u32) {
        let process = self.processes.get_mut(slot);
        process.n_threads = process.n_threads.saturating_sub(1);
        if process.n_threads == 0 || process.tgid == tid && process.incarnation == 0 {
            self.remove_process(slot);
        }
    }

    fn remove_process(&mut self, slot: Slot) {
        let table = self.processes.remove(slot);
        self.descriptors.release(table);
    }

    /// Takes in what the file says before its events: processes first, then the threads they have beside the first, then what they have
    /// open.
    pub(super) fn seed(&mut self, header: &Header) {
        for e in header.processes.iter().filter(|e| e.is_main_thread()) {
            if let Some(slot) = self.add_process(task_id(e.pid)) {
                self.change_cwd(slot, &e.cwd);
            }
            self.name(task_id(e.pid), &e.comm);
        }
        for e in header.processes.iter().filter(|e| !e.is_main_thread()) {
            self.add_thread(task_id(e.tid), task_id(e.pid));
            self.name(task_id(e.tid), &e.comm);
        }
        self.descriptors.set_interfaces(&header.interfaces);
        let ports = Descriptors::server_ports(&header.descriptors);
        for list in &header.descriptors {
            let tgid = self.processes.tgid_of(task_id(list.tid));
            let known = self.processes.of_id(tgid);
            let Some(slot) = known.or_else(|| self.add_unknown(tgid)) else { continue };
            self.descriptors.seed(self.processes.get(slot).table, list, &ports);
        }
    }

    /// Threads `(tid, tgid)` beside the first of their process, by id.
    pub(super) fn further_threads(&self) -> impl Iterator<Item = (u32, u32)> {
        self.processes.threads().map(|(tid, p)| (tid, p.tgid)).filter(|(tid, tgid)| tid != tgid)
    }

    /// What each process has open, by id.
    pub(super) fn open_descriptors(&self) -> Vec<DescriptorList> {
        let lists = |ports: &ServerPorts| -> Vec<DescriptorList> {
            let first = self.processes.threads().filter(|(tid, p)| *tid == p.tgid);
            let lists = first.map(|(tid, p)| self.descriptors.list(p.table, tid, ports));
            lists.filter(|list| !list.entries.is_empty()).collect()
        };
        let ports = Descriptors::server_ports(&lists(&ServerPorts::new()));
        lists(&ports)
    }

    /// Incarnation of a process, 0 where it is not known.
    pub(super) fn incarnation(&self, tgid: u32) -> u64 {
        self.processes.of_id(tgid).map_or(0, |slot| self.processes.get(slot).incarnation)
    }

    /// Fills in process id, incarnation and flags of an event's header, and follows what the event changes.
    pub(super) fn follow(&mut self, event: &SavedEvent<'_>, header: &mut FrameHeader) -> Facts {
        let tid = header.tid;
        let mut facts = Facts::None;
        if let Some(table) = self.left.take() {
            self.descriptors.release(table);
        }
        let role = self.roles[usize::from(event.event_type.0)];
        match role {
            Role::Fork { flags, vtid, is_vfork } => match event.param_i64(0) {
                Some(0) => facts = self.child_side(event, tid, flags),
                Some(child) if child > 0 && !is_vfork => {
                    facts = self.caller_side(event, task_id(child), flags, vtid);
                }
                _ => {}
            },
            Role::Exec if event.param_i64(0) == Some(0) => self.exec(event, tid),
            Role::Enter | Role::Exec | Role::Exit | Role::Other => {}
        }
        let mut slot = self.processes.of_thread(tid);
        self.changed_cwd = None;
        self.follow_descriptors(event, tid, role, &mut slot);
        if let Some(slot) = slot {
            let process = self.processes.get(slot);
            (header.tgid, header.start_ns) = (process.tgid, process.incarnation);
        } else {
            header.tgid = self.processes.tgid_of(tid);
        }
        if self.counts_resources {
            self.counts = slot.map(|slot| self.count(slot));
        }
        if role == Role::Exit {
            facts = self.end_thread(tid, event, header);
        }
        facts
    }

    fn count(&self, slot: Slot) -> Counts {
        let &Process { tgid, n_threads, table, .. } = self.processes.get(slot);
        let has_first = self.processes.of_thread(tgid) == Some(slot);
        let n_further_threads = n_threads.saturating_sub(u32::from(has_first));
        Counts { n_fds: self.descriptors.n_open(table), n_threads, n_further_threads }
    }

    /// Length of the directory that the event followed last changed to.
    pub(super) fn changed_cwd_len(&self) -> Option<usize> {
        self.changed_cwd.map(|slot| self.processes.get(slot).cwd().len())
    }

    /// What the process of the event that was followed last has, where that is known and asked for.
    pub(super) fn counts(&self) -> Option<Counts> {
        self.counts
    }

    fn follow_descriptors(
        &mut self,
        event: &SavedEvent<'_>,
        tid: u32,
        role: Role,
        slot: &mut Option<Slot>,
    ) {
        let changes = self.descriptors.changes(event);
        if !changes && role == Role::Other && !Descriptors::unshares(event) {
            // Most events: they change nothing, but end the thread's call under way.
            let table = slot.map(|slot| self.processes.get(slot).table);
            self.descriptors.begin(event, table);
            if slot.is_some() {
                self.processes.end_enter(tid);
            }
            return;
        }
        if slot.is_none() && (changes || role == Role::Enter) && event.tid > 0 {
            *slot = self.add_unknown(tid);
        }
        let Some(place) = *slot else {
            self.descriptors.begin(event, None);
            return;
        };
        if Descriptors::unshares(event) {
            let process = self.processes.get_mut(place);
            process.table = self.descriptors.unshare(process.table);
        }
        let table = self.processes.get(place).table;
        self.descriptors.begin(event, Some(table));
        if role == Role::Enter {
            let mut enter = self.processes.take_enter(tid).unwrap_or_default();
            enter.keep(event);
            return self.processes.put_enter(tid, enter);
        }
        if event.event_type == EventType::PIDFD_GETFD_X {
            self.pidfd_getfd(event, table);
        } else if changes {
            let Self { processes, descriptors, .. } = self;
            let has_changed_dir = processes
                .follow_exit(tid, place, |enter, cwd| descriptors.follow(event, enter, table, cwd));
            self.changed_cwd = has_changed_dir.then_some(place);
            return;
        }
        self.processes.end_enter(tid);
    }

    fn pidfd_getfd(&mut self, event: &SavedEvent<'_>, own: TableId) {
        let (Some(fd), Some(pidfd), Some(target)) =
            (event.param_i64(0), event.param_i64(1), event.param_i64(2))
        else {
            return;
        };
        if fd < 0 {
            return;
        }
        let pid = self.descriptors.pid_of(own, pidfd);
        let of = pid.and_then(|pid| self.processes.of_thread(pid));
        match of.map(|slot| self.processes.get(slot).table) {
            Some(of) => self.descriptors.copy_from(of, target, own, fd),
            None => self.descriptors.forget(own, fd),
        }
    }

    /// Puts what is known of the event's descriptors, of the directory it changed to, and of the threads that it names, behind its
    /// parameters.
    pub(super) fn describe(
        &self,
        event: &SavedEvent<'_>,
        demand: PlaybackDemand,
        frame: &mut FrameWriter<'_>,
    ) {
        if let Some(slot) = self.changed_cwd {
            let cwd = self.processes.get(slot).cwd();
            let path = if cwd.len() > 1 { cwd.strip_suffix(b"/").unwrap_or(cwd) } else { cwd };
            if path.starts_with(b"/") {
                let facts = FileFacts { ino: 0, dev: 0, flags: 0, kind: FileKind::Directory, path };
                frame.section(SectionKind::Dir, &[&facts.fixed_bytes(), path]);
            }
        }
        if demand.all {
            let mut params = self.task_params[usize::from(event.event_type.0)];
            while params != 0 {
                if let Some(tid) = event.param_i64(params.trailing_zeros() as usize) {
                    self.describe_task(tid, frame);
                }
                params &= params - 1;
            }
        }
        self.descriptors.describe(event, demand, frame);
    }

    fn describe_task(&self, tid: i64, frame: &mut FrameWriter<'_>) {
        if let Some(tid) = u32::try_from(tid).ok().filter(|&tid| tid != 0)
            && let Some(thread) = self.processes.thread(tid)
        {
            let facts = TaskFacts { tid, comm: &thread.comm };
            let fixed = facts.fixed_bytes();
            // A frame without it is better than none.
            if MAX_SECTION_REST + fixed.len() + facts.comm.len() <= frame.room() {
                frame.section(SectionKind::Task, &[&fixed, facts.comm]);
            }
        }
    }

    /// The directory that a fork names, where it does. What an exec says of it does not count, as in Falco.
    fn take_cwd(&mut self, event: &SavedEvent<'_>, slot: Slot) {
        let path = event.param(PARAM_CWD).map(|b| b.strip_suffix(&[0]).unwrap_or(b));
        if let Some(path) = path.filter(|p| p.starts_with(b"/")) {
            self.change_cwd(slot, path);
        }
    }

    fn change_cwd(&mut self, slot: Slot, path: &[u8]) {
        let Self { processes, path_room, .. } = self;
        processes.change_cwd(slot, |cwd| change_dir(cwd, path, path_room));
    }

    /// A child's own return of the clone that made it.
    fn child_side(&mut self, event: &SavedEvent<'_>, tid: u32, flags: Option<u8>) -> Facts {
        let tgid = event.param_i64(PARAM_PID).map_or(tid, task_id);
        let ptid = event.param_i64(PARAM_PTID).map(task_id);
        if tid == tgid {
            let known = self.processes.of_id(tgid);
            match known.filter(|&slot| self.processes.get(slot).is_expected) {
                Some(slot) => self.processes.get_mut(slot).is_expected = false,
                None => self.fork(event, tgid, ptid.unwrap_or(0), clone_flags(event, flags)),
            }
        } else {
            self.add_thread(tid, tgid);
        }
        self.take_name(event, tid);
        ptid.map_or(Facts::None, |creator| Facts::Creator(self.creator(creator)))
    }

    /// What is known of who made a process, by its thread. Its own process is taken for the parent.
    fn creator(&self, tid: u32) -> CreatorFacts {
        let tgid = self.processes.tgid_of(tid);
        let start = self.incarnation(tgid);
        CreatorFacts {
            creator_tid: tid,
            creator_tgid: tgid,
            creator_start_ns: start,
            parent_tgid: tgid,
            parent_start_ns: start,
        }
    }

    /// A new process, with what it has of the one that a thread belongs to.
    fn fork(&mut self, event: &SavedEvent<'_>, child: u32, parent_tid: u32, flags: u32) {
        let incarnation = self.next_incarnation();
        let parent = self.processes.of_thread(parent_tid);
        let (table, cwd) = match parent.map(|p| self.processes.get(p)).filter(|p| p.tgid != child) {
            Some(parent) => {
                let table = if flags & CLONE_FILES != 0 {
                    self.descriptors.share(parent.table)
                } else {
                    self.descriptors.fork(parent.table)
                };
                (table, parent.cwd().to_vec())
            }
            None => (self.descriptors.empty(), Vec::new()),
        };
        if let Some(slot) = self.put_process(child, incarnation, table, &cwd) {
            self.take_cwd(event, slot);
        }
    }

    /// The caller's return of a clone makes the child known where the child's own has not come, unless the caller lives in another pid
    /// namespace (then the number it got is not the child's), or the child may be gone by then (`vfork`).
    fn caller_side(
        &mut self,
        event: &SavedEvent<'_>,
        child: u32,
        flags: Option<u8>,
        vtid: Option<u8>,
    ) -> Facts {
        let in_other_namespace =
            vtid.and_then(|n| event.param_i64(usize::from(n))).is_some_and(|v| v != event.tid);
        let flags = clone_flags(event, flags);
        let is_left_to_child =
            flags & (CLONE_CHILD_IN_PIDNS | CLONE_NEWPID | CLONE_PARENT | CLONE_VFORK) != 0;
        if in_other_namespace || is_left_to_child || self.processes.thread(child).is_some() {
            return Facts::None;
        }
        let caller = task_id(event.tid);
        if flags & CLONE_THREAD != 0 {
            self.add_thread(child, self.processes.tgid_of(caller));
            self.take_name(event, child);
            return Facts::None;
        }
        self.fork(event, child, caller, flags);
        self.take_name(event, child);
        let Some(slot) = self.processes.of_id(child) else { return Facts::None };
        let process = self.processes.get_mut(slot);
        process.is_expected = true;
        let incarnation = process.incarnation;
        Facts::Child(Born { tgid: child, incarnation, creator: self.creator(caller) })
    }

    fn exec(&mut self, event: &SavedEvent<'_>, tid: u32) {
        let tgid = event.param_i64(PARAM_PID).map_or(tid, task_id);
        let known = self.processes.of_id(tgid);
        let Some(slot) = known.or_else(|| self.add_process(tgid)) else { return };
        if self.processes.get(slot).incarnation == 0 {
            self.processes.get_mut(slot).incarnation = self.next_incarnation();
        }
        let own = event.param_i64(PARAM_TID).map_or(tgid, task_id);
        if own == tgid {
            // The other threads are gone by the time an exec returns.
            self.processes.keep_only(tgid, slot);
        } else {
            self.add_thread(own, tgid);
        }
        let process = self.processes.get_mut(slot);
        process.table = self.descriptors.unshare(process.table);
        self.descriptors.exec(process.table);
        self.take_name(event, tgid);
    }

    fn end_thread(&mut self, tid: u32, event: &SavedEvent<'_>, header: &mut FrameHeader) -> Facts {
        let tgid = header.tgid;
        let slot = self.processes.of_thread(tid);
        self.processes.forget_thread(tid);
        let Some(slot) = slot else { return Facts::None };
        let process = self.processes.get_mut(slot);
        process.n_threads = process.n_threads.saturating_sub(1);
        if process.n_threads > 0 {
            return Facts::None;
        }
        let is_known = process.incarnation != 0;
        // The event still has the descriptors.
        self.left = Some(self.processes.remove(slot));
        self.processes.forget_thread(tgid);
        if !is_known {
            return Facts::None;
        }
        header.flags |= flags::GROUP_DEAD;
        let reaper = event
            .param_i64(PARAM_REAPER)
            .filter(|&tid| tid > 0)
            .map_or(0, |tid| self.processes.tgid_of(task_id(tid)));
        Facts::Exit(ExitFacts { reaper_tgid: reaper, reaper_start_ns: self.incarnation(reaper) })
    }
}

fn clone_flags(event: &SavedEvent<'_>, at: Option<u8>) -> u32 {
    at.and_then(|n| event.param(usize::from(n)))
        .and_then(|b| b.as_array().copied())
        .map_or(0, u32::from_le_bytes)
}

#[cfg(test)]
mod tests {
    use event::{Frame, FrameWriter};

    use super::*;
    use crate::ProcessEntry;
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
        let mut tracker = Tracker::within(Rooms::default());
        tracker.seed(&Header { processes: entries.to_vec(), ..Header::default() });
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
    fn a_name_takes_no_more_room_than_one_of_linux() {
        let mut tracker = Tracker::within(Rooms::default());
        let processes = vec![ProcessEntry { comm: vec![b'x'; 60_000], ..entry(5, 5) }];
        tracker.seed(&Header { processes, ..Header::default() });
        assert_eq!(tracker.processes.thread(5).map(|t| t.comm.len()), Some(MAX_COMM_LEN));
    }

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
    fn a_wide_number_is_not_the_thread_that_its_low_bits_name() {
        let wide = (1 << 32) + 5;
        let mut params = [0i64; 6];
        (params[3], params[4], params[5]) = (9, wide, wide);
        let out = follow(
            &[entry(wide, wide)],
            &[(EventType::LISTEN_X, 5, &[0, 3, 5]), (CLONE, 9, &params), (CLONE, 5, &[wide; 6])],
        );
        assert!(out.iter().all(|(h, _)| h.tgid != wide as u32 || h.start_ns == 0), "{out:?}");
        assert_eq!(out[1].0.tgid, 9);
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
    fn a_process_ends_without_the_thread_whose_exit_is_missing() {
        let dead = |out: &[(FrameHeader, Facts)]| {
            let last = out.last().map(|(h, _)| (h.tgid, h.flags & flags::GROUP_DEAD != 0));
            last.unwrap_or_default()
        };
        let entries = [entry(5, 5), entry(6, 5), entry(9, 9)];
        // Thread 6 of process 5 is one of 9, or a process of its own, when 5 ends.
        for (tgid, ptid) in [(9, 9), (6, 5)] {
            let out =
                follow(&entries, &[(CLONE, 6, &[0, 0, 0, 6, tgid, ptid]), (EXIT, 5, &[0; 5])]);
            assert_eq!(dead(&out), (5, true));
        }
        // Process 9 is a thread of 5, and with its only thread it is gone; what has the id later is another.
        let back = [
            (CLONE, 9, &[0, 0, 0, 9, 5, 5][..]),
            (EXIT, 9, &[0; 5]),
            (CLONE, 20, &[0, 0, 0, 20, 9, 9]),
        ];
        let out = follow(&entries, &back);
        assert_eq!(out.last().map(|(h, _)| h.start_ns), Some(0));
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
