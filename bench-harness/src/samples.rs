//! Frames as the kernel side writes them, the same bytes every time.

use event::{
    CreatorFacts, EventType, ExitFacts, FileFacts, FileKind, FrameHeader, FrameWriter, ProcFacts,
    SectionKind, SockAddr, SockFacts, SockTuple, flags, sock_flags,
};

/// A process and a moment, which every sample frame has.
#[derive(Clone, Copy, Debug)]
pub struct At {
    /// Boot-clock ns of the record.
    pub ts: u64,
    /// CPU of the record.
    pub cpu: u16,
    /// Process (and its only thread).
    pub tgid: u32,
    /// Its parent.
    pub parent: u32,
}

/// Start time of a sample process: what it says is not important, that it is one function of the id is.
fn start_ns(tgid: u32) -> u64 {
    u64::from(tgid) * 1_000
}

fn write(at: At, event_type: EventType, fill: impl FnOnce(&mut FrameWriter<'_>)) -> Vec<u8> {
    let header = FrameHeader {
        ts: at.ts,
        event_type: event_type.0,
        cpu: at.cpu,
        tid: at.tgid,
        tgid: at.tgid,
        start_ns: start_ns(at.tgid),
        uid: 1000,
        gid: 1000,
        cgroup_id: 4711,
        ..FrameHeader::default()
    };
    let mut buf = vec![0; 16 * 1024];
    let mut w = FrameWriter::new(&mut buf, header);
    fill(&mut w);
    let bytes = w.finish().expect("a sample fits into its buffer");
    bytes.to_vec()
}

fn proc_facts(at: At) -> [u8; ProcFacts::LEN] {
    ProcFacts {
        sid: 100,
        pgid: at.tgid,
        parent_tgid: at.parent,
        vpid: at.tgid,
        parent_start_ns: start_ns(at.parent),
    }
    .to_bytes()
}

/// A successful execve with three arguments and 24 variables of environment. As a seed it stands for a process that was there before.
#[must_use]
pub fn exec(at: At, seed: bool) -> Vec<u8> {
    let mut env = Vec::new();
    for n in 0..24 {
        env.extend(format!("VARIABLE_{n:02}=/some/value/number/{n:04}\0").bytes());
    }
    let mut bytes = write(at, EventType::EXECVE_19_X, |w| {
        let (tgid, parent) = (i64::from(at.tgid), i64::from(at.parent));
        w.i64(0).str(b"/usr/bin/make").bytes(b"-j2\0all\0install\0");
        w.i64(tgid).i64(tgid).i64(parent).str(b"/home/user/project");
        w.u64(1024).u64(0).u64(310).u32(5120).u32(1990).u32(0).str(b"make");
        w.bytes(b"cpuset=/\0cpu=/user.slice\0memory=/user.slice\0=/user.slice/session-3.scope\0");
        w.bytes(&env).u32(34816).i64(tgid).u32(1000).u32(0).u64(0).u64(0).u64(0);
        w.u64(262_201).u64(1_700_000_000_000_000_000).u64(1_700_000_000_000_000_000);
        w.u32(1000).str(b"/usr/bin/make").i64(tgid).u32(1000).str(b"/usr/bin/make");
        w.section(SectionKind::Proc, &[&proc_facts(at)]);
    });
    if seed {
        let flags_at = 20;
        bytes[flags_at..flags_at + 4].copy_from_slice(&flags::SEED.to_le_bytes());
    }
    bytes
}

/// A successful openat for reading, by relative path.
#[must_use]
pub fn open(at: At) -> Vec<u8> {
    write(at, EventType::OPENAT_2_X, |w| {
        w.i64(3).i64(-100).str(b"src/../include/linux/sched.h").u32(1).u32(0).u32(0xfe00).u64(9911);
        let file = FileFacts {
            ino: 9911,
            dev: 0xfe00,
            flags: 0,
            kind: FileKind::Regular,
            path: b"/home/user/project/include/linux/sched.h",
        };
        let dir = FileFacts {
            ino: 77,
            dev: 0xfe00,
            flags: 0,
            kind: FileKind::Directory,
            path: b"/home/user/project",
        };
        w.section(SectionKind::File, &[&file.fixed_bytes(), file.path]);
        w.section(SectionKind::Dir, &[&dir.fixed_bytes(), dir.path]);
    })
}

/// A successful connect over TCP to a documentation address.
#[must_use]
pub fn connect(at: At) -> Vec<u8> {
    write(at, EventType::CONNECT_X, |w| {
        let source = ([192, 0, 2, 7], 40_404).into();
        let dest = ([203, 0, 113, 9], 443).into();
        w.i64(0).sock_tuple(&SockTuple::Inet { source, dest }).i64(5);
        w.sock_addr(&SockAddr::Inet(dest));
        let ip = |v4: [u8; 4]| {
            let mut b = [0; 16];
            b[..4].copy_from_slice(&v4);
            b
        };
        let sock = SockFacts {
            cookie: 99,
            family: 2,
            ty: 1,
            proto: 6,
            local_port: 40_404,
            remote_port: 443,
            state: 1,
            flags: sock_flags::CONNECTED,
            local: ip([192, 0, 2, 7]),
            remote: ip([203, 0, 113, 9]),
            path: b"",
        };
        w.section(SectionKind::Sock, &[&sock.fixed_bytes(), sock.path]);
    })
}

/// The child's side of a fork: `at` is the child.
#[must_use]
pub fn fork(at: At) -> Vec<u8> {
    write(at, EventType::CLONE_20_X, |w| {
        let (tgid, parent) = (i64::from(at.tgid), i64::from(at.parent));
        w.i64(0).str(b"/usr/bin/make").bytes(b"-j2\0all\0install\0");
        w.i64(tgid).i64(tgid).i64(parent).str(b"/home/user/project");
        w.i64(1024).u64(0).u64(20).u32(5120).u32(900).u32(0).str(b"make");
        w.bytes(b"cpuset=/\0cpu=/user.slice\0memory=/user.slice\0=/user.slice/session-3.scope\0");
        w.u32(0).u32(1000).u32(1000).i64(tgid).i64(tgid).u64(0);
        let creator = CreatorFacts {
            creator_tid: at.parent,
            creator_tgid: at.parent,
            creator_start_ns: start_ns(at.parent),
            parent_tgid: at.parent,
            parent_start_ns: start_ns(at.parent),
        };
        w.section(SectionKind::Creator, &[&creator.to_bytes()]);
        w.section(SectionKind::Proc, &[&proc_facts(at)]);
    })
}

/// The end of a process's last thread.
#[must_use]
pub fn exit(at: At) -> Vec<u8> {
    let mut bytes = write(at, EventType::PROCEXIT_1_E, |w| {
        w.i64(0).i64(0).u8(0).u8(0).i64(1);
        let exit = ExitFacts { reaper_tgid: 1, reaper_start_ns: start_ns(1) };
        w.section(SectionKind::Exit, &[&exit.to_bytes()]);
    });
    let flags_at = 20;
    bytes[flags_at..flags_at + 4].copy_from_slice(&flags::GROUP_DEAD.to_le_bytes());
    bytes
}

#[cfg(test)]
mod tests {
    use event::Frame;

    use super::*;

    #[test]
    fn every_sample_is_a_whole_frame() {
        let at = At { ts: 5, cpu: 1, tgid: 70, parent: 60 };
        for bytes in [exec(at, false), open(at), connect(at), fork(at), exit(at)] {
            let frame = Frame::parse(&bytes).unwrap();
            let table = frame.event_type().info().unwrap();
            assert_eq!(frame.n_params(), table.params.len(), "{}", table.name);
            assert!(frame.params().all(|p| !p.is_empty()), "{}", table.name);
            assert!(frame.trailer().sections().count() > 0, "{}", table.name);
        }
        assert!(Frame::parse(&exec(at, true)).unwrap().has(flags::SEED));
        assert!(Frame::parse(&exit(at)).unwrap().has(flags::GROUP_DEAD));
    }
}
