//! Points in time and durations as parameters show them.

use std::fmt;
use std::io::Write;

use super::text::Text;

const NS: u64 = 1_000_000_000;
const DAY_S: i64 = 24 * 3600;
/// Digits that C prints of a number with a fraction (`%g`).
const N_DIGITS: i32 = 6;
/// Longer than any such number, with its exponent.
const MAX_LEN: usize = 40;

/// A number of nanoseconds as seconds with six digits, as `%g` of C has them: `0.25s`, `1e-06s`.
pub(super) fn put_seconds(out: &mut impl Text, ns: u64) {
    let seconds = ns as f64 / NS as f64;
    // The exponent is that of the rounded number.
    let mut room = [0; MAX_LEN];
    let scientific = text(&mut room, format_args!("{:.*e}", N_DIGITS as usize - 1, seconds));
    let (digits, exponent) = scientific.split_once('e').unwrap_or((scientific, "0"));
    let exponent: i32 = exponent.parse().unwrap_or(0);
    let written = if (-4..N_DIGITS).contains(&exponent) {
        let n_decimals = (N_DIGITS - 1 - exponent) as usize;
        let mut room = [0; MAX_LEN];
        let fixed = text(&mut room, format_args!("{seconds:.n_decimals$}"));
        write!(out, "{}s", without_zeros(fixed))
    } else {
        let sign = if exponent < 0 { '-' } else { '+' };
        write!(out, "{}e{sign}{:02}s", without_zeros(digits), exponent.abs())
    };
    debug_assert!(written.is_ok(), "memory takes everything");
}

/// What the formatter makes of a number, which fits.
fn text<'r>(room: &'r mut [u8; MAX_LEN], number: fmt::Arguments<'_>) -> &'r str {
    let mut rest = &mut room[..];
    let written = rest.write_fmt(number);
    debug_assert!(written.is_ok(), "a number of six digits is short");
    let n = MAX_LEN - rest.len();
    std::str::from_utf8(&room[..n]).unwrap_or_default()
}

fn without_zeros(number: &str) -> &str {
    if number.contains('.') { number.trim_end_matches('0').trim_end_matches('.') } else { number }
}

/// `2026-01-31 23:59:59.000000000 +0000`.
pub(super) fn put_time(out: &mut impl Text, ns: u64, utc_offset_s: i32) {
    let seconds = (ns / NS) as i64 + i64::from(utc_offset_s);
    let (year, month, day) = date(seconds.div_euclid(DAY_S));
    let of_day = seconds.rem_euclid(DAY_S);
    let sign = if utc_offset_s < 0 { '-' } else { '+' };
    let offset_min = utc_offset_s.unsigned_abs() / 60;
    let written = write!(
        out,
        "{year:04}-{month:02}-{day:02} {:02}:{:02}:{:02}.{:09} {sign}{:02}{:02}",
        of_day / 3600,
        of_day / 60 % 60,
        of_day % 60,
        ns % NS,
        offset_min / 60,
        offset_min % 60,
    );
    debug_assert!(written.is_ok(), "memory takes everything");
}

/// Year, month and day of a day since 1970-01-01. Years begin in March here, so that the leap day is the last.
fn date(days: i64) -> (i64, i64, i64) {
    const DAYS_OF_400_YEARS: i64 = 146_097;
    let days = days + 719_468;
    let era = days.div_euclid(DAYS_OF_400_YEARS);
    let of_era = days.rem_euclid(DAYS_OF_400_YEARS);
    let year = (of_era - of_era / 1460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year + year / 4 - year / 100);
    let month = (5 * of_year + 2) / 153;
    let day = of_year - (153 * month + 2) / 5 + 1;
    let month = if month < 10 { month + 3 } else { month - 9 };
    (era * 400 + year + i64::from(month <= 2), month, day)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(put: impl Fn(&mut Vec<u8>), expected: &str) {
        let mut out = Vec::new();
        put(&mut out);
        assert_eq!(std::str::from_utf8(&out), Ok(expected));
    }

    #[test]
    fn seconds_have_six_digits() {
        for (ns, expected) in [
            (0, "0s"),
            (1, "1e-09s"),
            (1_500, "1.5e-06s"),
            (100_000, "0.0001s"),
            (250_000_000, "0.25s"),
            (NS, "1s"),
            (1_234_567_890, "1.23457s"),
            (999_999_999, "1s"),
            (300 * NS, "300s"),
            (1_000_000 * NS, "1e+06s"),
            (1_234_567 * NS, "1.23457e+06s"),
        ] {
            check(|out| put_seconds(out, ns), expected);
        }
    }

    #[test]
    fn times_are_local() {
        for (seconds, offset, expected) in [
            (0, 0, "1970-01-01 00:00:00.000000007 +0000"),
            (951_782_400, 0, "2000-02-29 00:00:00.000000007 +0000"),
            (951_868_799, 3600, "2000-03-01 00:59:59.000000007 +0100"),
            (1_767_225_599, -34_200, "2025-12-31 14:29:59.000000007 -0930"),
        ] {
            check(|out| put_time(out, seconds * NS + 7, offset), expected);
        }
    }
}
