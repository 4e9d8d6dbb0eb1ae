//! `peregrine rules explain`: what a rule comes to once everything is put in, what it costs the kernel, and what it has in common with others.

use std::collections::BTreeSet;
use std::io::Write;

use anyhow::{Result, anyhow};
use clap::Args;
use event::{EventSet, EventType, N_EVENT_TYPES};
use rules::{Catalog, Field, FieldRef, RuleFacts, SharedCheck};
use serde_json::{Value, json};

use super::loaded::RulesFrom;
use crate::demand;
use crate::start::count;

/// Others that are named of those that make a comparison too.
const NAMED_OTHERS: usize = 4;
/// Longest comparison that is shown whole.
const CHECK_CHARS: usize = 76;
/// Names on a line that is a list of many.
const MANY_NAMES: usize = 40;

/// Options of `peregrine rules explain`.
#[derive(Debug, Args)]
pub(crate) struct ExplainArgs {
    /// Name of the rule
    #[arg(value_name = "RULE")]
    rule: String,

    /// Print one JSON object
    #[arg(long)]
    json: bool,

    #[command(flatten)]
    from: RulesFrom,
}

/// Explains one rule.
///
/// # Errors
/// The rules cannot be loaded, there is no such rule, or stdout is gone.
pub(crate) fn run(args: &ExplainArgs, out: &mut dyn Write) -> Result<()> {
    let catalog = args.from.load()?;
    let rule = find(&catalog, &args.rule)?;
    let explained = Explained::of(&catalog, rule);
    if args.json {
        writeln!(out, "{}", explained.object())?;
    } else {
        out.write_all(explained.text().as_bytes())?;
    }
    Ok(())
}

/// The rule, or why there is none.
pub(crate) fn find<'a>(catalog: &'a Catalog, name: &str) -> Result<&'a RuleFacts> {
    catalog.rule(name).ok_or_else(|| {
        let of_it = |w: &&rules::RuleError| {
            w.item.as_ref().is_some_and(|(kind, n)| *kind == rules::ItemKind::Rule && &**n == name)
        };
        if let Some(warning) = catalog.warnings.iter().find(of_it) {
            return anyhow!("rule {name:?} was left out: {}", warning.one_line());
        }
        let near: Vec<String> =
            catalog.nearest_rules(name).iter().map(|n| format!("{n:?}")).collect();
        match &near[..] {
            [] => anyhow!("there is no rule {name:?}; `peregrine rules list` names them"),
            near => anyhow!("there is no rule {name:?}; did you mean {}?", near.join(" or ")),
        }
    })
}

/// What is said of a rule.
struct Explained<'a> {
    rule: &'a RuleFacts,
    macros: BTreeSet<&'a str>,
    lists: BTreeSet<&'a str>,
    /// The resolved condition, laid out.
    lines: Option<Vec<String>>,
    shared: Vec<SharedCheck>,
    /// Names of the event types, once each; none where they are all.
    events: Option<Vec<String>>,
    /// Those whose events the running kernel's source gives.
    captured: Vec<String>,
    not_captured: Vec<String>,
    /// Calls captured because they change what a field reads.
    followed: Vec<String>,
}

impl<'a> Explained<'a> {
    fn of(catalog: &'a Catalog, rule: &'a RuleFacts) -> Self {
        let types = &rule.condition.types;
        let all = names(types, &rule.calls);
        let capturable = capture::capturable();
        let calls = capture::generic_calls();
        let captured: Vec<String> = names(&types.intersection(&capturable), &rule.calls)
            .into_iter()
            .filter(|name| !rule.calls.iter().any(|c| **c == **name) || calls.has(name))
            .collect();
        let not_captured = all.iter().filter(|n| !captured.contains(n)).cloned().collect();
        let reads = |field: Field| rule.fields().any(|f| f.field == field);
        let followed = demand::calls_behind(reads);
        let (macros, lists) = catalog.uses(&rule.condition);
        Self {
            rule,
            macros,
            lists,
            lines: catalog.lines(&rule.condition),
            shared: catalog.shared(rule),
            events: (*types != EventSet::all()).then_some(all),
            captured,
            not_captured,
            followed: names(&followed, &[]),
        }
    }

    fn text(&self) -> String {
        let RuleFacts { info, enabled, active, condition, output_fields, .. } = self.rule;
        let mut lines = Lines::default();
        lines.add("rule", &info.name);
        lines.add("what", &info.desc);
        let state = match (enabled, active) {
            (false, _) => "disabled",
            (true, true) => "enabled",
            (true, false) => {
                "enabled, but not evaluated: below the minimum priority, or its source gives no events here"
            }
        };
        lines.add("priority", &format!("{}, source {}, {state}", info.priority, info.source));
        lines.add("tags", &info.tags.join(" "));
        lines.add("output", &info.output);
        match &self.lines {
            Some(of) => lines.block("condition", of),
            None => lines.add("condition", "too large to be shown once its macros are put in"),
        }
        let events = self.events.as_ref();
        lines.add("events", &events.map_or("every type".to_owned(), |names| few(names)));
        lines.add("captured", &few(&self.captured));
        if events.is_some() {
            lines.add("not captured", &few(&self.not_captured));
        }
        if !self.followed.is_empty() {
            let followed = few(&self.followed);
            lines.add("followed", &format!("{followed}, because they change what its fields read"));
        }
        lines.add("kernel", "rejects nothing yet: every captured event goes to user space");
        lines.add("reads", &few(&field_names(&condition.fields)));
        lines.add("prints", &few(&field_names(output_fields)));
        let missing = self.missing_fields();
        if !missing.is_empty() {
            let why = "this version cannot give them, so no comparison with them holds";
            lines.add("not given", &format!("{}: {why}", few(&missing)));
        }
        let recorded = self.named_fields(Field::is_of_recordings);
        if !recorded.is_empty() {
            let why = "only recordings have them, the live kernel does not tell them";
            lines.add("not live", &format!("{}: {why}", few(&recorded)));
        }
        lines.add("macros", &few(&owned(&self.macros)));
        lines.add("lists", &few(&owned(&self.lists)));
        for exception in &self.rule.exceptions {
            let compared = exception.fields.iter().zip(&exception.operators);
            let compared: Vec<String> = compared.map(|(f, op)| format!("{f} {op}")).collect();
            let values = match exception.n_values {
                0 => "no values, so no effect".to_owned(),
                n => count(n, "value"),
            };
            let name = &exception.name;
            lines.add("exceptions", &format!("{name}: {}; {values}", compared.join(", ")));
        }
        for shared in &self.shared {
            let named: Vec<&str> = shared.rules.iter().take(NAMED_OTHERS).map(|r| &**r).collect();
            let more = shared.rules.len() - named.len();
            let more = if more > 0 { format!(" and {more} more") } else { String::new() };
            let text = shortened(&shared.text);
            let n = count(shared.rules.len(), "other rule");
            lines.add("shared", &format!("{text}\n  by {n}: {}{more}", named.join(", ")));
        }
        lines.text
    }

    /// Fields that this version cannot give.
    fn missing_fields(&self) -> Vec<String> {
        self.named_fields(|f| !f.is_extracted())
    }

    fn named_fields(&self, is_one: impl Fn(Field) -> bool) -> Vec<String> {
        let fields = self.rule.fields().filter(|f| is_one(f.field));
        fields.map(ToString::to_string).collect::<BTreeSet<_>>().into_iter().collect()
    }

    fn object(&self) -> Value {
        let RuleFacts { info, enabled, active, condition, output_fields, .. } = self.rule;
        let shared = self.shared.iter().map(|s| {
            json!({ "check": s.text, "rules": s.rules.iter().map(|r| &**r).collect::<Vec<_>>() })
        });
        let exceptions = self.rule.exceptions.iter().map(|e| {
            json!({
                "fields": e.fields,
                "name": &*e.name,
                "operators": e.operators,
                "values": e.n_values,
            })
        });
        json!({
            "active": active,
            "captured": self.captured,
            "condition": condition.written,
            "condition_fields": field_names(&condition.fields),
            "condition_resolved": condition.resolved,
            "description": info.desc,
            "enabled": enabled,
            "events": self.events,
            "exceptions": exceptions.collect::<Vec<_>>(),
            "fields_not_given": self.missing_fields(),
            "fields_not_live": self.named_fields(Field::is_of_recordings),
            "followed": self.followed,
            "lists": self.lists,
            "macros": self.macros,
            "name": &*info.name,
            "not_captured": self.not_captured,
            "output": info.output,
            "output_fields": field_names(output_fields),
            "priority": info.priority,
            "rejected_in_kernel": [],
            "shared": shared.collect::<Vec<_>>(),
            "source": &*info.source,
            "tags": info.tags.iter().map(|t| &**t).collect::<Vec<_>>(),
        })
    }
}

/// Names of event types, each once, with calls that have none in place of the generic type.
fn names(types: &EventSet, calls: &[Box<str>]) -> Vec<String> {
    let generic = |t: EventType| t.0 <= EventType::GENERIC_X.0;
    let is_told_by_calls = !calls.is_empty();
    let mut names: Vec<String> = Vec::new();
    for ty in types.iter().filter(|t| usize::from(t.0) < N_EVENT_TYPES) {
        if generic(ty) && is_told_by_calls {
            continue;
        }
        let name = if generic(ty) { "generic" } else { ty.name() };
        if !names.iter().any(|n| n == name) {
            names.push(name.to_owned());
        }
    }
    if types.iter().any(generic) {
        names.extend(calls.iter().map(ToString::to_string));
    }
    names
}

fn field_names(fields: &[FieldRef]) -> Vec<String> {
    fields.iter().map(ToString::to_string).collect()
}

fn owned(names: &BTreeSet<&str>) -> Vec<String> {
    names.iter().map(ToString::to_string).collect()
}

/// Names with blanks between them; of very many the first ones.
fn few(names: &[String]) -> String {
    let shown = names[..names.len().min(MANY_NAMES)].join(" ");
    match names.len().saturating_sub(MANY_NAMES) {
        0 => shown,
        more => format!("{shown} and {more} more"),
    }
}

fn shortened(text: &str) -> String {
    match text.char_indices().nth(CHECK_CHARS) {
        Some((at, _)) => format!("{}...", &text[..at]),
        None => text.to_owned(),
    }
}

/// Subjects in a column of their own, what is said of them wrapped beside it.
#[derive(Default)]
struct Lines {
    text: String,
    last: &'static str,
}

const SUBJECT_WIDTH: usize = 14;
const TEXT_WIDTH: usize = 100;

impl Lines {
    /// What is empty is not said.
    fn add(&mut self, subject: &'static str, what: &str) {
        for line in what.lines() {
            let indent = line.len() - line.trim_start().len();
            let mut current = String::new();
            for word in line.split_whitespace() {
                if !current.is_empty()
                    && indent + current.chars().count() + word.chars().count() >= TEXT_WIDTH
                {
                    self.line(subject, indent, &current);
                    current.clear();
                }
                if !current.is_empty() {
                    current.push(' ');
                }
                current.push_str(word);
            }
            if !current.is_empty() {
                self.line(subject, indent, &current);
            }
        }
    }

    /// Lines as they are.
    fn block(&mut self, subject: &'static str, lines: &[String]) {
        for line in lines {
            self.line(subject, 0, line);
        }
    }

    fn line(&mut self, subject: &'static str, indent: usize, line: &str) {
        let shown = if self.last == subject { "" } else { subject };
        self.last = subject;
        self.text.push_str(format!("{shown:SUBJECT_WIDTH$}{:indent$}{line}", "").trim_end());
        self.text.push('\n');
    }
}

#[cfg(test)]
mod tests {
    use rules::{Options, Source};

    use super::*;

    fn explain_all(sources: Vec<Source>) -> usize {
        let catalog = Catalog::load(sources, &Options::default()).expect("they load");
        for rule in &catalog.rules {
            let explained = Explained::of(&catalog, rule);
            let text = explained.text();
            let name = &rule.info.name;
            for subject in ["rule", "condition", "events", "captured", "kernel", "reads"] {
                let said = |l: &str| l.starts_with(subject) && l.len() > SUBJECT_WIDTH;
                assert!(text.lines().any(said), "{name}: {subject}\n{text}");
            }
            let object = explained.object();
            assert!(object["condition_resolved"].is_string(), "{name}");
            assert_eq!(object["name"], **name);
        }
        catalog.rules.len()
    }

    #[test]
    fn every_shipped_rule_is_explained() {
        let text = rules::DEFAULT_RULES.to_owned();
        let n = explain_all(vec![Source { name: "default".to_owned(), text }]);
        assert!(n >= 41, "{n} rules");
    }

    #[test]
    fn every_official_rule_is_explained() {
        let Some(corpus) = std::env::var_os("PEREGRINE_CORPUS") else {
            eprintln!("skipped: every_official_rule_is_explained: PEREGRINE_CORPUS is not set");
            return;
        };
        let rules = std::path::Path::new(&corpus).join("rules");
        let source = |name: &str| Source {
            name: name.to_owned(),
            text: std::fs::read_to_string(rules.join(name)).expect("it can be read"),
        };
        let official = ["falco_rules.yaml", "falco-incubating_rules.yaml"];
        let n = explain_all(official.iter().map(|n| source(n)).collect());
        assert!(n >= 50, "{n} rules");
    }

    #[test]
    fn generic_calls_stand_for_their_type() {
        let types = EventSet::EMPTY.complement();
        let calls: [Box<str>; 1] = ["fsync".into()];
        assert!(names(&types, &[]).contains(&"generic".to_owned()));
        assert_eq!(names(&types, &calls).last().map(String::as_str), Some("fsync"));
        assert!(!names(&types, &calls).contains(&"generic".to_owned()));
    }
}
