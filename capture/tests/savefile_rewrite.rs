//! Files rewritten from files: every block is passed on as it stands, and other programs see no difference.

use std::{
    io::Cursor,
    path::{Path, PathBuf},
    process::Command,
};

use capture::savefile::{Compression, Header, Playback, Reader, Writer};
use event::{EventType, Frame};

const CAPTURES: [&str; 8] = [
    "curl_google",
    "curl_google_comments",
    "falco_cat_write",
    "falco_connect_localhost",
    "falco_open-multiple-files",
    "falco_psp_run_as_user_0_container",
    "sample",
    "single_ipv6_conn",
];

/// The captures of other programs, or a line that says what is skipped.
fn corpus() -> Option<Vec<PathBuf>> {
    let Some(dir) = std::env::var_os("PEREGRINE_CORPUS") else {
        eprintln!(
            "SKIPPED: PEREGRINE_CORPUS is not set, no captures of other programs are rewritten"
        );
        return None;
    };
    let dir = PathBuf::from(dir).join("scap");
    Some(CAPTURES.iter().map(|name| dir.join(name).with_extension("scap")).collect())
}

/// Rewrites a file: all of it, or the events that are wanted with the starts of their calls.
fn rewrite(
    path: &Path,
    compression: Compression,
    wanted: Option<&dyn Fn(&Frame<'_>) -> bool>,
) -> Vec<u8> {
    let mut playback = Playback::open(path).unwrap();
    playback.keep_blocks();
    let mut w = Writer::with_header(Vec::new(), compression, playback.header()).unwrap();
    loop {
        let frame = playback.next_frame().unwrap().map(|played| played.frame.to_vec());
        let blocks = playback.last_blocks();
        match (&frame, wanted) {
            (Some(frame), Some(wanted)) if !blocks.own.is_empty() => {
                if wanted(&Frame::parse(frame).unwrap()) {
                    w.saved_blocks(blocks.enter.unwrap_or_default()).unwrap();
                    w.saved_blocks(blocks.own).unwrap();
                }
            }
            (_, Some(_)) => {}
            (_, None) => w.saved_blocks(blocks.all).unwrap(),
        }
        if frame.is_none() {
            return w.finish().unwrap();
        }
    }
}

/// Blocks of events, and what stands before them.
fn blocks(mut reader: Reader) -> (Header, Vec<Vec<u8>>) {
    let header = reader.header().clone();
    let mut blocks = Vec::new();
    while let Some(event) = reader.next_event().unwrap() {
        blocks.push(event.block().to_vec());
    }
    (header, blocks)
}

#[test]
fn a_rewritten_file_has_the_same_blocks() {
    let Some(paths) = corpus() else { return };
    for path in paths {
        let (mut header, before) = blocks(Reader::open(&path).unwrap());
        let again = rewrite(&path, Compression::Gzip, None);
        let (header_again, after) = blocks(Reader::new(Cursor::new(again)).unwrap());
        assert!(before == after, "{}", path.display());
        // The lists are written in their current version, whose records say a device where they have one.
        header.version = (1, 2);
        assert_eq!(header_again, header, "{}", path.display());
    }
}

#[test]
fn kept_events_keep_the_starts_of_their_calls() {
    let Some(paths) = corpus() else { return };
    let wanted = |frame: &Frame<'_>| {
        matches!(frame.event_type(), EventType::CLOSE_X | EventType::READ_X | EventType::CONNECT_X)
    };
    let frames = |playback: &mut Playback| {
        let mut frames = Vec::new();
        while let Some(played) = playback.next_frame().unwrap() {
            let frame = Frame::parse(played.frame).unwrap();
            if wanted(&frame) {
                frames.push(frame.params().map(<[u8]>::to_vec).collect::<Vec<_>>());
            }
        }
        frames
    };
    let mut n = 0;
    for path in paths {
        let again = rewrite(&path, Compression::None, Some(&wanted));
        let before = frames(&mut Playback::open(&path).unwrap());
        if before.is_empty() {
            continue;
        }
        let mut playback = Playback::new(Reader::new(Cursor::new(again)).unwrap());
        assert!(frames(&mut playback) == before, "{}", path.display());
        n += before.len();
    }
    assert!(n > 300, "{n}");
}

#[test]
fn sysdig_prints_the_same_lines_for_a_rewritten_file() {
    let Some(paths) = corpus() else { return };
    let lines = |path: &Path| {
        let out = Command::new("sysdig").env("TZ", "UTC").arg("-r").arg(path).output().ok()?;
        Some((out.status.success(), String::from_utf8_lossy(&out.stdout).into_owned()))
    };
    let dir = tempfile::tempdir().unwrap();
    for path in paths {
        let again = dir.path().join("again.scap");
        std::fs::write(&again, rewrite(&path, Compression::None, None)).unwrap();
        let Some((is_read, before)) = lines(&path) else {
            eprintln!("SKIPPED: sysdig cannot be run; apt-get install sysdig");
            return;
        };
        // It cannot read comments in blocks.
        if is_read {
            let (_, after) = lines(&again).unwrap();
            assert!(before == after, "{}", path.display());
        }
    }
}

#[test]
fn current_falco_reads_a_rewritten_file() {
    let Some(paths) = corpus() else { return };
    let Some(falco) = std::env::var_os("PEREGRINE_FALCO") else {
        eprintln!("SKIPPED: PEREGRINE_FALCO names no falco, no file is read by it");
        return;
    };
    let dir = tempfile::tempdir().unwrap();
    for path in paths {
        let again = dir.path().join("again.scap");
        std::fs::write(&again, rewrite(&path, Compression::None, None)).unwrap();
        let alerts = |path: &Path| {
            let out = Command::new(&falco)
                .args(["-o", "engine.kind=replay", "-o", "json_output=true", "-o"])
                .arg(format!("engine.replay.capture_file={}", path.display()))
                .output()
                .unwrap();
            assert!(out.status.success(), "{}", String::from_utf8_lossy(&out.stderr));
            String::from_utf8_lossy(&out.stdout).into_owned()
        };
        assert_eq!(alerts(&again), alerts(&path), "{}", path.display());
    }
}
