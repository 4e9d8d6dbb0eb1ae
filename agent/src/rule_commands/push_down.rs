//! `peregrine rules list --push-down`: which events the kernel rejects for the rules, and why it does not where it does not.

use std::io::Write;

use anyhow::Result;
use event::{EventType, carries_state};
use rules::{Clause, RuleId, Ruleset, TypeNeed, Unasked, Unfiltered};
use serde::Serialize;

use super::loaded::RulesFrom;
use crate::cli::Settings;
use crate::config::{self, Config};
use crate::need::{Need, Why};
use crate::push_down::PushDown;
use crate::run::load_rules;
use crate::start::count;

/// Names of rules on a line; the rest is counted.
const RULES_NAMED: usize = 3;

/// What becomes of the events of one type.
#[derive(Debug, Serialize)]
struct Told {
    event: &'static str,
    /// Conditions one of which an event has to meet; none: every event passes.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    passes_where: Vec<Passing>,
    /// Why every event passes, or why those of any name do.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    because: Vec<String>,
}

#[derive(Debug, Serialize)]
struct Passing {
    it: String,
    rules: Vec<String>,
}

/// Prints a block for each event that is captured for the rules, or one JSON object a line.
///
/// # Errors
/// The rules cannot be loaded, or stdout is gone.
pub(super) fn run(from: &RulesFrom, json: bool, out: &mut dyn Write) -> Result<()> {
    let set = Settings { rules: from.rules.clone(), ..Settings::default() };
    let config = config::load_and_say(&from.source, &set)?;
    let ruleset = load_rules(&config)?.ruleset;
    let push_down = PushDown::of(&config, &ruleset);
    let told = told(&Need::of(&config, &ruleset), &push_down, &ruleset);
    if json {
        for one in &told {
            writeln!(out, "{}", serde_json::to_string(one)?)?;
        }
        return Ok(());
    }
    let n_captured = count(told.len(), "event");
    writeln!(out, "push-down: {}; {n_captured} captured", push_down.said())?;
    for one in &told {
        write!(out, "\n{}", one.text())?;
    }
    Ok(())
}

/// The blocks of the events some of which are rejected, for `-v`.
pub(crate) fn text(config: &Config, ruleset: &Ruleset) -> String {
    let push_down = PushDown::of(config, ruleset);
    let told = told(&Need::of(config, ruleset), &push_down, ruleset);
    told.iter().filter(|one| !one.passes_where.is_empty()).map(Told::text).collect()
}

impl Told {
    fn text(&self) -> String {
        let Self { event, passes_where, because } = self;
        let mut text = match &passes_where[..] {
            [] => format!("{event}: everything passes\n"),
            _ => format!("{event}: passes where it\n"),
        };
        let passing = passes_where
            .iter()
            .map(|Passing { it, rules }| format!("  {it} ({})\n", some_of(rules)));
        text.extend(passing.chain(because.iter().map(|why| format!("  {why}\n"))));
        text
    }
}

/// `a, b, c and 2 more`.
fn some_of(rules: &[String]) -> String {
    let named = rules.iter().take(RULES_NAMED).map(String::as_str).collect::<Vec<_>>().join(", ");
    match rules.len().saturating_sub(RULES_NAMED) {
        0 => named,
        n_more => format!("{named} and {n_more} more"),
    }
}

fn told(need: &Need, push_down: &PushDown, ruleset: &Ruleset) -> Vec<Told> {
    let types = need.wanted().interest.intersection(&capture::capturable());
    let name = |rule: &RuleId| ruleset.rule(*rule).name.to_string();
    let passing = |clause: &Clause| Passing {
        it: clause.to_string(),
        rules: clause.rules.iter().map(name).collect(),
    };
    let of_type = |ty: EventType| {
        let found = ruleset.necessary().types().iter().find(|need| need.ty == ty);
        let clauses = match push_down {
            PushDown::On { clauses, .. } => clauses.get(&ty),
            PushDown::Off(_) => None,
        };
        Told {
            event: ty.name(),
            passes_where: clauses.into_iter().flatten().map(passing).collect(),
            because: match (clauses, push_down) {
                (None, PushDown::Off(_)) => Vec::new(),
                (None, _) => vec![reason(ty, need, found, ruleset)],
                (Some(_), _) => found
                    .map_or(&[][..], |need| &need.unasked)
                    .iter()
                    .map(|unasked| format!("any name: {}", asks(unasked, ruleset)))
                    .collect(),
            },
        }
    };
    let mut told: Vec<Told> = types.iter().map(of_type).collect();
    told.sort_by_key(|one| one.event);
    told
}

/// Why the events of a type are not filtered.
fn reason(ty: EventType, need: &Need, found: Option<&TypeNeed>, ruleset: &Ruleset) -> String {
    let asking = need.parts().iter().filter(|part| part.types.contains(ty));
    let mut others = asking.filter(|part| !matches!(part.why, Why::Rule(_)));
    if carries_state(ty) {
        return "the process table is made of it".to_owned();
    }
    if others.next().is_some() || need.wanted().asked.answers.contains(ty) {
        return "not only rules ask for it: `peregrine events --needed-by` tells who".to_owned();
    }
    match found.map(|need| &need.clauses) {
        Some(Err(Unfiltered::Rule(unasked))) => asks(unasked, ruleset),
        Some(Err(Unfiltered::TooLong)) => {
            "the conditions are too long to be looked through".to_owned()
        }
        Some(Ok(clauses)) if clauses.is_empty() => "no rule can match it".to_owned(),
        Some(Ok(_)) => "there are more clauses than can be told apart".to_owned(),
        None => "it is no call that returns a result of its own".to_owned(),
    }
}

/// `Rule: fd.name contains x, proc.name in (a, b)`.
fn asks(unasked: &Unasked, ruleset: &Ruleset) -> String {
    let Unasked { rule, tests } = unasked;
    let name = &ruleset.rule(*rule).name;
    if tests.is_empty() {
        return format!("{name}, which asks nothing of it that the kernel tells");
    }
    format!("{name}: {}", tests.join("; "))
}
