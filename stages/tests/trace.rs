//! A trace: what a filter lets through as a recording goes on.

use std::io::Cursor;
use std::sync::Arc;

use bus::Key;
use capture::ProcessEntry;
use capture::savefile::{Compression, EVT_NUM_SHIFT, Machine, Playback, Reader, Writer};
use event::{EventType, Frame, FrameHeader, FrameWriter, flags};
use rules::Filter;
use stages::{
    BufferFormat, LineageLimits, Numbering, PortFormat, Step, TimeFormat, Tracer, TracerConfig,
    Users,
};

fn frame(ty: EventType, fill: impl FnOnce(&mut FrameWriter<'_>)) -> Vec<u8> {
    let mut buf = [0; 512];
    let header = FrameHeader { ts: 1, event_type: ty.0, tid: 5, tgid: 5, ..FrameHeader::default() };
    let mut w = FrameWriter::new(&mut buf, header);
    fill(&mut w);
    w.finish().unwrap().to_vec()
}

fn tracer(filter: Option<&str>) -> Tracer {
    Tracer::new(TracerConfig {
        filter: filter.map(|text| Filter::compile(text).unwrap()),
        suppressed: Vec::new(),
        users: Arc::new(Users::new()),
        hostname: "host".into(),
        numbering: Numbering::Keys { shift: EVT_NUM_SHIFT },
        clock_offset_ns: 0,
        time: TimeFormat::default(),
        utc_offset: Box::new(|_| 0),
        buffers: BufferFormat::default(),
        ports: PortFormat::Number,
        limits: LineageLimits::default(),
    })
}

#[test]
fn state_that_changes_nothing_is_passed_over_and_stays_state() {
    const OPENAT_E: EventType = EventType(306);
    for filter in [None, Some("proc.name=x"), Some("evt.type=close")] {
        for (is_passed_over, ty, more, start_ns) in [
            (true, OPENAT_E, flags::STATE_ONLY, 7),
            (true, EventType::READ_X, flags::STATE_ONLY, 7),
            (false, OPENAT_E, flags::STATE_ONLY, 0),
            (false, OPENAT_E, flags::STATE_ONLY | flags::SEED, 7),
            (false, EventType::CHDIR_X, flags::STATE_ONLY, 7),
            (false, EventType(354), flags::STATE_ONLY, 7),
        ] {
            let mut tracer = tracer(filter);
            let header = FrameHeader {
                event_type: ty.0,
                tid: 5,
                tgid: 5,
                start_ns,
                flags: flags::FROM_FILE | more,
                ..FrameHeader::default()
            };
            assert_eq!(tracer.passes_over(&header), is_passed_over, "{header:?}");
            let mut buf = [0; 512];
            let frame = FrameWriter::new(&mut buf, header).finish().unwrap();
            let step = tracer.step(Key(1 << EVT_NUM_SHIFT), frame);
            assert!(matches!(step, Ok(Step::StateOnly)), "{header:?}");
        }
    }
}

#[test]
fn a_user_that_is_added_counts_for_the_threads_that_were_rejected() {
    let none = Machine::default();
    let mut w = Writer::new(Vec::new(), Compression::None, &none, &[], &[], 0).unwrap();
    let process =
        ProcessEntry { tid: 5, pid: 5, vtid: 5, vpid: 5, uid: 1000, ..Default::default() };
    w.process(&process).unwrap();
    let read = frame(EventType::READ_X, |w| {
        w.i64(1).bytes(b"x").i64(3).u32(1);
    });
    let added = frame(EventType(354), |w| {
        w.u32(1000).u32(1000).str(b"bob").str(b"/home/bob").str(b"/bin/sh").str(b"");
    });
    for bytes in [&read, &read, &added, &read] {
        w.frame(&Frame::parse(bytes).unwrap()).unwrap();
    }
    let reader = Reader::new(Cursor::new(w.finish().unwrap())).unwrap();
    let mut playback = Playback::new(reader);
    let mut tracer = tracer(Some("user.name=bob"));
    let mut passed = Vec::new();
    while let Some(played) = playback.next_frame().unwrap() {
        if let Ok(Step::Passed(event)) = tracer.step(played.key, played.frame) {
            passed.push(event.evt_num());
        }
    }
    assert_eq!(passed, [4]);
}
