//! What a recording makes known takes bounded memory, whatever it claims; what found no room is counted.

use capture::savefile::{Interface, PlaybackDemand, Reader};

use super::recording::{Calls, Recording};

fn block(kind: u32, body: &[u8]) -> Vec<u8> {
    let len = (body.len() + 12) as u32;
    [&kind.to_le_bytes()[..], &len.to_le_bytes(), body, &len.to_le_bytes()].concat()
}

fn section() -> Vec<u8> {
    let head = [&0x1A2B_3C4Du32.to_le_bytes()[..], &[1, 0, 2, 0], &u64::MAX.to_le_bytes()];
    block(0x0A0D_0D0A, &head.concat())
}

#[test]
fn a_list_that_is_small_in_the_file_and_large_in_memory_is_read_as_far_as_there_is_room() {
    // Entries of 19 bytes, which would be 700 MiB in memory.
    let entry = [&19u32.to_le_bytes()[..], &[0; 15]].concat();
    let n = 3 << 20;
    let file = [section(), block(0x220, &entry.repeat(n))].concat();
    let reader = Reader::new(std::io::Cursor::new(file)).unwrap();
    let n_dropped = reader.counts().n_dropped_entries;
    assert_eq!(reader.header().users.len() as u64 + n_dropped, n as u64);
    assert!(n_dropped > 0 && reader.header().users.len() > 1 << 20);
}

#[test]
fn interfaces_beyond_those_that_sockets_are_held_against_are_counted() {
    let mut r = Recording::new();
    let [addr, mask, broadcast] = [[10, 0, 0, 5], [255; 4], [10, 0, 0, 255]].map(Into::into);
    let interface = Interface { name: b"veth".to_vec(), addr, mask, broadcast, link_speed: None };
    r.interfaces = vec![interface; 4096];
    r.fstat(5, 3);
    let n_dropped =
        |r: &Recording| r.playback(PlaybackDemand::NOTHING).counts().n_dropped_interfaces;
    assert_eq!(n_dropped(&r), 0);
    r.interfaces.extend_from_within(..7);
    assert_eq!(n_dropped(&r), 7);
}
