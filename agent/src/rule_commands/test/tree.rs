//! The processes of a test: who they are, and who started whom.

use std::collections::BTreeMap;

use anyhow::{Context as _, Result, bail};
use event::{EventType, FrameHeader, ProcFacts};
use stages::exe_flags;

use super::locate::Step;
use super::shapes::{Text, Written};
use super::value::{Names, duration_ns, list, nul_terminated, unknown};
use super::written::{Process, ProcessKeys, TestFile};

/// Time since boot of a test's beginning: two days.
pub(super) const BEGIN_NS: u64 = 2 * 86_400 * 1_000_000_000;
/// How long ago a process started that does not say so.
const DEFAULT_AGE_NS: u64 = 60 * 1_000_000_000;
/// Ids that processes get which do not name theirs.
const FIRST_PID: u32 = 100;
/// The kernel cuts names of programs to this.
const MAX_NAME: usize = 15;
/// No user: nobody logged in.
const NO_USER: u32 = u32::MAX;
const ALL_CAPABILITIES: u64 = (1 << 41) - 1;

/// Something that is wrong with a test file, and where.
#[derive(Debug)]
pub(super) struct Wrong {
    pub(super) path: Vec<Step>,
    pub(super) error: anyhow::Error,
}

/// Says where an error belongs.
pub(super) trait Place<T> {
    /// At a node of the file.
    fn at(self, path: &[Step]) -> Result<T, Wrong>;
}

impl<T> Place<T> for Result<T> {
    fn at(self, path: &[Step]) -> Result<T, Wrong> {
        self.map_err(|error| Wrong { path: path.to_vec(), error })
    }
}

/// One process.
#[derive(Clone, Debug, Default)]
pub(super) struct Proc {
    /// What the test calls it.
    pub(super) label: String,
    pub(super) pid: u32,
    pub(super) start_ns: u64,
    /// Index of the parent; of the first process its own.
    pub(super) parent: usize,
    pub(super) is_alive: bool,
    pub(super) comm: String,
    pub(super) exe: String,
    pub(super) exepath: String,
    /// Each with its NUL.
    pub(super) args: Vec<u8>,
    pub(super) env: Vec<u8>,
    pub(super) cgroups: Vec<u8>,
    pub(super) cwd: String,
    pub(super) uid: u32,
    pub(super) gid: u32,
    pub(super) loginuid: u32,
    pub(super) tty: u32,
    pub(super) sid: u32,
    pub(super) pgid: u32,
    pub(super) vpid: u32,
    pub(super) vpgid: u32,
    pub(super) cap_effective: u64,
    pub(super) cap_permitted: u64,
    pub(super) cap_inheritable: u64,
    /// See [`exe_flags`].
    pub(super) exe_flags: u32,
    pub(super) exe_ino: u64,
    pub(super) exe_ino_ctime: u64,
    pub(super) exe_ino_mtime: u64,
}

/// The processes of a test, the first of all at index 0.
#[derive(Clone, Debug)]
pub(super) struct Tree {
    pub(super) procs: Vec<Proc>,
    users: BTreeMap<u32, String>,
    groups: BTreeMap<u32, String>,
    next_pid: u32,
    /// Ids that the test file gives to processes.
    asked_pids: Vec<u32>,
}

impl Names for Tree {
    fn user(&self, name: &str) -> Option<u32> {
        let found = self.users.iter().find(|(_, known)| *known == name).map(|(uid, _)| *uid);
        found.or((name == "root").then_some(0))
    }

    fn group(&self, name: &str) -> Option<u32> {
        let found = self.groups.iter().find(|(_, known)| *known == name).map(|(gid, _)| *gid);
        found.or((name == "root").then_some(0))
    }

    fn process(&self, label: &str) -> Option<u32> {
        self.find(label).ok().map(|i| self.procs[i].pid)
    }
}

/// A process that is to be put into the tree once its parent is there.
struct Waiting<'a> {
    label: String,
    parent: Option<String>,
    keys: Option<&'a ProcessKeys>,
    path: Vec<Step>,
}

impl Tree {
    /// The processes of the file, then those of a test.
    pub(super) fn build(file: &TestFile, test: usize) -> Result<Self, Wrong> {
        let name = |u: &super::written::User| u.0.name.0.clone();
        let mut tree = Self {
            procs: Vec::new(),
            users: file.users.iter().map(|(uid, u)| (*uid, name(u))).collect(),
            groups: file.groups.iter().map(|(gid, name)| (*gid, name.0.clone())).collect(),
            next_pid: FIRST_PID,
            asked_pids: Vec::new(),
        };
        let mut waiting = Vec::new();
        let of_file = vec![Step::Key("processes")];
        let of_test = vec![Step::Key("tests"), Step::Index(test), Step::Key("processes")];
        let lists = [(&file.processes, of_file), (&file.tests[test].processes, of_test)];
        for (list, path) in lists {
            for (n, process) in list.0.iter().enumerate() {
                let path = [&path[..], &[Step::Index(n)]].concat();
                wait_for(process, &path, &mut waiting).at(&path)?;
            }
        }
        if waiting.is_empty() {
            waiting.push(Waiting { label: "test".into(), parent: None, keys: None, path: vec![] });
        }
        tree.asked_pids = waiting.iter().filter_map(|w| w.keys?.pid).collect();
        tree.add_first(&mut waiting)?;
        tree.add_all(waiting)?;
        Ok(tree)
    }

    /// The process with id 1: one that says so, else systemd.
    fn add_first(&mut self, waiting: &mut Vec<Waiting<'_>>) -> Result<(), Wrong> {
        let is_first = |w: &Waiting<'_>| w.keys.is_some_and(|k| k.pid == Some(1));
        let systemd = ProcessKeys {
            name: Some(Text("systemd".into())),
            exe: Some(Text("/sbin/init".into())),
            exepath: Some(Text("/usr/lib/systemd/systemd".into())),
            age: Some(Text("1d".into())),
            pid: Some(1),
            ..ProcessKeys::default()
        };
        let base = Proc { cwd: "/".into(), loginuid: NO_USER, ..Proc::default() };
        let first = waiting.iter().position(is_first).map(|i| waiting.remove(i));
        let (label, keys, path) = match &first {
            Some(w) => (w.label.clone(), w.keys.unwrap_or(&systemd), &w.path[..]),
            None => ("systemd".to_owned(), &systemd, &[][..]),
        };
        let first = self.describe(&label, keys, &base).at(path)?;
        self.procs.push(first);
        Ok(())
    }

    fn add_all(&mut self, mut waiting: Vec<Waiting<'_>>) -> Result<(), Wrong> {
        while !waiting.is_empty() {
            let n_before = waiting.len();
            let mut left = Vec::new();
            for w in waiting {
                let parent = match &w.parent {
                    None => Some(0),
                    Some(name) => self.find(name).ok(),
                };
                match parent {
                    Some(parent) => self.add(&w, parent).at(&w.path)?,
                    None => left.push(w),
                }
            }
            if left.len() == n_before {
                let w = &left[0];
                let name = w.parent.clone().unwrap_or_default();
                let is_known = left.iter().any(|w| w.label == name);
                let found = if is_known {
                    Err(anyhow::anyhow!("`{}` is its own ancestor", w.label))
                } else {
                    self.find(&name)
                };
                return found.map(drop).at(&w.path);
            }
            waiting = left;
        }
        Ok(())
    }

    fn add(&mut self, w: &Waiting<'_>, parent: usize) -> Result<()> {
        let base = Proc { parent, ..self.procs[parent].clone() };
        let none = ProcessKeys::default();
        let proc = self.describe(&w.label, w.keys.unwrap_or(&none), &base)?;
        self.procs.push(proc);
        Ok(())
    }

    /// A process with these keys whose parent `base` is: what a child inherits is taken from there.
    fn describe(&mut self, label: &str, keys: &ProcessKeys, base: &Proc) -> Result<Proc> {
        let text = |t: &Option<Text>| t.as_ref().map(|t| t.0.clone());
        let (exe, exepath) = (text(&keys.exe), text(&keys.exepath));
        let path = exepath.as_deref().or(exe.as_deref());
        let name = text(&keys.name).unwrap_or_else(|| path.map_or(label, file_name).to_owned());
        let comm = if keys.name.is_some() { name } else { cut(&name).to_owned() };
        check_name(&comm)?;
        let program = Program::new(Some(comm), exe, exepath);
        let pid = self.pid(keys.pid)?;
        let uid = keys.user.as_ref().map(|u| self.uid(&u.0)).transpose()?.unwrap_or(base.uid);
        let gid = keys.group.as_ref().map(|g| self.gid(&g.0)).transpose()?.unwrap_or(base.gid);
        let loginuid = match keys.loginuid.as_ref().map(|t| &*t.0) {
            None => base.loginuid,
            Some("-1") => NO_USER,
            Some(name) => self.uid(name)?,
        };
        let age = match &keys.age {
            None => DEFAULT_AGE_NS,
            Some(age) => duration_ns(&age.0)
                .filter(|&ns| ns < BEGIN_NS)
                .with_context(|| format!("`{}` is no age such as 30s or 5m below 2d", age.0))?,
        };
        let cgroups = match (&keys.cgroup, &keys.container) {
            (Some(_), Some(_)) => bail!("`container` is short for a `cgroup`: only one of them"),
            (Some(path), None) => cgroup(&path.0),
            (None, Some(id)) if id.0 == "host" => cgroup("/system.slice"),
            (None, Some(id)) => cgroup(&container(&id.0)?),
            (None, None) if base.cgroups.is_empty() => cgroup("/system.slice"),
            (None, None) => base.cgroups.clone(),
        };
        let own_caps = if uid == 0 { ALL_CAPABILITIES } else { 0 };
        let flag = |is: bool, bit: u32| if is { bit } else { 0 };
        // What the first process starts begins a session of its own.
        let is_leader = base.pid <= 1;
        let inherited = if is_leader { pid } else { base.sid };
        Ok(Proc {
            label: label.to_owned(),
            pid,
            start_ns: BEGIN_NS - age,
            parent: base.parent,
            is_alive: true,
            comm: program.comm,
            exe: program.exe,
            exepath: program.exepath,
            args: keys.args.as_ref().map_or(Ok(Vec::new()), |a| list("args", a))?,
            env: keys.env.as_ref().map_or(Ok(base.env.clone()), |e| list("env", e))?,
            cgroups,
            cwd: text(&keys.cwd).unwrap_or_else(|| base.cwd.clone()),
            uid,
            gid,
            loginuid,
            tty: keys.tty.unwrap_or(base.tty),
            sid: keys.sid.unwrap_or(inherited),
            pgid: keys.pgid.unwrap_or(pid),
            vpid: keys.vpid.unwrap_or(pid),
            vpgid: keys.vpgid.or(keys.pgid).or(keys.vpid).unwrap_or(pid),
            cap_effective: capabilities(keys.cap_effective.as_ref(), own_caps)?,
            cap_permitted: capabilities(keys.cap_permitted.as_ref(), own_caps)?,
            cap_inheritable: capabilities(keys.cap_inheritable.as_ref(), 0)?,
            exe_flags: flag(keys.is_exe_writable, exe_flags::WRITABLE)
                | flag(keys.is_exe_upper_layer, exe_flags::UPPER_LAYER)
                | flag(keys.is_exe_lower_layer, exe_flags::LOWER_LAYER)
                | flag(keys.is_exe_from_memfd, exe_flags::FROM_MEMFD),
            exe_ino: keys.exe_ino.unwrap_or(1000 + u64::from(pid)),
            exe_ino_ctime: keys.exe_ino_ctime.unwrap_or(0),
            exe_ino_mtime: keys.exe_ino_mtime.unwrap_or(0),
        })
    }

    /// The id that was asked for, or the next free one.
    pub(super) fn pid(&mut self, asked: Option<u32>) -> Result<u32> {
        if let Some(pid) = asked {
            if pid == 0 || self.procs.iter().any(|p| p.pid == pid && p.is_alive) {
                bail!("the process id {pid} is taken");
            }
            return Ok(pid);
        }
        while self.procs.iter().any(|p| p.pid == self.next_pid)
            || self.asked_pids.contains(&self.next_pid)
        {
            self.next_pid += 1;
        }
        self.next_pid += 1;
        Ok(self.next_pid - 1)
    }

    fn uid(&self, name: &str) -> Result<u32> {
        let number = || name.parse().ok();
        let known = self.users.values().map(String::as_str);
        self.user(name).or_else(number).ok_or_else(|| unknown("user", name, known))
    }

    fn gid(&self, name: &str) -> Result<u32> {
        let number = || name.parse().ok();
        let known = self.groups.values().map(String::as_str);
        self.group(name).or_else(number).ok_or_else(|| unknown("group", name, known))
    }

    fn labels(&self) -> impl Iterator<Item = &str> {
        self.procs.iter().map(|p| p.label.as_str())
    }

    /// The living process that the test calls so, or that has this id.
    pub(super) fn find(&self, label: &str) -> Result<usize> {
        let pid = label.parse::<u32>().ok();
        let is_it = |p: &Proc| p.is_alive && (p.label == label || Some(p.pid) == pid);
        let mut found = (0..self.procs.len()).filter(|&i| is_it(&self.procs[i]));
        match (found.next(), found.next()) {
            (Some(only), None) => Ok(only),
            (Some(_), Some(_)) => bail!(
                "several processes are called `{label}`: name one by its id, or give each a name with `as`"
            ),
            (None, _) if self.procs.iter().any(|p| p.label == label) => {
                bail!("the process `{label}` has exited")
            }
            (None, _) => Err(unknown("process", label, self.labels())),
        }
    }

    /// The header of a frame about a process.
    pub(super) fn header(&self, proc: usize, ty: EventType, ts: u64) -> FrameHeader {
        let p = &self.procs[proc];
        FrameHeader {
            ts,
            event_type: ty.0,
            tid: p.pid,
            tgid: p.pid,
            start_ns: p.start_ns,
            uid: p.uid,
            gid: p.gid,
            ..FrameHeader::default()
        }
    }

    /// What the kernel says of a process beside the parameters.
    pub(super) fn facts(&self, proc: usize) -> ProcFacts {
        let p = &self.procs[proc];
        let parent = (proc != 0).then(|| &self.procs[p.parent]);
        ProcFacts {
            sid: p.sid,
            pgid: p.pgid,
            parent_tgid: parent.map_or(0, |p| p.pid),
            vpid: p.vpid,
            parent_start_ns: parent.map_or(0, |p| p.start_ns),
        }
    }
}

/// Notes a process, or each of a line.
fn wait_for<'a>(process: &'a Process, path: &[Step], waiting: &mut Vec<Waiting<'a>>) -> Result<()> {
    match process {
        Process::Line(line) => {
            let names: Vec<&str> = line.split('>').map(str::trim).collect();
            let mut parent = None;
            for (n, name) in names.iter().map(|name| (*name).to_owned()).enumerate() {
                if name.is_empty() {
                    bail!("a name is missing in the line `{line}`");
                }
                // All but the last may be processes that are there.
                let is_there = waiting.iter().any(|w| w.label == name);
                if !is_there || n + 1 == names.len() {
                    let (label, path) = (name.clone(), path.to_vec());
                    waiting.push(Waiting { label, parent, keys: None, path });
                }
                parent = Some(name);
            }
        }
        Process::Full(keys) => {
            let path_of = || keys.exepath.as_ref().or(keys.exe.as_ref()).map(|p| file_name(&p.0));
            let name = keys.label.as_ref().or(keys.name.as_ref()).map(|n| n.0.as_str());
            let label = name.or_else(path_of).context("a process needs a `name` or an `exe`")?;
            let parent = keys.parent.as_ref().map(|p| p.0.clone());
            let (label, path) = (label.to_owned(), path.to_vec());
            waiting.push(Waiting { label, parent, keys: Some(keys), path });
        }
    }
    Ok(())
}

/// How a program is called: what is not given follows from the rest.
pub(super) struct Program {
    pub(super) comm: String,
    pub(super) exe: String,
    pub(super) exepath: String,
}

impl Program {
    pub(super) fn new(comm: Option<String>, exe: Option<String>, exepath: Option<String>) -> Self {
        let named = |comm: &str| format!("/usr/bin/{comm}");
        let path = exepath.or_else(|| exe.clone().filter(|e| e.starts_with('/')));
        let comm = comm.unwrap_or_else(|| {
            cut(file_name(path.as_deref().or(exe.as_deref()).unwrap_or_default())).to_owned()
        });
        let exe = exe.or_else(|| path.clone()).unwrap_or_else(|| comm.clone());
        let exepath = path.unwrap_or_else(|| named(file_name(&exe)));
        Self { comm, exe, exepath }
    }
}

/// A name that the kernel can have given.
pub(super) fn check_name(name: &str) -> Result<()> {
    if name.len() > MAX_NAME {
        bail!(
            "the kernel cuts the name of a process after {MAX_NAME} bytes: `{}` instead of `{name}`",
            cut(name)
        );
    }
    Ok(())
}

fn cut(name: &str) -> &str {
    &name[..name.floor_char_boundary(MAX_NAME)]
}

pub(super) fn file_name(path: &str) -> &str {
    path.rsplit('/').next().unwrap_or(path)
}

fn cgroup(path: &str) -> Vec<u8> {
    nul_terminated([format!("={path}").as_str()].into_iter())
}

/// The cgroup of a Docker container; its id may be short.
pub(super) fn container(id: &str) -> Result<String> {
    if id.is_empty() || id.len() > 64 || !id.bytes().all(|b| b.is_ascii_hexdigit()) {
        bail!("`{id}` is no container's id: hexadecimal digits, or `host`");
    }
    Ok(format!("/system.slice/docker-{id:0<64}.scope"))
}

fn capabilities(value: Option<&Written>, default: u64) -> Result<u64> {
    let words: Vec<&str> = match value {
        None => return Ok(default),
        Some(Written::Null) => return Ok(0),
        Some(Written::Text(text)) if text == "all" => return Ok(ALL_CAPABILITIES),
        Some(Written::Text(text)) => text.split_whitespace().collect(),
        Some(Written::List(all)) => all.iter().map(String::as_str).collect(),
        Some(Written::Map(_)) => bail!("capabilities are a list of names"),
    };
    words.into_iter().try_fold(0, |all, word| {
        let bit = stages::capability_named(word);
        Ok(all | bit.with_context(|| format!("unknown capability `{word}`"))?)
    })
}
