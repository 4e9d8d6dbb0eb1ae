//! `peregrine trace` of the running kernel as its user has it, each test scoped to a command of its own.

mod common;

use std::collections::BTreeMap;
use std::fs;
use std::io::{BufRead as _, BufReader, Read as _};
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::time::{Duration, Instant};

use common::{DEADLINE, PEREGRINE, Running, alone, can_run_live, skip};
use rustix::process::{Pid, Signal, kill_process};

/// A trace with arguments; the environment of what it runs is short.
fn trace(args: &[&str]) -> Command {
    let mut command = Command::new(PEREGRINE);
    let path = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";
    command.arg("trace").args(args).env_clear().env("PATH", path).env("TZ", "UTC");
    command.stdin(Stdio::null());
    command
}

fn run(args: &[&str]) -> Output {
    trace(args).output().expect("the program runs")
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// The lines of a trace that ends well.
fn lines(args: &[&str]) -> Vec<String> {
    let ended = run(args);
    assert!(ended.status.success(), "{args:?}: {}", text(&ended.stderr));
    text(&ended.stdout).lines().map(str::to_owned).collect()
}

/// A shell that does known things and writes nothing.
fn known_work(dir: &Path) -> String {
    let dir = dir.display();
    format!(
        "cd {dir}; mkdir made; cat /etc/hostname > made/copy; rm made/copy; rmdir made; \
         cat no-such-file 2>/dev/null; exit 7"
    )
}

/// A line without number and time.
fn bare(line: &str) -> &str {
    line.splitn(3, ' ').nth(2).unwrap_or_default()
}

#[test]
fn a_command_prints_its_calls_in_order_and_ends_with_its_code() {
    if !can_run_live("a_command_prints_its_calls_in_order_and_ends_with_its_code") {
        return;
    }
    let _alone = alone();
    let dir = tempfile::tempdir().expect("a directory");
    let format = "%evt.num %evt.rawtime %proc.name %evt.type %evt.info";
    let ended = run(&["-p", format, "--", "sh", "-c", &known_work(dir.path())]);
    assert_eq!(ended.status.code(), Some(7), "{}", text(&ended.stderr));
    assert_eq!(text(&ended.stderr), "");
    let out = text(&ended.stdout);
    let lines: Vec<&str> = out.lines().collect();
    for (n, line) in (1..).zip(&lines) {
        assert!(line.starts_with(&format!("{n} ")), "{n} is missing before: {line}");
    }
    let time = |line: &str| line.split(' ').nth(1).and_then(|t| t.parse::<u64>().ok());
    assert!(lines.iter().map(|line| time(line)).is_sorted(), "{out}");
    assert!(bare(lines[0]).starts_with("sh execve res=0 exe=sh args=-c."), "{}", lines[0]);
    let path = dir.path().display();
    let mut left = lines.iter();
    for (what, part) in [
        ("sh chdir res=0", format!("path={path}")),
        ("cat execve res=0", "args=/etc/hostname.".to_owned()),
        ("cat openat fd=3(<f>/etc/hostname)", "O_RDONLY".to_owned()),
        ("cat procexit status=0", String::new()),
        ("rm unlinkat res=0", "name=made/copy".to_owned()),
        ("rmdir rmdir res=0", "path=made".to_owned()),
        ("cat openat fd=-2(ENOENT)", "name=no-such-file".to_owned()),
        ("cat procexit status=256 ret=1", String::new()),
        ("sh procexit status=1792 ret=7", String::new()),
    ] {
        let is_it = |line: &&&str| bare(line).starts_with(what) && line.contains(&part);
        assert!(left.any(|line| is_it(&line)), "no `{what} {part}` where it should be in\n{out}");
    }
    assert_eq!(left.next(), None, "nothing comes after the end of the command");
}

/// An event as a reader of a recording tells it: thread, type, and parameters by name.
#[derive(Debug, PartialEq)]
struct Told {
    tid: String,
    ty: String,
    params: BTreeMap<String, String>,
}

const TOLD: &str = "*%thread.tid %evt.type %evt.dir %evt.info";

/// Parameters of a text `name=value name=value`; a value may have blanks.
fn params(info: &str) -> BTreeMap<String, String> {
    let mut params: Vec<(String, String)> = Vec::new();
    for word in info.split(' ').filter(|word| !word.is_empty()) {
        let named = word.split_once('=').filter(|(name, _)| {
            !name.is_empty() && name.chars().all(|c| c.is_ascii_lowercase() || c == '_')
        });
        match (named, params.last_mut()) {
            (Some((name, value)), _) => params.push((name.to_owned(), value.to_owned())),
            (None, Some((_, value))) => {
                value.push(' ');
                value.push_str(word);
            }
            (None, None) => panic!("no parameter: {info}"),
        }
    }
    params.into_iter().collect()
}

/// The ends of calls out of lines in the format [`TOLD`], each with what a start before it said.
fn told(out: &str) -> Vec<Told> {
    let mut starts: BTreeMap<String, BTreeMap<String, String>> = BTreeMap::new();
    let mut told = Vec::new();
    for line in out.lines().filter(|line| !line.trim().is_empty()) {
        let mut words = line.splitn(4, ' ');
        let mut word = || words.next().unwrap_or_default().to_owned();
        let (tid, ty, dir, info) = (word(), word(), word(), word());
        let mut all = params(&info);
        if dir == ">" && !matches!(&*ty, "procexit" | "signaldeliver") {
            starts.insert(tid, all);
            continue;
        }
        for (name, value) in starts.remove(&tid).unwrap_or_default() {
            all.entry(name).or_insert(value);
        }
        told.push(Told { tid, ty, params: all });
    }
    told
}

/// A known difference between lines: of which reader, event and parameter, and why.
struct Difference {
    reader: String,
    event: String,
    param: String,
    is_met: bool,
}

fn known_differences() -> Vec<Difference> {
    let text = include_str!("live_trace_differences.tsv");
    let row = |line: &str| {
        let mut cells = line.split('\t').map(str::to_owned);
        let mut cell = || cells.next().unwrap_or_else(|| panic!("four cells: {line}"));
        let (reader, event, param, why) = (cell(), cell(), cell(), cell());
        assert!(!why.is_empty(), "why? {line}");
        // What hangs on timing may be absent.
        Difference { reader, event, param, is_met: why.starts_with("at times: ") }
    };
    text.lines().skip(1).map(row).collect()
}

/// A value with the names of files as the kernel has them, which are those of descriptors live.
fn resolved(value: &str) -> String {
    let Some((before, name)) = value.split_once(">/") else { return value.to_owned() };
    let Some(name) = name.strip_suffix(')') else { return value.to_owned() };
    let name = PathBuf::from("/").join(name);
    let name = fs::canonicalize(&name).unwrap_or(name);
    format!("{before}>{})", name.display())
}

/// Holds what a reader tells of a recording against what was told live.
fn compare(reader: &str, live: &[Told], read: &[Told], differences: &mut [Difference]) {
    let mut is_missing = |told: &Told| {
        let mut of_event = differences.iter_mut().filter(|d| d.reader == reader && d.param == "*");
        of_event.find(|d| d.event == told.ty).map(|d| d.is_met = true).is_some()
    };
    let live: Vec<&Told> = live.iter().filter(|told| !is_missing(told)).collect();
    let mut unknown = Vec::new();
    for (live, read) in live.iter().zip(read) {
        // A call that came after this Sysdig has no name for it.
        let is_nameless = reader == "sysdig" && read.ty == "<unknown>";
        let is_same = live.tid == read.tid && (live.ty == read.ty || is_nameless);
        assert!(is_same, "{reader}: {live:?} {read:?}");
        let names = live.params.keys().chain(read.params.keys());
        for name in names.collect::<std::collections::BTreeSet<_>>() {
            let (was, is) = (live.params.get(name), read.params.get(name));
            if was.map(|v| resolved(v)) == is.map(|v| resolved(v)) {
                continue;
            }
            let known = differences.iter_mut().find(|d| {
                d.reader == reader && (d.event == "*" || d.event == live.ty) && d.param == *name
            });
            match known {
                Some(known) => known.is_met = true,
                None => unknown.push(format!("{reader}\t{}\t{name}\t{was:?} {is:?}", live.ty)),
            }
        }
    }
    assert_eq!(live.len(), read.len(), "{reader}: as many events");
    assert!(unknown.is_empty(), "{}", unknown.join("\n"));
}

#[test]
fn a_recording_made_at_the_same_time_tells_the_same() {
    if !can_run_live("a_recording_made_at_the_same_time_tells_the_same") {
        return;
    }
    let _alone = alone();
    let dir = tempfile::tempdir().expect("a directory");
    let file = dir.path().join("run.scap");
    let file = file.to_str().expect("UTF-8");
    let work = known_work(dir.path());
    let ended = run(&["-p", TOLD, "-w", file, "--tee", "--", "sh", "-c", &work]);
    assert_eq!(ended.status.code(), Some(7), "{}", text(&ended.stderr));
    let live = told(&text(&ended.stdout));
    assert!(live.len() > 100, "{}", text(&ended.stdout));
    let mut differences = known_differences();
    let replayed = lines(&["-p", TOLD, "-r", file]).join("\n");
    compare("peregrine", &live, &told(&replayed), &mut differences);
    let sysdig = Command::new("sysdig").args(["-r", file, "-p", TOLD]).env("TZ", "UTC").output();
    let Ok(sysdig) = sysdig else {
        skip("a_recording_made_at_the_same_time_tells_the_same", "no sysdig reads its file, too");
        return;
    };
    let said = text(&sysdig.stderr);
    assert!(sysdig.status.success() && said.is_empty(), "{said}");
    compare("sysdig", &live, &told(&text(&sysdig.stdout)), &mut differences);
    let stale: Vec<String> = differences
        .iter()
        .filter(|d| !d.is_met)
        .map(|d| format!("{} {} {}", d.reader, d.event, d.param))
        .collect();
    assert!(stale.is_empty(), "no difference any more: {stale:?}");
}

/// A trace that runs beside the test, its lines as they come.
struct Live {
    child: Running,
    lines: std::io::Lines<BufReader<std::process::ChildStdout>>,
}

impl Live {
    fn start(args: &[&str]) -> Self {
        let mut command = trace(args);
        let spawned = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn();
        let mut child = spawned.expect("the program starts");
        let lines = BufReader::new(child.stdout.take().expect("a pipe")).lines();
        Self { child: Running(child), lines }
    }

    fn next(&mut self) -> String {
        self.lines.next().expect("a line").expect("UTF-8")
    }

    fn interrupt(&self) {
        kill_process(Pid::from_child(&self.child.0), Signal::INT).expect("it runs");
    }

    /// Exit code, further lines, and what it said.
    fn end(mut self) -> (Option<i32>, Vec<String>, String) {
        let begin = Instant::now();
        let rest = self.lines.map_while(Result::ok).collect();
        let mut said = String::new();
        let stderr = self.child.0.stderr.as_mut().expect("a pipe");
        stderr.read_to_string(&mut said).expect("UTF-8");
        let status = self.child.0.wait().expect("it is our child");
        assert!(begin.elapsed() < DEADLINE, "it takes too long: {said}");
        (status.code(), rest, said)
    }
}

#[test]
fn lines_come_at_once_and_ctrl_c_ends_a_command_that_goes_on() {
    if !can_run_live("lines_come_at_once_and_ctrl_c_ends_a_command_that_goes_on") {
        return;
    }
    let _alone = alone();
    let mut live = Live::start(&["-v", "-p", "%evt.type %proc.name", "--", "sleep", "1000"]);
    // It comes while the command sleeps and nothing follows.
    assert_eq!(live.next(), "execve sleep");
    let begin = Instant::now();
    live.interrupt();
    let (code, rest, said) = live.end();
    let took = begin.elapsed();
    assert_eq!(code, Some(143), "{said}");
    assert!(took >= Duration::from_secs(1), "{took:?}: it has time to end by itself");
    assert_eq!(rest.last().map(String::as_str), Some("procexit sleep"));
    let n_lines = rest.len() as u64 + 1;
    let counts = said.lines().filter_map(|l| l.strip_prefix("Driver Events:")?.parse::<u64>().ok());
    assert!(counts.sum::<u64>() >= n_lines && said.contains("\nDriver Drops:0\n"), "{said}");
    assert!(said.contains(&format!("Captured Events: {n_lines},")), "{said}");
}

#[test]
fn without_a_command_ctrl_c_ends_it_well() {
    if !can_run_live("without_a_command_ctrl_c_ends_it_well") {
        return;
    }
    let _alone = alone();
    let mut live = Live::start(&["-p", "%proc.name", "proc.name=sleep and evt.type=procexit"]);
    let deadline = Instant::now() + DEADLINE;
    // Until it is attached nothing is seen.
    let (seen, name) = std::thread::scope(|scope| {
        let reader = scope.spawn(|| live.next());
        let mut n = 0;
        while !reader.is_finished() && Instant::now() < deadline {
            Command::new("sleep").arg("0").status().expect("it runs");
            n += 1;
        }
        (n, reader.join().expect("a line"))
    });
    assert_eq!(name, "sleep", "{seen} ran");
    live.interrupt();
    let (code, rest, said) = live.end();
    assert_eq!((code, &*said), (Some(0), ""));
    assert!(rest.iter().all(|line| line == "sleep"), "{rest:?}");
}

#[test]
fn counts_and_seconds_end_a_trace_and_not_its_command() {
    if !can_run_live("counts_and_seconds_end_a_trace_and_not_its_command") {
        return;
    }
    let _alone = alone();
    let dir = tempfile::tempdir().expect("a directory");
    let done = dir.path().join("done");
    let work = format!("true; sleep 1; touch {}; exit 5", done.display());
    let ended = run(&["-n", "3", "-p", "%evt.num", "--", "sh", "-c", &work]);
    assert_eq!((text(&ended.stdout), ended.status.code()), ("1\n2\n3\n".into(), Some(5)));
    assert!(fs::remove_file(&done).is_ok(), "the command went on");
    let format = "%evt.type %proc.name %evt.arg.name";
    let ended = run(&["-M", "0.3", "-p", format, "evt.type=openat", "--", "sh", "-c", &work]);
    let out = text(&ended.stdout);
    assert_eq!(ended.status.code(), Some(5), "{}", text(&ended.stderr));
    assert!(out.starts_with("openat sh /etc/ld.so.cache\n") && !out.contains("touch"), "{out}");
    assert!(fs::remove_file(&done).is_ok(), "the command went on");
}

#[test]
fn a_reader_that_leaves_ends_a_live_trace_quietly() {
    if !can_run_live("a_reader_that_leaves_ends_a_live_trace_quietly") {
        return;
    }
    let _alone = alone();
    let mut live = Live::start(&["-p", "%evt.type", "--", "sh", "-c", "while :; do echo x; done"]);
    // Its own lines come between.
    while live.next() != "execve" {}
    let Live { mut child, lines } = live;
    drop(lines);
    let begin = Instant::now();
    let mut said = String::new();
    child.0.stderr.take().expect("a pipe").read_to_string(&mut said).expect("UTF-8");
    child.0.wait().expect("it is our child");
    // The shell may say that its own line has no reader.
    let own: Vec<&str> = said.lines().filter(|line| !line.starts_with("sh: ")).collect();
    assert!(own.iter().all(|line| line.contains(" events were lost ")), "{own:?}");
    assert!(begin.elapsed() < DEADLINE);
}

#[test]
fn what_cannot_be_run_or_filtered_is_refused() {
    if !can_run_live("what_cannot_be_run_or_filtered_is_refused") {
        return;
    }
    let _alone = alone();
    let dir = tempfile::tempdir().expect("a directory");
    let done = dir.path().join("done");
    let done = done.to_str().expect("UTF-8");
    let plain = dir.path().join("plain");
    fs::write(&plain, "x").expect("a file");
    let plain = plain.to_str().expect("UTF-8");
    let refused = format!("Error: cannot run {plain}: Permission denied");
    for (args, code, expected) in [
        (&["--", "no-such-program"][..], 127, "Error: cannot run no-such-program: not found"),
        (&["--", "/no/such"], 127, "Error: cannot run /no/such: No such file"),
        (&["--", "/etc"], 126, "Error: cannot run /etc: Permission denied"),
        (&["--", plain], 126, &refused),
        (&["evt.nope=1", "--", "touch", done], 1, "filter error at position 8: "),
        (&["-r", "x.scap", "--", "touch", done], 1, "-r reads what was recorded"),
        (&["-o", "/no/such/lines", "--", "touch", done], 1, "can't open /no/such/lines"),
        (&["-w", "-", "--tee", "--", "touch", done], 1, "stdout is the recording"),
        (&["-w", "/no/such/x.scap", "--", "touch", done], 1, "can't open /no/such/x.scap"),
    ] {
        let ended = run(args);
        let said = text(&ended.stderr);
        assert!(said.starts_with(expected), "{args:?}: {said}");
        assert_eq!(ended.status.code(), Some(code), "{args:?}: {said}");
        assert!(ended.stdout.is_empty() && !Path::new(done).exists(), "{args:?}");
    }
}

#[test]
fn a_slow_reader_costs_events_that_are_told() {
    if !can_run_live("a_slow_reader_costs_events_that_are_told") {
        return;
    }
    let _alone = alone();
    let dir = tempfile::tempdir().expect("a directory");
    let done = dir.path().join("done");
    let work = format!(
        "dd if=/dev/zero of=/dev/null bs=1 count=300000 2>/dev/null; touch {}",
        done.display()
    );
    let live = Live::start(&["-v", "-p", "%evt.num %evt.type", "--", "sh", "-c", &work]);
    let deadline = Instant::now() + DEADLINE;
    while !done.exists() {
        assert!(Instant::now() < deadline, "the command waits for the reader");
        std::thread::sleep(Duration::from_millis(10));
    }
    let (code, lines, said) = live.end();
    assert_eq!(code, Some(0), "{said}");
    let count = |name: &str| -> u64 {
        let line = said.lines().find_map(|line| line.strip_prefix(name)).expect(name);
        line.split(|c: char| !c.is_ascii_digit()).next().and_then(|n| n.parse().ok()).expect(name)
    };
    let (n_events, n_drops) = (count("Driver Events:"), count("Driver Drops:"));
    assert!(
        n_drops > 0 && said.contains(&format!("peregrine: {n_drops} events were lost")),
        "{said}"
    );
    assert!(said.contains("ring_full"), "{said}");
    // Nothing is missing of what was captured, and all that dd did is in one of the two.
    assert!(lines.last().is_some_and(|l| l.starts_with(&format!("{} ", lines.len()))), "{said}");
    assert!(n_events >= lines.len() as u64 && n_events + n_drops > 600_000, "{said}");
}

#[test]
fn lines_and_output_can_be_kept_apart() {
    if !can_run_live("lines_and_output_can_be_kept_apart") {
        return;
    }
    let _alone = alone();
    let dir = tempfile::tempdir().expect("a directory");
    let file = dir.path().join("lines");
    let path = file.to_str().expect("UTF-8");
    let ended = run(&["-o", path, "-p", "%evt.type", "evt.type=execve", "--", "echo", "said"]);
    assert_eq!((text(&ended.stdout), text(&ended.stderr)), ("said\n".into(), String::new()));
    assert_eq!(fs::read_to_string(&file).expect("lines"), "execve\n");
}

#[test]
fn a_trace_of_a_trace_works() {
    if !can_run_live("a_trace_of_a_trace_works") {
        return;
    }
    let _alone = alone();
    let filter = "evt.type=execve and proc.name in (peregrine, true)";
    let inner = [PEREGRINE, "trace", "-p", "inner %proc.name", "evt.type=execve", "--", "true"];
    let args = [&["-p", "outer %proc.name", filter, "--"], &inner[..]].concat();
    let mut lines = lines(&args);
    lines.sort();
    // The one sees all that the other does, which does not see itself.
    assert_eq!(lines, ["inner true", "outer peregrine", "outer true"]);
}

#[test]
fn cpus_come_in_causal_order() {
    if !can_run_live("cpus_come_in_causal_order") {
        return;
    }
    let _alone = alone();
    if std::thread::available_parallelism().map_or(1, std::num::NonZero::get) < 2 {
        skip("cpus_come_in_causal_order", "one CPU has one order");
        return;
    }
    let dir = tempfile::tempdir().expect("a directory");
    // Two shells on two CPUs hand a number to and fro, 300 times.
    let work = format!(
        "cd {}; mkfifo ping pong; \
         taskset -c 1 sh -c 'exec <ping >pong; while read n; do echo $n; done' & \
         exec taskset -c 0 sh -c 'exec >ping <pong; i=0; while [ $i -lt 300 ]; do echo $i; read n; i=$((i+1)); done'",
        dir.path().display()
    );
    let filter = "evt.type=read and fd.name pmatch (/tmp) and evt.rawres=1";
    let lines =
        lines(&["-p", "%thread.tid %evt.cpu %evt.arg.data", filter, "--", "sh", "-c", &work]);
    // A number is read here after it was read there: whoever reads it last has sent it on in between.
    let mut numbers: Vec<(&str, String)> = Vec::new();
    let (mut cpus, mut is_open) = (std::collections::BTreeSet::new(), false);
    for line in &lines {
        let [tid, cpu, data] = line.splitn(3, ' ').collect::<Vec<_>>()[..] else {
            panic!("{line}")
        };
        cpus.insert(cpu);
        match (data, numbers.last_mut()) {
            (".", Some((last, _))) => {
                assert_eq!(*last, tid, "a line is read by one of them: {line}");
                is_open = false;
            }
            (digit, Some((last, number))) if is_open => {
                assert_eq!(*last, tid, "a line is read by one of them: {line}");
                number.push_str(digit);
            }
            (digit, _) => {
                numbers.push((tid, digit.to_owned()));
                is_open = true;
            }
        }
    }
    assert_eq!((numbers.len(), cpus.len()), (600, 2), "{lines:#?}");
    for (n, pair) in numbers.chunks(2).enumerate() {
        assert!(pair[0].0 != pair[1].0, "{pair:?}");
        assert!(pair.iter().all(|(_, number)| *number == n.to_string()), "{n}: {pair:?}");
    }
}

#[test]
fn a_recording_goes_on_in_files_that_stand_on_their_own() {
    if !can_run_live("a_recording_goes_on_in_files_that_stand_on_their_own") {
        return;
    }
    let _alone = alone();
    let dir = tempfile::tempdir().expect("a directory");
    let file = dir.path().join("run.scap");
    let file = file.to_str().expect("UTF-8");
    let work = "for i in 1 2 3 4 5; do cat /etc/hostname >/dev/null; done";
    let format = "%thread.tid %proc.name %proc.pname %evt.type";
    let args = ["-p", format, "-w", file, "--tee", "-z", "-e", "50", "--", "sh", "-c", work];
    let live = lines(&args);
    let mut replayed = Vec::new();
    for n in 0.. {
        let part = format!("{file}{n}");
        let Ok(bytes) = fs::read(&part) else { break };
        assert_eq!(bytes[..2], [0x1f, 0x8b], "it is compressed");
        let of_part = lines(&["-p", format, "-r", &part]);
        assert!(of_part.len() == 50 || replayed.len() + of_part.len() == live.len());
        replayed.extend(of_part);
    }
    assert!(live.len() > 100, "{live:?}");
    assert_eq!(replayed, live, "processes are known in each file");
    // Of files that are kept the oldest go.
    let kept = dir.path().join("kept.scap");
    let kept = kept.to_str().expect("UTF-8");
    assert!(lines(&["-w", kept, "-e", "50", "-W", "2", "--", "sh", "-c", work]).is_empty());
    let is_there = |n: u32| Path::new(&format!("{kept}{n}")).exists();
    assert_eq!((is_there(0), is_there(1), is_there(2)), (true, true, false));
}

#[test]
fn record_is_a_trace_that_is_written() {
    if !can_run_live("record_is_a_trace_that_is_written") {
        return;
    }
    let _alone = alone();
    let dir = tempfile::tempdir().expect("a directory");
    let file = dir.path().join("run.scap");
    let file = file.to_str().expect("UTF-8");
    let record = |args: &[&str]| {
        Command::new(PEREGRINE).arg("record").args(args).stdin(Stdio::null()).output()
    };
    let filter = ["evt.type=openat", "and", "fd.name=/etc/hostname"];
    let command = ["--", "sh", "-c", "cat /etc/hostname; cat /etc/hostname; exit 3"];
    let args = [&[file, "-F", "-n", "1"], &filter[..], &command[..]].concat();
    let ended = record(&args).expect("the program runs");
    assert_eq!(ended.status.code(), Some(3), "{}", text(&ended.stderr));
    assert_eq!(text(&ended.stdout).lines().count(), 2, "what the command says, and no event");
    let format = "%proc.name %evt.type %fd.name";
    assert_eq!(lines(&["-p", format, "-r", file]), ["cat openat /etc/hostname"]);
    let refused = record(&[]).expect("the program runs");
    assert_eq!(refused.status.code(), Some(1));
    assert!(text(&refused.stderr).contains("<FILE>"), "{}", text(&refused.stderr));
}

#[test]
fn both_names_of_a_file_pass_a_filter() {
    if !can_run_live("both_names_of_a_file_pass_a_filter") {
        return;
    }
    let _alone = alone();
    let dir = tempfile::tempdir().expect("a directory");
    let link = dir.path().join("link");
    std::os::unix::fs::symlink("/etc/hostname", &link).expect("a link");
    let link = link.to_str().expect("UTF-8");
    for (name, view) in [(link, "lexical"), ("/etc/hostname", "kernel")] {
        let filter = format!("evt.type=openat and fd.name={name}");
        let format = "%fd.name_view %fd.name";
        let lines =
            lines(&["-p", format, &filter, "--", "dd", &format!("if={link}"), "of=/dev/null"]);
        assert_eq!(lines, [format!("{view} {name}")]);
    }
}

/// Names of fields in the first column of the table in the documentation.
fn documented_differences() -> Vec<String> {
    let text = include_str!("../../docs/live-and-recorded.md");
    let rows = text.lines().filter_map(|line| line.strip_prefix("| `")?.split(" | ").next());
    rows.flat_map(|fields| fields.split(['`', ' ']))
        .filter(|name| !name.is_empty())
        .map(str::to_owned)
        .collect()
}

/// Every field that needs no argument and that this build extracts.
fn printable_fields() -> Vec<String> {
    let out = Command::new(PEREGRINE).args(["fields", "--json"]).output().expect("it runs");
    let schema: serde_json::Value = serde_json::from_slice(&out.stdout).expect("JSON");
    let classes = schema["classes"].as_array().expect("classes");
    let fields = classes.iter().flat_map(|class| class["fields"].as_array().expect("fields"));
    fields
        .filter(|f| f["extracted"] == true && f["conditions_only"] == false)
        .filter(|f| f["argument"]["required"] != true)
        .map(|f| f["name"].as_str().expect("a name").to_owned())
        .collect()
}

#[test]
fn fields_that_a_recording_tells_otherwise_are_in_the_documentation() {
    let documented = documented_differences();
    let out = Command::new(PEREGRINE).args(["fields", "-N"]).output().expect("it runs");
    let known = text(&out.stdout);
    let known: Vec<&str> = known.lines().collect();
    let unknown: Vec<_> = documented.iter().filter(|n| !known.contains(&n.as_str())).collect();
    assert!(unknown.is_empty(), "no fields: {unknown:?}");
    if !can_run_live("fields_that_a_recording_tells_otherwise_are_in_the_documentation") {
        return;
    }
    let _alone = alone();
    let dir = tempfile::tempdir().expect("a directory");
    let file = dir.path().join("run.scap");
    let file = file.to_str().expect("UTF-8");
    let fields = printable_fields();
    let format: Vec<String> = fields.iter().map(|name| format!("%{name}")).collect();
    let format = format!("*{}", format.join(" "));
    // Lines and the output of the command would mix.
    let quiet = "exec >/dev/null 2>&1; ";
    let work = format!("{quiet}ln -s /etc/hostname {0}/link; cat {0}/link; ", dir.path().display());
    let work = work + &known_work(dir.path());
    let ended = run(&["-j", "-p", &format, "-w", file, "--tee", "--", "sh", "-c", &work]);
    assert_eq!(ended.status.code(), Some(7), "{}", text(&ended.stderr));
    let objects = |out: &str| -> Vec<serde_json::Value> {
        let lines = out.lines().filter(|line| line.starts_with('{'));
        lines.map(|line| serde_json::from_str(line).expect("JSON")).collect()
    };
    let live = objects(&text(&ended.stdout));
    let replayed = objects(&lines(&["-j", "-p", &format, "-r", file]).join("\n"));
    assert_eq!(live.len(), replayed.len());
    let mut differing = BTreeMap::new();
    for (live, replayed) in live.iter().zip(&replayed) {
        for name in fields.iter().filter(|name| live[name] != replayed[name]) {
            let example = || format!("{}: {} {}", live["evt.type"], live[name], replayed[name]);
            differing.entry(name.clone()).or_insert_with(example);
        }
    }
    // A recording has starts of calls, which count.
    differing.remove("evt.num");
    for name in ["fd.name", "fd.name_view", "proc.pid.ts", "proc.vmsize"] {
        assert!(differing.contains_key(name), "{name} is the same: the table is wrong");
    }
    differing.retain(|name, _| !documented.contains(name));
    assert!(differing.is_empty(), "not in docs/live-and-recorded.md: {differing:#?}");
}
