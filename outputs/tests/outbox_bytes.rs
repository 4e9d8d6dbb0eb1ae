//! Segments that are none: made-up ones, and what fuzzing found (`fuzz/run 600 outbox`).

mod fuzzing;

#[test]
fn no_bytes_in_a_segment_stop_the_outbox() {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/regressions/outbox");
    for entry in std::fs::read_dir(folder).unwrap() {
        fuzzing::outbox(&std::fs::read(entry.unwrap().path()).unwrap());
    }
    for bytes in [&b""[..], b"\xff", &[0xff; 9000], &[0; 9000], b"\xffPGRNOB\n"] {
        fuzzing::outbox(bytes);
    }
}
