//! A savefile in which only the caller's return of a clone tells of the child, or tells first.

use std::fs;

use capture::ProcessEntry;
use capture::savefile::{Compression, Machine, Writer};
use event::{EventType, Frame, FrameHeader, FrameWriter};

use super::alerts;
use super::common::run;

/// A savefile of two CPUs, in which what a clone returned to its caller comes before what the child does: `own` says where the child's own return
/// is, if anywhere; `vtid` is what the caller calls itself.
fn clone_of_caller(own: Option<usize>, vtid: i64) -> Vec<u8> {
    const CLONE: EventType = EventType::CLONE_20_X;
    let machine = Machine::default();
    let mut w = Writer::new(Vec::new(), Compression::None, &machine, &[], &[], 0).expect("a file");
    for (pid, ptid, comm) in [(1, 0, "init"), (5, 1, "maker")] {
        let entry = ProcessEntry {
            tid: pid,
            pid,
            ptid,
            comm: comm.into(),
            exe: comm.into(),
            exepath: format!("/bin/{comm}").into(),
            ..ProcessEntry::default()
        };
        w.process(&entry).expect("a file");
    }
    let mut n = 0;
    let mut event = |ty: EventType, tid: u32, build: &dyn Fn(&mut FrameWriter<'_>)| {
        n += 1;
        let mut buf = [0; 2048];
        let header = FrameHeader { ts: n, event_type: ty.0, tid, ..FrameHeader::default() };
        let mut f = FrameWriter::new(&mut buf, header);
        build(&mut f);
        let frame = f.finish().expect("room");
        w.frame(&Frame::parse(frame).expect("a frame")).expect("a file");
    };
    let side = |res: i64, tid: i64, ptid: i64, vtid: i64| {
        move |f: &mut FrameWriter<'_>| {
            f.i64(res).str(b"maker").empty().i64(tid).i64(tid).i64(ptid);
            f.str(b"/tmp").i64(1024).u64(0).u64(0).u32(0).u32(0).u32(0).str(b"maker").empty();
            f.u32(0).u32(0).u32(0).i64(vtid).i64(vtid).u64(0);
        }
    };
    event(CLONE, 5, &side(9, 5, 1, vtid));
    for n in 0..3 {
        if own == Some(n) {
            event(CLONE, 9, &side(0, 9, 5, 9));
        }
        event(EventType::OPENAT_2_X, 9, &|f| {
            f.i64(3).i64(-100).str(b"/tmp/x").u32(1).u32(0).u32(0).u64(0);
        });
    }
    w.finish().expect("a file")
}

/// A child is known from what its creator's clone returned on, whether its own return comes later or not at all; not where the number that was
/// returned is one of another pid namespace.
#[test]
fn a_child_is_known_by_its_creators_return() {
    let dir = tempfile::tempdir().expect("a temporary directory");
    let path = |name: &str| dir.path().join(name).to_str().expect("UTF-8").to_owned();
    let (file, rules) = (path("run.scap"), path("rules.yaml"));
    let rule = "- rule: open\n  desc: a test\n  condition: evt.type = openat\n  \
                output: \"%proc.name %proc.pname %proc.ppid %proc.exepath %evt.num\"\n  priority: NOTICE\n";
    fs::write(&rules, rule).expect("a file");
    let known = |n: usize| format!("maker maker 5 /bin/maker {n}");
    for (own, vtid, expected) in [
        (None, 5, [known(2), known(3), known(4)]),
        (Some(1), 5, [known(2), known(4), known(5)]),
        (Some(0), 5, [known(3), known(4), known(5)]),
        (Some(2), 4, ["<NA> <NA> <NA>  2".into(), "<NA> <NA> <NA>  3".into(), known(5)]),
    ] {
        fs::write(&file, clone_of_caller(own, vtid)).expect("a file");
        for shards in ["1", "2", "5"] {
            let shards = format!("peregrine.shards={shards}");
            let replayed = run(&["replay", &file, "-r", &rules, "-o", &shards]);
            let told = alerts(&replayed.stdout);
            assert_eq!(told.len(), 3, "{told:?}");
            for expected in &expected {
                assert!(told.iter().any(|l| l.contains(expected.as_str())), "{own:?}: {told:#?}");
            }
        }
    }
}
