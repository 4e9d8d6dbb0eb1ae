//! `peregrine events --needed-by`: what the agent would capture for these rules, what it would attach, and who asks for it.

use std::fmt::Write as _;

use anyhow::Result;
use capture::{ForkSides, Wanted};
use event::{Call, CallSet, EventSet, EventType};
use rules::{Field, Ruleset};
use serde::Serialize;

use crate::config::Config;
use crate::live::FORK_EVENTS;
use crate::need::{Need, Why, names};
use crate::push_down::PushDown;
use crate::run::{blind_rules, load_rules};
use crate::start::count;

/// Names of rules on a line; the rest is counted.
const RULES_NAMED: usize = 3;

/// Everything that would be captured.
#[derive(Debug, Serialize)]
pub(crate) struct Needed {
    n_rules: usize,
    captured: Vec<Captured>,
    /// What rules ask for in vain, in words.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    warnings: Vec<String>,
}

/// An event, or a system call without an event type of its own, by name.
#[derive(Debug, Serialize)]
struct Captured {
    name: &'static str,
    /// What is attached to it.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    attached: Vec<&'static str>,
    /// The kernel rejects those that no rule can match.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    narrowed: bool,
    because: Vec<Because>,
}

/// Who asks for it.
#[derive(Debug, Serialize)]
#[serde(rename_all = "snake_case")]
enum Because {
    Lineage,
    Rules(Vec<String>),
    State { fields: Vec<&'static str>, read_by: Vec<String> },
    Answers { fields: Vec<&'static str>, read_by: Vec<String> },
    Recording,
    AlertRecording,
    AllSyscalls,
    CustomSet,
}

/// What the agent would capture with this configuration.
///
/// # Errors
/// The rules cannot be read, or are wrong.
pub(crate) fn needed(config: &Config) -> Result<Needed> {
    Ok(Needed::of(config, &load_rules(config)?.ruleset))
}

impl Needed {
    fn of(config: &Config, ruleset: &Ruleset) -> Self {
        let need = Need::of(config, ruleset);
        let wanted = need.wanted();
        let push_down = PushDown::of(config, ruleset);
        let captured = names(&wanted).into_iter().map(|name| {
            let types = EventType::all_named(name).collect::<EventSet>();
            let types = types.intersection(&wanted.interest.union(&wanted.asked.answers));
            let calls = if types.is_empty() { Call::named(name) } else { None };
            let calls = calls.into_iter().collect();
            Captured {
                name,
                attached: attached(&wanted, &types),
                narrowed: push_down.narrows(&types),
                because: because(&need, &types, &calls, ruleset),
            }
        });
        Self {
            n_rules: ruleset.rules().len(),
            captured: captured.collect(),
            warnings: config.warnings.iter().cloned().chain(blind_rules(ruleset)).collect(),
        }
    }

    /// The names, a line each.
    pub(crate) fn names(&self) -> Vec<&'static str> {
        self.captured.iter().map(|c| c.name).collect()
    }

    /// For people.
    pub(crate) fn text(&self) -> String {
        let Self { n_rules, captured, warnings } = self;
        let rows: Vec<[String; 4]> = captured.iter().map(Captured::columns).collect();
        let width = |n: usize| rows.iter().map(|row| row[n].len()).max().unwrap_or(0);
        let (first, second, third) = (width(0), width(1), width(2));
        let mut out = format!(
            "{} captured for {}: name, what is attached, what passes push-down, who asks\n\n",
            count(captured.len(), "event"),
            count(*n_rules, "rule")
        );
        for [name, attached, passes, because] in &rows {
            let _infallible =
                writeln!(out, "{name:<first$}  {attached:<second$}  {passes:<third$}  {because}");
        }
        for warning in warnings {
            let _infallible = write!(out, "\n{warning}\n");
        }
        out
    }

    /// For programs.
    pub(crate) fn json(&self) -> Result<String> {
        Ok(format!("{}\n", serde_json::to_string_pretty(self)?))
    }
}

impl Captured {
    fn columns(&self) -> [String; 4] {
        let Self { name, attached, narrowed, because } = self;
        let attached = if attached.is_empty() { "-".to_owned() } else { attached.join(", ") };
        let because: Vec<String> = because.iter().map(Because::text).collect();
        let passes = if *narrowed { "some" } else { "all" };
        [(*name).to_owned(), attached, passes.to_owned(), because.join("; ")]
    }
}

impl Because {
    fn text(&self) -> String {
        match self {
            Self::Lineage => "the process table".to_owned(),
            Self::Rules(rules) => some_of(rules),
            Self::State { fields, read_by } => {
                format!("what {} tells, of {}", fields.join(" "), some_of(read_by))
            }
            Self::Answers { fields, read_by } => {
                format!("answers of name servers, for {} of {}", fields.join(" "), some_of(read_by))
            }
            Self::Recording => "the recording".to_owned(),
            Self::AlertRecording => "recordings around alerts".to_owned(),
            Self::AllSyscalls => "all system calls are asked for".to_owned(),
            Self::CustomSet => "base_syscalls.custom_set".to_owned(),
        }
    }
}

/// `5 rules: a, b, c and 2 more`.
fn some_of(rules: &[String]) -> String {
    let named = rules.iter().take(RULES_NAMED).map(String::as_str).collect::<Vec<_>>().join(", ");
    let n_more = rules.len().saturating_sub(RULES_NAMED);
    let more = if n_more == 0 { String::new() } else { format!(" and {n_more} more") };
    format!("{}: {named}{more}", count(rules.len(), "rule"))
}

fn attached(wanted: &Wanted, types: &EventSet) -> Vec<&'static str> {
    let is_any = |set: &EventSet| !set.intersection(types).is_empty();
    let has_bytes = types
        .iter()
        .filter_map(EventType::info)
        .any(|info| info.params.iter().any(|p| p.name == "data"));
    let forks = FORK_EVENTS.into_iter().collect::<EventSet>();
    [
        (is_any(&wanted.asked.descriptors), "descriptor"),
        (is_any(&wanted.asked.entry), "descriptor at the start"),
        (has_bytes && is_any(&wanted.asked.buffers), "bytes"),
        (wanted.fork_sides == ForkSides::Both && is_any(&forks), "the caller's side"),
    ]
    .into_iter()
    .filter_map(|(is_there, what)| is_there.then_some(what))
    .collect()
}

fn because(need: &Need, types: &EventSet, calls: &CallSet, ruleset: &Ruleset) -> Vec<Because> {
    let named = |rules: &[u32]| -> Vec<String> {
        let name = |&n: &u32| ruleset.rule(rules::RuleId(n)).name.to_string();
        rules.iter().map(name).collect()
    };
    let (mut out, mut rules) = (Vec::new(), Vec::new());
    for part in need.parts() {
        if part.types.union(&part.answers).intersection(types).is_empty()
            && part.calls.intersection(calls).is_empty()
        {
            continue;
        }
        out.push(match &part.why {
            Why::Rule(n) => {
                rules.push(*n);
                continue;
            }
            Why::State { fields, rules } => Because::State {
                fields: fields.iter().map(|&f: &Field| f.name()).collect(),
                read_by: named(rules),
            },
            Why::Answers { fields, rules } => Because::Answers {
                fields: fields.iter().map(|&f: &Field| f.name()).collect(),
                read_by: named(rules),
            },
            Why::Lineage => Because::Lineage,
            Why::Recording => Because::Recording,
            Why::AlertRecording => Because::AlertRecording,
            Why::AllSyscalls => Because::AllSyscalls,
            Why::CustomSet => Because::CustomSet,
        });
    }
    if !rules.is_empty() {
        out.push(Because::Rules(named(&rules)));
    }
    out
}
