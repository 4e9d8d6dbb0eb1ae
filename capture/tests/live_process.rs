//! The process family on the running kernel.

mod live;

use std::{
    collections::HashMap,
    io::Write,
    os::{
        fd::{AsRawFd, FromRawFd, OwnedFd},
        unix::fs::MetadataExt,
    },
    process::{Command, Stdio},
};

use capture::{ForkSides, ProbeOptions};
use event::{EventType, Frame, flags};
use live::{Live, text, tid};

const FAMILY: [EventType; 7] = [
    EventType::EXECVE_19_X,
    EventType::EXECVEAT_X,
    EventType::CLONE_20_X,
    EventType::CLONE3_X,
    EventType::FORK_20_X,
    EventType::VFORK_20_X,
    EventType::PROCEXIT_1_E,
];
const EXE_FROM_MEMFD: u32 = 4;

fn exec_of(pid: u32) -> impl Fn(&Frame<'_>) -> bool {
    move |f| {
        f.event_type() == EventType::EXECVE_19_X
            && f.header().tgid == pid
            && f.param_i64(0) == Some(0)
    }
}

#[test]
fn exec_carries_arguments_environment_and_ids() {
    let Some(mut live) = Live::start(&FAMILY) else { return };
    let dir = tempfile::tempdir().unwrap();
    let cwd = dir.path().canonicalize().unwrap();
    let mut child = Command::new("/bin/echo")
        .args(["one", "two words", ""])
        .env_clear()
        .env("PEREGRINE_TEST", "yes")
        .current_dir(&cwd)
        .stdout(Stdio::null())
        .spawn()
        .unwrap();
    let pid = child.id();
    child.wait().unwrap();

    let bytes = live.wait("exec", exec_of(pid));
    let exec = Frame::parse(&bytes).unwrap();
    assert_eq!(text(&exec, 1), "/bin/echo");
    assert_eq!(exec.param(2), Some(&b"one\0two words\0\0"[..]));
    assert_eq!(exec.param_i64(3), Some(i64::from(pid)));
    assert_eq!(exec.param_i64(4), Some(i64::from(pid)));
    assert_eq!(exec.param_i64(5), Some(i64::from(std::process::id())));
    assert_eq!(text(&exec, 6), cwd.to_str().unwrap());
    assert_eq!(text(&exec, 13), "echo");
    assert_eq!(exec.param(15), Some(&b"PEREGRINE_TEST=yes\0"[..]));
    let real = std::fs::canonicalize("/bin/echo").unwrap();
    assert_eq!(text(&exec, 27), real.to_str().unwrap());
    assert_eq!(text(&exec, 30), "/bin/echo");
    let meta = std::fs::metadata("/bin/echo").unwrap();
    let ns = |s: i64, n: i64| Some((s * 1_000_000_000 + n).cast_unsigned());
    assert_eq!(exec.param_u64(23), Some(meta.ino()));
    assert_eq!(exec.param_u64(24), ns(meta.ctime(), meta.ctime_nsec()));
    assert_eq!(exec.param_u64(25), ns(meta.mtime(), meta.mtime_nsec()));
    assert_eq!(exec.header().uid, 0);
    let cgroups = exec.param(14).unwrap();
    for line in std::fs::read_to_string("/proc/self/cgroup").unwrap().lines() {
        let mut parts = line.splitn(3, ':').skip(1);
        let (names, path) = (parts.next().unwrap(), parts.next().unwrap());
        for name in names.split(',').filter(|n| ["memory", "cpu", "cpuset", "pids", ""].contains(n))
        {
            let entry = format!("{name}={path}\0");
            let found = cgroups.windows(entry.len()).any(|w| w == entry.as_bytes());
            assert!(found, "no {entry:?} in {:?}", String::from_utf8_lossy(cgroups));
        }
    }

    let bytes = live.wait("fork", |f| f.trailer().creator().is_some() && f.header().tgid == pid);
    let fork = Frame::parse(&bytes).unwrap();
    assert_eq!(fork.param_i64(0), Some(0));
    assert_eq!(fork.header().tid, pid);
    assert_eq!(fork.header().start_ns, exec.header().start_ns);
    let creator = fork.trailer().creator().unwrap();
    assert_eq!((creator.creator_tgid, creator.creator_tid), (std::process::id(), tid()));
    assert_eq!(creator.parent_tgid, std::process::id());
    assert!(creator.creator_start_ns < fork.header().start_ns);

    let bytes =
        live.wait("exit", |f| f.event_type() == EventType::PROCEXIT_1_E && f.header().tgid == pid);
    let exit = Frame::parse(&bytes).unwrap();
    assert!(exit.has(flags::GROUP_DEAD));
    assert_eq!(exit.param_i64(1), Some(0));
    assert_ne!(exit.trailer().exit().unwrap().reaper_tgid, 0);
    assert!(fork.header().ts < exec.header().ts && exec.header().ts < exit.header().ts);
    live.finish();
}

#[test]
fn three_ancestors_link_up_to_this_process() {
    let Some(mut live) = Live::start(&FAMILY) else { return };
    let script = "sh -c 'sh -c \"/bin/echo deep; :\"; :'; :";
    let status = Command::new("sh").args(["-c", script]).stdout(Stdio::null()).status().unwrap();
    assert!(status.success());
    let bytes = live.wait("exec", |f| {
        f.event_type() == EventType::EXECVE_19_X && f.param(2) == Some(b"deep\0")
    });
    let exec = Frame::parse(&bytes).unwrap();
    live.drain();
    let mut parents = HashMap::new();
    for bytes in &live.frames {
        let frame = Frame::parse(bytes).unwrap();
        if let Some(creator) = frame.trailer().creator() {
            parents.insert(
                (frame.header().tgid, frame.header().start_ns),
                (creator.parent_tgid, creator.parent_start_ns),
            );
        }
    }
    let mut at = (exec.header().tgid, exec.header().start_ns);
    let mut n = 0;
    while let Some(&parent) = parents.get(&at) {
        at = parent;
        n += 1;
    }
    assert_eq!(at.0, std::process::id(), "chain of {n}");
    assert!(n >= 4, "chain of {n}");
    live.finish();
}

#[test]
fn a_failing_exec_has_its_arguments() {
    let Some(mut live) = Live::start(&FAMILY) else { return };
    Command::new("/nowhere/at-all").args(["x", "y z"]).spawn().unwrap_err();
    let bytes = live.wait("failing exec", |f| {
        f.event_type() == EventType::EXECVE_19_X && text(f, 30) == "/nowhere/at-all"
    });
    let exec = Frame::parse(&bytes).unwrap();
    assert_eq!(exec.param_i64(0), Some(-2));
    assert_eq!(text(&exec, 1), "/nowhere/at-all");
    assert_eq!(exec.param(2), Some(&b"x\0y z\0"[..]));
    live.finish();
}

#[test]
fn a_long_argument_list_is_cut_and_flagged() {
    let Some(mut live) = Live::start(&FAMILY) else { return };
    let long = "a".repeat(5000);
    let mut child = Command::new("/bin/true").args([&long, "end"]).spawn().unwrap();
    let pid = child.id();
    child.wait().unwrap();
    let bytes = live.wait("exec", exec_of(pid));
    let exec = Frame::parse(&bytes).unwrap();
    assert!(exec.has(flags::TRUNCATED));
    let args = exec.param(2).unwrap();
    assert_eq!(args.len(), 4096);
    assert_eq!(args.last(), Some(&0));
    live.finish();
}

#[test]
fn both_sides_of_a_fork_name_the_child() {
    let interest = FAMILY.into_iter().collect();
    let options = ProbeOptions { interest, fork_sides: ForkSides::Both, ..ProbeOptions::default() };
    let Some(mut live) = Live::with(options) else { return };
    let mut child = Command::new("/bin/true").spawn().unwrap();
    let pid = child.id();
    child.wait().unwrap();
    let me = tid();
    let bytes = live
        .wait("caller's side", |f| f.header().tid == me && f.param_i64(0) == Some(i64::from(pid)));
    let caller = Frame::parse(&bytes).unwrap();
    let bytes =
        live.wait("child's side", |f| f.trailer().creator().is_some() && f.header().tid == pid);
    let child = Frame::parse(&bytes).unwrap();
    assert_eq!(caller.event_type(), child.event_type());
    assert_eq!(caller.param_u32(15), child.param_u32(15));
    assert_eq!(child.param_i64(18), Some(i64::from(pid)));
    live.finish();
}

#[test]
fn memfd_execution_is_seen_as_such() {
    let Some(mut live) = Live::start(&FAMILY) else { return };
    // SAFETY: a valid name; the descriptor is owned from here on.
    let fd = unsafe {
        let fd = libc::memfd_create(c"payload".as_ptr(), 0);
        assert!(fd >= 0);
        OwnedFd::from_raw_fd(fd)
    };
    let number = fd.as_raw_fd();
    let mut file = std::fs::File::from(fd);
    file.write_all(&std::fs::read("/bin/true").unwrap()).unwrap();
    let mut child = Command::new(format!("/proc/self/fd/{number}")).arg("quiet").spawn().unwrap();
    let pid = child.id();
    assert!(child.wait().unwrap().success());
    let bytes = live.wait("exec", exec_of(pid));
    let exec = Frame::parse(&bytes).unwrap();
    assert_eq!(exec.param_u32(19).unwrap() & EXE_FROM_MEMFD, EXE_FROM_MEMFD);
    assert_eq!(text(&exec, 27), "/memfd:payload (deleted)");
    assert_eq!(text(&exec, 30), format!("/proc/self/fd/{number}"));
    live.finish();
}

#[test]
fn nothing_outside_the_scope_is_seen() {
    let Some(mut live) = Live::start(&FAMILY) else { return };
    let status = Command::new("sh").args(["-c", "/bin/true; /bin/true"]).status().unwrap();
    assert!(status.success());
    live.wait("exec", |f| f.event_type() == EventType::EXECVE_19_X && text(f, 1) == "sh");
    live.probe.detach();
    live.drain();
    let mut ours = vec![std::process::id()];
    live.frames.sort_by_key(|f| Frame::parse(f).unwrap().header().ts);
    for bytes in &live.frames {
        let frame = Frame::parse(bytes).unwrap();
        if frame.trailer().creator().is_some_and(|c| ours.contains(&c.creator_tgid)) {
            ours.push(frame.header().tgid);
        }
        assert!(ours.contains(&frame.header().tgid), "{:?}", frame.header());
    }
    live.finish();
}
