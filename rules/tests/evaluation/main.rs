//! The compiled evaluator and a slow one agree: on tables of operators, and on random rules over random events.

mod oracle;
mod random;
mod tables;
mod transformers;

use event::EventType;
use oracle::Event;
use rules::{Options, RuleMatching, Ruleset, Source};

fn in_yaml(text: &str) -> String {
    text.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n")
}

fn rule(name: &str, condition: &str) -> String {
    let condition = in_yaml(condition);
    format!(
        "- rule: {name}\n  desc: d\n  condition: \"{condition}\"\n  output: o\n  priority: INFO\n  warn_evttypes: false\n"
    )
}

fn load(text: &str) -> Ruleset {
    load_with(text, RuleMatching::All)
}

fn load_with(text: &str, matching: RuleMatching) -> Ruleset {
    let options = Options { matching, ..Options::default() };
    let source = Source { name: "t".into(), text: text.into() };
    Ruleset::load(vec![source], options).unwrap_or_else(|errors| {
        let all: Vec<String> = errors.iter().map(ToString::to_string).collect();
        panic!("{text}\n{}", all.join("\n"))
    })
}

fn compiled(condition: &str, event: &Event) -> bool {
    let set = load(&rule("r", condition));
    !set.evaluate(EventType::OPENAT_2_X, event, &mut set.scratch()).is_empty()
}
