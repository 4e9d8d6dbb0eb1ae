//! What is tried with bytes that claim to be a savefile.

use std::io::Cursor;

use capture::savefile::{Compression, Playback, Reader, Writer};
use event::Frame;

/// Reads, plays and rewrites the bytes: whatever they are, nothing panics, every frame can be parsed, and what was written is read back as
/// many events.
pub(crate) fn savefile(input: &[u8]) {
    let Ok(reader) = Reader::new(Cursor::new(input.to_vec())) else { return };
    let mut playback = Playback::new(reader);
    playback.keep_blocks();
    let mut w = Writer::with_header(Vec::new(), Compression::None, playback.header())
        .expect("a vector takes everything");
    let mut n_sections = 1;
    let mut last = bus::Key::MIN;
    while let Ok(Some(played)) = playback.next_frame() {
        assert!(played.key > last, "keys rise");
        last = played.key;
        Frame::parse(played.frame).expect("a frame is one");
        if playback.n_sections() > n_sections {
            n_sections = playback.n_sections();
            w.section(playback.header()).expect("a vector takes everything");
        }
        w.saved_blocks(playback.last_blocks().all).expect("a vector takes everything");
    }
    w.saved_blocks(playback.last_blocks().all).expect("a vector takes everything");
    let n_events = playback.evt_num();
    let bytes = w.finish().expect("a vector takes everything");
    let mut again =
        Playback::new(Reader::new(Cursor::new(bytes)).expect("what was written is a file"));
    while let Ok(Some(_)) = again.next_frame() {}
    assert_eq!(again.evt_num(), n_events, "the rewritten file plays as the first");
}
