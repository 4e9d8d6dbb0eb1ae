//! Gate targets: the default rules over events that match none of them, fields given as constants; and many rules over events of every sort.

mod common;

use std::hint::black_box;

use bench_harness::{Pass, TargetFn, run_targets};
use event::EventType;
use perf::CountingAlloc;
use rules::{
    AlertFacts, DEFAULT_RULES, Field, FieldRef, Fields, Options, RuleMatching, Ruleset, Source,
    Value,
};

use common::{events, official_like};

#[global_allocator]
static ALLOC: CountingAlloc = CountingAlloc::system();

const N: u64 = 1000;

/// An event of an ordinary process in a container.
struct Plain {
    evt_type: &'static str,
    fd_name: Option<&'static str>,
}

impl Fields for Plain {
    fn get(&self, f: &FieldRef) -> Option<Value<'_>> {
        let text = |t: &'static str| Some(Value::Bytes(t.as_bytes()));
        match f.field {
            Field::EvtType => text(self.evt_type),
            Field::EvtDir => text("<"),
            Field::EvtRawres | Field::FdNum => Some(Value::I64(3)),
            Field::EvtIsOpenRead => Some(Value::Bool(true)),
            Field::EvtIsOpenWrite | Field::EvtIsOpenExec | Field::ProcIsExeFromMemfd => {
                Some(Value::Bool(false))
            }
            Field::FdName => self.fd_name.and_then(text),
            Field::FdTypechar => text("f"),
            Field::FdType => text("file"),
            Field::FdSport | Field::FdRport => Some(Value::U64(443)),
            Field::ProcName | Field::ProcExe => text("make"),
            Field::ProcExepath => text("/usr/bin/make"),
            Field::ProcPname | Field::ProcAname => text("bash"),
            Field::ProcArgs => text("-j2 all install"),
            Field::ProcCmdline => text("make -j2 all install"),
            Field::ProcTty => Some(Value::U64(34816)),
            Field::UserUid => Some(Value::U64(1000)),
            Field::UserName => text("user"),
            Field::ContainerId => text("host"),
            _ => None,
        }
    }

    fn any<P: FnMut(Value<'_>) -> bool>(&self, f: &FieldRef, pred: P) -> bool {
        self.get(f).is_some_and(pred)
    }
}

fn detect(event_type: EventType, fields: Plain) -> Pass {
    let source = Source { name: "default.yaml".into(), text: DEFAULT_RULES.into() };
    let rules = Ruleset::load(vec![source], Options::default()).expect("the default rules load");
    let mut scratch = rules.scratch();
    Pass::new(N, move || {
        for _ in 0..N {
            let matched = rules.evaluate(black_box(event_type), black_box(&fields), &mut scratch);
            assert!(matched.is_empty(), "an ordinary event matches nothing");
        }
    })
}

fn open() -> Pass {
    let fd_name = Some("/home/user/project/include/linux/sched.h");
    detect(EventType::OPENAT_2_X, Plain { evt_type: "openat", fd_name })
}

fn exec() -> Pass {
    detect(EventType::EXECVE_19_X, Plain { evt_type: "execve", fd_name: None })
}

fn connect() -> Pass {
    let fd_name = Some("192.0.2.7:40404->203.0.113.9:443");
    detect(EventType::CONNECT_X, Plain { evt_type: "connect", fd_name })
}

/// The alert of a match, its output filled with seven fields.
fn alert() -> Pass {
    let text = "- {rule: Read, desc: d, condition: evt.type = openat, priority: WARNING, output: 'File read (file=%fd.name pcmdline=%proc.pname command=%proc.cmdline exe=%proc.exepath user=%user.name uid=%user.uid container=%container.id)'}";
    let source = Source { name: "alert.yaml".into(), text: text.into() };
    let rules = Ruleset::load(vec![source], Options::default()).expect("the rule loads");
    let fields = Plain { evt_type: "openat", fd_name: Some("/etc/shadow") };
    let mut scratch = rules.scratch();
    let matched = rules.evaluate(EventType::OPENAT_2_X, &fields, &mut scratch)[0];
    Pass::new(N, move || {
        for _ in 0..N {
            let alert = rules.alert(matched, black_box(&fields), AlertFacts::default());
            assert!(black_box(&alert).output.contains("/etc/shadow"), "the output is filled");
        }
    })
}

/// Many rules in the manner of the official ones, all matches.
fn many<const N_RULES: usize>() -> Pass {
    let source = Source { name: "many.yaml".into(), text: official_like::rules(N_RULES) };
    let options = Options { matching: RuleMatching::All, ..Options::default() };
    let rules = Ruleset::load(vec![source], options).expect("the rules load");
    let mut events = events::made_up();
    events.retain(|e| rules.interest().contains(e.ty));
    let mut scratch = rules.scratch();
    let mut pass = move || {
        let mut n_matches = 0;
        for event in &events {
            n_matches += rules.evaluate(black_box(event.ty), black_box(event), &mut scratch).len();
        }
        (events.len() as u64, n_matches)
    };
    let (n, expected) = pass();
    Pass::new(n, move || assert_eq!(pass().1, expected, "the same events, the same matches"))
}

fn main() {
    let targets: [TargetFn; 7] = [
        ("detect_open", "rules::Ruleset::evaluate (openat)", open),
        ("detect_exec", "rules::Ruleset::evaluate (execve)", exec),
        ("detect_connect", "rules::Ruleset::evaluate (connect)", connect),
        ("alert", "rules::Ruleset::alert", alert),
        ("detect_25_rules", "rules::Ruleset::evaluate (25 rules)", many::<25>),
        ("detect_100_rules", "rules::Ruleset::evaluate (100 rules)", many::<100>),
        ("detect_1000_rules", "rules::Ruleset::evaluate (1,000 rules)", many::<1_000>),
    ];
    run_targets(&targets, std::env::args().skip(1));
}
