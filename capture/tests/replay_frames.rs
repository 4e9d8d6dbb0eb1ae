//! What a replay puts into its lanes is what a file's frames are, wherever they are made: in a batch, or beside it where that has too little room.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use bus::{BatchLimits, Key, WaitLimits, Waiter, Watermark, lane};
use capture::savefile::{Playback, Replay, ReplayFeed};
use capture::{CaptureMeters, Progress};
use event::{Direction, EventSet, EventType, FrameHeader, HEADER_LEN, flags};

type Frames = BTreeMap<Key, Vec<u8>>;

fn recording() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../testdata/recordings/ordinary-work.scap.gz")
}

fn played(recording: &Path) -> Frames {
    let mut playback = Playback::open(recording).unwrap();
    let mut all = Frames::new();
    while let Some(played) = playback.next_frame().unwrap() {
        all.insert(played.key, played.frame.to_vec());
    }
    all
}

fn replayed(
    recording: &Path,
    n_feeds: usize,
    n_shards: usize,
    limits: BatchLimits,
    looked_into: Option<&EventSet>,
) -> Frames {
    let mut replay = Replay::open(recording).unwrap();
    if let Some(types) = looked_into {
        replay.look_into(types);
    }
    let waiter = Waiter::new(WaitLimits::default());
    let mut ends = Vec::new();
    let mut feed = |_| {
        let (txs, rxs): (Vec<_>, Vec<_>) = (0..n_shards).map(|_| lane(2, limits)).unzip();
        ends.extend(rxs);
        ReplayFeed {
            lanes: txs.into_iter().map(|tx| (tx, waiter.unparker())).collect(),
            recorder: None,
            watermark: Arc::new(Watermark::new()),
            meters: CaptureMeters::default(),
        }
    };
    let feeds = (0..n_feeds).map(&mut feed).collect();
    let mut thread = replay.start(feeds);
    let mut all = Frames::new();
    loop {
        let progress = thread.poll_once();
        for rx in &mut ends {
            while let Some(batch) = rx.pop() {
                for (key, frame) in batch.frames() {
                    assert!(all.insert(key, frame.to_vec()).is_none(), "{key} came twice");
                }
                rx.recycle(batch);
            }
        }
        if progress == Progress::Ended {
            return all;
        }
    }
}

#[test]
fn frames_are_the_same_wherever_they_are_made() {
    let recording = recording();
    let expected = played(&recording);
    let few = BatchLimits { max_frames: 3, max_bytes: 80 << 10 };
    for (n_feeds, n_shards, limits) in [(1, 1, BatchLimits::default()), (2, 3, few)] {
        let given = replayed(&recording, n_feeds, n_shards, limits, None);
        assert!(given == expected, "{n_feeds} feeds, {n_shards} shards: other frames");
    }
}

/// How many frames of a recording are heads alone where only names of opens are looked into, and how many of those are starts of calls.
fn heads_of(recording: &Path) -> (usize, usize) {
    let header = |frame: &[u8]| FrameHeader::from_bytes(frame.first_chunk().unwrap());
    let expected = played(recording);
    let looked_into = EventSet::from_iter([EventType::OPENAT_2_X]);
    let given = replayed(recording, 1, 1, BatchLimits::default(), Some(&looked_into));
    assert!(given.keys().eq(expected.keys()), "every event has a frame");
    let (mut n_heads, mut n_starts) = (0, 0);
    for (whole, frame) in expected.values().zip(given.values()) {
        let of = header(whole);
        if frame == whole && frame.len() > HEADER_LEN {
            continue;
        }
        n_heads += 1;
        let ty = EventType(of.event_type);
        assert!(!looked_into.contains(ty) && !of.carries_state(), "{of:?}");
        if of.flags & flags::STATE_ONLY != 0 {
            assert_eq!(ty.info().unwrap().direction, Direction::Enter, "{of:?}");
            n_starts += 1;
        }
        let head = FrameHeader { len: HEADER_LEN as u32, n_params: 0, trailer_len: 0, ..of };
        assert_eq!(frame[..], head.to_bytes());
    }
    assert!(n_heads > expected.len() / 4, "{n_heads} of {}", expected.len());
    (n_heads, n_starts)
}

#[test]
fn of_what_nobody_looks_into_the_header_is_left() {
    heads_of(&recording());
}

#[test]
fn of_a_start_whose_return_tells_it_again_the_header_is_left() {
    let Some(corpus) = std::env::var_os("PEREGRINE_CORPUS") else {
        eprintln!("SKIPPED: PEREGRINE_CORPUS is not set, no capture with starts of calls is read");
        return;
    };
    let (n_heads, n_starts) = heads_of(&PathBuf::from(corpus).join("scap/curl_google.scap"));
    assert!(n_starts > 10, "{n_starts} of {n_heads}");
}
