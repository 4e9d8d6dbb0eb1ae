//! No allocation per event once everything has its size: events that match no rule, whether or not they change the process table; and events of a trace.

mod support;

use std::sync::Arc;

use bus::Key;
use event::{EventType, FileKind, FrameWriter, SectionKind, SockTuple};
use perf::CountingAlloc;
use rules::{DEFAULT_RULES, Filter, LineFormat, LineScratch, RuleMatching};
use stages::{
    BufferFormat, LineageLimits, Numbering, PortFormat, Progress, RuleSwap, Step, TimeFormat,
    Tracer, TracerConfig,
};
use support::*;

#[global_allocator]
static ALLOC: CountingAlloc = CountingAlloc::system();

const INIT: Proc = Proc { tgid: 1, start: 10 };
const SHELL: Proc = Proc { tgid: 50, start: 20 };
const CAT: Proc = Proc { tgid: 51, start: 30 };

/// Rules that walk ancestors, join names, list arguments, and match nothing.
const NOSY: &str = r"
- rule: nosy
  desc: d
  condition: >
    evt.type in (openat, connect) and proc.aname != x and proc.pcmdline != x and proc.sname != x and proc.aname[2] != x
    and evt.args contains nothing-of-the-kind
  output: x
  priority: INFO
- rule: noisy
  desc: d
  condition: (fd.name = /nowhere or fd.directory = /nowhere or fd.sip = 9.9.9.9 or proc.loginshellid = 77 or proc.env contains nothing)
  output: x
  priority: INFO
- rule: prying
  desc: d
  condition: >
    evt.type in (mkdirat, rename, write, sendto, kill, truncate, chdir, setsid, capset) and
    (fs.path.name = /nowhere or fs.path.source = x or fs.path.target = x or evt.buffer contains nothing-of-the-kind or fd.type = x
    or proc.cwd = x or proc.sname = x or thread.cap_effective = x or evt.args contains nothing-of-the-kind or evt.abspath = x
    or fd.containername = x or fd.sproto = x or evt.rawarg.res = 77 or evt.type = setgroups)
  output: x
  priority: INFO
";

/// One call of each kind.
fn calls(p: Proc) -> Vec<Vec<u8>> {
    let dir = |w: &mut FrameWriter<'_>| object(w, SectionKind::Dir, FileKind::Directory, "/srv");
    vec![
        call(EventType::MKDIRAT_X, p, |w| {
            w.i64(0).i64(5).str(b"a/../b").u32(0o755);
            dir(w);
        }),
        call(EventType::RENAME_X, p, |w| {
            w.i64(0).str(b"a").str(b"./b");
        }),
        call(EventType::WRITE_X, p, |w| {
            w.i64(3).bytes(b"abc").i64(1).u32(3);
            object(w, SectionKind::File, FileKind::Regular, "/var/log/x");
        }),
        call(EventType::SENDTO_X, p, |w| {
            let (source, dest) = ("10.0.0.1:4000".parse().unwrap(), "10.0.0.2:53".parse().unwrap());
            w.i64(3).bytes(b"abc").i64(5).u32(3).sock_tuple(&SockTuple::Inet { source, dest });
        }),
        call(EventType::KILL_X, p, |w| {
            w.i64(0).i64(50).u8(15);
        }),
        call(EventType::GENERIC_X, p, |w| {
            w.u16(event::syscall_id("truncate").unwrap()).u16(76);
        }),
        call(EventType::CHDIR_X, p, |w| {
            w.i64(0).str(b"../somewhere");
        }),
        call(EventType::SETSID_X, p, |w| {
            w.i64(i64::from(p.tgid));
        }),
        call(EventType::CAPSET_X, p, |w| {
            w.i64(0).u64(0).u64(0).u64(1);
        }),
    ]
}

/// Allocations of one shard over the frames after the first `n_warm_up`, none of which may match.
fn allocations_after(n_warm_up: usize, rules: &str, frames: &[Vec<u8>]) -> (u64, perf::Snapshot) {
    let rules = ruleset(rules, RuleMatching::All);
    let mut p = pipeline(&Setup::new(1, 1, &rules));
    let frames: Vec<_> = (1..).map(Key).zip(frames.iter().map(|f| &f[..])).collect();
    let watermark = Arc::clone(&p.watermarks[0]);
    let mut feeder = Feeder { frames, at: 0, lanes: p.lanes.remove(0), watermark };
    let mut counted = 0;
    let mut more = true;
    while more {
        more = feeder.step(5);
        let before = perf::thread_allocs();
        while p.shards[0].poll_once() == Progress::Worked {}
        if feeder.at > n_warm_up {
            counted += perf::thread_allocs() - before;
        }
    }
    let snapshot = p.registry.snapshot(perf::Moment::Final);
    assert_eq!(snapshot.get("shard.received"), Some(feeder.at as u64));
    assert_eq!(snapshot.get("shard.matched"), Some(0));
    (counted, snapshot)
}

fn family() -> Vec<Vec<u8>> {
    vec![
        seed(INIT, proc(0, 0), "init"),
        seed(SHELL, INIT, "bash"),
        fork(CAT, SHELL, SHELL, "bash"),
        exec(CAT, SHELL, "cat", "/etc/hosts"),
    ]
}

fn plain_allocations(rules: &str) -> u64 {
    let plain = [
        open(CAT, "hosts", Some("/etc"), Some("/etc/hosts")),
        open(CAT, "link", Some("/home/u"), Some("/etc/hosts")),
        open(SHELL, "/usr/lib/x.so", None, None),
        connect(CAT, "10.0.0.1:4000", "10.0.0.2:443"),
    ];
    let mut frames = family();
    frames.extend(plain.iter().cycle().take(6000).cloned());
    let (counted, snapshot) = allocations_after(4004, rules, &frames);
    assert_eq!(snapshot.get("shard.evaluated"), Some(6002), "{}", snapshot.table());
    counted
}

const N_LIVE: u32 = 40;
const FRAMES_PER_CYCLE: usize = 23;

/// Lives and deaths of a job and a process that the job leaves behind, `N_LIVE` cycles of them at any time.
fn churn(n_cycles: u32) -> Vec<Vec<u8>> {
    churn_after(0, n_cycles)
}

/// The same, of which the programs of the first `n_large` cycles have the most arguments, so that what they leave behind is large enough for
/// any other.
fn churn_after(n_large: u32, n_cycles: u32) -> Vec<Vec<u8>> {
    let job = |n: u32| proc(1000 + 2 * (n % 500), 1000 + u64::from(n) * 10);
    let orphan = |n: u32| proc(job(n).tgid + 1, job(n).start + 1);
    let mut frames = family();
    for n in 0..n_cycles {
        let (p, left) = (job(n), orphan(n));
        let is_large = n < n_large;
        let args = "-v ".repeat(if is_large { 20 } else { n as usize % 7 }) + "file";
        let left_args = if is_large { &*args } else { "" };
        let comm = ["make", "cc1", "as"][n as usize % 3];
        frames.extend([
            fork(p, SHELL, SHELL, "bash"),
            exec(p, SHELL, comm, &args),
            thread(p, 5_000),
            // Renamed since its exec.
            fork(left, p, p, "worker"),
            open(left, "file", Some("/home/u"), Some("/home/u/file")),
            exec(left, p, "ld", left_args),
            exec_in(left, p, "ld", u64::from(n % 5)),
            no_exec(left, p, "ld"),
            exit_thread(p, 5_000),
            exit(p, INIT),
            open(left, "file", Some("/home/u"), Some("/home/u/file")),
            connect(left, "10.0.0.1:4000", "10.0.0.2:443"),
        ]);
        frames.extend(calls(left));
        if let Some(n) = n.checked_sub(N_LIVE) {
            frames.extend([open(orphan(n), "/a", None, Some("/a")), exit(orphan(n), INIT)]);
        }
    }
    frames
}

#[test]
fn plain_events_allocate_nothing() {
    assert_eq!(plain_allocations(NOSY), 0, "rules that look at everything");
    assert_eq!(plain_allocations(DEFAULT_RULES), 0, "the shipped rules");
}

#[test]
fn forks_execs_and_exits_allocate_nothing() {
    const N_WARM_UP: usize = 4000 * FRAMES_PER_CYCLE;
    for rules in [DEFAULT_RULES, NOSY] {
        let (counted, snapshot) = allocations_after(N_WARM_UP, rules, &churn(6000));
        assert_eq!(snapshot.get("shard.lineage_unknown"), Some(0), "{}", snapshot.table());
        assert_eq!(snapshot.get("shard.rejected"), Some(0));
        assert_eq!(counted, 0, "over the last third of {} cycles", 6000);
    }
}

/// Lines that a trace printed, and its allocations over the frames after the first `n_warm_up`.
fn traced(filter: &str, n_warm_up: usize, frames: &[Vec<u8>]) -> (u64, u64) {
    let mut tracer = Tracer::new(TracerConfig {
        filter: Some(filter).filter(|f| !f.is_empty()).map(|f| Filter::compile(f).unwrap()),
        suppressed: Vec::new(),
        users: Arc::default(),
        hostname: "machine".into(),
        numbering: Numbering::Keys { shift: 0 },
        clock_offset_ns: 0,
        time: TimeFormat::TimeOfDay,
        utc_offset: Box::new(|_| 0),
        buffers: BufferFormat::DottedUpTo(80),
        ports: PortFormat::Number,
        limits: LineageLimits::default(),
    });
    let format = LineFormat::compile(
        "*%evt.num %evt.outputtime %evt.cpu %proc.name (%thread.tid) %evt.dir %evt.type %evt.info \
         %proc.cmdline %proc.aname[2] %proc.cwd %fd.name %user.name %container.id %15proc.exepath",
    )
    .unwrap();
    let (mut line, mut scratch) = (Vec::new(), LineScratch::default());
    let (mut counted, mut n_lines) = (0, 0);
    for (n, frame) in frames.iter().enumerate() {
        let before = perf::thread_allocs();
        line.clear();
        if let Step::Passed(event) = tracer.step(Key(n as u64 + 1), frame).unwrap() {
            n_lines += 1;
            assert!(format.print(&mut line, &event.shown(), event.utc_offset_s(), &mut scratch));
            event.was_printed();
        }
        if n >= n_warm_up {
            counted += perf::thread_allocs() - before;
        }
    }
    (n_lines, counted)
}

#[test]
fn a_trace_allocates_nothing_for_events_filtered_or_printed() {
    let frames = churn_after(1000, 3000);
    let n_warm_up = 2000 * FRAMES_PER_CYCLE;
    let (n_lines, counted) = traced("", n_warm_up, &frames);
    assert!(n_lines > 50_000, "{n_lines}");
    assert_eq!(counted, 0, "all printed");
    for filter in [
        "proc.name=nosuch",
        "evt.type in (openat, connect) and fd.name=/nowhere",
        "proc.aname[2]=nosuch or evt.args contains nothing-of-the-kind or proc.cwd startswith /nowhere",
    ] {
        assert_eq!(traced(filter, n_warm_up, &frames), (0, 0), "{filter}");
    }
    let (n_lines, counted) =
        traced("evt.type=openat and fd.name endswith file", n_warm_up, &frames);
    assert!(n_lines > 1_000, "{n_lines}");
    assert_eq!(counted, 0, "some printed");
}

#[test]
fn a_swap_and_a_profile_allocate_nothing_on_the_shard() {
    let (old, new) = (ruleset(NOSY, RuleMatching::All), ruleset(NOSY, RuleMatching::All));
    let mut p = pipeline(&Setup::new(1, 1, &old));
    let swap = Arc::new(RuleSwap::new(1, p.watermarks.clone(), Vec::new()));
    p.shards = p.shards.into_iter().map(|shard| shard.following(Arc::clone(&swap))).collect();
    drop(old);
    let mut frames = family();
    frames.extend(std::iter::repeat_n(open(SHELL, "/usr/lib/x.so", None, None), 3000));
    let frames: Vec<_> = (1..).map(Key).zip(frames.iter().map(|f| &f[..])).collect();
    let watermark = Arc::clone(&p.watermarks[0]);
    let mut feeder = Feeder { frames, at: 0, lanes: p.lanes.remove(0), watermark };
    let mut counted = 0;
    while feeder.step(5) {
        match feeder.at {
            2000 => drop(swap.begin_profile(3).unwrap()),
            2500 => assert_eq!(swap.install(&new, RuleMatching::All, Key(2600)), Ok(Key(2600))),
            _ => {}
        }
        let before = perf::thread_allocs();
        while p.shards[0].poll_once() == Progress::Worked {}
        if feeder.at > 1500 {
            counted += perf::thread_allocs() - before;
        }
    }
    assert!(swap.settle(std::time::Duration::ZERO));
    let found = swap.end_profile(std::time::Duration::ZERO);
    assert_eq!(found.n_missing, 0);
    assert!((190..=210).contains(&found.costs.n_events), "a third of 600: {found:?}");
    assert_eq!(counted, 0);
}
