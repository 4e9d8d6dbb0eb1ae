//! Savefiles for the schedule tests: a generated storm of processes, and one that `peregrine-storm` makes while it is recorded.

use std::fs::File;
use std::io::BufWriter;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

use capture::ProcessEntry;
use capture::savefile::{Compression, Machine, Writer};
use event::{EventType, Frame, FrameHeader, FrameWriter, flags};

use crate::common::{PEREGRINE, bench_program};

/// Ids that processes of a generated storm have: few, so that they are used again soon.
const IDS: std::ops::Range<u32> = 100..300;
/// Most processes that live at once.
const MAX_LIVING: usize = 120;
const N_CPUS: u64 = 8;

/// Draws; SplitMix64, by Steele, Lea and Flood (2014).
pub(crate) struct Draws(pub(crate) u64);

impl Draws {
    pub(crate) fn below(&mut self, n: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let z = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (z ^ (z >> 31)) % n
    }

    fn index(&mut self, len: usize) -> usize {
        self.below(len as u64) as usize
    }
}

#[derive(Clone, Copy)]
struct Process {
    tid: u32,
    parent: u32,
    /// Which program it is, and where.
    program: u64,
    dir: u64,
}

struct Storm {
    writer: Writer<BufWriter<File>>,
    buf: Vec<u8>,
    draws: Draws,
    living: Vec<Process>,
    free: Vec<u32>,
    n_events: u64,
}

/// Writes a storm of about so many events: processes fork, execute, change their directory and session, open files and exit, on all CPUs; ids are used
/// again, parents execute right before their children act, and die before them.
pub(crate) fn generate(path: &Path, n_events: u64, seed: u64) {
    let out = BufWriter::new(File::create(path).expect("a file"));
    let machine =
        Machine { n_cpus: N_CPUS as u32, hostname: b"storm".to_vec(), ..Machine::default() };
    let mut writer = Writer::new(out, Compression::None, &machine, &[], &[], 0).expect("a header");
    let init = ProcessEntry {
        tid: 1,
        pid: 1,
        vtid: 1,
        vpid: 1,
        sid: 1,
        comm: b"init".to_vec(),
        exe: b"/sbin/init".to_vec(),
        cwd: b"/".to_vec(),
        ..ProcessEntry::default()
    };
    writer.process(&init).expect("written");
    let first = Process { tid: 1, parent: 0, program: 0, dir: 0 };
    let mut storm = Storm {
        writer,
        buf: vec![0; event::MAX_FRAME_LEN],
        draws: Draws(seed),
        living: vec![first],
        free: IDS.collect(),
        n_events: 0,
    };
    while storm.n_events < n_events {
        storm.act();
    }
    storm.writer.finish().expect("written");
}

impl Storm {
    fn act(&mut self) {
        let n = self.draws.index(self.living.len());
        match self.draws.below(20) {
            0..4 => self.fork(n),
            4..6 => self.exec(n),
            6..10 => {
                // Whoever reads the parent a moment too early or too late sees another program.
                let parent = self.living[n].parent;
                if let Some(above) = self.living.iter().position(|p| p.tid == parent && p.tid > 1) {
                    self.exec(above);
                }
                self.open(n);
            }
            10 => self.chdir(n),
            11 => self.set_session(n),
            12..14 => self.exit(n),
            _ => self.open(n),
        }
    }

    fn put(&mut self, ty: EventType, tgid: u32, params: impl FnOnce(&mut FrameWriter<'_>)) {
        self.n_events += 1;
        let header = FrameHeader {
            ts: 1_700_000_000_000_000_000 + self.n_events * 1000,
            event_type: ty.0,
            tid: tgid,
            tgid,
            cpu: self.draws.below(N_CPUS) as u16,
            flags: flags::FROM_FILE,
            ..FrameHeader::default()
        };
        let mut w = FrameWriter::new(&mut self.buf, header);
        params(&mut w);
        let frame = Frame::parse(w.finish().expect("it fits")).expect("a frame");
        self.writer.frame(&frame).expect("written");
    }

    fn fork(&mut self, n: usize) {
        let Process { tid: creator, program, dir, .. } = self.living[n];
        if self.living.len() >= MAX_LIVING {
            return self.exit(n);
        }
        let place = self.draws.index(self.free.len());
        let child = self.free.swap_remove(place);
        self.living.push(Process { tid: child, parent: creator, program, dir });
        let name = format!("prog-{program}");
        for (tid, res) in [(child, 0), (creator, child)] {
            let ptid = if res == 0 { creator } else { 1 };
            self.put(EventType::CLONE_20_X, tid, |w| {
                w.i64(res.into()).str(name.as_bytes()).bytes(b"");
                w.i64(tid.into()).i64(tid.into()).i64(ptid.into());
                w.str(format!("/work/{dir}").as_bytes());
                w.i64(1024).u64(0).u64(0).u32(0).u32(0).u32(0);
                w.str(name.as_bytes()).bytes(&cgroups(dir)).u32(0).u32(0).u32(0);
                w.i64(tid.into()).i64(tid.into()).u64(0);
            });
        }
    }

    fn exec(&mut self, n: usize) {
        let program = self.n_events;
        self.living[n].program = program;
        let Process { tid, parent, dir, .. } = self.living[n];
        let (name, path) = (format!("prog-{program}"), format!("/bin/prog-{program}"));
        self.put(EventType::EXECVE_19_X, tid, |w| {
            w.i64(0).str(path.as_bytes()).bytes(format!("-n\0{program}\0").as_bytes());
            w.i64(tid.into()).i64(tid.into()).i64(parent.into());
            w.str(format!("/work/{dir}").as_bytes());
            w.u64(1024).u64(0).u64(0).u32(0).u32(0).u32(0);
            w.str(name.as_bytes()).bytes(&cgroups(dir)).bytes(b"PATH=/bin\0");
            w.u32(0).i64(tid.into()).u32(1000).u32(0).u64(0).u64(0).u64(0);
            w.u64(program).u64(0).u64(0).u32(0).str(path.as_bytes());
            w.i64(tid.into()).u32(0).str(path.as_bytes());
        });
    }

    fn open(&mut self, n: usize) {
        let tid = self.living[n].tid;
        let name = format!("file-{}", self.n_events % 50);
        self.put(EventType::OPENAT_2_X, tid, |w| {
            w.i64(3).i64(-100).str(name.as_bytes()).u32(1).u32(0).u32(0).u64(0);
        });
    }

    fn chdir(&mut self, n: usize) {
        let dir = self.n_events;
        self.living[n].dir = dir;
        let tid = self.living[n].tid;
        self.put(EventType::CHDIR_X, tid, |w| {
            w.i64(0).str(format!("/work/{dir}").as_bytes());
        });
    }

    fn set_session(&mut self, n: usize) {
        let tid = self.living[n].tid;
        self.put(EventType::SETSID_X, tid, |w| {
            w.i64(tid.into());
        });
    }

    fn exit(&mut self, n: usize) {
        let Process { tid, .. } = self.living[n];
        if tid == 1 {
            return;
        }
        self.living.swap_remove(n);
        self.free.push(tid);
        for child in &mut self.living {
            if child.parent == tid {
                child.parent = 1;
            }
        }
        self.put(EventType::PROCEXIT_1_E, tid, |w| {
            w.i64(0).i64(0).u8(0).u8(0).i64(1);
        });
    }
}

/// Every fourth directory is one of a container.
fn cgroups(dir: u64) -> Vec<u8> {
    match dir % 4 {
        0 => format!("cpu=/docker/{:064x}\0", dir % 32).into_bytes(),
        _ => Vec::new(),
    }
}

/// Records so many events of a storm of real calls, or as many as it makes within the time; what the recorder says of them. Needs what a live run
/// needs.
pub(crate) fn record(path: &Path, n_events: u64, seed: u64, longest: Duration) -> Recorded {
    let out = Command::new(PEREGRINE)
        .args(["record", "-v", "-n", &n_events.to_string()])
        .arg(path)
        .arg("--")
        .arg(bench_program("peregrine-storm"))
        // What it counts of its own events is a guess.
        .args(["mixed", "--events", &(n_events + n_events / 3 + 1000).to_string()])
        .args(["--seed", &seed.to_string(), "--seconds", &longest.as_secs().to_string()])
        .stdin(Stdio::null())
        .stderr(Stdio::piped())
        .stdout(Stdio::piped())
        .output()
        .expect("the program runs");
    let said = String::from_utf8_lossy(&out.stdout) + String::from_utf8_lossy(&out.stderr);
    assert!(out.status.success(), "{said}");
    let count = |what: &str| {
        let n = said.split_once(what).and_then(|(_, rest)| rest.split([',', '\n']).next());
        n.and_then(|n| n.trim().parse().ok()).unwrap_or_else(|| panic!("no {what:?} in {said}"))
    };
    Recorded { n_events: count("Captured Events:"), n_drops: count("Driver Drops:") }
}

/// What a recording of a storm has.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Recorded {
    pub(crate) n_events: u64,
    /// Events that were lost to it.
    pub(crate) n_drops: u64,
}
