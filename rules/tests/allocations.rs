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
            Field::ProcExe => Value::Bytes(b"L2V0Yw=="),
            Field::ProcPid => Value::I64(7),
            Field::FdSip => Value::Ip([10, 0, 0, 1].into()),
            Field::FdSport => Value::U64(443),
            _ => return None,
        })
    }

    fn elements<P: FnMut(Value<'_>)>(&self, field: &FieldRef, each: P) -> bool {
        let is_there = field.field == Field::FdTypes;
        let types = [&b"file"[..], b"ipv4"];
        types.into_iter().filter(|_| is_there).map(Value::Bytes).for_each(each);
        is_there
    }
}

/// Every way in which a comparison takes memory while it is made, with what it says of `/etc/shadow` being read.
const CONDITIONS: &[(&str, bool)] = &[
    ("tolower(fd.name) = /etc/shadow", true),
    ("toupper(fd.name) in (/ETC/SHADOW, x)", true),
    ("basename(toupper(fd.name)) = SHADOW", true),
    ("b64(proc.exe) = /etc", true),
    ("len(fd.name) > 10", true),
    ("len(fd.types) = 2", true),
    ("join('-', (proc.name, proc.pid, 'x')) = cat-7-x", true),
    ("concat(proc.name, tolower(fd.name)) endswith shadow", true),
    ("getopt(('-n', '-tv', proc.name), 'nt:')[t] = v", true),
    ("getopt(('-n', '-tv'), 'nt:') in (n, t, v)", true),
    ("toupper(fd.types) intersects (IPV4)", true),
    ("fd.types in (file, ipv4)", true),
    ("fd.name startswith b64(proc.exe)", true),
    ("fd.name glob concat('*', basename(fd.name))", true),
    ("proc.cmdline contains val(proc.name)", true),
    ("getopt(('-n'), 'n') in getopt(('-nm'), 'nm')", true),
    ("fd.name regex '/(etc|usr)/[a-z]+'", true),
    ("fd.name regex '(.*s.{20})(.*a.{20})'", false),
    ("fd.name regex oneof ('/etc/.*', '.*x')", true),
    ("fd.name glob '/[[:alpha:]]*/sh?d*'", true),
    ("fd.name pmatch (/e*/, /usr)", true),
    ("fd.name iglob '*SHADOW'", true),
    ("fd.name icontains anyof (x, SHA)", true),
    ("fd.sip in (10.0.0.1, ::1)", true),
    ("fd.sport in (443, 80)", true),
    ("tolower(proc.sname) != x", false),
];

#[test]
fn comparisons_that_compute_allocate_nothing() {
    let mut text = String::new();
    for (i, (condition, _)) in CONDITIONS.iter().enumerate() {
        text = format!(
            "{text}- rule: r{i}\n  desc: d\n  condition: >-\n    evt.type = openat and {condition}\n  output: o\n  priority: INFO\n"
        );
    }
    let source = Source { name: "t".into(), text };
    let options = Options { matching: RuleMatching::All, ..Options::default() };
    let set = Ruleset::load(vec![source], options).unwrap_or_else(|e| panic!("{}", e[0]));
    let expected: Vec<u32> = (0..).zip(CONDITIONS).filter(|(_, c)| c.1).map(|(i, _)| i).collect();
    let event = Opened { path: "/etc/shadow", writes: false };
    let mut scratch = set.scratch();
    let before = thread_allocs();
    for _ in 0..10 {
        let matched = set.evaluate(EventType::OPENAT_2_X, &event, &mut scratch);
        let mut expected = expected.iter();
        assert!(matched.iter().all(|r| expected.next() == Some(&r.0)), "{matched:?}");
        assert!(expected.next().is_none(), "{matched:?}");
    }
    assert_eq!(thread_allocs() - before, 0);
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
