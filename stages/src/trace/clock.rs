//! The time of an event as lines of a trace show it.

use std::cell::Cell;
use std::fmt;

use crate::fields::{Text, put_decimal, put_nine_digits};

const NS: u64 = 1_000_000_000;
const DAY_S: i64 = 86_400;

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
    /// With the point behind it.
    text: Cell<[u8; 9]>,
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

/// Seconds with nine decimals.
fn put_seconds(out: &mut impl Text, ns: i128) {
    if ns < 0 {
        out.put_byte(b'-');
    }
    let ns = ns.unsigned_abs() as u64;
    put_decimal(out, ns / NS);
    out.put_byte(b'.');
    put_nine_digits(out, ns % NS);
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
        let two = |n: u64| [b'0' + (n / 10) as u8, b'0' + (n % 10) as u8];
        let [[h, hh], [m, mm], [s, ss]] = [s / 3600, s / 60 % 60, s % 60].map(two);
        self.text.set([h, hh, b':', m, mm, b':', s, ss, b'.']);
    }

    /// Appends the time of the event at hand.
    pub(super) fn put(&self, out: &mut impl Text) {
        match self.format {
            TimeFormat::TimeOfDay => {
                self.turn();
                out.put(&self.text.get());
                put_nine_digits(out, self.now % NS);
            }
            TimeFormat::Epoch => {
                put_decimal(out, self.now / NS);
                out.put_byte(b'.');
                put_decimal(out, self.now % NS);
            }
            TimeFormat::SinceFirst => {
                put_seconds(out, i128::from(self.now) - i128::from(self.first.unwrap_or(self.now)));
            }
            TimeFormat::Latency => put_seconds(out, 0),
            TimeFormat::SincePrinted => {
                let before = self.printed.get().unwrap_or(self.now);
                put_seconds(out, i128::from(self.now) - i128::from(before));
            }
            TimeFormat::Number => put_decimal(out, self.now),
        }
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
            let mut text = Vec::new();
            clock.put(&mut text);
            assert_eq!(std::str::from_utf8(&text), Ok(expected), "{format:?}");
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
                let mut text = Vec::new();
                clock.put(&mut text);
                assert!(!text.is_empty());
            }
            assert_eq!((clock.since_first(), clock.since_before()), (0, u64::MAX));
        }
    }
}
