//! Rules: definitions, changes, and entries that only switch.

use std::sync::Arc;

use super::exceptions::{self, ExceptionDef};
use super::overrides::{Change, Mode, Overridable, mode};
use super::{Collected, append, name_span, nothing, too_many};
use crate::alert::Priority;
use crate::error::{Code, Diag, Diags, ItemKind, Problem};
use crate::items::Map;
use crate::source::{Span, Traced};

/// Tags of one rule.
const MAX_TAGS: usize = 1000;

const RULE: Overridable = Overridable {
    both: &["condition", "output", "desc", "tags", "exceptions"],
    replace: &[
        "priority",
        "enabled",
        "warn_evttypes",
        "skip-if-unknown-filter",
        "capture",
        "capture_duration",
    ],
};

#[derive(Debug)]
pub(crate) struct RuleDef {
    pub(crate) name: Arc<str>,
    pub(crate) span: Span,
    pub(crate) desc: String,
    /// As written, with what was appended, without the exceptions.
    pub(crate) condition: Traced,
    pub(crate) output: Traced,
    pub(crate) priority: Priority,
    pub(crate) source: String,
    pub(crate) tags: Vec<String>,
    pub(crate) exceptions: Vec<ExceptionDef>,
    pub(crate) switches: Switches,
    pub(crate) capture_duration_ms: u32,
    /// File of the newest definition: it may use what this and earlier files define.
    pub(crate) file: u32,
}

/// The keys of a rule that are true or false.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(clippy::struct_excessive_bools, reason = "independent keys of the language")]
pub(crate) struct Switches {
    pub(crate) enabled: bool,
    pub(crate) warn_evttypes: bool,
    pub(crate) skip_if_unknown: bool,
    pub(crate) capture: bool,
}

impl Default for Switches {
    fn default() -> Self {
        Self { enabled: true, warn_evttypes: true, skip_if_unknown: false, capture: false }
    }
}

impl Switches {
    /// Takes over the keys that the item gives and `takes` lets through.
    fn read(&mut self, map: &Map<'_>, takes: impl Fn(&str) -> bool) -> Result<(), Diag> {
        let Self { enabled, warn_evttypes, skip_if_unknown, capture } = self;
        for (key, switch) in [
            ("enabled", enabled),
            ("warn_evttypes", warn_evttypes),
            ("skip-if-unknown-filter", skip_if_unknown),
            ("capture", capture),
        ] {
            if takes(key)
                && let Some(on) = map.bool(key)?
            {
                *switch = on;
            }
        }
        Ok(())
    }
}

impl Collected {
    pub(super) fn rule(
        &mut self,
        name: &Arc<str>,
        map: &Map<'_>,
        file: u32,
        diags: &mut Diags,
    ) -> Result<(), Diag> {
        let mode = mode(map, ItemKind::Rule, name, &RULE, diags)?;
        let span = name_span(map, "rule");
        match mode {
            Mode::Define if is_switch(map) => self.switch_rule(name, map, diags),
            Mode::Define => self.define_rule(name, map, file, diags),
            Mode::Append | Mode::Override(_) => {
                let Some(rule) = self.rules.get_mut(name) else {
                    return Err(nothing(ItemKind::Rule, name, &mode, span));
                };
                rule.change(map, &mode, diags)?;
                rule.file = file;
                Ok(())
            }
        }
    }

    fn switch_rule(
        &mut self,
        name: &Arc<str>,
        map: &Map<'_>,
        diags: &mut Diags,
    ) -> Result<(), Diag> {
        let span = name_span(map, "rule");
        let enabled = map.bool("enabled")?.ok_or_else(|| map.missing("enabled"))?;
        diags.push(
            Diag::new(Code::DeprecatedItem, Problem::Deprecated("enabled"), span)
                .hint("use `override` with `enabled: replace`")
                .of(ItemKind::Rule, name),
        );
        let rule = self.rules.get_mut(name);
        rule.ok_or_else(|| nothing(ItemKind::Rule, name, &Mode::Define, span))?.switches.enabled =
            enabled;
        Ok(())
    }

    fn define_rule(
        &mut self,
        name: &Arc<str>,
        map: &Map<'_>,
        file: u32,
        diags: &mut Diags,
    ) -> Result<(), Diag> {
        let span = name_span(map, "rule");
        map.require(&["condition", "output", "desc", "priority"])?;
        let condition = map.require_text("condition")?;
        let output = map.require_text("output")?;
        let desc = map.text("desc")?.ok_or_else(|| map.missing("desc"))?.as_str().to_owned();
        let priority = priority(map)?.ok_or_else(|| map.missing("priority"))?;
        let source =
            map.text("source")?.map_or_else(|| "syscall".to_owned(), |t| t.as_str().to_owned());
        let mut switches = Switches::default();
        switches.read(map, |_| true)?;
        let old = self.rules.get(name);
        if let Some(old) = old.filter(|old| old.source != source) {
            let problem = Problem::SourceChanged { from: old.source.clone(), to: source };
            return Err(Diag::new(Code::Validate, problem, span));
        }
        let mut warnings = Vec::new();
        let exceptions = exceptions::define(map, &source, &mut warnings)?;
        for warning in warnings {
            diags.push(warning.of(ItemKind::Rule, name));
        }
        let def = RuleDef {
            name: name.clone(),
            span,
            condition,
            output,
            desc,
            priority,
            tags: sorted(map.texts("tags")?.unwrap_or_default(), map.span)?,
            exceptions,
            source,
            switches,
            capture_duration_ms: map.number("capture_duration")?.unwrap_or(0),
            file,
        };
        self.rules.put(name, def);
        Ok(())
    }
}

impl RuleDef {
    fn change(&mut self, map: &Map<'_>, mode: &Mode<'_>, diags: &mut Diags) -> Result<(), Diag> {
        if let Some(source) = map.text("source")?
            && source.as_str() != self.source
        {
            let (from, to) = (self.source.clone(), source.as_str().to_owned());
            let span = source.span(0..source.len());
            return Err(Diag::new(Code::Validate, Problem::SourceChanged { from, to }, span));
        }
        if matches!(mode, Mode::Append)
            && map.get("condition").is_none()
            && map.get("exceptions").is_none()
        {
            return Err(Diag::new(Code::Validate, Problem::NothingAppended, map.span));
        }
        for (key, text) in [("condition", &mut self.condition), ("output", &mut self.output)] {
            let Some(change) = mode.of(key) else { continue };
            match (change, map.text(key)?) {
                (_, None) => {}
                (Change::Append, Some(new)) => append(text, &new, map.span)?,
                (Change::Replace, Some(new)) => *text = new,
            }
        }
        if let Some(change) = mode.of("desc")
            && let Some(text) = map.text("desc")?
        {
            if change == Change::Append {
                self.desc.push(' ');
            } else {
                self.desc.clear();
            }
            self.desc.push_str(text.as_str());
        }
        if let Some(change) = mode.of("tags") {
            let mut tags = map.texts("tags")?.unwrap_or_default();
            if change == Change::Append {
                tags.append(&mut self.tags);
            }
            self.tags = sorted(tags, map.span)?;
        }
        let mut warnings = Vec::new();
        match mode.of("exceptions") {
            Some(Change::Append) => {
                exceptions::append(&mut self.exceptions, map, &self.source, &mut warnings)?;
            }
            Some(Change::Replace) => {
                self.exceptions = exceptions::define(map, &self.source, &mut warnings)?;
            }
            None => {}
        }
        for warning in warnings {
            diags.push(warning.of(ItemKind::Rule, &self.name));
        }
        if mode.of("priority").is_some()
            && let Some(priority) = priority(map)?
        {
            self.priority = priority;
        }
        if mode.of("capture_duration").is_some()
            && let Some(ms) = map.number("capture_duration")?
        {
            self.capture_duration_ms = ms;
        }
        self.switches.read(map, |key| mode.of(key).is_some())
    }
}

/// Whether the entry is one that only sets `enabled` of a rule that is there.
fn is_switch(map: &Map<'_>) -> bool {
    ["condition", "output", "desc", "priority"].iter().all(|key| map.get(key).is_none())
        && map.get("enabled").is_some()
}

fn sorted(mut tags: Vec<String>, span: Span) -> Result<Vec<String>, Diag> {
    tags.sort();
    tags.dedup();
    if tags.len() > MAX_TAGS {
        return Err(too_many("tags of a rule", MAX_TAGS, span));
    }
    Ok(tags)
}

fn priority(map: &Map<'_>) -> Result<Option<Priority>, Diag> {
    let Some(text) = map.text("priority")? else { return Ok(None) };
    text.as_str().parse().map(Some).map_err(|_| {
        let problem = Problem::UnknownPriority(text.as_str().to_owned());
        let names = Priority::ALL.map(Priority::as_str).join(", ");
        Diag::new(Code::YamlValidate, problem, text.span(0..text.len()))
            .hint(format!("one of {names}"))
    })
}
