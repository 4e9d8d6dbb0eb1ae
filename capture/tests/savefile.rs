//! Savefiles: what is written is read back, what is damaged ends where the damage is, what others wrote is read to the last byte.

use std::{
    collections::BTreeSet,
    io::Cursor,
    path::PathBuf,
    sync::{Arc, atomic::AtomicBool},
};

use bus::{BatchLimits, Key, LaneRx, WaitLimits, Waiter, Watermark, lane};
use capture::{
    CaptureMeters, ProcessEntry, Progress, owner,
    savefile::{
        Compression, DescriptorEntry, DescriptorList, DescriptorTarget, Group, Interface, Machine,
        Reader, Replay, ReplayEnd, ReplayFeed, SavefileError, User, Writer, event_key,
    },
};
use event::{EventType, Frame, FrameHeader, FrameWriter, flags};
use proptest::prelude::*;

fn machine() -> Machine {
    Machine {
        n_cpus: 4,
        memory_bytes: 1 << 33,
        max_pid: 4_194_304,
        hostname: b"node-1".to_vec(),
        boot_ts_epoch_ns: 1_700_000_000_000_000_000,
    }
}

fn users() -> Vec<User> {
    vec![
        User {
            uid: 0,
            gid: 0,
            name: b"root".to_vec(),
            home: b"/root".to_vec(),
            shell: b"/bin/sh".to_vec(),
        },
        User { uid: 33, gid: 33, name: b"www".to_vec(), ..User::default() },
    ]
}

fn groups() -> Vec<Group> {
    vec![Group { gid: 33, name: b"www".to_vec() }]
}

fn process(tid: i64, ptid: i64) -> ProcessEntry {
    ProcessEntry {
        tid,
        pid: tid,
        ptid,
        comm: b"sh".to_vec(),
        exe: b"/bin/sh".to_vec(),
        exepath: b"/bin/dash".to_vec(),
        args: b"-c\0true\0".to_vec(),
        env: b"A=1\0".to_vec(),
        vtid: tid,
        vpid: tid,
        exe_ino: 7,
        pgid: 3,
        sid: 2,
        ..ProcessEntry::default()
    }
}

fn event_frame(ty: EventType, params: &[Vec<u8>], header: FrameHeader) -> Vec<u8> {
    let mut buf = vec![0; 70_000];
    let mut w = FrameWriter::with_params(
        &mut buf,
        FrameHeader { event_type: ty.0, ..header },
        params.len(),
    );
    for p in params {
        w.bytes(p);
    }
    w.finish().unwrap().to_vec()
}

fn write(entries: &[ProcessEntry], frames: &[Vec<u8>], compression: Compression) -> Vec<u8> {
    let mut w = Writer::new(Vec::new(), compression, &machine(), &users(), &groups(), 0).unwrap();
    for e in entries {
        w.process(e).unwrap();
    }
    for f in frames {
        w.frame(&Frame::parse(f).unwrap()).unwrap();
    }
    w.finish().unwrap()
}

fn sample() -> (Vec<ProcessEntry>, Vec<Vec<u8>>) {
    let entries =
        vec![process(1, 0), process(50, 1), ProcessEntry { tid: 51, vtid: 51, ..process(50, 1) }];
    let text = |s: &[u8]| s.to_vec();
    let n8 = |v: i64| v.to_le_bytes().to_vec();
    let header = |tid, cpu| FrameHeader {
        ts: 1_700_000_000_000_000_123,
        tid,
        tgid: tid,
        cpu,
        ..Default::default()
    };
    let frames = vec![
        event_frame(
            EventType::OPENAT_2_X,
            &[n8(3), n8(-100), text(b"/etc/hosts\0")],
            header(51, 0),
        ),
        event_frame(
            EventType::CLONE_20_X,
            &[n8(0), text(b"sh\0"), vec![], n8(60), n8(60), n8(50)],
            FrameHeader { flags: flags::STATE_ONLY, ..header(60, 1) },
        ),
        // A type with wide lengths, and an event of no thread.
        event_frame(
            EventType(402),
            &[vec![1; 4], text(b"name\0"), vec![9; 3000]],
            header(u32::MAX, 2),
        ),
        event_frame(
            EventType::PROCEXIT_1_E,
            &[n8(0), n8(0), vec![9], vec![0], n8(50)],
            header(60, 1),
        ),
    ];
    (entries, frames)
}

#[test]
fn what_is_written_is_read_back() {
    let (entries, frames) = sample();
    for compression in [Compression::None, Compression::Gzip] {
        let bytes = write(&entries, &frames, compression);
        assert_eq!(bytes.starts_with(&[0x1f, 0x8b]), compression == Compression::Gzip);
        let mut reader = Reader::new(Cursor::new(bytes)).unwrap();
        let header = reader.header();
        assert_eq!(header.version, (1, 2));
        assert_eq!(header.machine.as_ref(), Some(&machine()));
        assert_eq!((&header.users, &header.groups), (&users(), &groups()));
        assert_eq!(header.processes, entries);
        let mut again = Vec::new();
        while let Some(event) = reader.next_event().unwrap() {
            let mut buf = vec![0; 70_000];
            again.push(event.to_frame(&mut buf).unwrap().to_vec());
        }
        assert_eq!(again.len(), frames.len());
        for (a, b) in again.iter().zip(&frames) {
            let (a, b) = (Frame::parse(a).unwrap(), Frame::parse(b).unwrap());
            assert_eq!(a.params().collect::<Vec<_>>(), b.params().collect::<Vec<_>>());
            let (a, b) = (a.header(), b.header());
            assert_eq!((a.ts, a.tid, a.cpu, a.event_type), (b.ts, b.tid, b.cpu, b.event_type));
            assert_eq!(a.flags & flags::STATE_ONLY, b.flags & flags::STATE_ONLY);
        }
        // Reading and writing once more gives the same bytes.
        assert_eq!(
            write(&entries, &again, Compression::None),
            write(&entries, &frames, Compression::None)
        );
    }
}

#[test]
fn interfaces_and_descriptors_are_read_back() {
    let interface = Interface {
        name: b"eth0".to_vec(),
        addr: "10.0.0.5".parse().unwrap(),
        mask: "255.255.255.0".parse().unwrap(),
        broadcast: "10.0.0.255".parse().unwrap(),
        link_speed: Some(0),
    };
    let file =
        DescriptorTarget::File { open_flags: 1, path: b"/etc/passwd".to_vec(), dev: Some(0x801) };
    let list = |tid| DescriptorList {
        tid,
        entries: vec![DescriptorEntry { fd: 3, ino: 9, target: file.clone() }],
    };
    let mut w = Writer::new(Vec::new(), Compression::None, &machine(), &[], &[], 0).unwrap();
    w.interfaces(std::slice::from_ref(&interface)).unwrap();
    for tid in [50, 60] {
        w.process(&process(tid, 1)).unwrap();
        w.descriptors(&list(tid)).unwrap();
    }
    let frame = event_frame(EventType::LISTEN_X, &[vec![0; 8]], FrameHeader::default());
    w.frame(&Frame::parse(&frame).unwrap()).unwrap();
    assert!(matches!(w.descriptors(&list(1)), Err(SavefileError::LateSeed { tgid: 1, .. })));
    let reader = Reader::new(Cursor::new(w.finish().unwrap())).unwrap();
    let header = reader.header();
    assert_eq!((&header.interfaces, header.n_skipped_blocks), (&vec![interface], 0));
    assert_eq!(header.processes, [process(50, 1), process(60, 1)]);
    assert_eq!(header.descriptors, [list(50), list(60)]);
}

#[test]
fn parameters_beyond_the_schema_are_left_out() {
    let params: Vec<Vec<u8>> = (0..5).map(|n| vec![n; 4]).collect();
    let frame = event_frame(EventType::LISTEN_X, &params, FrameHeader::default());
    let mut reader = Reader::new(Cursor::new(write(&[], &[frame], Compression::None))).unwrap();
    let event = reader.next_event().unwrap().unwrap();
    assert_eq!((event.n_params(), event.param(2), event.param(3)), (3, Some(&[2; 4][..]), None));
}

#[test]
fn threads_of_a_seed_are_listed_behind_it_and_late_seeds_are_refused() {
    let mut w = Writer::new(Vec::new(), Compression::None, &machine(), &[], &[], 0).unwrap();
    w.threads(&[(51, 50), (52, 50), (9, 8)]);
    w.process(&process(50, 1)).unwrap();
    let frame = event_frame(EventType::LISTEN_X, &[vec![0; 8]], FrameHeader::default());
    w.frame(&Frame::parse(&frame).unwrap()).unwrap();
    assert!(matches!(
        w.process(&process(70, 1)),
        Err(SavefileError::LateSeed { tgid: 70, n_events: 1 })
    ));
    let reader = Reader::new(Cursor::new(w.finish().unwrap())).unwrap();
    let ids: Vec<_> = reader.header().processes.iter().map(|p| (p.tid, p.pid)).collect();
    assert_eq!(ids, [(50, 50), (51, 50), (52, 50)]);
}

/// Block of a type and a body, as a file has it.
fn block(kind: u32, body: &[u8]) -> Vec<u8> {
    let total = (body.len().next_multiple_of(4) + 12) as u32;
    let mut b = [kind.to_le_bytes(), total.to_le_bytes()].concat();
    b.extend_from_slice(body);
    b.resize(total as usize - 4, 0);
    b.extend_from_slice(&total.to_le_bytes());
    b
}

fn section() -> Vec<u8> {
    block(0x0A0D_0D0A, &[&0x1A2B_3C4Du32.to_le_bytes()[..], &[1, 0, 2, 0], &[0xff; 8]].concat())
}

#[test]
fn damage_says_where_and_keeps_what_came_before() {
    let (entries, frames) = sample();
    let bytes = write(&entries, &frames, Compression::None);
    let len_last = block(0x216, &[0; 2 + 26 + 10 + 26]).len();
    let at = bytes.len() - len_last;
    let mut reader = Reader::new(Cursor::new(bytes[..bytes.len() - 5].to_vec())).unwrap();
    let mut n = 0;
    let error = loop {
        match reader.next_event() {
            Ok(Some(_)) => n += 1,
            Ok(None) => panic!("the cut is seen"),
            Err(e) => break e,
        }
    };
    assert_eq!(n, 3);
    assert_eq!(
        error.to_string(),
        format!(
            "damaged at byte {at}, behind 3 events: block of {len_last} bytes ends after {}",
            len_last - 5
        )
    );
    assert!(reader.next_event().unwrap().is_none(), "after damage there is nothing");
    let SavefileError::Damaged { at, .. } = error else { panic!("{error}") };
    assert_eq!((at.is_unpacked, at.n_events), (false, 3));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    #[test]
    fn mutated_bytes_never_panic(
        changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..12),
        cut in any::<prop::sample::Index>(),
        gzip: bool,
    ) {
        let (entries, frames) = sample();
        let mut bytes = write(&entries, &frames, if gzip { Compression::Gzip } else { Compression::None });
        for (at, to) in changes {
            let at = at.index(bytes.len());
            bytes[at] = to;
        }
        bytes.truncate(cut.index(bytes.len() * 3).min(bytes.len()));
        if let Ok(reader) = Reader::new(Cursor::new(bytes)) {
            let _end = replay(Replay::new(reader), 3, 2);
        }
    }

    #[test]
    fn any_bytes_behind_a_section_header_never_panic(tail in prop::collection::vec(any::<u8>(), 0..300), kind in 0x201u32..0x223) {
        for file in [[section(), block(kind, &tail)].concat(), [section(), tail].concat()] {
            if let Ok(reader) = Reader::new(Cursor::new(file)) {
                let _end = replay(Replay::new(reader), 2, 1);
            }
        }
    }
}

struct Out {
    end: ReplayEnd,
    n_seeds: u64,
    /// Key and frame, sorted by key.
    frames: Vec<(Key, Vec<u8>)>,
}

fn set_cpu(frame: &mut [u8], cpu: u16) {
    let header = FrameHeader { cpu, ..*Frame::parse(frame).unwrap().header() }.to_bytes();
    frame[..header.len()].copy_from_slice(&header);
}

/// Replays into `n_shards` lanes.
fn replay(replay: Replay, n_shards: usize, capacity: usize) -> Out {
    replay_of_feeds(replay, 1, n_shards, capacity)
}

/// Replays into `n_feeds` times `n_shards` lanes, stepping both sides in one thread.
fn replay_of_feeds(replay: Replay, n_feeds: usize, n_shards: usize, capacity: usize) -> Out {
    let limits = BatchLimits { max_frames: 7, max_bytes: 128 << 10 };
    let meters = CaptureMeters::default();
    let mut feeds = Vec::new();
    let mut ends: Vec<(Arc<Watermark>, Vec<LaneRx>)> = Vec::new();
    for _ in 0..n_feeds {
        let waker = || Waiter::new(WaitLimits::default()).unparker();
        let (lanes, rxs): (Vec<_>, Vec<_>) = (0..n_shards)
            .map(|_| lane(capacity, limits))
            .map(|(tx, rx)| ((tx, waker()), rx))
            .unzip();
        let watermark = Arc::new(Watermark::new());
        ends.push((Arc::clone(&watermark), rxs));
        feeds.push(ReplayFeed { lanes, recorder: None, watermark, meters: meters.clone() });
    }
    let n_seeds = replay.n_seeds();
    let mut thread = replay.start(feeds);
    let mut frames = Vec::new();
    let mut floors = vec![Key::MIN; n_feeds];
    loop {
        let progress = thread.poll_once();
        for (feed, ((watermark, rxs), floor)) in ends.iter_mut().zip(&mut floors).enumerate() {
            let mark = watermark.get();
            for (shard, rx) in rxs.iter_mut().enumerate() {
                while let Some(batch) = rx.pop() {
                    for (key, bytes) in batch.frames() {
                        let header = *Frame::parse(bytes).unwrap().header();
                        assert!(key > *floor, "frame {key} after watermark {floor}");
                        let is_owners = owner(header.tgid, n_shards) == shard;
                        assert!(is_owners || !header.carries_state(), "{header:?} at {shard}");
                        assert_eq!(usize::from(header.cpu) % n_feeds, feed);
                        frames.push((key, bytes.to_vec()));
                    }
                    rx.recycle(batch);
                }
            }
            *floor = mark;
        }
        if progress == Progress::Ended {
            break;
        }
    }
    assert!(ends.iter().all(|(watermark, _)| watermark.get() == Key::MAX));
    assert_eq!(meters.read.get(), meters.routed.get() + meters.too_large.get());
    assert_eq!(meters.routed.get(), frames.len() as u64);
    frames.sort_by_key(|f| f.0);
    Out { end: thread.end(), n_seeds, frames }
}

#[test]
fn a_replay_is_the_same_for_any_number_of_feeds() {
    let (entries, frames) = sample();
    let mut many: Vec<_> = frames.iter().cycle().take(3000).cloned().collect();
    for (n, frame) in many.iter_mut().enumerate() {
        // All CPUs at first, then one alone: the others' watermarks go on without frames.
        set_cpu(frame, if n < 1000 { (n % 5) as u16 } else { 3 });
    }
    let bytes = write(&entries, &many, Compression::Gzip);
    let open = || Replay::new(Reader::new(Cursor::new(bytes.clone())).unwrap());
    let one = replay(open(), 1, 1);
    for n_feeds in [2, 4] {
        for n_shards in [1, 3] {
            let several = replay_of_feeds(open(), n_feeds, n_shards, 1);
            assert_eq!(several.frames, one.frames, "{n_feeds} feeds, {n_shards} shards");
        }
    }
}

#[test]
fn a_replay_is_the_same_for_any_number_of_shards() {
    let (entries, frames) = sample();
    let bytes = write(&entries, &frames, Compression::Gzip);
    let open = || Replay::new(Reader::new(Cursor::new(bytes.clone())).unwrap());
    let one = replay(open(), 1, 1);
    assert_eq!((one.n_seeds, one.end.n_events), (2, 4));
    assert!(one.end.error.is_none());
    let keys: Vec<u64> = one.frames.iter().map(|f| f.0.0).collect();
    let numbered = (1..=4).map(|num| event_key(num).0);
    assert!(
        keys.into_iter().eq((1..=2).chain(numbered)),
        "seeds in the low bits, then the numbers"
    );
    for n in [2, 3, 8] {
        assert_eq!(replay(open(), n, 1).frames, one.frames, "{n} shards");
    }
    let headers: Vec<FrameHeader> =
        one.frames.iter().map(|f| *Frame::parse(&f.1).unwrap().header()).collect();
    assert!(
        headers[..2]
            .iter()
            .all(|h| h.flags & (flags::SEED | flags::FROM_FILE) == flags::SEED | flags::FROM_FILE)
    );
    assert_eq!((headers[0].tgid, headers[1].tgid), (1, 50));
    assert_eq!(
        (headers[2].tid, headers[2].tgid, headers[2].start_ns),
        (51, 50, headers[1].start_ns)
    );
    let clone = Frame::parse(&one.frames[3].1).unwrap();
    assert_eq!(clone.trailer().creator().unwrap().parent_start_ns, headers[1].start_ns);
    assert_eq!(headers[5].flags & flags::GROUP_DEAD, flags::GROUP_DEAD);
    assert_eq!(headers[5].start_ns, headers[3].start_ns);
}

#[test]
fn a_replay_that_is_stopped_ends_with_what_it_has_pushed() {
    let (entries, frames) = sample();
    let many: Vec<_> = frames.iter().cycle().take(5000).cloned().collect();
    let bytes = write(&entries, &many, Compression::Gzip);
    let limits = BatchLimits { max_frames: 7, max_bytes: 128 << 10 };
    for stop in [false, true] {
        let replay = Replay::new(Reader::new(Cursor::new(bytes.clone())).unwrap());
        let (tx, mut rx) = lane(1, limits);
        let watermark = Arc::new(Watermark::new());
        let waker = Waiter::new(WaitLimits::default()).unparker();
        let thread = replay.start(vec![ReplayFeed {
            lanes: vec![(tx, waker)],
            recorder: None,
            watermark: Arc::clone(&watermark),
            meters: CaptureMeters::default(),
        }]);
        let stop = AtomicBool::new(stop);
        let (end, n) = std::thread::scope(|s| {
            let run = s.spawn(|| thread.run(&stop));
            let mut n = 0;
            loop {
                // The mark before the pop: what is there when the mark says the end is all there is.
                let is_end = watermark.get() == Key::MAX;
                while let Some(batch) = rx.pop() {
                    n += batch.len() as u64;
                    rx.recycle(batch);
                }
                if is_end {
                    return (run.join().unwrap(), n);
                }
                std::thread::yield_now();
            }
        });
        assert_eq!((end.n_events, n), if stop.into_inner() { (0, 0) } else { (5000, 5002) });
    }
}

/// The folder of captures, or a line that says what is skipped.
fn corpus() -> Option<PathBuf> {
    let dir = std::env::var_os("PEREGRINE_CORPUS").map(|dir| PathBuf::from(dir).join("scap"));
    if dir.is_none() {
        eprintln!("SKIPPED: PEREGRINE_CORPUS is not set, no captures of other programs are read");
    }
    dir
}

#[test]
fn captures_of_other_programs_are_read_to_the_last_byte() {
    let Some(dir) = corpus() else { return };
    // Numbers of events and of process list entries with tid = pid, counted by another reader.
    for (name, n_events) in [
        ("curl_google", 1536),
        ("curl_google_comments", 1536),
        ("falco_cat_write", 345),
        ("falco_connect_localhost", 374),
        ("falco_open-multiple-files", 1272),
        ("falco_psp_run_as_user_0_container", 4143),
        ("sample", 572),
        ("single_ipv6_conn", 1728),
    ] {
        let path = dir.join(name).with_extension("scap");
        let out = replay(Replay::open(&path).unwrap(), 4, 2);
        assert!(out.end.error.is_none(), "{name}: {:?}", out.end.error);
        assert_eq!(out.end.counts.n_unknown_types, 0, "{name}");
        let mut reader = Reader::open(&path).unwrap();
        let mut n_recorded = 0;
        while reader.next_event().unwrap().is_some() {
            n_recorded += 1;
        }
        assert_eq!(n_recorded, n_events, "{name}");
        assert!(out.n_seeds > 10, "{name}");
        // Calls whose process is not known: two files name processes that their own lists lack (the other program prints them as `<NA>`).
        let calls = out.frames.iter().map(|f| *Frame::parse(&f.1).unwrap().header()).filter(|h| {
            EventType(h.event_type).info().unwrap().category & 0x200 != 0 && h.start_ns == 0
        });
        let unknown: BTreeSet<u32> = calls.map(|h| h.tid).collect();
        let expected: &[u32] = match name {
            "falco_connect_localhost" => &[31699],
            "single_ipv6_conn" => &[25886, 25888],
            _ => &[],
        };
        assert!(unknown.iter().eq(expected), "{name}: {unknown:?}");
    }
}

#[test]
fn comments_in_blocks_change_nothing() {
    let Some(dir) = corpus() else { return };
    let events = |name: &str| replay(Replay::open(&dir.join(name)).unwrap(), 1, 2).frames;
    assert!(events("curl_google.scap") == events("curl_google_comments.scap"));
}

#[test]
fn the_process_list_of_a_real_capture_is_whole() {
    let Some(dir) = corpus() else { return };
    let reader = Reader::open(&dir.join("sample.scap")).unwrap();
    let header = reader.header();
    let root = header.users.iter().find(|u| u.uid == 0).unwrap();
    assert_eq!(root.name, b"root");
    assert!(header.machine.as_ref().unwrap().boot_ts_epoch_ns > 0);
    let init = header.processes.iter().find(|p| p.tid == 1).unwrap();
    assert!(init.exe_ino > 0 && init.loginuid == u32::MAX && init.cap_effective > 0, "{init:?}");
}

/// What another reader counted: interfaces, descriptor lists, descriptors.
const LISTS: [(&str, usize, usize, usize); 8] = [
    ("curl_google", 5, 54, 316),
    ("curl_google_comments", 5, 54, 316),
    ("falco_cat_write", 5, 73, 384),
    ("falco_connect_localhost", 7, 184, 690),
    ("falco_open-multiple-files", 8, 128, 685),
    ("falco_psp_run_as_user_0_container", 11, 124, 693),
    ("sample", 6, 94, 515),
    ("single_ipv6_conn", 13, 154, 564),
];

#[test]
fn the_lists_of_real_captures_are_whole() {
    let Some(dir) = corpus() else { return };
    // Version of the lists, interfaces, descriptor lists and descriptors.
    for (name, n_interfaces, n_lists, n_descriptors) in LISTS {
        let reader = Reader::open(&dir.join(name).with_extension("scap")).unwrap();
        let h = reader.header();
        let n = h.descriptors.iter().map(|l| l.entries.len()).sum::<usize>();
        assert_eq!(
            (h.interfaces.len(), h.descriptors.len(), n),
            (n_interfaces, n_lists, n_descriptors),
            "{name}"
        );
        assert_eq!((h.n_skipped_blocks, h.findings.first.len()), (0, 0), "{name}");
        assert!(h.descriptors.iter().all(|l| h.processes.iter().any(|p| p.tid == l.tid)), "{name}");
        let unknown = |e: &&DescriptorEntry| matches!(e.target, DescriptorTarget::Unknown(_));
        assert_eq!(
            h.descriptors.iter().flat_map(|l| &l.entries).filter(unknown).count(),
            0,
            "{name}"
        );
    }
}

#[test]
fn a_capture_that_is_rewritten_keeps_every_event() {
    let Some(dir) = corpus() else { return };
    for name in
        ["falco_psp_run_as_user_0_container.scap", "single_ipv6_conn.scap", "curl_google.scap"]
    {
        let first = replay(Replay::open(&dir.join(name)).unwrap(), 1, 2);
        let reader = Reader::open(&dir.join(name)).unwrap();
        let h = reader.header();
        let mut w = Writer::new(
            Vec::new(),
            Compression::Gzip,
            h.machine.as_ref().unwrap(),
            &h.users,
            &h.groups,
            0,
        )
        .unwrap();
        w.interfaces(&h.interfaces).unwrap();
        for p in &h.processes {
            w.process(p).unwrap();
        }
        for list in &h.descriptors {
            w.descriptors(list).unwrap();
        }
        for (_, frame) in first.frames.iter().skip(first.n_seeds as usize) {
            w.frame(&Frame::parse(frame).unwrap()).unwrap();
        }
        let again = Replay::new(Reader::new(Cursor::new(w.finish().unwrap())).unwrap());
        assert_eq!(again.header().processes, h.processes, "{name}");
        assert!(replay(again, 1, 2).frames == first.frames, "{name}");
    }
}
