//! What is tried with bytes that claim to be a segment of the outbox.

use std::time::Duration;

use outputs::{Fsync, Next, Outbox, OutboxSettings};
use perf::{Moment, Registry};

/// Opens an outbox with the bytes in it, reads it to its end and opens it again: whatever they are, nothing panics, ids rise, the counts
/// balance, and nothing that was delivered comes again.
pub(crate) fn outbox(input: &[u8]) {
    let dir = tempfile::tempdir().expect("a directory");
    let path = dir.path().join(format!("{:020}.seg", 7));
    std::fs::write(&path, input).expect("room on the disk");
    let settings = OutboxSettings {
        directory: dir.path().to_owned(),
        max_bytes: 1 << 20,
        segment_bytes: 4096,
        fsync: Fsync::Never,
    };
    let mut registry = Registry::new();
    let Ok(mut opened) = Outbox::open(&settings, &["sink"]) else { return };
    opened.outbox.register(&mut registry);
    let n_found = opened.outbox.recovery().n_records;
    let id = opened.outbox.next_id();
    opened.outbox.push(id, "new".to_owned()).expect("room in memory");
    drop(opened.outbox);
    let mut reader = opened.readers.remove(0);
    let (mut n_read, mut last) = (0, outputs::AlertId::default());
    while reader.next(7, 1 << 20, Duration::from_mins(1)) == Next::Batch {
        for record in reader.batch() {
            assert!(record.id > last, "ids rise");
            last = record.id;
            n_read += 1;
        }
        reader.delivered(usize::MAX);
    }
    assert_eq!((n_read, last), (n_found + 1, id), "what was found is delivered");
    drop(reader);
    let s = registry.snapshot(Moment::Final);
    assert!(s.balances(), "{}", s.table());
    let again = Outbox::open(&settings, &["sink"]).expect("as before");
    assert_eq!(again.outbox.recovery().n_records, 0, "nothing is left");
}
