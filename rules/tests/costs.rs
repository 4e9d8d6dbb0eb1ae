//! Timed evaluation finds the same matches and accounts for the time of each rule.

use std::cell::Cell;

use event::EventType;
use rules::{Field, FieldRef, Fields, Options, RuleMatching, Ruleset, Source, Value};

/// Each look at a field takes a microsecond.
struct Slow<'a>(&'a Cell<u64>);

impl Fields for Slow<'_> {
    fn get(&self, field: &FieldRef) -> Option<Value<'_>> {
        self.0.set(self.0.get() + 1000);
        match field.field {
            Field::ProcName => Some(Value::Bytes(b"cat")),
            Field::ProcTty => Some(Value::U64(7)),
            _ => None,
        }
    }
}

#[test]
fn timed_evaluation_charges_rules() {
    let text = "
- {rule: a, desc: d, condition: evt.type = openat and proc.name startswith d, output: x, priority: INFO}
- {rule: b, desc: d, condition: evt.type = openat and proc.tty > 5, output: x, priority: INFO}
- {rule: c, desc: d, condition: evt.type = close and proc.tty > 6, output: x, priority: INFO}
";
    let source = Source { name: "t.yaml".into(), text: text.into() };
    let options = Options { matching: RuleMatching::All, ..Options::default() };
    let set = Ruleset::load(vec![source], options).unwrap();
    let now = Cell::new(0);
    let mut scratch = set.scratch();
    let mut costs = set.costs();
    for _ in 0..3 {
        let matched = set.evaluate_timed(
            EventType::OPENAT_2_X,
            &Slow(&now),
            &mut scratch,
            || now.get(),
            &mut costs,
        );
        assert_eq!(matched.iter().map(|r| r.0).collect::<Vec<_>>(), [1]);
    }
    assert_eq!(costs.n_events, 3);
    assert_eq!(costs.rules[2].n_runs, 0);
    assert!(costs.rules[1].n_runs == 3);
    // Whoever asks pays; nothing is paid twice or lost.
    let paid = costs.shared_ns + costs.rules.iter().map(|r| r.ns).sum::<u64>();
    assert_eq!(paid, now.get());
    assert!(paid > 0);
    let mut both = costs.clone();
    both.add(&costs);
    assert_eq!((both.n_events, both.rules[1].ns), (6, 2 * costs.rules[1].ns));
}
