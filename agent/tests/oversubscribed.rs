//! More threads than CPUs do no harm: what a replay takes of the CPUs there are grows little with the number of its shards.

mod common;
use std::fs;
use std::path::Path;
use std::time::Duration;

use capture::ProcessEntry;
use capture::savefile::{Compression, Machine, Writer};
use common::run;
use event::{EventType, Frame, FrameHeader, FrameWriter};
use rustix::thread::{CpuSet, sched_getaffinity, sched_setaffinity};

const N_EVENTS: u32 = 80_000;
const N_PROCESSES: u32 = 100;
/// CPUs for all threads, at most.
const N_CPUS: usize = 2;
const MANY: &str = "16";
/// Rounds at most; what is measured is the least of them, for others use the machine too.
const N_ROUNDS: usize = 8;

/// CPU time of the children that were waited for.
fn cpu_time_of_children() -> Duration {
    let stat = fs::read_to_string("/proc/self/stat").expect("stat");
    let fields = stat.rsplit(')').next().expect("the name ends").split_whitespace();
    let ticks: u64 = fields.skip(13).take(2).map(|f| f.parse::<u64>().expect("ticks")).sum();
    Duration::from_millis(ticks * 10)
}

/// Leaves this thread, and whom it starts, so many of its CPUs.
fn bind_to(n_cpus: usize) {
    let allowed = sched_getaffinity(None).expect("this thread's CPUs");
    let mut few = CpuSet::new();
    let ids = (0..CpuSet::MAX_CPU).filter(|&cpu| allowed.is_set(cpu));
    ids.take(n_cpus).for_each(|cpu| few.set(cpu));
    sched_setaffinity(None, &few).expect("some of them");
}

/// What a replay tells, and the CPU time that it takes.
fn replay(dir: &Path, shards: &str) -> (Vec<String>, Duration) {
    let path = |name: &str| dir.join(name).to_str().expect("UTF-8").to_owned();
    let (file, rules) = (path("busy.scap"), path("rules.yaml"));
    let before = cpu_time_of_children();
    let ended = run(&["replay", &file, "--shards", shards, "-r", &rules]);
    let took = cpu_time_of_children().saturating_sub(before);
    ended.assert_balanced();
    (ended.alerts(), took)
}

/// A capture in which a hundred processes, each the child of the one before or of the first, open files in turns, and go elsewhere now and then.
fn busy_machine(path: &Path) {
    let file = fs::File::create(path).expect("a file");
    let machine = Machine { n_cpus: 4, ..Machine::default() };
    let mut writer = Writer::new(file, Compression::None, &machine, &[], &[], 0).expect("a header");
    for pid in 1..=i64::from(N_PROCESSES) {
        let comm = format!("p{pid}");
        let entry = ProcessEntry {
            tid: pid,
            pid,
            ptid: if pid % 4 == 0 { 1 } else { pid - 1 },
            exepath: format!("/bin/{comm}").into(),
            exe: comm.clone().into(),
            comm: comm.into(),
            ..ProcessEntry::default()
        };
        writer.process(&entry).expect("a process");
    }
    for n in 0..N_EVENTS {
        let tid = 1 + n / 8 % N_PROCESSES;
        let is_change = n % 200 == 0;
        let ty = if is_change { EventType::CHDIR_X } else { EventType::OPENAT_2_X };
        let (ts, cpu) = (u64::from(n) + 1, (tid % 4) as u16);
        let header = FrameHeader { ts, event_type: ty.0, tid, cpu, ..FrameHeader::default() };
        let mut buf = [0; 512];
        let mut w = FrameWriter::new(&mut buf, header);
        if is_change {
            w.i64(0).str(format!("/dir/{n}").as_bytes());
        } else {
            w.i64(3).i64(-100).str(format!("file-{n}").as_bytes()).u32(1).u32(0).u32(0).u64(0);
        }
        let frame = w.finish().expect("room");
        writer.frame(&Frame::parse(frame).expect("a frame")).expect("a frame");
    }
    writer.finish().expect("a file");
}

#[test]
fn sixteen_shards_on_two_cpus_take_at_most_twice_the_cpu_time_of_one() {
    let dir = tempfile::tempdir().expect("a folder");
    busy_machine(&dir.path().join("busy.scap"));
    let rule = "- rule: some\n  desc: a test\n  \
                condition: evt.type = openat and proc.aname = p1 and (fd.name endswith 00 or fd.name endswith 77)\n  \
                output: \"%evt.num %proc.name %proc.pname %proc.cwd %fd.name\"\n  priority: NOTICE\n";
    fs::write(dir.path().join("rules.yaml"), rule).expect("a file");
    bind_to(N_CPUS);
    let (mut one, mut many) = (Duration::MAX, Duration::MAX);
    for _ in 0..N_ROUNDS {
        let (of_one, took_one) = replay(dir.path(), "1");
        let (of_many, took_many) = replay(dir.path(), MANY);
        assert_eq!(of_one.len(), 1200, "three of two hundred numbers");
        assert_eq!(of_one, of_many);
        (one, many) = (one.min(took_one), many.min(took_many));
        if many <= one * 3 / 2 {
            break;
        }
    }
    assert!(many <= one * 2, "1 shard: {one:?}, {MANY}: {many:?}");
}
