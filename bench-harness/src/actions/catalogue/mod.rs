//! All actions, in the order of the rules.

mod containers;
mod files;
mod itself;
mod kernel;
mod network;
mod processes;

use std::sync::LazyLock;

use crate::action::Action;

/// This program's name as the kernel cuts it.
const SELF: &str = "peregrine-actio";

/// Every action: one for each shipped rule.
pub(crate) fn all() -> &'static [&'static Action] {
    static ALL: LazyLock<Vec<&'static Action>> = LazyLock::new(|| {
        [
            itself::ACTIONS,
            files::ACTIONS,
            processes::ACTIONS,
            network::ACTIONS,
            kernel::ACTIONS,
            containers::ACTIONS,
        ]
        .into_iter()
        .flatten()
        .collect()
    });
    &ALL
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn every_shipped_rule_has_an_action_of_its_own() {
        let source =
            rules::Source { name: "default.yaml".into(), text: rules::DEFAULT_RULES.into() };
        let set = rules::Ruleset::load(vec![source], rules::Options::default()).unwrap();
        let shipped: BTreeSet<&str> = set.rules().map(|r| &*r.name).collect();
        let covered: BTreeSet<&str> = all().iter().map(|a| a.rule).collect();
        assert_eq!(covered, shipped);
        assert_eq!(all().len(), covered.len(), "a rule has two actions");
    }

    #[test]
    fn the_documentation_lists_the_actions_as_they_are() {
        let page = include_str!("../../../../docs/actions.md");
        let rows: Vec<&str> =
            page.lines().filter(|l| l.starts_with("| `") && l.matches('|').count() == 4).collect();
        let row = |a: &&Action| format!("| `{}` | {} | {} |", a.name, a.rule, a.what);
        let expected: Vec<String> = all().iter().map(row).collect();
        assert_eq!(rows, expected);
    }

    #[test]
    fn names_are_short_and_their_own() {
        let names: BTreeSet<&str> = all().iter().map(|a| a.name).collect();
        assert_eq!(names.len(), all().len());
        for name in names {
            assert!(
                name.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-'),
                "{name}"
            );
            assert!(name != "all" && name.len() <= 24, "{name}");
        }
    }
}
