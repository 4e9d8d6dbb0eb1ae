//! What threads use, as the events of a savefile tell it: memory, page faults, CPU time, the limit of descriptors, control groups and the
//! start of their pid namespace. Followed only where somebody asks.

use std::{collections::HashMap, sync::Arc};

use event::{EventType, FrameHeader, FrameWriter, ResourceFacts, SectionKind, resource_facts};
use foldhash::fast::RandomState;

use super::{Header, Rooms, SavedEvent, processes::task_id};
use crate::process::ProcessEntry;

/// Threads beyond this many are taken to use nothing.
const MAX_THREADS: usize = 1 << 20;
/// Control groups longer than this are cut, as in the process list.
const MAX_CGROUPS: usize = 4096;
/// Head and padding of a section.
const SECTION_REST: usize = 8 + 7;
/// `PPM_RLIMIT_NOFILE`.
const RLIMIT_NOFILE: u8 = 7;

const PARAM_TID: usize = 3;
const PARAM_PTID: usize = 5;
/// Of clones and execs: the limit of descriptors, page faults (2), memory (3).
const PARAM_FDLIMIT: usize = 7;
const PARAM_FAULTS: usize = 8;
const PARAM_MEMORY: usize = 10;
const PARAM_CGROUPS: usize = 14;
const PARAM_PIDNS_START: usize = 20;

/// What a type of event has to do with resources.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Role {
    Fork,
    VFork,
    Exec,
    Exit,
    /// A thread gives its CPU to another.
    Switch,
    CpuTime,
    /// Memory stands in the parameters from the second on.
    Memory,
    /// The process's own limit.
    Limit,
    /// The limit of a process that may be another.
    LimitOf,
    Other,
}

#[derive(Clone, Debug)]
struct Thread {
    vmsize_kb: u32,
    vmrss_kb: u32,
    vmswap_kb: u32,
    pfmajor: u64,
    pfminor: u64,
    total_exec_ns: u64,
    /// In user mode and in the kernel, by the last event that told them.
    cpu: [u64; 2],
    fdlimit: i64,
    pidns_start_ns: u64,
    cgroups: Arc<[u8]>,
    /// The caller's side of its clone made it; its own side comes yet.
    is_expected: bool,
}

/// What the process as a whole has.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[expect(clippy::struct_field_names, reason = "they are numbers of things")]
pub(super) struct Counts {
    pub(super) n_fds: u32,
    pub(super) n_threads: u32,
    pub(super) n_further_threads: u32,
}

/// What the event at hand alone tells.
#[derive(Clone, Copy, Debug, Default)]
struct Now {
    exec_ns: u64,
    cpu: Option<[u8; 3]>,
}

/// The threads of which something is known.
#[derive(Debug)]
pub(super) struct Resources {
    roles: Vec<Role>,
    all: HashMap<u32, Thread, RandomState>,
    blank: Thread,
    boot_ns: u64,
    /// By CPU, when it went from one thread to another.
    switched_at: Vec<u64>,
    /// The thread that the last event ended.
    gone: Option<u32>,
    now: Now,
    /// What control groups take together, and may take.
    n_cgroup_bytes: usize,
    max_cgroup_bytes: usize,
    n_dropped_cgroups: u64,
    n_dropped_changes: u64,
}

fn role(ty: EventType) -> Role {
    match ty {
        EventType::CLONE_20_X | EventType::FORK_20_X | EventType::CLONE3_X => Role::Fork,
        EventType::VFORK_20_X => Role::VFork,
        EventType::EXECVE_19_X | EventType::EXECVEAT_X => Role::Exec,
        EventType::PROCEXIT_1_E => Role::Exit,
        EventType::SWITCH_6_E => Role::Switch,
        EventType::PROCINFO_1_E => Role::CpuTime,
        EventType::BRK_4_X | EventType::MMAP_X | EventType::MMAP2_X | EventType::MUNMAP_X => {
            Role::Memory
        }
        EventType::GETRLIMIT_X | EventType::SETRLIMIT_X => Role::Limit,
        EventType::PRLIMIT_X => Role::LimitOf,
        _ => Role::Other,
    }
}

fn param_u32(event: &SavedEvent<'_>, n: usize) -> Option<u32> {
    Some(u32::from_le_bytes(*event.param(n)?.as_array()?))
}

fn param_u64(event: &SavedEvent<'_>, n: usize) -> Option<u64> {
    event.param_i64(n).map(|n| n as u64)
}

/// CPU in hundredths of a second since a second ago, which is the share in percent.
fn share(now: u64, before: u64) -> u8 {
    if before == 0 { 0 } else { now.saturating_sub(before).min(100) as u8 }
}

impl Thread {
    fn blank() -> Self {
        Self {
            vmsize_kb: 0,
            vmrss_kb: 0,
            vmswap_kb: 0,
            pfmajor: 0,
            pfminor: 0,
            total_exec_ns: 0,
            cpu: [0; 2],
            fdlimit: -1,
            pidns_start_ns: 0,
            cgroups: Arc::default(),
            is_expected: false,
        }
    }

    fn of_entry(entry: &ProcessEntry) -> Self {
        let ProcessEntry { vmsize_kb, vmrss_kb, vmswap_kb, pfmajor, pfminor, .. } = *entry;
        let ProcessEntry { fdlimit, pidns_init_start_ts: pidns_start_ns, .. } = *entry;
        let cgroups = entry.cgroups[..entry.cgroups.len().min(MAX_CGROUPS)].into();
        Self {
            vmsize_kb,
            vmrss_kb,
            vmswap_kb,
            pfmajor,
            pfminor,
            fdlimit,
            pidns_start_ns,
            cgroups,
            ..Self::blank()
        }
    }

    fn take_memory(&mut self, event: &SavedEvent<'_>, first: usize) {
        if let Some(size) = param_u32(event, first) {
            self.vmsize_kb = size;
            self.vmrss_kb = param_u32(event, first + 1).unwrap_or_default();
            self.vmswap_kb = param_u32(event, first + 2).unwrap_or_default();
        }
    }

    fn take_faults(&mut self, event: &SavedEvent<'_>, first: usize) {
        if let Some(major) = param_u64(event, first) {
            self.pfmajor = major;
            self.pfminor = param_u64(event, first + 1).unwrap_or_default();
        }
    }

    /// What clones and execs tell alike.
    fn take_all(&mut self, event: &SavedEvent<'_>) {
        self.take_faults(event, PARAM_FAULTS);
        self.take_memory(event, PARAM_MEMORY);
        if let Some(limit) = event.param_i64(PARAM_FDLIMIT) {
            self.fdlimit = limit;
        }
        let cgroups = event.param(PARAM_CGROUPS).filter(|list| !list.is_empty());
        if let Some(list) = cgroups.filter(|list| **list != *self.cgroups) {
            self.cgroups = list[..list.len().min(MAX_CGROUPS)].into();
        }
    }
}

impl Resources {
    /// Control groups beyond their room are not known.
    pub(super) fn new(header: &Header, rooms: Rooms) -> Self {
        let roles = (0..event::N_EVENT_TYPES as u16).map(|n| role(EventType(n))).collect();
        let mut resources = Self {
            roles,
            all: HashMap::default(),
            blank: Thread::blank(),
            boot_ns: 0,
            switched_at: Vec::new(),
            gone: None,
            now: Now::default(),
            n_cgroup_bytes: 0,
            max_cgroup_bytes: rooms.cgroups(),
            n_dropped_cgroups: 0,
            n_dropped_changes: 0,
        };
        resources.seed(header);
        resources
    }

    /// Begins anew with a process list.
    pub(super) fn seed(&mut self, header: &Header) {
        self.all.clear();
        self.n_cgroup_bytes = 0;
        self.switched_at.clear();
        (self.gone, self.now) = (None, Now::default());
        self.boot_ns = header.machine.as_ref().map_or(0, |m| m.boot_ts_epoch_ns);
        for entry in &header.processes {
            self.change(task_id(entry.tid), |t| *t = Thread::of_entry(entry));
        }
    }

    /// Changes of threads of which nothing is known because there are too many.
    pub(super) fn n_dropped_changes(&self) -> u64 {
        self.n_dropped_changes
    }

    /// Control groups that are not known because the memory for all of them is used up.
    pub(super) fn n_dropped_cgroups(&self) -> u64 {
        self.n_dropped_cgroups
    }

    /// Changes what is known of a thread, unless there are too many.
    fn change(&mut self, tid: u32, change: impl FnOnce(&mut Thread)) {
        if self.all.len() >= MAX_THREADS && !self.all.contains_key(&tid) {
            self.n_dropped_changes += 1;
            return;
        }
        let thread = self.all.entry(tid).or_insert_with(|| self.blank.clone());
        self.n_cgroup_bytes -= thread.cgroups.len();
        change(thread);
        if self.n_cgroup_bytes + thread.cgroups.len() > self.max_cgroup_bytes {
            self.n_dropped_cgroups += 1;
            thread.cgroups = Arc::clone(&self.blank.cgroups);
        }
        self.n_cgroup_bytes += thread.cgroups.len();
    }

    fn forget(&mut self, tid: u32) {
        self.n_cgroup_bytes -= self.all.remove(&tid).map_or(0, |thread| thread.cgroups.len());
    }

    /// Follows what the event tells of its thread, whose process the header names already.
    pub(super) fn follow(&mut self, event: &SavedEvent<'_>, header: &FrameHeader) {
        if let Some(tid) = self.gone.take() {
            self.forget(tid);
        }
        self.now = Now::default();
        let FrameHeader { tid, tgid, .. } = *header;
        let role = self.roles[usize::from(event.event_type.0)];
        if role == Role::Switch {
            // An idle CPU's switch, too, is when the next thread begins.
            self.now.exec_ns = self.lap(event);
        }
        if role == Role::Other || event.tid <= 0 {
            return;
        }
        let res = event.param_i64(0);
        match role {
            Role::Fork | Role::VFork if res == Some(0) => self.child(event, tid),
            Role::Fork => {
                if let Some(child) = res.and_then(|n| u32::try_from(n).ok()).filter(|&n| n != 0) {
                    self.caller(event, child);
                }
            }
            Role::Exec if res == Some(0) => {
                let tid = event.param_i64(PARAM_TID).map_or(tid, task_id);
                self.change(tid, |t| t.take_all(event));
            }
            // The exit is still an event of the thread.
            Role::Exit => self.gone = Some(tid),
            Role::Switch => {
                let ns = self.now.exec_ns;
                self.change(tid, |t| {
                    t.total_exec_ns = t.total_exec_ns.saturating_add(ns);
                    t.take_faults(event, 1);
                });
                self.change(tgid, |t| t.take_memory(event, 3));
            }
            Role::CpuTime => self.cpu_time(event, tid),
            Role::Memory => self.change(tid, |t| t.take_memory(event, 1)),
            Role::Limit | Role::LimitOf if res == Some(0) => self.limit(event, role, tgid),
            _ => {}
        }
    }

    /// Nanoseconds since the CPU went to another thread the last time.
    fn lap(&mut self, event: &SavedEvent<'_>) -> u64 {
        let cpu = usize::from(event.cpu);
        if self.switched_at.len() <= cpu {
            self.switched_at.resize(cpu + 1, 0);
        }
        match std::mem::replace(&mut self.switched_at[cpu], event.ts) {
            0 => 0,
            before => event.ts.saturating_sub(before),
        }
    }

    fn cpu_time(&mut self, event: &SavedEvent<'_>, tid: u32) {
        let cpu = [0, 1].map(|n| param_u64(event, n).unwrap_or_default());
        let mut before = [0; 2];
        self.change(tid, |t| before = std::mem::replace(&mut t.cpu, cpu));
        let all = |[user, kernel]: [u64; 2]| user.saturating_add(kernel);
        self.now.cpu = Some([
            share(all(cpu), all(before)),
            share(cpu[0], before[0]),
            share(cpu[1], before[1]),
        ]);
    }

    fn limit(&mut self, event: &SavedEvent<'_>, role: Role, tgid: u32) {
        let (resource, of, limit) = match role {
            Role::LimitOf => {
                let new = event.param_i64(1).filter(|&n| n != -1);
                (6, event.param_i64(5).unwrap_or(0), new.or_else(|| event.param_i64(3)))
            }
            _ => (3, 0, event.param_i64(1)),
        };
        let of = if of == 0 { tgid } else { task_id(of) };
        if event.param(resource) == Some(&[RLIMIT_NOFILE])
            && let Some(limit) = limit.filter(|&n| n != -1)
        {
            self.change(of, |t| t.fdlimit = limit);
        }
    }

    /// What a new thread begins with: what the clone tells, and its creator's pid namespace.
    fn begun(&self, event: &SavedEvent<'_>, creator: u32) -> Thread {
        let creator = self.all.get(&creator);
        let mut thread = Thread::blank();
        thread.take_all(event);
        let started = param_u64(event, PARAM_PIDNS_START).filter(|&ns| ns != 0);
        thread.pidns_start_ns = match (started, creator) {
            (Some(ns), _) => self.boot_ns.saturating_add(ns),
            (None, Some(creator)) => creator.pidns_start_ns,
            (None, None) => self.boot_ns,
        };
        thread
    }

    fn child(&mut self, event: &SavedEvent<'_>, tid: u32) {
        if let Some(known) = self.all.get_mut(&tid).filter(|t| t.is_expected) {
            known.is_expected = false;
            return;
        }
        let creator = event.param_i64(PARAM_PTID).map_or(0, task_id);
        let begun = self.begun(event, creator);
        self.change(tid, |t| *t = begun);
    }

    /// The caller's return of a clone stands in for the child's own as long as that has not come.
    fn caller(&mut self, event: &SavedEvent<'_>, child: u32) {
        if !self.all.contains_key(&child) {
            let begun = Thread { is_expected: true, ..self.begun(event, task_id(event.tid)) };
            self.change(child, |t| *t = begun);
        }
    }

    /// Puts what is known behind the event's frame; without the control groups where there is no room for them.
    pub(super) fn describe(
        &self,
        header: &FrameHeader,
        counts: Option<Counts>,
        frame: &mut FrameWriter<'_>,
    ) {
        let thread = self.all.get(&header.tid).unwrap_or(&self.blank);
        let main = self.all.get(&header.tgid).unwrap_or(&self.blank);
        let Counts { n_fds, n_threads, n_further_threads } = counts.unwrap_or_default();
        let cpu = self.now.cpu.map_or(0, |_| resource_facts::CPU);
        let process = counts.map_or(0, |_| resource_facts::PROCESS);
        let mut facts = ResourceFacts {
            known: cpu | process,
            vmsize_kb: thread.vmsize_kb,
            vmrss_kb: thread.vmrss_kb,
            vmswap_kb: thread.vmswap_kb,
            pfmajor: thread.pfmajor,
            pfminor: thread.pfminor,
            exec_ns: self.now.exec_ns,
            total_exec_ns: thread.total_exec_ns,
            fdlimit: main.fdlimit,
            pidns_start_ns: thread.pidns_start_ns,
            n_fds,
            n_threads,
            n_further_threads,
            cpu: self.now.cpu.unwrap_or_default(),
            cgroups: &thread.cgroups,
        };
        let fixed = SECTION_REST + ResourceFacts::FIXED_LEN;
        if fixed + facts.cgroups.len() > frame.room() {
            facts.cgroups = &[];
        }
        if fixed <= frame.room() {
            frame.section(SectionKind::Resources, &[&facts.fixed_bytes(), facts.cgroups]);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn control_groups_are_bounded_together() {
        const ROOM: usize = 1000;
        let mut resources = Resources {
            max_cgroup_bytes: ROOM,
            ..Resources::new(&Header::default(), Rooms::default())
        };
        let entry =
            |tid| ProcessEntry { tid, pid: tid, cgroups: vec![b'x'; 90], ..Default::default() };
        let processes = (1..=50).map(entry).collect();
        resources.seed(&Header { processes, ..Header::default() });
        let held = |of: &Resources| of.all.values().map(|t| t.cgroups.len()).sum::<usize>();
        assert_eq!((held(&resources), resources.n_dropped_cgroups()), (990, 39));
        assert_eq!(resources.n_cgroup_bytes, 990);
        // A thread that is gone makes room for another.
        let with = |of: &Resources, is_with: bool| {
            *of.all.iter().find(|(_, t)| t.cgroups.is_empty() != is_with).unwrap().0
        };
        let (gone, other) = (with(&resources, true), with(&resources, false));
        resources.forget(gone);
        resources.change(other, |t| t.cgroups = [b'y'; 90].into());
        assert_eq!((held(&resources), resources.n_dropped_cgroups()), (990, 39));
    }

    #[test]
    fn a_wide_id_is_not_the_thread_that_its_low_bits_name() {
        let entry = |tid| ProcessEntry { tid, pid: tid, vmsize_kb: 7, ..Default::default() };
        let processes = vec![entry((1 << 32) + 5)];
        let resources =
            Resources::new(&Header { processes, ..Header::default() }, Rooms::default());
        assert!(!resources.all.contains_key(&5));
    }
}
