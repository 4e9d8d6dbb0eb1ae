//! Processes from before the capture: the kernel's iterators give what `/proc` gives.

mod live;

use std::{
    collections::HashMap,
    ffi::CString,
    io::{BufRead as _, BufReader, Write as _},
    os::{fd::FromRawFd as _, unix::process::CommandExt as _},
    process::{Child, Command, Stdio},
    time::Instant,
};

use capture::{Probe, ProbeOptions, ProcessEntry, Seeds};
use event::{EventSet, Frame, flags};
use live::{DEADLINE, can_run};

struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        self.0.kill().expect("own child");
        self.0.wait().expect("own child");
    }
}

/// A shell that has said a line, so that its exec lies behind it.
fn shell(script: &str, change: impl FnOnce(&mut Command)) -> Running {
    let mut command = Command::new("/bin/sh");
    command.args(["-c", script]).stdin(Stdio::piped()).stdout(Stdio::piped());
    change(&mut command);
    let mut child = Running(command.spawn().unwrap());
    let mut line = String::new();
    BufReader::new(child.0.stdout.as_mut().unwrap()).read_line(&mut line).unwrap();
    assert_eq!(line, "ready\n");
    child
}

const READY: &str = "echo ready; read line";

fn entry(seeds: &Seeds, pid: u32) -> Option<ProcessEntry> {
    seeds.iter().find_map(|bytes| {
        let frame = Frame::parse(&bytes).unwrap();
        (frame.header().tgid == pid).then(|| ProcessEntry::from_seed(&frame))
    })
}

fn probe() -> Probe {
    Probe::load(ProbeOptions { interest: EventSet::EMPTY, ..ProbeOptions::default() }).unwrap()
}

/// Without what differs by its nature: memory and faults go on changing, `/proc` has no limit of descriptors and no overlay layer, and gives
/// paths as this process sees them.
fn comparable(entry: ProcessEntry) -> ProcessEntry {
    ProcessEntry {
        vmsize_kb: 0,
        vmrss_kb: 0,
        vmswap_kb: 0,
        pfmajor: 0,
        pfminor: 0,
        fdlimit: 0,
        exe_upper_layer: false,
        exe_lower_layer: false,
        cgroups: Vec::new(),
        ..entry
    }
}

fn cgroups(entry: &ProcessEntry) -> HashMap<Vec<u8>, Vec<u8>> {
    let lists = entry.cgroups.split(|&c| c == 0).filter(|l| !l.is_empty());
    lists
        .map(|l| {
            let at = l.iter().position(|&c| c == b'=').unwrap();
            (l[..at].to_vec(), l[at + 1..].to_vec())
        })
        .collect()
}

#[test]
fn iterators_and_proc_tell_the_same() {
    if !can_run() {
        return;
    }
    let dir = tempfile::tempdir().unwrap();
    let many: Vec<String> = (0..600).map(|n| format!("argument {n}")).collect();
    let as_others = [
        shell(READY, |c| {
            c.arg("name").arg("two words").arg("").env_clear().env("PEREGRINE_TEST", "yes");
            c.current_dir(dir.path()).uid(33).gid(34).process_group(0);
        }),
        shell(READY, |c| {
            c.args(&many).envs((0..300).map(|n| (format!("NAME_{n}"), "a value of some length")));
        }),
        shell(&format!("exec unshare -p -f /bin/sh -c '{READY}'"), |_| {}),
    ];
    let renamed = shell("printf x > /proc/self/comm; echo ready; read line", |_| {});
    let in_memory = in_memory();
    let pids: Vec<u32> = as_others
        .iter()
        .chain([&renamed, &in_memory])
        .map(|child| child.0.id())
        .chain([std::process::id(), 1, 2])
        .collect();
    let mut probe = probe();
    let by_kernel = probe.seeds().unwrap();
    let by_proc = Seeds::snapshot().unwrap();
    assert!(probe.report().warnings.iter().all(|w| !w.contains("/proc")), "{:?}", probe.report());
    let children =
        std::fs::read_to_string(format!("/proc/{0}/task/{0}/children", as_others[2].0.id()));
    let inner = children.unwrap_or_default().trim().parse::<u32>().expect("a child");
    assert_ne!(entry(&by_kernel, inner).unwrap().vpid, i64::from(inner));
    for pid in pids.into_iter().chain([inner]) {
        let of = |seeds| entry(seeds, pid).unwrap_or_else(|| panic!("{pid} is missing"));
        let (kernel, proc) = (of(&by_kernel), of(&by_proc));
        let (in_kernel, in_proc) = (cgroups(&kernel), cgroups(&proc));
        assert_eq!(in_kernel, in_proc, "{pid}");
        assert_eq!(comparable(kernel), comparable(proc), "{pid}");
    }
    let all: Vec<_> = by_kernel.iter().collect();
    let frame_of = |pid: u32| {
        let mut all = all.iter().map(|bytes| Frame::parse(bytes).unwrap());
        all.find(|f| f.header().tgid == pid).unwrap()
    };
    let own = frame_of(std::process::id());
    let child = frame_of(renamed.0.id());
    assert!(child.has(flags::SEED) && !child.has(flags::START_COARSE));
    // What a frame of the child's says of its parent is what the parent's own says.
    assert_eq!(child.trailer().proc().unwrap().parent_start_ns, own.header().start_ns);
    assert_eq!(frame_of(in_memory.0.id()).param_u32(19).unwrap() & 4, 4);
    assert_eq!(frame_of(as_others[1].0.id()).param(15).unwrap().len(), 4096);
    assert!(frame_of(as_others[1].0.id()).has(flags::TRUNCATED));
}

/// A shell out of a file that lies in memory only.
fn in_memory() -> Running {
    let name = CString::new("peregrine").unwrap();
    // SAFETY: a name; the descriptor is owned from here on.
    let mut file = unsafe {
        let fd = libc::memfd_create(name.as_ptr(), 0);
        assert!(fd >= 0);
        std::fs::File::from_raw_fd(fd)
    };
    file.write_all(&std::fs::read("/bin/sh").unwrap()).unwrap();
    let path = format!("/proc/self/fd/{}", std::os::fd::AsRawFd::as_raw_fd(&file));
    let mut command = Command::new(path);
    command.args(["-c", READY]).stdin(Stdio::piped()).stdout(Stdio::piped());
    let mut child = Running(command.spawn().unwrap());
    let mut line = String::new();
    BufReader::new(child.0.stdout.as_mut().unwrap()).read_line(&mut line).unwrap();
    child
}

#[test]
fn threads_are_listed_and_the_dead_are_not() {
    if !can_run() {
        return;
    }
    let mut dead = Command::new("/bin/true").spawn().unwrap();
    let is_zombie = || {
        let stat = std::fs::read_to_string(format!("/proc/{}/stat", dead.id())).unwrap();
        stat.rsplit_once(')').unwrap().1.trim_start().starts_with('Z')
    };
    let start = Instant::now();
    while !is_zombie() {
        assert!(start.elapsed() < DEADLINE);
        std::thread::yield_now();
    }
    let mut probe = probe();
    let me = std::process::id();
    let (by_kernel, by_proc, tid) = std::thread::scope(|scope| {
        let (go, wait) = std::sync::mpsc::channel::<()>();
        let (say, hear) = std::sync::mpsc::channel();
        scope.spawn(move || {
            say.send(live::tid()).unwrap();
            let _closed = wait.recv();
        });
        let tid = hear.recv().unwrap();
        let taken = (probe.seeds().unwrap(), Seeds::snapshot().unwrap(), tid);
        drop(go);
        taken
    });
    for seeds in [by_kernel, by_proc] {
        assert!(seeds.threads().contains(&(tid, me)), "{:?}", seeds.threads());
        assert!(entry(&seeds, dead.id()).is_none());
        let mut pids = seeds.pids();
        pids.sort_unstable();
        pids.dedup();
        assert_eq!(pids.len(), seeds.len());
    }
    dead.wait().unwrap();
}
