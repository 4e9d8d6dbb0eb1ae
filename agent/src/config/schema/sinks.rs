//! Keys that every sink has, below `peregrine.outputs`.

use super::Key;
use super::Kind::Whole;

macro_rules! keys {
    ($sink:literal) => {
        &[
            Key::new(
                concat!("peregrine.outputs.", $sink, ".queue_alerts"),
                Whole(1, 1 << 20),
                "null",
                "Alerts that wait for it at most; in a live run one that finds no room is counted as lost, a replay waits. null takes outputs_queue.capacity, else 16384.",
            ),
            Key::new(
                concat!("peregrine.outputs.", $sink, ".queue_bytes"),
                Whole(64 << 10, 1 << 40),
                "16777216",
                "Bytes of them.",
            ),
            Key::new(
                concat!("peregrine.outputs.", $sink, ".retry_first_ms"),
                Whole(1, 3_600_000),
                "100",
                "Milliseconds until what could not be delivered is tried again; each further wait is twice as long, and up to half of it is left out by chance.",
            ),
            Key::new(
                concat!("peregrine.outputs.", $sink, ".retry_longest_ms"),
                Whole(1, 3_600_000),
                "10000",
                "The longest such wait.",
            ),
            Key::new(
                concat!("peregrine.outputs.", $sink, ".max_attempts"),
                Whole(0, u32::MAX as u64),
                "0",
                "Attempts after which an alert is given up and counted as lost; 0 never gives up.",
            ),
        ]
    };
}

/// By sink.
pub(super) const KEYS: [&[Key]; 2] = [keys!("stdout"), keys!("file")];
