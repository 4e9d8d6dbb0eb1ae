//! Files made by hand, block by block: what the format allows, what it forbids, and what a false length costs.

use std::io::Cursor;

use capture::savefile::{Playback, Reader, event_key};
use event::Frame;

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
fn a_version_1_event_finds_its_parameter_count() {
    // openat: the table has seven parameters by now; the file was written when there were three.
    let mut event = [7u64.to_le_bytes(), 9u64.to_le_bytes()].concat();
    event.extend_from_slice(&(22 + 6 + 19u32).to_le_bytes());
    event.extend_from_slice(&307u16.to_le_bytes());
    for len in [8u16, 8, 3] {
        event.extend_from_slice(&len.to_le_bytes());
    }
    event.extend_from_slice(&[5; 19]);
    let body = [&[3, 0][..], &event].concat();
    let file = [section(), block(0x204, &body)].concat();
    let mut reader = Reader::new(Cursor::new(file)).unwrap();
    let e = reader.next_event().unwrap().unwrap();
    assert_eq!((e.cpu, e.ts, e.tid, e.n_params()), (3, 7, 9, 3));
    assert_eq!(e.param(2), Some(&[5; 3][..]));
}

/// An event of version 2: `listen` with a result, a descriptor and a backlog.
fn listen(ts: u64, tid: i64) -> Vec<u8> {
    let params: [&[u8]; 3] = [&[0; 8], &[3, 0, 0, 0, 0, 0, 0, 0], &[128, 0, 0, 0]];
    let len = 26 + 6 + 20u32;
    let mut e = [&ts.to_le_bytes()[..], &tid.to_le_bytes(), &len.to_le_bytes()].concat();
    e.extend_from_slice(&25u16.to_le_bytes());
    e.extend_from_slice(&3u32.to_le_bytes());
    e.extend(params.iter().flat_map(|p| (p.len() as u16).to_le_bytes()));
    e.extend(params.concat());
    e
}

fn event_block(ts: u64, tid: i64) -> Vec<u8> {
    block(0x216, &[&[1, 0][..], &listen(ts, tid)].concat())
}

/// A process list of version 8 with one process.
fn process_block(tid: i64) -> Vec<u8> {
    let ids = [tid, tid, 1, 5, 6].map(i64::to_le_bytes).concat();
    let texts: Vec<u8> = [&b"sh"[..], b"/bin/sh", b"/bin/dash", b"-c\0", b"/srv"]
        .iter()
        .flat_map(|t| [&(t.len() as u16).to_le_bytes()[..], t].concat())
        .collect();
    let numbers = [&1024u64.to_le_bytes()[..], &[0; 12], &[0; 12], &[0; 16]].concat();
    let env =
        [&[0, 0][..], &tid.to_le_bytes(), &tid.to_le_bytes(), &[0, 0], &[1, 0], b"/"].concat();
    block(0x214, &[ids, texts, numbers, env].concat())
}

fn error_of(file: Vec<u8>) -> String {
    let mut reader = match Reader::new(Cursor::new(file)) {
        Ok(reader) => reader,
        Err(e) => return e.to_string(),
    };
    loop {
        match reader.next_event() {
            Ok(Some(_)) => {}
            Ok(None) => panic!("there is an error"),
            Err(e) => return e.to_string(),
        }
    }
}

#[test]
fn what_is_no_savefile_is_told_apart() {
    let open = |bytes: &[u8]| {
        Reader::new(Cursor::new(bytes.to_vec())).map(|_| ()).unwrap_err().to_string()
    };
    assert_eq!(open(b""), "not a .scap file: it is empty");
    assert!(open(b"#!/bin/sh\necho hello\n").starts_with("not a .scap file"));
    let mut big_endian = section();
    big_endian[8..12].reverse();
    assert!(open(&big_endian).contains("big-endian"));
    let mut newer = section();
    newer[12] = 2;
    assert!(open(&newer).contains("2.2 is newer"));
}

/// Largest address space that this process has had, in KiB.
fn peak_kib() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find_map(|l| l.strip_prefix("VmPeak:")).unwrap();
    line.split_whitespace().next().unwrap().parse().unwrap()
}

#[test]
fn a_block_that_claims_four_gigabytes_costs_nothing() {
    let claim = |kind: u32, len: u32| {
        [section(), kind.to_le_bytes().to_vec(), len.to_le_bytes().to_vec(), vec![0; 4096]].concat()
    };
    let before = peak_kib();
    for kind in [0x201, 0x205, 0x215, 0x216, 0x217, 0x218, 0x219, 0x220, 0x221, 0x222, 0x777] {
        for len in [0xffff_fffcu32, 0x4000_0000, 0x0f00_0000] {
            let error = error_of(claim(kind, len));
            assert!(error.starts_with("damaged at byte 28, before the first event: "), "{error}");
        }
    }
    // Address space, touched or not; other tests of this file run beside this one.
    let grown = peak_kib() - before;
    assert!(grown < 512 << 10, "{grown} KiB");
}

#[test]
fn sections_follow_one_another() {
    let first = [section(), process_block(50), event_block(10, 50), event_block(11, 50)].concat();
    let second = [section(), process_block(50), process_block(60), event_block(5, 60)].concat();
    let mut reader = Reader::new(Cursor::new([first.clone(), second.clone()].concat())).unwrap();
    let mut seen = Vec::new();
    loop {
        let tids: Vec<i64> = reader.header().processes.iter().map(|p| p.tid).collect();
        let mut times = Vec::new();
        while let Some(event) = reader.next_event().unwrap() {
            times.push(event.ts);
        }
        seen.push((tids, times));
        if !reader.next_section().unwrap() {
            break;
        }
    }
    assert_eq!(seen, [(vec![50], vec![10, 11]), (vec![50, 60], vec![5])]);

    // Played, the events are numbered on, and process 50 of the second section is another one.
    let reader = Reader::new(Cursor::new([first, section(), second].concat())).unwrap();
    let mut playback = Playback::new(reader);
    let mut keys = Vec::new();
    let mut starts = Vec::new();
    while let Some(played) = playback.next_frame().unwrap() {
        let header = *Frame::parse(played.frame).unwrap().header();
        keys.push(played.key.0);
        starts.push((header.tgid, header.start_ns));
    }
    let num = |n| event_key(n).0;
    assert_eq!(keys, [1, num(1), num(2), num(2) + 1, num(2) + 2, num(3)]);
    assert_eq!(starts, [(50, 1), (50, 1), (50, 1), (50, 2), (60, 3), (60, 3)]);
    assert_eq!(playback.evt_num(), 3);
}

#[test]
fn a_file_without_events_says_so() {
    let empty = [section(), process_block(1)].concat();
    let expected = "no events in the file, only the machine's state (1 processes); the recording may have ended before anything was captured";
    assert_eq!(error_of(empty.clone()), expected);
    // An empty section before another one is passed over.
    let mut reader =
        Reader::new(Cursor::new([empty, section(), event_block(1, 1)].concat())).unwrap();
    assert!(reader.next_event().unwrap().is_none());
    assert!(reader.next_section().unwrap());
    assert!(reader.next_event().unwrap().is_some());
    assert!(reader.next_event().unwrap().is_none());
    assert!(!reader.next_section().unwrap());
}

#[test]
fn what_is_unknown_is_passed_over() {
    let unknown_type = {
        let mut event = listen(2, 1);
        event[20..22].copy_from_slice(&5000u16.to_le_bytes());
        block(0x216, &[&[0, 0][..], &event].concat())
    };
    let unknown = block(0x999, &vec![7; 300_000]);
    let parts = [
        section(),
        unknown.clone(),
        event_block(1, 1),
        unknown_type,
        unknown,
        block(0x221, &vec![1; 200_000]),
        event_block(3, 1),
    ];
    let mut reader = Reader::new(Cursor::new(parts.concat())).unwrap();
    assert_eq!(reader.header().n_skipped_blocks, 1);
    let mut times = Vec::new();
    while let Some(event) = reader.next_event().unwrap() {
        times.push(event.ts);
    }
    assert_eq!(times, [1, 3]);
    let counts = reader.counts();
    assert_eq!((counts.n_unknown_types, counts.n_skipped_blocks, counts.n_too_large), (1, 1, 1));
}

/// An interface list of version 2 as other programs write it when they rewrite one of version 1.
fn short_interface_block(n: usize) -> Vec<u8> {
    let entry = [&26u32.to_le_bytes()[..], &[1, 0, 2, 0], &[10; 12], &[0; 8], b"lo"].concat();
    let real = block(0x219, &entry.repeat(n));
    let claimed = (real.len() - 4 * n) as u32;
    let mut short = real;
    let at = short.len() - 4;
    short[4..8].copy_from_slice(&claimed.to_le_bytes());
    short[at..].copy_from_slice(&claimed.to_le_bytes());
    short
}

#[test]
fn an_interface_list_that_claims_too_few_bytes_is_read_whole() {
    for n in [1, 2, 3, 7, 100] {
        let file =
            [section(), short_interface_block(n), process_block(1), event_block(1, 1)].concat();
        let mut reader = Reader::new(Cursor::new(file)).unwrap();
        let header = reader.header();
        assert_eq!((header.interfaces.len(), header.processes.len()), (n, 1));
        let expected = format!(
            "interface list at byte 28: it is {} bytes longer than it says, a known fault of other writers; it was read whole",
            4 * n
        );
        assert_eq!(header.findings.first, [expected]);
        assert!(reader.next_event().unwrap().is_some());
    }
    // What is wrong in another way is damage still.
    let mut file = [section(), short_interface_block(3), event_block(1, 1)].concat();
    file[28 + 8] += 1;
    let error = error_of(file);
    assert!(
        error.starts_with(
            "damaged at byte 28, before the first event: block of type 0x219 begins with length"
        ),
        "{error}"
    );
}

#[test]
fn blocks_are_handed_out_as_they_stand() {
    let comment = {
        let mut b = event_block(1, 1);
        let at = b.len() - 4;
        b.splice(at..at, [9; 13]);
        let len = b.len() as u32;
        b[4..8].copy_from_slice(&len.to_le_bytes());
        let at = b.len() - 4;
        b[at..].copy_from_slice(&len.to_le_bytes());
        b
    };
    // More than fits into the buffer at once.
    let blocks: Vec<Vec<u8>> =
        (0..9000).map(|n| if n % 3 == 0 { comment.clone() } else { event_block(n, 1) }).collect();
    let mut reader = Reader::new(Cursor::new([section(), blocks.concat()].concat())).unwrap();
    for expected in &blocks {
        assert_eq!(reader.next_event().unwrap().unwrap().block(), &expected[..]);
    }
    assert!(reader.next_event().unwrap().is_none());
}

#[test]
fn an_event_that_breaks_its_block_says_how() {
    let with = |at: usize, bytes: &[u8]| {
        let mut event = listen(1, 1);
        event[at..at + bytes.len()].copy_from_slice(bytes);
        let blocks = [section(), event_block(1, 1), block(0x216, &[&[0, 0][..], &event].concat())];
        error_of(blocks.concat())
    };
    let place =
        format!("damaged at byte {}, behind the first event: ", 28 + event_block(1, 1).len());
    assert_eq!(
        with(16, &200u32.to_le_bytes()),
        format!("{place}event of 200 bytes in a block that has 54")
    );
    assert_eq!(
        with(16, &30u32.to_le_bytes()),
        format!("{place}event of 30 bytes claims 3 parameters")
    );
    assert_eq!(with(16, &[0; 4]), format!("{place}event of 0 bytes claims 3 parameters"));
    assert_eq!(
        with(22, &[0xff; 4]),
        format!("{place}event of 52 bytes claims 4294967295 parameters")
    );
    assert_eq!(with(26, &[0xff; 2]), format!("{place}parameters of 65547 bytes in an event of 52"));
    let blocks = [section(), event_block(1, 1), block(0x216, &[0; 12])];
    assert_eq!(error_of(blocks.concat()), format!("{place}the block is too short for an event"));
}

#[test]
fn a_cut_gzip_stream_gives_what_it_holds() {
    use std::io::Write as _;
    let file =
        [section(), (0..5000).flat_map(|n| event_block(n * 0x9e37_79b9, 1)).collect()].concat();
    let mut gz = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
    gz.write_all(&file).unwrap();
    let packed = gz.finish().unwrap();
    let mut reader = Reader::new(Cursor::new(packed[..packed.len() / 2].to_vec())).unwrap();
    let mut n = 0;
    let error = loop {
        match reader.next_event() {
            Ok(Some(_)) => n += 1,
            Ok(None) => panic!("the cut is seen"),
            Err(e) => break e.to_string(),
        }
    };
    assert!(n > 1000, "{n}");
    let place = format!(
        "damaged at byte {} of the unpacked file, behind {n} events: ",
        28 + n * event_block(1, 1).len()
    );
    assert!(error.starts_with(&place), "{error}");
}
