//! Which rules are tried: `enable` and `disable` by name or tag, in order, on top of each rule's `enabled` key.

use std::fmt;

use crate::collect::{Named, RuleDef};
use crate::error::closest;

/// One entry of the configuration's `rules`. The last one that fits a rule decides.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Selection {
    /// Whether the rules are to be tried.
    pub enable: bool,
    /// Which rules it is about.
    pub by: SelectBy,
}

/// How a selection names its rules.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SelectBy {
    /// By name, in which `*` stands for any text, also none.
    Rule(String),
    /// By one of their tags.
    Tag(String),
}

/// A selection that no rule fits.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct IdleSelection {
    /// The selection.
    pub selection: Selection,
    /// The rule or tag that it may have meant.
    pub nearest: Option<String>,
}

impl fmt::Display for Selection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let verb = if self.enable { "enable" } else { "disable" };
        match &self.by {
            SelectBy::Rule(name) => write!(f, "{verb} rule {name:?}"),
            SelectBy::Tag(tag) => write!(f, "{verb} tag {tag:?}"),
        }
    }
}

impl fmt::Display for IdleSelection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let what = match self.selection.by {
            SelectBy::Rule(_) => "no rule has this name",
            SelectBy::Tag(_) => "no rule has this tag",
        };
        write!(f, "{}: {what}", self.selection)?;
        match &self.nearest {
            Some(name) => write!(f, "; did you mean {name:?}?"),
            None => Ok(()),
        }
    }
}

impl Selection {
    fn fits(&self, rule: &RuleDef) -> bool {
        match &self.by {
            SelectBy::Rule(pattern) => fits_pattern(pattern, &rule.name),
            SelectBy::Tag(tag) => rule.tags.iter().any(|t| t == tag),
        }
    }
}

/// Whether a rule is to be tried, leaving its priority aside.
pub(crate) fn is_enabled(rule: &RuleDef, selections: &[Selection]) -> bool {
    selections.iter().rev().find(|s| s.fits(rule)).map_or(rule.switches.enabled, |s| s.enable)
}

/// The selections that no rule fits, with what they may have meant.
pub(crate) fn idle(selections: &[Selection], rules: &Named<RuleDef>) -> Vec<IdleSelection> {
    let is_idle = |s: &&Selection| !rules.all.iter().any(|r| s.fits(r));
    let nearest = |s: &Selection| {
        let near = match &s.by {
            SelectBy::Rule(name) => closest(name, rules.names()),
            SelectBy::Tag(tag) => {
                let tags = rules.all.iter().flat_map(|r| r.tags.iter().map(String::as_str));
                closest(tag, tags)
            }
        };
        near.map(str::to_owned)
    };
    selections
        .iter()
        .filter(is_idle)
        .map(|s| IdleSelection { selection: s.clone(), nearest: nearest(s) })
        .collect()
}

/// Whether the whole name fits a pattern in which `*` stands for any text. O(pattern * name).
fn fits_pattern(pattern: &str, name: &str) -> bool {
    let Some((first, rest)) = pattern.split_once('*') else { return pattern == name };
    let Some(mut name) = name.strip_prefix(first) else { return false };
    let (between, last) = rest.rsplit_once('*').unwrap_or(("", rest));
    // Taking each part as early as it comes leaves the most for the parts behind it.
    for part in between.split('*') {
        let Some((_, behind)) = name.split_once(part) else { return false };
        name = behind;
    }
    name.ends_with(last)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_star_stands_for_any_text() {
        for (pattern, name, fits) in [
            ("a", "a", true),
            ("a", "ab", false),
            ("", "", true),
            ("", "a", false),
            ("*", "", true),
            ("*", "any thing", true),
            ("**", "x", true),
            ("a*", "a", true),
            ("a*", "ba", false),
            ("*a", "ba", true),
            ("*a", "ab", false),
            ("*b*", "abc", true),
            ("a*a", "a", false),
            ("a*a", "aa", true),
            ("a*b*c", "a b b c", true),
            ("a*b*c", "acb", false),
            ("a*bc*c", "abc", false),
            ("*shell*in*", "Terminal shell in container", true),
            ("*Shell*", "Terminal shell in container", false),
        ] {
            assert_eq!(fits_pattern(pattern, name), fits, "{pattern:?} {name:?}");
        }
    }
}
