//! The replay promise: the same alerts, byte for byte once sorted, on any number of shards and on one thread.

mod common;

use std::fs::{self, File};
use std::io::BufWriter;
use std::path::{Path, PathBuf};
use std::process::Command;

use capture::savefile::{Compression, Machine, Writer};
use common::{Ended, PEREGRINE, run, skip};
use event::{EventType, Frame, FrameHeader, FrameWriter, flags};

/// A rule for every event, so that a difference in any field shows: ancestors, users, names, numbers.
const TELL_ALL: &str = r#"
- rule: Everything
  desc: Every event, with its lineage.
  condition: evt.type exists
  output: "%evt.num %evt.type %proc.name %proc.exepath %proc.cmdline %proc.pid %proc.ppid %proc.pname %proc.aname[2] %proc.aname[3] %proc.sname %proc.cwd %user.name %group.name %fd.num %fd.name %fd.sip %fd.sport %evt.res %container.id %thread.tid %evt.args %evt.buffer %fs.path.name %fs.path.source %fs.path.target %evt.abspath %fd.type %fd.uid %evt.is_io %proc.sid %thread.cap_effective"
  priority: INFO
"#;

fn replay(file: &Path, rules: &[PathBuf], args: &[&str]) -> Ended {
    let mut all =
        vec!["replay", file.to_str().expect("UTF-8"), "--json", "-o", "rule_matching=all"];
    for rules in rules {
        all.extend(["-r", rules.to_str().expect("UTF-8")]);
    }
    let ended = run(&[&all[..], args].concat());
    ended.assert_balanced();
    ended
}

/// Replays on one thread, then on 1, 2, 3 and 8 shards; gives the alerts.
fn check(file: &Path, rules: &[PathBuf]) -> Vec<String> {
    check_with(file, rules, &[])
}

/// The same with more arguments.
fn check_with(file: &Path, rules: &[PathBuf], more: &[&str]) -> Vec<String> {
    let name = file.display();
    let replay =
        |file: &Path, rules: &[PathBuf], args: &[&str]| replay(file, rules, &[args, more].concat());
    let oracle = replay(file, rules, &["--single-thread"]).stdout;
    let tiny = ["-o", "peregrine.lane_capacity=1", "-o", "peregrine.batch_frames=3"];
    let captures = ["-o", "peregrine.capture_threads=4"];
    // Lanes so small that everybody waits for everybody, alerts included.
    let small = [&tiny[..], &captures, &["-o", "peregrine.alert_lane_capacity=2", "--shards", "3"]]
        .concat();
    let numbers = ["1", "2", "3", "8"].map(|n| vec!["--shards", n]);
    for args in numbers.into_iter().chain([small]) {
        let alerts = replay(file, rules, &args).stdout;
        for (ours, expected) in alerts.lines().zip(oracle.lines()) {
            assert_eq!(ours, expected, "{name} with {args:?}");
        }
        assert!(alerts == oracle, "{name} with {args:?}");
    }
    oracle.lines().map(str::to_owned).collect()
}

fn rules_in(dir: &Path) -> PathBuf {
    let path = dir.join("rules.yaml");
    fs::write(&path, TELL_ALL).expect("a file");
    path
}

/// Writes one frame's event.
fn put(
    writer: &mut Writer<BufWriter<File>>,
    ty: EventType,
    ts: u64,
    tgid: u32,
    params: impl FnOnce(&mut FrameWriter<'_>),
) {
    let mut buf = vec![0; event::MAX_FRAME_LEN];
    let header = FrameHeader {
        ts,
        event_type: ty.0,
        tid: tgid,
        tgid,
        cpu: (tgid % 4) as u16,
        flags: flags::FROM_FILE,
        ..FrameHeader::default()
    };
    let mut w = FrameWriter::new(&mut buf, header);
    params(&mut w);
    let frame = Frame::parse(w.finish().expect("it fits")).expect("a frame");
    writer.frame(&frame).expect("written");
}

/// A forest of processes: each forks children that open files and exit, ids used again, parents that end before their children.
fn forest(path: &Path) -> usize {
    let out = BufWriter::new(File::create(path).expect("a file"));
    let machine = Machine { n_cpus: 4, hostname: b"forest".to_vec(), ..Machine::default() };
    let mut writer = Writer::new(out, Compression::None, &machine, &[], &[], 0).expect("a header");
    let mut n = 0;
    let mut ts = 1_700_000_000_000_000_000;
    let mut tick = || {
        ts += 1000;
        n += 1;
        ts
    };
    for round in 0..6u32 {
        for tree in 0..20u32 {
            let parent = 100 + tree * 10;
            for child in 1..6u32 {
                let tid = parent + child;
                let creator = if child == 1 { parent } else { tid - 1 };
                put(&mut writer, EventType::CLONE_20_X, tick(), tid, |w| {
                    w.i64(0).str(format!("prog-{creator}").as_bytes()).bytes(b"");
                    w.i64(tid.into()).i64(tid.into()).i64(creator.into()).str(b"/work");
                    w.i64(1024).u64(0).u64(0).u32(0).u32(0).u32(0);
                    w.str(format!("prog-{creator}").as_bytes()).bytes(b"").u32(0).u32(0).u32(0);
                    w.i64(tid.into()).i64(tid.into()).u64(0);
                });
                put(&mut writer, EventType::OPENAT_2_X, tick(), tid, |w| {
                    w.i64(3).i64(-100).str(format!("file-{round}").as_bytes());
                    w.u32(1).u32(0).u32(0).u64(0);
                });
            }
            for child in 1..6u32 {
                let tid = parent + child;
                put(&mut writer, EventType::PROCEXIT_1_E, tick(), tid, |w| {
                    w.i64(0).i64(0).u8(0).u8(0).i64(1);
                });
            }
        }
    }
    writer.finish().expect("written");
    n
}

#[test]
fn what_is_no_recording_is_told_so() {
    let dir = tempfile::tempdir().expect("a temporary directory");
    let file = dir.path().join("README.md");
    std::fs::write(&file, "# A text\n\nIt is no recording.\n").expect("written");
    let file = file.to_str().expect("UTF-8");
    let rules = rules_in(dir.path());
    for (file, why) in [
        (file, "not a .scap file: it begins with the text \"# A \""),
        (
            "/nowhere.scap",
            "No such file or directory (os error 2); `peregrine -w FILE` records one",
        ),
    ] {
        let ended = run(&["replay", file, "-r", rules.to_str().expect("UTF-8")]);
        let said = format!("Error: cannot replay {file}: {why}\n");
        assert!(ended.stderr.ends_with(&said), "{}", ended.stderr);
        assert_eq!(ended.status.code(), Some(1));
    }
}

#[test]
fn a_file_that_is_not_there_is_told_once_and_what_to_do() {
    let args = ["-o", "engine.kind=replay", "-o", "engine.replay.capture_file=/nowhere.scap"];
    let ended = run(&args);
    assert_eq!(
        ended.stderr,
        "Error: cannot replay /nowhere.scap: No such file or directory (os error 2); engine.replay.capture_file names it, and `peregrine \
         -w FILE` records one\n"
    );
    assert_eq!(ended.status.code(), Some(1));
}

#[test]
fn a_forest_of_processes_gives_the_same_alerts_on_any_number_of_shards() {
    let dir = tempfile::tempdir().expect("a temporary directory");
    let (file, rules) = (dir.path().join("forest.scap"), rules_in(dir.path()));
    let n = forest(&file);
    let alerts = check(&file, &[rules]);
    assert_eq!(alerts.len(), n);
    // In the order of the events, whichever shard had them.
    for (n, alert) in (1..).zip(&alerts) {
        assert!(alert.contains(&format!("\"evt.num\":{n},")), "{alert}");
    }
    let second = alerts.iter().filter(|a| a.contains("/work/file-3")).count();
    assert_eq!(second, 100, "opens of the fourth round, joined to the directory");
}

#[test]
fn a_table_at_its_bound_gives_the_same_alerts_on_any_number_of_shards() {
    let dir = tempfile::tempdir().expect("a temporary directory");
    let (file, rules) = (dir.path().join("forest.scap"), rules_in(dir.path()));
    let n = forest(&file);
    for bound in ["falco_libs.thread_table_size=30", "peregrine.limits.process_table_bytes=65536"] {
        let alerts = check_with(&file, std::slice::from_ref(&rules), &["-o", bound]);
        assert_eq!(alerts.len(), n, "{bound}");
        // Of those beyond the bound nothing is known, of the others all.
        let is_unknown = |a: &&String| a.contains("lineage_unknown");
        let n_unknown = alerts.iter().filter(is_unknown).count();
        assert!(n_unknown > n / 20 && n_unknown < n * 3 / 4, "{n_unknown} of {n} with {bound}");
        let ended = replay(&file, std::slice::from_ref(&rules), &["--shards", "3", "-o", bound]);
        let refused = ended.stderr.lines().find(|l| l.contains("lineage.refused"));
        assert!(refused.is_none_or(|l| !l.trim().ends_with(" 0")), "{refused:?}");
    }
}

/// Every recording of the repository and of the corpus.
fn recordings(corpus: &Path) -> Vec<PathBuf> {
    let own = Path::new(env!("CARGO_MANIFEST_DIR")).join("../testdata/recordings");
    let files = [own, corpus.join("scap")].map(|dir| fs::read_dir(dir).expect("recordings"));
    let is_capture = |file: &PathBuf| file.to_string_lossy().contains(".scap");
    files.into_iter().flatten().map(|e| e.expect("an entry").path()).filter(is_capture).collect()
}

#[test]
fn real_captures_give_the_same_alerts_on_any_number_of_shards() {
    let test = "real_captures_give_the_same_alerts_on_any_number_of_shards";
    let Some(corpus) = std::env::var_os("PEREGRINE_CORPUS").map(PathBuf::from) else {
        return skip(test, "PEREGRINE_CORPUS is not set");
    };
    let dir = tempfile::tempdir().expect("a temporary directory");
    let official = ["falco_rules.yaml", "falco-incubating_rules.yaml"]
        .map(|name| corpus.join("rules").join(name));
    let all = [&official[..], &[rules_in(dir.path())]].concat();
    let files = recordings(&corpus);
    assert!(files.len() >= 9, "{files:?}");
    // With every event told, the long ones would take too long.
    let is_long = |file: &&PathBuf| fs::metadata(file).expect("a file").len() > 150_000;
    let (long, short): (Vec<&PathBuf>, Vec<&PathBuf>) = files.iter().partition(is_long);
    for (files, rules) in [(long, &official[..]), (short, &all)] {
        let joined = dir.path().join(format!("{}.scap", files.len()));
        join(&files, &joined);
        let n = check(&joined, rules).len();
        assert!(rules == official || n > 200 * files.len(), "{n} alerts of {} files", files.len());
    }
}

/// Writes recordings as the sections of one: to read the rules takes longer than most of them.
fn join(files: &[&PathBuf], joined: &Path) {
    let mut args = vec!["trace", "-q", "-w", joined.to_str().expect("UTF-8")];
    args.extend(files.iter().flat_map(|file| ["-r", file.to_str().expect("UTF-8")]));
    let ended = Command::new(PEREGRINE).args(&args).output().expect("the program runs");
    assert!(ended.status.success(), "{}", String::from_utf8_lossy(&ended.stderr));
}

#[test]
fn falcos_spelling_is_the_same_run() {
    let dir = tempfile::tempdir().expect("a temporary directory");
    let (file, rules) = (dir.path().join("forest.scap"), rules_in(dir.path()));
    forest(&file);
    let key = format!("engine.replay.capture_file={}", file.display());
    let rules_arg = rules.to_str().expect("UTF-8");
    let all = "rule_matching=all";
    let theirs =
        run(&["-o", "engine.kind=replay", "-o", &key, "-o", all, "-r", rules_arg, "--json"]);
    theirs.assert_balanced();
    assert_eq!(replay(&file, &[rules], &[]).stdout, theirs.stdout);
}

#[test]
fn a_damaged_file_is_replayed_up_to_the_damage() {
    let dir = tempfile::tempdir().expect("a temporary directory");
    let (file, rules) = (dir.path().join("forest.scap"), rules_in(dir.path()));
    let n = forest(&file);
    let bytes = fs::read(&file).expect("the file");
    fs::write(&file, &bytes[..bytes.len() - 10]).expect("written");
    let name = file.to_str().expect("UTF-8");
    for args in [&["--single-thread"][..], &["--shards", "3"]] {
        let rules = rules.to_str().expect("UTF-8");
        let ended = run(&[&["replay", name, "-r", rules][..], args].concat());
        assert_eq!(ended.status.code(), Some(1));
        assert_eq!(ended.stdout.lines().count(), n - 1);
        let said = ended.stderr.lines().last().expect("an error");
        assert!(said.contains("damaged at byte") && said.contains("ends"), "{said}");
    }
}

#[test]
fn a_replay_ends_after_as_many_seconds_as_asked() {
    let dir = tempfile::tempdir().expect("a temporary directory");
    let (file, rules) = (dir.path().join("seconds.scap"), rules_in(dir.path()));
    let out = BufWriter::new(File::create(&file).expect("a file"));
    let mut writer = Writer::new(out, Compression::None, &Machine::default(), &[], &[], 0).unwrap();
    for half_seconds in 0..10 {
        put(&mut writer, EventType::CHDIR_X, 5_000_000_000 + half_seconds * 500_000_000, 7, |w| {
            w.i64(0).str(b"/");
        });
    }
    writer.finish().expect("written");
    for (seconds, n) in [("1", 2), ("2", 4), ("99", 10)] {
        let ended = replay(&file, std::slice::from_ref(&rules), &["-M", seconds]);
        assert_eq!(ended.stdout.lines().count(), n, "{seconds} s");
    }
}

/// Four processes that go to a directory of their own every second, ten times.
fn restless(path: &Path) {
    let out = BufWriter::new(File::create(path).expect("a file"));
    let mut writer = Writer::new(out, Compression::None, &Machine::default(), &[], &[], 0).unwrap();
    for n in 0..40 {
        let ts = 5_000_000_000 + n * 250_000_000;
        let pid = 7 + n as u32 % 4;
        put(&mut writer, EventType::CHDIR_X, ts, pid, |w| {
            w.i64(0).str(format!("/{pid}").as_bytes());
        });
    }
    writer.finish().expect("written");
}

#[test]
fn what_is_held_back_is_the_same_on_any_number_of_shards() {
    let dir = tempfile::tempdir().expect("a temporary directory");
    let (file, rules) = (dir.path().join("restless.scap"), dir.path().join("rules.yaml"));
    restless(&file);
    let rule = "- rule: Restless\n  desc: d\n  condition: evt.type = chdir\n  output: \"%evt.time %evt.arg.path\"\n  priority: INFO\n";
    fs::write(&rules, rule).expect("a file");
    let rules = [rules];
    let field = |line: &String, name: &str| {
        let alert: serde_json::Value = serde_json::from_str(line).expect("JSON");
        alert["output_fields"][name].as_u64()
    };

    let alerts = check_with(&file, &rules, &["-o", "peregrine.rate.same_within_ms=2500"]);
    let repeated: Vec<u64> = alerts.iter().filter_map(|a| field(a, "peregrine.repeated")).collect();
    // Of each process those at 0, 3, 6 and 9 seconds, and two behind each of the first three.
    assert_eq!((alerts.len(), repeated.len()), (28, 12));
    assert!(repeated.iter().all(|&n| n == 2), "{repeated:?}");

    let rates = ["rule_per_second=1", "rule_burst=3", "report_ms=3000"];
    let rates = rates.map(|r| format!("peregrine.rate.{r}"));
    let rates: Vec<&str> = rates.iter().flat_map(|r| ["-o", r]).collect();
    let alerts = check_with(&file, &rules, &rates);
    let reports: Vec<u64> = alerts.iter().filter_map(|a| field(a, "n_rule_rate")).collect();
    let n_passed = alerts.len() - reports.len();
    assert_eq!(n_passed as u64 + reports.iter().sum::<u64>(), 40);
    // Three at once, then one of the four in each of nine seconds and three quarters.
    assert_eq!(n_passed, 12, "{alerts:?}");
    // One every three seconds, and what is left at the end.
    assert_eq!(reports.len(), 4, "{alerts:?}");
}

#[test]
fn outputs_have_what_the_configuration_adds_to_them() {
    let dir = tempfile::tempdir().expect("a temporary directory");
    let (file, rules) = (dir.path().join("writes.scap"), dir.path().join("rules.yaml"));
    let out = BufWriter::new(File::create(&file).expect("a file"));
    let mut writer = Writer::new(out, Compression::None, &Machine::default(), &[], &[], 0).unwrap();
    put(&mut writer, EventType::WRITE_X, 5, 7, |w| {
        w.i64(3).bytes(b"\x00\x01hi");
    });
    writer.finish().expect("written");
    let rule = "- rule: Writes\n  desc: d\n  condition: evt.type = write\n  output: wrote %evt.buffer %evt.args\n  priority: INFO\n  tags: [a]\n";
    fs::write(&rules, rule).expect("a file");
    let config = dir.path().join("falco.yaml");
    let text = "buffer_format_base64: true\nstatic_fields: {site: north}\nappend_output:\n  - match: {tags: [a]}\n    extra_output: at %static.site\n    extra_fields: [evt.type, {both: \"%evt.type/%static.site\"}]\n  - match: {rule: Reads}\n    extra_output: no\n  - suggested_output: true\n";
    fs::write(&config, text).expect("a file");
    let ended = replay(&file, &[rules], &["-c", config.to_str().expect("UTF-8")]);
    let alert: serde_json::Value = serde_json::from_str(ended.stdout.trim()).expect("one alert");
    let output = alert["output"].as_str().expect("text");
    let wrote = "wrote AAFoaQ== res=3 data=AAFoaQ== fd=<NA> size=<NA> at north container_id=";
    assert!(output.contains(wrote) && output.ends_with(" static_site=north"), "{output}");
    let fields = &alert["output_fields"];
    assert_eq!((&fields["evt.type"], &fields["both"]), (&"write".into(), &"write/north".into()));
}

#[test]
fn a_profile_tells_stages_and_rules() {
    let dir = tempfile::tempdir().expect("a temporary directory");
    let (file, rules) = (dir.path().join("forest.scap"), rules_in(dir.path()));
    let n = forest(&file);
    let (name, rules_arg) = (file.to_str().expect("UTF-8"), rules.to_str().expect("UTF-8"));
    for mode in [&["--single-thread"][..], &["--shards", "2"]] {
        let args = [&["replay", name, "-r", rules_arg, "--profile"][..], mode].concat();
        let text = run(&args).stderr;
        for stage in ["read", "convert", "parse", "state", "detect"] {
            let is_told =
                |line: &str| line.starts_with(&format!("{stage} ")) && line.ends_with('%');
            assert!(text.lines().any(is_told), "{stage}: {text}");
        }
        let matches = text.lines().find(|l| l.ends_with(&format!("{n}  Everything")));
        assert!(matches.is_some(), "{text}");
    }
    let ended = replay(&file, &[rules], &["--profile"]);
    let line = ended.stderr.lines().find(|l| l.starts_with('{')).expect("a line of JSON");
    let profile: serde_json::Value = serde_json::from_str(line).expect("JSON");
    assert_eq!(profile["n_events"], n);
    assert_eq!(profile["rules"]["rules"][0]["n_matches"], n);
    assert!(profile["stages"][1]["ns_per_event"].is_f64());
}
