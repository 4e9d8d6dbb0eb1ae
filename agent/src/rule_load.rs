//! From the configuration to a ruleset.

use std::collections::BTreeMap;
use std::sync::Arc;

use rules::{
    Catalog, Options, RuleInfo, RuleMatching, Ruleset, Source, YamlNode, YamlValue, validate,
};

use crate::config::{CaptureSource, Config, Matching};
use crate::file_digests::FileDigests;
use crate::identity;
use crate::rule_commands::missing;
use crate::rule_files;
use crate::start::count;

/// Why there is no ruleset.
#[derive(Debug)]
pub(crate) enum LoadError {
    /// The rules are wrong: each error drawn.
    Rules(Vec<String>),
    /// Anything else.
    Other(anyhow::Error),
}

impl From<anyhow::Error> for LoadError {
    fn from(e: anyhow::Error) -> Self {
        Self::Other(e)
    }
}

/// The configured matching, in the words of the rules.
pub(crate) fn matching(config: &Config) -> RuleMatching {
    match config.matching {
        Matching::First => RuleMatching::First,
        Matching::All => RuleMatching::All,
    }
}

/// How the configuration has rules loaded.
pub(crate) fn options(config: &Config) -> Options {
    Options {
        matching: matching(config),
        min_priority: config.min_priority,
        selections: config.selections.clone(),
        static_fields: Arc::clone(&config.static_fields),
        appends: config.appends.clone(),
        buffers_in_base64: config.buffers_in_base64,
        tells_fields: config.format.json && config.format.with_output_fields
            || config.outputs.rate_control.tells_same(),
        ..Options::default()
    }
}

/// Rules, and what they were made of.
#[derive(Debug)]
pub(crate) struct LoadedRules {
    pub(crate) ruleset: Arc<Ruleset>,
    pub(crate) digests: FileDigests,
    sources: Vec<Source>,
    options: Options,
}

impl LoadedRules {
    /// A line for each file, for `-v`: in Falco's words whether it has the shape of its schema, and how often it names rules, macros and lists.
    pub(crate) fn files(&self) -> String {
        let line = |file: &Source| {
            let judged = validate(vec![Ok(file.clone())], &Options::default());
            let schema = judged.first().and_then(|file| file.schema_warnings.first());
            let [rules, macros, lists] = definitions(file.clone());
            format!(
                "rules {} | schema validation: {} | {}, {}, {}\n",
                file.name,
                schema.map_or("none", |verdict| verdict),
                count(rules, "rule"),
                count(macros, "macro"),
                count(lists, "list"),
            )
        };
        self.sources.iter().map(line).collect()
    }

    /// What each rule comes to, with lists and macros put in. Compiles once more.
    pub(crate) fn resolved(&self) -> BTreeMap<Arc<str>, (Arc<RuleInfo>, Option<String>)> {
        let Self { ruleset, sources, options, .. } = self;
        let catalog = Catalog::load(sources.clone(), options).ok();
        let condition = |name: &str| catalog.as_ref()?.rule(name)?.condition.resolved.clone();
        let rules = ruleset.rules();
        rules.map(|r| (Arc::clone(&r.name), (Arc::clone(r), condition(&r.name)))).collect()
    }
}

/// How often a file names rules, macros and lists.
fn definitions(file: Source) -> [usize; 3] {
    let documents = YamlNode::read(file).unwrap_or_default();
    let items = documents.iter().filter_map(|document| match &document.value {
        YamlValue::Sequence(items) => Some(items),
        _ => None,
    });
    let has = |item: &YamlNode, name: &str| match &item.value {
        YamlValue::Map(pairs) => pairs
            .iter()
            .any(|(key, _)| matches!(&key.value, YamlValue::Scalar { text, .. } if text == name)),
        _ => false,
    };
    let items: Vec<&YamlNode> = items.flatten().collect();
    ["rule", "macro", "list"].map(|name| items.iter().filter(|item| has(item, name)).count())
}

/// Reads and compiles the configured rules.
pub(crate) fn load(config: &Config) -> Result<LoadedRules, LoadError> {
    let sources = rule_files::read(&config.rules)?;
    let options = Options { list_items: identity::list_items(config), ..options(config) };
    let drawn = |e: &rules::RuleError| e.to_string().trim_end().to_owned();
    let ruleset = Ruleset::load(sources.clone(), options.clone())
        .map_err(|errors| LoadError::Rules(errors.iter().map(drawn).collect()))?;
    let digests = FileDigests::of(&sources, &config.files);
    Ok(LoadedRules { ruleset: Arc::new(ruleset), digests, sources, options })
}

/// What there is to say of rules that were loaded: doubts drawn, then notes of a line each.
pub(crate) fn remarks(ruleset: &Ruleset, config: &Config) -> Vec<String> {
    doubts(ruleset).chain(notes(ruleset, config)).collect()
}

/// Warnings about the rules' text, drawn.
pub(crate) fn doubts(ruleset: &Ruleset) -> impl Iterator<Item = String> {
    ruleset.warnings().iter().map(|w| w.to_string().trim_end().to_owned())
}

/// What the rules and the configuration ask for in vain, a line each.
pub(crate) fn notes(ruleset: &Ruleset, config: &Config) -> impl Iterator<Item = String> {
    let is_live = config.source == CaptureSource::Live;
    let idle = ruleset.idle_selections().iter().map(|idle| format!("rules: {idle}"));
    let not_given = missing::notes(ruleset.fields_by_rule(), is_live);
    let captures = if is_live { captures_in_vain(ruleset, config) } else { None };
    idle.chain(captures).chain(not_given)
}

/// Recordings take a rule that asks for them and a configuration that allows them.
fn captures_in_vain(ruleset: &Ruleset, config: &Config) -> Option<String> {
    let n = ruleset.rules().filter(|r| r.capture).count();
    match &config.on_alert {
        None if n > 0 => {
            let ask = if n == 1 { "asks" } else { "ask" };
            Some(format!(
                "{} {ask} for a capture, but capture.enabled is not true",
                count(n, "rule")
            ))
        }
        Some(on_alert) if !on_alert.is_asked_by(ruleset) => {
            Some("capture.enabled is true, but no rule has `capture: true`".to_owned())
        }
        None | Some(_) => None,
    }
}
