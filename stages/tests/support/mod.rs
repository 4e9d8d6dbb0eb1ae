//! Frames as the kernel side writes them, and a pipeline of lanes and shards to push them through.

#![allow(dead_code, reason = "each test uses its part, so that no expectation holds for all")]

use std::net::Ipv4Addr;
use std::sync::Arc;
use std::time::Duration;

use bus::{
    BatchLimits, Key, LaneTx, Rx, Unparker, WaitLimits, Waiter, Watermark, alert_lane, lane,
};
use event::{
    CreatorFacts, EventType, ExitFacts, FileFacts, FileKind, FrameHeader, FrameWriter, ProcFacts,
    SectionKind, SockAddr, SockTuple, flags,
};
use rules::{Alert, Options, RuleMatching, Ruleset, Source};
use simple_dns::rdata::{A, RData};
use simple_dns::{CLASS, Name, Packet, QCLASS, QTYPE, Question, ResourceRecord, TYPE};
use stages::{DeferralLimits, Lineage, LineageLimits, Shard, ShardConfig, ShardMeters, Users};

/// A process as frames name it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Proc {
    pub(crate) tgid: u32,
    pub(crate) start: u64,
}

pub(crate) fn proc(tgid: u32, start: u64) -> Proc {
    Proc { tgid, start }
}

fn header(ty: EventType, p: Proc) -> FrameHeader {
    FrameHeader {
        ts: p.start + 1,
        event_type: ty.0,
        tid: p.tgid,
        tgid: p.tgid,
        start_ns: p.start,
        uid: 1000,
        gid: 100,
        ..FrameHeader::default()
    }
}

fn finish(build: impl Fn(&mut FrameWriter<'_>), header: FrameHeader) -> Vec<u8> {
    let mut buf = vec![0; 16 << 10];
    let mut w = FrameWriter::new(&mut buf, header);
    build(&mut w);
    w.finish().unwrap().to_vec()
}

/// The child's side of a fork.
pub(crate) fn fork(child: Proc, creator: Proc, parent: Proc, comm: &str) -> Vec<u8> {
    fork_by(EventType::CLONE_20_X, creator.tgid, child, creator, parent, comm)
}

/// The child's side of a call that makes processes, made by one of the creator's threads.
pub(crate) fn fork_by(
    call: EventType,
    creator_tid: u32,
    child: Proc,
    creator: Proc,
    parent: Proc,
    comm: &str,
) -> Vec<u8> {
    finish(
        |w| {
            w.i64(0).empty().empty().i64(i64::from(child.tgid)).i64(i64::from(child.tgid));
            w.i64(i64::from(parent.tgid)).str(b"/tmp").i64(1024).u64(0).u64(0).u32(0).u32(0).u32(0);
            w.str(comm.as_bytes()).empty().u32(0).u32(1000).u32(100);
            w.i64(i64::from(child.tgid)).i64(i64::from(child.tgid)).u64(0);
            let creator = CreatorFacts {
                creator_tid,
                creator_tgid: creator.tgid,
                creator_start_ns: creator.start,
                parent_tgid: parent.tgid,
                parent_start_ns: parent.start,
            };
            w.section(SectionKind::Creator, &[&creator.to_bytes()]);
            w.section(SectionKind::Proc, &[&ids(child, parent).to_bytes()]);
        },
        header(call, child),
    )
}

fn ids(p: Proc, parent: Proc) -> ProcFacts {
    ProcFacts {
        sid: 1,
        pgid: p.tgid,
        parent_tgid: parent.tgid,
        vpid: p.tgid,
        parent_start_ns: parent.start,
    }
}

/// A further thread of a process.
pub(crate) fn thread(p: Proc, tid: u32) -> Vec<u8> {
    finish(
        |w| {
            w.i64(0).empty().empty().i64(i64::from(tid)).i64(i64::from(p.tgid)).i64(1);
            w.str(b"/").i64(0).u64(0).u64(0).u32(0).u32(0).u32(0).str(b"worker").empty();
            w.u32(1 << 13);
        },
        FrameHeader { tid, ..header(EventType::CLONE3_X, p) },
    )
}

fn exec_like(p: Proc, parent: Proc, comm: &str, args: &str, flags: u32, res: i64) -> Vec<u8> {
    exec_with(p, parent, comm, args, flags, res, "=/user.slice")
}

/// An exec in a Docker container whose id is made of a number.
pub(crate) fn exec_in(p: Proc, parent: Proc, comm: &str, container: u64) -> Vec<u8> {
    exec_with(p, parent, comm, "", 0, 0, &format!("=/system.slice/docker-{container:064x}.scope"))
}

fn exec_with(
    p: Proc,
    parent: Proc,
    comm: &str,
    args: &str,
    flags: u32,
    res: i64,
    cgroup: &str,
) -> Vec<u8> {
    let exe = format!("/bin/{comm}");
    finish(
        |w| {
            let args = args.replace(' ', "\0") + if args.is_empty() { "" } else { "\0" };
            w.i64(res).str(exe.as_bytes()).bytes(args.as_bytes());
            w.i64(i64::from(p.tgid)).i64(i64::from(p.tgid)).i64(i64::from(parent.tgid));
            w.str(b"/home/u").u64(1024).u64(0).u64(0).u32(0).u32(0).u32(0).str(comm.as_bytes());
            w.bytes(&[cgroup.as_bytes(), b"\0"].concat())
                .bytes(b"HOME=/home/u\0")
                .u32(0)
                .i64(i64::from(p.tgid));
            w.u32(1000).u32(0).u64(0).u64(0).u64(0).u64(7).u64(8).u64(9).u32(1000);
            w.str(exe.as_bytes()).i64(i64::from(p.tgid)).u32(100).str(exe.as_bytes());
            w.section(SectionKind::Proc, &[&ids(p, parent).to_bytes()]);
        },
        FrameHeader { flags, ..header(EventType::EXECVE_19_X, p) },
    )
}

pub(crate) fn exec(p: Proc, parent: Proc, comm: &str, args: &str) -> Vec<u8> {
    exec_like(p, parent, comm, args, 0, 0)
}

/// A failed exec.
pub(crate) fn no_exec(p: Proc, parent: Proc, comm: &str) -> Vec<u8> {
    exec_like(p, parent, comm, "", 0, -2)
}

/// A process from before the capture.
pub(crate) fn seed(p: Proc, parent: Proc, comm: &str) -> Vec<u8> {
    exec_like(p, parent, comm, "", flags::SEED, 0)
}

/// The same, its start cut to 10 ms.
pub(crate) fn coarse_seed(p: Proc, parent: Proc, comm: &str) -> Vec<u8> {
    let p = proc(p.tgid, p.start / 10_000_000 * 10_000_000);
    exec_like(p, parent, comm, "", flags::SEED | flags::START_COARSE, 0)
}

/// The last thread of a process leaves.
pub(crate) fn exit(p: Proc, reaper: Proc) -> Vec<u8> {
    finish(
        |w| {
            w.i64(0).i64(0).u8(0).u8(0).i64(i64::from(reaper.tgid));
            let facts = ExitFacts { reaper_tgid: reaper.tgid, reaper_start_ns: reaper.start };
            w.section(SectionKind::Exit, &[&facts.to_bytes()]);
        },
        FrameHeader { flags: flags::GROUP_DEAD, ..header(EventType::PROCEXIT_1_E, p) },
    )
}

/// One thread of several leaves.
pub(crate) fn exit_thread(p: Proc, tid: u32) -> Vec<u8> {
    finish(
        |w| {
            w.i64(0).i64(0).u8(0).u8(0).i64(0);
        },
        FrameHeader { tid, ..header(EventType::PROCEXIT_1_E, p) },
    )
}

/// An openat of `name`; `kernel` is the path of what was opened, none for a failed call.
pub(crate) fn open(p: Proc, name: &str, dir: Option<&str>, kernel: Option<&str>) -> Vec<u8> {
    finish(
        |w| {
            let fd = if kernel.is_some() { 3 } else { -2 };
            w.i64(fd).i64(-100).str(name.as_bytes()).u32(0x1001).u32(0o644).u32(0x801).u64(99);
            let facts = |kind| FileFacts { ino: 99, dev: 0x801, flags: 0, kind, path: b"" };
            if let Some(path) = kernel {
                let fixed = facts(FileKind::Regular).fixed_bytes();
                w.section(SectionKind::File, &[&fixed, path.as_bytes()]);
            }
            if let Some(dir) = dir {
                let fixed = facts(FileKind::Directory).fixed_bytes();
                w.section(SectionKind::Dir, &[&fixed, dir.as_bytes()]);
            }
        },
        header(EventType::OPENAT_2_X, p),
    )
}

/// The frame of a call as another thread of the process made it.
pub(crate) fn in_thread(tid: u32, mut frame: Vec<u8>) -> Vec<u8> {
    let header = FrameHeader { tid, ..FrameHeader::from_bytes(frame.first_chunk().unwrap()) };
    frame[..event::HEADER_LEN].copy_from_slice(&header.to_bytes());
    frame
}

/// The frame with a stamp of its process ([`event::mark`]) behind its other sections.
pub(crate) fn stamped(mut frame: Vec<u8>, stamp: u64) -> Vec<u8> {
    const LEN: usize = 16;
    let header = FrameHeader::from_bytes(frame.first_chunk().unwrap());
    let header = FrameHeader {
        len: header.len + LEN as u32,
        trailer_len: header.trailer_len + LEN as u16,
        ..header
    };
    frame[..event::HEADER_LEN].copy_from_slice(&header.to_bytes());
    frame.extend((SectionKind::Mark as u16).to_le_bytes());
    frame.extend(8_u16.to_le_bytes());
    frame.extend([0; 4]);
    frame.extend(stamp.to_le_bytes());
    frame
}

/// The frame of a look at a process.
pub(crate) fn looked(mut frame: Vec<u8>) -> Vec<u8> {
    let header = FrameHeader::from_bytes(frame.first_chunk().unwrap());
    let header = FrameHeader { flags: header.flags | flags::SEED, ..header };
    frame[..event::HEADER_LEN].copy_from_slice(&header.to_bytes());
    frame
}

/// A call of any type; the builder writes its parameters and sections.
pub(crate) fn call(ty: EventType, p: Proc, build: impl Fn(&mut FrameWriter<'_>)) -> Vec<u8> {
    finish(build, header(ty, p))
}

/// A call out of a savefile.
pub(crate) fn saved_call(ty: EventType, p: Proc, build: impl Fn(&mut FrameWriter<'_>)) -> Vec<u8> {
    finish(build, FrameHeader { flags: flags::FROM_FILE, ..header(ty, p) })
}

/// Adds the section of an object.
pub(crate) fn object(w: &mut FrameWriter<'_>, section: SectionKind, kind: FileKind, path: &str) {
    let facts = FileFacts { ino: 99, dev: 0x801, flags: 0, kind, path: b"" };
    w.section(section, &[&facts.fixed_bytes(), path.as_bytes()]);
}

/// A connect to `dest`.
pub(crate) fn connect(p: Proc, source: &str, dest: &str) -> Vec<u8> {
    let (source, dest) = (source.parse().unwrap(), dest.parse().unwrap());
    finish(
        |w| {
            w.i64(0).sock_tuple(&SockTuple::Inet { source, dest }).i64(5);
            w.sock_addr(&SockAddr::Inet(dest));
        },
        header(EventType::CONNECT_X, p),
    )
}

/// What a process receives that asked a name server for a name.
pub(crate) fn answer(p: Proc, name: &str, addresses: &[Ipv4Addr]) -> Vec<u8> {
    let of = || Name::new(name).unwrap();
    let mut packet = Packet::new_reply(1);
    let (ty, class) = (QTYPE::TYPE(TYPE::A), QCLASS::CLASS(CLASS::IN));
    packet.questions.push(Question::new(of(), ty, class, false));
    for &address in addresses {
        let data = RData::A(A { address: address.into() });
        packet.answers.push(ResourceRecord::new(of(), CLASS::IN, 60, data));
    }
    let bytes = packet.build_bytes_vec().unwrap();
    let (source, dest) = ("10.9.9.9:53".parse().unwrap(), "10.1.1.1:4000".parse().unwrap());
    call(EventType::RECVFROM_X, p, |w| {
        w.i64(bytes.len() as i64).bytes(&bytes);
        w.sock_tuple(&SockTuple::Inet { source, dest }).i64(3).u32(512);
    })
}

/// Which shard of the tests owns a process.
pub(crate) fn owner(tgid: u32, n_shards: usize) -> usize {
    (tgid as usize).wrapping_mul(7) / 3 % n_shards
}

pub(crate) fn ruleset(text: &str, matching: RuleMatching) -> Arc<Ruleset> {
    let source = Source { name: "test.yaml".into(), text: text.into() };
    let options = Options { matching, ..Options::default() };
    match Ruleset::load(vec![source], options) {
        Ok(ruleset) => Arc::new(ruleset),
        Err(errors) => panic!("{}", errors[0]),
    }
}

pub(crate) struct Setup<'a> {
    pub(crate) n_shards: usize,
    pub(crate) n_lanes: usize,
    pub(crate) rules: &'a Arc<Ruleset>,
    pub(crate) matching: RuleMatching,
    pub(crate) alert_capacity: usize,
    pub(crate) late_after: Option<Duration>,
    pub(crate) limits: LineageLimits,
    pub(crate) users: Users,
    pub(crate) evt_num_shift: u32,
    pub(crate) deferral: DeferralLimits,
    /// What wakes who takes the alerts.
    pub(crate) output: Option<Unparker>,
}

impl<'a> Setup<'a> {
    pub(crate) fn new(n_shards: usize, n_lanes: usize, rules: &'a Arc<Ruleset>) -> Self {
        let matching = RuleMatching::All;
        Self {
            n_shards,
            n_lanes,
            rules,
            matching,
            alert_capacity: 1 << 16,
            late_after: None,
            limits: LineageLimits::default(),
            users: users(),
            evt_num_shift: 0,
            deferral: DeferralLimits::default(),
            output: None,
        }
    }
}

/// Lanes and shards, not running.
pub(crate) struct Pipeline {
    /// By source, then by shard.
    pub(crate) lanes: Vec<Vec<LaneTx>>,
    pub(crate) watermarks: Vec<Arc<Watermark>>,
    pub(crate) shards: Vec<Shard>,
    pub(crate) alerts: Vec<Rx<Alert>>,
    pub(crate) lineage: Arc<Lineage>,
    pub(crate) users: Arc<Users>,
    pub(crate) registry: perf::Registry,
    /// What wakes the shards.
    pub(crate) wakers: Vec<Unparker>,
}

pub(crate) const LIMITS: BatchLimits = BatchLimits { max_frames: 8, max_bytes: 8 << 10 };

pub(crate) fn users() -> Users {
    Users::from_files(
        b"root:x:0:0::/root:/bin/sh\nu:x:1000:100::/home/u:/bin/bash\n",
        b"g:x:100:\n",
    )
}

pub(crate) fn pipeline(setup: &Setup<'_>) -> Pipeline {
    let &Setup {
        n_shards,
        n_lanes,
        rules,
        matching,
        alert_capacity,
        late_after,
        limits,
        ref users,
        evt_num_shift,
        deferral,
        ref output,
    } = setup;
    let mut registry = perf::Registry::new();
    let lineage = Arc::new(Lineage::new(n_shards, owner, limits));
    let watermarks: Vec<_> = (0..n_lanes).map(|_| Arc::new(Watermark::new())).collect();
    let users = Arc::new(users.clone());
    let wait = WaitLimits { max_sleep: Duration::from_millis(2), ..WaitLimits::default() };
    let waiters: Vec<_> = (0..n_shards).map(|_| Waiter::new(wait)).collect();
    let peers: Vec<_> = waiters.iter().map(Waiter::unparker).collect();
    let mut lanes: Vec<Vec<LaneTx>> = (0..n_lanes).map(|_| Vec::new()).collect();
    let (mut shards, mut alerts) = (Vec::new(), Vec::new());
    for (index, waiter) in waiters.into_iter().enumerate() {
        let mut from = Vec::new();
        for lanes in &mut lanes {
            let (tx, rx) = lane(4, LIMITS);
            lanes.push(tx);
            from.push(rx);
        }
        let (tx, rx) = alert_lane(alert_capacity);
        alerts.push(rx);
        shards.push(Shard::new(ShardConfig {
            index,
            lanes: from,
            watermarks: watermarks.clone(),
            sources: Vec::new(),
            lineage: Arc::clone(&lineage),
            peers: peers.clone(),
            waiter,
            ruleset: Arc::clone(rules),
            matching,
            alerts: tx,
            output: output.clone(),
            meters: ShardMeters::register(&mut registry),
            hostname: "node".into(),
            users: Arc::clone(&users),
            clock_offset_ns: 0,
            utc_offset_s: 0,
            evt_num_shift,
            buffers: stages::BufferFormat::default(),
            late_after,
            deferral,
        }));
    }
    ShardMeters::register_hops(&mut registry, n_shards);
    Pipeline { lanes, watermarks, shards, alerts, lineage, users, registry, wakers: peers }
}

/// A source that deals frames to the lanes of one pipeline, by owner.
pub(crate) struct Feeder<'f> {
    /// Frames of this source, keys growing.
    pub(crate) frames: Vec<(Key, &'f [u8])>,
    pub(crate) at: usize,
    pub(crate) lanes: Vec<LaneTx>,
    pub(crate) watermark: Arc<Watermark>,
}

impl Feeder<'_> {
    /// Pushes up to `n` frames, as far as lanes have room, and publishes the watermark. `false` once everything was pushed.
    pub(crate) fn step(&mut self, n: usize) -> bool {
        self.step_spread(n, &[])
    }

    /// The same, with each frame that carries no state given to the shard whose turn `spread` says.
    pub(crate) fn step_spread(&mut self, n: usize, spread: &[u8]) -> bool {
        let n_shards = self.lanes.len();
        for _ in 0..n {
            let Some(&(key, frame)) = self.frames.get(self.at) else { break };
            let header = FrameHeader::from_bytes(frame.first_chunk().unwrap());
            let shard = match spread.get(key.0 as usize % spread.len().max(1)) {
                Some(&turn) if !header.carries_state() => usize::from(turn) % n_shards,
                _ => owner(header.tgid, n_shards),
            };
            let tx = &mut self.lanes[shard];
            if tx.is_full() {
                break;
            }
            let Some(mut batch) = tx.take() else { break };
            batch.push(key, frame).unwrap();
            assert!(tx.push(batch).is_ok(), "room was checked");
            self.at += 1;
        }
        let up_to = match self.frames.get(self.at) {
            Some((key, _)) => key.prev(),
            None => Key::MAX,
        };
        self.watermark.publish(up_to);
        self.at < self.frames.len()
    }
}

/// Alerts as text, sorted by event and rule.
pub(crate) fn texts(alerts: &mut [Rx<Alert>]) -> Vec<String> {
    lines(alerts.iter_mut().flat_map(|rx| std::iter::from_fn(|| rx.pop())))
}

/// The same of alerts at hand.
pub(crate) fn lines(alerts: impl IntoIterator<Item = Alert>) -> Vec<String> {
    let line = |a: Alert| {
        let line = format!("{} {:?} {}", a.rule.name, a.marks, a.output);
        (a.evt_num, a.rule.name.to_string(), line)
    };
    let mut all: Vec<_> = alerts.into_iter().map(line).collect();
    all.sort();
    all.into_iter().map(|(n, _, line)| format!("{n} {line}")).collect()
}
