//! What the machine's processes do: shapes of load, and the frames that they make.

use std::collections::{HashMap, VecDeque};

use bench_harness::samples::{self, At};
use event::{FrameHeader, HEADER_LEN};

/// A shape of load.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Shape {
    /// Sixteen processes on each CPU open files in turns.
    Even,
    /// The same, and one process with a thread on each CPU that makes half of all events.
    HotProcess,
    /// make, sh, gcc, cc1 and as: forks, execs, opens and exits, wandering from CPU to CPU.
    Build,
}

impl Shape {
    pub(crate) const ALL: [Self; 3] = [Self::Even, Self::HotProcess, Self::Build];

    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Even => "even",
            Self::HotProcess => "hot process",
            Self::Build => "build",
        }
    }
}

/// What a frame is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Seed,
    Open,
    Fork,
    Exec,
    Exit,
}

/// One event of one thread.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Step {
    pub(crate) kind: Kind,
    pub(crate) tgid: u32,
    pub(crate) tid: u32,
    pub(crate) parent: u32,
}

/// How much longer than an open the other calls keep the process that makes them busy.
fn work_factor(kind: Kind) -> u64 {
    match kind {
        Kind::Seed => 0,
        Kind::Open | Kind::Exit => 1,
        Kind::Fork => 5,
        Kind::Exec => 20,
    }
}

const INIT: u32 = 1;
const SHELL: u32 = 900;
const HOT: u32 = 5_000;
const PROCESSES_PER_CPU: u32 = 16;
const BURST: u32 = 16;
const FIRST_FORKED: u32 = 2_000_000;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Role {
    Opener,
    Make,
    Sh,
    Gcc,
    Cc1,
    As,
}

/// What each program of a build does, in order.
fn programme(role: Role) -> &'static [Action] {
    use Action::{Exec, Exit, Fork, Open};
    match role {
        Role::Opener => &[Open(BURST)],
        Role::Make => &[Open(2), Fork(Role::Sh)],
        Role::Sh => &[Exec, Open(4), Fork(Role::Gcc), Exit],
        Role::Gcc => &[Exec, Open(10), Fork(Role::Cc1), Fork(Role::As), Exit],
        Role::Cc1 => &[Exec, Open(30), Exit],
        Role::As => &[Exec, Open(6), Exit],
    }
}

#[derive(Clone, Copy, Debug)]
enum Action {
    Exec,
    Open(u32),
    Fork(Role),
    Exit,
}

#[derive(Clone, Copy, Debug)]
struct Task {
    role: Role,
    tgid: u32,
    tid: u32,
    parent: u32,
    /// Place in its programme; programmes without an exit begin again.
    at: usize,
    n_opened: u32,
}

impl Task {
    fn new(role: Role, tgid: u32, parent: u32) -> Self {
        Self { role, tgid, tid: tgid, parent, at: 0, n_opened: 0 }
    }

    fn action(&self) -> Action {
        let all = programme(self.role);
        all[self.at % all.len()]
    }
}

/// Everything that runs on the machine beside the engine.
#[derive(Debug)]
pub(crate) struct Load {
    shape: Shape,
    /// Tasks that stay on their CPU, in turns.
    at_home: Vec<VecDeque<Task>>,
    /// Tasks that any CPU may take.
    ready: VecDeque<Task>,
    /// Tasks whose child runs, by the child's id.
    waiting: HashMap<u32, Task>,
    current: Vec<Option<(Task, u32)>>,
    hot: Vec<Task>,
    next_tgid: u32,
    random: u64,
    open: Vec<u8>,
    /// Parents by process, to hold the engine's answers against.
    parents: HashMap<u32, u32>,
}

impl Load {
    pub(crate) fn new(shape: Shape, n_cpus: usize) -> Self {
        let mut load = Self {
            shape,
            at_home: vec![VecDeque::new(); n_cpus],
            ready: VecDeque::new(),
            waiting: HashMap::new(),
            current: vec![None; n_cpus],
            hot: Vec::new(),
            next_tgid: FIRST_FORKED,
            random: 0x5eed,
            open: samples::open(At { ts: 0, cpu: 0, tgid: 1, parent: 1 }),
            parents: HashMap::new(),
        };
        for cpu in 0..n_cpus {
            if shape == Shape::Build {
                for _ in 0..2 {
                    let make = Task::new(Role::Make, load.old_id(), SHELL);
                    load.ready.push_back(make);
                }
            } else {
                for _ in 0..PROCESSES_PER_CPU {
                    let opener = Task::new(Role::Opener, load.old_id(), SHELL);
                    load.at_home[cpu].push_back(opener);
                }
                let hot = Task::new(Role::Opener, HOT, SHELL);
                load.hot.push(Task { tid: HOT + cpu as u32, ..hot });
            }
        }
        load
    }

    /// Splitmix64.
    fn random(&mut self) -> u64 {
        self.random = self.random.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.random;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^ (z >> 31)
    }

    /// Id of a process from before: those of long-lived ones lie anywhere.
    fn old_id(&mut self) -> u32 {
        loop {
            let id = 6_000 + (self.random() % 1_900_000) as u32;
            if self.parents.insert(id, SHELL).is_none() {
                return id;
            }
        }
    }

    /// The processes from before, parents first.
    pub(crate) fn seeds(&mut self) -> Vec<Step> {
        let at = |tgid, parent| Step { kind: Kind::Seed, tgid, tid: tgid, parent };
        let mut all = vec![at(INIT, 0), at(SHELL, INIT)];
        let tasks = self.at_home.iter().flatten().chain(&self.ready).chain(self.hot.first());
        all.extend(tasks.map(|t| at(t.tgid, t.parent)));
        self.parents.extend(all.iter().map(|s| (s.tgid, s.parent)));
        all
    }

    /// What a CPU does next; nothing where every task waits or runs elsewhere.
    pub(crate) fn next(&mut self, cpu: usize) -> Option<Step> {
        if self.current[cpu].is_none() {
            let is_hot = self.shape == Shape::HotProcess && self.random() & 1 == 0;
            let task = if is_hot {
                self.hot[cpu]
            } else {
                self.at_home[cpu].pop_front().or_else(|| self.ready.pop_front())?
            };
            self.current[cpu] = Some((task, BURST));
        }
        let (task, _) = self.current[cpu]?;
        let Task { tgid, tid, parent, .. } = task;
        Some(match task.action() {
            Action::Exec => Step { kind: Kind::Exec, tgid, tid, parent },
            Action::Open(_) => Step { kind: Kind::Open, tgid, tid, parent },
            Action::Exit => Step { kind: Kind::Exit, tgid, tid, parent },
            Action::Fork(_) => {
                let child = self.next_tgid;
                self.next_tgid += 1;
                Step { kind: Kind::Fork, tgid: child, tid: child, parent: tgid }
            }
        })
    }

    /// What [`Load::next`] gave has happened.
    pub(crate) fn done(&mut self, cpu: usize, step: Step) {
        let Some((mut task, left)) = self.current[cpu].take() else { return };
        match task.action() {
            Action::Open(n) => {
                task.n_opened += 1;
                if task.n_opened >= n {
                    task.n_opened = 0;
                    task.at += 1;
                }
            }
            Action::Exec => task.at += 1,
            Action::Fork(role) => {
                task.at += 1;
                let child = Task::new(role, step.tgid, task.tgid);
                self.parents.insert(child.tgid, child.parent);
                self.waiting.insert(child.tgid, task);
                // Half of all children run where they were forked.
                if self.random() & 1 == 0 {
                    self.current[cpu] = Some((child, BURST));
                } else {
                    self.ready.push_back(child);
                }
                return;
            }
            Action::Exit => {
                let parent = self.waiting.remove(&task.tgid);
                self.ready.extend(parent);
                return;
            }
        }
        if left > 1 {
            self.current[cpu] = Some((task, left - 1));
        } else if task.role == Role::Opener && task.tgid == HOT {
            self.hot[cpu] = task;
        } else if task.role == Role::Opener {
            self.at_home[cpu].push_back(task);
        } else {
            self.ready.push_back(task);
        }
    }

    /// Time that the caller works for an event, the engine's part not counted.
    pub(crate) fn work_ns(kind: Kind, open_ns: u64) -> u64 {
        work_factor(kind) * open_ns
    }

    /// The parent that a process has.
    pub(crate) fn parent(&self, tgid: u32) -> Option<u32> {
        self.parents.get(&tgid).copied()
    }

    /// The frame of an event, into `out`.
    pub(crate) fn write(&self, step: Step, ts: u64, cpu: u16, out: &mut Vec<u8>) {
        let Step { kind, tgid, tid, parent } = step;
        let at = At { ts, cpu, tgid, parent };
        out.clear();
        match kind {
            Kind::Seed => out.extend(samples::exec(at, true)),
            Kind::Exec => out.extend(samples::exec(at, false)),
            Kind::Fork => out.extend(samples::fork(at)),
            Kind::Exit => out.extend(samples::exit(at)),
            Kind::Open => {
                // A copy that differs in its header only: most frames are opens.
                out.extend_from_slice(&self.open);
                let Some(head) = out.first_chunk_mut::<HEADER_LEN>() else { return };
                let header = FrameHeader::from_bytes(head);
                let start_ns = u64::from(tgid) * 1_000;
                *head = FrameHeader { ts, cpu, tgid, tid, start_ns, ..header }.to_bytes();
            }
        }
    }
}
