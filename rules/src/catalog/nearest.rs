//! Which rules may have been meant by a name that no rule has.

use std::cmp::Reverse;
use std::collections::HashSet;

use crate::error::closest;

/// Names that are worth telling.
const MAX_NAMES: usize = 3;

/// The misspelt name, case aside; else those with most of the words, in whatever order.
pub(super) fn nearest<'a>(name: &str, all: impl Iterator<Item = &'a str>) -> Vec<&'a str> {
    let lower = name.to_lowercase();
    let all: Vec<(&str, String)> = all.map(|n| (n, n.to_lowercase())).collect();
    if let Some(near) = closest(&lower, all.iter().map(|(_, l)| &**l)) {
        return all.iter().filter(|(_, l)| l == near).map(|(n, _)| *n).take(MAX_NAMES).collect();
    }
    let words: HashSet<&str> = words_of(&lower).collect();
    let mut found: Vec<(usize, &str)> = all
        .iter()
        .map(|(n, l)| (words_of(l).collect::<HashSet<_>>().intersection(&words).count(), *n))
        .filter(|(n_shared, _)| n_shared * 2 > words.len())
        .collect();
    found.sort_by_key(|(n_shared, _)| Reverse(*n_shared));
    found.into_iter().map(|(_, n)| n).take(MAX_NAMES).collect()
}

fn words_of(text: &str) -> impl Iterator<Item = &str> {
    text.split(|c: char| !c.is_alphanumeric()).filter(|word| !word.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_meant_rules_are_found() {
        const ALL: [&str; 5] = [
            "Shell in container with terminal",
            "Write below etc",
            "Write below binary directory",
            "Write below root",
            "Write below rpm database",
        ];
        for (name, expected) in [
            ("Write below ect", &["Write below etc"][..]),
            ("write below ETC", &["Write below etc"]),
            ("Terminal shell in container", &["Shell in container with terminal"]),
            ("terminal", &["Shell in container with terminal"]),
            (
                "write below",
                &["Write below etc", "Write below binary directory", "Write below root"],
            ),
            ("Write-below-rpm-db", &["Write below rpm database"]),
            ("Nothing of the kind", &[]),
            ("", &[]),
        ] {
            assert_eq!(nearest(name, ALL.into_iter()), expected, "{name:?}");
        }
    }
}
