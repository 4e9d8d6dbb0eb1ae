//! Threads beside the first of their process: name, ids and users of their own, where those of the process would be wrong for them.

use std::collections::HashMap;

use event::{EventType, FrameHeader, FrameWriter, SectionKind, ThreadFacts, thread_facts};
use foldhash::fast::RandomState;

use super::{Header, SavedEvent, processes::task_id};
use crate::process::ProcessEntry;

/// Largest number of threads that Linux has; those of a damaged file beyond it are taken to be as their process.
const MAX_THREADS: usize = 1 << 22;
/// Longest name of a thread.
const MAX_COMM_LEN: usize = 15;

const PARAM_COMM: usize = 13;
const PARAM_UID: usize = 16;
const PARAM_GID: usize = 17;
const PARAM_VTID: usize = 18;

/// A thread beside the first of its process, that lives. What is `None` is as the process has it.
#[derive(Clone, Debug, PartialEq, Eq)]
#[expect(missing_docs, reason = "the names are those of the process list")]
pub struct LivingThread {
    pub tid: u32,
    pub tgid: u32,
    pub vtid: Option<u32>,
    pub uid: Option<u32>,
    pub gid: Option<u32>,
    pub comm: Option<Vec<u8>>,
}

/// What a type of event has to do with threads.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Role {
    Fork,
    Exec,
    Exit,
    /// The parameter is the thread's user.
    User(usize),
    /// The parameter is the thread's group.
    Group(usize),
    Other,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Thread {
    known: u32,
    vtid: u32,
    uid: u32,
    gid: u32,
    comm: [u8; MAX_COMM_LEN],
    comm_len: u8,
}

impl Thread {
    fn set_comm(&mut self, comm: &[u8]) {
        let len = comm.len().min(MAX_COMM_LEN);
        self.comm[..len].copy_from_slice(&comm[..len]);
        self.comm_len = len as u8;
        self.known |= thread_facts::COMM;
    }

    fn set_uid(&mut self, uid: u32) {
        self.uid = uid;
        self.known |= thread_facts::UID;
    }

    fn set_gid(&mut self, gid: u32) {
        self.gid = gid;
        self.known |= thread_facts::GID;
    }

    fn set_vtid(&mut self, vtid: u32) {
        self.vtid = vtid;
        self.known |= thread_facts::VTID;
    }

    /// What an entry of the process list says otherwise than that of its process.
    fn of_entry(entry: &ProcessEntry, process: Option<&ProcessEntry>) -> Self {
        let mut thread = Self::default();
        let differs = |of: fn(&ProcessEntry) -> u32| process.is_none_or(|p| of(p) != of(entry));
        if process.is_none_or(|p| p.comm != entry.comm) {
            thread.set_comm(&entry.comm);
        }
        if differs(|e| e.uid) {
            thread.set_uid(entry.uid);
        }
        if differs(|e| e.gid) {
            thread.set_gid(entry.gid);
        }
        if let Some(vtid) = own_id(entry.vtid).filter(|_| entry.vtid != entry.tid) {
            thread.set_vtid(vtid);
        }
        thread
    }
}

/// An id in a thread's own namespace. A wider number is not the one that its low bits name.
fn own_id(id: i64) -> Option<u32> {
    u32::try_from(id).ok().filter(|&id| id > 0)
}

/// The threads of which something is to be said.
#[derive(Debug)]
pub(super) struct Threads {
    roles: Vec<Role>,
    all: HashMap<u32, Thread, RandomState>,
    /// The thread that the last event ended.
    gone: Option<u32>,
    max: usize,
    n_dropped: u64,
}

fn role(ty: EventType) -> Role {
    match ty {
        EventType::CLONE_20_X
        | EventType::FORK_20_X
        | EventType::VFORK_20_X
        | EventType::CLONE3_X => Role::Fork,
        EventType::EXECVE_19_X | EventType::EXECVEAT_X => Role::Exec,
        EventType::PROCEXIT_1_E => Role::Exit,
        EventType::SETUID_X => Role::User(1),
        EventType::SETREUID_X | EventType::SETRESUID_X => Role::User(2),
        EventType::SETGID_X => Role::Group(1),
        EventType::SETREGID_X | EventType::SETRESGID_X => Role::Group(2),
        _ => Role::Other,
    }
}

fn param_u32(event: &SavedEvent<'_>, n: usize) -> Option<u32> {
    Some(u32::from_le_bytes(*event.param(n)?.as_array()?))
}

impl Threads {
    pub(super) fn new(header: &Header) -> Self {
        let roles = (0..event::N_EVENT_TYPES as u16).map(|n| role(EventType(n))).collect();
        let mut threads =
            Self { roles, all: HashMap::default(), gone: None, max: MAX_THREADS, n_dropped: 0 };
        threads.seed(header);
        threads
    }

    /// Threads for which there was no room.
    pub(super) fn n_dropped(&self) -> u64 {
        self.n_dropped
    }

    /// Whether there is room for this one, and counts it where there is not.
    fn has_room(&mut self, tid: u32) -> bool {
        let has_room = self.all.len() < self.max || self.all.contains_key(&tid);
        self.n_dropped += u64::from(!has_room);
        has_room
    }

    /// Begins anew with a process list.
    pub(super) fn seed(&mut self, header: &Header) {
        self.gone = None;
        self.all.clear();
        let main: HashMap<i64, &ProcessEntry> =
            header.processes.iter().filter(|e| e.is_main_thread()).map(|e| (e.pid, e)).collect();
        for entry in header.processes.iter().filter(|e| !e.is_main_thread()) {
            let thread = Thread::of_entry(entry, main.get(&entry.pid).copied());
            if thread.known != 0 && self.has_room(task_id(entry.tid)) {
                self.all.insert(task_id(entry.tid), thread);
            }
        }
    }

    /// Follows what the event changes of its thread, whose process the header names already.
    #[inline]
    pub(super) fn follow(&mut self, event: &SavedEvent<'_>, header: &FrameHeader) {
        if let Some(tid) = self.gone.take() {
            self.all.remove(&tid);
        }
        let role = self.roles[usize::from(event.event_type.0)];
        if role != Role::Other {
            self.change(role, event, header);
        }
    }

    fn change(&mut self, role: Role, event: &SavedEvent<'_>, header: &FrameHeader) {
        let FrameHeader { tid, tgid, .. } = *header;
        let res = event.param_i64(0);
        match role {
            Role::Fork if res == Some(0) => {
                self.all.remove(&tid);
                if tid != tgid && self.has_room(tid) {
                    self.all.insert(tid, forked(event));
                }
            }
            // The exit is still an event of the thread.
            Role::Exit => self.gone = Some(tid),
            Role::Exec if res == Some(0) => _ = self.all.remove(&tid),
            Role::User(n) | Role::Group(n) if res == Some(0) && tid != tgid => {
                let id = param_u32(event, n).filter(|&id| id != u32::MAX);
                if let Some(id) = id.filter(|_| self.has_room(tid)) {
                    let thread = self.all.entry(tid).or_default();
                    if matches!(role, Role::User(_)) {
                        thread.set_uid(id);
                    } else {
                        thread.set_gid(id);
                    }
                }
            }
            _ => {}
        }
    }

    /// A thread as far as it is otherwise than its process.
    pub(super) fn living(&self, tid: u32, tgid: u32) -> LivingThread {
        let Thread { known, vtid, uid, gid, comm, comm_len } =
            self.all.get(&tid).copied().unwrap_or_default();
        let is_known = |fact| known & fact != 0;
        LivingThread {
            tid,
            tgid,
            vtid: is_known(thread_facts::VTID).then_some(vtid),
            uid: is_known(thread_facts::UID).then_some(uid),
            gid: is_known(thread_facts::GID).then_some(gid),
            comm: is_known(thread_facts::COMM).then(|| comm[..usize::from(comm_len)].to_vec()),
        }
    }

    /// Puts what is known of the event's thread behind its frame.
    #[inline]
    pub(super) fn describe(&self, header: &FrameHeader, frame: &mut FrameWriter<'_>) {
        if header.tid == header.tgid || self.all.is_empty() {
            return;
        }
        let Some(thread) = self.all.get(&header.tid) else { return };
        let Thread { known, vtid, uid, gid, comm, comm_len } = thread;
        let comm = &comm[..usize::from(*comm_len)];
        let facts = ThreadFacts { known: *known, vtid: *vtid, uid: *uid, gid: *gid, comm };
        frame.section(SectionKind::Thread, &[&facts.fixed_bytes(), comm]);
    }
}

/// A thread as its own side of the clone tells it.
fn forked(event: &SavedEvent<'_>) -> Thread {
    let mut thread = Thread::default();
    if let Some(comm) = event.param(PARAM_COMM).filter(|comm| !comm.is_empty()) {
        thread.set_comm(comm.strip_suffix(&[0]).unwrap_or(comm));
    }
    if let Some(uid) = param_u32(event, PARAM_UID) {
        thread.set_uid(uid);
    }
    if let Some(gid) = param_u32(event, PARAM_GID) {
        thread.set_gid(gid);
    }
    if let Some(vtid) = event.param_i64(PARAM_VTID).and_then(own_id) {
        thread.set_vtid(vtid);
    }
    thread
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn threads_without_room_are_counted() {
        let mut threads = Threads { max: 1, ..Threads::new(&Header::default()) };
        let entry = |tid| ProcessEntry { tid, pid: 5, comm: b"x".to_vec(), ..Default::default() };
        let main = ProcessEntry { comm: b"main".to_vec(), ..entry(5) };
        let processes = vec![main, entry(6), entry(7), entry(8)];
        threads.seed(&Header { processes, ..Header::default() });
        assert_eq!((threads.all.len(), threads.n_dropped()), (1, 2));
    }

    #[test]
    fn a_wide_id_of_a_namespace_is_not_the_one_that_its_low_bits_name() {
        let wide = |tid, vtid| ProcessEntry { tid, pid: 5, vtid, ..Default::default() };
        let processes = vec![wide(5, 5), wide(6, (1 << 32) + 7), wide(7, 2), wide(8, -1)];
        let threads = Threads::new(&Header { processes, ..Header::default() });
        assert_eq!([6, 7, 8].map(|tid| threads.living(tid, 5).vtid), [None, Some(2), None]);
    }
}
