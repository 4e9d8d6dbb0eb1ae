//! Keys below `peregrine.outputs`: those that every sink has, and those of one alone.

use super::Kind::{Bool, Text, Whole, Word};
use super::{Key, Kind};

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
            Key::new(
                concat!("peregrine.outputs.", $sink, ".durable"),
                Bool,
                "false",
                "Alerts for it go to disk first (docs/outbox.md): they survive a receiver that is down and an agent that is killed, and come at least once, with an id. Its queue is then not used.",
            ),
        ]
    };
}

/// Milliseconds that a sink may be kept waiting for.
const TIMEOUT: Kind = Whole(1, 600_000);

const PROGRAM: &[Key] = &[Key::new(
    "peregrine.outputs.program.timeout_ms",
    TIMEOUT,
    "10000",
    "Milliseconds after which a program that reads nothing, or does not end, is killed, and its alert tried again.",
)];

#[rustfmt::skip]
const SYSLOG: &[Key] = &[
    Key::new("peregrine.outputs.syslog.address", Text, "unix:///dev/log",
        "Where to: unix://PATH in the form of syslog(3), or udp://HOST:PORT, tcp://HOST:PORT, tls://HOST:PORT in that of RFC 5424."),
    Key::new("peregrine.outputs.syslog.facility", Word(FACILITIES), "user", "What alerts are filed under."),
    Key::new("peregrine.outputs.syslog.app_name", Text, "peregrine", "What messages call the program."),
    // The head of a message may have some 900.
    Key::new("peregrine.outputs.syslog.max_bytes", Whole(1024, 65_507), "8192",
        "Bytes of a message; of a longer one the text is cut and says so, or the texts in its JSON. rsyslog takes 8192 without being told otherwise."),
    Key::new("peregrine.outputs.syslog.timeout_ms", TIMEOUT, "5000",
        "Milliseconds for a connection to come about, and for each write."),
    Key::new("peregrine.outputs.syslog.tls_ca", Text, "/etc/ssl/certs",
        "Certificates of those who sign servers', a file or a directory."),
    Key::new("peregrine.outputs.syslog.tls_cert", Text, "\"\"", "Certificate that is shown to the server; empty: none."),
    Key::new("peregrine.outputs.syslog.tls_key", Text, "\"\"", "Its key."),
];

const FACILITIES: &[&str] = &[
    "kern", "user", "mail", "daemon", "auth", "syslog", "lpr", "news", "uucp", "cron", "authpriv",
    "ftp", "local0", "local1", "local2", "local3", "local4", "local5", "local6", "local7",
];

#[rustfmt::skip]
const HTTP: &[Key] = &[
    Key::new("peregrine.outputs.http.timeout_ms", TIMEOUT, "10000",
        "Milliseconds that a post with its answer may take."),
    Key::new("peregrine.outputs.http.connect_timeout_ms", TIMEOUT, "3000",
        "Milliseconds that connecting may take, the handshake of TLS included."),
    Key::new("peregrine.outputs.http.batch_alerts", Whole(1, 512), "1",
        "Alerts that one post may have; 1 posts each by itself, as Falco does."),
    Key::new("peregrine.outputs.http.batch_bytes", Whole(1024, 64 << 20), "524288",
        "Bytes that a post of several may have, before compression."),
    Key::new("peregrine.outputs.http.batch_format", Word(&["lines", "array"]), "lines",
        "Form of a post of several JSON alerts: a line each (application/x-ndjson), or a JSON array."),
    Key::new("peregrine.outputs.http.linger_ms", Whole(0, 60_000), "0",
        "Milliseconds that the first alert of a post waits for others, where batch_alerts is more than 1."),
];

/// By sink.
pub(super) const KEYS: [&[Key]; 8] = [
    keys!("stdout"),
    keys!("file"),
    SYSLOG,
    keys!("syslog"),
    PROGRAM,
    keys!("program"),
    HTTP,
    keys!("http"),
];

#[cfg(test)]
mod tests {
    use outputs::Facility;

    use super::*;

    #[test]
    fn facilities_are_those_that_there_are() {
        assert_eq!(Facility::ALL.map(|(name, _)| name), FACILITIES);
    }
}
