//! The handbook's page on the rules: a section for each, which says of it what the ruleset says.

use std::collections::BTreeSet;

use rules::Priority;

use crate::case::SHIPPED;
use crate::lists;

const PAGE: &str = include_str!("../../../docs/rules.md");

/// Title and text of every section about a rule.
fn sections() -> impl Iterator<Item = (&'static str, &'static str)> {
    let cut = |s: &'static str| s.split("\n## ").next().expect("a section");
    PAGE.split("\n### ").skip(1).map(cut).map(|s| s.split_once('\n').expect("a text"))
}

/// Words in the manner of `T1552.004` or `my_files`.
fn words(text: &str) -> impl Iterator<Item = &str> {
    let is_part = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '.');
    text.split(move |c| !is_part(c)).map(|w| w.trim_end_matches('.'))
}

fn is_technique(word: &str) -> bool {
    word.strip_prefix('T')
        .is_some_and(|n| n.len() >= 4 && n.bytes().all(|b| b.is_ascii_digit() || b == b'.'))
}

#[test]
fn every_rule_has_its_section_in_the_order_of_the_file() {
    let titles: Vec<_> = sections().map(|(title, _)| title).collect();
    let names: Vec<_> = SHIPPED.rules().map(|r| &*r.name).collect();
    assert_eq!(titles, names);
}

#[test]
fn sections_say_what_the_rules_say() {
    for (rule, (title, text)) in SHIPPED.rules().zip(sections()) {
        for part in ["- **Sees**", "- **Why:**", "- **Tune:**"] {
            assert!(text.contains(part), "{title}: {part}");
        }
        let priority = match rule.priority {
            Priority::Critical => "CRITICAL",
            Priority::Error => "ERROR",
            Priority::Warning => "WARNING",
            Priority::Notice => "NOTICE",
            other => panic!("{title}: {other:?}"),
        };
        assert!(text.contains(&format!("\n- {priority} · T")), "{title}: {priority}");
        let told: BTreeSet<_> = words(text).filter(|w| is_technique(w)).collect();
        let tagged: BTreeSet<_> =
            rule.tags.iter().map(|t| &**t).filter(|t| is_technique(t)).collect();
        assert_eq!(told, tagged, "{title}");
        let mine = |text| words(text).filter(|w| w.starts_with("my_")).collect::<BTreeSet<&str>>();
        assert_eq!(mine(text), mine(&rule.desc), "{title}");
    }
}

#[test]
fn lists_and_calls_named_on_the_page_exist() {
    let lists = lists();
    let code = PAGE.split("```").step_by(2).flat_map(|t| t.split('`').skip(1).step_by(2));
    let kinds = [
        "_programs",
        "_files",
        "_directories",
        "_places",
        "_agents",
        "_profiles",
        "_addresses",
        "_ports",
    ];
    let mut n_lists = 0;
    for name in code.filter(|c| c.starts_with("my_") || kinds.iter().any(|k| c.ends_with(k))) {
        assert!(
            lists.contains_key(name) || name == "my_" || name == "rules_files",
            "no list {name}"
        );
        n_lists += 1;
    }
    assert!(n_lists > 60, "{n_lists} lists named");
}
