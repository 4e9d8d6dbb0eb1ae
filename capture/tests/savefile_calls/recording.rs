//! Recordings made of calls, and what their frames tell of descriptors.

use std::io::Cursor;

use capture::{
    ProcessEntry,
    savefile::{
        Compression, DescriptorList, EVT_NUM_SHIFT, Interface, Machine, Playback, PlaybackDemand,
        Reader, Writer,
    },
};
use event::{DescriptorFacts, EventType, Frame, FrameHeader, FrameWriter, SockAddr, SockTuple};

pub(crate) const OPEN_E: EventType = EventType(2);
pub(crate) const OPENAT_E: EventType = EventType(306);
pub(crate) const CONNECT_E: EventType = EventType(22);
pub(crate) const FSTAT_X: EventType = EventType(71);
pub(crate) const GETCWD_X: EventType = EventType(93);
pub(crate) const POLL_X: EventType = EventType(81);
pub(crate) const AT_FDCWD: i64 = -100;
pub(crate) const O_CLOEXEC: u32 = 0x1000;
pub(crate) const O_DIRECTORY: u32 = 0x400;
pub(crate) const CLONE_THREAD: u32 = 1 << 13;

/// A parameter.
#[derive(Clone, Debug)]
pub(crate) enum Param {
    I64(i64),
    U32(u32),
    U16(u16),
    U8(u8),
    Text(String),
    /// `client->server`, or a path.
    Tuple(String),
    Addr(String),
    List(Vec<(i64, i16)>),
    Empty,
}

pub(crate) fn text(s: &str) -> Param {
    Param::Text(s.into())
}

pub(crate) fn tuple(s: &str) -> Param {
    Param::Tuple(s.into())
}

pub(crate) fn addr(s: &str) -> Param {
    Param::Addr(s.into())
}

/// What one section says.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Told {
    pub(crate) fd: i64,
    pub(crate) kind: char,
    pub(crate) name: String,
    pub(crate) raw_name: String,
    pub(crate) l4: u8,
    pub(crate) flags: u16,
    pub(crate) ino: u64,
    pub(crate) dev: u32,
    pub(crate) open_flags: u32,
    pub(crate) ports: (u16, u16),
}

impl Told {
    fn of(facts: &DescriptorFacts<'_>) -> Self {
        let text = |b: &[u8]| String::from_utf8_lossy(b).into_owned();
        Self {
            fd: facts.fd,
            kind: if facts.kind == 0 { '?' } else { char::from(facts.kind) },
            name: text(facts.name),
            raw_name: text(facts.raw_name),
            l4: facts.l4,
            flags: facts.flags,
            ino: facts.ino,
            dev: facts.dev,
            open_flags: facts.open_flags,
            ports: (facts.client_port, facts.server_port),
        }
    }

    /// `fd<kind>name`.
    pub(crate) fn short(&self) -> String {
        format!("{}<{}>{}", self.fd, self.kind, self.name)
    }

    pub(crate) fn has(&self, flags: u16) -> bool {
        self.flags & flags == flags
    }
}

/// What the frame of one event says.
#[derive(Clone, Debug, Default)]
pub(crate) struct Played {
    pub(crate) own: Option<Told>,
    pub(crate) others: Vec<Told>,
    pub(crate) cwd: Option<String>,
    pub(crate) tgid: u32,
    pub(crate) start_ns: u64,
}

impl Played {
    /// Its own descriptor in short.
    pub(crate) fn short(&self) -> String {
        self.own.as_ref().map_or_else(|| "-".into(), Told::short)
    }

    pub(crate) fn own(&self) -> &Told {
        self.own.as_ref().expect("an event with a descriptor")
    }

    pub(crate) fn others_short(&self) -> Vec<String> {
        self.others.iter().map(Told::short).collect()
    }
}

/// A recording in the making.
#[derive(Debug, Default)]
pub(crate) struct Recording {
    pub(crate) processes: Vec<ProcessEntry>,
    pub(crate) descriptors: Vec<DescriptorList>,
    pub(crate) interfaces: Vec<Interface>,
    /// Time of the calls to come.
    pub(crate) ts: u64,
    frames: Vec<Vec<u8>>,
}

/// A process that the list tells of.
pub(crate) fn process(tid: i64, pid: i64, cwd: &str) -> ProcessEntry {
    ProcessEntry { tid, pid, cwd: cwd.as_bytes().to_vec(), ..ProcessEntry::default() }
}

impl Recording {
    /// With process 5, working in `/home`.
    pub(crate) fn new() -> Self {
        Self { processes: vec![process(5, 5, "/home")], ..Self::default() }
    }

    /// Adds a call of process 5.
    pub(crate) fn call(&mut self, ty: EventType, params: &[Param]) -> &mut Self {
        self.call_of(5, ty, params)
    }

    pub(crate) fn call_of(&mut self, tid: u32, ty: EventType, params: &[Param]) -> &mut Self {
        let mut buf = vec![0; 64 * 1024];
        let header = FrameHeader { ts: self.ts, event_type: ty.0, tid, ..FrameHeader::default() };
        let mut w = FrameWriter::new(&mut buf, header);
        for param in params {
            match param {
                Param::I64(v) => w.i64(*v),
                Param::U32(v) => w.u32(*v),
                Param::U16(v) => w.bytes(&v.to_le_bytes()),
                Param::U8(v) => w.u8(*v),
                Param::Text(v) => w.str(v.as_bytes()),
                Param::Tuple(v) => w.sock_tuple(&parse_tuple(v)),
                Param::Addr(v) => w.sock_addr(&parse_addr(v)),
                Param::List(v) => {
                    let mut bytes = (v.len() as u16).to_le_bytes().to_vec();
                    for (fd, flags) in v {
                        bytes.extend_from_slice(&fd.to_le_bytes());
                        bytes.extend_from_slice(&flags.to_le_bytes());
                    }
                    w.bytes(&bytes)
                }
                Param::Empty => w.empty(),
            };
        }
        self.frames.push(w.finish().unwrap().to_vec());
        self
    }

    /// Writes it and opens it.
    pub(crate) fn playback(&self, demand: PlaybackDemand) -> Playback {
        let mut w =
            Writer::new(Vec::new(), Compression::None, &Machine::default(), &[], &[], 0).unwrap();
        w.interfaces(&self.interfaces).unwrap();
        for p in &self.processes {
            w.process(p).unwrap();
        }
        for list in &self.descriptors {
            w.descriptors(list).unwrap();
        }
        for frame in &self.frames {
            w.frame(&Frame::parse(frame).unwrap()).unwrap();
        }
        let reader = Reader::new(Cursor::new(w.finish().unwrap())).unwrap();
        let mut playback = Playback::new(reader);
        playback.set_demand(|_| demand);
        playback
    }

    /// What each event's frame says.
    pub(crate) fn play(&self, demand: PlaybackDemand) -> Vec<Played> {
        let mut playback = self.playback(demand);
        let mut out = Vec::new();
        while let Some(played) = playback.next_frame().unwrap() {
            if played.key.0 & ((1 << EVT_NUM_SHIFT) - 1) != 0 {
                continue;
            }
            let frame = Frame::parse(played.frame).unwrap();
            let trailer = frame.trailer();
            let own = trailer.descriptor().map(|d| Told::of(&d));
            out.push(Played {
                others: trailer
                    .descriptors()
                    .skip(usize::from(own.is_some()))
                    .map(|d| Told::of(&d))
                    .collect(),
                own,
                cwd: trailer.dir().map(|d| String::from_utf8_lossy(d.path).into_owned()),
                tgid: frame.header().tgid,
                start_ns: frame.header().start_ns,
            });
        }
        out
    }

    /// With everything in the frames.
    pub(crate) fn play_all(&self) -> Vec<Played> {
        self.play(PlaybackDemand { own: true, all: true, resources: false, table: false })
    }

    /// The last event with everything in its frame.
    pub(crate) fn last(&self) -> Played {
        self.play_all().pop().unwrap()
    }
}

fn parse_tuple(s: &str) -> SockTuple<'_> {
    match s.split_once("->") {
        Some((source, dest)) => {
            SockTuple::Inet { source: source.parse().unwrap(), dest: dest.parse().unwrap() }
        }
        None => SockTuple::Unix { source: 0xabc, dest: 0xdef, path: s.as_bytes() },
    }
}

fn parse_addr(s: &str) -> SockAddr<'_> {
    if s.starts_with('/') {
        SockAddr::Unix(s.as_bytes())
    } else {
        SockAddr::Inet(s.parse().unwrap())
    }
}

/// Calls that many tests make.
pub(crate) trait Calls {
    fn open(&mut self, fd: i64, name: &str, flags: u32) -> &mut Self;
    fn openat(&mut self, fd: i64, dirfd: i64, name: &str) -> &mut Self;
    fn fstat(&mut self, tid: u32, fd: i64) -> &mut Self;
    fn close(&mut self, tid: u32, res: i64, fd: i64) -> &mut Self;
    fn socket(&mut self, fd: i64, domain: u32, ty: u32) -> &mut Self;
    fn fork(&mut self, child: u32, parent: i64, flags: u32) -> &mut Self;
    fn exec(&mut self, tid: u32) -> &mut Self;
}

impl Calls for Recording {
    fn open(&mut self, fd: i64, name: &str, flags: u32) -> &mut Self {
        self.call(
            EventType::OPEN_X,
            &[
                Param::I64(fd),
                text(name),
                Param::U32(flags),
                Param::U32(0),
                Param::U32(0x801),
                Param::I64(77),
            ],
        )
    }

    fn openat(&mut self, fd: i64, dirfd: i64, name: &str) -> &mut Self {
        self.call(
            EventType::OPENAT_2_X,
            &[
                Param::I64(fd),
                Param::I64(dirfd),
                text(name),
                Param::U32(1),
                Param::U32(0),
                Param::U32(0),
                Param::I64(0),
            ],
        )
    }

    fn fstat(&mut self, tid: u32, fd: i64) -> &mut Self {
        self.call_of(tid, FSTAT_X, &[Param::I64(0), Param::I64(fd)])
    }

    fn close(&mut self, tid: u32, res: i64, fd: i64) -> &mut Self {
        self.call_of(tid, EventType::CLOSE_X, &[Param::I64(res), Param::I64(fd)])
    }

    fn socket(&mut self, fd: i64, domain: u32, ty: u32) -> &mut Self {
        self.call(
            EventType::SOCKET_X,
            &[Param::I64(fd), Param::U32(domain), Param::U32(ty), Param::U32(0), Param::U32(0)],
        )
    }

    fn fork(&mut self, child: u32, parent: i64, flags: u32) -> &mut Self {
        let pid = if flags & CLONE_THREAD != 0 { 5 } else { i64::from(child) };
        let mut params = vec![Param::Empty; 21];
        (params[0], params[3], params[4]) =
            (Param::I64(0), Param::I64(i64::from(child)), Param::I64(pid));
        (params[5], params[15]) = (Param::I64(parent), Param::U32(flags));
        self.call_of(child, EventType::CLONE_20_X, &params)
    }

    fn exec(&mut self, tid: u32) -> &mut Self {
        let mut params = vec![Param::Empty; 31];
        let id = Param::I64(i64::from(tid));
        (params[0], params[3], params[4], params[5]) =
            (Param::I64(0), id.clone(), id, Param::I64(1));
        self.call_of(tid, EventType::EXECVE_19_X, &params)
    }
}

/// The own descriptor of each event, in short.
pub(crate) fn shorts(recording: &Recording) -> Vec<String> {
    recording.play_all().iter().map(Played::short).collect()
}
