//! A snapshot as text: what `peregrine stats` and the end of a run print.

use std::cmp::Reverse;
use std::collections::BTreeMap;
use std::fmt::Write as _;

use crate::equation::{EquationReport, Term};
use crate::hop::{HopReport, Reason};
use crate::load::LoadReport;
use crate::snapshot::{LatencyReport, Loss, SetAside, Snapshot};

/// Lines of losses in the text; causes times CPUs times event types can be thousands.
const MAX_LOSSES: usize = 20;
/// Lines of what was set aside.
const MAX_SET_ASIDE: usize = 10;

pub(crate) fn render(snapshot: &Snapshot) -> String {
    let Snapshot {
        at_ns: _,
        interval_ns,
        moment: _,
        hops,
        loads,
        latencies,
        equations,
        losses,
        set_aside,
        counters: _,
        levels: _,
        notes,
    } = snapshot;
    let mut sections = Vec::new();
    if let Some(ns) = interval_ns {
        sections.push(format!("interval {}\n", duration(*ns)));
    }
    sections.push(hop_table(hops, *interval_ns));
    if !loads.is_empty() {
        sections.push(load_table(loads, *interval_ns));
    }
    if !losses.is_empty() {
        sections.push(loss_table(losses));
    }
    if !set_aside.is_empty() {
        sections.push(set_aside_table(set_aside));
    }
    if !latencies.is_empty() {
        let head = ["latency", "n", "sampled", "p50", "p99", "p99.9", "max"];
        sections.push(columns(&head, "<>>>>>>", latencies.iter().map(latency_row)));
    }
    if !equations.is_empty() {
        let head = ["equation", "verdict", "numbers"];
        sections.push(columns(&head, "<<<", equations.iter().map(equation_row)));
    }
    if !notes.is_empty() {
        sections.push(notes.iter().fold(String::new(), |s, note| s + "note: " + note + "\n"));
    }
    sections.join("\n")
}

fn hop_table(hops: &[HopReport], interval_ns: Option<u64>) -> String {
    let head = match interval_ns {
        Some(_) => ["hop", "in/s", "out/s", "dropped", "depth", "reasons"],
        None => ["hop", "in", "out", "dropped", "depth", "reasons"],
    };
    let row = |h: &HopReport| {
        let HopReport { name, input, output, aside, dropped, depth } = h;
        let depth = depth.map_or_else(|| "-".to_owned(), |d| d.to_string());
        let reasons = |list: &[Reason]| {
            let some = list.iter().filter(|r| r.n != 0);
            some.map(|r| format!("{} {}", r.reason, r.n)).collect::<Vec<_>>().join(", ")
        };
        let (aside, lost) = (reasons(aside), reasons(dropped));
        let reasons = match (aside.is_empty(), lost.is_empty()) {
            (_, true) => aside,
            (true, false) => format!("lost: {lost}"),
            (false, false) => format!("{aside}; lost: {lost}"),
        };
        let n_dropped = h.n_dropped().to_string();
        let [input, output] = [*input, *output].map(|n| rate(n, interval_ns));
        vec![name.clone(), input, output, n_dropped, depth, reasons]
    };
    columns(&head, "<>>>><", hops.iter().map(row))
}

/// A count, or in an interval the count of a second.
fn rate(n: u64, interval_ns: Option<u64>) -> String {
    match interval_ns {
        Some(ns) if ns > 0 => format!("{:.0}", n as f64 * 1e9 / ns as f64),
        _ => n.to_string(),
    }
}

fn load_table(loads: &[LoadReport], interval_ns: Option<u64>) -> String {
    let frames = if interval_ns.is_some() { "frames/s" } else { "frames" };
    let percent = |part: f64| format!("{:.1} %", part * 100.0);
    let row = |load: &LoadReport| {
        let LoadReport { name, n_frames, share, ran_ns: _, cpu_ns: _, busy, waiting } = load;
        let busy = busy.map_or_else(|| "-".to_owned(), percent);
        let waiting = waiting.map_or_else(|| "-".to_owned(), |n| n.to_string());
        vec![name.clone(), rate(*n_frames, interval_ns), percent(*share), busy, waiting]
    };
    columns(&["thread", frames, "share", "busy", "waiting"], "<>>>>", loads.iter().map(row))
}

/// The largest losses first; what a screen cannot show is summed up.
fn loss_table(losses: &[Loss]) -> String {
    let mut sorted: Vec<&Loss> = losses.iter().collect();
    sorted.sort_by_key(|l| Reverse(l.n));
    let (shown, rest) = sorted.split_at(sorted.len().min(MAX_LOSSES));
    let rows = shown.iter().map(|Loss { name, cpu, event_type, n }| {
        let cpu = cpu.map_or_else(|| "-".to_owned(), |c| c.to_string());
        vec![name.clone(), cpu, event_type.clone(), n.to_string()]
    });
    let mut text = columns(&["lost", "cpu", "event type", "n"], "<><>", rows);
    if !rest.is_empty() {
        let n: u64 = rest.iter().map(|l| l.n).sum();
        let _ = writeln!(text, "and {n} more in {} lines that only the JSON form has", rest.len());
    }
    text
}

/// The event types of which most was set aside, and for each the CPU that did most of it.
fn set_aside_table(all: &[SetAside]) -> String {
    let mut by_type: BTreeMap<(&str, &str), (u64, &SetAside)> = BTreeMap::new();
    for one in all {
        let (sum, most) = by_type.entry((&one.name, &one.event_type)).or_insert((0, one));
        *sum += one.n;
        if one.n > most.n {
            *most = one;
        }
    }
    let mut sorted: Vec<_> = by_type.into_iter().collect();
    sorted.sort_by_key(|(_, (sum, _))| Reverse(*sum));
    let (shown, rest) = sorted.split_at(sorted.len().min(MAX_SET_ASIDE));
    let rows = shown.iter().map(|((name, event_type), (sum, most))| {
        let [name, event_type] = [name, event_type].map(|text| (*text).to_owned());
        vec![name, event_type, sum.to_string(), most.cpu.to_string(), most.n.to_string()]
    });
    let head = ["set aside", "event type", "n", "most on cpu", "n there"];
    let mut text = columns(&head, "<<>>>", rows);
    if !rest.is_empty() {
        let n: u64 = rest.iter().map(|(_, (sum, _))| sum).sum();
        let _ = writeln!(text, "and {n} more of {} event types", rest.len());
    }
    text
}

fn latency_row(l: &LatencyReport) -> Vec<String> {
    let LatencyReport { name, sampled_1_in, n, p50_ns, p99_ns, p999_ns, max_ns, histogram: _ } = l;
    let sampled =
        if *sampled_1_in <= 1 { "all".to_owned() } else { format!("1 in {sampled_1_in}") };
    let mut row = vec![name.clone(), n.to_string(), sampled];
    let time = |ns: u64| if *n == 0 { "-".to_owned() } else { duration(ns) };
    row.extend([*p50_ns, *p99_ns, *p999_ns, *max_ns].map(time));
    row
}

fn equation_row(e: &EquationReport) -> Vec<String> {
    let EquationReport { title, left, right, in_flight, difference, unexplained, holds } = e;
    let verdict = match (holds, unexplained) {
        (true, _) => "holds".to_owned(),
        (false, 0) => "UNKNOWN".to_owned(),
        (false, n) => format!("UNEXPLAINED {n}"),
    };
    let sum = |terms: &[Term]| {
        let ns: Vec<String> = terms.iter().map(|t| t.n.to_string()).collect();
        if ns.is_empty() { "0".to_owned() } else { ns.join(" + ") }
    };
    let mut numbers = format!("{} = {}", sum(left), sum(right));
    if !in_flight.is_empty() {
        let _ = write!(numbers, " + {} in flight", sum(in_flight));
    }
    if *holds && *difference != 0 {
        let _ = write!(numbers, ", {difference} in hand or between two readings");
    }
    vec![title.clone(), verdict, numbers]
}

/// A duration with three significant digits and the unit that suits it.
fn duration(ns: u64) -> String {
    let units = [("s", 1e9), ("ms", 1e6), ("us", 1e3)];
    let ns = ns as f64;
    let Some((unit, size)) = units.into_iter().find(|(_, size)| ns >= *size) else {
        return format!("{ns} ns");
    };
    let n = ns / size;
    let digits = if n < 10.0 { 2 } else { usize::from(n < 100.0) };
    format!("{n:.digits$} {unit}")
}

/// A table: `align` has `<` or `>` per column, two spaces stand between columns, no line ends in blanks.
fn columns(head: &[&str], align: &str, rows: impl Iterator<Item = Vec<String>>) -> String {
    let mut all = vec![head.iter().map(|&h| h.to_owned()).collect::<Vec<_>>()];
    all.extend(rows);
    let width = |column: usize| {
        all.iter().map(|r| r.get(column).map_or(0, |c| c.chars().count())).max().unwrap_or(0)
    };
    let widths: Vec<usize> = (0..head.len()).map(width).collect();
    let mut out = String::new();
    for row in &all {
        let mut line = String::new();
        for ((cell, &w), side) in row.iter().zip(&widths).zip(align.chars()) {
            let _ = match side {
                '>' => write!(line, "{cell:>w$}  "),
                _ => write!(line, "{cell:<w$}  "),
            };
        }
        out.push_str(line.trim_end());
        out.push('\n');
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_have_three_digits_and_a_unit() {
        let check = |ns, expected: &str| assert_eq!(duration(ns), expected);
        check(0, "0 ns");
        check(999, "999 ns");
        check(1_000, "1.00 us");
        check(45_678, "45.7 us");
        check(123_456_789, "123 ms");
        check(61_000_000_000, "61.0 s");
    }

    #[test]
    fn the_largest_losses_are_shown_and_the_others_summed() {
        let loss = |n| Loss { name: "r".into(), cpu: Some(n as u16), event_type: "t".into(), n };
        let losses: Vec<Loss> = (1..=25).map(loss).collect();
        let text = loss_table(&losses);
        assert_eq!(text.lines().nth(1), Some("r      25  t           25"));
        assert_eq!(text.lines().count(), 1 + MAX_LOSSES + 1);
        assert!(text.ends_with("and 15 more in 5 lines that only the JSON form has\n"), "{text}");
        assert_eq!(loss_table(&losses[..20]).lines().count(), 21);
    }

    #[test]
    fn types_of_which_most_was_set_aside_are_told_with_their_busiest_cpu() {
        let aside = |event_type: &str, cpu, n| SetAside {
            name: "kernel.rejected".into(),
            cpu,
            event_type: event_type.into(),
            n,
        };
        let all = [aside("connect", 3, 20), aside("openat", 0, 400), aside("openat", 1, 600)];
        assert_eq!(
            set_aside_table(&all),
            "set aside        event type     n  most on cpu  n there\n\
             kernel.rejected  openat      1000            1      600\n\
             kernel.rejected  connect       20            3       20\n"
        );
        let many: Vec<SetAside> = (1..=12).map(|n| aside(&format!("type {n}"), 0, n)).collect();
        let text = set_aside_table(&many);
        assert_eq!(text.lines().count(), 1 + MAX_SET_ASIDE + 1);
        assert!(text.ends_with("and 3 more of 2 event types\n"), "{text}");
    }

    #[test]
    fn threads_are_told_with_share_busy_time_and_what_waits() {
        let load = |name: &str, n_frames, share, busy, waiting| LoadReport {
            name: name.into(),
            n_frames,
            share,
            ran_ns: None,
            cpu_ns: None,
            busy,
            waiting,
        };
        let loads = [
            load("cap-0", 4000, 1.0, Some(0.0712), None),
            load("shard-0", 1000, 0.25, None, Some(0)),
            load("shard-1", 3000, 0.75, Some(0.998), Some(1536)),
        ];
        assert_eq!(
            load_table(&loads, None),
            "thread   frames    share    busy  waiting\n\
             cap-0      4000  100.0 %   7.1 %        -\n\
             shard-0    1000   25.0 %       -        0\n\
             shard-1    3000   75.0 %  99.8 %     1536\n"
        );
        let text = load_table(&loads[2..], Some(2_000_000_000));
        assert_eq!(text.lines().nth(1), Some("shard-1      1500  75.0 %  99.8 %     1536"));
    }

    #[test]
    fn columns_align_and_lines_end_clean() {
        let rows = [vec!["ab".into(), "1".into()], vec!["c".into(), "1234".into()]];
        let text = columns(&["n", "x"], "<>", rows.into_iter());
        assert_eq!(text, "n      x\nab     1\nc   1234\n");
        let rows = [vec!["u".into(), String::new()]];
        assert_eq!(columns(&["t", ""], "<<", rows.into_iter()), "t\nu\n");
    }
}
