//! Frames as the kernel side writes them, the same bytes every time.

use std::net::SocketAddrV4;

use event::{
    CreatorFacts, EventType, ExitFacts, FileFacts, FileKind, FrameHeader, FrameWriter, Param,
    ParamType, ProcFacts, SectionKind, SockAddr, SockFacts, SockTuple, flags, sock_flags,
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
        file(w, SectionKind::File, FileKind::Regular, b"/home/user/project/include/linux/sched.h");
        file(w, SectionKind::Dir, FileKind::Directory, b"/home/user/project");
    })
}

/// A successful connect over TCP to a documentation address.
#[must_use]
pub fn connect(at: At) -> Vec<u8> {
    write(at, EventType::CONNECT_X, |w| {
        let (source, dest) = ends();
        w.i64(0).sock_tuple(&SockTuple::Inet { source: source.into(), dest: dest.into() }).i64(5);
        w.sock_addr(&SockAddr::Inet(dest.into()));
        socket(w);
    })
}

/// A call of any type that succeeded, its parameters made after the table: numbers are small, texts are names, and what the call uses is told as
/// the kernel side tells it.
///
/// # Panics
/// Where the type is none of the table's.
#[must_use]
pub fn call(at: At, event_type: EventType) -> Vec<u8> {
    let params = event_type.info().expect("a type of the table").params;
    let has = |ty| params.iter().any(|p| p.ty == ty);
    write(at, event_type, |w| {
        for (n, param) in params.iter().enumerate() {
            let next = params.get(n + 1).map(|p| p.ty);
            put(w, n, param, next);
        }
        if has(ParamType::SockTuple) || has(ParamType::SockAddr) {
            socket(w);
        } else if matches!(event_type, EventType::CHDIR_X | EventType::FCHDIR_X) {
            file(w, SectionKind::File, FileKind::Directory, b"/home/user/project/src");
        } else if params.iter().skip(1).any(|p| p.ty == ParamType::Fd) && !has(ParamType::FsRelPath)
        {
            file(w, SectionKind::File, FileKind::Regular, b"/home/user/project/notes.txt");
        }
        if has(ParamType::FsPath) || has(ParamType::FsRelPath) {
            file(w, SectionKind::Dir, FileKind::Directory, b"/home/user/project");
        }
        if params.iter().filter(|p| p.ty == ParamType::FsRelPath).count() > 1 {
            file(w, SectionKind::Dir2, FileKind::Directory, b"/home/user/project");
        }
        if matches!(event_type, EventType::SETSID_X | EventType::SETPGID_X) {
            w.section(SectionKind::Proc, &[&proc_facts(at)]);
        }
    })
}

/// One parameter: the `n`th of its call, `next` the type of the one behind it.
fn put(w: &mut FrameWriter<'_>, n: usize, param: &Param, next: Option<ParamType>) {
    let (source, dest) = ends();
    match param.ty {
        // What was moved, or just success.
        ParamType::Errno if next == Some(ParamType::ByteBuf) => w.i64(64),
        ParamType::Errno => w.i64(0),
        // The directory that a name starts from: the working directory.
        ParamType::Fd if next == Some(ParamType::FsRelPath) => w.i64(-100),
        ParamType::Fd => w.i64(3),
        ParamType::CharBuf => w.str(b"notes"),
        ParamType::FsPath | ParamType::FsRelPath => w.str(b"src/notes.txt"),
        ParamType::ByteBuf => w.bytes(&[b'x'; 64]),
        ParamType::SockTuple => {
            w.sock_tuple(&SockTuple::Inet { source: source.into(), dest: dest.into() })
        }
        ParamType::SockAddr => w.sock_addr(&SockAddr::Inet(dest.into())),
        ty => match ty.size() {
            Some(size) => w.bytes(&(n as u128 + 1).to_le_bytes()[..size]),
            None => w.bytes(b"\0"),
        },
    };
}

/// Both ends of a sample connection, this one first.
fn ends() -> (SocketAddrV4, SocketAddrV4) {
    (
        SocketAddrV4::new([192, 0, 2, 7].into(), 40_404),
        SocketAddrV4::new([203, 0, 113, 9].into(), 443),
    )
}

fn file(w: &mut FrameWriter<'_>, section: SectionKind, kind: FileKind, path: &[u8]) {
    let ino = if kind == FileKind::Directory { 77 } else { 9911 };
    let facts = FileFacts { ino, dev: 0xfe00, flags: 0, kind, path };
    w.section(section, &[&facts.fixed_bytes(), facts.path]);
}

fn socket(w: &mut FrameWriter<'_>) {
    let (source, dest) = ends();
    let ip = |end: SocketAddrV4| {
        let mut b = [0; 16];
        b[..4].copy_from_slice(&end.ip().octets());
        b
    };
    let sock = SockFacts {
        cookie: 99,
        family: 2,
        ty: 1,
        proto: 6,
        local_port: source.port(),
        remote_port: dest.port(),
        state: 1,
        flags: sock_flags::CONNECTED,
        local: ip(source),
        remote: ip(dest),
        path: b"",
    };
    w.section(SectionKind::Sock, &[&sock.fixed_bytes(), sock.path]);
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
    fn a_call_of_any_type_is_a_whole_frame() {
        let at = At { ts: 5, cpu: 1, tgid: 70, parent: 60 };
        let types = (0..event::N_EVENT_TYPES as u16).map(EventType);
        for ty in types.filter(|ty| ty.info().is_some_and(|info| !info.params.is_empty())) {
            let bytes = call(at, ty);
            let frame = Frame::parse(&bytes).unwrap();
            let table = ty.info().unwrap();
            assert_eq!(frame.n_params(), table.params.len(), "{}", table.name);
            for (bytes, param) in frame.params().zip(table.params) {
                let size = param.ty.size().unwrap_or(bytes.len());
                assert_eq!(bytes.len(), size, "{}: {}", table.name, param.name);
            }
        }
        let renamed = call(at, EventType::RENAMEAT2_X);
        let renamed = Frame::parse(&renamed).unwrap();
        assert_eq!(renamed.param_i64(1), Some(-100));
        assert_eq!(renamed.trailer().dir2().map(|d| d.path), Some(&b"/home/user/project"[..]));
        assert!(Frame::parse(&call(at, EventType::SENDTO_X)).unwrap().trailer().sock().is_some());
    }

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
