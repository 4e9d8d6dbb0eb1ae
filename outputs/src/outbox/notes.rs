//! The small files: how far each sink got, and what became of the last run. A line per number, and a checksum.

use std::fmt::Write as _;

use super::AlertId;

/// A text of numbers by name that a half-written file cannot pass for.
fn encode(kind: &str, numbers: &[(&str, u64)]) -> String {
    let mut text = format!("peregrine outbox {kind} 1\n");
    for (name, n) in numbers {
        let _infallible = writeln!(text, "{name} {n}");
    }
    let crc = crc32fast::hash(text.as_bytes());
    let _infallible = writeln!(text, "crc {crc:08x}");
    text
}

fn decode<const N: usize>(text: &str, kind: &str, names: [&str; N]) -> Option<[u64; N]> {
    let mut numbers = [0; N];
    let mut lines = text.lines().skip(1);
    for (n, name) in numbers.iter_mut().zip(names) {
        *n = lines.next()?.strip_prefix(name)?.trim_start().parse().ok()?;
    }
    let pairs: Vec<_> = names.into_iter().zip(numbers).collect();
    (encode(kind, &pairs) == text).then_some(numbers)
}

/// Up to where a sink has everything.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Cursor {
    pub(super) id: AlertId,
    /// When that alert was received; 0 where there was none.
    pub(super) time_ns: u64,
}

impl Cursor {
    pub(super) fn file_name(sink: &str) -> String {
        format!("{sink}.cursor")
    }

    pub(super) fn encode(self) -> String {
        let Self { id: AlertId { epoch, sequence }, time_ns } = self;
        encode("cursor", &[("epoch", epoch), ("sequence", sequence), ("time_ns", time_ns)])
    }

    pub(super) fn decode(text: &str) -> Option<Self> {
        let [epoch, sequence, time_ns] = decode(text, "cursor", ["epoch", "sequence", "time_ns"])?;
        let id = AlertId { epoch, sequence };
        (id == AlertId::default() || id.epoch_is_plausible()).then_some(Self { id, time_ns })
    }
}

/// Which run uses the spool, or used it last.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Run {
    pub(super) epoch: u64,
    /// It has come to its own end.
    pub(super) has_ended: bool,
}

impl Run {
    pub(super) const FILE_NAME: &'static str = "run";

    pub(super) fn encode(self) -> String {
        let Self { epoch, has_ended } = self;
        encode("run", &[("epoch", epoch), ("ended", has_ended.into())])
    }

    pub(super) fn decode(text: &str) -> Option<Self> {
        let [epoch, has_ended] = decode(text, "run", ["epoch", "ended"])?;
        let is_one = AlertId { epoch, sequence: 0 }.epoch_is_plausible();
        is_one.then_some(Self { epoch, has_ended: has_ended == 1 })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_written_is_read_and_anything_else_is_not() {
        let cursor = Cursor { id: AlertId { epoch: 17, sequence: 4 }, time_ns: 99 };
        let text = cursor.encode();
        assert!(
            text.starts_with("peregrine outbox cursor 1\nepoch 17\nsequence 4\ntime_ns 99\ncrc "),
            "{text}"
        );
        assert_eq!(Cursor::decode(&text), Some(cursor));
        assert_eq!(Run::decode(&text), None);
        for len in 0..text.len() {
            assert_eq!(Cursor::decode(&text[..len]), None, "{len} bytes");
        }
        assert_eq!(Cursor::decode(&text.replace("17", "18")), None);
        assert_eq!(Cursor::decode(&format!("{text}\n")), None);
        for run in [Run { epoch: 3, has_ended: true }, Run { epoch: 4, has_ended: false }] {
            assert_eq!(Run::decode(&run.encode()), Some(run));
        }
    }
}
