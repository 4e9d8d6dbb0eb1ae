//! The result: samples by the part of the run, verdicts, and what arrived.

use std::time::Duration;

use serde::Serialize;

use super::judge::Verdict;
use super::load::Done;
use super::node::{End, Sample};

/// Rows of the table of samples.
const N_ROWS: usize = 12;

/// A whole run.
#[derive(Debug, Serialize)]
pub(super) struct Report {
    pub(super) duration: Duration,
    /// What came before was not judged.
    pub(super) warm_up: Duration,
    #[serde(flatten)]
    pub(super) done: Done,
    /// Processes of the load that had to be ended.
    pub(super) n_left: usize,
    #[serde(flatten)]
    pub(super) end: End,
    pub(super) verdicts: Vec<Verdict>,
    /// Everything that did not hold, beside the verdicts.
    #[serde(rename = "all_troubles")]
    pub(super) troubles: Vec<String>,
}

impl Report {
    /// Whether all held.
    pub(super) fn holds(&self) -> bool {
        self.troubles.is_empty() && self.verdicts.iter().all(|v| v.holds)
    }

    pub(super) fn print(&self) {
        let Self { duration, warm_up, done, n_left, end, verdicts, troubles } = self;
        println!(
            "{:>7} {:>9} {:>9} {:>4} {:>4} {:>8} {:>10} {:>8} {:>8} {:>7} {:>7} {:>6}",
            "second",
            "resident",
            "anon kB",
            "fds",
            "thr",
            "CPU ms/s",
            "captured/s",
            "lost",
            "process",
            "waiting",
            "outbox",
            "ns/ev"
        );
        let n = end.during.samples.len();
        for i in 0..N_ROWS.min(n) {
            // From the last sample of the row before.
            let (from, to) = (n * i / N_ROWS, n * (i + 1) / N_ROWS);
            println!(
                "{}",
                row(&end.during.samples[from.saturating_sub(1)..to.max(from + 1).min(n)])
            );
        }
        println!();
        for Verdict { what, holds, first, last, found } in verdicts {
            let verdict = if *holds { "flat" } else { "NOT FLAT" };
            println!("{what}: {verdict}: {first} in the first third, {last} in the last; {found}");
        }
        println!(
            "{} turns of the load in {} s (the first {} s are not judged), {} commands ended badly, {n_left} processes left over and ended",
            done.turns,
            duration.as_secs(),
            warm_up.as_secs(),
            done.failed
        );
        println!(
            "{} alerts in the file of {} generations, {} at the receiver ({} of them twice) that was down {} times, {} markers, {} recordings",
            end.during.n_in_file,
            end.during.n_rotations + 1,
            end.n_received,
            end.n_again,
            end.during.n_outages,
            done.markers,
            end.during.n_recordings
        );
        println!(
            "asked {} times, scraped {} times, rules changed {} times; most memory ever {} kB",
            end.during.n_asked, end.during.n_scrapes, end.during.n_reloads, end.peak_kb
        );
        if let (Some(first), Some(last)) = (end.during.samples.first(), end.during.samples.last()) {
            println!(
                "{} events seen, {} captured, {} lost; agent used {:.1} s of CPU in {:.0} s",
                last.n_seen,
                last.n_captured,
                last.n_lost,
                (last.cpu_ms - first.cpu_ms) as f64 / 1e3,
                last.at_s - first.at_s
            );
        }
        for row in end.last_words.rows("lost") {
            println!("  lost: {row}");
        }
        for (name, n) in &end.lost {
            println!("  {name} {n}");
        }
        println!("{} equations at the end", end.last_words.equations().0);
        for trouble in troubles {
            println!("  FAILED: {trouble}");
        }
        let n_failed = usize::from(!self.holds());
        println!("soak: {} passed, {n_failed} failed, 0 skipped", 1 - n_failed);
    }
}

/// The last sample of some, with what went on between them.
fn row(of: &[Sample]) -> String {
    let (Some(first), Some(last)) = (of.first(), of.last()) else { return String::new() };
    let seconds = (last.at_s - first.at_s).max(f64::MIN_POSITIVE);
    let a_second = |n: u64| n as f64 / seconds;
    let cpu_ms = last.cpu_ms - first.cpu_ms;
    let n_captured = last.n_captured - first.n_captured;
    format!(
        "{:>7.0} {:>9} {:>9} {:>4} {:>4} {:>8.0} {:>10.0} {:>8} {:>8} {:>7} {:>7} {:>6.0}",
        last.at_s,
        last.resident_kb,
        last.anonymous_kb,
        last.n_descriptors,
        last.n_threads,
        a_second(cpu_ms),
        a_second(n_captured),
        last.n_lost,
        last.n_processes,
        last.n_waiting,
        last.outbox_kb,
        cpu_ms as f64 * 1e6 / n_captured.max(1) as f64
    )
}
