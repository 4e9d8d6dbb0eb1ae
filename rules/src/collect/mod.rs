//! Items of all files to definitions: later ones replace, extend or switch earlier ones.

mod blocks;
mod exception_text;
mod exceptions;
mod overrides;
mod rule;
mod versions;

use std::collections::HashMap;
use std::sync::Arc;

use crate::error::{Code, Diag, Diags, ItemKind, Problem};
use crate::items::{Item, Map, items};
use crate::source::{Files, Span, Traced};
use crate::yaml::read;

pub(crate) use blocks::{ListDef, MacroDef};
pub(crate) use exceptions::ExceptionDef;
pub(crate) use rule::RuleDef;

use overrides::Mode;
use versions::PluginNeed;

pub use versions::ENGINE_VERSION;

/// Lists, macros and rules of one load, each.
const MAX_DEFINITIONS: usize = 20_000;
/// Bytes of a condition or an output with what is appended to it, so that appending cannot grow without bound.
const MAX_TEXT_BYTES: usize = 1 << 20;

/// Everything the files define.
#[derive(Debug, Default)]
pub(crate) struct Collected {
    pub(crate) lists: Named<ListDef>,
    pub(crate) macros: Named<MacroDef>,
    pub(crate) rules: Named<RuleDef>,
    plugins: Vec<PluginNeed>,
    /// Lists whose names are no words.
    n_odd_lists: usize,
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
    /// Notes the required plugins that are not built in.
    pub(crate) fn check_plugins(&self, diags: &mut Diags) {
        versions::check_plugins(&self.plugins, diags);
    }

    fn add(&mut self, item: &Item<'_>, file: u32, diags: &mut Diags) -> Result<(), Diag> {
        match item {
            Item::EngineVersion(map) => versions::engine(map),
            Item::PluginVersions(map) => versions::plugins(map, &mut self.plugins),
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
}

/// `old`, a blank and `new`.
fn append(old: &mut Traced, new: &Traced, span: Span) -> Result<(), Diag> {
    if old.len() + new.len() > MAX_TEXT_BYTES {
        let problem = Problem::ConditionTooLarge { limit: MAX_TEXT_BYTES };
        return Err(Diag::new(Code::Validate, problem, span));
    }
    old.join(new);
    Ok(())
}

fn name_span(map: &Map<'_>, key: &str) -> Span {
    map.get(key).map_or(map.span, |n| n.span)
}

fn nothing(kind: ItemKind, name: &Arc<str>, mode: &Mode<'_>, span: Span) -> Diag {
    let problem = Problem::NothingToChange { kind, name: name.to_string(), verb: mode.verb() };
    Diag::new(Code::Validate, problem, span)
}

fn too_many(what: &'static str, limit: usize, span: Span) -> Diag {
    Diag::new(Code::Validate, Problem::TooMany { what, limit }, span)
}
