//! Says that events were dropped: looks at the counters once a second, off the hot path, and raises `Peregrine internal: events dropped`.
//!
//! What to do is `syscall_event_drops`, as in Falco: the share of a second's events that was dropped must exceed a threshold, and a token
//! bucket bounds how often it is told. What the bucket holds back is not forgotten: each alert tells everything since the one before it, and a
//! last look, once all threads have ended, tells what is left.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::thread::JoinHandle;
use std::time::Duration;

use anyhow::{Context as _, Result};
use perf::{Counter, Readings, Registry, boot_now_ns, to_epoch_ns};
use rules::{Alert, AlertValue, Priority};

use crate::config::{DropActions, EventDrops};
use crate::internal_alerts::{self, InternalAlerts};
use crate::live;
use crate::run::say;
use crate::signals::EndSender;

/// Alerts of this kind that the outputs have received or still have to.
pub(crate) const RAISED: &str = "drops.alerts";

const RULE: &str = "Peregrine internal: events dropped";
const LOOK_EVERY: Duration = Duration::from_secs(1);
const SECOND_NS: u64 = 1_000_000_000;
/// CPUs, and types, that an alert lists by name; the rest is one number.
const MAX_LISTED: usize = 16;
/// Places that its text lists.
const MAX_IN_TEXT: usize = 3;
/// Frames that were lost behind the kernel; neither a CPU nor a type is known of them.
const LOST_BEHIND: [&str; 4] =
    ["capture.bad_header", "capture.bad_length", "capture.too_large", "shard.rejected"];

/// Where and why events were dropped.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Place {
    /// The counter, which names hop and reason.
    cause: String,
    cpu: Option<u16>,
    /// Empty where it is not known.
    event_type: String,
}

/// What was counted up to a moment, or between two.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Counts {
    n_written: u64,
    drops: BTreeMap<Place, u64>,
}

impl Counts {
    fn of(readings: &Readings) -> Self {
        let mut drops = BTreeMap::new();
        for (cause, cpu, event_type, n) in readings.losses() {
            // Of those the event is there; what it lacks is the descriptor at the start of the call.
            if cause != live::NOTES_LOST {
                let (cause, event_type) = (cause.to_owned(), event_type.to_owned());
                drops.insert(Place { cause, cpu, event_type }, n);
            }
        }
        for cause in LOST_BEHIND {
            let n = readings.get(cause);
            if n > 0 {
                let (cause, event_type) = (cause.to_owned(), String::new());
                drops.insert(Place { cause, cpu: None, event_type }, n);
            }
        }
        Self { n_written: readings.get(live::WRITTEN), drops }
    }

    fn since(&self, before: &Self) -> Self {
        let since = |(place, n): (&Place, &u64)| {
            let n = n.saturating_sub(before.drops.get(place).copied().unwrap_or(0));
            (n > 0).then(|| (place.clone(), n))
        };
        Self {
            n_written: self.n_written.saturating_sub(before.n_written),
            drops: self.drops.iter().filter_map(since).collect(),
        }
    }

    fn n_drops(&self) -> u64 {
        self.drops.values().sum()
    }

    /// As in Falco, the dropped are among them.
    fn n_evts(&self) -> u64 {
        self.n_written + self.n_drops()
    }

    /// How many of all events were dropped, 0 to 1.
    fn share(&self) -> f64 {
        if self.drops.is_empty() { 0.0 } else { self.n_drops() as f64 / self.n_evts() as f64 }
    }
}

/// Decides when drops are told. Knows no clock but the times it is given.
#[derive(Debug)]
struct Watch {
    threshold: f64,
    simulate: bool,
    bucket: Bucket,
    /// As of the last look.
    seen: Counts,
    /// As of the last report.
    told: Counts,
    told_at_ns: u64,
    n_looks: u64,
    /// The threshold was exceeded since the last report.
    is_owed: bool,
}

/// What there is to tell.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Report {
    counts: Counts,
    over_ns: u64,
}

impl Watch {
    fn new(config: &EventDrops, now_ns: u64) -> Self {
        let EventDrops { threshold, actions: _, rate, max_burst, simulate } = *config;
        Self {
            threshold: if simulate { 0.0 } else { threshold },
            simulate,
            bucket: Bucket { rate, max: max_burst, tokens: max_burst, at_ns: now_ns },
            seen: Counts::default(),
            told: Counts::default(),
            told_at_ns: now_ns,
            n_looks: 0,
            is_owed: false,
        }
    }

    /// What was counted up to now; gives what to tell of it.
    fn look(&mut self, counts: Counts, now_ns: u64) -> Option<Report> {
        self.note(counts);
        (self.is_owed && self.bucket.claim(now_ns)).then(|| self.report(now_ns))
    }

    /// Nothing is counted any more: what is owed is told, whatever the bucket holds.
    fn last_look(&mut self, counts: Counts, now_ns: u64) -> Option<Report> {
        self.note(counts);
        self.is_owed.then(|| self.report(now_ns))
    }

    fn note(&mut self, mut counts: Counts) {
        if self.simulate {
            self.n_looks += 1;
            let cause = "simulated".to_owned();
            let place = Place { cause, cpu: None, event_type: String::new() };
            counts.drops.insert(place, self.n_looks);
        }
        self.is_owed |= counts.since(&self.seen).share() > self.threshold;
        self.seen = counts;
    }

    fn report(&self, now_ns: u64) -> Report {
        Report {
            counts: self.seen.since(&self.told),
            over_ns: now_ns.saturating_sub(self.told_at_ns),
        }
    }

    /// The last report has arrived.
    fn has_told(&mut self, now_ns: u64) {
        self.told = self.seen.clone();
        self.told_at_ns = now_ns;
        self.is_owed = false;
    }
}

/// A token bucket: `rate` tokens a second, never more than `max`.
#[derive(Debug)]
struct Bucket {
    rate: f64,
    max: f64,
    tokens: f64,
    at_ns: u64,
}

impl Bucket {
    fn claim(&mut self, now_ns: u64) -> bool {
        let passed = now_ns.saturating_sub(self.at_ns) as f64 / SECOND_NS as f64;
        self.tokens = (self.tokens + passed * self.rate).min(self.max);
        self.at_ns = now_ns;
        let has_one = self.tokens >= 1.0;
        if has_one {
            self.tokens -= 1.0;
        }
        has_one
    }
}

impl Report {
    /// Sums by what `part` gives, largest first.
    fn by<'a, T: Ord>(&'a self, part: impl Fn(&'a Place) -> Option<T>) -> Vec<(T, u64)> {
        let mut sums = BTreeMap::new();
        for (place, n) in &self.counts.drops {
            if let Some(part) = part(place) {
                *sums.entry(part).or_insert(0) += n;
            }
        }
        let mut sums: Vec<_> = sums.into_iter().collect();
        // Stable: equal ones stay in the order of their names.
        sums.sort_by_key(|&(_, n)| std::cmp::Reverse(n));
        sums
    }

    fn text(&self) -> String {
        let Self { counts, over_ns } = self;
        let mut text = format!(
            "{RULE}: {} of {} events, {:.2} %, in {:.1} s (",
            counts.n_drops(),
            counts.n_evts(),
            100.0 * counts.share(),
            *over_ns as f64 / SECOND_NS as f64,
        );
        let places = self.by(Some);
        for (i, (Place { cause, cpu, event_type }, n)) in
            places.iter().take(MAX_IN_TEXT).enumerate()
        {
            let comma = if i > 0 { ", " } else { "" };
            let _infallible = write!(text, "{comma}{cause}");
            if !event_type.is_empty() {
                let _infallible = write!(text, " {event_type}");
            }
            if let Some(cpu) = cpu {
                let _infallible = write!(text, " cpu={cpu}");
            }
            let _infallible = write!(text, " {n}");
        }
        let rest: u64 = places.iter().skip(MAX_IN_TEXT).map(|(_, n)| n).sum();
        if rest > 0 {
            let _infallible = write!(text, ", elsewhere {rest}");
        }
        text.push(')');
        text
    }

    /// `n_evts` and `n_drops`, and the drops once by cause, once by CPU and once by event type. Flat, since receivers of alerts expect that of
    /// fields, and bounded: what is not listed is summed as `other`.
    fn fields(&self) -> Vec<(Arc<str>, AlertValue)> {
        let mut fields: Vec<(Arc<str>, AlertValue)> = vec![
            ("n_evts".into(), AlertValue::U64(self.counts.n_evts())),
            ("n_drops".into(), AlertValue::U64(self.counts.n_drops())),
        ];
        let mut list = |kind: &str, sums: Vec<(String, u64)>| {
            let n_listed = sums.len().min(MAX_LISTED);
            for (name, n) in &sums[..n_listed] {
                fields.push((format!("n_drops.{kind}.{name}").into(), AlertValue::U64(*n)));
            }
            let rest: u64 = sums[n_listed..].iter().map(|(_, n)| n).sum();
            if rest > 0 {
                fields.push((format!("n_drops.{kind}.other").into(), AlertValue::U64(rest)));
            }
        };
        list("cause", self.by(|p| Some(p.cause.clone())));
        list("cpu", self.by(|p| p.cpu.map(|cpu| cpu.to_string())));
        list("type", self.by(|p| Some(p.event_type.clone()).filter(|t| !t.is_empty())));
        fields
    }

    fn alert(&self, ts_ns: u64) -> Alert {
        // Falco's priority for it.
        internal_alerts::alert(RULE, Priority::Debug, self.text(), self.fields(), ts_ns)
    }
}

/// Raises the alerts, once it is started.
pub(crate) struct DropAlerts {
    config: EventDrops,
    internal: InternalAlerts,
    realtime_offset_ns: i64,
    raised: Arc<Counter>,
    end: EndSender,
}

/// The thread that looks. Dropping the sender makes it look for the last time.
pub(crate) struct Looking {
    stop: Sender<()>,
    thread: JoinHandle<()>,
}

impl Looking {
    /// Makes it look for the last time; everything must have been counted. The thread then ends.
    pub(crate) fn end(self) -> JoinHandle<()> {
        let Self { stop, thread } = self;
        drop(stop);
        thread
    }
}

impl DropAlerts {
    pub(crate) fn new(
        config: &EventDrops,
        internal: InternalAlerts,
        realtime_offset_ns: i64,
        end: EndSender,
        registry: &mut Registry,
    ) -> Self {
        let raised = registry.counter(RAISED);
        Self { config: config.clone(), internal, realtime_offset_ns, raised, end }
    }

    /// Looks at what `registry` counts from now on.
    pub(crate) fn start(self, registry: &Arc<Registry>) -> Result<Looking> {
        let (stop, stopped) = channel();
        let registry = Arc::clone(registry);
        let thread = std::thread::Builder::new()
            .name("drops".to_owned())
            .spawn(move || self.run(&registry, &stopped))
            .context("cannot start the thread that looks for dropped events")?;
        Ok(Looking { stop, thread })
    }

    fn run(mut self, registry: &Registry, stopped: &Receiver<()>) {
        let mut watch = Watch::new(&self.config, boot_now_ns());
        loop {
            let is_last = stopped.recv_timeout(LOOK_EVERY) == Err(RecvTimeoutError::Disconnected);
            let (counts, now_ns) = (Counts::of(&registry.read()), boot_now_ns());
            let report =
                if is_last { watch.last_look(counts, now_ns) } else { watch.look(counts, now_ns) };
            if let Some(report) = report
                && self.tell(&report, now_ns, is_last)
            {
                watch.has_told(now_ns);
            }
            if is_last {
                return;
            }
        }
    }

    /// `false` where the outputs have no room for the alert: then it is still owed.
    fn tell(&mut self, report: &Report, now_ns: u64, is_last: bool) -> bool {
        let DropActions { log, alert, exit } = self.config.actions;
        if alert {
            if !self.internal.raise(report.alert(to_epoch_ns(now_ns, self.realtime_offset_ns))) {
                return false;
            }
            self.raised.add(1);
        }
        if log || exit {
            say(&format!("peregrine: {}\n", report.text()));
        }
        if exit && !is_last {
            self.end.events_dropped();
        }
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn place(cause: &str, cpu: u16, event_type: &str) -> Place {
        Place { cause: cause.to_owned(), cpu: Some(cpu), event_type: event_type.to_owned() }
    }

    fn counts(n_written: u64, n_dropped: u64) -> Counts {
        let drops = [(place("kernel.ring_full", 0, "openat"), n_dropped)];
        Counts { n_written, drops: drops.into_iter().filter(|&(_, n)| n > 0).collect() }
    }

    fn watch(threshold: f64, rate: f64, max_burst: f64) -> Watch {
        let actions = DropActions::default();
        let config = EventDrops { threshold, actions, rate, max_burst, simulate: false };
        Watch::new(&config, 0)
    }

    /// Looks once a second, tells whatever is to be told, and gives second and number of drops of each report.
    fn told(watch: &mut Watch, looks: &[Counts]) -> Vec<(u64, u64)> {
        let mut all = Vec::new();
        for (second, counts) in (1..).zip(looks) {
            if let Some(report) = watch.look(counts.clone(), second * SECOND_NS) {
                watch.has_told(second * SECOND_NS);
                all.push((second, report.counts.n_drops()));
            }
        }
        all
    }

    #[test]
    fn a_share_must_exceed_the_threshold_within_one_second() {
        // 10 of 100, then 11 of 100, then none.
        let looks = [counts(90, 10), counts(179, 21), counts(279, 21)];
        assert_eq!(told(&mut watch(0.1, 100.0, 1.0), &looks), [(2, 21)]);
        assert_eq!(told(&mut watch(0.0, 100.0, 1.0), &looks), [(1, 10), (2, 11)]);
        assert_eq!(told(&mut watch(1.0, 100.0, 1.0), &looks), []);
        assert_eq!(told(&mut watch(0.0, 100.0, 1.0), &[counts(5, 0), counts(9, 0)]), []);
    }

    #[test]
    fn the_bucket_holds_reports_back_and_loses_none() {
        let looks: Vec<_> = (1..=8).map(|second| counts(second, second.min(4))).collect();
        // Two at once, then one every four seconds; what is owed comes when there is a token, though nothing is dropped any more.
        let mut watch = watch(0.0, 0.25, 2.0);
        assert_eq!(told(&mut watch, &looks), [(1, 1), (2, 1), (5, 2)]);
        assert_eq!(watch.last_look(looks[7].clone(), 9 * SECOND_NS), None);
    }

    #[test]
    fn the_last_look_needs_no_token_and_tells_the_rest() {
        let mut watch = watch(0.5, 0.0, 1.0);
        assert_eq!(told(&mut watch, &[counts(1, 2), counts(1, 5)]), [(1, 2)]);
        let last = watch.last_look(counts(100, 6), 5 * SECOND_NS).unwrap();
        assert_eq!((last.counts.n_drops(), last.counts.n_evts()), (4, 103));
        assert_eq!(last.over_ns, 4 * SECOND_NS);
    }

    #[test]
    fn what_the_outputs_had_no_room_for_is_told_again() {
        let mut watch = watch(0.0, 1.0, 1.0);
        assert_eq!(watch.look(counts(1, 2), SECOND_NS).unwrap().counts.n_drops(), 2);
        let again = watch.look(counts(1, 2), 2 * SECOND_NS).unwrap();
        assert_eq!((again.counts.n_drops(), again.over_ns), (2, 2 * SECOND_NS));
    }

    #[test]
    fn simulated_drops_come_at_every_look_whatever_the_threshold() {
        let actions = DropActions::default();
        let (rate, max_burst) = (1.0, 1.0);
        let config = EventDrops { threshold: 1.0, actions, rate, max_burst, simulate: true };
        let looks = [counts(1000, 0), counts(1000, 0), counts(1000, 0)];
        assert_eq!(told(&mut Watch::new(&config, 0), &looks), [(1, 1), (2, 1), (3, 1)]);
    }

    fn report() -> Report {
        let drops = [
            (place("kernel.ring_full", 0, "openat"), 60),
            (place("kernel.ring_full", 1, "openat"), 5),
            (place("kernel.ring_full", 1, "execve"), 2),
            (place("kernel.no_scratch", 1, "execve"), 3),
        ];
        let behind =
            Place { cause: "capture.bad_header".to_owned(), cpu: None, event_type: String::new() };
        let drops = drops.into_iter().chain([(behind, 10)]).collect();
        Report { counts: Counts { n_written: 920, drops }, over_ns: 1_500_000_000 }
    }

    #[test]
    fn the_text_has_total_share_and_the_largest() {
        assert_eq!(
            report().text(),
            "Peregrine internal: events dropped: 80 of 1000 events, 8.00 %, in 1.5 s (kernel.ring_full openat cpu=0 60, \
             capture.bad_header 10, kernel.ring_full openat cpu=1 5, elsewhere 5)"
        );
    }

    #[test]
    fn fields_are_sums_by_cause_cpu_and_type() {
        let fields = report().fields();
        let fields: Vec<_> = fields
            .iter()
            .map(|(name, value)| match value {
                AlertValue::U64(n) => (&**name, *n),
                other => panic!("{other:?}"),
            })
            .collect();
        let expected = [
            ("n_evts", 1000),
            ("n_drops", 80),
            ("n_drops.cause.kernel.ring_full", 67),
            ("n_drops.cause.capture.bad_header", 10),
            ("n_drops.cause.kernel.no_scratch", 3),
            ("n_drops.cpu.0", 60),
            ("n_drops.cpu.1", 10),
            ("n_drops.type.openat", 65),
            ("n_drops.type.execve", 5),
        ];
        assert_eq!(fields, expected);
    }

    #[test]
    fn fields_are_bounded_and_lose_no_count() {
        let drops = (0..1000).map(|cpu| (place("kernel.ring_full", cpu, "read"), 1)).collect();
        let report = Report { counts: Counts { n_written: 0, drops }, over_ns: 0 };
        let fields = report.fields();
        assert_eq!(fields.len(), 2 + 1 + MAX_LISTED + 1 + 1);
        assert!(fields.contains(&("n_drops.cpu.other".into(), AlertValue::U64(984))));
    }
}
