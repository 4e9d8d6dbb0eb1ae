//! Threads of a savefile that are not as their process: in the process list, by their clones, and by what they change.

use capture::{
    ProcessEntry,
    savefile::{Compression, Machine, Playback, Reader, Writer},
};
use event::{EventType, Frame, FrameHeader, FrameWriter, ThreadFacts, flags, thread_facts};

/// Plays a file with these entries and events, and says what each event's frame tells of its thread.
fn play(entries: &[ProcessEntry], events: &[Vec<u8>]) -> Vec<Option<(u32, u32, u32, String)>> {
    let mut w =
        Writer::new(Vec::new(), Compression::None, &Machine::default(), &[], &[], 0).unwrap();
    for entry in entries {
        w.process(entry).unwrap();
    }
    for bytes in events {
        w.frame(&Frame::parse(bytes).unwrap()).unwrap();
    }
    let reader = Reader::new(std::io::Cursor::new(w.finish().unwrap())).unwrap();
    let mut playback = Playback::new(reader);
    let mut told = Vec::new();
    while let Some(played) = playback.next_frame().unwrap() {
        let frame = Frame::parse(played.frame).unwrap();
        if !frame.has(flags::SEED) {
            told.push(frame.trailer().thread().map(|t: ThreadFacts<'_>| {
                (t.vtid, t.uid, t.gid, String::from_utf8_lossy(t.comm).into_owned())
            }));
        }
    }
    told
}

fn event(ty: EventType, tid: u32, build: impl FnOnce(&mut FrameWriter<'_>)) -> Vec<u8> {
    let mut buf = [0; 1024];
    let header = FrameHeader { event_type: ty.0, tid, tgid: tid, ..FrameHeader::default() };
    let mut w = FrameWriter::new(&mut buf, header);
    build(&mut w);
    w.finish().unwrap().to_vec()
}

fn listen(tid: u32) -> Vec<u8> {
    event(EventType::LISTEN_X, tid, |w| {
        w.i64(0).i64(3).i32(5);
    })
}

fn entry(tid: i64, comm: &[u8], uid: u32) -> ProcessEntry {
    let vtid = if tid == 7 { 2 } else { tid };
    ProcessEntry { tid, pid: 5, vtid, vpid: 5, comm: comm.to_vec(), uid, ..Default::default() }
}

#[test]
fn what_differs_from_the_process_stands_behind_the_frames() {
    let entries = [entry(5, b"main", 0), entry(6, b"main", 0), entry(7, b"gmain", 9)];
    let told = play(&entries, &[listen(5), listen(6), listen(7)]);
    let known = Some((2, 9, 0, "gmain".to_owned()));
    assert_eq!(told, [None, None, known]);
}

#[test]
fn a_thread_is_known_from_its_clone_to_its_exit() {
    let clone = event(EventType::CLONE_20_X, 8, |w| {
        w.i64(0).str(b"exe").bytes(b"").i64(8).i64(5).i64(1).str(b"/").i64(0).u64(0).u64(0);
        w.u32(0).u32(0).u32(0).str(b"pool").bytes(b"").u32(1 << 13).u32(3).u32(4).i64(8).i64(5);
        w.u64(0);
    });
    let setuid = event(EventType::SETUID_X, 8, |w| {
        w.i64(0).u32(77);
    });
    let exit = event(EventType::PROCEXIT_1_E, 8, |w| {
        w.i64(0).i64(0).u8(0).u8(0).i64(0);
    });
    let events = [clone, listen(8), setuid, listen(8), exit, listen(8)];
    let told = play(&[entry(5, b"main", 0)], &events);
    let with = |uid| Some((8, uid, 4, "pool".to_owned()));
    assert_eq!(told, [with(3), with(3), with(77), with(77), with(77), None]);
}

#[test]
fn only_what_is_known_is_said_to_be() {
    let setgid = event(EventType::SETGID_X, 6, |w| {
        w.i64(0).u32(12);
    });
    let entries = [entry(5, b"main", 0), entry(6, b"main", 0)];
    assert_eq!(play(&entries, &[setgid]), [Some((0, 0, 12, String::new()))]);
    let facts = ThreadFacts { known: thread_facts::GID, ..ThreadFacts::default() };
    assert!(facts.knows(thread_facts::GID) && !facts.knows(thread_facts::UID));
}
