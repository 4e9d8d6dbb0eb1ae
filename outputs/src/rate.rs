//! Rate control: repeated alerts within a window, and alerts above a rate, are held back. All of it is counted, and told.

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::fmt::Write as _;
use std::sync::Arc;
use std::time::Duration;

use perf::{Counter, Registry};
use rules::{Alert, AlertMarks, AlertValue, Priority, RuleInfo};

/// What the program says of what was held back; its own alerts never are.
const SUPPRESSED: &str = "Peregrine internal: alerts suppressed";

/// Rules that a report names; the others are in its sums.
const MAX_NAMED: usize = 20;

/// What is held back; all off by default.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct RateControl {
    /// Of each rule.
    pub of_rule: Option<Rate>,
    /// Of all together.
    pub of_all: Option<Rate>,
    /// An alert that was raised before no longer ago than this is the same one; zero: none is.
    pub same_within: Duration,
    /// Alerts that are remembered for that; those of more pass.
    pub max_windows: usize,
    /// What rates held back is told this often.
    pub report_every: Duration,
}

impl Default for RateControl {
    fn default() -> Self {
        Self {
            of_rule: None,
            of_all: None,
            same_within: Duration::ZERO,
            max_windows: 8192,
            report_every: Duration::from_secs(10),
        }
    }
}

impl RateControl {
    /// Whether anything can be held back.
    #[must_use]
    pub fn is_on(&self) -> bool {
        self.of_rule.is_some() || self.of_all.is_some() || self.tells_same()
    }

    /// Whether alerts have to bring the values of their fields.
    #[must_use]
    pub fn tells_same(&self) -> bool {
        !self.same_within.is_zero()
    }
}

/// How often something may be.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Rate {
    /// On average.
    pub per_second: f64,
    /// At once.
    pub burst: f64,
}

/// A token bucket that goes by the times of events.
#[derive(Clone, Copy, Debug)]
struct Bucket {
    tokens: f64,
    at_ns: u64,
}

impl Bucket {
    fn full(rate: Rate, at_ns: u64) -> Self {
        Self { tokens: rate.burst, at_ns }
    }

    /// Takes a token, if there is one.
    fn take(&mut self, rate: Rate, now_ns: u64) -> bool {
        let passed_s = now_ns.saturating_sub(self.at_ns) as f64 / 1e9;
        self.at_ns = self.at_ns.max(now_ns);
        self.tokens = (self.tokens + passed_s * rate.per_second).min(rate.burst);
        let has_one = self.tokens >= 1.0;
        if has_one {
            self.tokens -= 1.0;
        }
        has_one
    }
}

/// An alert that goes on to the sinks.
#[derive(Debug)]
pub(crate) struct Passed {
    pub(crate) alert: Alert,
    /// So often it was raised since it was told last; 0: it is the first.
    pub(crate) n_repeated: u64,
}

/// The alerts of a window that are the same one.
struct Window {
    /// The last of those that were held back, and how many they are.
    held: Option<(Alert, u64)>,
}

/// What was held back since the last report.
#[derive(Default)]
struct Owed {
    n_of_rule: u64,
    n_of_all: u64,
    by_rule: BTreeMap<Arc<str>, u64>,
}

/// Names of the counters: held back, by reason; and what is raised in their place.
pub(crate) const DUPLICATES: &str = "outputs.suppressed_duplicate";
pub(crate) const OF_RULE: &str = "outputs.suppressed_rule_rate";
pub(crate) const OF_ALL: &str = "outputs.suppressed_rate";
pub(crate) const REPORTS: &str = "outputs.reports";

struct Meters {
    duplicates: Arc<Counter>,
    of_rule: Arc<Counter>,
    of_all: Arc<Counter>,
    reports: Arc<Counter>,
    unwatched: Arc<Counter>,
}

/// Decides what goes on. Time is that of events, so that a replay always decides the same; live, the clock moves it on as well.
pub(crate) struct Gate {
    control: RateControl,
    meters: Meters,
    rules: HashMap<Arc<str>, Bucket>,
    all: Option<Bucket>,
    windows: HashMap<Box<str>, Window>,
    /// Ends of the windows, the next first.
    ends: VecDeque<(u64, Box<str>)>,
    owed: Owed,
    report_due_ns: Option<u64>,
    now_ns: u64,
}

impl Gate {
    pub(crate) fn new(control: RateControl, registry: &mut Registry) -> Self {
        let meters = Meters {
            duplicates: registry.counter(DUPLICATES),
            of_rule: registry.counter(OF_RULE),
            of_all: registry.counter(OF_ALL),
            reports: registry.counter(REPORTS),
            unwatched: registry.counter("outputs.duplicates_unwatched"),
        };
        Self {
            control,
            meters,
            rules: HashMap::new(),
            all: None,
            windows: HashMap::new(),
            ends: VecDeque::new(),
            owed: Owed::default(),
            report_due_ns: None,
            now_ns: 0,
        }
    }

    /// Takes an alert; puts what goes on behind `to`, what time has made due first.
    pub(crate) fn take(&mut self, alert: Alert, to: &mut Vec<Passed>) {
        self.pass_time(alert.ts_ns, to);
        let is_held = &*alert.rule.source != RuleInfo::INTERNAL
            && (self.is_held_as_same(&alert) || self.is_above_rate(&alert));
        if !is_held {
            to.push(Passed { alert, n_repeated: 0 });
        }
    }

    /// Lets time pass up to then, ns since the epoch.
    pub(crate) fn pass_time(&mut self, now_ns: u64, to: &mut Vec<Passed>) {
        self.now_ns = self.now_ns.max(now_ns);
        while let Some((_, key)) = self.ends.pop_front_if(|(end, _)| *end <= self.now_ns) {
            self.close(&key, to);
        }
        if self.report_due_ns.is_some_and(|due| due <= self.now_ns) {
            self.report(to);
        }
    }

    /// Tells all that is owed, at the end.
    pub(crate) fn finish(&mut self, to: &mut Vec<Passed>) {
        while let Some((_, key)) = self.ends.pop_front() {
            self.close(&key, to);
        }
        if self.report_due_ns.is_some() {
            self.report(to);
        }
    }

    fn is_held_as_same(&mut self, alert: &Alert) -> bool {
        let Self { control, meters, windows, ends, now_ns, .. } = self;
        if !control.tells_same() {
            return false;
        }
        let key = key(alert);
        if let Some(Window { held }) = windows.get_mut(&key) {
            let n = held.take().map_or(0, |(_, n)| n);
            *held = Some((alert.clone(), n + 1));
            meters.duplicates.add(1);
            return true;
        }
        if windows.len() < control.max_windows {
            let end = now_ns.saturating_add(control.same_within.as_nanos() as u64);
            ends.push_back((end, key.clone()));
            windows.insert(key, Window { held: None });
        } else {
            meters.unwatched.add(1);
        }
        false
    }

    /// The last of the alerts that a window held back stands for all of them.
    fn close(&mut self, key: &str, to: &mut Vec<Passed>) {
        let window = self.windows.remove(key);
        if let Some((alert, n_repeated)) = window.and_then(|w| w.held) {
            self.meters.reports.add(1);
            to.push(Passed { alert, n_repeated });
        }
    }

    fn is_above_rate(&mut self, alert: &Alert) -> bool {
        let Self { control, meters, rules, all, owed, report_due_ns, .. } = self;
        let now_ns = alert.ts_ns;
        let name = &alert.rule.name;
        let of_rule = control.of_rule.is_some_and(|rate| {
            // As many as there are rules.
            let bucket = rules.entry(Arc::clone(name)).or_insert(Bucket::full(rate, now_ns));
            !bucket.take(rate, now_ns)
        });
        let of_all = !of_rule
            && control.of_all.is_some_and(|rate| {
                !all.get_or_insert(Bucket::full(rate, now_ns)).take(rate, now_ns)
            });
        if of_rule {
            meters.of_rule.add(1);
            owed.n_of_rule += 1;
        } else if of_all {
            meters.of_all.add(1);
            owed.n_of_all += 1;
        } else {
            return false;
        }
        *owed.by_rule.entry(Arc::clone(name)).or_default() += 1;
        let every_ns = control.report_every.as_nanos() as u64;
        report_due_ns.get_or_insert(self.now_ns.saturating_add(every_ns));
        true
    }

    fn report(&mut self, to: &mut Vec<Passed>) {
        self.report_due_ns = None;
        let Owed { n_of_rule, n_of_all, by_rule } = std::mem::take(&mut self.owed);
        let mut counts: Vec<_> = by_rule.into_iter().collect();
        counts.sort_by_key(|(_, n)| std::cmp::Reverse(*n));
        let mut named = String::new();
        for (name, n) in counts.iter().take(MAX_NAMED) {
            let sep = if named.is_empty() { "" } else { ", " };
            let _infallible = write!(named, "{sep}{name}: {n}");
        }
        if counts.len() > MAX_NAMED {
            let _infallible = write!(named, " and {} more rules", counts.len() - MAX_NAMED);
        }
        let n = n_of_rule + n_of_all;
        let output = format!(
            "Peregrine internal: alerts suppressed. Above the rate: {n} (n_rule_rate={n_of_rule} n_rate={n_of_all} rules={named})"
        );
        let fields = vec![
            ("n_rate".into(), AlertValue::U64(n_of_all)),
            ("n_rule_rate".into(), AlertValue::U64(n_of_rule)),
            ("rules".into(), AlertValue::Text(named)),
        ];
        self.meters.reports.add(1);
        let alert = Alert {
            rule: Arc::new(RuleInfo::internal(SUPPRESSED, Priority::Warning)),
            evt_num: 0,
            ts_ns: self.now_ns,
            output,
            fields,
            marks: AlertMarks::default(),
        };
        to.push(Passed { alert, n_repeated: 0 });
    }
}

/// What makes an alert the same as another: its rule and the values of its fields, those aside that tell when it was, or which event of many; of
/// an output without fields its text.
fn key(alert: &Alert) -> Box<str> {
    let mut key = format!("{}\0{}\0", alert.rule.source, alert.rule.name);
    if alert.fields.is_empty() {
        key.push_str(&alert.output);
    }
    for (name, value) in alert.fields.iter().filter(|(name, _)| !is_of_the_moment(name)) {
        // A value cannot hold a zero that is not its own: texts are quoted.
        let _infallible = write!(key, "{name}={value:?}\0");
    }
    key.into()
}

fn is_of_the_moment(field: &str) -> bool {
    let Some(of_event) = field.strip_prefix("evt.") else { return false };
    ["time", "rawtime", "datetime", "reltime", "deltatime", "outputtime", "latency", "num"]
        .iter()
        .any(|name| {
            of_event
                .strip_prefix(name)
                .is_some_and(|rest| !rest.starts_with(|c: char| c.is_ascii_lowercase()))
        })
}

#[cfg(test)]
mod tests {
    use perf::Moment;

    use super::*;
    use crate::testing::alert;

    const S: u64 = 1_000_000_000;

    fn raised(rule: &str, name: &str, at_ms: u64) -> Alert {
        let template = alert("x");
        let rule = Arc::new(RuleInfo { name: rule.into(), ..(*template.rule).clone() });
        let ts_ns = at_ms * 1_000_000;
        let text = |t: &str| AlertValue::Text(t.to_owned());
        let fields =
            vec![("evt.time".into(), AlertValue::U64(ts_ns)), ("proc.name".into(), text(name))];
        Alert { rule, ts_ns, fields, output: format!("{at_ms}: {name}"), ..template }
    }

    struct Rig {
        gate: Gate,
        registry: Registry,
        n_taken: u64,
        n_passed: u64,
    }

    fn rig(control: RateControl) -> Rig {
        let mut registry = Registry::new();
        let gate = Gate::new(control, &mut registry);
        Rig { gate, registry, n_taken: 0, n_passed: 0 }
    }

    fn told(passed: &[Passed]) -> Vec<String> {
        let tell = |p: &Passed| match p.n_repeated {
            0 => p.alert.output.clone(),
            n => format!("{} x {n}", p.alert.output),
        };
        passed.iter().map(tell).collect()
    }

    impl Rig {
        fn take(&mut self, alert: Alert) -> Vec<String> {
            self.n_taken += 1;
            let mut to = Vec::new();
            self.gate.take(alert, &mut to);
            self.n_passed += to.len() as u64;
            told(&to)
        }

        fn time(&mut self, at_ms: u64) -> Vec<String> {
            let mut to = Vec::new();
            self.gate.pass_time(at_ms * 1_000_000, &mut to);
            self.n_passed += to.len() as u64;
            told(&to)
        }

        fn end(mut self) -> Vec<String> {
            let mut to = Vec::new();
            self.gate.finish(&mut to);
            self.n_passed += to.len() as u64;
            let counts = self.registry.snapshot(Moment::Final);
            let n = |name: &str| counts.get(name).unwrap();
            let held = n(DUPLICATES) + n(OF_RULE) + n(OF_ALL);
            assert_eq!(self.n_taken + n(REPORTS), self.n_passed + held);
            told(&to)
        }
    }

    fn same_within(ms: u64) -> RateControl {
        RateControl { same_within: Duration::from_millis(ms), ..RateControl::default() }
    }

    #[test]
    fn what_repeats_within_the_window_is_told_once_more_with_its_count() {
        let mut rig = rig(same_within(1000));
        assert_eq!(rig.take(raised("r", "cat", 0)), ["0: cat"]);
        for at in [1, 500, 999] {
            assert!(rig.take(raised("r", "cat", at)).is_empty());
        }
        assert_eq!(rig.take(raised("r", "dog", 999)), ["999: dog"], "another value");
        assert_eq!(rig.take(raised("q", "cat", 999)), ["999: cat"], "another rule");
        assert_eq!(rig.take(raised("r", "cat", 1000)), ["999: cat x 3", "1000: cat"]);
        assert!(rig.take(raised("r", "cat", 1001)).is_empty());
        assert_eq!(rig.end(), ["1001: cat x 1"]);
    }

    #[test]
    fn a_window_closes_by_the_clock_as_well() {
        let mut rig = rig(same_within(1000));
        rig.take(raised("r", "cat", 0));
        rig.take(raised("r", "cat", 10));
        assert!(rig.time(999).is_empty());
        assert_eq!(rig.time(1000), ["10: cat x 1"]);
        assert_eq!(rig.take(raised("r", "cat", 1001)), ["1001: cat"]);
        assert!(rig.end().is_empty());
    }

    #[test]
    fn more_than_are_remembered_pass() {
        let mut rig = rig(RateControl { max_windows: 2, ..same_within(1000) });
        for name in ["a", "b", "c", "c"] {
            assert_eq!(rig.take(raised("r", name, 1)).len(), 1, "{name}");
        }
        assert!(rig.take(raised("r", "a", 1)).is_empty());
        assert_eq!(
            rig.registry.snapshot(Moment::Final).get("outputs.duplicates_unwatched"),
            Some(2)
        );
        assert_eq!(rig.end(), ["1: a x 1"]);
    }

    #[test]
    fn each_rule_has_a_rate_of_its_own() {
        let of_rule = Some(Rate { per_second: 2.0, burst: 3.0 });
        let mut rig = rig(RateControl { of_rule, ..RateControl::default() });
        let n_passed = |rig: &mut Rig, rule: &str, at: u64, n: usize| {
            (0..n).filter(|_| !rig.take(raised(rule, "x", at)).is_empty()).count()
        };
        assert_eq!(n_passed(&mut rig, "a", 1000, 10), 3);
        assert_eq!(n_passed(&mut rig, "b", 1000, 2), 2);
        assert_eq!(n_passed(&mut rig, "a", 1499, 10), 0);
        assert_eq!(n_passed(&mut rig, "a", 2000, 10), 2, "two a second");
        assert_eq!(n_passed(&mut rig, "a", 9000, 10), 3, "no more than the burst");
        let told = rig.time(11_000);
        assert_eq!(told.len(), 1);
        let sums = "Above the rate: 32 (n_rule_rate=32 n_rate=0 rules=a: 32)";
        assert!(told[0].ends_with(sums), "{told:?}");
        assert!(rig.time(100_000).is_empty(), "what was told is not told again");
        assert!(rig.end().is_empty());
    }

    #[test]
    fn the_rate_of_all_comes_after_that_of_rules() {
        let of_rule = Some(Rate { per_second: 0.0, burst: 2.0 });
        let of_all = Some(Rate { per_second: 0.0, burst: 3.0 });
        let mut rig = rig(RateControl { of_rule, of_all, ..RateControl::default() });
        let mut n_passed = 0;
        for rule in ["a", "b", "c"] {
            n_passed += (0..3).filter(|_| !rig.take(raised(rule, "x", 5)).is_empty()).count();
        }
        assert_eq!(n_passed, 3);
        let told = rig.end();
        let sums = "Above the rate: 6 (n_rule_rate=3 n_rate=3 rules=c: 3, b: 2, a: 1)";
        assert!(told[0].ends_with(sums), "{told:?}");
    }

    #[test]
    fn own_alerts_pass() {
        let of_all = Some(Rate { per_second: 0.0, burst: 0.0 });
        let mut rig = rig(RateControl { of_all, ..same_within(1000) });
        let mut own = raised("Peregrine internal: x", "x", 1);
        Arc::make_mut(&mut own.rule).source = RuleInfo::INTERNAL.into();
        for _ in 0..3 {
            assert_eq!(rig.take(own.clone()).len(), 1);
        }
        assert!(rig.end().is_empty());
    }

    #[test]
    fn a_report_names_the_rules_that_were_held_back_most() {
        let of_all = Some(Rate { per_second: 0.0, burst: 0.0 });
        let mut rig = rig(RateControl { of_all, ..RateControl::default() });
        for n in 0..25 {
            for _ in 0..=n {
                rig.take(raised(&format!("rule {n}"), "x", 1));
            }
        }
        let told = rig.end();
        assert!(told[0].contains("rules=rule 24: 25, rule 23: 24, "), "{told:?}");
        assert!(told[0].ends_with("rule 5: 6 and 5 more rules)"), "{told:?}");
    }

    #[test]
    fn fields_that_tell_when_it_was_make_no_other_alert() {
        for name in ["evt.time", "evt.time.s", "evt.rawtime.ns", "evt.num", "evt.latency.human"] {
            assert!(is_of_the_moment(name), "{name}");
        }
        for name in ["evt.type", "evt.numbers", "proc.name", "evt.timex", "fd.num"] {
            assert!(!is_of_the_moment(name), "{name}");
        }
    }

    #[test]
    fn times_may_run_backwards() {
        let of_rule = Some(Rate { per_second: 1.0, burst: 1.0 });
        let mut rig = rig(RateControl { of_rule, ..same_within(10) });
        for at in [5 * S, 0, 3 * S, u64::MAX / 1_000_000, 1] {
            rig.take(raised("r", "x", at / 1_000_000));
        }
        rig.end();
    }
}
