//! Lists and macros.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::overrides::{Change, Mode, Overridable, mode};
use super::{Collected, append, name_span, nothing, too_many};
use crate::error::{Code, Diag, Diags, ItemKind, Problem};
use crate::items::Map;
use crate::lex::identifier_len;
use crate::lists::is_word;
use crate::ruleset::GivenItems;
use crate::source::{Span, Traced};

/// Lists of a load that have to be searched for in every condition.
const MAX_ODD_LISTS: usize = 100;
/// Items of one list.
const MAX_LIST_ITEMS: usize = 100_000;

const LIST: Overridable = Overridable { both: &["items"], replace: &[] };
const MACRO: Overridable = Overridable { both: &["condition"], replace: &[] };

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

impl Collected {
    pub(super) fn list(
        &mut self,
        name: &Arc<str>,
        map: &Map<'_>,
        file: u32,
        diags: &mut Diags,
    ) -> Result<(), Diag> {
        let mode = mode(map, ItemKind::List, name, &LIST, diags)?;
        let span = name_span(map, "list");
        if name.contains(|c: char| c.is_ascii_whitespace() || "()\"'=,".contains(c)) {
            let problem = Problem::InvalidName(name.to_string());
            diags.push(Diag::new(Code::InvalidListName, problem, span).of(ItemKind::List, name));
        }
        if !is_word(name) && self.lists.index(name).is_none() {
            self.n_odd_lists += 1;
            if self.n_odd_lists > MAX_ODD_LISTS {
                return Err(too_many("lists whose names are no words", MAX_ODD_LISTS, map.span));
            }
        }
        let new = map.texts("items")?.ok_or_else(|| map.missing("items"))?;
        let order = self.order;
        let old = self.lists.get_mut(name);
        let n_old = old.as_ref().map_or(0, |l| l.items.len());
        if n_old + new.len() > MAX_LIST_ITEMS {
            return Err(too_many("items in a list", MAX_LIST_ITEMS, map.span));
        }
        match (&mode, old) {
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
            (_, None) => return Err(nothing(ItemKind::List, name, &mode, span)),
            (_, Some(list)) => {
                if mode.of("items") == Some(Change::Replace) {
                    list.items.clear();
                }
                list.items.extend(new);
                list.visibility = order;
            }
        }
        Ok(())
    }

    /// Gives lists that are there the items that the files do not know.
    pub(crate) fn give_items(&mut self, given: &BTreeMap<String, GivenItems>) {
        for (name, given) in given {
            let Some(list) = self.lists.get_mut(name) else { continue };
            match given {
                GivenItems::Beside(items) => list.items.extend(items.iter().cloned()),
                GivenItems::Instead(items) => list.items.clone_from(items),
            }
        }
    }

    pub(super) fn add_macro(
        &mut self,
        name: &Arc<str>,
        map: &Map<'_>,
        file: u32,
        diags: &mut Diags,
    ) -> Result<(), Diag> {
        let mode = mode(map, ItemKind::Macro, name, &MACRO, diags)?;
        let span = name_span(map, "macro");
        if identifier_len(name) != name.len() {
            let problem = Problem::InvalidName(name.to_string());
            diags.push(Diag::new(Code::InvalidMacroName, problem, span).of(ItemKind::Macro, name));
        }
        let condition = map.require_text("condition")?;
        let order = self.order;
        match (&mode, self.macros.get_mut(name)) {
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
            (_, None) => return Err(nothing(ItemKind::Macro, name, &mode, span)),
            (_, Some(old)) => {
                if mode.of("condition") == Some(Change::Append) {
                    append(&mut old.condition, &condition, map.span)?;
                } else {
                    old.condition = condition;
                }
                old.visibility = order;
                old.newest_file = file;
            }
        }
        Ok(())
    }
}
