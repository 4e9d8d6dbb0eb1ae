//! What has a bound keeps it under loads that would break it, and loses no count: a fork bomb, very many short-lived processes, very many
//! descriptors, giant command lines and environments, long paths. And `docs/bounds.md`, held to the configuration and to the counters.
//!
//! `PEREGRINE_LONG=1` makes 100,000 short-lived processes of 10,000.

mod common;

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use capture::savefile::{Compression, Machine, Writer};
use common::{Agent, DEADLINE, PEREGRINE, Shell, alone, can_run_live, run, skip};
use event::{EventType, Frame, FrameHeader, FrameWriter};
use perf::Snapshot;

/// The bound of the process table in these tests.
const TABLE_BYTES: u64 = 16 << 20;
/// What the agent may take beside it: lanes, alerts under way, what the allocator keeps; without optimisation, too.
const SLACK_BYTES: u64 = 16 << 20;

/// A line of `/proc/PID/status`, in bytes.
fn memory(agent: &Agent, name: &str) -> u64 {
    let text = fs::read_to_string(format!("/proc/{}/status", agent.pid())).expect("it runs");
    let line = text.lines().find_map(|l| l.strip_prefix(name)).expect("a line");
    let kib = line.trim_start_matches(':').trim().trim_end_matches(" kB");
    kib.parse::<u64>().expect("a number") << 10
}

/// Events that did not become alerts for a reason that was counted.
fn n_lost(stats: &Snapshot) -> u64 {
    let lost: u64 = stats.losses.iter().map(|loss| loss.n).sum();
    lost + stats.get("shard.alerts_lost").unwrap_or(0)
}

/// An agent over a shell of its own.
struct Bench {
    shell: Shell,
    agent: Agent,
    before: u64,
    n_processes: u64,
    _rules: tempfile::TempDir,
}

impl Bench {
    fn new(condition: &str, args: &[&str]) -> Self {
        let dir = tempfile::tempdir().expect("a temporary directory");
        let rules = dir.path().join("rules.yaml");
        let text = format!(
            "- rule: Told\n  desc: d\n  condition: {condition}\n  output: told %evt.type %proc.name\n  priority: INFO\n"
        );
        fs::write(&rules, text).expect("written");
        let shell = Shell::start();
        let (pid, rules) = (shell.pid(), rules.to_str().expect("UTF-8").to_owned());
        let table = format!("peregrine.limits.process_table_bytes={TABLE_BYTES}");
        let common = ["--scope-pid", &pid, "-r", &rules, "-o", &table];
        let agent = Agent::start(&[&common[..], args].concat());
        // What lived before is known; of the machine's other processes nothing is heard any more.
        let deadline = Instant::now() + DEADLINE;
        let n_processes = loop {
            let stats = agent.stats();
            if stats.get("shard.state_only") >= stats.get("seeds") {
                break stats.levels["lineage.processes"];
            }
            assert!(Instant::now() < deadline, "{}", stats.table());
            std::thread::sleep(Duration::from_millis(5));
        };
        let before = memory(&agent, "VmRSS");
        // The most that was resident counts from here on (proc(5), `clear_refs`).
        fs::write(format!("/proc/{}/clear_refs", agent.pid()), "5").expect("it runs");
        Self { shell, agent, before, n_processes, _rules: dir }
    }

    /// Waits until the table is as it was, then ends the agent; gives the alerts and its last numbers.
    fn end(self) -> (Vec<String>, Snapshot) {
        let Self { shell, agent, before, n_processes, .. } = self;
        let deadline = Instant::now() + DEADLINE;
        let stats = loop {
            let stats = agent.stats();
            if stats.levels["lineage.processes"] <= n_processes {
                break stats;
            }
            assert!(
                Instant::now() < deadline,
                "{} processes, {n_processes} before",
                stats.levels["lineage.processes"]
            );
            std::thread::sleep(Duration::from_millis(20));
        };
        assert!(stats.levels["lineage.bytes"] <= TABLE_BYTES + TABLE_BYTES / 16);
        let most = memory(&agent, "VmHWM");
        println!("resident: {} KiB before, {} KiB at most", before >> 10, most >> 10);
        assert!(
            most <= before + TABLE_BYTES + SLACK_BYTES,
            "{most} bytes resident at most, {before} before"
        );
        let ended = agent.interrupt();
        ended.assert_balanced();
        drop(shell);
        let alerts = ended.stdout.lines().filter_map(|l| Some(l.split_once("told ")?.1.to_owned()));
        (alerts.collect(), stats)
    }
}

/// The numbers of alerts and of counted losses make up what was done.
fn assert_all_told(n_alerts: usize, n_done: usize, stats: &Snapshot) {
    let lost = n_lost(stats) as usize;
    assert!(
        n_alerts <= n_done && n_alerts + lost >= n_done,
        "{n_alerts} alerts, {lost} lost, {n_done} expected\n{}",
        stats.table()
    );
}

#[test]
fn very_many_short_lived_processes_leave_nothing_behind() {
    if !can_run_live("very_many_short_lived_processes_leave_nothing_behind") {
        return;
    }
    let _alone = alone();
    let n = if std::env::var_os("PEREGRINE_LONG").is_some() { 100_000 } else { 10_000 };
    let mut bench = Bench::new("evt.type = procexit", &["--shards", "2"]);
    bench.shell.run(&format!("i=0; while [ $i -lt {n} ]; do (:); i=$((i+1)); done"));
    let (alerts, stats) = bench.end();
    assert_all_told(alerts.len(), n, &stats);
    assert_eq!(stats.get("lineage.refused"), Some(0));
}

/// A group of control whose processes may be so many.
struct PidsGroup(PathBuf);

impl PidsGroup {
    fn new(max: u32) -> Option<Self> {
        let v1 = Path::new("/sys/fs/cgroup/pids");
        let parent = if v1.is_dir() { v1 } else { Path::new("/sys/fs/cgroup") };
        let path = parent.join(format!("peregrine-bounds-{}", std::process::id()));
        fs::create_dir(&path).ok()?;
        let group = Self(path);
        fs::write(group.0.join("pids.max"), max.to_string()).ok()?;
        Some(group)
    }

    fn procs(&self) -> PathBuf {
        self.0.join("cgroup.procs")
    }

    fn pids(&self) -> Vec<i32> {
        let text = fs::read_to_string(self.procs()).unwrap_or_default();
        text.lines().filter_map(|l| l.parse().ok()).collect()
    }

    /// Ends whatever lives in it, all stopped first so that nobody forks on.
    fn end_all(&self) {
        let deadline = Instant::now() + DEADLINE;
        while !self.pids().is_empty() {
            fs::write(self.0.join("pids.max"), "0").expect("a bound");
            for signal in [rustix::process::Signal::STOP, rustix::process::Signal::KILL] {
                for pid in self.pids().into_iter().filter_map(rustix::process::Pid::from_raw) {
                    // It may have ended by itself.
                    let _ended = rustix::process::kill_process(pid, signal);
                }
            }
            assert!(Instant::now() < deadline, "{:?} live on", self.pids());
            std::thread::sleep(Duration::from_millis(5));
        }
    }
}

impl Drop for PidsGroup {
    fn drop(&mut self) {
        self.end_all();
        drop(fs::remove_dir(&self.0));
    }
}

/// Lets a fork bomb run for a second; gives the alerts and the numbers.
fn bomb(args: &[&str]) -> Option<(Vec<String>, Snapshot)> {
    let group = PidsGroup::new(300)?;
    let own_side = "evt.type in (clone, clone3, fork, vfork) and evt.rawres = 0";
    let mut bench = Bench::new(&format!("evt.type = procexit or ({own_side})"), args);
    let procs = group.procs();
    bench.shell.run(&format!(
        "(echo 0 > {}; f() {{ (while :; do f & sleep 0.05; done) & (while :; do f; done) & }}; f; sleep 1) &",
        procs.display()
    ));
    std::thread::sleep(Duration::from_secs(1));
    group.end_all();
    bench.shell.run("wait");
    Some(bench.end())
}

/// Of what was made everything ended, and each was told.
fn assert_ends_are_told(alerts: &[String], stats: &Snapshot) {
    let n_ended = alerts.iter().filter(|a| a.starts_with("procexit")).count();
    let n_made = alerts.len() - n_ended;
    assert!(n_made > 100, "{n_made} were made");
    assert!(n_made.abs_diff(n_ended) as u64 <= n_lost(stats), "{n_made} made, {n_ended} ended");
}

#[test]
fn a_fork_bomb_is_told_to_the_last_process() {
    let test = "a_fork_bomb_is_told_to_the_last_process";
    if !can_run_live(test) {
        return;
    }
    let _alone = alone();
    let Some((alerts, stats)) = bomb(&["--shards", "2"]) else {
        return skip(test, "no control group with a bound of processes can be made");
    };
    assert_ends_are_told(&alerts, &stats);
    assert_eq!(stats.get("lineage.refused"), Some(0));
}

#[test]
fn a_fork_bomb_beyond_the_table_is_counted_and_told() {
    let test = "a_fork_bomb_beyond_the_table_is_counted_and_told";
    if !can_run_live(test) {
        return;
    }
    let _alone = alone();
    let Some((alerts, stats)) = bomb(&["-o", "falco_libs.thread_table_size=3"]) else {
        return skip(test, "no control group with a bound of processes can be made");
    };
    assert_ends_are_told(&alerts, &stats);
    assert!(stats.get("lineage.refused").is_some_and(|n| n > 0));
    assert!(
        stats.levels["lineage.processes"] <= 4,
        "as many as there may be, one for each shard more"
    );
}

/// What a helper of a test does: this program, started again with the variable set.
const ROLE: &str = "PEREGRINE_BOUNDS_DESCRIPTORS";

#[test]
fn a_process_with_very_many_descriptors_is_told() {
    const N: usize = 15_000;
    if let Some(n) = std::env::var(ROLE).ok().and_then(|n| n.parse().ok()) {
        let max = rustix::process::getrlimit(rustix::process::Resource::Nofile).maximum;
        let limit = rustix::process::Rlimit { current: max, maximum: max };
        rustix::process::setrlimit(rustix::process::Resource::Nofile, limit).expect("a limit");
        let all: Vec<File> = (0..n).map(|_| File::open("/dev/zero").expect("open")).collect();
        assert_eq!(all.len(), n);
        // What has them all forks and executes, too.
        assert!(std::process::Command::new("/bin/true").status().expect("it runs").success());
        return;
    }
    if !can_run_live("a_process_with_very_many_descriptors_is_told") {
        return;
    }
    let max = rustix::process::getrlimit(rustix::process::Resource::Nofile).maximum;
    if max.is_some_and(|max| max < N as u64 + 100) {
        return skip(
            "a_process_with_very_many_descriptors_is_told",
            "the limit of files is too low",
        );
    }
    let _alone = alone();
    let mut bench = Bench::new("evt.type = openat and fd.name = /dev/zero and fd.num >= 0", &[]);
    let own = std::env::current_exe().expect("a path");
    let status = bench.shell.run(&format!(
        "{ROLE}={N} {} --exact a_process_with_very_many_descriptors_is_told",
        own.display()
    ));
    assert_eq!(status, 0);
    let (alerts, stats) = bench.end();
    assert_all_told(alerts.len(), N, &stats);
}

#[test]
fn giant_command_lines_and_environments_are_told() {
    const N: usize = 300;
    if !can_run_live("giant_command_lines_and_environments_are_told") {
        return;
    }
    let _alone = alone();
    let mut bench = Bench::new("evt.type in (execve, execveat) and proc.name = true", &[]);
    bench.shell.run(&format!(
        "a=$(head -c 65536 /dev/zero | tr '\\0' x); export E=$a; i=0; \
         while [ $i -lt {N} ]; do /bin/true $a; i=$((i+1)); done; unset E"
    ));
    let (alerts, stats) = bench.end();
    assert_all_told(alerts.len(), N, &stats);
}

#[test]
fn long_paths_are_told() {
    const N: usize = 300;
    if !can_run_live("long_paths_are_told") {
        return;
    }
    let _alone = alone();
    let dir = tempfile::tempdir().expect("a temporary directory");
    let mut bench = Bench::new(
        "evt.type in (open, openat) and evt.is_open_write = true and fd.num >= 0 and fd.filename startswith deep-",
        &[],
    );
    // 4,000 bytes of directories, entered one by one.
    let name = "d".repeat(199);
    bench.shell.run(&format!(
        "cd {}; i=0; while [ $i -lt 20 ]; do mkdir {name}; cd ./{name}; i=$((i+1)); done; \
         i=0; while [ $i -lt {N} ]; do : > deep-$i; i=$((i+1)); done; cd /",
        dir.path().display()
    ));
    let (alerts, stats) = bench.end();
    assert_all_told(alerts.len(), N, &stats);
}

#[test]
fn processes_that_a_scope_has_no_room_for_are_counted() {
    if !can_run_live("processes_that_a_scope_has_no_room_for_are_counted") {
        return;
    }
    let _alone = alone();
    let condition = "evt.type = execve and proc.name = sleep";
    let mut bench = Bench::new(condition, &["-o", "peregrine.limits.scope_processes=3"]);
    // The shell and two of its children are in scope.
    bench.shell.run("i=0; while [ $i -lt 6 ]; do sleep 0.3 & i=$((i+1)); done; wait");
    let (alerts, stats) = bench.end();
    assert_eq!(alerts.len(), 2, "{}", stats.table());
    assert_eq!(stats.get("kernel.scope_full"), Some(4));
}

const N_SAVED: u32 = 1500;

/// A savefile in which processes change into long directories and containers are told of.
fn saved_directories(path: &Path) {
    let out = std::io::BufWriter::new(File::create(path).expect("a file"));
    let machine = Machine::default();
    let mut w = Writer::new(out, Compression::None, &machine, &[], &[], 0).expect("written");
    let mut write = |header: FrameHeader, build: &dyn Fn(&mut FrameWriter<'_>)| {
        let mut buf = vec![0; 16 << 10];
        let mut frame = FrameWriter::new(&mut buf, header);
        build(&mut frame);
        let bytes = frame.finish().expect("a frame");
        w.frame(&Frame::parse(bytes).expect("a frame")).expect("written");
    };
    for tid in 1..=N_SAVED {
        let of = |ty: EventType| FrameHeader {
            event_type: ty.0,
            ts: tid.into(),
            tid,
            ..FrameHeader::default()
        };
        let dir = format!("/{}", "d".repeat(1000));
        write(of(EventType::CHDIR_X), &|w| {
            w.i64(0).str(dir.as_bytes());
        });
        let json = format!(r#"{{"container":{{"id":"{tid:012x}","name":"{}"}}}}"#, "n".repeat(900));
        write(of(CONTAINER_JSON), &|w| {
            w.str(json.as_bytes());
        });
    }
    w.finish().expect("written");
}

const CONTAINER_JSON: EventType = EventType(324);

#[test]
fn a_replay_keeps_within_the_memory_it_is_given_and_counts_the_rest() {
    let dir = tempfile::tempdir().expect("a temporary directory");
    let (file, rules) = (dir.path().join("a.scap"), dir.path().join("rules.yaml"));
    saved_directories(&file);
    fs::write(
        &rules,
        "- rule: r\n  desc: d\n  condition: evt.type = chdir\n  output: o\n  priority: INFO\n",
    )
    .expect("written");
    let [file, rules] = [&file, &rules].map(|path| path.to_str().expect("UTF-8"));
    let common = ["replay", file, "-r", rules, "--profile"];
    let small = ["-o", "peregrine.limits.recording_bytes=8388608"];
    let (all, some) = (run(&common), run(&[&common[..], &small].concat()));
    for ended in [&all, &some] {
        ended.assert_balanced();
        assert_eq!(ended.stdout.lines().count(), N_SAVED as usize);
    }
    assert!(!all.stderr.contains("left out"), "{}", all.stderr);
    for counter in ["savefile.dropped_dirs", "savefile.dropped_containers"] {
        assert!(some.stderr.contains(counter), "{}", some.stderr);
    }
    assert!(some.stderr.contains("working directories beyond their memory"), "{}", some.stderr);
    // A trace has the same bounds.
    let trace = |more: &[&str]| {
        let mut command = std::process::Command::new(PEREGRINE);
        let output =
            command.args(["trace", "-q", "-r", file]).args(more).output().expect("it runs");
        String::from_utf8_lossy(&output.stderr).into_owned()
    };
    let small = ["--option", "peregrine.limits.recording_bytes=8388608"];
    let (all, some) = (trace(&[]), trace(&small));
    assert!(!all.contains("not all was read"), "{all}");
    assert!(some.contains("working directories beyond their memory"), "{some}");
    let refused = trace(&["--option", "peregrine.shards=2"]);
    assert!(refused.contains("a trace has the bounds alone"), "{refused}");
}

const BOUNDS: &str = include_str!("../../docs/bounds.md");

/// What stands in code marks in a column of the tables.
fn column(n: usize) -> Vec<&'static str> {
    let rows = BOUNDS.lines().filter(|l| l.starts_with('|') && !l.starts_with("|--"));
    let cells = rows.filter_map(|row| row.trim_matches('|').split('|').nth(n));
    cells.flat_map(|cell| cell.split('`').skip(1).step_by(2)).collect()
}

/// The sources of all crates, and of the kernel side.
fn sources(dir: &Path, all: &mut String) {
    for entry in fs::read_dir(dir).expect("a directory") {
        let path = entry.expect("an entry").path();
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        if path.is_dir() && !matches!(name.as_str(), "target" | "tests" | "benches" | ".git") {
            sources(&path, all);
        } else if path.extension().is_some_and(|e| e == "rs") {
            all.push_str(&fs::read_to_string(&path).expect("text"));
        }
    }
}

#[test]
fn every_bound_has_a_key_or_a_reason_and_a_counter_or_a_reason() {
    let rows = BOUNDS.lines().filter(|l| l.starts_with('|') && !l.starts_with("|--"));
    for row in rows.filter(|row| !row.starts_with("| what |")) {
        let cells: Vec<_> = row.trim_matches('|').split('|').map(str::trim).collect();
        assert_eq!(cells.len(), 5, "{row}");
        assert!(cells.iter().all(|cell| !cell.is_empty()), "{row}");
    }
}

#[test]
fn the_document_names_keys_and_counters_that_there_are() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let schema = ["falco.rs", "own.rs"].map(|file| {
        fs::read_to_string(root.join("agent/src/config/schema").join(file)).expect("the keys")
    });
    let rows = schema.iter().flat_map(|text| text.split(" key(\"").skip(1));
    let mut keys: Vec<&str> = rows.filter_map(|row| row.split('"').next()).collect();
    let of_sinks =
        fs::read_to_string(root.join("agent/src/config/schema/sinks.rs")).expect("the keys");
    let quoted = of_sinks.split('"').skip(1).step_by(2);
    keys.extend(
        quoted
            .clone()
            .filter(|text| text.starts_with("peregrine.outputs.") && !text.ends_with('.')),
    );
    // Those of every sink: the end of their names is in the table.
    let of_each = |key: &str| {
        let end = key.rsplit("<output>").next().unwrap_or(key);
        end.starts_with('.') && quoted.clone().any(|text| text == end)
    };
    let counters = column(4);
    let named = column(2);
    assert!(named.len() > 12 && counters.len() > 20, "{named:?} {counters:?}");
    for key in &named {
        assert!(keys.contains(key) || of_each(key), "{key} is no key");
    }
    let is_bound = |key: &&str| {
        ["peregrine.limits.", "_bytes", "_capacity", "_frames", "_events"]
            .iter()
            .any(|part| key.contains(part))
            && key.starts_with("peregrine.")
    };
    for key in keys.iter().filter(|key| is_bound(key)) {
        assert!(named.contains(key), "{key} is not in docs/bounds.md");
    }
    let mut all = String::new();
    sources(&root, &mut all);
    for counter in counters {
        let made = counter.strip_prefix("kernel.").unwrap_or(counter);
        // Those of outputs are put together of the output's name and what it counts.
        let of_output = counter.rsplit('.').next().filter(|_| counter.starts_with("out"));
        let of_output = of_output.unwrap_or(counter);
        let reason = of_output.strip_prefix("lost_").unwrap_or(of_output);
        let is_there = [counter, made, of_output, reason]
            .iter()
            .any(|name| all.contains(&format!("\"{name}\"")));
        assert!(is_there, "{counter} is no counter");
    }
}
