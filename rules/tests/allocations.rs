//! Evaluation allocates nothing, neither with matches nor without, nor on its very first event.

use event::EventType;
use perf::{CountingAlloc, thread_allocs};
use rules::{
    DEFAULT_RULES, Field, FieldRef, Fields, Options, RuleMatching, Ruleset, Source, Value,
};

#[global_allocator]
static ALLOC: CountingAlloc = CountingAlloc::system();

/// A program that reads or writes a file; every text field has a value.
struct Opened {
    path: &'static str,
    writes: bool,
}

impl Fields for Opened {
    fn get(&self, field: &FieldRef) -> Option<Value<'_>> {
        Some(match field.field {
            Field::FdName => Value::Bytes(self.path.as_bytes()),
            Field::FdNum => Value::I64(3),
            Field::EvtIsOpenRead => Value::Bool(!self.writes),
            Field::EvtIsOpenWrite => Value::Bool(self.writes),
            Field::ProcName => Value::Bytes(b"cat"),
            Field::ProcExepath => Value::Bytes(b"/usr/bin/cat"),
            Field::ProcCmdline => Value::Bytes(b"cat something"),
            _ => return None,
        })
    }
}

#[test]
fn evaluation_allocates_nothing() {
    let source = Source { name: "default.yaml".into(), text: DEFAULT_RULES.into() };
    let options = Options { matching: RuleMatching::All, ..Options::default() };
    let set = Ruleset::load(vec![source], options).unwrap();
    let mut scratch = set.scratch();
    let events = [
        (Opened { path: "/etc/shadow", writes: false }, 1),
        (Opened { path: "/etc/hostname", writes: false }, 0),
        (Opened { path: "/usr/bin/ls", writes: true }, 1),
        (Opened { path: "/etc//passwd", writes: true }, 1),
        (Opened { path: "/var/log/x", writes: true }, 0),
    ];
    let before = thread_allocs();
    let mut n_matches = 0;
    for _ in 0..100 {
        for (event, expected) in &events {
            let matched = set.evaluate(EventType::OPENAT_2_X, event, &mut scratch);
            assert_eq!(matched.len(), *expected, "{}", event.path);
            n_matches += matched.len();
            set.evaluate(EventType::EXECVE_19_X, event, &mut scratch);
            set.evaluate(EventType::CONNECT_X, event, &mut scratch);
        }
    }
    assert_eq!(thread_allocs() - before, 0);
    assert_eq!(n_matches, 300);
}
