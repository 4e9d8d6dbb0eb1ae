//! The captures of `testdata/captures`: they are what this build makes, and are read to the last byte as what they were made of.
//!
//! `PEREGRINE_REWRITE=1 cargo test -p capture --test savefile_own` writes them anew.

mod own_captures;

use std::{io::Cursor, path::Path};

use capture::savefile::{Compression, Header, Playback, Reader, Writer};
use own_captures::{Event, OwnCapture, Section, all};

fn path_of(capture: &OwnCapture) -> std::path::PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../testdata/captures")
        .join(&capture.name)
        .with_extension("scap")
}

/// Everything that a reader gives, and how it ends.
fn read(mut reader: Reader) -> (Vec<Section>, Option<String>) {
    let mut sections = Vec::new();
    loop {
        let Header { processes, interfaces, descriptors, users, groups, .. } =
            reader.header().clone();
        let (n_users, n_groups) = (users.len(), groups.len());
        let mut section =
            Section { processes, interfaces, descriptors, n_users, n_groups, events: Vec::new() };
        let mut error = None;
        loop {
            match reader.next_event() {
                Ok(Some(e)) => section.events.push(Event {
                    ts: e.ts,
                    tid: e.tid,
                    ty: e.event_type.0,
                    is_state_only: e.is_state_only,
                    params: e.params().map(<[u8]>::to_vec).collect(),
                }),
                Ok(None) => break,
                Err(e) => {
                    error = Some(e.to_string());
                    break;
                }
            }
        }
        sections.push(section);
        if !reader.next_section().unwrap() {
            return (sections, error);
        }
    }
}

#[test]
fn the_captures_are_those_that_are_made() {
    for capture in all() {
        let path = path_of(&capture);
        if std::env::var_os("PEREGRINE_REWRITE").is_some() {
            std::fs::write(&path, &capture.bytes).unwrap();
        }
        assert!(std::fs::read(&path).unwrap() == capture.bytes, "{}", path.display());
    }
}

#[test]
fn every_capture_is_read_to_the_last_byte() {
    for capture in all() {
        let (sections, error) = read(Reader::open(&path_of(&capture)).unwrap());
        assert_eq!(error, capture.error, "{}", capture.name);
        assert_eq!(sections.len(), capture.sections.len(), "{}", capture.name);
        for (section, expected) in sections.iter().zip(&capture.sections) {
            assert_eq!(section, expected, "{}", capture.name);
        }
    }
}

#[test]
fn every_capture_plays_and_is_rewritten() {
    for capture in all().into_iter().filter(|c| c.error.is_none()) {
        let mut playback = Playback::open(&path_of(&capture)).unwrap();
        playback.keep_blocks();
        let mut w = Writer::with_header(Vec::new(), Compression::Gzip, playback.header()).unwrap();
        let mut n_sections = 1;
        let mut n_frames = 0;
        while playback.next_frame().unwrap().is_some() {
            if playback.n_sections() > n_sections {
                n_sections = playback.n_sections();
                w.section(playback.header()).unwrap();
            }
            w.saved_blocks(playback.last_blocks().all).unwrap();
            n_frames += 1;
        }
        w.saved_blocks(playback.last_blocks().all).unwrap();
        assert!(n_frames >= 2, "{}", capture.name);
        let (sections, error) = read(Reader::new(Cursor::new(w.finish().unwrap())).unwrap());
        assert_eq!(error, None);
        // What no list can say is not written again.
        let mut expected = capture.sections;
        for list in expected.iter_mut().flat_map(|s| &mut s.descriptors) {
            list.entries.retain(|e| e.fd != 37);
        }
        assert!(sections == expected, "{}", capture.name);
    }
}
