//! The time of an event as lines of a trace show it.

use std::cell::Cell;
use std::fmt;

const NS: u64 = 1_000_000_000;
const DAY_S: i64 = 86_400;
/// Longest text: twenty digits, a point, nine digits, a sign.
const MAX_LEN: usize = 32;

/// What `evt.outputtime` shows.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum TimeFormat {
    /// Local time of day with nanoseconds.
    #[default]
    TimeOfDay,
    /// Seconds since the epoch, a point, and nanoseconds without leading zeros, as Sysdig prints them.
    Epoch,
    /// Seconds since the first event of the file.
    SinceFirst,
    /// How long the call took. Events tell of it when they return only, so that it is always zero.
    Latency,
    /// Seconds since the event that was printed before.
    SincePrinted,
    /// Nanoseconds since the epoch, as a number.
    Number,
}

/// Local time less UTC, in seconds, as of a second since the epoch.
pub type UtcOffset = Box<dyn Fn(i64) -> i32 + Send>;

/// Where a trace is in time.
pub(super) struct Clock {
    format: TimeFormat,
    utc_offset: UtcOffset,
    /// The second whose text is kept; none yet where there is no text.
    second: Cell<u64>,
    text: Cell<[u8; 8]>,
    offset_s: Cell<i32>,
    first: Option<u64>,
    /// The event before the one at hand, and that one.
    before: u64,
    now: u64,
    printed: Cell<Option<u64>>,
}

impl fmt::Debug for Clock {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Clock")
            .field("format", &self.format)
            .field("now", &self.now)
            .finish_non_exhaustive()
    }
}

/// A short text.
#[derive(Clone, Copy, Debug)]
pub(super) struct TimeText {
    bytes: [u8; MAX_LEN],
    len: usize,
}

impl TimeText {
    pub(super) fn as_bytes(&self) -> &[u8] {
        &self.bytes[..self.len]
    }

    const fn new() -> Self {
        Self { bytes: [0; MAX_LEN], len: 0 }
    }

    fn put(&mut self, text: &[u8]) {
        self.bytes[self.len..self.len + text.len()].copy_from_slice(text);
        self.len += text.len();
    }

    /// Appends a number in at least `width` digits.
    fn put_number(&mut self, mut n: u64, width: usize) {
        let mut digits = [b'0'; 20];
        let mut at = digits.len();
        while n > 0 {
            at -= 1;
            digits[at] = b'0' + (n % 10) as u8;
            n /= 10;
        }
        self.put(&digits[at.min(digits.len() - width)..]);
    }

    /// Seconds with nine decimals.
    fn put_seconds(&mut self, ns: i128) {
        if ns < 0 {
            self.put(b"-");
        }
        let ns = ns.unsigned_abs() as u64;
        self.put_number(ns / NS, 1);
        self.put(b".");
        self.put_number(ns % NS, 9);
    }
}

impl Clock {
    pub(super) fn new(format: TimeFormat, utc_offset: UtcOffset) -> Self {
        Self {
            format,
            utc_offset,
            second: Cell::new(u64::MAX),
            text: Cell::default(),
            offset_s: Cell::new(0),
            first: None,
            before: 0,
            now: 0,
            printed: Cell::new(None),
        }
    }

    /// Goes on to the next event.
    #[inline]
    pub(super) fn tick(&mut self, ts: u64) {
        if self.first.is_none() {
            self.first = Some(ts);
            self.now = ts;
        }
        self.before = std::mem::replace(&mut self.now, ts);
    }

    /// Notes that the event at hand was printed.
    pub(super) fn printed(&self) {
        self.printed.set(Some(self.now));
    }

    /// Time of the first event.
    pub(super) fn first(&self) -> Option<u64> {
        self.first
    }

    /// Nanoseconds since the first event; none where the clock was set back.
    pub(super) fn since_first(&self) -> u64 {
        self.now.saturating_sub(self.first.unwrap_or(self.now))
    }

    /// Nanoseconds since the event before.
    pub(super) fn since_before(&self) -> u64 {
        self.now.saturating_sub(self.before)
    }

    /// Local time less UTC, now.
    pub(super) fn utc_offset_s(&self) -> i32 {
        self.turn();
        self.offset_s.get()
    }

    /// Whether times are numbers.
    pub(super) fn is_number(&self) -> bool {
        self.format == TimeFormat::Number
    }

    /// Makes the texts those of the second at hand.
    #[inline]
    fn turn(&self) {
        let second = self.now / NS;
        if self.second.get() != second {
            self.new_second(second);
        }
    }

    #[inline(never)]
    fn new_second(&self, second: u64) {
        self.second.set(second);
        let second = second as i64;
        let offset_s = (self.utc_offset)(second);
        self.offset_s.set(offset_s);
        let s = (second + i64::from(offset_s)).rem_euclid(DAY_S) as u64;
        let mut text = TimeText::new();
        for (n, part) in [s / 3600, s / 60 % 60, s % 60].into_iter().enumerate() {
            if n > 0 {
                text.put(b":");
            }
            text.put_number(part, 2);
        }
        if let Some(text) = text.as_bytes().as_array() {
            self.text.set(*text);
        }
    }

    /// The time of the event at hand.
    pub(super) fn show(&self) -> TimeText {
        let mut text = TimeText::new();
        match self.format {
            TimeFormat::TimeOfDay => {
                self.turn();
                text.put(&self.text.get());
                text.put(b".");
                text.put_number(self.now % NS, 9);
            }
            TimeFormat::Epoch => {
                text.put_number(self.now / NS, 1);
                text.put(b".");
                text.put_number(self.now % NS, 1);
            }
            TimeFormat::SinceFirst => {
                text.put_seconds(i128::from(self.now) - i128::from(self.first.unwrap_or(self.now)));
            }
            TimeFormat::Latency => text.put_seconds(0),
            TimeFormat::SincePrinted => {
                let before = self.printed.get().unwrap_or(self.now);
                text.put_seconds(i128::from(self.now) - i128::from(before));
            }
            TimeFormat::Number => text.put_number(self.now, 1),
        }
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(format: TimeFormat, expected: [&str; 3]) {
        let mut clock = Clock::new(format, Box::new(|_| 3600));
        let times =
            [1_700_000_100_000_001_000, 1_700_000_100_999_999_999, 1_700_000_099_000_000_000];
        for (ts, expected) in times.into_iter().zip(expected) {
            clock.tick(ts);
            assert_eq!(std::str::from_utf8(clock.show().as_bytes()), Ok(expected), "{format:?}");
            if ts % 10 == 9 {
                clock.printed();
            }
        }
    }

    #[test]
    fn times_are_as_the_option_has_them() {
        check(
            TimeFormat::TimeOfDay,
            ["23:15:00.000001000", "23:15:00.999999999", "23:14:59.000000000"],
        );
        check(TimeFormat::Epoch, ["1700000100.1000", "1700000100.999999999", "1700000099.0"]);
        check(TimeFormat::SinceFirst, ["0.000000000", "0.999998999", "-1.000001000"]);
        check(TimeFormat::SincePrinted, ["0.000000000", "0.000000000", "-1.999999999"]);
        check(TimeFormat::Latency, ["0.000000000"; 3]);
    }

    #[test]
    fn the_longest_times_fit() {
        for format in [TimeFormat::Epoch, TimeFormat::SinceFirst, TimeFormat::Number] {
            let mut clock = Clock::new(format, Box::new(|_| 0));
            for ts in [u64::MAX, 0, u64::MAX] {
                clock.tick(ts);
                assert!(!clock.show().as_bytes().is_empty());
            }
            assert_eq!((clock.since_first(), clock.since_before()), (0, u64::MAX));
        }
    }
}
