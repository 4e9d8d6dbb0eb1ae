//! Events as written to frames as the kernel side writes them: every parameter of the event table, and the sections behind them.

use std::collections::HashMap;

use anyhow::{Context as _, Result, anyhow, bail};
use event::{
    CreatorFacts, EventType, ExitFacts, FrameHeader, ParamType, SectionKind, flags, sock_flags,
};

use super::descriptor::{FileId, Object, SocketId, joined};
use super::given::{DEFAULT_FD, Given, number};
use super::locate::Step;
use super::tree::{BEGIN_NS, Place as _, Program, Tree, Wrong, check_name};
use super::value::{addr_bytes, duration_ns, ends, tuple_bytes};
use super::written::{Event, Mark, Process, ProcessKeys};

/// Time between events that say nothing of it.
const STEP_NS: u64 = 1_000_000;
/// `SE_EINPROGRESS`: a connect that goes on.
const EINPROGRESS: i64 = 115;
/// `PPM_O_DIRECTORY`.
const O_DIRECTORY: i64 = 0x400;
/// `PPM_CL_CLONE_THREAD`.
const CLONE_THREAD: i64 = 1 << 13;
/// The near end of a connection that names only the far one.
const DEFAULT_LOCAL: [&str; 2] = ["10.0.0.1:40000", "[fd00::1]:40000"];

/// A test on its way: the processes as they are now, and what is behind their descriptors.
pub(super) struct Scene {
    tree: Tree,
    objects: HashMap<(usize, i64), Object>,
    now_ns: u64,
    /// Who does events that do not say it.
    doer: usize,
}

/// An event that was played.
#[derive(Debug)]
pub(super) struct Played {
    pub(super) frame: Vec<u8>,
    /// `openat by cat (101)`.
    pub(super) what: String,
}

impl Scene {
    pub(super) fn new(tree: Tree) -> Self {
        let doer = tree.procs.len() - 1;
        Self { tree, objects: HashMap::new(), now_ns: BEGIN_NS, doer }
    }

    /// A frame for each process, parents first, as the agent reads them from `/proc`.
    pub(super) fn seeds(&self) -> Result<Vec<Vec<u8>>> {
        let seed = |i: usize| {
            let ty = EventType::EXECVE_19_X;
            let mut given = Given::new(ty);
            self.fill_image(&mut given, i);
            let header = self.tree.header(i, ty, BEGIN_NS);
            let header = FrameHeader { flags: flags::SEED, ..header };
            given.frame(header, &[self.facts(i)])
        };
        (0..self.tree.procs.len()).map(seed).collect()
    }

    fn facts(&self, proc: usize) -> (SectionKind, Vec<u8>) {
        (SectionKind::Proc, self.tree.facts(proc).to_bytes().to_vec())
    }

    /// Plays one event: its frame, after which the processes are as it left them.
    pub(super) fn play(&mut self, event: &Event, path: &[Step]) -> Result<Played, Wrong> {
        let below = |key: &'static str| [path, &[Step::Key(key)]].concat();
        let proc = match &event.by {
            Some(label) => self.tree.find(&label.0).at(&below("by"))?,
            None if self.tree.procs[self.doer].is_alive => self.doer,
            None => {
                return Err(anyhow!(
                    "the process that did the last event has exited: say `by` whom"
                ))
                .at(path);
            }
        };
        let after = match &event.after {
            Some(text) => duration_ns(&text.0)
                .with_context(|| format!("`{}` is no time such as 20ms or 5s", text.0))
                .at(&below("after"))?,
            None => STEP_NS,
        };
        self.now_ns = self
            .now_ns
            .checked_add(after)
            .context("the events of a test are spread over more than 584 years")
            .at(&below("after"))?;
        let mut given = Given::read(event, &self.tree, path)?;
        let p = &self.tree.procs[proc];
        let what = format!("{} by {} ({})", event.call, p.label, p.pid);
        let mut header = self.tree.header(proc, given.ty, self.now_ns);
        header.tid = event.tid.unwrap_or(header.tid);
        for mark in &event.marks.0 {
            header.flags |= match mark {
                Mark::Truncated => flags::TRUNCATED,
                Mark::Faulted => flags::FAULTED,
                Mark::FdRaced => flags::FD_RACED,
            };
        }
        if event.child.is_some() && !given.is_fork() {
            return Err(anyhow!("only a fork or clone has a `child`")).at(&below("child"));
        }
        let frame = if given.is_fork() {
            self.fork(given, header, proc, event).at(path)?
        } else if given.is_exec() {
            self.exec(given, header, proc).at(path)?
        } else if given.ty == EventType::PROCEXIT_1_E {
            self.exit(&given, header, proc).at(path)?
        } else {
            let mut sections = self.object(&mut given, proc, event).at(path)?;
            for (dir, kind) in [(&event.dir, SectionKind::Dir), (&event.dir2, SectionKind::Dir2)] {
                if let Some(dir) = dir {
                    sections.push(FileId::directory(&dir.0).section(kind));
                }
            }
            self.change(&given, proc);
            given.frame(header, &sections).at(path)?
        };
        Ok(Played { frame, what })
    }

    /// Finds out what is behind the descriptor, fills in the parameters that tell of it, and gives its section.
    fn object(
        &mut self,
        given: &mut Given,
        proc: usize,
        event: &Event,
    ) -> Result<Vec<(SectionKind, Vec<u8>)>> {
        let result = given.result();
        let is_inbound = given.is_inbound();
        let name = given.text("name").or_else(|| given.text("path")).map(str::to_owned);
        let dir = event.dir.as_ref().map_or(self.tree.procs[proc].cwd.as_str(), |d| &d.0);
        let lexical = name.map(|name| joined(dir, &name));
        let fd_param = given.used_fd();
        let fd =
            fd_param.map(|n| given.bytes.get(&n).and_then(|b| number(b)).unwrap_or(DEFAULT_FD));
        let object = match (&event.file, &event.connection) {
            (Some(_), Some(_)) => bail!("a descriptor is a `file` or a `connection`, not both"),
            (Some(file), None) => Some(Object::File(FileId::read(file, lexical.as_deref())?)),
            (None, Some(socket)) => Some(Object::Socket(SocketId::read(socket, is_inbound)?)),
            (None, None) if given.is_open() => lexical.filter(|_| result >= 0).map(|path| {
                let is_dir = given.number("flags").unwrap_or(0) & O_DIRECTORY != 0;
                Object::File(if is_dir { FileId::directory(&path) } else { FileId::named(&path) })
            }),
            (None, None) => {
                // Only who names a descriptor means one that was there before.
                let named = fd.filter(|_| fd_param.is_some_and(|n| given.bytes.contains_key(&n)));
                let known = named.and_then(|fd| self.objects.get(&(proc, fd)).cloned());
                told_by_call(given, known)?
            }
        };
        if let Some(Object::Socket(socket)) = &object {
            put_ends(given, socket, is_inbound);
        }
        if let (Some(Object::File(file)), true) = (&object, given.is_open()) {
            given.put_number("dev", i64::from(file.dev));
            given.put_number("ino", file.ino as i64);
        }
        let Some(object) = object else { return Ok(Vec::new()) };
        if let Some(n) = fd_param {
            given.bytes.entry(n).or_insert_with(|| DEFAULT_FD.to_le_bytes().to_vec());
        }
        let fd = if given.makes_fd() { Some(result) } else { fd };
        if let Some(fd) = fd.filter(|&fd| fd >= 0) {
            self.objects.insert((proc, fd), object.clone());
        }
        // What `socket` made is told by its parameters.
        if given.ty == EventType::SOCKET_X || given.is_open() && result < 0 {
            return Ok(Vec::new());
        }
        Ok(vec![object.section()])
    }

    /// What a call changes of its process, as far as later events of the test show it.
    fn change(&mut self, given: &Given, proc: usize) {
        if given.result() < 0 {
            return;
        }
        let id = |name| {
            given.number(name).and_then(|n| u32::try_from(n).ok()).filter(|&n| n != u32::MAX)
        };
        let p = &mut self.tree.procs[proc];
        match given.info.name {
            "chdir" => {
                if let Some(path) = given.text("path") {
                    p.cwd = joined(&p.cwd, path);
                }
            }
            "setuid" => p.uid = id("uid").unwrap_or(p.uid),
            "setreuid" | "setresuid" => p.uid = id("euid").unwrap_or(p.uid),
            "setgid" => p.gid = id("gid").unwrap_or(p.gid),
            "setregid" | "setresgid" => p.gid = id("egid").unwrap_or(p.gid),
            "setsid" => (p.sid, p.pgid, p.vpgid) = (p.pid, p.pid, p.vpid),
            _ => {}
        }
    }

    fn fork(
        &mut self,
        mut given: Given,
        header: FrameHeader,
        proc: usize,
        event: &Event,
    ) -> Result<Vec<u8>> {
        let is_thread = given.number("flags").unwrap_or(0) & CLONE_THREAD != 0;
        if given.result() != 0 || is_thread {
            if event.child.is_some() {
                bail!("there is no child where a fork fails or makes a thread");
            }
            self.fill_image(&mut given, proc);
            return given.frame(header, &[]);
        }
        let (label, pid) = match &event.child {
            None => (self.tree.procs[proc].label.clone(), None),
            Some(Process::Line(label)) => (label.clone(), None),
            Some(Process::Full(keys)) => {
                let (label, pid) = (keys.label.clone(), keys.pid);
                let own = ProcessKeys { label: label.clone(), pid, ..ProcessKeys::default() };
                if **keys != own {
                    bail!("of a child only `as` and `pid` can be said: the rest is its parent's");
                }
                (label.map_or_else(|| self.tree.procs[proc].label.clone(), |l| l.0), pid)
            }
        };
        let pid = self.tree.pid(pid)?;
        let parent = &self.tree.procs[proc];
        let mut child = parent.clone();
        (child.label, child.pid, child.vpid) = (label, pid, pid);
        (child.start_ns, child.parent) = (self.now_ns, proc);
        let creator = CreatorFacts {
            creator_tid: header.tid,
            creator_tgid: parent.pid,
            creator_start_ns: parent.start_ns,
            parent_tgid: parent.pid,
            parent_start_ns: parent.start_ns,
        };
        self.tree.procs.push(child);
        let child = self.tree.procs.len() - 1;
        self.fill_image(&mut given, child);
        let own = self.tree.header(child, given.ty, self.now_ns);
        let header = FrameHeader { flags: header.flags, ..own };
        let sections = [(SectionKind::Creator, creator.to_bytes().to_vec()), self.facts(child)];
        given.frame(header, &sections)
    }

    fn exec(&mut self, mut given: Given, header: FrameHeader, proc: usize) -> Result<Vec<u8>> {
        let text = |name: &str| given.text(name).map(str::to_owned);
        let (comm, exe) = (text("comm"), text("exe"));
        let exepath =
            text("trusted_exepath").or_else(|| text("filename").filter(|f| f.starts_with('/')));
        let is_other = comm.is_some() || exe.is_some() || exepath.is_some();
        let before = self.tree.procs[proc].clone();
        let p = &mut self.tree.procs[proc];
        if is_other {
            let program = Program::new(comm, exe, exepath);
            check_name(&program.comm)?;
            (p.comm, p.exe, p.exepath) = (program.comm, program.exe, program.exepath);
            (p.args, p.exe_flags, p.exe_ino) = (Vec::new(), 0, p.exe_ino.wrapping_add(1));
        }
        let bytes = |name: &str| given.bytes.get(&given.index(name)?).cloned();
        p.args = bytes("args").unwrap_or_else(|| p.args.clone());
        p.env = bytes("env").unwrap_or_else(|| p.env.clone());
        p.cgroups = bytes("cgroups").unwrap_or_else(|| p.cgroups.clone());
        let flags = given.number("flags").and_then(|n| u32::try_from(n).ok());
        p.exe_flags = flags.unwrap_or(p.exe_flags);
        self.fill_image(&mut given, proc);
        let frame = given.frame(header, &[self.facts(proc)]);
        if given.result() < 0 {
            self.tree.procs[proc] = before;
        }
        frame
    }

    fn exit(&mut self, given: &Given, mut header: FrameHeader, proc: usize) -> Result<Vec<u8>> {
        let reaper = &self.tree.procs[0];
        let facts = ExitFacts { reaper_tgid: reaper.pid, reaper_start_ns: reaper.start_ns };
        header.flags |= flags::GROUP_DEAD;
        let frame = given.frame(header, &[(SectionKind::Exit, facts.to_bytes().to_vec())]);
        self.tree.procs[proc].is_alive = false;
        for p in &mut self.tree.procs {
            if p.parent == proc {
                p.parent = 0;
            }
        }
        frame
    }

    /// Fills in what frames of exec and fork tell of a process.
    fn fill_image(&self, given: &mut Given, proc: usize) {
        let p = &self.tree.procs[proc];
        let parent = if proc == 0 { 0 } else { i64::from(self.tree.procs[p.parent].pid) };
        given.put_number("res", 0);
        for (name, text) in [
            ("exe", &p.exe),
            ("cwd", &p.cwd),
            ("comm", &p.comm),
            ("trusted_exepath", &p.exepath),
            ("filename", &p.exepath),
        ] {
            given.put_text(name, text);
        }
        for (name, bytes) in [("args", &p.args), ("env", &p.env), ("cgroups", &p.cgroups)] {
            given.put(name, bytes.clone());
        }
        for (name, n) in [("tid", p.pid), ("pid", p.pid), ("vtid", p.vpid), ("vpid", p.vpid)] {
            given.put_number(name, i64::from(n));
        }
        given.put_number("ptid", parent);
        given.put_number("fdlimit", 1024);
        for (name, n) in [
            ("tty", p.tty),
            ("vpgid", p.vpgid),
            ("pgid", p.pgid),
            ("loginuid", p.loginuid),
            ("uid", p.uid),
            ("gid", p.gid),
        ] {
            given.put_number(name, i64::from(n));
        }
        if given.is_exec() {
            given.put_number("flags", i64::from(p.exe_flags));
        }
        for (name, n) in [
            ("cap_effective", p.cap_effective),
            ("cap_permitted", p.cap_permitted),
            ("cap_inheritable", p.cap_inheritable),
            ("exe_ino", p.exe_ino),
            ("exe_ino_ctime", p.exe_ino_ctime),
            ("exe_ino_mtime", p.exe_ino_mtime),
        ] {
            given.put_number(name, n as i64);
        }
    }
}

/// The socket that the parameters of a call tell of, or what is known of the descriptor from an earlier call.
fn told_by_call(given: &Given, known: Option<Object>) -> Result<Option<Object>> {
    let name = given.info.name;
    let texts =
        |ty| given.texts.iter().find(|(n, _)| given.info.params[**n].ty == ty).map(|(_, t)| t);
    let (tuple, addr) = (texts(ParamType::SockTuple), texts(ParamType::SockAddr));
    if given.ty == EventType::SOCKET_X {
        let number = |name| given.number(name).and_then(|n| u16::try_from(n).ok()).unwrap_or(0);
        let (family, ty, proto) = (number("domain"), number("type"), number("proto"));
        return Ok(Some(Object::Socket(SocketId { family, ty, proto, ..SocketId::default() })));
    }
    if tuple.is_none() && addr.is_none() {
        return Ok(known);
    }
    let is_stream = matches!(name, "connect" | "bind" | "accept" | "accept4");
    let mut socket = match known {
        Some(Object::Socket(socket)) => socket,
        _ => SocketId::of_proto(if is_stream { "tcp" } else { "udp" })?,
    };
    let (is_inbound, is_bind) = (given.is_inbound(), name == "bind");
    let addr = addr.or(tuple).map(String::as_str).unwrap_or_default();
    if let Some((source, dest)) = tuple.and_then(|t| ends(t)) {
        socket.connect(source, dest, is_inbound);
    } else if addr.starts_with(['/', '@']) {
        socket =
            SocketId { path: addr.to_owned(), flags: socket.flags, ..SocketId::of_proto("unix")? };
    } else if let Ok(addr) = addr.parse::<std::net::SocketAddr>() {
        if is_bind {
            socket.local = Some(addr);
        } else {
            socket.remote = Some(addr);
            let local = DEFAULT_LOCAL[usize::from(addr.is_ipv6())].parse().ok();
            socket.local = socket.local.or(local);
        }
        socket.fit_family();
    }
    let is_on = given.result() >= 0 || given.result() == -EINPROGRESS;
    socket.flags &= !sock_flags::CONNECTED;
    if is_stream && !is_bind && is_on {
        socket.flags |= sock_flags::CONNECTED;
    }
    socket.flags |= match name {
        "connect" => sock_flags::CLIENT,
        _ if name.starts_with("accept") => sock_flags::ACCEPTED | sock_flags::SERVER,
        _ => 0,
    };
    Ok(Some(Object::Socket(socket)))
}

/// Tuple and address of a call on a socket of which a line tells.
fn put_ends(given: &mut Given, socket: &SocketId, is_inbound: bool) {
    let is_bind = given.info.name == "bind";
    for (n, param) in given.info.params.iter().enumerate() {
        let text = match param.ty {
            ParamType::SockTuple => socket.tuple(is_inbound).map(tuple_bytes),
            ParamType::SockAddr => socket.addr(is_bind).map(addr_bytes),
            _ => None,
        };
        if let Some(bytes) = text {
            given.bytes.entry(n).or_insert(bytes);
        }
    }
}
