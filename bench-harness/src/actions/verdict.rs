//! Whether an action was reported as it had to be, and the table that says so.

use std::io::Write as _;

use anyhow::Result;

use crate::action::Action;
use crate::stage::{GAP, Performed};
use crate::watch::Alert;

/// What became of an action.
pub(crate) struct Verdict {
    pub(crate) action: &'static Action,
    pub(crate) outcome: Outcome,
    pub(crate) alerts: Vec<Alert>,
    /// How long the action took, in milliseconds; 0 where it was not performed.
    took_ms: u64,
}

/// How it went.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Outcome {
    /// Exactly the alert that was expected.
    Reported,
    /// Performed, and nobody was asked whether it was seen.
    Performed,
    /// Something else; why.
    Failed(Vec<String>),
    /// Cannot be done on this machine; why.
    Unable(String),
}

impl Verdict {
    /// An action that this machine cannot do.
    pub(crate) fn unable(action: &'static Action, why: String) -> Self {
        Self { action, outcome: Outcome::Unable(why), alerts: Vec::new(), took_ms: 0 }
    }

    /// An action that no agent of ours watched.
    pub(crate) fn unwatched(done: Performed) -> Self {
        let took_ms = took_ms(&done);
        let Performed { action, error, .. } = done;
        let outcome = error.map_or(Outcome::Performed, |e| Outcome::Failed(vec![e]));
        Self { action, outcome, alerts: Vec::new(), took_ms }
    }
}

fn took_ms(done: &Performed) -> u64 {
    done.to_ns.saturating_sub(done.from_ns) / 1_000_000
}

/// Gives each alert to the action in whose time it falls, and compares. An alert that belongs to none is a fault of the
/// action before it.
pub(crate) fn judge(done: Vec<Performed>, alerts: Vec<Alert>) -> Vec<Verdict> {
    let mut of_action: Vec<Vec<Alert>> = done.iter().map(|_| Vec::new()).collect();
    let margin = GAP.as_nanos() as u64 / 2;
    for alert in alerts {
        let time = alert.time_ns().unwrap_or(0);
        let began = done.iter().rposition(|d| d.from_ns.saturating_sub(margin) <= time);
        if let Some(of_this) = of_action.get_mut(began.unwrap_or(0)) {
            of_this.push(alert);
        }
    }
    let verdict = |(done, alerts): (Performed, Vec<Alert>)| {
        let mut faults = faults(done.action, &alerts);
        faults.extend(done.error.iter().map(|e| format!("the action itself: {e}")));
        let outcome = if faults.is_empty() { Outcome::Reported } else { Outcome::Failed(faults) };
        Verdict { action: done.action, outcome, alerts, took_ms: took_ms(&done) }
    };
    done.into_iter().zip(of_action).map(verdict).collect()
}

/// What is wrong with the alerts of an action; nothing if they are the one that it had to raise.
fn faults(action: &Action, alerts: &[Alert]) -> Vec<String> {
    let (right, wrong): (Vec<_>, Vec<_>) = alerts.iter().partition(|a| a.rule == action.rule);
    let mut faults: Vec<String> =
        wrong.iter().map(|a| format!("unexpected alert: {}", a.output)).collect();
    match right[..] {
        [] => faults.push("no alert of the rule".to_owned()),
        [alert] => {
            for (name, expected) in action.expect {
                match alert.field(name) {
                    Some(value) if expected.fits(&value) => {}
                    Some(value) => faults.push(format!("{name} is {value:?}, expected {expected}")),
                    None => faults.push(format!("{name} is absent, expected {expected}")),
                }
            }
        }
        _ => {
            faults.push(format!("{} alerts of the rule instead of one", right.len()));
            faults.extend(right.iter().map(|a| format!("  {}", a.output)));
        }
    }
    faults
}

/// Prints the table and says whether all is well: nothing failed, and something was done.
pub(crate) fn print(verdicts: &[Verdict], verbose: bool) -> Result<bool> {
    let mut out = std::io::stdout().lock();
    let width =
        |of: fn(&Action) -> &str| verdicts.iter().map(|v| of(v.action).len()).max().unwrap_or(0);
    let (names, rules) = (width(|a| a.name), width(|a| a.rule));
    writeln!(out, "{:names$}  {:rules$}  {:>7}  result", "action", "rule", "ms")?;
    for verdict in verdicts {
        let Verdict { action: Action { name, rule, .. }, outcome, alerts, took_ms } = verdict;
        let result = match outcome {
            Outcome::Reported => "ok",
            Outcome::Performed => "performed",
            Outcome::Failed(_) => "FAILED",
            Outcome::Unable(_) => "not here",
        };
        let took = match outcome {
            Outcome::Unable(_) => "-".to_owned(),
            _ => took_ms.to_string(),
        };
        writeln!(out, "{name:names$}  {rule:rules$}  {took:>7}  {result}")?;
        let details = match outcome {
            Outcome::Failed(faults) => &faults[..],
            Outcome::Unable(_) | Outcome::Reported | Outcome::Performed => &[],
        };
        for line in details {
            writeln!(out, "    {line}")?;
        }
        if verbose && *outcome == Outcome::Reported {
            for alert in alerts {
                writeln!(out, "    {}", alert.output)?;
            }
        }
    }
    for verdict in verdicts {
        if let Outcome::Unable(why) = &verdict.outcome {
            writeln!(out, "skipped: actions {}: {why}", verdict.action.name)?;
        }
    }
    let n = |is: fn(&Outcome) -> bool| verdicts.iter().filter(|v| is(&v.outcome)).count();
    let (n_failed, n_unable) =
        (n(|o| matches!(o, Outcome::Failed(_))), n(|o| matches!(o, Outcome::Unable(_))));
    let n_good = verdicts.len() - n_failed - n_unable;
    let good = if n(|o| *o == Outcome::Performed) > 0 { "performed" } else { "passed" };
    writeln!(out, "actions: {n_good} {good}, {n_failed} failed, {n_unable} skipped")?;
    Ok(n_failed == 0 && n_good > 0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::action::Expected;

    const ACTION: Action = Action {
        name: "an-action",
        rule: "A rule",
        what: "nothing",
        needs: &[],
        expect: &[("proc.name", Expected::Is("cat"))],
        perform: |_| Ok(()),
    };

    fn performed(from_ms: u64) -> Performed {
        static THE: Action = ACTION;
        let ns = |ms: u64| ms * 1_000_000;
        Performed { action: &THE, from_ns: ns(from_ms), to_ns: ns(from_ms + 5), error: None }
    }

    fn alert(rule: &str, name: &str, time_ms: u64) -> Alert {
        let text = format!(
            r#"{{"rule":"{rule}","output":"o","output_fields":{{"evt.time":{},"proc.name":"{name}"}}}}"#,
            time_ms * 1_000_000
        );
        serde_json::from_str(&text).unwrap()
    }

    fn outcomes(alerts: Vec<Alert>) -> Vec<bool> {
        let verdicts = judge(vec![performed(100), performed(200)], alerts);
        verdicts.iter().map(|v| v.outcome == Outcome::Reported).collect()
    }

    #[test]
    fn an_alert_belongs_to_the_action_in_whose_time_it_falls() {
        let both = vec![alert("A rule", "cat", 203), alert("A rule", "cat", 101)];
        assert_eq!(outcomes(both), [true, true]);
        assert_eq!(outcomes(vec![alert("A rule", "cat", 101)]), [true, false]);
        assert_eq!(outcomes(vec![alert("A rule", "cat", 195)]), [false, true]);
    }

    #[test]
    fn one_alert_too_many_is_a_failure() {
        let of_first = |more: Alert| {
            outcomes(vec![alert("A rule", "cat", 101), more, alert("A rule", "cat", 201)])
        };
        assert_eq!(of_first(alert("A rule", "cat", 102)), [false, true]);
        assert_eq!(of_first(alert("Another rule", "cat", 102)), [false, true]);
    }

    #[test]
    fn a_wrong_field_is_a_failure() {
        let alerts = vec![alert("A rule", "dog", 101), alert("A rule", "cat", 201)];
        assert_eq!(outcomes(alerts), [false, true]);
    }

    #[test]
    fn an_action_that_went_wrong_is_a_failure_even_if_it_was_reported() {
        let mut broken = performed(100);
        broken.error = Some("exit status: 1".to_owned());
        let verdicts = judge(vec![broken], vec![alert("A rule", "cat", 101)]);
        assert_ne!(verdicts[0].outcome, Outcome::Reported);
    }
}
