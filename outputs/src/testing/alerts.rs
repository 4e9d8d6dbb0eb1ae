//! An alert, for the tests of this crate, those in files of their own included.

use std::sync::Arc;

use rules::{Alert, AlertMarks, AlertValue, Priority, RuleInfo};

pub(crate) fn alert(output: &str) -> Alert {
    let rule = RuleInfo {
        name: "Read sensitive file".into(),
        desc: String::new(),
        priority: Priority::Warning,
        source: "syscall".into(),
        tags: vec!["T1555".into(), "filesystem".into()],
        condition: String::new(),
        output: String::new(),
        exceptions: Vec::new(),
        capture: false,
        capture_duration_ms: 0,
    };
    Alert {
        rule: Arc::new(rule),
        evt_num: 7,
        // 2026-11-22 14:27:51 UTC.
        ts_ns: 1_795_357_671_000_000_042,
        output: output.to_owned(),
        fields: vec![
            ("proc.name".into(), AlertValue::Text("cat".into())),
            ("fd.num".into(), AlertValue::I64(3)),
            ("user.name".into(), AlertValue::Missing),
        ],
        marks: AlertMarks::default(),
    }
}
