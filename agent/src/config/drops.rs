//! What to do when events are dropped: Falco's `syscall_event_drops`.

use anyhow::Result;

use super::trouble::wrong;
use super::written;

/// Falco's values where its file says nothing else; the actions are those of the file that it ships.
const DEFAULT_THRESHOLD: f64 = 0.1;
const DEFAULT_RATE: f64 = 0.03333;
const DEFAULT_MAX_BURST: f64 = 1.0;

/// When dropped events are told, and how.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct EventDrops {
    /// Share of the events of a second that must be exceeded.
    pub(crate) threshold: f64,
    /// What is done then.
    pub(crate) actions: DropActions,
    /// How often in a second that may be, on average.
    pub(crate) rate: f64,
    /// How often it may be at once.
    pub(crate) max_burst: f64,
    /// Every second counts as one with a drop, whatever the threshold.
    pub(crate) simulate: bool,
}

/// What is done about dropped events.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct DropActions {
    /// A line on stderr.
    pub(crate) log: bool,
    /// An alert.
    pub(crate) alert: bool,
    /// The run ends.
    pub(crate) exit: bool,
}

impl DropActions {
    /// Whether anything is done.
    pub(crate) fn is_any(self) -> bool {
        self != Self::default()
    }
}

pub(super) fn resolve(written: written::EventDrops) -> Result<EventDrops> {
    let written::EventDrops { actions, max_burst, rate, simulate_drops, threshold } = written;
    Ok(EventDrops {
        threshold: threshold.unwrap_or(DEFAULT_THRESHOLD),
        actions: actions_of(actions)?,
        rate: rate.unwrap_or(DEFAULT_RATE),
        max_burst: max_burst.unwrap_or(DEFAULT_MAX_BURST),
        simulate: simulate_drops.unwrap_or(false),
    })
}

/// An empty list is `ignore`, as in Falco.
fn actions_of(written: Option<Vec<String>>) -> Result<DropActions> {
    let Some(names) = written else {
        return Ok(DropActions { log: true, alert: true, exit: false });
    };
    let (mut actions, mut ignores) = (DropActions::default(), false);
    for name in &names {
        match &**name {
            "ignore" => ignores = true,
            "log" => actions.log = true,
            "alert" => actions.alert = true,
            "exit" => actions.exit = true,
            _ => {
                let why = format!("{name:?} is not one of ignore, log, alert, exit");
                return Err(wrong("syscall_event_drops.actions", why));
            }
        }
    }
    if ignores && actions.is_any() {
        return Err(wrong(
            "syscall_event_drops.actions",
            "ignore cannot stand beside other actions; remove it or them",
        ));
    }
    Ok(actions)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of_yaml(text: &str) -> Result<EventDrops> {
        resolve(serde_yaml::from_str(text).unwrap())
    }

    #[test]
    fn without_the_key_drops_are_logged_and_alerted() {
        let built_in = of_yaml("{}").unwrap();
        let actions = DropActions { log: true, alert: true, exit: false };
        let expected =
            EventDrops { threshold: 0.1, actions, rate: 0.03333, max_burst: 1.0, simulate: false };
        assert_eq!(built_in, expected);
        let shipped = "{threshold: .1, actions: [log, alert], rate: .03333, max_burst: 1, simulate_drops: false}";
        assert_eq!(of_yaml(shipped).unwrap(), built_in);
    }

    #[test]
    fn every_key_counts() {
        let all = of_yaml(
            "{threshold: 0, actions: [exit, log], rate: 10, max_burst: 2.5, simulate_drops: true}",
        );
        let actions = DropActions { log: true, alert: false, exit: true };
        let expected =
            EventDrops { threshold: 0.0, actions, rate: 10.0, max_burst: 2.5, simulate: true };
        assert_eq!(all.unwrap(), expected);
        for nothing in ["{actions: []}", "{actions: [ignore]}"] {
            assert!(!of_yaml(nothing).unwrap().actions.is_any());
        }
    }

    #[test]
    fn wrong_values_name_the_key() {
        for (yaml, message) in [
            (
                "{actions: [log, shout]}",
                r#"syscall_event_drops.actions: "shout" is not one of ignore, log, alert, exit"#,
            ),
            (
                "{actions: [exit, ignore]}",
                "syscall_event_drops.actions: ignore cannot stand beside other actions; remove it or them",
            ),
        ] {
            assert_eq!(of_yaml(yaml).unwrap_err().to_string(), message);
        }
    }
}
