//! Items of all files to definitions: later ones replace, extend or switch earlier ones.

use std::collections::HashMap;
use std::sync::Arc;

use crate::alert::Priority;
use crate::error::{Code, Diag, Diags, ItemKind, Problem};
use crate::items::{Item, Map, items};
use crate::lex::identifier_len;
use crate::source::{Files, Span, Traced};
use crate::yaml::{Kind, Node, read};

/// The version of Falco's rule engine whose language this is.
pub(crate) const ENGINE_VERSION: &str = "0.63.0";
const ENGINE: (u64, u64, u64) = (0, 63, 0);
/// Lists, macros and rules of one load, each.
const MAX_DEFINITIONS: usize = 20_000;
/// Items of one list.
const MAX_LIST_ITEMS: usize = 100_000;
/// Total bytes of appended conditions, so that appending cannot grow without bound.
const MAX_TEXT_BYTES: usize = 1 << 20;

/// Everything the files define.
#[derive(Debug, Default)]
pub(crate) struct Collected {
    pub(crate) lists: Named<ListDef>,
    pub(crate) macros: Named<MacroDef>,
    pub(crate) rules: Named<RuleDef>,
    /// Counts items; a definition's place in the reading order.
    order: u32,
}

/// Definitions in order of first appearance, found by name.
#[derive(Debug)]
pub(crate) struct Named<T> {
    pub(crate) all: Vec<T>,
    by_name: HashMap<Arc<str>, usize>,
}

impl<T> Default for Named<T> {
    fn default() -> Self {
        Self { all: Vec::new(), by_name: HashMap::new() }
    }
}

impl<T> Named<T> {
    pub(crate) fn index(&self, name: &str) -> Option<usize> {
        self.by_name.get(name).copied()
    }

    pub(crate) fn get(&self, name: &str) -> Option<&T> {
        self.index(name).map(|i| &self.all[i])
    }

    pub(crate) fn names(&self) -> impl Iterator<Item = &str> {
        self.by_name.keys().map(|n| &**n)
    }

    fn get_mut(&mut self, name: &str) -> Option<&mut T> {
        self.index(name).map(|i| &mut self.all[i])
    }

    fn put(&mut self, name: &Arc<str>, value: T) {
        if let Some(old) = self.get_mut(name) {
            *old = value;
        } else {
            self.by_name.insert(name.clone(), self.all.len());
            self.all.push(value);
        }
    }
}

#[derive(Debug)]
pub(crate) struct ListDef {
    pub(crate) name: Arc<str>,
    pub(crate) span: Span,
    pub(crate) items: Vec<String>,
    /// Place of the newest definition: what it may merge stands before.
    pub(crate) visibility: u32,
    pub(crate) first: u32,
    /// File of the first definition.
    pub(crate) file: u32,
}

#[derive(Debug)]
pub(crate) struct MacroDef {
    pub(crate) name: Arc<str>,
    pub(crate) span: Span,
    pub(crate) condition: Traced,
    /// Place of the first definition: what decides who may use it.
    pub(crate) first: u32,
    /// Place of the newest one: what decides whom it may use.
    pub(crate) visibility: u32,
    /// File of the first definition.
    pub(crate) file: u32,
    /// File of the newest one: it may use the lists that this and earlier files define.
    pub(crate) newest_file: u32,
}

#[derive(Debug)]
pub(crate) struct RuleDef {
    pub(crate) name: Arc<str>,
    pub(crate) span: Span,
    pub(crate) desc: String,
    pub(crate) condition: Traced,
    pub(crate) output: Traced,
    pub(crate) priority: Priority,
    pub(crate) source: String,
    pub(crate) tags: Vec<String>,
    pub(crate) enabled: bool,
    pub(crate) warn_evttypes: bool,
    pub(crate) skip_if_unknown: bool,
    /// File of the newest definition: it may use what this and earlier files define.
    pub(crate) file: u32,
}

/// How an item changes what is there.
enum Mode<'a> {
    Define,
    /// `append: true`.
    Append,
    /// `override:`, with `append` or `replace` per key.
    Override(Vec<(&'a str, bool)>),
}

impl Mode<'_> {
    /// Whether the key is to be appended (`true`) or replaced, `None` where the item does not give it.
    fn of(&self, key: &str) -> Option<bool> {
        match self {
            Self::Define => Some(false),
            Self::Append => matches!(key, "condition" | "items").then_some(true),
            Self::Override(keys) => keys.iter().find(|(k, _)| *k == key).map(|&(_, append)| append),
        }
    }

    fn verb(&self) -> &'static str {
        match self {
            Self::Append => "append to",
            Self::Define | Self::Override(_) => "override",
        }
    }
}

/// Reads files in order. What is broken is noted and left out.
pub(crate) fn collect(files: &Files, n_files: u32, diags: &mut Diags) -> Collected {
    let mut out = Collected::default();
    for file in 0..n_files {
        let Some(docs) = diags.keep(read(files, file)) else { continue };
        for doc in &docs {
            for item in items(files, doc, diags) {
                out.order += 1;
                let added = out.add(&item, file, diags);
                diags.keep(added);
            }
        }
    }
    out
}

impl Collected {
    fn add(&mut self, item: &Item<'_>, file: u32, diags: &mut Diags) -> Result<(), Diag> {
        match item {
            Item::EngineVersion(node) => engine_version(node),
            Item::PluginVersions(node) => match node.kind {
                // Plugins are judged when they can be loaded; here only the shape counts.
                Kind::Seq(_) => Ok(()),
                _ => Err(bad_type(node, "required_plugin_versions", "a sequence")),
            },
            Item::Named { kind, name, map } => {
                let n = match kind {
                    ItemKind::List => self.lists.all.len(),
                    ItemKind::Macro => self.macros.all.len(),
                    ItemKind::Rule => self.rules.all.len(),
                };
                let added = if n >= MAX_DEFINITIONS {
                    Err(too_many("definitions", MAX_DEFINITIONS, map.span))
                } else {
                    match kind {
                        ItemKind::List => self.list(name, map, file, diags),
                        ItemKind::Macro => self.add_macro(name, map, file, diags),
                        ItemKind::Rule => self.rule(name, map, file, diags),
                    }
                };
                added.map_err(|d| d.of(*kind, name))
            }
        }
    }

    fn list(
        &mut self,
        name: &Arc<str>,
        map: &Map<'_>,
        file: u32,
        diags: &mut Diags,
    ) -> Result<(), Diag> {
        let mode = mode(map, ItemKind::List, name, &["items"], &[], diags)?;
        let span = name_span(map, "list");
        if name.contains(|c: char| c.is_ascii_whitespace() || "()\"'=,".contains(c)) {
            let problem = Problem::InvalidName(name.to_string());
            diags.push(Diag::new(Code::InvalidListName, problem, span).of(ItemKind::List, name));
        }
        let new = map.texts("items")?.ok_or_else(|| map.missing("items"))?;
        let new: Vec<String> = new.into_iter().map(|(text, _)| text).collect();
        let order = self.order;
        let old = self.lists.get_mut(name);
        let n_old = old.as_ref().map_or(0, |l| l.items.len());
        if n_old + new.len() > MAX_LIST_ITEMS {
            return Err(too_many("items in a list", MAX_LIST_ITEMS, map.span));
        }
        match (mode, old) {
            (Mode::Define, old) => {
                let (first, file) = old.map_or((order, file), |l| (l.first, l.file));
                let def = ListDef {
                    name: name.clone(),
                    span,
                    items: new,
                    visibility: order,
                    first,
                    file,
                };
                self.lists.put(name, def);
            }
            (mode, None) => return Err(nothing(ItemKind::List, name, &mode, span)),
            (mode, Some(list)) => {
                if mode.of("items") == Some(false) {
                    list.items.clear();
                }
                list.items.extend(new);
                list.visibility = order;
            }
        }
        Ok(())
    }

    fn add_macro(
        &mut self,
        name: &Arc<str>,
        map: &Map<'_>,
        file: u32,
        diags: &mut Diags,
    ) -> Result<(), Diag> {
        let mode = mode(map, ItemKind::Macro, name, &["condition"], &[], diags)?;
        let span = name_span(map, "macro");
        if identifier_len(name) != name.len() {
            let problem = Problem::InvalidName(name.to_string());
            diags.push(Diag::new(Code::InvalidMacroName, problem, span).of(ItemKind::Macro, name));
        }
        let condition = map.require_text("condition")?;
        let order = self.order;
        match (mode, self.macros.get_mut(name)) {
            (Mode::Define, old) => {
                let (first, first_file) = old.map_or((order, file), |m| (m.first, m.file));
                let def = MacroDef {
                    name: name.clone(),
                    span,
                    condition,
                    first,
                    visibility: order,
                    file: first_file,
                    newest_file: file,
                };
                self.macros.put(name, def);
            }
            (mode, None) => return Err(nothing(ItemKind::Macro, name, &mode, span)),
            (mode, Some(old)) => {
                change(&mut old.condition, &condition, mode.of("condition"), map.span)?;
                old.visibility = order;
                old.newest_file = file;
            }
        }
        Ok(())
    }

    fn rule(
        &mut self,
        name: &Arc<str>,
        map: &Map<'_>,
        file: u32,
        diags: &mut Diags,
    ) -> Result<(), Diag> {
        const BOTH: &[&str] = &["condition", "output", "desc", "tags", "exceptions"];
        const REPLACE: &[&str] = &[
            "priority",
            "enabled",
            "warn_evttypes",
            "skip-if-unknown-filter",
            "capture",
            "capture_duration",
        ];
        let mode = mode(map, ItemKind::Rule, name, BOTH, REPLACE, diags)?;
        let span = name_span(map, "rule");
        exceptions(map)?;
        if map.bool("capture")? == Some(true) {
            let at = map.get("capture").map_or(map.span, |n| n.span);
            let problem = Problem::Unsupported("`capture`".into());
            return Err(Diag::new(Code::Validate, problem, at));
        }
        if !matches!(mode, Mode::Define) {
            return self.change_rule(name, map, &mode, span, file);
        }
        if map.keys().all(|(k, _)| matches!(k, "rule" | "enabled")) && map.get("enabled").is_some()
        {
            diags.push(
                Diag::new(Code::DeprecatedItem, Problem::Deprecated("enabled"), span)
                    .hint("use `override` with `enabled: replace`")
                    .of(ItemKind::Rule, name),
            );
            let enabled = map.bool("enabled")?.unwrap_or(true);
            let rule = self
                .rules
                .get_mut(name)
                .ok_or_else(|| nothing(ItemKind::Rule, name, &mode, span))?;
            rule.enabled = enabled;
            return Ok(());
        }
        let source =
            map.text("source")?.map_or_else(|| "syscall".to_owned(), |t| t.as_str().to_owned());
        if let Some(old) = self.rules.get(name)
            && old.source != source
        {
            let problem = Problem::SourceChanged { from: old.source.clone(), to: source };
            return Err(Diag::new(Code::Validate, problem, span));
        }
        let def = RuleDef {
            name: name.clone(),
            span,
            condition: map.require_text("condition")?,
            output: map.require_text("output")?,
            desc: map.text("desc")?.ok_or_else(|| map.missing("desc"))?.as_str().to_owned(),
            priority: priority(map)?.ok_or_else(|| map.missing("priority"))?,
            source,
            tags: tags(map)?,
            enabled: map.bool("enabled")?.unwrap_or(true),
            warn_evttypes: map.bool("warn_evttypes")?.unwrap_or(true),
            skip_if_unknown: map.bool("skip-if-unknown-filter")?.unwrap_or(false),
            file,
        };
        self.rules.put(name, def);
        Ok(())
    }

    fn change_rule(
        &mut self,
        name: &Arc<str>,
        map: &Map<'_>,
        mode: &Mode<'_>,
        span: Span,
        file: u32,
    ) -> Result<(), Diag> {
        let rule =
            self.rules.get_mut(name).ok_or_else(|| nothing(ItemKind::Rule, name, mode, span))?;
        if let Some(source) = map.text("source")?
            && source.as_str() != rule.source
        {
            let (from, to) = (rule.source.clone(), source.as_str().to_owned());
            return Err(Diag::new(Code::Validate, Problem::SourceChanged { from, to }, span));
        }
        if mode.of("condition").is_some()
            && let Some(text) = map.text("condition")?
        {
            change(&mut rule.condition, &text, mode.of("condition"), map.span)?;
        }
        if mode.of("output").is_some()
            && let Some(text) = map.text("output")?
        {
            change(&mut rule.output, &text, mode.of("output"), map.span)?;
        }
        if let (Some(append), Some(text)) = (mode.of("desc"), map.text("desc")?) {
            if append {
                rule.desc.push(' ');
            } else {
                rule.desc.clear();
            }
            rule.desc.push_str(text.as_str());
        }
        if let Some(append) = mode.of("tags") {
            if !append {
                rule.tags.clear();
            }
            rule.tags.extend(tags(map)?);
            rule.tags.sort();
            rule.tags.dedup();
        }
        if let (Some(_), Some(priority)) = (mode.of("priority"), priority(map)?) {
            rule.priority = priority;
        }
        if let (Some(_), Some(on)) = (mode.of("enabled"), map.bool("enabled")?) {
            rule.enabled = on;
        }
        if let (Some(_), Some(on)) = (mode.of("warn_evttypes"), map.bool("warn_evttypes")?) {
            rule.warn_evttypes = on;
        }
        let key = "skip-if-unknown-filter";
        if let (Some(_), Some(on)) = (mode.of(key), map.bool(key)?) {
            rule.skip_if_unknown = on;
        }
        rule.file = file;
        Ok(())
    }
}

fn change(old: &mut Traced, new: &Traced, append: Option<bool>, span: Span) -> Result<(), Diag> {
    if append == Some(true) {
        if old.len() + new.len() > MAX_TEXT_BYTES {
            let problem = Problem::ConditionTooLarge { limit: MAX_TEXT_BYTES };
            return Err(Diag::new(Code::Validate, problem, span));
        }
        old.join(new);
    } else {
        *old = new.clone();
    }
    Ok(())
}

/// Reads `append` and `override`. `both` can be appended and replaced, `replace` only replaced.
fn mode<'a>(
    map: &Map<'a>,
    kind: ItemKind,
    name: &Arc<str>,
    both: &[&str],
    replace: &[&str],
    diags: &mut Diags,
) -> Result<Mode<'a>, Diag> {
    let overrides = map.text_map("override")?;
    if map.bool("append")? == Some(true) {
        if overrides.is_some() {
            return Err(Diag::new(Code::Validate, Problem::AppendAndOverride, map.span));
        }
        let diag = Diag::new(
            Code::DeprecatedItem,
            Problem::Deprecated("append"),
            name_span(map, "append"),
        );
        diags.push(diag.hint("use `override` with mode `append`").of(kind, name));
        return Ok(Mode::Append);
    }
    let Some(overrides) = overrides else { return Ok(Mode::Define) };
    let mut keys = Vec::new();
    for (key, value, span) in overrides {
        let can_append = both.contains(&key);
        if !(can_append || replace.contains(&key)) || map.get(key).is_none() {
            return Err(Diag::new(
                Code::Validate,
                Problem::NothingToOverride(key.to_owned()),
                span,
            ));
        }
        let append = match value {
            "append" if can_append => true,
            "replace" => false,
            _ => {
                let problem = Problem::BadOverride { key: key.to_owned(), mode: value.to_owned() };
                return Err(Diag::new(Code::Validate, problem, span));
            }
        };
        keys.push((key, append));
    }
    for (key, span) in map.keys() {
        if (both.contains(&key) || replace.contains(&key)) && !keys.iter().any(|(k, _)| *k == key) {
            return Err(Diag::new(Code::Validate, Problem::NotOverridden(key.to_owned()), span));
        }
    }
    Ok(Mode::Override(keys))
}

/// Exceptions without values change nothing; the others come with the whole language.
fn exceptions(map: &Map<'_>) -> Result<(), Diag> {
    let Some(node) = map.get("exceptions") else { return Ok(()) };
    let Kind::Seq(entries) = &node.kind else {
        return if node.is_null() {
            Ok(())
        } else {
            Err(bad_type(node, "exceptions", "a sequence"))
        };
    };
    for entry in entries.iter() {
        let Kind::Map(pairs) = &entry.kind else {
            return Err(bad_type(entry, "exceptions", "a sequence of maps"));
        };
        for (key, value) in pairs.iter().filter(|(k, _)| k.scalar() == Some("values")) {
            let empty = match &value.kind {
                Kind::Seq(values) => values.is_empty(),
                _ => value.is_null(),
            };
            if !empty {
                let problem = Problem::Unsupported("an exception with values".into());
                return Err(Diag::new(Code::Validate, problem, key.span));
            }
        }
    }
    Ok(())
}

fn tags(map: &Map<'_>) -> Result<Vec<String>, Diag> {
    let mut tags: Vec<String> =
        map.texts("tags")?.unwrap_or_default().into_iter().map(|(t, _)| t).collect();
    tags.sort();
    tags.dedup();
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

fn engine_version(node: &Node) -> Result<(), Diag> {
    let text = node.scalar().unwrap_or_default();
    let Some(required) = version(text) else {
        return Err(Diag::new(Code::YamlValidate, Problem::BadVersion(text.to_owned()), node.span));
    };
    if required.0 != ENGINE.0 || required > ENGINE {
        let problem = Problem::EngineTooOld { required: text.to_owned(), ours: ENGINE_VERSION };
        return Err(Diag::new(Code::Validate, problem, node.span));
    }
    Ok(())
}

/// `N`, which stands for `0.N.0`, or `x.y.z`.
fn version(text: &str) -> Option<(u64, u64, u64)> {
    if let Ok(n) = text.parse() {
        return Some((0, n, 0));
    }
    let core = text.split(['-', '+']).next()?;
    let mut parts = core.split('.').map(str::parse);
    let version = (parts.next()?.ok()?, parts.next()?.ok()?, parts.next()?.ok()?);
    parts.next().is_none().then_some(version)
}

fn name_span(map: &Map<'_>, key: &str) -> Span {
    map.get(key).map_or(map.span, |n| n.span)
}

fn nothing(kind: ItemKind, name: &Arc<str>, mode: &Mode<'_>, span: Span) -> Diag {
    let problem = Problem::NothingToChange { kind, name: name.to_string(), verb: mode.verb() };
    Diag::new(Code::Validate, problem, span)
}

fn bad_type(node: &Node, key: &'static str, expected: &'static str) -> Diag {
    Diag::new(Code::YamlValidate, Problem::WrongType { key, expected }, node.span)
}

fn too_many(what: &'static str, limit: usize, span: Span) -> Diag {
    Diag::new(Code::Validate, Problem::TooMany { what, limit }, span)
}
