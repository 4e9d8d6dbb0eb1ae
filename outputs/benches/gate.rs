//! Gate targets: an alert as Falco's line of text, and as Falco's JSON object.

use std::hint::black_box;
use std::sync::Arc;

use bench_harness::{Pass, TargetFn, run_targets};
use outputs::{Format, Formatter, Notes};
use perf::CountingAlloc;
use rules::{Alert, AlertMarks, AlertValue, Priority, RuleInfo};

#[global_allocator]
static ALLOC: CountingAlloc = CountingAlloc::system();

const N: u64 = 1000;

/// An alert as the shipped rules raise it.
fn alert() -> Alert {
    let rule = RuleInfo {
        name: "Read sensitive file untrusted".into(),
        desc: String::new(),
        priority: Priority::Warning,
        source: "syscall".into(),
        tags: vec!["T1555".into(), "container".into(), "filesystem".into(), "host".into()],
        condition: String::new(),
        output: String::new(),
        exceptions: Vec::new(),
        capture: false,
        capture_duration_ms: 0,
    };
    let text = |text: &str| AlertValue::Text(text.into());
    Alert {
        rule: Arc::new(rule),
        evt_num: 7,
        ts_ns: 1_795_357_671_000_000_042,
        output: "Sensitive file opened for reading (file=/etc/shadow process=cat \
                 command=cat \"/etc/shadow\" parent=bash user=user uid=1000 tty=34816 container=host)"
            .to_owned(),
        fields: vec![
            ("fd.name".into(), text("/etc/shadow")),
            ("proc.name".into(), text("cat")),
            ("proc.cmdline".into(), text("cat \"/etc/shadow\"")),
            ("proc.pname".into(), text("bash")),
            ("user.name".into(), text("user")),
            ("user.uid".into(), AlertValue::I64(1000)),
            ("proc.tty".into(), AlertValue::I64(34816)),
            ("container.id".into(), text("host")),
            ("container.name".into(), AlertValue::Missing),
        ],
        marks: AlertMarks::default(),
    }
}

fn format(json: bool, expected: &'static str) -> Pass {
    let format = Format { json, ..Format::default() };
    let mut formatter = Formatter::new(format, "node-1");
    let alert = alert();
    Pass::new(N, move || {
        for _ in 0..N {
            let line = black_box(formatter.line(black_box(&alert), Notes::default()));
            assert!(line.contains(expected) && line.ends_with('\n'), "{line}");
        }
    })
}

fn text() -> Pass {
    format(false, "Warning Sensitive file opened")
}

fn json() -> Pass {
    format(true, "\"proc.cmdline\":\"cat \\\"/etc/shadow\\\"\"")
}

fn main() {
    let targets: [TargetFn; 2] = [
        ("format_text", "outputs::Formatter::line (text)", text),
        ("format_json", "outputs::Formatter::line (JSON)", json),
    ];
    run_targets(&targets, std::env::args().skip(1));
}
