//! The shipped rules load without a word.

use rules::{DEFAULT_RULES, Options, Ruleset, Source};

#[test]
fn they_load_without_a_warning() {
    let source = Source { name: "default.yaml".into(), text: DEFAULT_RULES.into() };
    let set = Ruleset::load(vec![source], Options::default()).unwrap();
    assert_eq!(set.warnings(), []);
    assert_eq!(set.rules().len(), 8);
}
