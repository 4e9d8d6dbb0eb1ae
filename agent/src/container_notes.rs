//! What a live recording tells of containers: an event for each that a runtime told of, from which readers know image and labels.

use std::sync::Arc;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};

use containers::Details;
use event::{EventType, FrameHeader, FrameWriter, MAX_FRAME_LEN};

/// Containers that wait to be written.
const MAX_WAITING: usize = 1024;
const CONTAINER_JSON: EventType = EventType(324);
/// What a frame takes beside the JSON.
const FRAME_ROOM: usize = 128;

/// Containers to be written, by who learns of them.
pub(crate) fn channel() -> (SyncSender<Arc<Details>>, ContainerNotes) {
    let (tx, told) = sync_channel(MAX_WAITING);
    (tx, ContainerNotes { told, buf: Vec::new() })
}

/// What is still to be written.
pub(crate) struct ContainerNotes {
    told: Receiver<Arc<Details>>,
    buf: Vec<u8>,
}

impl ContainerNotes {
    /// A frame for the next container, with a time on the boot clock; one that is too long for a frame is passed over.
    pub(crate) fn next(&mut self, ts: u64) -> Option<&[u8]> {
        let json = loop {
            if let Some(json) = fitting_json(&*self.told.try_recv().ok()?) {
                break json;
            }
        };
        frame(&mut self.buf, ts, &json)
    }

    /// The same of a container that is known already.
    pub(crate) fn again(&mut self, ts: u64, details: &Details) -> Option<&[u8]> {
        frame(&mut self.buf, ts, &fitting_json(details)?)
    }
}

fn fitting_json(details: &Details) -> Option<String> {
    let json = details.to_json();
    (json.len() < usize::from(u16::MAX) && json.len() + FRAME_ROOM <= MAX_FRAME_LEN).then_some(json)
}

fn frame<'a>(buf: &'a mut Vec<u8>, ts: u64, json: &str) -> Option<&'a [u8]> {
    buf.resize(json.len() + FRAME_ROOM, 0);
    // Of no thread: the runtime told it.
    let header =
        FrameHeader { ts, event_type: CONTAINER_JSON.0, tid: u32::MAX, ..FrameHeader::default() };
    let mut writer = FrameWriter::new(buf, header);
    writer.str(json.as_bytes());
    writer.finish().ok()
}

#[cfg(test)]
mod tests {
    use event::Frame;

    use super::*;

    #[test]
    fn a_container_becomes_an_event_that_says_the_same() {
        let (tx, mut notes) = channel();
        let details = |n: usize| Details {
            name: "x".repeat(n),
            image: "nginx".into(),
            ..Details::of_id(containers::Kind::Docker, &"a".repeat(64))
        };
        for n in [3, 1 << 17, 4] {
            tx.send(Arc::new(details(n))).unwrap();
        }
        for n in [3, 4] {
            let frame = Frame::parse(notes.next(77).unwrap()).unwrap();
            assert_eq!((frame.header().ts, frame.event_type()), (77, CONTAINER_JSON));
            assert_eq!(Details::parse(frame.param_str(0).unwrap()), Some(details(n)));
        }
        assert!(notes.next(78).is_none());
    }
}
