//! The replay promise: the same alerts, byte for byte once sorted, on any number of shards and on one thread.

mod common;

use std::fs::{self, File};
use std::io::BufWriter;
use std::path::{Path, PathBuf};

use capture::savefile::{Compression, Machine, Writer};
use common::{Ended, run, skip};
use event::{EventType, Frame, FrameHeader, FrameWriter, flags};

/// A rule for every event, so that a difference in any field shows: ancestors, users, names, numbers.
const TELL_ALL: &str = r#"
- rule: Everything
  desc: Every event, with its lineage.
  condition: evt.type exists
  output: "%evt.num %evt.type %proc.name %proc.exepath %proc.cmdline %proc.pid %proc.ppid %proc.pname %proc.aname[2] %proc.aname[3] %proc.sname %proc.cwd %user.name %group.name %fd.num %fd.name %fd.sip %fd.sport %evt.res %container.id %thread.tid %evt.args %evt.buffer %fs.path.name %fs.path.source %fs.path.target %evt.abspath %fd.type %fd.uid %evt.is_io %proc.sid %thread.cap_effective"
  priority: INFO
"#;

fn replay(file: &Path, rules: &Path, args: &[&str]) -> Ended {
    let key = format!("engine.replay.capture_file={}", file.display());
    let rules = rules.to_str().expect("UTF-8");
    let fixed = ["-o", "engine.kind=replay", "-o", &key, "-r", rules, "--json"];
    let ended = run(&[&fixed[..], args].concat());
    ended.assert_balanced();
    ended
}

/// Replays on one thread, then on 1, 2, 3 and 8 shards; gives the alerts.
fn check(file: &Path, rules: &Path) -> Vec<String> {
    let oracle = replay(file, rules, &["--single-thread"]).alerts();
    let tiny = ["-o", "peregrine.lane_capacity=1", "-o", "peregrine.batch_frames=3"];
    for shards in ["1", "2", "3", "8"] {
        let alerts = replay(file, rules, &["--shards", shards]).alerts();
        assert_eq!(alerts.len(), oracle.len(), "{} on {shards} shards", file.display());
        for (ours, expected) in alerts.iter().zip(&oracle) {
            assert_eq!(ours, expected, "{} on {shards} shards", file.display());
        }
    }
    // Lanes so small that everybody waits for everybody, alerts included.
    let small = [&tiny[..], &["-o", "peregrine.alert_lane_capacity=2", "--shards", "3"]].concat();
    assert_eq!(replay(file, rules, &small).alerts(), oracle, "{} with tiny lanes", file.display());
    oracle
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
fn a_file_that_is_not_there_is_told_once_and_what_to_do() {
    let args = ["-o", "engine.kind=replay", "-o", "engine.replay.capture_file=/nowhere.scap"];
    let ended = run(&args);
    assert_eq!(
        ended.stderr,
        "peregrine: cannot replay /nowhere.scap: No such file or directory (os error 2); engine.replay.capture_file names it, and `peregrine \
         -w FILE` records one\n"
    );
    assert_eq!(ended.status.code(), Some(1));
}

#[test]
fn a_forest_of_processes_gives_the_same_alerts_on_any_number_of_shards() {
    let dir = tempfile::tempdir().expect("a temporary directory");
    let (file, rules) = (dir.path().join("forest.scap"), rules_in(dir.path()));
    let n = forest(&file);
    let alerts = check(&file, &rules);
    assert_eq!(alerts.len(), n);
    let second = alerts.iter().filter(|a| a.contains("/work/file-3")).count();
    assert_eq!(second, 100, "opens of the fourth round, joined to the directory");
}

#[test]
fn real_captures_give_the_same_alerts_on_any_number_of_shards() {
    let test = "real_captures_give_the_same_alerts_on_any_number_of_shards";
    let Some(corpus) = std::env::var_os("PEREGRINE_CORPUS") else {
        return skip(test, "PEREGRINE_CORPUS is not set");
    };
    let dir = tempfile::tempdir().expect("a temporary directory");
    let rules = rules_in(dir.path());
    let mut n_files = 0;
    for entry in fs::read_dir(Path::new(&corpus).join("scap")).expect("the corpus") {
        let file = entry.expect("an entry").path();
        if file.extension().is_some_and(|e| e == "scap") {
            n_files += 1;
            let alerts = check(&file, &rules);
            assert!(!alerts.is_empty(), "{}", file.display());
        }
    }
    assert!(n_files >= 8, "{n_files} captures");
}
