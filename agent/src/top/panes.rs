//! The panes: what each shows of a sight, as tables of text that the screen and `--batch` lay out.

use std::cmp::{Ordering, Reverse};

use perf::{HopReport, LatencyReport, LoadReport, Reason};

use super::sight::Sight;
use crate::request::{AlertLine, SampledCall, SampledContainer, SampledProcess};

/// What one looks at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Pane {
    Pipeline,
    Processes,
    Events,
    Containers,
    Rules,
    Alerts,
    Losses,
}

impl Pane {
    pub(super) const ALL: [Self; 7] = [
        Self::Pipeline,
        Self::Processes,
        Self::Events,
        Self::Containers,
        Self::Rules,
        Self::Alerts,
        Self::Losses,
    ];

    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Pipeline => "pipeline",
            Self::Processes => "processes",
            Self::Events => "events",
            Self::Containers => "containers",
            Self::Rules => "rules",
            Self::Alerts => "alerts",
            Self::Losses => "losses",
        }
    }

    /// Whether it is of the sample, which is what a filter picks from.
    pub(super) fn is_sampled(self) -> bool {
        matches!(self, Self::Processes | Self::Events | Self::Containers)
    }

    /// Its columns that rows can be sorted by; the first is what they are sorted by unless told otherwise.
    pub(super) fn sorts(self) -> &'static [&'static str] {
        match self {
            Self::Pipeline | Self::Alerts => &[],
            Self::Processes => &["events/s", "pid", "name", "user", "container"],
            Self::Events => &["events/s", "failed/s", "event"],
            Self::Containers => &["events/s", "container", "name", "image"],
            Self::Rules => &["matches/s", "total", "rule"],
            Self::Losses => &["lost/s", "where", "cpu", "event"],
        }
    }
}

/// Which side a column's texts stand at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Side {
    Left,
    Right,
}

/// A column: its head, its side, and the most that it takes of the screen; the last column takes what is left.
pub(super) type Column = (&'static str, Side, usize);

/// Rows under their heads.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Table {
    pub(super) columns: &'static [Column],
    pub(super) rows: Vec<Vec<String>>,
    /// What there is to say where there are no rows.
    pub(super) when_empty: &'static str,
}

/// How rows are sorted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Sorting {
    /// Place in [`Pane::sorts`].
    pub(super) by: usize,
    pub(super) is_reversed: bool,
}

/// The tables of a pane. `local_offset` gives the seconds by which local time is ahead at a second since the epoch.
pub(super) fn tables(
    pane: Pane,
    sight: &Sight,
    sorting: Sorting,
    local_offset: &dyn Fn(i64) -> i32,
) -> Vec<Table> {
    let by = pane.sorts().get(sorting.by).copied().unwrap_or_default();
    let mut tables = match pane {
        Pane::Pipeline => return vec![hops(sight), latencies(sight), threads(sight)],
        Pane::Processes => vec![processes(sight, by)],
        Pane::Events => vec![events(sight, by)],
        Pane::Containers => vec![containers(sight, by)],
        Pane::Rules => vec![rules(sight, by)],
        Pane::Alerts => return vec![alerts(sight, local_offset)],
        Pane::Losses => vec![losses(sight, by)],
    };
    if sorting.is_reversed {
        for table in &mut tables {
            table.rows.reverse();
        }
    }
    tables
}

fn hops(sight: &Sight) -> Table {
    const COLUMNS: &[Column] = &[
        ("hop", Side::Left, 13),
        ("in/s", Side::Right, 7),
        ("out/s", Side::Right, 7),
        ("lost/s", Side::Right, 7),
        ("depth", Side::Right, 6),
        ("of which", Side::Left, 0),
    ];
    let row = |hop: &HopReport| {
        let HopReport { name, input, output, aside, dropped, depth } = hop;
        let reasons = |list: &[Reason]| {
            let some = list.iter().filter(|r| r.n != 0);
            let text = |r: &Reason| format!("{} {}/s", r.reason, rate(sight.per_second(r.n)));
            some.map(text).collect::<Vec<_>>().join(", ")
        };
        let (aside, lost) = (reasons(aside), reasons(dropped));
        // What is lost first: the line may be cut.
        let which = match (lost.is_empty(), aside.is_empty()) {
            (true, _) => aside,
            (false, true) => format!("lost: {lost}"),
            (false, false) => format!("lost: {lost}; {aside}"),
        };
        vec![
            name.clone(),
            rate(sight.per_second(*input)),
            rate(sight.per_second(*output)),
            rate(sight.per_second(hop.n_dropped())),
            depth.map_or_else(|| "-".to_owned(), |d| d.to_string()),
            which,
        ]
    };
    Table { columns: COLUMNS, rows: sight.hops.iter().map(row).collect(), when_empty: "" }
}

fn latencies(sight: &Sight) -> Table {
    const COLUMNS: &[Column] = &[
        ("latency", Side::Left, 22),
        ("p50", Side::Right, 8),
        ("p99", Side::Right, 8),
        ("p99.9", Side::Right, 8),
        ("max", Side::Right, 8),
        ("timed", Side::Left, 0),
    ];
    let row = |l: &LatencyReport| {
        let LatencyReport { name, sampled_1_in, n, p50_ns, p99_ns, p999_ns, max_ns, .. } = l;
        let times = [p50_ns, p99_ns, p999_ns, max_ns];
        let times = times.map(|&ns| if *n == 0 { "-".to_owned() } else { duration(ns) });
        let timed = match sampled_1_in {
            0 | 1 => format!("{n}"),
            every => format!("{n}, 1 in {every}"),
        };
        [vec![name.clone()], times.to_vec(), vec![timed]].concat()
    };
    Table { columns: COLUMNS, rows: sight.latencies.iter().map(row).collect(), when_empty: "" }
}

fn threads(sight: &Sight) -> Table {
    const COLUMNS: &[Column] = &[
        ("thread", Side::Left, 16),
        ("frames/s", Side::Right, 9),
        ("share", Side::Right, 7),
        ("busy", Side::Right, 7),
        ("waiting", Side::Right, 8),
    ];
    let percent = |part: f64| format!("{:.1} %", part * 100.0);
    let row = |load: &LoadReport| {
        let LoadReport { name, n_frames, share, busy, waiting, ran_ns: _, cpu_ns: _ } = load;
        let waiting = waiting.map_or_else(|| "-".to_owned(), |n| n.to_string());
        let busy = busy.map_or_else(|| "-".to_owned(), percent);
        let frames = rate(sight.per_second(*n_frames));
        vec![name.clone(), frames, percent(*share), busy, waiting]
    };
    Table { columns: COLUMNS, rows: sight.threads.iter().map(row).collect(), when_empty: "" }
}

/// What a sampled pane says where it is empty.
const NO_EVENTS: &str = "no events that the rules ask for and the filter picks";

fn processes(sight: &Sight, by: &str) -> Table {
    const COLUMNS: &[Column] = &[
        ("pid", Side::Right, 8),
        ("user", Side::Left, 12),
        ("container", Side::Left, 14),
        ("events/s", Side::Right, 9),
        ("share", Side::Right, 7),
        ("name", Side::Left, 0),
    ];
    let mut all: Vec<&SampledProcess> = sight.sampled.processes.iter().collect();
    match by {
        "pid" => all.sort_by_key(|p| p.pid),
        "name" => all.sort_by(|a, b| a.name.cmp(&b.name)),
        "user" => all.sort_by(|a, b| a.user.cmp(&b.user)),
        "container" => all.sort_by(|a, b| a.container.cmp(&b.container)),
        _ => {}
    }
    let row = |p: &SampledProcess| {
        let SampledProcess { pid, name, user, container, n, over: _ } = p;
        let [events, share] = sampled(sight, *n);
        vec![
            pid.to_string(),
            or_unknown(user),
            or_unknown(container),
            events,
            share,
            or_unknown(name),
        ]
    };
    Table { columns: COLUMNS, rows: all.into_iter().map(row).collect(), when_empty: NO_EVENTS }
}

fn events(sight: &Sight, by: &str) -> Table {
    const COLUMNS: &[Column] = &[
        ("event", Side::Left, 28),
        ("events/s", Side::Right, 10),
        ("share", Side::Right, 8),
        ("failed/s", Side::Right, 10),
    ];
    let mut all: Vec<&SampledCall> = sight.sampled.calls.iter().collect();
    match by {
        "failed/s" => all.sort_by_key(|c| Reverse(c.n_failed)),
        "event" => all.sort_by(|a, b| a.name.cmp(&b.name)),
        _ => {}
    }
    let row = |c: &SampledCall| {
        let SampledCall { name, n, n_failed, over: _ } = c;
        let [events, share] = sampled(sight, *n);
        vec![or_unknown(name), events, share, rate(sight.sampled_per_second(*n_failed))]
    };
    Table { columns: COLUMNS, rows: all.into_iter().map(row).collect(), when_empty: NO_EVENTS }
}

fn containers(sight: &Sight, by: &str) -> Table {
    const COLUMNS: &[Column] = &[
        ("container", Side::Left, 14),
        ("events/s", Side::Right, 10),
        ("share", Side::Right, 8),
        ("name", Side::Left, 24),
        ("image", Side::Left, 0),
    ];
    let mut all: Vec<&SampledContainer> = sight.sampled.containers.iter().collect();
    match by {
        "container" => all.sort_by(|a, b| a.id.cmp(&b.id)),
        "name" => all.sort_by(|a, b| a.name.cmp(&b.name)),
        "image" => all.sort_by(|a, b| a.image.cmp(&b.image)),
        _ => {}
    }
    let row = |c: &SampledContainer| {
        let SampledContainer { id, name, image, n, over: _ } = c;
        let [events, share] = sampled(sight, *n);
        vec![or_unknown(id), events, share, name.clone(), image.clone()]
    };
    Table { columns: COLUMNS, rows: all.into_iter().map(row).collect(), when_empty: NO_EVENTS }
}

fn rules(sight: &Sight, by: &str) -> Table {
    const COLUMNS: &[Column] =
        &[("matches/s", Side::Right, 10), ("total", Side::Right, 10), ("rule", Side::Left, 0)];
    let of = |rule: &String| sight.rules.matches.get(rule).copied().unwrap_or(0);
    let mut all: Vec<(&String, u64, u64)> =
        sight.matched_before.iter().map(|(rule, &total)| (rule, of(rule), total)).collect();
    match by {
        "total" => all.sort_by_key(|&(_, _, total)| Reverse(total)),
        "rule" => {}
        _ => all.sort_by_key(|&(_, n, total)| (Reverse(n), Reverse(total))),
    }
    let row = |(rule, n, total): (&String, u64, u64)| {
        vec![rate(sight.per_second(n)), total.to_string(), rule.clone()]
    };
    Table {
        columns: COLUMNS,
        rows: all.into_iter().map(row).collect(),
        when_empty: "no rule has matched since the rules are in force",
    }
}

fn alerts(sight: &Sight, local_offset: &dyn Fn(i64) -> i32) -> Table {
    const COLUMNS: &[Column] =
        &[("time", Side::Left, 8), ("priority", Side::Left, 13), ("alert", Side::Left, 0)];
    let row = |alert: &AlertLine| {
        let AlertLine { n: _, ts_ns, priority, rule, output } = alert;
        let text = if output == rule { rule.clone() } else { format!("{output} ({rule})") };
        vec![time_of_day(*ts_ns, local_offset), priority.clone(), text]
    };
    Table {
        columns: COLUMNS,
        rows: sight.alerts.iter().rev().map(row).collect(),
        when_empty: "no alert since this view began",
    }
}

fn losses(sight: &Sight, by: &str) -> Table {
    const COLUMNS: &[Column] = &[
        ("where", Side::Left, 28),
        ("cpu", Side::Right, 4),
        ("lost/s", Side::Right, 10),
        ("event", Side::Left, 0),
    ];
    let mut all: Vec<_> = sight.losses.iter().collect();
    let cmp: fn(&&perf::Loss, &&perf::Loss) -> Ordering = match by {
        "where" => |a, b| a.name.cmp(&b.name),
        "cpu" => |a, b| a.cpu.cmp(&b.cpu),
        "event" => |a, b| a.event_type.cmp(&b.event_type),
        _ => |a, b| b.n.cmp(&a.n),
    };
    all.sort_by(cmp);
    let row = |l: &perf::Loss| {
        let cpu = l.cpu.map_or_else(|| "-".to_owned(), |cpu| cpu.to_string());
        vec![l.name.clone(), cpu, rate(sight.per_second(l.n)), l.event_type.clone()]
    };
    Table {
        columns: COLUMNS,
        rows: all.into_iter().map(row).collect(),
        when_empty: "nothing was lost in this interval",
    }
}

/// Events a second, and their part of those that the filter picks.
fn sampled(sight: &Sight, n: u64) -> [String; 2] {
    let all = sight.sampled.n_passed.max(1);
    let share = n as f64 / all as f64 * 100.0;
    [rate(sight.sampled_per_second(n)), format!("{share:.1} %")]
}

fn or_unknown(text: &str) -> String {
    if text.is_empty() { "?".to_owned() } else { text.to_owned() }
}

/// A rate in few characters.
pub(super) fn rate(n: f64) -> String {
    match n {
        n if n <= 0.0 => "0".to_owned(),
        n if n < 0.05 => "<0.1".to_owned(),
        n if n < 9.95 => format!("{n:.1}"),
        n if n < 99_999.5 => format!("{n:.0}"),
        n if n < 9_999_500.0 => format!("{:.0}k", n / 1e3),
        n => format!("{:.1}M", n / 1e6),
    }
}

/// A time with three digits and its unit.
fn duration(ns: u64) -> String {
    let with = |n: f64, unit: &str| match n {
        n if n < 9.995 => format!("{n:.2} {unit}"),
        n if n < 99.95 => format!("{n:.1} {unit}"),
        n => format!("{n:.0} {unit}"),
    };
    match ns {
        0..1_000 => format!("{ns} ns"),
        1_000..1_000_000 => with(ns as f64 / 1e3, "us"),
        1_000_000..1_000_000_000 => with(ns as f64 / 1e6, "ms"),
        _ => with(ns as f64 / 1e9, "s"),
    }
}

fn time_of_day(ts_ns: u64, local_offset: &dyn Fn(i64) -> i32) -> String {
    let second = (ts_ns / 1_000_000_000) as i64;
    let of_day = (second + i64::from(local_offset(second))).rem_euclid(86_400);
    format!("{:02}:{:02}:{:02}", of_day / 3600, of_day / 60 % 60, of_day % 60)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rates_are_short() {
        let texts = [0.0, 0.01, 0.2, 9.96, 1234.4, 99_999.9, 1.5e6, 2.5e7].map(rate);
        assert_eq!(texts, ["0", "<0.1", "0.2", "10", "1234", "100k", "1500k", "25.0M"]);
    }

    #[test]
    fn durations_have_three_digits() {
        let texts = [7, 1_234, 99_960, 12_345_678, 2_000_000_000].map(duration);
        assert_eq!(texts, ["7 ns", "1.23 us", "100 us", "12.3 ms", "2.00 s"]);
    }

    #[test]
    fn times_are_local() {
        assert_eq!(time_of_day(1_000_000_000, &|_| 0), "00:00:01");
        assert_eq!(time_of_day(1_000_000_000, &|_| -3600), "23:00:01");
    }
}
