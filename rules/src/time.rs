//! Nanoseconds since the epoch as the texts of the time fields.

use std::fmt::Write as _;

const NS: u64 = 1_000_000_000;

/// `HH:MM:SS`, with nine decimals on demand.
pub(crate) fn time_of_day(out: &mut String, ns: u64, utc_offset_s: i32, decimals: bool) {
    let s = shifted_seconds(ns, utc_offset_s).rem_euclid(86_400);
    put(out, format_args!("{:02}:{:02}:{:02}", s / 3600, s / 60 % 60, s % 60));
    if decimals {
        put(out, format_args!(".{:09}", ns % NS));
    }
}

/// `YYYY-MM-DD HH:MM:SS`, with nine decimals on demand.
pub(crate) fn date_time(out: &mut String, ns: u64, utc_offset_s: i32, decimals: bool) {
    date(out, shifted_seconds(ns, utc_offset_s));
    out.push(' ');
    time_of_day(out, ns, utc_offset_s, decimals);
}

/// `YYYY-MM-DDTHH:MM:SS.nnnnnnnnn+0000`.
pub(crate) fn iso8601(out: &mut String, ns: u64) {
    date(out, shifted_seconds(ns, 0));
    out.push('T');
    time_of_day(out, ns, 0, true);
    out.push_str("+0000");
}

fn shifted_seconds(ns: u64, utc_offset_s: i32) -> i64 {
    (ns / NS) as i64 + i64::from(utc_offset_s)
}

/// Proleptic Gregorian date of a day count, by eras of 400 years that begin in March (Howard Hinnant,
/// "chrono-compatible low-level date algorithms").
fn date(out: &mut String, seconds: i64) {
    let days = seconds.div_euclid(86_400) + 719_468;
    let era = days.div_euclid(146_097);
    let day_of_era = days.rem_euclid(146_097);
    let year_of_era =
        (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month_from_march = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * month_from_march + 2) / 5 + 1;
    let month = if month_from_march < 10 { month_from_march + 3 } else { month_from_march - 9 };
    let year = year_of_era + era * 400 + i64::from(month <= 2);
    put(out, format_args!("{year:04}-{month:02}-{day:02}"));
}

fn put(out: &mut String, args: std::fmt::Arguments<'_>) {
    out.write_fmt(args).expect("a String takes all text");
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(ns: u64, expected: &str) {
        let mut out = String::new();
        iso8601(&mut out, ns);
        assert_eq!(out, expected);
    }

    #[test]
    fn dates_are_gregorian() {
        check(0, "1970-01-01T00:00:00.000000000+0000");
        check(951_782_400 * NS + 5, "2000-02-29T00:00:00.000000005+0000");
        check(1_763_780_399 * NS, "2025-11-22T02:59:59.000000000+0000");
        check(u64::MAX, "2554-07-21T23:34:33.709551615+0000");
    }

    #[test]
    fn local_time_is_shifted() {
        let mut out = String::new();
        date_time(&mut out, 1_763_780_399 * NS, -3 * 3600, true);
        assert_eq!(out, "2025-11-21 23:59:59.000000000");
    }
}
