//! What a run of the quiet suite found: which piece was going on when an alert was raised, and how all of it is told.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::time::Duration;

use crate::watched::Alert;

/// Everything above INFO, as alerts print it.
const NOISE: [&str; 6] = ["Emergency", "Alert", "Critical", "Error", "Warning", "Notice"];

/// Alerts of one rule that are shown in full.
const SHOWN: usize = 4;

/// How a piece of work ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Outcome {
    /// It did all of its work.
    Ran,
    /// It cannot run here, and why.
    Skipped(String),
    /// It went wrong by itself: it proves nothing, noise or no noise.
    Failed(String),
}

/// A piece of work that is over.
#[derive(Debug)]
pub(crate) struct Done {
    pub(crate) name: &'static str,
    /// When it began, nanoseconds since the epoch; the next one's begin is its end.
    pub(crate) from_ns: u64,
    pub(crate) took: Duration,
    pub(crate) outcome: Outcome,
}

impl Done {
    /// One line, or the reason in several.
    pub(crate) fn outcome_text(&self) -> String {
        match &self.outcome {
            Outcome::Ran => format!("done in {:.1} s", self.took.as_secs_f32()),
            Outcome::Skipped(why) => format!("skipped: {why}"),
            Outcome::Failed(why) => format!("FAILED: {why}"),
        }
    }
}

/// A whole run.
#[derive(Debug)]
pub(crate) struct Report {
    pub(crate) done: Vec<Done>,
    pub(crate) alerts: Vec<Alert>,
    /// Processes that had to be ended.
    pub(crate) left: BTreeSet<String>,
    /// Equations that do not hold.
    pub(crate) broken: Vec<String>,
    /// Lines of the table of losses.
    pub(crate) lost: Vec<String>,
}

fn is_noise(alert: &Alert) -> bool {
    NOISE.contains(&&*alert.priority)
}

impl Report {
    /// The alerts that were raised while piece `i` ran.
    fn alerts_of(&self, i: usize) -> impl Iterator<Item = &Alert> {
        let from = self.done[i].from_ns;
        let to = self.done.get(i + 1).map_or(u64::MAX, |next| next.from_ns);
        self.alerts.iter().filter(move |a| (from..to).contains(&a.time_ns))
    }

    /// Whether a piece ran, and without noise.
    fn passed(&self, i: usize) -> bool {
        self.done[i].outcome == Outcome::Ran && !self.alerts_of(i).any(is_noise)
    }

    /// How many passed, failed, and were skipped.
    fn counts(&self) -> (usize, usize, usize) {
        let skipped = |i: usize| {
            matches!(self.done[i].outcome, Outcome::Skipped(_)) && !self.alerts_of(i).any(is_noise)
        };
        let n_passed = (0..self.done.len()).filter(|&i| self.passed(i)).count();
        let n_skipped = (0..self.done.len()).filter(|&i| skipped(i)).count();
        (n_passed, self.done.len() - n_passed - n_skipped, n_skipped)
    }

    /// Whether all of it was well.
    pub(crate) fn is_quiet(&self) -> bool {
        let (_, n_failed, _) = self.counts();
        n_failed == 0
            && self.broken.is_empty()
            && self.lost.is_empty()
            && !self.alerts.iter().any(is_noise)
    }

    /// Prints the pieces with their alerts, and the counts.
    pub(crate) fn print(&self) {
        print!("{}", self.text());
    }

    fn text(&self) -> String {
        let mut to = String::new();
        for (i, done) in self.done.iter().enumerate() {
            let mut by_rule: BTreeMap<(&str, &str), Vec<&Alert>> = BTreeMap::new();
            for alert in self.alerts_of(i) {
                by_rule.entry((&alert.rule, &alert.priority)).or_default().push(alert);
            }
            let verdict = match (&done.outcome, by_rule.is_empty()) {
                (Outcome::Ran, true) => "quiet".to_owned(),
                (Outcome::Ran, false) if self.passed(i) => "quiet, INFO only".to_owned(),
                (Outcome::Ran, false) => "NOISE".to_owned(),
                (_, _) => done.outcome_text(),
            };
            let _infallible = writeln!(to, "{}: {verdict}", done.name);
            for ((rule, priority), alerts) in by_rule {
                let _infallible = writeln!(to, "  {} x {priority} {rule}", alerts.len());
                for alert in alerts.iter().take(SHOWN) {
                    let _infallible = writeln!(to, "    {}", alert.output);
                }
            }
        }
        for line in &self.lost {
            let _infallible = writeln!(to, "lost, so not looked at: {line}");
        }
        for line in &self.broken {
            let _infallible = writeln!(to, "equation: {line}");
        }
        for name in &self.left {
            let _infallible = writeln!(to, "left running, ended: {name}");
        }
        for done in &self.done {
            if let Outcome::Skipped(why) = &done.outcome {
                let _infallible = writeln!(to, "skipped: quiet {}: {why}", done.name);
            }
        }
        for (i, done) in self.done.iter().enumerate() {
            if !self.passed(i) && !matches!(done.outcome, Outcome::Skipped(_)) {
                let _infallible = writeln!(to, "failed: quiet {}", done.name);
            }
        }
        let (passed, failed, skipped) = self.counts();
        let _infallible =
            writeln!(to, "quiet: {passed} passed, {failed} failed, {skipped} skipped");
        to
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn done(name: &'static str, from_ns: u64, outcome: Outcome) -> Done {
        Done { name, from_ns, took: Duration::from_secs(1), outcome }
    }

    fn alert(time_ns: u64, priority: &str) -> Alert {
        let [rule, output] = ["R", "what"].map(str::to_owned);
        Alert { rule, priority: priority.to_owned(), time_ns, output }
    }

    fn report(alerts: Vec<Alert>) -> Report {
        let done = vec![
            done("a", 10, Outcome::Ran),
            done("b", 20, Outcome::Skipped("no x here".to_owned())),
            done("c", 30, Outcome::Ran),
        ];
        Report { done, alerts, left: BTreeSet::new(), broken: vec![], lost: vec![] }
    }

    #[test]
    fn silence_is_quiet() {
        let report = report(vec![]);
        assert!(report.is_quiet());
        let text = report.text();
        let want = "a: quiet\nb: skipped: no x here\nc: quiet\nskipped: quiet b: no x here\n\
                    quiet: 2 passed, 0 failed, 1 skipped\n";
        assert_eq!(text, want);
    }

    #[test]
    fn an_alert_belongs_to_the_piece_that_ran() {
        let report = report(vec![alert(35, "Notice")]);
        assert!(!report.is_quiet());
        let text = report.text();
        assert!(text.contains("c: NOISE\n  1 x Notice R\n    what\n"), "{text}");
        assert!(
            text.ends_with("failed: quiet c\nquiet: 1 passed, 1 failed, 1 skipped\n"),
            "{text}"
        );
    }

    #[test]
    fn info_is_no_noise() {
        for priority in ["Informational", "Debug"] {
            let report = report(vec![alert(10, priority)]);
            assert!(report.is_quiet());
            assert!(report.text().starts_with("a: quiet, INFO only\n  1 x"), "{}", report.text());
        }
    }

    #[test]
    fn an_alert_before_the_first_piece_is_noise_too() {
        assert!(!report(vec![alert(1, "Warning")]).is_quiet());
    }

    #[test]
    fn failure_loss_and_a_broken_equation_are_not_quiet() {
        let mut failed = report(vec![]);
        failed.done[0].outcome = Outcome::Failed("exit code 1".to_owned());
        assert!(!failed.is_quiet());
        let mut broken = report(vec![]);
        broken.broken.push("rings".to_owned());
        assert!(!broken.is_quiet());
        let mut lost = report(vec![]);
        lost.lost.push("kernel.ring_full  0  openat  1".to_owned());
        assert!(!lost.is_quiet());
    }
}
