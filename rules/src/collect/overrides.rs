//! `append: true` and `override:`: how an item changes what is there.

use std::sync::Arc;

use super::name_span;
use crate::error::{Code, Diag, Diags, ItemKind, Problem};
use crate::items::Map;

/// How an item changes what is there.
pub(super) enum Mode<'a> {
    Define,
    /// `append: true`.
    Append,
    /// `override:`, with its keys.
    Override(Vec<(&'a str, Change)>),
}

/// What happens to the value of one key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Change {
    Append,
    Replace,
}

impl Mode<'_> {
    /// What happens to a key's value, `None` where the item leaves it as it is.
    pub(super) fn of(&self, key: &str) -> Option<Change> {
        match self {
            Self::Define => Some(Change::Replace),
            Self::Append => {
                matches!(key, "condition" | "items" | "exceptions").then_some(Change::Append)
            }
            Self::Override(keys) => keys.iter().find(|(k, _)| *k == key).map(|&(_, how)| how),
        }
    }

    pub(super) fn verb(&self) -> &'static str {
        match self {
            Self::Append => "append to",
            Self::Define | Self::Override(_) => "override",
        }
    }
}

/// The keys of an item that can be overridden.
pub(super) struct Overridable {
    /// Those that can be appended to and replaced.
    pub(super) both: &'static [&'static str],
    /// Those that can only be replaced.
    pub(super) replace: &'static [&'static str],
}

impl Overridable {
    fn has(&self, key: &str) -> bool {
        self.both.contains(&key) || self.replace.contains(&key)
    }
}

/// Reads `append` and `override`.
pub(super) fn mode<'a>(
    map: &Map<'a>,
    kind: ItemKind,
    name: &Arc<str>,
    overridable: &Overridable,
    diags: &mut Diags,
) -> Result<Mode<'a>, Diag> {
    let overrides = map.text_map("override")?.unwrap_or_default();
    if map.bool("append")? == Some(true) {
        let span = name_span(map, "append");
        if !overrides.is_empty() {
            return Err(Diag::new(Code::YamlValidate, Problem::AppendAndOverride, span)
                .hint("`override` with mode `append` does both"));
        }
        let diag = Diag::new(Code::DeprecatedItem, Problem::Deprecated("append"), span);
        diags.push(diag.hint("use `override` with mode `append`").of(kind, name));
        return Ok(Mode::Append);
    }
    if overrides.is_empty() {
        return Ok(Mode::Define);
    }
    let mut keys: Vec<(&str, Change)> = Vec::new();
    for (key, value, span) in overrides {
        let wrong = |problem| Diag::new(Code::YamlValidate, problem, span);
        let change = match value {
            "append" if overridable.both.contains(&key) => Change::Append,
            "replace" if overridable.has(key) => Change::Replace,
            "append" if overridable.has(key) => {
                let problem = Problem::BadOverride { key: key.to_owned(), mode: value.to_owned() };
                return Err(wrong(problem).hint("it can only be replaced"));
            }
            _ if overridable.has(key) => {
                let problem = Problem::BadOverride { key: key.to_owned(), mode: value.to_owned() };
                return Err(wrong(problem).hint("the modes are `append` and `replace`"));
            }
            _ => return Err(wrong(Problem::NothingToOverride(key.to_owned()))),
        };
        let has_other_mode = keys.iter().any(|&(k, c)| k == key && c != change);
        if map.get(key).is_none() || has_other_mode {
            return Err(wrong(Problem::NothingToOverride(key.to_owned())));
        }
        if !keys.contains(&(key, change)) {
            keys.push((key, change));
        }
    }
    for (key, span) in map.keys() {
        if overridable.has(key) && !keys.iter().any(|(k, _)| *k == key) {
            let problem = Problem::NotOverridden(key.to_owned());
            return Err(Diag::new(Code::YamlValidate, problem, span));
        }
    }
    Ok(Mode::Override(keys))
}
