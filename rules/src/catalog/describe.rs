//! The catalog in Falco's form: what `-L` and `-l` print, as JSON and as text.

use std::collections::{BTreeSet, HashMap};
use std::fmt::Write as _;
use std::sync::Arc;

use event::{EventSet, EventType, N_EVENT_TYPES};
use serde::Serialize;

use super::{Catalog, ConditionFacts, ListFacts, MacroFacts, RuleFacts};
use crate::alert::Priority;
use crate::schema::{Class, FieldRef};

/// Width of the names in the text.
const NAME_WIDTH: usize = 50;
/// Column behind the descriptions in the text.
const TEXT_WIDTH: usize = 110;

/// Everything that was loaded, or one rule of it. Serialises to Falco's `falco_describe_results`.
#[derive(Clone, Debug, Serialize)]
pub struct Description {
    #[serde(skip_serializing_if = "Option::is_none")]
    lists: Option<Vec<Described<ListInfo, ListDetails>>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    macros: Option<Vec<Described<MacroInfo, MacroDetails>>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    required_engine_version: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    required_plugin_versions: Option<Vec<RequiredPlugin>>,
    rules: Vec<Described<DescribedRule, RuleDetails>>,
}

/// A plugin that the rules require, or one of those that will do as well.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct RequiredPlugin {
    /// Others that will do; none of these has more.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub alternatives: Option<Vec<RequiredPlugin>>,
    /// Its name.
    pub name: String,
    /// The least version.
    pub version: String,
}

#[derive(Clone, Debug, Serialize)]
struct Described<I, D> {
    details: D,
    info: I,
}

#[derive(Clone, Debug, Serialize)]
struct DescribedRule {
    capture: bool,
    capture_duration: u64,
    condition: String,
    description: String,
    enabled: bool,
    name: String,
    output: String,
    priority: Priority,
    source: String,
    tags: Vec<String>,
}

#[derive(Clone, Debug, Serialize)]
struct RuleDetails {
    condition_compiled: String,
    condition_fields: Vec<String>,
    condition_operators: Vec<String>,
    events: Vec<String>,
    exception_fields: BTreeSet<String>,
    exception_names: Vec<String>,
    exception_operators: BTreeSet<String>,
    lists: Vec<String>,
    macros: Vec<String>,
    output_compiled: String,
    output_fields: Vec<String>,
    plugins: BTreeSet<&'static str>,
}

#[derive(Clone, Debug, Serialize)]
struct MacroInfo {
    condition: String,
    name: String,
}

#[derive(Clone, Debug, Serialize)]
struct MacroDetails {
    condition_compiled: String,
    condition_fields: Vec<String>,
    condition_operators: Vec<String>,
    events: Vec<String>,
    lists: Vec<String>,
    macros: Vec<String>,
    plugins: BTreeSet<&'static str>,
    used: bool,
}

#[derive(Clone, Debug, Serialize)]
struct ListInfo {
    items: Vec<String>,
    name: String,
}

#[derive(Clone, Debug, Serialize)]
struct ListDetails {
    items_compiled: Vec<String>,
    lists: Vec<String>,
    plugins: BTreeSet<&'static str>,
    used: bool,
}

impl Catalog {
    /// Everything in Falco's form.
    #[must_use]
    pub fn describe(&self) -> Description {
        let by_name = self.lists.iter().map(|l| (&*l.name, l)).collect();
        Description {
            lists: Some(self.lists.iter().map(|l| of_list(l, &by_name)).collect()),
            macros: Some(self.macros.iter().map(of_macro).collect()),
            required_engine_version: Some(self.required_engine_version.clone()),
            required_plugin_versions: Some(self.required_plugins.clone()),
            rules: self.rules.iter().map(of_rule).collect(),
        }
    }

    /// One rule in Falco's form.
    #[must_use]
    pub fn describe_rule(rule: &RuleFacts) -> Description {
        Description {
            lists: None,
            macros: None,
            required_engine_version: None,
            required_plugin_versions: None,
            rules: vec![of_rule(rule)],
        }
    }
}

impl Description {
    /// Names and descriptions in two columns.
    #[must_use]
    pub fn text(&self) -> String {
        let mut text = String::new();
        let mut row = |name: &str, what: &str| {
            let mut left = name;
            for line in wrapped(what) {
                // Writing to a string cannot fail.
                writeln!(text, "{left:NAME_WIDTH$} {line}").expect("a String takes all text");
                left = "";
            }
        };
        row("Rule", "Description");
        row("----", "-----------");
        for rule in &self.rules {
            row(&rule.info.name, &rule.info.description);
        }
        text
    }
}

/// Lines that end before [`TEXT_WIDTH`], at least one.
fn wrapped(text: &str) -> Vec<String> {
    let width = TEXT_WIDTH - NAME_WIDTH - 1;
    let mut lines = vec![String::new()];
    for word in text.split_whitespace() {
        let line = lines.last_mut().expect("there is a first line");
        if line.is_empty() {
            line.push_str(word);
        } else if line.chars().count() + 1 + word.chars().count() <= width {
            line.push(' ');
            line.push_str(word);
        } else {
            lines.push(word.to_owned());
        }
    }
    lines
}

fn of_rule(rule: &RuleFacts) -> Described<DescribedRule, RuleDetails> {
    let RuleFacts { info, enabled, condition, output_fields, exceptions, .. } = rule;
    let fields = rule.fields();
    Described {
        details: RuleDetails {
            condition_compiled: condition.resolved.clone().unwrap_or_default(),
            condition_fields: field_names(&condition.fields),
            condition_operators: condition.operators.clone(),
            events: events(&condition.types, &rule.calls),
            exception_fields: exceptions.iter().flat_map(|e| e.fields.clone()).collect(),
            exception_names: exceptions.iter().map(|e| e.name.to_string()).collect(),
            exception_operators: exceptions.iter().flat_map(|e| e.operators.clone()).collect(),
            lists: owned(&condition.lists),
            macros: owned(&condition.macros),
            output_compiled: info.output.clone(),
            output_fields: field_names(output_fields),
            plugins: plugins(fields),
        },
        info: DescribedRule {
            capture: info.capture,
            capture_duration: info.capture_duration_ms,
            condition: info.condition.clone(),
            description: info.desc.clone(),
            enabled: *enabled,
            name: info.name.to_string(),
            output: info.output.clone(),
            priority: info.priority,
            source: info.source.to_string(),
            tags: owned(&info.tags),
        },
    }
}

fn of_list(
    of: &ListFacts,
    by_name: &HashMap<&str, &ListFacts>,
) -> Described<ListInfo, ListDetails> {
    let ListFacts { name, items, lists, used } = of;
    let merged = |item: &String| match by_name.get(&**item) {
        Some(other) => other.items.clone(),
        None => vec![item.clone()],
    };
    Described {
        details: ListDetails {
            items_compiled: items.iter().flat_map(merged).collect(),
            lists: owned(lists),
            plugins: BTreeSet::new(),
            used: *used,
        },
        info: ListInfo { items: items.clone(), name: name.to_string() },
    }
}

fn of_macro(of: &MacroFacts) -> Described<MacroInfo, MacroDetails> {
    let MacroFacts { name, condition, used } = of;
    let ConditionFacts { written, resolved, operators, macros, lists, fields, types, .. } =
        condition;
    Described {
        details: MacroDetails {
            condition_compiled: resolved.clone().unwrap_or_default(),
            condition_fields: field_names(fields),
            condition_operators: operators.clone(),
            events: events(types, &[]),
            lists: owned(lists),
            macros: owned(macros),
            plugins: plugins(fields.iter()),
            used: *used,
        },
        info: MacroInfo { condition: written.clone(), name: name.to_string() },
    }
}

/// Names of the types, sorted, each once, with the asynchronous event that every rule can see.
fn events(types: &EventSet, calls: &[Box<str>]) -> Vec<String> {
    let mut names = BTreeSet::from(["asyncevent".to_owned()]);
    for ty in types.iter().filter(|t| usize::from(t.0) < N_EVENT_TYPES) {
        if ty.0 > EventType::GENERIC_X.0 {
            names.insert(ty.name().to_owned());
        } else if calls.is_empty() {
            names.insert("generic".to_owned());
        } else {
            names.extend(calls.iter().map(ToString::to_string));
        }
    }
    names.into_iter().collect()
}

/// The plugins of Falco that give the fields.
fn plugins<'a>(fields: impl Iterator<Item = &'a FieldRef>) -> BTreeSet<&'static str> {
    let plugin = |field: &FieldRef| match field.field.info().class {
        Class::Container => Some("container"),
        Class::K8sMeta => Some("k8smeta"),
        Class::K8sAudit => Some("k8saudit"),
        Class::Json => Some("json"),
        _ => None,
    };
    fields.filter_map(plugin).collect()
}

fn field_names(fields: &[FieldRef]) -> Vec<String> {
    fields.iter().map(ToString::to_string).collect()
}

fn owned(names: &[Arc<str>]) -> Vec<String> {
    names.iter().map(ToString::to_string).collect()
}
